/* SPDX-License-Identifier: MPL-2.0
 *
 * The agent's own state: two hash tables (agent_table.h). Fields hang on their topic in order of first write, topics
 * in one list; an empty topic is forgotten. A second list through all fields has the last written first. Numbers live
 * in the field itself; texts and bytes in a block of their own, so that overwriting a number costs no memory.
 *
 * A walk goes from the last written field to the oldest. A field that is written meanwhile moves to the front, behind
 * the cursor; so each remembers the walk that has passed it, and the cursor starts anew while some are left out.
 */
#include "agent_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent_table.h"
#include "sb_names.h"

typedef struct sb_own_topic sb_own_topic_t;
typedef struct sb_own_field sb_own_field_t;

/* How many fields a category has. Never freed: an agent writes a handful of categories. */
typedef struct sb_own_category {
    struct sb_own_category *next;
    uint32_t field_count;
    uint32_t time_to_live_ms; /* of fields without a time of their own; 0: for ever, or not known here */
    uint32_t size;
    char name[SB_CATEGORY_MAX];
} sb_own_category_t;

/* What the broker said of a category. */
typedef struct {
    uint32_t time_to_live_ms;
    uint32_t size;
    char name[SB_CATEGORY_MAX];
} sb_own_time_t;

struct sb_own_topic {
    sb_chained_t chained;
    sb_own_topic_t *next, *previous;
    sb_own_field_t *first, *last;
    sb_own_category_t *category;
    uint32_t subject_size;
    char subject[SB_ID_MAX];
};

struct sb_own_field {
    sb_chained_t chained;
    sb_own_field_t *next, *previous; /* within the topic */
    sb_own_field_t *older, *newer;   /* by last write */
    uint64_t walk;                   /* the last that has passed it */
    bool is_noted;                   /* see sb_own_state_note */
    sb_own_topic_t *topic;
    sb_own_value_t own;
    uint32_t name_size;
    char name[];
};

struct sb_own_state {
    uint64_t seed;
    uint32_t max_fields;
    uint32_t category_limit;
    sb_table_t topics;
    sb_table_t fields;
    sb_own_category_t *categories;
    sb_own_topic_t *first, *last;
    sb_own_field_t *newest, *oldest;
    sb_own_field_t *cursor; /* NULL: at the end of the list */
    uint64_t walk;          /* the present one */
    uint32_t passed_count;  /* fields that it has passed */
    uint64_t version;       /* see sb_own_state_version */
    uint64_t now_ns;
    uint64_t first_gone_ns; /* no field's time runs out before; UINT64_MAX: none has one */
    sb_own_time_t *times;   /* as the broker said them last */
    uint32_t time_count;
};

#define SB_NS_A_MS UINT64_C (1000000)

sb_own_state_t *sb_own_state_new (uint32_t max_fields, uint64_t seed)
{
    sb_own_state_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->seed = seed;
    self->max_fields = max_fields;
    self->category_limit = UINT32_MAX;
    self->first_gone_ns = UINT64_MAX;
    self->walk = 1; /* which has passed nothing */
    if (!sb_table_init (&self->topics) || !sb_table_init (&self->fields))
        sb_own_state_destroy (&self);
    return self;
}

void sb_own_value_clear (sb_own_value_t *value)
{
    free (value->memory);
    *value = (sb_own_value_t){0};
}

void sb_own_state_destroy (sb_own_state_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_own_state_t *self = *self_p;
    for (sb_own_topic_t *topic = self->first; topic;) {
        for (sb_own_field_t *field = topic->first; field;) {
            sb_own_field_t *next = field->next;
            sb_own_value_clear (&field->own);
            free (field);
            field = next;
        }
        sb_own_topic_t *next = topic->next;
        free (topic);
        topic = next;
    }
    while (self->categories) {
        sb_own_category_t *category = self->categories;
        self->categories = category->next;
        free (category);
    }
    free (self->times);
    sb_table_fini (&self->topics);
    sb_table_fini (&self->fields);
    free (self);
    *self_p = NULL;
}

void sb_own_state_set_category_limit (sb_own_state_t *self, uint32_t max_fields)
{
    self->category_limit = max_fields;
}

void sb_own_state_set_time (sb_own_state_t *self, uint64_t now_ns)
{
    assert (now_ns >= self->now_ns);
    self->now_ns = now_ns;
}

uint32_t sb_own_state_count (const sb_own_state_t *self)
{
    return self->fields.count;
}

/* ------------------------------------------------------------------ finding */

static sb_own_category_t *s_find_category (const sb_own_state_t *self, sb_text_t name)
{
    sb_own_category_t *category = self->categories;
    while (category && !sb_text_equal ((sb_text_t){category->name, category->size}, name))
        category = category->next;
    return category;
}

/* What the broker lets fields of a category live, in ms; 0: for ever, or not known. */
static uint32_t s_time_of_category (const sb_own_state_t *self, sb_text_t name)
{
    for (uint32_t i = self->time_count; i > 0; i--)
        if (sb_text_equal ((sb_text_t){self->times[i - 1].name, self->times[i - 1].size}, name))
            return self->times[i - 1].time_to_live_ms;
    return 0;
}

static sb_own_topic_t *s_find_topic (const sb_own_state_t *self, uint64_t hash, sb_text_t category, sb_text_t subject)
{
    SB_TABLE_EACH (link, &self->topics, hash)
    {
        sb_own_topic_t *topic = SB_TABLE_ITEM (sb_own_topic_t, link);
        if (sb_text_equal ((sb_text_t){topic->subject, topic->subject_size}, subject) &&
            sb_text_equal ((sb_text_t){topic->category->name, topic->category->size}, category))
            return topic;
    }
    return NULL;
}

static uint64_t s_topic_hash (const sb_own_state_t *self, sb_text_t category, sb_text_t subject)
{
    return sb_text_hash (sb_text_hash (self->seed, category), subject);
}

static sb_own_field_t *s_find_field (const sb_own_state_t *self, const sb_own_topic_t *topic, uint64_t hash,
                                     sb_text_t name)
{
    SB_TABLE_EACH (link, &self->fields, hash)
    {
        sb_own_field_t *field = SB_TABLE_ITEM (sb_own_field_t, link);
        if (field->topic == topic && sb_text_equal ((sb_text_t){field->name, field->name_size}, name))
            return field;
    }
    return NULL;
}

/* ------------------------------------------------------------------ adding */

static void s_add (sb_table_t *table, sb_chained_t *item, uint64_t hash)
{
    sb_table_add (table, item, hash);
    if (sb_table_is_full (table))
        sb_table_grow (table); /* or longer chains only */
}

static sb_own_category_t *s_add_category (sb_own_state_t *self, sb_text_t name)
{
    sb_own_category_t *category = calloc (1, sizeof *category);
    if (!category)
        return NULL;
    if (name.size)
        memcpy (category->name, name.data, name.size);
    category->size = name.size;
    category->time_to_live_ms = s_time_of_category (self, name);
    category->next = self->categories;
    self->categories = category;
    return category;
}

static sb_own_topic_t *s_add_topic (sb_own_state_t *self, uint64_t hash, sb_text_t category, sb_text_t subject)
{
    sb_own_category_t *owner = s_find_category (self, category);
    if (!owner)
        owner = s_add_category (self, category);
    sb_own_topic_t *topic = owner ? calloc (1, sizeof *topic) : NULL;
    if (!topic)
        return NULL;
    topic->category = owner;
    topic->subject_size = subject.size;
    if (subject.size)
        memcpy (topic->subject, subject.data, subject.size);
    topic->previous = self->last;
    *(self->last ? &self->last->next : &self->first) = topic;
    self->last = topic;
    s_add (&self->topics, &topic->chained, hash);
    return topic;
}

/* The field becomes the one last written. */
static void s_link_newest (sb_own_state_t *self, sb_own_field_t *field)
{
    field->newer = NULL;
    field->older = self->newest;
    *(self->newest ? &self->newest->newer : &self->oldest) = field;
    self->newest = field;
}

static void s_unlink_by_age (sb_own_state_t *self, sb_own_field_t *field)
{
    if (self->cursor == field)
        self->cursor = field->older;
    *(field->newer ? &field->newer->older : &self->newest) = field->older;
    *(field->older ? &field->older->newer : &self->oldest) = field->newer;
}

static sb_own_field_t *s_add_field (sb_own_state_t *self, sb_own_topic_t *topic, uint64_t hash, sb_text_t name)
{
    sb_own_field_t *field = calloc (1, sizeof *field + name.size);
    if (!field)
        return NULL;
    field->topic = topic;
    field->name_size = name.size;
    memcpy (field->name, name.data, name.size);
    field->previous = topic->last;
    *(topic->last ? &topic->last->next : &topic->first) = field;
    topic->last = field;
    s_link_newest (self, field);
    topic->category->field_count++;
    s_add (&self->fields, &field->chained, hash);
    return field;
}

/* ------------------------------------------------------------------ removing */

static void s_remove_topic (sb_own_state_t *self, sb_own_topic_t *topic)
{
    sb_table_remove (&self->topics, &topic->chained);
    *(topic->previous ? &topic->previous->next : &self->first) = topic->next;
    *(topic->next ? &topic->next->previous : &self->last) = topic->previous;
    free (topic);
}

static void s_remove_field (sb_own_state_t *self, sb_own_field_t *field)
{
    sb_own_topic_t *topic = field->topic;
    sb_table_remove (&self->fields, &field->chained);
    *(field->previous ? &field->previous->next : &topic->first) = field->next;
    *(field->next ? &field->next->previous : &topic->last) = field->previous;
    s_unlink_by_age (self, field);
    self->passed_count -= field->walk == self->walk;
    self->version++;
    topic->category->field_count--;
    sb_own_value_clear (&field->own);
    free (field);
    if (!topic->first)
        s_remove_topic (self, topic);
}

/* ------------------------------------------------------------------ writing */

static bool s_copy_value (sb_own_value_t *own, const sb_value_t *value)
{
    own->value = *value;
    sb_text_t *text = value->kind == SB_VALUE_TEXT    ? &own->value.text
                      : value->kind == SB_VALUE_BYTES ? &own->value.bytes
                                                      : NULL;
    if (!text || text->size == 0)
        return true;
    own->memory = malloc (text->size);
    if (!own->memory)
        return false;
    memcpy (own->memory, text->data, text->size);
    text->data = own->memory;
    return true;
}

/* When the field's time runs out, by what is known of its category now; UINT64_MAX: never. */
static uint64_t s_gone_ns (const sb_own_field_t *field)
{
    const sb_own_value_t *own = &field->own;
    uint64_t time_to_live_ms = own->time_to_live_ms ? own->time_to_live_ms : field->topic->category->time_to_live_ms;
    uint64_t time_to_live_ns = time_to_live_ms * SB_NS_A_MS;
    if (time_to_live_ms == 0 || time_to_live_ns > UINT64_MAX - own->written_ns)
        return UINT64_MAX;
    return own->written_ns + time_to_live_ns;
}

static bool s_is_gone (const sb_own_state_t *self, const sb_own_field_t *field)
{
    uint64_t gone_ns = s_gone_ns (field);
    return gone_ns != UINT64_MAX && gone_ns <= self->now_ns;
}

/* The field's time to live is among those to be watched. */
static void s_watch (sb_own_state_t *self, const sb_own_field_t *field)
{
    uint64_t gone_ns = s_gone_ns (field);
    if (gone_ns < self->first_gone_ns)
        self->first_gone_ns = gone_ns;
}

static bool s_write (sb_own_state_t *self, sb_own_topic_t **topic, const sb_delta_t *delta, const sb_change_t *change,
                     uint64_t writer, sb_own_value_t *before)
{
    uint64_t topic_hash = s_topic_hash (self, delta->category, delta->subject);
    if (!*topic)
        *topic = s_find_topic (self, topic_hash, delta->category, delta->subject);
    uint64_t hash = sb_text_hash (topic_hash, change->name);
    sb_own_field_t *field = *topic ? s_find_field (self, *topic, hash, change->name) : NULL;
    sb_own_value_t after = {.writer = writer, .written_ns = self->now_ns, .time_to_live_ms = delta->time_to_live_ms};
    if (!change->is_delete && !s_copy_value (&after, &change->value))
        return false;
    if (!field && !change->is_delete) {
        if (!*topic)
            *topic = s_add_topic (self, topic_hash, delta->category, delta->subject);
        field = *topic ? s_add_field (self, *topic, hash, change->name) : NULL;
        if (!field) {
            sb_own_value_clear (&after);
            return false;
        }
    }
    if (!field)
        return true;
    if (before) {
        *before = field->own;
        field->own.memory = NULL;
    } else {
        sb_own_value_clear (&field->own);
    }
    field->own = after;
    s_watch (self, field);
    field->is_noted = false;
    self->version++;
    s_unlink_by_age (self, field);
    s_link_newest (self, field);
    if (change->is_delete) {
        s_remove_field (self, field);
        *topic = NULL; /* may be gone with its last field */
    }
    return true;
}

bool sb_own_state_apply (sb_own_state_t *self, const sb_delta_t *delta, uint64_t writer, sb_own_value_t *before)
{
    sb_own_topic_t *topic = NULL;
    for (uint32_t i = 0; i < delta->update.change_count; i++) {
        if (!s_write (self, &topic, delta, &delta->update.changes[i], writer, before ? &before[i] : NULL))
            return false;
    }
    return true;
}

bool sb_own_state_restore (sb_own_state_t *self, const sb_delta_t *delta, const sb_change_t *change, uint64_t writer,
                           sb_own_value_t *before)
{
    uint64_t topic_hash = s_topic_hash (self, delta->category, delta->subject);
    sb_own_topic_t *topic = s_find_topic (self, topic_hash, delta->category, delta->subject);
    uint64_t hash = sb_text_hash (topic_hash, change->name);
    sb_own_field_t *field = topic ? s_find_field (self, topic, hash, change->name) : NULL;
    if (change->is_delete && !field && before->value.kind != SB_VALUE_NONE) {
        /* The delete left no trace of its writer: what it removed comes back unless it was written anew. */
        if (!topic)
            topic = s_add_topic (self, topic_hash, delta->category, delta->subject);
        field = topic ? s_add_field (self, topic, hash, change->name) : NULL;
    } else if (!field || field->own.writer != writer) {
        return false;
    }
    if (!field)
        return false;
    if (before->value.kind == SB_VALUE_NONE) {
        s_remove_field (self, field);
    } else {
        sb_own_value_clear (&field->own);
        field->own = *before;
        s_watch (self, field);
        field->is_noted = false;
        self->version++;
    }
    *before = (sb_own_value_t){0};
    return true;
}

void sb_own_state_forget_category (sb_own_state_t *self, sb_text_t category)
{
    for (sb_own_topic_t *topic = self->first; topic;) {
        sb_own_topic_t *next = topic->next;
        if (sb_text_equal ((sb_text_t){topic->category->name, topic->category->size}, category)) {
            uint32_t left = 0;
            for (sb_own_field_t *field = topic->first; field; field = field->next)
                left++;
            for (; left > 0; left--)
                s_remove_field (self, topic->first);
        }
        topic = next;
    }
}

void sb_own_state_expire (sb_own_state_t *self)
{
    if (self->now_ns < self->first_gone_ns)
        return;
    self->first_gone_ns = UINT64_MAX;
    for (sb_own_field_t *field = self->newest; field;) {
        sb_own_field_t *older = field->older;
        if (s_is_gone (self, field))
            s_remove_field (self, field);
        else
            s_watch (self, field);
        field = older;
    }
}

void sb_own_state_set_times_to_live (sb_own_state_t *self, const sb_time_to_live_t *times, uint32_t count)
{
    uint32_t taken = count < SB_TIMES_TO_LIVE_MAX ? count : SB_TIMES_TO_LIVE_MAX;
    sb_own_time_t *known = taken ? calloc (taken, sizeof *known) : NULL;
    if (taken && !known)
        return;
    sb_own_state_expire (self); /* a longer time brings nothing back */
    free (self->times);
    self->times = known;
    self->time_count = 0;
    for (uint32_t i = 0; i < taken; i++) {
        sb_text_t name = times[i].category;
        if (name.size == 0 || name.size > SB_CATEGORY_MAX)
            continue;
        sb_own_time_t *time = &known[self->time_count++];
        time->time_to_live_ms = times[i].time_to_live_ms;
        time->size = name.size;
        memcpy (time->name, name.data, name.size);
    }
    for (sb_own_category_t *category = self->categories; category; category = category->next)
        category->time_to_live_ms = s_time_of_category (self, (sb_text_t){category->name, category->size});
    self->first_gone_ns = 0; /* looked for when it is needed */
}

/* ------------------------------------------------------------------ bounds */

static uint32_t s_new_fields (const sb_own_state_t *self, const sb_delta_t *delta)
{
    uint64_t topic_hash = s_topic_hash (self, delta->category, delta->subject);
    const sb_own_topic_t *topic = s_find_topic (self, topic_hash, delta->category, delta->subject);
    uint32_t count = 0;
    for (uint32_t i = 0; i < delta->update.change_count; i++) {
        const sb_change_t *change = &delta->update.changes[i];
        bool known = topic && s_find_field (self, topic, sb_text_hash (topic_hash, change->name), change->name);
        count += !known && !change->is_delete;
    }
    return count;
}

/* True when no bound can be reached, even if every change made a new field. */
static bool s_is_far_from_bounds (const sb_own_state_t *self, const sb_delta_t *deltas, uint32_t count)
{
    uint64_t added = 0;
    for (uint32_t i = 0; i < count; i++)
        added += deltas[i].update.change_count;
    if (self->fields.count + added > self->max_fields)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const sb_own_category_t *category = s_find_category (self, deltas[i].category);
        if ((category ? category->field_count : 0) + added > self->category_limit)
            return false;
    }
    return true;
}

/* A category that would get new fields, and how many it would then have. */
typedef struct {
    sb_text_t name;
    uint64_t field_count;
} s_growing_t;

/* Adds to what the category would have. They are few, so they are looked through in turn. */
static uint64_t s_grow_category (const sb_own_state_t *self, s_growing_t *growing, uint32_t *growing_count,
                                 sb_text_t name, uint32_t new_fields)
{
    uint32_t i = 0;
    while (i < *growing_count && !sb_text_equal (growing[i].name, name))
        i++;
    if (i == *growing_count) {
        const sb_own_category_t *category = s_find_category (self, name);
        growing[(*growing_count)++] = (s_growing_t){name, category ? category->field_count : 0};
    }
    return growing[i].field_count += new_fields;
}

sb_reason_t sb_own_state_check (sb_own_state_t *self, const sb_delta_t *deltas, uint32_t count)
{
    assert (count <= SB_CHANGES_MAX);
    if (s_is_far_from_bounds (self, deltas, count))
        return SB_REASON_NONE;
    sb_own_state_expire (self);
    s_growing_t growing[SB_CHANGES_MAX];
    uint32_t growing_count = 0;
    uint64_t added = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t new_fields = s_new_fields (self, &deltas[i]);
        if (new_fields == 0)
            continue;
        added += new_fields;
        /* What the broker will make of a delta without category is not known here. */
        if (deltas[i].category.size &&
            s_grow_category (self, growing, &growing_count, deltas[i].category, new_fields) > self->category_limit)
            return SB_REASON_TOO_MANY_FIELDS;
    }
    return self->fields.count + added > self->max_fields ? SB_REASON_STORE_FULL : SB_REASON_NONE;
}

/* ------------------------------------------------------------------ walking */

void sb_own_state_rewind (sb_own_state_t *self)
{
    self->walk++;
    self->passed_count = 0;
    self->cursor = self->newest;
}

bool sb_own_state_at_cursor (sb_own_state_t *self, sb_text_t *category, sb_text_t *subject, sb_text_t *name,
                             const sb_value_t **value)
{
    for (;;) {
        if (self->passed_count == self->fields.count)
            return false;
        while (!self->cursor || self->cursor->walk == self->walk)
            self->cursor = self->cursor ? self->cursor->older : self->newest;
        if (!s_is_gone (self, self->cursor))
            break;
        s_remove_field (self, self->cursor);
    }
    const sb_own_field_t *field = self->cursor;
    const sb_own_topic_t *topic = field->topic;
    *category = (sb_text_t){topic->category->name, topic->category->size};
    *subject = (sb_text_t){topic->subject, topic->subject_size};
    *name = (sb_text_t){field->name, field->name_size};
    *value = &field->own.value;
    return true;
}

uint32_t sb_own_state_time_left_ms (const sb_own_state_t *self)
{
    assert (self->cursor);
    uint64_t gone_ns = s_gone_ns (self->cursor);
    if (gone_ns == UINT64_MAX)
        return 0;
    assert (gone_ns > self->now_ns);
    return (uint32_t)((gone_ns - self->now_ns + SB_NS_A_MS - 1) / SB_NS_A_MS);
}

void sb_own_state_advance (sb_own_state_t *self)
{
    assert (self->cursor && self->cursor->walk != self->walk);
    self->cursor->walk = self->walk;
    self->passed_count++;
    self->cursor = self->cursor->older;
}

bool sb_own_state_note (sb_own_state_t *self)
{
    assert (self->cursor);
    bool is_new = !self->cursor->is_noted;
    self->cursor->is_noted = true;
    return is_new;
}

uint64_t sb_own_state_version (const sb_own_state_t *self)
{
    return self->version;
}

void sb_own_state_visit (const sb_own_state_t *self,
                         void (*visit) (void *context, sb_text_t category, sb_text_t subject, sb_text_t name,
                                        const sb_value_t *value),
                         void *context)
{
    for (const sb_own_topic_t *topic = self->first; topic; topic = topic->next) {
        for (const sb_own_field_t *field = topic->first; field; field = field->next) {
            if (s_is_gone (self, field))
                continue;
            visit (context, (sb_text_t){topic->category->name, topic->category->size},
                   (sb_text_t){topic->subject, topic->subject_size}, (sb_text_t){field->name, field->name_size},
                   &field->own.value);
        }
    }
}

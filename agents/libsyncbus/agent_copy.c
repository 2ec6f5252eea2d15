/* SPDX-License-Identifier: MPL-2.0
 *
 * The rules of the copy: what is newer than what.
 *
 * A topic has a floor: what publications up to it wrote is in the copy, or was overtaken, so they change nothing. An
 * applied publication raises the floor to itself; a scan raises it to the head of the topic's FIRST part, since what
 * that part and later ones do not name was gone by then. Publications above the floor are applied field by field, where
 * they are not older than the field: a later part may have brought something newer. The head of a later part must not
 * raise the floor, as fields of the parts before it may have changed in between. While a scan is open, deleted fields
 * stay behind as marks, so that a part made before the delete does not bring them back; its end clears them away.
 * What the application was given of an overtaken change is noted: the next snapshot tells it again.
 */
#include "agent_copy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent_copy_table.h"
#include "sb_names.h"
#include "sb_state_hash.h"

enum { SB_COPY_PREFIXES_MAX = 128 };

typedef struct {
    uint32_t size;
    char text[SB_TOPIC_MAX + 2];
} sb_copy_prefix_t;

typedef struct {
    uint32_t count;
    sb_copy_prefix_t items[SB_COPY_PREFIXES_MAX];
} sb_copy_scope_t;

struct sb_copy {
    sb_copy_table_t table;
    bool keeps_fields;
    bool is_left_out; /* something found no place since the last scan of all there is */
    bool is_full;     /* a topic did not */
    uint64_t stream_id;
    uint64_t epoch;
    bool is_scanning;
    uint32_t scan;         /* number of the scan that is open or was last */
    uint64_t covered;      /* publications up to it were made before that scan */
    sb_copy_scope_t scope; /* of that scan */
    sb_copy_scope_t all;   /* the widest scope so far */
    /* the difference being gathered */
    uint32_t change_count;
    int64_t changed_unix_ns; /* of the youngest of them */
    sb_change_t changes[SB_CHANGES_MAX];
    sb_copy_field_t *gone[SB_CHANGES_MAX]; /* the fields of those changes, when they are deletes */
};

sb_copy_t *sb_copy_new (uint64_t seed, bool keeps_fields, uint32_t max_topics, uint32_t max_fields, uint64_t max_bytes)
{
    sb_copy_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->keeps_fields = keeps_fields;
    if (!sb_copy_table_init (&self->table, seed, max_topics, max_fields, max_bytes))
        sb_copy_destroy (&self);
    return self;
}

void sb_copy_destroy (sb_copy_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_copy_table_fini (&(*self_p)->table);
    free (*self_p);
    *self_p = NULL;
}

static sb_text_t s_text (const sb_copy_topic_t *topic)
{
    return (sb_text_t){topic->text, topic->text_size};
}

static sb_text_t s_name (const sb_copy_field_t *field)
{
    return (sb_text_t){field->name, field->name_size};
}

/* ------------------------------------------------------------------ topics */

/* Topics that the broker gave up hold their place only until it is needed. */
static bool s_reclaim (sb_copy_t *self)
{
    uint32_t count = self->table.topics.count;
    for (sb_copy_topic_t *topic = self->table.first; topic;) {
        sb_copy_topic_t *next = topic->next;
        if (topic->is_forgotten && !topic->first)
            sb_copy_table_remove_topic (&self->table, topic);
        topic = next;
    }
    return self->table.topics.count < count;
}

static bool s_is_in_scope (const sb_copy_scope_t *scope, sb_text_t topic)
{
    for (uint32_t i = 0; i < scope->count; i++) {
        if (sb_prefix_matches ((sb_text_t){scope->items[i].text, scope->items[i].size}, topic))
            return true;
    }
    return false;
}

/* The topic, to be changed; made when it is not there. NULL when there is no room. */
static sb_copy_topic_t *s_topic (sb_copy_t *self, sb_text_t text)
{
    sb_copy_topic_t *topic = sb_copy_table_topic (&self->table, text);
    if (!topic)
        topic = sb_copy_table_add_topic (&self->table, text);
    if (!topic && s_reclaim (self))
        topic = sb_copy_table_add_topic (&self->table, text);
    if (!topic) {
        self->is_left_out = self->is_full = true;
        return NULL;
    }
    topic->is_hash_known = false;
    if (self->is_scanning && topic->entered != self->scan) {
        topic->entered = self->scan;
        topic->before = topic->head.sequence;
        topic->is_scanned = s_is_in_scope (&self->scope, text);
    }
    return topic;
}

bool sb_copy_is_full (const sb_copy_t *self)
{
    return self->is_full;
}

const sb_copy_head_t *sb_copy_head (const sb_copy_t *self, sb_text_t text)
{
    const sb_copy_topic_t *topic = sb_copy_table_topic (&self->table, text);
    return topic ? &topic->head : NULL;
}

/* ------------------------------------------------------------------ publications */

static void s_take_value (sb_copy_t *self, sb_copy_topic_t *topic, sb_copy_field_t *field, const sb_change_t *change,
                          uint64_t sequence, int64_t changed_unix_ns)
{
    if (!field)
        field = sb_copy_table_add_field (&self->table, topic, change->name);
    if (!field || !sb_copy_table_write (&self->table, field, &change->value)) {
        self->is_left_out = true;
        if (field) /* nothing is better than something old */
            sb_copy_table_remove_field (&self->table, field);
        return;
    }
    field->sequence = sequence;
    field->changed_unix_ns = changed_unix_ns;
    field->is_doubtful = false;
}

static void s_take_delete (sb_copy_t *self, sb_copy_topic_t *topic, sb_copy_field_t *field, sb_text_t name,
                           uint64_t sequence)
{
    bool is_marked = self->is_scanning && topic->is_scanned;
    if (!is_marked) {
        if (field)
            sb_copy_table_remove_field (&self->table, field);
        return;
    }
    if (!field)
        field = sb_copy_table_add_field (&self->table, topic, name);
    if (!field) {
        self->is_left_out = true; /* a part still to come may bring it back */
        return;
    }
    sb_copy_table_write (&self->table, field, &(sb_value_t){.kind = SB_VALUE_NONE});
    field->sequence = sequence;
}

static void s_apply_change (sb_copy_t *self, sb_copy_topic_t *topic, const sb_change_t *change, uint64_t sequence,
                            int64_t changed_unix_ns)
{
    sb_copy_field_t *field = sb_copy_table_field (&self->table, topic, change->name);
    /* Not at equality: a publication may name a field in several updates, and the last one counts. */
    if (field && field->sequence > sequence) {
        field->is_doubtful = true;
        return;
    }
    if (!change->is_delete && change->value.kind != SB_VALUE_NONE) {
        s_take_value (self, topic, field, change, sequence, changed_unix_ns);
        return;
    }
    if (!change->is_delete) /* a value of a kind that this version does not know */
        self->is_left_out = true;
    s_take_delete (self, topic, field, change->name, sequence);
}

static void s_take_head (sb_copy_topic_t *topic, const sb_publication_t *publication)
{
    sb_copy_head_t *head = &topic->head;
    if (publication->quality == SB_QUALITY_OK)
        head->cause = SB_CAUSE_NONE;
    else if (publication->update_count == 0 || publication->quality != head->quality)
        head->cause = publication->cause;
    head->quality = publication->quality;
    head->sequence = publication->sequence;
    head->category_sequence = publication->category_sequence;
    head->topic_sequence = publication->topic_sequence;
    topic->is_doubtful = false;
}

bool sb_copy_apply (sb_copy_t *self, const sb_publication_t *publication)
{
    if (publication->sequence == 0)
        return false;
    if (publication->sequence <= self->covered && s_is_in_scope (&self->scope, publication->topic))
        return false;
    sb_copy_topic_t *topic = s_topic (self, publication->topic);
    if (!topic)
        return true;
    if (publication->sequence <= topic->floor)
        return false;
    if (publication->sequence >= topic->head.sequence)
        s_take_head (topic, publication);
    else
        topic->is_doubtful = true;
    bool is_state = publication->topic.data[0] != '_'; /* the broker keeps no fields of what it says itself */
    for (uint32_t i = 0; self->keeps_fields && is_state && i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        uint64_t sequence = update->publication_sequence ? update->publication_sequence : publication->sequence;
        for (uint32_t j = 0; j < update->change_count; j++)
            s_apply_change (self, topic, &update->changes[j], sequence, publication->broker_unix_ns);
    }
    topic->floor = publication->sequence;
    topic->is_forgotten = publication->cause == SB_CAUSE_FORGOTTEN;
    return true;
}

void sb_copy_new_stream (sb_copy_t *self, uint64_t stream_id, uint64_t epoch)
{
    if (self->stream_id == stream_id && self->epoch == epoch)
        return;
    self->stream_id = stream_id;
    self->epoch = epoch;
    self->covered = 0;
    for (sb_copy_topic_t *topic = self->table.first; topic; topic = topic->next) {
        topic->head.sequence = topic->floor = topic->before = 0;
        topic->is_hash_known = false;
        for (sb_copy_field_t *field = topic->first; field; field = field->next)
            field->sequence = 0;
    }
}

/* ------------------------------------------------------------------ differences */

/* Tells what was gathered; `is_due` also when that is nothing. */
static void s_tell (sb_copy_t *self, const sb_publication_t *head, bool is_due, sb_copy_difference_fn *difference,
                    void *context)
{
    if (self->change_count == 0 && !is_due)
        return;
    sb_text_t category, subject;
    sb_update_t update = {.changes = self->changes, .change_count = self->change_count};
    sb_publication_t publication = *head;
    publication.stream_id = self->stream_id;
    publication.epoch = self->epoch;
    publication.cause = SB_CAUSE_SNAPSHOT;
    publication.broker_unix_ns = self->changed_unix_ns;
    sb_topic_split (publication.topic, &category, &publication.agent_id, &subject);
    if (self->change_count) {
        publication.updates = &update;
        publication.update_count = 1;
    }
    difference (context, &publication);
    self->change_count = 0;
    self->changed_unix_ns = 0;
}

/* ------------------------------------------------------------------ scan */

static void s_clear_marks (sb_copy_t *self)
{
    for (sb_copy_topic_t *topic = self->table.first; topic && self->table.deleted_count; topic = topic->next) {
        for (sb_copy_field_t *field = topic->first; field;) {
            sb_copy_field_t *next = field->next;
            if (field->value.kind == SB_VALUE_NONE)
                sb_copy_table_remove_field (&self->table, field);
            field = next;
        }
    }
}

/* True when every topic of `inner` is one of `outer`. */
static bool s_covers (const sb_copy_scope_t *outer, const sb_copy_scope_t *inner)
{
    for (uint32_t i = 0; i < inner->count; i++) {
        sb_text_t prefix = {inner->items[i].text, inner->items[i].size};
        bool is_covered = false;
        for (uint32_t j = 0; !is_covered && j < outer->count; j++)
            is_covered = prefix.size
                             ? sb_prefix_matches ((sb_text_t){outer->items[j].text, outer->items[j].size}, prefix)
                             : outer->items[j].size == 0;
        if (!is_covered)
            return false;
    }
    return true;
}

void sb_copy_scan_begin (sb_copy_t *self, const sb_text_t *prefixes, uint32_t prefix_count)
{
    assert (prefix_count <= SB_COPY_PREFIXES_MAX);
    s_clear_marks (self);
    self->scan++;
    self->is_scanning = true;
    self->covered = 0;
    self->scope.count = 0;
    for (uint32_t i = 0; i < prefix_count; i++) {
        sb_copy_prefix_t *prefix = &self->scope.items[self->scope.count];
        if (prefixes[i].size >= sizeof prefix->text)
            continue; /* no topic is that long */
        self->scope.count++;
        prefix->size = prefixes[i].size;
        if (prefix->size)
            memcpy (prefix->text, prefixes[i].data, prefix->size);
    }
    if (s_covers (&self->scope, &self->all)) {
        self->all = self->scope;
        self->is_left_out = self->is_full = false;
    }
}

void sb_copy_scan_covers (sb_copy_t *self, uint64_t sequence)
{
    self->covered = sequence;
}

/* Takes one field of a part over. True when that differs from before. */
static bool s_scan_field (sb_copy_t *self, sb_copy_topic_t *topic, const sb_snapshot_field_t *named)
{
    if (!self->keeps_fields)
        return named->sequence > topic->floor;
    sb_copy_field_t *field = sb_copy_table_field (&self->table, topic, named->name);
    if (field && field->sequence >= named->sequence) {
        bool is_doubtful = field->is_doubtful;
        field->is_doubtful = false;
        field->named = self->scan;
        return is_doubtful;
    }
    bool differs = !field || field->is_doubtful || !sb_copy_value_equal (&field->value, &named->value);
    sb_change_t change = {.name = named->name, .value = named->value};
    s_take_value (self, topic, field, &change, named->sequence, named->changed_unix_ns);
    field = field ? field : sb_copy_table_field (&self->table, topic, named->name);
    if (field)
        field->named = self->scan;
    return differs;
}

/* Takes the head of a part over. True when the quality differs from before. */
static bool s_scan_head (sb_copy_t *self, sb_copy_topic_t *topic, const sb_snapshot_topic_t *part)
{
    if (topic->named != self->scan) {
        topic->named = self->scan;
        topic->before = part->sequence;
        if (self->keeps_fields && topic->floor < part->sequence)
            topic->floor = part->sequence;
    }
    topic->is_forgotten = false;
    if (part->sequence < topic->head.sequence)
        return false;
    bool differs = topic->is_doubtful || topic->head.quality != part->quality;
    topic->is_doubtful = false;
    topic->head =
        (sb_copy_head_t){part->sequence, part->category_sequence, part->topic_sequence, part->quality, part->cause};
    return differs;
}

void sb_copy_scan_topic (sb_copy_t *self, const sb_snapshot_topic_t *part, sb_copy_difference_fn *difference,
                         void *context)
{
    assert (self->is_scanning);
    sb_copy_topic_t *topic = s_topic (self, part->topic);
    bool is_due = !topic || s_scan_head (self, topic, part);
    sb_publication_t head = {.topic = part->topic,
                             .sequence = part->sequence,
                             .category_sequence = part->category_sequence,
                             .topic_sequence = part->topic_sequence,
                             .quality = topic ? topic->head.quality : part->quality};
    for (uint32_t i = 0; i < part->field_count; i++) {
        const sb_snapshot_field_t *field = &part->fields[i];
        if (field->value.kind == SB_VALUE_NONE) {
            self->is_left_out = true; /* of a kind that this version does not know */
            continue;
        }
        /* What finds no place cannot be compared: it is told. */
        if (topic && !s_scan_field (self, topic, field))
            continue;
        self->changes[self->change_count++] = (sb_change_t){.name = field->name, .value = field->value};
        if (field->changed_unix_ns > self->changed_unix_ns)
            self->changed_unix_ns = field->changed_unix_ns;
        if (self->change_count < SB_CHANGES_MAX)
            continue;
        s_tell (self, &head, false, difference, context);
        is_due = false;
    }
    s_tell (self, &head, is_due, difference, context);
}

static void s_tell_gone (sb_copy_t *self, const sb_publication_t *head, sb_copy_difference_fn *difference,
                         void *context)
{
    uint32_t count = self->change_count;
    s_tell (self, head, false, difference, context);
    for (uint32_t i = 0; i < count; i++)
        sb_copy_table_remove_field (&self->table, self->gone[i]);
}

/* Removes the fields that the scan did not name although they are not younger than it; and marks. */
static void s_sweep_topic (sb_copy_t *self, sb_copy_topic_t *topic, sb_copy_difference_fn *difference, void *context)
{
    bool is_named = topic->named == self->scan;
    bool is_touched = topic->entered == self->scan;
    uint64_t through = is_named || is_touched ? topic->before : UINT64_MAX;
    sb_publication_t head = {.topic = s_text (topic),
                             .sequence = topic->head.sequence,
                             .category_sequence = topic->head.category_sequence,
                             .topic_sequence = topic->head.topic_sequence,
                             .quality = is_named || is_touched ? topic->head.quality : SB_QUALITY_UNKNOWN};
    for (sb_copy_field_t *field = topic->first; field;) {
        sb_copy_field_t *next = field->next;
        if (field->value.kind == SB_VALUE_NONE) {
            sb_copy_table_remove_field (&self->table, field);
        } else if (field->named != self->scan && field->sequence <= through) {
            self->gone[self->change_count] = field;
            self->changes[self->change_count++] = (sb_change_t){.name = s_name (field), .is_delete = true};
            if (self->change_count == SB_CHANGES_MAX)
                s_tell_gone (self, &head, difference, context);
        }
        field = next;
    }
    s_tell_gone (self, &head, difference, context);
    topic->is_hash_known = false;
    if (is_named && topic->floor < topic->before)
        topic->floor = topic->before;
    if (!is_named && !is_touched)
        sb_copy_table_remove_topic (&self->table, topic);
}

void sb_copy_scan_end (sb_copy_t *self, sb_copy_difference_fn *difference, void *context)
{
    assert (self->is_scanning);
    for (sb_copy_topic_t *topic = self->table.first; topic;) {
        sb_copy_topic_t *next = topic->next;
        bool is_scanned =
            topic->entered == self->scan ? topic->is_scanned : s_is_in_scope (&self->scope, s_text (topic));
        if (is_scanned)
            s_sweep_topic (self, topic, difference, context);
        topic = next;
    }
    self->is_scanning = false;
}

/* ------------------------------------------------------------------ reading */

/* Kept by topic until the topic changes: on the way of a publication it would be the larger part of the work. */
static uint64_t s_topic_hash (sb_copy_topic_t *topic)
{
    if (topic->is_hash_known)
        return topic->hash_sum;
    topic->hash_sum = 0;
    for (const sb_copy_field_t *field = topic->first; field; field = field->next) {
        if (field->value.kind != SB_VALUE_NONE)
            topic->hash_sum += sb_state_hash_field (s_text (topic), s_name (field), &field->value, topic->head.quality,
                                                    field->sequence);
    }
    topic->is_hash_known = true;
    return topic->hash_sum;
}

uint64_t sb_copy_hash (const sb_copy_t *self, sb_text_t prefix)
{
    uint64_t hash = 0;
    for (sb_copy_topic_t *topic = self->table.first; topic; topic = topic->next) {
        if (sb_text_begins_with (s_text (topic), prefix))
            hash += s_topic_hash (topic);
    }
    return hash;
}

void sb_copy_state (const sb_copy_t *self, sb_agent_copy_state_t *state)
{
    state->stream_id = self->stream_id;
    state->topics = self->table.topics.count;
    state->fields = self->table.fields.count - self->table.deleted_count;
    state->bytes = sizeof *self + self->table.bytes;
    state->state_hash = sb_copy_hash (self, (sb_text_t){NULL, 0});
    state->is_whole = !self->is_left_out;
}

static void s_show (const sb_copy_topic_t *topic, const sb_copy_field_t *field, sb_agent_field_t *shown)
{
    *shown = (sb_agent_field_t){.topic = s_text (topic),
                                .name = s_name (field),
                                .value = field->value,
                                .sequence = field->sequence,
                                .changed_unix_ns = field->changed_unix_ns,
                                .quality = topic->head.quality};
}

bool sb_copy_find (const sb_copy_t *self, sb_text_t text, sb_text_t name, sb_agent_field_t *shown)
{
    const sb_copy_topic_t *topic = sb_copy_table_topic (&self->table, text);
    const sb_copy_field_t *field = topic ? sb_copy_table_field (&self->table, topic, name) : NULL;
    if (!field || field->value.kind == SB_VALUE_NONE)
        return false;
    s_show (topic, field, shown);
    return true;
}

uint32_t sb_copy_visit (const sb_copy_t *self, sb_text_t prefix,
                        bool (*visit) (const sb_agent_field_t *field, void *context), void *context)
{
    uint32_t count = 0;
    for (const sb_copy_topic_t *topic = self->table.first; topic; topic = topic->next) {
        if (!sb_text_begins_with (s_text (topic), prefix))
            continue;
        for (const sb_copy_field_t *field = topic->first; field; field = field->next) {
            if (field->value.kind == SB_VALUE_NONE)
                continue;
            sb_agent_field_t shown;
            s_show (topic, field, &shown);
            count++;
            if (!visit (&shown, context))
                return count;
        }
    }
    return count;
}

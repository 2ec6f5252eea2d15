/* SPDX-License-Identifier: MPL-2.0
 *
 * The copy against a broker that is small enough to be obviously right: topics in slots, fields in order of making, a
 * log of publications. A reader gets publications and the parts of a fuzzy walk over two connections that run at their
 * own pace, loses publications, gives scans up, buffers or does not, sees topics forgotten and made anew, and brokers
 * that begin anew. After each scan the copy, and an application that only ever applied what it was told, must
 * have what the broker has. All of it follows from the seed in the message.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_copy.h"
#include "sb_names.h"
#include "sb_state_hash.h"

enum {
    TOPICS = 6,
    NAMES = 5,
    SLOTS = 8,
    FIELDS_MAX = 64,
    CHANGES_MAX = 8,
    LOG_MAX = 4096,
    PARTS_MAX = 512,
    ROUNDS = 6
};

static const char *const s_topics[TOPICS] = {"a.one.", "a.one.x", "a.two.y", "b.one.", "b.two.x", "b.two.y"};
static const char *const s_names[NAMES] = {"f", "g", "h.i", "j", "k"};

/* ------------------------------------------------------------------ the broker */

typedef struct {
    int name;
    int64_t value; /* even: an integer; odd: a text */
    uint64_t sequence;
    uint32_t id; /* grows with each field made: the order of the topic's list */
} field_t;

typedef struct {
    int topic; /* -1: the slot is free */
    uint32_t id;
    sb_copy_head_t head;
    field_t fields[NAMES];
    int field_count;
} slot_t;

/* A publication with all it points to. */
typedef struct {
    sb_publication_t publication;
    int topic;
    sb_update_t updates[CHANGES_MAX];
    sb_change_t changes[CHANGES_MAX];
    char texts[CHANGES_MAX][16];
    int change_count;
    bool is_lost; /* never comes to the reader */
} logged_t;

typedef struct {
    bool is_end;
    sb_snapshot_topic_t topic;
    sb_snapshot_field_t fields[NAMES];
    char texts[NAMES][16];
} part_t;

/* What an application knows that applies what it is told and thinks of nothing. */
typedef struct {
    bool has[TOPICS][NAMES];
    int64_t value[TOPICS][NAMES];
    sb_quality_t quality[TOPICS];
} picture_t;

typedef struct {
    uint64_t random;
    /* broker */
    slot_t slots[SLOTS];
    uint64_t sequence;
    uint64_t category_sequence[2];
    uint32_t next_id;
    uint64_t stream_id;
    /* publications on their way, then buffered, by index */
    logged_t *log;
    int log_count, log_read, log_applied;
    /* conflation: the publications of a topic that wait to be merged */
    bool is_conflated;
    int pending[TOPICS][LOG_MAX];
    int pending_count[TOPICS];
    logged_t *emitted; /* what a reader gets: the log itself, or merged ones */
    int emitted_count;
    /* walk */
    part_t *parts;
    int part_count, part_read;
    int walk_slot;
    uint32_t walk_topic, walk_field;
    bool is_walking;
    const char *prefix;
    /* reader */
    sb_copy_t *copy;
    bool has_fields;
    picture_t picture;
    bool is_scanning;
} world_t;

static uint32_t s_random (world_t *self, uint32_t below)
{
    self->random = self->random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t)((self->random >> 33) % below);
}

static sb_value_t s_value (int64_t value, char *text)
{
    if (value % 2 == 0)
        return (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = value};
    int size = snprintf (text, 16, "%0*d", (int)(value % 11), (int)value);
    return (sb_value_t){.kind = SB_VALUE_TEXT, .text = {text, (uint32_t)size}};
}

static int64_t s_number (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? strtoll (value->text.data, NULL, 10) : value->integer;
}

static int s_index (const char *const *texts, int count, sb_text_t text)
{
    for (int i = 0; i < count; i++) {
        if (sb_text_equal (sb_text (texts[i]), text))
            return i;
    }
    cr_assert_fail ("an unknown name");
    return 0;
}

static slot_t *s_find (world_t *self, int topic)
{
    for (int i = 0; i < SLOTS; i++) {
        if (self->slots[i].topic == topic)
            return &self->slots[i];
    }
    return NULL;
}

static slot_t *s_make (world_t *self, int topic)
{
    int at = (int)s_random (self, SLOTS);
    while (self->slots[at].topic >= 0)
        at = (at + 1) % SLOTS;
    self->slots[at] = (slot_t){.topic = topic, .id = ++self->next_id};
    return &self->slots[at];
}

static void s_write (world_t *self, slot_t *slot, int name, bool is_delete, int64_t value, uint64_t sequence)
{
    int at = 0;
    while (at < slot->field_count && slot->fields[at].name != name)
        at++;
    if (is_delete) {
        if (at < slot->field_count) {
            slot->field_count--;
            memmove (&slot->fields[at], &slot->fields[at + 1],
                     (size_t)(slot->field_count - at) * sizeof slot->fields[0]);
        }
        return;
    }
    if (at == slot->field_count) {
        slot->field_count++;
        slot->fields[at] = (field_t){.name = name, .id = ++self->next_id};
    }
    slot->fields[at].value = value;
    slot->fields[at].sequence = sequence;
}

static logged_t *s_publish (world_t *self, slot_t *slot, sb_quality_t quality, sb_cause_t cause)
{
    cr_assert_lt (self->log_count, LOG_MAX);
    logged_t *logged = &self->log[self->log_count];
    memset (logged, 0, sizeof *logged);
    slot->head.sequence = ++self->sequence;
    slot->head.category_sequence = ++self->category_sequence[s_topics[slot->topic][0] == 'b'];
    slot->head.topic_sequence++;
    slot->head.quality = quality;
    logged->topic = slot->topic;
    logged->publication = (sb_publication_t){.topic = sb_text (s_topics[slot->topic]),
                                             .stream_id = self->stream_id,
                                             .sequence = slot->head.sequence,
                                             .category_sequence = slot->head.category_sequence,
                                             .topic_sequence = slot->head.topic_sequence,
                                             .quality = quality,
                                             .cause = cause};
    return logged;
}

static void s_add_change (world_t *self, slot_t *slot, logged_t *logged, int name, bool is_delete, int64_t value)
{
    int at = logged->change_count++;
    sb_change_t *change = &logged->changes[at];
    *change = (sb_change_t){.name = sb_text (s_names[name]), .is_delete = is_delete};
    if (!is_delete)
        change->value = s_value (value, logged->texts[at]);
    logged->updates[at] = (sb_update_t){.changes = change, .change_count = 1};
    s_write (self, slot, name, is_delete, value, logged->publication.sequence);
}

/* The publication is done: it goes out, or waits to be merged. */
static void s_close (world_t *self, logged_t *logged)
{
    logged->publication.updates = logged->updates;
    logged->publication.update_count = (uint32_t)logged->change_count;
    self->log_count++;
    if (self->is_conflated)
        self->pending[logged->topic][self->pending_count[logged->topic]++] = (int)(logged - self->log);
    else
        self->emitted_count = self->log_count;
}

/* Merges what waits of a topic into one publication: of each field the last change, under its own sequence. */
static void s_emit (world_t *self, int topic)
{
    int count = self->pending_count[topic];
    if (count == 0)
        return;
    cr_assert_lt (self->emitted_count, LOG_MAX);
    logged_t *merged = &self->emitted[self->emitted_count++];
    memset (merged, 0, sizeof *merged);
    merged->topic = topic;
    merged->publication = self->log[self->pending[topic][count - 1]].publication;
    merged->publication.first_topic_sequence = self->log[self->pending[topic][0]].publication.topic_sequence;
    for (int i = 0; i < count; i++) {
        const logged_t *one = &self->log[self->pending[topic][i]];
        for (int j = 0; j < one->change_count; j++) {
            bool is_last = true;
            for (int k = i; k < count; k++) {
                const logged_t *later = &self->log[self->pending[topic][k]];
                for (int l = k == i ? j + 1 : 0; l < later->change_count; l++)
                    is_last &= !sb_text_equal (later->changes[l].name, one->changes[j].name);
            }
            if (!is_last)
                continue;
            int at = merged->change_count++;
            merged->changes[at] = one->changes[j];
            merged->updates[at] = (sb_update_t){
                .changes = &merged->changes[at], .change_count = 1, .publication_sequence = one->publication.sequence};
        }
    }
    merged->publication.updates = merged->updates;
    merged->publication.update_count = (uint32_t)merged->change_count;
    self->pending_count[topic] = 0;
}

static void s_forget (world_t *self, slot_t *slot)
{
    while (slot->field_count > 0) {
        logged_t *logged = s_publish (self, slot, SB_QUALITY_UNKNOWN, SB_CAUSE_FORGOTTEN);
        for (int i = 0; i < 3 && slot->field_count > 0; i++)
            s_add_change (self, slot, logged, slot->fields[0].name, true, 0);
        s_close (self, logged);
    }
    s_emit (self, slot->topic);
    slot->topic = -1;
}

/* Something happens at the broker. */
static void s_happen (world_t *self)
{
    int topic = (int)s_random (self, TOPICS);
    slot_t *slot = s_find (self, topic);
    uint32_t what = s_random (self, 20);
    if (self->is_conflated && s_random (self, 3) == 0)
        s_emit (self, (int)s_random (self, TOPICS));
    if (slot && what == 0) {
        s_forget (self, slot);
        return;
    }
    if (!slot)
        slot = s_make (self, topic);
    if (what <= 2 && slot->head.sequence) {
        sb_quality_t quality = s_random (self, 2) ? SB_QUALITY_STALE : SB_QUALITY_FORCED_STALE;
        s_close (self, s_publish (self, slot, quality, SB_CAUSE_LOST));
        return;
    }
    logged_t *logged = s_publish (self, slot, SB_QUALITY_OK, SB_CAUSE_NONE);
    uint32_t count = 1 + s_random (self, 3);
    for (uint32_t i = 0; i < count; i++)
        s_add_change (self, slot, logged, (int)s_random (self, NAMES), s_random (self, 3) == 0, s_random (self, 50));
    s_close (self, logged);
}

/* ------------------------------------------------------------------ the walk */

static void s_begin_walk (world_t *self, const char *prefix)
{
    self->prefix = prefix;
    self->part_count = self->part_read = 0;
    self->walk_slot = 0;
    self->walk_topic = self->walk_field = 0;
    self->is_walking = true;
}

static bool s_is_walked (const world_t *self, const slot_t *slot)
{
    return slot->topic >= 0 && (!self->prefix[0] || self->prefix[0] == s_topics[slot->topic][0]);
}

/* One slice: up to two fields of the slot that the walk stands on. */
static void s_walk (world_t *self)
{
    cr_assert_lt (self->part_count, PARTS_MAX);
    part_t *part = &self->parts[self->part_count];
    memset (part, 0, sizeof *part);
    while (self->walk_slot < SLOTS && !s_is_walked (self, &self->slots[self->walk_slot]))
        self->walk_slot++;
    self->part_count++;
    if (self->walk_slot == SLOTS) {
        part->is_end = true;
        self->is_walking = false;
        return;
    }
    slot_t *slot = &self->slots[self->walk_slot];
    if (slot->id != self->walk_topic) {
        self->walk_topic = slot->id;
        self->walk_field = 0;
    }
    part->topic = (sb_snapshot_topic_t){.topic = sb_text (s_topics[slot->topic]),
                                        .sequence = slot->head.sequence,
                                        .category_sequence = slot->head.category_sequence,
                                        .topic_sequence = slot->head.topic_sequence,
                                        .quality = slot->head.quality,
                                        .fields = part->fields};
    uint32_t most = s_random (self, 3);
    bool is_left = false;
    for (int i = 0; i < slot->field_count; i++) {
        field_t *field = &slot->fields[i];
        if (field->id <= self->walk_field)
            continue;
        is_left = part->topic.field_count == most;
        if (is_left)
            break;
        uint32_t at = part->topic.field_count++;
        part->fields[at] = (sb_snapshot_field_t){.name = sb_text (s_names[field->name]),
                                                 .value = s_value (field->value, part->texts[at]),
                                                 .sequence = field->sequence};
        self->walk_field = field->id;
    }
    if (!is_left)
        self->walk_slot++;
}

/* ------------------------------------------------------------------ the reader */

static void s_picture (picture_t *picture, const sb_publication_t *publication)
{
    int topic = s_index (s_topics, TOPICS, publication->topic);
    picture->quality[topic] = publication->quality;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            int name = s_index (s_names, NAMES, change->name);
            picture->has[topic][name] = !change->is_delete;
            picture->value[topic][name] = change->is_delete ? 0 : s_number (&change->value);
        }
    }
}

static void s_differs (void *context, const sb_publication_t *difference)
{
    world_t *self = context;
    cr_assert_eq (difference->cause, SB_CAUSE_SNAPSHOT);
    cr_assert_leq (difference->update_count, 1u);
    s_picture (&self->picture, difference);
}

static void s_apply_through (world_t *self, int count)
{
    for (; self->log_applied < count; self->log_applied++) {
        const sb_publication_t *publication = &self->emitted[self->log_applied].publication;
        if (!self->emitted[self->log_applied].is_lost && sb_copy_apply (self->copy, publication))
            s_picture (&self->picture, publication);
    }
}

/* Gives the reader the next part. */
static void s_read_part (world_t *self)
{
    const part_t *part = &self->parts[self->part_read++];
    if (!part->is_end) {
        sb_copy_scan_topic (self->copy, &part->topic, s_differs, self);
        return;
    }
    sb_copy_scan_end (self->copy, s_differs, self);
    self->is_scanning = false;
}

/* Of what has not come to the reader so far each publication is lost, or only some: those that come wait for the scan.
 */
static void s_lose (world_t *self, char first, bool is_all)
{
    for (int i = 0; i < TOPICS; i++)
        s_emit (self, i);
    for (int i = self->log_applied; i < self->emitted_count; i++) {
        bool is_concerned = !first || self->emitted[i].publication.topic.data[0] == first;
        self->emitted[i].is_lost |= is_concerned && (is_all || s_random (self, 2) == 0);
    }
}

static void s_new_stream (world_t *self)
{
    self->stream_id++;
    for (int i = 0; i < SLOTS; i++)
        self->slots[i].topic = -1;
    memset (self->pending_count, 0, sizeof self->pending_count);
    self->sequence = s_random (self, 2) ? 0 : self->sequence + 1000;
    self->category_sequence[0] = self->category_sequence[1] = 0;
    self->log_count = self->emitted_count = self->log_read = self->log_applied = 0;
    for (uint32_t i = s_random (self, 30); i > 0; i--)
        s_happen (self);
    s_lose (self, 0, s_random (self, 2));
    sb_copy_new_stream (self->copy, self->stream_id, 1);
}

/* One scan, with all that goes on meanwhile, to its end or given up. */
static void s_scan (world_t *self, const char *prefix, bool is_given_up)
{
    sb_text_t prefixes[2] = {sb_text ("a."), sb_text ("b.")};
    sb_text_t one = sb_text (prefix);
    bool is_all = prefix[0] == 0;
    sb_copy_scan_begin (self->copy, is_all ? prefixes : &one, is_all ? 2 : 1);
    sb_copy_scan_covers (self->copy, self->sequence);
    self->is_scanning = true;
    s_begin_walk (self, prefix);
    uint32_t calm = 1 + s_random (self, 4), flush_in = self->has_fields ? s_random (self, 3) : 0;
    int steps = 0, most = is_given_up ? 1 + (int)s_random (self, 100) : LOG_MAX;
    while (self->is_scanning) {
        if (s_random (self, 2) == 0 && steps < 300)
            s_happen (self);
        if (self->is_walking && s_random (self, calm) == 0)
            s_walk (self);
        for (int i = 0; i < 2 && self->log_read < self->emitted_count; i++)
            self->log_read += (int)s_random (self, 2);
        if (flush_in && s_random (self, flush_in) == 0)
            s_apply_through (self, self->log_read);
        if (self->part_read < self->part_count && s_random (self, 2) == 0)
            s_read_part (self);
        if (++steps > most)
            return;
    }
}

/* ------------------------------------------------------------------ comparing */

static void s_compare (world_t *self, uint64_t seed)
{
    uint64_t hash = 0, count = 0;
    for (int topic = 0; topic < TOPICS; topic++) {
        const slot_t *slot = s_find (self, topic);
        const sb_copy_head_t *head = sb_copy_head (self->copy, sb_text (s_topics[topic]));
        if (slot) {
            cr_assert_not_null (head, "seed %lu: %s is not known", seed, s_topics[topic]);
            cr_assert_eq (head->sequence, slot->head.sequence, "seed %lu: head of %s", seed, s_topics[topic]);
            cr_assert_eq (head->topic_sequence, slot->head.topic_sequence, "seed %lu", seed);
            cr_assert_eq (head->category_sequence, slot->head.category_sequence, "seed %lu", seed);
            cr_assert_eq (head->quality, slot->head.quality, "seed %lu: quality of %s", seed, s_topics[topic]);
        }
        for (int name = 0; name < NAMES; name++) {
            const field_t *field = NULL;
            for (int i = 0; slot && i < slot->field_count; i++)
                field = slot->fields[i].name == name ? &slot->fields[i] : field;
            sb_agent_field_t shown;
            bool is_there = sb_copy_find (self->copy, sb_text (s_topics[topic]), sb_text (s_names[name]), &shown);
            /* Without fields a delete that was lost cannot be known. */
            if (field || self->has_fields)
                cr_assert_eq (self->picture.has[topic][name], field != NULL, "seed %lu: application, %s of %s", seed,
                              s_names[name], s_topics[topic]);
            if (field) {
                cr_assert_eq (self->picture.value[topic][name], field->value, "seed %lu: application, %s of %s", seed,
                              s_names[name], s_topics[topic]);
                cr_assert_eq (self->picture.quality[topic], slot->head.quality, "seed %lu: application, %s", seed,
                              s_topics[topic]);
            }
            cr_assert_eq (is_there, field != NULL && self->has_fields, "seed %lu: %s of %s %s", seed, s_names[name],
                          s_topics[topic], field ? "is missing" : "is there");
            if (!is_there)
                continue;
            cr_assert_eq (s_number (&shown.value), field->value, "seed %lu", seed);
            cr_assert_eq (shown.sequence, field->sequence, "seed %lu: %s of %s", seed, s_names[name], s_topics[topic]);
            char text[16];
            sb_value_t value = s_value (field->value, text);
            hash += sb_state_hash_field (shown.topic, shown.name, &value, slot->head.quality, field->sequence);
            count++;
        }
    }
    sb_agent_copy_state_t state;
    sb_copy_state (self->copy, &state);
    cr_assert_eq (state.state_hash, hash, "seed %lu: state hash", seed);
    cr_assert_eq (state.fields, count, "seed %lu: fields", seed);
    cr_assert (state.is_whole);
}

static void s_run (uint64_t seed, bool has_fields, bool is_conflated)
{
    world_t *self = calloc (1, sizeof *self);
    cr_assert (self);
    self->random = seed * 2862933555777941757u + 1;
    self->is_conflated = is_conflated;
    self->has_fields = has_fields;
    self->log = calloc (LOG_MAX, sizeof *self->log);
    self->emitted = is_conflated ? calloc (LOG_MAX, sizeof *self->emitted) : self->log;
    self->parts = calloc (PARTS_MAX, sizeof *self->parts);
    self->copy = sb_copy_new (seed, has_fields, 100, 1000, 1 << 20);
    cr_assert (self->log && self->emitted && self->parts && self->copy);
    s_new_stream (self);
    for (int round = 0; round < ROUNDS; round++) {
        /* Everything is scanned at first and after a new stream; later perhaps a category. */
        const char *prefix = "";
        uint32_t how = s_random (self, 4);
        for (uint32_t i = round ? s_random (self, 40) : 0; i > 0; i--)
            s_happen (self);
        if (round > 0 && how == 0)
            s_new_stream (self);
        else if (round > 0 && how == 1)
            s_lose (self, *(prefix = s_random (self, 2) ? "a." : "b."), s_random (self, 2));
        else
            s_lose (self, 0, s_random (self, 2));
        if (s_random (self, 2) == 0) {
            s_scan (self, prefix, true);
            s_lose (self, prefix[0], s_random (self, 2));
        }
        s_scan (self, prefix, false);
        for (uint32_t i = s_random (self, 5); i > 0; i--)
            s_happen (self);
        for (int i = 0; i < TOPICS; i++)
            s_emit (self, i);
        self->log_read = self->emitted_count;
        s_apply_through (self, self->log_read);
        s_compare (self, seed);
    }
    sb_copy_destroy (&self->copy);
    free (self->parts);
    if (is_conflated)
        free (self->emitted);
    free (self->log);
    free (self);
}

enum { SEEDS = 5000 };

Test (copy_model, copy_and_application_end_as_the_broker_whatever_the_order)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        s_run (seed, true, false);
}

Test (copy_model, the_same_with_merged_publications)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        s_run (seed, true, true);
}

Test (copy_model, without_fields_the_application_is_told_what_it_missed)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        s_run (seed, false, false);
}

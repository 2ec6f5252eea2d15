/* SPDX-License-Identifier: MPL-2.0
 *
 * Random streams: the conflated readers end with what the reader of every publication has.
 *
 * Writes of all kinds, batches, deletes, whole states, times to live, changes of quality, late ticks, readers that
 * leave and come back. A reader is a table of fields with one rule: a change counts when its publication is newer than
 * the field's last. Each reader also checks what it gets: ranges without holes, one publication a topic in an interval,
 * updates in order. Where messages are small the second is given up, and their encoded size is checked instead.
 */
#include "core_harness.h"
#include "sb_codec.h"

enum { AGENTS = 2, SUBJECTS = 3, TOPICS = AGENTS * SUBJECTS, FIELDS = 12, READERS = 3, STEPS = 1500, SEEDS = 150 };

typedef struct {
    bool is_there;
    uint64_t sequence; /* of the publication that named it last */
    char value[128];   /* as text */
} s_field_t;

typedef struct {
    uint64_t topic_sequence;
    uint64_t sequence;
    sb_quality_t quality;
    uint64_t sent_ns;   /* when its last publication came; 0: none yet */
    bool is_first_open; /* the next range may begin earlier: it was joined in the middle */
    s_field_t fields[FIELDS];
} s_topic_t;

typedef struct {
    const char *prefix; /* what it subscribes to; "": every publication of category x */
    uint32_t interval_ms;
    bool is_there;
    uint64_t count; /* publications */
    uint64_t merged;
    s_topic_t topics[TOPICS];
} s_reader_t;

typedef struct {
    harness_t h;
    uint64_t random;
    uint64_t sequences[AGENTS]; /* the next of each agent */
    bool is_small;              /* messages are: ranges may be closed early */
    uint64_t deletes;
    sb_arena_t *arena;
    s_reader_t all;
    s_reader_t readers[READERS];
} s_run_t;

static uint64_t s_random (s_run_t *self, uint64_t below)
{
    self->random = self->random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (self->random >> 33) % below;
}

/* ---- readers */

static void s_print_value (char *text, size_t size, const sb_value_t *value)
{
    if (value->kind == SB_VALUE_NUMBER)
        snprintf (text, size, "%g", value->number);
    else
        snprintf (text, size, "'%.*s'", (int)value->text.size, value->text.data);
}

/* x.a0.s1 is topic 1, x.a1.s0 topic 3. */
static s_topic_t *s_topic_of (s_reader_t *reader, sb_text_t topic)
{
    cr_assert_eq (topic.size, 7);
    return &reader->topics[(topic.data[3] - '0') * SUBJECTS + (topic.data[6] - '0')];
}

static void s_apply (s_topic_t *topic, const sb_publication_t *publication)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        uint64_t sequence = update->publication_sequence ? update->publication_sequence : publication->sequence;
        cr_assert_geq (sequence, before, "updates out of order");
        cr_assert_leq (sequence, publication->sequence);
        cr_assert_gt (update->change_count, 0);
        before = sequence;
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            s_field_t *field = &topic->fields[change->name.data[1] - 'a'];
            if (sequence < field->sequence)
                continue; /* "newer" but within one publication, where the last counts */
            field->sequence = sequence;
            field->is_there = !change->is_delete;
            if (!change->is_delete)
                s_print_value (field->value, sizeof field->value, &change->value);
        }
    }
    topic->sequence = publication->sequence;
    topic->topic_sequence = publication->topic_sequence;
    topic->quality = publication->quality;
}

static void s_take_conflated (s_run_t *self, s_reader_t *reader, const sb_publication_t *publication, sb_text_t name)
{
    s_topic_t *topic = s_topic_of (reader, name);
    uint64_t next = topic->topic_sequence + 1;
    bool is_merged = publication->first_topic_sequence < publication->topic_sequence;
    if (topic->is_first_open)
        cr_assert_leq (publication->first_topic_sequence, next);
    else
        cr_assert_eq (publication->first_topic_sequence, next, "a hole before %" PRIu64, next);
    cr_assert_geq (publication->topic_sequence, publication->first_topic_sequence);
    topic->is_first_open = false;
    uint64_t pause_ns = self->h.now_ns - topic->sent_ns;
    cr_assert (self->is_small || !topic->sent_ns || pause_ns >= reader->interval_ms * HARNESS_MS, "too often");
    topic->sent_ns = self->h.now_ns;
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena);
    size_t size = sb_encode_publication (self->arena, publication, &encoding);
    cr_assert (!is_merged || size <= self->h.config.max_message_bytes, "%zu octets", size);
    s_apply (topic, publication);
    reader->count++;
    reader->merged += is_merged;
}

/* Hands the effects of a step to whoever subscribes to them. */
static void s_take (s_run_t *self)
{
    for (uint32_t i = 0; i < self->h.effects.count; i++) {
        if (self->h.effects.items[i].kind != SB_EFFECT_PUBLISH)
            continue;
        const sb_publication_t *publication = self->h.effects.items[i].publish;
        if (publication->topic.data[0] == 'x') {
            s_topic_t *topic = s_topic_of (&self->all, publication->topic);
            cr_assert_eq (topic->topic_sequence + 1, publication->topic_sequence);
            s_apply (topic, publication);
            self->all.count++;
            for (uint32_t j = 0; j < publication->update_count; j++)
                for (uint32_t k = 0; k < publication->updates[j].change_count; k++)
                    self->deletes += publication->updates[j].changes[k].is_delete;
        }
        for (uint32_t j = 0; j < READERS; j++) {
            s_reader_t *reader = &self->readers[j];
            if (reader->is_there && sb_prefix_matches (sb_text (reader->prefix), publication->topic)) {
                uint32_t head = (uint32_t)(strstr (reader->prefix, ".x.") + 1 - reader->prefix);
                sb_text_t name = {publication->topic.data + head, publication->topic.size - head};
                s_take_conflated (self, reader, publication, name);
            }
        }
    }
}

/* Subscribes; the reader takes a snapshot, which is what the reader of everything has. */
static void s_join (s_run_t *self, s_reader_t *reader)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (reader->prefix);
    event.subscription.is_subscribed = true;
    harness_step (&self->h, event);
    s_take (self);
    memcpy (reader->topics, self->all.topics, sizeof reader->topics);
    for (uint32_t i = 0; i < TOPICS; i++) {
        reader->topics[i].is_first_open = true;
        reader->topics[i].sent_ns = 0;
    }
    reader->is_there = true;
}

static void s_leave (s_run_t *self, s_reader_t *reader)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (reader->prefix);
    harness_step (&self->h, event);
    reader->is_there = false;
}

/* ---- what happens */

static const char *s_names[FIELDS] = {"fa", "fb", "fc", "fd", "fe", "ff", "fg", "fh", "fi", "fj", "fk", "fl"};
static const char *s_subjects[SUBJECTS] = {"s0", "s1", "s2"};

/* Up to four changes of different fields. */
static uint32_t s_changes (s_run_t *self, sb_change_t *changes, bool with_deletes)
{
    static char texts[4][101];
    uint32_t count = 1 + (uint32_t)s_random (self, 4), first = (uint32_t)s_random (self, FIELDS);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = s_names[(first + 3 * i) % FIELDS];
        uint64_t kind = s_random (self, 8);
        if (kind < 2 && with_deletes)
            changes[i] = harness_delete (name);
        else if (kind < 6)
            changes[i] = harness_number (name, (double)s_random (self, 3));
        else {
            memset (texts[i], 'a' + (int)s_random (self, 26), 100);
            texts[i][self->is_small ? 100 : 10] = '\0';
            changes[i] = harness_text (name, texts[i]);
        }
    }
    return count;
}

/* One message of up to three deltas, most of them of one topic. */
static void s_write (s_run_t *self)
{
    uint32_t agent = (uint32_t)s_random (self, AGENTS), count = 1 + (uint32_t)s_random (self, 3);
    sb_change_t changes[3][4];
    sb_delta_t deltas[3];
    uint64_t subject = s_random (self, SUBJECTS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t change_count = s_changes (self, changes[i], true);
        deltas[i] = harness_delta_of (self->sequences[agent]++, "x", s_subjects[subject], changes[i], change_count);
        deltas[i].update.origin_unix_ns = (int64_t)s_random (self, 5);
        if (s_random (self, 4) == 0)
            deltas[i].time_to_live_ms = 1 + (uint32_t)s_random (self, 300);
        subject = s_random (self, 4) ? subject : s_random (self, SUBJECTS);
    }
    harness_batch (&self->h, agent + 1, deltas, count);
    s_take (self);
}

static void s_replace (s_run_t *self)
{
    uint32_t agent = (uint32_t)s_random (self, AGENTS);
    uint64_t sequence = self->sequences[agent]++;
    sb_change_t changes[4];
    sb_delta_t topic = harness_delta_of (0, "x", s_subjects[s_random (self, SUBJECTS)], changes, 0);
    topic.update.change_count = s_changes (self, changes, false);
    harness_replace_begin (&self->h, agent + 1, sequence);
    s_take (self);
    harness_replace_chunk (&self->h, agent + 1, sequence, &topic, 1);
    s_take (self);
    harness_replace_end (&self->h, agent + 1, sequence, 1);
    s_take (self);
}

/* Its topics are stale until it comes back and writes. */
static void s_come_and_go (s_run_t *self)
{
    uint32_t agent = (uint32_t)s_random (self, AGENTS);
    harness_goodbye (&self->h, agent + 1);
    s_take (self);
    harness_register (&self->h, agent + 1, agent ? "a1" : "a0", 100 + agent);
    s_take (self);
}

/* Time goes on; ticks come when the core asks for them, or late. */
static void s_wait (s_run_t *self, uint64_t duration_ns, bool is_late)
{
    uint64_t end_ns = self->h.now_ns + duration_ns;
    if (is_late)
        self->h.now_ns = end_ns;
    while (sb_core_deadline (self->h.core) <= end_ns) {
        if (sb_core_deadline (self->h.core) > self->h.now_ns)
            self->h.now_ns = sb_core_deadline (self->h.core);
        harness_tick (&self->h);
        s_take (self);
    }
    self->h.now_ns = end_ns;
    for (uint32_t agent = 0; agent < AGENTS; agent++) {
        harness_beat (&self->h, agent + 1);
        s_take (self);
    }
}

static void s_compare (const s_run_t *self, const s_reader_t *reader)
{
    for (uint32_t i = 0; i < TOPICS; i++) {
        const s_topic_t *one = &self->all.topics[i], *other = &reader->topics[i];
        cr_assert_eq (one->topic_sequence, other->topic_sequence, "%s topic %u", reader->prefix, i);
        cr_assert_eq (one->sequence, other->sequence);
        cr_assert_eq (one->quality, other->quality);
        for (uint32_t j = 0; j < FIELDS; j++) {
            const s_field_t *field = &one->fields[j], *same = &other->fields[j];
            cr_assert_eq (field->is_there, same->is_there, "%s topic %u %s", reader->prefix, i, s_names[j]);
            cr_assert (!field->is_there || strcmp (field->value, same->value) == 0, "%s: %s", field->value,
                       same->value);
            cr_assert (!field->is_there || field->sequence == same->sequence);
        }
    }
}

static void s_step (s_run_t *self)
{
    uint64_t what = s_random (self, 100);
    if (what < 3)
        s_replace (self);
    else if (what < 5)
        s_come_and_go (self);
    else if (what < 7) {
        s_reader_t *reader = &self->readers[1 + s_random (self, READERS - 1)];
        if (reader->is_there)
            s_leave (self, reader);
        else
            s_join (self, reader);
    } else if (what < 70)
        s_write (self);
    else
        s_wait (self, s_random (self, 30 * HARNESS_MS), s_random (self, 10) == 0);
}

static void s_play (uint64_t seed, bool is_small)
{
    static s_run_t run;
    memset (&run, 0, sizeof run);
    run.random = seed;
    run.is_small = is_small;
    run.arena = sb_arena_new (1024 * 1024);
    harness_init (&run.h);
    if (is_small)
        run.h.config.max_message_bytes = 1200;
    run.h.config.history_updates = 0;
    harness_start_configured (&run.h);
    run.h.is_quiet = true;
    run.all.prefix = "";
    run.readers[0] = (s_reader_t){.prefix = "~conflated.50.x.", .interval_ms = 50};
    run.readers[1] = (s_reader_t){.prefix = "~conflated.200.x.", .interval_ms = 200};
    run.readers[2] = (s_reader_t){.prefix = "~conflated.10.x.", .interval_ms = 10};
    for (uint32_t agent = 0; agent < AGENTS; agent++) {
        harness_register (&run.h, agent + 1, agent ? "a1" : "a0", 100 + agent);
        run.sequences[agent] = 1;
    }
    s_join (&run, &run.readers[0]);
    for (uint32_t i = 0; i < STEPS; i++)
        s_step (&run);
    for (uint32_t i = 1; i < READERS; i++)
        if (!run.readers[i].is_there)
            s_join (&run, &run.readers[i]);
    s_wait (&run, 400 * HARNESS_MS, false); /* all times to live are over, and the longest interval after them */
    s_wait (&run, 400 * HARNESS_MS, false);
    for (uint32_t i = 0; i < READERS; i++)
        s_compare (&run, &run.readers[i]);
    cr_assert_gt (run.all.count, 1000);
    cr_assert_gt (run.deletes, 100);
    cr_assert_lt (run.readers[0].count, run.all.count * 9 / 10);
    cr_assert_gt (run.readers[0].merged, 100);
    sb_arena_destroy (&run.arena);
    harness_stop (&run.h);
}

Test (conflation_random, readers_end_with_what_the_reader_of_everything_has)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        s_play (seed, false);
}

Test (conflation_random, so_do_they_where_ranges_must_be_closed_early)
{
    for (uint64_t seed = 1000; seed < 1000 + SEEDS; seed++)
        s_play (seed, true);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * How long the slices of a snapshot hold the broker: each step that makes a chunk, and its encoding.
 *
 * A core in process is filled, a reader asks for everything, and credit is given as it is used up. Two clocks: the
 * thread's own (CLOCK_THREAD_CPUTIME_ID), which says how long a slice is, page faults and cold caches included, and the
 * wall's, in which a thread that was preempted counts too: it says something of the machine. The core's own ticks are
 * left out, as no time passes. Every field must come once.
 *
 * Prints one line of JSON. Of the longest slice also its place and the page faults in it, and the longest there is when
 * each slice counts as the median of five walks, which are alike: what is long most times is the slice's own work, what
 * is long once was an interrupt or a first touch of memory, which the thread's clock charges to it.
 */
#define _GNU_SOURCE
#include "sb_codec.h"
#include "sb_core.h"
#include "sb_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    FIELDS_A_DELTA = 1000,
    AGENT_FIELDS = 4000,
    OCTETS_MAX = 200,
    CREDIT = 64,
    PEER = 1,
    NAME = 32,
    WALKS = 5,
    ARENA = 64 << 20
};

/* When a slice began, and what there was to see then. */
typedef struct {
    uint64_t cpu_ns;
    uint64_t wall_ns;
    long faults; /* pages touched for the first time */
} s_moment_t;

typedef struct {
    sb_core_t *core;
    sb_arena_t *arena;
    uint64_t fields;
    uint64_t topic_fields;
    uint64_t octets; /* of a text; 0: numbers */
    sb_effects_t effects;
    uint64_t (*walks_ns)[WALKS]; /* the thread's time of each slice, in each walk */
    uint64_t *times_ns;          /* the same in the first walk alone */
    uint64_t *walls_ns;          /* the same by the wall */
    uint64_t count;
    uint64_t capacity;
    uint64_t sent; /* fields in chunks */
    uint64_t most_ns;
    uint64_t most_place; /* the longest slice's place among all */
    long most_faults;
    uint32_t walk; /* the first is 0, which alone is reported but for walks_ns */
    bool is_over;
} s_bench_t;

static void s_fail (const char *what)
{
    fprintf (stderr, "bench_slices: %s\n", what);
    exit (1);
}

static void *s_allocate (void *context, size_t size)
{
    (void)context;
    return malloc (size);
}

static void s_release (void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free (memory);
}

static uint64_t s_clock_ns (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

static s_moment_t s_now (void)
{
    struct rusage usage;
    getrusage (RUSAGE_THREAD, &usage);
    return (s_moment_t){.faults = usage.ru_minflt,
                        .wall_ns = s_clock_ns (CLOCK_MONOTONIC),
                        .cpu_ns = s_clock_ns (CLOCK_THREAD_CPUTIME_ID)};
}

static void s_step (s_bench_t *self, sb_event_t event)
{
    event.monotonic_ns = 1;
    event.unix_ns = 1;
    sb_core_step (self->core, &event, &self->effects);
}

static void s_message (s_bench_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 128;
    s_step (self, event);
}

static void s_register (s_bench_t *self, uint64_t peer)
{
    char name[NAME];
    snprintf (name, sizeof name, "agent-%lu", (unsigned long)peer);
    const sb_text_t interest = sb_text ("load");
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = SB_PROTOCOL,
                                               .agent_id = sb_text (name),
                                               .instance_id = 1,
                                               .next_sequence = 1,
                                               .interests = &interest,
                                               .interest_count = 1};
    s_message (self, peer, &message);
}

/* One delta of `count` fields from `first` on, under the topic that those belong to. */
static void s_write (s_bench_t *self, uint64_t peer, uint64_t sequence, uint64_t first, uint32_t count)
{
    static char names[FIELDS_A_DELTA][NAME];
    static sb_change_t changes[FIELDS_A_DELTA];
    static char text[OCTETS_MAX * 1024];
    char subject[NAME];
    snprintf (subject, sizeof subject, "subject-%lu", (unsigned long)(first / self->topic_fields));
    memset (text, 'x', sizeof text);
    for (uint32_t i = 0; i < count; i++) {
        snprintf (names[i], NAME, "field-%lu", (unsigned long)(first + i));
        changes[i] = (sb_change_t){.name = sb_text (names[i])};
        changes[i].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = (double)(first + i)};
        if (self->octets)
            changes[i].value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = {text, (uint32_t)self->octets}};
    }
    sb_delta_t delta = {.category = sb_text ("load"), .subject = sb_text (subject)};
    delta.update = (sb_update_t){.sequence = sequence, .changes = changes, .change_count = count};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH};
    message.batch = (sb_batch_t){.deltas = &delta, .delta_count = 1};
    s_message (self, peer, &message);
}

static void s_fill (s_bench_t *self)
{
    uint64_t peer = PEER, sequence = 0, owned = 0;
    const uint64_t part = self->topic_fields < FIELDS_A_DELTA ? self->topic_fields : FIELDS_A_DELTA;
    for (uint64_t first = 0; first < self->fields; first += part) {
        if (owned % AGENT_FIELDS + part > AGENT_FIELDS || owned % AGENT_FIELDS == 0) {
            s_register (self, ++peer);
            sequence = owned = 0;
        }
        const uint64_t left = self->fields - first;
        s_write (self, peer, ++sequence, first, (uint32_t)(left < part ? left : part));
        owned += part;
        s_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
    }
}

/* Encodes what the step gave; returns whether a chunk, or the end, was in it. */
static bool s_encode (s_bench_t *self)
{
    static char frame[1 << 20];
    bool is_slice = false;
    for (uint32_t i = 0; i < self->effects.count; i++) {
        const sb_effect_t *effect = &self->effects.items[i];
        sb_encoding_t *encoding;
        if (effect->kind != SB_EFFECT_SEND || (effect->send.message->kind != SB_BROKER_MESSAGE_SNAPSHOT_CHUNK &&
                                               effect->send.message->kind != SB_BROKER_MESSAGE_SNAPSHOT_END))
            continue;
        is_slice = true;
        sb_arena_reset (self->arena);
        const size_t size = sb_encode_broker_message (self->arena, effect->send.message, &encoding);
        if (size == 0 || size > sizeof frame)
            s_fail ("a chunk cannot be encoded");
        sb_encoding_write (encoding, frame);
    }
    return is_slice;
}

/* Counts what the slice brought. */
static void s_count (s_bench_t *self)
{
    for (uint32_t i = 0; i < self->effects.count; i++) {
        const sb_effect_t *effect = &self->effects.items[i];
        if (effect->kind != SB_EFFECT_SEND)
            continue;
        const sb_broker_message_t *message = effect->send.message;
        if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK)
            for (uint32_t j = 0; j < message->snapshot_chunk.topic_count; j++)
                self->sent += message->snapshot_chunk.topics[j].field_count;
        if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END)
            self->is_over = message->snapshot_end.code == SB_REASON_NONE;
    }
}

static void s_grow (s_bench_t *self)
{
    self->capacity = self->capacity * 2 + 1024;
    self->walks_ns = realloc (self->walks_ns, self->capacity * sizeof *self->walks_ns);
    self->times_ns = realloc (self->times_ns, self->capacity * sizeof *self->times_ns);
    self->walls_ns = realloc (self->walls_ns, self->capacity * sizeof *self->walls_ns);
    if (!self->walks_ns || !self->times_ns || !self->walls_ns)
        s_fail ("no memory");
}

/* Notes how long the slice took that began at `begin`. */
static void s_note (s_bench_t *self, const s_moment_t *begin, const s_moment_t *end)
{
    const uint64_t time_ns = end->cpu_ns - begin->cpu_ns, place = self->count++;
    if (place == self->capacity)
        s_grow (self);
    self->walks_ns[place][self->walk] = time_ns;
    if (self->walk > 0)
        return;
    if (time_ns > self->most_ns) {
        self->most_ns = time_ns;
        self->most_place = place;
        self->most_faults = end->faults - begin->faults;
    }
    self->times_ns[place] = time_ns;
    self->walls_ns[place] = end->wall_ns - begin->wall_ns;
}

static void s_walk (s_bench_t *self)
{
    sb_agent_message_t request = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    request.snapshot_request = (sb_snapshot_request_t){.snapshot_id = self->walk + 1, .credit = CREDIT};
    sb_agent_message_t credit = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT};
    credit.snapshot_credit = (sb_snapshot_credit_t){.snapshot_id = self->walk + 1, .credit = CREDIT};
    if (self->walk == 0)
        s_register (self, PEER);
    self->count = self->sent = 0;
    self->is_over = false;
    s_message (self, PEER, &request);
    uint32_t idle = 0;
    while (!self->is_over && idle < CREDIT) {
        const s_moment_t begin = s_now ();
        s_step (self, (sb_event_t){.kind = SB_EVENT_TICK});
        const bool is_slice = s_encode (self);
        const s_moment_t end = s_now ();
        if (is_slice) {
            s_count (self);
            s_note (self, &begin, &end);
        }
        idle = is_slice ? 0 : idle + 1;
        if (!is_slice)
            s_message (self, PEER, &credit);
    }
    if (!self->is_over || self->sent != self->fields) {
        fprintf (stderr, "bench_slices: %lu of %lu fields came\n", (unsigned long)self->sent,
                 (unsigned long)self->fields);
        exit (1);
    }
}

static int s_compare (const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Of sorted times. */
static unsigned long s_quantile (const uint64_t *times_ns, uint64_t count, uint64_t per_mille)
{
    const uint64_t rank = (count * per_mille + 999) / 1000;
    return (unsigned long)times_ns[rank ? rank - 1 : 0];
}

/* The longest slice, when each counts as the median of its walks. */
static unsigned long s_longest_median (s_bench_t *self)
{
    uint64_t longest_ns = 0;
    for (uint64_t i = 0; i < self->count; i++) {
        qsort (self->walks_ns[i], WALKS, sizeof self->walks_ns[i][0], s_compare);
        if (self->walks_ns[i][WALKS / 2] > longest_ns)
            longest_ns = self->walks_ns[i][WALKS / 2];
    }
    return (unsigned long)longest_ns;
}

static void s_print (s_bench_t *self)
{
    const uint64_t count = self->count;
    qsort (self->times_ns, count, sizeof *self->times_ns, s_compare);
    qsort (self->walls_ns, count, sizeof *self->walls_ns, s_compare);
    printf ("{\"fields\": %lu, \"slices\": %lu, \"p50_ns\": %lu, \"p99_ns\": %lu, \"p999_ns\": %lu, \"most_ns\": %lu, ",
            (unsigned long)self->fields, (unsigned long)count, s_quantile (self->times_ns, count, 500),
            s_quantile (self->times_ns, count, 990), s_quantile (self->times_ns, count, 999),
            s_quantile (self->times_ns, count, 1000));
    printf ("\"most_place\": %lu, \"most_faults\": %ld, \"median_most_ns\": %lu, \"wall_p999_ns\": %lu, "
            "\"wall_most_ns\": %lu, \"core_bytes\": %lu}\n",
            (unsigned long)self->most_place, self->most_faults, s_longest_median (self),
            s_quantile (self->walls_ns, count, 999), s_quantile (self->walls_ns, count, 1000),
            (unsigned long)sb_core_memory_bytes (self->core));
}

static void s_read_options (s_bench_t *self, int argument_count, char **arguments)
{
    const struct {
        const char *name;
        uint64_t *number;
    } options[] = {{"--fields", &self->fields}, {"--topic-fields", &self->topic_fields}, {"--octets", &self->octets}};
    for (int i = 1; i < argument_count; i += 2) {
        bool is_known = false;
        for (size_t j = 0; j < sizeof options / sizeof options[0] && i + 1 < argument_count; j++)
            if (strcmp (options[j].name, arguments[i]) == 0) {
                *options[j].number = strtoull (arguments[i + 1], NULL, 10);
                is_known = true;
            }
        if (!is_known)
            s_fail ("[--fields N] [--topic-fields N] [--octets N]");
    }
    if (!self->fields || !self->topic_fields || self->octets > OCTETS_MAX * 1024 ||
        (self->topic_fields > FIELDS_A_DELTA && self->topic_fields % FIELDS_A_DELTA))
        s_fail ("these numbers do not fit");
}

int main (int argument_count, char **arguments)
{
    s_bench_t self = {.fields = 1000000, .topic_fields = 1000};
    sb_core_config_t config;
    s_read_options (&self, argument_count, arguments);
    sb_core_config_default (&config);
    config.max_fields = (uint32_t)(self.fields + self.fields / 2 + 100000); /* events have fields too */
    config.max_topics = (uint32_t)(self.fields / self.topic_fields * 2 + 100000);
    const sb_core_identity_t identity = {.stream_id = 1, .epoch = 1, .hash_seed = 1, .session_seed = 1};
    const sb_allocator_t allocator = {.allocate = s_allocate, .release = s_release};
    self.core = sb_core_new (&config, &identity, &allocator, 1, 1);
    self.arena = sb_arena_new (ARENA);
    if (!self.core || !self.arena)
        s_fail ("no memory");
    s_fill (&self);
    s_walk (&self);
    for (const uint64_t count = self.count; ++self.walk < WALKS;) {
        s_walk (&self);
        if (self.count != count)
            s_fail ("two walks are not alike");
    }
    s_print (&self);
    free (self.times_ns);
    free (self.walks_ns);
    free (self.walls_ns);
    sb_arena_destroy (&self.arena);
    sb_core_destroy (&self.core);
    return 0;
}

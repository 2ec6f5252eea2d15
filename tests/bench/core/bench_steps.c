/* SPDX-License-Identifier: MPL-2.0
 *
 * The main paths of core and codec, one a row, for callgrind: instructions.py counts them.
 *
 *   bench_steps --list         name, repetitions to count, units of a repetition, and what a unit is
 *   bench_steps ROW COUNT      does the row's work COUNT times
 *
 * Making ready costs the same whatever COUNT is, so the difference of two runs is that of their repetitions alone. Only
 * the work itself is counted: callgrind collects within s_step, s_decode, s_receive, s_encode and s_encode_agents
 * (--toggle-collect), not while messages are filled in. The core is configured by its defaults: history on. What is
 * warmed up first: the history, so that each publication also evicts one. Clock: 10 us a delta.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_codec.h"
#include "sb_core.h"
#include "sb_names.h"

enum {
    FIELDS_MAX = 10,
    BATCH_MAX = 16,
    TOPICS = 200,
    AGENTS_MAX = 10000,
    WARM_UP = 2000, /* twice the history of market_data */
    FRAMES = 2048,
    FRAME_MAX = 1024,
    PUBLICATION_MAX = 4096, /* octets, of BATCH_MAX updates */
    STEP_NS = 10000,
    SNAPSHOT_TOPICS = 100
};

static const char *const s_names[FIELDS_MAX] = {"bid",  "ask",  "bid_size", "ask_size", "last",
                                                "open", "high", "low",      "close",    "volume"};

typedef struct s_bench s_bench_t;

typedef struct {
    const char *name;
    const char *unit;
    void (*repeat) (s_bench_t *self);
    uint32_t count;       /* repetitions that instructions.py counts, and twice as many */
    uint32_t units;       /* of a repetition; 0: one */
    uint32_t fields;      /* of a delta; 0: one */
    uint32_t agents;      /* 0: one */
    uint32_t topics;      /* that deltas go to in turn; 0: one */
    uint32_t flush_each;  /* deltas; 0: never */
    bool is_equal;        /* the value stays */
    bool is_bytes;        /* it is 128 octets */
    bool is_mixed;        /* topics and fields come in an order that no guess finds */
    bool is_ruled;        /* deltas name no category */
    bool is_conflated;    /* somebody reads the topics at 100 ms */
    bool has_ticks;       /* deadlines are kept */
    bool has_beats;       /* each agent beats once a second */
    bool ends_with_batch; /* what is warmed up */
    bool is_one_time;     /* all of a batch happened at once */
    uint32_t tick_ms;     /* 0: as by default */
} s_row_t;

struct s_bench {
    const s_row_t *row;
    sb_core_t *core;
    sb_arena_t *arena;
    uint64_t now_ns;
    uint64_t numbers[AGENTS_MAX]; /* each agent's last sequence */
    uint64_t written;             /* deltas */
    uint64_t beats;               /* heartbeats, of has_beats */
    uint64_t beat_start_ns;       /* when those began */
    uint64_t snapshots;           /* last snapshot_id */
    sb_effects_t effects;         /* of the last step */
    char subjects[TOPICS][16];    /* SYMBOL0 … */
    char octets[BATCH_MAX][128];  /* of is_bytes */
    sb_change_t changes[BATCH_MAX][FIELDS_MAX];
    sb_delta_t deltas[BATCH_MAX];
    char frames[FRAMES][FRAME_MAX]; /* agents' messages, encoded */
    size_t frame_sizes[FRAMES];
    uint32_t frame; /* the next one */
};

/* ---- what is counted */

__attribute__ ((noinline)) static void s_step (s_bench_t *self, const sb_event_t *event)
{
    sb_core_step (self->core, event, &self->effects);
}

__attribute__ ((noinline)) static void s_decode (s_bench_t *self, const void *frame, size_t size,
                                                 sb_agent_message_t *message)
{
    sb_arena_reset (self->arena);
    sb_fault_t fault = sb_decode_agent_message (self->arena, frame, size, 256 * 1024, message);
    if (fault.reason != SB_REASON_NONE)
        abort ();
}

/* What a client gets: a publication's frame, or an ack. */
__attribute__ ((noinline)) static void s_receive (s_bench_t *self, const void *frame, size_t size, bool is_publication)
{
    sb_publication_t publication;
    sb_broker_message_t message;
    sb_arena_reset (self->arena);
    sb_fault_t fault = is_publication ? sb_decode_publication (self->arena, frame, size, 256 * 1024, &publication)
                                      : sb_decode_broker_message (self->arena, frame, size, 256 * 1024, &message);
    if (fault.reason != SB_REASON_NONE)
        abort ();
}

__attribute__ ((noinline)) static void s_encode (s_bench_t *self, const sb_effect_t *effect, char *frame)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena);
    size_t size = effect->kind == SB_EFFECT_PUBLISH
                      ? sb_encode_publication (self->arena, effect->publish, &encoding)
                      : sb_encode_broker_message (self->arena, effect->send.message, &encoding);
    if (size == 0 || size > PUBLICATION_MAX)
        abort ();
    sb_encoding_write (encoding, frame);
}

__attribute__ ((noinline)) static void s_encode_agents (s_bench_t *self, const sb_agent_message_t *message, char *frame)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena);
    size_t size = sb_encode_agent_message (self->arena, message, &encoding);
    if (size == 0 || size > PUBLICATION_MAX)
        abort ();
    sb_encoding_write (encoding, frame);
}

/* ---- events */

static void s_event (s_bench_t *self, sb_event_t event)
{
    event.monotonic_ns = self->now_ns;
    event.unix_ns = (int64_t)self->now_ns;
    s_step (self, &event);
}

static void s_message (s_bench_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 128;
    s_event (self, event);
}

static void s_ticks (s_bench_t *self)
{
    for (int i = 0; i < 64 && sb_core_deadline (self->core) <= self->now_ns; i++)
        s_event (self, (sb_event_t){.kind = SB_EVENT_TICK});
}

static void s_beat (s_bench_t *self, uint64_t peer)
{
    sb_interest_position_t seen = {.interest = sb_text ("market_data")};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){.received = self->written,
                                         .processed = self->written,
                                         .seen = &seen,
                                         .seen_count = 1,
                                         .decided_through = self->numbers[peer - 1]};
    s_message (self, peer, &message);
}

/* The next delta of the row: `place` of a batch. */
static void s_fill (s_bench_t *self, uint32_t place, uint32_t agent)
{
    sb_delta_t *delta = &self->deltas[place];
    uint64_t number = self->written++;
    double value = self->row->is_equal ? 1.5 : (double)number + 0.5;
    for (uint32_t i = 0; i < delta->update.change_count; i++)
        self->changes[place][i].value.number = value;
    uint64_t drawn = self->row->is_mixed ? number * UINT64_C (0x9e3779b97f4a7c15) >> 32 : number;
    if (self->row->is_mixed)
        self->changes[place][0].name = sb_text (s_names[drawn / 1000 % FIELDS_MAX]);
    if (self->row->is_bytes) {
        memcpy (self->octets[place], &number, sizeof number);
        self->changes[place][0].value = (sb_value_t){.kind = SB_VALUE_BYTES, .bytes = {self->octets[place], 128}};
    }
    if (self->row->topics)
        delta->subject = sb_text (self->subjects[drawn % self->row->topics]);
    delta->update.sequence = ++self->numbers[agent];
    delta->update.event_unix_ns = (int64_t)self->now_ns;
    if (!self->row->is_one_time || place == BATCH_MAX - 1)
        self->now_ns += STEP_NS;
}

/* What goes with the clock. */
static void s_keep_time (s_bench_t *self)
{
    const s_row_t *row = self->row;
    if (row->flush_each && self->written % row->flush_each == 0)
        s_event (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
    if (row->has_beats) {
        uint64_t due = (self->now_ns - self->beat_start_ns) / (1000000000 / row->agents);
        for (; self->beats < due; self->beats++)
            s_beat (self, self->beats % row->agents + 1);
    }
    if (row->has_ticks)
        s_ticks (self);
}

/* The delta was taken: a row that measures refusals would look very fast. */
static void s_expect (const s_bench_t *self, uint32_t publications)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < self->effects.count; i++)
        found += self->effects.items[i].kind == SB_EFFECT_PUBLISH;
    if (found < publications)
        abort ();
}

/* ---- rows */

static void s_write (s_bench_t *self)
{
    uint32_t agent = self->row->agents ? (uint32_t)(self->written % self->row->agents) : 0;
    s_fill (self, 0, agent);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, 1}};
    s_message (self, agent + 1, &message);
    s_expect (self, !self->row->is_equal);
    s_keep_time (self);
}

static void s_write_batch (s_bench_t *self)
{
    for (uint32_t i = 0; i < BATCH_MAX; i++)
        s_fill (self, i, 0);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, BATCH_MAX}};
    s_message (self, 1, &message);
    s_expect (self, 1);
    s_keep_time (self);
}

/* A field is made and, in the next delta, deleted. */
static void s_make_and_delete (s_bench_t *self)
{
    static char name[16];
    snprintf (name, sizeof name, "order_%u", (unsigned)(self->written % 1000));
    sb_change_t *change = &self->changes[0][0];
    *change = (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER}};
    s_write (self);
    *change = (sb_change_t){.name = sb_text (name), .is_delete = true};
    s_write (self);
}

static void s_write_heartbeat (s_bench_t *self)
{
    self->now_ns += STEP_NS;
    s_beat (self, 1);
}

static void s_whole_tick (s_bench_t *self)
{
    self->now_ns += self->row->tick_ms * UINT64_C (1000000);
    s_ticks (self);
}

/* One slice, with a new request or one more chunk's credit beforehand, as a reader gives it. */
static void s_snapshot_slice (s_bench_t *self)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT};
    message.snapshot_credit = (sb_snapshot_credit_t){self->snapshots, 1};
    sb_text_t interest = sb_text ("market_data");
    bool is_over = self->snapshots == 0;
    for (uint32_t i = 0; i < self->effects.count; i++)
        is_over |= self->effects.items[i].kind == SB_EFFECT_SEND &&
                   self->effects.items[i].send.message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END;
    if (is_over) {
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
        message.snapshot_request = (sb_snapshot_request_t){
            .snapshot_id = ++self->snapshots, .interests = &interest, .interest_count = 1, .credit = 1};
    }
    s_message (self, 1, &message);
    self->now_ns += 1000;
    s_event (self, (sb_event_t){.kind = SB_EVENT_TICK});
    if (self->effects.count == 0)
        abort ();
}

static void s_decode_frame (s_bench_t *self)
{
    sb_agent_message_t message;
    uint32_t frame = self->frame++ % FRAMES;
    s_decode (self, self->frames[frame], self->frame_sizes[frame], &message);
}

/* Writes an encoding without its being counted. */
static void s_frame (size_t size, const sb_encoding_t *encoding, char *frame)
{
    if (size == 0 || size > PUBLICATION_MAX)
        abort ();
    sb_encoding_write (encoding, frame);
}

/* A batch, as the agent sends it. */
static void s_decode_batch (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    sb_encoding_t *encoding;
    for (uint32_t i = 0; i < BATCH_MAX; i++)
        s_fill (self, i, 0);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, BATCH_MAX}};
    sb_arena_reset (self->arena);
    size_t size = sb_encode_agent_message (self->arena, &message, &encoding);
    s_frame (size, encoding, frame);
    s_decode (self, frame, size, &message);
}

/* The last step's publication as a reader gets it, again and again. */
static void s_decode_publication (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena);
    size_t size = sb_encode_publication (self->arena, self->effects.items[0].publish, &encoding);
    s_frame (size, encoding, frame);
    s_receive (self, frame, size, true);
}

static void s_decode_ack (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    sb_encoding_t *encoding;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {.decided_through = self->written++}};
    sb_arena_reset (self->arena);
    size_t size = sb_encode_broker_message (self->arena, &message, &encoding);
    s_frame (size, encoding, frame);
    s_receive (self, frame, size, false);
}

/* The last step's publication, again and again. */
static void s_encode_effect (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    s_encode (self, &self->effects.items[0], frame);
}

static void s_encode_effects (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    for (uint32_t i = 0; i < self->effects.count; i++)
        s_encode (self, &self->effects.items[i], frame);
}

/* The message of the last batch, again and again. */
static void s_encode_batch (s_bench_t *self)
{
    char frame[PUBLICATION_MAX];
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, BATCH_MAX}};
    s_encode_agents (self, &message, frame);
}

/* From a frame in to the frame out. */
static void s_path (s_bench_t *self)
{
    sb_agent_message_t message;
    uint32_t frame = self->frame++;
    if (frame >= FRAMES)
        abort ();
    s_decode (self, self->frames[frame], self->frame_sizes[frame], &message);
    self->now_ns += STEP_NS;
    s_message (self, 1, &message);
    s_expect (self, 1);
    s_encode_effects (self);
}

/* Sixteen frames, then their ack. */
static void s_path_turn (s_bench_t *self)
{
    for (uint32_t i = 0; i < 16; i++)
        s_path (self);
    s_event (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
    s_encode_effects (self);
}

#define DELTA  "a delta"
#define REPEAT 2000
#define FRAMED 900

static const s_row_t s_rows[] = {
    {.name = "step_one_field", DELTA, s_write, REPEAT},
    {.name = "step_two_fields", DELTA, s_write, REPEAT, .fields = 2},
    {.name = "step_five_fields", DELTA, s_write, REPEAT, .fields = 5},
    {.name = "step_ten_fields", DELTA, s_write, REPEAT, .fields = 10},
    {.name = "step_batch_16", DELTA ", of a batch of 16", s_write_batch, REPEAT / 16, .units = 16},
    {.name = "step_batch_bytes",
     DELTA " of 128 octets, of a batch of 16",
     s_write_batch,
     REPEAT / 16,
     .units = 16,
     .is_bytes = true},
    {.name = "step_equal_value", DELTA " that changes nothing", s_write, REPEAT, .is_equal = true},
    {.name = "step_bytes_128", DELTA " of 128 octets", s_write, REPEAT, .is_bytes = true},
    {.name = "step_200_topics", DELTA ", topics in turn", s_write, REPEAT, .topics = TOPICS},
    {.name = "step_mixed",
     DELTA ", 200 topics and ten fields in no order",
     s_write,
     REPEAT,
     .topics = TOPICS,
     .is_mixed = true},
    {.name = "step_by_rules", DELTA " without category", s_write, REPEAT, .is_ruled = true},
    {.name = "step_conflated",
     DELTA ", topics in turn, at 100 ms",
     s_write,
     REPEAT,
     .topics = TOPICS,
     .is_conflated = true,
     .has_ticks = true},
    {.name = "step_make_and_delete", "a field made and deleted", s_make_and_delete, REPEAT / 2},
    {.name = "step_flush_1", DELTA " and its ack", s_write, REPEAT, .flush_each = 1},
    {.name = "step_flush_16", DELTA ", acks each 16", s_write, REPEAT, .flush_each = 16},
    {.name = "step_among_10",
     DELTA ", agents in turn, with beats and ticks",
     s_write,
     100000,
     .agents = 10,
     .flush_each = 16,
     .has_ticks = true,
     .has_beats = true},
    {.name = "step_among_10000",
     DELTA ", agents in turn, with beats and ticks",
     s_write,
     100000,
     .agents = 10000,
     .flush_each = 16,
     .has_ticks = true,
     .has_beats = true},
    {.name = "heartbeat", "a heartbeat", s_write_heartbeat, REPEAT},
    {.name = "tick_10000_agents", "a whole tick", s_whole_tick, 20, .agents = 10000, .tick_ms = 1},
    {.name = "snapshot_slice", "a slice", s_snapshot_slice, 400, .fields = 10},
    {.name = "decode_one_field", "a frame", s_decode_frame, FRAMED},
    {.name = "decode_ten_fields", "a frame", s_decode_frame, FRAMED, .fields = 10},
    {.name = "decode_bytes_128", "a frame", s_decode_frame, FRAMED, .is_bytes = true},
    {.name = "decode_batch_bytes",
     DELTA " of 128 octets, of a batch of 16",
     s_decode_batch,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true},
    {.name = "decode_batch_topics",
     "the same, topics in turn",
     s_decode_batch,
     FRAMED,
     .units = BATCH_MAX,
     .topics = TOPICS,
     .is_bytes = true},
    {.name = "decode_publication",
     "a publication with an update of 128 octets",
     s_decode_publication,
     FRAMED,
     .is_bytes = true},
    {.name = "decode_publication_16",
     "an update of 128 octets, of a publication of 16",
     s_decode_publication,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true,
     .ends_with_batch = true},
    {.name = "decode_ack", "an ack", s_decode_ack, FRAMED},
    {.name = "encode_one_field", "a publication", s_encode_effect, FRAMED},
    {.name = "encode_ten_fields", "a publication", s_encode_effect, FRAMED, .fields = 10},
    {.name = "encode_bytes_128", "a publication", s_encode_effect, FRAMED, .is_bytes = true},
    {.name = "encode_batch_bytes",
     "an update of 128 octets, of a publication of 16",
     s_encode_effect,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true,
     .ends_with_batch = true},
    {.name = "encode_agents_batch",
     DELTA " of 128 octets, of a batch of 16",
     s_encode_batch,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true,
     .ends_with_batch = true},
    {.name = "encode_batch_at_once",
     "as encode_batch_bytes, all of one time",
     s_encode_effect,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true,
     .ends_with_batch = true,
     .is_one_time = true},
    {.name = "encode_agents_at_once",
     "as encode_agents_batch, all of one time",
     s_encode_batch,
     FRAMED,
     .units = BATCH_MAX,
     .is_bytes = true,
     .ends_with_batch = true,
     .is_one_time = true},
    {.name = "path_one_field", "a delta's frame in, its publication's out", s_path, FRAMED},
    {.name = "path_bytes_128", "a delta's frame in, its publication's out", s_path, FRAMED, .is_bytes = true},
    {.name = "path_turn_16",
     "a delta's frame in, its publication's and a 16th of an ack out",
     s_path_turn,
     FRAMED / 16,
     .units = 16},
};

enum { ROWS = sizeof s_rows / sizeof s_rows[0] };

/* ---- making ready */

static void *s_allocate (void *context, size_t size)
{
    (void)context;
    return aligned_alloc (16, (size + 15) & ~(size_t)15);
}

static void s_release (void *context, void *memory, size_t size)
{
    (void)context, (void)size;
    free (memory);
}

static void s_make_core (s_bench_t *self)
{
    sb_core_config_t config;
    sb_core_config_default (&config);
    if (self->row->tick_ms)
        config.tick_interval_ms = self->row->tick_ms;
    sb_core_identity_t identity = {.stream_id = 1, .epoch = 1, .hash_seed = 1, .session_seed = 1};
    sb_allocator_t allocator = {s_allocate, s_release, NULL};
    self->now_ns = UINT64_C (1000000000);
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, (int64_t)self->now_ns);
    if (!self->core)
        abort ();
}

static void s_register (s_bench_t *self, uint64_t peer)
{
    char id[24];
    snprintf (id, sizeof id, "agent-%u", (unsigned)peer);
    sb_text_t interest = sb_text ("market_data");
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = SB_PROTOCOL,
                                               .agent_id = sb_text (id),
                                               .instance_id = 1,
                                               .next_sequence = 1,
                                               .interests = &interest,
                                               .interest_count = 1};
    s_message (self, peer, &message);
}

static void s_make_deltas (s_bench_t *self)
{
    const s_row_t *row = self->row;
    for (unsigned i = 0; i < TOPICS; i++)
        snprintf (self->subjects[i], sizeof self->subjects[i], "SYMBOL%u", i);
    for (uint32_t i = 0; i < BATCH_MAX; i++) {
        for (uint32_t j = 0; j < FIELDS_MAX; j++)
            self->changes[i][j] = (sb_change_t){.name = sb_text (s_names[j]), .value = {.kind = SB_VALUE_NUMBER}};
        self->deltas[i] =
            (sb_delta_t){.category = sb_text (row->is_ruled ? "" : "market_data"), .subject = sb_text ("SYMBOL")};
        self->deltas[i].update =
            (sb_update_t){.changes = self->changes[i], .change_count = row->fields ? row->fields : 1};
    }
}

/* Frames of deltas that go on from what was written. */
static void s_make_frames (s_bench_t *self)
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        s_fill (self, 0, 0);
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, 1}};
        sb_encoding_t *encoding;
        sb_arena_reset (self->arena);
        self->frame_sizes[i] = sb_encode_agent_message (self->arena, &message, &encoding);
        if (self->frame_sizes[i] == 0 || self->frame_sizes[i] > FRAME_MAX)
            abort ();
        sb_encoding_write (encoding, self->frames[i]);
    }
}

static s_bench_t *s_make (const s_row_t *row)
{
    static s_bench_t bench;
    s_bench_t *self = &bench;
    self->row = row;
    self->arena = sb_arena_new (1 << 20);
    if (!self->arena)
        abort ();
    s_make_core (self);
    s_make_deltas (self);
    for (uint64_t peer = 1; peer <= (row->agents ? row->agents : 1); peer++)
        s_register (self, peer);
    self->beat_start_ns = self->now_ns;
    if (row->is_conflated) {
        sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
        event.subscription.prefix = sb_text ("~conflated.100.market_data.");
        event.subscription.is_subscribed = true;
        s_event (self, event);
    }
    uint32_t warm_up = row->agents > WARM_UP ? row->agents : WARM_UP;
    if (row->repeat == s_snapshot_slice)
        for (uint32_t i = 0; i < SNAPSHOT_TOPICS; i++) {
            self->deltas[0].subject = sb_text (self->subjects[i]);
            s_write (self);
        }
    for (uint32_t i = 0; i < warm_up && !row->tick_ms; i++)
        s_write (self);
    if (row->ends_with_batch)
        s_write_batch (self);
    if (row->repeat == s_decode_frame || row->repeat == s_path || row->repeat == s_path_turn)
        s_make_frames (self);
    return self;
}

static int s_list (void)
{
    for (int i = 0; i < ROWS; i++)
        printf ("%s\t%u\t%u\t%s\n", s_rows[i].name, s_rows[i].count, s_rows[i].units ? s_rows[i].units : 1,
                s_rows[i].unit);
    return 0;
}

int main (int count, char **arguments)
{
    if (count == 2 && strcmp (arguments[1], "--list") == 0)
        return s_list ();
    for (int i = 0; count == 3 && i < ROWS; i++) {
        if (strcmp (arguments[1], s_rows[i].name) != 0)
            continue;
        s_bench_t *self = s_make (&s_rows[i]);
        for (long left = atol (arguments[2]); left > 0; left--)
            s_rows[i].repeat (self);
        sb_core_destroy (&self->core);
        sb_arena_destroy (&self->arena);
        return 0;
    }
    fprintf (stderr, "usage: bench_steps --list | ROW COUNT\n");
    return 2;
}

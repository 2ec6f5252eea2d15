/* SPDX-License-Identifier: MPL-2.0
 *
 * The same events give the same effects, byte for byte, whatever the addresses and the hash keys are.
 *
 * A seeded generator writes one long script: registrations, deltas good and bad, batches, whole states, heartbeats,
 * commands, answers, ticks, clock jumps, lost peers, noise. It reads the effects as a shell and agents would (what is
 * stored next, which sequence is expected), never the core itself. Effects are hashed in their wire form, so that
 * nothing a peer could see is left out; store, audit and log are hashed field by field. Two cores run it with different
 * allocators and different hash keys. The numbers of what the script made happen are checked too, so that it cannot
 * become an empty proof.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_codec.h"
#include "sb_core.h"
#include "sb_names.h"
#include "sb_reasons.h"

enum { EVENTS = 60000, AGENTS = 24, PEERS = 40, CHANGES = 6, ARENA_BYTES = 64 * 1024 * 1024 };

#define MS            UINT64_C (1000000)
#define UNIX_START_NS INT64_C (1700000000000000000)

/* ------------------------------------------------------------------ seeded numbers, hash */

typedef struct {
    uint64_t state;
} s_random_t;

/* splitmix64 */
static uint64_t s_next (s_random_t *self)
{
    uint64_t z = self->state += UINT64_C (0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t s_below (s_random_t *self, uint32_t limit)
{
    return (uint32_t)(s_next (self) % limit);
}

static bool s_chance (s_random_t *self, uint32_t percent)
{
    return s_below (self, 100) < percent;
}

static void s_hash (uint64_t *hash, const void *data, size_t size)
{
    const unsigned char *octets = data;
    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ octets[i]) * UINT64_C (0x100000001b3);
}

static void s_hash_text (uint64_t *hash, sb_text_t text)
{
    s_hash (hash, &text.size, sizeof text.size);
    s_hash (hash, text.data, text.size);
}

static void s_hash_number (uint64_t *hash, uint64_t number)
{
    s_hash (hash, &number, sizeof number);
}

/* ------------------------------------------------------------------ a core and its shell */

/* What the run was like. */
typedef struct {
    uint64_t hash;
    uint32_t kinds[SB_EFFECT_LOG + 1]; /* effects */
    uint32_t replies[SB_REASON_LIMIT]; /* by reason */
    uint32_t refusals[SB_REASON_LIMIT];
    uint32_t joins;
    uint32_t chunks;
    uint32_t expired;               /* publications of it */
    uint32_t merged;                /* conflated publications of more than one */
    uint32_t ends[SB_REASON_LIMIT]; /* of snapshots */
    uint32_t steps;
} s_result_t;

typedef struct {
    sb_core_t *core;
    sb_arena_t *arena;
    s_random_t random;
    uint64_t now_ns;
    int64_t unix_ns;
    uint64_t token;
    uint64_t peer_counter;
    uint64_t latch_epoch;       /* as last stored */
    unsigned char fill;         /* of fresh memory */
    size_t padding;             /* octets before each allocation, a multiple of 16 */
    uint64_t peers[AGENTS];     /* of each agent; 0: none */
    uint64_t instances[AGENTS]; /* of each agent */
    uint64_t expected[AGENTS];  /* next sequence of each agent */
    uint64_t asked_peer;        /* whom a command was sent to last */
    char asked_id[SB_ID_MAX];
    uint32_t asked_id_size;
    bool must_store;
    uint64_t refused_peer; /* the chunk for it is to be refused; 0: none */
    s_result_t result;
} s_run_t;

static void *s_allocate (void *context, size_t size)
{
    s_run_t *self = context;
    unsigned char *memory = aligned_alloc (16, (self->padding + size + 15) & ~(size_t)15);
    if (memory == NULL)
        return NULL;
    memset (memory, self->fill, self->padding + size);
    return memory + self->padding;
}

static void s_release (void *context, void *memory, size_t size)
{
    s_run_t *self = context;
    (void)size;
    free ((unsigned char *)memory - self->padding);
}

/* Agent of a peer, or AGENTS. */
static uint32_t s_agent_of (const s_run_t *self, uint64_t peer)
{
    uint32_t agent = 0;
    while (agent < AGENTS && self->peers[agent] != peer)
        agent++;
    return agent;
}

static void s_hash_encoding (s_run_t *self, size_t size, const sb_encoding_t *encoding)
{
    cr_assert_gt (size, 0, "an effect that cannot be encoded");
    void *octets = sb_arena_take (self->arena, size);
    cr_assert_not_null (octets);
    sb_encoding_write (encoding, octets);
    s_hash (&self->result.hash, octets, size);
}

static void s_take_send (s_run_t *self, const sb_effect_t *effect)
{
    sb_encoding_t *encoding = NULL;
    const sb_broker_message_t *message = effect->send.message;
    s_hash_number (&self->result.hash, effect->send.peer);
    size_t size = sb_encode_broker_message (self->arena, message, &encoding);
    s_hash_encoding (self, size, encoding);
    uint32_t agent = s_agent_of (self, effect->send.peer);
    if (message->kind == SB_BROKER_MESSAGE_COMMAND) {
        self->asked_peer = effect->send.peer;
        self->asked_id_size = message->command.command_id.size;
        memcpy (self->asked_id, message->command.command_id.data, self->asked_id_size);
    } else if (message->kind == SB_BROKER_MESSAGE_REFUSAL) {
        self->result.refusals[message->refusal.reason]++;
        if (agent < AGENTS && message->refusal.expected_sequence > 0)
            self->expected[agent] = message->refusal.expected_sequence;
    } else if (message->kind == SB_BROKER_MESSAGE_WELCOME && agent < AGENTS) {
        self->expected[agent] = message->welcome.decided_through + 1;
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK) {
        self->result.chunks++;
        if (s_chance (&self->random, 10))
            self->refused_peer = effect->send.peer;
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        self->result.ends[message->snapshot_end.code]++;
    } else if (message->kind == SB_BROKER_MESSAGE_ACK) {
        for (uint32_t i = 0; i < message->ack.refused_count; i++)
            self->result.refusals[message->ack.refused[i].reason]++;
    }
}

static void s_take_store (s_run_t *self, const sb_control_state_t *state)
{
    uint64_t *hash = &self->result.hash;
    self->must_store = true;
    self->latch_epoch = state->latch_epoch;
    s_hash_number (hash, state->stopped);
    s_hash_number (hash, state->latch_epoch);
    s_hash_text (hash, state->issuer);
    s_hash_text (hash, state->reason);
    s_hash_number (hash, (uint64_t)state->since_unix_ns);
    for (uint32_t i = 0; i < state->operator_count; i++) {
        const sb_operator_record_t *record = &state->operators[i];
        cr_assert (i == 0 || sb_text_compare (state->operators[i - 1].agent_id, record->agent_id) < 0,
                   "operators are stored in order of agent id");
        s_hash_text (hash, record->agent_id);
        s_hash_number (hash, record->paused | record->isolated << 1 | record->by_agent << 2);
        s_hash_number (hash, record->revision);
        s_hash_text (hash, record->issuer);
        s_hash_text (hash, record->reason);
        s_hash_number (hash, (uint64_t)record->since_unix_ns);
    }
}

static void s_take_audit (s_run_t *self, const sb_audit_t *audit)
{
    const sb_text_t texts[] = {audit->command_id, audit->command, audit->agent_id, audit->issuer,
                               audit->reason,     audit->before,  audit->after,    audit->result};
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        s_hash_text (&self->result.hash, texts[i]);
    s_hash_number (&self->result.hash, audit->code);
    s_hash_number (&self->result.hash, (uint64_t)audit->unix_ns);
}

static void s_take_effect (s_run_t *self, const sb_effect_t *effect)
{
    sb_encoding_t *encoding = NULL;
    size_t size = 0;
    self->result.kinds[effect->kind]++;
    s_hash_number (&self->result.hash, effect->kind);
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        s_take_store (self, effect->store);
        break;
    case SB_EFFECT_SEND:
        s_take_send (self, effect);
        break;
    case SB_EFFECT_PUBLISH:
        size = sb_encode_publication (self->arena, effect->publish, &encoding);
        s_hash_encoding (self, size, encoding);
        self->result.joins += sb_prefix_matches (sb_text ("~join."), effect->publish->topic);
        self->result.expired += effect->publish->cause == SB_CAUSE_EXPIRED;
        self->result.merged += effect->publish->first_topic_sequence < effect->publish->topic_sequence &&
                               sb_prefix_matches (sb_text ("~conflated."), effect->publish->topic);
        break;
    case SB_EFFECT_REPLY:
        s_hash_number (&self->result.hash, effect->reply.token);
        self->result.replies[effect->reply.reply->code]++;
        size = sb_encode_command_reply (self->arena, effect->reply.reply, &encoding);
        s_hash_encoding (self, size, encoding);
        break;
    case SB_EFFECT_AUDIT:
        s_take_audit (self, effect->audit);
        break;
    case SB_EFFECT_LOG:
        s_hash_number (&self->result.hash, effect->log->severity | effect->log->reason << 8);
        s_hash_text (&self->result.hash, effect->log->event);
        s_hash_text (&self->result.hash, effect->log->agent_id);
        s_hash_text (&self->result.hash, effect->log->text);
        break;
    }
    sb_arena_reset (self->arena);
}

static void s_step (s_run_t *self, sb_event_t event)
{
    sb_effects_t effects;
    event.monotonic_ns = self->now_ns;
    event.unix_ns = self->unix_ns;
    sb_core_step (self->core, &event, &effects);
    self->result.steps++;
    for (uint32_t i = 0; i < effects.count; i++)
        s_take_effect (self, &effects.items[i]);
    s_hash_number (&self->result.hash, sb_core_deadline (self->core));
    if (self->must_store) {
        self->must_store = false;
        sb_event_t stored = {.kind = SB_EVENT_STORED};
        stored.stored.durable = !s_chance (&self->random, 10);
        s_step (self, stored);
    }
    if (self->refused_peer) {
        sb_event_t refused = {.kind = SB_EVENT_CHUNK_REFUSED};
        refused.chunk_refused.peer = self->refused_peer;
        self->refused_peer = 0;
        s_step (self, refused);
    }
}

static void s_message (s_run_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 50 + s_below (&self->random, 500);
    s_step (self, event);
}

/* ------------------------------------------------------------------ what happens */

static const char *const categories[] = {"market_data",      "trades",      "agent", "scanner_data", "",
                                         "execution_result", "risk_metrics"};
static const char *const subjects[] = {"", "BTCUSDT", "spot:ETH", "x"};
static const char *const names[] = {"price",  "size",  "status", "pnl",          "confidence",
                                    "rsi_14", "a.b.c", "sma_5",  "position.BTC", "last_signal"};
static const char *const texts[] = {"", "BUY", "HOLD", "a longer text that needs a run of its own in the store"};

enum {
    CATEGORY_COUNT = sizeof categories / sizeof categories[0],
    SUBJECT_COUNT = sizeof subjects / sizeof subjects[0],
    NAME_COUNT = sizeof names / sizeof names[0],
    TEXT_COUNT = sizeof texts / sizeof texts[0]
};

static sb_value_t s_value (s_random_t *random)
{
    sb_value_t value = {.kind = (sb_value_kind_t)(1 + s_below (random, SB_VALUE_BYTES))};
    switch (value.kind) {
    case SB_VALUE_NUMBER:
        value.number = (double)s_below (random, 1000) / 8.0;
        break;
    case SB_VALUE_INTEGER:
        value.integer = (int64_t)s_below (random, 50) - 25;
        break;
    case SB_VALUE_DECIMAL:
        value.decimal.unscaled = s_below (random, 100);
        value.decimal.exponent = -2;
        break;
    case SB_VALUE_BOOLEAN:
        value.boolean = s_chance (random, 50);
        break;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        value.text = sb_text (texts[s_below (random, TEXT_COUNT)]);
        break;
    case SB_VALUE_NONE:
        break;
    }
    return value;
}

/* A delta with up to CHANGES different fields, `changes` being room for them; now and then one at fault. */
static sb_delta_t s_delta (s_random_t *random, uint64_t sequence, sb_change_t *changes, bool with_deletes)
{
    uint32_t count = 1 + s_below (random, CHANGES);
    uint32_t first = s_below (random, NAME_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (sb_change_t){.name = sb_text (names[(first + i) % NAME_COUNT])};
        changes[i].is_delete = with_deletes && s_chance (random, 10);
        if (!changes[i].is_delete)
            changes[i].value = s_value (random);
    }
    sb_delta_t delta = {
        .category = sb_text (categories[s_below (random, CATEGORY_COUNT)]),
        .subject = sb_text (subjects[s_below (random, SUBJECT_COUNT)]),
    };
    delta.update.sequence = sequence;
    delta.update.origin_unix_ns = s_chance (random, 50) ? UNIX_START_NS : 0;
    delta.update.changes = changes;
    delta.update.change_count = count;
    if (s_chance (random, 15))
        delta.time_to_live_ms = 1 + s_below (random, 500);
    if (s_chance (random, 2)) {
        delta.fault = SB_REASON_NOT_FINITE;
        delta.fault_field = changes[0].name;
    }
    return delta;
}

static void s_register (s_run_t *self)
{
    static const char *const interests[] = {"market_data", "all", "_event", "trades.agent-1", "trades.agent-1.x"};
    s_random_t *random = &self->random;
    uint32_t agent = s_below (random, AGENTS);
    char id[32];
    int size = snprintf (id, sizeof id, "agent-%u", agent);
    sb_text_t wanted[3];
    sb_registration_t registration = {
        .protocol = s_chance (random, 2) ? 9 : SB_PROTOCOL,
        .agent_id = s_chance (random, 2) ? sb_text ("_bad id") : (sb_text_t){id, (uint32_t)size},
        .next_sequence = 1 + s_below (random, 3),
        .interests = wanted,
        .interest_count = s_below (random, 4),
        .heartbeat_interval_ms = s_chance (random, 50) ? 0 : 100 + s_below (random, 2000),
    };
    for (uint32_t i = 0; i < registration.interest_count; i++)
        wanted[i] = sb_text (interests[s_below (random, 5)]);
    if (self->instances[agent] == 0 || s_chance (random, 40))
        self->instances[agent] = 1 + s_below (random, 1000000);
    registration.instance_id = self->instances[agent];
    if (self->peers[agent] == 0 || s_chance (random, 60))
        self->peers[agent] = ++self->peer_counter;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION, .registration = registration};
    s_message (self, self->peers[agent], &message);
}

/* An agent with a connection, or one that has none: then a peer that nobody knows. */
static uint32_t s_pick (s_run_t *self, uint64_t *peer)
{
    uint32_t agent = s_below (&self->random, AGENTS);
    *peer = self->peers[agent] != 0 ? self->peers[agent] : 1000000 + agent;
    return agent;
}

static void s_send_deltas (s_run_t *self)
{
    enum { BATCH = 8 };
    s_random_t *random = &self->random;
    sb_change_t changes[BATCH][CHANGES];
    sb_delta_t deltas[BATCH];
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    uint32_t count = s_chance (random, 70) ? 1 : 1 + s_below (random, BATCH);
    if (s_chance (random, 3))
        self->expected[agent] += 1 + s_below (random, 3);
    else if (s_chance (random, 3) && self->expected[agent] > 2)
        self->expected[agent] -= 2;
    for (uint32_t i = 0; i < count; i++)
        deltas[i] = s_delta (random, self->expected[agent]++, changes[i], true);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH};
    message.batch = (sb_batch_t){deltas, count};
    s_message (self, peer, &message);
}

static void s_send_state (s_run_t *self)
{
    s_random_t *random = &self->random;
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    uint64_t sequence = self->expected[agent]++;
    uint32_t chunks = s_below (random, 4);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    s_message (self, peer, &message);
    for (uint32_t i = 0; i < chunks; i++) {
        sb_change_t changes[2][CHANGES];
        sb_delta_t topics[2] = {s_delta (random, 0, changes[0], false), s_delta (random, 0, changes[1], false)};
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK};
        message.replace_chunk = (sb_replace_chunk_t){sequence, topics, 1 + s_below (random, 2)};
        s_message (self, peer, &message);
    }
    message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_END};
    message.replace_end = (sb_replace_mark_t){sequence, s_chance (random, 90) ? chunks : chunks + 1};
    s_message (self, peer, &message);
}

static void s_send_heartbeat (s_run_t *self)
{
    s_random_t *random = &self->random;
    uint64_t buckets[4] = {s_below (random, 3), 1, 0, s_below (random, 3)};
    sb_interest_position_t seen = {
        .interest = sb_text ("all"), .sequence = s_below (random, 5000), .category_sequence = s_below (random, 500)};
    uint64_t peer;
    s_pick (self, &peer);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){
        .received = self->result.steps,
        .processed = self->result.steps / 2,
        .failed = s_chance (random, 3) ? self->result.steps / 1000 : 0,
        .dropped = s_below (random, 10),
        .seen = &seen,
        .seen_count = s_below (random, 2),
        .queue_depth = s_below (random, 3),
        .progress = s_below (random, 3),
        .operator_revision = s_below (random, 4),
        .latch_epoch = s_chance (random, 60) ? self->latch_epoch : 0,
        .paused = s_chance (random, 40),
        .self_paused = s_chance (random, 10),
        .delivery_buckets = buckets,
        .delivery_bucket_count = 4,
    };
    s_message (self, peer, &message);
}

/* Asks for a snapshot, or gives credit: for the one under way, as a rule. */
static void s_send_snapshot (s_run_t *self)
{
    static const char *const interests[] = {"market_data", "all", "_event", "trades.agent-1", "Bad"};
    s_random_t *random = &self->random;
    sb_text_t wanted[2] = {sb_text (interests[s_below (random, 5)]), sb_text (interests[s_below (random, 4)])};
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    message.snapshot_request = (sb_snapshot_request_t){agent + 1, wanted, s_below (random, 3), 1 + s_below (random, 3)};
    if (s_chance (random, 60)) {
        message.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT;
        message.snapshot_credit = (sb_snapshot_credit_t){agent + 1 + s_chance (random, 10), s_below (random, 10)};
    }
    s_message (self, peer, &message);
}

/* Somebody subscribes, or leaves. */
static void s_send_subscription (s_run_t *self)
{
    static const char *const prefixes[] = {"~join.nonce-1.",    "~join.bad nonce.",          "~join.x.",
                                           "market_data.",      "~conflated.2000.market_da", "~conflated.10.",
                                           "~conflated.010.a.", "~conflated.200.trades.ag",  ""};
    s_random_t *random = &self->random;
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (prefixes[s_below (random, sizeof prefixes / sizeof prefixes[0])]);
    event.subscription.is_subscribed = s_chance (random, 60);
    s_step (self, event);
}

static void s_send_result (s_run_t *self)
{
    sb_parameter_t value = {.name = sb_text ("weights"), .value = s_value (&self->random)};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND_RESULT};
    message.command_result = (sb_command_result_t){
        .command_id = {self->asked_id, self->asked_id_size},
        .code = s_chance (&self->random, 80) ? SB_REASON_NONE : SB_REASON_AGENT_REFUSED,
        .message = sb_text ("so it is"),
        .values = &value,
        .value_count = s_below (&self->random, 2),
    };
    if (self->asked_peer != 0)
        s_message (self, self->asked_peer, &message);
}

/* One kind of command, and how often it comes among them. */
typedef struct {
    const char *name;
    uint32_t weight;
    bool has_agent;
    const char *parameter; /* NULL: none */
} s_command_kind_t;

static const s_command_kind_t command_kinds[] = {{"status", 4, false, NULL},
                                                 {"health", 4, false, "limit"},
                                                 {"list_agents", 4, false, "limit"},
                                                 {"pause_agent", 10, true, NULL},
                                                 {"resume_agent", 12, true, NULL},
                                                 {"restart_agent", 10, true, NULL},
                                                 {"emergency_stop", 1, false, NULL},
                                                 {"emergency_clear", 12, false, "latch_epoch"},
                                                 {"send_command", 15, true, "command"},
                                                 {"isolate_agent", 3, true, NULL},
                                                 {"release_agent", 6, true, NULL},
                                                 {"get_state", 5, false, "limit"},
                                                 {"history", 5, false, "category"},
                                                 {"events", 4, false, "last"},
                                                 {"state_hash", 5, false, "interests"},
                                                 {"no_such_command", 1, false, NULL}};

enum { COMMAND_KINDS = sizeof command_kinds / sizeof command_kinds[0] };

static const s_command_kind_t *s_pick_command (s_random_t *random)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < COMMAND_KINDS; i++)
        all += command_kinds[i].weight;
    uint32_t place = s_below (random, all);
    uint32_t kind = 0;
    for (; place >= command_kinds[kind].weight; kind++)
        place -= command_kinds[kind].weight;
    return &command_kinds[kind];
}

static sb_value_t s_command_value (s_run_t *self, const char *parameter)
{
    sb_value_t value = {.kind = SB_VALUE_INTEGER};
    value.integer = 1 + s_below (&self->random, 20);
    if (strcmp (parameter, "latch_epoch") == 0)
        value.integer = (int64_t)self->latch_epoch;
    if (strcmp (parameter, "command") == 0 || strcmp (parameter, "category") == 0 ||
        strcmp (parameter, "interests") == 0) {
        value.kind = SB_VALUE_TEXT;
        value.text = sb_text (strcmp (parameter, "command") == 0 ? "rebalance_weights" : "market_data");
    }
    return value;
}

static void s_send_command (s_run_t *self, bool by_agent)
{
    s_random_t *random = &self->random;
    const s_command_kind_t *kind = s_pick_command (random);
    char id[32];
    char command_id[32];
    snprintf (id, sizeof id, "agent-%u", s_below (random, AGENTS + 1));
    snprintf (command_id, sizeof command_id, "c-%llu",
              (unsigned long long)(s_chance (random, 5) ? self->token / 2 : self->token));
    sb_parameter_t parameter = {
        .name = sb_text (s_chance (random, 3) || kind->parameter == NULL ? "odd" : kind->parameter)};
    parameter.value = s_command_value (self, kind->parameter != NULL ? kind->parameter : "odd");
    sb_command_request_t request = {
        .command_id = sb_text (command_id),
        .command = sb_text (kind->name),
        .agent_id = sb_text (kind->has_agent ? id : ""),
        .parameters = &parameter,
        .parameter_count = kind->parameter != NULL || s_chance (random, 3) ? 1 : 0,
        .reason = sb_text (s_chance (random, 5) ? "" : "because"),
        .issuer = sb_text ("operator"),
        .issued_unix_ns = self->unix_ns - (int64_t)(s_chance (random, 5) ? 9000 * MS : 0),
        .timeout_ms = s_chance (random, 3) ? 0 : 100 + s_below (random, 8000),
        .protocol = SB_PROTOCOL,
    };
    self->token++;
    if (by_agent) {
        uint64_t peer;
        s_pick (self, &peer);
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND, .command = request};
        s_message (self, peer, &message);
        return;
    }
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    event.command.token = self->token;
    event.command.request = &request;
    s_step (self, event);
}

static void s_noise (s_run_t *self)
{
    s_random_t *random = &self->random;
    uint64_t peer;
    s_pick (self, &peer);
    sb_event_t event = {0};
    switch (s_below (random, 4)) {
    case 0:
        event.kind = SB_EVENT_BAD_MESSAGE;
        event.bad_message.peer = peer;
        event.bad_message.reason = s_chance (random, 50) ? SB_REASON_MALFORMED : SB_REASON_TOO_LARGE;
        event.bad_message.text = sb_text ("noise");
        event.bad_message.size = 7;
        break;
    case 1:
        event.kind = SB_EVENT_BAD_COMMAND;
        event.bad_command.token = ++self->token;
        event.bad_command.reason = SB_REASON_MALFORMED;
        break;
    case 2:
        event.kind = SB_EVENT_PEER_LOST;
        event.peer_lost.peer = peer;
        break;
    default: {
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_GOODBYE};
        s_message (self, peer, &message);
        return;
    }
    }
    s_step (self, event);
}

/* Lets time pass; ticks as a shell does, and now and then much too late. The wall clock steps back at times. */
static void s_pass_time (s_run_t *self)
{
    s_random_t *random = &self->random;
    uint64_t passed_ns = s_below (random, 40) * MS;
    if (s_chance (random, 1))
        passed_ns = s_below (random, 40000) * MS;
    self->now_ns += passed_ns;
    self->unix_ns += (int64_t)passed_ns;
    if (s_chance (random, 1))
        self->unix_ns += ((int64_t)s_below (random, 2001) - 1000) * (int64_t)MS;
    for (int i = 0; i < 20 && sb_core_deadline (self->core) <= self->now_ns; i++) {
        sb_event_t event = {.kind = SB_EVENT_TICK};
        event.tick.cut_connections = self->result.steps / 500;
        s_step (self, event);
    }
    s_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
}

static void s_happen (s_run_t *self)
{
    uint32_t dice = s_below (&self->random, 100);
    if (dice < 6)
        s_register (self);
    else if (dice < 50)
        s_send_deltas (self);
    else if (dice < 54)
        s_send_state (self);
    else if (dice < 74)
        s_send_heartbeat (self);
    else if (dice < 82)
        s_send_command (self, false);
    else if (dice < 84)
        s_send_command (self, true);
    else if (dice < 88)
        s_send_result (self);
    else if (dice < 90)
        s_noise (self);
    else if (dice < 92)
        s_send_snapshot (self);
    else if (dice < 93)
        s_send_subscription (self);
    else
        s_pass_time (self);
}

/* ------------------------------------------------------------------ runs */

static s_result_t s_play (uint64_t seed, uint64_t hash_seed, unsigned char fill, size_t padding, bool with_one_more)
{
    s_run_t *self = calloc (1, sizeof *self);
    cr_assert_not_null (self);
    self->random.state = seed;
    self->now_ns = 1000000 * MS;
    self->unix_ns = UNIX_START_NS;
    self->fill = fill;
    self->padding = padding;
    self->result.hash = UINT64_C (0xcbf29ce484222325);
    self->arena = sb_arena_new (ARENA_BYTES);
    cr_assert_not_null (self->arena);
    sb_core_config_t config;
    sb_core_config_default (&config);
    config.max_agents = AGENTS - 4; /* so that some are refused, or forgotten */
    config.max_fields = 2000;
    config.max_topics = 400;
    config.max_replies = 200;
    config.max_pending_commands = 8;
    config.forget_after_ms = 30000;
    const sb_time_to_live_t times[] = {{sb_text ("agent"), 700}, {sb_text ("trades"), 1500}};
    config.times_to_live = times;
    config.time_to_live_count = 2;
    config.max_conflations = 4;
    sb_core_identity_t identity = {.stream_id = 7, .epoch = 1, .hash_seed = hash_seed, .session_seed = 1};
    sb_allocator_t allocator = {s_allocate, s_release, self};
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, self->unix_ns);
    cr_assert_not_null (self->core);
    while (self->result.steps < EVENTS)
        s_happen (self);
    if (with_one_more)
        s_send_heartbeat (self);
    s_step (self, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    s_hash_number (&self->result.hash, sb_core_memory_bytes (self->core));
    s_result_t result = self->result;
    sb_core_destroy (&self->core);
    sb_arena_destroy (&self->arena);
    free (self);
    return result;
}

/* The script did what it is for. */
static void s_check_rich (const s_result_t *result)
{
    for (int kind = SB_EFFECT_STORE; kind <= SB_EFFECT_LOG; kind++)
        cr_assert_gt (result->kinds[kind], 100, "effects of kind %d: %u", kind, result->kinds[kind]);
    const sb_reason_t refusals[] = {SB_REASON_REGISTER_AGAIN,     SB_REASON_SEQUENCE_GAP, SB_REASON_NOT_FINITE,
                                    SB_REASON_EMERGENCY_STOPPED,  SB_REASON_PAUSED,       SB_REASON_ISOLATED,
                                    SB_REASON_BREAKER_OPEN,       SB_REASON_MALFORMED,    SB_REASON_PROTOCOL_VERSION,
                                    SB_REASON_REPLACE_INCOMPLETE, SB_REASON_BAD_AGENT_ID};
    for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        cr_assert_gt (result->refusals[refusals[i]], 0, "never refused: %s", sb_reason_info (refusals[i])->name);
    cr_assert_gt (result->joins, 50);
    cr_assert_gt (result->chunks, 200);
    cr_assert_gt (result->expired, 500);
    cr_assert_gt (result->merged, 100, "%u", result->merged);
    cr_assert_gt (result->ends[SB_REASON_NONE], 50);
    cr_assert_gt (result->ends[SB_REASON_BAD_INTEREST], 10);
    const sb_reason_t replies[] = {SB_REASON_NONE,
                                   SB_REASON_TIMEOUT,
                                   SB_REASON_EXPIRED,
                                   SB_REASON_UNKNOWN_AGENT,
                                   SB_REASON_UNKNOWN_COMMAND,
                                   SB_REASON_COMMAND_ID_REUSED,
                                   SB_REASON_WRONG_STATE,
                                   SB_REASON_UNKNOWN_PARAMETER,
                                   SB_REASON_BAD_REQUEST,
                                   SB_REASON_REASON_REQUIRED,
                                   SB_REASON_WRONG_EPOCH,
                                   SB_REASON_AGENT_REFUSED,
                                   SB_REASON_NOT_CONNECTED};
    for (uint32_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        cr_assert_gt (result->replies[replies[i]], 0, "never replied: %s", sb_reason_info (replies[i])->name);
}

Test (core_determinism, same_events_give_the_same_effects_byte_for_byte, .timeout = 300)
{
    s_result_t first = s_play (20240808, 1, 0xa5, 0, false);
    s_result_t second = s_play (20240808, UINT64_C (0xfeedfacecafebeef), 0x5a, 4096, false);
    cr_assert_geq (first.steps, EVENTS);
    cr_assert_eq (first.steps, second.steps);
    cr_assert_eq (first.hash, second.hash, "%016llx against %016llx", (unsigned long long)first.hash,
                  (unsigned long long)second.hash);
    s_check_rich (&first);
}

Test (core_determinism, another_script_gives_other_effects, .timeout = 300)
{
    s_result_t plain = s_play (3, 1, 0, 0, false);
    s_result_t longer = s_play (3, 1, 0, 0, true);
    cr_assert_neq (plain.hash, longer.hash, "one more event must show");
}

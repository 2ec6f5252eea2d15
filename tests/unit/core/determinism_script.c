/* SPDX-License-Identifier: MPL-2.0
 *
 * See determinism.h. One long script: registrations, deltas good and bad, batches, whole states, heartbeats, commands,
 * answers, ticks, clock jumps, lost peers, noise. It reads the effects as a shell and agents would (what is stored
 * next, which sequence is expected), never the core itself.
 */
#include "determinism.h"

#include <stdio.h>
#include <string.h>

#include "sb_names.h"

enum { CHANGES = 6 };

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

static sb_value_t s_value (seeded_t *random)
{
    sb_value_t value = {.kind = (sb_value_kind_t)(1 + seeded_below (random, SB_VALUE_BYTES))};
    switch (value.kind) {
    case SB_VALUE_NUMBER:
        value.number = (double)seeded_below (random, 1000) / 8.0;
        break;
    case SB_VALUE_INTEGER:
        value.integer = (int64_t)seeded_below (random, 50) - 25;
        break;
    case SB_VALUE_DECIMAL:
        value.decimal.unscaled = seeded_below (random, 100);
        value.decimal.exponent = -2;
        break;
    case SB_VALUE_BOOLEAN:
        value.boolean = seeded_chance (random, 50);
        break;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        value.text = sb_text (texts[seeded_below (random, TEXT_COUNT)]);
        break;
    case SB_VALUE_NONE:
        break;
    }
    return value;
}

/* A delta with up to CHANGES different fields, `changes` being room for them; now and then one at fault. */
static sb_delta_t s_delta (seeded_t *random, uint64_t sequence, sb_change_t *changes, bool with_deletes)
{
    uint32_t count = 1 + seeded_below (random, CHANGES);
    uint32_t first = seeded_below (random, NAME_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (sb_change_t){.name = sb_text (names[(first + i) % NAME_COUNT])};
        changes[i].is_delete = with_deletes && seeded_chance (random, 10);
        if (!changes[i].is_delete)
            changes[i].value = s_value (random);
    }
    sb_delta_t delta = {
        .category = sb_text (categories[seeded_below (random, CATEGORY_COUNT)]),
        .subject = sb_text (subjects[seeded_below (random, SUBJECT_COUNT)]),
    };
    delta.update.sequence = sequence;
    delta.update.origin_unix_ns = seeded_chance (random, 50) ? UNIX_START_NS : 0;
    delta.update.changes = changes;
    delta.update.change_count = count;
    if (seeded_chance (random, 15))
        delta.time_to_live_ms = 1 + seeded_below (random, 500);
    if (seeded_chance (random, 2)) {
        delta.fault = SB_REASON_NOT_FINITE;
        delta.fault_field = changes[0].name;
    }
    return delta;
}

static void s_register (run_t *self)
{
    static const char *const interests[] = {"market_data", "all", "_event", "trades.agent-1", "trades.agent-1.x"};
    seeded_t *random = &self->random;
    uint32_t agent = seeded_below (random, AGENTS);
    char id[32];
    int size = snprintf (id, sizeof id, "agent-%u", agent);
    sb_text_t wanted[3];
    sb_registration_t registration = {
        .protocol = seeded_chance (random, 2) ? 9 : SB_PROTOCOL,
        .agent_id = seeded_chance (random, 2) ? sb_text ("_bad id") : (sb_text_t){id, (uint32_t)size},
        .next_sequence = 1 + seeded_below (random, 3),
        .interests = wanted,
        .interest_count = seeded_below (random, 4),
        .heartbeat_interval_ms = seeded_chance (random, 50) ? 0 : 100 + seeded_below (random, 2000),
    };
    for (uint32_t i = 0; i < registration.interest_count; i++)
        wanted[i] = sb_text (interests[seeded_below (random, 5)]);
    if (self->instances[agent] == 0 || seeded_chance (random, 40))
        self->instances[agent] = 1 + seeded_below (random, 1000000);
    registration.instance_id = self->instances[agent];
    if (self->peers[agent] == 0 || seeded_chance (random, 60))
        self->peers[agent] = ++self->peer_counter;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION, .registration = registration};
    run_message (self, self->peers[agent], &message);
}

/* An agent with a connection, or one that has none: then a peer that nobody knows. */
static uint32_t s_pick (run_t *self, uint64_t *peer)
{
    uint32_t agent = seeded_below (&self->random, AGENTS);
    *peer = self->peers[agent] != 0 ? self->peers[agent] : 1000000 + agent;
    return agent;
}

static void s_send_deltas (run_t *self)
{
    enum { BATCH = 8 };
    seeded_t *random = &self->random;
    sb_change_t changes[BATCH][CHANGES];
    sb_delta_t deltas[BATCH];
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    uint32_t count = seeded_chance (random, 70) ? 1 : 1 + seeded_below (random, BATCH);
    if (seeded_chance (random, 3))
        self->expected[agent] += 1 + seeded_below (random, 3);
    else if (seeded_chance (random, 3) && self->expected[agent] > 2)
        self->expected[agent] -= 2;
    for (uint32_t i = 0; i < count; i++)
        deltas[i] = s_delta (random, self->expected[agent]++, changes[i], true);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH};
    message.batch = (sb_batch_t){deltas, count};
    run_message (self, peer, &message);
}

static void s_send_state (run_t *self)
{
    seeded_t *random = &self->random;
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    uint64_t sequence = self->expected[agent]++;
    uint32_t chunks = seeded_below (random, 4);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    run_message (self, peer, &message);
    for (uint32_t i = 0; i < chunks; i++) {
        sb_change_t changes[2][CHANGES];
        sb_delta_t topics[2] = {s_delta (random, 0, changes[0], false), s_delta (random, 0, changes[1], false)};
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK};
        message.replace_chunk = (sb_replace_chunk_t){sequence, topics, 1 + seeded_below (random, 2)};
        run_message (self, peer, &message);
    }
    message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_END};
    message.replace_end = (sb_replace_mark_t){sequence, seeded_chance (random, 90) ? chunks : chunks + 1};
    run_message (self, peer, &message);
}

void script_send_heartbeat (run_t *self)
{
    seeded_t *random = &self->random;
    uint64_t buckets[4] = {seeded_below (random, 3), 1, 0, seeded_below (random, 3)};
    sb_interest_position_t seen = {.interest = sb_text ("all"),
                                   .sequence = seeded_below (random, 5000),
                                   .category_sequence = seeded_below (random, 500)};
    uint64_t peer;
    s_pick (self, &peer);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){
        .received = self->result.steps,
        .processed = self->result.steps / 2,
        .failed = seeded_chance (random, 3) ? self->result.steps / 1000 : 0,
        .dropped = seeded_below (random, 10),
        .seen = &seen,
        .seen_count = seeded_below (random, 2),
        .queue_depth = seeded_below (random, 3),
        .progress = seeded_below (random, 3),
        .operator_revision = seeded_below (random, 4),
        .latch_epoch = seeded_chance (random, 60) ? self->latch_epoch : 0,
        .paused = seeded_chance (random, 40),
        .self_paused = seeded_chance (random, 10),
        .delivery_buckets = buckets,
        .delivery_bucket_count = 4,
    };
    run_message (self, peer, &message);
}

/* Asks for a snapshot, or gives credit: for the one under way, as a rule. */
static void s_send_snapshot (run_t *self)
{
    static const char *const interests[] = {"market_data", "all", "_event", "trades.agent-1", "Bad"};
    seeded_t *random = &self->random;
    sb_text_t wanted[2] = {sb_text (interests[seeded_below (random, 5)]),
                           sb_text (interests[seeded_below (random, 4)])};
    uint64_t peer;
    uint32_t agent = s_pick (self, &peer);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    message.snapshot_request =
        (sb_snapshot_request_t){agent + 1, wanted, seeded_below (random, 3), 1 + seeded_below (random, 3)};
    if (seeded_chance (random, 60)) {
        message.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT;
        message.snapshot_credit =
            (sb_snapshot_credit_t){agent + 1 + seeded_chance (random, 10), seeded_below (random, 10)};
    }
    run_message (self, peer, &message);
}

/* Somebody subscribes, or leaves. */
static void s_send_subscription (run_t *self)
{
    static const char *const prefixes[] = {"~join.nonce-1.",    "~join.bad nonce.",          "~join.x.",
                                           "market_data.",      "~conflated.2000.market_da", "~conflated.10.",
                                           "~conflated.010.a.", "~conflated.200.trades.ag",  ""};
    seeded_t *random = &self->random;
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (prefixes[seeded_below (random, sizeof prefixes / sizeof prefixes[0])]);
    event.subscription.is_subscribed = seeded_chance (random, 60);
    run_step (self, event);
}

static void s_send_result (run_t *self)
{
    sb_parameter_t value = {.name = sb_text ("weights"), .value = s_value (&self->random)};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND_RESULT};
    message.command_result = (sb_command_result_t){
        .command_id = {self->asked_id, self->asked_id_size},
        .code = seeded_chance (&self->random, 80) ? SB_REASON_NONE : SB_REASON_AGENT_REFUSED,
        .message = sb_text ("so it is"),
        .values = &value,
        .value_count = seeded_below (&self->random, 2),
    };
    if (self->asked_peer != 0)
        run_message (self, self->asked_peer, &message);
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

static const s_command_kind_t *s_pick_command (seeded_t *random)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < COMMAND_KINDS; i++)
        all += command_kinds[i].weight;
    uint32_t place = seeded_below (random, all);
    uint32_t kind = 0;
    for (; place >= command_kinds[kind].weight; kind++)
        place -= command_kinds[kind].weight;
    return &command_kinds[kind];
}

static sb_value_t s_command_value (run_t *self, const char *parameter)
{
    sb_value_t value = {.kind = SB_VALUE_INTEGER};
    value.integer = 1 + seeded_below (&self->random, 20);
    if (strcmp (parameter, "latch_epoch") == 0)
        value.integer = (int64_t)self->latch_epoch;
    if (strcmp (parameter, "command") == 0 || strcmp (parameter, "category") == 0 ||
        strcmp (parameter, "interests") == 0) {
        value.kind = SB_VALUE_TEXT;
        value.text = sb_text (strcmp (parameter, "command") == 0 ? "rebalance_weights" : "market_data");
    }
    return value;
}

static void s_send_command (run_t *self, bool by_agent)
{
    seeded_t *random = &self->random;
    const s_command_kind_t *kind = s_pick_command (random);
    char id[32];
    char command_id[32];
    snprintf (id, sizeof id, "agent-%u", seeded_below (random, AGENTS + 1));
    snprintf (command_id, sizeof command_id, "c-%llu",
              (unsigned long long)(seeded_chance (random, 5) ? self->token / 2 : self->token));
    sb_parameter_t parameter = {
        .name = sb_text (seeded_chance (random, 3) || kind->parameter == NULL ? "odd" : kind->parameter)};
    parameter.value = s_command_value (self, kind->parameter != NULL ? kind->parameter : "odd");
    sb_command_request_t request = {
        .command_id = sb_text (command_id),
        .command = sb_text (kind->name),
        .agent_id = sb_text (kind->has_agent ? id : ""),
        .parameters = &parameter,
        .parameter_count = kind->parameter != NULL || seeded_chance (random, 3) ? 1 : 0,
        .reason = sb_text (seeded_chance (random, 5) ? "" : "because"),
        .issuer = sb_text ("operator"),
        .issued_unix_ns = self->unix_ns - (int64_t)(seeded_chance (random, 5) ? 9000 * MS : 0),
        .timeout_ms = seeded_chance (random, 3) ? 0 : 100 + seeded_below (random, 8000),
        .protocol = SB_PROTOCOL,
    };
    self->token++;
    if (by_agent) {
        uint64_t peer;
        s_pick (self, &peer);
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND, .command = request};
        run_message (self, peer, &message);
        return;
    }
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    event.command.token = self->token;
    event.command.request = &request;
    run_step (self, event);
}

static void s_noise (run_t *self)
{
    seeded_t *random = &self->random;
    uint64_t peer;
    s_pick (self, &peer);
    sb_event_t event = {0};
    switch (seeded_below (random, 4)) {
    case 0:
        event.kind = SB_EVENT_BAD_MESSAGE;
        event.bad_message.peer = peer;
        event.bad_message.reason = seeded_chance (random, 50) ? SB_REASON_MALFORMED : SB_REASON_TOO_LARGE;
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
        run_message (self, peer, &message);
        return;
    }
    }
    run_step (self, event);
}

/* Lets time pass; ticks as a shell does, and now and then much too late. The wall clock steps back at times. */
static void s_pass_time (run_t *self)
{
    seeded_t *random = &self->random;
    uint64_t passed_ns = seeded_below (random, 40) * MS;
    if (seeded_chance (random, 1))
        passed_ns = seeded_below (random, 40000) * MS;
    self->now_ns += passed_ns;
    self->unix_ns += (int64_t)passed_ns;
    if (seeded_chance (random, 1))
        self->unix_ns += ((int64_t)seeded_below (random, 2001) - 1000) * (int64_t)MS;
    for (int i = 0; i < 20 && sb_core_deadline (self->core) <= self->now_ns; i++) {
        sb_event_t event = {.kind = SB_EVENT_TICK};
        event.tick.cut_connections = self->result.steps / 500;
        run_step (self, event);
    }
    run_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
}

void script_happen (run_t *self)
{
    uint32_t dice = seeded_below (&self->random, 100);
    if (dice < 6)
        s_register (self);
    else if (dice < 50)
        s_send_deltas (self);
    else if (dice < 54)
        s_send_state (self);
    else if (dice < 74)
        script_send_heartbeat (self);
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

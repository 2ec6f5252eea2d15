/* SPDX-License-Identifier: MPL-2.0
 *
 * Seeds of the stateful targets: short plays of what real agents, brokers and operators do, record by record. The
 * records are those of core_targets.c and agent_target.c.
 */
#include "seeds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sb_names.h"

/* Records of core_targets.c. */
enum { FRAME, TIME, FLUSH, LOST, REQUEST, SESSION, OPERATE, STORE };
/* Records of agent_target.c that are other ones. */
enum { MESSAGE = 0, PUBLICATION = 1, AGENT_TIME = 2, LINK = 3, UPDATE = 4, HANDLER = 5, COMMAND = 6, WELCOME = 7 };

/* ------------------------------------------------------------------ what hostile sessions send */

static void s_register (seed_t *seed, uint8_t peer, const char *agent_id, uint64_t instance_id)
{
    static const sb_text_t interests[] = {{"market_data", 11}, {"risk.a", 6}};
    static const sb_label_t label = {{"desk", 4}, {"one", 3}};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = SB_PROTOCOL,
                                               .agent_id = sb_text (agent_id),
                                               .instance_id = instance_id,
                                               .next_sequence = 1,
                                               .interests = interests,
                                               .interest_count = 2,
                                               .publishes = interests,
                                               .publish_count = 1,
                                               .heartbeat_interval_ms = 1000,
                                               .labels = &label,
                                               .label_count = 1};
    seed_agent_message (seed, FRAME, peer, &message);
}

/* A delta of a number, a text and a delete; category NULL: to be categorized. */
static sb_agent_message_t s_batch (sb_delta_t *delta, uint64_t sequence, const char *category)
{
    static const sb_change_t changes[] = {
        {.name = {"rsi_14", 6}, .value = {.kind = SB_VALUE_NUMBER, .number = 55.5}},
        {.name = {"status", 6}, .value = {.kind = SB_VALUE_TEXT, .text = {"running", 7}}},
        {.name = {"old", 3}, .is_delete = true}};
    *delta = (sb_delta_t){.category = sb_text (category), .subject = sb_text ("s")};
    delta->update = (sb_update_t){.sequence = sequence, .event_unix_ns = 1, .changes = changes, .change_count = 3};
    return (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {delta, 1}};
}

static void s_delta (seed_t *seed, uint8_t record, uint8_t how, uint64_t sequence, const char *category)
{
    sb_delta_t delta;
    sb_agent_message_t message = s_batch (&delta, sequence, category);
    seed_agent_message (seed, record, how, &message);
}

static void s_replacement (seed_t *seed, uint8_t peer, uint64_t sequence)
{
    sb_delta_t topic;
    s_batch (&topic, 0, "market_data");
    topic.update.change_count = 2; /* a whole state deletes nothing */
    sb_agent_message_t begin = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    sb_agent_message_t chunk = {.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK, .replace_chunk = {sequence, &topic, 1}};
    sb_agent_message_t end = {.kind = SB_AGENT_MESSAGE_REPLACE_END, .replace_end = {sequence, 1}};
    seed_agent_message (seed, FRAME, peer, &begin);
    seed_agent_message (seed, FRAME, peer, &chunk);
    seed_agent_message (seed, FRAME, peer, &end);
}

static void s_beat (seed_t *seed, uint8_t peer)
{
    static const sb_interest_position_t seen = {
        .interest = {"market_data.", 12}, .sequence = 3, .category_sequence = 2};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){
        .received = 5, .processed = 4, .failed = 1, .seen = &seen, .seen_count = 1, .queue_depth = 1, .progress = 9};
    seed_agent_message (seed, FRAME, peer, &message);
}

static void s_time (seed_t *seed, uint8_t record, uint16_t seconds)
{
    seed_record (seed, record, 0);
    seed_number (seed, (uint16_t)(seconds * 100));
}

static void s_say (seed_t *seed, uint8_t peer, const char *command, const char *agent_id)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND};
    message.command = (sb_command_request_t){.command_id = sb_text ("c1"),
                                             .command = sb_text (command),
                                             .agent_id = sb_text (agent_id),
                                             .timeout_ms = 500,
                                             .protocol = SB_PROTOCOL};
    seed_agent_message (seed, FRAME, peer, &message);
}

/* A delta of each fault of content that octets can carry. */
static void s_bad_deltas (seed_t *seed)
{
    static const sb_change_t changes[] = {{.name = {"t", 1}, .value = {.kind = SB_VALUE_TEXT, .text = {"\xff\xfe", 2}}},
                                          {.name = {"t", 1}, .value = {.kind = SB_VALUE_TEXT, .text = {"a\0b", 3}}},
                                          {.name = {"n", 1}, .value = {.kind = SB_VALUE_NUMBER, .number = INFINITY}},
                                          {.name = {"d", 1}, .value = {.kind = SB_VALUE_DECIMAL, .decimal = {1, 99}}},
                                          {.name = {"v", 1}},
                                          {.name = {".", 1}, .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}},
                                          {.name = {"\xc3", 1}, .is_delete = true}};
    s_register (seed, 0, "a", 7);
    for (uint64_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        sb_delta_t delta = {.category = {"risk", 4}};
        delta.update = (sb_update_t){.sequence = i + 1, .changes = &changes[i], .change_count = 1};
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
        seed_agent_message (seed, FRAME, 0, &message);
    }
    seed_record (seed, FLUSH, 0);
    seed_save (seed, "core_step", "bad_deltas");
}

/* Whoever subscribes to it first, or leaves it last. */
static void s_subscribe (seed_t *seed, const char *prefix, bool is_subscribed)
{
    seed_record_octets (seed, FLUSH, is_subscribed ? 1 : 3, prefix, strlen (prefix));
}

static void s_ask_snapshot (seed_t *seed, uint8_t peer, uint64_t snapshot_id, const sb_text_t *interests,
                            uint32_t interest_count, uint32_t credit)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    message.snapshot_request = (sb_snapshot_request_t){snapshot_id, interests, interest_count, credit};
    seed_agent_message (seed, FRAME, peer, &message);
}

static void s_give_credit (seed_t *seed, uint8_t peer, uint64_t snapshot_id, uint32_t credit)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {snapshot_id, credit}};
    seed_agent_message (seed, FRAME, peer, &message);
}

/* Snapshots taken, refused by the socket, given up, asked for twice, of nothing and of nonsense. */
static void s_snapshots (seed_t *seed)
{
    static const sb_text_t some[] = {{"market_data", 11}, {"risk.a", 6}}, none[] = {{"No Interest", 11}};
    s_register (seed, 0, "a", 7);
    for (uint64_t sequence = 1; sequence < 4; sequence++)
        s_delta (seed, FRAME, 0, sequence, sequence == 2 ? "trades" : "market_data");
    s_ask_snapshot (seed, 0, 1, NULL, 0, 1);
    s_time (seed, TIME, 1);
    s_delta (seed, FRAME, 0, 4, "risk");
    s_give_credit (seed, 0, 1, 5);
    seed_record (seed, LOST, 4);
    s_time (seed, TIME, 1);
    seed_record (seed, LOST, 12);
    s_time (seed, TIME, 1);
    seed_save (seed, "core_step", "snapshot_refused_by_the_socket");
    s_register (seed, 0, "a", 7);
    s_register (seed, 1, "b", 8);
    s_delta (seed, FRAME, 0, 1, "market_data");
    s_ask_snapshot (seed, 0, 1, some, 2, 2);
    s_ask_snapshot (seed, 0, 2, none, 1, 2);
    s_ask_snapshot (seed, 1, 1, some, 1, SB_SNAPSHOT_CREDIT_MAX);
    s_give_credit (seed, 1, 9, 1);
    s_ask_snapshot (seed, 1, 2, some, 2, 1);
    s_give_credit (seed, 1, 2, 0);
    seed_record (seed, LOST, 0);
    s_ask_snapshot (seed, 0, 3, NULL, 0, 1);
    s_time (seed, TIME, 2);
    seed_save (seed, "core_step", "snapshots_given_up");
}

static void s_subscriptions (seed_t *seed)
{
    s_register (seed, 0, "a", 7);
    s_subscribe (seed, "~conflated.100.market_data.", true);
    s_subscribe (seed, "~conflated.100.", true);
    s_subscribe (seed, "~conflated.10.trades.", true);
    s_subscribe (seed, "~conflated.05.market_data.", true);
    for (uint64_t sequence = 1; sequence < 6; sequence++)
        s_delta (seed, FRAME, 0, sequence, sequence % 2 ? "market_data" : "trades");
    s_subscribe (seed, "~join.n1.", true);
    s_time (seed, TIME, 1);
    s_delta (seed, FRAME, 0, 6, "market_data");
    s_delta (seed, FRAME, 0, 7, "market_data");
    s_subscribe (seed, "~conflated.100.", false);
    s_subscribe (seed, "~join.n1.", false);
    s_subscribe (seed, "~join.not a nonce.", true);
    s_subscribe (seed, "~join.", true);
    s_subscribe (seed, "", true);
    s_time (seed, TIME, 70);
    seed_save (seed, "core_step", "subscriptions");
}

/* Fields that go by themselves: refreshed, overtaken by a whole state, and left alone. */
static void s_times_to_live (seed_t *seed)
{
    s_register (seed, 0, "a", 7);
    for (uint64_t sequence = 1; sequence < 4; sequence++) {
        sb_delta_t delta;
        sb_agent_message_t message = s_batch (&delta, sequence, sequence == 2 ? "trades" : "risk");
        delta.time_to_live_ms = sequence == 3 ? UINT32_MAX : 500;
        seed_agent_message (seed, FRAME, 0, &message);
    }
    s_time (seed, TIME, 1);
    s_replacement (seed, 0, 4);
    s_time (seed, TIME, 1);
    seed_save (seed, "core_step", "times_to_live");
}

static void s_core_step (seed_t *seed)
{
    s_bad_deltas (seed);
    s_snapshots (seed);
    s_subscriptions (seed);
    s_times_to_live (seed);
    s_register (seed, 0, "a", 7);
    for (uint64_t sequence = 1; sequence < 4; sequence++)
        s_delta (seed, FRAME, 0, sequence, sequence == 2 ? "trades" : "market_data");
    seed_record (seed, FLUSH, 0);
    s_beat (seed, 0);
    seed_save (seed, "core_step", "deltas");
    s_register (seed, 0, "a", 7);
    s_delta (seed, FRAME, 0, 1, NULL);
    s_replacement (seed, 0, 2);
    s_time (seed, TIME, 2);
    seed_save (seed, "core_step", "replacement");
    s_register (seed, 0, "a", 7);
    for (uint64_t sequence = 5; sequence < 12; sequence++)
        s_delta (seed, FRAME, 0, sequence * 2, "market_data");
    s_time (seed, TIME, 40);
    s_delta (seed, FRAME, 0, 1, "market_data");
    seed_save (seed, "core_step", "gaps_open_the_breaker");
    s_register (seed, 0, "a", 7);
    s_register (seed, 1, "a", 8);
    s_register (seed, 0, "a", 7);
    s_register (seed, 2, "b", 1);
    s_register (seed, 3, "c", 1);
    seed_record (seed, LOST, 1);
    s_time (seed, TIME, 70);
    s_register (seed, 0, "d", 1);
    seed_save (seed, "core_step", "displaced_lost_forgotten");
    s_register (seed, 0, "a", 7);
    s_say (seed, 0, "pause_agent", "good");
    s_say (seed, 0, "list_agents", NULL);
    sb_agent_message_t goodbye = {.kind = SB_AGENT_MESSAGE_GOODBYE};
    seed_agent_message (seed, FRAME, 0, &goodbye);
    seed_record_octets (seed, FRAME, 1, "\xff\x01noise", 7);
    seed_save (seed, "core_step", "commands_goodbye_noise");
}

/* ------------------------------------------------------------------ commands */

/* A valid value for a parameter of that kind. */
typedef enum { KIND_INTEGER, KIND_NUMBER, KIND_TEXT, KIND_BOOLEAN, KIND_ANY } s_kind_t;

static sb_value_t s_value (s_kind_t kind, const char *name)
{
    if (kind == KIND_INTEGER)
        return (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = 1};
    if (kind == KIND_NUMBER)
        return (sb_value_t){.kind = SB_VALUE_NUMBER, .number = 0.5};
    if (kind == KIND_BOOLEAN)
        return (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = true};
    const char *text = strcmp (name, "cursor") == 0     ? "next"
                       : strcmp (name, "category") == 0 ? "market_data"
                       : strcmp (name, "agent") == 0    ? "a"
                       : strcmp (name, "subject") == 0  ? "s"
                                                        : "flush";
    return (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (text)};
}

typedef enum { TARGET_NONE, TARGET_AGENT } s_target_t;

/* Every command with its target, every parameter with its command. */
static const struct {
    const char *name;
    s_target_t target;
} s_commands[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help) {#name, TARGET_##target},
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

static const struct {
    const char *command;
    const char *name;
    s_kind_t kind;
    bool is_required;
} s_parameters[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help)
#define SB_PARAMETER(command, name, kind, required, help) {#command, #name, KIND_##kind, required},
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

/* A request with the parameters that are required, and all (but cursor unless `continues`) when `is_full`. */
static void s_request (seed_t *seed, uint8_t record, uint8_t how, size_t command, const char *command_id, bool is_full,
                       bool continues)
{
    sb_parameter_t parameters[16];
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof s_parameters / sizeof *s_parameters; i++) {
        const char *name = s_parameters[i].name;
        bool is_cursor = strcmp (name, "cursor") == 0;
        if (strcmp (s_parameters[i].command, s_commands[command].name) != 0 ||
            !(s_parameters[i].is_required || (is_full && !is_cursor) || (continues && is_cursor)))
            continue;
        parameters[count].name = sb_text (strcmp (name, "*") == 0 ? "size" : name);
        parameters[count++].value = s_value (s_parameters[i].kind, name);
    }
    sb_command_request_t request = {.command_id = sb_text (command_id),
                                    .command = sb_text (s_commands[command].name),
                                    .agent_id = sb_text (s_commands[command].target == TARGET_AGENT ? "a" : ""),
                                    .parameters = parameters,
                                    .parameter_count = count,
                                    .reason = sb_text ("why"),
                                    .issuer = sb_text ("me"),
                                    .timeout_ms = 500,
                                    .protocol = SB_PROTOCOL};
    seed_request (seed, record, how, &request);
}

/* Two agents with some state. */
static void s_scene (seed_t *seed)
{
    s_register (seed, 0, "a", 7);
    s_register (seed, 1, "b", 8);
    s_delta (seed, FRAME, 0, 1, "market_data");
    s_delta (seed, FRAME, 1, 1, NULL);
    seed_record (seed, FLUSH, 0);
}

static void s_command (seed_t *seed, size_t command)
{
    char target[64];
    sb_agent_message_t result = {.kind = SB_AGENT_MESSAGE_COMMAND_RESULT};
    result.command_result = (sb_command_result_t){.command_id = sb_text ("x"), .message = sb_text ("done")};
    snprintf (target, sizeof target, "command_%s", s_commands[command].name);
    s_request (seed, REQUEST, 0, command, "c1", false, false);
    seed_save (seed, target, "nobody");
    s_scene (seed);
    s_request (seed, REQUEST, 0, command, "c1", false, false);
    seed_agent_message (seed, FRAME, 4, &result); /* peer 0 answers what it was told */
    s_request (seed, REQUEST, 0, command, "c1", false, false);
    s_request (seed, REQUEST, 0, command, "c1", true, false);
    s_time (seed, TIME, 6);
    seed_save (seed, target, "answered_repeated_reused");
    s_scene (seed);
    s_request (seed, REQUEST, 0, command, "c1", true, false);
    s_request (seed, REQUEST, 0, command, "c2", true, true);
    s_request (seed, SESSION, 1, command, "c1", false, false);
    s_request (seed, SESSION, 1, command, "c1", true, false);
    seed_record (seed, LOST, 0);
    seed_save (seed, target, "pages_and_session");
    s_scene (seed);
    for (uint8_t how = 0; how < 8; how++) {
        seed_record (seed, OPERATE, how);
        s_request (seed, REQUEST, 1, command, "c1", false, false);
        seed_record (seed, STORE, 1);
    }
    s_time (seed, TIME, 70);
    seed_save (seed, target, "operators_no_store");
}

/* ------------------------------------------------------------------ what a broker sends */

static void s_publish (seed_t *seed, uint64_t topic_sequence, uint64_t epoch)
{
    static const sb_change_t change = {.name = {"x", 1}, .value = {.kind = SB_VALUE_INTEGER, .integer = 3}};
    static const sb_update_t update = {.sequence = 1, .changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = {"market_data.b.s", 15},
                                    .stream_id = 5,
                                    .epoch = epoch,
                                    .sequence = topic_sequence,
                                    .category_sequence = topic_sequence,
                                    .topic_sequence = topic_sequence,
                                    .agent_id = {"b", 1},
                                    .broker_unix_ns = 9,
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    seed_publication (seed, PUBLICATION, 1, &publication);
}

/* The level of a heartbeat's answer. */
static void s_level (seed_t *seed, bool is_paused, bool is_stopped, uint32_t retry_after_ms)
{
    static const sb_interest_position_t head = {
        .interest = {"market_data.", 12}, .sequence = 4, .category_sequence = 4};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK};
    message.heartbeat_ack = (sb_heartbeat_ack_t){.operator_state = {.paused = is_paused, .revision = 2},
                                                 .latch = {.stopped = is_stopped, .latch_epoch = 2},
                                                 .breaker = {.retry_after_ms = retry_after_ms},
                                                 .heads = &head,
                                                 .head_count = 1};
    message.heartbeat_ack.breaker.state = retry_after_ms ? SB_BREAKER_OPEN : SB_BREAKER_CLOSED;
    seed_broker_message (seed, MESSAGE, 1, &message);
}

static void s_refuse (seed_t *seed, sb_reason_t reason, uint64_t sequence)
{
    sb_refusal_t refusal = {.reason = reason, .sequence = sequence, .expected_sequence = 1, .retry_after_ms = 200};
    sb_broker_message_t ack = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {sequence, &refusal, 1}};
    sb_broker_message_t whole = {.kind = SB_BROKER_MESSAGE_REFUSAL, .refusal = refusal};
    seed_broker_message (seed, MESSAGE, 0, sequence ? &ack : &whole);
}

static void s_tell (seed_t *seed, const char *command)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND};
    message.command = (sb_agent_command_t){
        .command_id = {"c9", 2}, .command = sb_text (command), .operator_revision = 3, .latch_epoch = 3};
    seed_broker_message (seed, MESSAGE, 0, &message);
}

/* A level that says the heads: all is at `head`. */
static void s_heads (seed_t *seed, const char *topic, uint8_t how, uint64_t head)
{
    const sb_change_t changes[] = {
        {.name = {"sequence", 8}, .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)head}},
        {.name = {"head.market_data", 16}, .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)head}}};
    const sb_update_t update = {.changes = changes, .change_count = 2};
    sb_publication_t publication = {.topic = sb_text (topic),
                                    .stream_id = 5,
                                    .epoch = 1,
                                    .agent_id = {"_broker", 7},
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    seed_publication (seed, PUBLICATION, how, &publication);
}

/* On the topic of the join: what a broker answers it with. */
static void s_answer_join (seed_t *seed, uint64_t sequence)
{
    seed_record (seed, LINK, 3); /* the SUB's connection stands */
    s_heads (seed, "~join.x.", 2, sequence);
}

static void s_beat_heads (seed_t *seed, uint64_t head)
{
    s_heads (seed, "_beat..", 1, head);
}

static void s_chunk (seed_t *seed, uint64_t sequence, uint32_t fields)
{
    static const sb_snapshot_field_t some[] = {{{"x", 1}, {.kind = SB_VALUE_INTEGER, .integer = 3}, 1, 9},
                                               {{"y", 1}, {.kind = SB_VALUE_TEXT, .text = {"text", 4}}, 2, 9}};
    sb_snapshot_topic_t topics[] = {
        {.topic = {"market_data.b.s", 15},
         .sequence = sequence,
         .category_sequence = sequence,
         .topic_sequence = sequence,
         .quality = SB_QUALITY_OK,
         .fields = some,
         .field_count = fields},
        {.topic = {"risk.a.", 7}, .sequence = 1, .category_sequence = 1, .topic_sequence = 1}};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK};
    message.snapshot_chunk = (sb_snapshot_chunk_t){1, 1, topics, 2};
    seed_broker_message (seed, MESSAGE, 1, &message);
}

static void s_end (seed_t *seed, sb_reason_t code, uint32_t chunks, uint64_t fields, uint64_t sequence)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end = (sb_snapshot_end_t){.snapshot_id = 1,
                                               .code = code,
                                               .text = {"given up", 8},
                                               .chunk_count = chunks,
                                               .field_count = fields,
                                               .sequence = sequence,
                                               .stream_id = 5,
                                               .epoch = 1};
    seed_broker_message (seed, MESSAGE, 1, &message);
}

/* A page of history; evicted: some of it is gone. */
static void s_history (seed_t *seed, uint64_t first, uint64_t last, bool is_evicted, const char *cursor)
{
    enum { PAGE_MAX = 8 };
    static const sb_change_t change = {.name = {"x", 1}, .value = {.kind = SB_VALUE_INTEGER, .integer = 4}};
    static const sb_update_t update = {.sequence = 1, .changes = &change, .change_count = 1};
    sb_publication_t publications[PAGE_MAX];
    const sb_publication_t *list[PAGE_MAX];
    const sb_parameter_t columns[] = {{{"evicted", 7}, {.kind = SB_VALUE_BOOLEAN, .boolean = is_evicted}},
                                      {{"end", 3}, {.kind = SB_VALUE_BOOLEAN, .boolean = !cursor}}};
    const sb_record_t record = {columns, 2};
    uint32_t count = 0;
    for (uint64_t sequence = first; sequence <= last && count < PAGE_MAX; sequence++, count++) {
        publications[count] = (sb_publication_t){.topic = {"market_data.b.s", 15},
                                                 .stream_id = 5,
                                                 .epoch = 1,
                                                 .sequence = sequence,
                                                 .category_sequence = sequence,
                                                 .topic_sequence = sequence,
                                                 .agent_id = {"b", 1},
                                                 .quality = SB_QUALITY_OK,
                                                 .updates = &update,
                                                 .update_count = 1};
        list[count] = &publications[count];
    }
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
    message.command_reply = (sb_command_reply_t){.command_id = {"c", 1},
                                                 .records = &record,
                                                 .record_count = 1,
                                                 .publications = list,
                                                 .publication_count = count,
                                                 .next_cursor = sb_text (cursor),
                                                 .sequence = last,
                                                 .stream_id = 5,
                                                 .epoch = 1};
    seed_broker_message (seed, MESSAGE, 1, &message);
}

/* Joined, a snapshot taken, publications come, one is lost. */
static void s_begin_copy (seed_t *seed, uint8_t options)
{
    seed_octet (seed, (uint8_t)(1 | options));
    s_answer_join (seed, 2);
    s_time (seed, AGENT_TIME, 0);
    s_chunk (seed, 2, 0);
    s_end (seed, SB_REASON_NONE, 1, 0, 2);
    s_publish (seed, 1, 1);
    s_publish (seed, 2, 1);
    s_publish (seed, 3, 1);
    s_publish (seed, 6, 1);
}

static void s_recoveries (seed_t *seed)
{
    for (uint8_t options = 0; options < 128; options += 16) {
        s_begin_copy (seed, options);
        s_beat_heads (seed, 9);
        s_history (seed, 4, 5, false, "more");
        s_history (seed, 6, 6, false, NULL);
        seed_record (seed, HANDLER, 1);
        seed_save (seed, "agent_step", "gap_filled_from_history");
        s_begin_copy (seed, options);
        s_beat_heads (seed, 9);
        s_history (seed, 5, 5, true, NULL);
        s_time (seed, AGENT_TIME, 1);
        s_chunk (seed, 9, 2);
        s_publish (seed, 10, 1);
        s_end (seed, SB_REASON_NONE, 1, 2, 9);
        s_time (seed, AGENT_TIME, 12);
        seed_save (seed, "agent_step", "gap_filled_by_snapshot");
        s_begin_copy (seed, options);
        s_chunk (seed, 9, 2);
        s_end (seed, SB_REASON_STORE_FULL, 1, 2, 9);
        seed_record (seed, LINK, 2); /* the SUB's connection is lost */
        s_time (seed, AGENT_TIME, 3);
        s_answer_join (seed, 20);
        s_time (seed, AGENT_TIME, 3);
        seed_save (seed, "agent_step", "snapshot_given_up_and_joined_again");
        s_begin_copy (seed, options);
        s_delta (seed, UPDATE, 0, 1, "market_data");
        seed_record (seed, HANDLER, 2); /* about to leave */
        s_time (seed, AGENT_TIME, 1);
        seed_save (seed, "agent_step", "closes");
    }
}

static void s_agent_step (seed_t *seed)
{
    static const sb_reason_t reasons[] = {SB_REASON_PAUSED,       SB_REASON_BREAKER_OPEN,    SB_REASON_REGISTER_AGAIN,
                                          SB_REASON_SEQUENCE_GAP, SB_REASON_REPLACE_PENDING, SB_REASON_STORE_FULL,
                                          SB_REASON_NO_VALUE,     SB_REASON_SUPERSEDED,      SB_REASON_BROKER_STOPPING};
    seed_octet (seed, 1);
    s_delta (seed, UPDATE, 0, 1, "market_data");
    s_delta (seed, UPDATE, 0, 1, "trades");
    s_time (seed, AGENT_TIME, 3);
    s_level (seed, false, false, 0);
    seed_save (seed, "agent_step", "updates");
    seed_octet (seed, 1);
    for (uint64_t sequence = 1; sequence < 6; sequence++)
        s_publish (seed, sequence == 4 ? 9 : sequence, 1);
    seed_record (seed, HANDLER, 1);
    seed_record_octets (seed, PUBLICATION, 0, "noise", 5);
    seed_save (seed, "agent_step", "publications_with_a_gap");
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        seed_octet (seed, 1);
        s_delta (seed, UPDATE, 0, 1, "market_data");
        s_refuse (seed, reasons[i], i & 1 ? 2 : 0);
        s_level (seed, i & 1, i & 2, i & 4 ? 300 : 0);
        s_delta (seed, UPDATE, 0, 1, NULL);
        s_time (seed, AGENT_TIME, 12);
        seed_record (seed, LINK, 1);
        seed_record (seed, WELCOME, 0);
        seed_save (seed, "agent_step", "refused");
    }
    static const char *const commands[] = {"pause", "resume", "restart", "emergency_stop", "emergency_clear", "own"};
    seed_octet (seed, 1);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        s_tell (seed, commands[i]);
    seed_record (seed, HANDLER, 0);
    s_request (seed, COMMAND, 0, 0, "", false, false);
    seed_record_octets (seed, COMMAND, 1, "", 0);
    seed_save (seed, "agent_step", "commands");
    seed_octet (seed, 8);
    seed_record (seed, LINK, 1);
    seed_record (seed, WELCOME, 0);
    s_delta (seed, UPDATE, 0, 1, "market_data");
    seed_record (seed, LINK, 0);
    s_time (seed, AGENT_TIME, 1);
    seed_save (seed, "agent_step", "leaves");
}

void seeds_play (seed_t *seed)
{
    s_core_step (seed);
    s_agent_step (seed);
    s_recoveries (seed);
    for (size_t command = 0; command < sizeof s_commands / sizeof *s_commands; command++)
        s_command (seed, command);
}

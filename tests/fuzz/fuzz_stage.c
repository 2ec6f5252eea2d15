/* SPDX-License-Identifier: MPL-2.0
 *
 * See fuzz_stage.h.
 */
#include "fuzz_stage.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_control_text.h"
#include "sb_names.h"

#define MS       UINT64_C (1000000)
#define EPOCH_NS INT64_C (1700000000000000000)

enum { ARENA_BYTES = 16 << 20, MESSAGE_MAX = 256 * 1024, TICKS_MAX = 100000 };

static const char s_good_id[] = "good", s_good_category[] = "market_data", s_good_topic[] = "market_data.good.s";

/* ------------------------------------------------------------------ memory */

static void *s_allocate (void *context, size_t size)
{
    fuzz_stage_t *self = context;
    void *memory = aligned_alloc (16, (size + 15) & ~(size_t)15);
    FUZZ_CLAIM (memory);
    self->allocated += size;
    return memory;
}

static void s_release (void *context, void *memory, size_t size)
{
    fuzz_stage_t *self = context;
    self->allocated -= size;
    free (memory);
}

/* ------------------------------------------------------------------ effects */

static uint8_t *s_write (const sb_encoding_t *encoding, size_t size)
{
    FUZZ_CLAIM (size > 0);
    uint8_t *octets = malloc (size);
    FUZZ_CLAIM (octets);
    sb_encoding_write (encoding, octets);
    return octets;
}

/* What the good agent hears. */
static void s_tell_good (fuzz_stage_t *self, const sb_broker_message_t *message)
{
    switch (message->kind) {
    case SB_BROKER_MESSAGE_ACK:
        self->good_decided = message->ack.decided_through;
        self->good_refused += message->ack.refused_count;
        break;
    case SB_BROKER_MESSAGE_REFUSAL:
        self->good_refused++;
        break;
    case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
        self->good_latch = message->heartbeat_ack.latch;
        self->is_good_paused = message->heartbeat_ack.operator_state.paused;
        break;
    case SB_BROKER_MESSAGE_COMMAND:
        if (sb_text_equal (message->command.command, sb_text ("pause")))
            self->is_good_paused = true;
        break;
    case SB_BROKER_MESSAGE_GOODBYE:
        self->is_good_over = true;
        break;
    case SB_BROKER_MESSAGE_SNAPSHOT_CHUNK:
    case SB_BROKER_MESSAGE_SNAPSHOT_END:
        fuzz_snapshot_heard (self, message);
        break;
    default:
        break;
    }
}

static void s_perform_send (fuzz_stage_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    sb_encoding_t *encoding;
    sb_broker_message_t read;
    size_t size = sb_encode_broker_message (self->work, message, &encoding);
    uint8_t *octets = s_write (encoding, size);
    sb_fault_t fault = sb_decode_broker_message (self->work, octets, size, ARENA_BYTES, &read);
    FUZZ_CLAIM (fault.reason == SB_REASON_NONE && read.kind == message->kind);
    free (octets);
    bool is_part = read.kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK || read.kind == SB_BROKER_MESSAGE_SNAPSHOT_END;
    if (is_part && self->refuses_chunks) {
        FUZZ_CLAIM (self->refused_peer == 0); /* one slice of one snapshot a step */
        self->refused_peer = peer;
        return;
    }
    if (peer == FUZZ_GOOD_PEER) {
        s_tell_good (self, &read);
    } else if (read.kind == SB_BROKER_MESSAGE_COMMAND && peer >= 1 && peer <= FUZZ_PEERS) {
        FUZZ_CLAIM (read.command.command_id.size < FUZZ_ID_OCTETS);
        snprintf (self->told_id[peer - 1], FUZZ_ID_OCTETS, "%s", read.command.command_id.data);
    }
}

/* What subscribers and operators are shown is text that they can read. */
static void s_check_value (const sb_value_t *value)
{
    if (value->kind == SB_VALUE_TEXT)
        FUZZ_CLAIM (sb_text_is_utf8 (value->text));
    if (value->kind == SB_VALUE_NUMBER)
        FUZZ_CLAIM (isfinite (value->number));
}

static void s_check_updates (const sb_update_t *updates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < updates[i].change_count; j++) {
            FUZZ_CLAIM (sb_name_is_field (updates[i].changes[j].name));
            s_check_value (&updates[i].changes[j].value);
        }
    }
}

static void s_check_reply (const sb_command_reply_t *reply)
{
    for (uint32_t i = 0; i < reply->record_count; i++) {
        for (uint32_t j = 0; j < reply->records[i].column_count; j++)
            s_check_value (&reply->records[i].columns[j].value);
    }
    for (uint32_t i = 0; i < reply->field_count; i++)
        s_check_value (&reply->fields[i].value);
}

/* A conflated publication tells of the topic as it is. */
static void s_check_conflated (const fuzz_stage_t *self, const sb_publication_t *publication, sb_text_t topic)
{
    sb_text_t category, agent_id, subject;
    FUZZ_CLAIM (sb_topic_split (topic, &category, &agent_id, &subject));
    FUZZ_CLAIM (category.data[0] == '_' || publication->sequence); /* the broker's levels are not numbered */
    FUZZ_CLAIM (publication->sequence <= self->sequence);
    FUZZ_CLAIM ((publication->conflated_sequence != 0) == (publication->sequence != 0));
    FUZZ_CLAIM (publication->first_topic_sequence <= publication->topic_sequence);
    if (sb_text_equal (topic, sb_text (s_good_topic)))
        FUZZ_CLAIM (publication->topic_sequence == self->topic_sequence);
}

static void s_perform_publish (fuzz_stage_t *self, const sb_publication_t *publication)
{
    sb_encoding_t *encoding;
    sb_publication_t read;
    sb_text_t category, agent_id, subject;
    size_t size = sb_encode_publication (self->work, publication, &encoding);
    uint8_t *octets = s_write (encoding, size);
    FUZZ_CLAIM (sb_decode_publication (self->work, octets, size, ARENA_BYTES, &read).reason == SB_REASON_NONE);
    free (octets);
    uint32_t interval_ms;
    s_check_updates (read.updates, read.update_count);
    FUZZ_CLAIM ((read.agent_sequence != 0) == (read.sequence != 0));
    FUZZ_CLAIM (read.agent_sequence <= read.category_sequence);
    if (sb_conflated_split (read.topic, &interval_ms, &subject)) {
        s_check_conflated (self, &read, subject);
        return;
    }
    FUZZ_CLAIM (read.conflated_sequence == 0);
    FUZZ_CLAIM (sb_topic_split (read.topic, &category, &agent_id, &subject));
    if (read.sequence != 0) {
        FUZZ_CLAIM (self->sequence == 0 || read.sequence == self->sequence + 1);
        self->sequence = read.sequence;
        if (sb_text_equal (category, sb_text (s_good_category)))
            FUZZ_CLAIM (read.category_sequence == ++self->category_sequence);
    }
    if (!sb_text_equal (read.topic, sb_text (s_good_topic)))
        return;
    FUZZ_CLAIM (read.topic_sequence == ++self->topic_sequence);
    for (uint32_t i = 0; i < read.update_count; i++)
        self->good_published = read.updates[i].sequence;
}

static void s_perform_reply (fuzz_stage_t *self, uint64_t token, const sb_command_reply_t *reply)
{
    sb_encoding_t *encoding;
    sb_command_reply_t read;
    size_t size = sb_encode_command_reply (self->work, reply, &encoding);
    uint8_t *octets = s_write (encoding, size);
    FUZZ_CLAIM (sb_decode_command_reply (self->work, octets, size, ARENA_BYTES, &read).reason == SB_REASON_NONE);
    free (octets);
    FUZZ_CLAIM (token < self->next_token && self->is_open[token]);
    s_check_reply (&read);
    self->is_open[token] = false;
    self->reply_code = read.code;
    if (read.next_cursor.size > 0 && read.next_cursor.size < sizeof self->next_cursor)
        memcpy (self->next_cursor, read.next_cursor.data, read.next_cursor.size + 1);
}

static void s_perform_store (fuzz_stage_t *self, const sb_control_state_t *state)
{
    size_t size;
    uint64_t epoch;
    sb_control_state_t read;
    sb_operator_record_t *operators;
    char *text = sb_control_text_write (state, 1, &size);
    FUZZ_CLAIM (text);
    FUZZ_CLAIM (!sb_control_text_read (text, size, &read, &epoch, &operators));
    FUZZ_CLAIM (read.operator_count == state->operator_count && read.stopped == state->stopped);
    free (operators);
    free (text);
    self->is_stored = true;
}

static void s_perform (fuzz_stage_t *self, const sb_effect_t *effect)
{
    sb_arena_reset (self->work);
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        s_perform_store (self, effect->store);
        break;
    case SB_EFFECT_SEND:
        s_perform_send (self, effect->send.peer, effect->send.message);
        break;
    case SB_EFFECT_PUBLISH:
        s_perform_publish (self, effect->publish);
        break;
    case SB_EFFECT_REPLY:
        s_perform_reply (self, effect->reply.token, effect->reply.reply);
        break;
    case SB_EFFECT_AUDIT:
        FUZZ_CLAIM (sb_text_is_utf8 (effect->audit->command) && sb_text_is_utf8 (effect->audit->reason) &&
                    sb_text_is_utf8 (effect->audit->issuer) && sb_text_is_utf8 (effect->audit->result) &&
                    sb_text_is_utf8 (effect->audit->before) && sb_text_is_utf8 (effect->audit->after) &&
                    sb_text_is_utf8 (effect->audit->command_id) && sb_text_is_utf8 (effect->audit->agent_id));
        break;
    case SB_EFFECT_LOG:
        FUZZ_CLAIM (sb_text_is_utf8 (effect->log->event) && sb_text_is_utf8 (effect->log->agent_id) &&
                    sb_text_is_utf8 (effect->log->text));
        break;
    }
}

/* ------------------------------------------------------------------ events */

static void s_step_once (fuzz_stage_t *self, sb_event_t *event)
{
    sb_effects_t effects;
    event->monotonic_ns = self->now_ns;
    event->unix_ns = EPOCH_NS + (int64_t)self->now_ns;
    sb_core_step (self->core, event, &effects);
    for (uint32_t i = 0; i < effects.count; i++)
        s_perform (self, &effects.items[i]);
}

void fuzz_stage_step (fuzz_stage_t *self, sb_event_t *event)
{
    s_step_once (self, event);
    while (self->is_stored || self->refused_peer) {
        sb_event_t refused = {.kind = SB_EVENT_CHUNK_REFUSED, .chunk_refused = {self->refused_peer}};
        self->refused_peer = 0;
        if (!self->is_stored) {
            s_step_once (self, &refused);
            continue;
        }
        sb_event_t stored = {.kind = SB_EVENT_STORED};
        stored.stored.durable = !self->store_fails;
        self->is_stored = false;
        s_step_once (self, &stored);
    }
}

void fuzz_stage_flush (fuzz_stage_t *self)
{
    sb_event_t event = {.kind = SB_EVENT_FLUSH};
    fuzz_stage_step (self, &event);
}

static void s_message (fuzz_stage_t *self, uint64_t peer, const sb_agent_message_t *message, size_t size)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = (uint32_t)size;
    fuzz_stage_step (self, &event);
}

static void s_beat (fuzz_stage_t *self)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT, .heartbeat = {.progress = self->now_ns}};
    s_message (self, FUZZ_GOOD_PEER, &message, 20);
    self->beat_at_ns = self->now_ns + 1000 * MS;
}

void fuzz_stage_tick (fuzz_stage_t *self)
{
    uint64_t deadline_ns = sb_core_deadline (self->core);
    if (deadline_ns > self->now_ns)
        self->now_ns = deadline_ns;
    if (self->now_ns >= self->beat_at_ns)
        s_beat (self);
    sb_event_t event = {.kind = SB_EVENT_TICK};
    fuzz_stage_step (self, &event);
}

void fuzz_stage_advance (fuzz_stage_t *self, uint64_t duration_ns)
{
    uint64_t left_ns = 120 * 1000 * MS - self->played_ns;
    if (duration_ns > left_ns)
        duration_ns = left_ns;
    self->played_ns += duration_ns;
    uint64_t end_ns = self->now_ns + duration_ns;
    uint32_t ticks_now = 0;
    for (;;) {
        uint64_t deadline_ns = sb_core_deadline (self->core);
        bool beats = self->beat_at_ns <= deadline_ns && self->beat_at_ns > self->now_ns;
        uint64_t next_ns = beats ? self->beat_at_ns : deadline_ns;
        if (next_ns > end_ns)
            break;
        ticks_now = next_ns > self->now_ns ? 0 : ticks_now + 1;
        FUZZ_CLAIM (ticks_now < TICKS_MAX); /* else the core wants ticks for ever */
        if (next_ns > self->now_ns)
            self->now_ns = next_ns;
        if (beats) {
            s_beat (self);
        } else {
            sb_event_t event = {.kind = SB_EVENT_TICK};
            fuzz_stage_step (self, &event);
        }
    }
    self->now_ns = end_ns;
    fuzz_stage_flush (self);
}

void fuzz_stage_frame (fuzz_stage_t *self, uint32_t peer, const uint8_t *data, size_t size, bool answers)
{
    sb_agent_message_t message;
    sb_arena_reset (self->input);
    sb_fault_t fault = sb_decode_agent_message (self->input, data, size, MESSAGE_MAX, &message);
    if (fault.reason != SB_REASON_NONE) {
        sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
        event.bad_message.peer = peer + 1;
        event.bad_message.reason = fault.reason;
        event.bad_message.text = fault.text;
        event.bad_message.size = (uint32_t)size;
        fuzz_stage_step (self, &event);
        return;
    }
    if (message.kind == SB_AGENT_MESSAGE_REGISTRATION &&
        sb_text_equal (message.registration.agent_id, sb_text (s_good_id)))
        return;
    if (answers && message.kind == SB_AGENT_MESSAGE_COMMAND_RESULT)
        message.command_result.command_id = sb_text (self->told_id[peer]);
    s_message (self, peer + 1, &message, size);
}

uint64_t fuzz_stage_request (fuzz_stage_t *self, const sb_command_request_t *request)
{
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    FUZZ_CLAIM (self->next_token < FUZZ_TOKENS_MAX);
    event.command.token = self->next_token++;
    event.command.request = request;
    self->is_open[event.command.token] = true;
    fuzz_stage_step (self, &event);
    return event.command.token;
}

sb_reason_t fuzz_stage_operate (fuzz_stage_t *self, const char *command, const char *agent_id, const char *name,
                                const sb_value_t *value)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "operator-%" PRIu64, self->next_token);
    sb_parameter_t parameter = {.name = sb_text (name)};
    if (name)
        parameter.value = *value;
    sb_command_request_t request = {.command_id = sb_text (command_id),
                                    .command = sb_text (command),
                                    .agent_id = sb_text (agent_id),
                                    .parameters = &parameter,
                                    .parameter_count = name != NULL,
                                    .reason = sb_text ("a fuzzer's input is over"),
                                    .issuer = sb_text ("operator"),
                                    .timeout_ms = 1000,
                                    .protocol = SB_PROTOCOL};
    uint64_t token = fuzz_stage_request (self, &request);
    FUZZ_CLAIM (!self->is_open[token]);
    return self->reply_code;
}

/* ------------------------------------------------------------------ the good agent */

/* The next delta of the good agent. */
static void s_good_delta (fuzz_stage_t *self)
{
    sb_change_t change = {.name = sb_text ("x"), .value = {.kind = SB_VALUE_INTEGER}};
    sb_delta_t delta = {.category = sb_text (s_good_category), .subject = sb_text ("s")};
    change.value.integer = (int64_t)++self->good_sequence;
    delta.update = (sb_update_t){.sequence = self->good_sequence, .changes = &change, .change_count = 1};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    s_message (self, FUZZ_GOOD_PEER, &message, 40);
    fuzz_stage_flush (self);
}

void fuzz_stage_good_works (fuzz_stage_t *self)
{
    FUZZ_CLAIM (!self->is_good_over);
    if (self->is_good_paused) {
        FUZZ_CLAIM (fuzz_stage_operate (self, "resume_agent", s_good_id, NULL, NULL) == SB_REASON_NONE);
        self->is_good_paused = false;
    }
    uint32_t refused = self->good_refused;
    s_good_delta (self);
    FUZZ_CLAIM (self->good_refused == refused && self->good_decided == self->good_sequence);
    FUZZ_CLAIM (self->good_published == self->good_sequence);
    FUZZ_CLAIM (fuzz_stage_operate (self, "status", NULL, NULL, NULL) == SB_REASON_NONE);
}

void fuzz_stage_good_recovers (fuzz_stage_t *self)
{
    self->store_fails = false;
    s_beat (self); /* its ack names the latch */
    if (sb_core_is_stopped (self->core)) {
        FUZZ_CLAIM (self->good_latch.stopped);
        sb_value_t latch_epoch = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)self->good_latch.latch_epoch};
        FUZZ_CLAIM (fuzz_stage_operate (self, "emergency_clear", NULL, "latch_epoch", &latch_epoch) == SB_REASON_NONE);
    }
    fuzz_stage_operate (self, "release_agent", s_good_id, NULL, NULL); /* refused when it is not isolated */
    FUZZ_CLAIM (fuzz_stage_operate (self, "resume_agent", s_good_id, NULL, NULL) == SB_REASON_NONE);
    FUZZ_CLAIM (fuzz_stage_operate (self, "restart_agent", s_good_id, NULL, NULL) == SB_REASON_NONE);
    self->is_good_paused = false;
    fuzz_stage_good_works (self);
}

/* ------------------------------------------------------------------ beginning and end */

/* So small that inputs of a few kilobytes reach each of them; the good agent's own share fits. */
static sb_core_config_t s_config (void)
{
    static const sb_history_bound_t bounds[] = {{.category = {"market_data", 11}, .updates = 4}};
    sb_core_config_t config;
    sb_core_config_default (&config);
    config.max_agents = 4;
    config.max_fields = 48;
    config.max_fields_agent_category = 12;
    config.max_topics = 16;
    config.max_categories = 8;
    config.max_value_bytes = 1 << 20;
    config.max_unacked = 8;
    config.max_changes = 16;
    config.max_interests = 4;
    config.max_replies = 4;
    config.max_pending_commands = 3;
    config.reply_memory_ms = 30000;
    config.forget_after_ms = 60000;
    config.history_updates = 8;
    config.history_bytes = 4096;
    config.history_bounds = bounds;
    config.history_bound_count = 1;
    config.version = sb_text ("fuzz");
    config.publish_endpoint = sb_text ("tcp://*:5571");
    return config;
}

fuzz_stage_t *fuzz_stage_new (const sb_control_state_t *control)
{
    fuzz_stage_t *self = calloc (1, sizeof *self);
    FUZZ_CLAIM (self);
    self->input = sb_arena_new (ARENA_BYTES);
    self->work = sb_arena_new (2 * ARENA_BYTES);
    FUZZ_CLAIM (self->input && self->work);
    self->now_ns = 1000 * 1000 * MS;
    self->next_token = 1;
    sb_core_config_t config = s_config ();
    sb_core_identity_t identity = {.stream_id = 77, .epoch = 3, .hash_seed = 12345, .session_seed = 500};
    sb_allocator_t allocator = {s_allocate, s_release, self};
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, EPOCH_NS + (int64_t)self->now_ns);
    FUZZ_CLAIM (self->core);
    if (control) {
        sb_event_t event = {.kind = SB_EVENT_RESTORE, .restore = control};
        fuzz_stage_step (self, &event);
        return self;
    }
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){
        .protocol = SB_PROTOCOL, .agent_id = sb_text (s_good_id), .instance_id = 1, .next_sequence = 1};
    s_message (self, FUZZ_GOOD_PEER, &message, 30);
    s_beat (self);
    fuzz_stage_good_works (self);
    return self;
}

void fuzz_stage_destroy (fuzz_stage_t **self_p)
{
    fuzz_stage_t *self = *self_p;
    sb_event_t event = {.kind = SB_EVENT_SHUTDOWN};
    fuzz_stage_step (self, &event);
    for (uint64_t token = 1; token < self->next_token; token++)
        FUZZ_CLAIM (!self->is_open[token]);
    FUZZ_CLAIM (sb_core_memory_bytes (self->core) == self->allocated);
    sb_core_destroy (&self->core);
    FUZZ_CLAIM (self->allocated == 0);
    sb_arena_destroy (&self->input);
    sb_arena_destroy (&self->work);
    free (self);
    *self_p = NULL;
}

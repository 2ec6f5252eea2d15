/* SPDX-License-Identifier: MPL-2.0
 *
 * The client's step against a hostile broker. An input is one octet of options and a list of records (fuzz.h):
 *   0 MESSAGE      octets of a BrokerMessage; how & 1: stream and epoch are made those of the session
 *   1 PUBLICATION  octets of a frame; how & 1: stream, epoch and sequence follow the last
 *   2 TIME         16 bits of 10 ms pass
 *   3 LINK         how & 1: up, when one was asked for; else down
 *   4 UPDATE       octets of an AgentMessage, whose deltas the application makes, if they are valid
 *   5 HANDLER      how & 1: a handler finishes a publication; else a command, when one waits
 *   6 COMMAND      octets of a CommandRequest that the application issues; how & 1: it cancels the last instead
 *   7 WELCOME      an honest Welcome
 * Options: 1 begins within a session, 2 without an update handler, 4 without a command handler, 8 the application
 * leaves at the end.
 *
 * What is claimed: what the step sends is read without a fault by a broker, within the limit of size; each request is
 * answered at most once; and afterwards, unless it has finished, an honest broker brings it back to ACTIVE, where its
 * updates are taken and decided.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_check.h"
#include "agent_step.h"
#include "sb_codec.h"
#include "sb_names.h"

#define MS       UINT64_C (1000000)
#define EPOCH_NS INT64_C (1700000000000000000)

enum { ARENA_BYTES = 16 << 20, MESSAGE_MAX = 1 << 20, RECORDS_MAX = 300, REQUESTS_MAX = 1024, ID_OCTETS = 72 };
enum { TICKS_MAX = 100000, ROUNDS_MAX = 1000, COMMANDS_MAX = 128 };

typedef enum { MESSAGE, PUBLICATION, TIME, LINK, UPDATE, HANDLER, COMMAND, WELCOME } s_record_t;

/* A step, and what the world around it knows. */
typedef struct {
    sb_agent_step_t *step;
    sb_arena_t *input; /* what is being decoded */
    sb_arena_t *work;  /* what is being encoded, and decoded again */
    uint64_t now_ns;
    uint64_t played_ns;
    uint64_t stream_id, epoch; /* of the session's broker */
    uint64_t published;        /* global head of the last publication made to follow */
    bool wants_link;           /* it asked for a connection */
    bool has_link;
    bool is_honest;                         /* the broker acks what comes */
    uint64_t next;                          /* of the last Registration: the number it will send next */
    uint64_t decided;                       /* what the honest broker has decided */
    bool has_registered;                    /* since the link came up */
    bool must_ack;                          /* the honest broker owes an Ack */
    uint32_t undelivered;                   /* publications that a handler has */
    char commands[COMMANDS_MAX][ID_OCTETS]; /* ids that a handler has */
    uint32_t command_count;
    bool is_open[REQUESTS_MAX]; /* by token: no reply yet */
    uint64_t next_token;
} s_stage_t;

static void s_step (s_stage_t *self, sb_agent_event_t *event);

/* ------------------------------------------------------------------ effects */

static void s_check_batch (const sb_batch_t *batch)
{
    for (uint32_t i = 0; i < batch->delta_count; i++) {
        FUZZ_CLAIM (batch->deltas[i].fault == SB_REASON_NONE);
        FUZZ_CLAIM (batch->deltas[i].update.sequence == batch->deltas[0].update.sequence + i);
    }
}

/* An honest broker: decides all that comes, in order. */
static void s_decide (s_stage_t *self, uint64_t sequence)
{
    if (!self->is_honest)
        return;
    FUZZ_CLAIM (sequence <= self->decided + 1);
    if (sequence > self->decided)
        self->decided = sequence;
    self->must_ack = true;
}

static void s_hear (s_stage_t *self, const sb_agent_message_t *message)
{
    switch (message->kind) {
    case SB_AGENT_MESSAGE_REGISTRATION:
        FUZZ_CLAIM (!self->has_registered);
        self->has_registered = true;
        self->next = message->registration.next_sequence;
        break;
    case SB_AGENT_MESSAGE_BATCH:
        s_check_batch (&message->batch);
        for (uint32_t i = 0; i < message->batch.delta_count; i++)
            s_decide (self, message->batch.deltas[i].update.sequence);
        break;
    case SB_AGENT_MESSAGE_REPLACE_CHUNK:
        for (uint32_t i = 0; i < message->replace_chunk.topic_count; i++)
            FUZZ_CLAIM (message->replace_chunk.topics[i].fault == SB_REASON_NONE);
        break;
    case SB_AGENT_MESSAGE_REPLACE_END:
        s_decide (self, message->replace_end.sequence);
        break;
    default:
        break;
    }
    FUZZ_CLAIM (self->has_registered);
}

static void s_send (s_stage_t *self, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    sb_agent_message_t read;
    sb_arena_reset (self->work);
    size_t size = sb_encode_agent_message (self->work, message, &encoding);
    FUZZ_CLAIM (size > 0);
    uint8_t *octets = malloc (size);
    FUZZ_CLAIM (octets);
    sb_encoding_write (encoding, octets);
    sb_fault_t fault = sb_decode_agent_message (self->work, octets, size, ARENA_BYTES, &read);
    FUZZ_CLAIM (fault.reason == SB_REASON_NONE && read.kind == message->kind);
    FUZZ_CLAIM (self->has_link);
    s_hear (self, &read);
    free (octets);
}

static void s_perform (s_stage_t *self, const sb_agent_effect_t *effect)
{
    switch (effect->kind) {
    case SB_AGENT_EFFECT_CONNECT:
    case SB_AGENT_EFFECT_DISCONNECT:
        self->wants_link = effect->kind == SB_AGENT_EFFECT_CONNECT;
        self->has_link = false;
        self->has_registered = false;
        break;
    case SB_AGENT_EFFECT_SUBSCRIBE:
        FUZZ_CLAIM (sb_text_is_utf8 (sb_text (effect->subscribe_endpoint)));
        break;
    case SB_AGENT_EFFECT_SEND:
        s_send (self, effect->send);
        break;
    case SB_AGENT_EFFECT_DELIVER:
    case SB_AGENT_EFFECT_REMEMBER:
        FUZZ_CLAIM (sb_text_is_utf8 (effect->publication->topic));
        self->undelivered += effect->kind == SB_AGENT_EFFECT_DELIVER;
        break;
    case SB_AGENT_EFFECT_COMMAND:
        FUZZ_CLAIM (sb_text_is_utf8 (effect->command.command->command));
        if (effect->command.is_open && self->command_count < COMMANDS_MAX)
            snprintf (self->commands[self->command_count++], ID_OCTETS, "%.*s",
                      (int)effect->command.command->command_id.size, effect->command.command->command_id.data);
        break;
    case SB_AGENT_EFFECT_REPLY:
        FUZZ_CLAIM (effect->reply.token < self->next_token && self->is_open[effect->reply.token]);
        FUZZ_CLAIM (sb_text_is_utf8 (effect->reply.message));
        self->is_open[effect->reply.token] = false;
        break;
    case SB_AGENT_EFFECT_REFUSED:
        FUZZ_CLAIM (sb_text_is_utf8 (effect->refused.text) && sb_text_is_utf8 (effect->refused.field));
        break;
    case SB_AGENT_EFFECT_GAP:
        FUZZ_CLAIM (effect->gap.first <= effect->gap.last && sb_text_is_utf8 (effect->gap.topic));
        break;
    case SB_AGENT_EFFECT_LOG:
        FUZZ_CLAIM (effect->log.text[0] && sb_text_is_utf8 (effect->log.detail));
        break;
    default:
        break;
    }
}

static void s_step_once (s_stage_t *self, sb_agent_event_t *event, sb_agent_effects_t *effects)
{
    event->monotonic_ns = self->now_ns;
    event->unix_ns = EPOCH_NS + (int64_t)self->now_ns;
    sb_agent_step (self->step, event, effects);
    if (event->kind >= SB_AGENT_EVENT_UPDATE)
        return;
    for (uint32_t i = 0; i < effects->count; i++)
        s_perform (self, &effects->items[i]);
}

static void s_ack (s_stage_t *self)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {.decided_through = self->decided}};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

static void s_step (s_stage_t *self, sb_agent_event_t *event)
{
    sb_agent_effects_t effects;
    s_step_once (self, event, &effects);
    if (self->must_ack) {
        self->must_ack = false;
        s_ack (self);
    }
}

static void s_simple (s_stage_t *self, sb_agent_event_kind_t kind)
{
    sb_agent_event_t event = {.kind = kind};
    s_step (self, &event);
}

/* ------------------------------------------------------------------ time and link */

static void s_tick_at (s_stage_t *self, uint64_t now_ns)
{
    if (now_ns > self->now_ns)
        self->now_ns = now_ns;
    s_simple (self, SB_AGENT_EVENT_TICK);
}

static void s_advance (s_stage_t *self, uint64_t duration_ns)
{
    uint64_t left_ns = 120 * 1000 * MS - self->played_ns;
    duration_ns = duration_ns < left_ns ? duration_ns : left_ns;
    self->played_ns += duration_ns;
    uint64_t end_ns = self->now_ns + duration_ns;
    uint32_t ticks_now = 0;
    uint64_t deadline_ns;
    while ((deadline_ns = sb_agent_step_deadline (self->step)) <= end_ns) {
        ticks_now = deadline_ns > self->now_ns ? 0 : ticks_now + 1;
        FUZZ_CLAIM (ticks_now < TICKS_MAX); /* else the step wants ticks for ever */
        s_tick_at (self, deadline_ns);
    }
    self->now_ns = end_ns;
}

static void s_link (s_stage_t *self, bool up)
{
    if (up && !self->wants_link)
        return;
    self->has_link = up;
    self->wants_link = false;
    s_simple (self, up ? SB_AGENT_EVENT_LINK_UP : SB_AGENT_EVENT_LINK_DOWN);
}

static void s_welcome (s_stage_t *self)
{
    self->decided = self->next - 1;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME};
    message.welcome = (sb_welcome_t){.session_id = self->epoch,
                                     .stream_id = self->stream_id,
                                     .epoch = self->epoch,
                                     .decided_through = self->decided,
                                     .publish_endpoint = sb_text ("tcp://*:5571"),
                                     .heartbeat_interval_ms = 1000,
                                     .limits = {256 * 1024, 64, SB_CHANGES_MAX, 4096},
                                     .operator_state = {.revision = SB_NUMBER_MAX},
                                     .latch = {.latch_epoch = SB_NUMBER_MAX},
                                     .broker_unix_ns = EPOCH_NS + (int64_t)self->now_ns,
                                     .control_timeout_ms = 10000};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

/* ------------------------------------------------------------------ records */

static void s_play_message (s_stage_t *self, const uint8_t *octets, size_t size, bool fits)
{
    sb_broker_message_t message;
    sb_arena_reset (self->input);
    if (!self->has_link || sb_decode_broker_message (self->input, octets, size, MESSAGE_MAX, &message).reason)
        return;
    if (fits && message.kind == SB_BROKER_MESSAGE_WELCOME) {
        message.welcome.stream_id = self->stream_id;
        message.welcome.epoch = self->epoch;
        message.welcome.decided_through = self->next - 1;
    }
    if (fits && message.kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK) {
        message.heartbeat_ack.stream_id = self->stream_id;
        message.heartbeat_ack.epoch = self->epoch;
    }
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

static void s_play_publication (s_stage_t *self, const uint8_t *octets, size_t size, bool fits)
{
    sb_publication_t publication = {0};
    sb_arena_reset (self->input);
    sb_fault_t fault = sb_decode_publication (self->input, octets, size, MESSAGE_MAX, &publication);
    if (fits && publication.sequence != 0) {
        publication.stream_id = self->stream_id;
        publication.epoch = self->epoch;
        publication.sequence = ++self->published;
    }
    sb_agent_event_t event = {.kind = fault.reason ? SB_AGENT_EVENT_LOST : SB_AGENT_EVENT_PUBLICATION,
                              .publication = &publication};
    s_step (self, &event);
}

static void s_play_update (s_stage_t *self, const uint8_t *octets, size_t size)
{
    sb_agent_message_t message;
    sb_arena_reset (self->input);
    if (sb_decode_agent_message (self->input, octets, size, MESSAGE_MAX, &message).reason ||
        message.kind != SB_AGENT_MESSAGE_BATCH)
        return;
    for (uint32_t i = 0; i < message.batch.delta_count; i++) {
        if (message.batch.deltas[i].fault || sb_agent_check (&message.batch.deltas[i]) != SB_REASON_NONE)
            return;
    }
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE};
    event.update.deltas = message.batch.deltas;
    event.update.delta_count = message.batch.delta_count;
    s_step (self, &event);
    s_simple (self, SB_AGENT_EVENT_WAKE);
}

static void s_play_handler (s_stage_t *self, bool is_publication)
{
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .handled = {.processing_ns = 5, .delivery_ns = 9}};
    sb_command_result_t result = {.message = sb_text ("done")};
    if (is_publication ? self->undelivered == 0 : self->command_count == 0)
        return;
    if (is_publication) {
        self->undelivered--;
    } else {
        result.command_id = sb_text (self->commands[--self->command_count]);
        event.kind = SB_AGENT_EVENT_ANSWER;
        event.answer = &result;
    }
    s_step (self, &event);
    s_simple (self, SB_AGENT_EVENT_WAKE);
}

/* What the library lets an application ask for. */
static bool s_may_request (const sb_command_request_t *request)
{
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (!sb_name_is_field (request->parameters[i].name) || request->parameters[i].value.kind == SB_VALUE_NONE)
            return false;
    }
    return sb_name_is_command_id (request->command) && request->reason.size <= 256 &&
           (request->agent_id.size == 0 || sb_name_is_agent_id (request->agent_id)) && request->timeout_ms >= 1 &&
           request->timeout_ms <= 600000;
}

static void s_play_command (s_stage_t *self, const uint8_t *octets, size_t size, bool cancels)
{
    sb_command_request_t request;
    sb_agent_effects_t answer;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_REQUEST};
    sb_arena_reset (self->input);
    if (cancels) {
        if (self->next_token == 1)
            return;
        event.kind = SB_AGENT_EVENT_CANCEL;
        event.cancel_token = self->next_token - 1;
        self->is_open[event.cancel_token] = false;
        s_step_once (self, &event, &answer);
        return;
    }
    if (sb_decode_command_request (self->input, octets, size, MESSAGE_MAX, &request).reason ||
        !s_may_request (&request))
        return;
    request.command_id = sb_text ("");
    event.request.token = self->next_token;
    event.request.request = &request;
    s_step_once (self, &event, &answer);
    if (answer.reason == SB_REASON_NONE)
        self->is_open[self->next_token++] = true;
    s_simple (self, SB_AGENT_EVENT_WAKE);
}

static void s_play (s_stage_t *self, fuzz_reader_t *reader)
{
    uint8_t octet = fuzz_take_octet (reader);
    bool flag = (octet >> 3) & 1;
    s_record_t record = octet & 7;
    bool has_octets = record <= PUBLICATION || record == UPDATE || record == COMMAND;
    size_t size = 0;
    uint8_t *octets = has_octets ? fuzz_take_octets (reader, &size) : NULL;
    switch (record) {
    case MESSAGE:
        s_play_message (self, octets, size, flag);
        break;
    case PUBLICATION:
        s_play_publication (self, octets, size, flag);
        break;
    case TIME:
        s_advance (self, fuzz_take_number (reader) * 10 * MS);
        break;
    case LINK:
        s_link (self, flag);
        break;
    case UPDATE:
        s_play_update (self, octets, size);
        break;
    case HANDLER:
        s_play_handler (self, flag);
        break;
    case COMMAND:
        s_play_command (self, octets, size, flag);
        break;
    case WELCOME:
        if (self->has_registered)
            s_welcome (self);
        break;
    }
    free (octets);
}

/* ------------------------------------------------------------------ afterwards */

static sb_agent_status_t s_status (const s_stage_t *self)
{
    sb_reason_t reason;
    return sb_agent_step_status (self->step, &reason);
}

/* One update that the application makes. */
static sb_reason_t s_update (s_stage_t *self)
{
    sb_change_t change = {.name = sb_text ("x"), .value = {.kind = SB_VALUE_NUMBER, .number = 1}};
    sb_delta_t delta = {.category = sb_text ("status")};
    delta.update.changes = &change;
    delta.update.change_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE};
    event.update.deltas = &delta;
    event.update.delta_count = 1;
    sb_agent_effects_t answer;
    s_step_once (self, &event, &answer);
    s_simple (self, SB_AGENT_EVENT_WAKE);
    return answer.reason;
}

/* Lets the step have the ticks that it wants, until all it has is decided. */
static void s_settle (s_stage_t *self)
{
    for (int i = 0; i < ROUNDS_MAX && !sb_agent_step_is_settled (self->step); i++) {
        s_tick_at (self, sb_agent_step_deadline (self->step));
        FUZZ_CLAIM (s_status (self) != SB_AGENT_FINISHED && self->has_link);
        if (i % 8 == 7) { /* beats are answered */
            sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK};
            message.heartbeat_ack = (sb_heartbeat_ack_t){.state_known = true,
                                                         .decided_through = self->decided,
                                                         .stream_id = self->stream_id,
                                                         .epoch = self->epoch,
                                                         .operator_state = {.revision = SB_NUMBER_MAX},
                                                         .latch = {.latch_epoch = SB_NUMBER_MAX}};
            sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
            s_step (self, &event);
        }
    }
    FUZZ_CLAIM (sb_agent_step_is_settled (self->step));
}

/* The link is lost; the next one is to an honest broker. */
static void s_meet_honest_broker (s_stage_t *self)
{
    s_link (self, false);
    for (int i = 0; i < ROUNDS_MAX && !self->wants_link && s_status (self) != SB_AGENT_FINISHED; i++)
        s_tick_at (self, sb_agent_step_deadline (self->step));
    if (s_status (self) == SB_AGENT_FINISHED)
        return;
    FUZZ_CLAIM (self->wants_link);
    self->stream_id++;
    self->epoch++;
    self->is_honest = true;
    s_link (self, true);
    FUZZ_CLAIM (self->has_registered);
    s_welcome (self);
    FUZZ_CLAIM (s_status (self) == SB_AGENT_ACTIVE);
    s_settle (self);
    FUZZ_CLAIM (s_update (self) == SB_REASON_NONE);
    s_settle (self);
}

static void s_begin (s_stage_t *self, uint8_t options)
{
    static const sb_text_t interests[] = {{"market_data", 11}, {"risk.a", 6}};
    sb_agent_step_config_t config = {.agent_id = sb_text ("a"),
                                     .instance_id = 7,
                                     .seed = 1,
                                     .ingress_endpoint = sb_text ("tcp://127.0.0.1:5570"),
                                     .publish_endpoint = sb_text (""),
                                     .interests = interests,
                                     .interest_count = 2,
                                     .heartbeat_interval_ms = 1000,
                                     .queue_publications = 4,
                                     .max_fields = 32,
                                     .has_update_handler = !(options & 2),
                                     .has_command_handler = !(options & 4)};
    self->now_ns = 1000 * 1000 * MS;
    self->stream_id = 5;
    self->epoch = 1;
    self->next = 1;
    self->next_token = 1;
    self->input = sb_arena_new (ARENA_BYTES);
    self->work = sb_arena_new (ARENA_BYTES);
    self->step = sb_agent_step_new (&config);
    FUZZ_CLAIM (self->input && self->work && self->step);
    s_simple (self, SB_AGENT_EVENT_START);
    if (options & 1) {
        s_link (self, true);
        s_welcome (self);
        FUZZ_CLAIM (s_update (self) == SB_REASON_NONE);
    }
}

void fuzz_agent_step (const fuzz_target_t *self, const uint8_t *data, size_t size);

void fuzz_agent_step (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    (void)self;
    fuzz_reader_t reader = {data, size};
    s_stage_t *stage = calloc (1, sizeof *stage);
    FUZZ_CLAIM (stage);
    uint8_t options = fuzz_take_octet (&reader);
    s_begin (stage, options);
    for (int i = 0; i < RECORDS_MAX && reader.size > 0; i++)
        s_play (stage, &reader);
    if (options & 8) {
        s_simple (stage, SB_AGENT_EVENT_LEAVE);
        s_simple (stage, SB_AGENT_EVENT_TICK);
    } else if (s_status (stage) != SB_AGENT_FINISHED) {
        s_meet_honest_broker (stage);
    }
    sb_agent_step_destroy (&stage->step);
    sb_arena_destroy (&stage->input);
    sb_arena_destroy (&stage->work);
    free (stage);
}

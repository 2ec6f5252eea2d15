/* SPDX-License-Identifier: MPL-2.0
 *
 * The client's step against a hostile broker. An input is one octet of options and a list of records (fuzz.h):
 *   0 MESSAGE      octets of a BrokerMessage; how & 1: stream, epoch, and what a reply or a part of a snapshot answers
 *                  are made those of the session and of what was asked last
 *   1 PUBLICATION  octets of a frame; how & 1: stream, epoch and sequence follow the last; how & 2: it comes on the
 *                  topic of the join
 *   2 TIME         16 bits of 10 ms pass
 *   3 LINK         how & 1: up, when one was asked for; else down; how & 2: the same of the SUB's connection
 *   4 UPDATE       octets of an AgentMessage, whose deltas the application makes, if they are valid
 *   5 HANDLER      how & 1: a handler finishes a publication; else a command, when one waits; how & 2: instead the
 *                  application is about to leave
 *   6 COMMAND      octets of a CommandRequest that the application issues; how & 1: it cancels the last instead
 *   7 WELCOME      an honest Welcome
 * Options: 1 begins within a session, 2 without an update handler, 4 without a command handler, 8 the application
 * leaves at the end, 16 without a copy, 32 an interest is conflated, 64 the honest broker has no room
 * for that.
 *
 * What is claimed: what the step sends is read without a fault by a broker, within the limit of size; each request is
 * answered at most once; no refusal is told after its decision; copy and buffers keep to their bounds; and afterwards,
 * unless it has finished or is leaving, an honest broker brings it back to ACTIVE, where its updates are taken and
 * decided and its copy is current.
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
enum { COPY_FIELDS = 16, COPY_BYTES = 1 << 18, BUFFER_BYTES = 2048 };
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
    bool is_honest;                                       /* the broker acks what comes */
    uint64_t next;                                        /* of the last Registration: the number it will send next */
    uint64_t decided;                                     /* what the honest broker has decided */
    bool has_registered;                                  /* since the link came up */
    bool must_ack;                                        /* the honest broker owes an Ack */
    bool must_answer_join, must_end_snapshot, must_reply; /* and these */
    char join[SB_TOPIC_MAX];                              /* prefix of the last join */
    uint32_t join_size;
    bool has_sub;            /* a SUB socket was made */
    bool must_connect_sub;   /* and is to be connected to the honest broker */
    bool refuses_conflation; /* the honest broker has no room for it */
    bool is_closing;
    uint64_t snapshot_id;                   /* of the last SnapshotRequest */
    uint32_t chunks;                        /* that came since */
    char command_id[ID_OCTETS];             /* of the last command of its own */
    uint64_t told_through;                  /* by DECIDED */
    uint32_t undelivered;                   /* publications that a handler has */
    char commands[COMMANDS_MAX][ID_OCTETS]; /* ids that a handler has */
    uint32_t command_count;
    bool is_open[REQUESTS_MAX]; /* by token: no reply yet */
    uint64_t next_token;
} s_stage_t;

static void s_step (s_stage_t *self, sb_agent_event_t *event);
static void s_simple (s_stage_t *self, sb_agent_event_kind_t kind);

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
    case SB_AGENT_MESSAGE_SNAPSHOT_REQUEST:
        FUZZ_CLAIM (message->snapshot_request.credit >= 1);
        self->snapshot_id = message->snapshot_request.snapshot_id;
        self->chunks = 0;
        self->must_end_snapshot = self->is_honest;
        break;
    case SB_AGENT_MESSAGE_COMMAND:
        snprintf (self->command_id, ID_OCTETS, "%.*s", (int)message->command.command_id.size,
                  message->command.command_id.data);
        self->must_reply = self->is_honest;
        break;
    default:
        break;
    }
    FUZZ_CLAIM (self->has_registered);
}

/* The copy says that it keeps to its bounds. */
static void s_check_copy (const s_stage_t *self)
{
    sb_agent_copy_state_t copy;
    sb_agent_step_copy_state (self->step, &copy);
    FUZZ_CLAIM (copy.fields <= COPY_FIELDS && copy.bytes <= COPY_BYTES);
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
        self->has_sub = true;
        self->must_connect_sub = self->is_honest;
        break;
    case SB_AGENT_EFFECT_JOIN:
        FUZZ_CLAIM (self->has_sub && effect->join_prefix.size > 7 && effect->join_prefix.size < sizeof self->join);
        memcpy (self->join, effect->join_prefix.data, effect->join_prefix.size);
        self->join_size = effect->join_prefix.size;
        self->must_answer_join = self->is_honest;
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
        FUZZ_CLAIM (effect->refused.sequence == 0 || effect->refused.sequence > self->told_through);
        break;
    case SB_AGENT_EFFECT_DECIDED:
        FUZZ_CLAIM (effect->decided_through > self->told_through);
        self->told_through = effect->decided_through;
        break;
    case SB_AGENT_EFFECT_RECOVERED:
        FUZZ_CLAIM (effect->recovered.recovered <= effect->recovered.lost);
        FUZZ_CLAIM (sb_text_is_utf8 (effect->recovered.category));
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

/* The prefixes that are subscribed to conflated, at the one interval that there is, as a broker says them. */
static sb_text_t s_conflated_prefixes (const s_stage_t *self, char *text, size_t size)
{
    uint32_t count, at = 0, interval_ms;
    sb_text_t prefix;
    const sb_text_t *prefixes = sb_agent_step_prefixes (self->step, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (sb_conflated_split (prefixes[i], &interval_ms, &prefix))
            at += (uint32_t)snprintf (text + at, size - at, "%s%.*s*", at ? " " : "", (int)prefix.size, prefix.data);
        FUZZ_CLAIM (at < size);
    }
    return (sb_text_t){text, at};
}

/* The answer of a broker that has published nothing. */
static void s_answer_join (s_stage_t *self)
{
    char prefixes[64 * SB_TOPIC_MAX];
    sb_change_t changes[] = {
        {.name = sb_text ("sequence"), .value = {.kind = SB_VALUE_INTEGER}},
        {.name = sb_text ("conflation.100"),
         .value = {.kind = SB_VALUE_TEXT, .text = s_conflated_prefixes (self, prefixes, sizeof prefixes)}}};
    bool is_conflated = !self->refuses_conflation && changes[1].value.text.size > 0;
    sb_update_t update = {.changes = changes, .change_count = is_conflated ? 2 : 1};
    sb_publication_t publication = {.topic = {self->join, self->join_size},
                                    .stream_id = self->stream_id,
                                    .epoch = self->epoch,
                                    .agent_id = sb_text ("_broker"),
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = &publication};
    s_step (self, &event);
}

static void s_end_snapshot (s_stage_t *self)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end =
        (sb_snapshot_end_t){.snapshot_id = self->snapshot_id, .stream_id = self->stream_id, .epoch = self->epoch};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

static void s_reply (s_stage_t *self)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
    message.command_reply = (sb_command_reply_t){.command_id = sb_text (self->command_id),
                                                 .code = SB_REASON_WRONG_STATE,
                                                 .stream_id = self->stream_id,
                                                 .epoch = self->epoch};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

static void s_step (s_stage_t *self, sb_agent_event_t *event)
{
    sb_agent_effects_t effects;
    s_step_once (self, event, &effects);
    s_check_copy (self);
    if (self->must_ack) {
        self->must_ack = false;
        s_ack (self);
    }
    if (self->must_connect_sub) {
        self->must_connect_sub = false;
        s_simple (self, SB_AGENT_EVENT_SUBSCRIBED);
    }
    if (self->must_answer_join) {
        self->must_answer_join = false;
        s_answer_join (self);
    }
    if (self->must_end_snapshot) {
        self->must_end_snapshot = false;
        s_end_snapshot (self);
    }
    if (self->must_reply) {
        self->must_reply = false;
        s_reply (self);
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

/* Makes it an answer to what was asked last. */
static void s_make_answer (s_stage_t *self, sb_broker_message_t *message)
{
    if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK) {
        message->snapshot_chunk.snapshot_id = self->snapshot_id;
        message->snapshot_chunk.number = ++self->chunks;
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        message->snapshot_end.snapshot_id = self->snapshot_id;
        message->snapshot_end.stream_id = self->stream_id;
        message->snapshot_end.epoch = self->epoch;
    } else if (message->kind == SB_BROKER_MESSAGE_COMMAND_REPLY) {
        message->command_reply.command_id = sb_text (self->command_id);
        message->command_reply.stream_id = self->stream_id;
        message->command_reply.epoch = self->epoch;
    }
}

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
    if (fits)
        s_make_answer (self, &message);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    s_step (self, &event);
}

static void s_play_publication (s_stage_t *self, const uint8_t *octets, size_t size, bool fits, bool joins)
{
    sb_publication_t publication = {0};
    sb_arena_reset (self->input);
    sb_fault_t fault = sb_decode_publication (self->input, octets, size, MESSAGE_MAX, &publication);
    if (fits && publication.sequence != 0) {
        publication.stream_id = self->stream_id;
        publication.epoch = self->epoch;
        publication.sequence = ++self->published;
    }
    if (joins && self->join_size) {
        publication.topic = (sb_text_t){self->join, self->join_size};
        publication.stream_id = self->stream_id;
        publication.epoch = self->epoch;
        publication.sequence = 0;
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

static void s_close (s_stage_t *self)
{
    self->is_closing = true;
    s_simple (self, SB_AGENT_EVENT_CLOSE);
    s_simple (self, SB_AGENT_EVENT_WAKE);
}

static void s_play (s_stage_t *self, fuzz_reader_t *reader)
{
    uint8_t octet = fuzz_take_octet (reader);
    bool flag = (octet >> 3) & 1, other = (octet >> 4) & 1;
    s_record_t record = octet & 7;
    bool has_octets = record <= PUBLICATION || record == UPDATE || record == COMMAND;
    size_t size = 0;
    uint8_t *octets = has_octets ? fuzz_take_octets (reader, &size) : NULL;
    switch (record) {
    case MESSAGE:
        s_play_message (self, octets, size, flag);
        break;
    case PUBLICATION:
        s_play_publication (self, octets, size, flag, other);
        break;
    case TIME:
        s_advance (self, fuzz_take_number (reader) * 10 * MS);
        break;
    case LINK:
        if (!other)
            s_link (self, flag);
        else if (self->has_sub)
            s_simple (self, flag ? SB_AGENT_EVENT_SUBSCRIBED : SB_AGENT_EVENT_UNSUBSCRIBED);
        break;
    case UPDATE:
        s_play_update (self, octets, size);
        break;
    case HANDLER:
        if (other)
            s_close (self);
        else
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

/* The honest broker answers a beat. */
static void s_beat (s_stage_t *self)
{
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

/* Lets the step have the ticks that it wants, until all it has is decided. */
static void s_settle (s_stage_t *self)
{
    for (int i = 0; i < ROUNDS_MAX && !sb_agent_step_is_settled (self->step); i++) {
        s_tick_at (self, sb_agent_step_deadline (self->step));
        FUZZ_CLAIM (s_status (self) != SB_AGENT_FINISHED && self->has_link);
        if (i % 8 == 7) /* beats are answered */
            s_beat (self);
    }
    FUZZ_CLAIM (sb_agent_step_is_settled (self->step));
}

/* The handler finishes all it has; the SUB's connection stands; then the copy is current before long. */
static void s_become_current (s_stage_t *self)
{
    sb_agent_copy_state_t copy = {.is_current = false};
    FUZZ_CLAIM (self->has_sub);
    s_simple (self, SB_AGENT_EVENT_UNSUBSCRIBED);
    s_simple (self, SB_AGENT_EVENT_SUBSCRIBED);
    for (int i = 0; i < ROUNDS_MAX && !copy.is_current; i++) {
        while (self->undelivered)
            s_play_handler (self, true);
        s_tick_at (self, sb_agent_step_deadline (self->step));
        s_beat (self);
        sb_agent_step_copy_state (self->step, &copy);
    }
    FUZZ_CLAIM (copy.is_current);
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
    s_become_current (self);
}

static void s_begin (s_stage_t *self, uint8_t options)
{
    static const sb_text_t interests[] = {{"market_data", 11}, {"risk.a", 6}};
    const uint32_t conflate_ms[] = {options & 32 ? 100 : 0, 0};
    sb_agent_step_config_t config = {.agent_id = sb_text ("a"),
                                     .instance_id = 7,
                                     .seed = 1,
                                     .ingress_endpoint = sb_text ("tcp://127.0.0.1:5570"),
                                     .publish_endpoint = sb_text (""),
                                     .interests = interests,
                                     .conflate_ms = conflate_ms,
                                     .interest_count = 2,
                                     .has_copy = !(options & 16),
                                     .copy_fields = COPY_FIELDS,
                                     .copy_bytes = COPY_BYTES,
                                     .buffer_bytes = BUFFER_BYTES,
                                     .heartbeat_interval_ms = 1000,
                                     .queue_publications = 4,
                                     .max_fields = 32,
                                     .has_update_handler = !(options & 2),
                                     .has_command_handler = !(options & 4)};
    self->refuses_conflation = options & 64;
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
    } else if (s_status (stage) != SB_AGENT_FINISHED && !stage->is_closing) {
        s_meet_honest_broker (stage);
    }
    sb_agent_step_destroy (&stage->step);
    sb_arena_destroy (&stage->input);
    sb_arena_destroy (&stage->work);
    free (stage);
}

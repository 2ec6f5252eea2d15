/* SPDX-License-Identifier: MPL-2.0
 *
 * The messages by broker/wire's public codec, as the client library makes and reads them.
 */
#include "bench_session.h"

#include "sb_codec.h"
#include "sb_names.h"
#include "sb_reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, FRAME_MAX = 16 << 20, HEARTBEAT_MS = 1000 };

typedef struct {
    const bench_options_t *options;
    sb_arena_t *arena;
    sb_delta_t deltas[BENCH_BATCH_MAX];
    sb_change_t changes[BENCH_BATCH_MAX];
} s_codec_t;

static void *s_open (const bench_options_t *options)
{
    s_codec_t *self = calloc (1, sizeof *self);
    if (!self || !(self->arena = sb_arena_new (ARENA_BYTES)))
        bench_fail ("no memory");
    self->options = options;
    return self;
}

static void s_close (void **self_p)
{
    s_codec_t *self = *self_p;
    sb_arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

static void s_encode (s_codec_t *self, const sb_agent_message_t *message, zmq_msg_t *frame)
{
    sb_encoding_t *encoding;
    const size_t size = sb_encode_agent_message (self->arena, message, &encoding);
    if (size == 0 || zmq_msg_init_size (frame, size) != 0)
        bench_fail ("a message could not be encoded");
    sb_encoding_write (encoding, zmq_msg_data (frame));
    sb_arena_reset (self->arena);
}

static void s_registration (void *codec, const char *agent_id, uint64_t instance_id, const bench_seen_t *seen,
                            uint32_t seen_count, zmq_msg_t *frame)
{
    sb_text_t interests[BENCH_SEEN_MAX];
    for (uint32_t i = 0; i < seen_count; i++)
        interests[i] = sb_text (seen[i].interest);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = SB_PROTOCOL,
                                               .agent_id = sb_text (agent_id),
                                               .instance_id = instance_id,
                                               .next_sequence = 1,
                                               .interests = interests,
                                               .interest_count = seen_count,
                                               .heartbeat_interval_ms = HEARTBEAT_MS};
    s_encode (codec, &message, frame);
}

static void s_heartbeat (void *codec, uint64_t decided_through, const bench_seen_t *seen, uint32_t seen_count,
                         zmq_msg_t *frame)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    sb_interest_position_t positions[BENCH_SEEN_MAX];
    for (uint32_t i = 0; i < seen_count; i++)
        positions[i] = (sb_interest_position_t){.interest = sb_text (seen[i].interest),
                                                .sequence = seen[i].sequence,
                                                .category_sequence = seen[i].category_sequence};
    message.heartbeat.seen = positions;
    message.heartbeat.seen_count = seen_count;
    message.heartbeat.decided_through = decided_through;
    s_encode (codec, &message, frame);
}

static void s_deltas (void *codec, const bench_deltas_t *deltas, zmq_msg_t *frame)
{
    s_codec_t *self = codec;
    const sb_text_t category = sb_text (deltas->category);
    for (uint32_t i = 0; i < deltas->count; i++) {
        sb_change_t *change = &self->changes[i];
        change->name = sb_text (deltas->fields[(deltas->first_number + i) % deltas->keys]);
        change->value.kind = SB_VALUE_BYTES;
        change->value.bytes = (sb_text_t){(const char *)deltas->payloads + (size_t)i * deltas->size, deltas->size};
        self->deltas[i] = (sb_delta_t){.category = category};
        self->deltas[i].update = (sb_update_t){.sequence = deltas->first_sequence + i,
                                               .event_unix_ns = deltas->event_unix_ns,
                                               .changes = change,
                                               .change_count = 1};
    }
    const sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {self->deltas, deltas->count}};
    s_encode (self, &message, frame);
}

/* ---------------------------------------------------------------- reading */

static void s_set_failure (bench_answer_t *answer, const char *what, sb_reason_t reason)
{
    snprintf (answer->failure, sizeof answer->failure, "%s %s", what, sb_reason_info (reason)->name);
}

static void s_read_heads (const sb_heartbeat_ack_t *level, bench_answer_t *answer)
{
    if (level->head_count > BENCH_SEEN_MAX)
        bench_fail ("an answer to a beat has %u heads", level->head_count);
    answer->head_count = level->head_count;
    for (uint32_t i = 0; i < level->head_count; i++) {
        const sb_interest_position_t *head = &level->heads[i];
        bench_seen_t *seen = &answer->heads[i];
        snprintf (seen->interest, sizeof seen->interest, "%.*s", (int)head->interest.size, head->interest.data);
        seen->sequence = head->sequence;
        seen->category_sequence = head->category_sequence;
    }
}

static void s_read_answer (void *codec, const void *data, size_t size, bench_answer_t *answer)
{
    s_codec_t *self = codec;
    sb_broker_message_t message;
    const sb_fault_t fault = sb_decode_broker_message (self->arena, data, size, FRAME_MAX, &message);
    if (fault.reason != SB_REASON_NONE)
        bench_fail ("an answer could not be read: %.*s", (int)fault.text.size, fault.text.data);
    switch (message.kind) {
    case SB_BROKER_MESSAGE_WELCOME:
        answer->is_welcome = true;
        break;
    case SB_BROKER_MESSAGE_ACK:
        answer->decided_through = message.ack.decided_through;
        answer->refused = message.ack.refused_count;
        break;
    case SB_BROKER_MESSAGE_HEARTBEAT_ACK: /* refusals in it were in an ack already */
        answer->decided_through = message.heartbeat_ack.decided_through;
        s_read_heads (&message.heartbeat_ack, answer);
        break;
    case SB_BROKER_MESSAGE_REFUSAL:
        s_set_failure (answer, "refused", message.refusal.reason);
        break;
    case SB_BROKER_MESSAGE_GOODBYE:
        s_set_failure (answer, "goodbye", message.goodbye.reason);
        break;
    default:
        break;
    }
    sb_arena_reset (self->arena);
}

static void s_take (void *codec, bench_sink_t *sink, uint32_t subscriber, const uint8_t *frame, size_t size)
{
    s_codec_t *self = codec;
    sb_publication_t publication;
    const sb_fault_t fault = sb_decode_publication (self->arena, frame, size, FRAME_MAX, &publication);
    if (fault.reason != SB_REASON_NONE)
        bench_fail ("a publication could not be read: %.*s", (int)fault.text.size, fault.text.data);
    const uint64_t now_ns = bench_clock_ns ();
    for (uint32_t i = 0; i < publication.update_count; i++)
        for (uint32_t j = 0; j < publication.updates[i].change_count; j++) {
            const sb_value_t *value = &publication.updates[i].changes[j].value;
            const sb_text_t bytes = value->kind == SB_VALUE_BYTES ? value->bytes : (sb_text_t){0};
            bench_sink_take_at (sink, subscriber, (const uint8_t *)bytes.data, bytes.size, now_ns);
        }
    sb_arena_reset (self->arena);
}

const bench_codec_t bench_codec_wire = {.open = s_open,
                                        .close = s_close,
                                        .registration = s_registration,
                                        .heartbeat = s_heartbeat,
                                        .deltas = s_deltas,
                                        .read_answer = s_read_answer,
                                        .take = s_take};

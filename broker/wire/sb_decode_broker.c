/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding what the broker sends: BrokerMessage, CommandReply, Publication.
 *
 * One reader for each message of the schema, and one switch over the bodies.
 * Change, value and field kinds that a later broker may add are delivered as
 * SB_VALUE_NONE; numbers of an enum that this schema does not name are refused,
 * since a state or reason that is taken for another one would mislead.
 */
#include "sb_codec_private.h"

#include <string.h>

/* ------------------------------------------------------------------ levels */

static void s_decode_refusal (sb_decoder_t *self, const Syncbus__V1__Refusal *source, sb_refusal_t *refusal)
{
    refusal->reason = sb_decode_reason (self, (int)source->reason);
    refusal->text = sb_decoder_text (self, source->text);
    refusal->sequence = source->sequence;
    refusal->expected_sequence = source->expected_sequence;
    refusal->field = sb_decoder_text (self, source->field);
    refusal->retry_after_ms = source->retry_after_ms;
}

static const sb_refusal_t *s_decode_refusals (sb_decoder_t *self, Syncbus__V1__Refusal **source, size_t count,
                                              uint32_t *refused_count)
{
    sb_refusal_t *refused = sb_decoder_take (self, count, sizeof *refused);
    *refused_count = refused ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *refused_count; i++)
        s_decode_refusal (self, source[i], &refused[i]);
    return refused;
}

static void s_decode_limits (const Syncbus__V1__Limits *source, sb_limits_t *limits)
{
    if (!source)
        return;
    limits->max_message_bytes = source->max_message_bytes;
    limits->max_unacked = source->max_unacked;
    limits->max_changes = source->max_changes;
    limits->max_fields = source->max_fields;
}

static void s_decode_operator_state (sb_decoder_t *self, const Syncbus__V1__OperatorState *source,
                                     sb_operator_state_t *state)
{
    state->issuer = state->reason = sb_text ("");
    if (!source)
        return;
    state->paused = source->paused != 0;
    state->confirmed = source->confirmed != 0;
    state->revision = source->revision;
    state->issuer = sb_decoder_text (self, source->issuer);
    state->reason = sb_decoder_text (self, source->reason);
    state->since_unix_ns = source->since_unix_ns;
}

static void s_decode_latch (sb_decoder_t *self, const Syncbus__V1__Latch *source, sb_latch_t *latch)
{
    latch->issuer = latch->reason = sb_text ("");
    if (!source)
        return;
    latch->stopped = source->stopped != 0;
    latch->latch_epoch = source->latch_epoch;
    latch->issuer = sb_decoder_text (self, source->issuer);
    latch->reason = sb_decoder_text (self, source->reason);
    latch->since_unix_ns = source->since_unix_ns;
    latch->admitted_categories =
        sb_decoder_texts (self, source->admitted_categories, source->n_admitted_categories, &latch->admitted_count);
}

static void s_decode_breaker (sb_decoder_t *self, const Syncbus__V1__Breaker *source, sb_breaker_status_t *breaker)
{
    if (!source)
        return;
    if (!protobuf_c_enum_descriptor_get_value (&syncbus__v1__breaker_state__descriptor, (int)source->state))
        sb_decoder_fail (self, "a breaker state's number is not of this version's schema");
    breaker->state = (sb_breaker_state_t)source->state;
    breaker->retry_after_ms = source->retry_after_ms;
    breaker->open_count = source->open_count;
}

static void s_decode_times_to_live (sb_decoder_t *self, const Syncbus__V1__Welcome *source, sb_welcome_t *welcome)
{
    if (source->n_times_to_live > SB_TIMES_TO_LIVE_MAX) {
        sb_decoder_fail (self, "a Welcome with more than 256 times to live");
        return;
    }
    sb_time_to_live_t *times = sb_decoder_take (self, source->n_times_to_live, sizeof *times);
    welcome->times_to_live = times;
    welcome->time_to_live_count = times ? (uint32_t)source->n_times_to_live : 0;
    for (uint32_t i = 0; i < welcome->time_to_live_count; i++) {
        times[i].category = sb_decoder_text (self, source->times_to_live[i]->category);
        times[i].time_to_live_ms = source->times_to_live[i]->time_to_live_ms;
    }
}

/* ------------------------------------------------------------------ bodies */

static void s_decode_welcome (sb_decoder_t *self, const Syncbus__V1__Welcome *source, sb_welcome_t *welcome)
{
    welcome->session_id = source->session_id;
    welcome->stream_id = source->stream_id;
    welcome->epoch = source->epoch;
    welcome->decided_through = source->decided_through;
    welcome->refused = s_decode_refusals (self, source->refused, source->n_refused, &welcome->refused_count);
    welcome->state_known = source->state_known != 0;
    if (!protobuf_c_enum_descriptor_get_value (&syncbus__v1__durability__descriptor, (int)source->durability))
        sb_decoder_fail (self, "a durability's number is not of this version's schema");
    welcome->durability = (uint32_t)source->durability;
    welcome->publish_endpoint = sb_decoder_text (self, source->publish_endpoint);
    welcome->heartbeat_interval_ms = source->heartbeat_interval_ms;
    s_decode_limits (source->limits, &welcome->limits);
    s_decode_operator_state (self, source->operator_state, &welcome->operator_state);
    s_decode_latch (self, source->latch, &welcome->latch);
    s_decode_breaker (self, source->breaker, &welcome->breaker);
    welcome->interests = sb_decoder_texts (self, source->interests, source->n_interests, &welcome->interest_count);
    welcome->broker_unix_ns = source->broker_unix_ns;
    welcome->control_timeout_ms = source->control_timeout_ms;
    welcome->event_categories =
        sb_decoder_texts (self, source->event_categories, source->n_event_categories, &welcome->event_category_count);
    s_decode_times_to_live (self, source, welcome);
}

static void s_decode_heartbeat_ack (sb_decoder_t *self, const Syncbus__V1__HeartbeatAck *source,
                                    sb_heartbeat_ack_t *ack)
{
    ack->broker_unix_ns = source->broker_unix_ns;
    ack->decided_through = source->decided_through;
    ack->refused = s_decode_refusals (self, source->refused, source->n_refused, &ack->refused_count);
    ack->state_known = source->state_known != 0;
    s_decode_operator_state (self, source->operator_state, &ack->operator_state);
    s_decode_latch (self, source->latch, &ack->latch);
    s_decode_breaker (self, source->breaker, &ack->breaker);
    sb_interest_position_t *heads = sb_decoder_take (self, source->n_heads, sizeof *heads);
    ack->heads = heads;
    ack->head_count = heads ? (uint32_t)source->n_heads : 0;
    for (uint32_t i = 0; i < ack->head_count; i++) {
        heads[i].interest = sb_decoder_text (self, source->heads[i]->interest);
        heads[i].sequence = source->heads[i]->sequence;
        heads[i].category_sequence = source->heads[i]->category_sequence;
        heads[i].agent_sequence = source->heads[i]->agent_sequence;
    }
    ack->stream_id = source->stream_id;
    ack->epoch = source->epoch;
    ack->sequence = source->sequence;
}

static void s_decode_agent_command (sb_decoder_t *self, const Syncbus__V1__AgentCommand *source,
                                    sb_agent_command_t *command)
{
    command->command_id = sb_decoder_text (self, source->command_id);
    command->command = sb_decoder_text (self, source->command);
    command->parameters =
        sb_decode_parameters (self, source->parameters, source->n_parameters, &command->parameter_count);
    command->issuer = sb_decoder_text (self, source->issuer);
    command->reason = sb_decoder_text (self, source->reason);
    command->timeout_ms = source->timeout_ms;
    command->operator_revision = source->operator_revision;
    command->latch_epoch = source->latch_epoch;
}

static void s_decode_body (sb_decoder_t *self, const Syncbus__V1__BrokerMessage *source, sb_broker_message_t *message)
{
    switch (source->body_case) {
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_WELCOME:
        message->kind = SB_BROKER_MESSAGE_WELCOME;
        s_decode_welcome (self, source->welcome, &message->welcome);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_REFUSAL:
        message->kind = SB_BROKER_MESSAGE_REFUSAL;
        s_decode_refusal (self, source->refusal, &message->refusal);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_ACK:
        message->kind = SB_BROKER_MESSAGE_ACK;
        message->ack.decided_through = source->ack->decided_through;
        message->ack.refused =
            s_decode_refusals (self, source->ack->refused, source->ack->n_refused, &message->ack.refused_count);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_HEARTBEAT_ACK:
        message->kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK;
        s_decode_heartbeat_ack (self, source->heartbeat_ack, &message->heartbeat_ack);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_COMMAND:
        message->kind = SB_BROKER_MESSAGE_COMMAND;
        s_decode_agent_command (self, source->command, &message->command);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_COMMAND_REPLY:
        message->kind = SB_BROKER_MESSAGE_COMMAND_REPLY;
        sb_decode_reply (self, source->command_reply, &message->command_reply);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_GOODBYE:
        message->kind = SB_BROKER_MESSAGE_GOODBYE;
        sb_decode_goodbye (self, source->goodbye, &message->goodbye);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_CHUNK:
        message->kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK;
        sb_decode_snapshot_chunk (self, source->snapshot_chunk, &message->snapshot_chunk);
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_END:
        message->kind = SB_BROKER_MESSAGE_SNAPSHOT_END;
        sb_decode_snapshot_end (self, source->snapshot_end, &message->snapshot_end);
        break;
    default:
        sb_decoder_fail (self, "a BrokerMessage without a body of a known kind");
    }
}

sb_fault_t sb_protobuf_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                              sb_broker_message_t *message)
{
    sb_decoder_t decoder = {.arena = arena};
    memset (message, 0, sizeof *message);
    const Syncbus__V1__BrokerMessage *source =
        sb_decoder_unpack (&decoder, &syncbus__v1__broker_message__descriptor, data, size, max_bytes);
    if (source)
        s_decode_body (&decoder, source, message);
    if (decoder.fault.reason != SB_REASON_NONE)
        memset (message, 0, sizeof *message);
    return decoder.fault;
}

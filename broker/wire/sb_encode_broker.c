/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding BrokerMessage: what the broker sends to an agent. One writer for
 * each message of the schema and one switch over the bodies; see sb_encode.c.
 */
#include "sb_codec_private.h"

#include <assert.h>

static void s_fill_refusal (sb_encoder_t *self, const sb_refusal_t *source, Syncbus__V1__Refusal *refusal)
{
    syncbus__v1__refusal__init (refusal);
    refusal->reason = (Syncbus__V1__Reason)source->reason;
    refusal->text = sb_encoder_text (self, source->text);
    refusal->sequence = source->sequence;
    refusal->expected_sequence = source->expected_sequence;
    refusal->field = sb_encoder_text (self, source->field);
    refusal->retry_after_ms = source->retry_after_ms;
}

static Syncbus__V1__Refusal **s_encode_refusals (sb_encoder_t *self, const sb_refusal_t *source, uint32_t count)
{
    void **pointers;
    Syncbus__V1__Refusal *refused = sb_encoder_children (self, count, sizeof *refused, &pointers);
    for (uint32_t i = 0; refused && i < count; i++)
        s_fill_refusal (self, &source[i], &refused[i]);
    return (Syncbus__V1__Refusal **)pointers;
}

static Syncbus__V1__Limits *s_encode_limits (sb_encoder_t *self, const sb_limits_t *source)
{
    Syncbus__V1__Limits *limits = sb_encoder_take (self, 1, sizeof *limits);
    if (!limits)
        return NULL;
    syncbus__v1__limits__init (limits);
    limits->max_message_bytes = source->max_message_bytes;
    limits->max_unacked = source->max_unacked;
    limits->max_changes = source->max_changes;
    limits->max_fields = source->max_fields;
    return limits;
}

static Syncbus__V1__OperatorState *s_encode_operator_state (sb_encoder_t *self, const sb_operator_state_t *source)
{
    Syncbus__V1__OperatorState *state = sb_encoder_take (self, 1, sizeof *state);
    if (!state)
        return NULL;
    syncbus__v1__operator_state__init (state);
    state->paused = source->paused;
    state->confirmed = source->confirmed;
    state->revision = source->revision;
    state->issuer = sb_encoder_text (self, source->issuer);
    state->reason = sb_encoder_text (self, source->reason);
    state->since_unix_ns = source->since_unix_ns;
    return state;
}

static Syncbus__V1__Latch *s_encode_latch (sb_encoder_t *self, const sb_latch_t *source)
{
    Syncbus__V1__Latch *latch = sb_encoder_take (self, 1, sizeof *latch);
    if (!latch)
        return NULL;
    syncbus__v1__latch__init (latch);
    latch->stopped = source->stopped;
    latch->latch_epoch = source->latch_epoch;
    latch->issuer = sb_encoder_text (self, source->issuer);
    latch->reason = sb_encoder_text (self, source->reason);
    latch->since_unix_ns = source->since_unix_ns;
    latch->n_admitted_categories = source->admitted_count;
    latch->admitted_categories = sb_encoder_texts (self, source->admitted_categories, source->admitted_count);
    return latch;
}

static Syncbus__V1__Breaker *s_encode_breaker (sb_encoder_t *self, const sb_breaker_status_t *source)
{
    Syncbus__V1__Breaker *breaker = sb_encoder_take (self, 1, sizeof *breaker);
    if (!breaker)
        return NULL;
    syncbus__v1__breaker__init (breaker);
    breaker->state = (Syncbus__V1__BreakerState)source->state;
    breaker->retry_after_ms = source->retry_after_ms;
    breaker->open_count = source->open_count;
    return breaker;
}

static Syncbus__V1__CategoryTimeToLive **s_encode_times_to_live (sb_encoder_t *self, const sb_time_to_live_t *source,
                                                                 uint32_t count)
{
    void **pointers;
    Syncbus__V1__CategoryTimeToLive *times = sb_encoder_children (self, count, sizeof *times, &pointers);
    for (uint32_t i = 0; times && i < count; i++) {
        syncbus__v1__category_time_to_live__init (&times[i]);
        times[i].category = sb_encoder_text (self, source[i].category);
        times[i].time_to_live_ms = source[i].time_to_live_ms;
    }
    return (Syncbus__V1__CategoryTimeToLive **)pointers;
}

static Syncbus__V1__Welcome *s_encode_welcome (sb_encoder_t *self, const sb_welcome_t *source)
{
    Syncbus__V1__Welcome *welcome = sb_encoder_take (self, 1, sizeof *welcome);
    if (!welcome)
        return NULL;
    syncbus__v1__welcome__init (welcome);
    welcome->session_id = source->session_id;
    welcome->stream_id = source->stream_id;
    welcome->epoch = source->epoch;
    welcome->decided_through = source->decided_through;
    welcome->n_refused = source->refused_count;
    welcome->refused = s_encode_refusals (self, source->refused, source->refused_count);
    welcome->state_known = source->state_known;
    welcome->durability = (Syncbus__V1__Durability)source->durability;
    welcome->publish_endpoint = sb_encoder_text (self, source->publish_endpoint);
    welcome->heartbeat_interval_ms = source->heartbeat_interval_ms;
    welcome->limits = s_encode_limits (self, &source->limits);
    welcome->operator_state = s_encode_operator_state (self, &source->operator_state);
    welcome->latch = s_encode_latch (self, &source->latch);
    welcome->breaker = s_encode_breaker (self, &source->breaker);
    welcome->n_interests = source->interest_count;
    welcome->interests = sb_encoder_texts (self, source->interests, source->interest_count);
    welcome->broker_unix_ns = source->broker_unix_ns;
    welcome->control_timeout_ms = source->control_timeout_ms;
    welcome->n_event_categories = source->event_category_count;
    welcome->event_categories = sb_encoder_texts (self, source->event_categories, source->event_category_count);
    welcome->n_times_to_live = source->time_to_live_count;
    welcome->times_to_live = s_encode_times_to_live (self, source->times_to_live, source->time_to_live_count);
    return welcome;
}

static Syncbus__V1__Refusal *s_encode_refusal (sb_encoder_t *self, const sb_refusal_t *source)
{
    Syncbus__V1__Refusal *refusal = sb_encoder_take (self, 1, sizeof *refusal);
    if (refusal)
        s_fill_refusal (self, source, refusal);
    return refusal;
}

static Syncbus__V1__Ack *s_encode_ack (sb_encoder_t *self, const sb_ack_t *source)
{
    Syncbus__V1__Ack *ack = sb_encoder_take (self, 1, sizeof *ack);
    if (!ack)
        return NULL;
    syncbus__v1__ack__init (ack);
    ack->decided_through = source->decided_through;
    ack->n_refused = source->refused_count;
    ack->refused = s_encode_refusals (self, source->refused, source->refused_count);
    return ack;
}

static Syncbus__V1__InterestHead **s_encode_heads (sb_encoder_t *self, const sb_interest_position_t *source,
                                                   uint32_t count)
{
    void **pointers;
    Syncbus__V1__InterestHead *heads = sb_encoder_children (self, count, sizeof *heads, &pointers);
    for (uint32_t i = 0; heads && i < count; i++) {
        syncbus__v1__interest_head__init (&heads[i]);
        heads[i].interest = sb_encoder_text (self, source[i].interest);
        heads[i].sequence = source[i].sequence;
        heads[i].category_sequence = source[i].category_sequence;
        heads[i].agent_sequence = source[i].agent_sequence;
    }
    return (Syncbus__V1__InterestHead **)pointers;
}

static Syncbus__V1__HeartbeatAck *s_encode_heartbeat_ack (sb_encoder_t *self, const sb_heartbeat_ack_t *source)
{
    Syncbus__V1__HeartbeatAck *ack = sb_encoder_take (self, 1, sizeof *ack);
    if (!ack)
        return NULL;
    syncbus__v1__heartbeat_ack__init (ack);
    ack->broker_unix_ns = source->broker_unix_ns;
    ack->decided_through = source->decided_through;
    ack->n_refused = source->refused_count;
    ack->refused = s_encode_refusals (self, source->refused, source->refused_count);
    ack->state_known = source->state_known;
    ack->operator_state = s_encode_operator_state (self, &source->operator_state);
    ack->latch = s_encode_latch (self, &source->latch);
    ack->breaker = s_encode_breaker (self, &source->breaker);
    ack->n_heads = source->head_count;
    ack->heads = s_encode_heads (self, source->heads, source->head_count);
    ack->stream_id = source->stream_id;
    ack->epoch = source->epoch;
    ack->sequence = source->sequence;
    return ack;
}

static Syncbus__V1__AgentCommand *s_encode_agent_command (sb_encoder_t *self, const sb_agent_command_t *source)
{
    Syncbus__V1__AgentCommand *command = sb_encoder_take (self, 1, sizeof *command);
    if (!command)
        return NULL;
    syncbus__v1__agent_command__init (command);
    command->command_id = sb_encoder_text (self, source->command_id);
    command->command = sb_encoder_text (self, source->command);
    command->n_parameters = source->parameter_count;
    command->parameters = sb_encode_parameters (self, source->parameters, source->parameter_count);
    command->issuer = sb_encoder_text (self, source->issuer);
    command->reason = sb_encoder_text (self, source->reason);
    command->timeout_ms = source->timeout_ms;
    command->operator_revision = source->operator_revision;
    command->latch_epoch = source->latch_epoch;
    return command;
}

static void s_encode_body (sb_encoder_t *self, const sb_broker_message_t *source, Syncbus__V1__BrokerMessage *message)
{
    switch (source->kind) {
    case SB_BROKER_MESSAGE_WELCOME:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_WELCOME;
        message->welcome = s_encode_welcome (self, &source->welcome);
        return;
    case SB_BROKER_MESSAGE_REFUSAL:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_REFUSAL;
        message->refusal = s_encode_refusal (self, &source->refusal);
        return;
    case SB_BROKER_MESSAGE_ACK:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_ACK;
        message->ack = s_encode_ack (self, &source->ack);
        return;
    case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_HEARTBEAT_ACK;
        message->heartbeat_ack = s_encode_heartbeat_ack (self, &source->heartbeat_ack);
        return;
    case SB_BROKER_MESSAGE_COMMAND:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_COMMAND;
        message->command = s_encode_agent_command (self, &source->command);
        return;
    case SB_BROKER_MESSAGE_COMMAND_REPLY:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_COMMAND_REPLY;
        message->command_reply = sb_encode_reply (self, &source->command_reply);
        return;
    case SB_BROKER_MESSAGE_GOODBYE:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_GOODBYE;
        message->goodbye = sb_encode_goodbye (self, &source->goodbye);
        return;
    case SB_BROKER_MESSAGE_SNAPSHOT_CHUNK:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_CHUNK;
        message->snapshot_chunk = sb_encode_snapshot_chunk (self, &source->snapshot_chunk);
        return;
    case SB_BROKER_MESSAGE_SNAPSHOT_END:
        message->body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_END;
        message->snapshot_end = sb_encode_snapshot_end (self, &source->snapshot_end);
        return;
    }
    assert (false && "a broker message has a kind");
}

size_t sb_protobuf_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message,
                                          sb_encoding_t **encoding)
{
    sb_encoder_t encoder = {.arena = arena};
    Syncbus__V1__BrokerMessage *target = sb_encoder_take (&encoder, 1, sizeof *target);
    if (target) {
        syncbus__v1__broker_message__init (target);
        s_encode_body (&encoder, message, target);
    }
    return sb_encoder_finish (&encoder, (ProtobufCMessage *)target, NULL, encoding);
}

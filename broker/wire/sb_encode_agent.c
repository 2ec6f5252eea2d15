/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding AgentMessage: what an agent sends. One writer for each message of
 * the schema and one switch over the bodies; see sb_encode.c for how.
 */
#include "sb_codec_private.h"

#include <assert.h>

static Syncbus__V1__Registration *s_encode_registration (sb_encoder_t *self, const sb_registration_t *source)
{
    Syncbus__V1__Registration *registration = sb_encoder_take (self, 1, sizeof *registration);
    if (!registration)
        return NULL;
    syncbus__v1__registration__init (registration);
    registration->protocol = source->protocol;
    registration->agent_id = sb_encoder_text (self, source->agent_id);
    registration->instance_id = source->instance_id;
    registration->next_sequence = source->next_sequence;
    registration->n_interests = source->interest_count;
    registration->interests = sb_encoder_texts (self, source->interests, source->interest_count);
    registration->n_publishes = source->publish_count;
    registration->publishes = sb_encoder_texts (self, source->publishes, source->publish_count);
    registration->heartbeat_interval_ms = source->heartbeat_interval_ms;
    void **pointers;
    Syncbus__V1__Label *labels = sb_encoder_children (self, source->label_count, sizeof *labels, &pointers);
    for (uint32_t i = 0; labels && i < source->label_count; i++) {
        syncbus__v1__label__init (&labels[i]);
        labels[i].name = sb_encoder_text (self, source->labels[i].name);
        labels[i].value = sb_encoder_text (self, source->labels[i].value);
    }
    registration->n_labels = source->label_count;
    registration->labels = (Syncbus__V1__Label **)pointers;
    return registration;
}

static Syncbus__V1__Delta **s_encode_deltas (sb_encoder_t *self, const sb_delta_t *source, uint32_t count)
{
    void **pointers;
    Syncbus__V1__Delta *deltas = sb_encoder_children (self, count, sizeof *deltas, &pointers);
    for (uint32_t i = 0; deltas && i < count; i++) {
        syncbus__v1__delta__init (&deltas[i]);
        deltas[i].sequence = source[i].update.sequence;
        deltas[i].event_unix_ns = source[i].update.event_unix_ns;
        deltas[i].origin_unix_ns = source[i].update.origin_unix_ns;
        deltas[i].category = sb_encoder_text (self, source[i].category);
        deltas[i].subject = sb_encoder_text (self, source[i].subject);
        deltas[i].time_to_live_ms = source[i].time_to_live_ms;
        deltas[i].n_changes = source[i].update.change_count;
        deltas[i].changes = sb_encode_changes (self, source[i].update.changes, source[i].update.change_count);
    }
    return (Syncbus__V1__Delta **)pointers;
}

/* One delta goes as it is, several as a batch. */
static void s_encode_batch (sb_encoder_t *self, const sb_batch_t *source, Syncbus__V1__AgentMessage *message)
{
    Syncbus__V1__Delta **deltas = s_encode_deltas (self, source->deltas, source->delta_count);
    if (!deltas)
        return;
    if (source->delta_count == 1) {
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_DELTA;
        message->delta = deltas[0];
        return;
    }
    Syncbus__V1__DeltaBatch *batch = sb_encoder_take (self, 1, sizeof *batch);
    if (!batch)
        return;
    syncbus__v1__delta_batch__init (batch);
    batch->n_deltas = source->delta_count;
    batch->deltas = deltas;
    message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_BATCH;
    message->batch = batch;
}

static Syncbus__V1__InterestSeen **s_encode_seen (sb_encoder_t *self, const sb_interest_position_t *source,
                                                  uint32_t count)
{
    void **pointers;
    Syncbus__V1__InterestSeen *seen = sb_encoder_children (self, count, sizeof *seen, &pointers);
    for (uint32_t i = 0; seen && i < count; i++) {
        syncbus__v1__interest_seen__init (&seen[i]);
        seen[i].interest = sb_encoder_text (self, source[i].interest);
        seen[i].sequence = source[i].sequence;
        seen[i].category_sequence = source[i].category_sequence;
    }
    return (Syncbus__V1__InterestSeen **)pointers;
}

static Syncbus__V1__Heartbeat *s_encode_heartbeat (sb_encoder_t *self, const sb_heartbeat_t *source)
{
    Syncbus__V1__Heartbeat *heartbeat = sb_encoder_take (self, 1, sizeof *heartbeat);
    if (!heartbeat)
        return NULL;
    syncbus__v1__heartbeat__init (heartbeat);
    heartbeat->received = source->received;
    heartbeat->processed = source->processed;
    heartbeat->failed = source->failed;
    heartbeat->dropped = source->dropped;
    heartbeat->n_seen = source->seen_count;
    heartbeat->seen = s_encode_seen (self, source->seen, source->seen_count);
    heartbeat->queue_depth = source->queue_depth;
    heartbeat->processing_count = source->processing_count;
    heartbeat->processing_sum_ns = source->processing_sum_ns;
    heartbeat->processing_max_ns = source->processing_max_ns;
    heartbeat->processing_p99_ns = source->processing_p99_ns;
    heartbeat->progress = source->progress;
    heartbeat->operator_revision = source->operator_revision;
    heartbeat->latch_epoch = source->latch_epoch;
    heartbeat->paused = source->paused;
    heartbeat->self_paused = source->self_paused;
    heartbeat->decided_through = source->decided_through;
    heartbeat->n_delivery_buckets = source->delivery_bucket_count;
    heartbeat->delivery_buckets = (uint64_t *)source->delivery_buckets;
    heartbeat->stopped_deliveries = source->stopped_deliveries;
    return heartbeat;
}

static Syncbus__V1__ReplaceBegin *s_encode_replace_begin (sb_encoder_t *self, const sb_replace_mark_t *source)
{
    Syncbus__V1__ReplaceBegin *begin = sb_encoder_take (self, 1, sizeof *begin);
    if (!begin)
        return NULL;
    syncbus__v1__replace_begin__init (begin);
    begin->sequence = source->sequence;
    return begin;
}

static Syncbus__V1__ReplaceChunk *s_encode_replace_chunk (sb_encoder_t *self, const sb_replace_chunk_t *source)
{
    Syncbus__V1__ReplaceChunk *chunk = sb_encoder_take (self, 1, sizeof *chunk);
    if (!chunk)
        return NULL;
    syncbus__v1__replace_chunk__init (chunk);
    chunk->sequence = source->sequence;
    chunk->n_topics = source->topic_count;
    chunk->topics = s_encode_deltas (self, source->topics, source->topic_count);
    return chunk;
}

static Syncbus__V1__ReplaceEnd *s_encode_replace_end (sb_encoder_t *self, const sb_replace_mark_t *source)
{
    Syncbus__V1__ReplaceEnd *end = sb_encoder_take (self, 1, sizeof *end);
    if (!end)
        return NULL;
    syncbus__v1__replace_end__init (end);
    end->sequence = source->sequence;
    end->chunk_count = source->chunk_count;
    return end;
}

static Syncbus__V1__CommandResult *s_encode_command_result (sb_encoder_t *self, const sb_command_result_t *source)
{
    Syncbus__V1__CommandResult *result = sb_encoder_take (self, 1, sizeof *result);
    if (!result)
        return NULL;
    syncbus__v1__command_result__init (result);
    result->command_id = sb_encoder_text (self, source->command_id);
    result->code = (Syncbus__V1__Reason)source->code;
    result->message = sb_encoder_text (self, source->message);
    result->n_values = source->value_count;
    result->values = sb_encode_parameters (self, source->values, source->value_count);
    return result;
}

static Syncbus__V1__SnapshotRequest *s_encode_snapshot_request (sb_encoder_t *self, const sb_snapshot_request_t *source)
{
    Syncbus__V1__SnapshotRequest *request = sb_encoder_take (self, 1, sizeof *request);
    if (!request)
        return NULL;
    syncbus__v1__snapshot_request__init (request);
    request->snapshot_id = source->snapshot_id;
    request->n_interests = source->interest_count;
    request->interests = sb_encoder_texts (self, source->interests, source->interest_count);
    request->credit = source->credit;
    return request;
}

static Syncbus__V1__SnapshotCredit *s_encode_snapshot_credit (sb_encoder_t *self, const sb_snapshot_credit_t *source)
{
    Syncbus__V1__SnapshotCredit *credit = sb_encoder_take (self, 1, sizeof *credit);
    if (!credit)
        return NULL;
    syncbus__v1__snapshot_credit__init (credit);
    credit->snapshot_id = source->snapshot_id;
    credit->credit = source->credit;
    return credit;
}

static void s_encode_body (sb_encoder_t *self, const sb_agent_message_t *source, Syncbus__V1__AgentMessage *message)
{
    switch (source->kind) {
    case SB_AGENT_MESSAGE_REGISTRATION:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_REGISTRATION;
        message->registration = s_encode_registration (self, &source->registration);
        return;
    case SB_AGENT_MESSAGE_BATCH:
        s_encode_batch (self, &source->batch, message);
        return;
    case SB_AGENT_MESSAGE_HEARTBEAT:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_HEARTBEAT;
        message->heartbeat = s_encode_heartbeat (self, &source->heartbeat);
        return;
    case SB_AGENT_MESSAGE_GOODBYE:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_GOODBYE;
        message->goodbye = sb_encode_goodbye (self, &source->goodbye);
        return;
    case SB_AGENT_MESSAGE_REPLACE_BEGIN:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_BEGIN;
        message->replace_begin = s_encode_replace_begin (self, &source->replace_begin);
        return;
    case SB_AGENT_MESSAGE_REPLACE_CHUNK:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_CHUNK;
        message->replace_chunk = s_encode_replace_chunk (self, &source->replace_chunk);
        return;
    case SB_AGENT_MESSAGE_REPLACE_END:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_END;
        message->replace_end = s_encode_replace_end (self, &source->replace_end);
        return;
    case SB_AGENT_MESSAGE_COMMAND_RESULT:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_COMMAND_RESULT;
        message->command_result = s_encode_command_result (self, &source->command_result);
        return;
    case SB_AGENT_MESSAGE_COMMAND:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_COMMAND;
        message->command = sb_encode_request (self, &source->command);
        return;
    case SB_AGENT_MESSAGE_SNAPSHOT_REQUEST:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_SNAPSHOT_REQUEST;
        message->snapshot_request = s_encode_snapshot_request (self, &source->snapshot_request);
        return;
    case SB_AGENT_MESSAGE_SNAPSHOT_CREDIT:
        message->body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_SNAPSHOT_CREDIT;
        message->snapshot_credit = s_encode_snapshot_credit (self, &source->snapshot_credit);
        return;
    }
    assert (false && "an agent message has a kind");
}

size_t sb_protobuf_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message, sb_encoding_t **encoding)
{
    sb_encoder_t encoder = {.arena = arena};
    Syncbus__V1__AgentMessage *target = sb_encoder_take (&encoder, 1, sizeof *target);
    if (target) {
        syncbus__v1__agent_message__init (target);
        s_encode_body (&encoder, message, target);
    }
    return sb_encoder_finish (&encoder, (ProtobufCMessage *)target, NULL, encoding);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding what an agent or a person sends: AgentMessage and CommandRequest.
 *
 * One reader for each message of the schema, and one switch over the bodies.
 * Syntax of ids and limits that the configuration sets are judged by the core,
 * which has a reason for each; here only what would make the structs untrue.
 */
#include "sb_codec_private.h"

#include "sb_histogram.h"

#include <string.h>

static const sb_label_t *s_decode_labels (sb_decoder_t *self, Syncbus__V1__Label **source, size_t count,
                                          uint32_t *label_count)
{
    sb_label_t *labels = sb_decoder_take (self, count, sizeof *labels);
    *label_count = labels ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *label_count; i++) {
        labels[i].name = sb_decoder_text (self, source[i]->name);
        labels[i].value = sb_decoder_text (self, source[i]->value);
    }
    return labels;
}

static void s_decode_registration (sb_decoder_t *self, const Syncbus__V1__Registration *source,
                                   sb_registration_t *registration)
{
    registration->protocol = source->protocol;
    registration->agent_id = sb_decoder_text (self, source->agent_id);
    registration->instance_id = source->instance_id;
    registration->next_sequence = source->next_sequence;
    registration->interests =
        sb_decoder_texts (self, source->interests, source->n_interests, &registration->interest_count);
    registration->publishes =
        sb_decoder_texts (self, source->publishes, source->n_publishes, &registration->publish_count);
    registration->heartbeat_interval_ms = source->heartbeat_interval_ms;
    registration->labels = s_decode_labels (self, source->labels, source->n_labels, &registration->label_count);
}

static const sb_delta_t *s_decode_deltas (sb_decoder_t *self, Syncbus__V1__Delta **source, size_t count,
                                          bool is_whole_state, uint32_t *delta_count)
{
    if (count > SB_CHANGES_MAX) {
        sb_decoder_fail (self, is_whole_state ? "a chunk has at most 1024 topics" : "a batch has at most 1024 deltas");
        return NULL;
    }
    sb_delta_t *deltas = sb_decoder_take (self, count, sizeof *deltas);
    *delta_count = deltas ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *delta_count; i++)
        sb_decode_delta (self, source[i], is_whole_state, &deltas[i]);
    return deltas;
}

static void s_decode_batch (sb_decoder_t *self, const Syncbus__V1__DeltaBatch *source, sb_batch_t *batch)
{
    if (source->n_deltas == 0)
        sb_decoder_fail (self, "a batch has at least one delta");
    batch->deltas = s_decode_deltas (self, source->deltas, source->n_deltas, false, &batch->delta_count);
}

static void s_decode_heartbeat (sb_decoder_t *self, const Syncbus__V1__Heartbeat *source, sb_heartbeat_t *heartbeat)
{
    if (source->n_delivery_buckets > SB_HISTOGRAM_BUCKETS) {
        sb_decoder_fail (self, "delivery_buckets has at most 110 buckets");
        return;
    }
    *heartbeat = (sb_heartbeat_t){
        .received = source->received,
        .processed = source->processed,
        .failed = source->failed,
        .dropped = source->dropped,
        .queue_depth = source->queue_depth,
        .processing_count = source->processing_count,
        .processing_sum_ns = source->processing_sum_ns,
        .processing_max_ns = source->processing_max_ns,
        .processing_p99_ns = source->processing_p99_ns,
        .progress = source->progress,
        .operator_revision = source->operator_revision,
        .latch_epoch = source->latch_epoch,
        .paused = source->paused != 0,
        .self_paused = source->self_paused != 0,
        .decided_through = source->decided_through,
        .delivery_buckets = source->delivery_buckets,
        .delivery_bucket_count = (uint32_t)source->n_delivery_buckets,
        .stopped_deliveries = source->stopped_deliveries,
    };
    sb_interest_position_t *seen = sb_decoder_take (self, source->n_seen, sizeof *seen);
    heartbeat->seen = seen;
    heartbeat->seen_count = seen ? (uint32_t)source->n_seen : 0;
    for (uint32_t i = 0; i < heartbeat->seen_count; i++) {
        seen[i].interest = sb_decoder_text (self, source->seen[i]->interest);
        seen[i].sequence = source->seen[i]->sequence;
        seen[i].category_sequence = source->seen[i]->category_sequence;
    }
}

static void s_decode_command_result (sb_decoder_t *self, const Syncbus__V1__CommandResult *source,
                                     sb_command_result_t *result)
{
    result->command_id = sb_decoder_text (self, source->command_id);
    result->code = sb_decode_reason (self, (int)source->code);
    result->message = sb_decoder_text (self, source->message);
    result->values = sb_decode_parameters (self, source->values, source->n_values, &result->value_count);
}

void sb_decode_request (sb_decoder_t *self, const Syncbus__V1__CommandRequest *source, sb_command_request_t *request)
{
    request->command_id = sb_decoder_text (self, source->command_id);
    request->command = sb_decoder_text (self, source->command);
    request->agent_id = sb_decoder_text (self, source->agent_id);
    request->parameters =
        sb_decode_parameters (self, source->parameters, source->n_parameters, &request->parameter_count);
    request->reason = sb_decoder_text (self, source->reason);
    request->issuer = sb_decoder_text (self, source->issuer);
    request->issued_unix_ns = source->issued_unix_ns;
    request->timeout_ms = source->timeout_ms;
    request->protocol = source->protocol;
}

/* How many interests there may be, and what they look like, is judged by the core, which answers with SnapshotEnd. */
static void s_decode_snapshot_request (sb_decoder_t *self, const Syncbus__V1__SnapshotRequest *source,
                                       sb_snapshot_request_t *request)
{
    request->snapshot_id = sb_decode_snapshot_id (self, source->snapshot_id);
    request->interests = sb_decoder_texts (self, source->interests, source->n_interests, &request->interest_count);
    request->credit = source->credit;
    if (source->credit == 0 || source->credit > SB_SNAPSHOT_CREDIT_MAX)
        sb_decoder_fail (self, "the credit of a SnapshotRequest is 1 to 64");
}

static void s_decode_snapshot_credit (sb_decoder_t *self, const Syncbus__V1__SnapshotCredit *source,
                                      sb_snapshot_credit_t *credit)
{
    credit->snapshot_id = sb_decode_snapshot_id (self, source->snapshot_id);
    credit->credit = source->credit;
    if (source->credit > SB_SNAPSHOT_CREDIT_MAX)
        sb_decoder_fail (self, "the credit of a SnapshotCredit is 0 to 64");
}

static void s_decode_body (sb_decoder_t *self, const Syncbus__V1__AgentMessage *source, sb_agent_message_t *message)
{
    switch (source->body_case) {
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_REGISTRATION:
        message->kind = SB_AGENT_MESSAGE_REGISTRATION;
        s_decode_registration (self, source->registration, &message->registration);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_DELTA:
        message->kind = SB_AGENT_MESSAGE_BATCH;
        message->batch.deltas =
            s_decode_deltas (self, (Syncbus__V1__Delta **)&source->delta, 1, false, &message->batch.delta_count);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_BATCH:
        message->kind = SB_AGENT_MESSAGE_BATCH;
        s_decode_batch (self, source->batch, &message->batch);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_HEARTBEAT:
        message->kind = SB_AGENT_MESSAGE_HEARTBEAT;
        s_decode_heartbeat (self, source->heartbeat, &message->heartbeat);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_GOODBYE:
        message->kind = SB_AGENT_MESSAGE_GOODBYE;
        sb_decode_goodbye (self, source->goodbye, &message->goodbye);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_BEGIN:
        message->kind = SB_AGENT_MESSAGE_REPLACE_BEGIN;
        message->replace_begin.sequence = source->replace_begin->sequence;
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_CHUNK:
        message->kind = SB_AGENT_MESSAGE_REPLACE_CHUNK;
        message->replace_chunk.sequence = source->replace_chunk->sequence;
        message->replace_chunk.topics =
            s_decode_deltas (self, source->replace_chunk->topics, source->replace_chunk->n_topics, true,
                             &message->replace_chunk.topic_count);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_END:
        message->kind = SB_AGENT_MESSAGE_REPLACE_END;
        message->replace_end.sequence = source->replace_end->sequence;
        message->replace_end.chunk_count = source->replace_end->chunk_count;
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_COMMAND_RESULT:
        message->kind = SB_AGENT_MESSAGE_COMMAND_RESULT;
        s_decode_command_result (self, source->command_result, &message->command_result);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_COMMAND:
        message->kind = SB_AGENT_MESSAGE_COMMAND;
        sb_decode_request (self, source->command, &message->command);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_SNAPSHOT_REQUEST:
        message->kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST;
        s_decode_snapshot_request (self, source->snapshot_request, &message->snapshot_request);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_SNAPSHOT_CREDIT:
        message->kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT;
        s_decode_snapshot_credit (self, source->snapshot_credit, &message->snapshot_credit);
        break;
    default:
        sb_decoder_fail (self, "an AgentMessage without a body of a known kind");
    }
}

sb_fault_t sb_protobuf_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                             sb_agent_message_t *message)
{
    sb_decoder_t decoder = {.arena = arena};
    memset (message, 0, sizeof *message);
    const Syncbus__V1__AgentMessage *source =
        sb_decoder_unpack (&decoder, &syncbus__v1__agent_message__descriptor, data, size, max_bytes);
    if (source)
        s_decode_body (&decoder, source, message);
    if (decoder.fault.reason != SB_REASON_NONE)
        memset (message, 0, sizeof *message);
    return decoder.fault;
}

sb_fault_t sb_decode_command_request (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                      sb_command_request_t *request)
{
    sb_decoder_t decoder = {.arena = arena};
    memset (request, 0, sizeof *request);
    if (size == 0)
        sb_decoder_fail (&decoder, "an empty frame");
    const Syncbus__V1__CommandRequest *source =
        sb_decoder_unpack (&decoder, &syncbus__v1__command_request__descriptor, data, size, max_bytes);
    if (source)
        sb_decode_request (&decoder, source, request);
    if (decoder.fault.reason != SB_REASON_NONE)
        memset (request, 0, sizeof *request);
    return decoder.fault;
}

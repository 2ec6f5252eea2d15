/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding requests and replies of the command endpoint, which also travel
 * inside AgentMessage and BrokerMessage. One writer for each message of the
 * schema; see sb_encode.c for how.
 */
#include "sb_codec_private.h"

Syncbus__V1__CommandRequest *sb_encode_request (sb_encoder_t *self, const sb_command_request_t *source)
{
    Syncbus__V1__CommandRequest *request = sb_encoder_take (self, 1, sizeof *request);
    if (!request)
        return NULL;
    syncbus__v1__command_request__init (request);
    request->command_id = sb_encoder_text (self, source->command_id);
    request->command = sb_encoder_text (self, source->command);
    request->agent_id = sb_encoder_text (self, source->agent_id);
    request->n_parameters = source->parameter_count;
    request->parameters = sb_encode_parameters (self, source->parameters, source->parameter_count);
    request->reason = sb_encoder_text (self, source->reason);
    request->issuer = sb_encoder_text (self, source->issuer);
    request->issued_unix_ns = source->issued_unix_ns;
    request->timeout_ms = source->timeout_ms;
    request->protocol = source->protocol;
    return request;
}

static Syncbus__V1__Record **s_encode_records (sb_encoder_t *self, const sb_record_t *source, uint32_t count)
{
    void **pointers;
    Syncbus__V1__Record *records = sb_encoder_children (self, count, sizeof *records, &pointers);
    for (uint32_t i = 0; records && i < count; i++) {
        syncbus__v1__record__init (&records[i]);
        records[i].n_columns = source[i].column_count;
        records[i].columns = sb_encode_parameters (self, source[i].columns, source[i].column_count);
    }
    return (Syncbus__V1__Record **)pointers;
}

/* A field and its value, side by side. */
typedef struct {
    Syncbus__V1__StateField field;
    Syncbus__V1__Value value;
} sb_encoded_field_t;

static Syncbus__V1__StateField **s_encode_fields (sb_encoder_t *self, const sb_state_field_t *source, uint32_t count)
{
    void **pointers;
    sb_encoded_field_t *fields = sb_encoder_children (self, count, sizeof *fields, &pointers);
    for (uint32_t i = 0; fields && i < count; i++) {
        Syncbus__V1__StateField *field = &fields[i].field;
        syncbus__v1__state_field__init (field);
        field->topic = sb_encoder_text (self, source[i].topic);
        field->name = sb_encoder_text (self, source[i].name);
        sb_encode_value (self, &source[i].value, &fields[i].value);
        field->value = &fields[i].value;
        field->sequence = source[i].sequence;
        field->changed_unix_ns = source[i].changed_unix_ns;
        field->quality = (Syncbus__V1__Quality)source[i].quality;
    }
    return (Syncbus__V1__StateField **)pointers;
}

/* An entry of history and its publication, side by side. */
typedef struct {
    Syncbus__V1__HistoryEntry entry;
    Syncbus__V1__Publication publication;
} sb_encoded_entry_t;

static Syncbus__V1__HistoryEntry **s_encode_entries (sb_encoder_t *self, const sb_publication_t *const *source,
                                                     uint32_t count)
{
    void **pointers;
    sb_encoded_entry_t *entries = sb_encoder_children (self, count, sizeof *entries, &pointers);
    for (uint32_t i = 0; entries && i < count; i++) {
        syncbus__v1__history_entry__init (&entries[i].entry);
        entries[i].entry.topic = sb_encoder_text (self, source[i]->topic);
        sb_encode_publication_body (self, source[i], &entries[i].publication);
        entries[i].entry.publication = &entries[i].publication;
    }
    return (Syncbus__V1__HistoryEntry **)pointers;
}

Syncbus__V1__CommandReply *sb_encode_reply (sb_encoder_t *self, const sb_command_reply_t *source)
{
    Syncbus__V1__CommandReply *reply = sb_encoder_take (self, 1, sizeof *reply);
    if (!reply)
        return NULL;
    syncbus__v1__command_reply__init (reply);
    reply->command_id = sb_encoder_text (self, source->command_id);
    reply->code = (Syncbus__V1__Reason)source->code;
    reply->message = sb_encoder_text (self, source->message);
    reply->n_records = source->record_count;
    reply->records = s_encode_records (self, source->records, source->record_count);
    reply->n_fields = source->field_count;
    reply->fields = s_encode_fields (self, source->fields, source->field_count);
    reply->n_publications = source->publication_count;
    reply->publications = s_encode_entries (self, source->publications, source->publication_count);
    reply->next_cursor = sb_encoder_text (self, source->next_cursor);
    reply->sequence = source->sequence;
    reply->stream_id = source->stream_id;
    reply->epoch = source->epoch;
    return reply;
}

size_t sb_encode_command_request (sb_arena_t *arena, const sb_command_request_t *request, sb_encoding_t **encoding)
{
    sb_encoder_t encoder = {.arena = arena};
    Syncbus__V1__CommandRequest *message = sb_encode_request (&encoder, request);
    return sb_encoder_finish (&encoder, (ProtobufCMessage *)message, NULL, encoding);
}

size_t sb_encode_command_reply (sb_arena_t *arena, const sb_command_reply_t *reply, sb_encoding_t **encoding)
{
    sb_encoder_t encoder = {.arena = arena};
    Syncbus__V1__CommandReply *message = sb_encode_reply (&encoder, reply);
    return sb_encoder_finish (&encoder, (ProtobufCMessage *)message, NULL, encoding);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding publications, and the replies to commands that carry them.
 *
 * A frame of the PUB socket is split at its first NUL, which no topic contains;
 * the topic is copied, so that it outlives the frame and ends in a NUL.
 */
#include "sb_codec_private.h"

#include <string.h>

/* ------------------------------------------------------------------ publications */

/* What a broker publishes was checked when it came in, so that anything wrong is a broken frame, except a kind of
 * change or value that this version does not know. */
static void s_decode_change (sb_decoder_t *self, const Syncbus__V1__Change *source, sb_change_t *change)
{
    change->name = sb_decoder_text (self, source->name);
    change->is_delete = source->kind_case == SYNCBUS__V1__CHANGE__KIND_DELETE;
    if (source->kind_case != SYNCBUS__V1__CHANGE__KIND_VALUE)
        return;
    sb_reason_t reason = sb_decode_value (source->value, &change->value);
    if (reason != SB_REASON_NONE && reason != SB_REASON_NO_VALUE)
        sb_decoder_fail (self, "a publication with a value that no agent may write");
}

static void s_decode_update (sb_decoder_t *self, const Syncbus__V1__Update *source, sb_update_t *update)
{
    update->sequence = source->sequence;
    update->event_unix_ns = source->event_unix_ns;
    update->origin_unix_ns = source->origin_unix_ns;
    update->publication_sequence = source->publication_sequence;
    sb_change_t *changes = sb_decoder_take (self, source->n_changes, sizeof *changes);
    update->changes = changes;
    update->change_count = changes ? (uint32_t)source->n_changes : 0;
    for (uint32_t i = 0; i < update->change_count; i++)
        s_decode_change (self, source->changes[i], &changes[i]);
}

void sb_decode_publication_body (sb_decoder_t *self, const Syncbus__V1__Publication *source,
                                 sb_publication_t *publication)
{
    publication->stream_id = source->stream_id;
    publication->epoch = source->epoch;
    publication->sequence = source->sequence;
    publication->category_sequence = source->category_sequence;
    publication->topic_sequence = source->topic_sequence;
    publication->agent_id = sb_decoder_text (self, source->agent_id);
    publication->broker_unix_ns = source->broker_unix_ns;
    publication->quality = sb_decode_quality (self, (int)source->quality);
    publication->cause = sb_decode_cause (self, (int)source->cause);
    publication->first_topic_sequence = source->first_topic_sequence;
    publication->agent_sequence = source->agent_sequence;
    publication->conflated_sequence = source->conflated_sequence;
    if (source->first_topic_sequence > source->topic_sequence)
        sb_decoder_fail (self, "first_topic_sequence is beyond topic_sequence");
    sb_update_t *updates = sb_decoder_take (self, source->n_updates, sizeof *updates);
    publication->updates = updates;
    publication->update_count = updates ? (uint32_t)source->n_updates : 0;
    for (uint32_t i = 0; i < publication->update_count; i++)
        s_decode_update (self, source->updates[i], &updates[i]);
}

/* Copies the frame's topic and reads what follows its NUL. */
static void s_decode_frame (sb_decoder_t *self, const char *frame, size_t size, size_t max_bytes,
                            sb_publication_t *publication)
{
    const char *end = size ? memchr (frame, 0, size) : NULL;
    if (!end) {
        sb_decoder_fail (self, "a publication's frame is topic, NUL, Publication: there is no NUL");
        return;
    }
    size_t topic_size = (size_t)(end - frame);
    char *copy = sb_decoder_take (self, topic_size + 1, 1);
    if (!copy)
        return;
    memcpy (copy, frame, topic_size);
    publication->topic = sb_decode_frame_topic (self, (sb_text_t){copy, (uint32_t)topic_size});
    const Syncbus__V1__Publication *source =
        sb_decoder_unpack (self, &syncbus__v1__publication__descriptor, end + 1, size - topic_size - 1, max_bytes);
    if (source)
        sb_decode_publication_body (self, source, publication);
}

sb_fault_t sb_protobuf_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                           sb_publication_t *publication)
{
    sb_decoder_t decoder = {.arena = arena};
    memset (publication, 0, sizeof *publication);
    if (size > max_bytes) {
        decoder.fault.reason = SB_REASON_TOO_LARGE;
        decoder.fault.text = sb_text ("the frame is larger than the limit");
    } else
        s_decode_frame (&decoder, frame, size, max_bytes, publication);
    if (decoder.fault.reason != SB_REASON_NONE)
        memset (publication, 0, sizeof *publication);
    return decoder.fault;
}

/* ------------------------------------------------------------------ replies */

static const sb_record_t *s_decode_records (sb_decoder_t *self, Syncbus__V1__Record **source, size_t count,
                                            uint32_t *record_count)
{
    sb_record_t *records = sb_decoder_take (self, count, sizeof *records);
    *record_count = records ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *record_count; i++)
        records[i].columns =
            sb_decode_parameters (self, source[i]->columns, source[i]->n_columns, &records[i].column_count);
    return records;
}

static const sb_state_field_t *s_decode_fields (sb_decoder_t *self, Syncbus__V1__StateField **source, size_t count,
                                                uint32_t *field_count)
{
    sb_state_field_t *fields = sb_decoder_take (self, count, sizeof *fields);
    *field_count = fields ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *field_count; i++) {
        fields[i].topic = sb_decode_topic (self, sb_decoder_raw_text (source[i]->topic));
        fields[i].name = sb_decoder_text (self, source[i]->name);
        sb_reason_t reason = sb_decode_value (source[i]->value, &fields[i].value);
        if (reason != SB_REASON_NONE && reason != SB_REASON_NO_VALUE)
            sb_decoder_fail (self, "a field with a value that no agent may write");
        fields[i].sequence = source[i]->sequence;
        fields[i].changed_unix_ns = source[i]->changed_unix_ns;
        fields[i].quality = sb_decode_quality (self, (int)source[i]->quality);
    }
    return fields;
}

static const sb_publication_t *const *s_decode_entries (sb_decoder_t *self, Syncbus__V1__HistoryEntry **source,
                                                        size_t count, uint32_t *publication_count)
{
    const sb_publication_t **publications = sb_decoder_take (self, count, sizeof *publications);
    sb_publication_t *bodies = sb_decoder_take (self, count, sizeof *bodies);
    *publication_count = publications && bodies ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *publication_count; i++) {
        publications[i] = &bodies[i];
        bodies[i].topic = sb_decode_topic (self, sb_decoder_raw_text (source[i]->topic));
        if (source[i]->publication)
            sb_decode_publication_body (self, source[i]->publication, &bodies[i]);
        else
            sb_decoder_fail (self, "an entry of history without its publication");
    }
    return publications;
}

void sb_decode_reply (sb_decoder_t *self, const Syncbus__V1__CommandReply *source, sb_command_reply_t *reply)
{
    reply->command_id = sb_decoder_text (self, source->command_id);
    reply->code = sb_decode_reason (self, (int)source->code);
    reply->message = sb_decoder_text (self, source->message);
    reply->records = s_decode_records (self, source->records, source->n_records, &reply->record_count);
    reply->fields = s_decode_fields (self, source->fields, source->n_fields, &reply->field_count);
    reply->publications =
        s_decode_entries (self, source->publications, source->n_publications, &reply->publication_count);
    reply->next_cursor = sb_decoder_text (self, source->next_cursor);
    reply->sequence = source->sequence;
    reply->stream_id = source->stream_id;
    reply->epoch = source->epoch;
}

sb_fault_t sb_decode_command_reply (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_command_reply_t *reply)
{
    sb_decoder_t decoder = {.arena = arena};
    memset (reply, 0, sizeof *reply);
    if (size == 0)
        sb_decoder_fail (&decoder, "an empty frame");
    const Syncbus__V1__CommandReply *source =
        sb_decoder_unpack (&decoder, &syncbus__v1__command_reply__descriptor, data, size, max_bytes);
    if (source)
        sb_decode_reply (&decoder, source, reply);
    if (decoder.fault.reason != SB_REASON_NONE)
        memset (reply, 0, sizeof *reply);
    return decoder.fault;
}

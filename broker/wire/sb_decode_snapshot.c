/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding snapshots: SnapshotChunk and SnapshotEnd.
 *
 * A chunk's checksum is compared before its body is read, so that octets which were changed on the way are called that
 * and not something else. A value that this version does not know is refused here, unlike in a publication: a snapshot
 * is judged by its hash, which such a value has no part in.
 */
#include "sb_codec_private.h"

#include <zlib.h>

static void s_decode_field (sb_decoder_t *self, const Syncbus__V1__SnapshotField *source, sb_snapshot_field_t *field)
{
    field->name = sb_decoder_raw_text (source->name);
    if (!sb_name_is_field (field->name))
        sb_decoder_fail (self, "a snapshot's field has a name that no field can have");
    if (sb_decode_value (source->value, &field->value) != SB_REASON_NONE)
        sb_decoder_fail (self, "a snapshot's field has no value, or one that no agent may write");
    field->sequence = source->sequence;
    field->changed_unix_ns = source->changed_unix_ns;
}

static void s_decode_topic (sb_decoder_t *self, const Syncbus__V1__SnapshotTopic *source, sb_snapshot_topic_t *topic)
{
    topic->topic = sb_decode_topic (self, sb_decoder_raw_text (source->topic));
    topic->sequence = source->sequence;
    topic->category_sequence = source->category_sequence;
    topic->topic_sequence = source->topic_sequence;
    topic->quality = sb_decode_quality (self, (int)source->quality);
    topic->cause = sb_decode_cause (self, (int)source->cause);
    sb_snapshot_field_t *fields = sb_decoder_take (self, source->n_fields, sizeof *fields);
    topic->fields = fields;
    topic->field_count = fields ? (uint32_t)source->n_fields : 0;
    for (uint32_t i = 0; i < topic->field_count; i++)
        s_decode_field (self, source->fields[i], &fields[i]);
}

void sb_decode_snapshot_chunk (sb_decoder_t *self, const Syncbus__V1__SnapshotChunk *source, sb_snapshot_chunk_t *chunk)
{
    chunk->snapshot_id = sb_decode_snapshot_id (self, source->snapshot_id);
    chunk->number = source->number;
    if (source->number == 0)
        sb_decoder_fail (self, "a chunk's number is at least 1");
    if ((uint32_t)crc32_z (0, source->body.data, source->body.len) != source->checksum)
        sb_decoder_fail (self, "a chunk's checksum is not that of its body");
    if (self->fault.reason != SB_REASON_NONE)
        return;
    const Syncbus__V1__SnapshotTopics *body = sb_decoder_unpack (self, &syncbus__v1__snapshot_topics__descriptor,
                                                                 source->body.data, source->body.len, source->body.len);
    if (!body)
        return;
    sb_snapshot_topic_t *topics = sb_decoder_take (self, body->n_topics, sizeof *topics);
    chunk->topics = topics;
    chunk->topic_count = topics ? (uint32_t)body->n_topics : 0;
    for (uint32_t i = 0; i < chunk->topic_count; i++)
        s_decode_topic (self, body->topics[i], &topics[i]);
}

void sb_decode_snapshot_end (sb_decoder_t *self, const Syncbus__V1__SnapshotEnd *source, sb_snapshot_end_t *end)
{
    end->snapshot_id = sb_decode_snapshot_id (self, source->snapshot_id);
    end->code = sb_decode_reason (self, (int)source->code);
    end->text = sb_decoder_text (self, source->text);
    end->chunk_count = source->chunk_count;
    end->field_count = source->field_count;
    end->sequence = source->sequence;
    end->state_hash = source->state_hash;
    end->stream_id = source->stream_id;
    end->epoch = source->epoch;
}

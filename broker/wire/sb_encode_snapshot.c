/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding snapshots: SnapshotChunk and SnapshotEnd.
 *
 * A chunk's topics are a message of their own, packed in the arena first, so that the checksum (zlib's CRC-32) is over
 * exactly the octets that a reader of any language gets as `body`. One copy more than nested submessages would cost;
 * those were rejected because the octets of a nested message are not at hand in most languages.
 */
#include "sb_codec_private.h"

#include <zlib.h>

/* A field and its value, side by side. */
typedef struct {
    Syncbus__V1__SnapshotField field;
    Syncbus__V1__Value value;
} sb_encoded_field_t;

static Syncbus__V1__SnapshotField **s_encode_fields (sb_encoder_t *self, const sb_snapshot_field_t *source,
                                                     uint32_t count)
{
    void **pointers;
    sb_encoded_field_t *fields = sb_encoder_children (self, count, sizeof *fields, &pointers);
    for (uint32_t i = 0; fields && i < count; i++) {
        Syncbus__V1__SnapshotField *field = &fields[i].field;
        syncbus__v1__snapshot_field__init (field);
        field->name = sb_encoder_text (self, source[i].name);
        sb_encode_value (self, &source[i].value, &fields[i].value);
        field->value = &fields[i].value;
        field->sequence = source[i].sequence;
        field->changed_unix_ns = source[i].changed_unix_ns;
    }
    return (Syncbus__V1__SnapshotField **)pointers;
}

static Syncbus__V1__SnapshotTopic **s_encode_topics (sb_encoder_t *self, const sb_snapshot_topic_t *source,
                                                     uint32_t count)
{
    void **pointers;
    Syncbus__V1__SnapshotTopic *topics = sb_encoder_children (self, count, sizeof *topics, &pointers);
    for (uint32_t i = 0; topics && i < count; i++) {
        syncbus__v1__snapshot_topic__init (&topics[i]);
        topics[i].topic = sb_encoder_text (self, source[i].topic);
        topics[i].sequence = source[i].sequence;
        topics[i].category_sequence = source[i].category_sequence;
        topics[i].topic_sequence = source[i].topic_sequence;
        topics[i].quality = (Syncbus__V1__Quality)source[i].quality;
        topics[i].cause = (Syncbus__V1__Cause)source[i].cause;
        topics[i].n_fields = source[i].field_count;
        topics[i].fields = s_encode_fields (self, source[i].fields, source[i].field_count);
    }
    return (Syncbus__V1__SnapshotTopic **)pointers;
}

Syncbus__V1__SnapshotChunk *sb_encode_snapshot_chunk (sb_encoder_t *self, const sb_snapshot_chunk_t *source)
{
    Syncbus__V1__SnapshotChunk *chunk = sb_encoder_take (self, 1, sizeof *chunk);
    Syncbus__V1__SnapshotTopics body;
    syncbus__v1__snapshot_topics__init (&body);
    body.n_topics = source->topic_count;
    body.topics = s_encode_topics (self, source->topics, source->topic_count);
    if (self->is_full)
        return NULL;
    size_t size = syncbus__v1__snapshot_topics__get_packed_size (&body);
    uint8_t *octets = sb_encoder_take (self, size, 1);
    if (self->is_full)
        return NULL;
    if (octets)
        syncbus__v1__snapshot_topics__pack (&body, octets);
    syncbus__v1__snapshot_chunk__init (chunk);
    chunk->snapshot_id = source->snapshot_id;
    chunk->number = source->number;
    chunk->body.data = octets;
    chunk->body.len = size;
    chunk->checksum = (uint32_t)crc32_z (0, octets, size);
    return chunk;
}

Syncbus__V1__SnapshotEnd *sb_encode_snapshot_end (sb_encoder_t *self, const sb_snapshot_end_t *source)
{
    Syncbus__V1__SnapshotEnd *end = sb_encoder_take (self, 1, sizeof *end);
    if (!end)
        return NULL;
    syncbus__v1__snapshot_end__init (end);
    end->snapshot_id = source->snapshot_id;
    end->code = (Syncbus__V1__Reason)source->code;
    end->text = sb_encoder_text (self, source->text);
    end->chunk_count = source->chunk_count;
    end->field_count = source->field_count;
    end->sequence = source->sequence;
    end->state_hash = source->state_hash;
    end->stream_id = source->stream_id;
    end->epoch = source->epoch;
    return end;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding deltas, batches, publications and plain acks without protobuf-c.
 *
 * One pass, backwards: the message is written at the end of the arena's free octets, from its last field to its
 * first, so that each part's size is known when its turn comes. The octets are the same as protobuf-c's. The caller
 * wants the size first and gives the place for the frame then, so they are copied once more; that costs less than a
 * pass that only adds up sizes. Room is asked for once for each change, delta and update.
 *
 * Instructions, protobuf-c before and this now: see docs/ARCHITECTURE.md.
 */
#include "sb_hot.h"

#include "sb_codec_private.h"
#include "sb_hot_write.h"

enum {
    /* Octets that each takes at most besides its texts and children. */
    CHANGE_MAX = 3 * SB_HOT_SIZE + SB_HOT_SIZE + 2 * SB_HOT_NUMBER, /* itself, name, value; a decimal, or a text */
    DELTA_MAX = 4 * SB_HOT_NUMBER + 3 * SB_HOT_SIZE,
    UPDATE_MAX = 4 * SB_HOT_NUMBER + SB_HOT_SIZE,
    PUBLICATION_MAX = 11 * SB_HOT_NUMBER + SB_HOT_SIZE + 1 /* the NUL behind the topic */
};

/* ------------------------------------------------------------------ frames */

/* Opens the arena: the encoding stands at the beginning of its free octets, the frame at their end. NULL: no room. */
static sb_encoding_t *s_begin (sb_hot_writer_t *self, sb_arena_t *arena)
{
    unsigned char *low, *high;
    sb_arena_open (arena, &low, &high);
    if ((size_t)(high - low) < sizeof (sb_encoding_t))
        return NULL;
    self->low = low + sizeof (sb_encoding_t);
    self->at = high;
    return (sb_encoding_t *)low;
}

/* The octets of the frame, which ends at `end`. */
static size_t s_finish (const sb_hot_writer_t *self, sb_arena_t *arena, sb_encoding_t *encoding, const uint8_t *end)
{
    *encoding = (sb_encoding_t){.frame = self->at, .frame_size = (size_t)(end - self->at)};
    sb_arena_close (arena, self->low, self->at);
    return encoding->frame_size;
}

/* ------------------------------------------------------------------ changes */

static inline void s_put_text (sb_hot_writer_t *self, uint8_t tag, sb_text_t text)
{
    if (text.size == 0)
        return;
    sb_hot_put_octets (self, text.data, text.size);
    sb_hot_put_varint (self, text.size);
    sb_hot_put_octet (self, tag);
}

static inline void s_put_value (sb_hot_writer_t *self, const sb_value_t *value)
{
    const uint8_t *end = self->at;
    uint64_t bits;
    switch (value->kind) {
    case SB_VALUE_NONE:
        break;
    case SB_VALUE_NUMBER:
        memcpy (&bits, &value->number, sizeof bits);
        bits = htole64 (bits);
        self->at -= sizeof bits;
        memcpy (self->at, &bits, sizeof bits);
        sb_hot_put_octet (self, SB_HOT_VALUE_NUMBER);
        break;
    case SB_VALUE_INTEGER:
        sb_hot_put_varint (self, sb_hot_to_zigzag (value->integer));
        sb_hot_put_octet (self, SB_HOT_VALUE_INTEGER);
        break;
    case SB_VALUE_DECIMAL:
        sb_hot_put_signed (self, SB_HOT_DECIMAL_EXPONENT, value->decimal.exponent);
        sb_hot_put_signed (self, SB_HOT_DECIMAL_UNSCALED, value->decimal.unscaled);
        sb_hot_put_part (self, SB_HOT_VALUE_DECIMAL, end);
        break;
    case SB_VALUE_BOOLEAN:
        sb_hot_put_octet (self, value->boolean);
        sb_hot_put_octet (self, SB_HOT_VALUE_BOOLEAN);
        break;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        /* Also when empty: that it is set says of which kind the value is. */
        sb_hot_put_octets (self, value->text.data, value->text.size);
        sb_hot_put_part (self, value->kind == SB_VALUE_TEXT ? SB_HOT_VALUE_TEXT : SB_HOT_VALUE_BYTES, end);
        break;
    }
}

static inline bool s_put_change (sb_hot_writer_t *self, const sb_change_t *change, uint8_t tag)
{
    const sb_value_t *value = &change->value;
    bool has_octets = value->kind == SB_VALUE_TEXT || value->kind == SB_VALUE_BYTES;
    if (!sb_hot_has_room (self, (size_t)CHANGE_MAX + change->name.size + (has_octets ? value->text.size : 0)))
        return false;
    const uint8_t *end = self->at;
    if (change->is_delete) {
        sb_hot_put_octet (self, 0);
        sb_hot_put_octet (self, SB_HOT_CHANGE_DELETE);
    } else if (value->kind != SB_VALUE_NONE) {
        s_put_value (self, value);
        sb_hot_put_part (self, SB_HOT_CHANGE_VALUE, end);
    }
    s_put_text (self, SB_HOT_CHANGE_NAME, change->name);
    sb_hot_put_part (self, tag, end);
    return true;
}

static bool s_put_changes (sb_hot_writer_t *self, const sb_update_t *update, uint8_t tag)
{
    for (uint32_t i = update->change_count; i > 0; i--)
        if (!s_put_change (self, &update->changes[i - 1], tag))
            return false;
    return true;
}

/* ------------------------------------------------------------------ deltas */

static bool s_put_delta (sb_hot_writer_t *self, const sb_delta_t *delta, uint8_t tag)
{
    const sb_update_t *update = &delta->update;
    const uint8_t *end = self->at;
    if (!sb_hot_has_room (self, SB_HOT_NUMBER))
        return false;
    sb_hot_put_number (self, SB_HOT_DELTA_TIME_TO_LIVE, delta->time_to_live_ms);
    if (!s_put_changes (self, update, SB_HOT_DELTA_CHANGES) ||
        !sb_hot_has_room (self, (size_t)DELTA_MAX + delta->category.size + delta->subject.size))
        return false;
    s_put_text (self, SB_HOT_DELTA_SUBJECT, delta->subject);
    s_put_text (self, SB_HOT_DELTA_CATEGORY, delta->category);
    sb_hot_put_signed (self, SB_HOT_DELTA_ORIGIN, update->origin_unix_ns);
    sb_hot_put_signed (self, SB_HOT_DELTA_EVENT, update->event_unix_ns);
    sb_hot_put_number (self, SB_HOT_DELTA_SEQUENCE, update->sequence);
    sb_hot_put_part (self, tag, end);
    return true;
}

static bool s_put_batch (sb_hot_writer_t *self, const sb_batch_t *batch)
{
    if (batch->delta_count == 1)
        return s_put_delta (self, &batch->deltas[0], SB_HOT_AGENT_MESSAGE_DELTA);
    const uint8_t *end = self->at;
    for (uint32_t i = batch->delta_count; i > 0; i--)
        if (!s_put_delta (self, &batch->deltas[i - 1], SB_HOT_BATCH_DELTAS))
            return false;
    if (!sb_hot_has_room (self, SB_HOT_SIZE))
        return false;
    sb_hot_put_part (self, SB_HOT_AGENT_MESSAGE_BATCH, end);
    return true;
}

size_t sb_hot_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message, sb_encoding_t **encoding)
{
    sb_hot_writer_t writer;
    *encoding = NULL;
    if (message->kind != SB_AGENT_MESSAGE_BATCH || message->batch.delta_count == 0)
        return 0;
    sb_encoding_t *result = s_begin (&writer, arena);
    if (!result)
        return 0;
    const uint8_t *end = writer.at;
    if (!s_put_batch (&writer, &message->batch))
        return 0;
    *encoding = result;
    return s_finish (&writer, arena, result, end);
}

/* ------------------------------------------------------------------ publications */

static bool s_put_update (sb_hot_writer_t *self, const sb_update_t *update)
{
    const uint8_t *end = self->at;
    if (!sb_hot_has_room (self, SB_HOT_NUMBER))
        return false;
    sb_hot_put_number (self, SB_HOT_UPDATE_PUBLICATION, update->publication_sequence);
    if (!s_put_changes (self, update, SB_HOT_UPDATE_CHANGES) || !sb_hot_has_room (self, UPDATE_MAX))
        return false;
    sb_hot_put_signed (self, SB_HOT_UPDATE_ORIGIN, update->origin_unix_ns);
    sb_hot_put_signed (self, SB_HOT_UPDATE_EVENT, update->event_unix_ns);
    sb_hot_put_number (self, SB_HOT_UPDATE_SEQUENCE, update->sequence);
    sb_hot_put_part (self, SB_HOT_PUBLICATION_UPDATES, end);
    return true;
}

static bool s_put_publication (sb_hot_writer_t *self, const sb_publication_t *publication)
{
    if (!sb_hot_has_room (self, PUBLICATION_MAX))
        return false;
    sb_hot_put_number (self, SB_HOT_PUBLICATION_CONFLATED, publication->conflated_sequence);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_AGENT, publication->agent_sequence);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_FIRST_TOPIC, publication->first_topic_sequence);
    for (uint32_t i = publication->update_count; i > 0; i--)
        if (!s_put_update (self, &publication->updates[i - 1]))
            return false;
    if (!sb_hot_has_room (self, (size_t)PUBLICATION_MAX + publication->agent_id.size + publication->topic.size))
        return false;
    sb_hot_put_number (self, SB_HOT_PUBLICATION_CAUSE, publication->cause);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_QUALITY, publication->quality);
    sb_hot_put_signed (self, SB_HOT_PUBLICATION_BROKER_TIME, publication->broker_unix_ns);
    s_put_text (self, SB_HOT_PUBLICATION_AGENT_ID, publication->agent_id);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_TOPIC, publication->topic_sequence);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_CATEGORY, publication->category_sequence);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_SEQUENCE, publication->sequence);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_EPOCH, publication->epoch);
    sb_hot_put_number (self, SB_HOT_PUBLICATION_STREAM, publication->stream_id);
    sb_hot_put_octet (self, 0);
    sb_hot_put_octets (self, publication->topic.data, publication->topic.size);
    return true;
}

size_t sb_hot_encode_publication (sb_arena_t *arena, const sb_publication_t *publication, sb_encoding_t **encoding)
{
    sb_hot_writer_t writer;
    *encoding = NULL;
    sb_encoding_t *result = s_begin (&writer, arena);
    if (!result)
        return 0;
    const uint8_t *end = writer.at;
    if (!s_put_publication (&writer, publication))
        return 0;
    *encoding = result;
    return s_finish (&writer, arena, result, end);
}

/* ------------------------------------------------------------------ acks */

size_t sb_hot_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message, sb_encoding_t **encoding)
{
    sb_hot_writer_t writer;
    *encoding = NULL;
    if (message->kind != SB_BROKER_MESSAGE_ACK || message->ack.refused_count > 0)
        return 0;
    sb_encoding_t *result = s_begin (&writer, arena);
    if (!result || !sb_hot_has_room (&writer, SB_HOT_SIZE + SB_HOT_NUMBER))
        return 0;
    const uint8_t *end = writer.at;
    sb_hot_put_number (&writer, SB_HOT_ACK_DECIDED_THROUGH, message->ack.decided_through);
    sb_hot_put_part (&writer, SB_HOT_BROKER_MESSAGE_ACK, end);
    *encoding = result;
    return s_finish (&writer, arena, result, end);
}

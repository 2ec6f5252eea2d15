/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding deltas, batches, publications and plain acks without protobuf-c.
 *
 * One pass over the octets writes our structs straight into the arena: the number of deltas in a batch (updates in a
 * publication) is counted by hopping over them, their changes are laid down as they come. The frame is copied into the
 * arena whole, and texts point into the copy: behind a text comes the next field's tag, which was read from
 * the original, so a NUL can take its place. Fields are expected in the order of their numbers, each at most once.
 * Rejected: texts that point into the frame, since who keeps or prints them relies on arena and NUL.
 *
 * Measured with callgrind (bench_steps): a delta's frame takes 664 instructions, 3853 with protobuf-c, and each further
 * field 165 instead of 1386. A publication takes a reader 1480 instead of 6260.
 */
#include "sb_hot.h"

#include "sb_codec_private.h"
#include "sb_hot_read.h"

static const sb_fault_t s_no_fault = {.reason = SB_REASON_NONE};

/* A message on its way into the arena. Nothing is taken from the arena before all of it is read. */
typedef struct {
    const uint8_t *frame; /* the original */
    char *copy;           /* of it, in the arena */
    unsigned char *low;   /* the arena's next free octet, aligned to 8 */
    unsigned char *high;  /* behind the last */
} s_work_t;

/* Copies the frame; false when there is no room. */
static bool s_begin (s_work_t *self, sb_arena_t *arena, const void *frame, size_t size)
{
    sb_arena_open (arena, &self->low, &self->high);
    if ((size_t)(self->high - self->low) < size + 8)
        return false;
    self->frame = frame;
    self->copy = (char *)self->low;
    memcpy (self->copy, frame, size);
    self->low += (size + 8) & ~(size_t)7; /* at least one octet more, for the last text's NUL */
    return true;
}

/* Room for `count` items behind what is there; NULL when there is none. */
static inline void *s_take (s_work_t *self, size_t count, size_t item_size)
{
    unsigned char *items = self->low;
    if ((size_t)(self->high - items) / item_size < count)
        return NULL;
    self->low += count * item_size;
    return items;
}

/* The octets of `part` in the copy, with a NUL behind them. */
static inline sb_text_t s_text (const s_work_t *self, const sb_hot_reader_t *part)
{
    size_t size = (size_t)(part->end - part->at);
    char *text = self->copy + (part->at - self->frame);
    text[size] = 0;
    return (sb_text_t){text, (uint32_t)size};
}

/* Hops over the parts that follow each other under `tag`, from the one whose tag was taken; 0: it cannot be done. */
static size_t s_count (sb_hot_reader_t reader, uint8_t tag)
{
    sb_hot_reader_t part;
    size_t count = 0;
    do {
        if (!sb_hot_read_part (&reader, &part))
            return 0;
        count++;
    } while (sb_hot_take_tag (&reader, tag));
    return count;
}

/* ------------------------------------------------------------------ values */

static bool s_read_number (sb_hot_reader_t reader, sb_value_t *value)
{
    uint64_t bits;
    if (reader.end - reader.at != sizeof bits)
        return false;
    memcpy (&bits, reader.at, sizeof bits);
    bits = le64toh (bits);
    if ((bits >> 52 & 0x7ff) == 0x7ff) /* infinite, or not a number */
        return false;
    value->kind = SB_VALUE_NUMBER;
    memcpy (&value->number, &bits, sizeof bits);
    return true;
}

static bool s_read_decimal (sb_hot_reader_t reader, sb_value_t *value)
{
    sb_hot_reader_t part;
    uint64_t exponent = 0;
    if (!sb_hot_read_part (&reader, &part) || reader.at != reader.end)
        return false;
    value->kind = SB_VALUE_DECIMAL;
    if (!sb_hot_read_signed (&part, SB_HOT_DECIMAL_UNSCALED, &value->decimal.unscaled) ||
        !sb_hot_read_number (&part, SB_HOT_DECIMAL_EXPONENT, &exponent) || part.at != part.end)
        return false;
    value->decimal.exponent = (int32_t)sb_hot_from_zigzag (exponent);
    return exponent <= 2 * SB_DECIMAL_EXPONENT_MAX;
}

static bool s_read_octets (const s_work_t *self, sb_hot_reader_t reader, sb_value_t *value, sb_value_kind_t kind)
{
    sb_hot_reader_t part;
    if (!sb_hot_read_part (&reader, &part) || reader.at != reader.end)
        return false;
    value->kind = kind;
    value->text = s_text (self, &part);
    return kind == SB_VALUE_BYTES || sb_text_is_utf8 (value->text);
}

static bool s_read_value (const s_work_t *self, sb_hot_reader_t reader, sb_value_t *value)
{
    uint64_t number;
    if (reader.at == reader.end)
        return false;
    switch (*reader.at++) {
    case SB_HOT_VALUE_NUMBER:
        return s_read_number (reader, value);
    case SB_HOT_VALUE_INTEGER:
        value->kind = SB_VALUE_INTEGER;
        if (!sb_hot_read_varint (&reader, &number))
            return false;
        value->integer = sb_hot_from_zigzag (number);
        return reader.at == reader.end;
    case SB_HOT_VALUE_DECIMAL:
        return s_read_decimal (reader, value);
    case SB_HOT_VALUE_BOOLEAN:
        value->kind = SB_VALUE_BOOLEAN;
        value->boolean = reader.at < reader.end && *reader.at == 1;
        return reader.end - reader.at == 1 && *reader.at <= 1;
    case SB_HOT_VALUE_TEXT:
        return s_read_octets (self, reader, value, SB_VALUE_TEXT);
    case SB_HOT_VALUE_BYTES:
        return s_read_octets (self, reader, value, SB_VALUE_BYTES);
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ changes */

static inline __attribute__ ((always_inline)) bool s_read_change (const s_work_t *self, sb_hot_reader_t reader,
                                                                  bool (*is_name) (sb_text_t), sb_change_t *change)
{
    sb_hot_reader_t name, kind;
    *change = (sb_change_t){0};
    if (!sb_hot_take_tag (&reader, SB_HOT_CHANGE_NAME) || !sb_hot_read_part (&reader, &name))
        return false;
    bool is_value = sb_hot_take_tag (&reader, SB_HOT_CHANGE_VALUE);
    if (!is_value && !sb_hot_take_tag (&reader, SB_HOT_CHANGE_DELETE))
        return false;
    if (!sb_hot_read_part (&reader, &kind) || reader.at != reader.end)
        return false;
    change->name = s_text (self, &name);
    if (!is_name (change->name))
        return false;
    if (is_value)
        return s_read_value (self, kind, &change->value);
    change->is_delete = true;
    return kind.at == kind.end;
}

/* The changes that follow each other under `tag`. */
static inline __attribute__ ((always_inline)) bool s_read_changes (s_work_t *self, sb_hot_reader_t *reader, uint8_t tag,
                                                                   bool (*is_name) (sb_text_t), sb_update_t *update)
{
    sb_change_t *changes = (sb_change_t *)self->low;
    uint32_t count = 0;
    sb_hot_reader_t part;
    for (; sb_hot_take_tag (reader, tag); count++) {
        sb_change_t *change = s_take (self, 1, sizeof *change);
        if (!change || !sb_hot_read_part (reader, &part) || !s_read_change (self, part, is_name, change))
            return false;
    }
    update->changes = count ? changes : NULL;
    update->change_count = count;
    return true;
}

/* ------------------------------------------------------------------ deltas */

static bool s_read_delta (s_work_t *self, sb_hot_reader_t reader, sb_delta_t *delta)
{
    sb_hot_reader_t part;
    uint64_t time_to_live_ms = 0;
    *delta = (sb_delta_t){.category = {"", 0}, .subject = {"", 0}, .fault_field = {"", 0}};
    sb_update_t *update = &delta->update;
    if (!sb_hot_read_number (&reader, SB_HOT_DELTA_SEQUENCE, &update->sequence) ||
        !sb_hot_read_signed (&reader, SB_HOT_DELTA_EVENT, &update->event_unix_ns) ||
        !sb_hot_read_signed (&reader, SB_HOT_DELTA_ORIGIN, &update->origin_unix_ns))
        return false;
    if (sb_hot_take_tag (&reader, SB_HOT_DELTA_CATEGORY)) {
        if (!sb_hot_read_part (&reader, &part))
            return false;
        delta->category = s_text (self, &part);
    }
    if (sb_hot_take_tag (&reader, SB_HOT_DELTA_SUBJECT)) {
        if (!sb_hot_read_part (&reader, &part))
            return false;
        delta->subject = s_text (self, &part);
    }
    if (!s_read_changes (self, &reader, SB_HOT_DELTA_CHANGES, sb_name_is_field, update) || update->change_count == 0 ||
        update->change_count > SB_CHANGES_MAX ||
        !sb_hot_read_number (&reader, SB_HOT_DELTA_TIME_TO_LIVE, &time_to_live_ms) || reader.at != reader.end)
        return false;
    delta->time_to_live_ms = (uint32_t)time_to_live_ms; /* protobuf has it that more bits are dropped */
    return (delta->category.size == 0 || sb_name_is_category (delta->category)) && sb_name_is_subject (delta->subject);
}

/* The deltas of a batch, or the one that is the body. */
static inline bool s_read_deltas (s_work_t *self, bool is_batch, sb_hot_reader_t body, sb_batch_t *batch)
{
    size_t count = 1;
    if (is_batch && (!sb_hot_take_tag (&body, SB_HOT_BATCH_DELTAS) ||
                     (count = s_count (body, SB_HOT_BATCH_DELTAS)) == 0 || count > SB_CHANGES_MAX))
        return false;
    sb_delta_t *deltas = s_take (self, count, sizeof *deltas);
    if (!deltas)
        return false;
    batch->deltas = deltas;
    batch->delta_count = (uint32_t)count;
    sb_hot_reader_t part = body;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            body.at++; /* the tag: s_count has seen that the next is a delta too */
        if ((is_batch && !sb_hot_read_part (&body, &part)) || !s_read_delta (self, part, &deltas[i]))
            return false;
    }
    return !is_batch || body.at == body.end;
}

bool sb_hot_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                  sb_agent_message_t *message)
{
    if (size == 0 || size > max_bytes)
        return false;
    s_work_t work;
    sb_hot_reader_t reader = {data, (const uint8_t *)data + size}, body;
    bool is_batch = sb_hot_take_tag (&reader, SB_HOT_AGENT_MESSAGE_BATCH);
    if (!is_batch && !sb_hot_take_tag (&reader, SB_HOT_AGENT_MESSAGE_DELTA))
        return false;
    if (!sb_hot_read_part (&reader, &body) || reader.at != reader.end || !s_begin (&work, arena, data, size) ||
        !s_read_deltas (&work, is_batch, body, &message->batch))
        return false;
    message->kind = SB_AGENT_MESSAGE_BATCH;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

sb_fault_t sb_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_agent_message_t *message)
{
    if (sb_hot_decode_agent_message (arena, data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_agent_message (arena, data, size, max_bytes, message);
}

/* ------------------------------------------------------------------ publications */

static bool s_read_update (s_work_t *self, sb_hot_reader_t reader, sb_update_t *update)
{
    *update = (sb_update_t){0};
    return sb_hot_read_number (&reader, SB_HOT_UPDATE_SEQUENCE, &update->sequence) &&
           sb_hot_read_signed (&reader, SB_HOT_UPDATE_EVENT, &update->event_unix_ns) &&
           sb_hot_read_signed (&reader, SB_HOT_UPDATE_ORIGIN, &update->origin_unix_ns) &&
           s_read_changes (self, &reader, SB_HOT_UPDATE_CHANGES, sb_text_is_utf8, update) &&
           sb_hot_read_number (&reader, SB_HOT_UPDATE_PUBLICATION, &update->publication_sequence) &&
           reader.at == reader.end;
}

static bool s_read_updates (s_work_t *self, sb_hot_reader_t *reader, sb_publication_t *publication)
{
    if (!sb_hot_take_tag (reader, SB_HOT_PUBLICATION_UPDATES))
        return true;
    size_t count = s_count (*reader, SB_HOT_PUBLICATION_UPDATES);
    sb_update_t *updates = count > 0 ? s_take (self, count, sizeof *updates) : NULL;
    if (!updates)
        return false;
    publication->updates = updates;
    publication->update_count = (uint32_t)count;
    sb_hot_reader_t part;
    do {
        if (!sb_hot_read_part (reader, &part) || !s_read_update (self, part, updates++))
            return false;
    } while (sb_hot_take_tag (reader, SB_HOT_PUBLICATION_UPDATES));
    return true;
}

static bool s_read_agent_id (s_work_t *self, sb_hot_reader_t *reader, sb_publication_t *publication)
{
    sb_hot_reader_t part;
    publication->agent_id = (sb_text_t){"", 0};
    if (!sb_hot_take_tag (reader, SB_HOT_PUBLICATION_AGENT_ID))
        return true;
    if (!sb_hot_read_part (reader, &part))
        return false;
    publication->agent_id = s_text (self, &part);
    return sb_text_is_utf8 (publication->agent_id);
}

static bool s_read_publication (s_work_t *self, sb_hot_reader_t reader, sb_publication_t *publication)
{
    uint64_t quality = 0, cause = 0;
    if (!sb_hot_read_number (&reader, SB_HOT_PUBLICATION_STREAM, &publication->stream_id) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_EPOCH, &publication->epoch) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_SEQUENCE, &publication->sequence) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_CATEGORY, &publication->category_sequence) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_TOPIC, &publication->topic_sequence) ||
        !s_read_agent_id (self, &reader, publication) ||
        !sb_hot_read_signed (&reader, SB_HOT_PUBLICATION_BROKER_TIME, &publication->broker_unix_ns) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_QUALITY, &quality) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_CAUSE, &cause) ||
        !s_read_updates (self, &reader, publication) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_FIRST_TOPIC, &publication->first_topic_sequence) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_AGENT, &publication->agent_sequence) ||
        !sb_hot_read_number (&reader, SB_HOT_PUBLICATION_CONFLATED, &publication->conflated_sequence))
        return false;
    publication->quality = (sb_quality_t)quality;
    publication->cause = (sb_cause_t)cause;
    return reader.at == reader.end && quality <= SB_QUALITY_FORCED_STALE && cause < SB_CAUSE_SNAPSHOT &&
           publication->first_topic_sequence <= publication->topic_sequence;
}

bool sb_hot_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                sb_publication_t *publication)
{
    s_work_t work;
    const uint8_t *nul = size > 0 && size <= max_bytes ? memchr (frame, 0, size) : NULL;
    if (!nul || !s_begin (&work, arena, frame, size))
        return false;
    sb_decoder_t decoder = {.arena = arena};
    *publication = (sb_publication_t){0};
    publication->topic =
        sb_decode_frame_topic (&decoder, (sb_text_t){work.copy, (uint32_t)(nul - (const uint8_t *)frame)});
    if (decoder.fault.reason != SB_REASON_NONE ||
        !s_read_publication (&work, (sb_hot_reader_t){nul + 1, (const uint8_t *)frame + size}, publication))
        return false;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

sb_fault_t sb_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                  sb_publication_t *publication)
{
    if (sb_hot_decode_publication (arena, frame, size, max_bytes, publication))
        return s_no_fault;
    return sb_protobuf_decode_publication (arena, frame, size, max_bytes, publication);
}

/* ------------------------------------------------------------------ acks */

bool sb_hot_decode_broker_message (const void *data, size_t size, size_t max_bytes, sb_broker_message_t *message)
{
    if (size == 0 || size > max_bytes)
        return false;
    sb_hot_reader_t reader = {data, (const uint8_t *)data + size}, body;
    uint64_t decided_through = 0;
    if (!sb_hot_take_tag (&reader, SB_HOT_BROKER_MESSAGE_ACK) || !sb_hot_read_part (&reader, &body) ||
        reader.at != reader.end || !sb_hot_read_number (&body, SB_HOT_ACK_DECIDED_THROUGH, &decided_through) ||
        body.at != body.end)
        return false;
    message->kind = SB_BROKER_MESSAGE_ACK;
    message->ack = (sb_ack_t){.decided_through = decided_through};
    return true;
}

sb_fault_t sb_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                     sb_broker_message_t *message)
{
    if (sb_hot_decode_broker_message (data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_broker_message (arena, data, size, max_bytes, message);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding deltas, batches, publications and plain acks without protobuf-c.
 *
 * One pass over the octets writes our structs straight into the arena: the number of deltas in a batch (updates in a
 * publication) is counted by hopping over them, their changes are laid down as they come. Fields are expected in the
 * order of their numbers, each at most once. The frame is copied into the arena whole, with zeros behind it that make
 * checks superfluous (sb_hot_read.h), and texts and bytes point into the copy: behind a name comes the next field's
 * tag, so a NUL can take its place once that was read. Deltas of a batch resemble each other: where the octets of a
 * category, a subject, or a change up to its value's kind are those of the delta before (in the original, which has no
 * NULs), they are neither read nor checked again, and both share the texts.
 * Rejected: texts that point into the frame, since who keeps or prints them relies on arena and NUL.
 *
 * Measured with callgrind (bench_steps), in instructions: a delta of 128 octets takes 320 in a batch of 16 with one
 * topic, 400 with others in turn, 580 alone; without sharing, and with a check before each octet, it was 610, 610, 730.
 * A publication takes a reader 760 instead of 1390, and each update of one with 16 takes 260 instead of 480.
 * protobuf-c needs five to ten times as many.
 */
#include "sb_hot.h"

#include "sb_codec_private.h"
#include "sb_hot_read.h"

enum { CHANGES_SEEN = 16 };

static const sb_fault_t s_no_fault = {.reason = SB_REASON_NONE};
static const sb_text_t s_no_text = {"", 0};

/* A tag and its name that were read and are right. */
typedef struct {
    const uint8_t *at; /* the tag in the original frame */
    size_t size;       /* octets from there */
    sb_text_t text;
} s_seen_name_t;

/* The beginning of a change that was read and is right: all of it up to its value's kind. */
typedef struct {
    const uint8_t *at; /* its tag in the original frame */
    size_t size;       /* octets from there, up to and with the value's kind */
    size_t whole_size; /* octets of the whole change */
    sb_text_t name;
} s_seen_change_t;

/* What has a size before it. */
typedef struct {
    const uint8_t *at;  /* in the copy */
    const uint8_t *end; /* behind its last octet */
} s_part_t;

/* A message on its way into the arena. Nothing is taken from the arena before all of it is read. */
typedef struct {
    const uint8_t *frame;               /* the original */
    const uint8_t *at;                  /* the copy, which is read */
    const uint8_t *end;                 /* of the copy: zeros */
    unsigned char *low;                 /* the arena's next free octet, aligned to 8 */
    unsigned char *high;                /* behind the last; values that are texts are laid down from there */
    s_seen_name_t category;             /* the last one */
    s_seen_name_t subject;              /* the last one */
    sb_hot_times_t times;               /* the last one */
    uint32_t seen_count;                /* of `seen`: the rest is not set */
    s_seen_change_t seen[CHANGES_SEEN]; /* the last that was the first, the second, … of its delta */
} s_work_t;

/* Copies the frame; false when there is no room. */
static inline bool s_begin (s_work_t *self, sb_arena_t *arena, const void *frame, size_t size)
{
    sb_arena_open (arena, &self->low, &self->high);
    if ((size_t)(self->high - self->low) < size + SB_HOT_BEHIND + 8)
        return false;
    self->frame = frame;
    memcpy (self->low, frame, size);
    memset (self->low + size, 0, SB_HOT_BEHIND);
    self->at = self->low;
    self->end = self->low + size;
    self->low += (size + SB_HOT_BEHIND + 7) & ~(size_t)7;
    self->times = (sb_hot_times_t){1, 0};
    return true;
}

/* Room for an item behind what is there; NULL when there is none. */
SB_HOT_INLINE void *s_take (s_work_t *self, size_t item_size)
{
    unsigned char *item = self->low;
    if ((size_t)(self->high - item) < item_size)
        return NULL;
    self->low += item_size;
    return item;
}

/* The octets in the copy. Until s_put_nul there is no NUL behind them. */
SB_HOT_INLINE sb_text_t s_text (const uint8_t *at, const uint8_t *end)
{
    return (sb_text_t){(const char *)at, (uint32_t)(end - at)};
}

/* Puts the NUL behind a text of s_text. What stands there must have been read. */
SB_HOT_INLINE void s_put_nul (const uint8_t *end)
{
    *(uint8_t *)end = 0; /* the copy is ours */
}

/* Where what is read at `at` stands in the original frame; nowhere when it is too near to its end to be compared. */
SB_HOT_INLINE const uint8_t *s_original (const s_work_t *self, const uint8_t *at)
{
    return self->end - at >= 8 ? self->frame + (at - self->at) : sb_hot_nowhere;
}

/* Hops over the parts that follow each other under `tag` and takes an item for each, which begins with its part until
 * it is filled. Gives the place behind them; nowhere when there is no room. */
SB_HOT_INLINE const uint8_t *s_take_items (s_work_t *self, const uint8_t *at, uint8_t tag, size_t item_size)
{
    unsigned char *item = self->low;
    self->category.at = self->subject.at = sb_hot_nowhere;
    self->category.size = self->subject.size = 1;
    self->seen_count = 0;
    for (; *at == tag; item += item_size) {
        s_part_t part;
        part.at = sb_hot_part (at + 1, self->end, &part.end);
        if (!part.end || (size_t)(self->high - item) < item_size)
            return sb_hot_nowhere;
        memcpy (item, &part, sizeof part);
        at = part.end;
    }
    self->low = item;
    return at;
}

/* ------------------------------------------------------------------ values */

/* Each gives whether all the octets from `at` to `end` are such a value. */
static bool s_read_number (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    uint64_t bits = sb_hot_load (at);
    value->kind = SB_VALUE_NUMBER;
    memcpy (&value->number, &bits, sizeof bits);
    return end - at == sizeof bits && (bits >> 52 & 0x7ff) != 0x7ff; /* infinite, or not a number */
}

static bool s_read_integer (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    uint64_t number;
    at = sb_hot_varint (at, &number);
    value->kind = SB_VALUE_INTEGER;
    value->integer = sb_hot_from_zigzag (number);
    return at == end;
}

static bool s_read_decimal (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    const uint8_t *part_end;
    uint64_t unscaled, exponent;
    at = sb_hot_part (at, end, &part_end);
    at = sb_hot_number (at, SB_HOT_DECIMAL_UNSCALED, &unscaled);
    at = sb_hot_number (at, SB_HOT_DECIMAL_EXPONENT, &exponent);
    value->kind = SB_VALUE_DECIMAL;
    value->decimal.unscaled = sb_hot_from_zigzag (unscaled);
    value->decimal.exponent = (int32_t)sb_hot_from_zigzag (exponent);
    return at == end && part_end == end && exponent <= 2 * SB_DECIMAL_EXPONENT_MAX;
}

static bool s_read_boolean (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    value->kind = SB_VALUE_BOOLEAN;
    value->boolean = *at == 1;
    return end - at == 1 && *at <= 1;
}

static bool s_read_text (s_work_t *self, const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    const uint8_t *part_end;
    at = sb_hot_part (at, end, &part_end);
    value->kind = SB_VALUE_TEXT;
    if (part_end != end)
        return false;
    size_t size = (size_t)(end - at);
    if ((size_t)(self->high - self->low) <= size)
        return false;
    char *text = (char *)(self->high -= size + 1); /* what is behind it was not read yet: no place for a NUL */
    memcpy (text, at, size);
    text[size] = 0;
    value->text = (sb_text_t){text, (uint32_t)size};
    return sb_text_is_utf8 (value->text);
}

SB_HOT_INLINE bool s_read_bytes (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    const uint8_t *part_end;
    at = sb_hot_part (at, end, &part_end);
    value->kind = SB_VALUE_BYTES;
    value->bytes = (sb_text_t){(const char *)at, (uint32_t)(end - at)};
    return part_end == end;
}

/* The value whose kind is the octet before `at`. */
static inline bool s_read_value (s_work_t *self, const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    if (at[-1] == SB_HOT_VALUE_BYTES)
        return s_read_bytes (at, end, value);
    switch (at[-1]) {
    case SB_HOT_VALUE_NUMBER:
        return s_read_number (at, end, value);
    case SB_HOT_VALUE_INTEGER:
        return s_read_integer (at, end, value);
    case SB_HOT_VALUE_DECIMAL:
        return s_read_decimal (at, end, value);
    case SB_HOT_VALUE_BOOLEAN:
        return s_read_boolean (at, end, value);
    case SB_HOT_VALUE_TEXT:
        return s_read_text (self, at, end, value);
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ changes */

/* Reads the change at `at` up to its value: gives the value's first octet behind its kind, NULL when the change is a
 * delete, or nowhere; and *end, behind the change. */
SB_HOT_INLINE const uint8_t *s_read_new_change (const uint8_t *at, const uint8_t *limit, bool (*is_name) (sb_text_t),
                                                sb_change_t *change, const uint8_t **end)
{
    const uint8_t *name_end, *kind_end;
    at = sb_hot_part (at + 1, limit, end);
    if (*at != SB_HOT_CHANGE_NAME)
        return sb_hot_nowhere;
    at = sb_hot_short_part (at + 1, *end, &name_end);
    if (!name_end || at == name_end)
        return sb_hot_nowhere;
    change->name = s_text (at, name_end);
    if (!is_name (change->name))
        return sb_hot_nowhere;
    uint8_t tag = *name_end;
    at = sb_hot_part (name_end + 1, *end, &kind_end);
    if (kind_end != *end)
        return sb_hot_nowhere;
    s_put_nul (name_end);
    change->is_delete = tag == SB_HOT_CHANGE_DELETE;
    if (tag == SB_HOT_CHANGE_VALUE && at < *end)
        return at + 1;
    return change->is_delete && at == *end ? NULL : sb_hot_nowhere;
}

/* One change, the one at `place` of its delta. Gives the place behind it, or nowhere. */
SB_HOT_INLINE const uint8_t *s_read_change (s_work_t *self, const uint8_t *at, const uint8_t *limit, bool is_alone,
                                            bool (*is_name) (sb_text_t), uint32_t place, sb_change_t *change)
{
    const uint8_t *value, *end;
    if (!is_alone && place < self->seen_count) {
        const s_seen_change_t *seen = &self->seen[place];
        if (sb_hot_is_same (at, seen->at, seen->size)) {
            change->name = seen->name;
            change->is_delete = false;
            value = at + seen->size;
            end = at + seen->whole_size;
            return end <= limit && s_read_value (self, value, end, &change->value) ? end : sb_hot_nowhere;
        }
    }
    value = s_read_new_change (at, limit, is_name, change, &end);
    if (value == sb_hot_nowhere)
        return value;
    if (!value) {
        change->value.kind = SB_VALUE_NONE;
        return end;
    }
    if (!is_alone && place <= self->seen_count && place < CHANGES_SEEN) {
        size_t size = (size_t)(value - at);
        self->seen[place] = (s_seen_change_t){s_original (self, at), size, (size_t)(end - at), change->name};
        self->seen_count += place == self->seen_count;
    }
    return s_read_value (self, value, end, &change->value) ? end : sb_hot_nowhere;
}

/* The changes that follow each other under `tag`. Gives the place behind them, or nowhere. */
SB_HOT_INLINE const uint8_t *s_read_changes (s_work_t *self, const uint8_t *at, const uint8_t *limit, bool is_alone,
                                             uint8_t tag, bool (*is_name) (sb_text_t), sb_update_t *update)
{
    sb_change_t *changes = (sb_change_t *)self->low;
    uint32_t count = 0;
    update->changes = *at == tag ? changes : NULL;
    for (; *at == tag; count++) {
        sb_change_t *change = s_take (self, sizeof *change);
        if (!change)
            return sb_hot_nowhere;
        at = s_read_change (self, at, limit, is_alone, is_name, count, change);
    }
    update->change_count = count;
    return at;
}

/* ------------------------------------------------------------------ deltas */

/* A name that may be absent, of which *seen may be the like. Gives the place behind it, or nowhere; *name_end is where
 * its NUL belongs once the octet there was read, and stays when it has one. */
SB_HOT_INLINE const uint8_t *s_read_name (s_work_t *self, const uint8_t *at, const uint8_t *limit, bool is_alone,
                                          uint8_t tag, bool (*is_name) (sb_text_t), s_seen_name_t *seen,
                                          sb_text_t *name, const uint8_t **name_end)
{
    const uint8_t *end, *tag_at = at;
    if (*at != tag) {
        *name = s_text (self->end, self->end);
        return at;
    }
    if (!is_alone && sb_hot_is_same (at, seen->at, seen->size)) {
        *name = seen->text;
        return at + seen->size;
    }
    at = sb_hot_short_part (at + 1, limit, &end);
    if (!end)
        return sb_hot_nowhere;
    *name = s_text (at, end);
    *name_end = end;
    if (at < end && !is_name (*name))
        return sb_hot_nowhere;
    if (!is_alone) {
        size_t size = (size_t)(end - tag_at);
        *seen = (s_seen_name_t){s_original (self, tag_at), size, *name};
    }
    return end;
}

/* `is_alone`: there is no other in the message, and nothing to be shared. */
SB_HOT_INLINE bool s_read_delta (s_work_t *self, s_part_t part, bool is_alone, sb_delta_t *delta)
{
    const uint8_t *at = part.at, *end = part.end;
    sb_update_t *update = &delta->update;
    const uint8_t *category_end = self->end, *subject_end = self->end; /* a NUL already */
    uint64_t time_to_live_ms;
    at = sb_hot_number (at, SB_HOT_DELTA_SEQUENCE, &update->sequence);
    at = sb_hot_time (at, SB_HOT_DELTA_EVENT, &self->times, &update->event_unix_ns);
    at = sb_hot_time (at, SB_HOT_DELTA_ORIGIN, &self->times, &update->origin_unix_ns);
    at = s_read_name (self, at, end, is_alone, SB_HOT_DELTA_CATEGORY, sb_name_is_category, &self->category,
                      &delta->category, &category_end);
    at = s_read_name (self, at, end, is_alone, SB_HOT_DELTA_SUBJECT, sb_name_is_subject, &self->subject,
                      &delta->subject, &subject_end);
    at = s_read_changes (self, at, end, is_alone, SB_HOT_DELTA_CHANGES, sb_name_is_field, update);
    at = sb_hot_number (at, SB_HOT_DELTA_TIME_TO_LIVE, &time_to_live_ms);
    s_put_nul (category_end);
    s_put_nul (subject_end);
    update->publication_sequence = 0;
    delta->time_to_live_ms = (uint32_t)time_to_live_ms; /* protobuf has it that more bits are dropped */
    delta->fault = SB_REASON_NONE;
    delta->fault_field = s_no_text;
    return at == end && update->change_count > 0 && update->change_count <= SB_CHANGES_MAX;
}

/* A body that is a delta. */
SB_HOT_INLINE bool s_read_one (s_work_t *self, const uint8_t *at, sb_batch_t *batch)
{
    sb_delta_t *delta = s_take (self, sizeof *delta);
    batch->deltas = delta;
    batch->delta_count = 1;
    return delta && s_read_delta (self, (s_part_t){at, self->end}, true, delta);
}

/* A body that is a batch. */
SB_HOT_INLINE bool s_read_batch (s_work_t *self, const uint8_t *at, sb_batch_t *batch)
{
    sb_delta_t *deltas = (sb_delta_t *)self->low;
    at = s_take_items (self, at, SB_HOT_BATCH_DELTAS, sizeof *deltas);
    size_t count = (size_t)((sb_delta_t *)self->low - deltas);
    if (at != self->end || count == 0 || count > SB_CHANGES_MAX)
        return false;
    batch->deltas = deltas;
    batch->delta_count = (uint32_t)count;
    for (const sb_delta_t *last = deltas + count; deltas < last; deltas++) {
        s_part_t part;
        memcpy (&part, deltas, sizeof part);
        if (!s_read_delta (self, part, false, deltas))
            return false;
    }
    return true;
}

SB_HOT_INLINE bool s_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                           sb_agent_message_t *message)
{
    const uint8_t *frame = data, *end;
    if (size == 0 || size > max_bytes || (*frame != SB_HOT_AGENT_MESSAGE_BATCH && *frame != SB_HOT_AGENT_MESSAGE_DELTA))
        return false;
    s_work_t work;
    if (!s_begin (&work, arena, data, size))
        return false;
    const uint8_t *at = sb_hot_part (work.at + 1, work.end, &end);
    if (end != work.end)
        return false;
    bool is_read = *work.at == SB_HOT_AGENT_MESSAGE_BATCH ? s_read_batch (&work, at, &message->batch)
                                                          : s_read_one (&work, at, &message->batch);
    if (!is_read)
        return false;
    message->kind = SB_AGENT_MESSAGE_BATCH;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

bool sb_hot_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                  sb_agent_message_t *message)
{
    return s_decode_agent_message (arena, data, size, max_bytes, message);
}

sb_fault_t sb_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_agent_message_t *message)
{
    if (s_decode_agent_message (arena, data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_agent_message (arena, data, size, max_bytes, message);
}

/* ------------------------------------------------------------------ publications */

/* True when all octets are 0x01 to 0x7f; there is at least one. Up to seven octets behind them are looked at. */
SB_HOT_INLINE bool s_is_plain (sb_text_t text)
{
    const uint64_t ones = UINT64_C (0x0101010101010101), highest = ones << 7;
    const uint8_t *at = (const uint8_t *)text.data;
    size_t size = text.size;
    uint64_t octets = sb_hot_load (at), found = 0;
    for (; size > 8; size -= 8, octets = sb_hot_load (at += 8))
        found |= octets | (octets - ones);
    uint64_t last = ((octets | (octets - ones)) & highest) << (64 - 8 * size); /* without what is not the text's */
    return ((found & highest) | last) == 0;
}

/* A name in a publication was checked by the broker: it is taken when it is a text. */
SB_HOT_INLINE bool s_is_text (sb_text_t text)
{
    return s_is_plain (text) || sb_text_is_utf8 (text);
}

/* `is_alone`: there is no other in the message, and nothing to be shared. */
SB_HOT_INLINE bool s_read_update (s_work_t *self, s_part_t part, bool is_alone, sb_update_t *update)
{
    const uint8_t *at = part.at, *end = part.end;
    at = sb_hot_number (at, SB_HOT_UPDATE_SEQUENCE, &update->sequence);
    at = sb_hot_time (at, SB_HOT_UPDATE_EVENT, &self->times, &update->event_unix_ns);
    at = sb_hot_time (at, SB_HOT_UPDATE_ORIGIN, &self->times, &update->origin_unix_ns);
    at = s_read_changes (self, at, end, is_alone, SB_HOT_UPDATE_CHANGES, s_is_text, update);
    at = sb_hot_number (at, SB_HOT_UPDATE_PUBLICATION, &update->publication_sequence);
    return at == end;
}

SB_HOT_INLINE const uint8_t *s_read_updates (s_work_t *self, const uint8_t *at, sb_publication_t *publication)
{
    publication->updates = NULL;
    publication->update_count = 0;
    if (*at != SB_HOT_PUBLICATION_UPDATES)
        return at;
    sb_update_t *updates = (sb_update_t *)self->low;
    s_part_t part;
    part.at = sb_hot_part (at + 1, self->end, &part.end);
    if (!part.end)
        return sb_hot_nowhere;
    publication->updates = updates;
    if (*part.end != SB_HOT_PUBLICATION_UPDATES) {
        publication->update_count = 1;
        return s_take (self, sizeof *updates) && s_read_update (self, part, true, updates) ? part.end : sb_hot_nowhere;
    }
    at = s_take_items (self, at, SB_HOT_PUBLICATION_UPDATES, sizeof *updates);
    for (const sb_update_t *last = (const sb_update_t *)self->low; updates < last; updates++) {
        memcpy (&part, updates, sizeof part);
        if (!s_read_update (self, part, false, updates))
            return sb_hot_nowhere;
        publication->update_count++;
    }
    return at;
}

SB_HOT_INLINE const uint8_t *s_read_agent_id (s_work_t *self, const uint8_t *at, sb_text_t *agent_id)
{
    const uint8_t *end;
    *agent_id = s_text (self->end, self->end);
    if (*at != SB_HOT_PUBLICATION_AGENT_ID)
        return at;
    at = sb_hot_short_part (at + 1, self->end, &end);
    if (at == end)
        return end;
    if (!end)
        return sb_hot_nowhere;
    *agent_id = s_text (at, end);
    return s_is_text (*agent_id) ? end : sb_hot_nowhere;
}

SB_HOT_INLINE bool s_read_publication (s_work_t *self, const uint8_t *at, sb_publication_t *publication)
{
    uint64_t quality, cause;
    at = sb_hot_long_number (at, SB_HOT_PUBLICATION_STREAM, &publication->stream_id);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_EPOCH, &publication->epoch);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_SEQUENCE, &publication->sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CATEGORY, &publication->category_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_TOPIC, &publication->topic_sequence);
    at = s_read_agent_id (self, at, &publication->agent_id);
    at = sb_hot_time (at, SB_HOT_PUBLICATION_BROKER_TIME, &self->times, &publication->broker_unix_ns);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_QUALITY, &quality);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CAUSE, &cause);
    at = s_read_updates (self, at, publication);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_FIRST_TOPIC, &publication->first_topic_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_AGENT, &publication->agent_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CONFLATED, &publication->conflated_sequence);
    s_put_nul ((const uint8_t *)publication->agent_id.data + publication->agent_id.size);
    publication->quality = (sb_quality_t)quality;
    publication->cause = (sb_cause_t)cause;
    return at == self->end && quality <= SB_QUALITY_FORCED_STALE && cause < SB_CAUSE_SNAPSHOT &&
           publication->first_topic_sequence <= publication->topic_sequence;
}

/* A topic that is a plain one: category.agent.subject of ASCII, not conflated. */
SB_HOT_INLINE bool s_is_plain_topic (sb_text_t topic)
{
    const uint64_t ones = UINT64_C (0x0101010101010101), highest = ones << 7, dots = ones * '.';
    const uint8_t *at = (const uint8_t *)topic.data;
    uint64_t octets = sb_hot_load (at), any = 0, found = 0; /* for each octet of a word: how many dots */
    uint32_t left = topic.size;
    if (left == 0 || left > SB_TOPIC_MAX || *at == '.' || *at == '~')
        return false;
    for (; left > 8; left -= 8, octets = sb_hot_load (at += 8)) {
        any |= octets;
        found += (highest - (octets ^ dots)) >> 7 & ones;
    }
    octets <<= 64 - 8 * left;
    any |= octets;
    found += (highest - (octets ^ dots)) >> 7 & ones;
    return !(any & highest) && found * ones >> 56 == 2;
}

/* The frame's topic. False: it is none, or has no NUL behind it. */
SB_HOT_INLINE bool s_read_topic (const s_work_t *self, sb_arena_t *arena, sb_text_t *topic)
{
    const uint8_t *nul = memchr (self->at, 0, (size_t)(self->end - self->at));
    sb_decoder_t decoder = {.arena = arena};
    if (!nul)
        return false;
    *topic = s_text (self->at, nul);
    if (!s_is_plain_topic (*topic))
        sb_decode_frame_topic (&decoder, *topic);
    return decoder.fault.reason == SB_REASON_NONE;
}

SB_HOT_INLINE bool s_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                         sb_publication_t *publication)
{
    s_work_t work;
    if (size == 0 || size > max_bytes || !s_begin (&work, arena, frame, size))
        return false;
    if (!s_read_topic (&work, arena, &publication->topic))
        return false;
    if (!s_read_publication (&work, work.at + publication->topic.size + 1, publication))
        return false;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

bool sb_hot_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                sb_publication_t *publication)
{
    return s_decode_publication (arena, frame, size, max_bytes, publication);
}

sb_fault_t sb_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                  sb_publication_t *publication)
{
    if (s_decode_publication (arena, frame, size, max_bytes, publication))
        return s_no_fault;
    return sb_protobuf_decode_publication (arena, frame, size, max_bytes, publication);
}

/* ------------------------------------------------------------------ acks */

SB_HOT_INLINE bool s_decode_broker_message (const void *data, size_t size, size_t max_bytes,
                                            sb_broker_message_t *message)
{
    uint8_t octets[2 * SB_HOT_BEHIND + 1] = {0};
    const uint8_t *end, *at = octets;
    if (size == 0 || size > max_bytes || size > SB_HOT_BEHIND || *(const uint8_t *)data != SB_HOT_BROKER_MESSAGE_ACK)
        return false;
    memcpy (octets, data, size);
    at = sb_hot_part (at + 1, octets + size, &end);
    at = sb_hot_number (at, SB_HOT_ACK_DECIDED_THROUGH, &message->ack.decided_through);
    if (at != octets + size || end != at)
        return false;
    message->kind = SB_BROKER_MESSAGE_ACK;
    message->ack.refused = NULL;
    message->ack.refused_count = 0;
    return true;
}

bool sb_hot_decode_broker_message (const void *data, size_t size, size_t max_bytes, sb_broker_message_t *message)
{
    return s_decode_broker_message (data, size, max_bytes, message);
}

sb_fault_t sb_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                     sb_broker_message_t *message)
{
    if (s_decode_broker_message (data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_broker_message (arena, data, size, max_bytes, message);
}

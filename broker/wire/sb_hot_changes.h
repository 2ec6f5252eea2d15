/* SPDX-License-Identifier: MPL-2.0
 *
 * What reading deltas and reading publications share: a message on its way into the arena, values, changes. Private to
 * sb_hot_decode.c and sb_hot_decode_broker.c.
 *
 * One pass over the octets writes our structs straight into the arena: the number of deltas in a batch (updates in a
 * publication) is counted by hopping over them, their changes are laid down as they come. Fields are expected in the
 * order of their numbers, each at most once. The frame is copied into the arena whole, with zeros behind it that make
 * checks superfluous (sb_hot_read.h), and texts and bytes point into the copy: behind a name comes the next field's
 * tag, so a NUL can take its place once that was read. Deltas of a batch resemble each other: where the octets of a
 * category, a subject, or a change up to its value's kind are those of the delta before (in the original, which has no
 * NULs), they are neither read nor checked again, and both share the texts.
 * Rejected: texts that point into the frame, since who keeps or prints them relies on arena and NUL.
 */
#ifndef SB_HOT_CHANGES_H
#define SB_HOT_CHANGES_H

#include "sb_codec_private.h"
#include "sb_hot.h"
#include "sb_hot_read.h"

enum { SB_HOT_CHANGES_SEEN = 16 };

/* A tag and its name that were read and are right. */
typedef struct {
    const uint8_t *at; /* the tag in the original frame */
    size_t size;       /* octets from there */
    sb_text_t text;
} sb_hot_seen_name_t;

/* The beginning of a change that was read and is right: all of it up to its value's kind. */
typedef struct {
    const uint8_t *at; /* its tag in the original frame */
    size_t size;       /* octets from there, up to and with the value's kind */
    size_t whole_size; /* octets of the whole change */
    sb_text_t name;
} sb_hot_seen_change_t;

/* What has a size before it. */
typedef struct {
    const uint8_t *at;  /* in the copy */
    const uint8_t *end; /* behind its last octet */
} sb_hot_part_t;

/* A message on its way into the arena. Nothing is taken from the arena before all of it is read. */
typedef struct {
    const uint8_t *frame;        /* the original */
    const uint8_t *at;           /* the copy, which is read */
    const uint8_t *end;          /* of the copy: zeros */
    unsigned char *low;          /* the arena's next free octet, aligned to 8 */
    unsigned char *high;         /* behind the last; values that are texts are laid down from there */
    sb_hot_seen_name_t category; /* the last one */
    sb_hot_seen_name_t subject;  /* the last one */
    sb_hot_times_t times;        /* the last one */
    uint32_t seen_count;         /* of `seen`: the rest is not set */
    sb_hot_seen_change_t seen[SB_HOT_CHANGES_SEEN]; /* the last that was the first, the second, … of its delta */
} sb_hot_work_t;

/* Copies the frame; false when there is no room. */
static inline bool sb_hot_begin (sb_hot_work_t *self, sb_arena_t *arena, const void *frame, size_t size)
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
SB_HOT_INLINE void *sb_hot_take (sb_hot_work_t *self, size_t item_size)
{
    unsigned char *item = self->low;
    if ((size_t)(self->high - item) < item_size)
        return NULL;
    self->low += item_size;
    return item;
}

/* The octets in the copy. Until sb_hot_put_nul there is no NUL behind them. */
SB_HOT_INLINE sb_text_t sb_hot_text (const uint8_t *at, const uint8_t *end)
{
    return (sb_text_t){(const char *)at, (uint32_t)(end - at)};
}

/* Puts the NUL behind a text of sb_hot_text. What stands there must have been read. */
SB_HOT_INLINE void sb_hot_put_nul (const uint8_t *end)
{
    *(uint8_t *)end = 0; /* the copy is ours */
}

/* Where what is read at `at` stands in the original frame; nowhere when it is too near to its end to be compared. */
SB_HOT_INLINE const uint8_t *sb_hot_original (const sb_hot_work_t *self, const uint8_t *at)
{
    return self->end - at >= 8 ? self->frame + (at - self->at) : sb_hot_nowhere;
}

/* Hops over the parts that follow each other under `tag` and takes an item for each, which begins with its part until
 * it is filled. Gives the place behind them; nowhere when there is no room. */
SB_HOT_INLINE const uint8_t *sb_hot_take_items (sb_hot_work_t *self, const uint8_t *at, uint8_t tag, size_t item_size)
{
    unsigned char *item = self->low;
    self->category.at = self->subject.at = sb_hot_nowhere;
    self->category.size = self->subject.size = 1;
    self->seen_count = 0;
    for (; *at == tag; item += item_size) {
        sb_hot_part_t part;
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

/* Each gives whether all the octets from `at` to `end` are such a value. In line, but for the longest and rarest: left
 * to the compiler, a delta of one number takes 30 instructions more. */
SB_HOT_INLINE bool sb_hot_read_number (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    uint64_t bits = sb_hot_load (at);
    value->kind = SB_VALUE_NUMBER;
    memcpy (&value->number, &bits, sizeof bits);
    return end - at == sizeof bits && (bits >> 52 & 0x7ff) != 0x7ff; /* infinite, or not a number */
}

SB_HOT_INLINE bool sb_hot_read_integer (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    uint64_t number;
    at = sb_hot_varint (at, &number);
    value->kind = SB_VALUE_INTEGER;
    value->integer = sb_hot_from_zigzag (number);
    return at == end;
}

static __attribute__ ((noinline)) bool sb_hot_read_decimal (const uint8_t *at, const uint8_t *end, sb_value_t *value)
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

SB_HOT_INLINE bool sb_hot_read_boolean (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    value->kind = SB_VALUE_BOOLEAN;
    value->boolean = *at == 1;
    return end - at == 1 && *at <= 1;
}

SB_HOT_INLINE bool sb_hot_read_text (sb_hot_work_t *self, const uint8_t *at, const uint8_t *end, sb_value_t *value)
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

SB_HOT_INLINE bool sb_hot_read_bytes (const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    const uint8_t *part_end;
    at = sb_hot_part (at, end, &part_end);
    value->kind = SB_VALUE_BYTES;
    value->bytes = (sb_text_t){(const char *)at, (uint32_t)(end - at)};
    return part_end == end;
}

/* The value whose kind is the octet before `at`. */
SB_HOT_INLINE bool sb_hot_read_value (sb_hot_work_t *self, const uint8_t *at, const uint8_t *end, sb_value_t *value)
{
    if (at[-1] == SB_HOT_VALUE_BYTES)
        return sb_hot_read_bytes (at, end, value);
    switch (at[-1]) {
    case SB_HOT_VALUE_NUMBER:
        return sb_hot_read_number (at, end, value);
    case SB_HOT_VALUE_INTEGER:
        return sb_hot_read_integer (at, end, value);
    case SB_HOT_VALUE_DECIMAL:
        return sb_hot_read_decimal (at, end, value);
    case SB_HOT_VALUE_BOOLEAN:
        return sb_hot_read_boolean (at, end, value);
    case SB_HOT_VALUE_TEXT:
        return sb_hot_read_text (self, at, end, value);
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ changes */

/* Reads the change at `at` up to its value: gives the value's first octet behind its kind, NULL when the change is a
 * delete, or nowhere; and *end, behind the change. */
SB_HOT_INLINE const uint8_t *sb_hot_read_new_change (const uint8_t *at, const uint8_t *limit,
                                                     bool (*is_name) (sb_text_t), sb_change_t *change,
                                                     const uint8_t **end)
{
    const uint8_t *name_end, *kind_end;
    at = sb_hot_part (at + 1, limit, end);
    if (*at != SB_HOT_CHANGE_NAME)
        return sb_hot_nowhere;
    at = sb_hot_short_part (at + 1, *end, &name_end);
    if (!name_end || at == name_end)
        return sb_hot_nowhere;
    change->name = sb_hot_text (at, name_end);
    if (!is_name (change->name))
        return sb_hot_nowhere;
    uint8_t tag = *name_end;
    at = sb_hot_part (name_end + 1, *end, &kind_end);
    if (kind_end != *end)
        return sb_hot_nowhere;
    sb_hot_put_nul (name_end);
    change->is_delete = tag == SB_HOT_CHANGE_DELETE;
    if (tag == SB_HOT_CHANGE_VALUE && at < *end)
        return at + 1;
    return change->is_delete && at == *end ? NULL : sb_hot_nowhere;
}

/* One change, the one at `place` of its delta. Gives the place behind it, or nowhere. */
SB_HOT_INLINE const uint8_t *sb_hot_read_change (sb_hot_work_t *self, const uint8_t *at, const uint8_t *limit,
                                                 bool is_alone, bool (*is_name) (sb_text_t), uint32_t place,
                                                 sb_change_t *change)
{
    const uint8_t *value, *end;
    if (!is_alone && place < self->seen_count) {
        const sb_hot_seen_change_t *seen = &self->seen[place];
        if (sb_hot_is_same (at, seen->at, seen->size)) {
            change->name = seen->name;
            change->is_delete = false;
            value = at + seen->size;
            end = at + seen->whole_size;
            return end <= limit && sb_hot_read_value (self, value, end, &change->value) ? end : sb_hot_nowhere;
        }
    }
    value = sb_hot_read_new_change (at, limit, is_name, change, &end);
    if (value == sb_hot_nowhere)
        return value;
    if (!value) {
        change->value.kind = SB_VALUE_NONE;
        return end;
    }
    if (!is_alone && place <= self->seen_count && place < SB_HOT_CHANGES_SEEN) {
        size_t size = (size_t)(value - at);
        self->seen[place] = (sb_hot_seen_change_t){sb_hot_original (self, at), size, (size_t)(end - at), change->name};
        self->seen_count += place == self->seen_count;
    }
    return sb_hot_read_value (self, value, end, &change->value) ? end : sb_hot_nowhere;
}

/* The changes that follow each other under `tag`. Gives the place behind them, or nowhere. */
SB_HOT_INLINE const uint8_t *sb_hot_read_changes (sb_hot_work_t *self, const uint8_t *at, const uint8_t *limit,
                                                  bool is_alone, uint8_t tag, bool (*is_name) (sb_text_t),
                                                  sb_update_t *update)
{
    sb_change_t *changes = (sb_change_t *)self->low;
    uint32_t count = 0;
    update->changes = *at == tag ? changes : NULL;
    for (; *at == tag; count++) {
        sb_change_t *change = sb_hot_take (self, sizeof *change);
        if (!change)
            return sb_hot_nowhere;
        at = sb_hot_read_change (self, at, limit, is_alone, is_name, count, change);
    }
    update->change_count = count;
    return at;
}

#endif

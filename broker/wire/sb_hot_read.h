/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading the octets of protobuf: numbers, and parts that have a size before them. Private to sb_hot_decode.c.
 *
 * A reader that has met anything that it does not take returns false, and nobody reads on. Numbers of one octet are
 * read in place. Longer ones are taken eight octets at a time: the sevens of bits are pushed together in three steps of
 * masks and shifts, so that a time in nanoseconds (nine octets) costs about 30 instructions and not 60.
 */
#ifndef SB_HOT_READ_H
#define SB_HOT_READ_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A message or a part of one. */
typedef struct {
    const uint8_t *at;  /* the next octet */
    const uint8_t *end; /* behind the last */
} sb_hot_reader_t;

/* The lower seven bits of each octet, side by side. */
static inline uint64_t sb_hot_squeeze (uint64_t octets)
{
    octets = (octets & UINT64_C (0x007f007f007f007f)) | (octets & UINT64_C (0x7f007f007f007f00)) >> 1;
    octets = (octets & UINT64_C (0x00003fff00003fff)) | (octets & UINT64_C (0x3fff00003fff0000)) >> 2;
    return (octets & UINT64_C (0x0fffffff)) | (octets & UINT64_C (0x0fffffff00000000)) >> 4;
}

/* What was read, by value, so that no local variable needs an address. */
typedef struct {
    const uint8_t *at; /* behind it; NULL: it cannot be read */
    uint64_t number;
} sb_hot_number_t;

/* A number that may end behind `end`. A tenth octet has one bit; protobuf-c knows what to do with others. */
static __attribute__ ((noinline)) sb_hot_number_t sb_hot_near_end_varint (const uint8_t *at, const uint8_t *end)
{
    uint64_t number = 0;
    for (uint32_t shift = 0; at < end && shift < 63; shift += 7) {
        uint8_t octet = *at++;
        number |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return (sb_hot_number_t){at, number};
    }
    if (at == end || *at > 1)
        return (sb_hot_number_t){NULL, 0};
    return (sb_hot_number_t){at + 1, number | (uint64_t)*at << 63};
}

static __attribute__ ((noinline)) sb_hot_number_t sb_hot_long_varint (const uint8_t *at, const uint8_t *end)
{
    uint64_t octets;
    if (end - at < 10)
        return sb_hot_near_end_varint (at, end);
    if (at[1] < 0x80)
        return (sb_hot_number_t){at + 2, (uint64_t)at[1] << 7 | (at[0] & 0x7f)};
    if (at[2] < 0x80)
        return (sb_hot_number_t){at + 3, (uint64_t)at[2] << 14 | (uint64_t)(at[1] & 0x7f) << 7 | (at[0] & 0x7f)};
    memcpy (&octets, at, sizeof octets);
    octets = le64toh (octets);
    uint64_t last = ~octets & UINT64_C (0x8080808080808080);
    if (last) {
        uint64_t bit = last & -last; /* the highest of the last octet */
        return (sb_hot_number_t){at + (__builtin_ctzll (last) / 8 + 1), sb_hot_squeeze (octets & (bit - 1))};
    }
    if (at[8] >= 0x80)
        return sb_hot_near_end_varint (at, end);
    return (sb_hot_number_t){at + 9, sb_hot_squeeze (octets) | (uint64_t)at[8] << 56};
}

static inline bool sb_hot_read_varint (sb_hot_reader_t *self, uint64_t *number)
{
    if (self->at < self->end && *self->at < 0x80) {
        *number = *self->at++;
        return true;
    }
    sb_hot_number_t read = sb_hot_long_varint (self->at, self->end);
    if (!read.at)
        return false;
    self->at = read.at;
    *number = read.number;
    return true;
}

static inline int64_t sb_hot_from_zigzag (uint64_t number)
{
    return (int64_t)(number >> 1 ^ -(number & 1));
}

/* Takes the tag when it is the next. */
static inline bool sb_hot_take_tag (sb_hot_reader_t *self, uint8_t tag)
{
    if (self->at == self->end || *self->at != tag)
        return false;
    self->at++;
    return true;
}

/* A field that may be absent: then *number keeps its value. False when it cannot be read. */
static inline bool sb_hot_read_number (sb_hot_reader_t *self, uint8_t tag, uint64_t *number)
{
    return !sb_hot_take_tag (self, tag) || sb_hot_read_varint (self, number);
}

static inline bool sb_hot_read_signed (sb_hot_reader_t *self, uint8_t tag, int64_t *number)
{
    uint64_t zigzag;
    if (!sb_hot_take_tag (self, tag))
        return true;
    if (!sb_hot_read_varint (self, &zigzag))
        return false;
    *number = sb_hot_from_zigzag (zigzag);
    return true;
}

/* The size of a part in two to four octets, as many as anybody needs. */
static __attribute__ ((noinline)) sb_hot_number_t sb_hot_long_size (const uint8_t *at, const uint8_t *end)
{
    uint64_t size = 0;
    for (uint32_t shift = 0; at < end && shift < 28; shift += 7) {
        uint8_t octet = *at++;
        size |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return (sb_hot_number_t){at, size};
    }
    return (sb_hot_number_t){end, UINT64_MAX};
}

/* A size and as many octets, to *part; false when there are fewer. */
static inline __attribute__ ((always_inline)) bool sb_hot_read_part (sb_hot_reader_t *self, sb_hot_reader_t *part)
{
    const uint8_t *at = self->at;
    if (at == self->end)
        return false;
    uint64_t size = *at++;
    if (size >= 0x80) {
        if (at < self->end && *at < 0x80) {
            size = (size & 0x7f) | (uint64_t)*at++ << 7;
        } else {
            sb_hot_number_t read = sb_hot_long_size (at - 1, self->end);
            at = read.at;
            size = read.number;
        }
    }
    if (size > (uint64_t)(self->end - at))
        return false;
    part->at = at;
    part->end = self->at = at + size;
    return true;
}

#endif

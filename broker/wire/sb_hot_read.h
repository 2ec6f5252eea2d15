/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading the octets of protobuf: numbers, and parts that have a size before them. Private to sb_hot_decode*.c.
 *
 * What is read has SB_HOT_BEHIND zeros behind it, and no tag is 0: a tag that is awaited can be looked for without
 * asking whether anything is left, and eight octets can be loaded anywhere. Whoever reads over the end of a part stands
 * behind it and not at it, so one comparison there is enough. A place from which nothing can be read on is
 * sb_hot_nowhere: no tag is there, and no part ends there, so that numbers need no check of their own.
 *
 * Numbers of one to three octets are read in place. Longer ones are taken eight octets at a time: the sevens of bits
 * are pushed together in three steps, so that a time in nanoseconds (nine octets) costs about 20 instructions, not 60.
 */
#ifndef SB_HOT_READ_H
#define SB_HOT_READ_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SB_HOT_INLINE static inline __attribute__ ((always_inline))

enum { SB_HOT_BEHIND = 16 };

static const uint8_t sb_hot_nowhere[SB_HOT_BEHIND];

/* Eight octets, the first one lowest. */
SB_HOT_INLINE uint64_t sb_hot_load (const uint8_t *at)
{
    uint64_t octets;
    memcpy (&octets, at, sizeof octets);
    return le64toh (octets);
}

/* The same `size` octets, at least one, stand at both places. At least eight octets can be loaded at each. */
SB_HOT_INLINE bool sb_hot_is_same (const uint8_t *left, const uint8_t *right, size_t size)
{
    if (size < 8)
        return (sb_hot_load (left) ^ sb_hot_load (right)) << (64 - 8 * size) == 0;
    const uint8_t *last = left + size - 8; /* the last eight may be looked at twice */
    const uint8_t *right_last = right + size - 8;
    for (; left < last; left += 8, right += 8)
        if (sb_hot_load (left) != sb_hot_load (right))
            return false;
    return sb_hot_load (last) == sb_hot_load (right_last);
}

/* The lower seven bits of each octet, side by side. */
SB_HOT_INLINE uint64_t sb_hot_squeeze (uint64_t octets)
{
    octets &= UINT64_C (0x7f7f7f7f7f7f7f7f);
    octets -= (octets & UINT64_C (0xff00ff00ff00ff00)) >> 1;
    uint64_t odd = octets & UINT64_C (0xffff0000ffff0000);
    octets = (octets ^ odd) + (odd >> 2);
    return (uint32_t)octets | octets >> 32 << 28;
}

/* A number of nine octets, or ten: the tenth has one bit; protobuf-c knows what to do with others. */
SB_HOT_INLINE const uint8_t *sb_hot_long_varint (const uint8_t *at, uint64_t octets, uint64_t *number)
{
    *number = sb_hot_squeeze (octets) | (uint64_t)at[8] << 56;
    if (at[8] < 0x80)
        return at + 9;
    *number = (*number & INT64_MAX) | (uint64_t)at[9] << 63;
    return at[9] > 1 ? sb_hot_nowhere : at + 10;
}

/* A number of any size; gives the place behind it. */
SB_HOT_INLINE const uint8_t *sb_hot_any_varint (const uint8_t *at, uint64_t *number)
{
    uint64_t octets = sb_hot_load (at), last = ~octets & UINT64_C (0x8080808080808080);
    if (!last)
        return sb_hot_long_varint (at, octets, number);
    *number = sb_hot_squeeze (octets & (last ^ (last - 1)));
    return at + (__builtin_ctzll (last) / 8 + 1);
}

/* A number that is most likely a short one. */
SB_HOT_INLINE const uint8_t *sb_hot_varint (const uint8_t *at, uint64_t *number)
{
    uint32_t first = at[0], second = at[1], third = at[2];
    if (first < 0x80) {
        *number = first;
        return at + 1;
    }
    if (second < 0x80) {
        *number = first + (second << 7) - 0x80; /* the first octet's highest bit */
        return at + 2;
    }
    if (third < 0x80) {
        *number = first + (second << 7) + (third << 14) - (0x80 + (0x80 << 7));
        return at + 3;
    }
    return sb_hot_any_varint (at, number);
}

SB_HOT_INLINE int64_t sb_hot_from_zigzag (uint64_t number)
{
    return (int64_t)(number >> 1 ^ -(number & 1));
}

/* A field that may be absent: then *number is 0. */
SB_HOT_INLINE const uint8_t *sb_hot_number (const uint8_t *at, uint8_t tag, uint64_t *number)
{
    *number = 0;
    return *at == tag ? sb_hot_varint (at + 1, number) : at;
}

/* The same, of one that is most likely a long one. */
SB_HOT_INLINE const uint8_t *sb_hot_long_number (const uint8_t *at, uint8_t tag, uint64_t *number)
{
    *number = 0;
    return *at == tag ? sb_hot_any_varint (at + 1, number) : at;
}

/* The same, of a number with a sign. */
SB_HOT_INLINE const uint8_t *sb_hot_signed (const uint8_t *at, uint8_t tag, int64_t *number)
{
    uint64_t zigzag;
    at = sb_hot_long_number (at, tag, &zigzag);
    *number = sb_hot_from_zigzag (zigzag);
    return at;
}

/* What times near each other share: the last five of nine octets, all but 28 bits. */
typedef struct {
    uint64_t octets; /* those five above 24 zeros; 1: no time was read yet */
    uint64_t number; /* what they stand for */
} sb_hot_times_t;

/* The same, of a time, which is most likely near to the one before it. */
SB_HOT_INLINE const uint8_t *sb_hot_time (const uint8_t *at, uint8_t tag, sb_hot_times_t *times, int64_t *number)
{
    const uint32_t continued = 0x80808080;
    uint64_t zigzag = 0;
    if (*at == tag) {
        uint64_t last_five = sb_hot_load (at + 5) << 24;
        uint32_t first_four = (uint32_t)sb_hot_load (at + 1) ^ continued;
        if (last_five == times->octets && !(first_four & continued)) {
            first_four -= (first_four & 0xff00ff00) >> 1;
            zigzag = times->number | (first_four & 0x3fff) | (first_four >> 2 & 0xfffc000);
            at += 10;
        } else {
            const uint8_t *begin = at + 1;
            at = sb_hot_any_varint (begin, &zigzag);
            if (at == begin + 9)
                *times = (sb_hot_times_t){last_five, zigzag & ~(uint64_t)0xfffffff};
        }
    }
    *number = sb_hot_from_zigzag (zigzag);
    return at;
}

/* A size, by value: whoever calls needs no address of a local variable. */
typedef struct {
    const uint8_t *at; /* behind it */
    int64_t size;
} sb_hot_size_t;

/* The size of a part in three or four octets, as many as anybody needs. */
static __attribute__ ((noinline)) sb_hot_size_t sb_hot_long_size (const uint8_t *at)
{
    int64_t size = 0;
    for (uint32_t shift = 0; shift < 28; shift += 7) {
        uint8_t octet = *at++;
        size |= (int64_t)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return (sb_hot_size_t){at, size};
    }
    return (sb_hot_size_t){at, INT64_MAX};
}

/* A size and as many octets, which end at `limit` or before: gives where they begin, and *end. Without that many:
 * nowhere, which is not *end. */
SB_HOT_INLINE const uint8_t *sb_hot_part (const uint8_t *at, const uint8_t *limit, const uint8_t **end)
{
    int64_t size = *at++;
    if (size >= 0x80) {
        sb_hot_size_t read = {at + 1, size + ((int64_t)*at << 7) - 0x80};
        if (*at >= 0x80)
            read = sb_hot_long_size (at - 1);
        at = read.at;
        size = read.size;
    }
    if (size > limit - at) {
        *end = NULL;
        return sb_hot_nowhere;
    }
    *end = at + size;
    return at;
}

/* The same, of a part with less than 128 octets; there are no others. */
SB_HOT_INLINE const uint8_t *sb_hot_short_part (const uint8_t *at, const uint8_t *limit, const uint8_t **end)
{
    int64_t size = *at++;
    if (size >= 0x80 || size > limit - at) {
        *end = NULL;
        return sb_hot_nowhere;
    }
    *end = at + size;
    return at;
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Writing the octets of protobuf from the last to the first. Private to sb_hot_encode.c.
 *
 * The size of a part stands in front of it: whoever writes backwards knows it by then, and needs neither a pass that
 * computes sizes nor a place to keep them. Numbers are spread over four or eight octets by masks and shifts and stored
 * at once; what that writes in front of the number is free and written over next. So there must be SB_HOT_SLACK octets
 * of room more than the message takes, and who puts something asks beforehand.
 *
 * Each function takes the place of the first octet written so far and returns the new one: a place kept in memory
 * would be loaded again after each octet that is stored, since an octet may be stored anywhere (a fifth of the work).
 */
#ifndef SB_HOT_WRITE_H
#define SB_HOT_WRITE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    SB_HOT_SLACK = 8,   /* octets that a number may write in front of itself */
    SB_HOT_NUMBER = 11, /* at most, with its tag */
    SB_HOT_SIZE = 6,    /* of a part, at most, with its tag */
    SB_HOT_AGAIN = 32   /* octets that can be put again */
};

/* True when `size` more octets can be put in front of `at`, none of them in front of `low`. */
static inline bool sb_hot_has_room (const uint8_t *low, const uint8_t *at, size_t size)
{
    return (size_t)(at - low) >= size + SB_HOT_SLACK;
}

static inline uint8_t *sb_hot_put_octet (uint8_t *at, uint8_t octet)
{
    *--at = octet;
    return at;
}

/* A number from 0x80 up and below 2^28. */
static inline uint8_t *sb_hot_put_short (uint8_t *at, uint32_t number)
{
    if (number >= 1 << 14) {
        if (number >= 1 << 21) {
            *--at = (uint8_t)(number >> 21);
            *--at = (uint8_t)(number >> 14 | 0x80);
        } else {
            *--at = (uint8_t)(number >> 14);
        }
        at[-1] = (uint8_t)(number >> 7 | 0x80);
    } else {
        at[-1] = (uint8_t)(number >> 7);
    }
    at[-2] = (uint8_t)(number | 0x80);
    return at - 2;
}

/* The lower 56 bits, seven to an octet. */
static inline uint64_t sb_hot_spread (uint64_t number)
{
    number = (number & UINT64_C (0x0fffffff)) | (number & UINT64_C (0x00fffffff0000000)) << 4;
    number = (number & UINT64_C (0x00003fff00003fff)) | (number & UINT64_C (0x0fffc0000fffc000)) << 2;
    return (number & UINT64_C (0x007f007f007f007f)) | (number & UINT64_C (0x3f803f803f803f80)) << 1;
}

/* A number from 2^28 up. */
static __attribute__ ((noinline)) uint8_t *sb_hot_put_long (uint8_t *at, uint64_t number)
{
    uint64_t octets = sb_hot_spread (number);
    if (number >> 56 == 0) {
        const uint32_t free_bits = (uint32_t)__builtin_clzll (octets) & ~7u;
        octets = htole64 (octets << free_bits | UINT64_C (0x0080808080808080));
        memcpy (at - 8, &octets, sizeof octets);
        return at - 8 + free_bits / 8;
    }
    if (number >> 63)
        *--at = 1;
    *--at = (uint8_t)((number >> 56 & 0x7f) | (number >> 63) << 7);
    octets = htole64 (octets | UINT64_C (0x8080808080808080));
    memcpy (at - 8, &octets, sizeof octets);
    return at - 8;
}

static inline uint8_t *sb_hot_put_varint (uint8_t *at, uint64_t number)
{
    if (number < 0x80)
        return sb_hot_put_octet (at, (uint8_t)number);
    return number >> 28 == 0 ? sb_hot_put_short (at, (uint32_t)number) : sb_hot_put_long (at, number);
}

/* Nothing for 0, as proto3 has it. */
static inline uint8_t *sb_hot_put_number (uint8_t *at, uint8_t tag, uint64_t number)
{
    return number == 0 ? at : sb_hot_put_octet (sb_hot_put_varint (at, number), tag);
}

static inline uint64_t sb_hot_to_zigzag (int64_t number)
{
    return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

static inline uint8_t *sb_hot_put_signed (uint8_t *at, uint8_t tag, int64_t number)
{
    return sb_hot_put_number (at, tag, sb_hot_to_zigzag (number));
}

/* Octets as they are. 4 to 256, as names and most values have, take some moves of which the last two overlap: less than
 * a call. */
static inline uint8_t *sb_hot_put_octets (uint8_t *at, const char *data, size_t size)
{
    at -= size;
    if (size >= 8 && size < 16) {
        memcpy (at, data, 8);
        memcpy (at + size - 8, data + size - 8, 8);
    } else if (size > 256) {
        memcpy (at, data, size);
    } else if (size >= 16) {
        for (size_t i = 0; i + 16 < size; i += 16)
            memcpy (at + i, data + i, 16);
        memcpy (at + size - 16, data + size - 16, 16);
    } else if (size >= 4) {
        memcpy (at, data, 4);
        memcpy (at + size - 4, data + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            at[i] = (uint8_t)data[i];
    }
    return at;
}

/* A size from 0x80 up and below 2^14, and its tag in front of it. */
static inline uint8_t *sb_hot_put_middling_size (uint8_t *at, uint8_t tag, uint32_t size)
{
    at[-1] = (uint8_t)(size >> 7);
    at[-2] = (uint8_t)(size | 0x80);
    at[-3] = tag;
    return at - 3;
}

/* A size, which is most likely below 2^14, and its tag in front of it. */
static inline uint8_t *sb_hot_put_size (uint8_t *at, uint8_t tag, uint64_t size)
{
    if (size < 0x80) {
        at[-1] = (uint8_t)size;
        at[-2] = tag;
        return at - 2;
    }
    return size < 0x4000 ? sb_hot_put_middling_size (at, tag, (uint32_t)size)
                         : sb_hot_put_octet (sb_hot_put_varint (at, size), tag);
}

/* Makes a part under `tag` of what was put since the place was `end`. */
static inline uint8_t *sb_hot_put_part (uint8_t *at, uint8_t tag, const uint8_t *end)
{
    return sb_hot_put_size (at, tag, (uint64_t)(end - at));
}

/* Octets that were put before, as they ended at `end`: at most SB_HOT_AGAIN, which must be free in front of `at`, and
 * be there in front of `end`. Moved as a whole, since that is less than a move of just `size`. */
static inline uint8_t *sb_hot_put_again (uint8_t *at, const uint8_t *end, size_t size)
{
    uint8_t octets[SB_HOT_AGAIN]; /* registers: the places may overlap, and memmove is a call */
    memcpy (octets, end - SB_HOT_AGAIN, SB_HOT_AGAIN);
    memcpy (at - SB_HOT_AGAIN, octets, SB_HOT_AGAIN);
    return at - size;
}

#endif

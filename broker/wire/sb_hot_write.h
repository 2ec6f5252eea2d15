/* SPDX-License-Identifier: MPL-2.0
 *
 * Writing the octets of protobuf from the last to the first. Private to sb_hot_encode.c.
 *
 * The size of a part stands in front of it: whoever writes backwards knows it by then, and needs neither a pass that
 * computes sizes nor a place to keep them. Numbers of more than one octet are spread over eight in three steps of masks
 * and shifts and stored at once; what that writes in front of the number is free and written over next. So a
 * writer needs SB_HOT_SLACK octets more than the message, and whoever puts something asks for room beforehand.
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
    SB_HOT_SIZE = 6     /* of a part, at most, with its tag */
};

typedef struct {
    uint8_t *at;  /* the first octet that is written */
    uint8_t *low; /* none is written in front of it */
} sb_hot_writer_t;

/* True when `size` more octets can be put. */
static inline bool sb_hot_has_room (const sb_hot_writer_t *self, size_t size)
{
    return (size_t)(self->at - self->low) >= size + SB_HOT_SLACK;
}

static inline void sb_hot_put_octet (sb_hot_writer_t *self, uint8_t octet)
{
    *--self->at = octet;
}

/* A number below 2^28: four octets. */
static inline uint8_t *sb_hot_put_short (uint8_t *at, uint32_t number)
{
    number = (number & 0x3fff) | (number & 0x0fffc000) << 2;
    number = (number & 0x007f007f) | (number & 0x3f803f80) << 1;
    const uint32_t free_bits = (uint32_t)__builtin_clz (number) & ~7u;  /* in front of the number */
    const uint32_t octets = htole32 (number << free_bits | 0x00808080); /* each but the last says that more follow */
    memcpy (at - 4, &octets, sizeof octets);
    return at - 4 + free_bits / 8;
}

/* The lower 56 bits, seven to an octet. */
static inline uint64_t sb_hot_spread (uint64_t number)
{
    number = (number & UINT64_C (0x0fffffff)) | (number & UINT64_C (0x00fffffff0000000)) << 4;
    number = (number & UINT64_C (0x00003fff00003fff)) | (number & UINT64_C (0x0fffc0000fffc000)) << 2;
    return (number & UINT64_C (0x007f007f007f007f)) | (number & UINT64_C (0x3f803f803f803f80)) << 1;
}

/* A number from 0x80 up. */
static __attribute__ ((noinline)) uint8_t *sb_hot_put_long (uint8_t *at, uint64_t number)
{
    if (number >> 28 == 0)
        return sb_hot_put_short (at, (uint32_t)number);
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

static inline void sb_hot_put_varint (sb_hot_writer_t *self, uint64_t number)
{
    if (number < 0x80)
        sb_hot_put_octet (self, (uint8_t)number);
    else
        self->at = sb_hot_put_long (self->at, number);
}

/* A number that is most likely below 2^14. */
static inline void sb_hot_put_size (sb_hot_writer_t *self, uint64_t size)
{
    if (size >= 0x80 && size < 0x4000) {
        sb_hot_put_octet (self, (uint8_t)(size >> 7));
        sb_hot_put_octet (self, (uint8_t)(size | 0x80));
        return;
    }
    sb_hot_put_varint (self, size);
}

/* Nothing for 0, as proto3 has it. */
static inline void sb_hot_put_number (sb_hot_writer_t *self, uint8_t tag, uint64_t number)
{
    if (number == 0)
        return;
    sb_hot_put_varint (self, number);
    sb_hot_put_octet (self, tag);
}

static inline uint64_t sb_hot_to_zigzag (int64_t number)
{
    return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

static inline void sb_hot_put_signed (sb_hot_writer_t *self, uint8_t tag, int64_t number)
{
    sb_hot_put_number (self, tag, sb_hot_to_zigzag (number));
}

/* Octets as they are. Up to 16, as names are, take two overlapping moves: less than a call. */
static inline void sb_hot_put_octets (sb_hot_writer_t *self, const char *data, size_t size)
{
    uint8_t *at = self->at -= size;
    if (size > 16 || size < 4) {
        if (size > 16)
            memcpy (at, data, size);
        else
            for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)data[i];
        return;
    }
    size_t half = size < 8 ? 4 : 8;
    if (half == 4) {
        memcpy (at, data, 4);
        memcpy (at + size - 4, data + size - 4, 4);
    } else {
        memcpy (at, data, 8);
        memcpy (at + size - 8, data + size - 8, 8);
    }
}

/* Makes a part under `tag` of what was put since self->at was `end`. */
static inline void sb_hot_put_part (sb_hot_writer_t *self, uint8_t tag, const uint8_t *end)
{
    sb_hot_put_size (self, (uint64_t)(end - self->at));
    sb_hot_put_octet (self, tag);
}

#endif

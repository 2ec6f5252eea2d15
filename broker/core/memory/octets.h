/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing and copying short runs of octets in place: names, topics, ids.
 *
 * Nearly all of them have 2 to 32 octets, for which a call of memcmp or memcpy spends more on getting there than on the
 * octets (about 30 instructions against 15, nine times in a delta of one field). Two loads that overlap cover every
 * size from one to two times their own; what is longer is left to the library.
 */
#ifndef SB_OCTETS_H
#define SB_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sb_model.h"

static inline uint64_t sb_octets_load8 (const char *octets)
{
    uint64_t word;
    memcpy (&word, octets, sizeof word);
    return word;
}

static inline uint32_t sb_octets_load4 (const char *octets)
{
    uint32_t word;
    memcpy (&word, octets, sizeof word);
    return word;
}

/* True when the `size` octets at both places are the same. */
static inline bool sb_octets_equal (const char *left, const char *right, size_t size)
{
    if (size > 16)
        return memcmp (left, right, size) == 0;
    if (size >= 8)
        return ((sb_octets_load8 (left) ^ sb_octets_load8 (right)) |
                (sb_octets_load8 (left + size - 8) ^ sb_octets_load8 (right + size - 8))) == 0;
    if (size >= 4)
        return ((sb_octets_load4 (left) ^ sb_octets_load4 (right)) |
                (sb_octets_load4 (left + size - 4) ^ sb_octets_load4 (right + size - 4))) == 0;
    if (size == 0)
        return true;
    return left[0] == right[0] && left[size / 2] == right[size / 2] && left[size - 1] == right[size - 1];
}

/* Copies `size` octets; the places do not overlap. */
static inline void sb_octets_copy (char *to, const char *from, size_t size)
{
    if (size > 32)
        memcpy (to, from, size);
    else if (size >= 16) {
        memcpy (to, from, 16);
        memcpy (to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy (to, from, 8);
        memcpy (to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy (to, from, 4);
        memcpy (to + size - 4, from + size - 4, 4);
    } else if (size) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

/* True when both texts have the same octets. */
static inline bool sb_octets_same (sb_text_t left, sb_text_t right)
{
    return left.size == right.size && sb_octets_equal (left.data, right.data, left.size);
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What an update carries, little endian: octets 0-7 its number (1 and up for each publisher; 0: a probe), 8-15 when it
 * was sent or, in a run at a rate, should have been (CLOCK_MONOTONIC, ns), 16-19 its publisher, the rest filler that
 * follows from the number, so that no two are alike and a damaged one is found.
 */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include <stdint.h>
#include <string.h>

#include "bench_driver.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "payloads are written as they lie in memory");

typedef struct {
    uint64_t number;
    uint64_t sent_ns;
    uint32_t publisher;
} bench_payload_t;

/* The filler's word: odd multiples are a permutation, so that each number has its own. */
static inline uint64_t bench_payload_filler (uint64_t number)
{
    return (number + 1) * UINT64_C (0x9e3779b97f4a7c15);
}

/* Writes a payload of `size` octets, from BENCH_PAYLOAD_MIN up. */
static inline void bench_payload_write (uint8_t *octets, uint32_t size, const bench_payload_t *payload)
{
    const uint64_t filler = bench_payload_filler (payload->number);
    memcpy (octets, &payload->number, 8);
    memcpy (octets + 8, &payload->sent_ns, 8);
    memcpy (octets + 16, &payload->publisher, 4);
    uint32_t at = 20;
    for (; at + 8 <= size; at += 8)
        memcpy (octets + at, &filler, 8);
    memcpy (octets + at, &filler, size - at);
}

/* Reads one; false when an octet of its filler is not that of its number. The last eight, which the end cuts out of two
 * of the filler's words, are compared with the word turned round. */
static inline bool bench_payload_read (const uint8_t *octets, uint32_t size, bench_payload_t *payload)
{
    memcpy (&payload->number, octets, 8);
    memcpy (&payload->sent_ns, octets + 8, 8);
    memcpy (&payload->publisher, octets + 16, 4);
    const uint64_t filler = bench_payload_filler (payload->number);
    const uint32_t turn = (size - 20) % 8 * 8;
    uint64_t word, differences;
    memcpy (&word, octets + size - 8, 8);
    differences = word ^ (filler >> turn | filler << (64 - turn) % 64);
    for (uint32_t at = 20; at + 8 <= size; at += 8) {
        memcpy (&word, octets + at, 8);
        differences |= word ^ filler;
    }
    return differences == 0;
}

#endif

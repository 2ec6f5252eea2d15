/* SPDX-License-Identifier: MPL-2.0
 *
 * A histogram of durations with bounded error, that merges by adding.
 *
 * Bucket 0 counts durations under 1 us; bucket 1 + 4 * octave + quarter counts those from
 * 2^octave * (1 + quarter / 4) us up to the next bound, octave 0 to 26 (1 us to 134 s), and the
 * last bucket everything longer. A quantile read from it is at most 25 % above the true one.
 * (The log-linear layout of HdrHistogram, with two bits of precision.)
 */
#ifndef SB_HISTOGRAM_H
#define SB_HISTOGRAM_H

#include <stdint.h>

enum { SB_HISTOGRAM_BUCKETS = 110 };

typedef struct {
    uint64_t buckets[SB_HISTOGRAM_BUCKETS];
} sb_histogram_t;

/* Sets every bucket to 0. */
void sb_histogram_clear (sb_histogram_t *self);

/* Counts one duration; a negative one counts as 0. Cannot fail. */
void sb_histogram_add (sb_histogram_t *self, int64_t duration_ns);

/* The same `times` times. */
void sb_histogram_add_times (sb_histogram_t *self, int64_t duration_ns, uint64_t times);

/* Adds `count` buckets (at most SB_HISTOGRAM_BUCKETS are read), saturating at UINT64_MAX. */
void sb_histogram_merge (sb_histogram_t *self, const uint64_t *buckets, uint32_t count);

/* Number of durations counted. */
uint64_t sb_histogram_count (const sb_histogram_t *self);

/* Upper bound, in ns, of the bucket that holds the quantile (0.0 to 1.0; beyond: the nearer one; NaN: 0.0); for the
 * last bucket, which has none, its lower bound. 0 when nothing was counted. */
uint64_t sb_histogram_quantile_ns (const sb_histogram_t *self, double quantile);

#endif

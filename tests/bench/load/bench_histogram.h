/* SPDX-License-Identifier: MPL-2.0
 *
 * Times by size: 64 buckets to each power of two, so that a quantile is at most 1.6 % above the true one. Adding costs
 * a few nanoseconds and no memory; every value is kept, none is sampled.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    BENCH_HISTOGRAM_BITS = 6, /* of a value below its highest that tell buckets apart */
    BENCH_HISTOGRAM_BUCKETS = (42 - BENCH_HISTOGRAM_BITS) << BENCH_HISTOGRAM_BITS /* up to 2^41 ns, 36 minutes */
};

typedef struct {
    uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t maximum; /* the largest value itself */
} bench_histogram_t;

/* Adds a value; what is beyond the last bucket goes into it. Cannot fail. */
void bench_histogram_add (bench_histogram_t *self, uint64_t value);

/* Adds all that `other` holds. */
void bench_histogram_merge (bench_histogram_t *self, const bench_histogram_t *other);

/* The upper bound of the bucket that holds the quantile (0 to 1), at most `maximum`; 0 when it is empty. */
uint64_t bench_histogram_quantile (const bench_histogram_t *self, double quantile);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A log-linear histogram: four buckets an octave.
 *
 * Counted in units of 250 ns, bucket bounds are (4 + quarter) * 2^octave units,
 * whole numbers all: the highest set bit gives the octave, the two bits below
 * it the quarter. Adding is O(1), everything else O(buckets).
 */
#include "sb_histogram.h"

#include <string.h>

enum { UNIT_NS = 250, QUARTERS = 4, OCTAVES = 27, LAST = SB_HISTOGRAM_BUCKETS - 1 };

_Static_assert(1 + QUARTERS * OCTAVES + 1 == SB_HISTOGRAM_BUCKETS, "one below, the octaves, one above");

/* The bucket that counts `duration_ns`. */
static uint32_t s_bucket (uint64_t duration_ns)
{
    uint64_t units = duration_ns / UNIT_NS;
    if (units < QUARTERS)
        return 0;
    uint32_t octave = 63 - 2 - (uint32_t)__builtin_clzll (units);
    if (octave >= OCTAVES)
        return LAST;
    return 1 + QUARTERS * octave + (uint32_t)((units >> octave) & 3);
}

/* Where bucket `bucket`, from 1 up, begins. */
static uint64_t s_lower_ns (uint32_t bucket)
{
    uint64_t octave = (bucket - 1) / QUARTERS;
    uint64_t quarter = (bucket - 1) % QUARTERS;
    return ((QUARTERS + quarter) << octave) * UNIT_NS;
}

static uint64_t s_saturating_sum (uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

void sb_histogram_clear (sb_histogram_t *self)
{
    memset (self, 0, sizeof *self);
}

void sb_histogram_add_times (sb_histogram_t *self, int64_t duration_ns, uint64_t times)
{
    uint64_t *bucket = &self->buckets[s_bucket (duration_ns < 0 ? 0 : (uint64_t)duration_ns)];
    *bucket = s_saturating_sum (*bucket, times);
}

void sb_histogram_add (sb_histogram_t *self, int64_t duration_ns)
{
    sb_histogram_add_times (self, duration_ns, 1);
}

void sb_histogram_merge (sb_histogram_t *self, const uint64_t *buckets, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < SB_HISTOGRAM_BUCKETS; i++)
        self->buckets[i] = s_saturating_sum (self->buckets[i], buckets[i]);
}

uint64_t sb_histogram_count (const sb_histogram_t *self)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++)
        count = s_saturating_sum (count, self->buckets[i]);
    return count;
}

/* The 1-based rank of the quantile among `count` durations: the smallest whole number not below quantile * count. */
static uint64_t s_rank (double quantile, uint64_t count)
{
    if (!(quantile > 0.0))
        return 1;
    if (quantile >= 1.0)
        return count;
    double exact = quantile * (double)count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    if (rank < 1)
        rank = 1;
    return rank > count ? count : rank;
}

uint64_t sb_histogram_quantile_ns (const sb_histogram_t *self, double quantile)
{
    uint64_t count = sb_histogram_count (self);
    if (count == 0)
        return 0;
    uint64_t rank = s_rank (quantile, count);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LAST; i++) {
        seen = s_saturating_sum (seen, self->buckets[i]);
        if (seen >= rank)
            return s_lower_ns (i + 1);
    }
    return s_lower_ns (LAST);
}

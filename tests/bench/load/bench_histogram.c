/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_histogram.h. Values below 2^(BITS + 1) are buckets of their own; above, a bucket is the value without its
 * lower bits: exponent and the BITS bits after the leading one.
 */
#include "bench_histogram.h"

static uint32_t s_bucket (uint64_t value)
{
    if (value < UINT64_C (2) << BENCH_HISTOGRAM_BITS)
        return (uint32_t)value;
    const uint32_t shift = 63u - (uint32_t)__builtin_clzll (value) - BENCH_HISTOGRAM_BITS;
    const uint64_t bucket = ((uint64_t)shift << BENCH_HISTOGRAM_BITS) + (value >> shift);
    return bucket < BENCH_HISTOGRAM_BUCKETS ? (uint32_t)bucket : BENCH_HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t s_upper (uint32_t bucket)
{
    if (bucket < 2u << BENCH_HISTOGRAM_BITS)
        return bucket;
    const uint32_t shift = (bucket >> BENCH_HISTOGRAM_BITS) - 1;
    const uint64_t mantissa = bucket - ((uint64_t)shift << BENCH_HISTOGRAM_BITS);
    return ((mantissa + 1) << shift) - 1;
}

void bench_histogram_add (bench_histogram_t *self, uint64_t value)
{
    self->buckets[s_bucket (value)]++;
    self->count++;
    if (value > self->maximum)
        self->maximum = value;
}

void bench_histogram_merge (bench_histogram_t *self, const bench_histogram_t *other)
{
    for (uint32_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        self->buckets[i] += other->buckets[i];
    self->count += other->count;
    if (other->maximum > self->maximum)
        self->maximum = other->maximum;
}

uint64_t bench_histogram_quantile (const bench_histogram_t *self, double quantile)
{
    const double wanted = quantile * (double)self->count;
    uint64_t below = 0;
    for (uint32_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        below += self->buckets[i];
        if (below && (double)below >= wanted)
            return s_upper (i) < self->maximum ? s_upper (i) : self->maximum;
    }
    return self->maximum;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Bounds of the histogram's buckets, quantiles, merging.
 */
#include "sb_histogram.h"

#include <criterion/criterion.h>

/* The only bucket with something in it. */
static int s_only_bucket (const sb_histogram_t *histogram)
{
    int found = -1;
    for (int i = 0; i < SB_HISTOGRAM_BUCKETS; i++)
        if (histogram->buckets[i] > 0) {
            cr_expect_eq (found, -1);
            found = i;
        }
    return found;
}

static int s_bucket_of (int64_t duration_ns)
{
    sb_histogram_t histogram;
    sb_histogram_clear (&histogram);
    sb_histogram_add (&histogram, duration_ns);
    return s_only_bucket (&histogram);
}

Test (histogram, every_bound_separates_two_buckets)
{
    for (int octave = 0; octave < 27; octave++)
        for (int quarter = 0; quarter < 4; quarter++) {
            int64_t bound_ns = ((int64_t)1000 << octave) * (4 + quarter) / 4;
            cr_expect_eq (s_bucket_of (bound_ns - 1), 4 * octave + quarter);
            cr_expect_eq (s_bucket_of (bound_ns), 1 + 4 * octave + quarter);
            cr_expect_eq (s_bucket_of (bound_ns + 1), 1 + 4 * octave + quarter);
        }
}

Test (histogram, ends)
{
    cr_expect_eq (s_bucket_of (0), 0);
    cr_expect_eq (s_bucket_of (-1), 0);
    cr_expect_eq (s_bucket_of (INT64_MIN), 0);
    cr_expect_eq (s_bucket_of (((int64_t)1000 << 27) - 1), 108);
    cr_expect_eq (s_bucket_of ((int64_t)1000 << 27), 109);
    cr_expect_eq (s_bucket_of (INT64_MAX), 109);
}

Test (histogram, quantile_is_at_most_a_quarter_above)
{
    for (int64_t duration_ns = 1000; duration_ns < INT64_C (100000000000); duration_ns = duration_ns * 11 / 10 + 1) {
        sb_histogram_t histogram;
        sb_histogram_clear (&histogram);
        sb_histogram_add (&histogram, duration_ns);
        uint64_t quantile_ns = sb_histogram_quantile_ns (&histogram, 0.5);
        cr_expect_gt (quantile_ns, (uint64_t)duration_ns);
        cr_expect_leq ((double)quantile_ns, 1.25 * (double)duration_ns);
    }
}

Test (histogram, quantiles_take_the_smallest_rank_that_suffices)
{
    sb_histogram_t histogram;
    sb_histogram_clear (&histogram);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, 0.5), 0);
    for (int i = 0; i < 99; i++)
        sb_histogram_add (&histogram, 500);
    sb_histogram_add (&histogram, 5000000);
    cr_expect_eq (sb_histogram_count (&histogram), 100);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, 0.0), 1000);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, 0.99), 1000);
    cr_expect_gt (sb_histogram_quantile_ns (&histogram, 0.991), 5000000);
    cr_expect_gt (sb_histogram_quantile_ns (&histogram, 1.0), 5000000);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, -1.0), 1000);
    cr_expect_gt (sb_histogram_quantile_ns (&histogram, 7.0), 5000000);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, __builtin_nan ("")), 1000);
}

Test (histogram, last_bucket_reports_its_lower_bound)
{
    sb_histogram_t histogram;
    sb_histogram_clear (&histogram);
    sb_histogram_add (&histogram, INT64_MAX);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, 0.5), UINT64_C (1000) << 27);
}

Test (histogram, merge_adds_saturates_and_reads_no_further_than_its_buckets)
{
    sb_histogram_t histogram;
    sb_histogram_clear (&histogram);
    uint64_t buckets[SB_HISTOGRAM_BUCKETS + 5];
    for (int i = 0; i < SB_HISTOGRAM_BUCKETS + 5; i++)
        buckets[i] = 1;
    sb_histogram_merge (&histogram, buckets, SB_HISTOGRAM_BUCKETS + 5);
    cr_expect_eq (sb_histogram_count (&histogram), SB_HISTOGRAM_BUCKETS);
    sb_histogram_merge (&histogram, buckets, 3);
    cr_expect_eq (histogram.buckets[2], 2);
    cr_expect_eq (histogram.buckets[3], 1);
    buckets[0] = UINT64_MAX;
    sb_histogram_merge (&histogram, buckets, 1);
    cr_expect_eq (histogram.buckets[0], UINT64_MAX);
    cr_expect_eq (sb_histogram_count (&histogram), UINT64_MAX);
    cr_expect_eq (sb_histogram_quantile_ns (&histogram, 0.5), 1000);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The load generator's own books: what it counts as lost, repeated and damaged, and its quantiles.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

#include "bench_histogram.h"
#include "bench_load.h"
#include "bench_payload.h"
#include "bench_sink.h"

enum { SIZE = 128 };

static const bench_options_t s_options = {
    .count = 2, .publishers = 3, .size = SIZE, .batch = 1, .keys = 1, .categories = 3, .reads = 2};

static void s_take_at (bench_sink_t *sink, uint32_t subscriber, uint32_t publisher, uint64_t number, uint64_t sent_ns)
{
    uint8_t octets[SIZE];
    const bench_payload_t payload = {.number = number, .sent_ns = sent_ns, .publisher = publisher};
    bench_payload_write (octets, SIZE, &payload);
    bench_sink_take (sink, subscriber, octets, SIZE);
}

static void s_take (bench_sink_t *sink, uint32_t subscriber, uint32_t publisher, uint64_t number)
{
    s_take_at (sink, subscriber, publisher, number, bench_clock_ns ());
}

/* Subscriber 0 reads publishers 0 and 1, subscriber 1 reads 1 and 2: everything numbered up to 2. */
static bench_sink_t *s_full_sink (void)
{
    bench_sink_t *sink = bench_sink_new (&s_options);
    for (uint32_t subscriber = 0; subscriber < 2; subscriber++)
        for (uint32_t publisher = subscriber; publisher < subscriber + 2; publisher++)
            for (uint64_t number = 0; number <= 2; number++)
                s_take (sink, subscriber, publisher, number);
    return sink;
}

static bench_sink_summary_t s_summary;

Test (bench_sink, all_that_came_once_is_received_and_nothing_lost)
{
    const uint64_t published[] = {2, 2, 2};
    bench_sink_t *sink = s_full_sink ();
    cr_assert (bench_sink_is_complete (sink, published));
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_eq (s_summary.received, 8);
    cr_assert_eq (s_summary.expected, 8);
    cr_assert_eq (s_summary.lost + s_summary.repeated + s_summary.damaged, 0);
    cr_assert_eq (s_summary.times.count, 8);
    bench_sink_destroy (&sink);
}

Test (bench_sink, a_number_jumped_over_and_one_that_never_came_are_lost)
{
    const uint64_t published[] = {5, 2, 2};
    bench_sink_t *sink = s_full_sink ();
    s_take (sink, 0, 0, 4);
    cr_assert_not (bench_sink_is_complete (sink, published));
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_eq (s_summary.lost, 2);
    cr_assert_eq (s_summary.received, 9);
    bench_sink_destroy (&sink);
}

Test (bench_sink, a_number_that_comes_again_is_repeated_and_not_received)
{
    const uint64_t published[] = {2, 2, 2};
    bench_sink_t *sink = s_full_sink ();
    s_take (sink, 1, 2, 2);
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_eq (s_summary.repeated, 1);
    cr_assert_eq (s_summary.received, 8);
    bench_sink_destroy (&sink);
}

Test (bench_sink, what_is_not_a_payload_or_was_not_asked_for_is_damaged)
{
    const uint64_t published[] = {2, 2, 2};
    uint8_t octets[SIZE + 1] = {0};
    const bench_payload_t payload = {.number = 3, .publisher = 0};
    bench_sink_t *sink = s_full_sink ();
    bench_payload_write (octets, SIZE, &payload);
    octets[SIZE - 9] ^= 1;
    bench_sink_take (sink, 0, octets, SIZE);
    s_take (sink, 0, 2, 3);                 /* it does not read this publisher */
    s_take (sink, 0, 3, 3);                 /* there is none */
    bench_sink_take (sink, 0, octets, 0);   /* nothing */
    bench_sink_take (sink, 0, octets, 100); /* less than one */
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_eq (s_summary.damaged, 5);
    bench_sink_destroy (&sink);
}

Test (bench_sink, it_is_ready_once_each_subscriber_heard_each_publisher_that_it_reads)
{
    bench_sink_t *sink = bench_sink_new (&s_options);
    s_take (sink, 0, 0, 0);
    s_take (sink, 0, 1, 0);
    s_take (sink, 1, 1, 0);
    cr_assert_not (bench_sink_is_ready (sink));
    s_take (sink, 1, 2, 0);
    cr_assert (bench_sink_is_ready (sink));
    bench_sink_destroy (&sink);
}

Test (bench_sink, probes_are_no_updates)
{
    const uint64_t published[] = {0, 0, 0};
    bench_sink_t *sink = bench_sink_new (&s_options);
    s_take (sink, 0, 0, 0);
    s_take (sink, 0, 0, 0);
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_eq (s_summary.received + s_summary.repeated + s_summary.times.count, 0);
    bench_sink_destroy (&sink);
}

Test (bench_sink, an_update_is_charged_from_when_it_should_have_been_sent)
{
    const uint64_t published[] = {1, 0, 0};
    bench_sink_t *sink = bench_sink_new (&s_options);
    s_take_at (sink, 0, 0, 1, bench_clock_ns () - UINT64_C (5000000000));
    bench_sink_summarize (sink, published, &s_summary);
    cr_assert_geq (s_summary.times.maximum, UINT64_C (5000000000));
    bench_sink_destroy (&sink);
}

Test (bench_histogram, a_quantile_is_at_most_a_64th_above_the_true_one)
{
    bench_histogram_t *histogram = calloc (1, sizeof *histogram);
    for (uint64_t i = 1; i <= 100000; i++)
        bench_histogram_add (histogram, i * 1000);
    const double quantiles[] = {0.5, 0.99, 0.999};
    for (int i = 0; i < 3; i++) {
        const double exact = quantiles[i] * 1e8;
        const double measured = (double)bench_histogram_quantile (histogram, quantiles[i]);
        cr_assert (measured >= exact && measured <= exact * (1 + 1.0 / 64), "%g is %g", exact, measured);
    }
    cr_assert_eq (bench_histogram_quantile (histogram, 1), 100000000);
    free (histogram);
}

Test (bench_histogram, each_small_value_is_a_bucket_of_its_own_and_a_huge_one_goes_into_the_last)
{
    bench_histogram_t *histogram = calloc (1, sizeof *histogram);
    cr_assert_eq (bench_histogram_quantile (histogram, 0.5), 0);
    bench_histogram_add (histogram, 0);
    bench_histogram_add (histogram, 127);
    bench_histogram_add (histogram, 128);
    bench_histogram_add (histogram, UINT64_MAX);
    cr_assert_eq (bench_histogram_quantile (histogram, 0.25), 0);
    cr_assert_eq (bench_histogram_quantile (histogram, 0.5), 127);
    cr_assert_eq (bench_histogram_quantile (histogram, 0.75), 129);
    cr_assert_eq (histogram->maximum, UINT64_MAX);
    free (histogram);
}

Test (bench_payload, every_size_comes_back)
{
    uint8_t octets[256];
    for (uint32_t size = BENCH_PAYLOAD_MIN; size <= sizeof octets; size++) {
        const bench_payload_t payload = {.number = size * 77, .sent_ns = 5, .publisher = 9};
        bench_payload_t read;
        bench_payload_write (octets, size, &payload);
        cr_assert (bench_payload_read (octets, size, &read));
        cr_assert_eq (read.number, payload.number);
        cr_assert_eq (read.sent_ns, 5);
        cr_assert_eq (read.publisher, 9);
        for (uint32_t at = 0; at < size; at = at == 7 ? 20 : at + 1) { /* between: time and publisher, which are free */
            octets[at] ^= (uint8_t)(1 << at % 8);
            cr_assert_not (bench_payload_read (octets, size, &read), "octet %u of %u", at, size);
            octets[at] ^= (uint8_t)(1 << at % 8);
        }
    }
}

/* ---------------------------------------------------------------- the end of a subscriber */

/* A system that delivers a probe, the numbers 1 and 2, and then 2 again: each in a message of its own. */
static struct {
    bench_sink_t *sink;
    uint32_t deliveries;
} s_system;

static void *s_open (const bench_options_t *options, bench_sink_t *sink)
{
    (void)options;
    s_system.sink = sink;
    return &s_system;
}

static void s_receive (void *driver, int timeout_ms)
{
    static const uint64_t numbers[] = {0, 1, 2, 2};
    (void)driver, (void)timeout_ms;
    if (s_system.deliveries < sizeof numbers / sizeof numbers[0])
        s_take (s_system.sink, 0, 0, numbers[s_system.deliveries++]);
}

static void s_received (void *driver, bench_received_t *counts)
{
    (void)driver;
    counts->messages = s_system.deliveries;
}

static void s_close (void **driver_p)
{
    *driver_p = NULL;
}

Test (bench_subscribe, what_comes_again_behind_the_last_number_is_counted)
{
    static const bench_driver_t driver = {.name = "again",
                                          .subscribe_open = s_open,
                                          .receive = s_receive,
                                          .received = s_received,
                                          .subscribe_close = s_close};
    const bench_load_t load = {
        .options = {.count = 1, .publishers = 1, .size = SIZE, .batch = 1, .keys = 1, .categories = 1, .reads = 1},
        .expect = 2,
        .quiet_ms = 1000};
    char said[4096] = "";
    cr_redirect_stdout ();
    cr_assert_eq (bench_subscribe (&driver, &load), 0);
    fflush (stdout);
    cr_assert_gt (fread (said, 1, sizeof said - 1, cr_get_redirected_stdout ()), 0);
    cr_assert (strstr (said, "\"updates\": 2, \"expected\": 2, \"lost\": 0,"), "%s", said);
    cr_assert (strstr (said, "\"repeated\": 1,"), "%s", said);
    cr_assert (strstr (said, "\"messages\": 3,"), "what came behind the end is in the figures: %s", said);
}

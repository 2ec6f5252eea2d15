/* SPDX-License-Identifier: MPL-2.0
 *
 * A subscriber process: takes in what comes until everything that was published has come, or nothing has come for
 * quiet_ms. That is the end of the figures. Then it listens on until nothing comes for a while: what was delivered
 * twice may come behind the last number, and is counted.
 *
 * How much was published it knows from --expect, or from a line "published N N ..." (a number for each publisher) on
 * standard input, which may come while updates still do.
 */
#define _GNU_SOURCE
#include "bench_load.h"
#include "bench_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECEIVE_MS = 20,
    LINE_SIZE = 1 << 17,
    AGAIN_QUIET_MS = 50, /* without an arrival, after which nothing is expected to come again */
    AGAIN_MOST_MS = 2000 /* for which repeats are counted at most */
};

/* Looks for the line that says how much was published. */
static bool s_read_published (uint64_t *published, uint32_t publishers)
{
    static char line[LINE_SIZE];
    if (!bench_read_line (line, sizeof line))
        return false;
    char *at = line;
    if (strncmp (at, "published", 9) != 0)
        bench_fail ("expected a line `published N...`, got `%.60s`", line);
    at += 9;
    for (uint32_t i = 0; i < publishers; i++) {
        char *end;
        published[i] = strtoull (at, &end, 10);
        if (end == at)
            bench_fail ("`published` needs a number for each of %u publishers", publishers);
        at = end;
    }
    return true;
}

static void s_print (const bench_driver_t *driver, const bench_sink_summary_t *summary, const bench_received_t *counts,
                     double cpu_seconds)
{
    const bench_histogram_t *times = &summary->times;
    printf ("{\"role\": \"subscribe\", \"driver\": \"%s\", \"updates\": %" PRIu64 ", \"expected\": %" PRIu64
            ", \"lost\": %" PRIu64 ", \"reported_lost\": %" PRIu64 ", \"repaired\": %" PRIu64 ", \"repeated\": %" PRIu64
            ", \"damaged\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, \"rate_low\": %.1f"
            ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"p999_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64
            ", \"cpu_seconds\": %.4f, \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n",
            driver->name, summary->received, summary->expected, summary->lost, counts->reported_lost, counts->repaired,
            summary->repeated, summary->damaged, summary->seconds, summary->rate, summary->rate_low,
            bench_histogram_quantile (times, 0.5), bench_histogram_quantile (times, 0.99),
            bench_histogram_quantile (times, 0.999), times->maximum, cpu_seconds, counts->messages, counts->bytes);
}

/* Takes in what comes; returns once all has come, or nothing has for long enough. */
static void s_receive_all (const bench_driver_t *driver, const bench_load_t *load, void *driver_self,
                           bench_sink_t *sink, uint64_t *published, double *cpu_seconds)
{
    bool is_ready = false, is_known = load->expect > 0;
    uint64_t progress = 0, last_ns = bench_clock_ns ();
    for (;;) {
        driver->receive (driver_self, RECEIVE_MS);
        if (!is_ready && bench_sink_is_ready (sink)) {
            is_ready = true;
            *cpu_seconds = bench_cpu_seconds ();
            printf ("{\"ready\": true}\n");
        }
        is_known = is_known || s_read_published (published, load->options.publishers);
        const uint64_t now_ns = bench_clock_ns ();
        const uint64_t new_progress = bench_sink_progress (sink);
        if (new_progress != progress || !is_known)
            last_ns = now_ns;
        progress = new_progress;
        if (is_known && (bench_sink_is_complete (sink, published) ||
                         (is_ready && now_ns - last_ns > load->quiet_ms * UINT64_C (1000000))))
            return;
    }
}

/* Takes in what comes although all has come. */
static void s_receive_repeats (const bench_driver_t *driver, void *driver_self, bench_sink_t *sink)
{
    const uint64_t end_ns = bench_clock_ns () + AGAIN_MOST_MS * UINT64_C (1000000);
    uint64_t progress = bench_sink_progress (sink), now_ns = bench_clock_ns (), last_ns = now_ns;
    while (now_ns < end_ns && now_ns - last_ns < AGAIN_QUIET_MS * UINT64_C (1000000)) {
        driver->receive (driver_self, RECEIVE_MS);
        now_ns = bench_clock_ns ();
        if (bench_sink_progress (sink) != progress)
            last_ns = now_ns;
        progress = bench_sink_progress (sink);
    }
}

int bench_subscribe (const bench_driver_t *driver, const bench_load_t *load)
{
    const bench_options_t *options = &load->options;
    uint64_t *published = calloc (options->publishers, sizeof *published);
    if (!published)
        bench_fail ("no memory");
    for (uint32_t i = 0; i < options->publishers; i++)
        published[i] = load->expect;
    bench_sink_t *sink = bench_sink_new (options);
    void *driver_self = driver->subscribe_open (options, sink);
    printf ("{\"connected\": true}\n");
    double cpu_seconds = 0;
    s_receive_all (driver, load, driver_self, sink, published, &cpu_seconds);
    cpu_seconds = bench_cpu_seconds () - cpu_seconds;
    bench_received_t counts = {0}, end_counts = {0};
    driver->received (driver_self, &counts);
    s_receive_repeats (driver, driver_self, sink);
    driver->received (driver_self, &end_counts);
    counts.reported_lost = end_counts.reported_lost;
    driver->subscribe_close (&driver_self); /* a driver's threads, if it has any, end here */
    static bench_sink_summary_t summary;
    bench_sink_summarize (sink, published, &summary);
    s_print (driver, &summary, &counts, cpu_seconds);
    bench_sink_destroy (&sink);
    free (published);
    return 0;
}

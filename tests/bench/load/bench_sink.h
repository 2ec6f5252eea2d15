/* SPDX-License-Identifier: MPL-2.0
 *
 * The accounting of a subscriber process: for each subscriber and publisher which number comes next; what is missing,
 * what came twice, how long each update took, when the first and the last came. Subscribers share nothing but the
 * options, so that threads of a driver need no lock; counts that another thread watches are atomic.
 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include "bench_driver.h"
#include "bench_histogram.h"

/* What a subscriber process saw, over all its subscribers. */
typedef struct {
    uint64_t received;       /* updates, each counted for each subscriber; without probes */
    uint64_t expected;       /* so many should have come */
    uint64_t lost;           /* expected and never seen */
    uint64_t repeated;       /* came again, or behind a later one */
    uint64_t damaged;        /* of no payload's form, of an unknown publisher, or one that was not asked for */
    double rate;             /* updates a second and subscriber from its first to its last: the median subscriber's */
    double rate_low;         /* the slowest subscriber's */
    double seconds;          /* from the first arrival at any to the last at any */
    bench_histogram_t times; /* of all arrivals, from when they were sent or should have been, ns */
} bench_sink_summary_t;

/* For options->count subscribers. Cannot fail but by bench_fail. */
bench_sink_t *bench_sink_new (const bench_options_t *options);

void bench_sink_destroy (bench_sink_t **self_p);

/* True when every subscriber has heard each publisher that it reads. */
bool bench_sink_is_ready (bench_sink_t *self);

/* Arrivals so far, probes too: moves while anything comes in. */
uint64_t bench_sink_progress (bench_sink_t *self);

/* True when every subscriber has seen the last update of each publisher that it reads: `published` has a number for
 * each publisher. */
bool bench_sink_is_complete (bench_sink_t *self, const uint64_t *published);

/* What came of so many updates. No arrivals may be under way. */
void bench_sink_summarize (bench_sink_t *self, const uint64_t *published, bench_sink_summary_t *summary);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A run of the feed: brings rows from a file or the simulated exchange, at their pace, through the
 * pipeline to a publisher, or to nobody with --check.
 */
#ifndef SB_REPLAY_H
#define SB_REPLAY_H

#include "sb_exchange.h"
#include "sb_feed.h"
#include "sb_options.h"
#include "sb_publisher.h"
#include "sb_source.h"

#include <signal.h>

/* What a run needs; all borrowed for its length. */
typedef struct {
    const sb_options_t *options;
    sb_source_t *source;     /* prepared; NULL with a simulation */
    sb_exchange_t *exchange; /* NULL with a file */
    sb_feed_t *feed;
    sb_publisher_t *publisher;         /* NULL: check only */
    const volatile sig_atomic_t *stop; /* nonzero: end soon */
} sb_replay_t;

typedef enum {
    SB_REPLAY_DONE,    /* to the end, or as far as was asked for */
    SB_REPLAY_DAMAGED, /* the input ended in the middle; what was whole was published */
    SB_REPLAY_FINISHED /* the broker will take nothing more from this agent */
} sb_replay_result_t;

/* Runs until the end of the input, the row limit, the end of the simulation, or *stop. */
sb_replay_result_t sb_replay_run (const sb_replay_t *replay);

/* Nanoseconds of CLOCK_MONOTONIC and CLOCK_REALTIME. */
int64_t sb_monotonic_ns (void);
int64_t sb_unix_ns (void);

#endif

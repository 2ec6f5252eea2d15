/* SPDX-License-Identifier: MPL-2.0
 *
 * The reading end of the publish endpoint: a SUB with its socket monitor, so that a broker that is not there, goes
 * away or comes back is noticed.
 *
 * A broker passes over a conflated subscription that it has no room for. So whoever has one joins, on each connection,
 * and learns from the answer which are in force.
 */
#ifndef SB_STREAM_H
#define SB_STREAM_H

#include "sb_codec.h"

enum {
    SB_STREAM_FRAME_BYTES = 16 << 20, /* the largest publication that is read */
    SB_STREAM_JOIN_MS = 2000          /* a join without an answer for so long is asked for anew */
};

typedef struct sb_stream sb_stream_t;

/* What sb_stream_next found. */
typedef enum {
    SB_STREAM_PUBLICATION, /* *publication is set */
    SB_STREAM_CONNECTED,   /* the subscriptions are on their way to a broker */
    SB_STREAM_LOST,        /* the broker is gone; reconnecting goes on by itself */
    SB_STREAM_REFUSED,     /* the broker does not conflate what sb_stream_refused tells; the rest goes on */
    SB_STREAM_UNANSWERED,  /* no join is answered; said once a connection, asking goes on */
    SB_STREAM_BAD_FRAME,   /* a frame that is no publication */
    SB_STREAM_QUIET,       /* nothing within the time */
    SB_STREAM_INTERRUPTED  /* a signal came */
} sb_stream_outcome_t;

/* A stream without subscriptions. NULL when the endpoint makes no sense. */
sb_stream_t *sb_stream_new (void);

/* Harmless on NULL and on *self_p == NULL. */
void sb_stream_destroy (sb_stream_t **self_p);

/* Subscribes, before sb_stream_connect, to a category, a longer prefix, an exact topic (three parts given), or "all";
 * with conflate_ms above 0 to what is published of it conflated at that interval, as with ~conflated.<ms>. written
 * before the topic. Returns false when `topic` is none of these. */
bool sb_stream_subscribe (sb_stream_t *self, const char *topic, uint32_t conflate_ms);

/* Starts connecting. Returns false when the endpoint makes no sense. */
bool sb_stream_connect (sb_stream_t *self, const char *endpoint);

/* The `number`-th subscription, from 0, that was not in force at the last answer: what was subscribed to at
 * *interval_ms, a prefix or a topic, "all" for everything. NULL when there are no more. Valid as long as the stream. */
const char *sb_stream_refused (const sb_stream_t *self, uint32_t number, uint32_t *interval_ms);

/* The next thing that happens within wait_ms; -1 waits for ever. The publication lives in `arena`, which is reset for
 * each that nobody asked for. */
sb_stream_outcome_t sb_stream_next (sb_stream_t *self, int wait_ms, sb_arena_t *arena, sb_publication_t *publication);

#endif

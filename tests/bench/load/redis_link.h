/* SPDX-License-Identifier: MPL-2.0
 *
 * What the two Redis drivers share: connections that never block, commands in flight, and subscribers.
 *
 * Commands are pipelined. In a run flat out they gather to REDIS_LINK_WRITE octets before they are written, those of a
 * pipelined batch too, like the messages of the other systems' libraries; in a run at a rate they are written at once.
 * Every reply is read and looked at. At most options->window updates are without one, as with the systems that ack:
 * that bounds what piles up in the server.
 */
#ifndef REDIS_LINK_H
#define REDIS_LINK_H

#include "bench_driver.h"

#include <hiredis/hiredis.h>

enum {
    REDIS_LINK_WRITE = 16384,   /* octets gathered before they are written, in a run flat out */
    REDIS_LINK_CHANNEL_MAX = 96 /* octets of a channel or key made here, with its NUL */
};

/* A publisher's connection. */
typedef struct {
    redisContext *context;
    uint64_t sent;                        /* commands */
    uint64_t replied;                     /* so many of them had a reply, none of them an error */
    uint32_t *updates;                    /* of each command without a reply, in a ring: updates done when it has one */
    uint64_t undecided;                   /* updates: the sum of these */
    size_t gathered;                      /* octets appended since the last time that nothing was left to write */
    char channel[REDIS_LINK_CHANNEL_MAX]; /* what it publishes to: its category's name */
    size_t channel_size;
    char key[2 * BENCH_NAME_MAX]; /* of its hash, CATEGORY.AGENT; redis_state only, as the next */
    size_t key_size;
} redis_link_t;

/* All publishers of a process; the state of both drivers. */
typedef struct {
    const bench_options_t *options;
    redis_link_t *links;      /* options->count */
    bench_names_t *names;     /* of the fields */
    bench_published_t counts; /* of all */
} redis_publishers_t;

/* Connects options->count publishers; of type void * as the vtable has it. Ends the process on failure. */
void *redis_publishers_open (const bench_options_t *options);

/* Appends one command of `count` arguments to a link; its reply means that `updates` are done. Waits first while
 * they do not fit into the window. */
void redis_link_append (redis_publishers_t *self, redis_link_t *link, uint32_t updates, int count,
                        const char **arguments, const size_t *sizes);

/* Called after the commands of one call of publish: writes in a run at a rate, or when enough has gathered. */
void redis_link_commit (redis_publishers_t *self, redis_link_t *link);

/* As bench_driver_t has them. */
void redis_publishers_service (void *self);
bool redis_publishers_finish (void *self, int timeout_ms);
void redis_publishers_counts (void *self, bench_published_t *counts);
void redis_publishers_close (void **self_p);
void *redis_subscribers_open (const bench_options_t *options, bench_sink_t *sink);
void redis_subscribers_receive (void *self, int timeout_ms);
void redis_subscribers_counts (void *self, bench_received_t *counts);
void redis_subscribers_close (void **self_p);

#endif

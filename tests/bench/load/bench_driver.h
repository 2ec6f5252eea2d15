/* SPDX-License-Identifier: MPL-2.0
 *
 * What one system under test is to the load generator: a driver. The generator makes the updates, keeps the pace,
 * takes the times and counts what arrives; a driver only hands updates to its system and hands back what came out. So
 * every system is measured by the same loop, clock and accounting.
 *
 * A process is a publisher process (`count` publishers) or a subscriber process (`count` subscribers), never both, and
 * each publisher and subscriber has a connection of its own. Where its system allows it, a driver serves all of them on
 * the calling thread. What goes wrong ends the process by bench_fail: a figure out of half a run is worth nothing.
 *
 * A driver is one file driver_NAME.c that defines `const bench_driver_t bench_driver_NAME`, and a row in
 * CMakeLists.txt. One that needs a package of its own is built only where that is installed.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_NAME_MAX = 64,       /* octets of a name made here, with its NUL */
    BENCH_PAYLOAD_MIN = 32,    /* octets of an update's payload: see bench_payload_write */
    BENCH_PAYLOAD_MAX = 65536, /* likewise */
    BENCH_BATCH_MAX = 1024     /* updates in a batch */
};

/* What the command line asked for. All of it stands before a driver is opened, and does not change. */
typedef struct {
    const char *endpoint;         /* where the system takes updates, as its driver writes addresses */
    const char *publish_endpoint; /* where it gives them to subscribers; the same as `endpoint` unless said otherwise */
    uint32_t count;               /* publishers or subscribers of this process, from 1 up */
    uint32_t publishers;          /* publishers in all: what a subscriber expects; in a publisher process = count */
    uint32_t size;                /* octets of a payload */
    uint32_t batch;               /* most updates in a batch */
    uint32_t keys;                /* keys (fields) of each publisher that updates go to in turn */
    uint32_t categories;          /* publisher i writes category i modulo this */
    uint32_t reads;               /* subscriber j reads this many categories, from j modulo `categories` on, round */
    uint32_t ingress_queue;       /* high-water mark between publisher and system, messages */
    uint32_t publish_queue; /* high-water mark between system and subscriber, messages: all that a run publishes */
    uint32_t window;        /* updates that a publisher may have undecided, for systems that ack */
    uint32_t is_pipelined;  /* 1: a batch is so many messages handed over together, for drivers that say so */
    bool is_paced;          /* updates go out at a rate: a library that holds messages back is told not to */
} bench_options_t;

/* What a publisher process sent, as its driver knows. What its system does not have stays 0. */
typedef struct {
    uint64_t bytes;    /* octets of the messages handed to the transport, payload and headers of the message */
    uint64_t messages; /* those that carried updates, probes among them */
    uint64_t accepted; /* updates that the system has acked as accepted, probes among them */
    uint64_t refused;  /* updates that the system has refused */
} bench_published_t;

/* What a subscriber process took in, beyond what the sink counts. What its system does not have stays 0. */
typedef struct {
    uint64_t bytes;         /* octets of the messages received */
    uint64_t messages;      /* so many of them */
    uint64_t reported_lost; /* messages that the system itself has told this process to be lost for good */
    uint64_t repaired;      /* messages that were lost and fetched again, in order */
} bench_received_t;

/* Where arrivals are counted: see bench_sink.h. */
typedef struct bench_sink bench_sink_t;

typedef struct {
    const char *name; /* as on the command line */
    const char *help; /* one line: system, address syntax, what a batch is */

    /* Connects options->count publishers and makes them ready to send. Never returns NULL. `options` outlives it. */
    void *(*publish_open) (const bench_options_t *options);
    /* Hands `count` updates of one publisher (0 to options->count - 1), numbered `first_number` and up, to the system:
     * one by one where options->batch is 1, else together as whatever a batch is there. `payloads` is `count` times
     * options->size octets, borrowed until this returns; update i goes to the key (first_number + i) modulo
     * options->keys. It may wait for room (high-water mark, window), and must not drop. */
    void (*publish) (void *self, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count);
    /* Lets whatever waits be sent or taken in (acks, beats, buffered writes), without waiting. Called before each
     * batch in a run at a rate, and now and then in between. NULL: there is never anything. */
    void (*service) (void *self);
    /* Waits, at most timeout_ms, until all that was handed over has left this process and, where the system acks, is
     * decided. False when it was not. */
    bool (*finish) (void *self, int timeout_ms);
    void (*published) (void *self, bench_published_t *counts);
    void (*publish_close) (void **self_p);

    /* Connects options->count subscribers, each to its categories (bench_reads_category). Subscriptions need not hold
     * yet: the publishers send probes until every subscriber has heard each publisher that it reads. */
    void *(*subscribe_open) (const bench_options_t *options, bench_sink_t *sink);
    /* Waits at most timeout_ms for arrivals and gives all that there are to bench_sink_take, at most some thousands
     * before it returns. A driver whose system calls back on threads of its own only waits here. */
    void (*receive) (void *self, int timeout_ms);
    void (*received) (void *self, bench_received_t *counts);
    void (*subscribe_close) (void **self_p);
} bench_driver_t;

/* ---------------------------------------------------------------- what drivers call */

/* Takes payloads that reached `subscriber`: `octets` is a whole number of payloads, as a batch carries them in a run.
 * Reads the clock once. Different subscribers may be served by different threads; one subscriber by one at a time. */
void bench_sink_take (bench_sink_t *sink, uint32_t subscriber, const uint8_t *payloads, size_t octets);

/* The same at a time that the driver has read itself, once for all pieces of one message. */
void bench_sink_take_at (bench_sink_t *sink, uint32_t subscriber, const uint8_t *payloads, size_t octets,
                         uint64_t now_ns);

/* The category that a publisher writes: a number. */
uint32_t bench_category (const bench_options_t *options, uint32_t publisher);

/* The i-th category that a subscriber reads, i from 0 to options->reads - 1. */
uint32_t bench_reads_category (const bench_options_t *options, uint32_t subscriber, uint32_t i);

/* Names, written to `text` (BENCH_NAME_MAX octets), size without the NUL returned: the category "bench3"; the agent
 * "p7"; the field of a key, "payload" when there is one key, else "payload.5". */
uint32_t bench_category_name (char *text, uint32_t category);
uint32_t bench_agent_name (char *text, uint32_t publisher);
uint32_t bench_field_name (char *text, const bench_options_t *options, uint64_t number);

/* All names of a publisher process, made beforehand, since making one costs as much as sending an update. */
typedef struct {
    char (*categories)[BENCH_NAME_MAX]; /* of each publisher */
    char (*agents)[BENCH_NAME_MAX];     /* likewise */
    char (*fields)[BENCH_NAME_MAX];     /* of each key */
} bench_names_t;

/* For options->count publishers and options->keys keys. Cannot fail but by bench_fail. */
bench_names_t *bench_names_new (const bench_options_t *options);

void bench_names_destroy (bench_names_t **self_p);

/* CLOCK_MONOTONIC. */
uint64_t bench_clock_ns (void);

/* Says why on standard error and ends the process with exit code 1. */
void bench_fail (const char *format, ...) __attribute__ ((format (printf, 1, 2), noreturn));

#endif

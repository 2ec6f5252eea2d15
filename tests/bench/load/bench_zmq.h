/* SPDX-License-Identifier: MPL-2.0
 *
 * The ZeroMQ ends that bare forwarder, codec forwarder and SyncBus share: the same sockets, options, poll and drain, so
 * that what differs between them is what is in the frames and what the server does.
 */
#ifndef BENCH_ZMQ_H
#define BENCH_ZMQ_H

#include "bench_driver.h"

#include <zmq.h>

enum { BENCH_TOPIC_MAX = 2 * BENCH_NAME_MAX };

/* A context with room for so many sockets. */
void *bench_zmq_context (uint32_t sockets);

/* One connected DEALER for each publisher. */
void **bench_zmq_dealers (void *context, const bench_options_t *options);

/* Sends a frame, waiting for room; it is the socket's then. */
void bench_zmq_send (void *socket, zmq_msg_t *frame);

/* Closes the sockets once what they hold has left, and the context. */
void bench_zmq_close (void *context, void **sockets, uint32_t count);

/* "category.agent." of a publisher, with an empty subject, NUL-terminated; returns its size without the NUL. */
size_t bench_topic (char *text, const bench_options_t *options, uint32_t publisher);

/* What takes a frame of the PUB side: topic, NUL, body. */
typedef void (*bench_zmq_take_t) (void *context, uint32_t subscriber, const uint8_t *frame, size_t size);

/* The SUB sockets of a subscriber process. */
typedef struct {
    void *context;
    void **sockets;
    zmq_pollitem_t *items;
    uint32_t count;
    bench_zmq_take_t take;
    void *take_context;
    bench_received_t counts;
} bench_zmq_readers_t;

/* Connects and subscribes options->count sockets to `category.` of what each reads. */
void bench_zmq_readers_open (bench_zmq_readers_t *self, const bench_options_t *options, bench_zmq_take_t take,
                             void *take_context);

/* One poll over all, then each that has something is drained, up to a bound so that none starves the others. */
void bench_zmq_readers_receive (bench_zmq_readers_t *self, int timeout_ms);

void bench_zmq_readers_close (bench_zmq_readers_t *self);

#endif

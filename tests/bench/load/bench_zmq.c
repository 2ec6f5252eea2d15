/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_zmq.h.
 */
#include "bench_zmq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAIN = 256,       /* frames of one socket in a row */
    LINGER_MS = 60000, /* that a publisher's last updates may take to leave */
    SPARE_SOCKETS = 64
};

static void s_set (void *socket, int option, int value)
{
    if (zmq_setsockopt (socket, option, &value, sizeof value) != 0)
        bench_fail ("zmq_setsockopt %d: %s", option, zmq_strerror (errno));
}

static void *s_connect (void *context, int type, const char *endpoint, int queue, int linger_ms)
{
    void *socket = zmq_socket (context, type);
    if (!socket)
        bench_fail ("zmq_socket: %s", zmq_strerror (errno));
    s_set (socket, type == ZMQ_SUB ? ZMQ_RCVHWM : ZMQ_SNDHWM, queue);
    s_set (socket, ZMQ_LINGER, linger_ms);
    if (type == ZMQ_SUB)
        s_set (socket, ZMQ_SNDHWM, 0); /* else subscriptions may be lost in silence */
    if (zmq_connect (socket, endpoint) != 0)
        bench_fail ("zmq_connect %s: %s", endpoint, zmq_strerror (errno));
    return socket;
}

void *bench_zmq_context (uint32_t sockets)
{
    void *context = zmq_ctx_new ();
    if (!context || zmq_ctx_set (context, ZMQ_MAX_SOCKETS, (int)(sockets + SPARE_SOCKETS)) != 0)
        bench_fail ("zmq_ctx_new: %s", zmq_strerror (errno));
    return context;
}

void **bench_zmq_dealers (void *context, const bench_options_t *options)
{
    void **sockets = calloc (options->count, sizeof *sockets);
    if (!sockets)
        bench_fail ("no memory");
    for (uint32_t i = 0; i < options->count; i++)
        sockets[i] = s_connect (context, ZMQ_DEALER, options->endpoint, (int)options->ingress_queue, LINGER_MS);
    return sockets;
}

void bench_zmq_send (void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_send (frame, socket, 0) < 0)
        if (errno != EINTR)
            bench_fail ("zmq_msg_send: %s", zmq_strerror (errno));
}

void bench_zmq_close (void *context, void **sockets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        zmq_close (sockets[i]);
    free (sockets);
    zmq_ctx_term (context);
}

size_t bench_topic (char *text, const bench_options_t *options, uint32_t publisher)
{
    char category[BENCH_NAME_MAX], agent[BENCH_NAME_MAX];
    bench_category_name (category, bench_category (options, publisher));
    bench_agent_name (agent, publisher);
    return (size_t)snprintf (text, BENCH_TOPIC_MAX, "%s.%s.", category, agent);
}

/* ---------------------------------------------------------------- readers */

void bench_zmq_readers_open (bench_zmq_readers_t *self, const bench_options_t *options, bench_zmq_take_t take,
                             void *take_context)
{
    *self = (bench_zmq_readers_t){.count = options->count, .take = take, .take_context = take_context};
    self->context = bench_zmq_context (options->count);
    self->sockets = calloc (options->count, sizeof *self->sockets);
    self->items = calloc (options->count, sizeof *self->items);
    if (!self->sockets || !self->items)
        bench_fail ("no memory");
    for (uint32_t i = 0; i < options->count; i++) {
        self->sockets[i] =
            s_connect (self->context, ZMQ_SUB, options->publish_endpoint, (int)options->publish_queue, 0);
        for (uint32_t read = 0; read < options->reads; read++) {
            char prefix[BENCH_NAME_MAX + 1];
            uint32_t size = bench_category_name (prefix, bench_reads_category (options, i, read));
            prefix[size++] = '.';
            zmq_setsockopt (self->sockets[i], ZMQ_SUBSCRIBE, prefix, size);
        }
        self->items[i] = (zmq_pollitem_t){.socket = self->sockets[i], .events = ZMQ_POLLIN};
    }
}

static void s_drain (bench_zmq_readers_t *self, uint32_t subscriber)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    for (int i = 0; i < DRAIN && zmq_msg_recv (&frame, self->sockets[subscriber], ZMQ_DONTWAIT) >= 0; i++) {
        self->counts.messages++;
        self->counts.bytes += zmq_msg_size (&frame);
        self->take (self->take_context, subscriber, zmq_msg_data (&frame), zmq_msg_size (&frame));
    }
    zmq_msg_close (&frame);
}

void bench_zmq_readers_receive (bench_zmq_readers_t *self, int timeout_ms)
{
    if (zmq_poll (self->items, (int)self->count, timeout_ms) <= 0)
        return;
    for (uint32_t i = 0; i < self->count; i++)
        if (self->items[i].revents)
            s_drain (self, i);
}

void bench_zmq_readers_close (bench_zmq_readers_t *self)
{
    bench_zmq_close (self->context, self->sockets, self->count);
    free (self->items);
}

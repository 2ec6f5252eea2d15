/* SPDX-License-Identifier: MPL-2.0
 *
 * The bare forwarder's ends: a DEALER for each publisher, a SUB for each subscriber. A message is what SyncBus
 * publishes as a frame, topic NUL payload, without its Publication; a batch is that with several payloads behind the
 * topic. Nothing is acked: the DEALER's and the ROUTER's high-water marks hold the publisher back.
 */
#include "bench_driver.h"
#include "bench_zmq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const bench_options_t *options;
    void *context;
    void **sockets;
    char (*topics)[BENCH_TOPIC_MAX]; /* with their NUL */
    bench_published_t counts;
} s_publishers_t;

static void *s_publish_open (const bench_options_t *options)
{
    s_publishers_t *self = calloc (1, sizeof *self);
    char (*topics)[BENCH_TOPIC_MAX] = calloc (options->count, sizeof *topics);
    if (!self || !topics)
        bench_fail ("no memory");
    for (uint32_t i = 0; i < options->count; i++)
        bench_topic (topics[i], options, i);
    self->options = options;
    self->topics = topics;
    self->context = bench_zmq_context (options->count);
    self->sockets = bench_zmq_dealers (self->context, options);
    return self;
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    (void)first_number;
    s_publishers_t *self = driver;
    const char *topic = self->topics[publisher];
    const size_t topic_size = strlen (topic) + 1;
    const size_t size = (size_t)count * self->options->size;
    zmq_msg_t frame;
    if (zmq_msg_init_size (&frame, topic_size + size) != 0)
        bench_fail ("no memory for a message");
    memcpy (zmq_msg_data (&frame), topic, topic_size);
    memcpy ((char *)zmq_msg_data (&frame) + topic_size, payloads, size);
    bench_zmq_send (self->sockets[publisher], &frame);
    self->counts.messages++;
    self->counts.bytes += topic_size + size;
}

static bool s_finish (void *driver, int timeout_ms)
{
    (void)driver,
        (void)timeout_ms; /* what is queued leaves while the subscribers wait for it, at the latest in close */
    return true;
}

static void s_published (void *driver, bench_published_t *counts)
{
    *counts = ((s_publishers_t *)driver)->counts;
}

static void s_publish_close (void **self_p)
{
    s_publishers_t *self = *self_p;
    bench_zmq_close (self->context, self->sockets, self->options->count);
    free (self->topics);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- subscribers */

typedef struct {
    bench_zmq_readers_t readers;
    bench_sink_t *sink;
} s_subscribers_t;

static void s_take (void *driver, uint32_t subscriber, const uint8_t *frame, size_t size)
{
    s_subscribers_t *self = driver;
    const uint8_t *end = memchr (frame, 0, size);
    if (!end)
        bench_fail ("a frame without a topic");
    bench_sink_take (self->sink, subscriber, end + 1, size - (size_t)(end + 1 - frame));
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_subscribers_t *self = calloc (1, sizeof *self);
    if (!self)
        bench_fail ("no memory");
    self->sink = sink;
    bench_zmq_readers_open (&self->readers, options, s_take, self);
    return self;
}

static void s_receive (void *driver, int timeout_ms)
{
    bench_zmq_readers_receive (&((s_subscribers_t *)driver)->readers, timeout_ms);
}

static void s_received (void *driver, bench_received_t *counts)
{
    *counts = ((s_subscribers_t *)driver)->readers.counts;
}

static void s_subscribe_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    bench_zmq_readers_close (&self->readers);
    free (self);
    *self_p = NULL;
}

const bench_driver_t bench_driver_bare = {
    .name = "bare",
    .help = "bench_bare_forwarder; tcp://HOST:PORT; a batch is one frame with several payloads",
    .publish_open = s_publish_open,
    .publish = s_publish,
    .finish = s_finish,
    .published = s_published,
    .publish_close = s_publish_close,
    .subscribe_open = s_subscribe_open,
    .receive = s_receive,
    .received = s_received,
    .subscribe_close = s_subscribe_close,
};

/* SPDX-License-Identifier: MPL-2.0
 *
 * NATS core: a subject CATEGORY.AGENT for each publisher, a subscription CATEGORY.> for each category read. Messages
 * are given to callbacks on the library's threads, its fastest way; its limits on what may wait there are lifted.
 *
 * A batch is one message of several payloads or, pipelined, so many messages that the library gathers and writes
 * together. natsConnection_Flush would be a round trip to the server for each batch: it is left to the end of a run.
 */
#include "nats_link.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const bench_options_t *options;
    natsConnection **connections;            /* options->count */
    char (*subjects)[NATS_LINK_SUBJECT_MAX]; /* likewise */
    bench_published_t counts;
} s_publishers_t;

static void *s_allocate (size_t count, size_t size)
{
    void *memory = calloc (count, size);
    if (!memory)
        bench_fail ("nats: no memory for %zu connections", count);
    return memory;
}

static void *s_publish_open (const bench_options_t *options)
{
    s_publishers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->connections = s_allocate (options->count, sizeof (natsConnection *));
    self->subjects = s_allocate (options->count, sizeof *self->subjects);
    for (uint32_t i = 0; i < options->count; i++) {
        char *subject = self->subjects[i];
        uint32_t size = bench_category_name (subject, bench_category (options, i));
        subject[size++] = '.';
        bench_agent_name (subject + size, i);
        self->connections[i] = nats_link_connect (options, options->endpoint);
    }
    return self;
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    (void)first_number;
    s_publishers_t *self = driver;
    const char *subject = self->subjects[publisher];
    const uint32_t messages = self->options->is_pipelined ? count : 1;
    const size_t size = (size_t)self->options->size * (count / messages);
    for (uint32_t i = 0; i < messages; i++)
        nats_link_check (natsConnection_Publish (self->connections[publisher], subject, payloads + i * size, (int)size),
                         subject);
    self->counts.messages += messages;
    self->counts.bytes += messages * (size + strlen (subject));
}

static bool s_finish (void *driver, int timeout_ms)
{
    s_publishers_t *self = driver;
    return nats_link_flush (self->connections, self->options->count, timeout_ms);
}

static void s_published (void *driver, bench_published_t *counts)
{
    *counts = ((s_publishers_t *)driver)->counts;
}

static void s_publish_close (void **self_p)
{
    s_publishers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++)
        natsConnection_Destroy (self->connections[i]);
    free (self->connections);
    free (self->subjects);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- subscribers */

typedef struct {
    bench_sink_t *sink;
    natsConnection *connection;
    natsSubscription **subscriptions; /* options->reads */
    pthread_mutex_t lock;             /* its subscriptions may be served by different threads */
    uint32_t number;
    bool is_shared; /* there are several subscriptions: the lock is needed */
    _Atomic uint64_t messages;
    _Atomic uint64_t bytes;
} __attribute__ ((aligned (128))) s_subscriber_t;

typedef struct {
    const bench_options_t *options;
    s_subscriber_t *subscribers; /* options->count */
} s_subscribers_t;

/* On a thread of the library. */
static void s_take (natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure)
{
    (void)connection, (void)subscription;
    s_subscriber_t *self = closure;
    const int size = natsMsg_GetDataLength (message);
    if (self->is_shared)
        pthread_mutex_lock (&self->lock);
    bench_sink_take (self->sink, self->number, (const uint8_t *)natsMsg_GetData (message), (size_t)size);
    const uint64_t messages = atomic_load_explicit (&self->messages, memory_order_relaxed) + 1;
    const uint64_t bytes = atomic_load_explicit (&self->bytes, memory_order_relaxed);
    atomic_store_explicit (&self->messages, messages, memory_order_relaxed);
    atomic_store_explicit (&self->bytes, bytes + (size_t)size + strlen (natsMsg_GetSubject (message)),
                           memory_order_relaxed);
    if (self->is_shared)
        pthread_mutex_unlock (&self->lock);
    natsMsg_Destroy (message);
}

static void s_subscribe (s_subscriber_t *self, const bench_options_t *options)
{
    self->subscriptions = s_allocate (options->reads, sizeof (natsSubscription *));
    for (uint32_t i = 0; i < options->reads; i++) {
        char subject[NATS_LINK_SUBJECT_MAX];
        const uint32_t size = bench_category_name (subject, bench_reads_category (options, self->number, i));
        memcpy (subject + size, ".>", 3);
        natsSubscription **subscription = &self->subscriptions[i];
        nats_link_check (natsConnection_Subscribe (subscription, self->connection, subject, s_take, self), subject);
        nats_link_check (natsSubscription_SetPendingLimits (*subscription, -1, -1), subject);
    }
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_subscribers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->subscribers = aligned_alloc (128, options->count * sizeof *self->subscribers);
    if (!self->subscribers)
        bench_fail ("nats: no memory for %u subscribers", options->count);
    memset (self->subscribers, 0, options->count * sizeof *self->subscribers);
    for (uint32_t i = 0; i < options->count; i++) {
        s_subscriber_t *subscriber = &self->subscribers[i];
        subscriber->sink = sink;
        subscriber->number = i;
        subscriber->is_shared = options->reads > 1;
        pthread_mutex_init (&subscriber->lock, NULL);
        subscriber->connection = nats_link_connect (options, options->publish_endpoint);
        s_subscribe (subscriber, options);
    }
    return self;
}

static void s_receive (void *driver, int timeout_ms)
{
    (void)driver;
    nats_Sleep (timeout_ms);
}

static void s_received (void *driver, bench_received_t *counts)
{
    s_subscribers_t *self = driver;
    memset (counts, 0, sizeof *counts);
    for (uint32_t i = 0; i < self->options->count; i++) {
        s_subscriber_t *subscriber = &self->subscribers[i];
        counts->messages += atomic_load_explicit (&subscriber->messages, memory_order_relaxed);
        counts->bytes += atomic_load_explicit (&subscriber->bytes, memory_order_relaxed);
        for (uint32_t n = 0; n < self->options->reads; n++) {
            int64_t dropped = 0;
            nats_link_check (natsSubscription_GetDropped (subscriber->subscriptions[n], &dropped), "dropped");
            counts->reported_lost += (uint64_t)dropped;
        }
    }
}

static void s_subscribe_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++) {
        s_subscriber_t *subscriber = &self->subscribers[i];
        for (uint32_t n = 0; n < self->options->reads; n++)
            natsSubscription_Destroy (subscriber->subscriptions[n]);
        natsConnection_Destroy (subscriber->connection);
        free (subscriber->subscriptions);
    }
    /* Waits for the threads of the library: none calls back after this. */
    nats_CloseAndWait (10000);
    for (uint32_t i = 0; i < self->options->count; i++)
        pthread_mutex_destroy (&self->subscribers[i].lock);
    free (self->subscribers);
    free (self);
    *self_p = NULL;
}

const bench_driver_t bench_driver_nats = {
    .name = "nats",
    .help = "NATS core; HOST:PORT; a batch is one message, or messages written together (--pipelined 1)",
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

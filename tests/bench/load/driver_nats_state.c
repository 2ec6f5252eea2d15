/* SPDX-License-Identifier: MPL-2.0
 *
 * The same work on NATS: a key-value bucket of JetStream in memory. An update is an asynchronous put, as the C library
 * has it: a JetStream publication to the key's subject, acked one by one, at most options->window of them without an
 * ack. Readers are watchers of the keys of their categories. There is no put of several keys in one message, so a batch
 * is always so many puts that the library gathers and writes together.
 *
 * A bucket keeps the last value of each key, as SyncBus does. A watcher never gets a value that was overwritten before
 * its turn came, so a run that counts every update needs more keys than watchers are behind: some thousands of keys,
 * and a window that is a part of them. To a watcher of everything a jump in revisions tells what it missed, and it is
 * reported as lost. Keeping more values of each key (History) would hide that, and costs nats-server 2.9 three times
 * the CPU for each put once the oldest is to be removed: it looks for the next one of that key.
 */
#include "nats_link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define S_BUCKET "bench"

enum {
    S_STALL_MS = 60000, /* an ack that does not come for so long ends the run */
    S_TAKE_MAX = 1000   /* entries of one watcher before the next has its turn */
};

typedef struct {
    natsConnection *connection;
    jsCtx *stream;
    kvStore *bucket;
    pthread_mutex_t lock; /* guards what follows: acks come on a thread of the library */
    pthread_cond_t has_room;
    uint64_t sent;  /* puts; of the publishing thread alone, as known */
    uint64_t known; /* of `acked`, when it was last looked at: no lock while that leaves room */
    uint64_t acked;
    uint64_t room_at;                   /* acks that the publishing thread waits for; 0: it does not wait */
    char prefix[NATS_LINK_SUBJECT_MAX]; /* subject of its keys up to the field's name */
    size_t prefix_size;
} __attribute__ ((aligned (128))) s_publisher_t;

typedef struct {
    const bench_options_t *options;
    s_publisher_t *publishers; /* options->count */
    bench_names_t *names;      /* of the fields */
    bench_published_t counts;
} s_publishers_t;

static void *s_allocate (size_t count, size_t size)
{
    void *memory = aligned_alloc (128, (count * size + 127) & ~(size_t)127);
    if (!memory)
        bench_fail ("nats: no memory for %zu connections", count);
    return memset (memory, 0, count * size);
}

/* The bucket, made by whoever comes first, with the same configuration each time. */
static kvStore *s_open_bucket (jsCtx *stream)
{
    kvStore *bucket = NULL;
    kvConfig settings;
    nats_link_check (kvConfig_Init (&settings), "bucket");
    settings.Bucket = S_BUCKET;
    settings.History = 1;
    settings.StorageType = js_MemoryStorage;
    nats_link_check (js_CreateKeyValue (&bucket, stream, &settings), "bucket");
    return bucket;
}

/* ---------------------------------------------------------------- publishers */

/* On a thread of the library. */
static void s_on_ack (jsCtx *stream, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure)
{
    (void)stream;
    s_publisher_t *self = closure;
    if (!ack)
        bench_fail ("nats: a put was refused: %s", error && error->ErrText ? error->ErrText : "no reason given");
    natsMsg_Destroy (message);
    pthread_mutex_lock (&self->lock);
    self->acked++;
    const bool is_awaited = self->room_at && self->acked >= self->room_at;
    if (is_awaited)
        self->room_at = 0;
    pthread_mutex_unlock (&self->lock);
    if (is_awaited)
        pthread_cond_signal (&self->has_room);
}

static bool s_is_full (s_publisher_t *self, uint64_t window)
{
    if (self->sent - self->known < window)
        return false;
    pthread_mutex_lock (&self->lock);
    self->known = self->acked;
    pthread_mutex_unlock (&self->lock);
    return self->sent - self->known >= window;
}

/* Waits until so many puts are acked; false when they are not by deadline_ns. */
static bool s_wait (s_publisher_t *self, uint64_t acked, uint64_t deadline_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ns / UINT64_C (1000000000)),
                                   .tv_nsec = (long)(deadline_ns % UINT64_C (1000000000))};
    int result = 0;
    pthread_mutex_lock (&self->lock);
    while (self->acked < acked && result == 0) {
        self->room_at = acked;
        result = pthread_cond_timedwait (&self->has_room, &self->lock, &until);
    }
    const bool is_acked = self->acked >= acked;
    self->room_at = 0;
    pthread_mutex_unlock (&self->lock);
    return is_acked;
}

static void s_open_publisher (s_publisher_t *self, const bench_options_t *options, uint32_t number)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->has_room, &attributes);
    pthread_condattr_destroy (&attributes);

    char category[BENCH_NAME_MAX], agent[BENCH_NAME_MAX];
    bench_category_name (category, bench_category (options, number));
    bench_agent_name (agent, number);
    self->prefix_size =
        (size_t)snprintf (self->prefix, sizeof self->prefix, "$KV." S_BUCKET ".%s.%s.", category, agent);

    jsOptions settings;
    nats_link_check (jsOptions_Init (&settings), "JetStream");
    settings.PublishAsync.AckHandler = s_on_ack;
    settings.PublishAsync.AckHandlerClosure = self;
    self->connection = nats_link_connect (options, options->endpoint);
    nats_link_check (natsConnection_JetStream (&self->stream, self->connection, &settings), "JetStream");
    self->bucket = s_open_bucket (self->stream);
}

static void *s_publish_open (const bench_options_t *options)
{
    s_publishers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->names = bench_names_new (options);
    self->publishers = s_allocate (options->count, sizeof *self->publishers);
    for (uint32_t i = 0; i < options->count; i++)
        s_open_publisher (&self->publishers[i], options, i);
    return self;
}

static void s_put (s_publishers_t *self, s_publisher_t *publisher, uint64_t number, const uint8_t *payload)
{
    const uint32_t size = self->options->size;
    const uint64_t window = self->options->window;
    /* To the half, so that each wait is worth a switch of threads. */
    if (s_is_full (publisher, window) &&
        !s_wait (publisher, publisher->sent - window / 2, bench_clock_ns () + S_STALL_MS * UINT64_C (1000000)))
        bench_fail ("nats: no ack came for %d ms", S_STALL_MS);
    const char *field = self->names->fields[number % self->options->keys];
    const size_t field_size = strlen (field);
    memcpy (publisher->prefix + publisher->prefix_size, field, field_size + 1);
    nats_link_check (js_PublishAsync (publisher->stream, publisher->prefix, payload, (int)size, NULL), "put");
    publisher->sent++;
    self->counts.messages++;
    self->counts.bytes += size + publisher->prefix_size + field_size;
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    s_publishers_t *self = driver;
    for (uint32_t i = 0; i < count; i++)
        s_put (self, &self->publishers[publisher], first_number + i, payloads + (size_t)i * self->options->size);
}

static bool s_finish (void *driver, int timeout_ms)
{
    s_publishers_t *self = driver;
    const uint64_t deadline_ns = bench_clock_ns () + (uint64_t)timeout_ms * 1000000;
    for (uint32_t i = 0; i < self->options->count; i++)
        if (!s_wait (&self->publishers[i], self->publishers[i].sent, deadline_ns))
            return false;
    return true;
}

static void s_published (void *driver, bench_published_t *counts)
{
    s_publishers_t *self = driver;
    *counts = self->counts;
    for (uint32_t i = 0; i < self->options->count; i++) {
        pthread_mutex_lock (&self->publishers[i].lock);
        counts->accepted += self->publishers[i].acked;
        pthread_mutex_unlock (&self->publishers[i].lock);
    }
}

static void s_publish_close (void **self_p)
{
    s_publishers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++) {
        kvStore_Destroy (self->publishers[i].bucket);
        jsCtx_Destroy (self->publishers[i].stream);
        natsConnection_Destroy (self->publishers[i].connection);
    }
    nats_CloseAndWait (10000);
    for (uint32_t i = 0; i < self->options->count; i++) {
        pthread_cond_destroy (&self->publishers[i].has_room);
        pthread_mutex_destroy (&self->publishers[i].lock);
    }
    bench_names_destroy (&self->names);
    free (self->publishers);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- subscribers */

typedef struct {
    natsConnection *connection;
    jsCtx *stream;
    kvStore *bucket;
    kvWatcher **watchers; /* options->reads */
    uint64_t revision;    /* of the last entry */
} s_subscriber_t;

typedef struct {
    const bench_options_t *options;
    bench_sink_t *sink;
    s_subscriber_t *subscribers; /* options->count */
    bench_received_t counts;
} s_subscribers_t;

static void s_watch (s_subscriber_t *self, const bench_options_t *options, uint32_t number)
{
    nats_link_check (natsConnection_JetStream (&self->stream, self->connection, NULL), "JetStream");
    self->bucket = s_open_bucket (self->stream);
    self->watchers = s_allocate (options->reads, sizeof (kvWatcher *));
    for (uint32_t i = 0; i < options->reads; i++) {
        char keys[NATS_LINK_SUBJECT_MAX];
        const uint32_t size = bench_category_name (keys, bench_reads_category (options, number, i));
        memcpy (keys + size, ".>", 3);
        nats_link_check (kvStore_Watch (&self->watchers[i], self->bucket, keys, NULL), "watcher");
    }
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_subscribers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->sink = sink;
    self->subscribers = s_allocate (options->count, sizeof *self->subscribers);
    for (uint32_t i = 0; i < options->count; i++) {
        self->subscribers[i].connection = nats_link_connect (options, options->publish_endpoint);
        s_watch (&self->subscribers[i], options, i);
    }
    return self;
}

static void s_take (s_subscribers_t *self, uint32_t number, kvEntry *entry)
{
    s_subscriber_t *subscriber = &self->subscribers[number];
    const uint64_t revision = kvEntry_Revision (entry);
    const int size = kvEntry_ValueLen (entry);
    if (self->options->categories == 1 && subscriber->revision && revision > subscriber->revision + 1)
        self->counts.reported_lost += revision - subscriber->revision - 1;
    subscriber->revision = revision;
    self->counts.messages++;
    self->counts.bytes += (size_t)size + strlen (kvEntry_Key (entry));
    bench_sink_take (self->sink, number, kvEntry_Value (entry), (size_t)size);
}

/* Takes in what one watcher has; waits for the first entry at most timeout_ms. Returns how many came. */
static uint32_t s_drain (s_subscribers_t *self, uint32_t number, kvWatcher *watcher, int timeout_ms)
{
    uint32_t taken = 0;
    while (taken < S_TAKE_MAX) {
        kvEntry *entry = NULL;
        const natsStatus status = kvWatcher_Next (&entry, watcher, taken ? 1 : timeout_ms);
        if (status == NATS_TIMEOUT)
            break;
        nats_link_check (status, "watcher");
        if (entry) { /* none: all values from before the watcher are there */
            s_take (self, number, entry);
            kvEntry_Destroy (entry);
        }
        taken++;
    }
    return taken;
}

/* Watchers can only be asked one after another: with several, each is waited for a millisecond. */
static void s_receive (void *driver, int timeout_ms)
{
    s_subscribers_t *self = driver;
    const uint32_t watchers = self->options->count * self->options->reads;
    for (uint32_t i = 0; i < self->options->count; i++)
        for (uint32_t n = 0; n < self->options->reads; n++)
            (void)s_drain (self, i, self->subscribers[i].watchers[n], watchers == 1 ? timeout_ms : 1);
}

static void s_received (void *driver, bench_received_t *counts)
{
    *counts = ((s_subscribers_t *)driver)->counts;
}

static void s_subscribe_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++) {
        s_subscriber_t *subscriber = &self->subscribers[i];
        for (uint32_t n = 0; n < self->options->reads; n++)
            kvWatcher_Destroy (subscriber->watchers[n]);
        kvStore_Destroy (subscriber->bucket);
        jsCtx_Destroy (subscriber->stream);
        natsConnection_Destroy (subscriber->connection);
        free (subscriber->watchers);
    }
    nats_CloseAndWait (10000);
    free (self->subscribers);
    free (self);
    *self_p = NULL;
}

const bench_driver_t bench_driver_nats_state = {
    .name = "nats_state",
    .help = "NATS JetStream key-value in memory, with watchers; HOST:PORT; a batch is puts written together",
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

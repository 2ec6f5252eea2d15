/* SPDX-License-Identifier: MPL-2.0
 *
 * SyncBus as an application uses it: libsyncbus, an agent for each publisher and each subscriber, updates by
 * sb_agent_update, arrivals by on_update; copy, repair of losses and beats as they are by default. Each agent has its
 * I/O thread; handlers run on the one thread of the generator that waits for all agents' descriptors, so that
 * publications are counted there as for the other drivers.
 */
#define _GNU_SOURCE
#include "bench_driver.h"

#include "syncbus.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 10000, ROOM_MS = 10000, LINGER_MS = 5000, DISPATCH = 256, READS_MAX = 64 };

static sb_agent_t *s_agent_new (const sb_agent_options_t *options)
{
    char error[256];
    sb_agent_t *agent = sb_agent_new (options, error, sizeof error);
    if (!agent)
        bench_fail ("%s", error);
    return agent;
}

/* ---------------------------------------------------------------- publishers */

typedef struct {
    const bench_options_t *options;
    bench_names_t *names;
    sb_agent_t **agents;
    uint64_t messages;
    sb_change_t changes[BENCH_BATCH_MAX];
    sb_agent_update_t updates[BENCH_BATCH_MAX];
} s_publishers_t;

static void *s_publish_open (const bench_options_t *options)
{
    s_publishers_t *self = calloc (1, sizeof *self);
    if (!self || !(self->agents = calloc (options->count, sizeof *self->agents)))
        bench_fail ("no memory");
    self->options = options;
    self->names = bench_names_new (options);
    for (uint32_t i = 0; i < options->count; i++) {
        const sb_agent_options_t agent = {.agent_id = self->names->agents[i],
                                          .ingress_endpoint = options->endpoint,
                                          .publish_endpoint = options->publish_endpoint,
                                          .window_updates = options->window};
        self->agents[i] = s_agent_new (&agent);
    }
    for (uint32_t i = 0; i < options->count; i++)
        if (!sb_agent_wait_active (self->agents[i], CONNECT_MS))
            bench_fail ("an agent did not become active within %d ms", CONNECT_MS);
    return self;
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    s_publishers_t *self = driver;
    const bench_options_t *options = self->options;
    for (uint32_t i = 0; i < count; i++) {
        self->changes[i] = sb_bytes (self->names->fields[(first_number + i) % options->keys],
                                     payloads + (size_t)i * options->size, options->size);
        self->updates[i] = (sb_agent_update_t){
            .category = self->names->categories[publisher], .changes = &self->changes[i], .change_count = 1};
    }
    const sb_reason_t reason =
        count == 1 ? sb_agent_update (self->agents[publisher], self->updates, ROOM_MS, NULL)
                   : sb_agent_update_batch (self->agents[publisher], self->updates, count, ROOM_MS, NULL);
    if (reason != SB_REASON_NONE)
        bench_fail ("an update was refused: %s: %s", sb_reason_name (reason), sb_reason_text (reason));
    self->messages++;
}

static bool s_finish (void *driver, int timeout_ms)
{
    s_publishers_t *self = driver;
    for (uint32_t i = 0; i < self->options->count; i++)
        if (!sb_agent_wait_decided (self->agents[i], (uint32_t)timeout_ms))
            return false;
    return true;
}

static void s_published (void *driver, bench_published_t *counts)
{
    const s_publishers_t *self = driver;
    counts->messages = self->messages;
    for (uint32_t i = 0; i < self->options->count; i++) {
        sb_agent_counts_t agent;
        sb_agent_counts (self->agents[i], &agent);
        counts->accepted += agent.updates_accepted;
        counts->refused += agent.updates_refused;
    }
}

static void s_publish_close (void **self_p)
{
    s_publishers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++)
        sb_agent_destroy (&self->agents[i], LINGER_MS);
    bench_names_destroy (&self->names);
    free (self->agents);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- subscribers */

typedef struct s_subscribers s_subscribers_t;

/* What a handler is given. */
typedef struct {
    bench_sink_t *sink;
    uint32_t number;
    uint64_t messages;
} s_reader_t;

struct s_subscribers {
    const bench_options_t *options;
    sb_agent_t **agents;
    s_reader_t *readers;
    struct pollfd *items;
};

static int s_on_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent;
    s_reader_t *self = context;
    const uint64_t now_ns = bench_clock_ns ();
    self->messages++;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_value_t *value = &publication->updates[i].changes[j].value;
            if (publication->updates[i].changes[j].is_delete) /* of an earlier run against the same broker */
                continue;
            const sb_text_t bytes = value->kind == SB_VALUE_BYTES ? value->bytes : (sb_text_t){0};
            bench_sink_take_at (self->sink, self->number, (const uint8_t *)bytes.data, bytes.size, now_ns);
        }
    return 0;
}

static sb_agent_t *s_subscriber_new (const bench_options_t *options, s_reader_t *reader)
{
    char names[READS_MAX][BENCH_NAME_MAX], agent_id[BENCH_NAME_MAX];
    const char *interests[READS_MAX];
    for (uint32_t i = 0; i < options->reads; i++) {
        bench_category_name (names[i], bench_reads_category (options, reader->number, i));
        interests[i] = names[i];
    }
    snprintf (agent_id, sizeof agent_id, "s%u", reader->number);
    const sb_agent_options_t agent = {.agent_id = agent_id,
                                      .ingress_endpoint = options->endpoint,
                                      .publish_endpoint = options->publish_endpoint,
                                      .interests = interests,
                                      .interest_count = options->reads,
                                      .queue_publications = options->publish_queue,
                                      .receive_queue = options->publish_queue,
                                      .dispatch_by_caller = true,
                                      .handlers = {.on_update = s_on_update},
                                      .context = reader};
    return s_agent_new (&agent);
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_subscribers_t *self = calloc (1, sizeof *self);
    if (options->reads > READS_MAX)
        bench_fail ("an agent has at most %d interests", READS_MAX);
    if (!self || !(self->agents = calloc (options->count, sizeof *self->agents)) ||
        !(self->readers = calloc (options->count, sizeof *self->readers)) ||
        !(self->items = calloc (options->count, sizeof *self->items)))
        bench_fail ("no memory");
    self->options = options;
    for (uint32_t i = 0; i < options->count; i++) {
        self->readers[i] = (s_reader_t){.sink = sink, .number = i};
        self->agents[i] = s_subscriber_new (options, &self->readers[i]);
        self->items[i] = (struct pollfd){.fd = sb_agent_descriptor (self->agents[i]), .events = POLLIN};
    }
    return self;
}

static void s_receive (void *driver, int timeout_ms)
{
    s_subscribers_t *self = driver;
    if (poll (self->items, self->options->count, timeout_ms) <= 0)
        return;
    for (uint32_t i = 0; i < self->options->count; i++)
        if (self->items[i].revents)
            sb_agent_dispatch (self->agents[i], DISPATCH);
}

static void s_received (void *driver, bench_received_t *counts)
{
    s_subscribers_t *self = driver;
    for (uint32_t i = 0; i < self->options->count; i++) {
        sb_agent_counts_t agent;
        sb_agent_counts (self->agents[i], &agent);
        counts->messages += self->readers[i].messages;
        counts->reported_lost += agent.resynchronized;
        counts->repaired += agent.recovered;
    }
}

static void s_subscribe_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++)
        sb_agent_destroy (&self->agents[i], 0);
    free (self->agents);
    free (self->readers);
    free (self->items);
    free (self);
    *self_p = NULL;
}

const bench_driver_t bench_driver_library = {
    .name = "library",
    .help = "syncbusd by libsyncbus; tcp://HOST:PORT; a batch is sb_agent_update_batch",
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

/* SPDX-License-Identifier: MPL-2.0
 *
 * Mosquitto: MQTT 3.1.1 at QoS 0 through libmosquitto, all connections on the calling thread. A topic CATEGORY/AGENT
 * for each publisher, a subscription CATEGORY/# for each category read.
 *
 * The library writes each message by a system call of its own, and reads each by at least three: it has no way to
 * gather. So a pipelined batch is written one by one too; a batch in one message is what saves something. Its threads
 * (mosquitto_loop_start) would add a wake-up to each publication and were left out for that.
 */
#include "bench_driver.h"

#include <errno.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    S_KEEPALIVE_S = 3600, /* no pings during a run */
    S_CONNECT_MS = 10000,
    S_TAKE_MAX = 256, /* messages from one subscriber before the next has its turn */
    S_TOPIC_MAX = 192
};

/* One connection of either kind. */
typedef struct {
    struct mosquitto *client;
    bool is_connected;       /* the broker has said so */
    char topic[S_TOPIC_MAX]; /* of a publisher */
    bench_sink_t *sink;      /* of a subscriber, as the rest */
    uint32_t number;
    uint64_t messages;
    uint64_t bytes;
} s_link_t;

/* All connections of a process: the state of either role. */
typedef struct {
    const bench_options_t *options;
    s_link_t *links;      /* options->count */
    struct pollfd *polls; /* one for each */
} s_links_t;

static void s_check (int result, const char *what)
{
    if (result != MOSQ_ERR_SUCCESS)
        bench_fail ("mosquitto: %s: %s", what, mosquitto_strerror (result));
}

/* Polls one connection and lets the library read and write; at most timeout_ms. */
static void s_turn (s_link_t *self, short events, int timeout_ms)
{
    struct pollfd until = {.fd = mosquitto_socket (self->client), .events = events};
    if (poll (&until, 1, timeout_ms) < 0 && errno != EINTR)
        bench_fail ("mosquitto: poll: %s", strerror (errno));
    if (until.revents & POLLOUT)
        s_check (mosquitto_loop_write (self->client, 1), "write");
    if (until.revents & (POLLIN | POLLERR | POLLHUP))
        s_check (mosquitto_loop_read (self->client, 1), "read");
}

/* Waits until all that was handed over is written; false after timeout_ms. */
static bool s_write_all (s_link_t *self, int timeout_ms)
{
    const uint64_t deadline_ns = bench_clock_ns () + (uint64_t)timeout_ms * 1000000;
    while (mosquitto_want_write (self->client)) {
        if (bench_clock_ns () > deadline_ns)
            return false;
        s_turn (self, POLLIN | POLLOUT, 10);
    }
    return true;
}

/* ---------------------------------------------------------------- connections */

static void s_on_connect (struct mosquitto *client, void *closure, int code)
{
    (void)client;
    if (code != 0)
        bench_fail ("mosquitto: %s", mosquitto_connack_string (code));
    ((s_link_t *)closure)->is_connected = true;
}

static void s_on_message (struct mosquitto *client, void *closure, const struct mosquitto_message *message)
{
    (void)client;
    s_link_t *self = closure;
    self->messages++;
    self->bytes += (size_t)message->payloadlen + strlen (message->topic);
    bench_sink_take (self->sink, self->number, message->payload, (size_t)message->payloadlen);
}

static void s_connect (s_link_t *self, const char *endpoint)
{
    char host[256];
    const char *colon = strrchr (endpoint, ':');
    const size_t size = colon ? (size_t)(colon - endpoint) : 0;
    if (size == 0 || size >= sizeof host)
        bench_fail ("mosquitto: \"%s\" is not HOST:PORT", endpoint);
    memcpy (host, endpoint, size);
    host[size] = 0;
    self->client = mosquitto_new (NULL, true, self);
    if (!self->client)
        bench_fail ("mosquitto: no memory for a connection");
    mosquitto_connect_callback_set (self->client, s_on_connect);
    mosquitto_message_callback_set (self->client, s_on_message);
    s_check (mosquitto_int_option (self->client, MOSQ_OPT_TCP_NODELAY, 1), "TCP_NODELAY");
    s_check (mosquitto_connect (self->client, host, atoi (colon + 1), S_KEEPALIVE_S), endpoint);
    const uint64_t deadline_ns = bench_clock_ns () + S_CONNECT_MS * UINT64_C (1000000);
    while (!self->is_connected) {
        if (bench_clock_ns () > deadline_ns)
            bench_fail ("mosquitto: nobody answers at %s", endpoint);
        s_turn (self, POLLIN, 100);
    }
}

static s_links_t *s_open (const bench_options_t *options, const char *endpoint)
{
    s_check (mosquitto_lib_init (), "start");
    s_links_t *self = calloc (1, sizeof *self);
    s_link_t *links = calloc (options->count, sizeof *links);
    struct pollfd *polls = calloc (options->count, sizeof *polls);
    if (!self || !links || !polls)
        bench_fail ("mosquitto: no memory for %u connections", options->count);
    *self = (s_links_t){.options = options, .links = links, .polls = polls};
    for (uint32_t i = 0; i < options->count; i++) {
        s_connect (&links[i], endpoint);
        polls[i] = (struct pollfd){.fd = mosquitto_socket (links[i].client), .events = POLLIN};
    }
    return self;
}

static void s_close (void **self_p)
{
    s_links_t *self = *self_p;
    for (uint32_t i = 0; i < self->options->count; i++) {
        mosquitto_disconnect (self->links[i].client);
        mosquitto_destroy (self->links[i].client);
    }
    mosquitto_lib_cleanup ();
    free (self->links);
    free (self->polls);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- publishers */

static void *s_publish_open (const bench_options_t *options)
{
    s_links_t *self = s_open (options, options->endpoint);
    for (uint32_t i = 0; i < options->count; i++) {
        char *topic = self->links[i].topic;
        uint32_t size = bench_category_name (topic, bench_category (options, i));
        topic[size++] = '/';
        bench_agent_name (topic + size, i);
    }
    return self;
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    (void)first_number;
    s_links_t *self = driver;
    s_link_t *link = &self->links[publisher];
    const uint32_t messages = self->options->is_pipelined ? count : 1;
    const size_t size = (size_t)self->options->size * (count / messages);
    for (uint32_t i = 0; i < messages; i++) {
        s_check (mosquitto_publish (link->client, NULL, link->topic, (int)size, payloads + i * size, 0, false),
                 "publish");
        /* What the socket did not take waits in the library without a bound: it is written out first. */
        if (mosquitto_want_write (link->client) && !s_write_all (link, S_CONNECT_MS))
            bench_fail ("mosquitto: the broker takes nothing in");
    }
    link->messages += messages;
    link->bytes += messages * (size + strlen (link->topic));
}

static bool s_finish (void *driver, int timeout_ms)
{
    s_links_t *self = driver;
    for (uint32_t i = 0; i < self->options->count; i++)
        if (!s_write_all (&self->links[i], timeout_ms))
            return false;
    return true;
}

static void s_published (void *driver, bench_published_t *counts)
{
    const s_links_t *self = driver;
    memset (counts, 0, sizeof *counts);
    for (uint32_t i = 0; i < self->options->count; i++) {
        counts->messages += self->links[i].messages;
        counts->bytes += self->links[i].bytes;
    }
}

/* ---------------------------------------------------------------- subscribers */

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_links_t *self = s_open (options, options->publish_endpoint);
    for (uint32_t i = 0; i < options->count; i++) {
        s_link_t *link = &self->links[i];
        link->sink = sink;
        link->number = i;
        for (uint32_t n = 0; n < options->reads; n++) {
            char topic[S_TOPIC_MAX];
            const uint32_t size = bench_category_name (topic, bench_reads_category (options, i, n));
            memcpy (topic + size, "/#", 3);
            s_check (mosquitto_subscribe (link->client, NULL, topic, 0), topic);
        }
        if (!s_write_all (link, S_CONNECT_MS))
            bench_fail ("mosquitto: the broker takes no subscription");
    }
    return self;
}

/* The library reads one message a call, and does not say whether there was one: the callback's count does. */
static void s_take_all (s_link_t *link)
{
    for (int i = 0; i < S_TAKE_MAX; i++) {
        const uint64_t before = link->messages;
        s_check (mosquitto_loop_read (link->client, 1), "read");
        if (link->messages == before)
            return;
    }
}

static void s_receive (void *driver, int timeout_ms)
{
    s_links_t *self = driver;
    if (poll (self->polls, self->options->count, timeout_ms) < 0 && errno != EINTR)
        bench_fail ("mosquitto: poll: %s", strerror (errno));
    for (uint32_t i = 0; i < self->options->count; i++)
        if (self->polls[i].revents)
            s_take_all (&self->links[i]);
}

static void s_received (void *driver, bench_received_t *counts)
{
    bench_published_t both;
    s_published (driver, &both);
    *counts = (bench_received_t){.messages = both.messages, .bytes = both.bytes};
}

const bench_driver_t bench_driver_mosquitto = {
    .name = "mosquitto",
    .help = "Mosquitto, QoS 0; HOST:PORT; a batch is one message, or messages one by one (--pipelined 1)",
    .publish_open = s_publish_open,
    .publish = s_publish,
    .finish = s_finish,
    .published = s_published,
    .publish_close = s_close,
    .subscribe_open = s_subscribe_open,
    .receive = s_receive,
    .received = s_received,
    .subscribe_close = s_close,
};

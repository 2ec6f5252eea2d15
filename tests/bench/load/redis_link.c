/* SPDX-License-Identifier: MPL-2.0
 *
 * See redis_link.h. hiredis without its blocking calls: redisBufferWrite and redisBufferRead on non-blocking sockets,
 * poll where there is nothing to do. Subscribers take channels by name (SUBSCRIBE), which costs the server a hash
 * look-up; patterns would cost it a comparison with each.
 */
#include "redis_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const bench_options_t *options;
    bench_sink_t *sink;
    redisContext **contexts; /* options->count */
    struct pollfd *polls;    /* one for each */
    bench_received_t counts;
} s_subscribers_t;

static void *s_allocate (size_t count, size_t size)
{
    void *memory = calloc (count, size);
    if (!memory)
        bench_fail ("redis: no memory for %zu connections", count);
    return memory;
}

static void s_check (const redisContext *context)
{
    if (context->err)
        bench_fail ("redis: %s", context->errstr);
}

/* "HOST:PORT"; the socket is non-blocking and connected, TCP_NODELAY is set by hiredis. */
static redisContext *s_connect (const char *endpoint)
{
    char host[256];
    const char *colon = strrchr (endpoint, ':');
    const size_t size = colon ? (size_t)(colon - endpoint) : 0;
    if (size == 0 || size >= sizeof host)
        bench_fail ("redis: \"%s\" is not HOST:PORT", endpoint);
    memcpy (host, endpoint, size);
    host[size] = 0;
    redisContext *context = redisConnectNonBlock (host, atoi (colon + 1));
    if (!context)
        bench_fail ("redis: no memory for a connection");
    s_check (context);
    struct pollfd until = {.fd = context->fd, .events = POLLOUT};
    if (poll (&until, 1, 10000) != 1 || until.revents & (POLLERR | POLLHUP))
        bench_fail ("redis: nobody answers at %s", endpoint);
    return context;
}

/* ---------------------------------------------------------------- publishers */

/* Most commands without a reply: an update alone is at most two, and so is a batch that is larger than the window. */
static size_t s_commands_most (const bench_options_t *options)
{
    return 2 * (size_t)options->window + 2;
}

/* Takes the replies that are there, without waiting. */
static void s_read_replies (redis_publishers_t *self, redis_link_t *link)
{
    void *reply = NULL;
    if (redisBufferRead (link->context) != REDIS_OK)
        s_check (link->context);
    while (redisGetReplyFromReader (link->context, &reply) == REDIS_OK && reply) {
        const redisReply *answer = reply;
        if (answer->type == REDIS_REPLY_ERROR)
            bench_fail ("redis: %s", answer->str);
        const uint32_t updates = link->updates[link->replied++ % s_commands_most (self->options)];
        link->undecided -= updates;
        self->counts.accepted += updates;
        freeReplyObject (reply);
        reply = NULL;
    }
    s_check (link->context);
}

/* Waits for replies, or for room to write if `wants_room`, at most timeout_ms, and takes the replies. */
static void s_wait (redis_publishers_t *self, redis_link_t *link, bool wants_room, int timeout_ms)
{
    struct pollfd until = {.fd = link->context->fd, .events = (short)(POLLIN | (wants_room ? POLLOUT : 0))};
    if (poll (&until, 1, timeout_ms) < 0 && errno != EINTR)
        bench_fail ("redis: poll: %s", strerror (errno));
    if (until.revents & (POLLIN | POLLERR | POLLHUP))
        s_read_replies (self, link);
}

static bool s_has_room (redis_link_t *link)
{
    int is_done = 0;
    if (redisBufferWrite (link->context, &is_done) != REDIS_OK)
        s_check (link->context);
    if (is_done)
        link->gathered = 0;
    return is_done;
}

static void s_write (redis_publishers_t *self, redis_link_t *link)
{
    while (!s_has_room (link))
        s_wait (self, link, true, 1000);
}

/* Writes the name of a publisher's hash, returns its size. */
static size_t s_key (char *text, const bench_names_t *names, uint32_t publisher)
{
    return (size_t)snprintf (text, 2 * BENCH_NAME_MAX, "%s.%s", names->categories[publisher], names->agents[publisher]);
}

void *redis_publishers_open (const bench_options_t *options)
{
    redis_publishers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->links = s_allocate (options->count, sizeof *self->links);
    self->names = bench_names_new (options);
    for (uint32_t i = 0; i < options->count; i++) {
        self->links[i].context = s_connect (options->endpoint);
        self->links[i].updates = s_allocate (s_commands_most (options), sizeof *self->links[i].updates);
        self->links[i].channel_size = bench_category_name (self->links[i].channel, bench_category (options, i));
        self->links[i].key_size = s_key (self->links[i].key, self->names, i);
    }
    return self;
}

void redis_link_append (redis_publishers_t *self, redis_link_t *link, uint32_t updates, int count,
                        const char **arguments, const size_t *sizes)
{
    const uint32_t window = self->options->window;
    if (link->undecided + updates > window) {
        s_write (self, link);
        /* To the half, so that each wait is worth the system call. */
        while (link->undecided > window / 2)
            s_wait (self, link, false, 1000);
    }
    if (redisAppendCommandArgv (link->context, count, arguments, sizes) != REDIS_OK)
        s_check (link->context);
    link->updates[link->sent++ % s_commands_most (self->options)] = updates;
    link->undecided += updates;
    self->counts.messages++;
    size_t octets = 0;
    for (int i = 0; i < count; i++)
        octets += sizes[i];
    link->gathered += octets;
    self->counts.bytes += octets;
}

void redis_link_commit (redis_publishers_t *self, redis_link_t *link)
{
    if (self->options->is_paced || link->gathered >= REDIS_LINK_WRITE)
        s_write (self, link);
}

void redis_publishers_service (void *self_)
{
    redis_publishers_t *self = self_;
    for (uint32_t i = 0; i < self->options->count; i++) {
        redis_link_t *link = &self->links[i];
        (void)s_has_room (link);
        if (link->replied < link->sent)
            s_read_replies (self, link);
    }
}

bool redis_publishers_finish (void *self_, int timeout_ms)
{
    redis_publishers_t *self = self_;
    const uint64_t deadline_ns = bench_clock_ns () + (uint64_t)timeout_ms * 1000000;
    for (uint32_t i = 0; i < self->options->count; i++) {
        redis_link_t *link = &self->links[i];
        while (link->replied < link->sent) {
            if (bench_clock_ns () > deadline_ns)
                return false;
            s_wait (self, link, !s_has_room (link), 10);
        }
    }
    return true;
}

void redis_publishers_counts (void *self_, bench_published_t *counts)
{
    const redis_publishers_t *self = self_;
    *counts = self->counts;
}

void redis_publishers_close (void **self_p)
{
    redis_publishers_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->options->count; i++) {
        redisFree (self->links[i].context);
        free (self->links[i].updates);
    }
    bench_names_destroy (&self->names);
    free (self->links);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- subscribers */

static void s_subscribe (const bench_options_t *options, uint32_t subscriber, redisContext *context)
{
    for (uint32_t i = 0; i < options->reads; i++) {
        char channel[REDIS_LINK_CHANNEL_MAX];
        const size_t size = bench_category_name (channel, bench_reads_category (options, subscriber, i));
        const char *arguments[] = {"SUBSCRIBE", channel};
        const size_t sizes[] = {9, size};
        if (redisAppendCommandArgv (context, 2, arguments, sizes) != REDIS_OK)
            s_check (context);
    }
    for (int is_done = 0; !is_done;)
        if (redisBufferWrite (context, &is_done) != REDIS_OK)
            s_check (context);
}

void *redis_subscribers_open (const bench_options_t *options, bench_sink_t *sink)
{
    s_subscribers_t *self = s_allocate (1, sizeof *self);
    self->options = options;
    self->sink = sink;
    self->contexts = s_allocate (options->count, sizeof (redisContext *));
    self->polls = s_allocate (options->count, sizeof *self->polls);
    for (uint32_t i = 0; i < options->count; i++) {
        self->contexts[i] = s_connect (options->publish_endpoint);
        s_subscribe (options, i, self->contexts[i]);
        self->polls[i] = (struct pollfd){.fd = self->contexts[i]->fd, .events = POLLIN};
    }
    return self;
}

/* A push is the array of "message" (or "subscribe"), the channel and the payload (or a number). */
static void s_take (s_subscribers_t *self, uint32_t subscriber, const redisReply *push)
{
    if (push->type == REDIS_REPLY_ERROR)
        bench_fail ("redis: %s", push->str);
    if (push->type != REDIS_REPLY_ARRAY || push->elements != 3 || push->element[2]->type != REDIS_REPLY_STRING)
        return;
    const redisReply *payload = push->element[2];
    self->counts.messages++;
    self->counts.bytes += payload->len + push->element[1]->len;
    bench_sink_take (self->sink, subscriber, (const uint8_t *)payload->str, payload->len);
}

/* Takes in one read of at most 16 KB, as hiredis does them. */
static void s_read_pushes (s_subscribers_t *self, uint32_t subscriber)
{
    redisContext *context = self->contexts[subscriber];
    void *reply = NULL;
    if (redisBufferRead (context) != REDIS_OK)
        s_check (context);
    while (redisGetReplyFromReader (context, &reply) == REDIS_OK && reply) {
        s_take (self, subscriber, reply);
        freeReplyObject (reply);
        reply = NULL;
    }
    s_check (context);
}

void redis_subscribers_receive (void *self_, int timeout_ms)
{
    s_subscribers_t *self = self_;
    if (poll (self->polls, self->options->count, timeout_ms) < 0 && errno != EINTR)
        bench_fail ("redis: poll: %s", strerror (errno));
    for (uint32_t i = 0; i < self->options->count; i++)
        if (self->polls[i].revents)
            s_read_pushes (self, i);
}

void redis_subscribers_counts (void *self_, bench_received_t *counts)
{
    const s_subscribers_t *self = self_;
    *counts = self->counts;
}

void redis_subscribers_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->options->count; i++)
        redisFree (self->contexts[i]);
    free (self->contexts);
    free (self->polls);
    free (self);
    *self_p = NULL;
}

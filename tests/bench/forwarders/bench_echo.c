/* SPDX-License-Identifier: MPL-2.0
 *
 * The bare server of the scale workloads: a ROUTER, an XPUB and a second ROUTER for requests, with the options and the
 * turns of syncbusd, and nothing behind them. Each frame from a peer goes back to it as it came; subscriptions are
 * read and counted. With --forward each frame is also published, as it is, by reference; with --only-forward it is
 * published and not sent back: the basic bus at its cheapest.
 *
 * A turn reads requests first, then frames for about 1 ms, then subscriptions, as the broker's does, so that a request
 * waits for the same amount of flood. Ends at SIGTERM or SIGINT and prints one line of JSON: what it counted.
 *
 * bench_echo READY_FILE [--forward | --only-forward]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { QUEUE = 1000, BACKLOG = 1024, TURN_NS = 1000 * 1000, BATCH = 16, REQUESTS = 64, ENDPOINT = 128 };

typedef enum { REQUESTS_IN, FRAMES_IN, SUBSCRIPTIONS_IN, SOCKETS } s_socket_t;

typedef struct {
    void *sockets[SOCKETS];
    char endpoints[SOCKETS][ENDPOINT];
    bool forwards;
    bool answers;
    uint64_t frames;
    uint64_t answered;
    uint64_t refused; /* answers that a full queue did not take */
    uint64_t published;
    uint64_t subscriptions;
    uint64_t requests;
} s_server_t;

static volatile sig_atomic_t s_is_over;

static void s_end (int number)
{
    (void)number;
    s_is_over = 1;
}

static void s_fail (const char *what)
{
    fprintf (stderr, "bench_echo: %s: %s\n", what, zmq_strerror (errno));
    exit (1);
}

static uint64_t s_now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

static void s_open (s_server_t *self, void *context, s_socket_t name, int type)
{
    void *socket = zmq_socket (context, type);
    size_t size = ENDPOINT;
    if (!socket)
        s_fail ("no socket");
    const int options[][2] = {
        {ZMQ_LINGER, 0},           {ZMQ_BACKLOG, BACKLOG},
        {ZMQ_SNDHWM, QUEUE},       {ZMQ_RCVHWM, QUEUE},
        {ZMQ_HANDSHAKE_IVL, 5000}, {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_MAXRT, 30000},    {type == ZMQ_ROUTER ? ZMQ_ROUTER_MANDATORY : ZMQ_LINGER, type == ZMQ_ROUTER}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (zmq_setsockopt (socket, options[i][0], &options[i][1], sizeof (int)) != 0)
            s_fail ("an option");
    if (zmq_bind (socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, self->endpoints[name], &size) != 0)
        s_fail ("no port");
    self->sockets[name] = socket;
}

static void s_announce (const s_server_t *self, const char *path)
{
    char other[4096];
    snprintf (other, sizeof other, "%s.new", path);
    FILE *file = fopen (other, "we");
    if (!file)
        s_fail (path);
    fprintf (file, "{\"ingress\": \"%s\", \"publish\": \"%s\", \"command\": \"%s\", \"pid\": %d}\n",
             self->endpoints[FRAMES_IN], self->endpoints[SUBSCRIPTIONS_IN], self->endpoints[REQUESTS_IN],
             (int)getpid ());
    if (fclose (file) != 0 || rename (other, path) != 0)
        s_fail (path);
    printf ("{\"ready\": true}\n");
    fflush (stdout);
}

/* Publishes the frame by reference. */
static void s_forward (s_server_t *self, zmq_msg_t *frame)
{
    zmq_msg_t copy;
    zmq_msg_init (&copy);
    zmq_msg_copy (&copy, frame);
    if (zmq_msg_send (&copy, self->sockets[SUBSCRIPTIONS_IN], ZMQ_DONTWAIT) >= 0)
        self->published++;
    else
        zmq_msg_close (&copy);
}

/* Receives a message of a peer and publishes its last frame. False when there was none. */
static bool s_take_and_forward (s_server_t *self)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    const bool is_received = zmq_msg_recv (&frame, self->sockets[FRAMES_IN], ZMQ_DONTWAIT) >= 0;
    while (is_received && zmq_msg_more (&frame) && zmq_msg_recv (&frame, self->sockets[FRAMES_IN], ZMQ_DONTWAIT) >= 0)
        ;
    if (is_received && zmq_msg_send (&frame, self->sockets[SUBSCRIPTIONS_IN], ZMQ_DONTWAIT) >= 0)
        self->published++;
    zmq_msg_close (&frame);
    return is_received;
}

/* Receives a message of a peer and sends all its frames back. False when there was none. */
static bool s_echo (s_server_t *self, s_socket_t name, bool forwards)
{
    void *socket = self->sockets[name];
    zmq_msg_t frame;
    bool is_taken = true, has_more = true;
    zmq_msg_init (&frame);
    if (zmq_msg_recv (&frame, socket, ZMQ_DONTWAIT) < 0)
        return false;
    while (is_taken) {
        has_more = zmq_msg_more (&frame);
        if (!has_more && forwards)
            s_forward (self, &frame);
        is_taken = zmq_msg_send (&frame, socket, ZMQ_DONTWAIT | (has_more ? ZMQ_SNDMORE : 0)) >= 0;
        if (!is_taken || !has_more || zmq_msg_recv (&frame, socket, ZMQ_DONTWAIT) < 0)
            break;
    }
    while (has_more && zmq_msg_recv (&frame, socket, ZMQ_DONTWAIT) >= 0)
        has_more = zmq_msg_more (&frame);
    zmq_msg_close (&frame);
    self->answered += is_taken;
    self->refused += !is_taken;
    return true;
}

static bool s_take_requests (s_server_t *self)
{
    for (int i = 0; i < REQUESTS; i++, self->requests++)
        if (!s_echo (self, REQUESTS_IN, false))
            return false;
    return true;
}

static bool s_take_frames (s_server_t *self)
{
    const uint64_t end_ns = s_now_ns () + TURN_NS;
    do {
        for (int i = 0; i < BATCH; i++, self->frames++)
            if (!(self->answers ? s_echo (self, FRAMES_IN, self->forwards) : s_take_and_forward (self)))
                return false;
    } while (s_now_ns () < end_ns);
    return true;
}

static void s_take_subscriptions (s_server_t *self)
{
    while (zmq_recv (self->sockets[SUBSCRIPTIONS_IN], NULL, 0, ZMQ_DONTWAIT) >= 0)
        self->subscriptions++;
}

static void s_serve (s_server_t *self)
{
    zmq_pollitem_t items[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        items[i] = (zmq_pollitem_t){.socket = self->sockets[i], .events = ZMQ_POLLIN};
    bool has_more = false;
    while (!s_is_over) {
        if (zmq_poll (items, SOCKETS, has_more ? 0 : 100) < 0 && errno != EINTR)
            s_fail ("poll");
        has_more = s_take_requests (self);
        has_more = s_take_frames (self) || has_more;
        s_take_subscriptions (self);
    }
}

int main (int argument_count, char **arguments)
{
    s_server_t self = {0};
    const char *option = argument_count == 3 ? arguments[2] : "";
    self.forwards = strcmp (option, "--forward") == 0;
    self.answers = strcmp (option, "--only-forward") != 0;
    if (argument_count < 2 || argument_count > 3 || (option[0] && self.answers && !self.forwards)) {
        fprintf (stderr, "bench_echo READY_FILE [--forward | --only-forward]\n");
        return 2;
    }
    struct rlimit limit;
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
    const struct sigaction action = {.sa_handler = s_end};
    sigaction (SIGTERM, &action, NULL);
    sigaction (SIGINT, &action, NULL);
    void *context = zmq_ctx_new ();
    s_open (&self, context, REQUESTS_IN, ZMQ_ROUTER);
    s_open (&self, context, FRAMES_IN, ZMQ_ROUTER);
    s_open (&self, context, SUBSCRIPTIONS_IN, ZMQ_XPUB);
    s_announce (&self, arguments[1]);
    s_serve (&self);
    printf ("{\"frames\": %lu, \"answered\": %lu, \"refused\": %lu, \"published\": %lu, \"subscriptions\": %lu, "
            "\"requests\": %lu}\n",
            (unsigned long)self.frames, (unsigned long)self.answered, (unsigned long)self.refused,
            (unsigned long)self.published, (unsigned long)self.subscriptions, (unsigned long)self.requests);
    for (int i = 0; i < SOCKETS; i++)
        zmq_close (self.sockets[i]);
    zmq_ctx_term (context);
    unlink (arguments[1]);
    return 0;
}

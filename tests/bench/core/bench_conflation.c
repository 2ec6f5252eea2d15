/* SPDX-License-Identifier: MPL-2.0
 *
 * What conflation costs whoever does not use it.
 *
 *   bench_conflation core [CASE]   nanoseconds of a core step that takes one delta of four fields and publishes it;
 *                                  with a case alone (0 to 3), for callgrind
 *   bench_conflation sockets       nanoseconds to hand one publication of 128 octets to 20 plain readers while each
 * tenth is sent once more for a conflated reader: on the same socket, on one of its own
 *
 * Cases run in turn, many rounds; the best round of each counts, since whatever else the machine does only adds.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "sb_core.h"
#include "sb_names.h"

enum { TOPICS = 200, FIELDS = 4, ROUNDS = 30, STEPS = 20000 };

static uint64_t s_clock_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- core */

typedef struct {
    const char *title;
    const char *prefix; /* somebody subscribes to it; NULL: nobody to anything */
} s_case_t;

static const s_case_t s_cases[] = {{"nobody asks for conflation", NULL},
                                   {"somebody does, for other topics", "~conflated.100.other."},
                                   {"every topic is conflated to 100 ms", "~conflated.100.market_data."},
                                   {"every topic is conflated to 10 ms", "~conflated.10.market_data."}};

enum { CASES = sizeof s_cases / sizeof s_cases[0] };

typedef struct {
    sb_core_t *core;
    uint64_t now_ns;
    uint64_t sequence;
    char subjects[TOPICS][16];
    uint64_t published;
    uint64_t best_ns; /* of a round */
} s_bench_t;

static void *s_allocate (void *context, size_t size)
{
    (void)context;
    return aligned_alloc (16, (size + 15) & ~(size_t)15);
}

static void s_release (void *context, void *memory, size_t size)
{
    (void)context, (void)size;
    free (memory);
}

static void s_step (s_bench_t *self, sb_event_t event)
{
    sb_effects_t effects;
    event.monotonic_ns = self->now_ns;
    event.unix_ns = (int64_t)self->now_ns;
    sb_core_step (self->core, &event, &effects);
    self->published += effects.count;
}

static void s_message (s_bench_t *self, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = 1;
    event.message.message = message;
    event.message.size = 128;
    s_step (self, event);
}

static void s_prepare (s_bench_t *self, const s_case_t *its_case)
{
    memset (self, 0, sizeof *self);
    self->now_ns = 1000000000;
    self->best_ns = UINT64_MAX;
    sb_core_config_t config;
    sb_core_config_default (&config);
    sb_core_identity_t identity = {.stream_id = 1, .epoch = 1, .hash_seed = 1, .session_seed = 1};
    sb_allocator_t allocator = {s_allocate, s_release, NULL};
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, (int64_t)self->now_ns);
    if (!self->core)
        abort ();
    for (unsigned i = 0; i < TOPICS; i++)
        snprintf (self->subjects[i], sizeof self->subjects[i], "SYMBOL%u", i);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){
        .protocol = SB_PROTOCOL, .agent_id = sb_text ("feed"), .instance_id = 1, .next_sequence = 1};
    s_message (self, &message);
    if (!its_case->prefix)
        return;
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (its_case->prefix);
    event.subscription.is_subscribed = true;
    s_step (self, event);
}

/* One delta; 10 us pass, so that a topic is written each 2 ms; ticks where the core wants them. */
static void s_write (s_bench_t *self)
{
    static const char *const names[FIELDS] = {"bid", "ask", "bid_size", "ask_size"};
    sb_change_t changes[FIELDS];
    for (unsigned i = 0; i < FIELDS; i++) {
        changes[i] = (sb_change_t){.name = sb_text (names[i])};
        changes[i].value.kind = SB_VALUE_NUMBER;
        changes[i].value.number = (double)(self->sequence + i);
    }
    sb_delta_t delta = {.category = sb_text ("market_data"),
                        .subject = sb_text (self->subjects[self->sequence % TOPICS])};
    delta.update = (sb_update_t){.sequence = ++self->sequence, .changes = changes, .change_count = FIELDS};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    s_message (self, &message);
    self->now_ns += 10000;
    if (self->sequence % 100 == 0)
        s_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
    for (int i = 0; i < 8 && sb_core_deadline (self->core) <= self->now_ns; i++)
        s_step (self, (sb_event_t){.kind = SB_EVENT_TICK});
}

static void s_round (s_bench_t *self)
{
    uint64_t start_ns = s_clock_ns ();
    for (unsigned i = 0; i < STEPS; i++)
        s_write (self);
    uint64_t elapsed_ns = s_clock_ns () - start_ns;
    if (elapsed_ns < self->best_ns)
        self->best_ns = elapsed_ns;
}

static void s_bench_core (int only)
{
    static s_bench_t benches[CASES];
    for (int i = 0; i < CASES; i++)
        if (only < 0 || only == i)
            s_prepare (&benches[i], &s_cases[i]);
    for (unsigned round = 0; round < (only < 0 ? ROUNDS : 2); round++)
        for (int i = 0; i < CASES; i++)
            if (benches[i].core)
                s_round (&benches[i]);
    for (int i = 0; i < CASES; i++) {
        if (!benches[i].core)
            continue;
        printf ("%-40s %7.1f ns a delta\n", s_cases[i].title, (double)benches[i].best_ns / STEPS);
        sb_core_destroy (&benches[i].core);
    }
}

/* ---- sockets */

enum { READERS = 20, PAYLOAD = 128, SENDS = 20000, EACH = 10 };

static atomic_bool s_is_over;
static void *s_context;
static char s_endpoints[2][256];

/* Reads away what its sockets get. */
static void *s_drain (void *argument)
{
    int conflated_at = *(const int *)argument;
    void *sockets[READERS + 1];
    zmq_pollitem_t items[READERS + 1];
    for (int i = 0; i <= READERS; i++) {
        bool is_conflated = i == READERS;
        sockets[i] = zmq_socket (s_context, ZMQ_SUB);
        const char *prefix = is_conflated ? "~conflated.100.market_data." : "market_data.";
        zmq_setsockopt (sockets[i], ZMQ_SUBSCRIBE, prefix, strlen (prefix));
        zmq_connect (sockets[i], s_endpoints[is_conflated ? conflated_at : 0]);
        items[i] = (zmq_pollitem_t){.socket = sockets[i], .events = ZMQ_POLLIN};
    }
    char frame[512];
    while (!s_is_over && zmq_poll (items, READERS + 1, 10) >= 0)
        for (int i = 0; i <= READERS; i++)
            while (zmq_recv (sockets[i], frame, sizeof frame, ZMQ_DONTWAIT) >= 0) {
            }
    for (int i = 0; i <= READERS; i++)
        zmq_close (sockets[i]);
    return NULL;
}

static void *s_bind (int place)
{
    void *socket = zmq_socket (s_context, ZMQ_XPUB);
    int linger_ms = 0;
    zmq_setsockopt (socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    size_t size = sizeof s_endpoints[place];
    if (zmq_bind (socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, s_endpoints[place], &size) != 0)
        abort ();
    return socket;
}

/* Best time of some rounds to send SENDS publications; the conflated ones go to socket `conflated_at`, -1: to none. */
static double s_send_ns (int conflated_at)
{
    s_context = zmq_ctx_new ();
    s_is_over = false;
    void *sockets[2] = {s_bind (0), s_bind (1)};
    int at = conflated_at < 0 ? 0 : conflated_at;
    pthread_t thread;
    pthread_create (&thread, NULL, s_drain, &at);
    char frame[64];
    for (int i = 0; i < 2; i++) { /* both prefixes are subscribed to */
        if (at == 1 || i == 0)
            zmq_recv (sockets[i], frame, sizeof frame, 0);
    }
    struct timespec pause = {0, 300000000};
    nanosleep (&pause, NULL);
    static char plain[PAYLOAD] = "market_data.feed.SYMBOL",
                conflated[PAYLOAD] = "~conflated.100.market_data.feed.SYMBOL";
    uint64_t best_ns = UINT64_MAX;
    for (int round = 0; round < 15; round++) {
        uint64_t spent_ns = 0;
        for (int i = 0; i < SENDS; i++) {
            uint64_t start_ns = s_clock_ns ();
            zmq_send (sockets[0], plain, sizeof plain, ZMQ_DONTWAIT);
            spent_ns += s_clock_ns () - start_ns;
            if (conflated_at >= 0 && i % EACH == 0)
                zmq_send (sockets[conflated_at], conflated, sizeof conflated, ZMQ_DONTWAIT);
        }
        if (spent_ns < best_ns)
            best_ns = spent_ns;
    }
    s_is_over = true;
    pthread_join (thread, NULL);
    zmq_close (sockets[0]);
    zmq_close (sockets[1]);
    zmq_ctx_term (s_context);
    return (double)best_ns / SENDS;
}

int main (int count, char **arguments)
{
    if (count >= 2 && strcmp (arguments[1], "core") == 0)
        s_bench_core (count > 2 ? atoi (arguments[2]) : -1);
    else if (count == 2 && strcmp (arguments[1], "sockets") == 0) {
        printf ("%-40s %7.1f ns a send\n", "no conflated publications", s_send_ns (-1));
        printf ("%-40s %7.1f ns a send\n", "own topics on the same socket", s_send_ns (0));
        printf ("%-40s %7.1f ns a send\n", "a socket of their own", s_send_ns (1));
    } else {
        fprintf (stderr, "usage: bench_conflation core [CASE] | sockets\n");
        return 2;
    }
    return 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See agent_bodies.h. All waits are for a condition with a deadline.
 */
#include "agent_bodies.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fake_broker.h"
#include "sb_names.h"
#include "syncbus.h"

enum { THREADS = 4, UPDATES = 500, PATIENCE_MS = 20000 };

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return #condition;                                                                                         \
    } while (0)

static uint64_t s_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Looks again whenever the broker has handled a message: every agent beats. */
static bool s_await (sb_fake_broker_t *broker, bool (*condition) (void *context), void *context)
{
    uint64_t end_ms = s_now_ms () + PATIENCE_MS;
    while (!condition (context)) {
        if (s_now_ms () > end_ms)
            return false;
        sb_fake_broker_wait_message (broker, PATIENCE_MS);
    }
    return true;
}

static sb_agent_t *s_agent (const sb_fake_broker_t *broker, const char *agent_id, sb_agent_options_t options)
{
    options.agent_id = agent_id;
    options.ingress_endpoint = sb_fake_broker_ingress (broker);
    options.heartbeat_interval_ms = 100;
    char error[200];
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    if (!agent)
        fprintf (stderr, "%s\n", error);
    return agent;
}

static sb_reason_t s_set (sb_agent_t *agent, const char *name, double number, uint32_t timeout_ms)
{
    sb_change_t change = sb_number (name, number);
    sb_agent_update_t update = {.category = "status", .changes = &change, .change_count = 1};
    return sb_agent_update (agent, &update, timeout_ms, NULL);
}

/* ------------------------------------------------------------------ many threads */

typedef struct {
    sb_agent_t *agent;
    int number;
    atomic_uint failed;
} s_writer_t;

static void *s_write (void *argument)
{
    s_writer_t *writer = argument;
    char name[16];
    snprintf (name, sizeof name, "f%d", writer->number);
    for (int i = 1; i <= UPDATES; i++) {
        if (s_set (writer->agent, name, i, PATIENCE_MS) != SB_REASON_NONE)
            atomic_fetch_add (&writer->failed, 1);
        sb_agent_counts_t counts;
        sb_agent_counts (writer->agent, &counts);
        sb_agent_status (writer->agent);
    }
    return NULL;
}

static unsigned s_write_from_all (sb_agent_t *agent)
{
    pthread_t threads[THREADS];
    s_writer_t writers[THREADS];
    unsigned failed = 0;
    for (int i = 0; i < THREADS; i++) {
        writers[i].agent = agent;
        writers[i].number = i;
        atomic_init (&writers[i].failed, 0);
        pthread_create (&threads[i], NULL, s_write, &writers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join (threads[i], NULL);
        failed += atomic_load (&writers[i].failed);
    }
    return failed;
}

static int s_count_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent;
    atomic_fetch_add ((atomic_uint *)context, publication->update_count);
    return 0;
}

static bool s_has_subscribed (void *context)
{
    sb_agent_t **agents = context;
    s_set (agents[0], "hello", 1, 0);
    sb_agent_counts_t counts;
    sb_agent_counts (agents[1], &counts);
    return counts.received > 0;
}

static bool s_has_processed_all (void *context)
{
    sb_agent_counts_t counts;
    sb_agent_counts (*(sb_agent_t **)context, &counts);
    return counts.processed + counts.dropped >= THREADS * UPDATES && counts.received == counts.processed;
}

const char *sb_body_many_threads_update_and_one_reads (void)
{
    static const char *const interests[] = {"status"};
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    atomic_uint updates = 0;
    sb_agent_t *agents[2];
    agents[0] = s_agent (broker, "writer", (sb_agent_options_t){0});
    agents[1] = s_agent (broker, "reader",
                         (sb_agent_options_t){.interests = interests,
                                              .interest_count = 1,
                                              .context = &updates,
                                              .queue_publications = 100000,
                                              .handlers.on_update = s_count_update});
    MUST (agents[0] && agents[1]);
    MUST (sb_agent_wait_active (agents[0], PATIENCE_MS) && sb_agent_wait_active (agents[1], PATIENCE_MS));
    MUST (s_await (broker, s_has_subscribed, agents));
    MUST (s_write_from_all (agents[0]) == 0);
    MUST (sb_agent_wait_decided (agents[0], PATIENCE_MS));
    sb_agent_counts_t counts;
    sb_agent_counts (agents[0], &counts);
    MUST (counts.updates_sent >= THREADS * UPDATES);
    MUST (counts.updates_accepted == counts.updates_sent && counts.undecided == 0);
    MUST (s_await (broker, s_has_processed_all, &agents[1]));
    sb_agent_counts (agents[1], &counts);
    MUST (counts.dropped == 0 && counts.delivery_count > 0);
    MUST (atomic_load (&updates) >= THREADS * UPDATES);
    for (int i = 0; i < THREADS; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%d", i);
        MUST (sb_fake_broker_field (broker, name, -1) == UPDATES);
    }
    sb_agent_destroy (&agents[1], 0);
    sb_agent_destroy (&agents[0], 1000);
    MUST (agents[0] == NULL);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

/* ------------------------------------------------------------------ dispatch */

typedef struct {
    sb_agent_t *agent;
    atomic_bool is_over;
} s_dispatcher_t;

static void *s_dispatch (void *argument)
{
    s_dispatcher_t *dispatcher = argument;
    struct pollfd item = {.fd = sb_agent_descriptor (dispatcher->agent), .events = POLLIN};
    while (!atomic_load (&dispatcher->is_over)) {
        if (poll (&item, 1, 10) > 0)
            sb_agent_dispatch (dispatcher->agent, 7);
    }
    return NULL;
}

const char *sb_body_dispatch_by_caller (void)
{
    static const char *const interests[] = {"all"};
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    atomic_uint updates = 0;
    sb_agent_t *agents[2];
    agents[0] = agents[1] = s_agent (broker, "both",
                                     (sb_agent_options_t){.interests = interests,
                                                          .interest_count = 1,
                                                          .context = &updates,
                                                          .queue_publications = 100000,
                                                          .dispatch_by_caller = true,
                                                          .handlers.on_update = s_count_update});
    MUST (agents[0] && sb_agent_descriptor (agents[0]) >= 0);
    MUST (sb_agent_wait_active (agents[0], PATIENCE_MS) && s_await (broker, s_has_subscribed, agents));
    MUST (atomic_load (&updates) == 0);
    s_dispatcher_t dispatcher = {.agent = agents[0]};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create (&threads[i], NULL, s_dispatch, &dispatcher);
    MUST (s_write_from_all (agents[0]) == 0);
    MUST (s_await (broker, s_has_processed_all, &agents[0]));
    atomic_store (&dispatcher.is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join (threads[i], NULL);
    struct pollfd item = {.fd = sb_agent_descriptor (agents[0]), .events = POLLIN};
    sb_agent_dispatch (agents[0], 0);
    MUST (poll (&item, 1, 0) == 0); /* nothing waits, nothing is readable */
    sb_agent_destroy (&agents[0], 1000);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

/* ------------------------------------------------------------------ a forgetful broker */

typedef struct {
    sb_fake_broker_t *broker;
    sb_agent_t *agent;
    uint64_t replacement_count; /* to wait for */
} s_pair_t;

static bool s_is_whole_again (void *context)
{
    s_pair_t *pair = context;
    return sb_fake_broker_replacement_count (pair->broker) >= pair->replacement_count;
}

static void *s_forget (void *argument)
{
    s_pair_t pair = {.broker = argument};
    for (int i = 0; i < 5; i++) {
        pair.replacement_count++;
        s_await (pair.broker, s_is_whole_again, &pair);
        sb_fake_broker_forget (pair.broker);
    }
    return NULL;
}

static bool s_pictures_are_equal (void *context)
{
    s_pair_t *pair = context;
    if (!sb_agent_wait_decided (pair->agent, 100))
        return false;
    for (int i = 0; i < THREADS; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%d", i);
        if (sb_fake_broker_field (pair->broker, name, -1) != UPDATES)
            return false;
    }
    return sb_fake_broker_field (pair->broker, "early", -1) == 1;
}

const char *sb_body_broker_forgets_while_updates_pour_in (void)
{
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    sb_agent_t *agent = s_agent (broker, "writer", (sb_agent_options_t){0});
    MUST (agent && s_set (agent, "early", 1, 0) == SB_REASON_NONE);
    MUST (sb_agent_wait_active (agent, PATIENCE_MS));
    pthread_t thread;
    pthread_create (&thread, NULL, s_forget, broker);
    unsigned failed = s_write_from_all (agent);
    pthread_join (thread, NULL);
    MUST (failed == 0);
    s_pair_t pair = {.broker = broker, .agent = agent};
    MUST (s_await (broker, s_pictures_are_equal, &pair));
    sb_agent_counts_t counts;
    sb_agent_counts (agent, &counts);
    MUST (counts.registrations >= 2 && counts.replacements >= 2);
    sb_agent_destroy (&agent, 1000);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

/* ------------------------------------------------------------------ decisions */

static void s_on_decided (sb_agent_t *agent, uint64_t through, void *context)
{
    (void)agent;
    atomic_uint_fast64_t *told = context;
    /* Each is told once, in order. */
    atomic_store (told, through > atomic_load (told) ? through : UINT64_MAX);
}

static bool s_is_told (void *context)
{
    return atomic_load ((atomic_uint_fast64_t *)context) >= UPDATES;
}

const char *sb_body_acks_are_given_to_the_application (void)
{
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    atomic_uint_fast64_t told = 0;
    sb_agent_t *agent =
        s_agent (broker, "writer", (sb_agent_options_t){.context = &told, .handlers.on_decided = s_on_decided});
    MUST (agent && sb_agent_wait_active (agent, PATIENCE_MS));
    uint64_t last = 0;
    for (int i = 0; i < UPDATES; i++) {
        sb_change_t change = sb_number ("x", i);
        sb_agent_update_t update = {.category = "status", .changes = &change, .change_count = 1};
        MUST (sb_agent_update (agent, &update, PATIENCE_MS, &last) == SB_REASON_NONE);
    }
    MUST (s_await (broker, s_is_told, &told));
    MUST (sb_agent_wait_decided (agent, PATIENCE_MS));
    sb_agent_destroy (&agent, 1000);
    MUST (atomic_load (&told) >= UPDATES && atomic_load (&told) <= last + 1);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

/* ------------------------------------------------------------------ commands */

static void *s_ask (void *argument)
{
    s_writer_t *writer = argument;
    for (int i = 0; i < 50; i++) {
        char message[64];
        sb_reason_t reason =
            sb_agent_command (writer->agent, "status", NULL, NULL, 0, "why", PATIENCE_MS, message, sizeof message);
        if (reason != SB_REASON_NONE || strcmp (message, "status") != 0)
            atomic_fetch_add (&writer->failed, 1);
    }
    return NULL;
}

const char *sb_body_commands_from_many_threads (void)
{
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    sb_agent_t *agent = s_agent (broker, "asker", (sb_agent_options_t){0});
    MUST (agent && sb_agent_wait_active (agent, PATIENCE_MS));
    s_writer_t writer = {.agent = agent};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create (&threads[i], NULL, s_ask, &writer);
    for (int i = 0; i < THREADS; i++)
        pthread_join (threads[i], NULL);
    MUST (atomic_load (&writer.failed) == 0);
    char message[200];
    MUST (sb_agent_command (agent, "pause_agent", "no.such", NULL, 0, NULL, 100, message, sizeof message) ==
          SB_REASON_UNKNOWN_AGENT);
    MUST (message[0] != 0);
    sb_agent_destroy (&agent, 0);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

/* ------------------------------------------------------------------ window, end, memory */

const char *sb_body_full_window_waits_then_says_so (void)
{
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    sb_agent_t *agent = s_agent (broker, "writer", (sb_agent_options_t){.window_updates = 4});
    MUST (agent && sb_agent_wait_active (agent, PATIENCE_MS) && sb_agent_wait_decided (agent, PATIENCE_MS));
    sb_fake_broker_hold (broker, true);
    for (int i = 0; i < 4; i++)
        MUST (s_set (agent, "x", i, 0) == SB_REASON_NONE);
    MUST (s_set (agent, "x", 5, 0) == SB_REASON_WINDOW_FULL);
    uint64_t begin_ms = s_now_ms ();
    MUST (s_set (agent, "x", 5, 100) == SB_REASON_WINDOW_FULL);
    MUST (s_now_ms () - begin_ms >= 100);
    MUST (!sb_agent_wait_decided (agent, 1));
    sb_fake_broker_hold (broker, false);
    MUST (s_set (agent, "x", 6, PATIENCE_MS) == SB_REASON_NONE); /* the next HeartbeatAck makes room */
    MUST (sb_agent_wait_decided (agent, PATIENCE_MS));
    MUST (sb_fake_broker_field (broker, "x", -1) == 6);
    sb_agent_destroy (&agent, 1000);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

const char *sb_body_destroy_while_connecting (void)
{
    sb_agent_options_t options = {.agent_id = "alone", .ingress_endpoint = "tcp://127.0.0.1:1"};
    for (int i = 0; i < 5; i++) {
        sb_agent_t *agent = sb_agent_new (&options, NULL, 0);
        MUST (agent);
        MUST (s_set (agent, "x", 1, 0) == SB_REASON_NONE); /* kept */
        MUST (!sb_agent_wait_active (agent, 20));
        MUST (sb_agent_command (agent, "status", NULL, NULL, 0, NULL, 10, NULL, 0) == SB_REASON_TIMEOUT);
        uint64_t begin_ms = s_now_ms ();
        sb_agent_destroy (&agent, PATIENCE_MS); /* nobody is there to wait for */
        MUST (s_now_ms () - begin_ms < 2000);
    }
    sb_agent_t *none = NULL;
    sb_agent_destroy (&none, 0);
    sb_agent_destroy (NULL, 0);
    return NULL;
}

static bool s_visit (const sb_publication_t *publication, void *context)
{
    double *last = context;
    double number = sb_value_number (sb_update_find (&publication->updates[0], "x"), NAN);
    bool is_in_order = isnan (number) || number > *last;
    if (!isnan (number))
        *last = number;
    return is_in_order;
}

static bool s_has_received_300 (void *context)
{
    sb_agent_counts_t counts;
    sb_agent_counts (*(sb_agent_t **)context, &counts);
    return counts.received >= 300;
}

const char *sb_body_memory_is_bounded (void)
{
    static const char *const interests[] = {"status"};
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    sb_agent_t *agents[2];
    agents[0] = agents[1] = s_agent (
        broker, "both", (sb_agent_options_t){.interests = interests, .interest_count = 1, .memory_updates = 10});
    MUST (agents[0] && sb_agent_wait_active (agents[0], PATIENCE_MS) && s_await (broker, s_has_subscribed, agents));
    for (int i = 1; i <= 300; i++)
        MUST (s_set (agents[0], "x", i, PATIENCE_MS) == SB_REASON_NONE);
    MUST (s_await (broker, s_has_received_300, &agents[0]));
    double last = 0;
    MUST (sb_agent_memory (agents[0], s_visit, &last) == 10);
    MUST (last > 290);
    sb_agent_destroy (&agents[0], 0);
    sb_fake_broker_destroy (&broker);
    return NULL;
}

static bool s_count_field (const sb_agent_field_t *field, void *context)
{
    (void)field;
    ++*(uint32_t *)context;
    return true;
}

const char *sb_body_an_empty_copy_can_be_read (void)
{
    static const char *const interests[] = {"all"};
    sb_fake_broker_t *broker = sb_fake_broker_new ();
    for (int i = 0; i < 2; i++) {
        sb_agent_t *agent =
            s_agent (broker, "a", (sb_agent_options_t){.interests = interests, .interest_count = 1, .without_copy = i});
        MUST (agent);
        sb_agent_copy_state_t state = {.fields = 7};
        uint32_t count = 0;
        sb_agent_copy_state (agent, &state);
        MUST (state.is_whole && state.fields == 0 && state.topics == 0 && state.state_hash == 0);
        MUST (sb_agent_copy_visit (agent, NULL, s_count_field, &count) == 0 && count == 0);
        MUST (isnan (sb_agent_copy_number (agent, "risk.x.", "n", NAN)));
        MUST (sb_agent_copy_number (agent, NULL, NULL, 3) == 3);
        sb_agent_destroy (&agent, 0);
    }
    sb_fake_broker_destroy (&broker);
    return NULL;
}

const char *sb_body_bad_options_are_refused (void)
{
    static const char *const bad_interests[] = {"no good"};
    static const char *const bad_publishes[] = {"_event"};
    static const char *const interests[] = {"risk", "status"};
    static const uint32_t too_often_ms[] = {0, 9}, too_seldom_ms[] = {10, 60001};
    const sb_agent_options_t rows[] = {
        {.agent_id = NULL},
        {.agent_id = "_a"},
        {.agent_id = "a.b"},
        {.agent_id = "a", .interests = bad_interests, .interest_count = 1},
        {.agent_id = "a", .publishes = bad_publishes, .publish_count = 1},
        {.agent_id = "a", .heartbeat_interval_ms = 99},
        {.agent_id = "a", .interests = interests, .interest_count = 2, .conflate_ms = too_often_ms},
        {.agent_id = "a", .interests = interests, .interest_count = 2, .conflate_ms = too_seldom_ms},
        {.agent_id = "a", .ingress_endpoint = "nonsense"},
        {.agent_id = "a", .ingress_endpoint = "udp://127.0.0.1:1"},
        {.agent_id = "a", .ingress_endpoint = "tcp://127.0.0.1:1", .publish_endpoint = "nonsense"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char error[200] = "";
        MUST (sb_agent_new (&rows[i], error, sizeof error) == NULL);
        MUST (error[0] != 0);
        MUST (i < 8 || strstr (error, "tcp://HOST:PORT"));
    }
    return NULL;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * What times to live cost: a million fields, each written once in a second of the core's clock.
 *
 *   bench_expiry   nanoseconds of a change of one field, and the share of one processor at a million changes a second,
 *                  without times to live, with 5 s, with times drawn between 2 s and an hour; then how long it takes
 *                  until all have expired
 *
 * The writes repeat the bits, so that nothing is published and the time to live is all that differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sb_core.h"
#include "sb_names.h"

enum { AGENTS = 250, DELTAS_AGENT = 40, CHANGES = 100, SECONDS = 12 };

#define FIELDS ((uint64_t)AGENTS * DELTAS_AGENT * CHANGES)

static uint64_t s_clock_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

typedef struct {
    sb_core_t *core;
    uint64_t now_ns;
    uint64_t longest_ns; /* step */
    uint64_t gone;       /* fields */
    char names[CHANGES][16];
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
    uint64_t start_ns = s_clock_ns ();
    sb_core_step (self->core, &event, &effects);
    uint64_t elapsed_ns = s_clock_ns () - start_ns;
    if (event.kind == SB_EVENT_TICK && elapsed_ns > self->longest_ns)
        self->longest_ns = elapsed_ns;
    for (uint32_t i = 0; i < effects.count; i++)
        if (effects.items[i].kind == SB_EFFECT_PUBLISH && effects.items[i].publish->cause == SB_CAUSE_EXPIRED)
            self->gone += effects.items[i].publish->updates[0].change_count;
}

static void s_message (s_bench_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 128;
    s_step (self, event);
}

static void s_start (s_bench_t *self)
{
    memset (self, 0, sizeof *self);
    self->now_ns = 1000000000;
    sb_core_config_t config;
    sb_core_config_default (&config);
    sb_core_identity_t identity = {.stream_id = 1, .epoch = 1, .hash_seed = 1, .session_seed = 1};
    sb_allocator_t allocator = {s_allocate, s_release, NULL};
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, (int64_t)self->now_ns);
    if (!self->core)
        abort ();
    for (unsigned i = 0; i < CHANGES; i++)
        snprintf (self->names[i], sizeof self->names[i], "field_%u", i);
    for (uint64_t agent = 1; agent <= AGENTS; agent++) {
        char id[16];
        snprintf (id, sizeof id, "agent%u", (unsigned)agent);
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
        message.registration = (sb_registration_t){
            .protocol = SB_PROTOCOL, .agent_id = sb_text (id), .instance_id = 1, .next_sequence = 1};
        s_message (self, agent, &message);
    }
}

/* Each field once, while a second passes. */
static void s_write_all (s_bench_t *self, uint64_t second, int kind)
{
    sb_change_t changes[CHANGES];
    for (unsigned i = 0; i < CHANGES; i++) {
        changes[i] = (sb_change_t){.name = sb_text (self->names[i])};
        changes[i].value.kind = SB_VALUE_NUMBER;
        changes[i].value.number = i;
    }
    for (uint64_t i = 0; i < (uint64_t)AGENTS * DELTAS_AGENT; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", (unsigned)(i / AGENTS));
        sb_delta_t delta = {.category = sb_text ("x"), .subject = sb_text (subject)};
        uint32_t drawn_ms = 2000 + (uint32_t)((i + second * 7) * 2654435761u % 3600000);
        delta.time_to_live_ms = kind == 0 ? 0 : kind == 1 ? 5000 : drawn_ms;
        delta.update = (sb_update_t){
            .sequence = second * DELTAS_AGENT + i / AGENTS + 1, .changes = changes, .change_count = CHANGES};
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
        s_message (self, i % AGENTS + 1, &message);
        self->now_ns += UINT64_C (1000000000) / (AGENTS * DELTAS_AGENT);
        if (i % 50 == 0)
            s_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
        for (int j = 0; j < 4 && sb_core_deadline (self->core) <= self->now_ns; j++)
            s_step (self, (sb_event_t){.kind = SB_EVENT_TICK});
    }
}

static void s_run (const char *title, int kind)
{
    static s_bench_t bench;
    s_start (&bench);
    s_write_all (&bench, 0, kind);
    bench.longest_ns = 0;
    uint64_t start_ns = s_clock_ns ();
    for (uint64_t second = 1; second <= SECONDS; second++)
        s_write_all (&bench, second, kind);
    double each_ns = (double)(s_clock_ns () - start_ns) / (double)(SECONDS * FIELDS);
    printf ("%-28s %6.1f ns a change, %5.1f %% of a processor, longest tick %6.0f us, %zu MiB\n", title, each_ns,
            each_ns / 10, (double)bench.longest_ns / 1000, sb_core_memory_bytes (bench.core) >> 20);
    if (kind == 1) {
        start_ns = s_clock_ns ();
        for (bench.now_ns += UINT64_C (6000000000), bench.longest_ns = 0; bench.gone < FIELDS;)
            s_step (&bench, (sb_event_t){.kind = SB_EVENT_TICK});
        printf ("%-28s %6.1f ns a field, longest tick %6.0f us\n", "all of them expire",
                (double)(s_clock_ns () - start_ns) / (double)FIELDS, (double)bench.longest_ns / 1000);
    }
    sb_core_destroy (&bench.core);
}

int main (void)
{
    s_run ("no times to live", 0);
    s_run ("5 s", 1);
    s_run ("2 s to an hour", 2);
    return 0;
}

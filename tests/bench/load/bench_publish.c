/* SPDX-License-Identifier: MPL-2.0
 *
 * A publisher process: probes until told to go, then updates, flat out or at a pace. Updates go to the publishers in
 * turn, a batch each.
 *
 * At a pace, update k is due at start + k / rate, and that is the time it carries, whenever it really leaves: a system
 * that holds the sender up for a while is charged for every update that should have left meanwhile (no coordinated
 * omission). What is due goes out at once, as many as are due and at most a batch; a batch is never waited for. Flat
 * out, an update carries the time at which its batch was made.
 */
#define _GNU_SOURCE
#include "bench_load.h"
#include "bench_payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PROBE_NS = 20 * 1000 * 1000,
    SERVICE_NS = 1000 * 1000, /* the longest sleep without a look at what came */
    CLOCK_EVERY = 64          /* batches between looks at the clock, flat out */
};

typedef struct {
    const bench_driver_t *driver;
    const bench_load_t *load;
    void *driver_self;
    uint64_t *numbers; /* last one sent, for each publisher */
    uint8_t *payloads;
    uint64_t sent;   /* updates, over all publishers */
    uint64_t probes; /* likewise */
    uint32_t turn;   /* publisher whose turn it is */
    uint64_t start_ns;
    uint64_t behind_ns; /* the furthest that a paced run fell behind its own plan */
} s_run_t;

static void s_sleep_until (uint64_t until_ns)
{
    const struct timespec when = {.tv_sec = (time_t)(until_ns / UINT64_C (1000000000)),
                                  .tv_nsec = (long)(until_ns % UINT64_C (1000000000))};
    clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static void s_service (s_run_t *self)
{
    if (self->driver->service)
        self->driver->service (self->driver_self);
}

/* ---------------------------------------------------------------- probes */

static void s_send_probes (s_run_t *self)
{
    const bench_options_t *options = &self->load->options;
    for (uint32_t publisher = 0; publisher < options->count; publisher++) {
        const bench_payload_t payload = {.number = 0, .sent_ns = bench_clock_ns (), .publisher = publisher};
        bench_payload_write (self->payloads, options->size, &payload);
        self->driver->publish (self->driver_self, publisher, 0, self->payloads, 1);
        self->probes++;
    }
}

/* Sends a probe from each publisher now and then until it is time to start. */
static void s_probe (s_run_t *self)
{
    char line[64];
    const uint64_t end_ns = bench_clock_ns () + self->load->probe_ms * UINT64_C (1000000);
    printf ("{\"connected\": true}\n");
    for (;;) {
        s_send_probes (self);
        const uint64_t next_ns = bench_clock_ns () + PROBE_NS;
        while (bench_clock_ns () < next_ns) {
            s_service (self);
            s_sleep_until (bench_clock_ns () + SERVICE_NS);
        }
        if (self->load->probe_ms ? next_ns >= end_ns : bench_read_line (line, sizeof line) && strcmp (line, "go") == 0)
            return;
    }
}

/* ---------------------------------------------------------------- updates */

/* Sends `count` updates of the publisher whose turn it is; update i of them is due at first_ns + i * step_ns. */
static void s_send (s_run_t *self, uint32_t count, uint64_t first_ns, double step_ns)
{
    const bench_options_t *options = &self->load->options;
    const uint64_t first = self->numbers[self->turn] + 1;
    for (uint32_t i = 0; i < count; i++) {
        const bench_payload_t payload = {
            .number = first + i, .sent_ns = first_ns + (uint64_t)(i * step_ns), .publisher = self->turn};
        bench_payload_write (self->payloads + (size_t)i * options->size, options->size, &payload);
    }
    self->driver->publish (self->driver_self, self->turn, first, self->payloads, count);
    self->numbers[self->turn] += count;
    self->sent += count;
    self->turn = self->turn + 1 < options->count ? self->turn + 1 : 0;
}

static uint32_t s_least (uint64_t left, uint64_t right)
{
    return (uint32_t)(left < right ? left : right);
}

static void s_send_flat_out (s_run_t *self, uint64_t total, uint64_t end_ns)
{
    for (uint64_t batches = 0; self->sent < total; batches++) {
        const uint64_t now_ns = bench_clock_ns ();
        if (now_ns >= end_ns)
            return;
        if (batches % CLOCK_EVERY == 0)
            s_service (self);
        s_send (self, s_least (total - self->sent, self->load->options.batch), now_ns, 0);
    }
}

static void s_send_paced (s_run_t *self, uint64_t total, uint64_t end_ns)
{
    const double step_ns = 1e9 / self->load->rate;
    while (self->sent < total) {
        const uint64_t due_ns = self->start_ns + (uint64_t)((double)self->sent * step_ns);
        uint64_t now_ns = bench_clock_ns ();
        if (due_ns >= end_ns)
            return;
        s_service (self);
        while (now_ns < due_ns) {
            s_sleep_until (due_ns < now_ns + SERVICE_NS ? due_ns : now_ns + SERVICE_NS);
            s_service (self);
            now_ns = bench_clock_ns ();
        }
        if (now_ns - due_ns > self->behind_ns)
            self->behind_ns = now_ns - due_ns;
        const uint64_t due = (uint64_t)((double)(now_ns - due_ns) / step_ns) + 1;
        s_send (self, s_least (due, s_least (total - self->sent, self->load->options.batch)), due_ns, step_ns);
    }
}

/* ---------------------------------------------------------------- */

static void s_print (const s_run_t *self, double seconds, double cpu_seconds, bool is_finished)
{
    bench_published_t counts = {0};
    self->driver->published (self->driver_self, &counts);
    printf ("{\"role\": \"publish\", \"driver\": \"%s\", \"updates\": %" PRIu64 ", \"probes\": %" PRIu64
            ", \"seconds\": %.6f, \"rate\": %.1f, \"cpu_seconds\": %.4f, \"behind_ns\": %" PRIu64
            ", \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
            ", \"finished\": %s, \"published\": [",
            self->driver->name, self->sent, self->probes, seconds, seconds > 0 ? (double)self->sent / seconds : 0,
            cpu_seconds, self->behind_ns, counts.messages, counts.bytes, counts.accepted, counts.refused,
            is_finished ? "true" : "false");
    for (uint32_t i = 0; i < self->load->options.count; i++)
        printf ("%s%" PRIu64, i ? ", " : "", self->numbers[i]);
    printf ("]}\n");
}

/* With `go` on standard input, waits for `end` there: the agents of a publisher that has gone are others than those of
 * one that is there, and whoever started it may want to look. */
static void s_wait_for_end (const bench_load_t *load)
{
    char line[64];
    while (!load->probe_ms && !(bench_read_line (line, sizeof line) && strcmp (line, "end") == 0))
        s_sleep_until (bench_clock_ns () + SERVICE_NS);
}

int bench_publish (const bench_driver_t *driver, const bench_load_t *load)
{
    const bench_options_t *options = &load->options;
    s_run_t run = {.driver = driver, .load = load};
    run.numbers = calloc (options->count, sizeof *run.numbers);
    run.payloads = malloc ((size_t)options->size * options->batch);
    if (!run.numbers || !run.payloads)
        bench_fail ("no memory");
    run.driver_self = driver->publish_open (options);
    s_probe (&run);
    const double cpu_seconds = bench_cpu_seconds ();
    run.start_ns = bench_clock_ns ();
    const uint64_t total = load->updates ? load->updates : UINT64_MAX;
    const uint64_t end_ns = load->seconds ? run.start_ns + load->seconds * UINT64_C (1000000000) : UINT64_MAX;
    if (load->rate)
        s_send_paced (&run, total, end_ns);
    else
        s_send_flat_out (&run, total, end_ns);
    const double seconds = (double)(bench_clock_ns () - run.start_ns) / 1e9;
    const bool is_finished = driver->finish (run.driver_self, (int)load->quiet_ms);
    s_print (&run, seconds, bench_cpu_seconds () - cpu_seconds, is_finished);
    s_wait_for_end (load);
    driver->publish_close (&run.driver_self);
    free (run.numbers);
    free (run.payloads);
    return 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The basic bus and SyncBus at the same work: the same ticks at the same pace, the same agents, the same codec.
 *
 * Mode full is the basic bus: each update carries all that its agent has published so far, to all agents. It runs on
 * bench_echo --only-forward, a ROUTER to PUB without acks or beats, the cheapest that such a bus can be, and on
 * syncbusd as well (in an event category, where every field of an update is published). Mode deltas is SyncBus as it is
 * meant: the fields that changed, in ten categories of which each agent reads two (--reads-all 1: all), with acks and
 * beats. Latency counts from when an update was due.
 *
 * Sending and reading ends of the agents live in processes of their own, so that a late reader does not hold up the
 * pace. The first ticks fill the state; octets are counted from when these were read until the last update was.
 *
 * Prints one line of JSON; what was lost is counted there. Fails when an update is neither read nor lost, or undecided;
 * when the fields that were read are not those that were sent, by number and content (where nothing was lost, which it
 * must not be with deltas); and when syncbusd has not accepted, merged and published just what was sent.
 */
#define _GNU_SOURCE
#include "basic.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_NS = 10 * 1000 * 1000, PATIENCE_S = 60, QUIET_S = 3 };

typedef struct {
    basic_options_t options;
    basic_recording_t recording;
    basic_shared_t *shared;
    pid_t children[BASIC_PROCESSES_MAX + 1];
    uint32_t child_count;
} s_bench_t;

typedef struct {
    uint64_t sent;
    uint64_t updates; /* received, and so many samples */
    uint64_t fields;
} s_begin_t;

bool basic_reads (const basic_options_t *options, uint64_t reader, uint64_t writer)
{
    const uint64_t away = (writer + BASIC_CATEGORIES - reader % BASIC_CATEGORIES) % BASIC_CATEGORIES;
    return options->is_full || options->reads_all || (away > 0 && away <= BASIC_READS);
}

uint64_t basic_categories (const basic_options_t *options)
{
    return options->is_full ? 1 : BASIC_CATEGORIES;
}

sb_text_t basic_category (const basic_options_t *options, uint64_t agent, char *text)
{
    if (options->is_full)
        return sb_text ("trades"); /* an event category by default */
    snprintf (text, SCALE_TEXT, "desk_%lu", (unsigned long)(agent % BASIC_CATEGORIES));
    return sb_text (text);
}

/* ---------------------------------------------------------------- progress */

static uint64_t s_sum (const s_bench_t *self, size_t offset)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < self->options.processes; i++)
        sum += *(const _Atomic uint64_t *)((const char *)&self->shared->counts[i] + offset);
    return sum;
}
#define SUM(self, member) s_sum (self, offsetof (basic_counts_t, member))

static bool s_hears (const s_bench_t *self)
{
    return self->shared->is_ready && SUM (self, joined) == self->options.agents;
}

static bool s_has_noted (const s_bench_t *self)
{
    bool has_noted = self->shared->noted >= self->shared->border;
    for (uint64_t i = 0; i < self->options.processes; i++)
        has_noted = has_noted && self->shared->counts[i].noted >= self->shared->border;
    return has_noted;
}

static void s_wait_for (const s_bench_t *self, bool (*condition) (const s_bench_t *), const char *what)
{
    const uint64_t end_ns = scale_now_ns () + PATIENCE_S * UINT64_C (1000000000);
    while (!condition (self)) {
        if (scale_now_ns () > end_ns)
            scale_fail ("not within %d s: %s", PATIENCE_S, what);
        scale_sleep_until (scale_now_ns () + LOOK_NS);
    }
}

/* Deliveries that there should be of so many updates: each writer has as many readers as any other. */
static uint64_t s_deliveries (const s_bench_t *self, uint64_t updates)
{
    uint64_t readers = 0;
    for (uint64_t i = 0; i < self->options.agents; i++)
        readers += basic_reads (&self->options, i, 0);
    return updates * readers;
}

static bool s_is_filled (const s_bench_t *self)
{
    return self->shared->is_filled && SUM (self, updates) == s_deliveries (self, self->shared->sent);
}

/* Until everything was read and decided, or nothing has come for a while. Time of the last arrival. */
static uint64_t s_await_end (const s_bench_t *self)
{
    uint64_t updates = 0, last_ns = scale_now_ns ();
    for (;;) {
        const uint64_t now_ns = scale_now_ns (), read = SUM (self, updates);
        const bool is_decided = self->options.is_bare || self->shared->decided == self->shared->sent;
        if (read != updates || !self->shared->is_sent)
            last_ns = now_ns;
        updates = read;
        if (self->shared->is_sent && is_decided && read == s_deliveries (self, self->shared->sent))
            return now_ns;
        if (now_ns - last_ns > QUIET_S * UINT64_C (1000000000))
            return last_ns;
        scale_sleep_until (now_ns + LOOK_NS);
    }
}

/* ---------------------------------------------------------------- result */

/* Everything sent, from the first tick on, was accepted, merged, published, counted and read. */
static void s_check (const s_bench_t *self)
{
    const basic_shared_t *shared = self->shared;
    const uint64_t wanted = s_deliveries (self, shared->sent), read = SUM (self, updates);
    const uint64_t fields = s_deliveries (self, shared->fields), content = s_deliveries (self, shared->content);
    if (!self->options.is_bare && (shared->decided != shared->sent || shared->refused))
        scale_fail ("of %lu updates %lu are decided, %lu refused", (unsigned long)shared->sent,
                    (unsigned long)shared->decided, (unsigned long)shared->refused);
    if (read > wanted || (read < wanted && !self->options.is_full))
        scale_fail ("of %lu updates %lu were read", (unsigned long)wanted, (unsigned long)read);
    if (read == wanted && SUM (self, fields) != fields)
        scale_fail ("the updates had %lu fields, and %lu were read", (unsigned long)fields,
                    (unsigned long)SUM (self, fields));
    if (read == wanted && SUM (self, content) != content)
        scale_fail ("the fields that were read have not the values that were sent");
    if (!self->options.is_bare)
        basic_check_broker (&self->options, shared, read == wanted);
}

/* `begin` holds what the counts were when the measurement began. */
static void s_print (s_bench_t *self, const s_begin_t *begin, uint64_t window_ns, uint64_t cpu_ns)
{
    const basic_shared_t *shared = self->shared;
    const uint64_t sent = shared->sent - begin->sent, expected = s_deliveries (self, sent);
    const uint64_t received = SUM (self, updates) - begin->updates, count = shared->sample_count - begin->updates;
    uint64_t *samples = self->shared->samples + begin->updates;
    uint64_t up = shared->after.sent - shared->before.sent, down = shared->after.received - shared->before.received;
    for (uint64_t i = 0; i < self->options.processes; i++) {
        up += shared->counts[i].after.sent - shared->counts[i].before.sent;
        down += shared->counts[i].after.received - shared->counts[i].before.received;
    }
    printf ("{\"system\": \"%s\", \"mode\": \"%s\", \"agents\": %lu, \"speed\": %lu, \"ticks\": %lu, \"updates\": %lu, "
            "\"window_ns\": %lu, \"expected\": %lu, \"received\": %lu, \"lost\": %lu, \"fields\": %lu, ",
            self->options.system, self->options.mode, (unsigned long)self->options.agents,
            (unsigned long)self->options.speed, (unsigned long)(self->recording.count - self->options.before),
            (unsigned long)sent, (unsigned long)window_ns, (unsigned long)expected, (unsigned long)received,
            (unsigned long)(expected - received), (unsigned long)(SUM (self, fields) - begin->fields));
    printf ("\"bytes_up\": %lu, \"bytes_down\": %lu, \"cpu_ns_per_update\": %.0f, \"late_p50_ns\": %lu, "
            "\"late_p99_ns\": %lu, \"late_max_ns\": %lu, ",
            (unsigned long)up, (unsigned long)down, (double)cpu_ns / (double)sent, (unsigned long)shared->late_p50_ns,
            (unsigned long)shared->late_p99_ns, (unsigned long)shared->late_max_ns);
    printf ("\"latency_p50_ns\": %lu, \"latency_p99_ns\": %lu, \"latency_max_ns\": %lu}\n",
            (unsigned long)scale_quantile (samples, count, 500), (unsigned long)scale_quantile (samples, count, 990),
            (unsigned long)scale_quantile (samples, count, 1000));
}

/* ---------------------------------------------------------------- the program */

static void s_read_arguments (s_bench_t *self, int argument_count, char **arguments)
{
    basic_options_t *o = &self->options;
    *o = (basic_options_t){.system = "syncbus", .mode = "deltas", .agents = 20, .processes = 4, .speed = 1};
    const scale_option_t options[] = {
        {"system", &o->system, NULL, "syncbus, or bare: what listens there"},
        {"mode", &o->mode, NULL, "deltas, or full: what an update carries"},
        {"ingress", &o->ingress, NULL, "the server's endpoints"},
        {"publish", &o->publish, NULL, ""},
        {"command", &o->command, NULL, "of syncbusd; its counts are held against what was sent"},
        {"pid", NULL, &o->pid, "of the server"},
        {"ticks", &o->ticks, NULL, "a file that bench_basic_ticks.py made"},
        {"agents", NULL, &o->agents, "a multiple of 10"},
        {"processes", NULL, &o->processes, "that the readers are spread over"},
        {"speed", NULL, &o->speed, "times as fast as recorded"},
        {"reads-all", NULL, &o->reads_all, "1: each agent reads all categories, not two of ten"},
        {"before", NULL, &o->before, "ticks that are published before the measurement begins"},
    };
    scale_read_options (argument_count, arguments, options, sizeof options / sizeof options[0]);
    o->is_bare = strcmp (o->system, "bare") == 0;
    o->is_full = strcmp (o->mode, "full") == 0;
    if (!o->ingress || !o->publish || !o->ticks || !o->pid || !(o->command || o->is_bare))
        scale_fail ("--ingress, --publish, --command, --pid and --ticks are needed");
    if (!o->agents || o->agents > BASIC_AGENTS_MAX || o->agents % BASIC_CATEGORIES || !o->processes ||
        o->processes > BASIC_PROCESSES_MAX || !o->speed || (o->is_bare && !o->is_full))
        scale_fail ("these options do not fit together");
}

static void s_start (s_bench_t *self)
{
    const basic_options_t *options = &self->options;
    for (uint64_t i = 0; i < options->processes; i++)
        if ((self->children[self->child_count++] = scale_fork ()) == 0) {
            basic_run_readers (options, self->shared, i, options->agents * i / options->processes,
                               options->agents * (i + 1) / options->processes);
            _exit (0);
        }
    if ((self->children[self->child_count++] = scale_fork ()) == 0) {
        basic_run_sender (options, &self->recording, self->shared);
        _exit (0);
    }
}

int main (int argument_count, char **arguments)
{
    static s_bench_t self;
    s_read_arguments (&self, argument_count, arguments);
    basic_read_ticks (&self.recording, self.options.ticks);
    if (self.options.before >= self.recording.count)
        scale_fail ("there are not more ticks than --before");
    self.shared =
        scale_share (sizeof *self.shared + self.recording.count * self.options.agents * sizeof self.shared->samples[0]);
    s_start (&self);
    s_wait_for (&self, s_hears, "all agents hear");
    self.shared->border = BASIC_FILLING;
    s_wait_for (&self, s_is_filled, "the first ticks are read");
    const s_begin_t begin = {.sent = self.shared->sent, .updates = SUM (&self, updates), .fields = SUM (&self, fields)};
    self.shared->border = BASIC_MEASURING;
    s_wait_for (&self, s_has_noted, "octets are noted");
    const uint64_t begin_ns = scale_now_ns (), cpu_ns = scale_process (self.options.pid).cpu_ns;
    const uint64_t end_ns = s_await_end (&self);
    const uint64_t used_ns = scale_process (self.options.pid).cpu_ns - cpu_ns;
    self.shared->border = BASIC_MEASURED;
    s_wait_for (&self, s_has_noted, "octets are noted");
    s_check (&self);
    s_print (&self, &begin, end_ns - begin_ns, used_ns);
    self.shared->is_over = true;
    for (uint32_t i = 0; i < self.child_count; i++)
        scale_join (self.children[i]);
    free (self.recording.ticks);
    return 0;
}

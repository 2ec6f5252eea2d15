/* SPDX-License-Identifier: MPL-2.0
 *
 * Thousands of agents: what they cost a server in memory, per beat and per delta.
 *
 * The parent starts load processes, leads them through the phases of fleet.h, and reads the server's figures from
 * /proc at their borders. With --system bare the same peers say the same to bench_echo, which sends everything back:
 * what is left is the transport. Beats are measured while nothing else goes on; deltas flat out by the writers, within
 * a window, while all agents beat. Subscribers are awaited, so that none is ever dropped to.
 *
 * Beats and deltas share the server's CPU: C = d * deltas + b * beats. With --pairs N the deltas are written twice, in
 * N parts, each under many beats and then under few, all flat out. Each pair gives both prices; their median counts, so
 * that neither a machine that drifts nor a disturbed moment decides. Rejected: to take out the beats at their price in
 * the quiet time, when each wakes two threads, as that flatters the deltas; two rates of deltas, since at half the rate
 * the server sleeps and wakes more often and a delta costs up to twice as much.
 *
 * Prints one line of JSON; fails when an answer, an update or an agent is missing.
 */
#define _GNU_SOURCE
#include "fleet.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 120, LOOK_NS = 2 * 1000 * 1000 };

typedef struct {
    fleet_options_t options;
    fleet_shared_t *shared;
    pid_t children[FLEET_PROCESSES_MAX + 1];
    uint32_t child_count;
    void *context;
    void *request; /* REQ; NULL at a bare server */
    scale_wire_t wire;
} s_bench_t;

/* A time in which deltas were written, and what it cost the server. */
typedef struct {
    uint64_t deltas;
    uint64_t time_ns;
    uint64_t beats; /* sent meanwhile */
    uint64_t cpu_ns;
} s_window_t;

/* What is reported besides the counts. */
typedef struct {
    scale_process_t before_beats, after_beats;
    uint64_t beats, beats_ns;       /* answered in the first window */
    s_window_t many, few;           /* all windows with many beats meanwhile, and with few */
    double own_ns[FLEET_PAIRS_MAX]; /* a delta's own cost, by each pair */
    fleet_status_t quiet;           /* after the beats */
    fleet_status_t end;             /* when all is decided and read */
} s_figures_t;

bool fleet_is_reader (const fleet_options_t *options, uint64_t agent)
{
    return agent + options->readers >= options->agents;
}

bool fleet_is_sparse (const fleet_options_t *options, int phase)
{
    return options->pairs == 0 || (phase >= FLEET_WRITE && phase < FLEET_QUIET && (phase - FLEET_WRITE) % 2 == 1);
}

uint64_t fleet_window_deltas (const fleet_options_t *options)
{
    return options->deltas / (options->pairs ? options->pairs : 1);
}

bool fleet_is_bare (const fleet_options_t *options)
{
    return strcmp (options->system, "bare") == 0;
}

sb_text_t fleet_category (const fleet_options_t *options, uint64_t number, char *text)
{
    snprintf (text, SCALE_TEXT, "c%lu", (unsigned long)(number % options->categories));
    return sb_text (text);
}

/* ---------------------------------------------------------------- phases */

#define SUM(self, member) fleet_sum (&(self)->options, (self)->shared, offsetof (fleet_counts_t, member))

static bool s_is_connected (const s_bench_t *self)
{
    const uint64_t joined = fleet_is_bare (&self->options) ? 0 : self->options.readers;
    return SUM (self, registered) == self->options.agents && SUM (self, joined) == joined &&
           self->shared->subscribed == self->options.subscribers;
}

static bool s_is_published (const s_bench_t *self)
{
    return SUM (self, published) == self->options.agents;
}

static bool s_has_written (const s_bench_t *self)
{
    return self->shared->counts[0].done_phase >= self->shared->phase;
}

static bool s_is_quiet (const s_bench_t *self)
{
    for (uint64_t i = 0; i < self->options.processes; i++)
        if (self->shared->counts[i].done_phase < FLEET_QUIET)
            return false;
    return true;
}

/* Goes to a phase, and waits until `is_over`. */
static void s_phase (const s_bench_t *self, int phase, bool (*is_over) (const s_bench_t *), const char *what)
{
    const uint64_t end_ns = scale_now_ns () + PATIENCE_S * UINT64_C (1000000000);
    self->shared->phase = phase;
    while (!is_over (self)) {
        if (scale_now_ns () > end_ns)
            scale_fail ("not within %d s: %s (registered %lu, joined %lu, published %lu, beats %lu, answered %lu, "
                        "deltas %lu, accepted %lu)",
                        PATIENCE_S, what, (unsigned long)SUM (self, registered), (unsigned long)SUM (self, joined),
                        (unsigned long)SUM (self, published), (unsigned long)SUM (self, beats),
                        (unsigned long)SUM (self, beats_answered), (unsigned long)SUM (self, deltas),
                        (unsigned long)SUM (self, deltas_accepted));
        scale_sleep_until (scale_now_ns () + LOOK_NS);
    }
}

static void s_measure_beats (s_bench_t *self, s_figures_t *figures)
{
    self->shared->phase = FLEET_BEAT;
    scale_sleep_until (scale_now_ns () + UINT64_C (1000000) * self->options.interval_ms);
    figures->before_beats = scale_process (self->options.pid);
    figures->beats = SUM (self, beats_answered);
    figures->beats_ns = scale_now_ns ();
    scale_sleep_until (figures->beats_ns + UINT64_C (1000000000) * self->options.beat_s);
    figures->after_beats = scale_process (self->options.pid);
    figures->beats = SUM (self, beats_answered) - figures->beats;
    figures->beats_ns = scale_now_ns () - figures->beats_ns;
}

static double s_each (uint64_t sum, uint64_t count)
{
    return count ? (double)sum / (double)count : 0;
}

/* A window of deltas; adds it to *sum. */
static s_window_t s_measure_window (s_bench_t *self, int phase, s_window_t *sum)
{
    const uint64_t cpu_ns = scale_process (self->options.pid).cpu_ns;
    const uint64_t beats = SUM (self, beats); /* an answer is read one lap later */
    const uint64_t begin_ns = scale_now_ns ();
    s_phase (self, phase, s_has_written, "the writers' deltas");
    const s_window_t window = {.deltas = fleet_window_deltas (&self->options),
                               .cpu_ns = scale_process (self->options.pid).cpu_ns - cpu_ns,
                               .beats = SUM (self, beats) - beats,
                               .time_ns = scale_now_ns () - begin_ns};
    sum->deltas += window.deltas;
    sum->cpu_ns += window.cpu_ns;
    sum->beats += window.beats;
    sum->time_ns += window.time_ns;
    return window;
}

/* What a delta costs without the beats, ns: d of C = d * deltas + b * beats, from two windows. */
static double s_own_cost (const s_window_t *many, const s_window_t *few)
{
    const double many_beats = (double)many->beats / (double)many->deltas;
    const double few_beats = (double)few->beats / (double)few->deltas;
    const double many_ns = s_each (many->cpu_ns, many->deltas), few_ns = s_each (few->cpu_ns, few->deltas);
    if (many_beats < 2 * few_beats || many->beats == 0)
        return few_ns; /* hardly any beats */
    return few_ns - (many_ns - few_ns) / (many_beats - few_beats) * few_beats;
}

static void s_measure_deltas (s_bench_t *self, s_figures_t *figures)
{
    const int pairs = (int)self->options.pairs;
    s_phase (self, FLEET_WARM, s_has_written, "the writers' first deltas");
    if (pairs == 0)
        s_measure_window (self, FLEET_WRITE, &figures->many);
    for (int i = 0; i < pairs; i++) {
        const s_window_t many = s_measure_window (self, FLEET_WRITE + 2 * i, &figures->many);
        const s_window_t few = s_measure_window (self, FLEET_WRITE + 2 * i + 1, &figures->few);
        figures->own_ns[i] = s_own_cost (&many, &few);
    }
}

static int s_compare (const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median of the pairs; 0 of none. */
static double s_median_own_cost (const s_bench_t *self, const s_figures_t *figures)
{
    double sorted[FLEET_PAIRS_MAX] = {0};
    const uint64_t count = self->options.pairs;
    memcpy (sorted, figures->own_ns, count * sizeof sorted[0]);
    qsort (sorted, count, sizeof sorted[0], s_compare);
    return count % 2 ? sorted[count / 2] : count ? (sorted[count / 2 - 1] + sorted[count / 2]) / 2 : 0;
}

/* ---------------------------------------------------------------- result */

static void s_check (const s_bench_t *self, const s_figures_t *figures)
{
    const fleet_options_t *options = &self->options;
    if (SUM (self, beats) != SUM (self, beats_answered) || SUM (self, deltas) != SUM (self, deltas_accepted))
        scale_fail ("answers are missing: beats %lu, answered %lu, deltas %lu, accepted %lu",
                    (unsigned long)SUM (self, beats), (unsigned long)SUM (self, beats_answered),
                    (unsigned long)SUM (self, deltas), (unsigned long)SUM (self, deltas_accepted));
    if (!fleet_is_bare (options))
        fleet_check_broker (options, self->shared, &figures->end);
}

static void s_print (const s_bench_t *self, const s_figures_t *figures)
{
    const fleet_options_t *options = &self->options;
    const uint64_t beats_cpu_ns = figures->after_beats.cpu_ns - figures->before_beats.cpu_ns;
    const s_window_t *many = &figures->many, *few = &figures->few;
    const double beat_ns = s_each (beats_cpu_ns, figures->beats);
    printf ("{\"system\": \"%s\", \"agents\": %lu, \"readers\": %lu, \"fields_each\": %lu, \"writers\": %lu, "
            "\"categories\": %lu, \"subscribers\": %lu, ",
            options->system, (unsigned long)options->agents, (unsigned long)options->readers,
            (unsigned long)options->fields, (unsigned long)options->writers, (unsigned long)options->categories,
            (unsigned long)options->subscribers);
    printf ("\"beats\": %lu, \"beats_answered\": %lu, \"beats_measured\": %lu, \"beats_window_ns\": %lu, "
            "\"cpu_ns_per_beat\": %.0f, ",
            (unsigned long)SUM (self, beats), (unsigned long)SUM (self, beats_answered), (unsigned long)figures->beats,
            (unsigned long)figures->beats_ns, beat_ns);
    printf ("\"resident_bytes\": %lu, \"peak_bytes\": %lu, \"core_bytes\": %lu, \"fields\": %lu, ",
            (unsigned long)figures->after_beats.resident_bytes, (unsigned long)figures->after_beats.peak_bytes,
            (unsigned long)figures->quiet.memory_bytes, (unsigned long)figures->end.fields);
    printf ("\"deltas\": %lu, \"deltas_accepted\": %lu, \"deltas_measured\": %lu, \"deltas_window_ns\": %lu, "
            "\"cpu_ns_per_delta\": %.0f, \"beats_meanwhile\": %lu, ",
            (unsigned long)SUM (self, deltas), (unsigned long)SUM (self, deltas_accepted), (unsigned long)many->deltas,
            (unsigned long)many->time_ns, s_each (many->cpu_ns, many->deltas), (unsigned long)many->beats);
    printf (
        "\"sparse_window_ns\": %lu, \"sparse_cpu_ns_per_delta\": %.0f, \"sparse_beats\": %lu, \"own_ns_per_delta\": "
        "%.0f, ",
        (unsigned long)few->time_ns, s_each (few->cpu_ns, few->deltas), (unsigned long)few->beats,
        s_median_own_cost (self, figures));
    printf ("\"written\": %lu, \"publications\": %lu, ", (unsigned long)fleet_written (options, self->shared),
            (unsigned long)figures->end.heads);
    printf ("\"updates_read\": %lu, \"live\": %lu, \"suspect\": %lu, \"dead\": %lu, \"mistaken_suspects\": %lu, "
            "\"late_laps\": %lu}\n",
            (unsigned long)SUM (self, updates), (unsigned long)figures->end.agents_live,
            (unsigned long)figures->end.agents_suspect, (unsigned long)figures->end.agents_dead,
            (unsigned long)figures->end.mistaken_suspects, (unsigned long)SUM (self, late_laps));
}

/* ---------------------------------------------------------------- the program */

static void s_read (s_bench_t *self, int argument_count, char **arguments)
{
    fleet_options_t *o = &self->options;
    *o = (fleet_options_t){.system = "syncbus",
                           .agents = 10000,
                           .readers = 1000,
                           .fields = 10,
                           .processes = 10,
                           .interval_ms = 1000,
                           .beat_laps = 1,
                           .beat_s = 10,
                           .writers = 10,
                           .categories = 1,
                           .window = 512,
                           .burst = 16,
                           .ahead = 500,
                           .connects_per_s = 2000};
    const scale_option_t options[] = {
        {"system", &o->system, NULL, "syncbus, or bare: what listens there"},
        {"ingress", &o->ingress, NULL, "the server's endpoints"},
        {"publish", &o->publish, NULL, ""},
        {"command", &o->command, NULL, ""},
        {"pid", NULL, &o->pid, "of the server"},
        {"agents", NULL, &o->agents, "with a DEALER each"},
        {"readers", NULL, &o->readers, "of them, the last ones, with a SUB too"},
        {"fields", NULL, &o->fields, "of each agent"},
        {"field-octets", NULL, &o->field_octets, "of each field's value; 0: a number"},
        {"processes", NULL, &o->processes, "that the agents are spread over"},
        {"interval-ms", NULL, &o->interval_ms, "of a lap through the agents"},
        {"beat-laps", NULL, &o->beat_laps, "laps from one beat of an agent to its next"},
        {"beat-s", NULL, &o->beat_s, "that beats alone are measured"},
        {"writers", NULL, &o->writers, "agents that write"},
        {"deltas", NULL, &o->deltas, "that they write, measured; a quarter as many before"},
        {"pairs", NULL, &o->pairs, "parts of the deltas, each written with beats every lap and again with beat-laps"},
        {"categories", NULL, &o->categories, "that they write in turn"},
        {"subscribers", NULL, &o->subscribers, "that read all that they write"},
        {"window", NULL, &o->window, "deltas that a writer may have undecided"},
        {"burst", NULL, &o->burst, "deltas that a writer writes when it has its turn"},
        {"ahead", NULL, &o->ahead, "updates that a subscriber may be behind; below the server's queue for it"},
        {"connects-per-s", NULL, &o->connects_per_s, "while the fleet comes"},
    };
    scale_read_options (argument_count, arguments, options, sizeof options / sizeof options[0]);
    const bool is_bare = fleet_is_bare (o);
    if (!o->ingress || !o->publish || !o->pid || (!is_bare && !o->command))
        scale_fail ("--ingress, --publish, --pid and, but for a bare server, --command are needed");
    if (o->processes == 0 || o->processes > FLEET_PROCESSES_MAX || o->agents < o->processes || o->interval_ms == 0 ||
        o->beat_laps == 0 || !o->writers || o->writers > o->agents / o->processes || o->readers > o->agents ||
        !o->categories || !o->connects_per_s || !o->burst || !o->window || !o->ahead || o->subscribers > 1000 ||
        o->field_octets > 128 || !o->fields || o->pairs > FLEET_PAIRS_MAX || (o->deltas && o->deltas < o->pairs))
        scale_fail ("these numbers do not fit together");
    if (is_bare && (o->deltas || o->subscribers))
        scale_fail ("a bare server has no deltas and publishes nothing");
}

static void s_start (s_bench_t *self)
{
    const fleet_options_t *options = &self->options;
    for (uint64_t i = 0; i < options->processes; i++) {
        const fleet_part_t part = {.options = options,
                                   .shared = self->shared,
                                   .counts = &self->shared->counts[i],
                                   .first = options->agents * i / options->processes,
                                   .end = options->agents * (i + 1) / options->processes};
        if ((self->children[self->child_count++] = scale_fork ()) == 0) {
            fleet_run_agents (&part);
            _exit (0);
        }
    }
    if (options->subscribers && (self->children[self->child_count++] = scale_fork ()) == 0) {
        fleet_run_subscribers (options, self->shared);
        _exit (0);
    }
}

int main (int argument_count, char **arguments)
{
    s_bench_t self = {0};
    s_figures_t figures = {0};
    s_read (&self, argument_count, arguments);
    self.shared = scale_share (sizeof *self.shared);
    s_start (&self);
    scale_wire_open (&self.wire);
    self.context = scale_context (1);
    if (!fleet_is_bare (&self.options))
        self.request = scale_socket (self.context, ZMQ_REQ, self.options.command);
    s_phase (&self, FLEET_CONNECT, s_is_connected, "everybody is registered");
    s_phase (&self, FLEET_PUBLISH, s_is_published, "everybody's state is decided");
    s_measure_beats (&self, &figures);
    if (self.request)
        fleet_ask (&self.wire, self.request, &figures.quiet);
    if (self.options.deltas)
        s_measure_deltas (&self, &figures);
    if (self.request)
        fleet_ask (&self.wire, self.request, &figures.end);
    s_phase (&self, FLEET_QUIET, s_is_quiet, "the last answers");
    s_check (&self, &figures);
    s_print (&self, &figures);
    self.shared->phase = FLEET_END;
    for (uint32_t i = 0; i < self.child_count; i++)
        scale_join (self.children[i]);
    if (self.request)
        zmq_close (self.request);
    zmq_ctx_term (self.context);
    scale_wire_close (&self.wire);
    return 0;
}

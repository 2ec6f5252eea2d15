/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus replay`: history again, at the pace at which it was published. Each publication is due at
 * begin + (its broker time - the first one's) / speed on the monotonic clock: waits are to a point in time, never for
 * a span, so that printing takes nothing away from the pace and errors do not add up. While waiting, pages are
 * read ahead. A broker clock that went back makes no wait.
 */
#include <czmq.h>
#include <time.h>

#include "sb_display.h"
#include "sb_history.h"
#include "sb_output.h"

enum { SLICE_MS = 200 /* the longest that a signal goes unnoticed */, PROGRESS_MS = 1000, PROGRESS_SIZE = 160 };

#define NS_PER_MS INT64_C (1000000)

typedef struct {
    sb_run_t *run;
    sb_history_t *history;
    sb_json_t *json;       /* NULL: for people */
    double speed;          /* 0: flat out */
    int64_t begin_ns;      /* monotonic, when the first one was due */
    int64_t first_unix_ns; /* its broker time; -1: none yet */
    int64_t progress_ns;   /* monotonic, when to say next how far it is */
    bool has_progress;     /* it is to be said at all */
} replay_t;

static int64_t s_monotonic_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

/* When a publication is due, on the monotonic clock. */
static int64_t s_due_ns (replay_t *self, const sb_publication_t *publication)
{
    if (self->first_unix_ns < 0) {
        self->first_unix_ns = publication->broker_unix_ns;
        self->begin_ns = s_monotonic_ns ();
    }
    if (self->speed <= 0)
        return self->begin_ns;
    double after_ns = (double)(publication->broker_unix_ns - self->first_unix_ns) / self->speed;
    return self->begin_ns + (after_ns < 9e18 - (double)self->begin_ns ? (int64_t)after_ns : INT64_MAX - self->begin_ns);
}

/* How far it is, over and over on one line of the terminal. */
static void s_say_progress (replay_t *self, const sb_publication_t *next, int64_t now_ns, int64_t due_ns)
{
    char time[SB_DISPLAY_SIZE];
    char wait[SB_DISPLAY_SIZE];
    if (!self->has_progress || now_ns < self->progress_ns)
        return;
    sb_history_facts_t facts = sb_history_facts (self->history);
    self->progress_ns = now_ns + PROGRESS_MS * NS_PER_MS;
    fprintf (stderr, "\r%" PRIu64 " replayed, at %" PRIu64 " of %" PRIu64 ", %s, next in %s\033[K", facts.count,
             facts.last, facts.head, sb_display_time (next->broker_unix_ns, time),
             sb_display_duration_ns (due_ns > now_ns ? (double)(due_ns - now_ns) : 0, wait));
    fflush (stderr);
}

/* Waits until the publication is due; false when a signal came first. */
static bool s_wait (replay_t *self, const sb_publication_t *publication)
{
    int64_t due_ns = s_due_ns (self, publication);
    int64_t now_ns = s_monotonic_ns ();
    if (now_ns < due_ns)
        sb_output_flush ();
    sb_history_read_ahead (self->history, 0);
    for (; now_ns < due_ns && !zsys_interrupted; now_ns = s_monotonic_ns ()) {
        int64_t left_ms = (due_ns - now_ns) / NS_PER_MS;
        s_say_progress (self, publication, now_ns, due_ns);
        /* The poll counts in whole ms: the last one is slept to the point. */
        if (left_ms > 1)
            sb_history_read_ahead (self->history, left_ms - 1 < SLICE_MS ? (int)left_ms - 1 : SLICE_MS);
        else
            clock_nanosleep (
                CLOCK_MONOTONIC, TIMER_ABSTIME,
                &(struct timespec){.tv_sec = due_ns / (1000 * NS_PER_MS), .tv_nsec = due_ns % (1000 * NS_PER_MS)},
                NULL);
    }
    s_say_progress (self, publication, now_ns, due_ns);
    return !zsys_interrupted;
}

/* Prints all of it, each when it is due. */
static sb_history_outcome_t s_play (replay_t *self)
{
    while (sb_output_is_good ()) {
        const sb_publication_t *publication = sb_history_peek (self->history);
        if (publication) {
            if (!s_wait (self, publication))
                return SB_HISTORY_INTERRUPTED;
            sb_history_print (self->history, self->json);
            continue;
        }
        if (sb_history_facts (self->history).is_whole)
            break;
        sb_history_outcome_t outcome = sb_history_read (self->history);
        if (outcome != SB_HISTORY_READ)
            return outcome;
    }
    return SB_HISTORY_READ;
}

static int s_run (replay_t *self)
{
    static const int codes[] = {[SB_HISTORY_READ] = SB_EXIT_DONE,
                                [SB_HISTORY_REFUSED] = SB_EXIT_REFUSED,
                                [SB_HISTORY_NO_ANSWER] = SB_EXIT_NO_ANSWER,
                                [SB_HISTORY_INTERRUPTED] = SB_EXIT_DONE};
    sb_history_outcome_t outcome = s_play (self);
    sb_history_facts_t facts = sb_history_facts (self->history);
    if (self->has_progress)
        fputs ("\r\033[K", stderr);
    if (!sb_output_is_good ())
        return SB_EXIT_DONE;
    if (outcome == SB_HISTORY_READ || facts.count || outcome == SB_HISTORY_INTERRUPTED)
        sb_history_print_end (self->history, outcome == SB_HISTORY_READ ? "end" : "stopped", self->json);
    if (outcome != SB_HISTORY_READ && facts.count)
        sb_run_complain (0, "not all of it was replayed: go on with --after %" PRIu64, facts.last);
    return codes[outcome];
}

/* --speed; false when it makes no sense. */
static bool s_read_speed (replay_t *self)
{
    sb_arguments_t *arguments = &self->run->arguments;
    const char *text = sb_arguments_option (arguments, "speed");
    self->speed = 0;
    if (strcmp (text, "flat") == 0)
        return true;
    if (sb_arguments_number (arguments, "speed", 0.001, 1e6, 1, &self->speed))
        return true;
    snprintf (arguments->problem, sizeof (arguments->problem),
              "--speed: \"%.100s\" is neither a number from 0.001 to 1000000 nor flat", text);
    return false;
}

int sb_run_replay (sb_run_t *run)
{
    replay_t self = {.run = run, .first_unix_ns = -1};
    sb_client_t *client = s_read_speed (&self) ? sb_run_client (run) : NULL;
    if (!client)
        return *run->arguments.problem ? sb_run_usage (run) : SB_EXIT_USAGE;
    self.history = sb_history_new (run, client, true);
    self.json = sb_arguments_flag (&run->arguments, "json") ? sb_json_new () : NULL;
    /* Where both go to one terminal the lines themselves show how far it is. */
    self.has_progress = isatty (STDERR_FILENO) && !isatty (STDOUT_FILENO);
    int code = self.history ? s_run (&self) : sb_run_usage (run);
    sb_json_destroy (&self.json);
    sb_history_destroy (&self.history);
    sb_client_destroy (&client);
    return code;
}

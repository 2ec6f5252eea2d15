/* SPDX-License-Identifier: MPL-2.0
 *
 * The run loop: one poll over the agent's descriptor and a signalfd, then handlers by sb_agent_dispatch, at most
 * 512 in a round, then the program's own round. Dispatching on the caller's thread, rather than on the
 * library's, keeps the programs free of locks; the library still beats from its own thread. Signals are blocked
 * before the library starts its threads, so that only the signalfd sees them.
 */
#include "sb_desk.h"

#include "sb_inputs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    S_ROUND_HANDLERS = 512,   /* at most so many in a round, so that a signal waits for a few ms only */
    S_BEAT_MS = 250,          /* grid, and the longest wait */
    S_SEND_TIMEOUT_MS = 1000, /* for room in the window */
    S_LINGER_MS = 3000,       /* for decisions, at the end */
    S_OPTIONS_MAX = 48,
    S_GRID_TEXT = 64
};

struct sb_desk {
    const sb_desk_program_t *program;
    sb_agent_t *agent;
    int signal_descriptor;
    uint64_t started_ns;           /* monotonic */
    uint64_t grid_due_ns;          /* monotonic */
    bool told_waiting;             /* said that there is no broker yet */
    bool was_connected;            /* has had a session */
    bool is_ending;                /* a signal asked for it */
    bool active;                   /* as last told to the program */
    uint64_t stale_topics;         /* changes of quality to stale */
    sb_inputs_t inputs;            /* which of them are stale */
    uint64_t gaps;                 /* runs of publications that were lost */
    uint64_t recoveries;           /* of a category, or of all, after a loss */
    uint64_t learned;              /* updates that were state, not news */
    char grid_status[S_GRID_TEXT]; /* as last set */
    char grid_signal[S_GRID_TEXT];
    double grid_confidence;
    double grid_pnl;

    /* common options */
    const char *agent_id;
    const char *ingress;
    const char *publish;
    double connect_timeout_s;
    uint32_t heartbeat_ms;
    uint32_t queue;
    bool json;
    bool verbose;
};

/* ------------------------------------------------------------------ small things */

int64_t sb_desk_unix_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

uint64_t sb_desk_monotonic_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

bool sb_desk_is (sb_text_t text, const char *string)
{
    return strlen (string) == text.size && (text.size == 0 || memcmp (text.data, string, text.size) == 0);
}

double sb_desk_number (const sb_update_t *update, const char *name, double otherwise)
{
    const sb_value_t *value = sb_update_find (update, name);
    return value ? sb_value_number (value, otherwise) : otherwise;
}

void sb_desk_answer (sb_agent_command_reply_t *reply, sb_reason_t code, const char *text)
{
    reply->code = code;
    snprintf (reply->message, sizeof reply->message, "%s", text);
}

void sb_desk_log (sb_desk_t *self, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    fprintf (stderr, "%s: %s\n", self->program->program, line);
}

sb_agent_t *sb_desk_agent (sb_desk_t *self)
{
    return self->agent;
}

const char *sb_desk_agent_id (const sb_desk_t *self)
{
    return self->agent_id;
}

bool sb_desk_is_active (const sb_desk_t *self)
{
    return self->active;
}

bool sb_desk_is_current (const sb_desk_t *self)
{
    return sb_inputs_is_current (&self->inputs);
}

bool sb_desk_is_gone (const sb_update_t *update, const char *name)
{
    for (uint32_t i = 0; i < update->change_count; i++)
        if (update->changes[i].is_delete && sb_desk_is (update->changes[i].name, name))
            return true;
    return false;
}

sb_reason_t sb_desk_send (sb_desk_t *self, const sb_agent_update_t *updates, uint32_t count, uint64_t *first_sequence)
{
    uint64_t first = 0;
    sb_reason_t reason = sb_agent_update_batch (self->agent, updates, count, S_SEND_TIMEOUT_MS, &first);
    if (first_sequence)
        *first_sequence = first;
    return reason;
}

/* True when two numbers of the grid differ; NaN asks for no change. */
static bool s_differs (double now, double before)
{
    return !isnan (now) && !(now == before);
}

void sb_desk_grid (sb_desk_t *self, const char *status, double confidence, const char *signal, double pnl)
{
    sb_agent_status_t standing = sb_agent_status (self->agent);
    if (standing != SB_AGENT_ACTIVE)
        status = sb_agent_status_name (standing);
    bool status_differs = strncmp (status, self->grid_status, sizeof self->grid_status - 1) != 0;
    bool signal_differs = signal && strncmp (signal, self->grid_signal, sizeof self->grid_signal - 1) != 0;
    bool confidence_differs = s_differs (confidence, self->grid_confidence);
    bool pnl_differs = s_differs (pnl, self->grid_pnl);
    if (!status_differs && !signal_differs && !confidence_differs && !pnl_differs)
        return;
    sb_agent_set_grid (self->agent, status_differs ? status : NULL, confidence_differs ? confidence : NAN,
                       signal_differs ? signal : NULL, pnl_differs ? pnl : NAN);
    /* Kept whatever the answer: what is not sent now goes out with the agent's whole state later. */
    snprintf (self->grid_status, sizeof self->grid_status, "%s", status);
    if (signal)
        snprintf (self->grid_signal, sizeof self->grid_signal, "%s", signal);
    if (confidence_differs)
        self->grid_confidence = confidence;
    if (pnl_differs)
        self->grid_pnl = pnl;
}

/* ------------------------------------------------------------------ handlers of the library */

/* Splits category.agent.subject; false when there are not two dots. */
static bool s_split (sb_text_t topic, sb_text_t parts[3])
{
    uint32_t begin = 0;
    uint32_t part = 0;
    for (uint32_t i = 0; i <= topic.size; i++) {
        if (i < topic.size && topic.data[i] != '.')
            continue;
        if (part == 3)
            return false;
        parts[part++] = (sb_text_t){topic.data + begin, i - begin};
        begin = i + 1;
    }
    return part == 3;
}

static int s_on_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    const sb_desk_program_t *program = self->program;
    sb_text_t parts[3];
    if (!s_split (publication->topic, parts))
        return -1;
    bool is_stale = publication->quality == SB_QUALITY_STALE || publication->quality == SB_QUALITY_FORCED_STALE;
    bool is_news = publication->cause != SB_CAUSE_SNAPSHOT;
    for (uint32_t i = 0; i < publication->update_count && program->on_update; i++) {
        sb_desk_update_t update = {parts[0], parts[1], parts[2], &publication->updates[i], sb_desk_unix_ns (), is_news};
        self->learned += !is_news;
        program->on_update (self, &update, program->context);
    }
    /* A change of quality carries no updates; a write always makes its topic fresh. State may be stale as it comes. */
    if ((publication->update_count == 0 || (!is_news && is_stale)) && program->on_quality) {
        sb_desk_quality_t quality = {parts[0], parts[1], parts[2], is_stale};
        self->stale_topics += is_stale;
        program->on_quality (self, &quality, program->context);
    }
    return 0;
}

static void s_on_command (sb_agent_t *agent, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    static const char *const carried_out[] = {"pause", "resume", "emergency_stop", "emergency_clear"};
    sb_desk_log (self, "command %s from %s: %s", command->name, command->issuer,
                 command->reason && *command->reason ? command->reason : "no reason given");
    for (size_t i = 0; i < sizeof carried_out / sizeof carried_out[0]; i++)
        if (strcmp (command->name, carried_out[i]) == 0) {
            sb_desk_answer (reply, SB_REASON_NONE, "done");
            return;
        }
    snprintf (reply->message, sizeof reply->message, "%s has no command %.64s", self->program->program, command->name);
    reply->code = SB_REASON_AGENT_REFUSED;
    if (self->program->on_command)
        self->program->on_command (self, command, reply, self->program->context);
}

static void s_on_status (sb_agent_t *agent, sb_agent_status_t status, sb_reason_t reason, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    sb_desk_log (self, "%s%s%s", sb_agent_status_name (status), reason != SB_REASON_NONE ? ": " : "",
                 reason != SB_REASON_NONE ? sb_reason_text (reason) : "");
    bool active = status == SB_AGENT_ACTIVE;
    self->was_connected |= status != SB_AGENT_CONNECTING && status != SB_AGENT_FINISHED;
    if (active == self->active)
        return;
    self->active = active;
    if (self->program->on_active)
        self->program->on_active (self, active, self->program->context);
}

static void s_on_refused (sb_agent_t *agent, const sb_agent_refusal_t *refusal, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    if (self->verbose)
        sb_desk_log (self, "update %llu refused: %s %s%s%s", (unsigned long long)refusal->sequence,
                     sb_reason_name (refusal->reason), refusal->text ? refusal->text : "",
                     refusal->field && *refusal->field ? ", field " : "", refusal->field ? refusal->field : "");
    if (self->program->on_refused)
        self->program->on_refused (self, refusal, self->program->context);
}

/* Tells the program when all is current again, or no longer is. */
static void s_tell_current (sb_desk_t *self, bool was_current)
{
    bool is_current = sb_inputs_is_current (&self->inputs);
    if (is_current != was_current && self->program->on_current)
        self->program->on_current (self, is_current, self->program->context);
}

/* One line for each category that becomes stale; --verbose has one for each run. */
static void s_on_gap (sb_agent_t *agent, const sb_agent_gap_t *gap, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    bool was_current = sb_inputs_is_current (&self->inputs);
    self->gaps++;
    if (!sb_inputs_gap (&self->inputs, gap->topic) && !self->verbose)
        return;
    if (gap->first)
        sb_desk_log (self, "lost %llu publications of %.*s: stale until they are fetched",
                     (unsigned long long)(gap->last - gap->first + 1), (int)gap->topic.size, gap->topic.data);
    else
        sb_desk_log (self, "lost the last publications of %.*s: stale until they are fetched", (int)gap->topic.size,
                     gap->topic.data);
    s_tell_current (self, was_current);
}

static void s_on_recovered (sb_agent_t *agent, const sb_agent_recovery_t *recovery, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    bool was_current = sb_inputs_is_current (&self->inputs);
    bool was_stale = sb_inputs_recovered (&self->inputs, recovery->category);
    self->recoveries += was_stale;
    uint64_t gone = recovery->lost - recovery->recovered;
    if (was_stale || recovery->lost || self->verbose)
        sb_desk_log (self, "%.*s%s current again: %llu lost, %llu of them fetched%s", (int)recovery->category.size,
                     recovery->category.data ? recovery->category.data : "",
                     recovery->category.size ? " is" : "all inputs are", (unsigned long long)recovery->lost,
                     (unsigned long long)recovery->recovered,
                     gone ? ", for the others the state as it is now was taken (events, if any, are gone)" : "");
    s_tell_current (self, was_current);
}

/* Called from any of the library's threads: writes one line, touches nothing else. */
static void s_on_log (sb_agent_t *agent, int severity, const char *text, void *context)
{
    (void)agent;
    sb_desk_t *self = context;
    if (severity >= 2 || self->verbose)
        sb_desk_log (self, "%s", text);
}

/* ------------------------------------------------------------------ command line */

static uint32_t s_options (sb_desk_t *self, sb_option_t options[S_OPTIONS_MAX])
{
    const sb_desk_program_t *program = self->program;
    assert (program->option_count <= 32);
    uint32_t count = 0;
    for (; count < program->option_count; count++)
        options[count] = program->options[count];
    const sb_option_t common[] = {
        {"agent-id", "ID", SB_OPTION_TEXT, &self->agent_id, 0, 0, "this agent's id"},
        {"ingress", "ENDPOINT", SB_OPTION_TEXT, &self->ingress, 0, 0,
         "broker's ingress; else $SYNCBUS_INGRESS, else tcp://127.0.0.1:5570"},
        {"publish", "ENDPOINT", SB_OPTION_TEXT, &self->publish, 0, 0,
         "broker's publish endpoint; else $SYNCBUS_PUBLISH, else what the broker says"},
        {"connect-timeout", "SECONDS", SB_OPTION_NUMBER, &self->connect_timeout_s, 0, 86400,
         "give up without a broker after this long; 0 waits for ever"},
        {"heartbeat-ms", "MS", SB_OPTION_INTEGER, &self->heartbeat_ms, 100, 60000, "heartbeat interval"},
        {"queue", "COUNT", SB_OPTION_INTEGER, &self->queue, 1, 10000000,
         "publications that may wait for the handler; beyond it they are dropped and counted"},
        {"json", NULL, SB_OPTION_FLAG, &self->json, 0, 0, "print the summary as JSON"},
        {"verbose", NULL, SB_OPTION_FLAG, &self->verbose, 0, 0, "log refusals, gaps and more"},
    };
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        options[count++] = common[i];
    return count;
}

static void s_print_help (const sb_desk_t *self, const sb_option_t *options, uint32_t count)
{
    const sb_desk_program_t *program = self->program;
    printf ("usage: %s [options]\n\n%s\n\noptions:\n", program->program, program->purpose);
    sb_options_print (options, count, stdout);
    printf ("  %-28s print the version\n  %-28s this text\n\nexamples:\n%s\n\n"
            "SIGTERM and Ctrl-C end it with a summary. Exit codes: 0 done, 1 refused for good or displaced,\n"
            "2 usage, 3 no broker within --connect-timeout.\n",
            "--version", "--help", program->examples);
}

/* Returns -1 to go on, else the exit code. */
static int s_read_options (sb_desk_t *self, int argc, char **argv)
{
    sb_option_t options[S_OPTIONS_MAX];
    uint32_t count = s_options (self, options);
    char error[256];
    switch (sb_options_parse (options, count, argc, argv, error, sizeof error)) {
    case SB_OPTIONS_OK:
        return -1;
    case SB_OPTIONS_HELP:
        s_print_help (self, options, count);
        return SB_EXIT_DONE;
    case SB_OPTIONS_VERSION:
        printf ("%s %s\n", self->program->program, SB_VERSION);
        return SB_EXIT_DONE;
    case SB_OPTIONS_BAD:
        break;
    }
    sb_desk_log (self, "%s", error);
    return SB_EXIT_USAGE;
}

/* ------------------------------------------------------------------ the loop */

static bool s_connect (sb_desk_t *self, char *error, size_t error_size)
{
    const sb_desk_program_t *program = self->program;
    sb_agent_options_t options = {
        .agent_id = self->agent_id,
        .ingress_endpoint = self->ingress,
        .publish_endpoint = self->publish,
        .interests = program->interests,
        .interest_count = program->interest_count,
        .publishes = program->publishes,
        .publish_count = program->publish_count,
        .heartbeat_interval_ms = self->heartbeat_ms,
        .queue_publications = self->queue,
        .dispatch_by_caller = true,
        .handlers = {.on_update = s_on_update,
                     .on_command = s_on_command,
                     .on_status = s_on_status,
                     .on_refused = s_on_refused,
                     .on_gap = s_on_gap,
                     .on_recovered = s_on_recovered,
                     .on_log = s_on_log},
        .context = self,
    };
    for (uint32_t i = 0; i < program->interest_count; i++)
        sb_inputs_add (&self->inputs, program->interests[i]);
    self->agent = sb_agent_new (&options, error, error_size);
    return self->agent != NULL;
}

/* Says once that there is no broker; true when the time to wait for one is over. */
static bool s_gave_up (sb_desk_t *self, uint64_t now_ns)
{
    if (self->was_connected)
        return false;
    double waited_s = (double)(now_ns - self->started_ns) / 1e9;
    if (waited_s > 1 && !self->told_waiting) {
        self->told_waiting = true;
        const char *environment = getenv ("SYNCBUS_INGRESS");
        const char *endpoint = self->ingress ? self->ingress : environment ? environment : "tcp://127.0.0.1:5570";
        if (self->connect_timeout_s > 0)
            sb_desk_log (self, "no broker at %s yet: waiting %g s for it", endpoint, self->connect_timeout_s);
        else
            sb_desk_log (self, "no broker at %s yet: waiting for it, for ever (--connect-timeout sets a limit)",
                         endpoint);
    }
    return self->connect_timeout_s > 0 && waited_s > self->connect_timeout_s;
}

/* Waits for something to do, at most until the next beat. */
static void s_wait (sb_desk_t *self, uint64_t now_ns)
{
    struct pollfd items[2] = {{.fd = self->signal_descriptor, .events = POLLIN},
                              {.fd = sb_agent_descriptor (self->agent), .events = POLLIN}};
    uint64_t wait_ns = self->grid_due_ns > now_ns ? self->grid_due_ns - now_ns : 0;
    int found = poll (items, 2, (int)((wait_ns + 999999) / 1000000));
    if (found > 0 && (items[0].revents & POLLIN)) {
        struct signalfd_siginfo info;
        self->is_ending = read (self->signal_descriptor, &info, sizeof info) == sizeof info;
    }
}

static int s_loop (sb_desk_t *self)
{
    const sb_desk_program_t *program = self->program;
    while (!self->is_ending) {
        uint64_t now_ns = sb_desk_monotonic_ns ();
        s_wait (self, now_ns);
        sb_agent_dispatch (self->agent, S_ROUND_HANDLERS);
        if (program->on_round)
            program->on_round (self, program->context);
        now_ns = sb_desk_monotonic_ns ();
        if (now_ns >= self->grid_due_ns) {
            self->grid_due_ns = now_ns + S_BEAT_MS * UINT64_C (1000000);
            if (program->on_grid && self->was_connected)
                program->on_grid (self, program->context);
        }
        if (sb_agent_status (self->agent) == SB_AGENT_FINISHED) {
            sb_desk_log (self, "ended by the broker's word: see the line above");
            return SB_EXIT_REFUSED;
        }
        if (s_gave_up (self, now_ns)) {
            sb_desk_log (self, "no broker within %g s: is syncbusd running?", self->connect_timeout_s);
            return SB_EXIT_NO_BROKER;
        }
    }
    return SB_EXIT_DONE;
}

/* Waits for the decisions of what was sent, then prints what was done. */
static void s_summarize (sb_desk_t *self, int code)
{
    sb_summary_t *summary = sb_summary_new ();
    if (!summary)
        return;
    sb_agent_counts_t counts;
    sb_agent_counts (self->agent, &counts);
    sb_summary_string (summary, "program", self->program->program);
    sb_summary_string (summary, "agent_id", self->agent_id);
    sb_summary_integer (summary, "exit_code", (uint64_t)code);
    sb_summary_number (summary, "seconds", (double)(sb_desk_monotonic_ns () - self->started_ns) / 1e9);
#define SB_ROW(name) sb_summary_integer (summary, #name, counts.name)
    SB_ROW (updates_sent);
    SB_ROW (updates_accepted);
    SB_ROW (updates_refused);
    SB_ROW (updates_kept);
    SB_ROW (undecided);
    SB_ROW (received);
    SB_ROW (processed);
    SB_ROW (failed);
    SB_ROW (dropped);
    SB_ROW (recovered);
    SB_ROW (resynchronized);
    SB_ROW (snapshots);
    SB_ROW (registrations);
    SB_ROW (replacements);
    SB_ROW (reconnects);
    SB_ROW (delivery_count);
    SB_ROW (delivery_p50_ns);
    SB_ROW (delivery_p99_ns);
#undef SB_ROW
    sb_summary_integer (summary, "waiting", counts.received - counts.processed - counts.failed);
    sb_summary_integer (summary, "gaps", self->gaps);
    sb_summary_integer (summary, "recoveries", self->recoveries);
    sb_summary_integer (summary, "learned", self->learned);
    sb_summary_integer (summary, "stale_topics", self->stale_topics);
    for (int reason = 1; reason < SB_REASON_LIMIT; reason++) {
        uint64_t refused = sb_agent_refused_count (self->agent, (sb_reason_t)reason);
        char key[64];
        snprintf (key, sizeof key, "refused.%s", sb_reason_name ((sb_reason_t)reason));
        if (refused)
            sb_summary_integer (summary, key, refused);
    }
    if (self->program->on_summary)
        self->program->on_summary (self, summary, self->program->context);
    sb_summary_print (summary, stdout, self->json);
    sb_summary_destroy (&summary);
}

/* Blocks the ending signals for every thread and makes them readable. */
static bool s_catch_signals (sb_desk_t *self)
{
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGHUP);
    signal (SIGPIPE, SIG_IGN);
    if (sigprocmask (SIG_BLOCK, &signals, NULL) != 0)
        return false;
    self->signal_descriptor = signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return self->signal_descriptor >= 0;
}

static int s_run (sb_desk_t *self)
{
    char error[256] = "";
    const sb_desk_program_t *program = self->program;
    if (!s_catch_signals (self)) {
        sb_desk_log (self, "no signalfd: %s", strerror (errno));
        return SB_EXIT_USAGE;
    }
    if (!program->start (self, program->context, error, sizeof error)) {
        sb_desk_log (self, "%s", error);
        close (self->signal_descriptor);
        return SB_EXIT_USAGE;
    }
    int code = SB_EXIT_USAGE;
    if (s_connect (self, error, sizeof error)) {
        code = s_loop (self);
        /* Without a session nothing waits: a broker that came back meanwhile would take this for the newer process. */
        sb_agent_status_t status = sb_agent_status (self->agent);
        bool has_session = status != SB_AGENT_CONNECTING && status != SB_AGENT_FINISHED;
        if (code == SB_EXIT_DONE && has_session) {
            /* What waits may lead to more to send; what comes meanwhile is left, and shows as waiting. */
            sb_agent_dispatch (self->agent, 0);
            sb_agent_wait_decided (self->agent, S_LINGER_MS);
            sb_agent_dispatch (self->agent, S_ROUND_HANDLERS);
        }
        /* Who never met a broker has done nothing to sum up; a program that reads JSON still gets its document. */
        if (code != SB_EXIT_NO_BROKER || self->json)
            s_summarize (self, code);
        sb_agent_destroy (&self->agent, has_session ? S_LINGER_MS : 0);
    } else
        sb_desk_log (self, "cannot start: %s", error);
    program->stop (program->context);
    close (self->signal_descriptor);
    return code;
}

int sb_desk_main (const sb_desk_program_t *program, int argc, char **argv)
{
    assert (program && program->start && program->stop);
    sb_desk_t self = {
        .program = program,
        .signal_descriptor = -1,
        .started_ns = sb_desk_monotonic_ns (),
        .grid_confidence = NAN,
        .grid_pnl = NAN,
        .agent_id = program->agent_id,
        .heartbeat_ms = 1000,
        .queue = 65536,
    };
    int code = s_read_options (&self, argc, argv);
    return code >= 0 ? code : s_run (&self);
}

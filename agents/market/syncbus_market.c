/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus-market: market data onto SyncBus. This file puts the parts together and turns what happened
 * into an exit code; the work is done in sb_feed (what a row means), sb_replay (when it goes out) and
 * sb_publisher (what became of it).
 */
#include "sb_context_files.h"
#include "sb_replay.h"
#include "sb_summary.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2, EXIT_NO_BROKER = 3 };

static volatile sig_atomic_t s_stop;

static void s_on_signal (int number)
{
    (void)number;
    s_stop = 1;
}

static void s_catch_signals (void)
{
    struct sigaction action = {.sa_handler = s_on_signal};
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    signal (SIGPIPE, SIG_IGN);
}

static int s_fail (int code, const char *text)
{
    fprintf (stderr, "syncbus-market: %s\n", text);
    return code;
}

static void s_on_log (int severity, const char *text)
{
    if (severity >= 1)
        fprintf (stderr, "syncbus-market: %s\n", text);
}

/* ------------------------------------------------------------------ printing layouts */

static int s_list_layouts (const sb_layout_set_t *set)
{
    for (uint32_t i = 0; i < sb_layout_set_count (set); i++)
        printf ("%-28s %s\n", sb_layout_set_at (set, i)->name, sb_layout_set_at (set, i)->description);
    return EXIT_DONE;
}

static int s_print_layout (const sb_layout_set_t *set, const char *name)
{
    char *text = sb_layout_set_text (set, name);
    if (!text) {
        fprintf (stderr, "syncbus-market: there is no layout %s: see syncbus-market --list-layouts\n", name);
        return EXIT_INCOMPLETE;
    }
    fputs (text, stdout);
    free (text);
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ a run */

/* All that a run holds; freed by s_release. */
typedef struct {
    const sb_options_t *options;
    sb_layout_set_t *set;
    sb_source_t *source;
    sb_exchange_t *exchange;
    sb_context_t *context;
    sb_feed_t *feed;
    sb_publisher_t *publisher;
    char error[1024];
} market_t;

static void s_release (market_t *self)
{
    sb_publisher_destroy (&self->publisher, 2000);
    sb_feed_destroy (&self->feed);
    sb_context_destroy (&self->context);
    sb_exchange_destroy (&self->exchange);
    sb_source_close (&self->source);
    sb_layout_set_destroy (&self->set);
}

/* Opens the input and waits for its first line. */
static bool s_open_input (market_t *self)
{
    const sb_options_t *options = self->options;
    if (options->has_sim) {
        self->exchange = sb_exchange_new (options->sim);
        return self->exchange != NULL;
    }
    sb_source_options_t wanted = {.path = options->path, .name = options->as, .layout_name = options->layout};
    self->source = sb_source_open (self->set, &wanted, self->error, sizeof self->error);
    if (!self->source)
        return false;
    sb_source_status_t status;
    while ((status = sb_source_prepare (self->source, self->error, sizeof self->error)) == SB_SOURCE_WAIT && !s_stop) {
        struct pollfd item = {.fd = sb_input_descriptor (sb_source_input (self->source)), .events = POLLIN};
        poll (&item, 1, 200);
    }
    if (status == SB_SOURCE_WAIT)
        snprintf (self->error, sizeof self->error, "ended before the first row came");
    return status == SB_SOURCE_READY;
}

static void s_report_context (const sb_context_file_t *file, void *context)
{
    (void)context;
    if (*file->error)
        fprintf (stderr, "syncbus-market: context %s: %s\n", file->name, file->error);
    uint64_t rejected = sb_accounting_rejected (file->accounting);
    if (rejected > 0)
        fprintf (stderr, "syncbus-market: context %s: %llu of %llu rows rejected\n", file->name,
                 (unsigned long long)rejected, (unsigned long long)file->accounting->read);
}

static bool s_load_context (market_t *self)
{
    if (!self->options->context && !self->exchange)
        return true;
    self->context = sb_context_new ();
    if (!self->context)
        return false;
    if (self->exchange && !sb_exchange_add_context (self->exchange, self->context))
        return false;
    if (!self->options->context)
        return true;
    if (!sb_context_load (self->context, self->set, self->options->context, s_report_context, NULL, self->error,
                          sizeof self->error))
        return false;
    if (sb_context_series_count (self->context) == 0)
        fprintf (stderr, "syncbus-market: no context series found in %s\n", self->options->context);
    return true;
}

static bool s_make_feed (market_t *self)
{
    sb_layout_t simulated;
    const sb_layout_t *layout = &simulated;
    if (self->exchange)
        sb_exchange_layout (&simulated);
    else
        layout = sb_source_layout (self->source);
    self->feed = sb_feed_new (layout, self->source && sb_source_is_json (self->source), self->context);
    if (self->feed && self->options->symbol)
        sb_feed_filter (self->feed, self->options->symbol);
    return self->feed != NULL;
}

/* Makes the agent and waits for the broker. EXIT_DONE, or the code to exit with. */
static int s_connect (market_t *self)
{
    const sb_options_t *options = self->options;
    sb_publisher_options_t wanted = {.agent_id = options->agent_id,
                                     .ingress = options->ingress,
                                     .publish = options->publish,
                                     .batch_rows = (uint32_t)options->batch,
                                     .accounting = sb_feed_accounting (self->feed),
                                     .on_log = s_on_log};
    self->publisher = sb_publisher_new (&wanted, self->error, sizeof self->error);
    if (!self->publisher)
        return EXIT_USAGE;
    sb_agent_t *agent = sb_publisher_agent (self->publisher);
    int64_t deadline_ns = sb_monotonic_ns () + (int64_t)(options->connect_s * 1e9);
    sb_agent_status_t status = sb_agent_status (agent);
    while (status == SB_AGENT_CONNECTING && !s_stop && sb_monotonic_ns () < deadline_ns) {
        sb_agent_wait_active (agent, 200);
        sb_agent_dispatch (agent, 0);
        status = sb_agent_status (agent);
    }
    if (status == SB_AGENT_FINISHED) {
        snprintf (self->error, sizeof self->error, "the broker refused this agent: %s",
                  sb_reason_text (sb_publisher_status_reason (self->publisher)));
        return EXIT_INCOMPLETE;
    }
    if (status == SB_AGENT_CONNECTING) {
        const char *endpoint = options->ingress ? options->ingress : getenv ("SYNCBUS_INGRESS");
        snprintf (self->error, sizeof self->error, "no broker at %s: is syncbusd running?",
                  endpoint ? endpoint : "tcp://127.0.0.1:5570");
        return EXIT_NO_BROKER;
    }
    return EXIT_DONE;
}

static void s_print_summary (const market_t *self, double elapsed_s)
{
    static char text[16384];
    const char *input = self->exchange ? "simulation" : self->options->path;
    sb_layout_t simulated;
    if (self->exchange)
        sb_exchange_layout (&simulated);
    sb_summary_t summary = {
        .input = input,
        .layout = self->exchange ? simulated.name : sb_source_layout (self->source)->name,
        .error = self->source ? sb_input_error (sb_source_input (self->source)) : "",
        .accounting = sb_feed_accounting (self->feed),
        .subjects = sb_feed_subject_count (self->feed),
        .derived_refused = self->publisher ? sb_publisher_derived_refused (self->publisher) : 0,
        .context_series = self->context ? sb_context_series_count (self->context) : 0,
        .context_rows = self->context ? sb_context_row_count (self->context) : 0,
        .elapsed_s = elapsed_s,
        .is_check = self->publisher == NULL,
    };
    if (self->options->json)
        sb_summary_json (&summary, text, sizeof text);
    else
        sb_summary_text (&summary, text, sizeof text);
    fputs (text, stdout);
    fflush (stdout);
}

static int s_run (market_t *self)
{
    if (!s_open_input (self) || !s_load_context (self) || !s_make_feed (self))
        return s_fail (EXIT_INCOMPLETE, *self->error ? self->error : "no memory");
    if (!self->options->check) {
        int code = s_connect (self);
        if (code != EXIT_DONE)
            return s_fail (code, self->error);
    }
    int64_t start_ns = sb_monotonic_ns ();
    sb_replay_t replay = {self->options, self->source, self->exchange, self->feed, self->publisher, &s_stop};
    sb_replay_result_t result = sb_replay_run (&replay);
    s_print_summary (self, (double)(sb_monotonic_ns () - start_ns) / 1e9);
    const sb_accounting_t *accounting = sb_feed_accounting (self->feed);
    if (result == SB_REPLAY_DAMAGED)
        return s_fail (EXIT_INCOMPLETE, sb_input_error (sb_source_input (self->source)));
    if (result == SB_REPLAY_FINISHED)
        return s_fail (EXIT_INCOMPLETE, "the broker takes nothing more from this agent: another one has its id");
    return sb_accounting_refused (accounting) + accounting->pending > 0 ? EXIT_INCOMPLETE : EXIT_DONE;
}

/* `code`; but when standard output did not take what was printed, says why and returns EXIT_INCOMPLETE. The reader of a
 * pipe that has enough ends this quietly. */
static int s_end_output (int code)
{
    bool is_written = fflush (stdout) == 0;
    int cause = errno;
    if ((is_written && !ferror (stdout)) || (!is_written && cause == EPIPE))
        return code;
    fprintf (stderr, "syncbus-market: the output is not whole, it could not be written%s%s\n", is_written ? "" : ": ",
             is_written ? "" : strerror (cause));
    return code == EXIT_DONE ? EXIT_INCOMPLETE : code;
}

int main (int argc, char **argv)
{
    static char help[8192];
    sb_options_t options;
    market_t market = {.options = &options};
    if (!sb_options_parse (&options, argc, argv, market.error, sizeof market.error))
        return s_fail (EXIT_USAGE, market.error);
    if (options.help || options.version) {
        sb_options_help (help, sizeof help);
        printf ("%s", options.help ? help : "syncbus-market " SB_VERSION "\n");
        return s_end_output (EXIT_DONE);
    }
    s_catch_signals ();
    market.set = sb_layout_set_new (options.layouts, market.error, sizeof market.error);
    if (!market.set)
        return s_fail (EXIT_USAGE, market.error);
    int code;
    if (options.list_layouts)
        code = s_list_layouts (market.set);
    else if (options.print_layout)
        code = s_print_layout (market.set, options.print_layout);
    else
        code = s_run (&market);
    s_release (&market);
    return s_end_output (code);
}

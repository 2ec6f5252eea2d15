/* SPDX-License-Identifier: MPL-2.0
 *
 * A run of the feed. One loop: take a line, make it a tick, wait until it is due, put it into the
 * batch; send the batch when it is full or before any wait. Every wait is a poll on the agent's
 * descriptor (and on a pipe's), so commands are answered while the feed is idle.
 *
 * While the agent may not send (paused, stopped, cut off, no session) nothing is read: the place in the
 * file is kept, a pipe's writer is held back, and after it the pace starts from there. Dropping rows
 * meanwhile was rejected: a replay would not be the same twice, and nobody could account for the rows.
 */
#define _GNU_SOURCE /* ppoll */
#include "sb_replay.h"
#include "sb_names.h"
#include "sb_pacing.h"
#include "sb_quality.h"
#include "sb_summary.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 200, FLUSH_MS = 1000, QUALITY_INTERVAL_MS = 1000, LOOK_AT_CLOCK_ROWS = 256 };

typedef struct {
    const sb_replay_t *replay;
    sb_pacing_t pacing;
    sb_quality_report_t quality;
    sb_tick_t tick;
    uint64_t ticks; /* taken, for the clock's sake */
    int64_t start_ns;
    int64_t last_row_unix_ns; /* when the last row was read */
    int64_t quality_due_ns;
    int64_t progress_due_ns;
    int64_t progress_ns; /* of the line before */
    uint64_t progress_rows;
    int64_t progress_interval_ns;
    bool is_terminal;
    bool is_finished;
    const char *grid_status; /* last sent */
    char line[256];          /* of the simulation */
} run_t;

int64_t sb_monotonic_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SB_SECOND_NS + now.tv_nsec;
}

int64_t sb_unix_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SB_SECOND_NS + now.tv_nsec;
}

/* ------------------------------------------------------------------ what goes on beside the rows */

static void s_send_quality (run_t *run)
{
    const sb_replay_t *replay = run->replay;
    sb_change_t changes[SB_QUALITY_CHANGES_MAX];
    sb_feed_state_t state = {.feed_time_ns = sb_feed_time_ns (replay->feed),
                             .subjects = sb_feed_subject_count (replay->feed)};
    if (run->last_row_unix_ns)
        state.freshness_ms = (sb_unix_ns () - run->last_row_unix_ns) / 1000000;
    sb_quality_report_t before = run->quality;
    uint32_t count = sb_quality_changes (&run->quality, sb_feed_accounting (replay->feed), &state, changes);
    if (count > 0 && !sb_publisher_send_fields (replay->publisher, "market_data", "feed", changes, count))
        run->quality = before;
}

static void s_set_status (run_t *run, const char *status)
{
    if (run->grid_status == status || !run->replay->publisher)
        return;
    sb_change_t change = sb_string ("status", status);
    if (sb_publisher_send_fields (run->replay->publisher, "agent", NULL, &change, 1))
        run->grid_status = status;
}

static void s_print_progress (run_t *run, int64_t now_ns, const char *end)
{
    const sb_replay_t *replay = run->replay;
    char text[256];
    sb_progress_t progress = {.rows = sb_feed_accounting (replay->feed)->read,
                              .rows_before = run->progress_rows,
                              .interval_s = (double)(now_ns - run->progress_ns) / 1e9,
                              .elapsed_s = (double)(now_ns - run->start_ns) / 1e9};
    if (replay->source) {
        progress.octets_read = sb_input_octets_read (sb_source_input (replay->source));
        progress.octets_total = sb_input_octets_total (sb_source_input (replay->source));
    }
    if (replay->publisher) {
        sb_agent_status_t status = sb_agent_status (sb_publisher_agent (replay->publisher));
        progress.status = status == SB_AGENT_ACTIVE ? "" : sb_agent_status_name (status);
    }
    sb_progress_text (&progress, text, sizeof text);
    fprintf (stderr, run->is_terminal ? "\r\033[K%s%s" : "%s%s", text, end);
    fflush (stderr);
    run->progress_rows = progress.rows;
    run->progress_ns = now_ns;
}

/* Handlers, settled rows, feed quality, progress: whatever is due. */
static void s_housekeeping (run_t *run, int64_t now_ns)
{
    if (run->replay->publisher) {
        sb_publisher_settle (run->replay->publisher);
        bool is_active = sb_agent_status (sb_publisher_agent (run->replay->publisher)) == SB_AGENT_ACTIVE;
        if (is_active && now_ns >= run->quality_due_ns) {
            run->quality_due_ns = now_ns + QUALITY_INTERVAL_MS * INT64_C (1000000);
            s_set_status (run, "replaying");
            s_send_quality (run);
        }
    }
    if (run->progress_interval_ns > 0 && now_ns >= run->progress_due_ns) {
        run->progress_due_ns = now_ns + run->progress_interval_ns;
        s_print_progress (run, now_ns, run->is_terminal ? "" : "\n");
    }
}

/* Waits for commands, for `descriptor` (-1: none), or until the time is over. */
static void s_wait (run_t *run, int descriptor, int64_t until_ns)
{
    int64_t now_ns = sb_monotonic_ns ();
    int64_t left_ns = until_ns - now_ns;
    if (left_ns > WAIT_MS * INT64_C (1000000))
        left_ns = WAIT_MS * INT64_C (1000000);
    if (left_ns > 0) {
        struct pollfd items[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
        if (run->replay->publisher)
            items[1].fd = sb_agent_descriptor (sb_publisher_agent (run->replay->publisher));
        struct timespec timeout = {left_ns / SB_SECOND_NS, left_ns % SB_SECOND_NS};
        ppoll (items, 2, &timeout, NULL);
    }
    s_housekeeping (run, sb_monotonic_ns ());
}

/* ------------------------------------------------------------------ sending */

/* Why nothing can be sent now, as a reason for the books. */
static sb_reason_t s_hold_reason (sb_agent_status_t status)
{
    static const sb_reason_t reasons[] = {
        [SB_AGENT_CONNECTING] = SB_REASON_SESSION_LOST, [SB_AGENT_ACTIVE] = SB_REASON_WINDOW_FULL,
        [SB_AGENT_PAUSED] = SB_REASON_PAUSED,           [SB_AGENT_STOPPED] = SB_REASON_EMERGENCY_STOPPED,
        [SB_AGENT_SELF_PAUSED] = SB_REASON_SELF_PAUSED, [SB_AGENT_CUT_OFF] = SB_REASON_BREAKER_OPEN,
        [SB_AGENT_FINISHED] = SB_REASON_DISPLACED,
    };
    return reasons[status];
}

/* Waits while the agent may not send. False when it never will, or the run is to end. */
static bool s_wait_until_active (run_t *run)
{
    sb_agent_t *agent = sb_publisher_agent (run->replay->publisher);
    sb_agent_status_t status = sb_agent_status (agent);
    if (status == SB_AGENT_ACTIVE)
        return true;
    while (status != SB_AGENT_ACTIVE && status != SB_AGENT_FINISHED && !*run->replay->stop) {
        s_wait (run, -1, sb_monotonic_ns () + WAIT_MS * INT64_C (1000000));
        status = sb_agent_status (agent);
    }
    sb_pacing_reset (&run->pacing);
    run->is_finished = status == SB_AGENT_FINISHED;
    return status == SB_AGENT_ACTIVE;
}

/* Sends the batch, however long the broker holds it up. What cannot be sent before the end counts as refused. */
static void s_flush (run_t *run)
{
    sb_publisher_t *publisher = run->replay->publisher;
    if (!publisher)
        return;
    while (s_wait_until_active (run)) {
        sb_publisher_result_t result = sb_publisher_flush (publisher, FLUSH_MS);
        sb_publisher_settle (publisher);
        if (result == SB_PUBLISHER_SENT)
            return;
        if (result == SB_PUBLISHER_FINISHED)
            run->is_finished = true;
        if (run->is_finished || *run->replay->stop)
            break;
        s_wait (run, -1, sb_monotonic_ns () + 10 * INT64_C (1000000));
    }
    sb_publisher_give_up (publisher, s_hold_reason (sb_agent_status (sb_publisher_agent (publisher))));
}

/* Takes a tick: waits until it is due, then puts it into the batch. */
static void s_take (run_t *run)
{
    const sb_replay_t *replay = run->replay;
    if (!replay->publisher) {
        sb_feed_accounting (replay->feed)->pending--;
        sb_feed_accounting (replay->feed)->published++;
        return;
    }
    int64_t now_ns = replay->options->pace > 0 ? sb_monotonic_ns () : 0;
    int64_t due_ns = sb_pacing_due (&run->pacing, run->tick.time_ns, now_ns);
    if (due_ns > now_ns) {
        s_flush (run);
        while (!*replay->stop && !run->is_finished && sb_monotonic_ns () < due_ns)
            s_wait (run, -1, due_ns);
    }
    if (sb_publisher_is_full (replay->publisher))
        s_flush (run);
    sb_publisher_add (replay->publisher, &run->tick, run->last_row_unix_ns = sb_unix_ns ());
}

/* ------------------------------------------------------------------ lines */

/* The next line. Waits for a pipe, and sends what is ready before that. */
static sb_input_status_t s_next_line (run_t *run, char **line, size_t *size)
{
    const sb_replay_t *replay = run->replay;
    if (replay->exchange) {
        int64_t limit_ns = (int64_t)replay->options->sim_seconds * SB_SECOND_NS;
        if (replay->options->has_sim_seconds && sb_exchange_elapsed_ns (replay->exchange) >= limit_ns)
            return SB_INPUT_END;
        *line = run->line;
        *size = sb_exchange_line (replay->exchange, run->line);
        return SB_INPUT_LINE;
    }
    sb_input_status_t status = sb_source_line (replay->source, line, size);
    if (status == SB_INPUT_END && replay->options->loop) {
        s_flush (run);
        if (sb_source_rewind (replay->source)) {
            sb_feed_restart (replay->feed);
            sb_pacing_reset (&run->pacing);
            status = sb_source_line (replay->source, line, size);
        }
    }
    if (status == SB_INPUT_WAIT) {
        s_flush (run);
        s_wait (run, sb_input_descriptor (sb_source_input (replay->source)),
                sb_monotonic_ns () + WAIT_MS * INT64_C (1000000));
    }
    return status;
}

/* Handles one line. False at the end of the input; *result then says how it ended. */
static bool s_step (run_t *run, sb_replay_result_t *result)
{
    char *line;
    size_t size;
    sb_feed_t *feed = run->replay->feed;
    switch (s_next_line (run, &line, &size)) {
    case SB_INPUT_LINE:
        if (sb_feed_line (feed, line, size, &run->tick) == SB_OUTCOME_TICK)
            s_take (run);
        return true;
    case SB_INPUT_TOO_LONG:
        sb_feed_reject (feed, SB_REJECTION_TOO_LONG);
        return true;
    case SB_INPUT_PARTIAL:
        sb_feed_reject (feed, SB_REJECTION_TRUNCATED);
        return true;
    case SB_INPUT_WAIT:
        return true;
    case SB_INPUT_DAMAGED:
        sb_feed_accounting (feed)->truncated_input++;
        *result = SB_REPLAY_DAMAGED;
        return false;
    case SB_INPUT_END:
        break;
    }
    return false;
}

static void s_finish (run_t *run)
{
    s_flush (run);
    if (run->progress_interval_ns > 0)
        s_print_progress (run, sb_monotonic_ns (), "\n");
    if (!run->replay->publisher)
        return;
    sb_publisher_settle_all (run->replay->publisher, 10000);
    s_set_status (run, "done");
    s_send_quality (run);
    sb_publisher_settle_all (run->replay->publisher, 2000);
}

sb_replay_result_t sb_replay_run (const sb_replay_t *replay)
{
    run_t *run = calloc (1, sizeof *run);
    if (!run)
        return SB_REPLAY_FINISHED;
    const sb_options_t *options = replay->options;
    run->replay = replay;
    run->is_terminal = isatty (STDERR_FILENO);
    bool is_behind = run->is_terminal && tcgetpgrp (STDERR_FILENO) != getpgrp (); /* the terminal is another's */
    double interval_s = options->has_progress_s ? options->progress_s : is_behind ? 0 : run->is_terminal ? 0.5 : 5;
    run->progress_interval_ns = (int64_t)(interval_s * 1e9);
    run->start_ns = run->progress_ns = sb_monotonic_ns ();
    run->progress_due_ns = run->start_ns + run->progress_interval_ns;
    sb_pacing_init (&run->pacing, options->pace, (int64_t)(options->longest_wait_s * 1e9));
    sb_replay_result_t result = SB_REPLAY_DONE;
    const sb_accounting_t *accounting = sb_feed_accounting (replay->feed);
    while (!*replay->stop && !run->is_finished && (!options->has_rows || accounting->read < options->rows)) {
        if (!s_step (run, &result))
            break;
        if (++run->ticks % LOOK_AT_CLOCK_ROWS == 0)
            s_housekeeping (run, sb_monotonic_ns ());
    }
    s_finish (run);
    if (run->is_finished)
        result = SB_REPLAY_FINISHED;
    free (run);
    return result;
}

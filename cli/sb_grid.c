/* SPDX-License-Identifier: MPL-2.0
 *
 * The grid's model and keys. Rates are differences of counters between two readings: the broker keeps none for each
 * agent. The selection is an agent's id, not a row, so that sorting and arrivals do not move it to another agent.
 */
#include "sb_grid.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

enum { BACKLOG_LONG = 1000 /* as the broker's own */ };

bool sb_grid_is_behind (const sb_grid_row_t *row)
{
    return row->backlog > BACKLOG_LONG && strcmp (row->liveness, "OFFLINE") != 0;
}

void sb_grid_clear (sb_grid_t *self)
{
    free (self->rows);
    self->rows = NULL;
    self->row_count = 0;
    self->read_ms = 0;
}

/* A column as text into `text`; "" when it is not there. */
static void s_copy (const sb_record_t *record, const char *column, char *text, size_t size)
{
    char shown[SB_DISPLAY_SIZE] = "";
    const sb_value_t *value = sb_record_value (record, column);
    if (value && value->kind != SB_VALUE_NONE)
        sb_display_value (value, "", shown);
    snprintf (text, size, "%.*s", (int)size - 1, shown);
}

void sb_grid_set_status (sb_grid_t *self, const sb_record_t *status)
{
    char issuer[SB_GRID_TEXT_SIZE];
    char reason[SB_DISPLAY_SIZE];
    s_copy (status, "version", self->version, sizeof (self->version));
    s_copy (status, "indicator", self->indicator, sizeof (self->indicator));
    self->uptime_ns = sb_record_number (status, "uptime_ms", NAN) * 1e6;
    self->is_stopped = sb_record_boolean (status, "stopped");
    self->latch_epoch = (uint64_t)sb_record_number (status, "latch_epoch", 0);
    self->latch_unconfirmed = sb_record_number (status, "latch_delivered", 0) +
                              sb_record_number (status, "latch_timed_out", 0) +
                              sb_record_number (status, "latch_refused", 0);
    s_copy (status, "latch_issuer", issuer, sizeof (issuer));
    s_copy (status, "latch_reason", reason, sizeof (reason));
    snprintf (self->latch_text, sizeof (self->latch_text), "by %s: %.300s", issuer, reason);
    self->health_score = sb_record_number (status, "health_score", NAN);
    self->deltas_per_s = sb_record_number (status, "deltas_per_s", NAN);
    self->publications_per_s = sb_record_number (status, "publications_per_s", NAN);
}

/* A duration; not known while nothing was measured. */
static double s_measured (const sb_record_t *record, const char *column)
{
    double ns = sb_record_number (record, column, NAN);
    return ns > 0 ? ns : NAN;
}

void sb_grid_set_health (sb_grid_t *self, const sb_record_t *health)
{
    self->healthy = sb_record_number (health, "healthy", NAN);
    self->total = sb_record_number (health, "total", NAN);
    self->merge_p99_ns = s_measured (health, "merge_p99_ns");
    self->end_to_end_p99_ns = s_measured (health, "end_to_end_p99_ns");
}

static void s_read_row (sb_grid_row_t *row, const sb_record_t *agent)
{
    s_copy (agent, "agent_id", row->agent_id, sizeof (row->agent_id));
    s_copy (agent, "status", row->status, sizeof (row->status));
    s_copy (agent, "last_signal", row->last_signal, sizeof (row->last_signal));
    s_copy (agent, "liveness", row->liveness, sizeof (row->liveness));
    s_copy (agent, "breaker", row->breaker, sizeof (row->breaker));
    row->is_paused = sb_text_equal (sb_record_text (agent, "operator_state"), sb_text ("PAUSED"));
    row->is_self_paused = sb_record_boolean (agent, "self_paused");
    row->is_mute = sb_record_boolean (agent, "mute");
    row->is_healthy = sb_record_boolean (agent, "is_healthy");
    row->confidence = sb_record_number (agent, "confidence", NAN);
    row->pnl = sb_record_number (agent, "pnl", NAN);
    row->accepted = sb_record_number (agent, "accepted", NAN);
    row->rate_per_s = NAN;
    row->response_ns = s_measured (agent, "response_ns");
    row->queue_depth = sb_record_number (agent, "queue_depth", NAN);
    row->backlog = sb_record_number (agent, "backlog", NAN);
    row->drops = sb_record_number (agent, "drops", NAN);
}

static int s_compare_agent (const void *left, const void *right)
{
    return strcmp (((const sb_grid_row_t *)left)->agent_id, ((const sb_grid_row_t *)right)->agent_id);
}

void sb_grid_set_agents (sb_grid_t *self, const sb_pages_t *agents, int64_t now_ms)
{
    uint32_t count = sb_pages_record_count (agents);
    sb_grid_row_t *rows = calloc (count + 1, sizeof (*rows));
    uint32_t place = 0;
    assert (rows);
    sb_grid_sort (self, SB_GRID_BY_AGENT);
    for (uint32_t page = 0; page < agents->count; page++)
        for (uint32_t i = 0; i < agents->items[page].reply.record_count; i++) {
            sb_grid_row_t *row = &rows[place++];
            s_read_row (row, &agents->items[page].reply.records[i]);
            const sb_grid_row_t *before =
                self->row_count ? bsearch (row, self->rows, self->row_count, sizeof (*rows), s_compare_agent) : NULL;
            double seconds = (double)(now_ms - self->read_ms) / 1000;
            /* A broker that started anew counts from nothing: no rate this once. */
            if (before && seconds > 0 && row->accepted >= before->accepted)
                row->rate_per_s = (row->accepted - before->accepted) / seconds;
        }
    free (self->rows);
    self->rows = rows;
    self->row_count = count;
    self->read_ms = now_ms;
}

/* How much an agent wants to be looked at. */
static double s_trouble (const sb_grid_row_t *row)
{
    static const struct {
        const char *word;
        double weight;
    } words[] = {{"DEAD", 8}, {"SUSPECT", 4}, {"RECOVERING", 2}, {"OPEN", 8}, {"HALF_OPEN", 4}, {"FORCED_OPEN", 8}};
    double trouble = (row->is_healthy ? 0 : 1) + (row->is_mute ? 8 : 0) + (row->is_paused ? 2 : 0) +
                     (sb_grid_is_behind (row) ? 2 : 0);
    for (size_t i = 0; i < sizeof (words) / sizeof (words[0]); i++)
        if (strcmp (row->liveness, words[i].word) == 0 || strcmp (row->breaker, words[i].word) == 0)
            trouble += words[i].weight;
    return strcmp (row->liveness, "OFFLINE") == 0 ? -1 : trouble;
}

static double s_key (const sb_grid_row_t *row, sb_grid_order_t order)
{
    double keys[] = {
        [SB_GRID_BY_AGENT] = 0,      [SB_GRID_BY_TROUBLE] = s_trouble (row), [SB_GRID_BY_RATE] = row->rate_per_s,
        [SB_GRID_BY_PNL] = row->pnl, [SB_GRID_BY_BACKLOG] = row->backlog,    [SB_GRID_BY_DROPS] = row->drops};
    return isnan (keys[order]) ? -INFINITY : keys[order];
}

static int s_compare (const void *left, const void *right, void *context)
{
    sb_grid_order_t order = *(sb_grid_order_t *)context;
    double a = s_key (left, order);
    double b = s_key (right, order);
    return a > b ? -1 : a < b ? 1 : s_compare_agent (left, right);
}

void sb_grid_sort (sb_grid_t *self, sb_grid_order_t order)
{
    if (self->row_count)
        qsort_r (self->rows, self->row_count, sizeof (*self->rows), s_compare, &order);
}

/* The row of the selected agent; the first when it is gone. */
static uint32_t s_selected (const sb_grid_t *self, const sb_grid_view_t *view)
{
    for (uint32_t i = 0; i < self->row_count; i++)
        if (strcmp (self->rows[i].agent_id, view->selected) == 0)
            return i;
    return 0;
}

static void s_select (const sb_grid_t *self, sb_grid_view_t *view, int64_t row)
{
    int64_t last = (int64_t)self->row_count - 1;
    row = row < 0 ? 0 : row > last ? last : row;
    if (self->row_count)
        snprintf (view->selected, sizeof (view->selected), "%s", self->rows[row].agent_id);
}

/* Moves the selection; false when the key does no such thing. */
static bool s_move (const sb_grid_t *self, sb_grid_view_t *view, int key)
{
    int64_t row = s_selected (self, view);
    int64_t page = view->page ? view->page : 1;
    const struct {
        int key;
        int64_t row;
    } moves[] = {{SB_KEY_UP, row - 1},
                 {'k', row - 1},
                 {SB_KEY_DOWN, row + 1},
                 {'j', row + 1},
                 {SB_KEY_PAGE_UP, row - page},
                 {SB_KEY_PAGE_DOWN, row + page},
                 {SB_KEY_HOME, 0},
                 {SB_KEY_END, (int64_t)self->row_count - 1}};
    for (size_t i = 0; i < sizeof (moves) / sizeof (moves[0]); i++)
        if (moves[i].key == key) {
            s_select (self, view, moves[i].row);
            return true;
        }
    return false;
}

/* Letters of the typed confirmation, Enter at its end, Escape. */
static sb_grid_action_t s_type (sb_grid_view_t *view, int key)
{
    size_t size = strlen (view->typed);
    if (key == SB_KEY_ESCAPE) {
        view->mode = SB_GRID_BROWSE;
        snprintf (view->message, sizeof (view->message), "not stopped");
    } else if (key == SB_KEY_BACKSPACE && size > 0)
        view->typed[size - 1] = 0;
    else if (key == SB_KEY_ENTER) {
        view->mode = SB_GRID_BROWSE;
        if (strcmp (view->typed, "stop") == 0)
            return SB_GRID_STOP;
        snprintf (view->message, sizeof (view->message), "not stopped: that was not the word");
    } else if (key >= 'a' && key <= 'z' && size + 1 < sizeof (view->typed)) {
        view->typed[size] = (char)key;
        view->typed[size + 1] = 0;
    }
    return SB_GRID_NOTHING;
}

static sb_grid_action_t s_browse (const sb_grid_t *self, sb_grid_view_t *view, int key)
{
    view->message[0] = 0;
    if (s_move (self, view, key))
        return SB_GRID_NOTHING;
    s_select (self, view, s_selected (self, view));
    switch (key) {
    case 'q':
        return SB_GRID_QUIT;
    case 's':
        view->order = (view->order + 1) % SB_GRID_BY_COUNT;
        break;
    case 'p':
        view->mode = self->row_count ? SB_GRID_CONFIRM_PAUSE : SB_GRID_BROWSE;
        break;
    case 'r':
        view->mode = self->row_count ? SB_GRID_CONFIRM_RESUME : SB_GRID_BROWSE;
        break;
    case 'E':
        view->mode = SB_GRID_TYPE_STOP;
        view->typed[0] = 0;
        break;
    case 'h':
    case '?':
        view->mode = SB_GRID_HELP;
        break;
    default:
        break;
    }
    return SB_GRID_NOTHING;
}

sb_grid_action_t sb_grid_key (const sb_grid_t *self, sb_grid_view_t *view, int key)
{
    sb_grid_mode_t mode = view->mode;
    switch (mode) {
    case SB_GRID_TYPE_STOP:
        return s_type (view, key);
    case SB_GRID_CONFIRM_PAUSE:
    case SB_GRID_CONFIRM_RESUME:
        view->mode = SB_GRID_BROWSE;
        if (key != 'y')
            return SB_GRID_NOTHING;
        return mode == SB_GRID_CONFIRM_PAUSE ? SB_GRID_PAUSE : SB_GRID_RESUME;
    case SB_GRID_HELP:
        view->mode = SB_GRID_BROWSE;
        return SB_GRID_NOTHING;
    case SB_GRID_BROWSE:
        break;
    }
    return s_browse (self, view, key);
}

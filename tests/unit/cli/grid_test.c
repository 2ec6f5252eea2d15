/* SPDX-License-Identifier: MPL-2.0
 *
 * The grid's picture at several sizes, its order, its keys.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_grid.h"
#include "sb_names.h"

enum { AGENTS_MAX = 60 };

static sb_grid_row_t s_rows[AGENTS_MAX];

static sb_grid_row_t s_row (const char *agent_id, const char *liveness, const char *breaker)
{
    sb_grid_row_t row = {.is_healthy = strcmp (liveness, "LIVE") == 0,
                         .confidence = 0.873,
                         .pnl = -1234.5,
                         .rate_per_s = 1234,
                         .response_ns = 12300,
                         .queue_depth = 0,
                         .backlog = 345,
                         .drops = 0};
    snprintf (row.agent_id, sizeof (row.agent_id), "%s", agent_id);
    snprintf (row.status, sizeof (row.status), "trading");
    snprintf (row.last_signal, sizeof (row.last_signal), "BUY");
    snprintf (row.liveness, sizeof (row.liveness), "%s", liveness);
    snprintf (row.breaker, sizeof (row.breaker), "%s", breaker);
    return row;
}

static sb_grid_t s_grid (uint32_t count)
{
    sb_grid_t grid = {.endpoint = "tcp://127.0.0.1:5572",
                      .version = "0.1.0",
                      .uptime_ns = 184e9,
                      .health_score = 0.92,
                      .indicator = "green",
                      .healthy = 11,
                      .total = 12,
                      .deltas_per_s = 1234,
                      .publications_per_s = 1200,
                      .merge_p99_ns = 34000,
                      .end_to_end_p99_ns = 1.2e6,
                      .rows = s_rows,
                      .row_count = count,
                      .read_ms = 1};
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf (name, sizeof (name), "agent-%02u", i);
        s_rows[i] = s_row (name, "LIVE", "CLOSED");
    }
    return grid;
}

static sb_canvas_t *s_render (const sb_grid_t *grid, sb_grid_view_t *view, uint32_t width, uint32_t height)
{
    sb_canvas_t *canvas = sb_canvas_new (width, height);
    sb_grid_render (grid, view, canvas);
    return canvas;
}

/* True when any line of the picture contains `text`. */
static bool s_shows (const sb_canvas_t *canvas, const char *text)
{
    bool found = false;
    for (uint32_t i = 0; i < sb_canvas_height (canvas); i++) {
        char *line = sb_canvas_line (canvas, i);
        found = found || strstr (line, text);
        free (line);
    }
    return found;
}

static void s_expect_line (const sb_canvas_t *canvas, uint32_t i, const char *expected)
{
    char *line = sb_canvas_line (canvas, i);
    cr_expect_str_eq (line, expected);
    free (line);
}

Test (grid, a_status_is_worth_more_than_the_queue_and_drops_that_there_are_not)
{
    sb_grid_t grid = s_grid (2);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    snprintf (s_rows[1].status, sizeof (s_rows[1].status), "rebalancing");
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    s_expect_line (canvas, 3, "AGENT      STATUS      CONF SIGNAL     PNL H BRKR   LIVE  RATE   RESP BKLOG DROP");
    s_expect_line (canvas, 5, "agent-01   rebalancing 0.87 BUY      -1234 + CLOSED LIVE 1,234 12.3us   345    0");
    sb_canvas_destroy (&canvas);
    snprintf (s_rows[1].status, sizeof (s_rows[1].status), "waiting for trades");
    canvas = s_render (&grid, &view, 80, 24);
    cr_expect (s_shows (canvas, "waiting for trades"));
    cr_expect_not (s_shows (canvas, "DROP"));
    sb_canvas_destroy (&canvas);
    s_rows[0].drops = 1;
    canvas = s_render (&grid, &view, 80, 24);
    cr_expect (s_shows (canvas, "waiting for trades"));
    cr_expect (s_shows (canvas, "DROP"));
    cr_expect_not (s_shows (canvas, "BKLOG") || s_shows (canvas, "BACKLOG"));
    sb_canvas_destroy (&canvas);
}

Test (grid, a_reader_that_is_behind_stands_out)
{
    sb_grid_t grid = s_grid (3);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    s_rows[1].backlog = 1000;
    s_rows[2].backlog = 1001;
    cr_expect_not (sb_grid_is_behind (&s_rows[1]));
    cr_expect (sb_grid_is_behind (&s_rows[2]));
    snprintf (s_rows[0].status, sizeof (s_rows[0].status), "waiting for more trades");
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    cr_expect (s_shows (canvas, "BKLOG") || s_shows (canvas, "BACKLOG"), "it is not given up for a status");
    cr_expect (s_shows (canvas, " B CLOSED"));
    cr_expect (s_shows (canvas, " + CLOSED"));
    sb_canvas_destroy (&canvas);
    sb_grid_sort (&grid, SB_GRID_BY_TROUBLE);
    cr_expect_str_eq (s_rows[0].agent_id, "agent-02");
    snprintf (s_rows[0].liveness, sizeof (s_rows[0].liveness), "OFFLINE");
    cr_expect_not (sb_grid_is_behind (&s_rows[0]), "who said goodbye reads nothing");
}

Test (grid, rate_is_left_out_where_there_is_none)
{
    sb_grid_t grid = s_grid (2);
    sb_grid_view_t view = {.hides_rate = true};
    sb_canvas_t *canvas = s_render (&grid, &view, 120, 3);
    cr_expect_not (s_shows (canvas, "RATE"));
    cr_expect (s_shows (canvas, "RESPONSE"));
    sb_canvas_destroy (&canvas);
}

Test (grid, what_is_stale_is_dim_and_says_since_when)
{
    sb_grid_t grid = s_grid (2);
    sb_grid_view_t view = {.has_header = true, .has_footer = true, .stale_since = "12:00:01Z"};
    snprintf (view.selected, sizeof (view.selected), "agent-01");
    sb_canvas_t *canvas = s_render (&grid, &view, 120, 24);
    cr_expect_not (s_shows (canvas, "stale"));
    sb_canvas_destroy (&canvas);
    snprintf (view.trouble, sizeof (view.trouble), "no broker");
    canvas = s_render (&grid, &view, 120, 24);
    s_expect_line (canvas, 0,
                   "SyncBus tcp://127.0.0.1:5572  stale since 12:00:01Z  up 3m04s  health 0.92 green  healthy 11/12  "
                   "version 0.1.0");
    for (uint32_t column = 53; column < 90; column++)
        if (sb_canvas_mark_at (canvas, 0, column) != SB_MARK_PLAIN)
            cr_expect_eq (sb_canvas_mark_at (canvas, 0, column), SB_MARK_DIM, "column %u", column);
    cr_expect_eq (sb_canvas_mark_at (canvas, 1, 0), SB_MARK_DIM, "running");
    for (uint32_t column = 0; column < 100; column++)
        cr_expect_neq (sb_canvas_mark_at (canvas, 4, column), SB_MARK_GOOD, "a row");
    sb_canvas_destroy (&canvas);
    grid.read_ms = 0;
    canvas = s_render (&grid, &view, 120, 24);
    cr_expect_not (s_shows (canvas, "health"), "nothing was ever read");
    sb_canvas_destroy (&canvas);
}

Test (grid, at_80x24_all_thirteen_columns_stand)
{
    sb_grid_t grid = s_grid (30);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    s_rows[1] = s_row ("slow", "SUSPECT", "HALF_OPEN");
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    s_expect_line (canvas, 0, "SyncBus tcp://127.0.0.1:5572  up 3m04s  health 0.92 green  healthy 11/12");
    s_expect_line (canvas, 1, "running");
    s_expect_line (canvas, 2, "deltas 1234/s  publications 1200/s  p99 merge 34us end to end 1.20ms");
    s_expect_line (canvas, 3, "AGENT      STATUS  CONF SIG       PNL H BRKR   LIVE  RATE   RESP QLEN BKLOG DROP");
    s_expect_line (canvas, 4, "agent-00   trading 0.87 BUY     -1234 + CLOSED LIVE 1,234 12.3us    0   345    0");
    s_expect_line (canvas, 5, "slow       trading 0.87 BUY     -1234 x HALF   SUSP 1,234 12.3us    0   345    0");
    s_expect_line (canvas, 23, "q quit  s sort (by agent)  p pause  r resume  E emergency stop  h help");
    cr_expect_eq (view.page, 19);
    sb_canvas_destroy (&canvas);
}

Test (grid, at_40x10_the_important_columns_stay)
{
    sb_grid_t grid = s_grid (30);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    sb_canvas_t *canvas = s_render (&grid, &view, 40, 10);
    s_expect_line (canvas, 0, "SyncBus tcp://127.0.0.1:5572  up 3m04s");
    s_expect_line (canvas, 3, "AGENT      STATUS  H BREAKER LIVE   RATE");
    s_expect_line (canvas, 4, "agent-00   trading + CLOSED  LIVE  1,234");
    cr_expect_eq (view.page, 5);
    sb_canvas_destroy (&canvas);
}

Test (grid, at_200x50_nothing_is_short)
{
    sb_grid_t grid = s_grid (12);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    s_rows[1] = s_row ("a-rather-long-agent-name", "RECOVERING", "FORCED_OPEN");
    sb_canvas_t *canvas = s_render (&grid, &view, 200, 50);
    s_expect_line (canvas, 3,
                   "AGENT                    STATUS  CONF SIGNAL      PNL H BREAKER     LIVENESS   RATE/s RESPONSE "
                   "QUEUE BACKLOG DROPS");
    s_expect_line (canvas, 5,
                   "a-rather-long-agent-name trading 0.87 BUY    -1234.50 x FORCED_OPEN RECOVERING  1,234   12.3us     "
                   "0     345     0");
    cr_expect (s_shows (canvas, "version 0.1.0"));
    cr_expect (s_shows (canvas, "12 agents by agent"));
    sb_canvas_destroy (&canvas);
}

Test (grid, no_size_breaks_it)
{
    sb_grid_t grid = s_grid (30);
    for (uint32_t width = 1; width < 130; width++)
        for (uint32_t height = 1; height < 12; height++) {
            sb_grid_view_t view = {.has_header = true, .has_footer = true, .mode = width % 5};
            snprintf (view.selected, sizeof (view.selected), "agent-29");
            sb_canvas_t *canvas = s_render (&grid, &view, width, height);
            sb_canvas_destroy (&canvas);
        }
}

Test (grid, agents_text_cannot_break_the_picture)
{
    sb_grid_t grid = s_grid (1);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    snprintf (s_rows[0].status, sizeof (s_rows[0].status), "\xe4\xbd\xa0\033[2J\xff");
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    cr_expect (s_shows (canvas, "??[2J?"));
    sb_canvas_destroy (&canvas);
}

Test (grid, unknown_numbers_are_a_dash)
{
    sb_grid_t grid = s_grid (1);
    sb_grid_view_t view = {.has_footer = true};
    s_rows[0].confidence = s_rows[0].pnl = s_rows[0].rate_per_s = s_rows[0].response_ns = NAN;
    s_rows[0].queue_depth = s_rows[0].backlog = s_rows[0].drops = NAN;
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 5);
    cr_expect_not (s_shows (canvas, "nan"));
    cr_expect (s_shows (canvas, "   -    -     -    -"));
    sb_canvas_destroy (&canvas);
}

Test (grid, marks_say_what_is_wrong)
{
    sb_grid_t grid = s_grid (3);
    sb_grid_view_t view = {.has_header = true, .has_footer = false};
    s_rows[0] = s_row ("dead", "DEAD", "OPEN");
    s_rows[1] = s_row ("gone", "OFFLINE", "CLOSED");
    s_rows[2].is_paused = true;
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 7);
    cr_expect_eq (sb_canvas_mark_at (canvas, 4, 40), SB_MARK_BAD, "breaker");
    cr_expect_eq (sb_canvas_mark_at (canvas, 4, 47), SB_MARK_BAD, "liveness");
    cr_expect_eq (sb_canvas_mark_at (canvas, 4, 11), SB_MARK_DIM, "what a dead one said of itself is old");
    cr_expect_neq (sb_canvas_mark_at (canvas, 6, 11), SB_MARK_DIM);
    cr_expect_eq (sb_canvas_mark_at (canvas, 5, 0), SB_MARK_DIM);
    cr_expect_eq (sb_canvas_mark_at (canvas, 6, 47), SB_MARK_GOOD);
    cr_expect (s_shows (canvas, " P CLOSED"));
    cr_expect (s_shows (canvas, " - CLOSED"));
    sb_canvas_destroy (&canvas);
}

Test (grid, stop_and_missing_broker_are_on_top)
{
    sb_grid_t grid = s_grid (2);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    grid.is_stopped = true;
    grid.latch_epoch = 7;
    grid.latch_unconfirmed = 2;
    snprintf (grid.latch_text, sizeof (grid.latch_text), "by alice@desk: feed is wrong");
    snprintf (view.trouble, sizeof (view.trouble), "no broker at tcp://x:1: is syncbusd running? (for 12s)");
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    s_expect_line (canvas, 1, "EMERGENCY STOP epoch 7  2 not confirmed  by alice@desk: feed is wrong");
    s_expect_line (canvas, 2, "no broker at tcp://x:1: is syncbusd running? (for 12s)");
    cr_expect_eq (sb_canvas_mark_at (canvas, 1, 0), SB_MARK_BAD);
    sb_canvas_destroy (&canvas);
    canvas = s_render (&grid, &view, 80, 4);
    s_expect_line (canvas, 0, "no broker at tcp://x:1: is syncbusd running? (for 12s)");
    sb_canvas_destroy (&canvas);
}

Test (grid, selection_is_always_seen)
{
    sb_grid_t grid = s_grid (30);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 14);
    cr_assert_eq (view.page, 9);
    static const struct {
        int key;
        const char *selected;
    } steps[] = {{SB_KEY_UP, "agent-00"},
                 {SB_KEY_DOWN, "agent-01"},
                 {SB_KEY_PAGE_DOWN, "agent-10"},
                 {'j', "agent-11"},
                 {SB_KEY_END, "agent-29"},
                 {SB_KEY_DOWN, "agent-29"},
                 {SB_KEY_PAGE_DOWN, "agent-29"},
                 {SB_KEY_PAGE_UP, "agent-20"},
                 {'k', "agent-19"},
                 {SB_KEY_HOME, "agent-00"}};
    for (size_t i = 0; i < sizeof (steps) / sizeof (steps[0]); i++) {
        cr_expect_eq (sb_grid_key (&grid, &view, steps[i].key), SB_GRID_NOTHING);
        cr_expect_str_eq (view.selected, steps[i].selected);
        sb_canvas_destroy (&canvas);
        canvas = s_render (&grid, &view, 80, 14);
        cr_expect (s_shows (canvas, steps[i].selected), "%s is not seen", steps[i].selected);
    }
    /* A smaller terminal: still seen. */
    sb_grid_key (&grid, &view, SB_KEY_END);
    sb_canvas_destroy (&canvas);
    canvas = s_render (&grid, &view, 40, 6);
    cr_expect (s_shows (canvas, "agent-29"));
    sb_canvas_destroy (&canvas);
}

Test (grid, selection_follows_the_agent_when_sorted)
{
    sb_grid_t grid = s_grid (5);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    snprintf (view.selected, sizeof (view.selected), "agent-03");
    s_rows[3].drops = 9;
    s_rows[1].drops = NAN;
    sb_grid_sort (&grid, SB_GRID_BY_DROPS);
    cr_expect_str_eq (grid.rows[0].agent_id, "agent-03");
    cr_expect_str_eq (grid.rows[1].agent_id, "agent-00");
    cr_expect_str_eq (grid.rows[4].agent_id, "agent-01", "unknown comes last");
    sb_grid_key (&grid, &view, SB_KEY_DOWN);
    cr_expect_str_eq (view.selected, "agent-00");
}

Test (grid, trouble_comes_first_and_offline_last)
{
    sb_grid_t grid = s_grid (4);
    s_rows[0] = s_row ("a-gone", "OFFLINE", "CLOSED");
    s_rows[2] = s_row ("x-dead", "DEAD", "CLOSED");
    s_rows[3] = s_row ("y-trial", "LIVE", "HALF_OPEN");
    sb_grid_sort (&grid, SB_GRID_BY_TROUBLE);
    cr_expect_str_eq (grid.rows[0].agent_id, "x-dead");
    cr_expect_str_eq (grid.rows[1].agent_id, "y-trial");
    cr_expect_str_eq (grid.rows[2].agent_id, "agent-01");
    cr_expect_str_eq (grid.rows[3].agent_id, "a-gone");
}

Test (grid, pause_and_resume_need_a_yes)
{
    sb_grid_t grid = s_grid (3);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    cr_expect_eq (sb_grid_key (&grid, &view, 'p'), SB_GRID_NOTHING);
    cr_expect_eq (view.mode, SB_GRID_CONFIRM_PAUSE);
    sb_canvas_t *canvas = s_render (&grid, &view, 80, 24);
    cr_expect (s_shows (canvas, "pause agent-00? y/n"));
    sb_canvas_destroy (&canvas);
    cr_expect_eq (sb_grid_key (&grid, &view, 'n'), SB_GRID_NOTHING);
    cr_expect_eq (view.mode, SB_GRID_BROWSE);
    sb_grid_key (&grid, &view, 'p');
    cr_expect_eq (sb_grid_key (&grid, &view, 'y'), SB_GRID_PAUSE);
    sb_grid_key (&grid, &view, 'r');
    cr_expect_eq (sb_grid_key (&grid, &view, 'y'), SB_GRID_RESUME);
    cr_expect_str_eq (view.selected, "agent-00");
}

static sb_grid_action_t s_type (const sb_grid_t *grid, sb_grid_view_t *view, const char *keys)
{
    sb_grid_action_t action = SB_GRID_NOTHING;
    for (; *keys; keys++)
        action = sb_grid_key (grid, view, *keys);
    return action;
}

Test (grid, emergency_stop_needs_the_word)
{
    sb_grid_t grid = s_grid (3);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    cr_expect_eq (s_type (&grid, &view, "Estop\n"), SB_GRID_STOP);
    cr_expect_eq (s_type (&grid, &view, "E\n"), SB_GRID_NOTHING);
    cr_expect_eq (s_type (&grid, &view, "Esto\n"), SB_GRID_NOTHING);
    cr_expect_eq (s_type (&grid, &view, "Estopp\n"), SB_GRID_NOTHING);
    cr_expect_eq (s_type (&grid, &view, "Estopp\b\n"), SB_GRID_STOP);
    cr_expect_eq (s_type (&grid, &view, "Estop\033\n"), SB_GRID_NOTHING);
    cr_expect_eq (view.mode, SB_GRID_BROWSE);
    cr_expect_eq (s_type (&grid, &view, "stop\n"), SB_GRID_NOTHING);
    cr_expect_eq (s_type (&grid, &view, "Eq"), SB_GRID_NOTHING, "q is a letter while typing");
}

Test (grid, q_quits_and_s_goes_round)
{
    sb_grid_t grid = s_grid (0);
    sb_grid_view_t view = {.has_header = true, .has_footer = true};
    for (int i = 0; i < SB_GRID_BY_COUNT; i++) {
        cr_expect_eq (view.order, (sb_grid_order_t)i);
        sb_grid_key (&grid, &view, 's');
    }
    cr_expect_eq (view.order, SB_GRID_BY_AGENT);
    cr_expect_eq (sb_grid_key (&grid, &view, 'p'), SB_GRID_NOTHING);
    cr_expect_eq (view.mode, SB_GRID_BROWSE, "nobody to pause");
    cr_expect_eq (sb_grid_key (&grid, &view, 'q'), SB_GRID_QUIT);
}

/* A page with one record for one agent. */
static sb_pages_t s_pages (int64_t accepted, sb_parameter_t *columns, sb_record_t *record)
{
    static sb_page_t page;
    columns[0] =
        (sb_parameter_t){.name = sb_text ("agent_id"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("feed")}};
    columns[1] =
        (sb_parameter_t){.name = sb_text ("accepted"), .value = {.kind = SB_VALUE_INTEGER, .integer = accepted}};
    columns[2] = (sb_parameter_t){.name = sb_text ("status"), .value = {.kind = SB_VALUE_INTEGER, .integer = 3}};
    *record = (sb_record_t){.columns = columns, .column_count = 3};
    page.reply = (sb_command_reply_t){.records = record, .record_count = 1};
    return (sb_pages_t){.items = &page, .count = 1};
}

Test (grid, rate_is_the_difference_of_two_readings)
{
    sb_grid_t grid = {.read_ms = 0};
    sb_parameter_t columns[3];
    sb_record_t record;
    sb_pages_t pages = s_pages (100, columns, &record);
    sb_grid_set_agents (&grid, &pages, 1000);
    cr_expect (isnan (grid.rows[0].rate_per_s));
    cr_expect_str_eq (grid.rows[0].status, "3", "whatever kind the agent wrote");
    pages = s_pages (350, columns, &record);
    sb_grid_set_agents (&grid, &pages, 3000);
    cr_expect_float_eq (grid.rows[0].rate_per_s, 125, 1e-9);
    pages = s_pages (5, columns, &record);
    sb_grid_set_agents (&grid, &pages, 4000);
    cr_expect (isnan (grid.rows[0].rate_per_s), "a broker that began anew");
    sb_grid_clear (&grid);
}

Test (canvas, runs_share_one_mark_and_ascii_stands_for_utf8)
{
    sb_canvas_t *canvas = sb_canvas_new (6, 1);
    char text[32];
    sb_mark_t mark;
    cr_expect_eq (sb_canvas_text (canvas, 0, 0, 3, "\xc3\xa9tude", SB_MARK_BAD), 3);
    cr_expect_eq (sb_canvas_run (canvas, 0, 0, true, text, sizeof (text), &mark), 3);
    cr_expect_str_eq (text, "\xc3\xa9t\xe2\x80\xa6");
    cr_expect_eq (mark, SB_MARK_BAD);
    cr_expect_eq (sb_canvas_run (canvas, 0, 0, false, text, sizeof (text), &mark), 3);
    cr_expect_str_eq (text, "?t~");
    cr_expect_eq (sb_canvas_run (canvas, 0, 3, true, text, sizeof (text), &mark), 3);
    cr_expect_eq (sb_canvas_run (canvas, 0, 6, true, text, sizeof (text), &mark), 0);
    cr_expect_eq (sb_canvas_text (canvas, 0, 6, 3, "x", SB_MARK_BAD), 0, "outside");
    cr_expect_eq (sb_canvas_text (canvas, 1, 0, 3, "x", SB_MARK_BAD), 0, "outside");
    sb_canvas_destroy (&canvas);
}

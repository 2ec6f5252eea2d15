/* SPDX-License-Identifier: MPL-2.0
 *
 * The picture of the grid.
 *
 * Every column has a least width, in which any value can be told in short, and a rank. Columns are left out from the
 * lowest rank up until the rest fits (all thirteen do at 80 cells). Where a status would be cut, some columns more make
 * room for it. What room is left goes to those whose values are longer. Numbers are never cut: they are written
 * shorter.
 */
#include "sb_grid.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef enum {
    COLUMN_AGENT,
    COLUMN_STATUS,
    COLUMN_CONFIDENCE,
    COLUMN_SIGNAL,
    COLUMN_PNL,
    COLUMN_HEALTH,
    COLUMN_BREAKER,
    COLUMN_LIVENESS,
    COLUMN_RATE,
    COLUMN_RESPONSE,
    COLUMN_QUEUE,
    COLUMN_BACKLOG,
    COLUMN_DROPS,
    COLUMN_COUNT
} column_t;

typedef struct {
    const char *title;
    const char *short_title; /* fits in `least` */
    uint32_t least;
    uint32_t most;
    uint32_t rank; /* the lowest goes first */
    bool is_number;
    bool is_own_word; /* what the agent says of itself: of one that is DEAD no news */
} column_info_t;

static const column_info_t s_columns[COLUMN_COUNT] = {
    [COLUMN_AGENT] = {"AGENT", "AGENT", 10, 32, 13, false, false},
    [COLUMN_STATUS] = {"STATUS", "STATUS", 6, 24, 9, false, true},
    [COLUMN_CONFIDENCE] = {"CONF", "CONF", 4, 5, 3, true, true},
    [COLUMN_SIGNAL] = {"SIGNAL", "SIG", 5, 24, 6, false, true},
    [COLUMN_PNL] = {"PNL", "PNL", 7, 12, 7, true, true},
    [COLUMN_HEALTH] = {"H", "H", 1, 1, 12, false, false},
    [COLUMN_BREAKER] = {"BREAKER", "BRKR", 6, 11, 10, false, false},
    [COLUMN_LIVENESS] = {"LIVENESS", "LIVE", 4, 10, 11, false, false},
    [COLUMN_RATE] = {"RATE/s", "RATE", 5, 8, 8, true, true},
    [COLUMN_RESPONSE] = {"RESPONSE", "RESP", 6, 8, 5, true, true},
    [COLUMN_QUEUE] = {"QUEUE", "QLEN", 4, 8, 2, true, true},
    [COLUMN_BACKLOG] = {"BACKLOG", "BKLOG", 5, 10, 4, true, false},
    [COLUMN_DROPS] = {"DROPS", "DROP", 4, 10, 1, true, false},
};

static const char *const s_orders[] = {"agent", "trouble", "rate", "pnl", "backlog", "drops"};

enum { FULL_HEADER_MIN_HEIGHT = 5 };

/* A word and what it is where room is short. */
static const char *s_word (const char *word, bool is_short)
{
    static const struct {
        const char *word;
        const char *brief;
    } words[] = {{"REGISTERED", "REG"},  {"SUSPECT", "SUSP"},   {"OFFLINE", "OFFL"},
                 {"RECOVERING", "RECV"}, {"HALF_OPEN", "HALF"}, {"FORCED_OPEN", "FORCED"}};
    for (size_t i = 0; is_short && i < sizeof (words) / sizeof (words[0]); i++)
        if (strcmp (word, words[i].word) == 0)
            return words[i].brief;
    return word;
}

/* One letter: + healthy, P paused, S paused by itself, B behind as a reader, M mute, - offline, x none of these. */
static const char *s_health_letter (const sb_grid_row_t *row)
{
    if (strcmp (row->liveness, "OFFLINE") == 0)
        return "-";
    if (row->is_mute)
        return "M";
    if (!row->is_healthy)
        return "x";
    return row->is_paused ? "P" : row->is_self_paused ? "S" : sb_grid_is_behind (row) ? "B" : "+";
}

/* A count as it stands, or short. */
static const char *s_count (double number, bool is_short, char *text)
{
    if (is_short || isnan (number) || fabs (number) > 1e15)
        return sb_display_short (number, text);
    return sb_display_integer ((int64_t)llround (number), text);
}

static const char *s_pnl (double pnl, bool is_short, char *text)
{
    if (is_short || isnan (pnl) || fabs (pnl) > 1e8)
        return sb_display_short (pnl, text);
    snprintf (text, SB_DISPLAY_SIZE, "%.2f", pnl);
    return text;
}

/* A cell's text. */
static const char *s_cell (const sb_grid_row_t *row, column_t column, bool is_short, char *text)
{
    switch (column) {
    case COLUMN_AGENT:
        return row->agent_id;
    case COLUMN_STATUS:
        return row->status;
    case COLUMN_CONFIDENCE:
        return sb_display_short (row->confidence, text);
    case COLUMN_SIGNAL:
        return row->last_signal;
    case COLUMN_PNL:
        return s_pnl (row->pnl, is_short, text);
    case COLUMN_HEALTH:
        return s_health_letter (row);
    case COLUMN_BREAKER:
        return s_word (row->breaker, is_short);
    case COLUMN_LIVENESS:
        return s_word (row->liveness, is_short);
    case COLUMN_RATE:
        return s_count (row->rate_per_s, is_short, text);
    case COLUMN_RESPONSE:
        return sb_display_duration_ns (row->response_ns, text);
    case COLUMN_QUEUE:
        return s_count (row->queue_depth, is_short, text);
    case COLUMN_BACKLOG:
        return s_count (row->backlog, is_short, text);
    case COLUMN_DROPS:
        return s_count (row->drops, is_short, text);
    case COLUMN_COUNT:
        break;
    }
    return "";
}

static sb_mark_t s_cell_mark (const sb_grid_row_t *row, column_t column)
{
    bool is_dead = strcmp (row->liveness, "DEAD") == 0;
    if (strcmp (row->liveness, "OFFLINE") == 0 || (is_dead && s_columns[column].is_own_word))
        return SB_MARK_DIM;
    switch (column) {
    case COLUMN_HEALTH:
        if (row->is_paused || row->is_self_paused || (row->is_healthy && sb_grid_is_behind (row)))
            return SB_MARK_WARNING;
        return row->is_healthy ? SB_MARK_GOOD : SB_MARK_BAD;
    case COLUMN_BREAKER:
        return sb_display_mark ((sb_text_t){row->breaker, (uint32_t)strlen (row->breaker)});
    case COLUMN_LIVENESS:
        return sb_display_mark ((sb_text_t){row->liveness, (uint32_t)strlen (row->liveness)});
    case COLUMN_PNL:
        return row->pnl > 0 ? SB_MARK_GOOD : row->pnl < 0 ? SB_MARK_BAD : SB_MARK_PLAIN;
    case COLUMN_BACKLOG:
        return sb_grid_is_behind (row) ? SB_MARK_BAD : SB_MARK_PLAIN;
    case COLUMN_DROPS:
        return row->drops > 0 ? SB_MARK_WARNING : SB_MARK_PLAIN;
    default:
        return SB_MARK_PLAIN;
    }
}

/* The width of each column, 0 for those left out. */
typedef struct {
    uint32_t widths[COLUMN_COUNT];
} layout_t;

static uint32_t s_layout_width (const layout_t *layout)
{
    uint32_t width = 0;
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (layout->widths[i])
            width += layout->widths[i] + (width ? 1 : 0);
    return width;
}

/* Leaves out what does not fit; the agent stays whatever happens. */
static void s_drop_columns (const sb_grid_view_t *view, layout_t *layout, uint32_t width)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        layout->widths[i] = s_columns[i].least;
    if (view->hides_rate)
        layout->widths[COLUMN_RATE] = 0;
    for (uint32_t rank = 1; rank < COLUMN_COUNT && s_layout_width (layout) > width; rank++)
        for (int i = 0; i < COLUMN_COUNT; i++)
            if (s_columns[i].rank == rank)
                layout->widths[i] = 0;
}

/* The width in which nothing of a column is short, within its bounds. */
static uint32_t s_wanted (const sb_grid_t *self, column_t column, uint32_t first, uint32_t end)
{
    char text[SB_DISPLAY_SIZE];
    const column_info_t *info = &s_columns[column];
    uint32_t wanted = (uint32_t)strlen (info->title);
    for (uint32_t i = first; i < end; i++) {
        uint32_t width = sb_display_width (s_cell (&self->rows[i], column, false, text));
        wanted = width > wanted ? width : wanted;
    }
    return wanted > info->most ? info->most : wanted < info->least ? info->least : wanted;
}

/* True when the column shows what one looks for: drops that there are, a reader that is behind. */
static bool s_has_news (const sb_grid_t *self, column_t column)
{
    for (uint32_t i = 0; i < self->row_count; i++)
        if ((column == COLUMN_DROPS && self->rows[i].drops > 0) ||
            (column == COLUMN_BACKLOG && sb_grid_is_behind (&self->rows[i])))
            return true;
    return false;
}

/* Leaves out what a whole status is worth more than, and gives it the room. A column with news stays. */
static void s_make_room (const sb_grid_t *self, layout_t *layout, uint32_t width, uint32_t first, uint32_t end)
{
    static const column_t dispensable[] = {COLUMN_QUEUE, COLUMN_DROPS, COLUMN_BACKLOG};
    uint32_t has = layout->widths[COLUMN_STATUS];
    uint32_t wanted = has ? s_wanted (self, COLUMN_STATUS, first, end) : 0;
    for (size_t i = 0; i < sizeof (dispensable) / sizeof (dispensable[0]); i++)
        if (wanted > has && s_layout_width (layout) + wanted - has > width && !s_has_news (self, dispensable[i]))
            layout->widths[dispensable[i]] = 0;
    uint32_t used = s_layout_width (layout);
    uint32_t room = used < width ? width - used : 0;
    if (wanted > has)
        layout->widths[COLUMN_STATUS] += wanted - has < room ? wanted - has : room;
}

/* Gives what room is left to the columns that want more, a cell each in turn. */
static void s_widen (const sb_grid_t *self, layout_t *layout, uint32_t width, uint32_t first, uint32_t end)
{
    uint32_t wanted[COLUMN_COUNT];
    uint32_t used = s_layout_width (layout);
    bool has_grown = true;
    for (column_t i = 0; i < COLUMN_COUNT; i++)
        wanted[i] = layout->widths[i] ? s_wanted (self, i, first, end) : 0;
    while (has_grown) {
        has_grown = false;
        for (int i = 0; i < COLUMN_COUNT && used < width; i++)
            if (layout->widths[i] < wanted[i]) {
                layout->widths[i]++;
                used++;
                has_grown = true;
            }
    }
}

static void s_draw_row (const layout_t *layout, uint32_t line, const sb_grid_row_t *row, bool is_selected,
                        bool is_stale, sb_canvas_t *canvas)
{
    char text[SB_DISPLAY_SIZE];
    uint32_t at = 0;
    if (is_selected)
        sb_canvas_mark (canvas, line, 0, sb_canvas_width (canvas), SB_MARK_SELECTED);
    for (column_t i = 0; i < COLUMN_COUNT; i++) {
        uint32_t width = layout->widths[i];
        if (width == 0)
            continue;
        const char *cell = s_cell (row, i, false, text);
        if (sb_display_width (cell) > width)
            cell = s_cell (row, i, true, text);
        sb_mark_t mark = is_selected ? SB_MARK_SELECTED : is_stale ? SB_MARK_DIM : s_cell_mark (row, i);
        if (s_columns[i].is_number)
            sb_canvas_text_right (canvas, line, at, width, cell, mark);
        else
            sb_canvas_text (canvas, line, at, width, cell, mark);
        at += width + 1;
    }
}

static void s_draw_titles (const layout_t *layout, uint32_t line, sb_canvas_t *canvas)
{
    uint32_t at = 0;
    sb_canvas_mark (canvas, line, 0, sb_canvas_width (canvas), SB_MARK_TITLE);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        const column_info_t *info = &s_columns[i];
        uint32_t width = layout->widths[i];
        if (width == 0)
            continue;
        const char *title = strlen (info->title) <= width ? info->title : info->short_title;
        if (info->is_number)
            sb_canvas_text_right (canvas, line, at, width, title, SB_MARK_TITLE);
        else
            sb_canvas_text (canvas, line, at, width, title, SB_MARK_TITLE);
        at += width + 1;
    }
}

/* Parts of a header line, each put only where it fits whole. */
typedef struct {
    sb_canvas_t *canvas;
    uint32_t line;
    uint32_t at;
} pen_t;

static void s_put (pen_t *pen, const char *text, sb_mark_t mark)
{
    uint32_t room = sb_canvas_width (pen->canvas) - pen->at;
    uint32_t width = sb_display_width (text);
    /* The first part is cut rather than left out. */
    if (pen->at > 0 && width > room)
        return;
    pen->at += sb_canvas_text (pen->canvas, pen->line, pen->at, room, text, mark);
    pen->at += pen->at + 2 < sb_canvas_width (pen->canvas) ? 2 : sb_canvas_width (pen->canvas) - pen->at;
}

/* What was read from a broker that does not answer any more is dim, and says from when it is. */
static void s_draw_broker (const sb_grid_t *self, const sb_grid_view_t *view, uint32_t line, sb_canvas_t *canvas)
{
    bool is_stale = view->trouble[0];
    char text[SB_GRID_LINE_SIZE * 2];
    char part[SB_DISPLAY_SIZE];
    char other[SB_DISPLAY_SIZE];
    pen_t pen = {canvas, line, 0};
    snprintf (text, sizeof (text), "SyncBus %s", self->endpoint);
    s_put (&pen, text, SB_MARK_TITLE);
    if (is_stale && view->stale_since[0]) {
        snprintf (text, sizeof (text), "stale since %s", view->stale_since);
        s_put (&pen, text, SB_MARK_BAD);
    }
    if (!self->read_ms)
        return;
    sb_mark_t plain = is_stale ? SB_MARK_DIM : SB_MARK_PLAIN;
    snprintf (text, sizeof (text), "up %s", sb_display_duration_ns (self->uptime_ns, part));
    s_put (&pen, text, plain);
    sb_mark_t mark =
        is_stale ? SB_MARK_DIM : sb_display_mark ((sb_text_t){self->indicator, (uint32_t)strlen (self->indicator)});
    snprintf (text, sizeof (text), "health %.2f %s", self->health_score, self->indicator);
    s_put (&pen, isnan (self->health_score) ? "health -" : text, mark);
    snprintf (text, sizeof (text), "healthy %s/%s", sb_display_short (self->healthy, part),
              sb_display_short (self->total, other));
    s_put (&pen, text, plain);
    snprintf (text, sizeof (text), "version %s", self->version);
    s_put (&pen, text, SB_MARK_DIM);
}

static void s_draw_latch (const sb_grid_t *self, const sb_grid_view_t *view, uint32_t line, sb_canvas_t *canvas)
{
    char text[SB_GRID_LINE_SIZE * 2];
    char part[SB_DISPLAY_SIZE];
    pen_t pen = {canvas, line, 0};
    if (!self->is_stopped) {
        s_put (&pen, self->read_ms ? "running" : "", view->trouble[0] ? SB_MARK_DIM : SB_MARK_GOOD);
        return;
    }
    snprintf (text, sizeof (text), "EMERGENCY STOP epoch %llu", (unsigned long long)self->latch_epoch);
    s_put (&pen, text, SB_MARK_BAD);
    if (self->latch_unconfirmed > 0) {
        snprintf (text, sizeof (text), "%s not confirmed", sb_display_short (self->latch_unconfirmed, part));
        s_put (&pen, text, SB_MARK_BAD);
    }
    s_put (&pen, self->latch_text, SB_MARK_WARNING);
}

static void s_draw_rates (const sb_grid_t *self, const sb_grid_view_t *view, uint32_t line, sb_canvas_t *canvas)
{
    char text[SB_DISPLAY_SIZE * 2];
    char part[SB_DISPLAY_SIZE];
    char other[SB_DISPLAY_SIZE];
    pen_t pen = {canvas, line, 0};
    if (view->trouble[0]) {
        s_put (&pen, view->trouble, SB_MARK_BAD);
        return;
    }
    snprintf (text, sizeof (text), "deltas %s/s", sb_display_short (self->deltas_per_s, part));
    s_put (&pen, text, SB_MARK_PLAIN);
    snprintf (text, sizeof (text), "publications %s/s", sb_display_short (self->publications_per_s, part));
    s_put (&pen, text, SB_MARK_PLAIN);
    snprintf (text, sizeof (text), "p99 merge %s end to end %s", sb_display_duration_ns (self->merge_p99_ns, part),
              sb_display_duration_ns (self->end_to_end_p99_ns, other));
    s_put (&pen, text, SB_MARK_PLAIN);
    snprintf (text, sizeof (text), "%u agent%s by %s", self->row_count, self->row_count == 1 ? "" : "s",
              s_orders[view->order]);
    s_put (&pen, text, SB_MARK_DIM);
}

static void s_draw_footer (const sb_grid_view_t *view, uint32_t line, sb_canvas_t *canvas)
{
    char text[SB_GRID_LINE_SIZE];
    sb_mark_t mark = SB_MARK_WARNING;
    switch (view->mode) {
    case SB_GRID_CONFIRM_PAUSE:
        snprintf (text, sizeof (text), "pause %s? y/n", view->selected);
        break;
    case SB_GRID_CONFIRM_RESUME:
        snprintf (text, sizeof (text), "resume %s? y/n", view->selected);
        break;
    case SB_GRID_TYPE_STOP:
        snprintf (text, sizeof (text), "EMERGENCY STOP of everything: type stop and Enter, or Esc: %s_", view->typed);
        mark = SB_MARK_BAD;
        break;
    default:
        if (view->message[0])
            snprintf (text, sizeof (text), "%s", view->message);
        else
            snprintf (text, sizeof (text), "q quit  s sort (by %s)  p pause  r resume  E emergency stop  h help",
                      s_orders[view->order]);
        mark = view->message_is_bad ? SB_MARK_BAD : view->message[0] ? SB_MARK_GOOD : SB_MARK_DIM;
    }
    sb_canvas_text (canvas, line, 0, sb_canvas_width (canvas), text, mark);
}

static void s_draw_help (uint32_t line, uint32_t end, sb_canvas_t *canvas)
{
    static const char *const lines[] = {
        "q             quit",
        "up down j k   move; PgUp PgDn Home End",
        "s             sort: agent, trouble, rate, pnl, backlog, drops",
        "p r           pause or resume the selected agent",
        "E             emergency stop of everything",
        "",
        "H  + healthy  P paused  S paused by itself  B behind as a reader  M mute",
        "   x unhealthy  - offline",
        "RATE accepted deltas a second   RESP mean time of its handler",
        "QUEUE waiting for its handler   BACKLOG published and not yet seen; behind: over 1000",
        "DROPS publications that it knows it lost",
        "where room is short: SIG signal  BRKR breaker  QLEN queue  BKLOG backlog",
        "",
        "any key goes back",
    };
    for (size_t i = 0; i < sizeof (lines) / sizeof (lines[0]) && line < end; i++)
        sb_canvas_text (canvas, line++, 0, sb_canvas_width (canvas), lines[i], SB_MARK_PLAIN);
}

/* Three lines; or one, then the worst news there is. */
static void s_draw_header (const sb_grid_t *self, const sb_grid_view_t *view, uint32_t lines, sb_canvas_t *canvas)
{
    if (lines == 1 && view->trouble[0])
        s_draw_rates (self, view, 0, canvas);
    else if (lines == 1 && self->is_stopped)
        s_draw_latch (self, view, 0, canvas);
    else if (lines > 0)
        s_draw_broker (self, view, 0, canvas);
    if (lines > 1) {
        s_draw_latch (self, view, 1, canvas);
        s_draw_rates (self, view, 2, canvas);
    }
}

static uint32_t s_header_height (const sb_grid_view_t *view, uint32_t height)
{
    /* On a very low screen the agents matter more. */
    return !view->has_header ? 0 : height >= FULL_HEADER_MIN_HEIGHT ? 3 : height >= 4 ? 1 : 0;
}

uint32_t sb_grid_height (const sb_grid_t *self, const sb_grid_view_t *view)
{
    return (view->has_header ? 3 : 0) + 1 + (self->row_count ? self->row_count : 1);
}

/* Row number of the selected agent, moving the view so that it is seen; the first row when it is gone. */
static uint32_t s_scroll (const sb_grid_t *self, sb_grid_view_t *view)
{
    uint32_t selected = 0;
    for (uint32_t i = 0; i < self->row_count; i++)
        if (strcmp (self->rows[i].agent_id, view->selected) == 0)
            selected = i;
    uint32_t last_first = self->row_count > view->page ? self->row_count - view->page : 0;
    if (selected < view->first)
        view->first = selected;
    if (view->page && selected >= view->first + view->page)
        view->first = selected - view->page + 1;
    if (view->first > last_first)
        view->first = last_first;
    return selected;
}

void sb_grid_render (const sb_grid_t *self, sb_grid_view_t *view, sb_canvas_t *canvas)
{
    layout_t layout;
    uint32_t width = sb_canvas_width (canvas);
    uint32_t height = sb_canvas_height (canvas);
    uint32_t header = s_header_height (view, height);
    uint32_t footer = view->has_footer && height >= 3 ? 1 : 0;
    s_draw_header (self, view, header, canvas);
    view->page = height > header + 1 + footer ? height - header - 1 - footer : 0;
    uint32_t selected = s_scroll (self, view);
    uint32_t end = view->first + view->page < self->row_count ? view->first + view->page : self->row_count;
    s_drop_columns (view, &layout, width);
    s_make_room (self, &layout, width, view->first, end);
    s_widen (self, &layout, width, view->first, end);
    s_draw_titles (&layout, header, canvas);
    if (view->mode == SB_GRID_HELP)
        s_draw_help (header + 1, height - footer, canvas);
    else
        for (uint32_t i = view->first; i < end; i++)
            s_draw_row (&layout, header + 1 + i - view->first, &self->rows[i], view->has_footer && i == selected,
                        view->trouble[0], canvas);
    if (self->row_count == 0 && view->mode != SB_GRID_HELP && view->page)
        sb_canvas_text (canvas, header + 1, 0, width, self->read_ms ? "no agents yet" : "", SB_MARK_DIM);
    if (footer)
        s_draw_footer (view, height - 1, canvas);
}

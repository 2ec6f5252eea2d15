/* SPDX-License-Identifier: MPL-2.0
 *
 * The live grid of agents: what is known (model), how it is looked at (view), the picture of it (canvas), and what a
 * key does to the view. Pure: no terminal, no clock, no socket.
 */
#ifndef SB_GRID_H
#define SB_GRID_H

#include "sb_canvas.h"
#include "sb_pages.h"

enum { SB_GRID_TEXT_SIZE = 40, SB_GRID_LINE_SIZE = 400 };

/* One agent. Numbers are NaN where they are not known. */
typedef struct {
    char agent_id[SB_ID_MAX + 1];
    char status[SB_GRID_TEXT_SIZE];
    char last_signal[SB_GRID_TEXT_SIZE];
    char liveness[SB_GRID_TEXT_SIZE];
    char breaker[SB_GRID_TEXT_SIZE];
    bool is_paused; /* by an operator */
    bool is_self_paused;
    bool is_mute;
    bool is_healthy;
    double confidence;
    double pnl;
    double accepted;    /* deltas in all, to take the rate from */
    double rate_per_s;  /* accepted deltas, between the last two readings */
    double response_ns; /* mean of its handler */
    double queue_depth;
    double backlog;
    double drops;
} sb_grid_row_t;

/* All that is shown. */
typedef struct {
    char endpoint[SB_GRID_LINE_SIZE];
    char version[SB_GRID_TEXT_SIZE];
    double uptime_ns;
    bool is_stopped;
    uint64_t latch_epoch;
    char latch_text[SB_GRID_LINE_SIZE]; /* who and why */
    double latch_unconfirmed;           /* agents */
    double health_score;
    char indicator[SB_GRID_TEXT_SIZE];
    double healthy;
    double total;
    double deltas_per_s;
    double publications_per_s;
    double merge_p99_ns;
    double end_to_end_p99_ns;
    sb_grid_row_t *rows;
    uint32_t row_count;
    int64_t read_ms; /* when the rows were read, on the caller's clock; 0: never */
} sb_grid_t;

/* What rows are sorted by; the first is by name, the others the largest, or the worst, first. */
typedef enum {
    SB_GRID_BY_AGENT,
    SB_GRID_BY_TROUBLE,
    SB_GRID_BY_RATE,
    SB_GRID_BY_PNL,
    SB_GRID_BY_BACKLOG,
    SB_GRID_BY_DROPS,
    SB_GRID_BY_COUNT
} sb_grid_order_t;

/* What the keyboard is for just now. */
typedef enum {
    SB_GRID_BROWSE,
    SB_GRID_HELP,
    SB_GRID_CONFIRM_PAUSE,
    SB_GRID_CONFIRM_RESUME,
    SB_GRID_TYPE_STOP
} sb_grid_mode_t;

/* How it is looked at. */
typedef struct {
    sb_grid_order_t order;
    sb_grid_mode_t mode;
    char selected[SB_ID_MAX + 1];    /* agent id; "": none yet */
    uint32_t first;                  /* row at the top */
    uint32_t page;                   /* rows that fit; set by sb_grid_render */
    char typed[8];                   /* in SB_GRID_TYPE_STOP */
    char message[SB_GRID_LINE_SIZE]; /* bottom line; "": the keys */
    bool message_is_bad;
    char trouble[SB_GRID_LINE_SIZE];     /* the broker is away: shown instead of the rates; "": it is there */
    char stale_since[SB_GRID_TEXT_SIZE]; /* time of the last reading, with trouble; "": nothing was read */
    bool has_header;
    bool has_footer;
    bool hides_rate; /* one reading only: no rate can be taken */
} sb_grid_view_t;

/* Keys that are no characters. */
enum { SB_KEY_UP = 0x110000, SB_KEY_DOWN, SB_KEY_PAGE_UP, SB_KEY_PAGE_DOWN, SB_KEY_HOME, SB_KEY_END };
enum { SB_KEY_ENTER = '\n', SB_KEY_ESCAPE = 27, SB_KEY_BACKSPACE = 8 };

/* What the caller is to do about a key. */
typedef enum {
    SB_GRID_NOTHING,
    SB_GRID_QUIT,
    SB_GRID_PAUSE,  /* the selected agent; confirmed */
    SB_GRID_RESUME, /* the selected agent; confirmed */
    SB_GRID_STOP    /* everything; typed */
} sb_grid_action_t;

/* True when an agent has not seen so much of what it reads that the broker says BEHIND of it. */
bool sb_grid_is_behind (const sb_grid_row_t *row);

/* Forgets the rows. */
void sb_grid_clear (sb_grid_t *self);

/* Takes the first record of `status`, the first of `health`, all of `list_agents`; the latter at `now_ms`, for the
 * rates. Missing columns are unknown. */
void sb_grid_set_status (sb_grid_t *self, const sb_record_t *status);
void sb_grid_set_health (sb_grid_t *self, const sb_record_t *health);
void sb_grid_set_agents (sb_grid_t *self, const sb_pages_t *agents, int64_t now_ms);

/* Sorts the rows; equal ones by agent id. */
void sb_grid_sort (sb_grid_t *self, sb_grid_order_t order);

/* Lines that the whole grid takes with its header and without a footer. */
uint32_t sb_grid_height (const sb_grid_t *self, const sb_grid_view_t *view);

/* Draws on a blank canvas of any size. Moves view->first so that the selected row is seen, and sets view->page. Columns
 * that do not fit are left out, the least important first. */
void sb_grid_render (const sb_grid_t *self, sb_grid_view_t *view, sb_canvas_t *canvas);

/* What a key does: changes the view, says what else is to be done. */
sb_grid_action_t sb_grid_key (const sb_grid_t *self, sb_grid_view_t *view, int key);

#endif

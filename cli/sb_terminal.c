/* SPDX-License-Identifier: MPL-2.0
 *
 * The grid on a terminal. One poll over keyboard, poller and the connection for orders; nothing here waits for the
 * broker. Orders (pause, resume, stop) go over a connection of their own, so that a slow reading does not hold them
 * up. The picture is drawn in memory (sb_grid_render) and copied to the screen; ncurses sends what differs.
 */
#include "sb_terminal.h"

#include <assert.h>
#include <czmq.h>
#include <langinfo.h>
#include <ncurses.h>

#include "sb_names.h"
#include "sb_poller.h"
#include "sb_reply.h"

enum { ORDER_ARENA_BYTES = 4 << 20, TURN_MS = 250, SIDE_MAX = 10000 };

typedef struct {
    sb_run_t *run;
    sb_poller_t *poller;
    sb_client_t *orders;
    sb_arena_t *arena; /* for orders */
    sb_grid_t grid;
    sb_grid_view_t view;
    int64_t next_ms;               /* when to read next */
    int64_t read_unix_ns;          /* when the grid was read last; 0: never */
    int64_t lost_ms;               /* since when the broker is away; 0: it is there */
    int64_t order_ms;              /* until when an order's answer is awaited; 0: none is */
    char order[SB_GRID_LINE_SIZE]; /* in words */
    bool is_utf8;
} terminal_t;

/* The terminal's way to show a mark. */
static attr_t s_attribute (sb_mark_t mark)
{
    attr_t colour = has_colors () ? COLOR_PAIR ((short)mark) : A_NORMAL;
    switch (mark) {
    case SB_MARK_GOOD:
    case SB_MARK_WARNING:
        return colour;
    case SB_MARK_BAD:
        return colour | A_BOLD;
    case SB_MARK_DIM:
        return A_DIM;
    case SB_MARK_TITLE:
        return A_BOLD | A_UNDERLINE;
    case SB_MARK_SELECTED:
        return A_REVERSE;
    case SB_MARK_PLAIN:
        break;
    }
    return A_NORMAL;
}

static void s_open_screen (terminal_t *self)
{
    const char *no_colour = getenv ("NO_COLOR");
    initscr ();
    cbreak ();
    noecho ();
    nonl ();
    curs_set (0);
    keypad (stdscr, TRUE);
    nodelay (stdscr, TRUE);
    set_escdelay (50);
    if (has_colors () && !(no_colour && *no_colour)) {
        start_color ();
        use_default_colors ();
        init_pair (SB_MARK_GOOD, COLOR_GREEN, -1);
        init_pair (SB_MARK_WARNING, COLOR_YELLOW, -1);
        init_pair (SB_MARK_BAD, COLOR_RED, -1);
    }
    self->is_utf8 = strcmp (nl_langinfo (CODESET), "UTF-8") == 0;
}

static void s_draw (terminal_t *self)
{
    int height = LINES < 1 ? 1 : LINES > SIDE_MAX ? SIDE_MAX : LINES;
    int width = COLS < 1 ? 1 : COLS > SIDE_MAX ? SIDE_MAX : COLS;
    char text[256];
    sb_mark_t mark;
    if (self->lost_ms) {
        int code;
        char since[SB_DISPLAY_SIZE];
        sb_display_duration_ns ((double)((zclock_mono () - self->lost_ms) / 1000) * 1e9, since);
        snprintf (self->view.trouble, sizeof (self->view.trouble), "%.340s (for %.20s)",
                  sb_poller_problem (self->poller, &code), since);
        /* 2024-08-09 12:00:01.123Z: the time of day is enough. */
        sb_display_time (self->read_unix_ns, since);
        bool was_read = self->read_unix_ns > 0;
        snprintf (self->view.stale_since, sizeof (self->view.stale_since), "%.8s%s", was_read ? since + 11 : "",
                  was_read ? "Z" : "");
    } else
        self->view.trouble[0] = 0;
    sb_canvas_t *canvas = sb_canvas_new ((uint32_t)width, (uint32_t)height);
    sb_grid_render (&self->grid, &self->view, canvas);
    for (int line = 0; line < height; line++) {
        uint32_t cells;
        for (uint32_t column = 0; column < (uint32_t)width; column += cells) {
            cells = sb_canvas_run (canvas, (uint32_t)line, column, self->is_utf8, text, sizeof (text), &mark);
            attrset (s_attribute (mark));
            mvaddstr (line, (int)column, text);
        }
    }
    sb_canvas_destroy (&canvas);
    refresh ();
}

static void s_say (terminal_t *self, bool is_bad, const char *text)
{
    snprintf (self->view.message, sizeof (self->view.message), "%.*s", (int)sizeof (self->view.message) - 1, text);
    self->view.message_is_bad = is_bad;
}

/* Sends an order; its answer comes later. */
static void s_order (terminal_t *self, sb_grid_action_t action)
{
    static const struct {
        const char *command;
        const char *words;
    } orders[] = {[SB_GRID_PAUSE] = {"pause_agent", "pause"},
                  [SB_GRID_RESUME] = {"resume_agent", "resume"},
                  [SB_GRID_STOP] = {"emergency_stop", "EMERGENCY STOP"}};
    sb_command_request_t request = sb_run_request (self->run, orders[action].command);
    if (action != SB_GRID_STOP)
        request.agent_id = sb_text (self->view.selected);
    if (request.reason.size == 0)
        request.reason = sb_text ("from syncbus top");
    snprintf (self->order, sizeof (self->order), action == SB_GRID_STOP ? "%s" : "%s %s", orders[action].words,
              self->view.selected);
    sb_arena_reset (self->arena);
    sb_client_outcome_t outcome = sb_client_send (self->orders, &request, self->arena);
    self->order_ms = outcome == SB_CLIENT_ANSWERED ? zclock_mono () + self->run->timeout_ms + SB_CLIENT_GRACE_MS : 0;
    if (outcome == SB_CLIENT_ANSWERED)
        s_say (self, false, "sent, waiting for the broker");
    else
        s_say (self, true, sb_client_problem (self->orders, outcome));
}

/* Looks whether an order was answered. */
static void s_await_order (terminal_t *self)
{
    sb_command_reply_t reply;
    char text[SB_DISPLAY_SIZE];
    char line[SB_DISPLAY_SIZE * 2];
    if (!self->order_ms)
        return;
    sb_arena_reset (self->arena);
    sb_client_outcome_t outcome = sb_client_receive (self->orders, 0, self->arena, &reply);
    if (outcome == SB_CLIENT_NO_ANSWER && zclock_mono () < self->order_ms)
        return;
    self->order_ms = 0;
    self->next_ms = 0;
    bool is_done = outcome == SB_CLIENT_ANSWERED && reply.code == SB_REASON_NONE;
    if (is_done)
        snprintf (text, sizeof (text), "done");
    else if (outcome == SB_CLIENT_ANSWERED)
        sb_reply_refusal (NULL, reply.code, reply.message, text);
    else
        snprintf (text, sizeof (text), "%s", sb_client_problem (self->orders, outcome));
    snprintf (line, sizeof (line), "%s: %s", self->order, text);
    s_say (self, !is_done, line);
}

/* ncurses' key as the grid's; 0 for none of its business. */
static int s_key (int key)
{
    static const struct {
        int from;
        int to;
    } keys[] = {{KEY_UP, SB_KEY_UP},           {KEY_DOWN, SB_KEY_DOWN}, {KEY_PPAGE, SB_KEY_PAGE_UP},
                {KEY_NPAGE, SB_KEY_PAGE_DOWN}, {KEY_HOME, SB_KEY_HOME}, {KEY_END, SB_KEY_END},
                {KEY_ENTER, SB_KEY_ENTER},     {'\r', SB_KEY_ENTER},    {KEY_BACKSPACE, SB_KEY_BACKSPACE},
                {127, SB_KEY_BACKSPACE}};
    for (size_t i = 0; i < sizeof (keys) / sizeof (keys[0]); i++)
        if (keys[i].from == key)
            return keys[i].to;
    return key < 256 ? key : 0;
}

/* Reads the keys that wait. Returns false on q. */
static bool s_read_keys (terminal_t *self)
{
    int key;
    while ((key = getch ()) != ERR) {
        if (key == KEY_RESIZE) {
            /* What the terminal shows now is its own guess: draw all of it anew. */
            clearok (stdscr, TRUE);
            continue;
        }
        sb_grid_action_t action = sb_grid_key (&self->grid, &self->view, s_key (key));
        if (action == SB_GRID_QUIT)
            return false;
        if (action != SB_GRID_NOTHING)
            s_order (self, action);
        sb_grid_sort (&self->grid, self->view.order);
    }
    return true;
}

/* Goes on with the reading, or begins one when it is time. */
static void s_read_grid (terminal_t *self, uint32_t interval_ms)
{
    int64_t now_ms = zclock_mono ();
    sb_poller_state_t state;
    if (now_ms >= self->next_ms) {
        sb_poller_start (self->poller);
        self->next_ms = now_ms + interval_ms;
    }
    for (int i = 0; i < 8; i++) {
        state = sb_poller_turn (self->poller, 0, &self->grid);
        if (state == SB_POLLER_DONE) {
            self->lost_ms = 0;
            self->read_unix_ns = sb_client_unix_ns ();
            sb_grid_sort (&self->grid, self->view.order);
        } else if (state == SB_POLLER_FAILED && !self->lost_ms)
            self->lost_ms = now_ms;
    }
}

static void s_loop (terminal_t *self, uint32_t interval_ms)
{
    while (!zsys_interrupted) {
        zmq_pollitem_t items[] = {{.fd = STDIN_FILENO, .events = ZMQ_POLLIN},
                                  {.socket = sb_poller_socket (self->poller), .events = ZMQ_POLLIN},
                                  {.socket = sb_client_socket (self->orders), .events = ZMQ_POLLIN}};
        s_read_grid (self, interval_ms);
        s_await_order (self);
        if (!s_read_keys (self))
            return;
        s_draw (self);
        int64_t left_ms = self->next_ms - zclock_mono ();
        zmq_poll (items, 3, left_ms < 0 ? 0 : left_ms < TURN_MS ? (long)left_ms : TURN_MS);
        /* The terminal is gone: reading it gives nothing for ever. */
        if (items[0].revents & ZMQ_POLLERR)
            return;
    }
}

int sb_terminal_run (sb_run_t *run, uint32_t interval_ms)
{
    enum { LOST_AFTER_MS = 2000 };
    terminal_t self = {.run = run, .view = {.has_header = true, .has_footer = true}};
    /* A dead broker is to be seen soon. */
    if (run->timeout_ms > LOST_AFTER_MS)
        run->timeout_ms = LOST_AFTER_MS;
    self.poller = sb_poller_new (run);
    self.orders = self.poller ? sb_run_client (run) : NULL;
    if (!self.orders) {
        sb_poller_destroy (&self.poller);
        return SB_EXIT_USAGE;
    }
    self.arena = sb_arena_new (ORDER_ARENA_BYTES);
    assert (self.arena);
    snprintf (self.grid.endpoint, sizeof (self.grid.endpoint), "%s", sb_client_endpoint (self.orders));
    s_open_screen (&self);
    s_loop (&self, interval_ms);
    endwin ();
    sb_grid_clear (&self.grid);
    sb_poller_destroy (&self.poller);
    sb_client_destroy (&self.orders);
    sb_arena_destroy (&self.arena);
    return SB_EXIT_DONE;
}

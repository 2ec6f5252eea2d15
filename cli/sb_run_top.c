/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus top` and `syncbus list_agents`: the grid on a terminal, printed again and again, or once.
 */
#include <assert.h>
#include <czmq.h>
#include <langinfo.h>
#include <sys/ioctl.h>

#include "sb_names.h"
#include "sb_output.h"
#include "sb_poller.h"
#include "sb_reply.h"
#include "sb_terminal.h"

enum { PRINTED_WIDTH = 120, WIDTH_MIN = 20, WIDTH_MAX = 1000, HEIGHT_MAX = 10000 };

/* Cells a line of what is printed may have. */
static uint32_t s_width (void)
{
    struct winsize size;
    const char *columns = getenv ("COLUMNS");
    long width = columns ? strtol (columns, NULL, 10) : 0;
    if (isatty (STDOUT_FILENO) && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    return width < WIDTH_MIN || width > WIDTH_MAX ? PRINTED_WIDTH : (uint32_t)width;
}

/* All of the grid, however many lines that takes. Without a header it is the only one. */
static void s_print (const sb_grid_t *grid, bool has_header)
{
    sb_grid_view_t view = {.has_header = has_header, .hides_rate = !has_header};
    uint32_t height = sb_grid_height (grid, &view);
    sb_canvas_t *canvas = sb_canvas_new (s_width (), height > HEIGHT_MAX ? HEIGHT_MAX : height);
    sb_grid_render (grid, &view, canvas);
    bool is_utf8 = !isatty (STDOUT_FILENO) || strcmp (nl_langinfo (CODESET), "UTF-8") == 0;
    sb_canvas_print (canvas, stdout, is_utf8, sb_display_has_colour (stdout));
    sb_output_flush ();
    sb_canvas_destroy (&canvas);
}

/* Says that nothing is accepted just now, which no row of the grid does; nothing where `status` is not answered. */
static void s_print_stop (const sb_run_t *run, sb_client_t *client, sb_grid_t *grid)
{
    sb_pages_t pages = {0};
    sb_command_request_t request = sb_run_request (run, "status");
    bool has_colour = sb_display_has_colour (stdout);
    if (sb_pages_fetch (&pages, client, &request, false) == SB_CLIENT_ANSWERED && sb_pages_record_count (&pages))
        sb_grid_set_status (grid, sb_pages_record (&pages, 0));
    sb_pages_clear (&pages);
    if (grid->is_stopped)
        printf ("%sEMERGENCY STOP in force%s, epoch %" PRIu64 ", %s\n",
                has_colour ? sb_display_colour (SB_MARK_BAD) : "", has_colour ? SB_DISPLAY_RESET : "",
                grid->latch_epoch, grid->latch_text);
}

/* What the letters of column H mean, for people at a terminal. */
static void s_print_legend (void)
{
    bool has_colour = sb_display_has_colour (stdout);
    if (isatty (STDOUT_FILENO))
        printf ("%s%s%s\n", has_colour ? sb_display_colour (SB_MARK_DIM) : "",
                "H: + healthy  P paused  S paused by itself  B behind as a reader  M mute  x unhealthy  - offline",
                has_colour ? SB_DISPLAY_RESET : "");
}

/* The grid, once, and whether there is more of it. */
static void s_print_agents (const sb_run_t *run, sb_client_t *client, const sb_pages_t *pages)
{
    sb_grid_t grid = {.read_ms = 0};
    s_print_stop (run, client, &grid);
    sb_grid_set_agents (&grid, pages, zclock_mono ());
    sb_grid_sort (&grid, SB_GRID_BY_AGENT);
    s_print (&grid, false);
    s_print_legend ();
    sb_run_print_more (sb_pages_last (pages));
    sb_grid_clear (&grid);
}

int sb_run_agents (sb_run_t *run)
{
    sb_pages_t pages = {0};
    if (sb_arguments_flag (&run->arguments, "json"))
        return sb_run_ask (run);
    sb_client_t *client = sb_run_client (run);
    if (!client)
        return SB_EXIT_USAGE;
    sb_command_request_t request = sb_run_request (run, "list_agents");
    request.parameters = run->arguments.parameters;
    request.parameter_count = run->arguments.parameter_count;
    bool all = !sb_arguments_parameter (&run->arguments, "limit");
    sb_client_outcome_t outcome = sb_pages_fetch (&pages, client, &request, all);
    const sb_command_reply_t *last = sb_pages_last (&pages);
    char text[SB_DISPLAY_SIZE];
    int code = SB_EXIT_DONE;
    if (outcome != SB_CLIENT_ANSWERED)
        code = sb_run_no_answer (client, outcome);
    else if (last->code != SB_REASON_NONE)
        code =
            sb_run_complain (SB_EXIT_REFUSED, "%s", sb_reply_refusal ("list_agents", last->code, last->message, text));
    else
        s_print_agents (run, client, &pages);
    sb_pages_clear (&pages);
    sb_client_destroy (&client);
    return code;
}

/* Waits, but not through a signal. */
static void s_wait (int64_t until_ms)
{
    while (zclock_mono () < until_ms && !zsys_interrupted) {
        int64_t left_ms = until_ms - zclock_mono ();
        zclock_sleep (left_ms > 50 ? 50 : (int)left_ms);
    }
}

/* Prints grids until `count` of them (0: for ever). The first must be there; later the broker may be away. */
static int s_run_plain (sb_run_t *run, uint32_t interval_ms, uint64_t count)
{
    sb_poller_t *poller = sb_poller_new (run);
    sb_grid_t grid = {.read_ms = 0};
    bool was_lost = false;
    int code = SB_EXIT_DONE;
    uint64_t printed = 0;
    if (!poller)
        return SB_EXIT_USAGE;
    while (!zsys_interrupted && sb_output_is_good () && (count == 0 || printed < count)) {
        int64_t next_ms = zclock_mono () + interval_ms;
        if (sb_poller_read (poller, &grid) == SB_POLLER_DONE) {
            if (was_lost)
                sb_run_complain (0, "the broker is back");
            was_lost = false;
            sb_grid_sort (&grid, SB_GRID_BY_AGENT);
            if (printed++)
                putchar ('\n');
            s_print (&grid, true);
        } else if (!zsys_interrupted) {
            const char *problem = sb_poller_problem (poller, &code);
            if (!was_lost)
                sb_run_complain (0, "%s", problem);
            was_lost = true;
            if (printed == 0)
                break;
        }
        if (count == 0 || printed < count)
            s_wait (next_ms);
        code = SB_EXIT_DONE;
    }
    sb_grid_clear (&grid);
    sb_poller_destroy (&poller);
    return code;
}

/* One line of JSON for each reading: {"status": …, "health": …, "list_agents": …}. */
static int s_run_json (sb_run_t *run, uint32_t interval_ms, uint64_t count)
{
    static const char *const commands[] = {"status", "health", "list_agents"};
    sb_client_t *client = sb_run_client (run);
    sb_json_t *json = sb_json_new ();
    int code = client ? SB_EXIT_DONE : SB_EXIT_USAGE;
    for (uint64_t i = 0; code == SB_EXIT_DONE && !zsys_interrupted && (count == 0 || i < count); i++) {
        int64_t next_ms = zclock_mono () + interval_ms;
        sb_json_clear (json);
        sb_json_open_object (json);
        for (size_t j = 0; j < sizeof (commands) / sizeof (commands[0]) && code == SB_EXIT_DONE; j++) {
            sb_pages_t pages = {0};
            sb_command_request_t request = sb_run_request (run, commands[j]);
            sb_client_outcome_t outcome = sb_pages_fetch (&pages, client, &request, true);
            if (outcome != SB_CLIENT_ANSWERED)
                code = sb_run_no_answer (client, outcome);
            sb_json_key (json, sb_text (commands[j]));
            sb_reply_json (commands[j], &pages, json);
            sb_pages_clear (&pages);
        }
        sb_json_close_object (json);
        if (code == SB_EXIT_DONE)
            puts (sb_json_text (json));
        if (!sb_output_flush ())
            break;
        if (count == 0 || i + 1 < count)
            s_wait (next_ms);
    }
    sb_json_destroy (&json);
    sb_client_destroy (&client);
    return code;
}

int sb_run_top (sb_run_t *run)
{
    sb_arguments_t *arguments = &run->arguments;
    double seconds;
    double count;
    if (!sb_arguments_number (arguments, "interval", 0.05, 3600, 1, &seconds) ||
        !sb_arguments_number (arguments, "count", 1, 1e15, 0, &count))
        return sb_run_usage (run);
    uint32_t interval_ms = (uint32_t)(seconds * 1000);
    if (sb_arguments_flag (arguments, "json"))
        return s_run_json (run, interval_ms, (uint64_t)count);
    bool is_plain = sb_arguments_flag (arguments, "plain") || count > 0;
    const char *terminal = getenv ("TERM");
    bool is_terminal = isatty (STDOUT_FILENO) && isatty (STDIN_FILENO) && terminal && strcmp (terminal, "dumb") != 0;
    if (is_plain || !is_terminal)
        return s_run_plain (run, interval_ms, (uint64_t)count);
    return sb_terminal_run (run, interval_ms);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus history`: publications as lines, page after page, printed as they come; the last line says that this was
 * all. With --limit one page, and how to go on.
 */
#include <stdio.h>

#include "sb_history.h"
#include "sb_output.h"

/* Prints pages to the end, or one. */
static int s_print_pages (sb_history_t *history, bool is_one, sb_json_t *json)
{
    static const int codes[] = {[SB_HISTORY_READ] = SB_EXIT_DONE,
                                [SB_HISTORY_REFUSED] = SB_EXIT_REFUSED,
                                [SB_HISTORY_NO_ANSWER] = SB_EXIT_NO_ANSWER,
                                [SB_HISTORY_INTERRUPTED] = SB_EXIT_DONE};
    sb_history_outcome_t outcome;
    do {
        outcome = sb_history_read (history);
        while (sb_output_is_good () && sb_history_peek (history))
            sb_history_print (history, json);
    } while (outcome == SB_HISTORY_READ && !sb_history_facts (history).is_whole && !is_one && sb_output_is_good ());
    if (!sb_output_is_good ())
        return SB_EXIT_DONE;
    sb_history_facts_t facts = sb_history_facts (history);
    if (outcome == SB_HISTORY_READ)
        sb_history_print_end (history, facts.is_whole ? "end" : "more", json);
    else if (facts.count || outcome == SB_HISTORY_INTERRUPTED)
        sb_history_print_end (history, "stopped", json);
    if (outcome == SB_HISTORY_READ && !facts.is_whole && !json)
        fprintf (stderr, "there is more: add --cursor %.*s\n", (int)facts.next_cursor.size, facts.next_cursor.data);
    return codes[outcome];
}

int sb_run_history (sb_run_t *run)
{
    sb_client_t *client = sb_run_client (run);
    if (!client)
        return SB_EXIT_USAGE;
    sb_history_t *history = sb_history_new (run, client, false);
    sb_json_t *json = sb_arguments_flag (&run->arguments, "json") ? sb_json_new () : NULL;
    bool is_one = sb_arguments_parameter (&run->arguments, "limit");
    int code = history ? s_print_pages (history, is_one, json) : sb_run_usage (run);
    sb_json_destroy (&json);
    sb_history_destroy (&history);
    sb_client_destroy (&client);
    return code;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus state_hash`: asks, and says which of the categories that were named the broker does not know: nothing has
 * the same hash as a mistyped name. Which there are is asked with `status`, once.
 */
#include <string.h>

#include "sb_display.h"
#include "sb_names.h"
#include "sb_run.h"

/* True when a record of `status` names the category. */
static bool s_is_known (const sb_pages_t *status, sb_text_t category)
{
    for (uint32_t i = 0; i < sb_pages_record_count (status); i++) {
        const sb_record_t *record = sb_pages_record (status, i);
        if (sb_text_equal (sb_record_text (record, "record"), sb_text ("category")) &&
            sb_text_equal (sb_record_text (record, "category"), category))
            return true;
    }
    return false;
}

/* Complains of each interest, joined by spaces, whose category is not known. */
static void s_warn_unknown (const sb_pages_t *status, sb_text_t interests)
{
    char text[SB_DISPLAY_SIZE];
    const char *end = interests.data + interests.size;
    for (const char *word = interests.data; word < end;) {
        const char *space = memchr (word, ' ', (size_t)(end - word));
        const char *word_end = space ? space : end;
        const char *dot = memchr (word, '.', (size_t)(word_end - word));
        sb_text_t category = {.data = word, .size = (uint32_t)((dot ? dot : word_end) - word)};
        if (category.size && !sb_text_equal (category, sb_text ("all")) && !s_is_known (status, category))
            sb_run_complain (0,
                             "WARNING: no category %s is known: it adds nothing to the hash. syncbus status --json "
                             "names those there are",
                             sb_display_text (category, text));
        word = word_end + 1;
    }
}

int sb_run_state_hash (sb_run_t *run)
{
    const sb_parameter_t *interests = sb_arguments_parameter (&run->arguments, "interests");
    sb_pages_t status = {0};
    int code = sb_run_ask (run);
    sb_client_t *client = interests && code == SB_EXIT_DONE ? sb_run_client (run) : NULL;
    if (!client)
        return code;
    sb_command_request_t request = sb_run_request (run, "status");
    if (sb_pages_fetch (&status, client, &request, true) == SB_CLIENT_ANSWERED &&
        sb_pages_last (&status)->code == SB_REASON_NONE)
        s_warn_unknown (&status, interests->value.text);
    sb_pages_clear (&status);
    sb_client_destroy (&client);
    return code;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * sb_agent_history: the command `history`, page after page, over the agent's own session. A page is copied while the
 * I/O thread has its reply, then shown without the lock, so that a visitor may take its time.
 */
#include <stdlib.h>
#include <string.h>

#include "agent_keep.h"
#include "agent_private.h"
#include "sb_names.h"

enum { SB_HISTORY_PARAMETERS_MAX = 10, SB_HISTORY_LAST_DEFAULT = 100 };

static void s_clear (sb_page_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        free (self->blocks[i]);
    free (self->blocks);
    free (self->publications);
    *self = (sb_page_t){0};
}

static bool s_is_evicted (const sb_command_reply_t *reply)
{
    for (uint32_t i = 0; i < reply->record_count; i++) {
        for (uint32_t j = 0; j < reply->records[i].column_count; j++) {
            const sb_parameter_t *column = &reply->records[i].columns[j];
            if (sb_text_equal (column->name, sb_text ("evicted")) && column->value.kind == SB_VALUE_BOOLEAN)
                return column->value.boolean;
        }
    }
    return false;
}

void sb_page_fill (sb_page_t *page, const sb_command_reply_t *reply)
{
    page->is_evicted = s_is_evicted (reply);
    if (reply->next_cursor.size <= sizeof page->cursor) {
        page->cursor_size = reply->next_cursor.size;
        if (page->cursor_size)
            memcpy (page->cursor, reply->next_cursor.data, page->cursor_size);
    }
    page->publications = calloc (reply->publication_count + 1, sizeof *page->publications);
    page->blocks = calloc (reply->publication_count + 1, sizeof *page->blocks);
    page->is_short = !page->publications || !page->blocks;
    for (uint32_t i = 0; !page->is_short && i < reply->publication_count; i++) {
        void *block = malloc (sb_keep_size (reply->publications[i]));
        page->is_short = !block;
        if (!block)
            break;
        sb_keep_copy (&page->publications[i], block, reply->publications[i]);
        page->blocks[page->count++] = block;
    }
}

static void s_add_text (sb_parameter_t *parameters, uint32_t *count, const char *name, sb_text_t text)
{
    if (text.size)
        parameters[(*count)++] =
            (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = text}};
}

static void s_add_integer (sb_parameter_t *parameters, uint32_t *count, const char *name, int64_t integer)
{
    if (integer)
        parameters[(*count)++] =
            (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_INTEGER, .integer = integer}};
}

static uint32_t s_parameters (const sb_agent_history_t *query, sb_text_t cursor, sb_parameter_t *parameters)
{
    uint32_t count = 0;
    bool is_bounded = query->after || query->through || query->since_unix_ns || query->until_unix_ns;
    s_add_text (parameters, &count, "category", sb_text (query->category));
    s_add_text (parameters, &count, "agent", sb_text (query->agent));
    s_add_text (parameters, &count, "subject", sb_text (query->subject));
    s_add_integer (parameters, &count, "last", query->last ? query->last : is_bounded ? 0 : SB_HISTORY_LAST_DEFAULT);
    s_add_integer (parameters, &count, "after", (int64_t)query->after);
    s_add_integer (parameters, &count, "through", (int64_t)query->through);
    s_add_integer (parameters, &count, "since_unix_ns", query->since_unix_ns);
    s_add_integer (parameters, &count, "until_unix_ns", query->until_unix_ns);
    s_add_text (parameters, &count, "cursor", cursor);
    return count;
}

static sb_reason_t s_read_page (sb_agent_t *self, const sb_agent_history_t *query, sb_text_t cursor,
                                uint64_t deadline_ns, sb_page_t *page)
{
    sb_parameter_t parameters[SB_HISTORY_PARAMETERS_MAX];
    uint64_t now_ns = sb_shell_monotonic_ns ();
    uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000 + 1 : 0;
    if (left_ms == 0)
        return SB_REASON_TIMEOUT;
    sb_command_request_t request = {.command = sb_text ("history"),
                                    .parameters = parameters,
                                    .parameter_count = s_parameters (query, cursor, parameters),
                                    .timeout_ms = left_ms < 600000 ? (uint32_t)left_ms : 600000};
    sb_reply_waiter_t waiter = {.page = page};
    pthread_mutex_lock (&self->lock);
    sb_reason_t reason = sb_api_request (self, &request, &waiter);
    pthread_mutex_unlock (&self->lock);
    return reason == SB_REASON_NONE && page->is_short ? SB_REASON_STORE_FULL : reason;
}

sb_reason_t sb_agent_history (sb_agent_t *self, const sb_agent_history_t *query,
                              bool (*visit) (const sb_publication_t *publication, void *context), void *context,
                              uint32_t timeout_ms, uint64_t *count, bool *is_whole)
{
    uint64_t deadline_ns = sb_api_deadline_ns (timeout_ms);
    uint64_t visited = 0;
    bool is_evicted = false, goes_on = true;
    char cursor[sizeof ((sb_page_t *)0)->cursor];
    uint32_t cursor_size = 0;
    sb_reason_t reason;
    do {
        sb_page_t page = {0};
        reason = s_read_page (self, query, (sb_text_t){cursor, cursor_size}, deadline_ns, &page);
        is_evicted |= page.is_evicted;
        for (uint32_t i = 0; reason == SB_REASON_NONE && goes_on && i < page.count; i++) {
            visited++;
            goes_on = visit (&page.publications[i], context);
        }
        cursor_size = page.cursor_size;
        memcpy (cursor, page.cursor, cursor_size);
        s_clear (&page);
    } while (reason == SB_REASON_NONE && goes_on && cursor_size);
    if (count)
        *count = visited;
    if (is_whole)
        *is_whole = reason == SB_REASON_NONE && !is_evicted;
    return reason;
}

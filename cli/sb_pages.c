/* SPDX-License-Identifier: MPL-2.0
 *
 * All pages of an answer. They are kept, not printed as they come: an aligned table needs all rows.
 */
#include "sb_pages.h"

#include <assert.h>
#include <stdlib.h>

#include "sb_names.h"
#include "sb_value.h"

enum { REQUEST_ARENA_BYTES = 1 << 20, PARAMETERS_MAX = 260 };

/* The request with its cursor set to `cursor`. `parameters` has room for PARAMETERS_MAX. */
static void s_set_cursor (sb_command_request_t *request, sb_parameter_t *parameters, sb_text_t cursor)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->parameter_count; i++)
        if (!sb_text_equal (request->parameters[i].name, sb_text ("cursor")))
            parameters[count++] = request->parameters[i];
    parameters[count++] =
        (sb_parameter_t){.name = sb_text ("cursor"), .value = {.kind = SB_VALUE_TEXT, .text = cursor}};
    request->parameters = parameters;
    request->parameter_count = count;
}

void sb_pages_add (sb_pages_t *self, const sb_page_t *page)
{
    self->items = realloc (self->items, (self->count + 1) * sizeof (*self->items));
    assert (self->items);
    self->items[self->count++] = *page;
}

/* One page more. */
static sb_client_outcome_t s_fetch_one (sb_pages_t *self, sb_client_t *client, sb_command_request_t *request)
{
    sb_page_t page = {.arena = sb_arena_new (SB_CLIENT_REPLY_BYTES + REQUEST_ARENA_BYTES)};
    assert (page.arena);
    sb_client_outcome_t outcome = sb_client_ask (client, request, page.arena, &page.reply);
    if (outcome != SB_CLIENT_ANSWERED) {
        sb_arena_destroy (&page.arena);
        return outcome;
    }
    sb_pages_add (self, &page);
    return outcome;
}

sb_client_outcome_t sb_pages_fetch (sb_pages_t *self, sb_client_t *client, const sb_command_request_t *request,
                                    bool all)
{
    sb_command_request_t next = *request;
    sb_parameter_t parameters[PARAMETERS_MAX];
    assert (request->parameter_count < PARAMETERS_MAX);
    for (;;) {
        sb_client_outcome_t outcome = s_fetch_one (self, client, &next);
        if (outcome != SB_CLIENT_ANSWERED || !all || self->count == SB_PAGES_MAX)
            return outcome;
        const sb_command_reply_t *reply = sb_pages_last (self);
        if (reply->code != SB_REASON_NONE || reply->next_cursor.size == 0)
            return outcome;
        next.parameters = request->parameters;
        next.parameter_count = request->parameter_count;
        s_set_cursor (&next, parameters, reply->next_cursor);
    }
}

void sb_pages_clear (sb_pages_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        sb_arena_destroy (&self->items[i].arena);
    free (self->items);
    *self = (sb_pages_t){0};
}

const sb_command_reply_t *sb_pages_last (const sb_pages_t *self)
{
    return self->count ? &self->items[self->count - 1].reply : NULL;
}

uint32_t sb_pages_record_count (const sb_pages_t *self)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->count; i++)
        count += self->items[i].reply.record_count;
    return count;
}

const sb_record_t *sb_pages_record (const sb_pages_t *self, uint32_t i)
{
    for (uint32_t page = 0; page < self->count; page++) {
        const sb_command_reply_t *reply = &self->items[page].reply;
        if (i < reply->record_count)
            return &reply->records[i];
        i -= reply->record_count;
    }
    return NULL;
}

const sb_value_t *sb_record_value (const sb_record_t *record, const char *column)
{
    for (uint32_t i = 0; record && i < record->column_count; i++)
        if (sb_text_equal (record->columns[i].name, sb_text (column)))
            return &record->columns[i].value;
    return NULL;
}

double sb_record_number (const sb_record_t *record, const char *column, double otherwise)
{
    return sb_value_as_number (sb_record_value (record, column), otherwise);
}

sb_text_t sb_record_text (const sb_record_t *record, const char *column)
{
    const sb_value_t *value = sb_record_value (record, column);
    return value && value->kind == SB_VALUE_TEXT ? value->text : (sb_text_t){.data = "", .size = 0};
}

bool sb_record_boolean (const sb_record_t *record, const char *column)
{
    const sb_value_t *value = sb_record_value (record, column);
    return value && value->kind == SB_VALUE_BOOLEAN && value->boolean;
}

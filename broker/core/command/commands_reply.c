/* SPDX-License-Identifier: MPL-2.0
 *
 * Replies: records built through the table of columns, pages and their cursors, refusals.
 *
 * A cursor is the command's name and a few numbers, a colon before each: whoever reads it sees what it is, and a cursor
 * of another command is refused. Cursors hold a place, never a promise: records that come or go between two pages may
 * be missed.
 */
#include <assert.h>
#include <string.h>

#include "commands_internal.h"

enum { PAGE_DEFAULT = 200, PAGE_MAX = 1000, REPLY_HEAD_BYTES = 1024 };

/* A column's row. */
typedef struct {
    sb_command_t command;
    const char *name;
    sb_parameter_kind_t kind;
} s_column_t;

static const s_column_t columns[] = {
#define SB_COLUMN(command, name, kind, unit, help) {SB_COMMAND_##command, #name, SB_KIND_##kind},
#include "sb_columns.def"
#undef SB_COLUMN
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

/* ------------------------------------------------------------------ records */

void sb_call_reserve (sb_core_t *core, sb_call_t *call, uint32_t count)
{
    assert (call->records == NULL);
    call->records = sb_core_take (core, count * sizeof *call->records);
    call->record_capacity = count;
    call->reply.records = call->records;
}

sb_row_t sb_call_row (sb_core_t *core, sb_call_t *call, uint32_t more)
{
    assert (call->reply.record_count < call->record_capacity);
    uint32_t first = 0;
    while (first < COLUMN_COUNT && columns[first].command != call->command)
        first++;
    uint32_t end = first;
    while (end < COLUMN_COUNT && columns[end].command == call->command)
        end++;
    uint32_t capacity = end - first + more;
    sb_parameter_t *values = sb_core_take (core, capacity * sizeof *values);
    sb_record_t *record = &call->records[call->reply.record_count++];
    record->columns = values;
    return (sb_row_t){call->command, first, 0, capacity, values, record};
}

void sb_row_add (sb_row_t *row, sb_text_t name, const sb_value_t *value)
{
    assert (row->count < row->capacity);
    row->columns[row->count++] = (sb_parameter_t){name, *value};
    row->record->column_count = row->count;
}

/* Sets the column of that name; looks on from the last one set, which finds it at once. */
static void s_set (sb_row_t *row, const char *name, sb_parameter_kind_t kind, const sb_value_t *value)
{
    uint32_t place = row->place;
    while (place < COLUMN_COUNT && columns[place].command == row->command && strcmp (columns[place].name, name) != 0)
        place++;
    assert (place < COLUMN_COUNT && columns[place].command == row->command && columns[place].kind == kind);
    row->place = place + 1;
    sb_row_add (row, sb_text (columns[place].name), value);
}

void sb_row_text (sb_row_t *row, const char *name, sb_text_t text)
{
    s_set (row, name, SB_KIND_TEXT, &(sb_value_t){.kind = SB_VALUE_TEXT, .text = text});
}

void sb_row_integer (sb_row_t *row, const char *name, uint64_t integer)
{
    int64_t value = integer > INT64_MAX ? INT64_MAX : (int64_t)integer;
    s_set (row, name, SB_KIND_INTEGER, &(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = value});
}

void sb_row_unix_ns (sb_row_t *row, const char *name, int64_t unix_ns)
{
    s_set (row, name, SB_KIND_INTEGER, &(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = unix_ns});
}

void sb_row_number (sb_row_t *row, const char *name, double number)
{
    s_set (row, name, SB_KIND_NUMBER, &(sb_value_t){.kind = SB_VALUE_NUMBER, .number = number});
}

void sb_row_boolean (sb_row_t *row, const char *name, bool boolean)
{
    s_set (row, name, SB_KIND_BOOLEAN, &(sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = boolean});
}

void sb_row_any (sb_row_t *row, const char *name, const sb_value_t *value)
{
    s_set (row, name, SB_KIND_ANY, value);
}

void sb_row_counters (sb_core_t *core, sb_row_t *row)
{
    for (uint32_t i = 0; i < SB_COUNTER_LIMIT; i++) {
        sb_change_t fact = sb_fact_integer (sb_core_counter_name (i), core->counters[i]);
        sb_row_add (row, fact.name, &fact.value);
    }
}

sb_text_t sb_join (sb_core_t *core, const sb_text_t *texts, uint32_t count)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += texts[i].size + 1;
    char *joined = sb_core_take (core, size + 1);
    uint32_t place = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            joined[place++] = ' ';
        if (texts[i].size > 0)
            memcpy (joined + place, texts[i].data, texts[i].size);
        place += texts[i].size;
    }
    return (sb_text_t){joined, place};
}

/* ------------------------------------------------------------------ refusals */

void sb_call_refuse (sb_core_t *core, sb_call_t *call, sb_reason_t reason, sb_text_t detail)
{
    sb_text_t text = sb_text (sb_reason_info (reason)->text);
    call->reply.code = reason;
    call->reply.message = detail.size == 0 ? text
                                           : sb_core_format (core, "%.*s: %.*s", (int)detail.size, detail.data,
                                                             (int)text.size, text.data);
    call->end = SB_CALL_ANSWERED;
}

/* ------------------------------------------------------------------ pages */

/* Reads decimal digits up to `end`, at least one, without a sign or needless zeros. */
static bool s_read_number (sb_text_t text, uint32_t *place, uint64_t *number)
{
    uint32_t start = *place;
    *number = 0;
    for (; *place < text.size && text.data[*place] >= '0' && text.data[*place] <= '9'; (*place)++) {
        uint64_t digit = (uint64_t)(text.data[*place] - '0');
        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return *place > start && (*place - start == 1 || text.data[start] != '0');
}

static bool s_read_cursor (const sb_call_t *call, sb_text_t text, uint64_t *numbers, uint32_t count)
{
    uint32_t place = (uint32_t)strlen (call->info->name);
    if (text.size <= place || memcmp (text.data, call->info->name, place) != 0)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (place == text.size || text.data[place++] != ':' || !s_read_number (text, &place, &numbers[i]))
            return false;
    return place == text.size;
}

bool sb_call_cursor (sb_core_t *core, sb_call_t *call, uint64_t *numbers, uint32_t count, bool *is_continued,
                     uint32_t *limit)
{
    uint64_t wanted = sb_command_integer (call, "limit", PAGE_DEFAULT);
    if (wanted < 1 || wanted > PAGE_MAX) {
        sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text ("limit"));
        return false;
    }
    *limit = (uint32_t)wanted;
    sb_text_t cursor = sb_command_text (call, "cursor");
    *is_continued = cursor.size > 0;
    if (!*is_continued || s_read_cursor (call, cursor, numbers, count))
        return true;
    sb_call_refuse (core, call, SB_REASON_BAD_CURSOR, cursor);
    return false;
}

bool sb_call_page (sb_core_t *core, sb_call_t *call, sb_place_t *place, uint32_t *limit)
{
    uint64_t numbers[2] = {0, 0};
    bool is_continued;
    if (!sb_call_cursor (core, call, numbers, 2, &is_continued, limit))
        return false;
    *place = (sb_place_t){is_continued, numbers[0], numbers[1]};
    return true;
}

void sb_call_next_numbers (sb_core_t *core, sb_call_t *call, const uint64_t *numbers, uint32_t count)
{
    sb_text_t cursor = sb_text (call->info->name);
    for (uint32_t i = 0; i < count; i++)
        cursor = sb_core_format (core, "%.*s:%llu", (int)cursor.size, cursor.data, (unsigned long long)numbers[i]);
    call->reply.next_cursor = cursor;
}

void sb_call_next_cursor (sb_core_t *core, sb_call_t *call, uint64_t position, uint64_t left)
{
    sb_call_next_numbers (core, call, (uint64_t[2]){position, left}, 2);
}

size_t sb_call_page_bytes (const sb_core_t *core, const sb_call_t *call)
{
    uint32_t most = core->config.max_message_bytes;
    size_t room = most > 2 * REPLY_HEAD_BYTES ? most - REPLY_HEAD_BYTES : most / 2;
    return call->by_agent && room < SB_PAGE_BYTES ? room : SB_PAGE_BYTES;
}

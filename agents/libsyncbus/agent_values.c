/* SPDX-License-Identifier: MPL-2.0
 *
 * The small helpers of syncbus.h: changes and values, names of reasons and statuses. Pure.
 */
#include <string.h>

#include "sb_names.h"
#include "sb_reasons.h"
#include "sb_value.h"
#include "syncbus.h"

sb_change_t sb_number (const char *name, double number)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER, .number = number}};
}

sb_change_t sb_integer (const char *name, int64_t integer)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_INTEGER, .integer = integer}};
}

sb_change_t sb_decimal (const char *name, int64_t unscaled, int32_t exponent)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_DECIMAL, .decimal = {unscaled, exponent}}};
}

sb_change_t sb_boolean (const char *name, bool boolean)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = boolean}};
}

sb_change_t sb_string (const char *name, const char *text)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (text)}};
}

sb_change_t sb_bytes (const char *name, const void *data, uint32_t size)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_BYTES, .bytes = {data, size}}};
}

sb_change_t sb_delete (const char *name)
{
    return (sb_change_t){.name = sb_text (name), .is_delete = true};
}

double sb_value_number (const sb_value_t *value, double otherwise)
{
    return sb_value_as_number (value, otherwise);
}

const sb_value_t *sb_update_find (const sb_update_t *update, const char *name)
{
    sb_text_t wanted = sb_text (name);
    for (uint32_t i = update->change_count; i > 0; i--) {
        const sb_change_t *change = &update->changes[i - 1];
        if (sb_text_equal (change->name, wanted))
            return change->is_delete ? NULL : &change->value;
    }
    return NULL;
}

const char *sb_reason_name (sb_reason_t reason)
{
    return sb_reason_info (reason)->name;
}

const char *sb_reason_text (sb_reason_t reason)
{
    return sb_reason_info (reason)->text;
}

const char *sb_agent_status_name (sb_agent_status_t status)
{
    static const char *const names[] = {"CONNECTING",  "ACTIVE",  "PAUSED",  "STOPPED",
                                        "SELF_PAUSED", "CUT_OFF", "FINISHED"};
    return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "?";
}

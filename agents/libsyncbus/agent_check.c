/* SPDX-License-Identifier: MPL-2.0
 *
 * Content of a delta, checked where it is made. Duplicate names are found with a table of 16-bit
 * slots on the stack (open addressing, at most half full), so that a full delta of 1,024 changes costs no
 * quadratic search and no memory.
 */
#include "agent_check.h"

#include <math.h>
#include <string.h>

#include "sb_names.h"

enum { SB_SLOTS = 4 * SB_CHANGES_MAX };

static uint32_t s_hash (sb_text_t name)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 16777619u;
    return hash ^ (hash >> 15);
}

static bool s_has_duplicate (const sb_change_t *changes, uint32_t count)
{
    if (count < 2)
        return false;
    uint16_t slots[SB_SLOTS]; /* index of a change, plus 1 */
    uint32_t size = 4;
    while (size < 2 * count)
        size *= 2;
    memset (slots, 0, size * sizeof slots[0]);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = s_hash (changes[i].name) & (size - 1);
        while (slots[at]) {
            if (sb_text_equal (changes[slots[at] - 1].name, changes[i].name))
                return true;
            at = (at + 1) & (size - 1);
        }
        slots[at] = (uint16_t)(i + 1);
    }
    return false;
}

static sb_reason_t s_check_value (const sb_value_t *value)
{
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        return isfinite (value->number) ? SB_REASON_NONE : SB_REASON_NOT_FINITE;
    case SB_VALUE_DECIMAL:
        return value->decimal.exponent >= -SB_DECIMAL_EXPONENT_MAX && value->decimal.exponent <= SB_DECIMAL_EXPONENT_MAX
                   ? SB_REASON_NONE
                   : SB_REASON_BAD_DECIMAL;
    case SB_VALUE_TEXT:
        return sb_text_is_utf8 (value->text) ? SB_REASON_NONE : SB_REASON_BAD_TEXT;
    case SB_VALUE_INTEGER:
    case SB_VALUE_BOOLEAN:
    case SB_VALUE_BYTES:
        return SB_REASON_NONE;
    case SB_VALUE_NONE:
        break;
    }
    return SB_REASON_NO_VALUE;
}

sb_reason_t sb_agent_check (const sb_delta_t *delta)
{
    if (delta->category.size && !sb_name_is_category (delta->category))
        return SB_REASON_BAD_CATEGORY;
    if (!sb_name_is_subject (delta->subject))
        return SB_REASON_BAD_SUBJECT;
    const sb_update_t *update = &delta->update;
    if (update->change_count == 0)
        return SB_REASON_NO_CHANGES;
    if (update->change_count > SB_CHANGES_MAX)
        return SB_REASON_TOO_MANY_CHANGES;
    for (uint32_t i = 0; i < update->change_count; i++) {
        const sb_change_t *change = &update->changes[i];
        if (!sb_name_is_field (change->name))
            return SB_REASON_BAD_FIELD_NAME;
        sb_reason_t reason = change->is_delete ? SB_REASON_NONE : s_check_value (&change->value);
        if (reason != SB_REASON_NONE)
            return reason;
    }
    return s_has_duplicate (update->changes, update->change_count) ? SB_REASON_DUPLICATE_FIELD : SB_REASON_NONE;
}

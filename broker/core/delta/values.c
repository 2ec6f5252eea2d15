/* SPDX-License-Identifier: MPL-2.0
 *
 * Values as they are kept: numbers in place, texts and bytes in octets of their own.
 *
 * "The same" means the same bits of the same kind: 0.0 and -0.0 differ, 1 and 1.0 differ, and the decimals
 * 1.0 and 1.00 differ, because a reader can tell them apart.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

static bool s_has_run (uint8_t kind)
{
    return kind == SB_VALUE_TEXT || kind == SB_VALUE_BYTES;
}

bool sb_value_store (sb_core_t *self, const sb_value_t *value, sb_stored_value_t *stored)
{
    memset (stored, 0, sizeof *stored);
    stored->kind = (uint8_t)value->kind;
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        stored->number = value->number;
        return true;
    case SB_VALUE_INTEGER:
        stored->integer = value->integer;
        return true;
    case SB_VALUE_DECIMAL:
        stored->integer = value->decimal.unscaled;
        stored->exponent = (int8_t)value->decimal.exponent;
        return true;
    case SB_VALUE_BOOLEAN:
        stored->integer = value->boolean;
        return true;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        stored->run = sb_blob_take (&self->values, value->text.size);
        if (!stored->run)
            return false;
        if (value->text.size)
            memcpy (stored->run, value->text.data, value->text.size);
        stored->size = value->text.size;
        return true;
    case SB_VALUE_NONE:
        break;
    }
    assert (!"a value of no kind passed admission");
    return false;
}

void sb_value_release (sb_core_t *self, sb_stored_value_t *stored)
{
    if (s_has_run (stored->kind))
        sb_blob_give (&self->values, stored->run, stored->size);
    stored->kind = SB_VALUE_NONE;
}

bool sb_value_same (const sb_stored_value_t *stored, const sb_value_t *value)
{
    if (stored->kind != (uint8_t)value->kind)
        return false;
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        return memcmp (&stored->number, &value->number, sizeof stored->number) == 0;
    case SB_VALUE_INTEGER:
        return stored->integer == value->integer;
    case SB_VALUE_DECIMAL:
        return stored->integer == value->decimal.unscaled && stored->exponent == value->decimal.exponent;
    case SB_VALUE_BOOLEAN:
        return stored->integer == (int64_t)value->boolean;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        return stored->size == value->text.size &&
               (stored->size == 0 || memcmp (stored->run, value->text.data, stored->size) == 0);
    case SB_VALUE_NONE:
        break;
    }
    return false;
}

sb_value_t sb_core_value (const sb_stored_value_t *stored)
{
    sb_value_t value;
    memset (&value, 0, sizeof value);
    value.kind = (sb_value_kind_t)stored->kind;
    switch (value.kind) {
    case SB_VALUE_NUMBER:
        value.number = stored->number;
        break;
    case SB_VALUE_INTEGER:
        value.integer = stored->integer;
        break;
    case SB_VALUE_DECIMAL:
        value.decimal.unscaled = stored->integer;
        value.decimal.exponent = stored->exponent;
        break;
    case SB_VALUE_BOOLEAN:
        value.boolean = stored->integer != 0;
        break;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        value.text = (sb_text_t){stored->run, stored->size};
        break;
    case SB_VALUE_NONE:
        break;
    }
    return value;
}

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

/* Everything but the octets of a text or bytes. */
static inline void s_store (const sb_value_t *value, sb_stored_value_t *stored)
{
    assert (value->kind != SB_VALUE_NONE); /* none passes admission */
    bool has_run = sb_value_has_run (value->kind);
    if (!has_run)
        stored->integer = (int64_t)sb_value_word (value);
    stored->size = has_run ? value->text.size : 0;
    stored->kind = (uint8_t)value->kind;
    stored->exponent = sb_value_exponent (value);
}

bool sb_value_store (sb_core_t *self, const sb_value_t *value, sb_stored_value_t *stored)
{
    s_store (value, stored);
    if (!sb_value_has_run (value->kind))
        return true;
    stored->run = sb_blob_take (&self->values, value->text.size);
    if (!stored->run)
        return false;
    sb_octets_copy (stored->run, value->text.data, value->text.size);
    return true;
}

void sb_value_overwrite_kind (sb_core_t *self, sb_stored_value_t *stored, const sb_value_t *value)
{
    if (!sb_value_has_run (value->kind))
        sb_value_release (self, stored);
    else
        sb_octets_copy (stored->run, value->text.data, value->text.size);
    s_store (value, stored);
}

void sb_value_release (sb_core_t *self, sb_stored_value_t *stored)
{
    if (sb_value_has_run ((sb_value_kind_t)stored->kind))
        sb_blob_give (&self->values, stored->run, stored->size);
    stored->kind = SB_VALUE_NONE;
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

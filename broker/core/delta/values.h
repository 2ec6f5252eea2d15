/* SPDX-License-Identifier: MPL-2.0
 *
 * Values as they are kept: numbers in place, texts and bytes in octets of their own; comparing and replacing them.
 *
 * What has no octets of its own is one word, an exponent and a kind, whatever kind it is, so that a delta's commonest
 * change, one number over another, is compared and written in line (some 30 instructions fewer than by calls). See
 * values.c for what "the same" means.
 */
#ifndef SB_VALUES_H
#define SB_VALUES_H

#include "core_internal.h"

/* True when values of that kind have octets of their own. */
static inline bool sb_value_has_run (sb_value_kind_t kind)
{
    return kind == SB_VALUE_TEXT || kind == SB_VALUE_BYTES;
}

/* The bits of a value without octets of its own, but for a decimal's exponent. */
static inline uint64_t sb_value_word (const sb_value_t *value)
{
    uint64_t word = 0;
    if (value->kind == SB_VALUE_BOOLEAN)
        word = value->boolean;
    else if (value->kind == SB_VALUE_NUMBER || value->kind == SB_VALUE_INTEGER || value->kind == SB_VALUE_DECIMAL)
        memcpy (&word, &value->integer, sizeof word); /* they begin at one place: asserted below */
    return word;
}
_Static_assert(offsetof (sb_value_t, integer) == offsetof (sb_value_t, number) &&
                   offsetof (sb_value_t, integer) == offsetof (sb_value_t, decimal.unscaled),
               "one load for all three");

/* A decimal's exponent, else 0. */
static inline int8_t sb_value_exponent (const sb_value_t *value)
{
    return value->kind == SB_VALUE_DECIMAL ? (int8_t)value->decimal.exponent : 0;
}

/* Octets that a change's name and value have besides what every change has. */
static inline size_t sb_change_octets (const sb_change_t *change)
{
    return change->name.size + (sb_value_has_run (change->value.kind) ? change->value.text.size : 0);
}

/* Copies a value into `stored`; false when there is no room. */
bool sb_value_store (sb_core_t *self, const sb_value_t *value, sb_stored_value_t *stored);

/* The value fits where the old one is: it has no run, or one of the same footprint. */
static inline bool sb_value_fits (const sb_stored_value_t *old, const sb_value_t *value)
{
    if (!sb_value_has_run (value->kind))
        return true;
    if (!sb_value_has_run ((sb_value_kind_t)old->kind))
        return false;
    uint32_t size = value->text.size;
    return size == old->size || (size && sb_blob_footprint (old->size) == sb_blob_footprint (size));
}

/* Copies a value over another one. Precondition: it has no run, or the other one has a run of the same footprint. The
 * first does any of them, the second calls it where the kind changes. Cannot fail. */
void sb_value_overwrite_kind (sb_core_t *self, sb_stored_value_t *stored, const sb_value_t *value);
static inline void sb_value_overwrite (sb_core_t *self, sb_stored_value_t *stored, const sb_value_t *value)
{
    if (stored->kind != (uint8_t)value->kind) {
        sb_value_overwrite_kind (self, stored, value);
        return;
    }
    if (sb_value_has_run (value->kind)) {
        stored->size = value->text.size;
        sb_octets_copy (stored->run, value->text.data, value->text.size);
        return;
    }
    stored->integer = (int64_t)sb_value_word (value);
    stored->exponent = sb_value_exponent (value);
}

/* Gives a value's run back; nothing is stored then. */
void sb_value_release (sb_core_t *self, sb_stored_value_t *stored);

/* Whether two runs are the same. Payloads mostly differ where they begin. */
static inline bool sb_value_run_same (const char *left, const char *right, size_t size)
{
    if (size > 16 && sb_octets_load8 (left) != sb_octets_load8 (right))
        return false;
    return sb_octets_equal (left, right, size);
}

/* True when both are the same bits of the same kind. */
static inline bool sb_value_same (const sb_stored_value_t *stored, const sb_value_t *value)
{
    if (stored->kind != (uint8_t)value->kind)
        return false;
    if (sb_value_has_run (value->kind))
        return stored->size == value->text.size && sb_value_run_same (stored->run, value->text.data, stored->size);
    return (uint64_t)stored->integer == sb_value_word (value) && stored->exponent == sb_value_exponent (value);
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Values as people write them, and exact text of decimals. Pure.
 *
 * By form: 3 is an integer, 1.5 and 1e3 numbers, true and false booleans, anything else a text. A prefix
 * forces the kind: text:42, decimal:64250.10, base64:AAEC. null deletes, where a delete is possible.
 */
#ifndef SB_LITERAL_H
#define SB_LITERAL_H

#include "sb_catalog.h"
#include "sb_codec.h"

enum { SB_DECIMAL_TEXT_SIZE = 96 /* octets for any decimal in text, with its NUL */ };

/* Reads `literal` as a value of `kind` into *value, which borrows from `literal` or, for octets, from `arena`.
 * Returns NULL, or a static text that says what is wrong. */
const char *sb_literal_value (const char *literal, sb_parameter_kind_t kind, sb_arena_t *arena, sb_value_t *value);

/* Reads NAME=VALUE by form into *change, null as a delete. Borrows from `literal` and `arena`.
 * Returns NULL, or a static text that says what is wrong. */
const char *sb_literal_change (const char *literal, sb_arena_t *arena, sb_change_t *change);

/* Reads [-]digits[.digits] exactly. Returns NULL, or a static text that says what is wrong. */
const char *sb_literal_decimal (const char *literal, sb_value_t *value);

/* Writes unscaled * 10^exponent without rounding: plain digits with a point, 123e20 from exponent 20 up.
 * `text` has SB_DECIMAL_TEXT_SIZE octets. Returns it. */
const char *sb_decimal_text (int64_t unscaled, int32_t exponent, char *text);

/* Octets that `size` octets have in base64, without a NUL. */
size_t sb_base64_size (size_t size);

/* Writes base64 (RFC 4648, padded) of `size` octets to `text`, sb_base64_size () octets, no NUL. */
void sb_base64_encode (const void *data, size_t size, char *text);

/* Reads `size` octets of padded base64 into `data` (size / 4 * 3 octets); *data_size gets how many.
 * Returns false when it is not base64. */
bool sb_base64_decode (const char *text, size_t size, void *data, uint32_t *data_size);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A line cut into cells: values between separators (RFC 4180, one row a line) or one JSON object,
 * flattened (nested names joined by dots). Pure; works in place, copies nothing but joined names.
 */
#ifndef SB_CELLS_H
#define SB_CELLS_H

#include "sb_model.h"

enum { SB_COLUMNS_MAX = 64 };

/* Cells of one line. They borrow from the line and are NUL-terminated. */
typedef struct {
    sb_text_t cells[SB_COLUMNS_MAX];
    sb_text_t names[SB_COLUMNS_MAX]; /* with JSON only */
    uint32_t count;
    char joined[4096]; /* nested names */
} sb_cells_t;

/* Cuts at each `separator`; "quoted, ""cells""" are unquoted in place. `line` has a NUL behind its `size` octets.
 * False: a quote left open or followed by something else than a separator, or more than SB_COLUMNS_MAX cells. */
bool sb_cells_from_csv (sb_cells_t *self, char *line, size_t size, char separator);

/* Reads one JSON object (RFC 8259). Strings are unescaped in place; numbers, true and false keep their octets; null is
 * the empty cell; arrays are checked and left out. False: no such object, nested deeper than 8, too many members. */
bool sb_cells_from_json (sb_cells_t *self, char *line, size_t size);

#endif

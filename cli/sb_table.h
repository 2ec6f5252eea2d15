/* SPDX-License-Identifier: MPL-2.0
 *
 * Text in columns: collected whole, then printed with each column as wide as its widest cell.
 * O(cells); texts are copied.
 */
#ifndef SB_TABLE_H
#define SB_TABLE_H

#include <stdio.h>

#include "sb_display.h"

typedef struct sb_table sb_table_t;

/* An empty table; out of memory ends the program, here and below. */
sb_table_t *sb_table_new (void);

/* Harmless on NULL and on *self_p == NULL. */
void sb_table_destroy (sb_table_t **self_p);

/* Adds a column, before the first row. */
void sb_table_column (sb_table_t *self, const char *title, bool is_number);

/* Begins a row; its cells follow from left to right, missing ones are empty. */
void sb_table_row (sb_table_t *self);
void sb_table_cell (sb_table_t *self, const char *text, sb_mark_t mark);

/* Prints titles (unless all are empty) and rows, no blanks after the last column. */
void sb_table_print (const sb_table_t *self, FILE *stream, bool has_colour);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A screen in memory: cells of one character and one mark each. What is drawn outside is cut. Pure.
 */
#ifndef SB_CANVAS_H
#define SB_CANVAS_H

#include "sb_display.h"

typedef struct sb_canvas sb_canvas_t;

/* A blank canvas, each side from 1 to 10000 cells; out of memory ends the program. */
sb_canvas_t *sb_canvas_new (uint32_t width, uint32_t height);

/* Harmless on NULL and on *self_p == NULL. */
void sb_canvas_destroy (sb_canvas_t **self_p);

uint32_t sb_canvas_width (const sb_canvas_t *self);
uint32_t sb_canvas_height (const sb_canvas_t *self);

/* Writes UTF-8 from (column, line) on, at most `width` cells; a text that is longer ends in "…". Characters that may
 * not be one cell wide become ?. Returns the cells used. */
uint32_t sb_canvas_text (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, const char *text,
                         sb_mark_t mark);

/* The same, aligned to the right end of the `width` cells. */
void sb_canvas_text_right (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, const char *text,
                           sb_mark_t mark);

/* Marks cells of a line without changing their characters. */
void sb_canvas_mark (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, sb_mark_t mark);

/* The mark of a cell inside the canvas. */
sb_mark_t sb_canvas_mark_at (const sb_canvas_t *self, uint32_t line, uint32_t column);

/* Copies cells from (column, line) on that share one mark to `text` as UTF-8 (or, where the terminal has no UTF-8, as
 * ASCII); `size` from 8 up. Returns how many cells, 0 at the line's end. */
uint32_t sb_canvas_run (const sb_canvas_t *self, uint32_t line, uint32_t column, bool is_utf8, char *text, size_t size,
                        sb_mark_t *mark);

/* Prints all lines, without blanks at their ends; marks only with `has_colour`. */
void sb_canvas_print (const sb_canvas_t *self, FILE *stream, bool is_utf8, bool has_colour);

/* A line as UTF-8 without blanks at its end, for tests; to be freed. */
char *sb_canvas_line (const sb_canvas_t *self, uint32_t line);

#endif

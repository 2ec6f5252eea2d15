/* SPDX-License-Identifier: MPL-2.0
 *
 * Text in columns: one flat array of cells, row by row.
 */
#include "sb_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 64, GAP = 2 };

typedef struct {
    char *text;
    sb_mark_t mark;
} cell_t;

struct sb_table {
    char *titles[COLUMNS_MAX];
    bool is_number[COLUMNS_MAX]; /* aligned to the right */
    uint32_t widths[COLUMNS_MAX];
    uint32_t column_count;
    cell_t *cells; /* row by row, column_count each */
    uint32_t cell_count;
    uint32_t capacity;
    uint32_t row_count;
};

sb_table_t *sb_table_new (void)
{
    sb_table_t *self = calloc (1, sizeof (*self));
    assert (self);
    return self;
}

void sb_table_destroy (sb_table_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_table_t *self = *self_p;
    for (uint32_t i = 0; i < self->column_count; i++)
        free (self->titles[i]);
    for (uint32_t i = 0; i < self->cell_count; i++)
        free (self->cells[i].text);
    free (self->cells);
    free (self);
    *self_p = NULL;
}

static void s_widen (sb_table_t *self, uint32_t column, const char *text)
{
    uint32_t width = sb_display_width (text);
    if (width > self->widths[column])
        self->widths[column] = width;
}

void sb_table_column (sb_table_t *self, const char *title, bool is_number)
{
    assert (self->row_count == 0 && self->column_count < COLUMNS_MAX);
    uint32_t column = self->column_count++;
    self->titles[column] = strdup (title);
    assert (self->titles[column]);
    self->is_number[column] = is_number;
    s_widen (self, column, title);
}

static void s_add (sb_table_t *self, const char *text, sb_mark_t mark)
{
    if (self->cell_count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->cells = realloc (self->cells, self->capacity * sizeof (*self->cells));
        assert (self->cells);
    }
    cell_t cell = {strdup (text), mark};
    assert (cell.text);
    s_widen (self, self->cell_count % self->column_count, text);
    self->cells[self->cell_count++] = cell;
}

/* Fills up the row that was begun last. */
static void s_finish_row (sb_table_t *self)
{
    while (self->cell_count < self->row_count * self->column_count)
        s_add (self, "", SB_MARK_PLAIN);
}

void sb_table_row (sb_table_t *self)
{
    assert (self->column_count > 0);
    s_finish_row (self);
    self->row_count++;
}

void sb_table_cell (sb_table_t *self, const char *text, sb_mark_t mark)
{
    assert (self->cell_count < self->row_count * self->column_count);
    s_add (self, text, mark);
}

/* One cell with the blanks before it, and after it when another follows. */
static void s_print (const sb_table_t *self, FILE *stream, uint32_t column, const char *text, sb_mark_t mark)
{
    uint32_t blanks = self->widths[column] - sb_display_width (text);
    bool is_last = column + 1 == self->column_count;
    if (self->is_number[column])
        fprintf (stream, "%*s", (int)blanks, "");
    fprintf (stream, "%s%s%s", sb_display_colour (mark), text, mark == SB_MARK_PLAIN ? "" : SB_DISPLAY_RESET);
    if (!is_last)
        fprintf (stream, "%*s", (int)(GAP + (self->is_number[column] ? 0 : blanks)), "");
}

void sb_table_print (const sb_table_t *self, FILE *stream, bool has_colour)
{
    bool has_titles = false;
    for (uint32_t i = 0; i < self->column_count; i++)
        has_titles = has_titles || *self->titles[i];
    for (uint32_t i = 0; has_titles && i < self->column_count; i++)
        s_print (self, stream, i, self->titles[i], has_colour ? SB_MARK_TITLE : SB_MARK_PLAIN);
    if (has_titles)
        fputc ('\n', stream);
    for (uint32_t i = 0; i < self->row_count * self->column_count; i++) {
        uint32_t column = i % self->column_count;
        cell_t empty = {.text = (char *)"", .mark = SB_MARK_PLAIN};
        const cell_t *cell = i < self->cell_count ? &self->cells[i] : &empty;
        s_print (self, stream, column, cell->text, has_colour ? cell->mark : SB_MARK_PLAIN);
        if (column + 1 == self->column_count)
            fputc ('\n', stream);
    }
}

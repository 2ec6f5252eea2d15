/* SPDX-License-Identifier: MPL-2.0
 *
 * A screen in memory. Only characters that every terminal shows one cell wide are kept: asking wcwidth () would make
 * the picture depend on the locale.
 */
#include "sb_canvas.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 10000, ELLIPSIS = 0x2026 };

typedef struct {
    uint32_t point; /* Unicode */
    sb_mark_t mark;
} cell_t;

struct sb_canvas {
    uint32_t width;
    uint32_t height;
    cell_t *cells; /* line by line */
};

sb_canvas_t *sb_canvas_new (uint32_t width, uint32_t height)
{
    assert (width >= 1 && width <= SIDE_MAX && height >= 1 && height <= SIDE_MAX);
    sb_canvas_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->width = width;
    self->height = height;
    self->cells = calloc ((size_t)width * height, sizeof (*self->cells));
    assert (self->cells);
    for (size_t i = 0; i < (size_t)width * height; i++)
        self->cells[i].point = ' ';
    return self;
}

void sb_canvas_destroy (sb_canvas_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free ((*self_p)->cells);
    free (*self_p);
    *self_p = NULL;
}

uint32_t sb_canvas_width (const sb_canvas_t *self)
{
    return self->width;
}

uint32_t sb_canvas_height (const sb_canvas_t *self)
{
    return self->height;
}

static bool s_is_one_cell (uint32_t point)
{
    return (point >= 0x20 && point < 0x7f) || (point >= 0xa1 && point < 0x300 && point != 0xad) ||
           (point >= 0x391 && point < 0x482) || (point >= 0x2010 && point < 0x2027);
}

/* Reads one character and steps over it; ? for what may not be shown. */
static uint32_t s_next (const char **text)
{
    const unsigned char *octets = (const unsigned char *)*text;
    uint32_t size = octets[0] < 0x80 ? 1 : octets[0] >= 0xf0 ? 4 : octets[0] >= 0xe0 ? 3 : octets[0] >= 0xc0 ? 2 : 1;
    uint32_t point = size == 1 ? octets[0] : octets[0] & (0x7fu >> size);
    uint32_t used = 1;
    while (used < size && (octets[used] & 0xc0) == 0x80)
        point = point << 6 | (octets[used++] & 0x3f);
    *text += used;
    return used == size && s_is_one_cell (point) ? point : '?';
}

uint32_t sb_canvas_text (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, const char *text,
                         sb_mark_t mark)
{
    if (line >= self->height || column >= self->width || width == 0)
        return 0;
    if (width > self->width - column)
        width = self->width - column;
    cell_t *cells = &self->cells[(size_t)line * self->width + column];
    uint32_t used = 0;
    while (*text && used < width)
        cells[used++] = (cell_t){.point = s_next (&text), .mark = mark};
    if (*text)
        cells[used - 1].point = ELLIPSIS;
    return used;
}

void sb_canvas_text_right (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, const char *text,
                           sb_mark_t mark)
{
    uint32_t size = sb_display_width (text);
    uint32_t blanks = size < width ? width - size : 0;
    sb_canvas_text (self, line, column + blanks, width - blanks, text, mark);
}

void sb_canvas_mark (sb_canvas_t *self, uint32_t line, uint32_t column, uint32_t width, sb_mark_t mark)
{
    for (uint32_t i = column; line < self->height && i < self->width && i - column < width; i++)
        self->cells[(size_t)line * self->width + i].mark = mark;
}

sb_mark_t sb_canvas_mark_at (const sb_canvas_t *self, uint32_t line, uint32_t column)
{
    assert (line < self->height && column < self->width);
    return self->cells[(size_t)line * self->width + column].mark;
}

/* Writes a character; returns its octets. */
static size_t s_encode (uint32_t point, bool is_utf8, char *text)
{
    if (point < 0x80 || !is_utf8) {
        text[0] = point == ELLIPSIS ? '~' : point < 0x80 ? (char)point : '?';
        return 1;
    }
    if (point < 0x800) {
        text[0] = (char)(0xc0 | point >> 6);
        text[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    text[0] = (char)(0xe0 | point >> 12);
    text[1] = (char)(0x80 | (point >> 6 & 0x3f));
    text[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

uint32_t sb_canvas_run (const sb_canvas_t *self, uint32_t line, uint32_t column, bool is_utf8, char *text, size_t size,
                        sb_mark_t *mark)
{
    size_t written = 0;
    uint32_t cells = 0;
    assert (line < self->height && size >= 8);
    for (; column + cells < self->width && written + 4 < size; cells++) {
        const cell_t *cell = &self->cells[(size_t)line * self->width + column + cells];
        if (cells == 0)
            *mark = cell->mark;
        else if (cell->mark != *mark)
            break;
        written += s_encode (cell->point, is_utf8, text + written);
    }
    text[written] = 0;
    return cells;
}

/* Cells of a line up to its last one that is not blank. */
static uint32_t s_line_width (const sb_canvas_t *self, uint32_t line)
{
    uint32_t width = self->width;
    while (width > 0 && self->cells[(size_t)line * self->width + width - 1].point == ' ')
        width--;
    return width;
}

void sb_canvas_print (const sb_canvas_t *self, FILE *stream, bool is_utf8, bool has_colour)
{
    char text[256];
    sb_mark_t mark = SB_MARK_PLAIN;
    for (uint32_t line = 0; line < self->height; line++) {
        uint32_t end = s_line_width (self, line);
        uint32_t cells;
        for (uint32_t column = 0; column < end; column += cells) {
            cells = sb_canvas_run (self, line, column, is_utf8, text, sizeof (text), &mark);
            if (column + cells > end)
                text[strlen (text) - (column + cells - end)] = 0;
            bool is_marked = has_colour && mark != SB_MARK_PLAIN;
            fprintf (stream, "%s%s%s", is_marked ? sb_display_colour (mark) : "", text,
                     is_marked ? SB_DISPLAY_RESET : "");
        }
        fputc ('\n', stream);
    }
}

char *sb_canvas_line (const sb_canvas_t *self, uint32_t line)
{
    assert (line < self->height);
    uint32_t width = s_line_width (self, line);
    char *text = calloc (1, (size_t)width * 3 + 1);
    assert (text);
    size_t size = 0;
    for (uint32_t i = 0; i < width; i++)
        size += s_encode (self->cells[(size_t)line * self->width + i].point, true, text + size);
    return text;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * A file with its layout. The first line is kept aside, as it is cut in place to be looked at and may
 * be a row after all.
 */
#include "sb_source.h"
#include "sb_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sb_source {
    const sb_layout_set_t *set;
    sb_input_t *input;
    char name[256];
    char *layout_name; /* NULL: choose */
    sb_layout_t layout;
    bool is_json;
    bool is_ready;
    bool skips_header; /* the next line is one */
    bool has_first;    /* `first` is the next row */
    size_t first_size;
    sb_cells_t cells;
    char first[SB_LINE_MAX + 1];
    char work[SB_LINE_MAX + 1];
};

sb_source_t *sb_source_open (const sb_layout_set_t *set, const sb_source_options_t *options, char *error,
                             size_t error_size)
{
    sb_source_t *self = calloc (1, sizeof *self);
    if (!self) {
        snprintf (error, error_size, "no memory");
        return NULL;
    }
    const char *slash = strrchr (options->path, '/');
    snprintf (self->name, sizeof self->name, "%s", options->name ? options->name : slash ? slash + 1 : options->path);
    self->set = set;
    self->layout_name = options->layout_name ? strdup (options->layout_name) : NULL;
    self->input = sb_input_open (options->path, error, error_size);
    if (!self->input)
        sb_source_close (&self);
    return self;
}

void sb_source_close (sb_source_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_input_close (&(*self_p)->input);
    free ((*self_p)->layout_name);
    free (*self_p);
    *self_p = NULL;
}

static sb_source_status_t s_fail (char *error, size_t error_size, const char *name, const char *text)
{
    snprintf (error, error_size, "%s: %s", name, text);
    return SB_SOURCE_FAILED;
}

/* Takes the first line aside, without a byte order mark, and blank lines before it. */
static sb_source_status_t s_read_first (sb_source_t *self, char *error, size_t error_size)
{
    char *line;
    size_t size = 0;
    while (size == 0)
        switch (sb_input_line (self->input, &line, &size)) {
        case SB_INPUT_LINE:
        case SB_INPUT_PARTIAL:
            break;
        case SB_INPUT_WAIT:
            return SB_SOURCE_WAIT;
        case SB_INPUT_TOO_LONG:
            return s_fail (error, error_size, self->name,
                           "the first line is longer than 64 KiB: this is no table of rows");
        case SB_INPUT_END:
            return s_fail (error, error_size, self->name, "is empty");
        case SB_INPUT_DAMAGED:
            return s_fail (error, error_size, self->name, sb_input_error (self->input));
        }
    if (size >= 3 && memcmp (line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        size -= 3;
    }
    memcpy (self->first, line, size + 1);
    self->first_size = size;
    return SB_SOURCE_READY;
}

/* Cuts a copy of the first line into `cells`. False: it is no row of this kind. */
static bool s_cut_first (sb_source_t *self, char separator)
{
    memcpy (self->work, self->first, self->first_size + 1);
    return self->is_json ? sb_cells_from_json (&self->cells, self->work, self->first_size)
                         : sb_cells_from_csv (&self->cells, self->work, self->first_size, separator);
}

/* Says where the first line, cut already, is not the header that the layout names. */
static sb_source_status_t s_fail_header (sb_source_t *self, char *error, size_t error_size)
{
    const sb_layout_t *layout = &self->layout;
    const sb_cells_t *cells = &self->cells;
    char text[256];
    uint32_t i = 0;
    while (i < cells->count && i < layout->column_count &&
           sb_text_equal (cells->cells[i], sb_text (layout->columns[i])))
        i++;
    if (cells->count != layout->column_count)
        snprintf (text, sizeof text,
                  "its first line has %u columns where layout %s names %u: look at columns and separator", cells->count,
                  layout->name, layout->column_count);
    else
        snprintf (text, sizeof text,
                  "column %u of its first line is not \"%s\", which layout %s names there (header = no: none)", i + 1,
                  layout->columns[i], layout->name);
    return s_fail (error, error_size, self->name, text);
}

static sb_source_status_t s_take_named (sb_source_t *self, char *error, size_t error_size)
{
    if (!sb_layout_set_find (self->set, self->layout_name, &self->layout, error, error_size))
        return SB_SOURCE_FAILED;
    if (self->is_json || !self->layout.has_header)
        return SB_SOURCE_READY;
    if (!s_cut_first (self, self->layout.separator))
        return s_fail (error, error_size, self->name,
                       "its first line is no header: a quote left open, or over 64 columns");
    return sb_layout_matches_header (&self->layout, &self->cells) ? SB_SOURCE_READY
                                                                  : s_fail_header (self, error, error_size);
}

/* Takes the layout that fits the first line, cut in each of the ways there are. */
static sb_source_status_t s_choose (sb_source_t *self, char *error, size_t error_size)
{
    for (const char *separator = sb_layout_separators (); *separator; separator++) {
        if (!s_cut_first (self, *separator))
            continue;
        const sb_layout_t *chosen = sb_layout_set_choose (self->set, &self->cells, self->is_json, self->name);
        if (chosen && (self->is_json || chosen->separator == *separator)) {
            self->layout = *chosen;
            return SB_SOURCE_READY;
        }
    }
    return s_fail (error, error_size, self->name,
                   "no layout fits its first line: write one (see --print-layout) and give it with --layout FILE");
}

sb_source_status_t sb_source_prepare (sb_source_t *self, char *error, size_t error_size)
{
    if (self->is_ready)
        return SB_SOURCE_READY;
    sb_source_status_t status = s_read_first (self, error, error_size);
    if (status != SB_SOURCE_READY)
        return status;
    self->is_json = self->first[strspn (self->first, " \t")] == '{';
    status = self->layout_name ? s_take_named (self, error, error_size) : s_choose (self, error, error_size);
    if (status != SB_SOURCE_READY)
        return status;
    if (!sb_layout_bind (&self->layout, self->name, error, error_size))
        return SB_SOURCE_FAILED;
    self->has_first = self->is_json || !self->layout.has_header;
    self->is_ready = true;
    return SB_SOURCE_READY;
}

sb_input_status_t sb_source_line (sb_source_t *self, char **line, size_t *size)
{
    if (self->has_first) {
        self->has_first = false;
        *line = self->first;
        *size = self->first_size;
        return SB_INPUT_LINE;
    }
    sb_input_status_t status = sb_input_line (self->input, line, size);
    if (status == SB_INPUT_LINE && self->skips_header) {
        self->skips_header = false;
        status = sb_input_line (self->input, line, size);
    }
    return status;
}

bool sb_source_rewind (sb_source_t *self)
{
    if (!sb_input_rewind (self->input))
        return false;
    self->has_first = false;
    self->skips_header = !self->is_json && self->layout.has_header;
    return true;
}

const sb_layout_t *sb_source_layout (const sb_source_t *self)
{
    return &self->layout;
}

bool sb_source_is_json (const sb_source_t *self)
{
    return self->is_json;
}

sb_input_t *sb_source_input (sb_source_t *self)
{
    return self->input;
}

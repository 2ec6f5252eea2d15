/* SPDX-License-Identifier: MPL-2.0
 *
 * A file with its layout: opens an input, looks at its first line, chooses or checks the layout, and
 * then hands out the rows.
 */
#ifndef SB_SOURCE_H
#define SB_SOURCE_H

#include "sb_input.h"
#include "sb_layout_set.h"

typedef struct sb_source sb_source_t;

/* What to open. */
typedef struct {
    const char *path;        /* "-": standard input */
    const char *name;        /* stands for the path's base name where names matter; NULL: the path's own */
    const char *layout_name; /* NULL: chosen by the first line */
} sb_source_options_t;

typedef enum {
    SB_SOURCE_READY, /* the layout is known */
    SB_SOURCE_WAIT,  /* nothing to read now: poll sb_source_descriptor */
    SB_SOURCE_FAILED /* `error` says why */
} sb_source_status_t;

/* Opens the input; nothing is read yet. NULL and a sentence when it cannot be. `set` is borrowed for the source's life.
 */
sb_source_t *sb_source_open (const sb_layout_set_t *set, const sb_source_options_t *options, char *error,
                             size_t error_size);
void sb_source_close (sb_source_t **self_p);

/* Reads as far as is needed to know the layout. Call again after WAIT. An input without any line is FAILED. */
sb_source_status_t sb_source_prepare (sb_source_t *self, char *error, size_t error_size);

/* As sb_input_line; the header is left out. Only once READY. */
sb_input_status_t sb_source_line (sb_source_t *self, char **line, size_t *size);

/* Back to the first row. False for a pipe. */
bool sb_source_rewind (sb_source_t *self);

/* Only once READY. Borrowed. */
const sb_layout_t *sb_source_layout (const sb_source_t *self);
bool sb_source_is_json (const sb_source_t *self);

/* The input under it. Borrowed. */
sb_input_t *sb_source_input (sb_source_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Loads a folder of context series: each file whose first line fits a layout of kind series.
 */
#ifndef SB_CONTEXT_FILES_H
#define SB_CONTEXT_FILES_H

#include "sb_context.h"
#include "sb_layout_set.h"

/* What became of one file. Borrowed during the report. */
typedef struct {
    const char *name;
    const char *layout; /* its name; empty when none fits */
    const char *error;  /* why it was not read, or not to its end; empty: it was */
    const sb_accounting_t *accounting;
} sb_context_file_t;

/* Reads the folder's *.csv, *.csv.gz, *.jsonl and *.jsonl.gz in order of their names, validates their rows, and adds
 * them to `context`, which it then finishes. Calls `report` for each. A file that is no series or cannot be read is
 * reported and left out. False, and a sentence, when the folder cannot be read or there is no memory. */
bool sb_context_load (sb_context_t *context, const sb_layout_set_t *set, const char *folder,
                      void (*report) (const sb_context_file_t *file, void *context), void *report_context, char *error,
                      size_t error_size);

#endif

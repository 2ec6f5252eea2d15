/* SPDX-License-Identifier: MPL-2.0
 *
 * What a run came to, as text for people or one JSON object; and the line of progress. Pure.
 */
#ifndef SB_SUMMARY_H
#define SB_SUMMARY_H

#include "sb_accounting.h"

/* A run. Texts are borrowed. */
typedef struct {
    const char *input; /* the file's name, or "simulation" */
    const char *layout;
    const char *error; /* why the input ended early; empty: it did not */
    const sb_accounting_t *accounting;
    uint64_t subjects;
    uint64_t derived_refused; /* updates other than rows that were refused */
    uint64_t context_series;
    uint64_t context_rows;
    double elapsed_s;
    bool is_check; /* nothing was to be published: good rows count as published */
} sb_summary_t;

/* Writes the summary as snprintf does: returns the octets that it has. Ends in a newline. */
int sb_summary_text (const sb_summary_t *self, char *text, size_t size);
int sb_summary_json (const sb_summary_t *self, char *text, size_t size);

/* Where a run stands. */
typedef struct {
    uint64_t rows;
    uint64_t rows_before; /* at the line before */
    double interval_s;    /* since then */
    double elapsed_s;
    uint64_t octets_read;  /* of the file as it is stored */
    uint64_t octets_total; /* 0: not known */
    const char *status;    /* "ACTIVE", "PAUSED" … */
} sb_progress_t;

/* One line without its end: rows, rate, and where the size is known share of the file and time left. */
int sb_progress_text (const sb_progress_t *self, char *text, size_t size);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Context series (risk, sentiment, macro, on-chain, fundamental) held in memory and joined to ticks as
 * of their time: a row of a series is seen by the first tick at or after the moment it could be known.
 *
 * Rows are kept sorted by that moment, so a file may be newest first. Each subject walks forward
 * through each series with a cursor of its own: a tick costs one comparison per series, and files that
 * come grouped by symbol, where time starts over, see no future. Pure.
 */
#ifndef SB_CONTEXT_H
#define SB_CONTEXT_H

#include "sb_row.h"

enum { SB_SERIES_MAX = 64 };

typedef struct sb_context sb_context_t;

/* Where one subject stands in each series: rows below it are joined. All zero at the start. */
typedef struct {
    uint32_t rows[SB_SERIES_MAX];
} sb_context_cursor_t;

/* NULL when there is no memory. */
sb_context_t *sb_context_new (void);
void sb_context_destroy (sb_context_t **self_p);

/* Opens a series of `layout`'s fields (copied). Its rows follow. False when there are SB_SERIES_MAX of them already, or
 * no memory. */
bool sb_context_add_series (sb_context_t *self, const sb_layout_t *layout);

/* Adds a row to the series opened last; values and texts are copied. False when there is no memory. */
bool sb_context_add_row (sb_context_t *self, const sb_row_t *row);

/* Sorts what was added. Once, after the last row and before the first join. */
void sb_context_finish (sb_context_t *self);

/* Moves the cursor to `time_ns`, which for one cursor must not go back, and writes the newest known value of each field
 * that had a row in between. `symbol` is the subject's, for series keyed by it. Returns how many changes were written,
 * at most `most` (then the rest is left for the next call); they borrow from the context. */
uint32_t sb_context_join (const sb_context_t *self, sb_context_cursor_t *cursor, const char *symbol, int64_t time_ns,
                          sb_change_t *changes, uint32_t most);

/* Series and rows held. */
uint32_t sb_context_series_count (const sb_context_t *self);
uint64_t sb_context_row_count (const sb_context_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Feed quality: the books of a feed as fields of state, category market_data, subject `feed`. Only
 * what changed since the last time is given. Pure.
 */
#ifndef SB_QUALITY_H
#define SB_QUALITY_H

#include "sb_accounting.h"

enum { SB_QUALITY_CHANGES_MAX = 16 + SB_REJECTION_LIMIT + SB_REASON_LIMIT };

/* What is known of a feed besides its books. */
typedef struct {
    int64_t feed_time_ns; /* its own clock; 0: no row yet */
    int64_t freshness_ms; /* since the last row was read, by the wall's clock */
    uint64_t subjects;
} sb_feed_state_t;

/* Room for names and for what was sent last. All zero is a start. */
typedef struct {
    uint64_t sent[SB_QUALITY_CHANGES_MAX]; /* last value, plus one; 0: never sent */
    char names[SB_QUALITY_CHANGES_MAX][64];
} sb_quality_report_t;

/* Writes the changes since the call before; they borrow names from *self. Returns how many, 0 when nothing changed. */
uint32_t sb_quality_changes (sb_quality_report_t *self, const sb_accounting_t *accounting, const sb_feed_state_t *state,
                             sb_change_t changes[SB_QUALITY_CHANGES_MAX]);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The pipeline of a feed, from line to tick: read by layout, validate, number, compute, join the
 * context. Pure; the program around it brings lines and sends ticks.
 */
#ifndef SB_FEED_H
#define SB_FEED_H

#include "sb_subjects.h"
#include "sb_validator.h"

enum {
    SB_SUBJECTS_MAX = 10000,                    /* subjects of a feed */
    SB_MARKET_CHANGES_MAX = 10 + SB_FIELDS_MAX, /* of a tick */
    SB_DERIVED_CHANGES_MAX = 256
};

/* What a published row says. Borrowed from the line and the feed: valid until the next line is read. */
typedef struct {
    const char *subject; /* market:symbol */
    int64_t time_ns;     /* on the feed's clock */
    uint64_t tick_id;    /* 1, 2, 3 … over all subjects */
    const sb_row_t *row;
    sb_change_t market[SB_MARKET_CHANGES_MAX]; /* for category market_data; none for a series */
    uint32_t market_count;
    sb_change_t derived[SB_DERIVED_CHANGES_MAX]; /* without category: indicators, context, a series' own fields */
    uint32_t derived_count;
} sb_tick_t;

typedef enum { SB_OUTCOME_TICK, SB_OUTCOME_UNCHANGED, SB_OUTCOME_REJECTED, SB_OUTCOME_NONE } sb_outcome_t;

typedef struct sb_feed sb_feed_t;

/* `layout` is copied; `context` (NULL: none) is borrowed for the feed's life. NULL when there is no memory. */
sb_feed_t *sb_feed_new (const sb_layout_t *layout, bool is_json, const sb_context_t *context);
void sb_feed_destroy (sb_feed_t **self_p);

/* Reads one line, counts it, and fills *tick on SB_OUTCOME_TICK; the tick counts as pending then, and whoever sends it
 * moves it to published or refused. NONE: a blank line, or a symbol that is filtered out. `line` is changed. */
sb_outcome_t sb_feed_line (sb_feed_t *self, char *line, size_t size, sb_tick_t *tick);

/* Counts a row that could not even be read as a line. */
void sb_feed_reject (sb_feed_t *self, sb_rejection_t rejection);

/* Only subjects that fit this pattern (or whose symbol does) are read; NULL: all. Borrowed. */
void sb_feed_filter (sb_feed_t *self, const char *pattern);

/* A file is read again from its start: subjects forget times, books and cursors, and go on counting. */
void sb_feed_restart (sb_feed_t *self);

/* The books; may be changed by the sender. */
sb_accounting_t *sb_feed_accounting (sb_feed_t *self);

/* Cause of the last rejected row. */
sb_rejection_t sb_feed_last_rejection (const sb_feed_t *self);

/* Time of the last row that was taken, 0: none; and how many subjects were met. */
int64_t sb_feed_time_ns (const sb_feed_t *self);
uint32_t sb_feed_subject_count (const sb_feed_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * When a row is due: the feed's clock mapped onto the monotonic one at some speed. Pure.
 *
 * Time is measured from an anchor, not from the row before, so rounding does not add up. The anchor
 * is set anew where the feed's clock goes back (the next symbol of a grouped file), where a wait is cut
 * short, and after a pause: a feed that was held goes on at its pace and does not rush to catch up.
 */
#ifndef SB_PACING_H
#define SB_PACING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double speed;            /* 1: as recorded; 0: every row is due at once */
    int64_t longest_wait_ns; /* 0: no wait is too long */
    bool is_anchored;
    int64_t anchor_feed_ns;
    int64_t anchor_ns;
    int64_t last_feed_ns;
    int64_t last_due_ns;
} sb_pacing_t;

void sb_pacing_init (sb_pacing_t *self, double speed, int64_t longest_wait_ns);

/* The monotonic time at which a row of feed time `feed_ns` is due, asked once for each row, in order. */
int64_t sb_pacing_due (sb_pacing_t *self, int64_t feed_ns, int64_t now_ns);

/* Forgets the anchor: the next row is due at once. */
void sb_pacing_reset (sb_pacing_t *self);

#endif

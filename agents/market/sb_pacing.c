/* SPDX-License-Identifier: MPL-2.0
 *
 * When a row is due.
 */
#include "sb_pacing.h"

#include <string.h>

void sb_pacing_init (sb_pacing_t *self, double speed, int64_t longest_wait_ns)
{
    memset (self, 0, sizeof *self);
    self->speed = speed;
    self->longest_wait_ns = longest_wait_ns;
}

static void s_anchor (sb_pacing_t *self, int64_t feed_ns, int64_t due_ns)
{
    self->is_anchored = true;
    self->anchor_feed_ns = feed_ns;
    self->anchor_ns = due_ns;
}

int64_t sb_pacing_due (sb_pacing_t *self, int64_t feed_ns, int64_t now_ns)
{
    if (self->speed <= 0)
        return now_ns;
    if (!self->is_anchored || feed_ns < self->last_feed_ns)
        s_anchor (self, feed_ns, now_ns);
    int64_t due_ns = self->anchor_ns + (int64_t)((double)(feed_ns - self->anchor_feed_ns) / self->speed);
    bool is_first = feed_ns == self->anchor_feed_ns;
    if (self->longest_wait_ns > 0 && !is_first && due_ns - self->last_due_ns > self->longest_wait_ns) {
        due_ns = self->last_due_ns + self->longest_wait_ns;
        s_anchor (self, feed_ns, due_ns);
    }
    self->last_feed_ns = feed_ns;
    self->last_due_ns = due_ns;
    return due_ns;
}

void sb_pacing_reset (sb_pacing_t *self)
{
    self->is_anchored = false;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The liveness table, one function per event. See liveness.h.
 *
 * MUTE's clock is one number: when it will be entered or repeated. Whatever shows progress, empties the queue, or
 * forbids judging sets it to 0; the next beat with work queued starts it.
 */
#include "liveness.h"

#include <string.h>

static uint64_t s_add (uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

static bool s_enter (sb_liveness_t *self, sb_liveness_state_t state, uint64_t now_ns)
{
    if (self->state == state)
        return false;
    self->state = state;
    self->since_ns = now_ns;
    self->mute_ns = 0;
    self->is_mute = false;
    return true;
}

void sb_liveness_init (sb_liveness_t *self, uint64_t now_ns)
{
    memset (self, 0, sizeof *self);
    self->state = SB_LIVENESS_OFFLINE;
    self->since_ns = now_ns;
    self->heard_ns = now_ns;
}

void sb_liveness_recover (sb_liveness_t *self, uint64_t interval_ns, uint64_t now_ns)
{
    sb_liveness_init (self, now_ns);
    self->state = SB_LIVENESS_RECOVERING;
    self->interval_ns = interval_ns;
}

bool sb_liveness_register (sb_liveness_t *self, uint64_t interval_ns, uint64_t now_ns)
{
    self->interval_ns = interval_ns;
    self->heard_ns = now_ns;
    self->progress = 0;
    self->mute_ns = 0;
    self->is_mute = false;
    bool is_recovering = self->state == SB_LIVENESS_RECOVERING;
    return s_enter (self, is_recovering ? SB_LIVENESS_LIVE : SB_LIVENESS_REGISTERED, now_ns);
}

bool sb_liveness_heard (sb_liveness_t *self, uint64_t now_ns)
{
    switch (self->state) {
    case SB_LIVENESS_DEAD:
    case SB_LIVENESS_OFFLINE:
    case SB_LIVENESS_RECOVERING:
        return false;
    case SB_LIVENESS_SUSPECT:
        self->mistakes++;
        break;
    case SB_LIVENESS_REGISTERED:
    case SB_LIVENESS_LIVE:
        break;
    }
    if (now_ns > self->heard_ns)
        self->heard_ns = now_ns;
    return s_enter (self, SB_LIVENESS_LIVE, now_ns);
}

bool sb_liveness_unmute (sb_liveness_t *self)
{
    bool was_mute = self->is_mute;
    self->is_mute = false;
    self->mute_ns = 0;
    return was_mute;
}

bool sb_liveness_beat (sb_liveness_t *self, uint64_t progress, uint32_t queue_depth, bool is_judged,
                       uint64_t timeout_ns, uint64_t now_ns)
{
    bool has_moved = progress != self->progress;
    self->progress = progress;
    if (self->state != SB_LIVENESS_LIVE || !is_judged || queue_depth == 0)
        return sb_liveness_unmute (self);
    if (has_moved) {
        bool was_mute = sb_liveness_unmute (self);
        self->mute_ns = s_add (now_ns, timeout_ns);
        return was_mute;
    }
    if (self->mute_ns == 0)
        self->mute_ns = s_add (now_ns, timeout_ns);
    return false;
}

bool sb_liveness_goodbye (sb_liveness_t *self, uint64_t now_ns)
{
    return s_enter (self, SB_LIVENESS_OFFLINE, now_ns);
}

/* When silence alone changes the state next; UINT64_MAX: never. */
static uint64_t s_silence_deadline (const sb_liveness_t *self)
{
    uint64_t intervals = 0;
    switch (self->state) {
    case SB_LIVENESS_REGISTERED:
        intervals = SB_LIVENESS_UNHEARD_INTERVALS;
        break;
    case SB_LIVENESS_LIVE:
        intervals = SB_LIVENESS_SUSPECT_INTERVALS;
        break;
    case SB_LIVENESS_SUSPECT:
    case SB_LIVENESS_RECOVERING:
        intervals = SB_LIVENESS_DEAD_INTERVALS;
        break;
    case SB_LIVENESS_DEAD:
    case SB_LIVENESS_OFFLINE:
        return UINT64_MAX;
    }
    uint64_t silence_ns = intervals * self->interval_ns;
    if (self->state == SB_LIVENESS_RECOVERING && silence_ns < SB_LIVENESS_RECOVERING_NS)
        silence_ns = SB_LIVENESS_RECOVERING_NS;
    return s_add (self->heard_ns, silence_ns);
}

sb_liveness_outcome_t sb_liveness_expire (sb_liveness_t *self, uint64_t timeout_ns, uint64_t now_ns)
{
    /* Silence first: an agent that went silent is not judged for its progress. */
    if (now_ns >= s_silence_deadline (self)) {
        s_enter (self, self->state == SB_LIVENESS_LIVE ? SB_LIVENESS_SUSPECT : SB_LIVENESS_DEAD, now_ns);
        return SB_LIVENESS_CHANGED;
    }
    if (self->mute_ns == 0 || now_ns < self->mute_ns)
        return SB_LIVENESS_NOTHING;
    bool was_mute = self->is_mute;
    self->is_mute = true;
    self->mute_ns = s_add (now_ns, timeout_ns);
    return was_mute ? SB_LIVENESS_MUTE_REPEAT : SB_LIVENESS_MUTE;
}

uint64_t sb_liveness_deadline (const sb_liveness_t *self)
{
    uint64_t silence_ns = s_silence_deadline (self);
    return self->mute_ns != 0 && self->mute_ns < silence_ns ? self->mute_ns : silence_ns;
}

void sb_liveness_delay (sb_liveness_t *self, uint64_t lateness_ns, uint64_t now_ns)
{
    if (lateness_ns <= self->interval_ns / 2)
        return;
    /* Not beyond now: what was heard while the input was drained is no older for it. */
    uint64_t moved_ns = s_add (self->heard_ns, lateness_ns);
    if (moved_ns > now_ns)
        moved_ns = now_ns;
    if (moved_ns > self->heard_ns)
        self->heard_ns = moved_ns;
    if (self->mute_ns != 0)
        self->mute_ns = s_add (self->mute_ns, lateness_ns);
}

bool sb_liveness_is_over (const sb_liveness_t *self, uint64_t forget_after_ns, uint64_t now_ns)
{
    if (self->state != SB_LIVENESS_DEAD && self->state != SB_LIVENESS_OFFLINE)
        return false;
    return now_ns >= s_add (self->since_ns, forget_after_ns);
}

bool sb_liveness_is_well (const sb_liveness_t *self, uint64_t now_ns)
{
    if (self->state == SB_LIVENESS_LIVE)
        return true;
    return self->state == SB_LIVENESS_REGISTERED &&
           now_ns < s_add (self->heard_ns, SB_LIVENESS_SUSPECT_INTERVALS * self->interval_ns);
}

const char *sb_liveness_name (sb_liveness_state_t state)
{
    switch (state) {
    case SB_LIVENESS_REGISTERED:
        return "REGISTERED";
    case SB_LIVENESS_LIVE:
        return "LIVE";
    case SB_LIVENESS_SUSPECT:
        return "SUSPECT";
    case SB_LIVENESS_DEAD:
        return "DEAD";
    case SB_LIVENESS_OFFLINE:
        return "OFFLINE";
    case SB_LIVENESS_RECOVERING:
        return "RECOVERING";
    }
    return "?";
}

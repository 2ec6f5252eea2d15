/* SPDX-License-Identifier: MPL-2.0
 *
 * Levels: what the broker last said this agent may do. Each is repeated in every HeartbeatAck (the emergency
 * stop on _control. too), so a lost message cannot leave a lasting disagreement; an older
 * revision never undoes a newer one. Hearing none for control_timeout pauses the agent by its own word, until the
 * first level that says neither paused nor stopped; its own lateness is added, as a process that was
 * stopped has not listened.
 */
#include "agent_step_private.h"

#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

enum { SB_ADMITTED_MAX = 256, SB_CONTROL_TIMEOUT_MS = 10000 };

void sb_levels_init (sb_levels_t *self)
{
    *self = (sb_levels_t){.self_pause_at_ns = UINT64_MAX, .control_timeout_ns = SB_CONTROL_TIMEOUT_MS * SB_NS_PER_MS};
}

void sb_levels_fini (sb_levels_t *self)
{
    free (self->admitted);
    self->admitted = NULL;
}

void sb_levels_operator (sb_agent_step_t *self, const sb_operator_state_t *state, bool is_welcome)
{
    sb_levels_t *levels = &self->levels;
    if (!is_welcome && state->revision < levels->operator_revision)
        return;
    levels->operator_revision = state->revision;
    if (levels->paused == state->paused)
        return;
    levels->paused = state->paused;
    if (!state->paused && levels->hold_reason == SB_REASON_PAUSED)
        levels->hold_until_ns = 0;
    sb_step_log (self, SB_SEVERITY_INFO, state->paused ? "paused by an operator" : "resumed by an operator",
                 state->reason);
}

static void s_adopt_admitted (sb_levels_t *self, const sb_latch_t *latch)
{
    uint32_t count = latch->admitted_count < SB_ADMITTED_MAX ? latch->admitted_count : SB_ADMITTED_MAX;
    free (self->admitted);
    self->admitted_count = 0;
    self->admitted = count ? calloc (count, sizeof *self->admitted) : NULL;
    for (uint32_t i = 0; self->admitted && i < count; i++) {
        sb_text_t category = latch->admitted_categories[i];
        if (category.size <= SB_CATEGORY_MAX)
            memcpy (self->admitted[self->admitted_count++], category.data, category.size);
    }
}

static void s_set_stopped (sb_agent_step_t *self, bool stopped, uint64_t latch_epoch, sb_text_t why)
{
    sb_levels_t *levels = &self->levels;
    levels->latch_epoch = latch_epoch;
    if (levels->stopped == stopped)
        return;
    levels->stopped = stopped;
    if (!stopped && levels->hold_reason == SB_REASON_EMERGENCY_STOPPED)
        levels->hold_until_ns = 0;
    sb_step_log (self, stopped ? SB_SEVERITY_WARNING : SB_SEVERITY_INFO,
                 stopped ? "emergency stop" : "the emergency stop was cleared", why);
}

void sb_levels_latch (sb_agent_step_t *self, const sb_latch_t *latch, bool is_welcome)
{
    if (!is_welcome && latch->latch_epoch < self->levels.latch_epoch)
        return;
    if (latch->admitted_count != self->levels.admitted_count || latch->admitted_count)
        s_adopt_admitted (&self->levels, latch);
    s_set_stopped (self, latch->stopped, latch->latch_epoch, latch->reason);
}

void sb_levels_command (sb_agent_step_t *self, const sb_agent_command_t *command, bool is_latch, bool is_set)
{
    if (is_latch && command->latch_epoch >= self->levels.latch_epoch) {
        s_set_stopped (self, is_set, command->latch_epoch, command->reason);
    } else if (!is_latch) {
        sb_operator_state_t state = {
            .paused = is_set, .revision = command->operator_revision, .reason = command->reason};
        sb_levels_operator (self, &state, false);
    }
}

void sb_levels_breaker (sb_agent_step_t *self, const sb_breaker_status_t *breaker)
{
    sb_levels_t *levels = &self->levels;
    levels->breaker = breaker->state;
    if (breaker->state == SB_BREAKER_CLOSED) {
        if (levels->hold_reason == SB_REASON_BREAKER_OPEN || levels->hold_reason == SB_REASON_ISOLATED)
            levels->hold_until_ns = 0;
        return;
    }
    if (breaker->state == SB_BREAKER_FORCED_OPEN)
        return;
    uint64_t wait_ns = breaker->retry_after_ms * SB_NS_PER_MS;
    if (wait_ns == 0 && breaker->state == SB_BREAKER_OPEN)
        wait_ns = self->interval_ns;
    if (wait_ns) {
        levels->hold_until_ns = sb_step_after (self->now_ns, wait_ns);
        levels->hold_reason = SB_REASON_BREAKER_OPEN;
    } else if (levels->hold_reason == SB_REASON_ISOLATED) {
        levels->hold_until_ns = 0; /* released */
    }
}

void sb_levels_hold (sb_agent_step_t *self, sb_reason_t reason, uint32_t retry_after_ms)
{
    uint64_t wait_ns = retry_after_ms * SB_NS_PER_MS;
    if (wait_ns == 0)
        wait_ns = self->interval_ns; /* by then the level has said how it is */
    uint64_t until_ns = sb_step_after (self->now_ns, wait_ns);
    /* A wait that is longer stands; but what an operator did is the better reason. */
    if (until_ns < self->levels.hold_until_ns && self->levels.hold_reason != SB_REASON_NONE &&
        reason != SB_REASON_ISOLATED)
        return;
    self->levels.hold_until_ns = until_ns;
    self->levels.hold_reason = reason;
}

void sb_levels_let_go (sb_agent_step_t *self)
{
    self->levels.hold_until_ns = 0;
    self->levels.hold_reason = SB_REASON_NONE;
    self->replace.retry_at_ns = 0;
    self->replace.same_until_ns = 0;
    self->replace.retry_ms = 0;
}

void sb_levels_hold_after_probe (sb_agent_step_t *self)
{
    if (self->levels.breaker == SB_BREAKER_HALF_OPEN)
        sb_levels_hold (self, SB_REASON_BREAKER_OPEN, 0);
}

static bool s_is_admitted (const sb_levels_t *self, sb_text_t category)
{
    for (uint32_t i = 0; i < self->admitted_count; i++) {
        if (category.size && sb_text_equal (sb_text (self->admitted[i]), category))
            return true;
    }
    return false;
}

sb_reason_t sb_levels_blocked (const sb_agent_step_t *self, sb_text_t category)
{
    const sb_levels_t *levels = &self->levels;
    if (levels->stopped && !s_is_admitted (levels, category))
        return SB_REASON_EMERGENCY_STOPPED;
    if (levels->paused)
        return SB_REASON_PAUSED;
    if (levels->self_paused)
        return SB_REASON_SELF_PAUSED;
    if (self->link == SB_LINK_SESSION && levels->breaker == SB_BREAKER_FORCED_OPEN)
        return SB_REASON_ISOLATED;
    return self->link == SB_LINK_SESSION && self->now_ns < levels->hold_until_ns ? levels->hold_reason : SB_REASON_NONE;
}

/* ------------------------------------------------------------------ hearing nothing */

void sb_levels_heard (sb_agent_step_t *self)
{
    sb_levels_t *levels = &self->levels;
    if (!self->was_welcome)
        return;
    levels->self_pause_at_ns = sb_step_after (self->now_ns, levels->control_timeout_ns);
    if (levels->self_paused && !levels->paused && !levels->stopped) {
        levels->self_paused = false;
        sb_step_log (self, SB_SEVERITY_INFO, "the broker is heard again: no longer paused by its silence",
                     (sb_text_t){NULL, 0});
    }
}

void sb_levels_tick (sb_agent_step_t *self)
{
    sb_levels_t *levels = &self->levels;
    if (levels->self_pause_at_ns == UINT64_MAX || levels->self_paused)
        return;
    if (self->lateness_ns) {
        uint64_t extended_ns = sb_step_after (levels->self_pause_at_ns, self->lateness_ns);
        uint64_t latest_ns = sb_step_after (self->now_ns, levels->control_timeout_ns);
        levels->self_pause_at_ns = extended_ns < latest_ns ? extended_ns : latest_ns;
    }
    if (self->now_ns >= levels->self_pause_at_ns) {
        levels->self_paused = true;
        sb_step_log (self, SB_SEVERITY_WARNING, sb_reason_info (SB_REASON_SELF_PAUSED)->text, (sb_text_t){NULL, 0});
    }
}

uint64_t sb_levels_deadline (const sb_agent_step_t *self)
{
    const sb_levels_t *levels = &self->levels;
    uint64_t deadline = levels->self_paused ? UINT64_MAX : levels->self_pause_at_ns;
    if (levels->hold_until_ns > self->now_ns && levels->hold_until_ns < deadline)
        deadline = levels->hold_until_ns;
    return deadline;
}

/* ------------------------------------------------------------------ _control. */

static const sb_value_t *s_find (const sb_publication_t *publication, const char *name, sb_value_kind_t kind)
{
    for (uint32_t i = publication->update_count; i > 0; i--) {
        const sb_value_t *value = sb_update_find (&publication->updates[i - 1], name);
        if (value && value->kind == kind)
            return value;
    }
    return NULL;
}

void sb_levels_control (sb_agent_step_t *self, const sb_publication_t *publication)
{
    if (!self->was_welcome || publication->stream_id != self->stream_id || publication->epoch != self->epoch)
        return; /* of a broker that this agent has not met */
    const sb_value_t *stopped = s_find (publication, "stopped", SB_VALUE_BOOLEAN);
    const sb_value_t *latch_epoch = s_find (publication, "latch_epoch", SB_VALUE_INTEGER);
    const sb_value_t *reason = s_find (publication, "reason", SB_VALUE_TEXT);
    if (!stopped || !latch_epoch || latch_epoch->integer < 0)
        return;
    if ((uint64_t)latch_epoch->integer < self->levels.latch_epoch)
        return;
    s_set_stopped (self, stopped->boolean, (uint64_t)latch_epoch->integer, reason ? reason->text : sb_text (""));
    sb_levels_heard (self);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The hooks of control.h: each moves one of the agent's plain structs, then says what came of it (event,
 * counters, quality). Admission's order and the worst cause of a stale state are written down here, once each.
 */
#include "control.h"

#include <string.h>

#include "control_internal.h"

uint64_t sb_control_timeout_ns (const sb_core_t *core)
{
    return core->config.timeout_per_agent_ms * SB_MS;
}

sb_breaker_rules_t sb_control_rules (const sb_core_t *core)
{
    return (sb_breaker_rules_t){
        .failure_threshold = core->config.failure_threshold,
        .probes = core->config.probes,
        .failure_window_ns = core->config.failure_window_ms * SB_MS,
        .recovery_delay_ns = core->config.recovery_delay_ms * SB_MS,
        .recovery_delay_max_ns = core->config.recovery_delay_max_ms * SB_MS,
    };
}

bool sb_control_new (sb_core_t *core)
{
    struct sb_control *self = sb_memory_take (&core->memory, sizeof *self);
    if (self == NULL)
        return false;
    core->control = self;
    self->is_stored = true;
    self->health.summary.score = 1.0;
    sb_latch_init (&core->latch);
    if (!sb_reply_memory_init (&self->replies, &core->memory, core->hash_key, core->config.max_replies,
                               core->config.max_pending_commands))
        return false;
    return sb_pending_init (&self->pending, &core->memory, core->config.max_pending_commands);
}

void sb_control_destroy (sb_core_t *core)
{
    struct sb_control *self = core->control;
    if (self == NULL)
        return;
    sb_reply_memory_fini (&self->replies);
    sb_pending_fini (&self->pending);
    sb_state_hash_fini (core);
    sb_memory_give (&core->memory, self, sizeof *self);
    core->control = NULL;
}

void sb_control_reload (sb_core_t *core)
{
    /* Rules and timeouts are read from the configuration at each use. Which topics a stop leaves alone may have
     * changed. */
    sb_core_request_quality_all (core);
}

void sb_control_agent_init (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_breaker_init (&agent->breaker, sb_core_agent_id (agent));
    sb_liveness_init (&agent->liveness, core->now_ns);
    sb_operator_init (&agent->operator_state);
    agent->health_digest = 0;
}

void sb_control_touched (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_core_request_quality (core, agent);
    sb_core_schedule (core, agent, sb_control_deadline (agent));
}

/* ------------------------------------------------------------------ what the agent does */

static void s_liveness_changed (sb_core_t *core, sb_agent_record_t *agent, sb_liveness_state_t from,
                                uint64_t silence_ns)
{
    sb_events_liveness (core, agent, from, silence_ns);
    sb_core_request_quality (core, agent);
}

void sb_control_registered (sb_core_t *core, sb_agent_record_t *agent, bool is_new_instance)
{
    sb_liveness_state_t from = agent->liveness.state;
    uint64_t silence_ns = core->now_ns - agent->liveness.heard_ns;
    bool changed = sb_liveness_register (&agent->liveness, agent->heartbeat_interval_ms * SB_MS, core->now_ns);
    sb_events_registered (core, agent, is_new_instance);
    if (changed)
        s_liveness_changed (core, agent, from, silence_ns);
    if (is_new_instance)
        sb_operator_unconfirm (&agent->operator_state);
    sb_commands_tell_again (core, agent);
}

void sb_control_heard (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_liveness_state_t from = agent->liveness.state;
    uint64_t silence_ns = core->now_ns - agent->liveness.heard_ns;
    if (!sb_liveness_heard (&agent->liveness, core->now_ns))
        return;
    if (from == SB_LIVENESS_SUSPECT)
        sb_core_counter_add (core, SB_COUNTER_mistaken_suspects, 1);
    s_liveness_changed (core, agent, from, silence_ns);
}

/* What a heartbeat says of pause and stop. Under the stop an agent says `paused` for either of both. */
static void s_confirmations (sb_core_t *core, sb_agent_record_t *agent, const sb_heartbeat_t *heartbeat)
{
    sb_operator_t *state = &agent->operator_state;
    bool stopped = core->latch.stopped;
    bool paused = heartbeat->paused && (state->paused || !stopped);
    if (sb_operator_confirm (state, heartbeat->operator_revision, paused))
        sb_events_operator (core, agent);
    if (heartbeat->latch_epoch != core->latch.epoch || core->latch.epoch == 0)
        return;
    if (stopped && !heartbeat->paused && core->config.admitted_category_count == 0)
        return;
    state->latch_epoch = heartbeat->latch_epoch;
    sb_receipt_answer (&state->latch_receipt, true);
}

static uint64_t s_more (uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* What the agent's handlers did since the beat before: each failed publication is a failure. */
static void s_reported (sb_core_t *core, sb_agent_record_t *agent, const sb_heartbeat_t *heartbeat)
{
    const sb_heartbeat_t *before = &agent->beat;
    uint64_t failed = s_more (heartbeat->failed, before->failed);
    sb_breaker_success (&agent->breaker, s_more (heartbeat->processed, before->processed));
    uint64_t lost = s_more (heartbeat->dropped, before->dropped);
    sb_core_counter_add (core, SB_COUNTER_agent_drops, lost);
    if (lost > 0)
        sb_events_gaps (core, agent, lost, heartbeat->dropped);
    /* More than the ring holds cannot change anything further: it is open by then. */
    uint64_t laid = failed < SB_BREAKER_RING ? failed : SB_BREAKER_RING;
    for (uint64_t i = 0; i < laid; i++)
        sb_control_failure (core, agent, "HANDLER_FAILED");
    agent->breaker.failures += failed - laid;
    sb_core_counter_add (core, SB_COUNTER_failures, failed - laid);
}

void sb_control_heartbeat (sb_core_t *core, sb_agent_record_t *agent, const sb_heartbeat_t *heartbeat)
{
    s_confirmations (core, agent, heartbeat);
    s_reported (core, agent, heartbeat);
    bool is_judged =
        !agent->operator_state.paused && !core->latch.stopped && !heartbeat->paused && !heartbeat->self_paused;
    if (sb_liveness_beat (&agent->liveness, heartbeat->progress, heartbeat->queue_depth, is_judged,
                          sb_control_timeout_ns (core), core->now_ns))
        sb_events_mute (core, agent);
}

void sb_control_goodbye (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_liveness_state_t from = agent->liveness.state;
    uint64_t silence_ns = core->now_ns - agent->liveness.heard_ns;
    if (sb_liveness_goodbye (&agent->liveness, core->now_ns))
        s_liveness_changed (core, agent, from, silence_ns);
    sb_control_session_lost (core, agent);
}

void sb_control_session_lost (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_receipt_lost (&agent->operator_state.receipt);
    sb_receipt_lost (&agent->operator_state.latch_receipt);
    if (sb_liveness_unmute (&agent->liveness))
        sb_events_mute (core, agent);
}

/* ------------------------------------------------------------------ breaker */

void sb_control_failure (sb_core_t *core, sb_agent_record_t *agent, const char *cause)
{
    sb_breaker_rules_t rules = sb_control_rules (core);
    sb_breaker_state_t from = agent->breaker.state;
    sb_core_counter_add (core, SB_COUNTER_failures, 1);
    if (!sb_breaker_failure (&agent->breaker, &rules, core->now_ns))
        return;
    sb_core_counter_add (core, SB_COUNTER_breaker_activations, 1);
    sb_events_breaker (core, agent, from, cause);
    sb_control_touched (core, agent);
}

sb_reason_t sb_control_admit (sb_core_t *core, sb_agent_record_t *agent, const sb_text_t *categories, uint32_t count,
                              uint64_t message, uint32_t *retry_after_ms)
{
    *retry_after_ms = 0;
    for (uint32_t i = 0; i < count; i++)
        if (sb_latch_refuses (&core->latch, core->config.admitted_categories, core->config.admitted_category_count,
                              categories[i]))
            return SB_REASON_EMERGENCY_STOPPED;
    if (agent->operator_state.paused)
        return SB_REASON_PAUSED;
    uint64_t interval_ns = agent->heartbeat_interval_ms * SB_MS;
    sb_breaker_verdict_t verdict = sb_breaker_admit (&agent->breaker, message, core->now_ns, interval_ns);
    if (verdict == SB_BREAKER_PROCESS || verdict == SB_BREAKER_PROBE)
        return SB_REASON_NONE;
    sb_breaker_rules_t rules = sb_control_rules (core);
    *retry_after_ms = sb_breaker_retry_after_ms (&agent->breaker, &rules, core->now_ns);
    return verdict == SB_BREAKER_REFUSE_ISOLATED ? SB_REASON_ISOLATED : SB_REASON_BREAKER_OPEN;
}

void sb_control_void_probe (sb_core_t *core, sb_agent_record_t *agent, uint64_t message)
{
    (void)core;
    sb_breaker_void_probe (&agent->breaker, message);
}

/* ------------------------------------------------------------------ levels */

sb_quality_t sb_control_quality (const sb_core_t *core, const sb_agent_record_t *agent, sb_cause_t *cause)
{
    const sb_breaker_t *breaker = &agent->breaker;
    sb_liveness_state_t liveness = agent->liveness.state;
    /* HALF_OPEN too: until it is closed the agent keeps sending its whole state, which are the probes. */
    bool is_cut_off = breaker->state != SB_BREAKER_CLOSED;
    /* The stop last: it leaves admitted categories as they are, whose agent may be cut off or gone all the same. */
    if (agent->operator_state.paused)
        *cause = SB_CAUSE_PAUSED;
    else if (is_cut_off)
        *cause = SB_CAUSE_BREAKER;
    else if (liveness == SB_LIVENESS_DEAD || liveness == SB_LIVENESS_RECOVERING)
        *cause = SB_CAUSE_LOST;
    else if (liveness == SB_LIVENESS_OFFLINE)
        *cause = SB_CAUSE_OFFLINE;
    else if (core->latch.stopped)
        *cause = SB_CAUSE_STOPPED;
    else
        *cause = SB_CAUSE_NONE;
    if (*cause == SB_CAUSE_NONE)
        return SB_QUALITY_OK;
    return *cause == SB_CAUSE_LOST || *cause == SB_CAUSE_OFFLINE ? SB_QUALITY_STALE : SB_QUALITY_FORCED_STALE;
}

void sb_control_operator_status (const sb_core_t *core, const sb_agent_record_t *agent, sb_operator_state_t *status)
{
    (void)core;
    sb_operator_status (&agent->operator_state, status);
}

void sb_control_latch_status (const sb_core_t *core, sb_latch_t *status)
{
    sb_latch_status (&core->latch, core->config.admitted_categories, core->config.admitted_category_count, status);
}

void sb_control_breaker_status (const sb_core_t *core, const sb_agent_record_t *agent, sb_breaker_status_t *status)
{
    sb_breaker_rules_t rules = sb_control_rules (core);
    *status = (sb_breaker_status_t){
        .state = agent->breaker.state,
        .retry_after_ms = sb_breaker_retry_after_ms (&agent->breaker, &rules, core->now_ns),
        .open_count = agent->breaker.open_count,
    };
}

bool sb_control_is_kept (const sb_agent_record_t *agent)
{
    return agent->operator_state.paused || agent->breaker.state == SB_BREAKER_FORCED_OPEN;
}

/* ------------------------------------------------------------------ time */

static void s_expire_liveness (sb_core_t *core, sb_agent_record_t *agent)
{
    for (;;) {
        sb_liveness_state_t from = agent->liveness.state;
        uint64_t silence_ns = core->now_ns - agent->liveness.heard_ns;
        switch (sb_liveness_expire (&agent->liveness, sb_control_timeout_ns (core), core->now_ns)) {
        case SB_LIVENESS_NOTHING:
            return;
        case SB_LIVENESS_CHANGED:
            if (agent->liveness.state == SB_LIVENESS_DEAD) {
                sb_core_end_session (core, agent, SB_REASON_NONE);
                sb_control_session_lost (core, agent);
            }
            s_liveness_changed (core, agent, from, silence_ns);
            break;
        case SB_LIVENESS_MUTE:
            sb_core_counter_add (core, SB_COUNTER_mutes, 1);
            sb_events_mute (core, agent);
            sb_control_failure (core, agent, "MUTE");
            break;
        case SB_LIVENESS_MUTE_REPEAT:
            sb_control_failure (core, agent, "MUTE");
            break;
        }
    }
}

static void s_expire_breaker (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_breaker_rules_t rules = sb_control_rules (core);
    sb_breaker_state_t from = agent->breaker.state;
    if (!sb_breaker_expire (&agent->breaker, &rules, core->now_ns))
        return;
    bool is_recovered = agent->breaker.state == SB_BREAKER_CLOSED;
    if (is_recovered) {
        sb_core_counter_add (core, SB_COUNTER_agent_restarts, 1);
        sb_core_counter_add (core, SB_COUNTER_agent_restarts_by_recovery, 1);
    }
    sb_events_breaker (core, agent, from, is_recovered ? "PROBES_WON" : "WAIT_OVER");
    sb_core_request_quality (core, agent);
}

uint64_t sb_control_expire (sb_core_t *core, sb_agent_record_t *agent)
{
    s_expire_liveness (core, agent);
    s_expire_breaker (core, agent);
    sb_receipt_expire (&agent->operator_state.receipt, core->now_ns);
    sb_receipt_expire (&agent->operator_state.latch_receipt, core->now_ns);
    return sb_control_deadline (agent);
}

static uint64_t s_earlier (uint64_t deadline_ns, uint64_t other_ns)
{
    return other_ns < deadline_ns ? other_ns : deadline_ns;
}

uint64_t sb_control_deadline (const sb_agent_record_t *agent)
{
    const sb_operator_t *state = &agent->operator_state;
    uint64_t deadline_ns = s_earlier (sb_liveness_deadline (&agent->liveness), sb_breaker_deadline (&agent->breaker));
    if (state->receipt.state == SB_RECEIPT_DELIVERED)
        deadline_ns = s_earlier (deadline_ns, state->receipt.until_ns);
    if (state->latch_receipt.state == SB_RECEIPT_DELIVERED)
        deadline_ns = s_earlier (deadline_ns, state->latch_receipt.until_ns);
    return deadline_ns;
}

void sb_control_delay (sb_core_t *core, sb_agent_record_t *agent, uint64_t lateness_ns)
{
    sb_liveness_delay (&agent->liveness, lateness_ns, core->now_ns);
    sb_breaker_delay (&agent->breaker, lateness_ns);
    sb_operator_delay (&agent->operator_state, lateness_ns);
}

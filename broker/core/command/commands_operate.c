/* SPDX-License-Identifier: MPL-2.0
 *
 * Commands about one agent: pause_agent, resume_agent, restart_agent, isolate_agent, release_agent.
 *
 * Each takes effect in the core at once; what must survive a restart is stored next, and the reply says whether it was.
 * The agent is told over its session; without one it hears it in its Welcome.
 */
#include "commands_internal.h"

/* What the agent is told has an id by which its CommandResult is known again; see commands_send.c. */
static void s_tell (sb_core_t *core, sb_agent_record_t *agent, sb_agent_command_t *command, const char *kind,
                    uint64_t number)
{
    command->command_id = sb_core_format (core, "_broker/%s/%llu", kind, (unsigned long long)number);
    command->timeout_ms = core->config.timeout_per_agent_ms;
    sb_control_tell (core, agent, command);
}

void sb_control_tell (sb_core_t *core, sb_agent_record_t *agent, const sb_agent_command_t *command)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND, .command = *command};
    sb_core_emit_send (core, agent->peer, &message);
}

void sb_control_tell_operator (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_operator_t *state = &agent->operator_state;
    bool is_sent = agent->peer != 0;
    sb_receipt_open (&state->receipt, is_sent, core->now_ns + sb_control_timeout_ns (core));
    if (is_sent) {
        sb_agent_command_t command = {
            .command = sb_text (state->paused ? "pause" : "resume"),
            .issuer = sb_core_copy (core, sb_authorship_issuer (&state->pause)),
            .reason = sb_core_copy (core, sb_authorship_reason (&state->pause)),
            .operator_revision = state->revision,
        };
        s_tell (core, agent, &command, "operator", state->revision);
    }
    sb_core_schedule (core, agent, sb_control_deadline (agent));
}

void sb_control_tell_latch (sb_core_t *core, sb_agent_record_t *agent)
{
    const sb_stop_latch_t *latch = &core->latch;
    bool is_sent = agent->peer != 0;
    sb_receipt_open (&agent->operator_state.latch_receipt, is_sent, core->now_ns + sb_control_timeout_ns (core));
    if (is_sent) {
        sb_agent_command_t command = {
            .command = sb_text (latch->stopped ? "emergency_stop" : "emergency_clear"),
            .issuer = sb_core_copy (core, sb_authorship_issuer (&latch->author)),
            .reason = sb_core_copy (core, sb_authorship_reason (&latch->author)),
            .latch_epoch = latch->epoch,
        };
        s_tell (core, agent, &command, "latch", latch->epoch);
    }
    sb_core_schedule (core, agent, sb_control_deadline (agent));
}

void sb_commands_tell_again (sb_core_t *core, sb_agent_record_t *agent)
{
    const sb_operator_t *state = &agent->operator_state;
    if (!state->confirmed)
        sb_control_tell_operator (core, agent);
    bool is_applied = state->latch_receipt.state == SB_RECEIPT_APPLIED && state->latch_epoch == core->latch.epoch;
    bool is_open = state->latch_receipt.state != SB_RECEIPT_NONE && !is_applied;
    if (core->latch.stopped || is_open)
        sb_control_tell_latch (core, agent);
}

/* ------------------------------------------------------------------ pause, resume */

static const char *s_operator_name (const sb_agent_record_t *agent)
{
    return agent->operator_state.paused ? "PAUSED" : "NORMAL";
}

static sb_text_t s_operator_text (sb_core_t *core, const sb_agent_record_t *agent)
{
    return sb_core_format (core, "%s revision %llu", s_operator_name (agent),
                           (unsigned long long)agent->operator_state.revision);
}

/* The reply of pause_agent and resume_agent, which have the same columns. */
static void s_reply_operator (sb_core_t *core, sb_call_t *call)
{
    const sb_agent_record_t *agent = call->agent;
    sb_call_reserve (core, call, 1);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_text (&row, "agent_id", sb_core_copy (core, sb_core_agent_id (agent)));
    sb_row_text (&row, "operator_state", sb_text (s_operator_name (agent)));
    sb_row_integer (&row, "operator_revision", agent->operator_state.revision);
    sb_row_boolean (&row, "changed", call->is_changed);
    sb_row_boolean (&row, "confirmed", agent->operator_state.confirmed);
    sb_row_text (&row, "receipt", sb_text (sb_receipt_name (agent->operator_state.receipt.state)));
    sb_row_boolean (&row, "durable", core->control->is_stored);
}

/* What the handlers of pause and resume do once the state is set. */
static void s_operated (sb_core_t *core, sb_call_t *call, bool is_stored)
{
    call->after = s_operator_text (core, call->agent);
    if (!is_stored) {
        call->reply.message = sb_text ("it was so already");
        s_reply_operator (core, call);
        return;
    }
    if (call->is_changed) {
        /* A receipt of what was in force before would be taken for this one's until the agent is told. */
        sb_receipt_open (&call->agent->operator_state.receipt, false, 0);
        sb_liveness_unmute (&call->agent->liveness);
        sb_events_operator (core, call->agent);
        sb_control_touched (core, call->agent);
    }
    call->end = SB_CALL_WAITS_STORE;
    sb_control_store (core);
}

void sb_handle_pause_agent (sb_core_t *core, sb_call_t *call)
{
    sb_operator_t *state = &call->agent->operator_state;
    sb_text_t reason = call->request->reason;
    call->before = s_operator_text (core, call->agent);
    call->is_changed = sb_operator_pause (state, call->issuer, reason, call->by_agent, core->now_unix_ns);
    bool is_taken_over =
        !call->is_changed && !call->by_agent && sb_operator_take_over (state, call->issuer, reason, core->now_unix_ns);
    s_operated (core, call, call->is_changed || is_taken_over);
}

void sb_handle_resume_agent (sb_core_t *core, sb_call_t *call)
{
    sb_operator_t *state = &call->agent->operator_state;
    bool is_own = state->pause.by_agent && sb_text_equal (sb_authorship_issuer (&state->pause), call->issuer);
    call->before = s_operator_text (core, call->agent);
    call->after = call->before;
    if (call->by_agent && state->paused && !is_own) {
        sb_call_refuse (core, call, SB_REASON_FORBIDDEN, sb_text ("an agent may lift only a pause of its own"));
        return;
    }
    call->is_changed =
        sb_operator_resume (state, call->issuer, call->request->reason, call->by_agent, core->now_unix_ns);
    s_operated (core, call, call->is_changed);
}

/* ------------------------------------------------------------------ breaker */

static sb_text_t s_breaker_text (sb_core_t *core, const sb_agent_record_t *agent)
{
    return sb_core_format (core, "breaker %s", sb_breaker_state_name (agent->breaker.state));
}

void sb_handle_restart_agent (sb_core_t *core, sb_call_t *call)
{
    sb_agent_record_t *agent = call->agent;
    sb_breaker_state_t from = agent->breaker.state;
    call->before = s_breaker_text (core, agent);
    call->after = call->before;
    if (!sb_breaker_restart (&agent->breaker)) {
        sb_call_refuse (core, call, SB_REASON_WRONG_STATE, sb_text ("it is isolated: release_agent first"));
        return;
    }
    call->after = s_breaker_text (core, agent);
    sb_core_counter_add (core, SB_COUNTER_agent_restarts, 1);
    sb_core_counter_add (core, SB_COUNTER_agent_restarts_by_hand, 1);
    sb_events_breaker (core, agent, from, "RESTARTED");
    sb_control_touched (core, agent);
    uint64_t restarts = agent->breaker.restarts_by_hand + agent->breaker.restarts_by_recovery;
    if (agent->peer != 0) {
        sb_agent_command_t command = {
            .command = sb_text ("restart"),
            .issuer = sb_core_copy (core, call->issuer),
            .reason = sb_core_copy (core, call->request->reason),
        };
        s_tell (core, agent, &command, "restart", agent->breaker.restarts_by_hand);
    }
    sb_call_reserve (core, call, 1);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_text (&row, "agent_id", sb_core_copy (core, sb_core_agent_id (agent)));
    sb_row_text (&row, "breaker", sb_text (sb_breaker_state_name (agent->breaker.state)));
    sb_row_integer (&row, "agent_restarts", restarts);
    sb_row_boolean (&row, "told", agent->peer != 0);
    call->reply.message = sb_text ("done");
}

/* The reply of isolate_agent and release_agent, which have the same columns. */
static void s_reply_breaker (sb_core_t *core, sb_call_t *call)
{
    sb_call_reserve (core, call, 1);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_text (&row, "agent_id", sb_core_copy (core, sb_core_agent_id (call->agent)));
    sb_row_text (&row, "breaker", sb_text (sb_breaker_state_name (call->agent->breaker.state)));
    sb_row_boolean (&row, "changed", call->is_changed);
    sb_row_boolean (&row, "durable", core->control->is_stored);
}

static void s_forced (sb_core_t *core, sb_call_t *call, sb_breaker_state_t from, const char *cause)
{
    call->is_changed = true;
    call->after = s_breaker_text (core, call->agent);
    sb_authorship_set (&call->agent->operator_state.isolation, call->issuer, call->request->reason, call->by_agent,
                       core->now_unix_ns);
    sb_events_breaker (core, call->agent, from, cause);
    sb_control_touched (core, call->agent);
    sb_control_store (core);
    call->end = SB_CALL_WAITS_STORE;
}

void sb_handle_isolate_agent (sb_core_t *core, sb_call_t *call)
{
    sb_breaker_state_t from = call->agent->breaker.state;
    call->before = s_breaker_text (core, call->agent);
    call->after = call->before;
    if (sb_breaker_isolate (&call->agent->breaker)) {
        s_forced (core, call, from, "ISOLATED");
        return;
    }
    call->reply.message = sb_text ("it was so already");
    s_reply_breaker (core, call);
}

void sb_handle_release_agent (sb_core_t *core, sb_call_t *call)
{
    sb_breaker_state_t from = call->agent->breaker.state;
    call->before = s_breaker_text (core, call->agent);
    call->after = call->before;
    if (sb_breaker_release (&call->agent->breaker))
        s_forced (core, call, from, "RELEASED");
    else
        sb_call_refuse (core, call, SB_REASON_WRONG_STATE, sb_text ("it is not isolated"));
}

/* ------------------------------------------------------------------ stored */

void sb_command_stored_agent (sb_core_t *core, sb_call_t *call)
{
    bool is_operator = call->command == SB_COMMAND_pause_agent || call->command == SB_COMMAND_resume_agent;
    if (is_operator) {
        /* Told first, so that the receipt in the reply is true. */
        if (call->is_changed)
            sb_control_tell_operator (core, call->agent);
        s_reply_operator (core, call);
    } else {
        s_reply_breaker (core, call);
    }
    sb_call_reply_stored (core, call);
}

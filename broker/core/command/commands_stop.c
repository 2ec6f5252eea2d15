/* SPDX-License-Identifier: MPL-2.0
 *
 * emergency_stop and emergency_clear, and the control state that is made durable.
 *
 * A stop is in force in the core before anything else happens; then it is stored; then the asker hears its epoch,
 * whether it is durable, and how many agents are told; then the agents are told. A disk that is full changes `durable`
 * and nothing else. A second stop is the same stop: it is stored again, and those who have not confirmed are told
 * again. Operators are stored in order of agent id, found by a heap sort in scratch memory: O(n log n), no worst case.
 */
#include "commands_internal.h"

/* ------------------------------------------------------------------ the control state */

static void s_sift (const sb_agent_record_t **heap, uint32_t root, uint32_t count)
{
    for (;;) {
        uint32_t largest = root;
        for (uint32_t child = 2 * root + 1; child <= 2 * root + 2 && child < count; child++)
            if (sb_text_compare (sb_core_agent_id (heap[child]), sb_core_agent_id (heap[largest])) > 0)
                largest = child;
        if (largest == root)
            return;
        const sb_agent_record_t *moved = heap[root];
        heap[root] = heap[largest];
        heap[largest] = moved;
        root = largest;
    }
}

static void s_sort (const sb_agent_record_t **agents, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--)
        s_sift (agents, i - 1, count);
    for (uint32_t i = count; i > 1; i--) {
        const sb_agent_record_t *largest = agents[0];
        agents[0] = agents[i - 1];
        agents[i - 1] = largest;
        s_sift (agents, 0, i - 1);
    }
}

static bool s_is_isolated (const sb_agent_record_t *agent)
{
    return agent->breaker.state == SB_BREAKER_FORCED_OPEN;
}

static sb_operator_record_t s_operator_record (sb_core_t *core, const sb_agent_record_t *agent)
{
    const sb_operator_t *state = &agent->operator_state;
    /* One author a record: of the pause, which agents may lift by it, before that of the isolation. */
    const sb_authorship_t *author = state->revision == 0 ? &state->isolation : &state->pause;
    return (sb_operator_record_t){
        .agent_id = sb_core_copy (core, sb_core_agent_id (agent)),
        .paused = state->paused,
        .isolated = s_is_isolated (agent),
        .revision = state->revision,
        .issuer = sb_core_copy (core, sb_authorship_issuer (author)),
        .reason = sb_core_copy (core, sb_authorship_reason (author)),
        .since_unix_ns = author->since_unix_ns,
        .by_agent = author->by_agent,
    };
}

void sb_control_store (sb_core_t *core)
{
    uint32_t count = 0;
    const sb_agent_record_t **kept = sb_core_take (core, (sb_core_agent_count (core) + 1) * sizeof *kept);
    for (const sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL;
         agent = sb_core_next_agent (core, agent->slot))
        if (sb_operator_is_kept (&agent->operator_state) || s_is_isolated (agent))
            kept[count++] = agent;
    s_sort (kept, count);
    sb_operator_record_t *operators = sb_core_take (core, (count + 1) * sizeof *operators);
    for (uint32_t i = 0; i < count; i++)
        operators[i] = s_operator_record (core, kept[i]);
    const sb_stop_latch_t *latch = &core->latch;
    sb_control_state_t state = {
        .stopped = latch->stopped,
        .latch_epoch = latch->epoch,
        .issuer = sb_core_copy (core, sb_authorship_issuer (&latch->author)),
        .reason = sb_core_copy (core, sb_authorship_reason (&latch->author)),
        .since_unix_ns = latch->author.since_unix_ns,
        .operators = operators,
        .operator_count = count,
    };
    sb_core_emit_store (core, &state);
}

static void s_restore_operator (sb_core_t *core, const sb_operator_record_t *record)
{
    if (!sb_name_is_agent_id (record->agent_id))
        return;
    sb_agent_record_t *agent = sb_core_find_agent (core, record->agent_id);
    if (agent == NULL)
        agent = sb_core_add_agent (core, record->agent_id);
    if (agent == NULL) {
        sb_core_emit_log (core, SB_SEVERITY_ERROR, "RESTORE", record->agent_id, SB_REASON_TOO_MANY_AGENTS,
                          sb_text ("no room for an agent's kept operator state: raise limits/agents"));
        return;
    }
    sb_liveness_recover (&agent->liveness, core->config.heartbeat_interval_ms * SB_MS, core->now_ns);
    if (record->revision > 0 || record->paused)
        sb_operator_restore (&agent->operator_state, record->paused, record->revision, record->issuer, record->reason,
                             record->by_agent, record->since_unix_ns);
    if (record->isolated) {
        sb_authorship_set (&agent->operator_state.isolation, record->issuer, record->reason, record->by_agent,
                           record->since_unix_ns);
        sb_breaker_restore (&agent->breaker, SB_BREAKER_FORCED_OPEN, 0, core->now_ns);
    }
    sb_control_touched (core, agent);
}

void sb_control_restore (sb_core_t *core, const sb_control_state_t *state)
{
    uint64_t epoch = state->latch_epoch;
    /* What could not be read is stopped without an epoch; seconds are above every epoch that was ever counted up to. */
    if (state->stopped && epoch == 0)
        epoch = core->now_unix_ns > 0 ? (uint64_t)core->now_unix_ns / 1000000000u + 1 : 1;
    sb_latch_restore (&core->latch, state->stopped, epoch, state->issuer, state->reason, state->since_unix_ns);
    for (uint32_t i = 0; i < state->operator_count; i++)
        s_restore_operator (core, &state->operators[i]);
    sb_events_restored (core, state->operator_count);
    sb_health_publish_control (core);
}

/* ------------------------------------------------------------------ stop, clear */

static sb_text_t s_latch_text (sb_core_t *core)
{
    return sb_core_format (core, "%s latch_epoch %llu", core->latch.stopped ? "stopped" : "not stopped",
                           (unsigned long long)core->latch.epoch);
}

/* What changes at once when the latch does: nobody is judged for progress, everybody's state is worth something else.
 */
static void s_latch_changed (sb_core_t *core)
{
    for (sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL;
         agent = sb_core_next_agent (core, agent->slot)) {
        sb_liveness_unmute (&agent->liveness);
        agent->operator_state.latch_receipt = (sb_receipt_t){SB_RECEIPT_NONE, 0};
    }
    sb_core_request_quality_all (core);
}

void sb_handle_emergency_stop (sb_core_t *core, sb_call_t *call)
{
    call->before = s_latch_text (core);
    call->is_changed = sb_latch_stop (&core->latch, call->issuer, call->request->reason, core->now_unix_ns);
    sb_control_store (core);
    if (call->is_changed)
        s_latch_changed (core);
    call->after = s_latch_text (core);
    call->end = SB_CALL_WAITS_STORE;
}

void sb_handle_emergency_clear (sb_core_t *core, sb_call_t *call)
{
    uint64_t epoch = sb_command_integer (call, "latch_epoch", 0);
    call->before = s_latch_text (core);
    call->after = call->before;
    sb_reason_t reason = sb_latch_clear (&core->latch, epoch, call->issuer, call->request->reason, core->now_unix_ns);
    if (reason != SB_REASON_NONE) {
        sb_call_refuse (core, call, reason, call->before);
        return;
    }
    call->is_changed = true;
    sb_control_store (core);
    s_latch_changed (core);
    call->after = s_latch_text (core);
    call->end = SB_CALL_WAITS_STORE;
}

/* ------------------------------------------------------------------ stored */

/* True when the agent has to be told: all at a change, those who have not confirmed at a repeated stop. */
static bool s_is_to_be_told (const sb_agent_record_t *agent, bool is_changed)
{
    return is_changed || agent->operator_state.latch_receipt.state != SB_RECEIPT_APPLIED;
}

static uint32_t s_count_told (const sb_core_t *core, bool is_changed)
{
    uint32_t told = 0;
    for (const sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL;
         agent = sb_core_next_agent (core, agent->slot))
        told += agent->peer != 0 && s_is_to_be_told (agent, is_changed);
    return told;
}

static void s_tell_all (sb_core_t *core, bool is_changed)
{
    for (sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL;
         agent = sb_core_next_agent (core, agent->slot)) {
        /* Who is gone will hear of a stop in its Welcome; of a clear there is nothing to tell it. */
        if (s_is_to_be_told (agent, is_changed) && (agent->peer != 0 || core->latch.stopped))
            sb_control_tell_latch (core, agent);
    }
}

void sb_command_stored_latch (sb_core_t *core, sb_call_t *call)
{
    uint32_t told = s_count_told (core, call->is_changed);
    if (call->is_changed)
        core->control->told = told;
    sb_call_reserve (core, call, 1);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_boolean (&row, "stopped", core->latch.stopped);
    sb_row_integer (&row, "latch_epoch", core->latch.epoch);
    sb_row_boolean (&row, "changed", call->is_changed);
    sb_row_boolean (&row, "durable", core->control->is_stored);
    sb_row_integer (&row, "told", told);
    sb_call_reply_stored (core, call);
    s_tell_all (core, call->is_changed);
    sb_health_publish_control (core);
    if (call->is_changed)
        sb_events_latch (core, told);
}

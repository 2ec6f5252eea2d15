/* SPDX-License-Identifier: MPL-2.0
 *
 * send_command: on to the agent, its own reply back, TIMEOUT at the asker's deadline, and a failure of the agent when
 * it has not answered within timeout_per_agent. Nothing else waits meanwhile.
 *
 * An agent's CommandResult is known by its command id: those that begin with `_broker/` answer what the broker itself
 * told it (operator state, latch, restart), all others a send_command.
 */
#include <assert.h>
#include <string.h>

#include "commands_internal.h"

/* ------------------------------------------------------------------ sending */

/* Commands that only the broker may tell an agent, since it must know of them. */
static bool s_is_own_command (sb_text_t name)
{
    static const char *const names[] = {"pause", "resume", "restart", "emergency_stop", "emergency_clear"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sb_text_equal (name, sb_text (names[i])))
            return true;
    return false;
}

static void s_fill (sb_core_t *core, const sb_call_t *call, sb_pending_entry_t *entry, sb_text_t name)
{
    entry->memory = call->memory;
    entry->agent = call->agent->slot;
    entry->session_id = call->agent->session_id;
    entry->timeout_ns = core->now_ns + call->request->timeout_ms * SB_MS;
    entry->failure_ns = core->now_ns + sb_control_timeout_ns (core);
    entry->command_size = (uint8_t)name.size;
    entry->issuer_size = (uint8_t)call->issuer.size;
    entry->reason_size = (uint16_t)call->request->reason.size;
    memcpy (entry->command, name.data, name.size);
    if (call->issuer.size > 0)
        memcpy (entry->issuer, call->issuer.data, call->issuer.size);
    if (call->request->reason.size > 0)
        memcpy (entry->reason, call->request->reason.data, call->request->reason.size);
}

static sb_value_t s_copy_value (sb_core_t *core, const sb_value_t *value)
{
    sb_value_t copy = *value;
    if (value->kind == SB_VALUE_TEXT || value->kind == SB_VALUE_BYTES)
        copy.text = sb_core_copy (core, value->text);
    return copy;
}

/* The agent's command: all parameters but the one that names it. */
static void s_send (sb_core_t *core, const sb_call_t *call, sb_text_t name)
{
    const sb_command_request_t *request = call->request;
    sb_parameter_t *parameters = sb_core_take (core, request->parameter_count * sizeof *parameters);
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (sb_text_equal (request->parameters[i].name, sb_text ("command")))
            continue;
        parameters[count].name = sb_core_copy (core, request->parameters[i].name);
        parameters[count++].value = s_copy_value (core, &request->parameters[i].value);
    }
    sb_agent_command_t command = {
        .command_id = sb_core_copy (core, request->command_id),
        .command = sb_core_copy (core, name),
        .parameters = parameters,
        .parameter_count = count,
        .issuer = sb_core_copy (core, call->issuer),
        .reason = sb_core_copy (core, request->reason),
        .timeout_ms = request->timeout_ms,
    };
    sb_control_tell (core, call->agent, &command);
}

void sb_handle_send_command (sb_core_t *core, sb_call_t *call)
{
    sb_pending_t *pending = &core->control->pending;
    sb_text_t name = sb_command_text (call, "command");
    if (name.size < 1 || name.size > SB_ID_MAX) {
        sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text ("command"));
        return;
    }
    if (s_is_own_command (name)) {
        sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER,
                        sb_text ("command is one of the broker's: use pause_agent, restart_agent, emergency_stop"));
        return;
    }
    if (call->agent->peer == 0) {
        sb_call_refuse (core, call, SB_REASON_NOT_CONNECTED, sb_core_agent_id (call->agent));
        return;
    }
    uint32_t slot = call->memory != 0 ? sb_pending_take (pending) : 0;
    if (slot == 0) {
        sb_call_refuse (core, call, SB_REASON_TOO_MANY_PENDING, sb_text (""));
        return;
    }
    s_fill (core, call, sb_pending_at (pending, slot), name);
    sb_pending_add (pending, slot);
    sb_reply_memory_at (&core->control->replies, call->memory)->pending = slot;
    call->after = sb_core_copy (core, name);
    call->end = SB_CALL_WAITS_AGENT;
    s_send (core, call, name);
}

/* ------------------------------------------------------------------ answers */

/* The audit line of how it ended. */
static void s_audit_end (sb_core_t *core, const sb_pending_entry_t *entry, const sb_command_reply_t *reply)
{
    sb_agent_record_t *agent = sb_pool_at (&core->agents, entry->agent);
    sb_audit_t audit = {
        .unix_ns = core->now_unix_ns,
        .command_id = reply->command_id,
        .command = sb_text ("send_command"),
        .agent_id = sb_core_copy (core, sb_core_agent_id (agent)),
        .issuer = sb_core_copy (core, (sb_text_t){entry->issuer, entry->issuer_size}),
        .reason = sb_core_copy (core, (sb_text_t){entry->reason, entry->reason_size}),
        .before = sb_core_copy (core, (sb_text_t){entry->command, entry->command_size}),
        .code = reply->code,
        .result = reply->message,
    };
    sb_core_emit_audit (core, &audit);
    if (!agent->is_leaving)
        sb_events_command (core, agent, &audit);
}

/* Answers everybody who waits; the entry stays while the agent's own deadline is ahead. */
static void s_reply (sb_core_t *core, sb_pending_entry_t *entry, sb_command_reply_t *reply)
{
    const sb_reply_entry_t *known = sb_reply_memory_at (&core->control->replies, entry->memory);
    reply->command_id = sb_core_copy (core, (sb_text_t){known->command_id, known->command_id_size});
    entry->timeout_ns = UINT64_MAX;
    if (reply->code != SB_REASON_NONE) {
        sb_core_counter_add (core, SB_COUNTER_commands_refused, 1);
        core->refusals[reply->code]++;
    }
    s_audit_end (core, entry, reply);
    sb_command_finish (core, entry->memory, reply);
}

/* Takes an unlinked entry that was answered out of the table. */
static void s_close (sb_core_t *core, uint32_t slot)
{
    sb_pending_entry_t *entry = sb_pending_at (&core->control->pending, slot);
    uint32_t forgotten = sb_reply_memory_release (&core->control->replies, entry->memory, core->now_ns);
    sb_core_counter_add (core, SB_COUNTER_command_replies_forgotten, forgotten);
    sb_pending_give (&core->control->pending, slot);
}

static void s_reply_reason (sb_core_t *core, sb_pending_entry_t *entry, sb_reason_t reason)
{
    sb_command_reply_t reply = {.code = reason, .message = sb_text (sb_reason_info (reason)->text)};
    s_reply (core, entry, &reply);
}

static void s_reply_result (sb_core_t *core, sb_pending_entry_t *entry, const sb_command_result_t *result)
{
    sb_parameter_t *columns = sb_core_take (core, result->value_count * sizeof *columns);
    for (uint32_t i = 0; i < result->value_count; i++) {
        columns[i].name = sb_core_copy (core, result->values[i].name);
        columns[i].value = s_copy_value (core, &result->values[i].value);
    }
    sb_record_t *record = sb_core_take (core, sizeof *record);
    *record = (sb_record_t){columns, result->value_count};
    sb_command_reply_t reply = {
        .code = result->code == SB_REASON_NONE ? SB_REASON_NONE : SB_REASON_AGENT_REFUSED,
        .message = sb_core_copy (core, result->message),
        .records = record,
        .record_count = result->value_count > 0 ? 1 : 0,
    };
    if (reply.message.size == 0)
        reply.message = sb_text (reply.code == SB_REASON_NONE ? "done" : sb_reason_info (reply.code)->text);
    s_reply (core, entry, &reply);
}

/* "_broker/<kind>/<number>": true when it is of that kind and number. */
static bool s_is_about (sb_core_t *core, sb_text_t command_id, const char *kind, uint64_t number)
{
    return sb_text_equal (command_id, sb_core_format (core, "_broker/%s/%llu", kind, (unsigned long long)number));
}

/* An answer to what the broker itself told the agent. A refused restart has nothing that waits for it. */
static void s_told_result (sb_core_t *core, sb_agent_record_t *agent, const sb_command_result_t *result)
{
    sb_operator_t *state = &agent->operator_state;
    bool is_applied = result->code == SB_REASON_NONE;
    if (s_is_about (core, result->command_id, "operator", state->revision)) {
        if (!is_applied)
            sb_receipt_answer (&state->receipt, false);
        else if (sb_operator_confirm (state, state->revision, state->paused))
            sb_events_operator (core, agent);
    } else if (s_is_about (core, result->command_id, "latch", core->latch.epoch)) {
        sb_receipt_answer (&state->latch_receipt, is_applied);
        if (is_applied)
            state->latch_epoch = core->latch.epoch;
    }
    if (!is_applied)
        sb_core_emit_log (core, SB_SEVERITY_WARNING, "COMMAND_RESULT", sb_core_agent_id (agent),
                          SB_REASON_AGENT_REFUSED, result->message);
}

void sb_commands_result (sb_core_t *core, sb_agent_record_t *agent, const sb_command_result_t *result)
{
    sb_pending_t *pending = &core->control->pending;
    uint32_t known = sb_reply_memory_find (&core->control->replies, 0, result->command_id);
    uint32_t slot = known != 0 ? sb_reply_memory_at (&core->control->replies, known)->pending : 0;
    if (slot == 0) {
        s_told_result (core, agent, result);
        return;
    }
    sb_pending_entry_t *entry = sb_pending_at (pending, slot);
    /* Another agent's command: not its to answer. */
    if (entry->agent != agent->slot)
        return;
    sb_pending_unlink (pending, slot);
    if (entry->timeout_ns != UINT64_MAX)
        s_reply_result (core, entry, result);
    s_close (core, slot);
}

/* ------------------------------------------------------------------ time, sessions */

/* What is due of an unlinked entry. Returns true when nothing more is to come of it. */
static bool s_expire (sb_core_t *core, sb_pending_entry_t *entry)
{
    if (core->now_ns >= entry->timeout_ns) {
        sb_core_counter_add (core, SB_COUNTER_commands_timed_out, 1);
        s_reply_reason (core, entry, SB_REASON_TIMEOUT);
    }
    if (core->now_ns >= entry->failure_ns) {
        entry->failure_ns = UINT64_MAX;
        sb_agent_record_t *agent = sb_pool_at (&core->agents, entry->agent);
        /* Laid to the session that it was sent over, and to no later one. */
        if (agent->peer != 0 && agent->session_id == entry->session_id) {
            sb_control_failure (core, agent, "COMMAND_UNANSWERED");
            sb_core_schedule (core, agent, sb_control_deadline (agent));
        }
    }
    return entry->timeout_ns == UINT64_MAX && entry->failure_ns == UINT64_MAX;
}

static uint64_t s_reply_age_ns (const sb_core_t *core)
{
    uint64_t age_ms = core->config.reply_memory_ms;
    return age_ms > UINT64_MAX / SB_MS ? UINT64_MAX : age_ms * SB_MS;
}

void sb_commands_tick (sb_core_t *core)
{
    sb_pending_t *pending = &core->control->pending;
    while (pending->first != 0 && core->now_ns >= sb_pending_deadline (pending)) {
        uint32_t slot = pending->first;
        sb_pending_unlink (pending, slot);
        if (s_expire (core, sb_pending_at (pending, slot)))
            s_close (core, slot);
        else
            sb_pending_add (pending, slot);
    }
    sb_reply_memory_expire (&core->control->replies, s_reply_age_ns (core), core->now_ns);
}

uint64_t sb_commands_deadline (const sb_core_t *core)
{
    uint64_t pending_ns = sb_pending_deadline (&core->control->pending);
    uint64_t replies_ns = sb_reply_memory_deadline (&core->control->replies, s_reply_age_ns (core));
    return pending_ns < replies_ns ? pending_ns : replies_ns;
}

void sb_commands_delay (sb_core_t *core, uint64_t lateness_ns)
{
    sb_pending_delay (&core->control->pending, lateness_ns);
}

void sb_commands_agent_forgotten (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_pending_t *pending = &core->control->pending;
    uint32_t next = 0;
    for (uint32_t slot = pending->first; slot != 0; slot = next) {
        sb_pending_entry_t *entry = sb_pending_at (pending, slot);
        next = entry->next;
        if (entry->agent != agent->slot)
            continue;
        sb_pending_unlink (pending, slot);
        if (entry->timeout_ns != UINT64_MAX)
            s_reply_reason (core, entry, SB_REASON_NOT_CONNECTED);
        s_close (core, slot);
    }
}

void sb_commands_shutdown (sb_core_t *core)
{
    sb_state_hash_shutdown (core);
    sb_pending_t *pending = &core->control->pending;
    while (pending->first != 0) {
        uint32_t slot = pending->first;
        sb_pending_entry_t *entry = sb_pending_at (pending, slot);
        sb_pending_unlink (pending, slot);
        if (entry->timeout_ns != UINT64_MAX)
            s_reply_reason (core, entry, SB_REASON_BROKER_STOPPING);
        s_close (core, slot);
    }
}

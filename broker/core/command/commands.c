/* SPDX-License-Identifier: MPL-2.0
 *
 * The dispatcher: from a request to its one reply. See commands.h.
 *
 * Form first, then repeats, then the table's checks, then the handler. Which of the three ends a handler chose says who
 * makes the reply: it did, sb_commands_stored will, or an agent's answer (or silence) will. The body of a command, for
 * telling a repeat from a reused id, is what it would do and why; when it was issued and how long the asker waits are
 * not part of it.
 */
#include "commands.h"

#include <assert.h>
#include <string.h>

#include "commands_internal.h"

/* ------------------------------------------------------------------ answers */

void sb_command_answer (sb_core_t *core, const sb_asker_t *asker, sb_command_reply_t *reply)
{
    if (asker->token != 0) {
        sb_core_emit_reply (core, asker->token, reply);
        return;
    }
    const sb_agent_record_t *agent = sb_pool_at (&core->agents, asker->agent);
    if (agent->peer == 0 || agent->session_id != asker->session_id)
        return;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY, .command_reply = *reply};
    sb_core_emit_send (core, agent->peer, &message);
}

/* Where the broker stood when it answered. */
static void s_stamp (const sb_core_t *core, sb_command_reply_t *reply)
{
    reply->sequence = core->sequence;
    reply->stream_id = core->identity.stream_id;
    reply->epoch = core->identity.epoch;
}

void sb_command_finish (sb_core_t *core, uint32_t memory, sb_command_reply_t *reply)
{
    sb_reply_memory_t *replies = &core->control->replies;
    sb_asker_t asker;
    s_stamp (core, reply);
    while (sb_reply_memory_next_asker (replies, memory, &asker))
        sb_command_answer (core, &asker, reply);
    /* "try again" is meant: under the same id, too. */
    if (reply->code == SB_REASON_TOO_MANY_PENDING) {
        sb_reply_memory_drop (replies, memory);
        return;
    }
    uint32_t forgotten = sb_reply_memory_finish (replies, memory, reply, core->now_ns);
    sb_core_counter_add (core, SB_COUNTER_command_replies_forgotten, forgotten);
}

/* The agent whose timeline a call belongs to, or NULL. What was malformed is left to the audit log: its texts may be of
 * any size. */
static sb_agent_record_t *s_timeline_agent (const sb_core_t *core, const sb_call_t *call)
{
    sb_command_t command = sb_command_find (call->request->command);
    sb_reason_t code = call->reply.code;
    if (command == SB_COMMAND_COUNT || !sb_command_info (command)->changes || code == SB_REASON_BAD_REQUEST ||
        code == SB_REASON_PROTOCOL_VERSION || sb_command_info (command)->target != SB_TARGET_AGENT)
        return NULL;
    return sb_core_find_agent (core, call->request->agent_id);
}

void sb_command_audit (sb_core_t *core, const sb_call_t *call)
{
    const sb_command_request_t *request = call->request;
    sb_audit_t audit = {
        .unix_ns = core->now_unix_ns,
        .command_id = sb_core_copy (core, request->command_id),
        .command = sb_core_copy (core, request->command),
        .agent_id = sb_core_copy (core, request->agent_id),
        .issuer = sb_core_copy (core, call->issuer),
        .reason = sb_core_copy (core, request->reason),
        .before = call->before,
        .after = call->after,
        .code = call->reply.code,
        .result = call->reply.message,
    };
    sb_core_emit_audit (core, &audit);
    sb_agent_record_t *agent = s_timeline_agent (core, call);
    if (agent != NULL)
        sb_events_command (core, agent, &audit);
}

/* The reply is whole: audit, answer, remember. Without a slot in the memory the asker alone is answered. */
static void s_answer (sb_core_t *core, sb_call_t *call)
{
    call->reply.command_id = sb_core_copy (core, call->request->command_id);
    if (call->reply.code != SB_REASON_NONE) {
        sb_core_counter_add (core, SB_COUNTER_commands_refused, 1);
        core->refusals[call->reply.code]++;
    }
    sb_command_audit (core, call);
    if (call->memory != 0) {
        sb_command_finish (core, call->memory, &call->reply);
        return;
    }
    s_stamp (core, &call->reply);
    sb_command_answer (core, &call->asker, &call->reply);
}

static void s_refuse (sb_core_t *core, sb_call_t *call, sb_reason_t reason, sb_text_t detail)
{
    sb_call_refuse (core, call, reason, detail);
    s_answer (core, call);
}

/* ------------------------------------------------------------------ repeats */

static uint64_t s_hash_text (const sb_core_t *core, uint64_t hash, sb_text_t text)
{
    uint64_t parts[3] = {hash, text.size, sb_hash (core->hash_key, text.data, text.size)};
    return sb_hash (core->hash_key, parts, sizeof parts);
}

static uint64_t s_hash_value (const sb_core_t *core, uint64_t hash, const sb_value_t *value)
{
    uint64_t parts[3] = {hash, value->kind, 0};
    switch (value->kind) {
    case SB_VALUE_NONE:
        break;
    case SB_VALUE_NUMBER:
        memcpy (&parts[2], &value->number, sizeof value->number);
        break;
    case SB_VALUE_INTEGER:
        parts[2] = (uint64_t)value->integer;
        break;
    case SB_VALUE_DECIMAL:
        parts[1] |= (uint64_t)(uint32_t)value->decimal.exponent << 32;
        parts[2] = (uint64_t)value->decimal.unscaled;
        break;
    case SB_VALUE_BOOLEAN:
        parts[2] = value->boolean;
        break;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        parts[2] = s_hash_text (core, 0, value->text);
        break;
    }
    return sb_hash (core->hash_key, parts, sizeof parts);
}

static uint64_t s_hash_body (const sb_core_t *core, const sb_call_t *call)
{
    const sb_command_request_t *request = call->request;
    uint64_t hash = s_hash_text (core, 0, request->command);
    hash = s_hash_text (core, hash, request->agent_id);
    hash = s_hash_text (core, hash, request->reason);
    hash = s_hash_text (core, hash, call->issuer);
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        hash = s_hash_text (core, hash, request->parameters[i].name);
        hash = s_hash_value (core, hash, &request->parameters[i].value);
    }
    return hash;
}

/* The id is known already: join what is pending, or the first reply again. */
static void s_repeat (sb_core_t *core, sb_call_t *call, uint32_t slot, uint64_t body_hash)
{
    sb_reply_memory_t *replies = &core->control->replies;
    const sb_reply_entry_t *entry = sb_reply_memory_at (replies, slot);
    if (entry->body_hash != body_hash) {
        s_refuse (core, call, SB_REASON_COMMAND_ID_REUSED, call->request->command_id);
        return;
    }
    sb_core_counter_add (core, SB_COUNTER_commands_repeated, 1);
    if (entry->is_done && entry->run != NULL) {
        sb_command_reply_t reply;
        sb_reply_memory_read (replies, slot, core, &reply);
        sb_command_answer (core, &call->asker, &reply);
    } else if (entry->is_done || !sb_reply_memory_join (replies, slot, &call->asker)) {
        s_refuse (core, call, SB_REASON_TOO_MANY_PENDING, sb_text (""));
    }
}

/* ------------------------------------------------------------------ requests */

/* The reply waits for SB_EVENT_STORED, which is the very next event. */
static void s_wait_for_store (sb_core_t *core, const sb_call_t *call)
{
    sb_store_wait_t *wait = &core->control->store_wait;
    sb_text_t command_id = call->request->command_id;
    *wait = (sb_store_wait_t){
        .is_open = true,
        .memory = call->memory,
        .command = (uint32_t)call->command,
        .agent = call->agent != NULL ? call->agent->slot : 0,
        .is_changed = call->is_changed,
        .asker = call->asker,
        .command_id_size = (uint8_t)command_id.size,
    };
    memcpy (wait->command_id, command_id.data, command_id.size);
}

static void s_run (sb_core_t *core, sb_call_t *call)
{
    call->info->handle (core, call);
    switch (call->end) {
    case SB_CALL_ANSWERED:
        s_answer (core, call);
        break;
    case SB_CALL_WAITS_STORE:
        call->reply.message = sb_text ("done");
        sb_command_audit (core, call);
        s_wait_for_store (core, call);
        break;
    case SB_CALL_WAITS_AGENT:
        call->reply.message = sb_text ("sent to the agent");
        sb_command_audit (core, call);
        break;
    case SB_CALL_WAITS_WALK:
        call->reply.message = sb_text ("being computed");
        sb_command_audit (core, call);
        break;
    }
}

static void s_take (sb_core_t *core, sb_call_t *call)
{
    sb_text_t detail;
    sb_core_counter_add (core, SB_COUNTER_commands, 1);
    sb_reason_t reason = sb_command_check_form (call->request, &detail);
    if (reason != SB_REASON_NONE) {
        s_refuse (core, call, reason, detail);
        return;
    }
    uint64_t body_hash = s_hash_body (core, call);
    sb_reply_memory_t *replies = &core->control->replies;
    uint32_t known = sb_reply_memory_find (replies, call->scope, call->request->command_id);
    if (known != 0) {
        s_repeat (core, call, known, body_hash);
        return;
    }
    call->command = sb_command_find (call->request->command);
    if (call->command == SB_COMMAND_COUNT) {
        s_refuse (core, call, SB_REASON_UNKNOWN_COMMAND, call->request->command);
        return;
    }
    call->info = sb_command_info (call->command);
    /* Without room for its memory a command is done all the same, and a repeat would be done again; what waits for
     * an agent needs the slot, and says so. */
    if (call->info->changes)
        call->memory = sb_reply_memory_open (replies, call->scope, call->request->command_id, body_hash, &call->asker);
    reason = sb_command_check (core, call, &detail);
    if (reason != SB_REASON_NONE)
        s_refuse (core, call, reason, detail);
    else
        s_run (core, call);
}

/* A shell that did not step SB_EVENT_STORED: nothing waits for it for ever, and nothing is called durable. */
static void s_settle_store (sb_core_t *core)
{
    if (core->control->store_wait.is_open)
        sb_commands_stored (core, false);
}

void sb_commands_request (sb_core_t *core, const sb_event_t *event)
{
    s_settle_store (core);
    sb_call_t call = {
        .request = event->command.request,
        .asker = {.token = event->command.token},
        .issuer = event->command.request->issuer,
    };
    s_take (core, &call);
}

void sb_commands_from_agent (sb_core_t *core, sb_agent_record_t *agent, const sb_command_request_t *request)
{
    s_settle_store (core);
    sb_call_t call = {
        .request = request,
        .asker = {.session_id = agent->session_id, .agent = agent->slot},
        .issuer = sb_core_agent_id (agent),
        .by_agent = true,
        .scope = agent->breaker.agent_hash,
    };
    s_take (core, &call);
}

void sb_commands_bad_request (sb_core_t *core, const sb_event_t *event)
{
    sb_command_request_t request = {0};
    sb_call_t call = {.request = &request, .asker = {.token = event->bad_command.token}};
    sb_core_counter_add (core, SB_COUNTER_commands, 1);
    s_refuse (core, &call, event->bad_command.reason, event->bad_command.text);
}

/* ------------------------------------------------------------------ the store's word */

void sb_commands_stored (sb_core_t *core, bool durable)
{
    struct sb_control *control = core->control;
    control->is_stored = durable;
    if (!durable) {
        sb_core_counter_add (core, SB_COUNTER_stores_failed, 1);
        sb_core_emit_log (
            core, SB_SEVERITY_ERROR, "STORE", sb_text (""), SB_REASON_NONE,
            sb_text ("the control state could not be written: a restart would forget what operators said"));
    }
    sb_store_wait_t wait = control->store_wait;
    if (!wait.is_open)
        return;
    control->store_wait.is_open = false;
    sb_command_request_t request = {.command_id = {wait.command_id, wait.command_id_size}};
    sb_call_t call = {
        .command = (sb_command_t)wait.command,
        .info = sb_command_info ((sb_command_t)wait.command),
        .request = &request,
        .asker = wait.asker,
        .agent = wait.agent != 0 ? sb_pool_at (&core->agents, wait.agent) : NULL,
        .memory = wait.memory,
        .is_changed = wait.is_changed,
    };
    call.reply.command_id = sb_core_copy (core, request.command_id);
    call.reply.message = durable ? sb_text ("done") : sb_text ("done, but not durable: see the broker's log");
    if (call.agent != NULL)
        sb_command_stored_agent (core, &call);
    else
        sb_command_stored_latch (core, &call);
}

void sb_call_reply_stored (sb_core_t *core, sb_call_t *call)
{
    if (call->memory != 0) {
        sb_command_finish (core, call->memory, &call->reply);
        return;
    }
    s_stamp (core, &call->reply);
    sb_command_answer (core, &call->asker, &call->reply);
}

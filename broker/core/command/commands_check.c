/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of commands, and every check of a request against it, so that handlers see valid calls only.
 *
 * Order of the checks of a call: right, target, parameters, reason, expiry; the first that fails is the answer. The
 * table is searched from its start: a dozen rows, and a comparison of sizes settles nearly all of them.
 */
#include "commands_internal.h"

static const int64_t ns_per_ms = 1000000;

enum { TIMEOUT_MAX_MS = 600000 };

/* Ids that begin so are the broker's own, in what it tells agents. */
#define BROKER_ID_PREFIX "_broker/"

static const sb_command_info_t commands[SB_COMMAND_COUNT] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help)                                                      \
    {#name, SB_TARGET_##target, SB_ROLE_##role, changes, from_agent, sb_handle_##name},
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

static const sb_parameter_info_t parameters[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help)
#define SB_PARAMETER(command, name, kind, required, help) {SB_COMMAND_##command, #name, SB_KIND_##kind, required},
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

enum { PARAMETER_COUNT = sizeof parameters / sizeof parameters[0] };

const sb_command_info_t *sb_command_info (sb_command_t command)
{
    return &commands[command];
}

sb_command_t sb_command_find (sb_text_t name)
{
    for (sb_command_t command = 0; command < SB_COMMAND_COUNT; command++)
        if (sb_text_equal (name, sb_text (commands[command].name)))
            return command;
    return SB_COMMAND_COUNT;
}

sb_reason_t sb_command_check_form (const sb_command_request_t *request, sb_text_t *detail)
{
    *detail = sb_text ("");
    if (request->protocol != SB_PROTOCOL)
        return SB_REASON_PROTOCOL_VERSION;
    if (!sb_name_is_command_id (request->command_id))
        *detail = sb_text ("command_id");
    else if (sb_text_begins_with (request->command_id, sb_text (BROKER_ID_PREFIX)))
        *detail = sb_text ("command_id begins with " BROKER_ID_PREFIX);
    else if (request->timeout_ms < 1 || request->timeout_ms > TIMEOUT_MAX_MS)
        *detail = sb_text ("timeout_ms");
    else if (request->issuer.size > SB_ISSUER_MAX)
        *detail = sb_text ("issuer");
    else if (request->reason.size > SB_COMMAND_REASON_MAX)
        *detail = sb_text ("reason");
    return detail->size > 0 ? SB_REASON_BAD_REQUEST : SB_REASON_NONE;
}

/* ------------------------------------------------------------------ parameters */

static bool s_is_of_kind (const sb_value_t *value, sb_parameter_kind_t kind)
{
    switch (kind) {
    case SB_KIND_INTEGER:
        return value->kind == SB_VALUE_INTEGER && value->integer >= 0;
    case SB_KIND_NUMBER:
        return value->kind == SB_VALUE_NUMBER || value->kind == SB_VALUE_INTEGER;
    case SB_KIND_TEXT:
        return value->kind == SB_VALUE_TEXT;
    case SB_KIND_BOOLEAN:
        return value->kind == SB_VALUE_BOOLEAN;
    case SB_KIND_ANY:
        return value->kind != SB_VALUE_NONE;
    }
    return false;
}

/* The row for a parameter of that name, "*" when there is one and no other fits, or NULL. */
static const sb_parameter_info_t *s_find_row (sb_command_t command, sb_text_t name)
{
    const sb_parameter_info_t *any = NULL;
    for (uint32_t i = 0; i < PARAMETER_COUNT; i++) {
        if (parameters[i].command != command)
            continue;
        if (sb_text_equal (name, sb_text (parameters[i].name)) && !sb_text_equal (name, sb_text ("*")))
            return &parameters[i];
        if (parameters[i].name[0] == '*')
            any = &parameters[i];
    }
    return any;
}

static bool s_is_repeated (const sb_command_request_t *request, uint32_t place)
{
    for (uint32_t i = 0; i < place; i++)
        if (sb_text_equal (request->parameters[i].name, request->parameters[place].name))
            return true;
    return false;
}

static sb_reason_t s_check_parameters (const sb_call_t *call, sb_text_t *detail)
{
    const sb_command_request_t *request = call->request;
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        const sb_parameter_t *parameter = &request->parameters[i];
        const sb_parameter_info_t *row = s_find_row (call->command, parameter->name);
        *detail = parameter->name;
        if (row == NULL || !sb_name_is_field (parameter->name))
            return SB_REASON_UNKNOWN_PARAMETER;
        if (!s_is_of_kind (&parameter->value, row->kind) || s_is_repeated (request, i))
            return SB_REASON_BAD_PARAMETER;
    }
    for (uint32_t i = 0; i < PARAMETER_COUNT; i++) {
        if (parameters[i].command != call->command || !parameters[i].is_required)
            continue;
        *detail = sb_text (parameters[i].name);
        if (sb_command_parameter (call, parameters[i].name) == NULL)
            return SB_REASON_MISSING_PARAMETER;
    }
    *detail = sb_text ("");
    return SB_REASON_NONE;
}

/* ------------------------------------------------------------------ a call */

static sb_reason_t s_check_target (sb_core_t *core, sb_call_t *call, sb_text_t *detail)
{
    sb_text_t id = call->request->agent_id;
    *detail = sb_text ("agent_id");
    if (call->info->target == SB_TARGET_NONE)
        return id.size > 0 ? SB_REASON_UNKNOWN_PARAMETER : SB_REASON_NONE;
    if (id.size == 0)
        return SB_REASON_MISSING_PARAMETER;
    *detail = id;
    call->agent = sb_name_is_agent_id (id) ? sb_core_find_agent (core, id) : NULL;
    return call->agent == NULL ? SB_REASON_UNKNOWN_AGENT : SB_REASON_NONE;
}

/* What makes the system safer is done however late it is read. */
static bool s_never_expires (sb_command_t command)
{
    return command == SB_COMMAND_emergency_stop || command == SB_COMMAND_pause_agent;
}

static bool s_is_expired (const sb_core_t *core, const sb_call_t *call)
{
    int64_t issued_ns = call->request->issued_unix_ns;
    /* Not stated: cannot be judged. */
    if (issued_ns <= 0 || s_never_expires (call->command))
        return false;
    int64_t timeout_ns = call->request->timeout_ms * ns_per_ms;
    return core->now_unix_ns > issued_ns && core->now_unix_ns - issued_ns > timeout_ns;
}

sb_reason_t sb_command_check (sb_core_t *core, sb_call_t *call, sb_text_t *detail)
{
    *detail = sb_text ("");
    if (call->by_agent && !call->info->from_agent)
        return SB_REASON_FORBIDDEN;
    sb_reason_t reason = s_check_target (core, call, detail);
    if (reason == SB_REASON_NONE)
        reason = s_check_parameters (call, detail);
    if (reason != SB_REASON_NONE)
        return reason;
    *detail = sb_text ("");
    if (call->command == SB_COMMAND_emergency_clear && call->request->reason.size == 0)
        return SB_REASON_REASON_REQUIRED;
    return s_is_expired (core, call) ? SB_REASON_EXPIRED : SB_REASON_NONE;
}

const sb_parameter_t *sb_command_parameter (const sb_call_t *call, const char *name)
{
    for (uint32_t i = 0; i < call->request->parameter_count; i++)
        if (sb_text_equal (call->request->parameters[i].name, sb_text (name)))
            return &call->request->parameters[i];
    return NULL;
}

uint64_t sb_command_integer (const sb_call_t *call, const char *name, uint64_t otherwise)
{
    const sb_parameter_t *parameter = sb_command_parameter (call, name);
    return parameter != NULL ? (uint64_t)parameter->value.integer : otherwise;
}

sb_text_t sb_command_text (const sb_call_t *call, const char *name)
{
    const sb_parameter_t *parameter = sb_command_parameter (call, name);
    return parameter != NULL ? parameter->value.text : sb_text ("");
}

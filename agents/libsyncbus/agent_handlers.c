/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs the application's handlers, on the handler thread or in sb_agent_dispatch, and tells the step how it went.
 */
#include <string.h>

#include "agent_private.h"
#include "sb_names.h"

bool sb_handlers_want (const sb_agent_t *self, const sb_agent_effect_t *effect)
{
    switch (effect->kind) {
    case SB_AGENT_EFFECT_DELIVER:
    case SB_AGENT_EFFECT_REMEMBER:
    case SB_AGENT_EFFECT_COMMAND:
        return true; /* the step has looked at that already */
    case SB_AGENT_EFFECT_STATUS:
        return self->handlers.on_status != NULL;
    case SB_AGENT_EFFECT_REFUSED:
        return self->handlers.on_refused != NULL;
    case SB_AGENT_EFFECT_DECIDED:
        return self->handlers.on_decided != NULL;
    case SB_AGENT_EFFECT_GAP:
        return self->handlers.on_gap != NULL;
    case SB_AGENT_EFFECT_RECOVERED:
        return self->handlers.on_recovered != NULL;
    case SB_AGENT_EFFECT_LOG:
        return self->handlers.on_log != NULL;
    default:
        return false;
    }
}

static void s_run_update (sb_agent_t *self, const sb_publication_t *publication)
{
    uint64_t started_ns = sb_shell_monotonic_ns ();
    int result = self->handlers.on_update (self, publication, self->context);
    uint64_t ended_ns = sb_shell_monotonic_ns ();
    /* The newest update of a batch is the one whose way was measured. */
    int64_t origin_unix_ns =
        publication->update_count ? publication->updates[publication->update_count - 1].origin_unix_ns : 0;
    int64_t since_unix_ns = origin_unix_ns ? origin_unix_ns : publication->broker_unix_ns;
    int64_t delivery_ns = publication->update_count && since_unix_ns ? sb_shell_unix_ns () - since_unix_ns : -1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED};
    event.handled.failed = result != 0;
    event.handled.processing_ns = ended_ns - started_ns;
    event.handled.delivery_ns = since_unix_ns && delivery_ns < 0 && publication->update_count ? 0 : delivery_ns;
    sb_agent_effects_t answer;
    sb_shell_step_any (self, &event, &answer);
}

/* What a broker would refuse to read makes the whole answer a refusal. */
static bool s_is_valid_value (const sb_parameter_t *value)
{
    if (!sb_name_is_field (value->name) || value->value.kind == SB_VALUE_NONE)
        return false;
    return value->value.kind != SB_VALUE_TEXT || sb_text_is_utf8 (value->value.text);
}

static void s_run_command (sb_agent_t *self, const sb_inbox_item_t *item)
{
    static const char bad_answer[] = "the agent's handler gave an answer that cannot be sent";
    sb_agent_command_reply_t reply = {.code = SB_REASON_NONE};
    self->handlers.on_command (self, &item->command.view, &reply, self->context);
    if (!item->command.is_open)
        return;
    reply.message[sizeof reply.message - 1] = 0;
    if (reply.value_count > sizeof reply.values / sizeof reply.values[0])
        reply.value_count = sizeof reply.values / sizeof reply.values[0];
    bool is_valid = sb_text_is_utf8 (sb_text (reply.message));
    for (uint32_t i = 0; i < reply.value_count; i++)
        is_valid = is_valid && s_is_valid_value (&reply.values[i]);
    sb_command_result_t result = {.command_id = sb_text (item->command.command_id)};
    result.code = is_valid ? reply.code : SB_REASON_AGENT_REFUSED;
    result.message = is_valid ? sb_text (reply.message) : sb_text (bad_answer);
    result.values = reply.values;
    result.value_count = is_valid ? reply.value_count : 0;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_ANSWER, .answer = &result};
    sb_agent_effects_t answer;
    sb_shell_step_any (self, &event, &answer);
}

void sb_handlers_run (sb_agent_t *self, const sb_inbox_item_t *item)
{
    switch (item->kind) {
    case SB_INBOX_PUBLICATION:
        s_run_update (self, item->publication.view);
        break;
    case SB_INBOX_COMMAND:
        s_run_command (self, item);
        break;
    case SB_INBOX_STATUS:
        self->handlers.on_status (self, item->status.status, item->status.reason, self->context);
        break;
    case SB_INBOX_REFUSED:
        self->handlers.on_refused (self, &item->refused, self->context);
        break;
    case SB_INBOX_DECIDED:
        self->handlers.on_decided (self, item->decided_through, self->context);
        break;
    case SB_INBOX_GAP:
        self->handlers.on_gap (self, &item->gap, self->context);
        break;
    case SB_INBOX_RECOVERED:
        self->handlers.on_recovered (self, &item->recovered, self->context);
        break;
    case SB_INBOX_LOG:
        self->handlers.on_log (self, item->log.severity, item->log.text, self->context);
        break;
    }
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Commands in a test: requests with every part settable, and looks into the reply of the last step.
 */
#ifndef CONTROL_HARNESS_H
#define CONTROL_HARNESS_H

#include "core_harness.h"

/* A core with two agents that have beaten: trader on peer 11, risk on peer 12. */
static inline void control_start (harness_t *self)
{
    harness_start (self);
    harness_register (self, 11, "trader", 1);
    harness_beat (self, 11);
    harness_register (self, 12, "risk", 1);
    harness_beat (self, 12);
    harness_forget (self);
}

/* A request that passes every check, issued now. */
static inline sb_command_request_t control_request (const harness_t *self, const char *command_id, const char *command,
                                                    const char *agent_id)
{
    return (sb_command_request_t){
        .command_id = sb_text (command_id),
        .command = sb_text (command),
        .agent_id = sb_text (agent_id),
        .reason = sb_text ("a test"),
        .issuer = sb_text ("ann"),
        .issued_unix_ns = HARNESS_EPOCH_NS + (int64_t)self->now_ns,
        .timeout_ms = 5000,
        .protocol = SB_PROTOCOL,
    };
}

static inline void control_send (harness_t *self, uint64_t token, const sb_command_request_t *request)
{
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    event.command.token = token;
    event.command.request = request;
    harness_step (self, event);
}

/* The same, and SB_EVENT_STORED with `durable` right after when something is to be stored, as a shell does. */
static inline void control_do_stored (harness_t *self, uint64_t token, const sb_command_request_t *request,
                                      bool durable)
{
    control_send (self, token, request);
    for (uint32_t i = 0; i < self->effects.count; i++)
        if (self->effects.items[i].kind == SB_EFFECT_STORE) {
            harness_stored (self, durable);
            return;
        }
}

/* A command without parameters, done and stored; its id is made from the token. */
static inline void control_do (harness_t *self, uint64_t token, const char *command, const char *agent_id)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "command-%" PRIu64, token);
    sb_command_request_t request = control_request (self, command_id, command, agent_id);
    control_do_stored (self, token, &request, true);
}

/* The only reply of the last step, or NULL. */
static inline const sb_command_reply_t *control_find_reply (const harness_t *self)
{
    const sb_command_reply_t *found = NULL;
    for (uint32_t i = 0; i < self->effects.count; i++)
        if (self->effects.items[i].kind == SB_EFFECT_REPLY) {
            cr_assert_null (found, "two replies in one step");
            found = self->effects.items[i].reply.reply;
        }
    return found;
}

static inline const sb_command_reply_t *control_reply (const harness_t *self)
{
    const sb_command_reply_t *reply = control_find_reply (self);
    cr_assert_not_null (reply, "no reply in the last step");
    return reply;
}

#define control_expect(self, reason)                                                                                   \
    cr_assert_eq (control_reply (self)->code, SB_REASON_##reason, "replied %s: %.*s",                                  \
                  sb_reason_info (control_reply (self)->code)->name, (int)control_reply (self)->message.size,          \
                  control_reply (self)->message.data)

/* A column of a record of the last reply, or NULL. */
static inline const sb_value_t *control_column (const harness_t *self, uint32_t record, const char *name)
{
    const sb_command_reply_t *reply = control_reply (self);
    cr_assert_lt (record, reply->record_count, "only %u records", reply->record_count);
    for (uint32_t i = 0; i < reply->records[record].column_count; i++)
        if (sb_text_equal (reply->records[record].columns[i].name, sb_text (name)))
            return &reply->records[record].columns[i].value;
    return NULL;
}

static inline int64_t control_integer (const harness_t *self, uint32_t record, const char *name)
{
    const sb_value_t *value = control_column (self, record, name);
    cr_assert (value != NULL && value->kind == SB_VALUE_INTEGER, "no integer column %s", name);
    return value->integer;
}

static inline bool control_boolean (const harness_t *self, uint32_t record, const char *name)
{
    const sb_value_t *value = control_column (self, record, name);
    cr_assert (value != NULL && value->kind == SB_VALUE_BOOLEAN, "no boolean column %s", name);
    return value->boolean;
}

static inline bool control_is_text (const harness_t *self, uint32_t record, const char *name, const char *text)
{
    const sb_value_t *value = control_column (self, record, name);
    cr_assert (value != NULL && value->kind == SB_VALUE_TEXT, "no text column %s", name);
    return sb_text_equal (value->text, sb_text (text));
}

static inline sb_parameter_t control_parameter_text (const char *name, const char *text)
{
    return (sb_parameter_t){sb_text (name), {.kind = SB_VALUE_TEXT, .text = sb_text (text)}};
}

static inline sb_parameter_t control_parameter_integer (const char *name, int64_t integer)
{
    return (sb_parameter_t){sb_text (name), {.kind = SB_VALUE_INTEGER, .integer = integer}};
}

/* The agent's answer to a command. */
static inline void control_result (harness_t *self, uint64_t peer, const char *command_id, sb_reason_t code,
                                   const char *text)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND_RESULT};
    message.command_result =
        (sb_command_result_t){.command_id = sb_text (command_id), .code = code, .message = sb_text (text)};
    harness_message (self, peer, &message);
}

/* Clears the stop `latch_epoch`. */
static inline void control_clear (harness_t *self, uint64_t token, int64_t latch_epoch)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "clear-%" PRIu64, token);
    sb_command_request_t request = control_request (self, command_id, "emergency_clear", "");
    sb_parameter_t parameter = control_parameter_integer ("latch_epoch", latch_epoch);
    request.parameters = &parameter;
    request.parameter_count = 1;
    control_do_stored (self, token, &request, true);
}

/* Records of list_agents now: one call, record i is the agent of the i-th slot. */
static inline void control_list (harness_t *self)
{
    static uint64_t token = 1000000;
    control_do (self, token++, "list_agents", "");
    control_expect (self, NONE);
}

#endif

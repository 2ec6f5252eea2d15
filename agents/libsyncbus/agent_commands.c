/* SPDX-License-Identifier: MPL-2.0
 *
 * Commands both ways. Those of the table below are carried out here and confirmed at once; any other goes to the
 * application's handler, whose answer goes back when it is there. Requests of this agent stay in a table of 64
 * until their reply comes or nobody waits any more; after a lost session they are sent again under the
 * same id, which the broker answers from memory when it has done them already.
 */
#include "agent_step_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

/* A request or an answer, with its texts, in one block. */
typedef struct {
    uint64_t token;
    bool is_sent; /* in this session */
    sb_command_request_t request;
} sb_request_t;

struct sb_issued {
    sb_request_t *open[SB_AGENT_REQUESTS_MAX]; /* NULL: free */
    uint32_t open_count;
    uint64_t next_number;
    sb_command_result_t *answers[SB_AGENT_ANSWERS_MAX];
    uint32_t answer_count;
};

sb_issued_t *sb_issued_new (void)
{
    sb_issued_t *self = calloc (1, sizeof *self);
    if (self)
        self->next_number = 1;
    return self;
}

void sb_issued_destroy (sb_issued_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    for (uint32_t i = 0; i < SB_AGENT_REQUESTS_MAX; i++)
        free ((*self_p)->open[i]);
    for (uint32_t i = 0; i < (*self_p)->answer_count; i++)
        free ((*self_p)->answers[i]);
    free (*self_p);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ commands that the library carries out */

static void s_restart (sb_agent_step_t *self)
{
    /* The broker has closed the breaker: nothing keeps this agent from sending its state now. */
    self->levels.hold_until_ns = 0;
    self->levels.breaker = SB_BREAKER_CLOSED;
    self->replace.retry_ms = 0;
    self->replace.retry_at_ns = 0;
}

typedef struct {
    const char *name;
    bool is_latch;
    bool is_set;
    void (*reset) (sb_agent_step_t *self); /* instead of a level */
    const char *message;
} sb_own_command_t;

static const sb_own_command_t s_own_commands[] = {
    {"pause", false, true, NULL, "paused"},
    {"resume", false, false, NULL, "resumed"},
    {"emergency_stop", true, true, NULL, "stopped"},
    {"emergency_clear", true, false, NULL, "cleared"},
    {"restart", false, false, s_restart, "restarted"},
};

static const sb_own_command_t *s_find_own (sb_text_t name)
{
    for (size_t i = 0; i < sizeof s_own_commands / sizeof s_own_commands[0]; i++) {
        if (sb_text_equal (sb_text (s_own_commands[i].name), name))
            return &s_own_commands[i];
    }
    return NULL;
}

static void s_send_result (sb_agent_step_t *self, sb_text_t command_id, sb_reason_t code, const char *message)
{
    sb_command_result_t *result = &sb_step_send (self, SB_AGENT_MESSAGE_COMMAND_RESULT)->command_result;
    result->command_id = sb_step_copy (self, command_id);
    result->code = code;
    result->message = sb_text (message);
}

void sb_commands_received (sb_agent_step_t *self, const sb_agent_command_t *command)
{
    const sb_own_command_t *own = s_find_own (command->command);
    if (own) {
        if (own->reset)
            own->reset (self);
        else
            sb_levels_command (self, command, own->is_latch, own->is_set);
        s_send_result (self, command->command_id, SB_REASON_NONE, own->message);
        self->progress++;
    } else if (!self->config.has_command_handler) {
        s_send_result (self, command->command_id, SB_REASON_AGENT_REFUSED, "this agent has no commands of its own");
        return;
    } else if (self->commands_waiting >= SB_AGENT_ANSWERS_MAX) {
        s_send_result (self, command->command_id, SB_REASON_AGENT_REFUSED,
                       "64 commands wait for this agent already: try again");
        return;
    } else {
        self->commands_waiting++;
    }
    if (!self->config.has_command_handler)
        return;
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_COMMAND);
    effect->command.command = command;
    effect->command.is_open = !own;
}

/* ------------------------------------------------------------------ copies */

static size_t s_value_size (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? value->text.size : value->kind == SB_VALUE_BYTES ? value->bytes.size : 0;
}

static size_t s_parameters_size (const sb_parameter_t *parameters, uint32_t count)
{
    size_t size = count * sizeof *parameters;
    for (uint32_t i = 0; i < count; i++)
        size += parameters[i].name.size + s_value_size (&parameters[i].value);
    return size;
}

static sb_text_t s_copy (char **at, sb_text_t text)
{
    sb_text_t copy = {*at, text.size};
    if (text.size)
        memcpy (*at, text.data, text.size);
    *at += text.size;
    return copy;
}

/* `at` is aligned for a parameter; texts go to *texts. */
static const sb_parameter_t *s_copy_parameters (sb_parameter_t *at, char **texts, const sb_parameter_t *parameters,
                                                uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        at[i] = parameters[i];
        at[i].name = s_copy (texts, parameters[i].name);
        if (at[i].value.kind == SB_VALUE_TEXT)
            at[i].value.text = s_copy (texts, at[i].value.text);
        else if (at[i].value.kind == SB_VALUE_BYTES)
            at[i].value.bytes = s_copy (texts, at[i].value.bytes);
    }
    return at;
}

/* ------------------------------------------------------------------ answers of the handler */

void sb_commands_answer (sb_agent_step_t *self, const sb_command_result_t *result)
{
    sb_issued_t *requests = self->requests;
    self->progress++;
    if (self->commands_waiting > 0)
        self->commands_waiting--;
    if (requests->answer_count == SB_AGENT_ANSWERS_MAX)
        return; /* no session for long: whoever asked has given up */
    size_t size = sizeof *result + s_parameters_size (result->values, result->value_count) + result->command_id.size +
                  result->message.size;
    sb_command_result_t *copy = malloc (size);
    if (!copy)
        return;
    *copy = *result;
    sb_parameter_t *parameters = (sb_parameter_t *)(copy + 1);
    char *texts = (char *)(parameters + result->value_count);
    copy->values = s_copy_parameters (parameters, &texts, result->values, result->value_count);
    copy->command_id = s_copy (&texts, result->command_id);
    copy->message = s_copy (&texts, result->message);
    requests->answers[requests->answer_count++] = copy;
}

static void s_send_answer (sb_agent_step_t *self, sb_command_result_t *answer)
{
    size_t size = s_parameters_size (answer->values, answer->value_count);
    sb_parameter_t *parameters = sb_step_take (self, size);
    char *texts = (char *)(parameters + answer->value_count);
    sb_command_result_t *result = &sb_step_send (self, SB_AGENT_MESSAGE_COMMAND_RESULT)->command_result;
    *result = *answer;
    result->values = s_copy_parameters (parameters, &texts, answer->values, answer->value_count);
    result->command_id = sb_step_copy (self, answer->command_id);
    result->message = sb_step_copy (self, answer->message);
    free (answer);
}

/* ------------------------------------------------------------------ requests of this agent */

char *sb_step_write_decimal (char *at, uint64_t number)
{
    char digits[20];
    uint32_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

static sb_request_t *s_request_new (uint64_t token, const sb_command_request_t *request, sb_text_t command_id)
{
    size_t size = sizeof (sb_request_t) + s_parameters_size (request->parameters, request->parameter_count) +
                  command_id.size + request->command.size + request->agent_id.size + request->reason.size;
    sb_request_t *copy = malloc (size);
    if (!copy)
        return NULL;
    *copy = (sb_request_t){.token = token, .request = *request};
    sb_parameter_t *parameters = (sb_parameter_t *)(copy + 1);
    char *texts = (char *)(parameters + request->parameter_count);
    copy->request.parameters = s_copy_parameters (parameters, &texts, request->parameters, request->parameter_count);
    copy->request.command_id = s_copy (&texts, command_id);
    copy->request.command = s_copy (&texts, request->command);
    copy->request.agent_id = s_copy (&texts, request->agent_id);
    copy->request.reason = s_copy (&texts, request->reason);
    copy->request.protocol = SB_PROTOCOL;
    return copy;
}

void sb_commands_issue (sb_agent_step_t *self, uint64_t token, const sb_command_request_t *request,
                        sb_agent_effects_t *answer)
{
    sb_issued_t *requests = self->requests;
    uint32_t slot = 0;
    while (slot < SB_AGENT_REQUESTS_MAX && requests->open[slot])
        slot++;
    if (self->link == SB_LINK_FINISHED) {
        answer->reason = self->final_reason == SB_REASON_NONE ? SB_REASON_NOT_CONNECTED : self->final_reason;
        return;
    }
    if (slot == SB_AGENT_REQUESTS_MAX) {
        answer->reason = SB_REASON_TOO_MANY_PENDING;
        return;
    }
    char command_id[44];
    char *end = sb_step_write_decimal (command_id, self->config.instance_id);
    *end++ = '.';
    end = sb_step_write_decimal (end, requests->next_number++);
    sb_request_t *open = s_request_new (token, request, (sb_text_t){command_id, (uint32_t)(end - command_id)});
    if (!open) {
        answer->reason = SB_REASON_TOO_MANY_PENDING;
        return;
    }
    open->request.issued_unix_ns = self->unix_ns;
    open->request.issuer = self->config.agent_id;
    requests->open[slot] = open;
    requests->open_count++;
}

void sb_commands_cancel (sb_agent_step_t *self, uint64_t token)
{
    /* What was sent may still be read by the I/O thread, but from its own copy: see s_send_request. */
    for (uint32_t i = 0; i < SB_AGENT_REQUESTS_MAX; i++) {
        sb_request_t *open = self->requests->open[i];
        if (open && open->token == token) {
            free (open);
            self->requests->open[i] = NULL;
            self->requests->open_count--;
        }
    }
}

static void s_send_request (sb_agent_step_t *self, sb_request_t *open)
{
    size_t size = s_parameters_size (open->request.parameters, open->request.parameter_count);
    sb_parameter_t *parameters = sb_step_take (self, size);
    char *texts = (char *)(parameters + open->request.parameter_count);
    sb_command_request_t *request = &sb_step_send (self, SB_AGENT_MESSAGE_COMMAND)->command;
    *request = open->request;
    request->parameters =
        s_copy_parameters (parameters, &texts, open->request.parameters, open->request.parameter_count);
    request->command_id = sb_step_copy (self, request->command_id);
    request->command = sb_step_copy (self, request->command);
    request->agent_id = sb_step_copy (self, request->agent_id);
    request->reason = sb_step_copy (self, request->reason);
    open->is_sent = true;
}

static void s_reply (sb_agent_step_t *self, uint32_t slot, sb_reason_t code, sb_text_t message,
                     const sb_command_reply_t *whole)
{
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_REPLY);
    effect->reply.token = self->requests->open[slot]->token;
    effect->reply.code = code;
    effect->reply.message = message;
    effect->reply.whole = whole;
    free (self->requests->open[slot]);
    self->requests->open[slot] = NULL;
    self->requests->open_count--;
}

void sb_commands_reply (sb_agent_step_t *self, const sb_command_reply_t *reply)
{
    for (uint32_t i = 0; i < SB_AGENT_REQUESTS_MAX; i++) {
        const sb_request_t *open = self->requests->open[i];
        if (open && sb_text_equal (open->request.command_id, reply->command_id)) {
            s_reply (self, i, reply->code, reply->message, reply);
            return;
        }
    }
}

void sb_commands_finish (sb_agent_step_t *self)
{
    for (uint32_t i = 0; i < SB_AGENT_REQUESTS_MAX; i++) {
        if (self->requests->open[i])
            s_reply (self, i, SB_REASON_NOT_CONNECTED, sb_text ("this agent has no session any more"), NULL);
    }
}

void sb_commands_welcome (sb_agent_step_t *self)
{
    for (uint32_t i = 0; i < SB_AGENT_REQUESTS_MAX; i++) {
        if (self->requests->open[i])
            self->requests->open[i]->is_sent = false;
    }
}

bool sb_commands_has_work (const sb_agent_step_t *self)
{
    if (self->link != SB_LINK_SESSION)
        return false;
    for (uint32_t i = 0; self->requests->open_count && i < SB_AGENT_REQUESTS_MAX; i++) {
        if (self->requests->open[i] && !self->requests->open[i]->is_sent)
            return true;
    }
    return self->requests->answer_count > 0;
}

void sb_commands_flush (sb_agent_step_t *self)
{
    sb_issued_t *requests = self->requests;
    for (uint32_t i = 0; i < requests->answer_count; i++)
        s_send_answer (self, requests->answers[i]);
    requests->answer_count = 0;
    for (uint32_t i = 0; requests->open_count && i < SB_AGENT_REQUESTS_MAX; i++) {
        if (requests->open[i] && !requests->open[i]->is_sent)
            s_send_request (self, requests->open[i]);
    }
}

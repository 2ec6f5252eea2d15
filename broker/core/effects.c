/* SPDX-License-Identifier: MPL-2.0
 *
 * Effects: what one step asks the shell to do, in order. The list and all that it points to are scratch
 * memory, so adding one costs a copy and the next step takes everything back at once.
 */
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT_MAX = 4096 };

void *sb_core_take (sb_core_t *self, size_t size)
{
    void *memory = sb_scratch_take (&self->scratch, size);
    memset (memory, 0, size);
    return memory;
}

sb_text_t sb_core_copy (sb_core_t *self, sb_text_t text)
{
    return sb_scratch_text (&self->scratch, text);
}

sb_text_t sb_core_format (sb_core_t *self, const char *format, ...)
{
    char line[FORMAT_MAX];
    va_list arguments;
    va_start (arguments, format);
    int size = vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    if (size < 0)
        size = 0;
    if ((size_t)size >= sizeof line)
        size = (int)sizeof line - 1;
    return sb_core_copy (self, (sb_text_t){line, (uint32_t)size});
}

/* The next place in the list of effects. */
static inline sb_effect_t *s_add (sb_core_t *self, sb_effect_kind_t kind)
{
    if (self->effect_count == self->effect_capacity) {
        uint32_t capacity = self->effect_capacity * 4;
        sb_effect_t *effects = sb_scratch_take (&self->scratch, capacity * sizeof *effects);
        memcpy (effects, self->effects, self->effect_count * sizeof *effects);
        self->effects = effects;
        self->effect_capacity = capacity;
    }
    sb_effect_t *effect = &self->effects[self->effect_count++];
    *effect = (sb_effect_t){.kind = kind};
    return effect;
}

/* A copy of one struct in scratch memory. */
static void *s_copy (sb_core_t *self, const void *item, size_t size)
{
    return memcpy (sb_scratch_take (&self->scratch, size), item, size);
}

void sb_core_emit_store (sb_core_t *self, const sb_control_state_t *state)
{
    s_add (self, SB_EFFECT_STORE)->store = s_copy (self, state, sizeof *state);
}

void sb_core_emit_send (sb_core_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    sb_effect_t *effect = s_add (self, SB_EFFECT_SEND);
    effect->send.peer = peer;
    effect->send.message = s_copy (self, message, sizeof *message);
}

sb_broker_message_t *sb_core_add_send (sb_core_t *self, uint64_t peer)
{
    sb_broker_message_t *message = sb_core_take (self, sizeof *message);
    sb_effect_t *effect = s_add (self, SB_EFFECT_SEND);
    effect->send.peer = peer;
    effect->send.message = message;
    return message;
}

void sb_core_emit_publish_in_place (sb_core_t *self, const sb_publication_t *publication)
{
    s_add (self, SB_EFFECT_PUBLISH)->publish = publication;
}

void sb_core_emit_publish (sb_core_t *self, const sb_publication_t *publication)
{
    s_add (self, SB_EFFECT_PUBLISH)->publish = s_copy (self, publication, sizeof *publication);
}

void sb_core_emit_reply (sb_core_t *self, uint64_t token, const sb_command_reply_t *reply)
{
    sb_effect_t *effect = s_add (self, SB_EFFECT_REPLY);
    effect->reply.token = token;
    effect->reply.reply = s_copy (self, reply, sizeof *reply);
}

void sb_core_emit_audit (sb_core_t *self, const sb_audit_t *audit)
{
    s_add (self, SB_EFFECT_AUDIT)->audit = s_copy (self, audit, sizeof *audit);
}

void sb_core_emit_log (sb_core_t *self, sb_severity_t severity, const char *event, sb_text_t agent_id,
                       sb_reason_t reason, sb_text_t text)
{
    sb_log_line_t line = {severity, sb_text (event), sb_core_copy (self, agent_id), reason, sb_core_copy (self, text)};
    s_add (self, SB_EFFECT_LOG)->log = s_copy (self, &line, sizeof line);
}

void sb_core_refuse (sb_core_t *self, uint64_t peer, sb_reason_t reason, sb_text_t text)
{
    self->refusals[reason]++;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_REFUSAL};
    message.refusal.reason = reason;
    message.refusal.text = text.size ? text : sb_text (sb_reason_info (reason)->text);
    sb_core_emit_send (self, peer, &message);
}

const char *sb_core_counter_name (sb_counter_t counter)
{
    static const char *const s_names[] = {
#define SB_COUNTER(name, unit, text) #name,
#include "sb_counters.def"
#undef SB_COUNTER
    };
    return counter < SB_COUNTER_LIMIT ? s_names[counter] : "?";
}

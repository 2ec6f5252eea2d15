/* SPDX-License-Identifier: MPL-2.0
 *
 * Delivery of the whole state: when it is wanted, when it may begin, how it goes out. It takes one number and a slot of
 * the window like a delta; a cursor walks the own state and fills chunks up to the message limit, a few a step.
 * After a refusal by a full broker it is tried again ever more slowly, 1 s to 30 s; after one for its content
 * also, but only once the state has changed, else after 60 s: the same would be refused again, and count as a failure.
 * A field too large for this broker's messages is left out: nothing can bring it there. Fields go by topic and by what
 * is left of their time to live.
 */
#include "agent_step_private.h"

#include "sb_names.h"

void sb_replacement_retry_later (sb_agent_step_t *self, uint32_t retry_after_ms)
{
    sb_replace_t *replace = &self->replace;
    replace->retry_ms = replace->retry_ms ? replace->retry_ms * 2 : SB_REPLACE_RETRY_MIN_MS;
    if (replace->retry_ms > SB_REPLACE_RETRY_MAX_MS)
        replace->retry_ms = SB_REPLACE_RETRY_MAX_MS;
    uint32_t wait_ms = retry_after_ms > replace->retry_ms ? retry_after_ms : replace->retry_ms;
    replace->retry_at_ns = sb_step_after (self->now_ns, wait_ms * SB_NS_PER_MS);
}

void sb_replacement_refused_content (sb_agent_step_t *self)
{
    sb_replacement_retry_later (self, 0);
    self->replace.same_until_ns = sb_step_after (self->now_ns, SB_REPLACE_SAME_RETRY_MS * SB_NS_PER_MS);
}

/* When it may go out again. */
static uint64_t s_retry_at (const sb_agent_step_t *self)
{
    const sb_replace_t *replace = &self->replace;
    bool is_same = sb_own_state_version (self->state) == replace->version;
    return is_same && replace->same_until_ns > replace->retry_at_ns ? replace->same_until_ns : replace->retry_at_ns;
}

static bool s_is_wanted (const sb_agent_step_t *self)
{
    return self->dirty || !self->state_known || self->levels.breaker == SB_BREAKER_HALF_OPEN;
}

bool sb_replacement_may_begin (const sb_agent_step_t *self)
{
    return self->link == SB_LINK_SESSION && self->replace.phase == SB_REPLACE_NONE && s_is_wanted (self) &&
           self->now_ns >= s_retry_at (self) && sb_levels_blocked (self, (sb_text_t){NULL, 0}) == SB_REASON_NONE;
}

static bool s_is_same_topic (const sb_delta_t *delta, sb_text_t category, sb_text_t subject, uint32_t time_to_live_ms)
{
    return delta->time_to_live_ms == time_to_live_ms && sb_text_equal (delta->category, category) &&
           sb_text_equal (delta->subject, subject);
}

static sb_value_t s_copy_value (sb_agent_step_t *self, const sb_value_t *value)
{
    sb_value_t copy = *value;
    if (value->kind == SB_VALUE_TEXT)
        copy.text = sb_step_copy (self, value->text);
    else if (value->kind == SB_VALUE_BYTES)
        copy.bytes = sb_step_copy (self, value->bytes);
    return copy;
}

/* Leaves out the field at the cursor; tells the application unless it was told since the field's last write. */
static void s_leave_out (sb_agent_step_t *self, sb_text_t name)
{
    static const char text[] = "this field is larger than the broker's max_message_bytes: it is left out";
    if (sb_own_state_note (self->state)) {
        sb_text_t field = sb_step_copy (self, name);
        sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_REFUSED);
        effect->refused.sequence = self->replace.sequence;
        effect->refused.reason = SB_REASON_TOO_LARGE;
        effect->refused.text = sb_text (text);
        effect->refused.field = field;
        effect->refused.kept = true;
        self->refused_by_reason[SB_REASON_TOO_LARGE]++;
        sb_step_log (self, SB_SEVERITY_ERROR, text, field);
    }
    sb_own_state_advance (self->state);
}

/* Sends one chunk from the cursor on; false when the state is at its end. */
static bool s_send_chunk (sb_agent_step_t *self)
{
    enum { FIELDS = 2048 };
    sb_text_t category, subject, name;
    const sb_value_t *value;
    if (!sb_own_state_at_cursor (self->state, &category, &subject, &name, &value))
        return false;
    sb_delta_t *topics = sb_step_take (self, SB_CHANGES_MAX * sizeof *topics);
    sb_change_t *changes = sb_step_take (self, FIELDS * sizeof *changes);
    uint32_t topic_count = 0, field_count = 0;
    uint64_t bytes = 0;
    while (field_count < FIELDS && sb_own_state_at_cursor (self->state, &category, &subject, &name, &value)) {
        sb_change_t change = {.name = name, .value = *value};
        sb_delta_t single = {
            .category = category, .subject = subject, .update = {.changes = &change, .change_count = 1}};
        uint64_t added = sb_delta_wire_bytes (&single); /* as a topic of its own: never too little */
        if (added > sb_step_payload_max (self)) {
            s_leave_out (self, name);
            continue;
        }
        uint32_t time_left_ms = sb_own_state_time_left_ms (self->state);
        sb_delta_t *topic = topic_count ? &topics[topic_count - 1] : NULL;
        bool is_new = !topic || !s_is_same_topic (topic, category, subject, time_left_ms) ||
                      topic->update.change_count == self->limits.max_changes;
        if (field_count > 0 &&
            (bytes + added > sb_step_payload_max (self) || (is_new && topic_count == SB_CHANGES_MAX)))
            break;
        sb_own_state_advance (self->state);
        bytes += added;
        if (is_new) {
            topic = &topics[topic_count++];
            *topic = (sb_delta_t){.category = sb_step_copy (self, category),
                                  .subject = sb_step_copy (self, subject),
                                  .time_to_live_ms = time_left_ms};
            topic->update.changes = &changes[field_count];
            topic->update.event_unix_ns = self->unix_ns;
        }
        topic->update.change_count++;
        changes[field_count++] = (sb_change_t){.name = sb_step_copy (self, name), .value = s_copy_value (self, value)};
    }
    if (field_count == 0)
        return false;
    sb_replace_chunk_t *chunk = &sb_step_send (self, SB_AGENT_MESSAGE_REPLACE_CHUNK)->replace_chunk;
    chunk->sequence = self->replace.sequence;
    chunk->topics = topics;
    chunk->topic_count = topic_count;
    self->replace.chunk_count++;
    return true;
}

/* Sends the next part of it. */
void sb_replacement_send (sb_agent_step_t *self)
{
    sb_replace_t *replace = &self->replace;
    if (replace->phase == SB_REPLACE_BEGIN) {
        sb_step_send (self, SB_AGENT_MESSAGE_REPLACE_BEGIN)->replace_begin.sequence = replace->sequence;
        sb_own_state_expire (self->state);
        sb_own_state_rewind (self->state);
        replace->version = sb_own_state_version (self->state);
        replace->chunk_count = 0;
        replace->phase = SB_REPLACE_CHUNKS;
    }
    for (uint32_t i = 0; i < SB_REPLACE_CHUNKS_PER_STEP; i++) {
        if (s_send_chunk (self))
            continue;
        sb_replace_mark_t *end = &sb_step_send (self, SB_AGENT_MESSAGE_REPLACE_END)->replace_end;
        end->sequence = replace->sequence;
        end->chunk_count = replace->chunk_count;
        replace->read_through = sb_window_next (self->window);
        replace->phase = SB_REPLACE_DECIDING;
        self->send_next = replace->sequence + 1;
        sb_levels_hold_after_probe (self);
        return;
    }
}

void sb_replacement_begin (sb_agent_step_t *self)
{
    const sb_slot_t *slot = sb_window_add_replacement (self->window);
    if (!slot)
        return; /* no memory: tried again at the next event */
    self->replace.phase = SB_REPLACE_BEGIN;
    self->replace.sequence = slot->sequence;
    self->dirty = false;
}

uint64_t sb_replacement_deadline (const sb_agent_step_t *self)
{
    bool waits = s_is_wanted (self) && self->replace.phase == SB_REPLACE_NONE;
    return waits && s_retry_at (self) > self->now_ns ? s_retry_at (self) : UINT64_MAX;
}

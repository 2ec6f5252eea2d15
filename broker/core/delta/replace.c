/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole states: ReplaceBegin, chunks, ReplaceEnd.
 *
 * What a chunk brings is kept as field records that are in no topic yet, so that all memory is taken, and every
 * limit checked, before ReplaceEnd decides; from there nothing can fail. It is applied in slices: first the staged
 * fields in their order (only differences are published), then a sweep over the agent's topics deletes what was not
 * named and makes every topic OK. Deltas wait meanwhile (REPLACE_PENDING). Up to two copies of one agent's state are
 * held for a moment; comparing chunk by chunk as they come was rejected, since a refused end would be half applied.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

enum { STAGED_OVERHEAD = 32 }; /* octets of a change beyond name and text */

static void s_set_fault (sb_stage_t *stage, sb_reason_t reason, sb_text_t field)
{
    if (stage->fault != SB_REASON_NONE)
        return;
    stage->fault = (uint16_t)reason;
    stage->field_size = (uint8_t)(field.size > SB_FIELD_NAME_MAX ? SB_FIELD_NAME_MAX : field.size);
    if (stage->field_size)
        memcpy (stage->field, field.data, stage->field_size);
}

void sb_replace_drop (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_stage_t *stage = &agent->stage;
    if (stage->state == SB_STAGE_NONE)
        return;
    for (uint32_t slot = stage->first; slot;) {
        uint32_t next = sb_field_at (self, slot)->next;
        sb_free_field (self, slot);
        slot = next;
    }
    for (uint32_t slot = agent->first_link; slot; slot = sb_link_at (self, slot)->next_of_agent)
        sb_link_at (self, slot)->staged_count = 0;
    memset (stage, 0, sizeof *stage);
}

void sb_replace_begin (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_mark_t *mark)
{
    sb_message_state_t message = {0, SB_REASON_NONE, SB_REASON_NONE};
    if (!sb_decide_sequence (self, agent, mark->sequence, &message))
        return;
    sb_replace_drop (self, agent);
    agent->stage = (sb_stage_t){.state = SB_STAGE_OPEN, .sequence = mark->sequence, .instance_id = agent->instance_id};
}

/* Keeps one field of a chunk. */
static void s_stage_change (sb_core_t *self, sb_agent_record_t *agent, sb_text_t category, const sb_delta_t *delta,
                            const sb_change_t *change)
{
    sb_stage_t *stage = &agent->stage;
    sb_reason_t reason = SB_REASON_NONE;
    if (change->is_delete) {
        s_set_fault (stage, SB_REASON_NO_VALUE, change->name);
        return;
    }
    uint32_t category_slot = sb_make_category (self, category, &reason);
    if (category_slot && sb_category_at (self, category_slot)->is_event)
        return;
    uint32_t topic = category_slot ? sb_make_topic (self, agent->slot, category_slot, delta->subject, &reason) : 0;
    if (!topic) {
        s_set_fault (stage, reason, change->name);
        return;
    }
    sb_link_t *link = sb_link_at (self, sb_topic_at (self, topic)->link);
    if (link->staged_count >= self->config.max_fields_agent_category) {
        s_set_fault (stage, SB_REASON_TOO_MANY_FIELDS, change->name);
        return;
    }
    uint32_t slot = sb_make_field (self, change->name, &change->value);
    uint32_t time_to_live_ms = sb_time_to_live (sb_category_at (self, category_slot), delta->time_to_live_ms);
    if (slot && !sb_expiry_stage (self, slot, time_to_live_ms)) {
        sb_free_field (self, slot);
        slot = 0;
    }
    if (!slot) {
        s_set_fault (stage, SB_REASON_STORE_FULL, change->name);
        return;
    }
    link->staged_count++;
    sb_field_t *field = sb_field_at (self, slot);
    field->previous = topic;
    field->event_unix_ns = delta->update.event_unix_ns;
    field->origin_unix_ns = delta->update.origin_unix_ns;
    if (stage->last)
        sb_field_at (self, stage->last)->next = slot;
    else
        stage->first = slot;
    stage->last = slot;
    stage->field_count++;
}

void sb_replace_chunk (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_chunk_t *chunk)
{
    sb_stage_t *stage = &agent->stage;
    if (stage->state != SB_STAGE_OPEN || stage->sequence != chunk->sequence)
        return; /* a repeat, or its end will be refused REPLACE_INCOMPLETE */
    stage->chunk_count++;
    for (uint32_t i = 0; i < chunk->topic_count && stage->fault == SB_REASON_NONE; i++) {
        const sb_delta_t *topic = &chunk->topics[i];
        if (topic->fault != SB_REASON_NONE && topic->fault != SB_REASON_NO_CHANGES)
            s_set_fault (stage, topic->fault, topic->fault_field);
        if (topic->category.size && topic->category.data[0] == '_')
            s_set_fault (stage, SB_REASON_BAD_CATEGORY, topic->category);
        for (uint32_t j = 0; j < topic->update.change_count && stage->fault == SB_REASON_NONE; j++) {
            const sb_change_t *change = &topic->update.changes[j];
            sb_text_t category = topic->category.size ? topic->category : sb_config_categorize (self, change->name);
            s_stage_change (self, agent, category, topic, change);
        }
    }
}

/* Emergency stop, PAUSED, ISOLATED, breaker: for every category that it would write to or delete from. */
static sb_reason_t s_check_admission (sb_core_t *self, sb_agent_record_t *agent, uint32_t *retry_after_ms)
{
    uint32_t count = 0;
    sb_text_t *categories = sb_core_take (self, (self->categories.high + 1) * sizeof *categories);
    for (uint32_t slot = agent->first_link; slot; slot = sb_link_at (self, slot)->next_of_agent) {
        const sb_link_t *link = sb_link_at (self, slot);
        const sb_category_t *category = sb_category_at (self, link->category);
        if (!category->is_event && (link->field_count || link->staged_count))
            categories[count++] = sb_category_text (category);
    }
    return sb_control_admit (self, agent, categories, count, self->message_number, retry_after_ms);
}

/* What is wrong with the delivery as a whole. */
static sb_reason_t s_check_delivery (const sb_agent_record_t *agent, const sb_replace_mark_t *mark)
{
    const sb_stage_t *stage = &agent->stage;
    if (stage->state != SB_STAGE_OPEN || stage->sequence != mark->sequence)
        return SB_REASON_REPLACE_INCOMPLETE;
    if (stage->fault != SB_REASON_NONE)
        return (sb_reason_t)stage->fault;
    return stage->chunk_count == mark->chunk_count ? SB_REASON_NONE : SB_REASON_REPLACE_INCOMPLETE;
}

void sb_replace_end (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_mark_t *mark)
{
    sb_message_state_t message = {0, SB_REASON_NONE, SB_REASON_NONE};
    if (!sb_decide_sequence (self, agent, mark->sequence, &message))
        return;
    sb_core_counter_add (self, SB_COUNTER_deltas, 1);
    uint32_t retry_after_ms = 0;
    sb_reason_t reason = s_check_delivery (agent, mark);
    if (reason == SB_REASON_NONE)
        reason = s_check_admission (self, agent, &retry_after_ms);
    if (reason != SB_REASON_NONE) {
        sb_text_t field = sb_core_copy (self, (sb_text_t){agent->stage.field, agent->stage.field_size});
        if (sb_reason_info (reason)->kind == SB_REASON_KIND_BOUND)
            sb_registry_evict (self);
        sb_replace_drop (self, agent);
        sb_decide_refuse (self, agent, mark->sequence, reason, field, retry_after_ms, &message);
        return;
    }
    agent->stage.state = SB_STAGE_APPLY;
    agent->stage.walk = agent->walk;
    agent->replace_mark++;
    sb_control_success (agent, 1);
    if (sb_replace_slice (self, agent))
        sb_timer_add_work (self, agent);
}

/* ---- applying */

/* Moves one staged field into its topic. True when that changed the state; *change then is what is published. */
static bool s_apply_field (sb_core_t *self, sb_agent_record_t *agent, uint32_t slot, uint32_t topic,
                           sb_change_t *change)
{
    sb_field_t *staged = sb_field_at (self, slot);
    sb_value_t value = sb_core_value (&staged->value);
    uint32_t existing = sb_find_field_slot (self, topic, sb_field_text (staged));
    sb_field_t *field = existing ? sb_field_at (self, existing) : NULL;
    bool is_twice = field && field->mark == agent->replace_mark;
    if (!is_twice)
        sb_expiry_apply (self, slot, existing ? existing : slot);
    if (field && (is_twice || sb_value_same (&field->value, &value))) {
        field->mark = agent->replace_mark;
        sb_free_field (self, slot);
        sb_core_counter_add (self, SB_COUNTER_changes_suppressed, 1);
        return false;
    }
    sb_change_t written = {.name = sb_field_text (staged), .value = value};
    sb_apply_copy_change (self, &written, change);
    uint64_t sequence = sb_publish_sequence (self, topic, SB_CAUSE_REPLACED);
    sb_update_t update = {.sequence = agent->stage.sequence,
                          .event_unix_ns = staged->event_unix_ns,
                          .origin_unix_ns = staged->origin_unix_ns};
    if (field) {
        sb_stored_value_t old = field->value;
        field->value = staged->value;
        staged->value = old;
        sb_free_field (self, slot);
    } else {
        sb_insert_field (self, topic, slot);
        field = staged;
    }
    field->mark = agent->replace_mark;
    sb_apply_note (self, field, agent, &update, sequence, SB_CAUSE_REPLACED);
    field->instance_id = agent->stage.instance_id; /* a newer one may have registered meanwhile */
    sb_core_counter_add (self, SB_COUNTER_changes, 1);
    return true;
}

/* Publishes what one topic got. */
static void s_publish_changes (sb_core_t *self, sb_agent_record_t *agent, uint32_t topic, sb_change_t *changes,
                               uint32_t count, uint64_t agent_sequence)
{
    if (count == 0)
        return;
    sb_quality_written (self, agent, sb_topic_at (self, topic));
    sb_update_t update = {.sequence = agent_sequence, .changes = changes, .change_count = count};
    sb_publish_update (self, &update);
    sb_publish_close (self);
}

/* Octets of a publication at most, but for a single field. */
static uint64_t s_publication_bytes (const sb_core_t *self)
{
    return self->config.max_message_bytes < SB_PAGE_BYTES ? self->config.max_message_bytes : SB_PAGE_BYTES;
}

/* Octets of a staged field, as part of a publication at most. */
static uint64_t s_staged_bytes (const sb_field_t *staged)
{
    return STAGED_OVERHEAD + (uint64_t)staged->name_size + staged->value.size;
}

/* Applies the next staged fields that share a topic, up to SB_PUBLICATION_CHANGES and, but for a single field, a page's
 * octets. Returns how many were handled. */
static uint32_t s_apply_run (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_stage_t *stage = &agent->stage;
    uint32_t topic = sb_field_at (self, stage->first)->previous;
    sb_change_t *changes = sb_scratch_take (&self->scratch, SB_PUBLICATION_CHANGES * sizeof *changes);
    uint32_t count = 0, handled = 0;
    uint64_t taken = 0, most = s_publication_bytes (self);
    while (stage->first && handled < SB_PUBLICATION_CHANGES) {
        uint32_t slot = stage->first;
        sb_field_t *staged = sb_field_at (self, slot);
        if (staged->previous != topic || (handled && taken + s_staged_bytes (staged) > most))
            break;
        taken += s_staged_bytes (staged);
        stage->first = staged->next;
        staged->next = staged->previous = 0;
        sb_link_at (self, sb_topic_at (self, topic)->link)->staged_count--;
        count += s_apply_field (self, agent, slot, topic, &changes[count]);
        handled++;
    }
    s_publish_changes (self, agent, topic, changes, count, stage->sequence);
    self->work_bytes += taken;
    return handled;
}

/* Deletes what the replacement did not name in one topic, and makes the topic OK. Returns how many fields it looked at.
 */
static uint32_t s_sweep_topic (sb_core_t *self, sb_agent_record_t *agent, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    const sb_category_t *category = sb_category_at (self, topic->category);
    if (category->is_broker)
        return 1;
    uint32_t looked = 1, count = 0;
    sb_change_t *changes = NULL;
    for (uint32_t next, field = category->is_event ? 0 : topic->first_field; field; field = next, looked++) {
        next = sb_field_at (self, field)->next;
        if (sb_field_at (self, field)->mark == agent->replace_mark)
            continue;
        if (!changes)
            changes = sb_scratch_take (&self->scratch, SB_PUBLICATION_CHANGES * sizeof *changes);
        sb_publish_sequence (self, slot, SB_CAUSE_REPLACED);
        sb_change_t gone = {.name = sb_field_text (sb_field_at (self, field)), .is_delete = true};
        sb_apply_copy_change (self, &gone, &changes[count++]);
        sb_remove_field (self, field);
        sb_core_counter_add (self, SB_COUNTER_changes, 1);
        if (count == SB_PUBLICATION_CHANGES) {
            s_publish_changes (self, agent, slot, changes, count, agent->stage.sequence);
            changes = NULL;
            count = 0;
        }
    }
    s_publish_changes (self, agent, slot, changes, count, agent->stage.sequence);
    bool was_known = topic->quality != SB_QUALITY_UNKNOWN;
    if (was_known && sb_quality_written (self, agent, topic))
        sb_publish_quality (self, slot, SB_CAUSE_RECOVERED);
    return looked;
}

/* The last slice is done: decides the sequence that the replacement used up. */
static void s_finish (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_stage_t *stage = &agent->stage;
    uint64_t sequence = stage->sequence;
    bool is_current = stage->instance_id == agent->instance_id;
    bool is_undisturbed = stage->walk == agent->walk;
    sb_replace_drop (self, agent);
    sb_core_counter_add (self, SB_COUNTER_replacements, 1);
    if (!is_current)
        return; /* a newer instance has begun anew: the number was the older one's */
    sb_message_state_t message = {0, SB_REASON_NONE, SB_REASON_NONE};
    sb_decide_accept (self, agent, sequence, &message);
    if (is_undisturbed)
        agent->needs_replacement = false;
}

bool sb_replace_slice (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_stage_t *stage = &agent->stage;
    assert (sb_replace_is_applying (agent));
    uint32_t handled = 0;
    while (stage->state == SB_STAGE_APPLY && handled < SB_SLICE && self->work_bytes < SB_PAGE_BYTES) {
        if (stage->first) {
            handled += s_apply_run (self, agent);
            continue;
        }
        stage->last = 0;
        stage->state = SB_STAGE_SWEEP;
        stage->topic = agent->first_topic;
    }
    while (stage->state == SB_STAGE_SWEEP && stage->topic && handled < SB_SLICE) {
        uint32_t topic = stage->topic;
        stage->topic = sb_topic_at (self, topic)->next_of_agent;
        handled += s_sweep_topic (self, agent, topic);
    }
    if (stage->state == SB_STAGE_APPLY || stage->topic)
        return true; /* more by the next tick */
    s_finish (self, agent);
    return false;
}

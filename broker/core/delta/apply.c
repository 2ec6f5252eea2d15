/* SPDX-License-Identifier: MPL-2.0
 *
 * Applying a delta that was let in: split by category, prepare, commit, publish.
 *
 * Prepare takes every record and octet that the delta needs, for all of its parts; if one cannot be had, all are given
 * back and the state is as it was. Commit then cannot fail. So a delta is applied whole or not at all, over several
 * categories too. A write of the same bits is not published, except in event categories. O(changes).
 */
#include "state.h"

#include <assert.h>
#include <string.h>

/* One change, prepared. */
typedef struct {
    const sb_change_t *change;
    uint32_t field;          /* slot; 0: a delete of what is not there */
    bool is_new;             /* the field is made and in no topic yet */
    bool is_same;            /* nothing changes */
    sb_stored_value_t value; /* to be put into a field that is there */
} s_write_t;

/* ---- splitting */

/* The part of that category, added when there is none yet. */
static sb_part_t *s_part_of (sb_core_t *self, sb_part_t *parts, uint32_t *count, sb_text_t category, uint32_t changes)
{
    for (uint32_t i = 0; i < *count; i++)
        if (sb_text_equal (parts[i].category, category))
            return &parts[i];
    sb_part_t *part = &parts[(*count)++];
    *part = (sb_part_t){.category = category};
    part->changes = sb_scratch_take (&self->scratch, changes * sizeof *part->changes);
    return part;
}

/* Different categories that these changes can have: the rules', and `uncategorized`. */
static uint32_t s_parts_max (const sb_core_t *self, uint32_t changes)
{
    uint32_t categories = self->config.category_rule_count + 1;
    return changes < categories ? changes : categories;
}

/* Finds the part's category and topic. Most deltas go where the agent's last one went, at least to its category. */
static void s_find_topic (sb_core_t *self, const sb_agent_record_t *agent, sb_text_t subject, sb_part_t *part)
{
    const sb_topic_t *recent = agent->recent_topic ? sb_topic_at (self, agent->recent_topic) : NULL;
    if (recent && sb_text_equal (sb_category_text (sb_category_at (self, recent->category)), part->category)) {
        part->category_slot = recent->category;
        if (sb_text_equal (sb_topic_subject (recent), subject)) {
            part->topic_slot = agent->recent_topic;
            return;
        }
    } else
        part->category_slot = sb_find_category (self, part->category);
    if (part->category_slot)
        part->topic_slot = sb_find_topic (self, agent->slot, part->category_slot, subject);
}

uint32_t sb_apply_split (sb_core_t *self, const sb_agent_record_t *agent, const sb_delta_t *delta, sb_part_t **parts)
{
    const sb_update_t *update = &delta->update;
    uint32_t count = 0;
    bool is_given = delta->category.size > 0;
    *parts =
        sb_scratch_take (&self->scratch, (is_given ? 1 : s_parts_max (self, update->change_count)) * sizeof **parts);
    for (uint32_t i = 0; i < update->change_count; i++) {
        const sb_change_t *change = &update->changes[i];
        sb_part_t *part = *parts;
        if (!is_given || i == 0) {
            sb_text_t category = is_given ? delta->category : sb_config_categorize (self, change->name);
            part = s_part_of (self, *parts, &count, category, update->change_count);
        }
        part->changes[part->change_count++] = change;
    }
    for (uint32_t i = 0; i < count; i++)
        s_find_topic (self, agent, delta->subject, &(*parts)[i]);
    return count;
}

sb_reason_t sb_apply_check_fields (const sb_core_t *self, const sb_agent_record_t *agent, const sb_part_t *part,
                                   sb_text_t *field)
{
    uint32_t held = 0;
    if (part->topic_slot)
        held = sb_link_at (self, sb_topic_at (self, part->topic_slot)->link)->field_count;
    else if (part->category_slot) {
        uint32_t link = sb_find_link (self, agent->slot, part->category_slot);
        held = link ? sb_link_at (self, link)->field_count : 0;
    }
    uint32_t limit = self->config.max_fields_agent_category;
    if (held + part->change_count <= limit)
        return SB_REASON_NONE;
    for (uint32_t i = 0; i < part->change_count; i++)
        if (part->changes[i]->is_delete && part->topic_slot &&
            sb_find_field_slot (self, part->topic_slot, part->changes[i]->name))
            held--;
    for (uint32_t i = 0; i < part->change_count; i++) {
        const sb_change_t *change = part->changes[i];
        bool is_there = part->topic_slot && sb_find_field_slot (self, part->topic_slot, change->name);
        if (change->is_delete || is_there || ++held <= limit)
            continue;
        *field = change->name;
        return SB_REASON_TOO_MANY_FIELDS;
    }
    return SB_REASON_NONE;
}

/* ---- preparing */

/* Takes what one change needs. False when there is no room; then it holds nothing. */
static bool s_prepare (sb_core_t *self, uint32_t topic, const sb_change_t *change, s_write_t *write)
{
    *write = (s_write_t){.change = change, .field = sb_find_field_slot (self, topic, change->name)};
    if (change->is_delete) {
        write->is_same = write->field == 0;
        return true;
    }
    if (!write->field) {
        write->field = sb_make_field (self, change->name, &change->value);
        write->is_new = true;
        return write->field != 0;
    }
    write->is_same = sb_value_same (&sb_field_at (self, write->field)->value, &change->value);
    return write->is_same || sb_value_store (self, &change->value, &write->value);
}

static void s_give_back (sb_core_t *self, s_write_t *writes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (writes[i].is_new)
            sb_free_field (self, writes[i].field);
        else if (!writes[i].is_same && !writes[i].change->is_delete)
            sb_value_release (self, &writes[i].value);
}

/* Makes the part's category and topic where they are not there yet. */
static sb_reason_t s_prepare_topic (sb_core_t *self, const sb_agent_record_t *agent, sb_text_t subject, sb_part_t *part)
{
    sb_reason_t reason = SB_REASON_NONE;
    if (!part->category_slot)
        part->category_slot = sb_make_category (self, part->category, &reason);
    if (part->category_slot && !part->topic_slot)
        part->topic_slot = sb_make_topic (self, agent->slot, part->category_slot, subject, &reason);
    return part->topic_slot ? SB_REASON_NONE : reason;
}

/* Octets of scratch memory that publishing the delta takes at most. */
static size_t s_scratch_needed (const sb_delta_t *delta)
{
    size_t needed = 4096;
    for (uint32_t i = 0; i < delta->update.change_count; i++) {
        const sb_change_t *change = &delta->update.changes[i];
        bool has_run = change->value.kind == SB_VALUE_TEXT || change->value.kind == SB_VALUE_BYTES;
        needed += sizeof (s_write_t) + sizeof (sb_change_t) + change->name.size + 64;
        needed += (has_run ? change->value.text.size : 0) + 512; /* at worst, a publication for each change */
    }
    return needed;
}

/* ---- committing */

sb_change_t sb_apply_copy_change (sb_core_t *self, const sb_change_t *change)
{
    sb_change_t copy = *change;
    copy.name = sb_core_copy (self, change->name);
    if (change->value.kind == SB_VALUE_TEXT || change->value.kind == SB_VALUE_BYTES)
        copy.value.text = sb_core_copy (self, change->value.text);
    return copy;
}

void sb_apply_note (const sb_core_t *self, sb_field_t *field, const sb_agent_record_t *agent, const sb_update_t *update,
                    uint64_t sequence, sb_cause_t cause)
{
    field->sequence = sequence;
    field->changed_unix_ns = self->now_unix_ns;
    field->delta_sequence = update->sequence;
    field->instance_id = agent->instance_id;
    field->event_unix_ns = update->event_unix_ns;
    field->origin_unix_ns = update->origin_unix_ns;
    field->cause = (uint8_t)cause;
}

/* Puts one prepared change that is published into the state. In an event category also one that changes nothing. */
static void s_commit_write (sb_core_t *self, const sb_agent_record_t *agent, const sb_update_t *update, uint32_t topic,
                            const s_write_t *write, uint64_t sequence)
{
    if (!write->field)
        return;
    if (write->change->is_delete) {
        sb_remove_field (self, write->field);
        return;
    }
    sb_field_t *field = sb_field_at (self, write->field);
    if (write->is_new)
        sb_insert_field (self, topic, write->field);
    else if (!write->is_same) {
        sb_value_release (self, &field->value);
        field->value = write->value;
    }
    sb_apply_note (self, field, agent, update, sequence, SB_CAUSE_NONE);
}

static void s_commit_part (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta, const sb_part_t *part,
                           const s_write_t *writes)
{
    const sb_update_t *update = &delta->update;
    uint32_t time_to_live_ms = sb_expiry_time_to_live (self, part->category_slot, delta->time_to_live_ms);
    sb_topic_t *topic = sb_topic_at (self, part->topic_slot);
    bool is_event = sb_category_at (self, part->category_slot)->is_event;
    uint32_t published = 0;
    for (uint32_t i = 0; i < part->change_count; i++) {
        published += is_event || !writes[i].is_same;
        if (!writes[i].change->is_delete)
            sb_expiry_written (self, writes[i].field, time_to_live_ms);
    }
    sb_core_counter_add (self, SB_COUNTER_changes, published);
    sb_core_counter_add (self, SB_COUNTER_changes_suppressed, part->change_count - published);
    bool was_known = topic->quality != SB_QUALITY_UNKNOWN;
    bool is_recovered = sb_quality_written (self, agent, topic);
    if (published == 0) {
        if (is_recovered && was_known)
            sb_publish_quality (self, part->topic_slot, SB_CAUSE_RECOVERED);
        return;
    }
    uint64_t sequence = sb_publish_sequence (self, part->topic_slot, SB_CAUSE_NONE);
    sb_change_t *changes = sb_scratch_take (&self->scratch, published * sizeof *changes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < part->change_count; i++) {
        if (!is_event && writes[i].is_same)
            continue;
        changes[count++] = sb_apply_copy_change (self, writes[i].change);
        s_commit_write (self, agent, update, part->topic_slot, &writes[i], sequence);
    }
    sb_update_t copy = *update;
    copy.changes = changes;
    copy.change_count = count;
    sb_publish_update (self, &copy);
}

sb_reason_t sb_apply_parts (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta, sb_part_t *parts,
                            uint32_t count)
{
    if (!sb_scratch_reserve (&self->scratch, s_scratch_needed (delta)))
        return SB_REASON_STORE_FULL;
    s_write_t *writes = sb_scratch_take (&self->scratch, delta->update.change_count * sizeof *writes);
    uint32_t prepared = 0;
    sb_reason_t reason = SB_REASON_NONE;
    uint32_t perishable = 0;
    for (uint32_t i = 0; i < count && reason == SB_REASON_NONE; i++) {
        reason = s_prepare_topic (self, agent, delta->subject, &parts[i]);
        if (reason == SB_REASON_NONE && sb_expiry_time_to_live (self, parts[i].category_slot, delta->time_to_live_ms))
            perishable += parts[i].change_count;
        for (uint32_t j = 0; j < parts[i].change_count && reason == SB_REASON_NONE; j++) {
            if (s_prepare (self, parts[i].topic_slot, parts[i].changes[j], &writes[prepared]))
                prepared++;
            else
                reason = SB_REASON_STORE_FULL;
        }
    }
    if (reason == SB_REASON_NONE && !sb_expiry_reserve (self, perishable))
        reason = SB_REASON_STORE_FULL;
    if (reason != SB_REASON_NONE) {
        s_give_back (self, writes, prepared);
        return reason;
    }
    for (uint32_t i = 0; i < count; i++) {
        s_commit_part (self, agent, delta, &parts[i], writes);
        agent->recent_topic = parts[i].topic_slot;
        writes += parts[i].change_count;
    }
    return SB_REASON_NONE;
}

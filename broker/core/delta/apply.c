/* SPDX-License-Identifier: MPL-2.0
 *
 * Applying a delta that was let in: prepare, commit, publish.
 *
 * Prepare takes every record and octet that the delta needs, for all of its parts; if one cannot be had, all are given
 * back and the state is as it was. Commit then cannot fail. So a delta is applied whole or not at all, over several
 * categories too. A write of the same bits is not published, except in event categories. O(changes).
 */
#include "publication.h"

/* ---- preparing */

/* Takes what one change needs. False when there is no room; then it holds nothing. */
static inline bool s_prepare (sb_core_t *self, const sb_change_t *change, sb_part_t *part, sb_write_t *write)
{
    write->is_new = write->is_same = write->is_taken = false;
    part->octets += sb_change_octets (change);
    if (change->is_delete) {
        write->is_same = write->field == 0;
        part->published += !write->is_same;
        return true;
    }
    if (!write->field) {
        write->field = sb_make_field (self, change->name, &change->value);
        write->is_new = true;
        part->published++;
        return write->field != 0;
    }
    const sb_field_t *field = sb_field_at (self, write->field);
    part->has_expiry |= field->expiry != 0;
    write->is_same = sb_value_same (&field->value, &change->value);
    part->published += !write->is_same;
    if (write->is_same || sb_value_fits (&field->value, &change->value))
        return true;
    write->is_taken = sb_value_store (self, &change->value, &write->value);
    return write->is_taken;
}

static void s_give_back (sb_core_t *self, sb_part_t *part, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sb_write_t *write = &part->writes[i];
        if (write->is_new) {
            sb_free_field (self, write->field);
            write->field = 0;
        } else if (write->is_taken)
            sb_value_release (self, &write->value);
    }
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

/* Takes what one part needs. NONE, or why it cannot be; then it holds nothing. */
static sb_reason_t s_prepare_part (sb_core_t *self, const sb_agent_record_t *agent, const sb_delta_t *delta,
                                   sb_part_t *part)
{
    sb_reason_t reason = s_prepare_topic (self, agent, delta->subject, part);
    if (reason != SB_REASON_NONE)
        return reason;
    part->octets = 0;
    part->published = 0;
    part->has_expiry = false;
    for (uint32_t i = 0, count = part->change_count; i < count; i++)
        if (!s_prepare (self, &part->changes[i], part, &part->writes[i])) {
            s_give_back (self, part, i);
            return SB_REASON_STORE_FULL;
        }
    const sb_category_t *category = sb_category_at (self, part->category_slot);
    part->time_to_live_ms = sb_time_to_live (category, delta->time_to_live_ms);
    part->is_event = category->is_event;
    return SB_REASON_NONE;
}

/* Octets of scratch memory that publishing a part takes at most: names and values, and fixed sizes. */
static size_t s_scratch_needed (const sb_core_t *self, const sb_part_t *part)
{
    enum { FIXED = 4096, EACH = 64 }; /* of a publication; of a copied name or text */
    return FIXED + sb_publish_scratch (self) + part->change_count * (sizeof (sb_change_t) + EACH) + part->octets;
}

/* ---- committing */

/* Puts one prepared change that is published into the state. In an event category also one that changes nothing. */
static void s_commit_write (sb_core_t *self, const sb_agent_record_t *agent, const sb_update_t *update,
                            const sb_part_t *part, uint32_t number, uint64_t sequence)
{
    const sb_write_t *write = &part->writes[number];
    if (!write->field)
        return;
    if (part->changes[number].is_delete) {
        sb_remove_field (self, write->field);
        return;
    }
    sb_field_t *field = sb_field_at (self, write->field);
    if (write->is_new)
        sb_insert_field (self, part->topic_slot, write->field);
    else if (write->is_taken) {
        sb_value_release (self, &field->value);
        field->value = write->value;
    } else if (!write->is_same)
        sb_value_overwrite (self, &field->value, &part->changes[number].value);
    sb_apply_note (self, field, agent, update, sequence, SB_CAUSE_NONE);
}

/* Notes times to live, where there are any. */
static void s_note_times (sb_core_t *self, const sb_part_t *part)
{
    for (uint32_t i = 0; i < part->change_count; i++)
        if (!part->changes[i].is_delete)
            sb_expiry_written (self, part->writes[i].field, part->time_to_live_ms);
}

/* Where the topic's next delta is looked for first; see split.c. */
static void s_note_recent (sb_agent_record_t *agent, const sb_part_t *part, sb_topic_t *topic)
{
    agent->recent_topic = part->topic_slot;
    topic->recent_first = part->writes[0].field;
    topic->recent_last = part->writes[part->change_count - 1].field;
}

/* Publishes what the part changes, and changes it. */
static void s_commit_writes (sb_core_t *self, const sb_agent_record_t *agent, const sb_update_t *update,
                             const sb_part_t *part, uint32_t published, bool is_all)
{
    uint64_t sequence = sb_publish_delta_sequence (self, part->topic_slot);
    sb_change_t *changes = sb_scratch_take (&self->scratch, published * sizeof *changes);
    sb_update_t *copy = sb_publish_add (self, published, part->octets);
    *copy = *update;
    copy->changes = changes;
    copy->change_count = published;
    for (uint32_t i = 0, count = part->change_count; i < count; i++) {
        if (!is_all && part->writes[i].is_same) {
            self->open->octets -= sb_change_octets (&part->changes[i]);
            continue;
        }
        sb_apply_copy_change (self, &part->changes[i], changes++);
        s_commit_write (self, agent, update, part, i, sequence);
    }
}

static void s_commit_part (sb_core_t *self, sb_agent_record_t *agent, const sb_update_t *update, const sb_part_t *part)
{
    sb_topic_t *topic = sb_topic_at (self, part->topic_slot);
    uint32_t published = part->is_event ? part->change_count : part->published;
    if (part->time_to_live_ms || part->has_expiry)
        s_note_times (self, part);
    s_note_recent (agent, part, topic);
    sb_core_counter_add (self, SB_COUNTER_changes, published);
    sb_core_counter_add (self, SB_COUNTER_changes_suppressed, part->change_count - published);
    bool was_known = topic->quality != SB_QUALITY_UNKNOWN;
    bool is_recovered = sb_quality_written (self, agent, topic);
    if (published > 0)
        s_commit_writes (self, agent, update, part, published, published == part->change_count);
    else if (is_recovered && was_known)
        sb_publish_quality (self, part->topic_slot, SB_CAUSE_RECOVERED);
}

/* Prepares all parts. Returns how many; fewer than all with *reason set. */
static uint32_t s_prepare_parts (sb_core_t *self, const sb_agent_record_t *agent, const sb_delta_t *delta,
                                 const sb_split_t *split, sb_reason_t *reason)
{
    uint32_t perishable = 0;
    size_t scratch = 0;
    for (uint32_t i = 0; i < split->count; i++) {
        sb_part_t *part = &split->parts[i];
        *reason = s_prepare_part (self, agent, delta, part);
        if (*reason != SB_REASON_NONE)
            return i;
        perishable += part->time_to_live_ms ? part->change_count : 0;
        scratch += s_scratch_needed (self, part);
    }
    bool has_room =
        sb_scratch_reserve (&self->scratch, scratch) && (perishable == 0 || sb_expiry_reserve (self, perishable));
    *reason = has_room ? SB_REASON_NONE : SB_REASON_STORE_FULL;
    return split->count;
}

sb_reason_t sb_apply_parts (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta, const sb_split_t *split)
{
    sb_reason_t reason;
    uint32_t prepared = s_prepare_parts (self, agent, delta, split, &reason);
    if (reason != SB_REASON_NONE) {
        while (prepared > 0) {
            sb_part_t *part = &split->parts[--prepared];
            s_give_back (self, part, part->change_count);
        }
        return reason;
    }
    for (uint32_t i = 0; i < split->count; i++)
        s_commit_part (self, agent, &delta->update, &split->parts[i]);
    return SB_REASON_NONE;
}

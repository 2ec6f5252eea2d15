/* SPDX-License-Identifier: MPL-2.0
 *
 * A delta before anything is decided about it: its parts by category, their topics, and the fields that are there.
 *
 * Finding is done once, here, and by guess first: agents write where they wrote last, and the same fields in the same
 * order. So the topic is the agent's recent one; a field is the one behind its neighbour in the topic's list, the first
 * one that of the delta before, or the one behind its last. A guess costs one comparison of names (about 20
 * instructions against 200 of a keyed hash and a look-up); a wrong one costs that much more. What was found in order
 * also shows, for nothing, that no name stands twice. Nothing is changed here. O(changes).
 */
#include "state.h"

/* ---- categories */

/* Different categories that these changes can have: the rules', and `uncategorized`. */
static uint32_t s_parts_max (const sb_core_t *self, uint32_t changes)
{
    uint32_t categories = self->config.category_rule_count + 1;
    return changes < categories ? changes : categories;
}

/* The part of that category, added when there is none yet; with its place. */
static uint32_t s_part_of (sb_part_t *parts, uint32_t *count, sb_text_t category)
{
    for (uint32_t i = 0; i < *count; i++)
        if (sb_octets_same (parts[i].category, category))
            return i;
    parts[*count] = (sb_part_t){.category = category};
    return (*count)++;
}

/* Copies the changes of each part side by side. */
static uint32_t s_split_by_rules (sb_core_t *self, const sb_update_t *update, sb_part_t **parts)
{
    uint32_t total = update->change_count, count = 0;
    *parts = sb_scratch_take (&self->scratch, s_parts_max (self, total) * sizeof **parts);
    uint32_t *places = sb_scratch_take (&self->scratch, total * sizeof *places);
    for (uint32_t i = 0; i < total; i++) {
        places[i] = s_part_of (*parts, &count, sb_config_categorize (self, update->changes[i].name));
        (*parts)[places[i]].change_count++;
    }
    if (count == 1) {
        (*parts)->changes = update->changes;
        return 1;
    }
    sb_change_t *copies = sb_scratch_take (&self->scratch, total * sizeof *copies);
    sb_change_t **next = sb_scratch_take (&self->scratch, count * sizeof *next);
    for (uint32_t i = 0; i < count; i++) {
        (*parts)[i].changes = next[i] = copies;
        copies += (*parts)[i].change_count;
    }
    for (uint32_t i = 0; i < total; i++)
        *next[places[i]]++ = update->changes[i];
    return count;
}

/* ---- topics and fields */

/* True when the agent's topic is of that category, by its text: the record need not be fetched. */
static inline bool s_is_of_category (const sb_agent_record_t *agent, const sb_topic_t *topic, sb_text_t category)
{
    uint32_t size = topic->text_size - agent->id_size - topic->subject_size - 2u;
    return size == category.size && sb_octets_equal (topic->text, category.data, size);
}

uint32_t sb_split_find_topic (const sb_core_t *self, const sb_agent_record_t *agent, sb_text_t category,
                              sb_text_t subject, uint32_t *category_slot)
{
    uint32_t slot = agent->recent_topic;
    const sb_topic_t *recent = slot ? sb_topic_at (self, slot) : NULL;
    if (recent && s_is_of_category (agent, recent, category)) {
        *category_slot = recent->category;
        if (sb_octets_same (sb_topic_subject (recent), subject))
            return slot;
        slot = recent->next_of_agent;
        const sb_topic_t *next = slot ? sb_topic_at (self, slot) : NULL;
        if (next && next->category == recent->category && sb_octets_same (sb_topic_subject (next), subject))
            return slot;
    } else
        *category_slot = sb_find_category (self, category);
    return *category_slot ? sb_find_topic (self, agent->slot, *category_slot, subject) : 0;
}

/* True when `slot` is the topic's field of that name. A slot that was given back or stands elsewhere is not. */
static bool s_is_field (const sb_core_t *self, uint32_t slot, uint32_t topic, sb_text_t name)
{
    if (!slot)
        return false;
    const sb_field_t *field = sb_field_at (self, slot);
    return field->topic == topic && sb_octets_same (sb_field_text (field), name);
}

/* The field that the part's first change names. */
static uint32_t s_find_first (const sb_core_t *self, uint32_t topic_slot, sb_text_t name)
{
    const sb_topic_t *topic = sb_topic_at (self, topic_slot);
    if (s_is_field (self, topic->recent_first, topic_slot, name))
        return topic->recent_first;
    uint32_t last = topic->recent_last;
    if (last && s_is_field (self, sb_field_at (self, last)->next, topic_slot, name))
        return sb_field_at (self, last)->next;
    return sb_find_field_slot (self, topic_slot, name);
}

static inline void s_find_fields (const sb_core_t *self, sb_part_t *part, const sb_sought_t *sought)
{
    sb_write_t *writes = part->writes;
    part->is_in_order = true;
    if (!part->topic_slot) {
        for (uint32_t i = 0; i < part->change_count; i++)
            writes[i].field = 0;
        part->is_in_order = part->change_count == 1;
        return;
    }
    uint32_t field = sought->field;
    if (!sought->is_field_sought)
        field = s_find_first (self, part->topic_slot, part->changes[0].name);
    writes[0].field = field;
    part->field_count = field != 0;
    for (uint32_t i = 1; i < part->change_count; i++) {
        sb_text_t name = part->changes[i].name;
        uint32_t next = field ? sb_field_at (self, field)->next : 0;
        field = next;
        if (!s_is_field (self, next, part->topic_slot, name)) {
            part->is_in_order = false;
            field = sb_find_field_slot (self, part->topic_slot, name);
        }
        writes[i].field = field;
        part->field_count += field != 0;
    }
}

sb_split_t sb_split (sb_core_t *self, const sb_agent_record_t *agent, const sb_delta_t *delta,
                     const sb_sought_t *sought)
{
    const sb_update_t *update = &delta->update;
    sb_split_t split = {.count = 1, .is_in_order = true, .is_known = true};
    if (delta->category.size) {
        split.parts = sb_scratch_take (&self->scratch, sizeof *split.parts);
        *split.parts =
            (sb_part_t){.category = delta->category, .changes = update->changes, .change_count = update->change_count};
    } else
        split.count = s_split_by_rules (self, update, &split.parts);
    sb_write_t *writes = sb_scratch_take (&self->scratch, update->change_count * sizeof *writes);
    for (sb_part_t *part = split.parts; part < split.parts + split.count; part++) {
        part->writes = writes;
        writes += part->change_count;
        part->topic_slot = sought->topic;
        if (sought->topic)
            part->category_slot = sb_topic_at (self, sought->topic)->category;
        else
            part->topic_slot = sb_split_find_topic (self, agent, part->category, delta->subject, &part->category_slot);
        s_find_fields (self, part, sought);
        split.is_in_order &= part->is_in_order;
        split.is_known &= part->field_count == part->change_count;
    }
    return split;
}

/* ---- the limit */

/* Fields that the agent has in the part's category. */
static uint32_t s_held (const sb_core_t *self, const sb_agent_record_t *agent, const sb_part_t *part)
{
    uint32_t link = 0;
    if (part->topic_slot)
        link = sb_topic_at (self, part->topic_slot)->link;
    else if (part->category_slot)
        link = sb_find_link (self, agent->slot, part->category_slot);
    return link ? sb_link_at (self, link)->field_count : 0;
}

sb_reason_t sb_split_check_fields (const sb_core_t *self, const sb_agent_record_t *agent, const sb_part_t *part,
                                   sb_text_t *field)
{
    uint32_t held = s_held (self, agent, part);
    uint32_t limit = self->config.max_fields_agent_category;
    if (held + part->change_count <= limit)
        return SB_REASON_NONE;
    for (uint32_t i = 0; i < part->change_count; i++)
        if (part->changes[i].is_delete && part->writes[i].field)
            held--;
    for (uint32_t i = 0; i < part->change_count; i++) {
        const sb_change_t *change = &part->changes[i];
        if (change->is_delete || part->writes[i].field || ++held <= limit)
            continue;
        *field = change->name;
        return SB_REASON_TOO_MANY_FIELDS;
    }
    return SB_REASON_NONE;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Admission of deltas: the first failing test gives the reason.
 *
 * In this order: decoding and session (before this file), DEAD (its session is over), sequence, content and limits,
 * categories, emergency stop for each category, PAUSED, ISOLATED, breaker, and last the broker's own bounds, which
 * so are never touched by a delta that nobody wanted. A delta that passed is applied in the same step.
 */
#include "publication.h"

#include <string.h>

enum { PAIRWISE_MAX = 8 };

/* The first name that stands twice, or NULL. Few names are compared pairwise, more go through a table of hashes. */
static const sb_change_t *s_find_twice (sb_core_t *self, const sb_change_t *changes, uint32_t count)
{
    if (count <= PAIRWISE_MAX) {
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t j = 0; j < i; j++)
                if (sb_octets_same (changes[i].name, changes[j].name))
                    return &changes[i];
        return NULL;
    }
    uint32_t capacity = 2 * PAIRWISE_MAX;
    while (capacity < 2 * count)
        capacity *= 2;
    uint32_t *places = sb_core_take (self, capacity * sizeof *places);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)sb_hash (self->hash_key, changes[i].name.data, changes[i].name.size);
        for (place &= capacity - 1; places[place]; place = (place + 1) & (capacity - 1))
            if (sb_octets_same (changes[places[place] - 1].name, changes[i].name))
                return &changes[i];
        places[place] = i + 1;
    }
    return NULL;
}

/* What is wrong with the delta itself, without looking at any state. */
static inline sb_reason_t s_check_content (const sb_core_t *self, const sb_delta_t *delta, sb_text_t *field)
{
    const sb_update_t *update = &delta->update;
    *field = delta->fault_field;
    if (delta->fault != SB_REASON_NONE)
        return delta->fault;
    *field = (sb_text_t){NULL, 0};
    if (delta->category.size && delta->category.data[0] == '_')
        return SB_REASON_BAD_CATEGORY; /* the broker's own */
    if (update->change_count == 0)
        return SB_REASON_NO_CHANGES;
    if (update->change_count > self->config.max_changes)
        return SB_REASON_TOO_MANY_CHANGES;
    return SB_REASON_NONE;
}

/* What is wrong with it as far as names and the agent's own limit go. */
static sb_reason_t s_check_fields (sb_core_t *self, const sb_agent_record_t *agent, const sb_update_t *update,
                                   const sb_split_t *split, sb_text_t *field)
{
    const sb_change_t *twice = NULL;
    if (!split->is_in_order)
        twice = s_find_twice (self, update->changes, update->change_count);
    if (twice) {
        *field = twice->name;
        return SB_REASON_DUPLICATE_FIELD;
    }
    sb_reason_t reason = SB_REASON_NONE;
    for (uint32_t i = 0; i < split->count && reason == SB_REASON_NONE; i++)
        reason = sb_split_check_fields (self, agent, &split->parts[i], field);
    return reason;
}

/* The categories of many parts, for the emergency stop. */
static const sb_text_t *s_categories (sb_core_t *self, const sb_split_t *split)
{
    sb_text_t *categories = sb_core_take (self, split->count * sizeof *categories);
    for (uint32_t i = 0; i < split->count; i++)
        categories[i] = split->parts[i].category;
    return categories;
}

/* Emergency stop for each category, PAUSED, ISOLATED, breaker. */
static inline sb_reason_t s_check_admission (sb_core_t *self, sb_agent_record_t *agent, const sb_split_t *split,
                                             uint32_t *retry_after_ms)
{
    if (sb_control_is_open (self, agent))
        return SB_REASON_NONE;
    const sb_text_t *categories = split->count == 1 ? &split->parts->category : s_categories (self, split);
    return sb_control_admit (self, agent, categories, split->count, self->message_number, retry_after_ms);
}

/* Applies the delta, after forgetting somebody who is gone where that makes room. */
static inline sb_reason_t s_apply (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta,
                                   const sb_split_t *split)
{
    sb_reason_t reason = sb_apply_parts (self, agent, delta, split);
    if (reason == SB_REASON_NONE || sb_reason_info (reason)->kind != SB_REASON_KIND_BOUND || !sb_registry_evict (self))
        return reason;
    return sb_apply_parts (self, agent, delta, split);
}

/* Everything that may be said against a delta, in order, and its application: NONE, or the first reason. */
static inline sb_reason_t s_take (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta,
                                  const sb_sought_t *sought, sb_text_t *field, uint32_t *retry_after_ms)
{
    sb_reason_t reason = s_check_content (self, delta, field);
    if (reason != SB_REASON_NONE)
        return reason;
    if (!sb_scratch_reserve (&self->scratch, sb_split_scratch (&delta->update)))
        return SB_REASON_STORE_FULL;
    sb_split_t split = sb_split (self, agent, delta, sought);
    if (!split.is_in_order || !split.is_known)
        reason = s_check_fields (self, agent, &delta->update, &split, field);
    if (reason == SB_REASON_NONE)
        reason = s_check_admission (self, agent, &split, retry_after_ms);
    return reason == SB_REASON_NONE ? s_apply (self, agent, delta, &split) : reason;
}

static inline void s_admit (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta,
                            const sb_sought_t *sought, sb_message_state_t *message)
{
    uint64_t sequence = delta->update.sequence;
    if (!sb_decide_sequence (self, agent, sequence, message))
        return;
    sb_core_counter_add (self, SB_COUNTER_deltas, 1);
    sb_text_t field;
    uint32_t retry_after_ms = 0;
    sb_reason_t reason = s_take (self, agent, delta, sought, &field, &retry_after_ms);
    if (reason == SB_REASON_NONE)
        sb_decide_accept (self, agent, sequence, message);
    else
        sb_decide_refuse (self, agent, sequence, reason, field, retry_after_ms, message);
}

void sb_admit_batch (sb_core_t *self, sb_agent_record_t *agent, const sb_batch_t *batch)
{
    sb_message_state_t message = {0, SB_REASON_NONE, SB_REASON_NONE};
    sb_publish_make_room (self, batch->delta_count < SB_CHANGES_MAX ? batch->delta_count : SB_CHANGES_MAX);
    const sb_delta_t *delta = batch->deltas, *end = delta + batch->delta_count;
    while (delta < end) {
        sb_sought_t sought;
        delta += sb_take_usual (self, agent, delta, (uint32_t)(end - delta), &message, &sought);
        if (delta < end)
            s_admit (self, agent, delta++, &sought, &message);
    }
    sb_publish_close (self);
    if (message.accepted)
        sb_control_success (agent, message.accepted);
}

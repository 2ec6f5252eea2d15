/* SPDX-License-Identifier: MPL-2.0
 *
 * Admission of deltas: the first failing test gives the reason.
 *
 * In this order: decoding and session (before this file), DEAD (its session is over), sequence, content and limits,
 * categories, emergency stop for each category, PAUSED, ISOLATED, breaker, and last the broker's own bounds, which
 * so are never touched by a delta that nobody wanted. A delta that passed is applied in the same step.
 */
#include "state.h"

#include <string.h>

enum { PAIRWISE_MAX = 8, ADMISSION_CATEGORIES_MAX = 64 };

/* The first name that stands twice, or NULL. Few names are compared pairwise, more go through a table of hashes. */
static const sb_change_t *s_find_twice (sb_core_t *self, const sb_change_t *changes, uint32_t count)
{
    if (count <= PAIRWISE_MAX) {
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t j = 0; j < i; j++)
                if (sb_text_equal (changes[i].name, changes[j].name))
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
            if (sb_text_equal (changes[places[place] - 1].name, changes[i].name))
                return &changes[i];
        places[place] = i + 1;
    }
    return NULL;
}

/* What is wrong with the delta itself, without looking at any state. */
static sb_reason_t s_check_content (sb_core_t *self, const sb_delta_t *delta, sb_text_t *field)
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
    const sb_change_t *twice = s_find_twice (self, update->changes, update->change_count);
    if (!twice)
        return SB_REASON_NONE;
    *field = twice->name;
    return SB_REASON_DUPLICATE_FIELD;
}

/* Emergency stop for each category, PAUSED, ISOLATED, breaker. */
static sb_reason_t s_check_admission (sb_core_t *self, sb_agent_record_t *agent, const sb_part_t *parts, uint32_t count,
                                      uint32_t *retry_after_ms)
{
    sb_text_t some[ADMISSION_CATEGORIES_MAX];
    sb_text_t *categories = some;
    if (count > ADMISSION_CATEGORIES_MAX)
        categories = sb_core_take (self, count * sizeof *categories);
    for (uint32_t i = 0; i < count; i++)
        categories[i] = parts[i].category;
    return sb_control_admit (self, agent, categories, count, self->message_number, retry_after_ms);
}

/* Applies the delta, after forgetting somebody who is gone where that makes room. */
static sb_reason_t s_apply (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta, sb_part_t *parts,
                            uint32_t count)
{
    sb_reason_t reason = sb_apply_parts (self, agent, delta, parts, count);
    if (sb_reason_info (reason)->kind != SB_REASON_KIND_BOUND || !sb_registry_evict (self))
        return reason;
    return sb_apply_parts (self, agent, delta, parts, count);
}

static void s_admit (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta, sb_message_state_t *message)
{
    uint64_t sequence = delta->update.sequence;
    if (!sb_decide_sequence (self, agent, sequence, message))
        return;
    sb_core_counter_add (self, SB_COUNTER_deltas, 1);
    sb_part_t *parts = NULL;
    uint32_t count = 0, retry_after_ms = 0;
    sb_text_t field;
    sb_reason_t reason = s_check_content (self, delta, &field);
    if (reason == SB_REASON_NONE) {
        count = sb_apply_split (self, agent, delta, &parts);
        for (uint32_t i = 0; i < count && reason == SB_REASON_NONE; i++)
            reason = sb_apply_check_fields (self, agent, &parts[i], &field);
    }
    if (reason == SB_REASON_NONE)
        reason = s_check_admission (self, agent, parts, count, &retry_after_ms);
    if (reason == SB_REASON_NONE)
        reason = s_apply (self, agent, delta, parts, count);
    if (reason == SB_REASON_NONE)
        sb_decide_accept (self, agent, sequence, message);
    else
        sb_decide_refuse (self, agent, sequence, reason, field, retry_after_ms, message);
}

void sb_admit_batch (sb_core_t *self, sb_agent_record_t *agent, const sb_batch_t *batch)
{
    sb_message_state_t message = {0, SB_REASON_NONE, SB_REASON_NONE};
    for (uint32_t i = 0; i < batch->delta_count; i++)
        s_admit (self, agent, &batch->deltas[i], &message);
    sb_publish_close (self);
    if (message.accepted)
        sb_control_success (self, agent, message.accepted);
}

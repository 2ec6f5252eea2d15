/* SPDX-License-Identifier: MPL-2.0
 *
 * explain: where a field's value comes from.
 *
 * Walks the agent's topics from a cursor and looks the name up in each, so a page costs O(topics looked at), SCAN_MAX
 * at most, and may be short. Topics live as long as their agent's record: the slot in a cursor is checked to be one of
 * its own. The cursor also counts what was found, so that the last page can tell "nowhere" from "nothing further".
 */
#include "commands_internal.h"
#include "state.h"

enum { SCAN_MAX = 4000, RECORD_BYTES = 700 };

static bool s_is_wanted (const sb_core_t *core, const sb_topic_filter_t *filter, const sb_topic_t *topic)
{
    sb_text_t category = sb_category_text (sb_category_at (core, topic->category));
    if (filter->category.size > 0 && !sb_text_equal (filter->category, category))
        return false;
    return !filter->is_subject_set || sb_text_equal (filter->subject, sb_topic_subject (topic));
}

static void s_add_record (sb_core_t *core, sb_call_t *call, const sb_topic_t *topic, uint32_t slot)
{
    const sb_field_t *field = sb_field_at (core, slot);
    sb_value_t value = sb_core_value (&field->value);
    if (value.kind == SB_VALUE_TEXT || value.kind == SB_VALUE_BYTES)
        value.text = sb_core_copy (core, value.text);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_text (&row, "topic", sb_core_copy (core, sb_topic_text (topic)));
    sb_row_text (&row, "field", sb_core_copy (core, sb_field_text (field)));
    sb_row_any (&row, "value", &value);
    sb_row_text (&row, "agent_id", sb_core_copy (core, sb_core_agent_id (call->agent)));
    sb_row_integer (&row, "instance_id", field->instance_id);
    sb_row_integer (&row, "delta_sequence", field->delta_sequence);
    sb_row_unix_ns (&row, "event_unix_ns", field->event_unix_ns);
    sb_row_unix_ns (&row, "origin_unix_ns", field->origin_unix_ns);
    sb_row_unix_ns (&row, "changed_unix_ns", field->changed_unix_ns);
    sb_row_integer (&row, "sequence", field->sequence);
    sb_row_text (&row, "cause", sb_text (sb_cause_name ((sb_cause_t)field->cause)));
    sb_row_unix_ns (&row, "expires_unix_ns", sb_expiry_unix_ns (core, slot));
    sb_row_text (&row, "quality", sb_text (sb_quality_name ((sb_quality_t)topic->quality)));
    sb_row_text (&row, "quality_cause", sb_text (sb_cause_name ((sb_cause_t)topic->cause)));
    sb_row_unix_ns (&row, "quality_since_unix_ns", topic->quality_since_unix_ns);
}

/* Adds a record for each topic that has the field, from the topic `slot` on. Returns the topic to go on with, 0 at the
 * end. */
static uint32_t s_walk (sb_core_t *core, sb_call_t *call, const sb_topic_filter_t *filter, uint32_t slot,
                        uint32_t limit)
{
    sb_text_t name = sb_command_text (call, "field");
    size_t room = sb_call_page_bytes (core, call);
    size_t taken = 0;
    for (uint32_t looked = 0; slot != 0; looked++) {
        const sb_topic_t *topic = sb_topic_at (core, slot);
        if (looked == SCAN_MAX)
            return slot;
        uint32_t field = s_is_wanted (core, filter, topic) ? sb_find_field_slot (core, slot, name) : 0;
        if (field != 0) {
            taken += RECORD_BYTES + sb_field_at (core, field)->value.size;
            if (call->reply.record_count == limit || (call->reply.record_count > 0 && taken > room))
                return slot;
            s_add_record (core, call, topic, field);
        }
        slot = topic->next_of_agent;
    }
    return 0;
}

/* True when the slot is one of the agent's topics. */
static bool s_is_own (const sb_core_t *core, const sb_agent_record_t *agent, uint64_t slot)
{
    return slot >= 1 && slot <= core->topics.high && sb_topic_at (core, (uint32_t)slot)->agent == agent->slot;
}

/* The field is nowhere: says where to look for its right name. */
static void s_refuse_unknown (sb_core_t *core, sb_call_t *call)
{
    sb_text_t name = sb_command_text (call, "field");
    sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text ("field"));
    call->reply.message =
        sb_core_format (core, "agent %s has no field %.*s there now: get_state with agent %s lists those that it has",
                        call->agent->id, (int)name.size, name.data, call->agent->id);
}

void sb_handle_explain (sb_core_t *core, sb_call_t *call)
{
    sb_place_t place;
    uint32_t limit;
    sb_topic_filter_t filter;
    if (!sb_call_page (core, call, &place, &limit) || !sb_call_topic_filter (core, call, &filter))
        return;
    if (!sb_name_is_field (sb_command_text (call, "field"))) {
        sb_call_refuse_parameter (core, call, "field");
        return;
    }
    if (place.is_continued && !s_is_own (core, call->agent, place.position)) {
        sb_call_refuse (core, call, SB_REASON_BAD_CURSOR, sb_command_text (call, "cursor"));
        return;
    }
    uint32_t slot = place.is_continued ? (uint32_t)place.position : call->agent->first_topic;
    sb_call_reserve (core, call, limit);
    uint32_t next = s_walk (core, call, &filter, slot, limit);
    uint64_t found = place.left + call->reply.record_count;
    if (next != 0)
        sb_call_next_cursor (core, call, next, found);
    else if (found == 0)
        s_refuse_unknown (core, call);
}

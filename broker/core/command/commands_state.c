/* SPDX-License-Identifier: MPL-2.0
 *
 * get_state: pages of the state that the broker holds.
 *
 * It walks the fields in order of slot: no copy and no sorting, and each field carries the sequence that named it
 * last, so that a reader who buffers publications meanwhile ends with a consistent picture. A page looks at a bounded
 * number of places, so it may be short and not the last.
 */
#include "commands_internal.h"

bool sb_call_refuse_parameter (sb_core_t *core, sb_call_t *call, const char *name)
{
    sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text (name));
    return false;
}

bool sb_call_topic_filter (sb_core_t *core, sb_call_t *call, sb_topic_filter_t *filter)
{
    *filter = (sb_topic_filter_t){
        .category = sb_command_text (call, "category"),
        .agent = sb_command_text (call, "agent"),
        .subject = sb_command_text (call, "subject"),
        .is_subject_set = sb_command_parameter (call, "subject") != NULL,
    };
    if (!sb_name_is_subject (filter->subject))
        return sb_call_refuse_parameter (core, call, "subject");
    bool is_broker = sb_text_equal (filter->agent, sb_text ("_broker"));
    if (filter->agent.size == 0 || is_broker)
        return true;
    if (!sb_name_is_agent_id (filter->agent))
        return sb_call_refuse_parameter (core, call, "agent");
    return true;
}

/* The health summary, or one agent's health, as fields of the level's topic. */
static void s_system_health (sb_core_t *core, sb_call_t *call, const sb_topic_filter_t *filter)
{
    const sb_agent_record_t *agent = filter->agent.size > 0 ? sb_core_find_agent (core, filter->agent) : NULL;
    if (filter->agent.size > 0 && agent == NULL) {
        sb_call_refuse (core, call, SB_REASON_UNKNOWN_AGENT, filter->agent);
        return;
    }
    uint32_t count = 0;
    const sb_change_t *facts =
        agent != NULL ? sb_health_agent_facts (core, agent, &count) : sb_health_facts (core, &count);
    sb_text_t topic = sb_core_format (core, "_health.%s.", agent != NULL ? agent->id : "");
    sb_state_field_t *fields = sb_core_take (core, count * sizeof *fields);
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (sb_state_field_t){
            .topic = topic,
            .name = facts[i].name,
            .value = facts[i].value,
            .changed_unix_ns = core->now_unix_ns,
            .quality = SB_QUALITY_OK,
        };
    call->reply.fields = fields;
    call->reply.field_count = count;
}

void sb_handle_get_state (sb_core_t *core, sb_call_t *call)
{
    sb_place_t place;
    uint32_t limit;
    sb_topic_filter_t filter;
    if (!sb_call_page (core, call, &place, &limit) || !sb_call_topic_filter (core, call, &filter))
        return;
    if (sb_text_equal (filter.category, sb_text ("system_health"))) {
        s_system_health (core, call, &filter);
        return;
    }
    if (filter.category.size > 0 && !sb_name_is_category (filter.category)) {
        sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text ("category"));
        return;
    }
    if (filter.agent.size > 0 && sb_core_find_agent (core, filter.agent) == NULL) {
        sb_call_refuse (core, call, SB_REASON_UNKNOWN_AGENT, filter.agent);
        return;
    }
    uint64_t cursor = place.position;
    call->reply.field_count = sb_core_read_fields (core, &filter, &cursor, limit, &call->reply.fields);
    if (cursor != 0)
        sb_call_next_cursor (core, call, cursor, 0);
}

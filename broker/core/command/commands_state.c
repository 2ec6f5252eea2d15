/* SPDX-License-Identifier: MPL-2.0
 *
 * get_state, history, events: pages of what the broker holds.
 *
 * get_state walks the fields in order of slot: no copy and no sorting, and each field carries the sequence that changed
 * it last, so that a reader who buffers publications meanwhile ends with a consistent picture. history and events go on
 * from a category_sequence. A page looks at a bounded number of places, so it may be short and not the last.
 */
#include "commands_internal.h"

enum { LAST_DEFAULT = 100 };

/* ------------------------------------------------------------------ get_state */

static bool s_refuse_parameter (sb_core_t *core, sb_call_t *call, sb_reason_t reason, const char *name)
{
    sb_call_refuse (core, call, reason, sb_text (name));
    return false;
}

/* Reads category, agent and subject. False after a refusal. */
static bool s_filter (sb_core_t *core, sb_call_t *call, sb_topic_filter_t *filter)
{
    *filter = (sb_topic_filter_t){
        .category = sb_command_text (call, "category"),
        .agent = sb_command_text (call, "agent"),
        .subject = sb_command_text (call, "subject"),
        .is_subject_set = sb_command_parameter (call, "subject") != NULL,
    };
    if (!sb_name_is_subject (filter->subject))
        return s_refuse_parameter (core, call, SB_REASON_BAD_PARAMETER, "subject");
    bool is_broker = sb_text_equal (filter->agent, sb_text ("_broker"));
    if (filter->agent.size == 0 || is_broker)
        return true;
    if (!sb_name_is_agent_id (filter->agent))
        return s_refuse_parameter (core, call, SB_REASON_BAD_PARAMETER, "agent");
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
    if (!sb_call_page (core, call, &place, &limit) || !s_filter (core, call, &filter))
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

/* ------------------------------------------------------------------ history, events */

/* Where the first page begins, and how many publications all pages may have. False after a refusal. */
static bool s_history_place (sb_core_t *core, sb_call_t *call, const sb_category_t *category,
                             const sb_topic_filter_t *filter, sb_place_t *place)
{
    bool has_after = sb_command_parameter (call, "after") != NULL;
    uint64_t last = sb_command_integer (call, "last", has_after ? UINT32_MAX : LAST_DEFAULT);
    if (last < 1)
        return s_refuse_parameter (core, call, SB_REASON_BAD_PARAMETER, "last");
    if (last > UINT32_MAX)
        last = UINT32_MAX;
    if (place->is_continued)
        return true;
    place->left = last;
    place->position = has_after ? sb_command_integer (call, "after", 0)
                                : sb_core_history_start (core, category, filter, (uint32_t)last);
    return true;
}

static void s_publications (sb_core_t *core, sb_call_t *call, const sb_category_t *category,
                            const sb_topic_filter_t *filter, sb_place_t *place, uint32_t limit)
{
    if (!s_history_place (core, call, category, filter, place))
        return;
    if (limit > place->left)
        limit = (uint32_t)place->left;
    if (limit == 0)
        return;
    uint32_t count = 0;
    const sb_publication_t *const *publications = NULL;
    bool is_more = sb_core_read_history (core, category, filter, &place->position, limit, &publications, &count);
    call->reply.publications = publications;
    call->reply.publication_count = count;
    place->left -= count;
    if (is_more && place->left > 0)
        sb_call_next_cursor (core, call, place->position, place->left);
}

static void s_history (sb_core_t *core, sb_call_t *call, sb_text_t name)
{
    sb_place_t place;
    uint32_t limit;
    sb_topic_filter_t filter;
    if (!sb_call_page (core, call, &place, &limit) || !s_filter (core, call, &filter))
        return;
    filter.category = name;
    const sb_category_t *category = sb_core_find_category (core, name);
    if (category == NULL)
        sb_call_refuse (core, call, SB_REASON_UNKNOWN_CATEGORY, name);
    else
        s_publications (core, call, category, &filter, &place, limit);
}

void sb_handle_history (sb_core_t *core, sb_call_t *call)
{
    s_history (core, call, sb_command_text (call, "category"));
}

void sb_handle_events (sb_core_t *core, sb_call_t *call)
{
    s_history (core, call, sb_text ("_event"));
}

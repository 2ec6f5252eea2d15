/* SPDX-License-Identifier: MPL-2.0
 *
 * The quality of topics: how far an agent's state can be trusted.
 *
 * When what sb_control_quality says of an agent becomes worse or other, a walk over its topics begins, in slices of
 * SB_SLICE; each topic that changes is a publication without updates. When the last cause goes nothing is
 * walked: only a write says that a value is right again. A topic written when the cause has gone carries the walk's
 * number, so that a walk still under way leaves it alone. What was decided before the cause and is applied under it (a
 * whole state, in slices) does not: its topics are the walk's.
 */
#include "state.h"

/* Counts a topic as stale, or no longer. Only what a replacement can put right counts. */
static void s_count (sb_core_t *self, sb_topic_t *topic)
{
    const sb_category_t *category = sb_category_at (self, topic->category);
    bool is_stale = topic->quality != SB_QUALITY_OK && topic->quality != SB_QUALITY_UNKNOWN && !category->is_broker;
    if (is_stale == (bool)topic->is_counted_stale)
        return;
    topic->is_counted_stale = is_stale;
    sb_agent_at (self, topic->agent)->stale_topics += is_stale ? 1u : UINT32_MAX;
}

void sb_quality_set (sb_core_t *self, sb_topic_t *topic, sb_quality_t quality, sb_cause_t cause)
{
    if (topic->quality == (uint8_t)quality && topic->cause == (uint8_t)cause)
        return;
    topic->quality = (uint8_t)quality;
    topic->cause = (uint8_t)cause;
    topic->quality_since_unix_ns = self->now_unix_ns;
    s_count (self, topic);
}

void sb_quality_forget (sb_core_t *self, sb_topic_t *topic)
{
    topic->quality = SB_QUALITY_UNKNOWN;
    s_count (self, topic);
}

bool sb_quality_judge (sb_core_t *self, sb_agent_record_t *agent, sb_topic_t *topic)
{
    bool is_ok = topic->quality == SB_QUALITY_OK;
    if (!is_ok || agent->held_quality != SB_QUALITY_OK) {
        sb_cause_t cause;
        bool is_trusted = sb_control_quality (self, agent, &cause) == SB_QUALITY_OK;
        bool is_open = cause == SB_CAUSE_STOPPED && sb_category_at (self, topic->category)->is_admitted;
        if (!is_trusted && !is_open) { /* applied late: what is OK is left to the walk */
            if (topic->quality != SB_QUALITY_UNKNOWN)
                return false;
            topic->walk = agent->walk;
            sb_quality_set (self, topic, (sb_quality_t)agent->held_quality, (sb_cause_t)agent->held_cause);
            return true;
        }
    }
    topic->walk = agent->walk;
    if (is_ok)
        return false;
    sb_quality_set (self, topic, SB_QUALITY_OK, SB_CAUSE_NONE);
    sb_core_counter_add (self, SB_COUNTER_quality_changes, 1);
    return true;
}

/* True when it has a topic of its own, besides those that the broker has about it. O(the latter). */
static bool s_has_state (const sb_core_t *self, const sb_agent_record_t *agent)
{
    uint32_t slot = agent->first_topic;
    while (slot && sb_category_at (self, sb_topic_at (self, slot)->category)->is_broker)
        slot = sb_topic_at (self, slot)->next_of_agent;
    return slot != 0;
}

void sb_core_request_quality (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_cause_t cause;
    sb_quality_t quality = sb_control_quality (self, agent, &cause);
    if (quality == SB_QUALITY_OK) {
        agent->held_quality = SB_QUALITY_OK;
        agent->held_cause = SB_CAUSE_NONE;
        return;
    }
    if (agent->held_quality == (uint8_t)quality && agent->held_cause == (uint8_t)cause)
        return;
    agent->held_quality = (uint8_t)quality;
    agent->held_cause = (uint8_t)cause;
    agent->needs_replacement = true;
    agent->walk++;
    agent->walk_quality = (uint8_t)quality;
    agent->walk_cause = (uint8_t)cause;
    agent->walk_topic = s_has_state (self, agent) ? agent->first_topic : 0;
    if (agent->walk_topic) {
        sb_events_quality (self, agent, quality, cause);
        sb_timer_add_work (self, agent);
    }
}

void sb_core_request_quality_all (sb_core_t *self)
{
    for (sb_agent_record_t *agent = sb_core_next_agent (self, 0); agent; agent = sb_core_next_agent (self, agent->slot))
        sb_core_request_quality (self, agent);
}

/* True when the agent's walk must change this topic. */
static bool s_is_walked (const sb_core_t *self, const sb_agent_record_t *agent, const sb_topic_t *topic)
{
    const sb_category_t *category = sb_category_at (self, topic->category);
    if (category->is_broker || topic->walk == agent->walk || topic->quality == SB_QUALITY_UNKNOWN)
        return false;
    if (agent->walk_cause == SB_CAUSE_STOPPED && category->is_admitted)
        return false;
    return topic->quality != agent->walk_quality || topic->cause != agent->walk_cause;
}

bool sb_quality_slice (sb_core_t *self, sb_agent_record_t *agent)
{
    for (uint32_t i = 0; i < SB_SLICE && agent->walk_topic; i++) {
        uint32_t slot = agent->walk_topic;
        sb_topic_t *topic = sb_topic_at (self, slot);
        if (s_is_walked (self, agent, topic)) {
            sb_quality_set (self, topic, (sb_quality_t)agent->walk_quality, (sb_cause_t)agent->walk_cause);
            sb_core_counter_add (self, SB_COUNTER_quality_changes, 1);
            sb_publish_quality (self, slot, (sb_cause_t)agent->walk_cause);
        }
        topic->walk = agent->walk;
        agent->walk_topic = topic->next_of_agent;
    }
    return agent->walk_topic != 0;
}

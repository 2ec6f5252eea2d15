/* SPDX-License-Identifier: MPL-2.0
 *
 * The agents' records: finding, making, giving up.
 *
 * Slot 1 is the broker itself ("_broker"), which only owns topics. A record is given up in slices: its fields are
 * deleted and published topic by topic, then topics, links and the record itself go. A few records beyond the
 * limit may be on their way out at the same time, so that a newcomer need not wait for that. An agent that
 * comes back meanwhile keeps what is left of its record. Finding who is gone the longest is O(agents), at the bound
 * only.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

static bool s_agent_match (const void *owner, uint32_t slot, const void *key)
{
    return sb_octets_same (sb_core_agent_id (sb_agent_at (owner, slot)), *(const sb_text_t *)key);
}

uint32_t sb_find_agent (const sb_core_t *self, sb_text_t id)
{
    return sb_index_find (&self->agent_index, sb_hash (self->hash_key, id.data, id.size), s_agent_match, self, &id);
}

sb_agent_record_t *sb_core_find_agent (const sb_core_t *self, sb_text_t id)
{
    uint32_t slot = sb_find_agent (self, id);
    return slot && slot != SB_SLOT_BROKER ? sb_agent_at (self, slot) : NULL;
}

sb_agent_record_t *sb_core_next_agent (const sb_core_t *self, uint32_t slot)
{
    if (slot < SB_SLOT_BROKER)
        slot = SB_SLOT_BROKER;
    while (slot < self->agents.high) {
        sb_agent_record_t *agent = sb_agent_at (self, ++slot);
        if (agent->id_size) /* a free item has only its first octets set, and those name the next free one */
            return agent;
    }
    return NULL;
}

uint32_t sb_core_agent_count (const sb_core_t *self)
{
    return self->agents.used - 1;
}

static bool s_peer_match (const void *owner, uint32_t slot, const void *key)
{
    return sb_agent_at (owner, slot)->peer == *(const uint64_t *)key;
}

/* Connections are numbered by the ROUTER, not by whoever connects: a keyed multiplication is enough. */
static uint64_t s_peer_hash (const sb_core_t *self, uint64_t peer)
{
    uint64_t mixed = (peer ^ self->hash_key[0]) * UINT64_C (0x9e3779b97f4a7c15);
    return mixed ^ mixed << 29;
}

sb_agent_record_t *sb_core_find_peer (sb_core_t *self, uint64_t peer)
{
    if (self->recent_peer && peer && sb_agent_at (self, self->recent_peer)->peer == peer)
        return sb_agent_at (self, self->recent_peer);
    uint32_t slot = sb_index_find (&self->peer_index, s_peer_hash (self, peer), s_peer_match, self, &peer);
    self->recent_peer = slot;
    return slot ? sb_agent_at (self, slot) : NULL;
}

bool sb_registry_bind_peer (sb_core_t *self, sb_agent_record_t *agent, uint64_t peer)
{
    if (agent->peer == peer)
        return true;
    if (!sb_index_reserve (&self->peer_index, 1))
        return false;
    sb_registry_unbind_peer (self, agent);
    agent->peer = peer;
    sb_index_insert (&self->peer_index, s_peer_hash (self, peer), agent->slot);
    return true;
}

void sb_registry_unbind_peer (sb_core_t *self, sb_agent_record_t *agent)
{
    if (!agent->peer)
        return;
    sb_index_remove (&self->peer_index, s_peer_hash (self, agent->peer), agent->slot);
    agent->peer = 0;
}

/* ---- making */

/* True when the agent's record may be given up for somebody else's sake. */
static bool s_is_gone (const sb_agent_record_t *agent)
{
    bool is_over = agent->liveness.state == SB_LIVENESS_DEAD || agent->liveness.state == SB_LIVENESS_OFFLINE;
    return is_over && !agent->peer && !agent->is_leaving && !sb_control_is_kept (agent);
}

bool sb_registry_evict (sb_core_t *self)
{
    sb_agent_record_t *eldest = NULL;
    if (self->leaving_count >= SB_LEAVING_MAX)
        return false;
    for (sb_agent_record_t *agent = sb_core_next_agent (self, 0); agent; agent = sb_core_next_agent (self, agent->slot))
        if (s_is_gone (agent) && (!eldest || agent->liveness.since_ns < eldest->liveness.since_ns))
            eldest = agent;
    if (!eldest)
        return false;
    eldest->is_evicted = true;
    sb_core_forget_agent (self, eldest);
    return true;
}

sb_agent_record_t *sb_registry_add (sb_core_t *self, sb_text_t id)
{
    if (sb_core_agent_count (self) - self->leaving_count >= self->config.max_agents && !sb_registry_evict (self))
        return NULL;
    if (!sb_index_reserve (&self->agent_index, 1))
        return NULL;
    uint32_t slot = sb_pool_take (&self->agents);
    if (!slot)
        return NULL;
    sb_agent_record_t *agent = sb_agent_at (self, slot);
    agent->slot = slot;
    memcpy (agent->id, id.data, id.size);
    agent->id_size = (uint8_t)id.size;
    agent->deadline_ns = SB_NEVER;
    agent->walk = 1;
    sb_index_insert (&self->agent_index, sb_hash (self->hash_key, id.data, id.size), slot);
    return agent;
}

sb_agent_record_t *sb_core_add_agent (sb_core_t *self, sb_text_t id)
{
    sb_agent_record_t *agent = sb_registry_add (self, id);
    if (!agent)
        return NULL;
    sb_control_agent_init (self, agent);
    return agent;
}

/* ---- giving up */

void sb_core_forget_agent (sb_core_t *self, sb_agent_record_t *agent)
{
    assert (!agent->peer && agent->slot != SB_SLOT_BROKER);
    if (agent->is_leaving)
        return;
    agent->is_leaving = true;
    agent->leave_topic = agent->first_topic;
    self->leaving_count++;
    sb_replace_drop (self, agent);
    if (sb_registry_leave_slice (self, agent))
        sb_timer_add_work (self, agent);
}

/* Deletes up to SB_PUBLICATION_CHANGES fields of a topic. */
static uint32_t s_delete_fields (sb_core_t *self, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    uint32_t count = 0;
    sb_change_t *changes = sb_scratch_take (&self->scratch, SB_PUBLICATION_CHANGES * sizeof *changes);
    sb_publish_close (self);
    sb_publish_sequence (self, slot, SB_CAUSE_FORGOTTEN);
    while (topic->first_field && count < SB_PUBLICATION_CHANGES) {
        sb_change_t gone = {.name = sb_field_text (sb_field_at (self, topic->first_field)), .is_delete = true};
        sb_apply_copy_change (self, &gone, &changes[count++]);
        sb_remove_field (self, topic->first_field);
    }
    sb_quality_forget (self, topic);
    sb_update_t update = {.changes = changes, .change_count = count};
    sb_publish_update (self, &update);
    sb_publish_close (self);
    return count;
}

/* The end of a topic whose fields had gone before, by deletes or with their time: who has a copy need not keep it.
 * Returns how many publications that took. */
static uint32_t s_publish_end (sb_core_t *self, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    const sb_category_t *category = sb_category_at (self, topic->category);
    if (topic->topic_sequence == 0 || category->is_broker)
        return 0;
    sb_quality_forget (self, topic);
    sb_publish_quality (self, slot, SB_CAUSE_FORGOTTEN);
    return 1;
}

/* Frees up to `budget` topics that have no fields, then the links. True when topics are left. */
static bool s_free_topics (sb_core_t *self, sb_agent_record_t *agent, uint32_t budget)
{
    agent->recent_topic = agent->walk_topic = 0;
    for (; agent->first_topic && budget > 0; budget--) {
        uint32_t slot = agent->first_topic;
        agent->first_topic = sb_topic_at (self, slot)->next_of_agent;
        agent->topic_count--;
        sb_free_topic (self, slot);
    }
    if (agent->first_topic)
        return true;
    agent->last_topic = 0;
    while (agent->first_link) {
        uint32_t slot = agent->first_link;
        agent->first_link = sb_link_at (self, slot)->next_of_agent;
        sb_free_link (self, slot);
    }
    return false;
}

/* The last of it: the record itself. */
static void s_free_record (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_commands_agent_forgotten (self, agent);
    sb_text_t id = sb_core_copy (self, sb_core_agent_id (agent));
    const char *cause = agent->is_evicted ? "ROOM" : "AGE";
    sb_interest_release (self, agent);
    sb_decide_drop_notes (self, agent);
    sb_decide_drop_runs (self, agent);
    sb_timer_forget (self, agent);
    sb_index_remove (&self->agent_index, sb_hash (self->hash_key, id.data, id.size), agent->slot);
    sb_pool_give (&self->agents, agent->slot);
    sb_core_counter_add (self, SB_COUNTER_agents_forgotten, 1);
    sb_events_forgotten (self, id, cause);
}

bool sb_registry_leave_slice (sb_core_t *self, sb_agent_record_t *agent)
{
    uint32_t handled = 0;
    while (agent->leave_topic) {
        uint32_t slot = agent->leave_topic;
        if (handled >= SB_SLICE)
            return true;
        handled++;
        if (sb_topic_at (self, slot)->first_field)
            handled += s_delete_fields (self, slot);
        else
            handled += s_publish_end (self, slot);
        if (!sb_topic_at (self, slot)->first_field)
            agent->leave_topic = sb_topic_at (self, slot)->next_of_agent;
    }
    if (sb_control_is_kept (agent)) {
        agent->is_leaving = agent->is_evicted = false;
        agent->needs_replacement = true;
        self->leaving_count--;
        return false;
    }
    if (s_free_topics (self, agent, SB_SLICE))
        return true;
    self->leaving_count--;
    s_free_record (self, agent);
    return false;
}

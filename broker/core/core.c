/* SPDX-License-Identifier: MPL-2.0
 *
 * The core's one entry, its making and its end.
 *
 * A step takes back the scratch memory of the step before, does what the event says, and hands out the effects in
 * order. The switch is flat: one function for each kind of event, in the module whose matter it is.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

/* Records of agents at most: the broker, the limit, those on their way out. */
static uint32_t s_agents_limit (const sb_core_config_t *config)
{
    return 1 + config->max_agents + SB_LEAVING_MAX;
}

/* The broker's own record and category, and a topic that always stands ready for events. */
static bool s_make_broker (sb_core_t *self)
{
    sb_reason_t reason;
    sb_text_t name = sb_text ("_broker");
    uint32_t slot = sb_pool_take (&self->agents);
    if (slot != SB_SLOT_BROKER)
        return false;
    sb_agent_record_t *broker = sb_agent_at (self, slot);
    broker->slot = slot;
    memcpy (broker->id, name.data, name.size);
    broker->id_size = (uint8_t)name.size;
    uint32_t category = sb_make_category (self, sb_text ("_event"), &reason);
    return category && sb_make_topic (self, slot, category, (sb_text_t){NULL, 0}, &reason);
}

static bool s_make_pools (sb_core_t *self)
{
    const sb_core_config_t *config = &self->config;
    sb_memory_t *memory = &self->memory;
    uint32_t agents = s_agents_limit (config);
    uint32_t topics = config->max_topics + agents * SB_EVENT_TOPICS_AGENT;
    sb_blob_init (&self->values, memory, config->max_value_bytes);
    sb_blob_init (&self->history, memory, config->history_bytes * (config->max_categories + 1));
    sb_index_init (&self->agent_index, memory);
    sb_index_init (&self->peer_index, memory);
    sb_index_init (&self->category_index, memory);
    sb_index_init (&self->link_index, memory);
    sb_index_init (&self->topic_index, memory);
    sb_index_init (&self->field_index, memory);
    self->heap = sb_memory_take (memory, agents * sizeof *self->heap);
    self->notes = sb_memory_take (memory, SB_NOTES_MAX * sizeof *self->notes);
    return self->heap && self->notes && sb_scratch_init (&self->scratch, memory) &&
           sb_snapshot_init (self, config->max_agents) &&
           sb_pool_init (&self->agents, memory, sizeof (sb_agent_record_t), SB_AGENTS_SLAB_LOG2, agents) &&
           sb_pool_init (&self->categories, memory, sizeof (sb_category_t), SB_CATEGORIES_SLAB_LOG2,
                         config->max_categories + 1) &&
           sb_pool_init (&self->links, memory, sizeof (sb_link_t), SB_LINKS_SLAB_LOG2, topics) &&
           sb_pool_init (&self->topics, memory, sizeof (sb_topic_t), SB_TOPICS_SLAB_LOG2, topics) &&
           sb_pool_init (&self->fields, memory, sizeof (sb_field_t), SB_FIELDS_SLAB_LOG2, config->max_fields);
}

sb_core_t *sb_core_new (const sb_core_config_t *config, const sb_core_identity_t *identity,
                        const sb_allocator_t *allocator, uint64_t monotonic_ns, int64_t unix_ns)
{
    sb_core_t *self = allocator->allocate (allocator->context, sizeof *self);
    if (!self)
        return NULL;
    memset (self, 0, sizeof *self);
    self->memory = (sb_memory_t){*allocator, sizeof *self};
    self->identity = *identity;
    self->hash_key[0] = identity->hash_seed;
    self->hash_key[1] = identity->hash_seed * UINT64_C (0x9e3779b97f4a7c15) + 1;
    self->next_session_id = identity->session_seed;
    self->now_ns = self->started_ns = self->tick_started_ns = monotonic_ns;
    self->now_unix_ns = self->started_unix_ns = unix_ns;
    self->tick_due_ns = monotonic_ns + config->tick_interval_ms * SB_MS;
    if (!sb_config_adopt (self, config) || !s_make_pools (self) || !s_make_broker (self) || !sb_control_new (self)) {
        sb_core_destroy (&self);
        return NULL;
    }
    for (uint32_t i = SB_NOTES_MAX; i > 0; i--) {
        self->notes[i - 1].next = self->free_note;
        self->free_note = i;
    }
    return self;
}

/* Gives back what records hold outside the slabs. */
static void s_release_records (sb_core_t *self)
{
    for (uint32_t slot = 1; slot <= self->agents.high; slot++) {
        sb_agent_record_t *agent = sb_agent_at (self, slot);
        if (!agent->id_size)
            continue;
        sb_interest_release (self, agent);
        sb_decide_drop_runs (self, agent);
    }
    for (uint32_t slot = 1; slot <= self->fields.high; slot++) {
        sb_field_t *field = sb_field_at (self, slot);
        if (field->name)
            sb_value_release (self, &field->value);
    }
    for (uint32_t slot = 1; slot <= self->categories.high; slot++) {
        sb_category_t *category = sb_category_at (self, slot);
        sb_history_clear (self, category);
        sb_memory_give (&self->memory, category->ring, category->ring_capacity * sizeof *category->ring);
    }
}

void sb_core_destroy (sb_core_t **self_p)
{
    sb_core_t *self = self_p ? *self_p : NULL;
    if (!self)
        return;
    *self_p = NULL;
    sb_control_destroy (self);
    sb_conflation_fini (self);
    sb_expiry_fini (self);
    sb_snapshot_fini (self);
    s_release_records (self);
    sb_pool_fini (&self->agents);
    sb_pool_fini (&self->categories);
    sb_pool_fini (&self->links);
    sb_pool_fini (&self->topics);
    sb_pool_fini (&self->fields);
    sb_index_fini (&self->agent_index);
    sb_index_fini (&self->peer_index);
    sb_index_fini (&self->category_index);
    sb_index_fini (&self->link_index);
    sb_index_fini (&self->topic_index);
    sb_index_fini (&self->field_index);
    sb_blob_fini (&self->values);
    sb_blob_fini (&self->history);
    sb_scratch_fini (&self->scratch);
    sb_memory_give (&self->memory, self->heap, s_agents_limit (&self->config) * sizeof *self->heap);
    sb_memory_give (&self->memory, self->notes, SB_NOTES_MAX * sizeof *self->notes);
    sb_config_release (self);
    sb_allocator_t allocator = self->memory.allocator;
    assert (self->memory.bytes == sizeof *self);
    allocator.release (allocator.context, self, sizeof *self);
}

/* Takes over a new configuration, but for the sizes of tables, which only a restart changes. */
static void s_reload (sb_core_t *self, const sb_core_config_t *config)
{
    sb_core_config_t merged = *config;
    merged.max_agents = self->config.max_agents;
    merged.max_fields = self->config.max_fields;
    merged.max_topics = self->config.max_topics;
    merged.max_categories = self->config.max_categories;
    merged.max_value_bytes = self->config.max_value_bytes;
    merged.history_bytes = self->config.history_bytes;
    merged.max_pending_commands = self->config.max_pending_commands;
    merged.max_replies = self->config.max_replies;
    if (!sb_config_adopt (self, &merged)) {
        sb_core_emit_log (self, SB_SEVERITY_ERROR, "RELOAD", (sb_text_t){NULL, 0}, SB_REASON_NONE,
                          sb_text ("no memory for the new configuration: the one before stays in force"));
        return;
    }
    for (uint32_t slot = 1; slot <= self->categories.high; slot++) {
        sb_category_t *category = sb_category_at (self, slot);
        sb_category_configure (self, category);
        sb_history_trim (self, category);
    }
    sb_control_reload (self);
}

/* A prefix that somebody subscribed to first, or left last: two kinds of them ask for something. */
static void s_subscription (sb_core_t *self, sb_text_t prefix, bool is_subscribed)
{
    if (sb_prefix_matches (sb_text ("~join."), prefix)) {
        if (is_subscribed)
            sb_join_subscribed (self, prefix);
    } else if (sb_prefix_matches (sb_text ("~conflated."), prefix)) {
        sb_conflation_subscription (self, prefix, is_subscribed);
    }
}

static void s_handle (sb_core_t *self, const sb_event_t *event)
{
    switch (event->kind) {
    case SB_EVENT_RESTORE:
        sb_control_restore (self, event->restore);
        return;
    case SB_EVENT_MESSAGE:
        sb_session_message (self, event);
        return;
    case SB_EVENT_BAD_MESSAGE:
        sb_session_bad_message (self, event);
        return;
    case SB_EVENT_PEER_LOST:
        sb_session_peer_lost (self, event->peer_lost.peer);
        return;
    case SB_EVENT_CHUNK_REFUSED:
        sb_snapshot_chunk_refused (self, event->chunk_refused.peer);
        return;
    case SB_EVENT_SUBSCRIPTION:
        s_subscription (self, event->subscription.prefix, event->subscription.is_subscribed);
        return;
    case SB_EVENT_COMMAND:
        sb_commands_request (self, event);
        return;
    case SB_EVENT_BAD_COMMAND:
        sb_commands_bad_request (self, event);
        return;
    case SB_EVENT_STORED:
        sb_commands_stored (self, event->stored.durable);
        return;
    case SB_EVENT_FLUSH:
        sb_decide_flush (self);
        return;
    case SB_EVENT_TICK:
        sb_timer_tick (self, event);
        return;
    case SB_EVENT_RELOAD:
        s_reload (self, event->reload);
        return;
    case SB_EVENT_SHUTDOWN:
        sb_session_shutdown (self);
        return;
    }
    assert (!"an event of no kind");
}

void sb_core_step (sb_core_t *self, const sb_event_t *event, sb_effects_t *effects)
{
    assert (event->monotonic_ns >= self->now_ns);
    self->now_ns = event->monotonic_ns;
    self->now_unix_ns = event->unix_ns;
    sb_scratch_reset (&self->scratch);
    self->effects = self->few_effects;
    self->effect_count = 0;
    self->effect_capacity = SB_EFFECTS_FEW;
    self->updates_left = 0;
    self->work_bytes = 0;
    s_handle (self, event);
    sb_publish_close (self);
    *effects = (sb_effects_t){self->effects, self->effect_count};
}

bool sb_core_is_stopped (const sb_core_t *self)
{
    return self->latch.stopped;
}

size_t sb_core_memory_bytes (const sb_core_t *self)
{
    return self->memory.bytes;
}

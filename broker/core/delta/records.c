/* SPDX-License-Identifier: MPL-2.0
 *
 * The records of the state: categories, links, topics, fields, values. Finding, making, freeing.
 *
 * A record is found by one hash of its key and a comparison; making one takes all the memory it needs before it
 * changes anything, so that a failure leaves nothing behind. Lists are doubly linked where members go singly
 * (fields of a topic), singly where they go all at once (topics and links of an agent).
 */
#include "state.h"

#include <assert.h>
#include <string.h>

enum { FIELDS_FEW = 4 };

/* A key in octets: two slots, then a text. */
typedef struct {
    uint32_t first;
    uint32_t second;
    sb_text_t text;
} s_key_t;

static uint64_t s_key_hash (const sb_core_t *self, const s_key_t *key)
{
    return sb_hash_pair (self->hash_key, key->first | (uint64_t)key->second << 32, key->text.data, key->text.size);
}

/* ---- categories */

static bool s_category_match (const void *owner, uint32_t slot, const void *key)
{
    return sb_octets_same (sb_category_text (sb_category_at (owner, slot)), ((const s_key_t *)key)->text);
}

uint32_t sb_find_category (const sb_core_t *self, sb_text_t name)
{
    if (name.size > SB_CATEGORY_MAX)
        return 0;
    s_key_t key = {0, 0, name};
    return sb_index_find (&self->category_index, s_key_hash (self, &key), s_category_match, self, &key);
}

static bool s_names (const sb_text_t *names, uint32_t count, sb_text_t name)
{
    for (uint32_t i = 0; i < count; i++)
        if (sb_octets_same (names[i], name))
            return true;
    return false;
}

void sb_category_configure (sb_core_t *self, sb_category_t *category)
{
    const sb_core_config_t *config = &self->config;
    sb_text_t name = sb_category_text (category);
    category->is_event = s_names (config->event_categories, config->event_category_count, name);
    category->is_admitted = s_names (config->admitted_categories, config->admitted_category_count, name);
    category->time_to_live_ms = 0;
    for (uint32_t i = 0; i < config->time_to_live_count; i++)
        if (sb_octets_same (config->times_to_live[i].category, name))
            category->time_to_live_ms = config->times_to_live[i].time_to_live_ms;
    sb_history_bound_t bound = {.updates = config->history_updates};
    for (uint32_t i = 0; i < config->history_bound_count; i++)
        if (sb_octets_same (config->history_bounds[i].category, name))
            bound = config->history_bounds[i];
    /* The memory for histories is sized by history_bytes at start, so no category may have more. */
    bool has_own_bytes = bound.bytes && bound.bytes < config->history_bytes;
    uint64_t age_ms = bound.age_ms ? bound.age_ms : config->history_age_ms;
    category->history_limit = bound.updates;
    category->history_limit_bytes = has_own_bytes ? bound.bytes : config->history_bytes;
    category->history_limit_ns = age_ms && age_ms < SB_NEVER / SB_MS ? age_ms * SB_MS : SB_NEVER;
}

uint32_t sb_make_category (sb_core_t *self, sb_text_t name, sb_reason_t *reason)
{
    uint32_t slot = sb_find_category (self, name);
    if (slot)
        return slot;
    bool is_broker = name.size && name.data[0] == '_';
    *reason = SB_REASON_BAD_CATEGORY;
    if (!is_broker && !sb_name_is_category (name))
        return 0;
    *reason = SB_REASON_TOO_MANY_CATEGORIES;
    if (!sb_index_reserve (&self->category_index, 1) || !(slot = sb_pool_take (&self->categories)))
        return 0;
    sb_category_t *category = sb_category_at (self, slot);
    memcpy (category->name, name.data, name.size);
    category->name_size = (uint8_t)name.size;
    category->is_broker = is_broker;
    category->gone_unix_ns = INT64_MIN;
    sb_category_configure (self, category);
    s_key_t key = {0, 0, name};
    sb_index_insert (&self->category_index, s_key_hash (self, &key), slot);
    sb_interest_join_category (self, slot);
    return slot;
}

sb_category_t *sb_core_find_category (const sb_core_t *self, sb_text_t name)
{
    uint32_t slot = sb_find_category (self, name);
    return slot ? sb_category_at (self, slot) : NULL;
}

sb_category_t *sb_core_next_category (const sb_core_t *self, uint32_t slot)
{
    return slot < self->categories.high ? sb_category_at (self, slot + 1) : NULL;
}

uint32_t sb_core_category_slot (const sb_core_t *self, const sb_category_t *category)
{
    return sb_find_category (self, sb_category_text (category));
}

/* ---- links */

static bool s_link_match (const void *owner, uint32_t slot, const void *key)
{
    const sb_link_t *link = sb_link_at (owner, slot);
    const s_key_t *wanted = key;
    return link->agent == wanted->first && link->category == wanted->second;
}

uint32_t sb_find_link (const sb_core_t *self, uint32_t agent, uint32_t category)
{
    s_key_t key = {agent, category, {NULL, 0}};
    return sb_index_find (&self->link_index, s_key_hash (self, &key), s_link_match, self, &key);
}

static uint32_t s_make_link (sb_core_t *self, uint32_t agent, uint32_t category)
{
    uint32_t slot = sb_find_link (self, agent, category);
    if (slot)
        return slot;
    if (!sb_index_reserve (&self->link_index, 1) || !(slot = sb_pool_take (&self->links)))
        return 0;
    sb_agent_record_t *owner = sb_agent_at (self, agent);
    sb_link_t *link = sb_link_at (self, slot);
    *link = (sb_link_t){.agent = agent, .category = category, .next_of_agent = owner->first_link};
    owner->first_link = slot;
    s_key_t key = {agent, category, {NULL, 0}};
    sb_index_insert (&self->link_index, s_key_hash (self, &key), slot);
    return slot;
}

void sb_free_link (sb_core_t *self, uint32_t slot)
{
    const sb_link_t *link = sb_link_at (self, slot);
    s_key_t key = {link->agent, link->category, {NULL, 0}};
    sb_index_remove (&self->link_index, s_key_hash (self, &key), slot);
    sb_pool_give (&self->links, slot);
}

/* ---- topics */

static bool s_topic_match (const void *owner, uint32_t slot, const void *key)
{
    const sb_topic_t *topic = sb_topic_at (owner, slot);
    const s_key_t *wanted = key;
    return topic->agent == wanted->first && topic->category == wanted->second &&
           sb_octets_same (sb_topic_subject (topic), wanted->text);
}

uint32_t sb_find_topic (const sb_core_t *self, uint32_t agent, uint32_t category, sb_text_t subject)
{
    if (subject.size > SB_ID_MAX)
        return 0;
    s_key_t key = {agent, category, subject};
    return sb_index_find (&self->topic_index, s_key_hash (self, &key), s_topic_match, self, &key);
}

/* category.agent.subject in octets of its own, or NULL. */
static char *s_topic_octets (sb_core_t *self, const sb_category_t *category, const sb_agent_record_t *agent,
                             sb_text_t subject, uint32_t *size)
{
    *size = category->name_size + 1u + agent->id_size + 1u + subject.size;
    char *octets = sb_blob_take (&self->values, *size);
    if (!octets)
        return NULL;
    char *next = octets;
    memcpy (next, category->name, category->name_size);
    next += category->name_size;
    *next++ = '.';
    memcpy (next, agent->id, agent->id_size);
    next += agent->id_size;
    *next++ = '.';
    if (subject.size)
        memcpy (next, subject.data, subject.size);
    return octets;
}

/* A topic's slot with its text set, or 0: nothing was taken then. */
static uint32_t s_take_topic (sb_core_t *self, uint32_t agent, uint32_t category, sb_text_t subject)
{
    uint32_t size;
    char *text = s_topic_octets (self, sb_category_at (self, category), sb_agent_at (self, agent), subject, &size);
    if (!text)
        return 0;
    uint32_t slot = sb_index_reserve (&self->topic_index, 1) ? sb_pool_take (&self->topics) : 0;
    if (!slot) {
        sb_blob_give (&self->values, text, size);
        return 0;
    }
    sb_topic_t *topic = sb_topic_at (self, slot);
    topic->text = text;
    topic->text_size = (uint8_t)size;
    topic->subject_size = (uint8_t)subject.size;
    topic->agent = agent;
    topic->category = category;
    return slot;
}

/* Appends a topic to its agent's list. Topics are never taken out singly, so the list is its walkers' cursor. */
static void s_join_agent (sb_core_t *self, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    sb_agent_record_t *agent = sb_agent_at (self, topic->agent);
    if (agent->last_topic)
        sb_topic_at (self, agent->last_topic)->next_of_agent = slot;
    else
        agent->first_topic = slot;
    agent->last_topic = slot;
    agent->topic_count++;
    topic->walk = agent->walk;
}

uint32_t sb_make_topic (sb_core_t *self, uint32_t agent, uint32_t category, sb_text_t subject, sb_reason_t *reason)
{
    uint32_t slot = sb_find_topic (self, agent, category, subject);
    if (slot)
        return slot;
    *reason = SB_REASON_BAD_SUBJECT;
    if (!sb_name_is_subject (subject))
        return 0;
    bool is_broker = sb_category_at (self, category)->is_broker;
    *reason = SB_REASON_TOO_MANY_TOPICS;
    if (!is_broker && self->state_topics >= self->config.max_topics)
        return 0;
    *reason = SB_REASON_STORE_FULL;
    uint32_t link = s_make_link (self, agent, category);
    if (!link || !(slot = s_take_topic (self, agent, category, subject)))
        return 0;
    sb_topic_at (self, slot)->link = link;
    if (!is_broker)
        self->state_topics++;
    s_join_agent (self, slot);
    s_key_t key = {agent, category, subject};
    sb_index_insert (&self->topic_index, s_key_hash (self, &key), slot);
    return slot;
}

void sb_free_topic (sb_core_t *self, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    assert (topic->field_count == 0);
    sb_quality_forget (self, topic);
    sb_conflation_topic_removed (self, slot);
    s_key_t key = {topic->agent, topic->category, sb_topic_subject (topic)};
    sb_index_remove (&self->topic_index, s_key_hash (self, &key), slot);
    if (!sb_category_at (self, topic->category)->is_broker)
        self->state_topics--;
    sb_blob_give (&self->values, topic->text, topic->text_size);
    sb_pool_give (&self->topics, slot);
}

/* ---- fields */

static bool s_field_match (const void *owner, uint32_t slot, const void *key)
{
    const sb_field_t *field = sb_field_at (owner, slot);
    const s_key_t *wanted = key;
    return field->topic == wanted->first && sb_octets_same (sb_field_text (field), wanted->text);
}

static uint64_t s_field_hash (const sb_core_t *self, uint32_t topic, sb_text_t name)
{
    s_key_t key = {topic, 0, name};
    return s_key_hash (self, &key);
}

/* In a topic of few fields, looking at each is cheaper than hashing. */
static uint32_t s_scan_fields (const sb_core_t *self, const sb_topic_t *topic, sb_text_t name)
{
    uint32_t slot = topic->first_field;
    while (slot && !sb_octets_same (sb_field_text (sb_field_at (self, slot)), name))
        slot = sb_field_at (self, slot)->next;
    return slot;
}

uint32_t sb_find_field_slot (const sb_core_t *self, uint32_t topic, sb_text_t name)
{
    if (sb_topic_at (self, topic)->field_count <= FIELDS_FEW)
        return s_scan_fields (self, sb_topic_at (self, topic), name);
    if (name.size > SB_FIELD_NAME_MAX)
        return 0;
    s_key_t key = {topic, 0, name};
    return sb_index_find (&self->field_index, s_key_hash (self, &key), s_field_match, self, &key);
}

const sb_field_t *sb_core_find_field (const sb_core_t *self, const sb_agent_record_t *agent, sb_text_t category,
                                      sb_text_t subject, sb_text_t name)
{
    uint32_t category_slot = sb_find_category (self, category);
    uint32_t topic = category_slot ? sb_find_topic (self, agent->slot, category_slot, subject) : 0;
    uint32_t field = topic ? sb_find_field_slot (self, topic, name) : 0;
    return field ? sb_field_at (self, field) : NULL;
}

uint32_t sb_make_field (sb_core_t *self, sb_text_t name, const sb_value_t *value)
{
    assert (name.size > 0 && name.size <= SB_FIELD_NAME_MAX);
    sb_stored_value_t stored;
    if (!sb_value_store (self, value, &stored))
        return 0;
    char *octets = sb_blob_take (&self->values, name.size);
    uint32_t unindexed = self->fields.used - self->field_index.current.count - self->field_index.older.count;
    uint32_t slot = 0;
    if (octets && sb_index_reserve (&self->field_index, unindexed + 1))
        slot = sb_pool_take (&self->fields);
    if (!slot) {
        sb_blob_give (&self->values, octets, name.size);
        sb_value_release (self, &stored);
        return 0;
    }
    sb_field_t *field = sb_field_at (self, slot);
    memcpy (octets, name.data, name.size);
    field->name = octets;
    field->name_size = (uint8_t)name.size;
    field->value = stored;
    return slot;
}

void sb_insert_field (sb_core_t *self, uint32_t topic_slot, uint32_t slot)
{
    sb_topic_t *topic = sb_topic_at (self, topic_slot);
    sb_field_t *field = sb_field_at (self, slot);
    field->topic = topic_slot;
    field->next = 0;
    field->previous = topic->last_field;
    if (topic->last_field)
        sb_field_at (self, topic->last_field)->next = slot;
    else
        topic->first_field = slot;
    topic->last_field = slot;
    topic->field_count++;
    sb_link_at (self, topic->link)->field_count++;
    sb_agent_at (self, topic->agent)->field_count++;
    sb_index_insert (&self->field_index, s_field_hash (self, topic_slot, sb_field_text (field)), slot);
}

void sb_remove_field (sb_core_t *self, uint32_t slot)
{
    sb_field_t *field = sb_field_at (self, slot);
    sb_topic_t *topic = sb_topic_at (self, field->topic);
    sb_snapshot_field_removed (self, slot);
    sb_index_remove (&self->field_index, s_field_hash (self, field->topic, sb_field_text (field)), slot);
    if (field->previous)
        sb_field_at (self, field->previous)->next = field->next;
    else
        topic->first_field = field->next;
    if (field->next)
        sb_field_at (self, field->next)->previous = field->previous;
    else
        topic->last_field = field->previous;
    topic->field_count--;
    sb_link_at (self, topic->link)->field_count--;
    sb_agent_at (self, topic->agent)->field_count--;
    sb_free_field (self, slot);
}

void sb_free_field (sb_core_t *self, uint32_t slot)
{
    sb_expiry_forget (self, slot);
    sb_field_t *field = sb_field_at (self, slot);
    sb_blob_give (&self->values, field->name, field->name_size);
    sb_value_release (self, &field->value);
    sb_pool_give (&self->fields, slot);
}

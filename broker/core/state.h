/* SPDX-License-Identifier: MPL-2.0
 *
 * What the modules of the state engine call on each other, beyond core_internal.h. One section a module.
 * A "text" argument is borrowed for the call; slots are never 0 unless it says so.
 */
#ifndef SB_STATE_H
#define SB_STATE_H

#include <assert.h>

#include "commands.h"
#include "control.h"
#include "core_internal.h"
#include "events.h"
#include "health.h"
#include "values.h"

/* Items of a slab of each pool, as powers of two. */
enum {
    SB_AGENTS_SLAB_LOG2 = 4,
    SB_CATEGORIES_SLAB_LOG2 = 3,
    SB_LINKS_SLAB_LOG2 = 8,
    SB_TOPICS_SLAB_LOG2 = 8,
    SB_FIELDS_SLAB_LOG2 = 10
};

static inline sb_agent_record_t *sb_agent_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_item (&self->agents, slot, sizeof (sb_agent_record_t), SB_AGENTS_SLAB_LOG2);
}
static inline sb_category_t *sb_category_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_item (&self->categories, slot, sizeof (sb_category_t), SB_CATEGORIES_SLAB_LOG2);
}
static inline sb_link_t *sb_link_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_item (&self->links, slot, sizeof (sb_link_t), SB_LINKS_SLAB_LOG2);
}
static inline sb_topic_t *sb_topic_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_item (&self->topics, slot, sizeof (sb_topic_t), SB_TOPICS_SLAB_LOG2);
}
static inline sb_field_t *sb_field_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_item (&self->fields, slot, sizeof (sb_field_t), SB_FIELDS_SLAB_LOG2);
}
static inline sb_text_t sb_topic_text (const sb_topic_t *topic)
{
    return (sb_text_t){topic->text, topic->text_size};
}
static inline sb_text_t sb_topic_subject (const sb_topic_t *topic)
{
    return (sb_text_t){topic->text + topic->text_size - topic->subject_size, topic->subject_size};
}
static inline sb_text_t sb_category_text (const sb_category_t *category)
{
    return (sb_text_t){category->name, category->name_size};
}
static inline sb_text_t sb_field_text (const sb_field_t *field)
{
    return (sb_text_t){field->name, field->name_size};
}

enum {
    SB_SLOT_BROKER = 1,          /* agent "_broker" */
    SB_LEAVING_MAX = 64,         /* records that may be given up at the same time, beyond max_agents */
    SB_EVENT_TOPICS_AGENT = 16,  /* room for topics of _event, an agent, beyond max_topics */
    SB_PUBLICATION_CHANGES = 256 /* changes of one publication made by longer work */
};

/* ------------------------------------------------------------------ configuration (config.c) */

/* Makes self->config a deep copy of *config. False when there is no memory; then nothing changed. */
bool sb_config_adopt (sb_core_t *self, const sb_core_config_t *config);

/* Gives the copy back. */
void sb_config_release (sb_core_t *self);

/* The category that the rules give a field name; `uncategorized` when none matches. */
sb_text_t sb_config_categorize (const sb_core_t *self, sb_text_t name);

/* ------------------------------------------------------------------ records (records.c) */

/* Each finds a slot, or gives 0. */
uint32_t sb_find_category (const sb_core_t *self, sb_text_t name);
uint32_t sb_find_link (const sb_core_t *self, uint32_t agent, uint32_t category);
uint32_t sb_find_topic (const sb_core_t *self, uint32_t agent, uint32_t category, sb_text_t subject);
uint32_t sb_find_field_slot (const sb_core_t *self, uint32_t topic, sb_text_t name);

/* Each finds or makes one; 0 with *reason when that is not possible: TOO_MANY_CATEGORIES, BAD_CATEGORY;
 * TOO_MANY_TOPICS, BAD_SUBJECT, STORE_FULL. */
uint32_t sb_make_category (sb_core_t *self, sb_text_t name, sb_reason_t *reason);
uint32_t sb_make_topic (sb_core_t *self, uint32_t agent, uint32_t category, sb_text_t subject, sb_reason_t *reason);

/* Reads again from the configuration what a category is and keeps. */
void sb_category_configure (sb_core_t *self, sb_category_t *category);

/* A field that is in no list and no index yet, with name and value copied; 0 when there is no room. */
uint32_t sb_make_field (sb_core_t *self, sb_text_t name, const sb_value_t *value);

/* Puts such a field into its topic. Cannot fail. */
void sb_insert_field (sb_core_t *self, uint32_t topic, uint32_t field);

/* Takes a field out of its topic and frees it. */
void sb_remove_field (sb_core_t *self, uint32_t field);

/* Frees a field that is in no topic. */
void sb_free_field (sb_core_t *self, uint32_t field);

/* Frees a topic without fields and a link; the agent's lists are the caller's. */
void sb_free_topic (sb_core_t *self, uint32_t topic);
void sb_free_link (sb_core_t *self, uint32_t link);

/* ------------------------------------------------------------------ agents (registry.c) */

/* Slot-level find; is_leaving ones too. */
uint32_t sb_find_agent (const sb_core_t *self, sb_text_t id);

/* A new record; NULL when the table is full and nobody can be forgotten. Precondition: the id is valid and has none. */
sb_agent_record_t *sb_registry_add (sb_core_t *self, sb_text_t id);

/* Forgets the agent that is gone the longest and not held. False when there is none. */
bool sb_registry_evict (sb_core_t *self);

/* One slice of giving up a record. True when more is left. The record may be gone afterwards when false. */
bool sb_registry_leave_slice (sb_core_t *self, sb_agent_record_t *agent);

/* Binds and unbinds the session's connection. Binding can fail for memory. */
bool sb_registry_bind_peer (sb_core_t *self, sb_agent_record_t *agent, uint64_t peer);
void sb_registry_unbind_peer (sb_core_t *self, sb_agent_record_t *agent);

/* ------------------------------------------------------------------ interests (interest.c) */

/* Merges the interests of a registration into texts in scratch memory, in order of octets: none is a prefix of another.
 * NONE, BAD_INTEREST or TOO_MANY_INTERESTS. */
sb_reason_t sb_interest_merge (sb_core_t *self, const sb_registration_t *registration, sb_text_t **merged,
                               uint32_t *count);

/* Keeps the registration's interests, labels and publishes in the agent's profile. False when there is no room. */
bool sb_interest_adopt (sb_core_t *self, sb_agent_record_t *agent, const sb_registration_t *registration,
                        const sb_text_t *merged, uint32_t count);

/* Drops the profile. */
void sb_interest_release (sb_core_t *self, sb_agent_record_t *agent);

/* Every interest with its head, in scratch memory, for a HeartbeatAck. */
const sb_interest_position_t *sb_interest_heads (sb_core_t *self, const sb_agent_record_t *agent);

/* A publication with this topic was numbered: notes it in the watches that match. */
void sb_interest_note (sb_core_t *self, sb_category_t *category, sb_text_t topic, sb_head_t head);

/* A category was made: watches on it join it. */
void sb_interest_join_category (sb_core_t *self, uint32_t category);

/* True while an admitted replacement is being applied. */
static inline bool sb_replace_is_applying (const sb_agent_record_t *agent)
{
    return agent->stage.state >= SB_STAGE_APPLY;
}

/* ------------------------------------------------------------------ decisions and acks (decide.c) */

/* What was found of one AgentMessage so far. */
typedef struct {
    uint32_t accepted;  /* deltas accepted */
    sb_reason_t told;   /* SEQUENCE refusals are sent once a message */
    sb_reason_t logged; /* refusals are logged once a message and reason */
} sb_message_state_t;

/* Answers a sequence that is not to be decided now. */
void sb_decide_answer (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_message_state_t *message);

/* True when `sequence` is the one expected and may be decided now. Else it was answered: repeated, gap, pending, bad.
 */
static inline bool sb_decide_sequence (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence,
                                       sb_message_state_t *message)
{
    bool is_next = sequence == agent->decided_through + 1 && sequence <= SB_NUMBER_MAX;
    if (!is_next || sb_replace_is_applying (agent)) {
        sb_decide_answer (self, agent, sequence, message);
        return false;
    }
    agent->in_gap = false;
    return true;
}

/* Puts the agent into the list of those to be acked at the end of the turn. */
void sb_decide_want_ack (sb_core_t *self, sb_agent_record_t *agent);

/* Decides the expected sequence. */
static inline void sb_decide_accept (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence,
                                     sb_message_state_t *message)
{
    assert (sequence == agent->decided_through + 1);
    agent->decided_through = sequence;
    agent->accepted_count++;
    agent->last_update_unix_ns = self->now_unix_ns;
    message->accepted++;
    sb_core_counter_add (self, SB_COUNTER_deltas_accepted, 1);
    if (!agent->ack_pending)
        sb_decide_want_ack (self, agent);
}
void sb_decide_refuse (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_reason_t reason,
                       sb_text_t field, uint32_t retry_after_ms, sb_message_state_t *message);

/* Emits the acks of all agents that wait for one. */
void sb_decide_flush (sb_core_t *self);

/* Drops what waits for an ack (its session is over); drops what was refused before (another instance). */
void sb_decide_drop_notes (sb_core_t *self, sb_agent_record_t *agent);
void sb_decide_drop_runs (sb_core_t *self, sb_agent_record_t *agent);

/* Room for the first runs of an agent, before its first delta: what is refused by a full store must be remembered too.
 * False when there is none. Idempotent. */
bool sb_decide_reserve_runs (sb_core_t *self, sb_agent_record_t *agent);

/* The refusals remembered above `above`, without text, in scratch memory. */
uint32_t sb_decide_refusals (sb_core_t *self, const sb_agent_record_t *agent, uint64_t above,
                             const sb_refusal_t **refusals);

/* ------------------------------------------------------------------ deltas and state (admission.c, split.c, apply.c)
 */

/* Handles a batch of deltas of an agent's session. */
void sb_admit_batch (sb_core_t *self, sb_agent_record_t *agent, const sb_batch_t *batch);

/* What was found of a delta before it turned out not to be usual, so that it is not looked for again. */
typedef struct {
    uint32_t topic;       /* slot of its topic; 0: not there, or not looked for, or it names no category */
    uint32_t field;       /* slot of the field that it names first; 0: not there */
    bool is_field_sought; /* that was looked for */
} sb_sought_t;

/* Decides the agent's next deltas, `count` of them at hand, as long as they are of the usual kind: see usual.c. Returns
 * how many; the one after them was not touched, and *sought is about that. */
uint32_t sb_take_usual (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *deltas, uint32_t count,
                        sb_message_state_t *message, sb_sought_t *sought);

/* What becomes of one change. */
typedef struct {
    uint32_t field; /* slot; 0: not there */
    bool is_new;    /* the field is made and in no topic yet */
    bool is_same;   /* nothing changes */
    bool is_taken;  /* `value` holds a run of its own, to be put into a field that is there */
    sb_stored_value_t value;
} sb_write_t;

/* The changes of a delta that go to one category. */
typedef struct {
    sb_text_t category;
    const sb_change_t *changes; /* the delta's own, or in scratch memory */
    sb_write_t *writes;         /* one for each, in scratch memory */
    uint32_t change_count;
    uint32_t category_slot;   /* 0: not made yet */
    uint32_t topic_slot;      /* 0: not made yet */
    uint32_t field_count;     /* of the changes, those whose field is there */
    size_t octets;            /* once prepared: of names, texts and bytes */
    uint32_t published;       /* once prepared: changes that change something */
    uint32_t time_to_live_ms; /* once prepared: of its fields; 0: for ever */
    bool is_event;            /* once prepared: every change is published */
    bool has_expiry;          /* once prepared: some of the fields had a time to live */
    bool is_in_order;         /* each field stands right behind the one before it in the topic: no name stands twice */
} sb_part_t;

/* Octets of scratch memory that sb_split takes at most. */
static inline size_t sb_split_scratch (const sb_update_t *update)
{
    return 65536 + update->change_count * (sizeof (sb_write_t) + sizeof (sb_change_t) + 32);
}

/* All of a delta. */
typedef struct {
    sb_part_t *parts; /* in order of first change, in scratch memory */
    uint32_t count;
    bool is_in_order; /* all parts are: no name stands twice */
    bool is_known;    /* every field is there: none is added */
} sb_split_t;

/* Splits by category and finds the fields. */
sb_split_t sb_split (sb_core_t *self, const sb_agent_record_t *agent, const sb_delta_t *delta,
                     const sb_sought_t *sought);

/* The agent's topic of that category and subject, or 0; the category's slot, or 0. Most deltas go where the agent's
 * last one went, or to the topic that was made after that, at least to its category. */
uint32_t sb_split_find_topic (const sb_core_t *self, const sb_agent_record_t *agent, sb_text_t category,
                              sb_text_t subject, uint32_t *category_slot);

/* The limit on fields of one agent and category: NONE, or TOO_MANY_FIELDS with the first field that is one too many. */
sb_reason_t sb_split_check_fields (const sb_core_t *self, const sb_agent_record_t *agent, const sb_part_t *part,
                                   sb_text_t *field);

/* Applies all parts and publishes what changed, or changes nothing: NONE, or a reason of kind BOUND. */
sb_reason_t sb_apply_parts (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *delta,
                            const sb_split_t *split);

/* Notes in a field of the agent which publication named it last, and what delta that told. */
static inline void sb_apply_note (const sb_core_t *self, sb_field_t *field, const sb_agent_record_t *agent,
                                  const sb_update_t *update, uint64_t sequence, sb_cause_t cause)
{
    field->sequence = sequence;
    field->changed_unix_ns = self->now_unix_ns;
    field->delta_sequence = update->sequence;
    field->instance_id = agent->instance_id;
    field->event_unix_ns = update->event_unix_ns;
    field->origin_unix_ns = update->origin_unix_ns;
    field->cause = (uint8_t)cause;
}

/* Fills *copy with a change whose name and value are copied to scratch memory, for a publication. */
static inline void sb_apply_copy_change (sb_core_t *self, const sb_change_t *change, sb_change_t *copy)
{
    *copy = *change;
    copy->name = sb_scratch_text (&self->scratch, change->name);
    if (sb_value_has_run (change->value.kind))
        copy->value.text = sb_scratch_text (&self->scratch, change->value.text);
}

/* The time that a write to the category gives its fields when its delta asks for `time_to_live_ms`: that, or the
 * category's; 0: for ever. */
static inline uint32_t sb_time_to_live (const sb_category_t *category, uint32_t time_to_live_ms)
{
    return time_to_live_ms ? time_to_live_ms : category->time_to_live_ms;
}

/* ------------------------------------------------------------------ whole states (replace.c) */

void sb_replace_begin (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_mark_t *mark);
void sb_replace_chunk (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_chunk_t *chunk);
void sb_replace_end (sb_core_t *self, sb_agent_record_t *agent, const sb_replace_mark_t *mark);

/* One slice of it. True when more is left. */
bool sb_replace_slice (sb_core_t *self, sb_agent_record_t *agent);

/* Gives up a replacement that is still being delivered. */
void sb_replace_drop (sb_core_t *self, sb_agent_record_t *agent);

/* ------------------------------------------------------------------ publications (publish.c, history.c) */

/* Opens a publication of the topic, or goes on with the open one when that has the same topic and cause; emits any
 * other first. Returns its global sequence, which the fields that it changes keep. */
uint64_t sb_publish_sequence (sb_core_t *self, uint32_t topic, sb_cause_t cause);

/* Adds an update (its changes in scratch memory) to the open publication. Precondition: there is one. */
void sb_publish_update (sb_core_t *self, const sb_update_t *update);

/* Publishes the topic's quality alone. */
void sb_publish_quality (sb_core_t *self, uint32_t topic, sb_cause_t cause);

/* Emits the open publication. Precondition: there is one. */
void sb_publish_emit (sb_core_t *self);

/* The same, if there is one. */
static inline void sb_publish_close (sb_core_t *self)
{
    if (self->open)
        sb_publish_emit (self);
}

/* Publishes a level, not numbered, on any topic; `topic` and `agent_id` static or in scratch memory. */
void sb_publish_level (sb_core_t *self, sb_text_t topic, sb_text_t agent_id, const sb_change_t *changes,
                       uint32_t count);

/* Keeps a publication in its category's history, within its bounds. Its changes, of all updates, are `change_count`,
 * and have `octets` by sb_change_octets. */
void sb_history_add (sb_core_t *self, sb_category_t *category, const sb_publication_t *publication,
                     uint32_t change_count, size_t octets);

/* Drops what is beyond the bounds of count and octets, and of age; drops all. */
void sb_history_trim (sb_core_t *self, sb_category_t *category);
void sb_history_clear (sb_core_t *self, sb_category_t *category);

/* Looks through the categories, from core->aging_category on, for entries that are too old, and drops SB_SLICE of them
 * at most. True when more is left. */
bool sb_history_age_slice (sb_core_t *self);

/* ------------------------------------------------------------------ quality (quality.c) */

/* Sets a topic's quality and cause, and since when. */
void sb_quality_set (sb_core_t *self, sb_topic_t *topic, sb_quality_t quality, sb_cause_t cause);

/* An accepted write touched the topic: OK unless a cause still holds. True when that changed its quality. The first
 * does any case, the second calls it where something may change. */
bool sb_quality_judge (sb_core_t *self, sb_agent_record_t *agent, sb_topic_t *topic);
static inline bool sb_quality_written (sb_core_t *self, sb_agent_record_t *agent, sb_topic_t *topic)
{
    if (topic->quality != SB_QUALITY_OK || agent->held_quality != SB_QUALITY_OK)
        return sb_quality_judge (self, agent, topic);
    topic->walk = agent->walk;
    return false;
}

/* One slice of the agent's walk. True when more is left. */
bool sb_quality_slice (sb_core_t *self, sb_agent_record_t *agent);

/* Takes a topic out of its agent's count of stale ones, before it is freed. */
void sb_quality_forget (sb_core_t *self, sb_topic_t *topic);

/* ------------------------------------------------------------------ sessions, heartbeats (session.c, heartbeat.c) */

void sb_session_message (sb_core_t *self, const sb_event_t *event);
void sb_session_bad_message (sb_core_t *self, const sb_event_t *event);
void sb_session_peer_lost (sb_core_t *self, uint64_t peer);
void sb_session_shutdown (sb_core_t *self);
void sb_heartbeat (sb_core_t *self, sb_agent_record_t *agent, const sb_heartbeat_t *beat);

/* ------------------------------------------------------------------ time (timer.c) */

/* SB_EVENT_TICK. */
void sb_timer_tick (sb_core_t *self, const sb_event_t *event);

/* Puts the agent into the list of those with work left over. */
void sb_timer_add_work (sb_core_t *self, sb_agent_record_t *agent);

/* Takes an agent out of the heap and of that list, before its record goes. */
void sb_timer_forget (sb_core_t *self, sb_agent_record_t *agent);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications: numbering, grouping of a batch's neighbours, also of one gathered from several messages, heads.
 *
 * A publication takes its four numbers when it is begun, because the fields that it changes keep its sequence; it
 * stays open while updates of the same topic follow, and is emitted when anything else is published or the
 * batch ends. So effects stand in order of sequence, and no order of deltas is ever changed. O(changes).
 */
#include "control_internal.h"
#include "publication.h"
#include "state.h"

#include <assert.h>
#include <string.h>

enum { UPDATES_FEW = 4 };

/* Moves every head that the topic's next publication matches. */
static sb_head_t s_number (sb_core_t *self, sb_topic_t *topic, sb_category_t *category)
{
    sb_link_t *link = sb_link_at (self, topic->link);
    sb_head_t head = {.sequence = ++self->sequence,
                      .category_sequence = category->head.category_sequence + 1,
                      .agent_sequence = link->head.agent_sequence + 1};
    topic->topic_sequence++;
    topic->head = head;
    category->head = head;
    link->head = head;
    if (!link->first)
        link->first = head.category_sequence;
    if (!category->is_broker)
        self->public_head = head;
    if (category->first_watch)
        sb_interest_note (self, category, sb_topic_text (topic), head);
    if (self->control->hashes.count > 0)
        sb_state_hash_note (self, sb_topic_text (topic));
    return head;
}

uint64_t sb_publish_sequence (sb_core_t *self, uint32_t slot, sb_cause_t cause)
{
    struct sb_publication_builder *open = self->open;
    if (open && open->slot == slot && open->publication.cause == cause)
        return open->publication.sequence;
    sb_publish_close (self);
    sb_topic_t *topic = sb_topic_at (self, slot);
    sb_category_t *category = sb_category_at (self, topic->category);
    sb_head_t head = s_number (self, topic, category);
    open = sb_scratch_take (&self->scratch, sizeof *open + topic->text_size + 1u);
    char *octets = (char *)(open + 1); /* the topic, with a NUL as every text in scratch memory */
    sb_octets_copy (octets, topic->text, topic->text_size);
    octets[topic->text_size] = '\0';
    sb_text_t text = {octets, topic->text_size};
    uint32_t id_size = text.size - category->name_size - topic->subject_size - 2u;
    open->slot = slot;
    open->topic = topic;
    open->category = category;
    open->change_count = 0;
    open->octets = 0;
    open->publication = (sb_publication_t){.topic = text,
                                           .stream_id = self->identity.stream_id,
                                           .epoch = self->identity.epoch,
                                           .sequence = head.sequence,
                                           .category_sequence = head.category_sequence,
                                           .topic_sequence = topic->topic_sequence,
                                           .agent_id = {text.data + category->name_size + 1, id_size},
                                           .broker_unix_ns = self->now_unix_ns,
                                           .quality = SB_QUALITY_UNKNOWN,
                                           .cause = cause,
                                           .updates = self->next_update,
                                           .update_count = 0,
                                           .first_topic_sequence = 0,
                                           .agent_sequence = head.agent_sequence,
                                           .conflated_sequence = 0};
    self->open = open;
    return head.sequence;
}

void sb_publish_grow (sb_core_t *self)
{
    sb_publication_t *publication = &self->open->publication;
    uint32_t kept = publication->update_count, count = kept ? 2 * kept : UPDATES_FEW;
    sb_update_t *updates = sb_scratch_take (&self->scratch, count * sizeof *updates);
    if (kept)
        memcpy (updates, publication->updates, kept * sizeof *updates);
    publication->updates = updates;
    self->next_update = updates + kept;
    self->updates_left = count - kept;
}

void sb_publish_update (sb_core_t *self, const sb_update_t *update)
{
    size_t octets = 0;
    for (uint32_t i = 0; i < update->change_count; i++)
        octets += sb_change_octets (&update->changes[i]);
    *sb_publish_add (self, update->change_count, octets) = *update;
}

void sb_publish_emit (sb_core_t *self)
{
    struct sb_publication_builder *open = self->open;
    self->open = NULL;
    sb_publication_t *publication = &open->publication;
    publication->quality = (sb_quality_t)open->topic->quality;
    if (publication->update_count == 0)
        publication->updates = NULL;
    sb_core_counter_add (self, SB_COUNTER_publications, 1);
    sb_core_emit_publish_in_place (self, publication);
    sb_history_add (self, open->category, publication, open->change_count, open->octets);
    if (self->conflation.prefix_count)
        sb_conflation_note (self, open->slot, publication);
}

void sb_publish_quality (sb_core_t *self, uint32_t topic, sb_cause_t cause)
{
    sb_publish_close (self);
    sb_publish_sequence (self, topic, cause);
    sb_publish_close (self);
}

/* Changes with all that they point to, in scratch memory. */
static sb_change_t *s_copy_changes (sb_core_t *self, const sb_change_t *changes, uint32_t count)
{
    sb_change_t *copies = sb_core_take (self, count * sizeof *copies);
    for (uint32_t i = 0; i < count; i++)
        sb_apply_copy_change (self, &changes[i], &copies[i]);
    return copies;
}

void sb_core_publish_event (sb_core_t *self, sb_agent_record_t *agent, const char *kind, const sb_change_t *changes,
                            uint32_t count)
{
    sb_reason_t reason;
    uint32_t category = sb_make_category (self, sb_text ("_event"), &reason);
    uint32_t topic = sb_make_topic (self, agent ? agent->slot : SB_SLOT_BROKER, category, sb_text (kind), &reason);
    if (!topic) { /* no room for the topic's counters: it is told under the broker's own, made at start */
        sb_core_counter_add (self, SB_COUNTER_history_lost, 1);
        topic = sb_find_topic (self, SB_SLOT_BROKER, category, (sb_text_t){NULL, 0});
    }
    sb_publish_close (self);
    sb_publish_sequence (self, topic, SB_CAUSE_NONE);
    sb_quality_set (self, sb_topic_at (self, topic), SB_QUALITY_OK, SB_CAUSE_NONE);
    sb_update_t update = {
        .event_unix_ns = self->now_unix_ns, .changes = s_copy_changes (self, changes, count), .change_count = count};
    sb_publish_update (self, &update);
    sb_publish_close (self);
}

void sb_publish_level (sb_core_t *self, sb_text_t topic, sb_text_t agent_id, const sb_change_t *changes, uint32_t count)
{
    sb_publish_close (self);
    sb_update_t *update = sb_core_take (self, sizeof *update);
    update->event_unix_ns = self->now_unix_ns;
    update->changes = s_copy_changes (self, changes, count);
    update->change_count = count;
    sb_publication_t *publication = sb_core_take (self, sizeof *publication);
    *publication = (sb_publication_t){.topic = topic,
                                      .stream_id = self->identity.stream_id,
                                      .epoch = self->identity.epoch,
                                      .agent_id = agent_id,
                                      .broker_unix_ns = self->now_unix_ns,
                                      .quality = SB_QUALITY_OK,
                                      .updates = update,
                                      .update_count = 1};
    sb_core_emit_publish_in_place (self, publication);
    if (self->conflation.prefix_count)
        sb_conflation_note_level (self, publication);
}

void sb_core_publish_level (sb_core_t *self, const char *category, const sb_agent_record_t *agent,
                            const sb_change_t *changes, uint32_t count)
{
    sb_text_t agent_id = agent ? sb_core_copy (self, sb_core_agent_id (agent)) : sb_text ("_broker");
    sb_publish_level (self, sb_core_format (self, "%s.%s.", category, agent ? agent->id : ""), agent_id, changes,
                      count);
}

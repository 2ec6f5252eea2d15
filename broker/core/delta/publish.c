/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications: numbering, grouping of a batch's neighbours, heads.
 *
 * A publication takes its four numbers when it is begun, because the fields that it changes keep its sequence; it
 * stays open while updates of the same topic follow, and is emitted when anything else is published or the
 * message ends. So effects stand in order of sequence, and no order of deltas is ever changed. O(changes).
 */
#include "control_internal.h"
#include "state.h"

#include <assert.h>
#include <string.h>

/* An update of the open publication; a list, as their number is not known yet. */
typedef struct s_open_update {
    struct s_open_update *next;
    sb_update_t update;
} s_open_update_t;

struct sb_publication_builder {
    uint32_t topic; /* slot */
    uint32_t update_count;
    s_open_update_t *first;
    s_open_update_t *last;
    sb_publication_t publication; /* without updates and quality */
};

/* Numbers a new publication of the topic and moves every head that it matches. */
static void s_number (sb_core_t *self, uint32_t slot, sb_publication_t *publication)
{
    sb_topic_t *topic = sb_topic_at (self, slot);
    sb_category_t *category = sb_category_at (self, topic->category);
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
    publication->topic = sb_core_copy (self, sb_topic_text (topic));
    publication->stream_id = self->identity.stream_id;
    publication->epoch = self->identity.epoch;
    publication->sequence = head.sequence;
    publication->category_sequence = head.category_sequence;
    publication->topic_sequence = topic->topic_sequence;
    publication->agent_sequence = head.agent_sequence;
    uint32_t id_size = topic->text_size - category->name_size - topic->subject_size - 2u;
    publication->agent_id = (sb_text_t){publication->topic.data + category->name_size + 1, id_size};
    publication->broker_unix_ns = self->now_unix_ns;
}

uint64_t sb_publish_sequence (sb_core_t *self, uint32_t topic, sb_cause_t cause)
{
    struct sb_publication_builder *open = self->open;
    if (open && open->topic == topic && open->publication.cause == cause)
        return open->publication.sequence;
    sb_publish_close (self);
    open = sb_core_take (self, sizeof *open);
    open->topic = topic;
    open->publication.cause = cause;
    s_number (self, topic, &open->publication);
    self->open = open;
    return open->publication.sequence;
}

void sb_publish_update (sb_core_t *self, const sb_update_t *update)
{
    struct sb_publication_builder *open = self->open;
    assert (open);
    s_open_update_t *item = sb_scratch_take (&self->scratch, sizeof *item);
    *item = (s_open_update_t){NULL, *update};
    if (open->last)
        open->last->next = item;
    else
        open->first = item;
    open->last = item;
    open->update_count++;
}

void sb_publish_close (sb_core_t *self)
{
    struct sb_publication_builder *open = self->open;
    if (!open)
        return;
    self->open = NULL;
    sb_publication_t *publication = &open->publication;
    sb_topic_t *topic = sb_topic_at (self, open->topic);
    publication->quality = (sb_quality_t)topic->quality;
    publication->update_count = open->update_count;
    if (open->update_count == 1)
        publication->updates = &open->first->update;
    else if (open->update_count) {
        sb_update_t *updates = sb_scratch_take (&self->scratch, open->update_count * sizeof *updates);
        publication->updates = updates;
        for (s_open_update_t *item = open->first; item; item = item->next)
            *updates++ = item->update;
    }
    sb_core_counter_add (self, SB_COUNTER_publications, 1);
    sb_core_emit_publish (self, publication);
    sb_history_add (self, sb_category_at (self, topic->category), publication);
    if (self->conflation.prefix_count)
        sb_conflation_note (self, open->topic, publication);
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
    for (uint32_t i = 0; i < count; i++) {
        copies[i] = changes[i];
        copies[i].name = sb_core_copy (self, changes[i].name);
        if (changes[i].value.kind == SB_VALUE_TEXT || changes[i].value.kind == SB_VALUE_BYTES)
            copies[i].value.text = sb_core_copy (self, changes[i].value.text);
    }
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
    sb_publication_t publication = {.topic = topic,
                                    .stream_id = self->identity.stream_id,
                                    .epoch = self->identity.epoch,
                                    .agent_id = agent_id,
                                    .broker_unix_ns = self->now_unix_ns,
                                    .quality = SB_QUALITY_OK,
                                    .updates = update,
                                    .update_count = 1};
    sb_core_emit_publish (self, &publication);
    if (self->conflation.prefix_count)
        sb_conflation_note_level (self, &publication);
}

void sb_core_publish_level (sb_core_t *self, const char *category, const sb_agent_record_t *agent,
                            const sb_change_t *changes, uint32_t count)
{
    sb_text_t agent_id = agent ? sb_core_copy (self, sb_core_agent_id (agent)) : sb_text ("_broker");
    sb_publish_level (self, sb_core_format (self, "%s.%s.", category, agent ? agent->id : ""), agent_id, changes,
                      count);
}

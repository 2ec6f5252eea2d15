/* SPDX-License-Identifier: MPL-2.0
 *
 * Snapshots: of everything at a join, of a category when its history does not reach back far enough.
 *
 * Chunks come by credit, filled up when half of it is used, so that the broker is never without while chunks are under
 * way: asked for when all was used, each eight chunks would wait for a way there and back. Where a handler has to keep
 * up there is one chunk at a time, asked for while its queue has room, so that differences exceed the bound by one
 * chunk's at most: a chunk may hold more topics than the queue holds. Chunks go into the copy as they come; what
 * differed is delivered. At its end numbers, counts and hash are compared; then all that was published before the end
 * must have come past the SUB: only then is known what of it was lost. What waited is delivered last.
 */
#include <string.h>

#include "agent_keep.h"
#include "agent_recovery.h"
#include "sb_names.h"
#include "sb_state_hash.h"

/* ------------------------------------------------------------------ asking */

/* The interests of a category, as the broker reads them. */
static uint32_t s_interests_of (sb_agent_step_t *self, const sb_watch_t *watch, sb_text_t *interests)
{
    uint32_t count = 0;
    if (watch->is_covered) {
        interests[0] = sb_step_copy (self, (sb_text_t){watch->name, watch->size - 1});
        return 1;
    }
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_text_t prefix = self->wants[i].prefix;
        if (prefix.size >= watch->size && memcmp (prefix.data, watch->name, watch->size) == 0)
            interests[count++] = self->config.interests[i];
    }
    return count;
}

static void s_begin_scan (sb_agent_step_t *self, const sb_watch_t *watch)
{
    sb_text_t prefixes[SB_INTERESTS_MAX];
    uint32_t count = 0;
    if (watch && watch->is_covered)
        prefixes[count++] = (sb_text_t){watch->name, watch->size};
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_text_t prefix = self->wants[i].prefix;
        if (!watch ||
            (!watch->is_covered && prefix.size >= watch->size && memcmp (prefix.data, watch->name, watch->size) == 0))
            prefixes[count++] = prefix;
    }
    sb_copy_scan_begin (self->reception->copy, prefixes, count);
    sb_copy_scan_covers (self->reception->copy, self->reception->sub_sequence);
}

/* Chunks that may be under way at once. */
static uint32_t s_most_credit (const sb_agent_step_t *self)
{
    return self->config.has_update_handler ? 1 : SB_RECOVERY_CREDIT;
}

void sb_scan_start (sb_agent_step_t *self, sb_watch_t *watch)
{
    sb_reception_t *reception = self->reception;
    sb_text_t *interests = sb_step_take (self, SB_INTERESTS_MAX * sizeof *interests);
    if (self->has_agent_parts)
        sb_session_ask_heads (self);
    sb_snapshot_request_t *request = &sb_step_send (self, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST)->snapshot_request;
    request->snapshot_id = ++reception->number;
    request->interests = interests;
    request->interest_count = watch ? s_interests_of (self, watch, interests) : 0;
    request->credit = s_most_credit (self);
    reception->credit = request->credit;
    reception->active = watch;
    reception->phase = SB_RECOVERY_SNAPSHOT;
    reception->is_awaited = true;
    reception->deadline_ns = self->now_ns + SB_RECOVERY_ANSWER_MS * SB_NS_PER_MS;
    reception->next_chunk = 1;
    reception->field_count = 0;
    reception->field_hash = 0;
    reception->part_size = 0;
    reception->covered = reception->sub_sequence;
    s_begin_scan (self, watch);
    if (!watch)
        return;
    /* What is published from here on comes past the SUB; what was before is in the snapshot. */
    if (watch->verified < watch->passed)
        watch->verified = watch->passed;
    watch->is_by_snapshot = true;
}

bool sb_scan_has_work (const sb_agent_step_t *self)
{
    return 2 * self->reception->credit <= s_most_credit (self) && sb_reception_good_room (self) > 0;
}

void sb_scan_flush (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    sb_snapshot_credit_t *credit = &sb_step_send (self, SB_AGENT_MESSAGE_SNAPSHOT_CREDIT)->snapshot_credit;
    credit->snapshot_id = reception->number;
    credit->credit = s_most_credit (self) - reception->credit;
    reception->credit = s_most_credit (self);
    reception->is_awaited = true;
    reception->deadline_ns = self->now_ns + SB_RECOVERY_ANSWER_MS * SB_NS_PER_MS;
}

/* ------------------------------------------------------------------ chunks */

static void s_difference (void *context, const sb_publication_t *difference)
{
    sb_agent_step_t *self = context;
    const sb_watch_t *watch = sb_watch_of_topic (self, difference->topic);
    if (!self->config.has_update_handler || !watch || watch->is_event)
        return;
    sb_publication_t *kept = sb_arena_take (self->arena, sizeof *kept + sb_keep_size (difference));
    if (!kept) {
        sb_step_log (self, SB_SEVERITY_ERROR, "no memory for what a snapshot found different; not delivered",
                     sb_step_copy (self, difference->topic));
        return;
    }
    sb_keep_copy (kept, kept + 1, difference);
    sb_reception_deliver (self, kept);
}

/* The parts of a topic follow one another. When a later one has a newer head, fields of the earlier ones may have
 * changed in between: the topic is known up to the first one's head only. */
static void s_note_part (sb_agent_step_t *self, sb_watch_t *watch, const sb_snapshot_topic_t *part)
{
    sb_reception_t *reception = self->reception;
    if (!sb_text_equal ((sb_text_t){reception->part_topic, reception->part_size}, part->topic)) {
        reception->part_size = part->topic.size <= SB_TOPIC_MAX ? part->topic.size : 0;
        memcpy (reception->part_topic, part->topic.data, reception->part_size);
        reception->part_head = (sb_copy_head_t){.sequence = part->sequence,
                                                .category_sequence = part->category_sequence,
                                                .topic_sequence = part->topic_sequence};
        return;
    }
    const sb_copy_head_t *head = &reception->part_head;
    sb_noted_t *noted = part->sequence > head->sequence ? sb_watch_noted (self, watch, part->topic, true) : NULL;
    if (!noted || noted->is_split)
        return;
    noted->is_split = true;
    noted->split_sequence = head->sequence;
    noted->split_through = head->topic_sequence;
    noted->split_category = head->category_sequence;
}

/* What the copy was before the part came, as far as it is needed to know later what was lost. */
static void s_note (sb_agent_step_t *self, const sb_snapshot_topic_t *part)
{
    sb_reception_t *reception = self->reception;
    sb_watch_t *watch = sb_watch_of_topic (self, part->topic);
    uint64_t sequence = 0, topic_sequence, category_sequence;
    if (!watch)
        return;
    bool is_known = sb_reception_known (reception, part->topic, &sequence, &topic_sequence, &category_sequence);
    bool makes = watch->is_event || (reception->has_base && (!is_known || part->sequence > sequence));
    sb_noted_t *noted = sb_watch_noted (self, watch, part->topic, makes);
    if (noted && noted->snapshot_id != reception->number)
        noted->is_split = false;
    s_note_part (self, watch, part);
    noted = noted ? noted : sb_watch_find_noted (reception, part->topic);
    if (!noted)
        return;
    noted->snapshot_id = reception->number;
    noted->snapshot_sequence = part->sequence;
    noted->snapshot_through = part->topic_sequence;
}

/* HeartbeatAcks come in the order of the beats: what the heads of those before the first chunk stand for is in it. */
static void s_base (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        if (!reception->active || reception->active == reception->watches[i])
            sb_scope_base (self, reception->watches[i]);
    }
}

void sb_scan_chunk (sb_agent_step_t *self, const sb_snapshot_chunk_t *chunk)
{
    sb_reception_t *reception = self->reception;
    if (reception->phase != SB_RECOVERY_SNAPSHOT || chunk->snapshot_id != reception->number)
        return;
    if (chunk->number != reception->next_chunk) {
        sb_step_log (self, SB_SEVERITY_WARNING, "a chunk of a snapshot is missing: begun again", (sb_text_t){NULL, 0});
        sb_recovery_retry (self);
        return;
    }
    if (reception->next_chunk++ == 1)
        s_base (self);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        for (uint32_t j = 0; j < topic->field_count; j++)
            reception->field_hash += sb_state_hash_field (topic->topic, topic->fields[j].name, &topic->fields[j].value,
                                                          topic->quality, topic->fields[j].sequence);
        reception->field_count += topic->field_count;
        s_note (self, topic);
        sb_copy_scan_topic (reception->copy, topic, s_difference, self);
    }
    if (reception->credit)
        reception->credit--;
    reception->deadline_ns = self->now_ns + SB_RECOVERY_ANSWER_MS * SB_NS_PER_MS;
    /* Without credit nothing is waited for but the handler, and SnapshotEnd, which needs none. */
    reception->is_awaited = reception->credit > 0;
}

/* ------------------------------------------------------------------ the end */

static const char *s_fault (const sb_reception_t *self, const sb_snapshot_end_t *end)
{
    if (end->code != SB_REASON_NONE)
        return "the broker gave the snapshot up: begun again";
    if (end->stream_id != self->stream_id || end->epoch != self->epoch)
        return "a snapshot of another epoch: begun again";
    if (end->chunk_count != self->next_chunk - 1 || end->field_count != self->field_count ||
        end->state_hash != self->field_hash)
        return "a snapshot did not come whole: begun again";
    return NULL;
}

void sb_scan_end (sb_agent_step_t *self, const sb_snapshot_end_t *end)
{
    sb_reception_t *reception = self->reception;
    if (reception->phase != SB_RECOVERY_SNAPSHOT || end->snapshot_id != reception->number)
        return;
    const char *fault = s_fault (reception, end);
    if (fault) {
        sb_step_log (self, SB_SEVERITY_WARNING, fault, end->text);
        sb_recovery_retry (self);
        return;
    }
    if (reception->next_chunk == 1)
        s_base (self);
    sb_copy_scan_end (reception->copy, s_difference, self);
    reception->end_sequence = end->sequence;
    reception->phase = SB_RECOVERY_CATCH_UP;
    reception->is_awaited = true;
    reception->deadline_ns = self->now_ns + SB_RECOVERY_ANSWER_MS * SB_NS_PER_MS;
    sb_scan_look (self);
}

/* What the snapshot has and never came was lost. */
static void s_find_lost (sb_agent_step_t *self, sb_watch_t *watch)
{
    for (sb_noted_t *noted = watch->noted; noted; noted = noted->next) {
        uint64_t through = noted->snapshot_through;
        if (noted->snapshot_id != self->reception->number || noted->snapshot_sequence <= noted->sequence)
            continue;
        uint64_t first = through > noted->through ? noted->through + 1 : 1;
        /* What conflation holds back is not lost: unless a number is missing, all of it is held back. */
        bool is_judged = !watch->is_conflated || watch->is_lossy;
        bool has_base = noted->sequence || self->reception->has_base;
        if (is_judged && has_base && first <= through)
            sb_watch_gap (self, watch, (sb_text_t){noted->topic, noted->topic_size}, first, through);
        if (!has_base)
            noted->from = through + 1;
        noted->through = through;
        noted->sequence = noted->snapshot_sequence;
    }
}

static void s_take_over (sb_agent_step_t *self, sb_watch_t *watch)
{
    s_find_lost (self, watch);
    watch->need = SB_NEED_BUFFER;
    watch->tried_through = 0;
    watch->covered = self->reception->covered;
    sb_scope_snapshot_taken (watch, self->reception->number);
}

/* What was published before the snapshot was asked for is not missed any more. */
static void s_cover_positions (sb_reception_t *self, const sb_watch_t *watch)
{
    for (uint32_t i = 0; i < self->position_count; i++) {
        sb_position_t *position = &self->positions[i];
        if (!watch ||
            (position->prefix_size >= watch->size && memcmp (position->prefix, watch->name, watch->size) == 0))
            position->covered = self->covered;
    }
}

/* All up to this publication has gone past the SUB and was judged. */
static uint64_t s_gone_past (const sb_reception_t *self)
{
    bool is_conflated = self->active && self->active->is_conflated;
    for (uint32_t i = 0; i < self->watch_count && !self->active; i++)
        is_conflated |= self->watches[i]->is_conflated;
    return is_conflated ? self->told_sequence : self->sub_sequence;
}

void sb_scan_look (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    if (reception->phase != SB_RECOVERY_CATCH_UP || s_gone_past (reception) < reception->end_sequence)
        return;
    self->counts.snapshots++;
    if (reception->active) {
        s_cover_positions (reception, reception->active);
        s_take_over (self, reception->active);
        reception->is_awaited = false;
        reception->phase = SB_RECOVERY_BUFFER;
        return;
    }
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        watch->is_by_snapshot = watch->is_told;
        s_take_over (self, watch);
    }
    s_cover_positions (reception, NULL);
    reception->has_base = true;
    reception->is_join_by_snapshot = true;
    sb_recovery_done (self);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Snapshots by credit: whose turn it is, one slice at a time, and the way back when the socket is full.
 *
 * Every snapshot that may send stands in a list; a call takes the first, sends at most one chunk, and puts it at the
 * end. So N readers share the time evenly, and between two slices the shell reads commands and deltas. The end goes in
 * a slice of its own: until it is one's turn again, what was sent last may come back refused, and the progress before
 * it is kept for that. Chunks borrow from the state, hence the slice is the last thing a step does.
 *
 * Measured (release, 2 cores, a busy machine), walk, hash and encoding of a slice: 256 numbers in one topic 40 us, in
 * 256 topics 50 us, 512 topics that do not match 8 us, 32 KiB of texts 50 us; one in a hundred took up to 160 us. A
 * field of more than 32 KiB goes alone; one of 250 KB takes 0.4 ms. To cut values into parts was rejected.
 */
#include "state.h"

#include <assert.h>

#include "control_internal.h"
#include "sb_state_hash.h"

static sb_snapshot_t *s_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_at (&self->snapshots.pool, slot);
}

/* ---- lists */

static sb_snapshot_turn_t *s_list (sb_core_t *self, uint8_t list)
{
    return list == SB_SNAPSHOT_READY ? &self->snapshots.ready : &self->snapshots.held;
}

static void s_unlink (sb_core_t *self, uint32_t slot)
{
    sb_snapshot_t *snapshot = s_at (self, slot);
    if (snapshot->list == SB_SNAPSHOT_WAITS)
        return;
    sb_snapshot_turn_t *turn = s_list (self, snapshot->list);
    *(snapshot->previous ? &s_at (self, snapshot->previous)->next : &turn->first) = snapshot->next;
    *(snapshot->next ? &s_at (self, snapshot->next)->previous : &turn->last) = snapshot->previous;
    if (snapshot->list == SB_SNAPSHOT_READY)
        self->snapshots.ready_count--;
    snapshot->list = SB_SNAPSHOT_WAITS;
    snapshot->next = snapshot->previous = 0;
}

/* Puts one that waits at the end of a list. */
static void s_append (sb_core_t *self, uint32_t slot, sb_snapshot_list_t list)
{
    sb_snapshot_t *snapshot = s_at (self, slot);
    assert (snapshot->list == SB_SNAPSHOT_WAITS);
    sb_snapshot_turn_t *turn = s_list (self, (uint8_t)list);
    snapshot->list = (uint8_t)list;
    snapshot->next = 0;
    snapshot->previous = turn->last;
    *(turn->last ? &s_at (self, turn->last)->next : &turn->first) = slot;
    turn->last = slot;
    if (list == SB_SNAPSHOT_READY)
        self->snapshots.ready_count++;
}

/* True when only the end is left to be sent. */
static bool s_is_walked (const sb_core_t *self, const sb_snapshot_t *snapshot)
{
    return snapshot->code != SB_REASON_NONE || sb_walk_is_over (self, &snapshot->progress.place);
}

/* Puts it into the turn if it has something to send and may. One that has ended comes once more, to be released. */
static void s_queue (sb_core_t *self, uint32_t slot)
{
    const sb_snapshot_t *snapshot = s_at (self, slot);
    if (snapshot->list == SB_SNAPSHOT_WAITS && (snapshot->credit || s_is_walked (self, snapshot)))
        s_append (self, slot, SB_SNAPSHOT_READY);
}

static void s_release (sb_core_t *self, uint32_t slot)
{
    sb_snapshot_t *snapshot = s_at (self, slot);
    s_unlink (self, slot);
    sb_scope_fini (&snapshot->scope, &self->memory);
    sb_agent_at (self, snapshot->agent)->snapshot = 0;
    sb_pool_give (&self->snapshots.pool, slot);
}

bool sb_snapshot_init (sb_core_t *self, uint32_t max_agents)
{
    enum { SLAB_LOG2 = 4 };
    return sb_pool_init (&self->snapshots.pool, &self->memory, sizeof (sb_snapshot_t), SLAB_LOG2, max_agents);
}

void sb_snapshot_fini (sb_core_t *self)
{
    for (uint32_t slot = 1; slot <= self->snapshots.pool.high; slot++)
        if (s_at (self, slot)->agent)
            sb_scope_fini (&s_at (self, slot)->scope, &self->memory);
    sb_pool_fini (&self->snapshots.pool);
}

void sb_snapshot_drop (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->snapshot)
        s_release (self, agent->snapshot);
}

/* ---- what readers ask for */

/* The scope that a request means: NONE, or what is wrong with it. */
static sb_reason_t s_make_scope (sb_core_t *self, const sb_agent_record_t *agent, const sb_snapshot_request_t *request,
                                 sb_scope_t *scope)
{
    sb_text_t *texts;
    uint32_t count = agent->interest_count;
    if (request->interest_count > SB_SNAPSHOT_INTERESTS_MAX)
        return SB_REASON_TOO_MANY_INTERESTS;
    if (request->interest_count) {
        sb_registration_t asked = {.interests = request->interests, .interest_count = request->interest_count};
        sb_reason_t reason = sb_interest_merge (self, &asked, &texts, &count);
        if (reason != SB_REASON_NONE)
            return reason;
    } else {
        texts = sb_core_take (self, count * sizeof *texts);
        for (uint32_t i = 0; i < count; i++)
            texts[i] = agent->interests[i].text;
    }
    return sb_scope_init (scope, &self->memory, texts, count) ? SB_REASON_NONE : SB_REASON_STORE_FULL;
}

static void s_emit_end (sb_core_t *self, const sb_agent_record_t *agent, const sb_snapshot_t *snapshot)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    sb_reason_t code = (sb_reason_t)snapshot->code;
    message.snapshot_end = (sb_snapshot_end_t){
        .snapshot_id = snapshot->id,
        .code = code,
        .text = code == SB_REASON_NONE ? (sb_text_t){NULL, 0} : sb_text (sb_reason_info (code)->text),
        .chunk_count = snapshot->progress.chunk_count,
        .field_count = snapshot->progress.field_count,
        .sequence = self->sequence,
        .state_hash = snapshot->progress.state_hash,
        .stream_id = self->identity.stream_id,
        .epoch = self->identity.epoch,
    };
    sb_core_emit_send (self, agent->peer, &message);
}

static uint32_t s_bounded_credit (uint64_t credit)
{
    return credit < SB_SNAPSHOT_CREDIT_MAX ? (uint32_t)credit : SB_SNAPSHOT_CREDIT_MAX;
}

void sb_snapshot_request (sb_core_t *self, sb_agent_record_t *agent, const sb_snapshot_request_t *request)
{
    sb_snapshot_drop (self, agent);
    agent->snapshot_id = request->snapshot_id;
    sb_core_counter_add (self, SB_COUNTER_snapshots, 1);
    sb_snapshot_t made = {
        .id = request->snapshot_id, .agent = agent->slot, .credit = s_bounded_credit (request->credit)};
    made.code = (uint16_t)s_make_scope (self, agent, request, &made.scope);
    uint32_t slot = sb_pool_take (&self->snapshots.pool);
    if (made.code != SB_REASON_NONE || !slot) {
        if (!slot)
            made.code = SB_REASON_STORE_FULL;
        sb_core_counter_add (self, SB_COUNTER_snapshots_refused, 1);
        self->refusals[made.code]++;
    }
    if (!slot) {
        sb_scope_fini (&made.scope, &self->memory);
        s_emit_end (self, agent, &made);
        return;
    }
    *s_at (self, slot) = made;
    agent->snapshot = slot;
    s_queue (self, slot);
}

void sb_snapshot_credit (sb_core_t *self, sb_agent_record_t *agent, const sb_snapshot_credit_t *credit)
{
    sb_snapshot_t *snapshot = agent->snapshot ? s_at (self, agent->snapshot) : NULL;
    if (!snapshot || snapshot->id != credit->snapshot_id) {
        bool is_late = credit->snapshot_id == agent->snapshot_id; /* sent before its reader had the end */
        sb_core_counter_add (self, SB_COUNTER_snapshot_credits_ignored, is_late ? 0 : 1);
        return;
    }
    if (credit->credit == 0) {
        s_release (self, agent->snapshot);
        return;
    }
    snapshot->credit = s_bounded_credit ((uint64_t)snapshot->credit + credit->credit);
    s_queue (self, agent->snapshot);
}

void sb_snapshot_chunk_refused (sb_core_t *self, uint64_t peer)
{
    const sb_agent_record_t *agent = sb_core_find_peer (self, peer);
    sb_snapshot_t *snapshot = agent && agent->snapshot ? s_at (self, agent->snapshot) : NULL;
    if (!snapshot || !snapshot->has_before)
        return;
    sb_core_counter_add (self, SB_COUNTER_snapshot_chunks_refused, 1);
    if (snapshot->progress.chunk_count > snapshot->before.chunk_count)
        snapshot->credit = s_bounded_credit ((uint64_t)snapshot->credit + 1);
    snapshot->progress = snapshot->before;
    snapshot->has_before = false;
    snapshot->retry_ns = self->now_ns + SB_SNAPSHOT_RETRY_MS * SB_MS;
    s_unlink (self, agent->snapshot);
    s_append (self, agent->snapshot, SB_SNAPSHOT_HELD);
}

void sb_snapshot_field_removed (sb_core_t *self, uint32_t field)
{
    if (!sb_field_at (self, field)->is_walked)
        return;
    sb_state_hash_field_removed (self, field);
    for (uint32_t slot = 1; slot <= self->snapshots.pool.high; slot++) {
        sb_snapshot_t *snapshot = s_at (self, slot);
        if (!snapshot->agent)
            continue;
        sb_walk_field_removed (self, &snapshot->progress.place, field);
        sb_walk_field_removed (self, &snapshot->before.place, field);
    }
}

/* ---- slices */

/* A chunk being made. */
typedef struct {
    sb_snapshot_field_t *fields; /* room for SB_SLICE_FIELDS */
    sb_snapshot_topic_t *topics; /* room for SB_SLICE_TOPICS, and one that was entered before */
    uint32_t field_count;
    uint32_t topic_count;
    uint64_t bytes;       /* that it takes at most */
    uint64_t limit_bytes; /* that it may take, but for a single field */
} s_chunk_t;

static bool s_has_room (const s_chunk_t *chunk, uint64_t bytes)
{
    return chunk->bytes + bytes <= chunk->limit_bytes;
}

/* Adds the topic's head, without fields. */
static void s_add_topic (s_chunk_t *chunk, const sb_topic_t *topic)
{
    chunk->bytes += sb_snapshot_topic_bound (sb_topic_text (topic));
    chunk->topics[chunk->topic_count++] = (sb_snapshot_topic_t){
        .topic = sb_topic_text (topic),
        .sequence = topic->head.sequence,
        .category_sequence = topic->head.category_sequence,
        .topic_sequence = topic->topic_sequence,
        .quality = (sb_quality_t)topic->quality,
        .cause = (sb_cause_t)topic->cause,
        .fields = chunk->fields + chunk->field_count,
    };
}

/* Adds fields of the topic added last until there are no more, or no room. True: no more. */
static bool s_add_fields (const sb_core_t *self, s_chunk_t *chunk, sb_snapshot_progress_t *progress)
{
    sb_snapshot_topic_t *topic = &chunk->topics[chunk->topic_count - 1];
    while (progress->place.field) {
        const sb_field_t *field = sb_field_at (self, progress->place.field);
        sb_value_t value = sb_core_value (&field->value);
        uint64_t bytes = sb_snapshot_field_bound (sb_field_text (field), &value);
        bool is_alone = chunk->field_count == 0 && chunk->topic_count == 1;
        if (chunk->field_count == SB_SLICE_FIELDS || (!is_alone && !s_has_room (chunk, bytes)))
            return false;
        chunk->bytes += bytes;
        chunk->fields[chunk->field_count++] =
            (sb_snapshot_field_t){sb_field_text (field), value, field->sequence, field->changed_unix_ns};
        topic->field_count++;
        progress->state_hash +=
            sb_state_hash_field (topic->topic, sb_field_text (field), &value, topic->quality, field->sequence);
        sb_walk_past_field (self, &progress->place);
    }
    return true;
}

/* Walks on until the chunk is full, enough was looked at, or all is walked. */
static void s_fill (const sb_core_t *self, const sb_scope_t *scope, sb_snapshot_progress_t *progress, s_chunk_t *chunk)
{
    uint32_t budget = SB_SLICE_TOPICS;
    bool is_entered = false;
    for (uint32_t slot; (slot = sb_walk_topic (self, scope, &progress->place, &budget, &is_entered)) != 0;) {
        const sb_topic_t *topic = sb_topic_at (self, slot);
        if (chunk->topic_count > 0 && !s_has_room (chunk, sb_snapshot_topic_bound (sb_topic_text (topic)))) {
            sb_walk_leave (&progress->place);
            break;
        }
        s_add_topic (chunk, topic);
        if (!s_add_fields (self, chunk, progress) || chunk->field_count == SB_SLICE_FIELDS)
            break;
    }
    progress->field_count += chunk->field_count;
    sb_walk_rest (self, &progress->place);
}

static uint64_t s_limit_bytes (const sb_core_t *self)
{
    uint64_t quarter = self->config.max_message_bytes / 4;
    return quarter < SB_SLICE_BYTES ? quarter : SB_SLICE_BYTES;
}

/* Sends the next chunk. False when the slice found nothing to send. */
static bool s_send_chunk (sb_core_t *self, const sb_agent_record_t *agent, sb_snapshot_t *snapshot)
{
    s_chunk_t chunk = {.bytes = SB_SNAPSHOT_CHUNK_BOUND, .limit_bytes = s_limit_bytes (self)};
    chunk.fields = sb_scratch_take (&self->scratch, SB_SLICE_FIELDS * sizeof *chunk.fields);
    chunk.topics = sb_scratch_take (&self->scratch, (SB_SLICE_TOPICS + 1) * sizeof *chunk.topics);
    s_fill (self, &snapshot->scope, &snapshot->progress, &chunk);
    if (chunk.topic_count == 0)
        return false;
    snapshot->credit--;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK};
    message.snapshot_chunk =
        (sb_snapshot_chunk_t){snapshot->id, ++snapshot->progress.chunk_count, chunk.topics, chunk.topic_count};
    sb_core_counter_add (self, SB_COUNTER_snapshot_chunks, 1);
    sb_core_emit_send (self, agent->peer, &message);
    return true;
}

bool sb_snapshot_has_work (const sb_core_t *self)
{
    return self->snapshots.ready_count > 0;
}

uint64_t sb_snapshot_deadline (const sb_core_t *self)
{
    uint32_t first = self->snapshots.held.first;
    return first ? s_at (self, first)->retry_ns : SB_NEVER;
}

void sb_snapshot_tick (sb_core_t *self)
{
    while (self->now_ns >= sb_snapshot_deadline (self)) {
        uint32_t slot = self->snapshots.held.first;
        s_unlink (self, slot);
        s_queue (self, slot);
    }
}

void sb_snapshot_slice (sb_core_t *self)
{
    uint32_t slot = self->snapshots.ready.first;
    if (!slot)
        return;
    sb_snapshot_t *snapshot = s_at (self, slot);
    const sb_agent_record_t *agent = sb_agent_at (self, snapshot->agent);
    s_unlink (self, slot);
    if (snapshot->progress.is_ended) {
        s_release (self, slot);
        return;
    }
    bool is_walked = s_is_walked (self, snapshot);
    if (!is_walked && snapshot->credit == 0)
        return; /* it was at its end when it got into the turn, and topics were made since: it waits for credit */
    snapshot->before = snapshot->progress;
    snapshot->has_before = true;
    if (is_walked) {
        s_emit_end (self, agent, snapshot);
        snapshot->progress.is_ended = true;
    } else
        snapshot->has_before = s_send_chunk (self, agent, snapshot);
    s_queue (self, slot);
}

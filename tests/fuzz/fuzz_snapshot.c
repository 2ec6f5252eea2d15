/* SPDX-License-Identifier: MPL-2.0
 *
 * The good agent takes a snapshot of everything after whatever an input did: chunks come within its credit and in
 * order, none is asked for twice, and what was sent is, by its hash, the core's whole state, as nothing else moves.
 */
#include "fuzz_stage.h"

#include "sb_names.h"
#include "sb_state_hash.h"

enum { TICKS_MAX = 10000, CREDIT = 3 };

void fuzz_snapshot_heard (fuzz_stage_t *self, const sb_broker_message_t *message)
{
    fuzz_snapshot_t *snapshot = &self->snapshot;
    if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        const sb_snapshot_end_t *end = &message->snapshot_end;
        FUZZ_CLAIM (end->snapshot_id == snapshot->id && !snapshot->is_whole);
        FUZZ_CLAIM (end->code == SB_REASON_NONE && end->chunk_count == snapshot->chunks);
        FUZZ_CLAIM (end->field_count == snapshot->fields && end->state_hash == snapshot->hash);
        snapshot->is_whole = true;
        return;
    }
    const sb_snapshot_chunk_t *chunk = &message->snapshot_chunk;
    FUZZ_CLAIM (chunk->snapshot_id == snapshot->id && chunk->number == ++snapshot->chunks);
    FUZZ_CLAIM (snapshot->credit-- > 0);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        snapshot->fields += topic->field_count;
        for (uint32_t j = 0; j < topic->field_count; j++)
            snapshot->hash += sb_state_hash_field (topic->topic, topic->fields[j].name, &topic->fields[j].value,
                                                   topic->quality, topic->fields[j].sequence);
    }
}

static void s_send (fuzz_stage_t *self, sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = FUZZ_GOOD_PEER;
    event.message.message = message;
    event.message.size = 20;
    fuzz_stage_step (self, &event);
}

void fuzz_stage_good_reads (fuzz_stage_t *self)
{
    fuzz_snapshot_t *snapshot = &self->snapshot;
    *snapshot = (fuzz_snapshot_t){.id = snapshot->id + 1, .credit = CREDIT};
    self->refuses_chunks = false;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    message.snapshot_request = (sb_snapshot_request_t){.snapshot_id = snapshot->id, .credit = CREDIT};
    s_send (self, &message);
    for (int i = 0; i < TICKS_MAX && !snapshot->is_whole; i++) {
        if (snapshot->credit == 0) {
            sb_agent_message_t more = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT};
            more.snapshot_credit = (sb_snapshot_credit_t){.snapshot_id = snapshot->id, .credit = CREDIT};
            snapshot->credit = CREDIT;
            s_send (self, &more);
        }
        fuzz_stage_tick (self);
    }
    FUZZ_CLAIM (snapshot->is_whole);
}

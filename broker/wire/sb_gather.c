/* SPDX-License-Identifier: MPL-2.0 */
#include "sb_gather.h"

#include <assert.h>
#include <string.h>

/* A publication has no more octets than the messages it comes from, but for its head: so they have a message's bound.
 */
static size_t s_bytes_max (size_t max_bytes)
{
    return max_bytes < SB_GATHER_BYTES ? max_bytes : SB_GATHER_BYTES;
}

bool sb_gather_must_end (const sb_gather_t *self, uint64_t peer, size_t size, size_t max_bytes)
{
    return self->message_count > 0 && (self->peer != peer || self->delta_count == SB_GATHER_DELTAS ||
                                       self->bytes + size > s_bytes_max (max_bytes));
}

bool sb_gather_add (sb_gather_t *self, uint64_t peer, const sb_agent_message_t *message, size_t size, size_t max_bytes)
{
    assert (!sb_gather_must_end (self, peer, size, max_bytes));
    const uint32_t room = SB_GATHER_DELTAS - self->delta_count;
    if (message->kind != SB_AGENT_MESSAGE_BATCH || message->batch.delta_count > SB_GATHER_SMALL ||
        message->batch.delta_count > room || size > s_bytes_max (max_bytes))
        return false;
    const sb_batch_t *batch = &message->batch;
    memcpy (&self->deltas[self->delta_count], batch->deltas, batch->delta_count * sizeof *batch->deltas);
    self->peer = peer;
    self->bytes += (uint32_t)size;
    self->delta_count += batch->delta_count;
    self->delta_counts[self->message_count++] = batch->delta_count;
    return true;
}

/* The place of the peer; `count` when it has none. */
static uint32_t s_place (const uint64_t *peers, uint32_t count, uint64_t peer)
{
    uint32_t place = 0;
    while (place < count && peers[place] != peer)
        place++;
    return place;
}

void sb_gather_turn_note (sb_gather_turn_t *self, uint64_t peer)
{
    if (s_place (self->peers, self->peer_count, peer) < self->peer_count)
        self->repeats++;
    else if (self->peer_count < SB_GATHER_AGENTS)
        self->peers[self->peer_count++] = peer;
}

bool sb_gathers_must_end (const sb_gathers_t *self, uint64_t peer, size_t size, size_t max_bytes)
{
    const uint32_t place = s_place (self->peers, self->count, peer);
    return self->delta_count >= SB_GATHER_ALL_DELTAS || place == SB_GATHER_AGENTS ||
           (self->count > 0 && self->bytes + size > SB_GATHER_ALL_BYTES) ||
           (place < self->count && sb_gather_must_end (&self->batches[place], peer, size, max_bytes));
}

bool sb_gathers_add (sb_gathers_t *self, uint64_t peer, const sb_agent_message_t *message, size_t size,
                     size_t max_bytes)
{
    const uint32_t place = s_place (self->peers, self->count, peer);
    assert (place < SB_GATHER_AGENTS);
    if (!sb_gather_add (&self->batches[place], peer, message, size, max_bytes))
        return false;
    self->delta_count += message->batch.delta_count;
    self->bytes += (uint32_t)size;
    self->peers[place] = peer;
    self->count += place == self->count;
    return true;
}

void sb_gathers_clear (sb_gathers_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        sb_gather_clear (&self->batches[i]);
    self->count = self->delta_count = self->bytes = 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Gathering what waits: see sb_gather.h.
 */
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
    return self->message_count > 0 && (self->peer != peer || self->delta_count >= SB_GATHER_DELTAS ||
                                       self->bytes + size > s_bytes_max (max_bytes));
}

static uint32_t s_change_count (const sb_batch_t *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->delta_count; i++)
        count += batch->deltas[i].update.change_count;
    return count;
}

bool sb_gather_add (sb_gather_t *self, uint64_t peer, const sb_agent_message_t *message, size_t size, size_t max_bytes)
{
    assert (!sb_gather_must_end (self, peer, size, max_bytes));
    if (message->kind != SB_AGENT_MESSAGE_BATCH || message->batch.delta_count > SB_GATHER_SMALL ||
        size > s_bytes_max (max_bytes))
        return false;
    const sb_batch_t *batch = &message->batch;
    const uint32_t change_count = s_change_count (batch);
    if (change_count > SB_GATHER_SMALL_CHANGES)
        return false;
    memcpy (&self->deltas[self->delta_count], batch->deltas, batch->delta_count * sizeof *batch->deltas);
    self->peer = peer;
    self->bytes += (uint32_t)size;
    self->change_count += change_count;
    self->delta_count += batch->delta_count;
    self->delta_counts[self->message_count++] = batch->delta_count;
    return true;
}

/* ---------------------------------------------------------------- several agents */

uint32_t sb_gathers_hear (sb_gathers_t *self, uint64_t peer)
{
    uint32_t place = 0;
    while (place < self->peer_count && self->peers[place] != peer)
        place++;
    if (place < self->peer_count)
        self->repeats++;
    else if (place < SB_GATHER_AGENTS)
        self->peers[self->peer_count++] = peer;
    self->is_gathering |= self->repeats >= SB_GATHER_REPEATS;
    return place;
}

bool sb_gathers_must_end (const sb_gathers_t *self, uint32_t place, size_t size, size_t max_bytes)
{
    return self->message_count > 0 &&
           (place == SB_GATHER_AGENTS || self->delta_count >= SB_GATHER_ALL_DELTAS ||
            self->change_count >= SB_GATHER_ALL_CHANGES || self->bytes + size > SB_GATHER_ALL_BYTES ||
            sb_gather_must_end (&self->batches[place], self->peers[place], size, max_bytes));
}

bool sb_gathers_add (sb_gathers_t *self, uint32_t place, const sb_agent_message_t *message, size_t size,
                     size_t max_bytes)
{
    assert (place < self->peer_count);
    sb_gather_t *batch = &self->batches[place];
    const uint32_t changes_before = batch->change_count;
    if (!sb_gather_add (batch, self->peers[place], message, size, max_bytes))
        return false;
    self->message_count++;
    self->delta_count += message->batch.delta_count;
    self->change_count += batch->change_count - changes_before;
    self->bytes += (uint32_t)size;
    return true;
}

void sb_gathers_take (sb_gathers_t *self)
{
    if (self->message_count == 0)
        return;
    for (uint32_t i = 0; i < self->peer_count; i++) {
        if (self->batches[i].message_count > 0)
            self->shell.step_batch (self->shell.context, &self->batches[i]);
        sb_gather_clear (&self->batches[i]);
    }
    self->message_count = self->delta_count = self->change_count = self->bytes = 0;
    self->peer_count = 0;
}

void sb_gathers_end_turn (sb_gathers_t *self)
{
    sb_gathers_take (self);
    self->is_gathering = self->repeats >= SB_GATHER_REPEATS;
    self->repeats = self->peer_count = 0;
}

void sb_gathers_read (sb_gathers_t *self, uint64_t peer, const void *data, size_t size, size_t max_bytes)
{
    const sb_gather_shell_t *shell = &self->shell;
    uint32_t place = sb_gathers_hear (self, peer);
    if (sb_gathers_must_end (self, place, size, max_bytes)) {
        sb_gathers_take (self);
        place = sb_gathers_hear (self, peer);
    }
    if (self->message_count == 0)
        sb_arena_reset (shell->arena);
    sb_agent_message_t message;
    const sb_fault_t fault = sb_decode_agent_message (shell->arena, data, size, max_bytes, &message);
    const bool is_good = fault.reason == SB_REASON_NONE;
    if (is_good && self->is_gathering && place < SB_GATHER_AGENTS &&
        sb_gathers_add (self, place, &message, size, max_bytes))
        return;
    sb_gathers_take (self);
    if (is_good)
        shell->step_message (shell->context, peer, &message, (uint32_t)size);
    else
        shell->step_fault (shell->context, peer, fault, (uint32_t)size);
}

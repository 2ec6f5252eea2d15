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
    if (message->kind != SB_AGENT_MESSAGE_BATCH || message->batch.delta_count > room || size > s_bytes_max (max_bytes))
        return false;
    const sb_batch_t *batch = &message->batch;
    memcpy (&self->deltas[self->delta_count], batch->deltas, batch->delta_count * sizeof *batch->deltas);
    self->peer = peer;
    self->bytes += (uint32_t)size;
    self->delta_count += batch->delta_count;
    self->delta_counts[self->message_count++] = batch->delta_count;
    return true;
}

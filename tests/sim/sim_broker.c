/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's shell in the simulator: reads what arrived, steps the core, carries out effects in order. What it may
 * do is what broker/live does: STORED before any other event, PEER_LOST after a refused send, FLUSH at the end of a
 * turn, ticks after the input was drained; messages that wait one behind the other are gathered from the first on in
 * some turns, in others once that pays. Its disk keeps the control state over a crash, as the real store does.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* So much of a slab is filled, so that reading what was never written gives the same each time; all of it takes long.
 */
enum { FILLED_BYTES = 16384 };
enum { DOWN_MS = 15000, TURN_MESSAGES = 400, TURN_TICKS = 3, LINK_NOTICE_MS = 300 };

static void *s_allocate (void *context, size_t size)
{
    ((sim_t *)context)->allocated += size;
    void *memory = aligned_alloc (16, (size + 15) & ~(size_t)15);
    assert (memory);
    memset (memory, 0xa5, size < FILLED_BYTES ? size : FILLED_BYTES);
    return memory;
}

static void s_release (void *context, void *memory, size_t size)
{
    ((sim_t *)context)->allocated -= size;
    free (memory);
}

static void s_store (sim_t *self, const sb_control_state_t *state)
{
    bool is_refused = !self->is_healing && sim_chance (self, self->options.store_fails_percent);
    self->store_pending = true;
    self->store_durable = !is_refused;
    if (is_refused) {
        sim_note_fault (self, SIM_FAULT_store_failed);
        return;
    }
    sim_disk_t *disk = &self->disk;
    uint32_t count = state->operator_count;
    disk->operators = realloc (disk->operators, (count + 1) * sizeof *disk->operators);
    disk->ids = realloc (disk->ids, (count + 1) * sizeof *disk->ids);
    assert (disk->operators && disk->ids);
    disk->state = *state;
    disk->state.issuer = disk->state.reason = sb_text ("kept");
    disk->state.operators = disk->operators;
    for (uint32_t i = 0; i < count; i++) {
        sb_text_t id = state->operators[i].agent_id;
        memcpy (disk->ids[i], id.data, id.size);
        disk->operators[i] = state->operators[i];
        disk->operators[i].agent_id = (sb_text_t){disk->ids[i], id.size};
        disk->operators[i].issuer = disk->operators[i].reason = sb_text ("kept");
    }
}

static void s_lose_peer (sim_t *self, uint64_t peer)
{
    if (self->lost_peer_count == self->lost_peer_capacity) {
        self->lost_peer_capacity = self->lost_peer_capacity * 2 + 16;
        self->lost_peers = realloc (self->lost_peers, self->lost_peer_capacity * sizeof *self->lost_peers);
        assert (self->lost_peers);
    }
    self->lost_peers[self->lost_peer_count++] = peer;
}

/* A chunk that the ROUTER does not take ends no session: the core makes it again. True when it is lost. */
static bool s_lose_chunk (sim_t *self, const sim_connection_t *connection, const sb_broker_message_t *message,
                          uint64_t peer)
{
    if (message->kind != SB_BROKER_MESSAGE_SNAPSHOT_CHUNK && message->kind != SB_BROKER_MESSAGE_SNAPSHOT_END)
        return false;
    bool is_gone = !connection || (!connection->is_open && self->now_ns >= connection->noticed_ns);
    bool is_full = connection && sim_line_count (&connection->down) >= self->options.router_queue;
    bool is_unlucky = !self->is_healing && sim_chance_ppm (self, self->options.chunk_refused_ppm);
    if (!is_gone && !is_full && !is_unlucky)
        return false;
    if (!is_gone)
        sim_note_fault (self, SIM_FAULT_chunk_refused);
    if (self->refused_chunk_peer)
        sim_fail (self, "two chunks in one step");
    self->refused_chunk_peer = peer;
    return true;
}

static void s_send (sim_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena_out);
    size_t size = sb_encode_broker_message (self->arena_out, message, &encoding);
    if (size == 0)
        sim_fail (self, "a message of the broker cannot be encoded");
    sim_connection_t *connection = sim_network_find (self, peer);
    if (s_lose_chunk (self, connection, message, peer))
        return;
    if (!connection || (!connection->is_open && self->now_ns >= connection->noticed_ns)) {
        s_lose_peer (self, peer);
        return;
    }
    if (!self->is_healing && sim_chance_ppm (self, self->options.broker_refused_ppm)) {
        sim_note_fault (self, SIM_FAULT_broker_send_refused);
        s_lose_peer (self, peer);
        return;
    }
    if (!connection->is_open)
        return;
    sim_frame_t frame = {self->now_ns + sim_network_delay_ns (self), sim_octets_new (NULL, (uint32_t)size)};
    sb_encoding_write (encoding, frame.octets->data);
    sim_mix (self, frame.octets->data, size);
    sim_line_add (&connection->down, frame);
}

static void s_perform (sim_t *self, const sb_effect_t *effect)
{
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        s_store (self, effect->store);
        break;
    case SB_EFFECT_SEND:
        s_send (self, effect->send.peer, effect->send.message);
        break;
    case SB_EFFECT_PUBLISH:
        sim_pubsub_publish (self, effect->publish);
        break;
    case SB_EFFECT_REPLY:
        sim_say (self, "broker: reply %d %.*s", (int)effect->reply.reply->code, (int)effect->reply.reply->message.size,
                 effect->reply.reply->message.data);
        break;
    case SB_EFFECT_LOG:
        sim_say (self, "broker: %.*s %.*s %.*s", (int)effect->log->event.size, effect->log->event.data,
                 (int)effect->log->agent_id.size, effect->log->agent_id.data, (int)effect->log->text.size,
                 effect->log->text.data);
        break;
    case SB_EFFECT_AUDIT:
        break;
    }
}

static void s_step (sim_t *self, sb_event_t *event)
{
    sb_effects_t effects;
    event->monotonic_ns = self->now_ns;
    event->unix_ns = sim_unix_ns (self);
    self->events++;
    sim_check_before (self, event);
    sb_core_step (self->core, event, &effects);
    sim_check_step (self, event, &effects);
    for (uint32_t i = 0; i < effects.count; i++)
        s_perform (self, &effects.items[i]);
}

void sim_broker_step (sim_t *self, sb_event_t *event)
{
    s_step (self, event);
    while (self->store_pending || self->lost_peer_count || self->refused_chunk_peer) {
        sb_event_t next = {.kind = SB_EVENT_STORED};
        if (self->store_pending) {
            self->store_pending = false;
            next.stored.durable = self->store_durable;
        } else if (self->refused_chunk_peer) {
            next.kind = SB_EVENT_CHUNK_REFUSED;
            next.chunk_refused.peer = self->refused_chunk_peer;
            self->refused_chunk_peer = 0;
        } else {
            next.kind = SB_EVENT_PEER_LOST;
            next.peer_lost.peer = self->lost_peers[--self->lost_peer_count];
        }
        s_step (self, &next);
    }
}

void sim_broker_start (sim_t *self)
{
    sb_allocator_t allocator = {s_allocate, s_release, self};
    self->broker_starts++;
    sim_say (self, "BROKER starts");
    sb_core_identity_t identity = {.stream_id = 1000 + self->broker_starts,
                                   .epoch = self->broker_starts,
                                   .hash_seed = self->seed * 77 + 5,
                                   .session_seed = self->broker_starts * 1000000};
    self->core = sb_core_new (&self->config, &identity, &allocator, self->now_ns, sim_unix_ns (self));
    assert (self->core);
    sim_check_start (self);
    sb_event_t event = {.kind = SB_EVENT_RESTORE, .restore = &self->disk.state};
    sim_broker_step (self, &event);
}

void sim_broker_free (sim_t *self)
{
    sb_core_destroy (&self->core);
    if (self->allocated)
        sim_fail (self, "the core kept %zu octets", self->allocated);
}

void sim_broker_stop (sim_t *self, bool politely)
{
    sim_say (self, "BROKER stops %s", politely ? "politely" : "dead");
    if (politely) {
        sb_event_t event = {.kind = SB_EVENT_SHUTDOWN};
        sim_broker_step (self, &event);
    }
    sim_broker_free (self);
    self->broker_down_until_ns = self->now_ns + (1 + sim_below (self, DOWN_MS)) * SIM_MS;
    for (uint32_t i = 0; i < self->connection_high; i++)
        if (self->connections[i].is_used)
            sim_line_clear (&self->connections[i].up);
    sim_pubsub_stop (self);
    for (uint32_t i = 0; i < self->process_count; i++) {
        sim_process_t *process = &self->processes[i];
        if (!process->is_running || !process->connection)
            continue;
        process->link_pending = true;
        process->link_up = false;
        process->link_at_ns = self->now_ns + sim_below (self, LINK_NOTICE_MS) * SIM_MS;
    }
}

static void s_step_batch (void *context, const sb_gather_t *batch)
{
    sim_t *self = context;
    const sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH,
                                        .batch = {.deltas = batch->deltas, .delta_count = batch->delta_count}};
    sb_event_t event = {.kind = SB_EVENT_MESSAGE, .message = {batch->peer, &message, batch->bytes, NULL, 0}};
    if (batch->message_count > 1) {
        sim_note_fault (self, SIM_FAULT_gathered);
        event.message.delta_counts = batch->delta_counts;
        event.message.message_count = batch->message_count;
    }
    self->frames_stepped += batch->message_count;
    uint32_t delta_count = 0;
    for (uint32_t i = 0; i < batch->message_count; i++)
        delta_count += batch->delta_counts[i];
    if (delta_count != batch->delta_count)
        sim_fail (self, "%u deltas are gathered, %u were read", batch->delta_count, delta_count);
    sim_broker_step (self, &event);
}

static void s_step_message (void *context, uint64_t peer, const sb_agent_message_t *message, uint32_t size)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE, .message = {peer, message, size, NULL, 0}};
    ((sim_t *)context)->frames_stepped++;
    sim_broker_step (context, &event);
}

static void s_step_fault (void *context, uint64_t peer, sb_fault_t fault, uint32_t size)
{
    sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
    event.bad_message.peer = peer;
    event.bad_message.reason = fault.reason;
    event.bad_message.text = fault.text;
    event.bad_message.size = size;
    ((sim_t *)context)->frames_stepped++;
    sim_broker_step (context, &event);
}

static void s_read (sim_t *self, sim_connection_t *connection)
{
    sim_frame_t frame = sim_line_take (&connection->up);
    self->frames_read++;
    sb_gathers_read (&self->gathers, connection->peer, frame.octets->data, frame.octets->size,
                     self->config.max_message_bytes);
    sim_octets_release (frame.octets);
    self->checks++;
    if (self->frames_read != self->frames_stepped + self->gathers.message_count)
        sim_fail (self, "%" PRIu64 " messages were read, %" PRIu64 " are handled, %u gathered", self->frames_read,
                  self->frames_stepped, self->gathers.message_count);
}

/* The connection whose next frame came first; of several at once any. */
static sim_connection_t *s_first_due (sim_t *self)
{
    sim_connection_t *best = NULL;
    uint64_t best_ns = self->now_ns;
    for (uint32_t i = 0; i < self->connection_high; i++) {
        sim_connection_t *connection = &self->connections[i];
        if (!connection->is_used)
            continue;
        uint64_t next_ns = sim_line_next_ns (&connection->up);
        if (next_ns < best_ns || (next_ns == best_ns && (!best || sim_chance (self, 30)))) {
            best = connection;
            best_ns = next_ns;
        }
    }
    return best;
}

void sim_broker_run (sim_t *self)
{
    if (!self->core || self->now_ns < self->broker_held_until_ns)
        return;
    bool is_idle = sim_pubsub_next_ns (self) > self->now_ns;
    if (!is_idle)
        sim_pubsub_read (self);
    self->gathers.shell = (sb_gather_shell_t){self->arena_in, self, s_step_batch, s_step_message, s_step_fault};
    self->gathers.is_gathering = sim_chance (self, self->options.gather_percent);
    for (int i = 0; i < TURN_MESSAGES; i++) {
        sim_connection_t *connection = s_first_due (self);
        if (!connection)
            break;
        is_idle = false;
        s_read (self, connection);
        sb_event_t flush = {.kind = SB_EVENT_FLUSH};
        if (self->gathers.message_count == 0 && sim_chance (self, 30))
            sim_broker_step (self, &flush);
    }
    sb_gathers_end_turn (&self->gathers);
    if (is_idle && self->now_ns < sb_core_deadline (self->core))
        return;
    sb_event_t flush = {.kind = SB_EVENT_FLUSH};
    sim_broker_step (self, &flush);
    for (int i = 0; i < TURN_TICKS && self->now_ns >= sb_core_deadline (self->core); i++) {
        sb_event_t tick = {.kind = SB_EVENT_TICK};
        sim_broker_step (self, &tick);
    }
    sb_event_t again = {.kind = SB_EVENT_FLUSH};
    sim_broker_step (self, &again);
}

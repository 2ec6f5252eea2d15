/* SPDX-License-Identifier: MPL-2.0
 *
 * The network in virtual time: DEALER and ROUTER. A connection is two lines of frames, each in order; connections know
 * nothing of each other, so what an old one still holds may arrive beside what the new one brings. PUB and SUB are in
 * sim_pubsub.c. Octets are counted references: one publication is encoded once, however many subscribers it has.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GHOST_MS = 2000, NOTICE_MS = 3000, LATE_MS = 800 };

sim_octets_t *sim_octets_new (const void *data, uint32_t size)
{
    sim_octets_t *self = malloc (sizeof *self + size);
    assert (self);
    self->references = 1;
    self->size = size;
    self->arena = NULL;
    if (data && size)
        memcpy (self->data, data, size);
    return self;
}

void sim_octets_release (sim_octets_t *self)
{
    if (--self->references)
        return;
    sb_arena_destroy (&self->arena);
    free (self);
}

void sim_line_add (sim_line_t *self, sim_frame_t frame)
{
    if (frame.at_ns < self->last_ns)
        frame.at_ns = self->last_ns;
    self->last_ns = frame.at_ns;
    if (self->first == self->count)
        self->first = self->count = 0;
    if (self->count == self->capacity) {
        self->capacity = self->capacity * 2 + 16;
        self->items = realloc (self->items, self->capacity * sizeof *self->items);
        assert (self->items);
    }
    self->items[self->count++] = frame;
}

sim_frame_t sim_line_take (sim_line_t *self)
{
    assert (self->first < self->count);
    return self->items[self->first++];
}

void sim_line_keep (sim_line_t *self, uint32_t count)
{
    while (self->count > self->first + count)
        sim_octets_release (self->items[--self->count].octets);
}

void sim_line_clear (sim_line_t *self)
{
    sim_line_keep (self, 0);
    free (self->items);
    memset (self, 0, sizeof *self);
}

sim_connection_t *sim_network_connect (sim_t *self)
{
    uint32_t slot = 0;
    while (slot < self->connection_high && self->connections[slot].is_used)
        slot++;
    assert (slot < SIM_CONNECTIONS_MAX);
    if (slot == self->connection_high)
        self->connection_high++;
    sim_connection_t *connection = &self->connections[slot];
    *connection = (sim_connection_t){.is_used = true, .is_open = true, .peer = ++self->next_peer};
    return connection;
}

sim_connection_t *sim_network_find (sim_t *self, uint64_t peer)
{
    for (uint32_t i = 0; i < self->connection_high; i++)
        if (self->connections[i].is_used && self->connections[i].peer == peer)
            return &self->connections[i];
    return NULL;
}

void sim_network_close (sim_t *self, sim_connection_t *connection)
{
    connection->is_open = false;
    connection->noticed_ns = self->now_ns + (sim_chance (self, 50) ? 0 : sim_below (self, NOTICE_MS)) * SIM_MS;
    sim_line_clear (&connection->down);
    sim_line_t *up = &connection->up;
    if (sim_chance (self, 50)) {
        sim_line_keep (up, sim_below (self, up->count - up->first + 1));
    } else if (!self->is_healing && sim_chance (self, 30) && up->first < up->count) {
        sim_note_fault (self, SIM_FAULT_ghost);
        for (uint32_t i = up->first; i < up->count; i++)
            up->items[i].at_ns += GHOST_MS * SIM_MS;
    }
}

void sim_network_reap (sim_t *self)
{
    for (uint32_t i = 0; i < self->connection_high; i++) {
        sim_connection_t *connection = &self->connections[i];
        if (!connection->is_used || connection->is_open || connection->up.first < connection->up.count)
            continue;
        if (self->now_ns < connection->noticed_ns)
            continue;
        sim_line_clear (&connection->up);
        sim_line_clear (&connection->down);
        connection->is_used = false;
    }
}

uint64_t sim_network_delay_ns (sim_t *self)
{
    uint64_t delay_ns = sim_below (self, 5) * SIM_MS;
    if (!self->is_healing && sim_chance_ppm (self, self->options.delayed_ppm)) {
        sim_note_fault (self, SIM_FAULT_message_delayed);
        delay_ns += sim_below (self, LATE_MS) * SIM_MS;
    }
    return delay_ns;
}

void sim_network_to_broker (sim_t *self, sim_connection_t *connection, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena_out);
    size_t size = sb_encode_agent_message (self->arena_out, message, &encoding);
    if (size == 0)
        sim_fail (self, "a message of an agent cannot be encoded");
    sim_frame_t frame = {self->now_ns + sim_network_delay_ns (self), sim_octets_new (NULL, (uint32_t)size)};
    sb_encoding_write (encoding, frame.octets->data);
    sim_mix (self, frame.octets->data, size);
    bool is_batch = message->kind == SB_AGENT_MESSAGE_BATCH;
    if (is_batch && !self->is_healing && sim_chance_ppm (self, self->options.repeated_ppm)) {
        sim_note_fault (self, SIM_FAULT_message_repeated);
        frame.octets->references++;
        sim_line_add (&connection->up, frame);
    }
    sim_line_add (&connection->up, frame);
}

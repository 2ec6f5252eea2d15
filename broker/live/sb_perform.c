/* SPDX-License-Identifier: MPL-2.0
 *
 * Stepping the core and carrying out its effects, in their order. Effects live until the next step, so what a send or a
 * store gives rise to (STORED, PEER_LOST, CHUNK_REFUSED) is noted and stepped once the list is done: STORED first. That
 * ends: a session can be lost only once, and a chunk that came back is sent again by a tick.
 */
#define _GNU_SOURCE
#include "sb_clock.h"
#include "sb_reactor_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_NS = 50 * 1000 * 1000 };

uint64_t sb_reactor_clock (sb_reactor_t *self)
{
    const uint64_t now_ns = sb_clock_monotonic_ns ();
    /* A deadline in the past is work left over; then only time lost since the last look counts as lateness. */
    const uint64_t due_ns = self->deadline_ns > self->clock_ns ? self->deadline_ns : self->clock_ns;
    if (self->core && now_ns >= due_ns + LATE_NS && now_ns - due_ns > self->held_up_ns)
        self->held_up_ns = now_ns - due_ns;
    self->clock_ns = now_ns;
    return now_ns;
}

/* ---------------------------------------------------------------- sending */

/* The frame that an encoder made; false when the arena was too small or there is no memory. */
static bool s_make_frame (zmq_msg_t *frame, const sb_encoding_t *encoding, size_t size)
{
    if (size == 0 || zmq_msg_init_size (frame, size) != 0)
        return false;
    sb_encoding_write (encoding, zmq_msg_data (frame));
    return true;
}

void sb_reactor_complain (sb_reactor_t *self, sb_severity_t severity, const char *event, const char *what)
{
    sb_log_line (self->log, &(sb_log_line_t){.severity = severity, .event = sb_text (event), .text = sb_text (what)},
                 sb_clock_unix_ns (), self->clock_ns);
}

/* The routing id of a peer: the 5 octets that the ROUTER made, packed, or the foreign one. */
static uint32_t s_unpack (const sb_reactor_t *self, uint64_t peer, uint8_t *routing_id)
{
    if (peer == SB_FOREIGN_PEER) {
        memcpy (routing_id, self->foreign_id, self->foreign_id_size);
        return self->foreign_id_size;
    }
    routing_id[0] = 0;
    for (int i = 0; i < 4; i++)
        routing_id[1 + i] = (uint8_t)(peer >> (24 - 8 * i));
    return SB_ROUTING_ID_OCTETS;
}

static void s_note (sb_reactor_peers_t *peers, uint64_t peer)
{
    if (peer == SB_FOREIGN_PEER)
        return;
    if (peers->count == peers->capacity) {
        peers->capacity = peers->capacity * 2 + 64;
        peers->items = realloc (peers->items, peers->capacity * sizeof *peers->items);
        assert (peers->items);
    }
    peers->items[peers->count++] = peer;
}

/* A refused part of a snapshot is made again later; anything else that is refused ends the session. */
static void s_note_refused (sb_reactor_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    bool is_snapshot =
        message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK || message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END;
    s_note (is_snapshot && errno == EAGAIN ? &self->refused : &self->lost, peer);
}

static void s_send (sb_reactor_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    void *socket = self->sockets.sockets[SB_SOCKET_INGRESS].socket;
    uint8_t routing_id[SB_FOREIGN_ID_MAX];
    sb_encoding_t *encoding;
    zmq_msg_t frame;
    size_t size = sb_encode_broker_message (self->encode_arena, message, &encoding);
    if (!s_make_frame (&frame, encoding, size)) {
        sb_reactor_complain (self, SB_SEVERITY_ERROR, "ENCODING",
                             "a message to an agent could not be encoded: its session ends");
        s_note (&self->lost, peer);
        return;
    }
    const uint32_t id_size = s_unpack (self, peer, routing_id);
    sb_inputs_set_open (&self->inputs, SB_SOCKET_INGRESS);
    if (zmq_send (socket, routing_id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_msg_send (&frame, socket, ZMQ_DONTWAIT) >= 0)
        return;
    s_note_refused (self, peer, message);
    zmq_msg_close (&frame);
}

static void s_publish (sb_reactor_t *self, const sb_publication_t *publication)
{
    sb_encoding_t *encoding;
    zmq_msg_t frame;
    size_t size = sb_encode_publication (self->encode_arena, publication, &encoding);
    if (!s_make_frame (&frame, encoding, size)) {
        sb_reactor_complain (self, SB_SEVERITY_ERROR, "ENCODING",
                             "a publication could not be encoded: its readers see the gap");
        self->publish_refused++;
        return;
    }
    sb_inputs_set_open (&self->inputs, SB_SOCKET_PUBLISH);
    if (zmq_msg_send (&frame, self->sockets.sockets[SB_SOCKET_PUBLISH].socket, ZMQ_DONTWAIT) >= 0)
        return;
    zmq_msg_close (&frame);
    self->publish_refused++;
}

/* The frames before the body, as they came. */
static bool s_send_envelope (void *socket, const sb_envelope_t *envelope)
{
    const uint8_t *octets = envelope->octets;
    for (uint32_t i = 0; i < envelope->frame_count; i++) {
        if (zmq_send (socket, octets, envelope->frame_sizes[i], ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
            return false;
        octets += envelope->frame_sizes[i];
    }
    return !envelope->has_delimiter || zmq_send (socket, NULL, 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
}

void sb_reactor_reply (sb_reactor_t *self, const sb_envelope_t *envelope, const sb_command_reply_t *reply)
{
    void *socket = self->sockets.sockets[SB_SOCKET_COMMAND].socket;
    sb_encoding_t *encoding;
    zmq_msg_t frame;
    sb_arena_reset (self->encode_arena);
    size_t size = sb_encode_command_reply (self->encode_arena, reply, &encoding);
    if (size == 0) {
        const sb_command_reply_t shorter = {.command_id = reply->command_id,
                                            .code = SB_REASON_TOO_LARGE,
                                            .message = sb_text ("the reply is too large: ask for less with limit")};
        sb_arena_reset (self->encode_arena);
        size = sb_encode_command_reply (self->encode_arena, &shorter, &encoding);
    }
    if (!s_make_frame (&frame, encoding, size)) {
        sb_reactor_complain (self, SB_SEVERITY_ERROR, "ENCODING",
                             "a reply could not be encoded: the asker runs into its timeout");
        return;
    }
    sb_inputs_set_open (&self->inputs, SB_SOCKET_COMMAND);
    if (s_send_envelope (socket, envelope) && zmq_msg_send (&frame, socket, ZMQ_DONTWAIT) >= 0)
        return;
    zmq_msg_close (&frame);
    self->replies_undelivered++;
}

/* ---------------------------------------------------------------- effects */

static void s_store (sb_reactor_t *self, const sb_control_state_t *state)
{
    self->is_durable = sb_control_file_save (self->control_file, state, self->epoch);
    self->is_stored_pending = true;
    if (!self->is_durable)
        sb_log_say (self->log, SB_SEVERITY_ERROR, "CONTROL_FILE",
                    "%s; it holds now, but a restart of the broker would not know of it: make room, then give the "
                    "command again",
                    sb_control_file_problem (self->control_file));
}

static void s_perform (sb_reactor_t *self, const sb_effect_t *effect, const sb_event_t *event)
{
    const sb_envelope_t *envelope;
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        s_store (self, effect->store);
        break;
    case SB_EFFECT_SEND:
        s_send (self, effect->send.peer, effect->send.message);
        break;
    case SB_EFFECT_PUBLISH:
        s_publish (self, effect->publish);
        break;
    case SB_EFFECT_REPLY:
        envelope = sb_requests_take (self->requests, effect->reply.token);
        assert (envelope);
        sb_reactor_reply (self, envelope, effect->reply.reply);
        break;
    case SB_EFFECT_AUDIT:
        sb_log_audit (self->log, effect->audit);
        break;
    case SB_EFFECT_LOG:
        sb_log_line (self->log, effect->log, event->unix_ns, event->monotonic_ns);
        break;
    }
    sb_arena_reset (self->encode_arena);
}

static void s_step_once (sb_reactor_t *self, sb_event_t *event)
{
    sb_effects_t effects;
    event->monotonic_ns = sb_reactor_clock (self);
    event->unix_ns = sb_clock_unix_ns ();
    sb_core_step (self->core, event, &effects);
    if (event->kind == SB_EVENT_MESSAGE && event->message.message->kind == SB_AGENT_MESSAGE_BATCH) {
        const uint32_t count = event->message.message->batch.delta_count;
        sb_histogram_add_times (&self->merge_times, (int64_t)((sb_clock_monotonic_ns () - event->monotonic_ns) / count),
                                count);
        self->has_merge_times = true;
    }
    self->deadline_ns = sb_core_deadline (self->core);
    for (uint32_t i = 0; i < effects.count; i++)
        s_perform (self, &effects.items[i], event);
}

/* The next event that carrying out effects gave rise to. False when there is none. */
static bool s_next_event (sb_reactor_t *self, sb_event_t *event)
{
    *event = (sb_event_t){0};
    if (self->is_stored_pending) {
        self->is_stored_pending = false;
        event->kind = SB_EVENT_STORED;
        event->stored.durable = self->is_durable;
    } else if (self->lost.count > 0) {
        event->kind = SB_EVENT_PEER_LOST;
        event->peer_lost.peer = self->lost.items[--self->lost.count];
    } else if (self->refused.count > 0) {
        event->kind = SB_EVENT_CHUNK_REFUSED;
        event->chunk_refused.peer = self->refused.items[--self->refused.count];
    } else
        return false;
    return true;
}

void sb_reactor_step (sb_reactor_t *self, sb_event_t *event)
{
    sb_event_t next;
    s_step_once (self, event);
    while (s_next_event (self, &next))
        s_step_once (self, &next);
}

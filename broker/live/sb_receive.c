/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading the sockets: frames to events. Whatever a peer sends ends here as a message of the core, or as a refusal with
 * a reason; nothing received is kept beyond its step. Messages of more frames than the protocol has are refused at the
 * first and the rest is thrown away, over several turns when it is long.
 */
#define _GNU_SOURCE
#include "sb_reactor_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SKIP_BUDGET = 256 };

/* Throws away the rest of a message, at most SKIP_BUDGET frames. */
static void s_skip (sb_reactor_t *self, sb_socket_name_t name)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    self->is_skipping[name] = true;
    for (int i = 0; i < SKIP_BUDGET && self->is_skipping[name]; i++) {
        if (zmq_msg_recv (&frame, self->sockets.sockets[name].socket, ZMQ_DONTWAIT) < 0)
            break;
        self->is_skipping[name] = zmq_msg_more (&frame);
    }
    zmq_msg_close (&frame);
}

/* Reads the next frame into *frame, which must be initialized. */
static bool s_receive (sb_reactor_t *self, sb_socket_name_t name, zmq_msg_t *frame)
{
    if (zmq_msg_recv (frame, self->sockets.sockets[name].socket, ZMQ_DONTWAIT) >= 0) {
        self->has_read = true;
        return true;
    }
    if (errno == EAGAIN)
        sb_inputs_set_empty (&self->inputs, name);
    return false;
}

/* ---------------------------------------------------------------- ingress */

/* A routing id that our ROUTER made, packed; SB_FOREIGN_PEER for any other, which is then remembered. */
static uint64_t s_pack (sb_reactor_t *self, zmq_msg_t *frame)
{
    const uint8_t *octets = zmq_msg_data (frame);
    const size_t size = zmq_msg_size (frame);
    if (size == SB_ROUTING_ID_OCTETS && octets[0] == 0)
        return UINT64_C (1) << 32 | (uint64_t)octets[1] << 24 | (uint64_t)octets[2] << 16 | (uint64_t)octets[3] << 8 |
               octets[4];
    assert (size <= sizeof self->foreign_id);
    memcpy (self->foreign_id, octets, size);
    self->foreign_id_size = (uint32_t)size;
    return SB_FOREIGN_PEER;
}

static void s_step_batch (void *context, const sb_gather_t *batch)
{
    const sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH,
                                        .batch = {.deltas = batch->deltas, .delta_count = batch->delta_count}};
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = batch->peer;
    event.message.message = &message;
    event.message.size = batch->bytes;
    if (batch->message_count > 1) {
        event.message.delta_counts = batch->delta_counts;
        event.message.message_count = batch->message_count;
    }
    sb_reactor_step (context, &event);
}

static void s_step_fault (void *context, uint64_t peer, sb_fault_t fault, uint32_t size)
{
    sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
    event.bad_message.peer = peer;
    event.bad_message.reason = fault.reason;
    event.bad_message.text = fault.text;
    event.bad_message.size = size;
    sb_reactor_step (context, &event);
}

static void s_step_message (void *context, uint64_t peer, const sb_agent_message_t *message, uint32_t size)
{
    sb_reactor_t *self = context;
    /* Better to turn an agent away with a reason than to run out of descriptors, which stops everybody. */
    if (self->is_short_of_descriptors && message->kind == SB_AGENT_MESSAGE_REGISTRATION) {
        static const char text[] = "the broker is short of file descriptors: raise its limit (ulimit -n)";
        s_step_fault (self, peer, (sb_fault_t){SB_REASON_TOO_MANY_AGENTS, sb_text (text)}, size);
        return;
    }
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = size;
    sb_reactor_step (self, &event);
}

void sb_reactor_set_gathers (sb_reactor_t *self)
{
    self->gathers.shell = (sb_gather_shell_t){.arena = self->decode_arena,
                                              .context = self,
                                              .step_batch = s_step_batch,
                                              .step_message = s_step_message,
                                              .step_fault = s_step_fault};
}

/* What is no message of an agent, whatever it says. */
static void s_refuse_frames (sb_reactor_t *self, uint64_t peer, sb_reason_t reason, const char *text, zmq_msg_t *frame)
{
    sb_gathers_take (&self->gathers);
    s_step_fault (self, peer, (sb_fault_t){reason, sb_text (text)}, (uint32_t)zmq_msg_size (frame));
}

bool sb_reactor_take_ingress (sb_reactor_t *self)
{
    if (self->is_skipping[SB_SOCKET_INGRESS]) {
        s_skip (self, SB_SOCKET_INGRESS);
        return true;
    }
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    bool is_received = s_receive (self, SB_SOCKET_INGRESS, &frame);
    if (is_received) {
        const uint64_t peer = s_pack (self, &frame);
        const bool has_body = zmq_msg_more (&frame) && s_receive (self, SB_SOCKET_INGRESS, &frame);
        const bool has_more = has_body && zmq_msg_more (&frame);
        if (peer == SB_FOREIGN_PEER)
            s_refuse_frames (self, peer, SB_REASON_ROUTING_ID_SET,
                             "set no ZMQ_ROUTING_ID on the socket: the broker gives each its own", &frame);
        else if (!has_body || has_more)
            s_refuse_frames (self, peer, SB_REASON_MALFORMED, "a message is one frame", &frame);
        else
            sb_gathers_read (&self->gathers, peer, zmq_msg_data (&frame), zmq_msg_size (&frame),
                             self->config->core.max_message_bytes);
        if (has_more)
            s_skip (self, SB_SOCKET_INGRESS);
    }
    zmq_msg_close (&frame);
    return is_received;
}

/* ---------------------------------------------------------------- commands */

/* Reads frames up to the empty delimiter, then the body, into *body. Returns what is wrong, NULL when nothing is. With
 * *can_reply false there is no envelope that a reply could carry. */
static const char *s_receive_request (sb_reactor_t *self, sb_envelope_t *envelope, zmq_msg_t *body, bool *can_reply)
{
    *can_reply = true;
    while (zmq_msg_more (body)) {
        if (!s_receive (self, SB_SOCKET_COMMAND, body))
            break;
        if (zmq_msg_size (body) == 0) {
            envelope->has_delimiter = true;
            break;
        }
        if (!zmq_msg_more (body))
            return "an empty frame must come before the request, as REQ sends it";
        if (!sb_envelope_append (envelope, zmq_msg_data (body), zmq_msg_size (body))) {
            *can_reply = false;
            return "the envelope is too long";
        }
    }
    if (!zmq_msg_more (body) || !s_receive (self, SB_SOCKET_COMMAND, body))
        return "the request is missing";
    return zmq_msg_more (body) ? "a request is one frame after the empty one" : NULL;
}

static void s_handle_request (sb_reactor_t *self, const sb_envelope_t *envelope, zmq_msg_t *body,
                              const char *fault_text)
{
    sb_command_request_t request = {0};
    sb_fault_t fault = {.reason = SB_REASON_MALFORMED, .text = sb_text (fault_text)};
    if (!fault_text) {
        sb_arena_reset (self->decode_arena);
        fault = sb_decode_command_request (self->decode_arena, zmq_msg_data (body), zmq_msg_size (body),
                                           self->config->core.max_message_bytes, &request);
    }
    const uint64_t token = sb_requests_add (self->requests, envelope);
    if (!token) {
        const sb_reason_info_t *info = sb_reason_info (SB_REASON_TOO_MANY_PENDING);
        sb_reactor_reply (self, envelope,
                          &(sb_command_reply_t){
                              .command_id = request.command_id, .code = info->reason, .message = sb_text (info->text)});
        return;
    }
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    if (fault.reason == SB_REASON_NONE) {
        event.command.token = token;
        event.command.request = &request;
    } else {
        event.kind = SB_EVENT_BAD_COMMAND;
        event.bad_command.token = token;
        event.bad_command.reason = fault.reason;
        event.bad_command.text = fault.text;
    }
    sb_reactor_step (self, &event);
}

bool sb_reactor_take_command (sb_reactor_t *self)
{
    if (self->is_skipping[SB_SOCKET_COMMAND]) {
        s_skip (self, SB_SOCKET_COMMAND);
        return true;
    }
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    bool is_received = s_receive (self, SB_SOCKET_COMMAND, &frame);
    if (is_received) {
        sb_envelope_t envelope = {0};
        bool can_reply = sb_envelope_append (&envelope, zmq_msg_data (&frame), zmq_msg_size (&frame));
        assert (can_reply); /* a routing id is at most 255 octets */
        const char *fault = s_receive_request (self, &envelope, &frame, &can_reply);
        const bool has_more = zmq_msg_more (&frame);
        if (can_reply) {
            s_handle_request (self, &envelope, &frame, fault);
        } else {
            sb_reactor_complain (self, SB_SEVERITY_WARNING, "BAD_COMMAND",
                                 "a request was thrown away: its envelope is too long to be answered");
            self->replies_undelivered++;
        }
        if (has_more)
            s_skip (self, SB_SOCKET_COMMAND);
    }
    zmq_msg_close (&frame);
    return is_received;
}

/* ---------------------------------------------------------------- subscriptions */

/* One frame that a subscriber sent: an octet, 1 or 0, and a prefix. Others mean nothing. */
static void s_handle_subscription (sb_reactor_t *self, zmq_msg_t *frame)
{
    const char *octets = zmq_msg_data (frame);
    const size_t size = zmq_msg_size (frame);
    if (size == 0 || (octets[0] != 0 && octets[0] != 1))
        return;
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = (sb_text_t){octets + 1, (uint32_t)size - 1};
    event.subscription.is_subscribed = octets[0] == 1;
    sb_reactor_step (self, &event);
}

bool sb_reactor_take_subscription (sb_reactor_t *self)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    const bool is_received = s_receive (self, SB_SOCKET_PUBLISH, &frame);
    if (is_received) {
        const bool is_first = !self->is_skipping[SB_SOCKET_PUBLISH];
        self->is_skipping[SB_SOCKET_PUBLISH] = zmq_msg_more (&frame);
        if (is_first && !zmq_msg_more (&frame)) /* subscriptions are single frames */
            s_handle_subscription (self, &frame);
    }
    zmq_msg_close (&frame);
    return is_received;
}

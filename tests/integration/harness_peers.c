/* SPDX-License-Identifier: MPL-2.0
 *
 * Raw peers for integration tests: see harness.h. They use libzmq and the codec only, not the client
 * library, so that they can also say what a correct client never would.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { ARENA_BYTES = 64 << 20, FRAME_MAX = 16 << 20 };

/* What every raw peer is: a socket, the last frame, and the arena that it was decoded into. */
typedef struct {
    void *socket;
    sb_arena_t *decoded;
    sb_arena_t *encoded;
} s_link_t;

struct sb_peer {
    s_link_t link;
    sb_broker_message_t message;
};

struct sb_commander {
    s_link_t link;
    sb_command_reply_t reply;
};

struct sb_subscriber {
    s_link_t link;
    sb_publication_t publication;
};

/* One context for the whole test process: it ends with the process. */
static void *s_zmq_context (void)
{
    static void *context;
    if (!context)
        context = zmq_ctx_new ();
    return context;
}

static void s_link_open (s_link_t *self, int type)
{
    self->socket = zmq_socket (s_zmq_context (), type);
    cr_assert (self->socket, "no socket: %s", zmq_strerror (errno));
    zmq_setsockopt (self->socket, ZMQ_LINGER, &(int){0}, sizeof (int));
    self->decoded = sb_arena_new (ARENA_BYTES);
    self->encoded = sb_arena_new (ARENA_BYTES);
}

static void s_link_connect (s_link_t *self, const char *endpoint)
{
    cr_assert_eq (zmq_connect (self->socket, endpoint), 0, "cannot connect to %s: %s", endpoint, zmq_strerror (errno));
}

static void s_link_close (s_link_t *self)
{
    zmq_close (self->socket);
    sb_arena_destroy (&self->decoded);
    sb_arena_destroy (&self->encoded);
}

static void s_link_send (s_link_t *self, const void *data, size_t size, int flags)
{
    cr_assert_geq (zmq_send (self->socket, data, size, flags), 0, "cannot send: %s", zmq_strerror (errno));
}

/* Sends what an encoder made. */
static void s_link_send_encoding (s_link_t *self, const sb_encoding_t *encoding, size_t size)
{
    cr_assert_gt (size, 0, "the codec could not encode");
    void *data = malloc (size);
    sb_encoding_write (encoding, data);
    s_link_send (self, data, size, 0);
    free (data);
    sb_arena_reset (self->encoded);
}

/* Waits for a frame; false after `timeout_ms`. */
static bool s_link_receive (s_link_t *self, zmq_msg_t *frame, int timeout_ms)
{
    zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
    if (zmq_poll (&item, 1, timeout_ms) <= 0)
        return false;
    zmq_msg_init (frame);
    if (zmq_msg_recv (frame, self->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (frame);
        return false;
    }
    sb_arena_reset (self->decoded);
    return true;
}

/* ---------------------------------------------------------------- agents */

sb_peer_t *sb_peer_new (const char *ingress, const char *routing_id)
{
    sb_peer_t *self = calloc (1, sizeof *self);
    s_link_open (&self->link, ZMQ_DEALER);
    if (routing_id)
        zmq_setsockopt (self->link.socket, ZMQ_ROUTING_ID, routing_id, strlen (routing_id));
    s_link_connect (&self->link, ingress);
    return self;
}

void sb_peer_destroy (sb_peer_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_link_close (&(*self_p)->link);
    free (*self_p);
    *self_p = NULL;
}

void sb_peer_send_bytes (sb_peer_t *self, const void *data, size_t size)
{
    s_link_send (&self->link, data, size, 0);
}

void sb_peer_send_frames (sb_peer_t *self, const char *const *frames, uint32_t frame_count)
{
    for (uint32_t i = 0; i < frame_count; i++)
        s_link_send (&self->link, frames[i], strlen (frames[i]), i + 1 < frame_count ? ZMQ_SNDMORE : 0);
}

void sb_peer_send (sb_peer_t *self, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    size_t size = sb_encode_agent_message (self->link.encoded, message, &encoding);
    s_link_send_encoding (&self->link, encoding, size);
}

const sb_broker_message_t *sb_peer_receive (sb_peer_t *self, int timeout_ms)
{
    zmq_msg_t frame;
    if (!s_link_receive (&self->link, &frame, timeout_ms))
        return NULL;
    sb_fault_t fault = sb_decode_broker_message (self->link.decoded, zmq_msg_data (&frame), zmq_msg_size (&frame),
                                                 FRAME_MAX, &self->message);
    zmq_msg_close (&frame);
    cr_assert_eq (fault.reason, SB_REASON_NONE, "the broker sent what cannot be read: %s", fault.text.data);
    return &self->message;
}

const sb_broker_message_t *sb_peer_await (sb_peer_t *self, sb_broker_message_kind_t kind)
{
    const int64_t end_ms = sb_now_ms () + SB_PATIENCE_MS;
    for (int64_t left_ms = SB_PATIENCE_MS; left_ms > 0; left_ms = end_ms - sb_now_ms ()) {
        const sb_broker_message_t *message = sb_peer_receive (self, (int)left_ms);
        if (message && message->kind == kind)
            return message;
    }
    return NULL;
}

void sb_peer_register (sb_peer_t *self, const char *agent_id, uint64_t instance_id, const char *interest)
{
    sb_text_t interests[] = {sb_text (interest ? interest : "nothing_of_that_name")};
    sb_peer_send (self, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REGISTRATION,
                                              .registration = {.protocol = SB_PROTOCOL,
                                                               .agent_id = sb_text (agent_id),
                                                               .instance_id = instance_id,
                                                               .next_sequence = 1,
                                                               .interests = interests,
                                                               .interest_count = 1,
                                                               .heartbeat_interval_ms = 1000}});
}

sb_peer_t *sb_peer_join (const char *ingress, const char *agent_id, uint64_t instance_id)
{
    sb_peer_t *self = sb_peer_new (ingress, NULL);
    sb_peer_register (self, agent_id, instance_id, NULL);
    cr_assert (sb_peer_await (self, SB_BROKER_MESSAGE_WELCOME), "%s was not welcomed", agent_id);
    return self;
}

void sb_peer_send_number (sb_peer_t *self, uint64_t sequence, const char *category, const char *subject,
                          const char *name, double number)
{
    sb_change_t change = {.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER, .number = number}};
    sb_delta_t delta = {.category = sb_text (category),
                        .subject = sb_text (subject),
                        .update = {.sequence = sequence, .changes = &change, .change_count = 1}};
    sb_peer_send (self,
                  &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = &delta, .delta_count = 1}});
}

void sb_peer_send_heartbeat (sb_peer_t *self)
{
    sb_peer_send (self, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_HEARTBEAT});
}

sb_reason_t sb_peer_await_decision (sb_peer_t *self, uint64_t sequence)
{
    const int64_t end_ms = sb_now_ms () + SB_PATIENCE_MS;
    for (int64_t left_ms = SB_PATIENCE_MS; left_ms > 0; left_ms = end_ms - sb_now_ms ()) {
        const sb_broker_message_t *message = sb_peer_receive (self, (int)left_ms);
        if (!message || message->kind != SB_BROKER_MESSAGE_ACK || message->ack.decided_through < sequence)
            continue;
        for (uint32_t i = 0; i < message->ack.refused_count; i++)
            if (message->ack.refused[i].sequence == sequence)
                return message->ack.refused[i].reason;
        return SB_REASON_NONE;
    }
    cr_assert_fail ("delta %lu was not decided", (unsigned long)sequence);
    return SB_REASON_NONE;
}

sb_reason_t sb_peer_await_refusal (sb_peer_t *self)
{
    const sb_broker_message_t *message = sb_peer_await (self, SB_BROKER_MESSAGE_REFUSAL);
    cr_assert (message, "no refusal came");
    return message->refusal.reason;
}

/* ---------------------------------------------------------------- commanders */

sb_commander_t *sb_commander_new (const char *command_endpoint)
{
    sb_commander_t *self = calloc (1, sizeof *self);
    s_link_open (&self->link, ZMQ_REQ);
    zmq_setsockopt (self->link.socket, ZMQ_REQ_RELAXED, &(int){1}, sizeof (int));
    zmq_setsockopt (self->link.socket, ZMQ_REQ_CORRELATE, &(int){1}, sizeof (int));
    s_link_connect (&self->link, command_endpoint);
    return self;
}

void sb_commander_destroy (sb_commander_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_link_close (&(*self_p)->link);
    free (*self_p);
    *self_p = NULL;
}

void sb_commander_send (sb_commander_t *self, const sb_command_request_t *request)
{
    sb_encoding_t *encoding;
    size_t size = sb_encode_command_request (self->link.encoded, request, &encoding);
    s_link_send_encoding (&self->link, encoding, size);
}

void sb_commander_send_bytes (sb_commander_t *self, const void *data, size_t size)
{
    s_link_send (&self->link, data, size, 0);
}

const sb_command_reply_t *sb_commander_receive (sb_commander_t *self, int timeout_ms)
{
    zmq_msg_t frame;
    if (!s_link_receive (&self->link, &frame, timeout_ms))
        return NULL;
    sb_fault_t fault = sb_decode_command_reply (self->link.decoded, zmq_msg_data (&frame), zmq_msg_size (&frame),
                                                FRAME_MAX, &self->reply);
    zmq_msg_close (&frame);
    cr_assert_eq (fault.reason, SB_REASON_NONE, "the broker replied what cannot be read: %s", fault.text.data);
    return &self->reply;
}

sb_command_request_t sb_commander_request (const char *command, const char *agent_id)
{
    static uint32_t count;
    static char ids[64][48];
    char *id = ids[count % 64];
    snprintf (id, sizeof ids[0], "test-%d-%u", (int)getpid (), ++count);
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (sb_command_request_t){.command_id = sb_text (id),
                                  .command = sb_text (command),
                                  .agent_id = sb_text (agent_id),
                                  .reason = sb_text ("test"),
                                  .issuer = sb_text ("test"),
                                  .issued_unix_ns = now.tv_sec * INT64_C (1000000000) + now.tv_nsec,
                                  .timeout_ms = 5000,
                                  .protocol = SB_PROTOCOL};
}

const sb_command_reply_t *sb_commander_ask (sb_commander_t *self, const sb_command_request_t *request)
{
    sb_commander_send (self, request);
    const sb_command_reply_t *reply = sb_commander_receive (self, SB_PATIENCE_MS);
    cr_assert (reply, "no reply to %.*s", (int)request->command.size, request->command.data);
    return reply;
}

const sb_command_reply_t *sb_commander_do (sb_commander_t *self, const char *command, const char *agent_id)
{
    sb_command_request_t request = sb_commander_request (command, agent_id);
    return sb_commander_ask (self, &request);
}

static const sb_value_t *s_column (const sb_record_t *record, const char *name)
{
    for (uint32_t i = 0; i < record->column_count; i++)
        if (sb_text_equal (record->columns[i].name, sb_text (name)))
            return &record->columns[i].value;
    return NULL;
}

const sb_value_t *sb_reply_value (const sb_command_reply_t *reply, const char *key_column, const char *key,
                                  const char *column)
{
    for (uint32_t i = 0; i < reply->record_count; i++) {
        const sb_value_t *name = key_column ? s_column (&reply->records[i], key_column) : NULL;
        if (key_column && (!name || name->kind != SB_VALUE_TEXT || !sb_text_equal (name->text, sb_text (key))))
            continue;
        const sb_value_t *value = s_column (&reply->records[i], column);
        if (value)
            return value;
    }
    return NULL;
}

/* ---------------------------------------------------------------- subscribers */

sb_subscriber_t *sb_subscriber_new (const char *publish, const char *prefix)
{
    sb_subscriber_t *self = calloc (1, sizeof *self);
    s_link_open (&self->link, ZMQ_SUB);
    zmq_setsockopt (self->link.socket, ZMQ_SNDHWM, &(int){0}, sizeof (int)); /* else subscriptions are lost silently */
    zmq_setsockopt (self->link.socket, ZMQ_SUBSCRIBE, prefix, strlen (prefix));
    s_link_connect (&self->link, publish);
    return self;
}

void sb_subscriber_add (sb_subscriber_t *self, const char *prefix)
{
    zmq_setsockopt (self->link.socket, ZMQ_SUBSCRIBE, prefix, strlen (prefix));
}

void sb_subscriber_destroy (sb_subscriber_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_link_close (&(*self_p)->link);
    free (*self_p);
    *self_p = NULL;
}

const sb_publication_t *sb_subscriber_receive (sb_subscriber_t *self, int timeout_ms)
{
    zmq_msg_t frame;
    if (!s_link_receive (&self->link, &frame, timeout_ms))
        return NULL;
    sb_fault_t fault = sb_decode_publication (self->link.decoded, zmq_msg_data (&frame), zmq_msg_size (&frame),
                                              FRAME_MAX, &self->publication);
    zmq_msg_close (&frame);
    cr_assert_eq (fault.reason, SB_REASON_NONE, "a publication that cannot be read: %s", fault.text.data);
    return &self->publication;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See scale.h: raw peers and commands.
 */
#define _GNU_SOURCE
#include "scale.h"
#include "sb_reasons.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 << 20, FRAME_MAX = 64 << 20, PATIENCE_MS = 60000 };

void scale_wire_open (scale_wire_t *self)
{
    self->encoded = sb_arena_new (ARENA_BYTES);
    self->decoded = sb_arena_new (ARENA_BYTES);
    if (!self->encoded || !self->decoded)
        scale_fail ("no memory");
    zmq_msg_init (&self->frame);
}

void scale_wire_close (scale_wire_t *self)
{
    zmq_msg_close (&self->frame);
    sb_arena_destroy (&self->encoded);
    sb_arena_destroy (&self->decoded);
}

void *scale_context (uint32_t sockets)
{
    struct rlimit limit;
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
    void *context = zmq_ctx_new ();
    if (!context || zmq_ctx_set (context, ZMQ_MAX_SOCKETS, (int)sockets + 16) != 0)
        scale_fail ("no context for %u sockets: %s", sockets, zmq_strerror (errno));
    return context;
}

void *scale_socket (void *context, int type, const char *endpoint)
{
    void *socket = zmq_socket (context, type);
    if (!socket)
        scale_fail ("no socket: %s; raise the limit of file descriptors (ulimit -n)", zmq_strerror (errno));
    zmq_setsockopt (socket, ZMQ_LINGER, &(int){0}, sizeof (int));
    zmq_setsockopt (socket, ZMQ_SNDHWM, &(int){0}, sizeof (int));
    zmq_setsockopt (socket, ZMQ_RCVHWM, &(int){0}, sizeof (int));
    if (zmq_connect (socket, endpoint) != 0)
        scale_fail ("cannot connect to %s: %s", endpoint, zmq_strerror (errno));
    return socket;
}

/* What an encoder made, as a frame. */
static bool s_send (scale_wire_t *self, void *socket, const sb_encoding_t *encoding, size_t size)
{
    zmq_msg_t frame;
    if (size == 0 || zmq_msg_init_size (&frame, size) != 0)
        scale_fail ("a message could not be encoded");
    sb_encoding_write (encoding, zmq_msg_data (&frame));
    sb_arena_reset (self->encoded);
    if (zmq_msg_send (&frame, socket, ZMQ_DONTWAIT) >= 0)
        return true;
    zmq_msg_close (&frame);
    if (errno != EAGAIN)
        scale_fail ("cannot send: %s", zmq_strerror (errno));
    return false;
}

bool scale_send (scale_wire_t *self, void *socket, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    const size_t size = sb_encode_agent_message (self->encoded, message, &encoding);
    return s_send (self, socket, encoding, size);
}

bool scale_receive_frame (scale_wire_t *self, void *socket)
{
    if (zmq_msg_recv (&self->frame, socket, ZMQ_DONTWAIT) >= 0)
        return true;
    if (errno != EAGAIN && errno != EINTR)
        scale_fail ("cannot receive: %s", zmq_strerror (errno));
    return false;
}

bool scale_receive (scale_wire_t *self, void *socket, sb_broker_message_t *message)
{
    if (!scale_receive_frame (self, socket))
        return false;
    sb_arena_reset (self->decoded);
    const sb_fault_t fault = sb_decode_broker_message (self->decoded, zmq_msg_data (&self->frame),
                                                       zmq_msg_size (&self->frame), FRAME_MAX, message);
    if (fault.reason != SB_REASON_NONE)
        scale_fail ("the broker sent what cannot be read: %.*s", (int)fault.text.size, fault.text.data);
    return true;
}

void scale_publication (scale_wire_t *self, sb_publication_t *publication)
{
    sb_arena_reset (self->decoded);
    const sb_fault_t fault = sb_decode_publication (self->decoded, zmq_msg_data (&self->frame),
                                                    zmq_msg_size (&self->frame), FRAME_MAX, publication);
    if (fault.reason != SB_REASON_NONE)
        scale_fail ("a publication cannot be read: %.*s", (int)fault.text.size, fault.text.data);
}

sb_agent_message_t scale_registration (const char *agent_id, uint64_t instance_id, const sb_text_t *interests,
                                       uint32_t interest_count, uint32_t heartbeat_interval_ms)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = SB_PROTOCOL,
                                               .agent_id = sb_text (agent_id),
                                               .instance_id = instance_id,
                                               .next_sequence = 1,
                                               .interests = interests,
                                               .interest_count = interest_count,
                                               .heartbeat_interval_ms = heartbeat_interval_ms};
    return message;
}

sb_agent_message_t scale_delta (sb_delta_t *delta, uint64_t sequence, sb_text_t category, sb_text_t subject,
                                const sb_change_t *changes, uint32_t change_count)
{
    *delta = (sb_delta_t){.category = category, .subject = subject};
    delta->update = (sb_update_t){.sequence = sequence, .changes = changes, .change_count = change_count};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH};
    message.batch = (sb_batch_t){.deltas = delta, .delta_count = 1};
    return message;
}

bool scale_wait (void *socket, long timeout_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    return zmq_poll (&item, 1, timeout_ms) > 0;
}

/* ---------------------------------------------------------------- commands */

sb_parameter_t scale_integer (const char *name, uint64_t value)
{
    sb_parameter_t parameter = {.name = sb_text (name)};
    parameter.value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = (int64_t)value};
    return parameter;
}

sb_parameter_t scale_text (const char *name, const char *value)
{
    sb_parameter_t parameter = {.name = sb_text (name)};
    parameter.value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (value)};
    return parameter;
}

const sb_command_reply_t *scale_ask (scale_wire_t *self, void *request_socket, const char *command,
                                     const sb_parameter_t *parameters, uint32_t parameter_count,
                                     uint64_t *round_trip_ns)
{
    static uint64_t count;
    static sb_command_reply_t reply;
    char command_id[SCALE_TEXT];
    snprintf (command_id, sizeof command_id, "scale-%d-%lu", (int)getpid (), (unsigned long)++count);
    const sb_command_request_t request = {.command_id = sb_text (command_id),
                                          .command = sb_text (command),
                                          .parameters = parameters,
                                          .parameter_count = parameter_count,
                                          .reason = sb_text ("measurement"),
                                          .issuer = sb_text ("bench"),
                                          .timeout_ms = PATIENCE_MS,
                                          .protocol = SB_PROTOCOL};
    sb_encoding_t *encoding;
    const size_t size = sb_encode_command_request (self->encoded, &request, &encoding);
    const uint64_t begin_ns = scale_now_ns ();
    if (!s_send (self, request_socket, encoding, size) || !scale_wait (request_socket, PATIENCE_MS) ||
        !scale_receive_frame (self, request_socket))
        scale_fail ("%s: no reply", command);
    if (round_trip_ns)
        *round_trip_ns = scale_now_ns () - begin_ns;
    sb_arena_reset (self->decoded);
    const sb_fault_t fault = sb_decode_command_reply (self->decoded, zmq_msg_data (&self->frame),
                                                      zmq_msg_size (&self->frame), FRAME_MAX, &reply);
    if (fault.reason != SB_REASON_NONE || reply.code != SB_REASON_NONE)
        scale_fail ("%s: refused: %.*s", command, (int)reply.message.size, reply.message.data);
    return &reply;
}

uint64_t scale_column (const sb_record_t *record, const char *name)
{
    for (uint32_t i = 0; i < record->column_count; i++)
        if (sb_text_equal (record->columns[i].name, sb_text (name)))
            return (uint64_t)sb_value_as_number (&record->columns[i].value, 0);
    return 0;
}

uint64_t scale_status (scale_wire_t *self, void *request_socket, const char *name)
{
    const sb_command_reply_t *reply = scale_ask (self, request_socket, "status", NULL, 0, NULL);
    if (reply->record_count == 0)
        scale_fail ("status without a record");
    return scale_column (&reply->records[0], name);
}

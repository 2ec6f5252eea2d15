/* SPDX-License-Identifier: MPL-2.0
 *
 * A ROUTER that speaks REP's envelope, in 100 lines.
 */
#include "fake_broker.h"

#include <assert.h>
#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>

#include "sb_names.h"

enum { ARENA_BYTES = 4 << 20, TURN_MS = 20 };

struct fake_broker {
    fake_answer_t *answer;
    void *context;
    zsock_t *router;
    char endpoint[64];
    pthread_t thread;
    atomic_bool is_over;
    atomic_bool is_late_reply_first;
    atomic_bool is_garbage;
};

static void s_send (fake_broker_t *self, zframe_t *peer, sb_arena_t *arena, const sb_command_reply_t *reply)
{
    sb_encoding_t *encoding;
    size_t size = sb_encode_command_reply (arena, reply, &encoding);
    assert (size);
    zframe_t *body = zframe_new (NULL, size);
    sb_encoding_write (encoding, zframe_data (body));
    zmsg_t *message = zmsg_new ();
    zframe_t *copy = zframe_dup (peer);
    zmsg_append (message, &copy);
    zmsg_addmem (message, "", 0);
    if (self->is_garbage)
        zframe_reset (body, "\xff\xff\xff", 3);
    zmsg_append (message, &body);
    zmsg_send (&message, self->router);
}

static void s_serve (fake_broker_t *self, sb_arena_t *arena, uint32_t number)
{
    zmsg_t *message = zmsg_recv (self->router);
    zframe_t *peer = zmsg_pop (message);
    zframe_t *body = zmsg_last (message);
    sb_command_request_t request;
    sb_fault_t fault = sb_decode_command_request (arena, zframe_data (body), zframe_size (body), 1 << 20, &request);
    assert (fault.reason == SB_REASON_NONE);
    sb_command_reply_t reply = {.command_id = request.command_id};
    if (self->is_late_reply_first)
        s_send (self, peer, arena,
                &(sb_command_reply_t){.command_id = sb_text ("of-another"), .code = SB_REASON_PAUSED});
    self->answer (self->context, &request, number, &reply);
    if (reply.code != SB_REASON_LIMIT)
        s_send (self, peer, arena, &reply);
    zframe_destroy (&peer);
    zmsg_destroy (&message);
}

static void *s_run (void *argument)
{
    fake_broker_t *self = argument;
    sb_arena_t *arena = sb_arena_new (ARENA_BYTES);
    zmq_pollitem_t item = {.socket = zsock_resolve (self->router), .events = ZMQ_POLLIN};
    for (uint32_t number = 0; !self->is_over;) {
        if (zmq_poll (&item, 1, TURN_MS) < 1)
            continue;
        s_serve (self, arena, number++);
        sb_arena_reset (arena);
    }
    sb_arena_destroy (&arena);
    return NULL;
}

fake_broker_t *fake_broker_new (fake_answer_t *answer, void *context)
{
    fake_broker_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->answer = answer;
    self->context = context;
    self->router = zsock_new (ZMQ_ROUTER);
    int port = zsock_bind (self->router, "tcp://127.0.0.1:*");
    assert (port > 0);
    snprintf (self->endpoint, sizeof (self->endpoint), "tcp://127.0.0.1:%d", port);
    int result = pthread_create (&self->thread, NULL, s_run, self);
    assert (result == 0);
    return self;
}

void fake_broker_destroy (fake_broker_t **self_p)
{
    if (!*self_p)
        return;
    (*self_p)->is_over = true;
    pthread_join ((*self_p)->thread, NULL);
    zsock_destroy (&(*self_p)->router);
    free (*self_p);
    *self_p = NULL;
}

const char *fake_broker_endpoint (const fake_broker_t *self)
{
    return self->endpoint;
}

void fake_broker_set_noise (fake_broker_t *self, bool is_late_reply_first, bool is_garbage)
{
    self->is_late_reply_first = is_late_reply_first;
    self->is_garbage = is_garbage;
}

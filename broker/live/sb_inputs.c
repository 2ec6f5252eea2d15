/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_inputs.h. ZMQ_EVENTS takes the signal of a socket and says whether it has input; if not, the next that comes
 * signals again. So after that question the descriptor alone is enough, and a socket that a receive found empty has
 * just been asked in the same way.
 */
#include "sb_inputs.h"

#include <assert.h>
#include <errno.h>
#include <zmq.h>

static void s_watch (sb_inputs_t *self, void *socket, int descriptor)
{
    assert (self->count < SB_INPUTS_MAX);
    self->sockets[self->count] = socket;
    self->is_open[self->count] = true;
    self->descriptors[self->count++] = (struct pollfd){.fd = descriptor, .events = POLLIN};
}

void sb_inputs_watch_socket (sb_inputs_t *self, void *socket)
{
    int descriptor;
    size_t size = sizeof descriptor;
    int rc = zmq_getsockopt (socket, ZMQ_FD, &descriptor, &size);
    assert (rc == 0);
    s_watch (self, socket, descriptor);
}

void sb_inputs_watch_descriptor (sb_inputs_t *self, int descriptor)
{
    s_watch (self, NULL, descriptor);
    sb_inputs_set_empty (self, self->count - 1);
}

static bool s_has_input (void *socket)
{
    int events;
    size_t size = sizeof events;
    int rc = zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size);
    assert (rc == 0 || errno == EINTR);
    return rc != 0 || (events & ZMQ_POLLIN);
}

void sb_inputs_wait (sb_inputs_t *self, int timeout_ms)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (self->is_open[i] && self->sockets[i])
            self->is_open[i] = s_has_input (self->sockets[i]);
        if (self->is_open[i])
            timeout_ms = 0;
    }
    int rc = poll (self->descriptors, self->count, timeout_ms);
    assert (rc >= 0 || errno == EINTR);
    for (uint32_t i = 0; rc > 0 && i < self->count; i++)
        self->is_open[i] |= self->descriptors[i].revents != 0;
}

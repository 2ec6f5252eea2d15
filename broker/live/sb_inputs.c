/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_inputs.h. ZMQ_EVENTS takes the signal of a socket and says whether it has input; if not, the next that comes
 * signals again. So after that question the descriptor alone is enough, and a socket that a receive found empty has
 * just been asked in the same way.
 */
#define _GNU_SOURCE
#include "sb_inputs.h"

#include "sb_clock.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <zmq.h>

enum { NS_PER_MS = 1000 * 1000 };

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

/* Looks until there is something or `limit_ns` are over, and takes what passed off *timeout_ms, which is rounded up.
 * Returns as poll does. */
static int s_poll_busily (sb_inputs_t *self, uint64_t limit_ns, int *timeout_ms)
{
    uint64_t (*const clock_ns) (void) = self->clock_ns ? self->clock_ns : sb_clock_monotonic_ns;
    const uint64_t start_ns = clock_ns (), timeout_ns = (uint64_t)*timeout_ms * NS_PER_MS;
    uint64_t passed_ns = 0;
    int rc = 0;
    while (passed_ns < limit_ns && passed_ns < timeout_ns && (rc = poll (self->descriptors, self->count, 0)) == 0) {
        sched_yield ();
        passed_ns = clock_ns () - start_ns;
    }
    *timeout_ms = passed_ns < timeout_ns ? (int)((timeout_ns - passed_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
    return rc;
}

void sb_inputs_wait (sb_inputs_t *self, int timeout_ms, uint64_t busy_ns)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (self->is_open[i] && self->sockets[i])
            self->is_open[i] = s_has_input (self->sockets[i]);
        if (self->is_open[i])
            timeout_ms = 0;
    }
    int rc = busy_ns > 0 && timeout_ms > 0 ? s_poll_busily (self, busy_ns, &timeout_ms) : 0;
    if (rc == 0)
        rc = poll (self->descriptors, self->count, timeout_ms);
    assert (rc >= 0 || errno == EINTR);
    for (uint32_t i = 0; rc > 0 && i < self->count; i++)
        self->is_open[i] |= self->descriptors[i].revents != 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_connections.h. A handshake that fails is reported right before its disconnect, by the same I/O thread, so the
 * two events stand next to each other (with several I/O threads: nearly always).
 */
#define _GNU_SOURCE
#include "sb_connections.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { EVENT_OCTETS = 6, NO_DUPLICATE = -1 };

struct sb_connections {
    void *monitored;
    void *socket; /* PAIR */
    bool counts_cuts;
    bool has_failed_handshake; /* the event before was one */
    int *duplicates;           /* by descriptor of libzmq */
    uint32_t capacity;
    uint32_t duplicate_count;
    uint32_t max_duplicates;
    uint32_t open;
    uint64_t cut;
    uint64_t failed_handshakes;
    uint64_t failed_accepts;
};

sb_connections_t *sb_connections_new (void *context, void *socket, const char *name, bool counts_cuts)
{
    char endpoint[64];
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    snprintf (endpoint, sizeof endpoint, "inproc://monitor-%s", name);
    sb_connections_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    struct rlimit limit = {0};
    getrlimit (RLIMIT_NOFILE, &limit);
    self->counts_cuts = counts_cuts;
    self->max_duplicates = limit.rlim_cur / 4 < UINT32_MAX ? (uint32_t)(limit.rlim_cur / 4) : UINT32_MAX;
    self->socket = zmq_socket (context, ZMQ_PAIR);
    /* Without a bound: a full monitor would block libzmq's I/O thread. It is read every turn. */
    if (!self->socket || zmq_setsockopt (self->socket, ZMQ_RCVHWM, &(int){0}, sizeof (int)) != 0 ||
        zmq_socket_monitor (socket, endpoint, events) != 0 || zmq_connect (self->socket, endpoint) != 0) {
        int error = errno;
        sb_connections_destroy (&self);
        errno = error;
        return NULL;
    }
    self->monitored = socket;
    return self;
}

void sb_connections_destroy (sb_connections_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_connections_t *self = *self_p;
    if (self->monitored)
        zmq_socket_monitor (self->monitored, NULL, 0);
    if (self->socket)
        zmq_close (self->socket);
    for (uint32_t i = 0; i < self->capacity; i++)
        if (self->duplicates[i] != NO_DUPLICATE)
            close (self->duplicates[i]);
    free (self->duplicates);
    free (self);
    *self_p = NULL;
}

void *sb_connections_socket (sb_connections_t *self)
{
    return self->socket;
}

/* Makes room for descriptors up to `descriptor`. */
static bool s_reserve (sb_connections_t *self, uint32_t descriptor)
{
    if (descriptor < self->capacity)
        return true;
    uint32_t capacity = descriptor * 2 + 64;
    int *duplicates = realloc (self->duplicates, capacity * sizeof *duplicates);
    if (!duplicates)
        return false;
    for (uint32_t i = self->capacity; i < capacity; i++)
        duplicates[i] = NO_DUPLICATE;
    self->duplicates = duplicates;
    self->capacity = capacity;
    return true;
}

/* Closes the duplicate of a descriptor; returns whether TCP still called it established. */
static bool s_give_up (sb_connections_t *self, uint32_t descriptor)
{
    if (descriptor >= self->capacity || self->duplicates[descriptor] == NO_DUPLICATE)
        return false;
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int duplicate = self->duplicates[descriptor];
    bool is_established =
        getsockopt (duplicate, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_ESTABLISHED;
    close (duplicate);
    self->duplicates[descriptor] = NO_DUPLICATE;
    self->duplicate_count--;
    return is_established;
}

static void s_accepted (sb_connections_t *self, uint32_t descriptor)
{
    self->open++;
    if (!self->counts_cuts || !s_reserve (self, descriptor))
        return;
    s_give_up (self, descriptor);
    if (self->duplicate_count >= self->max_duplicates)
        return;
    int duplicate = fcntl ((int)descriptor, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0)
        return;
    self->duplicates[descriptor] = duplicate;
    self->duplicate_count++;
}

static void s_disconnected (sb_connections_t *self, uint32_t descriptor)
{
    if (self->open > 0)
        self->open--;
    if (s_give_up (self, descriptor) && !self->has_failed_handshake)
        self->cut++;
}

static void s_event (sb_connections_t *self, uint16_t event, uint32_t value)
{
    bool is_failed_handshake = false;
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        s_accepted (self, value);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        s_disconnected (self, value);
        break;
    case ZMQ_EVENT_ACCEPT_FAILED:
        self->failed_accepts++;
        break;
    default:
        is_failed_handshake = true;
        self->failed_handshakes++;
        break;
    }
    self->has_failed_handshake = is_failed_handshake;
}

uint32_t sb_connections_read (sb_connections_t *self, uint32_t budget)
{
    uint8_t octets[EVENT_OCTETS];
    uint32_t count = 0;
    while (count < budget && zmq_recv (self->socket, octets, sizeof octets, ZMQ_DONTWAIT) == EVENT_OCTETS) {
        uint16_t event;
        uint32_t value;
        memcpy (&event, octets, sizeof event);
        memcpy (&value, octets + sizeof event, sizeof value);
        int rc = zmq_recv (self->socket, NULL, 0, ZMQ_DONTWAIT); /* the endpoint */
        assert (rc >= 0);
        s_event (self, event, value);
        count++;
    }
    return count;
}

uint32_t sb_connections_descriptors (const sb_connections_t *self)
{
    return self->open + self->duplicate_count;
}

uint64_t sb_connections_cut (const sb_connections_t *self)
{
    return self->cut;
}

uint64_t sb_connections_failed_handshakes (const sb_connections_t *self)
{
    return self->failed_handshakes;
}

uint64_t sb_connections_failed_accepts (const sb_connections_t *self)
{
    return self->failed_accepts;
}

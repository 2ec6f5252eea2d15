/* SPDX-License-Identifier: MPL-2.0
 *
 * One plain connect to each address. The socket monitor was rejected: what it reports of a failed attempt differs
 * between versions of ZeroMQ, and does not say why. A connect that succeeds is closed at once; the broker counts
 * it as a failed handshake, which happens only when it came up in that very moment.
 */
#include "sb_probe.h"

#include <czmq.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CONNECT_MS = 50, HOST_SIZE = 256, ADDRESSES_MAX = 4 };

sb_probe_t sb_probe_begin (const char *endpoint, bool is_on)
{
    return (sb_probe_t){.endpoint = endpoint, .next_ms = zclock_mono () + SB_PROBE_PATIENCE_MS, .is_on = is_on};
}

/* True when connecting fails because nobody listens. */
static bool s_refuses (const struct sockaddr *address, socklen_t size)
{
    int error = 0;
    socklen_t error_size = sizeof (error);
    int descriptor = socket (address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    if (connect (descriptor, address, size) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        struct pollfd item = {.fd = descriptor, .events = POLLOUT};
        error = 0;
        if (poll (&item, 1, CONNECT_MS) == 1)
            getsockopt (descriptor, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
    close (descriptor);
    return error == ECONNREFUSED || error == ENOENT;
}

/* tcp://HOST:PORT, HOST perhaps in brackets. */
static bool s_tcp_refuses (const char *place)
{
    char host[HOST_SIZE];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    const char *colon = strrchr (place, ':');
    size_t size = colon ? (size_t)(colon - place) : 0;
    if (size == 0 || size >= sizeof (host))
        return false;
    bool is_bracketed = place[0] == '[' && place[size - 1] == ']';
    snprintf (host, sizeof (host), "%.*s", (int)size - 2 * is_bracketed, place + is_bracketed);
    if (getaddrinfo (host, colon + 1, &hints, &addresses) != 0)
        return false;
    int count = 0;
    bool is_refused = true;
    for (const struct addrinfo *address = addresses; address && is_refused && count < ADDRESSES_MAX; count++) {
        is_refused = s_refuses (address->ai_addr, address->ai_addrlen);
        address = address->ai_next;
    }
    freeaddrinfo (addresses);
    return is_refused;
}

static bool s_ipc_refuses (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen (path) >= sizeof (address.sun_path) || *path == '@')
        return false;
    snprintf (address.sun_path, sizeof (address.sun_path), "%s", path);
    return s_refuses ((const struct sockaddr *)&address, sizeof (address));
}

bool sb_probe_is_refused (sb_probe_t *self)
{
    static const char tcp[] = "tcp://";
    static const char ipc[] = "ipc://";
    if (!self->is_on || zclock_mono () < self->next_ms)
        return false;
    self->next_ms = zclock_mono () + SB_PROBE_INTERVAL_MS;
    if (strncmp (self->endpoint, tcp, strlen (tcp)) == 0)
        return s_tcp_refuses (self->endpoint + strlen (tcp));
    if (strncmp (self->endpoint, ipc, strlen (ipc)) == 0)
        return s_ipc_refuses (self->endpoint + strlen (ipc));
    return false;
}

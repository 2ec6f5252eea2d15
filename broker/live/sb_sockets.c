/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_sockets.h. Options are rows of a table, all set before bind: a limit set later does not hold for who came
 * first. No ZMQ_HEARTBEAT_IVL (a peer that floods and resets can abort the process), no ZMQ_XPUB_MANUAL (a peer that
 * subscribes and leaves can make it use freed memory): TCP keepalive and the agents' own heartbeats instead.
 */
#define _GNU_SOURCE
#include "sb_sockets.h"
#include "sb_config_value.h"
#include "sb_listener.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    CUT_FACTOR = 4,                /* a frame so many times our own limit is cut by libzmq */
    SUBSCRIPTION_OCTETS_MAX = 1024 /* what a SUB sends is a prefix of a topic */
};

typedef struct {
    int option;
    int value;
} s_option_t;

static bool s_set_options (void *socket, const s_option_t *options, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (zmq_setsockopt (socket, options[i].option, &options[i].value, sizeof options[i].value) != 0)
            return false;
    return true;
}

static bool s_set_common (void *socket, const sb_config_t *config, bool is_ipv6)
{
    const int tcp_timeout_s = (int)(config->tcp_timeout_ms / 1000);
    const s_option_t options[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_IPV6, is_ipv6},
        {ZMQ_BACKLOG, (int)config->backlog},
        {ZMQ_HANDSHAKE_IVL, (int)config->handshake_timeout_ms},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, tcp_timeout_s > 3 ? tcp_timeout_s / 2 : 1},
        {ZMQ_TCP_KEEPALIVE_INTVL, tcp_timeout_s > 10 ? tcp_timeout_s / 10 : 1},
        {ZMQ_TCP_KEEPALIVE_CNT, 5},
        {ZMQ_TCP_MAXRT, (int)config->tcp_timeout_ms},
    };
    return s_set_options (socket, options, sizeof options / sizeof options[0]);
}

static bool s_set_own (void *socket, sb_socket_name_t name, const sb_config_t *config)
{
    const bool is_command = name == SB_SOCKET_COMMAND;
    if (name == SB_SOCKET_PUBLISH) {
        const s_option_t options[] = {{ZMQ_SNDHWM, (int)config->agent_queue}};
        const int64_t maximum = SUBSCRIPTION_OCTETS_MAX;
        return s_set_options (socket, options, 1) &&
               zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &maximum, sizeof maximum) == 0;
    }
    const s_option_t options[] = {
        {ZMQ_ROUTER_MANDATORY, 1},
        {ZMQ_ROUTER_HANDOVER, 0},
        {ZMQ_SNDHWM, (int)(is_command ? config->command_queue : config->agent_queue)},
        {ZMQ_RCVHWM, (int)(is_command ? config->command_queue : config->receive_queue)},
    };
    const int64_t maximum = (int64_t)config->core.max_message_bytes * CUT_FACTOR;
    return s_set_options (socket, options, sizeof options / sizeof options[0]) &&
           zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &maximum, sizeof maximum) == 0;
}

/* Why binding failed, and what to do. */
static void s_describe_failure (const char *name, const char *text, const sb_endpoint_t *endpoint, int error,
                                char *problem, size_t size)
{
    char holder[128];
    switch (error) {
    case EADDRINUSE:
        snprintf (problem, size,
                  "cannot bind %s to %s: %s listens there already; stop it, or choose other endpoints with --ingress, "
                  "--publish and --command",
                  name, text, sb_listener_describe (endpoint->port, holder, sizeof holder));
        break;
    case EACCES:
        snprintf (problem, size, "cannot bind %s to %s: ports below 1024 are for root; choose another with --%s", name,
                  text, name);
        break;
    case ENODEV:
    case EADDRNOTAVAIL:
        snprintf (problem, size,
                  "cannot bind %s to %s: this machine has no such address or interface; use *, or one of its own", name,
                  text);
        break;
    default:
        snprintf (problem, size, "cannot bind %s to %s: %s", name, text, zmq_strerror (error));
        break;
    }
}

/* libzmq knows * for any port, not 0. */
static void s_bind_text (const sb_endpoint_t *endpoint, const char *host, uint16_t port, char *text, size_t size)
{
    char port_text[8] = "*";
    if (port)
        snprintf (port_text, sizeof port_text, "%u", port);
    snprintf (text, size, endpoint->is_ipv6 && strcmp (host, "*") != 0 ? "tcp://[%s]:%s" : "tcp://%s:%s", host,
              port_text);
}

static bool s_open_one (sb_sockets_t *self, sb_socket_name_t name, const char *text, const char *advertised_host,
                        const sb_config_t *config, char *problem, size_t size)
{
    static const char *const names[] = {"ingress", "publish", "command"};
    sb_socket_t *one = &self->sockets[name];
    one->name = names[name];
    sb_endpoint_t endpoint, bound;
    bool is_good = sb_value_read_endpoint (text, &endpoint);
    assert (is_good); /* checked when the configuration was read */
    one->is_loopback = endpoint.is_loopback;
    one->socket = zmq_socket (self->context, name == SB_SOCKET_PUBLISH ? ZMQ_XPUB : ZMQ_ROUTER);
    if (one->socket && s_set_common (one->socket, config, endpoint.is_ipv6) && s_set_own (one->socket, name, config))
        one->connections = sb_connections_new (self->context, one->socket, one->name, name != SB_SOCKET_PUBLISH);
    if (!one->connections) {
        snprintf (problem, size, "cannot make the %s socket: %s", one->name, zmq_strerror (errno));
        return false;
    }
    char bind_text[SB_ENDPOINT_SIZE];
    s_bind_text (&endpoint, endpoint.host, endpoint.port, bind_text, sizeof bind_text);
    if (zmq_bind (one->socket, bind_text) != 0) {
        s_describe_failure (one->name, text, &endpoint, errno, problem, size);
        return false;
    }
    size_t endpoint_size = sizeof one->endpoint;
    zmq_getsockopt (one->socket, ZMQ_LAST_ENDPOINT, one->endpoint, &endpoint_size);
    is_good = sb_value_read_endpoint (one->endpoint, &bound);
    assert (is_good);
    const char *host = advertised_host[0] ? advertised_host : endpoint.host;
    s_bind_text (&endpoint, host, bound.port, one->advertised, sizeof one->advertised);
    return true;
}

bool sb_sockets_open (sb_sockets_t *self, const sb_config_t *config, char *problem, size_t size)
{
    *self = (sb_sockets_t){.context = zmq_ctx_new ()};
    if (!self->context) {
        snprintf (problem, size, "cannot start libzmq: %s", zmq_strerror (errno));
        return false;
    }
    zmq_ctx_set (self->context, ZMQ_IO_THREADS, (int)config->io_threads);
    if (s_open_one (self, SB_SOCKET_INGRESS, config->ingress_endpoint, "", config, problem, size) &&
        s_open_one (self, SB_SOCKET_PUBLISH, config->publish_endpoint, config->advertise, config, problem, size) &&
        s_open_one (self, SB_SOCKET_COMMAND, config->command_endpoint, "", config, problem, size))
        return true;
    sb_sockets_close (self, 0);
    return false;
}

void sb_sockets_close (sb_sockets_t *self, int linger_ms)
{
    for (int i = 0; i < SB_SOCKETS; i++) {
        sb_socket_t *one = &self->sockets[i];
        sb_connections_destroy (&one->connections);
        if (!one->socket)
            continue;
        zmq_setsockopt (one->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close (one->socket);
        one->socket = NULL;
    }
    if (self->context)
        while (zmq_ctx_term (self->context) != 0 && errno == EINTR)
            ;
    self->context = NULL;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Set-up of the sockets. The DEALER never reconnects by itself: after a loss it is replaced, so that nothing
 * queued in it can arrive before the new Registration. The SUB does reconnect (100 ms to 5 s), and its send
 * queue has no bound, since a full one would lose subscriptions without a word.
 * No ZMQ_HEARTBEAT_IVL: the heartbeats are the protocol's own.
 */
#include "agent_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SB_DEALER_QUEUE = 16384 };

int sb_sockets_init (sb_sockets_t *self)
{
    memset (self, 0, sizeof *self);
    self->context = zmq_ctx_new ();
    return self->context ? 0 : errno;
}

static void s_close (void **socket_p, int linger_ms)
{
    if (!*socket_p)
        return;
    zmq_setsockopt (*socket_p, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_close (*socket_p);
    *socket_p = NULL;
}

static void s_close_dealer (sb_sockets_t *self, int linger_ms)
{
    if (self->dealer)
        zmq_socket_monitor (self->dealer, NULL, 0);
    s_close (&self->monitor, 0);
    s_close (&self->dealer, linger_ms);
}

static void s_close_sub (sb_sockets_t *self)
{
    if (self->sub)
        zmq_socket_monitor (self->sub, NULL, 0);
    s_close (&self->sub_monitor, 0);
    s_close (&self->sub, 0);
    self->join_prefix_size = 0;
}

void sb_sockets_disconnect (sb_sockets_t *self)
{
    s_close_dealer (self, 0);
}

void sb_sockets_fini (sb_sockets_t *self, int linger_ms)
{
    if (!self->context)
        return;
    s_close_dealer (self, linger_ms);
    s_close_sub (self);
    while (zmq_ctx_term (self->context) != 0 && errno == EINTR)
        continue;
    self->context = NULL;
}

/* One option of a socket; all in one table, so that what is set can be read in one look. */
typedef struct {
    int option;
    int value;
} sb_option_t;

static int s_set_options (void *socket, const sb_option_t *options, size_t count)
{
    int64_t message_max = SB_SOCKETS_MESSAGE_MAX;
    if (zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max) != 0)
        return errno;
    for (size_t i = 0; i < count; i++) {
        if (zmq_setsockopt (socket, options[i].option, &options[i].value, sizeof options[i].value) != 0)
            return errno;
    }
    return 0;
}

static int s_start_monitor (sb_sockets_t *self, void *socket, void **monitor)
{
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "inproc://monitor-%llu", (unsigned long long)++self->monitor_count);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_socket_monitor (socket, endpoint, events) != 0)
        return errno;
    *monitor = zmq_socket (self->context, ZMQ_PAIR);
    return *monitor && zmq_connect (*monitor, endpoint) == 0 ? 0 : errno;
}

int sb_sockets_connect (sb_sockets_t *self, const char *endpoint)
{
    static const sb_option_t options[] = {
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_RECONNECT_IVL, -1},
        {ZMQ_SNDHWM, SB_DEALER_QUEUE},
        {ZMQ_RCVHWM, SB_DEALER_QUEUE},
        {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_LINGER, 0},
    };
    sb_sockets_disconnect (self);
    self->dealer = zmq_socket (self->context, ZMQ_DEALER);
    int error = self->dealer ? s_set_options (self->dealer, options, sizeof options / sizeof options[0]) : errno;
    if (error == 0)
        error = s_start_monitor (self, self->dealer, &self->monitor);
    if (error == 0 && zmq_connect (self->dealer, endpoint) != 0)
        error = errno;
    if (error)
        sb_sockets_disconnect (self);
    return error;
}

int sb_sockets_subscribe (sb_sockets_t *self, const char *endpoint, const sb_text_t *prefixes, uint32_t prefix_count,
                          int queue)
{
    const sb_option_t options[] = {
        {ZMQ_SNDHWM, 0},        {ZMQ_RCVHWM, queue}, {ZMQ_RECONNECT_IVL, 100}, {ZMQ_RECONNECT_IVL_MAX, 5000},
        {ZMQ_TCP_KEEPALIVE, 1}, {ZMQ_LINGER, 0},
    };
    s_close_sub (self);
    if (endpoint[0] == 0)
        return 0;
    self->sub = zmq_socket (self->context, ZMQ_SUB);
    int error = self->sub ? s_set_options (self->sub, options, sizeof options / sizeof options[0]) : errno;
    for (uint32_t i = 0; error == 0 && i < prefix_count; i++) {
        if (zmq_setsockopt (self->sub, ZMQ_SUBSCRIBE, prefixes[i].data, prefixes[i].size) != 0)
            error = errno;
    }
    if (error == 0)
        error = s_start_monitor (self, self->sub, &self->sub_monitor);
    if (error == 0 && zmq_connect (self->sub, endpoint) != 0)
        error = errno;
    if (error)
        s_close_sub (self);
    return error;
}

int sb_sockets_join (sb_sockets_t *self, sb_text_t prefix)
{
    if (!self->sub || prefix.size > sizeof self->join_prefix)
        return EINVAL;
    if (zmq_setsockopt (self->sub, ZMQ_SUBSCRIBE, prefix.data, prefix.size) != 0)
        return errno;
    if (self->join_prefix_size)
        zmq_setsockopt (self->sub, ZMQ_UNSUBSCRIBE, self->join_prefix, self->join_prefix_size);
    memcpy (self->join_prefix, prefix.data, prefix.size);
    self->join_prefix_size = prefix.size;
    return 0;
}

/* An event has two frames: number and value, then an address, which is of no use here. Returns 0 when there is none. */
static uint16_t s_next_event (void *monitor)
{
    uint16_t event = 0;
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    bool is_event = zmq_msg_recv (&frame, monitor, ZMQ_DONTWAIT) >= (int)sizeof event;
    if (is_event)
        memcpy (&event, zmq_msg_data (&frame), sizeof event);
    while (is_event && zmq_msg_more (&frame))
        zmq_msg_recv (&frame, monitor, 0);
    zmq_msg_close (&frame);
    return event;
}

sb_link_news_t sb_sockets_link_news (sb_sockets_t *self)
{
    sb_link_news_t news = SB_LINK_QUIET;
    uint16_t event;
    while (self->monitor && news != SB_LINK_WENT_DOWN && (event = s_next_event (self->monitor)) != 0)
        news = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? SB_LINK_CAME_UP : SB_LINK_WENT_DOWN;
    return news;
}

sb_link_news_t sb_sockets_sub_news (sb_sockets_t *self)
{
    uint16_t event = self->sub_monitor ? s_next_event (self->sub_monitor) : 0;
    if (event == 0)
        return SB_LINK_QUIET;
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? SB_LINK_CAME_UP : SB_LINK_WENT_DOWN;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The reading end of the publish endpoint. The monitor is read over its own PAIR, by the same poll: an actor
 * thread (zmonitor) would only pass the same events on. The join's prefix is subscribed to when the connection stands,
 * behind all others on the same pipe; the one before is given up first, as ZeroMQ sends it again by itself.
 */
#include "sb_stream.h"

#include <assert.h>
#include <czmq.h>

#include "sb_conflated.h"
#include "sb_names.h"

static const char s_all[] = "abcdefghijklmnopqrstuvwxyz0123456789";

enum {
    SLICE_MS = 200,      /* the longest that a signal goes unnoticed */
    CONFLATED_SIZE = 32, /* octets for ~conflated.60000. */
    PREFIX_SIZE = SB_TOPIC_MAX + 1 + CONFLATED_SIZE,
    JOIN_SIZE = 64 /* octets for ~join.NONCE. */
};

static const char s_join[] = "~join.";

/* A subscription that the broker may refuse. */
typedef struct {
    char prefix[PREFIX_SIZE]; /* the very octets subscribed to */
    uint32_t size;
    bool is_refused; /* not in force at the last answer */
} s_conflated_t;

struct sb_stream {
    zsock_t *subscriber;
    zsock_t *monitor;  /* PAIR */
    bool is_connected; /* handshake done, not lost since */
    bool has_all;      /* conflated: the broker sends its own topics too, as the empty prefix has no other form */
    bool has_own;      /* the broker's own topics were asked for by name */
    s_conflated_t *conflated;
    uint32_t conflated_count;
    char join[JOIN_SIZE]; /* ~join.NONCE. of the join that is not answered; "": none */
    int64_t join_end_ms;  /* when to ask anew, on czmq's monotonic clock */
    bool is_unanswered;   /* told on this connection */
};

sb_stream_t *sb_stream_new (void)
{
    static uint32_t count = 0;
    char address[64];
    sb_stream_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->subscriber = zsock_new (ZMQ_SUB);
    self->monitor = zsock_new (ZMQ_PAIR);
    assert (self->subscriber && self->monitor);
    zsock_set_linger (self->subscriber, 0);
    zsock_set_sndhwm (self->subscriber, 0);
    zsock_set_rcvhwm (self->subscriber, 100000);
    zsock_set_reconnect_ivl_max (self->subscriber, 5000);
    snprintf (address, sizeof (address), "inproc://sb-stream-%u", count++);
    int result = zmq_socket_monitor (zsock_resolve (self->subscriber), address,
                                     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    assert (result == 0);
    result = zsock_connect (self->monitor, "%s", address);
    assert (result == 0);
    return self;
}

void sb_stream_destroy (sb_stream_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    zmq_socket_monitor (zsock_resolve ((*self_p)->subscriber), NULL, 0);
    zsock_destroy (&(*self_p)->subscriber);
    zsock_destroy (&(*self_p)->monitor);
    free ((*self_p)->conflated);
    free (*self_p);
    *self_p = NULL;
}

/* Keeps a subscription that is looked for in answers to joins. */
static void s_keep_conflated (sb_stream_t *self, const char *prefix, size_t size)
{
    self->conflated = realloc (self->conflated, (self->conflated_count + 1) * sizeof (*self->conflated));
    assert (self->conflated);
    s_conflated_t *conflated = &self->conflated[self->conflated_count++];
    *conflated = (s_conflated_t){.size = (uint32_t)size};
    memcpy (conflated->prefix, prefix, size);
}

/* Subscribes to `prefix`, or to it behind the conflated interval's own. */
static void s_set_subscription (sb_stream_t *self, uint32_t conflate_ms, const void *topic, size_t topic_size)
{
    char prefix[PREFIX_SIZE] = "";
    if (conflate_ms)
        snprintf (prefix, CONFLATED_SIZE, "~conflated.%" PRIu32 ".", conflate_ms);
    size_t size = strlen (prefix);
    memcpy (prefix + size, topic, topic_size);
    size += topic_size;
    if (conflate_ms)
        s_keep_conflated (self, prefix, size);
    int result = zmq_setsockopt (zsock_resolve (self->subscriber), ZMQ_SUBSCRIBE, prefix, size);
    assert (result == 0);
}

bool sb_stream_subscribe (sb_stream_t *self, const char *topic, uint32_t conflate_ms)
{
    sb_text_t rest;
    if (!conflate_ms && sb_conflated_split (sb_text (topic), &conflate_ms, &rest))
        topic = rest.size ? rest.data : "all";
    sb_text_t category;
    sb_text_t agent_id;
    sb_text_t subject;
    sb_text_t interest = sb_text (topic);
    char prefix[SB_TOPIC_MAX + 1];
    if (!sb_name_is_interest (interest))
        return false;
    self->has_own = self->has_own || *topic == '_';
    if (sb_topic_split (interest, &category, &agent_id, &subject) && subject.size) {
        /* With its NUL: spot:BTC is not spot:BTCUSDT. */
        s_set_subscription (self, conflate_ms, topic, strlen (topic) + 1);
        return true;
    }
    uint32_t size = sb_interest_prefix (interest, prefix);
    if (size) {
        s_set_subscription (self, conflate_ms, prefix, size);
        return true;
    }
    if (conflate_ms) {
        self->has_all = true;
        s_set_subscription (self, conflate_ms, "", 0);
    }
    for (const char *first = s_all; *first && !conflate_ms; first++)
        s_set_subscription (self, 0, first, 1);
    return true;
}

bool sb_stream_connect (sb_stream_t *self, const char *endpoint)
{
    return zsock_connect (self->subscriber, "%s", endpoint) == 0;
}

/* ---- joins */

static void s_end_join (sb_stream_t *self)
{
    if (*self->join)
        zsock_set_unsubscribe (self->subscriber, self->join);
    *self->join = 0;
}

/* Asks what is in force, by a new nonce. */
static void s_begin_join (sb_stream_t *self)
{
    s_end_join (self);
    zuuid_t *nonce = zuuid_new ();
    assert (nonce);
    snprintf (self->join, sizeof (self->join), "%s%s.", s_join, zuuid_str (nonce));
    zuuid_destroy (&nonce);
    zsock_set_subscribe (self->subscriber, self->join);
    self->join_end_ms = zclock_mono () + SB_STREAM_JOIN_MS;
}

/* The connection was made or lost: what was asked for on an older one is not answered any more. */
static void s_follow_connection (sb_stream_t *self)
{
    s_end_join (self);
    self->is_unanswered = false;
    if (self->is_connected && self->conflated_count)
        s_begin_join (self);
}

/* Asks anew when it is time to. True when that is to be told. */
static bool s_renew_join (sb_stream_t *self)
{
    if (!*self->join || zclock_mono () < self->join_end_ms)
        return false;
    s_begin_join (self);
    bool was_told = self->is_unanswered;
    self->is_unanswered = true;
    return !was_told;
}

/* True when the publication is the answer to the join that is under way, and something is not in force. */
static bool s_is_refusal (sb_stream_t *self, const sb_publication_t *publication)
{
    bool is_refusal = false;
    if (!*self->join || !sb_text_equal (publication->topic, sb_text (self->join)))
        return false;
    s_end_join (self);
    for (uint32_t i = 0; i < self->conflated_count; i++) {
        s_conflated_t *conflated = &self->conflated[i];
        conflated->is_refused =
            !sb_conflated_is_in_force (publication, (sb_text_t){conflated->prefix, conflated->size});
        is_refusal = is_refusal || conflated->is_refused;
    }
    return is_refusal;
}

const char *sb_stream_refused (const sb_stream_t *self, uint32_t number, uint32_t *interval_ms)
{
    for (uint32_t i = 0; i < self->conflated_count; i++) {
        const s_conflated_t *conflated = &self->conflated[i];
        sb_text_t rest;
        if (!conflated->is_refused || number-- > 0)
            continue;
        bool is_conflated = sb_conflated_split ((sb_text_t){conflated->prefix, conflated->size}, interval_ms, &rest);
        assert (is_conflated);
        return rest.size ? rest.data : "all";
    }
    return NULL;
}

/* ---- reading */

/* One event of the monitor; false when it changes nothing. */
static bool s_read_monitor (sb_stream_t *self, sb_stream_outcome_t *outcome)
{
    zmsg_t *message = zmsg_recv (self->monitor);
    if (!message)
        return false;
    uint16_t event;
    memcpy (&event, zframe_data (zmsg_first (message)), sizeof (event));
    zmsg_destroy (&message);
    bool is_connected = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    *outcome = is_connected ? SB_STREAM_CONNECTED : SB_STREAM_LOST;
    bool has_changed = is_connected != self->is_connected;
    self->is_connected = is_connected;
    if (has_changed)
        s_follow_connection (self);
    return has_changed;
}

/* True for the answer to a join, and for a topic of the broker's own that only the empty prefix brought. */
static bool s_is_unasked (const sb_stream_t *self, sb_text_t topic)
{
    uint32_t interval_ms;
    sb_text_t rest;
    if (sb_text_begins_with (topic, sb_text (s_join)))
        return true;
    return self->has_all && !self->has_own && sb_conflated_split (topic, &interval_ms, &rest) && rest.size &&
           *rest.data == '_';
}

static sb_stream_outcome_t s_read_publication (sb_stream_t *self, sb_arena_t *arena, sb_publication_t *publication)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    int size = zmq_msg_recv (&frame, zsock_resolve (self->subscriber), 0);
    sb_fault_t fault = {.reason = SB_REASON_MALFORMED};
    if (size >= 0)
        fault = sb_decode_publication (arena, zmq_msg_data (&frame), (size_t)size, SB_STREAM_FRAME_BYTES, publication);
    zmq_msg_close (&frame);
    if (size < 0)
        return SB_STREAM_INTERRUPTED;
    return fault.reason == SB_REASON_NONE ? SB_STREAM_PUBLICATION : SB_STREAM_BAD_FRAME;
}

sb_stream_outcome_t sb_stream_next (sb_stream_t *self, int wait_ms, sb_arena_t *arena, sb_publication_t *publication)
{
    int64_t deadline_ms = zclock_mono () + wait_ms;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve (self->monitor), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve (self->subscriber), .events = ZMQ_POLLIN}};
    for (;;) {
        int64_t left_ms = wait_ms < 0 ? SLICE_MS : deadline_ms - zclock_mono ();
        sb_stream_outcome_t outcome;
        if (zsys_interrupted)
            return SB_STREAM_INTERRUPTED;
        if (s_renew_join (self))
            return SB_STREAM_UNANSWERED;
        /* In slices: a signal just before the poll does not end it. */
        int ready = zmq_poll (items, 2, left_ms < 0 ? 0 : left_ms < SLICE_MS ? (long)left_ms : SLICE_MS);
        if (ready < 0)
            return SB_STREAM_INTERRUPTED;
        if ((items[0].revents & ZMQ_POLLIN) && s_read_monitor (self, &outcome))
            return outcome;
        if (items[1].revents & ZMQ_POLLIN) {
            outcome = s_read_publication (self, arena, publication);
            if (outcome == SB_STREAM_PUBLICATION && s_is_refusal (self, publication))
                return SB_STREAM_REFUSED;
            if (outcome != SB_STREAM_PUBLICATION || !s_is_unasked (self, publication->topic))
                return outcome;
            sb_arena_reset (arena);
            continue;
        }
        if (ready == 0 && wait_ms >= 0 && zclock_mono () >= deadline_ms)
            return SB_STREAM_QUIET;
    }
}

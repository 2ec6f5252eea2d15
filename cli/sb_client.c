/* SPDX-License-Identifier: MPL-2.0
 *
 * The asking end of the command endpoint. A plain REQ was rejected: after one unanswered request it is
 * stuck, and relaxed REQ cannot tell a missing broker from a silent one.
 */
#include "sb_client.h"

#include <assert.h>
#include <czmq.h>
#include <pwd.h>

#include "sb_names.h"
#include "sb_probe.h"

enum {
    SEND_WAIT_STEP_MS = 20, /* between attempts while no connection stands */
    SLICE_MS = 200          /* the longest that a signal goes unnoticed */
};

struct sb_client {
    zsock_t *dealer;
    char *endpoint;
    char command_id[SB_CLIENT_COMMAND_ID_SIZE]; /* of the last request */
    sb_probe_t probe;                           /* off after the first request */
    char problem[256];
};

sb_client_t *sb_client_new (const char *endpoint)
{
    sb_client_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->endpoint = strdup (endpoint);
    self->dealer = zsock_new (ZMQ_DEALER);
    assert (self->endpoint && self->dealer);
    zsock_set_immediate (self->dealer, 1);
    zsock_set_linger (self->dealer, 0);
    zsock_set_reconnect_ivl_max (self->dealer, 1000);
    if (zsock_connect (self->dealer, "%s", endpoint) != 0)
        sb_client_destroy (&self);
    return self;
}

void sb_client_destroy (sb_client_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    zsock_destroy (&(*self_p)->dealer);
    free ((*self_p)->endpoint);
    free (*self_p);
    *self_p = NULL;
}

void sb_client_set_impatient (sb_client_t *self)
{
    self->probe = sb_probe_begin (self->endpoint, true);
}

bool sb_client_is_refused (sb_client_t *self)
{
    return sb_probe_is_refused (&self->probe);
}

const char *sb_client_endpoint (const sb_client_t *self)
{
    return self->endpoint;
}

void *sb_client_socket (const sb_client_t *self)
{
    return zsock_resolve (self->dealer);
}

int64_t sb_client_unix_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const char *sb_client_default_issuer (char *issuer)
{
    char host[HOST_NAME_MAX + 1] = "";
    char number[24];
    const char *user = getenv ("USER");
    const struct passwd *entry = user && *user ? NULL : getpwuid (geteuid ());
    snprintf (number, sizeof (number), "%lu", (unsigned long)geteuid ());
    if (!user || !*user)
        user = entry && entry->pw_name && *entry->pw_name ? entry->pw_name : number;
    gethostname (host, sizeof (host) - 1);
    snprintf (issuer, SB_CLIENT_ISSUER_SIZE, "%.31s@%.32s", user, host);
    if (!sb_text_is_utf8 (sb_text (issuer)))
        snprintf (issuer, SB_CLIENT_ISSUER_SIZE, "%s", number);
    return issuer;
}

sb_client_outcome_t sb_client_send (sb_client_t *self, sb_command_request_t *request, sb_arena_t *arena)
{
    sb_encoding_t *encoding;
    zuuid_t *uuid = zuuid_new ();
    assert (uuid);
    snprintf (self->command_id, sizeof (self->command_id), "%s", zuuid_str (uuid));
    zuuid_destroy (&uuid);
    request->command_id = sb_text (self->command_id);
    request->issued_unix_ns = sb_client_unix_ns ();
    request->protocol = SB_PROTOCOL;
    size_t size = sb_encode_command_request (arena, request, &encoding);
    if (!size)
        return SB_CLIENT_NO_ROOM;
    void *socket = zsock_resolve (self->dealer);
    zmq_msg_t frame;
    int result = zmq_msg_init_size (&frame, size);
    assert (result == 0);
    sb_encoding_write (encoding, zmq_msg_data (&frame));
    /* Once the empty frame is taken, the rest of the message is too. */
    if (zmq_send (socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0 && zmq_msg_send (&frame, socket, ZMQ_DONTWAIT) >= 0) {
        self->probe.is_on = false;
        return SB_CLIENT_ANSWERED;
    }
    zmq_msg_close (&frame);
    return SB_CLIENT_NO_BROKER;
}

/* Decodes an answer's frames; false when it answers something else. */
static bool s_read (sb_client_t *self, zmsg_t *frames, sb_arena_t *arena, sb_command_reply_t *reply,
                    sb_client_outcome_t *outcome)
{
    zframe_t *body = zmsg_last (frames);
    sb_fault_t fault =
        sb_decode_command_reply (arena, zframe_data (body), zframe_size (body), SB_CLIENT_REPLY_BYTES, reply);
    *outcome = fault.reason == SB_REASON_NONE ? SB_CLIENT_ANSWERED : SB_CLIENT_BAD_ANSWER;
    return fault.reason != SB_REASON_NONE || sb_text_equal (reply->command_id, sb_text (self->command_id)) ||
           reply->command_id.size == 0;
}

sb_client_outcome_t sb_client_receive (sb_client_t *self, int wait_ms, sb_arena_t *arena, sb_command_reply_t *reply)
{
    int64_t deadline_ms = zclock_mono () + wait_ms;
    zmq_pollitem_t item = {.socket = zsock_resolve (self->dealer), .events = ZMQ_POLLIN};
    for (;;) {
        int64_t left_ms = deadline_ms - zclock_mono ();
        if (zsys_interrupted)
            return SB_CLIENT_INTERRUPTED;
        /* In slices: a signal just before the poll does not end it. */
        int ready = zmq_poll (&item, 1, left_ms < 0 ? 0 : left_ms < SLICE_MS ? (long)left_ms : SLICE_MS);
        if (ready < 0)
            return SB_CLIENT_INTERRUPTED;
        if (ready == 0 && zclock_mono () < deadline_ms)
            continue;
        if (ready == 0)
            return SB_CLIENT_NO_ANSWER;
        zmsg_t *frames = zmsg_recv (self->dealer);
        if (!frames)
            return SB_CLIENT_INTERRUPTED;
        sb_client_outcome_t outcome;
        bool is_ours = s_read (self, frames, arena, reply, &outcome);
        zmsg_destroy (&frames);
        if (is_ours)
            return outcome;
    }
}

sb_client_outcome_t sb_client_ask (sb_client_t *self, sb_command_request_t *request, sb_arena_t *arena,
                                   sb_command_reply_t *reply)
{
    int64_t deadline_ms = zclock_mono () + request->timeout_ms;
    sb_client_outcome_t outcome;
    zmq_pollitem_t item = {.socket = zsock_resolve (self->dealer), .events = ZMQ_POLLOUT};
    while ((outcome = sb_client_send (self, request, arena)) == SB_CLIENT_NO_BROKER) {
        int64_t left_ms = deadline_ms - zclock_mono ();
        if (left_ms <= 0 || sb_client_is_refused (self))
            return outcome;
        zmq_poll (&item, 1, left_ms < SEND_WAIT_STEP_MS ? (long)left_ms : SEND_WAIT_STEP_MS);
        if (zsys_interrupted)
            return SB_CLIENT_INTERRUPTED;
    }
    if (outcome != SB_CLIENT_ANSWERED)
        return outcome;
    return sb_client_receive (self, (int)request->timeout_ms + SB_CLIENT_GRACE_MS, arena, reply);
}

const char *sb_client_problem (const sb_client_t *self, sb_client_outcome_t outcome)
{
    static char problem[512];
    static const char *const formats[] = {
        [SB_CLIENT_ANSWERED] = "the broker at %s has answered",
        [SB_CLIENT_NO_BROKER] = "no broker at %s: is syncbusd running?",
        [SB_CLIENT_NO_ANSWER] =
            "the broker at %s did not answer in time: is that its command endpoint? try a longer --timeout",
        [SB_CLIENT_BAD_ANSWER] = "what answers at %s is no command endpoint of SyncBus: check --endpoint",
        [SB_CLIENT_INTERRUPTED] = "interrupted while waiting for the broker at %s: whether it was done is not known",
        [SB_CLIENT_NO_ROOM] = "the answer of the broker at %s is too large: ask with a smaller --limit",
    };
    /* The formats are the table above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf (problem, sizeof (problem), formats[outcome], self->endpoint);
#pragma GCC diagnostic pop
    return problem;
}

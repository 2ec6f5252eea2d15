/* SPDX-License-Identifier: MPL-2.0
 *
 * The shell: threads, sockets and clock around the step. It decides nothing. One I/O thread polls the
 * DEALER and the SUB, a monitor of each, and an eventfd; per turn it drains the DEALER whole and the SUB up to a
 * budget, then steps TICK when the step's deadline has come, which also sends what other threads left.
 * Those write the eventfd only when the I/O thread sleeps, so that updates made while
 * it is busy go out together in its next turn, and a lone one goes out at once.
 */
#include "agent_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_shell.h"
#include "sb_names.h"

enum { SB_DEALER_BUDGET = 4096, SB_SUB_BUDGET = 256, SB_POLL_MAX_MS = 60000 };

/* ------------------------------------------------------------------ time and waiting */

uint64_t sb_shell_monotonic_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

int64_t sb_shell_unix_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

bool sb_shell_wait (sb_agent_t *self, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / UINT64_C (1000000000)),
                             .tv_nsec = (long)(deadline_ns % UINT64_C (1000000000))};
    self->waiters++;
    int error = pthread_cond_timedwait (&self->changed, &self->lock, &until);
    self->waiters--;
    return error != ETIMEDOUT;
}

/* ------------------------------------------------------------------ events of any thread */

void sb_shell_wake (sb_agent_t *self)
{
    uint64_t one = 1;
    (void)!write (self->wake_descriptor, &one, sizeof one);
}

void sb_shell_step_locked (sb_agent_t *self, sb_agent_event_t *event, sb_agent_effects_t *answer, bool *must_wake)
{
    event->monotonic_ns = sb_shell_monotonic_ns ();
    event->unix_ns = sb_shell_unix_ns ();
    sb_agent_step (self->step, event, answer);
    *must_wake = answer->wake && self->is_io_sleeping;
    if (*must_wake)
        self->is_io_sleeping = false;
}

void sb_shell_step_any (sb_agent_t *self, sb_agent_event_t *event, sb_agent_effects_t *answer)
{
    bool must_wake;
    pthread_mutex_lock (&self->lock);
    sb_shell_step_locked (self, event, answer, &must_wake);
    pthread_mutex_unlock (&self->lock);
    if (must_wake)
        sb_shell_wake (self);
}

/* ------------------------------------------------------------------ effects */

static bool s_send (sb_agent_t *self, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->encode_arena);
    size_t size = sb_encode_agent_message (self->encode_arena, message, &encoding);
    zmq_msg_t frame;
    if (!self->sockets.dealer || size == 0 || zmq_msg_init_size (&frame, size) != 0)
        return false;
    sb_encoding_write (encoding, zmq_msg_data (&frame));
    int sent;
    do
        sent = zmq_msg_send (&frame, self->sockets.dealer, ZMQ_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        zmq_msg_close (&frame);
    return sent >= 0;
}

static void s_give_reply (sb_agent_t *self, const sb_agent_effect_t *effect)
{
    pthread_mutex_lock (&self->lock);
    for (sb_reply_waiter_t *waiter = self->reply_waiters; waiter; waiter = waiter->next) {
        if (waiter->token != effect->reply.token)
            continue;
        waiter->code = effect->reply.code;
        if (waiter->page && effect->reply.whole)
            sb_page_fill (waiter->page, effect->reply.whole);
        waiter->is_done = true;
        if (waiter->message && waiter->message_size) {
            size_t size = effect->reply.message.size;
            if (size > waiter->message_size - 1)
                size = waiter->message_size - 1;
            if (size)
                memcpy (waiter->message, effect->reply.message.data, size);
            waiter->message[size] = 0;
        }
    }
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
}

static void s_log (sb_agent_t *self, const char *text, const char *detail)
{
    sb_agent_effect_t line = {.kind = SB_AGENT_EFFECT_LOG};
    line.log.severity = SB_SEVERITY_ERROR;
    line.log.text = text;
    line.log.detail = sb_text (detail);
    if (sb_handlers_want (self, &line))
        sb_inbox_put (self->inbox, &line);
}

static void s_join (sb_agent_t *self, sb_text_t prefix)
{
    if (sb_sockets_join (&self->sockets, prefix) != 0)
        s_log (self, "cannot subscribe for a join", "");
}

static void s_subscribe (sb_agent_t *self, const char *endpoint)
{
    uint32_t prefix_count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (self->step, &prefix_count);
    if (sb_sockets_subscribe (&self->sockets, endpoint, prefixes, prefix_count, self->sub_queue) != 0)
        s_log (self, "cannot subscribe at the broker's publish endpoint", endpoint);
}

/* Hands it to the application. What does not reach its handler for want of memory counts as failed there, or the
 * step would take it for waiting for ever. */
static void s_hand_over (sb_agent_t *self, const sb_agent_effect_t *effect)
{
    if (!sb_handlers_want (self, effect) || sb_inbox_put (self->inbox, effect))
        return;
    if (effect->kind != SB_AGENT_EFFECT_DELIVER)
        return;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .handled = {.failed = true, .delivery_ns = -1}};
    sb_agent_effects_t answer;
    sb_shell_step_any (self, &event, &answer);
}

/* Carries out one effect. Returns 0, or the errno of what failed on the way to the broker. */
static int s_carry_out (sb_agent_t *self, const sb_agent_effect_t *effect)
{
    switch (effect->kind) {
    case SB_AGENT_EFFECT_CONNECT:
        return sb_sockets_connect (&self->sockets, self->ingress_endpoint);
    case SB_AGENT_EFFECT_DISCONNECT:
        /* The last word, Goodbye, may still be on its way: then it is closed with a linger at the end. */
        if (!self->is_ending)
            sb_sockets_disconnect (&self->sockets);
        return 0;
    case SB_AGENT_EFFECT_SUBSCRIBE:
        s_subscribe (self, effect->subscribe_endpoint);
        return 0;
    case SB_AGENT_EFFECT_JOIN:
        s_join (self, effect->join_prefix);
        return 0;
    case SB_AGENT_EFFECT_SEND:
        return s_send (self, effect->send) ? 0 : EAGAIN;
    case SB_AGENT_EFFECT_REPLY:
        s_give_reply (self, effect);
        return 0;
    default:
        s_hand_over (self, effect);
        return 0;
    }
}

/* Carries out all of them; after a message that could not be sent the later ones are pointless. Returns 0, or an errno.
 */
static int s_carry_out_all (sb_agent_t *self, const sb_agent_effects_t *effects)
{
    int failed = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        const sb_agent_effect_t *effect = &effects->items[i];
        if (failed && effect->kind == SB_AGENT_EFFECT_SEND)
            continue;
        int error = s_carry_out (self, effect);
        if (error)
            failed = error;
    }
    return failed;
}

int sb_shell_step_io (sb_agent_t *self, sb_agent_event_t *event)
{
    sb_agent_effects_t effects;
    pthread_mutex_lock (&self->lock);
    event->monotonic_ns = sb_shell_monotonic_ns ();
    event->unix_ns = sb_shell_unix_ns ();
    sb_agent_step (self->step, event, &effects);
    self->is_ending = self->is_leaving;
    if (self->waiters && (event->kind != SB_AGENT_EVENT_PUBLICATION || self->current_waiters))
        pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
    return s_carry_out_all (self, &effects);
}

/* Steps, and tells the step at once when what it asked for could not be sent. */
static void s_step_io (sb_agent_t *self, sb_agent_event_t *event)
{
    if (sb_shell_step_io (self, event) != 0) {
        sb_agent_event_t down = {.kind = SB_AGENT_EVENT_LINK_DOWN};
        sb_shell_step_io (self, &down);
    }
}

/* ------------------------------------------------------------------ input */

static void s_read_monitors (sb_agent_t *self)
{
    sb_link_news_t news;
    while ((news = sb_sockets_link_news (&self->sockets)) != SB_LINK_QUIET) {
        sb_agent_event_t event = {.kind = news == SB_LINK_CAME_UP ? SB_AGENT_EVENT_LINK_UP : SB_AGENT_EVENT_LINK_DOWN};
        s_step_io (self, &event);
    }
    while ((news = sb_sockets_sub_news (&self->sockets)) != SB_LINK_QUIET) {
        sb_agent_event_t event = {.kind = news == SB_LINK_CAME_UP ? SB_AGENT_EVENT_SUBSCRIBED
                                                                  : SB_AGENT_EVENT_UNSUBSCRIBED};
        s_step_io (self, &event);
    }
}

/* Reads one message of the DEALER; false when there is none. */
static bool s_read_dealer (sb_agent_t *self)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    if (!self->sockets.dealer || zmq_msg_recv (&frame, self->sockets.dealer, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&frame);
        return false;
    }
    sb_broker_message_t message;
    sb_arena_reset (self->decode_arena);
    sb_fault_t fault = sb_decode_broker_message (self->decode_arena, zmq_msg_data (&frame), zmq_msg_size (&frame),
                                                 SB_SOCKETS_MESSAGE_MAX, &message);
    if (fault.reason == SB_REASON_NONE) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
        s_step_io (self, &event);
    }
    zmq_msg_close (&frame);
    return true;
}

static bool s_read_sub (sb_agent_t *self)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    if (!self->sockets.sub || zmq_msg_recv (&frame, self->sockets.sub, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&frame);
        return false;
    }
    sb_publication_t publication;
    sb_arena_reset (self->decode_arena);
    sb_fault_t fault = sb_decode_publication (self->decode_arena, zmq_msg_data (&frame), zmq_msg_size (&frame),
                                              SB_SOCKETS_MESSAGE_MAX, &publication);
    bool is_read = fault.reason == SB_REASON_NONE;
    sb_agent_event_t event = {.kind = is_read ? SB_AGENT_EVENT_PUBLICATION : SB_AGENT_EVENT_LOST,
                              .publication = &publication};
    s_step_io (self, &event);
    zmq_msg_close (&frame);
    return true;
}

/* ------------------------------------------------------------------ the I/O thread */

/* How long to sleep, in ms; announces the sleep, so that an update knows that it has to wake. */
static long s_prepare_sleep (sb_agent_t *self)
{
    pthread_mutex_lock (&self->lock);
    uint64_t now_ns = sb_shell_monotonic_ns ();
    uint64_t deadline_ns = self->is_leaving ? 0 : sb_agent_step_deadline (self->step);
    uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    self->is_io_sleeping = wait_ns > 0;
    pthread_mutex_unlock (&self->lock);
    uint64_t wait_ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    return wait_ms < SB_POLL_MAX_MS ? (long)wait_ms : SB_POLL_MAX_MS;
}

static void s_sleep (sb_agent_t *self)
{
    zmq_pollitem_t items[5] = {{.fd = self->wake_descriptor, .events = ZMQ_POLLIN}};
    int count = 1;
    void *const sockets[] = {self->sockets.monitor, self->sockets.sub_monitor, self->sockets.dealer, self->sockets.sub};
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++) {
        if (sockets[i])
            items[count++] = (zmq_pollitem_t){.socket = sockets[i], .events = ZMQ_POLLIN};
    }
    zmq_poll (items, count, s_prepare_sleep (self));
    pthread_mutex_lock (&self->lock);
    self->is_io_sleeping = false;
    pthread_mutex_unlock (&self->lock);
    uint64_t wakes;
    if (items[0].revents)
        (void)!read (self->wake_descriptor, &wakes, sizeof wakes);
}

/* TICK when its time has come, or when other threads left something to send; true when the agent has ended. */
static bool s_end_turn (sb_agent_t *self)
{
    pthread_mutex_lock (&self->lock);
    bool is_leaving = self->is_leaving;
    bool is_due = is_leaving || sb_shell_monotonic_ns () >= sb_agent_step_deadline (self->step);
    pthread_mutex_unlock (&self->lock);
    if (is_due) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_TICK};
        s_step_io (self, &event);
    }
    return is_leaving;
}

void *sb_shell_io_main (void *argument)
{
    sb_agent_t *self = argument;
    do {
        s_sleep (self);
        s_read_monitors (self);
        for (int i = 0; i < SB_DEALER_BUDGET && s_read_dealer (self); i++)
            continue;
        for (int i = 0; i < SB_SUB_BUDGET && s_read_sub (self); i++)
            continue;
    } while (!s_end_turn (self));
    sb_sockets_fini (&self->sockets, self->linger_ms);
    return NULL;
}

void *sb_shell_handler_main (void *argument)
{
    sb_agent_t *self = argument;
    sb_inbox_item_t *item;
    while ((item = sb_inbox_take (self->inbox, true)) != NULL) {
        sb_handlers_run (self, item);
        sb_inbox_item_destroy (&item);
    }
    return NULL;
}

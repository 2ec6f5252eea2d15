/* SPDX-License-Identifier: MPL-2.0
 *
 * What syncbus.h declares of an agent: making and ending one, updates, waiting, commands, dispatch, copy, counts.
 * Checks of content run before the lock is taken; under it an update is one step of the pure part.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent_check.h"
#include "agent_private.h"
#include "agent_shell.h"
#include "sb_names.h"

enum {
    SB_INTERESTS_OF_AGENT_MAX = 64,
    SB_QUEUE_DEFAULT = 1000,
    SB_MEMORY_DEFAULT = 100,
    SB_FIELDS_DEFAULT = 65536,
    SB_COPY_FIELDS_DEFAULT = 1000000,
    SB_CONFLATE_MIN_MS = 10,
    SB_CONFLATE_MAX_MS = 60000,
    SB_GRID_TIMEOUT_MS = 1000,
    SB_ARENA_BYTES = 256 * 1024 * 1024
};
#define SB_MEMORY_BYTES_DEFAULT (UINT64_C (4) * 1024 * 1024)
#define SB_COPY_BYTES_DEFAULT   (UINT64_C (512) * 1024 * 1024)
#define SB_BUFFER_BYTES_DEFAULT (UINT64_C (64) * 1024 * 1024)

/* ------------------------------------------------------------------ making one */

static sb_agent_t *s_fail (sb_agent_t *self, char *error, size_t error_size, const char *what, const char *detail)
{
    if (error && error_size)
        snprintf (error, error_size, "%s%s%s", what, detail[0] ? ": " : "", detail);
    sb_agent_destroy (&self, 0);
    return NULL;
}

static const char *s_check_options (const sb_agent_options_t *options, const char **detail)
{
    *detail = "";
    if (!options->agent_id || !sb_name_is_agent_id (sb_text (options->agent_id))) {
        *detail = options->agent_id ? options->agent_id : "(none)";
        return sb_reason_text (SB_REASON_BAD_AGENT_ID);
    }
    if (options->interest_count > SB_INTERESTS_OF_AGENT_MAX)
        return sb_reason_text (SB_REASON_TOO_MANY_INTERESTS);
    for (uint32_t i = 0; i < options->interest_count; i++) {
        *detail = options->interests[i] ? options->interests[i] : "(none)";
        if (!options->interests[i] || !sb_name_is_interest (sb_text (options->interests[i])))
            return sb_reason_text (SB_REASON_BAD_INTEREST);
        uint32_t conflate_ms = options->conflate_ms ? options->conflate_ms[i] : 0;
        if (conflate_ms && (conflate_ms < SB_CONFLATE_MIN_MS || conflate_ms > SB_CONFLATE_MAX_MS))
            return "conflate_ms should be 0, or 10 to 60000; it is not for the interest";
    }
    *detail = "";
    for (uint32_t i = 0; i < options->publish_count; i++) {
        *detail = options->publishes[i] ? options->publishes[i] : "(none)";
        if (!options->publishes[i] || !sb_name_is_category (sb_text (options->publishes[i])))
            return sb_reason_text (SB_REASON_BAD_CATEGORY);
    }
    *detail = "";
    if (options->heartbeat_interval_ms &&
        (options->heartbeat_interval_ms < 100 || options->heartbeat_interval_ms > 60000))
        return sb_reason_text (SB_REASON_BAD_HEARTBEAT_INTERVAL);
    return NULL;
}

/* The option, else the environment's, else the default. */
static const char *s_endpoint (const char *option, const char *variable, const char *otherwise)
{
    if (option && option[0])
        return option;
    const char *value = getenv (variable);
    return value && value[0] ? value : otherwise;
}

static bool s_draw (uint64_t *number)
{
    return getrandom (number, sizeof *number, 0) == (ssize_t)sizeof *number;
}

static sb_agent_step_t *s_new_step (const sb_agent_t *self, const sb_agent_options_t *options)
{
    uint64_t instance, seed;
    if (!s_draw (&instance) || !s_draw (&seed))
        return NULL;
    sb_text_t interests[SB_INTERESTS_OF_AGENT_MAX];
    sb_text_t *publishes = calloc (options->publish_count + 1, sizeof *publishes);
    if (!publishes)
        return NULL;
    for (uint32_t i = 0; i < options->interest_count; i++)
        interests[i] = sb_text (options->interests[i]);
    for (uint32_t i = 0; i < options->publish_count; i++)
        publishes[i] = sb_text (options->publishes[i]);
    sb_agent_step_config_t config = {
        .agent_id = sb_text (options->agent_id),
        .instance_id = instance % SB_NUMBER_MAX + 1,
        .seed = seed,
        .ingress_endpoint = sb_text (self->ingress_endpoint),
        .publish_endpoint = sb_text (s_endpoint (options->publish_endpoint, "SYNCBUS_PUBLISH", "")),
        .interests = interests,
        .interest_count = options->interest_count,
        .conflate_ms = options->conflate_ms,
        .publishes = publishes,
        .publish_count = options->publish_count,
        .heartbeat_interval_ms = options->heartbeat_interval_ms ? options->heartbeat_interval_ms : 1000,
        .window_updates = options->window_updates,
        .queue_publications = options->queue_publications ? options->queue_publications : SB_QUEUE_DEFAULT,
        .max_fields = options->max_fields ? options->max_fields : SB_FIELDS_DEFAULT,
        .has_copy = !options->without_copy,
        .copy_fields = options->copy_fields ? options->copy_fields : SB_COPY_FIELDS_DEFAULT,
        .copy_bytes = options->copy_bytes ? options->copy_bytes : SB_COPY_BYTES_DEFAULT,
        .buffer_bytes = options->buffer_bytes ? options->buffer_bytes : SB_BUFFER_BYTES_DEFAULT,
        .has_update_handler = options->handlers.on_update != NULL,
        .has_command_handler = options->handlers.on_command != NULL,
    };
    sb_agent_step_t *step = sb_agent_step_new (&config);
    free (publishes);
    return step;
}

static void s_init_lock (sb_agent_t *self)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
}

static sb_agent_t *s_new_parts (const sb_agent_options_t *options)
{
    sb_agent_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->handlers = options->handlers;
    self->context = options->context;
    self->dispatch_by_caller = options->dispatch_by_caller;
    uint32_t queue = options->queue_publications ? options->queue_publications : SB_QUEUE_DEFAULT;
    /* A burst waits at the socket too: a bound below the default is meant for the handler. */
    if (options->receive_queue)
        queue = options->receive_queue;
    else if (queue < SB_QUEUE_DEFAULT)
        queue = SB_QUEUE_DEFAULT;
    self->sub_queue = queue < INT32_MAX ? (int)queue : INT32_MAX;
    self->next_token = 1;
    s_init_lock (self);
    self->wake_descriptor = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->ingress_endpoint = strdup (s_endpoint (options->ingress_endpoint, "SYNCBUS_INGRESS", "tcp://127.0.0.1:5570"));
    self->decode_arena = sb_arena_new (SB_ARENA_BYTES);
    self->encode_arena = sb_arena_new (SB_ARENA_BYTES);
    self->inbox = sb_inbox_new (options->memory_updates ? options->memory_updates : SB_MEMORY_DEFAULT,
                                options->memory_bytes ? options->memory_bytes : SB_MEMORY_BYTES_DEFAULT,
                                options->dispatch_by_caller);
    bool is_whole =
        self->ingress_endpoint && self->decode_arena && self->encode_arena && self->inbox && self->wake_descriptor >= 0;
    self->step = is_whole ? s_new_step (self, options) : NULL;
    if (!self->step || sb_sockets_init (&self->sockets) != 0)
        sb_agent_destroy (&self, 0);
    return self;
}

/* Signals are the application's: its threads get them, not these. */
static void s_start_threads (sb_agent_t *self)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    self->has_io_thread = pthread_create (&self->io_thread, NULL, sb_shell_io_main, self) == 0;
    if (self->has_io_thread && !self->dispatch_by_caller)
        self->has_handler_thread = pthread_create (&self->handler_thread, NULL, sb_shell_handler_main, self) == 0;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
}

sb_agent_t *sb_agent_new (const sb_agent_options_t *options, char *error, size_t error_size)
{
    const char *detail;
    const char *fault = s_check_options (options, &detail);
    if (fault)
        return s_fail (NULL, error, error_size, fault, detail);
    sb_agent_t *self = s_new_parts (options);
    if (!self)
        return s_fail (NULL, error, error_size, "no memory or no descriptors for another agent", strerror (errno));
    /* The first step runs here, so that an endpoint that cannot be is seen by the caller. */
    sb_agent_event_t start = {.kind = SB_AGENT_EVENT_START};
    if (sb_shell_step_io (self, &start) != 0)
        return s_fail (self, error, error_size, "the ingress endpoint should look like tcp://HOST:PORT, and is",
                       s_endpoint (options->ingress_endpoint, "SYNCBUS_INGRESS", ""));
    const char *publish = s_endpoint (options->publish_endpoint, "SYNCBUS_PUBLISH", NULL);
    if (publish && !self->sockets.sub)
        return s_fail (self, error, error_size, "the publish endpoint should look like tcp://HOST:PORT, and is",
                       publish);
    s_start_threads (self);
    if (!self->has_io_thread || (!self->dispatch_by_caller && !self->has_handler_thread))
        return s_fail (self, error, error_size, "no thread for another agent", "");
    return self;
}

uint64_t sb_api_deadline_ns (uint32_t timeout_ms)
{
    return sb_shell_monotonic_ns () + timeout_ms * UINT64_C (1000000);
}

/* Lets out what is unsent, then says goodbye; the I/O thread ends with that. */
static void s_leave (sb_agent_t *self, uint32_t linger_ms)
{
    uint64_t deadline_ns = sb_api_deadline_ns (linger_ms);
    sb_agent_event_t leave = {.kind = SB_AGENT_EVENT_LEAVE};
    sb_agent_effects_t answer;
    bool must_wake;
    /* Whoever takes this agent's place meanwhile must not be displaced by a session made in passing. */
    sb_agent_event_t close = {.kind = SB_AGENT_EVENT_CLOSE};
    pthread_mutex_lock (&self->lock);
    sb_shell_step_locked (self, &close, &answer, &must_wake);
    while (linger_ms && !sb_agent_step_is_drained (self->step) && sb_shell_wait (self, deadline_ns))
        continue;
    self->linger_ms = linger_ms > 1000  ? 1000
                      : linger_ms < 100 ? 100
                                        : (int)linger_ms; /* for Goodbye to leave the socket */
    self->is_leaving = true;
    sb_shell_step_locked (self, &leave, &answer, &must_wake);
    pthread_mutex_unlock (&self->lock);
    sb_shell_wake (self);
}

void sb_agent_destroy (sb_agent_t **self_p, uint32_t linger_ms)
{
    if (!self_p || !*self_p)
        return;
    sb_agent_t *self = *self_p;
    if (self->has_io_thread) {
        s_leave (self, linger_ms);
        pthread_join (self->io_thread, NULL);
    } else {
        sb_sockets_fini (&self->sockets, 0);
    }
    if (self->inbox)
        sb_inbox_close (self->inbox);
    if (self->has_handler_thread)
        pthread_join (self->handler_thread, NULL);
    sb_inbox_destroy (&self->inbox);
    sb_agent_step_destroy (&self->step);
    sb_arena_destroy (&self->decode_arena);
    sb_arena_destroy (&self->encode_arena);
    if (self->wake_descriptor >= 0)
        close (self->wake_descriptor);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->lock);
    free (self->ingress_endpoint);
    free (self);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ standing */

sb_agent_status_t sb_agent_status (sb_agent_t *self)
{
    sb_reason_t reason;
    pthread_mutex_lock (&self->lock);
    sb_agent_status_t status = sb_agent_step_status (self->step, &reason);
    pthread_mutex_unlock (&self->lock);
    return status;
}

bool sb_agent_wait_active (sb_agent_t *self, uint32_t timeout_ms)
{
    sb_reason_t reason;
    uint64_t deadline_ns = sb_api_deadline_ns (timeout_ms);
    bool is_in_time = true;
    pthread_mutex_lock (&self->lock);
    sb_agent_status_t status = sb_agent_step_status (self->step, &reason);
    while (status != SB_AGENT_ACTIVE && status != SB_AGENT_FINISHED && is_in_time) {
        is_in_time = sb_shell_wait (self, deadline_ns);
        status = sb_agent_step_status (self->step, &reason);
    }
    pthread_mutex_unlock (&self->lock);
    return status == SB_AGENT_ACTIVE;
}

bool sb_agent_wait_current (sb_agent_t *self, uint32_t timeout_ms)
{
    sb_reason_t reason;
    uint64_t deadline_ns = sb_api_deadline_ns (timeout_ms);
    bool is_in_time = true;
    pthread_mutex_lock (&self->lock);
    self->current_waiters++;
    while (!sb_agent_step_is_current (self->step) && is_in_time &&
           sb_agent_step_status (self->step, &reason) != SB_AGENT_FINISHED)
        is_in_time = sb_shell_wait (self, deadline_ns);
    self->current_waiters--;
    bool is_current = sb_agent_step_is_current (self->step);
    pthread_mutex_unlock (&self->lock);
    return is_current;
}

bool sb_agent_wait_decided (sb_agent_t *self, uint32_t timeout_ms)
{
    sb_reason_t reason;
    uint64_t deadline_ns = sb_api_deadline_ns (timeout_ms);
    bool is_in_time = true;
    pthread_mutex_lock (&self->lock);
    while (!sb_agent_step_is_settled (self->step) && is_in_time &&
           sb_agent_step_status (self->step, &reason) != SB_AGENT_FINISHED)
        is_in_time = sb_shell_wait (self, deadline_ns);
    bool is_settled = sb_agent_step_is_settled (self->step);
    pthread_mutex_unlock (&self->lock);
    return is_settled;
}

/* ------------------------------------------------------------------ updates */

static sb_reason_t s_refuse_content (sb_agent_t *self, sb_reason_t reason)
{
    pthread_mutex_lock (&self->lock);
    self->content_refused[reason]++;
    pthread_mutex_unlock (&self->lock);
    return reason;
}

static sb_reason_t s_make_deltas (const sb_agent_update_t *updates, uint32_t count, sb_delta_t *deltas)
{
    int64_t now_unix_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        const sb_agent_update_t *update = &updates[i];
        if (update->event_unix_ns == 0 && now_unix_ns == 0)
            now_unix_ns = sb_shell_unix_ns ();
        deltas[i] = (sb_delta_t){.category = sb_text (update->category), .subject = sb_text (update->subject)};
        deltas[i].update.event_unix_ns = update->event_unix_ns ? update->event_unix_ns : now_unix_ns;
        deltas[i].update.origin_unix_ns = update->origin_unix_ns;
        deltas[i].update.changes = update->changes;
        deltas[i].update.change_count = update->change_count;
        deltas[i].time_to_live_ms = update->time_to_live_ms;
        sb_reason_t reason = sb_agent_check (&deltas[i]);
        if (reason != SB_REASON_NONE)
            return reason;
    }
    return SB_REASON_NONE;
}

static sb_reason_t s_update (sb_agent_t *self, const sb_delta_t *deltas, uint32_t count, uint32_t timeout_ms,
                             uint64_t *sequence)
{
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE};
    event.update.deltas = deltas;
    event.update.delta_count = count;
    sb_agent_effects_t answer;
    bool must_wake;
    pthread_mutex_lock (&self->lock);
    sb_shell_step_locked (self, &event, &answer, &must_wake);
    if (answer.reason == SB_REASON_WINDOW_FULL && timeout_ms) {
        uint64_t deadline_ns = sb_api_deadline_ns (timeout_ms);
        bool is_in_time = true;
        while (answer.reason == SB_REASON_WINDOW_FULL && is_in_time) {
            is_in_time = sb_shell_wait (self, deadline_ns);
            sb_shell_step_locked (self, &event, &answer, &must_wake);
        }
    }
    pthread_mutex_unlock (&self->lock);
    if (must_wake)
        sb_shell_wake (self);
    if (sequence)
        *sequence = answer.sequence;
    return answer.reason;
}

sb_reason_t sb_agent_update (sb_agent_t *self, const sb_agent_update_t *update, uint32_t timeout_ms, uint64_t *sequence)
{
    sb_delta_t delta;
    if (sequence)
        *sequence = 0;
    sb_reason_t reason = s_make_deltas (update, 1, &delta);
    return reason == SB_REASON_NONE ? s_update (self, &delta, 1, timeout_ms, sequence)
                                    : s_refuse_content (self, reason);
}

sb_reason_t sb_agent_update_batch (sb_agent_t *self, const sb_agent_update_t *updates, uint32_t count,
                                   uint32_t timeout_ms, uint64_t *first_sequence)
{
    if (first_sequence)
        *first_sequence = 0;
    if (count == 0 || count > SB_CHANGES_MAX)
        return s_refuse_content (self, count ? SB_REASON_TOO_MANY_CHANGES : SB_REASON_NO_CHANGES);
    sb_delta_t *deltas = malloc (count * sizeof *deltas);
    if (!deltas)
        return SB_REASON_STORE_FULL;
    sb_reason_t reason = s_make_deltas (updates, count, deltas);
    reason = reason == SB_REASON_NONE ? s_update (self, deltas, count, timeout_ms, first_sequence)
                                      : s_refuse_content (self, reason);
    free (deltas);
    return reason;
}

sb_reason_t sb_agent_set_grid (sb_agent_t *self, const char *status, double confidence, const char *last_signal,
                               double pnl)
{
    sb_change_t changes[4];
    uint32_t count = 0;
    if (status)
        changes[count++] = sb_string ("status", status);
    if (!isnan (confidence))
        changes[count++] = sb_number ("confidence", confidence);
    if (last_signal)
        changes[count++] = sb_string ("last_signal", last_signal);
    if (!isnan (pnl))
        changes[count++] = sb_number ("pnl", pnl);
    if (count == 0)
        return SB_REASON_NONE;
    sb_agent_update_t update = {.category = "agent", .changes = changes, .change_count = count};
    return sb_agent_update (self, &update, SB_GRID_TIMEOUT_MS, NULL);
}

/* ------------------------------------------------------------------ commands */

/* What the broker would refuse to read is refused here: nothing is sent. */
static sb_reason_t s_check_request (const char *command, const char *agent_id, const sb_parameter_t *parameters,
                                    uint32_t count, const char *reason)
{
    if (!command || !sb_name_is_command_id (sb_text (command)))
        return SB_REASON_UNKNOWN_COMMAND;
    if (agent_id && agent_id[0] && !sb_name_is_agent_id (sb_text (agent_id)))
        return SB_REASON_UNKNOWN_AGENT;
    if (count > SB_CHANGES_MAX || !sb_text_is_utf8 (sb_text (reason)) || sb_text (reason).size > 256)
        return SB_REASON_BAD_REQUEST;
    for (uint32_t i = 0; i < count; i++) {
        const sb_value_t *value = &parameters[i].value;
        if (!sb_name_is_field (parameters[i].name) || value->kind == SB_VALUE_NONE ||
            (value->kind == SB_VALUE_TEXT && !sb_text_is_utf8 (value->text)))
            return SB_REASON_BAD_PARAMETER;
    }
    return SB_REASON_NONE;
}

static void s_forget_waiter (sb_agent_t *self, const sb_reply_waiter_t *waiter)
{
    sb_reply_waiter_t **link = &self->reply_waiters;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
}

/* Issues it and waits, with the lock held. */
sb_reason_t sb_api_request (sb_agent_t *self, const sb_command_request_t *request, sb_reply_waiter_t *waiter)
{
    uint64_t deadline_ns = sb_api_deadline_ns (request->timeout_ms);
    waiter->token = self->next_token++;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_REQUEST};
    event.request.token = waiter->token;
    event.request.request = request;
    sb_agent_effects_t answer;
    bool must_wake;
    sb_shell_step_locked (self, &event, &answer, &must_wake);
    if (must_wake)
        sb_shell_wake (self);
    if (answer.reason != SB_REASON_NONE)
        return answer.reason;
    waiter->next = self->reply_waiters;
    self->reply_waiters = waiter;
    while (!waiter->is_done && sb_shell_wait (self, deadline_ns))
        continue;
    s_forget_waiter (self, waiter);
    if (!waiter->is_done) {
        sb_agent_event_t cancel = {.kind = SB_AGENT_EVENT_CANCEL, .cancel_token = waiter->token};
        sb_shell_step_locked (self, &cancel, &answer, &must_wake);
        return SB_REASON_TIMEOUT;
    }
    return waiter->code;
}

sb_reason_t sb_agent_command (sb_agent_t *self, const char *command, const char *agent_id,
                              const sb_parameter_t *parameters, uint32_t parameter_count, const char *reason,
                              uint32_t timeout_ms, char *message, size_t message_size)
{
    if (message && message_size)
        message[0] = 0;
    sb_reason_t fault = s_check_request (command, agent_id, parameters, parameter_count, reason);
    if (fault == SB_REASON_NONE) {
        sb_command_request_t request = {
            .command = sb_text (command),
            .agent_id = sb_text (agent_id),
            .parameters = parameters,
            .parameter_count = parameter_count,
            .reason = sb_text (reason),
            .timeout_ms = timeout_ms == 0       ? 1
                          : timeout_ms > 600000 ? 600000
                                                : timeout_ms,
        };
        sb_reply_waiter_t waiter = {.message = message, .message_size = message_size};
        pthread_mutex_lock (&self->lock);
        fault = sb_api_request (self, &request, &waiter);
        pthread_mutex_unlock (&self->lock);
    }
    if (fault != SB_REASON_NONE && message && message_size && message[0] == 0)
        snprintf (message, message_size, "%s", sb_reason_text (fault));
    return fault;
}

/* ------------------------------------------------------------------ dispatch, memory */

int sb_agent_descriptor (sb_agent_t *self)
{
    return sb_inbox_descriptor (self->inbox);
}

uint32_t sb_agent_dispatch (sb_agent_t *self, uint32_t most)
{
    uint32_t count = 0;
    sb_inbox_item_t *item;
    /* Handlers run one at a time: who comes while another thread dispatches, or from a handler, has nothing to do. */
    if (!self->dispatch_by_caller || atomic_flag_test_and_set_explicit (&self->is_dispatching, memory_order_acquire))
        return 0;
    while ((most == 0 || count < most) && (item = sb_inbox_take (self->inbox, false)) != NULL) {
        sb_handlers_run (self, item);
        sb_inbox_item_destroy (&item);
        count++;
    }
    atomic_flag_clear_explicit (&self->is_dispatching, memory_order_release);
    return count;
}

uint32_t sb_agent_memory (sb_agent_t *self, bool (*visit) (const sb_publication_t *publication, void *context),
                          void *context)
{
    return sb_inbox_visit_memory (self->inbox, visit, context);
}

/* ------------------------------------------------------------------ the copy */

void sb_agent_copy_state (sb_agent_t *self, sb_agent_copy_state_t *state)
{
    pthread_mutex_lock (&self->lock);
    sb_agent_step_copy_state (self->step, state);
    pthread_mutex_unlock (&self->lock);
}

uint32_t sb_agent_copy_visit (sb_agent_t *self, const char *prefix,
                              bool (*visit) (const sb_agent_field_t *field, void *context), void *context)
{
    pthread_mutex_lock (&self->lock);
    uint32_t count = sb_agent_step_copy_visit (self->step, sb_text (prefix), visit, context);
    pthread_mutex_unlock (&self->lock);
    return count;
}

double sb_agent_copy_number (sb_agent_t *self, const char *topic, const char *name, double otherwise)
{
    sb_agent_field_t field;
    pthread_mutex_lock (&self->lock);
    if (sb_agent_step_copy_find (self->step, sb_text (topic), sb_text (name), &field))
        otherwise = sb_value_number (&field.value, otherwise);
    pthread_mutex_unlock (&self->lock);
    return otherwise;
}

/* ------------------------------------------------------------------ counts */

void sb_agent_counts (sb_agent_t *self, sb_agent_counts_t *counts)
{
    pthread_mutex_lock (&self->lock);
    sb_agent_step_counts (self->step, counts);
    pthread_mutex_unlock (&self->lock);
}

uint64_t sb_agent_refused_count (sb_agent_t *self, sb_reason_t reason)
{
    if ((uint32_t)reason >= SB_REASON_LIMIT)
        return 0;
    pthread_mutex_lock (&self->lock);
    uint64_t count = sb_agent_step_refused_count (self->step, reason) + self->content_refused[reason];
    pthread_mutex_unlock (&self->lock);
    return count;
}

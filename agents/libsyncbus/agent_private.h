/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of sb_agent_t, shared by the shell's files and nobody else. `lock` guards the step and whatever is
 * marked so; the I/O thread carries out effects without it (see agent_step.h).
 */
#ifndef SB_AGENT_PRIVATE_H
#define SB_AGENT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent_inbox.h"
#include "agent_sockets.h"
#include "agent_step.h"
#include "sb_codec.h"

/* A page of history, as its reply brought it: see agent_history.c. */
typedef struct sb_page {
    sb_publication_t *publications; /* each with a block of its own */
    void **blocks;
    uint32_t count;
    bool is_short; /* no memory for some of it */
    bool is_evicted;
    char cursor[256];
    uint32_t cursor_size;
} sb_page_t;

/* A thread in sb_agent_command. Lives on its stack. */
typedef struct sb_reply_waiter {
    struct sb_reply_waiter *next;
    uint64_t token;
    bool is_done;
    sb_reason_t code;
    char *message; /* NULL: not wanted */
    size_t message_size;
    sb_page_t *page; /* NULL: not wanted */
} sb_reply_waiter_t;

struct sb_agent {
    sb_agent_handlers_t handlers;
    void *context;
    bool dispatch_by_caller;
    atomic_flag is_dispatching; /* a thread is in sb_agent_dispatch */
    char *ingress_endpoint;
    int sub_queue;

    pthread_mutex_t lock;
    pthread_cond_t changed;                    /* a decision, a status, a reply; on the monotonic clock */
    uint32_t waiters;                          /* guarded: threads that wait for `changed` */
    uint32_t current_waiters;                  /* guarded: of those, for what publications change */
    sb_agent_step_t *step;                     /* guarded */
    bool is_io_sleeping;                       /* guarded */
    bool is_leaving;                           /* guarded */
    sb_reply_waiter_t *reply_waiters;          /* guarded */
    uint64_t next_token;                       /* guarded */
    uint64_t content_refused[SB_REASON_LIMIT]; /* guarded: refused before they came to the step */

    int wake_descriptor;
    pthread_t io_thread;
    pthread_t handler_thread;
    bool has_io_thread;
    bool has_handler_thread;
    bool is_ending; /* of the I/O thread: is_leaving as of its last step */
    int linger_ms;

    sb_sockets_t sockets;     /* of the I/O thread, once it runs */
    sb_arena_t *decode_arena; /* the same */
    sb_arena_t *encode_arena;
    sb_inbox_t *inbox;
};

/* ---- agent_shell.c */

/* Steps an event that any thread may bring, at the present time, and wakes the I/O thread when it has to. */
void sb_shell_step_any (sb_agent_t *self, sb_agent_event_t *event, sb_agent_effects_t *answer);

/* The same under the lock already; *must_wake is set when sb_shell_wake is to be called after it is released. */
void sb_shell_step_locked (sb_agent_t *self, sb_agent_event_t *event, sb_agent_effects_t *answer, bool *must_wake);
void sb_shell_wake (sb_agent_t *self);

/* Waits for `changed`, with the lock held, until deadline_ns at most. False when that has come. */
bool sb_shell_wait (sb_agent_t *self, uint64_t deadline_ns);

uint64_t sb_shell_monotonic_ns (void);
int64_t sb_shell_unix_ns (void);

/* ---- agent_api.c */

/* Issues a request and waits for its reply, its timeout_ms at most, with the lock held. */
sb_reason_t sb_api_request (sb_agent_t *self, const sb_command_request_t *request, sb_reply_waiter_t *waiter);
uint64_t sb_api_deadline_ns (uint32_t timeout_ms);

/* ---- agent_history.c */

/* Copies what a reply to `history` brought. Called by the I/O thread, with the lock held. */
void sb_page_fill (sb_page_t *page, const sb_command_reply_t *reply);

/* ---- agent_handlers.c */

/* Runs the handler that `item` is for. */
void sb_handlers_run (sb_agent_t *self, const sb_inbox_item_t *item);

/* True when somebody is there for such an item. */
bool sb_handlers_want (const sb_agent_t *self, const sb_agent_effect_t *effect);

#endif

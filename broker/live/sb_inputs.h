/* SPDX-License-Identifier: MPL-2.0
 *
 * Waiting for input on several sockets of libzmq and on descriptors, with few system calls.
 *
 * zmq_poll asks each socket twice a call, and a receive that finds nothing asks once more: 20 system calls for a turn
 * that handles one message. Here one poll waits for all descriptors, and a socket is only asked when its descriptor
 * does not tell: it is signalled once, when a quiet socket gets something, and whatever is done with the socket may
 * take that signal. So a socket is open until a receive says that it is empty, and again after something was sent on
 * it: 4 or 5 system calls.
 *
 * Busy polling: to be woken takes tens of microseconds, so who has a core to spare looks again and again for a while
 * before it sleeps. Between two looks it gives the core away to whoever waits for it.
 */
#ifndef SB_INPUTS_H
#define SB_INPUTS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum { SB_INPUTS_MAX = 8 };

/* To be zeroed before the first watch. Inputs have the numbers from 0 up that their owner gives them. */
typedef struct {
    struct pollfd descriptors[SB_INPUTS_MAX];
    void *sockets[SB_INPUTS_MAX]; /* NULL: a plain descriptor */
    bool is_open[SB_INPUTS_MAX];  /* there may be something that the descriptor does not tell of */
    uint32_t count;
    uint64_t (*clock_ns) (void); /* what busy polling ends by; NULL: CLOCK_MONOTONIC */
} sb_inputs_t;

/* Watches a socket, which must outlive *self, as the next input; it is open. */
void sb_inputs_watch_socket (sb_inputs_t *self, void *socket);

/* The same for a descriptor, which is read until it is empty each time it has input. */
void sb_inputs_watch_descriptor (sb_inputs_t *self, int descriptor);

/* Waits until one of them has input, or `timeout_ms`, not negative, are over, or a signal comes. Those that have some
 * are open. The first `busy_ns` of that time, 0 for none, it does not sleep but looks. */
void sb_inputs_wait (sb_inputs_t *self, int timeout_ms, uint64_t busy_ns);

/* True when it should be read. */
static inline bool sb_inputs_is_open (const sb_inputs_t *self, uint32_t input)
{
    return self->is_open[input];
}

/* To be called when a receive from the socket has just said EAGAIN, or the descriptor was read. */
static inline void sb_inputs_set_empty (sb_inputs_t *self, uint32_t input)
{
    self->is_open[input] = false;
}

/* To be called after anything else was done with the socket: sending may take the signal of what came in. */
static inline void sb_inputs_set_open (sb_inputs_t *self, uint32_t input)
{
    self->is_open[input] = true;
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads the grid from the broker without ever waiting longer than it is told to: `status`, `health`, then all pages
 * of `list_agents`, one question at a time. The model changes only when a reading is whole.
 */
#ifndef SB_POLLER_H
#define SB_POLLER_H

#include "sb_grid.h"
#include "sb_run.h"

typedef struct sb_poller sb_poller_t;

typedef enum {
    SB_POLLER_IDLE,  /* nothing under way */
    SB_POLLER_BUSY,  /* an answer is awaited */
    SB_POLLER_DONE,  /* the grid was read anew just now */
    SB_POLLER_FAILED /* no broker, no answer, or a refusal: see the problem */
} sb_poller_state_t;

/* Connects to the run's endpoint. NULL after complaining. `run` must live as long. */
sb_poller_t *sb_poller_new (const sb_run_t *run);

/* Harmless on NULL and on *self_p == NULL. */
void sb_poller_destroy (sb_poller_t **self_p);

/* Begins a reading unless one is under way. */
void sb_poller_start (sb_poller_t *self);

/* Goes on with the reading, waiting at most wait_ms for an answer. DONE and FAILED are said once, then it is idle. */
sb_poller_state_t sb_poller_turn (sb_poller_t *self, int wait_ms, sb_grid_t *grid);

/* Reads once, waiting as long as the run's timeout allows. */
sb_poller_state_t sb_poller_read (sb_poller_t *self, sb_grid_t *grid);

/* After FAILED: a sentence that names the fix, and what the program would end with. Static until the next call. */
const char *sb_poller_problem (const sb_poller_t *self, int *code);

/* The socket, to be polled for reading. */
void *sb_poller_socket (const sb_poller_t *self);

#endif

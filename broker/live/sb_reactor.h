/* SPDX-License-Identifier: MPL-2.0
 *
 * The reactor: moves bytes between the sockets and the core, and time into it. It decides nothing.
 *
 * A turn: wait; signals; the command socket, first, and ingress, for about 1 ms each; subscriptions; monitors; a tick
 * when the core's deadline has come; flush. A flood of deltas so delays an operator by one turn. When the process was
 * held up by 50 ms or more over the deadline, input is drained before the tick (until empty, or for as long as it was
 * held up, or for 1 s), so that nobody is declared dead for the broker's own absence. Rejected: zloop, which ends on
 * signals and hides the clock.
 */
#ifndef SB_REACTOR_H
#define SB_REACTOR_H

#include "sb_config.h"
#include "sb_control_file.h"
#include "sb_log.h"

typedef struct sb_reactor sb_reactor_t;

/* Makes the configuration anew from the same sources, as for SIGHUP. Returns NULL after writing to `problems`. */
typedef sb_config_t *(sb_config_source_t)(void *context, FILE *problems);

/* What the reactor is given; all of it must outlive it, except `config`, which it takes over. */
typedef struct {
    sb_config_t *config;        /* finished; owned by the reactor from then on */
    sb_config_source_t *source; /* for SIGHUP */
    void *source_context;
    sb_log_t *log;
    int signal_descriptor; /* a signalfd for SIGTERM, SIGINT, SIGHUP */
} sb_reactor_options_t;

/* Binds, locks and reads the control state, makes the core, restores. Returns NULL with a sentence in `problem`. */
sb_reactor_t *sb_reactor_new (const sb_reactor_options_t *options, char *problem, size_t size);

/* Serves until SIGTERM or SIGINT, then says goodbye to every agent. Returns 0. */
int sb_reactor_run (sb_reactor_t *self);

/* Closes everything, waiting at most shutdown/linger for what is still to leave. */
void sb_reactor_destroy (sb_reactor_t **self_p);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The two threads of an agent, and the one step that is taken before they run.
 */
#ifndef SB_AGENT_SHELL_H
#define SB_AGENT_SHELL_H

#include "agent_private.h"

/* Steps an event of the I/O side and carries out its effects, on the thread that owns the sockets. Returns 0, or the
 * errno of what could not be connected or sent: then LINK_DOWN is due. */
int sb_shell_step_io (sb_agent_t *self, sb_agent_event_t *event);

/* Runs until the agent leaves, then closes the sockets. The argument is the agent. */
void *sb_shell_io_main (void *argument);

/* Runs handlers until the inbox is closed. */
void *sb_shell_handler_main (void *argument);

#endif

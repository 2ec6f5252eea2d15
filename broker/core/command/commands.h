/* SPDX-License-Identifier: MPL-2.0
 *
 * The commands: read, checked, done, answered, audited.
 *
 * Every command is a row of schemas/sb_commands.def; the dispatcher checks target, parameters, role and expiry from it,
 * so that handlers see valid calls only. A request is in one of three states: answered at once; waiting for the store
 * (a stop); waiting for an agent (send_command), in the pending table. Replies of changing commands are remembered, so
 * that a repeat gets the first reply. Every request, refused or not, leaves one audit line. A lookup is O(1), a paged
 * reply O(page), a stop O(agents).
 */
#ifndef SB_COMMANDS_H
#define SB_COMMANDS_H

#include "core_internal.h"

/* SB_EVENT_COMMAND and SB_EVENT_BAD_COMMAND: answered by exactly one reply effect, now or later. */
void sb_commands_request (sb_core_t *core, const sb_event_t *event);
void sb_commands_bad_request (sb_core_t *core, const sb_event_t *event);

/* An agent's CommandResult, in its session: answers a send_command, or confirms what it was told. */
void sb_commands_result (sb_core_t *core, sb_agent_record_t *agent, const sb_command_result_t *result);

/* A command that an agent issues over its session; answered by a CommandReply to its connection. */
void sb_commands_from_agent (sb_core_t *core, sb_agent_record_t *agent, const sb_command_request_t *request);

/* SB_EVENT_STORED: replies that waited for the store leave. */
void sb_commands_stored (sb_core_t *core, bool durable);

/* The agent's record is being given up: what waits for it is answered now. */
void sb_commands_agent_forgotten (sb_core_t *core, sb_agent_record_t *agent);

/* SB_EVENT_SHUTDOWN: whoever waits for an agent is answered BROKER_STOPPING. */
void sb_commands_shutdown (sb_core_t *core);

/* Tells the agent what is in force and not confirmed (pause, stop), after its Welcome. */
void sb_commands_tell_again (sb_core_t *core, sb_agent_record_t *agent);

/* Does what is due: timeouts of pending commands, remembered replies grown old. */
void sb_commands_tick (sb_core_t *core);

/* True while a state hash could go on now; when one that waits goes on; lets those go on whose time has come; one slice
 * of one of them, about 100 us. */
bool sb_state_hash_has_work (const sb_core_t *core);
uint64_t sb_state_hash_deadline (const sb_core_t *core);
void sb_state_hash_tick (sb_core_t *core);
void sb_state_hash_slice (sb_core_t *core);

/* When sb_commands_tick has something to do next; UINT64_MAX: never. */
uint64_t sb_commands_deadline (const sb_core_t *core);

#endif

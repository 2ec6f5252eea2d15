/* SPDX-License-Identifier: MPL-2.0
 *
 * Where the state half of the core (sessions, deltas) calls the control half (breaker, liveness, operators, latch).
 *
 * Thin: each function moves one of the agent's plain structs and, when that was a transition, emits its event,
 * asks for the change of quality and keeps the counters. The agent's structs are changed through here alone, so
 * that no transition goes unseen. None of these can fail. O(1) unless it says otherwise.
 */
#ifndef SB_CONTROL_H
#define SB_CONTROL_H

#include "core_internal.h"

/* Makes what the control half keeps apart from the agents (pending commands, remembered replies, health). False when
 * there is no memory. */
bool sb_control_new (sb_core_t *core);
void sb_control_destroy (sb_core_t *core);

/* SB_EVENT_RESTORE: latch and operators as kept; makes records for the agents named. O(operators). */
void sb_control_restore (sb_core_t *core, const sb_control_state_t *state);

/* A new agent record, zeroed but for its id: readies breaker, liveness and operator. */
void sb_control_agent_init (sb_core_t *core, sb_agent_record_t *agent);

/* A registration was accepted and the session set up, its Welcome emitted. */
void sb_control_registered (sb_core_t *core, sb_agent_record_t *agent, bool is_new_instance);

/* Any valid message in the agent's session, before it is handled. */
void sb_control_heard (sb_core_t *core, sb_agent_record_t *agent);

/* A heartbeat: confirmations, failures and successes that it reports, MUTE. Before its ack is emitted. */
void sb_control_heartbeat (sb_core_t *core, sb_agent_record_t *agent, const sb_heartbeat_t *heartbeat);

/* The agent said goodbye; its session is closed after this. */
void sb_control_goodbye (sb_core_t *core, sb_agent_record_t *agent);

/* The agent's session ended: a send was refused, or a newer one follows, or it is DEAD. What it was handed counts as
 * not delivered. Its liveness goes on by silence alone: it may be back at once. */
void sb_control_session_lost (sb_core_t *core, sb_agent_record_t *agent);

/* Lays a failure to the agent; `cause` is a static text ("SEQUENCE_GAP", "MUTE" …) for the event. */
void sb_control_failure (sb_core_t *core, sb_agent_record_t *agent, const char *cause);

/* `count` deltas were accepted. */
static inline void sb_control_success (sb_agent_record_t *agent, uint64_t count)
{
    sb_breaker_success (&agent->breaker, count);
}

/* The last tests of a delta's admission, in DESIGN's order: the latch for each of its `count` categories, PAUSED,
 * ISOLATED, the breaker. `message` numbers the AgentMessage that it came in (counted up by one with each). Returns
 * SB_REASON_NONE, or EMERGENCY_STOPPED, PAUSED, ISOLATED, BREAKER_OPEN with *retry_after_ms set (else 0). */
sb_reason_t sb_control_admit (sb_core_t *core, sb_agent_record_t *agent, const sb_text_t *categories, uint32_t count,
                              uint64_t message, uint32_t *retry_after_ms);

/* True when sb_control_admit would let anything in, whatever its categories: nothing stands against the agent. */
static inline bool sb_control_is_open (const sb_core_t *core, const sb_agent_record_t *agent)
{
    return !core->latch.stopped && !agent->operator_state.paused && agent->breaker.state == SB_BREAKER_CLOSED;
}

/* True when traffic only ever moves the agent's deadline later: it is LIVE, and no probe runs. */
static inline bool sb_control_is_steady (const sb_agent_record_t *agent)
{
    return agent->liveness.state == SB_LIVENESS_LIVE && agent->breaker.state == SB_BREAKER_CLOSED;
}

/* A delta of `message` was refused for a reason that is no failure (a bound of the broker): a probe then counts neither
 * way. */
void sb_control_void_probe (sb_core_t *core, sb_agent_record_t *agent, uint64_t message);

/* What the agent's state should be trusted as now, worst cause first: emergency stop, operator, breaker, lost, offline.
 * Returns SB_QUALITY_OK with CAUSE_NONE when nothing is against it. (That a write is needed to become OK again is the
 * caller's.) */
sb_quality_t sb_control_quality (const sb_core_t *core, const sb_agent_record_t *agent, sb_cause_t *cause);

/* For the wire; they borrow from core and agent. */
void sb_control_operator_status (const sb_core_t *core, const sb_agent_record_t *agent, sb_operator_state_t *status);
void sb_control_latch_status (const sb_core_t *core, sb_latch_t *status);
void sb_control_breaker_status (const sb_core_t *core, const sb_agent_record_t *agent, sb_breaker_status_t *status);

/* True while the agent's record must not be forgotten for what operators said: it is paused or isolated. */
bool sb_control_is_kept (const sb_agent_record_t *agent);

/* Does what is due of one agent's breaker, liveness and receipts, and returns when it wants that next. A DEAD agent's
 * session is closed through the state half. */
uint64_t sb_control_expire (sb_core_t *core, sb_agent_record_t *agent);

/* When the agent next wants sb_control_expire; UINT64_MAX: never. To be read again after each step that touched it. */
uint64_t sb_control_deadline (const sb_agent_record_t *agent);

/* The broker was late by `lateness_ns`: adds it to the agent's deadlines. Called for every agent. */
void sb_control_delay (sb_core_t *core, sb_agent_record_t *agent, uint64_t lateness_ns);

/* The rules of the configuration in force, in ns. */
sb_breaker_rules_t sb_control_rules (const sb_core_t *core);

#endif

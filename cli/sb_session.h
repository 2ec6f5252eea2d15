/* SPDX-License-Identifier: MPL-2.0
 *
 * A short-lived agent for `syncbus pub`: registers, sends deltas, hears what was decided, says goodbye.
 *
 * It keeps no state of its own and delivers none whole, so that a second run adds to the first instead of
 * replacing it; that is why it is not libsyncbus. Undecided deltas are kept as bytes and sent again from
 * the number that the broker names; a broker that restarts is registered with again. Heartbeats go out each
 * second; pause and stop are heeded and confirmed.
 */
#ifndef SB_SESSION_H
#define SB_SESSION_H

#include "sb_codec.h"

enum { SB_SESSION_WINDOW = 1024 /* deltas undecided at most */ };

typedef struct sb_session sb_session_t;

/* Called once for each delta, in order of their sequence: `reason` SB_REASON_NONE, or why it was refused. `label` is
 * what sb_session_push was given. Texts are borrowed until it returns. */
typedef void (sb_session_decided_t) (void *context, uint64_t label, sb_reason_t reason, sb_text_t text,
                                     sb_text_t field);

/* Starts connecting. NULL when the endpoint makes no sense. `agent_id` must live as long as the session. */
sb_session_t *sb_session_new (const char *ingress_endpoint, const char *agent_id, sb_session_decided_t *decided,
                              void *context);

/* Says goodbye when there is a session, waits at most half a second for that to leave. Harmless on NULL and *self_p ==
 * NULL. */
void sb_session_destroy (sb_session_t **self_p);

/* The socket, to be polled for reading. */
void *sb_session_socket (const sb_session_t *self);

/* Reads what waits, registers, beats. Never waits. Returns false when the session is over for good: see the failure. */
bool sb_session_turn (sb_session_t *self);

/* Why it is over: the reason and a sentence, NUL-terminated. */
sb_reason_t sb_session_failure (const sb_session_t *self, const char **text);

/* True once the broker has said Welcome. */
bool sb_session_is_registered (const sb_session_t *self);

/* True while one more delta may be pushed. */
bool sb_session_has_room (const sb_session_t *self);

/* Takes a delta, gives it the next sequence, sends it; its decision comes through `decided`, at once when it is known
 * here that it would be refused. Requires sb_session_has_room and sb_session_is_registered. */
void sb_session_push (sb_session_t *self, sb_delta_t *delta, uint64_t label);

/* How many are undecided. */
uint32_t sb_session_undecided (const sb_session_t *self);

/* Milliseconds since something was pushed or heard that mattered: the start, a Welcome, a decision. */
int64_t sb_session_idle_ms (const sb_session_t *self);

#endif

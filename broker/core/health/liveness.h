/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether one agent lives and makes progress.
 *
 * A plain struct inside the agent's record and pure functions over it; the time is an argument, no function
 * fails and none needs the core. All deadlines are counted from the last valid message, in heartbeat
 * intervals: 3 of silence make it SUSPECT, 8 DEAD, 16 when it never spoke after its registration.
 * MUTE is a flag beside the state: alive, but its progress counter stands still with work queued.
 * The broker's own lateness is added by sb_liveness_delay, so that its stops are never laid to agents. O(1).
 * An estimator of arrival times (phi accrual) was rejected: nobody can say beforehand when it will trip.
 */
#ifndef SB_LIVENESS_H
#define SB_LIVENESS_H

#include "sb_model.h"

typedef enum {
    SB_LIVENESS_REGISTERED, /* has a session, has not spoken since */
    SB_LIVENESS_LIVE,
    SB_LIVENESS_SUSPECT,
    SB_LIVENESS_DEAD,      /* its session is over */
    SB_LIVENESS_OFFLINE,   /* said goodbye; never decays */
    SB_LIVENESS_RECOVERING /* known from before a restart of the broker, not heard since */
} sb_liveness_state_t;

enum {
    SB_LIVENESS_SUSPECT_INTERVALS = 3,
    SB_LIVENESS_DEAD_INTERVALS = 8,
    SB_LIVENESS_UNHEARD_INTERVALS = 16 /* REGISTERED to DEAD */
};
#define SB_LIVENESS_RECOVERING_NS UINT64_C (40000000000) /* least time from RECOVERING to DEAD */

/* Read freely; written by the functions below alone. */
typedef struct {
    sb_liveness_state_t state;
    uint64_t interval_ns; /* heartbeat interval */
    uint64_t heard_ns;    /* last valid traffic, or the registration; moved on by the broker's own lateness */
    uint64_t since_ns;    /* when the state began */
    uint64_t mistakes;    /* times that SUSPECT turned out wrong */
    uint64_t progress;    /* last progress counter heard */
    uint64_t mute_ns;     /* when MUTE is entered or repeated; 0: the clock does not run */
    bool is_mute;
} sb_liveness_t;

/* What sb_liveness_expire found. */
typedef enum {
    SB_LIVENESS_NOTHING,
    SB_LIVENESS_CHANGED,    /* the state changed */
    SB_LIVENESS_MUTE,       /* MUTE was entered: a failure */
    SB_LIVENESS_MUTE_REPEAT /* MUTE for one more timeout: a failure */
} sb_liveness_outcome_t;

/* OFFLINE, as an agent is that never registered. */
void sb_liveness_init (sb_liveness_t *self, uint64_t now_ns);

/* RECOVERING. `interval_ns` as known from before. */
void sb_liveness_recover (sb_liveness_t *self, uint64_t interval_ns, uint64_t now_ns);

/* A registration was accepted: REGISTERED, from RECOVERING straight LIVE. Returns true when the state changed. */
bool sb_liveness_register (sb_liveness_t *self, uint64_t interval_ns, uint64_t now_ns);

/* Valid traffic in its session: REGISTERED and SUSPECT become LIVE, the latter a counted mistake. DEAD, OFFLINE and
 * RECOVERING are never revived by it. Returns true when the state changed. */
bool sb_liveness_heard (sb_liveness_t *self, uint64_t now_ns);

/* The same for one that is LIVE, where it changes nothing else; false, and nothing done, for any other. */
static inline bool sb_liveness_heard_again (sb_liveness_t *self, uint64_t now_ns)
{
    if (self->state != SB_LIVENESS_LIVE)
        return false;
    if (now_ns > self->heard_ns)
        self->heard_ns = now_ns;
    return true;
}

/* A heartbeat's progress counter and queue depth, after sb_liveness_heard. `is_judged` false: paused, latched or
 * self-paused, the clock stands. Returns true when that ended MUTE. */
bool sb_liveness_beat (sb_liveness_t *self, uint64_t progress, uint32_t queue_depth, bool is_judged,
                       uint64_t timeout_ns, uint64_t now_ns);

/* Pause or stop began, or its session ended: MUTE ends, its clock starts anew at the first beat after return. Returns
 * true when that ended MUTE. */
bool sb_liveness_unmute (sb_liveness_t *self);

/* A clean exit: OFFLINE. Returns true when the state changed. */
bool sb_liveness_goodbye (sb_liveness_t *self, uint64_t now_ns);

/* Does one thing that is due at `now_ns`; call until SB_LIVENESS_NOTHING. `timeout_ns` is timeout_per_agent. */
sb_liveness_outcome_t sb_liveness_expire (sb_liveness_t *self, uint64_t timeout_ns, uint64_t now_ns);

/* When sb_liveness_expire has something to do next; UINT64_MAX: never. */
uint64_t sb_liveness_deadline (const sb_liveness_t *self);

/* The broker was late by `lateness_ns`: beyond half an interval it is added to every deadline of the agent. */
void sb_liveness_delay (sb_liveness_t *self, uint64_t lateness_ns, uint64_t now_ns);

/* True when the record may be forgotten: DEAD or OFFLINE for `forget_after_ns`. */
bool sb_liveness_is_over (const sb_liveness_t *self, uint64_t forget_after_ns, uint64_t now_ns);

/* True while it counts as live for its health: LIVE, or REGISTERED for less than 3 intervals. */
bool sb_liveness_is_well (const sb_liveness_t *self, uint64_t now_ns);

/* "LIVE" …; "?" for a number that is none. */
const char *sb_liveness_name (sb_liveness_state_t state);

#endif

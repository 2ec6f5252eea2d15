/* SPDX-License-Identifier: MPL-2.0
 *
 * The circuit breaker of one agent: cuts off the agent that keeps failing, alone, and lets it back by itself.
 *
 * A plain struct inside the agent's record and pure functions over it; the time is an argument, no function
 * fails and none needs the core. Failures stand in a ring of their times, so that "the fifth within the window"
 * is one comparison. Waits double with each opening up to a cap, plus 0 to 10 % that a hash of agent id and
 * open count gives, so that a fleet cut off together does not come back together, yet the same events
 * always give the same waits. Every function is O(1). Counting failures in fixed time slots was rejected: at a
 * slot's edge it opens up to a whole slot too early or too late.
 */
#ifndef SB_BREAKER_H
#define SB_BREAKER_H

#include "sb_message.h"

enum {
    SB_BREAKER_RING = 32 /* most failures that are remembered: upper bound of failure_threshold */
};

/* The rules, the same for all agents. */
typedef struct {
    uint32_t failure_threshold;     /* 1 to SB_BREAKER_RING; others are cut to that */
    uint32_t probes;                /* from 1 up */
    uint64_t failure_window_ns;     /* failures older than this do not count */
    uint64_t recovery_delay_ns;     /* the first wait */
    uint64_t recovery_delay_max_ns; /* the longest, without the jitter */
} sb_breaker_rules_t;

/* One agent's breaker. Read freely; written by the functions below alone. */
typedef struct {
    sb_breaker_state_t state;
    uint32_t ring_next;                /* where the next failure goes */
    uint32_t ring_count;               /* failures in the ring, at most SB_BREAKER_RING */
    uint32_t wait_step;                /* doublings of the next wait */
    uint32_t probes_won;               /* in a row, HALF_OPEN only */
    bool probe_running;                /* HALF_OPEN: a probe was let in and is not judged yet */
    bool probe_void;                   /* it was refused something without failing: counts neither way */
    uint64_t probe_message;            /* number of the message that is the probe */
    uint64_t probe_until_ns;           /* when it is judged, and the next one may come; 0: one may come now */
    uint64_t until_ns;                 /* OPEN: the end of the wait */
    uint64_t last_wait_ns;             /* length of the last wait; halved by shortening */
    uint64_t shorten_ns;               /* CLOSED: when the next wait is shortened; 0: not to be */
    uint64_t agent_hash;               /* source of the jitter */
    uint64_t open_count;               /* times that it went to OPEN */
    uint64_t successes;                /* in all */
    uint64_t failures;                 /* in all */
    uint64_t restarts_by_hand;         /* times that restart_agent closed or cleared it */
    uint64_t restarts_by_recovery;     /* times that its probes closed it */
    uint64_t ring_ns[SB_BREAKER_RING]; /* when the last failures were */
} sb_breaker_t;

/* What to do with a delta. */
typedef enum {
    SB_BREAKER_PROCESS,        /* CLOSED */
    SB_BREAKER_PROBE,          /* HALF_OPEN, and the message is the probe */
    SB_BREAKER_REFUSE_OPEN,    /* BREAKER_OPEN, with sb_breaker_retry_after_ms */
    SB_BREAKER_REFUSE_ISOLATED /* ISOLATED */
} sb_breaker_verdict_t;

/* Makes it CLOSED, with nothing counted. */
void sb_breaker_init (sb_breaker_t *self, sb_text_t agent_id);

/* Judges a delta of message number `message` (never 0, never used again): all deltas of the message that is the probe
 * are let in, and that message then holds the slot for `interval_ns`, the agent's heartbeat interval. */
sb_breaker_verdict_t sb_breaker_admit (sb_breaker_t *self, uint64_t message, uint64_t now_ns, uint64_t interval_ns);

/* Message `message` had a delta refused without being a failure: if it is the probe, the probe counts neither way. */
void sb_breaker_void_probe (sb_breaker_t *self, uint64_t message);

/* Counts `count` successes. */
void sb_breaker_success (sb_breaker_t *self, uint64_t count);

/* Counts a failure. Returns true when that opened it. */
bool sb_breaker_failure (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns);

/* Does what is due at `now_ns`: the wait is over, the probe is judged, the next wait is shortened. Returns true
 * when the state changed; HALF_OPEN to CLOSED is a recovery. */
bool sb_breaker_expire (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns);

/* When sb_breaker_expire has something to do next; UINT64_MAX: never. */
uint64_t sb_breaker_deadline (const sb_breaker_t *self);

/* Adds the broker's own lateness: a probe is not judged sooner for it. */
void sb_breaker_delay (sb_breaker_t *self, uint64_t lateness_ns);

/* isolate_agent: FORCED_OPEN from any state. Returns false when it was so already. */
bool sb_breaker_isolate (sb_breaker_t *self);

/* release_agent: FORCED_OPEN to HALF_OPEN. Returns false, changing nothing, in any other state. */
bool sb_breaker_release (sb_breaker_t *self);

/* restart_agent: CLOSED, ring cleared, waits from the first length again. Returns false, changing nothing, when
 * FORCED_OPEN. */
bool sb_breaker_restart (sb_breaker_t *self);

/* After a broker restart with kept state: the ring is empty, OPEN waits for `left_ns`, the others are kept. */
void sb_breaker_restore (sb_breaker_t *self, sb_breaker_state_t state, uint64_t left_ns, uint64_t now_ns);

/* How long a sender should wait, rounded up: 0 when a delta sent now is looked at; at least 1 while OPEN; the time to
 * the next probe's slot while HALF_OPEN; the longest wait of the rules while FORCED_OPEN, whose end nobody knows. */
uint32_t sb_breaker_retry_after_ms (const sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns);

/* Length of the wait that opening number `open_count` of this agent gets at `step` doublings, jitter included. */
uint64_t sb_breaker_wait_ns (const sb_breaker_rules_t *rules, uint64_t agent_hash, uint64_t open_count, uint32_t step);

#endif

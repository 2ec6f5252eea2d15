/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of the control half: what it keeps apart from the agents' records.
 */
#ifndef SB_CONTROL_INTERNAL_H
#define SB_CONTROL_INTERNAL_H

#include "commands.h"
#include "control.h"
#include "core_internal.h"
#include "events.h"
#include "health.h"
#include "pending.h"
#include "reply_memory.h"
#include "state_hashes.h"

/* What the walk over the agents has found so far, and what the last whole one found. */
typedef struct {
    sb_health_summary_t summary; /* of the last finished walk */
    sb_health_summary_t walking; /* of the walk that is under way; score unset */
    uint32_t walk_slot;          /* agents up to this slot are done */
    bool is_walking;             /* a walk is under way */
    uint64_t control_ns;         /* when `_control..` was last published */
    bool is_low;                 /* the score was under 0.8 at the last finished walk */
    bool is_rated;               /* the rates' start is set */
    uint64_t rate_ns;            /* when the rates were last taken */
    uint64_t rate_deltas;        /* counter deltas_accepted then */
    uint64_t rate_publications;  /* counter publications then */
    double deltas_per_s;         /* over the last walk's interval */
    double publications_per_s;   /* the same */
} sb_health_t;

/* A changing command whose reply waits for SB_EVENT_STORED. */
typedef struct {
    bool is_open;     /* one is waiting */
    uint32_t memory;  /* its slot in the reply memory; 0: the reply is not remembered */
    uint32_t command; /* index of its row */
    uint32_t agent;   /* slot of the agent that it is about; 0: none */
    bool is_changed;  /* false: it was so already */
    sb_asker_t asker; /* who waits */
    char command_id[SB_ID_MAX];
    uint8_t command_id_size;
} sb_store_wait_t;

struct sb_control {
    sb_reply_memory_t replies; /* replies of changing commands, and which command ids are pending */
    sb_pending_t pending;      /* send_command waiting for an agent */
    sb_state_hashes_t hashes;  /* state_hash waiting for its walk */
    sb_store_wait_t store_wait;
    bool is_stored; /* the last store was durable; true before the first */
    uint64_t told;  /* agents that the latch's last change was sent to */
    sb_health_t health;
};

/* Emits SB_EFFECT_STORE with everything that is durable, operators in order of agent id. O(agents log agents). */
void sb_control_store (sb_core_t *core);

/* Emits an AgentCommand to the agent's connection. Precondition: it has a session. */
void sb_control_tell (sb_core_t *core, sb_agent_record_t *agent, const sb_agent_command_t *command);

/* Tells the agent its operator state, or the latch, and opens the receipt; only the receipt when it has no session. */
void sb_control_tell_operator (sb_core_t *core, sb_agent_record_t *agent);
void sb_control_tell_latch (sb_core_t *core, sb_agent_record_t *agent);

/* After a handler moved breaker, liveness or operator by itself: quality, timer. */
void sb_control_touched (sb_core_t *core, sb_agent_record_t *agent);

/* timeout_per_agent in ns. */
uint64_t sb_control_timeout_ns (const sb_core_t *core);

/* Publishes `_control..` now. */
void sb_health_publish_control (sb_core_t *core);

/* A change of one named value, for events and levels. */
sb_change_t sb_fact_text (const char *name, sb_text_t text);
sb_change_t sb_fact_integer (const char *name, uint64_t integer); /* above INT64_MAX is cut to it */
sb_change_t sb_fact_number (const char *name, double number);
sb_change_t sb_fact_boolean (const char *name, bool boolean);

#endif

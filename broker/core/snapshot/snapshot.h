/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and snapshots. Somebody who subscribes to `~join.<nonce>.` is answered on that very topic with the heads: so it
 * knows that its earlier subscriptions are live. A snapshot walks the state in slices between deltas, by the reader's
 * credit; nothing is copied or halted, since each field carries the sequence that last named it.
 */
#ifndef SB_SNAPSHOT_H
#define SB_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "sb_message.h"
#include "walk.h"

struct sb_agent_record;

enum {
    SB_SLICE_FIELDS = 256,      /* fields in a slice at most */
    SB_SLICE_TOPICS = 512,      /* slots of topics looked at in a slice at most */
    SB_SLICE_BYTES = 32 * 1024, /* octets of a chunk at most, and a quarter of max_message_bytes; or one field */
    SB_SNAPSHOT_RETRY_MS = 100  /* after the socket refused a chunk */
};

/* How far a snapshot has come. */
typedef struct {
    sb_walk_place_t place; /* where the next slice begins */
    uint32_t chunk_count;  /* chunks sent */
    uint64_t field_count;  /* fields in them */
    uint64_t state_hash;   /* the sum of these */
    bool is_ended;         /* its end was sent */
} sb_snapshot_progress_t;

typedef enum { SB_SNAPSHOT_WAITS, SB_SNAPSHOT_READY, SB_SNAPSHOT_HELD } sb_snapshot_list_t;

/* One snapshot under way. */
typedef struct {
    uint64_t id;
    uint32_t agent;  /* slot; 0: the item is free */
    uint32_t credit; /* chunks that may still be sent */
    uint16_t code;   /* sb_reason_t: other than NONE, there is nothing to walk and the end says so */
    uint8_t list;    /* sb_snapshot_list_t: waits for credit, in the turn, or held back after a refusal */
    bool has_before; /* what was sent last may still come back refused */
    uint32_t next;   /* slots, in that list */
    uint32_t previous;
    uint64_t retry_ns; /* SB_SNAPSHOT_HELD: when it comes back into the turn */
    sb_scope_t scope;
    sb_snapshot_progress_t progress;
    sb_snapshot_progress_t before; /* the progress before what was sent last */
} sb_snapshot_t;

/* A list of snapshots. */
typedef struct {
    uint32_t first; /* slots */
    uint32_t last;
} sb_snapshot_turn_t;

/* All snapshots under way. */
typedef struct {
    sb_pool_t pool;
    sb_snapshot_turn_t ready; /* whose turn it is */
    sb_snapshot_turn_t held;  /* in order of retry_ns */
    uint32_t ready_count;     /* snapshots that have credit and something to send */
} sb_snapshots_t;

/* Readies it for one snapshot an agent. False when there is no memory. */
bool sb_snapshot_init (sb_core_t *self, uint32_t max_agents);

/* Gives everything back. Harmless on what is zeroed. */
void sb_snapshot_fini (sb_core_t *self);

/* Somebody subscribed to `prefix`, which begins with "~join.". */
void sb_join_subscribed (sb_core_t *self, sb_text_t prefix);

/* The changes of `_beat..` and of an answer to a join: *count of them, in scratch memory. */
const sb_change_t *sb_join_heads (sb_core_t *self, uint32_t *count);

/* SnapshotRequest and SnapshotCredit of an agent's session. A request replaces the one before. */
void sb_snapshot_request (sb_core_t *self, struct sb_agent_record *agent, const sb_snapshot_request_t *request);
void sb_snapshot_credit (sb_core_t *self, struct sb_agent_record *agent, const sb_snapshot_credit_t *credit);

/* The socket did not take the last chunk (or end) for this peer: it is made again later. */
void sb_snapshot_chunk_refused (sb_core_t *self, uint64_t peer);

/* The agent's session is over, or another. */
void sb_snapshot_drop (sb_core_t *self, struct sb_agent_record *agent);

/* A field is about to leave its topic: no walk may stand on it. O(1), or O(snapshots) where one does. */
void sb_snapshot_field_removed (sb_core_t *self, uint32_t field);

/* True while a slice could be sent now. */
bool sb_snapshot_has_work (const sb_core_t *self);

/* When one that was held back comes into the turn again; SB_NEVER: none waits. */
uint64_t sb_snapshot_deadline (const sb_core_t *self);

/* Lets those back whose time has come. */
void sb_snapshot_tick (sb_core_t *self);

/* One slice of one snapshot; the next one's turn comes with the next call. At most about 200 us. What the effect points
 * to is the state itself, so nothing may change it any more in this step. */
void sb_snapshot_slice (sb_core_t *self);

#endif

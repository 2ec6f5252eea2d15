/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and snapshots. Somebody who subscribes to `~join.<nonce>.` is answered on that very topic with the heads: so it
 * knows that its earlier subscriptions are live. A snapshot walks the state in slices between deltas, by the reader's
 * credit; nothing is copied or halted, since each field carries the sequence that last changed it.
 */
#ifndef SB_SNAPSHOT_H
#define SB_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "sb_message.h"

struct sb_agent_record;

/* All snapshots under way. */
typedef struct {
    uint32_t ready_count; /* snapshots that have credit and something to send */
} sb_snapshots_t;

/* Somebody subscribed to `prefix`, which begins with "~join.". */
void sb_join_subscribed (sb_core_t *self, sb_text_t prefix);

/* SnapshotRequest and SnapshotCredit of an agent's session. */
void sb_snapshot_request (sb_core_t *self, struct sb_agent_record *agent, const sb_snapshot_request_t *request);
void sb_snapshot_credit (sb_core_t *self, struct sb_agent_record *agent, const sb_snapshot_credit_t *credit);

/* The socket did not take the last chunk (or end) for this peer: it is made again later. */
void sb_snapshot_chunk_refused (sb_core_t *self, uint64_t peer);

/* The agent's session is over. */
void sb_snapshot_drop (sb_core_t *self, struct sb_agent_record *agent);

/* A field is about to leave its topic: no walk may stand on it. */
void sb_snapshot_field_removed (sb_core_t *self, uint32_t field);

/* True while a slice could be sent now. */
bool sb_snapshot_has_work (const sb_core_t *self);

/* One slice of one snapshot; the next one's turn comes with the next call. At most about 200 us. */
void sb_snapshot_tick (sb_core_t *self);

#endif

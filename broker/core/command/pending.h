/* SPDX-License-Identifier: MPL-2.0
 *
 * send_command on its way: what waits for an agent's own reply.
 *
 * A bounded table; each entry has two deadlines: the asker's (then the reply is TIMEOUT) and timeout_per_agent (then it
 * is a failure of the agent). It is in the table until both are past or the agent has answered. A list in order of the
 * next deadline, searched from its end, since nearly all have the same length: O(1) as a rule, O(entries) at worst. Who
 * waits stands in the reply memory, under the command's id.
 */
#ifndef SB_PENDING_H
#define SB_PENDING_H

#include "core_internal.h"

typedef struct {
    uint32_t memory;     /* slot in the reply memory */
    uint32_t agent;      /* slot of the agent that is to answer; 0: the entry is free */
    uint64_t session_id; /* the session that it was sent over */
    uint64_t timeout_ns; /* when the asker is told TIMEOUT; UINT64_MAX: it was answered */
    uint64_t failure_ns; /* when it is a failure of the agent; UINT64_MAX: it was counted */
    uint32_t next;       /* slots, in order of the earlier of both */
    uint32_t previous;
    uint8_t command_size;
    uint8_t issuer_size;
    uint16_t reason_size;
    char command[SB_ID_MAX];            /* the agent's command, for the audit */
    char issuer[SB_ISSUER_MAX];         /* the same */
    char reason[SB_COMMAND_REASON_MAX]; /* the same */
} sb_pending_entry_t;

typedef struct {
    sb_pool_t entries;
    uint32_t first; /* slot of the one that is due next; 0: none */
    uint32_t last;
} sb_pending_t;

/* Readies it for `limit` entries. False when there is no memory. */
bool sb_pending_init (sb_pending_t *self, sb_memory_t *memory, uint32_t limit);

/* Gives everything back. Harmless on what is zeroed. */
void sb_pending_fini (sb_pending_t *self);

/* A zeroed entry, to be filled and then given to sb_pending_add; 0 when the table is full. */
uint32_t sb_pending_take (sb_pending_t *self);

/* The entry of a slot. */
sb_pending_entry_t *sb_pending_at (const sb_pending_t *self, uint32_t slot);

/* Puts it in order, by its deadlines. Call sb_pending_unlink before changing them, and this again after. */
void sb_pending_add (sb_pending_t *self, uint32_t slot);
void sb_pending_unlink (sb_pending_t *self, uint32_t slot);

/* Gives an unlinked entry back. */
void sb_pending_give (sb_pending_t *self, uint32_t slot);

/* The earlier of an entry's deadlines. */
uint64_t sb_pending_due_ns (const sb_pending_entry_t *entry);

/* The earliest of all; UINT64_MAX: none. */
uint64_t sb_pending_deadline (const sb_pending_t *self);

/* Moves every deadline on by the broker's own lateness. O(entries). */
void sb_pending_delay (sb_pending_t *self, uint64_t lateness_ns);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Which changing commands are known: those that are pending, with all who wait for them, and the replies of those
 * that are done, so that a repeat is answered by the first reply and never done twice.
 *
 * An entry is found by (scope, command id) through an index. Replies are kept flattened, one run of octets each, in a
 * store with a cap in octets, and leave in the order in which they were made: the oldest first, by age, by number, or
 * for room. Keeping the structs themselves was rejected: a reply of many columns would be many small pieces to bound
 * and free. Find, open, join, finish: O(1) expected, and O(size) for the reply.
 */
#ifndef SB_REPLY_MEMORY_H
#define SB_REPLY_MEMORY_H

#include "core_internal.h"

enum { SB_REPLY_BYTES_MAX = 32 * 1024 * 1024 /* octets of all remembered replies */ };

/* Who waits for a reply. */
typedef struct {
    uint64_t token;      /* on the command endpoint; 0: an agent */
    uint64_t session_id; /* of the agent */
    uint32_t agent;      /* its slot; 0 on the command endpoint */
} sb_asker_t;

/* One more who asked the same. */
typedef struct {
    sb_asker_t asker;
    uint32_t next; /* slot; 0: the last */
} sb_waiter_t;

/* A command that is pending or done. */
typedef struct {
    char command_id[SB_ID_MAX];
    uint8_t command_id_size;
    bool is_done;
    uint64_t scope;     /* who may name it so: hash of the issuing agent's id; 0: the command endpoint */
    uint32_t pending;   /* slot in the table of commands that wait for an agent; 0: none */
    uint32_t waiters;   /* slot of the first who waits; 0: nobody */
    uint32_t next;      /* of those that are done and not pending, the next younger */
    uint32_t run_size;  /* octets of run */
    uint64_t body_hash; /* of what was asked, to know a repeat from a reused id */
    uint64_t done_ns;   /* when it was done */
    char *run;          /* the reply; NULL while pending */
} sb_reply_entry_t;

typedef struct {
    sb_memory_t *memory;
    sb_pool_t entries;
    sb_pool_t waiters;
    sb_blob_t runs;
    sb_index_t index;     /* entries by scope and command id */
    uint64_t hash_key[2]; /* of the index */
    uint32_t oldest;      /* slots of those that are done, by age; 0: none */
    uint32_t youngest;
    uint32_t done_count; /* entries between these */
    uint32_t done_limit; /* at most so many of them */
} sb_reply_memory_t;

/* Readies it for `max_replies` that are done and `max_pending` that are not. False when there is no memory. */
bool sb_reply_memory_init (sb_reply_memory_t *self, sb_memory_t *memory, const uint64_t hash_key[2],
                           uint32_t max_replies, uint32_t max_pending);

/* Gives everything back. Harmless on what is zeroed. */
void sb_reply_memory_fini (sb_reply_memory_t *self);

/* The slot of that command, or 0. */
uint32_t sb_reply_memory_find (const sb_reply_memory_t *self, uint64_t scope, sb_text_t command_id);

/* The entry of a slot. */
sb_reply_entry_t *sb_reply_memory_at (const sb_reply_memory_t *self, uint32_t slot);

/* A pending entry for a command that is not known yet, one waiter with it; 0 when there is no room. */
uint32_t sb_reply_memory_open (sb_reply_memory_t *self, uint64_t scope, sb_text_t command_id, uint64_t body_hash,
                               const sb_asker_t *asker);

/* One more waits for a pending one. False when there is no room. */
bool sb_reply_memory_join (sb_reply_memory_t *self, uint32_t slot, const sb_asker_t *asker);

/* Takes out the first who waits, in the order of asking. False when nobody does. */
bool sb_reply_memory_next_asker (sb_reply_memory_t *self, uint32_t slot, sb_asker_t *asker);

/* It is done with this reply (copied; a reply without room for it is forgotten). Precondition: nobody waits any more.
 * While `pending` is set it is not forgotten; sb_reply_memory_release ends that. Returns how many older ones had to go
 * for room. */
uint32_t sb_reply_memory_finish (sb_reply_memory_t *self, uint32_t slot, const sb_command_reply_t *reply,
                                 uint64_t now_ns);
uint32_t sb_reply_memory_release (sb_reply_memory_t *self, uint32_t slot, uint64_t now_ns);

/* Forgets an entry that nobody waits for and that is not in the order of age. */
void sb_reply_memory_drop (sb_reply_memory_t *self, uint32_t slot);

/* The reply of one that is done, in the core's scratch memory. */
void sb_reply_memory_read (const sb_reply_memory_t *self, uint32_t slot, sb_core_t *core, sb_command_reply_t *reply);

/* Forgets replies made at or before `now_ns - age_ns`. */
void sb_reply_memory_expire (sb_reply_memory_t *self, uint64_t age_ns, uint64_t now_ns);

/* When sb_reply_memory_expire has something to do next; UINT64_MAX: never. */
uint64_t sb_reply_memory_deadline (const sb_reply_memory_t *self, uint64_t age_ns);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * state_hash on its way: walks over the state under some interests, a slice at a time.
 *
 * A hash is of one moment, but a large state takes many slices. So a walk begins anew when a topic of its scope was
 * published in meanwhile, after a short wait, and gives up after some tries. A few go on at the same time; while there
 * are none, a publication pays one comparison for them.
 */
#ifndef SB_STATE_HASHES_H
#define SB_STATE_HASHES_H

#include "core_internal.h"
#include "reply_memory.h"

enum {
    SB_STATE_HASHES_MAX = 16,    /* under way at the same time */
    SB_STATE_HASHES_KEPT = 4,    /* of them, for who does not ask over an agent's session */
    SB_STATE_HASH_TRIES = 20,    /* walks that are begun, at most */
    SB_STATE_HASH_RETRY_MS = 50, /* between two */
    SB_HASH_SLICE_FIELDS = 512,  /* fields of a slice at most */
    SB_HASH_SLICE_BYTES = 32768  /* octets of names and values in it, but for its last field */
};

/* One state_hash command. */
typedef struct {
    bool is_used;
    bool is_begun;         /* the walk goes on; otherwise it begins with its next slice */
    bool is_disturbed;     /* a topic of the scope was published in since it began */
    uint32_t tries;        /* walks begun */
    uint64_t retry_ns;     /* it waits until then; 0: it does not wait */
    sb_asker_t asker;      /* who is answered */
    sb_scope_t scope;      /* what is asked for */
    sb_walk_place_t place; /* where the next slice begins */
    uint64_t sum;          /* of the fields walked */
    uint64_t field_count;
    uint64_t topic_count;
    char command_id[SB_ID_MAX];
    uint8_t command_id_size;
} sb_state_hash_walk_t;

/* All of them; those in use anywhere in the array. */
typedef struct {
    sb_state_hash_walk_t walks[SB_STATE_HASHES_MAX];
    uint32_t count; /* used */
    uint32_t turn;  /* index of the one that is looked at next */
} sb_state_hashes_t;

/* Gives everything back. */
void sb_state_hash_fini (sb_core_t *core);

/* A publication of the topic was numbered. Called only while some are under way. */
void sb_state_hash_note (sb_core_t *core, sb_text_t topic);

/* A field that walks may stand on is about to leave its topic. */
void sb_state_hash_field_removed (sb_core_t *core, uint32_t field);

/* Every asker is answered BROKER_STOPPING. */
void sb_state_hash_shutdown (sb_core_t *core);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A core that is driven by a seeded script, with a shell around it that hashes every effect: shared by the files of
 * test_core_determinism. determinism_run.c is core and shell, determinism_script.c makes up what happens.
 */
#ifndef DETERMINISM_H
#define DETERMINISM_H

#include <criterion/criterion.h>

#include "sb_codec.h"
#include "sb_core.h"

enum { AGENTS = 24, PEERS = 40 };

#define MS            UINT64_C (1000000)
#define UNIX_START_NS INT64_C (1700000000000000000)

/* Numbers drawn from a seed. */
typedef struct {
    uint64_t state;
} seeded_t;

uint64_t seeded_next (seeded_t *self);
/* Below `limit`, which is not 0. */
uint32_t seeded_below (seeded_t *self, uint32_t limit);
/* True `percent` times in a hundred. */
bool seeded_chance (seeded_t *self, uint32_t percent);

/* What the run was like. */
typedef struct {
    uint64_t hash;
    uint32_t kinds[SB_EFFECT_LOG + 1]; /* effects */
    uint32_t replies[SB_REASON_LIMIT]; /* by reason */
    uint32_t refusals[SB_REASON_LIMIT];
    uint32_t joins;
    uint32_t chunks;
    uint32_t expired;               /* publications of it */
    uint32_t merged;                /* conflated publications of more than one */
    uint32_t ends[SB_REASON_LIMIT]; /* of snapshots */
    uint32_t steps;
} run_result_t;

typedef struct {
    sb_core_t *core;
    sb_arena_t *arena;
    seeded_t random;
    uint64_t now_ns;
    int64_t unix_ns;
    uint64_t token;
    uint64_t peer_counter;
    uint64_t latch_epoch;       /* as last stored */
    unsigned char fill;         /* of fresh memory */
    size_t padding;             /* octets before each allocation, a multiple of 16 */
    uint64_t peers[AGENTS];     /* of each agent; 0: none */
    uint64_t instances[AGENTS]; /* of each agent */
    uint64_t expected[AGENTS];  /* next sequence of each agent */
    uint64_t asked_peer;        /* whom a command was sent to last */
    char asked_id[SB_ID_MAX];
    uint32_t asked_id_size;
    bool must_store;
    uint64_t refused_peer; /* the chunk for it is to be refused; 0: none */
    run_result_t result;
} run_t;

/* The core's allocator, whose context is the run. */
void *run_allocate (void *context, size_t size);
void run_release (void *context, void *memory, size_t size);

/* Steps the core, and takes in what comes of it. */
void run_step (run_t *self, sb_event_t event);
/* A message of a peer. */
void run_message (run_t *self, uint64_t peer, const sb_agent_message_t *message);
/* Adds a number to a hash. */
void run_hash_number (uint64_t *hash, uint64_t number);

/* Something happens, as the seed has it; a heartbeat of some agent does. */
void script_happen (run_t *self);
void script_send_heartbeat (run_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A core on stage: small bounds, so that a short input reaches them; a good agent on a connection of its own; and
 * hostile peers. The stage does with effects what the broker's shell does, bytes included, and claims along the way:
 *   - whatever the core sends, publishes or replies can be written, and is read without a fault by the other end
 *   - global sequences, and those of the good agent's category and topic, have no holes; ranges of conflated
 *     publications end at their topic's head
 *   - afterwards a snapshot is whole, and its hash is the one it says
 *   - each request gets exactly one reply; all memory goes back
 */
#ifndef FUZZ_STAGE_H
#define FUZZ_STAGE_H

#include "fuzz.h"
#include "sb_codec.h"
#include "sb_core.h"

enum { FUZZ_PEERS = 4, FUZZ_GOOD_PEER = 100, FUZZ_TOKENS_MAX = 4096, FUZZ_ID_OCTETS = 72 };

/* The snapshot that the good agent takes. */
typedef struct {
    uint64_t id;
    uint32_t chunks;
    uint32_t credit;
    uint64_t fields;
    uint64_t hash; /* of the fields that came */
    bool is_whole;
} fuzz_snapshot_t;

typedef struct {
    sb_core_t *core;
    sb_arena_t *input; /* what is being decoded */
    sb_arena_t *work;  /* what is being encoded, and decoded again */
    uint64_t now_ns;
    uint64_t beat_at_ns;   /* the good agent's next heartbeat */
    uint64_t played_ns;    /* time that passed on request */
    size_t allocated;      /* octets that the core holds */
    bool store_fails;      /* what is to be made durable is not */
    bool is_stored;        /* a store is to be confirmed */
    bool refuses_chunks;   /* the socket takes no part of a snapshot */
    uint64_t refused_peer; /* one was not taken for this peer; 0: none */
    fuzz_snapshot_t snapshot;
    uint64_t sequence;                          /* global head */
    uint64_t category_sequence, topic_sequence; /* heads of the good agent's category and topic */

    uint64_t good_sequence; /* its last delta's */
    uint64_t good_decided;
    uint64_t good_published; /* number of its last delta that was published */
    uint32_t good_refused;   /* refusals in all */
    bool is_good_paused;     /* it was told to pause */
    bool is_good_over;       /* it was told goodbye */
    sb_latch_t good_latch;   /* of its last HeartbeatAck; texts are not kept */

    uint64_t next_token;
    bool is_open[FUZZ_TOKENS_MAX];            /* by token: no reply yet */
    sb_reason_t reply_code;                   /* of the last reply */
    char next_cursor[256];                    /* of the last reply that had one */
    char told_id[FUZZ_PEERS][FUZZ_ID_OCTETS]; /* command id of the last command that a hostile peer was told */
} fuzz_stage_t;

/* A core with one good agent, registered, that has published once; `control` is restored first unless NULL. */
fuzz_stage_t *fuzz_stage_new (const sb_control_state_t *control);

/* Claims that the core gives back all it took; sets *self_p to NULL. */
void fuzz_stage_destroy (fuzz_stage_t **self_p);

/* Steps an event at the present time and does what comes of it. */
void fuzz_stage_step (fuzz_stage_t *self, sb_event_t *event);
void fuzz_stage_flush (fuzz_stage_t *self);

/* One tick, at the core's deadline when that is still to come. */
void fuzz_stage_tick (fuzz_stage_t *self);

/* Lets time pass, ticking at each deadline, the good agent beating; in all no more than 2 minutes for an input. */
void fuzz_stage_advance (fuzz_stage_t *self, uint64_t duration_ns);

/* A frame from a hostile peer, 0 to FUZZ_PEERS - 1. The good agent's name is not for them: without security on names
 * are taken on trust, so a message that uses it to register is passed over. With `answers` a CommandResult gets the id
 * of the command that the peer was told last. */
void fuzz_stage_frame (fuzz_stage_t *self, uint32_t peer, const uint8_t *data, size_t size, bool answers);

/* A request at the command endpoint, as decoded: its token, for which a reply must come. */
uint64_t fuzz_stage_request (fuzz_stage_t *self, const sb_command_request_t *request);

/* A request of one operator with at most one parameter (name NULL: none). Its reply has come when this returns, and its
 * code is returned. */
sb_reason_t fuzz_stage_operate (fuzz_stage_t *self, const char *command, const char *agent_id, const char *name,
                                const sb_value_t *value);

/* Claims that the good agent's next delta is accepted and published and that `status` is answered. If somebody paused
 * the good agent, an operator resumes it first. */
void fuzz_stage_good_works (fuzz_stage_t *self);

/* Claims that the good agent gets a whole snapshot. */
void fuzz_stage_good_reads (fuzz_stage_t *self);

/* A part of it came (fuzz_snapshot.c). */
void fuzz_snapshot_heard (fuzz_stage_t *self, const sb_broker_message_t *message);

/* An operator undoes whatever operators did to the good agent; then it works. */
void fuzz_stage_good_recovers (fuzz_stage_t *self);

#endif

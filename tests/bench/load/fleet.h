/* SPDX-License-Identifier: MPL-2.0
 *
 * The fleet workload: its phases and what its processes share. See bench_fleet.c.
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "scale.h"

#include <stdatomic.h>
#include <stddef.h>

enum { FLEET_PROCESSES_MAX = 64, FLEET_INSTANCE = 1000, FLEET_FIELDS_A_DELTA = 500, FLEET_PAIRS_MAX = 32 };

/* What the load processes do now; the parent sets it, and never goes back. */
typedef enum {
    FLEET_CONNECT, /* connect, register, subscribe */
    FLEET_PUBLISH, /* and publish the state */
    FLEET_BEAT,    /* beat and nothing else; from the registration on all beat */
    FLEET_WARM,    /* the writers write without being measured */
    FLEET_WRITE,   /* the writers write, flat out; from here on in turn while all beats go on, and while fewer do */
    FLEET_QUIET = FLEET_WRITE + 2 * FLEET_PAIRS_MAX, /* send nothing any more and wait for the last answers */
    FLEET_END
} fleet_phase_t;

/* What was asked for. */
typedef struct {
    const char *system; /* syncbus, bare */
    const char *ingress;
    const char *publish;
    const char *command;
    uint64_t pid; /* of the server */
    uint64_t agents;
    uint64_t readers; /* of them, the last ones, with a SUB */
    uint64_t fields;  /* of each agent */
    uint64_t field_octets;
    uint64_t processes;
    uint64_t interval_ms; /* of a lap through the agents */
    uint64_t beat_laps;   /* from one beat of an agent to its next */
    uint64_t beat_s;      /* how long beats alone are measured */
    uint64_t writers;     /* the first agents */
    uint64_t deltas;      /* measured, of all writers together; 0: none */
    uint64_t pairs;      /* of windows: that many parts of the deltas, each with beats every lap and again with fewer */
    uint64_t categories; /* that the writers write in turn */
    uint64_t subscribers; /* that read all that the writers write */
    uint64_t window;      /* deltas that a writer may have undecided */
    uint64_t burst;       /* deltas that it writes when it has its turn */
    uint64_t ahead;       /* updates that a subscriber may be behind */
    uint64_t connects_per_s;
} fleet_options_t;

/* Counts of one load process, which alone writes them. */
typedef struct {
    _Atomic uint64_t registered;
    _Atomic uint64_t joined;    /* subscriptions that hold, as the server says */
    _Atomic uint64_t published; /* agents whose whole state is decided */
    _Atomic uint64_t fields;    /* that its agents have published, each counted once */
    _Atomic uint64_t beats;
    _Atomic uint64_t beats_answered;
    _Atomic uint64_t deltas;
    _Atomic uint64_t deltas_accepted;
    _Atomic uint64_t deltas_refused;
    _Atomic uint64_t refusals;  /* of other messages */
    _Atomic uint64_t updates;   /* that readers got, levels apart */
    _Atomic uint64_t late_laps; /* seconds in which it did not get round */
    _Atomic int done_phase;     /* the last one that it is done with, of those in which something is to be done */
} fleet_counts_t;

typedef struct {
    _Atomic int phase;
    _Atomic uint64_t drained;            /* updates of writers that each of the subscribers has: the slowest one's */
    _Atomic uint64_t most;               /* the same, the fastest one's */
    _Atomic uint64_t least_publications; /* that these came in: of who got the fewest */
    _Atomic uint64_t most_publications;  /* the same, of who got the most */
    _Atomic uint64_t misplaced;          /* updates that were not the next of their writer: lost before, or repeated */
    _Atomic uint64_t subscribed;         /* subscribers whose subscriptions hold */
    fleet_counts_t counts[FLEET_PROCESSES_MAX];
} fleet_shared_t;

/* What a load process is given. */
typedef struct {
    const fleet_options_t *options;
    fleet_shared_t *shared;
    fleet_counts_t *counts;
    uint64_t first; /* its agents: first to end-1; the process with first 0 has the writers */
    uint64_t end;
} fleet_part_t;

/* What the broker says of itself: columns of `status` of these names, and the category heads of the writers. */
typedef struct {
    uint64_t memory_bytes;
    uint64_t fields;
    uint64_t agents_live;
    uint64_t agents_suspect;
    uint64_t agents_dead;
    uint64_t mistaken_suspects;
    uint64_t deltas;
    uint64_t deltas_accepted;
    uint64_t deltas_repeated;
    uint64_t changes;
    uint64_t changes_suppressed;
    uint64_t publish_refused;
    uint64_t sessions_lost;
    uint64_t failures;
    uint64_t heads; /* publications of the writers' categories */
} fleet_status_t;

/* Asks the broker. */
void fleet_ask (scale_wire_t *wire, void *request, fleet_status_t *status);

/* Ends the program unless what the broker counts is what was sent, answered and read. `status` is taken when all is
 * decided and read. */
void fleet_check_broker (const fleet_options_t *options, const fleet_shared_t *shared, const fleet_status_t *status);

/* Deltas of the writers, those of their whole states included. */
uint64_t fleet_written (const fleet_options_t *options, const fleet_shared_t *shared);

/* One count of all load processes; `offset` is its place in fleet_counts_t. */
uint64_t fleet_sum (const fleet_options_t *options, const fleet_shared_t *shared, size_t offset);

/* A load process of agents. */
void fleet_run_agents (const fleet_part_t *part);

/* The process of the subscribers: fleet_subscribers.c. */
void fleet_run_subscribers (const fleet_options_t *options, fleet_shared_t *shared);

/* True when an agent has a SUB. The writers are at the other end of the fleet. */
bool fleet_is_reader (const fleet_options_t *options, uint64_t agent);

/* True in a phase in which beats go on each --beat-laps only; with pairs of windows in the second of each. */
bool fleet_is_sparse (const fleet_options_t *options, int phase);

/* Deltas of a window in which they are measured. */
uint64_t fleet_window_deltas (const fleet_options_t *options);

/* True when the server is a bare one, which sends everything back. */
bool fleet_is_bare (const fleet_options_t *options);

/* The category that the writers' delta number `number` goes to, written to `text`. */
sb_text_t fleet_category (const fleet_options_t *options, uint64_t number, char *text);

#endif

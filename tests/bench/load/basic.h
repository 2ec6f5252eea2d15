/* SPDX-License-Identifier: MPL-2.0
 *
 * The basic bus beside SyncBus: what its processes share. See bench_basic.c.
 */
#ifndef BENCH_BASIC_H
#define BENCH_BASIC_H

#include "scale.h"

#include <stdatomic.h>

enum {
    BASIC_AGENTS_MAX = 100,
    BASIC_PROCESSES_MAX = 16,
    BASIC_INSTRUMENTS_MAX = 32,
    BASIC_FIELDS_MAX = 16, /* of an instrument */
    BASIC_NAME = 48,
    BASIC_CATEGORIES = 10,
    BASIC_READS = 2 /* of these each agent reads */
};

/* A row of the recording. */
typedef struct {
    uint64_t time_ns;
    uint32_t instrument;
    uint32_t count;
    uint8_t fields[BASIC_FIELDS_MAX];
    double values[BASIC_FIELDS_MAX];
} basic_tick_t;

/* The recording; made before the processes are. */
typedef struct {
    basic_tick_t *ticks;
    uint64_t count;
    char instruments[BASIC_INSTRUMENTS_MAX][BASIC_NAME];
    char fields[BASIC_FIELDS_MAX][BASIC_NAME];
    char names[BASIC_INSTRUMENTS_MAX][BASIC_FIELDS_MAX][2 * BASIC_NAME]; /* instrument.field */
    uint32_t instrument_count;
    uint32_t field_count;
} basic_recording_t;

typedef struct {
    const char *system; /* syncbus, bare */
    const char *mode;   /* deltas, full */
    const char *ingress;
    const char *publish;
    const char *command; /* where syncbusd is asked for its counts; none of a bare server */
    const char *ticks;   /* path */
    uint64_t pid;
    uint64_t agents;
    uint64_t processes; /* of readers */
    uint64_t speed;     /* times as fast as recorded */
    uint64_t reads_all; /* 1: in mode deltas too each agent reads all categories */
    uint64_t before;    /* ticks that are published before the measurement begins: the state has filled up */
    bool is_bare;
    bool is_full;
} basic_options_t;

/* TCP payload of a process's connections to the server, retransmissions left out. */
typedef struct {
    uint64_t sent;
    uint64_t received;
} basic_bytes_t;

/* How far an agent has read an interest. Its reading end writes it, and its sending end says it in beats. */
typedef struct {
    _Atomic uint64_t sequence;
    _Atomic uint64_t category_sequence;
} basic_seen_t;

/* What one reader process says; it alone writes. */
typedef struct {
    _Atomic uint64_t joined;  /* agents that hear */
    _Atomic uint64_t updates; /* received, with their numbers in order; of each, the next two are noted before */
    _Atomic uint64_t fields;  /* in them */
    _Atomic uint64_t content; /* basic_content of those that are compared */
    _Atomic uint64_t lost;
    basic_bytes_t before, after;
    _Atomic int noted; /* the last border at which the bytes were read */
} basic_counts_t;

/* What the parent has come to. */
enum {
    BASIC_CONNECTING,
    BASIC_FILLING,   /* all hear each other */
    BASIC_MEASURING, /* octets are read here */
    BASIC_MEASURED   /* and here: all was received, or is lost */
};

typedef struct {
    _Atomic int border;
    _Atomic bool is_over;
    _Atomic uint64_t sent;    /* updates; of each, the next three are noted before */
    _Atomic uint64_t fields;  /* in them */
    _Atomic uint64_t content; /* basic_content of those that are compared */
    _Atomic uint64_t held;    /* different fields of different agents */
    _Atomic uint64_t decided; /* as far as the system acks */
    _Atomic uint64_t refused;
    uint64_t late_p50_ns; /* updates of the measurement: from when one was due to when the sender came to it */
    uint64_t late_p99_ns;
    uint64_t late_max_ns;
    _Atomic bool is_filled;
    _Atomic bool is_sent;
    _Atomic bool is_ready;       /* the sender: everybody is registered */
    basic_bytes_t before, after; /* the sender's */
    _Atomic int noted;
    basic_seen_t seen[BASIC_AGENTS_MAX][BASIC_CATEGORIES];
    _Atomic uint64_t read[BASIC_AGENTS_MAX]; /* publications, of each agent */
    basic_counts_t counts[BASIC_PROCESSES_MAX];
    _Atomic uint64_t sample_count;
    uint64_t samples[]; /* ns from when an update was due to when it was read; room for every delivery */
} basic_shared_t;

/* True when the contents of an agent's update of that number are compared: of each delta, and of one in 128 whole
 * states, since all of them would weigh on the basic bus: its readers have several dozen times the fields to look at.
 */
bool basic_is_compared (const basic_options_t *options, uint64_t sequence);

/* What the changes say, modulo 2^64: sums of whatever was sent and received, in any order, agree when each change came
 * with its value. Of a name it takes the length and the last octet. */
uint64_t basic_content (const sb_change_t *changes, uint32_t count);

/* Asks syncbusd and ends the program unless it accepted, merged and published all that was sent. `is_all_read`: every
 * publication came, so that each reader's position must be the head as well. */
void basic_check_broker (const basic_options_t *options, const basic_shared_t *shared, bool is_all_read);

/* Reads the file that bench_basic_ticks.py makes. */
void basic_read_ticks (basic_recording_t *recording, const char *path);

/* Reads /proc/self/fd: the payload of all connections of this process to the endpoints' ports. */
basic_bytes_t basic_bytes (const basic_options_t *options);

/* True when `reader` reads what `writer` publishes. */
bool basic_reads (const basic_options_t *options, uint64_t reader, uint64_t writer);

/* The category that an agent publishes in, to `text`; there are basic_categories () of them, the first agents'. */
uint64_t basic_categories (const basic_options_t *options);
sb_text_t basic_category (const basic_options_t *options, uint64_t agent, char *text);

/* The process with the agents' DEALERs. */
void basic_run_sender (const basic_options_t *options, const basic_recording_t *recording, basic_shared_t *shared);

/* A process with the SUBs of the agents first to end-1. */
void basic_run_readers (const basic_options_t *options, basic_shared_t *shared, uint64_t process, uint64_t first,
                        uint64_t end);

#endif

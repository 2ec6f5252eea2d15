/* SPDX-License-Identifier: MPL-2.0
 *
 * The simulator: the broker's core and the clients' own step, joined by the codec over a network in virtual time.
 *
 * One seed is one run: everything in it hangs from sim_t, every choice comes from one random stream, so the same seed
 * gives the same octets. A turn moves the clock to the next thing due, lets the broker read, then each process. The
 * checker (sim_checker.c and what stands behind it) sees what went into the core and what came out, never how.
 * Rejected: random schedules over real sockets, which cannot be repeated; an event queue of closures, which hides what
 * is under way where a crash must take it away.
 */
#ifndef SIM_H
#define SIM_H

#include "agent_step.h"
#include "sb_codec.h"
#include "sb_core.h"
#include "sb_gather.h"
#include "sb_names.h"

#define SIM_MS      UINT64_C (1000000)
#define SIM_UNIX_NS INT64_C (1700000000000000000)

enum {
    SIM_CONNECTIONS_MAX = 2048, /* standing, or with something still under way */
    SIM_PIPES_MAX = 1024,       /* connections of SUB sockets, standing or not yet missed by the broker */
    SIM_INTERESTS_MAX = 4,      /* of an agent */
    SIM_NOTICES_MAX = 16,       /* of a SUB socket's monitor, not read yet */
    SIM_PROCESSES_MAX = 320,    /* started in a run, liars among them */
    SIM_AGENTS_MAX = 210,       /* ids, liars among them */
    SIM_NAME_SIZE = 24,
    SIM_EVENTS_MIN = 5000,
    SIM_MINUTES_MIN = 10
};

typedef struct {
#define SIM_OPTION(name, percent, low, high, usual) uint32_t name;
#define SIM_OPTION_APART                            SIM_OPTION
#include "sim_options.def"
#undef SIM_OPTION_APART
#undef SIM_OPTION
} sim_options_t;

typedef enum {
#define SIM_FAULT(name, text) SIM_FAULT_##name,
#include "sim_faults.def"
#undef SIM_FAULT
    SIM_FAULT_LIMIT
} sim_fault_t;

/* What a canary spoils on its way to the checker; see sim_canary in sim_checker.c. */
typedef enum {
    SIM_CANARY_NONE,
#define SIM_CANARY(name, text) SIM_CANARY_##name,
#include "sim_canaries.def"
#undef SIM_CANARY
    SIM_CANARY_LIMIT
} sim_canary_t;

/* A frame's octets, shared by the lines that carry it; a publication is also decoded once for all its readers. */
typedef struct {
    uint32_t references;
    uint32_t size;
    sb_arena_t *arena; /* of `publication`; NULL: not decoded yet */
    sb_publication_t publication;
    uint8_t data[];
} sim_octets_t;

typedef struct {
    uint64_t at_ns;
    sim_octets_t *octets; /* one reference is the frame's */
} sim_frame_t;

/* Frames in order; none overtakes another. */
typedef struct {
    sim_frame_t *items;
    uint32_t first, count, capacity;
    uint64_t last_ns; /* when the last one arrives */
} sim_line_t;

typedef struct {
    bool is_used;
    bool is_open;        /* the agent still holds its end */
    uint64_t peer;       /* the broker's name for it, never used again */
    uint64_t noticed_ns; /* when the broker's socket finds out that it is gone */
    sim_line_t up, down;
} sim_connection_t;

/* Prefixes that a SUB socket, or one connection of the broker's, is subscribed to. */
typedef struct {
    uint8_t size;
    char data[SB_TOPIC_MAX + 24];
} sim_prefix_t;

typedef struct {
    sim_prefix_t *items;
    uint32_t count, capacity;
    bool octets[256]; /* those of one octet */
} sim_prefixes_t;

/* The broker's end of a SUB socket's connection. */
typedef struct {
    bool is_used;
    bool is_open;        /* the agent still holds its end */
    uint32_t process;    /* its number */
    bool is_whole;       /* a join was read, which goes behind everything else */
    uint64_t noticed_ns; /* when the broker's socket finds out that it is gone */
    sim_prefixes_t live;
    sim_line_t up; /* subscriptions under way */
} sim_pipe_t;

/* A SUB socket as libzmq makes it: it connects again by itself, and then says again what it is subscribed to. */
typedef struct {
    bool is_made;
    sim_pipe_t *pipe; /* NULL: no connection */
    uint64_t handshake_ns;
    sim_prefixes_t wanted;
    sim_prefix_t join; /* size 0: none */
    sim_line_t down;   /* publications; also what was under way when the connection broke */
    uint64_t notice_ns[SIM_NOTICES_MAX];
    bool notice_is_up[SIM_NOTICES_MAX];
    uint32_t notice_count;
} sim_sub_t;

typedef struct sim_reader sim_reader_t;

typedef struct {
    bool is_running;
    bool is_liar;
    bool has_crashed; /* or was ended */
    bool is_final;    /* its step has finished */
    uint32_t agent;   /* number of its id */
    uint64_t instance;
    sb_agent_step_t *step; /* NULL: a liar */
    sim_connection_t *connection;
    bool link_pending, link_up;
    uint64_t link_at_ns;
    uint64_t held_until_ns;
    uint64_t next_ns;       /* something is due, as last looked up */
    uint64_t busy_until_ns; /* its handler */
    uint32_t waiting;       /* publications that its handler has not finished */
    bool has_joined;        /* this broker: from then on everything must reach it */
    sim_sub_t sub;
    char interest_texts[SIM_INTERESTS_MAX][SB_TOPIC_MAX + 1];
    sb_text_t interests[SIM_INTERESTS_MAX];
    uint32_t conflate_ms[SIM_INTERESTS_MAX];
    uint32_t interest_count;
    bool has_copy, has_handler;
    uint64_t copy_fields;
    sim_reader_t *reader; /* the checker's: what this process must be given; NULL: a liar */
    uint64_t lie_at_ns, lie_sequence;
    bool lie_is_registered;
} sim_process_t;

/* One update of an event category, which must be published exactly once, or told as refused. */
typedef struct {
    uint32_t process;
    uint64_t sequence; /* 0: never numbered */
    uint32_t published;
    bool is_refused;
    uint32_t broker_starts; /* when it was made */
} sim_happening_t;

/* The control state as it is on disk. */
typedef struct {
    sb_control_state_t state;
    sb_operator_record_t *operators;
    char (*ids)[SB_ID_MAX + 1];
} sim_disk_t;

typedef struct sim_checker sim_checker_t;

typedef struct sim {
    uint64_t seed;
    uint64_t random;
    bool is_traced;
    sim_canary_t canary;
    sim_options_t options;
    bool is_healing;
    uint64_t now_ns;
    int64_t unix_offset_ns;
    uint64_t trace_hash;
    uint64_t turns;
    uint64_t events; /* steps of the core and of clients */
    uint64_t checks; /* invariants looked at */
    uint64_t faults[SIM_FAULT_LIMIT];
    uint64_t healed_ns; /* when all trouble had ended; 0: not yet */
    uint64_t rest_ms;   /* from then until all was at rest */

    sb_core_t *core; /* NULL: the broker is down */
    sb_core_config_t config;
    uint64_t broker_starts;
    uint64_t broker_down_until_ns, broker_held_until_ns;
    uint64_t tokens;
    size_t allocated;
    sim_disk_t disk;
    bool store_pending, store_durable;
    uint64_t *lost_peers;
    uint32_t lost_peer_count, lost_peer_capacity;
    uint64_t refused_chunk_peer; /* 0: none */
    sb_gathers_t gathers;        /* none between turns */
    uint64_t frames_read;        /* of agents, by the broker */
    uint64_t frames_stepped;     /* of these: not gathered still */
    sb_time_to_live_t times_to_live[2];
    sb_history_bound_t history_bounds[2];

    sim_connection_t connections[SIM_CONNECTIONS_MAX];
    uint32_t connection_high; /* slots ever used */
    uint64_t next_peer;
    sim_pipe_t pipes[SIM_PIPES_MAX];
    uint32_t pipe_high;
    struct sim_subscribed *subscribed; /* prefixes that any pipe is subscribed to */
    uint32_t subscribed_count, subscribed_capacity;
    sim_process_t processes[SIM_PROCESSES_MAX];
    uint32_t process_count;
    uint32_t agent_count, liar_count;
    char names[SIM_AGENTS_MAX][SIM_NAME_SIZE];
    sim_process_t *current[SIM_AGENTS_MAX]; /* the process started last under each id */

    sim_happening_t *happenings;
    uint32_t happening_count, happening_capacity;
    uint64_t values; /* numbers given out, so that each value is new */
    sim_checker_t *checker;
    sb_arena_t *arena_in, *arena_out;
} sim_t;

/* ---- sim_options.c: chance, options */
uint32_t sim_below (sim_t *self, uint32_t limit); /* 0 to limit - 1; limit from 1 up */
bool sim_chance (sim_t *self, uint32_t percent);
bool sim_chance_ppm (sim_t *self, uint32_t ppm);
void sim_options_draw (sim_t *self);
void sim_options_print (const sim_t *self);

/* ---- sim_trace.c: the story and its hash. sim_fail prints seed, time, and how to see it again, and ends the program
 * with 1. */
void sim_fail (const sim_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3), noreturn));
void sim_say (const sim_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
uint64_t sim_hash (uint64_t hash, const void *data, size_t size);
void sim_mix (sim_t *self, const void *data, size_t size);
void sim_note_fault (sim_t *self, sim_fault_t fault);
const char *sim_fault_name (sim_fault_t fault);

/* ---- sim_network.c */
sim_octets_t *sim_octets_new (const void *data, uint32_t size); /* one reference; data NULL: to be filled */
void sim_octets_release (sim_octets_t *self);
void sim_line_add (sim_line_t *self, sim_frame_t frame); /* takes the reference */
sim_frame_t sim_line_take (sim_line_t *self);            /* the caller releases it */
void sim_line_keep (sim_line_t *self, uint32_t count);   /* the first `count`; frees the others */
void sim_line_clear (sim_line_t *self);
static inline uint32_t sim_line_count (const sim_line_t *self)
{
    return self->count - self->first;
}
/* UINT64_MAX: nothing is under way */
static inline uint64_t sim_line_next_ns (const sim_line_t *self)
{
    return self->first < self->count ? self->items[self->first].at_ns : UINT64_MAX;
}
sim_connection_t *sim_network_connect (sim_t *self);
sim_connection_t *sim_network_find (sim_t *self, uint64_t peer);    /* NULL: long gone */
void sim_network_close (sim_t *self, sim_connection_t *connection); /* the agent's end */
void sim_network_reap (sim_t *self);                                /* frees connections that nothing will come from */
void sim_network_to_broker (sim_t *self, sim_connection_t *connection, const sb_agent_message_t *message);
uint64_t sim_network_delay_ns (sim_t *self);

/* ---- sim_pubsub.c: PUB and SUB */
void sim_prefixes_add (sim_prefixes_t *self, sb_text_t prefix);
void sim_prefixes_clear (sim_prefixes_t *self);
bool sim_prefixes_match (const sim_prefixes_t *self, sb_text_t topic);
void sim_sub_make (sim_t *self, sim_process_t *process);                   /* a new socket in the place of the old */
void sim_sub_join (sim_t *self, sim_process_t *process, sb_text_t prefix); /* in the place of the prefix before */
void sim_sub_cut (sim_t *self, sim_process_t *process);
void sim_sub_close (sim_t *self, sim_process_t *process);
uint64_t sim_sub_next_ns (const sim_process_t *process);
void sim_sub_run (sim_t *self, sim_process_t *process); /* handshakes, and what the monitor says */
void sim_pubsub_publish (sim_t *self, const sb_publication_t *publication);
void sim_pubsub_read (sim_t *self); /* the broker reads subscriptions */
uint64_t sim_pubsub_next_ns (const sim_t *self);
void sim_pubsub_stop (sim_t *self); /* the broker is gone */
void sim_pubsub_free (sim_t *self);

/* ---- sim_clock.c */
void sim_run_for (sim_t *self, uint64_t milliseconds);
int64_t sim_unix_ns (const sim_t *self);

/* ---- sim_broker.c */
void sim_broker_start (sim_t *self);
void sim_broker_stop (sim_t *self, bool politely);
void sim_broker_step (sim_t *self, sb_event_t *event);
void sim_broker_run (sim_t *self); /* reads what arrived, ticks, flushes */
void sim_broker_free (sim_t *self);

/* ---- sim_fleet.c: agents' processes */
sim_process_t *sim_process_start (sim_t *self, uint32_t agent);
void sim_process_end (sim_t *self, sim_process_t *process, bool politely);
void sim_process_event (sim_t *self, sim_process_t *process, sb_agent_event_t *event, sb_agent_effects_t *effects);
void sim_process_io (sim_t *self, sim_process_t *process, sb_agent_event_t *event);
void sim_process_run (sim_t *self, sim_process_t *process);
uint64_t sim_process_next_ns (const sim_process_t *process);

/* ---- sim_updates.c: what agents write */
void sim_update (sim_t *self, sim_process_t *process, uint32_t deltas, bool is_event);

/* ---- sim_liars.c */
void sim_liar_run (sim_t *self, sim_process_t *process);
void sim_liar_start (sim_t *self, sim_process_t *process);

/* ---- sim_operators.c */
void sim_operator_act (sim_t *self);
void sim_operators_heal (sim_t *self);

/* ---- sim_trouble.c: one action of an agent, or one fault */
void sim_act (sim_t *self);

/* ---- sim_checker.c and behind it */
sim_checker_t *sim_checker_new (sim_t *self);
void sim_checker_destroy (sim_checker_t **self_p);
void sim_check_before (sim_t *self, const sb_event_t *event);
void sim_check_step (sim_t *self, const sb_event_t *event, const sb_effects_t *effects);
void sim_check_start (sim_t *self);                    /* a broker starts, knowing the control state on disk alone */
bool sim_is_bounded (const sim_t *self);               /* the seed sets a bound that an honest agent may meet */
void sim_check_agreement (sim_t *self);                /* sim_agreement.c */
bool sim_check_is_at_rest (sim_t *self, bool is_told); /* is_told: what is not is a failure */

/* ---- sim_reader.c: what a subscriber is given */
void sim_readers_check (sim_t *self); /* now and then: nobody lacks anything for long and does not know */
sim_reader_t *sim_reader_new (sim_t *self, sim_process_t *process);
void sim_reader_destroy (sim_reader_t **self_p);
void sim_reader_message (sim_t *self, sim_process_t *process, const sb_broker_message_t *message); /* before its step */
void sim_reader_publication (sim_process_t *process, const sb_publication_t *publication);         /* before its step */
void sim_reader_effect (sim_t *self, sim_process_t *process, const sb_agent_effect_t *effect);
/* That publication will not be taken by the process; NULL: it may have been any. */
void sim_reader_loses (sim_t *self, sim_process_t *process, const sb_publication_t *publication);

/* Whether any of its interests is asked for conflated. */
bool sim_is_conflated (const sim_process_t *process);

static inline sb_text_t sim_name (const sim_t *self, uint32_t agent)
{
    return sb_text (self->names[agent]);
}

static inline bool sim_text_is (sb_text_t text, const char *string)
{
    sb_text_t other = sb_text (string);
    return text.size == other.size && (text.size == 0 || __builtin_memcmp (text.data, other.data, text.size) == 0);
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The core: registry, sessions, state, categories, health, breakers, commands.
 * Pure and deterministic: one event in, an ordered list of effects out; the
 * same events give the same effects, byte for byte. No sockets, threads, clock,
 * random source or stdio. Time is in the event. Memory comes from pools that
 * grow in slabs, up to the bounds in sb_core_config_t, through the allocator given.
 */
#ifndef SB_CORE_H
#define SB_CORE_H

#include "sb_message.h"
#include "sb_reasons.h"

typedef struct sb_core sb_core_t;

/* Where slabs come from. `allocate` returns memory aligned to 16 or NULL (then the core refuses what needed it);
 * `release` gets the size that was asked for. */
typedef struct {
    void *(*allocate) (void *context, size_t size);
    void (*release) (void *context, void *memory, size_t size);
    void *context;
} sb_allocator_t;

/* First row whose pattern matches a field name (* any run, ? one octet) gives the category. */
typedef struct {
    sb_text_t pattern;
    sb_text_t category;
} sb_category_rule_t;

/* How much history one category keeps. */
typedef struct {
    sb_text_t category;
    uint32_t updates; /* 0: none */
    uint64_t bytes;   /* 0: history_bytes; at most that */
    uint64_t age_ms;  /* 0: history_age_ms */
} sb_history_bound_t;

/* Everything that may be configured. Copied by sb_core_new and by SB_EVENT_RELOAD. Ranges: the table in broker/live. */
typedef struct {
    uint32_t heartbeat_interval_ms; /* for agents that ask for 0 */
    uint32_t tick_interval_ms;
    uint32_t tick_timeout_ms;
    uint32_t control_timeout_ms; /* after which agents pause themselves */
    uint64_t forget_after_ms;    /* a DEAD or OFFLINE agent's record is kept this long */

    uint32_t failure_threshold;
    uint32_t failure_window_ms;
    uint32_t recovery_delay_ms;
    uint32_t recovery_delay_max_ms;
    uint32_t timeout_per_agent_ms;
    uint32_t probes;

    uint32_t max_message_bytes;
    uint32_t max_unacked;
    uint32_t max_changes;
    uint32_t max_agents;
    uint32_t max_interests;
    uint32_t max_fields_agent_category;
    uint32_t max_fields;
    uint32_t max_topics;
    uint32_t max_categories;
    uint64_t max_value_bytes;
    uint32_t max_pending_commands;
    uint32_t max_replies; /* remembered replies of changing commands */
    uint64_t reply_memory_ms;
    uint32_t history_updates; /* per category, unless named below */
    uint64_t history_bytes;   /* per category */
    uint64_t history_age_ms;  /* 0: any age */
    uint32_t max_conflations; /* prefixes subscribed to under ~conflated. */

    const sb_history_bound_t *history_bounds;
    uint32_t history_bound_count;
    const sb_time_to_live_t *times_to_live;
    uint32_t time_to_live_count; /* at most SB_TIMES_TO_LIVE_MAX */
    const sb_category_rule_t *category_rules;
    uint32_t category_rule_count;
    const sb_text_t *event_categories;
    uint32_t event_category_count;
    const sb_text_t *admitted_categories; /* that the emergency stop leaves open */
    uint32_t admitted_category_count;

    sb_text_t version;
    sb_text_t ingress_endpoint; /* as bound, for status */
    sb_text_t publish_endpoint; /* for Welcome; host * means: the host used for ingress */
    sb_text_t command_endpoint;
} sb_core_config_t;

/* Fills *config with the defaults of DESIGN 4 to 7. Its arrays and texts are static. */
void sb_core_config_default (sb_core_config_t *config);

/* What is new with each start of the broker. */
typedef struct {
    uint64_t stream_id;    /* 1 to 2^53-1, new as state is not kept yet */
    uint64_t epoch;        /* 1 to 2^53-1 */
    uint64_t hash_seed;    /* keys the hash tables; no order ever depends on it */
    uint64_t session_seed; /* first session id; counted up from there */
} sb_core_identity_t;

/* Creates a core; time starts at `monotonic_ns`. NULL when `allocator` gave no memory. */
sb_core_t *sb_core_new (const sb_core_config_t *config, const sb_core_identity_t *identity,
                        const sb_allocator_t *allocator, uint64_t monotonic_ns, int64_t unix_ns);

/* Gives back every slab, sets *self_p to NULL. */
void sb_core_destroy (sb_core_t **self_p);

/* What one operator said about one agent, as kept over restarts. */
typedef struct {
    sb_text_t agent_id;
    bool paused;
    bool isolated;
    uint64_t revision;
    sb_text_t issuer;
    sb_text_t reason;
    int64_t since_unix_ns;
    bool by_agent; /* an agent said it over its session: that agent may lift the pause */
} sb_operator_record_t;

/* All that is durable in this version. Order of operators: by agent id. */
typedef struct {
    bool stopped;
    uint64_t latch_epoch;
    sb_text_t issuer;
    sb_text_t reason;
    int64_t since_unix_ns;
    const sb_operator_record_t *operators;
    uint32_t operator_count;
} sb_control_state_t;

typedef enum {
    SB_EVENT_RESTORE = 1,   /* the control state read at start; before anything else, at most once */
    SB_EVENT_MESSAGE,       /* an agent's message */
    SB_EVENT_BAD_MESSAGE,   /* a frame from an agent that could not be read */
    SB_EVENT_PEER_LOST,     /* the ROUTER refused a send to this peer */
    SB_EVENT_CHUNK_REFUSED, /* it refused a SNAPSHOT_CHUNK or SNAPSHOT_END: sent again later, the session goes on */
    SB_EVENT_SUBSCRIPTION,  /* somebody subscribed first, or unsubscribed last, to a prefix on the PUB socket */
    SB_EVENT_COMMAND,       /* a request on the command endpoint */
    SB_EVENT_BAD_COMMAND,   /* one that could not be read */
    SB_EVENT_STORED,        /* the last SB_EFFECT_STORE was carried out, or failed */
    SB_EVENT_FLUSH,         /* end of a turn: acks may leave */
    SB_EVENT_TICK,          /* at or after sb_core_deadline; input was drained first */
    SB_EVENT_RELOAD,        /* a new configuration */
    SB_EVENT_SHUTDOWN       /* say goodbye to everybody */
} sb_event_kind_t;

/* One thing that happened. All it points to needs to live only during the step. */
typedef struct {
    sb_event_kind_t kind;
    uint64_t monotonic_ns; /* never below that of the event before: asserted */
    int64_t unix_ns;       /* stamps only; may step */
    union {
        const sb_control_state_t *restore;
        struct {
            uint64_t peer; /* the connection: a routing id, packed; never 0 */
            const sb_agent_message_t *message;
            uint32_t size; /* octets it had on the wire */
            /* NULL: one message. Else a BATCH is several that came one behind the other, and these many of its deltas,
             * from 1 up, came in each: decided, counted and refused as if alone, but published together where
             * neighbours share a topic, and a gap is told once. */
            const uint32_t *delta_counts;
            uint32_t message_count; /* with delta_counts: how many, from 2 up */
        } message;
        struct {
            uint64_t peer;
            sb_reason_t reason; /* of kind MESSAGE */
            sb_text_t text;
            uint32_t size;
        } bad_message;
        struct {
            uint64_t peer;
        } peer_lost;
        struct {
            uint64_t peer;
        } chunk_refused;
        struct {
            sb_text_t prefix; /* any octets, also none */
            bool is_subscribed;
        } subscription;
        struct {
            uint64_t token; /* names the request; answered by exactly one SB_EFFECT_REPLY, in this step or later */
            const sb_command_request_t *request;
        } command;
        struct {
            uint64_t token;
            sb_reason_t reason; /* MALFORMED, TOO_LARGE */
            sb_text_t text;
        } bad_command;
        struct {
            bool durable; /* false: it could not be written */
        } stored;
        struct {
            /* merge times measured by the shell since the tick before; NULL when none */
            const uint64_t *merge_buckets; /* SB_HISTOGRAM_BUCKETS of them */
            uint64_t cut_connections;      /* in all: cut by libzmq for their size */
            uint64_t failed_handshakes;    /* in all: connections that did not speak ZeroMQ, or too slowly */
            uint64_t failed_accepts;       /* in all: connections that no file descriptor was left for */
            uint64_t publish_refused;      /* in all: frames that the PUB socket did not take */
            uint64_t log_lines_lost;       /* in all: lines of log and audit log that could not be written */
            uint64_t replies_undelivered;  /* in all: replies to commands that could not be handed to their asker */
        } tick;
        const sb_core_config_t *reload; /* limits that only a restart can change are left as they are */
    };
} sb_event_t;

typedef enum {
    SB_EFFECT_STORE = 1, /* make this control state durable, then step SB_EVENT_STORED before anything else */
    SB_EFFECT_SEND,      /* to one peer; refused by the socket: step SB_EVENT_PEER_LOST, or CHUNK_REFUSED */
    SB_EFFECT_PUBLISH,
    SB_EFFECT_REPLY, /* to a command */
    SB_EFFECT_AUDIT, /* a line for the audit log */
    SB_EFFECT_LOG    /* a line for the log */
} sb_effect_kind_t;

/* A command, done or refused. */
typedef struct {
    int64_t unix_ns;
    sb_text_t command_id;
    sb_text_t command;
    sb_text_t agent_id;
    sb_text_t issuer;
    sb_text_t reason; /* why, in the issuer's words */
    sb_text_t before; /* the state that the command is about, as text; may be empty */
    sb_text_t after;
    sb_reason_t code;
    sb_text_t result; /* the reply's message */
} sb_audit_t;

typedef struct {
    sb_severity_t severity;
    sb_text_t event;    /* a stable word: "REFUSED", "LIVENESS", "BREAKER" … */
    sb_text_t agent_id; /* may be empty */
    sb_reason_t reason; /* the limiter's key, with `event` and `agent_id` */
    sb_text_t text;
} sb_log_line_t;

/* One thing to do. Effects are carried out in order. */
typedef struct {
    sb_effect_kind_t kind;
    union {
        const sb_control_state_t *store;
        struct {
            uint64_t peer;
            const sb_broker_message_t *message;
        } send;
        const sb_publication_t *publish;
        struct {
            uint64_t token;
            const sb_command_reply_t *reply;
        } reply;
        const sb_audit_t *audit;
        const sb_log_line_t *log;
    };
} sb_effect_t;

/* The effects of one step; all of it belongs to the core and is valid until the next step. */
typedef struct {
    const sb_effect_t *items;
    uint32_t count;
} sb_effects_t;

/* Does what `event` says and fills *effects. Cannot fail: what cannot be done is refused by an effect. */
void sb_core_step (sb_core_t *self, const sb_event_t *event, sb_effects_t *effects);

/* When, on the events' monotonic clock, the core next wants SB_EVENT_TICK; in the past while work is left over.
 * The shell that comes later than this by 50 ms or more drains its input first: until it is empty, or for as long as it
 * was late, or for 1 s. */
uint64_t sb_core_deadline (const sb_core_t *self);

/* True while an emergency stop is in force. */
bool sb_core_is_stopped (const sb_core_t *self);

/* The sum of sb_state_hash_field over every field. */
uint64_t sb_core_state_hash (const sb_core_t *self);

/* Octets of slabs taken from the allocator now. */
size_t sb_core_memory_bytes (const sb_core_t *self);

#endif

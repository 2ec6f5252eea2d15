/* SPDX-License-Identifier: MPL-2.0
 *
 * The client's step: session, window, own state, replacement, levels, gaps. Pure and deterministic:
 * one event in, effects out; no sockets, threads, clock or stdio; time is in the event, randomness
 * comes from a seed. The shell (agent_shell.c) and any simulator drive this same code.
 *
 * Two classes of events. Those of the I/O side (START to TICK) may produce effects. Those that any
 * thread may bring (UPDATE to LEAVE) produce none, only an answer: what they cause comes out of the next
 * WAKE. So the I/O thread carries out effects without the lock that guards the step, while
 * others go on stepping: what effects point to changes only in the next event of the I/O side.
 *
 * Rejected: a step owned by the I/O thread alone, with requests in a queue. Then update could not
 * say at once that the agent is paused or the window full, and that part would escape simulation.
 */
#ifndef SB_AGENT_STEP_H
#define SB_AGENT_STEP_H

#include "sb_message.h"
#include "sb_histogram.h"
#include "sb_reasons.h"
#include "syncbus.h"

typedef struct sb_agent_step sb_agent_step_t;

enum {
    SB_AGENT_BACKOFF_MIN_MS = 100,
    SB_AGENT_BACKOFF_MAX_MS = 5000,
    SB_AGENT_CONNECT_TIMEOUT_MS = 5000, /* for the connection's handshake */
    SB_AGENT_WELCOME_TIMEOUT_MS = 5000, /* for the answer to a Registration */
    SB_AGENT_SILENT_INTERVALS = 3,      /* without a message of the broker: the session is given up */
    SB_AGENT_REQUESTS_MAX = 64,         /* commands of this agent waiting for their reply */
    SB_AGENT_ANSWERS_MAX = 64,          /* commands for this agent, waiting for its handler or to be answered */
    SB_AGENT_TOPICS_MAX = 262144        /* topics whose sequence is watched for gaps */
};

/* Copied by sb_agent_step_new. */
typedef struct {
    sb_text_t agent_id;
    uint64_t instance_id;
    uint64_t seed;               /* of the jitter */
    sb_text_t ingress_endpoint;  /* its host stands for a * in the publish endpoint */
    sb_text_t publish_endpoint;  /* empty: what Welcome says */
    const sb_text_t *interests;  /* valid ones; none: nothing is received */
    const uint32_t *conflate_ms; /* of each interest, 0: every publication; NULL: all 0 */
    uint32_t interest_count;
    const sb_text_t *publishes;
    uint32_t publish_count;
    uint32_t heartbeat_interval_ms; /* asked for */
    uint32_t window_updates;        /* 0: the broker's max_unacked */
    uint32_t queue_publications;    /* undelivered ones beyond this are dropped */
    uint32_t max_fields;            /* of the own state */
    bool has_copy;                  /* keeps a copy of the state that the interests cover */
    uint32_t copy_fields;           /* of the copy at most */
    uint64_t copy_bytes;            /* octets of it at most */
    uint64_t buffer_bytes;          /* of publications that wait for a snapshot or a repair, at most */
    bool has_update_handler;        /* false: publications count as processed when they come */
    bool has_command_handler;       /* false: the agent's own commands are refused */
} sb_agent_step_config_t;

typedef enum {
    SB_AGENT_EVENT_START = 1,
    SB_AGENT_EVENT_LINK_UP,      /* the connection asked for by CONNECT stands */
    SB_AGENT_EVENT_LINK_DOWN,    /* it failed, was lost, or did not take a message */
    SB_AGENT_EVENT_MESSAGE,      /* from the broker */
    SB_AGENT_EVENT_SUBSCRIBED,   /* a handshake of the SUB asked for by SUBSCRIBE: its subscriptions are under way */
    SB_AGENT_EVENT_UNSUBSCRIBED, /* that connection was lost; libzmq makes a new one by itself */
    SB_AGENT_EVENT_PUBLICATION,  /* from the SUB socket */
    SB_AGENT_EVENT_LOST,         /* a publication came that could not be read */
    SB_AGENT_EVENT_WAKE,         /* another thread's event left something to send */
    SB_AGENT_EVENT_TICK,         /* at or after sb_agent_step_deadline; sockets were drained first */

    SB_AGENT_EVENT_UPDATE,  /* the application changes its state */
    SB_AGENT_EVENT_HANDLED, /* a handler has finished a publication */
    SB_AGENT_EVENT_ANSWER,  /* a handler has finished a command */
    SB_AGENT_EVENT_REQUEST, /* the application issues a command */
    SB_AGENT_EVENT_CANCEL,  /* it waits for that reply no more */
    SB_AGENT_EVENT_CLOSE,   /* it is about to leave: no new session; without one it leaves at once */
    SB_AGENT_EVENT_LEAVE    /* the application is done: say goodbye */
} sb_agent_event_kind_t;

/* One thing that happened. All it points to needs to live until its effects were carried out. */
typedef struct {
    sb_agent_event_kind_t kind;
    uint64_t monotonic_ns; /* never below that of the event before: asserted */
    int64_t unix_ns;       /* stamps only */
    union {
        const sb_broker_message_t *message;
        const sb_publication_t *publication;
        struct {
            const sb_delta_t *deltas; /* checked by sb_agent_check; all or none are taken */
            uint32_t delta_count;     /* 1 to SB_CHANGES_MAX */
        } update;
        struct {
            bool failed;
            uint64_t processing_ns;
            int64_t delivery_ns; /* origin (else broker time) to the end of the handler; below 0: not known */
        } handled;
        const sb_command_result_t *answer;
        struct {
            uint64_t token;                      /* names it in REPLY and CANCEL; not 0 */
            const sb_command_request_t *request; /* without command_id: the step gives it one */
        } request;
        uint64_t cancel_token;
    };
} sb_agent_event_t;

typedef enum {
    SB_AGENT_EFFECT_CONNECT = 1, /* throw the old DEALER away, make a new one to the ingress endpoint */
    SB_AGENT_EFFECT_DISCONNECT,  /* throw it away */
    SB_AGENT_EFFECT_SUBSCRIBE,   /* make a new SUB to this endpoint */
    SB_AGENT_EFFECT_JOIN,        /* on that SUB: subscribe to this prefix too, drop the one of the JOIN before */
    SB_AGENT_EFFECT_SEND,        /* refused by the socket: LINK_DOWN, and skip later SENDs of this step */
    SB_AGENT_EFFECT_DELIVER,     /* to the update handler; then HANDLED. Several may come out of one event */
    SB_AGENT_EFFECT_REMEMBER,    /* received, but there is no handler for it */
    SB_AGENT_EFFECT_COMMAND,     /* to the command handler; then ANSWER when is_open */
    SB_AGENT_EFFECT_REPLY,       /* to a REQUEST */
    SB_AGENT_EFFECT_STATUS,
    SB_AGENT_EFFECT_REFUSED,
    SB_AGENT_EFFECT_DECIDED, /* after the REFUSED of what it covers */
    SB_AGENT_EFFECT_GAP,
    SB_AGENT_EFFECT_RECOVERED,
    SB_AGENT_EFFECT_LOG
} sb_agent_effect_kind_t;

/* One thing to do. Effects are carried out in order. */
typedef struct {
    sb_agent_effect_kind_t kind;
    union {
        const char *subscribe_endpoint;
        sb_text_t join_prefix;
        const sb_agent_message_t *send;
        const sb_publication_t *publication; /* DELIVER, REMEMBER: lives as long as the effects */
        struct {
            const sb_agent_command_t *command; /* the event's */
            bool is_open;                      /* false: carried out and answered already */
        } command;
        struct {
            uint64_t token;
            sb_reason_t code;
            sb_text_t message;
            const sb_command_reply_t *whole; /* the event's; NULL when the step itself answers */
        } reply;
        struct {
            sb_agent_status_t status;
            sb_reason_t reason;
        } status;
        struct {
            uint64_t sequence;
            sb_reason_t reason;
            sb_text_t text;
            sb_text_t field;
            uint32_t retry_after_ms;
            bool kept;
        } refused;
        uint64_t decided_through;
        sb_agent_gap_t gap;
        sb_agent_recovery_t recovered;
        struct {
            sb_severity_t severity;
            const char *text; /* static */
            sb_text_t detail; /* may be empty */
        } log;
    };
} sb_agent_effect_t;

typedef struct {
    const sb_agent_effect_t *items; /* the step's, until the next event of the I/O side */
    uint32_t count;
    sb_reason_t reason; /* answer to UPDATE and REQUEST; SB_REASON_NONE otherwise */
    uint64_t sequence;  /* answer to UPDATE: the first delta's number, 0 when it was not sent */
    bool wake;          /* another thread's event left something to do: step WAKE soon */
} sb_agent_effects_t;

/* Creates a step in SB_AGENT_CONNECTING; nothing happens before START. NULL when there is no memory. */
sb_agent_step_t *sb_agent_step_new (const sb_agent_step_config_t *config);

/* Frees everything, sets *self_p to NULL. */
void sb_agent_step_destroy (sb_agent_step_t **self_p);

/* Does what `event` says and fills *effects. Cannot fail. */
void sb_agent_step (sb_agent_step_t *self, const sb_agent_event_t *event, sb_agent_effects_t *effects);

/* When, on the events' clock, the step next wants TICK; UINT64_MAX: never (it has finished). */
uint64_t sb_agent_step_deadline (const sb_agent_step_t *self);

/* Where the agent stands, and why. */
sb_agent_status_t sb_agent_step_status (const sb_agent_step_t *self, sb_reason_t *reason);

/* True when every update is decided and no whole state waits to be sent. */
bool sb_agent_step_is_settled (const sb_agent_step_t *self);

/* True when nothing more can be brought out now: settled, finished, not admitted, or closing without a session. */
bool sb_agent_step_is_drained (const sb_agent_step_t *self);

/* Counts since sb_agent_step_new. */
void sb_agent_step_counts (const sb_agent_step_t *self, sb_agent_counts_t *counts);

/* Updates refused for that reason, by the broker or before they were sent. */
uint64_t sb_agent_step_refused_count (const sb_agent_step_t *self, sb_reason_t reason);

/* Prefixes to subscribe to: those of the interests, or of the parts of categories that these are in, _beat. and
 * _control., each once. *count gets how many. */
const sb_text_t *sb_agent_step_prefixes (const sb_agent_step_t *self, uint32_t *count);

/* True when the copy is what the broker has. */
bool sb_agent_step_is_current (const sb_agent_step_t *self);

/* How the copy stands. */
void sb_agent_step_copy_state (const sb_agent_step_t *self, sb_agent_copy_state_t *state);

/* The state hash of the copy's topics under `prefix` (as in a subscription; empty: all). */
uint64_t sb_agent_step_copy_hash (const sb_agent_step_t *self, sb_text_t prefix);

/* One field of the copy; false when it is not there. Borrows until the next event. */
bool sb_agent_step_copy_find (const sb_agent_step_t *self, sb_text_t topic, sb_text_t name, sb_agent_field_t *field);

/* Calls `visit` for each field of the copy whose topic begins with `prefix`, until it returns false. Returns how many.
 */
uint32_t sb_agent_step_copy_visit (const sb_agent_step_t *self, sb_text_t prefix,
                                   bool (*visit) (const sb_agent_field_t *field, void *context), void *context);

/* Calls `visit` for each field of the own state: topics in the order they were first written. */
void sb_agent_step_visit_state (const sb_agent_step_t *self,
                                void (*visit) (void *context, sb_text_t category, sb_text_t subject, sb_text_t name,
                                               const sb_value_t *value),
                                void *context);

#endif

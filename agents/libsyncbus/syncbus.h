/* SPDX-License-Identifier: MPL-2.0
 *
 * libsyncbus: an agent's end of SyncBus. The one header to include.
 *
 * An agent is a name, a set of interests, and state: fields addressed by category, subject and
 * name. sb_agent_update sends what changed; on_update gets what others changed. The library
 * registers, beats, resends, reconnects and registers again by itself.
 *
 * Threads: one I/O thread owns both sockets and sends the heartbeats. Handlers run on a second
 * thread, or, with `dispatch_by_caller`, inside sb_agent_dispatch. Every function here may be called
 * from any thread, from handlers too, except sb_agent_destroy, which must not be called from a handler.
 *
 * Reasons: functions that can be refused return sb_reason_t, SB_REASON_NONE when done.
 */
#ifndef SYNCBUS_H
#define SYNCBUS_H

#include "sb_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the shared library exports is what stands from here to the matching pop. */
#pragma GCC visibility push(default)

typedef struct sb_agent sb_agent_t;

/* ------------------------------------------------------------------ building changes */

/* Each borrows its strings, which must live until the call that takes the change has returned. */
sb_change_t sb_number (const char *name, double number);
sb_change_t sb_integer (const char *name, int64_t integer);
sb_change_t sb_decimal (const char *name, int64_t unscaled, int32_t exponent);
sb_change_t sb_boolean (const char *name, bool boolean);
sb_change_t sb_string (const char *name, const char *text); /* UTF-8 */
sb_change_t sb_bytes (const char *name, const void *data, uint32_t size);
sb_change_t sb_delete (const char *name);

/* The number in a value (number, integer, decimal, boolean as 0 or 1); `otherwise` when it is none. */
double sb_value_number (const sb_value_t *value, double otherwise);

/* The last value of `name` in an update, NULL when it is not there or was deleted. Borrows from `update`. */
const sb_value_t *sb_update_find (const sb_update_t *update, const char *name);

/* What changed, under one topic. Borrows. */
typedef struct {
    const char *category; /* NULL or empty: the broker sorts each field by its rules */
    const char *subject;  /* NULL or empty: none */
    const sb_change_t *changes;
    uint32_t change_count;    /* 1 to 1024 */
    int64_t event_unix_ns;    /* when it happened; 0: the library takes its clock */
    int64_t origin_unix_ns;   /* that of the update that caused this one; 0: none */
    uint32_t time_to_live_ms; /* the fields written go by themselves after this long without a new write, of the same
                                 value too. 0: in place of a time from before, the broker's for the category, as
                                 it said at the last registration; it may have none. Without category it is not known
                                 here which one applies: when this agent has to deliver its whole state, such a field
                                 comes back for one more of its category's times although it had gone */
} sb_agent_update_t;

/* ------------------------------------------------------------------ what handlers get */

/* A command for this agent. Borrowed, until the handler returns. Texts are NUL-terminated. */
typedef struct {
    const char *name; /* pause, resume, restart, emergency_stop, emergency_clear, or the agent's own */
    const sb_parameter_t *parameters;
    uint32_t parameter_count;
    const char *issuer;
    const char *reason;
} sb_agent_command_view_t;

/* What a command handler answers. Filled in by the handler; the library copies it when the handler returns. */
typedef struct {
    sb_reason_t code;          /* SB_REASON_NONE: done; SB_REASON_AGENT_REFUSED: no, and `message` says why */
    char message[256];         /* NUL-terminated */
    sb_parameter_t values[16]; /* what they point to must live until the handler has returned and a little after:
                                  static, or the agent's own */
    uint32_t value_count;
} sb_agent_command_reply_t;

/* Where an agent stands. */
typedef enum {
    SB_AGENT_CONNECTING,  /* no session: updates are kept, and sent as whole state later */
    SB_AGENT_ACTIVE,      /* registered; updates go out */
    SB_AGENT_PAUSED,      /* by an operator */
    SB_AGENT_STOPPED,     /* by an emergency stop */
    SB_AGENT_SELF_PAUSED, /* no level heard for 10 s */
    SB_AGENT_CUT_OFF,     /* by its breaker, and tried again after the wait; or isolated by an operator: see `reason` */
    SB_AGENT_FINISHED     /* displaced, superseded, or refused for good: see `reason`; final */
} sb_agent_status_t;

/* An update that the broker refused, or that could not be sent. */
typedef struct {
    uint64_t
        sequence; /* what sb_agent_update gave; or the number of a whole state, which the library sends by itself */
    sb_reason_t reason;
    const char *text;  /* what to do */
    const char *field; /* the first field at fault; may be empty */
    uint32_t retry_after_ms;
    bool kept; /* the change stays in the agent's own state and goes out with it later; false: gone, as with events */
} sb_agent_refusal_t;

/* Publications that were lost on the way, or for want of room in the queue. From here until on_recovered the copy of
 * that category is stale, and nothing of it is delivered but what the repair brings. Each lost publication is told
 * once, by its topic and number: at once when the one behind it shows the hole, or during the repair that finds it.
 * A loss is seen at the next publication of the same category, agent's part or conflated category, whatever its topic,
 * or, of the last one, two beats later at most; when nothing that was asked for turns out to be missing, none is told.
 * Only what a full buffer (buffer_bytes) had to drop is not told one by one: on_recovered says how many they were. */
typedef struct {
    sb_text_t topic; /* a topic; or an interest or category: what of it is missing is still to be found */
    uint64_t first;  /* topic sequence of the first one lost; of an interest or category: 0 */
    uint64_t last;
} sb_agent_gap_t;

/* How a loss was made good. */
typedef enum {
    SB_RECOVERED_BY_HISTORY, /* every publication lost was fetched, and delivered in order */
    SB_RECOVERED_BY_SNAPSHOT /* history had dropped some, or a join fetched the state meanwhile: what differed was
                                delivered with SB_CAUSE_SNAPSHOT. Events (trades …) in between are gone for this
                                agent */
} sb_recovery_kind_t;

/* What was stale is as the broker has it again. Also told after each join, for all at once; publications that were
 * missed while there was no connection were told before that, each category for itself, so `lost` is then 0. */
typedef struct {
    sb_text_t category; /* empty: all that this agent is interested in */
    sb_recovery_kind_t kind;
    uint64_t lost;      /* publications, as told by on_gap */
    uint64_t recovered; /* of those, fetched from history */
} sb_agent_recovery_t;

/* One field of this agent's copy of the others' state. Borrowed; texts in it are NUL-terminated. */
typedef struct {
    sb_text_t topic;
    sb_text_t name;
    sb_value_t value;
    uint64_t sequence;       /* of the publication that last named it */
    int64_t changed_unix_ns; /* when the broker took that */
    sb_quality_t quality;    /* of its topic, as the broker said last */
    bool is_current;         /* false: a join or a repair is under way, the broker may have something else. true: it is
                                as the broker had it when it published what came last; of an interest with conflate_ms
                                as it had it at most conflate_ms before */
} sb_agent_field_t;

/* How the copy stands. */
typedef struct {
    bool is_current;     /* no join or repair is under way, nothing is known to be missing: everything published up to
                            `sequence` is in it, but for interests with conflate_ms. Of those, changes of a topic that
                            was sent less than conflate_ms ago are still to come; when nothing changes for conflate_ms
                            (and a turn of the broker) they are all in it */
    uint64_t sequence;   /* the highest global sequence that a publication or a beat has told; conflated ones do not
                            move it, so with conflate_ms the copy may change while it stays */
    uint64_t stream_id;  /* of the broker's state; 0 before the first join */
    uint64_t state_hash; /* of what is in it. While is_current the same as the command state_hash replies for the same
                            interests with the same sequence; with conflate_ms only once all of it is there */
    uint64_t topics;
    uint64_t fields;
    uint64_t bytes; /* octets that it takes */
    bool is_whole;  /* false: copy_fields or copy_bytes was reached, some fields are not in it */
} sb_agent_copy_state_t;

/* Handlers; any may be NULL. `context` is sb_agent_options_t.context. What they are given is borrowed until they
 * return, texts in it are NUL-terminated. They run one at a time, in order. */
typedef struct {
    /* A publication of somebody's topic. With cause SB_CAUSE_SNAPSHOT it is no news but state: what a join or a repair
     * found different from what this agent had; a field that is gone comes as a delete. Return 0, or -1 when it could
     * not be handled: counted and told to the broker as this agent's failure. */
    int (*on_update) (sb_agent_t *agent, const sb_publication_t *publication, void *context);
    /* A command. pause, resume, restart, emergency_stop and emergency_clear are carried out by the library before this
     * is called. */
    void (*on_command) (sb_agent_t *agent, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                        void *context);
    /* The agent's own standing changed. */
    void (*on_status) (sb_agent_t *agent, sb_agent_status_t status, sb_reason_t reason, void *context);
    /* An update was refused. */
    void (*on_refused) (sb_agent_t *agent, const sb_agent_refusal_t *refusal, void *context);
    /* Publications were lost between broker and this agent; the library fetches them or the state. */
    void (*on_gap) (sb_agent_t *agent, const sb_agent_gap_t *gap, void *context);
    /* What was stale is current again, and all of it was delivered. */
    void (*on_recovered) (sb_agent_t *agent, const sb_agent_recovery_t *recovery, void *context);
    /* A line for the agent's log. severity: 0 debug, 1 info, 2 warning, 3 error. */
    void (*on_log) (sb_agent_t *agent, int severity, const char *text, void *context);
    /* Every update up to `through` is decided: accepted, unless on_refused named it before. Several decisions may be
     * told as one. What is decided during sb_agent_destroy may go untold. */
    void (*on_decided) (sb_agent_t *agent, uint64_t through, void *context);
} sb_agent_handlers_t;

/* ------------------------------------------------------------------ an agent's life */

/* Everything has a default: {.agent_id = "x"} is enough. Copied by sb_agent_new. */
typedef struct {
    const char *agent_id;         /* [A-Za-z0-9_:/-]{1,64}, no leading _ */
    const char *ingress_endpoint; /* NULL: $SYNCBUS_INGRESS, else tcp://127.0.0.1:5570 */
    const char *publish_endpoint; /* NULL: $SYNCBUS_PUBLISH, else what Welcome says */
    /* Categories ("market_data"), agents' parts of them ("market_data.feed.", with both dots), longer or cut topic
     * prefixes, "all". A loss is seen by numbers that the broker gives categories and agents' parts. So a prefix cut
     * inside an agent's name is received as its category, a subject or the beginning of one as its agent's part, an
     * agent's part that lies in a wider interest with conflate_ms as its category; what is not asked for is dropped
     * here. */
    const char *const *interests;
    uint32_t interest_count;     /* 0: none at all, nothing is subscribed to */
    const uint32_t *conflate_ms; /* one for each interest, NULL: none. Not 0: at most one publication a topic in so many
                                    ms, changes merged; 10 to 60000. Received as the whole category, merged; what is
                                    not asked for is dropped here. Event categories are never merged. Where
                                    interests overlap each publication is taken once, as the one that merges least
                                    asks for. The broker conflates a bounded number (limits/conflations): an interest
                                    that it refuses is never silent, it is received as without conflate_ms, each
                                    publication. on_log says so, a warning with what to do, and sb_agent_counts counts
                                    it. With each new connection it is asked for again */
    const char *const *publishes; /* categories, for people to read */
    uint32_t publish_count;
    uint32_t heartbeat_interval_ms; /* 0: 1000 */
    uint32_t window_updates;        /* undecided updates; 0: the broker's max_unacked */
    uint32_t queue_publications;    /* waiting for the handler; 0: 1000; beyond: dropped, on_gap, fetched later */
    uint32_t memory_updates;        /* received publications that are remembered; 0: 100 */
    uint64_t memory_bytes;          /* and their octets; 0: 4 MiB */
    uint32_t max_fields;            /* of the agent's own state; 0: 65536 */
    bool without_copy;              /* keeps no copy of the others' state: losses are still seen and repaired */
    uint32_t copy_fields;           /* fields of the copy; 0: 1000000 */
    uint64_t copy_bytes;            /* and its octets; 0: 512 MiB */
    uint64_t buffer_bytes;          /* publications that wait for a snapshot or a repair; 0: 64 MiB */
    uint32_t receive_queue;  /* publications that may wait in the socket while this process is not run; 0: as many
                                as queue_publications, at least 1000. Fewer take less memory; what the broker
                                cannot send meanwhile it drops beyond its own agent_queue */
    bool dispatch_by_caller; /* handlers run in sb_agent_dispatch only */
    sb_agent_handlers_t handlers;
    void *context;
} sb_agent_options_t;

/* Creates an agent and starts connecting. Returns NULL and writes why to `error` (may be NULL, else `error_size`
 * octets) on: BAD_AGENT_ID, BAD_INTEREST, a bad endpoint, no memory or no thread. */
sb_agent_t *sb_agent_new (const sb_agent_options_t *options, char *error, size_t error_size);

/* Sends what is still unsent, waits at most `linger_ms` for its decision, says goodbye, stops the threads, sets *self_p
 * to NULL. It makes no new session: without one, or once it is lost, this ends at once and what is unsent is gone; use
 * sb_agent_wait_active before when that matters. Harmless on NULL and on *self_p == NULL. */
void sb_agent_destroy (sb_agent_t **self_p, uint32_t linger_ms);

/* Waits until the agent is SB_AGENT_ACTIVE. False after timeout_ms, or when it is FINISHED. */
bool sb_agent_wait_active (sb_agent_t *self, uint32_t timeout_ms);

/* Waits until the agent's copy is current: joined, nothing lost that is not made good. False after timeout_ms, or when
 * it is FINISHED. */
bool sb_agent_wait_current (sb_agent_t *self, uint32_t timeout_ms);

/* Where it stands now. */
sb_agent_status_t sb_agent_status (sb_agent_t *self);

/* Changes the agent's own state and sends the changes. While the window is full it waits up to timeout_ms.
 * *sequence (may be NULL) gets the update's number, 0 when it was not sent.
 * SB_REASON_NONE                  sent, or kept to be sent with the whole state once there is a session
 * PAUSED EMERGENCY_STOPPED SELF_PAUSED BREAKER_OPEN ISOLATED   not sent; state is kept and goes out when this
 *                                 ends; an event category's update is gone, send it again
 * WINDOW_FULL                     nothing done
 * a reason of kind CONTENT, TOO_LARGE, STORE_FULL (max_fields)   nothing done; it would be refused
 * SUPERSEDED DISPLACED            nothing done, for good */
sb_reason_t sb_agent_update (sb_agent_t *self, const sb_agent_update_t *update, uint32_t timeout_ms,
                             uint64_t *sequence);

/* The same for several, which go out in one message: all or none are taken. 1 to 1024. *first_sequence gets the first's
 * number. */
sb_reason_t sb_agent_update_batch (sb_agent_t *self, const sb_agent_update_t *updates, uint32_t count,
                                   uint32_t timeout_ms, uint64_t *first_sequence);

/* The grid's four fields: category `agent`, empty subject. status and last_signal may be NULL: left as they are;
 * so are confidence and pnl when NaN. */
sb_reason_t sb_agent_set_grid (sb_agent_t *self, const char *status, double confidence, const char *last_signal,
                               double pnl);

/* Waits until every update sent so far is decided. False after timeout_ms. */
bool sb_agent_wait_decided (sb_agent_t *self, uint32_t timeout_ms);

/* Issues a command of the broker's table (pause_agent, get_state …) as this agent and waits for the reply's code;
 * `message` (may be NULL) gets its text. TIMEOUT when none came. Not from on_update or on_command when
 * they run on the caller's thread. */
sb_reason_t sb_agent_command (sb_agent_t *self, const char *command, const char *agent_id,
                              const sb_parameter_t *parameters, uint32_t parameter_count, const char *reason,
                              uint32_t timeout_ms, char *message, size_t message_size);

/* With dispatch_by_caller: a descriptor that is readable while something waits for dispatch. -1 otherwise. */
int sb_agent_descriptor (sb_agent_t *self);

/* With dispatch_by_caller: runs handlers for what waits, at most `most` of them (0: all). Returns how many ran: 0 also
 * while another thread dispatches, or from a handler. */
uint32_t sb_agent_dispatch (sb_agent_t *self, uint32_t most);

/* Calls `visit` for the remembered publications, oldest first, until it returns false. They are held still meanwhile:
 * keep it short, call nothing of this library in it. Returns how many were visited. */
uint32_t sb_agent_memory (sb_agent_t *self, bool (*visit) (const sb_publication_t *publication, void *context),
                          void *context);

/* How the copy of the others' state stands; cannot fail. It holds what was received, which the handler may not have got
 * yet. state_hash is summed anew for the topics that changed since the call before: about 0.1 us a field. */
void sb_agent_copy_state (sb_agent_t *self, sb_agent_copy_state_t *state);

/* Calls `visit` for each field of the copy whose topic begins with `prefix` (NULL: all), until it returns false. It is
 * held still meanwhile: keep it short, call nothing of this library in it. Returns how many were visited: 0 also with
 * without_copy. */
uint32_t sb_agent_copy_visit (sb_agent_t *self, const char *prefix,
                              bool (*visit) (const sb_agent_field_t *field, void *context), void *context);

/* The number in one field of the copy, of a whole topic (category.agent.subject); `otherwise` when there is none. */
double sb_agent_copy_number (sb_agent_t *self, const char *topic, const char *name, double otherwise);

/* What of the history is asked for. Borrowed until sb_agent_history returns. */
typedef struct {
    const char *category;  /* needed */
    const char *agent;     /* NULL: any */
    const char *subject;   /* NULL: any */
    uint32_t last;         /* the last so many; 0: by the others, or the last 100 when none of them is set */
    uint64_t after;        /* category_sequence above this; 0: any */
    uint64_t through;      /* category_sequence up to this; 0: any */
    int64_t since_unix_ns; /* broker time from this on; 0: any */
    int64_t until_unix_ns; /* broker time before this; 0: any */
} sb_agent_history_t;

/* Fetches publications from the broker's history, oldest first, in pages, and calls `visit` for each, which borrows it,
 * until it returns false or the end is reached; *count (may be NULL) gets how many. *is_whole (may be NULL): true when
 * this returns SB_REASON_NONE and everything asked for, up to where it ended, was still kept. Not from a handler that
 * runs on the caller's thread. SB_REASON_NONE, or why it ended before: TIMEOUT (timeout_ms in all, also without a
 * session), UNKNOWN_CATEGORY, BAD_PARAMETER, STORE_FULL (no memory for a page), or another reason of the broker's. */
sb_reason_t sb_agent_history (sb_agent_t *self, const sb_agent_history_t *query,
                              bool (*visit) (const sb_publication_t *publication, void *context), void *context,
                              uint32_t timeout_ms, uint64_t *count, bool *is_whole);

/* Counts since sb_agent_new. */
typedef struct {
    uint64_t updates_sent;
    uint64_t updates_accepted;
    uint64_t updates_refused;
    uint64_t updates_kept; /* not sent when made: went out with the whole state, or will */
    uint64_t received;     /* publications given to the application, those of repairs too */
    uint64_t processed;
    uint64_t failed;
    uint64_t dropped;   /* publications lost on the way, or for want of room: recovered + resynchronized once current */
    uint64_t gaps;      /* times on_gap was told */
    uint64_t recovered; /* of `dropped`: fetched from history */
    uint64_t resynchronized; /* of `dropped`: covered by a snapshot */
    uint64_t joins;          /* answered */
    uint64_t snapshots;      /* taken whole */
    uint64_t
        restarts; /* of snapshots and repairs: buffer full, checksum wrong, given up by the broker, connection lost */
    uint64_t conflations_refused; /* interests read unconflated until the next connection; see conflate_ms */
    uint64_t registrations;       /* Welcomes */
    uint64_t replacements;        /* whole states delivered */
    uint64_t reconnects;
    uint64_t undecided;       /* in the window now */
    uint64_t delivery_p50_ns; /* from origin (else broker time) to end of handler */
    uint64_t delivery_p99_ns;
    uint64_t delivery_count;
} sb_agent_counts_t;
void sb_agent_counts (sb_agent_t *self, sb_agent_counts_t *counts);

/* Updates refused, by reason. `reason` not of the table: 0. */
uint64_t sb_agent_refused_count (sb_agent_t *self, sb_reason_t reason);

/* "PAUSED" and the sentence that says what to do; static. */
const char *sb_reason_name (sb_reason_t reason);
const char *sb_reason_text (sb_reason_t reason);
const char *sb_agent_status_name (sb_agent_status_t status);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif

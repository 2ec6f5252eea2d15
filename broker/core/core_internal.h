/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of the core, shared by its modules: records, and the functions they call on each other.
 *
 * Records live in pools and name each other by slot (0: none), so that nothing depends on an address. An
 * agent has topics (category and subject), a topic has fields; a link joins an agent to a category that it
 * wrote to. Lists keep the order in which their members were made. Everything that an effect points to is
 * in the step's scratch memory. Folders: memory/ (pools and look-ups), session/ (who speaks), delta/ (what
 * they say, and what becomes of it), snapshot/, conflation/ and expiry/ (see
 * their headers), health/ (breaker, liveness, events), command/ (operators).
 */
#ifndef SB_CORE_INTERNAL_H
#define SB_CORE_INTERNAL_H

#include "sb_core.h"
#include "sb_histogram.h"
#include "sb_names.h"
#include "blob.h"
#include "index.h"
#include "octets.h"
#include "pool.h"
#include "scratch.h"

#include "breaker.h"  /* sb_breaker_t: plain struct, embedded in the agent */
#include "latch.h"    /* sb_stop_latch_t: plain struct, embedded in the core */
#include "liveness.h" /* sb_liveness_t: plain struct, embedded in the agent */
#include "operator.h" /* sb_operator_t: plain struct, embedded in the agent */

#include "conflation.h" /* sb_conflation_t, sb_expiry_t, sb_snapshots_t: embedded in the core */
#include "expiry.h"
#include "snapshot.h"

#define SB_NEVER UINT64_MAX         /* a deadline that does not come */
#define SB_MS    UINT64_C (1000000) /* nanoseconds of a millisecond */

enum {
    SB_INSTANCES_REMEMBERED = 8, /* former instances of an agent that are refused */
    SB_LABELS_MAX = 16,          /* labels of an agent */
    SB_PUBLISHES_MAX = 256,      /* categories that an agent may say it publishes */
    SB_WATCHES_MAX = 32,         /* irregular interest prefixes whose heads are kept */
    SB_NOTES_MAX = 1024,         /* refusals that wait for the next ack, all agents */
    SB_NOTES_AGENT_MAX = 64,     /* the same, of one agent */
    SB_EFFECTS_FEW = 16,         /* effects of a step that need no scratch memory */
    SB_SLICE = 512,              /* topics or fields handled in one slice of longer work */
    SB_SCAN_MAX = 20000,         /* slots looked at for one page of a reply */
    SB_PAGE_BYTES = 128 * 1024   /* octets of a page at most, unless its first item alone is larger */
};

typedef enum {
#define SB_COUNTER(name, unit, help) SB_COUNTER_##name,
#include "sb_counters.def"
#undef SB_COUNTER
    SB_COUNTER_LIMIT
} sb_counter_t;

/* Where a publication stands: a head, or a position. */
typedef struct {
    uint64_t sequence;          /* global; 0 when there was none */
    uint64_t category_sequence; /* of that same publication */
    uint64_t agent_sequence;    /* the same: its number within category and agent */
} sb_head_t;

/* A value as kept: the member that `kind` names is set. */
typedef struct {
    union {
        double number;
        int64_t integer; /* integer, unscaled of a decimal, boolean */
        char *run;       /* octets of a text or bytes, in core->values */
    };
    uint32_t size;   /* octets of run */
    uint8_t kind;    /* sb_value_kind_t */
    int8_t exponent; /* of a decimal */
} sb_stored_value_t;

/* One field of a topic; also, before it is applied, one field of a staged replacement. */
typedef struct {
    char *name;              /* in core->values */
    uint64_t sequence;       /* of the publication that named it last */
    int64_t changed_unix_ns; /* when that was */
    uint64_t delta_sequence; /* the delta that this publication told; 0: the broker's */
    uint64_t instance_id;    /* whose delta */
    int64_t event_unix_ns;   /* by the delta's word; 0: not said */
    int64_t origin_unix_ns;  /* the same */
    sb_stored_value_t value; /* what it is */
    uint32_t topic;          /* slot; 0 in a slot that is free or staged */
    uint32_t next;           /* in the topic's list, or in the stage's */
    uint32_t previous;       /* in the topic's list; the topic of a staged field */
    uint32_t mark;           /* the agent's replacement that named it last */
    uint32_t expiry;         /* its record in core->expiry; 0: it stays for ever */
    uint8_t name_size;       /* octets of name */
    uint8_t cause;           /* sb_cause_t: of that publication */
    bool is_walked;          /* a walk may stand on it; see snapshot/walk.h */
} sb_field_t;

/* category.agent.subject: what subscribers know. Lives as long as its agent's record. */
typedef struct {
    char *text;                    /* the topic, in core->values */
    uint64_t topic_sequence;       /* of its last publication */
    sb_head_t head;                /* its last publication */
    int64_t quality_since_unix_ns; /* since when its quality and cause are what they are */
    uint32_t agent;                /* slot */
    uint32_t category;             /* slot */
    uint32_t link;                 /* slot of (agent, category) */
    uint32_t next_of_agent;        /* slot, in order of making */
    uint32_t first_field;          /* slot */
    uint32_t last_field;           /* slot */
    uint32_t recent_first;         /* slot of the field that its last delta named first; 0, or stale: see split.c */
    uint32_t recent_last;          /* the same, last */
    uint32_t field_count;
    uint32_t walk;            /* the agent's quality walk that it has seen; see quality.c */
    uint32_t conflation;      /* slot of its first entry in core->conflation; 0: none */
    uint32_t conflation_miss; /* the version of core->conflation in which it matched nothing */
    uint8_t text_size;        /* octets of text */
    uint8_t subject_size;     /* the last octets of text */
    uint8_t quality;          /* sb_quality_t */
    uint8_t cause;            /* sb_cause_t: of the quality */
    uint8_t is_counted_stale; /* it is one of the agent's stale_topics */
} sb_topic_t;

/* One publication as history keeps it: this head, then topic and updates in octets of their own. */
typedef struct sb_history_entry sb_history_entry_t;

/* How many publications of a category were sent under `~conflated.<ms>.`, in one place of the table of intervals. */
typedef struct {
    uint64_t count;
    uint32_t generation; /* of the interval that it counts for; another one's count is over */
} sb_conflated_count_t;

/* A category: its numbers, and its history. */
typedef struct {
    char name[SB_CATEGORY_MAX];
    uint8_t name_size;
    bool is_event;                /* every delta is published; never part of a replacement */
    bool is_broker;               /* begins with _ */
    bool is_admitted;             /* stays open under the emergency stop */
    uint32_t time_to_live_ms;     /* of fields written by deltas that ask for none; 0: for ever */
    sb_head_t head;               /* category_sequence counts its publications */
    uint32_t first_watch;         /* index + 1 in core->watches; 0: none */
    uint32_t history_limit;       /* updates kept at most */
    uint64_t history_limit_bytes; /* octets kept at most */
    uint64_t history_limit_ns;    /* how old an entry may become; SB_NEVER: as old as it likes */
    int64_t gone_unix_ns;      /* latest broker time of the publications that are no longer kept; INT64_MIN: all are */
    uint32_t history_updates;  /* updates kept now; an entry without updates counts as one */
    uint64_t history_bytes;    /* octets kept now */
    sb_history_entry_t **ring; /* ring_capacity of them; consecutive category_sequences */
    uint32_t ring_capacity;    /* a power of two, or 0 */
    uint32_t ring_first;       /* place of the oldest */
    uint32_t ring_count;       /* entries kept; the newest is that of head.category_sequence */
    sb_conflated_count_t conflated[SB_INTERVAL_PLACES]; /* by place of the interval; here, so that none is refused */
} sb_category_t;

/* What one agent holds in one category. */
typedef struct {
    uint32_t agent;
    uint32_t category;
    uint32_t next_of_agent; /* slot */
    uint32_t field_count;
    uint32_t staged_count; /* fields of a replacement that is being delivered */
    sb_head_t head;        /* last publication of the agent in the category; agent_sequence counts them */
    uint64_t first;        /* category_sequence of the agent's first there; 0: none yet */
} sb_link_t;

/* An interest that is neither category, agent nor topic: its head is kept by comparing. */
typedef struct {
    char prefix[SB_TOPIC_MAX + 2];
    uint32_t size;       /* octets of prefix */
    uint32_t references; /* interests that use it; 0: free */
    uint32_t category;   /* slot; 0 while nobody published in it */
    uint32_t next;       /* index + 1 of the category's next */
    sb_head_t head;
} sb_watch_t;

/* One interest of an agent, as merged. */
typedef struct {
    sb_text_t text;   /* as in Welcome, in the agent's profile */
    sb_text_t prefix; /* what is subscribed to, in the agent's profile */
    uint32_t watch;   /* index + 1, or 0 */
    uint32_t whole;   /* slot of the category that it is all of, once that was looked up; else 0 */
    sb_head_t seen;   /* by the agent's word */
} sb_interest_t;

/* Consecutive refused sequences with one reason. */
typedef struct {
    uint64_t first;
    uint64_t last;
    uint16_t reason; /* sb_reason_t */
} sb_refused_run_t;

/* A refusal that waits for the next ack. */
typedef struct {
    uint64_t sequence;
    uint32_t next; /* index + 1 of the agent's next */
    uint32_t retry_after_ms;
    uint16_t reason;
    uint8_t field_size;
    char field[SB_FIELD_NAME_MAX];
} sb_note_t;

/* A replacement between ReplaceBegin and the last slice of its application. */
typedef enum { SB_STAGE_NONE, SB_STAGE_OPEN, SB_STAGE_APPLY, SB_STAGE_SWEEP } sb_stage_state_t;
typedef struct {
    uint8_t state;        /* sb_stage_state_t */
    uint16_t fault;       /* sb_reason_t: the first thing wrong with it; refused at its end */
    uint32_t chunk_count; /* chunks taken */
    uint32_t first;       /* slot of the first staged field, in order of arrival */
    uint32_t last;
    uint32_t field_count;          /* staged fields */
    uint32_t topic;                /* slot that the sweep comes to next */
    uint64_t sequence;             /* the number that it uses up */
    uint64_t instance_id;          /* whose it is */
    uint32_t walk;                 /* the agent's last quality walk when its application began */
    uint8_t field_size;            /* of the fault's field */
    char field[SB_FIELD_NAME_MAX]; /* the fault's field */
} sb_stage_t;

/* Everything about one agent. */
typedef struct sb_agent_record {
    uint32_t slot;          /* its own; 0: the record is free */
    char id[SB_ID_MAX + 1]; /* NUL-terminated */
    uint8_t id_size;

    /* session (session.c) */
    uint64_t peer;                                    /* the connection; 0: no session */
    uint64_t session_id;                              /* 0: never had one */
    uint64_t instance_id;                             /* current or last; 0: none yet */
    uint64_t past_instances[SB_INSTANCES_REMEMBERED]; /* displaced ones, the newest first; 0: none */
    uint64_t decided_through;                         /* of instance_id */
    sb_refused_run_t *refused_runs; /* of instance_id, ascending, in core->values; NULL before the first */
    uint32_t refused_count;
    uint32_t refused_capacity;
    bool in_gap;            /* a sequence gap was counted and not yet left */
    bool needs_replacement; /* the broker's copy of its state is not whole */
    bool ack_pending;       /* it is in the list of agents to be acked */
    uint32_t ack_next;      /* slot, in that list */
    uint32_t first_note;    /* index + 1 in core->notes */
    uint32_t last_note;
    uint32_t note_count;
    uint32_t heartbeat_interval_ms;
    char *profile; /* interests, labels, publishes: one run in core->values */
    uint32_t profile_size;
    sb_interest_t *interests; /* in profile */
    uint32_t interest_count;
    sb_label_t *labels; /* in profile */
    uint32_t label_count;
    sb_text_t *publishes; /* in profile */
    uint32_t publish_count;
    int64_t registered_unix_ns; /* last registration; 0: none since the start */

    /* what it did (admission.c, heartbeat.c) */
    uint64_t accepted_count;     /* deltas accepted */
    uint64_t refused_total;      /* deltas refused, repeats left out */
    uint64_t failure_total;      /* failures laid to it */
    int64_t last_update_unix_ns; /* its last accepted delta; 0: none */
    sb_heartbeat_t beat;         /* its last heartbeat; pointers NULL */
    int64_t beat_unix_ns;        /* when that came; 0: none in this session */
    uint64_t backlog;            /* publications of its interests that it has not seen, at that beat */
    bool is_behind;              /* the backlog was reported as long */

    /* control */
    sb_breaker_t breaker;
    sb_liveness_t liveness;
    sb_operator_t operator_state;
    uint64_t health_digest; /* of its level last published; health.c */

    /* state (apply.c, quality.c, replace.c) */
    uint32_t first_topic; /* slot */
    uint32_t last_topic;
    uint32_t topic_count;
    uint32_t recent_topic; /* slot that it wrote to last: spares hashing; 0: none */
    uint32_t first_link;   /* slot */
    uint32_t field_count;
    uint32_t stale_topics; /* state topics whose quality is not OK */
    uint8_t held_quality;  /* what sb_control_quality said last: sb_quality_t */
    uint8_t held_cause;    /* and why: sb_cause_t */
    uint32_t walk;         /* number of its last quality walk */
    uint32_t walk_topic;   /* slot that the walk comes to next; 0: no walk is under way */
    uint8_t walk_quality;  /* what the walk sets */
    uint8_t walk_cause;
    uint32_t replace_mark; /* number of its last replacement */
    sb_stage_t stage;      /* state NONE: none is being delivered or applied */
    bool is_leaving;       /* its record is being given up, in slices */
    bool is_evicted;       /* for room, not for age */
    uint32_t leave_topic;  /* slot that giving up comes to next */

    /* longer work, timers (core.c, timer.c) */
    uint32_t snapshot;    /* slot of the one that is being sent to it; 0: none */
    uint64_t snapshot_id; /* that it asked for last in this session; 0: none */
    bool in_work;         /* it is in the list of agents with work left over */
    uint32_t work_next;   /* slot, in that list */
    uint32_t heap_place;  /* index + 1 in core->heap; 0: none */
    uint64_t deadline_ns; /* when sb_control_expire wants to be called; SB_NEVER: not */
} sb_agent_record_t;

typedef struct {
    uint64_t deadline_ns; /* at most the agent's */
    uint32_t agent;       /* slot */
} sb_timer_t;

struct sb_core {
    sb_core_config_t config; /* deep copy: its arrays and texts are in config_memory */
    void *config_memory;
    size_t config_size;
    sb_core_identity_t identity;
    uint64_t hash_key[2];
    sb_memory_t memory;
    uint64_t now_ns; /* of the event in hand */
    int64_t now_unix_ns;
    uint64_t started_ns; /* when it was made */
    int64_t started_unix_ns;
    bool is_shutting_down;

    sb_pool_t agents;     /* sb_agent_record_t; slot 1 is the broker itself, "_broker" */
    sb_pool_t categories; /* sb_category_t; slot 1 is _event */
    sb_pool_t links;
    sb_pool_t topics;
    sb_pool_t fields;
    sb_blob_t values; /* names, values, profiles, stages */
    sb_blob_t history;
    uint32_t state_topics;  /* topics that are not the broker's */
    uint32_t leaving_count; /* agents whose records are being given up */
    sb_index_t agent_index; /* by id */
    sb_index_t peer_index;  /* by connection */
    uint32_t recent_peer;   /* slot of the agent that was found by its connection last; 0, or stale */
    sb_index_t category_index;
    sb_index_t link_index;  /* by agent and category */
    sb_index_t topic_index; /* by agent, category and subject */
    sb_index_t field_index; /* by topic and name */

    sb_scratch_t scratch;
    sb_effect_t few_effects[SB_EFFECTS_FEW]; /* where the list begins */
    sb_effect_t *effects;                    /* those, or in scratch once there are more */
    uint32_t effect_count;
    uint32_t effect_capacity;
    struct sb_publication_builder *open; /* the publication that updates are being added to, or NULL; publish.c */
    sb_update_t *next_update;            /* where its next one goes, in scratch */
    uint32_t updates_left;               /* room there */

    uint64_t sequence;     /* global head */
    sb_head_t public_head; /* last publication outside the broker's categories */
    uint64_t next_session_id;

    sb_watch_t watches[SB_WATCHES_MAX];
    sb_note_t *notes;   /* SB_NOTES_MAX of them */
    uint32_t free_note; /* index + 1 */
    uint32_t ack_first; /* slots: agents to be acked, in order */
    uint32_t ack_last;
    uint32_t work_first; /* slots: agents with work left over, in order */
    uint32_t work_last;
    uint64_t work_bytes; /* octets of values that this step's work went through */

    sb_timer_t *heap; /* max_agents + 1 of them */
    uint32_t heap_count;
    uint64_t tick_due_ns;     /* next whole tick */
    uint64_t tick_started_ns; /* the whole tick whose work may not be finished */
    bool tick_put_off;        /* its budget is used up: nothing more until the next */
    uint64_t ticked_ns;       /* when the last tick was handled */
    bool health_unfinished;   /* sb_health_tick left work over */
    bool was_hash_slice;      /* the last slice of reading was a state hash's, not a snapshot's */
    uint32_t aging_category;  /* slot whose history is looked at next for age; 0: all were, this tick */

    sb_stop_latch_t latch;
    sb_snapshots_t snapshots;
    sb_conflation_t conflation;
    sb_expiry_t expiry;
    struct sb_control
        *control; /* pending commands, reply memory, health: made and destroyed by sb_control_new, _destroy */
    uint64_t message_number; /* of the AgentMessage in hand; counted up with each */

    uint64_t counters[SB_COUNTER_LIMIT];
    uint64_t refusals[SB_REASON_LIMIT]; /* of any kind, by reason */
    sb_histogram_t deliveries;          /* agents' own, all added: origin to end of handler */
    sb_histogram_t merges;              /* the shell's, see SB_EVENT_TICK */
    uint64_t cut_connections;           /* by the shell's word */
    uint64_t failed_handshakes;         /* by the shell's word */
    uint64_t failed_accepts;            /* by the shell's word */
    uint64_t publish_refused;           /* by the shell's word */
    uint64_t log_lines_lost;            /* by the shell's word */
    uint64_t replies_undelivered;       /* by the shell's word */
};

/* ------------------------------------------------------------------ scratch memory and effects (effects.c) */

/* `size` octets aligned to 16, zeroed, valid until the next step. Never NULL. */
void *sb_core_take (sb_core_t *self, size_t size);

/* A copy of `text` in scratch memory, NUL-terminated. */
sb_text_t sb_core_copy (sb_core_t *self, sb_text_t text);

/* A text made by vsnprintf in scratch memory, cut at 4096 octets. */
sb_text_t sb_core_format (sb_core_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* Each adds one effect, in order. What is handed over is copied at the top level only: whatever it points
 * to must be static, or in scratch memory (sb_core_take, sb_core_copy), or live until the next step. */
void sb_core_emit_store (sb_core_t *self, const sb_control_state_t *state);
void sb_core_emit_send (sb_core_t *self, uint64_t peer, const sb_broker_message_t *message);
sb_broker_message_t *sb_core_add_send (sb_core_t *self, uint64_t peer); /* zeroed, to be filled in at once */
void sb_core_emit_publish (sb_core_t *self, const sb_publication_t *publication);
void sb_core_emit_publish_in_place (sb_core_t *self,
                                    const sb_publication_t *publication); /* itself in scratch memory */
void sb_core_emit_reply (sb_core_t *self, uint64_t token, const sb_command_reply_t *reply); /* token never 0 */
void sb_core_emit_audit (sb_core_t *self, const sb_audit_t *audit);
void sb_core_emit_log (sb_core_t *self, sb_severity_t severity, const char *event, sb_text_t agent_id,
                       sb_reason_t reason, sb_text_t text);

/* Sends a Refusal about no delta (of a message, a registration), with `text`, the reason's own when that is empty, and
 * counts it. */
void sb_core_refuse (sb_core_t *self, uint64_t peer, sb_reason_t reason, sb_text_t text);

/* ------------------------------------------------------------------ agents (registry.c, session.c) */

/* The agent of that id, or NULL. Records without a session are found too; "_broker" is not. */
sb_agent_record_t *sb_core_find_agent (const sb_core_t *self, sb_text_t id);

/* The first agent whose slot is above `slot` (start with 0), in order of slots, or NULL. Leaves out "_broker". */
sb_agent_record_t *sb_core_next_agent (const sb_core_t *self, uint32_t slot);

/* The agent with a session on that connection, or NULL. */
sb_agent_record_t *sb_core_find_peer (sb_core_t *self, uint64_t peer);

/* A record for an id that has none: no session, OFFLINE. For operator states restored at start.
 * NULL when the table is full and nobody can be forgotten. */
sb_agent_record_t *sb_core_add_agent (sb_core_t *self, sb_text_t id);

/* Agents with a record. */
uint32_t sb_core_agent_count (const sb_core_t *self);

static inline sb_text_t sb_core_agent_id (const sb_agent_record_t *agent)
{
    return (sb_text_t){agent->id, agent->id_size};
}

/* Ends the agent's session: with a reason other than NONE its peer gets a Goodbye with it first. Afterwards that
 * connection is answered REGISTER_AGAIN. Liveness is not changed by it. Harmless without a session. */
void sb_core_end_session (sb_core_t *self, sb_agent_record_t *agent, sb_reason_t reason);

/* Starts to give up the record of an agent without session: its deletions are published in slices (FORGOTTEN),
 * then the record is free. One with an operator state keeps the record and loses its state only. */
void sb_core_forget_agent (sb_core_t *self, sb_agent_record_t *agent);

/* The level that Welcome and HeartbeatAck carry. */
bool sb_core_state_known (const sb_core_t *self, const sb_agent_record_t *agent);

/* ------------------------------------------------------------------ publications (publish.c) */

/* Publishes a numbered event `_event.<agent or _broker>.<kind>` with one update of these changes (copied). */
void sb_core_publish_event (sb_core_t *self, sb_agent_record_t *agent, const char *kind, const sb_change_t *changes,
                            uint32_t count);

/* Publishes a level, not numbered: topic `<category>.<agent or nothing>.`; category "_beat", "_control", "_health". */
void sb_core_publish_level (sb_core_t *self, const char *category, const sb_agent_record_t *agent,
                            const sb_change_t *changes, uint32_t count);

/* ------------------------------------------------------------------ quality (quality.c) */

/* What sb_control_quality says of the agent may have changed: compares, and where its topics are worth something else
 * now, changes them in slices. They come back to OK by writes alone, after the last cause is gone. Idempotent, O(1). */
void sb_core_request_quality (sb_core_t *self, sb_agent_record_t *agent);

/* The same for every agent (emergency stop set or cleared). Topics of admitted categories are left alone by a stop.
 * O(agents). */
void sb_core_request_quality_all (sb_core_t *self);

/* ------------------------------------------------------------------ timers (timer.c) */

/* Asks for sb_control_expire at `deadline_ns` (SB_NEVER: not at all). The state engine does so after each call of
 * control.h that takes an agent; only code that moves a deadline by other ways (a command's handler) calls it itself.
 * Each call replaces the one before. O(log agents) when earlier than before, O(1) when later. */
void sb_core_schedule (sb_core_t *self, sb_agent_record_t *agent, uint64_t deadline_ns);

/* ------------------------------------------------------------------ reading (read.c) */

/* What is asked for; an empty text asks for all, but is_subject_set with an empty subject asks for the empty one. */
typedef struct {
    sb_text_t category;
    sb_text_t agent;
    sb_text_t subject;
    bool is_subject_set;
} sb_topic_filter_t;

/* Up to `limit` fields that match, in order of slot from *cursor (0: from the start), in scratch memory. *cursor
 * becomes where to go on, 0 at the end. Looks at SB_SCAN_MAX slots, gives SB_PAGE_BYTES at most: a page may be short,
 * even empty, and not the last. */
uint32_t sb_core_read_fields (sb_core_t *self, const sb_topic_filter_t *filter, uint64_t *cursor, uint32_t limit,
                              const sb_state_field_t **fields);

/* One field, or NULL; the value as sb_core_value gives it. */
const sb_field_t *sb_core_find_field (const sb_core_t *self, const sb_agent_record_t *agent, sb_text_t category,
                                      sb_text_t subject, sb_text_t name);

/* A stored value as a value; texts borrow until the field is next written. */
sb_value_t sb_core_value (const sb_stored_value_t *stored);

/* The category of that name ("_event" too), or NULL. */
sb_category_t *sb_core_find_category (const sb_core_t *self, sb_text_t name);

/* The first category whose slot is above `slot`, or NULL; sb_core_category_slot gives a category's slot. */
sb_category_t *sb_core_next_category (const sb_core_t *self, uint32_t slot);
uint32_t sb_core_category_slot (const sb_core_t *self, const sb_category_t *category);

/* ---- history (history_read.c) */

/* Which of a category's publications are asked for; an empty text asks for all. */
typedef struct {
    sb_text_t agent;
    sb_text_t subject;
    bool is_subject_set;
    sb_text_t prefix;      /* of the topic */
    sb_text_t timeline;    /* an agent: events of its own and of everybody; instead of agent and subject */
    int64_t since_unix_ns; /* INT64_MIN: any time */
    int64_t until_unix_ns; /* before that; INT64_MAX: any time */
    uint64_t after;        /* category_sequence: those above */
    bool has_floor;        /* all back to a certain one is wanted, not just the last so many */
} sb_history_filter_t;

/* Where the pages stand. */
typedef struct {
    uint64_t after;    /* category_sequence above which to go on; while searching: up to which to look */
    uint64_t through;  /* the last that may come */
    uint64_t left;     /* that may still come, or are still to be found; UINT64_MAX: any number */
    bool is_searching; /* down from the end, for where the last `left` begin */
} sb_history_place_t;

/* One page. */
typedef struct {
    const sb_publication_t *const *publications; /* in scratch memory, oldest first */
    uint32_t count;
    bool is_evicted; /* something that may have matched is no longer kept */
} sb_history_page_t;

/* A filter that lets everything through. */
sb_history_filter_t sb_core_history_filter (void);

/* Where the first page begins: above filter->after and up to `through` or the head of now; at most `last`, the last of
 * them when is_from_end, else the first. */
sb_history_place_t sb_core_begin_history (const sb_category_t *category, const sb_history_filter_t *filter,
                                          uint64_t through, uint64_t last, bool is_from_end);

/* The next page: up to `limit` publications (1 or more) that match, of `bytes` octets in a reply unless the first alone
 * has more. Moves *place; false when that was the end. Looks at SB_SCAN_MAX entries: a page may be short, even empty,
 * and not the last. */
bool sb_core_read_history (sb_core_t *self, const sb_category_t *category, const sb_history_filter_t *filter,
                           sb_history_place_t *place, uint32_t limit, size_t bytes, sb_history_page_t *page);

/* Broker time of the oldest publication kept; 0 when none is. */
int64_t sb_core_history_oldest_unix_ns (const sb_category_t *category);

/* The head of an interest of an agent. */
sb_head_t sb_core_interest_head (const sb_core_t *self, sb_interest_t *interest);

/* Publications of the agent's interests that it has not seen: at its last beat, since what is on its way between two
 * beats is none; of one that is SUSPECT or DEAD, now. O(interests). */
uint64_t sb_heartbeat_backlog (const sb_core_t *self, const sb_agent_record_t *agent);

/* ------------------------------------------------------------------ counters */

static inline void sb_core_counter_add (sb_core_t *self, sb_counter_t counter, uint64_t more)
{
    self->counters[counter] += more;
}

/* The counter's name ("deltas"). */
const char *sb_core_counter_name (sb_counter_t counter);

/* ------------------------------------------------------------------ what the state engine calls
 *
 * control.h (agents), commands.h, health.h, events.h; and besides: */

/* A new configuration is in core->config. */
void sb_control_reload (sb_core_t *self);

/* The broker was late by `lateness_ns`: adds it to the deadlines of pending commands. */
void sb_commands_delay (sb_core_t *self, uint64_t lateness_ns);

#endif

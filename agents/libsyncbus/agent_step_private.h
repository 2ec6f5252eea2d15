/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of the step, shared by its files and nobody else:
 *   agent_step.c       entry, deadline, status, effects
 *   agent_session.c    connection, registration, backoff, heartbeats
 *   agent_levels.c     pause, emergency stop, breaker, self-pause
 *   agent_delivery.c   updates, window, decisions
 *   agent_replacement.c  delivery of the whole state
 *   agent_reception.c  publications, positions; its own inside: agent_recovery.h
 *   agent_conflation.c interests that the broker does not conflate
 *   agent_commands.c   commands to and from this agent
 */
#ifndef SB_AGENT_STEP_PRIVATE_H
#define SB_AGENT_STEP_PRIVATE_H

#include "agent_state.h"
#include "agent_step.h"
#include "agent_window.h"
#include "sb_codec.h"
#include "sb_reasons.h"

#define SB_NS_PER_MS UINT64_C (1000000)

enum {
    SB_INTERESTS_MAX = 64,
    SB_EVENT_CATEGORIES_MAX = 256,
    SB_MESSAGE_OVERHEAD_BYTES = 256, /* kept free in a message of deltas */
    SB_REPLACE_CHUNKS_PER_STEP = 8,  /* of the whole state, so that a step stays short */
    SB_REPLACE_RETRY_MIN_MS = 1000,  /* after a whole state was refused for its content or a full broker */
    SB_REPLACE_RETRY_MAX_MS = 30000,
    SB_REPLACE_SAME_RETRY_MS = 60000 /* when its content was refused and has not changed */
};

typedef enum {
    SB_LINK_IDLE,        /* before START */
    SB_LINK_WAITING,     /* for the end of the backoff */
    SB_LINK_CONNECTING,  /* for LINK_UP */
    SB_LINK_REGISTERING, /* for Welcome */
    SB_LINK_SESSION,
    SB_LINK_FINISHED /* for good */
} sb_link_t;

/* What the broker last said of this agent, and what follows from hearing nothing. */
typedef struct {
    bool paused;
    bool stopped;
    bool self_paused;
    uint64_t operator_revision;
    uint64_t latch_epoch;
    char (*admitted)[SB_CATEGORY_MAX + 1]; /* categories that the stop leaves open */
    uint32_t admitted_count;
    sb_breaker_state_t breaker;
    uint64_t hold_until_ns; /* deltas would be refused until then */
    sb_reason_t hold_reason;
    uint64_t self_pause_at_ns; /* UINT64_MAX before the first Welcome */
    uint64_t control_timeout_ns;
} sb_levels_t;

/* Where the delivery of the whole state stands. */
typedef enum { SB_REPLACE_NONE, SB_REPLACE_BEGIN, SB_REPLACE_CHUNKS, SB_REPLACE_DECIDING } sb_replace_phase_t;

typedef struct {
    sb_replace_phase_t phase;
    uint64_t sequence; /* its number in the window; meaningless in NONE */
    uint32_t chunk_count;
    uint64_t read_through;  /* the last one held what every number below this wrote */
    uint32_t retry_ms;      /* last wait after a refusal; 0: none */
    uint64_t retry_at_ns;   /* not before */
    uint64_t same_until_ns; /* nor, unchanged, before this */
    uint64_t version;       /* of the own state as the last one began */
} sb_replace_t;

/* The last that was seen for one merged interest. */
typedef struct {
    char prefix[SB_TOPIC_MAX + 2];
    char interest[SB_TOPIC_MAX + 2];
    uint32_t prefix_size;
    uint32_t interest_size;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t covered;       /* what is not younger than this is in a snapshot */
    uint64_t head_sequence; /* that HeartbeatAck gave; 0: none yet */
    uint64_t head_category_sequence;
    uint64_t head_agent_sequence;
    uint64_t gone_sequence; /* as of that one the broker knew nothing of it; 0: it did, or has not told yet */
} sb_position_t;

/* What an interest asks for. */
typedef struct {
    sb_text_t prefix;     /* empty: all */
    sb_text_t subscribed; /* what it is subscribed to as: itself, or what it is a part of and has numbers; empty: all */
    uint32_t interval_ms; /* how it is read now; 0: every publication */
    uint32_t asked_ms;    /* what the application asked for; the broker may refuse it */
} sb_want_t;

typedef struct sb_reception sb_reception_t;
typedef struct sb_issued sb_issued_t;

struct sb_agent_step {
    /* what it was made with; texts are owned */
    sb_agent_step_config_t config;
    sb_text_t *prefixes; /* to subscribe to */
    uint32_t prefix_count;
    sb_want_t *wants;     /* of each interest */
    bool has_agent_parts; /* some are subscribed to as agents' parts of categories */
    char *text_memory;
    char *prefix_memory;
    char *subscribed_memory; /* in it: what is subscribed to, behind the prefixes of the interests */
    uint64_t random;

    /* time */
    uint64_t now_ns;
    int64_t unix_ns;

    /* connection */
    sb_link_t link;
    uint64_t link_deadline_ns; /* of the wait that `link` names */
    uint32_t backoff_attempts; /* since the last Welcome */
    bool was_welcome;          /* ever */
    bool closing;              /* no new session any more */
    bool leaving;
    bool goodbye_said;
    sb_reason_t final_reason;
    uint64_t stream_id;
    uint64_t epoch;
    char subscribed_endpoint[256];
    sb_limits_t limits;
    uint64_t interval_ns;
    uint64_t beat_at_ns;
    uint64_t silent_at_ns; /* the session is given up then */
    uint64_t lateness_ns;  /* of the TICK being handled */

    sb_levels_t levels;
    sb_agent_status_t told_status; /* by the last STATUS effect */
    sb_reason_t told_reason;

    /* updates */
    sb_own_state_t *state;
    sb_window_t *window;
    sb_replace_t replace;
    uint64_t send_next;    /* the number that goes out next */
    uint64_t sent_before;  /* every number below went out at least once */
    bool state_known;      /* the broker's level */
    bool dirty;            /* something was written that no delta carries */
    uint64_t gap_expected; /* of the last SEQUENCE_GAP that was obeyed */
    uint64_t gap_until_ns;
    uint32_t beats_unanswered; /* of this session */
    uint64_t beat_send_next;   /* send_next as the last beat went out; 0: none did in this session */
    uint64_t stalled_at;       /* oldest undecided number at the last level */
    uint32_t stalled_levels;   /* levels since it became that */
    char event_categories[SB_EVENT_CATEGORIES_MAX][SB_CATEGORY_MAX + 1];
    uint32_t event_category_count;

    sb_reception_t *reception;
    sb_issued_t *requests;

    /* counts */
    sb_agent_counts_t counts;
    uint64_t refused_by_reason[SB_REASON_LIMIT];
    uint64_t progress;
    uint64_t stopped_deliveries;
    uint32_t publications_waiting; /* delivered, not handled */
    uint32_t commands_waiting;
    sb_histogram_t processing; /* since the beat before */
    uint64_t processing_count;
    uint64_t processing_sum_ns;
    uint64_t processing_max_ns;
    sb_histogram_t delivery; /* since the beat before */
    sb_histogram_t delivery_ever;
    sb_agent_counts_t counts_at_welcome;
    uint64_t stopped_at_welcome;
    uint64_t progress_at_welcome;
    uint64_t processing_count_at_welcome;
    uint64_t processing_sum_at_welcome;
    uint64_t dropped_told; /* in this session, by the last heartbeat in time */

    /* effects of the event of the I/O side being handled */
    sb_arena_t *arena;
    sb_agent_effect_t *effects;
    uint32_t effect_count;
    uint32_t effect_capacity;
    bool wake;
};

/* ---- agent_step.c */

/* Adds an effect, zeroed but for its kind. Never NULL. */
sb_agent_effect_t *sb_step_effect (sb_agent_step_t *self, sb_agent_effect_kind_t kind);

/* Memory that lives as long as the effects. Never NULL: its bound is far above what a step may need. */
void *sb_step_take (sb_agent_step_t *self, size_t size);
sb_text_t sb_step_copy (sb_agent_step_t *self, sb_text_t text);

/* Adds a SEND of a zeroed message of that kind, and returns it to be filled. */
sb_agent_message_t *sb_step_send (sb_agent_step_t *self, sb_agent_message_kind_t kind);

/* Adds a LOG; `text` is static. */
void sb_step_log (sb_agent_step_t *self, sb_severity_t severity, const char *text, sb_text_t detail);

/* Names anew what is subscribed to, after interests came to be read at other intervals. Cannot fail. */
void sb_step_name_prefixes (sb_agent_step_t *self);

/* Octets that deltas may take in one message. */
uint32_t sb_step_payload_max (const sb_agent_step_t *self);

/* a + b, at most UINT64_MAX. */
uint64_t sb_step_after (uint64_t time_ns, uint64_t wait_ns);

/* ---- agent_session.c */
void sb_session_start (sb_agent_step_t *self);
void sb_session_link_up (sb_agent_step_t *self);
void sb_session_lost (sb_agent_step_t *self, const char *why, sb_text_t detail);
void sb_session_hear (sb_agent_step_t *self, const sb_broker_message_t *message);
void sb_session_tick (sb_agent_step_t *self);
void sb_session_say_goodbye (sb_agent_step_t *self);
/* Sends a heartbeat now, besides those in time: its answer has the heads of the interests. Of losses it says what the
 * last one in time said. */
void sb_session_ask_heads (sb_agent_step_t *self);

/* ---- agent_levels.c */
void sb_levels_init (sb_levels_t *self);
void sb_levels_fini (sb_levels_t *self);
void sb_levels_operator (sb_agent_step_t *self, const sb_operator_state_t *state, bool is_welcome);
void sb_levels_latch (sb_agent_step_t *self, const sb_latch_t *latch, bool is_welcome);
void sb_levels_breaker (sb_agent_step_t *self, const sb_breaker_status_t *breaker);
void sb_levels_heard (sb_agent_step_t *self);
void sb_levels_tick (sb_agent_step_t *self);
uint64_t sb_levels_deadline (const sb_agent_step_t *self);
/* Holds deltas back for a while, after a refusal of kind ADMISSION. */
void sb_levels_hold (sb_agent_step_t *self, sb_reason_t reason, uint32_t retry_after_ms);
/* What held deltas back was another broker's word, or the same one's before it started anew: it holds no more. */
void sb_levels_let_go (sb_agent_step_t *self);
/* After a probe of a half-open breaker nothing goes out until the next one is due. */
void sb_levels_hold_after_probe (sb_agent_step_t *self);
/* Why a delta of that category would not be accepted now; SB_REASON_NONE when it would. */
sb_reason_t sb_levels_blocked (const sb_agent_step_t *self, sb_text_t category);
/* pause, resume (is_latch false), emergency_stop, emergency_clear (true). */
void sb_levels_command (sb_agent_step_t *self, const sb_agent_command_t *command, bool is_latch, bool is_set);
void sb_levels_control (sb_agent_step_t *self, const sb_publication_t *publication);

/* ---- agent_delivery.c */
void sb_delivery_update (sb_agent_step_t *self, const sb_delta_t *deltas, uint32_t count, sb_agent_effects_t *answer);
void sb_delivery_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome);
void sb_delivery_state_known (sb_agent_step_t *self, bool state_known);
void sb_delivery_decided (sb_agent_step_t *self, uint64_t decided_through, const sb_refusal_t *refused,
                          uint32_t refused_count);
void sb_delivery_go_back (sb_agent_step_t *self, uint64_t expected_sequence);
void sb_delivery_look_for_loss (sb_agent_step_t *self);
void sb_delivery_wait_for_replacement (sb_agent_step_t *self, uint64_t expected_sequence);
void sb_delivery_session_lost (sb_agent_step_t *self);
/* Sends what may be sent now. */
void sb_delivery_flush (sb_agent_step_t *self);
bool sb_delivery_has_work (const sb_agent_step_t *self);

/* ---- agent_replacement.c */

/* True when the whole state should go out and may. */
bool sb_replacement_may_begin (const sb_agent_step_t *self);
/* Gives it its number; s_may_send_next of agent_delivery.c comes upon it in turn. */
void sb_replacement_begin (sb_agent_step_t *self);
/* Sends its next chunks; what is left goes out in the next step. */
void sb_replacement_send (sb_agent_step_t *self);
/* It was refused and no level will say when it may go out again. */
void sb_replacement_retry_later (sb_agent_step_t *self, uint32_t retry_after_ms);
/* The same, for its content: unchanged it waits far longer. */
void sb_replacement_refused_content (sb_agent_step_t *self);
uint64_t sb_replacement_deadline (const sb_agent_step_t *self);

/* ---- agent_reception.c */
sb_reception_t *sb_reception_new (const sb_agent_step_config_t *config);
void sb_reception_destroy (sb_reception_t **self_p);
void sb_reception_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome);
void sb_reception_publication (sb_agent_step_t *self, const sb_publication_t *publication);
/* A publication came that could not be read. */
void sb_reception_unreadable (sb_agent_step_t *self);
/* An event of the I/O side begins: the effects of the one before were carried out. */
void sb_reception_begin (sb_agent_step_t *self);
/* The positions, in memory that lives as long as the effects. */
const sb_interest_position_t *sb_reception_seen (sb_agent_step_t *self, uint32_t *count);

/* ---- agent_scope.c: what each interest is subscribed to as; its wants have their prefixes */
void sb_scope_subscribe (sb_agent_step_t *self);

/* ---- agent_join.c: the SUB's connection, and what HeartbeatAck says of the interests */
void sb_joiner_subscribed (sb_agent_step_t *self, bool is_subscribed);
void sb_joiner_heads (sb_agent_step_t *self, const sb_heartbeat_ack_t *ack);

/* ---- agent_recovery.c: joins, snapshots, repairs */
void sb_recovery_welcome (sb_agent_step_t *self);
void sb_recovery_session_lost (sb_agent_step_t *self);
/* True when the reply was to a request of the repair. */
bool sb_recovery_reply (sb_agent_step_t *self, const sb_command_reply_t *reply);
void sb_recovery_tick (sb_agent_step_t *self);
uint64_t sb_recovery_deadline (const sb_agent_step_t *self);
/* Does a slice of what can be done now. */
void sb_recovery_flush (sb_agent_step_t *self);
bool sb_recovery_has_work (const sb_agent_step_t *self);
/* The copy is what the broker has. */
bool sb_recovery_is_current (const sb_agent_step_t *self);
bool sb_recovery_is_topic_current (const sb_agent_step_t *self, sb_text_t topic);

/* ---- agent_snapshot.c */
void sb_scan_chunk (sb_agent_step_t *self, const sb_snapshot_chunk_t *chunk);
void sb_scan_end (sb_agent_step_t *self, const sb_snapshot_end_t *end);

/* ---- agent_commands.c */
sb_issued_t *sb_issued_new (void);
void sb_issued_destroy (sb_issued_t **self_p);
void sb_commands_received (sb_agent_step_t *self, const sb_agent_command_t *command);
void sb_commands_answer (sb_agent_step_t *self, const sb_command_result_t *result);
void sb_commands_issue (sb_agent_step_t *self, uint64_t token, const sb_command_request_t *request,
                        sb_agent_effects_t *answer);
void sb_commands_cancel (sb_agent_step_t *self, uint64_t token);
void sb_commands_reply (sb_agent_step_t *self, const sb_command_reply_t *reply);
void sb_commands_flush (sb_agent_step_t *self);
bool sb_commands_has_work (const sb_agent_step_t *self);
/* Writes digits, returns the end. */
char *sb_step_write_decimal (char *at, uint64_t number);
/* A new session: requests without a reply are sent again under their id. */
void sb_commands_welcome (sb_agent_step_t *self);
/* There will be no session any more: open requests are answered so. */
void sb_commands_finish (sb_agent_step_t *self);

#endif

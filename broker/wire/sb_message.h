/* SPDX-License-Identifier: MPL-2.0
 *
 * The messages of schemas/syncbus.proto as plain structs, one for one. The
 * codec turns them to bytes and back; broker core and client step see only
 * these. Field meanings, units and ranges stand in the schema; here only what
 * differs. All of it borrows (see sb_model.h).
 */
#ifndef SB_MESSAGE_H
#define SB_MESSAGE_H

#include "sb_model.h"

enum {
    SB_SNAPSHOT_INTERESTS_MAX = 64, /* of a SnapshotRequest */
    SB_SNAPSHOT_CREDIT_MAX = 64,    /* chunks under way at a time */
    SB_TIMES_TO_LIVE_MAX = 256      /* categories in a Welcome */
};

/* A delta as decoded. `fault` is the first thing wrong with its content, found
 * by the codec; such a delta still uses up its sequence, and is refused. */
typedef struct {
    sb_text_t category; /* empty: to be categorized */
    sb_text_t subject;
    sb_update_t update;
    uint32_t time_to_live_ms; /* of the fields written; 0: the category's */
    sb_reason_t fault;        /* SB_REASON_NONE, or one of kind CONTENT */
    sb_text_t fault_field;    /* the field name or text at fault; may be empty */
} sb_delta_t;

typedef struct {
    sb_text_t name;
    sb_text_t value;
} sb_label_t;

typedef struct {
    uint32_t protocol;
    sb_text_t agent_id;
    uint64_t instance_id;
    uint64_t next_sequence;
    const sb_text_t *interests;
    uint32_t interest_count;
    const sb_text_t *publishes;
    uint32_t publish_count;
    uint32_t heartbeat_interval_ms;
    const sb_label_t *labels;
    uint32_t label_count;
} sb_registration_t;

/* A delta is a batch of one. */
typedef struct {
    const sb_delta_t *deltas;
    uint32_t delta_count; /* 1 to SB_CHANGES_MAX */
} sb_batch_t;

typedef struct {
    sb_text_t interest;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t agent_sequence; /* InterestHead only */
} sb_interest_position_t;

typedef struct {
    uint64_t received;
    uint64_t processed;
    uint64_t failed;
    uint64_t dropped;
    const sb_interest_position_t *seen;
    uint32_t seen_count;
    uint32_t queue_depth;
    uint64_t processing_count;
    uint64_t processing_sum_ns;
    uint64_t processing_max_ns;
    uint64_t processing_p99_ns;
    uint64_t progress;
    uint64_t operator_revision;
    uint64_t latch_epoch;
    bool paused;
    bool self_paused;
    uint64_t decided_through;
    const uint64_t *delivery_buckets;
    uint32_t delivery_bucket_count; /* at most SB_HISTOGRAM_BUCKETS */
    uint64_t stopped_deliveries;
} sb_heartbeat_t;

typedef struct {
    sb_reason_t reason;
    sb_text_t text;
} sb_goodbye_t;

typedef struct {
    uint64_t sequence;
    uint32_t chunk_count; /* ReplaceEnd only */
} sb_replace_mark_t;

typedef struct {
    uint64_t sequence;
    const sb_delta_t *topics; /* update.sequence unused */
    uint32_t topic_count;
} sb_replace_chunk_t;

typedef struct {
    sb_text_t command_id;
    sb_reason_t code;
    sb_text_t message;
    const sb_parameter_t *values;
    uint32_t value_count;
} sb_command_result_t;

typedef struct {
    sb_text_t command_id;
    sb_text_t command;
    sb_text_t agent_id;
    const sb_parameter_t *parameters;
    uint32_t parameter_count;
    sb_text_t reason;
    sb_text_t issuer;
    int64_t issued_unix_ns;
    uint32_t timeout_ms;
    uint32_t protocol;
} sb_command_request_t;

typedef struct {
    uint64_t snapshot_id;
    const sb_text_t *interests; /* none: those of the session */
    uint32_t interest_count;    /* the core refuses more than SB_SNAPSHOT_INTERESTS_MAX */
    uint32_t credit;            /* chunks, 1 to SB_SNAPSHOT_CREDIT_MAX */
} sb_snapshot_request_t;

typedef struct {
    uint64_t snapshot_id;
    uint32_t credit; /* further chunks; 0: give the snapshot up */
} sb_snapshot_credit_t;

typedef enum {
    SB_AGENT_MESSAGE_REGISTRATION = 1,
    SB_AGENT_MESSAGE_BATCH, /* Delta and DeltaBatch both */
    SB_AGENT_MESSAGE_HEARTBEAT,
    SB_AGENT_MESSAGE_GOODBYE,
    SB_AGENT_MESSAGE_REPLACE_BEGIN,
    SB_AGENT_MESSAGE_REPLACE_CHUNK,
    SB_AGENT_MESSAGE_REPLACE_END,
    SB_AGENT_MESSAGE_COMMAND_RESULT,
    SB_AGENT_MESSAGE_COMMAND,
    SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
    SB_AGENT_MESSAGE_SNAPSHOT_CREDIT
} sb_agent_message_kind_t;

/* What an agent sends. */
typedef struct {
    sb_agent_message_kind_t kind;
    union {
        sb_registration_t registration;
        sb_batch_t batch;
        sb_heartbeat_t heartbeat;
        sb_goodbye_t goodbye;
        sb_replace_mark_t replace_begin;
        sb_replace_chunk_t replace_chunk;
        sb_replace_mark_t replace_end;
        sb_command_result_t command_result;
        sb_command_request_t command;
        sb_snapshot_request_t snapshot_request;
        sb_snapshot_credit_t snapshot_credit;
    };
} sb_agent_message_t;

typedef struct {
    uint32_t max_message_bytes;
    uint32_t max_unacked;
    uint32_t max_changes;
    uint32_t max_fields;
} sb_limits_t;

typedef struct {
    bool paused;
    bool confirmed;
    uint64_t revision;
    sb_text_t issuer;
    sb_text_t reason;
    int64_t since_unix_ns;
} sb_operator_state_t;

typedef struct {
    bool stopped;
    uint64_t latch_epoch;
    sb_text_t issuer;
    sb_text_t reason;
    int64_t since_unix_ns;
    const sb_text_t *admitted_categories;
    uint32_t admitted_count;
} sb_latch_t;

typedef enum { SB_BREAKER_CLOSED, SB_BREAKER_OPEN, SB_BREAKER_HALF_OPEN, SB_BREAKER_FORCED_OPEN } sb_breaker_state_t;

typedef struct {
    sb_breaker_state_t state;
    uint32_t retry_after_ms;
    uint64_t open_count;
} sb_breaker_status_t;

typedef struct {
    sb_reason_t reason;
    sb_text_t text;
    uint64_t sequence;
    uint64_t expected_sequence;
    sb_text_t field;
    uint32_t retry_after_ms;
} sb_refusal_t;

/* How long the fields of a category live without a new write, unless a delta says another time. */
typedef struct {
    sb_text_t category;
    uint32_t time_to_live_ms; /* 0: for ever */
} sb_time_to_live_t;

typedef struct {
    uint64_t session_id;
    uint64_t stream_id;
    uint64_t epoch;
    uint64_t decided_through;
    const sb_refusal_t *refused;
    uint32_t refused_count;
    bool state_known;
    uint32_t durability; /* 0: memory */
    sb_text_t publish_endpoint;
    uint32_t heartbeat_interval_ms;
    sb_limits_t limits;
    sb_operator_state_t operator_state;
    sb_latch_t latch;
    sb_breaker_status_t breaker;
    const sb_text_t *interests;
    uint32_t interest_count;
    int64_t broker_unix_ns;
    uint32_t control_timeout_ms;
    const sb_text_t *event_categories;
    uint32_t event_category_count;
    const sb_time_to_live_t *times_to_live; /* named again, the last counts */
    uint32_t time_to_live_count;            /* at most SB_TIMES_TO_LIVE_MAX */
} sb_welcome_t;

typedef struct {
    uint64_t decided_through;
    const sb_refusal_t *refused;
    uint32_t refused_count;
} sb_ack_t;

typedef struct {
    int64_t broker_unix_ns;
    uint64_t decided_through;
    const sb_refusal_t *refused;
    uint32_t refused_count;
    bool state_known;
    sb_operator_state_t operator_state;
    sb_latch_t latch;
    sb_breaker_status_t breaker;
    const sb_interest_position_t *heads;
    uint32_t head_count;
    uint64_t stream_id;
    uint64_t epoch;
    uint64_t sequence;
} sb_heartbeat_ack_t;

typedef struct {
    sb_text_t command_id;
    sb_text_t command;
    const sb_parameter_t *parameters;
    uint32_t parameter_count;
    sb_text_t issuer;
    sb_text_t reason;
    uint32_t timeout_ms;
    uint64_t operator_revision;
    uint64_t latch_epoch;
} sb_agent_command_t;

/* A row of a reply. */
typedef struct {
    const sb_parameter_t *columns;
    uint32_t column_count;
} sb_record_t;

typedef struct {
    sb_text_t topic;
    sb_text_t name;
    sb_value_t value;
    uint64_t sequence;
    int64_t changed_unix_ns;
    sb_quality_t quality;
} sb_state_field_t;

typedef struct {
    sb_text_t command_id;
    sb_reason_t code;
    sb_text_t message;
    const sb_record_t *records;
    uint32_t record_count;
    const sb_state_field_t *fields;
    uint32_t field_count;
    const sb_publication_t *const *publications; /* with their topics */
    uint32_t publication_count;
    sb_text_t next_cursor;
    uint64_t sequence;
    uint64_t stream_id;
    uint64_t epoch;
} sb_command_reply_t;

typedef struct {
    sb_text_t name;
    sb_value_t value;
    uint64_t sequence; /* of the publication that last changed it */
    int64_t changed_unix_ns;
} sb_snapshot_field_t;

/* A topic's head, and some of its fields. */
typedef struct {
    sb_text_t topic;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
    sb_quality_t quality;
    sb_cause_t cause;
    const sb_snapshot_field_t *fields;
    uint32_t field_count;
} sb_snapshot_topic_t;

/* The codec makes and checks body and checksum; here they are topics. */
typedef struct {
    uint64_t snapshot_id;
    uint32_t number; /* 1, 2, 3 ... */
    const sb_snapshot_topic_t *topics;
    uint32_t topic_count;
} sb_snapshot_chunk_t;

/* Octets that a chunk takes at most as a frame: SB_SNAPSHOT_CHUNK_BOUND, and the bound of each topic and field in it.
 * So a chunk is kept below the message limit without encoding it. Cannot fail. */
enum { SB_SNAPSHOT_CHUNK_BOUND = 48 };

/* A topic without its fields. */
static inline uint64_t sb_snapshot_topic_bound (sb_text_t topic)
{
    return UINT64_C (64) + topic.size;
}

static inline uint64_t sb_snapshot_field_bound (sb_text_t name, const sb_value_t *value)
{
    bool has_octets = value->kind == SB_VALUE_TEXT || value->kind == SB_VALUE_BYTES;
    return UINT64_C (72) + name.size + (has_octets ? value->text.size : 0);
}

typedef struct {
    uint64_t snapshot_id;
    sb_reason_t code;
    sb_text_t text;
    uint32_t chunk_count;
    uint64_t field_count;
    uint64_t sequence;
    uint64_t state_hash; /* of the fields sent: sum of sb_state_hash_field */
    uint64_t stream_id;
    uint64_t epoch;
} sb_snapshot_end_t;

typedef enum {
    SB_BROKER_MESSAGE_WELCOME = 1,
    SB_BROKER_MESSAGE_REFUSAL,
    SB_BROKER_MESSAGE_ACK,
    SB_BROKER_MESSAGE_HEARTBEAT_ACK,
    SB_BROKER_MESSAGE_COMMAND,
    SB_BROKER_MESSAGE_COMMAND_REPLY,
    SB_BROKER_MESSAGE_GOODBYE,
    SB_BROKER_MESSAGE_SNAPSHOT_CHUNK,
    SB_BROKER_MESSAGE_SNAPSHOT_END
} sb_broker_message_kind_t;

/* What the broker sends to an agent. */
typedef struct {
    sb_broker_message_kind_t kind;
    union {
        sb_welcome_t welcome;
        sb_refusal_t refusal;
        sb_ack_t ack;
        sb_heartbeat_ack_t heartbeat_ack;
        sb_agent_command_t command;
        sb_command_reply_t command_reply;
        sb_goodbye_t goodbye;
        sb_snapshot_chunk_t snapshot_chunk;
        sb_snapshot_end_t snapshot_end;
    };
} sb_broker_message_t;

#endif

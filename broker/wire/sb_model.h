/* SPDX-License-Identifier: MPL-2.0
 *
 * The data model of SyncBus: texts, values, changes, updates, publications,
 * reasons. Broker core, codec, client library and tools all use these same
 * structs; the installed syncbus.h contains them.
 *
 * Ownership: every struct here borrows. Whoever hands one over says until when
 * what it points to stays valid; nothing here is ever freed through it.
 */
#ifndef SB_MODEL_H
#define SB_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of octets; texts are UTF-8 without NUL. Not terminated unless the giver says so. */
typedef struct {
    const char *data; /* may be NULL when size is 0 */
    uint32_t size;    /* octets */
} sb_text_t;

/* Largest number that is handed to clients: 2^53-1, exact in a JavaScript number. */
#define SB_NUMBER_MAX UINT64_C (9007199254740991)

enum {
    SB_PROTOCOL = 1,              /* version of the wire protocol */
    SB_CATEGORY_MAX = 32,         /* octets of a category */
    SB_ID_MAX = 64,               /* octets of an agent id, of a subject, of a command id */
    SB_FIELD_NAME_MAX = 128,      /* octets of a field name */
    SB_TOPIC_MAX = 162,           /* octets of category.agent.subject, without the NUL */
    SB_CHANGES_MAX = 1024,        /* changes in a delta, deltas in a batch */
    SB_DECIMAL_EXPONENT_MAX = 64, /* absolute value */
    SB_CONFLATION_MIN_MS = 10,
    SB_CONFLATION_MAX_MS = 60000,
    SB_CONFLATED_PREFIX_MAX = 17 /* octets of "~conflated.60000." */
};

/* The kinds of a value. SB_VALUE_NONE: not set, or of a kind that this version does not know. */
typedef enum {
    SB_VALUE_NONE,
    SB_VALUE_NUMBER,
    SB_VALUE_INTEGER,
    SB_VALUE_DECIMAL,
    SB_VALUE_BOOLEAN,
    SB_VALUE_TEXT,
    SB_VALUE_BYTES
} sb_value_kind_t;

/* One value. The member that `kind` names is set. */
typedef struct {
    sb_value_kind_t kind;
    union {
        double number; /* finite */
        int64_t integer;
        struct {
            int64_t unscaled;
            int32_t exponent; /* value = unscaled * 10^exponent */
        } decimal;
        bool boolean;
        sb_text_t text; /* UTF-8 without NUL */
        sb_text_t bytes;
    };
} sb_value_t;

/* One field that changes. Neither delete nor a value: refused as NO_VALUE. */
typedef struct {
    sb_text_t name;   /* parts of [A-Za-z0-9_:/-]+ joined by dots, 1 to 128 octets */
    bool is_delete;   /* the field goes; value is then SB_VALUE_NONE */
    sb_value_t value; /* what it becomes */
} sb_change_t;

/* One delta's changes under one topic. */
typedef struct {
    uint64_t sequence;      /* the agent's, 1 to 2^53-1; 0 when the broker is the author */
    int64_t event_unix_ns;  /* when it happened; 0 when not known */
    int64_t origin_unix_ns; /* when the row that caused it was first read; 0 when none did */
    const sb_change_t *changes;
    uint32_t change_count;
    uint64_t publication_sequence; /* conflated: of the publication that made these changes; 0: that of this one */
} sb_update_t;

/* How far a topic's state can be trusted. */
typedef enum { SB_QUALITY_UNKNOWN, SB_QUALITY_OK, SB_QUALITY_STALE, SB_QUALITY_FORCED_STALE } sb_quality_t;

/* Why a publication was made, or a quality changed; numbers as in the schema. */
typedef enum {
    SB_CAUSE_NONE,
    SB_CAUSE_REPLACED,
    SB_CAUSE_LOST,
    SB_CAUSE_OFFLINE,
    SB_CAUSE_BREAKER,
    SB_CAUSE_PAUSED,
    SB_CAUSE_STOPPED,
    SB_CAUSE_FORGOTTEN,
    SB_CAUSE_RECOVERED,
    SB_CAUSE_EXPIRED, /* its time to live ran out */
    SB_CAUSE_SNAPSHOT /* never on the wire: what this client found different when it took a snapshot */
} sb_cause_t;

/* What a subscriber gets: one or more updates of one topic, or a change of its quality. */
typedef struct {
    sb_text_t topic;            /* category.agent.subject, without the NUL */
    uint64_t stream_id;         /* of the broker's state */
    uint64_t epoch;             /* +1 at each broker start */
    uint64_t sequence;          /* one order over all; 0 for _beat. _health. _control. */
    uint64_t category_sequence; /* without holes within the category */
    uint64_t topic_sequence;    /* without holes within the topic */
    sb_text_t agent_id;
    int64_t broker_unix_ns;
    sb_quality_t quality;
    sb_cause_t cause;
    const sb_update_t *updates;
    uint32_t update_count;         /* 0: only the quality changed */
    uint64_t first_topic_sequence; /* conflated: merged from this one through topic_sequence; 0: not conflated */
    uint64_t agent_sequence;       /* without holes within the category and agent; 0 for levels */
    uint64_t conflated_sequence;   /* conflated: without holes within its interval and category; 0: not conflated */
} sb_publication_t;

/* Why something was refused; SB_REASON_NONE: it was not. One row each in schemas/sb_reasons.def. */
typedef enum {
    SB_REASON_NONE = 0,
#define SB_REASON(name, code, kind, failure, severity, text) SB_REASON_##name = (code),
#include "sb_reasons.def"
#undef SB_REASON
    SB_REASON_LIMIT /* one more than the highest code; not a reason */
} sb_reason_t;

/* A named value: a command's parameter, a column of a record. */
typedef struct {
    sb_text_t name;
    sb_value_t value;
} sb_parameter_t;

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What the copy is kept in: topics and their fields, found by name, bounded. It knows nothing of sequences.
 *
 * Two hash tables (topics; fields, by topic and name) over doubly linked lists, so that nothing depends on the order of
 * hashes. Numbers live in the field; a text or bytes in a block of its own, which the next value takes over when it
 * fits. Rejected: a table in each topic, as most topics have a few fields.
 */
#ifndef SB_AGENT_COPY_TABLE_H
#define SB_AGENT_COPY_TABLE_H

#include "agent_copy.h"
#include "agent_table.h"

typedef struct sb_copy_topic sb_copy_topic_t;

/* One field of a topic. In both structs what a publication touches stands together, next to the name. */
typedef struct sb_copy_field {
    struct sb_copy_field *next, *previous; /* within the topic, in the order they were first met */
    char *run;                             /* octets of a text or bytes; NULL when there are none */
    uint32_t run_capacity;                 /* octets that run has room for */
    uint32_t named;                        /* the last scan that named it */
    sb_chained_t chained;
    sb_copy_topic_t *topic;
    uint64_t sequence;       /* of the publication that last named it; 0: of an older stream */
    int64_t changed_unix_ns; /* when the broker took that */
    sb_value_t value;        /* SB_VALUE_NONE: deleted while a scan is open */
    bool is_doubtful;        /* the application was given something older meanwhile */
    uint32_t name_size;
    char name[]; /* NUL-terminated, as is text, and a run */
} sb_copy_field_t;

struct sb_copy_topic {
    sb_copy_topic_t *next, *previous;
    sb_copy_field_t *first, *last;
    uint64_t before;   /* what scan `entered` does not name is gone if not younger: the head as it came upon it, or as
                          its first part gave it */
    uint64_t hash_sum; /* state hash of its fields */
    uint32_t named;    /* the last scan that named it */
    uint32_t entered;  /* the last scan during which anything came for it */
    sb_chained_t chained;
    sb_copy_head_t head;
    uint64_t floor;     /* publications up to this sequence are known, or were overtaken: they change nothing */
    bool is_hash_known; /* hash_sum is that of now */
    bool is_doubtful;   /* the application was given an older quality meanwhile */
    bool is_scanned;    /* scan `entered` is to name it, if it is there */
    bool is_forgotten;  /* given up by the broker, without fields since */
    uint32_t text_size;
    char text[];
};

typedef struct {
    uint64_t seed;
    uint32_t max_topics;
    uint32_t max_fields; /* deleted ones that are still remembered count too */
    uint64_t max_bytes;
    sb_table_t topics;
    sb_table_t fields;      /* with deleted ones that are still remembered */
    uint32_t deleted_count; /* of those */
    uint64_t bytes;         /* of all that was allocated */
    sb_copy_topic_t *first, *last;
} sb_copy_table_t;

/* An empty table; false when there is no memory. */
bool sb_copy_table_init (sb_copy_table_t *self, uint64_t seed, uint32_t max_topics, uint32_t max_fields,
                         uint64_t max_bytes);
void sb_copy_table_fini (sb_copy_table_t *self);

/* Each finds one, or gives NULL. A field may be a deleted one. */
sb_copy_topic_t *sb_copy_table_topic (const sb_copy_table_t *self, sb_text_t topic);
sb_copy_field_t *sb_copy_table_field (const sb_copy_table_t *self, const sb_copy_topic_t *topic, sb_text_t name);

/* Each makes one, last in its list, that is not there yet; NULL at a bound or without memory. A field is made deleted.
 */
sb_copy_topic_t *sb_copy_table_add_topic (sb_copy_table_t *self, sb_text_t topic);
sb_copy_field_t *sb_copy_table_add_field (sb_copy_table_t *self, sb_copy_topic_t *topic, sb_text_t name);

/* Puts a value into a field; SB_VALUE_NONE makes it a deleted one. False at a bound or without memory: then it is as it
 * was. */
bool sb_copy_table_write (sb_copy_table_t *self, sb_copy_field_t *field, const sb_value_t *value);

/* Each takes one out and frees it; a topic must have no fields. */
void sb_copy_table_remove_field (sb_copy_table_t *self, sb_copy_field_t *field);
void sb_copy_table_remove_topic (sb_copy_table_t *self, sb_copy_topic_t *topic);

/* True when both are the same bits of the same kind. */
bool sb_copy_value_equal (const sb_value_t *left, const sb_value_t *right);

#endif

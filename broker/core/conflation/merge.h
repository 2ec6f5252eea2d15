/* SPDX-License-Identifier: MPL-2.0
 *
 * What waits of one topic for one interval, and the publication that it becomes.
 *
 * Nothing is kept of what was written: a field that belongs into the merged publication is one of the topic whose own
 * sequence is above that of the last publication sent, and its value is the state's. Only names of deleted fields are
 * kept. So writing costs a conflated topic nothing, and sending it one walk over its fields.
 */
#ifndef SB_MERGE_H
#define SB_MERGE_H

#include "state.h"

/* A field that was deleted since the last publication sent. */
typedef struct sb_merge_delete sb_merge_delete_t;

/* A topic and an interval in which it was sent a moment ago. */
typedef struct {
    uint64_t sent_ns;              /* when its last publication was sent */
    uint64_t sent_sequence;        /* global sequence of that */
    uint64_t first_topic_sequence; /* the first that waits; 0: none */
    uint64_t last_topic_sequence;  /* the last that waits, or was sent */
    sb_head_t last;                /* of that publication: its numbers */
    int64_t last_unix_ns;          /* its time */
    uint8_t last_quality;          /* its quality: sb_quality_t */
    uint8_t last_cause;            /* its cause: sb_cause_t */
    uint32_t change_count;         /* changes that wait, at most */
    uint32_t delete_count;         /* names in `deletes` */
    uint64_t bytes;                /* octets that they take as a message, at most */
    sb_merge_delete_t *deletes;    /* each in core->values, the newest first */
    uint32_t topic;                /* slot */
    uint32_t interval;             /* place in the table */
    uint32_t next_of_topic;        /* slot of the topic's next entry */
    uint32_t next;                 /* slots, in the interval's list */
    uint32_t previous;
} sb_merge_entry_t;

/* Adds a publication of the topic to what waits. False when that would not fit into one message any more, or there is
 * no memory for the name of a deleted field: then nothing changed. */
bool sb_merge_add (sb_core_t *self, sb_merge_entry_t *entry, const sb_publication_t *publication);

/* Emits what waits as one publication, with `head` ("~conflated.<ms>.") before its topic, and its number; nothing
 * waits then. False when there is no memory for that: then nothing changed. Precondition: something waits. O(fields of
 * the topic). */
bool sb_merge_send (sb_core_t *self, sb_merge_entry_t *entry, sb_text_t head, uint64_t conflated_sequence);

/* Drops what waits. */
void sb_merge_drop (sb_core_t *self, sb_merge_entry_t *entry);

/* head + topic, in scratch memory. */
sb_text_t sb_merge_topic (sb_core_t *self, sb_text_t head, sb_text_t topic);

#endif

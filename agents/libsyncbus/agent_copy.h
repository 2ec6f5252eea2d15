/* SPDX-License-Identifier: MPL-2.0
 *
 * What this agent knows of the others' state: of each topic its head, and, unless it keeps none, its fields. Pure.
 *
 * One hash table for topics, one for fields; every field keeps the sequence of the publication that last named it, so
 * that publications and snapshots may come in any order: the greater sequence wins. Bounded in topics, fields and
 * octets, as is want of memory: beyond that the copy says that it is not whole, and gaps of topics that found no place
 * are not seen; the next scan of everything starts over. The state hash is summed when asked for.
 */
#ifndef SB_AGENT_COPY_H
#define SB_AGENT_COPY_H

#include "sb_message.h"
#include "syncbus.h"

typedef struct sb_copy sb_copy_t;

/* What is known of one topic. Borrowed until the copy changes. */
typedef struct {
    uint64_t sequence;          /* of its last publication; 0 when that was of an older stream */
    uint64_t category_sequence; /* of that same publication */
    uint64_t topic_sequence;    /* of that same publication */
    sb_quality_t quality;
    sb_cause_t cause; /* of the quality */
} sb_copy_head_t;

/* What a snapshot found different in one topic: a publication with cause SNAPSHOT and at most one update; no update
 * when only the quality differs. Its numbers are those of the topic's head, its time that of the youngest field.
 * Borrowed during the call. */
typedef void (sb_copy_difference_fn) (void *context, const sb_publication_t *difference);

/* An empty copy. keeps_fields false: heads only. NULL when there is no memory. */
sb_copy_t *sb_copy_new (uint64_t seed, bool keeps_fields, uint32_t max_topics, uint32_t max_fields, uint64_t max_bytes);

/* Frees everything, sets *self_p to NULL. */
void sb_copy_destroy (sb_copy_t **self_p);

/* True when a topic found no place since the last scan of all there is. */
bool sb_copy_is_full (const sb_copy_t *self);

/* The head of a topic; NULL when it is not known. */
const sb_copy_head_t *sb_copy_head (const sb_copy_t *self, sb_text_t topic);

/* Takes a publication over: head and quality when it is newer than what is known, each change when it is newer than its
 * field (conflated: by Update.publication_sequence). Deletes take the field out. Those of one topic come in their
 * order, a repeat changes nothing. False when it was overtaken: its topic's state is known from a snapshot that is not
 * older, or it is a repeat: an application that has the snapshot's differences would go back in time by it. True when
 * it is news: deliver it. Cannot fail: see bounds above. */
bool sb_copy_apply (sb_copy_t *self, const sb_publication_t *publication);

/* The broker's state is another one, or it began a new epoch: heads and fields stay, but any sequence is newer than
 * theirs. */
void sb_copy_new_stream (sb_copy_t *self, uint64_t stream_id, uint64_t epoch);

/* A snapshot of the topics that match one of `prefixes`, as a subscriber's do, begins: at most 128, copied. One at a
 * time: an unfinished one before it is given up. */
void sb_copy_scan_begin (sb_copy_t *self, const sb_text_t *prefixes, uint32_t prefix_count);

/* The scan just begun was asked for after a publication with this sequence had been seen: what is not younger, seen or
 * lost, is in the snapshot, so that publications up to it change nothing under its prefixes. Without this, one that
 * waits in a buffer could bring back what another, lost one took away. */
void sb_copy_scan_covers (sb_copy_t *self, uint64_t sequence);

/* A part of it: what is newer is taken over. `difference` is called when anything differed from before: once, or once
 * for each SB_CHANGES_MAX fields. What found no place counts as different; without fields, what is younger than the
 * last publication. Publications may be applied between parts; no part is older than what was applied before the scan
 * began. */
void sb_copy_scan_topic (sb_copy_t *self, const sb_snapshot_topic_t *topic, sb_copy_difference_fn *difference,
                         void *context);

/* It is whole: topics and fields under its prefixes that it did not name are gone; `difference` gets the deletes, a
 * call for each topic and SB_CHANGES_MAX fields, with quality UNKNOWN where the topic is gone (without fields: no
 * calls). */
void sb_copy_scan_end (sb_copy_t *self, sb_copy_difference_fn *difference, void *context);

/* topics, fields, bytes, state_hash of all (linear), is_whole, stream_id; the other members are the caller's. */
void sb_copy_state (const sb_copy_t *self, sb_agent_copy_state_t *state);

/* The state hash of the topics that begin with `prefix` (empty: all). */
uint64_t sb_copy_hash (const sb_copy_t *self, sb_text_t prefix);

/* One field; false when it is not there. is_current is the caller's. */
bool sb_copy_find (const sb_copy_t *self, sb_text_t topic, sb_text_t name, sb_agent_field_t *field);

/* Calls `visit` for each field whose topic begins with `prefix`, until it returns false; topics in the order they were
 * first met. Returns how many. */
uint32_t sb_copy_visit (const sb_copy_t *self, sb_text_t prefix,
                        bool (*visit) (const sb_agent_field_t *field, void *context), void *context);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Conflation. Whoever subscribes to `~conflated.<ms>.<prefix>` gets the topics that begin with <prefix> under
 * `~conflated.<ms>.<topic>`, at most once in <ms> milliseconds each: the first after a pause at once, then what
 * came meanwhile merged, the last value of each field, deletes too. [first_topic_sequence, topic_sequence] of one
 * begins right behind that of the one before. Event categories are passed on one by one. What is sent under one <ms> is
 * counted for each category: conflated_sequence. The counts end when the last prefix of that <ms> goes. Costs nothing
 * while nobody asks.
 */
#ifndef SB_CONFLATION_H
#define SB_CONFLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "sb_model.h"

enum {
    SB_INTERVALS_MAX = 32,                    /* different ones: a delta is merged once for each that it is read at */
    SB_INTERVAL_PLACES = 2 * SB_INTERVALS_MAX /* one that nobody asks for any more keeps its place for a while */
};

/* All that is conflated. */
typedef struct {
    uint32_t prefix_count;  /* prefixes that somebody subscribes to; 0: nothing to do */
    uint32_t capacity;      /* of the two tables below: max_conflations, as it was when they were made last */
    uint32_t interval_high; /* places of `intervals` that were ever used; the lowest free one is used first */
    uint32_t version;       /* counted up with each prefix: topics remember in which they match none */
    uint32_t generation;    /* counted up with each interval that somebody begins to ask for */
    struct sb_conflation_prefix *prefixes;    /* prefix_count of them, those of an interval side by side */
    struct sb_conflation_interval *intervals; /* twice as many, and no more than different ones are allowed */
    sb_pool_t entries;                        /* a topic and an interval in which it was sent a moment ago */
    uint64_t told_ns;                         /* when a refused subscription was last told as an event */
    bool was_told;                            /* one was */
} sb_conflation_t;

/* Somebody subscribed first to `prefix`, which begins with "~conflated.", or the last one left. One that is malformed
 * or beyond max_conflations is ignored, counted, logged, and told by an event (once a second). */
void sb_conflation_subscription (sb_core_t *self, sb_text_t prefix, bool is_subscribed);

/* `publication` of `topic` was just emitted. Called only while prefix_count is not 0. */
void sb_conflation_note (sb_core_t *self, uint32_t topic, const sb_publication_t *publication);

/* The same for a level, which is passed on as it is. */
void sb_conflation_note_level (sb_core_t *self, const sb_publication_t *publication);

/* The topic's record is about to go: what waits of it is published now. */
void sb_conflation_topic_removed (sb_core_t *self, uint32_t topic);

/* The count of each interval and each category that is read and was published in it, as `conflated.<ms>.<category>`,
 * into `changes`, names in scratch memory. Returns how many; with `changes` NULL how many they can be. O(intervals *
 * categories + counts * prefixes). */
uint32_t sb_conflation_heads (sb_core_t *self, sb_change_t *changes);

/* What is asked for, as one `conflation.<ms>` for each interval, into `changes`, which has room for SB_INTERVALS_MAX: a
 * text of its prefixes with blanks between, each with `*` behind it, but one that ended with the NUL of a topic. Of 64
 * KiB in all; "..." stands for those beyond. Returns how many; all is in scratch memory. O(intervals * prefixes). */
uint32_t sb_conflation_intervals (sb_core_t *self, sb_change_t *changes);

/* When something is due; SB_NEVER: nothing waits. */
uint64_t sb_conflation_deadline (const sb_core_t *self);

/* Publishes what is due, a bounded number of topics; what is left stays due. */
void sb_conflation_tick (sb_core_t *self);

/* Gives everything back. */
void sb_conflation_fini (sb_core_t *self);

#endif

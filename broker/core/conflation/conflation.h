/* SPDX-License-Identifier: MPL-2.0
 *
 * Conflation. Whoever subscribes to `~conflated.<ms>.<prefix>` gets the topics that begin with <prefix> under
 * `~conflated.<ms>.<topic>`, at most once in <ms> milliseconds each: the first after a pause at once, then what
 * came meanwhile merged, the last value of each field, deletes too. [first_topic_sequence, topic_sequence] of one
 * begins right behind that of the one before. Event categories are passed on one by one. Costs nothing while nobody
 * asks.
 */
#ifndef SB_CONFLATION_H
#define SB_CONFLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "sb_model.h"

/* All that is conflated. */
typedef struct {
    uint32_t prefix_count; /* prefixes that somebody subscribes to; 0: nothing to do */
} sb_conflation_t;

/* Somebody subscribed first to `prefix`, which begins with "~conflated.", or the last one left. */
void sb_conflation_subscription (sb_core_t *self, sb_text_t prefix, bool is_subscribed);

/* `publication` of `topic` was just emitted. Called only while prefix_count is not 0. */
void sb_conflation_note (sb_core_t *self, uint32_t topic, const sb_publication_t *publication);

/* The topic's record is about to go: what waits of it is published now. */
void sb_conflation_topic_removed (sb_core_t *self, uint32_t topic);

/* When something is due; SB_NEVER: nothing waits. */
uint64_t sb_conflation_deadline (const sb_core_t *self);

/* Publishes what is due, a bounded number of topics; what is left stays due. */
void sb_conflation_tick (sb_core_t *self);

/* Gives everything back. */
void sb_conflation_fini (sb_core_t *self);

#endif

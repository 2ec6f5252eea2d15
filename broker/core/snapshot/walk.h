/* SPDX-License-Identifier: MPL-2.0
 *
 * Walking through the state in slices, while it changes between them. A scope says which topics; a place says where the
 * next slice begins.
 *
 * Topics are walked by slot, fields by their topic's list. A walk through a topic ends with the field that was its last
 * when the walk entered, so that whoever adds fields faster than they are read cannot keep it there for ever. A field
 * that goes hands places that stand on it to its neighbour: such fields are marked, so that a delete costs nothing
 * while nobody stands there. A topic that goes has no fields left, so a place in it is at its end, whoever gets the
 * slot. What a walk misses so was made after it began, and its readers hear of that by publication.
 */
#ifndef SB_WALK_H
#define SB_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

/* Which topics. */
typedef struct {
    sb_text_t *prefixes;   /* ascending, none begins with another; texts and array in one piece of memory */
    uint32_t prefix_count; /* the empty one of `all` is not among them */
    bool is_all;           /* every topic that does not begin with _ */
    size_t bytes;          /* of that memory; 0: none */
} sb_scope_t;

/* Makes a scope of interests as sb_interest_merge gives them. False when there is no memory. */
bool sb_scope_init (sb_scope_t *self, sb_memory_t *memory, const sb_text_t *interests, uint32_t count);

/* Gives its memory back. Harmless on what is zeroed. */
void sb_scope_fini (sb_scope_t *self, sb_memory_t *memory);

/* O(log prefixes). */
bool sb_scope_matches (const sb_scope_t *self, sb_text_t topic);

/* Where a walk goes on. Zeroed: at the start. */
typedef struct {
    uint32_t topic; /* slots up to it are done, but for the rest of this one while is_inside */
    uint32_t field; /* slot of the next field; 0: none is left of the topic */
    uint32_t last;  /* slot of the last one that the walk goes to */
    bool is_inside; /* between the fields of `topic` */
} sb_walk_place_t;

/* Goes to the next topic that matches and was published in, or stays in the one that has fields left. Its slot; 0 when
 * `*budget` slots were looked at, or at the end. *is_entered: it came to the topic just now. */
uint32_t sb_walk_topic (const sb_core_t *core, const sb_scope_t *scope, sb_walk_place_t *place, uint32_t *budget,
                        bool *is_entered);

/* Goes past the field at the place. Precondition: there is one. */
void sb_walk_past_field (const sb_core_t *core, sb_walk_place_t *place);

/* Back to before the topic, which the walk has just entered. */
void sb_walk_leave (sb_walk_place_t *place);

/* The slice is over: marks the fields that the place depends on. */
void sb_walk_rest (const sb_core_t *core, const sb_walk_place_t *place);

/* True when every topic was walked. */
bool sb_walk_is_over (const sb_core_t *core, const sb_walk_place_t *place);

/* `field`, which is still in its topic's list, is about to leave it. */
void sb_walk_field_removed (const sb_core_t *core, sb_walk_place_t *place, uint32_t field);

#endif

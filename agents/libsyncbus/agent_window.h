/* SPDX-License-Identifier: MPL-2.0
 *
 * The window: updates that have a number and no decision yet, in a ring indexed by sequence. Adding, finding
 * and taking the oldest are O(1). A slot's memory stays where it is until it is taken, so that it can
 * be encoded without the lock. Bounded by number and by octets.
 */
#ifndef SB_AGENT_WINDOW_H
#define SB_AGENT_WINDOW_H

#include "agent_state.h"

typedef struct sb_window sb_window_t;

enum { SB_WINDOW_BYTES_MAX = 64 * 1024 * 1024 };

/* One number that is used up: a delta, or the delivery of the whole state. */
typedef struct {
    uint64_t sequence;
    bool is_replacement; /* then no delta */
    bool is_given_up;    /* too large for this broker: goes out empty, to use up its number */
    bool is_event;       /* of an event category: not in the own state */
    uint32_t group_left; /* deltas of the same update_batch that follow */
    uint32_t wire_bytes; /* at most this many octets in a message */
    size_t memory_bytes; /* what it occupies */
    sb_delta_t delta;
    sb_own_value_t *before; /* one per change, in the slot's block; NULL for events and replacements */
} sb_slot_t;

/* Creates an empty window whose first number will be 1. NULL when there is no memory. */
sb_window_t *sb_window_new (void);
void sb_window_destroy (sb_window_t **self_p);

/* True when `count` deltas of `memory_bytes` in all fit while at most `limit` may be undecided. An empty window takes
 * one always. */
bool sb_window_has_room (const sb_window_t *self, uint32_t count, size_t memory_bytes, uint32_t limit);

/* Copies a delta, gives it the next number. NULL when there is no memory. */
sb_slot_t *sb_window_add (sb_window_t *self, const sb_delta_t *delta, bool is_event);

/* Gives the next number to a delivery of the whole state. NULL when there is no memory. */
sb_slot_t *sb_window_add_replacement (sb_window_t *self);

/* The slot of a number; NULL when it is not in the window. */
sb_slot_t *sb_window_at (const sb_window_t *self, uint64_t sequence);

/* Takes the oldest slot out; the caller destroys it. NULL when the window is empty. */
sb_slot_t *sb_window_take (sb_window_t *self);

/* Makes `sequence` the number that comes next, in an empty window. */
void sb_window_restart (sb_window_t *self, uint64_t sequence);

uint64_t sb_window_first (const sb_window_t *self); /* oldest number in it; equal to _next when empty */
uint64_t sb_window_next (const sb_window_t *self);  /* the number that comes next */
uint32_t sb_window_count (const sb_window_t *self);

/* Octets that a slot for `delta` occupies in memory, and at most on the wire. */
size_t sb_delta_memory_bytes (const sb_delta_t *delta);
uint64_t sb_delta_wire_bytes (const sb_delta_t *delta);

void sb_slot_destroy (sb_slot_t **self_p);

#endif

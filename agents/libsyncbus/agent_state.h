/* SPDX-License-Identifier: MPL-2.0
 *
 * The agent's own state: fields by category, subject and name, kept whole, so that it can be
 * delivered whole. Two hash tables (topics, fields) over doubly linked lists: a write costs two
 * lookups; nothing depends on hash order. A cursor walks it in pieces while writes go on; what changes
 * meanwhile also goes out as a delta. It goes from the last written field back: a field written once without
 * category and once with the one the broker's rules give it is two here and one there, where the first counts.
 *
 * A field with a time to live, its own or that of its category, is gone, for every function here, from the moment that
 * runs out; its memory goes when a walk comes upon it or its place is needed. The field has the moment of its last
 * write and its own time, the category its time, so that what the broker says of a category holds for fields written
 * before. What the broker's rules make of a field without category is not known here: such a field goes by no
 * category's time. Rejected: a heap of deadlines, since a refresh, which is what most writes are, would pay for it.
 */
#ifndef SB_AGENT_STATE_H
#define SB_AGENT_STATE_H

#include "sb_message.h"

typedef struct sb_own_state sb_own_state_t;

/* What a field was before a write: kept until the write is decided, so that a refused one can be taken back. */
typedef struct {
    sb_value_t value;         /* SB_VALUE_NONE: there was no such field */
    void *memory;             /* what value's text lives in; owned; may be NULL */
    uint64_t writer;          /* sequence of the write that made it; 0: none that went out as a delta */
    uint64_t written_ns;      /* the moment of that write */
    uint32_t time_to_live_ms; /* of its own, from written_ns on; 0: that of its category */
} sb_own_value_t;

/* Creates an empty state of at most `max_fields` fields, hashed by `seed`. NULL when there is no memory. */
sb_own_state_t *sb_own_state_new (uint32_t max_fields, uint64_t seed);
void sb_own_state_destroy (sb_own_state_t **self_p);

/* What time it is, on the clock of the step; never goes back. A write's time to live counts from it. */
void sb_own_state_set_time (sb_own_state_t *self, uint64_t now_ns);

/* How long the fields of each category live that have no time of their own, in place of what was said before (at first:
 * all for ever). Also fields that are there: from their last write on. At most SB_TIMES_TO_LIVE_MAX are taken; what
 * cannot be a category is passed over; of a category that is named again, the last counts. What is gone stays gone.
 * Without memory the times from before hold on. */
void sb_own_state_set_times_to_live (sb_own_state_t *self, const sb_time_to_live_t *times, uint32_t count);

/* Fields that one category may have from now on. */
void sb_own_state_set_category_limit (sb_own_state_t *self, uint32_t max_fields);

/* Whether `deltas` would fit: SB_REASON_NONE, STORE_FULL (max_fields of all), TOO_MANY_FIELDS (of a category). */
sb_reason_t sb_own_state_check (sb_own_state_t *self, const sb_delta_t *deltas, uint32_t count);

/* Writes one delta's changes; it passed sb_own_state_check. `before` (one per change, or NULL) gets what was
 * there, and owns it. False when there is no memory: then the changes before it were made. */
bool sb_own_state_apply (sb_own_state_t *self, const sb_delta_t *delta, uint64_t writer, sb_own_value_t *before);

/* Puts back what `change` of `delta`'s topic overwrote, when `writer` is still its last writer: takes *before over and
 * returns true. Otherwise false, and nothing is done. */
bool sb_own_state_restore (sb_own_state_t *self, const sb_delta_t *delta, const sb_change_t *change, uint64_t writer,
                           sb_own_value_t *before);

/* Frees what *value owns and zeroes it. */
void sb_own_value_clear (sb_own_value_t *value);

/* Forgets every field of a category. */
void sb_own_state_forget_category (sb_own_state_t *self, sb_text_t category);

/* Fields that occupy memory: those that are gone count until their memory goes. */
uint32_t sb_own_state_count (const sb_own_state_t *self);

/* Frees what is gone. Linear, unless nothing can be. */
void sb_own_state_expire (sb_own_state_t *self);

/* Sets the cursor to the field last written: a walk begins, which passes each field once. */
void sb_own_state_rewind (sb_own_state_t *self);

/* The field at the cursor; false when all were passed. All texts borrow until the next write. */
bool sb_own_state_at_cursor (sb_own_state_t *self, sb_text_t *category, sb_text_t *subject, sb_text_t *name,
                             const sb_value_t **value);

/* What is left of the time to live of the field at the cursor, in ms, rounded up: at least 1; 0: it lives for ever. */
uint32_t sb_own_state_time_left_ms (const sb_own_state_t *self);

/* Moves the cursor on; sb_own_state_at_cursor was true, with no write since. */
void sb_own_state_advance (sb_own_state_t *self);

/* Remembers that something was said of the field at the cursor, until it is written again. True the first time. */
bool sb_own_state_note (sb_own_state_t *self);

/* Differs whenever something was written, taken back or forgotten. */
uint64_t sb_own_state_version (const sb_own_state_t *self);

/* Calls `visit` for each field, topics and their fields in order of first write; the cursor stays where it is. */
void sb_own_state_visit (const sb_own_state_t *self,
                         void (*visit) (void *context, sb_text_t category, sb_text_t subject, sb_text_t name,
                                        const sb_value_t *value),
                         void *context);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Expiry: a field with a time to live goes by itself when it is not written again in time, also by a write of the same
 * bits. That is a publication with cause EXPIRED and a delete, like any other in its topic.
 *
 * Deadlines stand in a timing wheel of eleven levels of 64 buckets, down to one nanosecond, so that they are exact. A
 * refresh only writes the new deadline into the field's record; the record moves when the wheel comes to its old place,
 * and from a coarse bucket straight to another one. So a field that is refreshed in time costs one store a write and
 * one move in about each time to live, whatever their number. Rejected: a heap (a sift through cold memory for each of
 * a million fields), a list for each time to live (an agent may ask for another one with each delta).
 */
#ifndef SB_EXPIRY_H
#define SB_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

enum { SB_EXPIRY_LEVELS = 11, SB_EXPIRY_BUCKETS = 64 };

/* All fields that have a time to live. */
typedef struct {
    sb_pool_t records;                                     /* one for each such field; made with the first */
    uint32_t count;                                        /* fields that stand in the wheel */
    uint64_t wheel_ns;                                     /* how far the wheel has come; at most the core's now */
    uint64_t occupied[SB_EXPIRY_LEVELS];                   /* a bit for each bucket that is not empty */
    uint32_t buckets[SB_EXPIRY_LEVELS][SB_EXPIRY_BUCKETS]; /* first record of a ring; 0: empty */
} sb_expiry_t;

/* Makes sure that the next `more` calls of sb_expiry_written cannot fail. False when there is no memory for that. */
bool sb_expiry_reserve (sb_core_t *self, uint32_t more);

/* `field` was written, changed or not, and lives for `time_to_live_ms` from now (0: for ever). O(1). Precondition:
 * reserved, when it is not 0. Cannot fail. */
void sb_expiry_written (sb_core_t *self, uint32_t field, uint32_t time_to_live_ms);

/* `staged` is a field of a replacement that is to live for `time_to_live_ms` once it is applied. False when there is
 * no memory; then nothing changed. */
bool sb_expiry_stage (sb_core_t *self, uint32_t staged, uint32_t time_to_live_ms);

/* The staged field was applied to `field`, which may be itself: its time begins now. Cannot fail. */
void sb_expiry_apply (sb_core_t *self, uint32_t staged, uint32_t field);

/* The field is about to be freed. */
void sb_expiry_forget (sb_core_t *self, uint32_t field);

/* When the wheel wants to be turned next; SB_NEVER: not at all. Never after the next deadline, and that exactly in the
 * end; before it where a bucket has to be sorted first. */
uint64_t sb_expiry_deadline (const sb_core_t *self);

/* Expires what is due, a bounded number of fields; what is left stays due. */
void sb_expiry_tick (sb_core_t *self);

/* Broker time at which the field goes if it is not written again; 0: it stays. */
int64_t sb_expiry_unix_ns (const sb_core_t *self, uint32_t field);

/* Gives everything back. */
void sb_expiry_fini (sb_core_t *self);

#endif

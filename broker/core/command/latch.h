/* SPDX-License-Identifier: MPL-2.0
 *
 * The emergency stop: one flag for all agents, apart from each agent's operator state.
 *
 * A plain struct inside the core and pure functions over it. `epoch` goes up with each stop and each clear, so that an
 * old clear cannot lift a newer stop. A second stop is the same stop. Categories that the configuration admits are
 * read from it at each delta, so that a reload counts at once. O(admitted categories), cannot fail.
 */
#ifndef SB_LATCH_H
#define SB_LATCH_H

#include "operator.h"

/* Read freely; written by the functions below alone. (sb_latch_t is its form on the wire.) */
typedef struct {
    bool stopped;
    uint64_t epoch;         /* 0: never set */
    sb_authorship_t author; /* of the last stop or clear */
} sb_stop_latch_t;

/* Not stopped, epoch 0. */
void sb_latch_init (sb_stop_latch_t *self);

/* emergency_stop. Returns false, changing nothing, when stopped already. */
bool sb_latch_stop (sb_stop_latch_t *self, sb_text_t issuer, sb_text_t reason, int64_t unix_ns);

/* emergency_clear of the stop `epoch`. SB_REASON_NONE; WRONG_EPOCH: not the stop in force, or none is; nothing changed.
 */
sb_reason_t sb_latch_clear (sb_stop_latch_t *self, uint64_t epoch, sb_text_t issuer, sb_text_t reason, int64_t unix_ns);

/* As kept over a restart of the broker. */
void sb_latch_restore (sb_stop_latch_t *self, bool stopped, uint64_t epoch, sb_text_t issuer, sb_text_t reason,
                       int64_t unix_ns);

/* True when a delta of `category` must be refused: stopped, and not one of the `count` admitted ones. */
bool sb_latch_refuses (const sb_stop_latch_t *self, const sb_text_t *admitted, uint32_t count, sb_text_t category);

/* For the wire; borrows from `self` and from `admitted`. */
void sb_latch_status (const sb_stop_latch_t *self, const sb_text_t *admitted, uint32_t count, sb_latch_t *status);

#endif

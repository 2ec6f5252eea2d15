/* SPDX-License-Identifier: MPL-2.0
 *
 * Judges a row against the rows before it of the same subject, on the feed's own clock, never the
 * wall's: time, repeated ids, crossed quotes, jumps. Pure.
 *
 * A jump is rejected until `jump_confirmations` rows in a row agree on the new level; the last of them is
 * taken and becomes the level. Without that, one real move would silence a subject for good.
 * A one-sided quote that crosses the rebuilt book is not published, but its venue did say it, so the
 * book takes it: else the book could never uncross.
 */
#ifndef SB_VALIDATOR_H
#define SB_VALIDATOR_H

#include "sb_subjects.h"

/* What to do with a row that was not rejected. */
typedef struct {
    sb_rejection_t rejection;
    bool is_unchanged; /* a quote that left the best bid and offer as it was; nothing to publish */
    bool is_repeated;  /* a trade with the octets of the one before; published */
} sb_verdict_t;

/* Judges `row` and brings `subject` forward. Cannot fail. */
sb_verdict_t sb_validator_judge (const sb_layout_t *layout, sb_subject_t *subject, const sb_row_t *row);

#endif

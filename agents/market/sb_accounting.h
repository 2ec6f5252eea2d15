/* SPDX-License-Identifier: MPL-2.0
 *
 * The books of a feed: every row that was read ends in exactly one of published, rejected (by
 * cause), unchanged, refused (by reason) or pending (sent and not decided yet). Pure.
 *
 * The causes are one table: enum, counter name and help text all come from it.
 */
#ifndef SB_ACCOUNTING_H
#define SB_ACCOUNTING_H

#include "sb_model.h"

/* ROW (enum name, counter name, what is wrong with the row) */
#define SB_REJECTION_TABLE(ROW)                                                                                        \
    ROW (MISSING_COLUMN, "missing_column", "fewer columns than the layout names")                                      \
    ROW (EXTRA_COLUMN, "extra_column", "more columns than the layout names")                                           \
    ROW (BAD_ROW, "bad_row", "no row of this format: a quote left open, no JSON object")                               \
    ROW (BAD_TEXT, "bad_text", "a NUL octet, or text that is not UTF-8")                                               \
    ROW (TOO_LONG, "too_long", "a line longer than 64 KiB")                                                            \
    ROW (BAD_TIME, "bad_time", "a time that cannot be read")                                                           \
    ROW (BAD_NUMBER, "bad_number", "a number that cannot be read")                                                     \
    ROW (NOT_FINITE, "not_finite", "a number that is NaN or infinite")                                                 \
    ROW (MISSING_VALUE, "missing_value", "a value that the layout needs is empty, or a zero that stands for missing")  \
    ROW (BAD_SYMBOL, "bad_symbol", "market:symbol is longer than 64 octets")                                           \
    ROW (PRICE_NOT_POSITIVE, "price_not_positive", "a price of zero or less")                                          \
    ROW (NEGATIVE_SIZE, "negative_size", "a size below zero")                                                          \
    ROW (BAR_RANGE, "bar_range", "open or close outside low to high")                                                  \
    ROW (TIME_BACKWARDS, "time_backwards", "earlier than the row before of the same subject")                          \
    ROW (DUPLICATE_ID, "duplicate_id", "a trade id that was seen just before")                                         \
    ROW (CROSSED_QUOTE, "crossed_quote", "the best bid is above the best ask")                                         \
    ROW (JUMP, "jump", "too far from the price before, and not confirmed by the rows after it")                        \
    ROW (TOO_MANY_SUBJECTS, "too_many_subjects", "more subjects than the feed keeps")                                  \
    ROW (TRUNCATED, "truncated", "the input was cut within this row")

typedef enum {
    SB_REJECTION_NONE,
#define SB_REJECTION_ENUM(name, counter, text) SB_REJECTION_##name,
    SB_REJECTION_TABLE (SB_REJECTION_ENUM)
#undef SB_REJECTION_ENUM
        SB_REJECTION_LIMIT /* one more than the last */
} sb_rejection_t;

/* All zero is a feed that has read nothing. */
typedef struct {
    uint64_t read;                         /* rows; header and blank lines are none */
    uint64_t published;                    /* accepted by the broker */
    uint64_t unchanged;                    /* quotes that left the best bid and offer as it was */
    uint64_t pending;                      /* sent, not decided */
    uint64_t rejected[SB_REJECTION_LIMIT]; /* by cause; [SB_REJECTION_NONE] stays 0 */
    uint64_t refused[SB_REASON_LIMIT];     /* by reason of the broker or library */
    /* Marks of rows that were kept; not part of the sum. */
    uint64_t repeated;        /* the same octets as the row before of its subject, without a trade id */
    uint64_t suspicious;      /* flagged by the vendor */
    uint64_t non_positive;    /* prices of zero or less where the layout allows them */
    uint64_t values_missing;  /* optional values that were empty, zeros that stand for missing */
    uint64_t filtered;        /* lines of symbols that were not asked for; not counted as read */
    uint64_t truncated_input; /* inputs that ended in the middle */
} sb_accounting_t;

/* Rows rejected for any cause, refused for any reason. */
uint64_t sb_accounting_rejected (const sb_accounting_t *self);
uint64_t sb_accounting_refused (const sb_accounting_t *self);

/* True while read = published + rejected + unchanged + refused + pending. */
bool sb_accounting_balances (const sb_accounting_t *self);

/* "time_backwards", and the sentence; "none" and "" for what is no cause. Static. */
const char *sb_rejection_name (sb_rejection_t rejection);
const char *sb_rejection_text (sb_rejection_t rejection);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What a feed remembers of each subject (market:symbol), found by hash. Bounded: a file that invents
 * symbols fills the table and no more. Pure.
 */
#ifndef SB_SUBJECTS_H
#define SB_SUBJECTS_H

#include "sb_book.h"
#include "sb_context.h"
#include "sb_indicators.h"

enum { SB_TRADE_IDS_KEPT = 16 };

/* One subject. */
typedef struct {
    char name[SB_ID_MAX + 1];
    uint32_t symbol_offset;
    uint64_t hash;
    bool has_time;                         /* a row was taken */
    int64_t time_ns;                       /* of the last row taken */
    uint64_t row_hash;                     /* of the last trade published */
    uint64_t trade_ids[SB_TRADE_IDS_KEPT]; /* the last ones, a ring */
    uint32_t trade_id_next;
    double reference;        /* price that jumps are measured from; 0: none yet */
    double candidate;        /* the level a jump went to; 0: none */
    uint32_t candidate_rows; /* how many rows in a row agreed with it */
    sb_book_t book;
    sb_best_t best; /* last published */
    int64_t session_day;
    sb_indicators_t *indicators;
    sb_context_cursor_t cursor;
    uint64_t sent_fields[SB_FIELDS_MAX]; /* hash of each field's value last published; 0: none */
} sb_subject_t;

typedef struct sb_subjects sb_subjects_t;

/* For at most `limit` subjects. NULL when there is no memory. */
sb_subjects_t *sb_subjects_new (uint32_t limit, const sb_indicator_periods_t *periods);
void sb_subjects_destroy (sb_subjects_t **self_p);

/* The subject of that name, made when it is new. NULL when the table is full or there is no memory. The pointer stays
 * valid until destroy. */
sb_subject_t *sb_subjects_get (sb_subjects_t *self, const char *name, uint32_t symbol_offset);

/* How many there are. */
uint32_t sb_subjects_count (const sb_subjects_t *self);

#endif

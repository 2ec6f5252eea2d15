/* SPDX-License-Identifier: MPL-2.0
 *
 * One row: a line read by its layout into numbers, names and fields, or the cause why it is none.
 * Pure. Only what a row says by itself is judged here; sb_validator compares it with rows before.
 */
#ifndef SB_ROW_H
#define SB_ROW_H

#include "sb_accounting.h"
#include "sb_layout.h"

/* What a row said. Texts borrow from the line it was read from. */
typedef struct {
    int64_t time_ns;             /* when anybody could know it: bar ends and lags are added */
    uint64_t hash;               /* of the line's octets */
    uint64_t trade_id_hash;      /* 0: the layout has no trade ids, or the cell is empty */
    char subject[SB_ID_MAX + 1]; /* market:symbol */
    uint32_t subject_size;
    uint32_t symbol_offset; /* of the symbol within the subject */
    bool has_trade;
    bool has_bid; /* the row says something of this side */
    bool has_ask;
    bool is_suspicious;
    double price, size;
    double open, high, low;
    double bid, bid_size, ask, ask_size;
    sb_text_t venue;
    sb_value_t values[SB_FIELDS_MAX]; /* of the layout's fields; SB_VALUE_NONE: missing */
    uint32_t values_missing;
    bool is_non_positive; /* a price of zero or less that the layout allows */
} sb_row_t;

/* Reads a CSV line (is_json false) or a JSON line. `line` has a NUL behind it and is changed. `cells` is work space and
 * must live as long as the row. Returns why it is no good row, or SB_REJECTION_NONE; then *row is whole. With any other
 * return only the subject may be set. */
sb_rejection_t sb_row_read (const sb_layout_t *layout, bool is_json, char *line, size_t size, sb_cells_t *cells,
                            sb_row_t *row);

/* Reads a finite decimal number ("12", "-0.5", "1e3"). BAD_NUMBER, NOT_FINITE, or NONE and *number. An empty text is
 * BAD_NUMBER. `text` is NUL-terminated. */
sb_rejection_t sb_number_read (sb_text_t text, double *number);

/* FNV-1a, 64 bits; never 0. */
uint64_t sb_octets_hash (const void *data, size_t size);

#endif

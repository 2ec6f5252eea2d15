/* SPDX-License-Identifier: MPL-2.0
 *
 * A layout: what the columns of a kind of file mean, and how its rows are checked. Read from a small
 * ZPL file, so that somebody's own CSV needs no code. `syncbus-market --print-layout NAME` shows one;
 * agents/market/layouts/README.md explains every key.
 *
 * The keys, kinds and roles are tables; reading, printing of help and the tests come from them.
 */
#ifndef SB_LAYOUT_H
#define SB_LAYOUT_H

#include "sb_cells.h"
#include "sb_civil.h"

/* ROW (enum name, name in a layout, what a row of such a file is) */
#define SB_LAYOUT_KIND_TABLE(ROW)                                                                                      \
    ROW (TRADE, "trade", "a trade: price, size")                                                                       \
    ROW (QUOTE, "quote", "both sides of a book: bid, ask")                                                             \
    ROW (SIDED_QUOTE, "sided_quote", "one side of one venue's book; the best of all venues is rebuilt")                \
    ROW (MIXED, "mixed", "a trade, a quote, or both: by which cells are filled")                                       \
    ROW (TRADE_BAR, "trade_bar", "open, high, low, close and volume of a span; price is its close")                    \
    ROW (QUOTE_BAR, "quote_bar", "bid and ask at the end of a span")                                                   \
    ROW (SERIES, "series", "slow values of their own: a context series")

typedef enum {
#define SB_LAYOUT_KIND_ENUM(name, text, help) SB_LAYOUT_##name,
    SB_LAYOUT_KIND_TABLE (SB_LAYOUT_KIND_ENUM)
#undef SB_LAYOUT_KIND_ENUM
        SB_LAYOUT_KIND_LIMIT
} sb_layout_kind_t;

/* ROW (enum name, name in a layout's `roles`, is it a number, what the column is) */
#define SB_ROLE_TABLE(ROW)                                                                                             \
    ROW (TIME, "time", 0, "when: see time_format, time_zone, bar_stamp, lag")                                          \
    ROW (MARKET, "market", 0, "the market's name, the first half of the subject")                                      \
    ROW (SYMBOL, "symbol", 0, "the instrument's name, the second half of the subject")                                 \
    ROW (TRADE_ID, "trade_id", 0, "the venue's number of the trade")                                                   \
    ROW (VENUE, "venue", 0, "whose book a one-sided quote belongs to")                                                 \
    ROW (SUSPICIOUS, "suspicious", 0, "the vendor's flag: 1 or true marks a row")                                      \
    ROW (PRICE, "price", 1, "the price; of a bar, its close")                                                          \
    ROW (PRICE_SCALE, "price_scale", 1, "divide this row's prices by it")                                              \
    ROW (SIZE, "size", 1, "the size; of a bar, its volume")                                                            \
    ROW (OPEN, "open", 1, "first price of a bar")                                                                      \
    ROW (HIGH, "high", 1, "highest price of a bar")                                                                    \
    ROW (LOW, "low", 1, "lowest price of a bar")                                                                       \
    ROW (BID, "bid", 1, "bid price")                                                                                   \
    ROW (BID_SIZE, "bid_size", 1, "bid size")                                                                          \
    ROW (ASK, "ask", 1, "ask price")                                                                                   \
    ROW (ASK_SIZE, "ask_size", 1, "ask size")

typedef enum {
#define SB_ROLE_ENUM(name, text, number, help) SB_ROLE_##name,
    SB_ROLE_TABLE (SB_ROLE_ENUM)
#undef SB_ROLE_ENUM
        SB_ROLE_LIMIT
} sb_role_t;

/* How a published field's cell is read; the layout's section of that name. */
typedef enum { SB_FIELD_NUMBER, SB_FIELD_INTEGER, SB_FIELD_TEXT, SB_FIELD_BOOLEAN } sb_field_kind_t;

/* A column that is published as it is. */
typedef struct {
    char name[SB_FIELD_NAME_MAX + 1]; /* % in the layout became the symbol, in lower case */
    sb_field_kind_t kind;
    uint8_t column;
} sb_layout_field_t;

typedef enum { SB_ORDER_ASCENDING, SB_ORDER_DESCENDING } sb_layout_order_t;

enum { SB_FIELDS_MAX = 48, SB_LAYOUT_TEXT_MAX = 128 };

/* Periods of the indicators; 0: not computed. */
typedef struct {
    uint32_t sma;        /* ticks */
    uint32_t ema;        /* ticks */
    uint32_t rsi;        /* changes */
    uint32_t volatility; /* returns */
    bool vwap;           /* since the start of the local day */
} sb_indicator_periods_t;

/* All of it is plain data: copying is fine. */
typedef struct {
    char name[64];
    char description[SB_LAYOUT_TEXT_MAX];
    char files[SB_LAYOUT_TEXT_MAX]; /* pattern of base names, for choosing among layouts; empty: any */
    sb_layout_kind_t kind;
    sb_layout_order_t order; /* of rows in time */
    bool has_header;         /* the first line names the columns */
    char separator;          /* between the cells of a CSV row */
    bool allow_non_positive; /* prices of zero and less are real */
    bool allow_crossed;
    char columns[SB_COLUMNS_MAX][48];
    uint32_t column_count;
    int8_t roles[SB_ROLE_LIMIT]; /* column of each role, -1: none */
    uint64_t optional;           /* bit set: column may be empty */
    uint64_t zero_is_missing;    /* bit set: zero stands for missing */
    sb_layout_field_t fields[SB_FIELDS_MAX];
    uint32_t field_count;
    sb_time_format_t time_format;
    sb_zone_t time_zone;
    sb_zone_t session_zone; /* whose midnight ends a session: vwap starts anew */
    int64_t fixed_time_ns;  /* of every row, where there is no time column; 0: none */
    int64_t bar_length_ns;  /* added to the time, unless that is the bar's end already */
    bool bar_stamp_is_end;
    int64_t lag_ns;         /* from the row's time until anybody could know it */
    int64_t max_age_ns;     /* a context row older than this is not joined; 0: none is too old */
    int64_t quote_stale_ns; /* a venue's quote this old goes when a newer one locks or crosses it */
    int64_t book_reset_ns;  /* a silence this long empties the rebuilt book; 0: never */
    char market[SB_ID_MAX + 1];
    char symbol[SB_ID_MAX + 1];
    char symbol_from_file[SB_LAYOUT_TEXT_MAX]; /* pattern of base names in which % is the symbol */
    bool symbol_keys_context;                  /* a context row is for the subjects of its own symbol only */
    double price_divisor;
    double jump_ratio;           /* 0.1: ten per cent; 0: not judged */
    uint32_t jump_confirmations; /* rows at a new level that make it the level */
    sb_indicator_periods_t periods;
} sb_layout_t;

/* Reads a layout. `name` is what it will be called. False, and "line N: ..." in `error`, when a line is malformed, a
 * key, column, kind or value is not known, or something that the kind needs is missing. */
bool sb_layout_parse (sb_layout_t *self, const char *name, sb_text_t text, char *error, size_t error_size);

/* Puts a file's name to use: symbol_from_file, then % in field names. `base_name` has no folder; "-" gives no symbol.
 * False, and a sentence, when the layout needs a symbol from the name and there is none. */
bool sb_layout_bind (sb_layout_t *self, const char *base_name, char *error, size_t error_size);

/* The octets that may separate the cells of a CSV row, the usual one first. Static. */
const char *sb_layout_separators (void);

/* True when `header` (a CSV file's first line, already cut) names exactly this layout's columns. */
bool sb_layout_matches_header (const sb_layout_t *self, const sb_cells_t *header);

/* True when every column of the layout is a member of the JSON row, optional ones aside. */
bool sb_layout_matches_members (const sb_layout_t *self, const sb_cells_t *row);

/* True when the name fits `files`; an empty pattern fits all. */
bool sb_layout_matches_file (const sb_layout_t *self, const char *base_name);

/* True when `text` fits `pattern`: * is any run, ? any one octet. */
bool sb_pattern_matches (const char *pattern, const char *text);

/* Name of the key at `place` in the table of keys, NULL behind the last. `columns`, `optional` and `zero_is_missing`,
 * which are lists of columns, are not in it. Static. */
const char *sb_layout_key (uint32_t place);

/* Column of that name, -1: none. */
int sb_layout_column (const sb_layout_t *self, sb_text_t name);

#endif

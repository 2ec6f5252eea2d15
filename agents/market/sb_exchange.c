/* SPDX-License-Identifier: MPL-2.0
 *
 * A simulated exchange. Randomness is xorshift64*, one stream for the market and one, from the same
 * seed, for the context, so that asking for the context changes no row. Prices are kept in cents and
 * turned back at half and at twice their start, so a long run stays in range.
 */
#include "sb_exchange.h"
#include "sb_names.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS   (INT64_C (1704205800) * SB_SECOND_NS) /* 2024-01-02T14:30:00Z */
#define SESSION_NS (3600 * SB_SECOND_NS)
#define BREAK_NS   (30 * SB_SECOND_NS)

enum { SYMBOL_COUNT = 4, DIRTY_ONE_IN = 400 };

/* How a symbol moves for a while. */
static const struct {
    int step;   /* largest move, in cents */
    int drift;  /* added, one row in four */
    int spread; /* half of it, in cents */
    int rate;   /* rows, relative */
} s_regimes[] = {{1, 0, 1, 1}, {2, 1, 1, 2}, {2, -1, 1, 2}, {6, 0, 3, 4}};

typedef struct {
    const char *name;
    int64_t start_cents;
    int64_t cents;
    unsigned regime;
    int64_t regime_rows; /* left in it */
} symbol_t;

struct sb_exchange {
    uint64_t seed;
    uint64_t random;
    int64_t now_ns;
    int64_t session_end_ns;
    uint64_t trade_id;
    symbol_t symbols[SYMBOL_COUNT];
    char last_trade[256];
};

static uint64_t s_random (uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C (2685821657736338717) >> 11;
}

/* 0 to limit - 1. */
static int64_t s_below (uint64_t *state, int64_t limit)
{
    return (int64_t)(s_random (state) % (uint64_t)limit);
}

sb_exchange_t *sb_exchange_new (uint64_t seed)
{
    static const symbol_t symbols[SYMBOL_COUNT] = {{"ALPHA", 10000, 10000, 0, 0},
                                                   {"BRAVO", 4200, 4200, 0, 0},
                                                   {"CEDAR", 25600, 25600, 0, 0},
                                                   {"DELTA", 1500, 1500, 0, 0}};
    sb_exchange_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->seed = seed;
    self->random = (seed + 1) * UINT64_C (0x9e3779b97f4a7c15) | 1;
    self->now_ns = START_NS;
    self->session_end_ns = START_NS + SESSION_NS;
    memcpy (self->symbols, symbols, sizeof symbols);
    return self;
}

void sb_exchange_destroy (sb_exchange_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free (*self_p);
    *self_p = NULL;
}

int64_t sb_exchange_elapsed_ns (const sb_exchange_t *self)
{
    return self->now_ns - START_NS;
}

/* ------------------------------------------------------------------ the market */

static void s_move (sb_exchange_t *self, symbol_t *symbol)
{
    if (symbol->regime_rows-- <= 0) {
        symbol->regime = (unsigned)s_below (&self->random, 4);
        symbol->regime_rows = 200 + s_below (&self->random, 1800);
    }
    int step = s_regimes[symbol->regime].step, drift = s_regimes[symbol->regime].drift;
    symbol->cents += s_below (&self->random, 2 * step + 1) - step;
    if (s_below (&self->random, 4) == 0)
        symbol->cents += drift;
    int64_t low = symbol->start_cents / 2, high = symbol->start_cents * 2;
    if (symbol->cents < low)
        symbol->cents = 2 * low - symbol->cents;
    if (symbol->cents > high)
        symbol->cents = 2 * high - symbol->cents;
}

/* About 50 rows a second, more while symbols are wild. */
static void s_advance (sb_exchange_t *self, const symbol_t *symbol)
{
    self->now_ns += s_below (&self->random, 40000000 / s_regimes[symbol->regime].rate) + 1000;
    if (self->now_ns >= self->session_end_ns) {
        self->now_ns = self->session_end_ns + BREAK_NS;
        self->session_end_ns = self->now_ns + SESSION_NS;
        for (int i = 0; i < SYMBOL_COUNT; i++)
            self->symbols[i].cents +=
                s_below (&self->random, self->symbols[i].cents / 50) - self->symbols[i].cents / 100;
    }
}

static size_t s_trade_line (sb_exchange_t *self, const symbol_t *symbol, char line[256])
{
    int64_t side = s_below (&self->random, 2) ? 1 : -1;
    int64_t cents = symbol->cents + side * s_regimes[symbol->regime].spread;
    int64_t size = (1 + s_below (&self->random, 10)) * (s_below (&self->random, 20) == 0 ? 1000 : 100);
    int count = snprintf (line, 256, "%" PRId64 ",sim,%s,%" PRIu64 ",%" PRId64 ".%02d,%" PRId64 ",,,,", self->now_ns,
                          symbol->name, ++self->trade_id, cents / 100, (int)(cents % 100), size);
    memcpy (self->last_trade, line, (size_t)count + 1);
    return (size_t)count;
}

static size_t s_quote_line (sb_exchange_t *self, const symbol_t *symbol, char line[256], bool is_crossed)
{
    int64_t half = s_regimes[symbol->regime].spread * (is_crossed ? -5 : 1);
    int64_t bid = symbol->cents - half, ask = symbol->cents + half;
    int64_t bid_size = (1 + s_below (&self->random, 50)) * 100, ask_size = (1 + s_below (&self->random, 50)) * 100;
    return (size_t)snprintf (line, 256, "%" PRId64 ",sim,%s,,,,%" PRId64 ".%02d,%" PRId64 ",%" PRId64 ".%02d,%" PRId64,
                             self->now_ns, symbol->name, bid / 100, (int)(bid % 100), bid_size, ask / 100,
                             (int)(ask % 100), ask_size);
}

/* ------------------------------------------------------------------ dirt */

/* ROW (name, the row's cells from the time on) — one of each kind of fault that real files have. */
#define DIRT_TABLE(ROW)                                                                                                \
    ROW (bad_number, "%" PRId64 ",sim,%s,%" PRIu64 ",1o0.00,100,,,,", self->now_ns, symbol->name, ++self->trade_id)    \
    ROW (not_finite, "%" PRId64 ",sim,%s,%" PRIu64 ",NaN,100,,,,", self->now_ns, symbol->name, ++self->trade_id)       \
    ROW (not_positive, "%" PRId64 ",sim,%s,%" PRIu64 ",0,100,,,,", self->now_ns, symbol->name, ++self->trade_id)       \
    ROW (negative_size, "%" PRId64 ",sim,%s,%" PRIu64 ",%" PRId64 ".00,-100,,,,", self->now_ns, symbol->name,          \
         ++self->trade_id, symbol->cents / 100)                                                                        \
    ROW (backwards, "%" PRId64 ",sim,%s,%" PRIu64 ",%" PRId64 ".00,100,,,,", self->now_ns - 60 * SB_SECOND_NS,         \
         symbol->name, ++self->trade_id, symbol->cents / 100)                                                          \
    ROW (jump, "%" PRId64 ",sim,%s,%" PRIu64 ",%" PRId64 ".00,100,,,,", self->now_ns, symbol->name, ++self->trade_id,  \
         symbol->cents / 25)                                                                                           \
    ROW (cut, "%" PRId64 ",sim,%s,", self->now_ns, symbol->name)                                                       \
    ROW (bad_time, "soon,sim,%s,%" PRIu64 ",%" PRId64 ".00,100,,,,", symbol->name, ++self->trade_id,                   \
         symbol->cents / 100)

#define DIRT_FUNCTION(name, ...)                                                                                       \
    static int s_dirt_##name (sb_exchange_t *self, const symbol_t *symbol, char line[256])                             \
    {                                                                                                                  \
        (void)self;                                                                                                    \
        return snprintf (line, 256, __VA_ARGS__);                                                                      \
    }
DIRT_TABLE (DIRT_FUNCTION)

static size_t s_dirty_line (sb_exchange_t *self, const symbol_t *symbol, char line[256])
{
    static int (*const dirts[]) (sb_exchange_t * self, const symbol_t *symbol, char line[256]) = {
#define DIRT_ENTRY(name, ...) s_dirt_##name,
        DIRT_TABLE (DIRT_ENTRY)
#undef DIRT_ENTRY
    };
    enum { DIRT_COUNT = sizeof dirts / sizeof dirts[0] };
    int64_t kind = s_below (&self->random, DIRT_COUNT + 2);
    if (kind < DIRT_COUNT)
        return (size_t)dirts[kind](self, symbol, line);
    if (kind == DIRT_COUNT || !*self->last_trade)
        return s_quote_line (self, symbol, line, true);
    strcpy (line, self->last_trade);
    return strlen (line);
}

size_t sb_exchange_line (sb_exchange_t *self, char line[256])
{
    symbol_t *symbol = &self->symbols[s_below (&self->random, SYMBOL_COUNT)];
    s_move (self, symbol);
    s_advance (self, symbol);
    if (s_below (&self->random, DIRTY_ONE_IN) == 0)
        return s_dirty_line (self, symbol, line);
    return s_below (&self->random, 10) < 4 ? s_trade_line (self, symbol, line)
                                           : s_quote_line (self, symbol, line, false);
}

/* ------------------------------------------------------------------ layouts */

static void s_parse (sb_layout_t *layout, const char *name, const char *text)
{
    char error[256];
    bool is_fine = sb_layout_parse (layout, name, sb_text (text), error, sizeof error);
    assert (is_fine);
}

void sb_exchange_layout (sb_layout_t *layout)
{
    s_parse (layout, "simulated",
             "kind = mixed\n"
             "columns = ts_ns, market, symbol, trade_id, price, size, bid, bid_size, ask, ask_size\n"
             "optional = trade_id, price, size, bid, bid_size, ask, ask_size\n"
             "time_format = unix_ns\n"
             "jump_percent = 10\n"
             "roles\n"
             "    time = ts_ns\n    market = market\n    symbol = symbol\n    trade_id = trade_id\n"
             "    price = price\n    size = size\n"
             "    bid = bid\n    bid_size = bid_size\n    ask = ask\n    ask_size = ask_size\n");
}

/* A series of one field that walks between two bounds. */
static const struct {
    const char *field;
    double start, low, high, step; /* step: a thousandth of the largest move is drawn up to a thousand times */
    int interval_s;
} s_series[] = {
    {"risk_vix_close", 16, 9, 60, 0.4, 15},
    {"sentiment_fear_greed", 55, 0, 100, 2, 60},
    {"onchain_active_addresses", 800000, 500000, 1200000, 5000, 45},
    {"macro_us10y", 4.2, 1, 8, 0.02, 120},
    {"fundamental_sp500_pe10", 31, 15, 45, 0.1, 300},
};

static bool s_add_series (uint64_t *random, int place, sb_context_t *context)
{
    char text[256];
    sb_layout_t layout;
    snprintf (
        text, sizeof text,
        "kind = series\ncolumns = t,v\nmarket = context\nsymbol = sim\nroles\n    time = t\nnumbers\n    %s = v\n",
        s_series[place].field);
    s_parse (&layout, "simulated_context", text);
    if (!sb_context_add_series (context, &layout))
        return false;
    double value = s_series[place].start;
    for (int64_t second = 0; second < 86400; second += s_series[place].interval_s) {
        sb_row_t row = {.time_ns = START_NS + second * SB_SECOND_NS};
        row.values[0] = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = value};
        if (!sb_context_add_row (context, &row))
            return false;
        value += s_series[place].step * (double)(s_below (random, 2001) - 1000) / 1000;
        value = value < s_series[place].low    ? s_series[place].low
                : value > s_series[place].high ? s_series[place].high
                                               : value;
    }
    return true;
}

bool sb_exchange_add_context (const sb_exchange_t *self, sb_context_t *context)
{
    uint64_t random = (self->seed + 2) * UINT64_C (0xd1342543de82ef95) | 1;
    for (int i = 0; i < (int)(sizeof s_series / sizeof s_series[0]); i++)
        if (!s_add_series (&random, i, context))
            return false;
    return true;
}

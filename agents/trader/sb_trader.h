/* SPDX-License-Identifier: MPL-2.0
 *
 * The paper trader's logic: prices and signals in, orders carried out on paper out. Pure: no clock, no bus.
 *
 * A signal sets a target: buy = confidence * max_notional worth of the instrument at its price then, at most
 * max_position; sell = the same short, or nothing without allow_short; hold = nothing. Whenever position and target
 * differ by a lot or more, the instrument is not stale, trading is on and its cooldown is over, one order brings the
 * position to the target, at ask or bid (else the last price), worsened by slippage, plus a fee.
 *
 * Positions are held at average cost. At all times, with marks at the last price (else the middle of the quote):
 *   cash + sum (position * mark) = starting_cash + realized_pnl + unrealized_pnl - fees
 * Cooldowns run on the data's own clock, so that a replay trades alike at any pace.
 * Cost: constant for a price or a signal, and proportional to the number of instruments for an order.
 */
#ifndef SB_TRADER_H
#define SB_TRADER_H

#include "sb_components.h"
#include "sb_model.h"
#include "sb_quote.h"

typedef struct sb_trader sb_trader_t;

typedef enum {
    SB_TRADER_FILLED,
#define SB_TRADER_REFUSAL(symbol, name, text) SB_TRADER_##symbol,
#include "sb_trader_refusals.def"
#undef SB_TRADER_REFUSAL
    SB_TRADER_OUTCOME_COUNT
} sb_trader_outcome_t;

/* "filled", "max_gross" …, and a sentence about it. Static. */
const char *sb_trader_outcome_name (sb_trader_outcome_t outcome);
const char *sb_trader_outcome_text (sb_trader_outcome_t outcome);

/* What may be set. */
typedef struct {
    double starting_cash; /* quote currency */
    double fee_bps;       /* of the value traded */
    double slippage_bps;  /* of the price, against the order */
    double max_notional;  /* value held in one instrument at confidence 1 */
    double max_position;  /* units of one instrument; 0: no limit */
    double max_gross;     /* value held in all instruments; 0: no limit */
    double lot;           /* above 0: units are rounded towards 0 to a multiple of it */
    uint32_t cooldown_ms; /* least time between two orders in one instrument, on the data's clock */
    bool allow_short;
    uint32_t max_instruments; /* 1 to 1,000,000 */
} sb_trader_options_t;

/* The defaults. Cannot fail. */
sb_trader_options_t sb_trader_options_default (void);

/* What the scanner says. */
typedef struct {
    sb_signal_t signal;
    double confidence;                     /* 0 to 1 */
    double components[SB_COMPONENT_COUNT]; /* -1 to 1 */
} sb_trader_signal_t;

/* When something happened, and when the row behind it was read. */
typedef struct {
    int64_t event_unix_ns;
    int64_t origin_unix_ns;
} sb_trader_times_t;

/* An order: filled, or refused (then quantity and price are what was wanted, and nothing changed). */
typedef struct {
    char subject[SB_ID_MAX + 1]; /* NUL-terminated */
    sb_trader_outcome_t outcome;
    uint64_t order_id; /* 1, 2, 3 … */
    bool is_buy;
    double quantity;                  /* units, above 0 */
    double price;                     /* with slippage */
    double fee;                       /* quote currency */
    double position;                  /* units held after it; below 0: short */
    double average_price;             /* of that position; 0 when there is none */
    int closed_direction;             /* 1: it closed (part of) a long position, -1: of a short one, 0: none */
    double closed_quantity;           /* units */
    double realized_pnl;              /* by what it closed, before fees */
    double entry[SB_COMPONENT_COUNT]; /* of what it closed: components when that was entered, averaged by units */
    double cash;                      /* of the account, after it; so are the next four */
    double total_realized_pnl;
    double total_unrealized_pnl;
    double total_fees;
    sb_trader_times_t times; /* of what caused it */
} sb_trader_order_t;

/* A trader with nothing but cash, trading. NULL when there is no memory. */
sb_trader_t *sb_trader_new (const sb_trader_options_t *options);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_trader_destroy (sb_trader_t **self_p);

/* Takes in prices (those not above 0 are left out and counted) and makes the instrument fresh. True when that led to an
 * order: *order. */
bool sb_trader_price (sb_trader_t *self, sb_text_t subject, const sb_quote_t *price, const sb_trader_times_t *times,
                      sb_trader_order_t *order);

/* Takes in a signal (one with a confidence or component out of range is left out and counted). True as above. */
bool sb_trader_signal (sb_trader_t *self, sb_text_t subject, const sb_trader_signal_t *signal,
                       const sb_trader_times_t *times, sb_trader_order_t *order);

/* The same prices, or signal, but as state that a join or a repair brought, not as news: known from now on, and never a
 * reason for an order. What is held is kept; a target set before no longer stands, the next signal sets one. */
void sb_trader_learn_price (sb_trader_t *self, sb_text_t subject, const sb_quote_t *price);
void sb_trader_learn_signal (sb_trader_t *self, sb_text_t subject, const sb_trader_signal_t *signal);

/* The last signal taken in for the instrument; false when there was none. */
bool sb_trader_last_signal (const sb_trader_t *self, sb_text_t subject, sb_trader_signal_t *signal);

/* The instrument's prices are not to be trusted (is_stale): no order until they are again, or until the next price. */
void sb_trader_price_stale (sb_trader_t *self, sb_text_t subject, bool is_stale);

/* The instrument's signal is not to be trusted: what is held is kept, no order until the next signal. */
void sb_trader_signal_stale (sb_trader_t *self, sb_text_t subject);

/* Off: prices and signals are taken in, but no order is made. Positions are kept, nothing is flattened. */
void sb_trader_set_trading (sb_trader_t *self, bool is_trading);

/* Forgets targets, cooldowns and what was refused. The account (cash, positions, pnl) stays: it is no memory of
 * the program's but what it owns. */
void sb_trader_restart (sb_trader_t *self);

/* The account and counts since the beginning. */
typedef struct {
    double cash;
    double realized_pnl; /* before fees */
    double unrealized_pnl;
    double fees;
    double gross;                               /* sum of |position| * mark */
    double net;                                 /* sum of position * mark */
    uint32_t instruments;                       /* known */
    uint32_t positions;                         /* not 0 */
    uint64_t prices;                            /* taken in */
    uint64_t signals;                           /* taken in */
    uint64_t learned;                           /* prices and signals that were state, not news */
    uint64_t bad_values;                        /* prices or signals left out: out of range */
    uint64_t no_room;                           /* for instruments beyond max_instruments */
    uint64_t clipped;                           /* targets cut to max_position */
    uint64_t outcomes[SB_TRADER_OUTCOME_COUNT]; /* orders by outcome */
} sb_trader_account_t;
void sb_trader_account (const sb_trader_t *self, sb_trader_account_t *account);

#endif

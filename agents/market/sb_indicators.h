/* SPDX-License-Identifier: MPL-2.0
 *
 * Indicators of one subject, brought forward tick by tick at constant cost:
 *
 *   sma                  mean of the last N prices
 *   ema                  first the mean of N prices, then ema += 2 / (N + 1) * (price - ema)
 *   rsi                  Wilder's: mean gain and loss of the first N changes, then smoothed by 1 / N;
 *                        100 without a loss, 50 without any change
 *   realized volatility  root of the sum of the last N squared logarithmic returns, not annualized
 *   vwap                 sum of price times size over sum of size since the session began
 *
 * Each is given from the tick on that fills its period. Pure.
 */
#ifndef SB_INDICATORS_H
#define SB_INDICATORS_H

#include "sb_layout.h"

typedef struct sb_indicators sb_indicators_t;

/* NaN: not known yet, or not asked for. */
typedef struct {
    double sma;
    double ema;
    double rsi;
    double vwap;
    double realized_volatility;
} sb_indicator_values_t;

/* Creates indicators that have seen nothing. NULL when there is no memory. */
sb_indicators_t *sb_indicators_new (const sb_indicator_periods_t *periods);

/* Frees it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_indicators_destroy (sb_indicators_t **self_p);

/* Takes the next price, positive and finite, and its size (0: vwap stays). */
void sb_indicators_add (sb_indicators_t *self, double price, double size);

/* A new session: vwap starts anew. */
void sb_indicators_new_session (sb_indicators_t *self);

/* The values after the last tick. Cannot fail. */
sb_indicator_values_t sb_indicators_values (const sb_indicators_t *self);

#endif

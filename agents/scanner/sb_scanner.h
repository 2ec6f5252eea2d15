/* SPDX-License-Identifier: MPL-2.0
 *
 * The scanner's logic: prices and indicators of an instrument in, a signal with confidence out.
 * Pure: no clock, no bus. Costs a constant time for each observation.
 *
 * score = volatility_scale * sum (weight * component), each component clamped to -1 … 1:
 *   momentum   mean of price/sma - 1 and price/ema - 1 (those known), over momentum_range
 *   reversion  (50 - rsi) / 50
 *   value      vwap/price - 1, over value_range
 * volatility_scale = volatility_reference / max (volatility_reference, volatility).
 * Weights of components that are not known are left out and the others scaled up to a sum of 1.
 * A signal begins at |score| >= enter_score and lasts until |score| < exit_score, so that it does not flap.
 */
#ifndef SB_SCANNER_H
#define SB_SCANNER_H

#include "sb_components.h"
#include "sb_model.h"

typedef struct sb_scanner sb_scanner_t;

/* What may be set. */
typedef struct {
    double enter_score;          /* 0 to 1: a signal begins */
    double exit_score;           /* 0 to enter_score: it ends */
    double momentum_range;       /* above 0: deviation from the averages that counts as 1, as a fraction */
    double value_range;          /* above 0: deviation from the vwap that counts as 1, as a fraction */
    double volatility_reference; /* above 0: volatility up to which the score is not scaled down, in the feed's unit */
    double confidence_step;      /* 0.01 to 1: width of a confidence bucket */
    uint32_t max_instruments;    /* 1 to 1,000,000 */
} sb_scanner_options_t;

/* The defaults. Cannot fail. */
sb_scanner_options_t sb_scanner_options_default (void);

/* What became known of an instrument; NaN for what did not. */
typedef struct {
    double price;      /* of the last trade, above 0 */
    double bid;        /* above 0; the middle of bid and ask stands in for the price where there are no trades */
    double ask;        /* above 0 */
    double sma;        /* above 0 */
    double ema;        /* above 0 */
    double rsi;        /* 0 to 100 */
    double vwap;       /* above 0 */
    double volatility; /* 0 or above */
} sb_scanner_observation_t;

/* A signal. */
typedef struct {
    sb_signal_t signal;
    double confidence;                     /* 0 to 1, the lower bound of its bucket; 0 with hold */
    double score;                          /* -1 to 1 */
    double components[SB_COMPONENT_COUNT]; /* -1 to 1; 0 when not known */
    double volatility_scale;               /* above 0, up to 1 */
    double price;                          /* last one seen */
} sb_scanner_signal_t;

/* A scanner, with equal weights. NULL when there is no memory. */
sb_scanner_t *sb_scanner_new (const sb_scanner_options_t *options);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_scanner_destroy (sb_scanner_t **self_p);

/* Takes in an observation; values out of range are left out and counted. True when signal or confidence bucket are
 * other than last given out (or none was yet, and price and a component are known): *signal is then to be published. */
bool sb_scanner_observe (sb_scanner_t *self, sb_text_t subject, const sb_scanner_observation_t *observation,
                         sb_scanner_signal_t *signal);

/* Takes an observation in without giving a signal out: of state that a join or a repair brought, or while some of the
 * input is lost. The next observation judges by all that is known then. */
void sb_scanner_learn (sb_scanner_t *self, sb_text_t subject, const sb_scanner_observation_t *observation);

/* The instrument's data became stale (true when a hold is now to be published: *signal), or nothing is known of it. */
bool sb_scanner_stale (sb_scanner_t *self, sb_text_t subject, sb_scanner_signal_t *signal);

/* Takes the trainer's weights when all are in 0 … 1 and their sum is within 0.001 of 1; else false, nothing changed. */
bool sb_scanner_set_weights (sb_scanner_t *self, const double weights[SB_COMPONENT_COUNT]);

/* The weights in force. */
const double *sb_scanner_weights (const sb_scanner_t *self);

/* Forgets instruments, signals and weights; counts stay. False when there is no memory: nothing is then forgotten. */
bool sb_scanner_reset (sb_scanner_t *self);

/* Counts since the beginning. */
typedef struct {
    uint64_t observations;             /* taken in */
    uint64_t learned;                  /* taken in without a signal */
    uint64_t bad_values;               /* left out: out of range */
    uint64_t no_room;                  /* observations of instruments beyond max_instruments */
    uint64_t signals[SB_SIGNAL_COUNT]; /* given out, by signal */
    uint64_t unchanged;                /* evaluations that gave nothing new */
    uint64_t weights_taken;
    uint64_t weights_refused;
    uint32_t instruments; /* known now */
} sb_scanner_counts_t;
void sb_scanner_counts (const sb_scanner_t *self, sb_scanner_counts_t *counts);

#endif

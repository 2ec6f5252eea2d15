/* SPDX-License-Identifier: MPL-2.0
 *
 * One record for each instrument: last price, last indicators, last signal given out. Everything is recomputed
 * from these at each observation; nothing accumulates, so no rounding drift and nothing to rebuild after a gap.
 */
#include "sb_scanner.h"

#include "sb_quote.h"
#include "sb_records.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Of one instrument. NaN until known. */
typedef struct {
    bool is_set;
    sb_quote_t quote;
    sb_scanner_observation_t last; /* its price is the mark of the quote */
    bool was_given;                /* a signal was given out */
    sb_signal_t signal;            /* the one in force */
    long bucket;                   /* confidence bucket given out */
} s_instrument_t;

struct sb_scanner {
    sb_scanner_options_t options;
    sb_records_t *instruments;
    double weights[SB_COMPONENT_COUNT];
    sb_scanner_counts_t counts;
};

sb_scanner_options_t sb_scanner_options_default (void)
{
    return (sb_scanner_options_t){
        .enter_score = 0.25,
        .exit_score = 0.15,
        .momentum_range = 0.001,
        .value_range = 0.01,
        .volatility_reference = 0.005,
        .confidence_step = 0.1,
        .max_instruments = 4096,
    };
}

static void s_equal_weights (sb_scanner_t *self)
{
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        self->weights[i] = 1.0 / SB_COMPONENT_COUNT;
}

sb_scanner_t *sb_scanner_new (const sb_scanner_options_t *options)
{
    assert (options->exit_score <= options->enter_score && options->momentum_range > 0 && options->value_range > 0);
    assert (options->volatility_reference > 0 && options->confidence_step > 0);
    sb_scanner_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->instruments = sb_records_new (sizeof (s_instrument_t), options->max_instruments);
    s_equal_weights (self);
    if (!self->instruments)
        sb_scanner_destroy (&self);
    return self;
}

void sb_scanner_destroy (sb_scanner_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_records_destroy (&(*self_p)->instruments);
    free (*self_p);
    *self_p = NULL;
}

static double s_clamp (double value)
{
    return fmax (-1, fmin (1, value));
}

/* The components of what is known; NaN where nothing is. */
static void s_components (const sb_scanner_options_t *options, const sb_scanner_observation_t *known,
                          double components[SB_COMPONENT_COUNT])
{
    double by_sma = known->price / known->sma - 1;
    double by_ema = known->price / known->ema - 1;
    double deviation = isnan (by_sma) ? by_ema : isnan (by_ema) ? by_sma : (by_sma + by_ema) / 2;
    double value = known->vwap / known->price - 1;
    components[SB_COMPONENT_MOMENTUM] = isnan (deviation) ? NAN : s_clamp (deviation / options->momentum_range);
    components[SB_COMPONENT_REVERSION] = isnan (known->rsi) ? NAN : (50 - known->rsi) / 50;
    components[SB_COMPONENT_VALUE] = isnan (value) ? NAN : s_clamp (value / options->value_range);
}

/* The weighted sum over known components; false when none is known. Unknown ones become 0. */
static bool s_weigh (const double *weights, double components[SB_COMPONENT_COUNT], double *score)
{
    double sum = 0, known = 0, plain = 0;
    int count = 0;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        if (isnan (components[i])) {
            components[i] = 0;
            continue;
        }
        count++;
        sum += weights[i] * components[i];
        plain += components[i];
        known += weights[i];
    }
    if (!count)
        return false;
    /* Where only components of weight 0 are known they count equally, rather than not at all. */
    *score = known > 0 ? sum / known : plain / count;
    return true;
}

/* The signal that follows `before` at `score`. */
static sb_signal_t s_next (const sb_scanner_options_t *options, sb_signal_t before, double score)
{
    if (score >= options->enter_score)
        return SB_SIGNAL_BUY;
    if (score <= -options->enter_score)
        return SB_SIGNAL_SELL;
    if (before == SB_SIGNAL_BUY && score >= options->exit_score)
        return SB_SIGNAL_BUY;
    if (before == SB_SIGNAL_SELL && score <= -options->exit_score)
        return SB_SIGNAL_SELL;
    return SB_SIGNAL_HOLD;
}

/* Keeps what differs from the last signal; true when it is to be published. */
static bool s_give (sb_scanner_t *self, s_instrument_t *instrument, sb_scanner_signal_t *signal)
{
    double confidence = signal->signal == SB_SIGNAL_HOLD ? 0 : fabs (signal->score);
    /* The epsilon keeps 0.3 / 0.1 in bucket 3. */
    long bucket = (long)floor (confidence / self->options.confidence_step + 1e-9);
    signal->confidence = fmin (1, (double)bucket * self->options.confidence_step);
    if (instrument->was_given && instrument->signal == signal->signal && instrument->bucket == bucket) {
        self->counts.unchanged++;
        return false;
    }
    instrument->was_given = true;
    instrument->signal = signal->signal;
    instrument->bucket = bucket;
    self->counts.signals[signal->signal]++;
    return true;
}

/* Takes `now` into *known when it is there and within bounds. */
static void s_take (sb_scanner_t *self, double *known, double now, double above, double most)
{
    if (isnan (now))
        return;
    if (now > above && now <= most)
        *known = now;
    else
        self->counts.bad_values++;
}

/* The instrument's record, with what was observed in it; NULL, and counted, when there is no room. */
static s_instrument_t *s_learn (sb_scanner_t *self, sb_text_t subject, const sb_scanner_observation_t *observation)
{
    s_instrument_t *instrument = sb_records_take (self->instruments, subject);
    if (!instrument) {
        self->counts.no_room++;
        return NULL;
    }
    sb_scanner_observation_t *known = &instrument->last;
    if (!instrument->is_set) {
        *known = (sb_scanner_observation_t){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
        instrument->is_set = true;
    }
    const sb_quote_t news = {observation->price, observation->bid, observation->ask};
    self->counts.bad_values += sb_quote_take (&instrument->quote, &news);
    known->price = sb_quote_mark (&instrument->quote) > 0 ? sb_quote_mark (&instrument->quote) : NAN;
    s_take (self, &known->sma, observation->sma, 0, DBL_MAX);
    s_take (self, &known->ema, observation->ema, 0, DBL_MAX);
    s_take (self, &known->rsi, observation->rsi, -DBL_TRUE_MIN, 100);
    s_take (self, &known->vwap, observation->vwap, 0, DBL_MAX);
    s_take (self, &known->volatility, observation->volatility, -DBL_TRUE_MIN, DBL_MAX);
    return instrument;
}

void sb_scanner_learn (sb_scanner_t *self, sb_text_t subject, const sb_scanner_observation_t *observation)
{
    self->counts.learned += s_learn (self, subject, observation) != NULL;
}

bool sb_scanner_observe (sb_scanner_t *self, sb_text_t subject, const sb_scanner_observation_t *observation,
                         sb_scanner_signal_t *signal)
{
    s_instrument_t *instrument = s_learn (self, subject, observation);
    if (!instrument)
        return false;
    const sb_scanner_observation_t *known = &instrument->last;
    self->counts.observations++;
    s_components (&self->options, known, signal->components);
    double score = 0;
    if (isnan (known->price) || !s_weigh (self->weights, signal->components, &score))
        return false;
    double reference = self->options.volatility_reference;
    signal->volatility_scale = isnan (known->volatility) ? 1 : reference / fmax (reference, known->volatility);
    signal->score = score * signal->volatility_scale;
    signal->price = known->price;
    signal->signal = s_next (&self->options, instrument->signal, signal->score);
    return s_give (self, instrument, signal);
}

bool sb_scanner_stale (sb_scanner_t *self, sb_text_t subject, sb_scanner_signal_t *signal)
{
    s_instrument_t *instrument = sb_records_find (self->instruments, subject);
    if (!instrument || !instrument->was_given)
        return false;
    *signal = (sb_scanner_signal_t){.signal = SB_SIGNAL_HOLD, .volatility_scale = 1, .price = instrument->last.price};
    return s_give (self, instrument, signal);
}

bool sb_scanner_set_weights (sb_scanner_t *self, const double weights[SB_COMPONENT_COUNT])
{
    double sum = 0;
    bool good = true;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        good &= weights[i] >= 0 && weights[i] <= 1;
        sum += weights[i];
    }
    if (!good || !(fabs (sum - 1) <= 0.001)) {
        self->counts.weights_refused++;
        return false;
    }
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        self->weights[i] = weights[i];
    self->counts.weights_taken++;
    return true;
}

const double *sb_scanner_weights (const sb_scanner_t *self)
{
    return self->weights;
}

bool sb_scanner_reset (sb_scanner_t *self)
{
    sb_records_t *empty = sb_records_new (sizeof (s_instrument_t), self->options.max_instruments);
    if (!empty)
        return false;
    sb_records_destroy (&self->instruments);
    self->instruments = empty;
    s_equal_weights (self);
    return true;
}

void sb_scanner_counts (const sb_scanner_t *self, sb_scanner_counts_t *counts)
{
    *counts = self->counts;
    counts->instruments = sb_records_count (self->instruments);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Indicators by running sums over rings. A running sum gathers rounding errors, so each is summed
 * up anew whenever its ring comes round: constant cost on average, bounded error.
 */
#include "sb_indicators.h"

#include <math.h>
#include <stdlib.h>

/* The last `size` numbers and their sum. */
typedef struct {
    double *numbers;
    uint32_t size;
    uint32_t next;
    uint64_t count; /* ever added */
    double sum;
} ring_t;

struct sb_indicators {
    sb_indicator_periods_t periods;
    ring_t prices;
    ring_t squares; /* of returns */
    uint64_t ticks;
    double last_price;
    double ema;
    double gain, loss; /* sums while the first period fills, Wilder's means after */
    uint64_t changes;
    double value_traded, size_traded;
};

static bool s_ring_init (ring_t *ring, uint32_t size)
{
    ring->size = size;
    ring->numbers = size ? calloc (size, sizeof *ring->numbers) : NULL;
    return size == 0 || ring->numbers != NULL;
}

static void s_ring_add (ring_t *ring, double number)
{
    if (ring->size == 0)
        return;
    ring->sum += number - (ring->count >= ring->size ? ring->numbers[ring->next] : 0);
    ring->numbers[ring->next] = number;
    ring->next = (ring->next + 1) % ring->size;
    ring->count++;
    if (ring->next == 0) {
        ring->sum = 0;
        for (uint32_t i = 0; i < ring->size; i++)
            ring->sum += ring->numbers[i];
    }
}

static bool s_ring_is_full (const ring_t *ring)
{
    return ring->size > 0 && ring->count >= ring->size;
}

sb_indicators_t *sb_indicators_new (const sb_indicator_periods_t *periods)
{
    sb_indicators_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->periods = *periods;
    if (!s_ring_init (&self->prices, periods->sma) || !s_ring_init (&self->squares, periods->volatility))
        sb_indicators_destroy (&self);
    return self;
}

void sb_indicators_destroy (sb_indicators_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free ((*self_p)->prices.numbers);
    free ((*self_p)->squares.numbers);
    free (*self_p);
    *self_p = NULL;
}

static void s_add_ema (sb_indicators_t *self, double price)
{
    uint32_t period = self->periods.ema;
    if (period == 0)
        return;
    if (self->ticks < period)
        self->ema += price / period;
    else
        self->ema += 2.0 / (period + 1.0) * (price - self->ema);
}

static void s_add_rsi (sb_indicators_t *self, double change)
{
    uint32_t period = self->periods.rsi;
    double gain = change > 0 ? change : 0, loss = change < 0 ? -change : 0;
    if (period == 0)
        return;
    if (self->changes < period) {
        self->gain += gain / period;
        self->loss += loss / period;
    } else {
        self->gain += (gain - self->gain) / period;
        self->loss += (loss - self->loss) / period;
    }
    self->changes++;
}

void sb_indicators_add (sb_indicators_t *self, double price, double size)
{
    s_ring_add (&self->prices, price);
    s_add_ema (self, price);
    if (self->ticks > 0) {
        double change = log (price / self->last_price);
        s_ring_add (&self->squares, change * change);
        s_add_rsi (self, price - self->last_price);
    }
    self->value_traded += price * size;
    self->size_traded += size;
    self->last_price = price;
    self->ticks++;
}

void sb_indicators_new_session (sb_indicators_t *self)
{
    self->value_traded = self->size_traded = 0;
}

static double s_rsi (const sb_indicators_t *self)
{
    if (self->periods.rsi == 0 || self->changes < self->periods.rsi)
        return NAN;
    if (self->gain + self->loss == 0)
        return 50;
    return 100 * self->gain / (self->gain + self->loss);
}

sb_indicator_values_t sb_indicators_values (const sb_indicators_t *self)
{
    sb_indicator_values_t values = {NAN, NAN, NAN, NAN, NAN};
    if (s_ring_is_full (&self->prices))
        values.sma = self->prices.sum / self->prices.size;
    if (self->periods.ema && self->ticks >= self->periods.ema)
        values.ema = self->ema;
    values.rsi = s_rsi (self);
    if (self->periods.vwap && self->size_traded > 0)
        values.vwap = self->value_traded / self->size_traded;
    if (s_ring_is_full (&self->squares))
        values.realized_volatility = sqrt (self->squares.sum > 0 ? self->squares.sum : 0);
    return values;
}

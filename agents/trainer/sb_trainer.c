/* SPDX-License-Identifier: MPL-2.0
 *
 * Exponentiated gradient over logarithms of the unfloored weights u, kept within 20 of the largest, so that a
 * component that was wrong for long can come back within some tens of trades. The floor is mixed in afterwards and
 * never fed back: changing min_weight forgets nothing.
 */
#include "sb_trainer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define S_LOGARITHM_RANGE 20.0

struct sb_trainer {
    sb_trainer_options_t options;
    double logarithms[SB_COMPONENT_COUNT]; /* of u, up to a common constant; the largest is 0 */
    sb_trainer_state_t state;
};

sb_trainer_options_t sb_trainer_options_default (void)
{
    return (sb_trainer_options_t){.min_weight = 0.1, .learning_rate = 0.05, .return_scale = 0.001};
}

static void s_weigh (sb_trainer_t *self)
{
    double u[SB_COMPONENT_COUNT], sum = 0, largest = -HUGE_VAL;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        largest = fmax (largest, self->logarithms[i]);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        self->logarithms[i] = fmax (self->logarithms[i] - largest, -S_LOGARITHM_RANGE);
        sum += u[i] = exp (self->logarithms[i]);
    }
    double rest = 1 - SB_COMPONENT_COUNT * self->options.min_weight;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        self->state.weights[i] = self->options.min_weight + rest * u[i] / sum;
    self->state.min_weight = self->options.min_weight;
}

sb_trainer_t *sb_trainer_new (const sb_trainer_options_t *options)
{
    assert (options->min_weight >= 0 && options->min_weight * SB_COMPONENT_COUNT <= 1 + 1e-9);
    assert (options->learning_rate > 0 && options->return_scale > 0);
    sb_trainer_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    s_weigh (self);
    return self;
}

void sb_trainer_destroy (sb_trainer_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free (*self_p);
    *self_p = NULL;
}

static bool s_is_good (const sb_trainer_trade_t *trade)
{
    bool is_good = trade->price > 0 && isfinite (trade->price) && trade->fee >= 0 && isfinite (trade->fee) &&
                   trade->closed_quantity >= 0 && isfinite (trade->closed_quantity) && isfinite (trade->realized_pnl);
    is_good &= abs (trade->closed_direction) == (trade->closed_quantity > 0 ? 1 : 0);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        is_good &= fabs (trade->entry[i]) <= 1;
    return is_good;
}

bool sb_trainer_trade (sb_trainer_t *self, const sb_trainer_trade_t *trade)
{
    sb_trainer_state_t *state = &self->state;
    if (!s_is_good (trade)) {
        state->bad_trades++;
        return false;
    }
    state->trades++;
    state->fees += trade->fee;
    if (trade->closed_direction == 0)
        return false;
    state->closings++;
    state->hits += trade->realized_pnl > 0;
    state->hit_rate = (double)state->hits / (double)state->closings;
    state->realized_pnl += trade->realized_pnl;

    double earned = trade->realized_pnl / (trade->closed_quantity * trade->price) / self->options.return_scale;
    earned = fmax (-1, fmin (1, earned));
    double argued_for = 0;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        argued_for += fmax (0, trade->closed_direction * trade->entry[i]);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        double agreement = trade->closed_direction * trade->entry[i];
        double share = argued_for > 0 ? fmax (0, agreement) / argued_for : 1.0 / SB_COMPONENT_COUNT;
        state->attributed[i] += trade->realized_pnl * share;
        self->logarithms[i] += self->options.learning_rate * earned * agreement;
    }
    s_weigh (self);
    return true;
}

bool sb_trainer_rebalance (sb_trainer_t *self, double min_weight)
{
    if (!(min_weight >= 0) || min_weight * SB_COMPONENT_COUNT > 1 + 1e-9)
        return false;
    self->options.min_weight = min_weight;
    s_weigh (self);
    return true;
}

void sb_trainer_reset (sb_trainer_t *self)
{
    memset (&self->state, 0, sizeof self->state);
    memset (self->logarithms, 0, sizeof self->logarithms);
    s_weigh (self);
}

const sb_trainer_state_t *sb_trainer_state (const sb_trainer_t *self)
{
    return &self->state;
}

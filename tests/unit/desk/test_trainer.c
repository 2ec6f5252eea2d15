/* SPDX-License-Identifier: MPL-2.0
 *
 * Attribution and weights, by hand-computed cases.
 */
#include "sb_trainer.h"

#include <criterion/criterion.h>
#include <math.h>

static sb_trainer_t *s_trainer (double min_weight)
{
    sb_trainer_options_t options = {.min_weight = min_weight, .learning_rate = 0.5, .return_scale = 0.01};
    return sb_trainer_new (&options);
}

/* Closes 10 units at 100 with this pnl, entered with momentum m, reversion r, value v. */
static bool s_close (sb_trainer_t *trainer, int direction, double pnl, double m, double r, double v)
{
    sb_trainer_trade_t trade = {
        .price = 100, .fee = 0.5, .closed_quantity = 10, .closed_direction = direction, .realized_pnl = pnl};
    trade.entry[SB_COMPONENT_MOMENTUM] = m;
    trade.entry[SB_COMPONENT_REVERSION] = r;
    trade.entry[SB_COMPONENT_VALUE] = v;
    return sb_trainer_trade (trainer, &trade);
}

static double s_sum (const double *numbers)
{
    double sum = 0;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        sum += numbers[i];
    return sum;
}

Test (trainer, begins_with_equal_weights)
{
    sb_trainer_t *trainer = s_trainer (0.1);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        cr_assert_float_eq (sb_trainer_state (trainer)->weights[i], 1.0 / 3, 1e-12);
    sb_trainer_destroy (&trainer);
    cr_assert_null (trainer);
}

Test (trainer, pnl_is_laid_to_those_that_argued_for_the_position)
{
    sb_trainer_t *trainer = s_trainer (0);
    cr_assert (s_close (trainer, 1, 8, 0.6, -0.5, 0.2));
    const sb_trainer_state_t *state = sb_trainer_state (trainer);
    cr_assert_float_eq (state->attributed[SB_COMPONENT_MOMENTUM], 6, 1e-9);
    cr_assert_float_eq (state->attributed[SB_COMPONENT_REVERSION], 0, 1e-9);
    cr_assert_float_eq (state->attributed[SB_COMPONENT_VALUE], 2, 1e-9);
    cr_assert (s_close (trainer, -1, -3, 0, 0, 0), "nobody argued: shared equally");
    cr_assert_float_eq (state->attributed[SB_COMPONENT_REVERSION], -1, 1e-9);
    cr_assert_float_eq (s_sum (state->attributed), state->realized_pnl, 1e-9);
    cr_assert_eq (state->hit_rate, 0.5);
    cr_assert_eq (state->fees, 1);
    sb_trainer_destroy (&trainer);
}

Test (trainer, weights_follow_the_exponentiated_gradient)
{
    sb_trainer_t *trainer = s_trainer (0);
    /* A short that gained 5 on 1000: a return of 0.005, half the scale. Agreements: 0.4, -1, 0. */
    s_close (trainer, -1, 5, -0.4, 1, 0);
    double m = exp (0.5 * 0.5 * 0.4), r = exp (-0.5 * 0.5), v = 1;
    const double *weights = sb_trainer_state (trainer)->weights;
    cr_assert_float_eq (weights[SB_COMPONENT_MOMENTUM], m / (m + r + v), 1e-12);
    cr_assert_float_eq (weights[SB_COMPONENT_REVERSION], r / (m + r + v), 1e-12);
    cr_assert_float_eq (weights[SB_COMPONENT_VALUE], v / (m + r + v), 1e-12);
    sb_trainer_destroy (&trainer);
}

Test (trainer, weights_sum_to_one_and_keep_the_floor_whatever_happens)
{
    sb_trainer_t *trainer = s_trainer (0.1);
    for (int i = 0; i < 5000; i++) {
        s_close (trainer, 1, 1000, 1, -1, -0.5);
        const double *weights = sb_trainer_state (trainer)->weights;
        cr_assert_float_eq (s_sum (weights), 1, 1e-9);
        for (int k = 0; k < SB_COMPONENT_COUNT; k++)
            cr_assert_geq (weights[k], 0.1 - 1e-12);
    }
    cr_assert_float_eq (sb_trainer_state (trainer)->weights[SB_COMPONENT_MOMENTUM], 0.8, 1e-6);
    for (int i = 0; i < 100; i++)
        s_close (trainer, 1, 1000, -1, 1, 0);
    cr_assert_gt (sb_trainer_state (trainer)->weights[SB_COMPONENT_REVERSION], 0.7, "a long loser can come back");
    sb_trainer_destroy (&trainer);
}

Test (trainer, opening_trades_change_no_weight)
{
    sb_trainer_t *trainer = s_trainer (0.1);
    sb_trainer_trade_t trade = {.price = 100, .fee = 1};
    cr_assert_not (sb_trainer_trade (trainer, &trade));
    cr_assert_eq (sb_trainer_state (trainer)->trades, 1);
    cr_assert_eq (sb_trainer_state (trainer)->closings, 0);
    sb_trainer_destroy (&trainer);
}

Test (trainer, rebalance_checks_the_floor_and_forgets_nothing)
{
    sb_trainer_t *trainer = s_trainer (0);
    s_close (trainer, 1, 10, 1, 0, 0);
    double before = sb_trainer_state (trainer)->weights[SB_COMPONENT_MOMENTUM];
    cr_assert_not (sb_trainer_rebalance (trainer, -0.01));
    cr_assert_not (sb_trainer_rebalance (trainer, 0.34));
    cr_assert_not (sb_trainer_rebalance (trainer, NAN));
    cr_assert_eq (sb_trainer_state (trainer)->weights[SB_COMPONENT_MOMENTUM], before);
    cr_assert (sb_trainer_rebalance (trainer, 1.0 / 3));
    cr_assert_float_eq (sb_trainer_state (trainer)->weights[SB_COMPONENT_MOMENTUM], 1.0 / 3, 1e-9);
    cr_assert (sb_trainer_rebalance (trainer, 0));
    cr_assert_float_eq (sb_trainer_state (trainer)->weights[SB_COMPONENT_MOMENTUM], before, 1e-12);
    sb_trainer_destroy (&trainer);
}

Test (trainer, reset_forgets_all_but_the_floor)
{
    sb_trainer_t *trainer = s_trainer (0.2);
    s_close (trainer, 1, 10, 1, 0, 0);
    sb_trainer_reset (trainer);
    const sb_trainer_state_t *state = sb_trainer_state (trainer);
    cr_assert_eq (state->closings, 0);
    cr_assert_eq (state->min_weight, 0.2);
    cr_assert_float_eq (state->weights[0], 1.0 / 3, 1e-12);
    sb_trainer_destroy (&trainer);
}

Test (trainer, bad_trades_are_left_out_and_counted)
{
    sb_trainer_t *trainer = s_trainer (0);
    cr_assert_not (s_close (trainer, 1, NAN, 0, 0, 0));
    cr_assert_not (s_close (trainer, 1, 1, 1.01, 0, 0));
    cr_assert_not (s_close (trainer, 0, 1, 0, 0, 0));
    cr_assert_not (s_close (trainer, 2, 1, 0, 0, 0));
    cr_assert_eq (sb_trainer_state (trainer)->bad_trades, 4);
    cr_assert_eq (sb_trainer_state (trainer)->trades, 0);
    sb_trainer_destroy (&trainer);
}

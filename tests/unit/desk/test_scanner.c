/* SPDX-License-Identifier: MPL-2.0
 *
 * The scanner's score, hysteresis, buckets and weights, by hand-computed cases.
 */
#include "sb_scanner.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define S_NOTHING                                                                                                      \
    {                                                                                                                  \
        NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN                                                                         \
    }

static sb_text_t s_text (const char *string)
{
    return (sb_text_t){string, (uint32_t)strlen (string)};
}

static sb_scanner_t *s_scanner (void)
{
    sb_scanner_options_t options = {.enter_score = 0.25,
                                    .exit_score = 0.15,
                                    .momentum_range = 0.01,
                                    .value_range = 0.01,
                                    .volatility_reference = 0.001,
                                    .confidence_step = 0.1,
                                    .max_instruments = 2};
    return sb_scanner_new (&options);
}

/* Only the rsi counts: score = (50 - rsi) / 50, as no other component is known. */
static bool s_rsi (sb_scanner_t *scanner, double rsi, sb_scanner_signal_t *signal)
{
    sb_scanner_observation_t observation = S_NOTHING;
    observation.price = 100;
    observation.rsi = rsi;
    return sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, signal);
}

Test (scanner, score_is_the_weighted_sum_of_components_scaled_by_volatility)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t observation = {
        .price = 102, .sma = 101, .ema = 101.5, .rsi = 40, .vwap = 102.51, .volatility = 0.002};
    sb_scanner_signal_t signal;
    cr_assert (sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, &signal));
    double momentum = ((102 / 101.0 - 1) + (102 / 101.5 - 1)) / 2 / 0.01;
    cr_assert_float_eq (signal.components[SB_COMPONENT_MOMENTUM], momentum, 1e-12);
    cr_assert_float_eq (signal.components[SB_COMPONENT_REVERSION], 0.2, 1e-12);
    cr_assert_float_eq (signal.components[SB_COMPONENT_VALUE], 0.5, 1e-9);
    cr_assert_float_eq (signal.volatility_scale, 0.5, 1e-12);
    cr_assert_float_eq (signal.score, 0.5 * (momentum + 0.2 + 0.5) / 3, 1e-9);
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD, "0.240 is under 0.25");
    sb_scanner_destroy (&scanner);
    cr_assert_null (scanner);
}

Test (scanner, components_are_clamped_to_one)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t observation = S_NOTHING;
    observation.price = 50;
    observation.sma = 100;
    sb_scanner_signal_t signal;
    cr_assert (sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, &signal));
    cr_assert_eq (signal.components[SB_COMPONENT_MOMENTUM], -1);
    cr_assert_eq (signal.score, -1);
    cr_assert_eq (signal.signal, SB_SIGNAL_SELL);
    cr_assert_eq (signal.confidence, 1);
    sb_scanner_destroy (&scanner);
}

Test (scanner, says_nothing_before_price_and_a_component_are_known)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t price = S_NOTHING, rsi = S_NOTHING;
    sb_scanner_signal_t signal;
    price.price = 10;
    rsi.rsi = 50;
    cr_assert_not (sb_scanner_observe (scanner, s_text ("a:A"), &price, &signal));
    cr_assert_not (sb_scanner_observe (scanner, s_text ("a:B"), &rsi, &signal));
    cr_assert (sb_scanner_observe (scanner, s_text ("a:A"), &rsi, &signal));
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD);
    cr_assert_eq (signal.confidence, 0);
    sb_scanner_destroy (&scanner);
}

Test (scanner, publishes_only_when_signal_or_bucket_changes)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_signal_t signal;
    cr_assert (s_rsi (scanner, 35, &signal)); /* 0.3: buy in bucket 3 */
    cr_assert_float_eq (signal.confidence, 0.3, 1e-12);
    cr_assert_not (s_rsi (scanner, 35, &signal));
    cr_assert_not (s_rsi (scanner, 30.5, &signal)); /* 0.39: the same bucket */
    cr_assert (s_rsi (scanner, 30, &signal));       /* 0.4: the next */
    cr_assert_float_eq (signal.confidence, 0.4, 1e-12);
    sb_scanner_counts_t counts;
    sb_scanner_counts (scanner, &counts);
    cr_assert_eq (counts.unchanged, 2);
    cr_assert_eq (counts.signals[SB_SIGNAL_BUY], 2);
    sb_scanner_destroy (&scanner);
}

Test (scanner, a_signal_begins_at_enter_and_ends_below_exit)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_signal_t signal;
    s_rsi (scanner, 37.6, &signal); /* 0.248 */
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD);
    s_rsi (scanner, 37.5, &signal); /* 0.25 */
    cr_assert_eq (signal.signal, SB_SIGNAL_BUY);
    s_rsi (scanner, 42.5, &signal); /* 0.15 */
    cr_assert_eq (signal.signal, SB_SIGNAL_BUY);
    s_rsi (scanner, 42.6, &signal); /* 0.148 */
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD);
    s_rsi (scanner, 57.6, &signal); /* -0.152: not far enough to begin */
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD);
    s_rsi (scanner, 62.5, &signal);
    cr_assert_eq (signal.signal, SB_SIGNAL_SELL);
    sb_scanner_destroy (&scanner);
}

Test (scanner, weights_are_heeded_and_bad_ones_refused)
{
    sb_scanner_t *scanner = s_scanner ();
    const double short_sum[] = {0.5, 0.3, 0.1}, negative[] = {1.5, -0.5, 0}, good[] = {0, 1, 0};
    const double not_a_number[] = {NAN, 0.5, 0.5};
    cr_assert_not (sb_scanner_set_weights (scanner, short_sum));
    cr_assert_not (sb_scanner_set_weights (scanner, negative));
    cr_assert_not (sb_scanner_set_weights (scanner, not_a_number));
    cr_assert_float_eq (sb_scanner_weights (scanner)[0], 1.0 / 3, 1e-12);
    cr_assert (sb_scanner_set_weights (scanner, good));
    sb_scanner_observation_t observation = {
        .price = 102, .sma = 100, .ema = 100, .rsi = 80, .vwap = 110, .volatility = 0};
    sb_scanner_signal_t signal;
    cr_assert (sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, &signal));
    cr_assert_float_eq (signal.score, -0.6, 1e-12);
    sb_scanner_counts_t counts;
    sb_scanner_counts (scanner, &counts);
    cr_assert_eq (counts.weights_refused, 3);
    cr_assert_eq (counts.weights_taken, 1);
    sb_scanner_destroy (&scanner);
}

Test (scanner, weights_of_unknown_components_go_to_the_known)
{
    sb_scanner_t *scanner = s_scanner ();
    const double weights[] = {0.2, 0.2, 0.6};
    cr_assert (sb_scanner_set_weights (scanner, weights));
    sb_scanner_observation_t observation = S_NOTHING;
    observation.price = 100;
    observation.sma = 99;
    observation.rsi = 75;
    sb_scanner_signal_t signal;
    sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, &signal);
    cr_assert_float_eq (signal.score, (1 - 0.5) / 2, 1e-12);
    sb_scanner_destroy (&scanner);
}

Test (scanner, values_out_of_range_are_left_out_and_counted)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t observation = {
        .price = -1, .bid = -1, .ask = 0, .sma = 0, .ema = -3, .rsi = 100.5, .vwap = 0, .volatility = -1e-9};
    sb_scanner_signal_t signal;
    cr_assert_not (sb_scanner_observe (scanner, s_text ("us:BAC"), &observation, &signal));
    sb_scanner_counts_t counts;
    sb_scanner_counts (scanner, &counts);
    cr_assert_eq (counts.bad_values, 8);
    sb_scanner_destroy (&scanner);
}

Test (scanner, without_trades_the_middle_of_the_quote_is_the_price)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t bid = S_NOTHING, ask = S_NOTHING;
    sb_scanner_signal_t signal;
    bid.bid = 99;
    bid.rsi = 0;
    ask.ask = 101;
    cr_assert_not (sb_scanner_observe (scanner, s_text ("us:BAC"), &bid, &signal));
    cr_assert (sb_scanner_observe (scanner, s_text ("us:BAC"), &ask, &signal), "each side may come alone");
    cr_assert_eq (signal.price, 100);
    sb_scanner_destroy (&scanner);
}

Test (scanner, stale_data_means_hold_until_the_next_observation)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_signal_t signal;
    cr_assert_not (sb_scanner_stale (scanner, s_text ("us:BAC"), &signal));
    cr_assert (s_rsi (scanner, 10, &signal));
    cr_assert (sb_scanner_stale (scanner, s_text ("us:BAC"), &signal));
    cr_assert_eq (signal.signal, SB_SIGNAL_HOLD);
    cr_assert_not (sb_scanner_stale (scanner, s_text ("us:BAC"), &signal));
    cr_assert (s_rsi (scanner, 10, &signal));
    cr_assert_eq (signal.signal, SB_SIGNAL_BUY);
    sb_scanner_destroy (&scanner);
}

Test (scanner, instruments_beyond_the_bound_are_counted)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_observation_t observation = S_NOTHING;
    observation.price = 1;
    observation.rsi = 0;
    sb_scanner_signal_t signal;
    cr_assert (sb_scanner_observe (scanner, s_text ("a:A"), &observation, &signal));
    cr_assert (sb_scanner_observe (scanner, s_text ("a:B"), &observation, &signal));
    cr_assert_not (sb_scanner_observe (scanner, s_text ("a:C"), &observation, &signal));
    sb_scanner_counts_t counts;
    sb_scanner_counts (scanner, &counts);
    cr_assert_eq (counts.no_room, 1);
    cr_assert (sb_scanner_reset (scanner));
    cr_assert (sb_scanner_observe (scanner, s_text ("a:C"), &observation, &signal));
    sb_scanner_destroy (&scanner);
}

Test (scanner, what_is_learned_gives_no_signal_and_is_judged_with_the_next_observation)
{
    sb_scanner_t *scanner = s_scanner ();
    sb_scanner_signal_t signal;
    sb_scanner_counts_t counts;
    sb_scanner_observation_t state = S_NOTHING;
    state.price = 100;
    state.rsi = 10;
    sb_scanner_learn (scanner, s_text ("us:BAC"), &state);
    cr_assert_not (sb_scanner_stale (scanner, s_text ("us:BAC"), &signal), "no signal was given out");
    sb_scanner_observation_t news = S_NOTHING;
    news.price = 101;
    cr_assert (sb_scanner_observe (scanner, s_text ("us:BAC"), &news, &signal));
    cr_assert_eq (signal.signal, SB_SIGNAL_BUY, "by the rsi that was learned");
    sb_scanner_counts (scanner, &counts);
    cr_assert_eq (counts.learned, 1);
    cr_assert_eq (counts.observations, 1);
    sb_scanner_destroy (&scanner);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The paper trader: fills, costs, pnl, limits and cooldown at t-1, t, t+1, by hand-computed cases.
 */
#include "sb_trader.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define S_SECOND INT64_C (1000000000)

static sb_text_t s_text (const char *string)
{
    return (sb_text_t){string, (uint32_t)strlen (string)};
}

/* 10,000 cash, 1,000 an instrument, no costs, no cooldown. */
static sb_trader_options_t s_options (void)
{
    return (sb_trader_options_t){
        .starting_cash = 10000, .max_notional = 1000, .lot = 1, .allow_short = true, .max_instruments = 4};
}

static bool s_price (sb_trader_t *trader, const char *subject, double last, int64_t time, sb_trader_order_t *order)
{
    sb_quote_t price = {last, NAN, NAN};
    sb_trader_times_t times = {time, 7};
    return sb_trader_price (trader, s_text (subject), &price, &times, order);
}

static bool s_signal (sb_trader_t *trader, const char *subject, sb_signal_t signal, double confidence, double momentum,
                      int64_t time, sb_trader_order_t *order)
{
    sb_trader_signal_t what = {.signal = signal, .confidence = confidence};
    what.components[SB_COMPONENT_MOMENTUM] = momentum;
    sb_trader_times_t times = {time, 7};
    return sb_trader_signal (trader, s_text (subject), &what, &times, order);
}

/* cash + sum (position * mark) = starting cash + realized + unrealized - fees */
static void s_check_identity (const sb_trader_t *trader, double starting_cash)
{
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_float_eq (account.cash + account.net,
                        starting_cash + account.realized_pnl + account.unrealized_pnl - account.fees, 1e-6);
}

Test (trader, buys_confidence_times_notional_and_closes_on_hold_with_a_gain)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    cr_assert_not (s_price (trader, "us:BAC", 10, 1, &order));
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.5, 0.8, 2, &order));
    cr_assert (order.is_buy);
    cr_assert_eq (order.quantity, 50);
    cr_assert_eq (order.cash, 9500);
    cr_assert_eq (order.closed_direction, 0);
    cr_assert_eq (order.times.origin_unix_ns, 7);
    cr_assert_not (s_price (trader, "us:BAC", 11, 3, &order));
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 4, &order));
    cr_assert_not (order.is_buy);
    cr_assert_eq (order.closed_direction, 1);
    cr_assert_eq (order.closed_quantity, 50);
    cr_assert_float_eq (order.realized_pnl, 50, 1e-9);
    cr_assert_float_eq (order.entry[SB_COMPONENT_MOMENTUM], 0.8, 1e-12, "components are those of the entry");
    cr_assert_eq (order.position, 0);
    cr_assert_eq (order.average_price, 0);
    cr_assert_float_eq (order.cash, 10050, 1e-9);
    s_check_identity (trader, 10000);
    sb_trader_destroy (&trader);
    cr_assert_null (trader);
}

Test (trader, fills_at_the_quote_with_slippage_and_fee)
{
    sb_trader_options_t options = s_options ();
    options.fee_bps = 10;
    options.slippage_bps = 100;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    sb_quote_t price = {10, 9.9, 10.1};
    sb_trader_times_t times = {1, 1};
    sb_trader_price (trader, s_text ("us:BAC"), &price, &times, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert_eq (order.quantity, 100);
    cr_assert_float_eq (order.price, 10.1 * 1.01, 1e-9);
    cr_assert_float_eq (order.fee, 100 * 10.1 * 1.01 * 0.001, 1e-9);
    cr_assert_float_eq (order.total_unrealized_pnl, 100 * (10 - 10.1 * 1.01), 1e-9);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 3, &order));
    cr_assert_float_eq (order.price, 9.9 * 0.99, 1e-9);
    s_check_identity (trader, 10000);
    sb_trader_destroy (&trader);
}

Test (trader, a_crossed_quote_is_not_filled_at)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    sb_quote_t price = {10, 10.5, 9.5};
    sb_trader_times_t times = {1, 1};
    sb_trader_price (trader, s_text ("us:BAC"), &price, &times, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert_eq (order.price, 10);
    sb_trader_destroy (&trader);
}

Test (trader, a_flip_closes_and_opens_in_one_order)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0.5, 2, &order);
    s_price (trader, "us:BAC", 8, 3, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, -0.9, 4, &order));
    cr_assert_eq (order.quantity, 225);
    cr_assert_eq (order.closed_quantity, 100);
    cr_assert_eq (order.realized_pnl, -200);
    cr_assert_eq (order.position, -125);
    cr_assert_eq (order.average_price, 8);
    cr_assert_float_eq (order.entry[SB_COMPONENT_MOMENTUM], 0.5, 1e-12);
    s_price (trader, "us:BAC", 9, 5, &order);
    s_check_identity (trader, 10000);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 6, &order));
    cr_assert_eq (order.closed_direction, -1);
    cr_assert_eq (order.realized_pnl, -125);
    cr_assert_float_eq (order.entry[SB_COMPONENT_MOMENTUM], -0.9, 1e-12);
    s_check_identity (trader, 10000);
    sb_trader_destroy (&trader);
}

Test (trader, adding_averages_cost_and_components_by_units)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.5, 0.2, 2, &order); /* 50 at 10 */
    s_price (trader, "us:BAC", 5, 3, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0.6, 4, &order)); /* 150 more at 5 */
    cr_assert_eq (order.position, 200);
    cr_assert_float_eq (order.average_price, (50 * 10 + 150 * 5) / 200.0, 1e-9);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 5, &order));
    cr_assert_float_eq (order.entry[SB_COMPONENT_MOMENTUM], (50 * 0.2 + 150 * 0.6) / 200, 1e-9);
    sb_trader_destroy (&trader);
}

Test (trader, cooldown_runs_on_the_data_clock)
{
    sb_trader_options_t options = s_options ();
    options.cooldown_ms = 1000;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    int64_t start = 5 * S_SECOND;
    s_price (trader, "us:BAC", 10, start, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, start, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, start + S_SECOND - 1, &order));
    cr_assert (s_price (trader, "us:BAC", 10, start + S_SECOND, &order), "the target waits for the cooldown");
    cr_assert_eq (order.position, 0);
    cr_assert_not (s_price (trader, "us:BAC", 10, start + S_SECOND + 1, &order));
    sb_trader_destroy (&trader);
}

Test (trader, a_newer_target_replaces_one_that_waits)
{
    sb_trader_options_t options = s_options ();
    options.cooldown_ms = 1000;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 0, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 0, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, 0, 1, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert_not (s_price (trader, "us:BAC", 10, 2 * S_SECOND, &order), "it holds what is wanted already");
    sb_trader_destroy (&trader);
}

Test (trader, max_position_clips_the_target)
{
    sb_trader_options_t options = s_options ();
    options.max_position = 30;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, 0, 2, &order));
    cr_assert_eq (order.position, -30);
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.clipped, 1);
    sb_trader_destroy (&trader);
}

Test (trader, max_gross_refuses_more_but_never_less_and_says_so_once)
{
    sb_trader_options_t options = s_options ();
    options.max_gross = 1500;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "a:A", 10, 1, &order);
    s_price (trader, "a:B", 10, 1, &order);
    cr_assert (s_signal (trader, "a:A", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert (s_signal (trader, "a:B", SB_SIGNAL_SELL, 0.6, 0, 2, &order));
    cr_assert_eq (order.outcome, SB_TRADER_MAX_GROSS);
    cr_assert_eq (order.position, 0);
    cr_assert_eq (order.fee, 0);
    cr_assert_not (s_price (trader, "a:B", 10, 3, &order), "refused once for each target");
    cr_assert (s_signal (trader, "a:B", SB_SIGNAL_SELL, 0.5, 0, 4, &order));
    cr_assert_eq (order.outcome, SB_TRADER_FILLED);
    s_price (trader, "a:A", 100, 5, &order); /* far beyond the limit by its price alone */
    cr_assert (s_signal (trader, "a:A", SB_SIGNAL_HOLD, 0, 0, 6, &order));
    cr_assert_eq (order.outcome, SB_TRADER_FILLED);
    sb_trader_destroy (&trader);
}

Test (trader, does_not_buy_without_cash)
{
    sb_trader_options_t options = s_options ();
    options.starting_cash = 999;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert_eq (order.outcome, SB_TRADER_NO_CASH);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.99, 0, 3, &order));
    cr_assert_eq (order.outcome, SB_TRADER_FILLED);
    cr_assert_float_eq (order.cash, 9, 1e-9);
    sb_trader_destroy (&trader);
}

Test (trader, without_short_a_sell_only_closes)
{
    sb_trader_options_t options = s_options ();
    options.allow_short = false;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, 0, 2, &order));
    s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 3, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, 0, 4, &order));
    cr_assert_eq (order.position, 0);
    sb_trader_destroy (&trader);
}

Test (trader, while_not_trading_it_listens_and_flattens_nothing)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order);
    sb_trader_set_trading (trader, false);
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 3, &order));
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.positions, 1);
    sb_trader_set_trading (trader, true);
    cr_assert (s_price (trader, "us:BAC", 10, 4, &order), "the latest target is then carried out");
    sb_trader_destroy (&trader);
}

Test (trader, trades_neither_on_stale_prices_nor_on_stale_signals)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    sb_trader_price_stale (trader, s_text ("us:BAC"), true);
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 2, &order));
    sb_trader_price_stale (trader, s_text ("us:BAC"), false);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.5, 0, 2, &order), "fresh again without a new price");
    sb_trader_signal_stale (trader, s_text ("us:BAC"));
    cr_assert_not (s_price (trader, "us:BAC", 10, 3, &order));
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 4, &order));
    sb_trader_destroy (&trader);
}

Test (trader, restart_forgets_targets_and_keeps_the_account)
{
    sb_trader_options_t options = s_options ();
    options.cooldown_ms = 1000;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, 0, 2, &order);
    s_signal (trader, "us:BAC", SB_SIGNAL_HOLD, 0, 0, 3, &order);
    sb_trader_restart (trader);
    cr_assert_not (s_price (trader, "us:BAC", 10, 2 * S_SECOND, &order));
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.positions, 1);
    cr_assert_eq (account.cash, 9000);
    sb_trader_destroy (&trader);
}

Test (trader, bad_numbers_are_left_out_and_counted)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", -10, 1, &order);
    s_price (trader, "us:BAC", 0, 1, &order);
    s_price (trader, "us:BAC", INFINITY, 1, &order);
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1.5, 0, 2, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, NAN, 0, 2, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 1, -1.1, 2, &order));
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.bad_values, 6);
    cr_assert_eq (account.signals, 0);
    sb_trader_destroy (&trader);
}

Test (trader, the_account_adds_up_over_a_long_random_walk)
{
    sb_trader_options_t options = s_options ();
    options.fee_bps = 1;
    options.slippage_bps = 2;
    options.lot = 0.001;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    uint32_t state = 12345;
    double price = 100, realized = 0;
    for (int64_t i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        price *= 1 + ((double)(state >> 16) / 65536 - 0.5) * 0.01;
        if (s_price (trader, "us:BAC", price, i, &order))
            realized += order.realized_pnl;
        if (state % 7 == 0 &&
            s_signal (trader, "us:BAC", (sb_signal_t)(state / 7 % 3), 0.1 * (state / 21 % 11), 0, i, &order))
            realized += order.outcome == SB_TRADER_FILLED ? order.realized_pnl : 0;
        s_check_identity (trader, 10000);
    }
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_gt (account.outcomes[SB_TRADER_FILLED], 1000);
    cr_assert_float_eq (account.realized_pnl, realized, 1e-6);
    sb_trader_destroy (&trader);
}

Test (trader, learned_prices_and_signals_are_known_and_never_traded_on)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    sb_trader_account_t account;
    sb_quote_t price = {10, NAN, NAN};
    sb_trader_signal_t signal = {.signal = SB_SIGNAL_BUY, .confidence = 0.5};
    sb_trader_learn_price (trader, s_text ("us:BAC"), &price);
    sb_trader_learn_signal (trader, s_text ("us:BAC"), &signal);
    cr_assert (sb_trader_last_signal (trader, s_text ("us:BAC"), &signal));
    cr_assert_eq (signal.confidence, 0.5);
    cr_assert_not (s_price (trader, "us:BAC", 10, 1, &order), "news of the price do not make the old signal news");
    sb_trader_account (trader, &account);
    cr_assert_eq (account.outcomes[SB_TRADER_FILLED], 0);
    cr_assert_eq (account.learned, 2);
    cr_assert_eq (account.signals, 0);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.5, 0, 2, &order), "the next signal is one");
    cr_assert_eq (order.quantity, 50, "at the price that was learned");
    sb_trader_destroy (&trader);
}

Test (trader, a_learned_signal_ends_the_target_before_it_and_keeps_the_position)
{
    sb_trader_options_t options = s_options ();
    options.cooldown_ms = 1000;
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_order_t order;
    s_price (trader, "us:BAC", 10, 1, &order);
    cr_assert (s_signal (trader, "us:BAC", SB_SIGNAL_BUY, 0.5, 0, 1, &order));
    cr_assert_not (s_signal (trader, "us:BAC", SB_SIGNAL_SELL, 1, 0, 2, &order), "cooling down");
    sb_trader_signal_t signal = {.signal = SB_SIGNAL_HOLD};
    sb_trader_learn_signal (trader, s_text ("us:BAC"), &signal);
    cr_assert_not (s_price (trader, "us:BAC", 10, 2 * S_SECOND, &order), "the old target no longer stands");
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.positions, 1);
    sb_trader_destroy (&trader);
}

Test (trader, learned_values_out_of_range_are_left_out)
{
    sb_trader_options_t options = s_options ();
    sb_trader_t *trader = sb_trader_new (&options);
    sb_trader_signal_t signal = {.signal = SB_SIGNAL_BUY, .confidence = 2};
    sb_quote_t price = {-1, NAN, NAN};
    sb_trader_learn_signal (trader, s_text ("us:BAC"), &signal);
    sb_trader_learn_price (trader, s_text ("us:BAC"), &price);
    sb_trader_account_t account;
    sb_trader_account (trader, &account);
    cr_assert_eq (account.bad_values, 2);
    cr_assert_not (sb_trader_last_signal (trader, s_text ("us:BAC"), &signal));
    sb_trader_destroy (&trader);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Exposure, drawdown, limits, and who may be paused and resumed when, by hand-computed cases.
 */
#include "sb_risk.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define S_SECOND UINT64_C (1000000000)

static sb_text_t s_text (const char *string)
{
    return (sb_text_t){string, (uint32_t)strlen (string)};
}

static sb_risk_options_t s_options (void)
{
    return (sb_risk_options_t){.step = 0.01, .max_traders = 2, .max_instruments = 4};
}

static bool s_execute (sb_risk_t *risk, const char *trader, const char *subject, double position, double price,
                       double cash, uint64_t now_ns)
{
    sb_risk_execution_t execution = {position, price, cash};
    return sb_risk_execute (risk, s_text (trader), s_text (subject), &execution, now_ns);
}

static void s_price (sb_risk_t *risk, const char *subject, double last)
{
    sb_quote_t price = {last, NAN, NAN};
    sb_risk_price (risk, s_text (subject), &price);
}

static sb_risk_metrics_t s_report (sb_risk_t *risk)
{
    sb_risk_metrics_t metrics;
    const char *trader;
    cr_assert (sb_risk_next_report (risk, &trader, &metrics), "a report is due");
    return metrics;
}

static bool s_is_due (sb_risk_t *risk)
{
    sb_risk_metrics_t metrics;
    const char *trader;
    return sb_risk_next_report (risk, &trader, &metrics);
}

Test (risk, exposure_and_concentration_of_a_long_and_a_short)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    cr_assert (s_execute (risk, "t", "a:A", 10, 100, 9000, 0));
    cr_assert (s_execute (risk, "t", "a:B", -5, 60, 9300, 1));
    sb_risk_metrics_t metrics = s_report (risk);
    cr_assert_eq (metrics.gross, 1300);
    cr_assert_eq (metrics.net, 700);
    cr_assert_float_eq (metrics.concentration, 1000 / 1300.0, 1e-12);
    cr_assert_eq (metrics.equity, 10000);
    cr_assert_eq (metrics.positions, 2);
    cr_assert_eq (metrics.executions, 2);
    sb_risk_destroy (&risk);
    cr_assert_null (risk);
}

Test (risk, drawdown_is_from_the_peak)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    s_execute (risk, "t", "a:A", 10, 100, 0, 0); /* equity 1000 */
    s_price (risk, "a:A", 200);                  /* 2000 */
    s_price (risk, "a:A", 150);                  /* 1500 */
    sb_risk_metrics_t metrics = s_report (risk);
    cr_assert_eq (metrics.peak_equity, 2000);
    cr_assert_float_eq (metrics.drawdown, 0.25, 1e-12);
    cr_assert_eq (metrics.pnl, 500);
    sb_risk_restart (risk);
    metrics = s_report (risk);
    cr_assert_eq (metrics.drawdown, 0);
    cr_assert_eq (metrics.gross, 1500);
    sb_risk_destroy (&risk);
}

Test (risk, prices_are_reported_once_they_moved_a_step)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    s_execute (risk, "t", "a:A", 10, 100, 0, 0);
    s_report (risk);
    s_price (risk, "a:A", 100.9);
    cr_assert_not (s_is_due (risk));
    s_price (risk, "a:B", 5);
    cr_assert_not (s_is_due (risk));
    s_price (risk, "a:A", 101.1);
    cr_assert (s_is_due (risk));
    cr_assert_not (s_is_due (risk));
    sb_risk_destroy (&risk);
}

Test (risk, a_limit_passed_pauses_the_trader_once)
{
    sb_risk_options_t options = s_options ();
    options.max_gross = 1000;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 10, 100, 0, 0);
    cr_assert_not (sb_risk_decide (risk, 0, &decision), "at the limit is within");
    s_price (risk, "a:A", 100.1);
    cr_assert (sb_risk_decide (risk, 0, &decision));
    cr_assert (decision.is_pause);
    cr_assert_str_eq (decision.trader, "t");
    cr_assert_str_eq (decision.reason, "gross exposure 1001 is above its limit 1000");
    sb_risk_done (risk, &decision, true, 0);
    cr_assert_not (sb_risk_decide (risk, 100 * S_SECOND, &decision));
    sb_risk_metrics_t metrics = s_report (risk);
    cr_assert_eq (metrics.breaches, 1);
    sb_risk_destroy (&risk);
}

Test (risk, a_pause_that_failed_is_tried_again_a_second_later)
{
    sb_risk_options_t options = s_options ();
    options.max_drawdown = 0.1;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 10, 100, 0, 0);
    s_price (risk, "a:A", 89);
    cr_assert (sb_risk_decide (risk, 5, &decision));
    sb_risk_done (risk, &decision, false, 5);
    cr_assert_not (sb_risk_decide (risk, 5 + S_SECOND - 1, &decision));
    cr_assert (sb_risk_decide (risk, 5 + S_SECOND, &decision));
    sb_risk_destroy (&risk);
}

Test (risk, an_operator_who_resumes_has_the_last_word_until_limits_are_kept)
{
    sb_risk_options_t options = s_options ();
    options.max_gross = 1000;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 11, 100, 0, 0);
    cr_assert (sb_risk_decide (risk, 0, &decision));
    sb_risk_done (risk, &decision, true, 0);
    s_execute (risk, "t", "a:A", 12, 100, 0, 2 * S_SECOND); /* it trades again: somebody resumed it */
    cr_assert_not (sb_risk_decide (risk, 3 * S_SECOND, &decision));
    s_execute (risk, "t", "a:A", 9, 100, 0, 4 * S_SECOND); /* within limits */
    s_execute (risk, "t", "a:A", 13, 100, 0, 5 * S_SECOND);
    cr_assert (sb_risk_decide (risk, 6 * S_SECOND, &decision));
    cr_assert (decision.is_pause);
    sb_risk_destroy (&risk);
}

Test (risk, executions_on_their_way_when_the_pause_took_hold_are_no_resumption)
{
    sb_risk_options_t options = s_options ();
    options.max_gross = 1000;
    options.resume_after_ms = 10000;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 11, 100, 0, 0);
    cr_assert (sb_risk_decide (risk, 0, &decision));
    sb_risk_done (risk, &decision, true, 0);
    s_execute (risk, "t", "a:A", 12, 100, 0, 2 * S_SECOND - 1);
    cr_assert (sb_risk_decide (risk, 10 * S_SECOND, &decision), "it still is our pause, to be lifted by us");
    cr_assert_not (decision.is_pause);
    sb_risk_destroy (&risk);
}

Test (risk, its_own_pause_ends_after_the_cooldown_and_drawdown_counts_anew)
{
    sb_risk_options_t options = s_options ();
    options.max_drawdown = 0.1;
    options.resume_after_ms = 5000;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 10, 100, 0, 0);
    s_price (risk, "a:A", 80);
    cr_assert (sb_risk_decide (risk, S_SECOND, &decision));
    sb_risk_done (risk, &decision, true, S_SECOND);
    cr_assert_not (sb_risk_decide (risk, 6 * S_SECOND - 1, &decision));
    cr_assert (sb_risk_decide (risk, 6 * S_SECOND, &decision));
    cr_assert_not (decision.is_pause);
    sb_risk_done (risk, &decision, true, 6 * S_SECOND);
    cr_assert_not (sb_risk_decide (risk, 6 * S_SECOND + 1, &decision));
    sb_risk_metrics_t metrics = s_report (risk);
    cr_assert_eq (metrics.drawdown, 0);
    sb_risk_destroy (&risk);
}

Test (risk, a_trader_resumed_beyond_its_limit_may_act_once_before_it_is_paused_again)
{
    sb_risk_options_t options = s_options ();
    options.max_gross = 1000;
    options.resume_after_ms = 1000;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 20, 100, 0, 0);
    cr_assert (sb_risk_decide (risk, 0, &decision));
    sb_risk_done (risk, &decision, true, 0);
    cr_assert (sb_risk_decide (risk, S_SECOND, &decision));
    sb_risk_done (risk, &decision, true, S_SECOND);
    cr_assert_not (sb_risk_decide (risk, 9 * S_SECOND, &decision), "it must be able to reduce");
    s_execute (risk, "t", "a:A", 15, 100, 0, 10 * S_SECOND);
    cr_assert (sb_risk_decide (risk, 10 * S_SECOND, &decision));
    cr_assert (decision.is_pause);
    sb_risk_destroy (&risk);
}

Test (risk, without_resume_after_a_pause_lasts)
{
    sb_risk_options_t options = s_options ();
    options.max_gross = 10;
    sb_risk_t *risk = sb_risk_new (&options);
    sb_risk_decision_t decision;
    s_execute (risk, "t", "a:A", 11, 100, 0, 0);
    cr_assert (sb_risk_decide (risk, 0, &decision));
    sb_risk_done (risk, &decision, true, 0);
    cr_assert_not (sb_risk_decide (risk, UINT64_C (1) << 62, &decision));
    sb_risk_destroy (&risk);
}

Test (risk, stale_marks_are_counted_until_the_next_price)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    s_execute (risk, "t", "a:A", 10, 100, 0, 0);
    s_report (risk);
    sb_risk_price_stale (risk, s_text ("a:A"), true);
    cr_assert_eq (s_report (risk).stale_positions, 1);
    s_price (risk, "a:A", 102);
    cr_assert_eq (s_report (risk).stale_positions, 0);
    sb_risk_destroy (&risk);
}

Test (risk, marks_are_the_last_trade_else_the_middle_of_the_quote)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    const sb_quote_t bid = {NAN, 99, NAN}, ask = {NAN, NAN, 103}, last = {98, NAN, NAN};
    sb_risk_price (risk, s_text ("a:A"), &bid);
    s_execute (risk, "t", "a:A", 1, 100, 0, 0);
    cr_assert_eq (s_report (risk).gross, 100, "one side is no price: that of the order counts");
    sb_risk_price (risk, s_text ("a:A"), &ask);
    s_execute (risk, "t", "a:A", 1, 100, 0, 0);
    cr_assert_eq (s_report (risk).gross, 101);
    sb_risk_price (risk, s_text ("a:A"), &last);
    sb_risk_price (risk, s_text ("a:A"), &ask);
    cr_assert_eq (s_report (risk).gross, 98);
    s_execute (risk, "u", "a:A", 1, 500, 0, 0);
    cr_assert_eq (s_report (risk).gross, 98, "what was known before the first order counts");
    sb_risk_destroy (&risk);
}

Test (risk, totals_are_over_all_traders_and_bounds_are_counted)
{
    sb_risk_options_t options = s_options ();
    sb_risk_t *risk = sb_risk_new (&options);
    cr_assert (s_execute (risk, "t", "a:A", 10, 100, 0, 0));
    cr_assert (s_execute (risk, "u", "a:A", -4, 100, 1000, 0));
    cr_assert_not (s_execute (risk, "v", "a:A", 1, 100, 0, 0));
    cr_assert_not (s_execute (risk, "t", "a:A", NAN, 100, 0, 0));
    cr_assert_not (s_execute (risk, "t", "a:A", 1, 0, 0, 0));
    s_price (risk, "a:A", -1);
    sb_risk_metrics_t total;
    sb_risk_total (risk, &total);
    cr_assert_eq (total.gross, 1400);
    cr_assert_eq (total.net, 600);
    cr_assert_eq (total.equity, 1600);
    cr_assert_eq (sb_risk_no_room (risk), 1);
    cr_assert_eq (sb_risk_bad_values (risk), 3);
    sb_risk_destroy (&risk);
}

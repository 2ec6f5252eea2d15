/* SPDX-License-Identifier: MPL-2.0
 *
 * Indicators against values worked out by hand, the context join, pacing, the simulated exchange,
 * the command line, the reports.
 */
#include "market_support.h"
#include "sb_exchange.h"
#include "sb_options.h"
#include "sb_pacing.h"
#include "sb_quality.h"
#include "sb_summary.h"

#include <math.h>

TestSuite (computing, .timeout = 30);

static sb_indicators_t *s_indicators (uint32_t period)
{
    sb_indicator_periods_t periods = {.sma = period, .ema = period, .rsi = period, .volatility = period, .vwap = true};
    return sb_indicators_new (&periods);
}

#define NEAR(actual, expected)                                                                                         \
    cr_assert_lt (fabs ((actual) - (expected)), 1e-12 * (1 + fabs (expected)), "%.17g is not %.17g", (actual),         \
                  (expected))

Test (computing, sma_and_ema_start_when_their_period_is_full)
{
    sb_indicators_t *indicators = s_indicators (3);
    static const double prices[] = {10, 11, 15, 13};
    sb_indicators_add (indicators, prices[0], 1);
    sb_indicators_add (indicators, prices[1], 1);
    cr_assert (isnan (sb_indicators_values (indicators).sma));
    cr_assert (isnan (sb_indicators_values (indicators).ema));
    sb_indicators_add (indicators, prices[2], 1);
    NEAR (sb_indicators_values (indicators).sma, 12.0);
    NEAR (sb_indicators_values (indicators).ema, 12.0);
    sb_indicators_add (indicators, prices[3], 1);
    NEAR (sb_indicators_values (indicators).sma, 13.0); /* (11 + 15 + 13) / 3 */
    NEAR (sb_indicators_values (indicators).ema, 12.5); /* 12 + 2/4 * (13 - 12) */
    sb_indicators_destroy (&indicators);
}

Test (computing, rsi_is_wilders)
{
    sb_indicators_t *indicators = s_indicators (3);
    static const double prices[] = {10, 11, 10.5, 12};
    for (int i = 0; i < 3; i++)
        sb_indicators_add (indicators, prices[i], 1);
    cr_assert (isnan (sb_indicators_values (indicators).rsi));
    sb_indicators_add (indicators, prices[3], 1);
    NEAR (sb_indicators_values (indicators).rsi, 100 * 2.5 / 3); /* gains 1, 1.5; loss 0.5 */
    sb_indicators_add (indicators, 11.4, 1);
    /* gain (2.5/3 * 2 + 0) / 3, loss (0.5/3 * 2 + 0.6) / 3 */
    double gain = 2.5 / 3 * 2 / 3, loss = (0.5 / 3 * 2 + 0.6) / 3;
    cr_assert_lt (fabs (sb_indicators_values (indicators).rsi - 100 * gain / (gain + loss)), 1e-9);
    sb_indicators_destroy (&indicators);
}

Test (computing, rsi_without_losses_is_100_and_without_changes_50)
{
    sb_indicators_t *rising = s_indicators (3), *still = s_indicators (3);
    for (int i = 0; i < 4; i++) {
        sb_indicators_add (rising, 10 + i, 1);
        sb_indicators_add (still, 10, 1);
    }
    cr_assert_eq (sb_indicators_values (rising).rsi, 100);
    cr_assert_eq (sb_indicators_values (still).rsi, 50);
    sb_indicators_destroy (&rising);
    sb_indicators_destroy (&still);
}

Test (computing, vwap_weighs_by_size_and_starts_anew_with_the_session)
{
    sb_indicators_t *indicators = s_indicators (3);
    cr_assert (isnan (sb_indicators_values (indicators).vwap));
    sb_indicators_add (indicators, 10, 1);
    sb_indicators_add (indicators, 20, 3);
    NEAR (sb_indicators_values (indicators).vwap, 17.5);
    sb_indicators_new_session (indicators);
    cr_assert (isnan (sb_indicators_values (indicators).vwap));
    sb_indicators_add (indicators, 30, 2);
    NEAR (sb_indicators_values (indicators).vwap, 30.0);
    sb_indicators_destroy (&indicators);
}

Test (computing, realized_volatility_is_the_root_of_summed_squared_returns)
{
    sb_indicators_t *indicators = s_indicators (2);
    sb_indicators_add (indicators, 100, 1);
    sb_indicators_add (indicators, 110, 1);
    cr_assert (isnan (sb_indicators_values (indicators).realized_volatility));
    sb_indicators_add (indicators, 99, 1);
    double up = log (1.1), down = log (0.9);
    cr_assert_lt (fabs (sb_indicators_values (indicators).realized_volatility - sqrt (up * up + down * down)), 1e-12);
    sb_indicators_add (indicators, 99, 1);
    cr_assert_lt (fabs (sb_indicators_values (indicators).realized_volatility - fabs (down)), 1e-12);
    sb_indicators_destroy (&indicators);
}

Test (computing, running_sums_do_not_drift)
{
    sb_indicators_t *indicators = s_indicators (20);
    for (int i = 0; i < 1000000; i++)
        sb_indicators_add (indicators, i % 2 ? 1e9 + 0.1 : 1e-3, 1);
    cr_assert_lt (fabs (sb_indicators_values (indicators).sma - (1e9 + 0.1 + 1e-3) / 2), 1e-4);
    sb_indicators_destroy (&indicators);
}

Test (computing, ticks_are_numbered_and_carry_derived_fields)
{
    sb_feed_t *feed = sb_feed_new (layout_of (TRADES_LAYOUT), false, NULL);
    sb_tick_t tick;
    feed_line (feed, "1,10,1", &tick);
    cr_assert_eq (tick.tick_id, 1);
    cr_assert_eq (number_in (tick.derived, tick.derived_count, "vwap"), 10);
    cr_assert_eq (number_in (tick.derived, tick.derived_count, "sma_3"), -1e9);
    feed_line (feed, "1,bad,1", &tick);
    feed_line (feed, "2,10.5,1", &tick);
    feed_line (feed, "3,11,1", &tick);
    cr_assert_eq (tick.tick_id, 3);
    cr_assert_eq (number_in (tick.market, tick.market_count, "tick_id"), 3);
    cr_assert_eq (number_in (tick.derived, tick.derived_count, "sma_3"), 10.5);
    cr_assert_str_eq (tick.subject, "m:X");
    sb_feed_destroy (&feed);
}

/* ------------------------------------------------------------------ context */

static void s_add (sb_context_t *context, int64_t second, double value)
{
    sb_row_t row = {.time_ns = second * SB_SECOND_NS};
    row.values[0] = (sb_value_t){.kind = isnan (value) ? SB_VALUE_NONE : SB_VALUE_NUMBER};
    row.values[0].number = value;
    cr_assert (sb_context_add_row (context, &row));
}

#define CONTEXT_LAYOUT                                                                                                 \
    "kind = series\ncolumns = t,v\nmarket = m\nsymbol = X\nroles\n    time = t\nnumbers\n    macro_v = v\n"

Test (computing, context_is_joined_as_of_its_time_and_never_before)
{
    sb_context_t *context = sb_context_new ();
    cr_assert (sb_context_add_series (context, layout_of (CONTEXT_LAYOUT)));
    s_add (context, 30, 3);
    s_add (context, 20, 2);
    s_add (context, 10, 1);
    sb_context_finish (context);
    sb_context_cursor_t cursor = {{0}};
    sb_change_t changes[8];
    cr_assert_eq (sb_context_join (context, &cursor, "X", 10 * SB_SECOND_NS - 1, changes, 8), 0);
    cr_assert_eq (sb_context_join (context, &cursor, "X", 10 * SB_SECOND_NS, changes, 8), 1);
    cr_assert_eq (changes[0].value.number, 1);
    cr_assert_eq (sb_context_join (context, &cursor, "X", 10 * SB_SECOND_NS, changes, 8), 0);
    cr_assert_eq (sb_context_join (context, &cursor, "X", 99 * SB_SECOND_NS, changes, 8), 1);
    cr_assert_eq (changes[0].value.number, 3);
    sb_context_cursor_t other = {{0}};
    cr_assert_eq (sb_context_join (context, &other, "X", 29 * SB_SECOND_NS, changes, 8), 1);
    cr_assert_eq (changes[0].value.number, 2);
    sb_context_destroy (&context);
}

Test (computing, missing_context_values_leave_the_last_known_one)
{
    sb_context_t *context = sb_context_new ();
    sb_context_add_series (context, layout_of (CONTEXT_LAYOUT));
    s_add (context, 10, 1);
    s_add (context, 20, NAN);
    sb_context_finish (context);
    sb_context_cursor_t cursor = {{0}};
    sb_change_t changes[8];
    cr_assert_eq (sb_context_join (context, &cursor, "X", 30 * SB_SECOND_NS, changes, 8), 1);
    cr_assert_eq (changes[0].value.number, 1);
    sb_context_destroy (&context);
}

Test (computing, context_beyond_its_age_is_not_joined)
{
    sb_context_t *context = sb_context_new ();
    sb_context_add_series (context, layout_of ("max_age = 5s\n" CONTEXT_LAYOUT));
    s_add (context, 10, 1);
    sb_context_finish (context);
    sb_context_cursor_t early = {{0}}, late = {{0}};
    sb_change_t changes[8];
    cr_assert_eq (sb_context_join (context, &early, "X", 15 * SB_SECOND_NS, changes, 8), 1);
    cr_assert_eq (sb_context_join (context, &late, "X", 15 * SB_SECOND_NS + 1, changes, 8), 0);
    sb_context_destroy (&context);
}

Test (computing, daily_row_is_known_after_the_close_and_its_lag)
{
    sb_feed_t *feed = sb_feed_new (
        layout_of ("kind = series\ncolumns = d,v\nmarket = m\nsymbol = X\ntime_format = date\n"
                   "time_zone = America/New_York\nlag = 16h30m\nroles\n    time = d\nnumbers\n    risk_v = v\n"),
        false, NULL);
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "2013-10-07,15", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (tick.time_ns, INT64_C (1381177800) * SB_SECOND_NS); /* 20:30 UTC */
    sb_feed_destroy (&feed);
}

/* ------------------------------------------------------------------ pacing */

Test (computing, pace_divides_the_feeds_time_by_the_speed)
{
    sb_pacing_t pacing;
    sb_pacing_init (&pacing, 60, 0);
    cr_assert_eq (sb_pacing_due (&pacing, 1000 * SB_SECOND_NS, 5), 5);
    cr_assert_eq (sb_pacing_due (&pacing, 1060 * SB_SECOND_NS, 7), SB_SECOND_NS + 5);
    cr_assert_eq (sb_pacing_due (&pacing, 1060 * SB_SECOND_NS, SB_SECOND_NS * 9), SB_SECOND_NS + 5);
}

Test (computing, pace_anchors_anew_where_time_goes_back_and_after_a_pause)
{
    sb_pacing_t pacing;
    sb_pacing_init (&pacing, 1, 0);
    sb_pacing_due (&pacing, 100, 0);
    cr_assert_eq (sb_pacing_due (&pacing, 50, 1000), 1000);
    cr_assert_eq (sb_pacing_due (&pacing, 60, 1000), 1010);
    sb_pacing_reset (&pacing);
    cr_assert_eq (sb_pacing_due (&pacing, 1000000, 5000), 5000);
}

Test (computing, long_waits_are_cut_when_asked)
{
    sb_pacing_t pacing;
    sb_pacing_init (&pacing, 1, 100);
    sb_pacing_due (&pacing, 0, 0);
    cr_assert_eq (sb_pacing_due (&pacing, 100, 0), 100);
    cr_assert_eq (sb_pacing_due (&pacing, 100000, 0), 200);
    cr_assert_eq (sb_pacing_due (&pacing, 100050, 0), 250);
}

Test (computing, flat_pace_is_always_due)
{
    sb_pacing_t pacing;
    sb_pacing_init (&pacing, 0, 0);
    cr_assert_eq (sb_pacing_due (&pacing, 0, 3), 3);
    cr_assert_eq (sb_pacing_due (&pacing, INT64_MAX, 4), 4);
}

/* ------------------------------------------------------------------ the simulated exchange */

static uint64_t s_simulation_hash (uint64_t seed, int rows)
{
    sb_exchange_t *exchange = sb_exchange_new (seed);
    uint64_t hash = 0;
    char line[256];
    for (int i = 0; i < rows; i++) {
        size_t size = sb_exchange_line (exchange, line);
        hash = hash * 31 + sb_octets_hash (line, size);
    }
    sb_exchange_destroy (&exchange);
    return hash;
}

Test (computing, same_seed_gives_the_same_rows_and_another_does_not)
{
    cr_assert_eq (s_simulation_hash (7, 5000), s_simulation_hash (7, 5000));
    cr_assert_neq (s_simulation_hash (7, 5000), s_simulation_hash (8, 5000));
    cr_assert_eq (s_simulation_hash (0, 10), s_simulation_hash (0, 10));
}

Test (computing, simulation_is_mostly_good_with_every_kind_of_dirt)
{
    static const sb_rejection_t dirt[] = {SB_REJECTION_MISSING_COLUMN,     SB_REJECTION_BAD_TIME,
                                          SB_REJECTION_BAD_NUMBER,         SB_REJECTION_NOT_FINITE,
                                          SB_REJECTION_PRICE_NOT_POSITIVE, SB_REJECTION_NEGATIVE_SIZE,
                                          SB_REJECTION_TIME_BACKWARDS,     SB_REJECTION_DUPLICATE_ID,
                                          SB_REJECTION_CROSSED_QUOTE,      SB_REJECTION_JUMP};
    sb_layout_t layout;
    sb_exchange_layout (&layout);
    sb_exchange_t *exchange = sb_exchange_new (3);
    sb_feed_t *feed = sb_feed_new (&layout, false, NULL);
    sb_tick_t tick;
    char line[256];
    for (int i = 0; i < 200000; i++) {
        size_t size = sb_exchange_line (exchange, line);
        sb_feed_line (feed, line, size, &tick);
    }
    const sb_accounting_t *accounting = sb_feed_accounting (feed);
    cr_assert (sb_accounting_balances (accounting));
    uint64_t rejected = sb_accounting_rejected (accounting);
    cr_assert (rejected > 200 && rejected < 2000, "%lu rejected", (unsigned long)rejected);
    for (size_t i = 0; i < sizeof dirt / sizeof dirt[0]; i++)
        cr_assert_gt (accounting->rejected[dirt[i]], 0, "no %s", sb_rejection_name (dirt[i]));
    cr_assert_gt (sb_exchange_elapsed_ns (exchange), 1000 * SB_SECOND_NS);
    cr_assert_eq (sb_feed_subject_count (feed), 4);
    sb_feed_destroy (&feed);
    sb_exchange_destroy (&exchange);
}

Test (computing, simulated_context_reaches_all_categories)
{
    static const char *const fields[] = {"risk_vix_close", "sentiment_fear_greed", "onchain_active_addresses",
                                         "macro_us10y", "fundamental_sp500_pe10"};
    sb_exchange_t *exchange = sb_exchange_new (3);
    sb_context_t *context = sb_context_new ();
    cr_assert (sb_exchange_add_context (exchange, context));
    sb_context_finish (context);
    sb_layout_t layout;
    sb_exchange_layout (&layout);
    sb_feed_t *feed = sb_feed_new (&layout, false, context);
    sb_tick_t tick;
    char line[256];
    do
        sb_exchange_line (exchange, line);
    while (sb_feed_line (feed, line, strlen (line), &tick) != SB_OUTCOME_TICK);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cr_assert_neq (number_in (tick.derived, tick.derived_count, fields[i]), -1e9, "no %s", fields[i]);
    sb_feed_destroy (&feed);
    sb_context_destroy (&context);
    sb_exchange_destroy (&exchange);
}

/* ------------------------------------------------------------------ command line and reports */

static bool s_options (sb_options_t *options, char *error, const char *line)
{
    static char words[512];
    static char program[] = "syncbus-market";
    char *argv[32] = {program};
    int argc = 1;
    strcpy (words, line);
    for (char *word = strtok (words, " "); word; word = strtok (NULL, " "))
        argv[argc++] = word;
    return sb_options_parse (options, argc, argv, error, 256);
}

Test (computing, command_line_is_read)
{
    sb_options_t options;
    char error[256];
    cr_assert (s_options (&options, error, "--pace 60 --rows=10 --context dir file.csv"));
    cr_assert (options.pace == 60 && options.rows == 10 && options.has_rows);
    cr_assert_str_eq (options.path, "file.csv");
    cr_assert (s_options (&options, error, "--pace flat -"));
    cr_assert_eq (options.pace, 0);
    cr_assert (s_options (&options, error, "--sim 7 --sim-seconds 5 --json"));
    cr_assert (options.json && options.sim == 7);
}

Test (computing, command_line_errors_say_what_to_do)
{
    static const struct {
        const char *line, *complaint;
    } rows[] = {{"", "nothing to read"},
                {"--what x", "unknown option"},
                {"--rows", "needs an argument"},
                {"--rows x f", "N must be a whole number"},
                {"--pace -1 f", "must be recorded, flat, or a number above 0"},
                {"a b", "one file at a time"},
                {"--sim 1 f", "not both"},
                {"--batch 257 f", "1 to 256"},
                {"--sim 1 --check", "needs an end"},
                {"--json=1 f", "takes no argument"},
                {"-x f", "unknown option"}};
    sb_options_t options;
    char error[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_not (s_options (&options, error, rows[i].line), "taken: %s", rows[i].line);
        cr_assert (strstr (error, rows[i].complaint), "'%s' does not say '%s'", error, rows[i].complaint);
    }
}

Test (computing, help_names_every_option)
{
    char text[8192];
    cr_assert_lt (sb_options_help (text, sizeof text), (int)sizeof text);
#define SB_OPTION_CHECK(field, option, kind, argument, help) cr_assert (strstr (text, "--" option));
    SB_OPTION_TABLE (SB_OPTION_CHECK)
}

Test (computing, quality_gives_what_changed_only)
{
    sb_quality_report_t report = {0};
    sb_accounting_t accounting = {.read = 3, .published = 2};
    accounting.rejected[SB_REJECTION_JUMP] = 1;
    sb_feed_state_t state = {.feed_time_ns = 5, .freshness_ms = 7, .subjects = 1};
    sb_change_t changes[SB_QUALITY_CHANGES_MAX];
    uint32_t count = sb_quality_changes (&report, &accounting, &state, changes);
    cr_assert_eq (number_in (changes, count, "rows_read"), 3);
    cr_assert_eq (number_in (changes, count, "rows_rejected.jump"), 1);
    cr_assert_eq (number_in (changes, count, "rows_rejected.bad_time"), -1e9);
    cr_assert_eq (number_in (changes, count, "freshness_ms"), 7);
    cr_assert_eq (sb_quality_changes (&report, &accounting, &state, changes), 0);
    accounting.read++;
    accounting.refused[SB_REASON_PAUSED]++;
    count = sb_quality_changes (&report, &accounting, &state, changes);
    cr_assert_eq (count, 3);
    cr_assert_eq (number_in (changes, count, "rows_refused.PAUSED"), 1);
}

Test (computing, summary_and_progress_say_what_happened)
{
    sb_accounting_t accounting = {.read = 10, .published = 6, .unchanged = 2, .truncated_input = 1};
    accounting.rejected[SB_REJECTION_BAD_TIME] = 1;
    accounting.refused[SB_REASON_BREAKER_OPEN] = 1;
    sb_summary_t summary = {.input = "a\"b", .layout = "l", .error = "cut", .accounting = &accounting, .elapsed_s = 2};
    char text[4096];
    cr_assert_lt (sb_summary_text (&summary, text, sizeof text), (int)sizeof text);
    cr_assert (strstr (text, "bad_time") && strstr (text, "BREAKER_OPEN") && strstr (text, "truncated_input: cut"));
    cr_assert (strstr (text, "read = published"));
    sb_summary_json (&summary, text, sizeof text);
    cr_assert (strstr (text, "\"input\":\"a\\\"b\"") && strstr (text, "\"balances\":true") &&
               strstr (text, "\"BREAKER_OPEN\":1"));
    sb_progress_t progress = {.rows = 500,
                              .rows_before = 100,
                              .interval_s = 2,
                              .elapsed_s = 10,
                              .octets_read = 25,
                              .octets_total = 100,
                              .status = "PAUSED"};
    sb_progress_text (&progress, text, sizeof text);
    cr_assert_str_eq (text, "500 rows, 200/s, 25.0 %, 30 s left, PAUSED");
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Every cause of rejection, each with rows that stand just on either side of it; and the books.
 */
#include "market_support.h"

TestSuite (validation, .timeout = 20);

static sb_feed_t *s_feed (const char *layout)
{
    sb_feed_t *feed = sb_feed_new (layout_of (layout), false, NULL);
    cr_assert (feed);
    return feed;
}

static void s_good (sb_feed_t *feed, const char *text)
{
    cr_assert_eq (feed_line (feed, text, NULL), SB_OUTCOME_TICK, "%s for: %s",
                  sb_rejection_name (sb_feed_last_rejection (feed)), text);
}

static void s_bad (sb_feed_t *feed, const char *text, sb_rejection_t cause)
{
    sb_rejection_t found = rejection_of (feed, text);
    cr_assert_eq (found, cause, "%s instead of %s for: %s", sb_rejection_name (found), sb_rejection_name (cause), text);
}

Test (validation, what_a_row_says_by_itself)
{
    sb_feed_t *feed = s_feed (TRADES_LAYOUT);
    s_good (feed, "1,100,5");
    s_bad (feed, "1,100", SB_REJECTION_MISSING_COLUMN);
    s_bad (feed, "1,100,5,9", SB_REJECTION_EXTRA_COLUMN);
    s_bad (feed, "1,\"100,5", SB_REJECTION_BAD_ROW);
    s_bad (feed, "1,100\xff,5", SB_REJECTION_BAD_TEXT);
    s_bad (feed, "noon,100,5", SB_REJECTION_BAD_TIME);
    s_bad (feed, ",100,5", SB_REJECTION_MISSING_VALUE);
    s_bad (feed, "1,,5", SB_REJECTION_MISSING_VALUE);
    s_bad (feed, "1,abc,5", SB_REJECTION_BAD_NUMBER);
    s_bad (feed, "1,nan,5", SB_REJECTION_NOT_FINITE);
    s_bad (feed, "1,100,inf", SB_REJECTION_NOT_FINITE);
    s_bad (feed, "1,0,5", SB_REJECTION_PRICE_NOT_POSITIVE);
    s_bad (feed, "1,-1,5", SB_REJECTION_PRICE_NOT_POSITIVE);
    s_bad (feed, "1,100,-1", SB_REJECTION_NEGATIVE_SIZE);
    s_good (feed, "1,100,0");
    cr_assert (sb_accounting_balances (sb_feed_accounting (feed)));
    cr_assert_eq (sb_feed_accounting (feed)->read, 15);
    sb_feed_destroy (&feed);
}

Test (validation, embedded_nul_is_bad_text)
{
    sb_feed_t *feed = s_feed (TRADES_LAYOUT);
    char line[] = "1,1\0000,5";
    sb_tick_t tick;
    cr_assert_eq (sb_feed_line (feed, line, sizeof line - 1, &tick), SB_OUTCOME_REJECTED);
    cr_assert_eq (sb_feed_last_rejection (feed), SB_REJECTION_BAD_TEXT);
    sb_feed_destroy (&feed);
}

Test (validation, time_may_stand_still_but_not_go_back_within_its_subject)
{
    sb_feed_t *feed =
        s_feed ("kind = trade\ncolumns = t,sym,p\nmarket = m\nroles\n    time = t\n    symbol = sym\n    price = p\n");
    s_good (feed, "10,A,1");
    s_good (feed, "10,A,1");
    s_bad (feed, "9.999999999,A,1", SB_REJECTION_TIME_BACKWARDS);
    s_good (feed, "5,B,1");
    s_good (feed, "10,A,1");
    sb_feed_destroy (&feed);
}

Test (validation, descending_layout_turns_the_rule_round)
{
    sb_feed_t *feed = s_feed ("kind = series\norder = descending\nheader = no\ncolumns = h,t\nmarket = m\nsymbol = X\n"
                              "roles\n    time = t\nintegers\n    onchain_height = h\n");
    s_good (feed, "3,30");
    s_good (feed, "2,20");
    s_bad (feed, "9,21", SB_REJECTION_TIME_BACKWARDS);
    s_good (feed, "1,20");
    sb_feed_destroy (&feed);
}

Test (validation, trade_id_seen_just_before_is_a_duplicate)
{
    sb_feed_t *feed = s_feed ("kind = trade\ncolumns = t,id,p\nmarket = m\nsymbol = X\nroles\n    time = t\n    "
                              "trade_id = id\n    price = p\n");
    s_good (feed, "1,7,100");
    s_good (feed, "1,8,100");
    s_bad (feed, "1,7,100", SB_REJECTION_DUPLICATE_ID);
    s_bad (feed, "1,8,100", SB_REJECTION_DUPLICATE_ID);
    s_good (feed, "1,9,100");
    cr_assert_eq (sb_feed_accounting (feed)->repeated, 0);
    sb_feed_destroy (&feed);
}

Test (validation, repeated_rows_without_trade_id_are_kept_and_counted)
{
    sb_feed_t *feed = s_feed (TRADES_LAYOUT);
    s_good (feed, "1,100,5");
    s_good (feed, "1,100,5");
    s_good (feed, "1,100,5");
    s_good (feed, "1,100,6");
    s_good (feed, "1,100,5");
    cr_assert_eq (sb_feed_accounting (feed)->repeated, 2);
    cr_assert_eq (sb_feed_accounting (feed)->pending, 5);
    sb_feed_destroy (&feed);
}

Test (validation, jump_is_judged_at_its_band_and_taken_once_confirmed)
{
    sb_feed_t *feed = s_feed (TRADES_LAYOUT);
    s_good (feed, "1,100,1");
    s_good (feed, "2,109.9,1");
    s_bad (feed, "3,121,1", SB_REJECTION_JUMP);
    s_good (feed, "4,110,1");
    s_bad (feed, "5,200,1", SB_REJECTION_JUMP);
    s_bad (feed, "6,201,1", SB_REJECTION_JUMP);
    s_good (feed, "7,199,1");
    s_good (feed, "8,200,1");
    s_bad (feed, "9,100,1", SB_REJECTION_JUMP);
    sb_feed_destroy (&feed);
}

Test (validation, suspicious_rows_are_kept_and_move_no_reference)
{
    sb_feed_t *feed = s_feed ("kind = trade\ncolumns = t,p,f\nmarket = m\nsymbol = X\njump_percent = 10\n"
                              "roles\n    time = t\n    price = p\n    suspicious = f\nbooleans\n    suspicious = f\n");
    s_good (feed, "1,100,0");
    s_good (feed, "2,500,1");
    s_good (feed, "3,101,0");
    cr_assert_eq (sb_feed_accounting (feed)->suspicious, 1);
    sb_feed_destroy (&feed);
}

Test (validation, crossed_quote_is_rejected_locked_is_not)
{
    sb_feed_t *feed = s_feed (QUOTES_LAYOUT);
    s_good (feed, "1,99,1,101,1");
    s_good (feed, "2,100,1,100,1");
    s_bad (feed, "3,100.01,1,100,1", SB_REJECTION_CROSSED_QUOTE);
    cr_assert_eq (feed_line (feed, "4,100,1,100,1", NULL), SB_OUTCOME_UNCHANGED);
    s_bad (feed, "5,99,-1,101,1", SB_REJECTION_NEGATIVE_SIZE);
    s_bad (feed, "5,0,1,101,1", SB_REJECTION_PRICE_NOT_POSITIVE);
    s_bad (feed, "5,150,1,151,1", SB_REJECTION_JUMP);
    cr_assert_eq (sb_feed_accounting (feed)->unchanged, 1);
    cr_assert (sb_accounting_balances (sb_feed_accounting (feed)));
    sb_feed_destroy (&feed);
}

#define SIDED_LAYOUT                                                                                                   \
    "kind = sided_quote\ncolumns = t,b,bs,a,as,v\nmarket = m\nsymbol = X\njump_percent = 25\nquote_stale = "           \
    "1s\nbook_reset = 4h\n"                                                                                            \
    "roles\n    time = t\n    bid = b\n    bid_size = bs\n    ask = a\n    ask_size = as\n    venue = v\n"

Test (validation, one_sided_quotes_rebuild_the_best_of_all_venues)
{
    sb_feed_t *feed = s_feed (SIDED_LAYOUT);
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "1,99,5,0,0,P", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (number_in (tick.market, tick.market_count, "ask"), -1e9);
    s_good (feed, "1,0,0,101,3,P");
    cr_assert_eq (feed_line (feed, "1,98,9,0,0,Q", NULL), SB_OUTCOME_UNCHANGED);
    cr_assert_eq (feed_line (feed, "1,99,2,0,0,Q", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (number_in (tick.market, tick.market_count, "bid"), 99);
    cr_assert_eq (number_in (tick.market, tick.market_count, "bid_size"), 7);
    cr_assert_eq (number_in (tick.market, tick.market_count, "ask"), 101);
    cr_assert_eq (feed_line (feed, "1,0,0,0,0,P", NULL), SB_OUTCOME_UNCHANGED);
    cr_assert_eq (feed_line (feed, "1,99,0,0,0,P", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (number_in (tick.market, tick.market_count, "bid_size"), 2);
    sb_feed_destroy (&feed);
}

Test (validation, quote_left_behind_goes_when_the_market_walks_through_it)
{
    sb_feed_t *feed = s_feed (SIDED_LAYOUT);
    s_good (feed, "1,0,0,101,3,W");
    s_good (feed, "1,99,5,0,0,P");
    s_bad (feed, "1.999,102,5,0,0,P", SB_REJECTION_CROSSED_QUOTE);
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "2,102,6,0,0,P", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (number_in (tick.market, tick.market_count, "bid"), 102);
    cr_assert_eq (number_in (tick.market, tick.market_count, "ask"), -1e9);
    sb_feed_destroy (&feed);
}

Test (validation, stub_quote_does_not_get_into_the_book)
{
    sb_feed_t *feed = s_feed (SIDED_LAYOUT);
    s_good (feed, "1,99,5,0,0,P");
    s_good (feed, "1,0,0,101,3,P");
    s_bad (feed, "9,200,1,0,0,Q", SB_REJECTION_JUMP);
    cr_assert_eq (feed_line (feed, "9,0,0,101,3,P", NULL), SB_OUTCOME_UNCHANGED);
    sb_feed_destroy (&feed);
}

Test (validation, bar_outside_its_range_is_rejected_and_a_bar_is_known_at_its_end)
{
    sb_feed_t *feed = s_feed (
        "kind = trade_bar\ncolumns = t,o,h,l,c,v,sc\nmarket = m\nsymbol = X\nbar_length = 60s\nprice_divisor = 10\n"
        "roles\n    time = t\n    open = o\n    high = h\n    low = l\n    price = c\n    size = v\n    price_scale = "
        "sc\n");
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "0,1000,1200,900,1100,7,10", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (tick.time_ns, 60 * SB_SECOND_NS);
    cr_assert_eq (number_in (tick.market, tick.market_count, "price"), 11);
    cr_assert_eq (number_in (tick.market, tick.market_count, "low"), 9);
    s_bad (feed, "60,1201,1200,900,1100,7,10", SB_REJECTION_BAR_RANGE);
    s_bad (feed, "60,1000,1200,900,899,7,10", SB_REJECTION_BAR_RANGE);
    s_bad (feed, "60,1000,1200,900,1000,7,0", SB_REJECTION_BAD_NUMBER);
    sb_feed_destroy (&feed);
}

#define SERIES_LAYOUT                                                                                                  \
    "kind = series\ncolumns = t,a,b\nmarket = m\nsymbol = X\noptional = b\nzero_is_missing = b\nallow_non_positive = " \
    "yes\n"                                                                                                            \
    "roles\n    time = t\n    price = a\nnumbers\n    macro_a = a\n    macro_b = b\n"

Test (validation, zeros_that_stand_for_missing_are_left_out_and_counted)
{
    sb_feed_t *feed = s_feed (SERIES_LAYOUT);
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "1,-36.98,0", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (tick.market_count, 0);
    cr_assert_eq (tick.derived_count, 1);
    cr_assert_eq (number_in (tick.derived, tick.derived_count, "macro_a"), -36.98);
    cr_assert_eq (sb_feed_accounting (feed)->values_missing, 1);
    cr_assert_eq (sb_feed_accounting (feed)->non_positive, 1);
    s_bad (feed, "2,,3", SB_REJECTION_MISSING_VALUE);
    s_good (feed, "2,5,");
    sb_feed_destroy (&feed);
}

Test (validation, row_of_a_series_is_whole_even_when_nothing_changed)
{
    sb_feed_t *feed = s_feed (SERIES_LAYOUT);
    sb_tick_t tick;
    s_good (feed, "1,5,6");
    cr_assert_eq (feed_line (feed, "2,5,6", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (tick.derived_count, 2);
    sb_feed_destroy (&feed);
}

Test (validation, passed_on_fields_are_sent_when_they_change)
{
    sb_feed_t *feed = s_feed ("kind = trade\ncolumns = t,p,v\nmarket = m\nsymbol = X\n"
                              "roles\n    time = t\n    price = p\ntexts\n    exchange = v\n");
    sb_tick_t tick;
    feed_line (feed, "1,10,P", &tick);
    cr_assert_eq (tick.market_count, 3);
    feed_line (feed, "2,10,P", &tick);
    cr_assert_eq (tick.market_count, 2);
    feed_line (feed, "3,10,Q", &tick);
    cr_assert_eq (tick.market_count, 3);
    cr_assert (sb_text_equal (tick.market[2].value.text, sb_text ("Q")));
    sb_feed_destroy (&feed);
}

Test (validation, symbols_are_made_fit_for_subjects_or_refused)
{
    sb_feed_t *feed =
        s_feed ("kind = trade\ncolumns = t,sym,p\nmarket = m\nroles\n    time = t\n    symbol = sym\n    price = p\n");
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "1,BRK.B,1", &tick), SB_OUTCOME_TICK);
    cr_assert_str_eq (tick.subject, "m:BRK-B");
    s_bad (feed, "1,,1", SB_REJECTION_MISSING_VALUE);
    char line[128] = "1,";
    memset (line + 2, 'A', 62);
    strcpy (line + 64, ",1");
    s_good (feed, line);
    memset (line + 2, 'A', 63);
    strcpy (line + 65, ",1");
    s_bad (feed, line, SB_REJECTION_BAD_SYMBOL);
    sb_feed_destroy (&feed);
}

Test (validation, subjects_are_bounded)
{
    sb_feed_t *feed = s_feed ("kind = trade\ncolumns = t,sym,p\nmarket = m\nsma = 0\nvolatility = 0\nroles\n    time = "
                              "t\n    symbol = sym\n    price = p\n");
    char line[64];
    for (int i = 0; i < SB_SUBJECTS_MAX; i++) {
        snprintf (line, sizeof line, "1,S%d,1", i);
        s_good (feed, line);
    }
    s_bad (feed, "1,ONEMORE,1", SB_REJECTION_TOO_MANY_SUBJECTS);
    s_good (feed, "1,S17,1");
    sb_feed_destroy (&feed);
}

Test (validation, json_lines_take_any_order_and_null_is_missing)
{
    sb_feed_t *feed = sb_feed_new (layout_of (TRADES_LAYOUT), true, NULL);
    sb_tick_t tick;
    cr_assert_eq (feed_line (feed, "{\"s\":5,\"p\":\"100.5\",\"t\":1,\"x\":[1,2]}", &tick), SB_OUTCOME_TICK);
    cr_assert_eq (number_in (tick.market, tick.market_count, "price"), 100.5);
    s_bad (feed, "{\"t\":1,\"p\":100}", SB_REJECTION_MISSING_COLUMN);
    s_bad (feed, "{\"t\":1,\"p\":null,\"s\":5}", SB_REJECTION_MISSING_VALUE);
    s_bad (feed, "{\"t\":1,\"p\":true,\"s\":5}", SB_REJECTION_BAD_NUMBER);
    s_bad (feed, "not json", SB_REJECTION_BAD_ROW);
    s_bad (feed, "{\"t\":1,\"p\":1", SB_REJECTION_BAD_ROW);
    sb_feed_destroy (&feed);
}

Test (validation, filtered_symbols_are_not_read)
{
    sb_feed_t *feed =
        s_feed ("kind = trade\ncolumns = t,sym,p\nmarket = m\nroles\n    time = t\n    symbol = sym\n    price = p\n");
    sb_feed_filter (feed, "B*");
    cr_assert_eq (feed_line (feed, "1,AB,1", NULL), SB_OUTCOME_NONE);
    s_good (feed, "1,BA,1");
    sb_feed_filter (feed, "m:A?");
    s_good (feed, "1,AB,1");
    cr_assert_eq (sb_feed_accounting (feed)->filtered, 1);
    cr_assert_eq (sb_feed_accounting (feed)->read, 2);
    sb_feed_destroy (&feed);
}

Test (validation, random_lines_are_rejected_never_a_crash)
{
    sb_feed_t *csv = s_feed (SIDED_LAYOUT);
    sb_feed_t *json = sb_feed_new (layout_of (TRADES_LAYOUT), true, NULL);
    static const char octets[] = "0123456789.,-+e\"{}[]:nul\\u tsp\r\x01\x7f\xc3\xa9\xff";
    char line[256];
    sb_tick_t tick;
    for (int i = 0; i < 200000; i++) {
        size_t size = (size_t)rand () % 60;
        for (size_t k = 0; k < size; k++)
            line[k] = octets[(size_t)rand () % (sizeof octets)];
        line[size] = 0;
        char copy[256];
        memcpy (copy, line, size + 1);
        sb_feed_line (csv, line, size, &tick);
        sb_feed_line (json, copy, size, &tick);
    }
    cr_assert (sb_accounting_balances (sb_feed_accounting (csv)));
    cr_assert (sb_accounting_balances (sb_feed_accounting (json)));
    sb_feed_destroy (&csv);
    sb_feed_destroy (&json);
}

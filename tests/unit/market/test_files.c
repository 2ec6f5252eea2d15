/* SPDX-License-Identifier: MPL-2.0
 *
 * The layouts that are shipped, and the recorded files where they are at hand: every row of each is
 * accounted for, and what is odd in them is found as often as it is there.
 */
#include "market_support.h"
#include "sb_context_files.h"
#include "sb_source.h"

#include <math.h>
#include <unistd.h>

TestSuite (files, .timeout = 120);

static sb_layout_set_t *s_set (void)
{
    char folder[4096], error[512] = "";
    const char *source = getenv ("SB_SOURCE_DIR");
    snprintf (folder, sizeof folder, "%s/agents/market/layouts", source ? source : ".");
    sb_layout_set_t *set = sb_layout_set_new (folder, error, sizeof error);
    cr_assert (set, "%s", error);
    return set;
}

/* Path of a recorded file; skips the test, and says so, when it is not there. */
static const char *s_recorded (const char *name)
{
    static char path[4096];
    const char *source = getenv ("SB_SOURCE_DIR");
    snprintf (path, sizeof path, "%s/../shared/marketdata/%s", source ? source : ".", name);
    if (access (path, R_OK) != 0) {
        fprintf (stderr, "SKIPPED, NOT TESTED: no recorded market data at %s\n", path);
        cr_skip_test ("SKIPPED: no recorded market data at %s", path);
    }
    return path;
}

static sb_accounting_t s_check (const char *path, const char *layout_name)
{
    char error[512] = "";
    sb_layout_set_t *set = s_set ();
    sb_source_t *source = sb_source_open (set, &(sb_source_options_t){.path = path}, error, sizeof error);
    cr_assert (source, "%s", error);
    cr_assert_eq (sb_source_prepare (source, error, sizeof error), SB_SOURCE_READY, "%s", error);
    cr_assert_str_eq (sb_source_layout (source)->name, layout_name);
    sb_feed_t *feed = sb_feed_new (sb_source_layout (source), sb_source_is_json (source), NULL);
    sb_tick_t *tick = malloc (sizeof *tick);
    char *line;
    size_t size;
    sb_input_status_t status;
    while ((status = sb_source_line (source, &line, &size)) == SB_INPUT_LINE)
        sb_feed_line (feed, line, size, tick);
    cr_assert_eq (status, SB_INPUT_END);
    sb_accounting_t accounting = *sb_feed_accounting (feed);
    cr_assert (sb_accounting_balances (&accounting));
    free (tick);
    sb_feed_destroy (&feed);
    sb_source_close (&source);
    sb_layout_set_destroy (&set);
    return accounting;
}

/* What is known of each file. `counted`: how many rows have the oddity `cause`, NONE: none is rejected. */
static const struct {
    const char *path, *layout;
    uint64_t read, repeated, suspicious, non_positive;
    sb_rejection_t cause;
    uint64_t counted;
} s_files[] = {
    {"us_equity_201310/trades_BAC.csv.gz", "equity_trades", 573620, 35225, 0, 0, SB_REJECTION_NONE, 0},
    {"us_equity_201310/trades_SPY.csv.gz", "equity_trades", 1887460, 187323, 10, 0, SB_REJECTION_NONE, 0},
    {"us_equity_201310/quotes_BAC_20131010.csv.gz", "equity_quotes", 571780, 0, 0, 0, SB_REJECTION_CROSSED_QUOTE, 350},
    {"us_equity_201310/minute_trade_bars.csv.gz", "minute_trade_bars", 26824, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"us_equity_201310/minute_quote_bars.csv.gz", "minute_quote_bars", 15705, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"crypto_binance_20240808_09/trades.csv.gz", "binance_trades", 78638, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"crypto_binance_20240808_09/book_ticker_l1.csv.gz", "binance_book_ticker", 335931, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"crypto_minute/coinbase_20180404_06_trade_bars.csv.gz", "crypto_minute_trade_bars", 13886, 0, 0, 0,
     SB_REJECTION_NONE, 0},
    {"crypto_minute/coinbase_20180404_06_quote_bars.csv.gz", "crypto_minute_quote_bars", 14378, 0, 0, 0,
     SB_REJECTION_NONE, 0},
    {"context/risk_vix_daily.csv", "risk_vix_daily", 9235, 0, 0, 0, SB_REJECTION_BAR_RANGE, 47},
    {"context/sentiment_cnn_fear_greed_daily.csv", "sentiment_fear_greed_daily", 3834, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"context/macro_wti_daily.csv", "macro_wti_daily", 10226, 0, 0, 1, SB_REJECTION_NONE, 0},
    {"context/macro_us10y_monthly.csv", "macro_us10y_monthly", 879, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"context/macro_us_interest_rate_changes.csv", "macro_us_interest_rate", 56, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"context/fundamental_sp500_shiller_monthly.csv", "fundamental_shiller_monthly", 1866, 0, 0, 0, SB_REJECTION_NONE,
     0},
    {"context/fundamental_sp500_constituents_snapshot.csv", "fundamental_constituents", 503, 0, 0, 0,
     SB_REJECTION_MISSING_VALUE, 17},
    {"context/onchain_Dai.csv", "onchain_dai_daily", 627, 0, 0, 0, SB_REJECTION_MISSING_VALUE, 5},
    {"context/onchain_Aave_ent.csv", "onchain_token_daily", 1959, 0, 0, 0, SB_REJECTION_NONE, 0},
    {"context/onchain_btc_block_arrivals_alice_excerpt_20240808_09.csv", "onchain_blocks", 31, 0, 0, 0,
     SB_REJECTION_NONE, 0},
    {"context/onchain_btc_block_arrivals_vostrnad_node1.csv.gz", "onchain_blocks", 40107, 0, 0, 0, SB_REJECTION_NONE,
     0},
    {"context/onchain_btc_block_arrivals_darosior_node0.csv.gz", "onchain_blocks_descending", 42628, 0, 0, 0,
     SB_REJECTION_TIME_BACKWARDS, 9},
};

Test (files, every_recorded_file_is_read_and_accounted_for)
{
    for (size_t i = 0; i < sizeof s_files / sizeof s_files[0]; i++) {
        sb_accounting_t found = s_check (s_recorded (s_files[i].path), s_files[i].layout);
        cr_expect_eq (found.read, s_files[i].read, "%s: %lu rows", s_files[i].path, (unsigned long)found.read);
        cr_expect_eq (found.repeated, s_files[i].repeated, "%s: %lu repeated", s_files[i].path,
                      (unsigned long)found.repeated);
        cr_expect_eq (found.suspicious, s_files[i].suspicious, "%s", s_files[i].path);
        cr_expect_eq (found.non_positive, s_files[i].non_positive, "%s", s_files[i].path);
        cr_expect_eq (found.rejected[s_files[i].cause], s_files[i].counted, "%s: %lu", s_files[i].path,
                      (unsigned long)found.rejected[s_files[i].cause]);
        cr_expect_eq (sb_accounting_rejected (&found), s_files[i].counted, "%s", s_files[i].path);
    }
}

static void s_count_file (const sb_context_file_t *file, void *context)
{
    cr_expect_str_empty (file->error, "%s: %s", file->name, file->error);
    ++*(int *)context;
}

/* Joins the recorded context at one moment and returns the value of a field. */
static double s_joined (const sb_context_t *context, const char *symbol, int64_t unix_s, const char *field)
{
    sb_context_cursor_t cursor = {{0}};
    sb_change_t changes[256];
    uint32_t count = sb_context_join (context, &cursor, symbol, unix_s * SB_SECOND_NS, changes, 256);
    return number_in (changes, count, field);
}

Test (files, recorded_context_shows_nothing_before_it_was_known)
{
    const char *folder = s_recorded ("context");
    sb_layout_set_t *set = s_set ();
    sb_context_t *context = sb_context_new ();
    char error[512] = "";
    int files = 0;
    cr_assert (sb_context_load (context, set, folder, s_count_file, &files, error, sizeof error), "%s", error);
    cr_assert_eq (files, 16);
    cr_assert_eq (sb_context_series_count (context), 16);
    /* 2024-08-08: the VIX closed at 23.79; the day before at 27.85. 20:30 UTC is 16:30 in New York. */
    int64_t known = INT64_C (1723149000);
    cr_assert_eq (s_joined (context, "BTCUSDT", known - 1, "risk_vix_close"), 27.85);
    cr_assert_eq (s_joined (context, "BTCUSDT", known, "risk_vix_close"), 23.79);
    /* Block 855961 is the first of four that arrived while the capture ran. */
    cr_assert_eq (s_joined (context, "BTCUSDT", INT64_C (1723161254), "onchain_block_height_vostrnad"), -1e9);
    cr_assert_geq (s_joined (context, "BTCUSDT", INT64_C (1723161254), "onchain_block_height_alice"), 855940);
    /* Nobody knew the companies' snapshot of 2026 in 2013. */
    cr_assert_eq (s_joined (context, "BAC", INT64_C (1381500000), "fundamental_price"), -1e9);
    cr_assert_gt (s_joined (context, "BAC", INT64_C (1790000000), "fundamental_price"), 0);
    cr_assert_eq (s_joined (context, "NOSUCH", INT64_C (1790000000), "fundamental_price"), -1e9);
    sb_context_destroy (&context);
    sb_layout_set_destroy (&set);
}

Test (files, layouts_choose_themselves_by_the_first_line)
{
    sb_layout_set_t *set = s_set ();
    cr_assert_eq (sb_layout_set_count (set), 20);
    sb_cells_t cells;
    char header[] = "Date,Price";
    sb_cells_from_csv (&cells, header, strlen (header), ',');
    cr_assert_null (sb_layout_set_choose (set, &cells, false, "mine.csv"));
    cr_assert_str_eq (sb_layout_set_choose (set, &cells, false, "macro_wti_daily.csv")->name, "macro_wti_daily");
    char row[] = "1,hash,3";
    sb_cells_from_csv (&cells, row, strlen (row), ',');
    cr_assert_null (sb_layout_set_choose (set, &cells, false, "numbers.csv"));
    cr_assert_str_eq (
        sb_layout_set_choose (set, &cells, false, "onchain_btc_block_arrivals_darosior_node0.csv.gz")->name,
        "onchain_blocks_descending");
    char json[] = "{\"local_ts_ns\":1,\"market\":\"spot\",\"symbol\":\"X\",\"event_ts_ms\":1,\"trade_ts_ms\":1,\"trade_"
                  "id\":1,\"price\":1,\"qty\":1,\"buyer_is_maker\":true}";
    cr_assert (sb_cells_from_json (&cells, json, strlen (json)));
    cr_assert_str_eq (sb_layout_set_choose (set, &cells, true, "-")->name, "binance_trades");
    sb_layout_set_destroy (&set);
}

Test (files, shipped_layout_of_the_simulation_is_the_built_in_one)
{
    sb_layout_set_t *set = s_set ();
    sb_layout_t layout;
    char error[256];
    cr_assert (sb_layout_set_find (set, "simulated", &layout, error, sizeof error));
    cr_assert_eq (layout.kind, SB_LAYOUT_MIXED);
    cr_assert_not (sb_layout_set_find (set, "nosuch", &layout, error, sizeof error));
    cr_assert (strstr (error, "--list-layouts"));
    cr_assert_not (sb_layout_set_find (set, "./nosuch.zpl", &layout, error, sizeof error));
    sb_layout_set_destroy (&set);
}

static void s_write (const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen (path, "w");
    cr_assert (file && fputs (text, file) >= 0 && fclose (file) == 0);
}

/* Opens `name` in `folder` with the layouts there. Returns the complaint, "" when the layout `own` was taken. */
static const char *s_complaint (const char *folder, const char *name, const char *layout_name)
{
    static char error[512];
    char path[256];
    *error = 0;
    sb_layout_set_t *set = sb_layout_set_new (folder, error, sizeof error);
    cr_assert (set, "%s", error);
    snprintf (path, sizeof path, "%s/%s", folder, name);
    sb_source_t *source =
        sb_source_open (set, &(sb_source_options_t){.path = path, .layout_name = layout_name}, error, sizeof error);
    cr_assert (source, "%s", error);
    if (sb_source_prepare (source, error, sizeof error) == SB_SOURCE_READY)
        cr_assert_str_eq (sb_source_layout (source)->name, "own");
    unlink (path);
    sb_source_close (&source);
    sb_layout_set_destroy (&set);
    return error;
}

Test (files, own_separator_is_found_and_a_wrong_header_is_said_where)
{
    char folder[] = "/tmp/sb-layouts-XXXXXX", path[256];
    cr_assert (mkdtemp (folder));
    s_write (folder, "own.zpl",
             "kind = trade\ncolumns = when, px, qty\nseparator = ;\nmarket = m\nsymbol = X\n"
             "roles\n    time = when\n    price = px\n");
    s_write (folder, "a.csv", "when;px;qty\n1;2;3\n");
    cr_expect_str_eq (s_complaint (folder, "a.csv", NULL), "");
    s_write (folder, "a.csv", "when;px;qty\n1;2;3\n");
    cr_expect_str_eq (s_complaint (folder, "a.csv", "own"), "");
    s_write (folder, "b.csv", "when,px,qty\n1,2,3\n");
    cr_expect (strstr (s_complaint (folder, "b.csv", NULL), "no layout fits"));
    s_write (folder, "b.csv", "when,px,qty\n1,2,3\n");
    cr_expect (strstr (s_complaint (folder, "b.csv", "own"), "has 1 columns where layout own names 3"));
    s_write (folder, "c.csv", "when;price;qty\n1;2;3\n");
    cr_expect (strstr (s_complaint (folder, "c.csv", "own"), "column 2 of its first line is not \"px\""));
    snprintf (path, sizeof path, "%s/own.zpl", folder);
    unlink (path);
    rmdir (folder);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Cells, times, durations, ZPL, layouts: from text to meaning.
 */
#include "market_support.h"
#include "sb_zpl.h"

TestSuite (reading, .timeout = 20);

static sb_cells_t s_cells;

static bool s_csv (const char *text)
{
    static char line[4096];
    strcpy (line, text);
    return sb_cells_from_csv (&s_cells, line, strlen (line), ',');
}

static bool s_json (const char *text)
{
    static char line[4096];
    strcpy (line, text);
    return sb_cells_from_json (&s_cells, line, strlen (line));
}

Test (reading, csv_cells_may_be_quoted_and_empty)
{
    cr_assert (s_csv ("a,\"b, \"\"c\"\"\",,\"\",e"));
    cr_assert_eq (s_cells.count, 5);
    cr_assert_str_eq (s_cells.cells[0].data, "a");
    cr_assert_str_eq (s_cells.cells[1].data, "b, \"c\"");
    cr_assert_eq (s_cells.cells[2].size, 0);
    cr_assert_eq (s_cells.cells[3].size, 0);
    cr_assert_str_eq (s_cells.cells[4].data, "e");
}

Test (reading, csv_with_a_quote_left_open_is_no_row)
{
    cr_assert_not (s_csv ("a,\"b"));
    cr_assert_not (s_csv ("a,\"b\"c,d"));
    char many[200] = "";
    for (int i = 0; i < SB_COLUMNS_MAX; i++)
        strcat (many, ",");
    cr_assert_not (s_csv (many));
    cr_assert (s_csv (many + 1));
}

Test (reading, csv_is_cut_at_the_separator_of_its_layout)
{
    char line[] = "a;\"b;c\";1,5;";
    cr_assert (sb_cells_from_csv (&s_cells, line, strlen (line), ';'));
    cr_assert_eq (s_cells.count, 4);
    cr_assert_str_eq (s_cells.cells[1].data, "b;c");
    cr_assert_str_eq (s_cells.cells[2].data, "1,5");
    static const char *const text = "columns = t,p\nmarket = m\nsymbol = X\nroles\n    time = t\n    price = p\n";
    static const struct {
        const char *line;
        char separator;
    } rows[] = {{"", ','}, {"separator = ;\n", ';'}, {"separator = \"|\"\n", '|'}, {"separator = tab\n", '\t'}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char whole[512];
        snprintf (whole, sizeof whole, "%s%s", rows[i].line, text);
        cr_assert_eq (layout_of (whole)->separator, rows[i].separator, "%s", rows[i].line);
    }
}

Test (reading, json_is_flattened_and_unescaped)
{
    cr_assert (s_json ("{\"a\": 1.5e3, \"b\\u00e9\":\"x\\\"\\ud83d\\ude00\", \"o\":{\"p\":{\"q\":true}}, "
                       "\"l\":[1,{\"z\":2}], \"n\":null}"));
    cr_assert_eq (s_cells.count, 4);
    cr_assert_str_eq (s_cells.cells[0].data, "1.5e3");
    cr_assert_str_eq (s_cells.names[1].data, "b\u00e9");
    cr_assert_str_eq (s_cells.cells[1].data, "x\"\U0001F600");
    cr_assert_str_eq (s_cells.names[2].data, "o.p.q");
    cr_assert_str_eq (s_cells.cells[2].data, "true");
    cr_assert_eq (s_cells.cells[3].size, 0);
}

Test (reading, broken_json_is_no_row)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}x",
        "[1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":\"x}",
        "{\"a\":\"\\",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":[1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not (s_json (bad[i]), "taken: %s", bad[i]);
}

static int64_t s_time (const char *text, const char *format, const char *zone_name)
{
    sb_time_format_t kind;
    sb_zone_t zone;
    int64_t unix_ns = -1;
    cr_assert (sb_time_format_parse (sb_text (format), &kind));
    cr_assert (sb_zone_parse (sb_text (zone_name), &zone));
    cr_assert (sb_time_parse (sb_text (text), kind, zone, &unix_ns), "not read: %s", text);
    return unix_ns;
}

Test (reading, times_are_read_in_all_forms)
{
    cr_assert_eq (s_time ("1381132800614", "unix_ms", "UTC"), INT64_C (1381132800614000000));
    cr_assert_eq (s_time ("-1.5", "unix_s", "UTC"), INT64_C (-1500000000));
    cr_assert_eq (s_time ("2013-10-07", "date", "UTC"), INT64_C (1381104000000000000));
    cr_assert_eq (s_time ("20131007", "date", "UTC"), INT64_C (1381104000000000000));
    cr_assert_eq (s_time ("2021-07-31 00:00:00", "date", "UTC"), s_time ("2021-07-31", "date", "UTC"));
    cr_assert_eq (s_time ("2013-10-07T08:00:00.25Z", "date", "America/New_York"), INT64_C (1381132800250000000));
    cr_assert_eq (s_time ("2013-10-07T10:00:00+02:00", "date", "UTC"), INT64_C (1381132800000000000));
    cr_assert_eq (s_time ("1871-01-01", "date", "UTC"), INT64_C (-3124137600) * SB_SECOND_NS);
}

Test (reading, zones_know_daylight_saving_to_the_second)
{
    cr_assert_eq (s_time ("2013-10-07", "date", "America/New_York"), INT64_C (1381118400) * SB_SECOND_NS);
    cr_assert_eq (s_time ("2024-01-02", "date", "America/New_York"), INT64_C (1704171600) * SB_SECOND_NS);
    sb_zone_t zone;
    cr_assert (sb_zone_parse (sb_text ("America/New_York"), &zone));
    int64_t begin = INT64_C (1710054000) * SB_SECOND_NS; /* 2024-03-10T07:00:00Z */
    cr_assert_eq (sb_zone_offset_s (zone, begin - 1), -5 * 3600);
    cr_assert_eq (sb_zone_offset_s (zone, begin), -4 * 3600);
    int64_t end = INT64_C (1730613600) * SB_SECOND_NS; /* 2024-11-03T06:00:00Z */
    cr_assert_eq (sb_zone_offset_s (zone, end - 1), -4 * 3600);
    cr_assert_eq (sb_zone_offset_s (zone, end), -5 * 3600);
    cr_assert (sb_zone_parse (sb_text ("Europe/Berlin"), &zone));
    int64_t spring = INT64_C (1711846800) * SB_SECOND_NS; /* 2024-03-31T01:00:00Z */
    cr_assert_eq (sb_zone_offset_s (zone, spring - 1), 3600);
    cr_assert_eq (sb_zone_offset_s (zone, spring), 7200);
    cr_assert_not (sb_zone_parse (sb_text ("Mars/Olympus"), &zone));
}

Test (reading, what_is_no_time_is_refused)
{
    static const char *const bad[] = {"",
                                      "2013",
                                      "2013-13-01",
                                      "2013-02-29",
                                      "2013-10-07x",
                                      "2013-10-07 25:00",
                                      "1600-01-01",
                                      "2013-10-07T10:00+99:00",
                                      "13-10-07"};
    sb_zone_t utc = {0, SB_SUMMER_NONE};
    int64_t unix_ns;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not (sb_time_parse (sb_text (bad[i]), SB_TIME_FORMAT_DATE, utc, &unix_ns), "taken: %s", bad[i]);
    cr_assert_not (sb_time_parse (sb_text ("99999999999999999999"), SB_TIME_FORMAT_UNIX_NS, utc, &unix_ns));
    cr_assert_not (sb_time_parse (sb_text ("9999999999999"), SB_TIME_FORMAT_UNIX_S, utc, &unix_ns));
    cr_assert_not (sb_time_parse (sb_text ("12a"), SB_TIME_FORMAT_UNIX_S, utc, &unix_ns));
}

Test (reading, durations_have_units)
{
    int64_t duration_ns;
    cr_assert (sb_duration_parse (sb_text ("16h30m"), &duration_ns) && duration_ns == 59400 * SB_SECOND_NS);
    cr_assert (sb_duration_parse (sb_text ("500ms"), &duration_ns) && duration_ns == SB_SECOND_NS / 2);
    cr_assert (sb_duration_parse (sb_text ("90"), &duration_ns) && duration_ns == 90 * SB_SECOND_NS);
    cr_assert_not (sb_duration_parse (sb_text (""), &duration_ns));
    cr_assert_not (sb_duration_parse (sb_text ("3 weeks"), &duration_ns));
    cr_assert_not (sb_duration_parse (sb_text ("-1s"), &duration_ns));
}

static void s_expect_wrong (const char *text, const char *complaint)
{
    sb_layout_t layout;
    char error[512] = "";
    cr_assert_not (sb_layout_parse (&layout, "test", sb_text (text), error, sizeof error), "taken: %s", text);
    cr_assert (strstr (error, complaint), "'%s' does not say '%s'", error, complaint);
}

Test (reading, bad_layout_names_its_line)
{
    s_expect_wrong ("kind = trade\nkolumns = a\n",
                    "line 2: no such key (README.md in the folder of the layouts explains all): kolumns");
    s_expect_wrong ("kind = tirade\n", "line 1");
    s_expect_wrong ("columns = a,b\nroles\n    time = c\n", "line 3: no such column");
    s_expect_wrong ("columns = a,b\nroles\n    thyme = a\n", "line 3: none of the roles time market");
    s_expect_wrong ("separator = ::\n", "line 1: none of , ; | tab");
    s_expect_wrong ("separator = x\n", "line 1: none of , ; | tab");
    s_expect_wrong ("kind = trades\n",
                    "line 1: none of trade quote sided_quote mixed trade_bar quote_bar series: trades");
    s_expect_wrong ("columns = a,b\nthings\n    x = a\n", "line 3: none of the sections");
    s_expect_wrong ("columns = a,b\nnumbers\n    \"b d\" = a\n", "line 3: not a field name");
    s_expect_wrong ("  kind = trade\n", "line 1: indented");
    s_expect_wrong ("lag = soon\n", "line 1: no duration");
    s_expect_wrong ("kind = trade\ncolumns = t,p\nmarket = m\nsymbol = X\nroles\n    time = t\n",
                    "roles/price is missing");
    s_expect_wrong ("kind = trade_bar\ncolumns = t,p\nmarket = m\nsymbol = X\nroles\n    time = t\n    price = p\n",
                    "bar_length is missing");
    s_expect_wrong ("description = \"open\nkind = trade\n", "line 1: a quote is left open");
}

Test (reading, symbol_comes_from_the_file_name)
{
    sb_layout_t *layout = layout_of ("kind = series\ncolumns = v,t\nmarket = m\nsymbol_from_file = \"onchain_%_ent*\"\n"
                                     "roles\n    time = t\nnumbers\n    onchain_%_index = v\n");
    char error[256];
    cr_assert_not (sb_layout_bind (layout, "-", error, sizeof error));
    cr_assert (strstr (error, "--as"));
    cr_assert (sb_layout_bind (layout, "onchain_Aave_ent.csv", error, sizeof error));
    cr_assert_str_eq (layout->symbol, "Aave");
    cr_assert_str_eq (layout->fields[0].name, "onchain_aave_index");
}

Test (reading, numbers_are_exact_and_finite)
{
    double number;
    cr_assert (sb_number_read (sb_text ("61837.63000000"), &number) == SB_REJECTION_NONE && number == 61837.63);
    cr_assert (sb_number_read (sb_text ("33.35399601000002"), &number) == SB_REJECTION_NONE &&
               number == 33.35399601000002);
    cr_assert (sb_number_read (sb_text ("-36.98"), &number) == SB_REJECTION_NONE && number == -36.98);
    cr_assert (sb_number_read (sb_text ("1e-3"), &number) == SB_REJECTION_NONE && number == 0.001);
    cr_assert_eq (sb_number_read (sb_text ("nan"), &number), SB_REJECTION_NOT_FINITE);
    cr_assert_eq (sb_number_read (sb_text ("-Infinity"), &number), SB_REJECTION_NOT_FINITE);
    cr_assert_eq (sb_number_read (sb_text ("1e999"), &number), SB_REJECTION_NOT_FINITE);
    static const char *const bad[] = {"", "-", ".", "1.2.3", "0x10", "12a", " 1", "1 ", "1,5", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq (sb_number_read (sb_text (bad[i]), &number), SB_REJECTION_BAD_NUMBER, "taken: '%s'", bad[i]);
}

Test (reading, the_guide_names_every_key_kind_and_role)
{
    char path[4096], word[64];
    const char *source = getenv ("SB_SOURCE_DIR");
    snprintf (path, sizeof path, "%s/agents/market/layouts/README.md", source ? source : ".");
    FILE *file = fopen (path, "r");
    cr_assert (file, "cannot open %s", path);
    static char text[65536];
    text[fread (text, 1, sizeof text - 1, file)] = 0;
    fclose (file);
    for (uint32_t i = 0; sb_layout_key (i); i++) {
        snprintf (word, sizeof word, "`%s`", sb_layout_key (i));
        cr_expect (strstr (text, word), "%s is not explained", word);
    }
#define SB_KIND_CHECK(name, word_text, help) cr_expect (strstr (text, "| `" word_text "` |"));
    SB_LAYOUT_KIND_TABLE (SB_KIND_CHECK)
#define SB_ROLE_CHECK(name, word_text, number, help) cr_expect (strstr (text, "`" word_text "`"));
    SB_ROLE_TABLE (SB_ROLE_CHECK)
}

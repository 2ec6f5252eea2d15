/* SPDX-License-Identifier: MPL-2.0
 *
 * How values look to people, and text in columns.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"
#include "sb_table.h"

static char s_text[SB_DISPLAY_SIZE];

Test (display, durations_are_readable)
{
    static const struct {
        double ns;
        const char *text;
    } rows[] = {{0, "0s"},         {850, "850ns"},    {12300, "12.3us"},  {4560000, "4.56ms"},
                {1.2e9, "1.20s"},  {59e9, "59s"},     {60e9, "1m00s"},    {184e9, "3m04s"},
                {3600e9, "1h00m"}, {7500e9, "2h05m"}, {86400e9, "1d00h"}, {273600e9, "3d04h"},
                {-1, "-"},         {NAN, "-"},        {1000, "1us"},      {999, "999ns"}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
        cr_expect_str_eq (sb_display_duration_ns (rows[i].ns, s_text), rows[i].text);
}

Test (display, numbers_are_grouped_and_never_nan)
{
    cr_expect_str_eq (sb_display_integer (0, s_text), "0");
    cr_expect_str_eq (sb_display_integer (999, s_text), "999");
    cr_expect_str_eq (sb_display_integer (573620, s_text), "573,620");
    cr_expect_str_eq (sb_display_integer (-1234567, s_text), "-1,234,567");
    cr_expect_str_eq (sb_display_number (12.5, s_text), "12.5");
    cr_expect_str_eq (sb_display_number (1234.5, s_text), "1,234.5");
    cr_expect_str_eq (sb_display_number (0.00025, s_text), "0.00025");
    cr_expect_str_eq (sb_display_number (1.0, s_text), "1");
    cr_expect_str_eq (sb_display_number (INFINITY, s_text), "-");
}

Test (display, short_numbers_have_at_most_five_characters_when_positive)
{
    for (double number = 0.001; number < 1e14; number *= 1.07)
        cr_expect_leq (strlen (sb_display_short (number, s_text)), 5, "%g gave %s", number, s_text);
    cr_expect_str_eq (sb_display_short (0.873, s_text), "0.87");
    cr_expect_str_eq (sb_display_short (9999, s_text), "9999");
    cr_expect_str_eq (sb_display_short (12345, s_text), "12.3k");
    cr_expect_str_eq (sb_display_short (4500000, s_text), "4.50M");
}

Test (display, times_are_utc)
{
    cr_expect_str_eq (sb_display_time (1723161600123000000, s_text), "2024-08-09 00:00:00.123Z");
    cr_expect_str_eq (sb_display_time (0, s_text), "-");
}

Test (display, texts_cannot_steer_the_terminal)
{
    cr_expect_str_eq (sb_display_text (sb_text ("a\033[2Jb"), s_text), "a?[2Jb");
    cr_expect_str_eq (sb_display_text (sb_text ("a\nb\tc\x7f"), s_text), "a?b?c?");
    cr_expect_str_eq (sb_display_text (sb_text ("\xc2\x9b"), s_text), "??");
    cr_expect_str_eq (sb_display_text (sb_text ("\xff\xe2\x82\xac"), s_text), "?\xe2\x82\xac");
}

Test (display, a_long_text_is_cut_between_characters)
{
    char source[2000];
    for (int i = 0; i < 1998; i += 2)
        memcpy (source + i, "\xc3\xa9", 2);
    sb_display_text ((sb_text_t){source, 1998}, s_text);
    cr_expect (sb_text_is_utf8 (sb_text (s_text)));
    cr_expect_lt (strlen (s_text), SB_DISPLAY_SIZE);
}

Test (display, units_choose_the_form)
{
    sb_value_t value = {.kind = SB_VALUE_INTEGER, .integer = 184000};
    cr_expect_str_eq (sb_display_value (&value, "ms", s_text), "3m04s");
    cr_expect_str_eq (sb_display_value (&value, "bytes", s_text), "180 KiB");
    cr_expect_str_eq (sb_display_value (&value, "1", s_text), "184,000");
    cr_expect_str_eq (sb_display_value (&value, "id", s_text), "184000");
}

Test (display, colours_are_off_when_not_asked_for)
{
    FILE *stream = tmpfile ();
    cr_expect_not (sb_display_has_colour (stream));
    fclose (stream);
}

static char *s_print (const sb_table_t *table, bool has_colour)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream (&text, &size);
    sb_table_print (table, stream, has_colour);
    fclose (stream);
    return text;
}

Test (table, columns_are_aligned_and_numbers_stand_right)
{
    sb_table_t *table = sb_table_new ();
    sb_table_column (table, "name", false);
    sb_table_column (table, "n", true);
    sb_table_column (table, "end", false);
    sb_table_row (table);
    sb_table_cell (table, "a", SB_MARK_PLAIN);
    sb_table_cell (table, "1,000", SB_MARK_PLAIN);
    sb_table_cell (table, "x", SB_MARK_BAD);
    sb_table_row (table);
    sb_table_cell (table, "\xc3\xa9t\xc3\xa9-long", SB_MARK_PLAIN);
    sb_table_row (table);
    sb_table_cell (table, "b", SB_MARK_PLAIN);
    sb_table_cell (table, "7", SB_MARK_PLAIN);
    char *text = s_print (table, false);
    cr_expect_str_eq (text, "name          n  end\n"
                            "a         1,000  x\n"
                            "\xc3\xa9t\xc3\xa9-long         \n"
                            "b             7  \n");
    free (text);
    text = s_print (table, true);
    cr_expect_not_null (strstr (text, "\033[1;31mx\033[0m"));
    free (text);
    sb_table_destroy (&table);
}

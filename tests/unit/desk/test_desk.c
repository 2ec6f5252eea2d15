/* SPDX-License-Identifier: MPL-2.0
 *
 * Options, records and summary.
 */
#include "sb_options.h"
#include "sb_records.h"
#include "sb_summary.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool flag;
    const char *text;
    double number;
    uint32_t integer;
} s_targets_t;

/* Parses up to 4 words; *error gets the sentence. */
static sb_options_result_t s_parse (s_targets_t *targets, char error[256], const char *one, const char *two,
                                    const char *three, const char *four)
{
    const sb_option_t options[] = {
        {"flag", NULL, SB_OPTION_FLAG, &targets->flag, 0, 0, "a flag"},
        {"text", "TEXT", SB_OPTION_TEXT, &targets->text, 0, 0, "a text"},
        {"number", "N", SB_OPTION_NUMBER, &targets->number, -1, 1, "a number"},
        {"integer", "N", SB_OPTION_INTEGER, &targets->integer, 1, 10, "a whole number"},
    };
    char *words[] = {(char *)"program", (char *)one, (char *)two, (char *)three, (char *)four};
    int count = 1;
    while (count < 5 && words[count])
        count++;
    return sb_options_parse (options, 4, count, words, error, 256);
}

Test (options, both_spellings_of_a_value_are_read)
{
    s_targets_t targets = {0};
    char error[256];
    cr_assert_eq (s_parse (&targets, error, "--flag", "--text=a=b", "--number", "-0.5"), SB_OPTIONS_OK);
    cr_assert (targets.flag);
    cr_assert_str_eq (targets.text, "a=b");
    cr_assert_eq (targets.number, -0.5);
    cr_assert_eq (s_parse (&targets, error, "--integer=10", NULL, NULL, NULL), SB_OPTIONS_OK);
    cr_assert_eq (targets.integer, 10);
    cr_assert_eq (s_parse (&targets, error, "--help", NULL, NULL, NULL), SB_OPTIONS_HELP);
    cr_assert_eq (s_parse (&targets, error, "--version", NULL, NULL, NULL), SB_OPTIONS_VERSION);
}

Test (options, each_mistake_has_a_sentence)
{
    static const struct {
        const char *one, *two, *sentence;
    } cases[] = {
        {"--nothing", NULL, "there is no option --nothing: see --help"},
        {"word", NULL, "'word' is no option: options begin with --, see --help"},
        {"--text", NULL, "--text needs a value: TEXT"},
        {"--flag=1", NULL, "--flag takes no value"},
        {"--number", "2", "--number 2: a number from -1 to 1 is needed"},
        {"--number", "nan", "--number nan: a number from -1 to 1 is needed"},
        {"--number", "0.5x", "--number 0.5x: a number from -1 to 1 is needed"},
        {"--integer", "1.5", "--integer 1.5: a whole number from 1 to 10 is needed"},
        {"--integer", "0", "--integer 0: a whole number from 1 to 10 is needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s_targets_t targets = {0};
        char error[256];
        cr_assert_eq (s_parse (&targets, error, cases[i].one, cases[i].two, NULL, NULL), SB_OPTIONS_BAD);
        cr_assert_str_eq (error, cases[i].sentence);
    }
}

Test (records, keep_their_place_and_their_order_when_many_are_made)
{
    sb_records_t *records = sb_records_new (sizeof (uint32_t), 1000);
    uint32_t *first = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        char name[32];
        snprintf (name, sizeof name, "us:S%u", i);
        uint32_t *record = sb_records_take (records, (sb_text_t){name, (uint32_t)strlen (name)});
        cr_assert_eq (*record, 0, "a new record is zeroed");
        *record = i;
        if (!first)
            first = record;
    }
    cr_assert_null (sb_records_take (records, (sb_text_t){"more", 4}), "full");
    cr_assert_eq (sb_records_find (records, (sb_text_t){"us:S0", 5}), first);
    cr_assert_null (sb_records_find (records, (sb_text_t){"us:S", 4}));
    const char *name;
    cr_assert_eq (*(uint32_t *)sb_records_at (records, 777, &name), 777);
    cr_assert_str_eq (name, "us:S777");
    sb_records_destroy (&records);
    cr_assert_null (records);
}

Test (records, empty_names_are_names_and_long_ones_are_refused)
{
    sb_records_t *records = sb_records_new (8, 2);
    char name[66];
    memset (name, 'x', sizeof name);
    cr_assert_not_null (sb_records_take (records, (sb_text_t){NULL, 0}));
    cr_assert_null (sb_records_take (records, (sb_text_t){name, 65}));
    cr_assert_not_null (sb_records_take (records, (sb_text_t){name, 64}));
    cr_assert_eq (sb_records_count (records), 2);
    sb_records_destroy (&records);
}

Test (summary, json_is_escaped_and_has_no_numbers_that_json_lacks)
{
    sb_summary_t *summary = sb_summary_new ();
    sb_summary_string (summary, "text", "a \"b\" \\ \n");
    sb_summary_integer (summary, "count", UINT64_C (9007199254740991));
    sb_summary_number (summary, "none", NAN);
    sb_summary_number (summary, "pnl", -1.5);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream (&text, &size);
    sb_summary_print (summary, stream, true);
    fclose (stream);
    cr_assert_str_eq (text, "{\"text\": \"a \\\"b\\\" \\\\ \\u000a\", \"count\": 9007199254740991, \"none\": null, "
                            "\"pnl\": -1.5}\n");
    free (text);
    sb_summary_destroy (&summary);
    cr_assert_null (summary);
}

Test (summary, rows_beyond_its_room_are_said_to_be_left_out)
{
    sb_summary_t *summary = sb_summary_new ();
    for (int i = 0; i < SB_SUMMARY_ROWS + 3; i++)
        sb_summary_integer (summary, "row", (uint64_t)i);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream (&text, &size);
    sb_summary_print (summary, stream, false);
    fclose (stream);
    cr_assert_not_null (strstr (text, "rows_left_out 3"));
    free (text);
    sb_summary_destroy (&summary);
}

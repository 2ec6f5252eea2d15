/* SPDX-License-Identifier: MPL-2.0
 *
 * Values as people write them, decimals without rounding, base64.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "sb_literal.h"
#include "sb_names.h"

static sb_value_t s_read (const char *literal, sb_parameter_kind_t kind)
{
    sb_value_t value;
    sb_arena_t *arena = sb_arena_new (1 << 16);
    const char *problem = sb_literal_value (literal, kind, arena, &value);
    cr_assert_null (problem, "%s: %s", literal, problem);
    return value;
}

static void s_refuse (const char *literal, sb_parameter_kind_t kind)
{
    sb_value_t value;
    sb_arena_t *arena = sb_arena_new (1 << 16);
    cr_assert_not_null (sb_literal_value (literal, kind, arena, &value), "%s was taken", literal);
    sb_arena_destroy (&arena);
}

Test (literal, kind_follows_the_form)
{
    static const struct {
        const char *literal;
        sb_value_kind_t kind;
    } rows[] = {{"3", SB_VALUE_INTEGER},
                {"-3", SB_VALUE_INTEGER},
                {"+3", SB_VALUE_INTEGER},
                {"3.0", SB_VALUE_NUMBER},
                {"1e3", SB_VALUE_NUMBER},
                {".5", SB_VALUE_NUMBER},
                {"-1.5E-3", SB_VALUE_NUMBER},
                {"true", SB_VALUE_BOOLEAN},
                {"false", SB_VALUE_BOOLEAN},
                {"True", SB_VALUE_TEXT},
                {"nan", SB_VALUE_TEXT},
                {"inf", SB_VALUE_TEXT},
                {"0x10", SB_VALUE_TEXT},
                {"", SB_VALUE_TEXT},
                {"1.2.3", SB_VALUE_TEXT},
                {"-", SB_VALUE_TEXT},
                {"1e", SB_VALUE_TEXT},
                {" 3", SB_VALUE_TEXT},
                {"text:42", SB_VALUE_TEXT},
                {"text:null", SB_VALUE_TEXT},
                {"decimal:64250.10", SB_VALUE_DECIMAL},
                {"base64:AAEC", SB_VALUE_BYTES},
                {"BUY", SB_VALUE_TEXT}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
        cr_expect_eq (s_read (rows[i].literal, SB_PARAMETER_ANY).kind, rows[i].kind, "%s", rows[i].literal);
}

Test (literal, prefix_is_not_part_of_the_text)
{
    sb_value_t value = s_read ("text:42", SB_PARAMETER_ANY);
    cr_expect (sb_text_equal (value.text, sb_text ("42")));
    value = s_read ("text:7", SB_PARAMETER_TEXT);
    cr_expect (sb_text_equal (value.text, sb_text ("7")));
    value = s_read ("9", SB_PARAMETER_TEXT);
    cr_expect (sb_text_equal (value.text, sb_text ("9")));
}

Test (literal, wrong_types_are_refused)
{
    s_refuse ("-1", SB_PARAMETER_INTEGER);
    s_refuse ("1.5", SB_PARAMETER_INTEGER);
    s_refuse ("", SB_PARAMETER_INTEGER);
    s_refuse ("9223372036854775808", SB_PARAMETER_INTEGER);
    s_refuse ("9223372036854775808", SB_PARAMETER_ANY);
    s_refuse ("1e999", SB_PARAMETER_ANY);
    s_refuse ("nan", SB_PARAMETER_NUMBER);
    s_refuse ("yes", SB_PARAMETER_BOOLEAN);
    s_refuse ("null", SB_PARAMETER_ANY);
    s_refuse ("\xff", SB_PARAMETER_TEXT);
    s_refuse ("base64:AAE", SB_PARAMETER_ANY);
    s_refuse ("base64:A===", SB_PARAMETER_ANY);
    s_refuse ("decimal:1e5", SB_PARAMETER_ANY);
    s_refuse ("decimal:1234567890123456789", SB_PARAMETER_ANY);
    s_refuse ("decimal:", SB_PARAMETER_ANY);
    cr_expect_eq (s_read ("9223372036854775807", SB_PARAMETER_INTEGER).integer, INT64_MAX);
}

Test (literal, change_has_a_name_and_null_deletes)
{
    sb_change_t change;
    sb_arena_t *arena = sb_arena_new (1 << 16);
    cr_assert_null (sb_literal_change ("position.BTC.qty=1.5", arena, &change));
    cr_expect (sb_text_equal (change.name, sb_text ("position.BTC.qty")));
    cr_expect_float_eq (change.value.number, 1.5, 1e-12);
    cr_assert_null (sb_literal_change ("old=null", arena, &change));
    cr_expect (change.is_delete);
    cr_expect_eq (change.value.kind, SB_VALUE_NONE);
    cr_expect_not_null (sb_literal_change ("price", arena, &change));
    cr_expect_not_null (sb_literal_change ("=1", arena, &change));
    cr_expect_not_null (sb_literal_change ("a..b=1", arena, &change));
    cr_expect_not_null (sb_literal_change ("a b=1", arena, &change));
    sb_arena_destroy (&arena);
}

Test (literal, decimals_keep_every_digit)
{
    static const struct {
        int64_t unscaled;
        int32_t exponent;
        const char *text;
    } rows[] = {{6425010, -2, "64250.10"},
                {5, -3, "0.005"},
                {-5, -3, "-0.005"},
                {0, -2, "0.00"},
                {0, 5, "0"},
                {123, 0, "123"},
                {12, 3, "12000"},
                {INT64_MIN, 0, "-9223372036854775808"},
                {INT64_MIN, -19, "-0.9223372036854775808"},
                {INT64_MIN, -18, "-9.223372036854775808"},
                {7, 64, "7e64"},
                {1, -64, "0.0000000000000000000000000000000000000000000000000000000000000001"}};
    char text[SB_DECIMAL_TEXT_SIZE];
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
        cr_expect_str_eq (sb_decimal_text (rows[i].unscaled, rows[i].exponent, text), rows[i].text);
    sb_value_t value = s_read ("decimal:-64250.10", SB_PARAMETER_ANY);
    cr_expect_eq (value.decimal.unscaled, -6425010);
    cr_expect_eq (value.decimal.exponent, -2);
    value = s_read ("decimal:0.020000000000000000", SB_PARAMETER_ANY); /* its first zero is none of the 18 digits */
    cr_expect_eq (value.decimal.unscaled, INT64_C (20000000000000000));
    cr_expect_eq (value.decimal.exponent, -18);
    cr_expect_eq (s_read ("decimal:-0", SB_PARAMETER_ANY).decimal.unscaled, 0);
}

Test (literal, base64_reads_what_it_wrote)
{
    uint8_t data[256];
    uint8_t back[300];
    char text[400];
    uint32_t size;
    for (int i = 0; i < 256; i++)
        data[i] = (uint8_t)i;
    for (size_t octets = 0; octets <= 256; octets++) {
        sb_base64_encode (data, octets, text);
        cr_assert (sb_base64_decode (text, sb_base64_size (octets), back, &size));
        cr_assert_eq (size, octets);
        cr_assert (memcmp (data, back, octets) == 0);
    }
    cr_expect_not (sb_base64_decode ("A=AA", 4, back, &size));
    cr_expect_not (sb_base64_decode ("AA==AAAA", 8, back, &size));
}

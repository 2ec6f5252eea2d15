/* SPDX-License-Identifier: MPL-2.0
 *
 * The JSON that is written, and the deltas that are read from JSON lines.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sb_json.h"
#include "sb_json_reader.h"
#include "sb_names.h"

static const char *s_value (const sb_value_t *value)
{
    static sb_json_t *json;
    sb_json_destroy (&json);
    json = sb_json_new ();
    sb_json_value (json, value);
    return sb_json_text (json);
}

static const char *s_string (const char *data, uint32_t size)
{
    sb_value_t value = {.kind = SB_VALUE_TEXT, .text = {data, size}};
    return s_value (&value);
}

Test (json, texts_are_escaped)
{
    cr_expect_str_eq (s_string ("a\"b\\c", 5), "\"a\\\"b\\\\c\"");
    cr_expect_str_eq (s_string ("\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
    cr_expect_str_eq (s_string ("\x01\x1f\x7f", 3), "\"\\u0001\\u001f\\u007f\"");
    cr_expect_str_eq (s_string ("x\0y", 3), "\"x\\u0000y\"");
    cr_expect_str_eq (s_string ("\xe2\x82\xac", 3), "\"\xe2\x82\xac\"");
}

Test (json, octets_that_are_no_utf8_never_leave)
{
    cr_expect_str_eq (s_string ("a\xff", 2), "\"a\xef\xbf\xbd\"");
    cr_expect_str_eq (s_string ("\xe2\x82", 2), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    cr_expect_str_eq (s_string ("\xed\xa0\x80", 3), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

Test (json, numbers_read_back_the_same_and_are_never_infinite)
{
    static const double numbers[] = {0, 1.5, 0.1, 1e300, -2.5e-300, 1.0 / 3, 64250.1, 123456789012345680.0};
    for (size_t i = 0; i < sizeof (numbers) / sizeof (numbers[0]); i++) {
        sb_value_t value = {.kind = SB_VALUE_NUMBER, .number = numbers[i]};
        cr_expect (strtod (s_value (&value), NULL) == numbers[i], "%s", s_value (&value));
    }
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = 0.1}), "0.1");
    /* One type for a reader, whatever the value. */
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = 1}), "1.0");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = -0.0}), "-0.0");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = 1e300}), "1e+300");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = NAN}), "null");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_NUMBER, .number = -INFINITY}), "null");
}

Test (json, integers_beyond_2_to_53_are_texts)
{
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = 9007199254740991}),
                      "9007199254740991");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = 9007199254740992}),
                      "\"9007199254740992\"");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = -9007199254740991}),
                      "-9007199254740991");
    cr_expect_str_eq (s_value (&(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = INT64_MIN}),
                      "\"-9223372036854775808\"");
}

Test (json, other_values_have_their_forms)
{
    sb_value_t value = {.kind = SB_VALUE_DECIMAL, .decimal = {6425010, -2}};
    cr_expect_str_eq (s_value (&value), "\"64250.10\"");
    value = (sb_value_t){.kind = SB_VALUE_BYTES, .bytes = {"\0\1\2\3", 4}};
    cr_expect_str_eq (s_value (&value), "{\"base64\":\"AAECAw==\"}");
    value = (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = true};
    cr_expect_str_eq (s_value (&value), "true");
    value = (sb_value_t){.kind = SB_VALUE_NONE};
    cr_expect_str_eq (s_value (&value), "null");
}

Test (json, a_publication_has_all_its_members)
{
    sb_change_t changes[] = {{.name = sb_text ("price"), .value = {.kind = SB_VALUE_NUMBER, .number = 1.5}},
                             {.name = sb_text ("old"), .is_delete = true}};
    sb_update_t update = {.sequence = 7, .event_unix_ns = 1700000000000000000, .changes = changes, .change_count = 2};
    sb_publication_t publication = {.topic = sb_text ("market_data.feed.spot:BTC"),
                                    .stream_id = 1,
                                    .epoch = 2,
                                    .sequence = 3,
                                    .category_sequence = 4,
                                    .topic_sequence = 5,
                                    .agent_sequence = 6,
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    sb_json_t *json = sb_json_new ();
    sb_json_publication (json, &publication);
    cr_expect_str_eq (
        sb_json_text (json),
        "{\"topic\":\"market_data.feed.spot:BTC\",\"category\":\"market_data\",\"agent_id\":\"feed\","
        "\"subject\":\"spot:BTC\",\"stream_id\":1,\"epoch\":2,\"sequence\":3,\"category_sequence\":4,"
        "\"topic_sequence\":5,\"agent_sequence\":6,\"broker_unix_ns\":\"0\",\"quality\":\"OK\",\"cause\":\"NONE\","
        "\"updates\":[{\"sequence\":7,\"event_unix_ns\":\"1700000000000000000\",\"origin_unix_ns\":\"0\","
        "\"changes\":{\"price\":1.5,\"old\":null}}]}");
    sb_json_destroy (&json);
    cr_expect_null (json);
}

Test (json, a_conflated_publication_names_its_plain_topic_and_what_was_merged)
{
    sb_update_t update = {.sequence = 7, .publication_sequence = 3};
    sb_publication_t publication = {.topic = sb_text ("~conflated.1000.market_data.feed.spot:BTC"),
                                    .category_sequence = 4,
                                    .topic_sequence = 9,
                                    .first_topic_sequence = 5,
                                    .conflated_sequence = 2,
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    sb_json_t *json = sb_json_new ();
    sb_json_publication (json, &publication);
    const char *text = sb_json_text (json);
    cr_expect (strstr (text, "{\"topic\":\"market_data.feed.spot:BTC\",\"category\":\"market_data\",") == text, "%s",
               text);
    cr_expect_not_null (strstr (text, "\"topic_sequence\":9,\"first_topic_sequence\":5,\"conflated_sequence\":2,"
                                      "\"conflated_ms\":1000,"),
                        "%s", text);
    cr_expect_not_null (strstr (text, "{\"sequence\":7,\"publication_sequence\":3,"), "%s", text);
    sb_json_destroy (&json);
}

static const char *s_read (const char *line, sb_delta_t *delta)
{
    static sb_arena_t *arena;
    uint32_t place;
    sb_arena_destroy (&arena);
    arena = sb_arena_new (1 << 20);
    return sb_json_read_delta (line, arena, delta, &place);
}

Test (json_reader, reads_every_kind)
{
    sb_delta_t delta;
    const char *problem = s_read (
        " { \"category\" : \"market_data\", \"subject\":\"spot:BTC\", \"origin_unix_ns\":\"1700000000000000000\","
        "\"changes\":{\"a\":1.5,\"b\":3,\"c\":-0,\"d\":true,\"e\":false,\"f\":null,\"g\":\"x\\u20ac\\n\","
        "\"h\":{\"decimal\":\"64250.10\"},\"i\":{\"base64\":\"AAEC\"},\"j\":1e3}} ",
        &delta);
    cr_assert_null (problem, "%s", problem);
    cr_expect (sb_text_equal (delta.category, sb_text ("market_data")));
    cr_expect (sb_text_equal (delta.subject, sb_text ("spot:BTC")));
    cr_expect_eq (delta.update.origin_unix_ns, 1700000000000000000);
    cr_assert_eq (delta.update.change_count, 10);
    static const sb_value_kind_t kinds[] = {SB_VALUE_NUMBER,  SB_VALUE_INTEGER, SB_VALUE_INTEGER, SB_VALUE_BOOLEAN,
                                            SB_VALUE_BOOLEAN, SB_VALUE_NONE,    SB_VALUE_TEXT,    SB_VALUE_DECIMAL,
                                            SB_VALUE_BYTES,   SB_VALUE_NUMBER};
    for (int i = 0; i < 10; i++)
        cr_expect_eq (delta.update.changes[i].value.kind, kinds[i], "change %d", i);
    cr_expect (delta.update.changes[3].value.boolean);
    cr_expect_not (delta.update.changes[4].value.boolean);
    cr_expect (delta.update.changes[5].is_delete);
    cr_expect (sb_text_equal (delta.update.changes[6].value.text, sb_text ("x\xe2\x82\xac\n")));
    cr_expect_eq (delta.update.changes[8].value.bytes.size, 3);
}

Test (json_reader, a_time_to_live_is_whole_milliseconds)
{
    sb_delta_t delta;
    cr_expect_null (s_read ("{\"time_to_live_ms\":4294967295,\"changes\":{\"a\":1}}", &delta));
    cr_expect_eq (delta.time_to_live_ms, UINT32_MAX);
    cr_expect_null (s_read ("{\"changes\":{\"a\":1}}", &delta));
    cr_expect_eq (delta.time_to_live_ms, 0, "the category's");
    static const char *const bad[] = {"0", "-1", "4294967296", "1.5", "\"5\"", "null"};
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        char line[128];
        snprintf (line, sizeof (line), "{\"time_to_live_ms\":%s,\"changes\":{\"a\":1}}", bad[i]);
        cr_expect_not_null (s_read (line, &delta), "%s", line);
    }
}

Test (json_reader, surrogate_pairs_make_one_character)
{
    sb_delta_t delta;
    cr_assert_null (s_read ("{\"changes\":{\"a\":\"\\ud83d\\ude00\"}}", &delta));
    cr_expect (sb_text_equal (delta.update.changes[0].value.text, sb_text ("\xf0\x9f\x98\x80")));
}

Test (json_reader, nonsense_is_refused_with_a_sentence)
{
    static const char *const lines[] = {"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "3",
                                        "{\"changes\":{}}",
                                        "{\"changes\":3}",
                                        "{\"changes\":{\"a\":1}",
                                        "{\"changes\":{\"a\":1}} x",
                                        "{\"changes\":{\"a\":1,}}",
                                        "{\"changes\":{\"a\":01}}",
                                        "{\"changes\":{\"a\":1.}}",
                                        "{\"changes\":{\"a\":.5}}",
                                        "{\"changes\":{\"a\":1e}}",
                                        "{\"changes\":{\"a\":NaN}}",
                                        "{\"changes\":{\"a\":1e999}}",
                                        "{\"changes\":{\"a\":+1}}",
                                        "{\"changes\":{\"a\":9223372036854775808}}",
                                        "{\"changes\":{\"a\":[1]}}",
                                        "{\"changes\":{\"a\":{\"b\":\"1\"}}}",
                                        "{\"changes\":{\"a\":{\"decimal\":\"x\"}}}",
                                        "{\"changes\":{\"a\":{\"base64\":\"AAE\"}}}",
                                        "{\"changes\":{\"a\":\"x}}",
                                        "{\"changes\":{\"a\":\"\\x\"}}",
                                        "{\"changes\":{\"a\":\"\\u12g4\"}}",
                                        "{\"changes\":{\"a\":\"\\ud83d\"}}",
                                        "{\"changes\":{\"a\":\"\\ude00\"}}",
                                        "{\"changes\":{\"a\":\"\\u0000\"}}",
                                        "{\"changes\":{\"a\":\"\xff\"}}",
                                        "{\"changes\":{\"a\":\"\n\"}}",
                                        "{\"price\":1}",
                                        "{\"category\":3,\"changes\":{\"a\":1}}",
                                        "{\"event_unix_ns\":1.5,\"changes\":{\"a\":1}}",
                                        "{\"event_unix_ns\":\"x\",\"changes\":{\"a\":1}}",
                                        "{\"changes\":{\"a\":1e}",
                                        "{\"changes\":{\"a\":tru}}",
                                        "{\"changes\":{\"a\"}}",
                                        "{\"changes\":{a:1}}"};
    for (size_t i = 0; i < sizeof (lines) / sizeof (lines[0]); i++) {
        sb_delta_t delta;
        cr_expect_not_null (s_read (lines[i], &delta), "%s was taken", lines[i]);
    }
}

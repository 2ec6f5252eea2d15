/* SPDX-License-Identifier: MPL-2.0
 *
 * Names, topics, interests and UTF-8, by tables of what is and what is not one.
 */
#include "sb_names.h"

#include <criterion/criterion.h>
#include <string.h>

#define REPEAT_8(octet) octet octet octet octet octet octet octet octet
#define OCTETS_32       REPEAT_8 ("abcd")
#define OCTETS_64       OCTETS_32 OCTETS_32
#define OCTETS_128      OCTETS_64 OCTETS_64

/* A text over a literal, NULs in it included. */
#define TEXT(literal) ((sb_text_t){(literal), (uint32_t)sizeof (literal) - 1})

typedef struct {
    sb_text_t text;
    bool valid;
} sb_name_row_t;

static void s_check (bool (*is_valid) (sb_text_t), const sb_name_row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_expect_eq (is_valid (rows[i].text), rows[i].valid, "row %zu: \"%.*s\"", i, (int)rows[i].text.size,
                      rows[i].text.data);
}
#define CHECK(is_valid, rows) s_check ((is_valid), (rows), sizeof (rows) / sizeof (rows)[0])

Test (names, category_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT ("market_data"), true}, {TEXT ("a"), true},         {TEXT ("0"), true},
        {TEXT ("a_"), true},          {TEXT (OCTETS_32), true},   {TEXT ("alll"), true},
        {TEXT (""), false},           {TEXT ("all"), false},      {TEXT ("_event"), false},
        {TEXT ("A"), false},          {TEXT ("a-b"), false},      {TEXT ("a.b"), false},
        {TEXT ("a\0b"), false},       {TEXT ("\xc3\xa9"), false}, {TEXT (OCTETS_32 "a"), false},
        {TEXT ("a "), false},
    };
    CHECK (sb_name_is_category, rows);
}

Test (names, agent_id_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT ("feed"), true},    {TEXT ("A"), true},    {TEXT ("a_b:c/d-9"), true}, {TEXT ("-"), true},
        {TEXT (OCTETS_64), true}, {TEXT (""), false},    {TEXT ("_broker"), false},  {TEXT ("a.b"), false},
        {TEXT ("a b"), false},    {TEXT ("a\0"), false}, {TEXT ("\xff"), false},     {TEXT (OCTETS_64 "a"), false},
        {TEXT ("~join"), false},  {TEXT ("a\n"), false},
    };
    CHECK (sb_name_is_agent_id, rows);
}

Test (names, subject_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT (""), true},   {TEXT ("spot:BTC/USDT"), true}, {TEXT ("_x"), true},   {TEXT (OCTETS_64), true},
        {TEXT ("."), false}, {TEXT ("a.b"), false},          {TEXT ("a\0"), false}, {TEXT (OCTETS_64 "a"), false},
    };
    CHECK (sb_name_is_subject, rows);
}

Test (names, field_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT ("price"), true},      {TEXT ("position.BTC.qty"), true},
        {TEXT ("_x"), true},         {TEXT ("a"), true},
        {TEXT (OCTETS_128), true},   {TEXT (""), false},
        {TEXT ("."), false},         {TEXT (".a"), false},
        {TEXT ("a."), false},        {TEXT ("a..b"), false},
        {TEXT ("a b"), false},       {TEXT ("a\0b"), false},
        {TEXT ("a\xc0\x80"), false}, {TEXT (OCTETS_128 "a"), false},
    };
    CHECK (sb_name_is_field, rows);
}

Test (names, command_id_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT ("host.4711-1"), true}, {TEXT ("."), true},    {TEXT (OCTETS_64), true},
        {TEXT (""), false},           {TEXT ("a b"), false}, {TEXT (OCTETS_64 "a"), false},
    };
    CHECK (sb_name_is_command_id, rows);
}

Test (names, interest_syntax)
{
    static const sb_name_row_t rows[] = {
        {TEXT ("all"), true},
        {TEXT ("market_data"), true},
        {TEXT ("market_data."), true},
        {TEXT ("market_data.fe"), true},
        {TEXT ("market_data.feed."), true},
        {TEXT ("market_data.feed.spot:BTC"), true},
        {TEXT ("_event"), true},
        {TEXT ("_event._broker.HEALTH"), true},
        {TEXT ("_beat.."), true},
        {TEXT (OCTETS_32 "." OCTETS_64 "." OCTETS_64), true},
        {TEXT (""), false},
        {TEXT ("."), false},
        {TEXT ("_"), false},
        {TEXT ("all."), false},
        {TEXT ("all.feed"), false},
        {TEXT ("Market"), false},
        {TEXT ("market_data..x"), false},
        {TEXT ("market_data.a.b.c"), false},
        {TEXT ("market_data.a.b."), false},
        {TEXT ("market_data.a b"), false},
        {TEXT ("~join.1."), false},
        {TEXT ("market_data\0"), false},
        {TEXT (OCTETS_32 "." OCTETS_64 "." OCTETS_64 "a"), false},
    };
    CHECK (sb_name_is_interest, rows);
}

Test (names, interest_becomes_the_prefix_to_subscribe_to)
{
    static const struct {
        const char *interest, *prefix;
    } rows[] = {
        {"all", ""},          {"market_data", "market_data."}, {"market_data.", "market_data."},
        {"a.feed", "a.feed"}, {"a.feed.", "a.feed."},          {"a.feed.s", "a.feed.s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char prefix[SB_TOPIC_MAX + 1];
        uint32_t size = sb_interest_prefix (sb_text (rows[i].interest), prefix);
        cr_expect (sb_text_equal ((sb_text_t){prefix, size}, sb_text (rows[i].prefix)), "%s", rows[i].interest);
    }
}

Test (names, longest_interest_fits_its_prefix)
{
    char prefix[SB_TOPIC_MAX + 1];
    cr_expect_eq (sb_interest_prefix (TEXT (OCTETS_32), prefix), 33);
    cr_expect_eq (sb_interest_prefix (TEXT (OCTETS_32 "." OCTETS_64 "." OCTETS_64), prefix), SB_TOPIC_MAX);
}

Test (names, prefix_matches_whole_parts_and_all_matches_agents_only)
{
    cr_expect (sb_prefix_matches (TEXT ("market_data."), TEXT ("market_data.feed.")));
    cr_expect_not (sb_prefix_matches (TEXT ("market_data."), TEXT ("market_data2.feed.")));
    cr_expect_not (sb_prefix_matches (TEXT ("market_data."), TEXT ("market_data")));
    cr_expect (sb_prefix_matches (TEXT (""), TEXT ("a.b.c")));
    cr_expect (sb_prefix_matches (TEXT (""), TEXT ("0.b.c")));
    cr_expect_not (sb_prefix_matches (TEXT (""), TEXT ("_beat..")));
    cr_expect_not (sb_prefix_matches (TEXT (""), TEXT ("~join.1.")));
    cr_expect_not (sb_prefix_matches (TEXT (""), TEXT ("")));
}

Test (names, topic_has_exactly_two_dots)
{
    sb_text_t category, agent_id, subject;
    cr_assert (sb_topic_split (TEXT ("market_data.feed.spot:BTC"), &category, &agent_id, &subject));
    cr_expect (sb_text_equal (category, TEXT ("market_data")));
    cr_expect (sb_text_equal (agent_id, TEXT ("feed")));
    cr_expect (sb_text_equal (subject, TEXT ("spot:BTC")));
    cr_assert (sb_topic_split (TEXT ("_beat.."), &category, &agent_id, &subject));
    cr_expect_eq (agent_id.size + subject.size, 0);
    cr_expect_not (sb_topic_split (TEXT (""), &category, &agent_id, &subject));
    cr_expect_not (sb_topic_split (TEXT ("a"), &category, &agent_id, &subject));
    cr_expect_not (sb_topic_split (TEXT ("a.b"), &category, &agent_id, &subject));
    cr_expect_not (sb_topic_split (TEXT ("a.b.c.d"), &category, &agent_id, &subject));
}

Test (names, text_compares_as_octets_with_a_prefix_first)
{
    cr_expect_lt (sb_text_compare (TEXT ("a"), TEXT ("ab")), 0);
    cr_expect_gt (sb_text_compare (TEXT ("ab"), TEXT ("a")), 0);
    cr_expect_lt (sb_text_compare (TEXT (""), TEXT ("a")), 0);
    cr_expect_eq (sb_text_compare (TEXT ("a\0b"), TEXT ("a\0b")), 0);
    cr_expect_gt (sb_text_compare (TEXT ("\xff"), TEXT ("a")), 0);
    cr_expect_eq (sb_text (NULL).size, 0);
    cr_expect (sb_text_equal (sb_text (NULL), TEXT ("")));
}

Test (names, utf8_edges)
{
    static const sb_name_row_t rows[] = {
        {TEXT (""), true},
        {TEXT ("\x01\x7f"), true},
        {TEXT ("\xc2\x80"), true},         /* U+0080, the first of two octets */
        {TEXT ("\xdf\xbf"), true},         /* U+07FF, the last */
        {TEXT ("\xe0\xa0\x80"), true},     /* U+0800, the first of three */
        {TEXT ("\xed\x9f\xbf"), true},     /* U+D7FF, the last before the surrogates */
        {TEXT ("\xee\x80\x80"), true},     /* U+E000, the first after them */
        {TEXT ("\xef\xbf\xbf"), true},     /* U+FFFF */
        {TEXT ("\xf0\x90\x80\x80"), true}, /* U+10000, the first of four */
        {TEXT ("\xf4\x8f\xbf\xbf"), true}, /* U+10FFFF, the last */
        {TEXT ("\0"), false},              /* NUL */
        {TEXT ("a\0"), false},
        {TEXT ("\xc0\x80"), false},         /* NUL, overlong */
        {TEXT ("\xc1\xbf"), false},         /* U+007F, overlong */
        {TEXT ("\xe0\x9f\xbf"), false},     /* U+07FF, overlong */
        {TEXT ("\xf0\x8f\xbf\xbf"), false}, /* U+FFFF, overlong */
        {TEXT ("\xed\xa0\x80"), false},     /* U+D800, the first surrogate */
        {TEXT ("\xed\xbf\xbf"), false},     /* U+DFFF, the last */
        {TEXT ("\xf4\x90\x80\x80"), false}, /* U+110000 */
        {TEXT ("\xf5\x80\x80\x80"), false},
        {TEXT ("\xf8\x88\x80\x80\x80"), false}, /* five octets */
        {TEXT ("\xff"), false},
        {TEXT ("\x80"), false}, /* a lone continuation */
        {TEXT ("\xc2"), false}, /* cut short */
        {TEXT ("\xe0\xa0"), false},
        {TEXT ("\xf0\x90\x80"), false},
        {TEXT ("\xc2"
               "a"),
         false},
        {TEXT ("\xe1\x80"
               "a"),
         false},
        {TEXT ("\xf1\x80\x80"
               "a"),
         false},
        {TEXT ("a\xc3\xa9z"), true},
    };
    CHECK (sb_text_is_utf8, rows);
}

static bool s_is_conflated (const char *text, uint32_t interval_ms, const char *rest)
{
    uint32_t found_ms = 0;
    sb_text_t found = {NULL, 0};
    return sb_conflated_split (sb_text (text), &found_ms, &found) && found_ms == interval_ms &&
           sb_text_equal (found, sb_text (rest));
}

static bool s_is_refused (const char *text)
{
    uint32_t interval_ms;
    sb_text_t rest;
    return !sb_conflated_split (sb_text (text), &interval_ms, &rest);
}

Test (names, conflated_prefix_is_its_interval_and_the_rest)
{
    cr_expect (s_is_conflated ("~conflated.10.market_data.", 10, "market_data."));
    cr_expect (s_is_conflated ("~conflated.60000.a.b.c", 60000, "a.b.c"));
    cr_expect (s_is_conflated ("~conflated.100.", 100, ""));
    cr_expect (s_is_conflated ("~conflated.100..", 100, "."));
}

Test (names, conflated_interval_out_of_range_or_spelled_otherwise)
{
    const char *const wrong[] = {"",
                                 "~conflated.",
                                 "~conflated.100",
                                 "~conflated..a",
                                 "~conflated.9.a",
                                 "~conflated.60001.a",
                                 "~conflated.4294967396.a",
                                 "~conflated.0100.a",
                                 "~conflated.+100.a",
                                 "~conflated.1 0.a",
                                 "~conflated.100a.a",
                                 "conflated.100.a",
                                 "~Conflated.100.a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect (s_is_refused (wrong[i]), "%s", wrong[i]);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * What the answer to a join names is in force, and nothing that only looks like it.
 */
#include <criterion/criterion.h>

#include "sb_conflated.h"
#include "sb_names.h"

static sb_change_t s_text (const char *name, const char *text)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (text)}};
}

/* The answer of a broker that conflates at 100 ms, 1000 ms and 50 ms, and cut the last. */
static bool s_is_in_force (sb_text_t subscription)
{
    sb_change_t heads[] = {{.name = sb_text ("sequence"), .value = {.kind = SB_VALUE_INTEGER, .integer = 9}},
                           {.name = sb_text ("conflation.10"), .value = {.kind = SB_VALUE_INTEGER, .integer = 9}}};
    sb_change_t changes[] = {s_text ("conflation.100", "market_data.* macro.fred.gdp notes.*"),
                             s_text ("conflation.1000", "*"), s_text ("conflation.50", "notes.* ..."),
                             s_text ("conflated.20", "*")};
    const sb_update_t updates[] = {{.changes = heads, .change_count = 2}, {.changes = changes, .change_count = 4}};
    const sb_publication_t answer = {.updates = updates, .update_count = 2};
    return sb_conflated_is_in_force (&answer, subscription);
}

static bool s_holds (const char *subscription)
{
    return s_is_in_force (sb_text (subscription));
}

Test (conflated, first_and_last_of_an_interval_are_in_force)
{
    cr_expect (s_holds ("~conflated.100.market_data."));
    cr_expect (s_holds ("~conflated.100.notes."));
    cr_expect (s_holds ("~conflated.1000."));
    cr_expect (s_holds ("~conflated.50.notes."));
}

Test (conflated, a_topic_and_its_nul_is_another_than_its_prefix)
{
    static const char topic[] = "~conflated.100.macro.fred.gdp";
    static const char category[] = "~conflated.100.market_data.";
    cr_expect (s_is_in_force ((sb_text_t){topic, sizeof (topic)}));
    cr_expect_not (s_is_in_force ((sb_text_t){topic, sizeof (topic) - 1}));
    cr_expect_not (s_is_in_force ((sb_text_t){category, sizeof (category)}));
}

Test (conflated, anothers_prefix_or_interval_is_not_in_force)
{
    static const char *const subscriptions[] = {"~conflated.100.market",    "~conflated.100.market_data.feed.",
                                                "~conflated.100.",          "~conflated.10.market_data.",
                                                "~conflated.1000.notes.",   "~conflated.50.trades.",
                                                "~conflated.20.trades.",    "~conflated.20.",
                                                "~conflated.50....",        "~conflated.100.market_data.*",
                                                "~conflated.9.market_data", "market_data."};
    for (size_t i = 0; i < sizeof subscriptions / sizeof *subscriptions; i++)
        cr_expect_not (s_holds (subscriptions[i]), "%s", subscriptions[i]);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Which inputs are stale between a gap and its recovery.
 */
#include "sb_inputs.h"

#include <criterion/criterion.h>
#include <string.h>

static sb_text_t s_text (const char *string)
{
    return (sb_text_t){string, (uint32_t)strlen (string)};
}

static sb_inputs_t s_inputs (void)
{
    sb_inputs_t inputs = {0};
    sb_inputs_add (&inputs, "scanner_data");
    sb_inputs_add (&inputs, "market_data.feed.");
    return inputs;
}

Test (inputs, are_stale_from_a_gap_to_the_recovery_of_their_category)
{
    sb_inputs_t inputs = s_inputs ();
    cr_assert (sb_inputs_is_current (&inputs));
    cr_assert (sb_inputs_gap (&inputs, s_text ("market_data.feed.spot:BTC")));
    cr_assert_not (sb_inputs_gap (&inputs, s_text ("market_data.feed.")), "stale already");
    cr_assert (sb_inputs_gap (&inputs, s_text ("scanner_data")));
    cr_assert (sb_inputs_recovered (&inputs, s_text ("market_data")));
    cr_assert_not (sb_inputs_recovered (&inputs, s_text ("market_data")), "current already");
    cr_assert_not (sb_inputs_is_current (&inputs), "the other one is not");
    cr_assert (sb_inputs_recovered (&inputs, s_text ("scanner_data")));
    cr_assert (sb_inputs_is_current (&inputs));
}

Test (inputs, are_all_current_after_a_join)
{
    sb_inputs_t inputs = s_inputs ();
    sb_inputs_gap (&inputs, s_text ("market_data.feed.spot:BTC"));
    sb_inputs_gap (&inputs, s_text ("scanner_data.scanner."));
    sb_inputs_gap (&inputs, s_text ("unasked.a.b"));
    cr_assert (sb_inputs_recovered (&inputs, s_text ("")));
    cr_assert (sb_inputs_is_current (&inputs));
    cr_assert_not (sb_inputs_recovered (&inputs, (sb_text_t){NULL, 0}), "the first join has lost nothing");
}

Test (inputs, beginnings_of_names_are_other_names)
{
    sb_inputs_t inputs = s_inputs ();
    sb_inputs_gap (&inputs, s_text ("market_data_old.feed.x"));
    cr_assert_not (sb_inputs_is_current (&inputs));
    cr_assert_not (sb_inputs_recovered (&inputs, s_text ("market_data")));
    cr_assert (sb_inputs_recovered (&inputs, s_text ("market_data_old")));
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Updates, window, decisions, refusals, sequence gaps, what is kept without a session.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "agent_fixture.h"

Test (delivery, an_update_goes_out_at_once_with_its_number)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1.5), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 1);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 1);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 1);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.changes[0].value.number, 1.5);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1.5);
    cr_assert_eq (sb_fixture_counts (&f).undecided, 1);
    sb_fixture_ack (&f, 1);
    cr_assert_eq (sb_fixture_counts (&f).undecided, 0);
    cr_assert_eq (sb_fixture_counts (&f).updates_accepted, 1);
    sb_fixture_end (&f);
}

Test (delivery, updates_that_waited_together_go_out_in_one_message)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_update (&f, "status", "x", 1);
    sb_fixture_update (&f, "status", "x", 2);
    sb_fixture_send (&f, "status", "y", 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[2].update.sequence, 3);
    cr_assert_null (sb_fixture_batch (&f, 1));
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_null (sb_fixture_batch (&f, 0), "nothing is sent twice");
    sb_fixture_end (&f);
}

Test (delivery, a_full_window_takes_nothing_until_a_decision)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 1; i <= 8; i++)
        cr_assert_eq (sb_fixture_send (&f, "status", "x", i), SB_REASON_NONE);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 9), SB_REASON_WINDOW_FULL);
    cr_assert_eq (f.sequence, 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 8, "nothing was done");
    sb_fixture_ack (&f, 1);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 9), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 9);
    sb_fixture_end (&f);
}

Test (delivery, the_window_may_be_asked_to_be_smaller)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.window_updates = 2;
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_send (&f, "status", "x", 2);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 3), SB_REASON_WINDOW_FULL);
    sb_fixture_end (&f);
}

/* Beyond that the broker does not remember what it refused, and a lost session would make it accepted. */
Test (delivery, never_more_are_on_the_way_than_the_broker_remembers)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.limits.max_unacked = 8;
    sb_fixture_start (&f);
    for (int i = 0; i < 20; i++)
        sb_fixture_update (&f, "trades", "e", i); /* before the first Welcome the limit is not known */
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 8);
    cr_assert_null (sb_fixture_batch (&f, 1));
    sb_fixture_ack (&f, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 9);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 3);
    sb_fixture_ack (&f, 11);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 8);
    sb_fixture_ack (&f, 19);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 1);
    sb_fixture_end (&f);
}

Test (delivery, a_gap_is_resent_from_the_expected_sequence_once)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 1; i <= 5; i++)
        sb_fixture_send (&f, "status", "x", i);
    sb_fixture_ack (&f, 1);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 3);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 3);
    cr_assert_null (sb_fixture_batch (&f, 0), "the same gap, of a message that was under way");
    sb_fixture_at (&f, f.now_ns + 1000 * SB_MS);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 3, "a beat later it is one anew");
    cr_assert_eq (sb_fixture_counts (&f).updates_sent, 5, "each is counted once");
    sb_fixture_end (&f);
}

Test (delivery, a_lost_last_message_is_resent_two_levels_after_its_beat)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    for (int i = 0; i < 3; i++) {
        sb_fixture_at (&f, f.now_ns + 1000 * SB_MS);
        cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
        sb_fixture_heartbeat_ack (&f, &level);
        cr_assert_eq (sb_fixture_batch (&f, 0) != NULL, i == 2, "level %d", i);
    }
    level.decided_through = 1;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert (sb_agent_step_is_settled (f.step));
    sb_fixture_end (&f);
}

Test (delivery, an_expected_sequence_that_is_nowhere_ends_the_session)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 77);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_end (&f);
}

Test (delivery, after_a_lost_session_the_undecided_go_out_again_and_the_decided_do_not)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 1; i <= 4; i++)
        sb_fixture_send (&f, "status", "x", i);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_refusal_t refusal = {.reason = SB_REASON_FORBIDDEN, .sequence = 2, .text = sb_text ("no")};
    f.welcome.decided_through = 2;
    f.welcome.refused = &refusal;
    f.welcome.refused_count = 1;
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)->refused.sequence, 2);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 3);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 2);
    cr_assert_eq (sb_fixture_counts (&f).updates_accepted, 1);
    cr_assert_eq (sb_fixture_counts (&f).updates_refused, 1);
    sb_fixture_end (&f);
}

Test (delivery, registration_names_the_oldest_undecided_sequence)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 1; i <= 4; i++)
        sb_fixture_send (&f, "status", "x", i);
    sb_fixture_ack (&f, 3);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_tick_at (&f, sb_agent_step_deadline (f.step));
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REGISTRATION, 0)->registration.next_sequence, 4);
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ decisions */

static uint32_t s_index (const sb_fixture_t *f, const sb_agent_effect_t *effect)
{
    cr_assert_not_null (effect);
    return (uint32_t)(effect - f->effects.items);
}

Test (decision, is_told_once_after_the_refusals_that_it_covers)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 1; i <= 4; i++)
        sb_fixture_send (&f, "status", "x", i);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DECIDED, 0));
    sb_fixture_refuse (&f, 3, SB_REASON_TOO_MANY_FIELDS, 0);
    const sb_agent_effect_t *decided = sb_fixture_effect (&f, SB_AGENT_EFFECT_DECIDED, 0);
    cr_assert_eq (decided->decided_through, 3);
    cr_assert_lt (s_index (&f, sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)), s_index (&f, decided));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DECIDED, 1));
    sb_fixture_ack (&f, 3);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DECIDED, 0), "nothing new");
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    f.welcome.decided_through = 4;
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_DECIDED, 0)->decided_through, 4, "by a Welcome too");
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ refusals */

Test (refusal, for_the_moment_is_kept_and_goes_out_with_the_whole_state)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_refuse (&f, 1, SB_REASON_PAUSED, 0);
    const sb_agent_effect_t *refused = sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0);
    cr_assert (refused->refused.kept);
    cr_assert_eq (refused->refused.sequence, 1);
    cr_assert (refused->refused.text.size > 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1);
    cr_assert_eq (sb_fixture_update (&f, "status", "x", 2), SB_REASON_PAUSED, "until the level says how it is");
    sb_fixture_at (&f, f.now_ns + 1000 * SB_MS);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 1);
    sb_fixture_end (&f);
}

Test (refusal, of_an_event_is_given_back_and_not_kept)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t category = sb_text ("fills");
    f.welcome.event_categories = &category;
    f.welcome.event_category_count = 1;
    sb_fixture_open (&f);
    sb_fixture_send (&f, "fills", "price", 1);
    cr_assert (isnan (sb_fixture_own (&f, "fills", "price")), "an event is no state");
    sb_fixture_refuse (&f, 1, SB_REASON_BREAKER_OPEN, 500);
    const sb_agent_effect_t *refused = sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0);
    cr_assert_not (refused->refused.kept);
    cr_assert_eq (refused->refused.retry_after_ms, 500);
    sb_fixture_at (&f, f.now_ns + 500 * SB_MS);
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0), "there is nothing to replace");
    sb_fixture_end (&f);
}

Test (refusal, for_its_content_puts_back_what_it_overwrote)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_ack (&f, 1);
    sb_fixture_send (&f, "status", "x", 2);
    sb_fixture_send (&f, "status", "new", 3);
    sb_fixture_refuse (&f, 2, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1);
    cr_assert_not (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)->refused.kept);
    sb_fixture_refuse (&f, 3, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert (isnan (sb_fixture_own (&f, "status", "new")));
    cr_assert (sb_agent_step_is_settled (f.step));
    sb_fixture_end (&f);
}

Test (refusal, for_their_content_of_two_writes_of_a_field_puts_back_the_first_value)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_ack (&f, 1);
    sb_fixture_send (&f, "status", "x", 2);
    sb_fixture_send (&f, "status", "x", 3);
    sb_fixture_refuse (&f, 2, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 3, "the later write stands until it is decided");
    sb_fixture_refuse (&f, 3, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1);
    sb_fixture_end (&f);
}

/* The whole state was read while the delta was undecided, so the broker has what is taken back here. */
Test (refusal, for_its_content_of_what_a_whole_state_carried_sends_it_again)
{
    for (int is_before = 0; is_before < 2; is_before++) {
        sb_fixture_t f = sb_fixture_make ();
        f.welcome.state_known = !is_before;
        sb_fixture_start (&f);
        if (is_before)
            sb_fixture_update (&f, "trades", "e", 1); /* waits in the window for a session: 1, the state is 2 */
        sb_fixture_join (&f);
        sb_heartbeat_ack_t level = sb_fixture_level (&f);
        if (!is_before) {
            sb_fixture_send (&f, "status", "x", 1);
            level.state_known = false;
            sb_fixture_heartbeat_ack (&f, &level);
        } else {
            sb_fixture_ack (&f, 1);
            sb_fixture_send (&f, "status", "x", 1); /* 3, after it was read: waits behind it */
            sb_fixture_ack (&f, 2);
        }
        uint64_t refused = is_before ? 3 : 1;
        sb_fixture_refuse (&f, refused, SB_REASON_TOO_MANY_FIELDS, 0);
        cr_assert (isnan (sb_fixture_own (&f, "status", "x")));
        if (!is_before)
            sb_fixture_ack (&f, 2);
        cr_assert_eq (sb_agent_step_is_settled (f.step), (bool)is_before, "only what it carried matters");
        const sb_agent_message_t *begin = sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0);
        cr_assert_eq (begin != NULL, !is_before);
        if (begin)
            cr_assert_eq (begin->replace_begin.sequence, 3);
        sb_fixture_end (&f);
    }
}

Test (refusal, for_its_content_does_not_put_back_over_what_was_kept_meanwhile)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_update (&f, "status", "x", 2); /* without a session: only kept */
    sb_fixture_join (&f);                     /* the whole state is 2 */
    sb_fixture_send (&f, "status", "x", 3);
    cr_assert_eq (f.sequence, 3);
    sb_fixture_refuse (&f, 1, SB_REASON_TOO_MANY_FIELDS, 0);
    sb_fixture_ack (&f, 2);
    sb_fixture_refuse (&f, 3, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 2);
    sb_fixture_end (&f);
}

Test (refusal, a_repeated_one_is_told_once)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_refuse (&f, 1, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0));
    sb_fixture_refuse (&f, 1, SB_REASON_TOO_MANY_FIELDS, 0);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0));
    cr_assert_eq (sb_agent_step_refused_count (f.step, SB_REASON_TOO_MANY_FIELDS), 1);
    sb_fixture_end (&f);
}

Test (refusal, what_is_over_a_limit_is_refused_before_it_is_sent)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.max_fields = 3;
    f.welcome.limits.max_message_bytes = 1024;
    f.welcome.limits.max_fields = 2;
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "a", 1);
    sb_fixture_send (&f, "status", "b", 1);
    cr_assert_eq (sb_fixture_send (&f, "status", "c", 1), SB_REASON_TOO_MANY_FIELDS);
    cr_assert_eq (sb_fixture_send (&f, "status", "b", 2), SB_REASON_NONE, "a field that is there may change");
    cr_assert_eq (sb_fixture_send (&f, "risk", "c", 1), SB_REASON_NONE);
    cr_assert_eq (sb_fixture_send (&f, "risk", "d", 1), SB_REASON_STORE_FULL);
    char text[1024];
    memset (text, 'x', sizeof text);
    sb_change_t change = {.name = sb_text ("a"), .value = {.kind = SB_VALUE_TEXT, .text = {text, sizeof text}}};
    sb_delta_t delta = {.category = sb_text ("status"), .update = {.changes = &change, .change_count = 1}};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = f.now_ns, .update = {&delta, 1}};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &event, &answer);
    cr_assert_eq (answer.reason, SB_REASON_TOO_LARGE);
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ without a session */

Test (kept, events_wait_in_the_window_for_a_session)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t category = sb_text ("trades");
    f.welcome.event_categories = &category;
    f.welcome.event_category_count = 1;
    f.welcome.state_known = false;
    sb_fixture_start (&f);
    cr_assert_eq (sb_fixture_update (&f, "trades", "price", 1), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 1);
    sb_fixture_join (&f);
    cr_assert (sb_text_equal (sb_fixture_batch (&f, 0)->deltas[0].category, category));
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 0);
    sb_fixture_end (&f);
}

Test (kept, what_only_seemed_an_event_becomes_state)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t category = sb_text ("status");
    f.welcome.event_categories = &category;
    f.welcome.event_category_count = 1;
    sb_fixture_start (&f);
    sb_fixture_update (&f, "trades", "price", 1); /* the default takes it for an event */
    sb_fixture_update (&f, "status", "x", 2);     /* and this for state */
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_own (&f, "trades", "price"), 1);
    cr_assert (isnan (sb_fixture_own (&f, "status", "x")));
    sb_fixture_end (&f);
}

Test (kept, changes_made_while_disconnected_go_out_though_the_broker_knows_the_state)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    cr_assert_eq (sb_fixture_update (&f, "status", "x", 1), SB_REASON_NONE);
    cr_assert_not (sb_agent_step_is_settled (f.step));
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 1);
    sb_fixture_end (&f);
}

Test (batch, deltas_of_one_call_are_not_cut_apart)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.limits.max_message_bytes = 800; /* room for six such deltas */
    sb_fixture_open (&f);
    sb_change_t change = sb_number ("x", 1);
    sb_delta_t deltas[5];
    for (int i = 0; i < 5; i++)
        deltas[i] = (sb_delta_t){.category = sb_text ("status"), .update = {.changes = &change, .change_count = 1}};
    for (int i = 0; i < 3; i++)
        sb_fixture_update (&f, "status", "x", i);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = f.now_ns, .update = {deltas, 5}};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &event, &answer);
    cr_assert_eq (answer.reason, SB_REASON_NONE);
    cr_assert_eq (answer.sequence, 4);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (sb_fixture_batch (&f, 1)->delta_count, 5);
    sb_fixture_end (&f);
}

Test (batch, one_too_large_for_a_smaller_broker_is_given_up_and_uses_up_its_number)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    char text[2000];
    memset (text, 'x', sizeof text);
    sb_change_t change = {.name = sb_text ("a"), .value = {.kind = SB_VALUE_TEXT, .text = {text, sizeof text}}};
    sb_delta_t delta = {.category = sb_text ("trades"), .update = {.changes = &change, .change_count = 1}};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = f.now_ns, .update = {&delta, 1}};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &event, &answer);
    cr_assert_eq (answer.sequence, 1);
    sb_text_t category = sb_text ("trades");
    f.welcome.event_categories = &category;
    f.welcome.event_category_count = 1;
    f.welcome.limits.max_message_bytes = 1024;
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)->refused.reason, SB_REASON_TOO_LARGE);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.change_count, 0);
    sb_fixture_refuse (&f, 1, SB_REASON_NO_CHANGES, 0);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0), "it was told already");
    cr_assert (sb_agent_step_is_settled (f.step));
    sb_fixture_end (&f);
}

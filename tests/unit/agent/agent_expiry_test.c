/* SPDX-License-Identifier: MPL-2.0
 *
 * Time to live in the client: what the own state forgets, at t-1, t and t+1, and what a whole state says of it.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "agent_fixture.h"
#include "agent_state.h"

static void s_write_number (sb_own_state_t *state, const char *subject, const char *name, uint32_t time_to_live_ms)
{
    sb_change_t change = sb_number (name, 1);
    sb_delta_t delta = {.category = sb_text ("risk"), .subject = sb_text (subject), .time_to_live_ms = time_to_live_ms};
    delta.update.changes = &change;
    delta.update.change_count = 1;
    cr_assert_eq (sb_own_state_check (state, &delta, 1), SB_REASON_NONE);
    cr_assert (sb_own_state_apply (state, &delta, 0, NULL));
}

static void s_count_one (void *context, sb_text_t category, sb_text_t subject, sb_text_t name, const sb_value_t *value)
{
    (void)category, (void)subject, (void)name, (void)value;
    ++*(uint32_t *)context;
}

static uint32_t s_visible (const sb_own_state_t *state)
{
    uint32_t count = 0;
    sb_own_state_visit (state, s_count_one, &count);
    return count;
}

Test (expiry, a_field_is_there_until_its_deadline_and_gone_from_it_on)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    sb_own_state_set_time (state, 5);
    s_write_number (state, "", "n", 100);
    uint64_t deadline_ns = 5 + 100 * SB_MS;
    sb_own_state_set_time (state, deadline_ns - 1);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_set_time (state, deadline_ns);
    cr_assert_eq (s_visible (state), 0);
    sb_own_state_set_time (state, deadline_ns + 1);
    cr_assert_eq (s_visible (state), 0);
    sb_own_state_expire (state);
    cr_assert_eq (sb_own_state_count (state), 0);
    sb_own_state_destroy (&state);
}

Test (expiry, an_equal_write_begins_the_time_anew)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_write_number (state, "", "n", 100);
    sb_own_state_set_time (state, 60 * SB_MS);
    s_write_number (state, "", "n", 100);
    sb_own_state_set_time (state, 160 * SB_MS - 1);
    sb_own_state_expire (state);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_set_time (state, 160 * SB_MS);
    cr_assert_eq (s_visible (state), 0);
    sb_own_state_destroy (&state);
}

Test (expiry, a_write_without_a_time_makes_the_field_lasting)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_write_number (state, "", "n", 100);
    s_write_number (state, "", "n", 0);
    sb_own_state_set_time (state, UINT64_MAX);
    sb_own_state_expire (state);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_destroy (&state);
}

Test (expiry, the_longest_time_neither_wraps_nor_ends_early)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_write_number (state, "", "n", UINT32_MAX);
    uint64_t deadline_ns = UINT32_MAX * SB_MS;
    sb_own_state_set_time (state, deadline_ns - 1);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_set_time (state, deadline_ns);
    cr_assert_eq (s_visible (state), 0);
    sb_own_state_set_time (state, UINT64_MAX - 1);
    s_write_number (state, "", "m", 1); /* its deadline is no time any more */
    sb_own_state_set_time (state, UINT64_MAX);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_destroy (&state);
}

Test (expiry, what_is_gone_gives_its_place_to_what_is_written)
{
    sb_own_state_t *state = sb_own_state_new (3, 1);
    char name[8];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3; i++) {
            sprintf (name, "n%d", round * 3 + i);
            s_write_number (state, "", name, 10); /* checks that there is room */
        }
        sb_own_state_set_time (state, (uint64_t)(round + 1) * 10 * SB_MS);
    }
    sb_own_state_destroy (&state);
}

Test (expiry, a_walk_passes_over_what_went_meanwhile)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    sb_text_t category, subject, name;
    const sb_value_t *value;
    s_write_number (state, "", "a", 0);
    s_write_number (state, "s", "b", 20);
    s_write_number (state, "s", "c", 10);
    sb_own_state_rewind (state);
    cr_assert (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    cr_assert (sb_text_equal (name, sb_text ("c")));
    cr_assert_eq (sb_own_state_time_left_ms (state), 10);
    sb_own_state_set_time (state, 10 * SB_MS);
    cr_assert (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    cr_assert (sb_text_equal (name, sb_text ("b")));
    cr_assert_eq (sb_own_state_time_left_ms (state), 10);
    sb_own_state_set_time (state, 20 * SB_MS - 1);
    cr_assert_eq (sb_own_state_time_left_ms (state), 1, "rounded up");
    sb_own_state_advance (state);
    cr_assert (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    cr_assert (sb_text_equal (name, sb_text ("a")));
    cr_assert_eq (sb_own_state_time_left_ms (state), 0);
    sb_own_state_advance (state);
    sb_own_state_set_time (state, 20 * SB_MS);
    cr_assert_not (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    sb_own_state_destroy (&state);
}

/* ------------------------------------------------------------------ of a category */

static void s_say (sb_own_state_t *state, const char *category, uint32_t time_to_live_ms)
{
    sb_time_to_live_t time = {sb_text (category), time_to_live_ms};
    sb_own_state_set_times_to_live (state, &time, 1);
}

Test (expiry, a_field_without_a_time_goes_by_its_categorys)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_say (state, "risk", 100);
    sb_own_state_set_time (state, 5);
    s_write_number (state, "", "n", 0);
    s_write_number (state, "", "own", 200); /* its own word counts */
    uint64_t deadline_ns = 5 + 100 * SB_MS;
    sb_own_state_set_time (state, deadline_ns - 1);
    cr_assert_eq (s_visible (state), 2);
    sb_own_state_set_time (state, deadline_ns);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_set_time (state, deadline_ns + 1);
    sb_own_state_expire (state);
    cr_assert_eq (sb_own_state_count (state), 1);
    sb_own_state_set_time (state, deadline_ns + 100 * SB_MS);
    sb_own_state_expire (state);
    cr_assert_eq (sb_own_state_count (state), 0);
    sb_own_state_destroy (&state);
}

Test (expiry, what_is_said_of_a_category_counts_from_a_fields_last_write)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_write_number (state, "", "early", 0);
    sb_own_state_set_time (state, 50 * SB_MS);
    s_write_number (state, "", "late", 0);
    sb_own_state_set_time (state, 99 * SB_MS);
    s_say (state, "risk", 100);
    cr_assert_eq (s_visible (state), 2);
    sb_own_state_set_time (state, 100 * SB_MS - 1);
    cr_assert_eq (s_visible (state), 2);
    sb_own_state_set_time (state, 100 * SB_MS);
    cr_assert_eq (s_visible (state), 1);
    s_say (state, "risk", 200); /* longer: the one that is gone stays so */
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_set_time (state, 250 * SB_MS - 1);
    sb_own_state_expire (state);
    cr_assert_eq (sb_own_state_count (state), 1);
    s_say (state, "risk", 100); /* shorter: it ended in the past */
    cr_assert_eq (s_visible (state), 0);
    sb_own_state_expire (state);
    cr_assert_eq (sb_own_state_count (state), 0);
    sb_own_state_destroy (&state);
}

Test (expiry, a_category_that_is_named_no_more_has_no_time)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    sb_time_to_live_t times[] = {{sb_text ("risk"), 7},
                                 {sb_text (""), 1},
                                 {sb_text ("a_name_of_more_than_thirty_two_octets"), 1},
                                 {sb_text ("other"), 1},
                                 {sb_text ("risk"), 100}};
    sb_own_state_set_times_to_live (state, times, 5);
    s_write_number (state, "", "n", 0);
    sb_own_state_set_time (state, 100 * SB_MS - 1);
    cr_assert_eq (s_visible (state), 1, "the last entry counts");
    sb_own_state_set_times_to_live (state, NULL, 0);
    sb_own_state_set_time (state, UINT64_MAX);
    sb_own_state_expire (state);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_destroy (&state);
}

Test (expiry, a_field_without_category_goes_by_none)
{
    sb_own_state_t *state = sb_own_state_new (10, 1);
    s_say (state, "risk", 100);
    sb_change_t change = sb_number ("n", 1);
    sb_delta_t delta = {.update = {.changes = &change, .change_count = 1}};
    cr_assert (sb_own_state_apply (state, &delta, 0, NULL));
    sb_own_state_set_time (state, UINT64_MAX);
    cr_assert_eq (s_visible (state), 1);
    sb_own_state_destroy (&state);
}

/* ------------------------------------------------------------------ in the step */

static void s_send (sb_fixture_t *f, const char *name, double number, uint32_t time_to_live_ms)
{
    sb_change_t change = sb_number (name, number);
    sb_delta_t delta = {.category = sb_text ("risk"), .subject = sb_text (""), .time_to_live_ms = time_to_live_ms};
    delta.update.changes = &change;
    delta.update.change_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = f->now_ns};
    event.update.deltas = &delta;
    event.update.delta_count = 1;
    sb_agent_effects_t answer;
    sb_agent_step (f->step, &event, &answer);
    cr_assert_eq (answer.reason, SB_REASON_NONE);
    sb_fixture_event (f, SB_AGENT_EVENT_WAKE);
}

Test (expiry, a_delta_carries_the_time_and_the_state_forgets_by_the_steps_clock)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_send (&f, "n", 3, 250);
    const sb_agent_message_t *message = sb_fixture_sent (&f, SB_AGENT_MESSAGE_BATCH, 0);
    cr_assert_not_null (message);
    cr_assert_eq (message->batch.deltas[0].time_to_live_ms, 250);
    uint64_t deadline_ns = f.now_ns + 250 * SB_MS;
    sb_fixture_tick_at (&f, deadline_ns - 1);
    cr_assert_eq (sb_fixture_own (&f, "risk", "n"), 3);
    sb_fixture_tick_at (&f, deadline_ns);
    cr_assert (isnan (sb_fixture_own (&f, "risk", "n")));
    sb_fixture_end (&f);
}

Test (expiry, a_refused_write_does_not_bring_back_what_is_gone)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_send (&f, "n", 3, 250);
    sb_fixture_ack (&f, 1);
    s_send (&f, "n", 4, 0);
    sb_fixture_tick_at (&f, f.now_ns + 100 * SB_MS);
    sb_fixture_refuse (&f, 2, SB_REASON_NOT_FINITE, 0);
    cr_assert_eq (sb_fixture_own (&f, "risk", "n"), 3, "what it overwrote lives on");
    sb_fixture_tick_at (&f, f.now_ns + 100 * SB_MS);
    s_send (&f, "n", 5, 0);
    sb_fixture_tick_at (&f, f.now_ns + 50 * SB_MS);
    sb_fixture_refuse (&f, 3, SB_REASON_NOT_FINITE, 0);
    cr_assert (isnan (sb_fixture_own (&f, "risk", "n")), "its time ran out while it was overwritten");
    sb_fixture_end (&f);
}

Test (expiry, a_whole_state_says_what_is_left_and_leaves_out_what_is_gone)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    s_send (&f, "lasting", 1, 0);
    s_send (&f, "gone", 2, 100);
    s_send (&f, "some", 3, 5000);
    s_send (&f, "same", 4, 5000);
    s_send (&f, "other", 5, 6000);
    uint64_t written_ns = f.now_ns;
    sb_fixture_at (&f, written_ns + 100 * SB_MS + 1);
    f.welcome.state_known = false;
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t welcome = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &welcome);
    const sb_agent_message_t *message = sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_CHUNK, 0);
    cr_assert_not_null (message);
    const sb_replace_chunk_t *chunk = &message->replace_chunk;
    /* From the last written back; grouped where the time left is the same. */
    cr_assert_eq (chunk->topic_count, 3);
    cr_assert_eq (chunk->topics[0].time_to_live_ms, 5900, "rounded up");
    cr_assert_eq (chunk->topics[0].update.change_count, 1);
    cr_assert_eq (chunk->topics[1].time_to_live_ms, 4900);
    cr_assert_eq (chunk->topics[1].update.change_count, 2);
    cr_assert_eq (chunk->topics[2].time_to_live_ms, 0);
    cr_assert (sb_text_equal (chunk->topics[2].update.changes[0].name, sb_text ("lasting")));
    sb_fixture_end (&f);
}

Test (expiry, a_whole_state_says_what_is_left_of_the_categorys_time)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_time_to_live_t times[] = {{sb_text ("quotes"), 1}, {sb_text ("risk"), 1000}};
    sb_fixture_start (&f);
    s_send (&f, "gone", 1, 0); /* before any Welcome */
    uint64_t written_ns = f.now_ns;
    sb_fixture_at (&f, written_ns + 1 * SB_MS);
    s_send (&f, "some", 2, 0);
    s_send (&f, "own", 3, 5000);
    sb_fixture_at (&f, written_ns + 1000 * SB_MS);
    f.welcome.state_known = false;
    f.welcome.times_to_live = times;
    f.welcome.time_to_live_count = 2;
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t welcome = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &welcome);
    cr_assert (isnan (sb_fixture_own (&f, "risk", "gone")));
    const sb_agent_message_t *message = sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_CHUNK, 0);
    cr_assert_not_null (message);
    const sb_replace_chunk_t *chunk = &message->replace_chunk;
    cr_assert_eq (chunk->topic_count, 2);
    cr_assert_eq (chunk->topics[0].time_to_live_ms, 4001);
    cr_assert_eq (chunk->topics[1].time_to_live_ms, 1);
    cr_assert (sb_text_equal (chunk->topics[1].update.changes[0].name, sb_text ("some")));
    sb_fixture_end (&f);
}

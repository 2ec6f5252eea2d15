/* SPDX-License-Identifier: MPL-2.0
 *
 * Updates, window, decisions, the whole state, sequence gaps.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fixture.h"

static sb_agent_counts_t s_counts (const sb_fixture_t *f)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (f->step, &counts);
    return counts;
}

static const sb_batch_t *s_batch (const sb_fixture_t *f, uint32_t n)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_BATCH, n);
    return message ? &message->batch : NULL;
}

/* The n-th chunk's fields in all topics. */
static uint32_t s_chunk_fields (const sb_fixture_t *f, uint32_t n)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_REPLACE_CHUNK, n);
    uint32_t count = 0;
    for (uint32_t i = 0; message && i < message->replace_chunk.topic_count; i++)
        count += message->replace_chunk.topics[i].update.change_count;
    return count;
}

Test (delivery, an_update_goes_out_at_once_with_its_number)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1.5), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 1);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 1);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 1);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.changes[0].value.number, 1.5);
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1.5);
    cr_assert_eq (s_counts (&f).undecided, 1);
    sb_fixture_ack (&f, 1);
    cr_assert_eq (s_counts (&f).undecided, 0);
    cr_assert_eq (s_counts (&f).updates_accepted, 1);
    sb_fixture_end (&f);
}

Test (delivery, updates_that_waited_together_go_out_in_one_message)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_update (&f, "status", "x", 1);
    sb_fixture_update (&f, "status", "x", 2);
    sb_fixture_send (&f, "status", "y", 3);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (s_batch (&f, 0)->deltas[2].update.sequence, 3);
    cr_assert_null (s_batch (&f, 1));
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_null (s_batch (&f, 0), "nothing is sent twice");
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
    cr_assert_eq (s_batch (&f, 0)->delta_count, 8);
    cr_assert_null (s_batch (&f, 1));
    sb_fixture_ack (&f, 3);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 9);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 3);
    sb_fixture_ack (&f, 11);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 8);
    sb_fixture_ack (&f, 19);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 1);
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
    cr_assert_eq (s_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 3);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 3);
    cr_assert_null (s_batch (&f, 0), "the same gap, of a message that was under way");
    sb_fixture_at (&f, f.now_ns + 1000 * SB_MS);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 3);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 3, "a beat later it is one anew");
    cr_assert_eq (s_counts (&f).updates_sent, 5, "each is counted once");
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
        cr_assert_eq (s_batch (&f, 0) != NULL, i == 2, "level %d", i);
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
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 3);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 2);
    cr_assert_eq (s_counts (&f).updates_accepted, 1);
    cr_assert_eq (s_counts (&f).updates_refused, 1);
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

/* ------------------------------------------------------------------ the whole state */

Test (replacement, a_new_instance_delivers_its_state_first)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_start (&f);
    cr_assert_eq (sb_fixture_update (&f, "status", "x", 1), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 0, "kept, not sent");
    sb_fixture_update (&f, "risk", "y", 2);
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 1);
    cr_assert_eq (s_chunk_fields (&f, 0), 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, 1);
    cr_assert_null (s_batch (&f, 0));
    sb_fixture_ack (&f, 1);
    cr_assert (sb_agent_step_is_settled (f.step));
    cr_assert_eq (s_counts (&f).replacements, 1);
    cr_assert_eq (s_counts (&f).updates_kept, 2);
    sb_fixture_end (&f);
}

Test (replacement, an_empty_state_is_delivered_too)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, 0);
    sb_fixture_end (&f);
}

Test (replacement, later_updates_wait_until_it_is_decided)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_NONE);
    cr_assert_eq (f.sequence, 2);
    cr_assert_null (s_batch (&f, 0));
    sb_fixture_refusal (&f, SB_REASON_REPLACE_PENDING, 2);
    cr_assert_null (s_batch (&f, 0));
    sb_fixture_ack (&f, 1);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 2);
    sb_fixture_end (&f);
}

Test (replacement, a_level_from_before_it_does_not_start_another)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.state_known = false;
    sb_fixture_heartbeat_ack (&f, &level);
    sb_fixture_ack (&f, 1);
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
    level.decided_through = 1;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2,
                  "but one from after it does");
    sb_fixture_end (&f);
}

Test (replacement, a_restarted_broker_gets_it_again_after_what_was_undecided)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_send (&f, "status", "y", 2);
    sb_fixture_ack (&f, 1);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    f.welcome.epoch = 2;
    f.welcome.stream_id = 6;
    f.welcome.state_known = false;
    f.welcome.decided_through = 1; /* adopted from next_sequence */
    sb_fixture_join (&f);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 3);
    cr_assert_eq (s_chunk_fields (&f, 0), 2);
    sb_fixture_end (&f);
}

Test (replacement, one_cut_off_by_a_lost_session_begins_again_under_its_number)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 1);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0));
    sb_fixture_end (&f);
}

Test (replacement, a_gap_before_it_sends_it_again_too)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.state_known = false;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2);
    sb_fixture_refusal (&f, SB_REASON_SEQUENCE_GAP, 1);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.sequence, 1);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2);
    sb_fixture_end (&f);
}

Test (replacement, a_large_state_goes_in_several_chunks_none_over_the_limit)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.max_fields = 1000;
    f.welcome.state_known = false;
    f.welcome.limits.max_message_bytes = 4096;
    sb_fixture_start (&f);
    char name[8] = "f000";
    for (int i = 0; i < 1000; i++) {
        name[1] = (char)('0' + i / 100);
        name[2] = (char)('0' + i / 10 % 10);
        name[3] = (char)('0' + i % 10);
        cr_assert_eq (sb_fixture_update (&f, "status", name, i), SB_REASON_NONE);
    }
    sb_fixture_join (&f);
    uint32_t fields = 0, chunks = 0;
    for (int turn = 0; turn < 20; turn++) {
        for (uint32_t n = 0; sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_CHUNK, n); n++) {
            fields += s_chunk_fields (&f, n);
            cr_assert_leq (s_chunk_fields (&f, n) * (4 + 13), 4096);
            chunks++;
        }
        cr_assert_leq (f.effects.count, 20, "one step stays short");
        if (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0))
            break;
        cr_assert_eq (sb_agent_step_deadline (f.step), f.now_ns, "it goes on at once");
        if (turn == 1)
            sb_fixture_update (&f, "status", "f000", -1);
        sb_fixture_event (&f, SB_AGENT_EVENT_TICK);
    }
    cr_assert_eq (fields, 1000);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, chunks);
    sb_fixture_ack (&f, 1);
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.changes[0].value.number, -1,
                  "what changed meanwhile follows as a delta");
    sb_fixture_end (&f);
}

Test (replacement, refused_for_the_moment_it_goes_out_again_when_the_wait_is_over)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    sb_fixture_refuse (&f, 1, SB_REASON_BREAKER_OPEN, 3000);
    uint64_t due_ns = f.now_ns + 3000 * SB_MS;
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CUT_OFF);
    while (sb_agent_step_deadline (f.step) < due_ns) {
        sb_fixture_at (&f, sb_agent_step_deadline (f.step));
        cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
        sb_heartbeat_ack_t level = sb_fixture_level (&f);
        level.state_known = false;
        level.decided_through = 1;
        level.breaker = (sb_breaker_status_t){SB_BREAKER_OPEN, (uint32_t)((due_ns - f.now_ns) / SB_MS), 1};
        sb_fixture_heartbeat_ack (&f, &level);
    }
    sb_fixture_at (&f, due_ns);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2);
    sb_fixture_end (&f);
}

Test (replacement, refused_by_a_full_broker_it_is_tried_again_ever_more_slowly)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    static const uint64_t waits_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (uint64_t i = 0; i < 7; i++) {
        sb_fixture_refuse (&f, i + 1, SB_REASON_STORE_FULL, 0);
        cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)->refused.reason, SB_REASON_STORE_FULL);
        uint64_t due_ns = f.now_ns + waits_ms[i] * SB_MS;
        while (sb_agent_step_deadline (f.step) < due_ns) {
            sb_fixture_at (&f, sb_agent_step_deadline (f.step));
            cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
            sb_heartbeat_ack_t level = sb_fixture_level (&f);
            level.state_known = false;
            sb_fixture_heartbeat_ack (&f, &level);
        }
        sb_fixture_at (&f, due_ns);
        cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, i + 2);
    }
    sb_fixture_end (&f);
}

/* What a delivery refused for its content waits for. */
static void s_levels_until (sb_fixture_t *f, uint64_t until_ns)
{
    sb_heartbeat_ack_t level = sb_fixture_level (f);
    level.state_known = false;
    while (sb_agent_step_deadline (f->step) < until_ns) {
        sb_fixture_at (f, sb_agent_step_deadline (f->step));
        cr_assert_null (sb_fixture_sent (f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
        sb_fixture_heartbeat_ack (f, &level);
        cr_assert_null (sb_fixture_sent (f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
    }
    sb_fixture_at (f, until_ns - 1);
    cr_assert_null (sb_fixture_sent (f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
}

Test (replacement, refused_for_its_content_and_unchanged_it_waits_a_minute)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    for (uint64_t i = 1; i <= 3; i++) {
        sb_fixture_refuse (&f, i, SB_REASON_TOO_MANY_FIELDS, 0);
        cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0)->refused.reason, SB_REASON_TOO_MANY_FIELDS);
        uint64_t due_ns = f.now_ns + 60000 * SB_MS;
        s_levels_until (&f, due_ns);
        sb_fixture_at (&f, due_ns);
        cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, i + 1);
    }
    sb_fixture_end (&f);
}

Test (replacement, refused_for_its_content_and_changed_it_goes_out_again)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    sb_fixture_open (&f);
    sb_fixture_refuse (&f, 1, SB_REASON_TOO_MANY_FIELDS, 0);
    s_levels_until (&f, f.now_ns + 5000 * SB_MS);
    sb_fixture_send (&f, "status", "x", 1);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0));
    sb_fixture_end (&f);
}

static void s_update_text (sb_fixture_t *f, const char *name, const char *text)
{
    sb_change_t change = sb_string (name, text);
    sb_delta_t delta = {.category = sb_text ("status"), .update = {.changes = &change, .change_count = 1}};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = f->now_ns};
    event.update.deltas = &delta;
    event.update.delta_count = 1;
    sb_agent_effects_t answer;
    sb_agent_step (f->step, &event, &answer);
    cr_assert_eq (answer.reason, SB_REASON_NONE);
}

Test (replacement, a_field_larger_than_the_brokers_messages_is_left_out_and_told_once)
{
    char large[6000];
    memset (large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.state_known = false;
    f.welcome.limits.max_message_bytes = 4096;
    sb_fixture_start (&f);
    sb_fixture_update (&f, "status", "before", 1);
    s_update_text (&f, "large", large);
    sb_fixture_update (&f, "status", "after", 2);
    sb_fixture_join (&f);
    const sb_agent_effect_t *refused = sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0);
    cr_assert_not_null (refused);
    cr_assert_eq (refused->refused.reason, SB_REASON_TOO_LARGE);
    cr_assert (refused->refused.kept && sb_text_equal (refused->refused.field, sb_text ("large")));
    cr_assert (sb_text_equal (sb_fixture_effect (&f, SB_AGENT_EFFECT_LOG, 0)->log.detail, sb_text ("large")));
    cr_assert_eq (s_chunk_fields (&f, 0), 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, 1);
    sb_fixture_ack (&f, 1);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.state_known = false;
    level.decided_through = 1;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (s_chunk_fields (&f, 0), 2);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0), "it was told");
    sb_fixture_ack (&f, 2);
    cr_assert (sb_agent_step_is_settled (f.step));
    s_update_text (&f, "large", "no more");
    level.decided_through = 2;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (s_batch (&f, 0)->delta_count, 1);
    cr_assert_eq (s_chunk_fields (&f, 0), 3);
    sb_fixture_end (&f);
}

/* The broker takes the first of two entries for one field: that of the last write has to come first. */
Test (replacement, a_field_written_with_and_without_category_comes_by_its_last_write_first)
{
    for (int last = 0; last < 2; last++) {
        const char *categories[] = {"technical", ""};
        sb_fixture_t f = sb_fixture_make ();
        f.welcome.state_known = false;
        sb_fixture_start (&f);
        sb_fixture_update (&f, categories[last], "rsi", 1);
        sb_fixture_update (&f, categories[!last], "rsi", 2);
        sb_fixture_update (&f, categories[!last], "sma", 2);
        sb_fixture_update (&f, categories[last], "rsi", 3);
        sb_fixture_join (&f);
        const sb_delta_t *topics = sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_CHUNK, 0)->replace_chunk.topics;
        cr_assert (sb_text_equal (topics[0].category, sb_text (categories[last])));
        cr_assert_eq (topics[0].update.changes[0].value.number, 3);
        cr_assert (sb_text_equal (topics[1].category, sb_text (categories[!last])));
        sb_fixture_end (&f);
    }
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
    cr_assert_eq (s_chunk_fields (&f, 0), 1);
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
    cr_assert (sb_text_equal (s_batch (&f, 0)->deltas[0].category, category));
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 2);
    cr_assert_eq (s_chunk_fields (&f, 0), 0);
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
    cr_assert_eq (s_chunk_fields (&f, 0), 1);
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
    cr_assert_eq (s_batch (&f, 0)->delta_count, 3);
    cr_assert_eq (s_batch (&f, 1)->delta_count, 5);
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
    cr_assert_eq (s_batch (&f, 0)->deltas[0].update.change_count, 0);
    sb_fixture_refuse (&f, 1, SB_REASON_NO_CHANGES, 0);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0), "it was told already");
    cr_assert (sb_agent_step_is_settled (f.step));
    sb_fixture_end (&f);
}

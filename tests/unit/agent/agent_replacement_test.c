/* SPDX-License-Identifier: MPL-2.0
 *
 * The whole state: when it is sent, in which chunks, what waits for it, and what becomes of it when it is refused.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

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
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, 1);
    cr_assert_null (sb_fixture_batch (&f, 0));
    sb_fixture_ack (&f, 1);
    cr_assert (sb_agent_step_is_settled (f.step));
    cr_assert_eq (sb_fixture_counts (&f).replacements, 1);
    cr_assert_eq (sb_fixture_counts (&f).updates_kept, 2);
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
    cr_assert_null (sb_fixture_batch (&f, 0));
    sb_fixture_refusal (&f, SB_REASON_REPLACE_PENDING, 2);
    cr_assert_null (sb_fixture_batch (&f, 0));
    sb_fixture_ack (&f, 1);
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 2);
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
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0)->replace_begin.sequence, 3);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 2);
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
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.sequence, 1);
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
            fields += sb_fixture_chunk_fields (&f, n);
            cr_assert_leq (sb_fixture_chunk_fields (&f, n) * (4 + 13), 4096);
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
    cr_assert_eq (sb_fixture_batch (&f, 0)->deltas[0].update.changes[0].value.number, -1,
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
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 2);
    cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0)->replace_end.chunk_count, 1);
    sb_fixture_ack (&f, 1);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.state_known = false;
    level.decided_through = 1;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 2);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REFUSED, 0), "it was told");
    sb_fixture_ack (&f, 2);
    cr_assert (sb_agent_step_is_settled (f.step));
    s_update_text (&f, "large", "no more");
    level.decided_through = 2;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_batch (&f, 0)->delta_count, 1);
    cr_assert_eq (sb_fixture_chunk_fields (&f, 0), 3);
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

/* SPDX-License-Identifier: MPL-2.0
 *
 * Pause, emergency stop, breaker, self-pause: by command, by level, by silence.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static void s_command (sb_fixture_t *f, const char *name, uint64_t revision, uint64_t latch_epoch)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND};
    message.command =
        (sb_agent_command_t){.command_id = sb_text ("c1"), .command = sb_text (name), .issuer = sb_text ("bo")};
    message.command.operator_revision = revision;
    message.command.latch_epoch = latch_epoch;
    sb_fixture_message (f, &message);
}

static bool s_is_confirmed (const sb_fixture_t *f)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_COMMAND_RESULT, 0);
    return message && message->command_result.code == SB_REASON_NONE &&
           sb_text_equal (message->command_result.command_id, sb_text ("c1"));
}

static bool s_has_replacement (const sb_fixture_t *f)
{
    return sb_fixture_sent (f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0) != NULL;
}

/* The next heartbeat that goes out. */
static const sb_heartbeat_t *s_next_beat (sb_fixture_t *f)
{
    for (int i = 0; i < 10; i++) {
        sb_fixture_at (f, sb_agent_step_deadline (f->step));
        const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_HEARTBEAT, 0);
        if (message)
            return &message->heartbeat;
    }
    return NULL;
}

Test (pause, by_command_is_carried_out_confirmed_and_told)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "pause", 3, 0);
    cr_assert (s_is_confirmed (&f));
    cr_assert_not (sb_fixture_effect (&f, SB_AGENT_EFFECT_COMMAND, 0)->command.is_open);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_PAUSED);
    const sb_heartbeat_t *beat = s_next_beat (&f);
    cr_assert_eq (beat->operator_revision, 3);
    cr_assert (beat->paused);
    sb_fixture_end (&f);
}

Test (pause, changes_made_meanwhile_go_out_whole_after_resume)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "pause", 1, 0);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_PAUSED);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_SEND, 0));
    cr_assert_eq (sb_fixture_own (&f, "status", "x"), 1);
    cr_assert_eq (s_next_beat (&f)->stopped_deliveries, 1);
    s_command (&f, "resume", 2, 0);
    cr_assert (s_is_confirmed (&f));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert (s_has_replacement (&f));
    sb_fixture_end (&f);
}

Test (pause, events_made_meanwhile_are_gone)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t category = sb_text ("trades");
    f.welcome.event_categories = &category;
    f.welcome.event_category_count = 1;
    sb_fixture_open (&f);
    s_command (&f, "pause", 1, 0);
    cr_assert_eq (sb_fixture_send (&f, "trades", "x", 1), SB_REASON_PAUSED);
    s_command (&f, "resume", 2, 0);
    cr_assert_not (s_has_replacement (&f), "nothing is late");
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_BATCH, 0));
    sb_fixture_end (&f);
}

Test (pause, comes_with_a_level_when_the_command_was_lost)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.operator_state = (sb_operator_state_t){.paused = true, .revision = 1};
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_PAUSED);
    level.operator_state = (sb_operator_state_t){.paused = false, .revision = 2};
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (pause, is_not_undone_by_an_older_revision)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "pause", 2, 0);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.operator_state.revision = 1;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_PAUSED);
    sb_fixture_end (&f);
}

Test (pause, welcome_is_taken_as_it_is_whatever_its_revision)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "pause", 9, 0);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f); /* a broker that lost its control state: revision 0, not paused */
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (stop, by_command_stops_all_but_the_admitted_categories)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t admitted = sb_text ("market_data");
    f.welcome.latch =
        (sb_latch_t){.stopped = false, .latch_epoch = 4, .admitted_categories = &admitted, .admitted_count = 1};
    sb_fixture_open (&f);
    s_command (&f, "emergency_stop", 0, 5);
    cr_assert (s_is_confirmed (&f));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_STOPPED);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_EMERGENCY_STOPPED);
    cr_assert_eq (sb_fixture_send (&f, "", "x", 1), SB_REASON_EMERGENCY_STOPPED);
    cr_assert_eq (sb_fixture_send (&f, "market_data", "x", 1), SB_REASON_NONE);
    cr_assert_eq (s_next_beat (&f)->latch_epoch, 5);
    s_command (&f, "emergency_clear", 0, 6);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (stop, clearing_it_leaves_a_paused_agent_paused)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "pause", 1, 0);
    s_command (&f, "emergency_stop", 0, 1);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_STOPPED);
    s_command (&f, "emergency_clear", 0, 2);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_PAUSED);
    sb_fixture_end (&f);
}

static void s_control (sb_fixture_t *f, uint64_t epoch, bool stopped, int64_t latch_epoch)
{
    sb_change_t changes[] = {sb_boolean ("stopped", stopped), sb_integer ("latch_epoch", latch_epoch),
                             sb_string ("reason", "r")};
    sb_update_t update = {.changes = changes, .change_count = 3};
    sb_publication_t publication = {.topic = sb_text ("_control.."), .stream_id = 5, .epoch = epoch};
    publication.updates = &update;
    publication.update_count = 1;
    sb_agent_event_t event = {
        .kind = SB_AGENT_EVENT_PUBLICATION, .monotonic_ns = f->now_ns, .publication = &publication};
    sb_agent_step (f->step, &event, &f->effects);
}

Test (stop, comes_on_the_control_topic_too)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_control (&f, 1, true, 1);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_STOPPED);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0), "nobody asked for that topic");
    s_control (&f, 1, false, 0);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_STOPPED, "an older epoch");
    s_control (&f, 7, false, 9);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_STOPPED, "another broker's word");
    s_control (&f, 1, false, 2);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (restart, confirms_and_forgets_the_wait)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_refuse (&f, 1, SB_REASON_BREAKER_OPEN, 30000);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CUT_OFF);
    s_command (&f, "restart", 0, 0);
    cr_assert (s_is_confirmed (&f));
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_COMMAND, 0));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert (s_has_replacement (&f));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ self-pause */

/* Steps every deadline before `until_ns` without an answer from the broker. */
static void s_silence (sb_fixture_t *f, uint64_t until_ns)
{
    while (sb_agent_step_deadline (f->step) < until_ns)
        sb_fixture_at (f, sb_agent_step_deadline (f->step));
}

Test (self_pause, falls_at_the_timeout_not_before)
{
    static const struct {
        int64_t offset_ns;
        bool is_paused;
    } rows[] = {{-1, false}, {0, true}, {1, true}};
    for (int i = 0; i < 3; i++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_open (&f);
        uint64_t at_ns = f.now_ns + 10000 * SB_MS;
        s_silence (&f, at_ns - 1);
        sb_fixture_at (&f, (uint64_t)((int64_t)at_ns + rows[i].offset_ns));
        cr_assert_eq (sb_fixture_status (&f) == SB_AGENT_SELF_PAUSED, rows[i].is_paused, "row %d", i);
        if (rows[i].is_paused)
            cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_SELF_PAUSED);
        sb_fixture_end (&f);
    }
}

Test (self_pause, never_before_the_first_welcome)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    s_silence (&f, f.now_ns + 60000 * SB_MS);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_NONE);
    sb_fixture_end (&f);
}

Test (self_pause, own_lateness_is_added)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    uint64_t welcome_ns = f.now_ns;
    sb_fixture_at (&f, welcome_ns + 1000 * SB_MS);      /* a beat, in time; the next is due a second later */
    sb_fixture_tick_at (&f, welcome_ns + 9000 * SB_MS); /* 7 s late */
    uint64_t due_ns = welcome_ns + 17000 * SB_MS;
    s_silence (&f, due_ns - 1);
    sb_fixture_at (&f, due_ns - 1);
    cr_assert_neq (sb_fixture_status (&f), SB_AGENT_SELF_PAUSED);
    sb_fixture_at (&f, due_ns);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_SELF_PAUSED);
    sb_fixture_end (&f);
}

Test (self_pause, a_process_that_was_stopped_does_not_pause_itself)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_tick_at (&f, f.now_ns + 60000 * SB_MS);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (self_pause, ends_with_the_first_level_that_says_neither)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_silence (&f, f.now_ns + 10001 * SB_MS);
    sb_fixture_send (&f, "status", "x", 1);
    f.welcome.operator_state = (sb_operator_state_t){.paused = true, .revision = 1};
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_PAUSED);
    cr_assert (s_next_beat (&f)->self_paused, "a level that says paused does not end it");
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.operator_state.revision = 2;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert (s_has_replacement (&f));
    sb_fixture_end (&f);
}

Test (self_pause, is_put_off_by_the_control_topic)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    uint64_t at_ns = f.now_ns + 10000 * SB_MS;
    s_silence (&f, at_ns - 1);
    sb_fixture_at (&f, at_ns - 1);
    s_control (&f, 1, false, 0);
    sb_fixture_at (&f, at_ns);
    cr_assert_neq (sb_fixture_status (&f), SB_AGENT_SELF_PAUSED);
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ breaker */

Test (breaker, cut_off_until_the_wait_is_over)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.breaker = (sb_breaker_status_t){SB_BREAKER_OPEN, 500, 1};
    sb_fixture_heartbeat_ack (&f, &level);
    uint64_t due_ns = f.now_ns + 500 * SB_MS;
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_BREAKER_OPEN);
    sb_fixture_at (&f, due_ns - 1);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CUT_OFF);
    sb_fixture_at (&f, due_ns);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert (s_has_replacement (&f), "what was kept is the probe");
    sb_fixture_end (&f);
}

Test (breaker, half_open_gets_one_probe_an_interval_until_it_closes)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.breaker.state = SB_BREAKER_HALF_OPEN;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert (s_has_replacement (&f), "the whole state is the probe when nothing else is sent");
    sb_fixture_ack (&f, 1);
    cr_assert_not (s_has_replacement (&f));
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_BREAKER_OPEN);
    sb_fixture_at (&f, f.now_ns + 1000 * SB_MS - 1);
    cr_assert_not (s_has_replacement (&f));
    sb_fixture_at (&f, f.now_ns + 1);
    cr_assert (s_has_replacement (&f));
    sb_fixture_ack (&f, 2);
    level.breaker.state = SB_BREAKER_CLOSED;
    level.decided_through = 2;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 2), SB_REASON_NONE);
    sb_fixture_end (&f);
}

Test (breaker, forced_open_is_isolated_until_the_level_changes)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.breaker.state = SB_BREAKER_FORCED_OPEN;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_send (&f, "status", "x", 1), SB_REASON_ISOLATED);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CUT_OFF);
    level.breaker.state = SB_BREAKER_CLOSED;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

/* The wait that came with the refusal is the longest there is, as nobody knows when an operator releases it. */
Test (breaker, a_released_agent_does_not_sit_out_the_wait_of_its_isolation)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_refuse (&f, 1, SB_REASON_ISOLATED, 300000);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    level.decided_through = 1;
    level.state_known = false;
    level.breaker.state = SB_BREAKER_FORCED_OPEN;
    level.breaker.retry_after_ms = 300000;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_eq (sb_fixture_status_reason (&f), SB_REASON_ISOLATED);
    level.breaker.state = SB_BREAKER_HALF_OPEN;
    level.breaker.retry_after_ms = 0;
    sb_fixture_heartbeat_ack (&f, &level);
    cr_assert_not_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_BEGIN, 0), "the first probe");
    sb_fixture_end (&f);
}

/* The breaker's wait is the longer one, and no reason any more. */
Test (breaker, isolation_is_the_reason_even_within_a_wait_of_the_breaker)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_fixture_send (&f, "status", "x", 2);
    sb_fixture_refuse (&f, 1, SB_REASON_BREAKER_OPEN, 60000);
    sb_fixture_refuse (&f, 2, SB_REASON_ISOLATED, 0);
    cr_assert_eq (sb_fixture_status_reason (&f), SB_REASON_ISOLATED);
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ another broker */

/* True when the whole state goes out at once after a refusal with a long wait and a Welcome of that epoch. */
static bool s_is_tried_again (sb_reason_t reason, uint64_t epoch)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    cr_assert_eq (sb_fixture_send (&f, "risk", "x", 1), SB_REASON_NONE);
    sb_fixture_refuse (&f, 1, reason, 86400000);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    f.welcome.epoch = epoch;
    f.welcome.state_known = false;
    f.welcome.decided_through = 1;
    sb_fixture_join (&f);
    bool is_sent = sb_fixture_sent (&f, SB_AGENT_MESSAGE_REPLACE_END, 0) != NULL;
    cr_assert (!is_sent || sb_fixture_status (&f) == SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
    return is_sent;
}

Test (refusal, the_wait_of_a_broker_that_started_anew_is_over)
{
    cr_expect_not (s_is_tried_again (SB_REASON_PAUSED, 1));
    cr_expect (s_is_tried_again (SB_REASON_PAUSED, 2));
    cr_expect_not (s_is_tried_again (SB_REASON_STORE_FULL, 1));
    cr_expect (s_is_tried_again (SB_REASON_STORE_FULL, 2));
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The emergency stop: order of effects, durability, receipts, clear, restart of the broker, admitted categories.
 */
#include "control_harness.h"

static harness_t harness;

static void s_agents (void)
{
    harness_register (&harness, 11, "trader", 1);
    harness_beat (&harness, 11);
    harness_register (&harness, 12, "risk", 1);
    harness_beat (&harness, 12);
    harness_forget (&harness);
}

static void s_start (void)
{
    harness_start (&harness);
    s_agents ();
}

static void s_stop (void)
{
    harness_stop (&harness);
}

TestSuite (core_stop, .init = s_start, .fini = s_stop);

static void s_refused (uint64_t peer, uint64_t sequence, const char *category, const char *reason)
{
    char part[64];
    harness_forget (&harness);
    harness_delta (&harness, peer, sequence, category, "", "price", 1);
    harness_flush (&harness);
    if (reason == NULL)
        snprintf (part, sizeof part, "ACK decided=%" PRIu64 "\n", sequence);
    else
        snprintf (part, sizeof part, " %" PRIu64 "=%s", sequence, reason);
    harness_expect (&harness, part);
}

Test (core_stop, takes_effect_then_is_stored_then_replied_then_told)
{
    sb_command_request_t request = control_request (&harness, "stop", "emergency_stop", "");
    control_send (&harness, 1, &request);
    cr_assert (sb_core_is_stopped (harness.core));
    harness_expect (&harness, "STORE stopped=1 epoch=1");
    cr_assert_null (control_find_reply (&harness));
    harness_expect_not (&harness, "COMMAND");
    harness_stored (&harness, true);
    control_expect (&harness, NONE);
    cr_assert (control_boolean (&harness, 0, "durable"));
    cr_assert_eq (control_integer (&harness, 0, "latch_epoch"), 1);
    cr_assert_eq (control_integer (&harness, 0, "told"), 2);
    cr_assert_eq (harness.effects.items[0].kind, SB_EFFECT_REPLY, "before anybody is told");
    harness_expect (&harness, "SEND 11 COMMAND _broker/latch/1 emergency_stop");
    harness_expect (&harness, "SEND 12 COMMAND _broker/latch/1 emergency_stop");
    harness_expect (&harness, "PUBLISH _control.. #0");
}

Test (core_stop, nothing_is_accepted_after_it_was_read)
{
    sb_command_request_t request = control_request (&harness, "stop", "emergency_stop", "");
    control_send (&harness, 1, &request);
    s_refused (11, 1, "market_data", "EMERGENCY_STOPPED");
    s_refused (12, 1, "risk_metrics", "EMERGENCY_STOPPED");
    harness_stored (&harness, true);
    control_expect (&harness, NONE);
    s_refused (11, 2, "market_data", "EMERGENCY_STOPPED");
}

Test (core_stop, full_disk_never_stops_a_stop)
{
    sb_command_request_t request = control_request (&harness, "stop", "emergency_stop", "");
    control_do_stored (&harness, 1, &request, false);
    control_expect (&harness, NONE);
    cr_assert_not (control_boolean (&harness, 0, "durable"));
    s_refused (11, 1, "market_data", "EMERGENCY_STOPPED");
}

Test (core_stop, second_stop_is_the_same_stop_and_tells_those_who_are_silent_again)
{
    control_do (&harness, 1, "emergency_stop", "");
    control_result (&harness, 11, "_broker/latch/1", SB_REASON_NONE, "");
    harness_forget (&harness);
    control_do (&harness, 2, "emergency_stop", "");
    cr_assert_eq (control_integer (&harness, 0, "latch_epoch"), 1);
    cr_assert_not (control_boolean (&harness, 0, "changed"));
    cr_assert_eq (control_integer (&harness, 0, "told"), 1);
    harness_expect (&harness, "STORE stopped=1 epoch=1");
    harness_expect_not (&harness, "SEND 11 COMMAND");
    harness_expect (&harness, "SEND 12 COMMAND _broker/latch/1 emergency_stop");
}

Test (core_stop, status_names_who_has_not_confirmed)
{
    control_do (&harness, 1, "emergency_stop", "");
    sb_heartbeat_t beat = {.latch_epoch = 1, .paused = true};
    harness_send_beat (&harness, 11, &beat);
    control_do (&harness, 2, "status", "");
    cr_assert_eq (control_integer (&harness, 0, "latch_told"), 2);
    cr_assert_eq (control_integer (&harness, 0, "latch_applied"), 1);
    cr_assert_eq (control_integer (&harness, 0, "latch_delivered"), 1);
    cr_assert (control_is_text (&harness, 1, "record", "receipt"));
    cr_assert (control_is_text (&harness, 1, "agent_id", "risk"));
    cr_assert (control_is_text (&harness, 1, "receipt", "DELIVERED"));
}

Test (core_stop, heartbeat_that_is_not_paused_confirms_no_stop)
{
    control_do (&harness, 1, "emergency_stop", "");
    sb_heartbeat_t beat = {.latch_epoch = 1, .paused = false};
    harness_send_beat (&harness, 11, &beat);
    control_do (&harness, 2, "status", "");
    cr_assert_eq (control_integer (&harness, 0, "latch_applied"), 0);
}

Test (core_stop, receipts_time_out_are_refused_and_go_back_without_a_session)
{
    control_do (&harness, 1, "emergency_stop", "");
    control_result (&harness, 11, "_broker/latch/1", SB_REASON_AGENT_REFUSED, "I will not");
    harness_peer_lost (&harness, 12);
    control_do (&harness, 2, "status", "");
    cr_assert_eq (control_integer (&harness, 0, "latch_refused"), 1);
    cr_assert_eq (control_integer (&harness, 0, "latch_accepted"), 1);
    harness_register (&harness, 22, "risk", 1);
    harness_expect (&harness, "SEND 22 COMMAND _broker/latch/1 emergency_stop");
    for (int i = 0; i < 5; i++) {
        harness_advance (&harness, 1000);
        harness_beat (&harness, 22);
    }
    control_do (&harness, 3, "status", "");
    cr_assert_eq (control_integer (&harness, 0, "latch_timed_out"), 1);
}

Test (core_stop, missing_confirmation_is_no_failure)
{
    control_do (&harness, 1, "emergency_stop", "");
    for (int i = 0; i < 30; i++) {
        harness_advance (&harness, 1000);
        harness_beat (&harness, 11);
        harness_delta (&harness, 11, (uint64_t)i + 1, "market_data", "", "price", i);
    }
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 0);
    cr_assert (control_is_text (&harness, 0, "breaker", "CLOSED"));
}

Test (core_stop, clear_needs_the_epoch_in_force_and_leaves_paused_agents_paused)
{
    control_do (&harness, 1, "pause_agent", "risk");
    control_do (&harness, 2, "emergency_stop", "");
    control_clear (&harness, 3, 7);
    control_expect (&harness, WRONG_EPOCH);
    cr_assert (sb_core_is_stopped (harness.core));
    control_clear (&harness, 4, 1);
    control_expect (&harness, NONE);
    cr_assert_eq (control_integer (&harness, 0, "latch_epoch"), 2);
    harness_expect (&harness, "SEND 11 COMMAND _broker/latch/2 emergency_clear");
    s_refused (11, 1, "market_data", NULL);
    s_refused (12, 1, "risk_metrics", "PAUSED");
}

Test (core_stop, resume_under_the_stop_changes_the_operator_state_only)
{
    control_do (&harness, 1, "pause_agent", "trader");
    control_do (&harness, 2, "emergency_stop", "");
    control_do (&harness, 3, "resume_agent", "trader");
    cr_assert (control_is_text (&harness, 0, "operator_state", "NORMAL"));
    s_refused (11, 1, "market_data", "EMERGENCY_STOPPED");
    /* Its heartbeats still say paused, by the latch's word: that confirms the resume all the same. */
    sb_heartbeat_t beat = {.operator_revision = 2, .latch_epoch = 1, .paused = true};
    harness_send_beat (&harness, 11, &beat);
    control_list (&harness);
    cr_assert (control_boolean (&harness, 0, "confirmed"));
}

Test (core_stop, is_a_level_in_every_heartbeat_ack_and_once_a_second)
{
    control_do (&harness, 1, "emergency_stop", "");
    harness_forget (&harness);
    harness_beat (&harness, 11);
    harness_expect (&harness, "HEARTBEAT_ACK decided=0 known=0 paused=0 stopped=1");
    harness_forget (&harness);
    harness_advance (&harness, 3000);
    harness_expect_times (&harness, "PUBLISH _control.. #0", 3);
    harness_expect (&harness, "stopped=true latch_epoch=1 issuer='ann'");
}

Test (core_stop, state_is_forced_stale_until_the_first_write_after_the_clear)
{
    s_refused (11, 1, "market_data", NULL);
    control_do (&harness, 1, "emergency_stop", "");
    harness_settle (&harness);
    harness_expect_times (&harness, "PUBLISH market_data.trader. #", 2);
    harness_expect (&harness, "FORCED_STALE STOPPED");
    control_clear (&harness, 2, 1);
    harness_forget (&harness);
    harness_delta (&harness, 11, 2, "market_data", "", "price", 1);
    harness_expect (&harness, "PUBLISH market_data.trader. #");
    harness_expect (&harness, " OK ");
}

Test (core_stop, survives_a_restart_with_its_epoch)
{
    sb_control_state_t state = {.stopped = true, .latch_epoch = 41, .issuer = sb_text ("ann"), .since_unix_ns = 5};
    s_stop ();
    harness_start (&harness);
    sb_event_t event = {.kind = SB_EVENT_RESTORE};
    event.restore = &state;
    harness_step (&harness, event);
    s_agents ();
    s_refused (11, 1, "market_data", "EMERGENCY_STOPPED");
    control_clear (&harness, 1, 41);
    control_expect (&harness, NONE);
    cr_assert_eq (control_integer (&harness, 0, "latch_epoch"), 42);
}

Test (core_stop, unreadable_state_starts_stopped_under_an_epoch_that_never_was)
{
    sb_control_state_t state = {.stopped = true, .reason = sb_text ("control state unreadable")};
    s_stop ();
    harness_start (&harness);
    sb_event_t event = {.kind = SB_EVENT_RESTORE};
    event.restore = &state;
    harness_step (&harness, event);
    cr_assert (sb_core_is_stopped (harness.core));
    control_do (&harness, 1, "status", "");
    int64_t latch_epoch = control_integer (&harness, 0, "latch_epoch");
    cr_assert_gt (latch_epoch, 1000000000);
    control_clear (&harness, 2, 1);
    control_expect (&harness, WRONG_EPOCH);
    control_clear (&harness, 3, latch_epoch);
    control_expect (&harness, NONE);
}

Test (core_stop, admitted_categories_stay_open)
{
    static const sb_text_t admitted[] = {{"market_data", 11}};
    s_stop ();
    harness_init (&harness);
    harness.config.admitted_categories = admitted;
    harness.config.admitted_category_count = 1;
    harness_start_configured (&harness);
    s_agents ();
    control_do (&harness, 1, "emergency_stop", "");
    s_refused (11, 1, "market_data", NULL);
    s_refused (11, 2, "risk_metrics", "EMERGENCY_STOPPED");
}

Test (core_stop, shell_that_forgot_to_store_gets_an_answer_that_says_not_durable)
{
    sb_command_request_t request = control_request (&harness, "stop", "emergency_stop", "");
    control_send (&harness, 1, &request);
    harness_forget (&harness);
    request = control_request (&harness, "next", "list_agents", "");
    control_send (&harness, 2, &request);
    harness_expect (&harness, "REPLY 1 NONE done, but not durable");
    harness_expect (&harness, "REPLY 2 NONE");
}

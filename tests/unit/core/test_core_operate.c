/* SPDX-License-Identifier: MPL-2.0
 *
 * What operators do to agents: pause, resume, restart, isolate, release, send_command; receipts and what survives a
 * restart.
 */
#include "control_harness.h"

static harness_t harness;

static void s_start (void)
{
    control_start (&harness);
}

static void s_stop (void)
{
    harness_stop (&harness);
}

TestSuite (core_operate, .init = s_start, .fini = s_stop);

/* Both agents beat once a second. */
static void s_live_on (uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        harness_advance (&harness, 1000);
        harness_beat (&harness, 11);
        harness_beat (&harness, 12);
    }
}

/* ------------------------------------------------------------------ pause, resume */

Test (core_operate, pause_refuses_deltas_from_the_command_on_confirmed_or_not)
{
    sb_command_request_t request = control_request (&harness, "p", "pause_agent", "trader");
    control_send (&harness, 1, &request);
    harness_expect (&harness, "STORE stopped=0 epoch=0 operators=1");
    cr_assert_null (control_find_reply (&harness), "the reply waits for the store");
    harness_stored (&harness, true);
    control_expect (&harness, NONE);
    cr_assert (control_boolean (&harness, 0, "durable"));
    cr_assert_not (control_boolean (&harness, 0, "confirmed"));
    cr_assert (control_is_text (&harness, 0, "receipt", "DELIVERED"));
    harness_expect (&harness, "SEND 11 COMMAND _broker/operator/1 pause");
    harness_delta (&harness, 11, 1, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "1=PAUSED");
}

Test (core_operate, pause_that_cannot_be_stored_is_in_force_and_says_so)
{
    sb_command_request_t request = control_request (&harness, "p", "pause_agent", "trader");
    control_do_stored (&harness, 1, &request, false);
    control_expect (&harness, NONE);
    cr_assert_not (control_boolean (&harness, 0, "durable"));
    harness_expect (&harness, "LOG STORE");
}

Test (core_operate, agent_confirms_by_its_result)
{
    control_do (&harness, 1, "pause_agent", "trader");
    control_result (&harness, 11, "_broker/operator/1", SB_REASON_NONE, "");
    control_list (&harness);
    cr_assert (control_boolean (&harness, 0, "confirmed"));
    cr_assert (control_is_text (&harness, 0, "operator_receipt", "APPLIED"));
}

Test (core_operate, agent_confirms_by_a_heartbeat_that_matches)
{
    control_do (&harness, 1, "pause_agent", "trader");
    sb_heartbeat_t beat = {.operator_revision = 1, .paused = false};
    harness_send_beat (&harness, 11, &beat);
    control_list (&harness);
    cr_assert_not (control_boolean (&harness, 0, "confirmed"), "it says that it is not paused");
    beat.paused = true;
    harness_send_beat (&harness, 11, &beat);
    control_list (&harness);
    cr_assert (control_boolean (&harness, 0, "confirmed"));
}

Test (core_operate, another_agents_result_confirms_nothing)
{
    control_do (&harness, 1, "pause_agent", "trader");
    control_result (&harness, 12, "_broker/operator/1", SB_REASON_NONE, "");
    control_list (&harness);
    cr_assert_not (control_boolean (&harness, 0, "confirmed"));
}

Test (core_operate, receipt_times_out_and_is_no_failure_of_the_agent)
{
    control_do (&harness, 1, "pause_agent", "trader");
    s_live_on (4);
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "operator_receipt", "DELIVERED"));
    s_live_on (1);
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "operator_receipt", "TIMED_OUT"));
    cr_assert_eq (control_integer (&harness, 0, "failures"), 0);
}

Test (core_operate, resume_admits_again_and_must_be_confirmed)
{
    control_do (&harness, 1, "pause_agent", "trader");
    control_do (&harness, 2, "resume_agent", "trader");
    cr_assert (control_is_text (&harness, 0, "operator_state", "NORMAL"));
    cr_assert_eq (control_integer (&harness, 0, "operator_revision"), 2);
    harness_expect (&harness, "SEND 11 COMMAND _broker/operator/2 resume");
    harness_forget (&harness);
    harness_delta (&harness, 11, 1, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "ACK decided=1\n");
}

Test (core_operate, second_pause_changes_nothing_and_tells_nobody)
{
    control_do (&harness, 1, "pause_agent", "trader");
    harness_forget (&harness);
    control_do (&harness, 2, "pause_agent", "trader");
    control_expect (&harness, NONE);
    cr_assert_not (control_boolean (&harness, 0, "changed"));
    harness_expect_not (&harness, "STORE");
    harness_expect_not (&harness, "SEND");
}

Test (core_operate, new_instance_is_told_again_and_stays_paused)
{
    control_do (&harness, 1, "pause_agent", "trader");
    control_result (&harness, 11, "_broker/operator/1", SB_REASON_NONE, "");
    harness_forget (&harness);
    harness_register (&harness, 21, "trader", 2);
    harness_expect (&harness, "SEND 21 COMMAND _broker/operator/1 pause");
    harness_delta (&harness, 21, 1, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "1=PAUSED");
}

Test (core_operate, pause_makes_the_state_forced_stale_and_a_write_after_resume_ok)
{
    harness_delta (&harness, 11, 1, "market_data", "", "price", 1);
    control_do (&harness, 1, "pause_agent", "trader");
    harness_settle (&harness);
    harness_expect (&harness, "FORCED_STALE PAUSED");
    control_do (&harness, 2, "resume_agent", "trader");
    harness_forget (&harness);
    harness_delta (&harness, 11, 2, "market_data", "", "price", 2);
    harness_expect (&harness, "PUBLISH market_data.trader. #");
    harness_expect (&harness, " OK ");
}

/* ------------------------------------------------------------------ breaker by hand */

Test (core_operate, restart_closes_the_breaker_and_tells_the_agent)
{
    for (uint64_t i = 0; i < 5; i++) {
        sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
        event.bad_message.peer = 11;
        event.bad_message.reason = SB_REASON_MALFORMED;
        harness_step (&harness, event);
    }
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "breaker", "OPEN"));
    harness_forget (&harness);
    control_do (&harness, 1, "restart_agent", "trader");
    cr_assert (control_is_text (&harness, 0, "breaker", "CLOSED"));
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 1);
    cr_assert (control_boolean (&harness, 0, "told"));
    harness_expect (&harness, "COMMAND _broker/restart/1 restart");
    harness_delta (&harness, 11, 1, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "ACK decided=1\n");
}

Test (core_operate, isolate_refuses_release_puts_on_trial)
{
    control_do (&harness, 1, "isolate_agent", "trader");
    cr_assert (control_is_text (&harness, 0, "breaker", "FORCED_OPEN"));
    harness_delta (&harness, 11, 1, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "1=ISOLATED");
    control_do (&harness, 2, "restart_agent", "trader");
    control_expect (&harness, WRONG_STATE);
    control_do (&harness, 3, "isolate_agent", "trader");
    cr_assert_not (control_boolean (&harness, 0, "changed"));
    control_do (&harness, 4, "release_agent", "trader");
    cr_assert (control_is_text (&harness, 0, "breaker", "HALF_OPEN"));
    control_do (&harness, 5, "release_agent", "trader");
    control_expect (&harness, WRONG_STATE);
}

/* Five faults open it; the wait passes; three slots with a good delta each close it. */
Test (core_operate, agent_that_failed_is_let_back_by_itself)
{
    for (uint64_t i = 1; i <= 5; i++) {
        sb_change_t change = harness_number ("price", 1);
        sb_delta_t delta = harness_delta_of (i, "market_data", "", &change, 1);
        delta.fault = SB_REASON_NOT_FINITE;
        harness_batch (&harness, 11, &delta, 1);
    }
    harness_expect (&harness, "_event.trader.BREAKER");
    harness_delta (&harness, 11, 6, "market_data", "", "price", 1);
    harness_flush (&harness);
    harness_expect (&harness, "6=BREAKER_OPEN+");
    harness_delta (&harness, 12, 1, "risk_metrics", "", "exposure", 1);
    harness_flush (&harness);
    harness_expect (&harness, "SEND 12 ACK decided=1\n");
    s_live_on (33);
    for (uint64_t i = 7; i <= 9; i++) {
        harness_delta (&harness, 11, i, "market_data", "", "price", (double)i);
        s_live_on (1);
    }
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "breaker", "CLOSED"));
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 1);
    cr_assert_eq (control_integer (&harness, 1, "failures"), 0, "the other agent noticed nothing");
}

/* ------------------------------------------------------------------ send_command */

static void s_ask (uint64_t token, const char *command_id, uint32_t timeout_ms)
{
    sb_parameter_t parameters[2] = {control_parameter_text ("command", "rebalance_weights"),
                                    control_parameter_integer ("min_weight", 3)};
    sb_command_request_t request = control_request (&harness, command_id, "send_command", "trader");
    request.parameters = parameters;
    request.parameter_count = 2;
    request.timeout_ms = timeout_ms;
    control_send (&harness, token, &request);
}

Test (core_operate, send_command_passes_parameters_on_and_the_reply_back)
{
    s_ask (1, "ask", 4000);
    cr_assert_null (control_find_reply (&harness));
    const sb_broker_message_t *sent = NULL;
    for (uint32_t i = 0; i < harness.effects.count; i++)
        if (harness.effects.items[i].kind == SB_EFFECT_SEND)
            sent = harness.effects.items[i].send.message;
    cr_assert_not_null (sent);
    cr_assert (sb_text_equal (sent->command.command, sb_text ("rebalance_weights")));
    cr_assert_eq (sent->command.parameter_count, 1);
    cr_assert (sb_text_equal (sent->command.parameters[0].name, sb_text ("min_weight")));
    cr_assert_eq (sent->command.timeout_ms, 4000);
    control_result (&harness, 11, "ask", SB_REASON_NONE, "weights are new");
    control_expect (&harness, NONE);
    cr_assert (sb_text_equal (control_reply (&harness)->message, sb_text ("weights are new")));
    control_result (&harness, 11, "ask", SB_REASON_NONE, "again");
    cr_assert_null (control_find_reply (&harness));
}

Test (core_operate, agents_refusal_is_told_as_its_own)
{
    s_ask (1, "ask", 4000);
    control_result (&harness, 11, "ask", SB_REASON_BAD_PARAMETER, "min_weight is too high");
    control_expect (&harness, AGENT_REFUSED);
    cr_assert (sb_text_equal (control_reply (&harness)->message, sb_text ("min_weight is too high")));
}

Test (core_operate, silence_is_timeout_at_the_deadline_while_others_are_served)
{
    s_ask (1, "ask", 2500);
    control_do (&harness, 2, "status", "");
    control_expect (&harness, NONE);
    s_live_on (2);
    harness.now_ns += 500 * HARNESS_MS - 1;
    harness_tick (&harness);
    harness_expect_not (&harness, "REPLY 1 ");
    harness.now_ns += 1;
    cr_assert_eq (sb_core_deadline (harness.core), harness.now_ns);
    harness_tick (&harness);
    control_expect (&harness, TIMEOUT);
    control_result (&harness, 11, "ask", SB_REASON_NONE, "late");
    cr_assert_null (control_find_reply (&harness));
}

Test (core_operate, unanswered_within_timeout_per_agent_is_one_failure)
{
    s_ask (1, "ask", 60000);
    s_live_on (4);
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 0);
    s_live_on (1);
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 1);
    s_live_on (20);
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 1);
    control_result (&harness, 11, "ask", SB_REASON_NONE, "slow, but here");
    control_expect (&harness, NONE);
}

Test (core_operate, short_timeout_is_no_failure_when_the_agent_answers_in_its_own_time)
{
    s_ask (1, "ask", 1000);
    s_live_on (2);
    harness_expect (&harness, "REPLY 1 TIMEOUT");
    control_result (&harness, 11, "ask", SB_REASON_NONE, "done");
    s_live_on (10);
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 0);
}

Test (core_operate, failure_is_not_laid_to_a_later_session)
{
    s_ask (1, "ask", 60000);
    harness_register (&harness, 21, "trader", 2);
    harness_beat (&harness, 21);
    for (int i = 0; i < 6; i++) {
        harness_advance (&harness, 1000);
        harness_beat (&harness, 21);
    }
    control_list (&harness);
    cr_assert_eq (control_integer (&harness, 0, "failures"), 0);
}

Test (core_operate, repeat_joins_the_pending_command)
{
    s_ask (1, "ask", 4000);
    s_ask (2, "ask", 4000);
    harness_forget (&harness);
    control_result (&harness, 11, "ask", SB_REASON_NONE, "done");
    harness_expect (&harness, "REPLY 1 NONE done");
    harness_expect (&harness, "REPLY 2 NONE done");
    s_ask (3, "ask", 4000);
    control_expect (&harness, NONE);
    harness_expect_not (&harness, "COMMAND ask");
}

Test (core_operate, another_agent_cannot_answer_for_it)
{
    s_ask (1, "ask", 4000);
    control_result (&harness, 12, "ask", SB_REASON_NONE, "me!");
    cr_assert_null (control_find_reply (&harness));
    control_result (&harness, 11, "ask", SB_REASON_NONE, "done");
    control_expect (&harness, NONE);
}

Test (core_operate, send_command_needs_a_session_a_name_and_one_of_the_agents_own)
{
    harness_goodbye (&harness, 11);
    s_ask (1, "ask", 4000);
    control_expect (&harness, NOT_CONNECTED);
    sb_command_request_t request = control_request (&harness, "own", "send_command", "risk");
    sb_parameter_t name = control_parameter_text ("command", "pause");
    request.parameters = &name;
    request.parameter_count = 1;
    control_send (&harness, 2, &request);
    control_expect (&harness, BAD_PARAMETER);
    name = control_parameter_text ("command", "");
    request.command_id = sb_text ("empty");
    control_send (&harness, 3, &request);
    control_expect (&harness, BAD_PARAMETER);
}

Test (core_operate, pending_commands_are_bounded_and_a_refused_one_may_be_tried_again)
{
    s_stop ();
    harness_init (&harness);
    harness.config.max_pending_commands = 2;
    harness_start_configured (&harness);
    harness_register (&harness, 11, "trader", 1);
    s_ask (1, "a", 4000);
    s_ask (2, "b", 4000);
    s_ask (3, "c", 4000);
    control_expect (&harness, TOO_MANY_PENDING);
    control_result (&harness, 11, "a", SB_REASON_NONE, "done");
    s_ask (4, "c", 4000);
    cr_assert_null (control_find_reply (&harness), "it was sent this time");
    control_result (&harness, 11, "c", SB_REASON_NONE, "done");
    control_expect (&harness, NONE);
}

Test (core_operate, broker_that_stops_answers_who_waits)
{
    s_ask (1, "ask", 60000);
    harness_step (&harness, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    control_expect (&harness, BROKER_STOPPING);
}

/* ------------------------------------------------------------------ restart of the broker */

static void s_restore (const sb_control_state_t *state)
{
    s_stop ();
    harness_start (&harness);
    sb_event_t event = {.kind = SB_EVENT_RESTORE};
    event.restore = state;
    harness_step (&harness, event);
}

Test (core_operate, restart_keeps_paused_and_isolated_unconfirmed_and_tells_again)
{
    const sb_operator_record_t operators[] = {
        {.agent_id = sb_text ("risk"), .isolated = true, .issuer = sb_text ("ann"), .since_unix_ns = 5},
        {.agent_id = sb_text ("trader"), .paused = true, .revision = 7, .issuer = sb_text ("risk"), .by_agent = true},
    };
    sb_control_state_t state = {.latch_epoch = 4, .operators = operators, .operator_count = 2};
    s_restore (&state);
    control_list (&harness);
    cr_assert_eq (control_reply (&harness)->record_count, 2);
    cr_assert (control_is_text (&harness, 0, "liveness", "RECOVERING"));
    cr_assert (control_is_text (&harness, 0, "breaker", "FORCED_OPEN"));
    cr_assert (control_is_text (&harness, 1, "operator_state", "PAUSED"));
    cr_assert_eq (control_integer (&harness, 1, "operator_revision"), 7);
    cr_assert_not (control_boolean (&harness, 1, "confirmed"));
    harness_forget (&harness);
    harness_register (&harness, 11, "trader", 9);
    harness_expect (&harness, "COMMAND _broker/operator/7 pause");
    control_do (&harness, 1, "pause_agent", "risk");
    harness_expect (&harness, "STORE stopped=0 epoch=4 operators=2");
}

Test (core_operate, restored_agent_that_never_comes_is_dead_after_40_seconds)
{
    const sb_operator_record_t operators[] = {{.agent_id = sb_text ("trader"), .paused = true, .revision = 1}};
    sb_control_state_t state = {.operators = operators, .operator_count = 1};
    s_restore (&state);
    harness_advance (&harness, 39999);
    harness_expect_not (&harness, "to='DEAD'");
    harness_advance (&harness, 1);
    harness_expect (&harness, "to='DEAD'");
}

Test (core_operate, ids_in_a_kept_state_that_are_none_are_left_out)
{
    const sb_operator_record_t operators[] = {{.agent_id = sb_text ("no such id!"), .paused = true, .revision = 1}};
    sb_control_state_t state = {.operators = operators, .operator_count = 1};
    s_restore (&state);
    control_list (&harness);
    cr_assert_eq (control_reply (&harness)->record_count, 0);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * system_health, its indicator, the warning under 0.8, the levels, and failures that agents report.
 */
#include "control_harness.h"
#include "health.h"

static harness_t harness;

static void s_start (void)
{
    harness_start (&harness);
}

static void s_stop (void)
{
    harness_stop (&harness);
}

TestSuite (core_health, .init = s_start, .fini = s_stop);

/* `count` agents on peers 101 and up; all beat once. */
static void s_agents (uint64_t count)
{
    char id[32];
    for (uint64_t i = 1; i <= count; i++) {
        snprintf (id, sizeof id, "agent-%" PRIu64, i);
        harness_register (&harness, 100 + i, id, 1);
        harness_beat (&harness, 100 + i);
    }
}

/* Time passes while agents `from` to `to` beat. */
static void s_live_on (uint32_t seconds, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < seconds; i++) {
        harness_advance (&harness, 1000);
        for (uint64_t agent = from; agent <= to; agent++)
            harness_beat (&harness, 100 + agent);
    }
}

static void s_health (void)
{
    static uint64_t token = 1;
    control_do (&harness, token++, "health", "");
    control_expect (&harness, NONE);
    cr_assert (control_is_text (&harness, 0, "record", "system"));
}

static double s_score (void)
{
    s_health ();
    return control_column (&harness, 0, "health_score")->number;
}

Test (core_health, indicator_changes_above_its_bounds_only)
{
    cr_assert_eq (sb_health_indicator (1.0), SB_HEALTH_GREEN);
    cr_assert_eq (sb_health_indicator (0.81), SB_HEALTH_GREEN);
    cr_assert_eq (sb_health_indicator (0.8), SB_HEALTH_YELLOW);
    cr_assert_eq (sb_health_indicator (0.51), SB_HEALTH_YELLOW);
    cr_assert_eq (sb_health_indicator (0.5), SB_HEALTH_RED);
    cr_assert_eq (sb_health_indicator (0.0), SB_HEALTH_RED);
    cr_assert_str_eq (sb_health_indicator_name (SB_HEALTH_YELLOW), "yellow");
}

Test (core_health, score_of_nobody_is_one)
{
    harness_advance (&harness, 1000);
    cr_assert_float_eq (s_score (), 1.0, 0);
    cr_assert_eq (control_integer (&harness, 0, "total"), 0);
    cr_assert (control_is_text (&harness, 0, "indicator", "green"));
}

Test (core_health, fresh_agents_are_healthy_before_their_first_beat)
{
    harness_register (&harness, 101, "agent-1", 1);
    harness_advance (&harness, 1000);
    cr_assert_float_eq (s_score (), 1.0, 0);
    harness_advance (&harness, 3000);
    cr_assert_float_eq (s_score (), 0.0, 0);
}

Test (core_health, silent_agents_lower_the_score_and_those_who_left_do_not)
{
    s_agents (5);
    s_live_on (1, 1, 5);
    harness_goodbye (&harness, 105);
    s_live_on (5, 1, 3);
    cr_assert_float_eq (s_score (), 0.75, 0);
    cr_assert_eq (control_integer (&harness, 0, "total"), 4);
    cr_assert_eq (control_integer (&harness, 0, "healthy"), 3);
    cr_assert (control_is_text (&harness, 0, "indicator", "yellow"));
    cr_assert (control_is_text (&harness, 4, "indicator", "red"), "silent");
    cr_assert (control_is_text (&harness, 5, "liveness", "OFFLINE"));
    cr_assert_null (control_column (&harness, 5, "indicator"), "a clean exit is no fault");
    cr_assert_null (control_column (&harness, 5, "is_healthy"));
}

Test (core_health, paused_is_healthy_and_cut_off_is_not)
{
    s_agents (2);
    control_do (&harness, 900, "pause_agent", "agent-1");
    s_live_on (1, 1, 2);
    cr_assert_float_eq (s_score (), 1.0, 0);
    control_do (&harness, 901, "isolate_agent", "agent-2");
    s_live_on (1, 1, 2);
    cr_assert_float_eq (s_score (), 0.5, 0);
}

Test (core_health, falling_under_a_bound_and_coming_back_is_an_event_and_a_log_line_each)
{
    s_agents (5);
    s_live_on (2, 1, 5);
    harness_expect_not (&harness, "_event._broker.HEALTH");
    s_live_on (4, 1, 4);
    harness_expect_not (&harness, "_event._broker.HEALTH");
    cr_assert_float_eq (s_score (), 0.8, 1e-9);
    s_live_on (4, 1, 3);
    harness_expect_times (&harness, "_event._broker.HEALTH", 1);
    harness_expect_times (&harness, "LOG HEALTH", 1);
    harness_expect (&harness, "low=true");
    s_live_on (3, 1, 3);
    harness_expect_times (&harness, "_event._broker.HEALTH", 1);
    harness_register (&harness, 104, "agent-4", 1);
    s_live_on (2, 1, 4);
    harness_expect_times (&harness, "_event._broker.HEALTH", 2);
    harness_expect (&harness, "low=false");
}

Test (core_health, summary_is_published_each_tick_and_an_agent_when_it_changes)
{
    s_agents (2);
    s_live_on (2, 1, 2);
    harness_forget (&harness);
    s_live_on (3, 1, 2);
    harness_expect_times (&harness, "PUBLISH _health.. #0", 3);
    harness_expect_not (&harness, "PUBLISH _health.agent-1.");
    control_do (&harness, 900, "pause_agent", "agent-1");
    s_live_on (2, 1, 2);
    harness_expect_times (&harness, "PUBLISH _health.agent-1.", 1);
    harness_expect_not (&harness, "PUBLISH _health.agent-2.");
}

Test (core_health, agents_score_is_success_by_success_and_failure)
{
    s_agents (1);
    for (uint64_t i = 1; i <= 3; i++)
        harness_delta (&harness, 101, i, "market_data", "", "price", (double)i);
    harness_delta (&harness, 101, 9, "market_data", "", "price", 9);
    s_health ();
    cr_assert (control_is_text (&harness, 1, "reason", "SEQUENCE_GAP"));
    cr_assert (control_is_text (&harness, 2, "agent_id", "agent-1"));
    cr_assert_eq (control_integer (&harness, 2, "successes"), 3);
    cr_assert_eq (control_integer (&harness, 2, "failures"), 1);
    cr_assert_float_eq (control_column (&harness, 2, "health_score")->number, 0.75, 0);
}

Test (core_health, agent_that_did_nothing_has_score_zero_over_one)
{
    s_agents (1);
    s_health ();
    cr_assert_float_eq (control_column (&harness, 1, "health_score")->number, 0.0, 0);
    cr_assert (control_boolean (&harness, 1, "is_healthy"));
}

Test (core_health, failed_handlers_are_failures_and_five_open_the_breaker)
{
    s_agents (1);
    sb_heartbeat_t beat = {.processed = 90, .failed = 4};
    harness_send_beat (&harness, 101, &beat);
    harness_send_beat (&harness, 101, &beat);
    harness_expect_not (&harness, "_event.agent-1.BREAKER");
    beat.failed = 5;
    harness_send_beat (&harness, 101, &beat);
    harness_expect (&harness, "_event.agent-1.BREAKER");
    harness_expect (&harness, "cause='HANDLER_FAILED'");
    s_health ();
    cr_assert_eq (control_integer (&harness, 1, "successes"), 90);
    cr_assert_eq (control_integer (&harness, 1, "failures"), 5);
}

Test (core_health, absurd_counts_are_counted_without_a_loop)
{
    s_agents (1);
    sb_heartbeat_t beat = {.processed = UINT64_MAX, .failed = UINT64_MAX, .dropped = UINT64_MAX};
    harness_send_beat (&harness, 101, &beat);
    beat.failed = 3;
    harness_send_beat (&harness, 101, &beat);
    s_health ();
    cr_assert (control_is_text (&harness, 1, "breaker", "OPEN"));
}

Test (core_health, mute_agent_is_unhealthy_and_fails_once_a_timeout)
{
    s_agents (1);
    sb_heartbeat_t beat = {.progress = 5, .queue_depth = 3};
    for (int i = 0; i < 6; i++) {
        harness_send_beat (&harness, 101, &beat);
        harness_advance (&harness, 1000);
    }
    harness_expect_times (&harness, "PUBLISH _event.agent-1.MUTE", 1);
    cr_assert_float_eq (s_score (), 0.0, 0);
    cr_assert_eq (control_integer (&harness, 1, "failures"), 1);
    beat.progress = 6;
    harness_send_beat (&harness, 101, &beat);
    harness_expect_times (&harness, "PUBLISH _event.agent-1.MUTE", 2);
    harness_advance (&harness, 1000);
    cr_assert_float_eq (s_score (), 1.0, 0);
}

Test (core_health, broker_that_stood_still_declares_nobody_dead)
{
    s_agents (3);
    s_live_on (2, 1, 3);
    harness_forget (&harness);
    harness.now_ns += 30000 * HARNESS_MS;
    harness_settle (&harness);
    harness_expect_not (&harness, "LIVENESS");
    harness_expect (&harness, "_event._broker.LATE");
    s_live_on (1, 1, 3);
    cr_assert_float_eq (s_score (), 1.0, 0);
}

Test (core_health, walk_over_many_agents_goes_in_slices_and_counts_all)
{
    s_stop ();
    harness_init (&harness);
    harness.config.max_agents = 2000;
    harness_start_configured (&harness);
    harness.is_quiet = true;
    s_agents (1500);
    s_live_on (1, 1, 1500);
    harness_advance (&harness, 1000);
    s_health ();
    cr_assert_eq (control_integer (&harness, 0, "total"), 1500);
    cr_assert_eq (control_integer (&harness, 0, "healthy"), 1500);
}

Test (core_health, rates_are_of_the_last_second)
{
    s_agents (1);
    harness_advance (&harness, 2000);
    for (uint64_t i = 1; i <= 50; i++)
        harness_delta (&harness, 101, i, "market_data", "", "price", (double)i);
    harness_advance (&harness, 1000);
    s_health ();
    cr_assert_float_eq (control_column (&harness, 0, "deltas_per_s")->number, 50.0, 0.001);
}

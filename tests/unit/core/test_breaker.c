/* SPDX-License-Identifier: MPL-2.0
 *
 * Every cell of the circuit breaker's table, at t-1, t and t+1 where it has a deadline.
 */
#include <criterion/criterion.h>

#include "breaker.h"
#include "sb_names.h"

#define S  UINT64_C (1000000000)
#define MS UINT64_C (1000000)

static const sb_breaker_rules_t rules = {
    .failure_threshold = 5,
    .probes = 3,
    .failure_window_ns = 60 * S,
    .recovery_delay_ns = 30 * S,
    .recovery_delay_max_ns = 300 * S,
};
static const uint64_t start_ns = 1000 * S;
static const uint64_t interval_ns = S;

static sb_breaker_t s_new (void)
{
    sb_breaker_t breaker;
    sb_breaker_init (&breaker, sb_text ("trader"));
    return breaker;
}

/* Five failures at once. */
static sb_breaker_t s_open (uint64_t now_ns)
{
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < 5; i++)
        sb_breaker_failure (&breaker, &rules, now_ns);
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
    return breaker;
}

/* Half open since the end of the first wait; *now_ns gets that time. */
static sb_breaker_t s_half_open (uint64_t *now_ns)
{
    sb_breaker_t breaker = s_open (start_ns);
    *now_ns = breaker.until_ns;
    cr_assert (sb_breaker_expire (&breaker, &rules, *now_ns));
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    return breaker;
}

/* Closed again by three probes; *now_ns gets the time of the last. */
static sb_breaker_t s_recovered (uint64_t *now_ns)
{
    sb_breaker_t breaker = s_half_open (now_ns);
    for (uint64_t probe = 1; probe <= 3; probe++) {
        cr_assert_eq (sb_breaker_admit (&breaker, probe, *now_ns, interval_ns), SB_BREAKER_PROBE);
        *now_ns += interval_ns;
        cr_assert_eq (sb_breaker_expire (&breaker, &rules, *now_ns), probe == 3);
    }
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
    return breaker;
}

static sb_breaker_t s_isolated (void)
{
    sb_breaker_t breaker = s_new ();
    cr_assert (sb_breaker_isolate (&breaker));
    return breaker;
}

/* ------------------------------------------------------------------ CLOSED */

Test (breaker, closed_processes_deltas_and_asks_for_no_wait)
{
    sb_breaker_t breaker = s_new ();
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_PROCESS);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, start_ns), 0);
    cr_assert_eq (sb_breaker_deadline (&breaker), UINT64_MAX);
}

Test (breaker, closed_counts_successes)
{
    sb_breaker_t breaker = s_new ();
    sb_breaker_success (&breaker, 3);
    sb_breaker_success (&breaker, UINT64_MAX);
    cr_assert_eq (breaker.successes, UINT64_MAX);
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
}

Test (breaker, closed_opens_on_the_fifth_failure_and_not_before)
{
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < 4; i++)
        cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns));
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
    cr_assert (sb_breaker_failure (&breaker, &rules, start_ns));
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
    cr_assert_eq (breaker.open_count, 1);
    cr_assert_eq (breaker.failures, 5);
}

/* The fifth failure comes `after_ns` after the first. */
static bool s_opens_after (uint64_t after_ns)
{
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < 4; i++)
        sb_breaker_failure (&breaker, &rules, start_ns);
    return sb_breaker_failure (&breaker, &rules, start_ns + after_ns);
}

Test (breaker, closed_counts_failures_within_the_window_only)
{
    cr_assert (s_opens_after (rules.failure_window_ns - 1));
    cr_assert (s_opens_after (rules.failure_window_ns));
    cr_assert_not (s_opens_after (rules.failure_window_ns + 1));
}

Test (breaker, closed_window_slides_over_old_failures)
{
    sb_breaker_t breaker = s_new ();
    for (uint64_t i = 0; i < 100; i++)
        cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns + i * 16 * S));
    /* Four are always within the window; one more between two of them is the fifth. */
    cr_assert (sb_breaker_failure (&breaker, &rules, start_ns + 99 * 16 * S + 1));
}

Test (breaker, threshold_is_cut_to_what_the_ring_holds)
{
    sb_breaker_rules_t wide = rules;
    wide.failure_threshold = 1000;
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < SB_BREAKER_RING - 1; i++)
        cr_assert_not (sb_breaker_failure (&breaker, &wide, start_ns));
    cr_assert (sb_breaker_failure (&breaker, &wide, start_ns));
    wide.failure_threshold = 0;
    breaker = s_new ();
    cr_assert (sb_breaker_failure (&breaker, &wide, start_ns));
}

Test (breaker, closed_is_cleared_by_restart)
{
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < 4; i++)
        sb_breaker_failure (&breaker, &rules, start_ns);
    cr_assert (sb_breaker_restart (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
    cr_assert_eq (breaker.restarts_by_hand, 1);
    cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns));
}

Test (breaker, closed_refuses_release)
{
    sb_breaker_t breaker = s_new ();
    cr_assert_not (sb_breaker_release (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
}

/* ------------------------------------------------------------------ OPEN */

Test (breaker, open_refuses_with_the_wait_left_rounded_up)
{
    sb_breaker_t breaker = s_open (start_ns);
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_REFUSE_OPEN);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, breaker.until_ns - 2 * MS), 2);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, breaker.until_ns - 2 * MS - 1), 3);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, breaker.until_ns), 1, "until it was judged");
}

Test (breaker, open_becomes_half_open_when_the_wait_is_over)
{
    sb_breaker_t breaker = s_open (start_ns);
    uint64_t until_ns = breaker.until_ns;
    cr_assert_eq (sb_breaker_deadline (&breaker), until_ns);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, until_ns - 1));
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
    sb_breaker_t later = breaker;
    cr_assert (sb_breaker_expire (&breaker, &rules, until_ns));
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    cr_assert (sb_breaker_expire (&later, &rules, until_ns + 1));
    cr_assert_eq (later.state, SB_BREAKER_HALF_OPEN);
}

Test (breaker, open_counts_failures_without_a_longer_wait)
{
    sb_breaker_t breaker = s_open (start_ns);
    uint64_t until_ns = breaker.until_ns;
    for (int i = 0; i < 50; i++)
        cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns + 1));
    cr_assert_eq (breaker.until_ns, until_ns);
    cr_assert_eq (breaker.failures, 55);
    cr_assert_eq (breaker.open_count, 1);
}

Test (breaker, open_ignores_success)
{
    sb_breaker_t breaker = s_open (start_ns);
    sb_breaker_success (&breaker, 100);
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
}

Test (breaker, open_is_closed_by_restart_with_an_empty_ring_and_the_first_wait)
{
    sb_breaker_t breaker = s_open (start_ns);
    cr_assert (sb_breaker_restart (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
    cr_assert_eq (breaker.ring_count, 0);
    cr_assert_eq (breaker.wait_step, 0);
    cr_assert_eq (sb_breaker_deadline (&breaker), UINT64_MAX);
}

Test (breaker, open_refuses_release)
{
    sb_breaker_t breaker = s_open (start_ns);
    cr_assert_not (sb_breaker_release (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
}

/* ------------------------------------------------------------------ waits */

Test (breaker, wait_doubles_up_to_its_cap_with_at_most_a_tenth_more)
{
    const uint64_t base_s[] = {30, 60, 120, 240, 300, 300, 300};
    for (uint32_t step = 0; step < sizeof base_s / sizeof base_s[0]; step++) {
        uint64_t wait_ns = sb_breaker_wait_ns (&rules, 12345, step + 1, step);
        cr_assert_geq (wait_ns, base_s[step] * S);
        cr_assert_leq (wait_ns, base_s[step] * S + base_s[step] * S / 10);
    }
}

Test (breaker, jitter_depends_on_agent_and_count_alone)
{
    uint64_t wait_ns = sb_breaker_wait_ns (&rules, 1, 1, 0);
    cr_assert_eq (sb_breaker_wait_ns (&rules, 1, 1, 0), wait_ns);
    uint32_t different = 0;
    for (uint64_t count = 2; count < 20; count++)
        different += sb_breaker_wait_ns (&rules, 1, count, 0) != wait_ns;
    cr_assert_gt (different, 15);
    different = 0;
    for (uint64_t agent = 2; agent < 20; agent++)
        different += sb_breaker_wait_ns (&rules, agent, 1, 0) != wait_ns;
    cr_assert_gt (different, 15);
}

Test (breaker, wait_of_absurd_rules_does_not_overflow)
{
    sb_breaker_rules_t absurd = {.recovery_delay_ns = UINT64_MAX / 2 + 1, .recovery_delay_max_ns = UINT64_MAX};
    cr_assert_geq (sb_breaker_wait_ns (&absurd, 1, 1, 32), UINT64_MAX - 1);
}

/* ------------------------------------------------------------------ HALF_OPEN */

Test (breaker, half_open_lets_one_message_a_slot_in_with_all_its_deltas)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, now_ns), 0);
    cr_assert_eq (sb_breaker_admit (&breaker, 7, now_ns, interval_ns), SB_BREAKER_PROBE);
    cr_assert_eq (sb_breaker_admit (&breaker, 7, now_ns, interval_ns), SB_BREAKER_PROBE);
    cr_assert_eq (sb_breaker_admit (&breaker, 8, now_ns, interval_ns), SB_BREAKER_REFUSE_OPEN);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, now_ns), 1000);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, now_ns + interval_ns), 1, "until it was judged");
}

Test (breaker, half_open_probe_is_judged_when_its_interval_has_passed)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    sb_breaker_admit (&breaker, 7, now_ns, interval_ns);
    cr_assert_eq (sb_breaker_deadline (&breaker), now_ns + interval_ns);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, now_ns + interval_ns - 1));
    cr_assert_eq (breaker.probes_won, 0);
    cr_assert_eq (sb_breaker_admit (&breaker, 8, now_ns + interval_ns - 1, interval_ns), SB_BREAKER_REFUSE_OPEN);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, now_ns + interval_ns));
    cr_assert_eq (breaker.probes_won, 1);
    cr_assert_eq (sb_breaker_admit (&breaker, 9, now_ns + interval_ns + 1, interval_ns), SB_BREAKER_PROBE);
}

Test (breaker, half_open_closes_on_the_third_probe_in_a_row)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_recovered (&now_ns);
    cr_assert_eq (breaker.ring_count, 0);
    cr_assert_eq (breaker.restarts_by_recovery, 1);
    cr_assert_eq (sb_breaker_admit (&breaker, 20, now_ns, interval_ns), SB_BREAKER_PROCESS);
}

Test (breaker, half_open_reopens_on_first_failure)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    uint64_t first_wait_ns = breaker.last_wait_ns;
    cr_assert (sb_breaker_failure (&breaker, &rules, now_ns));
    cr_assert_eq (breaker.state, SB_BREAKER_OPEN);
    cr_assert_eq (breaker.open_count, 2);
    cr_assert_geq (breaker.last_wait_ns, 60 * S);
    cr_assert_gt (breaker.last_wait_ns, first_wait_ns);
    cr_assert_eq (breaker.until_ns, now_ns + breaker.last_wait_ns);
}

Test (breaker, half_open_failure_within_a_probes_interval_ends_the_run)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    sb_breaker_admit (&breaker, 7, now_ns, interval_ns);
    cr_assert (sb_breaker_failure (&breaker, &rules, now_ns + interval_ns - 1));
    now_ns = breaker.until_ns;
    sb_breaker_expire (&breaker, &rules, now_ns);
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    cr_assert_eq (breaker.probes_won, 0);
    cr_assert_eq (sb_breaker_admit (&breaker, 8, now_ns, interval_ns), SB_BREAKER_PROBE);
}

Test (breaker, half_open_probe_refused_without_failure_counts_neither_way)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    sb_breaker_admit (&breaker, 7, now_ns, interval_ns);
    sb_breaker_void_probe (&breaker, 6);
    cr_assert_not (breaker.probe_void, "of another message");
    sb_breaker_void_probe (&breaker, 7);
    now_ns += interval_ns;
    cr_assert_not (sb_breaker_expire (&breaker, &rules, now_ns));
    cr_assert_eq (breaker.probes_won, 0);
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    cr_assert_eq (sb_breaker_admit (&breaker, 8, now_ns, interval_ns), SB_BREAKER_PROBE);
}

Test (breaker, half_open_probe_is_not_judged_sooner_for_the_brokers_lateness)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    sb_breaker_admit (&breaker, 7, now_ns, interval_ns);
    sb_breaker_delay (&breaker, 5 * S);
    cr_assert_eq (sb_breaker_deadline (&breaker), now_ns + interval_ns + 5 * S);
}

Test (breaker, half_open_is_closed_by_restart_and_refuses_release)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_half_open (&now_ns);
    cr_assert_not (sb_breaker_release (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    cr_assert (sb_breaker_restart (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
}

/* ------------------------------------------------------------------ closed again */

Test (breaker, wait_is_longer_when_it_opens_again_soon)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_recovered (&now_ns);
    uint64_t just_before_ns = breaker.shorten_ns - 1;
    cr_assert_eq (breaker.shorten_ns, now_ns + 2 * breaker.last_wait_ns);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, just_before_ns));
    for (int i = 0; i < 5; i++)
        sb_breaker_failure (&breaker, &rules, just_before_ns);
    cr_assert_geq (breaker.last_wait_ns, 60 * S);
}

static uint64_t s_wait_when_opened_after_shortening (uint64_t beyond_ns)
{
    uint64_t now_ns;
    sb_breaker_t breaker = s_recovered (&now_ns);
    now_ns = breaker.shorten_ns + beyond_ns;
    cr_assert_eq (sb_breaker_deadline (&breaker), breaker.shorten_ns);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, now_ns));
    for (int i = 0; i < 5; i++)
        sb_breaker_failure (&breaker, &rules, now_ns);
    return breaker.last_wait_ns;
}

Test (breaker, wait_is_one_step_shorter_after_twice_the_last_wait_closed)
{
    cr_assert_leq (s_wait_when_opened_after_shortening (0), 33 * S);
    cr_assert_leq (s_wait_when_opened_after_shortening (1), 33 * S);
}

Test (breaker, wait_shortens_step_by_step_down_to_the_first)
{
    sb_breaker_t breaker = s_open (start_ns);
    uint64_t now_ns = start_ns;
    for (int i = 0; i < 3; i++) {
        now_ns = breaker.until_ns;
        sb_breaker_expire (&breaker, &rules, now_ns);
        sb_breaker_failure (&breaker, &rules, now_ns);
    }
    cr_assert_eq (breaker.wait_step, 4);
    now_ns = breaker.until_ns;
    sb_breaker_expire (&breaker, &rules, now_ns);
    for (uint64_t probe = 1; probe <= 3; probe++) {
        sb_breaker_admit (&breaker, probe, now_ns, interval_ns);
        now_ns += interval_ns;
        sb_breaker_expire (&breaker, &rules, now_ns);
    }
    cr_assert_eq (breaker.state, SB_BREAKER_CLOSED);
    for (uint32_t step = 4; step > 0; step--) {
        uint64_t due_ns = sb_breaker_deadline (&breaker);
        sb_breaker_expire (&breaker, &rules, due_ns - 1);
        cr_assert_eq (breaker.wait_step, step);
        sb_breaker_expire (&breaker, &rules, due_ns);
        cr_assert_eq (breaker.wait_step, step - 1);
    }
    cr_assert_eq (sb_breaker_deadline (&breaker), UINT64_MAX);
}

/* ------------------------------------------------------------------ FORCED_OPEN */

Test (breaker, isolate_forces_open_from_every_state)
{
    uint64_t now_ns;
    sb_breaker_t closed = s_new ();
    sb_breaker_t open = s_open (start_ns);
    sb_breaker_t half_open = s_half_open (&now_ns);
    cr_assert (sb_breaker_isolate (&closed));
    cr_assert (sb_breaker_isolate (&open));
    cr_assert (sb_breaker_isolate (&half_open));
    cr_assert_not (sb_breaker_isolate (&half_open), "it is so already");
    cr_assert_eq (closed.state, SB_BREAKER_FORCED_OPEN);
    cr_assert_eq (open.state, SB_BREAKER_FORCED_OPEN);
    cr_assert_eq (half_open.state, SB_BREAKER_FORCED_OPEN);
}

Test (breaker, forced_open_refuses_as_isolated_and_never_ends_by_time)
{
    sb_breaker_t breaker = s_isolated ();
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_REFUSE_ISOLATED);
    cr_assert_eq (sb_breaker_deadline (&breaker), UINT64_MAX);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, UINT64_MAX));
    cr_assert_eq (breaker.state, SB_BREAKER_FORCED_OPEN);
    cr_assert_eq (sb_breaker_retry_after_ms (&breaker, &rules, start_ns), 300000);
}

Test (breaker, forced_open_counts_failures_and_ignores_success)
{
    sb_breaker_t breaker = s_isolated ();
    for (int i = 0; i < 10; i++)
        cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns));
    sb_breaker_success (&breaker, 1);
    cr_assert_eq (breaker.failures, 10);
    cr_assert_eq (breaker.state, SB_BREAKER_FORCED_OPEN);
}

Test (breaker, forced_open_refuses_restart)
{
    sb_breaker_t breaker = s_isolated ();
    cr_assert_not (sb_breaker_restart (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_FORCED_OPEN);
    cr_assert_eq (breaker.restarts_by_hand, 0);
}

Test (breaker, forced_open_is_released_to_half_open)
{
    sb_breaker_t breaker = s_isolated ();
    cr_assert (sb_breaker_release (&breaker));
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_PROBE);
}

/* ------------------------------------------------------------------ restart of the broker */

Test (breaker, restored_closed_has_an_empty_ring)
{
    sb_breaker_t breaker = s_new ();
    for (int i = 0; i < 4; i++)
        sb_breaker_failure (&breaker, &rules, start_ns);
    sb_breaker_restore (&breaker, SB_BREAKER_CLOSED, 0, start_ns);
    cr_assert_not (sb_breaker_failure (&breaker, &rules, start_ns));
}

Test (breaker, restored_open_waits_for_what_was_left)
{
    sb_breaker_t breaker = s_new ();
    sb_breaker_restore (&breaker, SB_BREAKER_OPEN, 7 * S, start_ns);
    cr_assert_not (sb_breaker_expire (&breaker, &rules, start_ns + 7 * S - 1));
    cr_assert (sb_breaker_expire (&breaker, &rules, start_ns + 7 * S));
    cr_assert_eq (breaker.state, SB_BREAKER_HALF_OPEN);
}

Test (breaker, restored_half_open_takes_a_probe_at_once)
{
    sb_breaker_t breaker = s_new ();
    sb_breaker_restore (&breaker, SB_BREAKER_HALF_OPEN, 0, start_ns);
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_PROBE);
}

Test (breaker, restored_isolation_is_kept)
{
    sb_breaker_t breaker = s_new ();
    sb_breaker_restore (&breaker, SB_BREAKER_FORCED_OPEN, 0, start_ns);
    cr_assert_eq (sb_breaker_admit (&breaker, 1, start_ns, interval_ns), SB_BREAKER_REFUSE_ISOLATED);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Every cell of the liveness table, at t-1, t and t+1, and the clock of MUTE.
 */
#include <criterion/criterion.h>

#include "liveness.h"

#define S UINT64_C (1000000000)

static const uint64_t start_ns = 1000 * S;
static const uint64_t interval_ns = S;
static const uint64_t timeout_ns = 5 * S;

static sb_liveness_t s_registered (void)
{
    sb_liveness_t liveness;
    sb_liveness_init (&liveness, start_ns);
    cr_assert (sb_liveness_register (&liveness, interval_ns, start_ns));
    cr_assert_eq (liveness.state, SB_LIVENESS_REGISTERED);
    return liveness;
}

static sb_liveness_t s_live (void)
{
    sb_liveness_t liveness = s_registered ();
    cr_assert (sb_liveness_heard (&liveness, start_ns));
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
    return liveness;
}

static sb_liveness_t s_after (sb_liveness_t liveness, uint64_t silence_ns)
{
    while (sb_liveness_expire (&liveness, timeout_ns, start_ns + silence_ns) != SB_LIVENESS_NOTHING)
        continue;
    return liveness;
}

static sb_liveness_t s_suspect (void)
{
    return s_after (s_live (), 3 * interval_ns);
}

static sb_liveness_t s_dead (void)
{
    return s_after (s_live (), 8 * interval_ns);
}

static sb_liveness_t s_recovering (uint64_t heartbeat_ns)
{
    sb_liveness_t liveness;
    sb_liveness_recover (&liveness, heartbeat_ns, start_ns);
    return liveness;
}

/* `from` holds just before `silence_ns`, `to` from then on; the deadline says so. */
static void s_check_decay (sb_liveness_t from, uint64_t silence_ns, sb_liveness_state_t to)
{
    cr_assert_eq (sb_liveness_deadline (&from), start_ns + silence_ns);
    cr_assert_eq (s_after (from, silence_ns - 1).state, from.state);
    cr_assert_eq (s_after (from, silence_ns).state, to);
    cr_assert_eq (s_after (from, silence_ns + 1).state, to);
}

/* ------------------------------------------------------------------ silence */

Test (liveness, registered_is_dead_after_16_intervals)
{
    s_check_decay (s_registered (), 16 * interval_ns, SB_LIVENESS_DEAD);
}

Test (liveness, live_is_suspect_after_3_intervals)
{
    s_check_decay (s_live (), 3 * interval_ns, SB_LIVENESS_SUSPECT);
}

Test (liveness, suspect_is_dead_after_8_intervals)
{
    s_check_decay (s_suspect (), 8 * interval_ns, SB_LIVENESS_DEAD);
}

Test (liveness, live_goes_by_suspect_to_dead_even_when_judged_late)
{
    sb_liveness_t liveness = s_live ();
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, start_ns + 100 * S), SB_LIVENESS_CHANGED);
    cr_assert_eq (liveness.state, SB_LIVENESS_SUSPECT);
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, start_ns + 100 * S), SB_LIVENESS_CHANGED);
    cr_assert_eq (liveness.state, SB_LIVENESS_DEAD);
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, start_ns + 100 * S), SB_LIVENESS_NOTHING);
}

Test (liveness, recovering_is_dead_after_40_seconds_or_8_intervals)
{
    s_check_decay (s_recovering (interval_ns), 40 * S, SB_LIVENESS_DEAD);
    s_check_decay (s_recovering (10 * S), 80 * S, SB_LIVENESS_DEAD);
}

Test (liveness, offline_and_dead_never_decay)
{
    sb_liveness_t offline = s_live ();
    sb_liveness_goodbye (&offline, start_ns);
    cr_assert_eq (sb_liveness_deadline (&offline), UINT64_MAX);
    cr_assert_eq (s_after (offline, 1000000 * S).state, SB_LIVENESS_OFFLINE);
    sb_liveness_t dead = s_dead ();
    cr_assert_eq (sb_liveness_deadline (&dead), UINT64_MAX);
}

Test (liveness, dead_and_offline_are_forgotten_after_their_time_only)
{
    sb_liveness_t dead = s_live ();
    uint64_t died_ns = start_ns + 9 * S;
    while (sb_liveness_expire (&dead, timeout_ns, died_ns) != SB_LIVENESS_NOTHING)
        continue;
    cr_assert_not (sb_liveness_is_over (&dead, 100 * S, died_ns + 100 * S - 1));
    cr_assert (sb_liveness_is_over (&dead, 100 * S, died_ns + 100 * S));
    cr_assert (sb_liveness_is_over (&dead, 100 * S, died_ns + 100 * S + 1));
    sb_liveness_t live = s_live ();
    cr_assert_not (sb_liveness_is_over (&live, 0, start_ns));
}

/* ------------------------------------------------------------------ traffic */

Test (liveness, traffic_makes_registered_live_and_keeps_live)
{
    sb_liveness_t liveness = s_registered ();
    cr_assert (sb_liveness_heard (&liveness, start_ns + S));
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
    cr_assert_not (sb_liveness_heard (&liveness, start_ns + 2 * S));
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
    cr_assert_eq (liveness.mistakes, 0);
    cr_assert_eq (sb_liveness_deadline (&liveness), start_ns + 5 * S);
}

Test (liveness, traffic_brings_suspect_back_as_a_counted_mistake)
{
    sb_liveness_t liveness = s_suspect ();
    cr_assert (sb_liveness_heard (&liveness, start_ns + 4 * S));
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
    cr_assert_eq (liveness.mistakes, 1);
}

Test (liveness, traffic_never_revives_dead_offline_or_recovering)
{
    sb_liveness_t states[] = {s_dead (), s_live (), s_recovering (interval_ns)};
    sb_liveness_goodbye (&states[1], start_ns);
    for (int i = 0; i < 3; i++) {
        sb_liveness_state_t before = states[i].state;
        cr_assert_not (sb_liveness_heard (&states[i], start_ns + 20 * S));
        cr_assert_eq (states[i].state, before);
    }
}

/* ------------------------------------------------------------------ registration, goodbye */

Test (liveness, registration_begins_anew_from_every_state)
{
    sb_liveness_t states[] = {s_registered (), s_live (), s_suspect (), s_dead (), s_live ()};
    sb_liveness_goodbye (&states[4], start_ns);
    for (int i = 0; i < 5; i++) {
        sb_liveness_register (&states[i], 2 * interval_ns, start_ns + 20 * S);
        cr_assert_eq (states[i].state, SB_LIVENESS_REGISTERED);
        cr_assert_eq (sb_liveness_deadline (&states[i]), start_ns + 20 * S + 16 * 2 * interval_ns);
    }
}

Test (liveness, registration_makes_recovering_live)
{
    sb_liveness_t liveness = s_recovering (interval_ns);
    cr_assert (sb_liveness_register (&liveness, interval_ns, start_ns));
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
}

Test (liveness, goodbye_is_offline_from_every_state)
{
    sb_liveness_t states[] = {s_registered (), s_live (), s_suspect (), s_dead (), s_recovering (interval_ns)};
    for (int i = 0; i < 5; i++) {
        cr_assert (sb_liveness_goodbye (&states[i], start_ns));
        cr_assert_eq (states[i].state, SB_LIVENESS_OFFLINE);
        cr_assert_not (sb_liveness_goodbye (&states[i], start_ns));
    }
}

/* ------------------------------------------------------------------ the broker's own lateness */

Test (liveness, lateness_beyond_half_an_interval_moves_every_deadline)
{
    sb_liveness_t liveness = s_live ();
    uint64_t now_ns = start_ns + 40 * S;
    sb_liveness_delay (&liveness, interval_ns / 2, now_ns);
    cr_assert_eq (sb_liveness_deadline (&liveness), start_ns + 3 * S, "half an interval is no lateness");
    sb_liveness_delay (&liveness, interval_ns / 2 + 1, now_ns);
    cr_assert_eq (sb_liveness_deadline (&liveness), start_ns + 3 * S + interval_ns / 2 + 1);
    sb_liveness_delay (&liveness, 30 * S, now_ns);
    cr_assert_eq (sb_liveness_deadline (&liveness), start_ns + 33 * S + interval_ns / 2 + 1);
}

Test (liveness, lateness_does_not_make_what_was_just_heard_lie_in_the_future)
{
    sb_liveness_t liveness = s_live ();
    sb_liveness_heard (&liveness, start_ns + 30 * S);
    sb_liveness_delay (&liveness, 30 * S, start_ns + 30 * S);
    cr_assert_eq (sb_liveness_deadline (&liveness), start_ns + 33 * S);
}

Test (liveness, broker_that_stood_for_30_seconds_declares_nobody_dead)
{
    sb_liveness_t liveness = s_live ();
    uint64_t now_ns = start_ns + S + 30 * S;
    sb_liveness_delay (&liveness, 30 * S, now_ns);
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, now_ns), SB_LIVENESS_NOTHING);
    cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
}

/* ------------------------------------------------------------------ MUTE */

/* Live, with work queued and progress 7 at start_ns; beats go on, so that silence is no matter. */
static sb_liveness_t s_stuck (void)
{
    sb_liveness_t liveness = s_live ();
    sb_liveness_beat (&liveness, 7, 3, true, timeout_ns, start_ns);
    return liveness;
}

static sb_liveness_outcome_t s_judge (sb_liveness_t *liveness, uint64_t after_ns)
{
    sb_liveness_heard (liveness, start_ns + after_ns);
    return sb_liveness_expire (liveness, timeout_ns, start_ns + after_ns);
}

Test (liveness, mute_after_timeout_without_progress_with_work_queued)
{
    for (int beyond = -1; beyond <= 1; beyond++) {
        sb_liveness_t liveness = s_stuck ();
        sb_liveness_outcome_t outcome = s_judge (&liveness, timeout_ns + (uint64_t)(int64_t)beyond);
        cr_assert_eq (outcome, beyond < 0 ? SB_LIVENESS_NOTHING : SB_LIVENESS_MUTE);
        cr_assert_eq (liveness.is_mute, beyond >= 0);
        cr_assert_eq (liveness.state, SB_LIVENESS_LIVE);
    }
}

Test (liveness, mute_is_repeated_once_per_timeout)
{
    sb_liveness_t liveness = s_stuck ();
    cr_assert_eq (s_judge (&liveness, timeout_ns), SB_LIVENESS_MUTE);
    cr_assert_eq (s_judge (&liveness, 2 * timeout_ns - 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 2 * timeout_ns), SB_LIVENESS_MUTE_REPEAT);
    cr_assert_eq (s_judge (&liveness, 2 * timeout_ns + 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 3 * timeout_ns), SB_LIVENESS_MUTE_REPEAT);
}

Test (liveness, beats_without_progress_do_not_wind_the_clock_back)
{
    sb_liveness_t liveness = s_stuck ();
    for (uint64_t i = 1; i < 5; i++) {
        sb_liveness_heard (&liveness, start_ns + i * S);
        sb_liveness_beat (&liveness, 7, 3, true, timeout_ns, start_ns + i * S);
    }
    cr_assert_eq (s_judge (&liveness, timeout_ns), SB_LIVENESS_MUTE);
}

Test (liveness, progress_winds_the_clock_back_and_ends_mute)
{
    sb_liveness_t liveness = s_stuck ();
    cr_assert_not (sb_liveness_beat (&liveness, 8, 3, true, timeout_ns, start_ns + 4 * S));
    cr_assert_eq (s_judge (&liveness, 9 * S - 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 9 * S), SB_LIVENESS_MUTE);
    cr_assert (sb_liveness_beat (&liveness, 9, 3, true, timeout_ns, start_ns + 10 * S));
    cr_assert_not (liveness.is_mute);
}

Test (liveness, empty_queue_is_never_mute)
{
    sb_liveness_t liveness = s_stuck ();
    cr_assert_not (sb_liveness_beat (&liveness, 7, 0, true, timeout_ns, start_ns + S));
    cr_assert_eq (s_judge (&liveness, 100 * S), SB_LIVENESS_NOTHING);
}

Test (liveness, mute_is_not_judged_while_paused_and_starts_anew_after)
{
    sb_liveness_t liveness = s_stuck ();
    cr_assert_not (sb_liveness_beat (&liveness, 7, 3, false, timeout_ns, start_ns + S));
    cr_assert_eq (s_judge (&liveness, 100 * S), SB_LIVENESS_NOTHING);
    sb_liveness_beat (&liveness, 7, 3, true, timeout_ns, start_ns + 100 * S);
    cr_assert_eq (s_judge (&liveness, 105 * S - 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 105 * S), SB_LIVENESS_MUTE);
    cr_assert (sb_liveness_unmute (&liveness));
    cr_assert_not (sb_liveness_unmute (&liveness));
}

Test (liveness, mute_is_judged_only_while_live)
{
    sb_liveness_t liveness = s_stuck ();
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, start_ns + 5 * S), SB_LIVENESS_CHANGED);
    cr_assert_eq (liveness.state, SB_LIVENESS_SUSPECT);
    cr_assert_eq (sb_liveness_expire (&liveness, timeout_ns, start_ns + 6 * S), SB_LIVENESS_NOTHING);
    sb_liveness_heard (&liveness, start_ns + 6 * S);
    sb_liveness_beat (&liveness, 7, 3, true, timeout_ns, start_ns + 6 * S);
    cr_assert_eq (s_judge (&liveness, 11 * S - 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 11 * S), SB_LIVENESS_MUTE);
}

Test (liveness, mute_waits_for_the_brokers_own_lateness)
{
    sb_liveness_t liveness = s_stuck ();
    sb_liveness_delay (&liveness, 30 * S, start_ns + 31 * S);
    cr_assert_eq (s_judge (&liveness, 35 * S - 1), SB_LIVENESS_NOTHING);
    cr_assert_eq (s_judge (&liveness, 35 * S), SB_LIVENESS_MUTE);
}

/* ------------------------------------------------------------------ health */

Test (liveness, live_is_well_and_registered_is_for_3_intervals)
{
    sb_liveness_t registered = s_registered ();
    cr_assert (sb_liveness_is_well (&registered, start_ns + 3 * S - 1));
    cr_assert_not (sb_liveness_is_well (&registered, start_ns + 3 * S));
    sb_liveness_t live = s_live ();
    cr_assert (sb_liveness_is_well (&live, start_ns));
    sb_liveness_t suspect = s_suspect ();
    cr_assert_not (sb_liveness_is_well (&suspect, start_ns + 3 * S));
}

Test (liveness, every_state_has_its_name)
{
    cr_assert_str_eq (sb_liveness_name (SB_LIVENESS_REGISTERED), "REGISTERED");
    cr_assert_str_eq (sb_liveness_name (SB_LIVENESS_RECOVERING), "RECOVERING");
    cr_assert_str_eq (sb_liveness_name ((sb_liveness_state_t)99), "?");
}

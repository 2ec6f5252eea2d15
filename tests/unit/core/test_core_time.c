/* SPDX-License-Identifier: MPL-2.0
 *
 * Time: deadlines, whole ticks, the broker's guard against itself, work that is put off.
 */
#include "core_harness.h"

/* Agents a and b, both heard at now_ns. */
static void s_start (harness_t *self)
{
    harness_start (self);
    harness_register (self, 1, "a", 10);
    harness_register (self, 2, "b", 10);
    harness_beat (self, 1);
    harness_beat (self, 2);
    harness_forget (self);
}

Test (ticks, beat_carries_the_heads_once_a_tick)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_delta (&h, 1, 2, "x", "", "p", 2);
    harness_forget (&h);
    harness_advance (&h, 2999);
    harness_expect_times (&h, "PUBLISH _beat.. #0/0/0", 2);
    harness_expect (&h, "sequence=8 head._event=6 head.x=2");
    harness_advance (&h, 1);
    harness_expect_times (&h, "PUBLISH _beat.. #0/0/0", 3);
    harness_stop (&h);
}

Test (ticks, missed_ones_are_left_out_and_keep_their_rhythm)
{
    harness_t h;
    s_start (&h);
    uint64_t start_ns = h.now_ns;
    h.now_ns += 4300 * HARNESS_MS;
    harness_tick (&h);
    harness_expect_times (&h, "PUBLISH _beat..", 1);
    cr_assert_eq (sb_core_deadline (h.core), start_ns + 5000 * HARNESS_MS);
    harness_stop (&h);
}

Test (ticks, silence_is_judged_on_time_and_not_before)
{
    harness_t h;
    s_start (&h);
    harness_advance (&h, 2999);
    harness_expect_not (&h, "to='SUSPECT'");
    harness_advance (&h, 1);
    harness_expect_times (&h, "to='SUSPECT'", 2);
    harness_advance (&h, 4999);
    harness_expect_not (&h, "to='DEAD'");
    harness_advance (&h, 1);
    harness_expect_times (&h, "to='DEAD'", 2);
    harness_forget (&h);
    harness_beat (&h, 1);
    harness_expect (&h, "SEND 1 REFUSAL 0=REGISTER_AGAIN");
    harness_stop (&h);
}

Test (ticks, deadline_is_exact_for_short_intervals)
{
    harness_t h;
    harness_start (&h);
    sb_registration_t registration = harness_registration ("fast", 10);
    registration.heartbeat_interval_ms = 100;
    harness_send_registration (&h, 1, &registration);
    harness_beat (&h, 1);
    cr_assert_leq (sb_core_deadline (h.core), h.now_ns + 300 * HARNESS_MS);
    harness_advance (&h, 299);
    harness_expect_not (&h, "to='SUSPECT'");
    harness_advance (&h, 1);
    harness_expect (&h, "to='SUSPECT'");
    harness_stop (&h);
}

Test (ticks, traffic_moves_the_deadline_without_a_tick)
{
    harness_t h;
    s_start (&h);
    for (int i = 0; i < 20; i++) {
        harness_advance (&h, 1500);
        harness_beat (&h, 1);
        harness_beat (&h, 2);
    }
    harness_expect_not (&h, "SUSPECT");
    harness_stop (&h);
}

Test (guard, broker_stopped_for_30_s_declares_nobody_dead)
{
    harness_t h;
    s_start (&h);
    harness_advance (&h, 500);
    harness_forget (&h);
    h.now_ns += 30000 * HARNESS_MS;
    harness_tick (&h);
    harness_settle (&h);
    harness_expect_not (&h, "to='DEAD'");
    harness_expect_not (&h, "to='SUSPECT'");
    harness_expect (&h, "_event._broker.LATE");
    harness_advance (&h, 1000);
    harness_expect_not (&h, "to='DEAD'");
    harness_beat (&h, 1);
    harness_advance (&h, 2000);
    harness_expect (&h, "_event.b.LIVENESS");
    harness_expect_not (&h, "_event.a.LIVENESS");
    harness_stop (&h);
}

Test (guard, broker_that_had_work_left_over_when_it_was_stopped_declares_nobody_dead)
{
    enum { FIELDS = 1000 };
    static char names[FIELDS][8];
    static sb_change_t changes[FIELDS];
    harness_t h;
    s_start (&h);
    for (uint32_t i = 0; i < FIELDS; i++) {
        snprintf (names[i], sizeof names[i], "f%u", i);
        changes[i] = harness_number (names[i], 1);
    }
    sb_delta_t delta = harness_delta_of (1, "x", "", changes, FIELDS);
    delta.time_to_live_ms = 100;
    harness_batch (&h, 1, &delta, 1);
    h.now_ns += 100 * HARNESS_MS;
    harness_tick (&h);
    cr_assert_leq (sb_core_deadline (h.core), h.now_ns, "not all of them can have gone in one step");
    h.now_ns += 30000 * HARNESS_MS;
    harness_tick (&h);
    harness_settle (&h);
    harness_expect_not (&h, "to='DEAD'");
    harness_expect_not (&h, "to='SUSPECT'");
    harness_expect (&h, "_event._broker.LATE");
    harness_stop (&h);
}

Test (guard, small_lateness_is_not_forgiven)
{
    harness_t h;
    s_start (&h);
    harness_advance (&h, 2999);
    h.now_ns += 400 * HARNESS_MS; /* under I/2 */
    harness_tick (&h);
    harness_expect_times (&h, "to='SUSPECT'", 2);
    harness_stop (&h);
}

Test (guard, work_that_exceeds_its_budget_is_put_off_and_told)
{
    harness_t h;
    harness_init (&h);
    h.config.tick_timeout_ms = 2000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= 4000; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", (unsigned)i);
        h.is_quiet = true;
        harness_delta (&h, 1, i, "x", subject, "p", 1);
    }
    h.is_quiet = false;
    harness_goodbye (&h, 1);
    for (int i = 0; i < 7 && !harness_saw (&h, "_event._broker.LATE"); i++) {
        h.now_ns += 450 * HARNESS_MS; /* a machine that is far too slow */
        harness_tick (&h);
    }
    harness_expect (&h, "_event._broker.LATE");
    cr_assert_gt (sb_core_deadline (h.core), h.now_ns);
    harness_advance (&h, 3000);
    harness_expect_times (&h, "STALE OFFLINE\n", 4000);
    harness_stop (&h);
}

Test (reload, changes_rules_and_bounds_but_not_tables)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 1; i <= 10; i++)
        harness_delta (&h, 1, i, "x", "", "zzz", (double)i);
    sb_core_config_t config = h.config;
    sb_category_rule_t rule = {sb_text ("z*"), sb_text ("last_letter")};
    config.category_rules = &rule;
    config.category_rule_count = 1;
    config.max_agents = 1;
    sb_event_t event = {.kind = SB_EVENT_RELOAD};
    event.reload = &config;
    harness_step (&h, event);
    rule.category = sb_text ("elsewhere"); /* it was copied */
    harness_delta (&h, 1, 11, "", "", "zzz", 1);
    harness_expect (&h, "PUBLISH last_letter.a.");
    harness_register (&h, 3, "c", 10);
    harness_expect (&h, "SEND 3 WELCOME");
    harness_stop (&h);
}

Test (ticks, deltas_put_suspicion_off_to_the_nanosecond)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= 40; i++) { /* ten seconds without a beat */
        harness_advance (&h, 250);
        harness_delta (&h, 1, i, "c", "", "p", (double)i);
    }
    uint64_t due_ns = h.now_ns + 3000 * HARNESS_MS;
    harness_advance (&h, 2999);
    harness_expect_not (&h, "to='SUSPECT'");
    while (sb_core_deadline (h.core) < due_ns) {
        h.now_ns = sb_core_deadline (h.core);
        harness_tick (&h);
    }
    cr_assert_eq (sb_core_deadline (h.core), due_ns);
    h.now_ns = due_ns - 1;
    harness_tick (&h);
    harness_expect_not (&h, "to='SUSPECT'");
    h.now_ns = due_ns;
    harness_tick (&h);
    harness_expect_times (&h, "to='SUSPECT'", 1);
    harness_stop (&h);
}

/* Steps a script of many kinds of events, and sums up all effects. */
static uint64_t s_run_script (uint64_t seed, size_t *size)
{
    harness_t h;
    harness_start (&h);
    uint64_t state = seed;
    uint64_t next[8] = {0};
    for (int i = 0; i < 5000; i++) {
        state = state * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
        uint32_t draw = (uint32_t)(state >> 33);
        uint64_t peer = 1 + draw % 6;
        char id[8], subject[8];
        snprintf (id, sizeof id, "a%u", (unsigned)peer);
        snprintf (subject, sizeof subject, "s%u", (draw >> 4) % 5);
        h.now_ns += (draw % 50) * HARNESS_MS;
        switch ((draw >> 8) % 10) {
        case 0:
            harness_register (&h, peer, id, 1 + (draw >> 12) % 4);
            next[peer] = 0;
            break;
        case 1:
            harness_beat (&h, peer);
            break;
        case 2:
            harness_tick (&h);
            break;
        case 3:
            harness_flush (&h);
            break;
        case 4:
            harness_peer_lost (&h, peer);
            break;
        case 5:
            harness_goodbye (&h, peer);
            break;
        default:
            harness_delta (&h, peer, ++next[peer], (draw >> 16) % 2 ? "x" : "", subject, "p", draw % 7);
        }
    }
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < h.trace_size; i++)
        sum = (sum ^ (unsigned char)h.trace[i]) * 1099511628211u;
    sum ^= sb_core_state_hash (h.core);
    *size = h.trace_size;
    harness_stop (&h);
    return sum;
}

Test (determinism, same_events_give_the_same_effects)
{
    size_t size[3];
    uint64_t first = s_run_script (1, &size[0]), second = s_run_script (1, &size[1]),
             other = s_run_script (2, &size[2]);
    cr_assert_gt (size[0], 100000);
    cr_assert_eq (first, second);
    cr_assert_neq (first, other);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and repairs by seeded chance: publications lost, beats and answers lost, connections cut, the broker begun
 * anew, history short, snapshots broken, handlers slow, buffers small, in any order. When all is well again the copy is
 * the broker's state by field and by hash, so is the application's own picture, every loss was told once, and what was
 * lost is what was recovered and resynchronized.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "small_broker.h"

enum { SEEDS = 3000, STEPS_MAX = 1200 };

static const sb_text_t s_whole[] = {{"m", 1}, {"e", 1}};
static const sb_text_t s_all[] = {{"all", 3}};
static const sb_text_t s_narrow[] = {{"m.b.x", 5}, {"n.c.", 4}, {"e.b", 3}};

static void s_go_wrong (small_broker_t *b, uint32_t faults)
{
    uint32_t what = small_broker_below (b, 5);
    if (!(faults & 1u << what))
        return;
    if (what == 0)
        small_broker_cut_sub (b);
    else if (what == 1)
        small_broker_cut_session (b);
    else if (what == 2 && small_broker_below (b, 4) == 0)
        small_broker_restart (b);
    else if (what == 3)
        b->history_max = 5 + small_broker_below (b, 40);
    else if (what == 4)
        b->break_snapshot_percent = small_broker_below (b, 20);
}

static void s_happen (small_broker_t *b, uint32_t faults)
{
    uint32_t what = small_broker_below (b, 100);
    if (what < 35)
        small_broker_publish (b);
    else if (what < 65)
        small_broker_bring_frame (b);
    else if (what < 75)
        small_broker_bring_message (b);
    else if (what < 88)
        small_broker_handle (b);
    else if (what < 98)
        small_broker_pass (b, small_broker_below (b, 200));
    else
        s_go_wrong (b, faults);
    if (!b->is_subscribed && small_broker_below (b, 50) == 0)
        small_broker_subscribe (b);
}

/* What all seeds of a test had, so that none of it is missing from them. */
typedef struct {
    uint64_t recovered, resynchronized, joins, snapshots, restarts, gaps;
} s_sums_t;

static void s_sum (s_sums_t *sums, const small_broker_t *b)
{
    sb_agent_counts_t counts = small_broker_counts (b);
    sums->recovered += counts.recovered;
    sums->resynchronized += counts.resynchronized;
    sums->joins += counts.joins;
    sums->snapshots += counts.snapshots;
    sums->restarts += counts.restarts;
    sums->gaps += counts.gaps;
}

static void s_run (uint64_t seed, const sb_text_t *interests, const uint32_t *conflate_ms, uint32_t interest_count,
                   s_sums_t *sums)
{
    char what[48];
    snprintf (what, sizeof what, "seed %llu", (unsigned long long)seed);
    small_broker_t *b = small_broker_new (seed, interests, conflate_ms, interest_count);
    uint32_t faults = small_broker_below (b, 32);
    b->f.config.queue_publications = 1 + small_broker_below (b, 12);
    b->page_max = 1 + small_broker_below (b, 10);
    if (small_broker_below (b, 4) == 0) {
        b->f.config.buffer_bytes = 2000;
        b->forgives_counts = true;
    }
    b->is_read_by_others = small_broker_below (b, 2);
    small_broker_start (b);
    b->loss_percent = small_broker_below (b, 2) ? small_broker_below (b, 20) : 0;
    b->refuse_history_percent = small_broker_below (b, 3) ? 0 : 30;
    for (uint32_t left = 20 + small_broker_below (b, STEPS_MAX); left > 0; left--) {
        s_happen (b, faults);
        small_broker_check_copy (b, what);
    }
    small_broker_heal (b, 120);
    small_broker_check (b, what);
    s_sum (sums, b);
    small_broker_destroy (b);
}

/* The seed in the environment, or as many as it says, or `seeds`. */
static void s_run_all (uint32_t seeds, const sb_text_t *interests, const uint32_t *conflate_ms, uint32_t interest_count)
{
    const char *only = getenv ("SB_SEED");
    const char *count = getenv ("SB_SEEDS");
    s_sums_t sums = {0};
    if (only) {
        s_run (strtoull (only, NULL, 10), interests, conflate_ms, interest_count, &sums);
        return;
    }
    if (count)
        seeds = (uint32_t)strtoul (count, NULL, 10);
    for (uint64_t seed = 1; seed <= seeds; seed++)
        s_run (seed, interests, conflate_ms, interest_count, &sums);
    cr_assert ((conflate_ms || sums.recovered > seeds) && sums.resynchronized > seeds && sums.restarts > seeds / 4 &&
                   sums.joins > seeds && sums.snapshots > seeds && sums.gaps > seeds,
               "too little went wrong: recovered %llu, resynchronized %llu, restarts %llu, snapshots %llu",
               (unsigned long long)sums.recovered, (unsigned long long)sums.resynchronized,
               (unsigned long long)sums.restarts, (unsigned long long)sums.snapshots);
}

Test (recovery_model, the_copy_becomes_the_brokers_state, .timeout = 200)
{
    s_run_all (SEEDS, s_whole, NULL, 2);
}

Test (recovery_model, of_everything_too, .timeout = 200)
{
    s_run_all (SEEDS / 3, s_all, NULL, 1);
}

Test (recovery_model, of_topics_and_parts_of_categories_too, .timeout = 200)
{
    s_run_all (SEEDS / 3, s_narrow, NULL, 3);
}

Test (recovery_model, of_conflated_topics_too, .timeout = 200)
{
    static const uint32_t conflate_ms[] = {10, 10, 10};
    s_run_all (SEEDS / 6, s_whole, conflate_ms, 2);
    s_run_all (SEEDS / 6, s_narrow, conflate_ms, 3);
}

Test (recovery_model, of_conflated_and_other_topics_side_by_side, .timeout = 200)
{
    static const sb_text_t beside[] = {{"m", 1}, {"m.b.x", 5}, {"n.b.", 4}, {"n.c.", 4}, {"e.c", 3}};
    static const uint32_t conflate_ms[] = {20, 0, 10, 0, 0};
    s_run_all (SEEDS / 3, beside, conflate_ms, 5);
}

Test (recovery_model, of_prefixes_cut_inside_a_name_too, .timeout = 200)
{
    static const sb_text_t cut[] = {{"m.", 2}, {"n.b", 3}, {"e.b.x", 5}};
    s_run_all (SEEDS / 3, cut, NULL, 3);
}

/* ------------------------------------------------------------------ never quiet */

enum { TOPIC_MB = 1, TOPIC_MBX = 3 };

static void s_bring_all (small_broker_t *b)
{
    while (small_broker_bring_frame (b) || small_broker_bring_message (b) || small_broker_handle (b))
        continue;
}

/* Another topic of the same agent is written ten times a second, and goes on. */
static void s_keep_busy (small_broker_t *b, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i += 100) {
        small_broker_write (b, TOPIC_MB, 0, b->publication_count);
        small_broker_pass (b, 100);
        s_bring_all (b);
    }
}

static void s_lose_the_last (const char *text, const uint32_t *conflate_ms)
{
    sb_text_t interest = sb_text (text);
    small_broker_t *b = small_broker_new (1, &interest, conflate_ms, 1);
    small_broker_start (b);
    small_broker_write (b, TOPIC_MBX, 1, 1);
    s_keep_busy (b, 5000);
    cr_assert (sb_agent_step_is_current (b->f.step));
    b->loss_percent = 100;
    small_broker_write (b, TOPIC_MBX, 1, 2);
    b->loss_percent = 0;
    s_keep_busy (b, 2100);
    cr_assert (sb_agent_step_is_current (b->f.step), "%s: not made good", text);
    small_broker_check (b, text);
    cr_assert_eq (small_broker_counts (b).dropped, 1, "%s: which one is told", text);
    small_broker_destroy (b);
}

Test (never_quiet, the_loss_of_a_topics_last_one_is_found_behind_another_topics)
{
    static const char *const interests[] = {"m", "m.b", "m.b.", "m.b.x"};
    static const uint32_t conflate_ms[] = {10};
    for (uint32_t i = 0; i < 4; i++) {
        s_lose_the_last (interests[i], NULL);
        s_lose_the_last (interests[i], conflate_ms);
    }
}

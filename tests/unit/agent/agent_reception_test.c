/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications: gaps, repeats, a new epoch, room for the handler, positions in heartbeats.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static const sb_text_t s_interests[] = {{"m", 1}, {"n.x", 3}};

static sb_fixture_t s_open (void)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = s_interests;
    f.config.interest_count = 2;
    f.welcome.interests = s_interests;
    f.welcome.interest_count = 2;
    sb_fixture_open (&f);
    return f;
}

static bool s_is_delivered (const sb_fixture_t *f)
{
    return sb_fixture_effect (f, SB_AGENT_EFFECT_DELIVER, 0) != NULL;
}

static void s_handled (sb_fixture_t *f, bool failed, uint64_t processing_ns)
{
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .monotonic_ns = f->now_ns};
    event.handled.failed = failed;
    event.handled.processing_ns = processing_ns;
    event.handled.delivery_ns = 5000;
    sb_agent_effects_t answer;
    sb_agent_step (f->step, &event, &answer);
}

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

static uint64_t s_dropped (const sb_fixture_t *f)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (f->step, &counts);
    return counts.dropped;
}

Test (reception, what_is_asked_for_is_delivered_and_nothing_else)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    cr_assert (s_is_delivered (&f));
    sb_fixture_publish (&f, 1, "n.xy.s", 11, 1);
    cr_assert (s_is_delivered (&f));
    sb_fixture_publish (&f, 1, "mm.b.", 12, 1);
    cr_assert_not (s_is_delivered (&f));
    sb_fixture_publish (&f, 1, "n.a.s", 13, 1);
    cr_assert_not (s_is_delivered (&f));
    sb_fixture_end (&f);
}

Test (reception, a_hole_is_a_gap_and_waits_for_its_repair)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    sb_fixture_publish (&f, 1, "m.b.", 11, 2);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    sb_fixture_publish (&f, 1, "m.b.", 15, 6);
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0);
    cr_assert_eq (effect->gap.first, 3);
    cr_assert_eq (effect->gap.last, 5);
    cr_assert (sb_text_equal (effect->gap.topic, sb_text ("m.b.")));
    cr_assert_not (s_is_delivered (&f), "a stale category's publications wait");
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_COMMAND, 0), "its history is asked for");
    cr_assert_eq (s_dropped (&f), 3);
    sb_fixture_publish (&f, 1, "n.x.", 16, 1);
    cr_assert (s_is_delivered (&f), "other categories are as they were");
    sb_fixture_end (&f);
}

Test (reception, the_first_of_a_topic_that_was_not_there_is_its_first)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 3);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.first, 1);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.last, 2);
    sb_fixture_end (&f);
}

Test (reception, the_loss_of_another_topics_publication_is_seen_where_a_category_is_read_whole)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    f.heads['m']++; /* one of some topic that never comes */
    sb_fixture_publish (&f, 1, "m.b.", 12, 2);
    cr_assert_not (s_is_delivered (&f));
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0);
    cr_assert (sb_text_equal (effect->gap.topic, sb_text ("m")));
    cr_assert_eq (effect->gap.last, 0, "which one is found out");
    sb_fixture_end (&f);
}

Test (reception, topics_are_counted_each_for_itself)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    sb_fixture_publish (&f, 1, "m.c.", 11, 1);
    sb_fixture_publish (&f, 1, "m.b.", 12, 2);
    sb_fixture_publish (&f, 1, "m.c.", 13, 2);
    cr_assert_eq (s_dropped (&f), 0);
    sb_fixture_end (&f);
}

Test (reception, a_repeat_is_not_delivered_again)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    f.heads['m']--;
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    cr_assert_not (s_is_delivered (&f));
    cr_assert_eq (s_dropped (&f), 0);
    sb_fixture_end (&f);
}

Test (reception, a_topic_that_begins_anew_is_delivered_and_what_is_missing_of_it_is_a_gap)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = s_interests;
    f.config.interest_count = 1;
    f.config.queue_publications = 100;
    sb_fixture_open (&f);
    for (uint64_t i = 1; i <= 7; i++) {
        sb_fixture_publish (&f, 1, "m.b.", 10 + i, i);
        sb_fixture_publish (&f, 1, "m.c.", 20 + i, i);
    }
    sb_fixture_publish (&f, 1, "m.b.", 50, 1); /* its agent's record was given up meanwhile */
    cr_assert (s_is_delivered (&f));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    sb_fixture_publish (&f, 1, "m.c.", 51, 3);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.first, 1);
    cr_assert_eq (s_dropped (&f), 2);
    sb_fixture_end (&f);
}

Test (reception, a_new_epoch_is_joined_anew_and_an_old_one_is_ignored)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    sb_fixture_publish (&f, 0, "m.b.", 11, 2);
    cr_assert_eq (f.effects.count, 0);
    sb_fixture_publish (&f, 2, "m.b.", 1, 1);
    cr_assert_not (s_is_delivered (&f));
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    cr_assert_not (sb_agent_step_is_current (f.step));
    sb_fixture_end (&f);
}

Test (reception, a_full_queue_loses_counts_and_tells)
{
    sb_fixture_t f = s_open ();
    for (uint64_t i = 1; i <= 4; i++) {
        sb_fixture_publish (&f, 1, "m.b.", i, i);
        cr_assert (s_is_delivered (&f));
    }
    sb_fixture_publish (&f, 1, "m.b.", 5, 5);
    cr_assert_not (s_is_delivered (&f));
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.first, 5);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.last, 5);
    cr_assert_eq (s_dropped (&f), 1);
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_COMMAND, 0), "there is no room for what history would bring");
    sb_fixture_publish (&f, 1, "m.b.", 6, 6);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0), "that gap was told, and this one waits");
    s_handled (&f, false, 10);
    s_handled (&f, false, 10);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_COMMAND, 0), "now there is");
    sb_fixture_end (&f);
}

Test (reception, without_a_handler_it_is_remembered_and_counts_as_processed)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = s_interests;
    f.config.interest_count = 1;
    f.config.has_update_handler = false;
    sb_fixture_open (&f);
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_REMEMBER, 0));
    sb_agent_counts_t counts;
    sb_agent_step_counts (f.step, &counts);
    cr_assert_eq (counts.processed, 1);
    sb_fixture_end (&f);
}

Test (reception, levels_are_delivered_when_asked_for_and_have_no_gaps)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t interest = sb_text ("_health");
    f.config.interests = &interest;
    f.config.interest_count = 1;
    sb_fixture_open (&f);
    sb_fixture_publish (&f, 1, "_health..", 0, 0);
    cr_assert (s_is_delivered (&f));
    sb_fixture_publish (&f, 1, "_health..", 0, 0);
    cr_assert (s_is_delivered (&f));
    cr_assert_eq (s_dropped (&f), 0);
    sb_fixture_end (&f);
}

Test (heartbeat, says_what_was_seen_processed_and_waits)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    sb_fixture_publish (&f, 1, "m.b.", 12, 2);
    sb_fixture_publish (&f, 1, "n.x.", 13, 1);
    sb_fixture_publish (&f, 1, "m.b.", 14, 4);
    s_handled (&f, false, 2000);
    s_handled (&f, true, 8000);
    const sb_heartbeat_t *beat = s_next_beat (&f);
    cr_assert_eq (beat->received, 3);
    cr_assert_eq (beat->processed, 1);
    cr_assert_eq (beat->failed, 1);
    cr_assert_eq (beat->dropped, 1);
    cr_assert_eq (beat->queue_depth, 1);
    cr_assert_eq (beat->progress, 2);
    cr_assert_eq (beat->processing_count, 2);
    cr_assert_eq (beat->processing_sum_ns, 10000);
    cr_assert_eq (beat->processing_max_ns, 8000);
    cr_assert_geq (beat->processing_p99_ns, 8000);
    cr_assert_eq (beat->seen_count, 2);
    cr_assert_eq (beat->seen[0].sequence, 14);
    cr_assert_eq (beat->seen[1].sequence, 13);
    cr_assert_eq (beat->delivery_bucket_count, SB_HISTOGRAM_BUCKETS);
    uint64_t deliveries = 0;
    for (uint32_t i = 0; i < beat->delivery_bucket_count; i++)
        deliveries += beat->delivery_buckets[i];
    cr_assert_eq (deliveries, 2);
    beat = s_next_beat (&f);
    cr_assert_eq (beat->received, 3, "sums go on");
    cr_assert_eq (beat->processing_max_ns, 0, "extremes are since the beat before");
    cr_assert_eq (beat->delivery_bucket_count, 0);
    sb_fixture_end (&f);
}

Test (heartbeat, counts_since_the_registration)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    s_handled (&f, false, 2000);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    sb_fixture_publish (&f, 1, "m.b.", 11, 2);
    const sb_heartbeat_t *beat = s_next_beat (&f);
    cr_assert_eq (beat->received, 1);
    cr_assert_eq (beat->processed, 0);
    cr_assert_eq (beat->progress, 0);
    cr_assert_eq (beat->seen[0].sequence, 11);
    sb_fixture_end (&f);
}

Test (heartbeat, a_stuck_handler_leaves_progress_standing_with_work_queued)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 10, 1);
    uint64_t progress = s_next_beat (&f)->progress;
    const sb_heartbeat_t *beat = s_next_beat (&f);
    cr_assert_eq (beat->progress, progress);
    cr_assert_eq (beat->queue_depth, 1, "the one it is stuck on counts");
    sb_fixture_end (&f);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Conflated topics: when they are sent, what is merged, which ranges they carry, and what they never lose.
 *
 * The last tests run random streams by many seeds. One reader gets every publication, others get the conflated ones;
 * each applies a change when its publication is newer than the field's last. In the end all hold the same fields,
 * values, sequences and qualities, and no range ever had a hole. See test_core_conflation_random.c for those.
 */
#include "core_internal.h"
#include "core_harness.h"

static void s_subscribe_octets (harness_t *self, sb_text_t prefix, bool is_subscribed)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = prefix;
    event.subscription.is_subscribed = is_subscribed;
    harness_step (self, event);
}

static void s_subscribe (harness_t *self, const char *prefix)
{
    s_subscribe_octets (self, sb_text (prefix), true);
}

static void s_unsubscribe (harness_t *self, const char *prefix)
{
    s_subscribe_octets (self, sb_text (prefix), false);
}

/* A core with agent "a", past its first events, and a subscription. */
static void s_start (harness_t *self, const char *prefix)
{
    harness_start (self);
    harness_register (self, 1, "a", 10);
    harness_delta (self, 1, 1, "other", "", "p", 1);
    harness_flush (self);
    if (prefix)
        s_subscribe (self, prefix);
    harness_forget (self);
}

/* Ticks at `at_ns`. */
static void s_tick_at (harness_t *self, uint64_t at_ns)
{
    self->now_ns = at_ns;
    harness_tick (self);
}

/* The last conflated publication of this step, or NULL. */
static const sb_publication_t *s_conflated (const harness_t *self)
{
    for (uint32_t i = self->effects.count; i > 0; i--)
        if (self->effects.items[i - 1].kind == SB_EFFECT_PUBLISH &&
            self->effects.items[i - 1].publish->topic.data[0] == '~')
            return self->effects.items[i - 1].publish;
    return NULL;
}

#define s_expect_range(self, first, last)                                                                              \
    do {                                                                                                               \
        cr_assert_not_null (s_conflated (self));                                                                       \
        cr_assert_eq (s_conflated (self)->first_topic_sequence, (first));                                              \
        cr_assert_eq (s_conflated (self)->topic_sequence, (last));                                                     \
    } while (0)

/* ---- when */

Test (conflation, first_comes_at_once_the_rest_merged_when_the_interval_is_over)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    uint64_t sent_ns = h.now_ns;
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #5/1/1-1 OK NONE {2: p=1}");
    s_expect_range (&h, 1, 1);
    harness_forget (&h);
    h.now_ns += 30 * HARNESS_MS;
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    harness_delta (&h, 1, 4, "x", "", "q", 7);
    harness_delta (&h, 1, 5, "x", "", "p", 3);
    harness_expect_not (&h, "~conflated");
    cr_assert_eq (sb_core_deadline (h.core), sent_ns + 100 * HARNESS_MS);
    s_tick_at (&h, sent_ns + 100 * HARNESS_MS - 1);
    harness_expect_not (&h, "~conflated");
    s_tick_at (&h, sent_ns + 100 * HARNESS_MS);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #8/4/2-4 OK NONE {4: q=7} {5: p=3}");
    s_expect_range (&h, 2, 4);
    cr_assert_eq (s_conflated (&h)->updates[0].publication_sequence, 7);
    cr_assert_eq (s_conflated (&h)->updates[1].publication_sequence, 8);
    cr_assert (sb_text_equal (s_conflated (&h)->agent_id, sb_text ("a")));
    harness_forget (&h);
    s_tick_at (&h, sent_ns + 100 * HARNESS_MS + 1);
    harness_expect_not (&h, "~conflated");
    harness_stop (&h);
}

Test (conflation, late_tick_sends_late_and_counts_from_then)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    uint64_t sent_ns = h.now_ns;
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    s_tick_at (&h, sent_ns + 130 * HARNESS_MS);
    s_expect_range (&h, 2, 2);
    harness_delta (&h, 1, 4, "x", "", "p", 3);
    harness_forget (&h);
    s_tick_at (&h, sent_ns + 230 * HARNESS_MS - 1);
    harness_expect_not (&h, "~conflated");
    s_tick_at (&h, sent_ns + 230 * HARNESS_MS);
    s_expect_range (&h, 3, 3);
    harness_stop (&h);
}

Test (conflation, topic_that_was_quiet_for_the_interval_is_sent_at_once)
{
    for (int early_ns = 0; early_ns < 2; early_ns++) {
        harness_t h;
        s_start (&h, "~conflated.100.x.");
        uint64_t sent_ns = h.now_ns;
        harness_delta (&h, 1, 2, "x", "", "p", 1);
        h.now_ns = sent_ns + 100 * HARNESS_MS - (uint64_t)early_ns; /* the tick has not come yet */
        harness_forget (&h);
        harness_delta (&h, 1, 3, "x", "", "p", 2);
        cr_assert_eq (harness_saw (&h, "~conflated"), early_ns == 0);
        if (early_ns == 0)
            s_expect_range (&h, 2, 2);
        harness_stop (&h);
    }
}

Test (conflation, topics_are_due_each_on_its_own)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    uint64_t sent_ns = h.now_ns;
    harness_delta (&h, 1, 2, "x", "one", "p", 1);
    h.now_ns += 10 * HARNESS_MS;
    harness_delta (&h, 1, 3, "x", "two", "p", 1);
    harness_delta (&h, 1, 4, "x", "two", "p", 2); /* waits first, is due last */
    harness_delta (&h, 1, 5, "x", "one", "p", 2);
    harness_forget (&h);
    s_tick_at (&h, sent_ns + 100 * HARNESS_MS);
    harness_expect (&h, "~conflated.100.x.a.one");
    harness_expect_not (&h, "~conflated.100.x.a.two");
    s_tick_at (&h, sent_ns + 110 * HARNESS_MS);
    harness_expect (&h, "~conflated.100.x.a.two");
    harness_stop (&h);
}

Test (conflation, nothing_waits_for_a_topic_that_is_quiet)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    cr_assert_eq (h.core->conflation.entries.used, 1);
    harness_advance (&h, 100);
    cr_assert_eq (h.core->conflation.entries.used, 0);
    cr_assert_eq (sb_conflation_deadline (h.core), SB_NEVER);
    harness_stop (&h);
}

/* ---- what */

Test (conflation, deletes_are_sent_unless_the_field_is_back)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    sb_change_t changes[] = {harness_number ("gone", 1), harness_number ("back", 1), harness_number ("stays", 1)};
    harness_changes (&h, 1, 2, "x", "", changes, 3);
    sb_change_t deletes[] = {harness_delete ("gone"), harness_delete ("back")};
    harness_changes (&h, 1, 3, "x", "", deletes, 2);
    harness_delta (&h, 1, 4, "x", "", "back", 2);
    harness_delta (&h, 1, 5, "x", "", "short", 2); /* comes and goes within the interval */
    sb_change_t gone = harness_delete ("short");
    harness_changes (&h, 1, 6, "x", "", &gone, 1);
    harness_forget (&h);
    harness_advance (&h, 100);
    harness_expect (&h, "{3: -gone} {4: back=2} {6: -short}");
    harness_stop (&h);
}

Test (conflation, quality_and_cause_are_those_of_the_last)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    harness_goodbye (&h, 1);
    harness_settle (&h);
    harness_forget (&h);
    harness_advance (&h, 100);
    harness_expect (&h, "/2-3 STALE OFFLINE {3: p=2}");
    harness_stop (&h);
}

Test (conflation, change_of_quality_alone_is_sent_too)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_goodbye (&h, 1);
    harness_settle (&h);
    harness_advance (&h, 100);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #9/2/2-2 STALE OFFLINE\n");
    harness_stop (&h);
}

Test (conflation, event_categories_pass_one_to_one)
{
    harness_t h;
    s_start (&h, "~conflated.100.trades.");
    for (uint64_t i = 2; i < 12; i++) {
        harness_delta (&h, 1, i, "trades", "", "p", 1);
        s_expect_range (&h, i - 1, i - 1);
    }
    harness_expect_times (&h, "PUBLISH ~conflated.100.trades.a.", 10);
    cr_assert_eq (h.core->conflation.entries.used, 0);
    harness_stop (&h);
}

Test (conflation, events_and_levels_pass_one_to_one)
{
    harness_t h;
    s_start (&h, "~conflated.1000._");
    harness_register (&h, 2, "b", 20);
    harness_expect (&h, "~conflated.1000._event.b.REGISTERED");
    harness_advance (&h, 3000);
    harness_expect_times (&h, "~conflated.1000._beat..", 3);
    harness_expect_times (&h, " _beat..", 3);
    harness_stop (&h);
}

Test (conflation, expired_fields_are_merged_like_deletes)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    sb_change_t change = harness_number ("q", 1);
    sb_delta_t delta = harness_delta_of (3, "x", "", &change, 1);
    delta.time_to_live_ms = 50;
    harness_batch (&h, 1, &delta, 1);
    harness_forget (&h);
    harness_advance (&h, 100);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #7/3/2-3 OK EXPIRED {0: -q}");
    harness_stop (&h);
}

Test (conflation, topic_that_goes_is_sent_before)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 1000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.60000.x.");
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_goodbye (&h, 1);
    harness_advance (&h, 10000);
    harness_expect (
        &h, "PUBLISH ~conflated.60000.x.a. #8/3/2-3 UNKNOWN FORGOTTEN {0: -p}\nPUBLISH _event._broker.FORGOTTEN");
    cr_assert_eq (h.core->conflation.entries.used, 0);
    harness_stop (&h);
}

/* ---- who */

Test (conflation, overlapping_prefixes_of_one_interval_are_sent_once_and_intervals_stay_apart)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    s_subscribe (&h, "~conflated.200.x.a.");
    s_subscribe (&h, "~conflated.100.x.a.");
    s_subscribe (&h, "~conflated.100.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    harness_expect_times (&h, "PUBLISH ~conflated.100.x.a.", 1);
    harness_expect_times (&h, "PUBLISH ~conflated.200.x.a.", 1);
    harness_advance (&h, 100);
    harness_expect_times (&h, "PUBLISH ~conflated.100.x.a.", 2);
    harness_expect_times (&h, "PUBLISH ~conflated.200.x.a.", 1);
    harness_advance (&h, 100);
    harness_expect_times (&h, "PUBLISH ~conflated.200.x.a.", 2);
    harness_stop (&h);
}

Test (conflation, prefix_that_ends_with_the_topics_nul_is_that_topic_alone)
{
    harness_t h;
    s_start (&h, NULL);
    static const char prefix[] = "~conflated.100.x.a.s";
    s_subscribe_octets (&h, (sb_text_t){prefix, sizeof prefix}, true);
    harness_delta (&h, 1, 2, "x", "s", "p", 1);
    harness_delta (&h, 1, 3, "x", "st", "p", 1);
    harness_expect_times (&h, "PUBLISH ~conflated", 1);
    s_unsubscribe (&h, prefix); /* that is another one */
    harness_advance (&h, 100);
    harness_delta (&h, 1, 4, "x", "s", "p", 2);
    harness_expect_times (&h, "PUBLISH ~conflated", 2);
    s_subscribe_octets (&h, (sb_text_t){prefix, sizeof prefix}, false);
    harness_advance (&h, 100);
    harness_delta (&h, 1, 5, "x", "s", "p", 3);
    harness_expect_times (&h, "PUBLISH ~conflated", 2);
    harness_stop (&h);
}

Test (conflation, what_was_not_asked_for_is_found_when_it_is)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "y", "", "p", 1);
    harness_delta (&h, 1, 3, "y", "", "p", 2); /* known by now to match nothing */
    harness_expect_not (&h, "~conflated");
    s_subscribe (&h, "~conflated.100.y.");
    harness_delta (&h, 1, 4, "y", "", "p", 3);
    s_expect_range (&h, 3, 3);
    harness_stop (&h);
}

Test (conflation, nothing_is_sent_after_the_last_reader_left)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    s_unsubscribe (&h, "~conflated.100.x.");
    harness_forget (&h);
    harness_advance (&h, 1000);
    harness_expect_not (&h, "~conflated");
    cr_assert_eq (h.core->conflation.prefix_count, 0);
    cr_assert_eq (h.core->conflation.entries.used, 0);
    harness_stop (&h);
}

Test (conflation, who_comes_back_gets_no_range_from_before)
{
    harness_t h;
    s_start (&h, "~conflated.1000.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    s_unsubscribe (&h, "~conflated.1000.x.");
    harness_delta (&h, 1, 4, "x", "", "p", 3);
    s_subscribe (&h, "~conflated.1000.x.");
    harness_delta (&h, 1, 5, "x", "", "p", 4);
    s_expect_range (&h, 4, 4);
    harness_forget (&h);
    harness_advance (&h, 1000);
    harness_expect_not (&h, "~conflated");
    harness_stop (&h);
}

Test (conflation, what_waits_for_nobody_is_not_sent_when_the_topic_is_made_anew)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 1000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.60000.x.");
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_delta (&h, 1, 2, "x", "", "p", 2);
    s_unsubscribe (&h, "~conflated.60000.x.");
    harness_goodbye (&h, 1);
    harness_forget (&h);
    harness_advance (&h, 10000);
    harness_expect_not (&h, "~conflated");
    s_subscribe (&h, "~conflated.60000.x.");
    harness_register (&h, 2, "a", 11);
    harness_delta (&h, 2, 1, "x", "", "p", 3);
    s_expect_range (&h, 1, 1);
    harness_stop (&h);
}

Test (conflation, entry_that_missed_something_is_not_sent_when_it_falls_due)
{
    harness_t h;
    s_start (&h, "~conflated.1000.x.");
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    s_unsubscribe (&h, "~conflated.1000.x.");
    harness_delta (&h, 1, 4, "x", "", "p", 3);
    s_subscribe (&h, "~conflated.1000.x.");
    harness_forget (&h);
    harness_advance (&h, 1000);
    harness_expect_not (&h, "~conflated");
    harness_stop (&h);
}

Test (conflation, malformed_prefixes_are_counted_and_told_once_a_second)
{
    static const char *const bad[] = {"~conflated.",           "~conflated.x.",       "~conflated.9.x.",
                                      "~conflated.60001.x.",   "~conflated.010.x.",   "~conflated.100",
                                      "~conflated.+100.x.",    "~conflated.1e2.x.",   "~conflated.100.X.",
                                      "~conflated.100..",      "~conflated.100.x y",  "~conflated.100.~c",
                                      "~conflated.100.x.a.s.", "~conflated.100.\xff", "~conflated.4294967396.x."};
    uint32_t count = sizeof bad / sizeof bad[0];
    harness_t h;
    s_start (&h, NULL);
    for (uint32_t i = 0; i < count; i++)
        s_subscribe (&h, bad[i]);
    s_subscribe_octets (&h, (sb_text_t){"~conflated.100.\0", 16}, true);
    s_subscribe_octets (&h, (sb_text_t){"~conflated.100.x\0y", 18}, true);
    cr_assert_eq (h.core->conflation.prefix_count, 0);
    cr_assert_eq (h.core->counters[SB_COUNTER_conflations_refused], count + 2);
    harness_expect_times (&h, "PUBLISH _event._broker.CONFLATION", 1);
    harness_expect (&h, "LOG CONFLATION");
    harness_advance (&h, 1000);
    s_subscribe (&h, bad[13]);
    harness_expect (&h, "prefix='~conflated.100.?'");
    harness_expect_times (&h, "PUBLISH _event._broker.CONFLATION", 2);
    s_unsubscribe (&h, bad[0]); /* was never there: nothing to say */
    cr_assert_eq (h.core->counters[SB_COUNTER_conflations_refused], count + 3);
    harness_stop (&h);
}

Test (conflation, join_is_told_which_prefixes_are_in_force)
{
    harness_t h;
    harness_init (&h);
    h.config.max_conflations = 4;
    harness_start_configured (&h);
    s_subscribe (&h, "~join.n.");
    harness_expect_not (&h, "conflation.");
    harness_forget (&h);
    s_subscribe (&h, "~conflated.50.x.");
    s_subscribe (&h, "~conflated.100.");
    static const char topic[] = "~conflated.100.x.a.s"; /* with its NUL */
    s_subscribe_octets (&h, (sb_text_t){topic, sizeof topic}, true);
    s_subscribe (&h, "~conflated.50.y");
    s_subscribe (&h, "~conflated.50.refused.");
    s_subscribe (&h, "~conflated.5.refused.");
    harness_forget (&h);
    s_subscribe (&h, "~join.o.");
    harness_expect (&h, " conflation.50='x.* y*' conflation.100='* x.a.s'}");
    harness_expect_not (&h, "refused");
    s_unsubscribe (&h, "~conflated.50.x.");
    s_unsubscribe (&h, "~conflated.50.y");
    harness_forget (&h);
    s_subscribe (&h, "~join.p.");
    harness_expect (&h, " conflation.100='* x.a.s'}");
    harness_expect_not (&h, "conflation.50");
    harness_stop (&h);
}

Test (conflation, join_is_told_of_64_kib_of_prefixes_and_that_there_are_more)
{
    harness_t h;
    harness_init (&h);
    h.config.max_conflations = 4096;
    harness_start_configured (&h);
    for (unsigned i = 0; i < 1000; i++) {
        char prefix[256];
        snprintf (prefix, sizeof prefix, "~conflated.%u.category.%064u.%064u", 10 + i % 3, i, i);
        s_subscribe (&h, prefix);
    }
    s_subscribe (&h, "~join.n.");
    uint32_t octets = 0, found = 0;
    for (uint32_t i = 0; i < h.effects.count; i++)
        for (uint32_t j = 0;
             h.effects.items[i].kind == SB_EFFECT_PUBLISH && j < h.effects.items[i].publish->updates[0].change_count;
             j++) {
            const sb_change_t *change = &h.effects.items[i].publish->updates[0].changes[j];
            if (change->value.kind != SB_VALUE_TEXT)
                continue;
            found++;
            octets += change->value.text.size;
            if (found > 1)
                cr_assert_eq (memcmp (change->value.text.data + change->value.text.size - 3, "...", 3), 0);
        }
    cr_assert_eq (found, 3);
    cr_assert_gt (octets, 65000);
    cr_assert_leq (octets, 65536 + 9);
    harness_stop (&h);
}

Test (conflation, prefixes_are_bounded_and_room_comes_back)
{
    harness_t h;
    harness_init (&h);
    h.config.max_conflations = 2;
    harness_start_configured (&h);
    s_subscribe (&h, "~conflated.10.x.");
    s_subscribe (&h, "~conflated.60000.y.");
    s_subscribe (&h, "~conflated.10.x."); /* the same again is none more */
    harness_expect_not (&h, "CONFLATION");
    s_subscribe (&h, "~conflated.10.z.");
    harness_expect (&h, "limits/conflations");
    cr_assert_eq (h.core->conflation.prefix_count, 2);
    s_unsubscribe (&h, "~conflated.60000.y.");
    s_subscribe (&h, "~conflated.20.z.");
    cr_assert_eq (h.core->conflation.prefix_count, 2);
    harness_stop (&h);
}

Test (conflation, different_intervals_are_bounded_as_each_costs_every_delta_something)
{
    enum { INTERVALS = 32, LEFT = 200 };
    harness_t h;
    char prefix[32];
    s_start (&h, NULL);
    for (unsigned i = 0; i < INTERVALS; i++) {
        snprintf (prefix, sizeof prefix, "~conflated.%u.x.", 1000 + i);
        s_subscribe (&h, prefix);
    }
    harness_expect_not (&h, "CONFLATION");
    s_subscribe (&h, "~conflated.2000.x.");
    harness_expect (&h, "32 different intervals");
    s_subscribe (&h, "~conflated.1000.y.");
    cr_assert_eq (h.core->conflation.prefix_count, INTERVALS + 1);
    s_unsubscribe (&h, "~conflated.1001.x.");
    s_subscribe (&h, "~conflated.2000.x.");
    cr_assert_eq (h.core->conflation.prefix_count, INTERVALS + 1);
    for (unsigned i = 0; i < LEFT; i++) { /* what was left a moment ago is bounded as well */
        snprintf (prefix, sizeof prefix, "~conflated.%u.x.", 50000 + i);
        s_unsubscribe (&h, "~conflated.2000.x.");
        s_subscribe (&h, prefix);
        harness_delta (&h, 1, i + 2, "x", "", "p", i);
        s_unsubscribe (&h, prefix);
        s_subscribe (&h, "~conflated.2000.x.");
    }
    cr_assert_leq (h.core->conflation.interval_high, 2 * INTERVALS);
    harness_stop (&h);
}

Test (conflation, reload_makes_more_room_or_less)
{
    harness_t h;
    harness_init (&h);
    h.config.max_conflations = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_delta (&h, 1, 2, "x", "", "p", 2);
    h.config.max_conflations = 3;
    harness_step (&h, (sb_event_t){.kind = SB_EVENT_RELOAD, .reload = &h.config});
    s_subscribe (&h, "~conflated.200.x.");
    s_subscribe (&h, "~conflated.300.x.");
    harness_expect_not (&h, "CONFLATION");
    harness_forget (&h);
    harness_advance (&h, 100);
    harness_expect (&h, "~conflated.100.x.a. #5/2/2-2"); /* what waited is still there */
    h.config.max_conflations = 1;
    harness_step (&h, (sb_event_t){.kind = SB_EVENT_RELOAD, .reload = &h.config});
    s_subscribe (&h, "~conflated.400.x.");
    harness_expect (&h, "limits/conflations");
    cr_assert_eq (h.core->conflation.prefix_count, 3, "those that are there stay");
    harness_stop (&h);
}

Test (conflation, interval_that_was_left_is_no_obstacle_for_others)
{
    harness_t h;
    harness_init (&h);
    h.config.max_conflations = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.60000.x.");
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    s_unsubscribe (&h, "~conflated.60000.x.");
    s_subscribe (&h, "~conflated.50000.x.");
    harness_expect_not (&h, "CONFLATION");
    harness_delta (&h, 1, 2, "x", "", "p", 2);
    harness_expect (&h, "~conflated.50000.x.a.");
    harness_stop (&h);
}

/* ---- bounds */

Test (conflation, range_is_closed_early_before_it_outgrows_a_message)
{
    enum { OCTETS = 400 };
    harness_t h;
    harness_init (&h);
    h.config.max_message_bytes = 2048;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.1000.x.");
    char text[OCTETS + 1];
    memset (text, 't', OCTETS);
    text[OCTETS] = '\0';
    uint64_t next = 1;
    for (uint64_t i = 0; i < 20; i++) {
        char name[8];
        snprintf (name, sizeof name, "f%u", (unsigned)(i % 10));
        text[0] = (char)('a' + i);
        sb_change_t change = harness_text (name, text);
        harness_changes (&h, 1, i + 1, "x", "", &change, 1);
        const sb_publication_t *sent = s_conflated (&h);
        if (!sent)
            continue;
        cr_assert_eq (sent->first_topic_sequence, next);
        cr_assert_leq (sent->topic_sequence, i + 1);
        cr_assert_leq (sent->update_count, 4);
        next = sent->topic_sequence + 1;
    }
    cr_assert_gt (next, 10);
    char range[32];
    snprintf (range, sizeof range, "/%u-20 OK", (unsigned)next);
    harness_advance (&h, 1000);
    harness_expect (&h, range);
    harness_stop (&h);
}

Test (conflation, same_fields_over_and_over_do_not_close_a_range_early)
{
    harness_t h;
    harness_init (&h);
    h.config.max_message_bytes = 2048;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    s_subscribe (&h, "~conflated.1000.x.");
    for (uint64_t i = 1; i <= 500; i++)
        harness_delta (&h, 1, i, "x", "", i % 2 ? "p" : "q", (double)i);
    harness_expect_times (&h, "PUBLISH ~conflated", 1);
    harness_forget (&h);
    harness_advance (&h, 1000);
    harness_expect (&h, "/2-500 OK NONE {499: p=499} {500: q=500}");
    harness_stop (&h);
}

Test (conflation, more_changes_than_a_delta_may_have_are_split)
{
    enum { CHANGES = 700 };
    harness_t h;
    s_start (&h, "~conflated.1000.x.");
    static char names[2 * CHANGES][8];
    static sb_change_t changes[2 * CHANGES];
    for (unsigned i = 0; i < 2 * CHANGES; i++) {
        snprintf (names[i], sizeof names[i], "f%u", i);
        changes[i] = harness_number (names[i], i);
    }
    h.is_quiet = true;
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_changes (&h, 1, 3, "x", "", changes, CHANGES);
    cr_assert_null (s_conflated (&h));
    harness_changes (&h, 1, 4, "x", "", changes + CHANGES, CHANGES);
    s_expect_range (&h, 2, 2);
    cr_assert_eq (s_conflated (&h)->updates[0].change_count, CHANGES);
    h.now_ns += 1000 * HARNESS_MS;
    harness_tick (&h);
    s_expect_range (&h, 3, 3);
    harness_stop (&h);
}

Test (conflation, more_deletes_than_are_kept_close_the_range_early)
{
    enum { CHANGES = 700 };
    harness_t h;
    s_start (&h, "~conflated.1000.x.");
    static char names[CHANGES][8];
    static sb_change_t changes[CHANGES];
    for (unsigned i = 0; i < CHANGES; i++) {
        snprintf (names[i], sizeof names[i], "f%u", i);
        changes[i] = harness_number (names[i], i);
    }
    h.is_quiet = true;
    harness_changes (&h, 1, 2, "x", "", changes, CHANGES);
    for (unsigned i = 0; i < CHANGES; i++)
        changes[i] = harness_delete (names[i]);
    harness_changes (&h, 1, 3, "x", "", changes, 200);
    cr_assert_null (s_conflated (&h));
    harness_changes (&h, 1, 4, "x", "", changes + 200, 100);
    s_expect_range (&h, 2, 2);
    cr_assert_eq (s_conflated (&h)->updates[0].change_count, 200);
    harness_changes (&h, 1, 5, "x", "", changes + 300, 400); /* more than fit at all: passed on as it is */
    s_expect_range (&h, 4, 4);
    cr_assert_eq (s_conflated (&h)->updates[0].change_count, 400);
    harness_stop (&h);
}

Test (conflation, many_topics_due_at_once_go_in_slices)
{
    enum { TOPICS = 2000 };
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    h.is_quiet = true;
    for (uint64_t i = 0; i < 2 * TOPICS; i++) {
        char subject[8];
        snprintf (subject, sizeof subject, "s%u", (unsigned)(i % TOPICS));
        harness_delta (&h, 1, i + 2, "x", subject, "p", (double)i);
    }
    h.now_ns += 100 * HARNESS_MS;
    uint32_t sent = 0;
    unsigned ticks = 0;
    while (sent < TOPICS) {
        cr_assert_lt (ticks++, 20);
        cr_assert_leq (sb_core_deadline (h.core), h.now_ns);
        harness_tick (&h);
        uint32_t before = sent;
        for (uint32_t i = 0; i < h.effects.count; i++)
            sent += h.effects.items[i].kind == SB_EFFECT_PUBLISH && h.effects.items[i].publish->topic.data[0] == '~';
        cr_assert_leq (sent - before, 512);
    }
    cr_assert_geq (ticks, TOPICS / 512);
    harness_stop (&h);
}

Test (conflation, large_topics_due_at_once_go_in_slices_of_bounded_octets)
{
    enum { TOPICS = 20, OCTETS = 60000, SLICE = 256 * 1024 };
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    h.is_quiet = true;
    char *text = malloc (OCTETS + 1);
    memset (text, 'x', OCTETS);
    text[OCTETS] = '\0';
    for (unsigned i = 0; i < 2 * TOPICS; i++) {
        char subject[8];
        snprintf (subject, sizeof subject, "s%u", i % TOPICS);
        text[0] = i < TOPICS ? 'x' : 'y';
        sb_change_t change = harness_text ("p", text);
        harness_changes (&h, 1, i + 2, "x", subject, &change, 1);
    }
    h.now_ns += 100 * HARNESS_MS;
    uint32_t sent = 0;
    for (uint32_t ticks = 0; sent < TOPICS; ticks++) {
        uint64_t octets = 0;
        harness_tick (&h);
        for (uint32_t i = 0; i < h.effects.count; i++) {
            const sb_publication_t *publication = h.effects.items[i].publish;
            if (h.effects.items[i].kind != SB_EFFECT_PUBLISH || publication->topic.data[0] != '~')
                continue;
            octets += publication->updates[0].changes[0].value.text.size;
            sent++;
        }
        cr_assert_leq (octets, SLICE + OCTETS);
        cr_assert_lt (ticks, TOPICS);
    }
    free (text);
    harness_stop (&h);
}

Test (conflation, work_left_over_is_no_lateness_of_the_broker)
{
    enum { TOPICS = 7000, TICKS = 13, BETWEEN_MS = 45 /* no hold-up */ };
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    h.is_quiet = true;
    for (uint64_t i = 0; i < 2 * TOPICS; i++) {
        char subject[8];
        snprintf (subject, sizeof subject, "s%u", (unsigned)(i % TOPICS));
        harness_delta (&h, 1, i + 2, "x", subject, "p", (double)i);
    }
    h.now_ns += 100 * HARNESS_MS;
    harness_tick (&h);
    for (unsigned i = 0; i < TICKS; i++) { /* in the end, more than half a heartbeat behind the first of them */
        cr_assert_leq (sb_core_deadline (h.core), h.now_ns, "something is left over");
        h.now_ns += BETWEEN_MS * HARNESS_MS;
        harness_tick (&h);
    }
    cr_assert_eq (h.core->counters[SB_COUNTER_ticks_late], 0);
    harness_stop (&h);
}

/* ---- memory */

Test (conflation, without_memory_for_tables_it_is_refused)
{
    harness_t h;
    s_start (&h, NULL);
    h.allowance = h.allocated;
    s_subscribe (&h, "~conflated.100.x.");
    harness_expect (&h, "CONFLATION");
    cr_assert_eq (h.core->conflation.prefix_count, 0);
    h.allowance = SIZE_MAX / 2;
    s_subscribe (&h, "~conflated.100.x.");
    cr_assert_eq (h.core->conflation.prefix_count, 1);
    harness_stop (&h);
}

Test (conflation, without_memory_for_a_deleted_name_nothing_is_lost)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    char name[SB_FIELD_NAME_MAX + 1];
    memset (name, 'n', SB_FIELD_NAME_MAX);
    name[SB_FIELD_NAME_MAX] = '\0';
    sb_change_t changes[] = {harness_number (name, 1), harness_number ("p", 1)};
    harness_changes (&h, 1, 2, "x", "", changes, 2);
    harness_delta (&h, 1, 3, "x", "", "p", 2);
    h.allowance = h.allocated;
    sb_change_t gone = harness_delete (name);
    harness_forget (&h);
    harness_changes (&h, 1, 4, "x", "", &gone, 1);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #6/2/2-2 OK NONE {3: p=2}");
    harness_expect (&h, "PUBLISH ~conflated.100.x.a. #7/3/3-3 OK NONE {4: -nnn");
    cr_assert_eq (h.core->counters[SB_COUNTER_conflated_lost], 0);
    harness_stop (&h);
}

Test (conflation, without_memory_for_entries_everything_is_passed_on_at_once)
{
    harness_t h;
    s_start (&h, "~conflated.100.x.");
    harness_delta (&h, 1, 2, "y", "", "p", 1);
    harness_delta (&h, 1, 3, "x", "", "p", 1); /* makes the topic and an entry */
    harness_advance (&h, 100);
    s_unsubscribe (&h, "~conflated.100.x.");
    s_subscribe (&h, "~conflated.100.x.");
    h.core->conflation.entries.limit = 0; /* as with no memory for another slab */
    h.core->conflation.entries.free_head = 0;
    h.core->conflation.entries.high = 0;
    for (uint64_t i = 4; i < 10; i++) {
        harness_delta (&h, 1, i, "x", "", "p", (double)i);
        s_expect_range (&h, i - 2, i - 2);
    }
    harness_stop (&h);
}

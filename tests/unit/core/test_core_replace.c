/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole states, and the quality of topics.
 */
#include "core_harness.h"

static void s_start (harness_t *self)
{
    harness_start (self);
    harness_register (self, 1, "a", 10);
    harness_flush (self);
    harness_forget (self);
}

/* The whole state {x: p=1, q=2} as sequence `sequence`. */
static void s_replace (harness_t *self, uint64_t peer, uint64_t sequence)
{
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("q", 2)};
    sb_delta_t topic = harness_delta_of (0, "x", "", changes, 2);
    harness_replace_begin (self, peer, sequence);
    harness_replace_chunk (self, peer, sequence, &topic, 1);
    harness_replace_end (self, peer, sequence, 1);
}

Test (replace, publishes_differences_deletes_the_missing_and_makes_the_state_known)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("q", 7), harness_number ("r", 3)};
    harness_changes (&h, 1, 1, "x", "", changes, 3);
    harness_delta (&h, 1, 2, "y", "s", "gone", 1);
    harness_beat (&h, 1);
    harness_expect (&h, "known=0");
    harness_forget (&h);
    s_replace (&h, 1, 3);
    harness_expect (&h, "REPLACED {3: q=2}");
    harness_expect (&h, "REPLACED {3: -r}");
    harness_expect (&h, "REPLACED {3: -gone}");
    harness_expect_not (&h, "p=1");
    harness_flush (&h);
    harness_expect (&h, "ACK decided=3\n");
    harness_beat (&h, 1);
    harness_expect (&h, "known=1");
    harness_delta (&h, 1, 4, "x", "", "p", 9);
    harness_expect (&h, "{4: p=9}");
    harness_stop (&h);
}

Test (replace, empty_state_deletes_everything)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_replace_begin (&h, 1, 2);
    harness_replace_end (&h, 1, 2, 0);
    harness_expect (&h, "REPLACED {2: -p}");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (replace, leaves_event_categories_alone)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "trades", "", "price", 1);
    uint64_t hash = sb_core_state_hash (h.core);
    sb_change_t change = harness_number ("price", 2);
    sb_delta_t topic = harness_delta_of (0, "trades", "", &change, 1);
    harness_forget (&h);
    harness_replace_begin (&h, 1, 2);
    harness_replace_chunk (&h, 1, 2, &topic, 1);
    harness_replace_end (&h, 1, 2, 1);
    harness_expect_not (&h, "PUBLISH trades");
    cr_assert_eq (sb_core_state_hash (h.core), hash);
    harness_stop (&h);
}

Test (replace, with_a_lost_chunk_is_refused_and_then_accepted)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "p", 5);
    harness_replace_begin (&h, 1, 2);
    harness_replace_end (&h, 1, 2, 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2 2=REPLACE_INCOMPLETE");
    harness_expect_not (&h, "-p");
    s_replace (&h, 1, 3);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=3\n");
    harness_expect (&h, "REPLACED {3: p=1 q=2}");
    harness_stop (&h);
}

Test (replace, fault_in_a_chunk_refuses_the_whole)
{
    harness_t h;
    s_start (&h);
    sb_change_t change = harness_number ("p", 1);
    sb_delta_t topics[] = {harness_delta_of (0, "x", "", &change, 1), harness_delta_of (0, "y", "", &change, 1)};
    topics[1].fault = SB_REASON_BAD_TEXT;
    topics[1].fault_field = sb_text ("p");
    harness_replace_begin (&h, 1, 1);
    harness_replace_chunk (&h, 1, 1, topics, 2);
    harness_replace_end (&h, 1, 1, 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=1 1=BAD_TEXT(p)");
    harness_expect_not (&h, "PUBLISH x.");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (replace, beyond_the_field_limit_is_refused)
{
    harness_t h;
    harness_init (&h);
    h.config.max_fields_agent_category = 2;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t changes[] = {harness_number ("a", 1), harness_number ("b", 1), harness_number ("c", 1)};
    sb_delta_t topic = harness_delta_of (0, "x", "", changes, 3);
    harness_replace_begin (&h, 1, 1);
    harness_replace_chunk (&h, 1, 1, &topic, 1);
    harness_replace_end (&h, 1, 1, 1);
    harness_flush (&h);
    harness_expect (&h, "1=TOO_MANY_FIELDS(c)");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (replace, while_paused_is_refused_and_accepted_after_the_resume)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "p", 5);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_expect (&h, "FORCED_STALE PAUSED\n");
    s_replace (&h, 1, 2);
    harness_flush (&h);
    harness_expect (&h, "2=PAUSED");
    harness_command (&h, 2, "resume_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_forget (&h);
    harness_beat (&h, 1);
    harness_expect (&h, "known=0 paused=0");
    s_replace (&h, 1, 3);
    harness_expect (&h, "OK REPLACED {3: p=1 q=2}");
    harness_beat (&h, 1);
    harness_expect (&h, "known=1");
    harness_stop (&h);
}

Test (replace, larger_than_a_slice_goes_on_by_ticks_and_deltas_wait)
{
    harness_t h;
    s_start (&h);
    static char names[2000][8];
    static sb_change_t changes[2000];
    for (int i = 0; i < 2000; i++) {
        snprintf (names[i], sizeof names[i], "f%d", i);
        changes[i] = harness_number (names[i], i);
    }
    harness_replace_begin (&h, 1, 1);
    for (uint32_t i = 0; i < 4; i++) {
        sb_delta_t topic = harness_delta_of (0, "x", "", changes + i * 500, 500);
        harness_replace_chunk (&h, 1, 1, &topic, 1);
    }
    harness_replace_end (&h, 1, 1, 4);
    cr_assert_leq (sb_core_deadline (h.core), h.now_ns);
    harness_delta (&h, 1, 2, "x", "", "f0", 9);
    harness_expect (&h, "REFUSAL 2=REPLACE_PENDING expected=2");
    harness_flush (&h);
    harness_expect_not (&h, "ACK");
    harness_settle (&h);
    harness_expect (&h, "ACK decided=1\n");
    harness_delta (&h, 1, 2, "x", "", "f0", 9);
    harness_expect (&h, "{2: f0=9}");
    harness_stop (&h);
}

Test (replace, repeat_of_a_decided_one_is_acked_again)
{
    harness_t h;
    s_start (&h);
    s_replace (&h, 1, 1);
    harness_flush (&h);
    harness_forget (&h);
    s_replace (&h, 1, 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=1\n");
    harness_expect_not (&h, "PUBLISH x");
    harness_stop (&h);
}

Test (replace, new_instance_in_the_middle_starts_anew)
{
    harness_t h;
    s_start (&h);
    sb_change_t change = harness_number ("p", 1);
    sb_delta_t topic = harness_delta_of (0, "x", "", &change, 1);
    harness_replace_begin (&h, 1, 1);
    harness_replace_chunk (&h, 1, 1, &topic, 1);
    harness_register (&h, 2, "a", 11);
    s_replace (&h, 2, 1);
    harness_flush (&h);
    harness_expect (&h, "SEND 2 ACK decided=1\n");
    harness_stop (&h);
}

Test (quality, agent_without_state_has_none_that_could_be_stale)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "mine", 10);
    harness_settle (&h);
    harness_expect (&h, "text='mine is REGISTERED'");
    harness_goodbye (&h, 1);
    harness_settle (&h);
    harness_expect (&h, "_event.mine.LIVENESS");
    harness_expect_not (&h, "QUALITY");
    harness_forget (&h);
    harness_register (&h, 2, "mine", 10);
    harness_delta (&h, 2, 1, "x", "s", "p", 1);
    harness_goodbye (&h, 2);
    harness_settle (&h);
    harness_expect (&h, "text='state of mine is STALE: OFFLINE'");
    harness_expect_times (&h, "STALE OFFLINE\n", 1);
    harness_stop (&h);
}

Test (quality, lost_agent_is_stale_and_ok_again_by_its_first_write)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "s", "p", 1);
    harness_delta (&h, 1, 2, "x", "t", "p", 1);
    harness_advance (&h, 8000);
    harness_expect_times (&h, "STALE LOST\n", 2);
    harness_forget (&h);
    sb_registration_t registration = harness_registration ("a", 10);
    harness_send_registration (&h, 2, &registration);
    harness_expect (&h, "decided=2 known=0");
    harness_delta (&h, 2, 3, "x", "s", "p", 1); /* the same bits: only the quality is news */
    harness_expect (&h, "PUBLISH x.a.s #");
    harness_expect (&h, "OK RECOVERED\n");
    harness_delta (&h, 2, 4, "x", "t", "p", 2);
    harness_expect (&h, "OK NONE {4: p=2}");
    harness_stop (&h);
}

Test (quality, replacement_makes_unchanged_topics_ok_again)
{
    harness_t h;
    s_start (&h);
    s_replace (&h, 1, 1);
    harness_delta (&h, 1, 2, "trades", "", "n", 1);
    harness_advance (&h, 8000);
    harness_forget (&h);
    sb_registration_t registration = harness_registration ("a", 10);
    harness_send_registration (&h, 2, &registration);
    s_replace (&h, 2, 3);
    harness_expect_times (&h, "OK RECOVERED\n", 2);
    harness_beat (&h, 2);
    harness_expect (&h, "known=1");
    harness_stop (&h);
}

Test (quality, many_topics_change_in_slices)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 1; i <= 2000; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", (unsigned)i);
        harness_delta (&h, 1, i, "x", subject, "p", 1);
    }
    harness_forget (&h);
    harness_goodbye (&h, 1);
    unsigned steps = 0;
    for (; sb_core_deadline (h.core) <= h.now_ns; steps++) {
        harness_forget (&h);
        harness_tick (&h);
        cr_assert_leq (harness_times (&h, "STALE OFFLINE\n"), 640);
    }
    cr_assert_geq (steps, 4);
    harness_stop (&h);
}

Test (quality, written_topic_is_not_staled_by_a_walk_that_comes_late)
{
    harness_t h;
    s_start (&h);
    uint64_t i = 1;
    for (; i <= 1500; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", (unsigned)i);
        harness_delta (&h, 1, i, "x", subject, "p", 1);
    }
    harness_goodbye (&h, 1);
    harness_tick (&h); /* the first slice only */
    sb_registration_t registration = harness_registration ("a", 10);
    harness_send_registration (&h, 2, &registration);
    harness_delta (&h, 2, i, "x", "s1500", "p", 2);
    harness_forget (&h);
    harness_settle (&h);
    harness_expect (&h, "PUBLISH x.a.s1499 #");
    harness_expect_not (&h, "PUBLISH x.a.s1500 #");
    harness_stop (&h);
}

Test (quality, pause_within_the_application_of_a_whole_state_makes_all_of_it_stale)
{
    enum { FIELDS = 2000 };
    harness_t h;
    s_start (&h);
    static char names[FIELDS][8];
    static sb_change_t changes[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        snprintf (names[i], sizeof names[i], "f%d", i);
        changes[i] = harness_number (names[i], i);
    }
    harness_delta (&h, 1, 1, "x", "named", "p", 1);
    harness_delta (&h, 1, 2, "x", "unnamed", "p", 1);
    harness_replace_begin (&h, 1, 3);
    for (uint32_t i = 0; i < 4; i++) {
        sb_delta_t topic = harness_delta_of (0, "x", i == 3 ? "named" : "large", changes + i * 500, 500);
        harness_replace_chunk (&h, 1, 3, &topic, 1);
    }
    harness_replace_end (&h, 1, 3, 4);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_expect (&h, "ACK decided=3\n");
    const char *subjects[] = {"large", "named", "unnamed"};
    for (size_t i = 0; i < 3; i++) {
        char row[64];
        snprintf (row, sizeof row, "PUBLISH x.a.%s #", subjects[i]);
        harness_expect (&h, row);
    }
    harness_expect_times (&h, "FORCED_STALE PAUSED\n", 3);
    harness_beat (&h, 1);
    harness_expect (&h, "known=0 paused=1");
    harness_stop (&h);
}

Test (quality, stop_leaves_admitted_categories_alone)
{
    harness_t h;
    harness_init (&h);
    sb_text_t admitted[] = {sb_text ("market_data")};
    h.config.admitted_categories = admitted;
    h.config.admitted_category_count = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "market_data", "", "p", 1);
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_command (&h, 1, "emergency_stop", "", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_expect (&h, "PUBLISH x.a. #");
    harness_expect_times (&h, "FORCED_STALE STOPPED\n", 1);
    harness_forget (&h);
    harness_delta (&h, 1, 3, "market_data", "", "p", 2);
    harness_delta (&h, 1, 4, "x", "", "p", 2);
    harness_expect (&h, "OK NONE {3: p=2}");
    harness_flush (&h);
    harness_expect (&h, "4=EMERGENCY_STOPPED");
    harness_stop (&h);
}

Test (quality, an_admitted_category_of_a_paused_agent_is_stale_under_a_stop_too)
{
    harness_t h;
    harness_init (&h);
    sb_text_t admitted[] = {sb_text ("market_data")};
    h.config.admitted_categories = admitted;
    h.config.admitted_category_count = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "market_data", "", "p", 1);
    harness_command (&h, 1, "emergency_stop", "", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_forget (&h);
    harness_command (&h, 2, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_expect (&h, "PUBLISH market_data.a. #");
    harness_expect (&h, "FORCED_STALE PAUSED");
    harness_stop (&h);
}

/* Octets of values in the largest publication of the last step; all of them are added to *sum. */
static uint64_t s_largest_publication (const harness_t *self, uint64_t *sum)
{
    uint64_t largest = 0;
    for (uint32_t i = 0; i < self->effects.count; i++) {
        const sb_effect_t *effect = &self->effects.items[i];
        uint64_t octets = 0;
        for (uint32_t j = 0; effect->kind == SB_EFFECT_PUBLISH && j < effect->publish->update_count; j++)
            for (uint32_t k = 0; k < effect->publish->updates[j].change_count; k++) {
                const sb_value_t *value = &effect->publish->updates[j].changes[k].value;
                octets += value->kind == SB_VALUE_TEXT ? value->text.size : 0;
            }
        largest = octets > largest ? octets : largest;
        *sum += octets;
    }
    return largest;
}

Test (replace, large_values_are_published_in_messages_of_the_usual_size_a_bounded_number_a_step)
{
    enum { FIELDS = 20, OCTETS = 60000 };
    harness_t h;
    s_start (&h);
    h.is_quiet = true;
    char *text = malloc (OCTETS + 1);
    memset (text, 'x', OCTETS);
    text[OCTETS] = '\0';
    harness_replace_begin (&h, 1, 1);
    for (uint32_t i = 0; i < FIELDS; i++) {
        char name[8];
        snprintf (name, sizeof name, "f%u", i);
        sb_change_t change = harness_text (name, text);
        sb_delta_t topic = harness_delta_of (0, "x", "", &change, 1);
        harness_replace_chunk (&h, 1, 1, &topic, 1);
    }
    harness_replace_end (&h, 1, 1, FIELDS);
    uint64_t total = 0;
    for (uint32_t steps = 0; total < FIELDS * OCTETS; steps++) {
        uint64_t sum = 0;
        cr_assert_leq (s_largest_publication (&h, &sum), h.config.max_message_bytes);
        cr_assert_leq (sum, 2 * h.config.max_message_bytes);
        cr_assert_lt (steps, FIELDS);
        total += sum;
        harness_tick (&h);
    }
    cr_assert_eq (total, FIELDS * OCTETS);
    free (text);
    harness_stop (&h);
}

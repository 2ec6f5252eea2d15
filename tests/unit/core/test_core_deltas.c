/* SPDX-License-Identifier: MPL-2.0
 *
 * Deltas: sequences, decisions, merging, grouping, categories, bounds.
 */
#include "core_harness.h"

#include "core_internal.h"

/* A core with agent "a" on connection 1, its trace empty. */
static void s_start (harness_t *self)
{
    harness_start (self);
    harness_register (self, 1, "a", 10);
    harness_flush (self);
    harness_forget (self);
}

Test (deltas, one_is_published_and_acked_at_the_end_of_the_turn)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "market_data", "spot:BTCUSDT", "price", 42.5);
    harness_expect (&h, "PUBLISH market_data.a.spot:BTCUSDT #4/1/1 OK NONE {1: price=42.5}");
    harness_expect_not (&h, "ACK");
    harness_flush (&h);
    harness_expect (&h, "SEND 1 ACK decided=1\n");
    harness_stop (&h);
}

Test (deltas, all_of_a_turn_share_one_ack)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 1; i <= 5; i++)
        harness_delta (&h, 1, i, "market_data", "", "price", (double)i);
    harness_flush (&h);
    harness_expect_times (&h, "ACK", 1);
    harness_expect (&h, "ACK decided=5");
    harness_stop (&h);
}

Test (deltas, gap_names_the_expected_sequence_and_decides_nothing)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "market_data", "", "price", 1);
    harness_delta (&h, 1, 3, "market_data", "", "price", 3);
    harness_expect (&h, "SEND 1 REFUSAL 3=SEQUENCE_GAP expected=2");
    harness_expect_times (&h, "PUBLISH market_data", 1);
    harness_delta (&h, 1, 2, "market_data", "", "price", 2);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2\n");
    harness_stop (&h);
}

Test (deltas, gap_is_one_failure_an_episode)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 0; i < 20; i++)
        harness_delta (&h, 1, 5 + i, "market_data", "", "price", 1);
    harness_beat (&h, 1);
    harness_expect (&h, "breaker=CLOSED");
    harness_stop (&h);
}

Test (deltas, five_gap_episodes_open_the_breaker)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 1; i <= 5; i++) {
        harness_delta (&h, 1, i + 7, "market_data", "", "price", 1);
        harness_delta (&h, 1, i, "market_data", "", "price", (double)i);
    }
    harness_beat (&h, 1);
    harness_expect (&h, "breaker=OPEN");
    harness_flush (&h);
    harness_expect (&h, "5=BREAKER_OPEN+");
    harness_stop (&h);
}

Test (deltas, repeat_is_acked_and_not_applied_again)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "trades", "", "price", 1);
    harness_delta (&h, 1, 1, "trades", "", "price", 1);
    harness_expect_times (&h, "PUBLISH trades", 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=1\n");
    harness_stop (&h);
}

Test (deltas, refused_repeat_gets_its_first_decision)
{
    harness_t h;
    s_start (&h);
    sb_change_t twice[] = {harness_number ("x", 1), harness_number ("x", 2)};
    harness_changes (&h, 1, 1, "market_data", "", twice, 2);
    harness_delta (&h, 1, 2, "market_data", "", "x", 5);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2 1=DUPLICATE_FIELD(x)");
    harness_forget (&h);
    harness_delta (&h, 1, 1, "market_data", "", "x", 9); /* whatever it carries now */
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2 1=DUPLICATE_FIELD\n");
    harness_expect_not (&h, "PUBLISH market_data");
    harness_stop (&h);
}

Test (deltas, bad_sequence_decides_nothing)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 0, "market_data", "", "x", 1);
    harness_delta (&h, 1, SB_NUMBER_MAX + 1, "market_data", "", "x", 1);
    harness_expect (&h, "REFUSAL 0=BAD_SEQUENCE expected=1");
    harness_expect (&h, "REFUSAL 9007199254740992=BAD_SEQUENCE expected=1");
    harness_delta (&h, 1, 1, "market_data", "", "x", 1);
    harness_expect (&h, "PUBLISH market_data");
    harness_stop (&h);
}

Test (deltas, fault_of_the_codec_is_refused_and_uses_up_its_number)
{
    harness_t h;
    s_start (&h);
    sb_change_t change = harness_number ("price", 1);
    sb_delta_t delta = harness_delta_of (1, "market_data", "", &change, 1);
    delta.fault = SB_REASON_NOT_FINITE;
    delta.fault_field = sb_text ("price");
    harness_batch (&h, 1, &delta, 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=1 1=NOT_FINITE(price)");
    harness_expect (&h, "LOG REFUSED a NOT_FINITE");
    harness_stop (&h);
}

Test (deltas, empty_and_oversized_ones_are_refused)
{
    harness_t h;
    harness_init (&h);
    h.config.max_changes = 3;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t changes[] = {harness_number ("a", 1), harness_number ("b", 1), harness_number ("c", 1),
                             harness_number ("d", 1)};
    harness_changes (&h, 1, 1, "x", "", changes, 0);
    harness_changes (&h, 1, 2, "x", "", changes, 4);
    harness_changes (&h, 1, 3, "x", "", changes, 3);
    harness_flush (&h);
    harness_expect (&h, "1=NO_CHANGES 2=TOO_MANY_CHANGES\n");
    harness_expect (&h, "PUBLISH x.a. #4/1/1 OK NONE {3: a=1 b=1 c=1}");
    harness_stop (&h);
}

Test (deltas, duplicate_field_is_found_among_many)
{
    harness_t h;
    s_start (&h);
    static char names[1000][8];
    sb_change_t changes[1000];
    for (int i = 0; i < 1000; i++) {
        snprintf (names[i], sizeof names[i], "f%d", i);
        changes[i] = harness_number (names[i], i);
    }
    harness_changes (&h, 1, 1, "x", "", changes, 1000);
    changes[999] = harness_number ("f7", 1);
    harness_changes (&h, 1, 2, "x", "", changes, 1000);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2 2=DUPLICATE_FIELD(f7)");
    harness_stop (&h);
}

Test (deltas, same_bits_are_not_published_again)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "market_data", "", "price", 0.0);
    harness_forget (&h);
    harness_delta (&h, 1, 2, "market_data", "", "price", 0.0);
    harness_expect_not (&h, "PUBLISH");
    harness_delta (&h, 1, 3, "market_data", "", "price", -0.0);
    harness_expect (&h, "{3: price=-0}");
    harness_flush (&h);
    harness_expect (&h, "ACK decided=3\n");
    harness_stop (&h);
}

Test (deltas, only_what_changed_is_published)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("bid", 1), harness_number ("ask", 2), harness_text ("venue", "X")};
    harness_changes (&h, 1, 1, "market_data", "", changes, 3);
    changes[1] = harness_number ("ask", 3);
    harness_changes (&h, 1, 2, "market_data", "", changes, 3);
    harness_expect (&h, "{1: bid=1 ask=2 venue='X'}");
    harness_expect (&h, "{2: ask=3}");
    harness_stop (&h);
}

Test (deltas, event_category_publishes_equal_ones_too)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "trades", "", "price", 5);
    harness_delta (&h, 1, 2, "trades", "", "price", 5);
    harness_expect (&h, "{1: price=5}");
    harness_expect (&h, "{2: price=5}");
    harness_stop (&h);
}

Test (deltas, delete_removes_once)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "a", 1);
    sb_change_t gone = harness_delete ("a");
    harness_changes (&h, 1, 2, "x", "", &gone, 1);
    harness_expect (&h, "{2: -a}");
    harness_forget (&h);
    harness_changes (&h, 1, 3, "x", "", &gone, 1);
    harness_expect_not (&h, "PUBLISH");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (deltas, batch_groups_neighbours_of_one_topic)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("p", 2), harness_number ("p", 3),
                             harness_number ("p", 4)};
    sb_delta_t deltas[] = {
        harness_delta_of (1, "x", "s", &changes[0], 1), harness_delta_of (2, "x", "s", &changes[1], 1),
        harness_delta_of (3, "x", "t", &changes[2], 1), harness_delta_of (4, "x", "s", &changes[3], 1)};
    harness_batch (&h, 1, deltas, 4);
    harness_expect (&h, "PUBLISH x.a.s #4/1/1 OK NONE {1: p=1} {2: p=2}\n"
                        "PUBLISH x.a.t #5/2/1 OK NONE {3: p=3}\n"
                        "PUBLISH x.a.s #6/3/2 OK NONE {4: p=4}\n");
    harness_stop (&h);
}

Test (deltas, without_category_are_sorted_by_the_rules)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("sma_20", 1), harness_number ("vix", 2), harness_number ("ema_5", 3),
                             harness_number ("qqq", 4)};
    harness_changes (&h, 1, 1, "", "BAC", changes, 4);
    harness_expect (&h, "PUBLISH technical.a.BAC #4/1/1 OK NONE {1: sma_20=1 ema_5=3}\n"
                        "PUBLISH risk.a.BAC #5/1/1 OK NONE {1: vix=2}\n"
                        "PUBLISH uncategorized.a.BAC #6/1/1 OK NONE {1: qqq=4}\n");
    harness_stop (&h);
}

Test (deltas, categorized_ones_are_applied_whole_or_not_at_all)
{
    harness_t h;
    harness_init (&h);
    h.config.max_categories = 3; /* with _event: three more */
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_delta (&h, 1, 2, "y", "", "p", 1);
    harness_forget (&h);
    uint64_t hash = sb_core_state_hash (h.core);
    sb_change_t changes[] = {harness_number ("sma_20", 1), harness_number ("vix", 2)};
    harness_changes (&h, 1, 3, "", "", changes, 2);
    harness_flush (&h);
    harness_expect (&h, "3=TOO_MANY_CATEGORIES");
    harness_expect_not (&h, "PUBLISH technical");
    cr_assert_eq (sb_core_state_hash (h.core), hash);
    harness_stop (&h);
}

Test (deltas, field_4097_of_a_category_is_refused_by_name)
{
    harness_t h;
    s_start (&h);
    static char names[4097][8];
    sb_change_t changes[1024];
    uint64_t sequence = 0;
    for (int i = 0; i < 4096; i++) {
        snprintf (names[i], sizeof names[i], "f%d", i);
        changes[i % 1024] = harness_number (names[i], i);
        if (i % 1024 == 1023)
            harness_changes (&h, 1, ++sequence, "x", i < 2048 ? "s" : "t", changes, 1024);
    }
    harness_delta (&h, 1, ++sequence, "x", "u", "one_too_many", 1);
    harness_delta (&h, 1, ++sequence, "y", "", "elsewhere", 1);
    harness_flush (&h);
    harness_expect (&h, "5=TOO_MANY_FIELDS(one_too_many)");
    harness_expect (&h, "PUBLISH y.a.");
    sb_change_t exchange[] = {harness_number ("new", 1), harness_delete ("f0")};
    harness_changes (&h, 1, ++sequence, "x", "s", exchange, 2);
    harness_expect (&h, "{7: new=1 -f0}");
    harness_stop (&h);
}

Test (deltas, full_table_of_topics_refuses_the_newcomer_without_blame)
{
    harness_t h;
    harness_init (&h);
    h.config.max_topics = 2;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "1", "p", 1);
    harness_delta (&h, 1, 2, "x", "2", "p", 1);
    for (uint64_t i = 3; i < 20; i++)
        harness_delta (&h, 1, i, "x", "3", "p", 1);
    harness_beat (&h, 1);
    harness_expect (&h, "known=0 paused=0 stopped=0 breaker=CLOSED");
    harness_flush (&h);
    harness_expect (&h, "3=TOO_MANY_TOPICS");
    harness_stop (&h);
}

Test (forgetting, ends_topics_whose_fields_had_gone_before_too)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 1000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t gone = harness_delete ("p");
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_changes (&h, 1, 2, "x", "", &gone, 1);
    harness_goodbye (&h, 1);
    harness_forget (&h);
    harness_advance (&h, 2000);
    harness_expect_times (&h, "FORGOTTEN\n", 1);
    harness_expect (&h, "PUBLISH x.a. #9/4/4 UNKNOWN FORGOTTEN");
    harness_expect (&h, "PUBLISH _event._broker.FORGOTTEN");
    harness_stop (&h);
}

Test (deltas, room_comes_from_who_is_gone_the_longest)
{
    harness_t h;
    harness_init (&h);
    h.config.max_topics = 2;
    harness_start_configured (&h);
    harness_register (&h, 2, "gone", 20);
    harness_delta (&h, 2, 1, "x", "old", "p", 1);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "1", "p", 1);
    harness_goodbye (&h, 2);
    harness_forget (&h);
    harness_delta (&h, 1, 2, "x", "2", "p", 1);
    harness_expect (&h, "PUBLISH x.gone.old #");
    harness_expect (&h, "FORGOTTEN {0: -p}");
    harness_expect (&h, "PUBLISH x.a.2 #");
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2\n");
    harness_stop (&h);
}

Test (deltas, full_store_changes_nothing)
{
    harness_t h;
    harness_init (&h);
    h.config.max_value_bytes = 1024 * 1024;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    static char large[200001];
    memset (large, 'x', 200000);
    sb_change_t changes[6];
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    for (int i = 0; i < 6; i++)
        changes[i] = harness_text (names[i], large);
    uint64_t hash = sb_core_state_hash (h.core);
    harness_changes (&h, 1, 1, "x", "", changes, 6);
    harness_flush (&h);
    harness_expect (&h, "1=STORE_FULL");
    harness_expect_not (&h, "PUBLISH x.");
    cr_assert_eq (sb_core_state_hash (h.core), hash);
    harness_changes (&h, 1, 2, "x", "", changes, 3);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=2\n");
    harness_stop (&h);
}

/* Else a repeat, or the Welcome after a lost ack, would say that it was accepted. */
Test (deltas, full_store_still_remembers_what_it_refused)
{
    harness_t h;
    harness_init (&h);
    h.config.max_value_bytes = 1024 * 1024;
    harness_start_configured (&h);
    harness_register (&h, 1, "filler", 9);
    harness_register (&h, 2, "a", 10);
    static char large[60001];
    memset (large, 'x', 60000);
    sb_change_t change = harness_text ("t", large);
    char subject[16];
    uint64_t sequence = 0;
    while (sequence < 1000 && !harness_saw (&h, "STORE_FULL")) {
        snprintf (subject, sizeof subject, "s%" PRIu64, sequence);
        harness_changes (&h, 1, ++sequence, "x", subject, &change, 1);
        harness_flush (&h);
    }
    /* the last of the room */
    for (change.value.text.size = 600; change.value.text.size > 30; change.value.text.size -= 30)
        for (harness_forget (&h); sequence < 100000 && !harness_saw (&h, "STORE_FULL"); harness_flush (&h)) {
            snprintf (subject, sizeof subject, "s%" PRIu64, sequence);
            harness_changes (&h, 1, ++sequence, "x", subject, &change, 1);
        }
    change.value.text.size = 60000;
    harness_changes (&h, 2, 1, "trades", "", &change, 1);
    harness_flush (&h);
    harness_expect (&h, "1=STORE_FULL");
    harness_forget (&h);
    harness_register (&h, 3, "a", 10);
    harness_expect (&h, "WELCOME");
    harness_expect (&h, "1=STORE_FULL");
    harness_stop (&h);
}

Test (deltas, no_memory_refuses_and_goes_on)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    h.allowance = h.allocated;
    static char large[100001];
    memset (large, 'x', 100000);
    sb_change_t change = harness_text ("t", large);
    harness_changes (&h, 1, 2, "x", "", &change, 1);
    harness_flush (&h);
    harness_expect (&h, "2=STORE_FULL");
    h.allowance = SIZE_MAX / 2;
    harness_changes (&h, 1, 3, "x", "", &change, 1);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=3\n");
    harness_stop (&h);
}

Test (deltas, many_refusals_are_flushed_before_the_turn_ends)
{
    harness_t h;
    s_start (&h);
    sb_change_t none = harness_number ("x", 1);
    sb_delta_t deltas[200];
    for (uint64_t i = 0; i < 200; i++) {
        deltas[i] = harness_delta_of (i + 1, "x", "", &none, 1);
        deltas[i].fault = SB_REASON_NO_VALUE;
    }
    harness_batch (&h, 1, deltas, 200);
    harness_expect_times (&h, "SEND 1 ACK", 3);
    harness_flush (&h);
    harness_expect_times (&h, "SEND 1 ACK", 4);
    harness_expect (&h, "ACK decided=64 1=NO_VALUE");
    harness_expect (&h, "ACK decided=128 65=NO_VALUE");
    harness_expect (&h, "ACK decided=200 193=NO_VALUE");
    harness_expect_times (&h, "=NO_VALUE", 200);
    harness_stop (&h);
}

Test (deltas, the_brokers_own_categories_are_closed_to_agents)
{
    harness_t h;
    s_start (&h);
    harness_delta (&h, 1, 1, "_event", "FAKE", "p", 1);
    harness_flush (&h);
    harness_expect (&h, "1=BAD_CATEGORY");
    harness_expect_not (&h, "FAKE");
    harness_stop (&h);
}

Test (deltas, remembered_refusals_are_bounded_where_the_bound_is_no_power_of_two)
{
    harness_t h;
    harness_init (&h);
    h.config.max_unacked = 12;
    h.config.failure_threshold = 32;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t none = harness_number ("x", 1);
    for (uint64_t i = 1; i <= 30; i++) {
        harness_changes (&h, 1, 2 * i - 1, "x", "", &none, 0);
        harness_delta (&h, 1, 2 * i, "x", "", "p", (double)i);
        cr_assert_leq (sb_core_find_agent (h.core, sb_text ("a"))->refused_count, 12);
    }
    harness_stop (&h);
}

Test (deltas, remembered_refusals_are_bounded_and_the_newest_stay)
{
    harness_t h;
    harness_init (&h);
    h.config.max_unacked = 16;
    h.config.failure_threshold = 32;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t none = harness_number ("x", 1);
    for (uint64_t i = 1; i <= 50; i++) { /* every second one is refused: each a run of its own */
        harness_changes (&h, 1, 2 * i - 1, "x", "", &none, 0);
        harness_delta (&h, 1, 2 * i, "x", "", "p", (double)i);
    }
    harness_flush (&h);
    harness_forget (&h);
    harness_register (&h, 2, "a", 10);
    harness_expect (&h, " 99=");
    cr_assert_leq (harness_times (&h, "=NO_CHANGES") + harness_times (&h, "=BREAKER_OPEN"), 16);
    harness_stop (&h);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Registration and sessions: who may speak, who displaces whom, who is forgotten.
 */
#include "core_harness.h"

Test (sessions, unknown_connection_is_told_to_register_and_creates_nothing)
{
    harness_t h;
    harness_start (&h);
    size_t before = sb_core_memory_bytes (h.core);
    harness_delta (&h, 9, 1, "x", "", "p", 1);
    harness_beat (&h, 9);
    harness_replace_begin (&h, 9, 1);
    harness_expect_times (&h, "SEND 9 REFUSAL 0=REGISTER_AGAIN", 3);
    harness_expect_times (&h, "PUBLISH", 0);
    cr_assert_eq (sb_core_memory_bytes (h.core), before);
    harness_stop (&h);
}

Test (sessions, welcome_carries_what_was_agreed)
{
    harness_t h;
    harness_start (&h);
    sb_registration_t registration = harness_registration ("a", 10);
    sb_text_t interests[] = {sb_text ("market_data.feed.BTC"), sb_text ("trades"), sb_text ("market_data"),
                             sb_text ("trades.x"), sb_text ("_event")};
    registration.interests = interests;
    registration.interest_count = 5;
    registration.next_sequence = 41;
    registration.heartbeat_interval_ms = 250;
    harness_send_registration (&h, 1, &registration);
    harness_expect (&h, "WELCOME session=500 decided=40 known=0 interval=250 interests=_event,market_data,trades\n");
    harness_stop (&h);
}

Test (sessions, no_interest_means_all_and_all_leaves_out_the_brokers)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_expect (&h, "interval=1000 interests=all\n");
    sb_registration_t registration = harness_registration ("b", 10);
    sb_text_t interests[] = {sb_text ("trades"), sb_text ("all"), sb_text ("_event")};
    registration.interests = interests;
    registration.interest_count = 3;
    harness_send_registration (&h, 2, &registration);
    harness_expect (&h, "interests=all,_event\n");
    harness_stop (&h);
}

/* One faulty registration gets this refusal. */
static void s_expect_refused (harness_t *self, sb_registration_t registration, const char *refusal)
{
    harness_forget (self);
    harness_send_registration (self, 5, &registration);
    harness_expect (self, refusal);
    harness_expect_not (self, "WELCOME");
}

Test (sessions, faulty_registrations_are_refused_each_with_its_reason)
{
    harness_t h;
    harness_start (&h);
    static char long_id[66];
    memset (long_id, 'a', 65);
    sb_registration_t good = harness_registration ("a", 10), bad = good;
    bad.protocol = 2;
    s_expect_refused (&h, bad, "PROTOCOL_VERSION");
    bad = good;
    bad.agent_id = sb_text ("_broker");
    s_expect_refused (&h, bad, "BAD_AGENT_ID");
    bad.agent_id = sb_text (long_id);
    s_expect_refused (&h, bad, "BAD_AGENT_ID");
    bad = good;
    bad.instance_id = 0;
    s_expect_refused (&h, bad, "BAD_INSTANCE_ID");
    bad = good;
    bad.next_sequence = SB_NUMBER_MAX + 1;
    s_expect_refused (&h, bad, "BAD_INSTANCE_ID");
    bad = good;
    bad.heartbeat_interval_ms = 99;
    s_expect_refused (&h, bad, "BAD_HEARTBEAT_INTERVAL");
    bad.heartbeat_interval_ms = 60001;
    s_expect_refused (&h, bad, "BAD_HEARTBEAT_INTERVAL");
    sb_text_t interest = sb_text ("Not Valid");
    bad = good;
    bad.interests = &interest;
    bad.interest_count = 1;
    s_expect_refused (&h, bad, "BAD_INTEREST");
    sb_text_t many[65];
    for (int i = 0; i < 65; i++)
        many[i] = sb_text ("trades");
    bad.interests = many;
    bad.interest_count = 65;
    s_expect_refused (&h, bad, "TOO_MANY_INTERESTS");
    sb_label_t labels[17];
    for (int i = 0; i < 17; i++)
        labels[i] = (sb_label_t){sb_text ("name"), sb_text ("value")};
    bad = good;
    bad.labels = labels;
    bad.label_count = 17;
    s_expect_refused (&h, bad, "BAD_LABEL");
    labels[0].value = sb_text ("\xff");
    bad.label_count = 1;
    s_expect_refused (&h, bad, "BAD_LABEL");
    harness_forget (&h);
    harness_send_registration (&h, 5, &good);
    harness_expect (&h, "WELCOME");
    harness_stop (&h);
}

Test (sessions, one_connection_holds_one_agent)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_register (&h, 1, "b", 10);
    harness_expect (&h, "REFUSAL 0=ALREADY_REGISTERED");
    harness_stop (&h);
}

Test (sessions, newer_instance_displaces_the_older_for_good)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_forget (&h);
    harness_register (&h, 2, "a", 11);
    harness_expect (&h, "_event.a.DUPLICATE_ID");
    harness_expect (&h, "SEND 1 GOODBYE DISPLACED");
    harness_expect (&h, "SEND 2 WELCOME session=501 decided=0 known=0");
    harness_forget (&h);
    harness_delta (&h, 1, 2, "x", "", "p", 2);
    harness_expect (&h, "SEND 1 REFUSAL 0=REGISTER_AGAIN");
    harness_register (&h, 3, "a", 10);
    harness_expect (&h, "SEND 3 REFUSAL 0=SUPERSEDED");
    harness_delta (&h, 2, 1, "x", "", "p", 5);
    harness_expect (&h, "{1: p=5}");
    harness_stop (&h);
}

Test (sessions, eight_past_instances_are_remembered)
{
    harness_t h;
    harness_start (&h);
    for (uint64_t i = 1; i <= 10; i++)
        harness_register (&h, i, "a", i);
    for (uint64_t i = 2; i <= 9; i++) {
        harness_forget (&h);
        harness_register (&h, 100, "a", i);
        harness_expect (&h, "SUPERSEDED");
    }
    harness_forget (&h);
    harness_register (&h, 100, "a", 1); /* the ninth is not known any more */
    harness_expect (&h, "WELCOME");
    harness_stop (&h);
}

Test (sessions, same_instance_takes_its_session_over_and_keeps_its_decisions)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    sb_change_t none = harness_number ("x", 1);
    harness_changes (&h, 1, 2, "x", "", &none, 0);
    harness_flush (&h);
    harness_forget (&h);
    sb_registration_t registration = harness_registration ("a", 10);
    registration.next_sequence = 3;
    harness_send_registration (&h, 2, &registration);
    harness_expect (&h, "SEND 2 WELCOME session=501 decided=2 known=0 interval=1000 interests=all 2=NO_CHANGES\n");
    harness_expect_not (&h, "GOODBYE");
    harness_beat (&h, 1);
    harness_expect (&h, "SEND 1 REFUSAL 0=REGISTER_AGAIN");
    harness_delta (&h, 2, 3, "x", "", "p", 2);
    harness_expect (&h, "{3: p=2}");
    harness_stop (&h);
}

Test (sessions, goodbye_makes_the_state_stale_and_lost_peer_too)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_register (&h, 2, "b", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_delta (&h, 2, 1, "x", "", "p", 1);
    harness_goodbye (&h, 1);
    harness_peer_lost (&h, 2);
    harness_settle (&h);
    harness_expect_not (&h, "STALE LOST");
    harness_beat (&h, 2);
    harness_expect (&h, "SEND 2 REFUSAL 0=REGISTER_AGAIN");
    harness_advance (&h, 8000); /* it does not come back */
    harness_expect (&h, "PUBLISH x.a. #");
    harness_expect (&h, "STALE OFFLINE\n");
    harness_expect (&h, "STALE LOST\n");
    harness_expect_not (&h, "SEND 1 REFUSAL");
    harness_stop (&h);
}

Test (sessions, agent_beyond_the_limit_takes_the_place_of_who_is_gone_the_longest)
{
    harness_t h;
    harness_init (&h);
    h.config.max_agents = 3;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_register (&h, 2, "b", 10);
    harness_register (&h, 3, "c", 10);
    harness_register (&h, 4, "d", 10);
    harness_expect (&h, "SEND 4 REFUSAL 0=TOO_MANY_AGENTS");
    harness_delta (&h, 2, 1, "x", "", "p", 1);
    harness_goodbye (&h, 2);
    h.now_ns += HARNESS_MS;
    harness_goodbye (&h, 1);
    harness_forget (&h);
    harness_register (&h, 4, "d", 10);
    harness_expect (&h, "PUBLISH x.b. #");
    harness_expect (&h, "FORGOTTEN {0: -p}");
    harness_expect (&h, "SEND 4 WELCOME");
    harness_expect_not (&h, "x.a.");
    harness_stop (&h);
}

Test (sessions, paused_agent_is_never_forgotten_for_another)
{
    harness_t h;
    harness_init (&h);
    h.config.max_agents = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_goodbye (&h, 1);
    harness_register (&h, 2, "b", 10);
    harness_expect (&h, "SEND 2 REFUSAL 0=TOO_MANY_AGENTS");
    harness_stop (&h);
}

Test (sessions, record_is_forgotten_after_its_time_and_not_before)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 60000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_goodbye (&h, 1);
    harness_advance (&h, 59999);
    harness_expect_not (&h, "FORGOTTEN");
    harness_advance (&h, 1);
    harness_settle (&h);
    harness_expect (&h, "FORGOTTEN {0: -p}");
    harness_expect (&h, "_event._broker.FORGOTTEN");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (sessions, agent_that_comes_back_while_being_forgotten_keeps_its_record)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 60000;
    harness_start_configured (&h);
    h.is_quiet = true;
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= 3000; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", (unsigned)i);
        harness_delta (&h, 1, i, "x", subject, "p", 1);
    }
    harness_goodbye (&h, 1);
    h.is_quiet = false;
    while (!harness_saw (&h, "FORGOTTEN")) {
        h.now_ns = sb_core_deadline (h.core) > h.now_ns ? sb_core_deadline (h.core) : h.now_ns;
        harness_tick (&h);
    }
    harness_forget (&h);
    sb_registration_t registration = harness_registration ("a", 10);
    harness_send_registration (&h, 2, &registration);
    harness_settle (&h);
    harness_expect (&h, "WELCOME session=501 decided=3000 known=0");
    harness_expect_not (&h, "FORGOTTEN");
    harness_stop (&h);
}

Test (sessions, shutdown_says_goodbye_to_everybody_and_lets_nobody_in)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_register (&h, 2, "b", 10);
    harness_step (&h, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    harness_expect (&h, "SEND 1 GOODBYE BROKER_STOPPING");
    harness_expect (&h, "SEND 2 GOODBYE BROKER_STOPPING");
    harness_register (&h, 3, "c", 10);
    harness_expect (&h, "SEND 3 REFUSAL 0=BROKER_STOPPING");
    harness_stop (&h);
}

Test (sessions, heads_stand_at_every_granularity)
{
    harness_t h;
    harness_start (&h);
    sb_registration_t registration = harness_registration ("reader", 10);
    sb_text_t interests[] = {sb_text ("trades"), sb_text ("market_data.a."), sb_text ("scanner_data.a.BTC"),
                             sb_text ("risk.a")};
    registration.interests = interests;
    registration.interest_count = 4;
    harness_send_registration (&h, 1, &registration);
    harness_register (&h, 2, "a", 10);
    harness_register (&h, 3, "ab", 10);
    harness_beat (&h, 1);
    harness_expect (&h, "market_data.a.@0/0 risk.a@0/0 scanner_data.a.BTC@0/0 trades@0/0");
    harness_delta (&h, 2, 1, "market_data", "x", "p", 1);
    harness_delta (&h, 3, 1, "market_data", "x", "p", 1);
    harness_delta (&h, 2, 2, "scanner_data", "BTCUSDT", "p", 1);
    harness_delta (&h, 2, 3, "scanner_data", "ETH", "p", 1);
    harness_delta (&h, 3, 2, "risk", "", "p", 1);
    harness_delta (&h, 2, 4, "trades", "", "p", 1);
    harness_forget (&h);
    harness_beat (&h, 1);
    harness_expect_not (&h, "@0/0");
    harness_expect (&h, "/1 risk.a@");
    harness_expect (&h, "/1 scanner_data.a.BTC@");
    harness_expect (&h, "/1 trades@");
    harness_stop (&h);
}

Test (sessions, heartbeat_ack_repeats_refusals_that_were_not_heard)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t none = harness_number ("x", 1);
    harness_changes (&h, 1, 1, "x", "", &none, 0);
    harness_delta (&h, 1, 2, "x", "", "p", 1);
    harness_changes (&h, 1, 3, "x", "", &none, 0);
    harness_flush (&h);
    harness_forget (&h);
    sb_heartbeat_t beat = {.decided_through = 1, .progress = 1};
    harness_send_beat (&h, 1, &beat);
    harness_expect (&h, " 3=NO_CHANGES\n");
    harness_expect_not (&h, " 1=NO_CHANGES");
    harness_stop (&h);
}

Test (sessions, bad_frame_is_refused_and_counts_against_its_session_alone)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    for (int i = 0; i < 5; i++) {
        sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
        event.bad_message.peer = i < 4 ? 1 : 9;
        event.bad_message.reason = SB_REASON_MALFORMED;
        harness_step (&h, event);
    }
    harness_expect_times (&h, "SEND 1 REFUSAL 0=MALFORMED", 4);
    harness_expect_times (&h, "SEND 9 REFUSAL 0=MALFORMED", 1);
    harness_beat (&h, 1);
    harness_expect (&h, "breaker=CLOSED");
    sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
    event.bad_message.peer = 1;
    event.bad_message.reason = SB_REASON_MALFORMED;
    harness_step (&h, event);
    harness_beat (&h, 1);
    harness_expect (&h, "breaker=OPEN");
    harness_stop (&h);
}

Test (sessions, refusal_of_a_frame_says_what_is_wrong_with_it)
{
    harness_t h;
    harness_start (&h);
    sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE};
    event.bad_message.peer = 1;
    event.bad_message.reason = SB_REASON_MALFORMED;
    event.bad_message.text = sb_text ("the credit of a SnapshotRequest is 1 to 64");
    harness_step (&h, event);
    harness_expect (&h, "SEND 1 REFUSAL 0=MALFORMED \"the credit of a SnapshotRequest is 1 to 64\"");
    event.bad_message.text = (sb_text_t){NULL, 0};
    harness_step (&h, event);
    harness_expect (&h, "SEND 1 REFUSAL 0=MALFORMED \"the frame is no valid message of this schema");
    harness_stop (&h);
}

Test (sessions, paused_agent_loses_its_old_state_but_not_its_record)
{
    harness_t h;
    harness_init (&h);
    h.config.forget_after_ms = 60000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_goodbye (&h, 1);
    harness_advance (&h, 120000);
    harness_expect (&h, "FORGOTTEN {0: -p}");
    harness_expect_not (&h, "_event._broker.FORGOTTEN");
    harness_forget (&h);
    harness_register (&h, 2, "a", 10);
    harness_beat (&h, 2);
    harness_expect (&h, "WELCOME session=501 decided=1 known=0");
    harness_expect (&h, "paused=1");
    harness_stop (&h);
}

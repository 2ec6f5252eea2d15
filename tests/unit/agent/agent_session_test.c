/* SPDX-License-Identifier: MPL-2.0
 *
 * Connection, registration, backoff, heartbeats, what ends a session and what ends an agent.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static bool s_is (sb_text_t text, const char *string)
{
    return sb_text_equal (text, sb_text (string));
}

Test (session, registration_is_the_first_message_of_a_connection)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t interests[] = {sb_text ("market_data"), sb_text ("trades.bot")};
    sb_text_t publishes[] = {sb_text ("scanner_data")};
    f.config.interests = interests;
    f.config.interest_count = 2;
    f.config.publishes = publishes;
    f.config.publish_count = 1;
    sb_fixture_start (&f);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_CONNECT, 0));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_SEND, 0));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    const sb_registration_t *registration = &sb_fixture_sent (&f, SB_AGENT_MESSAGE_REGISTRATION, 0)->registration;
    cr_assert_eq (registration->protocol, 1);
    cr_assert (s_is (registration->agent_id, "a"));
    cr_assert_eq (registration->instance_id, 7);
    cr_assert_eq (registration->next_sequence, 1);
    cr_assert_eq (registration->heartbeat_interval_ms, 1000);
    cr_assert_eq (registration->interest_count, 2);
    cr_assert (s_is (registration->interests[1], "trades.bot"));
    cr_assert (s_is (registration->publishes[0], "scanner_data"));
    sb_fixture_end (&f);
}

Test (session, no_interest_is_not_said_as_all_of_them)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    const sb_registration_t *registration = &sb_fixture_sent (&f, SB_AGENT_MESSAGE_REGISTRATION, 0)->registration;
    cr_assert_eq (registration->interest_count, 1);
    cr_assert (s_is (registration->interests[0], "_control"));
    sb_fixture_end (&f);
}

static bool s_has_prefix (const sb_fixture_t *f, const char *prefix)
{
    uint32_t count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (f->step, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (s_is (prefixes[i], prefix))
            return true;
    }
    return false;
}

Test (session, a_category_is_subscribed_to_with_its_dot_and_the_levels_always)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t interests[] = {sb_text ("market_data"), sb_text ("trades.bot.spot:B")};
    f.config.interests = interests;
    f.config.interest_count = 2;
    sb_fixture_start (&f);
    uint32_t count;
    sb_agent_step_prefixes (f.step, &count);
    cr_assert_eq (count, 4);
    cr_assert (s_has_prefix (&f, "market_data."));
    cr_assert (s_has_prefix (&f, "trades.bot."));
    cr_assert (s_has_prefix (&f, "_beat."));
    cr_assert (s_has_prefix (&f, "_control."));
    sb_fixture_end (&f);
}

Test (session, all_is_36_prefixes_and_the_levels)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_text_t interest = sb_text ("all");
    f.config.interests = &interest;
    f.config.interest_count = 1;
    sb_fixture_start (&f);
    uint32_t count;
    sb_agent_step_prefixes (f.step, &count);
    cr_assert_eq (count, 38);
    cr_assert (s_has_prefix (&f, "a"));
    cr_assert (s_has_prefix (&f, "9"));
    cr_assert_not (s_has_prefix (&f, "_"));
    sb_fixture_end (&f);
}

Test (session, welcome_makes_active_and_names_the_publish_endpoint)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_STATUS, 0)->status.status, SB_AGENT_ACTIVE);
    cr_assert_str_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0)->subscribe_endpoint, "tcp://127.0.0.1:5571");
    sb_fixture_end (&f);
}

Test (session, a_named_publish_endpoint_is_taken_as_it_is_and_only_once)
{
    sb_fixture_t f = sb_fixture_make ();
    f.welcome.publish_endpoint = sb_text ("tcp://10.1.2.3:9");
    sb_fixture_open (&f);
    cr_assert_str_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0)->subscribe_endpoint, "tcp://10.1.2.3:9");
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0), "the SUB stays as it is");
    sb_fixture_end (&f);
}

Test (session, the_applications_publish_endpoint_wins)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.publish_endpoint = sb_text ("tcp://127.0.0.1:1");
    sb_fixture_start (&f);
    cr_assert_str_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0)->subscribe_endpoint, "tcp://127.0.0.1:1");
    sb_fixture_join (&f);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0));
    sb_fixture_end (&f);
}

Test (session, backoff_doubles_from_100_ms_to_5_s_with_jitter_from_the_seed)
{
    static const uint64_t full_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    uint64_t waits[2][9];
    for (int round = 0; round < 2; round++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_start (&f);
        for (int i = 0; i < 9; i++) {
            sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
            cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
            uint64_t deadline_ns = sb_agent_step_deadline (f.step);
            waits[round][i] = deadline_ns - f.now_ns;
            cr_assert_geq (waits[round][i], full_ms[i] * SB_MS / 2);
            cr_assert_leq (waits[round][i], full_ms[i] * SB_MS);
            sb_fixture_tick_at (&f, deadline_ns - 1);
            cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_CONNECT, 0));
            sb_fixture_tick_at (&f, deadline_ns);
            cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_CONNECT, 0));
        }
        sb_fixture_end (&f);
    }
    cr_assert_eq (memcmp (waits[0], waits[1], sizeof waits[0]), 0, "the same seed waits alike");
}

Test (session, welcome_starts_the_backoff_over)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    for (int i = 0; i < 6; i++) {
        sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
        sb_fixture_tick_at (&f, sb_agent_step_deadline (f.step));
    }
    sb_fixture_join (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    cr_assert_leq (sb_agent_step_deadline (f.step) - f.now_ns, 100 * SB_MS);
    sb_fixture_end (&f);
}

Test (session, neither_a_connection_nor_a_welcome_is_waited_for_without_end)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    uint64_t connect_by_ns = f.now_ns + SB_AGENT_CONNECT_TIMEOUT_MS * SB_MS;
    sb_fixture_tick_at (&f, connect_by_ns - 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_tick_at (&f, connect_by_ns);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_tick_at (&f, sb_agent_step_deadline (f.step));
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    uint64_t welcome_by_ns = f.now_ns + SB_AGENT_WELCOME_TIMEOUT_MS * SB_MS;
    sb_fixture_tick_at (&f, welcome_by_ns - 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_tick_at (&f, welcome_by_ns);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_end (&f);
}

Test (session, beats_each_interval_and_not_before)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    uint64_t start_ns = f.now_ns;
    sb_fixture_at (&f, start_ns + 1000 * SB_MS - 1);
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
    sb_fixture_at (&f, start_ns + 1000 * SB_MS);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
    sb_fixture_at (&f, start_ns + 2000 * SB_MS - 1);
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
    sb_fixture_at (&f, start_ns + 2000 * SB_MS + 1);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
    sb_fixture_end (&f);
}

static void s_beat_until (sb_fixture_t *f, uint64_t until_ns)
{
    while (sb_agent_step_deadline (f->step) < until_ns)
        sb_fixture_at (f, sb_agent_step_deadline (f->step));
}

Test (session, three_intervals_without_an_answer_end_it)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    uint64_t end_ns = f.now_ns + 3000 * SB_MS;
    s_beat_until (&f, end_ns);
    sb_fixture_at (&f, end_ns - 1);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_at (&f, end_ns);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING);
    sb_fixture_end (&f);
}

Test (session, an_answer_in_time_keeps_it)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    uint64_t end_ns = f.now_ns + 3000 * SB_MS;
    s_beat_until (&f, end_ns);
    sb_fixture_at (&f, end_ns - 1);
    sb_heartbeat_ack_t level = sb_fixture_level (&f);
    sb_fixture_heartbeat_ack (&f, &level);
    sb_fixture_at (&f, end_ns);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (session, an_ack_keeps_it_while_the_answer_to_a_beat_stands_in_line)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "market_data", "price", 1);
    uint64_t end_ns = f.now_ns + 3000 * SB_MS;
    s_beat_until (&f, end_ns);
    sb_fixture_at (&f, end_ns - 1);
    sb_fixture_ack (&f, 1);
    sb_fixture_at (&f, end_ns);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    s_beat_until (&f, end_ns - 1 + 3000 * SB_MS);
    sb_fixture_at (&f, end_ns - 1 + 3000 * SB_MS);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING, "three intervals after it");
    sb_fixture_end (&f);
}

Test (session, its_own_standstill_is_not_laid_to_the_broker)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_tick_at (&f, f.now_ns + 30000 * SB_MS); /* the process was stopped for half a minute */
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
    s_beat_until (&f, f.now_ns + 3000 * SB_MS);
    sb_fixture_at (&f, sb_agent_step_deadline (f.step));
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING, "but it is waited for no longer than from anew");
    sb_fixture_end (&f);
}

Test (session, register_again_makes_a_new_connection_that_registers)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_refusal (&f, SB_REASON_REGISTER_AGAIN, 0);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_agent_counts_t counts;
    sb_agent_step_counts (f.step, &counts);
    cr_assert_eq (counts.registrations, 2);
    cr_assert_eq (counts.reconnects, 1);
    sb_fixture_end (&f);
}

Test (session, being_displaced_or_superseded_is_final)
{
    static const sb_reason_t reasons[] = {SB_REASON_DISPLACED, SB_REASON_SUPERSEDED};
    for (int i = 0; i < 2; i++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_open (&f);
        sb_broker_message_t goodbye = {.kind = SB_BROKER_MESSAGE_GOODBYE, .goodbye.reason = reasons[i]};
        sb_fixture_message (&f, &goodbye);
        cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DISCONNECT, 0));
        cr_assert_str_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0)->subscribe_endpoint, "");
        cr_assert_eq (sb_fixture_status (&f), SB_AGENT_FINISHED);
        cr_assert_eq (sb_fixture_status_reason (&f), reasons[i]);
        cr_assert_eq (sb_agent_step_deadline (f.step), UINT64_MAX);
        cr_assert_eq (sb_fixture_update (&f, "status", "x", 1), reasons[i]);
        sb_fixture_end (&f);
    }
}

Test (session, a_refused_registration_is_final_or_tried_again_by_its_reason)
{
    static const struct {
        sb_reason_t reason;
        bool is_final;
    } rows[] = {
        {SB_REASON_BAD_AGENT_ID, true},     {SB_REASON_SUPERSEDED, true},      {SB_REASON_PROTOCOL_VERSION, true},
        {SB_REASON_BAD_INTEREST, true},     {SB_REASON_BAD_INSTANCE_ID, true}, {SB_REASON_TOO_MANY_AGENTS, false},
        {SB_REASON_BROKER_STOPPING, false}, {SB_REASON_MALFORMED, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_start (&f);
        sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
        sb_fixture_refusal (&f, rows[i].reason, 0);
        cr_assert_eq (sb_fixture_status (&f), rows[i].is_final ? SB_AGENT_FINISHED : SB_AGENT_CONNECTING, "%d",
                      rows[i].reason);
        sb_fixture_end (&f);
    }
}

Test (session, a_stopping_broker_is_waited_for)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_broker_message_t goodbye = {.kind = SB_BROKER_MESSAGE_GOODBYE, .goodbye.reason = SB_REASON_BROKER_STOPPING};
    sb_fixture_message (&f, &goodbye);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_CONNECTING);
    sb_fixture_join (&f);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE);
    sb_fixture_end (&f);
}

Test (session, leaving_sends_what_is_left_then_goodbye)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_update (&f, "status", "x", 1);
    sb_agent_event_t leave = {.kind = SB_AGENT_EVENT_LEAVE, .monotonic_ns = f.now_ns};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &leave, &answer);
    cr_assert (answer.wake);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_eq (f.effects.items[0].send->kind, SB_AGENT_MESSAGE_BATCH);
    cr_assert_eq (f.effects.items[1].send->kind, SB_AGENT_MESSAGE_GOODBYE);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_FINISHED);
    sb_fixture_end (&f);
}

/* No session is made any more: a process that lingers must not displace its successor. */
Test (session, closing_without_one_ends_at_once)
{
    for (int stage = 0; stage < 4; stage++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_start (&f);
        sb_fixture_update (&f, "status", "x", 1);
        if (stage == 1)
            sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN); /* waits for the end of its backoff */
        if (stage == 2)
            sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP); /* has sent its Registration */
        if (stage == 3) {
            sb_fixture_join (&f);
            sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
        }
        cr_assert_not (sb_agent_step_is_drained (f.step));
        sb_agent_effects_t answer;
        sb_agent_event_t close = {.kind = SB_AGENT_EVENT_CLOSE, .monotonic_ns = f.now_ns};
        sb_agent_step (f.step, &close, &answer);
        cr_assert (answer.wake && sb_agent_step_is_drained (f.step), "stage %d", stage);
        sb_fixture_event (&f, stage == 0 ? SB_AGENT_EVENT_LINK_UP : SB_AGENT_EVENT_TICK);
        cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_REGISTRATION, 0));
        cr_assert_eq (sb_fixture_sent (&f, SB_AGENT_MESSAGE_GOODBYE, 0) != NULL, stage == 2, "stage %d", stage);
        cr_assert_eq (sb_fixture_status (&f), SB_AGENT_FINISHED);
        cr_assert_eq (sb_agent_step_deadline (f.step), UINT64_MAX);
        sb_fixture_end (&f);
    }
}

Test (session, one_that_is_lost_while_closing_is_not_made_anew)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_send (&f, "status", "x", 1);
    sb_agent_effects_t answer;
    sb_agent_event_t close = {.kind = SB_AGENT_EVENT_CLOSE, .monotonic_ns = f.now_ns};
    sb_agent_step (f.step, &close, &answer);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_ACTIVE, "what was sent is still to be decided");
    cr_assert_not (sb_agent_step_is_drained (f.step));
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    cr_assert_eq (sb_fixture_status (&f), SB_AGENT_FINISHED);
    cr_assert (sb_agent_step_is_drained (f.step));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_CONNECT, 0));
    sb_fixture_end (&f);
}

Test (session, a_sentence_of_the_broker_that_is_the_reasons_own_is_logged_once)
{
    const char *own = sb_reason_text (SB_REASON_DISPLACED);
    const char *texts[] = {own, "by pid 7"};
    for (int i = 0; i < 2; i++) {
        sb_fixture_t f = sb_fixture_make ();
        sb_fixture_open (&f);
        sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_GOODBYE};
        message.goodbye = (sb_goodbye_t){.reason = SB_REASON_DISPLACED, .text = sb_text (texts[i])};
        sb_fixture_message (&f, &message);
        const sb_agent_effect_t *log = sb_fixture_effect (&f, SB_AGENT_EFFECT_LOG, 0);
        cr_assert_str_eq (log->log.text, own);
        cr_assert_eq (log->log.detail.size, i ? strlen (texts[1]) : 0);
        sb_fixture_end (&f);
    }
}

Test (session, messages_without_a_session_are_ignored)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_start (&f);
    sb_fixture_ack (&f, 5);
    cr_assert_eq (f.effects.count, 0);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_fixture_ack (&f, 5);
    cr_assert_eq (f.effects.count, 0);
    sb_fixture_end (&f);
}

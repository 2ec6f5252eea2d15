/* SPDX-License-Identifier: MPL-2.0
 *
 * Agents' parts of categories, and prefixes cut inside a name: what is subscribed to, where numbers begin, what a hole
 * in them asks for, and what is done with publications that count and are not wanted.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static sb_fixture_t s_make (const sb_text_t *interest)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = interest;
    f.config.interest_count = 1;
    f.config.queue_publications = 100;
    f.welcome.interests = interest;
    f.welcome.interest_count = 1;
    return f;
}

static sb_fixture_t s_open (const sb_text_t *interest)
{
    sb_fixture_t f = s_make (interest);
    sb_fixture_open (&f);
    cr_assert (sb_agent_step_is_current (f.step));
    return f;
}

static const sb_command_request_t *s_history (const sb_fixture_t *f)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_COMMAND, 0);
    return message ? &message->command : NULL;
}

static const sb_value_t *s_parameter (const sb_command_request_t *request, const char *name)
{
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (sb_text_equal (request->parameters[i].name, sb_text (name)))
            return &request->parameters[i].value;
    }
    return NULL;
}

static void s_level (sb_fixture_t *f, uint64_t sequence, uint64_t category_sequence, uint64_t agent_sequence)
{
    sb_interest_position_t head = {f->config.interests[0], sequence, category_sequence, agent_sequence};
    sb_heartbeat_ack_t ack = sb_fixture_level (f);
    ack.heads = &head;
    ack.head_count = 1;
    sb_fixture_heartbeat_ack (f, &ack);
}

/* Joined; its snapshot is asked for, and a HeartbeatAck before that has the head of an agent that is at 7. */
static sb_fixture_t s_based (const sb_text_t *interest)
{
    sb_fixture_t f = s_make (interest);
    f.head = 90;
    f.heads['m'] = 40;
    f.agent_heads['b'] = 7;
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    f.is_subscribed = true;
    sb_fixture_answer_join (&f);
    const sb_agent_message_t *asked = sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0);
    cr_assert (asked && f.effects.items[0].send->kind == SB_AGENT_MESSAGE_HEARTBEAT, "it asks for the heads before");
    uint64_t id = asked->snapshot_request.snapshot_id;
    s_level (&f, 80, 35, 7);
    message = (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end = (sb_snapshot_end_t){.snapshot_id = id, .sequence = f.head, .stream_id = 5, .epoch = 1};
    sb_fixture_message (&f, &message);
    for (int i = 0; i < 10 && !sb_agent_step_is_current (f.step); i++)
        sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_agent_step_is_current (f.step));
    return f;
}

static const char *s_subscribed (const sb_text_t *interests, const uint32_t *conflate_ms, uint32_t count, uint32_t n)
{
    static char text[64];
    sb_fixture_t f = s_make (interests);
    f.config.interest_count = count;
    f.config.conflate_ms = conflate_ms;
    sb_fixture_start (&f);
    uint32_t prefix_count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (f.step, &prefix_count);
    cr_assert_lt (n, prefix_count);
    memcpy (text, prefixes[n].data, prefixes[n].size);
    text[prefixes[n].size] = 0;
    sb_fixture_end (&f);
    return text;
}

Test (scope, what_is_cut_inside_a_name_is_subscribed_to_up_to_its_last_dot)
{
    static const char *const rows[][2] = {
        {"m", "m."},
        {"m.", "m."},
        {"m.fe", "m."},
        {"m.feed.", "m.feed."},
        {"m.feed.sp", "m.feed."},
        {"_event", "_event."},
        {"_event.b.", "_event."},
        {"_health.b.", "_health.b."},
    };
    static const uint32_t conflate_ms[] = {100};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_text_t interest = sb_text (rows[i][0]);
        cr_assert_str_eq (s_subscribed (&interest, NULL, 1, 0), rows[i][1]);
    }
    sb_text_t interest = sb_text ("m.feed.sp");
    cr_assert_str_eq (s_subscribed (&interest, conflate_ms, 1, 0), "~conflated.100.m.");
}

Test (scope, a_part_within_a_wider_interest_has_no_head_of_its_own_and_is_read_with_its_category)
{
    static const sb_text_t interests[] = {{"m.b.", 4}, {"m", 1}};
    static const uint32_t conflate_ms[] = {0, 100};
    cr_assert_str_eq (s_subscribed (interests, conflate_ms, 2, 0), "m.");
    cr_assert_str_eq (s_subscribed (interests, conflate_ms, 2, 1), "~conflated.100.m.");
}

Test (scope, what_is_not_wanted_is_not_delivered_but_counts)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_open (&interest);
    sb_fixture_publish (&f, 1, "m.b.y", 1, 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_publish (&f, 1, "m.b.x", 2, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    cr_assert_null (s_history (&f));
    sb_fixture_end (&f);
}

Test (scope, a_hole_behind_another_topics_publication_is_looked_for_in_history)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_open (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 1, 1);
    f.agent_heads['b']++;
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.y", 3, 1);
    cr_assert_not (sb_agent_step_is_current (f.step));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0), "it may be of a topic that nobody wants");
    cr_assert (s_history (&f));
    cr_assert (sb_text_equal (s_parameter (s_history (&f), "prefix")->text, sb_text ("m.b.")));
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 1);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 3);
    sb_fixture_end (&f);
}

Test (scope, of_what_found_no_room_nothing_is_asked_for_that_was_given_before)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_make (&interest);
    f.config.queue_publications = 4;
    sb_fixture_open (&f);
    sb_fixture_publish (&f, 1, "m.b.x", 1, 1);
    for (uint64_t i = 1; i <= 3; i++)
        sb_fixture_publish (&f, 1, "m.b.y", 1 + i, i); /* if it was given up since, nothing is known of it any more */
    sb_fixture_publish (&f, 1, "m.b.x", 5, 2);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    for (int i = 0; i < 2; i++) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .monotonic_ns = f.now_ns, .handled.delivery_ns = -1};
        sb_agent_effects_t answer;
        sb_agent_step (f.step, &event, &answer);
    }
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 4);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 5);
    sb_fixture_end (&f);
}

Test (scope, numbers_begin_behind_the_head_that_came_before_the_snapshot)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_based (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0), "number 8");
    sb_fixture_end (&f);
    f = s_based (&interest);
    f.agent_heads['b']++;
    sb_fixture_publish (&f, 1, "m.b.x", 92, 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0), "number 9");
    cr_assert (s_history (&f));
    sb_fixture_end (&f);
}

Test (scope, an_agent_that_is_counted_anew_may_have_gone_on_before)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_based (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
    f.agent_heads['b'] = 0; /* its record was given up */
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.x", 93, 1);
    cr_assert (s_history (&f));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    sb_fixture_end (&f);
}

/* The id of the request for history that the effects have, in `octets`. */
static sb_text_t s_id (const sb_fixture_t *f, char octets[64])
{
    cr_assert (s_history (f));
    sb_text_t id = s_history (f)->command_id;
    memcpy (octets, id.data, id.size);
    return (sb_text_t){octets, id.size};
}

static void s_answer_history (sb_fixture_t *f, sb_text_t id, const sb_publication_t *publication)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
    message.command_reply =
        (sb_command_reply_t){.command_id = id, .publications = &publication, .publication_count = 1};
    sb_fixture_message (f, &message);
}

/* What a HeartbeatAck says when the agent's record was given up, as of `sequence`. */
static void s_level_gone (sb_fixture_t *f, uint64_t sequence)
{
    sb_interest_position_t head = {f->config.interests[0], 0, 0, 0};
    sb_heartbeat_ack_t ack = sb_fixture_level (f);
    ack.heads = &head;
    ack.head_count = 1;
    ack.sequence = sequence;
    sb_fixture_heartbeat_ack (f, &ack);
}

Test (scope, the_last_ones_of_an_agent_that_was_given_up_are_looked_for_once)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_based (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
    f.head = 93; /* 92 is lost; with the record went the head that would tell */
    f.heads['m']++;
    s_level_gone (&f, 93);
    cr_assert_null (s_history (&f), "it may be under way");
    sb_fixture_beat (&f);
    cr_assert (s_history (&f));
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0), "it may be of others");
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 41);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 42);
    char octets[64];
    sb_text_t id = s_id (&f, octets);
    sb_publication_t lost = {.topic = sb_text ("m.b.x"),
                             .stream_id = 5,
                             .epoch = 1,
                             .sequence = 92,
                             .category_sequence = 42,
                             .agent_sequence = 9,
                             .topic_sequence = 2};
    s_answer_history (&f, id, &lost);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    for (int i = 0; i < 10 && !sb_agent_step_is_current (f.step); i++)
        sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_agent_step_is_current (f.step));
    f.head++;
    f.heads['m']++;
    s_level_gone (&f, 94);
    sb_fixture_beat (&f);
    cr_assert_null (s_history (&f));
    cr_assert (sb_agent_step_is_current (f.step));
    f.agent_heads['b'] = 0;
    sb_fixture_publish (&f, 1, "m.b.x", 95, 1);
    cr_assert_null (s_history (&f), "its next life begins at 1");
    s_level_gone (&f, 94);
    sb_fixture_beat (&f);
    cr_assert_null (s_history (&f), "the past");
    sb_fixture_end (&f);
}

Test (scope, an_agent_given_up_while_nothing_was_subscribed_is_looked_for_after_the_join)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_based (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.head += 10;
    f.heads['m'] += 10;
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    sb_fixture_answer_join (&f);
    s_level_gone (&f, f.head);
    cr_assert_not (sb_agent_step_is_current (f.step));
    cr_assert (s_history (&f));
    sb_fixture_end (&f);
}

Test (scope, what_was_lost_of_a_cut_prefix_before_a_registration_is_looked_for)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_based (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
    f.head = 92; /* lost, and the last one */
    f.heads['m']++;
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    s_level (&f, 0, 0, 0); /* from now on the broker would know */
    sb_fixture_beat (&f);
    cr_assert_null (s_history (&f), "that beat may be older than the registration");
    sb_fixture_beat (&f);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 41);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 42);
    sb_fixture_end (&f);
}

/* A category of which the first thing is heard while the SUB is down: what was still under way of its last connection,
 * of a subject that is not wanted. The join is answered. */
static sb_fixture_t s_first_heard_while_down (const sb_text_t *interest)
{
    sb_fixture_t f = s_open (interest);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    sb_fixture_publish (&f, 1, "m.b.y", 1, 1);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    cr_assert (sb_fixture_answer_join (&f));
    for (int i = 0; i < 2; i++) /* to the heartbeat before, too */
        s_level (&f, 0, 0, 0);  /* nothing of what is wanted was published */
    cr_assert (sb_agent_step_is_current (f.step));
    return f;
}

Test (scope, of_a_category_first_heard_of_while_the_sub_was_down_holes_are_seen)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_first_heard_while_down (&interest);
    f.agent_heads['b']++;
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.y", 3, 2); /* 2 is missing */
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 3);
    sb_fixture_end (&f);
}

Test (scope, of_a_category_first_heard_of_while_the_sub_was_down_heads_are_judged)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_first_heard_while_down (&interest);
    f.head = 2; /* lost, and the last one */
    f.heads['m']++;
    s_level (&f, 2, 2, 2);
    sb_fixture_beat (&f);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 2);
    sb_fixture_end (&f);
}

Test (scope, of_a_category_first_heard_of_while_the_sub_was_down_what_was_lost_before_a_registration_is_looked_for)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_first_heard_while_down (&interest);
    f.head = 2;
    f.heads['m']++;
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    s_level (&f, 0, 0, 0); /* from now on the broker would know */
    sb_fixture_beat (&f);
    sb_fixture_beat (&f);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 0);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 2);
    sb_fixture_end (&f);
}

Test (scope, what_a_repair_has_read_the_next_one_does_not_read_again)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_open (&interest);
    sb_fixture_publish (&f, 1, "m.b.x", 1, 1);
    f.agent_heads['b']++;
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.x", 3, 3); /* 2 is missing */
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 1);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 3);
    char octets[64];
    sb_text_t id = s_id (&f, octets);
    f.agent_heads['b']++;
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.x", 5, 5); /* and 4 */
    sb_publication_t lost = {.topic = sb_text ("m.b.x"),
                             .stream_id = 5,
                             .epoch = 1,
                             .sequence = 2,
                             .category_sequence = 2,
                             .agent_sequence = 2,
                             .topic_sequence = 2};
    s_answer_history (&f, id, &lost);
    for (int i = 0; i < 10 && !s_history (&f); i++)
        sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after")->integer, 3);
    cr_assert_eq (s_parameter (s_history (&f), "through")->integer, 5);
    sb_fixture_end (&f);
}

Test (scope, after_a_join_the_heads_tell_whether_something_was_missed)
{
    static const sb_text_t interest = {"m.b.", 4};
    for (uint64_t missed = 0; missed < 2; missed++) {
        sb_fixture_t f = s_based (&interest);
        sb_fixture_publish (&f, 1, "m.b.x", 91, 1);
        sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
        f.head += 10;
        f.heads['m'] += 10;
        sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
        sb_fixture_answer_join (&f);
        cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0));
        cr_assert_not (sb_agent_step_is_current (f.step), "not known yet");
        s_level (&f, 91 + missed, 41 + missed, 8 + missed);
        if (missed == 0)
            s_level (&f, 91, 41, 8);
        cr_assert_eq (sb_agent_step_is_current (f.step), missed == 0);
        cr_assert_eq (s_history (&f) != NULL, missed != 0);
        sb_fixture_end (&f);
    }
}

/* The broker publishes an event for each loss that it hears of, and who reads events may have no room for that one. */
Test (scope, losses_are_told_by_the_heartbeats_in_time_not_by_those_that_ask_for_heads)
{
    static const sb_text_t interest = {"m.b.", 4};
    sb_fixture_t f = s_make (&interest);
    f.config.queue_publications = 4;
    sb_fixture_open (&f);
    for (uint64_t i = 1; i <= 5; i++)
        sb_fixture_publish (&f, 1, "m.b.x", i, i);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    sb_fixture_answer_join (&f);
    const sb_agent_message_t *beat = sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0);
    cr_assert (beat);
    cr_assert_eq (beat->heartbeat.dropped, 0);
    s_level (&f, 5, 5, 5);
    do {
        sb_fixture_tick_at (&f, sb_agent_step_deadline (f.step));
        beat = sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0);
    } while (!beat);
    cr_assert_eq (beat->heartbeat.dropped, 1);
    sb_fixture_end (&f);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Interests that the broker does not conflate: how that is noticed, what is read in their place, what was missed
 * meanwhile, when conflation is asked for again; and a subscription that was gone for a moment.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static const sb_text_t s_events[] = {{"m", 1}};

/* One interest, at 250 ms, not started. */
static sb_fixture_t s_make (const sb_text_t *interest)
{
    static const uint32_t conflate_ms[] = {250};
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = f.welcome.interests = interest;
    f.config.interest_count = f.welcome.interest_count = 1;
    f.config.conflate_ms = conflate_ms;
    f.config.queue_publications = 100;
    return f;
}

static const sb_text_t s_all_of_m = {"m", 1};

/* Started; the SUB's handshake was told and its join answered. */
static void s_answered (sb_fixture_t *f)
{
    sb_fixture_start (f);
    sb_fixture_join (f);
}

static void s_reconnected (sb_fixture_t *f)
{
    sb_fixture_event (f, SB_AGENT_EVENT_SUBSCRIBED);
    cr_assert (sb_fixture_answer_join (f));
}

/* What an agent's part is based on. */
static void s_level (sb_fixture_t *f)
{
    sb_interest_position_t head = {f->config.interests[0], 0, 0, 0};
    sb_heartbeat_ack_t ack = sb_fixture_level (f);
    ack.heads = &head;
    ack.head_count = 1;
    sb_fixture_heartbeat_ack (f, &ack);
}

static void s_merged (sb_fixture_t *f, uint64_t sequence, uint64_t topic_sequence)
{
    sb_change_t change = sb_number ("x", (double)sequence);
    sb_update_t update = {.changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = sb_text ("~conflated.250.m.b."),
                                    .stream_id = 5,
                                    .epoch = 1,
                                    .sequence = sequence,
                                    .category_sequence = sequence,
                                    .topic_sequence = topic_sequence,
                                    .first_topic_sequence = topic_sequence,
                                    .conflated_sequence = ++f->conflated_head,
                                    .updates = &update,
                                    .update_count = 1};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = &publication};
    event.monotonic_ns = f->now_ns;
    sb_agent_step (f->step, &event, &f->effects);
}

static bool s_is_subscribed_to (const sb_fixture_t *f, const char *prefix)
{
    uint32_t count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (f->step, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (sb_text_equal (prefixes[i], sb_text (prefix)))
            return true;
    }
    return false;
}

static uint64_t s_refused (const sb_fixture_t *f)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (f->step, &counts);
    return counts.conflations_refused;
}

static const sb_command_request_t *s_history (const sb_fixture_t *f)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_COMMAND, 0);
    return message ? &message->command : NULL;
}

static int64_t s_parameter (const sb_command_request_t *request, const char *name)
{
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (sb_text_equal (request->parameters[i].name, sb_text (name)))
            return request->parameters[i].value.integer;
    }
    return -1;
}

static bool s_becomes_current (sb_fixture_t *f)
{
    for (int i = 0; i < 10 && !sb_agent_step_is_current (f->step); i++)
        sb_fixture_event (f, SB_AGENT_EVENT_WAKE);
    return sb_agent_step_is_current (f->step);
}

/* ------------------------------------------------------------------ refused */

Test (agent_conflation, an_interest_that_is_refused_is_read_as_it_is_published)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    f.conflation = NULL;
    s_answered (&f);
    cr_assert_not (sb_agent_step_is_current (f.step));
    cr_assert_eq (s_refused (&f), 1);
    cr_assert (s_is_subscribed_to (&f, "m."));
    cr_assert_not (s_is_subscribed_to (&f, "~conflated.250.m."), "where it is refused it would stand in others' way");
    s_reconnected (&f);
    cr_assert_eq (s_refused (&f), 1);
    cr_assert (sb_fixture_answer_snapshot (&f));
    cr_assert (s_becomes_current (&f));
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    f.heads['m']++;
    sb_fixture_publish (&f, 1, "m.b.", 3, 3);
    cr_assert (s_history (&f), "counted as what is not conflated");
    sb_fixture_end (&f);
}

Test (agent_conflation, a_refusal_is_told_and_a_new_sub_made)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    f.conflation = NULL;
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    s_reconnected (&f);
    const sb_agent_effect_t *log = sb_fixture_effect (&f, SB_AGENT_EFFECT_LOG, 0);
    cr_assert (log && log->log.severity == SB_SEVERITY_WARNING);
    cr_assert (strstr (log->log.text, "limits/conflations") && strstr (log->log.text, "conflate_ms"));
    cr_assert (sb_text_equal (log->log.detail, sb_text ("m")));
    const sb_agent_effect_t *made = sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0);
    cr_assert (made);
    cr_assert_str_eq (made->subscribe_endpoint, "tcp://127.0.0.1:5571");
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0), "not before it is live");
    sb_fixture_end (&f);
}

Test (agent_conflation, in_force_is_the_very_prefix_that_was_asked_for)
{
    static const struct {
        const char *text;
        uint64_t refused;
    } rows[] = {
        {"m.*", 0},      {"k.* m.*", 0}, {"m.* k.*", 0}, {"k.* m.* n.*", 0}, {"m.* ...", 0}, {"", 1},
        {"m.b.* k.", 1}, {"m.", 1},      {"mm.*", 1},    {"m*", 1},          {"*", 1},       {"k.* ...", 1},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_fixture_t f = s_make (&s_all_of_m);
        f.conflation = rows[i].text;
        s_answered (&f);
        cr_assert_eq (s_refused (&f), rows[i].refused, "%s", rows[i].text);
        cr_assert_eq (sb_agent_step_is_current (f.step), rows[i].refused == 0);
        sb_fixture_end (&f);
    }
}

Test (agent_conflation, each_interest_is_judged_by_itself)
{
    static const sb_text_t interests[] = {{"k", 1}, {"m", 1}, {"m.b.x", 5}, {"n", 1}};
    static const uint32_t conflate_ms[] = {250, 250, 250, 500};
    sb_fixture_t f = s_make (interests);
    f.config.interest_count = f.welcome.interest_count = 4;
    f.config.conflate_ms = conflate_ms;
    f.conflation = "k.* n.*";
    s_answered (&f);
    cr_assert_eq (s_refused (&f), 3, "m, m.b.x which is received as m, and n, which is in force at 250 ms only");
    cr_assert (s_is_subscribed_to (&f, "~conflated.250.k."));
    cr_assert (s_is_subscribed_to (&f, "m."));
    cr_assert (s_is_subscribed_to (&f, "n."));
    cr_assert_not (s_is_subscribed_to (&f, "~conflated.500.n."));
    sb_fixture_end (&f);
}

Test (agent_conflation, all_is_in_force_when_each_of_its_36_is)
{
    static const sb_text_t all = {"all", 3};
    char text[36 * 3 + 1] = "";
    for (uint32_t i = 0; i < 36; i++) {
        char *at = text + 3 * i;
        at[0] = "abcdefghijklmnopqrstuvwxyz0123456789"[i];
        at[1] = '*';
        at[2] = i == 35 ? 0 : ' ';
    }
    for (uint32_t missing = 0; missing < 2; missing++) {
        sb_fixture_t f = s_make (&all);
        f.conflation = missing ? text + 3 : text;
        s_answered (&f);
        cr_assert_eq (s_refused (&f), missing);
        cr_assert (s_is_subscribed_to (&f, missing ? "z" : "~conflated.250.z"));
        cr_assert_not (s_is_subscribed_to (&f, missing ? "~conflated.250.z" : "z"));
        sb_fixture_end (&f);
    }
}

Test (agent_conflation, what_is_cut_is_read_as_its_agents_part_then)
{
    static const sb_text_t interest = {"m.b.x", 5};
    sb_fixture_t f = s_make (&interest);
    f.conflation = NULL;
    s_answered (&f);
    cr_assert (s_is_subscribed_to (&f, "m.b."));
    s_reconnected (&f);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_HEARTBEAT, 0), "its numbers begin at HeartbeatAck's heads");
    cr_assert (sb_fixture_answer_snapshot (&f));
    cr_assert (s_becomes_current (&f));
    sb_fixture_publish (&f, 1, "m.b.x", 1, 1);
    f.heads['m']++;
    f.agent_heads['b']++;
    sb_fixture_publish (&f, 1, "m.b.y", 3, 1);
    cr_assert (s_history (&f));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ again */

Test (agent_conflation, each_new_connection_asks_for_it_again)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    f.conflation = NULL;
    s_answered (&f);
    s_reconnected (&f);
    sb_fixture_answer_snapshot (&f);
    cr_assert (s_becomes_current (&f));
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0));
    cr_assert (s_is_subscribed_to (&f, "~conflated.250.m."));
    cr_assert_not (s_is_subscribed_to (&f, "m."));
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0), "that SUB asks for it already");
    f.conflation = "m.*";
    s_reconnected (&f);
    cr_assert_eq (s_refused (&f), 1);
    sb_fixture_answer_snapshot (&f);
    cr_assert (s_becomes_current (&f));
    s_merged (&f, 1, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_end (&f);
}

Test (agent_conflation, an_agent_that_has_ended_asks_for_nothing_more)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    f.conflation = NULL;
    s_answered (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LEAVE);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    cr_assert_eq (f.effects.count, 0);
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ refused later */

Test (agent_conflation, state_that_is_refused_after_a_reconnection_is_fetched)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    s_answered (&f);
    s_merged (&f, 1, 1);
    s_merged (&f, 2, 2);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.heads['m'] = f.head = 5;
    f.conflation = NULL;
    f.conflated_head = 0;
    s_reconnected (&f);
    cr_assert_eq (s_refused (&f), 1);
    f.heads['m'] = f.head = 6; /* between the two joins */
    s_reconnected (&f);
    const sb_agent_message_t *asked = sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0);
    cr_assert (asked && asked->snapshot_request.interest_count == 1, "of that category alone");
    cr_assert (sb_fixture_answer_snapshot (&f));
    cr_assert (s_becomes_current (&f));
    sb_fixture_publish (&f, 1, "m.b.", 7, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_end (&f);
}

Test (agent_conflation, events_that_were_missed_until_it_was_refused_come_from_history)
{
    static const sb_text_t part = {"m.b.", 4};
    for (uint32_t is_part = 0; is_part < 2; is_part++) {
        sb_fixture_t f = s_make (is_part ? &part : &s_all_of_m);
        f.welcome.event_categories = s_events;
        f.welcome.event_category_count = 1;
        s_answered (&f);
        s_merged (&f, 1, 1);
        s_merged (&f, 2, 2);
        sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
        f.heads['m'] = f.head = 5;
        f.conflation = NULL;
        f.conflated_head = 0;
        s_reconnected (&f);
        f.heads['m'] = f.head = 6;
        s_reconnected (&f);
        for (int i = 0; is_part && i < 5 && !s_history (&f); i++)
            s_level (&f);
        cr_assert (s_history (&f));
        cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0));
        cr_assert_eq (s_parameter (s_history (&f), "after"), 2);
        cr_assert_eq (s_parameter (s_history (&f), "through"), 6);
        sb_fixture_end (&f);
    }
}

Test (agent_conflation, events_of_which_none_was_missed_until_it_was_refused_are_not_told_as_lost)
{
    static const sb_text_t part = {"m.b.", 4};
    sb_fixture_t f = s_make (&part);
    f.welcome.event_categories = s_events;
    f.welcome.event_category_count = 1;
    s_answered (&f);
    s_merged (&f, 1, 1);
    s_merged (&f, 2, 2);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.heads['m'] = f.agent_heads['b'] = f.head = 2;
    f.conflation = NULL;
    f.conflated_head = 0;
    s_reconnected (&f);
    s_reconnected (&f);
    sb_interest_position_t head = {part, 2, 2, 2};
    sb_heartbeat_ack_t ack = sb_fixture_level (&f);
    ack.heads = &head;
    ack.head_count = 1;
    for (int i = 0; i < 5; i++)
        sb_fixture_heartbeat_ack (&f, &ack);
    cr_assert (s_becomes_current (&f));
    for (int i = 0; i < 3; i++)
        sb_fixture_beat (&f);
    sb_agent_counts_t counts;
    sb_agent_step_counts (f.step, &counts);
    cr_assert_eq (counts.gaps, 0);
    sb_fixture_publish (&f, 1, "m.b.", 3, 3);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    cr_assert (sb_agent_step_is_current (f.step));
    sb_fixture_end (&f);
}

Test (agent_conflation, events_that_were_missed_until_it_was_granted_come_from_history)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    f.welcome.event_categories = s_events;
    f.welcome.event_category_count = 1;
    f.conflation = NULL;
    s_answered (&f);
    s_reconnected (&f);
    sb_fixture_answer_snapshot (&f);
    cr_assert (s_becomes_current (&f));
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    sb_fixture_publish (&f, 1, "m.b.", 2, 2);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.heads['m'] = f.head = 5;
    f.conflation = "m.*";
    s_reconnected (&f);
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after"), 2);
    cr_assert_eq (s_parameter (s_history (&f), "through"), 5);
    sb_fixture_end (&f);
}

Test (agent_conflation, other_categories_go_on_as_if_nothing_had_been)
{
    static const sb_text_t interests[] = {{"m", 1}, {"n", 1}};
    static const uint32_t conflate_ms[] = {250, 0};
    sb_fixture_t f = s_make (interests);
    f.config.interest_count = f.welcome.interest_count = 2;
    f.config.conflate_ms = conflate_ms;
    s_answered (&f);
    sb_fixture_publish (&f, 1, "n.b.", 1, 1);
    s_merged (&f, 2, 1);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.heads['m'] = f.head = 2;
    f.conflation = NULL;
    f.conflated_head = 0;
    s_reconnected (&f);
    s_reconnected (&f);
    const sb_agent_message_t *asked = sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0);
    cr_assert (asked && asked->snapshot_request.interest_count == 1);
    cr_assert (sb_text_equal (asked->snapshot_request.interests[0], sb_text ("m")));
    sb_fixture_publish (&f, 1, "n.b.", 3, 2);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ counted anew */

Test (agent_conflation, a_beat_with_a_smaller_number_than_came_joins_again)
{
    for (int change = -3; change <= 1; change++) {
        sb_fixture_t f = s_make (&s_all_of_m);
        s_answered (&f);
        for (uint64_t i = 1; i <= 3; i++)
            s_merged (&f, i, i);
        f.heads['m'] = f.head = 3;
        f.conflated_head = (uint64_t)(3 + change); /* 0: the beat does not name it */
        sb_fixture_beat (&f);
        cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0) != NULL, change < 0, "%d", change);
        cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0) != NULL, change > 0, "%d", change);
        cr_assert_eq (sb_agent_step_is_current (f.step), change == 0, "%d", change);
        if (change < 0) { /* what was held back then is lost, so a snapshot; and the numbers begin there */
            sb_fixture_answer_join (&f);
            cr_assert (sb_fixture_answer_snapshot (&f));
            cr_assert (s_becomes_current (&f));
            s_merged (&f, 4, 1);
            cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
            sb_fixture_beat (&f);
            cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
        }
        sb_fixture_end (&f);
    }
}

Test (agent_conflation, what_is_refused_when_it_is_counted_anew_is_read_as_it_is_published)
{
    sb_fixture_t f = s_make (&s_all_of_m);
    s_answered (&f);
    s_merged (&f, 1, 1);
    f.heads['m'] = f.head = 1;
    f.conflated_head = 0;
    f.conflation = NULL;
    sb_fixture_beat (&f);
    cr_assert (sb_fixture_answer_join (&f));
    cr_assert_eq (s_refused (&f), 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_SUBSCRIBE, 0));
    cr_assert (s_is_subscribed_to (&f, "m."));
    sb_fixture_end (&f);
}

Test (agent_conflation, beats_of_intervals_that_nobody_here_reads_say_nothing)
{
    static const uint32_t conflate_ms[] = {500};
    sb_fixture_t f = s_make (&s_all_of_m);
    f.config.conflate_ms = conflate_ms;
    f.conflation = NULL;
    s_answered (&f); /* refused, so read as it is */
    s_reconnected (&f);
    sb_fixture_answer_snapshot (&f);
    cr_assert (s_becomes_current (&f));
    f.conflated_head = 7;
    sb_fixture_beat (&f);
    f.conflated_head = 0;
    sb_fixture_beat (&f);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    cr_assert (sb_agent_step_is_current (f.step));
    sb_fixture_end (&f);
}

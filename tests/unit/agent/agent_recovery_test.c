/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and repairs, one rule a test: who is asked for what and when, at t-1, t and t+1 where there is a deadline.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static const sb_text_t s_interests[] = {{"m", 1}, {"n.x.", 4}};

static sb_fixture_t s_make (void)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.interests = s_interests;
    f.config.interest_count = 2;
    f.welcome.interests = s_interests;
    f.welcome.interest_count = 2;
    return f;
}

static sb_fixture_t s_open (void)
{
    sb_fixture_t f = s_make ();
    sb_fixture_open (&f);
    cr_assert (sb_agent_step_is_current (f.step));
    return f;
}

/* Welcomed, the SUB is connected, its join unanswered. */
static sb_fixture_t s_asked (void)
{
    sb_fixture_t f = s_make ();
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    f.is_subscribed = true;
    return f;
}

static const sb_snapshot_request_t *s_snapshot (const sb_fixture_t *f)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0);
    return message ? &message->snapshot_request : NULL;
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

static sb_agent_counts_t s_counts (const sb_fixture_t *f)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (f->step, &counts);
    return counts;
}

/* Answers a request for history with nothing but a code and whether something was evicted. */
static void s_reply (sb_fixture_t *f, sb_text_t command_id, sb_reason_t code, bool is_evicted)
{
    sb_parameter_t column = {.name = sb_text ("evicted"), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = is_evicted}};
    sb_record_t record = {&column, 1};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
    message.command_reply =
        (sb_command_reply_t){.command_id = command_id, .code = code, .records = &record, .record_count = 1};
    sb_fixture_message (f, &message);
}

/* Asks for history and returns the id of that request. */
static sb_text_t s_lose_one (sb_fixture_t *f, char *id)
{
    sb_fixture_publish (f, 1, "m.b.", 1, 1);
    f->heads['m']++;
    sb_fixture_publish (f, 1, "m.b.", 3, 3);
    const sb_command_request_t *request = s_history (f);
    cr_assert (request);
    memcpy (id, request->command_id.data, request->command_id.size);
    return (sb_text_t){id, request->command_id.size};
}

static void s_end_snapshot (sb_fixture_t *f, uint64_t id, uint32_t chunks, uint64_t fields, uint64_t hash)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end = (sb_snapshot_end_t){.snapshot_id = id,
                                               .chunk_count = chunks,
                                               .field_count = fields,
                                               .sequence = f->head,
                                               .state_hash = hash,
                                               .stream_id = 5,
                                               .epoch = 1};
    sb_fixture_message (f, &message);
}

static void s_chunk (sb_fixture_t *f, uint64_t id, uint32_t number)
{
    sb_snapshot_topic_t topic = {.topic = sb_text ("m.b."),
                                 .sequence = 1,
                                 .category_sequence = 1,
                                 .topic_sequence = 1,
                                 .quality = SB_QUALITY_OK};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK};
    message.snapshot_chunk = (sb_snapshot_chunk_t){id, number, &topic, 1};
    sb_fixture_message (f, &message);
}

/* Steps TICK wherever it is asked for, until `when_ns`. */
static void s_until (sb_fixture_t *f, uint64_t when_ns)
{
    while (sb_agent_step_deadline (f->step) < when_ns) {
        uint64_t at_ns = sb_agent_step_deadline (f->step);
        sb_fixture_tick_at (f, at_ns > f->now_ns ? at_ns : f->now_ns);
        if (sb_fixture_sent (f, SB_AGENT_MESSAGE_HEARTBEAT, 0)) {
            sb_heartbeat_ack_t ack = sb_fixture_level (f);
            sb_fixture_heartbeat_ack (f, &ack);
        }
    }
    f->now_ns = when_ns > f->now_ns ? when_ns : f->now_ns;
}

/* ------------------------------------------------------------------ joins */

Test (join, each_handshake_of_the_sub_draws_a_nonce)
{
    sb_fixture_t f = s_asked ();
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0);
    char first[64];
    cr_assert (effect && memcmp (effect->join_prefix.data, "~join.", 6) == 0);
    memcpy (first, effect->join_prefix.data, effect->join_prefix.size);
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0);
    cr_assert (effect && memcmp (effect->join_prefix.data, first, effect->join_prefix.size) != 0);
    sb_fixture_end (&f);
}

Test (join, without_an_answer_for_two_seconds_another_nonce_is_drawn)
{
    sb_fixture_t f = s_asked ();
    uint64_t asked_ns = f.now_ns;
    s_until (&f, asked_ns + 2000 * SB_MS - 1);
    sb_fixture_tick_at (&f, asked_ns + 2000 * SB_MS - 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    sb_fixture_tick_at (&f, asked_ns + 2000 * SB_MS);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    sb_fixture_tick_at (&f, asked_ns + 2000 * SB_MS + 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    sb_fixture_end (&f);
}

Test (join, its_answer_brings_a_snapshot_of_everything_and_that_makes_it_current)
{
    sb_fixture_t f = s_asked ();
    cr_assert_null (s_snapshot (&f));
    cr_assert (sb_fixture_answer_join (&f));
    const sb_snapshot_request_t *request = s_snapshot (&f);
    cr_assert (request && request->interest_count == 0 && request->credit == 1);
    cr_assert_not (sb_agent_step_is_current (f.step));
    sb_fixture_answer_snapshot (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_agent_step_is_current (f.step));
    cr_assert_eq (s_counts (&f).joins, 1);
    cr_assert_eq (s_counts (&f).snapshots, 1);
    sb_fixture_end (&f);
}

Test (join, without_a_session_it_is_not_current_and_nothing_is_asked_for)
{
    sb_fixture_t f = s_open ();
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    cr_assert_not (sb_agent_step_is_current (f.step));
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0), "the SUB goes on");
    sb_fixture_publish (&f, 1, "m.b.", 3, 3);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0));
    cr_assert_null (s_history (&f));
    sb_fixture_join (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_not (sb_agent_step_is_current (f.step), "the repair is under way");
    sb_fixture_end (&f);
}

Test (join, no_interest_needs_none)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_JOIN, 0));
    cr_assert (sb_agent_step_is_current (f.step));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ snapshots */

Test (snapshot, a_chunk_that_is_missing_begins_it_again)
{
    sb_fixture_t f = s_asked ();
    sb_fixture_answer_join (&f);
    uint64_t id = s_snapshot (&f)->snapshot_id;
    s_chunk (&f, id, 2);
    cr_assert_eq (s_counts (&f).restarts, 1);
    cr_assert_null (s_snapshot (&f), "not at once: it might go on like that");
    sb_fixture_tick_at (&f, f.now_ns + 100 * SB_MS - 1);
    cr_assert_null (s_snapshot (&f));
    sb_fixture_tick_at (&f, f.now_ns + 1);
    cr_assert_gt (s_snapshot (&f)->snapshot_id, id);
    sb_fixture_end (&f);
}

Test (snapshot, an_end_that_does_not_agree_begins_it_again)
{
    for (int what = 0; what < 4; what++) {
        sb_fixture_t f = s_asked ();
        sb_fixture_answer_join (&f);
        uint64_t id = s_snapshot (&f)->snapshot_id;
        s_end_snapshot (&f, id, what == 0, what == 1, what == 2);
        cr_assert_eq (s_counts (&f).restarts, what < 3, "%d", what);
        cr_assert_eq (s_counts (&f).snapshots, what == 3, "%d", what);
        sb_fixture_end (&f);
    }
}

Test (snapshot, no_chunk_for_five_seconds_begins_it_again)
{
    sb_fixture_t f = s_asked ();
    sb_fixture_answer_join (&f);
    uint64_t asked_ns = f.now_ns;
    s_until (&f, asked_ns + 5000 * SB_MS - 1);
    sb_fixture_tick_at (&f, asked_ns + 5000 * SB_MS - 1);
    cr_assert_eq (s_counts (&f).restarts, 0);
    sb_fixture_tick_at (&f, asked_ns + 5000 * SB_MS);
    cr_assert_eq (s_counts (&f).restarts, 1);
    sb_fixture_end (&f);
}

/* The SUB meets a broker that was started again; the DEALER has yet to find out. */
Test (snapshot, a_chunk_of_an_epoch_that_is_over_is_not_taken)
{
    enum { NOTHING, RECONNECTED, PUBLISHED, CASES };
    for (int what = NOTHING; what < CASES; what++) {
        sb_fixture_t f = s_asked ();
        sb_fixture_answer_join (&f);
        uint64_t id = s_snapshot (&f)->snapshot_id;
        if (what == RECONNECTED) {
            f.welcome.epoch = 2;
            sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
            sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
            cr_assert (sb_fixture_answer_join (&f));
        } else if (what == PUBLISHED)
            sb_fixture_publish (&f, 2, "m.b.", 1, 1);
        s_chunk (&f, id, 1);
        cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0) != NULL, what == NOTHING, "%d", what);
        sb_fixture_end (&f);
    }
}

Test (snapshot, credit_is_given_as_the_handler_keeps_up)
{
    sb_fixture_t f = s_make ();
    f.config.queue_publications = 2;
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    sb_fixture_answer_join (&f);
    uint64_t id = s_snapshot (&f)->snapshot_id;
    sb_snapshot_topic_t topics[3];
    for (uint32_t i = 0; i < 3; i++)
        topics[i] = (sb_snapshot_topic_t){.topic = sb_text (i == 0   ? "m.b."
                                                            : i == 1 ? "m.c."
                                                                     : "m.d."),
                                          .sequence = 1 + i,
                                          .topic_sequence = 1,
                                          .quality = SB_QUALITY_OK};
    message = (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK};
    message.snapshot_chunk = (sb_snapshot_chunk_t){id, 1, topics, 3};
    sb_fixture_message (&f, &message);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 2), "one chunk may go beyond the bound");
    cr_assert_null (sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, 0));
    for (int i = 0; i < 2; i++) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .monotonic_ns = f.now_ns, .handled.delivery_ns = -1};
        sb_agent_effects_t answer;
        sb_agent_step (f.step, &event, &answer);
        cr_assert_eq (answer.wake, i == 1);
    }
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, 0));
    sb_fixture_end (&f);
}

/* Half of it is under way while more is asked for, and never more than all of it. */
Test (snapshot, credit_is_filled_up_when_half_of_it_is_used)
{
    sb_fixture_t f = s_make ();
    f.config.has_update_handler = false;
    sb_fixture_start (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    cr_assert (sb_fixture_answer_join (&f));
    uint64_t id = s_snapshot (&f)->snapshot_id;
    uint32_t most = s_snapshot (&f)->credit, under_way = most;
    cr_assert_eq (most, 8);
    for (uint32_t number = 1; number <= 3 * most; number++) {
        s_chunk (&f, id, number);
        under_way--;
        const sb_agent_message_t *sent = sb_fixture_sent (&f, SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, 0);
        cr_assert_eq (sent != NULL, under_way == most / 2, "chunk %u", number);
        if (!sent)
            continue;
        cr_assert_eq (sent->snapshot_credit.snapshot_id, id);
        cr_assert_eq (sent->snapshot_credit.credit, most / 2);
        under_way += sent->snapshot_credit.credit;
    }
    sb_fixture_end (&f);
}

Test (snapshot, is_whole_only_when_the_sub_has_brought_what_was_published_before_its_end)
{
    sb_fixture_t f = s_asked ();
    sb_fixture_answer_join (&f);
    f.head = 7;
    sb_fixture_answer_snapshot (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_not (sb_agent_step_is_current (f.step));
    sb_fixture_beat (&f);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_agent_step_is_current (f.step));
    sb_fixture_end (&f);
}

Test (join, what_comes_after_the_chunk_that_has_it_already_was_not_lost)
{
    sb_fixture_t f = s_asked ();
    sb_fixture_answer_join (&f);
    uint64_t id = s_snapshot (&f)->snapshot_id;
    s_chunk (&f, id, 1);
    f.head = 1;
    s_end_snapshot (&f, id, 1, 0, 0);
    cr_assert_not (sb_agent_step_is_current (f.step), "it has not come");
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    for (int i = 0; i < 10 && !sb_agent_step_is_current (f.step); i++)
        sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_agent_step_is_current (f.step));
    cr_assert_eq (s_counts (&f).gaps, 0);
    sb_fixture_publish (&f, 1, "m.b.", 2, 2);
    cr_assert_eq (s_counts (&f).gaps, 0);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ repairs */

Test (repair, asks_for_what_lies_between_the_last_one_and_what_has_come)
{
    sb_fixture_t f = s_open ();
    char id[64];
    s_lose_one (&f, id);
    const sb_command_request_t *request = s_history (&f);
    cr_assert (sb_text_equal (request->command, sb_text ("history")));
    cr_assert_eq (s_parameter (request, "after"), 1);
    cr_assert_eq (s_parameter (request, "through"), 3);
    cr_assert_leq (s_parameter (request, "limit"), 3, "there is room for so many");
    sb_fixture_end (&f);
}

Test (repair, what_history_has_dropped_is_made_good_by_a_snapshot_of_the_category)
{
    sb_fixture_t f = s_open ();
    char text[64];
    sb_text_t id = s_lose_one (&f, text);
    s_reply (&f, id, SB_REASON_NONE, true);
    const sb_snapshot_request_t *request = s_snapshot (&f);
    cr_assert (request && request->interest_count == 1 && sb_text_equal (request->interests[0], sb_text ("m")));
    sb_fixture_end (&f);
}

Test (repair, a_refusal_or_no_answer_for_five_seconds_does_as_well)
{
    sb_fixture_t f = s_open ();
    char text[64];
    sb_text_t id = s_lose_one (&f, text);
    s_reply (&f, id, SB_REASON_UNKNOWN_CATEGORY, false);
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
    f = s_open ();
    s_lose_one (&f, text);
    uint64_t asked_ns = f.now_ns;
    s_until (&f, asked_ns + 5000 * SB_MS - 1);
    sb_fixture_tick_at (&f, asked_ns + 5000 * SB_MS - 1);
    cr_assert_eq (s_counts (&f).restarts, 0);
    sb_fixture_tick_at (&f, asked_ns + 5000 * SB_MS);
    cr_assert_eq (s_counts (&f).restarts, 1);
    s_until (&f, asked_ns + 5100 * SB_MS);
    sb_fixture_tick_at (&f, asked_ns + 5100 * SB_MS);
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

Test (repair, its_ids_are_none_that_the_applications_requests_have)
{
    sb_fixture_t f = s_open ();
    char text[64];
    sb_text_t id = s_lose_one (&f, text);
    sb_command_request_t request = {.command = sb_text ("status"), .timeout_ms = 1000};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_REQUEST, .monotonic_ns = f.now_ns};
    event.request.token = 1;
    event.request.request = &request;
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &event, &answer);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_not (sb_text_equal (s_history (&f)->command_id, id));
    s_reply (&f, id, SB_REASON_NONE, true);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REPLY, 0));
    sb_fixture_end (&f);
}

Test (repair, the_loss_of_the_last_one_is_seen_by_the_next_beat)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "m.b.", 1, 1);
    sb_fixture_beat (&f);
    cr_assert_null (s_history (&f));
    f.heads['m']++;
    f.head++;
    sb_fixture_beat (&f);
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0);
    cr_assert (effect && sb_text_equal (effect->gap.topic, sb_text ("m")) && effect->gap.last == 0);
    cr_assert_eq (s_parameter (s_history (&f), "through"), 2);
    sb_fixture_end (&f);
}

Test (repair, of_a_longer_prefix_by_its_own_head_once_a_beat_of_its_time_has_come)
{
    sb_fixture_t f = s_open ();
    sb_fixture_publish (&f, 1, "n.x.", 1, 1);
    sb_interest_position_t head = {
        .interest = sb_text ("n.x."), .sequence = 5, .category_sequence = 3, .agent_sequence = 2};
    sb_heartbeat_ack_t ack = sb_fixture_level (&f);
    ack.heads = &head;
    ack.head_count = 1;
    sb_fixture_heartbeat_ack (&f, &ack);
    cr_assert_null (s_history (&f));
    f.head = 4;
    f.heads['n'] = 2;
    sb_fixture_beat (&f);
    cr_assert_null (s_history (&f), "it may still be on its way");
    f.head = 5;
    f.heads['n'] = 3;
    sb_fixture_beat (&f);
    cr_assert (s_history (&f));
    cr_assert (sb_text_equal (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.topic, sb_text ("n.x.")));
    sb_fixture_end (&f);
}

Test (repair, what_waits_of_a_topic_that_the_snapshot_does_not_have_any_more_is_not_missed_again)
{
    sb_fixture_t f = s_open ();
    char text[64];
    sb_fixture_publish (&f, 1, "n.x.", 1, 1);
    sb_fixture_publish (&f, 1, "n.x.", 3, 3);
    sb_text_t id = s_history (&f)->command_id;
    memcpy (text, id.data, id.size);
    s_reply (&f, (sb_text_t){text, id.size}, SB_REASON_NONE, true);
    cr_assert (s_snapshot (&f));
    s_end_snapshot (&f, s_snapshot (&f)->snapshot_id, 0, 0, 0);
    for (int i = 0; i < 10 && !sb_agent_step_is_current (f.step); i++) {
        sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
        cr_assert_null (s_snapshot (&f), "it never ends");
    }
    cr_assert (sb_agent_step_is_current (f.step));
    sb_fixture_publish (&f, 1, "n.x.", 4, 1);
    cr_assert (sb_agent_step_is_current (f.step), "it began anew");
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    sb_fixture_end (&f);
}

Test (repair, a_lost_session_begins_it_again)
{
    sb_fixture_t f = s_open ();
    char text[64];
    s_lose_one (&f, text);
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    cr_assert_eq (s_counts (&f).restarts, 1);
    while (!sb_fixture_effect (&f, SB_AGENT_EFFECT_CONNECT, 0))
        sb_fixture_tick_at (&f, sb_agent_step_deadline (f.step));
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_UP);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = f.welcome};
    sb_fixture_message (&f, &message);
    cr_assert (s_history (&f));
    sb_fixture_end (&f);
}

Test (repair, a_buffer_beyond_its_bound_is_dropped_told_and_made_good_by_a_snapshot)
{
    sb_fixture_t f = s_make ();
    f.config.buffer_bytes = 2000;
    sb_fixture_open (&f);
    char text[64];
    s_lose_one (&f, text);
    for (uint64_t i = 4; i < 20 && s_counts (&f).restarts == 0; i++)
        sb_fixture_publish (&f, 1, "m.b.", i, i);
    cr_assert_eq (s_counts (&f).restarts, 1);
    cr_assert_gt (s_counts (&f).dropped, 1);
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

/* ------------------------------------------------------------------ conflation */

static sb_fixture_t s_conflated (void)
{
    static const uint32_t conflate_ms[] = {250, 0};
    sb_fixture_t f = s_make ();
    f.config.conflate_ms = conflate_ms;
    sb_fixture_open (&f);
    return f;
}

static void s_merged (sb_fixture_t *f, const char *topic, uint64_t sequence, uint64_t first, uint64_t last)
{
    sb_change_t change = sb_number ("x", (double)sequence);
    sb_update_t update = {.changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = sb_text (topic),
                                    .stream_id = 5,
                                    .epoch = 1,
                                    .sequence = sequence,
                                    .category_sequence = sequence,
                                    .topic_sequence = last,
                                    .first_topic_sequence = first,
                                    .conflated_sequence = first ? ++f->conflated_head : 0,
                                    .updates = &update,
                                    .update_count = 1};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = &publication};
    event.monotonic_ns = f->now_ns;
    sb_agent_step (f->step, &event, &f->effects);
}

Test (conflation, asks_for_its_own_prefix_and_delivers_without_it)
{
    sb_fixture_t f = s_conflated ();
    uint32_t count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (f.step, &count);
    cr_assert (sb_text_equal (prefixes[0], sb_text ("~conflated.250.m.")));
    cr_assert (sb_text_equal (prefixes[1], sb_text ("n.x.")));
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0);
    cr_assert (effect && sb_text_equal (effect->publication->topic, sb_text ("m.b.")));
    s_merged (&f, "~conflated.250.m.b.", 9, 6, 9);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0), "ranges that join have no hole");
    s_merged (&f, "~conflated.500.m.b.", 10, 10, 10);
    cr_assert_eq (f.effects.count, 0, "nobody asked for that");
    s_merged (&f, "m.b.", 10, 0, 10);
    cr_assert_eq (f.effects.count, 0, "nor for each one");
    sb_fixture_end (&f);
}

Test (conflation, a_range_that_begins_too_late_is_a_gap_and_a_snapshot_makes_it_good)
{
    sb_fixture_t f = s_conflated ();
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    s_merged (&f, "~conflated.250.m.b.", 12, 9, 12);
    const sb_agent_effect_t *effect = sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0);
    cr_assert (effect && effect->gap.first == 6 && effect->gap.last == 8);
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

Test (conflation, a_number_that_is_missing_is_made_good_by_a_snapshot)
{
    sb_fixture_t f = s_conflated ();
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    f.conflated_head++; /* of some topic */
    s_merged (&f, "~conflated.250.m.c.", 9, 1, 3);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0), "what it was the snapshot tells");
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

Test (conflation, a_topic_that_begins_anew_does_not_hide_the_loss_of_its_last_one)
{
    sb_fixture_t f = s_conflated ();
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    f.conflated_head++; /* the deletes with which the broker gave the agent's record up */
    s_merged (&f, "~conflated.250.m.b.", 9, 1, 1);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_DELIVER, 0));
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

Test (conflation, what_was_held_back_when_nobody_asked_any_more_a_snapshot_tells)
{
    sb_fixture_t f = s_conflated ();
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    s_merged (&f, "~conflated.250.m.c.", 7, 1, 1); /* 6, of m.b., waits for its time */
    f.heads['m'] = f.head = 7;
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    sb_fixture_answer_join (&f); /* nothing was published since, nor counted */
    cr_assert_not (sb_agent_step_is_current (f.step));
    for (int i = 0; i < 10 && !s_snapshot (&f); i++) {
        sb_interest_position_t head = {sb_text ("n.x."), 0, 0, 0};
        sb_heartbeat_ack_t ack = sb_fixture_level (&f);
        ack.heads = &head;
        ack.head_count = 1;
        sb_fixture_heartbeat_ack (&f, &ack);
    }
    cr_assert (s_snapshot (&f));
    sb_fixture_end (&f);
}

Test (conflation, a_join_does_not_forget_the_event_that_had_found_no_room_before)
{
    static const uint32_t conflate_ms[] = {250, 0};
    static const sb_text_t events[] = {{"m", 1}};
    sb_fixture_t f = s_make ();
    f.config.conflate_ms = conflate_ms;
    f.config.queue_publications = 2;
    f.welcome.event_categories = events;
    f.welcome.event_category_count = 1;
    sb_fixture_open (&f);
    for (uint64_t i = 1; i <= 3; i++)
        s_merged (&f, "~conflated.250.m.b.", i, i, i);
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0), "3");
    sb_fixture_event (&f, SB_AGENT_EVENT_UNSUBSCRIBED);
    f.heads['m'] = f.head = 5; /* nobody asked for it at that interval: not counted */
    sb_fixture_event (&f, SB_AGENT_EVENT_SUBSCRIBED);
    sb_fixture_answer_join (&f);
    sb_interest_position_t head = {sb_text ("n.x."), 0, 0, 0};
    sb_heartbeat_ack_t ack = sb_fixture_level (&f);
    ack.heads = &head;
    ack.head_count = 1;
    for (int i = 0; i < 3; i++)
        sb_fixture_heartbeat_ack (&f, &ack);
    for (int i = 0; i < 2; i++) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .monotonic_ns = f.now_ns, .handled.delivery_ns = -1};
        sb_agent_effects_t answer;
        sb_agent_step (f.step, &event, &answer);
    }
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_null (s_snapshot (&f));
    cr_assert (s_history (&f));
    cr_assert_eq (s_parameter (s_history (&f), "after"), 2);
    cr_assert_eq (s_parameter (s_history (&f), "through"), 5);
    sb_fixture_end (&f);
}

Test (conflation, the_loss_of_the_last_one_is_seen_by_the_next_beat)
{
    sb_fixture_t f = s_conflated ();
    s_merged (&f, "~conflated.250.m.b.", 5, 1, 5);
    f.heads['m'] = 6; /* held back */
    f.head = 6;
    sb_fixture_beat (&f);
    cr_assert_null (s_snapshot (&f));
    cr_assert (sb_agent_step_is_current (f.step));
    f.conflated_head++;
    sb_fixture_beat (&f);
    cr_assert (s_snapshot (&f));
    cr_assert (sb_text_equal (sb_fixture_effect (&f, SB_AGENT_EFFECT_GAP, 0)->gap.topic, sb_text ("m")));
    sb_fixture_end (&f);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * explain, timeline, and the events that they are made of: commands about an agent, gaps, readers that fall behind.
 */
#include "control_harness.h"
#include "core_internal.h"

static harness_t h;
static uint64_t s_token;

enum { PARAMETERS_MAX = 6 };

static void s_init (void)
{
    harness_init (&h);
    s_token = 0;
}

static void s_start (void)
{
    s_init ();
    harness_start_configured (&h);
    harness_register (&h, 1, "feed", 4711);
    harness_beat (&h, 1);
}

static void s_stop (void)
{
    harness_stop (&h);
}

TestSuite (core_explain, .init = s_start, .fini = s_stop);
TestSuite (core_timeline, .init = s_start, .fini = s_stop);
TestSuite (core_readers, .init = s_start, .fini = s_stop);

static void s_ask (const char *command, const char *agent, const sb_parameter_t *parameters, uint32_t count)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "ask-%" PRIu64, ++s_token);
    sb_command_request_t request = control_request (&h, command_id, command, agent);
    request.parameters = parameters;
    request.parameter_count = count;
    control_send (&h, s_token, &request);
}

static void s_explain (const char *field)
{
    sb_parameter_t parameter = control_parameter_text ("field", field);
    s_ask ("explain", "feed", &parameter, 1);
}

static int64_t s_now (void)
{
    return HARNESS_EPOCH_NS + (int64_t)h.now_ns;
}

/* ------------------------------------------------------------------ explain */

Test (core_explain, a_value_names_its_delta_its_times_and_its_quality)
{
    sb_change_t change = harness_number ("price", 101.5);
    sb_delta_t delta = harness_delta_of (1, "market_data", "BTC", &change, 1);
    delta.update.event_unix_ns = 111;
    delta.update.origin_unix_ns = 99;
    harness_batch (&h, 1, &delta, 1);
    int64_t written_unix_ns = s_now ();
    uint64_t sequence = h.core->sequence;
    harness_delta (&h, 1, 2, "market_data", "BTC", "volume", 7); /* another field of that topic */
    h.now_ns += 1000 * HARNESS_MS;
    s_explain ("price");
    control_expect (&h, NONE);
    cr_assert_eq (control_reply (&h)->record_count, 1);
    cr_assert (control_is_text (&h, 0, "topic", "market_data.feed.BTC"));
    cr_assert (control_is_text (&h, 0, "field", "price"));
    cr_assert_eq (control_column (&h, 0, "value")->number, 101.5);
    cr_assert (control_is_text (&h, 0, "agent_id", "feed"));
    cr_assert_eq (control_integer (&h, 0, "instance_id"), 4711);
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 1);
    cr_assert_eq (control_integer (&h, 0, "event_unix_ns"), 111);
    cr_assert_eq (control_integer (&h, 0, "origin_unix_ns"), 99);
    cr_assert_eq (control_integer (&h, 0, "changed_unix_ns"), written_unix_ns);
    cr_assert_eq (control_integer (&h, 0, "sequence"), (int64_t)sequence);
    cr_assert (control_is_text (&h, 0, "cause", "NONE"));
    cr_assert_eq (control_integer (&h, 0, "expires_unix_ns"), 0);
    cr_assert (control_is_text (&h, 0, "quality", "OK"));
    cr_assert (control_is_text (&h, 0, "quality_cause", "NONE"));
    cr_assert_eq (control_integer (&h, 0, "quality_since_unix_ns"), written_unix_ns);
}

Test (core_explain, a_write_of_the_same_bits_is_the_former_deltas_still)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 5);
    h.now_ns += 1000 * HARNESS_MS;
    harness_delta (&h, 1, 2, "market_data", "BTC", "price", 5);
    s_explain ("price");
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 1);
    harness_delta (&h, 1, 3, "market_data", "BTC", "price", 6);
    s_explain ("price");
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 3);
}

Test (core_explain, in_an_event_category_the_last_publication_counts)
{
    harness_delta (&h, 1, 1, "trades", "BTC", "price", 5);
    harness_delta (&h, 1, 2, "trades", "BTC", "price", 5);
    s_explain ("price");
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 2);
    cr_assert_eq (control_integer (&h, 0, "sequence"), (int64_t)h.core->sequence);
    cr_assert_eq (control_column (&h, 0, "value")->number, 5);
}

Test (core_explain, a_whole_state_names_itself)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 5);
    sb_change_t changes[] = {harness_number ("price", 5), harness_number ("volume", 7)};
    sb_delta_t topic = harness_delta_of (0, "market_data", "BTC", changes, 2);
    topic.update.event_unix_ns = 222;
    harness_replace_begin (&h, 1, 2);
    harness_replace_chunk (&h, 1, 2, &topic, 1);
    harness_replace_end (&h, 1, 2, 1);
    harness_settle (&h);
    s_explain ("volume");
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 2);
    cr_assert_eq (control_integer (&h, 0, "instance_id"), 4711);
    cr_assert_eq (control_integer (&h, 0, "event_unix_ns"), 222);
    cr_assert (control_is_text (&h, 0, "cause", "REPLACED"));
    s_explain ("price"); /* found the same */
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 1);
    cr_assert (control_is_text (&h, 0, "cause", "NONE"));
}

Test (core_explain, quality_says_since_when_and_why)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 5);
    h.now_ns += 500 * HARNESS_MS;
    control_do (&h, 900, "pause_agent", "feed");
    h.now_ns += 100 * HARNESS_MS;
    harness_settle (&h);
    int64_t stale_unix_ns = s_now ();
    h.now_ns += 100 * HARNESS_MS;
    s_explain ("price");
    cr_assert (control_is_text (&h, 0, "quality", "FORCED_STALE"));
    cr_assert (control_is_text (&h, 0, "quality_cause", "PAUSED"));
    cr_assert_eq (control_integer (&h, 0, "quality_since_unix_ns"), stale_unix_ns);
}

Test (core_explain, every_topic_that_has_the_field_is_a_record)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 1);
    harness_delta (&h, 1, 2, "market_data", "ETH", "price", 2);
    harness_delta (&h, 1, 3, "market_data", "ETH", "volume", 2);
    harness_delta (&h, 1, 4, "risk", "", "price", 3);
    s_explain ("price");
    cr_assert_eq (control_reply (&h)->record_count, 3);
    cr_assert (control_is_text (&h, 2, "topic", "risk.feed."));
    sb_parameter_t narrow[] = {control_parameter_text ("field", "price"),
                               control_parameter_text ("category", "market_data"),
                               control_parameter_text ("subject", "ETH")};
    s_ask ("explain", "feed", narrow, 2);
    cr_assert_eq (control_reply (&h)->record_count, 2);
    s_ask ("explain", "feed", narrow, 3);
    cr_assert_eq (control_reply (&h)->record_count, 1);
    cr_assert_eq (control_integer (&h, 0, "delta_sequence"), 2);
    narrow[1] = control_parameter_text ("subject", "");
    s_ask ("explain", "feed", narrow, 2);
    cr_assert_eq (control_reply (&h)->record_count, 1);
    cr_assert (control_is_text (&h, 0, "topic", "risk.feed."));
}

Test (core_explain, pages_give_each_topic_once)
{
    for (uint64_t i = 1; i <= 25; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%" PRIu64, i);
        harness_delta (&h, 1, i, "market_data", subject, i % 5 ? "price" : "volume", (double)i);
    }
    uint32_t total = 0;
    char cursor[64] = "";
    do {
        sb_parameter_t parameters[] = {control_parameter_text ("field", "price"),
                                       control_parameter_integer ("limit", 7),
                                       control_parameter_text ("cursor", cursor)};
        s_ask ("explain", "feed", parameters, 3);
        control_expect (&h, NONE);
        total += control_reply (&h)->record_count;
        sb_text_t next = control_reply (&h)->next_cursor;
        snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.size > 0 ? next.data : "");
    } while (cursor[0] != '\0');
    cr_assert_eq (total, 20);
}

Test (core_explain, a_last_page_without_records_is_no_refusal_when_there_were_some_before)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 1);
    harness_delta (&h, 1, 2, "market_data", "ETH", "price", 2);
    sb_parameter_t parameters[] = {control_parameter_text ("field", "price"), control_parameter_integer ("limit", 1),
                                   control_parameter_text ("cursor", "")};
    s_ask ("explain", "feed", parameters, 3);
    char cursor[64];
    sb_text_t next = control_reply (&h)->next_cursor;
    snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.data);
    sb_change_t gone = harness_delete ("price");
    harness_changes (&h, 1, 3, "market_data", "ETH", &gone, 1);
    parameters[2] = control_parameter_text ("cursor", cursor);
    s_ask ("explain", "feed", parameters, 3);
    control_expect (&h, NONE);
    cr_assert_eq (control_reply (&h)->record_count, 0);
    cr_assert_eq (control_reply (&h)->next_cursor.size, 0);
}

Test (core_explain, what_is_not_there_is_refused_with_where_to_look)
{
    harness_delta (&h, 1, 1, "market_data", "BTC", "price", 1);
    s_explain ("prize");
    control_expect (&h, BAD_PARAMETER);
    cr_assert (sb_text_equal (
        control_reply (&h)->message,
        sb_text ("agent feed has no field prize there now: get_state with agent feed lists those that it has")));
    s_explain ("pri ce");
    control_expect (&h, BAD_PARAMETER);
    sb_parameter_t parameters[] = {control_parameter_text ("field", "price"),
                                   control_parameter_text ("category", "risk")};
    s_ask ("explain", "feed", parameters, 2);
    control_expect (&h, BAD_PARAMETER);
    s_ask ("explain", "nobody", parameters, 1);
    control_expect (&h, UNKNOWN_AGENT);
    s_ask ("explain", "feed", NULL, 0);
    control_expect (&h, MISSING_PARAMETER);
    static const char *const cursors[] = {"explain:0:0", "explain:1:0", "explain:99999:0",
                                          "explain:18446744073709551615:0"};
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        parameters[1] = control_parameter_text ("cursor", cursors[i]);
        s_ask ("explain", "feed", parameters, 2);
        control_expect (&h, BAD_CURSOR);
    }
}

/* ------------------------------------------------------------------ timeline */

/* The kinds of events of a timeline's page but QUALITY, which comes in slices of its own, joined by blanks. */
static const char *s_timeline (const char *agent, const sb_parameter_t *parameters, uint32_t count)
{
    static char kinds[4096];
    size_t used = 0;
    kinds[0] = '\0';
    s_ask ("timeline", agent, parameters, count);
    control_expect (&h, NONE);
    const sb_command_reply_t *reply = control_reply (&h);
    for (uint32_t i = 0; i < reply->publication_count; i++) {
        sb_text_t category, author, subject;
        cr_assert (sb_topic_split (reply->publications[i]->topic, &category, &author, &subject));
        if (sb_text_equal (subject, sb_text ("QUALITY")))
            continue;
        used += (size_t)snprintf (kinds + used, sizeof kinds - used, "%s%.*s", used ? " " : "", (int)subject.size,
                                  subject.data);
    }
    return kinds;
}

static const sb_value_t *s_fact (const sb_publication_t *event, const char *name)
{
    for (uint32_t i = 0; i < event->updates[0].change_count; i++)
        if (sb_text_equal (event->updates[0].changes[i].name, sb_text (name)))
            return &event->updates[0].changes[i].value;
    return NULL;
}

static void s_expect_fact (const sb_publication_t *event, const char *name, const char *text)
{
    const sb_value_t *value = s_fact (event, name);
    cr_assert (value && value->kind == SB_VALUE_TEXT && sb_text_equal (value->text, sb_text (text)), "%s is %.*s", name,
               value ? (int)value->text.size : 0, value ? value->text.data : "");
}

Test (core_timeline, everything_about_one_agent_in_one_order)
{
    harness_register (&h, 2, "other", 5);
    harness_beat (&h, 2);
    control_do (&h, 900, "pause_agent", "feed");
    control_do (&h, 901, "pause_agent", "other");
    control_do (&h, 902, "resume_agent", "feed");
    harness_goodbye (&h, 1);
    harness_register (&h, 3, "feed", 4712);
    cr_assert_str_eq (s_timeline ("feed", NULL, 0), "REGISTERED LIVENESS LIVENESS OPERATOR COMMAND OPERATOR COMMAND "
                                                    "LIVENESS REGISTERED LIVENESS");
    cr_assert_not (control_boolean (&h, 0, "evicted"));
    cr_assert (control_boolean (&h, 0, "end"));
}

Test (core_timeline, a_command_is_told_with_who_why_and_how_it_ended)
{
    control_do (&h, 900, "pause_agent", "feed");
    harness_expect (&h, "PUBLISH _event.feed.COMMAND");
    s_timeline ("feed", NULL, 0);
    const sb_command_reply_t *reply = control_reply (&h);
    const sb_publication_t *event = reply->publications[reply->publication_count - 1];
    s_expect_fact (event, "command", "pause_agent");
    s_expect_fact (event, "issuer", "ann");
    s_expect_fact (event, "reason", "a test");
    s_expect_fact (event, "code", "NONE");
    s_expect_fact (event, "command_id", "command-900");
}

Test (core_timeline, refused_commands_are_told_too_but_not_what_only_reads)
{
    control_do (&h, 900, "release_agent", "feed"); /* WRONG_STATE */
    control_expect (&h, WRONG_STATE);
    control_do (&h, 901, "list_agents", "");
    control_do (&h, 902, "pause_agent", "nobody");
    control_do (&h, 903, "emergency_stop", "");
    harness_expect_times (&h, "PUBLISH _event.feed.COMMAND", 1);
    harness_expect (&h, "code='WRONG_STATE'");
    sb_command_request_t request = control_request (&h, "903x", "pause_agent", "feed");
    request.timeout_ms = 0;
    control_send (&h, 904, &request);
    control_expect (&h, BAD_REQUEST);
    harness_expect_times (&h, "PUBLISH _event.feed.COMMAND", 1);
}

Test (core_timeline, a_repeat_of_a_command_is_no_second_event)
{
    control_do (&h, 900, "pause_agent", "feed");
    control_do (&h, 900, "pause_agent", "feed");
    harness_expect_times (&h, "PUBLISH _event.feed.COMMAND", 1);
}

Test (core_timeline, a_sent_command_is_told_again_when_it_ended)
{
    sb_parameter_t parameter = control_parameter_text ("command", "rebalance");
    s_ask ("send_command", "feed", &parameter, 1);
    harness_expect_times (&h, "PUBLISH _event.feed.COMMAND", 1);
    harness_forget (&h);
    harness_advance (&h, 5000);
    harness_expect_times (&h, "PUBLISH _event.feed.COMMAND", 1);
    harness_expect (&h, "code='TIMEOUT'");
}

Test (core_timeline, the_emergency_stop_is_part_of_everybodys)
{
    control_do (&h, 900, "emergency_stop", "");
    cr_assert_str_eq (s_timeline ("feed", NULL, 0), "REGISTERED LIVENESS LIVENESS LATCH");
}

Test (core_timeline, an_agent_that_came_back_after_its_record_was_given_up_sees_that)
{
    harness_register (&h, 2, "other", 5);
    harness_goodbye (&h, 1);
    harness_goodbye (&h, 2);
    harness_advance (&h, h.config.forget_after_ms + 1000);
    harness_register (&h, 3, "feed", 4712);
    const char *kinds = s_timeline ("feed", NULL, 0);
    cr_assert_str_eq (kinds, "REGISTERED LIVENESS LIVENESS LIVENESS FORGOTTEN REGISTERED LIVENESS");
}

Test (core_timeline, a_flood_of_anothers_events_is_not_silent)
{
    harness_stop (&h);
    s_init ();
    sb_history_bound_t bound = {sb_text ("_event"), 20, 0, 0};
    h.config.history_bounds = &bound;
    h.config.history_bound_count = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "feed", 4711);
    s_timeline ("feed", NULL, 0);
    cr_assert_not (control_boolean (&h, 0, "evicted"));
    harness_register (&h, 2, "noisy", 5);
    for (uint64_t i = 0; i < 30; i++)
        control_do (&h, 900 + i, "release_agent", "noisy");
    s_timeline ("feed", NULL, 0);
    cr_assert_eq (control_reply (&h)->publication_count, 0);
    cr_assert (control_boolean (&h, 0, "evicted"));
    cr_assert_neq (control_integer (&h, 0, "oldest_unix_ns"), 0);
    /* One whose record began after the flood misses nothing. */
    harness_register (&h, 3, "late", 6);
    cr_assert_str_eq (s_timeline ("late", NULL, 0), "REGISTERED LIVENESS");
    cr_assert_not (control_boolean (&h, 0, "evicted"));
}

Test (core_timeline, last_and_after_give_the_end_and_what_follows)
{
    for (uint64_t i = 0; i < 5; i++)
        control_do (&h, 900 + i, "release_agent", "feed");
    sb_parameter_t last = control_parameter_integer ("last", 2);
    cr_assert_str_eq (s_timeline ("feed", &last, 1), "COMMAND COMMAND");
    sb_parameter_t after[] = {control_parameter_integer ("after", 1), control_parameter_integer ("last", 2)};
    cr_assert_str_eq (s_timeline ("feed", after, 2), "LIVENESS LIVENESS");
    cr_assert_str_eq (s_timeline ("feed", after, 1), "LIVENESS LIVENESS COMMAND COMMAND COMMAND COMMAND COMMAND");
    s_ask ("timeline", "nobody", NULL, 0);
    control_expect (&h, UNKNOWN_AGENT);
}

/* ------------------------------------------------------------------ readers */

Test (core_readers, a_beat_that_tells_of_losses_is_one_event)
{
    sb_heartbeat_t beat = {.progress = 1, .dropped = 3};
    harness_send_beat (&h, 1, &beat);
    harness_expect_times (&h, "PUBLISH _event.feed.GAPS", 1);
    harness_expect (&h, "lost=3 dropped=3");
    harness_send_beat (&h, 1, &beat);
    harness_expect_times (&h, "PUBLISH _event.feed.GAPS", 1);
    beat.dropped = 10;
    harness_send_beat (&h, 1, &beat);
    harness_expect (&h, "lost=7 dropped=10");
    control_list (&h);
    cr_assert_eq (control_integer (&h, 0, "drops"), 10);
    cr_assert_eq (h.core->counters[SB_COUNTER_agent_drops], 10);
    cr_assert_str_eq (s_timeline ("feed", NULL, 0), "REGISTERED LIVENESS LIVENESS GAPS GAPS");
}

/* A reader of market_data says that it has seen up to `seen` of it; the head is 2000. */
static void s_reader_saw (uint64_t seen)
{
    sb_interest_position_t position = {
        .interest = sb_text ("market_data"), .sequence = seen, .category_sequence = seen};
    sb_heartbeat_t beat = {.progress = 1, .seen = &position, .seen_count = 1};
    harness_send_beat (&h, 2, &beat);
}

static void s_register_reader (void)
{
    h.is_quiet = true;
    for (uint64_t i = 1; i <= 2000; i++)
        harness_delta (&h, 1, i, "market_data", "BTC", "price", (double)i);
    h.is_quiet = false;
    sb_registration_t registration = harness_registration ("reader", 5);
    sb_text_t interest = sb_text ("market_data");
    registration.interests = &interest;
    registration.interest_count = 1;
    harness_send_registration (&h, 2, &registration);
    harness_forget (&h);
}

static int64_t s_backlog (void)
{
    control_list (&h);
    return control_integer (&h, 1, "backlog");
}

Test (core_readers, one_falls_behind_beyond_a_thousand_and_has_caught_up_at_a_hundred)
{
    s_register_reader ();
    s_reader_saw (1001);
    cr_assert_eq (s_backlog (), 999);
    s_reader_saw (1000);
    cr_assert_eq (s_backlog (), 1000);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 0);
    s_reader_saw (999);
    cr_assert_eq (s_backlog (), 1001);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 1);
    harness_expect (&h, "behind=true backlog=1001 dropped=0");
    s_reader_saw (100);
    s_reader_saw (1899);
    cr_assert_eq (s_backlog (), 101);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 1);
    s_reader_saw (1900);
    cr_assert_eq (s_backlog (), 100);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 2);
    harness_expect (&h, "behind=false backlog=100");
    s_reader_saw (1901);
    s_reader_saw (1000);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 2);
}

Test (core_readers, of_one_who_is_silent_what_it_misses_now_is_told)
{
    s_register_reader ();
    s_reader_saw (2000);
    for (uint64_t i = 2001; i <= 2050; i++)
        harness_delta (&h, 1, i, "market_data", "BTC", "price", (double)i);
    cr_assert_eq (s_backlog (), 0, "the next beat is not due: what is on its way is no backlog");
    harness_advance (&h, 3000);
    harness_expect (&h, "PUBLISH _event.reader.LIVENESS");
    cr_assert_geq (s_backlog (), 50);
    s_reader_saw (2050);
    cr_assert_eq (s_backlog (), 0);
}

Test (core_readers, of_one_who_is_dead_what_it_misses_now_is_told)
{
    s_register_reader ();
    s_reader_saw (2000);
    for (uint64_t i = 2001; i <= 2050; i++)
        harness_delta (&h, 1, i, "market_data", "BTC", "price", (double)i);
    harness_advance (&h, 60000);
    harness_expect (&h, "it was SUSPECT");
    cr_assert_geq (s_backlog (), 50);
}

Test (core_readers, one_who_registers_anew_starts_without_a_backlog)
{
    s_register_reader ();
    s_reader_saw (10);
    cr_assert_eq (s_backlog (), 1990);
    sb_registration_t registration = harness_registration ("reader", 6);
    sb_text_t interest = sb_text ("market_data");
    registration.interests = &interest;
    registration.interest_count = 1;
    harness_forget (&h);
    harness_send_registration (&h, 3, &registration);
    cr_assert_eq (s_backlog (), 0);
    harness_beat (&h, 3);
    harness_expect_times (&h, "PUBLISH _event.reader.BEHIND", 1);
    harness_expect (&h, "behind=false backlog=0");
}

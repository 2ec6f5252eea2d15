/* SPDX-License-Identifier: MPL-2.0
 *
 * history: which publications it gives, by number, time and filter; how it says what is gone; and its bounds by octets
 * and age.
 */
#include "control_harness.h"
#include "core_internal.h"

static harness_t h;
static uint64_t s_token;

enum { PARAMETERS_MAX = 8 };

static void s_init (void)
{
    harness_init (&h);
    s_token = 0;
}

static void s_stop (void)
{
    harness_stop (&h);
}

/* Tests of a core at a time with others: each is stopped where it is used. */
TestSuite (core_history_age);
TestSuite (core_history, .init = s_init, .fini = s_stop);

/* An agent that writes `count` numbers to trades, an event category, alternately under two subjects, a second apart. */
static void s_feed (uint64_t count)
{
    harness_start_configured (&h);
    h.is_quiet = true;
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= count; i++) {
        harness_delta (&h, 1, i, "trades", i % 2 ? "odd" : "even", "p", (double)i);
        h.now_ns += 1000 * HARNESS_MS;
    }
}

/* Broker time of the n-th publication of s_feed. */
static int64_t s_time (uint64_t n)
{
    return HARNESS_EPOCH_NS + (int64_t)((1000000 + (n - 1) * 1000) * HARNESS_MS);
}

/* Asks for a page of the history of trades; `more` is a list of names and integers, ended by NULL. */
static void s_ask_page (const char *cursor, const sb_parameter_t *more, uint32_t count)
{
    sb_parameter_t parameters[PARAMETERS_MAX] = {control_parameter_text ("category", "trades")};
    uint32_t used = 1;
    for (uint32_t i = 0; i < count; i++)
        parameters[used++] = more[i];
    if (cursor[0] != '\0')
        parameters[used++] = control_parameter_text ("cursor", cursor);
    char command_id[32];
    snprintf (command_id, sizeof command_id, "history-%" PRIu64, ++s_token);
    sb_command_request_t request = control_request (&h, command_id, "history", "");
    request.parameters = parameters;
    request.parameter_count = used;
    control_send (&h, s_token, &request);
    control_expect (&h, NONE);
}

static void s_keep_cursor (char *cursor, size_t size)
{
    sb_text_t next = control_reply (&h)->next_cursor;
    snprintf (cursor, size, "%.*s", (int)next.size, next.size > 0 ? next.data : "");
}

/* All pages as "1 2 3", with "!" where one said evicted; `end` must stand on the last page alone. */
static const char *s_ask (const sb_parameter_t *more, uint32_t count)
{
    static char found[4096];
    char cursor[128] = "";
    size_t used = 0;
    found[0] = '\0';
    do {
        s_ask_page (cursor, more, count);
        const sb_command_reply_t *reply = control_reply (&h);
        if (control_boolean (&h, 0, "evicted"))
            used += (size_t)snprintf (found + used, sizeof found - used, "%s!", used ? " " : "");
        for (uint32_t i = 0; i < reply->publication_count; i++)
            used += (size_t)snprintf (found + used, sizeof found - used, "%s%" PRIu64, used ? " " : "",
                                      reply->publications[i]->category_sequence);
        s_keep_cursor (cursor, sizeof cursor);
        cr_assert_eq (control_boolean (&h, 0, "end"), cursor[0] == '\0');
    } while (cursor[0] != '\0');
    return found;
}

#define NUMBER(name, value) control_parameter_integer (#name, (int64_t)(value))
#define TEXT(name, value)   control_parameter_text (#name, value)
#define EXPECT(expected, ...)                                                                                          \
    do {                                                                                                               \
        const sb_parameter_t more[] = {__VA_ARGS__};                                                                   \
        cr_assert_str_eq (s_ask (more, sizeof more / sizeof *more), expected);                                         \
    } while (0)

/* ------------------------------------------------------------------ ranges */

Test (core_history, range_by_number_has_both_its_ends)
{
    s_feed (10);
    EXPECT ("4 5 6", NUMBER (after, 3), NUMBER (through, 6));
    EXPECT ("10", NUMBER (after, 9));
    EXPECT ("", NUMBER (after, 10));
    EXPECT ("", NUMBER (after, 11));
    EXPECT ("", NUMBER (after, 5), NUMBER (through, 5));
    EXPECT ("", NUMBER (after, 6), NUMBER (through, 5));
    EXPECT ("1", NUMBER (after, 0), NUMBER (through, 1));
    EXPECT ("", NUMBER (after, 0), NUMBER (through, 0));
    EXPECT ("9 10", NUMBER (after, 8), NUMBER (through, 1000));
}

Test (core_history, last_are_the_last_that_match)
{
    s_feed (10);
    EXPECT ("8 9 10", NUMBER (last, 3));
    EXPECT ("3 4 5", NUMBER (last, 3), NUMBER (through, 5));
    EXPECT ("9 10", NUMBER (last, 2), NUMBER (after, 3));
    EXPECT ("5 7 9", NUMBER (last, 3), TEXT (subject, "odd"));
    EXPECT ("1 3 5 7 9", NUMBER (last, 50), TEXT (subject, "odd"));
    EXPECT ("5 7", NUMBER (last, 2), NUMBER (after, 4), NUMBER (through, 8), TEXT (subject, "odd"));
    EXPECT ("5 7", NUMBER (last, 2), NUMBER (limit, 1), NUMBER (through, 8), TEXT (subject, "odd"));
}

Test (core_history, without_a_range_it_is_the_last_hundred)
{
    s_feed (150);
    s_ask_page ("", NULL, 0);
    cr_assert_eq (control_reply (&h)->publication_count, 100);
    cr_assert_eq (control_reply (&h)->publications[0]->category_sequence, 51);
    cr_assert_eq (control_integer (&h, 0, "oldest"), 1);
    cr_assert_eq (control_integer (&h, 0, "head"), 150);
    cr_assert_eq (control_integer (&h, 0, "oldest_unix_ns"), s_time (1));
    const sb_parameter_t all[] = {NUMBER (since_unix_ns, 0), NUMBER (limit, 1000)};
    s_ask_page ("", all, 2);
    cr_assert_eq (control_reply (&h)->publication_count, 150);
}

Test (core_history, time_counts_from_since_to_before_until)
{
    s_feed (10);
    EXPECT ("4 5", NUMBER (since_unix_ns, s_time (4)), NUMBER (until_unix_ns, s_time (6)));
    EXPECT ("4 5", NUMBER (since_unix_ns, s_time (4) - 1), NUMBER (until_unix_ns, s_time (6)));
    EXPECT ("5", NUMBER (since_unix_ns, s_time (4) + 1), NUMBER (until_unix_ns, s_time (6)));
    EXPECT ("4 5 6", NUMBER (since_unix_ns, s_time (4)), NUMBER (until_unix_ns, s_time (6) + 1));
    EXPECT ("4", NUMBER (since_unix_ns, s_time (4)), NUMBER (until_unix_ns, s_time (6) - 1000000000));
    EXPECT ("2 3", NUMBER (last, 2), NUMBER (until_unix_ns, s_time (4)));
    EXPECT ("", NUMBER (since_unix_ns, s_time (6)), NUMBER (until_unix_ns, s_time (4)));
    EXPECT ("9", NUMBER (since_unix_ns, s_time (8)), NUMBER (after, 7), NUMBER (through, 9), TEXT (subject, "odd"));
}

/* A delta while broker time stands at `unix_ns`. */
static void s_delta_at (uint64_t sequence, int64_t unix_ns)
{
    sb_change_t change = harness_number ("p", (double)sequence);
    sb_delta_t delta = harness_delta_of (sequence, "trades", "odd", &change, 1);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    sb_event_t event = {.kind = SB_EVENT_MESSAGE, .monotonic_ns = h.now_ns, .unix_ns = unix_ns};
    event.message.peer = 1;
    event.message.message = &message;
    sb_core_step (h.core, &event, &h.effects);
}

Test (core_history, a_broker_time_that_steps_back_hides_nothing)
{
    s_feed (3);
    s_delta_at (4, s_time (1));
    s_delta_at (5, s_time (9));
    s_delta_at (6, s_time (2));
    EXPECT ("3 5", NUMBER (since_unix_ns, s_time (3)));
    EXPECT ("1 4", NUMBER (since_unix_ns, 0), NUMBER (until_unix_ns, s_time (2)));
}

Test (core_history, a_gone_time_is_judged_by_what_went_not_by_what_is_left)
{
    h.config.history_bounds = NULL;
    h.config.history_bound_count = 0;
    h.config.history_updates = 2;
    s_feed (1);
    s_delta_at (2, s_time (9));
    s_delta_at (3, s_time (3));
    s_delta_at (4, s_time (4));
    s_delta_at (5, s_time (5));
    EXPECT ("!", NUMBER (since_unix_ns, s_time (9)));
    EXPECT ("", NUMBER (since_unix_ns, s_time (9) + 1));
    EXPECT ("! 5", NUMBER (since_unix_ns, s_time (5)));
}

Test (core_history, filters_by_agent_subject_and_prefix)
{
    s_feed (4);
    harness_register (&h, 2, "ab", 20);
    harness_delta (&h, 2, 1, "trades", "odd", "p", 1);
    harness_delta (&h, 2, 2, "trades", "", "p", 1);
    EXPECT ("1 2 3 4", NUMBER (after, 0), TEXT (agent, "a"));
    EXPECT ("5 6", NUMBER (after, 0), TEXT (agent, "ab"));
    EXPECT ("6", NUMBER (after, 0), TEXT (subject, ""));
    EXPECT ("1 3 5", NUMBER (after, 0), TEXT (subject, "odd"));
    EXPECT ("1 2 3 4", NUMBER (after, 0), TEXT (prefix, "trades.a."));
    EXPECT ("1 2 3 4 5 6", NUMBER (after, 0), TEXT (prefix, "trades.a"));
    EXPECT ("2 4", NUMBER (after, 0), TEXT (prefix, "trades.a.even"));
    EXPECT ("2 4", NUMBER (after, 0), TEXT (prefix, "trades.a.e"));
    EXPECT ("", NUMBER (after, 0), TEXT (prefix, "trades.a.even."));
    EXPECT ("", NUMBER (after, 0), TEXT (prefix, "market_data."));
    EXPECT ("", NUMBER (after, 0), TEXT (prefix, "trades.a.odd"), TEXT (subject, "even"));
}

/* ------------------------------------------------------------------ what is gone */

/* Keeps 5 of 20: 16 to 20. */
static void s_feed_short (void)
{
    h.config.history_bounds = NULL;
    h.config.history_bound_count = 0;
    h.config.history_updates = 5;
    s_feed (20);
}

Test (core_history, a_range_that_begins_before_the_oldest_says_so)
{
    s_feed_short ();
    EXPECT ("! 16 17 18 19 20", NUMBER (after, 14));
    EXPECT ("16 17 18 19 20", NUMBER (after, 15));
    EXPECT ("17 18 19 20", NUMBER (after, 16));
    EXPECT ("!", NUMBER (after, 3), NUMBER (through, 10));
    EXPECT ("", NUMBER (after, 10), NUMBER (through, 10));
    EXPECT ("! 16", NUMBER (after, 14), NUMBER (through, 16));
    EXPECT ("! 16 18 20", NUMBER (after, 0), TEXT (subject, "even"));
    EXPECT ("", NUMBER (after, 20));
    s_ask_page ("", NULL, 0);
    cr_assert_eq (control_integer (&h, 0, "oldest"), 16);
    cr_assert_eq (control_integer (&h, 0, "oldest_unix_ns"), s_time (16));
}

Test (core_history, last_beyond_what_is_kept_is_no_loss)
{
    s_feed_short ();
    EXPECT ("16 17 18 19 20", NUMBER (last, 100));
    EXPECT ("16 18 20", NUMBER (last, 100), TEXT (subject, "even"));
    EXPECT ("16 17", NUMBER (last, 100), NUMBER (through, 17));
    EXPECT ("!", NUMBER (last, 3), NUMBER (through, 15));
    EXPECT ("!", NUMBER (last, 3), NUMBER (until_unix_ns, s_time (16)));
    EXPECT ("16", NUMBER (last, 3), NUMBER (until_unix_ns, s_time (16) + 1));
    EXPECT ("! 16 18 20", NUMBER (last, 4), NUMBER (after, 10), TEXT (subject, "even"));
    EXPECT ("16 18 20", NUMBER (last, 3), NUMBER (after, 10), TEXT (subject, "even"));
}

Test (core_history, a_time_before_the_last_that_went_says_so)
{
    s_feed_short ();
    EXPECT ("! 16 17 18 19 20", NUMBER (since_unix_ns, s_time (15)));
    EXPECT ("16 17 18 19 20", NUMBER (since_unix_ns, s_time (15) + 1));
    EXPECT ("19 20", NUMBER (since_unix_ns, s_time (18) + 1));
}

Test (core_history, a_history_of_nothing_has_lost_everything)
{
    h.config.history_bounds = NULL;
    h.config.history_bound_count = 0;
    h.config.history_updates = 0;
    s_feed (3);
    EXPECT ("!", NUMBER (after, 0));
    EXPECT ("!", NUMBER (after, 2));
    EXPECT ("", NUMBER (after, 3));
    EXPECT ("!", NUMBER (since_unix_ns, s_time (3)));
    EXPECT ("", NUMBER (since_unix_ns, s_time (3) + 1));
    s_ask_page ("", NULL, 0);
    cr_assert_eq (control_integer (&h, 0, "oldest"), 0);
    cr_assert_eq (control_integer (&h, 0, "head"), 3);
    cr_assert_eq (control_integer (&h, 0, "oldest_unix_ns"), 0);
}

Test (core_history, a_cursor_whose_place_went_says_so)
{
    s_feed_short ();
    const sb_parameter_t more[] = {NUMBER (after, 15), NUMBER (limit, 2)};
    char cursor[128];
    s_ask_page ("", more, 2);
    cr_assert_not (control_boolean (&h, 0, "evicted"));
    s_keep_cursor (cursor, sizeof cursor);
    /* 17 was given last. 18 may go no earlier than the page that gives it. */
    for (uint64_t i = 21; i <= 22; i++)
        harness_delta (&h, 1, i, "trades", "odd", "p", (double)i);
    s_ask_page (cursor, more, 2);
    cr_assert_not (control_boolean (&h, 0, "evicted"));
    harness_delta (&h, 1, 23, "trades", "odd", "p", 23);
    s_ask_page (cursor, more, 2);
    cr_assert (control_boolean (&h, 0, "evicted"));
    cr_assert_eq (control_reply (&h)->publications[0]->category_sequence, 19);
    /* The end was fixed by the first page: 20. */
    cr_assert_eq (control_reply (&h)->publication_count, 2);
    cr_assert (control_boolean (&h, 0, "end"));
}

Test (core_history, a_search_whose_findings_went_meanwhile_says_so)
{
    h.config.history_bounds = NULL;
    h.config.history_bound_count = 0;
    h.config.history_updates = SB_SCAN_MAX + 10;
    harness_start_configured (&h);
    h.is_quiet = true;
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= SB_SCAN_MAX + 10; i++)
        harness_delta (&h, 1, i, "trades", i == 5 ? "rare" : "odd", "p", (double)i);
    const sb_parameter_t rare[] = {TEXT (subject, "rare"), NUMBER (last, 1)};
    char cursor[128];
    s_ask_page ("", rare, 2);
    cr_assert_eq (control_reply (&h)->publication_count, 0, "looked at more than a page may");
    cr_assert_not (control_boolean (&h, 0, "end"));
    s_keep_cursor (cursor, sizeof cursor);
    s_ask_page (cursor, rare, 2);
    cr_assert_eq (control_reply (&h)->publication_count, 1);
    cr_assert_eq (control_reply (&h)->publications[0]->category_sequence, 5);
    for (uint64_t i = SB_SCAN_MAX + 11; i <= SB_SCAN_MAX + 30; i++)
        harness_delta (&h, 1, i, "trades", "odd", "p", (double)i);
    s_ask_page (cursor, rare, 2);
    cr_assert (control_boolean (&h, 0, "evicted"));
}

Test (core_history, numbers_below_0_are_refused)
{
    s_feed (3);
    static const char *const names[] = {"after", "through", "last"};
    for (uint64_t i = 0; i < sizeof names / sizeof *names; i++) {
        sb_parameter_t parameters[] = {TEXT (category, "trades"), control_parameter_integer (names[i], -1)};
        char command_id[32];
        snprintf (command_id, sizeof command_id, "negative-%" PRIu64, i);
        sb_command_request_t request = control_request (&h, command_id, "history", "");
        request.parameters = parameters;
        request.parameter_count = 2;
        control_send (&h, i + 1, &request);
        control_expect (&h, BAD_PARAMETER);
    }
}

Test (core_history, cursors_that_were_never_given_are_refused)
{
    s_feed (3);
    static const char *const cursors[] = {"history:1",         "history:1:2:3",    "history:1:2:3:2",
                                          "history:1:2:3:0:0", "history:01:2:3:0", "history:-1:2:3:0",
                                          "events:1:2:3:0",    "history:1:2:3:",   "history:1:2:3:0 "};
    for (uint64_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        sb_parameter_t parameters[] = {TEXT (category, "trades"), control_parameter_text ("cursor", cursors[i])};
        char command_id[32];
        snprintf (command_id, sizeof command_id, "cursor-%" PRIu64, i);
        sb_command_request_t request = control_request (&h, command_id, "history", "");
        request.parameters = parameters;
        request.parameter_count = 2;
        control_send (&h, i + 1, &request);
        control_expect (&h, BAD_CURSOR);
    }
    /* Made up, but of the right form: harmless. */
    const sb_parameter_t more[] = {NUMBER (after, 0)};
    s_ask_page ("history:18446744073709551615:18446744073709551615:7:0", more, 1);
    s_ask_page ("history:18446744073709551615:18446744073709551615:7:1", more, 1);
    s_ask_page ("history:0:18446744073709551615:18446744073709551615:1", more, 1);
}

/* ------------------------------------------------------------------ sizes */

Test (core_history, pages_over_a_session_keep_to_the_message_limit)
{
    h.config.max_message_bytes = 8192;
    harness_start_configured (&h);
    h.is_quiet = true;
    harness_register (&h, 1, "a", 10);
    static char text[1001];
    memset (text, 'x', 1000);
    for (uint64_t i = 1; i <= 30; i++) {
        sb_change_t change = harness_text ("t", text);
        harness_changes (&h, 1, i, "trades", "", &change, 1);
    }
    sb_parameter_t parameters[] = {TEXT (category, "trades"), NUMBER (after, 0)};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND};
    message.command = control_request (&h, "mine", "history", "");
    message.command.parameters = parameters;
    message.command.parameter_count = 2;
    harness_message (&h, 1, &message);
    const sb_command_reply_t *reply = NULL;
    for (uint32_t i = 0; i < h.effects.count; i++)
        if (h.effects.items[i].kind == SB_EFFECT_SEND)
            reply = &h.effects.items[i].send.message->command_reply;
    cr_assert_not_null (reply);
    cr_assert_leq (reply->publication_count, 7);
    cr_assert_geq (reply->publication_count, 4);
    cr_assert_neq (reply->next_cursor.size, 0);
}

/* ------------------------------------------------------------------ bounds */

static const sb_category_t *s_category (const char *name)
{
    const sb_category_t *category = sb_core_find_category (h.core, sb_text (name));
    cr_assert_not_null (category);
    return category;
}

Test (core_history, a_category_keeps_to_octets_of_its_own)
{
    sb_history_bound_t bounds[] = {{sb_text ("trades"), 1000, 5000, 0}, {sb_text ("risk"), 1000, UINT64_MAX, 0}};
    h.config.history_bounds = bounds;
    h.config.history_bound_count = 2;
    h.config.history_bytes = 20000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= 1000; i++)
        harness_delta (&h, 1, i, i % 2 ? "trades" : "risk", "", "p", (double)i);
    cr_assert_leq (s_category ("trades")->history_bytes, 5000);
    cr_assert_geq (s_category ("trades")->history_bytes, 4800);
    cr_assert_leq (s_category ("risk")->history_bytes, 20000);
    cr_assert_geq (s_category ("risk")->history_bytes, 19800);
}

/* One publication at second 1000 of a history that keeps for `age_ms`; then the first tick after `wait_ms`. */
static uint32_t s_kept_after (uint64_t age_ms, uint64_t wait_ms)
{
    harness_init (&h);
    h.config.history_age_ms = age_ms;
    h.config.tick_interval_ms = 100;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "trades", "", "p", 1);
    h.now_ns += wait_ms * HARNESS_MS;
    harness_tick (&h);
    harness_settle (&h);
    uint32_t kept = s_category ("trades")->ring_count;
    harness_stop (&h);
    return kept;
}

Test (core_history_age, a_tick_drops_what_has_come_of_age)
{
    cr_assert_eq (s_kept_after (5000, 4999), 1);
    cr_assert_eq (s_kept_after (5000, 5000), 0);
    cr_assert_eq (s_kept_after (5000, 5001), 0);
    cr_assert_eq (s_kept_after (0, 3600000), 1);
}

/* How many are kept once a second one was added after `wait_ms`, without a tick. */
static uint32_t s_kept_after_adding (uint64_t wait_ms)
{
    sb_history_bound_t bound = {sb_text ("trades"), 1000, 0, 5000};
    harness_init (&h);
    h.config.history_bounds = &bound;
    h.config.history_bound_count = 1;
    h.config.history_age_ms = 1;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "trades", "", "p", 1);
    h.now_ns += wait_ms * HARNESS_MS;
    harness_delta (&h, 1, 2, "trades", "", "p", 2);
    uint32_t kept = s_category ("trades")->ring_count;
    harness_stop (&h);
    return kept;
}

Test (core_history_age, a_publication_pushes_out_what_has_come_of_age)
{
    cr_assert_eq (s_kept_after_adding (4999), 2);
    cr_assert_eq (s_kept_after_adding (5000), 1);
    cr_assert_eq (s_kept_after_adding (5001), 1);
}

Test (core_history, age_is_of_the_monotonic_clock)
{
    h.config.history_age_ms = 5000;
    s_feed (1);
    s_delta_at (2, s_time (1) - INT64_C (3600000000000));
    s_delta_at (3, s_time (1) + INT64_C (3600000000000));
    cr_assert_eq (s_category ("trades")->ring_count, 3);
}

Test (core_history, ageing_is_done_in_slices_and_counted)
{
    h.config.history_age_ms = 5000;
    h.config.tick_interval_ms = 60000;
    harness_start_configured (&h);
    h.is_quiet = true;
    harness_register (&h, 1, "a", 10);
    for (uint64_t i = 1; i <= 3 * SB_SLICE; i++)
        harness_delta (&h, 1, i, "trades", "", "p", (double)i);
    h.now_ns += UINT64_C (60000) * HARNESS_MS;
    harness_tick (&h);
    uint32_t kept = s_category ("trades")->ring_count;
    cr_assert_geq (kept, 2 * SB_SLICE);
    cr_assert_lt (kept, 3 * SB_SLICE);
    cr_assert_leq (sb_core_deadline (h.core), h.now_ns);
    harness_settle (&h);
    cr_assert_eq (s_category ("trades")->ring_count, 0);
    cr_assert_geq (h.core->counters[SB_COUNTER_history_evicted], 3 * SB_SLICE);
    EXPECT ("!", NUMBER (after, 0), NUMBER (through, 10));
}

Test (core_history, reload_changes_octets_and_age)
{
    s_feed (10);
    sb_history_bound_t bound = {sb_text ("trades"), 1000, 0, 4500};
    h.config.history_bounds = &bound;
    h.config.history_bound_count = 1;
    sb_event_t event = {.kind = SB_EVENT_RELOAD, .reload = &h.config};
    harness_step (&h, event);
    EXPECT ("7 8 9 10", NUMBER (last, 100));
    bound.bytes = 270;
    bound.age_ms = 0;
    harness_step (&h, event);
    EXPECT ("9 10", NUMBER (last, 100));
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus history` and `syncbus replay` against a history that grows and loses its oldest while it is read.
 */
#include <assert.h>
#include <criterion/criterion.h>
#include <czmq.h>
#include <pthread.h>
#include <signal.h>

#include "capture.h"
#include "fake_broker.h"
#include "sb_names.h"
#include "sb_run.h"

enum { PAGE = 3, KEPT_MAX = 64, NOTE_MAX = 512 }; /* NOTE_MAX: octets of one question */

#define BEGIN_UNIX_NS INT64_C (1700000000000000000)

/* A history: publications oldest .. head of `trades`, gap_ms apart. */
typedef struct {
    uint64_t oldest;
    uint64_t head;
    int64_t gap_ms;
    uint64_t grow;    /* head after each answer: += this */
    int64_t evict_ms; /* another PAGE of the oldest is gone each time that so long has passed; 0: none is */
    int64_t begin_ms; /* of the first answer */
    int refuse_at;    /* the answer with this number (from 1) is a refusal; 0: none */
    int interrupt_at; /* before this answer the asker gets SIGINT; 0: never */
    int answers;
    pthread_t asker;
    char asked[4096]; /* name=value of the parameters of every question */
    char cursor[32];
    sb_publication_t publications[KEPT_MAX];
    const sb_publication_t *pointers[PAGE];
    sb_parameter_t columns[5];
    sb_record_t record;
} stage_t;

static int64_t s_integer (const sb_command_request_t *request, const char *name, int64_t otherwise)
{
    for (uint32_t i = 0; i < request->parameter_count; i++)
        if (sb_text_equal (request->parameters[i].name, sb_text (name)))
            return request->parameters[i].value.kind == SB_VALUE_TEXT
                       ? strtoll (request->parameters[i].value.text.data, NULL, 10)
                       : request->parameters[i].value.integer;
    return otherwise;
}

static void s_note (stage_t *stage, const sb_command_request_t *request)
{
    size_t size = strlen (stage->asked);
    assert (size + NOTE_MAX < sizeof (stage->asked));
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        const sb_parameter_t *parameter = &request->parameters[i];
        bool is_text = parameter->value.kind == SB_VALUE_TEXT;
        size += (size_t)snprintf (stage->asked + size, sizeof (stage->asked) - size, "%.*s=", (int)parameter->name.size,
                                  parameter->name.data);
        size += is_text ? (size_t)snprintf (stage->asked + size, sizeof (stage->asked) - size, "%.*s ",
                                            (int)parameter->value.text.size, parameter->value.text.data)
                        : (size_t)snprintf (stage->asked + size, sizeof (stage->asked) - size, "%lld ",
                                            (long long)parameter->value.integer);
    }
    snprintf (stage->asked + size, sizeof (stage->asked) - size, "| ");
}

static void s_set (stage_t *stage, uint32_t place, const char *name, sb_value_t value)
{
    stage->columns[place] = (sb_parameter_t){.name = sb_text (name), .value = value};
}

static sb_value_t s_whole (uint64_t number)
{
    return (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = (int64_t)number};
}

static sb_value_t s_truth (bool truth)
{
    return (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = truth};
}

static void s_answer (void *context, const sb_command_request_t *request, uint32_t number, sb_command_reply_t *reply)
{
    stage_t *stage = context;
    (void)number;
    s_note (stage, request);
    stage->answers++;
    if (stage->answers == stage->interrupt_at)
        pthread_kill (stage->asker, SIGINT);
    if (stage->answers == stage->refuse_at) {
        reply->code = SB_REASON_BAD_CURSOR;
        return;
    }
    stage->begin_ms = stage->begin_ms ? stage->begin_ms : zclock_mono ();
    if (stage->evict_ms)
        stage->oldest = 1 + PAGE * (uint64_t)((zclock_mono () - stage->begin_ms) / stage->evict_ms);
    bool is_begun = s_integer (request, "after", -1) >= 0 || s_integer (request, "since_unix_ns", -1) >= 0;
    int64_t last = s_integer (request, "last", is_begun ? 0 : 100);
    uint64_t asked = (uint64_t)s_integer (request, "after", 0);
    uint64_t after = (uint64_t)s_integer (request, "cursor", (int64_t)asked);
    bool is_evicted = !last && after + 1 < stage->oldest;
    if (last && !s_integer (request, "cursor", 0) && (uint64_t)last < stage->head)
        after = stage->head - (uint64_t)last;
    uint64_t sequence = after + 1 < stage->oldest ? stage->oldest : after + 1;
    while (sequence <= stage->head && reply->publication_count < PAGE) {
        sb_publication_t *publication = &stage->publications[sequence % KEPT_MAX];
        *publication = (sb_publication_t){.topic = sb_text ("trades.trader.spot:BTC"),
                                          .stream_id = 7,
                                          .category_sequence = sequence,
                                          .broker_unix_ns = BEGIN_UNIX_NS + (int64_t)sequence * stage->gap_ms * 1000000,
                                          .agent_id = sb_text ("trader"),
                                          .quality = SB_QUALITY_OK};
        stage->pointers[reply->publication_count++] = publication;
        sequence++;
    }
    bool is_end = sequence > stage->head;
    s_set (stage, 0, "oldest", s_whole (stage->oldest));
    s_set (stage, 1, "head", s_whole (stage->head));
    s_set (stage, 2, "oldest_unix_ns", s_whole ((uint64_t)BEGIN_UNIX_NS));
    s_set (stage, 3, "evicted", s_truth (is_evicted));
    s_set (stage, 4, "end", s_truth (is_end));
    stage->record = (sb_record_t){.columns = stage->columns, .column_count = 5};
    reply->records = &stage->record;
    reply->record_count = 1;
    reply->publications = stage->pointers;
    snprintf (stage->cursor, sizeof (stage->cursor), "%llu", (unsigned long long)(sequence - 1));
    reply->next_cursor = is_end ? sb_text ("") : sb_text (stage->cursor);
    stage->head += stage->grow;
}

/* The category_sequences printed, in order, as "41 42 43 ". */
static const char *s_printed (void)
{
    static char printed[1024];
    size_t size = 0;
    printed[0] = 0;
    for (const char *place = capture_output; (place = strstr (place, "\"category_sequence\":")) != NULL; place++)
        size += (size_t)snprintf (printed + size, sizeof (printed) - size, "%llu ", strtoull (place + 20, NULL, 10));
    return printed;
}

/* The last line printed. */
static const char *s_last_line (void)
{
    size_t size = strlen (capture_output);
    if (size && capture_output[size - 1] == '\n')
        capture_output[size - 1] = 0;
    const char *newline = strrchr (capture_output, '\n');
    return newline ? newline + 1 : capture_output;
}

Test (history, is_paged_through_and_ends_with_a_line_that_says_so)
{
    stage_t stage = {.oldest = 41, .head = 47};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "41", "--json"), 0);
    cr_expect_str_eq (s_printed (), "42 43 44 45 46 47 ");
    cr_expect_str_eq (s_last_line (),
                      "{\"record\":\"end\",\"publications\":6,\"first\":42,\"last\":47,\"evicted\":false,"
                      "\"gone_through\":0,\"oldest\":41,\"head\":47,\"next_cursor\":\"\"}");
    cr_expect_str_eq (capture_complaints, "");
    cr_expect_str_eq (stage.asked, "category=trades after=41 | category=trades after=41 cursor=44 | ");
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "45"), 0);
    cr_expect_str_eq (s_last_line (), "end: 2 publications, 46 .. 47, evicted no");
    cr_expect_not_null (strstr (capture_output, "        46  2023-11-14 22:13:20.000Z  trades.trader.spot:BTC\n"), "%s",
                        capture_output);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "47"), 0);
    cr_expect_str_eq (s_last_line (), "end: 0 publications, evicted no");
    fake_broker_destroy (&broker);
}

Test (history, that_lost_its_oldest_says_so_loudly)
{
    stage_t stage = {.oldest = 41, .head = 42};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "39"), 0);
    cr_expect_str_eq (s_last_line (), "end: 2 publications, 41 .. 42, evicted yes");
    cr_expect_not_null (strstr (capture_complaints, "WARNING: some of what was asked for is gone, kept is from 41 ("),
                        "%s", capture_complaints);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "40"), 0);
    cr_expect_str_eq (capture_complaints, "", "the oldest kept is the next one asked for");
    fake_broker_destroy (&broker);
}

Test (history, that_nothing_begins_says_which_are_gone_before_it)
{
    stage_t stage = {.oldest = 41, .head = 47};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    static const char whole[] = "end: 7 publications, 41 .. 47, evicted yes: 1 .. 40 are no longer kept";
    cr_expect_eq (CAPTURE (endpoint, "history", "trades"), 0);
    cr_expect_str_eq (s_last_line (), whole);
    cr_expect_str_eq (capture_complaints, "", "nobody asked for them by name");
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--speed", "flat"), 0);
    cr_expect_str_eq (s_last_line (), whole);
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--last", "8", "--json"), 0);
    cr_expect_not_null (strstr (s_last_line (), "\"evicted\":true,\"gone_through\":40,\"oldest\":41,"));
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--last", "7"), 0);
    cr_expect_str_eq (s_last_line (), "end: 7 publications, 41 .. 47, evicted no", "all that was asked for");
    stage.oldest = 1;
    cr_expect_eq (CAPTURE (endpoint, "history", "trades"), 0);
    cr_expect_str_eq (s_last_line (), "end: 47 publications, 1 .. 47, evicted no");
    fake_broker_destroy (&broker);
}

Test (history, of_what_is_no_category_is_shown_the_way)
{
    stage_t stage = {.oldest = 1, .head = 1};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    cr_expect_eq (CAPTURE (endpoint, "history", "market_data.market.sim:DELTA"), 2);
    cr_expect_not_null (
        strstr (capture_complaints, "Write syncbus history market_data --prefix market_data.market.sim:DELTA"), "%s",
        capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--prefix", "nope"), 2);
    cr_expect_not_null (strstr (capture_complaints, "\"nope\" matches nothing of trades"), "%s", capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--prefix", "trades2.x"), 2);
    cr_expect_str_eq (stage.asked, "");
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--prefix", "tra"), 0, "it can match");
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--prefix", "trades.trader.spot"), 0);
    fake_broker_destroy (&broker);
}

Test (history, on_a_full_disk_is_1_and_says_why)
{
    stage_t stage = {.oldest = 1, .head = 7};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    static const char *const words[][4] = {{"history", "trades"}, {"replay", "trades", "--json"}};
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq (capture_run_on_full_disk (endpoint, words[i]), 1);
        cr_expect_str_eq (capture_complaints,
                          "syncbus: the output is not whole, it could not be written: No space left on device\n");
    }
    cr_expect_eq (CAPTURE (endpoint, "history", "trades"), 0, "a run of its own");
    fake_broker_destroy (&broker);
}

Test (history, that_grows_while_it_is_read_ends_all_the_same, .timeout = 20)
{
    stage_t stage = {.oldest = 1, .head = 7, .grow = 3};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "history", "trades", "--after", "0", "--json"), 0);
    cr_expect_str_eq (s_printed (), "1 2 3 4 5 6 7 ");
    fake_broker_destroy (&broker);
}

Test (history, with_a_limit_is_one_page_and_says_how_to_go_on)
{
    stage_t stage = {.oldest = 1, .head = 7};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--after", "0", "--limit", "3"), 0);
    cr_expect_str_eq (s_last_line (), "more: 3 publications, 1 .. 3, evicted no");
    cr_expect_str_eq (capture_complaints, "there is more: add --cursor 3\n");
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--after", "0", "--cursor", "3", "--json"), 0);
    cr_expect_str_eq (s_printed (), "4 5 6 7 ");
    fake_broker_destroy (&broker);
}

Test (history, takes_times_and_refuses_what_is_none)
{
    stage_t stage = {.oldest = 1, .head = 1};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--since", "2024-08-09T12:00:01.5Z", "--until", "2024-08-10",
                           "--prefix", "trades.trader."),
                  0);
    cr_expect_str_eq (stage.asked, "category=trades prefix=trades.trader. since_unix_ns=1723204801500000000 "
                                   "until_unix_ns=1723248000000000000 | ");
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--since", "-5x"), 2);
    cr_expect_not_null (strstr (capture_complaints, "--since: \"-5x\" is no time: write -5m,"), "%s",
                        capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--since", "-5m", "since_unix_ns=3"), 2);
    cr_expect_not_null (strstr (capture_complaints, "is given twice"), "%s", capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--speed", "fast"), 2);
    cr_expect_not_null (strstr (capture_complaints, "nor flat"), "%s", capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--limit", "5"), 2);
    cr_expect_not_null (strstr (capture_complaints, "replay has no option --limit"), "%s", capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "history", "trades", "--last", "99999999999999999999"), 2);
    cr_expect_not_null (strstr (capture_complaints, "is too large: at most 9223372036854775807"), "%s",
                        capture_complaints);
    cr_expect_eq (CAPTURE (endpoint, "replay"), 2);
    cr_expect_not_null (strstr (capture_complaints, "replay needs category"), "%s", capture_complaints);
    fake_broker_destroy (&broker);
}

/* Milliseconds that a replay took. */
static int64_t s_replay_ms (const char *endpoint, const char *speed)
{
    int64_t begin_ms = zclock_mono ();
    cr_expect_eq (CAPTURE (endpoint, "replay", "trades", "--speed", speed, "--json"), 0, "%s", capture_complaints);
    return zclock_mono () - begin_ms;
}

Test (replay, keeps_the_recorded_pace_times_the_speed, .timeout = 20)
{
    stage_t stage = {.oldest = 41, .head = 51, .gap_ms = 60};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    int64_t once_ms = s_replay_ms (endpoint, "1");
    cr_expect_str_eq (s_printed (), "41 42 43 44 45 46 47 48 49 50 51 ");
    cr_expect_not_null (strstr (s_last_line (), "{\"record\":\"end\",\"publications\":11,\"first\":41,\"last\":51,"
                                                "\"evicted\":true,\"gone_through\":40,"));
    cr_expect_geq (once_ms, 600);
    int64_t fast_ms = s_replay_ms (endpoint, "10");
    cr_expect_geq (fast_ms, 60);
    cr_expect_lt (fast_ms, once_ms);
    int64_t flat_ms = s_replay_ms (endpoint, "flat");
    cr_expect_str_eq (s_printed (), "41 42 43 44 45 46 47 48 49 50 51 ");
    cr_expect_lt (flat_ms, once_ms);
    cr_expect_not_null (strstr (stage.asked, "last=2147483647"), "all that is kept: %s", stage.asked);
    fake_broker_destroy (&broker);
}

Test (replay, reads_ahead_so_that_eviction_meanwhile_takes_nothing, .timeout = 20)
{
    /* A page is played in 300 ms: who asked for the next one only then would find it gone. */
    stage_t stage = {.oldest = 1, .head = 9, .gap_ms = 100, .evict_ms = 120};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "replay", "trades", "--after", "0", "--json"), 0);
    cr_expect_str_eq (s_printed (), "1 2 3 4 5 6 7 8 9 ");
    cr_expect_eq (stage.answers, 3);
    fake_broker_destroy (&broker);
}

Test (replay, that_is_interrupted_says_where_it_stopped, .timeout = 20)
{
    stage_t stage = {.oldest = 1, .head = 9, .gap_ms = 3600000, .interrupt_at = 3, .asker = pthread_self ()};
    /* The third page is asked for while the second publication is waited for, never before. */
    zsys_init ();
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "replay", "trades"), 0);
    cr_expect_str_eq (s_last_line (), "stopped: 1 publication, 1 .. 1, evicted no");
    cr_expect_not_null (strstr (capture_complaints, "go on with --after 1"), "%s", capture_complaints);
    fake_broker_destroy (&broker);
}

Test (replay, that_is_refused_half_way_plays_what_it_has_and_is_1, .timeout = 20)
{
    stage_t stage = {.oldest = 1, .head = 9, .gap_ms = 20, .refuse_at = 3};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "replay", "trades"), 1);
    cr_expect_str_eq (s_last_line (), "stopped: 6 publications, 1 .. 6, evicted no");
    cr_expect_not_null (strstr (capture_complaints, "BAD_CURSOR"), "%s", capture_complaints);
    cr_expect_null (strstr (strstr (capture_complaints, "BAD_CURSOR") + 1, "BAD_CURSOR"), "told once");
    fake_broker_destroy (&broker);
}

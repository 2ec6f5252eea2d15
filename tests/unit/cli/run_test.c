/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole runs against a command endpoint that answers as told: exit codes, complaints, pages, JSON, the emergency stop.
 */
#include <criterion/criterion.h>
#include <czmq.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "capture.h"
#include "fake_broker.h"
#include "sb_names.h"
#include "sb_run.h"

/* What the last request was, and what is answered to all. */
typedef struct {
    char command[64];
    char agent_id[80];
    char issuer[80];
    char reason[80];
    char parameters[256];
    uint32_t timeout_ms;
    sb_command_reply_t reply; /* without its command_id */
} stage_t;

static void s_answer (void *context, const sb_command_request_t *request, uint32_t number, sb_command_reply_t *reply)
{
    stage_t *stage = context;
    (void)number;
    snprintf (stage->command, sizeof (stage->command), "%.*s", (int)request->command.size, request->command.data);
    snprintf (stage->agent_id, sizeof (stage->agent_id), "%.*s", (int)request->agent_id.size, request->agent_id.data);
    snprintf (stage->issuer, sizeof (stage->issuer), "%.*s", (int)request->issuer.size, request->issuer.data);
    snprintf (stage->reason, sizeof (stage->reason), "%.*s", (int)request->reason.size, request->reason.data);
    size_t size = 0;
    for (uint32_t i = 0; i < request->parameter_count; i++)
        size += (size_t)snprintf (stage->parameters + size, sizeof (stage->parameters) - size, "%.*s:%d ",
                                  (int)request->parameters[i].name.size, request->parameters[i].name.data,
                                  (int)request->parameters[i].value.kind);
    stage->timeout_ms = request->timeout_ms;
    sb_text_t command_id = reply->command_id;
    *reply = stage->reply;
    reply->command_id = command_id;
}

Test (run, done_is_0_and_the_request_is_whole)
{
    stage_t stage = {.reply = {.code = SB_REASON_NONE, .message = sb_text ("paused")}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    int code = CAPTURE (fake_broker_endpoint (broker), "send-command", "trainer", "go", "n=3", "w=0.1", "t=text:4",
                        "--reason", "why not", "--issuer", "alice", "--timeout", "2.5");
    cr_expect_eq (code, 0, "%s", capture_complaints);
    cr_expect_str_eq (capture_output, "paused\n");
    cr_expect_str_eq (capture_complaints, "");
    cr_expect_str_eq (stage.command, "send_command");
    cr_expect_str_eq (stage.agent_id, "trainer");
    cr_expect_str_eq (stage.issuer, "alice");
    cr_expect_str_eq (stage.reason, "why not");
    cr_expect_eq (stage.timeout_ms, 2500);
    cr_expect_str_eq (stage.parameters, "command:5 n:2 w:1 t:5 ");
    CAPTURE (fake_broker_endpoint (broker), "status");
    cr_expect_not_null (strchr (stage.issuer, '@'), "user@host by default, not %s", stage.issuer);
    unsetenv ("USER");
    CAPTURE (fake_broker_endpoint (broker), "status");
    cr_expect_neq (strncmp (stage.issuer, "unknown", 7), 0, "%s", stage.issuer);
    cr_expect_not_null (strchr (stage.issuer, '@'), "%s", stage.issuer);
    cr_expect_neq (stage.issuer[0], '@', "%s", stage.issuer);
    setenv ("USER", "bob", 1);
    CAPTURE (fake_broker_endpoint (broker), "status");
    cr_expect_eq (strncmp (stage.issuer, "bob@", 4), 0, "%s", stage.issuer);
    fake_broker_destroy (&broker);
}

Test (run, refused_is_1_with_name_and_text)
{
    stage_t stage = {.reply = {.code = SB_REASON_UNKNOWN_AGENT}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "pause_agent", "nobody"), 1);
    cr_expect_str_eq (capture_complaints,
                      "syncbus: UNKNOWN_AGENT: no agent of that id is known: see syncbus list_agents\n");
    cr_expect_str_eq (capture_output, "");
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "pause_agent", "nobody", "--json"), 1);
    cr_expect_not_null (strstr (capture_output, "\"code\":\"UNKNOWN_AGENT\""));
    fake_broker_destroy (&broker);
}

/* What is said of a command that the broker refuses so. */
static const char *s_refused (sb_reason_t code, const char *message, const char *const *words)
{
    stage_t stage = {.reply = {.code = code, .message = sb_text (message)}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (capture_run (fake_broker_endpoint (broker), words), 1);
    fake_broker_destroy (&broker);
    return capture_complaints;
}

#define REFUSED(code, message, ...) s_refused (code, message, (const char *[]){__VA_ARGS__, NULL})

Test (run, a_refused_parameter_is_told_what_may_stand_there)
{
    static const char generic[] = "last: a parameter has the wrong type or is out of range: see syncbus help COMMAND";
    cr_expect_str_eq (REFUSED (SB_REASON_BAD_PARAMETER, generic, "timeline", "trader", "--last", "0"),
                      "syncbus: BAD_PARAMETER: last is how many at most in all, 1 or more, default 100: see syncbus "
                      "help timeline\n");
    cr_expect_str_eq (REFUSED (SB_REASON_BAD_PARAMETER, "agent a has no field x", "explain", "a", "x"),
                      "syncbus: BAD_PARAMETER: agent a has no field x\n", "the precise thing, and no more");
    cr_expect_str_eq (REFUSED (SB_REASON_MISSING_PARAMETER, "", "status"),
                      "syncbus: MISSING_PARAMETER: a parameter that the command needs is missing: see syncbus help "
                      "status\n");
}

Test (run, nothing_printed_is_lost_in_silence)
{
    stage_t stage = {.reply = {.code = SB_REASON_NONE, .message = sb_text ("paused")}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    const char *const words[] = {"status", NULL};
    cr_expect_eq (capture_run_on_full_disk (fake_broker_endpoint (broker), words), 1);
    cr_expect_not_null (strstr (capture_complaints, "could not be written: No space left on device"), "%s",
                        capture_complaints);
    stage.reply.code = SB_REASON_UNKNOWN_AGENT;
    cr_expect_eq (capture_run_on_full_disk (fake_broker_endpoint (broker), words), 1);
    cr_expect_null (strstr (capture_complaints, "could not be written"), "nothing was printed");
    fake_broker_destroy (&broker);
}

Test (run, nonsense_is_2)
{
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "pause_agent"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "stauts"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "status", "--timeout", "0"), 2);
    cr_expect_eq (CAPTURE ("nowhere", "status"), 2);
    cr_expect_not_null (strstr (capture_complaints, "tcp://HOST:PORT"));
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "help", "stauts"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "sub", "a b"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "pub", "notes", "x=1"), 2, "no --agent");
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "pub", "--agent", "me", "notes", "x"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "complete", "9", "syncbus"), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "sub", "all", "--conflate", "9"), 2);
    cr_expect_not_null (strstr (capture_complaints, "from 10 to 60000"), "%s", capture_complaints);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "sub", "~conflated.9.market_data."), 2);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "pub", "--agent", "me", "--ttl", "soon", "notes", "x=1"), 2);
    cr_expect_not_null (strstr (capture_complaints, "--ttl: \"soon\" is no duration"), "%s", capture_complaints);
}

Test (run, no_broker_is_3_and_names_the_endpoint)
{
    static const char sentence[] = "syncbus: no broker at tcp://127.0.0.1:1: is syncbusd running?\n";
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "status", "--timeout", "0.1"), 3);
    cr_expect_str_eq (capture_complaints, sentence);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "emergency_stop", "--timeout", "0.1"), 3);
    cr_expect_str_eq (capture_complaints, sentence);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "top", "--plain", "--timeout", "0.1"), 3);
    cr_expect_str_eq (capture_complaints, sentence);
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "list_agents", "--timeout", "0.1"), 3);
    cr_expect_eq (CAPTURE ("x", "sub", "--publish-endpoint", "tcp://127.0.0.1:1", "--timeout", "0.1"), 3);
    cr_expect_str_eq (capture_complaints, sentence);
    cr_expect_eq (CAPTURE ("x", "pub", "--agent", "me", "a", "b=1", "--ingress-endpoint", "tcp://127.0.0.1:1",
                           "--timeout", "0.1"),
                  3);
    cr_expect_str_eq (capture_complaints, sentence);
}

Test (run, a_closed_port_is_not_waited_for_unless_timeout_says_so)
{
    static const char *const rows[][10] = {
        {"status"},
        {"list_agents"},
        {"top", "--plain"},
        {"events", "--follow"},
        {"sub", "--publish", "tcp://127.0.0.1:1"},
        {"pub", "--agent", "me", "a", "b=1", "--ingress", "tcp://127.0.0.1:1"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        int64_t begin_ms = zclock_mono ();
        cr_expect_eq (capture_run ("tcp://127.0.0.1:1", rows[i]), 3, "%s", rows[i][0]);
        cr_expect_str_eq (capture_complaints, "syncbus: no broker at tcp://127.0.0.1:1: is syncbusd running?\n");
        cr_expect_lt (zclock_mono () - begin_ms, 3000, "%s", rows[i][0]);
    }
    int64_t begin_ms = zclock_mono ();
    cr_expect_eq (CAPTURE ("ipc:///nowhere/at/all", "status"), 3);
    cr_expect_lt (zclock_mono () - begin_ms, 3000);
    begin_ms = zclock_mono ();
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "status", "--timeout", "1.5"), 3);
    cr_expect_geq (zclock_mono () - begin_ms, 1500);
}

Test (run, silence_is_3_and_is_told_from_no_broker)
{
    stage_t stage = {.reply = {.code = SB_REASON_LIMIT}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "status", "--timeout", "0.05"), 3);
    cr_expect_not_null (strstr (capture_complaints, "did not answer in time"));
    fake_broker_destroy (&broker);
}

Test (run, another_commands_reply_is_not_taken)
{
    stage_t stage = {.reply = {.code = SB_REASON_NONE, .message = sb_text ("mine")}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    fake_broker_set_noise (broker, true, false);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "resume_agent", "x"), 0);
    cr_expect_str_eq (capture_output, "mine\n");
    fake_broker_destroy (&broker);
}

Test (run, garbage_for_an_answer_is_3)
{
    stage_t stage = {.reply = {.code = SB_REASON_NONE}};
    fake_broker_t *broker = fake_broker_new (s_answer, &stage);
    fake_broker_set_noise (broker, false, true);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "status"), 3);
    cr_expect_not_null (strstr (capture_complaints, "no command endpoint of SyncBus"));
    fake_broker_destroy (&broker);
}

/* Three pages of one field each. */
static void s_answer_pages (void *context, const sb_command_request_t *request, uint32_t number,
                            sb_command_reply_t *reply)
{
    static sb_state_field_t field;
    static const char *const names[] = {"a", "b", "c"};
    static const char *const cursors[] = {"1", "2", ""};
    uint32_t page = 0;
    (void)context;
    (void)number;
    for (uint32_t i = 0; i < request->parameter_count; i++)
        if (sb_text_equal (request->parameters[i].name, sb_text ("cursor")))
            page = (uint32_t)(request->parameters[i].value.text.data[0] - '0');
    field = (sb_state_field_t){.topic = sb_text ("notes.me."),
                               .name = sb_text (names[page]),
                               .value = {.kind = SB_VALUE_INTEGER, .integer = page},
                               .quality = SB_QUALITY_OK};
    reply->fields = &field;
    reply->field_count = 1;
    reply->next_cursor = sb_text (cursors[page]);
}

Test (run, all_pages_are_fetched_unless_limited)
{
    fake_broker_t *broker = fake_broker_new (s_answer_pages, NULL);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "notes"), 0);
    cr_expect_str_eq (capture_output, "topic      field  value  quality  changed\n"
                                      "notes.me.  a      0      OK       -\n"
                                      "notes.me.  b      1      OK       -\n"
                                      "notes.me.  c      2      OK       -\n");
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "notes", "--limit", "1"), 0);
    cr_expect_null (strstr (capture_output, " b "));
    cr_expect_str_eq (capture_complaints, "there is more: add --cursor 1\n");
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "--cursor", "1"), 0);
    cr_expect_null (strstr (capture_output, " a "));
    cr_expect_not_null (strstr (capture_output, " c "));
    fake_broker_destroy (&broker);
}

Test (run, json_is_one_stable_document)
{
    fake_broker_t *broker = fake_broker_new (s_answer_pages, NULL);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "--cursor", "2", "--json"), 0);
    char *id = strstr (capture_output, "\"command_id\":\"");
    cr_assert_not_null (id);
    memmove (id + 14, strchr (id + 14, '"'), strlen (strchr (id + 14, '"')) + 1);
    cr_expect_str_eq (
        capture_output,
        "{\"command\":\"get_state\",\"code\":\"NONE\",\"message\":\"\",\"command_id\":\"\",\"sequence\":0,"
        "\"stream_id\":0,\"epoch\":0,\"records\":[],\"fields\":[{\"topic\":\"notes.me.\",\"category\":\"notes\","
        "\"agent_id\":\"me\",\"subject\":\"\",\"name\":\"c\",\"value\":2,\"sequence\":0,\"changed_unix_ns\":\"0\","
        "\"quality\":\"OK\"}],\"publications\":[],\"next_cursor\":\"\"}\n");
    fake_broker_destroy (&broker);
}

/* Answers with nothing, or with a time and a number. */
static void s_answer_times (void *context, const sb_command_request_t *request, uint32_t number,
                            sb_command_reply_t *reply)
{
    static sb_state_field_t fields[2];
    (void)number;
    (void)request;
    fields[0] = (sb_state_field_t){.topic = sb_text ("notes.me."),
                                   .name = sb_text ("feed_unix_ns"),
                                   .value = {.kind = SB_VALUE_INTEGER, .integer = INT64_C (1700000000000000000)},
                                   .quality = SB_QUALITY_OK};
    fields[1] = (sb_state_field_t){.topic = sb_text ("notes.me."),
                                   .name = sb_text ("price"),
                                   .value = {.kind = SB_VALUE_NUMBER, .number = 1},
                                   .quality = SB_QUALITY_OK};
    reply->fields = fields;
    reply->field_count = *(bool *)context ? 2 : 0;
    reply->message = sb_text ("done");
}

Test (run, a_field_that_is_a_time_is_shown_as_one)
{
    bool has_fields = true;
    fake_broker_t *broker = fake_broker_new (s_answer_times, &has_fields);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "notes"), 0);
    cr_expect_not_null (strstr (capture_output, " 2023-11-14 22:13:20.000Z "), "%s", capture_output);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "notes", "--json"), 0);
    cr_expect_not_null (strstr (capture_output, "\"value\":\"1700000000000000000\""), "%s", capture_output);
    cr_expect_not_null (strstr (capture_output, "\"value\":1.0,"), "%s", capture_output);
    fake_broker_destroy (&broker);
}

Test (run, nothing_held_is_said_and_is_no_failure)
{
    bool has_fields = false;
    fake_broker_t *broker = fake_broker_new (s_answer_times, &has_fields);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "nocat"), 0);
    cr_expect_str_eq (capture_output, "");
    cr_expect_str_eq (capture_complaints, "syncbus: nothing held in category nocat\n");
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "get", "nocat", "me", "--json"), 0);
    cr_expect_eq (capture_output[0], '{');
    cr_expect_str_eq (capture_complaints, "syncbus: nothing held in category nocat, agent me\n");
    fake_broker_destroy (&broker);
}

static sb_parameter_t s_word (const char *name, const char *word)
{
    return (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (word)}};
}

static sb_parameter_t s_count (const char *name, int64_t count)
{
    return (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_INTEGER, .integer = count}};
}

static sb_parameter_t s_flag (const char *name, bool flag)
{
    return (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = flag}};
}

/* Answers with one event, and that earlier ones are gone, or not. */
static void s_answer_events (void *context, const sb_command_request_t *request, uint32_t number,
                             sb_command_reply_t *reply)
{
    static sb_parameter_t columns[3];
    static sb_record_t record = {columns, 3};
    static sb_change_t change;
    static sb_update_t update = {.changes = &change, .change_count = 1};
    static sb_publication_t event = {.category_sequence = 7, .updates = &update, .update_count = 1};
    static const sb_publication_t *const events[] = {&event};
    (void)number;
    (void)request;
    columns[0] = s_count ("oldest", 7);
    columns[1] = s_count ("oldest_unix_ns", INT64_C (1700000000000000000));
    columns[2] = s_flag ("evicted", *(bool *)context);
    change = (sb_change_t){.name = sb_text ("text"), .value = s_word ("", "it happened").value};
    event.topic = sb_text ("_event.trader.MUTE");
    event.agent_id = sb_text ("trader");
    reply->records = &record;
    reply->record_count = 1;
    reply->publications = events;
    reply->publication_count = 1;
}

Test (run, events_that_are_gone_are_said_and_how_far_the_rest_reaches)
{
    bool is_evicted = false;
    fake_broker_t *broker = fake_broker_new (s_answer_events, &is_evicted);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "timeline", "trader"), 0);
    cr_expect_str_eq (capture_output, "         7  -  MUTE         it happened\n");
    cr_expect_str_eq (capture_complaints, "");
    is_evicted = true;
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "events"), 0);
    cr_expect_null (strstr (capture_output, "oldest"), "%s", capture_output);
    cr_expect_not_null (strstr (capture_complaints, "are kept from 2023-11-14 22:13:20.000Z on"), "%s",
                        capture_complaints);
    fake_broker_destroy (&broker);
}

/* A publication whose texts could be taken for more fields, and two records of explain. */
static void s_answer_confusing (void *context, const sb_command_request_t *request, uint32_t number,
                                sb_command_reply_t *reply)
{
    static sb_change_t changes[4];
    static sb_update_t update = {.changes = changes, .change_count = 4};
    static sb_publication_t publication = {.category_sequence = 7, .updates = &update, .update_count = 1};
    static const sb_publication_t *const publications[] = {&publication};
    static sb_parameter_t columns[2];
    static sb_record_t records[2];
    (void)context;
    (void)number;
    static const char *const texts[] = {"calm b=2", "say \"x\"", "null", "plain:text"};
    for (int i = 0; i < 4; i++)
        changes[i] = (sb_change_t){.name = sb_text ("a"), .value = s_word ("", texts[i]).value};
    columns[0] = s_word ("topic", "notes.me.x");
    columns[1] = s_word ("value", "calm");
    records[0] = records[1] = (sb_record_t){.columns = columns, .column_count = 2};
    publication.topic = sb_text ("notes.me.x");
    reply->message = sb_text ("done");
    if (sb_text_equal (request->command, sb_text ("explain"))) {
        reply->records = records;
        reply->record_count = 2;
        return;
    }
    reply->publications = publications;
    reply->publication_count = 1;
}

Test (run, texts_are_quoted_where_fields_could_be_confused)
{
    fake_broker_t *broker = fake_broker_new (s_answer_confusing, NULL);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "events"), 0);
    cr_expect_not_null (
        strstr (capture_output, "notes.me.x [UNKNOWN] a=\"calm b=2\" a=\"say \\\"x\\\"\" a=\"null\" a=plain:text\n"),
        "%s", capture_output);
    fake_broker_destroy (&broker);
}

Test (run, explain_puts_records_one_under_the_other)
{
    fake_broker_t *broker = fake_broker_new (s_answer_confusing, NULL);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "explain", "me", "value"), 0);
    cr_expect_str_eq (capture_output, "topic  notes.me.x\nvalue  calm\n\ntopic  notes.me.x\nvalue  calm\n");
    fake_broker_destroy (&broker);
}

/* An emergency stop: what the broker knows, and how many times status was asked. */
typedef struct {
    bool is_durable;
    bool is_lifted;
    atomic_uint status_count;
    uint32_t confirm_at; /* the status at which `slow` has confirmed */
} stop_stage_t;

static void s_answer_stop (void *context, const sb_command_request_t *request, uint32_t number,
                           sb_command_reply_t *reply)
{
    stop_stage_t *stage = context;
    static sb_parameter_t columns[3][4];
    static sb_record_t records[3];
    (void)number;
    bool is_confirmed = stage->status_count >= stage->confirm_at;
    uint32_t count = 1;
    if (sb_text_equal (request->command, sb_text ("emergency_stop"))) {
        columns[0][0] = s_count ("latch_epoch", 3);
        columns[0][1] = s_flag ("durable", stage->is_durable);
        columns[0][2] = s_count ("told", 2);
        columns[0][3] = s_flag ("changed", true);
    } else if (sb_text_equal (request->command, sb_text ("emergency_clear"))) {
        columns[0][0] = s_count ("latch_epoch", 4);
        columns[0][1] = s_flag ("durable", stage->is_durable);
        columns[0][2] = s_count ("told", 2);
        columns[0][3] = s_flag ("changed", true);
    } else if (sb_text_equal (request->command, sb_text ("status"))) {
        is_confirmed = ++stage->status_count >= stage->confirm_at;
        columns[0][0] = s_flag ("stopped", !stage->is_lifted);
        columns[0][1] = s_count ("latch_delivered", is_confirmed ? 0 : 1);
        columns[0][2] = columns[0][3] = s_count ("latch_epoch", 3);
    } else {
        count = 3;
        static const char *const names[] = {"quick", "slow", "away"};
        const char *receipts[] = {"APPLIED", is_confirmed ? "APPLIED" : "DELIVERED", "ACCEPTED"};
        for (uint32_t i = 0; i < 3; i++) {
            columns[i][0] = s_word ("agent_id", names[i]);
            columns[i][1] = s_word ("latch_receipt", receipts[i]);
            columns[i][2] = s_flag ("connected", i < 2);
            columns[i][3] = s_word ("liveness", "LIVE");
        }
    }
    for (uint32_t i = 0; i < count; i++)
        records[i] = (sb_record_t){.columns = columns[i], .column_count = 4};
    reply->records = records;
    reply->record_count = count;
}

Test (stop, waits_for_receipts_and_names_everybody)
{
    stop_stage_t stage = {.is_durable = true, .confirm_at = 3};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "emergency-stop"), 0);
    cr_expect_eq (stage.status_count, 3);
    cr_expect_str_eq (capture_output, "EMERGENCY STOP in force, epoch 3; 2 agents told\n"
                                      "durable: it survives a restart of the broker\n"
                                      "confirmed (2): quick, slow\n"
                                      "not connected, told when they register (1): away\n"
                                      "to lift it: syncbus emergency-clear --latch-epoch 3 --reason WHY\n");
    cr_expect_str_eq (capture_complaints, "");
    fake_broker_destroy (&broker);
}

Test (stop, who_does_not_confirm_is_named_and_it_is_no_failure)
{
    stop_stage_t stage = {.is_durable = true, .confirm_at = 1000};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "emergency-stop", "--timeout", "0.3"), 0);
    cr_expect_not_null (strstr (capture_output, "confirmed (1): quick\n"));
    cr_expect_not_null (strstr (capture_output, "NOT CONFIRMED (1): slow (DELIVERED)\n"));
    cr_expect_not_null (strstr (capture_complaints, "the stop is in force"));
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "emergency-stop", "--timeout", "0.3", "--json"), 0);
    cr_expect_not_null (
        strstr (capture_output, "\"confirmed\":[\"quick\"],\"not_confirmed\":[\"slow\"],\"not_connected\":[\"away\"]"));
    fake_broker_destroy (&broker);
}

Test (stop, that_is_not_durable_is_loud)
{
    stop_stage_t stage = {.is_durable = false, .confirm_at = 0};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "emergency-stop"), 0);
    cr_expect_not_null (strstr (capture_output, "NOT DURABLE"));
    cr_expect_not_null (strstr (capture_complaints, "WARNING"));
    fake_broker_destroy (&broker);
}

Test (stop, that_was_lifted_meanwhile_is_1)
{
    stop_stage_t stage = {.is_durable = true, .is_lifted = true};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    cr_expect_eq (CAPTURE (fake_broker_endpoint (broker), "emergency-stop"), 1);
    fake_broker_destroy (&broker);
}

/* A broker for `events --follow`: a publish endpoint that says what it is told, and a history. */
typedef struct {
    zsock_t *publisher;
    pthread_t thread; /* that runs the command line */
    char endpoint[64];
} follow_stage_t;

static sb_publication_t s_event (uint64_t sequence)
{
    return (sb_publication_t){.topic = sb_text ("_event.me.OPERATOR"),
                              .stream_id = 7,
                              .category_sequence = sequence,
                              .agent_id = sb_text ("me"),
                              .quality = SB_QUALITY_OK};
}

static void s_publish (zsock_t *publisher, const sb_publication_t *publication)
{
    sb_encoding_t *encoding;
    sb_arena_t *arena = sb_arena_new (1 << 16);
    size_t size = sb_encode_publication (arena, publication, &encoding);
    zframe_t *frame = zframe_new (NULL, size);
    sb_encoding_write (encoding, zframe_data (frame));
    zframe_send (&frame, publisher, 0);
    sb_arena_destroy (&arena);
}

/* The history grows with what was asked: 1 and 2 at first, later all up to the hole that made it ask. */
static void s_answer_follow (void *context, const sb_command_request_t *request, uint32_t number,
                             sb_command_reply_t *reply)
{
    static const uint64_t heads[] = {2, 5, 8, 8, 8};
    static sb_publication_t events[16];
    static const sb_publication_t *pointers[16];
    follow_stage_t *stage = context;
    uint64_t after = 0;
    for (uint32_t i = 0; i < request->parameter_count; i++)
        if (sb_text_equal (request->parameters[i].name, sb_text ("after")))
            after = (uint64_t)request->parameters[i].value.integer;
    uint64_t head = heads[number < 4 ? number : 4];
    for (uint64_t sequence = after + 1; sequence <= head; sequence++) {
        events[reply->publication_count] = s_event (sequence);
        pointers[reply->publication_count] = &events[reply->publication_count];
        reply->publication_count++;
    }
    reply->publications = pointers;
    reply->stream_id = 7;
    /* The question after the last hole that is filled: all before it is printed. */
    if (number == 3)
        pthread_kill (stage->thread, SIGINT);
}

/* Once it is subscribed to: a repeat, the next, a hole, repeats, the next, a hole seen by the beat alone, one more
 * question. */
static void *s_publish_follow (void *argument)
{
    follow_stage_t *stage = argument;
    static const uint64_t sequences[] = {2, 5, 4, 5, 6};
    for (int i = 0; i < 2; i++) {
        zmsg_t *subscription = zmsg_recv (stage->publisher);
        zmsg_destroy (&subscription);
    }
    for (size_t i = 0; i < sizeof (sequences) / sizeof (sequences[0]); i++) {
        sb_publication_t event = s_event (sequences[i]);
        s_publish (stage->publisher, &event);
    }
    sb_change_t head = {.name = sb_text ("head._event"), .value = {.kind = SB_VALUE_INTEGER, .integer = 8}};
    sb_update_t update = {.changes = &head, .change_count = 1};
    sb_publication_t beat = {.topic = sb_text ("_beat.."), .stream_id = 7, .updates = &update, .update_count = 1};
    s_publish (stage->publisher, &beat);
    head.value.integer = 9;
    s_publish (stage->publisher, &beat);
    return NULL;
}

Test (events, followed_have_no_hole_and_no_repeat, .timeout = 20)
{
    follow_stage_t stage = {.publisher = zsock_new (ZMQ_XPUB), .thread = pthread_self ()};
    pthread_t publisher;
    zsys_init ();
    int port = zsock_bind (stage.publisher, "tcp://127.0.0.1:*");
    snprintf (stage.endpoint, sizeof (stage.endpoint), "tcp://127.0.0.1:%d", port);
    fake_broker_t *broker = fake_broker_new (s_answer_follow, &stage);
    pthread_create (&publisher, NULL, s_publish_follow, &stage);
    cr_expect_eq (
        CAPTURE (fake_broker_endpoint (broker), "events", "--follow", "--json", "--publish-endpoint", stage.endpoint),
        0);
    char *place = capture_output;
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        char member[64];
        snprintf (member, sizeof (member), "\"category_sequence\":%d,", (int)sequence);
        place = strstr (place, "\"category_sequence\"");
        cr_assert (place && strncmp (place, member, strlen (member)) == 0, "%d is not next in:\n%s", (int)sequence,
                   capture_output);
        place++;
    }
    cr_expect_null (strstr (place, "\"category_sequence\""), "%s", capture_output);
    pthread_join (publisher, NULL);
    zsock_destroy (&stage.publisher);
    fake_broker_destroy (&broker);
}

Test (stop, that_is_lifted_is_told_in_sentences)
{
    stop_stage_t stage = {.is_durable = true};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    cr_expect_eq (CAPTURE (endpoint, "emergency-clear", "--latch-epoch", "3", "--reason", "mended"), 0);
    cr_expect_str_eq (capture_output, "emergency stop LIFTED, epoch 4; 2 agents told\n"
                                      "durable: a restart of the broker does not bring it back\n"
                                      "paused agents stay paused: see syncbus list-agents\n");
    cr_expect_str_eq (capture_complaints, "");
    stage.is_durable = false;
    cr_expect_eq (CAPTURE (endpoint, "emergency-clear", "--latch-epoch", "3", "--reason", "mended"), 0);
    cr_expect_not_null (strstr (capture_complaints, "WARNING"));
    cr_expect_eq (CAPTURE (endpoint, "emergency-clear", "--latch-epoch", "3", "--reason", "mended", "--json"), 0);
    cr_expect_eq (capture_output[0], '{');
    fake_broker_destroy (&broker);
}

Test (run, list_agents_is_a_grid_however_it_is_asked_and_names_the_stop)
{
    stop_stage_t stage = {.is_durable = true};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    const char *endpoint = fake_broker_endpoint (broker);
    for (int is_limited = 0; is_limited < 2; is_limited++) {
        cr_expect_eq (
            is_limited ? CAPTURE (endpoint, "list-agents", "--limit", "3") : CAPTURE (endpoint, "list-agents"), 0);
        cr_expect_eq (strncmp (capture_output, "EMERGENCY STOP in force, epoch 3, by ", 37), 0, "%s", capture_output);
        cr_expect_not_null (strstr (capture_output, "\nAGENT "), "%s", capture_output);
        cr_expect_null (strstr (capture_output, "RATE"), "%s", capture_output);
    }
    stage.is_lifted = true;
    cr_expect_eq (CAPTURE (endpoint, "list-agents"), 0);
    cr_expect_eq (strncmp (capture_output, "AGENT ", 6), 0, "%s", capture_output);
    fake_broker_destroy (&broker);
}

Test (help, operands_are_written_alike_and_a_number_without_unit_has_none)
{
    CAPTURE ("x", "help", "history");
    cr_expect_not_null (strstr (capture_output, "syncbus history CATEGORY ["), "%s", capture_output);
    CAPTURE ("x", "help", "get");
    cr_expect_not_null (strstr (capture_output, "syncbus get_state [CATEGORY] [AGENT] [SUBJECT]"), "%s",
                        capture_output);
    CAPTURE ("x", "help", "status");
    cr_expect_null (strstr (capture_output, ", 1\n"), "%s", capture_output);
}

Test (help, every_command_has_its_page)
{
    const sb_catalog_command_t *command;
    cr_expect_eq (CAPTURE ("x", "help"), 0);
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++) {
        cr_expect_eq (CAPTURE ("x", "help", command->name), 0);
        cr_expect_eq (strncmp (capture_output, command->name, strlen (command->name)), 0);
        /* What follows `complete` are somebody else's words. */
        if (strcmp (command->name, "complete") != 0)
            cr_expect_eq (CAPTURE ("x", command->name, "--help"), 0);
    }
    cr_expect_eq (CAPTURE ("x", "--version"), 0);
    cr_expect_eq (strncmp (capture_output, "syncbus ", 8), 0);
}

/* True when a line of the output is exactly `text`. */
static bool s_has_line (const char *text)
{
    char line[128];
    snprintf (line, sizeof (line), "\n%s\n", text);
    return strncmp (capture_output, line + 1, strlen (line) - 1) == 0 || strstr (capture_output, line);
}

Test (complete, offers_every_row_of_the_tables)
{
    const sb_catalog_command_t *command;
    const sb_catalog_parameter_t *row;
    uint32_t count;
    const sb_catalog_option_t *options = sb_catalog_options (&count);
    CAPTURE ("tcp://127.0.0.1:1", "complete", "1", "syncbus");
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++)
        cr_expect (s_has_line (command->name) || strcmp (command->name, "complete") == 0, "%s", command->name);
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++) {
        CAPTURE ("tcp://127.0.0.1:1", "complete", "2", "syncbus", command->name, "-");
        for (uint32_t j = 0; j < count; j++) {
            char text[64];
            snprintf (text, sizeof (text), "--%s", options[j].name);
            bool is_taken =
                sb_catalog_option (command, options[j].name) || sb_catalog_parameter (command, options[j].name);
            cr_expect_eq (s_has_line (text), is_taken, "%s %s", command->name, text);
        }
        if (command->is_local)
            continue;
        CAPTURE ("tcp://127.0.0.1:1", "complete", "3", "syncbus", command->name, command->needs_agent ? "x" : "--json");
        for (uint32_t j = 0; (row = sb_catalog_parameter_at (command, j)) != NULL; j++) {
            char text[64];
            snprintf (text, sizeof (text), "%s=", row->name);
            cr_expect (s_has_line (text), "%s %s", command->name, text);
        }
    }
}

Test (complete, agents_come_from_the_broker_and_their_lack_is_silent)
{
    stop_stage_t stage = {.is_durable = true};
    fake_broker_t *broker = fake_broker_new (s_answer_stop, &stage);
    CAPTURE (fake_broker_endpoint (broker), "complete", "2", "syncbus", "pause-agent", "");
    cr_expect_str_eq (capture_output, "quick\nslow\naway\n");
    CAPTURE ("tcp://127.0.0.1:1", "complete", "4", "syncbus", "--endpoint", fake_broker_endpoint (broker),
             "pause-agent", "s");
    cr_expect_str_eq (capture_output, "slow\n");
    cr_expect_eq (CAPTURE ("tcp://127.0.0.1:1", "complete", "2", "syncbus", "pause-agent", ""), 0);
    cr_expect_str_eq (capture_output, "");
    cr_expect_str_eq (capture_complaints, "");
    fake_broker_destroy (&broker);
}

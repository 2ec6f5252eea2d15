/* SPDX-License-Identifier: MPL-2.0
 *
 * Bad input on the command endpoint, over TCP, against the real broker, and what commands promise: repeats, expiry,
 * truth about agents that do not answer, and that nobody waits for somebody else's command.
 */
#include "broker_stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

TestSuite (broker_commands, .timeout = 60);

/* One request with at most one parameter, and what it is refused for. */
typedef struct {
    const char *command;
    const char *agent_id;
    sb_parameter_t parameter; /* name empty: none */
    sb_reason_t reason;
} s_row_t;

static void s_assert_rows (const s_row_t *rows, uint32_t count)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t before = sb_stage_refused (&stage, rows[i].reason);
        sb_command_request_t request = sb_commander_request (rows[i].command, rows[i].agent_id);
        request.parameters = &rows[i].parameter;
        request.parameter_count = rows[i].parameter.name.size > 0;
        const sb_command_reply_t *reply = sb_commander_ask (stage.commander, &request);
        cr_assert_eq (reply->code, rows[i].reason, "row %u: %s: %.*s", i, sb_reason_info (reply->code)->name,
                      (int)reply->message.size, reply->message.data);
        cr_assert (sb_text_equal (reply->command_id, request.command_id));
        cr_assert_gt (reply->message.size, 0);
        cr_assert_eq (sb_stage_refused (&stage, rows[i].reason), before + 1, "row %u: the counter", i);
    }
    sb_stage_end (&stage);
}

Test (broker_commands, unknown_commands_agents_and_bad_parameters_are_refused)
{
    static const s_row_t rows[] = {
        {"make_money", NULL, {{0}, {0}}, SB_REASON_UNKNOWN_COMMAND},
        {"", NULL, {{0}, {0}}, SB_REASON_UNKNOWN_COMMAND},
        {"emergency_clear", NULL, {{0}, {0}}, SB_REASON_MISSING_PARAMETER},
        {"history", NULL, {{0}, {0}}, SB_REASON_MISSING_PARAMETER},
        {"status", NULL, {{"more", 4}, {.kind = SB_VALUE_BOOLEAN}}, SB_REASON_UNKNOWN_PARAMETER},
        {"health", NULL, {{"limit", 5}, {.kind = SB_VALUE_TEXT, .text = {"ten", 3}}}, SB_REASON_BAD_PARAMETER},
        {"health", NULL, {{"limit", 5}, {.kind = SB_VALUE_INTEGER, .integer = -1}}, SB_REASON_BAD_PARAMETER},
        {"health", NULL, {{"limit", 5}, {.kind = SB_VALUE_INTEGER, .integer = 1001}}, SB_REASON_BAD_PARAMETER},
        {"pause_agent", "nobody", {{0}, {0}}, SB_REASON_UNKNOWN_AGENT},
        {"restart_agent", "nobody", {{0}, {0}}, SB_REASON_UNKNOWN_AGENT},
        {"health", NULL, {{"cursor", 6}, {.kind = SB_VALUE_TEXT, .text = {"bad", 3}}}, SB_REASON_BAD_CURSOR},
        {"release_agent", "good", {{0}, {0}}, SB_REASON_WRONG_STATE},
        {"emergency_clear",
         NULL,
         {{"latch_epoch", 11}, {.kind = SB_VALUE_INTEGER, .integer = 77}},
         SB_REASON_WRONG_EPOCH},
    };
    s_assert_rows (rows, sizeof rows / sizeof rows[0]);
}

Test (broker_commands, what_is_no_request_is_malformed_and_answered)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_commander_t *bad = sb_commander_new (sb_scene_command (stage.scene));
    static char large[256 * 1024 + 1];
    sb_commander_send_bytes (bad, "\xff\xff\xff\xff", 4);
    const sb_command_reply_t *reply = sb_commander_receive (bad, SB_PATIENCE_MS);
    cr_assert (reply);
    cr_assert_eq (reply->code, SB_REASON_MALFORMED);
    sb_commander_send_bytes (bad, large, sizeof large);
    reply = sb_commander_receive (bad, SB_PATIENCE_MS);
    cr_assert (reply);
    cr_assert_eq (reply->code, SB_REASON_TOO_LARGE);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_MALFORMED), 1);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_TOO_LARGE), 1);
    sb_commander_destroy (&bad);
    sb_stage_end (&stage);
}

/* Sends frames to the command endpoint from a DEALER, and reads the answer into `frames`; returns how many there were.
 */
static uint32_t s_exchange (void *socket, const char *const *sent, const size_t *sizes, uint32_t sent_count,
                            zmq_msg_t *frames, int timeout_ms)
{
    for (uint32_t i = 0; i < sent_count; i++)
        zmq_send (socket, sent[i], sizes[i], i + 1 < sent_count ? ZMQ_SNDMORE : 0);
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    if (zmq_poll (&item, 1, timeout_ms) <= 0)
        return 0;
    uint32_t count = 0;
    do {
        zmq_msg_init (&frames[count]);
        zmq_msg_recv (&frames[count], socket, 0);
    } while (zmq_msg_more (&frames[count++]));
    return count;
}

static sb_reason_t s_code (zmq_msg_t *frame)
{
    sb_arena_t *arena = sb_arena_new (1 << 20);
    sb_command_reply_t reply;
    sb_fault_t fault = sb_decode_command_reply (arena, zmq_msg_data (frame), zmq_msg_size (frame), 1 << 20, &reply);
    cr_assert_eq (fault.reason, SB_REASON_NONE);
    sb_reason_t code = reply.code;
    sb_arena_destroy (&arena);
    return code;
}

Test (broker_commands, the_envelope_comes_back_as_it_came_and_a_bad_one_does_no_harm)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_DEALER);
    zmq_setsockopt (socket, ZMQ_LINGER, &(int){0}, sizeof (int));
    zmq_connect (socket, sb_scene_command (stage.scene));
    zmq_msg_t frames[8];

    const char *enveloped[] = {"route", "id", "", "\xff"};
    const size_t enveloped_sizes[] = {5, 2, 0, 1};
    cr_assert_eq (s_exchange (socket, enveloped, enveloped_sizes, 4, frames, SB_PATIENCE_MS), 4);
    cr_assert_eq (zmq_msg_size (&frames[0]), 5);
    cr_assert_arr_eq (zmq_msg_data (&frames[1]), "id", 2);
    cr_assert_eq (zmq_msg_size (&frames[2]), 0);
    cr_assert_eq (s_code (&frames[3]), SB_REASON_MALFORMED);

    const char *bare[] = {"\xff"};
    const size_t bare_sizes[] = {1};
    cr_assert_eq (s_exchange (socket, bare, bare_sizes, 1, frames, SB_PATIENCE_MS), 1,
                  "no empty frame came, none goes back");
    cr_assert_eq (s_code (&frames[0]), SB_REASON_MALFORMED);

    const char *empty[] = {""};
    const size_t empty_sizes[] = {0};
    cr_assert_eq (s_exchange (socket, empty, empty_sizes, 1, frames, SB_PATIENCE_MS), 2);
    cr_assert_eq (s_code (&frames[1]), SB_REASON_MALFORMED);

    const char *two_bodies[] = {"", "a", "b", "c"};
    const size_t two_bodies_sizes[] = {0, 1, 1, 1};
    cr_assert_eq (s_exchange (socket, two_bodies, two_bodies_sizes, 4, frames, SB_PATIENCE_MS), 2);
    cr_assert_eq (s_code (&frames[1]), SB_REASON_MALFORMED);

    const char *endless[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "", "body"};
    const size_t endless_sizes[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 4};
    s_exchange (socket, endless, endless_sizes, 11, frames, 0);
    cr_assert_eq (s_exchange (socket, enveloped, enveloped_sizes, 4, frames, SB_PATIENCE_MS), 4,
                  "thrown away; what follows is read");
    sb_stage_await_status (&stage, "replies_undelivered", 1);
    zmq_close (socket);
    zmq_ctx_term (context);
    sb_stage_end (&stage);
}

Test (broker_commands, an_agent_that_never_answers_is_a_timeout_while_others_are_served)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *mute = sb_peer_join (sb_scene_ingress (stage.scene), "mute", 1);
    sb_commander_t *waiting = sb_commander_new (sb_scene_command (stage.scene));
    const sb_parameter_t parameter = {.name = sb_text ("command"),
                                      .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("think")}};
    sb_command_request_t request = sb_commander_request ("send_command", "mute");
    request.parameters = &parameter;
    request.parameter_count = 1;
    request.timeout_ms = 1000;
    const int64_t start_ms = sb_now_ms ();
    sb_commander_send (waiting, &request);
    const sb_broker_message_t *message = sb_peer_await (mute, SB_BROKER_MESSAGE_COMMAND);
    cr_assert (message);
    cr_assert (sb_text_equal (message->command.command, sb_text ("think")));
    for (int i = 0; i < 20; i++)
        cr_assert_eq (sb_commander_do (stage.commander, "status", NULL)->code, SB_REASON_NONE);
    cr_assert_lt (sb_now_ms () - start_ms, 900, "twenty commands were served meanwhile");
    const sb_command_reply_t *reply = sb_commander_receive (waiting, SB_PATIENCE_MS);
    cr_assert (reply);
    cr_assert_eq (reply->code, SB_REASON_TIMEOUT);
    cr_assert_geq (sb_now_ms () - start_ms, 1000);
    cr_assert_lt (sb_now_ms () - start_ms, 2500);
    cr_assert_eq (sb_stage_status (&stage, "commands_timed_out"), 1);
    sb_commander_destroy (&waiting);
    sb_peer_destroy (&mute);
    sb_stage_end (&stage);
}

Test (broker_commands, an_agent_that_answers_is_heard)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *agent = sb_peer_join (sb_scene_ingress (stage.scene), "clever", 1);
    const sb_parameter_t parameter = {.name = sb_text ("command"),
                                      .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("think")}};
    sb_command_request_t request = sb_commander_request ("send_command", "clever");
    request.parameters = &parameter;
    request.parameter_count = 1;
    sb_commander_send (stage.commander, &request);
    const sb_broker_message_t *message = sb_peer_await (agent, SB_BROKER_MESSAGE_COMMAND);
    cr_assert (message);
    sb_peer_send (agent, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_COMMAND_RESULT,
                                               .command_result = {.command_id = message->command.command_id,
                                                                  .message = sb_text ("thought")}});
    const sb_command_reply_t *reply = sb_commander_receive (stage.commander, SB_PATIENCE_MS);
    cr_assert (reply);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    cr_assert (sb_text_equal (reply->message, sb_text ("thought")));
    sb_peer_destroy (&agent);
    sb_stage_end (&stage);
}

Test (broker_commands, a_command_read_after_its_timeout_is_not_done_but_a_stop_is)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_command_request_t request = sb_commander_request ("isolate_agent", "good");
    request.issued_unix_ns -= INT64_C (10000000000);
    request.timeout_ms = 1000;
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_EXPIRED);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_EXPIRED), 1);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE);
    request = sb_commander_request ("pause_agent", "good");
    request.issued_unix_ns -= INT64_C (10000000000);
    request.timeout_ms = 1000;
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_NONE);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_PAUSED);
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "good")->code, SB_REASON_NONE);
    sb_stage_end (&stage);
}

Test (broker_commands, a_repeat_gets_the_first_reply_and_another_body_is_refused)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_command_request_t request = sb_commander_request ("pause_agent", "good");
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_NONE);
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "good")->code, SB_REASON_NONE);
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_NONE);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE, "the repeat paused nobody a second time");
    cr_assert_eq (sb_stage_status (&stage, "commands_repeated"), 1);
    request.command = sb_text ("isolate_agent");
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_COMMAND_ID_REUSED);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_COMMAND_ID_REUSED), 1);
    sb_stage_end (&stage);
}

Test (broker_commands, an_operator_is_served_while_deltas_flood_in)
{
    enum { DELTAS = 200, MESSAGES = 600 };
    static sb_delta_t deltas[DELTAS];
    sb_change_t change = {.name = sb_text ("price"), .value = {.kind = SB_VALUE_INTEGER, .integer = 1}};
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *flood = sb_peer_join (sb_scene_ingress (stage.scene), "flood", 1);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        for (uint64_t n = 0; n < DELTAS; n++)
            deltas[n] = (sb_delta_t){.category = sb_text ("trades"),
                                     .update = {.sequence = i * DELTAS + n + 1, .changes = &change, .change_count = 1}};
        sb_peer_send (flood, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH,
                                                   .batch = {.deltas = deltas, .delta_count = DELTAS}});
    }
    int64_t worst_ms = 0;
    for (int i = 0; i < 10; i++) {
        const int64_t start_ms = sb_now_ms ();
        cr_assert_eq (sb_commander_do (stage.commander, "status", NULL)->code, SB_REASON_NONE);
        worst_ms = sb_now_ms () - start_ms > worst_ms ? sb_now_ms () - start_ms : worst_ms;
    }
    cr_assert_lt (worst_ms, 1000, "a status took %ld ms", (long)worst_ms);
    sb_peer_destroy (&flood);
    sb_stage_end (&stage);
}

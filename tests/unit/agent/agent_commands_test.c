/* SPDX-License-Identifier: MPL-2.0
 *
 * Commands of the application's own, and commands that it issues.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_fixture.h"

static void s_command (sb_fixture_t *f, const char *id, const char *name)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_COMMAND};
    message.command = (sb_agent_command_t){.command_id = sb_text (id), .command = sb_text (name)};
    sb_fixture_message (f, &message);
}

static const sb_command_result_t *s_result (const sb_fixture_t *f)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_COMMAND_RESULT, 0);
    return message ? &message->command_result : NULL;
}

static sb_reason_t s_request (sb_fixture_t *f, uint64_t token)
{
    sb_parameter_t parameter = {sb_text ("category"), {.kind = SB_VALUE_TEXT, .text = sb_text ("risk")}};
    sb_command_request_t request = {.command = sb_text ("get_state"), .reason = sb_text ("r"), .timeout_ms = 100};
    request.parameters = &parameter;
    request.parameter_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_REQUEST, .monotonic_ns = f->now_ns, .request = {token, &request}};
    sb_agent_effects_t answer;
    sb_agent_step (f->step, &event, &answer);
    return answer.reason;
}

static const sb_command_request_t *s_sent_request (const sb_fixture_t *f, uint32_t n)
{
    const sb_agent_message_t *message = sb_fixture_sent (f, SB_AGENT_MESSAGE_COMMAND, n);
    return message ? &message->command : NULL;
}

Test (command, of_the_application_goes_to_its_handler_whose_answer_goes_back)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_command (&f, "c1", "rebalance_weights");
    cr_assert (sb_fixture_effect (&f, SB_AGENT_EFFECT_COMMAND, 0)->command.is_open);
    cr_assert_null (s_result (&f));
    sb_parameter_t value = {sb_text ("weight"), {.kind = SB_VALUE_NUMBER, .number = 0.5}};
    sb_command_result_t result = {
        .command_id = sb_text ("c1"), .message = sb_text ("done"), .values = &value, .value_count = 1};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_ANSWER, .monotonic_ns = f.now_ns, .answer = &result};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &event, &answer);
    cr_assert (answer.wake);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert (sb_text_equal (s_result (&f)->command_id, sb_text ("c1")));
    cr_assert_eq (s_result (&f)->values[0].value.number, 0.5);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    cr_assert_null (s_result (&f));
    sb_fixture_end (&f);
}

Test (command, without_a_handler_is_refused_but_the_librarys_own_are_done)
{
    sb_fixture_t f = sb_fixture_make ();
    f.config.has_command_handler = false;
    sb_fixture_open (&f);
    s_command (&f, "c1", "dance");
    cr_assert_eq (s_result (&f)->code, SB_REASON_AGENT_REFUSED);
    s_command (&f, "c2", "restart");
    cr_assert_eq (s_result (&f)->code, SB_REASON_NONE);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_COMMAND, 0));
    sb_fixture_end (&f);
}

Test (command, beyond_what_may_wait_is_refused)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (int i = 0; i < SB_AGENT_ANSWERS_MAX; i++)
        s_command (&f, "c", "dance");
    cr_assert_null (s_result (&f));
    s_command (&f, "c", "dance");
    cr_assert_eq (s_result (&f)->code, SB_REASON_AGENT_REFUSED);
    sb_fixture_end (&f);
}

Test (request, is_sent_with_an_id_and_answered_by_its_token)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    cr_assert_eq (s_request (&f, 42), SB_REASON_NONE);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    const sb_command_request_t *request = s_sent_request (&f, 0);
    cr_assert (sb_text_equal (request->command_id, sb_text ("7.1")));
    cr_assert (sb_text_equal (request->command, sb_text ("get_state")));
    cr_assert (sb_text_equal (request->parameters[0].value.text, sb_text ("risk")));
    cr_assert_eq (request->protocol, 1);
    sb_broker_message_t reply = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
    reply.command_reply = (sb_command_reply_t){.command_id = sb_text ("7.1"), .message = sb_text ("m")};
    sb_fixture_message (&f, &reply);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REPLY, 0)->reply.token, 42);
    sb_fixture_message (&f, &reply);
    cr_assert_null (sb_fixture_effect (&f, SB_AGENT_EFFECT_REPLY, 0), "a second reply is nobody's");
    sb_fixture_end (&f);
}

Test (request, is_sent_again_under_its_id_after_a_lost_session)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_request (&f, 42);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    int64_t issued_unix_ns = s_sent_request (&f, 0)->issued_unix_ns;
    sb_fixture_event (&f, SB_AGENT_EVENT_LINK_DOWN);
    sb_fixture_join (&f);
    cr_assert (sb_text_equal (s_sent_request (&f, 0)->command_id, sb_text ("7.1")));
    cr_assert_eq (s_sent_request (&f, 0)->issued_unix_ns, issued_unix_ns, "the same body");
    sb_fixture_end (&f);
}

Test (request, is_forgotten_when_nobody_waits)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    for (uint64_t i = 1; i <= SB_AGENT_REQUESTS_MAX; i++)
        cr_assert_eq (s_request (&f, i), SB_REASON_NONE);
    cr_assert_eq (s_request (&f, 99), SB_REASON_TOO_MANY_PENDING);
    sb_agent_event_t cancel = {.kind = SB_AGENT_EVENT_CANCEL, .monotonic_ns = f.now_ns, .cancel_token = 5};
    sb_agent_effects_t answer;
    sb_agent_step (f.step, &cancel, &answer);
    cr_assert_eq (s_request (&f, 99), SB_REASON_NONE);
    sb_fixture_end (&f);
}

Test (request, of_a_finished_agent_is_answered_not_left)
{
    sb_fixture_t f = sb_fixture_make ();
    sb_fixture_open (&f);
    s_request (&f, 42);
    sb_fixture_event (&f, SB_AGENT_EVENT_WAKE);
    sb_broker_message_t goodbye = {.kind = SB_BROKER_MESSAGE_GOODBYE, .goodbye.reason = SB_REASON_DISPLACED};
    sb_fixture_message (&f, &goodbye);
    cr_assert_eq (sb_fixture_effect (&f, SB_AGENT_EFFECT_REPLY, 0)->reply.code, SB_REASON_NOT_CONNECTED);
    cr_assert_eq (s_request (&f, 43), SB_REASON_DISPLACED);
    sb_fixture_end (&f);
}

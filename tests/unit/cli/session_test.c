/* SPDX-License-Identifier: MPL-2.0
 *
 * The short-lived agent of `syncbus pub`, against an ingress that the test plays itself, message by message.
 */
#include <criterion/criterion.h>
#include <czmq.h>

#include "sb_names.h"
#include "sb_session.h"

enum { PATIENCE_MS = 5000, DECISIONS_MAX = 16 };

/* Both ends, and what was decided. */
typedef struct {
    zsock_t *router;
    zframe_t *peer;
    sb_arena_t *arena;
    sb_session_t *session;
    sb_agent_message_t message; /* received last */
    sb_reason_t decisions[DECISIONS_MAX];
    uint64_t labels[DECISIONS_MAX];
    uint32_t decision_count;
} stage_t;

static void s_decided (void *context, uint64_t label, sb_reason_t reason, sb_text_t text, sb_text_t field)
{
    stage_t *stage = context;
    (void)text;
    (void)field;
    cr_assert_lt (stage->decision_count, DECISIONS_MAX);
    stage->labels[stage->decision_count] = label;
    stage->decisions[stage->decision_count++] = reason;
}

static stage_t *s_begin (void)
{
    static stage_t stage;
    char endpoint[64];
    stage.router = zsock_new (ZMQ_ROUTER);
    stage.arena = sb_arena_new (1 << 20);
    snprintf (endpoint, sizeof (endpoint), "tcp://127.0.0.1:%d", zsock_bind (stage.router, "tcp://127.0.0.1:*"));
    stage.session = sb_session_new (endpoint, "me", s_decided, &stage);
    return &stage;
}

static void s_end (stage_t *stage)
{
    sb_session_destroy (&stage->session);
    zframe_destroy (&stage->peer);
    zsock_destroy (&stage->router);
    sb_arena_destroy (&stage->arena);
}

/* The agent's next message, whatever it is; the session goes on meanwhile. */
static sb_agent_message_kind_t s_receive (stage_t *stage)
{
    zmq_pollitem_t item = {.socket = zsock_resolve (stage->router), .events = ZMQ_POLLIN};
    int64_t deadline_ms = zclock_mono () + PATIENCE_MS;
    while (zmq_poll (&item, 1, 5) < 1) {
        cr_assert_lt (zclock_mono (), deadline_ms, "no message came");
        sb_session_turn (stage->session);
    }
    zmsg_t *frames = zmsg_recv (stage->router);
    zframe_destroy (&stage->peer);
    stage->peer = zmsg_pop (frames);
    zframe_t *body = zmsg_first (frames);
    sb_arena_reset (stage->arena);
    sb_fault_t fault =
        sb_decode_agent_message (stage->arena, zframe_data (body), zframe_size (body), 1 << 20, &stage->message);
    cr_assert_eq (fault.reason, SB_REASON_NONE);
    zmsg_destroy (&frames);
    return stage->message.kind;
}

/* The next message that is no heartbeat. */
static sb_agent_message_kind_t s_receive_other (stage_t *stage)
{
    while (s_receive (stage) == SB_AGENT_MESSAGE_HEARTBEAT)
        continue;
    return stage->message.kind;
}

static void s_expect_delta (stage_t *stage, uint64_t sequence)
{
    cr_assert_eq (s_receive_other (stage), SB_AGENT_MESSAGE_BATCH);
    cr_assert_eq (stage->message.batch.deltas[0].update.sequence, sequence, "%d is not %d",
                  (int)stage->message.batch.deltas[0].update.sequence, (int)sequence);
}

/* Says something to the agent and lets it hear it. */
static void s_say (stage_t *stage, sb_broker_message_t message)
{
    sb_encoding_t *encoding;
    sb_arena_t *arena = sb_arena_new (1 << 20);
    size_t size = sb_encode_broker_message (arena, &message, &encoding);
    zframe_t *body = zframe_new (NULL, size);
    sb_encoding_write (encoding, zframe_data (body));
    zframe_t *peer = zframe_dup (stage->peer);
    zframe_send (&peer, stage->router, ZFRAME_MORE);
    zframe_send (&body, stage->router, 0);
    sb_arena_destroy (&arena);
    zmq_pollitem_t item = {.socket = sb_session_socket (stage->session), .events = ZMQ_POLLIN};
    cr_assert_eq (zmq_poll (&item, 1, PATIENCE_MS), 1);
    sb_session_turn (stage->session);
}

static void s_welcome (stage_t *stage, uint64_t decided_through, bool is_paused)
{
    s_say (stage, (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_WELCOME,
                                        .welcome = {.decided_through = decided_through,
                                                    .limits = {.max_unacked = 8, .max_message_bytes = 4096},
                                                    .operator_state = {.paused = is_paused, .revision = 3}}});
}

static void s_refuse (stage_t *stage, sb_reason_t reason, uint64_t expected)
{
    s_say (stage, (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_REFUSAL,
                                        .refusal = {.reason = reason, .expected_sequence = expected}});
}

static void s_push (stage_t *stage, uint64_t label)
{
    sb_change_t change = {.name = sb_text ("a"), .value = {.kind = SB_VALUE_INTEGER, .integer = 1}};
    sb_delta_t delta = {.category = sb_text ("notes"), .update = {.changes = &change, .change_count = 1}};
    sb_session_push (stage->session, &delta, label);
}

/* Registered, with three deltas on their way. */
static stage_t *s_begin_with_three (void)
{
    stage_t *stage = s_begin ();
    cr_assert_eq (s_receive (stage), SB_AGENT_MESSAGE_REGISTRATION);
    cr_expect_eq (stage->message.registration.next_sequence, 1);
    s_welcome (stage, 0, false);
    cr_assert (sb_session_is_registered (stage->session));
    for (uint64_t i = 1; i <= 3; i++)
        s_push (stage, i * 10);
    for (uint64_t i = 1; i <= 3; i++)
        s_expect_delta (stage, i);
    return stage;
}

static void s_ack (stage_t *stage, uint64_t through, const sb_refusal_t *refused, uint32_t count)
{
    s_say (stage,
           (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_ACK,
                                 .ack = {.decided_through = through, .refused = refused, .refused_count = count}});
}

Test (session, decisions_come_in_order_with_their_labels, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    sb_refusal_t refusal = {.sequence = 2, .reason = SB_REASON_BAD_TEXT};
    s_ack (stage, 3, &refusal, 1);
    cr_assert_eq (stage->decision_count, 3);
    cr_expect_eq (stage->labels[0], 10);
    cr_expect_eq (stage->decisions[0], SB_REASON_NONE);
    cr_expect_eq (stage->labels[1], 20);
    cr_expect_eq (stage->decisions[1], SB_REASON_BAD_TEXT);
    cr_expect_eq (stage->decisions[2], SB_REASON_NONE);
    cr_expect_eq (sb_session_undecided (stage->session), 0);
    s_ack (stage, 3, &refusal, 1);
    cr_expect_eq (stage->decision_count, 3, "a repeated ack decides nothing anew");
    s_end (stage);
}

Test (session, after_register_again_the_undecided_go_out_once_more, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    s_ack (stage, 1, NULL, 0);
    s_refuse (stage, SB_REASON_REGISTER_AGAIN, 0);
    cr_expect_not (sb_session_is_registered (stage->session));
    cr_assert_eq (s_receive_other (stage), SB_AGENT_MESSAGE_REGISTRATION);
    cr_expect_eq (stage->message.registration.next_sequence, 2);
    s_welcome (stage, 1, false);
    s_expect_delta (stage, 2);
    s_expect_delta (stage, 3);
    s_end (stage);
}

Test (session, welcome_that_knows_more_decides_it, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    s_refuse (stage, SB_REASON_REGISTER_AGAIN, 0);
    cr_assert_eq (s_receive_other (stage), SB_AGENT_MESSAGE_REGISTRATION);
    s_welcome (stage, 2, false);
    cr_expect_eq (stage->decision_count, 2);
    s_expect_delta (stage, 3);
    s_end (stage);
}

Test (session, a_gap_is_gone_back_to_once, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    s_refuse (stage, SB_REASON_SEQUENCE_GAP, 2);
    s_expect_delta (stage, 2);
    s_expect_delta (stage, 3);
    s_refuse (stage, SB_REASON_SEQUENCE_GAP, 2);
    s_push (stage, 40);
    s_expect_delta (stage, 4);
    s_end (stage);
}

Test (session, pause_refuses_here_and_is_confirmed, .timeout = 20)
{
    stage_t *stage = s_begin ();
    cr_assert_eq (s_receive (stage), SB_AGENT_MESSAGE_REGISTRATION);
    s_welcome (stage, 0, true);
    cr_assert_eq (s_receive (stage), SB_AGENT_MESSAGE_HEARTBEAT);
    cr_expect (stage->message.heartbeat.paused);
    cr_expect_eq (stage->message.heartbeat.operator_revision, 3);
    s_push (stage, 10);
    cr_assert_eq (stage->decision_count, 1);
    cr_expect_eq (stage->decisions[0], SB_REASON_PAUSED);
    s_say (stage,
           (sb_broker_message_t){
               .kind = SB_BROKER_MESSAGE_COMMAND,
               .command = {.command_id = sb_text ("c1"), .command = sb_text ("resume"), .operator_revision = 4}});
    cr_assert_eq (s_receive_other (stage), SB_AGENT_MESSAGE_COMMAND_RESULT);
    cr_expect_eq (stage->message.command_result.code, SB_REASON_NONE);
    cr_expect (sb_text_equal (stage->message.command_result.command_id, sb_text ("c1")));
    s_push (stage, 20);
    s_expect_delta (stage, 1);
    s_end (stage);
}

Test (session, other_commands_are_refused_in_words, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    s_say (stage, (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_COMMAND,
                                        .command = {.command_id = sb_text ("c1"), .command = sb_text ("dance")}});
    cr_assert_eq (s_receive_other (stage), SB_AGENT_MESSAGE_COMMAND_RESULT);
    cr_expect_eq (stage->message.command_result.code, SB_REASON_AGENT_REFUSED);
    s_end (stage);
}

Test (session, too_large_a_delta_is_never_sent, .timeout = 20)
{
    static char text[5000];
    stage_t *stage = s_begin_with_three ();
    memset (text, 'x', sizeof (text));
    sb_change_t change = {.name = sb_text ("a"), .value = {.kind = SB_VALUE_TEXT, .text = {text, sizeof (text)}}};
    sb_delta_t delta = {.category = sb_text ("notes"), .update = {.changes = &change, .change_count = 1}};
    sb_session_push (stage->session, &delta, 99);
    cr_assert_eq (stage->decision_count, 1);
    cr_expect_eq (stage->decisions[0], SB_REASON_TOO_LARGE);
    cr_expect_eq (stage->labels[0], 99);
    s_push (stage, 40);
    s_expect_delta (stage, 4);
    s_end (stage);
}

Test (session, window_of_the_broker_is_kept, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    for (int i = 4; i <= 8; i++) {
        cr_assert (sb_session_has_room (stage->session));
        s_push (stage, 0);
    }
    cr_expect_not (sb_session_has_room (stage->session));
    s_ack (stage, 1, NULL, 0);
    cr_expect (sb_session_has_room (stage->session));
    s_end (stage);
}

Test (session, displaced_is_the_end, .timeout = 20)
{
    stage_t *stage = s_begin_with_three ();
    const char *text;
    s_say (stage, (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_GOODBYE, .goodbye = {.reason = SB_REASON_DISPLACED}});
    cr_expect_not (sb_session_turn (stage->session));
    cr_expect_eq (sb_session_failure (stage->session, &text), SB_REASON_DISPLACED);
    cr_expect_gt (strlen (text), 10);
    s_end (stage);
}

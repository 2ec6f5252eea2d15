/* SPDX-License-Identifier: MPL-2.0
 *
 * Bad input from agents, over TCP, against the real broker: each gets its one reason, its counter moves, and the good
 * agent beside it does not notice.
 */
#include "broker_stage.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite (broker_bad_messages, .timeout = 60);

/* The octets of a message, to be freed. */
static char *s_encode (const sb_agent_message_t *message, size_t *size)
{
    sb_arena_t *arena = sb_arena_new (1 << 20);
    sb_encoding_t *encoding;
    *size = sb_encode_agent_message (arena, message, &encoding);
    char *octets = malloc (*size);
    sb_encoding_write (encoding, octets);
    sb_arena_destroy (&arena);
    return octets;
}

/* Sends a delta of one change. */
static void s_send_change (sb_peer_t *peer, uint64_t sequence, const char *category, const char *subject,
                           sb_change_t change)
{
    sb_delta_t delta = {.category = sb_text (category),
                        .subject = sb_text (subject),
                        .update = {.sequence = sequence, .changes = &change, .change_count = 1}};
    sb_peer_send (peer,
                  &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = &delta, .delta_count = 1}});
}

static sb_change_t s_number (const char *name, double number)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER, .number = number}};
}

Test (broker_bad_messages, random_bytes_are_malformed)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    uint32_t random = 20240808;
    for (int i = 0; i < 50; i++) {
        uint8_t octets[97];
        for (size_t n = 0; n < sizeof octets; n++) {
            random = random * 1664525 + 1013904223;
            octets[n] = (uint8_t)(random >> 24);
        }
        sb_peer_send_bytes (bad, octets, (size_t)i + 1);
        cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED);
    }
    sb_peer_send_bytes (bad, "", 0);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_MALFORMED), 51);
    sb_text_t breaker = sb_stage_agent (&stage, "bad", "breaker");
    cr_assert (sb_text_equal (breaker, sb_text ("OPEN")), "its breaker is %.*s", (int)breaker.size, breaker.data);
    breaker = sb_stage_agent (&stage, "good", "breaker");
    cr_assert (sb_text_equal (breaker, sb_text ("CLOSED")));
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_message_cut_anywhere_is_malformed_or_a_lesser_message)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_text_t interest = sb_text ("market_data");
    size_t size;
    char *octets = s_encode (&(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REGISTRATION,
                                                   .registration = {.protocol = SB_PROTOCOL,
                                                                    .agent_id = sb_text ("bad"),
                                                                    .instance_id = 1,
                                                                    .next_sequence = 1,
                                                                    .interests = &interest,
                                                                    .interest_count = 1}},
                             &size);
    for (size_t cut = 0; cut < size; cut++) {
        sb_peer_send_bytes (bad, octets, cut);
        cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED, "cut at %zu", cut);
    }
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_MALFORMED), (int64_t)size);
    sb_peer_send_bytes (bad, octets, size);
    cr_assert (sb_peer_await (bad, SB_BROKER_MESSAGE_WELCOME), "whole, it is good");
    free (octets);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, more_frames_than_one_are_malformed_and_the_rest_is_thrown_away)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    enum { FRAMES = 2000 };
    const char *frames[FRAMES];
    for (int i = 0; i < FRAMES; i++)
        frames[i] = i ? "more" : "first";
    sb_peer_send_frames (bad, frames, 2);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED);
    sb_peer_send_frames (bad, frames, FRAMES);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED);
    sb_peer_send_number (bad, 1, "market_data", "", "price", 1);
    cr_assert_eq (sb_peer_await_decision (bad, 1), SB_REASON_NONE, "what comes after is read right");
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_MALFORMED), 2);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_ROUTING_ID_SET), 0, "no frame of the rest was taken for a peer");
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_message_over_the_limit_is_too_large)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    enum { LIMIT = 256 * 1024 };
    char *octets = calloc (1, LIMIT + 1);
    sb_peer_send_bytes (bad, octets, LIMIT + 1);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_TOO_LARGE);
    sb_peer_send_bytes (bad, octets, LIMIT);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_MALFORMED, "at the limit it is read");
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_TOO_LARGE), 1);
    free (octets);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_frame_over_the_limit_of_libzmq_is_a_counted_cut)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    sb_peer_t *leaver = sb_peer_join (sb_scene_ingress (stage.scene), "leaver", 1);
    sb_peer_destroy (&leaver);
    enum { SIZE = 4 * 256 * 1024 + 1 };
    char *octets = calloc (1, SIZE);
    sb_peer_send_bytes (bad, octets, SIZE);
    sb_stage_await_status (&stage, "cut_connections", 1);
    /* The socket connects again by itself, and has no session then. */
    sb_peer_send_number (bad, 1, "market_data", "", "price", 1);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_REGISTER_AGAIN);
    cr_assert_eq (sb_stage_status (&stage, "cut_connections"), 1, "who leaves by himself is not counted");
    free (octets);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_routing_id_of_its_own_is_refused)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), "my-name");
    sb_peer_register (bad, "bad", 1, NULL);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_ROUTING_ID_SET);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_ROUTING_ID_SET), 1);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, another_protocol_version_is_refused)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_send (bad, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REGISTRATION,
                                             .registration = {.protocol = SB_PROTOCOL + 1,
                                                              .agent_id = sb_text ("bad"),
                                                              .instance_id = 1,
                                                              .next_sequence = 1}});
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_PROTOCOL_VERSION);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_PROTOCOL_VERSION), 1);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_delta_before_registration_is_told_to_register)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_send_number (bad, 1, "market_data", "", "price", 1);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_REGISTER_AGAIN);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_REGISTER_AGAIN), 1);
    cr_assert_eq (sb_stage_status (&stage, "agents"), 1, "it creates nothing");
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, bad_agent_ids_are_refused)
{
    static const char *const ids[] = {
        "", "a.b", "_event", "a b", "\xc3\xb6", "12345678901234567890123456789012345678901234567890123456789012345"};
    enum { IDS = sizeof ids / sizeof ids[0] };
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    for (int i = 0; i < IDS; i++) {
        sb_peer_register (bad, ids[i], 1, NULL);
        cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_BAD_AGENT_ID, "%s", ids[i]);
    }
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_BAD_AGENT_ID), IDS);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, each_bad_delta_is_refused_with_its_reason_and_uses_up_its_number)
{
    static const char *const arguments[] = {"--breaker-failure-threshold=32", NULL};
    static const struct {
        const char *category;
        const char *subject;
        const char *name;
        sb_value_t value;
        sb_reason_t reason;
    } rows[] = {
        {"Market", "", "price", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_CATEGORY},
        {"all", "", "price", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_CATEGORY},
        {"_event", "", "price", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_CATEGORY},
        {"market_data", "B.C", "price", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_SUBJECT},
        {"market_data", "", "", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_FIELD_NAME},
        {"market_data", "", "a..b", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_FIELD_NAME},
        {"market_data", "", "\xff", {.kind = SB_VALUE_BOOLEAN}, SB_REASON_BAD_FIELD_NAME},
        {"market_data", "", "price", {.kind = SB_VALUE_NUMBER, .number = NAN}, SB_REASON_NOT_FINITE},
        {"market_data", "", "price", {.kind = SB_VALUE_NUMBER, .number = INFINITY}, SB_REASON_NOT_FINITE},
        {"market_data", "", "price", {.kind = SB_VALUE_NUMBER, .number = -INFINITY}, SB_REASON_NOT_FINITE},
        {"market_data", "", "price", {.kind = SB_VALUE_DECIMAL, .decimal = {1, 65}}, SB_REASON_BAD_DECIMAL},
        {"market_data", "", "price", {.kind = SB_VALUE_NONE}, SB_REASON_NO_VALUE},
        {"market_data", "", "note", {.kind = SB_VALUE_TEXT, .text = {"a\xff", 2}}, SB_REASON_BAD_TEXT},
        {"market_data", "", "note", {.kind = SB_VALUE_TEXT, .text = {"\xed\xa0\x80", 3}}, SB_REASON_BAD_TEXT},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    for (uint32_t i = 0; i < ROWS; i++) {
        const int64_t before = sb_stage_refused (&stage, rows[i].reason);
        s_send_change (bad, i + 1, rows[i].category, rows[i].subject,
                       (sb_change_t){.name = sb_text (rows[i].name), .value = rows[i].value});
        cr_assert_eq (sb_peer_await_decision (bad, i + 1), rows[i].reason, "row %u", i);
        cr_assert_eq (sb_stage_refused (&stage, rows[i].reason), before + 1, "row %u", i);
    }
    s_send_change (bad, ROWS + 1, "market_data", "", s_number ("price", 1));
    cr_assert_eq (sb_peer_await_decision (bad, ROWS + 1), SB_REASON_NONE);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, a_nul_inside_a_text_is_refused)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    sb_change_t change = {.name = sb_text ("note"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("leftXright")}};
    sb_delta_t delta = {.category = sb_text ("market_data"),
                        .update = {.sequence = 1, .changes = &change, .change_count = 1}};
    size_t size;
    char *octets = s_encode (
        &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = &delta, .delta_count = 1}}, &size);
    *(char *)memchr (octets, 'X', size) = '\0';
    sb_peer_send_bytes (bad, octets, size);
    cr_assert_eq (sb_peer_await_decision (bad, 1), SB_REASON_BAD_TEXT);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_BAD_TEXT), 1);
    free (octets);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, one_agent_more_than_the_limit_is_refused)
{
    static const char *const arguments[] = {"--limits-agents=3", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_peer_t *second = sb_peer_join (sb_scene_ingress (stage.scene), "second", 1);
    sb_peer_t *third = sb_peer_join (sb_scene_ingress (stage.scene), "third", 1);
    sb_peer_t *bad = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_register (bad, "bad", 1, NULL);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_TOO_MANY_AGENTS);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_TOO_MANY_AGENTS), 1);
    cr_assert_eq (sb_stage_status (&stage, "agents"), 3);
    sb_peer_destroy (&bad);
    sb_peer_destroy (&third);
    sb_peer_destroy (&second);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, one_field_more_than_the_limit_is_refused)
{
    enum { FIELDS = 4096, PER_DELTA = 1024 };
    static sb_change_t changes[PER_DELTA];
    static char names[PER_DELTA][16];
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    for (uint64_t sequence = 1; sequence <= FIELDS / PER_DELTA; sequence++) {
        for (int i = 0; i < PER_DELTA; i++) {
            snprintf (names[i], sizeof names[i], "f%lu-%d", (unsigned long)sequence, i);
            changes[i] = s_number (names[i], 1);
        }
        sb_delta_t delta = {.category = sb_text ("market_data"),
                            .update = {.sequence = sequence, .changes = changes, .change_count = PER_DELTA}};
        sb_peer_send (
            bad, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = &delta, .delta_count = 1}});
        cr_assert_eq (sb_peer_await_decision (bad, sequence), SB_REASON_NONE);
    }
    const uint64_t next = FIELDS / PER_DELTA + 1;
    s_send_change (bad, next, "market_data", "", s_number ("one_more", 1));
    cr_assert_eq (sb_peer_await_decision (bad, next), SB_REASON_TOO_MANY_FIELDS);
    s_send_change (bad, next + 1, "market_data", "", s_number (names[0], 2));
    cr_assert_eq (sb_peer_await_decision (bad, next + 1), SB_REASON_NONE, "a known field still changes");
    s_send_change (bad, next + 2, "risk", "", s_number ("one_more", 1));
    cr_assert_eq (sb_peer_await_decision (bad, next + 2), SB_REASON_NONE, "another category has room");
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_TOO_MANY_FIELDS), 1);
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, sequences_repeated_skipped_going_back_and_zero)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *bad = sb_peer_join (sb_scene_ingress (stage.scene), "bad", 1);
    sb_peer_send_number (bad, 1, "market_data", "", "price", 1);
    cr_assert_eq (sb_peer_await_decision (bad, 1), SB_REASON_NONE);
    sb_peer_send_number (bad, 2, "market_data", "", "", 1);
    cr_assert_eq (sb_peer_await_decision (bad, 2), SB_REASON_BAD_FIELD_NAME);
    const int64_t accepted = sb_stage_status (&stage, "deltas_accepted");

    sb_peer_send_number (bad, 2, "market_data", "", "price", 2);
    cr_assert_eq (sb_peer_await_decision (bad, 2), SB_REASON_BAD_FIELD_NAME, "a repeat gets its first decision");
    sb_peer_send_number (bad, 1, "market_data", "", "price", 3);
    cr_assert_eq (sb_peer_await_decision (bad, 1), SB_REASON_NONE, "going back is a repeat");
    cr_assert_eq (sb_stage_status (&stage, "deltas_accepted"), accepted, "nothing was applied a second time");
    cr_assert_eq (sb_stage_status (&stage, "deltas_repeated"), 2);

    sb_peer_send_number (bad, 9, "market_data", "", "price", 4);
    const sb_broker_message_t *message = sb_peer_await (bad, SB_BROKER_MESSAGE_REFUSAL);
    cr_assert (message);
    cr_assert_eq (message->refusal.reason, SB_REASON_SEQUENCE_GAP);
    cr_assert_eq (message->refusal.expected_sequence, 3);
    sb_peer_send_number (bad, 0, "market_data", "", "price", 4);
    cr_assert_eq (sb_peer_await_refusal (bad), SB_REASON_BAD_SEQUENCE);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_SEQUENCE_GAP), 1);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_BAD_SEQUENCE), 1);
    sb_peer_send_number (bad, 3, "market_data", "", "price", 5);
    cr_assert_eq (sb_peer_await_decision (bad, 3), SB_REASON_NONE, "the expected number goes on");
    sb_peer_destroy (&bad);
    sb_stage_end (&stage);
}

Test (broker_bad_messages, an_old_instance_that_comes_back_is_superseded)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    const char *ingress = sb_scene_ingress (stage.scene);
    sb_peer_t *old = sb_peer_join (ingress, "bad", 100);
    sb_peer_t *new = sb_peer_join (ingress, "bad", 200);
    const sb_broker_message_t *message = sb_peer_await (old, SB_BROKER_MESSAGE_GOODBYE);
    cr_assert (message);
    cr_assert_eq (message->goodbye.reason, SB_REASON_DISPLACED);
    sb_peer_register (old, "bad", 100, NULL);
    cr_assert_eq (sb_peer_await_refusal (old), SB_REASON_SUPERSEDED);
    cr_assert_eq (sb_stage_refused (&stage, SB_REASON_SUPERSEDED), 1);
    sb_peer_send_number (new, 1, "market_data", "", "price", 1);
    cr_assert_eq (sb_peer_await_decision (new, 1), SB_REASON_NONE, "the newer one goes on");
    sb_peer_destroy (&old);
    sb_peer_destroy (&new);
    sb_stage_end (&stage);
}

/* Opens a connection, sends `text`, and waits until the broker closes it. */
static void s_talk_plain_tcp (const sb_stage_t *stage, const char *text)
{
    char command[512];
    snprintf (command, sizeof command, "exec 3<>/dev/tcp/127.0.0.1/%s; printf '%s' >&3; cat <&3 >/dev/null",
              strrchr (sb_scene_ingress (stage->scene), ':') + 1, text);
    const char *const arguments[] = {"-c", command, NULL};
    sb_process_t *process = sb_process_start ("bash", arguments, "/dev/null");
    cr_assert_geq (sb_process_wait (process, SB_PATIENCE_MS), 0, "the broker kept the connection");
    sb_process_destroy (&process);
}

Test (broker_bad_messages, who_speaks_no_zeromq_is_closed_and_is_not_counted_as_cut)
{
    static const char *const arguments[] = {"--network-handshake-timeout=200ms", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    s_talk_plain_tcp (&stage, "");
    s_talk_plain_tcp (&stage, "GET / HTTP/1.0\\r\\n\\r\\n");
    s_talk_plain_tcp (&stage, "\\377\\0\\0\\0\\0\\0\\0\\0\\1\\177\\3\\0NONSENSE");
    sb_stage_await_status (&stage, "ticks", sb_stage_status (&stage, "ticks") + 2);
    cr_assert_eq (sb_stage_status (&stage, "cut_connections"), 0);
    sb_stage_await_status (&stage, "failed_handshakes", 3);
    cr_assert_eq (sb_stage_status (&stage, "failed_accepts"), 0);
    sb_stage_end (&stage);
}

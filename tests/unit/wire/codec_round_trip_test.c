/* SPDX-License-Identifier: MPL-2.0
 *
 * Bytes to structs to bytes, for every message of the schema; and field by field for the structs
 * that matter most, since a pair of swapped fields would survive the round trip of bytes.
 */
#include "samples.h"

#include "sb_histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20 };

static sb_arena_t *s_arena;

static void s_setup (void)
{
    s_arena = sb_arena_new (ARENA_BYTES);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (round_trip, .init = s_setup, .fini = s_teardown, .timeout = 60);

Test (round_trip, every_message_with_every_field_set_comes_back_octet_by_octet)
{
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++)
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sb_arena_reset (s_arena);
            sample_t sample = sample_new (frame, number, true);
            sample_t again = {NULL, 0};
            sb_fault_t fault = sample_decode (frame, &sample, s_arena, &again);
            cr_assert_eq (fault.reason, SB_REASON_NONE, "frame %d sample %u: %s", frame, number, fault.text.data);
            cr_assert_eq (again.size, sample.size, "frame %d sample %u: %zu octets became %zu", frame, number,
                          sample.size, again.size);
            cr_assert_eq (memcmp (again.data, sample.data, sample.size), 0, "frame %d sample %u", frame, number);
            sample_free (&sample);
            sample_free (&again);
        }
}

/* With nothing set, absent submessages come back as empty ones: the second generation is the same as the third. */
Test (round_trip, every_message_with_no_field_set_is_stable)
{
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++)
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sb_arena_reset (s_arena);
            sample_t first = sample_new (frame, number, false);
            sample_t second = {NULL, 0}, third = {NULL, 0};
            sb_fault_t fault = sample_decode (frame, &first, s_arena, &second);
            bool is_refused = frame == SAMPLE_COMMAND_REQUEST || frame == SAMPLE_COMMAND_REPLY ||
                              (frame == SAMPLE_AGENT_MESSAGE && number == 2) ||  /* a batch of none */
                              (frame == SAMPLE_AGENT_MESSAGE && number >= 10) || /* snapshots of no id */
                              (frame == SAMPLE_BROKER_MESSAGE && number >= 7);
            cr_assert_eq (fault.reason, is_refused ? SB_REASON_MALFORMED : SB_REASON_NONE, "frame %d sample %u", frame,
                          number);
            if (!is_refused) {
                fault = sample_decode (frame, &second, s_arena, &third);
                cr_assert_eq (fault.reason, SB_REASON_NONE);
                cr_assert (second.size == third.size && memcmp (second.data, third.data, second.size) == 0);
            }
            sample_free (&first);
            sample_free (&second);
            sample_free (&third);
        }
}

/* Encodes and decodes again; the bytes must outlive the structs no longer than the call. */
#define THROUGH(function, source, target)                                                                              \
    do {                                                                                                               \
        sb_encoding_t *encoding_;                                                                                      \
        size_t size_ = sb_encode_##function (s_arena, (source), &encoding_);                                           \
        cr_assert_gt (size_, 0);                                                                                       \
        unsigned char *octets_ = malloc (size_);                                                                       \
        sb_encoding_write (encoding_, octets_);                                                                        \
        sb_fault_t fault_ = sb_decode_##function (s_arena, octets_, size_, size_, (target));                           \
        free (octets_);                                                                                                \
        cr_assert_eq (fault_.reason, SB_REASON_NONE, "%s", fault_.text.data);                                          \
    } while (0)

#define EXPECT_TEXT(actual, expected)                                                                                  \
    do {                                                                                                               \
        cr_expect (sb_text_equal ((actual), sb_text (expected)), #actual);                                             \
        cr_expect_eq ((actual).data[(actual).size], '\0', #actual " ends in a NUL");                                   \
    } while (0)

static const sb_change_t s_changes[] = {
    {.name = {"a", 1}, .value = {.kind = SB_VALUE_NUMBER, .number = -0.0}},
    {.name = {"b", 1}, .value = {.kind = SB_VALUE_INTEGER, .integer = INT64_MIN}},
    {.name = {"c", 1}, .value = {.kind = SB_VALUE_DECIMAL, .decimal = {INT64_MAX, -64}}},
    {.name = {"d", 1}, .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}},
    {.name = {"e", 1}, .value = {.kind = SB_VALUE_TEXT, .text = {"\xe2\x82\xac", 3}}},
    {.name = {"f", 1}, .value = {.kind = SB_VALUE_BYTES, .bytes = {"\0\xff", 2}}},
    {.name = {"g.h", 3}, .is_delete = true},
    {.name = {"i", 1}, .value = {.kind = SB_VALUE_TEXT, .text = {NULL, 0}}},
    {.name = {"j", 1}, .value = {.kind = SB_VALUE_BYTES, .bytes = {NULL, 0}}},
};
enum { CHANGES = sizeof s_changes / sizeof s_changes[0] };

static void s_expect_changes (const sb_change_t *changes)
{
    for (uint32_t i = 0; i < CHANGES; i++) {
        cr_expect (sb_text_equal (changes[i].name, s_changes[i].name));
        cr_expect_eq (changes[i].is_delete, s_changes[i].is_delete);
        cr_expect_eq (changes[i].value.kind, s_changes[i].value.kind);
    }
    cr_expect (changes[0].value.number == 0.0 && __builtin_signbit (changes[0].value.number));
    cr_expect_eq (changes[1].value.integer, INT64_MIN);
    cr_expect_eq (changes[2].value.decimal.unscaled, INT64_MAX);
    cr_expect_eq (changes[2].value.decimal.exponent, -64);
    cr_expect (changes[3].value.boolean);
    EXPECT_TEXT (changes[4].value.text, "\xe2\x82\xac");
    cr_expect (sb_text_equal (changes[5].value.bytes, s_changes[5].value.bytes));
    cr_expect_eq (changes[7].value.text.size, 0);
    cr_expect_eq (changes[8].value.bytes.size, 0);
}

Test (round_trip, one_delta_and_its_values)
{
    sb_delta_t delta = {.category = sb_text ("market_data"),
                        .subject = sb_text ("spot:BTC"),
                        .update = {7, -8, 9, s_changes, CHANGES, 0},
                        .time_to_live_ms = UINT32_MAX};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}}, decoded;
    THROUGH (agent_message, &message, &decoded);
    cr_assert_eq (decoded.kind, SB_AGENT_MESSAGE_BATCH);
    cr_assert_eq (decoded.batch.delta_count, 1);
    const sb_delta_t *back = &decoded.batch.deltas[0];
    cr_assert_eq (back->fault, SB_REASON_NONE);
    EXPECT_TEXT (back->category, "market_data");
    EXPECT_TEXT (back->subject, "spot:BTC");
    cr_expect_eq (back->update.sequence, 7);
    cr_expect_eq (back->update.event_unix_ns, -8);
    cr_expect_eq (back->update.origin_unix_ns, 9);
    cr_expect_eq (back->time_to_live_ms, UINT32_MAX);
    cr_assert_eq (back->update.change_count, CHANGES);
    s_expect_changes (back->update.changes);
}

Test (round_trip, publication_with_its_topic)
{
    sb_update_t updates[] = {{1, 2, 3, s_changes, CHANGES, 0}, {4, 5, 6, NULL, 0, 7}};
    sb_publication_t publication = {.topic = sb_text ("market_data.feed."),
                                    .stream_id = SB_NUMBER_MAX,
                                    .epoch = 2,
                                    .sequence = 3,
                                    .category_sequence = 4,
                                    .topic_sequence = 5,
                                    .agent_id = sb_text ("feed"),
                                    .broker_unix_ns = 6,
                                    .quality = SB_QUALITY_FORCED_STALE,
                                    .cause = SB_CAUSE_RECOVERED,
                                    .updates = updates,
                                    .update_count = 2,
                                    .first_topic_sequence = 1,
                                    .agent_sequence = SB_NUMBER_MAX - 1,
                                    .conflated_sequence = 8};
    sb_publication_t back;
    THROUGH (publication, &publication, &back);
    EXPECT_TEXT (back.topic, "market_data.feed.");
    EXPECT_TEXT (back.agent_id, "feed");
    cr_expect_eq (back.stream_id, SB_NUMBER_MAX);
    cr_expect_eq (back.epoch, 2);
    cr_expect_eq (back.sequence, 3);
    cr_expect_eq (back.category_sequence, 4);
    cr_expect_eq (back.topic_sequence, 5);
    cr_expect_eq (back.broker_unix_ns, 6);
    cr_expect_eq (back.quality, SB_QUALITY_FORCED_STALE);
    cr_expect_eq (back.cause, SB_CAUSE_RECOVERED);
    cr_assert_eq (back.update_count, 2);
    cr_expect_eq (back.updates[0].origin_unix_ns, 3);
    s_expect_changes (back.updates[0].changes);
    cr_expect_eq (back.updates[1].sequence, 4);
    cr_expect_eq (back.updates[1].change_count, 0);
    cr_expect_eq (back.updates[0].publication_sequence, 0);
    cr_expect_eq (back.updates[1].publication_sequence, 7);
    cr_expect_eq (back.first_topic_sequence, 1);
    cr_expect_eq (back.agent_sequence, SB_NUMBER_MAX - 1);
    cr_expect_eq (back.conflated_sequence, 8);
}

Test (round_trip, heartbeat_field_by_field)
{
    uint64_t buckets[SB_HISTOGRAM_BUCKETS] = {[0] = 1, [109] = UINT64_MAX};
    sb_interest_position_t seen[] = {{sb_text ("a."), 20, 21, 0}, {sb_text ("b."), 22, 23, 0}};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT,
                                  .heartbeat = {.received = 1,
                                                .processed = 2,
                                                .failed = 3,
                                                .dropped = 4,
                                                .seen = seen,
                                                .seen_count = 2,
                                                .queue_depth = 5,
                                                .processing_count = 6,
                                                .processing_sum_ns = 7,
                                                .processing_max_ns = 8,
                                                .processing_p99_ns = 9,
                                                .progress = 10,
                                                .operator_revision = 11,
                                                .latch_epoch = 12,
                                                .paused = true,
                                                .self_paused = false,
                                                .decided_through = 13,
                                                .delivery_buckets = buckets,
                                                .delivery_bucket_count = SB_HISTOGRAM_BUCKETS,
                                                .stopped_deliveries = 14}};
    sb_agent_message_t decoded;
    THROUGH (agent_message, &message, &decoded);
    cr_assert_eq (decoded.kind, SB_AGENT_MESSAGE_HEARTBEAT);
    const sb_heartbeat_t *back = &decoded.heartbeat;
    const uint64_t numbers[] = {back->received,          back->processed,         back->failed,
                                back->dropped,           back->queue_depth,       back->processing_count,
                                back->processing_sum_ns, back->processing_max_ns, back->processing_p99_ns,
                                back->progress,          back->operator_revision, back->latch_epoch,
                                back->decided_through,   back->stopped_deliveries};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        cr_expect_eq (numbers[i], i + 1);
    cr_expect (back->paused);
    cr_expect_not (back->self_paused);
    cr_assert_eq (back->seen_count, 2);
    EXPECT_TEXT (back->seen[1].interest, "b.");
    cr_expect_eq (back->seen[1].sequence, 22);
    cr_expect_eq (back->seen[1].category_sequence, 23);
    cr_assert_eq (back->delivery_bucket_count, SB_HISTOGRAM_BUCKETS);
    cr_expect_eq (memcmp (back->delivery_buckets, buckets, sizeof buckets), 0);
}

Test (round_trip, command_request_texts_are_not_mixed_up)
{
    sb_parameter_t parameter = {sb_text ("last"), {.kind = SB_VALUE_INTEGER, .integer = 5}};
    sb_command_request_t request = {sb_text ("id"),
                                    sb_text ("history"),
                                    sb_text ("feed"),
                                    &parameter,
                                    1,
                                    sb_text ("why"),
                                    sb_text ("who"),
                                    11,
                                    12,
                                    1};
    sb_command_request_t back;
    THROUGH (command_request, &request, &back);
    EXPECT_TEXT (back.command_id, "id");
    EXPECT_TEXT (back.command, "history");
    EXPECT_TEXT (back.agent_id, "feed");
    EXPECT_TEXT (back.reason, "why");
    EXPECT_TEXT (back.issuer, "who");
    cr_assert_eq (back.parameter_count, 1);
    EXPECT_TEXT (back.parameters[0].name, "last");
    cr_expect_eq (back.parameters[0].value.integer, 5);
    cr_expect_eq (back.issued_unix_ns, 11);
    cr_expect_eq (back.timeout_ms, 12);
    cr_expect_eq (back.protocol, 1);
}

Test (round_trip, welcome_texts_and_numbers_are_not_mixed_up)
{
    sb_text_t texts[] = {sb_text ("x"), sb_text ("y"), sb_text ("z")};
    sb_time_to_live_t times[] = {{sb_text ("u"), 18}, {sb_text ("v"), UINT32_MAX}};
    sb_refusal_t refused = {SB_REASON_PAUSED, sb_text ("text"), 31, 32, sb_text ("field"), 33};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME,
                                   .welcome = {1,
                                               2,
                                               3,
                                               4,
                                               &refused,
                                               1,
                                               true,
                                               0,
                                               sb_text ("tcp://*:5"),
                                               5,
                                               {6, 7, 8, 9},
                                               {true, false, 10, sb_text ("operator"), sb_text ("pause"), 11},
                                               {false, 12, sb_text ("latcher"), sb_text ("stop"), 13, &texts[0], 1},
                                               {SB_BREAKER_HALF_OPEN, 14, 15},
                                               &texts[1],
                                               1,
                                               16,
                                               17,
                                               &texts[2],
                                               1,
                                               times,
                                               2}};
    sb_broker_message_t decoded;
    THROUGH (broker_message, &message, &decoded);
    cr_assert_eq (decoded.kind, SB_BROKER_MESSAGE_WELCOME);
    const sb_welcome_t *back = &decoded.welcome;
    const uint64_t numbers[] = {back->session_id,
                                back->stream_id,
                                back->epoch,
                                back->decided_through,
                                back->heartbeat_interval_ms,
                                back->limits.max_message_bytes,
                                back->limits.max_unacked,
                                back->limits.max_changes,
                                back->limits.max_fields,
                                back->operator_state.revision,
                                (uint64_t)back->operator_state.since_unix_ns,
                                back->latch.latch_epoch,
                                (uint64_t)back->latch.since_unix_ns,
                                back->breaker.retry_after_ms,
                                back->breaker.open_count,
                                (uint64_t)back->broker_unix_ns,
                                back->control_timeout_ms};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        cr_expect_eq (numbers[i], i + 1);
    cr_expect (back->state_known && back->operator_state.paused);
    cr_expect_not (back->operator_state.confirmed || back->latch.stopped);
    cr_expect_eq (back->breaker.state, SB_BREAKER_HALF_OPEN);
    EXPECT_TEXT (back->publish_endpoint, "tcp://*:5");
    EXPECT_TEXT (back->operator_state.issuer, "operator");
    EXPECT_TEXT (back->operator_state.reason, "pause");
    EXPECT_TEXT (back->latch.issuer, "latcher");
    EXPECT_TEXT (back->latch.reason, "stop");
    EXPECT_TEXT (back->latch.admitted_categories[0], "x");
    EXPECT_TEXT (back->interests[0], "y");
    EXPECT_TEXT (back->event_categories[0], "z");
    cr_assert_eq (back->time_to_live_count, 2);
    EXPECT_TEXT (back->times_to_live[0].category, "u");
    cr_expect_eq (back->times_to_live[0].time_to_live_ms, 18);
    EXPECT_TEXT (back->times_to_live[1].category, "v");
    cr_expect_eq (back->times_to_live[1].time_to_live_ms, UINT32_MAX);
    cr_assert_eq (back->refused_count, 1);
    cr_expect_eq (back->refused[0].reason, SB_REASON_PAUSED);
    EXPECT_TEXT (back->refused[0].text, "text");
    EXPECT_TEXT (back->refused[0].field, "field");
    cr_expect_eq (back->refused[0].sequence, 31);
    cr_expect_eq (back->refused[0].expected_sequence, 32);
    cr_expect_eq (back->refused[0].retry_after_ms, 33);
}

Test (round_trip, encoding_the_same_again_takes_no_new_memory)
{
    sb_delta_t delta = {.category = sb_text ("market_data"), .update = {7, 0, 0, s_changes, CHANGES, 0}};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    sb_encoding_t *first, *second;
    for (int i = 0; i < 3; i++) {
        sb_arena_reset (s_arena);
        cr_assert_gt (sb_encode_agent_message (s_arena, &message, &first), 0);
    }
    sb_arena_reset (s_arena);
    cr_assert_gt (sb_encode_agent_message (s_arena, &message, &second), 0);
    cr_expect_eq (first, second, "the arena's one block is used again");
}

Test (round_trip, encoder_says_when_the_arena_is_full)
{
    static char octets[8192];
    memset (octets, 'a', sizeof octets);
    sb_arena_t *small = sb_arena_new (4096);
    sb_command_reply_t reply = {.message = {octets, sizeof octets}};
    sb_encoding_t *encoding = (sb_encoding_t *)octets;
    cr_expect_eq (sb_encode_command_reply (small, &reply, &encoding), 0);
    cr_expect_null (encoding);
    sb_arena_reset (small);
    sb_change_t *many = calloc (1000, sizeof *many);
    for (int i = 0; i < 1000; i++)
        many[i].name = sb_text ("name");
    sb_delta_t delta = {.update = {1, 0, 0, many, 1000, 0}};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    cr_expect_eq (sb_encode_agent_message (small, &message, &encoding), 0);
    free (many);
    sb_arena_destroy (&small);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Deltas and updates that resemble the one before them, which the codec's hot path reads without checking again what
 * was right there. Each octet of such a message is changed to each other one, and the message is cut at each place:
 * what comes out is what protobuf-c reads (hot_twins.c). Then what is shared, and what is not.
 */
#include "hot_twins.h"
#include "samples.h"
#include "sb_hot.h"

#include <criterion/criterion.h>
#include <string.h>

enum { COUNT = 4, FRAME_MAX = 4096 };

static const uint64_t s_step_ns = UINT64_C (1) << 27; /* what times near each other differ by at most */

static sb_change_t s_changes[COUNT][3];
static sb_delta_t s_deltas[COUNT];
static sb_update_t s_updates[COUNT];
static sb_publication_t s_publication;
static unsigned char s_frame[FRAME_MAX];
static size_t s_size;
static sb_arena_t *s_arena;

/* Likes: what differs are numbers, and the octets of values. */
static void s_setup (void)
{
    static const char octets[COUNT][4] = {"abc", "def", "gh", "ijk"};
    for (uint32_t i = 0; i < COUNT; i++) {
        s_changes[i][0] =
            (sb_change_t){.name = {"payload", 7}, .value = {.kind = SB_VALUE_BYTES, .bytes = {octets[i], 3}}};
        s_changes[i][1] = (sb_change_t){.name = {"n", 1}, .value = {.kind = SB_VALUE_NUMBER, .number = i + 0.5}};
        s_changes[i][2] = (sb_change_t){.name = {"a_name_of_some_size", 19}, .is_delete = true};
        s_updates[i] = (sb_update_t){.sequence = 16383 + i,
                                     .event_unix_ns = (int64_t)(s_step_ns * 13337000000 + i * (s_step_ns / 2)),
                                     .origin_unix_ns = (int64_t)(s_step_ns * 13337000000 - i),
                                     .changes = s_changes[i],
                                     .change_count = 3};
        s_deltas[i] = (sb_delta_t){.category = {"market_data", 11}, .subject = {"BTC", 3}, .update = s_updates[i]};
    }
    s_publication = (sb_publication_t){.topic = {"market_data.feed.BTC", 20},
                                       .stream_id = SB_NUMBER_MAX,
                                       .epoch = 1,
                                       .sequence = 300,
                                       .agent_id = {"feed", 4},
                                       .broker_unix_ns = (int64_t)(s_step_ns * 13337000000),
                                       .quality = SB_QUALITY_OK,
                                       .updates = s_updates,
                                       .update_count = COUNT,
                                       .agent_sequence = 70000};
    s_arena = sb_arena_new (1 << 20);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (hot_repeat, .init = s_setup, .fini = s_teardown, .timeout = 200);

static void s_encode_batch (uint32_t count)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {s_deltas, count}};
    sb_encoding_t *encoding;
    sb_arena_reset (s_arena);
    s_size = sb_protobuf_encode_agent_message (s_arena, &message, &encoding);
    cr_assert (s_size > 0 && s_size <= FRAME_MAX);
    sb_encoding_write (encoding, s_frame);
}

static void s_encode_publication (uint32_t count)
{
    sb_encoding_t *encoding;
    s_publication.update_count = count;
    sb_arena_reset (s_arena);
    s_size = sb_protobuf_encode_publication (s_arena, &s_publication, &encoding);
    cr_assert (s_size > 0 && s_size <= FRAME_MAX);
    sb_encoding_write (encoding, s_frame);
}

/* The frame as it is is hot; changed or cut anywhere it is read as protobuf-c reads it. */
static void s_expect_same_anywhere (const char *(*twins) (const void *, size_t, bool *))
{
    bool is_hot;
    uint32_t hot_count = 0;
    cr_assert_null (twins (s_frame, s_size, &is_hot));
    cr_assert (is_hot);
    for (size_t at = 0; at < s_size; at++) {
        unsigned char octet = s_frame[at];
        const char *difference = twins (s_frame, at, &is_hot);
        cr_assert_null (difference, "cut at %zu of %zu: %s", at, s_size, difference);
        for (unsigned changed = 1; changed < 256; changed++) {
            s_frame[at] = (unsigned char)(octet ^ changed);
            difference = twins (s_frame, s_size, &is_hot);
            cr_assert_null (difference, "octet %zu of %zu is %u: %s", at, s_size, s_frame[at], difference);
            hot_count += is_hot;
        }
        s_frame[at] = octet;
    }
    cr_expect_gt (hot_count, s_size, "values, numbers and names may change");
}

Test (hot_repeat, any_octet_of_a_batch_of_likes_may_change)
{
    for (uint32_t count = 1; count <= COUNT; count++) {
        s_encode_batch (count);
        s_expect_same_anywhere (hot_twins_agent_message);
    }
}

Test (hot_repeat, any_octet_of_a_publication_of_likes_may_change)
{
    for (uint32_t count = 0; count <= COUNT; count++) {
        s_encode_publication (count);
        s_expect_same_anywhere (hot_twins_publication);
    }
}

/* The first changes are the smallest there are, and the last name is the frame's end. */
Test (hot_repeat, any_octet_of_short_deltas_may_change)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        s_changes[i][0] = (sb_change_t){.name = {"a", 1}, .value = {.kind = SB_VALUE_BYTES, .bytes = {"", 0}}};
        s_deltas[i].category.size = 0;
        s_deltas[i].subject = (sb_text_t){"x", i % 2};
        s_deltas[i].update = (sb_update_t){.changes = s_changes[i], .change_count = 1};
    }
    s_encode_batch (COUNT);
    s_expect_same_anywhere (hot_twins_agent_message);
}

Test (hot_repeat, a_delta_after_a_bad_one_is_read)
{
    static const sb_text_t bad[] = {{"BTC ", 4}, {"B.C", 3}, {"\xff", 1}, {"", 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sb_delta_t good = s_deltas[1];
        bool is_hot;
        s_deltas[1].subject = bad[i];
        s_deltas[2].category = (sb_text_t){"all", 3};
        s_encode_batch (COUNT);
        cr_expect_null (hot_twins_agent_message (s_frame, s_size, &is_hot));
        cr_expect_not (is_hot);
        s_deltas[1] = good;
        s_changes[1][0].name = bad[i];
        s_encode_batch (COUNT);
        cr_expect_null (hot_twins_agent_message (s_frame, s_size, &is_hot));
        cr_expect_not (is_hot);
        s_changes[1][0].name = (sb_text_t){"payload", 7};
    }
}

Test (hot_repeat, likes_share_texts_and_others_do_not)
{
    sb_agent_message_t message;
    s_deltas[2].subject = (sb_text_t){"BTD", 3};
    s_changes[3][0].name = (sb_text_t){"payloae", 7};
    s_encode_batch (COUNT);
    sb_arena_reset (s_arena);
    cr_assert (sb_hot_decode_agent_message (s_arena, s_frame, s_size, FRAME_MAX, &message));
    const sb_delta_t *deltas = message.batch.deltas;
    for (uint32_t i = 1; i < COUNT; i++) {
        cr_expect_eq (deltas[i].category.data, deltas[0].category.data);
        cr_expect_neq (deltas[i].update.changes[0].value.bytes.data, deltas[i - 1].update.changes[0].value.bytes.data);
    }
    cr_expect_eq (deltas[1].subject.data, deltas[0].subject.data);
    cr_expect_str_eq (deltas[1].subject.data, "BTC");
    cr_expect_str_eq (deltas[2].subject.data, "BTD");
    cr_expect_str_eq (deltas[3].subject.data, "BTC");
    cr_expect_eq (deltas[1].update.changes[0].name.data, deltas[0].update.changes[0].name.data);
    cr_expect_str_eq (deltas[2].update.changes[0].name.data, "payload");
    cr_expect_str_eq (deltas[3].update.changes[0].name.data, "payloae");
}

Test (hot_repeat, times_are_read_wherever_they_lie)
{
    static const int64_t bases[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_C (1790000000000000000), INT64_C (1) << 55};
    for (size_t base = 0; base < sizeof bases / sizeof *bases; base++)
        for (uint32_t shift = 0; shift < 64; shift++) {
            bool is_hot;
            for (uint32_t i = 0; i < COUNT; i++) {
                s_deltas[i].update.event_unix_ns = (int64_t)((uint64_t)bases[base] + ((uint64_t)i << shift));
                s_deltas[i].update.origin_unix_ns = (int64_t)((uint64_t)bases[base] - ((uint64_t)i << shift));
            }
            s_encode_batch (COUNT);
            const char *difference = hot_twins_agent_message (s_frame, s_size, &is_hot);
            cr_assert_null (difference, "%zu, %u: %s", base, shift, difference);
            cr_assert (is_hot);
        }
}

/* A number of five octets, the last a 0 too many, with zeros behind it: no tag, and not the rest of a time. */
Test (hot_repeat, zeros_are_no_part_of_a_time)
{
    static const unsigned char octets[] = {0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 0};
    for (uint32_t count = 1; count <= 2; count++) {
        s_encode_batch (count);
        for (size_t at = 0; at + sizeof octets <= s_size; at++) {
            unsigned char before[sizeof octets];
            bool is_hot;
            memcpy (before, s_frame + at, sizeof octets);
            memcpy (s_frame + at, octets, sizeof octets);
            const char *difference = hot_twins_agent_message (s_frame, s_size, &is_hot);
            cr_assert_null (difference, "at %zu: %s", at, difference);
            memcpy (s_frame + at, before, sizeof octets);
        }
    }
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding what lies next to its like: deltas and updates that have their time or topic in common with their
 * neighbours, or not, and octets of each size at which a part needs more octets for its own. The octets must be those
 * of protobuf-c.
 */
#include "sb_codec_private.h"
#include "sb_hot.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DELTAS = 6, OCTETS = 20000, FRAME = 8 * OCTETS };

static sb_arena_t *s_arena;
static char s_octets[OCTETS];
static char s_texts[2][80];
static sb_change_t s_changes[DELTAS];
static sb_update_t s_updates[DELTAS];
static sb_delta_t s_deltas[DELTAS];
static sb_agent_message_t s_message;
static sb_publication_t s_publication;

static void s_setup (void)
{
    for (uint32_t i = 0; i < OCTETS; i++)
        s_octets[i] = (char)('a' + i * 7 % 26);
    memset (s_texts[0], 'x', sizeof s_texts[0]);
    memset (s_texts[1], 'x', sizeof s_texts[1]); /* the same text at another place */
    for (uint32_t i = 0; i < DELTAS; i++) {
        s_changes[i] = (sb_change_t){.name = {s_octets + i, 5}, .value = {.kind = SB_VALUE_BYTES}};
        s_changes[i].value.bytes = (sb_text_t){s_octets + i, 128};
        s_updates[i] = (sb_update_t){.sequence = 1000 + i, .changes = &s_changes[i], .change_count = 1};
    }
    s_message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {s_deltas, DELTAS}};
    s_publication = (sb_publication_t){
        .topic = {"market_data.feed.", 17}, .sequence = 7, .updates = s_updates, .update_count = DELTAS};
    s_arena = sb_arena_new (4 * FRAME);
    cr_assert_not_null (sb_arena_take (s_arena, 2 * FRAME));
    sb_arena_reset (s_arena);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (hot_batch, .init = s_setup, .fini = s_teardown);

static void s_expect_same (size_t hot_size, const sb_encoding_t *hot, size_t size, const sb_encoding_t *plain)
{
    static unsigned char octets[2][FRAME];
    cr_assert_gt (hot_size, 0);
    cr_assert_eq (hot_size, size);
    sb_encoding_write (hot, octets[0]);
    sb_encoding_write (plain, octets[1]);
    cr_assert_arr_eq (octets[0], octets[1], size);
}

/* Encodes the deltas and their updates, both ways. */
static void s_encode (void)
{
    sb_encoding_t *hot, *plain;
    for (uint32_t i = 0; i < DELTAS; i++)
        s_deltas[i].update = s_updates[i];
    sb_arena_reset (s_arena);
    size_t size = sb_hot_encode_agent_message (s_arena, &s_message, &hot);
    size_t plain_size = sb_protobuf_encode_agent_message (s_arena, &s_message, &plain);
    s_expect_same (size, hot, plain_size, plain);
    sb_arena_reset (s_arena);
    size = sb_hot_encode_publication (s_arena, &s_publication, &hot);
    plain_size = sb_protobuf_encode_publication (s_arena, &s_publication, &plain);
    s_expect_same (size, hot, plain_size, plain);
}

Test (hot_batch, each_delta_has_its_own_time_and_topic_whatever_its_neighbour_has)
{
    const int64_t times[] = {0, 1, INT64_C (1700000000000000000), INT64_MIN};
    uint32_t state = 1;
    for (uint32_t round = 0; round < 20000; round++)
        for (uint32_t i = 0; i < DELTAS; i++) {
            state = state * 1664525 + 1013904223;
            const uint32_t drawn = state >> 8;
            /* Mostly as the one before, but for one of them. */
            if (i > 0)
                s_deltas[i] = s_deltas[i - 1];
            s_updates[i].event_unix_ns =
                i > 0 && drawn % 5 != 0 ? s_updates[i - 1].event_unix_ns : times[drawn / 5 % 4];
            s_updates[i].origin_unix_ns =
                i > 0 && drawn % 5 != 1 ? s_updates[i - 1].origin_unix_ns : times[drawn / 20 % 4];
            s_updates[i].publication_sequence = drawn % 3 ? 0 : drawn;
            s_deltas[i].time_to_live_ms = drawn % 7 ? 0 : drawn;
            if (i == 0 || drawn % 5 == 2)
                s_deltas[i].category = (sb_text_t){s_texts[drawn / 80 % 2], drawn / 160 % 33};
            if (i == 0 || drawn % 5 == 3)
                s_deltas[i].subject = (sb_text_t){s_texts[drawn / 80 % 2], drawn / 160 % 65};
            if (i == DELTAS - 1)
                s_encode ();
        }
}

Test (hot_batch, each_size_is_written_in_as_many_octets_as_it_needs)
{
    const sb_value_kind_t kinds[] = {SB_VALUE_BYTES, SB_VALUE_TEXT};
    const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {{0, 300}, {0x4000 - 200, 0x4000 + 10}};
    const uint32_t names[] = {1, 3, 4, 7, 8, 15, 16, 17, 33, SB_FIELD_NAME_MAX, SB_FIELD_NAME_MAX + 1};
    for (uint32_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (uint32_t size = ranges[i].first; size <= ranges[i].last; size++)
            for (uint32_t j = 0; j < sizeof names / sizeof *names; j++) {
                s_changes[j % DELTAS].name.size = names[j];
                s_changes[j % DELTAS].value = (sb_value_t){.kind = kinds[j % 2], .text = {s_octets + j, size}};
                s_encode ();
            }
}

Test (hot_batch, a_delete_is_written_as_one_whatever_its_value_held)
{
    s_changes[1].is_delete = true;
    s_encode ();
}

Test (hot_batch, an_empty_text_may_be_at_no_place)
{
    for (uint32_t i = 0; i < DELTAS; i++) {
        s_deltas[i].category = (sb_text_t){i % 2 ? NULL : "", 0};
        s_deltas[i].subject = (sb_text_t){i % 3 ? NULL : "", 0};
        s_updates[i].event_unix_ns = 1;
        s_changes[i].value.bytes = (sb_text_t){NULL, 0};
    }
    s_encode ();
}

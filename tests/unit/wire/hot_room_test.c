/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec's hot path and the arena: what it takes by itself, what it leaves to protobuf-c, and that it never touches
 * an octet that is not free, however little room there is. The arena's block ends where its memory ends, so a sanitizer
 * sees the first octet behind it; what lies in front of the room is filled and looked at again.
 */
#include "samples.h"
#include "sb_hot.h"

#include <criterion/criterion.h>
#include <string.h>

enum { BLOCK = 4096, MAX_BYTES = 1 << 20, DELTAS = 3, CHANGES = 6 };

static sb_change_t s_changes[CHANGES] = {
    {.name = {"price", 5}, .value = {.kind = SB_VALUE_DECIMAL, .decimal = {-123456789012, -64}}},
    {.name = {"gone", 4}, .is_delete = true},
    {.name = {"a.long.name.of.a.field", 22}, .value = {.kind = SB_VALUE_TEXT, .text = {"a text of some size", 19}}},
    {.name = {"n", 1}, .value = {.kind = SB_VALUE_NUMBER, .number = 0.5}},
    {.name = {"count", 5}, .value = {.kind = SB_VALUE_INTEGER, .integer = INT64_MIN}},
    {.name = {"raw", 3}, .value = {.kind = SB_VALUE_BYTES, .bytes = {"\0\1\2\3\4\5\6\7", 8}}},
};
static sb_delta_t s_deltas[DELTAS];
static sb_update_t s_updates[DELTAS];
static sb_publication_t s_publication;
static sb_agent_message_t s_message;
static sb_arena_t *s_arena;

static void s_setup (void)
{
    for (uint32_t i = 0; i < DELTAS; i++) {
        s_updates[i] = (sb_update_t){1000000 + i, INT64_MAX, INT64_MIN, s_changes, CHANGES, UINT64_MAX};
        s_deltas[i] = (sb_delta_t){.category = {"market_data", 11},
                                   .subject = {"spot:BTC", 8},
                                   .update = s_updates[i],
                                   .time_to_live_ms = UINT32_MAX};
        s_deltas[i].update.publication_sequence = 0;
    }
    s_message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {s_deltas, DELTAS}};
    s_publication = (sb_publication_t){.topic = {"market_data.feed.spot:BTC", 25},
                                       .stream_id = SB_NUMBER_MAX,
                                       .epoch = 300,
                                       .sequence = UINT64_MAX,
                                       .category_sequence = 1 << 21,
                                       .topic_sequence = 1 << 14,
                                       .agent_id = {"feed", 4},
                                       .broker_unix_ns = INT64_MIN,
                                       .quality = SB_QUALITY_OK,
                                       .cause = SB_CAUSE_EXPIRED,
                                       .updates = s_updates,
                                       .update_count = DELTAS,
                                       .first_topic_sequence = 3,
                                       .agent_sequence = 1 << 28,
                                       .conflated_sequence = UINT64_C (1) << 56};
    s_arena = sb_arena_new (BLOCK);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (hot_room, .init = s_setup, .fini = s_teardown);

/* Leaves `room` octets of the arena's only block, and fills the others. */
static unsigned char *s_leave (size_t room)
{
    sb_arena_reset (s_arena);
    unsigned char *taken = sb_arena_take (s_arena, BLOCK - room);
    cr_assert_not_null (taken);
    memset (taken, 0xa5, BLOCK - room);
    return taken;
}

static void s_expect_untouched (const unsigned char *taken, size_t room)
{
    for (size_t i = 0; i < BLOCK - room; i++)
        cr_assert_eq (taken[i], 0xa5, "octet %zu of %zu", i, BLOCK - room);
}

/* What protobuf-c makes of the message. */
static sample_t s_octets (size_t (*encode) (sb_arena_t *, const void *, sb_encoding_t **), const void *message)
{
    sb_encoding_t *encoding;
    sb_arena_t *arena = sb_arena_new (1 << 20);
    sample_t octets = {.size = encode (arena, message, &encoding)};
    octets.data = malloc (octets.size);
    sb_encoding_write (encoding, octets.data);
    sb_arena_destroy (&arena);
    return octets;
}

static size_t s_protobuf_agent_message (sb_arena_t *arena, const void *message, sb_encoding_t **encoding)
{
    return sb_protobuf_encode_agent_message (arena, message, encoding);
}

static size_t s_protobuf_publication (sb_arena_t *arena, const void *message, sb_encoding_t **encoding)
{
    return sb_protobuf_encode_publication (arena, message, encoding);
}

static size_t s_hot_agent_message (sb_arena_t *arena, const void *message, sb_encoding_t **encoding)
{
    return sb_hot_encode_agent_message (arena, message, encoding);
}

static size_t s_hot_publication (sb_arena_t *arena, const void *message, sb_encoding_t **encoding)
{
    return sb_hot_encode_publication (arena, message, encoding);
}

/* ------------------------------------------------------------------ what it takes */

/* Writes a message by both: the same octets. */
static void s_expect_same (size_t (*hot) (sb_arena_t *, const void *, sb_encoding_t **),
                           size_t (*plain) (sb_arena_t *, const void *, sb_encoding_t **), const void *message)
{
    sample_t first = s_octets (hot, message), second = s_octets (plain, message);
    cr_assert_eq (first.size, second.size);
    cr_expect_arr_eq (first.data, second.data, first.size);
    sample_free (&first);
    sample_free (&second);
}

Test (hot_room, deltas_batches_and_publications_are_taken)
{
    sb_publication_t publication;
    sb_agent_message_t message;
    for (s_message.batch.delta_count = 1; s_message.batch.delta_count <= DELTAS; s_message.batch.delta_count++) {
        s_expect_same (s_hot_agent_message, s_protobuf_agent_message, &s_message);
        sample_t octets = s_octets (s_hot_agent_message, &s_message);
        sb_arena_reset (s_arena);
        cr_expect (sb_hot_decode_agent_message (s_arena, octets.data, octets.size, octets.size, &message));
        cr_expect_not (sb_hot_decode_agent_message (s_arena, octets.data, octets.size, octets.size - 1, &message));
        cr_expect_eq (message.batch.delta_count, s_message.batch.delta_count);
        sample_free (&octets);
    }
    s_expect_same (s_hot_publication, s_protobuf_publication, &s_publication);
    sample_t octets = s_octets (s_hot_publication, &s_publication);
    sb_arena_reset (s_arena);
    cr_expect (sb_hot_decode_publication (s_arena, octets.data, octets.size, octets.size, &publication));
    cr_expect_not (sb_hot_decode_publication (s_arena, octets.data, octets.size, octets.size - 1, &publication));
    cr_expect_eq (publication.update_count, DELTAS);
    sample_free (&octets);
}

Test (hot_room, other_bodies_and_refusals_are_left_to_protobuf)
{
    sb_encoding_t *encoding;
    const sb_refusal_t refusal = {.reason = SB_REASON_PAUSED};
    sb_broker_message_t ack = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {.decided_through = 5}};
    cr_expect_eq (sb_hot_encode_broker_message (s_arena, &ack, &encoding), 4);
    ack.ack = (sb_ack_t){.decided_through = 5, .refused = &refusal, .refused_count = 1};
    cr_expect_eq (sb_hot_encode_broker_message (s_arena, &ack, &encoding), 0);
    cr_expect_null (encoding);
    const sb_agent_message_t beat = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    cr_expect_eq (sb_hot_encode_agent_message (s_arena, &beat, &encoding), 0);
    s_message.batch.delta_count = 0;
    cr_expect_eq (sb_hot_encode_agent_message (s_arena, &s_message, &encoding), 0);
}

/* ------------------------------------------------------------------ little room */

static void s_encode_with_little_room (size_t (*hot) (sb_arena_t *, const void *, sb_encoding_t **),
                                       size_t (*plain) (sb_arena_t *, const void *, sb_encoding_t **),
                                       const void *message)
{
    sample_t expected = s_octets (plain, message);
    bool was_refused = false, was_written = false;
    for (size_t room = 0; room < BLOCK; room += 16) {
        sb_encoding_t *encoding;
        unsigned char octets[BLOCK];
        unsigned char *taken = s_leave (room);
        size_t size = hot (s_arena, message, &encoding);
        if (size > 0) {
            cr_assert_eq (size, expected.size);
            sb_encoding_write (encoding, octets);
            cr_assert_arr_eq (octets, expected.data, size);
            cr_assert_leq (size, room);
        } else {
            cr_assert_null (encoding);
            cr_assert (room == 0 || sb_arena_take (s_arena, room), "nothing is taken when it gives up");
        }
        s_expect_untouched (taken, room);
        *(size ? &was_written : &was_refused) = true;
        cr_assert (size || !was_written, "more room is never worse");
    }
    cr_expect (was_refused && was_written);
    sample_free (&expected);
}

Test (hot_room, encoding_takes_no_more_than_there_is)
{
    s_encode_with_little_room (s_hot_agent_message, s_protobuf_agent_message, &s_message);
    s_encode_with_little_room (s_hot_publication, s_protobuf_publication, &s_publication);
    s_message.batch.delta_count = 1;
    s_encode_with_little_room (s_hot_agent_message, s_protobuf_agent_message, &s_message);
}

static bool s_decode_agent_message (const sample_t *octets)
{
    sb_agent_message_t message;
    bool is_read = sb_hot_decode_agent_message (s_arena, octets->data, octets->size, MAX_BYTES, &message);
    cr_assert (!is_read || message.batch.deltas[DELTAS - 1].update.changes[CHANGES - 2].value.integer == INT64_MIN);
    return is_read;
}

static bool s_decode_publication (const sample_t *octets)
{
    sb_publication_t publication;
    bool is_read = sb_hot_decode_publication (s_arena, octets->data, octets->size, MAX_BYTES, &publication);
    cr_assert (!is_read || publication.updates[DELTAS - 1].changes[CHANGES - 2].value.integer == INT64_MIN);
    return is_read;
}

static void s_decode_with_little_room (bool (*decode) (const sample_t *), sample_t octets)
{
    bool was_refused = false, was_read = false;
    for (size_t room = 0; room < BLOCK; room += 16) {
        unsigned char *taken = s_leave (room);
        bool is_read = decode (&octets);
        s_expect_untouched (taken, room);
        cr_assert (is_read || room == 0 || sb_arena_take (s_arena, room), "nothing is taken when it gives up");
        cr_assert (is_read || !was_read, "more room is never worse");
        *(is_read ? &was_read : &was_refused) = true;
    }
    cr_expect (was_refused && was_read);
    sample_free (&octets);
}

Test (hot_room, decoding_takes_no_more_than_there_is)
{
    for (uint32_t more = 0; more < 16; more++) { /* frames end anywhere in a step of room */
        s_deltas[0].subject = s_publication.agent_id = (sb_text_t){"0123456789abcdef", more};
        s_decode_with_little_room (s_decode_agent_message, s_octets (s_protobuf_agent_message, &s_message));
        s_decode_with_little_room (s_decode_publication, s_octets (s_protobuf_publication, &s_publication));
    }
}

Test (hot_room, several_encodings_wait_side_by_side)
{
    sb_encoding_t *encodings[4];
    size_t sizes[4];
    sb_arena_t *arena = sb_arena_new (1 << 20);
    cr_assert_not_null (sb_arena_take (arena, 1 << 16));
    sb_arena_reset (arena);
    for (uint64_t i = 0; i < 4; i++) {
        s_publication.sequence = i;
        sizes[i] = i % 2 ? sb_protobuf_encode_publication (arena, &s_publication, &encodings[i])
                         : sb_hot_encode_publication (arena, &s_publication, &encodings[i]);
    }
    for (uint64_t i = 0; i < 4; i++) {
        unsigned char octets[BLOCK];
        sb_publication_t publication;
        sb_encoding_write (encodings[i], octets);
        sb_arena_reset (s_arena);
        cr_assert (sb_hot_decode_publication (s_arena, octets, sizes[i], MAX_BYTES, &publication));
        cr_expect_eq (publication.sequence, i);
    }
    sb_arena_destroy (&arena);
}

Test (hot_room, what_is_taken_after_a_message_does_not_touch_it)
{
    for (uint32_t more = 0; more < 16; more++) {
        s_deltas[0].subject = (sb_text_t){"0123456789abcdef", more};
        sample_t octets = s_octets (s_protobuf_agent_message, &s_message);
        sb_agent_message_t message;
        sb_arena_reset (s_arena);
        cr_assert (sb_hot_decode_agent_message (s_arena, octets.data, octets.size, MAX_BYTES, &message));
        unsigned char *taken = sb_arena_take (s_arena, 64);
        cr_assert_not_null (taken);
        memset (taken, 0xa5, 64);
        cr_assert_eq (message.batch.deltas[DELTAS - 1].update.changes[CHANGES - 1].value.bytes.size, 8);
        cr_assert_eq ((uintptr_t)taken % SB_ARENA_ALIGNMENT, 0);
        sample_free (&octets);
    }
}

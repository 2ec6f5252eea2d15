/* SPDX-License-Identifier: MPL-2.0
 *
 * Snapshots on the wire: each message field by field, each thing that the decoders refuse with its text, and the
 * bounds by which the core keeps a chunk below the message limit without encoding it.
 */
#include "samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { ARENA_BYTES = 16 << 20, FRAME_MAX = 1 << 20 };

static sb_arena_t *s_arena;
static unsigned char s_octets[FRAME_MAX];
static size_t s_size;

static void s_setup (void)
{
    s_arena = sb_arena_new (ARENA_BYTES);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (snapshot_codec, .init = s_setup, .fini = s_teardown, .timeout = 60);

/* ------------------------------------------------------------------ there and back */

static sb_fault_t s_read_agent (sb_agent_message_t *message)
{
    sample_t exact = sample_copy (s_octets, s_size);
    sb_fault_t fault = sb_decode_agent_message (s_arena, exact.data, exact.size, FRAME_MAX, message);
    sample_free (&exact);
    return fault;
}

static sb_fault_t s_read_broker (sb_broker_message_t *message)
{
    sample_t exact = sample_copy (s_octets, s_size);
    sb_fault_t fault = sb_decode_broker_message (s_arena, exact.data, exact.size, FRAME_MAX, message);
    sample_free (&exact);
    return fault;
}

static sb_fault_t s_through_agent (const sb_agent_message_t *source, sb_agent_message_t *target)
{
    sb_encoding_t *encoding;
    s_size = sb_encode_agent_message (s_arena, source, &encoding);
    cr_assert (s_size > 0 && s_size <= FRAME_MAX);
    sb_encoding_write (encoding, s_octets);
    return s_read_agent (target);
}

static sb_fault_t s_through_broker (const sb_broker_message_t *source, sb_broker_message_t *target)
{
    sb_encoding_t *encoding;
    s_size = sb_encode_broker_message (s_arena, source, &encoding);
    cr_assert (s_size > 0 && s_size <= FRAME_MAX);
    sb_encoding_write (encoding, s_octets);
    return s_read_broker (target);
}

static void s_expect_fault (sb_fault_t fault, const char *text)
{
    cr_expect_eq (fault.reason, SB_REASON_MALFORMED);
    cr_expect (fault.text.size && strcmp (fault.text.data, text) == 0, "\"%s\" instead of \"%s\"",
               fault.text.size ? fault.text.data : "", text);
}

static void s_expect_agent_fault (const sb_agent_message_t *source, const char *text)
{
    sb_agent_message_t decoded;
    s_expect_fault (s_through_agent (source, &decoded), text);
    cr_expect_eq (decoded.kind, 0, "a message that was refused is zeroed");
}

static void s_expect_broker_fault (const sb_broker_message_t *source, const char *text)
{
    sb_broker_message_t decoded;
    s_expect_fault (s_through_broker (source, &decoded), text);
    cr_expect_eq (decoded.kind, 0, "a message that was refused is zeroed");
}

#define NUMBER(x)                                                                                                      \
    {                                                                                                                  \
        .kind = SB_VALUE_NUMBER, .number = (x)                                                                         \
    }

static const sb_snapshot_field_t s_fields[] = {
    {{"price", 5}, NUMBER (1.5), 11, -12},
    {{"a.b", 3}, {.kind = SB_VALUE_TEXT, .text = {"\xe2\x82\xac", 3}}, 13, 14},
    {{"c", 1}, {.kind = SB_VALUE_BYTES, .bytes = {"\0\xff", 2}}, 15, 16},
};
static const sb_snapshot_topic_t s_topics[] = {
    {{"market_data.feed.", 17}, 1, 2, 3, SB_QUALITY_STALE, SB_CAUSE_LOST, s_fields, 3},
    {{"trades.t.x", 10}, 4, 5, 6, SB_QUALITY_OK, SB_CAUSE_EXPIRED, NULL, 0},
};

static sb_broker_message_t s_chunk (const sb_snapshot_topic_t *topics, uint32_t count)
{
    return (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK,
                                 .snapshot_chunk = {SB_NUMBER_MAX, 21, topics, count}};
}

Test (snapshot_codec, request_and_credit_field_by_field)
{
    sb_text_t interests[] = {sb_text ("market_data"), sb_text ("trades.t.")};
    sb_agent_message_t request = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
                                  .snapshot_request = {SB_NUMBER_MAX, interests, 2, 64}};
    sb_agent_message_t back;
    cr_assert_eq (s_through_agent (&request, &back).reason, SB_REASON_NONE);
    cr_assert_eq (back.kind, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST);
    cr_expect_eq (back.snapshot_request.snapshot_id, SB_NUMBER_MAX);
    cr_expect_eq (back.snapshot_request.credit, 64);
    cr_assert_eq (back.snapshot_request.interest_count, 2);
    cr_expect (sb_text_equal (back.snapshot_request.interests[0], interests[0]));
    cr_expect (sb_text_equal (back.snapshot_request.interests[1], interests[1]));
    sb_agent_message_t credit = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {1, 0}};
    cr_assert_eq (s_through_agent (&credit, &back).reason, SB_REASON_NONE);
    cr_assert_eq (back.kind, SB_AGENT_MESSAGE_SNAPSHOT_CREDIT);
    cr_expect_eq (back.snapshot_credit.snapshot_id, 1);
    cr_expect_eq (back.snapshot_credit.credit, 0, "0 gives the snapshot up");
}

Test (snapshot_codec, chunk_field_by_field)
{
    sb_broker_message_t chunk = s_chunk (s_topics, 2), decoded;
    cr_assert_eq (s_through_broker (&chunk, &decoded).reason, SB_REASON_NONE);
    cr_assert_eq (decoded.kind, SB_BROKER_MESSAGE_SNAPSHOT_CHUNK);
    const sb_snapshot_chunk_t *back = &decoded.snapshot_chunk;
    cr_expect_eq (back->snapshot_id, SB_NUMBER_MAX);
    cr_expect_eq (back->number, 21);
    cr_assert_eq (back->topic_count, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect (sb_text_equal (back->topics[i].topic, s_topics[i].topic));
        cr_expect_eq (back->topics[i].sequence, s_topics[i].sequence);
        cr_expect_eq (back->topics[i].category_sequence, s_topics[i].category_sequence);
        cr_expect_eq (back->topics[i].topic_sequence, s_topics[i].topic_sequence);
        cr_expect_eq (back->topics[i].quality, s_topics[i].quality);
        cr_expect_eq (back->topics[i].cause, s_topics[i].cause);
        cr_assert_eq (back->topics[i].field_count, s_topics[i].field_count);
    }
    for (int i = 0; i < 3; i++) {
        const sb_snapshot_field_t *field = &back->topics[0].fields[i];
        cr_expect (sb_text_equal (field->name, s_fields[i].name));
        cr_expect_eq (field->value.kind, s_fields[i].value.kind);
        cr_expect_eq (field->sequence, s_fields[i].sequence);
        cr_expect_eq (field->changed_unix_ns, s_fields[i].changed_unix_ns);
    }
    cr_expect_eq (back->topics[0].fields[0].value.number, 1.5);
    cr_expect (sb_text_equal (back->topics[0].fields[2].value.bytes, s_fields[2].value.bytes));
}

Test (snapshot_codec, chunk_of_no_topic_is_a_chunk)
{
    sb_broker_message_t chunk = s_chunk (NULL, 0), decoded;
    cr_assert_eq (s_through_broker (&chunk, &decoded).reason, SB_REASON_NONE);
    cr_expect_eq (decoded.snapshot_chunk.number, 21);
    cr_expect_eq (decoded.snapshot_chunk.topic_count, 0);
}

Test (snapshot_codec, end_field_by_field)
{
    sb_broker_message_t end = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END,
                               .snapshot_end = {1, SB_REASON_BAD_INTEREST, sb_text ("why"), 2, 3, 4, UINT64_MAX, 6, 7}};
    sb_broker_message_t decoded;
    cr_assert_eq (s_through_broker (&end, &decoded).reason, SB_REASON_NONE);
    cr_assert_eq (decoded.kind, SB_BROKER_MESSAGE_SNAPSHOT_END);
    const sb_snapshot_end_t *back = &decoded.snapshot_end;
    cr_expect_eq (back->snapshot_id, 1);
    cr_expect_eq (back->code, SB_REASON_BAD_INTEREST);
    cr_expect (sb_text_equal (back->text, sb_text ("why")));
    cr_expect_eq (back->chunk_count, 2);
    cr_expect_eq (back->field_count, 3);
    cr_expect_eq (back->sequence, 4);
    cr_expect_eq (back->state_hash, UINT64_MAX);
    cr_expect_eq (back->stream_id, 6);
    cr_expect_eq (back->epoch, 7);
}

Test (snapshot_codec, checksum_is_the_crc_32_of_the_body)
{
    sb_broker_message_t chunk = s_chunk (s_topics, 2), decoded;
    cr_assert_eq (s_through_broker (&chunk, &decoded).reason, SB_REASON_NONE);
    Syncbus__V1__BrokerMessage *message = syncbus__v1__broker_message__unpack (NULL, s_size, s_octets);
    const ProtobufCBinaryData *body = &message->snapshot_chunk->body;
    cr_expect_eq (message->snapshot_chunk->checksum, crc32 (0, body->data, (uInt)body->len));
    cr_expect_neq (message->snapshot_chunk->checksum, 0);
    syncbus__v1__broker_message__free_unpacked (message, NULL);
}

/* ------------------------------------------------------------------ refused */

Test (snapshot_codec, id_out_of_range)
{
    static const char text[] = "snapshot_id is 1 to 2^53-1";
    const uint64_t wrong[] = {0, SB_NUMBER_MAX + 1, UINT64_MAX};
    for (int i = 0; i < 3; i++) {
        s_expect_agent_fault (&(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
                                                    .snapshot_request = {wrong[i], NULL, 0, 1}},
                              text);
        s_expect_agent_fault (
            &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {wrong[i], 1}}, text);
        s_expect_broker_fault (
            &(sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK, .snapshot_chunk = {wrong[i], 1, NULL, 0}},
            text);
        s_expect_broker_fault (
            &(sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_END, .snapshot_end = {.snapshot_id = wrong[i]}},
            text);
    }
}

Test (snapshot_codec, credit_out_of_range)
{
    const uint32_t wrong[] = {0, 65, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        s_expect_agent_fault (&(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
                                                    .snapshot_request = {1, NULL, 0, wrong[i]}},
                              "the credit of a SnapshotRequest is 1 to 64");
        if (wrong[i] > 0)
            s_expect_agent_fault (
                &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {1, wrong[i]}},
                "the credit of a SnapshotCredit is 0 to 64");
    }
}

/* The core has a reason for each, and says it in SnapshotEnd. */
Test (snapshot_codec, interests_are_left_to_the_core)
{
    sb_text_t interests[65];
    for (int i = 0; i < 65; i++)
        interests[i] = sb_text ("no interest");
    sb_agent_message_t request = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, .snapshot_request = {1, interests, 65, 1}};
    sb_agent_message_t back;
    cr_assert_eq (s_through_agent (&request, &back).reason, SB_REASON_NONE);
    cr_expect_eq (back.snapshot_request.interest_count, 65);
    interests[64] = (sb_text_t){"\xff", 1};
    s_expect_agent_fault (&request, "a text is not valid UTF-8, or has a NUL in it");
}

Test (snapshot_codec, chunk_of_number_0)
{
    sb_broker_message_t chunk = s_chunk (s_topics, 2);
    chunk.snapshot_chunk.number = 0;
    s_expect_broker_fault (&chunk, "a chunk's number is at least 1");
}

/* Every octet of the body changed once: the checksum sees each. */
Test (snapshot_codec, any_octet_changed_on_the_way_is_seen)
{
    sb_broker_message_t chunk = s_chunk (s_topics, 2), decoded;
    cr_assert_eq (s_through_broker (&chunk, &decoded).reason, SB_REASON_NONE);
    Syncbus__V1__BrokerMessage *message = syncbus__v1__broker_message__unpack (NULL, s_size, s_octets);
    size_t body_size = message->snapshot_chunk->body.len;
    syncbus__v1__broker_message__free_unpacked (message, NULL);
    size_t body_end = s_size - 5; /* the checksum and its tag stand behind it */
    for (size_t i = body_end - body_size; i < s_size; i++) {
        if (i == body_end)
            continue; /* the checksum's tag */
        s_octets[i] ^= 0x10;
        sb_arena_reset (s_arena);
        s_expect_fault (s_read_broker (&decoded), "a chunk's checksum is not that of its body");
        s_octets[i] ^= 0x10;
    }
}

/* Puts `body` with a right checksum into a chunk. */
static void s_expect_body_fault (const void *body, size_t size, const char *text)
{
    Syncbus__V1__SnapshotChunk chunk = SYNCBUS__V1__SNAPSHOT_CHUNK__INIT;
    Syncbus__V1__BrokerMessage message = SYNCBUS__V1__BROKER_MESSAGE__INIT;
    chunk.snapshot_id = chunk.number = 1;
    chunk.body = (ProtobufCBinaryData){size, (uint8_t *)body};
    chunk.checksum = (uint32_t)crc32 (0, body, (uInt)size);
    message.body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_CHUNK;
    message.snapshot_chunk = &chunk;
    s_size = syncbus__v1__broker_message__pack (&message, s_octets);
    sb_broker_message_t decoded;
    s_expect_fault (s_read_broker (&decoded), text);
    cr_expect_eq (decoded.kind, 0);
}

Test (snapshot_codec, body_that_is_no_message)
{
    s_expect_body_fault ("\xff", 1, "the octets are no message of this schema, or need more memory than a message may");
}

static void s_expect_topic_fault (sb_snapshot_topic_t topic, const char *text)
{
    sb_broker_message_t chunk = s_chunk (&topic, 1);
    s_expect_broker_fault (&chunk, text);
}

Test (snapshot_codec, topics)
{
    sb_snapshot_topic_t topic = s_topics[0];
    topic.topic = sb_text ("market_data.feed");
    s_expect_topic_fault (topic, "a topic is not category.agent.subject");
    topic.topic = (sb_text_t){"a.\xff.", 4};
    s_expect_topic_fault (topic, "a topic is not valid UTF-8, or has a NUL in it");
    topic = s_topics[0];
    topic.quality = (sb_quality_t)4;
    s_expect_topic_fault (topic, "a quality's number is not of this version's schema");
    topic.quality = SB_QUALITY_OK;
    topic.cause = SB_CAUSE_SNAPSHOT;
    s_expect_topic_fault (topic, "the cause SNAPSHOT is never on the wire");
    topic.cause = (sb_cause_t)11;
    s_expect_topic_fault (topic, "a cause's number is not of this version's schema");
}

Test (snapshot_codec, fields)
{
    static const char no_name[] = "a snapshot's field has a name that no field can have";
    static const char no_value[] = "a snapshot's field has no value, or one that no agent may write";
    const sb_text_t names[] = {{"", 0}, {"a b", 3}, {"\xff", 1}};
    const sb_value_t values[] = {{.kind = SB_VALUE_NONE},
                                 NUMBER (__builtin_inf ()),
                                 {.kind = SB_VALUE_TEXT, .text = {"\xff", 1}},
                                 {.kind = SB_VALUE_DECIMAL, .decimal = {1, 65}}};
    for (int i = 0; i < 7; i++) {
        sb_snapshot_field_t field = s_fields[0];
        if (i < 3)
            field.name = names[i];
        else
            field.value = values[i - 3];
        s_expect_topic_fault ((sb_snapshot_topic_t){sb_text ("a.b."), 1, 1, 1, SB_QUALITY_OK, SB_CAUSE_NONE, &field, 1},
                              i < 3 ? no_name : no_value);
    }
}

Test (snapshot_codec, end_with_a_reason_of_a_later_version)
{
    s_expect_broker_fault (&(sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_END,
                                                  .snapshot_end = {.snapshot_id = 1, .code = (sb_reason_t)5}},
                           "a reason's number is not of this version's schema");
}

/* ------------------------------------------------------------------ size */

Test (snapshot_codec, chunk_that_does_not_fit_has_size_0_at_any_arena)
{
    sb_broker_message_t chunk = s_chunk (s_topics, 2);
    bool was_full = false, was_made = false;
    static char octets[8192];
    sb_snapshot_field_t fields[4];
    for (int i = 0; i < 4; i++)
        fields[i] = (sb_snapshot_field_t){{"f", 1}, {.kind = SB_VALUE_BYTES, .bytes = {octets, sizeof octets}}, 1, 1};
    sb_snapshot_topic_t topic = {sb_text ("a.b."), 1, 1, 1, SB_QUALITY_OK, SB_CAUSE_NONE, fields, 4};
    chunk.snapshot_chunk.topics = &topic;
    chunk.snapshot_chunk.topic_count = 1;
    for (size_t limit = 4096; limit < 65536; limit += 512) {
        sb_arena_t *small = sb_arena_new (limit);
        sb_encoding_t *encoding;
        size_t size = sb_encode_broker_message (small, &chunk, &encoding);
        cr_expect_eq (size > 0, encoding != NULL);
        *(size ? &was_made : &was_full) = true;
        sb_arena_destroy (&small);
    }
    cr_expect (was_full && was_made);
}

/* The largest numbers, of every kind, names and texts of several lengths. */
Test (snapshot_codec, bounds_are_never_below_the_octets_and_not_far_above)
{
    static char octets[70000];
    memset (octets, 'x', sizeof octets);
    const sb_value_t values[] = {NUMBER (-1.5),
                                 {.kind = SB_VALUE_INTEGER, .integer = INT64_MIN},
                                 {.kind = SB_VALUE_DECIMAL, .decimal = {INT64_MIN, -64}},
                                 {.kind = SB_VALUE_BOOLEAN, .boolean = true},
                                 {.kind = SB_VALUE_TEXT, .text = {octets, sizeof octets}},
                                 {.kind = SB_VALUE_BYTES, .bytes = {octets, 200}}};
    for (size_t kind = 0; kind < sizeof values / sizeof values[0]; kind++)
        for (uint32_t name_size = 1; name_size <= SB_FIELD_NAME_MAX; name_size += SB_FIELD_NAME_MAX - 1) {
            sb_snapshot_field_t field = {{octets, name_size}, values[kind], UINT64_MAX, INT64_MIN};
            sb_snapshot_topic_t topic = {{octets, SB_TOPIC_MAX}, UINT64_MAX,    UINT64_MAX, UINT64_MAX,
                                         SB_QUALITY_OK,          SB_CAUSE_LOST, &field,     1};
            sb_broker_message_t chunk = s_chunk (&topic, 1);
            chunk.snapshot_chunk.number = UINT32_MAX;
            sb_encoding_t *encoding;
            sb_arena_reset (s_arena);
            uint64_t size = sb_encode_broker_message (s_arena, &chunk, &encoding);
            uint64_t bound = SB_SNAPSHOT_CHUNK_BOUND + sb_snapshot_topic_bound (topic.topic) +
                             sb_snapshot_field_bound (field.name, &field.value);
            cr_expect_leq (size, bound, "kind %zu: %lu octets, bound %lu", kind, (unsigned long)size,
                           (unsigned long)bound);
            cr_expect_leq (bound - size, 100, "kind %zu: %lu octets, bound %lu", kind, (unsigned long)size,
                           (unsigned long)bound);
        }
}

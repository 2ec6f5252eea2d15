/* SPDX-License-Identifier: MPL-2.0
 *
 * What the decoders refuse, and how: content faults of one delta, whole-message faults, limits.
 */
#include "samples.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20, MAX_BYTES = 256 << 10 };

/* ------------------------------------------------------------------ frames made by hand */

/* Octets that are put together field by field. */
typedef struct octets {
    struct octets *before; /* the one made before this; all go in the teardown */
    size_t size;
    unsigned char data[600 << 10];
} octets_t;

static sb_arena_t *s_arena;
static octets_t *s_newest;

static void s_setup (void)
{
    s_arena = sb_arena_new (ARENA_BYTES);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
    while (s_newest) {
        octets_t *octets = s_newest;
        s_newest = octets->before;
        free (octets);
    }
}

TestSuite (faults, .init = s_setup, .fini = s_teardown, .timeout = 60);

static void s_varint (octets_t *self, uint64_t number)
{
    while (number >= 0x80) {
        self->data[self->size++] = (unsigned char)(number | 0x80);
        number >>= 7;
    }
    self->data[self->size++] = (unsigned char)number;
}

static void s_field (octets_t *self, uint32_t number, const void *data, size_t size)
{
    s_varint (self, number << 3 | 2);
    s_varint (self, size);
    if (size)
        memcpy (self->data + self->size, data, size);
    self->size += size;
}

static void s_number (octets_t *self, uint32_t number, uint64_t value)
{
    s_varint (self, number << 3);
    s_varint (self, value);
}

static void s_child (octets_t *self, uint32_t number, const octets_t *child)
{
    s_field (self, number, child->data, child->size);
}

static octets_t *s_octets (void)
{
    octets_t *self = malloc (sizeof *self);
    self->size = 0;
    self->before = s_newest;
    s_newest = self;
    return self;
}

static octets_t *s_wrap (uint32_t number, const octets_t *child)
{
    octets_t *self = s_octets ();
    s_child (self, number, child);
    return self;
}

static octets_t *s_change (const char *name, size_t name_size, const octets_t *value)
{
    octets_t *self = s_octets ();
    s_field (self, 1, name, name_size);
    if (value)
        s_child (self, 2, value);
    return self;
}

static octets_t *s_integer (int64_t integer)
{
    octets_t *self = s_octets ();
    s_number (self, 2, (uint64_t)integer << 1);
    return self;
}

static octets_t *s_text_value (const char *text, size_t size)
{
    octets_t *self = s_octets ();
    s_field (self, 5, text, size);
    return self;
}

static octets_t *s_double (double number)
{
    octets_t *self = s_octets ();
    s_varint (self, 1 << 3 | 1);
    memcpy (self->data + self->size, &number, 8);
    self->size += 8;
    return self;
}

static octets_t *s_delta (uint64_t sequence, const char *category, size_t category_size, const octets_t *change)
{
    octets_t *self = s_octets ();
    s_number (self, 1, sequence);
    s_field (self, 4, category, category_size);
    if (change)
        s_child (self, 6, change);
    return self;
}

static sb_fault_t s_decode (const octets_t *octets, sb_agent_message_t *message)
{
    sb_arena_reset (s_arena);
    sample_t exact = sample_copy (octets->data, octets->size);
    sb_fault_t fault = sb_decode_agent_message (s_arena, exact.data, exact.size, MAX_BYTES, message);
    sample_free (&exact);
    return fault;
}

/* ------------------------------------------------------------------ faults of one delta */

/* Sends the delta between two good ones: it must carry the fault, and they must not. */
static const sb_delta_t *s_expect_delta_fault (const octets_t *delta, sb_reason_t reason, const char *field)
{
    octets_t *good = s_delta (1, "market_data", 11, s_change ("price", 5, s_integer (5)));
    octets_t *batch = s_octets ();
    s_child (batch, 1, good);
    s_child (batch, 1, delta);
    s_child (batch, 1, good);
    static sb_agent_message_t message;
    sb_fault_t fault = s_decode (s_wrap (3, batch), &message);
    cr_assert_eq (fault.reason, SB_REASON_NONE, "%s", fault.text.data);
    cr_assert_eq (message.batch.delta_count, 3);
    cr_expect_eq (message.batch.deltas[0].fault, SB_REASON_NONE);
    cr_expect_eq (message.batch.deltas[2].fault, SB_REASON_NONE);
    cr_expect_eq (message.batch.deltas[2].update.change_count, 1);
    const sb_delta_t *bad = &message.batch.deltas[1];
    cr_expect_eq (bad->fault, reason, "%u instead of %u", bad->fault, reason);
    cr_expect (sb_text_equal (bad->fault_field, sb_text (field)), "at fault: \"%s\"", bad->fault_field.data);
    cr_expect_eq (bad->update.change_count, 0);
    cr_expect_eq (bad->update.sequence, 2);
    return bad;
}

#define EXPECT_VALUE_FAULT(value, reason)                                                                              \
    s_expect_delta_fault (s_delta (2, "a", 1, s_change ("price", 5, (value))), SB_REASON_##reason, "price")
#define EXPECT_NAME_FAULT(literal, field)                                                                              \
    s_expect_delta_fault (s_delta (2, "a", 1, s_change ((literal), sizeof (literal) - 1, s_integer (1))),              \
                          SB_REASON_BAD_FIELD_NAME, (field))
#define EXPECT_CATEGORY_FAULT(literal, field)                                                                          \
    s_expect_delta_fault (s_delta (2, (literal), sizeof (literal) - 1, s_change ("price", 5, s_integer (1))),          \
                          SB_REASON_BAD_CATEGORY, (field))

Test (faults, number_that_is_not_finite)
{
    EXPECT_VALUE_FAULT (s_double (NAN), NOT_FINITE);
    EXPECT_VALUE_FAULT (s_double (INFINITY), NOT_FINITE);
    EXPECT_VALUE_FAULT (s_double (-INFINITY), NOT_FINITE);
}

Test (faults, text_that_is_not_utf8_or_has_a_nul)
{
    EXPECT_VALUE_FAULT (s_text_value ("\xff", 1), BAD_TEXT);
    EXPECT_VALUE_FAULT (s_text_value ("a\0b", 3), BAD_TEXT);
    EXPECT_VALUE_FAULT (s_text_value ("\0", 1), BAD_TEXT);
    EXPECT_VALUE_FAULT (s_text_value ("abc\0", 4), BAD_TEXT);
    EXPECT_VALUE_FAULT (s_text_value ("\xed\xa0\x80", 3), BAD_TEXT);
}

Test (faults, decimal_exponent_just_beyond_its_range)
{
    for (int exponent = -65; exponent <= 65; exponent += 130) {
        octets_t *decimal = s_octets ();
        s_number (decimal, 1, 10);
        s_number (decimal, 2, exponent < 0 ? 129 : 130); /* zigzag */
        EXPECT_VALUE_FAULT (s_wrap (3, decimal), BAD_DECIMAL);
    }
    octets_t *decimal = s_octets ();
    s_number (decimal, 2, 128); /* 64 */
    sb_agent_message_t message;
    cr_assert_eq (s_decode (s_wrap (2, s_delta (1, "a", 1, s_change ("p", 1, s_wrap (3, decimal)))), &message).reason,
                  0);
    cr_expect_eq (message.batch.deltas[0].fault, SB_REASON_NONE);
    cr_expect_eq (message.batch.deltas[0].update.changes[0].value.decimal.exponent, 64);
}

Test (faults, change_without_a_value_of_a_known_kind)
{
    EXPECT_VALUE_FAULT (NULL, NO_VALUE);
    EXPECT_VALUE_FAULT (s_octets (), NO_VALUE);
    octets_t *unknown = s_octets ();
    s_number (unknown, 99, 1);
    EXPECT_VALUE_FAULT (unknown, NO_VALUE);
}

Test (faults, field_names)
{
    EXPECT_NAME_FAULT ("", "");
    EXPECT_NAME_FAULT ("a b", "a b");
    EXPECT_NAME_FAULT ("a\0b", "a?b");
    EXPECT_NAME_FAULT ("\xff"
                       "a",
                       "?a");
    EXPECT_NAME_FAULT ("a\n\x7f", "a??");
    EXPECT_NAME_FAULT ("caf\xc3\xa9", "caf\xc3\xa9");
    EXPECT_NAME_FAULT ("\xc3\xa9\x00", "???");
}

Test (faults, long_name_is_named_by_its_first_part_and_no_character_is_cut)
{
    char name[131];
    memset (name, 'x', sizeof name);
    memcpy (name + 127, "\xc3\xa9z", 3);
    char shown[128] = {0};
    memset (shown, 'x', 127);
    s_expect_delta_fault (s_delta (2, "a", 1, s_change (name, sizeof name, s_integer (1))), SB_REASON_BAD_FIELD_NAME,
                          shown);
}

Test (faults, categories_and_subjects)
{
    EXPECT_CATEGORY_FAULT ("_event", "_event");
    EXPECT_CATEGORY_FAULT ("all", "all");
    EXPECT_CATEGORY_FAULT ("A", "A");
    EXPECT_CATEGORY_FAULT ("a\0", "a?");
    EXPECT_CATEGORY_FAULT ("\xc0\x80", "??");
    octets_t *delta = s_delta (2, "a", 1, s_change ("price", 5, s_integer (1)));
    s_field (delta, 5, "a.b", 3);
    s_expect_delta_fault (delta, SB_REASON_BAD_SUBJECT, "a.b");
}

Test (faults, empty_category_is_left_to_the_categorizer)
{
    sb_agent_message_t message;
    s_decode (s_wrap (2, s_delta (1, "", 0, s_change ("price", 5, s_integer (1)))), &message);
    cr_expect_eq (message.batch.deltas[0].fault, SB_REASON_NONE);
    cr_expect_eq (message.batch.deltas[0].category.size, 0);
}

Test (faults, first_offending_change_is_named)
{
    octets_t *delta = s_delta (2, "a", 1, s_change ("good", 4, s_integer (1)));
    s_child (delta, 6, s_change ("first", 5, s_double (NAN)));
    s_child (delta, 6, s_change ("second", 6, s_text_value ("\xff", 1)));
    s_expect_delta_fault (delta, SB_REASON_NOT_FINITE, "first");
}

Test (faults, number_of_changes)
{
    s_expect_delta_fault (s_delta (2, "a", 1, NULL), SB_REASON_NO_CHANGES, "");
    octets_t *delta = s_delta (2, "a", 1, NULL);
    octets_t *change = s_change ("p", 1, s_integer (1));
    for (int i = 0; i < SB_CHANGES_MAX; i++)
        s_child (delta, 6, change);
    sb_agent_message_t message;
    s_decode (s_wrap (2, delta), &message);
    cr_expect_eq (message.batch.deltas[0].fault, SB_REASON_NONE);
    cr_expect_eq (message.batch.deltas[0].update.change_count, SB_CHANGES_MAX);
    s_child (delta, 6, change);
    s_expect_delta_fault (delta, SB_REASON_TOO_MANY_CHANGES, "");
}

Test (faults, delete_is_no_part_of_a_whole_state)
{
    octets_t *remove = s_change ("p", 1, NULL);
    s_field (remove, 3, NULL, 0);
    octets_t *delta = s_delta (0, "a", 1, remove);
    sb_agent_message_t message;
    s_decode (s_wrap (2, delta), &message);
    cr_expect_eq (message.batch.deltas[0].fault, SB_REASON_NONE);
    cr_expect (message.batch.deltas[0].update.changes[0].is_delete);
    cr_assert_eq (s_decode (s_wrap (7, s_wrap (2, delta)), &message).reason, SB_REASON_NONE);
    cr_assert_eq (message.replace_chunk.topic_count, 1);
    cr_expect_eq (message.replace_chunk.topics[0].fault, SB_REASON_NO_VALUE);
}

/* ------------------------------------------------------------------ faults of a whole message */

static void s_expect_malformed (const octets_t *octets)
{
    sb_agent_message_t message;
    sb_fault_t fault = s_decode (octets, &message);
    cr_expect_eq (fault.reason, SB_REASON_MALFORMED);
    cr_expect_gt (fault.text.size, 0);
    static const sb_agent_message_t zero;
    cr_expect_eq (memcmp (&message, &zero, sizeof zero), 0, "a message that was refused is zeroed");
}

Test (faults, message_without_a_known_body)
{
    s_expect_malformed (s_octets ());
    octets_t *unknown = s_octets ();
    s_field (unknown, 500, "x", 1);
    s_expect_malformed (unknown);
    octets_t *reserved = s_octets ();
    s_field (reserved, 13, "", 0);
    s_expect_malformed (reserved);
}

Test (faults, unknown_field_beside_a_known_body_is_skipped)
{
    octets_t *octets = s_wrap (2, s_delta (1, "a", 1, s_change ("p", 1, s_integer (1))));
    s_field (octets, 500, "x", 1);
    s_number (octets, 501, 7);
    sb_agent_message_t message;
    cr_expect_eq (s_decode (octets, &message).reason, SB_REASON_NONE);
    cr_expect_eq (message.kind, SB_AGENT_MESSAGE_BATCH);
}

Test (faults, last_of_several_bodies_counts)
{
    octets_t *octets = s_wrap (2, s_delta (1, "a", 1, s_change ("p", 1, s_integer (1))));
    octets_t *begin = s_octets ();
    s_number (begin, 1, 9);
    s_child (octets, 6, begin);
    sb_agent_message_t message;
    cr_expect_eq (s_decode (octets, &message).reason, SB_REASON_NONE);
    cr_expect_eq (message.kind, SB_AGENT_MESSAGE_REPLACE_BEGIN);
    cr_expect_eq (message.replace_begin.sequence, 9);
}

Test (faults, body_of_the_wrong_wire_type)
{
    octets_t *octets = s_octets ();
    s_number (octets, 2, 5);
    s_expect_malformed (octets);
    octets_t *group = s_octets ();
    s_varint (group, 2 << 3 | 3);
    s_varint (group, 2 << 3 | 4);
    s_expect_malformed (group);
}

Test (faults, length_beyond_the_frame)
{
    octets_t *octets = s_octets ();
    s_varint (octets, 2 << 3 | 2);
    s_varint (octets, UINT64_C (0xffffffffffffffff));
    s_expect_malformed (octets);
    octets->size = 0;
    s_varint (octets, 2 << 3 | 2);
    s_varint (octets, 0x7fffffff);
    s_expect_malformed (octets);
}

Test (faults, text_of_a_registration)
{
    for (int i = 0; i < 3; i++) {
        octets_t *registration = s_octets ();
        s_number (registration, 1, 1);
        if (i == 0)
            s_field (registration, 2, "a\0b", 3);
        else if (i == 1)
            s_field (registration, 5, "\xff", 1);
        else
            s_field (registration, 6, "a\0", 2);
        s_expect_malformed (s_wrap (1, registration));
    }
    octets_t *label = s_octets ();
    s_field (label, 2, "\xc0\x80", 2);
    s_expect_malformed (s_wrap (1, s_wrap (8, label)));
}

Test (faults, batch_of_none_and_of_too_many)
{
    s_expect_malformed (s_wrap (3, s_octets ()));
    octets_t *batch = s_octets ();
    octets_t *delta = s_delta (1, "a", 1, s_change ("p", 1, s_integer (1)));
    for (int i = 0; i < SB_CHANGES_MAX; i++)
        s_child (batch, 1, delta);
    sb_agent_message_t message;
    cr_expect_eq (s_decode (s_wrap (3, batch), &message).reason, SB_REASON_NONE);
    cr_expect_eq (message.batch.delta_count, SB_CHANGES_MAX);
    s_child (batch, 1, delta);
    s_expect_malformed (s_wrap (3, batch));
    octets_t *chunk = s_octets ();
    for (int i = 0; i <= SB_CHANGES_MAX; i++)
        s_child (chunk, 2, delta);
    s_expect_malformed (s_wrap (7, chunk));
}

Test (faults, more_buckets_than_the_histogram_has)
{
    unsigned char buckets[111];
    memset (buckets, 1, sizeof buckets);
    octets_t *heartbeat = s_octets ();
    s_field (heartbeat, 17, buckets, 110);
    sb_agent_message_t message;
    cr_expect_eq (s_decode (s_wrap (4, heartbeat), &message).reason, SB_REASON_NONE);
    cr_expect_eq (message.heartbeat.delivery_bucket_count, 110);
    heartbeat->size = 0;
    s_field (heartbeat, 17, buckets, 111);
    s_expect_malformed (s_wrap (4, heartbeat));
}

Test (faults, enum_numbers_that_the_schema_does_not_name)
{
    octets_t *goodbye = s_octets ();
    s_number (goodbye, 1, 5);
    s_expect_malformed (s_wrap (5, goodbye));
    octets_t *result = s_octets ();
    s_number (result, 2, 0xffffffff);
    s_expect_malformed (s_wrap (9, result));
}

Test (faults, parameter_values_that_cannot_stand_are_none)
{
    octets_t *command = s_octets ();
    octets_t *parameter = s_octets ();
    s_field (parameter, 1, "latch_epoch", 11);
    s_child (parameter, 2, s_double (NAN));
    s_child (command, 4, parameter);
    sb_agent_message_t message;
    cr_expect_eq (s_decode (s_wrap (10, command), &message).reason, SB_REASON_NONE);
    cr_expect_eq (message.command.parameters[0].value.kind, SB_VALUE_NONE);
    parameter->size = 0;
    s_child (parameter, 2, s_text_value ("\xff", 1));
    command->size = 0;
    s_child (command, 4, parameter);
    s_expect_malformed (s_wrap (10, command));
}

Test (faults, frame_at_and_over_the_limit)
{
    octets_t *octets = s_wrap (2, s_delta (1, "a", 1, s_change ("p", 1, s_integer (1))));
    sb_agent_message_t message;
    cr_expect_eq (sb_decode_agent_message (s_arena, octets->data, octets->size, octets->size, &message).reason, 0);
    sb_fault_t fault = sb_decode_agent_message (s_arena, octets->data, octets->size, octets->size - 1, &message);
    cr_expect_eq (fault.reason, SB_REASON_TOO_LARGE);
    cr_expect_eq (message.kind, 0);
    sb_publication_t publication;
    fault = sb_decode_publication (s_arena, "a.b.\0", 5, 4, &publication);
    cr_expect_eq (fault.reason, SB_REASON_TOO_LARGE);
}

/* Two octets each, a struct of some hundred each in memory: the frame is small, the message is not. */
Test (faults, message_that_would_need_more_memory_than_the_arena_may_have)
{
    octets_t *batch = s_octets ();
    for (int i = 0; i < 100000; i++)
        s_field (batch, 1, NULL, 0);
    octets_t *frame = s_wrap (3, batch);
    sb_arena_t *small = sb_arena_new (1 << 20);
    sb_agent_message_t message;
    sb_fault_t fault = sb_decode_agent_message (small, frame->data, frame->size, MAX_BYTES, &message);
    cr_expect_eq (fault.reason, SB_REASON_MALFORMED);
    sb_arena_reset (small);
    octets_t *good = s_wrap (2, s_delta (1, "a", 1, s_change ("p", 1, s_integer (1))));
    cr_expect_eq (sb_decode_agent_message (small, good->data, good->size, MAX_BYTES, &message).reason, 0);
    sb_arena_destroy (&small);
}

Test (faults, arena_that_fills_at_any_point_gives_malformed)
{
    sample_t sample = sample_new (SAMPLE_COMMAND_REPLY, 0, true);
    bool was_refused = false, was_read = false;
    for (size_t limit = 4096; limit < 400000; limit += 1024) {
        sb_arena_t *small = sb_arena_new (limit);
        sb_fault_t fault = sample_decode (SAMPLE_COMMAND_REPLY, &sample, small, NULL);
        cr_assert (fault.reason == SB_REASON_NONE || fault.reason == SB_REASON_MALFORMED);
        *(fault.reason ? &was_refused : &was_read) = true;
        sb_arena_destroy (&small);
    }
    cr_expect (was_refused && was_read);
    sample_free (&sample);
}

/* ------------------------------------------------------------------ what clients read */

static sb_reason_t s_publication (const char *frame, size_t size)
{
    sb_publication_t publication;
    sample_t exact = sample_copy (frame, size);
    sb_fault_t fault = sb_decode_publication (s_arena, exact.data, exact.size, MAX_BYTES, &publication);
    sample_free (&exact);
    return fault.reason;
}

Test (faults, publication_frames)
{
    cr_expect_eq (s_publication ("a.b.\0", 5), SB_REASON_NONE);
    cr_expect_eq (s_publication ("_beat..\0", 8), SB_REASON_NONE);
    cr_expect_eq (s_publication ("~join.123.\0", 11), SB_REASON_NONE);
    cr_expect_eq (s_publication ("", 0), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.b.", 4), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("\0", 1), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.b\0", 4), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.b.c.d\0", 8), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.\xff.\0", 5), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.b.\0\x0a", 6), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("a.b.\0\x40\x09", 7), SB_REASON_MALFORMED); /* quality 9 */
    cr_expect_eq (s_publication ("a.b.\0\x48\x63", 7), SB_REASON_MALFORMED); /* cause 99 */
    cr_expect_eq (s_publication ("a.b.\0\x48\x09", 7), SB_REASON_NONE);      /* cause EXPIRED */
    cr_expect_eq (s_publication ("a.b.\0\x48\x0a", 7), SB_REASON_MALFORMED); /* cause SNAPSHOT */
}

Test (faults, conflated_topics)
{
    cr_expect_eq (s_publication ("~conflated.100.a.b.\0", 20), SB_REASON_NONE);
    cr_expect_eq (s_publication ("~conflated.60000._event.b.X\0", 28), SB_REASON_NONE);
    cr_expect_eq (s_publication ("~conflated.100.a.b\0", 19), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("~conflated.100.\0", 16), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("~conflated.9.a.b.\0", 18), SB_REASON_MALFORMED);
    cr_expect_eq (s_publication ("~conflated.100.a.\xff.\0", 21), SB_REASON_MALFORMED);
}

Test (faults, conflated_range_that_ends_before_it_begins)
{
    cr_expect_eq (s_publication ("a.b.\0\x28\x05\x58\x05", 9), SB_REASON_NONE); /* 5 to 5 */
    cr_expect_eq (s_publication ("a.b.\0\x28\x05\x58\x06", 9), SB_REASON_MALFORMED);
}

Test (faults, topic_longer_than_any)
{
    char frame[200];
    memset (frame, 'a', sizeof frame);
    frame[32] = '.';
    frame[97] = '.';
    frame[162] = 0;
    cr_expect_eq (s_publication (frame, 163), SB_REASON_NONE);
    frame[162] = 'a';
    frame[163] = 0;
    cr_expect_eq (s_publication (frame, 164), SB_REASON_MALFORMED);
}

Test (faults, value_of_a_later_kind_in_a_publication_is_none)
{
    octets_t *value = s_octets ();
    s_number (value, 99, 1);
    octets_t *update = s_wrap (4, s_change ("p", 1, value));
    octets_t *frame = s_octets ();
    memcpy (frame->data, "a.b.", 5);
    frame->size = 5;
    s_child (frame, 10, update);
    sb_publication_t publication;
    sb_fault_t fault = sb_decode_publication (s_arena, frame->data, frame->size, MAX_BYTES, &publication);
    cr_assert_eq (fault.reason, SB_REASON_NONE);
    cr_expect_eq (publication.updates[0].changes[0].value.kind, SB_VALUE_NONE);
    cr_expect_not (publication.updates[0].changes[0].is_delete);
}

Test (faults, broker_message_enums_and_bodies)
{
    sb_broker_message_t message;
    octets_t *breaker = s_octets ();
    s_number (breaker, 1, 4);
    const octets_t *welcome = s_wrap (1, s_wrap (13, breaker));
    cr_expect_eq (sb_decode_broker_message (s_arena, welcome->data, welcome->size, MAX_BYTES, &message).reason,
                  SB_REASON_MALFORMED);
    cr_expect_eq (sb_decode_broker_message (s_arena, "", 0, MAX_BYTES, &message).reason, SB_REASON_MALFORMED);
    octets_t *durability = s_octets ();
    s_number (durability, 7, 3);
    const octets_t *durable = s_wrap (1, durability);
    cr_expect_eq (sb_decode_broker_message (s_arena, durable->data, durable->size, MAX_BYTES, &message).reason,
                  SB_REASON_MALFORMED);
}

Test (faults, welcome_with_too_many_times_to_live)
{
    octets_t *body = s_octets ();
    octets_t *time = s_octets ();
    s_number (time, 2, 5);
    for (uint32_t i = 1; i <= SB_TIMES_TO_LIVE_MAX + 1; i++) {
        s_child (body, 18, time);
        const octets_t *welcome = s_wrap (1, body);
        sb_broker_message_t message;
        sb_reason_t reason =
            sb_decode_broker_message (s_arena, welcome->data, welcome->size, MAX_BYTES, &message).reason;
        cr_expect_eq (reason, i <= SB_TIMES_TO_LIVE_MAX ? SB_REASON_NONE : SB_REASON_MALFORMED, "%u", i);
        cr_expect_eq (message.welcome.time_to_live_count, i <= SB_TIMES_TO_LIVE_MAX ? i : 0);
    }
}

Test (faults, reply_with_an_entry_without_publication)
{
    sb_command_reply_t reply;
    octets_t *entry = s_octets ();
    s_field (entry, 1, "a.b.", 4);
    const octets_t *frame = s_wrap (6, entry);
    cr_expect_eq (sb_decode_command_reply (s_arena, frame->data, frame->size, MAX_BYTES, &reply).reason,
                  SB_REASON_MALFORMED);
    cr_expect_eq (sb_decode_command_reply (s_arena, "", 0, MAX_BYTES, &reply).reason, SB_REASON_MALFORMED);
    sb_command_request_t request;
    cr_expect_eq (sb_decode_command_request (s_arena, "", 0, MAX_BYTES, &request).reason, SB_REASON_MALFORMED);
}

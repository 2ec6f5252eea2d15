/* SPDX-License-Identifier: MPL-2.0
 *
 * Random messages, read and written by the hot path and by protobuf-c (hot_twins.c). They are made by walking the
 * schema's descriptors, so that a field that is added to the schema comes along: most are tidy, as encoders write
 * them; others have fields twice, in any order, unknown ones, numbers in more octets than they need, and then octets
 * are changed at random. The seeds are fixed.
 */
#include "hot_twins.h"

#include "samples.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROUNDS = 120000, OCTETS_MAX = 65536, DEPTH_MAX = 8 };

/* Octets being put together. */
typedef struct {
    unsigned char data[OCTETS_MAX];
    size_t size;
} octets_t;

static uint64_t s_state;
static uint64_t s_last; /* number */
static bool s_is_tidy;  /* fields in order and once, numbers as short as can be, texts good */
static octets_t s_parts[DEPTH_MAX];
static unsigned char s_payload[40000];

/* xorshift64: any will do, the same each time. */
static uint64_t s_random (void)
{
    s_state ^= s_state << 13;
    s_state ^= s_state >> 7;
    s_state ^= s_state << 17;
    return s_state;
}

static bool s_one_in (uint32_t count)
{
    return s_random () % count == 0;
}

static void s_add (octets_t *self, const void *data, size_t size)
{
    if (self->size + size > OCTETS_MAX)
        return; /* what is cut is a message too */
    if (size)
        memcpy (self->data + self->size, data, size);
    self->size += size;
}

/* A number of any length: each number of bits is as likely as another. Some are near to the last one, as times are. */
static uint64_t s_number (void)
{
    uint64_t number = s_random () >> s_random () % 64;
    if (s_one_in (4))
        return s_last ^ s_random () >> (30 + s_random () % 34);
    return s_last = s_one_in (8) ? 0 : s_one_in (16) ? UINT64_MAX >> s_random () % 64 : number;
}

static void s_varint (octets_t *self, uint64_t number)
{
    uint32_t extra = !s_is_tidy && s_one_in (24) ? (uint32_t)(s_random () % 8) : 0;
    for (; number >= 0x80; number >>= 7)
        s_add (self, &(unsigned char){(unsigned char)(number | 0x80)}, 1);
    s_add (self, &(unsigned char){(unsigned char)(number | (extra ? 0x80 : 0))}, 1);
    for (; extra > 0; extra--)
        s_add (self, &(unsigned char){extra > 1 ? 0x80 : 0}, 1);
}

static void s_sized (octets_t *self, const void *data, size_t size)
{
    s_varint (self, size);
    s_add (self, data, size);
}

/* ------------------------------------------------------------------ fields */

static void s_string (octets_t *self, const char *field)
{
    static const char *const good[] = {"a",  "price",    "market_data",      "position.BTC.f1", "spot:BTC/EUR-1",
                                       "x1", "abcdefgh", "abcdefghijklmnopq"};
    static const char *const texts[] = {"",
                                        "\xe2\x82\xac 5",
                                        "0123456",
                                        "01234567",
                                        "a long text \xf0\x9f\x98\x80 of many",
                                        "plain and somewhat longer text"};
    static const char *const bad[] = {"a..b", ".a",          "a.",           "all",          "Market",        "_x",
                                      "a b",  "\xff",        "abcdefgh\x80", "\xed\xa0\x80", "abcdefghi\x01", "a*b",
                                      "",     "01234567\xc2"};
    char octets[200];
    size_t size = s_random () % sizeof octets;
    if (!s_is_tidy && s_one_in (40)) {
        for (size_t i = 0; i < size; i++)
            octets[i] = (char)(s_one_in (30) ? s_random () : 'a' + s_random () % 26);
        s_sized (self, octets, size);
        return;
    }
    bool is_name = strcmp (field, "name") == 0 || strcmp (field, "category") == 0 || strcmp (field, "subject") == 0;
    const char *text = texts[s_random () % (sizeof texts / sizeof *texts)];
    if (is_name)
        text = good[s_random () % (strcmp (field, "name") == 0 ? sizeof good / sizeof *good : 3)];
    if (!s_is_tidy && s_one_in (30))
        text = bad[s_random () % (sizeof bad / sizeof *bad)];
    s_sized (self, text, strlen (text));
}

static void s_message (octets_t *self, const ProtobufCMessageDescriptor *descriptor, uint32_t depth);

static void s_part (octets_t *self, const ProtobufCMessageDescriptor *descriptor, uint32_t depth)
{
    octets_t *part = &s_parts[depth];
    part->size = 0;
    s_message (part, descriptor, depth + 1);
    s_sized (self, part->data, part->size);
}

static void s_double (octets_t *self)
{
    static const double numbers[] = {0.0, -0.0, 1.5, -1e300, 5e-324, 1.7976931348623157e308};
    double number = numbers[s_random () % 6];
    if (!s_is_tidy && s_one_in (20))
        number = s_one_in (2) ? INFINITY : NAN;
    s_add (self, &number, sizeof number);
}

/* Tag and content. A number is what the schema says it is, most of the time. */
static void s_field (octets_t *self, const ProtobufCFieldDescriptor *field, uint32_t depth)
{
    uint64_t number = s_number ();
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        s_varint (self, field->id << 3 | 1);
        s_double (self);
        return;
    case PROTOBUF_C_TYPE_STRING:
        s_varint (self, field->id << 3 | 2);
        s_string (self, field->name);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        s_varint (self, field->id << 3 | 2);
        s_sized (self, s_payload, s_random () % (s_one_in (100) ? sizeof s_payload : 300));
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        s_varint (self, field->id << 3 | 2);
        s_part (self, field->descriptor, depth);
        return;
    case PROTOBUF_C_TYPE_ENUM:
        number = s_random () % (s_is_tidy ? 4 : 12);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        number = s_is_tidy || s_one_in (2) ? number & 1 : number;
        break;
    case PROTOBUF_C_TYPE_SINT32:
        number = s_random () % (s_is_tidy ? 129 : 140);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        number = s_is_tidy ? (uint32_t)number : number;
        break;
    default:
        if (s_is_tidy && strcmp (field->name, "first_topic_sequence") == 0)
            number = 0;
    }
    s_varint (self, field->id << 3);
    s_varint (self, number);
}

static void s_unknown (octets_t *self)
{
    s_varint (self, (s_random () % 30 + 1) << 3 | s_random () % 6);
    s_varint (self, s_random () % 5);
}

/* How often a repeated field comes. */
static uint32_t s_repeats (void)
{
    return s_is_tidy ? (uint32_t)(s_random () % 4 + !s_one_in (40)) : (uint32_t)(s_random () % 4);
}

static bool s_is_in_oneof (const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Which of the message's oneof comes: the hot bodies more often than others; -1 where there is none. */
static int s_choose (const ProtobufCMessageDescriptor *descriptor)
{
    int first = -1, count = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (s_is_in_oneof (&descriptor->fields[i])) {
            first = first < 0 ? (int)i : first;
            count++;
        }
    if (first < 0)
        return -1;
    if (descriptor == &syncbus__v1__agent_message__descriptor && !s_one_in (16))
        return first + 1 + (int)(s_random () % 2);
    if (descriptor == &syncbus__v1__broker_message__descriptor && !s_one_in (4))
        return first + 2;
    return first + (int)(s_random () % (uint64_t)count);
}

/* The octets from `begin` on once more, or nearly: what resembles the one before is read in another way. */
static void s_repeat (octets_t *self, size_t begin)
{
    size_t size = self->size - begin;
    if (2 * size + begin > OCTETS_MAX)
        return;
    s_add (self, self->data + begin, size);
    if (!s_is_tidy && s_one_in (3))
        self->data[self->size - 1 - s_random () % size] ^= (unsigned char)(1 << s_random () % 8);
}

/* A field `count` times. */
static void s_fields (octets_t *self, const ProtobufCFieldDescriptor *field, uint32_t count, uint32_t depth)
{
    size_t last = self->size;
    for (uint32_t i = 0; i < count; i++) {
        size_t begin = self->size;
        if (begin > last && s_one_in (2))
            s_repeat (self, last);
        else
            s_field (self, field, depth);
        last = begin;
    }
}

static void s_message (octets_t *self, const ProtobufCMessageDescriptor *descriptor, uint32_t depth)
{
    cr_assert_lt (depth, DEPTH_MAX);
    int chosen = s_choose (descriptor);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        unsigned at = !s_is_tidy && s_one_in (20) ? (unsigned)(s_random () % descriptor->n_fields) : i;
        const ProtobufCFieldDescriptor *field = &descriptor->fields[at];
        uint32_t count = !s_one_in (3) || strcmp (field->name, "name") == 0;
        if (s_is_in_oneof (field))
            count = (int)at == chosen;
        else if (field->label == PROTOBUF_C_LABEL_REPEATED)
            count = strcmp (field->name, "refused") == 0 ? s_one_in (8) : s_repeats ();
        if (!s_is_tidy && s_one_in (60))
            count = count ? 0 : 2;
        s_fields (self, field, count, depth);
        if (!s_is_tidy && s_one_in (60))
            s_unknown (self);
    }
}

/* Changes, adds, removes or repeats octets. */
static void s_disturb (octets_t *self)
{
    for (uint64_t times = s_random () % 3 + 1; times > 0 && self->size > 0; times--) {
        size_t at = s_random () % self->size, more = s_random () % 8;
        switch (s_random () % 5) {
        case 0:
            self->data[at] ^= (unsigned char)(1 << s_random () % 8);
            break;
        case 1:
            self->data[at] = (unsigned char)s_random ();
            break;
        case 2:
            self->size = at;
            break;
        case 3:
            memmove (self->data + at, self->data + at + 1, self->size - at - 1);
            self->size--;
            break;
        default:
            if (self->size + more > OCTETS_MAX)
                break;
            memmove (self->data + at + more, self->data + at, self->size - at);
            self->size += more;
        }
    }
}

/* ------------------------------------------------------------------ claims */

static void s_setup (void)
{
    s_state = UINT64_C (0x2545f4914f6cdd1d);
    for (size_t i = 0; i < sizeof s_payload; i++)
        s_payload[i] = (unsigned char)(i % 2 ? i : 0);
}

TestSuite (hot_random, .init = s_setup, .timeout = 200);

/* Rounds of messages of a kind: never a difference, and each way taken often enough to mean something. */
static void s_run (const ProtobufCMessageDescriptor *descriptor, const char *topic, size_t topic_size,
                   const char *(*twins) (const void *, size_t, bool *))
{
    static octets_t message;
    uint32_t hot_count = 0, tidy_count = 0, tidy_hot_count = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        bool is_hot;
        s_is_tidy = s_one_in (2);
        message.size = 0;
        s_add (&message, topic, topic_size);
        s_message (&message, descriptor, 0);
        bool is_disturbed = s_one_in (3);
        if (is_disturbed)
            s_disturb (&message);
        const char *difference = twins (message.data, message.size, &is_hot);
        cr_assert_null (difference, "round %u: %s", round, difference);
        hot_count += is_hot;
        tidy_count += s_is_tidy && !is_disturbed;
        tidy_hot_count += s_is_tidy && !is_disturbed && is_hot;
    }
    cr_expect_gt (tidy_hot_count, tidy_count / 2, "%u of %u tidy messages", tidy_hot_count, tidy_count);
    cr_expect_gt (ROUNDS - hot_count, ROUNDS / 5, "%u of %u messages are hot", hot_count, ROUNDS);
    cr_expect_gt (hot_count - tidy_hot_count, ROUNDS / 50, "%u untidy ones are hot", hot_count - tidy_hot_count);
}

Test (hot_random, agent_messages_read_and_write_as_with_protobuf)
{
    s_run (&syncbus__v1__agent_message__descriptor, "", 0, hot_twins_agent_message);
}

Test (hot_random, publications_read_and_write_as_with_protobuf)
{
    s_run (&syncbus__v1__publication__descriptor, "market_data.feed.BTC", sizeof "market_data.feed.BTC",
           hot_twins_publication);
}

Test (hot_random, broker_messages_read_and_write_as_with_protobuf)
{
    s_run (&syncbus__v1__broker_message__descriptor, "", 0, hot_twins_broker_message);
}

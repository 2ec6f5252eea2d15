/* SPDX-License-Identifier: MPL-2.0
 *
 * Samples of every message, see samples.h. A message is filled by walking its descriptor; strings whose
 * syntax or range is checked get a fitting one by their field's name. Memory for the walk is never freed one by one:
 * it lives in an arena of its own.
 */
#include "samples.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct {
    sb_arena_t *arena;
    uint32_t counter; /* makes values differ */
    bool is_full;
} filler_t;

static const ProtobufCMessageDescriptor *const s_descriptors[] = {
    [SAMPLE_AGENT_MESSAGE] = &syncbus__v1__agent_message__descriptor,
    [SAMPLE_BROKER_MESSAGE] = &syncbus__v1__broker_message__descriptor,
    [SAMPLE_COMMAND_REQUEST] = &syncbus__v1__command_request__descriptor,
    [SAMPLE_COMMAND_REPLY] = &syncbus__v1__command_reply__descriptor,
    [SAMPLE_PUBLICATION] = &syncbus__v1__publication__descriptor,
};

static ProtobufCMessage *s_message (filler_t *self, const ProtobufCMessageDescriptor *descriptor, uint32_t choice);

static char *s_string (filler_t *self, const char *field)
{
    char *text = sb_arena_take (self->arena, 64);
    uint32_t number = ++self->counter;
    if (strcmp (field, "category") == 0)
        snprintf (text, 64, "market_%u", number);
    else if (strcmp (field, "topic") == 0)
        snprintf (text, 64, "market_data.feed.s%u", number);
    else if (strcmp (field, "name") == 0)
        snprintf (text, 64, "position.BTC.f%u", number);
    else if (strcmp (field, "subject") == 0)
        snprintf (text, 64, "spot:%u", number);
    else
        snprintf (text, 64, "%s \xe2\x82\xac %u", field, number);
    return text;
}

/* Puts a value of the field's type at `where`. */
static void s_put (filler_t *self, const ProtobufCFieldDescriptor *field, void *where, uint32_t choice)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)where = (UINT64_C (1) << 40) + ++self->counter;
        if (strcmp (field->name, "first_topic_sequence") == 0) /* not beyond topic_sequence */
            *(uint64_t *)where -= UINT64_C (1) << 39;
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        *(uint32_t *)where = strcmp (field->name, "credit") == 0 ? ++self->counter % 64 + 1 : 1000 + ++self->counter;
        return;
    case PROTOBUF_C_TYPE_SINT32:
        *(int32_t *)where = -(int32_t)(++self->counter % 60) - 1;
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)where = -0.5 - ++self->counter;
        return;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)where = 1;
        return;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumDescriptor *numbers = field->descriptor;
        unsigned count = numbers->n_values - (strcmp (field->name, "cause") == 0); /* the last is never on the wire */
        *(int *)where = numbers->values[++self->counter % count].value;
        return;
    }
    case PROTOBUF_C_TYPE_STRING:
        *(char **)where = s_string (self, field->name);
        return;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = where;
        bytes->data = (uint8_t *)"\0\xff\0";
        bytes->len = 3;
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)where = s_message (self, field->descriptor, choice);
        return;
    default:
        assert (false && "the schema uses a type that samples do not know yet");
    }
}

static size_t s_item_size (ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_BYTES ? sizeof (ProtobufCBinaryData) : 8; /* pointers and 64-bit numbers */
}

/* Enough changes and parameters to show each kind of value; of everything else two, to keep samples short. */
static size_t s_repeat_count (const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return 3;
    const char *name = ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name;
    bool has_value =
        strcmp (name, "Change") == 0 || strcmp (name, "Parameter") == 0 || strcmp (name, "SnapshotField") == 0;
    return has_value ? 12 : 2;
}

static void s_fill_field (filler_t *self, const ProtobufCFieldDescriptor *field, void *message, uint32_t choice)
{
    char *member = (char *)message + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        s_put (self, field, member, choice);
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            *(int *)((char *)message + field->quantifier_offset) = (int)field->id;
        return;
    }
    size_t count = s_repeat_count (field);
    size_t item_size = s_item_size (field->type);
    char *items = sb_arena_take (self->arena, count * item_size);
    for (size_t i = 0; i < count; i++)
        s_put (self, field, items + i * item_size, (uint32_t)i);
    *(size_t *)((char *)message + field->quantifier_offset) = count;
    *(void **)member = items;
}

/* The fields of the message's oneof. */
static uint32_t s_oneof_count (const ProtobufCMessageDescriptor *descriptor)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            count++;
    return count;
}

/* A chunk's body is a message of its own, and its checksum that of the body. */
static void s_fill_chunk (filler_t *self, Syncbus__V1__SnapshotChunk *chunk)
{
    ProtobufCMessage *topics = s_message (self, &syncbus__v1__snapshot_topics__descriptor, 0);
    chunk->body.data = sb_arena_take (self->arena, protobuf_c_message_get_packed_size (topics));
    chunk->body.len = protobuf_c_message_pack (topics, chunk->body.data);
    chunk->checksum = (uint32_t)crc32 (0, chunk->body.data, (uInt)chunk->body.len);
}

static ProtobufCMessage *s_message (filler_t *self, const ProtobufCMessageDescriptor *descriptor, uint32_t choice)
{
    ProtobufCMessage *message = sb_arena_take (self->arena, descriptor->sizeof_message);
    assert (message);
    protobuf_c_message_init (descriptor, message);
    uint32_t kinds = s_oneof_count (descriptor);
    uint32_t kind = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_oneof ? kind++ == choice % kinds : self->is_full)
            s_fill_field (self, field, message, choice / (kinds ? kinds : 1) + i);
    }
    if (self->is_full && descriptor == &syncbus__v1__snapshot_chunk__descriptor)
        s_fill_chunk (self, (Syncbus__V1__SnapshotChunk *)message);
    return message;
}

uint32_t sample_count (sample_frame_t frame)
{
    uint32_t kinds = s_oneof_count (s_descriptors[frame]);
    return kinds ? kinds : 1;
}

/* Turns the deletes of a chunk, which are a fault there, into values. */
static void s_without_deletes (filler_t *self, ProtobufCMessage *message)
{
    Syncbus__V1__AgentMessage *agent_message = (Syncbus__V1__AgentMessage *)message;
    if (message->descriptor != &syncbus__v1__agent_message__descriptor ||
        agent_message->body_case != SYNCBUS__V1__AGENT_MESSAGE__BODY_REPLACE_CHUNK)
        return;
    Syncbus__V1__ReplaceChunk *chunk = agent_message->replace_chunk;
    for (size_t i = 0; i < chunk->n_topics; i++)
        for (size_t n = 0; n < chunk->topics[i]->n_changes; n++) {
            Syncbus__V1__Change *change = chunk->topics[i]->changes[n];
            change->kind_case = SYNCBUS__V1__CHANGE__KIND_VALUE;
            change->value = (Syncbus__V1__Value *)s_message (self, &syncbus__v1__value__descriptor, (uint32_t)n);
        }
}

sample_t sample_new (sample_frame_t frame, uint32_t number, bool full)
{
    filler_t filler = {.arena = sb_arena_new (64 << 20), .is_full = full};
    ProtobufCMessage *message = s_message (&filler, s_descriptors[frame], number);
    if (full)
        s_without_deletes (&filler, message);
    static const char topic[] = "market_data.feed.spot:BTC";
    size_t topic_size = frame == SAMPLE_PUBLICATION ? sizeof topic : 0;
    sample_t sample = {.size = topic_size + protobuf_c_message_get_packed_size (message)};
    sample.data = malloc (sample.size ? sample.size : 1);
    if (topic_size)
        memcpy (sample.data, topic, topic_size);
    protobuf_c_message_pack (message, sample.data + topic_size);
    sb_arena_destroy (&filler.arena);
    return sample;
}

sample_t sample_copy (const void *data, size_t size)
{
    sample_t sample = {malloc (size ? size : 1), size};
    if (size)
        memcpy (sample.data, data, size);
    return sample;
}

void sample_free (sample_t *self)
{
    free (self->data);
    self->data = NULL;
    self->size = 0;
}

enum { MAX_BYTES = 1 << 20 };

/* One function for each frame: decode into a struct of its type, then encode that. */
#define FRAME(function, type)                                                                                          \
    static sb_fault_t s_##function (const sample_t *sample, sb_arena_t *arena, sample_t *again)                        \
    {                                                                                                                  \
        type##_t decoded;                                                                                              \
        memset (&decoded, 0xa5, sizeof decoded);                                                                       \
        sb_fault_t fault = sb_decode_##function (arena, sample->data, sample->size, MAX_BYTES, &decoded);              \
        sb_encoding_t *encoding;                                                                                       \
        if (again && fault.reason == SB_REASON_NONE) {                                                                 \
            again->size = sb_encode_##function (arena, &decoded, &encoding);                                           \
            again->data = malloc (again->size ? again->size : 1);                                                      \
            if (again->size)                                                                                           \
                sb_encoding_write (encoding, again->data);                                                             \
        }                                                                                                              \
        return fault;                                                                                                  \
    }
FRAME (agent_message, sb_agent_message)
FRAME (broker_message, sb_broker_message)
FRAME (command_request, sb_command_request)
FRAME (command_reply, sb_command_reply)
FRAME (publication, sb_publication)

sb_fault_t sample_decode (sample_frame_t frame, const sample_t *sample, sb_arena_t *arena, sample_t *again)
{
    static sb_fault_t (*const functions[]) (const sample_t *, sb_arena_t *, sample_t *) = {
        [SAMPLE_AGENT_MESSAGE] = s_agent_message,     [SAMPLE_BROKER_MESSAGE] = s_broker_message,
        [SAMPLE_COMMAND_REQUEST] = s_command_request, [SAMPLE_COMMAND_REPLY] = s_command_reply,
        [SAMPLE_PUBLICATION] = s_publication,
    };
    return functions[frame](sample, arena, again);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding: what all messages share, and publications, requests, replies.
 *
 * Our structs are turned into protobuf-c's in the arena, which then computes
 * the exact size and packs. Texts are copied, since protobuf-c wants a NUL
 * after each; bytes are borrowed. Children are kept by value in one array per
 * repeated field, with an array of pointers beside it. A message costs two
 * walks and no malloc once the arena has grown.
 * Rejected: an encoder of our own for all of it; it would save the copies, and be
 * a second place that must be right about the format. Where the copies count there
 * is one (sb_hot_encode.c), and it is held to this one.
 */
#include "sb_codec_private.h"

#include <assert.h>
#include <string.h>

/* ------------------------------------------------------------------ the encoder */

void *sb_encoder_take (sb_encoder_t *self, size_t count, size_t item_size)
{
    if (count == 0 || self->is_full)
        return NULL;
    void *items = count <= SIZE_MAX / item_size ? sb_arena_take (self->arena, count * item_size) : NULL;
    if (items)
        memset (items, 0, count * item_size);
    else
        self->is_full = true;
    return items;
}

char *sb_encoder_text (sb_encoder_t *self, sb_text_t text)
{
    char *copy = text.size ? sb_encoder_take (self, (size_t)text.size + 1, 1) : NULL;
    if (!copy)
        return (char *)protobuf_c_empty_string;
    memcpy (copy, text.data, text.size);
    return copy;
}

char **sb_encoder_texts (sb_encoder_t *self, const sb_text_t *texts, uint32_t count)
{
    char **strings = sb_encoder_take (self, count, sizeof *strings);
    for (uint32_t i = 0; strings && i < count; i++)
        strings[i] = sb_encoder_text (self, texts[i]);
    return strings;
}

void *sb_encoder_children (sb_encoder_t *self, size_t count, size_t item_size, void ***pointers)
{
    unsigned char *items = sb_encoder_take (self, count, item_size);
    *pointers = sb_encoder_take (self, count, sizeof **pointers);
    if (!items || !*pointers)
        return NULL;
    for (size_t i = 0; i < count; i++)
        (*pointers)[i] = items + i * item_size;
    return items;
}

size_t sb_encoder_finish (sb_encoder_t *self, ProtobufCMessage *message, const sb_text_t *topic,
                          sb_encoding_t **encoding)
{
    *encoding = NULL;
    sb_encoding_t *result = sb_encoder_take (self, 1, sizeof *result);
    if (!result || self->is_full)
        return 0;
    result->message = message;
    result->message_size = protobuf_c_message_get_packed_size (message);
    if (topic) {
        result->topic = *topic;
        result->has_topic = true;
    }
    *encoding = result;
    return result->message_size + (topic ? (size_t)topic->size + 1 : 0);
}

void sb_encoding_write (const sb_encoding_t *encoding, void *data)
{
    if (encoding->frame) {
        memcpy (data, encoding->frame, encoding->frame_size);
        return;
    }
    uint8_t *octets = data;
    if (encoding->has_topic) {
        memcpy (octets, encoding->topic.data, encoding->topic.size);
        octets += encoding->topic.size;
        *octets++ = 0;
    }
    size_t size = protobuf_c_message_pack (encoding->message, octets);
    assert (size == encoding->message_size);
}

/* ------------------------------------------------------------------ values */

static char s_empty[] = "";

void sb_encode_value (sb_encoder_t *self, const sb_value_t *source, Syncbus__V1__Value *value)
{
    syncbus__v1__value__init (value);
    switch (source->kind) {
    case SB_VALUE_NONE:
        break;
    case SB_VALUE_NUMBER:
        value->kind_case = SYNCBUS__V1__VALUE__KIND_NUMBER;
        value->number = source->number;
        break;
    case SB_VALUE_INTEGER:
        value->kind_case = SYNCBUS__V1__VALUE__KIND_INTEGER;
        value->integer = source->integer;
        break;
    case SB_VALUE_DECIMAL:
        value->decimal = sb_encoder_take (self, 1, sizeof *value->decimal);
        if (!value->decimal)
            break;
        syncbus__v1__decimal__init (value->decimal);
        value->kind_case = SYNCBUS__V1__VALUE__KIND_DECIMAL;
        value->decimal->unscaled = source->decimal.unscaled;
        value->decimal->exponent = source->decimal.exponent;
        break;
    case SB_VALUE_BOOLEAN:
        value->kind_case = SYNCBUS__V1__VALUE__KIND_BOOLEAN;
        value->boolean = source->boolean;
        break;
    case SB_VALUE_TEXT:
        value->kind_case = SYNCBUS__V1__VALUE__KIND_TEXT;
        /* Within a oneof protobuf-c takes its own empty string for "not set". */
        value->text = source->text.size ? sb_encoder_text (self, source->text) : s_empty;
        break;
    case SB_VALUE_BYTES:
        value->kind_case = SYNCBUS__V1__VALUE__KIND_BYTES;
        value->bytes.data = (uint8_t *)source->bytes.data;
        value->bytes.len = source->bytes.size;
        break;
    }
}

/* A change and the value that belongs to it, side by side. */
typedef struct {
    Syncbus__V1__Change change;
    Syncbus__V1__Value value;
    Syncbus__V1__Delete remove;
} sb_encoded_change_t;

Syncbus__V1__Change **sb_encode_changes (sb_encoder_t *self, const sb_change_t *source, uint32_t count)
{
    void **pointers;
    sb_encoded_change_t *changes = sb_encoder_children (self, count, sizeof *changes, &pointers);
    for (uint32_t i = 0; changes && i < count; i++) {
        Syncbus__V1__Change *change = &changes[i].change;
        syncbus__v1__change__init (change);
        change->name = sb_encoder_text (self, source[i].name);
        if (source[i].is_delete) {
            syncbus__v1__delete__init (&changes[i].remove);
            change->kind_case = SYNCBUS__V1__CHANGE__KIND_DELETE;
            change->delete_ = &changes[i].remove;
        } else if (source[i].value.kind != SB_VALUE_NONE) {
            sb_encode_value (self, &source[i].value, &changes[i].value);
            change->kind_case = SYNCBUS__V1__CHANGE__KIND_VALUE;
            change->value = &changes[i].value;
        }
    }
    return (Syncbus__V1__Change **)pointers;
}

/* A parameter and its value, side by side. */
typedef struct {
    Syncbus__V1__Parameter parameter;
    Syncbus__V1__Value value;
} sb_encoded_parameter_t;

Syncbus__V1__Parameter **sb_encode_parameters (sb_encoder_t *self, const sb_parameter_t *source, uint32_t count)
{
    void **pointers;
    sb_encoded_parameter_t *parameters = sb_encoder_children (self, count, sizeof *parameters, &pointers);
    for (uint32_t i = 0; parameters && i < count; i++) {
        syncbus__v1__parameter__init (&parameters[i].parameter);
        parameters[i].parameter.name = sb_encoder_text (self, source[i].name);
        sb_encode_value (self, &source[i].value, &parameters[i].value);
        parameters[i].parameter.value = &parameters[i].value;
    }
    return (Syncbus__V1__Parameter **)pointers;
}

Syncbus__V1__Goodbye *sb_encode_goodbye (sb_encoder_t *self, const sb_goodbye_t *source)
{
    Syncbus__V1__Goodbye *goodbye = sb_encoder_take (self, 1, sizeof *goodbye);
    if (!goodbye)
        return NULL;
    syncbus__v1__goodbye__init (goodbye);
    goodbye->reason = (Syncbus__V1__Reason)source->reason;
    goodbye->text = sb_encoder_text (self, source->text);
    return goodbye;
}

/* ------------------------------------------------------------------ publications */

void sb_encode_publication_body (sb_encoder_t *self, const sb_publication_t *source,
                                 Syncbus__V1__Publication *publication)
{
    syncbus__v1__publication__init (publication);
    publication->stream_id = source->stream_id;
    publication->epoch = source->epoch;
    publication->sequence = source->sequence;
    publication->category_sequence = source->category_sequence;
    publication->topic_sequence = source->topic_sequence;
    publication->agent_id = sb_encoder_text (self, source->agent_id);
    publication->broker_unix_ns = source->broker_unix_ns;
    publication->quality = (Syncbus__V1__Quality)source->quality;
    publication->cause = (Syncbus__V1__Cause)source->cause;
    publication->first_topic_sequence = source->first_topic_sequence;
    publication->agent_sequence = source->agent_sequence;
    publication->conflated_sequence = source->conflated_sequence;
    void **pointers;
    Syncbus__V1__Update *updates = sb_encoder_children (self, source->update_count, sizeof *updates, &pointers);
    for (uint32_t i = 0; updates && i < source->update_count; i++) {
        const sb_update_t *update = &source->updates[i];
        syncbus__v1__update__init (&updates[i]);
        updates[i].sequence = update->sequence;
        updates[i].event_unix_ns = update->event_unix_ns;
        updates[i].origin_unix_ns = update->origin_unix_ns;
        updates[i].n_changes = update->change_count;
        updates[i].changes = sb_encode_changes (self, update->changes, update->change_count);
        updates[i].publication_sequence = update->publication_sequence;
    }
    publication->n_updates = source->update_count;
    publication->updates = (Syncbus__V1__Update **)pointers;
}

size_t sb_protobuf_encode_publication (sb_arena_t *arena, const sb_publication_t *publication, sb_encoding_t **encoding)
{
    sb_encoder_t encoder = {.arena = arena};
    Syncbus__V1__Publication *message = sb_encoder_take (&encoder, 1, sizeof *message);
    if (message)
        sb_encode_publication_body (&encoder, publication, message);
    return sb_encoder_finish (&encoder, (ProtobufCMessage *)message, &publication->topic, encoding);
}

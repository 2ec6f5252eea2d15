/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding: what all messages share, and deltas.
 *
 * protobuf-c unpacks into the arena; then its structs are read into ours, and
 * everything is checked that needs no state. protobuf-c checks neither UTF-8
 * nor NULs, and hands over char * only: the length on the wire is read from the
 * arena's header (see sb_arena.c). The schema is not recursive, so the nesting
 * is at most eight deep whatever the octets say; unknown fields are skipped;
 * groups, which proto3 does not have, make protobuf-c fail.
 *
 * Deltas and publications that nothing is wrong with do not come here: see sb_hot.h.
 *
 * What is wrong inside one delta is that delta's fault, the message stands.
 * A delta with a fault carries no changes, so that nobody takes half of it.
 */
#include "sb_codec_private.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ the decoder */

void sb_decoder_fail (sb_decoder_t *self, const char *text)
{
    if (self->fault.reason != SB_REASON_NONE)
        return;
    self->fault.reason = SB_REASON_MALFORMED;
    self->fault.text = sb_text (text);
}

void *sb_decoder_unpack (sb_decoder_t *self, const ProtobufCMessageDescriptor *descriptor, const void *data,
                         size_t size, size_t max_bytes)
{
    assert (max_bytes <= UINT32_MAX);
    if (size > max_bytes) {
        self->fault.reason = SB_REASON_TOO_LARGE;
        self->fault.text = sb_text ("the frame is larger than the limit");
        return NULL;
    }
    ProtobufCAllocator allocator;
    sb_arena_allocator (self->arena, &allocator);
    void *message = protobuf_c_message_unpack (descriptor, &allocator, size, data);
    if (!message)
        sb_decoder_fail (self, "the octets are no message of this schema, or need more memory than a message may");
    return message;
}

void *sb_decoder_take (sb_decoder_t *self, size_t count, size_t item_size)
{
    if (count == 0)
        return NULL;
    /* No count exceeds the octets of its frame, so the product cannot wrap. */
    void *items = sb_arena_take (self->arena, count * item_size);
    if (items)
        memset (items, 0, count * item_size);
    else
        sb_decoder_fail (self, "the message needs more memory than a message may");
    return items;
}

/* ------------------------------------------------------------------ texts */

sb_text_t sb_decoder_raw_text (const char *string)
{
    if (!string || string == protobuf_c_empty_string)
        return (sb_text_t){"", 0};
    return (sb_text_t){string, (uint32_t)(sb_arena_allocated_size (string) - 1)};
}

sb_text_t sb_decoder_text (sb_decoder_t *self, const char *string)
{
    sb_text_t text = sb_decoder_raw_text (string);
    if (!sb_text_is_utf8 (text))
        sb_decoder_fail (self, "a text is not valid UTF-8, or has a NUL in it");
    return text;
}

const sb_text_t *sb_decoder_texts (sb_decoder_t *self, char **strings, size_t count, uint32_t *text_count)
{
    sb_text_t *texts = sb_decoder_take (self, count, sizeof *texts);
    *text_count = texts ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *text_count; i++)
        texts[i] = sb_decoder_text (self, strings[i]);
    return texts;
}

sb_text_t sb_decoder_printable (sb_decoder_t *self, sb_text_t text)
{
    bool is_utf8 = sb_text_is_utf8 (text);
    uint32_t size = text.size < SB_FIELD_NAME_MAX ? text.size : SB_FIELD_NAME_MAX;
    if (is_utf8 && size < text.size)
        while (size > 0 && ((uint8_t)text.data[size] & 0xc0) == 0x80)
            size--;
    char *copy = sb_decoder_take (self, (size_t)size + 1, 1);
    if (!copy)
        return (sb_text_t){"", 0};
    for (uint32_t i = 0; i < size; i++) {
        uint8_t octet = (uint8_t)text.data[i];
        bool shown = octet >= 0x80 ? is_utf8 : octet >= 0x20 && octet != 0x7f;
        copy[i] = shown ? text.data[i] : '?';
    }
    return (sb_text_t){copy, size};
}

/* ------------------------------------------------------------------ values */

static sb_reason_t s_decode_decimal (const Syncbus__V1__Decimal *source, sb_value_t *value)
{
    if (source->exponent < -SB_DECIMAL_EXPONENT_MAX || source->exponent > SB_DECIMAL_EXPONENT_MAX)
        return SB_REASON_BAD_DECIMAL;
    value->kind = SB_VALUE_DECIMAL;
    value->decimal.unscaled = source->unscaled;
    value->decimal.exponent = source->exponent;
    return SB_REASON_NONE;
}

static sb_reason_t s_decode_number (double number, sb_value_t *value)
{
    if (!isfinite (number))
        return SB_REASON_NOT_FINITE;
    value->kind = SB_VALUE_NUMBER;
    value->number = number;
    return SB_REASON_NONE;
}

static sb_reason_t s_decode_text (const char *string, sb_value_t *value)
{
    sb_text_t text = sb_decoder_raw_text (string);
    if (!sb_text_is_utf8 (text))
        return SB_REASON_BAD_TEXT;
    value->kind = SB_VALUE_TEXT;
    value->text = text;
    return SB_REASON_NONE;
}

sb_reason_t sb_decode_value (const Syncbus__V1__Value *source, sb_value_t *value)
{
    memset (value, 0, sizeof *value);
    if (!source)
        return SB_REASON_NO_VALUE;
    switch (source->kind_case) {
    case SYNCBUS__V1__VALUE__KIND_NUMBER:
        return s_decode_number (source->number, value);
    case SYNCBUS__V1__VALUE__KIND_INTEGER:
        value->kind = SB_VALUE_INTEGER;
        value->integer = source->integer;
        return SB_REASON_NONE;
    case SYNCBUS__V1__VALUE__KIND_DECIMAL:
        return s_decode_decimal (source->decimal, value);
    case SYNCBUS__V1__VALUE__KIND_BOOLEAN:
        value->kind = SB_VALUE_BOOLEAN;
        value->boolean = source->boolean != 0;
        return SB_REASON_NONE;
    case SYNCBUS__V1__VALUE__KIND_TEXT:
        return s_decode_text (source->text, value);
    case SYNCBUS__V1__VALUE__KIND_BYTES:
        value->kind = SB_VALUE_BYTES;
        value->bytes.data = source->bytes.len ? (const char *)source->bytes.data : "";
        value->bytes.size = (uint32_t)source->bytes.len;
        return SB_REASON_NONE;
    default:
        return SB_REASON_NO_VALUE;
    }
}

const sb_parameter_t *sb_decode_parameters (sb_decoder_t *self, Syncbus__V1__Parameter **source, size_t count,
                                            uint32_t *parameter_count)
{
    sb_parameter_t *parameters = sb_decoder_take (self, count, sizeof *parameters);
    *parameter_count = parameters ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < *parameter_count; i++) {
        parameters[i].name = sb_decoder_text (self, source[i]->name);
        if (sb_decode_value (source[i]->value, &parameters[i].value) == SB_REASON_BAD_TEXT)
            sb_decoder_fail (self, "a parameter's text is not valid UTF-8, or has a NUL in it");
    }
    return parameters;
}

/* ------------------------------------------------------------------ deltas */

static sb_reason_t s_decode_change (const Syncbus__V1__Change *source, bool is_whole_state, sb_change_t *change)
{
    change->name = sb_decoder_raw_text (source->name);
    if (!sb_name_is_field (change->name))
        return SB_REASON_BAD_FIELD_NAME;
    if (source->kind_case == SYNCBUS__V1__CHANGE__KIND_DELETE) {
        change->is_delete = true;
        return is_whole_state ? SB_REASON_NO_VALUE : SB_REASON_NONE;
    }
    const Syncbus__V1__Value *value = source->kind_case == SYNCBUS__V1__CHANGE__KIND_VALUE ? source->value : NULL;
    return sb_decode_value (value, &change->value);
}

/* Sets the delta's fault and what it is about, and takes the changes out. */
static void s_fault (sb_decoder_t *self, sb_delta_t *delta, sb_reason_t reason, sb_text_t field)
{
    delta->fault = reason;
    delta->fault_field = sb_decoder_printable (self, field);
    delta->update.changes = NULL;
    delta->update.change_count = 0;
}

static void s_decode_changes (sb_decoder_t *self, const Syncbus__V1__Delta *source, bool is_whole_state,
                              sb_delta_t *delta)
{
    sb_change_t *changes = sb_decoder_take (self, source->n_changes, sizeof *changes);
    if (!changes)
        return;
    for (uint32_t i = 0; i < source->n_changes; i++) {
        sb_reason_t reason = s_decode_change (source->changes[i], is_whole_state, &changes[i]);
        if (reason != SB_REASON_NONE) {
            s_fault (self, delta, reason, changes[i].name);
            return;
        }
    }
    delta->update.changes = changes;
    delta->update.change_count = (uint32_t)source->n_changes;
}

void sb_decode_delta (sb_decoder_t *self, const Syncbus__V1__Delta *source, bool is_whole_state, sb_delta_t *delta)
{
    delta->update.sequence = source->sequence;
    delta->update.event_unix_ns = source->event_unix_ns;
    delta->update.origin_unix_ns = source->origin_unix_ns;
    delta->time_to_live_ms = source->time_to_live_ms;
    sb_text_t category = sb_decoder_raw_text (source->category);
    sb_text_t subject = sb_decoder_raw_text (source->subject);
    delta->fault_field = sb_text ("");
    delta->category = delta->subject = sb_text ("");
    if (category.size > 0 && !sb_name_is_category (category)) {
        s_fault (self, delta, SB_REASON_BAD_CATEGORY, category);
        return;
    }
    delta->category = category;
    if (!sb_name_is_subject (subject)) {
        s_fault (self, delta, SB_REASON_BAD_SUBJECT, subject);
        return;
    }
    delta->subject = subject;
    if (source->n_changes == 0)
        s_fault (self, delta, SB_REASON_NO_CHANGES, sb_text (""));
    else if (source->n_changes > SB_CHANGES_MAX)
        s_fault (self, delta, SB_REASON_TOO_MANY_CHANGES, sb_text (""));
    else
        s_decode_changes (self, source, is_whole_state, delta);
}

/* ------------------------------------------------------------------ enums, topics */

/* One of an enum's numbers. */
static bool s_is_known (const ProtobufCEnumDescriptor *descriptor, int number)
{
    return protobuf_c_enum_descriptor_get_value (descriptor, number) != NULL;
}

sb_reason_t sb_decode_reason (sb_decoder_t *self, int number)
{
    if (s_is_known (&syncbus__v1__reason__descriptor, number))
        return (sb_reason_t)number;
    sb_decoder_fail (self, "a reason's number is not of this version's schema");
    return SB_REASON_NONE;
}

sb_quality_t sb_decode_quality (sb_decoder_t *self, int number)
{
    if (s_is_known (&syncbus__v1__quality__descriptor, number))
        return (sb_quality_t)number;
    sb_decoder_fail (self, "a quality's number is not of this version's schema");
    return SB_QUALITY_UNKNOWN;
}

sb_cause_t sb_decode_cause (sb_decoder_t *self, int number)
{
    if (number == SB_CAUSE_SNAPSHOT)
        sb_decoder_fail (self, "the cause SNAPSHOT is never on the wire");
    if (s_is_known (&syncbus__v1__cause__descriptor, number))
        return (sb_cause_t)number;
    sb_decoder_fail (self, "a cause's number is not of this version's schema");
    return SB_CAUSE_NONE;
}

uint64_t sb_decode_snapshot_id (sb_decoder_t *self, uint64_t number)
{
    if (number == 0 || number > SB_NUMBER_MAX)
        sb_decoder_fail (self, "snapshot_id is 1 to 2^53-1");
    return number;
}

sb_text_t sb_decode_topic (sb_decoder_t *self, sb_text_t topic)
{
    sb_text_t category, agent_id, subject;
    if (topic.size > SB_TOPIC_MAX || !sb_topic_split (topic, &category, &agent_id, &subject) || category.size == 0)
        sb_decoder_fail (self, "a topic is not category.agent.subject");
    else if (!sb_text_is_utf8 (topic))
        sb_decoder_fail (self, "a topic is not valid UTF-8, or has a NUL in it");
    return topic;
}

sb_text_t sb_decode_frame_topic (sb_decoder_t *self, sb_text_t topic)
{
    uint32_t interval_ms;
    sb_text_t rest;
    sb_decode_topic (self, sb_conflated_split (topic, &interval_ms, &rest) ? rest : topic);
    return topic;
}

void sb_decode_goodbye (sb_decoder_t *self, const Syncbus__V1__Goodbye *source, sb_goodbye_t *goodbye)
{
    goodbye->reason = sb_decode_reason (self, (int)source->reason);
    goodbye->text = sb_decoder_text (self, source->text);
}

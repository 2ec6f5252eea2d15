/* SPDX-License-Identifier: MPL-2.0
 *
 * The hot path beside protobuf-c, see hot_twins.h. Structs are compared field by field, since padding and unused
 * members differ; the arenas are made once and have room, so that the hot path never gives up for want of it.
 */
#include "hot_twins.h"

#include "sb_codec_private.h"
#include "sb_hot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = HOT_TWINS_MAX * SB_ARENA_FACTOR, ROOM = 4 << 20 };

/* Ends the comparison with the claim's text unless it holds. */
#define SAME(claim)                                                                                                    \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            return #claim;                                                                                             \
    } while (0)
#define SAME_ALL(comparison)                                                                                           \
    do {                                                                                                               \
        const char *difference_ = (comparison);                                                                        \
        if (difference_)                                                                                               \
            return difference_;                                                                                        \
    } while (0)

/* ------------------------------------------------------------------ comparing */

/* The first is the hot path's: it must end in a NUL too. */
static bool s_text (sb_text_t hot, sb_text_t plain)
{
    return sb_text_equal (hot, plain) && hot.data && hot.data[hot.size] == 0;
}

static const char *s_value (const sb_value_t *hot, const sb_value_t *plain)
{
    SAME (hot->kind == plain->kind);
    switch (hot->kind) {
    case SB_VALUE_NONE:
        break;
    case SB_VALUE_NUMBER:
        SAME (memcmp (&hot->number, &plain->number, sizeof hot->number) == 0);
        break;
    case SB_VALUE_INTEGER:
        SAME (hot->integer == plain->integer);
        break;
    case SB_VALUE_DECIMAL:
        SAME (hot->decimal.unscaled == plain->decimal.unscaled);
        SAME (hot->decimal.exponent == plain->decimal.exponent);
        break;
    case SB_VALUE_BOOLEAN:
        SAME (hot->boolean == plain->boolean);
        break;
    case SB_VALUE_TEXT:
        SAME (s_text (hot->text, plain->text));
        break;
    case SB_VALUE_BYTES:
        SAME (sb_text_equal (hot->bytes, plain->bytes));
        break;
    }
    return NULL;
}

static const char *s_update (const sb_update_t *hot, const sb_update_t *plain)
{
    SAME (hot->sequence == plain->sequence);
    SAME (hot->event_unix_ns == plain->event_unix_ns);
    SAME (hot->origin_unix_ns == plain->origin_unix_ns);
    SAME (hot->publication_sequence == plain->publication_sequence);
    SAME (hot->change_count == plain->change_count);
    SAME ((hot->changes == NULL) == (plain->changes == NULL));
    for (uint32_t i = 0; i < hot->change_count; i++) {
        SAME (s_text (hot->changes[i].name, plain->changes[i].name));
        SAME (hot->changes[i].is_delete == plain->changes[i].is_delete);
        SAME_ALL (s_value (&hot->changes[i].value, &plain->changes[i].value));
    }
    return NULL;
}

static const char *s_delta (const sb_delta_t *hot, const sb_delta_t *plain)
{
    SAME (s_text (hot->category, plain->category));
    SAME (s_text (hot->subject, plain->subject));
    SAME (hot->time_to_live_ms == plain->time_to_live_ms);
    SAME (hot->fault == plain->fault);
    SAME (s_text (hot->fault_field, plain->fault_field));
    return s_update (&hot->update, &plain->update);
}

static const char *s_agent_message (const sb_agent_message_t *hot, const sb_agent_message_t *plain)
{
    SAME (hot->kind == plain->kind);
    if (hot->kind != SB_AGENT_MESSAGE_BATCH) /* the hot path takes no other: both came out of the same functions */
        return NULL;
    SAME (hot->batch.delta_count == plain->batch.delta_count);
    for (uint32_t i = 0; i < hot->batch.delta_count; i++)
        SAME_ALL (s_delta (&hot->batch.deltas[i], &plain->batch.deltas[i]));
    return NULL;
}

static const char *s_publication (const sb_publication_t *hot, const sb_publication_t *plain)
{
    SAME (s_text (hot->topic, plain->topic));
    SAME (hot->stream_id == plain->stream_id);
    SAME (hot->epoch == plain->epoch);
    SAME (hot->sequence == plain->sequence);
    SAME (hot->category_sequence == plain->category_sequence);
    SAME (hot->topic_sequence == plain->topic_sequence);
    SAME (s_text (hot->agent_id, plain->agent_id));
    SAME (hot->broker_unix_ns == plain->broker_unix_ns);
    SAME (hot->quality == plain->quality);
    SAME (hot->cause == plain->cause);
    SAME (hot->first_topic_sequence == plain->first_topic_sequence);
    SAME (hot->agent_sequence == plain->agent_sequence);
    SAME (hot->conflated_sequence == plain->conflated_sequence);
    SAME (hot->update_count == plain->update_count);
    SAME ((hot->updates == NULL) == (plain->updates == NULL));
    for (uint32_t i = 0; i < hot->update_count; i++)
        SAME_ALL (s_update (&hot->updates[i], &plain->updates[i]));
    return NULL;
}

static const char *s_broker_message (const sb_broker_message_t *hot, const sb_broker_message_t *plain)
{
    SAME (hot->kind == plain->kind);
    if (hot->kind != SB_BROKER_MESSAGE_ACK)
        return NULL;
    SAME (hot->ack.decided_through == plain->ack.decided_through);
    SAME (hot->ack.refused_count == plain->ack.refused_count);
    SAME ((hot->ack.refused == NULL) == (plain->ack.refused == NULL));
    return NULL;
}

/* ------------------------------------------------------------------ reading and writing */

/* Any of the messages. */
typedef union {
    sb_agent_message_t agent_message;
    sb_broker_message_t broker_message;
    sb_publication_t publication;
} s_message_t;

/* One kind of frame: its three decoders and encoders. */
typedef struct {
    bool (*decode_hot) (sb_arena_t *arena, const void *data, size_t size, s_message_t *message);
    sb_fault_t (*decode_plain) (sb_arena_t *arena, const void *data, size_t size, s_message_t *message);
    sb_fault_t (*decode) (sb_arena_t *arena, const void *data, size_t size, s_message_t *message);
    size_t (*encode_hot) (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding);
    size_t (*encode_plain) (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding);
    const char *(*compare) (const s_message_t *hot, const s_message_t *plain);
    size_t message_size;
} s_codec_t;

/* An arena with room in its one block; the same one each time for the same `place`. */
static sb_arena_t *s_arena (sb_arena_t **place)
{
    if (!*place) {
        *place = sb_arena_new (ARENA_MAX);
        assert (*place && sb_arena_take (*place, ROOM));
    }
    sb_arena_reset (*place);
    return *place;
}

static bool s_is_zero (const s_message_t *message, size_t size)
{
    static const s_message_t zero;
    return memcmp (message, &zero, size) == 0;
}

/* Both write `message`; the octets must be the same, unless the hot path does not take it. */
static const char *s_write (const s_codec_t *codec, const s_message_t *message, bool is_hot)
{
    static sb_arena_t *hot_arena, *plain_arena;
    sb_encoding_t *hot, *plain;
    size_t hot_size = codec->encode_hot (s_arena (&hot_arena), message, &hot);
    size_t plain_size = codec->encode_plain (s_arena (&plain_arena), message, &plain);
    SAME (hot_size > 0 || !is_hot);
    if (hot_size == 0) {
        SAME (hot == NULL);
        return NULL;
    }
    SAME (hot_size == plain_size);
    unsigned char *octets = malloc (2 * hot_size);
    assert (octets);
    sb_encoding_write (hot, octets);
    sb_encoding_write (plain, octets + hot_size);
    bool is_same = memcmp (octets, octets + hot_size, hot_size) == 0;
    free (octets);
    SAME (is_same);
    return NULL;
}

static bool s_has_fault (const s_codec_t *codec, const s_message_t *message);

static const char *s_read (const s_codec_t *codec, const void *data, size_t size, bool *is_hot)
{
    static sb_arena_t *hot_arena, *plain_arena, *public_arena;
    s_message_t hot, plain, public;
    memset (&hot, 0, sizeof hot);
    memset (&plain, 0, sizeof plain);
    memset (&public, 0xa5, sizeof public);
    unsigned char *low, *high, *low_after, *high_after;
    sb_arena_open (s_arena (&hot_arena), &low, &high);
    *is_hot = codec->decode_hot (hot_arena, data, size, &hot);
    sb_arena_open (hot_arena, &low_after, &high_after);
    sb_fault_t plain_fault = codec->decode_plain (s_arena (&plain_arena), data, size, &plain);
    sb_fault_t public_fault = codec->decode (s_arena (&public_arena), data, size, &public);
    SAME (public_fault.reason == plain_fault.reason);
    SAME (sb_text_equal (public_fault.text, plain_fault.text));
    if (!*is_hot)
        SAME (low_after == low && high_after == high);
    if (plain_fault.reason != SB_REASON_NONE) {
        SAME (!*is_hot && s_is_zero (&public, codec->message_size));
        return NULL;
    }
    SAME_ALL (codec->compare (&public, &plain));
    if (*is_hot)
        SAME_ALL (codec->compare (&hot, &plain));
    return s_has_fault (codec, &plain) ? NULL : s_write (codec, &plain, *is_hot);
}

static const char *s_run (const s_codec_t *codec, const void *data, size_t size, bool *is_hot)
{
    *is_hot = false;
    if (size > HOT_TWINS_MAX)
        return NULL;
    unsigned char *exact = malloc (size ? size : 1);
    assert (exact);
    if (size)
        memcpy (exact, data, size);
    const char *difference = s_read (codec, exact, size, is_hot);
    free (exact);
    return difference;
}

/* ------------------------------------------------------------------ the frames */

static bool s_hot_agent_message (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)
{
    return sb_hot_decode_agent_message (arena, data, size, HOT_TWINS_MAX, &message->agent_message);
}

static bool s_hot_publication (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)
{
    return sb_hot_decode_publication (arena, data, size, HOT_TWINS_MAX, &message->publication);
}

static bool s_hot_broker_message (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)
{
    (void)arena;
    return sb_hot_decode_broker_message (data, size, HOT_TWINS_MAX, &message->broker_message);
}

#define HOT_TWINS(name)                                                                                                \
    static sb_fault_t s_plain_##name (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)          \
    {                                                                                                                  \
        return sb_protobuf_decode_##name (arena, data, size, HOT_TWINS_MAX, &message->name);                           \
    }                                                                                                                  \
    static sb_fault_t s_public_##name (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)         \
    {                                                                                                                  \
        return sb_decode_##name (arena, data, size, HOT_TWINS_MAX, &message->name);                                    \
    }                                                                                                                  \
    static size_t s_encode_hot_##name (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding)        \
    {                                                                                                                  \
        return sb_hot_encode_##name (arena, &message->name, encoding);                                                 \
    }                                                                                                                  \
    static size_t s_encode_plain_##name (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding)      \
    {                                                                                                                  \
        return sb_protobuf_encode_##name (arena, &message->name, encoding);                                            \
    }                                                                                                                  \
    static const char *s_compare_##name (const s_message_t *hot, const s_message_t *plain)                             \
    {                                                                                                                  \
        return s_##name (&hot->name, &plain->name);                                                                    \
    }                                                                                                                  \
    static const s_codec_t s_codec_##name = {s_hot_##name,                                                             \
                                             s_plain_##name,                                                           \
                                             s_public_##name,                                                          \
                                             s_encode_hot_##name,                                                      \
                                             s_encode_plain_##name,                                                    \
                                             s_compare_##name,                                                         \
                                             sizeof ((s_message_t *)NULL)->name};                                      \
    const char *hot_twins_##name (const void *data, size_t size, bool *is_hot)                                         \
    {                                                                                                                  \
        return s_run (&s_codec_##name, data, size, is_hot);                                                            \
    }

HOT_TWINS (agent_message)
HOT_TWINS (publication)
HOT_TWINS (broker_message)

/* What a delta with a fault held is gone: it cannot be written again. */
static bool s_has_fault (const s_codec_t *codec, const s_message_t *message)
{
    if (codec != &s_codec_agent_message || message->agent_message.kind != SB_AGENT_MESSAGE_BATCH)
        return false;
    for (uint32_t i = 0; i < message->agent_message.batch.delta_count; i++)
        if (message->agent_message.batch.deltas[i].fault != SB_REASON_NONE)
            return true;
    return false;
}

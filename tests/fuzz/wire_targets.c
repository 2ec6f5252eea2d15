/* SPDX-License-Identifier: MPL-2.0
 *
 * The decoders of the wire, all held to the same claims:
 *   - a fault is of kind MESSAGE, has a text, and leaves the message zeroed
 *   - what was read can be written, what was written can be read, and both are the same from then on
 *   - with next to no memory a message is read or refused, never half read
 *   - a snapshot's chunk is never larger than its bound says, and every field in it has a hash
 * A delta that is read with its fault has lost its content, so messages with one are not written again.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "sb_codec.h"
#include "sb_reasons.h"
#include "sb_state_hash.h"

enum { MESSAGE_MAX = 256 * 1024, SMALL_ARENA = 4096 };

/* Any of the messages. */
typedef union {
    sb_agent_message_t agent_message;
    sb_broker_message_t broker_message;
    sb_command_request_t command_request;
    sb_command_reply_t command_reply;
    sb_publication_t publication;
} s_message_t;

/* One decoder with its encoder. */
typedef struct {
    sb_fault_t (*decode) (sb_arena_t *arena, const void *data, size_t size, s_message_t *message);
    size_t (*encode) (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding);
    bool (*has_fault) (const s_message_t *message); /* a delta's; NULL: there are none */
    bool may_be_empty;                              /* with nothing set it has no octets */
} s_codec_t;

static bool s_any_fault (const sb_delta_t *deltas, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (deltas[i].fault != SB_REASON_NONE)
            return true;
    }
    return false;
}

static bool s_has_fault (const s_message_t *message)
{
    const sb_agent_message_t *agent_message = &message->agent_message;
    if (agent_message->kind == SB_AGENT_MESSAGE_BATCH)
        return s_any_fault (agent_message->batch.deltas, agent_message->batch.delta_count);
    if (agent_message->kind == SB_AGENT_MESSAGE_REPLACE_CHUNK)
        return s_any_fault (agent_message->replace_chunk.topics, agent_message->replace_chunk.topic_count);
    return false;
}

/* The octets of a message, on the heap. */
static uint8_t *s_write (const s_codec_t *codec, sb_arena_t *arena, const s_message_t *message, size_t *size)
{
    sb_encoding_t *encoding;
    *size = codec->encode (arena, message, &encoding);
    uint8_t *octets = malloc (*size ? *size : 1);
    FUZZ_CLAIM (octets);
    if (*size)
        sb_encoding_write (encoding, octets);
    return octets;
}

static bool s_is_zero (const s_message_t *message, size_t size)
{
    const uint8_t *octets = (const uint8_t *)message;
    for (size_t i = 0; i < size; i++) {
        if (octets[i] != 0)
            return false;
    }
    return true;
}

/* Writes what was read, reads that, and writes it again. */
static void s_go_round (const s_codec_t *codec, sb_arena_t *arena, s_message_t *message)
{
    size_t first_size, again_size;
    uint8_t *first = s_write (codec, arena, message, &first_size);
    sb_arena_reset (arena);
    if (first_size > 0) {
        FUZZ_CLAIM (codec->decode (arena, first, first_size, message).reason == SB_REASON_NONE);
        uint8_t *again = s_write (codec, arena, message, &again_size);
        FUZZ_CLAIM (again_size == first_size && memcmp (again, first, first_size) == 0);
        free (again);
    } else {
        FUZZ_CLAIM (codec->may_be_empty); /* it had only what the schema does not name */
    }
    free (first);
}

static void s_run (const s_codec_t *codec, size_t message_size, const uint8_t *data, size_t size)
{
    s_message_t message;
    sb_arena_t *arena = sb_arena_new ((size_t)MESSAGE_MAX * SB_ARENA_FACTOR);
    sb_arena_t *small = sb_arena_new (SMALL_ARENA);
    FUZZ_CLAIM (arena && small);
    codec->decode (small, data, size, &message);
    sb_fault_t fault = codec->decode (arena, data, size, &message);
    if (fault.reason != SB_REASON_NONE) {
        FUZZ_CLAIM (sb_reason_info (fault.reason)->kind == SB_REASON_KIND_MESSAGE && fault.text.size > 0);
        FUZZ_CLAIM (s_is_zero (&message, message_size));
    } else if (!codec->has_fault || !codec->has_fault (&message)) {
        s_go_round (codec, arena, &message);
    }
    sb_arena_destroy (&small);
    sb_arena_destroy (&arena);
}

#define WIRE_TARGET(name, fault_check, may_be_empty)                                                                   \
    static sb_fault_t s_decode_##name (sb_arena_t *arena, const void *data, size_t size, s_message_t *message)         \
    {                                                                                                                  \
        return sb_decode_##name (arena, data, size, MESSAGE_MAX, &message->name);                                      \
    }                                                                                                                  \
    static size_t s_encode_##name (sb_arena_t *arena, const s_message_t *message, sb_encoding_t **encoding)            \
    {                                                                                                                  \
        return sb_encode_##name (arena, &message->name, encoding);                                                     \
    }                                                                                                                  \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);                                    \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size)                                     \
    {                                                                                                                  \
        static const s_codec_t codec = {s_decode_##name, s_encode_##name, fault_check, may_be_empty};                  \
        (void)self;                                                                                                    \
        s_run (&codec, sizeof ((s_message_t *)NULL)->name, data, size);                                                \
    }

WIRE_TARGET (agent_message, s_has_fault, false)
WIRE_TARGET (broker_message, NULL, false)
WIRE_TARGET (command_request, NULL, true)
WIRE_TARGET (command_reply, NULL, true)
WIRE_TARGET (publication, NULL, false)

/* ------------------------------------------------------------------ snapshots */

/* Octets that are put together; freed by whoever made them. */
typedef struct {
    uint8_t *data;
    size_t size;
} s_octets_t;

static s_octets_t s_octets_new (size_t size_max)
{
    s_octets_t octets = {malloc (size_max), 0};
    FUZZ_CLAIM (octets.data);
    return octets;
}

static void s_varint (s_octets_t *self, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        self->data[self->size++] = (uint8_t)(number | 0x80);
    self->data[self->size++] = (uint8_t)number;
}

static void s_field (s_octets_t *self, uint32_t number, const void *data, size_t size)
{
    s_varint (self, number << 3 | 2);
    s_varint (self, size);
    if (size)
        memcpy (self->data + self->size, data, size);
    self->size += size;
}

/* Runs a frame that has the input as its body `number`, copied so that it ends where it ends. */
static void s_run_body (void (*run) (const fuzz_target_t *, const uint8_t *, size_t), const fuzz_target_t *target,
                        uint32_t number, const void *data, size_t size)
{
    s_octets_t frame = s_octets_new (size + 16);
    s_field (&frame, number, data, size);
    uint8_t *exact = realloc (frame.data, frame.size);
    FUZZ_CLAIM (exact);
    run (target, exact, frame.size);
    free (exact);
}

/* What the core reckons a chunk to take, and what a copy makes of its fields. */
static void s_check_chunk (sb_arena_t *arena, const sb_broker_message_t *message)
{
    const sb_snapshot_chunk_t *chunk = &message->snapshot_chunk;
    uint64_t bound = SB_SNAPSHOT_CHUNK_BOUND, hash = 0, backwards = 0;
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        bound += sb_snapshot_topic_bound (topic->topic);
        for (uint32_t n = 0; n < topic->field_count; n++) {
            const sb_snapshot_field_t *field = &topic->fields[n], *last = &topic->fields[topic->field_count - 1 - n];
            bound += sb_snapshot_field_bound (field->name, &field->value);
            hash += sb_state_hash_field (topic->topic, field->name, &field->value, topic->quality, field->sequence);
            backwards += sb_state_hash_field (topic->topic, last->name, &last->value, topic->quality, last->sequence);
        }
    }
    FUZZ_CLAIM (hash == backwards);
    sb_encoding_t *encoding;
    size_t size = sb_encode_broker_message (arena, message, &encoding);
    FUZZ_CLAIM (size > 0 && size <= bound);
}

static void s_run_chunk (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    sb_broker_message_t message;
    fuzz_broker_message (self, data, size);
    sb_arena_t *arena = sb_arena_new ((size_t)MESSAGE_MAX * SB_ARENA_FACTOR);
    FUZZ_CLAIM (arena);
    if (sb_decode_broker_message (arena, data, size, MESSAGE_MAX, &message).reason == SB_REASON_NONE)
        s_check_chunk (arena, &message);
    sb_arena_destroy (&arena);
}

#define SNAPSHOT_TARGET(name, run, number)                                                                             \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);                                    \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size)                                     \
    {                                                                                                                  \
        s_run_body (run, self, number, data, size);                                                                    \
    }

SNAPSHOT_TARGET (snapshot_request, fuzz_agent_message, 11)
SNAPSHOT_TARGET (snapshot_credit, fuzz_agent_message, 12)
SNAPSHOT_TARGET (snapshot_end, fuzz_broker_message, 9)

/* No fuzzer guesses a checksum: a body is given the right one. */
void fuzz_snapshot_chunk (const fuzz_target_t *self, const uint8_t *data, size_t size);
void fuzz_snapshot_chunk (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    bool is_body = size > 0 && data[0] % 2 == 1;
    if (size == 0 || !is_body) {
        s_run_body (s_run_chunk, self, 8, data + (size > 0), size - (size > 0));
        return;
    }
    uint32_t checksum = (uint32_t)crc32 (0, data + 1, (uInt)(size - 1));
    s_octets_t chunk = s_octets_new (size + 32);
    s_varint (&chunk, 1 << 3);
    s_varint (&chunk, (uint64_t)data[0] + 1);
    s_varint (&chunk, 2 << 3);
    s_varint (&chunk, (uint64_t)data[0] / 2 + 1);
    s_field (&chunk, 3, data + 1, size - 1);
    s_varint (&chunk, 4 << 3 | 5);
    for (int i = 0; i < 4; i++)
        chunk.data[chunk.size++] = (uint8_t)(checksum >> 8 * i);
    s_run_body (s_run_chunk, self, 8, chunk.data, chunk.size);
    free (chunk.data);
}

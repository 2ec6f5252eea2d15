/* SPDX-License-Identifier: MPL-2.0
 *
 * What the parts of the codec share. Not installed, not included elsewhere.
 *
 * A decoder is sticky: the first fault stands, and whatever is read after it is
 * harmless and thrown away. So the readers need no error path of their own; the
 * one at the top looks at the fault once.
 */
#ifndef SB_CODEC_PRIVATE_H
#define SB_CODEC_PRIVATE_H

#include "sb_codec.h"
#include "sb_names.h"

#include <assert.h>
#include <protobuf-c/protobuf-c.h>

#include "syncbus.pb-c.h"

/* ------------------------------------------------------------------ arena */

/* Fills *allocator so that protobuf-c allocates from the arena, which must outlive it. Freeing does nothing. */
void sb_arena_allocator (sb_arena_t *self, ProtobufCAllocator *allocator);

/* Octets that protobuf-c asked for when it got `memory` from sb_arena_allocator. */
size_t sb_arena_allocated_size (const void *memory);

enum { SB_ARENA_ALIGNMENT = 16 };

typedef struct sb_arena_block {
    struct sb_arena_block *before; /* the one used before this */
    size_t size;                   /* octets of `data` */
    size_t used;                   /* taken from its beginning, a multiple of SB_ARENA_ALIGNMENT */
    size_t top;                    /* where what was taken from its end begins; `size`: nothing was */
    _Alignas(SB_ARENA_ALIGNMENT) unsigned char data[];
} sb_arena_block_t;

struct sb_arena {
    sb_arena_block_t *block; /* the newest; NULL before the first take */
    size_t limit;            /* octets that all blocks may have together */
    size_t held;             /* octets that they have */
    size_t wanted;           /* octets that the next first block should have */
};

/* True when there is a block: an arena without one gets it. False: no memory. */
bool sb_arena_begin (sb_arena_t *self);

/* The free octets of the newest block: from *low, aligned, up to *high; both NULL without memory. Nothing is taken yet,
 * so that who gives up leaves the arena as it was. Nothing else may be taken until sb_arena_close. */
static inline void sb_arena_open (sb_arena_t *self, unsigned char **low, unsigned char **high)
{
    bool has_block = self->block || sb_arena_begin (self);
    *low = has_block ? self->block->data + self->block->used : NULL;
    *high = has_block ? self->block->data + self->block->top : NULL;
}

/* What is below `low` and from `high` up is taken until the reset. Cannot fail. */
static inline void sb_arena_close (sb_arena_t *self, const unsigned char *low, const unsigned char *high)
{
    sb_arena_block_t *block = self->block;
    assert (low <= high && high <= block->data + block->top);
    size_t used = ((size_t)(low - block->data) + SB_ARENA_ALIGNMENT - 1) & ~(size_t)(SB_ARENA_ALIGNMENT - 1);
    block->top = (size_t)(high - block->data);
    block->used = used < block->top ? used : block->top;
}

/* ------------------------------------------------------------------ decoding */

typedef struct {
    sb_arena_t *arena;
    sb_fault_t fault; /* the first one */
} sb_decoder_t;

/* Sets the fault to MALFORMED with a static text, unless one is set. */
void sb_decoder_fail (sb_decoder_t *self, const char *text);

/* Unpacks `size` octets; NULL with the fault set when that cannot be done. */
void *sb_decoder_unpack (sb_decoder_t *self, const ProtobufCMessageDescriptor *descriptor, const void *data,
                         size_t size, size_t max_bytes);

/* Zeroed room for `count` items; NULL when count is 0, or with the fault set when the arena is full. */
void *sb_decoder_take (sb_decoder_t *self, size_t count, size_t item_size);

/* A string field with its length on the wire, unchecked. */
sb_text_t sb_decoder_raw_text (const char *string);

/* A string field; the fault is set when it is not UTF-8 without NUL. */
sb_text_t sb_decoder_text (sb_decoder_t *self, const char *string);

/* A repeated string field. */
const sb_text_t *sb_decoder_texts (sb_decoder_t *self, char **strings, size_t count, uint32_t *text_count);

/* `text` made fit to be shown and sent back: at most SB_FIELD_NAME_MAX octets, valid UTF-8, no control characters. */
sb_text_t sb_decoder_printable (sb_decoder_t *self, sb_text_t text);

/* Reads a value; gives SB_REASON_NONE, or the reason of kind CONTENT why it cannot stand (*value is then NONE). */
sb_reason_t sb_decode_value (const Syncbus__V1__Value *source, sb_value_t *value);

/* Content faults go to delta->fault; `is_whole_state`: a delete is one too. */
void sb_decode_delta (sb_decoder_t *self, const Syncbus__V1__Delta *source, bool is_whole_state, sb_delta_t *delta);

/* Values that cannot stand become SB_VALUE_NONE, which no command takes. */
const sb_parameter_t *sb_decode_parameters (sb_decoder_t *self, Syncbus__V1__Parameter **source, size_t count,
                                            uint32_t *parameter_count);

void sb_decode_request (sb_decoder_t *self, const Syncbus__V1__CommandRequest *source, sb_command_request_t *request);
void sb_decode_reply (sb_decoder_t *self, const Syncbus__V1__CommandReply *source, sb_command_reply_t *reply);
void sb_decode_goodbye (sb_decoder_t *self, const Syncbus__V1__Goodbye *source, sb_goodbye_t *goodbye);

/* `topic` is taken as it is; everything else is read from `source`. */
void sb_decode_publication_body (sb_decoder_t *self, const Syncbus__V1__Publication *source,
                                 sb_publication_t *publication);

/* A topic of the form category.agent.subject; else the fault is set. */
sb_text_t sb_decode_topic (sb_decoder_t *self, sb_text_t topic);

/* The same, or one with `~conflated.<ms>.` before it. */
sb_text_t sb_decode_frame_topic (sb_decoder_t *self, sb_text_t topic);

/* An enum's number, which must be one that the schema names; else the fault is set. */
sb_reason_t sb_decode_reason (sb_decoder_t *self, int number);
sb_quality_t sb_decode_quality (sb_decoder_t *self, int number);
sb_cause_t sb_decode_cause (sb_decoder_t *self, int number); /* SNAPSHOT, which no broker sends, sets it too */

/* 1 to 2^53-1; else the fault is set. */
uint64_t sb_decode_snapshot_id (sb_decoder_t *self, uint64_t number);

void sb_decode_snapshot_chunk (sb_decoder_t *self, const Syncbus__V1__SnapshotChunk *source,
                               sb_snapshot_chunk_t *chunk);
void sb_decode_snapshot_end (sb_decoder_t *self, const Syncbus__V1__SnapshotEnd *source, sb_snapshot_end_t *end);

/* ------------------------------------------------------------------ encoding */

/* The work of the first step: the frame itself (sb_hot_encode.c), or a message of protobuf-c, and what stands before
 * it in the frame. */
struct sb_encoding {
    const uint8_t *frame; /* NULL: `message` counts */
    size_t frame_size;
    ProtobufCMessage *message;
    sb_text_t topic; /* of a publication; then a NUL follows it */
    bool has_topic;
    size_t message_size;
};

/* Sticky like the decoder: when the arena is full, `is_full` is set and the rest is harmless. */
typedef struct {
    sb_arena_t *arena;
    bool is_full;
} sb_encoder_t;

/* Zeroed room for `count` items, never NULL unless is_full is set or count is 0. */
void *sb_encoder_take (sb_encoder_t *self, size_t count, size_t item_size);

/* A NUL-terminated copy; the schema's empty string for an empty text. */
char *sb_encoder_text (sb_encoder_t *self, sb_text_t text);
char **sb_encoder_texts (sb_encoder_t *self, const sb_text_t *texts, uint32_t count);

/* Room for `count` children and an array of pointers to them, which a repeated field wants; NULL when it is_full. */
void *sb_encoder_children (sb_encoder_t *self, size_t count, size_t item_size, void ***pointers);

/* The writers below turn a struct into the schema's message of the same name, and give NULL when it is_full. */
void sb_encode_value (sb_encoder_t *self, const sb_value_t *source, Syncbus__V1__Value *value);
Syncbus__V1__Change **sb_encode_changes (sb_encoder_t *self, const sb_change_t *changes, uint32_t count);
Syncbus__V1__Parameter **sb_encode_parameters (sb_encoder_t *self, const sb_parameter_t *parameters, uint32_t count);
void sb_encode_publication_body (sb_encoder_t *self, const sb_publication_t *source,
                                 Syncbus__V1__Publication *publication);
Syncbus__V1__CommandRequest *sb_encode_request (sb_encoder_t *self, const sb_command_request_t *request);
Syncbus__V1__CommandReply *sb_encode_reply (sb_encoder_t *self, const sb_command_reply_t *reply);
Syncbus__V1__Goodbye *sb_encode_goodbye (sb_encoder_t *self, const sb_goodbye_t *goodbye);
Syncbus__V1__SnapshotChunk *sb_encode_snapshot_chunk (sb_encoder_t *self, const sb_snapshot_chunk_t *chunk);
Syncbus__V1__SnapshotEnd *sb_encode_snapshot_end (sb_encoder_t *self, const sb_snapshot_end_t *end);

/* ------------------------------------------------------------------ without the hot path */

/* The public functions of these names without sb_hot_decode*.c and sb_hot_encode.c: protobuf-c alone. The decoders
 * expect *message to be zeroed. What the hot path does not take goes here, and tests hold the hot path to it. */
sb_fault_t sb_protobuf_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                             sb_agent_message_t *message);
sb_fault_t sb_protobuf_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                              sb_broker_message_t *message);
sb_fault_t sb_protobuf_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                           sb_publication_t *publication);
size_t sb_protobuf_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message,
                                         sb_encoding_t **encoding);
size_t sb_protobuf_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message,
                                          sb_encoding_t **encoding);
size_t sb_protobuf_encode_publication (sb_arena_t *arena, const sb_publication_t *publication,
                                       sb_encoding_t **encoding);

/* Makes the encoding and returns the octets of the whole frame, 0 when the arena is full. `topic` may be NULL. */
size_t sb_encoder_finish (sb_encoder_t *self, ProtobufCMessage *message, const sb_text_t *topic,
                          sb_encoding_t **encoding);

#endif

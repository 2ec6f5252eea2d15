/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec: the structs of sb_message.h to and from the bytes of
 * schemas/syncbus.proto. Pure; no sockets, no clock. Built on protobuf-c with
 * an arena, so that one message costs no malloc once the arena has grown.
 *
 * Decoding checks everything that can be checked without state: UTF-8, NULs,
 * name syntax, finiteness, counts. A message that cannot be read at all gives a
 * reason of kind MESSAGE; a delta with bad content is decoded with its `fault`.
 */
#ifndef SB_CODEC_H
#define SB_CODEC_H

#include "sb_message.h"

/* An arena: memory that is handed out by bumping and taken back all at once. */
typedef struct sb_arena sb_arena_t;

/* Creates an arena that will never hold more than `limit_bytes` (from 4096 up).
 * Returns NULL when the system has no memory. */
sb_arena_t *sb_arena_new (size_t limit_bytes);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_arena_destroy (sb_arena_t **self_p);

/* Takes back everything handed out; keeps up to one grown block. Cannot fail. */
void sb_arena_reset (sb_arena_t *self);

/* `size` octets aligned to 16, valid until reset or destroy; NULL when that would pass the limit. */
void *sb_arena_take (sb_arena_t *self, size_t size);

/* What decoding found wrong with a whole message. */
typedef struct {
    sb_reason_t reason; /* SB_REASON_NONE: nothing */
    sb_text_t text;     /* what exactly, a static text */
} sb_fault_t;

/* Each decoder reads `size` octets at `data`, fills *message, and returns a fault
 * of SB_REASON_NONE, or MALFORMED (no such message, a body of no known kind, bad
 * UTF-8 or NUL in a text, more than SB_CHANGES_MAX deltas, the arena is full) or
 * TOO_LARGE (size > max_bytes) and leaves *message zeroed.
 * What *message points to lives in the arena (texts NUL-terminated) until its reset. */
sb_fault_t sb_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes, sb_agent_message_t *message);
sb_fault_t sb_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes, sb_broker_message_t *message);
sb_fault_t sb_decode_command_request (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes, sb_command_request_t *request);
sb_fault_t sb_decode_command_reply (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes, sb_command_reply_t *reply);

/* Reads a whole frame of the PUB socket: topic, NUL, Publication. MALFORMED also without a NUL. */
sb_fault_t sb_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes, sb_publication_t *publication);

/* Each encoder has two steps: _size gives the exact octets (never 0 on success, 0
 * when the arena is full), then _write puts exactly that many at `data`. The
 * arena holds the work of the first step for the second: no reset in between. */
typedef struct sb_encoding sb_encoding_t;
size_t sb_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message, sb_encoding_t **encoding);
size_t sb_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message, sb_encoding_t **encoding);
size_t sb_encode_command_request (sb_arena_t *arena, const sb_command_request_t *request, sb_encoding_t **encoding);
size_t sb_encode_command_reply (sb_arena_t *arena, const sb_command_reply_t *reply, sb_encoding_t **encoding);
size_t sb_encode_publication (sb_arena_t *arena, const sb_publication_t *publication, sb_encoding_t **encoding); /* whole frame */
void sb_encoding_write (const sb_encoding_t *encoding, void *data);

#endif

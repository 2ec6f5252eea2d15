/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec: the structs of sb_message.h to and from the bytes of
 * schemas/syncbus.proto. Pure; no sockets, no clock. Built on protobuf-c with
 * an arena, so that one message costs no malloc once the arena has grown; what
 * makes up nearly all traffic has a way of its own (sb_hot.h).
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

/* Octets of arena that decoding may need for each octet of a frame, at worst: a frame of empty submessages. An arena
 * with less is safe too; what does not fit in it is MALFORMED. Honest frames of deltas need 10 to 30. */
enum { SB_ARENA_FACTOR = 64 };

/* Each decoder reads `size` octets at `data`, fills *message, and returns a fault of SB_REASON_NONE, or
 *   TOO_LARGE  size > max_bytes (itself at most UINT32_MAX)
 *   MALFORMED  no such message, an empty request or reply, a body of no known kind, an enum's number that the schema
 *              does not name (or the cause SNAPSHOT), bad UTF-8 or NUL in a text outside a delta, no delta or more than
 *              SB_CHANGES_MAX of them in a batch, more topics than that in a ReplaceChunk, too many buckets, a
 *              snapshot_id, credit or chunk number out of range, a wrong checksum, a snapshot's field without a name or
 *              value that a field can have, a conflated range that ends before it begins, the arena is full
 * and then leaves *message zeroed. A delta's bad content is its `fault`; such a delta has no changes. A parameter whose
 * value is not finite, out of range, or of no known kind has SB_VALUE_NONE. What *message points to lives in the arena
 * (texts NUL-terminated) until its reset; nothing points into `data`. */
sb_fault_t sb_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_agent_message_t *message);
sb_fault_t sb_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                     sb_broker_message_t *message);
sb_fault_t sb_decode_command_request (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                      sb_command_request_t *request);
sb_fault_t sb_decode_command_reply (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_command_reply_t *reply);

/* Reads a whole frame of the PUB socket: topic, NUL, Publication. MALFORMED also without a NUL. */
sb_fault_t sb_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                  sb_publication_t *publication);

/* Each encoder has two steps: sb_encode_… gives the exact octets, 0 when the arena is full, then sb_encoding_write puts
 * exactly that many at `data`. The arena holds the work of the first step for the second: no reset in between, and
 * bytes values and a publication's topic are borrowed until then. A request or reply with nothing set at all has no
 * octets, and is not a message. Texts are taken to be UTF-8 without NUL. */
typedef struct sb_encoding sb_encoding_t;
size_t sb_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message, sb_encoding_t **encoding);
size_t sb_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message, sb_encoding_t **encoding);
size_t sb_encode_command_request (sb_arena_t *arena, const sb_command_request_t *request, sb_encoding_t **encoding);
size_t sb_encode_command_reply (sb_arena_t *arena, const sb_command_reply_t *reply, sb_encoding_t **encoding);
size_t sb_encode_publication (sb_arena_t *arena, const sb_publication_t *publication,
                              sb_encoding_t **encoding); /* whole frame */
void sb_encoding_write (const sb_encoding_t *encoding, void *data);

#endif

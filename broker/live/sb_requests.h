/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests that wait for their reply: from a token to the envelope that the reply must carry, as it came. A table of
 * fixed size with a free list; O(1). A token is used once: it holds the slot's generation, so a stale
 * one is recognized.
 */
#ifndef SB_REQUESTS_H
#define SB_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SB_ENVELOPE_FRAMES = 8,  /* before the empty delimiter, the routing id too */
    SB_ENVELOPE_OCTETS = 512 /* of all of them */
};

/* The frames that come before the body. */
typedef struct {
    uint32_t frame_count;
    uint16_t frame_sizes[SB_ENVELOPE_FRAMES];
    bool has_delimiter; /* an empty frame follows them */
    uint16_t size;      /* octets used */
    uint8_t octets[SB_ENVELOPE_OCTETS];
} sb_envelope_t;

/* Appends a frame. False when it would pass the bounds; then nothing is changed. */
bool sb_envelope_append (sb_envelope_t *self, const void *data, size_t size);

typedef struct sb_requests sb_requests_t;

/* Room for `capacity` requests. NULL when the system has no memory. */
sb_requests_t *sb_requests_new (uint32_t capacity);
void sb_requests_destroy (sb_requests_t **self_p);

/* Keeps a copy and returns its token, or 0 when the table is full. */
uint64_t sb_requests_add (sb_requests_t *self, const sb_envelope_t *envelope);

/* Takes the request out; the envelope is valid until the next add. NULL when there is no such token. */
const sb_envelope_t *sb_requests_take (sb_requests_t *self, uint64_t token);

/* Requests waiting now. */
uint32_t sb_requests_count (const sb_requests_t *self);

#endif

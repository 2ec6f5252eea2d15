/* SPDX-License-Identifier: MPL-2.0
 *
 * Memory for what protobuf-c unpacks of one message: taken from one block, from its beginning to its end, given back
 * all at once. With the default allocator each delta takes half a dozen calls of malloc and as many of free; with this
 * the codec forwarder and its ends are as fast as protobuf-c can be. O(1) for each piece, nothing for giving back.
 */
#ifndef BENCH_BUMP_H
#define BENCH_BUMP_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

enum { BENCH_BUMP_SIZE = 64 << 20 }; /* octets; only what the largest message took is ever touched */

typedef struct {
    ProtobufCAllocator allocator; /* for the unpack functions; what they made needs no free_unpacked */
    uint8_t *octets;
    size_t used;
} bench_bump_t;

/* Takes the block. Returns 0, or -1 without memory. */
int bench_bump_open (bench_bump_t *self);

void bench_bump_close (bench_bump_t *self);

/* Gives back all that was taken: called before each message. */
static inline void bench_bump_reset (bench_bump_t *self)
{
    self->used = 0;
}

#endif

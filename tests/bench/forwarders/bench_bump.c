/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_bump.h. A message that needs more than the block is one that cannot be unpacked.
 */
#include "bench_bump.h"

#include <stdlib.h>

enum { ALIGNMENT = 16 };

static void *s_take (void *bump, size_t size)
{
    bench_bump_t *self = bump;
    if (size > BENCH_BUMP_SIZE - self->used)
        return NULL;
    void *piece = self->octets + self->used;
    self->used += (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1); /* the block is a multiple of it */
    return piece;
}

static void s_give_back (void *bump, void *piece)
{
    (void)bump, (void)piece;
}

int bench_bump_open (bench_bump_t *self)
{
    self->octets = malloc (BENCH_BUMP_SIZE);
    self->used = 0;
    self->allocator = (ProtobufCAllocator){.alloc = s_take, .free = s_give_back, .allocator_data = self};
    return self->octets ? 0 : -1;
}

void bench_bump_close (bench_bump_t *self)
{
    free (self->octets);
    self->octets = NULL;
}

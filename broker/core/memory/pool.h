/* SPDX-License-Identifier: MPL-2.0
 *
 * A pool: items of one size, addressed by slot (from 1; 0 is none) and at a stable address.
 *
 * Slabs of a fixed number of items are taken as they are needed, up to the cap, and kept until the pool
 * ends. A free slot is used again last in, first out, so that a run of the same calls gives the same slots.
 * Take, give and get cost O(1). Rejected: malloc for each item (unbounded, and addresses differ each run).
 */
#ifndef SB_POOL_H
#define SB_POOL_H

#include "sb_core.h"

/* The allocator handed in, with a count of what is taken through it. */
typedef struct {
    sb_allocator_t allocator; /* the shell's */
    size_t bytes;             /* taken now */
} sb_memory_t;

/* `size` octets, zeroed, aligned to 16; NULL when the allocator has none. */
void *sb_memory_take (sb_memory_t *self, size_t size);

/* As sb_memory_take, but with anything in them: for what is written over at once. Zeroing what history keeps of large
 * publications was 2 % of the broker's CPU. */
void *sb_memory_take_raw (sb_memory_t *self, size_t size);

/* Gives back what either gave for the same size. Harmless on NULL. */
void sb_memory_give (sb_memory_t *self, void *memory, size_t size);

typedef struct {
    sb_memory_t *memory;      /* where slabs come from; borrowed */
    unsigned char **slabs;    /* slab_limit of them, NULL when not taken yet */
    uint32_t item_size;       /* octets, a multiple of 16 */
    uint32_t slab_items_log2; /* items of a slab, as a power of two */
    uint32_t slab_limit;      /* slabs at most */
    uint32_t limit;           /* items at most */
    uint32_t high;            /* slots ever handed out: 1 to high */
    uint32_t used;            /* items taken now */
    uint32_t free_head;       /* first free slot below high; its first 4 octets name the next */
} sb_pool_t;

/* Readies a pool of at most `limit` items of `item_size` octets. False when there is no memory for its slab table. */
bool sb_pool_init (sb_pool_t *self, sb_memory_t *memory, size_t item_size, uint32_t slab_items_log2, uint32_t limit);

/* Gives back every slab. */
void sb_pool_fini (sb_pool_t *self);

/* A zeroed item; its slot, or 0 when the pool is at its limit or there is no memory. */
uint32_t sb_pool_take (sb_pool_t *self);

/* Makes sure that the next `more` takes, as far as the limit lets them, cannot fail for memory. False when there is
 * none for that. */
bool sb_pool_reserve (sb_pool_t *self, uint32_t more);

/* Gives an item back. Precondition: `slot` is taken. */
void sb_pool_give (sb_pool_t *self, uint32_t slot);

/* The item of a slot from 1 to high. */
static inline void *sb_pool_at (const sb_pool_t *self, uint32_t slot)
{
    uint32_t place = slot - 1;
    return self->slabs[place >> self->slab_items_log2] +
           (size_t)(place & ((1u << self->slab_items_log2) - 1)) * self->item_size;
}

/* The same where size and slab are known to the compiler: 7 instructions instead of 11, twenty times in a delta. Both
 * as they were given to sb_pool_init. */
static inline void *sb_pool_item (const sb_pool_t *self, uint32_t slot, size_t item_size, uint32_t slab_items_log2)
{
    uint32_t place = slot - 1;
    return self->slabs[place >> slab_items_log2] +
           (size_t)(place & ((1u << slab_items_log2) - 1)) * ((item_size + 15) & ~(size_t)15);
}

#endif

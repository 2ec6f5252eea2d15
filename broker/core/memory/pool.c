/* SPDX-License-Identifier: MPL-2.0
 *
 * Pools of items of one size, see pool.h. The free list runs through the free items themselves.
 */
#include "pool.h"

#include <assert.h>
#include <string.h>

void *sb_memory_take_raw (sb_memory_t *self, size_t size)
{
    void *memory = self->allocator.allocate (self->allocator.context, size);
    if (memory)
        self->bytes += size;
    return memory;
}

void *sb_memory_take (sb_memory_t *self, size_t size)
{
    void *memory = sb_memory_take_raw (self, size);
    return memory ? memset (memory, 0, size) : NULL;
}

void sb_memory_give (sb_memory_t *self, void *memory, size_t size)
{
    if (!memory)
        return;
    assert (self->bytes >= size);
    self->bytes -= size;
    self->allocator.release (self->allocator.context, memory, size);
}

static size_t s_slab_bytes (const sb_pool_t *self)
{
    return (size_t)self->item_size << self->slab_items_log2;
}

bool sb_pool_init (sb_pool_t *self, sb_memory_t *memory, size_t item_size, uint32_t slab_items_log2, uint32_t limit)
{
    assert (limit > 0);
    *self = (sb_pool_t){.memory = memory, .slab_items_log2 = slab_items_log2, .limit = limit};
    self->item_size = (uint32_t)((item_size + 15) & ~(size_t)15);
    self->slab_limit = ((limit - 1) >> slab_items_log2) + 1;
    self->slabs = sb_memory_take (memory, self->slab_limit * sizeof *self->slabs);
    return self->slabs != NULL;
}

void sb_pool_fini (sb_pool_t *self)
{
    if (!self->slabs)
        return;
    for (uint32_t i = 0; i < self->slab_limit; i++)
        sb_memory_give (self->memory, self->slabs[i], s_slab_bytes (self));
    sb_memory_give (self->memory, self->slabs, self->slab_limit * sizeof *self->slabs);
    self->slabs = NULL;
}

/* Takes a slab when it is not there yet. */
static bool s_have_slab (sb_pool_t *self, uint32_t slab)
{
    if (!self->slabs[slab])
        self->slabs[slab] = sb_memory_take (self->memory, s_slab_bytes (self));
    return self->slabs[slab] != NULL;
}

bool sb_pool_reserve (sb_pool_t *self, uint32_t more)
{
    uint32_t last = more < self->limit - self->used ? self->used + more : self->limit; /* slot, all below it in use */
    for (uint32_t high = self->high; high < last; high = ((high >> self->slab_items_log2) + 1) << self->slab_items_log2)
        if (!s_have_slab (self, high >> self->slab_items_log2))
            return false;
    return true;
}

uint32_t sb_pool_take (sb_pool_t *self)
{
    uint32_t slot = self->free_head;
    if (slot) {
        uint32_t *item = sb_pool_at (self, slot);
        self->free_head = *item;
        memset (item, 0, self->item_size);
    } else {
        if (self->high == self->limit)
            return 0;
        if (!s_have_slab (self, self->high >> self->slab_items_log2))
            return 0;
        slot = ++self->high;
    }
    self->used++;
    return slot;
}

void sb_pool_give (sb_pool_t *self, uint32_t slot)
{
    assert (slot > 0 && slot <= self->high && self->used > 0);
    uint32_t *item = sb_pool_at (self, slot);
    memset (item, 0, self->item_size);
    *item = self->free_head;
    self->free_head = slot;
    self->used--;
}

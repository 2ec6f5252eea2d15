/* SPDX-License-Identifier: MPL-2.0
 *
 * Octet runs by size classes, see blob.h.
 *
 * Class sizes: 16, 32, 48, 64, then four steps to each power of two up to 8 KiB. A slab is cut into runs at
 * once; what is left at its end is lost, at most one run.
 */
#include "blob.h"

#include <assert.h>

enum { SLAB_BYTES = 64 * 1024, CLASS_SIZE_MAX = 8192, CLASS_COUNT = 4 + 4 * 7 };

_Static_assert((int)CLASS_COUNT == (int)SB_BLOB_CLASSES, "classes end at CLASS_SIZE_MAX");

/* The class that holds `size`, from 1 to CLASS_SIZE_MAX, and the size of its runs. */
static inline uint32_t s_class_of (size_t size, size_t *class_size)
{
    if (size <= 64) {
        uint32_t number = (uint32_t)((size + 15) / 16);
        *class_size = number * 16;
        return number - 1;
    }
    uint32_t octave = 63 - (uint32_t)__builtin_clzll (size - 1); /* 2^octave < size <= 2^(octave + 1) */
    size_t steps = (size - 1) >> (octave - 2);                   /* 4 to 7 quarters are full */
    *class_size = (steps + 1) << (octave - 2);
    return (octave - 6) * 4 + (uint32_t)steps;
}

static size_t s_large_size (size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

void sb_blob_init (sb_blob_t *self, sb_memory_t *memory, uint64_t limit_bytes)
{
    *self = (sb_blob_t){.memory = memory, .limit_bytes = limit_bytes};
}

void sb_blob_fini (sb_blob_t *self)
{
    while (self->slabs) {
        void *slab = self->slabs;
        self->slabs = *(void **)slab;
        sb_memory_give (self->memory, slab, SLAB_BYTES);
        self->taken_bytes -= SLAB_BYTES;
    }
    assert (self->taken_bytes == 0);
}

/* Takes memory within the cap, or NULL. */
static void *s_take_memory (sb_blob_t *self, size_t size)
{
    if (self->taken_bytes + size > self->limit_bytes)
        return NULL;
    void *memory = sb_memory_take_raw (self->memory, size);
    if (memory)
        self->taken_bytes += size;
    return memory;
}

/* A new slab for a class: its first 16 octets chain the slabs, the rest become free runs, lowest first. */
static bool s_add_slab (sb_blob_t *self, uint32_t class, size_t class_size)
{
    char *slab = s_take_memory (self, SLAB_BYTES);
    if (!slab)
        return false;
    *(void **)slab = self->slabs;
    self->slabs = slab;
    size_t count = (SLAB_BYTES - 16) / class_size;
    for (size_t i = count; i > 0; i--) {
        void **run = (void **)(slab + 16 + (i - 1) * class_size);
        *run = self->free_heads[class];
        self->free_heads[class] = run;
    }
    return true;
}

void *sb_blob_take (sb_blob_t *self, size_t size)
{
    if (size == 0)
        return self; /* never read; any place will do */
    if (size > CLASS_SIZE_MAX) {
        size_t large = s_large_size (size);
        void *run = s_take_memory (self, large);
        if (run)
            self->used_bytes += large;
        return run;
    }
    size_t class_size;
    uint32_t class = s_class_of (size, &class_size);
    if (!self->free_heads[class] && !s_add_slab (self, class, class_size))
        return NULL;
    void **run = self->free_heads[class];
    self->free_heads[class] = *run;
    self->used_bytes += class_size;
    return run;
}

void sb_blob_give (sb_blob_t *self, void *run, size_t size)
{
    if (!run || size == 0)
        return;
    if (size > CLASS_SIZE_MAX) {
        size_t large = s_large_size (size);
        assert (self->used_bytes >= large);
        self->used_bytes -= large;
        self->taken_bytes -= large;
        sb_memory_give (self->memory, run, large);
        return;
    }
    size_t class_size;
    uint32_t class = s_class_of (size, &class_size);
    assert (self->used_bytes >= class_size);
    self->used_bytes -= class_size;
    *(void **)run = self->free_heads[class];
    self->free_heads[class] = run;
}

size_t sb_blob_footprint (size_t size)
{
    if (size == 0)
        return 0;
    if (size > CLASS_SIZE_MAX)
        return s_large_size (size);
    size_t class_size;
    s_class_of (size, &class_size);
    return class_size;
}

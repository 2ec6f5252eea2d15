/* SPDX-License-Identifier: MPL-2.0
 *
 * An arena: blocks that are handed out by bumping an offset.
 *
 * A block is at least as large as all before it together, so a message needs a
 * logarithmic number of mallocs the first time. Reset gives them all up and
 * remembers their sum: the next block is that large, so the same traffic needs
 * none from then on. The cap is on the blocks together, so the tails that a
 * large take leaves unused count too; what was refused for them may fit next time.
 *
 * A block can be taken from at both ends: who writes a message from its last octet to its first takes from the top.
 *
 * Memory for protobuf-c carries its size in a header of 16 octets. protobuf-c
 * asks for exactly a string's length on the wire plus one, so the header tells
 * that length, which the char * it hands over does not when a NUL is embedded.
 * Rejected: a second parser over the raw octets, twice the work for one number.
 */
#include "sb_codec_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 4096, HEADER = 16 };

sb_arena_t *sb_arena_new (size_t limit_bytes)
{
    assert (limit_bytes >= BLOCK_MIN);
    sb_arena_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->limit = limit_bytes;
    self->wanted = BLOCK_MIN;
    return self;
}

static void s_free_blocks (sb_arena_t *self)
{
    while (self->block) {
        sb_arena_block_t *block = self->block;
        self->block = block->before;
        free (block);
    }
}

void sb_arena_destroy (sb_arena_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_free_blocks (*self_p);
    free (*self_p);
    *self_p = NULL;
}

void sb_arena_reset (sb_arena_t *self)
{
    if (!self->block)
        return;
    if (!self->block->before) {
        self->block->used = 0;
        self->block->top = self->block->size;
        return;
    }
    self->wanted = self->held;
    self->held = 0;
    s_free_blocks (self);
}

/* Adds a block with room for `size` octets; false when that would pass the cap, or the system has no memory. */
static bool s_grow (sb_arena_t *self, size_t size)
{
    size_t room = self->limit - self->held;
    size_t block_size = self->block ? self->held : self->wanted;
    if (block_size > room)
        block_size = room;
    if (block_size < size)
        block_size = size;
    if (block_size > room)
        return false;
    sb_arena_block_t *block = malloc (sizeof *block + block_size);
    if (!block)
        return false;
    block->before = self->block;
    block->size = block_size;
    block->used = 0;
    block->top = block_size;
    self->block = block;
    self->held += block_size;
    return true;
}

bool sb_arena_begin (sb_arena_t *self)
{
    return self->block || s_grow (self, SB_ARENA_ALIGNMENT);
}

void *sb_arena_take (sb_arena_t *self, size_t size)
{
    if (size > self->limit)
        return NULL;
    size_t padded = (size + SB_ARENA_ALIGNMENT - 1) & ~(size_t)(SB_ARENA_ALIGNMENT - 1);
    if (padded == 0)
        padded = SB_ARENA_ALIGNMENT;
    if ((!self->block || self->block->top - self->block->used < padded) && !s_grow (self, padded))
        return NULL;
    void *memory = self->block->data + self->block->used;
    self->block->used += padded;
    return memory;
}

static void *s_allocate (void *arena, size_t size)
{
    if (size > SIZE_MAX - HEADER)
        return NULL;
    unsigned char *memory = sb_arena_take (arena, size + HEADER);
    if (!memory)
        return NULL;
    memcpy (memory, &size, sizeof size);
    return memory + HEADER;
}

static void s_free (void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

void sb_arena_allocator (sb_arena_t *self, ProtobufCAllocator *allocator)
{
    allocator->alloc = s_allocate;
    allocator->free = s_free;
    allocator->allocator_data = self;
}

size_t sb_arena_allocated_size (const void *memory)
{
    size_t size;
    memcpy (&size, (const unsigned char *)memory - HEADER, sizeof size);
    return size;
}

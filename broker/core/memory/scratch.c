/* SPDX-License-Identifier: MPL-2.0
 *
 * Scratch memory of one step, see scratch.h. Blocks form a list; a reset goes back to the first.
 */
#include "scratch.h"

#include <assert.h>
#include <string.h>

struct sb_scratch_block {
    sb_scratch_block_t *next;
    size_t size; /* octets of memory */
    size_t used;
    _Alignas(16) char memory[];
};

/* Appends a block that holds at least `size` octets. */
static bool s_add_block (sb_scratch_t *self, size_t size)
{
    if (size < SB_SCRATCH_BLOCK)
        size = SB_SCRATCH_BLOCK;
    sb_scratch_block_t *block = sb_memory_take (self->memory, sizeof *block + size);
    if (!block)
        return false;
    block->size = size;
    if (self->current) {
        block->next = self->current->next;
        self->current->next = block;
    } else
        self->first = self->current = block;
    return true;
}

bool sb_scratch_init (sb_scratch_t *self, sb_memory_t *memory)
{
    *self = (sb_scratch_t){.memory = memory};
    return s_add_block (self, SB_SCRATCH_BLOCK);
}

/* Gives back every block after `block`. */
static void s_cut_after (sb_scratch_t *self, sb_scratch_block_t *block)
{
    while (block->next) {
        sb_scratch_block_t *gone = block->next;
        block->next = gone->next;
        sb_memory_give (self->memory, gone, sizeof *gone + gone->size);
    }
}

void sb_scratch_fini (sb_scratch_t *self)
{
    if (!self->first)
        return;
    s_cut_after (self, self->first);
    sb_memory_give (self->memory, self->first, sizeof *self->first + self->first->size);
    self->first = self->current = NULL;
}

void sb_scratch_reset (sb_scratch_t *self)
{
    size_t kept = 0;
    for (sb_scratch_block_t *block = self->first; block; block = block->next) {
        block->used = 0;
        kept += block->size;
        if (kept > SB_SCRATCH_KEEP)
            s_cut_after (self, block);
    }
    self->current = self->first;
}

bool sb_scratch_reserve (sb_scratch_t *self, size_t size)
{
    if (self->current->size - self->current->used >= size)
        return true;
    sb_scratch_block_t *next = self->current->next;
    return (next && next->size >= size) || s_add_block (self, size);
}

void *sb_scratch_take (sb_scratch_t *self, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    sb_scratch_block_t *block = self->current;
    if (block->size - block->used < size) {
        bool has_room = (block->next && block->next->size >= size) || s_add_block (self, size);
        assert (has_room);
        self->current = block = block->next;
    }
    void *memory = block->memory + block->used;
    block->used += size;
    return memory;
}

sb_text_t sb_scratch_text (sb_scratch_t *self, sb_text_t text)
{
    char *copy = sb_scratch_take (self, (size_t)text.size + 1);
    if (text.size)
        memcpy (copy, text.data, text.size);
    copy[text.size] = '\0';
    return (sb_text_t){copy, text.size};
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Scratch memory of one step, see scratch.h. Blocks form a list; a reset goes back to the first.
 */
#include "scratch.h"

#include <assert.h>

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
    } else {
        self->first = block;
        sb_scratch_enter (self, block);
    }
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

void sb_scratch_cut (sb_scratch_t *self)
{
    size_t kept = 0;
    for (sb_scratch_block_t *block = self->first; block->next; block = block->next) {
        kept += block->size;
        if (kept > SB_SCRATCH_KEEP) {
            s_cut_after (self, block);
            break;
        }
    }
}

bool sb_scratch_add (sb_scratch_t *self, size_t size)
{
    sb_scratch_block_t *next = self->current->next;
    return (next && next->size >= size) || s_add_block (self, size);
}

void sb_scratch_advance (sb_scratch_t *self, size_t size)
{
    sb_scratch_block_t *next = self->current->next;
    bool has_room = (next && next->size >= size) || s_add_block (self, size);
    assert (has_room);
    sb_scratch_enter (self, self->current->next);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Scratch memory of one step: the effects and all that they point to. Handed out by bumping, taken back
 * all at once when the next step begins.
 *
 * Blocks of at least 256 KiB; after a step that needed more than SB_SCRATCH_KEEP octets the rest goes back.
 * sb_scratch_take never gives NULL: whoever is about to need much asks sb_scratch_reserve first and refuses
 * the work when that fails, and a small reserve block covers the fixed rest.
 */
#ifndef SB_SCRATCH_H
#define SB_SCRATCH_H

#include "octets.h"
#include "pool.h"

enum { SB_SCRATCH_BLOCK = 256 * 1024, SB_SCRATCH_KEEP = 4 * 1024 * 1024 };

typedef struct sb_scratch_block {
    struct sb_scratch_block *next;
    size_t size; /* octets of memory */
    _Alignas(16) char memory[];
} sb_scratch_block_t;

typedef struct {
    sb_memory_t *memory;         /* where blocks come from; borrowed */
    sb_scratch_block_t *first;   /* kept blocks, in order of use */
    sb_scratch_block_t *current; /* the one that is bumped */
    char *next;                  /* where the next octets come from, in current */
    size_t left;                 /* octets from there on */
} sb_scratch_t;

/* Takes the first block. False when there is no memory. */
bool sb_scratch_init (sb_scratch_t *self, sb_memory_t *memory);

/* Gives back every block. */
void sb_scratch_fini (sb_scratch_t *self);

/* Gives back the blocks beyond SB_SCRATCH_KEEP. */
void sb_scratch_cut (sb_scratch_t *self);

/* Makes `block` the one that is bumped. */
static inline void sb_scratch_enter (sb_scratch_t *self, sb_scratch_block_t *block)
{
    self->current = block;
    self->next = block->memory;
    self->left = block->size;
}

/* Takes back everything handed out. */
static inline void sb_scratch_reset (sb_scratch_t *self)
{
    if (self->first->next)
        sb_scratch_cut (self);
    sb_scratch_enter (self, self->first);
}

/* Adds a block of at least `size` octets behind the current one, unless there is one. False when there is no memory. */
bool sb_scratch_add (sb_scratch_t *self, size_t size);

/* Makes sure that the next takes, up to `size` octets in all (with 16 added for each), cannot fail.
 * False when there is no memory for that. */
static inline bool sb_scratch_reserve (sb_scratch_t *self, size_t size)
{
    return self->left >= size || sb_scratch_add (self, size);
}

/* Goes on to a block that holds `size` octets. Aborts when the allocator has nothing left: see the head. */
void sb_scratch_advance (sb_scratch_t *self, size_t size);

/* `size` octets, not zeroed, aligned to 16. Aborts as sb_scratch_advance does. */
static inline void *sb_scratch_take (sb_scratch_t *self, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (size > self->left)
        sb_scratch_advance (self, size);
    char *memory = self->next;
    self->next += size;
    self->left -= size;
    return memory;
}

/* A copy of `text`, NUL-terminated. */
static inline sb_text_t sb_scratch_text (sb_scratch_t *self, sb_text_t text)
{
    char *copy = sb_scratch_take (self, (size_t)text.size + 1);
    sb_octets_copy (copy, text.data, text.size);
    copy[text.size] = '\0';
    return (sb_text_t){copy, text.size};
}

#endif

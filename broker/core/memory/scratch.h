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

#include "pool.h"

enum { SB_SCRATCH_BLOCK = 256 * 1024, SB_SCRATCH_KEEP = 4 * 1024 * 1024 };

typedef struct sb_scratch_block sb_scratch_block_t;

typedef struct {
    sb_memory_t *memory;         /* where blocks come from; borrowed */
    sb_scratch_block_t *first;   /* kept blocks, in order of use */
    sb_scratch_block_t *current; /* the one that is bumped */
} sb_scratch_t;

/* Takes the first block. False when there is no memory. */
bool sb_scratch_init (sb_scratch_t *self, sb_memory_t *memory);

/* Gives back every block. */
void sb_scratch_fini (sb_scratch_t *self);

/* Takes back everything handed out. */
void sb_scratch_reset (sb_scratch_t *self);

/* Makes sure that the next takes, up to `size` octets in all (with 16 added for each), cannot fail.
 * False when there is no memory for that. */
bool sb_scratch_reserve (sb_scratch_t *self, size_t size);

/* `size` octets, not zeroed, aligned to 16. Aborts when the allocator has nothing left: see the head. */
void *sb_scratch_take (sb_scratch_t *self, size_t size);

/* A copy of `text`, NUL-terminated. */
sb_text_t sb_scratch_text (sb_scratch_t *self, sb_text_t text);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A store of octet runs of any size up to a cap in octets: names, texts, history entries.
 *
 * Sizes are rounded up to classes (four to each power of two, so at most a quarter is lost); each class has a
 * free list fed by slabs of 64 KiB; runs above 8 KiB are taken from the allocator one by one. The cap
 * counts slabs and large runs, thus real memory. Slabs stay with their class. Rejected: a header on
 * each run (8 octets for every field name); the giver says the size again instead.
 */
#ifndef SB_BLOB_H
#define SB_BLOB_H

#include "pool.h"

enum { SB_BLOB_CLASSES = 32 };

typedef struct {
    sb_memory_t *memory;               /* where slabs come from; borrowed */
    uint64_t limit_bytes;              /* at most so much in slabs and large runs */
    uint64_t taken_bytes;              /* in slabs and large runs now */
    uint64_t used_bytes;               /* handed out now, rounded up to classes */
    void *free_heads[SB_BLOB_CLASSES]; /* free runs of each class; each points to the next */
    void *slabs;                       /* every slab taken; each points to the next */
} sb_blob_t;

/* Readies an empty store. Cannot fail. */
void sb_blob_init (sb_blob_t *self, sb_memory_t *memory, uint64_t limit_bytes);

/* Gives back every slab. Precondition: large runs were given back. */
void sb_blob_fini (sb_blob_t *self);

/* `size` octets (not zeroed, aligned to 16), or NULL when that would pass the cap or there is no memory.
 * Size 0 gives a pointer that is not NULL and must not be read. */
void *sb_blob_take (sb_blob_t *self, size_t size);

/* Gives a run back; `size` as it was taken. Harmless on NULL. */
void sb_blob_give (sb_blob_t *self, void *run, size_t size);

/* Octets that a run of `size` really uses. */
size_t sb_blob_footprint (size_t size);

#endif

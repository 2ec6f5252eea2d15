/* SPDX-License-Identifier: MPL-2.0
 *
 * An index: from a key's hash to the slot of a pool, by open addressing with linear probing.
 *
 * The key itself stays in the item; the index keeps 32 bits of hash and the slot. The hash is SipHash-1-3
 * under a key drawn at start, so that nobody outside can choose collisions; no order ever depends on it.
 * Growth doubles the table and moves a few entries at each later insertion, so that no single step pays for
 * it. Removal closes the gap by shifting back: no tombstones. Find, insert, remove: O(1) expected.
 */
#ifndef SB_INDEX_H
#define SB_INDEX_H

#include "pool.h"

typedef struct {
    uint32_t hash; /* upper half of the key's hash */
    uint32_t slot; /* 0: empty */
} sb_index_entry_t;

typedef struct {
    sb_index_entry_t *entries; /* capacity of them */
    uint32_t capacity;         /* a power of two, or 0 */
    uint32_t count;            /* entries in it */
} sb_index_table_t;

/* True when the item of `slot` has the key that is looked for. */
typedef bool (*sb_index_match_t) (const void *owner, uint32_t slot, const void *key);

typedef struct {
    sb_memory_t *memory;      /* where tables come from; borrowed */
    sb_index_table_t current; /* where insertions go */
    sb_index_table_t older;   /* being moved to current; capacity 0 when none */
    uint32_t move_next;       /* first entry of older not moved yet */
} sb_index_t;

/* Readies an empty index; takes no memory yet. */
void sb_index_init (sb_index_t *self, sb_memory_t *memory);

/* Gives back its tables. */
void sb_index_fini (sb_index_t *self);

/* The 32 bits of a hash that are kept; the place in the table comes from their lower part. */
static inline uint32_t sb_index_kept (uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The slot of one of its tables whose item matches `key`, or 0. */
static inline uint32_t sb_index_table_find (const sb_index_table_t *table, uint64_t hash, sb_index_match_t match,
                                            const void *owner, const void *key)
{
    if (table->count == 0)
        return 0;
    uint32_t kept = sb_index_kept (hash), mask = table->capacity - 1;
    for (uint32_t place = kept & mask; table->entries[place].slot; place = (place + 1) & mask) {
        const sb_index_entry_t *entry = &table->entries[place];
        if (entry->hash == kept && match (owner, entry->slot, key))
            return entry->slot;
    }
    return 0;
}

/* The slot whose item matches `key`, or 0. In line, so that `match` is too. */
static inline uint32_t sb_index_find (const sb_index_t *self, uint64_t hash, sb_index_match_t match, const void *owner,
                                      const void *key)
{
    uint32_t slot = sb_index_table_find (&self->current, hash, match, owner, key);
    return slot ? slot : sb_index_table_find (&self->older, hash, match, owner, key);
}

/* Makes sure that `more` insertions cannot fail. False when there is no memory for that. */
bool sb_index_reserve (sb_index_t *self, uint32_t more);

/* Adds a slot. Precondition: reserved, and no item with that key is in it. */
void sb_index_insert (sb_index_t *self, uint64_t hash, uint32_t slot);

/* Takes a slot out. Precondition: it is in it under that hash. */
void sb_index_remove (sb_index_t *self, uint64_t hash, uint32_t slot);

/* SipHash-1-3 of the eight octets of `head`, then of `size` octets, under a key of 128 bits. */
uint64_t sb_hash_pair (const uint64_t key[2], uint64_t head, const void *data, size_t size);

/* The same of `size` octets alone. */
uint64_t sb_hash (const uint64_t key[2], const void *data, size_t size);

#endif

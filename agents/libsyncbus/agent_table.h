/* SPDX-License-Identifier: MPL-2.0
 *
 * The hash table of everything that an agent finds by name: chained, buckets doubled at load 1, the links standing in
 * the items themselves, which their owner allocates, frees and compares. Finding costs one hash over the name, eight
 * octets at a step, and about one comparison, however many there are. Hashes start from a seed, so that nobody who
 * chooses names can choose their buckets. Where a larger table finds no memory, chains get longer and nothing else.
 * Nothing may depend on the order in a bucket: who needs an order keeps a list. Rejected: open addressing, which would
 * have to hold pointers and hashes besides the items, and to leave marks where one was taken out.
 */
#ifndef SB_AGENT_TABLE_H
#define SB_AGENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sb_model.h"

/* What makes a struct an item; a member called `chained`. */
typedef struct sb_chained {
    struct sb_chained *next; /* in its bucket */
    uint64_t hash;
} sb_chained_t;

/* All zero: a table without room for anything. */
typedef struct {
    sb_chained_t **buckets;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t count;        /* items */
} sb_table_t;

/* The item of `type` that `link`, not NULL, stands in. */
#define SB_TABLE_ITEM(type, link) ((type *)(void *)((char *)(link)-offsetof (type, chained)))

/* A hash over the octets and their number. `seed` is the table's, or the hash of what the name is within. */
uint64_t sb_text_hash (uint64_t seed, sb_text_t text);

/* An empty table of SB_TABLE_BYTES octets; false when there is no memory. */
enum { SB_TABLE_BUCKETS_MIN = 64, SB_TABLE_BYTES = SB_TABLE_BUCKETS_MIN * sizeof (sb_chained_t *) };
bool sb_table_init (sb_table_t *self);

/* Gives the buckets back, not the items; the table is all zero then. */
void sb_table_fini (sb_table_t *self);

/* Takes an item in, which is in no table. Precondition: sb_table_init. Cannot fail. */
void sb_table_add (sb_table_t *self, sb_chained_t *item, uint64_t hash);

/* Takes an item of this table out. */
void sb_table_remove (sb_table_t *self, sb_chained_t *item);

/* True when the table should grow; then by how many octets. */
static inline bool sb_table_is_full (const sb_table_t *self)
{
    return self->count > self->bucket_count;
}
static inline uint64_t sb_table_growth_bytes (const sb_table_t *self)
{
    return self->bucket_count * sizeof *self->buckets;
}

/* Makes or doubles the buckets before an item is added; false when there are none, and no memory. */
bool sb_table_make_room (sb_table_t *self);

/* Doubles the buckets; false, and all is as it was, without memory or at the most that there can be. */
bool sb_table_grow (sb_table_t *self);

/* The item itself, or the next one behind it in its bucket, that has this hash; NULL: none. */
static inline sb_chained_t *sb_table_next (sb_chained_t *item, uint64_t hash)
{
    while (item && item->hash != hash)
        item = item->next;
    return item;
}

/* The first item with this hash; NULL: none. */
static inline sb_chained_t *sb_table_first (const sb_table_t *self, uint64_t hash)
{
    return self->bucket_count ? sb_table_next (self->buckets[hash & (self->bucket_count - 1)], hash) : NULL;
}

/* For each item with this hash, of which the caller compares the names. */
#define SB_TABLE_EACH(link, table, hash)                                                                               \
    for (sb_chained_t *link = sb_table_first (table, hash); link; link = sb_table_next (link->next, hash))

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The hash index, see index.h. The table is at most three quarters full. While a table is being moved, a find
 * looks in both, and each insertion moves MOVE_STEP entries: the older one is empty long before the next growth.
 */
#include "index.h"

#include <assert.h>
#include <string.h>

enum { CAPACITY_FIRST = 64, MOVE_STEP = 16 };

void sb_index_init (sb_index_t *self, sb_memory_t *memory)
{
    *self = (sb_index_t){.memory = memory};
}

static void s_table_fini (sb_index_t *self, sb_index_table_t *table)
{
    sb_memory_give (self->memory, table->entries, table->capacity * sizeof *table->entries);
    *table = (sb_index_table_t){0};
}

void sb_index_fini (sb_index_t *self)
{
    s_table_fini (self, &self->current);
    s_table_fini (self, &self->older);
}

static void s_table_insert (sb_index_table_t *table, uint32_t kept, uint32_t slot)
{
    uint32_t mask = table->capacity - 1;
    uint32_t place = kept & mask;
    while (table->entries[place].slot)
        place = (place + 1) & mask;
    table->entries[place] = (sb_index_entry_t){kept, slot};
    table->count++;
}

/* Empties one place and moves back what would no longer be found past it. */
static void s_table_remove_at (sb_index_table_t *table, uint32_t place)
{
    uint32_t mask = table->capacity - 1;
    uint32_t next = place;
    for (;;) {
        next = (next + 1) & mask;
        if (!table->entries[next].slot)
            break;
        uint32_t home = table->entries[next].hash & mask;
        if (((next - home) & mask) >= ((next - place) & mask)) {
            table->entries[place] = table->entries[next];
            place = next;
        }
    }
    table->entries[place] = (sb_index_entry_t){0, 0};
    table->count--;
}

static bool s_table_remove (sb_index_table_t *table, uint32_t kept, uint32_t slot)
{
    if (table->count == 0)
        return false;
    uint32_t mask = table->capacity - 1;
    for (uint32_t place = kept & mask; table->entries[place].slot; place = (place + 1) & mask)
        if (table->entries[place].slot == slot && table->entries[place].hash == kept) {
            s_table_remove_at (table, place);
            return true;
        }
    return false;
}

/* Moves up to `count` entries of the older table. Entries behind an emptied place shift back into it, so the same place
 * is looked at until it is empty. A run that wraps round the end is met again at the start, and so none is missed. */
static void s_move (sb_index_t *self, uint32_t count)
{
    while (count > 0 && self->older.count > 0) {
        sb_index_entry_t entry = self->older.entries[self->move_next];
        if (entry.slot) {
            s_table_remove_at (&self->older, self->move_next);
            s_table_insert (&self->current, entry.hash, entry.slot);
        } else
            self->move_next = (self->move_next + 1) & (self->older.capacity - 1);
        count--;
    }
    if (self->older.count == 0 && self->older.capacity)
        s_table_fini (self, &self->older);
}

static uint32_t s_capacity_for (uint64_t entries)
{
    uint64_t capacity = CAPACITY_FIRST;
    while (capacity / 4 * 3 < entries)
        capacity *= 2;
    assert (capacity <= UINT32_C (1) << 31);
    return (uint32_t)capacity;
}

bool sb_index_reserve (sb_index_t *self, uint32_t more)
{
    uint64_t entries = (uint64_t)self->current.count + self->older.count + more;
    if (self->current.capacity / 4 * UINT64_C (3) >= entries)
        return true;
    uint32_t capacity = s_capacity_for (entries > self->current.capacity ? entries : self->current.capacity);
    sb_index_entry_t *table = sb_memory_take (self->memory, capacity * sizeof *table);
    if (!table)
        return false;
    s_move (self, UINT32_MAX);
    self->older = self->current;
    self->current = (sb_index_table_t){table, capacity, 0};
    self->move_next = 0;
    s_move (self, MOVE_STEP);
    return true;
}

void sb_index_insert (sb_index_t *self, uint64_t hash, uint32_t slot)
{
    assert (slot && self->current.capacity);
    if (self->older.capacity)
        s_move (self, MOVE_STEP);
    s_table_insert (&self->current, sb_index_kept (hash), slot);
}

void sb_index_remove (sb_index_t *self, uint64_t hash, uint32_t slot)
{
    bool found = s_table_remove (&self->current, sb_index_kept (hash), slot) ||
                 s_table_remove (&self->older, sb_index_kept (hash), slot);
    assert (found);
}

#define ROTATE(word, bits) (((word) << (bits)) | ((word) >> (64 - (bits))))

static inline void s_sip_round (uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTATE (v[1], 13) ^ v[0];
    v[0] = ROTATE (v[0], 32);
    v[2] += v[3];
    v[3] = ROTATE (v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTATE (v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTATE (v[1], 17) ^ v[2];
    v[2] = ROTATE (v[2], 32);
}

static inline void s_sip_start (const uint64_t key[2], uint64_t v[4])
{
    v[0] = key[0] ^ UINT64_C (0x736f6d6570736575);
    v[1] = key[1] ^ UINT64_C (0x646f72616e646f6d);
    v[2] = key[0] ^ UINT64_C (0x6c7967656e657261);
    v[3] = key[1] ^ UINT64_C (0x7465646279746573);
}

static inline void s_sip_word (uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    s_sip_round (v);
    v[0] ^= word;
}

/* The octets that do not fill a word, the lowest first; fewer than eight of them. */
static inline uint64_t s_rest (const unsigned char *octets, size_t left)
{
    uint64_t rest = 0;
    size_t shift = 0;
    if (left & 4) {
        uint32_t word;
        memcpy (&word, octets, 4);
        rest = word;
        octets += 4;
        shift = 32;
    }
    if (left & 2) {
        uint16_t word;
        memcpy (&word, octets, 2);
        rest |= (uint64_t)word << shift;
        octets += 2;
        shift += 16;
    }
    return left & 1 ? rest | (uint64_t)*octets << shift : rest;
}

/* Takes in `size` octets, of `total` in all, and ends. */
static inline uint64_t s_sip_end (uint64_t v[4], const void *data, size_t size, size_t total)
{
    const unsigned char *octets = data;
    size_t left = size;
    for (; left >= 8; left -= 8, octets += 8) {
        uint64_t word;
        memcpy (&word, octets, 8);
        s_sip_word (v, word);
    }
    s_sip_word (v, (uint64_t)total << 56 | s_rest (octets, left));
    v[2] ^= 0xff;
    s_sip_round (v);
    s_sip_round (v);
    s_sip_round (v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t sb_hash (const uint64_t key[2], const void *data, size_t size)
{
    uint64_t v[4];
    s_sip_start (key, v);
    return s_sip_end (v, data, size, size);
}

uint64_t sb_hash_pair (const uint64_t key[2], uint64_t head, const void *data, size_t size)
{
    uint64_t v[4];
    s_sip_start (key, v);
    s_sip_word (v, head);
    return s_sip_end (v, data, size, 8 + size);
}

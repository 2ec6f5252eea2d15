/* SPDX-License-Identifier: MPL-2.0
 *
 * See agent_table.h.
 */
#include "agent_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MAX = 1 << 28 };

static uint64_t s_mix (uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C (0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* Fewer than eight octets, without a turn for each: words of the first and the last ones, which may overlap. */
static uint64_t s_short (sb_text_t text)
{
    uint32_t first = 0, last = 0;
    if (text.size >= sizeof first) {
        memcpy (&first, text.data, sizeof first);
        memcpy (&last, text.data + text.size - sizeof last, sizeof last);
    } else if (text.size) {
        first = (uint32_t)(uint8_t)text.data[0] << 8 | (uint8_t)text.data[text.size / 2];
        last = (uint8_t)text.data[text.size - 1];
    }
    return (uint64_t)first << 32 | last;
}

uint64_t sb_text_hash (uint64_t seed, sb_text_t text)
{
    uint64_t word, hash = s_mix (seed, text.size);
    if (text.size < sizeof word)
        return s_mix (hash, s_short (text));
    for (uint32_t at = 0; at + sizeof word <= text.size; at += sizeof word) {
        memcpy (&word, text.data + at, sizeof word);
        hash = s_mix (hash, word);
    }
    memcpy (&word, text.data + text.size - sizeof word, sizeof word);
    return s_mix (hash, word);
}

bool sb_table_init (sb_table_t *self)
{
    *self = (sb_table_t){.buckets = calloc (SB_TABLE_BUCKETS_MIN, sizeof *self->buckets)};
    self->bucket_count = self->buckets ? SB_TABLE_BUCKETS_MIN : 0;
    return self->buckets;
}

void sb_table_fini (sb_table_t *self)
{
    free (self->buckets);
    *self = (sb_table_t){0};
}

static sb_chained_t **s_bucket (const sb_table_t *self, uint64_t hash)
{
    return &self->buckets[hash & (self->bucket_count - 1)];
}

static void s_link (sb_table_t *self, sb_chained_t *item)
{
    sb_chained_t **bucket = s_bucket (self, item->hash);
    item->next = *bucket;
    *bucket = item;
}

void sb_table_add (sb_table_t *self, sb_chained_t *item, uint64_t hash)
{
    assert (self->bucket_count);
    item->hash = hash;
    s_link (self, item);
    self->count++;
}

void sb_table_remove (sb_table_t *self, sb_chained_t *item)
{
    sb_chained_t **link = s_bucket (self, item->hash);
    while (*link != item)
        link = &(*link)->next;
    *link = item->next;
    self->count--;
}

bool sb_table_grow (sb_table_t *self)
{
    if (self->bucket_count >= BUCKETS_MAX)
        return false;
    sb_table_t larger = {.bucket_count = self->bucket_count * 2, .count = self->count};
    larger.buckets = calloc (larger.bucket_count, sizeof *larger.buckets);
    if (!larger.buckets)
        return false;
    for (uint32_t i = 0; i < self->bucket_count; i++) {
        for (sb_chained_t *item = self->buckets[i]; item;) {
            sb_chained_t *next = item->next;
            s_link (&larger, item);
            item = next;
        }
    }
    free (self->buckets);
    *self = larger;
    return true;
}

bool sb_table_make_room (sb_table_t *self)
{
    if (!self->bucket_count)
        return sb_table_init (self);
    if (self->count >= self->bucket_count)
        sb_table_grow (self); /* or chains get longer */
    return true;
}

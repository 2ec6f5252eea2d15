/* SPDX-License-Identifier: MPL-2.0
 *
 * Open addressing with linear probing over indices (FNV-1a, load at most one half), records apart and in
 * order of their making: a lookup costs one hash and, nearly always, one comparison; walking is in a
 * fixed order, never in that of hashes. Records are never removed: instruments do not go away within a day.
 */
#include "sb_records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char subject[SB_ID_MAX + 1]; /* NUL-terminated */
    uint32_t size;               /* octets of subject */
    max_align_t record[];        /* record_bytes octets */
} s_entry_t;

struct sb_records {
    s_entry_t **entries; /* in order of their making */
    uint32_t count;
    uint32_t max;
    uint32_t record_bytes;
    uint32_t *slots; /* index into entries plus 1; 0: free */
    uint32_t slot_mask;
};

sb_records_t *sb_records_new (uint32_t record_bytes, uint32_t max_subjects)
{
    assert (record_bytes >= 1 && max_subjects >= 1 && max_subjects <= 1000000);
    sb_records_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    uint32_t slots = 2;
    while (slots < 2 * max_subjects)
        slots *= 2;
    self->max = max_subjects;
    self->record_bytes = record_bytes;
    self->slot_mask = slots - 1;
    self->slots = calloc (slots, sizeof *self->slots);
    self->entries = calloc (max_subjects, sizeof *self->entries);
    if (!self->slots || !self->entries)
        sb_records_destroy (&self);
    return self;
}

void sb_records_destroy (sb_records_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_records_t *self = *self_p;
    for (uint32_t i = 0; i < self->count; i++)
        free (self->entries[i]);
    free (self->entries);
    free (self->slots);
    free (self);
    *self_p = NULL;
}

/* The slot that holds `subject`, or the free one where it would go. */
static uint32_t s_slot (const sb_records_t *self, sb_text_t subject)
{
    uint32_t hash = UINT32_C (2166136261);
    for (uint32_t i = 0; i < subject.size; i++)
        hash = (hash ^ (unsigned char)subject.data[i]) * UINT32_C (16777619);
    uint32_t slot = hash & self->slot_mask;
    while (self->slots[slot]) {
        const s_entry_t *entry = self->entries[self->slots[slot] - 1];
        if (entry->size == subject.size && (!subject.size || memcmp (entry->subject, subject.data, subject.size) == 0))
            break;
        slot = (slot + 1) & self->slot_mask;
    }
    return slot;
}

void *sb_records_find (const sb_records_t *self, sb_text_t subject)
{
    assert (self);
    uint32_t index = self->slots[s_slot (self, subject)];
    return index ? self->entries[index - 1]->record : NULL;
}

void *sb_records_take (sb_records_t *self, sb_text_t subject)
{
    assert (self);
    uint32_t slot = s_slot (self, subject);
    if (self->slots[slot])
        return self->entries[self->slots[slot] - 1]->record;
    if (self->count == self->max || subject.size > SB_ID_MAX)
        return NULL;
    s_entry_t *entry = calloc (1, sizeof *entry + self->record_bytes);
    if (!entry)
        return NULL;
    if (subject.size)
        memcpy (entry->subject, subject.data, subject.size);
    entry->size = subject.size;
    self->entries[self->count++] = entry;
    self->slots[slot] = self->count;
    return entry->record;
}

uint32_t sb_records_count (const sb_records_t *self)
{
    assert (self);
    return self->count;
}

void *sb_records_at (const sb_records_t *self, uint32_t i, const char **subject)
{
    assert (self && i < self->count);
    if (subject)
        *subject = self->entries[i]->subject;
    return self->entries[i]->record;
}

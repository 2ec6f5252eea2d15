/* SPDX-License-Identifier: MPL-2.0
 *
 * A ring of slots, doubled as it fills; the slot of a number is ring[number mod size]. A slot is one block:
 * itself, its changes, room for what its writes replace, the changes' texts.
 */
#include "agent_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sb_window {
    sb_slot_t **ring;
    uint32_t size; /* a power of two */
    uint64_t first;
    uint64_t next;
    size_t memory_bytes;
};

sb_window_t *sb_window_new (void)
{
    sb_window_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->size = 64;
    self->first = self->next = 1;
    self->ring = calloc (self->size, sizeof *self->ring);
    if (!self->ring)
        sb_window_destroy (&self);
    return self;
}

void sb_window_destroy (sb_window_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_window_t *self = *self_p;
    while (self->first < self->next) {
        sb_slot_t *slot = sb_window_take (self);
        sb_slot_destroy (&slot);
    }
    free (self->ring);
    free (self);
    *self_p = NULL;
}

void sb_slot_destroy (sb_slot_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_slot_t *self = *self_p;
    for (uint32_t i = 0; self->before && i < self->delta.update.change_count; i++)
        sb_own_value_clear (&self->before[i]);
    free (self);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ sizes */

static uint32_t s_text_size (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? value->text.size : value->kind == SB_VALUE_BYTES ? value->bytes.size : 0;
}

size_t sb_delta_memory_bytes (const sb_delta_t *delta)
{
    size_t size = sizeof (sb_slot_t) + delta->category.size + delta->subject.size +
                  delta->update.change_count * (sizeof (sb_change_t) + sizeof (sb_own_value_t));
    for (uint32_t i = 0; i < delta->update.change_count; i++)
        size += delta->update.changes[i].name.size + s_text_size (&delta->update.changes[i].value);
    return size;
}

uint64_t sb_delta_wire_bytes (const sb_delta_t *delta)
{
    /* 56: tags, lengths, sequence, two times, time to live; 24: two nested lengths, the longest number, tags. */
    uint64_t size = 56 + (uint64_t)delta->category.size + delta->subject.size;
    for (uint32_t i = 0; i < delta->update.change_count; i++)
        size += 24 + (uint64_t)delta->update.changes[i].name.size + s_text_size (&delta->update.changes[i].value);
    return size;
}

bool sb_window_has_room (const sb_window_t *self, uint32_t count, size_t memory_bytes, uint32_t limit)
{
    if (self->first == self->next)
        return true;
    return sb_window_count (self) + (uint64_t)count <= limit &&
           self->memory_bytes + memory_bytes <= SB_WINDOW_BYTES_MAX;
}

/* ------------------------------------------------------------------ adding */

static sb_text_t s_copy_text (char **at, sb_text_t text)
{
    sb_text_t copy = {*at, text.size};
    if (text.size)
        memcpy (*at, text.data, text.size);
    *at += text.size;
    return copy;
}

static sb_slot_t *s_slot_new (const sb_delta_t *delta, bool is_event)
{
    const uint32_t change_count = delta->update.change_count;
    size_t size = sb_delta_memory_bytes (delta);
    sb_slot_t *slot = malloc (size);
    if (!slot)
        return NULL;
    *slot = (sb_slot_t){.memory_bytes = size, .is_event = is_event, .delta = *delta};
    uint64_t wire_bytes = sb_delta_wire_bytes (delta);
    slot->wire_bytes = wire_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)wire_bytes;
    sb_change_t *changes = (sb_change_t *)(slot + 1);
    sb_own_value_t *before = (sb_own_value_t *)(changes + change_count);
    char *at = (char *)(before + change_count);
    if (!is_event)
        slot->before = memset (before, 0, change_count * sizeof *before);
    for (uint32_t i = 0; i < change_count; i++) {
        changes[i] = delta->update.changes[i];
        changes[i].name = s_copy_text (&at, changes[i].name);
        if (changes[i].value.kind == SB_VALUE_TEXT)
            changes[i].value.text = s_copy_text (&at, changes[i].value.text);
        else if (changes[i].value.kind == SB_VALUE_BYTES)
            changes[i].value.bytes = s_copy_text (&at, changes[i].value.bytes);
    }
    slot->delta.update.changes = changes;
    slot->delta.category = s_copy_text (&at, delta->category);
    slot->delta.subject = s_copy_text (&at, delta->subject);
    return slot;
}

static bool s_grow (sb_window_t *self)
{
    sb_slot_t **ring = calloc ((size_t)self->size * 2, sizeof *ring);
    if (!ring)
        return false;
    for (uint64_t sequence = self->first; sequence < self->next; sequence++)
        ring[sequence & (self->size * 2 - 1)] = self->ring[sequence & (self->size - 1)];
    free (self->ring);
    self->ring = ring;
    self->size *= 2;
    return true;
}

static sb_slot_t *s_append (sb_window_t *self, sb_slot_t *slot)
{
    if (!slot || (self->next - self->first == self->size && !s_grow (self))) {
        sb_slot_destroy (&slot);
        return NULL;
    }
    slot->sequence = self->next++;
    slot->delta.update.sequence = slot->sequence;
    self->ring[slot->sequence & (self->size - 1)] = slot;
    self->memory_bytes += slot->memory_bytes;
    return slot;
}

sb_slot_t *sb_window_add (sb_window_t *self, const sb_delta_t *delta, bool is_event)
{
    return s_append (self, s_slot_new (delta, is_event));
}

sb_slot_t *sb_window_add_replacement (sb_window_t *self)
{
    sb_slot_t *slot = calloc (1, sizeof *slot);
    if (!slot)
        return NULL;
    slot->is_replacement = true;
    slot->memory_bytes = sizeof *slot;
    return s_append (self, slot);
}

/* ------------------------------------------------------------------ finding and taking */

sb_slot_t *sb_window_at (const sb_window_t *self, uint64_t sequence)
{
    return sequence < self->first || sequence >= self->next ? NULL : self->ring[sequence & (self->size - 1)];
}

sb_slot_t *sb_window_take (sb_window_t *self)
{
    if (self->first == self->next)
        return NULL;
    sb_slot_t *slot = self->ring[self->first & (self->size - 1)];
    self->ring[self->first & (self->size - 1)] = NULL;
    self->first++;
    self->memory_bytes -= slot->memory_bytes;
    return slot;
}

void sb_window_restart (sb_window_t *self, uint64_t sequence)
{
    assert (self->first == self->next);
    self->first = self->next = sequence;
}

uint64_t sb_window_first (const sb_window_t *self)
{
    return self->first;
}

uint64_t sb_window_next (const sb_window_t *self)
{
    return self->next;
}

uint32_t sb_window_count (const sb_window_t *self)
{
    return (uint32_t)(self->next - self->first);
}

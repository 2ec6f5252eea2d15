/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_requests.h.
 */
#include "sb_requests.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

typedef struct {
    uint32_t generation; /* +1 at each use; in the token */
    uint32_t next_free;
    bool is_used;
    sb_envelope_t envelope;
} s_slot_t;

struct sb_requests {
    uint32_t capacity;
    uint32_t count;
    uint32_t first_free;
    s_slot_t *slots;
};

bool sb_envelope_append (sb_envelope_t *self, const void *data, size_t size)
{
    if (self->frame_count >= SB_ENVELOPE_FRAMES || size > sizeof self->octets - self->size)
        return false;
    if (size > 0)
        memcpy (self->octets + self->size, data, size);
    self->size = (uint16_t)(self->size + size);
    self->frame_sizes[self->frame_count++] = (uint16_t)size;
    return true;
}

sb_requests_t *sb_requests_new (uint32_t capacity)
{
    assert (capacity > 0 && capacity < NONE);
    sb_requests_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->slots = calloc (capacity, sizeof *self->slots);
    if (!self->slots) {
        free (self);
        return NULL;
    }
    self->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        self->slots[i].next_free = i + 1 < capacity ? i + 1 : NONE;
    return self;
}

void sb_requests_destroy (sb_requests_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free ((*self_p)->slots);
    free (*self_p);
    *self_p = NULL;
}

uint64_t sb_requests_add (sb_requests_t *self, const sb_envelope_t *envelope)
{
    if (self->first_free == NONE)
        return 0;
    const uint32_t place = self->first_free;
    s_slot_t *slot = &self->slots[place];
    self->first_free = slot->next_free;
    self->count++;
    slot->is_used = true;
    slot->generation++;
    slot->envelope = *envelope;
    return (uint64_t)slot->generation << 32 | ((uint64_t)place + 1);
}

const sb_envelope_t *sb_requests_take (sb_requests_t *self, uint64_t token)
{
    const uint32_t place = (uint32_t)token - 1;
    if (place >= self->capacity)
        return NULL;
    s_slot_t *slot = &self->slots[place];
    if (!slot->is_used || slot->generation != (uint32_t)(token >> 32))
        return NULL;
    slot->is_used = false;
    slot->next_free = self->first_free;
    self->first_free = place;
    self->count--;
    return &slot->envelope;
}

uint32_t sb_requests_count (const sb_requests_t *self)
{
    return self->count;
}

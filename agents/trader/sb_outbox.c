/* SPDX-License-Identifier: MPL-2.0
 *
 * A ring of orders in order of sending. A refusal is looked up from the oldest on: refusals are rare and the
 * ring is small, so an index would be more to get wrong than it saves.
 */
#include "sb_outbox.h"

#include <assert.h>
#include <stdlib.h>

typedef struct {
    sb_trader_order_t order;
    unsigned parts;          /* sent under first_sequence and on */
    unsigned waiting;        /* parts to be sent again */
    uint64_t first_sequence; /* 0: not sent */
} s_entry_t;

struct sb_outbox {
    s_entry_t *entries;
    uint32_t capacity;
    uint32_t first; /* oldest */
    uint32_t count;
    uint32_t waiting;
    uint64_t lost;
};

static const sb_reason_t s_momentary[] = {
    SB_REASON_PAUSED,       SB_REASON_EMERGENCY_STOPPED, SB_REASON_SELF_PAUSED,         SB_REASON_BREAKER_OPEN,
    SB_REASON_ISOLATED,     SB_REASON_WINDOW_FULL,       SB_REASON_STORE_FULL,          SB_REASON_TOO_MANY_TOPICS,
    SB_REASON_SESSION_LOST, SB_REASON_REGISTER_AGAIN,    SB_REASON_TOO_MANY_CATEGORIES,
};

bool sb_outbox_is_momentary (sb_reason_t reason)
{
    for (size_t i = 0; i < sizeof s_momentary / sizeof s_momentary[0]; i++)
        if (s_momentary[i] == reason)
            return true;
    return false;
}

sb_outbox_t *sb_outbox_new (uint32_t capacity)
{
    assert (capacity >= 1 && capacity <= 1000000);
    sb_outbox_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->capacity = capacity;
    self->entries = calloc (capacity, sizeof *self->entries);
    if (!self->entries)
        sb_outbox_destroy (&self);
    return self;
}

void sb_outbox_destroy (sb_outbox_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free ((*self_p)->entries);
    free (*self_p);
    *self_p = NULL;
}

static s_entry_t *s_at (const sb_outbox_t *self, uint32_t i)
{
    return &self->entries[(self->first + i) % self->capacity];
}

static uint32_t s_parts_count (unsigned parts)
{
    return ((parts & SB_OUTBOX_TRADE) != 0) + ((parts & SB_OUTBOX_EXECUTION) != 0);
}

void sb_outbox_add (sb_outbox_t *self, const sb_trader_order_t *order, unsigned parts, uint64_t first_sequence)
{
    assert (parts && !(parts & ~(unsigned)(SB_OUTBOX_TRADE | SB_OUTBOX_EXECUTION)));
    if (self->count == self->capacity) {
        const s_entry_t *oldest = s_at (self, 0);
        self->lost += s_parts_count (oldest->waiting);
        self->waiting -= oldest->waiting != 0;
        self->first = (self->first + 1) % self->capacity;
        self->count--;
    }
    *s_at (self, self->count++) = (s_entry_t){
        .order = *order, .parts = parts, .waiting = first_sequence ? 0 : parts, .first_sequence = first_sequence};
    self->waiting += first_sequence == 0;
}

bool sb_outbox_refused (sb_outbox_t *self, uint64_t sequence, bool is_momentary)
{
    for (uint32_t i = 0; i < self->count; i++) {
        s_entry_t *entry = s_at (self, i);
        if (!entry->first_sequence || sequence < entry->first_sequence ||
            sequence >= entry->first_sequence + s_parts_count (entry->parts))
            continue;
        bool is_trade = (entry->parts & SB_OUTBOX_TRADE) && sequence == entry->first_sequence;
        unsigned part = is_trade ? SB_OUTBOX_TRADE : SB_OUTBOX_EXECUTION;
        if (!is_momentary)
            self->lost++;
        else {
            self->waiting += entry->waiting == 0;
            entry->waiting |= part;
        }
        return true;
    }
    return false;
}

bool sb_outbox_take (sb_outbox_t *self, sb_trader_order_t *order, unsigned *parts)
{
    for (uint32_t i = 0; i < self->count; i++) {
        s_entry_t *entry = s_at (self, i);
        if (!entry->waiting)
            continue;
        *order = entry->order;
        *parts = entry->waiting;
        /* It stays as a stone in the ring: its other update may still be refused. */
        entry->waiting = 0;
        self->waiting--;
        return true;
    }
    return false;
}

uint32_t sb_outbox_waiting (const sb_outbox_t *self)
{
    return self->waiting;
}

uint64_t sb_outbox_lost (const sb_outbox_t *self)
{
    return self->lost;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of commands that wait for an agent. See pending.h.
 */
#include "pending.h"

#include <assert.h>
#include <string.h>

enum { SLAB_LOG2 = 5 };

bool sb_pending_init (sb_pending_t *self, sb_memory_t *memory, uint32_t limit)
{
    memset (self, 0, sizeof *self);
    return sb_pool_init (&self->entries, memory, sizeof (sb_pending_entry_t), SLAB_LOG2, limit > 0 ? limit : 1);
}

void sb_pending_fini (sb_pending_t *self)
{
    sb_pool_fini (&self->entries);
}

uint32_t sb_pending_take (sb_pending_t *self)
{
    return sb_pool_take (&self->entries);
}

sb_pending_entry_t *sb_pending_at (const sb_pending_t *self, uint32_t slot)
{
    return sb_pool_at (&self->entries, slot);
}

uint64_t sb_pending_due_ns (const sb_pending_entry_t *entry)
{
    return entry->timeout_ns < entry->failure_ns ? entry->timeout_ns : entry->failure_ns;
}

void sb_pending_add (sb_pending_t *self, uint32_t slot)
{
    sb_pending_entry_t *entry = sb_pending_at (self, slot);
    uint64_t due_ns = sb_pending_due_ns (entry);
    uint32_t before = self->last;
    while (before != 0 && sb_pending_due_ns (sb_pending_at (self, before)) > due_ns)
        before = sb_pending_at (self, before)->previous;
    entry->previous = before;
    entry->next = before != 0 ? sb_pending_at (self, before)->next : self->first;
    if (before != 0)
        sb_pending_at (self, before)->next = slot;
    else
        self->first = slot;
    if (entry->next != 0)
        sb_pending_at (self, entry->next)->previous = slot;
    else
        self->last = slot;
}

void sb_pending_unlink (sb_pending_t *self, uint32_t slot)
{
    sb_pending_entry_t *entry = sb_pending_at (self, slot);
    if (entry->previous != 0)
        sb_pending_at (self, entry->previous)->next = entry->next;
    else
        self->first = entry->next;
    if (entry->next != 0)
        sb_pending_at (self, entry->next)->previous = entry->previous;
    else
        self->last = entry->previous;
    entry->next = 0;
    entry->previous = 0;
}

void sb_pending_give (sb_pending_t *self, uint32_t slot)
{
    assert (self->first != slot && self->last != slot);
    sb_pool_give (&self->entries, slot);
}

uint64_t sb_pending_deadline (const sb_pending_t *self)
{
    return self->first != 0 ? sb_pending_due_ns (sb_pending_at (self, self->first)) : UINT64_MAX;
}

static uint64_t s_moved (uint64_t deadline_ns, uint64_t lateness_ns)
{
    return deadline_ns > UINT64_MAX - lateness_ns ? UINT64_MAX : deadline_ns + lateness_ns;
}

void sb_pending_delay (sb_pending_t *self, uint64_t lateness_ns)
{
    /* All move by the same, so the order stays. */
    for (uint32_t slot = self->first; slot != 0; slot = sb_pending_at (self, slot)->next) {
        sb_pending_entry_t *entry = sb_pending_at (self, slot);
        entry->timeout_ns = s_moved (entry->timeout_ns, lateness_ns);
        entry->failure_ns = s_moved (entry->failure_ns, lateness_ns);
    }
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The history of a category: its last publications, bounded by updates, octets and age.
 *
 * A ring of entries with consecutive category_sequences, so that any of them is found by subtraction; each entry is
 * one run of octets (history_entry.h). When an entry cannot be kept, all before it go too: what is there never has
 * holes. Age is by the monotonic clock, since broker time may step; it is looked at when a publication is added and
 * once a tick, in slices. Adding costs O(octets), amortized. Reading is in history_read.c.
 */
#include "history_entry.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { RING_FIRST = 16 };

static size_t s_entry_size (const sb_publication_t *publication, uint32_t change_count, size_t octets)
{
    return offsetof (sb_history_entry_t, octets) + publication->topic.size +
           publication->update_count * sizeof (sb_packed_update_t) + change_count * sizeof (sb_packed_change_t) +
           octets;
}

static inline char *s_put (char *to, const char *octets, size_t size)
{
    sb_octets_copy (to, octets, size);
    return to + size;
}

static inline char *s_put_change (char *to, const sb_change_t *change)
{
    const sb_value_t *value = &change->value;
    bool has_run = sb_value_has_run (value->kind);
    sb_packed_change_t packed = {
        .word = sb_value_word (value),
        .size = has_run ? value->text.size : 0,
        .name_size = (uint8_t)change->name.size,
        .kind = (uint8_t)value->kind,
        .exponent = sb_value_exponent (value),
        .is_delete = change->is_delete,
    };
    memcpy (to, &packed, sizeof packed);
    to = s_put (to + sizeof packed, change->name.data, change->name.size);
    return has_run ? s_put (to, value->text.data, packed.size) : to;
}

/* Apart from its one caller, so that all that the loops use has a register. */
static __attribute__ ((noinline)) void s_pack (sb_history_entry_t *entry, const sb_publication_t *publication)
{
    entry->sequence = publication->sequence;
    entry->category_sequence = publication->category_sequence;
    entry->topic_sequence = publication->topic_sequence;
    entry->agent_sequence = publication->agent_sequence;
    entry->broker_unix_ns = publication->broker_unix_ns;
    entry->update_count = publication->update_count;
    entry->topic_size = (uint8_t)publication->topic.size;
    entry->agent_start = (uint8_t)(publication->agent_id.data - publication->topic.data);
    entry->agent_size = (uint8_t)publication->agent_id.size;
    entry->quality = (uint8_t)publication->quality;
    entry->cause = (uint8_t)publication->cause;
    char *to = s_put (entry->octets, publication->topic.data, publication->topic.size);
    const sb_update_t *update = publication->updates;
    for (uint32_t updates_left = publication->update_count; updates_left > 0; updates_left--, update++) {
        sb_packed_update_t packed = {update->sequence, update->event_unix_ns, update->origin_unix_ns,
                                     update->change_count, 0};
        memcpy (to, &packed, sizeof packed);
        to += sizeof packed;
        const sb_change_t *change = update->changes;
        for (uint32_t changes_left = update->change_count; changes_left > 0; changes_left--)
            to = s_put_change (to, change++);
    }
    assert (to == (char *)entry + entry->size);
}

/* How much of the bound by updates an entry uses: a change of quality counts as one. */
static uint32_t s_weight (const sb_history_entry_t *entry)
{
    return entry->update_count ? entry->update_count : 1;
}

/* A publication is not kept, or no longer. */
static void s_note_gone (sb_category_t *category, int64_t broker_unix_ns)
{
    if (broker_unix_ns > category->gone_unix_ns)
        category->gone_unix_ns = broker_unix_ns;
}

static void s_drop_oldest (sb_core_t *self, sb_category_t *category)
{
    sb_history_entry_t *entry = *sb_history_at (category, 0);
    s_note_gone (category, entry->broker_unix_ns);
    category->history_updates -= s_weight (entry);
    category->history_bytes -= entry->size;
    category->ring_first = (category->ring_first + 1) & (category->ring_capacity - 1);
    category->ring_count--;
    sb_blob_give (&self->history, entry, entry->size);
}

static void s_evict_oldest (sb_core_t *self, sb_category_t *category)
{
    s_drop_oldest (self, category);
    sb_core_counter_add (self, SB_COUNTER_history_evicted, 1);
}

/* Evicts what is too old, `most` entries at most. Returns how many. */
static uint32_t s_evict_aged (sb_core_t *self, sb_category_t *category, uint32_t most)
{
    uint32_t count = 0;
    while (count < most && category->ring_count &&
           self->now_ns - (*sb_history_at (category, 0))->added_ns >= category->history_limit_ns) {
        s_evict_oldest (self, category);
        count++;
    }
    return count;
}

void sb_history_trim (sb_core_t *self, sb_category_t *category)
{
    while (category->ring_count && (category->history_updates > category->history_limit ||
                                    category->history_bytes > category->history_limit_bytes))
        s_evict_oldest (self, category);
    if (category->history_limit_ns != SB_NEVER)
        s_evict_aged (self, category, SB_SLICE);
}

void sb_history_clear (sb_core_t *self, sb_category_t *category)
{
    while (category->ring_count)
        s_drop_oldest (self, category);
}

bool sb_history_age_slice (sb_core_t *self)
{
    uint32_t left = SB_SLICE;
    while (self->aging_category && self->aging_category <= self->categories.high) {
        if (left == 0)
            return true;
        left -= s_evict_aged (self, sb_category_at (self, self->aging_category), left);
        if (left == 0)
            return true;
        left--;
        self->aging_category++;
    }
    self->aging_category = 0;
    return false;
}

/* Doubles the ring when it is full. */
static bool s_make_room (sb_core_t *self, sb_category_t *category)
{
    if (category->ring_count < category->ring_capacity)
        return true;
    uint32_t capacity = category->ring_capacity ? category->ring_capacity * 2 : RING_FIRST;
    sb_history_entry_t **ring = sb_memory_take (&self->memory, capacity * sizeof *ring);
    if (!ring)
        return false;
    for (uint32_t i = 0; i < category->ring_count; i++)
        ring[i] = *sb_history_at (category, i);
    sb_memory_give (&self->memory, category->ring, category->ring_capacity * sizeof *ring);
    category->ring = ring;
    category->ring_capacity = capacity;
    category->ring_first = 0;
    return true;
}

void sb_history_add (sb_core_t *self, sb_category_t *category, const sb_publication_t *publication,
                     uint32_t change_count, size_t octets)
{
    if (category->history_limit == 0) {
        sb_history_clear (self, category);
        s_note_gone (category, publication->broker_unix_ns);
        return;
    }
    size_t size = s_entry_size (publication, change_count, octets);
    while (category->ring_count && category->history_bytes + size > category->history_limit_bytes)
        s_evict_oldest (self, category);
    sb_history_entry_t *entry = NULL;
    if (size <= category->history_limit_bytes && s_make_room (self, category))
        entry = sb_blob_take (&self->history, size);
    if (!entry) {
        sb_history_clear (self, category);
        s_note_gone (category, publication->broker_unix_ns);
        sb_core_counter_add (self, SB_COUNTER_history_lost, 1);
        return;
    }
    entry->size = (uint32_t)size;
    entry->change_count = change_count;
    entry->added_ns = self->now_ns;
    s_pack (entry, publication);
    *sb_history_at (category, category->ring_count++) = entry;
    category->history_updates += s_weight (entry);
    category->history_bytes += size;
    sb_history_trim (self, category);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The history of a category: its last publications, bounded by updates and by octets.
 *
 * A ring of entries with consecutive category_sequences, so that any of them is found by subtraction; each entry is
 * one run of octets: a head, the topic, the updates packed. When an entry cannot be kept, all before it go too:
 * what is there never has holes. Adding costs O(octets), amortized; reading O(entries looked at).
 */
#include "state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { RING_FIRST = 16 };

struct sb_history_entry {
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
    int64_t broker_unix_ns;
    uint32_t size; /* octets of the whole entry */
    uint32_t update_count;
    uint8_t topic_size;
    uint8_t agent_start; /* where the agent id begins in the topic */
    uint8_t agent_size;
    uint8_t quality;
    uint8_t cause;
    char octets[]; /* topic, then updates */
};

typedef struct {
    uint64_t sequence;
    int64_t event_unix_ns;
    int64_t origin_unix_ns;
    uint32_t change_count;
} s_packed_update_t;

typedef struct {
    uint64_t word; /* number, integer, unscaled, boolean */
    uint32_t size; /* octets of a text or bytes */
    uint8_t name_size;
    uint8_t kind;
    int8_t exponent;
    bool is_delete;
} s_packed_change_t;

static bool s_has_run (sb_value_kind_t kind)
{
    return kind == SB_VALUE_TEXT || kind == SB_VALUE_BYTES;
}

static size_t s_entry_size (const sb_publication_t *publication)
{
    size_t size = offsetof (sb_history_entry_t, octets) + publication->topic.size;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        size += sizeof (s_packed_update_t) + update->change_count * sizeof (s_packed_change_t);
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            size += change->name.size + (s_has_run (change->value.kind) ? change->value.text.size : 0);
        }
    }
    return size;
}

static char *s_put (char *to, const void *octets, size_t size)
{
    if (size)
        memcpy (to, octets, size);
    return to + size;
}

static char *s_put_change (char *to, const sb_change_t *change)
{
    s_packed_change_t packed;
    memset (&packed, 0, sizeof packed);
    const sb_value_t *value = &change->value;
    packed.name_size = (uint8_t)change->name.size;
    packed.kind = (uint8_t)value->kind;
    packed.is_delete = change->is_delete;
    if (s_has_run (value->kind))
        packed.size = value->text.size;
    else if (value->kind == SB_VALUE_NUMBER)
        memcpy (&packed.word, &value->number, sizeof packed.word);
    else if (value->kind == SB_VALUE_INTEGER)
        packed.word = (uint64_t)value->integer;
    else if (value->kind == SB_VALUE_BOOLEAN)
        packed.word = value->boolean;
    else if (value->kind == SB_VALUE_DECIMAL) {
        packed.word = (uint64_t)value->decimal.unscaled;
        packed.exponent = (int8_t)value->decimal.exponent;
    }
    to = s_put (to, &packed, sizeof packed);
    to = s_put (to, change->name.data, change->name.size);
    return s_put (to, value->text.data, packed.size);
}

static void s_pack (sb_history_entry_t *entry, const sb_publication_t *publication)
{
    entry->sequence = publication->sequence;
    entry->category_sequence = publication->category_sequence;
    entry->topic_sequence = publication->topic_sequence;
    entry->broker_unix_ns = publication->broker_unix_ns;
    entry->update_count = publication->update_count;
    entry->topic_size = (uint8_t)publication->topic.size;
    entry->agent_start = (uint8_t)(publication->agent_id.data - publication->topic.data);
    entry->agent_size = (uint8_t)publication->agent_id.size;
    entry->quality = (uint8_t)publication->quality;
    entry->cause = (uint8_t)publication->cause;
    char *to = s_put (entry->octets, publication->topic.data, publication->topic.size);
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        s_packed_update_t packed;
        memset (&packed, 0, sizeof packed);
        packed.sequence = update->sequence;
        packed.event_unix_ns = update->event_unix_ns;
        packed.origin_unix_ns = update->origin_unix_ns;
        packed.change_count = update->change_count;
        to = s_put (to, &packed, sizeof packed);
        for (uint32_t j = 0; j < update->change_count; j++)
            to = s_put_change (to, &update->changes[j]);
    }
    assert (to == (char *)entry + entry->size);
}

static sb_history_entry_t **s_place (const sb_category_t *category, uint32_t number)
{
    return &category->ring[(category->ring_first + number) & (category->ring_capacity - 1)];
}

/* How much of the bound by updates an entry uses: a change of quality counts as one. */
static uint32_t s_weight (const sb_history_entry_t *entry)
{
    return entry->update_count ? entry->update_count : 1;
}

static void s_drop_oldest (sb_core_t *self, sb_category_t *category)
{
    sb_history_entry_t *entry = *s_place (category, 0);
    category->history_updates -= s_weight (entry);
    category->history_bytes -= entry->size;
    category->ring_first = (category->ring_first + 1) & (category->ring_capacity - 1);
    category->ring_count--;
    sb_blob_give (&self->history, entry, entry->size);
}

void sb_history_trim (sb_core_t *self, sb_category_t *category)
{
    while (category->ring_count && (category->history_updates > category->history_limit ||
                                    category->history_bytes > self->config.history_bytes)) {
        s_drop_oldest (self, category);
        sb_core_counter_add (self, SB_COUNTER_history_evicted, 1);
    }
}

void sb_history_clear (sb_core_t *self, sb_category_t *category)
{
    while (category->ring_count)
        s_drop_oldest (self, category);
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
        ring[i] = *s_place (category, i);
    sb_memory_give (&self->memory, category->ring, category->ring_capacity * sizeof *ring);
    category->ring = ring;
    category->ring_capacity = capacity;
    category->ring_first = 0;
    return true;
}

void sb_history_add (sb_core_t *self, sb_category_t *category, const sb_publication_t *publication)
{
    if (category->history_limit == 0) {
        sb_history_clear (self, category);
        return;
    }
    size_t size = s_entry_size (publication);
    while (category->ring_count && category->history_bytes + size > self->config.history_bytes) {
        s_drop_oldest (self, category);
        sb_core_counter_add (self, SB_COUNTER_history_evicted, 1);
    }
    sb_history_entry_t *entry = NULL;
    if (size <= self->config.history_bytes && s_make_room (self, category))
        entry = sb_blob_take (&self->history, size);
    if (!entry) {
        sb_history_clear (self, category);
        sb_core_counter_add (self, SB_COUNTER_history_lost, 1);
        return;
    }
    entry->size = (uint32_t)size;
    s_pack (entry, publication);
    *s_place (category, category->ring_count++) = entry;
    category->history_updates += s_weight (entry);
    category->history_bytes += size;
    sb_history_trim (self, category);
}

/* ---- reading */

static const char *s_get (const char *from, void *to, size_t size)
{
    memcpy (to, from, size);
    return from + size;
}

static const char *s_get_change (sb_core_t *self, const char *from, sb_change_t *change)
{
    s_packed_change_t packed;
    from = s_get (from, &packed, sizeof packed);
    memset (change, 0, sizeof *change);
    change->name = sb_core_copy (self, (sb_text_t){from, packed.name_size});
    from += packed.name_size;
    change->is_delete = packed.is_delete;
    sb_value_t *value = &change->value;
    value->kind = (sb_value_kind_t)packed.kind;
    if (s_has_run (value->kind))
        value->text = sb_core_copy (self, (sb_text_t){from, packed.size});
    else if (value->kind == SB_VALUE_NUMBER)
        memcpy (&value->number, &packed.word, sizeof value->number);
    else if (value->kind == SB_VALUE_INTEGER)
        value->integer = (int64_t)packed.word;
    else if (value->kind == SB_VALUE_BOOLEAN)
        value->boolean = packed.word != 0;
    else if (value->kind == SB_VALUE_DECIMAL) {
        value->decimal.unscaled = (int64_t)packed.word;
        value->decimal.exponent = packed.exponent;
    }
    return from + packed.size;
}

static const sb_publication_t *s_unpack (sb_core_t *self, const sb_history_entry_t *entry)
{
    sb_publication_t *publication = sb_core_take (self, sizeof *publication);
    publication->topic = sb_core_copy (self, (sb_text_t){entry->octets, entry->topic_size});
    publication->stream_id = self->identity.stream_id;
    publication->epoch = self->identity.epoch;
    publication->sequence = entry->sequence;
    publication->category_sequence = entry->category_sequence;
    publication->topic_sequence = entry->topic_sequence;
    publication->agent_id = (sb_text_t){publication->topic.data + entry->agent_start, entry->agent_size};
    publication->broker_unix_ns = entry->broker_unix_ns;
    publication->quality = (sb_quality_t)entry->quality;
    publication->cause = (sb_cause_t)entry->cause;
    sb_update_t *updates = sb_core_take (self, entry->update_count * sizeof *updates);
    publication->updates = updates;
    publication->update_count = entry->update_count;
    const char *from = entry->octets + entry->topic_size;
    for (uint32_t i = 0; i < entry->update_count; i++) {
        s_packed_update_t packed;
        from = s_get (from, &packed, sizeof packed);
        sb_change_t *changes = sb_core_take (self, packed.change_count * sizeof *changes);
        updates[i] = (sb_update_t){.sequence = packed.sequence,
                                   .event_unix_ns = packed.event_unix_ns,
                                   .origin_unix_ns = packed.origin_unix_ns,
                                   .changes = changes,
                                   .change_count = packed.change_count};
        for (uint32_t j = 0; j < packed.change_count; j++)
            from = s_get_change (self, from, &changes[j]);
    }
    return publication;
}

static bool s_matches (const sb_history_entry_t *entry, const sb_topic_filter_t *filter)
{
    sb_text_t agent = {entry->octets + entry->agent_start, entry->agent_size};
    uint32_t subject_start = entry->agent_start + entry->agent_size + 1u;
    sb_text_t subject = {entry->octets + subject_start, entry->topic_size - subject_start};
    if (filter->agent.size && !sb_text_equal (filter->agent, agent))
        return false;
    return (filter->subject.size == 0 && !filter->is_subject_set) || sb_text_equal (filter->subject, subject);
}

uint64_t sb_core_history_start (const sb_core_t *self, const sb_category_t *category, const sb_topic_filter_t *filter,
                                uint32_t last)
{
    (void)self;
    uint64_t head = category->head.category_sequence;
    for (uint32_t i = 0; i < category->ring_count && last > 0; i++)
        if (s_matches (*s_place (category, category->ring_count - 1 - i), filter) && --last == 0)
            return head - i - 1;
    return last == 0 ? head : head - category->ring_count;
}

bool sb_core_read_history (sb_core_t *self, const sb_category_t *category, const sb_topic_filter_t *filter,
                           uint64_t *after, uint32_t limit, const sb_publication_t *const **publications,
                           uint32_t *count)
{
    uint64_t head = category->head.category_sequence;
    uint64_t oldest = head - category->ring_count; /* of the one before the oldest kept */
    if (*after < oldest)
        *after = oldest;
    const sb_publication_t **found = sb_core_take (self, limit * sizeof *found);
    *count = 0;
    size_t bytes = 0;
    for (uint32_t looked = 0; looked < SB_SCAN_MAX && *count < limit && *after < head; looked++) {
        const sb_history_entry_t *entry = *s_place (category, (uint32_t)(*after - oldest));
        if (s_matches (entry, filter)) {
            bytes += entry->size;
            if (*count > 0 && bytes > SB_PAGE_BYTES)
                break;
            found[(*count)++] = s_unpack (self, entry);
        }
        ++*after;
    }
    *publications = found;
    return *after < head;
}

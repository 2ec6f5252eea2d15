/* SPDX-License-Identifier: MPL-2.0
 *
 * Merging, see merge.h.
 *
 * `bytes` and `change_count` are bounds from above: what is written twice counts twice. When a bound passes the limit,
 * the true size is measured by a walk; only when that is too large as well is the range closed early. A walk costs
 * O(fields) and comes at most once for each message's worth of changes.
 */
#include "merge.h"

#include <string.h>

enum {
    DELETES_MAX = 256,        /* names kept for one topic: they are compared one by one */
    CHANGE_OVERHEAD = 96,     /* octets of a change beyond name and value, with an update of its own */
    HEAD_OVERHEAD = 512,      /* octets of a publication without updates, topic included */
    SCRATCH_SPARE = 64 * 1024 /* octets left to the rest of the step, which may have reserved them */
};

struct sb_merge_delete {
    sb_merge_delete_t *next;
    uint64_t sequence;  /* of the publication */
    sb_update_t update; /* of the delta, without changes */
    uint32_t name_size;
    char name[];
};

/* A change on its way out. */
typedef struct {
    uint64_t sequence;  /* of the publication that made it */
    sb_update_t update; /* of the delta, without changes */
    sb_change_t change; /* borrowed */
} s_item_t;

static sb_text_t s_delete_name (const sb_merge_delete_t *gone)
{
    return (sb_text_t){gone->name, gone->name_size};
}

static uint64_t s_change_bytes (sb_text_t name, uint32_t value_size)
{
    return CHANGE_OVERHEAD + (uint64_t)name.size + value_size;
}

/* ---- what waits */

static bool s_is_pending (const sb_merge_entry_t *entry, const sb_field_t *field)
{
    return field->sequence > entry->sent_sequence && field->sequence <= entry->last.sequence;
}

/* Puts the true numbers in the place of the bounds. */
static void s_measure (sb_core_t *self, sb_merge_entry_t *entry)
{
    entry->change_count = 0;
    entry->bytes = HEAD_OVERHEAD;
    for (uint32_t slot = sb_topic_at (self, entry->topic)->first_field; slot; slot = sb_field_at (self, slot)->next) {
        const sb_field_t *field = sb_field_at (self, slot);
        if (!s_is_pending (entry, field))
            continue;
        entry->change_count++;
        entry->bytes += s_change_bytes (sb_field_text (field), field->value.size);
    }
    for (const sb_merge_delete_t *gone = entry->deletes; gone; gone = gone->next) {
        entry->change_count++;
        entry->bytes += s_change_bytes (s_delete_name (gone), 0);
    }
}

static bool s_fits (const sb_core_t *self, uint64_t bytes, uint64_t changes)
{
    return bytes <= self->config.max_message_bytes && changes <= SB_CHANGES_MAX;
}

static sb_merge_delete_t *s_find_delete (const sb_merge_entry_t *entry, sb_text_t name)
{
    sb_merge_delete_t *gone = entry->deletes;
    while (gone && !sb_text_equal (s_delete_name (gone), name))
        gone = gone->next;
    return gone;
}

static void s_free_delete (sb_core_t *self, sb_merge_delete_t *gone)
{
    sb_blob_give (&self->values, gone, sizeof *gone + gone->name_size);
}

/* Keeps the names of deleted fields that are not kept yet. False when there is no room: then none of them is. */
static bool s_keep_deletes (sb_core_t *self, sb_merge_entry_t *entry, const sb_publication_t *publication)
{
    sb_merge_delete_t *before = entry->deletes;
    uint32_t count_before = entry->delete_count;
    bool is_kept = true;
    for (uint32_t i = 0; i < publication->update_count && is_kept; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count && is_kept; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (!change->is_delete || s_find_delete (entry, change->name))
                continue;
            sb_merge_delete_t *gone = NULL;
            if (entry->delete_count < DELETES_MAX)
                gone = sb_blob_take (&self->values, sizeof *gone + change->name.size);
            is_kept = gone != NULL;
            if (!is_kept)
                break;
            gone->name_size = change->name.size;
            memcpy (gone->name, change->name.data, change->name.size);
            gone->next = entry->deletes;
            entry->deletes = gone;
            entry->delete_count++;
        }
    while (!is_kept && entry->deletes != before) {
        sb_merge_delete_t *gone = entry->deletes;
        entry->deletes = gone->next;
        s_free_delete (self, gone);
    }
    if (!is_kept)
        entry->delete_count = count_before;
    return is_kept;
}

/* Each deleted field carries the publication that deleted it last. Its name is kept. */
static void s_stamp_deletes (sb_merge_entry_t *entry, const sb_publication_t *publication)
{
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (!change->is_delete)
                continue;
            sb_merge_delete_t *gone = s_find_delete (entry, change->name);
            gone->sequence = publication->sequence;
            gone->update = publication->updates[i];
        }
}

bool sb_merge_add (sb_core_t *self, sb_merge_entry_t *entry, const sb_publication_t *publication)
{
    uint64_t bytes = 0;
    uint32_t changes = 0, deletes = 0;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            bool has_run = change->value.kind == SB_VALUE_TEXT || change->value.kind == SB_VALUE_BYTES;
            bytes += s_change_bytes (change->name, has_run ? change->value.text.size : 0);
            changes++;
            deletes += change->is_delete;
        }
    if (!entry->first_topic_sequence) {
        entry->change_count = 0;
        entry->bytes = HEAD_OVERHEAD;
    } else if (!s_fits (self, entry->bytes + bytes, entry->change_count + changes))
        s_measure (self, entry);
    if (!s_fits (self, entry->bytes + bytes, entry->change_count + changes))
        return false;
    if (deletes && !s_keep_deletes (self, entry, publication))
        return false;
    if (deletes)
        s_stamp_deletes (entry, publication);
    entry->bytes += bytes;
    entry->change_count += changes;
    if (!entry->first_topic_sequence)
        entry->first_topic_sequence = publication->topic_sequence;
    entry->last_topic_sequence = publication->topic_sequence;
    entry->last = (sb_head_t){.sequence = publication->sequence,
                              .category_sequence = publication->category_sequence,
                              .agent_sequence = publication->agent_sequence};
    entry->last_unix_ns = publication->broker_unix_ns;
    entry->last_quality = (uint8_t)publication->quality;
    entry->last_cause = (uint8_t)publication->cause;
    return true;
}

void sb_merge_drop (sb_core_t *self, sb_merge_entry_t *entry)
{
    while (entry->deletes) {
        sb_merge_delete_t *gone = entry->deletes;
        entry->deletes = gone->next;
        s_free_delete (self, gone);
    }
    entry->delete_count = 0;
    entry->first_topic_sequence = 0;
}

/* ---- sending */

/* All changes that wait. What was deleted and is there again is a write; if it was written after this range ended,
 * it comes with the next. */
static uint32_t s_collect (sb_core_t *self, const sb_merge_entry_t *entry, s_item_t *items)
{
    uint32_t count = 0;
    for (uint32_t slot = sb_topic_at (self, entry->topic)->first_field; slot; slot = sb_field_at (self, slot)->next) {
        const sb_field_t *field = sb_field_at (self, slot);
        if (!s_is_pending (entry, field))
            continue;
        items[count++] = (s_item_t){
            .sequence = field->sequence,
            .update = {.sequence = field->delta_sequence,
                       .event_unix_ns = field->event_unix_ns,
                       .origin_unix_ns = field->origin_unix_ns},
            .change = {.name = sb_field_text (field), .value = sb_core_value (&field->value)},
        };
    }
    for (const sb_merge_delete_t *gone = entry->deletes; gone; gone = gone->next)
        if (!sb_find_field_slot (self, entry->topic, s_delete_name (gone)))
            items[count++] = (s_item_t){.sequence = gone->sequence,
                                        .update = gone->update,
                                        .change = {.name = s_delete_name (gone), .is_delete = true}};
    return count;
}

static bool s_is_before (const s_item_t *one, const s_item_t *other)
{
    if (one->sequence != other->sequence)
        return one->sequence < other->sequence;
    return one->update.sequence < other->update.sequence;
}

/* Sorts places by publication, then delta; what is equal keeps its order. Merge sort from the bottom up: no recursion,
 * no worst case. Returns the array, of the two, that holds the result. */
static uint32_t *s_sort (const s_item_t *items, uint32_t *order, uint32_t *other, uint32_t count)
{
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t start = 0; start < count; start += 2 * width) {
            uint32_t middle = start + width < count ? start + width : count;
            uint32_t end = start + 2 * width < count ? start + 2 * width : count;
            uint32_t left = start, right = middle;
            for (uint32_t i = start; i < end; i++) {
                bool is_right =
                    left == middle || (right < end && s_is_before (&items[order[right]], &items[order[left]]));
                other[i] = is_right ? order[right++] : order[left++];
            }
        }
        uint32_t *swap = order;
        order = other;
        other = swap;
    }
    return order;
}

static bool s_is_same_update (const s_item_t *one, const s_item_t *other)
{
    return one->sequence == other->sequence && one->update.sequence == other->update.sequence &&
           one->update.event_unix_ns == other->update.event_unix_ns &&
           one->update.origin_unix_ns == other->update.origin_unix_ns;
}

/* Turns items into updates, one for each delta. */
static void s_build (sb_core_t *self, sb_publication_t *publication, const s_item_t *items, const uint32_t *order,
                     uint32_t count)
{
    sb_change_t *changes = sb_scratch_take (&self->scratch, count * sizeof *changes);
    sb_update_t *updates = sb_scratch_take (&self->scratch, count * sizeof *updates);
    const s_item_t *before = NULL;
    publication->updates = updates;
    for (uint32_t i = 0; i < count; i++) {
        const s_item_t *item = &items[order[i]];
        sb_apply_copy_change (self, &item->change, &changes[i]);
        if (!before || !s_is_same_update (item, before)) {
            sb_update_t *update = &updates[publication->update_count++];
            *update = item->update;
            update->publication_sequence = item->sequence;
            update->changes = &changes[i];
            update->change_count = 0;
        }
        updates[publication->update_count - 1].change_count++;
        before = item;
    }
}

sb_text_t sb_merge_topic (sb_core_t *self, sb_text_t head, sb_text_t topic)
{
    char *octets = sb_scratch_take (&self->scratch, (size_t)head.size + topic.size + 1);
    memcpy (octets, head.data, head.size);
    memcpy (octets + head.size, topic.data, topic.size);
    octets[head.size + topic.size] = '\0';
    return (sb_text_t){octets, head.size + topic.size};
}

bool sb_merge_send (sb_core_t *self, sb_merge_entry_t *entry, sb_text_t head, uint64_t conflated_sequence)
{
    const sb_topic_t *topic = sb_topic_at (self, entry->topic);
    s_measure (self, entry);
    uint32_t most = entry->change_count;
    size_t room = most * (sizeof (s_item_t) + 2 * sizeof (uint32_t) + sizeof (sb_change_t) + sizeof (sb_update_t));
    if (!sb_scratch_reserve (&self->scratch, entry->bytes + room + SCRATCH_SPARE))
        return false;
    s_item_t *items = sb_scratch_take (&self->scratch, most * sizeof *items);
    uint32_t *order = sb_scratch_take (&self->scratch, most * sizeof *order);
    uint32_t *other = sb_scratch_take (&self->scratch, most * sizeof *other);
    uint32_t count = s_collect (self, entry, items);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    order = s_sort (items, order, other, count);
    sb_publication_t publication = {.stream_id = self->identity.stream_id,
                                    .epoch = self->identity.epoch,
                                    .sequence = entry->last.sequence,
                                    .category_sequence = entry->last.category_sequence,
                                    .topic_sequence = entry->last_topic_sequence,
                                    .broker_unix_ns = entry->last_unix_ns,
                                    .quality = (sb_quality_t)entry->last_quality,
                                    .cause = (sb_cause_t)entry->last_cause,
                                    .first_topic_sequence = entry->first_topic_sequence,
                                    .agent_sequence = entry->last.agent_sequence,
                                    .conflated_sequence = conflated_sequence};
    publication.topic = sb_merge_topic (self, head, sb_topic_text (topic));
    publication.agent_id = sb_core_copy (self, sb_core_agent_id (sb_agent_at (self, topic->agent)));
    if (count)
        s_build (self, &publication, items, order, count);
    sb_core_emit_publish (self, &publication);
    sb_core_counter_add (self, SB_COUNTER_conflated, 1);
    sb_core_counter_add (self, SB_COUNTER_conflated_away, entry->last_topic_sequence - entry->first_topic_sequence);
    entry->sent_sequence = entry->last.sequence;
    sb_merge_drop (self, entry);
    return true;
}

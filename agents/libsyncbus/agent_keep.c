/* SPDX-License-Identifier: MPL-2.0
 *
 * Two passes: one counts octets, one lays out updates, then changes, then texts, in one block. Pure. One block,
 * because it is let go as one, mostly by another thread.
 */
#include "agent_keep.h"

#include <string.h>

static uint32_t s_text_size (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? value->text.size : value->kind == SB_VALUE_BYTES ? value->bytes.size : 0;
}

static sb_text_t s_copy (char **at, sb_text_t text)
{
    sb_text_t copy = {*at, text.size};
    if (text.size)
        memcpy (*at, text.data, text.size);
    (*at)[text.size] = 0;
    *at += (size_t)text.size + 1;
    return copy;
}

size_t sb_keep_size (const sb_publication_t *publication)
{
    size_t size =
        publication->update_count * sizeof (sb_update_t) + publication->topic.size + publication->agent_id.size + 2;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        size += update->change_count * sizeof (sb_change_t);
        for (uint32_t j = 0; j < update->change_count; j++)
            size += (size_t)update->changes[j].name.size + s_text_size (&update->changes[j].value) + 2;
    }
    return size;
}

void sb_keep_copy (sb_publication_t *kept, void *memory, const sb_publication_t *publication)
{
    sb_update_t *updates = memory;
    sb_change_t *changes = (sb_change_t *)(updates + publication->update_count);
    uint32_t change_count = 0;
    for (uint32_t i = 0; i < publication->update_count; i++)
        change_count += publication->updates[i].change_count;
    char *at = (char *)(changes + change_count);
    for (uint32_t i = 0; i < publication->update_count; i++) {
        updates[i] = publication->updates[i];
        for (uint32_t j = 0; j < updates[i].change_count; j++) {
            sb_value_t *value = &changes[j].value;
            changes[j] = publication->updates[i].changes[j];
            changes[j].name = s_copy (&at, changes[j].name);
            if (value->kind == SB_VALUE_TEXT)
                value->text = s_copy (&at, value->text);
            else if (value->kind == SB_VALUE_BYTES)
                value->bytes = s_copy (&at, value->bytes);
        }
        updates[i].changes = changes;
        changes += updates[i].change_count;
    }
    *kept = *publication;
    kept->updates = updates;
    kept->topic = s_copy (&at, publication->topic);
    kept->agent_id = s_copy (&at, publication->agent_id);
}

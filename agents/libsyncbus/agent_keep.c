/* SPDX-License-Identifier: MPL-2.0
 *
 * Two passes: one counts octets, one lays out updates, then changes, then texts, in one block. Pure. One block,
 * because it is let go as one, mostly by another thread.
 */
#include "agent_keep.h"

#include <string.h>

uint32_t sb_keep_text_size (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? value->text.size : value->kind == SB_VALUE_BYTES ? value->bytes.size : 0;
}

sb_text_t sb_keep_text (char **at, sb_text_t text)
{
    sb_text_t copy = {*at, text.size};
    if (text.size)
        memcpy (*at, text.data, text.size);
    (*at)[text.size] = 0;
    *at += (size_t)text.size + 1;
    return copy;
}

void sb_keep_value (char **at, sb_value_t *value)
{
    if (value->kind == SB_VALUE_TEXT)
        value->text = sb_keep_text (at, value->text);
    else if (value->kind == SB_VALUE_BYTES)
        value->bytes = sb_keep_text (at, value->bytes);
}

size_t sb_keep_size (const sb_publication_t *publication)
{
    size_t size =
        publication->update_count * sizeof (sb_update_t) + publication->topic.size + publication->agent_id.size + 2;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        size += update->change_count * sizeof (sb_change_t);
        for (uint32_t j = 0; j < update->change_count; j++)
            size += (size_t)update->changes[j].name.size + sb_keep_text_size (&update->changes[j].value) + 2;
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
            changes[j] = publication->updates[i].changes[j];
            changes[j].name = sb_keep_text (&at, changes[j].name);
            sb_keep_value (&at, &changes[j].value);
        }
        updates[i].changes = changes;
        changes += updates[i].change_count;
    }
    *kept = *publication;
    kept->updates = updates;
    kept->topic = sb_keep_text (&at, publication->topic);
    kept->agent_id = sb_keep_text (&at, publication->agent_id);
}

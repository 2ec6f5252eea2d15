/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins: the heads, for whoever subscribes to `~join.<nonce>.`. O(categories * (1 + intervals conflated to)).
 *
 * And what is conflated now, so that a reader whose subscription was refused finds out: nobody else could tell it.
 * The answer is a level on that topic, so it reaches the asker over the very connection whose subscriptions it proves.
 * The nonce's form is checked because it becomes part of a topic; who asks is not known, and need not be.
 */
#include "state.h"

#include <string.h>

enum { PREFIX_SIZE = sizeof "~join." - 1 };

/* `~join.`, a nonce of the form of an agent's id or a subject, and a dot. */
static bool s_is_join (sb_text_t prefix)
{
    uint32_t before = PREFIX_SIZE;
    if (prefix.size < before + 2 || prefix.data[prefix.size - 1] != '.')
        return false;
    return sb_name_is_subject ((sb_text_t){prefix.data + before, prefix.size - before - 1});
}

const sb_change_t *sb_join_heads (sb_core_t *self, uint32_t *count)
{
    uint32_t most = 1 + self->categories.high + sb_conflation_heads (self, NULL);
    sb_change_t *changes = sb_core_take (self, most * sizeof *changes);
    *count = 0;
    changes[*count].name = sb_text ("sequence");
    changes[*count].value.kind = SB_VALUE_INTEGER;
    changes[(*count)++].value.integer = (int64_t)self->sequence;
    for (uint32_t slot = 1; slot <= self->categories.high; slot++) {
        const sb_category_t *category = sb_category_at (self, slot);
        changes[*count].name = sb_core_format (self, "head.%.*s", category->name_size, category->name);
        changes[*count].value.kind = SB_VALUE_INTEGER;
        changes[(*count)++].value.integer = (int64_t)category->head.category_sequence;
    }
    *count += sb_conflation_heads (self, &changes[*count]);
    return changes;
}

void sb_join_subscribed (sb_core_t *self, sb_text_t prefix)
{
    if (self->is_shutting_down)
        return;
    if (!s_is_join (prefix)) {
        sb_core_counter_add (self, SB_COUNTER_joins_ignored, 1);
        return;
    }
    uint32_t count;
    const sb_change_t *heads = sb_join_heads (self, &count);
    sb_change_t *changes = sb_core_take (self, (count + SB_INTERVALS_MAX) * sizeof *changes);
    memcpy (changes, heads, count * sizeof *changes);
    count += sb_conflation_intervals (self, changes + count);
    sb_core_counter_add (self, SB_COUNTER_joins, 1);
    sb_publish_level (self, sb_core_copy (self, prefix), sb_text ("_broker"), changes, count);
}

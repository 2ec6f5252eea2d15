/* SPDX-License-Identifier: MPL-2.0
 *
 * See walk.h.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

/* ---- scopes */

bool sb_scope_init (sb_scope_t *self, sb_memory_t *memory, const sb_text_t *interests, uint32_t count)
{
    *self = (sb_scope_t){.bytes = count * (sizeof *self->prefixes + SB_TOPIC_MAX + 2)};
    if (count == 0)
        return true;
    self->prefixes = sb_memory_take (memory, self->bytes);
    if (!self->prefixes)
        return false;
    char *octets = (char *)(self->prefixes + count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = sb_interest_prefix (interests[i], octets);
        if (size == 0) {
            self->is_all = true;
            continue;
        }
        self->prefixes[self->prefix_count++] = (sb_text_t){octets, size};
        octets += size;
    }
    return true;
}

void sb_scope_fini (sb_scope_t *self, sb_memory_t *memory)
{
    if (self->prefixes)
        sb_memory_give (memory, self->prefixes, self->bytes);
    *self = (sb_scope_t){0};
}

bool sb_scope_matches (const sb_scope_t *self, sb_text_t topic)
{
    if (self->is_all && topic.size && topic.data[0] != '_')
        return true;
    uint32_t low = 0, high = self->prefix_count; /* the prefixes below `low` do not come after the topic */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sb_text_compare (self->prefixes[middle], topic) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && sb_prefix_matches (self->prefixes[low - 1], topic);
}

/* ---- places */

uint32_t sb_walk_topic (const sb_core_t *core, const sb_scope_t *scope, sb_walk_place_t *place, uint32_t *budget,
                        bool *is_entered)
{
    *is_entered = false;
    if (place->is_inside && place->field)
        return place->topic;
    place->is_inside = false;
    while (*budget > 0 && place->topic < core->topics.high) {
        const sb_topic_t *topic = sb_topic_at (core, ++place->topic);
        (*budget)--;
        if (!topic->text_size || !topic->topic_sequence || !sb_scope_matches (scope, sb_topic_text (topic)))
            continue;
        *place = (sb_walk_place_t){place->topic, topic->first_field, topic->last_field, true};
        *is_entered = true;
        return place->topic;
    }
    return 0;
}

void sb_walk_past_field (const sb_core_t *core, sb_walk_place_t *place)
{
    assert (place->is_inside && place->field);
    place->field = place->field == place->last ? 0 : sb_field_at (core, place->field)->next;
}

void sb_walk_leave (sb_walk_place_t *place)
{
    *place = (sb_walk_place_t){.topic = place->topic - 1};
}

void sb_walk_rest (const sb_core_t *core, const sb_walk_place_t *place)
{
    if (!place->is_inside || !place->field)
        return;
    sb_field_at (core, place->field)->is_walked = true;
    sb_field_at (core, place->last)->is_walked = true;
}

bool sb_walk_is_over (const sb_core_t *core, const sb_walk_place_t *place)
{
    return place->topic >= core->topics.high && !(place->is_inside && place->field);
}

void sb_walk_field_removed (const sb_core_t *core, sb_walk_place_t *place, uint32_t field)
{
    if (!place->is_inside || (place->field != field && place->last != field) || !place->field)
        return;
    if (place->field == field) {
        sb_walk_past_field (core, place);
    } else {
        place->last = sb_field_at (core, field)->previous;
    }
    sb_walk_rest (core, place);
}

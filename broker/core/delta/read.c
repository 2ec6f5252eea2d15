/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading the state: pages of fields, the hash.
 *
 * A page walks the slots of fields from a cursor: what is written meanwhile may or may not be in it, but nothing that
 * stands all the while is left out or seen twice. The work of a page is bounded, so a page may be short.
 */
#include "state.h"

#include "sb_state_hash.h"

/* A filter with its names looked up. */
typedef struct {
    uint32_t category; /* slot; 0: any */
    uint32_t agent;    /* slot; 0: any */
    bool has_subject;
    sb_text_t subject;
} s_wanted_t;

/* False when nothing can match. */
static bool s_look_up (const sb_core_t *self, const sb_topic_filter_t *filter, s_wanted_t *wanted)
{
    *wanted = (s_wanted_t){.has_subject = filter->is_subject_set || filter->subject.size, .subject = filter->subject};
    if (filter->category.size && !(wanted->category = sb_find_category (self, filter->category)))
        return false;
    return filter->agent.size == 0 || (wanted->agent = sb_find_agent (self, filter->agent));
}

static bool s_matches (const s_wanted_t *wanted, const sb_topic_t *topic)
{
    return (!wanted->category || wanted->category == topic->category) &&
           (!wanted->agent || wanted->agent == topic->agent) &&
           (!wanted->has_subject || sb_text_equal (wanted->subject, sb_topic_subject (topic)));
}

static sb_state_field_t s_state_field (sb_core_t *self, const sb_field_t *field, const sb_topic_t *topic)
{
    sb_state_field_t item = {.topic = sb_core_copy (self, sb_topic_text (topic)),
                             .name = sb_core_copy (self, sb_field_text (field)),
                             .value = sb_core_value (&field->value),
                             .sequence = field->sequence,
                             .changed_unix_ns = field->changed_unix_ns,
                             .quality = (sb_quality_t)topic->quality};
    if (item.value.kind == SB_VALUE_TEXT || item.value.kind == SB_VALUE_BYTES)
        item.value.text = sb_core_copy (self, item.value.text);
    return item;
}

uint32_t sb_core_read_fields (sb_core_t *self, const sb_topic_filter_t *filter, uint64_t *cursor, uint32_t limit,
                              const sb_state_field_t **fields)
{
    s_wanted_t wanted;
    sb_state_field_t *found = sb_core_take (self, limit * sizeof *found);
    *fields = found;
    uint64_t slot = *cursor ? *cursor : 1;
    *cursor = 0;
    if (!s_look_up (self, filter, &wanted))
        return 0;
    uint32_t count = 0;
    size_t bytes = 0;
    for (uint32_t looked = 0; slot <= self->fields.high; slot++, looked++) {
        if (looked == SB_SCAN_MAX || count == limit) {
            *cursor = slot;
            break;
        }
        const sb_field_t *field = sb_field_at (self, (uint32_t)slot);
        if (!field->topic || !s_matches (&wanted, sb_topic_at (self, field->topic)))
            continue;
        bytes += sizeof *found + SB_TOPIC_MAX + field->name_size + field->value.size;
        if (count > 0 && bytes > SB_PAGE_BYTES) {
            *cursor = slot;
            break;
        }
        found[count++] = s_state_field (self, field, sb_topic_at (self, field->topic));
    }
    return count;
}

/* ---- hash */

uint64_t sb_core_state_hash (const sb_core_t *self)
{
    uint64_t sum = 0;
    for (uint32_t slot = 1; slot <= self->fields.high; slot++) {
        const sb_field_t *field = sb_field_at (self, slot);
        if (!field->topic)
            continue;
        const sb_topic_t *topic = sb_topic_at (self, field->topic);
        sb_value_t value = sb_core_value (&field->value);
        sum += sb_state_hash_field (sb_topic_text (topic), sb_field_text (field), &value, (sb_quality_t)topic->quality,
                                    field->sequence);
    }
    return sum;
}

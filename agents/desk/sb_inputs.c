/* SPDX-License-Identifier: MPL-2.0
 *
 * A flag for each category. Counting gaps instead was rejected: a category may be lost from more than once before one
 * recovery makes all of it good.
 */
#include "sb_inputs.h"

#include <assert.h>
#include <string.h>

/* The part before the first dot. */
static uint32_t s_category_size (const char *data, uint32_t size)
{
    const char *dot = size ? memchr (data, '.', size) : NULL;
    return dot ? (uint32_t)(dot - data) : size;
}

/* The flag of the category that `topic` begins with. */
static bool *s_flag (sb_inputs_t *self, sb_text_t topic)
{
    uint32_t size = s_category_size (topic.data, topic.size);
    for (uint32_t i = 0; i < self->count; i++) {
        const char *name = self->categories[i];
        if (s_category_size (name, (uint32_t)strlen (name)) == size && memcmp (name, topic.data, size) == 0)
            return &self->is_stale[i];
    }
    return &self->is_other_stale;
}

void sb_inputs_add (sb_inputs_t *self, const char *interest)
{
    assert (self->count < SB_INPUTS_MAX);
    self->categories[self->count++] = interest;
}

bool sb_inputs_gap (sb_inputs_t *self, sb_text_t topic)
{
    bool *flag = s_flag (self, topic);
    bool was_stale = *flag;
    *flag = true;
    return !was_stale;
}

bool sb_inputs_recovered (sb_inputs_t *self, sb_text_t category)
{
    bool was_current = sb_inputs_is_current (self);
    if (category.size) {
        bool *flag = s_flag (self, category);
        bool was_stale = *flag;
        *flag = false;
        return was_stale;
    }
    memset (self->is_stale, 0, sizeof self->is_stale);
    self->is_other_stale = false;
    return !was_current;
}

bool sb_inputs_is_current (const sb_inputs_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->is_stale[i])
            return false;
    return !self->is_other_stale;
}

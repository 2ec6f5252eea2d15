/* SPDX-License-Identifier: MPL-2.0
 *
 * The publication that updates are being added to: for publish.c, which opens and emits it, and for apply.c, which
 * fills in its updates where they stay (a copy of each is saved, about 30 instructions a delta).
 */
#ifndef SB_PUBLICATION_H
#define SB_PUBLICATION_H

#include <assert.h>

#include "state.h"

/* An update of the open publication; a list, as their number is not known yet. */
typedef struct sb_open_update {
    struct sb_open_update *next;
    sb_update_t update;
} sb_open_update_t;

struct sb_publication_builder {
    uint32_t slot; /* of the topic */
    sb_topic_t *topic;
    sb_category_t *category;
    uint32_t update_count;
    uint32_t change_count;  /* of all updates */
    size_t octets;          /* of all changes, by sb_change_octets */
    sb_open_update_t first; /* while update_count is 0, not yet */
    sb_open_update_t *last;
    sb_publication_t publication; /* without updates and quality */
};

/* sb_publish_update in two steps: the update to fill in; then its changes, whose names, texts and bytes have `octets`.
 */
static inline sb_update_t *sb_publish_add (sb_core_t *self)
{
    struct sb_publication_builder *open = self->open;
    assert (open);
    sb_open_update_t *item = &open->first;
    if (open->update_count++) {
        item = sb_scratch_take (&self->scratch, sizeof *item);
        open->last->next = item;
    }
    item->next = NULL;
    open->last = item;
    return &item->update;
}
static inline void sb_publish_count (sb_core_t *self, uint32_t change_count, size_t octets)
{
    self->open->change_count += change_count;
    self->open->octets += octets;
}

#endif

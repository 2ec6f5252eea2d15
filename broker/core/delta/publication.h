/* SPDX-License-Identifier: MPL-2.0
 *
 * The publication that updates are being added to: for publish.c, which opens and emits it, and for apply.c, which
 * fills in its updates where they stay (a copy of each is saved, about 30 instructions a delta).
 */
#ifndef SB_PUBLICATION_H
#define SB_PUBLICATION_H

#include <assert.h>

#include "state.h"

struct sb_publication_builder {
    uint32_t slot; /* of the topic */
    sb_topic_t *topic;
    sb_category_t *category;
    uint32_t change_count;        /* of all updates */
    size_t octets;                /* of all changes, by sb_change_octets */
    sb_publication_t publication; /* without quality; its updates are the last that were taken of core->next_update */
};

/* Makes room in scratch memory for `count` updates side by side: of a publication, or of one after the other. */
static inline void sb_publish_make_room (sb_core_t *self, uint32_t count)
{
    assert (!self->open);
    self->next_update = sb_scratch_take (&self->scratch, count * sizeof *self->next_update);
    self->updates_left = count;
}

/* Makes room for more updates of the open publication; those it has move there. */
void sb_publish_grow (sb_core_t *self);

/* Octets of scratch memory that the next update may take beside its own, for room that the open publication grows to.
 */
static inline size_t sb_publish_scratch (const sb_core_t *self)
{
    return self->open ? (size_t)2 * self->open->publication.update_count * sizeof (sb_update_t) : 0;
}

/* sb_publish_sequence for a delta's changes: a call only where a publication must be opened. */
static inline uint64_t sb_publish_delta_sequence (sb_core_t *self, uint32_t topic)
{
    const struct sb_publication_builder *open = self->open;
    if (open && open->slot == topic && open->publication.cause == SB_CAUSE_NONE)
        return open->publication.sequence;
    return sb_publish_sequence (self, topic, SB_CAUSE_NONE);
}

/* sb_publish_update in two steps: the update, to be filled in, with so many changes; their names, texts and bytes have
 * `octets`. */
static inline sb_update_t *sb_publish_add (sb_core_t *self, uint32_t change_count, size_t octets)
{
    assert (self->open);
    if (self->updates_left == 0)
        sb_publish_grow (self);
    struct sb_publication_builder *open = self->open;
    open->publication.update_count++;
    open->change_count += change_count;
    open->octets += octets;
    self->updates_left--;
    return self->next_update++;
}

#endif

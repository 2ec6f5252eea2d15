/* SPDX-License-Identifier: MPL-2.0
 *
 * See conflation.h.
 */
#include "state.h"

void sb_conflation_subscription (sb_core_t *self, sb_text_t prefix, bool is_subscribed)
{
    (void)self, (void)prefix, (void)is_subscribed;
}

void sb_conflation_note (sb_core_t *self, uint32_t topic, const sb_publication_t *publication)
{
    (void)self, (void)topic, (void)publication;
}

void sb_conflation_topic_removed (sb_core_t *self, uint32_t topic)
{
    (void)self, (void)topic;
}

uint64_t sb_conflation_deadline (const sb_core_t *self)
{
    (void)self;
    return SB_NEVER;
}

void sb_conflation_tick (sb_core_t *self)
{
    (void)self;
}

void sb_conflation_fini (sb_core_t *self)
{
    (void)self;
}

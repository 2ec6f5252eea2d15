/* SPDX-License-Identifier: MPL-2.0
 *
 * See snapshot.h.
 */
#include "state.h"

void sb_join_subscribed (sb_core_t *self, sb_text_t prefix)
{
    (void)self, (void)prefix;
}

void sb_snapshot_request (sb_core_t *self, sb_agent_record_t *agent, const sb_snapshot_request_t *request)
{
    (void)self, (void)agent, (void)request;
}

void sb_snapshot_credit (sb_core_t *self, sb_agent_record_t *agent, const sb_snapshot_credit_t *credit)
{
    (void)self, (void)agent, (void)credit;
}

void sb_snapshot_chunk_refused (sb_core_t *self, uint64_t peer)
{
    (void)self, (void)peer;
}

void sb_snapshot_drop (sb_core_t *self, sb_agent_record_t *agent)
{
    (void)self, (void)agent;
}

void sb_snapshot_field_removed (sb_core_t *self, uint32_t field)
{
    (void)self, (void)field;
}

bool sb_snapshot_has_work (const sb_core_t *self)
{
    return self->snapshots.ready_count > 0;
}

void sb_snapshot_tick (sb_core_t *self)
{
    (void)self;
}

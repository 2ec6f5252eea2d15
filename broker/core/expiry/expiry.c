/* SPDX-License-Identifier: MPL-2.0
 *
 * See expiry.h.
 */
#include "state.h"

bool sb_expiry_written (sb_core_t *self, uint32_t field, uint32_t time_to_live_ms)
{
    (void)self, (void)field, (void)time_to_live_ms;
    return true;
}

void sb_expiry_forget (sb_core_t *self, uint32_t field)
{
    (void)self, (void)field;
}

uint64_t sb_expiry_deadline (const sb_core_t *self)
{
    (void)self;
    return SB_NEVER;
}

void sb_expiry_tick (sb_core_t *self)
{
    (void)self;
}

int64_t sb_expiry_unix_ns (const sb_core_t *self, uint32_t field)
{
    (void)self, (void)field;
    return 0;
}

void sb_expiry_fini (sb_core_t *self)
{
    (void)self;
}

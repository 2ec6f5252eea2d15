/* SPDX-License-Identifier: MPL-2.0
 *
 * The emergency stop's flag and epoch. See latch.h.
 */
#include "latch.h"

#include <string.h>

#include "sb_names.h"

void sb_latch_init (sb_stop_latch_t *self)
{
    memset (self, 0, sizeof *self);
}

bool sb_latch_stop (sb_stop_latch_t *self, sb_text_t issuer, sb_text_t reason, int64_t unix_ns)
{
    if (self->stopped)
        return false;
    self->stopped = true;
    self->epoch++;
    sb_authorship_set (&self->author, issuer, reason, false, unix_ns);
    return true;
}

sb_reason_t sb_latch_clear (sb_stop_latch_t *self, uint64_t epoch, sb_text_t issuer, sb_text_t reason, int64_t unix_ns)
{
    if (!self->stopped || epoch != self->epoch)
        return SB_REASON_WRONG_EPOCH;
    self->stopped = false;
    self->epoch++;
    sb_authorship_set (&self->author, issuer, reason, false, unix_ns);
    return SB_REASON_NONE;
}

void sb_latch_restore (sb_stop_latch_t *self, bool stopped, uint64_t epoch, sb_text_t issuer, sb_text_t reason,
                       int64_t unix_ns)
{
    self->stopped = stopped;
    self->epoch = epoch;
    sb_authorship_set (&self->author, issuer, reason, false, unix_ns);
}

bool sb_latch_refuses (const sb_stop_latch_t *self, const sb_text_t *admitted, uint32_t count, sb_text_t category)
{
    if (!self->stopped)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (sb_text_equal (admitted[i], category))
            return false;
    return true;
}

void sb_latch_status (const sb_stop_latch_t *self, const sb_text_t *admitted, uint32_t count, sb_latch_t *status)
{
    *status = (sb_latch_t){
        .stopped = self->stopped,
        .latch_epoch = self->epoch,
        .issuer = sb_authorship_issuer (&self->author),
        .reason = sb_authorship_reason (&self->author),
        .since_unix_ns = self->author.since_unix_ns,
        .admitted_categories = admitted,
        .admitted_count = count,
    };
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The operator state's table, one function per event, and receipts. See operator.h.
 */
#include "operator.h"

#include <string.h>

/* Copies at most `limit` octets, never half of a character. */
static uint16_t s_copy (char *target, sb_text_t text, uint32_t limit)
{
    uint32_t size = text.size < limit ? text.size : limit;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xC0) == 0x80)
        size--;
    if (size > 0)
        memcpy (target, text.data, size);
    return (uint16_t)size;
}

void sb_authorship_set (sb_authorship_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns)
{
    memset (self, 0, sizeof *self);
    self->by_agent = by_agent;
    self->since_unix_ns = unix_ns;
    self->issuer_size = s_copy (self->issuer, issuer, SB_ISSUER_MAX);
    self->reason_size = s_copy (self->reason, reason, SB_COMMAND_REASON_MAX);
}

sb_text_t sb_authorship_issuer (const sb_authorship_t *self)
{
    return (sb_text_t){self->issuer, self->issuer_size};
}

sb_text_t sb_authorship_reason (const sb_authorship_t *self)
{
    return (sb_text_t){self->reason, self->reason_size};
}

void sb_operator_init (sb_operator_t *self)
{
    memset (self, 0, sizeof *self);
    self->confirmed = true;
}

static bool s_change (sb_operator_t *self, bool paused, sb_text_t issuer, sb_text_t reason, bool by_agent,
                      int64_t unix_ns)
{
    if (self->paused == paused)
        return false;
    self->paused = paused;
    self->confirmed = false;
    self->revision++;
    sb_authorship_set (&self->pause, issuer, reason, by_agent, unix_ns);
    return true;
}

bool sb_operator_pause (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns)
{
    return s_change (self, true, issuer, reason, by_agent, unix_ns);
}

bool sb_operator_resume (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns)
{
    return s_change (self, false, issuer, reason, by_agent, unix_ns);
}

bool sb_operator_take_over (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, int64_t unix_ns)
{
    if (!self->paused || !self->pause.by_agent)
        return false;
    sb_authorship_set (&self->pause, issuer, reason, false, unix_ns);
    return true;
}

bool sb_operator_confirm (sb_operator_t *self, uint64_t revision, bool paused)
{
    if (self->confirmed || revision != self->revision || paused != self->paused)
        return false;
    self->confirmed = true;
    sb_receipt_answer (&self->receipt, true);
    return true;
}

void sb_operator_restore (sb_operator_t *self, bool paused, uint64_t revision, sb_text_t issuer, sb_text_t reason,
                          bool by_agent, int64_t unix_ns)
{
    self->paused = paused;
    self->confirmed = false;
    self->revision = revision;
    sb_authorship_set (&self->pause, issuer, reason, by_agent, unix_ns);
    sb_receipt_open (&self->receipt, false, 0);
}

void sb_operator_unconfirm (sb_operator_t *self)
{
    if (self->revision == 0)
        return;
    self->confirmed = false;
    sb_receipt_open (&self->receipt, false, 0);
}

static void s_delay (sb_receipt_t *receipt, uint64_t lateness_ns)
{
    if (receipt->state == SB_RECEIPT_DELIVERED)
        receipt->until_ns += lateness_ns;
}

void sb_operator_delay (sb_operator_t *self, uint64_t lateness_ns)
{
    s_delay (&self->receipt, lateness_ns);
    s_delay (&self->latch_receipt, lateness_ns);
}

bool sb_operator_is_kept (const sb_operator_t *self)
{
    return self->paused || self->revision != 0;
}

void sb_operator_status (const sb_operator_t *self, sb_operator_state_t *status)
{
    *status = (sb_operator_state_t){
        .paused = self->paused,
        .confirmed = self->confirmed,
        .revision = self->revision,
        .issuer = sb_authorship_issuer (&self->pause),
        .reason = sb_authorship_reason (&self->pause),
        .since_unix_ns = self->pause.since_unix_ns,
    };
}

void sb_receipt_open (sb_receipt_t *self, bool is_sent, uint64_t until_ns)
{
    self->state = is_sent ? SB_RECEIPT_DELIVERED : SB_RECEIPT_ACCEPTED;
    self->until_ns = is_sent ? until_ns : 0;
}

bool sb_receipt_answer (sb_receipt_t *self, bool is_applied)
{
    sb_receipt_state_t state = is_applied ? SB_RECEIPT_APPLIED : SB_RECEIPT_REFUSED;
    if (self->state == SB_RECEIPT_NONE || self->state == state)
        return false;
    self->state = state;
    self->until_ns = 0;
    return true;
}

void sb_receipt_lost (sb_receipt_t *self)
{
    if (self->state == SB_RECEIPT_DELIVERED || self->state == SB_RECEIPT_TIMED_OUT) {
        self->state = SB_RECEIPT_ACCEPTED;
        self->until_ns = 0;
    }
}

bool sb_receipt_expire (sb_receipt_t *self, uint64_t now_ns)
{
    if (self->state != SB_RECEIPT_DELIVERED || now_ns < self->until_ns)
        return false;
    self->state = SB_RECEIPT_TIMED_OUT;
    self->until_ns = 0;
    return true;
}

const char *sb_receipt_name (sb_receipt_state_t state)
{
    switch (state) {
    case SB_RECEIPT_NONE:
        return "NONE";
    case SB_RECEIPT_ACCEPTED:
        return "ACCEPTED";
    case SB_RECEIPT_DELIVERED:
        return "DELIVERED";
    case SB_RECEIPT_APPLIED:
        return "APPLIED";
    case SB_RECEIPT_TIMED_OUT:
        return "TIMED_OUT";
    case SB_RECEIPT_REFUSED:
        return "REFUSED";
    }
    return "?";
}

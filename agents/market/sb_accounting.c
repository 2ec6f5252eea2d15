/* SPDX-License-Identifier: MPL-2.0
 *
 * The books of a feed. Sums are made when asked for: a row costs one increment.
 */
#include "sb_accounting.h"

uint64_t sb_accounting_rejected (const sb_accounting_t *self)
{
    uint64_t sum = 0;
    for (int i = 0; i < SB_REJECTION_LIMIT; i++)
        sum += self->rejected[i];
    return sum;
}

uint64_t sb_accounting_refused (const sb_accounting_t *self)
{
    uint64_t sum = 0;
    for (int i = 0; i < SB_REASON_LIMIT; i++)
        sum += self->refused[i];
    return sum;
}

bool sb_accounting_balances (const sb_accounting_t *self)
{
    return self->read == self->published + sb_accounting_rejected (self) + self->unchanged +
                             sb_accounting_refused (self) + self->pending;
}

const char *sb_rejection_name (sb_rejection_t rejection)
{
    switch (rejection) {
#define SB_REJECTION_CASE(name, counter, text)                                                                         \
    case SB_REJECTION_##name:                                                                                          \
        return counter;
        SB_REJECTION_TABLE (SB_REJECTION_CASE)
#undef SB_REJECTION_CASE
    default:
        return "none";
    }
}

const char *sb_rejection_text (sb_rejection_t rejection)
{
    switch (rejection) {
#define SB_REJECTION_CASE(name, counter, text)                                                                         \
    case SB_REJECTION_##name:                                                                                          \
        return text;
        SB_REJECTION_TABLE (SB_REJECTION_CASE)
#undef SB_REJECTION_CASE
    default:
        return "";
    }
}

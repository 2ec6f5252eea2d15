/* SPDX-License-Identifier: MPL-2.0
 *
 * Three numbers. News may carry any of them: the bus sends only what changed.
 */
#include "sb_quote.h"

#include <math.h>

/* 1 when `now` is news and no price. */
static uint32_t s_take (double *known, double now)
{
    if (isnan (now))
        return 0;
    if (!(now > 0) || isinf (now))
        return 1;
    *known = now;
    return 0;
}

uint32_t sb_quote_take (sb_quote_t *self, const sb_quote_t *news)
{
    return s_take (&self->last, news->last) + s_take (&self->bid, news->bid) + s_take (&self->ask, news->ask);
}

double sb_quote_mark (const sb_quote_t *self)
{
    if (self->last > 0)
        return self->last;
    return self->bid > 0 && self->ask > 0 ? (self->bid + self->ask) / 2 : 0;
}

bool sb_quote_is_two_sided (const sb_quote_t *self)
{
    return self->bid > 0 && self->ask >= self->bid;
}

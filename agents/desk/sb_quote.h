/* SPDX-License-Identifier: MPL-2.0
 *
 * What is known of an instrument's price: last trade, bid, ask; and the one mark that scanner, trader and risk
 * all take from it, so that their figures agree.
 */
#ifndef SB_QUOTE_H
#define SB_QUOTE_H

#include <stdbool.h>
#include <stdint.h>

/* Prices. As knowledge: 0 where nothing is known. As news: NaN where nothing changed. */
typedef struct {
    double last; /* of the last trade */
    double bid;
    double ask;
} sb_quote_t;

/* Takes news in. Prices that are not above 0 and finite are left out; returns how many. */
uint32_t sb_quote_take (sb_quote_t *self, const sb_quote_t *news);

/* The last price, else the middle of bid and ask, else 0. */
double sb_quote_mark (const sb_quote_t *self);

/* True when there are bid and ask, not crossed. */
bool sb_quote_is_two_sided (const sb_quote_t *self);

#endif

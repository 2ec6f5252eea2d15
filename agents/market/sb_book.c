/* SPDX-License-Identifier: MPL-2.0
 *
 * The best bid and offer over a table of venues.
 */
#include "sb_book.h"

#include <string.h>

static sb_best_t *s_venue (sb_book_t *self, uint64_t venue)
{
    for (uint32_t i = 0; i < self->venue_count; i++)
        if (self->venues[i] == venue)
            return &self->quotes[i];
    if (self->venue_count == SB_VENUES_MAX)
        return NULL;
    self->venues[self->venue_count] = venue;
    sb_best_t *quote = &self->quotes[self->venue_count++];
    memset (quote, 0, sizeof *quote);
    return quote;
}

bool sb_book_set_bid (sb_book_t *self, uint64_t venue, double price, double size)
{
    sb_best_t *quote = s_venue (self, venue);
    if (!quote)
        return false;
    quote->bid = size > 0 ? price : 0;
    quote->bid_size = size;
    return true;
}

bool sb_book_set_ask (sb_book_t *self, uint64_t venue, double price, double size)
{
    sb_best_t *quote = s_venue (self, venue);
    if (!quote)
        return false;
    quote->ask = size > 0 ? price : 0;
    quote->ask_size = size;
    return true;
}

sb_best_t sb_book_best (const sb_book_t *self)
{
    sb_best_t best = {0};
    for (uint32_t i = 0; i < self->venue_count; i++) {
        const sb_best_t *quote = &self->quotes[i];
        if (quote->bid_size > 0 && (best.bid_size == 0 || quote->bid > best.bid)) {
            best.bid = quote->bid;
            best.bid_size = quote->bid_size;
        } else if (quote->bid_size > 0 && quote->bid == best.bid) {
            best.bid_size += quote->bid_size;
        }
        if (quote->ask_size > 0 && (best.ask_size == 0 || quote->ask < best.ask)) {
            best.ask = quote->ask;
            best.ask_size = quote->ask_size;
        } else if (quote->ask_size > 0 && quote->ask == best.ask) {
            best.ask_size += quote->ask_size;
        }
    }
    return best;
}

bool sb_best_equal (const sb_best_t *left, const sb_best_t *right)
{
    return left->bid == right->bid && left->bid_size == right->bid_size && left->ask == right->ask &&
           left->ask_size == right->ask_size;
}

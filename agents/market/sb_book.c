/* SPDX-License-Identifier: MPL-2.0
 *
 * The best bid and offer over a table of venues.
 */
#include "sb_book.h"

#include <string.h>

/* Place of a venue, -1: no room. */
static int s_venue (sb_book_t *self, uint64_t venue)
{
    for (uint32_t i = 0; i < self->venue_count; i++)
        if (self->venues[i] == venue)
            return (int)i;
    if (self->venue_count == SB_VENUES_MAX)
        return -1;
    self->venues[self->venue_count] = venue;
    memset (&self->quotes[self->venue_count], 0, sizeof self->quotes[0]);
    return (int)self->venue_count++;
}

bool sb_book_set_bid (sb_book_t *self, uint64_t venue, double price, double size, int64_t time_ns, int64_t stale_ns)
{
    int place = s_venue (self, venue);
    if (place < 0)
        return false;
    self->quotes[place].bid = price;
    self->quotes[place].bid_size = size;
    self->bid_times_ns[place] = time_ns;
    for (uint32_t i = 0; i < self->venue_count && size > 0; i++)
        if (self->quotes[i].ask <= price && time_ns - self->ask_times_ns[i] >= stale_ns)
            self->quotes[i].ask_size = 0;
    return true;
}

bool sb_book_set_ask (sb_book_t *self, uint64_t venue, double price, double size, int64_t time_ns, int64_t stale_ns)
{
    int place = s_venue (self, venue);
    if (place < 0)
        return false;
    self->quotes[place].ask = price;
    self->quotes[place].ask_size = size;
    self->ask_times_ns[place] = time_ns;
    for (uint32_t i = 0; i < self->venue_count && size > 0; i++)
        if (self->quotes[i].bid >= price && time_ns - self->bid_times_ns[i] >= stale_ns)
            self->quotes[i].bid_size = 0;
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

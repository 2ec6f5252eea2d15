/* SPDX-License-Identifier: MPL-2.0
 *
 * The best bid and offer of one subject, rebuilt from quotes of several venues, one side at a time.
 * A change costs a scan over the venues, of which there are about a dozen. Pure.
 *
 * Feeds of one-sided quotes seldom say that a venue took a quote away: it is left behind, and the market
 * walks through it. So a quote that a newer one of the other side locks or crosses, and that is old
 * enough, is dropped. Without that one venue of fourteen, silent since the morning, crossed the whole day of a stock.
 */
#ifndef SB_BOOK_H
#define SB_BOOK_H

#include "sb_model.h"

enum { SB_VENUES_MAX = 32 };

/* Price 0: no quote on that side. Size: the sum of the venues at that price. */
typedef struct {
    double bid, bid_size;
    double ask, ask_size;
} sb_best_t;

/* All zero is an empty book. */
typedef struct {
    uint64_t venues[SB_VENUES_MAX]; /* hashes of their names */
    sb_best_t quotes[SB_VENUES_MAX];
    int64_t bid_times_ns[SB_VENUES_MAX]; /* when they were set */
    int64_t ask_times_ns[SB_VENUES_MAX];
    uint32_t venue_count;
} sb_book_t;

/* Sets what a venue shows on one side at `time_ns`; size 0 takes its quote away. Quotes of the other side that it locks
 * or crosses and that were set `stale_ns` or more before are dropped. False when there is no room for another venue. */
bool sb_book_set_bid (sb_book_t *self, uint64_t venue, double price, double size, int64_t time_ns, int64_t stale_ns);
bool sb_book_set_ask (sb_book_t *self, uint64_t venue, double price, double size, int64_t time_ns, int64_t stale_ns);

/* The best of all venues. Cannot fail. */
sb_best_t sb_book_best (const sb_book_t *self);

/* True when all four numbers are the same. */
bool sb_best_equal (const sb_best_t *left, const sb_best_t *right);

#endif

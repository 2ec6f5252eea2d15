/* SPDX-License-Identifier: MPL-2.0
 *
 * The best bid and offer of one subject, rebuilt from quotes of several venues, one or both sides at
 * a time. A change costs a scan over the venues, of which there are about a dozen. Pure.
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
    uint32_t venue_count;
} sb_book_t;

/* Sets what a venue shows on one side; size 0 takes its quote away. False when there is no room for another venue. */
bool sb_book_set_bid (sb_book_t *self, uint64_t venue, double price, double size);
bool sb_book_set_ask (sb_book_t *self, uint64_t venue, double price, double size);

/* The best of all venues. Cannot fail. */
sb_best_t sb_book_best (const sb_book_t *self);

/* True when all four numbers are the same. */
bool sb_best_equal (const sb_best_t *left, const sb_best_t *right);

#endif

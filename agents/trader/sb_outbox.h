/* SPDX-License-Identifier: MPL-2.0
 *
 * Orders that were sent and may yet be refused. Trades and executions are events: a refused one is not part of
 * the whole state that the library delivers later, so the trader keeps the last ones, and sends those again that were
 * refused for the moment only (a pause, a stop, an open breaker), in their order. Pure.
 */
#ifndef SB_OUTBOX_H
#define SB_OUTBOX_H

#include "sb_trader.h"

typedef struct sb_outbox sb_outbox_t;

/* The updates that tell of one order. */
enum { SB_OUTBOX_TRADE = 1, SB_OUTBOX_EXECUTION = 2 };

/* An outbox for the last `capacity` orders (1 to 1,000,000). NULL when there is no memory. */
sb_outbox_t *sb_outbox_new (uint32_t capacity);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_outbox_destroy (sb_outbox_t **self_p);

/* Keeps a copy of `order`, whose updates `parts` (trade before execution) were sent under the numbers from
 * first_sequence on; 0: they were not sent, and wait. Beyond the capacity the oldest order goes; when it was
 * waiting that is counted as lost. */
void sb_outbox_add (sb_outbox_t *self, const sb_trader_order_t *order, unsigned parts, uint64_t first_sequence);

/* The update of that number was refused: waits to be sent again when `is_momentary`, else it is counted as lost.
 * False when no update here has that number. */
bool sb_outbox_refused (sb_outbox_t *self, uint64_t sequence, bool is_momentary);

/* Takes out the oldest waiting order; *parts says which of its updates wait. False when none waits. */
bool sb_outbox_take (sb_outbox_t *self, sb_trader_order_t *order, unsigned *parts);

/* How many orders wait, and how many updates were lost for good. */
uint32_t sb_outbox_waiting (const sb_outbox_t *self);
uint64_t sb_outbox_lost (const sb_outbox_t *self);

/* True for reasons that end by themselves or by an operator: the same update may be accepted later. */
bool sb_outbox_is_momentary (sb_reason_t reason);

#endif

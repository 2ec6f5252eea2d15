/* SPDX-License-Identifier: MPL-2.0
 *
 * A simulated exchange: the same seed gives the same lines, on every machine, as all of it is whole
 * numbers. Four symbols walk at random in ticks of a cent, each through calm, trending and wild
 * spells; quotes and trades come in one stream, in sessions of an hour with a break between; about one
 * row in 400 is dirty, so that validation has something to do. Rows are in the layout `simulated`.
 */
#ifndef SB_EXCHANGE_H
#define SB_EXCHANGE_H

#include "sb_context.h"

typedef struct sb_exchange sb_exchange_t;

/* NULL when there is no memory. */
sb_exchange_t *sb_exchange_new (uint64_t seed);
void sb_exchange_destroy (sb_exchange_t **self_p);

/* Writes the next row, without a line end, NUL-terminated, at most 255 octets; returns its size. */
size_t sb_exchange_line (sb_exchange_t *self, char line[256]);

/* Simulated time since the start. */
int64_t sb_exchange_elapsed_ns (const sb_exchange_t *self);

/* The layout of its rows. */
void sb_exchange_layout (sb_layout_t *layout);

/* Adds simulated context series for the first 24 hours: risk, sentiment, macro, on-chain, fundamental. Depends on the
 * seed alone. False when there is no memory. */
bool sb_exchange_add_context (const sb_exchange_t *self, sb_context_t *context);

#endif

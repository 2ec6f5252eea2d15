/* SPDX-License-Identifier: MPL-2.0
 *
 * The trainer's logic: closed trades in, weights of the score's components out. Pure.
 *
 * A trade that closes a position realizes a pnl. Component c, x_c when the position was entered and d its direction,
 * agreed with it by a_c = d * x_c, -1 to 1. The pnl is laid to the components that argued for the position, in
 * proportion to a_c; equally to all when none did. Weights follow by exponentiated gradient, in which those that argued
 * against a gain lose too:
 *   u_c <- u_c * exp (learning_rate * clamp (return / return_scale, -1, 1) * a_c), scaled to a sum of 1
 *   weight_c = min_weight + (1 - n * min_weight) * u_c
 * where return is pnl over the value closed. The weights always sum to 1, none is below min_weight.
 */
#ifndef SB_TRAINER_H
#define SB_TRAINER_H

#include "sb_components.h"
#include "sb_model.h"

typedef struct sb_trainer sb_trainer_t;

/* What may be set. */
typedef struct {
    double min_weight;    /* 0 to 1 / SB_COMPONENT_COUNT */
    double learning_rate; /* above 0 */
    double return_scale;  /* above 0: a return that counts fully, as a fraction */
} sb_trainer_options_t;

/* The defaults. Cannot fail. */
sb_trainer_options_t sb_trainer_options_default (void);

/* A fill, as the trader tells it. */
typedef struct {
    double price;                     /* above 0 */
    double fee;                       /* 0 or above */
    double closed_quantity;           /* 0: it closed nothing */
    int closed_direction;             /* 1, -1; 0 with nothing closed */
    double realized_pnl;              /* before fees */
    double entry[SB_COMPONENT_COUNT]; /* -1 to 1 */
} sb_trainer_trade_t;

/* Where it stands. */
typedef struct {
    double weights[SB_COMPONENT_COUNT];    /* sum 1 */
    double attributed[SB_COMPONENT_COUNT]; /* pnl */
    double min_weight;
    double realized_pnl; /* before fees: the sum of `attributed` */
    double fees;
    double hit_rate;     /* closings with a gain over closings; 0 with none */
    uint64_t trades;     /* taken in */
    uint64_t closings;   /* of them, those that closed something */
    uint64_t hits;       /* of these, with a pnl above 0 */
    uint64_t bad_trades; /* left out: a number out of range */
} sb_trainer_state_t;

/* A trainer with equal weights. NULL when there is no memory. */
sb_trainer_t *sb_trainer_new (const sb_trainer_options_t *options);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_trainer_destroy (sb_trainer_t **self_p);

/* Takes in a trade; one with a number out of range is left out and counted. True when it closed something, so that
 * the weights are new. */
bool sb_trainer_trade (sb_trainer_t *self, const sb_trainer_trade_t *trade);

/* Sets the floor; false, nothing changed, when it is not in 0 … 1 / SB_COMPONENT_COUNT. What was learned stays. */
bool sb_trainer_rebalance (sb_trainer_t *self, double min_weight);

/* Equal weights, all counts and sums 0; the floor stays. */
void sb_trainer_reset (sb_trainer_t *self);

/* Where it stands now. Lives as long as the trainer. */
const sb_trainer_state_t *sb_trainer_state (const sb_trainer_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The score's components as an enum, and the names of the fields that carry them.
 */
#ifndef SB_COMPONENTS_H
#define SB_COMPONENTS_H

typedef enum {
#define SB_COMPONENT(symbol, name, help) SB_COMPONENT_##symbol,
#include "sb_components.def"
#undef SB_COMPONENT
    SB_COMPONENT_COUNT
} sb_component_t;

/* One component's field names. */
typedef struct {
    const char *name;       /* "momentum": the scanner's value of it */
    const char *weight;     /* "weight.momentum": the trainer's weight, 0 to 1 */
    const char *entry;      /* "entry.momentum": its value when the position was entered, in a trade */
    const char *attributed; /* "attributed_pnl.momentum": realized pnl laid to it */
} sb_component_names_t;

static const sb_component_names_t sb_component_names[SB_COMPONENT_COUNT] = {
#define SB_COMPONENT(symbol, name, help) {#name, "weight." #name, "entry." #name, "attributed_pnl." #name},
#include "sb_components.def"
#undef SB_COMPONENT
};

/* What the scanner says of an instrument. */
typedef enum { SB_SIGNAL_HOLD, SB_SIGNAL_BUY, SB_SIGNAL_SELL, SB_SIGNAL_COUNT } sb_signal_t;

static const char *const sb_signal_names[SB_SIGNAL_COUNT] = {"hold", "buy", "sell"};

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The risk watcher's logic: executions and prices in, metrics and decisions (pause, resume a trader) out. Pure: the
 * caller gives the time.
 *
 * For each trader: equity = cash + sum (position * mark), gross = sum (|position| * mark), net = sum (position * mark),
 * drawdown = 1 - equity / peak equity, concentration = largest |position| * mark / gross. A trader beyond a limit is to
 * be paused, once: when it executes again 2 s or more after that, somebody has resumed it, and it is left alone until
 * it has kept all limits again: an operator has the last word. With resume_after_ms a pause of ours ends by itself; the
 * drawdown then counts from the equity of that moment, and its next execution decides whether it is paused again.
 * Cost: a price costs one lookup for each trader; an execution is proportional to that trader's positions.
 */
#ifndef SB_RISK_H
#define SB_RISK_H

#include "sb_model.h"
#include "sb_quote.h"

typedef struct sb_risk sb_risk_t;

typedef enum {
#define SB_RISK_LIMIT(symbol, name, metric, text) SB_RISK_##symbol,
#include "sb_risk_limits.def"
#undef SB_RISK_LIMIT
    SB_RISK_LIMIT_COUNT
} sb_risk_limit_t;

/* What may be set. */
typedef struct {
    double max_gross;         /* quote currency; 0: no limit, as with the next two */
    double max_drawdown;      /* 0 to 1 */
    double max_concentration; /* 0 to 1 */
    uint32_t resume_after_ms; /* a pause of ours ends after this; 0: never by itself */
    double step;              /* 0 to 1: change in exposure or drawdown through prices that is worth publishing */
    uint32_t max_traders;     /* 1 to 10,000 */
    uint32_t max_instruments; /* in all, and for each trader; 1 to 1,000,000 */
} sb_risk_options_t;

/* The defaults. Cannot fail. */
sb_risk_options_t sb_risk_options_default (void);

/* What is known of a trader, or of all together. */
typedef struct {
    double equity;
    double peak_equity;
    double drawdown; /* 0 and up; above 1: more than everything is lost */
    double gross;
    double net;
    double concentration;     /* 0 to 1 */
    double pnl;               /* equity less that at its first execution */
    uint32_t positions;       /* not 0 */
    uint32_t stale_positions; /* of these, with marks that are not to be trusted */
    uint64_t executions;
    uint64_t breaches; /* times a limit was passed */
} sb_risk_metrics_t;

/* A trader's account after an order. */
typedef struct {
    double position; /* units of the instrument */
    double price;    /* above 0: of the order; the mark while no price is known */
    double cash;
} sb_risk_execution_t;

/* Something to do about a trader. */
typedef struct {
    bool is_pause;      /* else resume */
    const char *trader; /* NUL-terminated, lives as long as the sb_risk_t */
    char reason[160];   /* for the audit log, NUL-terminated */
} sb_risk_decision_t;

/* A watcher that knows of nobody. NULL when there is no memory. */
sb_risk_t *sb_risk_new (const sb_risk_options_t *options);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_risk_destroy (sb_risk_t **self_p);

/* Takes in an execution at monotonic_ns. False, and counted, when its numbers are no numbers, its price is not above 0,
 * or there is no room for trader or instrument. */
bool sb_risk_execute (sb_risk_t *self, sb_text_t trader, sb_text_t subject, const sb_risk_execution_t *execution,
                      uint64_t monotonic_ns);

/* Takes in prices (NaN: as before) and marks every position in the instrument; bad ones are left out and counted, those
 * of instruments beyond max_instruments too. */
void sb_risk_price (sb_risk_t *self, sb_text_t subject, const sb_quote_t *price);

/* Prices of the instrument are not to be trusted (is_stale) until they are again, or until the next one. */
void sb_risk_price_stale (sb_risk_t *self, sb_text_t subject, bool is_stale);

/* The next trader whose metrics are to be published: after each execution, and after prices once they moved exposure
 * or drawdown by `step`. False when there is none. *trader is NUL-terminated and lives as long as `self`. */
bool sb_risk_next_report (sb_risk_t *self, const char **trader, sb_risk_metrics_t *metrics);

/* All traders together. Its drawdown and peak are sums of the traders' own. */
void sb_risk_total (const sb_risk_t *self, sb_risk_metrics_t *metrics);

/* The next thing to do at monotonic_ns; false when there is nothing. The caller does it and says so by sb_risk_done. */
bool sb_risk_decide (sb_risk_t *self, uint64_t monotonic_ns, sb_risk_decision_t *decision);

/* The decision was carried out, or could not be: then it is made again a second later. */
void sb_risk_done (sb_risk_t *self, const sb_risk_decision_t *decision, bool was_done, uint64_t monotonic_ns);

/* Drawdowns count from now on. Positions, and pauses in force, stay known. */
void sb_risk_restart (sb_risk_t *self);

/* How many inputs were left out: bad numbers, and for want of room. */
uint64_t sb_risk_bad_values (const sb_risk_t *self);
uint64_t sb_risk_no_room (const sb_risk_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A record for each trader with a map of its positions. Sums are moved along with each price and taken anew from
 * all positions at each execution and report, so that rounding cannot add up over a day of ticks.
 */
#include "sb_risk.h"

#include "sb_records.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define S_OVERRIDE_NS UINT64_C (2000000000) /* executions on their way when the pause took hold come within this */
#define S_RETRY_NS    UINT64_C (1000000000)

typedef struct {
    double units;
    double mark;
    bool is_stale;
} s_position_t;

typedef enum {
    S_RUNNING,
    S_PAUSED,    /* by us */
    S_RESUMED,   /* by us, after the cool-down: not judged before it executes again */
    S_OVERRIDDEN /* paused by us, and resumed by somebody else: left alone until within limits */
} s_standing_t;

typedef struct {
    bool is_set;
    sb_records_t *positions; /* s_position_t */
    double cash;
    double first_equity;
    sb_risk_metrics_t now;
    sb_risk_metrics_t reported;
    bool is_due; /* to be reported */
    s_standing_t standing;
    bool in_breach;
    sb_risk_limit_t limit; /* the first one passed, while in breach */
    uint64_t paused_ns;    /* when our pause took hold */
    uint64_t retry_ns;     /* no decision before this */
} s_trader_t;

struct sb_risk {
    sb_risk_options_t options;
    sb_records_t *traders;
    sb_records_t *quotes; /* sb_quote_t of each instrument seen */
    uint64_t bad_values;
    uint64_t no_room;
};

/* A row of sb_risk_limits.def. */
typedef struct {
    const char *text;
    size_t limit;  /* offset in sb_risk_options_t */
    size_t metric; /* offset in sb_risk_metrics_t */
} s_limit_t;

static const s_limit_t s_limits[SB_RISK_LIMIT_COUNT] = {
#define SB_RISK_LIMIT(symbol, name, metric, text)                                                                      \
    {text, offsetof (sb_risk_options_t, name), offsetof (sb_risk_metrics_t, metric)},
#include "sb_risk_limits.def"
#undef SB_RISK_LIMIT
};

sb_risk_options_t sb_risk_options_default (void)
{
    return (sb_risk_options_t){
        .max_gross = 750000,
        .max_drawdown = 0.2,
        .step = 0.01,
        .max_traders = 64,
        .max_instruments = 4096,
    };
}

sb_risk_t *sb_risk_new (const sb_risk_options_t *options)
{
    sb_risk_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->traders = sb_records_new (sizeof (s_trader_t), options->max_traders);
    self->quotes = sb_records_new (sizeof (sb_quote_t), options->max_instruments);
    if (!self->traders || !self->quotes)
        sb_risk_destroy (&self);
    return self;
}

void sb_risk_destroy (sb_risk_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_risk_t *self = *self_p;
    for (uint32_t i = 0; self->traders && i < sb_records_count (self->traders); i++) {
        s_trader_t *trader = sb_records_at (self->traders, i, NULL);
        sb_records_destroy (&trader->positions);
    }
    sb_records_destroy (&self->traders);
    sb_records_destroy (&self->quotes);
    free (self);
    *self_p = NULL;
}

static double s_limit (const sb_risk_t *self, int limit)
{
    return *(const double *)((const char *)&self->options + s_limits[limit].limit);
}

static double s_metric (const sb_risk_metrics_t *metrics, int limit)
{
    return *(const double *)((const char *)metrics + s_limits[limit].metric);
}

/* Equity, peak and drawdown from cash and net; then which limit is passed. */
static void s_judge (const sb_risk_t *self, s_trader_t *trader)
{
    sb_risk_metrics_t *now = &trader->now;
    now->equity = trader->cash + now->net;
    now->peak_equity = fmax (now->peak_equity, now->equity);
    now->drawdown = now->peak_equity > 0 ? 1 - now->equity / now->peak_equity : 0;
    now->pnl = now->equity - trader->first_equity;
    bool was_in_breach = trader->in_breach;
    trader->in_breach = false;
    for (int i = SB_RISK_LIMIT_COUNT - 1; i >= 0; i--)
        if (s_limit (self, i) > 0 && s_metric (now, i) > s_limit (self, i)) {
            trader->in_breach = true;
            trader->limit = (sb_risk_limit_t)i;
        }
    now->breaches += trader->in_breach && !was_in_breach;
    if ((trader->standing == S_OVERRIDDEN || trader->standing == S_RESUMED) && !trader->in_breach)
        trader->standing = S_RUNNING;
}

/* Takes all sums anew. */
static void s_sum (s_trader_t *trader)
{
    sb_risk_metrics_t *now = &trader->now;
    double largest = 0;
    now->gross = now->net = 0;
    now->positions = now->stale_positions = 0;
    for (uint32_t i = 0; i < sb_records_count (trader->positions); i++) {
        const s_position_t *position = sb_records_at (trader->positions, i, NULL);
        double value = position->units * position->mark;
        now->gross += fabs (value);
        now->net += value;
        now->positions += position->units != 0;
        now->stale_positions += position->units != 0 && position->is_stale;
        largest = fmax (largest, fabs (value));
    }
    now->concentration = now->gross > 0 ? largest / now->gross : 0;
}

/* The trader's record, made when it is new; NULL when there is no room. */
static s_trader_t *s_take_trader (sb_risk_t *self, sb_text_t name)
{
    s_trader_t *trader = sb_records_take (self->traders, name);
    if (trader && !trader->positions)
        trader->positions = sb_records_new (sizeof (s_position_t), self->options.max_instruments);
    return trader && trader->positions ? trader : NULL;
}

bool sb_risk_execute (sb_risk_t *self, sb_text_t trader_name, sb_text_t subject, const sb_risk_execution_t *execution,
                      uint64_t monotonic_ns)
{
    if (!isfinite (execution->position) || !isfinite (execution->cash) || !(execution->price > 0) ||
        !isfinite (execution->price)) {
        self->bad_values++;
        return false;
    }
    s_trader_t *trader = s_take_trader (self, trader_name);
    s_position_t *position = trader ? sb_records_take (trader->positions, subject) : NULL;
    if (!position) {
        self->no_room++;
        return false;
    }
    position->units = execution->position;
    const sb_quote_t *quote = sb_records_find (self->quotes, subject);
    if (!(position->mark > 0))
        position->mark = quote && sb_quote_mark (quote) > 0 ? sb_quote_mark (quote) : execution->price;
    trader->cash = execution->cash;
    s_sum (trader);
    if (!trader->is_set) {
        trader->is_set = true;
        trader->first_equity = trader->cash + trader->now.net;
        trader->now.peak_equity = trader->first_equity;
    }
    trader->now.executions++;
    if (trader->standing == S_PAUSED && monotonic_ns >= trader->paused_ns + S_OVERRIDE_NS)
        trader->standing = S_OVERRIDDEN;
    if (trader->standing == S_RESUMED)
        trader->standing = S_RUNNING;
    s_judge (self, trader);
    trader->is_due = true;
    return true;
}

/* Did prices move what was reported by a step or more? */
static bool s_has_moved (const sb_risk_t *self, const s_trader_t *trader)
{
    const sb_risk_metrics_t *now = &trader->now, *then = &trader->reported;
    return fabs (now->gross - then->gross) > self->options.step * then->gross ||
           fabs (now->drawdown - then->drawdown) > self->options.step || now->breaches != then->breaches;
}

void sb_risk_price (sb_risk_t *self, sb_text_t subject, const sb_quote_t *news)
{
    sb_quote_t *quote = sb_records_take (self->quotes, subject);
    if (!quote) {
        self->no_room++;
        return;
    }
    self->bad_values += sb_quote_take (quote, news);
    double price = sb_quote_mark (quote);
    if (!(price > 0))
        return;
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        s_trader_t *trader = sb_records_at (self->traders, i, NULL);
        s_position_t *position = trader->positions ? sb_records_find (trader->positions, subject) : NULL;
        if (!position)
            continue;
        double change = price - position->mark;
        position->mark = price;
        position->is_stale = false;
        trader->now.gross += fabs (position->units) * change;
        trader->now.net += position->units * change;
        s_judge (self, trader);
        trader->is_due |= s_has_moved (self, trader);
    }
}

void sb_risk_price_stale (sb_risk_t *self, sb_text_t subject, bool is_stale)
{
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        s_trader_t *trader = sb_records_at (self->traders, i, NULL);
        s_position_t *position = trader->positions ? sb_records_find (trader->positions, subject) : NULL;
        if (position && position->is_stale != is_stale) {
            position->is_stale = is_stale;
            trader->is_due |= position->units != 0;
        }
    }
}

bool sb_risk_next_report (sb_risk_t *self, const char **trader_name, sb_risk_metrics_t *metrics)
{
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        s_trader_t *trader = sb_records_at (self->traders, i, trader_name);
        if (!trader->is_due)
            continue;
        s_sum (trader);
        s_judge (self, trader);
        trader->is_due = false;
        trader->reported = trader->now;
        *metrics = trader->now;
        return true;
    }
    return false;
}

void sb_risk_total (const sb_risk_t *self, sb_risk_metrics_t *metrics)
{
    *metrics = (sb_risk_metrics_t){0};
    double largest = 0;
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        const s_trader_t *trader = sb_records_at (self->traders, i, NULL);
        const sb_risk_metrics_t *now = &trader->now;
        metrics->equity += now->equity;
        metrics->peak_equity += now->peak_equity;
        metrics->gross += now->gross;
        metrics->net += now->net;
        metrics->pnl += now->pnl;
        metrics->positions += now->positions;
        metrics->stale_positions += now->stale_positions;
        metrics->executions += now->executions;
        metrics->breaches += now->breaches;
        largest = fmax (largest, now->concentration * now->gross);
    }
    metrics->drawdown = metrics->peak_equity > 0 ? 1 - metrics->equity / metrics->peak_equity : 0;
    metrics->concentration = metrics->gross > 0 ? largest / metrics->gross : 0;
}

bool sb_risk_decide (sb_risk_t *self, uint64_t monotonic_ns, sb_risk_decision_t *decision)
{
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        const s_trader_t *trader = sb_records_at (self->traders, i, &decision->trader);
        if (monotonic_ns < trader->retry_ns)
            continue;
        if (trader->standing == S_RUNNING && trader->in_breach) {
            decision->is_pause = true;
            snprintf (decision->reason, sizeof decision->reason, "%s %.6g is above its limit %.6g",
                      s_limits[trader->limit].text, s_metric (&trader->now, trader->limit),
                      s_limit (self, trader->limit));
            return true;
        }
        uint64_t wait_ns = (uint64_t)self->options.resume_after_ms * 1000000;
        if (trader->standing == S_PAUSED && wait_ns && monotonic_ns >= trader->paused_ns + wait_ns) {
            decision->is_pause = false;
            snprintf (decision->reason, sizeof decision->reason, "cool-down of %u ms is over",
                      self->options.resume_after_ms);
            return true;
        }
    }
    return false;
}

void sb_risk_done (sb_risk_t *self, const sb_risk_decision_t *decision, bool was_done, uint64_t monotonic_ns)
{
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        const char *name;
        s_trader_t *trader = sb_records_at (self->traders, i, &name);
        if (name != decision->trader)
            continue;
        if (!was_done)
            trader->retry_ns = monotonic_ns + S_RETRY_NS;
        else if (decision->is_pause) {
            trader->standing = S_PAUSED;
            trader->paused_ns = monotonic_ns;
        } else {
            trader->standing = S_RESUMED;
            trader->now.peak_equity = trader->now.equity;
            s_judge (self, trader);
            trader->is_due = true;
        }
    }
}

void sb_risk_restart (sb_risk_t *self)
{
    for (uint32_t i = 0; i < sb_records_count (self->traders); i++) {
        s_trader_t *trader = sb_records_at (self->traders, i, NULL);
        trader->now.peak_equity = trader->now.equity;
        s_judge (self, trader);
        trader->is_due = true;
    }
}

uint64_t sb_risk_bad_values (const sb_risk_t *self)
{
    return self->bad_values;
}

uint64_t sb_risk_no_room (const sb_risk_t *self)
{
    return self->no_room;
}

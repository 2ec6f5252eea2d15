/* SPDX-License-Identifier: MPL-2.0
 *
 * Target and position for each instrument. Targets rather than queued orders: a signal that comes while an order may
 * not be made (cooldown, pause, stale prices) replaces the one before, so that nothing outdated is ever carried
 * out. Sums over the account are taken anew from all instruments where they are needed: running sums would drift.
 */
#include "sb_trader.h"

#include "sb_records.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sb_quote_t quote;
    bool is_fresh; /* prices may be traded on */
    bool has_target;
    double target;    /* units */
    bool was_refused; /* an order for this target was refused: said once */
    bool has_signal;
    sb_trader_signal_t signal;        /* last one taken in */
    double position;                  /* units */
    double average_price;             /* what a unit of it cost */
    double entry[SB_COMPONENT_COUNT]; /* components of its entries, averaged by units */
    bool has_traded;                  /* since the start or restart */
    int64_t traded_unix_ns;           /* last order, on the data's clock */
} s_instrument_t;

struct sb_trader {
    sb_trader_options_t options;
    sb_records_t *instruments;
    bool is_trading;
    double cash;
    double realized_pnl;
    double fees;
    uint64_t orders;            /* last order_id */
    sb_trader_account_t counts; /* only its counts are kept here */
};

static const char *const s_outcome_names[SB_TRADER_OUTCOME_COUNT] = {
    "filled",
#define SB_TRADER_REFUSAL(symbol, name, text) #name,
#include "sb_trader_refusals.def"
#undef SB_TRADER_REFUSAL
};

static const char *const s_outcome_texts[SB_TRADER_OUTCOME_COUNT] = {
    "carried out on paper",
#define SB_TRADER_REFUSAL(symbol, name, text) text,
#include "sb_trader_refusals.def"
#undef SB_TRADER_REFUSAL
};

const char *sb_trader_outcome_name (sb_trader_outcome_t outcome)
{
    assert (outcome < SB_TRADER_OUTCOME_COUNT);
    return s_outcome_names[outcome];
}

const char *sb_trader_outcome_text (sb_trader_outcome_t outcome)
{
    assert (outcome < SB_TRADER_OUTCOME_COUNT);
    return s_outcome_texts[outcome];
}

sb_trader_options_t sb_trader_options_default (void)
{
    return (sb_trader_options_t){
        .starting_cash = 1000000,
        .fee_bps = 0.5,
        .slippage_bps = 0.5,
        .max_notional = 50000,
        .max_gross = 500000,
        .lot = 0.0001,
        .cooldown_ms = 1000,
        .allow_short = true,
        .max_instruments = 4096,
    };
}

sb_trader_t *sb_trader_new (const sb_trader_options_t *options)
{
    assert (options->lot > 0 && options->max_notional >= 0);
    sb_trader_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->cash = options->starting_cash;
    self->is_trading = true;
    self->instruments = sb_records_new (sizeof (s_instrument_t), options->max_instruments);
    if (!self->instruments)
        sb_trader_destroy (&self);
    return self;
}

void sb_trader_destroy (sb_trader_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_records_destroy (&(*self_p)->instruments);
    free (*self_p);
    *self_p = NULL;
}

/* What a unit is worth now; 0 when nothing is known. */
static double s_mark (const s_instrument_t *instrument)
{
    return sb_quote_mark (&instrument->quote);
}

/* What an order gets; 0 when nothing is known. A crossed quote is no quote. */
static double s_fill_price (const sb_trader_t *self, const s_instrument_t *instrument, bool is_buy)
{
    bool has_quote = sb_quote_is_two_sided (&instrument->quote);
    double price = !has_quote ? s_mark (instrument) : is_buy ? instrument->quote.ask : instrument->quote.bid;
    return price * (1 + (is_buy ? 1 : -1) * self->options.slippage_bps / 1e4);
}

static void s_sum (const sb_trader_t *self, double *gross, double *net, double *unrealized, uint32_t *positions)
{
    *gross = *net = *unrealized = 0;
    *positions = 0;
    for (uint32_t i = 0; i < sb_records_count (self->instruments); i++) {
        const s_instrument_t *instrument = sb_records_at (self->instruments, i, NULL);
        double value = instrument->position * s_mark (instrument);
        *gross += fabs (value);
        *net += value;
        *unrealized += instrument->position * (s_mark (instrument) - instrument->average_price);
        *positions += instrument->position != 0;
    }
}

/* Rounds towards 0 to a multiple of the lot; the epsilon keeps exact multiples what they are. */
static double s_lots (const sb_trader_t *self, double units)
{
    return trunc (units / self->options.lot + copysign (1e-6, units)) * self->options.lot;
}

/* May the order be carried out? Orders that only make the position smaller always may. */
static sb_trader_outcome_t s_check (const sb_trader_t *self, const s_instrument_t *instrument,
                                    const sb_trader_order_t *order, double change)
{
    double after = instrument->position + change;
    if (fabs (after) <= fabs (instrument->position) && after * instrument->position >= 0)
        return SB_TRADER_FILLED;
    double gross, net, unrealized;
    uint32_t positions;
    s_sum (self, &gross, &net, &unrealized, &positions);
    double mark = s_mark (instrument);
    if (self->options.max_gross > 0 &&
        gross + (fabs (after) - fabs (instrument->position)) * mark > self->options.max_gross)
        return SB_TRADER_MAX_GROSS;
    if (change > 0 && change * order->price + order->fee > self->cash)
        return SB_TRADER_NO_CASH;
    return SB_TRADER_FILLED;
}

/* Books `change` units at order->price: first what it closes, then what it opens. */
static void s_book (sb_trader_t *self, s_instrument_t *instrument, sb_trader_order_t *order, double change)
{
    double before = instrument->position;
    double after = instrument->position + change;
    if (fabs (after) < self->options.lot / 2)
        after = 0;
    double closed = before * change < 0 ? fmin (fabs (before), fabs (change)) : 0;
    if (closed > 0) {
        order->closed_direction = before > 0 ? 1 : -1;
        order->closed_quantity = closed;
        order->realized_pnl = order->closed_direction * closed * (order->price - instrument->average_price);
        memcpy (order->entry, instrument->entry, sizeof order->entry);
    }
    /* What is left of the old position keeps its cost; what is opened is averaged in. */
    double kept = fabs (before) - closed;
    double opened = fabs (change) - closed;
    if (after == 0)
        instrument->average_price = 0;
    else if (opened > 0) {
        double units = kept + opened;
        instrument->average_price = (kept * instrument->average_price + opened * order->price) / units;
        for (int i = 0; i < SB_COMPONENT_COUNT; i++)
            instrument->entry[i] = (kept * instrument->entry[i] + opened * instrument->signal.components[i]) / units;
    }
    instrument->position = after;
    self->cash -= change * order->price + order->fee;
    self->realized_pnl += order->realized_pnl;
    self->fees += order->fee;
}

/* Is there anything to do for this instrument, and may it be done now? */
static bool s_is_due (const sb_trader_t *self, const s_instrument_t *instrument, double change, int64_t event_unix_ns)
{
    if (!self->is_trading || !instrument->is_fresh || !instrument->has_target || instrument->was_refused)
        return false;
    if (fabs (change) < self->options.lot * (1 - 1e-6) || s_mark (instrument) <= 0)
        return false;
    return !instrument->has_traded ||
           event_unix_ns - instrument->traded_unix_ns >= (int64_t)self->options.cooldown_ms * 1000000;
}

/* Brings the position to the target when it may; true when that made an order. */
static bool s_trade (sb_trader_t *self, sb_text_t subject, s_instrument_t *instrument, const sb_trader_times_t *times,
                     sb_trader_order_t *order)
{
    double change = instrument->target - instrument->position;
    if (!s_is_due (self, instrument, change, times->event_unix_ns))
        return false;
    memset (order, 0, sizeof *order);
    snprintf (order->subject, sizeof order->subject, "%.*s", (int)subject.size, subject.data);
    order->order_id = ++self->orders;
    order->is_buy = change > 0;
    order->quantity = fabs (change);
    order->price = s_fill_price (self, instrument, order->is_buy);
    order->fee = order->quantity * order->price * self->options.fee_bps / 1e4;
    order->times = *times;
    order->outcome = s_check (self, instrument, order, change);
    if (order->outcome == SB_TRADER_FILLED) {
        s_book (self, instrument, order, change);
        instrument->has_traded = true;
        instrument->traded_unix_ns = times->event_unix_ns;
    } else {
        order->fee = 0;
        instrument->was_refused = true;
    }
    self->counts.outcomes[order->outcome]++;
    double gross, net;
    uint32_t positions;
    s_sum (self, &gross, &net, &order->total_unrealized_pnl, &positions);
    order->position = instrument->position;
    order->average_price = instrument->average_price;
    order->cash = self->cash;
    order->total_realized_pnl = self->realized_pnl;
    order->total_fees = self->fees;
    return true;
}

/* The instrument's record, with the prices in it; NULL, and counted, when there is no room. */
static s_instrument_t *s_take_price (sb_trader_t *self, sb_text_t subject, const sb_quote_t *price)
{
    s_instrument_t *instrument = sb_records_take (self->instruments, subject);
    if (!instrument) {
        self->counts.no_room++;
        return NULL;
    }
    self->counts.bad_values += sb_quote_take (&instrument->quote, price);
    instrument->is_fresh = true;
    return instrument;
}

bool sb_trader_price (sb_trader_t *self, sb_text_t subject, const sb_quote_t *price, const sb_trader_times_t *times,
                      sb_trader_order_t *order)
{
    s_instrument_t *instrument = s_take_price (self, subject, price);
    if (!instrument)
        return false;
    self->counts.prices++;
    return s_trade (self, subject, instrument, times, order);
}

void sb_trader_learn_price (sb_trader_t *self, sb_text_t subject, const sb_quote_t *price)
{
    self->counts.learned += s_take_price (self, subject, price) != NULL;
}

/* The target that a signal sets, in units. */
static double s_target (sb_trader_t *self, const s_instrument_t *instrument, const sb_trader_signal_t *signal)
{
    double mark = s_mark (instrument);
    if (signal->signal == SB_SIGNAL_HOLD || mark <= 0 ||
        (signal->signal == SB_SIGNAL_SELL && !self->options.allow_short))
        return 0;
    double units = signal->confidence * self->options.max_notional / mark;
    if (self->options.max_position > 0 && units > self->options.max_position) {
        units = self->options.max_position;
        self->counts.clipped++;
    }
    return s_lots (self, signal->signal == SB_SIGNAL_BUY ? units : -units);
}

/* The instrument's record, with the signal in it; NULL, and counted, when the signal is out of range or there is no
 * room. */
static s_instrument_t *s_take_signal (sb_trader_t *self, sb_text_t subject, const sb_trader_signal_t *signal)
{
    bool is_good = signal->confidence >= 0 && signal->confidence <= 1 && signal->signal < SB_SIGNAL_COUNT;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        is_good &= fabs (signal->components[i]) <= 1;
    if (!is_good) {
        self->counts.bad_values++;
        return NULL;
    }
    s_instrument_t *instrument = sb_records_take (self->instruments, subject);
    if (!instrument) {
        self->counts.no_room++;
        return NULL;
    }
    instrument->was_refused = false;
    instrument->has_signal = true;
    instrument->signal = *signal;
    return instrument;
}

bool sb_trader_signal (sb_trader_t *self, sb_text_t subject, const sb_trader_signal_t *signal,
                       const sb_trader_times_t *times, sb_trader_order_t *order)
{
    s_instrument_t *instrument = s_take_signal (self, subject, signal);
    if (!instrument)
        return false;
    self->counts.signals++;
    /* Without a price yet there is no target: the next signal sets one. */
    instrument->has_target = s_mark (instrument) > 0;
    instrument->target = s_target (self, instrument, signal);
    return s_trade (self, subject, instrument, times, order);
}

void sb_trader_learn_signal (sb_trader_t *self, sb_text_t subject, const sb_trader_signal_t *signal)
{
    s_instrument_t *instrument = s_take_signal (self, subject, signal);
    self->counts.learned += instrument != NULL;
    if (instrument)
        instrument->has_target = false;
}

bool sb_trader_last_signal (const sb_trader_t *self, sb_text_t subject, sb_trader_signal_t *signal)
{
    const s_instrument_t *instrument = sb_records_find (self->instruments, subject);
    if (!instrument || !instrument->has_signal)
        return false;
    *signal = instrument->signal;
    return true;
}

void sb_trader_price_stale (sb_trader_t *self, sb_text_t subject, bool is_stale)
{
    s_instrument_t *instrument = sb_records_find (self->instruments, subject);
    if (instrument)
        instrument->is_fresh = !is_stale;
}

void sb_trader_signal_stale (sb_trader_t *self, sb_text_t subject)
{
    s_instrument_t *instrument = sb_records_find (self->instruments, subject);
    if (instrument)
        instrument->has_target = false;
}

void sb_trader_set_trading (sb_trader_t *self, bool is_trading)
{
    self->is_trading = is_trading;
}

void sb_trader_restart (sb_trader_t *self)
{
    for (uint32_t i = 0; i < sb_records_count (self->instruments); i++) {
        s_instrument_t *instrument = sb_records_at (self->instruments, i, NULL);
        instrument->has_target = false;
        instrument->was_refused = false;
        instrument->has_traded = false;
    }
}

void sb_trader_account (const sb_trader_t *self, sb_trader_account_t *account)
{
    *account = self->counts;
    account->cash = self->cash;
    account->realized_pnl = self->realized_pnl;
    account->fees = self->fees;
    account->instruments = sb_records_count (self->instruments);
    s_sum (self, &account->gross, &account->net, &account->unrealized_pnl, &account->positions);
}

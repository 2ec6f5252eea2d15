/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus-trader: signals to paper trades.
 *
 * Reads scanner_data and market_data; writes one trade and one execution result for each order filled, and an
 * execution result alone for one refused by its own limits. While paused, stopped or cut off it goes on listening and
 * makes no order; it flattens nothing. Nor does it while something of what it reads was lost and is not yet made good,
 * nor on state that a join or a repair brought: it acts on news, and only while it knows all of it. restart forgets
 * targets, cooldowns and refusals; the account stays.
 */
#include "sb_desk.h"
#include "sb_outbox.h"
#include "sb_trader.h"

#include <math.h>
#include <string.h>

enum { S_OUTBOX_ORDERS = 8192 /* more than the broker may have undecided */ };

typedef struct {
    sb_trader_options_t options;
    bool no_short;
    sb_trader_t *trader;
    sb_outbox_t *outbox;
    double confidence; /* of the last signal that was taken in */
    char last_signal[96];
    uint64_t sent_again; /* orders */
    uint64_t waits;      /* times that something it reads was lost, so that it made no order */
} s_context_t;

static bool s_start (sb_desk_t *desk, void *context, char *error, size_t error_size)
{
    (void)desk;
    s_context_t *self = context;
    self->options.allow_short = !self->no_short;
    self->trader = sb_trader_new (&self->options);
    self->outbox = sb_outbox_new (S_OUTBOX_ORDERS);
    if (self->trader && self->outbox)
        return true;
    snprintf (error, error_size, "no memory for %u instruments", self->options.max_instruments);
    sb_trader_destroy (&self->trader);
    sb_outbox_destroy (&self->outbox);
    return false;
}

static void s_stop (void *context)
{
    s_context_t *self = context;
    sb_trader_destroy (&self->trader);
    sb_outbox_destroy (&self->outbox);
}

/* Fills `changes` (at least 10 + SB_COMPONENT_COUNT) with what the trainer learns from; returns how many. */
static uint32_t s_trade_changes (const sb_trader_order_t *order, sb_change_t *changes)
{
    uint32_t count = 0;
    changes[count++] = sb_integer ("order_id", (int64_t)order->order_id);
    changes[count++] = sb_string ("side", order->is_buy ? "buy" : "sell");
    changes[count++] = sb_number ("quantity", order->quantity);
    changes[count++] = sb_number ("price", order->price);
    changes[count++] = sb_number ("fee", order->fee);
    changes[count++] = sb_number ("position", order->position);
    changes[count++] = sb_integer ("closed_direction", order->closed_direction);
    changes[count++] = sb_number ("closed_quantity", order->closed_quantity);
    changes[count++] = sb_number ("realized_pnl", order->realized_pnl);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        changes[count++] = sb_number (sb_component_names[i].entry, order->entry[i]);
    return count;
}

/* Fills `changes` (at least 14) with what risk watches; returns how many. */
static uint32_t s_execution_changes (const sb_trader_order_t *order, sb_change_t *changes)
{
    uint32_t count = 0;
    changes[count++] = sb_integer ("order_id", (int64_t)order->order_id);
    changes[count++] = sb_string ("status", order->outcome == SB_TRADER_FILLED ? "filled" : "refused");
    changes[count++] = sb_string ("reason", sb_trader_outcome_text (order->outcome));
    changes[count++] = sb_string ("side", order->is_buy ? "buy" : "sell");
    changes[count++] = sb_number ("quantity", order->quantity);
    changes[count++] = sb_number ("price", order->price);
    changes[count++] = sb_number ("fee", order->fee);
    changes[count++] = sb_number ("position", order->position);
    changes[count++] = sb_number ("average_price", order->average_price);
    changes[count++] = sb_number ("cash", order->cash);
    changes[count++] = sb_number ("realized_pnl", order->total_realized_pnl);
    changes[count++] = sb_number ("unrealized_pnl", order->total_unrealized_pnl);
    changes[count++] = sb_number ("fees", order->total_fees);
    changes[count++] = sb_number ("pnl", order->total_realized_pnl + order->total_unrealized_pnl - order->total_fees);
    return count;
}

/* Sends `parts` of what there is to say of an order, in one message, and remembers it. False when it waits. */
static bool s_send (sb_desk_t *desk, s_context_t *self, const sb_trader_order_t *order, unsigned parts)
{
    sb_change_t trade[10 + SB_COMPONENT_COUNT];
    sb_change_t execution[14];
    sb_agent_update_t updates[2];
    uint32_t count = 0;
    const sb_agent_update_t update = {.subject = order->subject,
                                      .event_unix_ns = order->times.event_unix_ns,
                                      .origin_unix_ns = order->times.origin_unix_ns};
    if (parts & SB_OUTBOX_TRADE) {
        updates[count] = update;
        updates[count].category = "trades";
        updates[count].changes = trade;
        updates[count++].change_count = s_trade_changes (order, trade);
    }
    if (parts & SB_OUTBOX_EXECUTION) {
        updates[count] = update;
        updates[count].category = "execution_result";
        updates[count].changes = execution;
        updates[count++].change_count = s_execution_changes (order, execution);
    }
    uint64_t first = 0;
    sb_reason_t reason = sb_desk_send (desk, updates, count, &first);
    bool was_sent = reason == SB_REASON_NONE && first != 0;
    sb_outbox_add (self->outbox, order, parts, was_sent ? first : 0);
    return was_sent;
}

static void s_order (sb_desk_t *desk, s_context_t *self, const sb_trader_order_t *order)
{
    bool is_filled = order->outcome == SB_TRADER_FILLED;
    s_send (desk, self, order, is_filled ? SB_OUTBOX_TRADE | SB_OUTBOX_EXECUTION : SB_OUTBOX_EXECUTION);
}

static bool s_is_signal (sb_text_t text, sb_signal_t *signal)
{
    for (int i = 0; i < SB_SIGNAL_COUNT; i++)
        if (sb_desk_is (text, sb_signal_names[i])) {
            *signal = (sb_signal_t)i;
            return true;
        }
    return false;
}

/* Reads a scanner's update; a field that is not in it has not changed, so the last one heard counts. True when that
 * made an order. */
static bool s_on_signal (s_context_t *self, const sb_desk_update_t *update, const sb_trader_times_t *times,
                         sb_trader_order_t *order)
{
    const sb_value_t *value = sb_update_find (update->update, "signal");
    sb_trader_signal_t signal;
    if (!sb_trader_last_signal (self->trader, update->subject, &signal))
        signal = (sb_trader_signal_t){.signal = SB_SIGNAL_HOLD};
    if (value && (value->kind != SB_VALUE_TEXT || !s_is_signal (value->text, &signal.signal)))
        return false;
    signal.confidence = sb_desk_number (update->update, "confidence", signal.confidence);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        signal.components[i] = sb_desk_number (update->update, sb_component_names[i].name, signal.components[i]);
    self->confidence = signal.confidence;
    snprintf (self->last_signal, sizeof self->last_signal, "%s %.*s", sb_signal_names[signal.signal],
              (int)update->subject.size, update->subject.data);
    if (!update->is_news) {
        sb_trader_learn_signal (self->trader, update->subject, &signal);
        if (sb_desk_is_gone (update->update, "signal"))
            sb_trader_signal_stale (self->trader, update->subject);
        return false;
    }
    return sb_trader_signal (self->trader, update->subject, &signal, times, order);
}

static void s_on_update (sb_desk_t *desk, const sb_desk_update_t *update, void *context)
{
    s_context_t *self = context;
    sb_trader_times_t times = {update->update->event_unix_ns, update->update->origin_unix_ns};
    sb_trader_order_t order;
    bool has_order = false;
    if (!update->subject.size)
        return;
    if (sb_desk_is (update->category, "scanner_data"))
        has_order = s_on_signal (self, update, &times, &order);
    else {
        sb_quote_t price = {sb_desk_number (update->update, "price", NAN), sb_desk_number (update->update, "bid", NAN),
                            sb_desk_number (update->update, "ask", NAN)};
        if (update->is_news)
            has_order = sb_trader_price (self->trader, update->subject, &price, &times, &order);
        else
            sb_trader_learn_price (self->trader, update->subject, &price);
        if (!update->is_news && sb_desk_is_gone (update->update, "price"))
            sb_trader_price_stale (self->trader, update->subject, true);
    }
    if (has_order)
        s_order (desk, self, &order);
}

static void s_on_quality (sb_desk_t *desk, const sb_desk_quality_t *quality, void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (sb_desk_is (quality->category, "market_data"))
        sb_trader_price_stale (self->trader, quality->subject, quality->is_stale);
    else if (quality->is_stale)
        sb_trader_signal_stale (self->trader, quality->subject);
}

/* Sends what waits, oldest first, until something has to wait again. */
static void s_send_waiting (sb_desk_t *desk, s_context_t *self)
{
    sb_trader_order_t order;
    unsigned parts;
    while (sb_desk_is_active (desk) && sb_outbox_take (self->outbox, &order, &parts)) {
        if (!s_send (desk, self, &order, parts))
            return;
        self->sent_again++;
    }
}

static void s_on_active (sb_desk_t *desk, bool is_active, void *context)
{
    s_context_t *self = context;
    sb_trader_set_trading (self->trader, is_active && sb_desk_is_current (desk));
    s_send_waiting (desk, self);
}

/* Signals that were lost and fetched come before this says so: the last one counts, and the next price acts on it. */
static void s_on_current (sb_desk_t *desk, bool is_current, void *context)
{
    s_context_t *self = context;
    sb_trader_set_trading (self->trader, is_current && sb_desk_is_active (desk));
    self->waits += !is_current;
}

static void s_on_refused (sb_desk_t *desk, const sb_agent_refusal_t *refusal, void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (!refusal->kept)
        sb_outbox_refused (self->outbox, refusal->sequence, sb_outbox_is_momentary (refusal->reason));
}

static void s_on_command (sb_desk_t *desk, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (strcmp (command->name, "restart") != 0)
        return;
    sb_trader_restart (self->trader);
    sb_desk_answer (reply, SB_REASON_NONE, "targets, cooldowns and refusals forgotten; cash and positions kept");
}

static void s_on_grid (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    sb_trader_account_t account;
    sb_trader_account (self->trader, &account);
    s_send_waiting (desk, self);
    sb_desk_grid (desk, sb_desk_is_current (desk) ? "trading" : "waiting: input lost",
                  self->last_signal[0] ? self->confidence : NAN, self->last_signal[0] ? self->last_signal : NULL,
                  account.realized_pnl + account.unrealized_pnl - account.fees);
}

static void s_on_summary (sb_desk_t *desk, sb_summary_t *summary, void *context)
{
    (void)desk;
    s_context_t *self = context;
    sb_trader_account_t account;
    sb_trader_account (self->trader, &account);
    sb_summary_integer (summary, "trades", account.outcomes[SB_TRADER_FILLED]);
    for (int i = 1; i < SB_TRADER_OUTCOME_COUNT; i++) {
        char key[48];
        snprintf (key, sizeof key, "orders_refused.%s", sb_trader_outcome_name ((sb_trader_outcome_t)i));
        sb_summary_integer (summary, key, account.outcomes[i]);
    }
    sb_summary_integer (summary, "prices", account.prices);
    sb_summary_integer (summary, "signals", account.signals);
    sb_summary_integer (summary, "state_learned", account.learned);
    sb_summary_integer (summary, "waits_for_input", self->waits);
    sb_summary_integer (summary, "instruments", account.instruments);
    sb_summary_integer (summary, "positions", account.positions);
    sb_summary_number (summary, "cash", account.cash);
    sb_summary_number (summary, "gross", account.gross);
    sb_summary_number (summary, "net", account.net);
    sb_summary_number (summary, "realized_pnl", account.realized_pnl);
    sb_summary_number (summary, "unrealized_pnl", account.unrealized_pnl);
    sb_summary_number (summary, "fees", account.fees);
    sb_summary_number (summary, "pnl", account.realized_pnl + account.unrealized_pnl - account.fees);
    sb_summary_integer (summary, "targets_clipped", account.clipped);
    sb_summary_integer (summary, "bad_values", account.bad_values);
    sb_summary_integer (summary, "no_room", account.no_room);
    sb_summary_integer (summary, "orders_sent_again", self->sent_again);
    sb_summary_integer (summary, "orders_waiting", sb_outbox_waiting (self->outbox));
    sb_summary_integer (summary, "order_updates_lost", sb_outbox_lost (self->outbox));
}

int main (int argc, char **argv)
{
    s_context_t self = {.options = sb_trader_options_default ()};
    static const char *const interests[] = {"scanner_data", "market_data"};
    static const char *const publishes[] = {"trades", "execution_result"};
    const sb_option_t options[] = {
        {"cash", "AMOUNT", SB_OPTION_NUMBER, &self.options.starting_cash, 0, 1e15, "cash to begin with"},
        {"fee-bps", "BPS", SB_OPTION_NUMBER, &self.options.fee_bps, 0, 1000, "fee, basis points of the value traded"},
        {"slippage-bps", "BPS", SB_OPTION_NUMBER, &self.options.slippage_bps, 0, 1000,
         "slippage, basis points of the price"},
        {"max-notional", "AMOUNT", SB_OPTION_NUMBER, &self.options.max_notional, 0, 1e15,
         "value held in one instrument at confidence 1"},
        {"max-position", "UNITS", SB_OPTION_NUMBER, &self.options.max_position, 0, 1e15,
         "units held of one instrument; 0: no limit"},
        {"max-gross", "AMOUNT", SB_OPTION_NUMBER, &self.options.max_gross, 0, 1e15,
         "value held in all instruments; 0: no limit"},
        {"lot", "UNITS", SB_OPTION_NUMBER, &self.options.lot, 1e-9, 1e9, "units are multiples of this"},
        {"cooldown-ms", "MS", SB_OPTION_INTEGER, &self.options.cooldown_ms, 0, 86400000,
         "least time between orders in one instrument, on the data's clock"},
        {"no-short", NULL, SB_OPTION_FLAG, &self.no_short, 0, 0, "never hold less than nothing"},
        {"max-instruments", "COUNT", SB_OPTION_INTEGER, &self.options.max_instruments, 1, 1000000,
         "instruments kept; more are left out and counted"},
    };
    const sb_desk_program_t program = {
        .program = "syncbus-trader",
        .purpose =
            "Trades on paper what the scanner says: fills at the quote or last price with fee and slippage, within\n"
            "its limits. Publishes trades and execution_result; its account is in the summary and the grid.",
        .examples = "  syncbus-trader --no-short --max-notional 10000\n  syncbus-trader --fee-bps 10 --cooldown-ms "
                    "60000 --json",
        .agent_id = "trader",
        .interests = interests,
        .interest_count = sizeof interests / sizeof interests[0],
        .publishes = publishes,
        .publish_count = sizeof publishes / sizeof publishes[0],
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .context = &self,
        .start = s_start,
        .on_update = s_on_update,
        .on_quality = s_on_quality,
        .on_command = s_on_command,
        .on_refused = s_on_refused,
        .on_active = s_on_active,
        .on_current = s_on_current,
        .on_grid = s_on_grid,
        .on_summary = s_on_summary,
        .stop = s_stop,
    };
    return sb_desk_main (&program, argc, argv);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus-risk: watches what traders hold, and pauses the one that goes beyond its limits.
 *
 * Reads execution_result, market_data and other watchers' risk_metrics; writes risk_metrics: one subject for each
 * trader, and the empty subject for all together with the time from row read to reaction. restart makes drawdowns count
 * from that moment and empties the latency histogram; positions stay known.
 */
#include "sb_desk.h"
#include "sb_histogram.h"
#include "sb_risk.h"

#include <math.h>
#include <string.h>

enum { S_COMMAND_TIMEOUT_MS = 2000 };

typedef struct {
    sb_risk_options_t options;
    sb_risk_t *risk;
    sb_histogram_t reaction; /* from origin_unix_ns to here, for each execution */
    uint64_t executions;     /* taken in */
    uint64_t refused_orders; /* executions that say that the trader refused its own order */
    uint64_t reports;        /* messages sent */
    uint64_t peers_heard;    /* risk_metrics of other watchers */
    uint64_t pauses;
    uint64_t resumes;
    uint64_t commands_failed;
    char last_signal[96]; /* "paused trader" */
} s_context_t;

static bool s_start (sb_desk_t *desk, void *context, char *error, size_t error_size)
{
    (void)desk;
    s_context_t *self = context;
    self->risk = sb_risk_new (&self->options);
    if (!self->risk)
        snprintf (error, error_size, "no memory for %u traders", self->options.max_traders);
    return self->risk != NULL;
}

static void s_stop (void *context)
{
    s_context_t *self = context;
    sb_risk_destroy (&self->risk);
}

/* Fills `changes` (at least 12); returns how many. */
static uint32_t s_changes (const sb_risk_metrics_t *metrics, sb_change_t *changes)
{
    uint32_t count = 0;
    changes[count++] = sb_number ("equity", metrics->equity);
    changes[count++] = sb_number ("peak_equity", metrics->peak_equity);
    changes[count++] = sb_number ("drawdown", metrics->drawdown);
    changes[count++] = sb_number ("gross_exposure", metrics->gross);
    changes[count++] = sb_number ("net_exposure", metrics->net);
    changes[count++] = sb_number ("concentration", metrics->concentration);
    changes[count++] = sb_number ("pnl", metrics->pnl);
    changes[count++] = sb_integer ("positions", metrics->positions);
    changes[count++] = sb_integer ("stale_positions", metrics->stale_positions);
    changes[count++] = sb_integer ("executions", (int64_t)metrics->executions);
    changes[count++] = sb_integer ("breaches", (int64_t)metrics->breaches);
    return count;
}

/* Publishes what is due, each with the totals. `cause` (may be NULL) is the update that led to it. */
static void s_report (sb_desk_t *desk, s_context_t *self, const sb_update_t *cause)
{
    const char *trader;
    sb_risk_metrics_t metrics, total;
    while (sb_risk_next_report (self->risk, &trader, &metrics)) {
        sb_risk_total (self->risk, &total);
        sb_change_t one[12], all[14];
        uint32_t all_count = s_changes (&total, all);
        all[all_count++] = sb_number ("reaction_p50_us", (double)sb_histogram_quantile_ns (&self->reaction, 0.5) / 1e3);
        all[all_count++] =
            sb_number ("reaction_p99_us", (double)sb_histogram_quantile_ns (&self->reaction, 0.99) / 1e3);
        const sb_agent_update_t update = {.category = "risk_metrics",
                                          .event_unix_ns = cause ? cause->event_unix_ns : 0,
                                          .origin_unix_ns = cause ? cause->origin_unix_ns : 0};
        sb_agent_update_t updates[2] = {update, update};
        updates[0].subject = trader;
        updates[0].changes = one;
        updates[0].change_count = s_changes (&metrics, one);
        updates[1].changes = all;
        updates[1].change_count = all_count;
        self->reports += sb_desk_send (desk, updates, 2, NULL) == SB_REASON_NONE;
    }
}

static void s_on_execution (s_context_t *self, const sb_desk_update_t *update)
{
    const sb_value_t *status = sb_update_find (update->update, "status");
    if (status && status->kind == SB_VALUE_TEXT && sb_desk_is (status->text, "refused")) {
        self->refused_orders++;
        return;
    }
    sb_risk_execution_t execution = {sb_desk_number (update->update, "position", NAN),
                                     sb_desk_number (update->update, "price", NAN),
                                     sb_desk_number (update->update, "cash", NAN)};
    if (!sb_risk_execute (self->risk, update->agent_id, update->subject, &execution, sb_desk_monotonic_ns ()))
        return;
    self->executions++;
    if (update->update->origin_unix_ns > 0)
        sb_histogram_add (&self->reaction, update->now_unix_ns - update->update->origin_unix_ns);
}

static void s_on_update (sb_desk_t *desk, const sb_desk_update_t *update, void *context)
{
    s_context_t *self = context;
    if (sb_desk_is (update->category, "execution_result") && update->is_news)
        s_on_execution (self, update);
    else if (sb_desk_is (update->category, "execution_result"))
        return;
    else if (sb_desk_is (update->category, "risk_metrics")) {
        self->peers_heard += update->is_news && !sb_desk_is (update->agent_id, sb_desk_agent_id (desk));
        return;
    } else {
        sb_quote_t price = {sb_desk_number (update->update, "price", NAN), sb_desk_number (update->update, "bid", NAN),
                            sb_desk_number (update->update, "ask", NAN)};
        if (update->subject.size)
            sb_risk_price (self->risk, update->subject, &price);
    }
    /* Marks that a join or a repair brought are reported with the next news. */
    if (update->is_news)
        s_report (desk, self, update->update);
}

static void s_on_quality (sb_desk_t *desk, const sb_desk_quality_t *quality, void *context)
{
    s_context_t *self = context;
    if (sb_desk_is (quality->category, "market_data")) {
        sb_risk_price_stale (self->risk, quality->subject, quality->is_stale);
        s_report (desk, self, NULL);
    }
}

/* Carries out what was decided; outside the handlers, as the answer comes over the same dispatch. */
static void s_on_round (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    sb_risk_decision_t decision;
    while (sb_desk_is_active (desk) && sb_risk_decide (self->risk, sb_desk_monotonic_ns (), &decision)) {
        /* Nobody is let go on what may be an old picture: asked again a second later. A pause does not wait. */
        if (!decision.is_pause && !sb_desk_is_current (desk)) {
            sb_risk_done (self->risk, &decision, false, sb_desk_monotonic_ns ());
            continue;
        }
        const char *command = decision.is_pause ? "pause_agent" : "resume_agent";
        char message[256] = "";
        sb_reason_t reason = sb_agent_command (sb_desk_agent (desk), command, decision.trader, NULL, 0, decision.reason,
                                               S_COMMAND_TIMEOUT_MS, message, sizeof message);
        bool was_done = reason == SB_REASON_NONE;
        sb_desk_log (desk, "%s %s (%s): %s %s", command, decision.trader, decision.reason,
                     was_done ? "done" : sb_reason_name (reason), message);
        self->pauses += was_done && decision.is_pause;
        self->resumes += was_done && !decision.is_pause;
        self->commands_failed += !was_done;
        if (was_done)
            snprintf (self->last_signal, sizeof self->last_signal, "%s %s", decision.is_pause ? "paused" : "resumed",
                      decision.trader);
        sb_risk_done (self->risk, &decision, was_done, sb_desk_monotonic_ns ());
    }
    s_report (desk, self, NULL);
}

static void s_on_command (sb_desk_t *desk, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (strcmp (command->name, "restart") != 0)
        return;
    sb_risk_restart (self->risk);
    sb_histogram_clear (&self->reaction);
    sb_desk_answer (reply, SB_REASON_NONE, "drawdowns count from now, latencies forgotten; positions kept");
}

/* How much room is left to the nearest limit of all traders together: 1 all, 0 none. */
static double s_headroom (const s_context_t *self, const sb_risk_metrics_t *total)
{
    double used = 0;
    if (self->options.max_gross > 0)
        used = fmax (used, total->gross / self->options.max_gross);
    if (self->options.max_drawdown > 0)
        used = fmax (used, total->drawdown / self->options.max_drawdown);
    return fmax (0, 1 - used);
}

static void s_on_grid (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    sb_risk_metrics_t total;
    sb_risk_total (self->risk, &total);
    double headroom = round (s_headroom (self, &total) * 100) / 100;
    sb_desk_grid (desk, "watching", headroom, self->last_signal[0] ? self->last_signal : "within limits",
                  total.executions ? total.pnl : NAN);
}

static void s_on_summary (sb_desk_t *desk, sb_summary_t *summary, void *context)
{
    (void)desk;
    s_context_t *self = context;
    sb_risk_metrics_t total;
    sb_risk_total (self->risk, &total);
    sb_summary_integer (summary, "executions", self->executions);
    sb_summary_integer (summary, "refused_orders", self->refused_orders);
    sb_summary_integer (summary, "reports", self->reports);
    sb_summary_integer (summary, "reactions", sb_histogram_count (&self->reaction));
    sb_summary_number (summary, "reaction_p50_us", (double)sb_histogram_quantile_ns (&self->reaction, 0.5) / 1e3);
    sb_summary_number (summary, "reaction_p99_us", (double)sb_histogram_quantile_ns (&self->reaction, 0.99) / 1e3);
    sb_summary_number (summary, "equity", total.equity);
    sb_summary_number (summary, "peak_equity", total.peak_equity);
    sb_summary_number (summary, "drawdown", total.drawdown);
    sb_summary_number (summary, "gross_exposure", total.gross);
    sb_summary_number (summary, "net_exposure", total.net);
    sb_summary_number (summary, "pnl", total.pnl);
    sb_summary_integer (summary, "breaches", total.breaches);
    sb_summary_integer (summary, "pauses", self->pauses);
    sb_summary_integer (summary, "resumes", self->resumes);
    sb_summary_integer (summary, "commands_failed", self->commands_failed);
    sb_summary_integer (summary, "peers_heard", self->peers_heard);
    sb_summary_integer (summary, "bad_values", sb_risk_bad_values (self->risk));
    sb_summary_integer (summary, "no_room", sb_risk_no_room (self->risk));
}

int main (int argc, char **argv)
{
    s_context_t self = {.options = sb_risk_options_default ()};
    static const char *const interests[] = {"execution_result", "risk_metrics", "market_data"};
    static const char *const publishes[] = {"risk_metrics"};
    const sb_option_t options[] = {
        {"max-gross", "AMOUNT", SB_OPTION_NUMBER, &self.options.max_gross, 0, 1e15,
         "gross exposure beyond which a trader is paused; 0: no limit"},
        {"max-drawdown", "FRACTION", SB_OPTION_NUMBER, &self.options.max_drawdown, 0, 1,
         "drawdown beyond which a trader is paused; 0: no limit"},
        {"max-concentration", "FRACTION", SB_OPTION_NUMBER, &self.options.max_concentration, 0, 1,
         "largest position's share of the gross exposure; 0: no limit"},
        {"resume-after-ms", "MS", SB_OPTION_INTEGER, &self.options.resume_after_ms, 0, 86400000,
         "lift a pause of its own after this; 0: never"},
        {"step", "FRACTION", SB_OPTION_NUMBER, &self.options.step, 0, 1,
         "change through prices alone that is worth publishing"},
        {"max-traders", "COUNT", SB_OPTION_INTEGER, &self.options.max_traders, 1, 10000, "traders watched"},
        {"max-instruments", "COUNT", SB_OPTION_INTEGER, &self.options.max_instruments, 1, 1000000, "instruments kept"},
    };
    const sb_desk_program_t program = {
        .program = "syncbus-risk",
        .purpose =
            "Watches executions and prices: exposure, equity, drawdown, concentration, under category risk_metrics.\n"
            "Pauses a trader that passes a limit, with the reason in the audit log.",
        .examples = "  syncbus-risk --max-gross 100000 --max-drawdown 0.05\n"
                    "  syncbus-risk --max-drawdown 0.02 --resume-after-ms 60000 --json",
        .agent_id = "risk",
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
        .on_round = s_on_round,
        .on_grid = s_on_grid,
        .on_summary = s_on_summary,
        .stop = s_stop,
    };
    return sb_desk_main (&program, argc, argv);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus-scanner: market data and indicators to signals.
 *
 * Reads market_data and technical, and the trainer's weights from performance; writes scanner_data, one subject
 * for each instrument, only when its signal or confidence bucket changed: readers get decisions, not ticks. State that
 * a join or a repair brought is taken in, but no signal is made of it, nor while some of the input is lost.
 * restart forgets instruments, signals and learned weights: all of it comes back with the next ticks.
 */
#include "sb_desk.h"
#include "sb_scanner.h"

#include <math.h>
#include <string.h>

typedef struct {
    sb_scanner_options_t options;
    sb_scanner_t *scanner;
    sb_scanner_signal_t last; /* last one published, for the grid */
    char last_signal[96];     /* "buy us:BAC" */
    uint64_t published;
    uint64_t not_sent; /* kept by the library, or refused at once */
} s_context_t;

/* A field of the feed: its name, or that with a window behind it (sma_20), and where it goes. */
typedef struct {
    const char *name;
    size_t offset; /* in sb_scanner_observation_t */
} s_input_t;

static const s_input_t s_inputs[] = {
    {"price", offsetof (sb_scanner_observation_t, price)},
    {"bid", offsetof (sb_scanner_observation_t, bid)},
    {"ask", offsetof (sb_scanner_observation_t, ask)},
    {"sma", offsetof (sb_scanner_observation_t, sma)},
    {"ema", offsetof (sb_scanner_observation_t, ema)},
    {"rsi", offsetof (sb_scanner_observation_t, rsi)},
    {"vwap", offsetof (sb_scanner_observation_t, vwap)},
    {"volatility", offsetof (sb_scanner_observation_t, volatility)},
    {"realized_volatility", offsetof (sb_scanner_observation_t, volatility)},
};

static bool s_start (sb_desk_t *desk, void *context, char *error, size_t error_size)
{
    (void)desk;
    s_context_t *self = context;
    if (self->options.exit_score > self->options.enter_score) {
        snprintf (error, error_size, "--exit-score must not be above --enter-score");
        return false;
    }
    self->scanner = sb_scanner_new (&self->options);
    if (!self->scanner)
        snprintf (error, error_size, "no memory for %u instruments", self->options.max_instruments);
    return self->scanner != NULL;
}

static void s_stop (void *context)
{
    s_context_t *self = context;
    sb_scanner_destroy (&self->scanner);
}

/* True when `field` is `name`, or `name` with a window: sma, sma_20, sma.20. bid_size is no bid. */
static bool s_is_input (sb_text_t field, const char *name)
{
    size_t size = strlen (name);
    if (field.size < size || memcmp (field.data, name, size) != 0)
        return false;
    if (field.size == size)
        return true;
    return (field.data[size] == '_' || field.data[size] == '.') && field.size > size + 1 &&
           field.data[size + 1] >= '0' && field.data[size + 1] <= '9';
}

/* Collects the known inputs of an update. False when there is none. */
static bool s_observe (const sb_update_t *update, sb_scanner_observation_t *observation)
{
    *observation = (sb_scanner_observation_t){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    bool found = false;
    for (uint32_t i = 0; i < update->change_count; i++) {
        const sb_change_t *change = &update->changes[i];
        for (size_t k = 0; k < sizeof s_inputs / sizeof s_inputs[0] && !change->is_delete; k++)
            if (s_is_input (change->name, s_inputs[k].name)) {
                double number = sb_value_number (&change->value, NAN);
                memcpy ((char *)observation + s_inputs[k].offset, &number, sizeof number);
                found |= !isnan (number);
                break;
            }
    }
    return found;
}

static void s_publish (sb_desk_t *desk, s_context_t *self, sb_text_t subject_text, const sb_update_t *cause,
                       const sb_scanner_signal_t *signal)
{
    char subject[SB_ID_MAX + 1];
    snprintf (subject, sizeof subject, "%.*s", (int)subject_text.size, subject_text.data);
    sb_change_t changes[8 + SB_COMPONENT_COUNT];
    uint32_t count = 0;
    changes[count++] = sb_string ("signal", sb_signal_names[signal->signal]);
    changes[count++] = sb_number ("confidence", signal->confidence);
    changes[count++] = sb_number ("score", signal->score);
    changes[count++] = sb_number ("volatility_scale", signal->volatility_scale);
    changes[count++] = sb_number ("price", signal->price);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        changes[count++] = sb_number (sb_component_names[i].name, signal->components[i]);
    sb_agent_update_t update = {.category = "scanner_data",
                                .subject = subject,
                                .changes = changes,
                                .change_count = count,
                                .event_unix_ns = cause ? cause->event_unix_ns : 0,
                                .origin_unix_ns = cause ? cause->origin_unix_ns : 0};
    if (sb_desk_send (desk, &update, 1, NULL) == SB_REASON_NONE)
        self->published++;
    else
        self->not_sent++;
    self->last = *signal;
    snprintf (self->last_signal, sizeof self->last_signal, "%s %s", sb_signal_names[signal->signal], subject);
}

/* The trainer's weights; an update without all of them is about something else. */
static void s_heed (sb_desk_t *desk, s_context_t *self, const sb_update_t *update)
{
    double weights[SB_COMPONENT_COUNT];
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        weights[i] = sb_desk_number (update, sb_component_names[i].weight, NAN);
        if (isnan (weights[i]))
            return;
    }
    if (!sb_scanner_set_weights (self->scanner, weights))
        sb_desk_log (desk, "weights refused: each must be 0 to 1, their sum 1");
}

static void s_on_update (sb_desk_t *desk, const sb_desk_update_t *update, void *context)
{
    s_context_t *self = context;
    if (sb_desk_is (update->category, "performance")) {
        s_heed (desk, self, update->update);
        return;
    }
    sb_scanner_observation_t observation;
    sb_scanner_signal_t signal;
    if (!update->subject.size || !s_observe (update->update, &observation))
        return;
    if (!update->is_news || !sb_desk_is_current (desk))
        sb_scanner_learn (self->scanner, update->subject, &observation);
    else if (sb_scanner_observe (self->scanner, update->subject, &observation, &signal))
        s_publish (desk, self, update->subject, update->update, &signal);
}

/* Signals on stale data are none: hold. */
static void s_on_quality (sb_desk_t *desk, const sb_desk_quality_t *quality, void *context)
{
    s_context_t *self = context;
    sb_scanner_signal_t signal;
    if (quality->is_stale && sb_desk_is (quality->category, "market_data") &&
        sb_scanner_stale (self->scanner, quality->subject, &signal))
        s_publish (desk, self, quality->subject, NULL, &signal);
}

static void s_on_command (sb_desk_t *desk, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (strcmp (command->name, "restart") != 0)
        return;
    if (sb_scanner_reset (self->scanner))
        sb_desk_answer (reply, SB_REASON_NONE, "instruments, signals and weights forgotten");
    else
        sb_desk_answer (reply, SB_REASON_AGENT_REFUSED, "no memory: nothing was forgotten");
}

static void s_on_grid (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    sb_desk_grid (desk, "scanning", self->published ? self->last.confidence : NAN,
                  self->published ? self->last_signal : NULL, NAN);
}

static void s_on_summary (sb_desk_t *desk, sb_summary_t *summary, void *context)
{
    (void)desk;
    s_context_t *self = context;
    sb_scanner_counts_t counts;
    sb_scanner_counts (self->scanner, &counts);
    sb_summary_integer (summary, "instruments", counts.instruments);
    sb_summary_integer (summary, "observations", counts.observations);
    sb_summary_integer (summary, "state_learned", counts.learned);
    sb_summary_integer (summary, "signals_published", self->published);
    sb_summary_integer (summary, "signals_not_sent", self->not_sent);
    sb_summary_integer (summary, "unchanged", counts.unchanged);
    for (int i = 0; i < SB_SIGNAL_COUNT; i++) {
        char key[32];
        snprintf (key, sizeof key, "signals.%s", sb_signal_names[i]);
        sb_summary_integer (summary, key, counts.signals[i]);
    }
    sb_summary_integer (summary, "bad_values", counts.bad_values);
    sb_summary_integer (summary, "no_room", counts.no_room);
    sb_summary_integer (summary, "weights_taken", counts.weights_taken);
    sb_summary_integer (summary, "weights_refused", counts.weights_refused);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        sb_summary_number (summary, sb_component_names[i].weight, sb_scanner_weights (self->scanner)[i]);
}

int main (int argc, char **argv)
{
    s_context_t self = {.options = sb_scanner_options_default ()};
    static const char *const interests[] = {"market_data", "technical", "performance"};
    static const char *const publishes[] = {"scanner_data"};
    const sb_option_t options[] = {
        {"enter-score", "SCORE", SB_OPTION_NUMBER, &self.options.enter_score, 0.01, 1, "a signal begins here"},
        {"exit-score", "SCORE", SB_OPTION_NUMBER, &self.options.exit_score, 0, 1, "and ends below this"},
        {"momentum-range", "FRACTION", SB_OPTION_NUMBER, &self.options.momentum_range, 1e-9, 10,
         "distance from the averages that counts as full momentum"},
        {"value-range", "FRACTION", SB_OPTION_NUMBER, &self.options.value_range, 1e-9, 10,
         "distance from the vwap that counts as full value"},
        {"volatility-reference", "VALUE", SB_OPTION_NUMBER, &self.options.volatility_reference, 1e-12, 1e6,
         "volatility beyond which scores are scaled down"},
        {"confidence-step", "STEP", SB_OPTION_NUMBER, &self.options.confidence_step, 0.01, 1,
         "width of a confidence bucket"},
        {"max-instruments", "COUNT", SB_OPTION_INTEGER, &self.options.max_instruments, 1, 1000000,
         "instruments kept; more are left out and counted"},
    };
    const sb_desk_program_t program = {
        .program = "syncbus-scanner",
        .purpose = "Turns market data and indicators into signals (buy, sell, hold) with a confidence, under category\n"
                   "scanner_data, one subject for each instrument. Heeds the trainer's weights.",
        .examples = "  syncbus-scanner\n  syncbus-scanner --ingress tcp://10.0.0.5:5570 --enter-score 0.4 --json",
        .agent_id = "scanner",
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
        .on_grid = s_on_grid,
        .on_summary = s_on_summary,
        .stop = s_stop,
    };
    return sb_desk_main (&program, argc, argv);
}

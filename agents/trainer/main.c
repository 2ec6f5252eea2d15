/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus-trainer: learns from trades which components of the score to trust.
 *
 * Reads trades, and other trainers' performance; writes performance (empty subject): weights, pnl laid to each
 * component, hit rate. Commands: rebalance_weights {min_weight} and reset. restart does what reset does: it begins
 * to learn anew from equal weights.
 */
#include "sb_desk.h"
#include "sb_trainer.h"

#include <math.h>
#include <string.h>

typedef struct {
    sb_trainer_options_t options;
    sb_trainer_t *trainer;
    bool is_unpublished; /* weights that nobody was told of yet */
    uint64_t published;
    uint64_t peers_heard; /* performance of other trainers */
    uint64_t rebalances;
    uint64_t resets;
} s_context_t;

static bool s_start (sb_desk_t *desk, void *context, char *error, size_t error_size)
{
    (void)desk;
    s_context_t *self = context;
    self->trainer = sb_trainer_new (&self->options);
    self->is_unpublished = true;
    if (!self->trainer)
        snprintf (error, error_size, "no memory");
    return self->trainer != NULL;
}

static void s_stop (void *context)
{
    s_context_t *self = context;
    sb_trainer_destroy (&self->trainer);
}

/* Publishes where the trainer stands. `cause` (may be NULL) is the trade that led to it. */
static void s_publish (sb_desk_t *desk, s_context_t *self, const sb_update_t *cause)
{
    const sb_trainer_state_t *state = sb_trainer_state (self->trainer);
    sb_change_t changes[6 + 2 * SB_COMPONENT_COUNT];
    uint32_t count = 0;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        changes[count++] = sb_number (sb_component_names[i].weight, state->weights[i]);
        changes[count++] = sb_number (sb_component_names[i].attributed, state->attributed[i]);
    }
    changes[count++] = sb_number ("min_weight", state->min_weight);
    changes[count++] = sb_number ("hit_rate", state->hit_rate);
    changes[count++] = sb_number ("realized_pnl", state->realized_pnl);
    changes[count++] = sb_number ("fees", state->fees);
    changes[count++] = sb_integer ("trades", (int64_t)state->trades);
    changes[count++] = sb_integer ("closings", (int64_t)state->closings);
    const sb_agent_update_t update = {.category = "performance",
                                      .changes = changes,
                                      .change_count = count,
                                      .event_unix_ns = cause ? cause->event_unix_ns : 0,
                                      .origin_unix_ns = cause ? cause->origin_unix_ns : 0};
    self->published += sb_desk_send (desk, &update, 1, NULL) == SB_REASON_NONE;
    self->is_unpublished = false;
}

static void s_on_update (sb_desk_t *desk, const sb_desk_update_t *update, void *context)
{
    s_context_t *self = context;
    if (sb_desk_is (update->category, "performance")) {
        self->peers_heard += update->is_news && !sb_desk_is (update->agent_id, sb_desk_agent_id (desk));
        return;
    }
    /* A trade is learned from once, when it happens. */
    if (!update->is_news)
        return;
    sb_trainer_trade_t trade = {
        .price = sb_desk_number (update->update, "price", NAN),
        .fee = sb_desk_number (update->update, "fee", 0),
        .closed_quantity = sb_desk_number (update->update, "closed_quantity", 0),
        .realized_pnl = sb_desk_number (update->update, "realized_pnl", 0),
    };
    double direction = sb_desk_number (update->update, "closed_direction", 0);
    trade.closed_direction = direction > 0 ? 1 : direction < 0 ? -1 : 0;
    for (int i = 0; i < SB_COMPONENT_COUNT; i++)
        trade.entry[i] = sb_desk_number (update->update, sb_component_names[i].entry, 0);
    if (sb_trainer_trade (self->trainer, &trade))
        s_publish (desk, self, update->update);
}

/* Weights from the start on, and after commands; not before there is somebody to tell. */
static void s_on_round (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    if (self->is_unpublished && sb_desk_is_active (desk))
        s_publish (desk, self, NULL);
}

static void s_answer_weights (const s_context_t *self, sb_agent_command_reply_t *reply, const char *text)
{
    const sb_trainer_state_t *state = sb_trainer_state (self->trainer);
    sb_desk_answer (reply, SB_REASON_NONE, text);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        const char *name = sb_component_names[i].weight;
        reply->values[reply->value_count].name = (sb_text_t){name, (uint32_t)strlen (name)};
        reply->values[reply->value_count++].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = state->weights[i]};
    }
}

static void s_rebalance (s_context_t *self, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply)
{
    double min_weight = NAN;
    for (uint32_t i = 0; i < command->parameter_count; i++) {
        const sb_parameter_t *parameter = &command->parameters[i];
        sb_value_kind_t kind = parameter->value.kind;
        if (!sb_desk_is (parameter->name, "min_weight")) {
            sb_desk_answer (reply, SB_REASON_AGENT_REFUSED, "rebalance_weights takes min_weight and nothing else");
            return;
        }
        if (kind == SB_VALUE_NUMBER || kind == SB_VALUE_INTEGER || kind == SB_VALUE_DECIMAL)
            min_weight = sb_value_number (&parameter->value, NAN);
    }
    if (!sb_trainer_rebalance (self->trainer, min_weight)) {
        char text[128];
        snprintf (text, sizeof text, "min_weight is needed, a number from 0 to %.6f", 1.0 / SB_COMPONENT_COUNT);
        sb_desk_answer (reply, SB_REASON_AGENT_REFUSED, text);
        return;
    }
    self->rebalances++;
    self->is_unpublished = true;
    s_answer_weights (self, reply, "rebalanced");
}

static void s_on_command (sb_desk_t *desk, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)desk;
    s_context_t *self = context;
    if (strcmp (command->name, "rebalance_weights") == 0)
        s_rebalance (self, command, reply);
    else if (strcmp (command->name, "reset") == 0 || strcmp (command->name, "restart") == 0) {
        sb_trainer_reset (self->trainer);
        self->resets++;
        self->is_unpublished = true;
        s_answer_weights (self, reply, "what was learned is forgotten: weights are equal");
    }
}

static void s_on_grid (sb_desk_t *desk, void *context)
{
    s_context_t *self = context;
    const sb_trainer_state_t *state = sb_trainer_state (self->trainer);
    int best = 0;
    for (int i = 1; i < SB_COMPONENT_COUNT; i++)
        if (state->weights[i] > state->weights[best])
            best = i;
    char signal[64];
    snprintf (signal, sizeof signal, "%s %.2f", sb_component_names[best].name, state->weights[best]);
    sb_desk_grid (desk, "training", state->closings ? round (state->hit_rate * 100) / 100 : NAN, signal,
                  state->closings ? state->realized_pnl - state->fees : NAN);
}

static void s_on_summary (sb_desk_t *desk, sb_summary_t *summary, void *context)
{
    (void)desk;
    s_context_t *self = context;
    const sb_trainer_state_t *state = sb_trainer_state (self->trainer);
    sb_summary_integer (summary, "trades", state->trades);
    sb_summary_integer (summary, "closings", state->closings);
    sb_summary_integer (summary, "hits", state->hits);
    sb_summary_number (summary, "hit_rate", state->hit_rate);
    sb_summary_number (summary, "realized_pnl", state->realized_pnl);
    sb_summary_number (summary, "fees", state->fees);
    sb_summary_number (summary, "min_weight", state->min_weight);
    for (int i = 0; i < SB_COMPONENT_COUNT; i++) {
        sb_summary_number (summary, sb_component_names[i].weight, state->weights[i]);
        sb_summary_number (summary, sb_component_names[i].attributed, state->attributed[i]);
    }
    sb_summary_integer (summary, "published", self->published);
    sb_summary_integer (summary, "rebalances", self->rebalances);
    sb_summary_integer (summary, "resets", self->resets);
    sb_summary_integer (summary, "peers_heard", self->peers_heard);
    sb_summary_integer (summary, "bad_trades", state->bad_trades);
}

int main (int argc, char **argv)
{
    s_context_t self = {.options = sb_trainer_options_default ()};
    static const char *const interests[] = {"trades", "performance"};
    static const char *const publishes[] = {"performance"};
    const sb_option_t options[] = {
        {"min-weight", "WEIGHT", SB_OPTION_NUMBER, &self.options.min_weight, 0, 1.0 / SB_COMPONENT_COUNT,
         "no component's weight falls below this"},
        {"learning-rate", "RATE", SB_OPTION_NUMBER, &self.options.learning_rate, 1e-6, 10,
         "how fast weights follow the pnl"},
        {"return-scale", "FRACTION", SB_OPTION_NUMBER, &self.options.return_scale, 1e-9, 10,
         "a trade's return that counts fully"},
    };
    const sb_desk_program_t program = {
        .program = "syncbus-trainer",
        .purpose =
            "Learns from the trader's trades how far to trust each component of the scanner's score, and publishes\n"
            "the weights under category performance. They sum to 1.",
        .examples = "  syncbus-trainer --min-weight 0.05 --learning-rate 0.1\n"
                    "  syncbus send_command trainer rebalance_weights min_weight=0.2",
        .agent_id = "trainer",
        .interests = interests,
        .interest_count = sizeof interests / sizeof interests[0],
        .publishes = publishes,
        .publish_count = sizeof publishes / sizeof publishes[0],
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .context = &self,
        .start = s_start,
        .on_update = s_on_update,
        .on_command = s_on_command,
        .on_round = s_on_round,
        .on_grid = s_on_grid,
        .on_summary = s_on_summary,
        .stop = s_stop,
    };
    return sb_desk_main (&program, argc, argv);
}

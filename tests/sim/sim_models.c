/* SPDX-License-Identifier: MPL-2.0
 *
 * The tables of breaker, liveness and operators' orders in their simplest form: which moves there are, and the soonest
 * and latest time of each. After each step that can move them the broker's word is compared; how it came to it is not
 * looked at. Also the bounds, at each tick.
 */
#include "sim_checker.h"

#include "core_internal.h"

#include <inttypes.h>
#include <string.h>

enum { LATE_PERCENT = 110, WALK_TICKS = 20 };

bool sim_checker_is_stopped (const sim_t *self)
{
    return self->checker->is_stopped;
}

bool sim_checker_is_paused (const sim_t *self, uint32_t agent)
{
    return self->checker->models[agent].is_paused;
}

bool sim_checker_is_isolated (const sim_t *self, uint32_t agent)
{
    return self->checker->models[agent].is_isolated;
}

uint64_t sim_checker_latch_epoch (const sim_t *self)
{
    return self->checker->latch_epoch;
}

void sim_models_start (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    const sb_control_state_t *kept = &self->disk.state;
    memset (checker->models, 0, sizeof checker->models);
    memset (checker->orders, 0, sizeof checker->orders);
    checker->ticked_ns = 0;
    checker->ticks = checker->tick_timeouts = 0;
    checker->is_put_off = false;
    checker->is_stopped = kept->stopped;
    checker->latch_epoch = kept->latch_epoch;
    for (uint32_t i = 0; i < kept->operator_count; i++) {
        int32_t agent = sim_agent_of (self, kept->operators[i].agent_id);
        if (agent < 0)
            continue;
        checker->models[agent].is_paused = kept->operators[i].paused;
        checker->models[agent].is_isolated = kept->operators[i].isolated;
    }
}

/* ------------------------------------------------------------------ operators */

void sim_models_before (sim_t *self, const sb_event_t *event)
{
    sim_checker_t *checker = self->checker;
    checker->tick_late_ns = 0;
    if (event->kind == SB_EVENT_TICK) { /* what the tick before left over is late only since then */
        uint64_t due_ns = sb_core_deadline (self->core);
        due_ns = due_ns < checker->ticked_ns ? checker->ticked_ns : due_ns;
        checker->tick_late_ns = self->now_ns > due_ns ? self->now_ns - due_ns : 0;
        checker->ticked_ns = self->now_ns;
    }
    if (event->kind != SB_EVENT_COMMAND)
        return;
    sim_order_t *order = &checker->orders[checker->order_next++ % SIM_ORDERS];
    *order = (sim_order_t){.token = event->command.token};
    int32_t agent = sim_agent_of (self, event->command.request->agent_id);
    order->agent = agent < 0 ? 0 : (uint32_t)agent;
    memcpy (order->command, event->command.request->command.data, event->command.request->command.size);
}

/* In force from the step of the command on, whatever the disk says later. */
static void s_put_into_force (sim_t *self, const sim_order_t *order)
{
    sim_model_t *model = &self->checker->models[order->agent];
    if (strcmp (order->command, "pause_agent") == 0)
        model->is_paused = true;
    else if (strcmp (order->command, "resume_agent") == 0)
        model->is_paused = false;
    else if (strcmp (order->command, "isolate_agent") == 0)
        model->is_isolated = true;
    else if (strcmp (order->command, "release_agent") == 0)
        model->is_isolated = false;
    else if (strcmp (order->command, "emergency_stop") == 0)
        self->checker->is_stopped = true;
    else if (strcmp (order->command, "emergency_clear") == 0)
        self->checker->is_stopped = false;
    else if (strcmp (order->command, "restart_agent") == 0)
        model->failed_count = 0;
}

void sim_models_reply (sim_t *self, const sb_event_t *event, uint64_t token, const sb_command_reply_t *reply)
{
    sim_checker_t *checker = self->checker;
    for (uint32_t i = 0; i < SIM_ORDERS; i++) {
        sim_order_t *order = &checker->orders[i];
        if (order->token != token)
            continue;
        order->token = 0;
        bool is_later = event->kind != SB_EVENT_COMMAND || event->command.token != token;
        if (is_later && reply->code != SB_REASON_NONE && strcmp (order->command, "send_command") != 0)
            sim_fail (self, "%s is put into force, then refused with %d", order->command, (int)reply->code);
        if (!is_later && reply->code == SB_REASON_NONE)
            s_put_into_force (self, order);
        return;
    }
    sim_fail (self, "a second reply to command %" PRIu64, token);
}

/* After the command's step: not answered yet means that only the disk is waited for. */
static void s_check_order (sim_t *self, uint64_t token)
{
    for (uint32_t i = 0; i < SIM_ORDERS; i++)
        if (self->checker->orders[i].token == token)
            s_put_into_force (self, &self->checker->orders[i]);
}

/* The tick has left nothing over. */
static bool s_is_done (const sim_t *self)
{
    return sb_core_deadline (self->core) > self->now_ns;
}

/* ------------------------------------------------------------------ breaker */

static bool s_is_command (const sb_event_t *event, const char *command)
{
    return event->kind == SB_EVENT_COMMAND && sim_text_is (event->command.request->command, command);
}

/* The fifth failure within the window: seen from outside, by the count of failures alone. */
static bool s_may_open (const sim_t *self, const sim_model_t *model)
{
    uint32_t threshold = self->config.failure_threshold;
    if (model->failed_count < threshold)
        return false;
    uint64_t oldest_ns = model->failed_ns[(model->failed_count - threshold) % 32];
    return self->now_ns - oldest_ns <= self->config.failure_window_ms * SIM_MS;
}

static bool s_breaker_may (const sim_t *self, const sim_model_t *model, int to, const sb_event_t *event,
                           bool has_failed)
{
    if (to == SB_BREAKER_FORCED_OPEN)
        return s_is_command (event, "isolate_agent");
    switch (model->breaker) {
    case SB_BREAKER_CLOSED:
        return to == SB_BREAKER_OPEN && has_failed && s_may_open (self, model);
    case SB_BREAKER_OPEN:
        if (to == SB_BREAKER_CLOSED)
            return s_is_command (event, "restart_agent");
        return self->now_ns >= model->opened_ns + model->wait_ns && (to == SB_BREAKER_HALF_OPEN || has_failed);
    case SB_BREAKER_HALF_OPEN:
        if (to == SB_BREAKER_CLOSED)
            return s_is_command (event, "restart_agent") || event->kind == SB_EVENT_TICK;
        return to == SB_BREAKER_OPEN && has_failed;
    case SB_BREAKER_FORCED_OPEN:
        return to == SB_BREAKER_HALF_OPEN && s_is_command (event, "release_agent");
    default:
        return false;
    }
}

static void s_opened (sim_t *self, sim_model_t *model)
{
    uint64_t least_ns = self->config.recovery_delay_ms * SIM_MS;
    uint64_t most_ns = self->config.recovery_delay_max_ms * SIM_MS;
    bool is_again = model->breaker == SB_BREAKER_HALF_OPEN && model->wait_ns;
    model->wait_ns = is_again ? 2 * model->wait_ns : least_ns;
    if (model->wait_ns > most_ns)
        model->wait_ns = most_ns;
    model->opened_ns = self->now_ns;
}

static void s_check_breaker (sim_t *self, sim_model_t *model, const sb_agent_record_t *record, const sb_event_t *event)
{
    int state = sim_canary (self, SIM_CANARY_breaker) ? (int)SB_BREAKER_HALF_OPEN : (int)record->breaker.state;
    uint64_t new_failures = record->breaker.failures - model->failures;
    self->checks++;
    model->failures = record->breaker.failures;
    for (uint64_t i = 0; i < new_failures && model->breaker == SB_BREAKER_CLOSED; i++)
        model->failed_ns[model->failed_count++ % 32] = self->now_ns;
    /* The wait over and a failure, in one step: it was half open in between. */
    bool is_again = record->breaker.open_count != model->open_count && state == SB_BREAKER_OPEN;
    model->open_count = record->breaker.open_count;
    if (state != model->breaker || is_again) {
        if (!s_breaker_may (self, model, state, event, new_failures > 0))
            sim_fail (self, "%s: the breaker goes from %d to %d in an event of kind %d", record->id, model->breaker,
                      state, (int)event->kind);
        if (state == SB_BREAKER_OPEN)
            s_opened (self, model);
        else if (state == SB_BREAKER_CLOSED || state == SB_BREAKER_FORCED_OPEN)
            model->wait_ns = 0;
        model->failed_count = 0;
        model->breaker = state;
    } else if (state == SB_BREAKER_CLOSED && s_may_open (self, model)) {
        sim_fail (self, "%s: %u failures within the window, and the breaker is closed", record->id,
                  self->config.failure_threshold);
    } else if (state == SB_BREAKER_OPEN && event->kind == SB_EVENT_TICK && s_is_done (self)) {
        uint64_t latest_ns = self->config.recovery_delay_max_ms * SIM_MS * LATE_PERCENT / 100;
        if (self->now_ns > model->opened_ns + latest_ns)
            sim_fail (self, "%s: the breaker stays open", record->id);
    }
    if ((state == SB_BREAKER_FORCED_OPEN) != model->is_isolated)
        sim_fail (self, "%s: isolated %d by the operators, breaker in state %d", record->id, model->is_isolated, state);
}

/* ------------------------------------------------------------------ liveness */

static bool s_liveness_may (const sim_model_t *model, const sb_agent_record_t *record, int to, const sb_event_t *event,
                            uint64_t silence_ns)
{
    uint64_t interval_ns = record->liveness.interval_ns;
    bool is_message = event->kind == SB_EVENT_MESSAGE;
    switch (to) {
    case SB_LIVENESS_REGISTERED:
        return is_message && event->message.message->kind == SB_AGENT_MESSAGE_REGISTRATION;
    case SB_LIVENESS_LIVE:
        if (model->liveness == SB_LIVENESS_RECOVERING)
            return is_message && event->message.message->kind == SB_AGENT_MESSAGE_REGISTRATION;
        return is_message && (model->liveness == SB_LIVENESS_REGISTERED || model->liveness == SB_LIVENESS_SUSPECT);
    case SB_LIVENESS_SUSPECT:
        return event->kind == SB_EVENT_TICK && model->liveness == SB_LIVENESS_LIVE && silence_ns >= 3 * interval_ns;
    case SB_LIVENESS_DEAD:
        if (event->kind != SB_EVENT_TICK)
            return false;
        if (model->liveness == SB_LIVENESS_REGISTERED)
            return silence_ns >= 16 * interval_ns;
        if (model->liveness == SB_LIVENESS_RECOVERING)
            return silence_ns >= SB_LIVENESS_RECOVERING_NS;
        return (model->liveness == SB_LIVENESS_SUSPECT || model->liveness == SB_LIVENESS_LIVE) &&
               silence_ns >= 8 * interval_ns;
    case SB_LIVENESS_OFFLINE:
        return is_message && event->message.message->kind == SB_AGENT_MESSAGE_GOODBYE;
    default:
        return false;
    }
}

static void s_check_liveness (sim_t *self, sim_model_t *model, const sb_agent_record_t *record, const sb_event_t *event)
{
    int state = (int)record->liveness.state;
    uint64_t interval_ns = record->liveness.interval_ns;
    bool is_tick = event->kind == SB_EVENT_TICK;
    self->checks++;
    if (is_tick && self->checker->tick_late_ns > interval_ns / 2)
        model->late_ns += self->checker->tick_late_ns;
    uint64_t silence_ns = self->now_ns - model->heard_ns;
    if (model->late_ns > silence_ns)
        model->late_ns = silence_ns;
    uint64_t judged_ns = silence_ns - model->late_ns;
    if (state != model->liveness) {
        if (!s_liveness_may (model, record, state, event, judged_ns))
            sim_fail (self, "%s: liveness goes from %d to %d after %.3f s of silence, in an event of kind %d",
                      record->id, model->liveness, state, (double)silence_ns / 1e9, (int)event->kind);
        model->liveness = state;
    }
    if (is_tick && s_is_done (self)) {
        uint64_t intervals = state == SB_LIVENESS_LIVE ? 3 : state == SB_LIVENESS_SUSPECT ? 8 : 16;
        bool is_judged = state == SB_LIVENESS_LIVE || state == SB_LIVENESS_SUSPECT || state == SB_LIVENESS_REGISTERED;
        if (is_judged && judged_ns > intervals * interval_ns + self->config.tick_interval_ms * SIM_MS)
            sim_fail (self, "%s: state %d after %.3f s of silence", record->id, state, (double)silence_ns / 1e9);
    }
}

/* ------------------------------------------------------------------ quality */

/* A tick that took longer than its budget puts its work off to the next whole one, and counts that. */
static void s_note_put_off (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    uint64_t ticks = self->core->counters[SB_COUNTER_ticks];
    uint64_t timeouts = self->core->counters[SB_COUNTER_tick_timeouts];
    if (timeouts != checker->tick_timeouts)
        checker->is_put_off = true;
    else if (ticks != checker->ticks)
        checker->is_put_off = false;
    checker->ticks = ticks;
    checker->tick_timeouts = timeouts;
}

/* Whoever is paused, isolated or gone for a while has no topic left that is called OK. */
static void s_check_quality (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    bool is_worked = s_is_done (self) && !checker->is_put_off;
    for (uint32_t i = 0; i < self->agent_count + self->liar_count; i++) {
        sim_model_t *model = &checker->models[i];
        bool is_gone = model->liveness == SB_LIVENESS_DEAD || model->liveness == SB_LIVENESS_OFFLINE;
        bool is_unwell = model->is_known && (model->is_paused || model->is_isolated || is_gone);
        model->unwell_ticks = is_unwell ? model->unwell_ticks + is_worked : 0;
    }
    for (uint32_t i = 1; i <= checker->topic_count; i++) {
        const sim_topic_t *topic = &checker->topics[i];
        if (topic->agent < 0 || topic->is_event || topic->field_count == 0 || topic->quality != SB_QUALITY_OK)
            continue;
        self->checks++;
        if (checker->models[topic->agent].unwell_ticks > WALK_TICKS)
            sim_fail (self, "%s is called OK, and its agent is paused, isolated or gone", topic->text);
    }
}

/* ------------------------------------------------------------------ bounds */

static void s_check_bounds (sim_t *self)
{
    const sb_core_t *core = self->core;
    const sb_core_config_t *config = &self->config;
    self->checks += 4;
    if (core->fields.used > config->max_fields)
        sim_fail (self, "%u fields, %u allowed", core->fields.used, config->max_fields);
    if (core->state_topics > config->max_topics)
        sim_fail (self, "%u topics, %u allowed", core->state_topics, config->max_topics);
    if (core->values.taken_bytes > config->max_value_bytes)
        sim_fail (self, "%" PRIu64 " octets of values", core->values.taken_bytes);
    if (sb_core_agent_count (core) > config->max_agents)
        sim_fail (self, "%u agents, %u allowed", sb_core_agent_count (core), config->max_agents);
    for (uint32_t slot = 0;;) {
        const sb_category_t *category = sb_core_next_category (core, slot);
        if (!category)
            break;
        slot = sb_core_category_slot (core, category);
        self->checks++;
        if (category->history_updates > category->history_limit && category->ring_count > 1)
            sim_fail (self, "%u updates of history, %u allowed", category->history_updates, category->history_limit);
    }
}

/* ------------------------------------------------------------------ one step */

static void s_check_agent (sim_t *self, uint32_t agent, const sb_event_t *event)
{
    sim_model_t *model = &self->checker->models[agent];
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, agent));
    if (!record || !record->slot) {
        model->is_known = false;
        return;
    }
    if (!model->is_known) {
        bool is_paused = model->is_paused, is_isolated = model->is_isolated;
        *model = (sim_model_t){.is_known = true, .is_paused = is_paused, .is_isolated = is_isolated};
        model->liveness = (int)record->liveness.state;
        model->breaker = is_isolated ? SB_BREAKER_FORCED_OPEN : SB_BREAKER_CLOSED;
        model->heard_ns = self->now_ns;
    }
    s_check_breaker (self, model, record, event);
    s_check_liveness (self, model, record, event);
    if (record->operator_state.paused != model->is_paused)
        sim_fail (self, "%s: paused %d by the operators, %d by the broker", record->id, model->is_paused,
                  record->operator_state.paused);
    if (record->refused_count > self->config.max_unacked)
        sim_fail (self, "%s: %u refusals remembered", record->id, record->refused_count);
}

void sim_models_after (sim_t *self, const sb_event_t *event)
{
    if (event->kind == SB_EVENT_FLUSH || event->kind == SB_EVENT_PEER_LOST)
        return;
    if (event->kind == SB_EVENT_MESSAGE || event->kind == SB_EVENT_BAD_MESSAGE) {
        uint64_t peer = event->kind == SB_EVENT_MESSAGE ? event->message.peer : event->bad_message.peer;
        const sim_ledger_t *ledger = sim_session_ledger (self->checker, peer);
        const sb_agent_record_t *record = sb_core_find_peer (self->core, peer);
        if (!ledger)
            return;
        bool is_heard = record && event->kind == SB_EVENT_MESSAGE;
        if (is_heard && event->message.message->kind != SB_AGENT_MESSAGE_REGISTRATION) {
            self->checker->models[ledger->agent].heard_ns = self->now_ns;
            self->checker->models[ledger->agent].late_ns = 0;
        }
        s_check_agent (self, ledger->agent, event);
        return;
    }
    if (event->kind == SB_EVENT_COMMAND)
        s_check_order (self, event->command.token);
    for (uint32_t i = 0; i < self->agent_count + self->liar_count; i++)
        s_check_agent (self, i, event);
    if (sb_core_is_stopped (self->core) != self->checker->is_stopped)
        sim_fail (self, "stopped %d by the operators, %d by the broker", self->checker->is_stopped,
                  sb_core_is_stopped (self->core));
    self->checker->latch_epoch = self->core->latch.epoch;
    if (event->kind == SB_EVENT_TICK) {
        s_note_put_off (self);
        s_check_quality (self);
        s_check_bounds (self);
    }
}

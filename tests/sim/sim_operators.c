/* SPDX-License-Identifier: MPL-2.0
 *
 * Operators: one command at a time over the command endpoint, through the core's own checks. Which of them may be
 * expected to work is not their business; the checker learns from the replies what is in force.
 */
#include "sim.h"
#include "sim_checker.h"

#include <inttypes.h>
#include <stdio.h>

enum { TIMEOUT_MS = 5000 };

typedef struct {
    const char *command;
    sim_fault_t fault;
    uint32_t weight;
    bool has_agent;
    bool has_epoch;
} s_action_t;

/* Lifting is more frequent than imposing, or the fleet would stand still most of the time. */
static const s_action_t s_actions[] = {
    {"pause_agent", SIM_FAULT_pause, 8, true, false},     {"resume_agent", SIM_FAULT_resume, 15, true, false},
    {"isolate_agent", SIM_FAULT_isolate, 3, true, false}, {"release_agent", SIM_FAULT_release, 8, true, false},
    {"restart_agent", SIM_FAULT_restart, 4, true, false}, {"emergency_stop", SIM_FAULT_stop, 2, false, false},
    {"emergency_clear", SIM_FAULT_clear, 8, false, true}, {"send_command", SIM_FAULT_send, 8, true, false}};
enum { ACTIONS = sizeof s_actions / sizeof *s_actions };

static void s_command (sim_t *self, const s_action_t *action, const char *agent, bool is_late)
{
    char id[32];
    snprintf (id, sizeof id, "c%" PRIu64, ++self->tokens);
    sb_parameter_t parameter = {.name = sb_text ("latch_epoch"), .value = {.kind = SB_VALUE_INTEGER}};
    parameter.value.integer = (int64_t)sim_checker_latch_epoch (self);
    bool is_send = action->fault == SIM_FAULT_send;
    if (is_send)
        parameter = (sb_parameter_t){sb_text ("command"), {.kind = SB_VALUE_TEXT, .text = sb_text ("reset_totals")}};
    sb_command_request_t request = {.command_id = sb_text (id),
                                    .command = sb_text (action->command),
                                    .agent_id = sb_text (action->has_agent ? agent : ""),
                                    .reason = sb_text ("simulated"),
                                    .issuer = sb_text ("operator"),
                                    .timeout_ms = TIMEOUT_MS,
                                    .protocol = 1,
                                    .parameters = &parameter,
                                    .parameter_count = action->has_epoch || is_send};
    if (is_late) {
        sim_note_fault (self, SIM_FAULT_expired);
        request.issued_unix_ns = sim_unix_ns (self) - (int64_t)(3 * TIMEOUT_MS * SIM_MS);
    }
    sim_note_fault (self, action->fault);
    sim_say (self, "OPERATOR %s %s", action->command, agent);
    sb_event_t event = {.kind = SB_EVENT_COMMAND, .command = {self->tokens, &request}};
    sim_broker_step (self, &event);
}

void sim_operator_act (sim_t *self)
{
    uint32_t total = 0, first = 0;
    for (uint32_t i = 0; i < ACTIONS; i++)
        total += s_actions[i].weight;
    uint32_t choice = sim_below (self, total);
    while (choice >= s_actions[first].weight)
        choice -= s_actions[first++].weight;
    uint32_t agent = sim_below (self, self->agent_count + self->liar_count);
    s_command (self, &s_actions[first], self->names[agent], sim_chance (self, 4));
}

void sim_operators_heal (sim_t *self)
{
    if (sim_checker_is_stopped (self))
        s_command (self, &s_actions[6], "", false);
    for (uint32_t i = 0; i < self->agent_count; i++) {
        if (sim_checker_is_paused (self, i))
            s_command (self, &s_actions[1], self->names[i], false);
        if (sim_checker_is_isolated (self, i))
            s_command (self, &s_actions[3], self->names[i], false);
    }
}

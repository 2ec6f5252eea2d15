/* SPDX-License-Identifier: MPL-2.0
 *
 * One action: mostly an agent's update, else a fault drawn from a table by weight. Faults of the network that hit
 * single messages are drawn in sim_network.c, at each message.
 */
#include "sim.h"

#include <inttypes.h>

enum { HELD_MS = 25000, BROKER_HELD_MS = 30000, STALL_MS = 12000, LINK_MS = 200, FLOOD_DELTAS = 30, SPARE = 12 };
enum { BATCH_DELTAS = 20, DAY_S = 86400 };

static void s_cut (sim_t *self, sim_process_t *process)
{
    if (!process->connection)
        return;
    sim_note_fault (self, SIM_FAULT_cut);
    sim_say (self, "CUT %s#%" PRIu64, self->names[process->agent], process->instance);
    process->link_pending = true;
    process->link_up = false;
    process->link_at_ns = self->now_ns + sim_below (self, LINK_MS) * SIM_MS;
}

static void s_cut_subscription (sim_t *self, sim_process_t *process)
{
    if (!process->sub.pipe)
        return;
    sim_note_fault (self, SIM_FAULT_subscription_cut);
    sim_sub_cut (self, process);
}

static void s_hold (sim_t *self, sim_process_t *process)
{
    sim_note_fault (self, SIM_FAULT_agent_held);
    process->held_until_ns = self->now_ns + sim_below (self, HELD_MS) * SIM_MS;
    sim_say (self, "HELD %s#%" PRIu64, self->names[process->agent], process->instance);
}

static void s_replace (sim_t *self, sim_process_t *process, bool politely)
{
    if (self->process_count + self->agent_count / 8 + SPARE > SIM_PROCESSES_MAX)
        return;
    sim_note_fault (self, politely ? SIM_FAULT_agent_left : SIM_FAULT_agent_crashed);
    sim_say (self, "PROCESS %s#%" PRIu64 " ends", self->names[process->agent], process->instance);
    sim_process_end (self, process, politely);
    sim_process_start (self, process->agent);
}

static void s_crash (sim_t *self, sim_process_t *process)
{
    s_replace (self, process, false);
}

static void s_leave (sim_t *self, sim_process_t *process)
{
    s_replace (self, process, true);
}

static void s_twin (sim_t *self, sim_process_t *process)
{
    if (process->is_liar || self->process_count + SPARE > SIM_PROCESSES_MAX)
        return;
    sim_note_fault (self, SIM_FAULT_agent_twin);
    sim_process_start (self, process->agent);
}

static void s_flood (sim_t *self, sim_process_t *process)
{
    if (!process->step || self->now_ns < process->held_until_ns)
        return;
    sim_note_fault (self, SIM_FAULT_flood);
    for (uint32_t i = 0; i < FLOOD_DELTAS; i++)
        sim_update (self, process, 1 + sim_below (self, BATCH_DELTAS), false);
}

static void s_noise (sim_t *self, sim_process_t *process)
{
    if (!process->connection || !self->core)
        return;
    sim_note_fault (self, SIM_FAULT_noise);
    sb_event_t event = {.kind = SB_EVENT_BAD_MESSAGE,
                        .bad_message = {process->connection->peer, SB_REASON_MALFORMED, sb_text ("noise"), 10}};
    if (self->now_ns >= self->broker_held_until_ns)
        sim_broker_step (self, &event);
}

static void s_operate (sim_t *self, sim_process_t *process)
{
    (void)process;
    if (self->core && self->now_ns >= self->broker_held_until_ns)
        sim_operator_act (self);
}

static void s_crash_broker (sim_t *self, sim_process_t *process)
{
    (void)process;
    if (!self->core)
        return;
    sim_note_fault (self, SIM_FAULT_broker_crashed);
    sim_broker_stop (self, false);
}

static void s_end_broker (sim_t *self, sim_process_t *process)
{
    (void)process;
    if (!self->core || self->now_ns < self->broker_held_until_ns)
        return;
    sim_note_fault (self, SIM_FAULT_broker_ended);
    sim_broker_stop (self, true);
}

static void s_hold_broker (sim_t *self, sim_process_t *process)
{
    (void)process;
    if (!self->core)
        return;
    sim_note_fault (self, SIM_FAULT_broker_held);
    self->broker_held_until_ns = self->now_ns + sim_below (self, BROKER_HELD_MS) * SIM_MS;
    sim_say (self, "BROKER held");
}

static void s_jump_clock (sim_t *self, sim_process_t *process)
{
    (void)process;
    sim_note_fault (self, SIM_FAULT_clock_jumped);
    self->unix_offset_ns += ((int64_t)sim_below (self, 2 * DAY_S) - DAY_S) * 1000000000;
}

static void s_stall (sim_t *self, sim_process_t *process)
{
    (void)process;
    sim_note_fault (self, SIM_FAULT_clock_stalled);
    sim_say (self, "CLOCK stalls");
    self->now_ns += sim_below (self, STALL_MS) * SIM_MS;
}

static const struct {
    uint32_t weight;
    void (*act) (sim_t *self, sim_process_t *process);
} s_troubles[] = {{60, s_operate},   {15, s_cut},         {12, s_cut_subscription},
                  {7, s_hold},       {4, s_crash},        {3, s_leave},
                  {2, s_twin},       {6, s_flood},        {15, s_noise},
                  {1, s_end_broker}, {1, s_crash_broker}, {2, s_hold_broker},
                  {3, s_jump_clock}, {2, s_stall}};

void sim_act (sim_t *self)
{
    sim_process_t *process = self->current[sim_below (self, self->agent_count)];
    if (!process->is_running || process->is_final) { /* somebody else's turn under this id */
        if (sim_chance (self, 10) && self->process_count + SPARE <= SIM_PROCESSES_MAX)
            sim_process_start (self, process->agent);
        return;
    }
    if (!sim_chance (self, self->options.trouble_percent)) {
        if (self->now_ns >= process->held_until_ns)
            sim_update (self, process, sim_chance (self, 80) ? 1 : 1 + sim_below (self, BATCH_DELTAS),
                        sim_chance (self, 10));
        return;
    }
    uint32_t total = 0, choice = 0;
    for (uint32_t i = 0; i < sizeof s_troubles / sizeof *s_troubles; i++)
        total += s_troubles[i].weight;
    uint32_t rest = sim_below (self, total);
    while (rest >= s_troubles[choice].weight)
        rest -= s_troubles[choice++].weight;
    if (self->liar_count && sim_chance (self, 5))
        process = self->current[self->agent_count + sim_below (self, self->liar_count)];
    s_troubles[choice].act (self, process);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Virtual time: from one thing due to the next. Monotonic time is one for all, as on one machine; the wall clock is
 * that plus an offset that trouble moves. Whoever is held up reads nothing meanwhile and finds everything due at once.
 */
#include "sim.h"

enum { REAP_TURNS = 32 };
static const uint64_t least_step_ns = 100000; /* so that work left over ends without standing still */

int64_t sim_unix_ns (const sim_t *self)
{
    return SIM_UNIX_NS + (int64_t)self->now_ns + self->unix_offset_ns;
}

static uint64_t s_earlier (uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static uint64_t s_broker_next_ns (const sim_t *self)
{
    if (!self->core)
        return self->broker_down_until_ns;
    if (self->now_ns < self->broker_held_until_ns)
        return self->broker_held_until_ns;
    uint64_t next_ns = s_earlier (sb_core_deadline (self->core), sim_pubsub_next_ns (self));
    for (uint32_t i = 0; i < self->connection_high; i++)
        if (self->connections[i].is_used)
            next_ns = s_earlier (next_ns, sim_line_next_ns (&self->connections[i].up));
    return next_ns;
}

static void s_turn (sim_t *self, uint64_t until_ns)
{
    uint64_t next_ns = s_earlier (until_ns, s_broker_next_ns (self));
    for (uint32_t i = 0; i < self->process_count; i++)
        if (self->processes[i].is_running) {
            self->processes[i].next_ns = sim_process_next_ns (&self->processes[i]);
            next_ns = s_earlier (next_ns, self->processes[i].next_ns);
        }
    self->now_ns = next_ns > self->now_ns ? next_ns : self->now_ns + least_step_ns;
    if (!self->core && self->now_ns >= self->broker_down_until_ns)
        sim_broker_start (self);
    sim_broker_run (self);
    for (uint32_t i = 0; i < self->process_count; i++)
        if (self->processes[i].is_running && self->processes[i].next_ns <= self->now_ns)
            sim_process_run (self, &self->processes[i]);
    if (++self->turns % REAP_TURNS == 0)
        sim_network_reap (self);
}

void sim_run_for (sim_t *self, uint64_t milliseconds)
{
    uint64_t until_ns = self->now_ns + milliseconds * SIM_MS;
    while (self->now_ns < until_ns)
        s_turn (self, until_ns);
}

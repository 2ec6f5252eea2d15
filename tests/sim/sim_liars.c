/* SPDX-License-Identifier: MPL-2.0
 *
 * Agents that lie: they speak the protocol by hand, through the same codec, and badly. Whatever they say, nobody else
 * may notice, and the broker must keep its own word to them: the checker treats them as it treats everybody.
 */
#include "sim.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PACE_MS = 1500, FLOOD_DELTAS = 200, NOISE_SIZE = 40 };

static void s_send (sim_t *self, sim_process_t *process, const sb_agent_message_t *message)
{
    sim_network_to_broker (self, process->connection, message);
}

static void s_register (sim_t *self, sim_process_t *process, bool is_lie)
{
    sb_text_t interests[2] = {sb_text ("all"), sb_text ("..")};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    message.registration = (sb_registration_t){.protocol = 1,
                                               .agent_id = sim_name (self, process->agent),
                                               .instance_id = process->instance,
                                               .next_sequence = process->lie_sequence + 1,
                                               .interests = interests,
                                               .interest_count = 1,
                                               .heartbeat_interval_ms = 1000};
    if (is_lie) {
        sim_note_fault (self, SIM_FAULT_lie_registration);
        message.registration.protocol = sim_below (self, 3);
        message.registration.next_sequence = sim_below (self, 4) * sim_below (self, 1000);
        message.registration.instance_id = sim_below (self, 3) ? process->instance : 0;
        message.registration.interest_count = 1 + sim_below (self, 2);
        message.registration.heartbeat_interval_ms = sim_below (self, 2) * 70000;
    }
    s_send (self, process, &message);
}

static sb_delta_t s_delta (uint64_t sequence, sb_change_t *change)
{
    *change = (sb_change_t){.name = sb_text ("f1"), .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)sequence}};
    return (sb_delta_t){.category = sb_text ("risk"),
                        .update = {.sequence = sequence, .changes = change, .change_count = 1}};
}

static void s_send_delta (sim_t *self, sim_process_t *process, const sb_delta_t *delta)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {delta, 1}};
    s_send (self, process, &message);
}

static void s_lie_delta (sim_t *self, sim_process_t *process)
{
    static const char *const categories[] = {"risk", "Risk", "_event", "all", ""};
    static const char *const names[] = {"f1", "f..2", "", "f\xff", "x3"};
    sb_change_t changes[2];
    sb_delta_t delta = s_delta (++process->lie_sequence, &changes[0]);
    sim_note_fault (self, SIM_FAULT_lie_delta);
    delta.category = sb_text (categories[sim_below (self, 5)]);
    changes[0].name = sb_text (names[sim_below (self, 5)]);
    if (sim_chance (self, 30))
        changes[0].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = sim_chance (self, 50) ? INFINITY : 1.5};
    changes[1] = changes[0];
    delta.update.change_count = sim_below (self, 3);
    s_send_delta (self, process, &delta);
}

static void s_lie_sequence (sim_t *self, sim_process_t *process)
{
    const uint64_t sequences[] = {
        0, 1, process->lie_sequence, process->lie_sequence + 2 + sim_below (self, 50), SB_NUMBER_MAX, UINT64_MAX};
    sb_change_t change;
    sb_delta_t delta = s_delta (sequences[sim_below (self, 6)], &change);
    sim_note_fault (self, SIM_FAULT_lie_sequence);
    s_send_delta (self, process, &delta);
}

static void s_lie_counts (sim_t *self, sim_process_t *process)
{
    sb_interest_position_t seen = {
        .interest = sb_text ("all"), .sequence = SB_NUMBER_MAX, .category_sequence = sim_below (self, 1000)};
    uint64_t buckets[4] = {UINT64_MAX, 1, 2, 3};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){.received = sim_below (self, 100),
                                         .processed = UINT64_MAX,
                                         .failed = sim_below (self, 10),
                                         .dropped = SB_NUMBER_MAX,
                                         .seen = &seen,
                                         .seen_count = 1,
                                         .queue_depth = sim_below (self, 2) * UINT32_MAX,
                                         .processing_sum_ns = UINT64_MAX,
                                         .progress = sim_below (self, 5),
                                         .operator_revision = sim_below (self, 9),
                                         .latch_epoch = sim_below (self, 9),
                                         .paused = sim_chance (self, 50),
                                         .decided_through = sim_below (self, 2) * SB_NUMBER_MAX,
                                         .delivery_buckets = buckets,
                                         .delivery_bucket_count = 4};
    sim_note_fault (self, SIM_FAULT_lie_counts);
    s_send (self, process, &message);
}

static void s_lie_replacement (sim_t *self, sim_process_t *process)
{
    sb_change_t change;
    sb_delta_t topic = s_delta (0, &change);
    uint64_t sequence = process->lie_sequence + sim_below (self, 3);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    sim_note_fault (self, SIM_FAULT_lie_replacement);
    if (sim_chance (self, 80))
        s_send (self, process, &message);
    uint32_t chunks = sim_below (self, 3);
    for (uint32_t i = 0; i < chunks; i++) {
        topic.category = sb_text (i == 1 ? "trades" : "status");
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK};
        message.replace_chunk = (sb_replace_chunk_t){sequence + (sim_chance (self, 10) ? 1 : 0), &topic, 1};
        s_send (self, process, &message);
    }
    message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_END};
    message.replace_end = (sb_replace_mark_t){sequence, sim_chance (self, 70) ? chunks : 7};
    if (sim_chance (self, 80))
        s_send (self, process, &message);
    if (sequence == process->lie_sequence + 1)
        process->lie_sequence++;
}

static void s_lie_flood (sim_t *self, sim_process_t *process)
{
    sim_note_fault (self, SIM_FAULT_lie_flood);
    for (int i = 0; i < FLOOD_DELTAS; i++) {
        sb_change_t change;
        sb_delta_t delta = s_delta (++process->lie_sequence, &change);
        s_send_delta (self, process, &delta);
    }
}

static void s_make_noise (sim_t *self, sim_process_t *process)
{
    sim_octets_t *octets = sim_octets_new (NULL, 1 + sim_below (self, NOISE_SIZE));
    for (uint32_t i = 0; i < octets->size; i++)
        octets->data[i] = (uint8_t)sim_below (self, 256);
    sim_note_fault (self, SIM_FAULT_noise);
    sim_mix (self, octets->data, octets->size);
    sim_line_add (&process->connection->up, (sim_frame_t){self->now_ns, octets});
}

static void s_tell_truth (sim_t *self, sim_process_t *process)
{
    sb_change_t change;
    sb_delta_t delta = s_delta (++process->lie_sequence, &change);
    s_send_delta (self, process, &delta);
}

void sim_liar_start (sim_t *self, sim_process_t *process)
{
    process->is_liar = true;
    process->lie_at_ns = self->now_ns + SIM_MS;
}

/* What the broker says is heeded just enough to be taken in again. */
static void s_hear (sim_process_t *process, const sb_broker_message_t *message)
{
    if (message->kind == SB_BROKER_MESSAGE_WELCOME)
        process->lie_sequence = message->welcome.decided_through;
    else if (message->kind == SB_BROKER_MESSAGE_REFUSAL && message->refusal.expected_sequence)
        process->lie_sequence = message->refusal.expected_sequence - 1;
    else if (message->kind == SB_BROKER_MESSAGE_GOODBYE || message->kind == SB_BROKER_MESSAGE_REFUSAL)
        process->lie_is_registered = false;
}

static void s_listen (sim_t *self, sim_process_t *process)
{
    while (process->connection && sim_line_next_ns (&process->connection->down) <= self->now_ns) {
        sim_frame_t frame = sim_line_take (&process->connection->down);
        sb_broker_message_t message;
        sb_arena_reset (self->arena_in);
        sb_fault_t fault =
            sb_decode_broker_message (self->arena_in, frame.octets->data, frame.octets->size, 1 << 24, &message);
        if (fault.reason == SB_REASON_NONE)
            s_hear (process, &message);
        sim_octets_release (frame.octets);
    }
}

void sim_liar_run (sim_t *self, sim_process_t *process)
{
    static void (*const lies[]) (sim_t *, sim_process_t *) = {s_lie_delta,       s_lie_sequence, s_lie_counts,
                                                              s_lie_replacement, s_make_noise,   s_tell_truth,
                                                              s_tell_truth,      s_tell_truth,   s_lie_counts};
    if (process->link_pending && self->now_ns >= process->link_at_ns) {
        process->link_pending = false;
        sim_network_close (self, process->connection);
        process->connection = NULL;
    }
    s_listen (self, process);
    if (self->now_ns < process->lie_at_ns)
        return;
    process->lie_at_ns = self->now_ns + (1 + sim_below (self, 2 * PACE_MS)) * SIM_MS;
    if (!self->core)
        return;
    if (!process->connection) {
        process->connection = sim_network_connect (self);
        process->lie_is_registered = false;
    }
    if (!process->lie_is_registered) {
        process->lie_is_registered = true;
        s_register (self, process, sim_chance (self, 20));
        return;
    }
    uint32_t choice = sim_below (self, 100);
    if (choice == 0)
        s_lie_flood (self, process);
    else if (choice < 4)
        s_register (self, process, true);
    else
        lies[sim_below (self, sizeof lies / sizeof *lies)](self, process);
}

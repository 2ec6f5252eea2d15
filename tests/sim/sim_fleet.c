/* SPDX-License-Identifier: MPL-2.0
 *
 * The agents' processes: each is the client library's own step, with this file in the place of its shell. Effects are
 * carried out in order, a refused send ends the connection, a handler finishes later, other threads' events are
 * followed by WAKE, now and then late. An id may have had many processes; `current` is the last one started.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 20, TURN_MESSAGES = 50, TURN_PUBLICATIONS = 200, TICKS_MAX = 1000, BUSY_MS = 9000 };
enum { FRAME_MAX = 1 << 24, CONNECT_FAILS_PERCENT = 10, SLOW_PPM = 300, FAILED_PPM = 500, OWN_FIELDS_MAX = 100000 };
enum { COPY_BYTES = 64 << 20, NARROW_PERCENT = 25, UNREADABLE_PPM = 300, ROOMY_BYTES = 100000 };

static void s_disconnect (sim_t *self, sim_process_t *process)
{
    if (process->connection)
        sim_network_close (self, process->connection);
    process->connection = NULL;
    process->link_pending = false;
}

static void s_connect (sim_t *self, sim_process_t *process)
{
    s_disconnect (self, process);
    process->connection = sim_network_connect (self);
    process->link_pending = true;
    process->link_at_ns = self->now_ns + (1 + sim_below (self, CONNECT_MS)) * SIM_MS;
    process->link_up = self->core != NULL;
    if (process->link_up && !self->is_healing && sim_chance (self, CONNECT_FAILS_PERCENT)) {
        sim_note_fault (self, SIM_FAULT_connect_failed);
        process->link_up = false;
    }
}

/* False when the socket does not take it. */
static bool s_send (sim_t *self, sim_process_t *process, const sb_agent_message_t *message)
{
    if (!self->is_healing && sim_chance_ppm (self, self->options.agent_refused_ppm)) {
        sim_note_fault (self, SIM_FAULT_agent_send_refused);
        process->link_pending = true;
        process->link_up = false;
        process->link_at_ns = self->now_ns;
        return false;
    }
    sim_say (self, "%s#%" PRIu64 " sends kind %d, %" PRIu64, self->names[process->agent], process->instance,
             (int)message->kind,
             message->kind == SB_AGENT_MESSAGE_BATCH ? message->batch.deltas[0].update.sequence
                                                     : message->replace_end.sequence);
    sim_network_to_broker (self, process->connection, message);
    return true;
}

static void s_told_refused (sim_t *self, sim_process_t *process, uint64_t sequence, bool is_kept)
{
    for (uint32_t i = self->happening_count; i > 0; i--) {
        sim_happening_t *happening = &self->happenings[i - 1];
        if (&self->processes[happening->process] != process || happening->sequence != sequence)
            continue;
        if (is_kept)
            sim_fail (self, "an event is said to be kept for later");
        if (happening->is_refused)
            sim_fail (self, "an event is told as refused twice");
        happening->is_refused = true;
        return;
    }
}

static void s_answer (sim_t *self, sim_process_t *process, const sb_agent_command_t *command)
{
    sb_command_result_t result = {.command_id = command->command_id};
    if (sim_chance (self, 20))
        result.code = SB_REASON_AGENT_REFUSED;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_ANSWER, .answer = &result};
    sb_agent_effects_t effects;
    sim_process_event (self, process, &event, &effects);
}

static void s_perform (sim_t *self, sim_process_t *process, const sb_agent_effect_t *effect, bool *is_refused)
{
    switch (effect->kind) {
    case SB_AGENT_EFFECT_CONNECT:
        s_connect (self, process);
        *is_refused = false;
        break;
    case SB_AGENT_EFFECT_DISCONNECT:
        s_disconnect (self, process);
        break;
    case SB_AGENT_EFFECT_SUBSCRIBE:
        sim_sub_make (self, process);
        break;
    case SB_AGENT_EFFECT_JOIN:
        sim_sub_join (self, process, effect->join_prefix);
        break;
    case SB_AGENT_EFFECT_SEND:
        if (process->connection && !*is_refused)
            *is_refused = !s_send (self, process, effect->send);
        break;
    case SB_AGENT_EFFECT_DELIVER:
        /* A part of a snapshot, or a page of history, is asked for only while there is room, and then taken whole. */
        if (process->waiting >= 2 * self->options.queue_publications && effect->publication->cause != SB_CAUSE_SNAPSHOT)
            sim_fail (self, "%s: the queue of its handler is longer than it may be", self->names[process->agent]);
        process->waiting++;
        break;
    case SB_AGENT_EFFECT_REFUSED:
        sim_say (self, "%s#%" PRIu64 " is told: %" PRIu64 " refused, reason %d", self->names[process->agent],
                 process->instance, effect->refused.sequence, (int)effect->refused.reason);
        s_told_refused (self, process, effect->refused.sequence, effect->refused.kept);
        break;
    case SB_AGENT_EFFECT_COMMAND:
        /* the answer is another thread's event: it must not come between this step's effects */
        break;
    case SB_AGENT_EFFECT_STATUS:
        sim_say (self, "%s#%" PRIu64 " status %d, reason %d", self->names[process->agent], process->instance,
                 (int)effect->status.status, (int)effect->status.reason);
        break;
    case SB_AGENT_EFFECT_LOG:
        sim_say (self, "%s#%" PRIu64 " logs: %s %.*s", self->names[process->agent], process->instance, effect->log.text,
                 (int)effect->log.detail.size, effect->log.detail.data);
        break;
    default: /* what the application alone is told */
        break;
    }
}

void sim_process_event (sim_t *self, sim_process_t *process, sb_agent_event_t *event, sb_agent_effects_t *effects)
{
    event->monotonic_ns = self->now_ns;
    event->unix_ns = sim_unix_ns (self);
    self->events++;
    sb_agent_step (process->step, event, effects);
}

void sim_process_io (sim_t *self, sim_process_t *process, sb_agent_event_t *event)
{
    sb_agent_effects_t effects;
    bool is_refused = false;
    sim_process_event (self, process, event, &effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        sim_reader_effect (self, process, &effects.items[i]);
        s_perform (self, process, &effects.items[i], &is_refused);
    }
    for (uint32_t i = 0; i < effects.count; i++)
        if (effects.items[i].kind == SB_AGENT_EFFECT_COMMAND && effects.items[i].command.is_open)
            s_answer (self, process, effects.items[i].command.command);
    sb_reason_t reason;
    if (sb_agent_step_status (process->step, &reason) == SB_AGENT_FINISHED)
        process->is_final = true;
}

static void s_add_interest (sim_t *self, sim_process_t *process, const char *text)
{
    uint32_t place = process->interest_count++;
    char *kept = process->interest_texts[place];
    int size = snprintf (kept, sizeof process->interest_texts[0], "%s", text);
    if (text[0] != '_' && strcmp (text, "all") != 0 && sim_chance (self, NARROW_PERCENT)) {
        size += snprintf (kept + size, sizeof process->interest_texts[0] - (size_t)size, ".%s.%s",
                          self->names[sim_below (self, self->agent_count)], sim_chance (self, 50) ? "a" : "");
    }
    process->interests[place] = (sb_text_t){kept, (uint32_t)size};
    if (sim_chance (self, self->options.conflated_percent))
        process->conflate_ms[place] = self->options.conflate_ms << sim_below (self, 3);
}

/* Everything, or one to three categories or parts of them, and now and then the broker's own events; few of a crowd
 * read everything. */
static void s_draw_interests (sim_t *self, sim_process_t *process)
{
    static const char *const categories[] = {"market_data", "risk", "status", "trades", "technical", "uncategorized"};
    enum { CATEGORIES = sizeof categories / sizeof *categories };
    if (sim_below (self, self->agent_count) < 2) {
        s_add_interest (self, process, "all");
    } else {
        uint32_t first = sim_below (self, CATEGORIES);
        uint32_t count = 1 + sim_below (self, 3);
        for (uint32_t i = 0; i < count; i++)
            s_add_interest (self, process, categories[(first + i) % CATEGORIES]);
    }
    if (sim_below (self, self->agent_count) < 2)
        s_add_interest (self, process, "_event");
}

sim_process_t *sim_process_start (sim_t *self, uint32_t agent)
{
    if (self->process_count == SIM_PROCESSES_MAX)
        return NULL;
    sim_process_t *process = &self->processes[self->process_count++];
    *process =
        (sim_process_t){.is_running = true, .agent = agent, .instance = self->seed % 1000 * 1000 + self->process_count};
    self->current[agent] = process;
    if (agent >= self->agent_count) {
        sim_liar_start (self, process);
        return process;
    }
    s_draw_interests (self, process);
    process->has_copy = !sim_chance (self, self->options.without_copy_percent);
    process->has_handler = !sim_chance (self, 5);
    process->copy_fields = sim_chance (self, self->options.small_copy_percent) ? 1 + sim_below (self, 40) : 1000000;
    sb_agent_step_config_t config = {.agent_id = sim_name (self, agent),
                                     .instance_id = process->instance,
                                     .seed = sim_below (self, UINT32_MAX),
                                     .ingress_endpoint = sb_text ("tcp://127.0.0.1:5570"),
                                     .interests = process->interests,
                                     .conflate_ms = process->conflate_ms,
                                     .interest_count = process->interest_count,
                                     .heartbeat_interval_ms = self->options.heartbeat_ms,
                                     .window_updates = self->options.window_updates,
                                     .queue_publications = self->options.queue_publications,
                                     .max_fields = OWN_FIELDS_MAX,
                                     .has_copy = process->has_copy,
                                     .copy_fields = (uint32_t)process->copy_fields,
                                     .copy_bytes = COPY_BYTES,
                                     .buffer_bytes = self->options.buffer_bytes,
                                     .has_update_handler = process->has_handler,
                                     .has_command_handler = true};
    process->reader = sim_reader_new (self, process);
    process->step = sb_agent_step_new (&config);
    assert (process->step);
    sim_say (self, "PROCESS %s#%" PRIu64 " starts, copy %d of %" PRIu64 " fields", self->names[agent],
             process->instance, process->has_copy, process->copy_fields);
    for (uint32_t i = 0; i < process->interest_count; i++)
        sim_say (self, "  interested in %s at %u ms", process->interest_texts[i], process->conflate_ms[i]);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_START};
    sim_process_io (self, process, &event);
    return process;
}

void sim_process_end (sim_t *self, sim_process_t *process, bool politely)
{
    if (!process->is_running)
        return;
    if (politely && process->step) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_LEAVE};
        sb_agent_effects_t effects;
        sim_process_event (self, process, &event, &effects);
        event.kind = SB_AGENT_EVENT_WAKE;
        sim_process_io (self, process, &event);
    }
    s_disconnect (self, process);
    process->is_running = false;
    process->has_crashed = true;
    sb_agent_step_destroy (&process->step);
    sim_sub_close (self, process);
    sim_reader_destroy (&process->reader);
}

uint64_t sim_process_next_ns (const sim_process_t *process)
{
    uint64_t next_ns = process->step ? sb_agent_step_deadline (process->step) : process->lie_at_ns;
    if (process->link_pending && process->link_at_ns < next_ns)
        next_ns = process->link_at_ns;
    if (process->connection && sim_line_next_ns (&process->connection->down) < next_ns)
        next_ns = sim_line_next_ns (&process->connection->down);
    if (process->step && sim_sub_next_ns (process) < next_ns)
        next_ns = sim_sub_next_ns (process);
    if (process->waiting && process->busy_until_ns < next_ns)
        next_ns = process->busy_until_ns;
    return next_ns < process->held_until_ns ? process->held_until_ns : next_ns;
}

static void s_read_message (sim_t *self, sim_process_t *process)
{
    sim_frame_t frame = sim_line_take (&process->connection->down);
    sb_broker_message_t message;
    sb_arena_reset (self->arena_in);
    sb_fault_t fault =
        sb_decode_broker_message (self->arena_in, frame.octets->data, frame.octets->size, FRAME_MAX, &message);
    if (fault.reason != SB_REASON_NONE)
        sim_fail (self, "an agent cannot read: %.*s", (int)fault.text.size, fault.text.data);
    sim_reader_message (self, process, &message);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = &message};
    sim_process_io (self, process, &event);
    sim_octets_release (frame.octets);
}

static const sb_publication_t *s_decode (sim_t *self, sim_octets_t *octets)
{
    if (octets->arena)
        return &octets->publication;
    octets->arena = sb_arena_new (FRAME_MAX);
    assert (octets->arena);
    sb_fault_t fault =
        sb_decode_publication (octets->arena, octets->data, octets->size, FRAME_MAX, &octets->publication);
    if (fault.reason != SB_REASON_NONE)
        sim_fail (self, "a publication cannot be read: %.*s", (int)fault.text.size, fault.text.data);
    return &octets->publication;
}

static void s_read_publication (sim_t *self, sim_process_t *process)
{
    sim_frame_t frame = sim_line_take (&process->sub.down);
    const sb_publication_t *publication = s_decode (self, frame.octets);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = publication};
    sim_reader_publication (process, publication);
    if (publication->sequence && process->waiting >= self->options.queue_publications) {
        sim_note_fault (self, SIM_FAULT_queue_full);
        sim_reader_loses (self, process, publication);
    }
    /* Whatever comes may have to wait for a repair, and be dropped for want of room. */
    if (self->options.buffer_bytes < ROOMY_BYTES)
        sim_reader_loses (self, process, publication);
    if (!self->is_healing && sim_chance_ppm (self, UNREADABLE_PPM)) {
        sim_note_fault (self, SIM_FAULT_publication_unreadable);
        sim_reader_loses (self, process, publication);
        event = (sb_agent_event_t){.kind = SB_AGENT_EVENT_LOST};
    }
    sim_say (self, "%s#%" PRIu64 " reads %.*s %" PRIu64 ", sequence %" PRIu64, self->names[process->agent],
             process->instance, (int)publication->topic.size, publication->topic.data, publication->topic_sequence,
             publication->sequence);
    if (sim_prefixes_match (&process->sub.wanted, publication->topic))
        sim_process_io (self, process, &event);
    sim_octets_release (frame.octets);
}

static void s_run_handler (sim_t *self, sim_process_t *process)
{
    while (process->waiting && self->now_ns >= process->busy_until_ns) {
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .handled = {false, 1000, 1000}};
        if (!self->is_healing && sim_chance_ppm (self, FAILED_PPM)) {
            sim_note_fault (self, SIM_FAULT_handler_failed);
            event.handled.failed = true;
        }
        sb_agent_effects_t effects;
        sim_process_event (self, process, &event, &effects);
        process->waiting--;
        if (!self->is_healing && sim_chance_ppm (self, SLOW_PPM)) {
            sim_note_fault (self, SIM_FAULT_handler_slow);
            process->busy_until_ns = self->now_ns + sim_below (self, BUSY_MS) * SIM_MS;
        }
    }
}

void sim_process_run (sim_t *self, sim_process_t *process)
{
    if (self->now_ns < process->held_until_ns)
        return;
    if (!process->step) {
        sim_liar_run (self, process);
        return;
    }
    if (process->link_pending && self->now_ns >= process->link_at_ns) {
        process->link_pending = false;
        sb_agent_event_t event = {.kind = process->link_up ? SB_AGENT_EVENT_LINK_UP : SB_AGENT_EVENT_LINK_DOWN};
        sim_process_io (self, process, &event);
    }
    for (int i = 0; i < TURN_MESSAGES && process->connection; i++) {
        if (sim_line_next_ns (&process->connection->down) > self->now_ns)
            break;
        s_read_message (self, process);
    }
    sim_sub_run (self, process);
    for (int i = 0; i < TURN_PUBLICATIONS && sim_line_next_ns (&process->sub.down) <= self->now_ns; i++)
        s_read_publication (self, process);
    s_run_handler (self, process);
    for (int i = 0; self->now_ns >= sb_agent_step_deadline (process->step); i++) {
        if (i == TICKS_MAX)
            sim_fail (self, "%s asks for a tick again and again", self->names[process->agent]);
        sb_agent_event_t event = {.kind = SB_AGENT_EVENT_TICK};
        sim_process_io (self, process, &event);
    }
}

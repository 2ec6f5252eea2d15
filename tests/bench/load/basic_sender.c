/* SPDX-License-Identifier: MPL-2.0
 *
 * The sending ends of the agents: each tick goes to the agent whose turn it is, at its time, as a delta of the fields
 * that differ from what this agent published before, or as all that it has published so far.
 *
 * The agents share the market's ticks evenly, so each comes to publish of every instrument. An update carries when it
 * was due, not when it left: who holds the sender up is charged for it; the sender's own lateness is reported. Where
 * there are acks and beats (SyncBus), acks are read, and beats say of each interest how far the agent has read it.
 */
#define _GNU_SOURCE
#include "basic.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { BEAT_NS = 1000 * 1000 * 1000, PROBE_NS = 50 * 1000 * 1000, FILL_NS = 400 * 1000, WINDOW = 4000, CHANGES = 512 };

typedef struct {
    void *dealer;
    uint64_t sequence;
    uint64_t decided;
    bool is_registered;
    double values[BASIC_INSTRUMENTS_MAX][BASIC_FIELDS_MAX];
    bool has[BASIC_INSTRUMENTS_MAX][BASIC_FIELDS_MAX];
} s_agent_t;

typedef struct {
    const basic_options_t *options;
    const basic_recording_t *recording;
    basic_shared_t *shared;
    scale_wire_t wire;
    uint64_t next_beat_ns;
    uint64_t *late_ns; /* of each update that has a pace */
    uint64_t late_count;
    s_agent_t agents[BASIC_AGENTS_MAX];
} s_sender_t;

static void s_decide (s_sender_t *self, s_agent_t *agent, uint64_t decided, uint32_t refused)
{
    if (decided <= agent->decided)
        return;
    self->shared->decided += decided - agent->decided;
    self->shared->refused += refused;
    agent->decided = decided;
}

static void s_read (s_sender_t *self, s_agent_t *agent)
{
    sb_broker_message_t message;
    while (!self->options->is_bare && scale_receive (&self->wire, agent->dealer, &message)) {
        if (message.kind == SB_BROKER_MESSAGE_WELCOME)
            agent->is_registered = true;
        else if (message.kind == SB_BROKER_MESSAGE_ACK)
            s_decide (self, agent, message.ack.decided_through, message.ack.refused_count);
        else if (message.kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK)
            s_decide (self, agent, message.heartbeat_ack.decided_through, message.heartbeat_ack.refused_count);
        else if (message.kind == SB_BROKER_MESSAGE_REFUSAL)
            scale_fail ("refused: %.*s", (int)message.refusal.text.size, message.refusal.text.data);
    }
}

/* What the agent reads, with its positions if `positions` is given. Names are written to `names`. */
static uint32_t s_interests (const s_sender_t *self, uint64_t number, char (*names)[SCALE_TEXT], sb_text_t *interests,
                             sb_interest_position_t *positions)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < basic_categories (self->options); i++) {
        if (!basic_reads (self->options, number, i))
            continue;
        interests[count] = basic_category (self->options, i, names[count]);
        if (positions)
            positions[count] =
                (sb_interest_position_t){.interest = interests[count],
                                         .sequence = self->shared->seen[number][i].sequence,
                                         .category_sequence = self->shared->seen[number][i].category_sequence};
        count++;
    }
    return count;
}

static void s_beat (s_sender_t *self)
{
    if (self->options->is_bare || scale_now_ns () < self->next_beat_ns)
        return;
    self->next_beat_ns = scale_now_ns () + BEAT_NS;
    for (uint64_t i = 0; i < self->options->agents; i++) {
        s_agent_t *agent = &self->agents[i];
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
        char names[BASIC_CATEGORIES][SCALE_TEXT];
        sb_text_t interests[BASIC_CATEGORIES];
        sb_interest_position_t seen[BASIC_CATEGORIES];
        const uint64_t read = self->shared->read[i];
        message.heartbeat = (sb_heartbeat_t){.received = read,
                                             .processed = read,
                                             .seen = seen,
                                             .seen_count = s_interests (self, i, names, interests, seen),
                                             .decided_through = agent->decided,
                                             .progress = read + agent->sequence};
        s_read (self, agent);
        scale_send (&self->wire, agent->dealer, &message);
    }
}

/* The changes of a delta. Takes the tick over into the agent's state. */
static uint32_t s_changes (s_sender_t *self, s_agent_t *agent, const basic_tick_t *tick, sb_change_t *changes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < tick->count; i++) {
        const uint32_t field = tick->fields[i];
        double *value = &agent->values[tick->instrument][field];
        const bool differs = !agent->has[tick->instrument][field] || *value != tick->values[i];
        *value = tick->values[i];
        self->shared->held += !agent->has[tick->instrument][field];
        agent->has[tick->instrument][field] = true;
        if (!differs)
            continue;
        changes[count] = (sb_change_t){.name = sb_text (self->recording->fields[field])};
        changes[count++].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = tick->values[i]};
    }
    return count;
}

/* All that the agent has published so far. */
static uint32_t s_whole (const s_sender_t *self, const s_agent_t *agent, sb_change_t *changes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->recording->instrument_count; i++)
        for (uint32_t j = 0; j < self->recording->field_count; j++) {
            if (!agent->has[i][j])
                continue;
            changes[count] = (sb_change_t){.name = sb_text (self->recording->names[i][j])};
            changes[count++].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = agent->values[i][j]};
        }
    return count;
}

/* A tick in which nothing differs is published by nobody. */
static void s_publish (s_sender_t *self, uint64_t number, const basic_tick_t *tick, uint64_t due_ns)
{
    static sb_change_t changes[CHANGES];
    char category[SCALE_TEXT];
    sb_delta_t delta;
    s_agent_t *agent = &self->agents[number];
    uint32_t count = s_changes (self, agent, tick, changes);
    if (count == 0)
        return;
    sb_text_t subject = sb_text (self->recording->instruments[tick->instrument]);
    if (self->options->is_full) {
        count = s_whole (self, agent, changes);
        subject = (sb_text_t){NULL, 0};
    }
    sb_agent_message_t message = scale_delta (
        &delta, agent->sequence + 1, basic_category (self->options, number, category), subject, changes, count);
    delta.update.origin_unix_ns = (int64_t)number + 1; /* who sent it */
    delta.update.event_unix_ns = (int64_t)due_ns;      /* by the clock of all */
    while (!self->options->is_bare && agent->sequence - agent->decided >= WINDOW) {
        scale_wait (agent->dealer, 10);
        s_read (self, agent);
    }
    if (!scale_send (&self->wire, agent->dealer, &message))
        scale_fail ("an unbounded queue is full");
    agent->sequence++;
    self->shared->fields += count;
    if (basic_is_compared (self->options, agent->sequence))
        self->shared->content += basic_content (changes, count);
    self->shared->sent++;
}

/* Updates numbered 0, which say to the readers of a bare server that they hear. */
static void s_probe (s_sender_t *self)
{
    sb_delta_t delta;
    const sb_change_t change = {.name = sb_text ("probe"), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}};
    sb_agent_message_t message = scale_delta (&delta, 0, sb_text ("probe"), (sb_text_t){NULL, 0}, &change, 1);
    delta.update.origin_unix_ns = 1;
    scale_send (&self->wire, self->agents[0].dealer, &message);
}

static void s_connect (s_sender_t *self, void *context)
{
    for (uint64_t i = 0; i < self->options->agents; i++) {
        char name[SCALE_TEXT], names[BASIC_CATEGORIES][SCALE_TEXT];
        sb_text_t interests[BASIC_CATEGORIES];
        const uint32_t count = s_interests (self, i, names, interests, NULL);
        s_agent_t *agent = &self->agents[i];
        snprintf (name, sizeof name, "agent-%lu", (unsigned long)i);
        agent->dealer = scale_socket (context, ZMQ_DEALER, self->options->ingress);
        sb_agent_message_t message = scale_registration (name, 1, interests, count, 1000);
        if (!self->options->is_bare)
            scale_send (&self->wire, agent->dealer, &message);
        while (!self->options->is_bare && !agent->is_registered) {
            scale_wait (agent->dealer, 100);
            s_read (self, agent);
        }
    }
}

/* Notes the octets at the border that the parent has set. */
static void s_note (s_sender_t *self)
{
    const int border = self->shared->border;
    *(border == BASIC_MEASURING ? &self->shared->before : &self->shared->after) = basic_bytes (self->options);
    self->shared->noted = border;
}

/* Publishes the ticks first to end-1, each when it is due; without a pace, so slowly that nothing is lost. */
static void s_replay (s_sender_t *self, uint64_t first, uint64_t end, bool has_pace)
{
    const basic_tick_t *ticks = self->recording->ticks;
    const uint64_t begin_ns = scale_now_ns () + PROBE_NS;
    for (uint64_t i = first; i < end; i++) {
        const uint64_t agent = i % self->options->agents;
        const uint64_t due_ns = begin_ns + (has_pace ? (ticks[i].time_ns - ticks[first].time_ns) / self->options->speed
                                                     : (i - first) * FILL_NS);
        if (scale_now_ns () < due_ns)
            scale_sleep_until (due_ns);
        if (has_pace)
            self->late_ns[self->late_count++] = scale_now_ns () - due_ns;
        s_publish (self, agent, &ticks[i], due_ns);
        s_read (self, &self->agents[agent]);
        s_beat (self);
    }
}

static void s_report_lateness (s_sender_t *self)
{
    self->shared->late_p50_ns = scale_quantile (self->late_ns, self->late_count, 500);
    self->shared->late_p99_ns = scale_quantile (self->late_ns, self->late_count, 990);
    self->shared->late_max_ns = scale_quantile (self->late_ns, self->late_count, 1000);
}

/* Beats and reads on until the parent has come to `border`, or it is over. */
static void s_idle (s_sender_t *self, int border, bool probes)
{
    while (self->shared->border < border && !self->shared->is_over) {
        s_beat (self);
        if (probes)
            s_probe (self);
        for (uint64_t i = 0; i < self->options->agents; i++)
            s_read (self, &self->agents[i]);
        scale_sleep_until (scale_now_ns () + PROBE_NS / 10);
    }
}

void basic_run_sender (const basic_options_t *options, const basic_recording_t *recording, basic_shared_t *shared)
{
    static s_sender_t self;
    self = (s_sender_t){.options = options, .recording = recording, .shared = shared};
    self.late_ns = malloc (recording->count * sizeof *self.late_ns);
    if (!self.late_ns)
        scale_fail ("no memory");
    prctl (PR_SET_TIMERSLACK, 1UL); /* or each update is late by the usual 50 us */
    void *context = scale_context (BASIC_AGENTS_MAX);
    scale_wire_open (&self.wire);
    s_connect (&self, context);
    shared->is_ready = true;
    s_idle (&self, BASIC_FILLING, options->is_bare);
    s_replay (&self, 0, options->before, false);
    shared->is_filled = true;
    s_idle (&self, BASIC_MEASURING, false);
    s_note (&self);
    s_replay (&self, options->before, recording->count, true);
    s_report_lateness (&self);
    shared->is_sent = true;
    s_idle (&self, BASIC_MEASURED, false);
    s_note (&self);
    s_idle (&self, BASIC_MEASURED + 1, false);
    for (uint64_t i = 0; i < options->agents; i++)
        zmq_close (self.agents[i].dealer);
    free (self.late_ns);
    zmq_ctx_term (context);
    scale_wire_close (&self.wire);
}

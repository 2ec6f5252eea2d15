/* SPDX-License-Identifier: MPL-2.0
 *
 * A load process of the fleet workload: some thousand agents on one context and one thread.
 *
 * Each agent has its turn once per lap, which is the heartbeat interval or a part of it: it reads all that came, and
 * sends what is due. Nobody polls a thousand sockets; answers wait for the next turn, which is harmless as no latency
 * is measured here. The writers, all in the first process, write between the turns.
 */
#define _GNU_SOURCE
#include "fleet.h"

#include <stdlib.h>
#include <string.h>

enum { PAYLOAD = 128, BURST = 16, SHORT_NAP_NS = 100 * 1000, NAP_NS = 1000 * 1000 };

typedef struct {
    void *dealer;
    void *sub;
    uint64_t answers_due; /* beats not answered */
    uint64_t sequence;    /* of the last delta */
    uint64_t decided;
    uint64_t fields_sent;
    sb_interest_position_t head; /* as the last HeartbeatAck said */
    bool is_registered;
    bool is_joined;
    bool is_published;
} s_agent_t;

typedef struct {
    const fleet_part_t *part;
    const fleet_options_t *options;
    fleet_counts_t *counts;
    void *context;
    scale_wire_t wire;
    s_agent_t *agents;
    uint64_t count;
    uint64_t written;         /* by the writers, in this phase */
    uint64_t sent_by_writers; /* in all: so many updates each subscriber gets */
    bool *has_written;        /* of each writer, category and field */
    uint64_t writer;          /* whose turn it is to write */
    uint64_t idle;            /* writers in succession that had nothing to do */
    uint64_t lap;
    uint64_t values; /* counted up, so that no value is like the one before */
} s_load_t;

static void s_name (char *text, uint64_t agent)
{
    snprintf (text, SCALE_TEXT, "agent-%05lu", (unsigned long)agent);
}

/* The part of the next agent that is no writer: one interest each, of which little comes. */
static sb_text_t s_interest (const s_load_t *self, uint64_t agent, char *text)
{
    const fleet_options_t *options = self->options;
    const uint64_t next = (agent + 1) % options->agents;
    if (next < options->writers)
        return sb_text ("quiet");
    snprintf (text, SCALE_TEXT, "fleet.agent-%05lu.", (unsigned long)next);
    return sb_text (text);
}

/* ---------------------------------------------------------------- beginning */

static void s_subscribe (s_load_t *self, s_agent_t *agent, uint64_t number)
{
    char interest[SCALE_TEXT], join[SCALE_TEXT];
    const sb_text_t text = s_interest (self, number, interest);
    agent->sub = scale_socket (self->context, ZMQ_SUB, self->options->publish);
    snprintf (join, sizeof join, "~join.fleet-%lu.", (unsigned long)number);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, "_beat.", 6);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, "_control.", 9);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, text.data, text.size);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, join, strlen (join));
}

static void s_connect (s_load_t *self, uint64_t i)
{
    char name[SCALE_TEXT], interest[SCALE_TEXT];
    s_agent_t *agent = &self->agents[i];
    const uint64_t number = self->part->first + i;
    const sb_text_t text = s_interest (self, number, interest);
    s_name (name, number);
    agent->dealer = scale_socket (self->context, ZMQ_DEALER, self->options->ingress);
    sb_agent_message_t message = scale_registration (name, FLEET_INSTANCE + number, &text, 1,
                                                     (uint32_t)(self->options->interval_ms * self->options->beat_laps));
    scale_send (&self->wire, agent->dealer, &message);
    if (fleet_is_reader (self->options, number))
        s_subscribe (self, agent, number);
}

/* ---------------------------------------------------------------- reading */

static void s_decide (s_load_t *self, s_agent_t *agent, uint64_t decided, uint32_t refused)
{
    if (decided <= agent->decided)
        return;
    self->counts->deltas_accepted += decided - agent->decided - refused;
    self->counts->deltas_refused += refused;
    agent->decided = decided;
}

static void s_read_level (s_load_t *self, s_agent_t *agent, const sb_heartbeat_ack_t *level)
{
    self->counts->beats_answered++;
    agent->answers_due--;
    s_decide (self, agent, level->decided_through, level->refused_count);
    if (level->head_count == 0)
        return;
    agent->head.sequence = level->heads[0].sequence;
    agent->head.category_sequence = level->heads[0].category_sequence;
}

static void s_registered (s_load_t *self, s_agent_t *agent)
{
    agent->is_registered = true;
    self->counts->registered++;
}

static void s_read_broker (s_load_t *self, s_agent_t *agent)
{
    sb_broker_message_t message;
    while (scale_receive (&self->wire, agent->dealer, &message)) {
        switch (message.kind) {
        case SB_BROKER_MESSAGE_WELCOME:
            s_registered (self, agent);
            break;
        case SB_BROKER_MESSAGE_ACK:
            s_decide (self, agent, message.ack.decided_through, message.ack.refused_count);
            break;
        case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
            s_read_level (self, agent, &message.heartbeat_ack);
            break;
        case SB_BROKER_MESSAGE_REFUSAL:
            scale_fail ("the broker refuses an agent: %.*s", (int)message.refusal.text.size, message.refusal.text.data);
        default:
            self->counts->refusals++;
        }
    }
}

/* A bare server sends back what it got: the first octet, a field's tag, says what that was. */
static void s_read_echo (s_load_t *self, s_agent_t *agent)
{
    while (scale_receive_frame (&self->wire, agent->dealer)) {
        const uint8_t tag = *(const uint8_t *)zmq_msg_data (&self->wire.frame) >> 3;
        switch (tag) {
        case 1:
            s_registered (self, agent);
            break;
        case 2:
            s_decide (self, agent, agent->decided + 1, 0);
            break;
        case 4:
            s_read_level (self, agent, &(sb_heartbeat_ack_t){0});
            break;
        default:
            self->counts->refusals++;
        }
    }
}

static void s_read_publications (s_load_t *self, s_agent_t *agent)
{
    sb_publication_t publication;
    while (agent->sub && scale_receive_frame (&self->wire, agent->sub)) {
        const char first = *(const char *)zmq_msg_data (&self->wire.frame);
        if (first == '~') {
            self->counts->joined += !agent->is_joined;
            agent->is_joined = true;
        } else if (first != '_') {
            scale_publication (&self->wire, &publication);
            self->counts->updates += publication.update_count;
        }
    }
}

static void s_read (s_load_t *self, s_agent_t *agent)
{
    if (fleet_is_bare (self->options))
        s_read_echo (self, agent);
    else
        s_read_broker (self, agent);
    s_read_publications (self, agent);
}

/* ---------------------------------------------------------------- sending */

static void s_send (s_load_t *self, s_agent_t *agent, sb_text_t category, const sb_change_t *changes, uint32_t count)
{
    sb_delta_t delta;
    sb_agent_message_t message =
        scale_delta (&delta, agent->sequence + 1, category, (sb_text_t){NULL, 0}, changes, count);
    if (!scale_send (&self->wire, agent->dealer, &message))
        return;
    agent->sequence++;
    self->counts->deltas++;
    if (self->part->first == 0 && agent < self->agents + self->options->writers)
        self->sent_by_writers++;
}

/* A value unlike all before. */
static sb_value_t s_value (s_load_t *self, uint64_t octets, uint8_t *memory)
{
    const uint64_t number = ++self->values;
    if (octets == 0)
        return (sb_value_t){.kind = SB_VALUE_NUMBER, .number = (double)number};
    memset (memory, 'x', octets);
    memcpy (memory, &number, octets < sizeof number ? octets : sizeof number);
    sb_value_t value = {.kind = SB_VALUE_BYTES};
    value.bytes = (sb_text_t){(const char *)memory, (uint32_t)octets};
    return value;
}

/* Counts a field that a writer writes to its category number `category` when it is the first time. */
static void s_count_field (s_load_t *self, const s_agent_t *agent, uint64_t category, uint64_t field)
{
    const fleet_options_t *options = self->options;
    const uint64_t place = (uint64_t)(agent - self->agents) * options->categories + category % options->categories;
    bool *has_written = &self->has_written[place * options->fields + field];
    self->counts->fields += !*has_written;
    *has_written = true;
}

/* The next part of the agent's state. */
static void s_publish (s_load_t *self, s_agent_t *agent, bool is_writer)
{
    char category[SCALE_TEXT];
    static char names[FLEET_FIELDS_A_DELTA][SCALE_TEXT];
    static uint8_t values[FLEET_FIELDS_A_DELTA][PAYLOAD];
    static sb_change_t changes[FLEET_FIELDS_A_DELTA];
    const fleet_options_t *options = self->options;
    const uint64_t left = options->fields - agent->fields_sent;
    const uint32_t count = left < FLEET_FIELDS_A_DELTA ? (uint32_t)left : FLEET_FIELDS_A_DELTA;
    for (uint32_t i = 0; i < count; i++) {
        if (is_writer)
            s_count_field (self, agent, 0, agent->fields_sent + i);
        snprintf (names[i], SCALE_TEXT, "field-%lu", (unsigned long)(agent->fields_sent + i));
        changes[i] =
            (sb_change_t){.name = sb_text (names[i]), .value = s_value (self, options->field_octets, values[i])};
    }
    if (count)
        s_send (self, agent, is_writer ? fleet_category (options, 0, category) : sb_text ("fleet"), changes, count);
    agent->fields_sent += count;
    self->counts->fields += is_writer ? 0 : count;
}

static void s_beat (s_load_t *self, s_agent_t *agent, uint64_t number)
{
    char text[SCALE_TEXT];
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    agent->head.interest = s_interest (self, number, text);
    message.heartbeat = (sb_heartbeat_t){.received = agent->head.sequence > 0,
                                         .processed = agent->head.sequence > 0,
                                         .seen = &agent->head,
                                         .seen_count = 1,
                                         .progress = 1,
                                         .decided_through = agent->decided};
    if (!scale_send (&self->wire, agent->dealer, &message))
        return;
    agent->answers_due++;
    self->counts->beats++;
}

/* One agent's turn. */
static void s_turn (s_load_t *self, uint64_t i, int phase)
{
    s_agent_t *agent = &self->agents[i];
    if (!agent->dealer)
        s_connect (self, i);
    s_read (self, agent);
    if (!agent->is_registered || phase >= FLEET_QUIET)
        return;
    if (phase == FLEET_PUBLISH && !agent->is_published) {
        while (agent->fields_sent < self->options->fields && agent->sequence - agent->decided < BURST)
            s_publish (self, agent, self->part->first + i < self->options->writers);
        agent->is_published = agent->fields_sent == self->options->fields && agent->decided == agent->sequence;
        self->counts->published += agent->is_published;
    }
    if (!fleet_is_sparse (self->options, phase) || (self->lap + i) % self->options->beat_laps == 0)
        s_beat (self, agent, self->part->first + i);
}

/* ---------------------------------------------------------------- writers */

static uint64_t s_undecided (const s_load_t *self)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < self->options->writers; i++)
        sum += self->agents[i].sequence - self->agents[i].decided;
    return sum;
}

/* A delta of 128 octets to one of the writer's fields, which are chosen as if at random. */
static void s_write_one (s_load_t *self, s_agent_t *agent)
{
    static uint8_t payload[PAYLOAD];
    char name[SCALE_TEXT], category[SCALE_TEXT];
    const uint64_t field = (agent->sequence * UINT64_C (0x9e3779b97f4a7c15) >> 20) % self->options->fields;
    snprintf (name, sizeof name, "field-%lu", (unsigned long)field);
    const sb_change_t change = {.name = sb_text (name), .value = s_value (self, PAYLOAD, payload)};
    s_count_field (self, agent, agent->sequence, field);
    s_send (self, agent, fleet_category (self->options, agent->sequence, category), &change, 1);
    self->written++;
}

/* Updates that the slowest subscriber has not read. */
static uint64_t s_unread (const s_load_t *self)
{
    return self->options->subscribers ? self->sent_by_writers - self->part->shared->drained : 0;
}

/* Deltas of a phase in which the writers write; 0 in another. */
static uint64_t s_total (const s_load_t *self, int phase)
{
    if (phase == FLEET_WARM)
        return self->options->deltas / 4;
    return phase >= FLEET_WRITE && phase < FLEET_QUIET ? fleet_window_deltas (self->options) : 0;
}

/* One writer's turn: reads its answers, and writes a burst if its window allows. False when there was nothing to do. */
static bool s_write_burst (s_load_t *self, s_agent_t *agent, uint64_t total)
{
    const fleet_options_t *options = self->options;
    const uint64_t written = self->written;
    s_read (self, agent);
    for (uint64_t i = 0; i < options->burst && self->written < total; i++) {
        if (agent->sequence - agent->decided >= options->window || s_unread (self) >= options->ahead)
            break;
        s_write_one (self, agent);
    }
    return self->written > written;
}

/* Writes until `until_ns`, or until the phase's deltas are all decided and read. True then. The time is looked at after
 * each writer, so that a thousand of them do not hold up the beats. */
static bool s_write (s_load_t *self, int phase, uint64_t until_ns)
{
    const uint64_t total = s_total (self, phase), writers = self->options->writers;
    do {
        self->idle = s_write_burst (self, &self->agents[self->writer], total) ? 0 : self->idle + 1;
        self->writer = (self->writer + 1) % writers;
        if (self->idle < writers)
            continue;
        self->idle = 0;
        if (self->written == total && s_undecided (self) == 0 && s_unread (self) == 0)
            return true;
        scale_sleep_until (scale_now_ns () + SHORT_NAP_NS);
    } while (scale_now_ns () < until_ns);
    return false;
}

/* What the writers do until the next agent's turn; the others sleep. A new phase is not slept through by writers, or
 * the time between two windows would count as theirs. */
static void s_use_time (s_load_t *self, int phase, uint64_t until_ns)
{
    const bool has_writers = self->part->first == 0;
    if (has_writers && self->counts->done_phase < phase && s_total (self, phase) > 0) {
        if (s_write (self, phase, until_ns)) {
            self->written = 0;
            self->counts->done_phase = phase;
        }
        return;
    }
    for (uint64_t now_ns = scale_now_ns (); until_ns > now_ns + SHORT_NAP_NS; now_ns = scale_now_ns ()) {
        if (self->part->shared->phase != phase && has_writers)
            return;
        scale_sleep_until (has_writers && until_ns > now_ns + NAP_NS ? now_ns + NAP_NS : until_ns);
    }
}

/* ---------------------------------------------------------------- the process */

static void s_look (s_load_t *self, int phase)
{
    if (phase != FLEET_QUIET)
        return;
    for (uint64_t i = 0; i < self->count; i++)
        if (self->agents[i].answers_due || self->agents[i].decided != self->agents[i].sequence)
            return;
    self->counts->done_phase = FLEET_QUIET;
}

/* Lap after lap through all agents; the first is as long as connecting is to take. */
static void s_run (s_load_t *self)
{
    const fleet_options_t *options = self->options;
    const uint64_t interval_ns = options->interval_ms * UINT64_C (1000000);
    const uint64_t connect_ns = options->agents * UINT64_C (1000000000) / options->connects_per_s;
    uint64_t lap_ns = connect_ns > interval_ns ? connect_ns : interval_ns;
    uint64_t begin_ns = scale_now_ns ();
    int phase = self->part->shared->phase;
    while (phase != FLEET_END) {
        for (uint64_t i = 0; i < self->count && phase != FLEET_END; i++) {
            phase = self->part->shared->phase;
            s_use_time (self, phase, begin_ns + i * lap_ns / self->count);
            s_turn (self, i, phase);
        }
        s_look (self, phase);
        self->lap++;
        begin_ns += lap_ns;
        lap_ns = interval_ns;
        if (scale_now_ns () > begin_ns + interval_ns) {
            self->counts->late_laps++;
            begin_ns = scale_now_ns ();
        }
    }
}

void fleet_run_agents (const fleet_part_t *part)
{
    s_load_t self = {.part = part, .options = part->options, .counts = part->counts, .count = part->end - part->first};
    self.agents = calloc (self.count, sizeof *self.agents);
    self.has_written = calloc (part->options->writers * part->options->categories, part->options->fields);
    if (!self.agents || !self.has_written)
        scale_fail ("no memory");
    self.context = scale_context ((uint32_t)(2 * self.count));
    scale_wire_open (&self.wire);
    s_run (&self);
    for (uint64_t i = 0; i < self.count; i++) {
        zmq_close (self.agents[i].dealer);
        if (self.agents[i].sub)
            zmq_close (self.agents[i].sub);
    }
    zmq_ctx_term (self.context);
    scale_wire_close (&self.wire);
    free (self.agents);
    free (self.has_written);
}

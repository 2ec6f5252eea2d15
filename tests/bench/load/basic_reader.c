/* SPDX-License-Identifier: MPL-2.0
 *
 * The reading ends of some agents: each decodes whatever it is sent, checks the numbers of each writer, takes the time
 * from the stamp, which says when the update was due, to the moment after decoding, and notes how far it has read.
 */
#define _GNU_SOURCE
#include "basic.h"

#include <string.h>

enum { NAP_MS = 20, FRAME_MAX = 1 << 24 };

typedef struct {
    void *sub;
    bool is_joined;
    uint64_t numbers[BASIC_AGENTS_MAX]; /* the last one of each writer */
} s_agent_t;

typedef struct {
    const basic_options_t *options;
    basic_shared_t *shared;
    basic_counts_t *counts;
    scale_wire_t wire;
    s_agent_t agents[BASIC_AGENTS_MAX];
    uint64_t first;
    uint64_t end;
} s_reader_t;

static void s_subscribe (s_reader_t *self, void *context, uint64_t number)
{
    char category[SCALE_TEXT], prefix[SCALE_TEXT + 2], join[SCALE_TEXT];
    s_agent_t *agent = &self->agents[number];
    agent->sub = scale_socket (context, ZMQ_SUB, self->options->publish);
    if (self->options->is_bare) {
        zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, "", 0);
        return;
    }
    for (uint64_t writer = 0; writer < basic_categories (self->options); writer++) {
        if (!basic_reads (self->options, number, writer))
            continue;
        const sb_text_t text = basic_category (self->options, writer, category);
        snprintf (prefix, sizeof prefix, "%.*s.", (int)text.size, text.data);
        zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, prefix, strlen (prefix));
    }
    snprintf (join, sizeof join, "~join.basic-%lu.", (unsigned long)number);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, "_beat.", 6);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, "_control.", 9);
    zmq_setsockopt (agent->sub, ZMQ_SUBSCRIBE, join, strlen (join));
}

static void s_joined (s_reader_t *self, s_agent_t *agent)
{
    self->counts->joined += !agent->is_joined;
    agent->is_joined = true;
}

static void s_take (s_reader_t *self, s_agent_t *agent, const sb_update_t *update)
{
    const uint64_t writer = (uint64_t)update->origin_unix_ns - 1;
    if (writer >= self->options->agents)
        scale_fail ("an update of nobody");
    if (update->sequence == 0) {
        s_joined (self, agent);
        return;
    }
    if (update->sequence <= agent->numbers[writer])
        scale_fail ("an update came twice, or out of order");
    self->shared->samples[self->shared->sample_count++] = scale_now_ns () - (uint64_t)update->event_unix_ns;
    self->counts->lost += update->sequence - agent->numbers[writer] - 1;
    agent->numbers[writer] = update->sequence;
    self->counts->fields += update->change_count;
    if (basic_is_compared (self->options, update->sequence))
        self->counts->content += basic_content (update->changes, update->change_count);
    self->counts->updates++;
}

/* Notes that the agent has read this one: category desk_N is N, and there is but one otherwise. */
static void s_see (s_reader_t *self, const s_agent_t *agent, const sb_publication_t *publication)
{
    const uint64_t number = (uint64_t)(agent - self->agents);
    const uint64_t category =
        basic_categories (self->options) > 1 ? (uint64_t)(publication->topic.data[strlen ("desk_")] - '0') : 0;
    if (category >= BASIC_CATEGORIES)
        scale_fail ("a publication that nobody subscribed to");
    self->shared->seen[number][category].sequence = publication->sequence;
    self->shared->seen[number][category].category_sequence = publication->category_sequence;
    self->shared->read[number]++;
}

static void s_read_publication (s_reader_t *self, s_agent_t *agent)
{
    sb_publication_t publication;
    const char first = *(const char *)zmq_msg_data (&self->wire.frame);
    scale_publication (&self->wire, &publication);
    if (first == '~')
        s_joined (self, agent);
    if (first == '~' || first == '_')
        return;
    for (uint32_t i = 0; i < publication.update_count; i++)
        s_take (self, agent, &publication.updates[i]);
    s_see (self, agent, &publication);
}

static void s_read_message (s_reader_t *self, s_agent_t *agent)
{
    sb_agent_message_t message;
    sb_arena_reset (self->wire.decoded);
    const sb_fault_t fault = sb_decode_agent_message (self->wire.decoded, zmq_msg_data (&self->wire.frame),
                                                      zmq_msg_size (&self->wire.frame), FRAME_MAX, &message);
    if (fault.reason != SB_REASON_NONE || message.kind != SB_AGENT_MESSAGE_BATCH)
        scale_fail ("a frame cannot be read");
    for (uint32_t i = 0; i < message.batch.delta_count; i++)
        s_take (self, agent, &message.batch.deltas[i].update);
}

static void s_note (s_reader_t *self)
{
    const int border = self->shared->border;
    if (border < BASIC_MEASURING || self->counts->noted >= border)
        return;
    *(border == BASIC_MEASURING ? &self->counts->before : &self->counts->after) = basic_bytes (self->options);
    self->counts->noted = border;
}

static void s_run (s_reader_t *self)
{
    zmq_pollitem_t items[BASIC_AGENTS_MAX];
    const uint64_t count = self->end - self->first;
    for (uint64_t i = 0; i < count; i++)
        items[i] = (zmq_pollitem_t){.socket = self->agents[self->first + i].sub, .events = ZMQ_POLLIN};
    while (!self->shared->is_over) {
        zmq_poll (items, (int)count, NAP_MS);
        for (uint64_t i = self->first; i < self->end; i++)
            while (scale_receive_frame (&self->wire, self->agents[i].sub)) {
                if (self->options->is_bare)
                    s_read_message (self, &self->agents[i]);
                else
                    s_read_publication (self, &self->agents[i]);
            }
        s_note (self);
    }
}

void basic_run_readers (const basic_options_t *options, basic_shared_t *shared, uint64_t process, uint64_t first,
                        uint64_t end)
{
    static s_reader_t self;
    self = (s_reader_t){
        .options = options, .shared = shared, .counts = &shared->counts[process], .first = first, .end = end};
    void *context = scale_context (BASIC_AGENTS_MAX);
    scale_wire_open (&self.wire);
    for (uint64_t i = first; i < end; i++)
        s_subscribe (&self, context, i);
    s_run (&self);
    for (uint64_t i = first; i < end; i++)
        zmq_close (self.agents[i].sub);
    zmq_ctx_term (context);
    scale_wire_close (&self.wire);
}

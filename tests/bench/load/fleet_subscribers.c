/* SPDX-License-Identifier: MPL-2.0
 *
 * The fleet workload: the process of those that read all that the writers write.
 *
 * A publication holds one update or several of one writer, so all are decoded and updates are counted. Whatever a
 * writer writes goes to the categories that are read here, so its updates must come numbered one by one: a subscriber
 * that looks at that knows of each loss, repetition and change of order, where counts alone could cancel out.
 */
#define _GNU_SOURCE
#include "fleet.h"

#include <stdlib.h>
#include <string.h>

enum { SUBSCRIBERS_MAX = 1024, NAP_MS = 20, TAG = 6 /* of "agent-" */ };

typedef struct {
    uint64_t publications;
    uint64_t updates;
    uint64_t *numbers; /* the last update of each writer */
} s_subscriber_t;

typedef struct {
    const fleet_options_t *options;
    fleet_shared_t *shared;
    scale_wire_t wire;
    s_subscriber_t subscribers[SUBSCRIBERS_MAX];
    zmq_pollitem_t items[SUBSCRIBERS_MAX];
} s_readers_t;

static void s_subscribe (s_readers_t *self, void *context, uint64_t i)
{
    char join[SCALE_TEXT];
    void *socket = scale_socket (context, ZMQ_SUB, self->options->publish);
    snprintf (join, sizeof join, "~join.subscriber-%lu.", (unsigned long)i);
    zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "c", 1);
    zmq_setsockopt (socket, ZMQ_SUBSCRIBE, join, strlen (join));
    self->items[i] = (zmq_pollitem_t){.socket = socket, .events = ZMQ_POLLIN};
    self->subscribers[i].numbers = calloc (self->options->writers, sizeof *self->subscribers[i].numbers);
    if (!self->subscribers[i].numbers)
        scale_fail ("no memory");
}

/* The writer's number, from its name. */
static uint64_t s_writer (const s_readers_t *self, sb_text_t agent_id)
{
    char text[SCALE_TEXT];
    snprintf (text, sizeof text, "%.*s", (int)agent_id.size, agent_id.data);
    const uint64_t writer = agent_id.size > TAG ? strtoull (text + TAG, NULL, 10) : UINT64_MAX;
    if (writer >= self->options->writers)
        scale_fail ("a subscriber got a publication of %s, which is no writer", text);
    return writer;
}

static void s_take (s_readers_t *self, s_subscriber_t *subscriber)
{
    sb_publication_t publication;
    scale_publication (&self->wire, &publication);
    uint64_t *number = &subscriber->numbers[s_writer (self, publication.agent_id)];
    for (uint32_t i = 0; i < publication.update_count; i++) {
        self->shared->misplaced += publication.updates[i].sequence != *number + 1;
        *number = publication.updates[i].sequence;
    }
    subscriber->publications++;
    subscriber->updates += publication.update_count;
}

/* Reads whatever is there for all. */
static void s_read (s_readers_t *self)
{
    for (uint64_t i = 0; i < self->options->subscribers; i++)
        while (scale_receive_frame (&self->wire, self->items[i].socket)) {
            const char first = *(const char *)zmq_msg_data (&self->wire.frame);
            self->shared->subscribed += first == '~';
            if (first == 'c')
                s_take (self, &self->subscribers[i]);
        }
}

/* `drained` last: who sees all there sees the rest as well. */
static void s_tell (s_readers_t *self)
{
    s_subscriber_t least = self->subscribers[0], most = least;
    for (uint64_t i = 1; i < self->options->subscribers; i++) {
        const s_subscriber_t *one = &self->subscribers[i];
        least.updates = one->updates < least.updates ? one->updates : least.updates;
        most.updates = one->updates > most.updates ? one->updates : most.updates;
        least.publications = one->publications < least.publications ? one->publications : least.publications;
        most.publications = one->publications > most.publications ? one->publications : most.publications;
    }
    self->shared->least_publications = least.publications;
    self->shared->most_publications = most.publications;
    self->shared->most = most.updates;
    self->shared->drained = least.updates;
}

void fleet_run_subscribers (const fleet_options_t *options, fleet_shared_t *shared)
{
    static s_readers_t self;
    self = (s_readers_t){.options = options, .shared = shared};
    void *context = scale_context ((uint32_t)options->subscribers);
    scale_wire_open (&self.wire);
    for (uint64_t i = 0; i < options->subscribers; i++)
        s_subscribe (&self, context, i);
    while (shared->phase != FLEET_END) {
        zmq_poll (self.items, (int)options->subscribers, NAP_MS);
        s_read (&self);
        s_tell (&self);
    }
    for (uint64_t i = 0; i < options->subscribers; i++) {
        zmq_close (self.items[i].socket);
        free (self.subscribers[i].numbers);
    }
    zmq_ctx_term (context);
    scale_wire_close (&self.wire);
}

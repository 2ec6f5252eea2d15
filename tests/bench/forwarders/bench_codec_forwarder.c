/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec forwarder: what libzmq and protobuf-c cost when the messages of SyncBus are moved, and nothing is done with
 * them. It unpacks each AgentMessage, numbers its deltas as the broker does (in all, in their category, agent's part
 * and topic), packs a Publication for each run of deltas of the same topic, sends it, and acks each publisher once at
 * the end of a turn; a turn ends when nothing waits, or after 1 ms. No state, no checks but that a publisher counts on,
 * no history, no health, no beats.
 *
 * With `--gather N`, messages of a publisher that wait one behind the other become one, of at most N deltas and 64 KiB,
 * and their runs of one topic one Publication, as in the broker (see broker/wire/sb_gather.h). The ROUTER gives the
 * messages of publishers in turn, so those of several are gathered, each for itself. Nothing waits for it.
 *
 * protobuf-c is as fast as it can be: what it unpacks of a message goes into one block that is used anew for each (see
 * bench_bump.h), and what is packed points into what was unpacked, so that no value is copied but by the two.
 */
#define _GNU_SOURCE
#include "bench_bump.h"
#include "bench_forwarder.h"

#include "syncbus.pb-c.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLOTS = 1 << 16, /* of each table, more than twice what the benchmark needs */
    BATCH_MAX = 1024,
    GATHERS = 32,             /* publishers that are gathered of at a time */
    GATHER_MAX = 256,         /* deltas of each */
    GATHER_BYTES = 64 * 1024, /* of their messages */
    NAME_MAX_SIZE = 192,
    ROUTING_ID_SIZE = 5,
    TURN_NS = 1000 * 1000,
    CLOCK_EVERY = 16 /* messages between looks at the clock */
};

typedef struct {
    uint8_t routing_id[ROUTING_ID_SIZE];
    bool is_used;
    bool has_ack; /* it is in the list of those to ack */
    char agent_id[NAME_MAX_SIZE];
    size_t agent_id_size;
    uint64_t decided_through;
} s_session_t;

/* A number of something named: a category, an agent's part of it, a topic. */
typedef struct {
    char name[NAME_MAX_SIZE];
    uint64_t sequence;
} s_counter_t;

/* What was gathered of a publisher, in its order. */
typedef struct {
    s_session_t *session;
    size_t count;
    size_t bytes; /* of their messages */
    Syncbus__V1__Delta *deltas[GATHER_MAX];
} s_gather_t;

typedef struct {
    bench_forwarder_t sockets;
    bench_bump_t bump;     /* the message that is being read, and those that are gathered */
    s_session_t *sessions; /* open addressing by routing id */
    s_counter_t *counters; /* open addressing by name */
    s_session_t *to_ack[SLOTS];
    uint32_t to_ack_count;
    uint64_t stream_id;
    uint64_t sequence;
    Syncbus__V1__Update updates[BATCH_MAX]; /* of the publication that is being made */
    Syncbus__V1__Update *pointers[BATCH_MAX];
    int gather; /* deltas that become one message; 1: nothing is gathered */
    uint32_t gather_count;
    s_gather_t gathers[GATHERS]; /* by their first messages */
} s_forwarder_t;

static uint64_t s_clock_ns (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------- tables */

/* The session of a routing id; a new one when it has none. */
static s_session_t *s_session (s_forwarder_t *self, const void *routing_id)
{
    uint32_t hash;
    memcpy (&hash, (const uint8_t *)routing_id + 1, sizeof hash);
    hash *= 0x9e3779b1u;
    for (uint32_t i = 0; i < SLOTS; i++) {
        s_session_t *session = &self->sessions[(hash + i) % SLOTS];
        if (session->is_used && memcmp (session->routing_id, routing_id, ROUTING_ID_SIZE) != 0)
            continue;
        if (!session->is_used)
            memcpy (session->routing_id, routing_id, ROUTING_ID_SIZE);
        session->is_used = true;
        return session;
    }
    bench_forwarder_fail ("too many publishers");
}

/* The next number of whatever has that name. */
static uint64_t s_count (s_forwarder_t *self, const char *name, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    for (uint32_t i = 0; i < SLOTS; i++) {
        s_counter_t *counter = &self->counters[(hash + i) % SLOTS];
        if (counter->sequence == 0)
            memcpy (counter->name, name, size); /* zeroed, so it ends in a NUL */
        else if (strncmp (counter->name, name, size) != 0 || counter->name[size])
            continue;
        return ++counter->sequence;
    }
    bench_forwarder_fail ("too many topics");
}

/* ---------------------------------------------------------------- out */

static void s_send_answer (s_forwarder_t *self, const s_session_t *session, const Syncbus__V1__BrokerMessage *message)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size (&frame, syncbus__v1__broker_message__get_packed_size (message)) != 0)
        bench_forwarder_fail ("no memory");
    syncbus__v1__broker_message__pack (message, zmq_msg_data (&frame));
    if (zmq_send (self->sockets.ingress, session->routing_id, ROUTING_ID_SIZE, ZMQ_SNDMORE) < 0 ||
        zmq_msg_send (&frame, self->sockets.ingress, 0) < 0)
        bench_forwarder_fail ("cannot answer: %s", zmq_strerror (zmq_errno ()));
}

static void s_send_welcome (s_forwarder_t *self, const s_session_t *session)
{
    Syncbus__V1__BrokerMessage message = SYNCBUS__V1__BROKER_MESSAGE__INIT;
    Syncbus__V1__Welcome welcome = SYNCBUS__V1__WELCOME__INIT;
    welcome.session_id = 1;
    welcome.stream_id = self->stream_id;
    welcome.epoch = 1;
    message.body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_WELCOME;
    message.welcome = &welcome;
    s_send_answer (self, session, &message);
}

static void s_send_acks (s_forwarder_t *self)
{
    for (uint32_t i = 0; i < self->to_ack_count; i++) {
        s_session_t *session = self->to_ack[i];
        Syncbus__V1__BrokerMessage message = SYNCBUS__V1__BROKER_MESSAGE__INIT;
        Syncbus__V1__Ack ack = SYNCBUS__V1__ACK__INIT;
        ack.decided_through = session->decided_through;
        message.body_case = SYNCBUS__V1__BROKER_MESSAGE__BODY_ACK;
        message.ack = &ack;
        s_send_answer (self, session, &message);
        session->has_ack = false;
    }
    self->to_ack_count = 0;
}

/* Writes CATEGORY.AGENT.SUBJECT to `topic` (NAME_MAX_SIZE octets), ending in a NUL. Returns its size without that. */
static size_t s_write_topic (char *topic, const s_session_t *session, const Syncbus__V1__Delta *delta,
                             size_t category_size)
{
    const size_t subject_size = strlen (delta->subject);
    const size_t size = category_size + 1 + session->agent_id_size + 1 + subject_size;
    if (size >= NAME_MAX_SIZE)
        bench_forwarder_fail ("a topic is too long");
    memcpy (topic, delta->category, category_size);
    topic += category_size;
    *topic++ = '.';
    memcpy (topic, session->agent_id, session->agent_id_size);
    topic += session->agent_id_size;
    *topic++ = '.';
    memcpy (topic, delta->subject, subject_size + 1);
    return size;
}

/* Publishes deltas of one topic. */
static void s_publish (s_forwarder_t *self, s_session_t *session, Syncbus__V1__Delta **deltas, size_t count)
{
    char topic[NAME_MAX_SIZE];
    const size_t category_size = strlen (deltas[0]->category);
    const size_t agent_size = category_size + 1 + session->agent_id_size;
    const size_t topic_size = s_write_topic (topic, session, deltas[0], category_size);
    Syncbus__V1__Publication publication = SYNCBUS__V1__PUBLICATION__INIT;
    publication.stream_id = self->stream_id;
    publication.epoch = 1;
    publication.sequence = ++self->sequence;
    publication.category_sequence = s_count (self, topic, category_size);
    publication.agent_sequence = s_count (self, topic, agent_size);
    publication.topic_sequence = s_count (self, topic, topic_size);
    publication.agent_id = session->agent_id;
    publication.broker_unix_ns = (int64_t)s_clock_ns (CLOCK_REALTIME);
    publication.quality = SYNCBUS__V1__QUALITY__QUALITY_OK;
    for (size_t i = 0; i < count; i++) {
        Syncbus__V1__Update *update = &self->updates[i];
        update->sequence = deltas[i]->sequence;
        update->event_unix_ns = deltas[i]->event_unix_ns;
        update->origin_unix_ns = deltas[i]->origin_unix_ns;
        update->n_changes = deltas[i]->n_changes;
        update->changes = deltas[i]->changes;
    }
    publication.n_updates = count;
    publication.updates = self->pointers;
    zmq_msg_t frame;
    const size_t size = syncbus__v1__publication__get_packed_size (&publication);
    if (zmq_msg_init_size (&frame, topic_size + 1 + size) != 0)
        bench_forwarder_fail ("no memory");
    memcpy (zmq_msg_data (&frame), topic, topic_size + 1);
    syncbus__v1__publication__pack (&publication, (uint8_t *)zmq_msg_data (&frame) + topic_size + 1);
    if (zmq_msg_send (&frame, self->sockets.publish, 0) < 0)
        bench_forwarder_fail ("cannot publish: %s", zmq_strerror (zmq_errno ()));
}

/* ---------------------------------------------------------------- in */

/* Publishes each run of deltas of one topic. */
static void s_publish_runs (s_forwarder_t *self, s_session_t *session, Syncbus__V1__Delta **deltas, size_t count)
{
    size_t first = 0;
    for (size_t i = 1; i <= count; i++)
        if (i == count || strcmp (deltas[i]->category, deltas[first]->category) != 0 ||
            strcmp (deltas[i]->subject, deltas[first]->subject) != 0) {
            s_publish (self, session, deltas + first, i - first);
            first = i;
        }
}

static void s_publish_gathered (s_forwarder_t *self)
{
    for (uint32_t i = 0; i < self->gather_count; i++)
        s_publish_runs (self, self->gathers[i].session, self->gathers[i].deltas, self->gathers[i].count);
    self->gather_count = 0;
}

/* What is gathered of that publisher and has room for so much; when there is no room, all is published first. */
static s_gather_t *s_gather (s_forwarder_t *self, s_session_t *session, size_t count, size_t bytes)
{
    uint32_t i = 0;
    while (i < self->gather_count && self->gathers[i].session != session)
        i++;
    s_gather_t *gather = &self->gathers[i];
    if (i < self->gather_count && gather->count + count <= (size_t)self->gather &&
        gather->bytes + bytes <= GATHER_BYTES)
        return gather;
    if (i < self->gather_count || i == GATHERS)
        s_publish_gathered (self);
    gather = &self->gathers[self->gather_count++];
    gather->session = session, gather->count = gather->bytes = 0;
    return gather;
}

/* Deltas of a message of `bytes` octets. */
static void s_take_deltas (s_forwarder_t *self, s_session_t *session, Syncbus__V1__Delta **deltas, size_t count,
                           size_t bytes)
{
    if (count > BATCH_MAX)
        bench_forwarder_fail ("a batch is too long");
    for (size_t i = 0; i < count; i++)
        if (deltas[i]->sequence != ++session->decided_through)
            bench_forwarder_fail ("%s sent delta %llu, not %llu", session->agent_id,
                                  (unsigned long long)deltas[i]->sequence,
                                  (unsigned long long)session->decided_through);
    if (count < (size_t)self->gather) {
        s_gather_t *gather = s_gather (self, session, count, bytes);
        memcpy (gather->deltas + gather->count, deltas, count * sizeof *deltas);
        gather->count += count;
        gather->bytes += bytes;
        if (gather->count == (size_t)self->gather)
            s_publish_gathered (self);
    } else {
        s_publish_gathered (self);
        s_publish_runs (self, session, deltas, count);
    }
    if (!session->has_ack)
        self->to_ack[self->to_ack_count++] = session;
    session->has_ack = true;
}

static void s_take_message (s_forwarder_t *self, s_session_t *session, const zmq_msg_t *frame)
{
    if (self->gather_count == 0)
        bench_bump_reset (&self->bump);
    Syncbus__V1__AgentMessage *message = syncbus__v1__agent_message__unpack (
        &self->bump.allocator, zmq_msg_size (frame), zmq_msg_data ((zmq_msg_t *)(uintptr_t)frame));
    if (!message)
        bench_forwarder_fail ("a message could not be read");
    switch (message->body_case) {
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_REGISTRATION:
        snprintf (session->agent_id, sizeof session->agent_id, "%s", message->registration->agent_id);
        session->agent_id_size = strlen (session->agent_id);
        session->decided_through = message->registration->next_sequence - 1;
        s_send_welcome (self, session);
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_DELTA:
        s_take_deltas (self, session, &message->delta, 1, zmq_msg_size (frame));
        break;
    case SYNCBUS__V1__AGENT_MESSAGE__BODY_BATCH:
        s_take_deltas (self, session, message->batch->deltas, message->batch->n_deltas, zmq_msg_size (frame));
        break;
    default: /* beats: there is no health here */
        break;
    }
}

/* Reads until nothing waits or the turn is over, and publishes what was gathered. */
static void s_turn (s_forwarder_t *self)
{
    const uint64_t end_ns = s_clock_ns (CLOCK_MONOTONIC) + TURN_NS;
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    for (uint32_t i = 1; bench_forwarder_receive (&self->sockets, &frame, ZMQ_DONTWAIT); i++) {
        if (zmq_msg_size (&frame) != ROUTING_ID_SIZE || !zmq_msg_more (&frame))
            bench_forwarder_fail ("a routing id of %zu octets", zmq_msg_size (&frame));
        s_session_t *session = s_session (self, zmq_msg_data (&frame));
        bench_forwarder_receive (&self->sockets, &frame, 0);
        s_take_message (self, session, &frame);
        if (i % CLOCK_EVERY == 0 && s_clock_ns (CLOCK_MONOTONIC) >= end_ns)
            break;
    }
    zmq_msg_close (&frame);
    s_publish_gathered (self);
}

int main (int count, char **arguments)
{
    s_forwarder_t *self = calloc (1, sizeof *self);
    if (!self || !(self->sessions = calloc (SLOTS, sizeof *self->sessions)) ||
        !(self->counters = calloc (SLOTS, sizeof *self->counters)) || bench_bump_open (&self->bump) != 0)
        bench_forwarder_fail ("no memory");
    for (uint32_t i = 0; i < BATCH_MAX; i++) {
        syncbus__v1__update__init (&self->updates[i]);
        self->pointers[i] = &self->updates[i];
    }
    self->stream_id = s_clock_ns (CLOCK_REALTIME) % (UINT64_C (1) << 53) + 1;
    self->gather = 1;
    const bench_forwarder_option_t option = {"--gather", &self->gather, GATHER_MAX,
                                             "deltas of waiting messages of a publisher that become one publication"};
    bench_forwarder_open (&self->sockets, count, arguments, &option);
    zmq_pollitem_t item = {.socket = self->sockets.ingress, .events = ZMQ_POLLIN};
    while (zmq_poll (&item, 1, -1) >= 0 || zmq_errno () == EINTR) {
        s_turn (self);
        s_send_acks (self);
    }
    bench_forwarder_fail ("zmq_poll: %s", zmq_strerror (zmq_errno ()));
}

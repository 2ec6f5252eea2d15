/* SPDX-License-Identifier: MPL-2.0
 *
 * The messages by the code that protoc-c makes of the schema, the fastest way that it can be used: structs that live as
 * long as the process to pack from, and to read, one block for what is unpacked of a message (see bench_bump.h). What
 * is left between this and broker/wire is the generated tables, and that values are copied once more.
 */
#include "bench_bump.h"
#include "bench_session.h"

#include "syncbus.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEARTBEAT_MS = 1000 };

/* A delta of one change, with all that protobuf-c wants to have pointed to. */
typedef struct {
    Syncbus__V1__Delta delta;
    Syncbus__V1__Change change;
    Syncbus__V1__Value value;
    Syncbus__V1__Change *changes[1];
} s_delta_t;

typedef struct {
    bench_bump_t bump; /* the message that is being read */
    Syncbus__V1__DeltaBatch batch;
    Syncbus__V1__Delta *pointers[BENCH_BATCH_MAX];
    s_delta_t deltas[BENCH_BATCH_MAX];
} s_codec_t;

static void *s_open (const bench_options_t *options)
{
    (void)options;
    s_codec_t *self = calloc (1, sizeof *self);
    if (!self || bench_bump_open (&self->bump) != 0)
        bench_fail ("no memory");
    syncbus__v1__delta_batch__init (&self->batch);
    self->batch.deltas = self->pointers;
    for (uint32_t i = 0; i < BENCH_BATCH_MAX; i++) {
        s_delta_t *one = &self->deltas[i];
        syncbus__v1__delta__init (&one->delta);
        syncbus__v1__change__init (&one->change);
        syncbus__v1__value__init (&one->value);
        one->value.kind_case = SYNCBUS__V1__VALUE__KIND_BYTES;
        one->change.kind_case = SYNCBUS__V1__CHANGE__KIND_VALUE;
        one->change.value = &one->value;
        one->changes[0] = &one->change;
        one->delta.changes = one->changes;
        one->delta.n_changes = 1;
        self->pointers[i] = &one->delta;
    }
    return self;
}

static void s_close (void **self_p)
{
    s_codec_t *self = *self_p;
    bench_bump_close (&self->bump);
    free (self);
    *self_p = NULL;
}

static void s_pack (const Syncbus__V1__AgentMessage *message, zmq_msg_t *frame)
{
    if (zmq_msg_init_size (frame, syncbus__v1__agent_message__get_packed_size (message)) != 0)
        bench_fail ("no memory for a message");
    syncbus__v1__agent_message__pack (message, zmq_msg_data (frame));
}

static void s_registration (void *codec, const char *agent_id, uint64_t instance_id, const bench_seen_t *seen,
                            uint32_t seen_count, zmq_msg_t *frame)
{
    (void)codec;
    char *interests[BENCH_SEEN_MAX];
    for (uint32_t i = 0; i < seen_count; i++)
        interests[i] = (char *)(uintptr_t)seen[i].interest;
    Syncbus__V1__AgentMessage message = SYNCBUS__V1__AGENT_MESSAGE__INIT;
    Syncbus__V1__Registration registration = SYNCBUS__V1__REGISTRATION__INIT;
    registration.protocol = 1;
    registration.agent_id = (char *)(uintptr_t)agent_id;
    registration.instance_id = instance_id;
    registration.next_sequence = 1;
    registration.n_interests = seen_count;
    registration.interests = interests;
    registration.heartbeat_interval_ms = HEARTBEAT_MS;
    message.body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_REGISTRATION;
    message.registration = &registration;
    s_pack (&message, frame);
}

static void s_heartbeat (void *codec, uint64_t decided_through, const bench_seen_t *seen, uint32_t seen_count,
                         zmq_msg_t *frame)
{
    (void)codec;
    Syncbus__V1__InterestSeen positions[BENCH_SEEN_MAX];
    Syncbus__V1__InterestSeen *pointers[BENCH_SEEN_MAX];
    for (uint32_t i = 0; i < seen_count; i++) {
        syncbus__v1__interest_seen__init (&positions[i]);
        positions[i].interest = (char *)(uintptr_t)seen[i].interest;
        positions[i].sequence = seen[i].sequence;
        positions[i].category_sequence = seen[i].category_sequence;
        pointers[i] = &positions[i];
    }
    Syncbus__V1__AgentMessage message = SYNCBUS__V1__AGENT_MESSAGE__INIT;
    Syncbus__V1__Heartbeat heartbeat = SYNCBUS__V1__HEARTBEAT__INIT;
    heartbeat.decided_through = decided_through;
    heartbeat.n_seen = seen_count;
    heartbeat.seen = pointers;
    message.body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_HEARTBEAT;
    message.heartbeat = &heartbeat;
    s_pack (&message, frame);
}

static void s_deltas (void *codec, const bench_deltas_t *deltas, zmq_msg_t *frame)
{
    s_codec_t *self = codec;
    for (uint32_t i = 0; i < deltas->count; i++) {
        s_delta_t *one = &self->deltas[i];
        one->delta.sequence = deltas->first_sequence + i;
        one->delta.event_unix_ns = deltas->event_unix_ns;
        one->delta.category = (char *)(uintptr_t)deltas->category;
        one->change.name = (char *)(uintptr_t)deltas->fields[(deltas->first_number + i) % deltas->keys];
        one->value.bytes.data = (uint8_t *)(uintptr_t)deltas->payloads + (size_t)i * deltas->size;
        one->value.bytes.len = deltas->size;
    }
    Syncbus__V1__AgentMessage message = SYNCBUS__V1__AGENT_MESSAGE__INIT;
    if (deltas->count == 1) {
        message.body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_DELTA;
        message.delta = self->pointers[0];
    } else {
        message.body_case = SYNCBUS__V1__AGENT_MESSAGE__BODY_BATCH;
        message.batch = &self->batch;
        self->batch.n_deltas = deltas->count;
    }
    s_pack (&message, frame);
}

/* ---------------------------------------------------------------- reading */

static void s_read_answer (void *codec, const void *data, size_t size, bench_answer_t *answer)
{
    s_codec_t *self = codec;
    bench_bump_reset (&self->bump);
    Syncbus__V1__BrokerMessage *message = syncbus__v1__broker_message__unpack (&self->bump.allocator, size, data);
    if (!message)
        bench_fail ("an answer could not be read");
    switch (message->body_case) {
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_WELCOME:
        answer->is_welcome = true;
        break;
    case SYNCBUS__V1__BROKER_MESSAGE__BODY_ACK:
        answer->decided_through = message->ack->decided_through;
        answer->refused = (uint32_t)message->ack->n_refused;
        break;
    default:
        snprintf (answer->failure, sizeof answer->failure, "an answer of kind %d", message->body_case);
        break;
    }
}

static void s_take (void *codec, bench_sink_t *sink, uint32_t subscriber, const uint8_t *frame, size_t size)
{
    s_codec_t *self = codec;
    const uint8_t *end = memchr (frame, 0, size);
    if (!end)
        bench_fail ("a frame without a topic");
    bench_bump_reset (&self->bump);
    Syncbus__V1__Publication *publication =
        syncbus__v1__publication__unpack (&self->bump.allocator, size - (size_t)(end + 1 - frame), end + 1);
    if (!publication)
        bench_fail ("a publication could not be read");
    const uint64_t now_ns = bench_clock_ns ();
    for (size_t i = 0; i < publication->n_updates; i++)
        for (size_t j = 0; j < publication->updates[i]->n_changes; j++) {
            const Syncbus__V1__Change *change = publication->updates[i]->changes[j];
            const bool is_payload = change->kind_case == SYNCBUS__V1__CHANGE__KIND_VALUE &&
                                    change->value->kind_case == SYNCBUS__V1__VALUE__KIND_BYTES;
            bench_sink_take_at (sink, subscriber, is_payload ? change->value->bytes.data : NULL,
                                is_payload ? change->value->bytes.len : 0, now_ns);
        }
}

const bench_codec_t bench_codec_protobuf_c = {.open = s_open,
                                              .close = s_close,
                                              .registration = s_registration,
                                              .heartbeat = s_heartbeat,
                                              .deltas = s_deltas,
                                              .read_answer = s_read_answer,
                                              .take = s_take};

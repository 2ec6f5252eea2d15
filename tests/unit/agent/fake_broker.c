/* SPDX-License-Identifier: MPL-2.0
 *
 * See fake_broker.h. Everything but the table of fields belongs to its thread.
 */
#include "fake_broker.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "sb_codec.h"
#include "sb_names.h"

enum { FIELDS = 512, TOPICS = 64, SESSIONS = 64, ROUTING_ID = 5, MESSAGE_MAX = 1 << 20 };

typedef struct {
    char name[SB_FIELD_NAME_MAX + 1];
    double number;
} s_field_t;

/* A topic's head, and the sequences of its category so far: each category here has topics of its own. */
typedef struct {
    char topic[SB_TOPIC_MAX + 1];
    uint32_t category_size;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
} s_topic_t;

typedef struct {
    uint8_t routing_id[ROUTING_ID];
    char agent_id[SB_ID_MAX + 1];
    uint64_t decided_through;
    bool is_known;
} s_session_t;

struct sb_fake_broker {
    void *context;
    void *router;
    void *pub;
    char ingress[64];
    char publish[64];
    pthread_t thread;
    atomic_bool is_ending;
    atomic_bool is_forgetting;
    atomic_bool is_holding;
    pthread_mutex_t lock;   /* of fields and counts */
    pthread_cond_t handled; /* another message; on the monotonic clock */
    uint64_t message_count;
    uint64_t replacement_count;
    s_field_t fields[FIELDS];
    uint32_t field_count;
    s_session_t sessions[SESSIONS];
    uint32_t session_count;
    uint64_t epoch;
    uint64_t sequence;
    s_topic_t topics[TOPICS];
    uint32_t topic_count;
    sb_arena_t *decode_arena;
    sb_arena_t *encode_arena;
};

static void s_set_field (sb_fake_broker_t *self, sb_text_t name, double number)
{
    pthread_mutex_lock (&self->lock);
    uint32_t i = 0;
    while (i < self->field_count && !sb_text_equal (sb_text (self->fields[i].name), name))
        i++;
    assert (i < FIELDS);
    if (i == self->field_count) {
        self->field_count++;
        memcpy (self->fields[i].name, name.data, name.size);
        self->fields[i].name[name.size] = 0;
    }
    self->fields[i].number = number;
    pthread_mutex_unlock (&self->lock);
}

double sb_fake_broker_field (sb_fake_broker_t *self, const char *name, double otherwise)
{
    pthread_mutex_lock (&self->lock);
    for (uint32_t i = 0; i < self->field_count; i++) {
        if (strcmp (self->fields[i].name, name) == 0)
            otherwise = self->fields[i].number;
    }
    pthread_mutex_unlock (&self->lock);
    return otherwise;
}

static void s_send (sb_fake_broker_t *self, const s_session_t *session, const uint8_t *routing_id,
                    const sb_broker_message_t *message)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->encode_arena);
    size_t size = sb_encode_broker_message (self->encode_arena, message, &encoding);
    char *frame = malloc (size);
    assert (frame && size);
    sb_encoding_write (encoding, frame);
    zmq_send (self->router, session ? session->routing_id : routing_id, ROUTING_ID, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send (self->router, frame, size, ZMQ_DONTWAIT);
    free (frame);
}

static void s_publish_frame (sb_fake_broker_t *self, const sb_publication_t *publication)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->encode_arena);
    size_t frame_size = sb_encode_publication (self->encode_arena, publication, &encoding);
    char *frame = malloc (frame_size);
    assert (frame && frame_size);
    sb_encoding_write (encoding, frame);
    zmq_send (self->pub, frame, frame_size, ZMQ_DONTWAIT);
    free (frame);
}

static bool s_is_of_category (const s_topic_t *topic, const char *name, uint32_t size)
{
    return topic->category_size == size && memcmp (topic->topic, name, size) == 0;
}

static uint64_t s_category_head (const sb_fake_broker_t *self, const s_topic_t *of)
{
    uint64_t head = 0;
    for (uint32_t i = 0; i < self->topic_count; i++) {
        const s_topic_t *topic = &self->topics[i];
        if (s_is_of_category (topic, of->topic, of->category_size) && topic->category_sequence > head)
            head = topic->category_sequence;
    }
    return head;
}

static s_topic_t *s_find_topic (sb_fake_broker_t *self, const char *name, uint32_t category_size)
{
    uint32_t i = 0;
    while (i < self->topic_count && strcmp (self->topics[i].topic, name) != 0)
        i++;
    assert (i < TOPICS);
    if (i == self->topic_count) {
        self->topics[self->topic_count++] = (s_topic_t){.category_size = category_size};
        strcpy (self->topics[i].topic, name);
    }
    return &self->topics[i];
}

static void s_publish (sb_fake_broker_t *self, const s_session_t *session, const sb_delta_t *delta)
{
    char name[SB_TOPIC_MAX + 1];
    int size = snprintf (name, sizeof name, "%.*s.%s.%.*s", (int)delta->category.size, delta->category.data,
                         session->agent_id, (int)delta->subject.size, delta->subject.data);
    s_topic_t *topic = s_find_topic (self, name, delta->category.size);
    sb_publication_t publication = {.topic = {name, (uint32_t)size}, .stream_id = 1, .epoch = self->epoch};
    topic->category_sequence = s_category_head (self, topic) + 1;
    topic->sequence = ++self->sequence;
    topic->topic_sequence++;
    publication.sequence = topic->sequence;
    publication.category_sequence = topic->category_sequence;
    publication.topic_sequence = topic->topic_sequence;
    publication.agent_id = sb_text (session->agent_id);
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    publication.broker_unix_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    publication.updates = &delta->update;
    publication.update_count = 1;
    s_publish_frame (self, &publication);
}

/* The heads, as a level on `topic`. */
static void s_publish_heads (sb_fake_broker_t *self, sb_text_t topic)
{
    sb_change_t changes[TOPICS + 1];
    char names[TOPICS][SB_CATEGORY_MAX + 8];
    uint32_t count = 0;
    changes[count++] = (sb_change_t){.name = sb_text ("sequence"), .value.kind = SB_VALUE_INTEGER};
    changes[0].value.integer = (int64_t)self->sequence;
    for (uint32_t i = 0; i < self->topic_count; i++) {
        const s_topic_t *of = &self->topics[i];
        snprintf (names[i], sizeof names[i], "head.%.*s", (int)of->category_size, of->topic);
        changes[count] = (sb_change_t){.name = sb_text (names[i]), .value.kind = SB_VALUE_INTEGER};
        changes[count++].value.integer = (int64_t)s_category_head (self, of);
    }
    sb_update_t update = {.changes = changes, .change_count = count};
    sb_publication_t publication = {
        .topic = topic, .stream_id = 1, .epoch = self->epoch, .updates = &update, .update_count = 1};
    s_publish_frame (self, &publication);
}

/* Of a snapshot there are only the heads: what this broker keeps of fields has no topics. */
static void s_give_snapshot (sb_fake_broker_t *self, const s_session_t *session, uint64_t snapshot_id)
{
    sb_snapshot_topic_t topics[TOPICS];
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_CHUNK};
    for (uint32_t i = 0; i < self->topic_count; i++)
        topics[i] = (sb_snapshot_topic_t){.topic = sb_text (self->topics[i].topic),
                                          .sequence = self->topics[i].sequence,
                                          .category_sequence = self->topics[i].category_sequence,
                                          .topic_sequence = self->topics[i].topic_sequence};
    message.snapshot_chunk = (sb_snapshot_chunk_t){snapshot_id, 1, topics, self->topic_count};
    if (self->topic_count)
        s_send (self, session, NULL, &message);
    message = (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end = (sb_snapshot_end_t){.snapshot_id = snapshot_id,
                                               .chunk_count = self->topic_count > 0,
                                               .sequence = self->sequence,
                                               .stream_id = 1,
                                               .epoch = self->epoch};
    s_send (self, session, NULL, &message);
}

static void s_apply (sb_fake_broker_t *self, const sb_delta_t *delta)
{
    for (uint32_t i = 0; i < delta->update.change_count; i++) {
        if (delta->update.changes[i].value.kind == SB_VALUE_NUMBER)
            s_set_field (self, delta->update.changes[i].name, delta->update.changes[i].value.number);
    }
}

static void s_ack (sb_fake_broker_t *self, const s_session_t *session)
{
    if (atomic_load (&self->is_holding))
        return;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {.decided_through = session->decided_through}};
    s_send (self, session, NULL, &message);
}

static void s_batch (sb_fake_broker_t *self, s_session_t *session, const sb_batch_t *batch)
{
    for (uint32_t i = 0; i < batch->delta_count; i++) {
        const sb_delta_t *delta = &batch->deltas[i];
        if (delta->update.sequence != session->decided_through + 1)
            continue;
        session->decided_through++;
        s_apply (self, delta);
        s_publish (self, session, delta);
    }
    s_ack (self, session);
}

static s_session_t *s_register (sb_fake_broker_t *self, const uint8_t *routing_id,
                                const sb_registration_t *registration)
{
    assert (self->session_count < SESSIONS);
    s_session_t *session = &self->sessions[self->session_count++];
    *session = (s_session_t){.decided_through = registration->next_sequence - 1};
    memcpy (session->routing_id, routing_id, ROUTING_ID);
    memcpy (session->agent_id, registration->agent_id.data, registration->agent_id.size);
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME};
    message.welcome = (sb_welcome_t){
        .session_id = self->session_count,
        .stream_id = 1,
        .epoch = self->epoch,
        .decided_through = session->decided_through,
        .publish_endpoint = sb_text (self->publish),
        .heartbeat_interval_ms = 100,
        .limits = {256 * 1024, 64, 1024, 4096},
        .interests = registration->interests,
        .interest_count = registration->interest_count,
        .control_timeout_ms = 10000,
    };
    s_send (self, session, NULL, &message);
    return session;
}

static s_session_t *s_find (sb_fake_broker_t *self, const uint8_t *routing_id)
{
    for (uint32_t i = 0; i < self->session_count; i++) {
        if (memcmp (self->sessions[i].routing_id, routing_id, ROUTING_ID) == 0)
            return &self->sessions[i];
    }
    return NULL;
}

static void s_message (sb_fake_broker_t *self, const uint8_t *routing_id, const sb_agent_message_t *message)
{
    s_session_t *session = s_find (self, routing_id);
    sb_broker_message_t answer = {.kind = SB_BROKER_MESSAGE_REFUSAL, .refusal.reason = SB_REASON_REGISTER_AGAIN};
    if (!session && message->kind != SB_AGENT_MESSAGE_REGISTRATION) {
        s_send (self, NULL, routing_id, &answer);
        return;
    }
    switch (message->kind) {
    case SB_AGENT_MESSAGE_REGISTRATION:
        s_register (self, routing_id, &message->registration);
        break;
    case SB_AGENT_MESSAGE_BATCH:
        s_batch (self, session, &message->batch);
        break;
    case SB_AGENT_MESSAGE_REPLACE_CHUNK:
        for (uint32_t i = 0; i < message->replace_chunk.topic_count; i++)
            s_apply (self, &message->replace_chunk.topics[i]);
        break;
    case SB_AGENT_MESSAGE_REPLACE_END:
        session->decided_through = message->replace_end.sequence;
        session->is_known = true;
        pthread_mutex_lock (&self->lock);
        self->replacement_count++;
        pthread_mutex_unlock (&self->lock);
        s_ack (self, session);
        break;
    case SB_AGENT_MESSAGE_HEARTBEAT:
        answer = (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK};
        answer.heartbeat_ack.decided_through = atomic_load (&self->is_holding) ? 0 : session->decided_through;
        answer.heartbeat_ack.state_known = session->is_known;
        s_send (self, session, NULL, &answer);
        s_publish_heads (self, sb_text ("_beat.."));
        break;
    case SB_AGENT_MESSAGE_SNAPSHOT_REQUEST:
        s_give_snapshot (self, session, message->snapshot_request.snapshot_id);
        break;
    case SB_AGENT_MESSAGE_COMMAND:
        answer = (sb_broker_message_t){.kind = SB_BROKER_MESSAGE_COMMAND_REPLY};
        answer.command_reply.command_id = message->command.command_id;
        answer.command_reply.message = message->command.command;
        s_send (self, session, NULL, &answer);
        break;
    default:
        break;
    }
}

static void s_read (sb_fake_broker_t *self)
{
    static _Thread_local uint8_t frame[MESSAGE_MAX];
    uint8_t routing_id[ROUTING_ID];
    while (zmq_recv (self->router, routing_id, sizeof routing_id, ZMQ_DONTWAIT) == ROUTING_ID) {
        int size = zmq_recv (self->router, frame, sizeof frame, 0);
        assert (size >= 0 && (size_t)size <= sizeof frame);
        sb_agent_message_t message;
        sb_arena_reset (self->decode_arena);
        sb_fault_t fault = sb_decode_agent_message (self->decode_arena, frame, (size_t)size, MESSAGE_MAX, &message);
        assert (fault.reason == SB_REASON_NONE);
        if (atomic_exchange (&self->is_forgetting, false)) {
            self->session_count = 0;
            self->epoch++;
            self->sequence = 0;
            self->topic_count = 0;
            pthread_mutex_lock (&self->lock);
            self->field_count = 0;
            pthread_mutex_unlock (&self->lock);
        }
        s_message (self, routing_id, &message);
        pthread_mutex_lock (&self->lock);
        self->message_count++;
        pthread_cond_broadcast (&self->handled);
        pthread_mutex_unlock (&self->lock);
    }
}

/* Whoever subscribes to a join is answered there. */
static void s_read_subscriptions (sb_fake_broker_t *self)
{
    char frame[256];
    int size;
    while ((size = zmq_recv (self->pub, frame, sizeof frame, ZMQ_DONTWAIT)) > 0) {
        if (size < (int)sizeof frame && size > 7 && frame[0] == 1 && memcmp (frame + 1, "~join.", 6) == 0)
            s_publish_heads (self, (sb_text_t){frame + 1, (uint32_t)size - 1});
    }
}

static void *s_main (void *argument)
{
    sb_fake_broker_t *self = argument;
    while (!atomic_load (&self->is_ending)) {
        zmq_pollitem_t items[] = {{.socket = self->router, .events = ZMQ_POLLIN},
                                  {.socket = self->pub, .events = ZMQ_POLLIN}};
        zmq_poll (items, 2, 10);
        s_read_subscriptions (self);
        s_read (self);
    }
    return NULL;
}

static void *s_bind (sb_fake_broker_t *self, int kind, char *endpoint, size_t endpoint_size)
{
    int zero = 0;
    void *socket = zmq_socket (self->context, kind);
    assert (socket);
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (socket, ZMQ_SNDHWM, &zero, sizeof zero);
    int result = zmq_bind (socket, "tcp://127.0.0.1:*");
    assert (result == 0);
    result = zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &endpoint_size);
    assert (result == 0);
    return socket;
}

sb_fake_broker_t *sb_fake_broker_new (void)
{
    sb_fake_broker_t *self = calloc (1, sizeof *self);
    assert (self);
    self->epoch = 1;
    self->context = zmq_ctx_new ();
    self->router = s_bind (self, ZMQ_ROUTER, self->ingress, sizeof self->ingress);
    self->pub = s_bind (self, ZMQ_XPUB, self->publish, sizeof self->publish);
    self->decode_arena = sb_arena_new (64 << 20);
    self->encode_arena = sb_arena_new (64 << 20);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->handled, &attributes);
    pthread_condattr_destroy (&attributes);
    pthread_mutex_init (&self->lock, NULL);
    pthread_create (&self->thread, NULL, s_main, self);
    return self;
}

void sb_fake_broker_destroy (sb_fake_broker_t **self_p)
{
    sb_fake_broker_t *self = *self_p;
    atomic_store (&self->is_ending, true);
    pthread_join (self->thread, NULL);
    zmq_close (self->router);
    zmq_close (self->pub);
    zmq_ctx_term (self->context);
    sb_arena_destroy (&self->decode_arena);
    sb_arena_destroy (&self->encode_arena);
    pthread_cond_destroy (&self->handled);
    pthread_mutex_destroy (&self->lock);
    free (self);
    *self_p = NULL;
}

const char *sb_fake_broker_ingress (const sb_fake_broker_t *self)
{
    return self->ingress;
}

void sb_fake_broker_forget (sb_fake_broker_t *self)
{
    atomic_store (&self->is_forgetting, true);
}

void sb_fake_broker_hold (sb_fake_broker_t *self, bool hold)
{
    atomic_store (&self->is_holding, hold);
}

uint64_t sb_fake_broker_replacement_count (sb_fake_broker_t *self)
{
    pthread_mutex_lock (&self->lock);
    uint64_t count = self->replacement_count;
    pthread_mutex_unlock (&self->lock);
    return count;
}

void sb_fake_broker_wait_message (sb_fake_broker_t *self, uint32_t timeout_ms)
{
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock (&self->lock);
    uint64_t seen = self->message_count;
    int error = 0;
    while (self->message_count == seen && error == 0)
        error = pthread_cond_timedwait (&self->handled, &self->lock, &until);
    pthread_mutex_unlock (&self->lock);
}

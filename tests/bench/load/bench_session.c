/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_session.h. Acks are read when half the window is used up and then at each further sixteenth, when it is
 * full, and whenever the generator says that there is time: reading at each update would cost a look at the socket,
 * which is a system call, for nothing. A beat goes out each second, as from any agent.
 */
#define _GNU_SOURCE
#include "bench_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BEAT_NS = 1000 * 1000 * 1000, CONNECT_MS = 10000, STUCK_MS = 10000 };

typedef struct {
    void *socket;
    uint64_t sent;    /* deltas, so also the sequence of the last one */
    uint64_t decided; /* through this one */
    uint64_t looked;  /* sent when answers were last looked for to make room */
    uint64_t refused;
    bool is_welcome;
} s_session_t;

/* What was sent of everything, and of each category. */
typedef struct {
    uint64_t messages;
    uint64_t *of_category; /* options->categories */
} s_sent_t;

/* By how much an interest's head is above what was sent of it, modulo 2^64, by the last answer to a beat. */
typedef struct {
    uint64_t sequence;
    uint64_t category_sequence;
} s_lead_t;

typedef struct {
    const bench_options_t *options;
    const bench_codec_t *codec;
    void *codec_self;
    void *context;
    void **sockets;
    s_session_t *sessions;
    bench_names_t *names;
    s_sent_t sent;
    s_sent_t sent_at_beat; /* the last one */
    s_lead_t *leads;       /* of each session, options->reads */
    bench_seen_t heads[BENCH_SEEN_MAX];
    uint64_t next_beat_ns;
    bench_published_t counts; /* but for `messages`, which `sent` has */
} s_publishers_t;

/* ---------------------------------------------------------------- sessions */

static void s_send (s_publishers_t *self, s_session_t *session, zmq_msg_t *frame)
{
    self->counts.bytes += zmq_msg_size (frame);
    bench_zmq_send (session->socket, frame);
}

/* Takes over the heads of an answer to a beat: as they were when the server had all that was sent before it. */
static void s_take_heads (s_publishers_t *self, const s_session_t *session, const bench_answer_t *answer)
{
    const uint32_t publisher = (uint32_t)(session - self->sessions), reads = self->options->reads;
    for (uint32_t i = 0; i < answer->head_count * reads; i++) {
        const bench_seen_t *head = &answer->heads[i / reads];
        const uint32_t category = bench_reads_category (self->options, publisher, i % reads);
        char name[BENCH_NAME_MAX];
        bench_category_name (name, category);
        if (strcmp (name, head->interest) != 0)
            continue;
        s_lead_t *lead = &self->leads[publisher * reads + i % reads];
        lead->sequence = head->sequence - self->sent_at_beat.messages;
        lead->category_sequence = head->category_sequence - self->sent_at_beat.of_category[category];
    }
}

/* Reads what the server has answered, waiting at most timeout_ms for the first of it. False when nothing came. */
static bool s_read_answers (s_publishers_t *self, s_session_t *session, int timeout_ms)
{
    bool is_read = false;
    zmq_msg_t frame;
    zmq_pollitem_t item = {.socket = session->socket, .events = ZMQ_POLLIN};
    if (timeout_ms && zmq_poll (&item, 1, timeout_ms) <= 0)
        return false;
    zmq_msg_init (&frame);
    while (zmq_msg_recv (&frame, session->socket, ZMQ_DONTWAIT) >= 0) {
        bench_answer_t answer = {.heads = self->heads};
        self->codec->read_answer (self->codec_self, zmq_msg_data (&frame), zmq_msg_size (&frame), &answer);
        if (answer.failure[0])
            bench_fail ("the server ended the session: %s", answer.failure);
        if (answer.decided_through > session->decided)
            session->decided = answer.decided_through;
        session->refused += answer.refused;
        session->is_welcome = session->is_welcome || answer.is_welcome;
        s_take_heads (self, session, &answer);
        is_read = true;
    }
    zmq_msg_close (&frame);
    return is_read;
}

/* Where the reader of a publisher's number is that keeps up: options->reads interests. */
static void s_seen (const s_publishers_t *self, uint32_t publisher, bench_seen_t *seen)
{
    for (uint32_t i = 0; i < self->options->reads; i++) {
        const uint32_t category = bench_reads_category (self->options, publisher, i);
        bench_category_name (seen[i].interest, category);
        const s_lead_t *lead = &self->leads[publisher * self->options->reads + i];
        seen[i].sequence = self->sent.messages + lead->sequence;
        seen[i].category_sequence = self->sent.of_category[category] + lead->category_sequence;
    }
}

static void s_beat (s_publishers_t *self, uint64_t now_ns)
{
    bench_seen_t seen[BENCH_SEEN_MAX];
    self->next_beat_ns = now_ns + BEAT_NS;
    for (uint32_t i = 0; i < self->options->count; i++) {
        zmq_msg_t frame;
        s_seen (self, i, seen);
        self->codec->heartbeat (self->codec_self, self->sessions[i].decided, seen, self->options->reads, &frame);
        s_send (self, &self->sessions[i], &frame);
    }
    self->sent_at_beat.messages = self->sent.messages;
    memcpy (self->sent_at_beat.of_category, self->sent.of_category,
            self->options->categories * sizeof *self->sent.of_category);
}

/* Waits until so many updates fit into the window. */
static void s_wait_for_room (s_publishers_t *self, s_session_t *session, uint32_t count)
{
    const uint32_t window = self->options->window;
    if (session->sent + count - session->decided > window / 2 && session->sent - session->looked >= window / 16) {
        session->looked = session->sent;
        s_read_answers (self, session, 0);
    }
    while (session->sent + count - session->decided > window)
        if (!s_read_answers (self, session, STUCK_MS))
            bench_fail ("no ack for %d ms, with %u updates undecided", STUCK_MS, window);
}

/* ---------------------------------------------------------------- a publisher process */

void *bench_session_publish_open (const bench_options_t *options, const bench_codec_t *codec)
{
    bench_seen_t seen[BENCH_SEEN_MAX];
    s_publishers_t *self = calloc (1, sizeof *self);
    if (!self || !(self->sessions = calloc (options->count, sizeof *self->sessions)) ||
        !(self->sent.of_category = calloc (options->categories, sizeof (uint64_t))) ||
        !(self->sent_at_beat.of_category = calloc (options->categories, sizeof (uint64_t))) ||
        !(self->leads = calloc ((size_t)options->count * options->reads, sizeof *self->leads)))
        bench_fail ("no memory");
    if (options->reads > BENCH_SEEN_MAX)
        bench_fail ("an agent has at most %d interests", BENCH_SEEN_MAX);
    if (options->batch > options->window)
        bench_fail ("a batch is larger than the window");
    self->options = options;
    self->codec = codec;
    self->codec_self = codec->open (options);
    self->names = bench_names_new (options);
    self->context = bench_zmq_context (options->count);
    self->sockets = bench_zmq_dealers (self->context, options);
    const uint64_t instance_id = bench_clock_ns () % (UINT64_C (1) << 53) + 1;
    for (uint32_t i = 0; i < options->count; i++) {
        zmq_msg_t frame;
        self->sessions[i].socket = self->sockets[i];
        s_seen (self, i, seen);
        codec->registration (self->codec_self, self->names->agents[i], instance_id, seen, options->reads, &frame);
        s_send (self, &self->sessions[i], &frame);
    }
    for (uint32_t i = 0; i < options->count; i++)
        while (!self->sessions[i].is_welcome)
            if (!s_read_answers (self, &self->sessions[i], CONNECT_MS))
                bench_fail ("no Welcome within %d ms", CONNECT_MS);
    self->counts = (bench_published_t){0};
    self->next_beat_ns = bench_clock_ns () + BEAT_NS;
    return self;
}

void bench_session_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads,
                            uint32_t count)
{
    s_publishers_t *self = driver;
    s_session_t *session = &self->sessions[publisher];
    struct timespec now;
    zmq_msg_t frame;
    s_wait_for_room (self, session, count);
    clock_gettime (CLOCK_REALTIME, &now);
    const bench_deltas_t deltas = {.category = self->names->categories[publisher],
                                   .fields = (const char (*)[BENCH_NAME_MAX])self->names->fields,
                                   .keys = self->options->keys,
                                   .first_sequence = session->sent + 1,
                                   .first_number = first_number,
                                   .event_unix_ns = now.tv_sec * INT64_C (1000000000) + now.tv_nsec,
                                   .payloads = payloads,
                                   .size = self->options->size,
                                   .count = count};
    self->codec->deltas (self->codec_self, &deltas, &frame);
    session->sent += count;
    self->sent.messages++;
    self->sent.of_category[bench_category (self->options, publisher)]++;
    s_send (self, session, &frame);
}

void bench_session_service (void *driver)
{
    s_publishers_t *self = driver;
    const uint64_t now_ns = bench_clock_ns ();
    for (uint32_t i = 0; i < self->options->count; i++)
        if (self->sessions[i].sent > self->sessions[i].decided)
            s_read_answers (self, &self->sessions[i], 0);
    if (now_ns >= self->next_beat_ns)
        s_beat (self, now_ns);
}

bool bench_session_finish (void *driver, int timeout_ms)
{
    s_publishers_t *self = driver;
    for (uint32_t i = 0; i < self->options->count; i++)
        while (self->sessions[i].decided < self->sessions[i].sent)
            if (!s_read_answers (self, &self->sessions[i], timeout_ms))
                return false;
    return true;
}

void bench_session_published (void *driver, bench_published_t *counts)
{
    const s_publishers_t *self = driver;
    *counts = self->counts;
    counts->messages = self->sent.messages;
    for (uint32_t i = 0; i < self->options->count; i++) {
        counts->refused += self->sessions[i].refused;
        counts->accepted += self->sessions[i].decided - self->sessions[i].refused;
    }
}

void bench_session_publish_close (void **self_p)
{
    s_publishers_t *self = *self_p;
    bench_zmq_close (self->context, self->sockets, self->options->count);
    self->codec->close (&self->codec_self);
    bench_names_destroy (&self->names);
    free (self->sessions);
    free (self->sent.of_category);
    free (self->sent_at_beat.of_category);
    free (self->leads);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- a subscriber process */

typedef struct {
    bench_zmq_readers_t readers;
    const bench_codec_t *codec;
    void *codec_self;
    bench_sink_t *sink;
} s_subscribers_t;

static void s_take (void *driver, uint32_t subscriber, const uint8_t *frame, size_t size)
{
    s_subscribers_t *self = driver;
    self->codec->take (self->codec_self, self->sink, subscriber, frame, size);
}

void *bench_session_subscribe_open (const bench_options_t *options, bench_sink_t *sink, const bench_codec_t *codec)
{
    s_subscribers_t *self = calloc (1, sizeof *self);
    if (!self)
        bench_fail ("no memory");
    self->codec = codec;
    self->codec_self = codec->open (options);
    self->sink = sink;
    bench_zmq_readers_open (&self->readers, options, s_take, self);
    return self;
}

void bench_session_receive (void *driver, int timeout_ms)
{
    bench_zmq_readers_receive (&((s_subscribers_t *)driver)->readers, timeout_ms);
}

void bench_session_received (void *driver, bench_received_t *counts)
{
    *counts = ((s_subscribers_t *)driver)->readers.counts;
}

void bench_session_subscribe_close (void **self_p)
{
    s_subscribers_t *self = *self_p;
    bench_zmq_readers_close (&self->readers);
    self->codec->close (&self->codec_self);
    free (self);
    *self_p = NULL;
}

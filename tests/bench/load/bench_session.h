/* SPDX-License-Identifier: MPL-2.0
 *
 * Publishers and subscribers that speak the protocol of SyncBus on sockets of their own, without the client library:
 * register, window, acks, beats. The codec forwarder and the broker are driven by this same code; how bytes are made
 * and read is the codec's part, and all that differs between the two.
 *
 * A publisher is one agent with the subscriber of its number, as far as its server can tell: it registers with that
 * one's interests, and its beats say how far it has read. The subscriber is in another process, so what stands there is
 * where a reader is that is not behind: the head that the answer to the last beat gave, and what this process has sent
 * of the category since that beat. The answer alone is a beat old, and would be behind by all that. Where messages
 * share a publication this is beyond the head, by as many as were saved since the answer and never more: each answer
 * sets it right. It moves no message, but the server has a reader's registration, heads and positions to keep for each.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "bench_driver.h"
#include "bench_zmq.h"

/* Deltas of one publisher that leave as one message. */
typedef struct {
    const char *category;
    const char (*fields)[BENCH_NAME_MAX]; /* update i writes field (first_number + i) modulo `keys` */
    uint32_t keys;
    uint64_t first_sequence; /* of the session, probes counted */
    uint64_t first_number;
    int64_t event_unix_ns;
    const uint8_t *payloads;
    uint32_t size; /* of each */
    uint32_t count;
} bench_deltas_t;

/* How far one interest was read, or where it ends. */
typedef struct {
    char interest[BENCH_NAME_MAX]; /* a category */
    uint64_t sequence;             /* over all categories */
    uint64_t category_sequence;    /* in this one */
} bench_seen_t;

enum { BENCH_SEEN_MAX = 64 }; /* interests of an agent */

/* What came down the DEALER. */
typedef struct {
    bool is_welcome;
    uint64_t decided_through; /* 0: it says nothing of that */
    uint32_t refused;         /* deltas refused in it */
    bench_seen_t *heads;      /* room for BENCH_SEEN_MAX, the caller's */
    uint32_t head_count;      /* in the answer to a beat; the codec forwarder gives none */
    char failure[128];        /* a refusal of the whole message, or a goodbye: the session is of no use any more */
} bench_answer_t;

/* Makes and reads the messages. Each function that makes one initializes *frame, and fails by bench_fail. */
typedef struct {
    void *(*open) (const bench_options_t *options);
    void (*close) (void **self_p);
    void (*registration) (void *self, const char *agent_id, uint64_t instance_id, const bench_seen_t *seen,
                          uint32_t seen_count, zmq_msg_t *frame);
    void (*heartbeat) (void *self, uint64_t decided_through, const bench_seen_t *seen, uint32_t seen_count,
                       zmq_msg_t *frame);
    void (*deltas) (void *self, const bench_deltas_t *deltas, zmq_msg_t *frame);
    void (*read_answer) (void *self, const void *data, size_t size, bench_answer_t *answer);
    /* Gives the sink what a frame of the PUB side carries. */
    void (*take) (void *self, bench_sink_t *sink, uint32_t subscriber, const uint8_t *frame, size_t size);
} bench_codec_t;

extern const bench_codec_t bench_codec_protobuf_c; /* the schema's code as protoc-c makes it */
extern const bench_codec_t bench_codec_wire;       /* broker/wire */

/* The functions of a driver, but for the codec that opening takes. */
void *bench_session_publish_open (const bench_options_t *options, const bench_codec_t *codec);
void bench_session_publish (void *self, uint32_t publisher, uint64_t first_number, const uint8_t *payloads,
                            uint32_t count);
void bench_session_service (void *self);
bool bench_session_finish (void *self, int timeout_ms);
void bench_session_published (void *self, bench_published_t *counts);
void bench_session_publish_close (void **self_p);
void *bench_session_subscribe_open (const bench_options_t *options, bench_sink_t *sink, const bench_codec_t *codec);
void bench_session_receive (void *self, int timeout_ms);
void bench_session_received (void *self, bench_received_t *counts);
void bench_session_subscribe_close (void **self_p);

/* Defines bench_driver_NAME: the functions above with that codec. */
#define BENCH_SESSION_DRIVER(NAME, CODEC, HELP)                                                                        \
    static void *s_publish_open (const bench_options_t *options)                                                       \
    {                                                                                                                  \
        return bench_session_publish_open (options, &(CODEC));                                                         \
    }                                                                                                                  \
    static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)                                 \
    {                                                                                                                  \
        return bench_session_subscribe_open (options, sink, &(CODEC));                                                 \
    }                                                                                                                  \
    const bench_driver_t bench_driver_##NAME = {                                                                       \
        .name = #NAME,                                                                                                 \
        .help = HELP,                                                                                                  \
        .publish_open = s_publish_open,                                                                                \
        .publish = bench_session_publish,                                                                              \
        .service = bench_session_service,                                                                              \
        .finish = bench_session_finish,                                                                                \
        .published = bench_session_published,                                                                          \
        .publish_close = bench_session_publish_close,                                                                  \
        .subscribe_open = s_subscribe_open,                                                                            \
        .receive = bench_session_receive,                                                                              \
        .received = bench_session_received,                                                                            \
        .subscribe_close = bench_session_subscribe_close,                                                              \
    }

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A snapshot of many fields to an agent that joins, against the same chunks from a bare sender.
 *
 * The program fills the broker through raw agents, registers a reader and takes a snapshot, keeping each chunk's frame.
 * A process of its own then plays the bare sender: a ROUTER that hands out those frames, by reference, to whoever asks,
 * under the same credit. The same receiver takes snapshots from both in turn (A B A B): it decodes, checks checksum,
 * numbers, counts and hash, and puts every field into a copy as the client library keeps it. The time runs from the
 * SnapshotRequest until the end is applied.
 *
 * Prints one line of JSON; fails when a snapshot is not whole.
 */
#define _GNU_SOURCE
#include "agent_copy.h"
#include "sb_state_hash.h"
#include "scale.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AGENTS = 250, /* that own the fields: within limits/fields_per_category */
    SUBJECTS = 4, /* of each */
    FIELDS_A_DELTA = 500,
    WINDOW = 4,
    CREDIT = 8, /* chunks under way at most, as the client library has it: filled up when half is used */
    CHUNKS_MAX = 1 << 18,
    RECORDING_BYTES = 1 << 30,
    ROUNDS_MAX = 100,
    PATIENCE_MS = 60000,
    BEAT_MS = 60000 /* the agents that own the fields are silent for as long */
};

/* The frames of a snapshot in order, the end among them, one behind the other. */
typedef struct {
    uint64_t frame_count;
    uint64_t used;
    uint64_t offsets[CHUNKS_MAX + 1];
    char endpoint[SCALE_TEXT]; /* of the bare sender */
    _Atomic bool is_listening;
    uint8_t octets[RECORDING_BYTES];
} s_recording_t;

typedef struct {
    const char *system; /* taken for its likeness to the other programs */
    const char *ingress;
    const char *publish;
    const char *command;
    uint64_t pid;
    uint64_t fields;
    uint64_t rounds;
    s_recording_t *recording;
    void *context;
    void *request;
    scale_wire_t wire;
    uint64_t snapshot_id;
    uint64_t chunk_count;
} s_bench_t;

/* ---------------------------------------------------------------- the bare sender */

static void s_keep (void *data, void *hint)
{
    (void)data;
    (void)hint;
}

/* Sends frames from *next on, at most `credit` chunks; the end needs none. */
static void s_hand_out (s_recording_t *recording, void *router, zmq_msg_t *peer, uint64_t *next, uint32_t credit)
{
    while (*next < recording->frame_count) {
        zmq_msg_t frame, id;
        const bool is_end = *next + 1 == recording->frame_count;
        if (!is_end && credit-- == 0)
            return;
        const uint64_t offset = recording->offsets[*next];
        zmq_msg_init (&id);
        zmq_msg_copy (&id, peer);
        zmq_msg_init_data (&frame, recording->octets + offset, recording->offsets[*next + 1] - offset, s_keep, NULL);
        if (zmq_msg_send (&id, router, ZMQ_SNDMORE) < 0 || zmq_msg_send (&frame, router, 0) < 0)
            scale_fail ("bare sender: %s", zmq_strerror (errno));
        ++*next;
    }
}

/* Serves one peer at a time, until the process is killed. */
static void s_run_sender (s_recording_t *recording)
{
    scale_wire_t wire;
    zmq_msg_t peer;
    uint64_t next = 0;
    size_t size = sizeof recording->endpoint;
    scale_wire_open (&wire);
    zmq_msg_init (&peer);
    void *context = scale_context (1);
    void *router = zmq_socket (context, ZMQ_ROUTER);
    if (zmq_bind (router, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, recording->endpoint, &size) != 0)
        scale_fail ("bare sender: %s", zmq_strerror (errno));
    recording->is_listening = true;
    for (;;) {
        sb_agent_message_t message;
        if (zmq_msg_recv (&peer, router, 0) < 0 || zmq_msg_recv (&wire.frame, router, 0) < 0)
            continue;
        sb_arena_reset (wire.decoded);
        sb_decode_agent_message (wire.decoded, zmq_msg_data (&wire.frame), zmq_msg_size (&wire.frame), 1 << 20,
                                 &message);
        if (message.kind == SB_AGENT_MESSAGE_SNAPSHOT_REQUEST)
            next = 0;
        if (message.kind == SB_AGENT_MESSAGE_SNAPSHOT_REQUEST || message.kind == SB_AGENT_MESSAGE_SNAPSHOT_CREDIT)
            s_hand_out (recording, router, &peer, &next,
                        message.kind == SB_AGENT_MESSAGE_SNAPSHOT_REQUEST ? message.snapshot_request.credit
                                                                          : message.snapshot_credit.credit);
    }
}

/* ---------------------------------------------------------------- filling the broker */

static void s_receive (s_bench_t *self, void *socket, sb_broker_message_t *message)
{
    if (!scale_wait (socket, PATIENCE_MS) || !scale_receive (&self->wire, socket, message))
        scale_fail ("the broker is silent");
    if (message->kind == SB_BROKER_MESSAGE_REFUSAL)
        scale_fail ("refused: %.*s", (int)message->refusal.text.size, message->refusal.text.data);
}

static void s_register (s_bench_t *self, void *socket, const char *name, const char *interest)
{
    const sb_text_t text = sb_text (interest);
    sb_broker_message_t message;
    sb_agent_message_t registration = scale_registration (name, 1, &text, 1, BEAT_MS);
    scale_send (&self->wire, socket, &registration);
    s_receive (self, socket, &message);
    if (message.kind != SB_BROKER_MESSAGE_WELCOME)
        scale_fail ("%s: no welcome", name);
}

/* A delta of `count` numbers from `first` on. */
static void s_write (s_bench_t *self, void *socket, uint64_t sequence, const char *subject, uint64_t first,
                     uint32_t count)
{
    static char names[FIELDS_A_DELTA][SCALE_TEXT];
    sb_change_t changes[FIELDS_A_DELTA];
    sb_delta_t delta;
    for (uint32_t i = 0; i < count; i++) {
        snprintf (names[i], SCALE_TEXT, "field-%lu", (unsigned long)(first + i));
        changes[i] = (sb_change_t){.name = sb_text (names[i])};
        changes[i].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = (double)(sequence * 1000 + i)};
    }
    sb_agent_message_t message = scale_delta (&delta, sequence, sb_text ("load"), sb_text (subject), changes, count);
    if (!scale_send (&self->wire, socket, &message))
        scale_fail ("cannot send");
}

/* Waits until *decided is at least `sequence`. */
static void s_await (s_bench_t *self, void *socket, uint64_t *decided, uint64_t sequence)
{
    sb_broker_message_t message;
    while (*decided < sequence) {
        s_receive (self, socket, &message);
        if (message.kind != SB_BROKER_MESSAGE_ACK)
            continue;
        if (message.ack.refused_count)
            scale_fail ("refused: %.*s", (int)message.ack.refused[0].text.size, message.ack.refused[0].text.data);
        *decided = message.ack.decided_through;
    }
}

/* One agent's share of the fields, spread over its subjects. */
static void s_fill_agent (s_bench_t *self, void *socket, uint64_t agent)
{
    const uint64_t total = self->fields * (agent + 1) / AGENTS - self->fields * agent / AGENTS;
    uint64_t sequence = 0, decided = 0;
    for (uint64_t i = 0; i < SUBJECTS; i++) {
        char subject[SCALE_TEXT];
        snprintf (subject, sizeof subject, "subject-%lu", (unsigned long)i);
        const uint64_t end = total * (i + 1) / SUBJECTS;
        for (uint64_t first = total * i / SUBJECTS; first < end; first += FIELDS_A_DELTA) {
            s_write (self, socket, ++sequence, subject, first,
                     end - first < FIELDS_A_DELTA ? (uint32_t)(end - first) : FIELDS_A_DELTA);
            if (sequence > WINDOW)
                s_await (self, socket, &decided, sequence - WINDOW);
        }
    }
    s_await (self, socket, &decided, sequence);
}

static void s_fill (s_bench_t *self, void **sockets)
{
    for (uint64_t i = 0; i < AGENTS; i++) {
        char name[SCALE_TEXT];
        snprintf (name, sizeof name, "owner-%lu", (unsigned long)i);
        sockets[i] = scale_socket (self->context, ZMQ_DEALER, self->ingress);
        s_register (self, sockets[i], name, "quiet");
        s_fill_agent (self, sockets[i], i);
    }
    const uint64_t fields = scale_status (&self->wire, self->request, "fields");
    if (fields < self->fields)
        scale_fail ("the broker holds %lu of %lu fields", (unsigned long)fields, (unsigned long)self->fields);
}

/* ---------------------------------------------------------------- the receiver */

typedef struct {
    s_bench_t *bench;
    sb_copy_t *copy;
    void *socket;
    uint64_t snapshot_id;
    uint32_t credit; /* chunks still under way */
    uint32_t chunks;
    uint64_t fields;
    uint64_t hash;
} s_receiver_t;

static void s_difference (void *context, const sb_publication_t *difference)
{
    (void)context;
    (void)difference;
}

static void s_apply (s_receiver_t *self, const sb_snapshot_chunk_t *chunk)
{
    if (chunk->number != ++self->chunks)
        scale_fail ("chunk %u instead of %u", chunk->number, self->chunks);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        for (uint32_t j = 0; j < topic->field_count; j++)
            self->hash += sb_state_hash_field (topic->topic, topic->fields[j].name, &topic->fields[j].value,
                                               topic->quality, topic->fields[j].sequence);
        self->fields += topic->field_count;
        sb_copy_scan_topic (self->copy, topic, s_difference, NULL);
    }
    if (2 * --self->credit > CREDIT)
        return;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT};
    message.snapshot_credit = (sb_snapshot_credit_t){.snapshot_id = self->snapshot_id, .credit = CREDIT - self->credit};
    scale_send (&self->bench->wire, self->socket, &message);
    self->credit = CREDIT;
}

static void s_finish (s_receiver_t *self, const sb_snapshot_end_t *end)
{
    if (end->code != SB_REASON_NONE || end->chunk_count != self->chunks || end->field_count != self->fields ||
        end->state_hash != self->hash || self->fields < self->bench->fields)
        scale_fail ("the snapshot is not whole: code %d, %u of %u chunks, %lu of %lu fields, hash %lx of %lx",
                    (int)end->code, self->chunks, end->chunk_count, (unsigned long)self->fields,
                    (unsigned long)end->field_count, (unsigned long)self->hash, (unsigned long)end->state_hash);
    sb_copy_scan_end (self->copy, s_difference, NULL);
}

/* Puts the last frame behind the ones recorded. */
static void s_record (s_bench_t *self)
{
    s_recording_t *recording = self->recording;
    const size_t size = zmq_msg_size (&self->wire.frame);
    if (recording->frame_count == CHUNKS_MAX || recording->used + size > RECORDING_BYTES)
        scale_fail ("the snapshot is too large to be recorded");
    memcpy (recording->octets + recording->used, zmq_msg_data (&self->wire.frame), size);
    recording->used += size;
    recording->offsets[++recording->frame_count] = recording->used;
}

/* Takes a snapshot; ns from the request until its end was applied. */
static uint64_t s_take (s_bench_t *self, void *socket, bool records)
{
    s_receiver_t receiver = {.bench = self, .socket = socket, .credit = CREDIT, .snapshot_id = self->snapshot_id};
    receiver.copy = sb_copy_new (1, true, 1 << 20, (uint32_t)self->fields * 2, UINT64_C (8) << 30);
    const sb_text_t prefix = sb_text ("load.");
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST};
    message.snapshot_request = (sb_snapshot_request_t){.snapshot_id = self->snapshot_id, .credit = CREDIT};
    sb_broker_message_t answer = {0};
    const uint64_t begin_ns = scale_now_ns ();
    sb_copy_scan_begin (receiver.copy, &prefix, 1);
    scale_send (&self->wire, socket, &message);
    while (answer.kind != SB_BROKER_MESSAGE_SNAPSHOT_END) {
        s_receive (self, socket, &answer);
        if (records &&
            (answer.kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK || answer.kind == SB_BROKER_MESSAGE_SNAPSHOT_END))
            s_record (self);
        if (answer.kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK)
            s_apply (&receiver, &answer.snapshot_chunk);
    }
    s_finish (&receiver, &answer.snapshot_end);
    const uint64_t time_ns = scale_now_ns () - begin_ns;
    self->chunk_count = receiver.chunks;
    sb_copy_destroy (&receiver.copy);
    return time_ns;
}

/* ---------------------------------------------------------------- the program */

static void s_print (s_bench_t *self, uint64_t *broker_ns, uint64_t *bare_ns, uint64_t broker_cpu_ns)
{
    double ratios = 0;
    for (uint64_t i = 0; i < self->rounds; i++)
        ratios += (double)broker_ns[i] / (double)bare_ns[i];
    printf ("{\"fields\": %lu, \"chunks\": %lu, \"bytes\": %lu, \"credit\": %d, \"rounds\": %lu, "
            "\"broker_cpu_ns_per_field\": %.1f, \"core_bytes\": %lu, \"mean_ratio\": %.3f, ",
            (unsigned long)self->fields, (unsigned long)self->chunk_count, (unsigned long)self->recording->used, CREDIT,
            (unsigned long)self->rounds, (double)broker_cpu_ns / (double)self->rounds / (double)self->fields,
            (unsigned long)scale_status (&self->wire, self->request, "memory_bytes"), ratios / (double)self->rounds);
    printf ("\"syncbus_p50_ns\": %lu, \"syncbus_max_ns\": %lu, \"bare_p50_ns\": %lu, \"bare_max_ns\": %lu}\n",
            (unsigned long)scale_quantile (broker_ns, self->rounds, 500),
            (unsigned long)scale_quantile (broker_ns, self->rounds, 1000),
            (unsigned long)scale_quantile (bare_ns, self->rounds, 500),
            (unsigned long)scale_quantile (bare_ns, self->rounds, 1000));
}

static void s_read_arguments (s_bench_t *self, int argument_count, char **arguments)
{
    *self = (s_bench_t){.system = "syncbus", .fields = 1000000, .rounds = 5, .snapshot_id = 1};
    const scale_option_t options[] = {
        {"system", &self->system, NULL, "syncbus; the bare sender is part of this program"},
        {"ingress", &self->ingress, NULL, "the broker's endpoints"},
        {"publish", &self->publish, NULL, "(not used)"},
        {"command", &self->command, NULL, ""},
        {"pid", NULL, &self->pid, "of the broker"},
        {"fields", NULL, &self->fields, "in the snapshot"},
        {"rounds", NULL, &self->rounds, "snapshots from each"},
    };
    scale_read_options (argument_count, arguments, options, sizeof options / sizeof options[0]);
    if (!self->ingress || !self->command || !self->pid)
        scale_fail ("--ingress, --command and --pid are needed");
    if (self->fields < AGENTS * SUBJECTS || !self->rounds || self->rounds > ROUNDS_MAX)
        scale_fail ("%d fields or more, 1 to %d rounds", AGENTS * SUBJECTS, ROUNDS_MAX);
}

/* Snapshots from both in turn, with a new id each from the broker. */
static void s_compare (s_bench_t *self, void *reader, void *other)
{
    static uint64_t broker_ns[ROUNDS_MAX], bare_ns[ROUNDS_MAX];
    uint64_t cpu_ns = 0;
    for (uint64_t i = 0; i < self->rounds; i++) {
        const uint64_t before_ns = scale_process (self->pid).cpu_ns;
        self->snapshot_id++;
        broker_ns[i] = s_take (self, reader, false);
        cpu_ns += scale_process (self->pid).cpu_ns - before_ns;
        bare_ns[i] = s_take (self, other, false);
    }
    s_print (self, broker_ns, bare_ns, cpu_ns);
}

int main (int argument_count, char **arguments)
{
    static s_bench_t self;
    static void *owners[AGENTS];
    s_read_arguments (&self, argument_count, arguments);
    self.recording = scale_share (sizeof *self.recording);
    if (scale_fork () == 0)
        s_run_sender (self.recording);
    scale_wire_open (&self.wire);
    self.context = scale_context (AGENTS + 3);
    self.request = scale_socket (self.context, ZMQ_REQ, self.command);
    s_fill (&self, owners);
    void *reader = scale_socket (self.context, ZMQ_DEALER, self.ingress);
    s_register (&self, reader, "reader", "load");
    s_take (&self, reader, true);
    while (!self.recording->is_listening)
        scale_sleep_until (scale_now_ns () + 1000 * 1000);
    void *other = scale_socket (self.context, ZMQ_DEALER, self.recording->endpoint);
    s_take (&self, other, false);
    s_compare (&self, reader, other);
    for (uint32_t i = 0; i < AGENTS; i++)
        zmq_close (owners[i]);
    zmq_close (reader);
    zmq_close (other);
    zmq_close (self.request);
    zmq_ctx_term (self.context);
    scale_wire_close (&self.wire);
    return 0; /* the sender dies with this process */
}

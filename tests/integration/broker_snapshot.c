/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and snapshots over TCP: joins into a running stream, a hundred snapshots at once while others publish and
 * read, a reader that does not read, and what subscribers may send besides.
 *
 * Readers are raw peers with the plain rule of sequences; a field is a number in an array, so that a hundred copies of
 * 52,000 fields fit. How long others wait meanwhile is printed; what is asserted is counted in chunks, not in time.
 */
#include "broker_stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "sb_state_hash.h"

TestSuite (broker_snapshot, .timeout = 170);

static uint64_t s_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The integer of a change in a level: head.market_data of the answer to a join. */
static uint64_t s_head (const sb_publication_t *publication, const char *name)
{
    for (uint32_t i = 0; i < publication->updates[0].change_count; i++)
        if (sb_text_equal (publication->updates[0].changes[i].name, sb_text (name)))
            return (uint64_t)publication->updates[0].changes[i].value.integer;
    return 0;
}

/* ---------------------------------------------------------------- joins */

/* The stream: a delta with each call. Waits for the broker now and then, so that no queue ever overflows. */
static void s_stream (sb_stage_t *stage)
{
    stage->good_sequence++;
    sb_peer_send_number (stage->good, stage->good_sequence, "market_data", "BTC", "price",
                         (double)stage->good_sequence);
    if (stage->good_sequence % 64 == 0)
        cr_assert_eq (sb_peer_await_decision (stage->good, stage->good_sequence), SB_REASON_NONE);
}

/* A subscriber to market_data that joins while the stream runs: every publication after the head that the answer says
 * is there. Returns how many had come before the answer. */
static uint32_t s_join_once (sb_stage_t *stage, uint32_t number)
{
    char prefix[32];
    snprintf (prefix, sizeof prefix, "~join.n%u.", number);
    sb_subscriber_t *subscriber = sb_subscriber_new (sb_scene_publish (stage->scene), "market_data.");
    sb_subscriber_add (subscriber, prefix);
    uint64_t first = 0, last = 0, head = 0;
    uint32_t before = 0;
    bool is_joined = false;
    const int64_t end_ms = sb_now_ms () + SB_PATIENCE_MS;
    while (!is_joined || last < head + 20) {
        cr_assert_lt (sb_now_ms (), end_ms, "join %u: nothing came", number);
        s_stream (stage);
        for (const sb_publication_t *publication; (publication = sb_subscriber_receive (subscriber, 0));) {
            if (sb_text_equal (publication->topic, sb_text (prefix))) {
                cr_assert_eq (publication->sequence, 0);
                is_joined = true;
                head = s_head (publication, "head.market_data");
                continue;
            }
            cr_assert (last == 0 || publication->category_sequence == last + 1, "join %u: a hole before %u", number,
                       (unsigned)publication->category_sequence);
            last = publication->category_sequence;
            first = first ? first : last;
            before += !is_joined;
        }
    }
    cr_assert_leq (first, head + 1, "join %u: the head is %u, the first is %u", number, (unsigned)head,
                   (unsigned)first);
    sb_subscriber_destroy (&subscriber);
    return before;
}

Test (broker_snapshot, joins_into_a_running_stream_have_no_hole)
{
    enum { JOINS = 100 };
    sb_stage_t stage = sb_stage_begin (NULL);
    uint32_t live_before = 0;
    for (uint32_t i = 0; i < JOINS; i++)
        live_before += s_join_once (&stage, i) > 0;
    cr_log_info ("%u joins, %u of them into what was coming already", JOINS, live_before);
    cr_assert_eq (sb_stage_status (&stage, "joins"), JOINS);
    sb_stage_end (&stage);
}

/* ---------------------------------------------------------------- a hundred at once */

enum { WRITERS = 13, SUBJECTS = 4, FIELDS = 1000, ALL_FIELDS = WRITERS * SUBJECTS * FIELDS, READERS = 100 };

/* A copy: field number to sequence and value. */
typedef struct {
    sb_peer_t *peer;
    uint64_t *sequences;
    double *values;
    bool is_whole;
    uint32_t chunk_count;
    uint64_t chunk_hash;
} s_reader_t;

/* What was published since the join. */
typedef struct {
    uint32_t field;
    uint64_t sequence;
    double value;
} s_heard_t;

typedef struct {
    sb_stage_t stage;
    sb_peer_t *writers[WRITERS];
    uint64_t written[WRITERS]; /* sequence of the last delta */
    s_reader_t readers[READERS];
    uint32_t whole_count;
    sb_subscriber_t *subscriber;
    s_heard_t *heard;
    uint32_t heard_count;
    uint32_t heard_capacity;
    uint64_t last_heard; /* category_sequence */
    uint64_t sent_us;    /* when the last delta left; 0: it was heard */
    double sent_value;   /* what it said */
    uint64_t *waits_us;  /* from sending to hearing */
    uint32_t wait_count;
} s_crowd_t;

/* market_data.w<writer>.s<subject> and f<field>, as one number. */
static uint32_t s_field_number (sb_text_t topic, sb_text_t name)
{
    char text[SB_TOPIC_MAX + SB_FIELD_NAME_MAX + 2];
    unsigned writer, subject, field;
    snprintf (text, sizeof text, "%.*s %.*s", (int)topic.size, topic.data, (int)name.size, name.data);
    cr_assert_eq (sscanf (text, "market_data.w%u.s%u f%u", &writer, &subject, &field), 3, "%s", text);
    return (writer * SUBJECTS + subject) * FIELDS + field;
}

static void s_write_all (s_crowd_t *self, uint32_t writer)
{
    static char names[FIELDS][8];
    static sb_change_t changes[FIELDS];
    for (uint32_t subject = 0; subject < SUBJECTS; subject++) {
        char text[8];
        snprintf (text, sizeof text, "s%u", subject);
        for (uint32_t i = 0; i < FIELDS; i++) {
            snprintf (names[i], sizeof names[i], "f%u", i);
            changes[i] = (sb_change_t){.name = sb_text (names[i])};
            changes[i].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = i};
        }
        sb_delta_t delta = {.category = sb_text ("market_data"), .subject = sb_text (text)};
        delta.update.sequence = ++self->written[writer];
        delta.update.changes = changes;
        delta.update.change_count = FIELDS;
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
        sb_peer_send (self->writers[writer], &message);
    }
    cr_assert_eq (sb_peer_await_decision (self->writers[writer], self->written[writer]), SB_REASON_NONE);
}

/* One delta into some field, when the one before was heard. */
static void s_write_one (s_crowd_t *self, uint32_t number)
{
    char subject[8], field[8];
    uint32_t writer = number % WRITERS;
    snprintf (subject, sizeof subject, "s%u", number / WRITERS % SUBJECTS);
    snprintf (field, sizeof field, "f%u", number * 7919u % FIELDS);
    self->sent_value = 1000000.0 + number;
    self->sent_us = s_now_us ();
    sb_peer_send_number (self->writers[writer], ++self->written[writer], "market_data", subject, field,
                         self->sent_value);
    while (sb_peer_receive (self->writers[writer], 0))
        ;
}

static void s_hear (s_crowd_t *self)
{
    for (const sb_publication_t *publication; (publication = sb_subscriber_receive (self->subscriber, 0));) {
        if (publication->sequence == 0)
            continue;
        cr_assert (self->last_heard == 0 || publication->category_sequence == self->last_heard + 1,
                   "another subscriber has a hole");
        self->last_heard = publication->category_sequence;
        for (uint32_t i = 0; i < publication->updates[0].change_count; i++) {
            const sb_change_t *change = &publication->updates[0].changes[i];
            if (self->heard_count == self->heard_capacity) {
                self->heard_capacity = self->heard_capacity * 2 + 1024;
                self->heard = realloc (self->heard, self->heard_capacity * sizeof *self->heard);
                self->waits_us = realloc (self->waits_us, self->heard_capacity * sizeof *self->waits_us);
            }
            self->heard[self->heard_count++] = (s_heard_t){s_field_number (publication->topic, change->name),
                                                           publication->sequence, change->value.number};
            if (self->sent_us && change->value.number == self->sent_value) {
                self->waits_us[self->wait_count++] = s_now_us () - self->sent_us;
                self->sent_us = 0;
            }
        }
    }
}

static void s_take_chunk (s_reader_t *reader, const sb_snapshot_chunk_t *chunk)
{
    cr_assert_eq (chunk->number, ++reader->chunk_count);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        for (uint32_t j = 0; j < topic->field_count; j++) {
            const sb_snapshot_field_t *field = &topic->fields[j];
            uint32_t number = s_field_number (topic->topic, field->name);
            reader->sequences[number] = field->sequence;
            reader->values[number] = field->value.number;
            reader->chunk_hash +=
                sb_state_hash_field (topic->topic, field->name, &field->value, topic->quality, field->sequence);
        }
    }
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {chunk->snapshot_id, 1}};
    sb_peer_send (reader->peer, &message);
}

/* Takes some of what came for a reader. */
static void s_read (s_crowd_t *self, s_reader_t *reader)
{
    for (uint32_t i = 0; i < 4; i++) {
        const sb_broker_message_t *message = sb_peer_receive (reader->peer, 0);
        if (!message)
            return;
        if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK)
            s_take_chunk (reader, &message->snapshot_chunk);
        if (message->kind != SB_BROKER_MESSAGE_SNAPSHOT_END)
            continue;
        cr_assert_eq (message->snapshot_end.code, SB_REASON_NONE);
        cr_assert_eq (message->snapshot_end.chunk_count, reader->chunk_count);
        cr_assert_eq (message->snapshot_end.state_hash, reader->chunk_hash);
        cr_assert_geq (message->snapshot_end.field_count, ALL_FIELDS);
        reader->is_whole = true;
        self->whole_count++;
    }
}

/* The state hash of a reader's copy, once what was heard is applied to it by the rule of sequences. */
static uint64_t s_final_hash (const s_crowd_t *self, s_reader_t *reader)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->heard_count; i++) {
        const s_heard_t *heard = &self->heard[i];
        if (heard->sequence <= reader->sequences[heard->field])
            continue;
        reader->sequences[heard->field] = heard->sequence;
        reader->values[heard->field] = heard->value;
    }
    for (uint32_t i = 0; i < ALL_FIELDS; i++) {
        char topic[64], name[16];
        sb_value_t value = {.kind = SB_VALUE_NUMBER, .number = reader->values[i]};
        snprintf (topic, sizeof topic, "market_data.w%u.s%u", i / FIELDS / SUBJECTS, i / FIELDS % SUBJECTS);
        snprintf (name, sizeof name, "f%u", i % FIELDS);
        sum += sb_state_hash_field (sb_text (topic), sb_text (name), &value, SB_QUALITY_OK, reader->sequences[i]);
    }
    return sum;
}

/* What the command says of everything. */
static uint64_t s_broker_hash (s_crowd_t *self)
{
    const sb_command_reply_t *reply = sb_commander_do (self->stage.commander, "state_hash", NULL);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    cr_assert_eq (sb_reply_value (reply, NULL, NULL, "fields")->integer, ALL_FIELDS);
    char text[17] = {0};
    memcpy (text, sb_reply_value (reply, NULL, NULL, "state_hash")->text.data, 16);
    return strtoull (text, NULL, 16);
}

static void s_begin_crowd (s_crowd_t *self)
{
    self->stage = (sb_stage_t){.scene = sb_scene_new ()};
    sb_scene_start_broker (self->stage.scene, NULL);
    self->stage.commander = sb_commander_new (sb_scene_command (self->stage.scene));
    for (uint32_t i = 0; i < WRITERS; i++) {
        char id[8];
        snprintf (id, sizeof id, "w%u", i);
        self->writers[i] = sb_peer_join (sb_scene_ingress (self->stage.scene), id, 1);
        s_write_all (self, i);
    }
    self->subscriber = sb_subscriber_new (sb_scene_publish (self->stage.scene), "market_data.");
    sb_subscriber_add (self->subscriber, "~join.crowd.");
    const sb_publication_t *answer = sb_subscriber_receive (self->subscriber, SB_PATIENCE_MS);
    cr_assert (answer && answer->sequence == 0, "no answer to the join");
    for (uint32_t i = 0; i < READERS; i++) {
        char id[16];
        snprintf (id, sizeof id, "reader%u", i);
        s_reader_t *reader = &self->readers[i];
        reader->peer = sb_peer_join (sb_scene_ingress (self->stage.scene), id, 1);
        reader->sequences = calloc (ALL_FIELDS, sizeof *reader->sequences);
        reader->values = calloc (ALL_FIELDS, sizeof *reader->values);
    }
}

static void s_end_crowd (s_crowd_t *self)
{
    for (uint32_t i = 0; i < READERS; i++) {
        sb_peer_destroy (&self->readers[i].peer);
        free (self->readers[i].sequences);
        free (self->readers[i].values);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        sb_peer_destroy (&self->writers[i]);
    sb_subscriber_destroy (&self->subscriber);
    sb_commander_destroy (&self->stage.commander);
    sb_scene_destroy (&self->stage.scene);
    free (self->heard);
    free (self->waits_us);
}

static int s_compare (const void *first, const void *second)
{
    const uint64_t a = *(const uint64_t *)first, b = *(const uint64_t *)second;
    return a < b ? -1 : a > b;
}

static void s_print_waits (s_crowd_t *self, const char *what)
{
    qsort (self->waits_us, self->wait_count, sizeof *self->waits_us, s_compare);
    cr_assert_gt (self->wait_count, 20);
    cr_log_info ("%s: %u updates heard after %u us (half of them), %u us (99 %%), %u us (all)", what, self->wait_count,
                 (unsigned)self->waits_us[self->wait_count / 2], (unsigned)self->waits_us[self->wait_count * 99 / 100],
                 (unsigned)self->waits_us[self->wait_count - 1]);
    self->wait_count = 0;
}

Test (broker_snapshot, hundred_at_once_are_whole_and_nobody_else_waits_for_them)
{
    static s_crowd_t crowd;
    s_crowd_t *self = &crowd;
    uint32_t number = 0;
    s_begin_crowd (self);
    for (const int64_t end_ms = sb_now_ms () + 1000; sb_now_ms () < end_ms; s_hear (self))
        if (!self->sent_us)
            s_write_one (self, number++);
    s_print_waits (self, "before");
    const uint64_t begun_us = s_now_us ();
    for (uint32_t i = 0; i < READERS; i++) {
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
                                      .snapshot_request = {1, (sb_text_t[]){{"market_data", 11}}, 1, 8}};
        sb_peer_send (self->readers[i].peer, &message);
    }
    for (const int64_t end_ms = sb_now_ms () + 120000; self->whole_count < READERS;) {
        cr_assert_lt (sb_now_ms (), end_ms, "%u of %u readers are whole", self->whole_count, READERS);
        for (uint32_t i = 0; i < READERS; i++) {
            s_read (self, &self->readers[i]);
            s_hear (self);
            if (!self->sent_us)
                s_write_one (self, number++);
        }
    }
    cr_log_info ("%u snapshots of %u fields in %u ms", READERS, ALL_FIELDS,
                 (unsigned)((s_now_us () - begun_us) / 1000));
    while (self->sent_us)
        s_hear (self);
    uint32_t heard_meanwhile = self->wait_count;
    s_print_waits (self, "meanwhile");
    const int64_t chunks = sb_stage_status (&self->stage, "snapshot_chunks");
    cr_assert_geq (chunks, READERS * (ALL_FIELDS / 256));
    /* One slice between two turns: an update waits for few of the chunks, never for a snapshot, let alone all. */
    cr_assert_lt (chunks / heard_meanwhile, 100, "%u updates in the time of %u chunks", heard_meanwhile,
                  (unsigned)chunks);
    const uint64_t hash = s_broker_hash (self);
    for (uint32_t i = 0; i < READERS; i++)
        cr_assert_eq (s_final_hash (self, &self->readers[i]), hash, "reader %u", i);
    cr_assert_eq (sb_stage_status (&self->stage, "tick_timeouts"), 0);
    s_end_crowd (self);
}

/* ---------------------------------------------------------------- bad readers */

Test (broker_snapshot, reader_that_does_not_read_keeps_its_session_and_gets_all_later)
{
    enum { TEXTS = 40, REQUESTS = 60, OCTETS = 30000 };
    const char *const arguments[] = {"--publish-agent-queue=20", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_peer_t *writer = sb_peer_join (sb_scene_ingress (stage.scene), "writer", 1);
    char *text = calloc (1, OCTETS + 1);
    memset (text, 'x', OCTETS);
    for (uint32_t i = 0; i < TEXTS; i++) {
        char name[8];
        snprintf (name, sizeof name, "f%u", i);
        sb_change_t change = {.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (text)}};
        sb_delta_t delta = {.category = sb_text ("market_data")};
        delta.update = (sb_update_t){.sequence = i + 1, .changes = &change, .change_count = 1};
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
        sb_peer_send (writer, &message);
        cr_assert_eq (sb_peer_await_decision (writer, i + 1), SB_REASON_NONE);
    }
    free (text);
    sb_peer_t *reader = sb_peer_join (sb_scene_ingress (stage.scene), "reader", 1);
    uint64_t last_id = 0;
    while (last_id < REQUESTS && sb_stage_status (&stage, "snapshot_chunks_refused") == 0) {
        const int64_t chunks = sb_stage_status (&stage, "snapshot_chunks");
        sb_agent_message_t message = {
            .kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
            .snapshot_request = {++last_id, (sb_text_t[]){{"market_data.writer.", 19}}, 1, 64}};
        sb_peer_send (reader, &message);
        sb_stage_await_status (&stage, "snapshot_chunks", chunks + 1);
    }
    sb_stage_await_status (&stage, "snapshot_chunks_refused", 1);
    cr_assert_eq (sb_stage_status (&stage, "sessions_lost"), 0);
    const sb_broker_message_t *end;
    do
        end = sb_peer_await (reader, SB_BROKER_MESSAGE_SNAPSHOT_END);
    while (end && end->snapshot_end.snapshot_id != last_id);
    cr_assert (end, "the last snapshot never ended");
    cr_assert_eq (end->snapshot_end.code, SB_REASON_NONE);
    cr_assert_eq (end->snapshot_end.field_count, TEXTS);
    sb_peer_destroy (&reader);
    sb_peer_destroy (&writer);
    sb_stage_end (&stage);
}

Test (broker_snapshot, flood_of_joins_holds_up_no_command)
{
    enum { JOINS = 20000 };
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_subscriber_t *flood = sb_subscriber_new (sb_scene_publish (stage.scene), "~nothing.");
    for (uint32_t i = 0; i < JOINS; i++) {
        char prefix[32];
        snprintf (prefix, sizeof prefix, i % 2 ? "~join.%u." : "~join.bad nonce %u.", i);
        sb_subscriber_add (flood, prefix);
    }
    const uint64_t asked_us = s_now_us ();
    const int64_t first = sb_stage_status (&stage, "joins");
    cr_log_info ("a command in the flood took %u us, %d joins were answered", (unsigned)(s_now_us () - asked_us),
                 (int)first);
    sb_stage_await_status (&stage, "joins_ignored", JOINS / 2);
    sb_stage_await_status (&stage, "joins", JOINS / 2);
    sb_subscriber_destroy (&flood);
    sb_stage_end (&stage);
}

Test (broker_snapshot, what_is_no_subscription_is_ignored)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_XSUB);
    static char large[500] = "\1~join.";
    cr_assert_eq (zmq_connect (socket, sb_scene_publish (stage.scene)), 0);
    zmq_setsockopt (socket, ZMQ_LINGER, &(int){0}, sizeof (int));
    zmq_send (socket, "", 0, 0);
    zmq_send (socket, "\2~join.no.", 10, 0);
    zmq_send (socket, "~join.no.", 9, 0);
    zmq_send (socket, "first", 5, ZMQ_SNDMORE);
    zmq_send (socket, "\1~join.no.", 10, 0); /* the second frame of something else */
    zmq_send (socket, large, sizeof large, 0);
    zmq_send (socket, "\1~join.yes.", 11, 0);
    sb_stage_await_status (&stage, "joins", 1);
    cr_assert_eq (sb_stage_status (&stage, "joins"), 1);
    cr_assert_eq (sb_stage_status (&stage, "joins_ignored"), 1);
    zmq_close (socket);
    zmq_ctx_term (context);
    sb_stage_end (&stage);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Conflation and expiry over real sockets: a plain SUB and one under ~conflated. read the same stream.
 *
 * In the end both hold the same fields with the same sequences, and the ranges of the conflated one, added up, count
 * what the plain one got one by one. Both join by ~join. first, so that nothing was sent before they could hear it.
 */
#include "broker_stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { TOPICS = 5, FIELDS = 8, BURST = 50, INTERVAL_MS = 100, STREAM_MS = 1500 };

typedef struct {
    bool is_there;
    uint64_t sequence; /* of the publication that named it last */
    double number;
} s_field_t;

/* A reader, and what it made of the stream. */
typedef struct {
    sb_subscriber_t *subscriber;
    const char *head;          /* before its topics */
    uint64_t publications;     /* that came */
    uint64_t counted;          /* that they stand for */
    uint64_t heads[TOPICS];    /* topic_sequence of the last */
    uint64_t arrivals[TOPICS]; /* publications of each */
    s_field_t fields[TOPICS][FIELDS];
} s_reader_t;

static s_reader_t s_join (sb_stage_t *stage, const char *prefix, const char *head, const char *nonce)
{
    s_reader_t self = {.subscriber = sb_subscriber_new (sb_scene_publish (stage->scene), prefix), .head = head};
    char join[64];
    snprintf (join, sizeof join, "~join.%s.", nonce);
    sb_subscriber_add (self.subscriber, join);
    const sb_publication_t *answer = sb_subscriber_receive (self.subscriber, SB_PATIENCE_MS);
    cr_assert (answer && sb_prefix_matches (sb_text (join), answer->topic));
    return self;
}

static void s_apply (s_reader_t *self, const sb_publication_t *publication)
{
    size_t head = strlen (self->head);
    cr_assert_eq (memcmp (publication->topic.data, self->head, head), 0);
    unsigned topic = (unsigned)(publication->topic.data[publication->topic.size - 1] - '0');
    bool is_conflated = publication->first_topic_sequence != 0;
    uint64_t first = is_conflated ? publication->first_topic_sequence : publication->topic_sequence;
    cr_assert_lt (topic, TOPICS);
    cr_assert_eq (is_conflated, self->head[0] == '~');
    cr_assert_eq (first, self->heads[topic] + 1, "a hole in topic %u", topic);
    self->publications++;
    self->arrivals[topic]++;
    self->counted += publication->topic_sequence - first + 1;
    self->heads[topic] = publication->topic_sequence;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        uint64_t sequence = update->publication_sequence ? update->publication_sequence : publication->sequence;
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            s_field_t *field = &self->fields[topic][change->name.data[1] - '0'];
            cr_assert_geq (sequence, field->sequence);
            *field = (s_field_t){!change->is_delete, sequence, change->is_delete ? 0 : change->value.number};
        }
    }
}

/* Takes what is there. */
static void s_drain (s_reader_t *self, int timeout_ms)
{
    const sb_publication_t *publication;
    while ((publication = sb_subscriber_receive (self->subscriber, timeout_ms)) != NULL)
        s_apply (self, publication);
}

/* One delta of two fields; each seventh deletes one. */
static void s_send (sb_peer_t *peer, uint64_t sequence)
{
    char subject[8], names[2][8];
    snprintf (subject, sizeof subject, "t%u", (unsigned)(sequence % TOPICS));
    snprintf (names[0], sizeof names[0], "f%u", (unsigned)(sequence / 3 % FIELDS));
    snprintf (names[1], sizeof names[1], "f%u", (unsigned)((sequence / 3 + 1) % FIELDS));
    sb_change_t changes[2] = {{.name = sb_text (names[0])}, {.name = sb_text (names[1])}};
    changes[0].is_delete = sequence % 7 == 0;
    for (unsigned i = 0; i < 2; i++)
        if (!changes[i].is_delete) {
            changes[i].value.kind = SB_VALUE_NUMBER;
            changes[i].value.number = (double)sequence + i;
        }
    sb_delta_t delta = {.category = sb_text ("market_data"), .subject = sb_text (subject)};
    delta.update = (sb_update_t){.sequence = sequence, .changes = changes, .change_count = 2};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    sb_peer_send (peer, &message);
}

Test (broker_conflation, both_readers_end_with_the_same_state_and_the_same_count, .timeout = 60)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    s_reader_t plain = s_join (&stage, "market_data.feed.", "market_data.", "plain");
    s_reader_t conflated =
        s_join (&stage, "~conflated.100.market_data.feed.", "~conflated.100.market_data.", "conflated");
    sb_peer_t *feed = sb_peer_join (sb_scene_ingress (stage.scene), "feed", 1);
    uint64_t sequence = 0;
    int64_t start_ms = sb_now_ms ();
    while (sb_now_ms () - start_ms < STREAM_MS) {
        for (unsigned i = 0; i < BURST; i++)
            s_send (feed, ++sequence);
        cr_assert_eq (sb_peer_await_decision (feed, sequence), SB_REASON_NONE);
        s_drain (&plain, 0);
        s_drain (&conflated, 5);
    }
    int64_t end_ms = sb_now_ms ();
    for (int64_t limit_ms = end_ms + SB_PATIENCE_MS; sb_now_ms () < limit_ms;) {
        s_drain (&plain, 10);
        s_drain (&conflated, 10);
        if (plain.counted >= sequence && conflated.counted >= plain.counted)
            break;
    }
    cr_assert_eq (plain.publications, sequence);
    cr_assert_eq (plain.counted, sequence);
    cr_assert_eq (conflated.counted, sequence);
    for (unsigned topic = 0; topic < TOPICS; topic++) {
        cr_assert_eq (conflated.heads[topic], plain.heads[topic]);
        cr_assert_leq (conflated.arrivals[topic], (uint64_t)(sb_now_ms () - start_ms) / INTERVAL_MS + 1);
        for (unsigned i = 0; i < FIELDS; i++) {
            const s_field_t *one = &plain.fields[topic][i], *other = &conflated.fields[topic][i];
            cr_assert_eq (one->is_there, other->is_there, "topic %u field %u", topic, i);
            cr_assert (!one->is_there || (one->number == other->number && one->sequence == other->sequence));
        }
    }
    cr_assert_gt (plain.publications, 10 * conflated.publications, "%llu of %llu",
                  (unsigned long long)conflated.publications, (unsigned long long)plain.publications);
    sb_subscriber_destroy (&plain.subscriber);
    sb_subscriber_destroy (&conflated.subscriber);
    sb_peer_destroy (&feed);
    sb_stage_end (&stage);
}

Test (broker_conflation, stops_when_the_reader_has_gone, .timeout = 60)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    s_reader_t reader = s_join (&stage, "~conflated.10.market_data.feed.", "~conflated.10.market_data.", "one");
    sb_peer_t *feed = sb_peer_join (sb_scene_ingress (stage.scene), "feed", 1);
    uint64_t sequence = 0;
    s_send (feed, ++sequence);
    sb_stage_await_status (&stage, "conflated", 1);
    sb_subscriber_destroy (&reader.subscriber);
    int64_t before = -1, after = 0;
    for (int64_t limit_ms = sb_now_ms () + SB_PATIENCE_MS; before != after && sb_now_ms () < limit_ms;) {
        before = sb_stage_status (&stage, "conflated");
        for (unsigned i = 0; i < TOPICS; i++)
            s_send (feed, ++sequence);
        cr_assert_eq (sb_peer_await_decision (feed, sequence), SB_REASON_NONE);
        after = sb_stage_status (&stage, "conflated");
    }
    cr_assert_eq (before, after);
    sb_peer_destroy (&feed);
    sb_stage_end (&stage);
}

Test (broker_conflation, malformed_prefix_is_told_and_hurts_nobody, .timeout = 60)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    s_reader_t events = s_join (&stage, "_event._broker.CONFLATION", "_event.", "events");
    sb_subscriber_add (events.subscriber, "~conflated.9.market_data.");
    const sb_publication_t *event = sb_subscriber_receive (events.subscriber, SB_PATIENCE_MS);
    cr_assert_not_null (event);
    cr_assert (sb_text_equal (event->topic, sb_text ("_event._broker.CONFLATION")));
    cr_assert (sb_text_equal (event->updates[0].changes[0].value.text, sb_text ("~conflated.9.market_data.")));
    cr_assert_eq (sb_stage_status (&stage, "conflations_refused"), 1);
    sb_subscriber_destroy (&events.subscriber);
    sb_stage_end (&stage);
}

Test (broker_conflation, field_with_a_time_to_live_expires, .timeout = 60)
{
    enum { TIME_TO_LIVE_MS = 300 };
    sb_stage_t stage = sb_stage_begin (NULL);
    s_reader_t reader = s_join (&stage, "x.feed.", "x.", "reader");
    sb_peer_t *feed = sb_peer_join (sb_scene_ingress (stage.scene), "feed", 1);
    sb_change_t change = {.name = sb_text ("p"), .value = {.kind = SB_VALUE_NUMBER, .number = 1}};
    sb_delta_t delta = {.category = sb_text ("x"), .time_to_live_ms = TIME_TO_LIVE_MS};
    delta.update = (sb_update_t){.sequence = 1, .changes = &change, .change_count = 1};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    sb_peer_send (feed, &message);
    const sb_publication_t *written = sb_subscriber_receive (reader.subscriber, SB_PATIENCE_MS);
    cr_assert (written && written->cause == SB_CAUSE_NONE);
    int64_t written_ns = written->broker_unix_ns;
    const sb_publication_t *gone = sb_subscriber_receive (reader.subscriber, SB_PATIENCE_MS);
    cr_assert (gone && gone->cause == SB_CAUSE_EXPIRED && gone->topic_sequence == 2);
    cr_assert (gone->updates[0].changes[0].is_delete && gone->updates[0].sequence == 0);
    cr_assert_geq (gone->broker_unix_ns - written_ns, TIME_TO_LIVE_MS * INT64_C (1000000));
    cr_assert_eq (sb_stage_status (&stage, "changes_expired"), 1);
    sb_subscriber_destroy (&reader.subscriber);
    sb_peer_destroy (&feed);
    sb_stage_end (&stage);
}

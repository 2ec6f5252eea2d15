/* SPDX-License-Identifier: MPL-2.0
 *
 * The publish endpoint's reading end against an XPUB that answers joins as the test says, or does not.
 */
#include <criterion/criterion.h>
#include <czmq.h>

#include "sb_names.h"
#include "sb_stream.h"

enum { ARENA_BYTES = 1 << 20, STEP_MS = 20, PATIENCE_MS = 8000, FRAME_SIZE = 256 };

/* Both ends, and what came last on the broker's. */
typedef struct {
    zsock_t *publisher; /* XPUB */
    sb_stream_t *stream;
    sb_arena_t *arena;
    sb_publication_t publication;
    char frame[FRAME_SIZE];                       /* a subscription: octet 1 or 0, then the prefix; a NUL behind it */
    uint32_t outcomes[SB_STREAM_INTERRUPTED + 1]; /* how often each came */
} stage_t;

static stage_t s_begin (const char *topic, uint32_t conflate_ms)
{
    stage_t stage = {
        .publisher = zsock_new (ZMQ_XPUB), .stream = sb_stream_new (), .arena = sb_arena_new (ARENA_BYTES)};
    char endpoint[64];
    snprintf (endpoint, sizeof (endpoint), "tcp://127.0.0.1:%d", zsock_bind (stage.publisher, "tcp://127.0.0.1:*"));
    cr_assert (sb_stream_subscribe (stage.stream, topic, conflate_ms));
    cr_assert (sb_stream_connect (stage.stream, endpoint));
    return stage;
}

static void s_end (stage_t *stage)
{
    sb_stream_destroy (&stage->stream);
    sb_arena_destroy (&stage->arena);
    zsock_destroy (&stage->publisher);
}

static sb_stream_outcome_t s_next (stage_t *stage)
{
    sb_arena_reset (stage->arena);
    sb_stream_outcome_t outcome = sb_stream_next (stage->stream, STEP_MS, stage->arena, &stage->publication);
    stage->outcomes[outcome]++;
    return outcome;
}

/* Lets the stream run until something that begins so is subscribed to, or is not any more. */
static void s_await_frame (stage_t *stage, bool is_subscribed, const char *beginning)
{
    int64_t end_ms = zclock_mono () + PATIENCE_MS;
    do {
        s_next (stage);
        int size = zmq_recv (zsock_resolve (stage->publisher), stage->frame, FRAME_SIZE - 1, ZMQ_DONTWAIT);
        stage->frame[size < 0 ? 0 : size] = 0;
        if (size > 0 && stage->frame[0] == is_subscribed &&
            strncmp (stage->frame + 1, beginning, strlen (beginning)) == 0)
            return;
    } while (zclock_mono () < end_ms);
    cr_assert_fail ("no %d of %s", is_subscribed, beginning);
}

static sb_stream_outcome_t s_await_outcome (stage_t *stage)
{
    int64_t end_ms = zclock_mono () + PATIENCE_MS;
    sb_stream_outcome_t outcome;
    while ((outcome = s_next (stage)) == SB_STREAM_QUIET && zclock_mono () < end_ms)
        ;
    return outcome;
}

/* Publishes on `topic` that these are in force at 100 ms. */
static void s_publish (stage_t *stage, const char *topic, const char *in_force)
{
    sb_change_t change = {.name = sb_text ("conflation.100"),
                          .value = {.kind = SB_VALUE_TEXT, .text = sb_text (in_force)}};
    sb_update_t update = {.changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = sb_text (topic), .updates = &update, .update_count = 1};
    sb_encoding_t *encoding;
    sb_arena_t *arena = sb_arena_new (ARENA_BYTES);
    zframe_t *frame = zframe_new (NULL, sb_encode_publication (arena, &publication, &encoding));
    sb_encoding_write (encoding, zframe_data (frame));
    zframe_send (&frame, stage->publisher, 0);
    sb_arena_destroy (&arena);
}

Test (stream, a_join_without_an_answer_is_asked_anew_and_told_once, .timeout = 30)
{
    stage_t stage = s_begin ("market_data", 100);
    uint32_t interval_ms = 0;
    s_await_frame (&stage, true, "~conflated.100.market_data.");
    s_await_frame (&stage, true, "~join.");
    int64_t start_ms = zclock_mono ();
    char *first = strdup (stage.frame + 1);
    s_await_frame (&stage, true, "~join.");
    cr_expect_geq (zclock_mono () - start_ms, SB_STREAM_JOIN_MS - 10 * STEP_MS);
    cr_expect_str_neq (stage.frame + 1, first, "a broker answers a nonce once");
    s_await_frame (&stage, true, "~join.");
    cr_expect_eq (stage.outcomes[SB_STREAM_UNANSWERED], 1);
    char *third = strdup (stage.frame + 1);
    s_publish (&stage, third, "notes.* trades.*");
    cr_expect_eq (s_await_outcome (&stage), SB_STREAM_REFUSED);
    cr_expect_str_eq (sb_stream_refused (stage.stream, 0, &interval_ms), "market_data.");
    cr_expect_eq (interval_ms, 100);
    cr_expect_null (sb_stream_refused (stage.stream, 1, &interval_ms));
    free (first);
    free (third);
    s_end (&stage);
}

Test (stream, an_answer_that_names_it_is_neither_told_nor_a_publication, .timeout = 30)
{
    stage_t stage = s_begin ("market_data.feed.spot:BTC", 100);
    s_await_frame (&stage, true, "~join.");
    char *join = strdup (stage.frame + 1);
    s_publish (&stage, join, "trades.* market_data.feed.spot:BTC");
    s_publish (&stage, "~conflated.100.market_data.feed.spot:BTC", "");
    cr_expect_eq (s_await_outcome (&stage), SB_STREAM_PUBLICATION);
    cr_expect (sb_text_equal (stage.publication.topic, sb_text ("~conflated.100.market_data.feed.spot:BTC")));
    s_await_frame (&stage, false, join);
    cr_expect_eq (stage.outcomes[SB_STREAM_REFUSED], 0);
    free (join);
    s_end (&stage);
}

Test (stream, what_is_not_conflated_joins_nothing, .timeout = 30)
{
    stage_t stage = s_begin ("market_data", 0);
    s_await_frame (&stage, true, "market_data.");
    for (int64_t end_ms = zclock_mono () + 200; zclock_mono () < end_ms;) {
        s_next (&stage);
        cr_assert_lt (zmq_recv (zsock_resolve (stage.publisher), stage.frame, FRAME_SIZE, ZMQ_DONTWAIT), 0);
    }
    s_end (&stage);
}

Test (stream, what_nobody_asked_for_leaves_the_arena_as_it_was, .timeout = 30)
{
    enum { COUNT = 64, OCTETS = ARENA_BYTES / 8 };
    stage_t stage = s_begin ("all", 100);
    s_await_frame (&stage, true, "~conflated.100.");
    char *text = calloc (1, OCTETS);
    memset (text, 'x', OCTETS - 1);
    for (uint32_t i = 0; i < COUNT; i++)
        s_publish (&stage, "~conflated.100._health.feed.", text);
    s_publish (&stage, "~conflated.100.market_data.feed.spot:BTC", "");
    sb_arena_reset (stage.arena);
    cr_expect_eq (sb_stream_next (stage.stream, PATIENCE_MS, stage.arena, &stage.publication), SB_STREAM_PUBLICATION);
    free (text);
    s_end (&stage);
}

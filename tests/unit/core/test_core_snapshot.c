/* SPDX-License-Identifier: MPL-2.0
 *
 * Joins and snapshots: who is answered, what comes and in which order, credit, refusals by the socket, what goes while
 * a walk stands on it.
 */
#include "snapshot_reader.h"

enum { WRITER = 5, READER = 10 };

/* A writer with `count` fields f0, f1 ... in one topic of market_data. Sequences from *sequence on. */
static void s_fill (harness_t *harness, uint64_t *sequence, const char *subject, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%u", i);
        harness_delta (harness, WRITER, (*sequence)++, "market_data", subject, name, i);
    }
}

static uint64_t s_start (harness_t *harness)
{
    harness_start (harness);
    harness_register (harness, WRITER, "writer", 1);
    harness_register (harness, READER, "reader", 1);
    harness_settle (harness);
    return 1;
}

/* The chunk, or the end, that the last step sent; NULL: none. At most one is sent in a step. */
static const sb_broker_message_t *s_sent (const harness_t *harness)
{
    const sb_broker_message_t *found = NULL;
    for (uint32_t i = 0; i < harness->effects.count; i++) {
        const sb_effect_t *effect = &harness->effects.items[i];
        if (effect->kind != SB_EFFECT_SEND || (effect->send.message->kind != SB_BROKER_MESSAGE_SNAPSHOT_CHUNK &&
                                               effect->send.message->kind != SB_BROKER_MESSAGE_SNAPSHOT_END))
            continue;
        cr_assert_null (found, "a step sends one slice at most");
        found = effect->send.message;
    }
    return found;
}

static bool s_is_idle (const harness_t *harness)
{
    return sb_core_deadline (harness->core) > harness->now_ns;
}

/* ---- joins */

Test (join, is_answered_on_its_own_topic_with_the_heads)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 3);
    harness_forget (&harness);
    reader_subscribe (&harness, "~join.n_1:x/y-z.", true);
    harness_expect_times (&harness, "PUBLISH", 1);
    harness_expect (&harness, "PUBLISH ~join.n_1:x/y-z. #0/0/0 OK NONE {0: sequence=");
    harness_expect (&harness, "head.market_data=3");
    harness_stop (&harness);
}

Test (join, says_the_very_changes_of_the_beat)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 3);
    harness_forget (&harness);
    reader_subscribe (&harness, "~join.n.", true);
    char *join = strdup (strchr (harness.trace, '{'));
    harness_forget (&harness);
    harness_advance (&harness, 1000);
    const char *beat = strstr (harness.trace, "PUBLISH _beat..");
    cr_assert_not_null (beat);
    beat = strchr (beat, '{');
    cr_assert (strncmp (beat, join, strcspn (join, "}")) == 0, "%s against %s", join, beat);
    free (join);
    harness_stop (&harness);
}

Test (join, bad_nonce_and_leaving_are_not_answered)
{
    harness_t harness;
    s_start (&harness);
    harness_forget (&harness);
    char longest[80] = "~join.", too_long[80] = "~join.";
    memset (longest + 6, 'a', 64);
    strcpy (longest + 70, ".");
    memset (too_long + 6, 'a', 65);
    strcpy (too_long + 71, ".");
    const char *bad[] = {"~join.", "~join..", "~join.a", "~join.a.b.", "~join.a b.", "~join.\xc3\xa4.", too_long};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        reader_subscribe (&harness, bad[i], true);
    reader_subscribe (&harness, "~join.good.", false);
    harness_expect_not (&harness, "PUBLISH");
    reader_subscribe (&harness, longest, true);
    harness_expect_times (&harness, "PUBLISH ~join.", 1);
    harness_forget (&harness);
    harness_advance (&harness, 1000);
    harness_expect (&harness, " joins=1 joins_ignored=7");
    harness_stop (&harness);
}

Test (join, is_not_answered_during_shutdown)
{
    harness_t harness;
    s_start (&harness);
    harness_step (&harness, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    harness_forget (&harness);
    reader_subscribe (&harness, "~join.n.", true);
    cr_assert_eq (harness.effects.count, 0);
    harness_stop (&harness);
}

/* ---- credit */

Test (snapshot, comes_in_numbered_chunks_then_ends)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 400);
    harness_forget (&harness);
    reader_request (&harness, READER, 7, NULL, 0, 64);
    harness_expect_not (&harness, "SNAPSHOT"); /* slices are the tick's */
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_CHUNK 1 topics=1 market_data.writer.BTC#");
    harness_expect (&harness, "/400(256)");
    harness_expect (&harness, "/400(144)");
    harness_expect (&harness, "SNAPSHOT_END NONE id=7 chunks=2 fields=400");
    cr_assert (s_is_idle (&harness));
    harness_stop (&harness);
}

Test (snapshot, without_credit_leaves_the_broker_idle)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 600);
    harness_forget (&harness);
    reader_request (&harness, READER, 7, NULL, 0, 1);
    cr_assert (!s_is_idle (&harness));
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 1);
    cr_assert (s_is_idle (&harness));
    harness_advance (&harness, 2000);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 1);
    reader_credit (&harness, READER, 7, 1);
    cr_assert (!s_is_idle (&harness));
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 2);
    harness_expect_not (&harness, "SNAPSHOT_END");
    reader_credit (&harness, READER, 7, 1);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=7 chunks=3"); /* the end needs no credit */
    harness_stop (&harness);
}

Test (snapshot, credit_is_bounded_and_given_for_the_one_under_way_alone)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    for (unsigned i = 0; i < 70; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", i);
        sb_change_t change = harness_text ("text", "");
        char *text = calloc (1, 32001);
        memset (text, 'x', 32000); /* one a chunk */
        change.value.text = sb_text (text);
        harness_changes (&harness, WRITER, sequence++, "market_data", subject, &change, 1);
        free (text);
    }
    harness_forget (&harness);
    reader_request (&harness, READER, 7, NULL, 0, 4000000000u);
    reader_credit (&harness, READER, 7, 4000000000u);
    reader_credit (&harness, READER, 6, 1);
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 64);
    cr_assert (s_is_idle (&harness));
    reader_credit (&harness, READER, 7, 64);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=7 chunks=70 fields=70");
    reader_credit (&harness, READER, 7, 1); /* it is over, and its credit was under way */
    harness_forget (&harness);
    harness_advance (&harness, 1000);
    harness_expect (&harness, "snapshot_credits_ignored=1");
    harness_register (&harness, READER, "reader", 99);
    reader_credit (&harness, READER, 7, 1); /* of the session before */
    harness_forget (&harness);
    harness_advance (&harness, 1000);
    harness_expect (&harness, "snapshot_credits_ignored=2");
    harness_stop (&harness);
}

Test (snapshot, that_was_at_its_end_needs_credit_for_topics_made_meanwhile)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 10);
    harness_forget (&harness);
    reader_request (&harness, READER, 7, NULL, 0, 1);
    harness_tick (&harness); /* its only chunk; the end would come next */
    s_fill (&harness, &sequence, "ETH", 300);
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 1);
    harness_expect_not (&harness, "SNAPSHOT_END");
    cr_assert (s_is_idle (&harness));
    reader_credit (&harness, READER, 7, 1);
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 2);
    reader_credit (&harness, READER, 7, 1);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=7 chunks=3 fields=310");
    harness_stop (&harness);
}

Test (snapshot, credit_0_gives_it_up)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 600);
    reader_request (&harness, READER, 7, NULL, 0, 64);
    harness_tick (&harness);
    harness_forget (&harness);
    reader_credit (&harness, READER, 7, 0);
    harness_settle (&harness);
    harness_expect_not (&harness, "SNAPSHOT");
    reader_request (&harness, READER, 8, NULL, 0, 0); /* may be made without, and waits */
    harness_settle (&harness);
    harness_expect_not (&harness, "SNAPSHOT");
    harness_stop (&harness);
}

/* ---- what is asked for */

Test (snapshot, has_the_topics_of_its_interests)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    harness_delta (&harness, WRITER, sequence++, "market_data", "BTC", "a", 1);
    harness_delta (&harness, WRITER, sequence++, "market_data", "ETH", "a", 1);
    harness_delta (&harness, WRITER, sequence++, "market", "x", "a", 1);
    harness_delta (&harness, WRITER, sequence++, "trades", "", "a", 1);
    const struct {
        const char *interests[2];
        const char *wanted;
        uint32_t count;
    } cases[] = {{{"market"}, "topics=1 market.writer.x#", 1},
                 {{"market_data.writer.B"}, "topics=1 market_data.writer.BTC#", 1},
                 {{"all"}, "fields=4", 1},
                 {{"trades", "market_data"}, "fields=3", 2},
                 {{"market_data", "market_data.writer.ETH"}, "fields=2", 2},
                 {{"_event"}, "_event.writer.REGISTERED#", 1},
                 {{"nothing"}, "chunks=0 fields=0", 1}};
    harness_beat (&harness, READER);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sb_text_t interests[2] = {sb_text (cases[i].interests[0])};
        if (cases[i].count > 1)
            interests[1] = sb_text (cases[i].interests[1]);
        harness_forget (&harness);
        reader_request (&harness, READER, i + 1, interests, cases[i].count, 64);
        harness_settle (&harness);
        harness_expect (&harness, cases[i].wanted);
        harness_expect (&harness, "SNAPSHOT_END NONE");
        if (i != 5)
            harness_expect_not (&harness, "_event.");
    }
    harness_stop (&harness);
}

Test (snapshot, without_interests_has_those_of_the_session)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    sb_text_t interests[] = {sb_text ("trades")};
    sb_registration_t registration = harness_registration ("narrow", 1);
    registration.interests = interests;
    registration.interest_count = 1;
    harness_send_registration (&harness, 11, &registration);
    harness_delta (&harness, WRITER, sequence++, "market_data", "BTC", "a", 1);
    harness_delta (&harness, WRITER, sequence++, "trades", "", "a", 1);
    harness_forget (&harness);
    reader_request (&harness, 11, 1, NULL, 0, 64);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_CHUNK 1 topics=1 trades.writer.#");
    harness_stop (&harness);
}

Test (snapshot, names_topics_without_fields)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    harness_delta (&harness, WRITER, sequence++, "trades", "", "a", 1);
    sb_change_t gone = harness_delete ("a");
    harness_changes (&harness, WRITER, sequence++, "trades", "", &gone, 1);
    harness_forget (&harness);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    harness_settle (&harness);
    harness_expect (&harness, "trades.writer.#");
    harness_expect (&harness, "/2(0)");
    harness_stop (&harness);
}

Test (snapshot, bad_interests_end_it_with_a_reason_and_no_failure)
{
    harness_t harness;
    s_start (&harness);
    sb_text_t many[70];
    for (unsigned i = 0; i < 70; i++)
        many[i] = sb_text ("all");
    harness_forget (&harness);
    sb_text_t bad[] = {sb_text ("Not an interest")};
    reader_request (&harness, READER, 1, bad, 1, 64);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END BAD_INTEREST id=1 chunks=0");
    reader_request (&harness, READER, 2, many, 65, 0);
    harness_tick (&harness);
    harness_expect (&harness, "SNAPSHOT_END TOO_MANY_INTERESTS id=2");
    reader_refuse (&harness, READER); /* an end like any other: said again */
    harness_advance (&harness, 200);
    harness_expect_times (&harness, "SNAPSHOT_END TOO_MANY_INTERESTS id=2", 2);
    harness_advance (&harness, 1000);
    harness_expect (&harness, " failures=0");
    harness_expect (&harness, "snapshots_refused=2");
    harness_stop (&harness);
}

Test (snapshot, comes_while_the_reader_is_paused_cut_off_and_everything_stopped)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    harness_delta (&harness, WRITER, sequence++, "trades", "", "a", 1);
    harness_command (&harness, 1, "pause_agent", "reader", NULL, 0);
    harness_stored (&harness, true);
    harness_command (&harness, 2, "isolate_agent", "reader", NULL, 0);
    harness_stored (&harness, true);
    harness_command (&harness, 3, "emergency_stop", "", NULL, 0);
    harness_stored (&harness, true);
    harness_settle (&harness);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=1 chunks=1 fields=1");
    harness_stop (&harness);
}

/* ---- what comes between */

Test (snapshot, request_replaces_the_one_before)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 600);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    harness_tick (&harness);
    harness_forget (&harness);
    reader_request (&harness, READER, 2, NULL, 0, 64);
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK 1 ", 1);
    harness_expect (&harness, "SNAPSHOT_END NONE id=2 chunks=3 fields=600");
    harness_expect_not (&harness, "id=1");
    harness_stop (&harness);
}

Test (snapshot, ends_with_its_session)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 600);
    for (unsigned i = 0; i < 4; i++) {
        reader_request (&harness, READER, i + 1, NULL, 0, 64);
        harness_tick (&harness);
        harness_forget (&harness);
        if (i == 0)
            harness_peer_lost (&harness, READER);
        else if (i == 1)
            harness_goodbye (&harness, READER);
        else if (i == 2)
            harness_register (&harness, READER, "reader", 1); /* the same again: another session */
        else
            harness_step (&harness, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
        harness_settle (&harness);
        harness_expect_not (&harness, "SNAPSHOT");
        harness_register (&harness, READER, "reader", 1);
        harness_settle (&harness);
    }
    harness_stop (&harness);
}

Test (snapshot, refused_chunk_is_made_again_after_100_ms)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 400);
    reader_request (&harness, READER, 1, NULL, 0, 2);
    harness_tick (&harness);
    harness_forget (&harness);
    reader_refuse (&harness, READER);
    reader_refuse (&harness, READER); /* there is nothing more that could come back */
    uint64_t due_ns = harness.now_ns + 100 * HARNESS_MS;
    cr_assert_eq (sb_core_deadline (harness.core), due_ns, "no busy loop");
    harness.now_ns = due_ns - 1;
    harness_tick (&harness);
    harness_expect_not (&harness, "SNAPSHOT");
    harness.now_ns = due_ns;
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_CHUNK 1 "); /* with its number, and its credit */
    harness_expect (&harness, "SNAPSHOT_CHUNK 2 ");
    harness_expect (&harness, "SNAPSHOT_END NONE id=1 chunks=2 fields=400");
    reader_refuse (&harness, READER); /* too late: it is over */
    harness_stop (&harness);
}

Test (snapshot, refused_end_is_said_again)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 10);
    reader_request (&harness, READER, 1, NULL, 0, 1);
    harness_tick (&harness);
    harness_tick (&harness);
    harness_expect_times (&harness, "SNAPSHOT_END", 1);
    reader_refuse (&harness, READER);
    harness_advance (&harness, 100);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 1);
    harness_expect_times (&harness, "SNAPSHOT_END NONE id=1 chunks=1 fields=10", 2);
    harness_stop (&harness);
}

Test (snapshot, fields_that_go_are_stepped_over)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 600);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    harness_tick (&harness); /* f0 to f255 */
    for (unsigned i = 250; i < 592; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%u", i);
        sb_change_t gone = harness_delete (name);
        harness_changes (&harness, WRITER, sequence++, "market_data", "BTC", &gone, 1);
    }
    sb_change_t last = harness_delete ("f599"); /* what the walk was to end with */
    harness_changes (&harness, WRITER, sequence++, "market_data", "BTC", &last, 1);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=1 chunks=2 fields=263");
    harness_stop (&harness);
}

/* Adds 300 fields after each slice of a topic of 400, whose last one is deleted in between or not. */
static void s_add_faster (bool is_last_deleted, const char *wanted)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 400);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    unsigned next = 400;
    for (unsigned tick = 0; tick < 5; tick++) {
        harness_tick (&harness);
        sb_change_t last = harness_delete ("f399");
        if (is_last_deleted && tick == 0)
            harness_changes (&harness, WRITER, sequence++, "market_data", "BTC", &last, 1);
        for (unsigned i = 0; i < 300; i++) {
            char name[16];
            snprintf (name, sizeof name, "f%u", next++);
            harness_delta (&harness, WRITER, sequence++, "market_data", "BTC", name, i);
        }
    }
    harness_expect (&harness, wanted);
    harness_stop (&harness);
}

Test (snapshot, ends_though_fields_are_added_faster_than_read)
{
    s_add_faster (false, "SNAPSHOT_END NONE id=1 chunks=2 fields=400");
    s_add_faster (true, "SNAPSHOT_END NONE id=1 chunks=2 fields=399");
}

Test (snapshot, outlives_the_agents_whose_topics_it_walks)
{
    harness_t harness;
    harness_init (&harness);
    harness.config.forget_after_ms = 10000;
    harness_start_configured (&harness);
    sb_registration_t registration = harness_registration ("reader", 1);
    registration.heartbeat_interval_ms = 60000;
    harness_send_registration (&harness, READER, &registration);
    harness_register (&harness, WRITER, "writer", 1);
    uint64_t sequence = 1;
    s_fill (&harness, &sequence, "BTC", 600);
    harness_goodbye (&harness, WRITER);
    reader_request (&harness, READER, 1, NULL, 0, 2);
    harness_settle (&harness);
    harness_expect_times (&harness, "SNAPSHOT_CHUNK", 2);
    harness_advance (&harness, 12000);
    harness_expect (&harness, "_event._broker.FORGOTTEN");
    harness_register (&harness, 6, "other", 1); /* takes the slots */
    for (unsigned i = 0; i < 5; i++)
        harness_delta (&harness, 6, i + 1, "trades", "x", &"abcde"[i], 1);
    harness_forget (&harness);
    reader_credit (&harness, READER, 1, 64);
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=1");
    harness_expect_not (&harness, "market_data.writer");
    harness_stop (&harness);
}

/* ---- fairness */

Test (snapshot, hundred_readers_take_turns)
{
    enum { READERS = 99 };
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 1280);
    for (uint64_t i = 0; i < READERS - 1; i++) {
        char id[16];
        snprintf (id, sizeof id, "reader%u", (unsigned)i);
        harness_register (&harness, 100 + i, id, 1);
        reader_request (&harness, 100 + i, 1, NULL, 0, 64);
    }
    harness.is_quiet = true;
    unsigned chunks[READERS] = {0}, ends = 0, ticks = 0;
    while (!s_is_idle (&harness)) {
        harness_tick (&harness);
        ticks++;
        const sb_broker_message_t *message = s_sent (&harness);
        if (!message)
            continue;
        uint64_t peer = 0;
        for (uint32_t i = 0; i < harness.effects.count; i++)
            if (harness.effects.items[i].kind == SB_EFFECT_SEND && harness.effects.items[i].send.message == message)
                peer = harness.effects.items[i].send.peer;
        if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
            cr_assert_eq (message->snapshot_end.field_count, 1280);
            ends++;
            continue;
        }
        unsigned count = ++chunks[peer - 100];
        for (unsigned i = 0; i < READERS - 1; i++)
            cr_assert (chunks[i] + 1 >= count && count + 1 >= chunks[i], "nobody is two chunks ahead");
    }
    cr_assert_eq (ends, READERS - 1);
    cr_assert_leq (ticks, (READERS - 1) * 8, "five chunks, the rest of the topics, the end, the release: %u", ticks);
    harness_stop (&harness);
}

Test (snapshot, long_one_is_no_lateness_of_the_broker)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_fill (&harness, &sequence, "BTC", 4000);
    harness_forget (&harness);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    for (unsigned i = 0; i < 4; i++) { /* 30 s for 4 slices, alive all the while */
        harness_tick (&harness);
        for (unsigned j = 0; j < 8; j++) {
            harness_beat (&harness, READER);
            harness_beat (&harness, WRITER);
            harness.now_ns += 1000 * HARNESS_MS;
            harness_tick (&harness);
        }
    }
    harness_expect_not (&harness, "LATE");
    harness_expect (&harness, "tick_timeouts=0");
    harness_expect (&harness, "ticks_late=0");
    harness_stop (&harness);
}

/* ---- bounds */

Test (snapshot, chunks_stay_below_a_quarter_of_a_message_but_for_one_field)
{
    harness_t harness;
    harness_init (&harness);
    harness.config.max_message_bytes = 16384;
    harness_start_configured (&harness);
    harness_register (&harness, WRITER, "writer", 1);
    harness_register (&harness, READER, "reader", 1);
    char text[12001];
    memset (text, 'x', sizeof text);
    for (unsigned i = 0; i < 60; i++) {
        sb_change_t change = harness_text (i % 2 ? "a" : "b", "");
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", i / 2);
        change.value.text = (sb_text_t){text, i % 7 == 0 ? 12000 : i * 20};
        harness_changes (&harness, WRITER, i + 1, "market_data", subject, &change, 1);
    }
    harness_settle (&harness);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    uint64_t fields = 0;
    while (!s_is_idle (&harness)) {
        harness_tick (&harness);
        const sb_broker_message_t *message = s_sent (&harness);
        if (!message || message->kind != SB_BROKER_MESSAGE_SNAPSHOT_CHUNK)
            continue;
        const sb_snapshot_chunk_t *chunk = &message->snapshot_chunk;
        uint64_t bytes = SB_SNAPSHOT_CHUNK_BOUND, count = 0;
        for (uint32_t i = 0; i < chunk->topic_count; i++) {
            bytes += sb_snapshot_topic_bound (chunk->topics[i].topic);
            for (uint32_t j = 0; j < chunk->topics[i].field_count; j++, count++)
                bytes += sb_snapshot_field_bound (chunk->topics[i].fields[j].name, &chunk->topics[i].fields[j].value);
        }
        fields += count;
        cr_assert (bytes <= 4096 || (chunk->topic_count == 1 && count == 1), "%u topics, %u fields, %u octets",
                   chunk->topic_count, (unsigned)count, (unsigned)bytes);
        cr_assert_leq (bytes, 16384);
    }
    cr_assert_eq (fields, 60);
    harness_stop (&harness);
}

Test (snapshot, few_matches_among_many_topics_take_bounded_slices)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    for (unsigned i = 0; i < 2000; i++) {
        char subject[16];
        snprintf (subject, sizeof subject, "s%u", i);
        harness_delta (&harness, WRITER, sequence++, i == 1999 ? "trades" : "market_data", subject, "a", 1);
    }
    harness_settle (&harness);
    harness_forget (&harness);
    sb_text_t interests[] = {sb_text ("trades")};
    reader_request (&harness, READER, 1, interests, 1, 1);
    unsigned ticks = 0;
    for (; !harness_saw (&harness, "SNAPSHOT_CHUNK"); ticks++)
        harness_tick (&harness);
    cr_assert_geq (ticks, 4, "512 slots of topics a slice");
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END NONE id=1 chunks=1 fields=1");
    harness_stop (&harness);
}

Test (snapshot, without_memory_says_so)
{
    harness_t harness;
    s_start (&harness);
    harness.allowance = harness.allocated;
    harness_forget (&harness);
    reader_request (&harness, READER, 1, NULL, 0, 64);
    harness.allowance = SIZE_MAX / 2;
    harness_settle (&harness);
    harness_expect (&harness, "SNAPSHOT_END STORE_FULL id=1");
    harness_stop (&harness);
}

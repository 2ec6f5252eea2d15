/* SPDX-License-Identifier: MPL-2.0
 *
 * The command state_hash: what it says, that it holds nobody up, and what becomes of it when the state does not hold
 * still.
 */
#include "snapshot_reader.h"

enum { WRITER = 5, ASKER = 10 };

static uint64_t trades_hash; /* of the one field in trades */

/* A writer with 4000 fields in market_data: eight slices; and one in trades. */
static uint64_t s_start (harness_t *harness)
{
    enum { CHANGES = 500 };
    static char names[CHANGES][8];
    sb_change_t changes[CHANGES];
    harness_start (harness);
    harness_register (harness, WRITER, "writer", 1);
    harness_register (harness, ASKER, "asker", 1);
    uint64_t sequence = 1;
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < CHANGES; j++) {
            snprintf (names[j], sizeof names[j], "f%u", i * CHANGES + j);
            changes[j] = harness_number (names[j], j);
        }
        harness_changes (harness, WRITER, sequence++, "market_data", "BTC", changes, CHANGES);
    }
    harness_delta (harness, WRITER, sequence++, "trades", "", "price", 1);
    sb_change_t price = harness_number ("price", 1);
    for (uint32_t i = 0; i < harness->effects.count; i++)
        if (harness->effects.items[i].kind == SB_EFFECT_PUBLISH)
            trades_hash = sb_state_hash_field (sb_text ("trades.writer."), price.name, &price.value, SB_QUALITY_OK,
                                               harness->effects.items[i].publish->sequence);
    harness_settle (harness);
    harness_beat (harness, ASKER);
    harness_forget (harness);
    return sequence;
}

static void s_ask (harness_t *harness, uint64_t token, const char *interests)
{
    sb_parameter_t parameter = {.name = sb_text ("interests")};
    parameter.value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (interests)};
    harness_command (harness, token, "state_hash", "", &parameter, interests[0] ? 1 : 0);
}

/* The reply of the last step; NULL: none. */
static const sb_command_reply_t *s_reply (const harness_t *harness)
{
    for (uint32_t i = 0; i < harness->effects.count; i++) {
        const sb_effect_t *effect = &harness->effects.items[i];
        if (effect->kind == SB_EFFECT_REPLY)
            return effect->reply.reply;
        if (effect->kind == SB_EFFECT_SEND && effect->send.message->kind == SB_BROKER_MESSAGE_COMMAND_REPLY)
            return &effect->send.message->command_reply;
    }
    return NULL;
}

/* Ticks until there is a reply, and says how many that were. */
static const sb_command_reply_t *s_wait (harness_t *harness, unsigned *ticks)
{
    *ticks = 0;
    const sb_command_reply_t *reply = NULL;
    for (; !reply && *ticks < 100 && sb_core_deadline (harness->core) <= harness->now_ns; (*ticks)++) {
        harness_tick (harness);
        reply = s_reply (harness);
    }
    return reply;
}

static void s_check (const harness_t *harness, const sb_command_reply_t *reply, uint64_t hash, int64_t topics,
                     int64_t fields)
{
    char text[17];
    snprintf (text, sizeof text, "%016llx", (unsigned long long)hash);
    cr_assert_not_null (reply, "%s", harness->trace);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    cr_assert_eq (reply->record_count, 1);
    const sb_parameter_t *columns = reply->records[0].columns;
    cr_assert (sb_text_equal (columns[0].value.text, sb_text (text)), "%.*s against %s",
               (int)columns[0].value.text.size, columns[0].value.text.data, text);
    cr_assert_eq (columns[1].value.integer, topics);
    cr_assert_eq (columns[2].value.integer, fields);
}

Test (state_hash, is_that_of_the_whole_state)
{
    harness_t harness;
    unsigned ticks;
    s_start (&harness);
    s_ask (&harness, 1, "");
    harness_expect_not (&harness, "REPLY");
    harness_expect (&harness, "AUDIT state_hash NONE");
    const sb_command_reply_t *reply = s_wait (&harness, &ticks);
    s_check (&harness, reply, sb_core_state_hash (harness.core), 2, 4001);
    cr_assert_geq (ticks, 8, "512 fields a slice");
    cr_assert_gt (reply->sequence, 0);
    cr_assert_eq (reply->stream_id, 77);
    cr_assert (sb_core_deadline (harness.core) > harness.now_ns, "nothing is left to do");
    harness_expect_times (&harness, "AUDIT", 1);
    harness_stop (&harness);
}

Test (state_hash, is_over_its_interests_alone)
{
    harness_t harness;
    unsigned ticks;
    s_start (&harness);
    const struct {
        const char *interests;
        uint64_t hash;
        int64_t topics, fields;
    } cases[] = {{"trades", trades_hash, 1, 1},
                 {" trades  trades.writer ", trades_hash, 1, 1},
                 {"nothing", 0, 0, 0},
                 {"_event", 0, 4, 0},
                 {"trades market_data", sb_core_state_hash (harness.core), 2, 4001}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s_ask (&harness, i + 1, cases[i].interests);
        const sb_command_reply_t *reply = s_wait (&harness, &ticks);
        cr_assert_not_null (reply);
        int64_t topics = i == 3 ? reply->records[0].columns[1].value.integer : cases[i].topics;
        cr_assert_geq (topics, cases[i].topics > 3 ? 2 : 0);
        s_check (&harness, reply, cases[i].hash, topics, cases[i].fields);
    }
    harness_stop (&harness);
}

Test (state_hash, begins_anew_when_its_topics_change)
{
    harness_t harness;
    unsigned ticks;
    uint64_t sequence = s_start (&harness);
    s_ask (&harness, 1, "market_data");
    harness_tick (&harness);
    harness_delta (&harness, WRITER, sequence++, "market_data", "BTC", "f0", 77); /* walked already */
    cr_assert_null (s_wait (&harness, &ticks));
    uint64_t due_ns = harness.now_ns + 50 * HARNESS_MS;
    cr_assert_eq (sb_core_deadline (harness.core), due_ns);
    harness.now_ns = due_ns - 1;
    harness_tick (&harness);
    cr_assert_gt (sb_core_deadline (harness.core), harness.now_ns, "not before its time");
    harness.now_ns = due_ns;
    s_check (&harness, s_wait (&harness, &ticks), sb_core_state_hash (harness.core) - trades_hash, 1, 4000);
    harness_advance (&harness, 1000);
    harness_expect (&harness, "state_hash_restarts=1");
    harness_stop (&harness);
}

Test (state_hash, heeds_no_topic_that_is_not_its_own)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_ask (&harness, 1, "market_data");
    for (unsigned i = 0; i < 20 && !harness_saw (&harness, "REPLY 1 "); i++) {
        harness_delta (&harness, WRITER, sequence, "trades", "", "price", (double)sequence);
        sequence++;
        harness_tick (&harness);
    }
    harness_expect (&harness, "REPLY 1 NONE");
    harness_stop (&harness);
}

Test (state_hash, stands_no_walk_on_a_field_that_goes)
{
    harness_t harness;
    unsigned ticks;
    uint64_t sequence = s_start (&harness);
    s_ask (&harness, 1, "market_data");
    harness_tick (&harness);
    for (unsigned i = 500; i < 530; i++) {
        char name[8];
        snprintf (name, sizeof name, "f%u", i);
        sb_change_t gone = harness_delete (name);
        harness_changes (&harness, WRITER, sequence++, "market_data", "BTC", &gone, 1);
    }
    cr_assert_null (s_wait (&harness, &ticks));
    harness.now_ns += 50 * HARNESS_MS;
    const sb_command_reply_t *reply = s_wait (&harness, &ticks);
    cr_assert_not_null (reply);
    cr_assert_eq (reply->records[0].columns[2].value.integer, 3970);
    harness_stop (&harness);
}

Test (state_hash, gives_up_when_nothing_holds_still)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_ask (&harness, 1, "");
    unsigned steps = 0;
    for (; !harness_saw (&harness, "REPLY 1 ") && steps < 1000; steps++) {
        harness_delta (&harness, WRITER, sequence, "market_data", "BTC", "f0", (double)sequence);
        sequence++;
        harness.now_ns += 5 * HARNESS_MS;
        harness_tick (&harness);
    }
    harness_expect (&harness, "REPLY 1 WRONG_STATE the state did not hold still in 20 tries");
    cr_assert_lt (steps, 1000);
    harness_settle (&harness);
    harness_expect_times (&harness, "REPLY", 1);
    harness_advance (&harness, 1000);
    harness_expect (&harness, "state_hash_restarts=20");
    harness_stop (&harness);
}

Test (state_hash, answers_an_agent_over_its_session)
{
    harness_t harness;
    unsigned ticks;
    s_start (&harness);
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND};
    message.command = (sb_command_request_t){
        .command_id = sb_text ("mine"), .command = sb_text ("state_hash"), .timeout_ms = 1000, .protocol = SB_PROTOCOL};
    harness_message (&harness, ASKER, &message);
    const sb_command_reply_t *reply = s_wait (&harness, &ticks);
    s_check (&harness, reply, sb_core_state_hash (harness.core), 2, 4001);
    cr_assert (sb_text_equal (reply->command_id, sb_text ("mine")));
    message.command.command_id = sb_text ("other"); /* and nobody, when that is over */
    harness_message (&harness, ASKER, &message);
    harness_goodbye (&harness, ASKER);
    harness_forget (&harness);
    harness_settle (&harness);
    harness_expect_not (&harness, "REPLY");
    harness_stop (&harness);
}

Test (state_hash, shutdown_answers_all_who_wait)
{
    harness_t harness;
    s_start (&harness);
    s_ask (&harness, 1, "");
    s_ask (&harness, 2, "trades");
    harness_step (&harness, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    harness_expect (&harness, "REPLY 1 BROKER_STOPPING");
    harness_expect (&harness, "REPLY 2 BROKER_STOPPING");
    harness_stop (&harness);
}

Test (state_hash, sixteen_at_a_time_in_turn)
{
    harness_t harness;
    s_start (&harness);
    for (unsigned i = 1; i <= 17; i++)
        s_ask (&harness, i, i == 16 ? "trades" : "");
    harness_expect (&harness, "REPLY 17 TOO_MANY_PENDING");
    for (unsigned i = 0; i < 17; i++)
        harness_tick (&harness);
    harness_expect (&harness, "REPLY 16 NONE"); /* the others' eight slices do not hold it up */
    harness_settle (&harness);
    harness_expect_times (&harness, " NONE \n", 16);
    s_ask (&harness, 18, "");
    harness_settle (&harness);
    harness_expect (&harness, "REPLY 18 NONE");
    harness_stop (&harness);
}

Test (state_hash, agents_leave_room_for_operators)
{
    harness_t harness;
    s_start (&harness);
    for (unsigned i = 1; i <= 13; i++) {
        char id[8];
        snprintf (id, sizeof id, "a%u", i);
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND};
        message.command = (sb_command_request_t){
            .command_id = sb_text (id), .command = sb_text ("state_hash"), .timeout_ms = 1000, .protocol = SB_PROTOCOL};
        harness_message (&harness, WRITER, &message);
    }
    harness_expect_times (&harness, "AUDIT state_hash TOO_MANY_PENDING", 1);
    s_ask (&harness, 1, "");
    harness_settle (&harness);
    harness_expect (&harness, "REPLY 1 NONE");
    harness_stop (&harness);
}

Test (state_hash, shares_the_turn_with_snapshots)
{
    harness_t harness;
    s_start (&harness);
    reader_request (&harness, ASKER, 1, NULL, 0, 64);
    s_ask (&harness, 1, "");
    for (unsigned i = 0; i < 16; i++)
        harness_tick (&harness);
    unsigned chunks = harness_times (&harness, "SNAPSHOT_CHUNK");
    cr_assert (chunks >= 7 && chunks <= 9, "every other slice: %u", chunks);
    harness_settle (&harness);
    harness_expect (&harness, "REPLY 1 NONE");
    harness_expect (&harness, "SNAPSHOT_END NONE");
    harness_stop (&harness);
}

Test (state_hash, refuses_bad_interests)
{
    harness_t harness;
    s_start (&harness);
    char many[65 * 4 + 1];
    for (unsigned i = 0; i < 65; i++)
        memcpy (many + i * 4, "all ", 5);
    const char *bad[] = {"Not", "a..", "a.b.c.d", many};
    for (unsigned i = 0; i < 4; i++) {
        harness_forget (&harness);
        s_ask (&harness, i + 1, bad[i]);
        harness_expect (&harness, "BAD_PARAMETER interests");
    }
    harness_stop (&harness);
}

Test (state_hash, waits_at_the_end_are_given_back)
{
    harness_t harness;
    uint64_t sequence = s_start (&harness);
    s_ask (&harness, 1, "market_data");
    harness_tick (&harness);
    harness_delta (&harness, WRITER, sequence++, "market_data", "BTC", "f0", 77);
    harness_tick (&harness);
    harness_stop (&harness); /* checks the balance of memory */
}

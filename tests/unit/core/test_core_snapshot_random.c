/* SPDX-License-Identifier: MPL-2.0
 *
 * Whoever joins, takes a snapshot and applies what it buffered holds the broker's very state: by many seeds, with
 * writes, deletes, whole states, lost and forgotten agents, stale topics, refused chunks, requests given up and credit
 * in drops between the slices.
 *
 * Readers are those of snapshot_reader.h. After each seed everything holds still, and every reader's hash is compared
 * with the core's, and with what the command state_hash says.
 */
#include "snapshot_reader.h"

enum { WRITERS = 6, READERS = 3, SUBJECTS = 4, FIELDS = 160, EVENTS = 3000, SEEDS = 40 };

typedef struct {
    harness_t harness;
    uint64_t random;
    uint64_t sequence[WRITERS]; /* next */
    uint64_t instance[WRITERS];
    reader_t readers[READERS];
    uint64_t snapshot_id[READERS];
    uint32_t owed[READERS]; /* credit not given back yet */
    char hash[READERS][17]; /* as the command said */
    unsigned ends;
    unsigned refused;
    unsigned chunks;
} s_play_t;

static uint32_t s_below (s_play_t *self, uint32_t limit)
{
    uint64_t z = self->random += UINT64_C (0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % limit);
}

static uint64_t s_reader_peer (uint32_t reader)
{
    return 100 + reader;
}

/* Each writer comes back under another connection with another instance. */
static uint64_t s_writer_peer (const s_play_t *self, uint32_t writer)
{
    return 1000 * (writer + 1) + self->instance[writer];
}

/* ---- effects */

static void s_take_send (s_play_t *self, uint64_t peer, const sb_broker_message_t *message, bool *is_refused)
{
    uint32_t reader = (uint32_t)(peer - 100);
    bool is_chunk = message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK;
    if (message->kind == SB_BROKER_MESSAGE_REFUSAL && peer >= 1000 && message->refusal.expected_sequence)
        self->sequence[peer / 1000 - 1] = message->refusal.expected_sequence;
    if (!is_chunk && message->kind != SB_BROKER_MESSAGE_SNAPSHOT_END)
        return;
    if (s_below (self, 100) < 15) {
        *is_refused = true;
        self->refused++;
        return;
    }
    uint64_t id = is_chunk ? message->snapshot_chunk.snapshot_id : message->snapshot_end.snapshot_id;
    cr_assert_eq (id, self->snapshot_id[reader], "a snapshot that was given up goes on");
    if (is_chunk) {
        self->chunks++;
        self->owed[reader]++;
        reader_chunk (&self->readers[reader], &message->snapshot_chunk);
    } else {
        self->ends++;
        reader_end (&self->readers[reader], &message->snapshot_end);
    }
}

static void s_take_reply (s_play_t *self, uint64_t token, const sb_command_reply_t *reply)
{
    cr_assert_eq (reply->code, SB_REASON_NONE, "%.*s", (int)reply->message.size, reply->message.data);
    cr_assert_eq (reply->record_count, 1);
    sb_text_t text = reply->records[0].columns[0].value.text;
    cr_assert_eq (text.size, 16);
    memcpy (self->hash[token - 1], text.data, 16);
}

/* Steps the event, hands its effects out, and says which snapshot came back. */
static void s_after (s_play_t *self)
{
    uint64_t refused_peer = 0;
    for (uint32_t i = 0; i < self->harness.effects.count; i++) {
        const sb_effect_t *effect = &self->harness.effects.items[i];
        bool is_refused = false;
        if (effect->kind == SB_EFFECT_PUBLISH)
            for (uint32_t j = 0; j < READERS; j++)
                reader_publication (&self->readers[j], effect->publish);
        else if (effect->kind == SB_EFFECT_SEND)
            s_take_send (self, effect->send.peer, effect->send.message, &is_refused);
        else if (effect->kind == SB_EFFECT_REPLY)
            s_take_reply (self, effect->reply.token, effect->reply.reply);
        if (is_refused)
            refused_peer = effect->send.peer;
    }
    if (refused_peer) {
        reader_refuse (&self->harness, refused_peer);
        s_after (self);
    }
}

static void s_tick (s_play_t *self)
{
    harness_tick (&self->harness);
    s_after (self);
}

static void s_message (s_play_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    harness_message (&self->harness, peer, message);
    s_after (self);
}

/* Lets time pass with a tick at each deadline. */
static void s_advance (s_play_t *self, uint64_t duration_ms)
{
    uint64_t end_ns = self->harness.now_ns + duration_ms * HARNESS_MS;
    for (uint64_t deadline_ns; (deadline_ns = sb_core_deadline (self->harness.core)) <= end_ns;) {
        if (deadline_ns > self->harness.now_ns)
            self->harness.now_ns = deadline_ns;
        s_tick (self);
    }
    self->harness.now_ns = end_ns;
}

/* ---- what happens */

static const char *const s_categories[] = {"market_data", "trades", "agent", "execution_result"};

static void s_register_writer (s_play_t *self, uint32_t writer)
{
    char id[16];
    snprintf (id, sizeof id, "writer%u", writer);
    self->instance[writer]++;
    self->sequence[writer] = 1;
    sb_registration_t registration = harness_registration (id, self->instance[writer]);
    registration.heartbeat_interval_ms = 2000;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION, .registration = registration};
    s_message (self, s_writer_peer (self, writer), &message);
}

/* Changes of different fields in a row. `names` is room for them. */
static uint32_t s_make_changes (s_play_t *self, sb_change_t *changes, char (*names)[8], uint32_t limit,
                                bool with_deletes)
{
    static const char *const s_texts[] = {"", "BUY", "a text that is long enough to be in a run of its own"};
    uint32_t count = 1 + s_below (self, limit), first = s_below (self, FIELDS);
    for (uint32_t i = 0; i < count; i++) {
        snprintf (names[i], sizeof names[i], "f%u", (first + i) % FIELDS);
        uint32_t dice = s_below (self, 10);
        if (with_deletes && dice < 3)
            changes[i] = harness_delete (names[i]);
        else if (dice < 6)
            changes[i] = harness_text (names[i], s_texts[s_below (self, 3)]);
        else
            changes[i] = harness_number (names[i], s_below (self, 5));
    }
    return count;
}

static void s_write (s_play_t *self)
{
    enum { BATCH = 3, CHANGES = 40 };
    static sb_change_t changes[BATCH][CHANGES];
    static char names[BATCH][CHANGES][8], subjects[BATCH][8];
    sb_delta_t deltas[BATCH];
    uint32_t writer = s_below (self, WRITERS), count = 1 + s_below (self, BATCH);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t changed = s_make_changes (self, changes[i], names[i], CHANGES, true);
        snprintf (subjects[i], sizeof subjects[i], "s%u", s_below (self, SUBJECTS));
        deltas[i] = harness_delta_of (self->sequence[writer]++, s_categories[s_below (self, 4)], subjects[i],
                                      changes[i], changed);
    }
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {deltas, count}};
    s_message (self, s_writer_peer (self, writer), &message);
}

static void s_replace (s_play_t *self)
{
    enum { CHANGES = 120 };
    static sb_change_t changes[CHANGES];
    static char names[CHANGES][8];
    uint32_t writer = s_below (self, WRITERS);
    uint64_t peer = s_writer_peer (self, writer), sequence = self->sequence[writer]++;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    s_message (self, peer, &message);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t count = s_make_changes (self, changes, names, CHANGES, false);
        sb_delta_t topic = harness_delta_of (0, "market_data", i ? "s1" : "s2", changes, count);
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK, .replace_chunk = {sequence, &topic, 1}};
        s_message (self, peer, &message);
    }
    message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REPLACE_END, .replace_end = {sequence, 3}};
    s_message (self, peer, &message);
}

/* Joins and asks: everything from here on is buffered. */
static void s_ask (s_play_t *self, uint32_t reader)
{
    reader_join (&self->readers[reader]);
    sb_text_t interest = sb_text (reader == 0 ? "all" : "market_data");
    sb_agent_message_t message = {
        .kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
        .snapshot_request = {++self->snapshot_id[reader], &interest, 1, 1 + s_below (self, 4)}};
    self->owed[reader] = 0;
    s_message (self, s_reader_peer (reader), &message);
}

static void s_give_credit (s_play_t *self, uint32_t reader)
{
    uint32_t credit = s_below (self, 30) == 0 ? 0 : self->owed[reader];
    if (self->readers[reader].is_whole || (credit == 0 && self->owed[reader] == 0))
        return;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT,
                                  .snapshot_credit = {self->snapshot_id[reader], credit}};
    self->owed[reader] = 0;
    s_message (self, s_reader_peer (reader), &message);
    if (credit == 0)
        s_ask (self, reader);
}

static void s_beats (s_play_t *self)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT, .heartbeat = {.progress = 1}};
    for (uint32_t i = 0; i < READERS; i++)
        s_message (self, s_reader_peer (i), &message);
    for (uint32_t i = 1; i < WRITERS; i++) /* the first falls silent now and then, dies, and is forgotten */
        s_message (self, s_writer_peer (self, i), &message);
}

static void s_happen (s_play_t *self)
{
    uint32_t dice = s_below (self, 100);
    if (dice < 30)
        s_write (self);
    else if (dice < 32)
        s_replace (self);
    else if (dice < 33)
        s_register_writer (self, s_below (self, WRITERS));
    else if (dice < 34)
        s_ask (self, s_below (self, READERS));
    else if (dice < 45)
        s_give_credit (self, s_below (self, READERS));
    else if (dice < 55)
        s_advance (self, s_below (self, 300));
    else
        s_tick (self);
    if (dice % 20 == 0)
        s_beats (self);
}

/* ---- a seed */

static void s_start (s_play_t *self, uint64_t seed)
{
    *self = (s_play_t){.random = seed};
    harness_init (&self->harness);
    self->harness.config.forget_after_ms = 3000;
    self->harness.is_quiet = true;
    harness_start_configured (&self->harness);
    for (uint32_t i = 0; i < READERS; i++) {
        char id[16];
        snprintf (id, sizeof id, "reader%u", i);
        self->readers[i].prefix = i == 0 ? "" : "market_data.";
        harness_register (&self->harness, s_reader_peer (i), id, 1);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        s_register_writer (self, i);
    for (uint32_t i = 0; i < 200; i++)
        s_write (self);
    for (uint32_t i = 0; i < READERS; i++)
        s_ask (self, i);
}

/* Nothing is written any more: readers get what they still wait for. */
static void s_settle (s_play_t *self)
{
    for (uint32_t i = 0; i < 3000; i++) {
        bool is_whole = true;
        for (uint32_t j = 0; j < READERS; j++) {
            is_whole = is_whole && self->readers[j].is_whole;
            s_give_credit (self, j);
        }
        if (is_whole)
            break;
        s_advance (self, 100);
        if (i % 5 == 0)
            s_beats (self);
    }
    s_advance (self, 100);
}

static void s_compare (s_play_t *self, uint64_t seed)
{
    static const char *const s_interests[READERS] = {"", "market_data", "market_data market_data.writer1"};
    for (uint32_t i = 0; i < READERS; i++) {
        sb_parameter_t interests = {.name = sb_text ("interests")};
        interests.value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (s_interests[i])};
        harness_command (&self->harness, i + 1, "state_hash", "", &interests, 1);
        s_after (self);
    }
    s_advance (self, 10);
    for (uint32_t i = 0; i < READERS; i++) {
        uint64_t fields;
        char mine[17];
        cr_assert (self->readers[i].is_whole, "seed %u: reader %u never got its snapshot", (unsigned)seed, i);
        uint64_t hash = reader_hash (&self->readers[i], &fields);
        snprintf (mine, sizeof mine, "%016llx", (unsigned long long)hash);
        cr_assert_str_eq (mine, self->hash[i], "seed %u: reader %u with %u fields", (unsigned)seed, i,
                          (unsigned)fields);
        if (i == 0)
            cr_assert_eq (hash, sb_core_state_hash (self->harness.core), "seed %u", (unsigned)seed);
        cr_assert (!self->readers[i].has_lost, "seed %u: a hole that nobody made", (unsigned)seed);
    }
}

static void s_play (uint64_t seed, unsigned *ends, unsigned *refused, unsigned *chunks)
{
    static s_play_t play;
    s_start (&play, seed);
    for (uint32_t i = 0; i < EVENTS; i++)
        s_happen (&play);
    s_settle (&play);
    s_compare (&play, seed);
    for (uint32_t i = 0; i < READERS; i++)
        reader_join (&play.readers[i]);
    *ends += play.ends;
    *refused += play.refused;
    *chunks += play.chunks;
    harness_stop (&play.harness);
}

Test (snapshot_random, every_reader_ends_with_the_brokers_state, .timeout = 600)
{
    unsigned ends = 0, refused = 0, chunks = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        s_play (seed, &ends, &refused, &chunks);
    cr_log_info ("%u seeds: %u snapshots, %u chunks, %u refused", SEEDS, ends, chunks, refused);
    cr_assert_gt (ends, SEEDS * 10);
    cr_assert_gt (refused, SEEDS * 20);
    cr_assert_gt (chunks, ends * 5);
}

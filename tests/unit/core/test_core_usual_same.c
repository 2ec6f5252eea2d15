/* SPDX-License-Identifier: MPL-2.0
 *
 * The short way for usual deltas (usual.c) is the long way, but for the cost: two cores, one of them without it, hear
 * the same and must say the same, octet for octet, after every step.
 *
 * Around the script of test_core_determinism agents send what the short way is for: batches that go on writing the same
 * fields, in which now and then anything is different. usual.c is built into this program under another name, and the
 * function of its own name stands here, so that it can be switched off. Many short runs, since agents that are
 * isolated, stopped or broken write nothing more. Time: each step twice, and its effects hashed.
 */
#include "determinism.h"

#include <stdlib.h>
#include <string.h>

#include "publication.h"

enum {
    SEEDS = 12,
    STEPS = 4000,
    ARENA_BYTES = 64 * 1024 * 1024,
    NAMES = 24,
    CATEGORIES = 8,
    SUBJECTS = 3,
    DELTAS = 24,
    CHANGES = 20,
    LONG_TEXT = 16000
};

static const char *const s_names[NAMES] = {"price", "size", "status", "pnl", "confidence", "rsi_14", "a.b.c", "sma_5",
                                           "n8",    "n9",   "n10",    "n11", "n12",        "n13",    "n14",   "n15",
                                           "n16",   "n17",  "n18",    "n19", "n20",        "n21",    "n22",   "n23"};
/* Without a category the rules find one; agent has a time to live; _event is nobody's to write. */
static const char *const s_categories[CATEGORIES] = {"market_data", "trades", "scanner_data", "risk_metrics", "x",
                                                     "agent",       "",       "_event"};
static const char *const s_subjects[SUBJECTS] = {"", "BTCUSDT", "spot:ETH"};

/* What an agent goes on writing. */
typedef struct {
    uint32_t category, subject;
    uint32_t first, count; /* of the names */
} s_habit_t;

typedef struct {
    run_t run;
    s_habit_t habits[AGENTS];
    bool is_short; /* it has the short way */
} s_side_t;

static bool s_is_short;  /* the core that is stepped has the short way */
static uint64_t s_taken; /* deltas that went it */
static char s_text[LONG_TEXT + 64];

/* usual.c's function. */
uint32_t sb_take_usual_short (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *deltas, uint32_t count,
                              sb_message_state_t *message, sb_sought_t *sought);

uint32_t sb_take_usual (sb_core_t *self, sb_agent_record_t *agent, const sb_delta_t *deltas, uint32_t count,
                        sb_message_state_t *message, sb_sought_t *sought)
{
    *sought = (sb_sought_t){.topic = 0};
    if (!s_is_short)
        return 0;
    uint32_t taken = sb_take_usual_short (self, agent, deltas, count, message, sought);
    s_taken += taken;
    return taken;
}

static bool s_once_in (seeded_t *random, uint32_t times)
{
    return seeded_below (random, times) == 0;
}

/* A value, as a rule of the kind that the name always has, often the one that is there. */
static sb_value_t s_value (seeded_t *random, uint32_t name)
{
    sb_value_t value = {.kind = (sb_value_kind_t)(1 + name % SB_VALUE_BYTES)};
    if (s_once_in (random, 40))
        value.kind = (sb_value_kind_t)(1 + seeded_below (random, SB_VALUE_BYTES));
    if (value.kind == SB_VALUE_NUMBER)
        value.number = s_once_in (random, 20) ? -0.0 : (double)seeded_below (random, 3) / 8;
    else if (value.kind == SB_VALUE_INTEGER)
        value.integer = (int64_t)seeded_below (random, 3) - 1;
    else if (value.kind == SB_VALUE_DECIMAL) {
        value.decimal.unscaled = seeded_below (random, 2);
        value.decimal.exponent = -(int32_t)seeded_below (random, 2);
    } else if (value.kind == SB_VALUE_BOOLEAN)
        value.boolean = seeded_chance (random, 50);
    else {
        uint32_t size = seeded_chance (random, 50) ? 16 + seeded_below (random, 4) : seeded_below (random, 130);
        if (s_once_in (random, 60))
            size = LONG_TEXT / 2 + seeded_below (random, LONG_TEXT / 2);
        value.text = (sb_text_t){s_text + seeded_below (random, 3), size};
    }
    return value;
}

/* Mostly the agent's habit stays, and its deltas go on through the fields. */
static void s_change_habit (seeded_t *random, s_habit_t *habit)
{
    if (s_once_in (random, 8))
        habit->category = seeded_below (random, s_once_in (random, 30) ? CATEGORIES : CATEGORIES - 1);
    if (s_once_in (random, 8))
        habit->subject = seeded_below (random, SUBJECTS);
    if (habit->count == 0 || s_once_in (random, 7)) {
        habit->first = seeded_below (random, s_once_in (random, 10) ? NAMES : 6);
        habit->count =
            1 + (seeded_chance (random, 60) ? 0 : seeded_below (random, s_once_in (random, 3) ? CHANGES : 5));
    } else if (seeded_chance (random, 30))
        habit->first = (habit->first + 1) % 6;
}

/* A delta as its agent has the habit, and rarely one that is not usual in some respect. */
static sb_delta_t s_delta (seeded_t *random, const s_habit_t *habit, uint64_t sequence, sb_change_t *changes)
{
    for (uint32_t i = 0; i < habit->count; i++) {
        uint32_t name = s_once_in (random, 200) ? seeded_below (random, NAMES) : (habit->first + i) % NAMES;
        changes[i] = (sb_change_t){.name = sb_text (s_names[name]), .is_delete = s_once_in (random, 150)};
        if (!changes[i].is_delete)
            changes[i].value = s_value (random, name);
    }
    sb_delta_t delta = {.category = sb_text (s_categories[habit->category]),
                        .subject = sb_text (s_subjects[habit->subject]),
                        .time_to_live_ms = s_once_in (random, 60) ? 1 + seeded_below (random, 500) : 0};
    delta.update = (sb_update_t){.sequence = sequence,
                                 .origin_unix_ns = seeded_chance (random, 50) ? UNIX_START_NS : 0,
                                 .event_unix_ns = seeded_chance (random, 50) ? UNIX_START_NS + 1 : 0,
                                 .changes = changes,
                                 .change_count = s_once_in (random, 500) ? 0 : habit->count};
    if (s_once_in (random, 300)) {
        delta.fault = SB_REASON_NOT_FINITE;
        delta.fault_field = changes[0].name;
    }
    return delta;
}

static void s_send_batch (s_side_t *self)
{
    static sb_change_t changes[DELTAS][CHANGES];
    sb_delta_t deltas[DELTAS];
    seeded_t *random = &self->run.random;
    uint32_t agent = seeded_below (random, AGENTS);
    uint64_t *expected = &self->run.expected[agent];
    uint32_t count = seeded_chance (random, 30) ? 1 : 1 + seeded_below (random, DELTAS);
    for (uint32_t i = 0; i < count; i++) {
        s_change_habit (random, &self->habits[agent]);
        deltas[i] = s_delta (random, &self->habits[agent], (*expected)++, changes[i]);
        if (s_once_in (random, 400))
            *expected += s_once_in (random, 2) ? 1 : UINT64_MAX; /* a gap, or a repeat */
    }
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {deltas, count}};
    run_message (&self->run, self->run.peers[agent] ? self->run.peers[agent] : 1000000, &message);
}

static void s_happen (s_side_t *self)
{
    s_is_short = self->is_short;
    if (seeded_chance (&self->run.random, 80))
        s_send_batch (self);
    else
        script_happen (&self->run);
}

/* Limits are near or far, by the seed. */
static s_side_t *s_side_new (uint64_t seed, bool is_short)
{
    s_side_t *self = calloc (1, sizeof *self);
    cr_assert_not_null (self);
    self->is_short = is_short;
    run_t *run = &self->run;
    run->random.state = seed;
    run->now_ns = 1000000 * MS;
    run->unix_ns = UNIX_START_NS;
    run->arena = sb_arena_new (ARENA_BYTES);
    cr_assert_not_null (run->arena);
    sb_core_config_t config;
    sb_core_config_default (&config);
    config.max_agents = AGENTS;
    config.max_fields = seed % 4 == 1 ? 900 : 20000;
    config.max_topics = seed % 4 == 2 ? 200 : 400;
    config.max_changes = seed % 2 ? 18 : 200;
    config.history_updates = seed % 2 ? 100 : 10000;
    config.history_bytes = seed % 3 ? 200000 : 20000;
    config.failure_threshold = seed % 4 ? 1000000 : 5;
    config.max_conflations = 4;
    const sb_time_to_live_t times[] = {{sb_text ("agent"), 700}};
    config.times_to_live = times;
    config.time_to_live_count = 1;
    sb_core_identity_t identity = {.stream_id = 7, .epoch = 1, .hash_seed = seed, .session_seed = 1};
    sb_allocator_t allocator = {run_allocate, run_release, run};
    run->core = sb_core_new (&config, &identity, &allocator, run->now_ns, run->unix_ns);
    cr_assert_not_null (run->core);
    return self;
}

static void s_side_destroy (s_side_t *self)
{
    sb_core_destroy (&self->run.core);
    sb_arena_destroy (&self->run.arena);
    free (self);
}

/* What no effect says. */
static void s_compare (const sb_core_t *one, const sb_core_t *other)
{
    cr_assert (memcmp (one->counters, other->counters, sizeof one->counters) == 0);
    cr_assert (memcmp (one->refusals, other->refusals, sizeof one->refusals) == 0);
    cr_assert_eq (sb_core_state_hash (one), sb_core_state_hash (other));
}

Test (usual, with_and_without_the_short_way_all_effects_are_the_same, .timeout = 300)
{
    for (uint32_t i = 0; i < sizeof s_text; i++)
        s_text[i] = (char)('a' + i % 7);
    uint64_t accepted = 0, suppressed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        s_side_t *with = s_side_new (seed, true), *without = s_side_new (seed, false);
        while (with->run.result.steps < STEPS) {
            s_happen (with);
            s_happen (without);
            cr_assert_eq (with->run.result.hash, without->run.result.hash, "seed %u, step %u", (unsigned)seed,
                          with->run.result.steps);
        }
        s_compare (with->run.core, without->run.core);
        accepted += with->run.core->counters[SB_COUNTER_deltas_accepted];
        suppressed += with->run.core->counters[SB_COUNTER_changes_suppressed];
        s_side_destroy (with);
        s_side_destroy (without);
    }
    cr_assert_gt (s_taken, 8000, "%u usual ones", (unsigned)s_taken);
    cr_assert_gt (accepted - s_taken, 8000, "%u others", (unsigned)(accepted - s_taken));
    cr_assert_gt (suppressed, 5000, "%u changes of nothing", (unsigned)suppressed);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Times to live: when a field goes, what refreshes it, what is published, what it costs in memory.
 *
 * The last test compares with a model that knows nothing of wheels: a deadline for each field, looked at one by one.
 */
#include "core_internal.h"
#include "core_harness.h"

static void s_start (harness_t *self)
{
    harness_start (self);
    harness_register (self, 1, "a", 10);
    harness_flush (self);
    harness_forget (self);
}

/* A category `x` whose fields live for `time_to_live_ms`. */
static void s_start_category (harness_t *self, uint32_t time_to_live_ms)
{
    sb_time_to_live_t times[] = {{sb_text ("x"), time_to_live_ms}};
    harness_init (self);
    self->config.times_to_live = times;
    self->config.time_to_live_count = 1;
    harness_start_configured (self);
    harness_register (self, 1, "a", 10);
    harness_flush (self);
    harness_forget (self);
}

/* One delta of one number, with a time to live. */
static void s_write (harness_t *self, uint64_t sequence, const char *category, const char *name, double number,
                     uint32_t time_to_live_ms)
{
    sb_change_t change = harness_number (name, number);
    sb_delta_t delta = harness_delta_of (sequence, category, "", &change, 1);
    delta.time_to_live_ms = time_to_live_ms;
    harness_batch (self, 1, &delta, 1);
}

/* A tick `after` the time that `from_ns` names. */
static void s_tick_at (harness_t *self, uint64_t at_ns)
{
    self->now_ns = at_ns;
    harness_tick (self);
}

Test (expiry, field_goes_at_its_deadline_and_not_a_nanosecond_before)
{
    harness_t h;
    s_start (&h);
    h.now_ns += 123456789; /* at no round time */
    uint64_t due_ns = h.now_ns + 700 * HARNESS_MS;
    s_write (&h, 1, "x", "p", 1, 700);
    harness_forget (&h);
    s_tick_at (&h, due_ns - 1);
    harness_expect_not (&h, "EXPIRED");
    cr_assert_eq (sb_core_deadline (h.core), due_ns);
    s_tick_at (&h, due_ns);
    harness_expect (&h, "PUBLISH x.a. #5/2/2 OK EXPIRED {0: -p}");
    harness_forget (&h);
    s_tick_at (&h, due_ns + 1);
    harness_expect_not (&h, "EXPIRED");
    harness_stop (&h);
}

Test (expiry, shell_that_ticks_at_each_deadline_is_there_in_time)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 3701);
    harness_advance (&h, 3700);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect_times (&h, "EXPIRED {0: -p}", 1);
    harness_stop (&h);
}

Test (expiry, each_write_refreshes_also_one_of_the_same_bits)
{
    harness_t h;
    s_start (&h);
    for (uint64_t i = 0; i < 5; i++) {
        s_write (&h, i + 1, "x", "p", 1, 1000);
        harness_advance (&h, 999);
    }
    harness_expect_times (&h, "p=1", 1); /* suppressed but for the first */
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, write_without_time_makes_the_field_lasting_again)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 1000);
    s_write (&h, 2, "x", "p", 1, 0);
    harness_advance (&h, 100000);
    harness_expect_not (&h, "EXPIRED");
    harness_stop (&h);
}

Test (expiry, shorter_time_replaces_a_longer_one)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 4294967295u);
    s_write (&h, 2, "x", "p", 1, 10);
    harness_advance (&h, 9);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, category_gives_its_time_where_the_delta_gives_none)
{
    harness_t h;
    s_start_category (&h, 200);
    s_write (&h, 1, "x", "p", 1, 0);
    s_write (&h, 2, "x", "q", 1, 500);
    s_write (&h, 3, "y", "p", 1, 0);
    harness_advance (&h, 200);
    harness_expect (&h, "PUBLISH x.a. #7/3/3 OK EXPIRED {0: -p}");
    harness_advance (&h, 300);
    harness_expect (&h, "EXPIRED {0: -q}");
    harness_advance (&h, 100000);
    harness_expect_not (&h, "y.a. #7");
    harness_expect_times (&h, "EXPIRED", 2);
    harness_stop (&h);
}

Test (expiry, fields_of_a_topic_that_go_together_are_one_publication)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("q", 2), harness_number ("r", 3)};
    for (uint64_t i = 0; i < 2; i++) {
        sb_delta_t delta = harness_delta_of (i + 1, i ? "y" : "x", "", changes, 3);
        delta.time_to_live_ms = 50;
        harness_batch (&h, 1, &delta, 1);
    }
    harness_forget (&h);
    harness_advance (&h, 50);
    harness_expect (&h, "PUBLISH x.a. #6/2/2 OK EXPIRED {0: -p -q -r}");
    harness_expect (&h, "PUBLISH y.a. #7/2/2 OK EXPIRED {0: -p -q -r}");
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (expiry, many_fields_go_in_slices_of_bounded_publications)
{
    enum { DELTAS = 3, CHANGES = 1000 };
    harness_t h;
    harness_init (&h);
    h.config.max_changes = 1000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    static char names[DELTAS][CHANGES][16];
    static sb_change_t changes[CHANGES];
    for (uint64_t i = 0; i < DELTAS; i++) {
        for (unsigned j = 0; j < CHANGES; j++) {
            snprintf (names[i][j], sizeof names[i][j], "f%u", (unsigned)(i * CHANGES + j));
            changes[j] = harness_number (names[i][j], j);
        }
        sb_delta_t delta = harness_delta_of (i + 1, "x", "", changes, CHANGES);
        delta.time_to_live_ms = 50;
        harness_batch (&h, 1, &delta, 1);
    }
    h.is_quiet = true;
    uint64_t gone = 0;
    unsigned ticks = 0;
    for (h.now_ns += 50 * HARNESS_MS; gone < DELTAS * CHANGES; ticks++) {
        cr_assert_lt (ticks, 100);
        cr_assert_leq (sb_core_deadline (h.core), h.now_ns, "work is left, so the core wants a tick at once");
        harness_tick (&h);
        for (uint32_t i = 0; i < h.effects.count; i++) {
            if (h.effects.items[i].kind != SB_EFFECT_PUBLISH || h.effects.items[i].publish->sequence == 0)
                continue;
            cr_assert_eq (h.effects.items[i].publish->cause, SB_CAUSE_EXPIRED);
            cr_assert_leq (h.effects.items[i].publish->updates[0].change_count, 256);
            gone += h.effects.items[i].publish->updates[0].change_count;
        }
    }
    cr_assert_geq (ticks, DELTAS * CHANGES / 256);
    cr_assert_eq (sb_core_state_hash (h.core), 0);
    harness_stop (&h);
}

Test (expiry, lowered_limit_on_changes_holds_for_deletes_too)
{
    harness_t h;
    s_start (&h);
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("q", 2), harness_number ("r", 3)};
    sb_delta_t delta = harness_delta_of (1, "x", "", changes, 3);
    delta.time_to_live_ms = 50;
    harness_batch (&h, 1, &delta, 1);
    h.config.max_changes = 2;
    harness_step (&h, (sb_event_t){.kind = SB_EVENT_RELOAD, .reload = &h.config});
    harness_advance (&h, 50);
    harness_expect (&h, "EXPIRED {0: -p -q}");
    harness_expect (&h, "EXPIRED {0: -r}");
    harness_stop (&h);
}

Test (expiry, welcome_says_how_long_fields_of_a_category_live)
{
    harness_t h;
    s_start_category (&h, 700);
    harness_register (&h, 2, "b", 20);
    harness_expect (&h, "SEND 2 WELCOME session=501 decided=0 known=0 interval=1000 interests=all x=700ms\n");
    sb_time_to_live_t times[] = {{sb_text ("y"), 1}, {sb_text ("x"), UINT32_MAX}};
    h.config.times_to_live = times;
    h.config.time_to_live_count = 2;
    harness_forget (&h);
    harness_step (&h, (sb_event_t){.kind = SB_EVENT_RELOAD, .reload = &h.config});
    harness_expect_not (&h, "WELCOME");
    harness_register (&h, 3, "c", 30);
    harness_expect (&h, "interests=all y=1ms x=4294967295ms\n");
    harness_stop (&h);
}

Test (expiry, deleted_field_does_not_come_up_again)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 100);
    sb_change_t change = harness_delete ("p");
    harness_changes (&h, 1, 2, "x", "", &change, 1);
    s_write (&h, 3, "x", "p", 2, 0);
    harness_advance (&h, 10000);
    harness_expect_not (&h, "EXPIRED");
    harness_stop (&h);
}

Test (expiry, event_categories_expire_too)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "trades", "p", 1, 100);
    harness_advance (&h, 50);
    s_write (&h, 2, "trades", "p", 1, 100);
    harness_advance (&h, 99);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "PUBLISH trades.a. #6/3/3 OK EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, write_that_waited_in_the_socket_saves_its_field_from_a_late_tick)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 1000);
    h.now_ns += 60000 * HARNESS_MS; /* the broker was stopped; now it drains its input */
    s_write (&h, 2, "x", "p", 1, 1000);
    harness_tick (&h);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 999);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, short_time_written_after_a_quiet_while_is_no_lateness_of_the_broker)
{
    harness_t h;
    harness_init (&h);
    h.config.heartbeat_interval_ms = 100; /* half of it is what counts as late */
    h.config.tick_interval_ms = 5000;
    harness_start_configured (&h);
    h.is_quiet = true;
    sb_registration_t registration = harness_registration ("a", 10);
    registration.heartbeat_interval_ms = 60000;
    harness_send_registration (&h, 1, &registration);
    s_write (&h, 1, "x", "lasting", 1, 3600000);
    for (uint64_t i = 2; i < 200; i++) {
        harness_advance (&h, 1037);
        harness_beat (&h, 1);
        s_write (&h, i, "x", "p", (double)i, 20);
        if (sb_core_deadline (h.core) <= h.now_ns)
            harness_tick (&h);
    }
    cr_assert_eq (h.core->counters[SB_COUNTER_ticks_late], 0);
    harness_stop (&h);
}

Test (expiry, quality_of_the_topic_is_what_it_was)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 60000);
    harness_goodbye (&h, 1);
    harness_settle (&h);
    harness_expect (&h, "STALE OFFLINE");
    harness_advance (&h, 60000);
    harness_expect (&h, " STALE EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, refused_write_does_not_refresh)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 1000);
    harness_advance (&h, 500);
    sb_change_t changes[] = {harness_number ("p", 1), harness_number ("p", 2)};
    sb_delta_t delta = harness_delta_of (2, "x", "", changes, 2); /* DUPLICATE_FIELD */
    delta.time_to_live_ms = 1000;
    harness_batch (&h, 1, &delta, 1);
    harness_advance (&h, 500);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

/* ---- whole states */

static void s_replace (harness_t *self, uint64_t sequence, const char *name, uint32_t time_to_live_ms)
{
    sb_change_t change = harness_number (name, 1);
    sb_delta_t topic = harness_delta_of (0, "x", "", &change, 1);
    topic.time_to_live_ms = time_to_live_ms;
    harness_replace_begin (self, 1, sequence);
    harness_replace_chunk (self, 1, sequence, &topic, 1);
    harness_advance (self, 30); /* the time begins when it is applied */
    harness_replace_end (self, 1, sequence, 1);
}

Test (expiry, replacement_brings_times_for_new_and_for_equal_fields)
{
    harness_t h;
    s_start (&h);
    s_replace (&h, 1, "p", 100);
    harness_advance (&h, 60);
    s_replace (&h, 2, "p", 100); /* 30 ms later */
    harness_advance (&h, 99);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, replacement_without_times_makes_fields_lasting)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 100);
    s_replace (&h, 2, "p", 0);
    harness_advance (&h, 100000);
    harness_expect_not (&h, "EXPIRED");
    harness_stop (&h);
}

Test (expiry, staged_field_of_a_dropped_replacement_never_expires)
{
    harness_t h;
    s_start (&h);
    sb_change_t change = harness_number ("p", 1);
    sb_delta_t topic = harness_delta_of (0, "x", "", &change, 1);
    topic.time_to_live_ms = 10;
    harness_replace_begin (&h, 1, 1);
    harness_replace_chunk (&h, 1, 1, &topic, 1);
    harness_advance (&h, 1000);
    harness_replace_end (&h, 1, 1, 7); /* not as many as there were: refused */
    harness_advance (&h, 1000);
    harness_expect (&h, "REPLACE_INCOMPLETE");
    harness_expect_not (&h, "EXPIRED");
    harness_stop (&h);
}

/* ---- bounds and reading */

Test (expiry, delta_is_refused_whole_when_there_is_no_memory_for_its_time)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 0);
    uint64_t hash = sb_core_state_hash (h.core);
    h.allowance = h.allocated;
    s_write (&h, 2, "x", "p", 2, 1000);
    harness_flush (&h);
    harness_expect (&h, "2=STORE_FULL");
    cr_assert_eq (sb_core_state_hash (h.core), hash);
    h.allowance = SIZE_MAX / 2;
    s_write (&h, 3, "x", "p", 2, 1000);
    harness_advance (&h, 1000);
    harness_expect (&h, "EXPIRED {0: -p}");
    harness_stop (&h);
}

Test (expiry, unix_time_of_the_end_is_known)
{
    harness_t h;
    s_start (&h);
    s_write (&h, 1, "x", "p", 1, 1500);
    s_write (&h, 2, "x", "q", 1, 0);
    int64_t end_ns = HARNESS_EPOCH_NS + (int64_t)h.now_ns + 1500 * (int64_t)HARNESS_MS;
    cr_assert_eq (sb_expiry_unix_ns (h.core, 1), end_ns);
    cr_assert_eq (sb_expiry_unix_ns (h.core, 2), 0);
    harness_advance (&h, 500);
    cr_assert_eq (sb_expiry_unix_ns (h.core, 1), end_ns);
    harness_stop (&h);
}

/* ---- against a model */

enum { MODEL_FIELDS = 60, MODEL_STEPS = 4000, MODEL_SEEDS = 25 };

typedef struct {
    uint64_t random;
    uint64_t deadlines_ns[MODEL_FIELDS]; /* UINT64_MAX: lasting */
    bool is_there[MODEL_FIELDS];
    uint64_t sequence;
    uint64_t expired;
} s_model_t;

static uint64_t s_random (s_model_t *self, uint64_t below)
{
    self->random = self->random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (self->random >> 33) % below;
}

static const char *s_name (uint64_t field)
{
    static char name[24];
    snprintf (name, sizeof name, "f%" PRIu64, field / 4);
    return name;
}

/* One write: new, same bits or other, with a time from 1 ms to 49 days, or without, or a delete. */
static void s_model_write (s_model_t *self, harness_t *h)
{
    static const uint64_t scales[] = {3, 50, 3000, 100000, 4294967295};
    uint64_t field = s_random (self, MODEL_FIELDS);
    uint32_t time_to_live_ms = s_random (self, 5) ? (uint32_t)(1 + s_random (self, scales[s_random (self, 5)])) : 0;
    sb_change_t change = s_random (self, 8) ? harness_number (s_name (field), (double)s_random (self, 2))
                                            : harness_delete (s_name (field));
    char category[2] = {(char)('w' + field % 4), '\0'};
    sb_delta_t delta = harness_delta_of (++self->sequence, category, "", &change, 1);
    delta.time_to_live_ms = time_to_live_ms;
    harness_batch (h, 1, &delta, 1);
    self->is_there[field] = !change.is_delete;
    self->deadlines_ns[field] = time_to_live_ms ? h->now_ns + time_to_live_ms * HARNESS_MS : UINT64_MAX;
}

static void s_model_take (s_model_t *self, const harness_t *h)
{
    for (uint32_t i = 0; i < h->effects.count; i++) {
        const sb_effect_t *effect = &h->effects.items[i];
        if (effect->kind != SB_EFFECT_PUBLISH || effect->publish->cause != SB_CAUSE_EXPIRED)
            continue;
        const sb_update_t *update = &effect->publish->updates[0];
        for (uint32_t j = 0; j < update->change_count; j++) {
            char name[16];
            snprintf (name, sizeof name, "%.*s", (int)update->changes[j].name.size, update->changes[j].name.data);
            uint64_t field = strtoull (name + 1, NULL, 10) * 4 + (uint64_t)(effect->publish->topic.data[0] - 'w');
            cr_assert (self->is_there[field], "%s is not there", name);
            cr_assert_leq (self->deadlines_ns[field], h->now_ns, "%s went too early", name);
            self->is_there[field] = false;
            self->expired++;
        }
    }
}

/* Time goes on, ticking where the core asks for it; then nothing is left that had to go. */
static void s_model_wait (s_model_t *self, harness_t *h, uint64_t duration_ns)
{
    uint64_t end_ns = h->now_ns + duration_ns;
    while (sb_core_deadline (h->core) <= end_ns) {
        if (sb_core_deadline (h->core) > h->now_ns)
            h->now_ns = sb_core_deadline (h->core);
        harness_tick (h);
        s_model_take (self, h);
    }
    h->now_ns = end_ns;
    for (unsigned i = 0; i < MODEL_FIELDS; i++)
        cr_assert (!self->is_there[i] || self->deadlines_ns[i] > h->now_ns, "field %u outlived its time", i);
}

Test (expiry, agrees_with_a_model_that_looks_at_each_field)
{
    for (uint64_t seed = 1; seed <= MODEL_SEEDS; seed++) {
        s_model_t model = {.random = seed};
        harness_t h;
        harness_init (&h);
        h.config.tick_interval_ms = 3600 * 1000; /* this is about expiry's own ticks */
        h.config.heartbeat_interval_ms = 60 * 1000;
        h.config.history_updates = 0;
        harness_start_configured (&h);
        h.is_quiet = true;
        harness_register (&h, 1, "a", 10);
        for (unsigned i = 0; i < MODEL_STEPS; i++) {
            s_model_write (&model, &h);
            if (s_random (&model, 100) == 0) { /* late: writes that come first save their fields */
                h.now_ns += s_random (&model, 5000) * HARNESS_MS;
                s_model_write (&model, &h);
            }
            s_model_wait (&model, &h, s_random (&model, 2) * s_random (&model, 40 * HARNESS_MS));
            if (s_random (&model, 20) == 0)
                harness_beat (&h, 1);
        }
        cr_assert_gt (model.expired, 500);
        harness_stop (&h);
    }
}

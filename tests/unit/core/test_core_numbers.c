/* SPDX-License-Identifier: MPL-2.0
 *
 * Numbers without holes: agent_sequence within a category and agent, conflated_sequence within an interval and
 * category.
 *
 * A ledger holds the last number of each scope, by its name: `x.a.` and `~conflated.50.x.`. Every publication that a
 * step emits must carry the next of its scopes; what the broker says of them (heads of interests, beats, answers to
 * joins, history) must be what the ledger holds. Random streams of deltas, whole states, goodbyes, forgotten agents,
 * readers that come and go are held to it, with small messages too.
 */
#include "core_internal.h"
#include "control_harness.h"
#include "sb_codec.h"

enum { SCOPES = 256, AGENTS = 3, STEPS = 1200, SEEDS = 60, PREFIXES = 8, SEQUENCES = 40000, NAME_SIZE = 200 };

static const char *s_prefixes[PREFIXES] = {"~conflated.50.x.", "~conflated.50.x.a1.",    "~conflated.50.",
                                           "~conflated.10.y.", "~conflated.700.x.",      "~conflated.700.trades.",
                                           "~conflated.10._",  "~conflated.300.risk.a2."};

/* The last number of a scope. */
typedef struct {
    char name[NAME_SIZE];
    uint64_t number;
} s_scope_t;

typedef struct {
    s_scope_t scopes[SCOPES];
    uint32_t count;
    uint64_t published[SEQUENCES]; /* agent_sequence of each publication, by its global sequence */
    bool is_asked[PREFIXES];       /* somebody subscribes to it */
    uint64_t forgotten;            /* agents */
    uint64_t merged;               /* conflated publications of several */
    uint64_t heads;                /* numbers that levels told */
} s_ledger_t;

static s_scope_t *s_scope (s_ledger_t *self, const char *name)
{
    uint32_t i = 0;
    while (i < self->count && strcmp (self->scopes[i].name, name) != 0)
        i++;
    cr_assert_lt (i, SCOPES);
    if (i == self->count)
        snprintf (self->scopes[self->count++].name, sizeof self->scopes[i].name, "%s", name);
    return &self->scopes[i];
}

static uint64_t s_last (s_ledger_t *self, const char *name)
{
    return s_scope (self, name)->number;
}

/* All scopes whose name begins or goes on, behind the first dot, with `part` begin anew. */
static void s_drop (s_ledger_t *self, const char *part, bool is_beginning)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const char *name = is_beginning ? self->scopes[i].name : strchr (self->scopes[i].name, '.') + 1;
        if (strncmp (name, part, strlen (part)) == 0 && (is_beginning || self->scopes[i].name[0] != '~'))
            self->scopes[i].number = 0;
    }
}

/* "category.agent." of a topic that is not conflated. */
static void s_name_part (char *name, size_t size, sb_text_t topic)
{
    const char *dot = memchr (topic.data, '.', topic.size);
    const char *second = memchr (dot + 1, '.', topic.size - (size_t)(dot + 1 - topic.data));
    snprintf (name, size, "%.*s", (int)(second + 1 - topic.data), topic.data);
}

/* The next number of the scope. */
static void s_take_number (s_ledger_t *self, const char *name, uint64_t number)
{
    s_scope_t *scope = s_scope (self, name);
    cr_assert_eq (number, scope->number + 1, "%s: %" PRIu64 " behind %" PRIu64, name, number, scope->number);
    scope->number = number;
}

/* True when some of the scope is subscribed to, so that beats must tell of it. */
static bool s_is_read (const s_ledger_t *self, const s_scope_t *scope)
{
    for (uint32_t i = 0; i < PREFIXES; i++) {
        size_t one = strlen (s_prefixes[i]), other = strlen (scope->name);
        if (self->is_asked[i] && strncmp (s_prefixes[i], scope->name, one < other ? one : other) == 0)
            return true;
    }
    return false;
}

/* A beat, or an answer to a join: each number is what the ledger holds, and none of them is left out. */
static void s_take_level (s_ledger_t *self, const sb_publication_t *publication)
{
    uint32_t told = 0, held = 0;
    for (uint32_t i = 0; i < publication->updates[0].change_count; i++) {
        const sb_change_t *change = &publication->updates[0].changes[i];
        if (change->name.size < 10 || memcmp (change->name.data, "conflated.", 10) != 0)
            continue;
        char name[NAME_SIZE];
        snprintf (name, sizeof name, "~%.*s.", (int)change->name.size, change->name.data);
        cr_assert_eq ((uint64_t)change->value.integer, s_last (self, name), "%s", name);
        told++;
    }
    for (uint32_t i = 0; i < self->count; i++)
        held += self->scopes[i].number > 0 && s_is_read (self, &self->scopes[i]);
    cr_assert_eq (told, held, "%u instead of %u", told, held);
    self->heads += told;
}

static void s_take_conflated (s_ledger_t *self, const sb_publication_t *publication)
{
    uint32_t interval_ms;
    sb_text_t topic;
    cr_assert (sb_conflated_split (publication->topic, &interval_ms, &topic));
    if (publication->sequence == 0) {
        cr_assert_eq (publication->conflated_sequence, 0, "a level is not counted");
        return;
    }
    char name[NAME_SIZE], part[NAME_SIZE];
    const char *dot = memchr (topic.data, '.', topic.size);
    snprintf (name, sizeof name, "~conflated.%u.%.*s", interval_ms, (int)(dot + 1 - topic.data), topic.data);
    s_take_number (self, name, publication->conflated_sequence);
    s_name_part (part, sizeof part, topic);
    cr_assert_gt (publication->agent_sequence, 0);
    cr_assert_leq (publication->agent_sequence, s_last (self, part), "%s", part);
    cr_assert_eq (publication->agent_sequence, self->published[publication->sequence], "of the last one merged");
    self->merged += publication->first_topic_sequence < publication->topic_sequence;
}

/* Takes every publication of the last step. */
static void s_take (s_ledger_t *self, const harness_t *h)
{
    for (uint32_t i = 0; i < h->effects.count; i++) {
        if (h->effects.items[i].kind != SB_EFFECT_PUBLISH)
            continue;
        const sb_publication_t *publication = h->effects.items[i].publish;
        const char *topic = publication->topic.data;
        if (sb_prefix_matches (sb_text ("~conflated."), publication->topic)) {
            s_take_conflated (self, publication);
            continue;
        }
        cr_assert_eq (publication->conflated_sequence, 0);
        if (publication->sequence == 0) {
            cr_assert_eq (publication->agent_sequence, 0);
            if (topic[0] == '~' || sb_prefix_matches (sb_text ("_beat."), publication->topic))
                s_take_level (self, publication);
            continue;
        }
        char part[NAME_SIZE];
        s_name_part (part, sizeof part, publication->topic);
        s_take_number (self, part, publication->agent_sequence);
        cr_assert_lt (publication->sequence, SEQUENCES);
        self->published[publication->sequence] = publication->agent_sequence;
        if (strcmp (part, "_event._broker.") == 0 && strstr (topic, "FORGOTTEN")) {
            char agent[NAME_SIZE];
            sb_text_t id = publication->updates[0].changes[0].value.text;
            snprintf (agent, sizeof agent, "%.*s.", (int)id.size, id.data);
            s_drop (self, agent, false);
            self->forgotten++;
        }
    }
}

/* ---- a run */

static const char *s_agents[AGENTS] = {"a0", "a1", "a2"};

typedef struct {
    harness_t h;
    s_ledger_t ledger;
    uint64_t random;
    uint64_t sequences[AGENTS]; /* the next of each agent */
    uint64_t instances[AGENTS]; /* 0: it has no session */
    uint64_t heads;             /* of interests, compared */
    uint64_t entries;           /* of history, compared */
    uint64_t token;
} s_run_t;

static s_run_t s_run;

static uint64_t s_random (uint64_t below)
{
    s_run.random = s_run.random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (s_run.random >> 33) % below;
}

static void s_taken (void)
{
    s_take (&s_run.ledger, &s_run.h);
}

static void s_register (uint32_t agent, uint64_t instance_id)
{
    static const sb_text_t s_interests[] = {{"x.a0.", 5}, {"x.a1.", 5}, {"_event.a2.", 10}, {"risk.a1.", 8}};
    sb_registration_t registration = harness_registration (s_agents[agent], instance_id);
    registration.interests = s_interests;
    registration.interest_count = 4;
    s_run.sequences[agent] = 1;
    s_run.instances[agent] = instance_id;
    harness_send_registration (&s_run.h, agent + 1, &registration);
    s_taken ();
}

/* A message of up to three deltas: of x, y, an event category, or of no category, which may split into three. */
static void s_write (uint32_t agent)
{
    static const char *s_categories[] = {"x", "x", "y", "trades", "", ""};
    static const char *s_subjects[] = {"s", "t"};
    static char s_text[201];
    sb_change_t changes[3][3];
    sb_delta_t deltas[3];
    uint32_t count = 1 + (uint32_t)s_random (3);
    memset (s_text, 'x', 200);
    for (uint32_t i = 0; i < count; i++) {
        changes[i][0] = harness_number ("risk_a", (double)s_random (3));
        changes[i][1] = s_random (6) ? harness_number ("sentiment_b", (double)s_random (3)) : harness_delete ("zz");
        changes[i][2] = s_random (6) ? harness_text ("zz_other", s_text + s_random (200)) : harness_delete ("risk_b");
        deltas[i] = harness_delta_of (s_run.sequences[agent]++, s_categories[s_random (6)], s_subjects[s_random (2)],
                                      changes[i], 1 + (uint32_t)s_random (3));
        if (s_random (5) == 0)
            deltas[i].time_to_live_ms = 1 + (uint32_t)s_random (300);
    }
    harness_batch (&s_run.h, agent + 1, deltas, count);
    s_taken ();
}

static void s_replace (uint32_t agent)
{
    uint64_t sequence = s_run.sequences[agent]++;
    sb_change_t change = harness_number ("p", (double)s_random (9));
    sb_delta_t topic = harness_delta_of (0, s_random (2) ? "x" : "y", "s", &change, 1);
    harness_replace_begin (&s_run.h, agent + 1, sequence);
    s_taken ();
    harness_replace_chunk (&s_run.h, agent + 1, sequence, &topic, 1);
    s_taken ();
    harness_replace_end (&s_run.h, agent + 1, sequence, 1);
    s_taken ();
}

/* Time goes on, ticking at each deadline; then who has a session beats, and the heads that come back are compared. */
static void s_wait (uint64_t duration_ns)
{
    harness_t *h = &s_run.h;
    uint64_t end_ns = h->now_ns + duration_ns;
    while (sb_core_deadline (h->core) <= end_ns) {
        if (sb_core_deadline (h->core) > h->now_ns)
            h->now_ns = sb_core_deadline (h->core);
        harness_tick (h);
        s_taken ();
    }
    h->now_ns = end_ns;
    for (uint32_t agent = 0; agent < AGENTS; agent++) {
        if (!s_run.instances[agent])
            continue;
        harness_beat (h, agent + 1);
        s_taken ();
        for (uint32_t i = 0; i < h->effects.count; i++) {
            const sb_broker_message_t *message = h->effects.items[i].send.message;
            if (h->effects.items[i].kind != SB_EFFECT_SEND || message->kind != SB_BROKER_MESSAGE_HEARTBEAT_ACK)
                continue;
            for (uint32_t j = 0; j < message->heartbeat_ack.head_count; j++) {
                char name[NAME_SIZE];
                const sb_interest_position_t *head = &message->heartbeat_ack.heads[j];
                snprintf (name, sizeof name, "%.*s", (int)head->interest.size, head->interest.data);
                cr_assert_eq (head->agent_sequence, s_last (&s_run.ledger, name), "%s", name);
                cr_assert_eq (head->agent_sequence, s_run.ledger.published[head->sequence]);
                s_run.heads += head->agent_sequence > 0;
            }
        }
    }
}

/* True when somebody subscribes under the interval of the prefix. */
static bool s_is_interval_asked (const char *prefix)
{
    size_t size = (size_t)(strchr (strchr (prefix, '.') + 1, '.') + 1 - prefix);
    for (uint32_t i = 0; i < PREFIXES; i++)
        if (s_run.ledger.is_asked[i] && strncmp (s_prefixes[i], prefix, size) == 0)
            return true;
    return false;
}

/* Somebody begins or ends to read a prefix. With the last one of its interval the counts end. */
static void s_subscribe (uint32_t number)
{
    const char *prefix = s_prefixes[number];
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (prefix);
    event.subscription.is_subscribed = !s_run.ledger.is_asked[number];
    harness_step (&s_run.h, event);
    s_taken ();
    s_run.ledger.is_asked[number] = !s_run.ledger.is_asked[number];
    if (s_is_interval_asked (prefix))
        return;
    char interval[NAME_SIZE];
    snprintf (interval, sizeof interval, "%.*s", (int)(strchr (strchr (prefix, '.') + 1, '.') + 1 - prefix), prefix);
    s_drop (&s_run.ledger, interval, true);
}

/* Joins: the answer is compared as a beat is. */
static void s_join (void)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text ("~join.n.");
    event.subscription.is_subscribed = true;
    harness_step (&s_run.h, event);
    s_taken ();
}

/* What history gives back has the numbers that were published. */
static void s_read_history (const char *category)
{
    sb_parameter_t parameter = control_parameter_text ("category", category);
    harness_command (&s_run.h, ++s_run.token, "history", "", &parameter, 1);
    const sb_command_reply_t *reply = control_reply (&s_run.h);
    for (uint32_t i = 0; i < reply->publication_count; i++) {
        const sb_publication_t *publication = reply->publications[i];
        cr_assert_gt (publication->agent_sequence, 0);
        cr_assert_eq (publication->agent_sequence, s_run.ledger.published[publication->sequence]);
        cr_assert_eq (publication->conflated_sequence, 0);
        s_run.entries++;
    }
    s_taken ();
}

static void s_step (void)
{
    uint64_t what = s_random (100);
    uint32_t agent = (uint32_t)s_random (AGENTS);
    if (what < 4)
        s_subscribe ((uint32_t)s_random (PREFIXES));
    else if (what < 6)
        s_join ();
    else if (what < 8)
        s_read_history (s_random (2) ? "x" : s_random (2) ? "_event" : "trades");
    else if (what < 40)
        s_wait (s_random (40 * HARNESS_MS));
    else if (what < 41)
        s_wait (HARNESS_MS * 500);
    else if (!s_run.instances[agent])
        s_register (agent, 100 + s_random (1000000));
    else if (what < 43) {
        harness_goodbye (&s_run.h, agent + 1);
        s_run.instances[agent] = 0;
        s_taken ();
        if (s_random (2))
            s_wait (HARNESS_MS * 4000); /* it is forgotten */
    } else if (what < 48)
        s_replace (agent);
    else
        s_write (agent);
}

/* Adds up what was compared. */
static void s_play (uint64_t seed, uint32_t max_message_bytes, uint64_t *forgotten, uint64_t *merged, uint64_t *heads)
{
    memset (&s_run, 0, sizeof s_run);
    s_run.random = seed;
    harness_init (&s_run.h);
    s_run.h.config.forget_after_ms = 2000;
    s_run.h.config.max_message_bytes = max_message_bytes;
    harness_start_configured (&s_run.h);
    s_run.h.is_quiet = true;
    s_taken ();
    for (uint32_t i = 0; i < STEPS; i++)
        s_step ();
    cr_assert_gt (s_run.heads, 100);
    cr_assert_gt (s_run.entries, 100);
    *forgotten += s_run.ledger.forgotten;
    *merged += s_run.ledger.merged;
    *heads += s_run.ledger.heads;
    harness_stop (&s_run.h);
}

static void s_play_all (uint64_t first_seed, uint32_t max_message_bytes)
{
    uint64_t forgotten = 0, merged = 0, heads = 0;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++)
        s_play (seed, max_message_bytes, &forgotten, &merged, &heads);
    cr_assert_gt (forgotten, SEEDS);
    cr_assert_gt (merged, 10 * SEEDS);
    cr_assert_gt (heads, 10 * SEEDS);
}

Test (numbers, have_no_holes_over_random_streams)
{
    s_play_all (1, 256 * 1024);
}

Test (numbers, nor_where_ranges_must_be_closed_early)
{
    s_play_all (1000, 1200);
}

/* ---- one by one */

static harness_t s_h;

/* The last publication of the last step under that topic. */
static const sb_publication_t *s_published (const char *topic)
{
    for (uint32_t i = s_h.effects.count; i > 0; i--)
        if (s_h.effects.items[i - 1].kind == SB_EFFECT_PUBLISH &&
            sb_text_equal (s_h.effects.items[i - 1].publish->topic, sb_text (topic)))
            return s_h.effects.items[i - 1].publish;
    cr_assert_fail ("%s was not published", topic);
    return NULL;
}

static void s_ask (const char *prefix, bool is_subscribed)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (prefix);
    event.subscription.is_subscribed = is_subscribed;
    harness_step (&s_h, event);
}

/* What an answer to a join says of a name; -1: nothing. */
static int64_t s_told (const char *name)
{
    s_ask ("~join.n.", true);
    const sb_publication_t *answer = s_published ("~join.n.");
    for (uint32_t i = 0; i < answer->updates[0].change_count; i++)
        if (sb_text_equal (answer->updates[0].changes[i].name, sb_text (name)))
            return answer->updates[0].changes[i].value.integer;
    return -1;
}

Test (numbers, each_part_of_a_split_delta_counts_in_its_own_category)
{
    harness_start (&s_h);
    harness_register (&s_h, 1, "a", 10);
    harness_register (&s_h, 2, "b", 20);
    harness_delta (&s_h, 2, 1, "risk", "", "p", 1);
    harness_delta (&s_h, 1, 1, "risk", "", "p", 1);
    sb_change_t changes[] = {harness_number ("risk_x", 1), harness_number ("sentiment_x", 1)};
    harness_changes (&s_h, 1, 2, "", "", changes, 2);
    cr_assert_eq (s_published ("risk.a.")->agent_sequence, 2);
    cr_assert_eq (s_published ("risk.a.")->category_sequence, 3);
    cr_assert_eq (s_published ("sentiment.a.")->agent_sequence, 1);
    harness_stop (&s_h);
}

Test (numbers, counts_of_an_interval_end_with_its_last_prefix)
{
    harness_start (&s_h);
    harness_register (&s_h, 1, "a", 10);
    s_ask ("~conflated.100.x.", true);
    s_ask ("~conflated.100.x.a.", true);
    cr_assert_eq (s_told ("conflated.100.x"), -1);
    harness_delta (&s_h, 1, 1, "x", "", "p", 1);
    harness_delta (&s_h, 1, 2, "x", "s", "p", 1);
    cr_assert_eq (s_published ("~conflated.100.x.a.s")->conflated_sequence, 2);
    s_ask ("~conflated.100.x.", false);
    cr_assert_eq (s_told ("conflated.100.x"), 2);
    s_ask ("~conflated.100.x.a.", false);
    cr_assert_eq (s_told ("conflated.100.x"), -1);
    s_ask ("~conflated.100.x.", true);
    cr_assert_eq (s_told ("conflated.100.x"), -1);
    harness_delta (&s_h, 1, 3, "x", "t", "p", 1);
    cr_assert_eq (s_published ("~conflated.100.x.a.t")->conflated_sequence, 1);
    cr_assert_eq (s_told ("conflated.100.x"), 1);
    harness_stop (&s_h);
}

Test (numbers, publication_lost_for_want_of_memory_uses_up_its_number)
{
    enum { BIG = 50000, FIELDS = 4 };
    static const char *s_names[FIELDS] = {"f1", "f2", "f3", "f4"};
    static char s_big[BIG + 1], s_long[SB_FIELD_NAME_MAX + 1];
    memset (s_big, 'x', BIG);
    memset (s_long, 'n', SB_FIELD_NAME_MAX);
    harness_start (&s_h);
    harness_register (&s_h, 1, "a", 10);
    s_ask ("~conflated.100.x.", true);
    harness_delta (&s_h, 1, 1, "x", "", s_long, 1);
    for (uint32_t i = 0; i < FIELDS; i++) {
        sb_change_t change = harness_text (s_names[i], s_big);
        harness_changes (&s_h, 1, 2 + i, "x", "", &change, 1);
    }
    s_h.allowance = s_h.allocated;
    sb_change_t gone = harness_delete (s_long);
    harness_changes (&s_h, 1, 2 + FIELDS, "x", "", &gone, 1);
    cr_assert_eq (s_h.core->counters[SB_COUNTER_conflated_lost], 1);
    const sb_publication_t *publication = s_published ("~conflated.100.x.a.");
    cr_assert_eq (publication->first_topic_sequence, 2 + FIELDS);
    cr_assert_eq (publication->conflated_sequence, 3, "1, the lost one, and this");
    harness_stop (&s_h);
}

/* Conflates at so many different intervals, all categories each. Returns how many were refused. */
static uint64_t s_ask_all (uint32_t first_ms, uint32_t count)
{
    uint64_t refused = s_h.core->counters[SB_COUNTER_conflations_refused];
    for (uint32_t i = 0; i < count; i++) {
        char prefix[32];
        snprintf (prefix, sizeof prefix, "~conflated.%u.", first_ms + i);
        s_ask (prefix, true);
    }
    return s_h.core->counters[SB_COUNTER_conflations_refused] - refused;
}

Test (numbers, beats_tell_of_no_more_than_a_frame_may_hold)
{
    harness_start (&s_h);
    s_h.is_quiet = true;
    harness_register (&s_h, 1, "a", 10);
    cr_assert_eq (s_ask_all (50000, 12), 1, "eleven times 257 are told at most, and 3000 may be");
    s_ask ("~conflated.50000.x.", true); /* it adds nothing to tell of */
    for (uint32_t ms = 100; ms < 110; ms++) {
        char prefix[32];
        snprintf (prefix, sizeof prefix, "~conflated.%u.x.", ms);
        s_ask (prefix, true);
    }
    cr_assert_eq (s_h.core->counters[SB_COUNTER_conflations_refused], 1);
    for (uint32_t i = 0; i < 250; i++) {
        char name[SB_CATEGORY_MAX + 1];
        snprintf (name, sizeof name, "c%031u", i);
        harness_delta (&s_h, 1, 1 + i, name, "", "p", 1);
    }
    s_ask ("~join.n.", true);
    sb_arena_t *arena = sb_arena_new (8 * 1024 * 1024);
    sb_encoding_t *encoding;
    cr_assert_gt (s_published ("~join.n.")->updates[0].change_count, 12 * 250);
    cr_assert_lt (sb_encode_publication (arena, s_published ("~join.n."), &encoding), 256 * 1024);
    sb_arena_destroy (&arena);
    s_ask ("~conflated.50003.", false);
    cr_assert_eq (s_ask_all (50011, 1), 0, "there is room again");
    harness_stop (&s_h);
}

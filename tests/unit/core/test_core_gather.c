/* SPDX-License-Identifier: MPL-2.0
 *
 * Several messages of one agent in one event do what they do one by one, but for what is published together.
 *
 * Three cores hear the same deltas: each as a message of its own (`single`), all in one event that says which came with
 * which (`gathered`), and all as one batch (`batch`). The first two must decide alike and end with the same fields,
 * counts, acks and refusals; the last two must do the same in everything where the agent is admitted. Where it is not,
 * by a stop, a pause or a breaker, the first two must do the same in everything. A field's own sequence, which the
 * state hash counts in, is that of its publication: where these are merged, fields are compared without it.
 */
#include "core_harness.h"

#include "sb_state_hash.h"
#include "state.h"

enum { DELTAS = 64, PEER = 11, SEEDS = 150, TURNS = 60 };

/* What an agent sends: deltas, and how many are in each message. */
typedef struct {
    sb_delta_t deltas[DELTAS];
    sb_change_t changes[DELTAS];
    uint32_t delta_count;
    uint32_t counts[DELTAS];
    uint32_t message_count;
} s_traffic_t;

typedef struct {
    harness_t single, gathered, batch;
} s_cores_t;

/* Three cores with agent "a" that has beaten. */
static void s_start (s_cores_t *self)
{
    harness_t *cores[] = {&self->single, &self->gathered, &self->batch};
    for (uint32_t i = 0; i < 3; i++) {
        harness_start (cores[i]);
        harness_register (cores[i], PEER, "a", 10);
        harness_beat (cores[i], PEER);
        harness_flush (cores[i]);
        harness_forget (cores[i]);
    }
}

static void s_stop (s_cores_t *self)
{
    harness_stop (&self->single);
    harness_stop (&self->gathered);
    harness_stop (&self->batch);
}

/* Does the same in all three. */
static void s_each (s_cores_t *self, void (*act) (harness_t *))
{
    act (&self->single);
    act (&self->gathered);
    act (&self->batch);
}

static sb_delta_t *s_add (s_traffic_t *self, uint64_t sequence, const char *category, const char *subject,
                          const char *name, double number)
{
    cr_assert_lt (self->delta_count, (uint32_t)DELTAS);
    sb_change_t *change = &self->changes[self->delta_count];
    sb_delta_t *delta = &self->deltas[self->delta_count++];
    *change = harness_number (name, number);
    *delta = harness_delta_of (sequence, category, subject, change, 1);
    return delta;
}

/* Each delta since the last call comes in a message of its own, or all in one. */
static void s_cut_singly (s_traffic_t *self)
{
    uint32_t cut = 0;
    for (uint32_t i = 0; i < self->message_count; i++)
        cut += self->counts[i];
    while (cut++ < self->delta_count)
        self->counts[self->message_count++] = 1;
}

static void s_cut (s_traffic_t *self)
{
    uint32_t cut = 0;
    for (uint32_t i = 0; i < self->message_count; i++)
        cut += self->counts[i];
    self->counts[self->message_count++] = self->delta_count - cut;
}

static void s_send_gathered (harness_t *harness, const s_traffic_t *traffic)
{
    const sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH,
                                        .batch = {.deltas = traffic->deltas, .delta_count = traffic->delta_count}};
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = PEER;
    event.message.message = &message;
    event.message.size = 100 * traffic->message_count; /* as harness_message has it for each */
    event.message.delta_counts = traffic->counts;
    event.message.message_count = traffic->message_count;
    harness_step (harness, event);
}

/* Sends it in all three ways, ends the turn, and forgets it. */
static void s_send (s_cores_t *self, s_traffic_t *traffic)
{
    const sb_delta_t *deltas = traffic->deltas;
    for (uint32_t i = 0; i < traffic->message_count; deltas += traffic->counts[i++])
        harness_batch (&self->single, PEER, deltas, traffic->counts[i]);
    cr_assert_eq (deltas, traffic->deltas + traffic->delta_count);
    s_send_gathered (&self->gathered, traffic);
    harness_batch (&self->batch, PEER, traffic->deltas, traffic->delta_count);
    s_each (self, harness_flush);
    traffic->delta_count = traffic->message_count = 0;
}

/* ---- comparing */

static const sb_agent_record_t *s_agent (const harness_t *harness)
{
    const sb_agent_record_t *agent = sb_core_find_agent (harness->core, sb_text ("a"));
    cr_assert_not_null (agent);
    return agent;
}

/* The state hash without the sequence of any field. */
static uint64_t s_fields (const harness_t *harness)
{
    uint64_t sum = 0;
    for (uint32_t slot = 1; slot <= harness->core->fields.high; slot++) {
        const sb_field_t *field = sb_field_at (harness->core, slot);
        if (!field->topic)
            continue;
        const sb_topic_t *topic = sb_topic_at (harness->core, field->topic);
        sb_value_t value = sb_core_value (&field->value);
        sum +=
            sb_state_hash_field (sb_topic_text (topic), sb_field_text (field), &value, (sb_quality_t)topic->quality, 0);
    }
    return sum;
}

static void s_expect_same_decisions (const harness_t *one, const harness_t *other)
{
    const sb_agent_record_t *agent = s_agent (one), *twin = s_agent (other);
    cr_expect_eq (agent->decided_through, twin->decided_through);
    cr_expect_eq (agent->accepted_count, twin->accepted_count);
    cr_expect_eq (agent->refused_total, twin->refused_total);
    cr_expect_eq (agent->failure_total, twin->failure_total);
    cr_expect_eq (agent->needs_replacement, twin->needs_replacement);
    cr_expect_eq (agent->in_gap, twin->in_gap);
    cr_expect_eq (agent->breaker.state, twin->breaker.state);
    cr_expect_eq (agent->breaker.successes, twin->breaker.successes);
    cr_expect_eq (agent->breaker.failures, twin->breaker.failures);
    cr_assert_eq (agent->refused_count, twin->refused_count);
    for (uint32_t i = 0; i < agent->refused_count; i++) {
        cr_expect_eq (agent->refused_runs[i].first, twin->refused_runs[i].first);
        cr_expect_eq (agent->refused_runs[i].last, twin->refused_runs[i].last);
        cr_expect_eq (agent->refused_runs[i].reason, twin->refused_runs[i].reason);
    }
    for (uint32_t i = 0; i < SB_REASON_LIMIT; i++)
        cr_expect_eq (one->core->refusals[i], other->core->refusals[i], "refused for %s: %" PRIu64 ", %" PRIu64,
                      sb_reason_info ((sb_reason_t)i)->name, one->core->refusals[i], other->core->refusals[i]);
    cr_expect_eq (s_fields (one), s_fields (other));
}

static void s_expect_same_counters (const harness_t *one, const harness_t *other, uint32_t left_out)
{
    for (uint32_t i = 0; i < SB_COUNTER_LIMIT; i++)
        if (i != left_out)
            cr_expect_eq (one->core->counters[i], other->core->counters[i], "%s: %" PRIu64 ", %" PRIu64,
                          sb_core_counter_name ((sb_counter_t)i), one->core->counters[i], other->core->counters[i]);
}

/* Every ack of the one, each on a line, is the other's. */
static void s_expect_same_acks (const harness_t *one, const harness_t *other)
{
    const char *left = one->trace, *right = other->trace;
    uint32_t count = 0;
    do {
        left = strstr (left, " ACK ");
        right = strstr (right, " ACK ");
        cr_assert_eq (left == NULL, right == NULL, "%s\n%s", one->trace, other->trace);
        if (!left)
            break;
        size_t size = strcspn (left, "\n");
        cr_assert_eq (size, strcspn (right, "\n"), "%s\n%s", left, right);
        cr_assert_eq (strncmp (left++, right++, size), 0, "%s\n%s", one->trace, other->trace);
        count++;
    } while (true);
    cr_expect_gt (count, 0);
}

/* Where the agent is admitted. */
static void s_expect_same (const s_cores_t *self)
{
    s_expect_same_decisions (&self->single, &self->gathered);
    s_expect_same_decisions (&self->batch, &self->gathered);
    s_expect_same_counters (&self->single, &self->gathered, SB_COUNTER_publications);
    s_expect_same_acks (&self->single, &self->gathered);
    cr_expect_eq (sb_core_state_hash (self->batch.core), sb_core_state_hash (self->gathered.core));
    cr_expect_str_eq (self->batch.trace, self->gathered.trace);
}

/* Where it is not. */
static void s_expect_same_in_all (const s_cores_t *self)
{
    s_expect_same_decisions (&self->single, &self->gathered);
    s_expect_same_counters (&self->single, &self->gathered, SB_COUNTER_LIMIT);
    cr_expect_eq (sb_core_state_hash (self->single.core), sb_core_state_hash (self->gathered.core));
    cr_expect_str_eq (self->single.trace, self->gathered.trace);
}

/* ---- admitted */

Test (gathered, messages_decide_and_count_as_one_by_one)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    static const char *const names[] = {"x", "y", "z"};
    uint64_t sequence = 0;
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < 20; i++) {
            sequence++;
            s_add (&traffic, sequence, i % 7 < 4 ? "market_data" : "trades", i % 5 ? "BTC" : "ETH", names[i % 3],
                   (double)(i / 6 + round / 2)); /* some were there already */
            if (round % 3 == 0)
                s_cut_singly (&traffic);
            else if (i % (round + 1) == 0 || i == 19)
                s_cut (&traffic);
        }
        s_send (&cores, &traffic);
    }
    s_expect_same (&cores);
    const uint64_t *counters = cores.gathered.core->counters;
    cr_expect_eq (s_agent (&cores.gathered)->decided_through, 120);
    cr_expect_eq (counters[SB_COUNTER_deltas_accepted], 120);
    cr_expect_gt (counters[SB_COUNTER_changes_suppressed], 0);
    cr_expect_lt (counters[SB_COUNTER_publications], cores.single.core->counters[SB_COUNTER_publications]);
    cr_expect_gt (counters[SB_COUNTER_messages], cores.batch.core->counters[SB_COUNTER_messages]);
    s_stop (&cores);
}

Test (gathered, every_message_and_octet_is_counted)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    const uint64_t *counters = cores.gathered.core->counters;
    uint64_t messages = counters[SB_COUNTER_messages], bytes = counters[SB_COUNTER_message_bytes];
    for (uint64_t i = 1; i <= 9; i++)
        s_add (&traffic, i, "market_data", "", "x", (double)i);
    for (uint32_t i = 0; i < 3; i++)
        traffic.counts[traffic.message_count++] = 3;
    s_send (&cores, &traffic);
    cr_expect_eq (counters[SB_COUNTER_messages] - messages, 3);
    cr_expect_eq (counters[SB_COUNTER_message_bytes] - bytes, 300);
    cr_expect_eq (counters[SB_COUNTER_deltas], 9);
    s_expect_same (&cores);
    s_stop (&cores);
}

Test (gathered, neighbours_of_a_topic_share_a_publication_and_others_stay_apart_in_order)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_add (&traffic, 1, "market_data", "BTC", "x", 1);
    s_add (&traffic, 2, "market_data", "BTC", "x", 2);
    s_add (&traffic, 3, "market_data", "ETH", "x", 3);
    s_add (&traffic, 4, "market_data", "BTC", "y", 4);
    s_add (&traffic, 5, "market_data", "BTC", "x", 5);
    s_add (&traffic, 6, "trades", "BTC", "x", 6);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    static const char *const parts[] = {
        "/1 OK NONE {1: x=1} {2: x=2}\n", "PUBLISH market_data.a.ETH ", "/1 OK NONE {3: x=3}\n",
        "/2 OK NONE {4: y=4} {5: x=5}\n", "PUBLISH trades.a.BTC ",      "/1 OK NONE {6: x=6}\n",
    };
    const char *at = cores.gathered.trace;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = strstr (at, parts[i]);
        cr_assert_not_null (at, "no \"%s\" where it was to come in:\n%s", parts[i], cores.gathered.trace);
    }
    harness_expect_times (&cores.gathered, "PUBLISH market_data.a.BTC ", 2);
    harness_expect_times (&cores.gathered, "PUBLISH ", 4);
    harness_expect_times (&cores.single, "PUBLISH ", 6);
    s_expect_same (&cores);
    s_stop (&cores);
}

Test (gathered, where_no_neighbours_share_a_topic_all_is_the_same_with_the_numbers_of_publications)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    for (uint64_t i = 1; i <= 30; i++)
        s_add (&traffic, i, i % 2 ? "market_data" : "trades", i % 3 ? "BTC" : "ETH", "x", (double)i);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    s_expect_same_in_all (&cores);
    s_expect_same (&cores);
    s_stop (&cores);
}

Test (gathered, a_bad_delta_is_refused_alone_with_its_reason)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_add (&traffic, 1, "market_data", "", "x", 1);
    s_add (&traffic, 2, "market_data", "", "x", 2)->fault = SB_REASON_NOT_FINITE;
    s_add (&traffic, 3, "market_data", "", "x", 3);
    s_add (&traffic, 4, "_event", "", "x", 4);
    s_add (&traffic, 5, "market_data", "", "x", 5)->update.change_count = 0;
    s_add (&traffic, 6, "market_data", "", "x", 6);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    harness_expect (&cores.gathered, "ACK decided=6 2=NOT_FINITE 4=BAD_CATEGORY 5=NO_CHANGES\n");
    harness_expect_times (&cores.gathered, "PUBLISH market_data", 1);
    cr_expect_eq (s_agent (&cores.gathered)->accepted_count, 3);
    s_expect_same (&cores);
    s_stop (&cores);
}

/* Gaps are told once for all that wait behind: the client goes back to what was expected once. */
Test (gathered, gap_and_repeat_decide_what_they_do_singly)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_add (&traffic, 1, "market_data", "", "x", 1);
    s_add (&traffic, 3, "market_data", "", "x", 3);
    s_add (&traffic, 4, "market_data", "", "x", 4);
    s_add (&traffic, 2, "market_data", "", "x", 2);
    s_add (&traffic, 1, "market_data", "", "x", 9);
    s_add (&traffic, 3, "market_data", "", "x", 33);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    harness_expect_times (&cores.gathered, "REFUSAL 3=SEQUENCE_GAP expected=2", 1);
    harness_expect_not (&cores.gathered, "REFUSAL 4=SEQUENCE_GAP");
    harness_expect (&cores.single, "REFUSAL 4=SEQUENCE_GAP expected=2");
    harness_expect (&cores.gathered, "{1: x=1} {2: x=2} {3: x=33}");
    harness_expect (&cores.gathered, "ACK decided=3\n");
    cr_expect_eq (cores.gathered.core->counters[SB_COUNTER_deltas_repeated], 1);
    s_expect_same (&cores);
    s_stop (&cores);
}

Test (gathered, the_fifth_failure_within_opens_the_breaker_for_those_behind)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    for (uint64_t i = 1; i <= 5; i++) {
        s_add (&traffic, 2 * i - 1, "market_data", "", "x", (double)i);
        s_add (&traffic, 2 * i, "market_data", "", "x", 0)->fault = SB_REASON_NOT_FINITE;
    }
    s_add (&traffic, 11, "market_data", "", "x", 11);
    s_add (&traffic, 12, "market_data", "", "x", 12);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    cr_expect_eq (s_agent (&cores.gathered)->breaker.state, SB_BREAKER_OPEN);
    harness_expect (&cores.gathered, " 10=NOT_FINITE 11=BREAKER_OPEN+");
    harness_expect_not (&cores.gathered, "x=11");
    s_expect_same (&cores);
    s_stop (&cores);
}

static void s_leave (harness_t *harness)
{
    harness_goodbye (harness, PEER);
    harness_forget (harness);
}

Test (gathered, each_message_of_nobody_is_refused_and_changes_nothing)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_each (&cores, s_leave);
    uint64_t fields = s_fields (&cores.gathered);
    s_add (&traffic, 1, "market_data", "", "x", 1);
    s_add (&traffic, 2, "market_data", "", "x", 2);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    harness_expect_times (&cores.gathered, "REFUSAL 0=REGISTER_AGAIN", 2);
    harness_expect_not (&cores.gathered, "PUBLISH market_data");
    cr_expect_eq (cores.gathered.core->refusals[SB_REASON_REGISTER_AGAIN], 2);
    cr_expect_eq (s_agent (&cores.gathered)->decided_through, 0);
    cr_expect_eq (s_fields (&cores.gathered), fields);
    s_expect_same_in_all (&cores);
    s_stop (&cores);
}

/* ---- not admitted */

static void s_half_open (harness_t *harness)
{
    harness_command (harness, 1, "isolate_agent", "a", NULL, 0);
    harness_stored (harness, true);
    harness_command (harness, 2, "release_agent", "a", NULL, 0);
    harness_stored (harness, true);
    harness_flush (harness);
    harness_forget (harness);
    cr_assert_eq (s_agent (harness)->breaker.state, SB_BREAKER_HALF_OPEN);
}

static void s_pause (harness_t *harness)
{
    harness_command (harness, 1, "pause_agent", "a", NULL, 0);
    harness_stored (harness, true);
    harness_flush (harness);
    harness_forget (harness);
}

static void s_emergency_stop (harness_t *harness)
{
    harness_command (harness, 1, "emergency_stop", "", NULL, 0);
    harness_stored (harness, true);
    harness_flush (harness);
    harness_forget (harness);
}

static void s_wait_for_the_probe (harness_t *harness)
{
    harness_advance (harness, harness->config.heartbeat_interval_ms);
}

/* Messages of 2, 1, 3 and 1 deltas. */
static void s_add_messages (s_traffic_t *traffic, uint64_t sequence)
{
    static const uint32_t counts[] = {2, 1, 3, 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (uint32_t j = 0; j < counts[i]; j++, sequence++)
            s_add (traffic, sequence, "market_data", "", "x", (double)sequence);
        s_cut (traffic);
    }
}

Test (gathered, a_half_open_breaker_tries_one_message_of_them)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_each (&cores, s_half_open);
    s_add_messages (&traffic, 1);
    s_send (&cores, &traffic);
    harness_expect (&cores.gathered, "{1: x=1} {2: x=2}\n");
    harness_expect_times (&cores.gathered, "PUBLISH market_data", 1);
    harness_expect (&cores.gathered, "ACK decided=7 3=BREAKER_OPEN");
    cr_expect_eq (s_agent (&cores.gathered)->accepted_count, 2);
    cr_expect_eq (s_agent (&cores.gathered)->refused_total, 5);
    s_expect_same_in_all (&cores);
    s_each (&cores, s_wait_for_the_probe);
    cr_expect_eq (s_agent (&cores.gathered)->breaker.probes_won, 1);
    s_expect_same_in_all (&cores);
    s_stop (&cores);
}

Test (gathered, as_many_turns_as_there_are_probes_close_the_breaker)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_each (&cores, s_half_open);
    for (uint64_t probe = 0; probe < cores.gathered.config.probes; probe++) {
        cr_expect_eq (s_agent (&cores.gathered)->breaker.state, SB_BREAKER_HALF_OPEN);
        s_each (&cores, harness_forget);
        s_add_messages (&traffic, 7 * probe + 1);
        s_send (&cores, &traffic);
        s_each (&cores, s_wait_for_the_probe);
        s_expect_same_in_all (&cores);
    }
    cr_expect_eq (s_agent (&cores.gathered)->breaker.state, SB_BREAKER_CLOSED);
    s_each (&cores, harness_forget);
    s_add_messages (&traffic, 7 * cores.gathered.config.probes + 1);
    s_send (&cores, &traffic);
    harness_expect_times (&cores.gathered, "PUBLISH market_data", 1);
    harness_expect_not (&cores.gathered, "BREAKER_OPEN");
    s_stop (&cores);
}

Test (gathered, a_probe_that_fails_opens_the_breaker_for_those_behind)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_each (&cores, s_half_open);
    s_add_messages (&traffic, 1);
    traffic.deltas[1].fault = SB_REASON_NOT_FINITE; /* of the first message */
    s_send (&cores, &traffic);
    cr_expect_eq (s_agent (&cores.gathered)->breaker.state, SB_BREAKER_OPEN);
    cr_expect_eq (s_agent (&cores.gathered)->accepted_count, 1);
    harness_expect (&cores.gathered, " 2=NOT_FINITE 3=BREAKER_OPEN+");
    s_expect_same_in_all (&cores);
    s_stop (&cores);
}

Test (gathered, a_paused_agent_has_each_refused)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    s_start (&cores);
    s_each (&cores, s_pause);
    s_add_messages (&traffic, 1);
    s_send (&cores, &traffic);
    harness_expect_not (&cores.gathered, "PUBLISH market_data");
    harness_expect (&cores.gathered, "ACK decided=7 1=PAUSED 2=PAUSED 3=PAUSED 4=PAUSED 5=PAUSED 6=PAUSED 7=PAUSED\n");
    s_expect_same_in_all (&cores);
    s_stop (&cores);
}

Test (gathered, an_emergency_stop_refuses_each_but_for_the_admitted_categories)
{
    s_cores_t cores;
    s_traffic_t traffic = {0};
    harness_t *each[] = {&cores.single, &cores.gathered, &cores.batch};
    static const sb_text_t admitted[] = {{"market_data", sizeof "market_data" - 1}};
    for (uint32_t i = 0; i < 3; i++) {
        harness_init (each[i]);
        each[i]->config.admitted_categories = admitted;
        each[i]->config.admitted_category_count = 1;
        harness_start_configured (each[i]);
        harness_register (each[i], PEER, "a", 10);
        harness_beat (each[i], PEER);
    }
    s_each (&cores, s_emergency_stop);
    s_add (&traffic, 1, "trades", "", "x", 1);
    s_add (&traffic, 2, "market_data", "", "x", 2);
    s_add (&traffic, 3, "market_data", "", "x", 3);
    s_add (&traffic, 4, "trades", "", "x", 4);
    s_cut_singly (&traffic);
    s_send (&cores, &traffic);
    harness_expect (&cores.gathered, "ACK decided=4 1=EMERGENCY_STOPPED 4=EMERGENCY_STOPPED\n");
    harness_expect_times (&cores.gathered, "PUBLISH market_data", 2);
    harness_expect_not (&cores.gathered, "PUBLISH trades");
    s_expect_same_in_all (&cores);
    s_stop (&cores);
}

/* ---- by chance */

static uint32_t s_below (uint64_t *random, uint32_t limit)
{
    *random = *random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t)(*random >> 33) % limit;
}

/* Some messages of some deltas, most of them in order and good. */
static void s_add_any (s_traffic_t *traffic, uint64_t *random, uint64_t sequence)
{
    static const char *const categories[] = {"market_data", "market_data", "trades", ""};
    static const char *const subjects[] = {"BTC", "BTC", "BTC", "ETH"};
    static const char *const names[] = {"price", "size", "pnl"};
    uint32_t messages = 2 + s_below (random, 12);
    for (uint32_t i = 0; i < messages; i++) {
        uint32_t count = s_below (random, 3) ? 1 : 1 + s_below (random, 4);
        for (uint32_t j = 0; j < count; j++, sequence++) {
            if (s_below (random, 60) == 0)
                sequence += s_below (random, 2) ? 1 : UINT64_MAX; /* a gap, or a repeat */
            sb_delta_t *delta = s_add (traffic, sequence, categories[s_below (random, 4)],
                                       subjects[s_below (random, 4)], names[s_below (random, 3)], s_below (random, 4));
            if (s_below (random, 40) == 0)
                delta->fault = SB_REASON_NOT_FINITE;
            if (s_below (random, 40) == 0)
                delta->time_to_live_ms = 500 + s_below (random, 3000);
        }
        s_cut (traffic);
    }
}

static void s_wait_a_second (harness_t *harness)
{
    harness_beat (harness, PEER);
    harness_advance (harness, 1000);
}

static void s_restart (harness_t *harness)
{
    harness_command (harness, 3, "restart_agent", "a", NULL, 0);
    harness_stored (harness, true);
}

Test (gathered, by_chance_the_same_is_decided, .timeout = 120)
{
    static void (*const acts[]) (harness_t *) = {s_wait_a_second, s_wait_a_second, s_wait_a_second, s_restart};
    uint32_t states[SB_BREAKER_FORCED_OPEN + 1] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        s_cores_t cores;
        s_traffic_t traffic = {0};
        uint64_t random = seed;
        s_start (&cores);
        for (uint32_t turn = 0; turn < TURNS; turn++) {
            states[s_agent (&cores.gathered)->breaker.state]++;
            s_add_any (&traffic, &random, s_agent (&cores.gathered)->decided_through + 1);
            s_send (&cores, &traffic);
            s_each (&cores, acts[s_below (&random, 4)]);
            s_expect_same_decisions (&cores.single, &cores.gathered);
        }
        s_expect_same_counters (&cores.single, &cores.gathered, SB_COUNTER_publications);
        s_expect_same_acks (&cores.single, &cores.gathered);
        s_stop (&cores);
    }
    cr_expect_gt (states[SB_BREAKER_CLOSED], 1000);
    cr_expect_gt (states[SB_BREAKER_OPEN], 100);
    cr_expect_gt (states[SB_BREAKER_HALF_OPEN], 100);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Deltas that take the short way (usual.c) and those that leave it: what happens in the middle of a batch is what would
 * happen without it. Each batch here has usual deltas before and after the one that is not. See also the model in
 * test_core_split.c, which draws batches at random.
 */
#include "core_harness.h"

#include "core_internal.h"

enum { BATCH_MAX = 64 };

/* A batch that is being filled. */
typedef struct {
    sb_delta_t deltas[BATCH_MAX];
    sb_change_t changes[BATCH_MAX];
    uint32_t count;
    uint64_t sequence; /* last one given */
} s_batch_t;

/* Adds a delta of one change; its place. */
static uint32_t s_add (s_batch_t *self, const char *category, const char *subject, sb_change_t change)
{
    uint32_t place = self->count++;
    cr_assert_lt (place, BATCH_MAX);
    self->changes[place] = change;
    self->deltas[place] = harness_delta_of (++self->sequence, category, subject, &self->changes[place], 1);
    return place;
}

static void s_send (harness_t *self, s_batch_t *batch)
{
    harness_batch (self, 1, batch->deltas, batch->count);
    batch->count = 0;
}

/* Agent "a" has p and q, numbers, in x.a.s and then in x.a.t. */
static void s_begin (harness_t *self, s_batch_t *batch)
{
    *batch = (s_batch_t){.count = 0};
    harness_register (self, 1, "a", 10);
    s_add (batch, "x", "s", harness_number ("p", 0));
    s_add (batch, "x", "s", harness_number ("q", 0));
    s_add (batch, "x", "t", harness_number ("p", 0));
    s_add (batch, "x", "t", harness_number ("q", 0));
    s_add (batch, "x", "s", harness_number ("p", 0.5));
    s_send (self, batch);
    harness_flush (self);
    harness_forget (self);
}

static void s_start (harness_t *self, s_batch_t *batch)
{
    harness_start (self);
    s_begin (self, batch);
}

static uint64_t s_counter (const harness_t *self, sb_counter_t counter)
{
    return self->core->counters[counter];
}

static const sb_field_t *s_field (const harness_t *self, const char *subject, const char *name)
{
    return sb_core_find_field (self->core, sb_core_find_agent (self->core, sb_text ("a")), sb_text ("x"),
                               sb_text (subject), sb_text (name));
}

Test (usual, fields_in_turn_and_in_no_order_are_one_publication)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_add (&batch, "x", "s", harness_number ("q", 3));
    s_add (&batch, "x", "s", harness_number ("q", 4));
    s_add (&batch, "x", "s", harness_number ("p", 5));
    s_add (&batch, "x", "s", harness_number ("q", 6));
    s_send (&h, &batch);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1} {7: p=2} {8: q=3} {9: q=4} {10: p=5} {11: q=6}\n");
    cr_assert_eq (s_field (&h, "s", "p")->value.number, 5);
    cr_assert_eq (s_field (&h, "s", "p")->delta_sequence, 10);
    cr_assert_eq (s_field (&h, "s", "p")->sequence, 7);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=11\n");
    harness_stop (&h);
}

Test (usual, topic_changes_in_the_middle_and_back)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "t", harness_number ("p", 2));
    s_add (&batch, "x", "t", harness_number ("q", 3));
    s_add (&batch, "x", "s", harness_number ("q", 4));
    s_add (&batch, "x", "s", harness_number ("p", 5));
    s_add (&batch, "x", "", harness_number ("p", 6)); /* new, with a prefix of the others' topics */
    s_add (&batch, "x", "t", harness_number ("p", 7));
    s_add (&batch, "xx", "t", harness_number ("p", 8));
    s_add (&batch, "x", "t", harness_number ("p", 9));
    s_send (&h, &batch);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1}\n"
                        "PUBLISH x.a.t #8/5/2 OK NONE {7: p=2} {8: q=3}\n"
                        "PUBLISH x.a.s #9/6/4 OK NONE {9: q=4} {10: p=5}\n"
                        "PUBLISH x.a. #10/7/1 OK NONE {11: p=6}\n"
                        "PUBLISH x.a.t #11/8/3 OK NONE {12: p=7}\n"
                        "PUBLISH xx.a.t #12/1/1 OK NONE {13: p=8}\n"
                        "PUBLISH x.a.t #13/9/4 OK NONE {14: p=9}\n");
    harness_stop (&h);
}

Test (usual, topics_of_events_about_the_agent_stay_closed_to_it)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "t", harness_number ("p", 1));
    s_add (&batch, "_event", "LIVENESS", harness_number ("p", 1));
    s_add (&batch, "x", "t", harness_number ("p", 2));
    s_send (&h, &batch);
    harness_flush (&h);
    harness_expect (&h, "ACK decided=8 7=BAD_CATEGORY\n");
    harness_expect (&h, "{6: p=1} {8: p=2}");
    harness_stop (&h);
}

Test (usual, one_refused_in_the_middle_leaves_its_neighbours_alone)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    uint32_t bad = s_add (&batch, "x", "s", harness_number ("p", 2));
    batch.deltas[bad].fault = SB_REASON_BAD_FIELD_NAME;
    batch.deltas[bad].fault_field = sb_text ("p p");
    s_add (&batch, "x", "s", harness_number ("p", 3));
    s_add (&batch, "x", "s", harness_number ("q", 4));
    s_send (&h, &batch);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1} {8: p=3} {9: q=4}\n");
    harness_flush (&h);
    harness_expect (&h, "ACK decided=9 7=BAD_FIELD_NAME(p p)\n");
    cr_assert_eq (s_counter (&h, SB_COUNTER_deltas), 9);
    cr_assert_eq (s_counter (&h, SB_COUNTER_deltas_accepted), 8);
    harness_stop (&h);
}

Test (usual, more_changes_than_the_limit_are_refused_though_all_are_known)
{
    harness_t h;
    s_batch_t batch;
    harness_init (&h);
    h.config.max_changes = 1;
    harness_start_configured (&h);
    s_begin (&h, &batch);
    sb_change_t both[] = {harness_number ("p", 7), harness_number ("q", 8)};
    s_add (&batch, "x", "s", harness_number ("p", 1));
    uint32_t many = s_add (&batch, "x", "s", both[0]);
    batch.deltas[many].update.changes = both;
    batch.deltas[many].update.change_count = 2;
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_send (&h, &batch);
    harness_flush (&h);
    harness_expect (&h, "{6: p=1} {8: p=2}");
    harness_expect (&h, "ACK decided=8 7=TOO_MANY_CHANGES\n");
    harness_stop (&h);
}

Test (usual, name_twice_in_a_delta_is_refused)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    sb_change_t twice[] = {harness_number ("p", 7), harness_number ("q", 8), harness_number ("p", 9)};
    uint32_t many = s_add (&batch, "x", "s", twice[0]);
    batch.deltas[many].update.changes = twice;
    batch.deltas[many].update.change_count = 3;
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_send (&h, &batch);
    harness_flush (&h);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {7: p=2}\n");
    harness_expect (&h, "6=DUPLICATE_FIELD(p)");
    harness_stop (&h);
}

Test (usual, gap_and_repeat_in_the_middle_decide_nothing)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    batch.sequence = 5;
    s_add (&batch, "x", "s", harness_number ("p", 2)); /* 6 again */
    batch.sequence = 8;
    s_add (&batch, "x", "s", harness_number ("p", 3)); /* 9 */
    batch.sequence = 6;
    s_add (&batch, "x", "s", harness_number ("p", 4)); /* 7 */
    s_send (&h, &batch);
    harness_flush (&h);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1} {7: p=4}\n");
    harness_expect (&h, "REFUSAL 9=SEQUENCE_GAP expected=7");
    harness_expect (&h, "ACK decided=7\n");
    cr_assert_eq (s_counter (&h, SB_COUNTER_deltas_repeated), 1);
    cr_assert_not (sb_core_find_agent (h.core, sb_text ("a"))->in_gap);
    harness_stop (&h);
}

Test (usual, last_number_of_all_is_taken_and_none_after_it)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    sb_core_find_agent (h.core, sb_text ("a"))->decided_through = SB_NUMBER_MAX - 1;
    batch.sequence = SB_NUMBER_MAX - 1;
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_send (&h, &batch);
    harness_expect (&h, "{9007199254740991: p=1}\n");
    harness_expect (&h, "=BAD_SEQUENCE");
    harness_stop (&h);
}

Test (usual, breaker_that_opens_in_the_middle_refuses_the_rest)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    for (uint32_t i = 0; i < h.config.failure_threshold; i++) {
        uint32_t bad = s_add (&batch, "x", "s", harness_number ("p", 2));
        batch.deltas[bad].fault = SB_REASON_BAD_FIELD_NAME;
        s_add (&batch, "x", "s", harness_number ("p", 3 + i));
    }
    s_add (&batch, "x", "s", harness_number ("q", 9));
    uint64_t last = batch.sequence;
    s_send (&h, &batch);
    harness_flush (&h);
    char refused[64];
    snprintf (refused, sizeof refused, " %" PRIu64 "=BREAKER_OPEN+", last);
    harness_expect (&h, refused);
    snprintf (refused, sizeof refused, " %" PRIu64 "=BREAKER_OPEN+", last - 1);
    harness_expect (&h, refused);
    snprintf (refused, sizeof refused, "{%" PRIu64 ": p=6}", last - 3);
    harness_expect (&h, refused);
    cr_assert_eq (s_field (&h, "s", "q")->value.number, 0);
    harness_stop (&h);
}

Test (usual, paused_agent_and_stopped_broker_refuse_all)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_send (&h, &batch);
    harness_command (&h, 2, "resume_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_command (&h, 3, "emergency_stop", "", NULL, 0);
    harness_stored (&h, true);
    s_add (&batch, "x", "s", harness_number ("p", 3));
    s_send (&h, &batch);
    harness_flush (&h);
    harness_expect (&h, "6=PAUSED 7=PAUSED 8=EMERGENCY_STOPPED\n");
    harness_expect_not (&h, "{6:");
    cr_assert_eq (s_field (&h, "s", "p")->value.number, 0.5);
    harness_stop (&h);
}

Test (usual, write_after_a_pause_makes_each_topic_right_again)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    harness_command (&h, 1, "pause_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_settle (&h);
    harness_command (&h, 2, "resume_agent", "a", NULL, 0);
    harness_stored (&h, true);
    harness_forget (&h);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_add (&batch, "x", "t", harness_number ("p", 0)); /* equal: tells the quality alone */
    s_add (&batch, "x", "t", harness_number ("p", 3));
    s_send (&h, &batch);
    harness_expect (&h, " OK NONE {6: p=1} {7: p=2}\n");
    harness_expect (&h, " OK RECOVERED\n");
    harness_expect (&h, " OK NONE {9: p=3}\n");
    harness_stop (&h);
}

Test (usual, field_is_deleted_and_written_again)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_delete ("p"));
    s_add (&batch, "x", "s", harness_number ("q", 2));
    s_add (&batch, "x", "s", harness_number ("p", 3)); /* behind q now, maybe in its old slot */
    s_add (&batch, "x", "s", harness_number ("q", 4));
    s_add (&batch, "x", "s", harness_number ("p", 5));
    s_add (&batch, "x", "s", harness_delete ("q"));
    s_add (&batch, "x", "t", harness_number ("new", 6)); /* takes q's slot */
    s_add (&batch, "x", "s", harness_number ("p", 7));
    s_send (&h, &batch);
    harness_expect (&h, "{6: p=1} {7: -p} {8: q=2} {9: p=3} {10: q=4} {11: p=5} {12: -q}\n");
    harness_expect (&h, "{13: new=6}\n");
    harness_expect (&h, "{14: p=7}\n");
    cr_assert_null (s_field (&h, "s", "q"));
    harness_stop (&h);
}

Test (usual, kinds_and_sizes_change_in_the_middle)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    char large[600];
    memset (large, 'L', sizeof large);
    large[sizeof large - 1] = '\0';
    sb_change_t flag = {.name = sb_text ("p"), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}};
    sb_change_t whole = {.name = sb_text ("p"), .value = {.kind = SB_VALUE_INTEGER, .integer = 1}};
    sb_change_t decimal = {.name = sb_text ("p"), .value = {.kind = SB_VALUE_DECIMAL}};
    decimal.value.decimal.unscaled = 1;
    decimal.value.decimal.exponent = -2;
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_text ("p", "one"));
    s_add (&batch, "x", "s", harness_text ("p", "three"));
    s_add (&batch, "x", "s", harness_text ("p", large));
    s_add (&batch, "x", "s", harness_text ("p", ""));
    s_add (&batch, "x", "s", harness_text ("p", ""));
    s_add (&batch, "x", "s", harness_text ("p", "an end"));
    s_add (&batch, "x", "s", flag);
    s_add (&batch, "x", "s", whole); /* the same bits, of another kind */
    s_add (&batch, "x", "s", decimal);
    decimal.value.decimal.exponent = -3;
    s_add (&batch, "x", "s", decimal);
    s_add (&batch, "x", "s", harness_number ("p", 4));
    s_send (&h, &batch);
    harness_expect (&h, "{6: p=1} {7: p='one'} {8: p='three'} {9: p='LLL");
    harness_expect (&h, "L'} {10: p=''} {12: p='an end'} {13: p=true} {14: p=1} {15: p=1e-2} {16: p=1e-3} {17: p=4}\n");
    harness_stop (&h);
}

Test (usual, bytes_and_text_of_one_size_are_different_values)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    sb_change_t bytes = {.name = sb_text ("p"), .value = {.kind = SB_VALUE_BYTES, .bytes = sb_text ("same octets")}};
    s_add (&batch, "x", "s", harness_text ("p", "same octets"));
    s_add (&batch, "x", "s", bytes);
    s_add (&batch, "x", "s", bytes);
    s_add (&batch, "x", "s", harness_text ("p", "same octets"));
    s_send (&h, &batch);
    harness_expect (&h, "{6: p='same octets'} {7: p=<11>} {9: p='same octets'}\n");
    harness_stop (&h);
}

Test (usual, equal_values_are_counted_and_not_published)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    uint64_t suppressed = s_counter (&h, SB_COUNTER_changes_suppressed);
    uint64_t changes = s_counter (&h, SB_COUNTER_changes);
    sb_change_t both[] = {harness_number ("p", 1), harness_number ("q", 5)};
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("p", 1));
    uint32_t many = s_add (&batch, "x", "s", both[0]);
    batch.deltas[many].update.changes = both;
    batch.deltas[many].update.change_count = 2;
    s_add (&batch, "x", "s", harness_number ("q", 5));
    s_send (&h, &batch);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1} {8: q=5}\n");
    cr_assert_eq (s_counter (&h, SB_COUNTER_changes), changes + 2);
    cr_assert_eq (s_counter (&h, SB_COUNTER_changes_suppressed), suppressed + 3);
    harness_forget (&h);
    s_add (&batch, "x", "s", harness_number ("q", 5));
    s_send (&h, &batch);
    harness_expect_not (&h, "PUBLISH");
    cr_assert_eq (s_field (&h, "s", "q")->delta_sequence, 8, "what changes nothing names nothing");
    harness_stop (&h);
}

Test (usual, equal_values_are_published_in_a_category_of_events)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    for (uint32_t i = 0; i < 3; i++)
        s_add (&batch, "trades", "", harness_number ("price", 5));
    s_send (&h, &batch);
    harness_expect (&h, "{6: price=5} {7: price=5} {8: price=5}\n");
    harness_stop (&h);
}

Test (usual, time_to_live_in_the_middle_is_kept_and_taken_back)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    batch.deltas[s_add (&batch, "x", "s", harness_number ("p", 2))].time_to_live_ms = 700;
    batch.deltas[s_add (&batch, "x", "s", harness_number ("q", 3))].time_to_live_ms = 700;
    s_add (&batch, "x", "s", harness_number ("q", 3)); /* equal, and for ever again */
    s_send (&h, &batch);
    harness_expect (&h, "{6: p=1} {7: p=2} {8: q=3}\n");
    harness_advance (&h, 699);
    harness_expect_not (&h, "EXPIRED");
    harness_advance (&h, 1);
    harness_expect (&h, "EXPIRED {0: -p}\n");
    harness_advance (&h, 1000);
    harness_expect_not (&h, "-q");
    harness_stop (&h);
}

Test (usual, time_to_live_of_the_category_is_renewed_by_equal_values)
{
    harness_t h;
    s_batch_t batch;
    sb_time_to_live_t times[] = {{sb_text ("x"), 1000}};
    harness_init (&h);
    h.config.times_to_live = times;
    h.config.time_to_live_count = 1;
    harness_start_configured (&h);
    s_begin (&h, &batch);
    harness_advance (&h, 600);
    s_add (&batch, "x", "s", harness_number ("p", 0.5));
    s_add (&batch, "x", "s", harness_number ("p", 0.5));
    s_send (&h, &batch);
    harness_advance (&h, 999);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK EXPIRED {0: -q}\n");
    cr_assert_not_null (s_field (&h, "s", "p"));
    harness_advance (&h, 1);
    cr_assert_null (s_field (&h, "s", "p"));
    harness_stop (&h);
}

Test (usual, conflated_reader_gets_the_batch_merged)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text ("~conflated.100.x.");
    event.subscription.is_subscribed = true;
    harness_step (&h, event);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_number ("q", 2));
    s_send (&h, &batch);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a.s #7/4/3-3 OK NONE {6: p=1} {7: q=2}\n");
    harness_forget (&h);
    s_add (&batch, "x", "s", harness_number ("p", 3));
    s_add (&batch, "x", "s", harness_number ("p", 4));
    s_send (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 5));
    s_add (&batch, "x", "t", harness_number ("p", 6));
    s_send (&h, &batch);
    harness_advance (&h, 100);
    harness_expect_times (&h, "PUBLISH ~conflated.100.x.a.s", 1);
    harness_expect (&h, "PUBLISH ~conflated.100.x.a.s #9/6/4-5 OK NONE {10: p=5}\n");
    harness_expect (&h, "PUBLISH ~conflated.100.x.a.t #10/7/2-2 OK NONE");
    harness_stop (&h);
}

/* The category's last publication as history has it, in the trace. */
static void s_print_last (harness_t *self, uint64_t category_sequence)
{
    sb_history_filter_t filter = sb_core_history_filter ();
    filter.after = category_sequence - 1;
    const sb_category_t *category = sb_core_find_category (self->core, sb_text ("x"));
    sb_history_place_t place = sb_core_begin_history (category, &filter, category_sequence, UINT64_MAX, false);
    sb_history_page_t page;
    sb_core_read_history (self->core, category, &filter, &place, 10, SB_PAGE_BYTES, &page);
    cr_assert_eq (page.count, 1);
    harness_forget (self);
    harness_print_publication (self, page.publications[0]);
}

Test (usual, history_has_the_batch_as_it_was_published)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    s_add (&batch, "x", "s", harness_number ("p", 1));
    s_add (&batch, "x", "s", harness_text ("q", "now a text"));
    s_add (&batch, "x", "s", harness_number ("p", 2));
    s_add (&batch, "x", "s", harness_text ("q", "NOW A TEXT"));
    s_send (&h, &batch);
    s_print_last (&h, 4);
    harness_expect (&h, "PUBLISH x.a.s #7/4/3 OK NONE {6: p=1} {7: q='now a text'} {8: p=2} {9: q='NOW A TEXT'}\n");
    harness_stop (&h);
}

Test (usual, updates_find_room_whatever_came_before_them)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    sb_change_t parts[3] = {harness_number ("sma_20", 1), harness_number ("vix", 1), harness_number ("qqq", 1)};
    for (uint32_t i = 0; i < 20; i++) { /* three publications of a delta: more than the batch has deltas */
        uint32_t many = s_add (&batch, i < 10 ? "" : "x", "s", harness_number ("p", 100 + i));
        if (i < 10) {
            batch.deltas[many].update.changes = parts;
            batch.deltas[many].update.change_count = 3;
        }
    }
    for (uint32_t i = 20; i < 30; i++)
        s_add (&batch, "x", "s", harness_number ("q", i));
    s_send (&h, &batch);
    harness_expect (&h, "{16: p=110} {17: p=111} {18: p=112} {19: p=113} {20: p=114} {21: p=115} {22: p=116} "
                        "{23: p=117} {24: p=118} {25: p=119} {26: q=20} {27: q=21} {28: q=22} {29: q=23} {30: q=24} "
                        "{31: q=25} {32: q=26} {33: q=27} {34: q=28} {35: q=29}\n");
    harness_stop (&h);
}

Test (usual, without_memory_each_delta_is_taken_whole_or_refused)
{
    harness_t h;
    s_batch_t batch;
    s_start (&h, &batch);
    enum { DELTAS = 400, SIZE = 2000 };
    static char octets[DELTAS][SIZE];
    static sb_change_t changes[DELTAS];
    static sb_delta_t deltas[DELTAS];
    for (uint32_t i = 0; i < DELTAS; i++) {
        memset (octets[i], 'a' + (int)(i % 26), SIZE);
        changes[i] = (sb_change_t){.name = sb_text ("p"), .value = {.kind = SB_VALUE_TEXT, .text = {octets[i], SIZE}}};
        deltas[i] = harness_delta_of (++batch.sequence, "x", "s", &changes[i], 1);
    }
    h.is_quiet = true;
    harness_batch (&h, 1, deltas, 1); /* room for the value */
    h.allowance = h.allocated;        /* no further block of scratch memory */
    harness_batch (&h, 1, deltas + 1, DELTAS - 1);
    h.allowance = SIZE_MAX / 2;
    uint64_t published = 0;
    for (uint32_t i = 0; i < h.effects.count; i++)
        if (h.effects.items[i].kind == SB_EFFECT_PUBLISH && h.effects.items[i].publish->topic.data[0] == 'x')
            for (uint32_t j = 0; j < h.effects.items[i].publish->update_count; j++) {
                const sb_update_t *update = &h.effects.items[i].publish->updates[j];
                cr_assert_eq (update->sequence, 7 + published++, "those in the beginning, none left out");
                cr_assert_eq (update->changes[0].value.text.data[SIZE - 1], 'a' + (int)((update->sequence - 6) % 26));
            }
    cr_assert (published > 50 && published < DELTAS - 1, "%" PRIu64, published);
    cr_assert_eq (h.core->refusals[SB_REASON_STORE_FULL], DELTAS - 1 - published);
    cr_assert_eq (s_field (&h, "s", "p")->delta_sequence, 6 + published);
    cr_assert_eq (s_field (&h, "s", "p")->value.run[0], 'a' + (int)(published % 26));
    harness_stop (&h);
}

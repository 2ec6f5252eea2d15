/* SPDX-License-Identifier: MPL-2.0
 *
 * A reader that loses publications, against a real broker: its handler does not keep up; the broker's queue for it is
 * short, while one topic is written without end; the broker is killed. After each the copy's hash is the broker's, the
 * application's own picture is the writer's, what was lost is what was recovered and resynchronized, and the test fails
 * if nothing was lost.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "syncbus.h"

TestSuite (agent_recovery, .timeout = 120);

enum { SUBJECTS = 200, PATIENCE_MS = 30000 };

/* What the application knows. All of it belongs to the thread that dispatches: the test's. */
typedef struct {
    double numbers[SUBJECTS];
    uint64_t sequences[SUBJECTS]; /* of the last news */
    uint64_t told;                /* lost, by topic and number */
    uint64_t recovered_lost;
    uint64_t recoveries;
} s_picture_t;

typedef struct {
    sb_scene_t *scene;
    sb_commander_t *commander;
    sb_agent_t *writer;
    sb_agent_t *reader;
    s_picture_t picture;
    double numbers[SUBJECTS];
} s_stage_t;

static int s_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    s_picture_t *picture = context;
    unsigned subject;
    (void)agent;
    cr_assert_eq (sscanf (publication->topic.data, "risk_metrics.writer.s%u", &subject), 1);
    if (publication->cause != SB_CAUSE_SNAPSHOT) {
        cr_assert_gt (publication->sequence, picture->sequences[subject], "out of order, or twice");
        picture->sequences[subject] = publication->sequence;
    }
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_value_t *value = sb_update_find (&publication->updates[i], "x");
        if (value)
            picture->numbers[subject] = value->number;
    }
    return 0;
}

static void s_gap (sb_agent_t *agent, const sb_agent_gap_t *gap, void *context)
{
    (void)agent;
    if (gap->last)
        ((s_picture_t *)context)->told += gap->last - gap->first + 1;
}

static void s_recovered (sb_agent_t *agent, const sb_agent_recovery_t *recovery, void *context)
{
    s_picture_t *picture = context;
    (void)agent;
    picture->recovered_lost += recovery->lost;
    picture->recoveries++;
}

static sb_agent_t *s_agent (sb_scene_t *scene, sb_agent_options_t options)
{
    char error[200];
    options.ingress_endpoint = sb_scene_ingress (scene);
    options.heartbeat_interval_ms = 200;
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    cr_assert (agent, "%s", error);
    cr_assert (sb_agent_wait_active (agent, SB_PATIENCE_MS));
    return agent;
}

static s_stage_t *s_begin (const char *const *arguments, sb_agent_options_t options)
{
    static s_stage_t stage;
    static const char *const interests[] = {"risk_metrics"};
    memset (&stage, 0, sizeof stage);
    stage.scene = sb_scene_new ();
    sb_scene_start_broker (stage.scene, arguments);
    stage.commander = sb_commander_new (sb_scene_command (stage.scene));
    stage.writer = s_agent (stage.scene, (sb_agent_options_t){.agent_id = "writer"});
    options.agent_id = "reader";
    options.interests = options.interests ? options.interests : interests;
    options.interest_count = 1;
    options.dispatch_by_caller = true;
    options.context = &stage.picture;
    options.handlers.on_update = s_update;
    options.handlers.on_gap = s_gap;
    options.handlers.on_recovered = s_recovered;
    stage.reader = s_agent (stage.scene, options);
    cr_assert (sb_agent_wait_current (stage.reader, SB_PATIENCE_MS));
    return &stage;
}

static void s_end (s_stage_t *stage)
{
    sb_agent_destroy (&stage->reader, 0);
    sb_agent_destroy (&stage->writer, 0);
    sb_commander_destroy (&stage->commander);
    sb_scene_destroy (&stage->scene);
}

/* One write of each of `count` subjects, in one message, `rounds` times. */
static void s_pour (s_stage_t *stage, uint32_t count, uint32_t rounds)
{
    sb_agent_update_t updates[SUBJECTS];
    sb_change_t changes[SUBJECTS];
    char subjects[SUBJECTS][16];
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < count; i++) {
            stage->numbers[i] += 1;
            snprintf (subjects[i], sizeof subjects[i], "s%u", i);
            changes[i] = sb_number ("x", stage->numbers[i]);
            updates[i] = (sb_agent_update_t){
                .category = "risk_metrics", .subject = subjects[i], .changes = &changes[i], .change_count = 1};
        }
        cr_assert_eq (sb_agent_update_batch (stage->writer, updates, count, 5000, NULL), SB_REASON_NONE);
    }
    cr_assert (sb_agent_wait_decided (stage->writer, PATIENCE_MS));
}

/* True when the broker's hash, the copy's, and the pictures agree, and on_recovered has told of all losses. */
static bool s_agrees (void *context)
{
    s_stage_t *stage = context;
    while (sb_agent_dispatch (stage->reader, 0))
        continue;
    sb_parameter_t parameter = {sb_text ("interests"), {.kind = SB_VALUE_TEXT, .text = sb_text ("risk_metrics")}};
    sb_command_request_t request = sb_commander_request ("state_hash", NULL);
    request.parameters = &parameter;
    request.parameter_count = 1;
    const sb_command_reply_t *reply = sb_commander_ask (stage->commander, &request);
    const sb_value_t *hash = sb_reply_value (reply, NULL, NULL, "state_hash");
    sb_agent_copy_state_t state;
    char text[20];
    sb_agent_copy_state (stage->reader, &state);
    snprintf (text, sizeof text, "%016" PRIx64, state.state_hash);
    sb_agent_counts_t counts;
    sb_agent_counts (stage->reader, &counts);
    return hash && state.is_current && stage->picture.recovered_lost == counts.dropped &&
           sb_text_equal (hash->text, sb_text (text)) &&
           memcmp (stage->picture.numbers, stage->numbers, sizeof stage->numbers) == 0;
}

static sb_agent_counts_t s_await_agreement (s_stage_t *stage)
{
    cr_assert (sb_wait_until (s_agrees, stage, PATIENCE_MS), "reader and broker do not agree");
    sb_agent_counts_t counts;
    sb_agent_counts (stage->reader, &counts);
    cr_assert_eq (counts.dropped, counts.recovered + counts.resynchronized, "%" PRIu64 " lost, %" PRIu64 ", %" PRIu64,
                  counts.dropped, counts.recovered, counts.resynchronized);
    cr_assert_eq (stage->picture.told, counts.dropped);
    return counts;
}

Test (agent_recovery, what_a_slow_handler_had_no_room_for_comes_from_history)
{
    s_stage_t *stage = s_begin (NULL, (sb_agent_options_t){.queue_publications = 20});
    s_pour (stage, 100, 5);
    sb_agent_counts_t counts = s_await_agreement (stage);
    cr_assert_gt (counts.recovered, 0, "nothing was lost: the test says nothing");
    cr_assert_eq (counts.resynchronized, 0);
    cr_assert_eq (counts.processed, 500, "each publication once");
    s_end (stage);
}

Test (agent_recovery, what_history_has_dropped_comes_as_a_snapshot)
{
    static const char *const arguments[] = {"--history-updates=20", NULL};
    s_stage_t *stage = s_begin (arguments, (sb_agent_options_t){.queue_publications = 20, .buffer_bytes = 10000});
    s_pour (stage, SUBJECTS, 10);
    cr_assert (sb_wait_until (s_agrees, stage, PATIENCE_MS), "reader and broker do not agree");
    sb_agent_counts_t counts;
    sb_agent_counts (stage->reader, &counts);
    cr_assert_gt (counts.resynchronized, 0, "nothing was lost: the test says nothing");
    cr_assert_gt (counts.restarts, 0, "the buffer was large enough: the test says nothing");
    cr_assert_eq (counts.dropped, counts.recovered + counts.resynchronized);
    s_end (stage);
}

Test (agent_recovery, what_the_brokers_queue_had_no_room_for_is_found_and_fetched)
{
    static const char *const arguments[] = {"--publish-agent-queue=20", "--history-updates=100000", NULL};
    s_stage_t *stage = s_begin (arguments, (sb_agent_options_t){.receive_queue = 1, .queue_publications = 100000});
    sb_agent_counts_t counts = {0};
    for (int i = 0; i < 50 && counts.dropped == 0; i++) {
        s_pour (stage, SUBJECTS, 10);
        counts = s_await_agreement (stage);
    }
    cr_assert_gt (counts.recovered, 0, "nothing was lost: the test says nothing");
    cr_assert_eq (counts.resynchronized, 0);
    s_end (stage);
}

/* Writes one subject once more; true when the application's picture of all the others is the writer's. */
static bool s_others_agree (void *context)
{
    s_stage_t *stage = context;
    s_pour (stage, 1, 1);
    while (sb_agent_dispatch (stage->reader, 0))
        continue;
    return memcmp (stage->picture.numbers + 1, stage->numbers + 1, sizeof stage->numbers - sizeof (double)) == 0;
}

/* Losses behind a topic that is never quiet are found and made good without a pause. */
static void s_never_quiet (const char *interest, const uint32_t *conflate_ms)
{
    static const char *const arguments[] = {"--publish-agent-queue=20", "--history-updates=100000", NULL};
    sb_agent_options_t options = {.receive_queue = 1, .queue_publications = 100000};
    sb_agent_counts_t counts = {0};
    options.interests = &interest;
    options.conflate_ms = conflate_ms;
    s_stage_t *stage = s_begin (arguments, options);
    for (int i = 0; i < 50 && counts.dropped == 0; i++) {
        s_pour (stage, SUBJECTS, 10);
        cr_assert (sb_wait_until (s_others_agree, stage, PATIENCE_MS), "a loss stays hidden behind the busy topic");
        sb_agent_counts (stage->reader, &counts);
    }
    counts = s_await_agreement (stage);
    cr_assert_gt (counts.dropped, 0, "nothing was lost: the test says nothing");
    s_end (stage);
}

Test (agent_recovery, an_agents_part_that_is_never_quiet_hides_no_loss)
{
    s_never_quiet ("risk_metrics.writer.", NULL);
}

Test (agent_recovery, a_prefix_cut_inside_a_name_that_is_never_quiet_hides_no_loss)
{
    s_never_quiet ("risk_metrics.writer.s", NULL);
}

Test (agent_recovery, a_conflated_category_that_is_never_quiet_hides_no_loss)
{
    static const uint32_t conflate_ms[] = {20};
    s_never_quiet ("risk_metrics", conflate_ms);
}

Test (agent_recovery, what_the_broker_does_not_conflate_is_read_as_it_is_published_until_it_does)
{
    static const char *const arguments[] = {"--limits-conflations=0", NULL};
    static const uint32_t conflate_ms[] = {20};
    s_stage_t *stage = s_begin (arguments, (sb_agent_options_t){.conflate_ms = conflate_ms});
    for (uint32_t grants = 0; grants < 2; grants++) {
        s_pour (stage, SUBJECTS, 3);
        sb_agent_counts_t counts = s_await_agreement (stage);
        cr_assert_eq (counts.conflations_refused, 1);
        if (grants)
            break;
        memset (stage->picture.sequences, 0, sizeof stage->picture.sequences);
        sb_process_signal (sb_scene_broker (stage->scene), SIGKILL);
        sb_process_wait (sb_scene_broker (stage->scene), PATIENCE_MS);
        sb_scene_restart_broker (stage->scene, NULL); /* with its usual limit */
        cr_assert (sb_agent_wait_active (stage->writer, PATIENCE_MS));
    }
    s_end (stage);
}

Test (agent_recovery, a_broker_that_begins_anew_is_joined_anew)
{
    s_stage_t *stage = s_begin (NULL, (sb_agent_options_t){0});
    s_pour (stage, SUBJECTS, 2);
    s_await_agreement (stage);
    memset (stage->picture.sequences, 0, sizeof stage->picture.sequences);
    sb_process_signal (sb_scene_broker (stage->scene), SIGKILL);
    sb_process_wait (sb_scene_broker (stage->scene), PATIENCE_MS);
    sb_scene_restart_broker (stage->scene, NULL);
    cr_assert (sb_agent_wait_active (stage->writer, PATIENCE_MS));
    s_pour (stage, SUBJECTS, 1);
    sb_agent_counts_t counts = s_await_agreement (stage);
    cr_assert_geq (counts.joins, 2);
    cr_assert_geq (counts.snapshots, 2);
    s_end (stage);
}

typedef struct {
    uint64_t count;
    uint64_t last;
} s_read_t;

static bool s_read (const sb_publication_t *publication, void *context)
{
    s_read_t *read = context;
    cr_assert_eq (publication->category_sequence, read->last + 1);
    read->last = publication->category_sequence;
    return ++read->count < 450;
}

Test (agent_recovery, history_is_read_in_pages_over_the_session)
{
    s_stage_t *stage = s_begin (NULL, (sb_agent_options_t){0});
    s_pour (stage, 100, 5);
    s_read_t read = {.last = 10};
    uint64_t count = 0;
    bool is_whole = false;
    sb_agent_history_t query = {.category = "risk_metrics", .after = 10, .through = 400};
    cr_assert_eq (sb_agent_history (stage->reader, &query, s_read, &read, 5000, &count, &is_whole), SB_REASON_NONE);
    cr_assert_eq (count, 390);
    cr_assert_eq (read.last, 400);
    cr_assert (is_whole);
    read = (s_read_t){.last = 400};
    query = (sb_agent_history_t){.category = "risk_metrics", .last = 100};
    cr_assert_eq (sb_agent_history (stage->reader, &query, s_read, &read, 5000, &count, NULL), SB_REASON_NONE);
    cr_assert_eq (count, 100);
    query.category = "nothing";
    cr_assert_eq (sb_agent_history (stage->reader, &query, s_read, &read, 5000, &count, &is_whole),
                  SB_REASON_UNKNOWN_CATEGORY);
    cr_assert_not (is_whole, "nothing was read");
    s_end (stage);
}

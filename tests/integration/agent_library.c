/* SPDX-License-Identifier: MPL-2.0
 *
 * The client library against a real broker: examples, restart of the broker, pause and resume, a stuck handler, an
 * emergency stop, a displaced twin. After each the broker's picture of the agent must equal the agent's own.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "syncbus.h"

TestSuite (agent, .timeout = 90);

typedef struct {
    sb_scene_t *scene;
    sb_commander_t *commander;
    sb_agent_t *agent;
} s_stage_t;

static sb_agent_t *s_new_agent (sb_scene_t *scene, sb_agent_options_t options)
{
    char error[200];
    options.ingress_endpoint = sb_scene_ingress (scene);
    options.heartbeat_interval_ms = 100;
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    cr_assert (agent, "%s", error);
    cr_assert (sb_agent_wait_active (agent, SB_PATIENCE_MS));
    return agent;
}

static s_stage_t s_begin (sb_agent_options_t options)
{
    static const char *const arguments[] = {"--breaker-timeout-per-agent=300 ms", "--breaker-recovery-delay=500 ms",
                                            NULL};
    s_stage_t stage = {.scene = sb_scene_new ()};
    sb_scene_start_broker (stage.scene, arguments);
    stage.commander = sb_commander_new (sb_scene_command (stage.scene));
    options.agent_id = "writer";
    stage.agent = s_new_agent (stage.scene, options);
    return stage;
}

static void s_end (s_stage_t *stage)
{
    sb_agent_destroy (&stage->agent, 500);
    sb_commander_destroy (&stage->commander);
    sb_scene_destroy (&stage->scene);
}

static sb_reason_t s_set (sb_agent_t *agent, const char *category, const char *name, double number)
{
    sb_change_t change = sb_number (name, number);
    sb_agent_update_t update = {.category = category, .changes = &change, .change_count = 1};
    return sb_agent_update (agent, &update, 1000, NULL);
}

/* What get_state says of "writer": how many fields of these have these numbers, and how many there are in all. */
typedef struct {
    s_stage_t *stage;
    const char *const *names;
    const double *numbers;
    uint32_t count;
} s_picture_t;

static bool s_is_equal (void *context)
{
    s_picture_t *picture = context;
    sb_parameter_t parameter = {sb_text ("agent"), {.kind = SB_VALUE_TEXT, .text = sb_text ("writer")}};
    sb_command_request_t request = sb_commander_request ("get_state", NULL);
    request.parameters = &parameter;
    request.parameter_count = 1;
    const sb_command_reply_t *reply = sb_commander_ask (picture->stage->commander, &request);
    uint32_t matches = 0;
    for (uint32_t i = 0; i < reply->field_count; i++) {
        for (uint32_t j = 0; j < picture->count; j++)
            matches += sb_text_equal (reply->fields[i].name, sb_text (picture->names[j])) &&
                       reply->fields[i].value.number == picture->numbers[j] &&
                       reply->fields[i].quality == SB_QUALITY_OK;
    }
    return reply->field_count == picture->count && matches == picture->count;
}

static void s_await_picture (s_stage_t *stage, const char *const *names, const double *numbers, uint32_t count)
{
    s_picture_t picture = {stage, names, numbers, count};
    cr_assert (sb_wait_until (s_is_equal, &picture, SB_PATIENCE_MS), "the broker's picture is not the agent's own");
}

static bool s_has_status (s_stage_t *stage, sb_agent_status_t status)
{
    for (int64_t end_ms = sb_now_ms () + SB_PATIENCE_MS; sb_now_ms () < end_ms;) {
        if (sb_agent_status (stage->agent) == status)
            return true;
        sb_agent_wait_active (stage->agent, status == SB_AGENT_ACTIVE ? 100 : 1);
    }
    return false;
}

/* ------------------------------------------------------------------ examples */

static const char *s_example (const char *name)
{
    static char paths[2][4096];
    static int next;
    next = !next;
    snprintf (paths[next], sizeof paths[next], "%s/agents/examples/%s", getenv ("SB_BINARY_DIR"), name);
    return paths[next];
}

Test (agent, examples_publish_and_subscribe)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    const char *reading[] = {"market_data", sb_scene_ingress (scene), NULL};
    const char *writing[] = {sb_scene_ingress (scene), "30", NULL};
    sb_process_t *subscriber =
        sb_process_start (s_example ("example_subscriber"), reading, sb_scene_path (scene, "subscriber.out"));
    sb_process_t *publisher =
        sb_process_start (s_example ("example_publisher"), writing, sb_scene_path (scene, "publisher.out"));
    cr_assert (sb_process_says (subscriber, "market_data.example.spot:BTCUSDT price 5999", SB_PATIENCE_MS), "%s",
               sb_process_output (subscriber));
    cr_assert_eq (sb_process_wait (publisher, SB_PATIENCE_MS), 0);
    cr_assert (sb_process_says (publisher, "accepted ", 0));
    sb_process_signal (subscriber, SIGTERM);
    cr_assert_eq (sb_process_wait (subscriber, SB_PATIENCE_MS), 0);
    cr_assert (sb_process_says (sb_scene_broker (scene), "example_reader is OFFLINE", SB_PATIENCE_MS), "%s",
               sb_process_output (sb_scene_broker (scene)));
    sb_process_destroy (&subscriber);
    sb_process_destroy (&publisher);
    sb_scene_destroy (&scene);
}

Test (agent, examples_say_what_is_wrong)
{
    sb_scene_t *scene = sb_scene_new ();
    const char *arguments[] = {"not good", "nonsense", NULL};
    sb_process_t *subscriber =
        sb_process_start (s_example ("example_subscriber"), arguments, sb_scene_path (scene, "subscriber.out"));
    cr_assert_eq (sb_process_wait (subscriber, SB_PATIENCE_MS), 2);
    cr_assert (sb_process_says (subscriber, "an interest is a category", 0));
    sb_process_destroy (&subscriber);
    sb_scene_destroy (&scene);
}

/* ------------------------------------------------------------------ the broker's picture */

Test (agent, broker_restarted_gets_the_state_back_whole)
{
    static const char *const names[] = {"x", "y", "z", "kept"};
    static const double numbers[] = {1, 2, 3, 4};
    s_stage_t stage = s_begin ((sb_agent_options_t){0});
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq (s_set (stage.agent, i ? "status" : "risk", names[i], numbers[i]), SB_REASON_NONE);
    cr_assert (sb_agent_wait_decided (stage.agent, SB_PATIENCE_MS));
    s_await_picture (&stage, names, numbers, 3);
    sb_process_signal (sb_scene_broker (stage.scene), SIGKILL);
    cr_assert (s_has_status (&stage, SB_AGENT_CONNECTING));
    cr_assert_eq (s_set (stage.agent, "status", names[3], numbers[3]), SB_REASON_NONE);
    cr_assert_neq (sb_process_wait (sb_scene_broker (stage.scene), SB_PATIENCE_MS), -1);
    sb_scene_restart_broker (stage.scene, NULL);
    cr_assert (sb_agent_wait_active (stage.agent, SB_PATIENCE_MS));
    cr_assert (sb_agent_wait_decided (stage.agent, SB_PATIENCE_MS));
    s_await_picture (&stage, names, numbers, 4);
    sb_agent_counts_t counts;
    sb_agent_counts (stage.agent, &counts);
    cr_assert_eq (counts.registrations, 2);
    cr_assert_geq (counts.replacements, 2);
    s_end (&stage);
}

Test (agent, paused_changed_and_resumed_is_known_as_it_is)
{
    static const char *const names[] = {"x", "new"};
    static const double numbers[] = {5, 6};
    s_stage_t stage = s_begin ((sb_agent_options_t){0});
    cr_assert_eq (s_set (stage.agent, "status", "x", 1), SB_REASON_NONE);
    cr_assert_eq (s_set (stage.agent, "status", "gone", 1), SB_REASON_NONE);
    cr_assert (sb_agent_wait_decided (stage.agent, SB_PATIENCE_MS));
    cr_assert_eq (sb_commander_do (stage.commander, "pause_agent", "writer")->code, SB_REASON_NONE);
    cr_assert (s_has_status (&stage, SB_AGENT_PAUSED));
    cr_assert_eq (s_set (stage.agent, "status", "x", 5), SB_REASON_PAUSED);
    cr_assert_eq (s_set (stage.agent, "status", "new", 6), SB_REASON_PAUSED);
    sb_change_t gone = sb_delete ("gone");
    sb_agent_update_t update = {.category = "status", .changes = &gone, .change_count = 1};
    cr_assert_eq (sb_agent_update (stage.agent, &update, 0, NULL), SB_REASON_PAUSED);
    cr_assert_not (sb_agent_wait_decided (stage.agent, 50));
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "writer")->code, SB_REASON_NONE);
    cr_assert (sb_agent_wait_decided (stage.agent, SB_PATIENCE_MS));
    s_await_picture (&stage, names, numbers, 2);
    s_end (&stage);
}

Test (agent, emergency_stop_stops_it_and_the_clear_lets_its_changes_through)
{
    static const char *const names[] = {"x"};
    static const double numbers[] = {2};
    s_stage_t stage = s_begin ((sb_agent_options_t){0});
    cr_assert_eq (s_set (stage.agent, "status", "x", 1), SB_REASON_NONE);
    const sb_command_reply_t *reply = sb_commander_do (stage.commander, "emergency_stop", NULL);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    const sb_value_t *epoch = sb_reply_value (reply, NULL, NULL, "latch_epoch");
    cr_assert (epoch, "the reply names the epoch");
    sb_parameter_t parameter = {sb_text ("latch_epoch"), *epoch};
    cr_assert (s_has_status (&stage, SB_AGENT_STOPPED));
    cr_assert_eq (s_set (stage.agent, "status", "x", 2), SB_REASON_EMERGENCY_STOPPED);
    sb_command_request_t request = sb_commander_request ("emergency_clear", NULL);
    request.parameters = &parameter;
    request.parameter_count = 1;
    cr_assert_eq (sb_commander_ask (stage.commander, &request)->code, SB_REASON_NONE);
    cr_assert (sb_agent_wait_active (stage.agent, SB_PATIENCE_MS));
    s_await_picture (&stage, names, numbers, 1);
    s_end (&stage);
}

/* ------------------------------------------------------------------ handlers */

typedef struct {
    atomic_bool is_in_handler;
    atomic_bool may_go;
} s_stuck_t;

static bool s_may_go (void *context)
{
    return atomic_load (&((s_stuck_t *)context)->may_go);
}

static int s_stick (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent, (void)publication;
    s_stuck_t *stuck = context;
    atomic_store (&stuck->is_in_handler, true);
    sb_wait_until (s_may_go, stuck, 3 * SB_PATIENCE_MS);
    return 0;
}

static bool s_is_mute (void *context)
{
    s_stage_t *stage = context;
    const sb_command_reply_t *reply = sb_commander_do (stage->commander, "list_agents", NULL);
    const sb_value_t *mute = sb_reply_value (reply, "agent_id", "writer", "mute");
    return mute && mute->boolean;
}

static bool s_is_live_and_not_mute (void *context)
{
    s_stage_t *stage = context;
    const sb_command_reply_t *reply = sb_commander_do (stage->commander, "list_agents", NULL);
    const sb_value_t *liveness = sb_reply_value (reply, "agent_id", "writer", "liveness");
    return liveness && sb_text_equal (liveness->text, sb_text ("LIVE")) && !s_is_mute (context);
}

static bool s_is_stuck (void *context)
{
    s_stage_t *stage = context;
    s_set (stage->agent, "status", "x", (double)sb_now_ms ());
    sb_agent_counts_t counts;
    sb_agent_counts (stage->agent, &counts);
    return counts.received > 0;
}

Test (agent, a_stuck_handler_is_mute_and_a_busy_one_is_not_dead)
{
    static const char *const interests[] = {"status"};
    s_stuck_t stuck = {0};
    s_stage_t stage = s_begin ((sb_agent_options_t){
        .interests = interests, .interest_count = 1, .context = &stuck, .handlers.on_update = s_stick});
    cr_assert (sb_wait_until (s_is_stuck, &stage, SB_PATIENCE_MS));
    cr_assert (sb_wait_until (s_is_mute, &stage, SB_PATIENCE_MS), "never MUTE");
    const sb_command_reply_t *reply = sb_commander_do (stage.commander, "list_agents", NULL);
    const sb_value_t *liveness = sb_reply_value (reply, "agent_id", "writer", "liveness");
    cr_assert (sb_text_equal (liveness->text, sb_text ("LIVE")), "its heartbeats go on");
    atomic_store (&stuck.may_go, true);
    cr_assert (sb_wait_until (s_is_live_and_not_mute, &stage, SB_PATIENCE_MS));
    s_end (&stage);
}

static int s_fail_five (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent, (void)publication;
    return atomic_fetch_add ((atomic_int *)context, 1) < 5 ? -1 : 0;
}

Test (agent, cut_off_for_its_failures_it_comes_back_by_itself_with_its_state)
{
    static const char *const interests[] = {"status"};
    static const char *const names[] = {"x"};
    static const double numbers[] = {100};
    atomic_int handled = 0;
    s_stage_t stage = s_begin ((sb_agent_options_t){
        .interests = interests, .interest_count = 1, .context = &handled, .handlers.on_update = s_fail_five});
    for (int64_t end_ms = sb_now_ms () + SB_PATIENCE_MS; sb_agent_status (stage.agent) != SB_AGENT_CUT_OFF;) {
        s_set (stage.agent, "status", "x", (double)sb_now_ms ());
        cr_assert (sb_now_ms () < end_ms, "never cut off");
    }
    cr_assert_eq (s_set (stage.agent, "status", "x", 100), SB_REASON_BREAKER_OPEN);
    cr_assert (s_has_status (&stage, SB_AGENT_ACTIVE), "never let back");
    s_await_picture (&stage, names, numbers, 1);
    s_end (&stage);
}

static void s_on_command (sb_agent_t *agent, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)agent, (void)context;
    if (strcmp (command->name, "double") != 0) {
        reply->code = SB_REASON_AGENT_REFUSED;
        snprintf (reply->message, sizeof reply->message, "no idea of %s", command->name);
        return;
    }
    reply->values[0] = (sb_parameter_t){sb_text ("result"), {.kind = SB_VALUE_NUMBER}};
    reply->values[0].value.number = 2 * sb_value_number (&command->parameters[0].value, NAN);
    reply->value_count = 1;
}

Test (agent, answers_a_command_of_its_own)
{
    s_stage_t stage = s_begin ((sb_agent_options_t){.handlers.on_command = s_on_command});
    sb_parameter_t parameters[] = {{sb_text ("command"), {.kind = SB_VALUE_TEXT, .text = sb_text ("double")}},
                                   {sb_text ("by"), {.kind = SB_VALUE_NUMBER, .number = 21}}};
    sb_command_request_t request = sb_commander_request ("send_command", "writer");
    request.parameters = parameters;
    request.parameter_count = 2;
    const sb_command_reply_t *reply = sb_commander_ask (stage.commander, &request);
    cr_assert_eq (reply->code, SB_REASON_NONE, "%.*s", (int)reply->message.size, reply->message.data);
    cr_assert_eq (sb_value_number (sb_reply_value (reply, NULL, NULL, "result"), 0), 42);
    s_end (&stage);
}

Test (agent, commands_another_over_its_session)
{
    s_stage_t stage = s_begin ((sb_agent_options_t){0});
    sb_agent_t *watcher = s_new_agent (stage.scene, (sb_agent_options_t){.agent_id = "watcher"});
    char message[200];
    sb_reason_t reason = sb_agent_command (watcher, "pause_agent", "writer", NULL, 0, "beyond its limits", 5000,
                                           message, sizeof message);
    cr_assert_eq (reason, SB_REASON_NONE, "%s", message);
    cr_assert (s_has_status (&stage, SB_AGENT_PAUSED));
    cr_assert_eq (sb_agent_command (watcher, "resume_agent", "writer", NULL, 0, NULL, 5000, NULL, 0), SB_REASON_NONE);
    cr_assert (sb_agent_wait_active (stage.agent, SB_PATIENCE_MS));
    cr_assert_eq (sb_agent_command (watcher, "emergency_stop", NULL, NULL, 0, "x", 5000, NULL, 0), SB_REASON_FORBIDDEN);
    sb_agent_destroy (&watcher, 0);
    s_end (&stage);
}

Test (agent, the_older_of_two_with_one_id_is_finished)
{
    s_stage_t stage = s_begin ((sb_agent_options_t){0});
    sb_agent_t *twin = s_new_agent (stage.scene, (sb_agent_options_t){.agent_id = "writer"});
    cr_assert (s_has_status (&stage, SB_AGENT_FINISHED));
    cr_assert_eq (s_set (stage.agent, "status", "x", 1), SB_REASON_DISPLACED);
    cr_assert_eq (s_set (twin, "status", "x", 1), SB_REASON_NONE);
    cr_assert (sb_agent_wait_decided (twin, SB_PATIENCE_MS));
    sb_agent_destroy (&twin, 0);
    s_end (&stage);
}

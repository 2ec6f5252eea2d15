/* SPDX-License-Identifier: MPL-2.0
 *
 * The copy that a client keeps, against a real broker: what was there before it came, what is written while it is read,
 * fields that expire, the state hash of both sides, and a broker that begins anew.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "syncbus.h"

TestSuite (agent_copy, .timeout = 90);

static sb_agent_t *s_agent (sb_scene_t *scene, const char *agent_id, const char *interest)
{
    char error[200];
    sb_agent_options_t options = {.agent_id = agent_id,
                                  .ingress_endpoint = sb_scene_ingress (scene),
                                  .interests = &interest,
                                  .interest_count = interest != NULL,
                                  .heartbeat_interval_ms = 100};
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    cr_assert (agent, "%s", error);
    cr_assert (sb_agent_wait_active (agent, SB_PATIENCE_MS));
    return agent;
}

static void s_set (sb_agent_t *agent, const char *subject, const char *name, double number, uint32_t time_to_live_ms)
{
    sb_change_t change = sb_number (name, number);
    sb_agent_update_t update = {.category = "risk_metrics",
                                .subject = subject,
                                .changes = &change,
                                .change_count = 1,
                                .time_to_live_ms = time_to_live_ms};
    cr_assert_eq (sb_agent_update (agent, &update, 5000, NULL), SB_REASON_NONE);
}

typedef struct {
    sb_agent_t *agent;
    sb_commander_t *commander;
    const char *topic;
    const char *name;
    double number; /* NaN: no such field */
} s_wanted_t;

static bool s_has_number (void *context)
{
    const s_wanted_t *wanted = context;
    double number = sb_agent_copy_number (wanted->agent, wanted->topic, wanted->name, NAN);
    return isnan (wanted->number) ? isnan (number) : number == wanted->number;
}

static void s_await_number (sb_agent_t *agent, const char *topic, const char *name, double number)
{
    s_wanted_t wanted = {.agent = agent, .topic = topic, .name = name, .number = number};
    cr_assert (sb_wait_until (s_has_number, &wanted, SB_PATIENCE_MS), "%s of %s is %g, not %g", name, topic,
               sb_agent_copy_number (agent, topic, name, NAN), number);
}

/* True when the broker's hash of the category is the copy's. */
static bool s_has_hash (void *context)
{
    const s_wanted_t *wanted = context;
    sb_agent_copy_state_t state;
    char text[20];
    sb_parameter_t parameter = {sb_text ("interests"), {.kind = SB_VALUE_TEXT, .text = sb_text ("risk_metrics")}};
    sb_command_request_t request = sb_commander_request ("state_hash", NULL);
    request.parameters = &parameter;
    request.parameter_count = 1;
    const sb_command_reply_t *reply = sb_commander_ask (wanted->commander, &request);
    sb_agent_copy_state (wanted->agent, &state);
    snprintf (text, sizeof text, "%016" PRIx64, state.state_hash);
    const sb_value_t *hash = sb_reply_value (reply, NULL, NULL, "state_hash");
    return hash && sb_text_equal (hash->text, sb_text (text)) && state.is_current && state.is_whole;
}

static bool s_count (const sb_agent_field_t *field, void *context)
{
    cr_assert (field->is_current);
    cr_assert_eq (field->quality, SB_QUALITY_OK);
    cr_assert_eq (strlen (field->topic.data), field->topic.size);
    return --*(uint32_t *)context > 0;
}

Test (agent_copy, has_what_was_there_before_and_what_comes_after)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_commander_t *commander = sb_commander_new (sb_scene_command (scene));
    sb_agent_t *writer = s_agent (scene, "writer", NULL);
    char subject[20];
    for (int i = 0; i < 2000; i++) {
        snprintf (subject, sizeof subject, "s%d", i % 100);
        s_set (writer, subject, i % 3 ? "a" : "b", i, 0);
    }
    cr_assert (sb_agent_wait_decided (writer, SB_PATIENCE_MS));
    sb_agent_t *reader = s_agent (scene, "reader", "risk_metrics");
    for (int i = 0; i < 2000; i++) {
        snprintf (subject, sizeof subject, "s%d", i % 150);
        s_set (writer, subject, i % 5 ? "a" : "c", -i, 0);
    }
    s_set (writer, "", "last", 1, 0);
    cr_assert (sb_agent_wait_current (reader, SB_PATIENCE_MS));
    s_await_number (reader, "risk_metrics.writer.", "last", 1);
    s_wanted_t wanted = {.agent = reader, .commander = commander};
    cr_assert (sb_wait_until (s_has_hash, &wanted, SB_PATIENCE_MS), "the broker's state hash is another one");
    uint32_t left = UINT32_MAX, few = 3;
    sb_agent_copy_state_t state;
    sb_agent_copy_state (reader, &state);
    cr_assert_eq (state.topics, 151);
    cr_assert_eq (sb_agent_copy_visit (reader, NULL, s_count, &left), state.fields);
    cr_assert_eq (sb_agent_copy_visit (reader, "risk_metrics.writer.s1", s_count, &few), 3);
    sb_agent_destroy (&reader, 0);
    sb_agent_destroy (&writer, 0);
    sb_commander_destroy (&commander);
    sb_scene_destroy (&scene);
}

Test (agent_copy, a_field_with_a_time_to_live_goes_unless_it_is_written_again)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_commander_t *commander = sb_commander_new (sb_scene_command (scene));
    sb_agent_t *writer = s_agent (scene, "writer", NULL);
    sb_agent_t *reader = s_agent (scene, "reader", "risk_metrics");
    s_set (writer, "", "short", 1, 500);
    s_set (writer, "", "kept", 1, 500);
    s_set (writer, "", "kept", 1, 0);
    s_await_number (reader, "risk_metrics.writer.", "short", 1);
    s_await_number (reader, "risk_metrics.writer.", "short", NAN);
    cr_assert_eq (sb_agent_copy_number (reader, "risk_metrics.writer.", "kept", NAN), 1);
    s_wanted_t wanted = {.agent = reader, .commander = commander};
    cr_assert (sb_wait_until (s_has_hash, &wanted, SB_PATIENCE_MS), "the broker's state hash is another one");
    sb_agent_destroy (&reader, 0);
    sb_agent_destroy (&writer, 0);
    sb_commander_destroy (&commander);
    sb_scene_destroy (&scene);
}

Test (agent_copy, is_the_new_brokers_after_it_began_anew)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_agent_t *writer = s_agent (scene, "writer", NULL);
    sb_agent_t *gone = s_agent (scene, "gone", NULL);
    sb_agent_t *reader = s_agent (scene, "reader", "risk_metrics");
    s_set (writer, "", "stays", 1, 0);
    s_set (writer, "", "expired", 2, 300);
    s_set (gone, "", "lost", 3, 0);
    s_await_number (reader, "risk_metrics.gone.", "lost", 3);
    s_await_number (reader, "risk_metrics.writer.", "stays", 1);
    sb_agent_destroy (&gone, 0);
    s_await_number (reader, "risk_metrics.writer.", "expired", NAN);
    sb_process_signal (sb_scene_broker (scene), SIGKILL);
    cr_assert_eq (sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS), 128 + SIGKILL);
    sb_scene_restart_broker (scene, NULL);
    /* The writer delivers its whole state again; nobody does for the one that is gone. */
    s_await_number (reader, "risk_metrics.gone.", "lost", NAN);
    s_await_number (reader, "risk_metrics.writer.", "stays", 1);
    cr_assert (isnan (sb_agent_copy_number (reader, "risk_metrics.writer.", "expired", NAN)));
    sb_commander_t *commander = sb_commander_new (sb_scene_command (scene));
    s_wanted_t wanted = {.agent = reader, .commander = commander};
    cr_assert (sb_wait_until (s_has_hash, &wanted, SB_PATIENCE_MS), "the broker's state hash is another one");
    sb_agent_destroy (&reader, 0);
    sb_agent_destroy (&writer, 0);
    sb_commander_destroy (&commander);
    sb_scene_destroy (&scene);
}

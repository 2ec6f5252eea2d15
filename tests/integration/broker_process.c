/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbusd as a process: start, signals, configuration, what it does when disk or ports are taken, and that an
 * emergency stop outlives it.
 */
#define _GNU_SOURCE
#include "broker_stage.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

TestSuite (broker_process, .timeout = 90);

/* Runs syncbusd until it ends by itself; its output is in *output, to be freed. */
static int s_run (sb_scene_t *scene, const char *const *arguments, char **output)
{
    sb_process_t *process = sb_process_start ("syncbusd", arguments, sb_scene_path (scene, "run.out"));
    int exit_code = sb_process_wait (process, SB_PATIENCE_MS);
    *output = sb_process_output (process);
    sb_process_destroy (&process);
    return exit_code;
}

static int s_count_lines (const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

Test (broker_process, a_second_broker_on_the_same_endpoints_says_who_holds_them)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    const char *const arguments[] = {"--ingress",   sb_scene_ingress (stage.scene),
                                     "--publish",   "tcp://127.0.0.1:*",
                                     "--command",   "tcp://127.0.0.1:*",
                                     "--state-dir", sb_scene_path (stage.scene, "other"),
                                     NULL};
    char *output, holder[64];
    snprintf (holder, sizeof holder, "syncbusd (pid %d)", (int)sb_process_pid (sb_scene_broker (stage.scene)));
    cr_assert_eq (s_run (stage.scene, arguments, &output), 1, "%s", output);
    cr_assert (strstr (output, holder), "%s", output);
    cr_assert (strstr (output, "cannot bind ingress"), "%s", output);
    free (output);
    sb_stage_end (&stage);
}

Test (broker_process, a_second_broker_on_the_same_state_says_who_holds_it)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    char *directory = strdup (sb_scene_path (stage.scene, "ready"));
    *strrchr (directory, '/') = '\0';
    const char *const arguments[] = {"--ingress",         "tcp://127.0.0.1:*", "--publish",
                                     "tcp://127.0.0.1:*", "--command",         "tcp://127.0.0.1:*",
                                     "--state-dir",       directory,           NULL};
    char *output, holder[64];
    snprintf (holder, sizeof holder, "pid %d", (int)sb_process_pid (sb_scene_broker (stage.scene)));
    cr_assert_eq (s_run (stage.scene, arguments, &output), 1, "%s", output);
    cr_assert (strstr (output, holder) && strstr (output, "--state-dir"), "%s", output);
    free (output);
    free (directory);
    sb_stage_end (&stage);
}

Test (broker_process, an_unreadable_configuration_is_one_sentence_and_exit_code_2)
{
    sb_scene_t *scene = sb_scene_new ();
    char *output;
    const char *const missing[] = {"--config", sb_scene_path (scene, "missing.conf"), NULL};
    cr_assert_eq (s_run (scene, missing, &output), 2);
    cr_assert (strstr (output, "cannot read the configuration") && strstr (output, "No such file"), "%s", output);
    cr_assert_eq (s_count_lines (output), 1, "%s", output);
    free (output);
    sb_file_write (sb_scene_path (scene, "bad.conf"), "breaker\n    probes = 3\n    probs = 3\n");
    const char *const bad[] = {"--config", sb_scene_path (scene, "bad.conf"), NULL};
    cr_assert_eq (s_run (scene, bad, &output), 2);
    cr_assert (strstr (output, "bad.conf:3: breaker/probs: unknown key; did you mean breaker/probes?"), "%s", output);
    free (output);
    const char *const checked[] = {"--check-config", sb_scene_path (scene, "bad.conf"), NULL};
    cr_assert_eq (s_run (scene, checked, &output), 2);
    cr_assert (strstr (output, "bad.conf:3: "), "%s", output);
    free (output);
    sb_scene_destroy (&scene);
}

Test (broker_process, what_print_config_prints_check_config_finds_good)
{
    sb_scene_t *scene = sb_scene_new ();
    const char *const print[] = {"--print-config", NULL};
    const char *const check[] = {"--check-config", sb_scene_path (scene, "all.conf"), NULL};
    char *output;
    cr_assert_eq (s_run (scene, print, &output), 0);
    sb_file_write (sb_scene_path (scene, "all.conf"), output);
    free (output);
    cr_assert_eq (s_run (scene, check, &output), 0, "%s", output);
    free (output);
    sb_scene_destroy (&scene);
}

Test (broker_process, an_address_that_is_not_ours_is_one_sentence)
{
    sb_scene_t *scene = sb_scene_new ();
    const char *const arguments[] = {"--ingress", "tcp://192.0.2.1:5570", "--state-dir", sb_scene_path (scene, "state"),
                                     NULL};
    char *output;
    cr_assert_eq (s_run (scene, arguments, &output), 1);
    cr_assert (strstr (output, "this machine has no such address"), "%s", output);
    free (output);
    sb_scene_destroy (&scene);
}

Test (broker_process, a_ready_file_that_cannot_be_written_is_the_end)
{
    sb_scene_t *scene = sb_scene_new ();
    const char *const arguments[] = {"--ingress",
                                     "tcp://127.0.0.1:*",
                                     "--publish",
                                     "tcp://127.0.0.1:*",
                                     "--command",
                                     "tcp://127.0.0.1:*",
                                     "--state-dir",
                                     sb_scene_path (scene, "state"),
                                     "--ready-file",
                                     sb_scene_path (scene, "missing/ready"),
                                     NULL};
    char *output;
    cr_assert_eq (s_run (scene, arguments, &output), 1, "%s", output);
    cr_assert (strstr (output, "missing/ready cannot be written: No such file"), "%s", output);
    free (output);
    sb_scene_destroy (&scene);
}

static void s_assert_goodbye (int signal_number)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *other = sb_peer_join (sb_scene_ingress (stage.scene), "other", 1);
    sb_process_signal (sb_scene_broker (stage.scene), signal_number);
    sb_peer_t *const peers[] = {stage.good, other};
    for (int i = 0; i < 2; i++) {
        const sb_broker_message_t *message = sb_peer_await (peers[i], SB_BROKER_MESSAGE_GOODBYE);
        cr_assert (message, "agent %d heard no goodbye", i);
        cr_assert_eq (message->goodbye.reason, SB_REASON_BROKER_STOPPING);
    }
    cr_assert_eq (sb_process_wait (sb_scene_broker (stage.scene), SB_PATIENCE_MS), 0);
    cr_assert_neq (access (sb_scene_path (stage.scene, "ready"), F_OK), 0, "the ready file goes with the broker");
    sb_peer_destroy (&other);
    sb_peer_destroy (&stage.good);
    sb_commander_destroy (&stage.commander);
    sb_scene_destroy (&stage.scene);
}

Test (broker_process, sigterm_says_goodbye_to_every_agent)
{
    s_assert_goodbye (SIGTERM);
}

Test (broker_process, sigint_says_goodbye_to_every_agent)
{
    s_assert_goodbye (SIGINT);
}

/* CPU time that a program has used so far, all its threads. */
static int64_t s_cpu_ms (const sb_process_t *process)
{
    clockid_t clock;
    struct timespec used;
    cr_assert_eq (clock_getcpuclockid (sb_process_pid (process), &clock), 0);
    cr_assert_eq (clock_gettime (clock, &used), 0);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static bool s_has_used_20_ms_more (void *context)
{
    static int64_t before_ms = -1;
    const int64_t used_ms = s_cpu_ms (context);
    before_ms = before_ms < 0 ? used_ms : before_ms;
    return used_ms >= before_ms + 20;
}

Test (broker_process, busy_polling_looks_after_input_only_and_ends_at_sigterm)
{
    const char *const arguments[] = {"--network-busy-poll", "1s", NULL};
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, arguments);
    sb_process_t *broker = sb_scene_broker (scene);
    sb_subscriber_t *beats = sb_subscriber_new (sb_scene_publish (scene), "_beat..");
    int64_t before_ms = 0;
    for (int i = 0; i < 5; i++) { /* to subscribe was input: up to the beat after it the broker may look for more */
        cr_assert (sb_subscriber_receive (beats, SB_PATIENCE_MS));
        before_ms = i == 1 ? s_cpu_ms (broker) : before_ms;
    }
    const int64_t used_ms = s_cpu_ms (broker) - before_ms;
    cr_expect_lt (used_ms, 300, "%ld ms of CPU in 3 s without input", (long)used_ms);

    sb_commander_t *commander = sb_commander_new (sb_scene_command (scene));
    cr_assert_not (s_has_used_20_ms_more (broker));
    sb_commander_do (commander, "status", NULL);
    cr_expect (sb_wait_until (s_has_used_20_ms_more, broker, 900), "it does not look for more after input");
    sb_commander_do (commander, "status", NULL);
    sb_process_signal (broker, SIGTERM);
    cr_expect_eq (sb_process_wait (broker, SB_PATIENCE_MS), 0);
    sb_commander_destroy (&commander);
    sb_subscriber_destroy (&beats);
    sb_scene_destroy (&scene);
}

Test (broker_process, sighup_applies_what_it_can_says_what_it_cannot_and_keeps_the_old_on_a_bad_file)
{
    sb_scene_t *unused = sb_scene_new ();
    const char *path = sb_scene_path (unused, "syncbusd.conf");
    const char *const arguments[] = {"--config", path, NULL};
    sb_file_write (path, "emergency_stop\n    admit = \"\"\n");
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_process_t *broker = sb_scene_broker (stage.scene);

    sb_file_write (path, "emergency_stop\n    admit = market_data\nlimits\n    agents = 7\n");
    sb_process_signal (broker, SIGHUP);
    cr_assert (sb_process_says (broker, "RELOAD: limits/agents can only be changed by a restart", SB_PATIENCE_MS));
    cr_assert (sb_process_says (broker, "the configuration was reloaded", SB_PATIENCE_MS));
    const sb_command_reply_t *reply = sb_commander_do (stage.commander, "emergency_stop", NULL);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE, "market_data is admitted now");

    sb_file_write (path, "emergency_stop\n    admit = NONSENSE\n");
    sb_process_signal (broker, SIGHUP);
    cr_assert (sb_process_says (broker, "syncbusd.conf:2: emergency_stop/admit", SB_PATIENCE_MS));
    cr_assert (sb_process_says (broker, "the old one stays in force", SB_PATIENCE_MS));
    sb_scene_destroy (&unused);
    sb_stage_end (&stage);
}

/* An integer or flag of the record that history of market_data has, asked from `after` on. */
static int64_t s_history (sb_stage_t *stage, const char *column, int64_t after)
{
    sb_parameter_t parameters[] = {
        {sb_text ("category"), {.kind = SB_VALUE_TEXT, .text = sb_text ("market_data")}},
        {sb_text ("after"), {.kind = SB_VALUE_INTEGER, .integer = after}},
    };
    sb_command_request_t request = sb_commander_request ("history", NULL);
    request.parameters = parameters;
    request.parameter_count = 2;
    const sb_command_reply_t *reply = sb_commander_ask (stage->commander, &request);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    cr_assert_eq (reply->record_count, 1);
    for (uint32_t i = 0; i < reply->records[0].column_count; i++) {
        const sb_parameter_t *found = &reply->records[0].columns[i];
        if (sb_text_equal (found->name, sb_text (column)))
            return found->value.kind == SB_VALUE_BOOLEAN ? found->value.boolean : found->value.integer;
    }
    cr_assert_fail ("no column %s", column);
    return 0;
}

static bool s_keeps_nothing (void *context)
{
    return s_history (context, "oldest", 0) == 0;
}

Test (broker_process, history_keeps_to_its_bounds_and_sighup_changes_them)
{
    sb_scene_t *unused = sb_scene_new ();
    const char *path = sb_scene_path (unused, "syncbusd.conf");
    const char *const arguments[] = {"--config", path, NULL};
    sb_file_write (path, "history\n    category = \"market_data 3 64 KiB 1 h\"\nhealth\n    tick_interval = 100 ms\n");
    sb_stage_t stage = sb_stage_begin (arguments);
    for (int i = 0; i < 5; i++)
        cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE);
    int64_t head = s_history (&stage, "head", 0);
    cr_assert_geq (head, 5);
    cr_assert_eq (s_history (&stage, "oldest", 0), head - 2);
    cr_assert (s_history (&stage, "evicted", head - 4));
    cr_assert_not (s_history (&stage, "evicted", head - 3));
    cr_assert (s_history (&stage, "end", head - 4));

    sb_file_write (path, "history\n    category = \"market_data 3 64 KiB 1 ms\"\nhealth\n    tick_interval = 100 ms\n");
    sb_process_signal (sb_scene_broker (stage.scene), SIGHUP);
    cr_assert (sb_wait_until (s_keeps_nothing, &stage, SB_PATIENCE_MS), "nothing has come of age");
    cr_assert (s_history (&stage, "evicted", head - 1));
    cr_assert_not (s_history (&stage, "evicted", head));

    sb_file_write (path, "history\n    category = \"market_data 3 64 GiB\"\n");
    sb_process_signal (sb_scene_broker (stage.scene), SIGHUP);
    cr_assert (sb_process_says (sb_scene_broker (stage.scene), "keeps more octets than history/bytes", SB_PATIENCE_MS));
    sb_scene_destroy (&unused);
    sb_stage_end (&stage);
}

Test (broker_process, sighup_opens_a_rotated_log_anew)
{
    sb_scene_t *folder = sb_scene_new ();
    const char *path = sb_scene_path (folder, "log");
    const char *const arguments[] = {"--log-file", path, "--log-format", "json", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    cr_assert_eq (rename (path, sb_scene_path (folder, "log.1")), 0);
    sb_process_signal (sb_scene_broker (stage.scene), SIGHUP);
    while (access (path, F_OK) != 0)
        cr_assert_eq (sb_commander_do (stage.commander, "status", NULL)->code, SB_REASON_NONE);
    sb_stage_end (&stage);
    char *text = sb_file_read (path);
    cr_assert (strstr (text, "\"event\":\"RELOAD\""), "%s", text);
    free (text);
    sb_scene_destroy (&folder);
}

Test (broker_process, a_full_disk_for_log_and_audit_stops_nothing)
{
    static const char *const arguments[] = {"--log-file", "/dev/full", "--audit-file", "/dev/full", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    cr_assert_eq (sb_commander_do (stage.commander, "pause_agent", "good")->code, SB_REASON_NONE);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_PAUSED);
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "good")->code, SB_REASON_NONE);
    sb_process_t *broker = sb_scene_broker (stage.scene);
    cr_assert (
        sb_process_says (broker, "the log /dev/full cannot be written: No space left on device", SB_PATIENCE_MS));
    cr_assert (sb_process_says (broker, "the audit log /dev/full cannot be written", SB_PATIENCE_MS));
    sb_stage_await_status (&stage, "log_lines_lost", 3);
    sb_stage_end (&stage);
}

Test (broker_process, every_command_is_in_the_audit_log)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    cr_assert_eq (sb_commander_do (stage.commander, "pause_agent", "good")->code, SB_REASON_NONE);
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "good")->code, SB_REASON_NONE);
    cr_assert_eq (sb_commander_do (stage.commander, "pause_agent", "nobody")->code, SB_REASON_UNKNOWN_AGENT);
    char *text = sb_file_read (sb_scene_path (stage.scene, "audit.jsonl"));
    cr_assert (text);
    cr_assert (strstr (text, "\"command\":\"pause_agent\",\"agent\":\"good\",\"issuer\":\"test\""), "%s", text);
    cr_assert (strstr (text, "\"command\":\"resume_agent\""), "%s", text);
    cr_assert (strstr (text, "\"code\":\"UNKNOWN_AGENT\""), "%s", text);
    free (text);
    sb_stage_end (&stage);
}

/* Kills the broker and starts it again on the same ports and state; the good agent joins again as the instance it was.
 */
static void s_kill_and_restart (sb_stage_t *stage)
{
    sb_process_signal (sb_scene_broker (stage->scene), SIGKILL);
    cr_assert_eq (sb_process_wait (sb_scene_broker (stage->scene), SB_PATIENCE_MS), 128 + SIGKILL);
    sb_peer_destroy (&stage->good);
    sb_scene_restart_broker (stage->scene, NULL);
    stage->good = sb_peer_join (sb_scene_ingress (stage->scene), "good", 2);
    stage->good_sequence = 0;
}

static void s_clear (sb_stage_t *stage, int64_t latch_epoch)
{
    const sb_parameter_t parameter = {.name = sb_text ("latch_epoch"),
                                      .value = {.kind = SB_VALUE_INTEGER, .integer = latch_epoch}};
    sb_command_request_t request = sb_commander_request ("emergency_clear", NULL);
    request.parameters = &parameter;
    request.parameter_count = 1;
    cr_assert_eq (sb_commander_ask (stage->commander, &request)->code, SB_REASON_NONE);
}

Test (broker_process, killed_right_after_the_reply_it_comes_back_stopped_and_paused)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    const int64_t epoch = sb_stage_status (&stage, "epoch");
    cr_assert_eq (sb_commander_do (stage.commander, "pause_agent", "good")->code, SB_REASON_NONE);
    cr_assert_eq (sb_commander_do (stage.commander, "emergency_stop", NULL)->code, SB_REASON_NONE);
    s_kill_and_restart (&stage);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_EMERGENCY_STOPPED);
    cr_assert_eq (sb_stage_status (&stage, "epoch"), epoch + 1);
    s_clear (&stage, sb_stage_status (&stage, "latch_epoch"));
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_PAUSED, "clearing leaves the paused paused");
    cr_assert_eq (sb_commander_do (stage.commander, "resume_agent", "good")->code, SB_REASON_NONE);
    sb_stage_end (&stage);
}

Test (broker_process, a_damaged_control_state_starts_stopped_and_says_what_to_do)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_file_write (sb_scene_path (stage.scene, "control"), "syncbus-control 1\nepoch 1");
    s_kill_and_restart (&stage);
    cr_assert (
        sb_process_says (sb_scene_broker (stage.scene), "syncbus emergency_clear --latch-epoch", SB_PATIENCE_MS));
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_EMERGENCY_STOPPED);
    s_clear (&stage, sb_stage_status (&stage, "latch_epoch"));
    sb_stage_end (&stage);
}

Test (broker_process, held_up_for_longer_than_agents_may_be_silent_it_declares_nobody_dead)
{
    enum { BEATS = 40 }; /* 4 s: more than the 8 intervals after which silence is death */
    const struct timespec pause = {.tv_nsec = 100 * 1000000L};
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *beating = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_send (beating, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_REGISTRATION,
                                                 .registration = {.protocol = SB_PROTOCOL,
                                                                  .agent_id = sb_text ("beating"),
                                                                  .instance_id = 1,
                                                                  .next_sequence = 1,
                                                                  .heartbeat_interval_ms = 400}});
    cr_assert (sb_peer_await (beating, SB_BROKER_MESSAGE_WELCOME));
    sb_peer_send_heartbeat (beating);
    cr_assert (sb_peer_await (beating, SB_BROKER_MESSAGE_HEARTBEAT_ACK));
    sb_process_signal (sb_scene_broker (stage.scene), SIGSTOP);
    for (int i = 0; i < BEATS; i++) {
        nanosleep (&pause, NULL);
        sb_peer_send_heartbeat (beating);
    }
    sb_process_signal (sb_scene_broker (stage.scene), SIGCONT);
    sb_peer_send_heartbeat (beating);
    sb_text_t liveness = sb_stage_agent (&stage, "beating", "liveness");
    cr_assert (sb_text_equal (liveness, sb_text ("LIVE")), "%.*s", (int)liveness.size, liveness.data);
    cr_assert_eq (sb_stage_status (&stage, "mistaken_suspects"), 0);
    cr_assert_eq (sb_stage_status (&stage, "agents_dead"), 0);
    sb_peer_destroy (&beating);
    sb_stage_end (&stage);
}

Test (broker_process, after_a_hold_up_input_is_handled_before_the_clock_is_heeded)
{
    enum { BATCHES = 200, DELTAS = 200 };
    const struct timespec pause = {.tv_nsec = 100 * 1000000L};
    static sb_delta_t deltas[DELTAS];
    sb_change_t change = {.name = sb_text ("price"), .value = {.kind = SB_VALUE_INTEGER, .integer = 1}};
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *busy = sb_peer_join (sb_scene_ingress (stage.scene), "busy", 1);
    sb_subscriber_t *subscriber = sb_subscriber_new (sb_scene_publish (stage.scene), "");
    const sb_publication_t *publication;
    do
        publication = sb_subscriber_receive (subscriber, SB_PATIENCE_MS);
    while (publication && !sb_text_equal (publication->topic, sb_text ("_beat..")));
    cr_assert (publication, "no beat came");
    sb_process_signal (sb_scene_broker (stage.scene), SIGSTOP);
    for (uint64_t i = 0; i < BATCHES; i++) {
        for (uint64_t n = 0; n < DELTAS; n++)
            deltas[n] = (sb_delta_t){.category = sb_text ("trades"),
                                     .update = {.sequence = i * DELTAS + n + 1, .changes = &change, .change_count = 1}};
        sb_peer_send (busy, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH,
                                                  .batch = {.deltas = deltas, .delta_count = DELTAS}});
    }
    for (int i = 0; i < 15; i++)
        nanosleep (&pause, NULL);
    sb_process_signal (sb_scene_broker (stage.scene), SIGCONT);
    uint32_t updates = 0;
    for (bool has_beat = false; !has_beat;) {
        publication = sb_subscriber_receive (subscriber, SB_PATIENCE_MS);
        cr_assert (publication);
        has_beat = sb_text_equal (publication->topic, sb_text ("_beat.."));
        updates += sb_text_equal (publication->topic, sb_text ("trades.busy.")) ? publication->update_count : 0;
    }
    cr_assert_eq (updates, BATCHES * DELTAS, "only %u of %d were handled before the beat", updates, BATCHES * DELTAS);
    sb_subscriber_destroy (&subscriber);
    sb_peer_destroy (&busy);
    sb_stage_end (&stage);
}

/* Holds the broker up for 250 ms while a field expires, then sends without a pause until it acknowledges something.
 * Returns how long that took. */
static int64_t s_await_ack_after_a_hold_up_ms (const sb_stage_t *stage, sb_peer_t *busy, uint64_t *sequence)
{
    const struct timespec pause = {.tv_nsec = 250 * 1000000L};
    const sb_change_t change = {.name = sb_text ("short"), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}};
    const sb_delta_t delta = {.category = sb_text ("market_data"),
                              .time_to_live_ms = 100,
                              .update = {.sequence = (*sequence)++, .changes = &change, .change_count = 1}};
    struct timespec start, end;
    while (sb_peer_receive (busy, 50))
        continue;
    sb_peer_send (busy,
                  &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = &delta, .delta_count = 1}});
    cr_assert (sb_peer_await (busy, SB_BROKER_MESSAGE_ACK));
    sb_process_signal (sb_scene_broker (stage->scene), SIGSTOP);
    nanosleep (&pause, NULL);
    sb_process_signal (sb_scene_broker (stage->scene), SIGCONT);
    clock_gettime (CLOCK_MONOTONIC, &start);
    const sb_broker_message_t *message = NULL;
    for (int i = 0; i < 2000 && !(message && message->kind == SB_BROKER_MESSAGE_ACK); i++) {
        sb_peer_send_number (busy, (*sequence)++, "market_data", "BTC", "price", (double)i);
        message = sb_peer_receive (busy, 2);
    }
    clock_gettime (CLOCK_MONOTONIC, &end);
    cr_assert (message && message->kind == SB_BROKER_MESSAGE_ACK);
    return (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
}

Test (broker_process, after_a_hold_up_a_stream_that_never_goes_quiet_does_not_hold_up_acks)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *busy = sb_peer_join (sb_scene_ingress (stage.scene), "busy", 1);
    uint64_t sequence = 1;
    int64_t best_ms = INT64_MAX;
    for (int i = 0; i < 5 && best_ms >= 500; i++) { /* the machine may be slow, but not always by so much */
        int64_t waited_ms = s_await_ack_after_a_hold_up_ms (&stage, busy, &sequence);
        best_ms = waited_ms < best_ms ? waited_ms : best_ms;
    }
    cr_assert_lt (best_ms, 500);
    sb_peer_destroy (&busy);
    sb_stage_end (&stage);
}

Test (broker_process, what_agents_send_reaches_subscribers)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_subscriber_t *subscriber = sb_subscriber_new (sb_scene_publish (stage.scene), "market_data.good.");
    const sb_publication_t *publication = NULL;
    for (int i = 0; i < 200 && !publication; i++) {
        cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE);
        publication = sb_subscriber_receive (subscriber, 50);
    }
    cr_assert (publication, "nothing came");
    cr_assert (sb_text_equal (publication->topic, sb_text ("market_data.good.BTC")));
    cr_assert_eq (publication->update_count, 1);
    cr_assert (sb_text_equal (publication->updates[0].changes[0].name, sb_text ("price")));
    sb_subscriber_destroy (&subscriber);
    sb_stage_end (&stage);
}

Test (broker_process, short_of_file_descriptors_it_alarms_and_turns_new_agents_away)
{
    enum { CONNECTIONS = 45, LIMIT = 160 };
    const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};
    cr_assert_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_process_t *broker = sb_scene_broker (stage.scene);
    cr_assert (sb_process_says (broker, "file descriptors bears 32 agents", SB_PATIENCE_MS));
    void *context = zmq_ctx_new ();
    void *crowd = zmq_socket (context, ZMQ_ROUTER); /* a DEALER connects to an endpoint once */
    zmq_setsockopt (crowd, ZMQ_LINGER, &(int){0}, sizeof (int));
    for (int i = 0; i < CONNECTIONS; i++)
        cr_assert_eq (zmq_connect (crowd, sb_scene_ingress (stage.scene)), 0);
    cr_assert (sb_process_says (broker, "new agents are refused until some are free", SB_PATIENCE_MS));
    sb_peer_t *late = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_register (late, "late", 1, NULL);
    cr_assert_eq (sb_peer_await_refusal (late), SB_REASON_TOO_MANY_AGENTS);
    cr_assert_eq (sb_stage_good_delta (&stage), SB_REASON_NONE);
    zmq_close (crowd);
    zmq_ctx_term (context);
    cr_assert (sb_process_says (broker, "there are file descriptors again", SB_PATIENCE_MS));
    sb_peer_register (late, "late", 1, NULL);
    cr_assert (sb_peer_await (late, SB_BROKER_MESSAGE_WELCOME));
    sb_peer_destroy (&late);
    sb_stage_end (&stage);
}

static bool s_session_is_lost (void *context)
{
    sb_stage_t *stage = context;
    sb_commander_do (stage->commander, "pause_agent", "gone");
    sb_commander_do (stage->commander, "resume_agent", "gone");
    return sb_stage_status (stage, "sessions_lost") == 1;
}

Test (broker_process, a_send_to_an_agent_that_is_gone_ends_its_session)
{
    sb_stage_t stage = sb_stage_begin (NULL);
    sb_peer_t *gone = sb_peer_join (sb_scene_ingress (stage.scene), "gone", 1);
    cr_assert_eq (sb_stage_status (&stage, "sessions"), 2);
    sb_peer_destroy (&gone);
    cr_assert (sb_wait_until (s_session_is_lost, &stage, SB_PATIENCE_MS));
    cr_assert_eq (sb_stage_status (&stage, "sessions"), 1);
    sb_stage_end (&stage);
}

Test (broker_process, wider_than_loopback_is_warned_about)
{
    static const char *const arguments[] = {"--publish", "tcp://*:*", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_process_t *broker = sb_scene_broker (stage.scene);
    cr_assert (sb_process_says (broker, "SECURITY_OFF: publish is bound to tcp://0.0.0.0:", SB_PATIENCE_MS));
    char *output = sb_process_output (broker);
    cr_assert_null (strstr (output, "SECURITY_OFF: ingress"));
    free (output);
    sb_peer_t *peer = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_register (peer, "other", 1, NULL);
    const sb_broker_message_t *message = sb_peer_await (peer, SB_BROKER_MESSAGE_WELCOME);
    cr_assert (message);
    cr_assert (memmem (message->welcome.publish_endpoint.data, message->welcome.publish_endpoint.size, "tcp://*:", 8),
               "the agent is told to use the host that it used for ingress");
    sb_peer_destroy (&peer);
    sb_stage_end (&stage);
}

Test (broker_process, the_advertised_host_is_what_agents_are_told)
{
    static const char *const arguments[] = {"--advertise", "bus.example.org", NULL};
    sb_stage_t stage = sb_stage_begin (arguments);
    sb_peer_t *peer = sb_peer_new (sb_scene_ingress (stage.scene), NULL);
    sb_peer_register (peer, "other", 1, NULL);
    const sb_broker_message_t *message = sb_peer_await (peer, SB_BROKER_MESSAGE_WELCOME);
    cr_assert (message);
    char expected[128];
    snprintf (expected, sizeof expected, "tcp://bus.example.org%s", strrchr (sb_scene_publish (stage.scene), ':'));
    cr_assert (sb_text_equal (message->welcome.publish_endpoint, sb_text (expected)));
    sb_peer_destroy (&peer);
    sb_stage_end (&stage);
}

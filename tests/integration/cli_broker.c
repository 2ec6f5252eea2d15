/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line against a real broker: publish, read, pause, stop, follow, page, over a restart too.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { WORDS_MAX = 24, TEXT_SIZE = 256 };

static char *s_output; /* of the last run: standard output and error */

static sb_process_t *s_start (sb_scene_t *scene, const char *name, const char *const *words)
{
    const char *arguments[WORDS_MAX + 8] = {"--endpoint",         sb_scene_command (scene),
                                            "--publish-endpoint", sb_scene_publish (scene),
                                            "--ingress-endpoint", sb_scene_ingress (scene)};
    for (int i = 0; words[i]; i++)
        arguments[6 + i] = words[i];
    return sb_process_start ("syncbus", arguments, sb_scene_path (scene, name));
}

/* Runs to the end; returns the exit code, with the output in s_output. */
static int s_run (sb_scene_t *scene, const char *const *words)
{
    sb_process_t *process = s_start (scene, "run.out", words);
    int code = sb_process_wait (process, SB_PATIENCE_MS);
    free (s_output);
    s_output = sb_process_output (process);
    sb_process_destroy (&process);
    return code;
}

#define RUN(scene, ...)         s_run (scene, (const char *[]){__VA_ARGS__, NULL})
#define START(scene, name, ...) s_start (scene, name, (const char *[]){__VA_ARGS__, NULL})
#define SAYS(text)              cr_expect_not_null (strstr (s_output, text), "no \"%s\" in:\n%s", text, s_output)

static uint32_t s_count (const char *text, const char *part)
{
    uint32_t count = 0;
    while ((text = strstr (text, part)) != NULL) {
        text += strlen (part);
        count++;
    }
    return count;
}

Test (cli, what_was_published_is_read_back_exactly, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    cr_expect_eq (RUN (scene, "status"), 0);
    SAYS ("stopped");
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "market_data", "spot:BTC", "price=1.5", "size=3",
                       "exact=decimal:64250.10", "live=true", "raw=base64:AAEC", "note=text:42", "gone=1"),
                  0, "%s", s_output);
    SAYS ("1 accepted");
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "market_data", "spot:BTC", "gone=null"), 0);
    cr_expect_eq (RUN (scene, "get", "market_data", "me", "spot:BTC", "--json"), 0);
    SAYS ("\"name\":\"price\",\"value\":1.5,");
    SAYS ("\"name\":\"size\",\"value\":3,");
    SAYS ("\"name\":\"exact\",\"value\":\"64250.10\",");
    SAYS ("\"name\":\"live\",\"value\":true,");
    SAYS ("\"name\":\"raw\",\"value\":{\"base64\":\"AAEC\"},");
    SAYS ("\"name\":\"note\",\"value\":\"42\",");
    cr_expect_null (strstr (s_output, "\"gone\""), "a second run adds to the first and deletes what it says");
    cr_expect_eq (RUN (scene, "history", "market_data", "--json"), 0);
    SAYS ("\"gone\":null");
    cr_expect_eq (RUN (scene, "get", "system_health"), 0);
    cr_expect_eq (RUN (scene, "list-agents"), 0);
    SAYS ("me ");
    cr_expect_eq (RUN (scene, "history", "nothing_there"), 1);
    SAYS ("UNKNOWN_CATEGORY");
    sb_scene_destroy (&scene);
}

Test (cli, pause_is_refused_by_name_and_resume_ends_it, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    RUN (scene, "pub", "--agent", "me", "notes", "a=1");
    cr_expect_eq (RUN (scene, "pause-agent", "me", "--reason", "test"), 0);
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "notes", "a=2"), 1);
    SAYS ("PAUSED");
    cr_expect_eq (RUN (scene, "resume_agent", "me"), 0);
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "notes", "a=3"), 0);
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "Notes", "a=3"), 1);
    SAYS ("BAD_CATEGORY");
    cr_expect_eq (RUN (scene, "pause_agent", "nobody"), 1);
    SAYS ("UNKNOWN_AGENT");
    cr_expect_eq (RUN (scene, "events", "me"), 0);
    SAYS ("OPERATOR");
    sb_scene_destroy (&scene);
}

/* A file of `count` JSON lines, numbered from `first`. */
static void s_write_lines (const char *path, uint32_t first, uint32_t count)
{
    FILE *file = fopen (path, "w");
    cr_assert_not_null (file);
    for (uint32_t i = first; i < first + count; i++)
        fprintf (file, "{\"category\":\"trades\",\"changes\":{\"n\":%u}}\n", i);
    fclose (file);
}

/* Publishes lines.1, waits for the file `go`, publishes lines.2. */
static sb_process_t *s_start_publisher (sb_scene_t *scene)
{
    char script[4 * TEXT_SIZE + 4096];
    snprintf (
        script, sizeof (script),
        "(cat '%s'; while [ ! -e '%s' ]; do sleep 0.02; done; cat '%s') | '%s' pub --ingress-endpoint %s --agent me - ",
        sb_scene_path (scene, "lines.1"), sb_scene_path (scene, "go"), sb_scene_path (scene, "lines.2"),
        sb_program_path ("syncbus"), sb_scene_ingress (scene));
    return sb_process_start ("sh", (const char *[]){"-c", script, NULL}, sb_scene_path (scene, "publisher.out"));
}

/* A number among the members of `status --json`. */
static bool s_status_has (sb_scene_t *scene, const char *member)
{
    return RUN (scene, "status", "--json") == 0 && strstr (s_output, member);
}

static bool s_has_5000 (void *context)
{
    return s_status_has (context, "\"deltas_accepted\":5000,");
}

Test (cli, lines_are_published_once_each_over_a_restart_of_the_broker, .timeout = 90)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    s_write_lines (sb_scene_path (scene, "lines.1"), 1, 5000);
    s_write_lines (sb_scene_path (scene, "lines.2"), 5001, 2000);
    sb_process_t *publisher = s_start_publisher (scene);
    cr_assert (sb_wait_until (s_has_5000, scene, SB_PATIENCE_MS), "%s", s_output);
    sb_process_signal (sb_scene_broker (scene), SIGKILL);
    sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS);
    sb_scene_restart_broker (scene, NULL);
    sb_file_write (sb_scene_path (scene, "go"), "");
    cr_expect_eq (sb_process_wait (publisher, SB_PATIENCE_MS), 0);
    char *output = sb_process_output (publisher);
    cr_expect_not_null (strstr (output, "7,000 accepted\n"), "%s", output);
    free (output);
    cr_expect (s_status_has (scene, "\"deltas_accepted\":2000,"), "%s", s_output);
    cr_expect_eq (RUN (scene, "history", "trades", "--last", "5000", "--json"), 0);
    cr_expect_eq (s_count (s_output, "\"changes\":{\"n\":"), 2000);
    sb_process_destroy (&publisher);
    sb_scene_destroy (&scene);
}

Test (cli, bad_lines_are_named_and_the_others_go_through, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_file_write (sb_scene_path (scene, "lines.1"), "{\"category\":\"notes\",\"changes\":{\"a\":1}}\n\n{\"changes\":\n"
                                                     "{\"category\":\"Notes\",\"changes\":{\"a\":1}}\n");
    sb_file_write (sb_scene_path (scene, "lines.2"), "{\"category\":\"notes\",\"changes\":{\"a\":2}}");
    sb_file_write (sb_scene_path (scene, "go"), "");
    sb_process_t *publisher = s_start_publisher (scene);
    cr_expect_eq (sb_process_wait (publisher, SB_PATIENCE_MS), 1);
    char *output = sb_process_output (publisher);
    cr_expect_not_null (strstr (output, "line 3: octet 12: "), "%s", output);
    cr_expect_not_null (strstr (output, "line 4: BAD_CATEGORY"), "%s", output);
    cr_expect_not_null (strstr (output, "2 accepted, 2 refused\n"), "%s", output);
    free (output);
    sb_process_destroy (&publisher);
    sb_scene_destroy (&scene);
}

Test (cli, an_exact_topic_is_exact, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_process_t *exact = START (scene, "exact.out", "sub", "market_data.me.spot:BTC", "_beat");
    sb_process_t *prefix = START (scene, "prefix.out", "sub", "market_data.me", "_beat");
    /* A beat that arrives shows that the subscriptions before it hold. */
    cr_assert (sb_process_says (exact, "\"_beat..\"", SB_PATIENCE_MS));
    cr_assert (sb_process_says (prefix, "\"_beat..\"", SB_PATIENCE_MS));
    RUN (scene, "pub", "--agent", "me", "market_data", "spot:BTCUSDT", "a=1");
    RUN (scene, "pub", "--agent", "me", "market_data", "spot:BTC", "a=1");
    cr_expect (sb_process_says (exact, "\"topic\":\"market_data.me.spot:BTC\"", SB_PATIENCE_MS));
    cr_expect (sb_process_says (prefix, "\"topic\":\"market_data.me.spot:BTC\"", SB_PATIENCE_MS));
    char *output = sb_process_output (exact);
    cr_expect_null (strstr (output, "BTCUSDT"), "%s", output);
    free (output);
    output = sb_process_output (prefix);
    cr_expect_not_null (strstr (output, "BTCUSDT"), "%s", output);
    free (output);
    sb_process_signal (exact, SIGINT);
    cr_expect_eq (sb_process_wait (exact, SB_PATIENCE_MS), 0);
    sb_process_destroy (&exact);
    sb_process_destroy (&prefix);
    sb_scene_destroy (&scene);
}

Test (cli, sub_ends_by_count_and_by_time, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    cr_expect_eq (RUN (scene, "sub", "_beat", "--count", "2"), 0);
    cr_expect_eq (s_count (s_output, "\n"), 2);
    cr_expect_eq (RUN (scene, "sub", "nothing_there", "--seconds", "0.2"), 0);
    cr_expect_str_eq (s_output, "");
    sb_scene_destroy (&scene);
}

/* Arguments for a broker that conflates so many prefixes. Valid until the next call. */
static const char *const *s_conflations (sb_scene_t *scene, uint32_t most)
{
    static const char *arguments[3] = {"--config"};
    char text[TEXT_SIZE];
    snprintf (text, sizeof (text), "limits\n    conflations = %u\n", most);
    arguments[1] = sb_scene_path (scene, "broker.conf");
    sb_file_write (arguments[1], text);
    return arguments;
}

/* The broker is gone, and another one with these arguments stands in its place. */
static void s_replace_broker (sb_scene_t *scene, const char *const *arguments)
{
    sb_process_signal (sb_scene_broker (scene), SIGKILL);
    sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS);
    sb_scene_restart_broker (scene, arguments);
}

Test (cli, sub_that_the_broker_does_not_conflate_is_1_and_names_the_fix, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, s_conflations (scene, 1));
    sb_process_t *first = START (scene, "first.out", "sub", "--conflate", "100", "_beat");
    cr_expect (sb_process_says (first, "\"conflated_ms\":100", SB_PATIENCE_MS));
    cr_expect_eq (RUN (scene, "sub", "--conflate", "200", "market_data.me.spot:BTC", "notes"), 1, "%s", s_output);
    SAYS ("does not conflate market_data.me.spot:BTC at 200 ms");
    SAYS ("does not conflate notes. at 200 ms");
    SAYS ("raise limits/conflations");
    SAYS ("without --conflate");
    cr_expect_eq (RUN (scene, "sub", "~conflated.100.all"), 1, "%s", s_output);
    SAYS ("does not conflate all at 100 ms");
    cr_expect_eq (RUN (scene, "sub", "--conflate", "100", "_beat", "--count", "2"), 0, "%s", s_output);
    cr_expect_eq (s_count (s_output, "\n"), 2, "what another asks for in the same words is in force: %s", s_output);
    sb_process_signal (first, SIGINT);
    cr_expect_eq (sb_process_wait (first, SB_PATIENCE_MS), 0);
    sb_process_destroy (&first);
    sb_scene_destroy (&scene);
}

Test (cli, sub_that_a_later_broker_does_not_conflate_is_1, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_process_t *reader = START (scene, "reader.out", "sub", "--conflate", "50", "_beat");
    cr_assert (sb_process_says (reader, "\"conflated_ms\":50", SB_PATIENCE_MS));
    s_replace_broker (scene, NULL);
    cr_assert (sb_process_says (reader, "is back", SB_PATIENCE_MS));
    cr_expect_eq (sb_process_wait (reader, 300), -1, "the new one conflates it too");
    s_replace_broker (scene, s_conflations (scene, 0));
    cr_expect_eq (sb_process_wait (reader, SB_PATIENCE_MS), 1);
    char *output = sb_process_output (reader);
    cr_expect_not_null (strstr (output, "does not conflate _beat. at 50 ms"), "%s", output);
    cr_expect_null (strstr (output, "~join"), "%s", output);
    free (output);
    sb_process_destroy (&reader);
    sb_scene_destroy (&scene);
}

/* Checks that events stand one after the other from the first on; returns how many stood since the last 1. */
static uint32_t s_check_follow (const char *output)
{
    static const char member[] = "\"category_sequence\":";
    uint64_t last = 0;
    for (const char *place = output; (place = strstr (place, member)) != NULL; place++) {
        uint64_t sequence = strtoull (place + strlen (member), NULL, 10);
        cr_expect (sequence == last + 1 || (sequence == 1 && last > 1), "%llu follows %llu",
                   (unsigned long long)sequence, (unsigned long long)last);
        last = sequence;
    }
    return (uint32_t)last;
}

Test (cli, followed_events_have_no_hole_and_no_repeat_over_a_restart, .timeout = 90)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    RUN (scene, "pub", "--agent", "me", "notes", "a=1");
    sb_process_t *follower = START (scene, "follow.out", "events", "--follow", "--json");
    for (int i = 0; i < 20; i++) {
        char reason[32];
        snprintf (reason, sizeof (reason), "round-%d-", i);
        RUN (scene, i % 2 ? "resume_agent" : "pause_agent", "me", "--reason", reason);
    }
    cr_expect (sb_process_says (follower, "round-19-", SB_PATIENCE_MS));
    sb_process_signal (sb_scene_broker (scene), SIGKILL);
    sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS);
    sb_scene_restart_broker (scene, NULL);
    RUN (scene, "pause_agent", "me", "--reason", "after-restart");
    cr_expect (sb_process_says (follower, "after-restart", SB_PATIENCE_MS));
    char *output = sb_process_output (follower);
    cr_expect_gt (s_check_follow (output), 1);
    cr_expect_eq (s_count (output, "round-7-"), 2); /* OPERATOR and COMMAND */
    free (output);
    sb_process_destroy (&follower);
    sb_scene_destroy (&scene);
}

Test (cli, emergency_stop_names_who_has_not_confirmed, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_peer_t *deaf = sb_peer_join (sb_scene_ingress (scene), "deaf", 1);
    cr_expect_eq (RUN (scene, "emergency-stop", "--reason", "test", "--timeout", "0.5"), 0, "%s", s_output);
    SAYS ("EMERGENCY STOP in force, epoch 1; 1 agents told");
    SAYS ("durable");
    SAYS ("NOT CONFIRMED (1): deaf");
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "notes", "a=1"), 1);
    SAYS ("EMERGENCY_STOPPED");
    cr_expect_eq (RUN (scene, "emergency-clear", "--latch-epoch", "2", "--reason", "x"), 1);
    SAYS ("WRONG_EPOCH");
    cr_expect_eq (RUN (scene, "emergency-clear", "--latch-epoch", "1"), 1);
    SAYS ("REASON_REQUIRED");
    cr_expect_eq (RUN (scene, "emergency-clear", "--latch-epoch", "1", "--reason", "over"), 0);
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "notes", "a=1"), 0);
    sb_peer_destroy (&deaf);
    sb_scene_destroy (&scene);
}

Test (cli, every_page_of_many_agents_is_there, .timeout = 60)
{
    enum { AGENTS = 450 };
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_peer_t *peers[AGENTS];
    for (int i = 0; i < AGENTS; i++) {
        char name[32];
        snprintf (name, sizeof (name), "agent-%03d", i);
        peers[i] = sb_peer_join (sb_scene_ingress (scene), name, 1);
    }
    cr_expect_eq (RUN (scene, "list_agents", "--json"), 0);
    cr_expect_eq (s_count (s_output, "\"agent_id\":\"agent-"), AGENTS);
    cr_expect_eq (RUN (scene, "list_agents"), 0);
    cr_expect_eq (s_count (s_output, "agent-"), AGENTS);
    cr_expect_eq (RUN (scene, "list_agents", "--limit", "10", "--json"), 0);
    cr_expect_eq (s_count (s_output, "\"agent_id\":\"agent-"), 10);
    cr_expect_eq (RUN (scene, "top", "--count", "1"), 0);
    cr_expect_eq (s_count (s_output, "\nagent-"), AGENTS);
    for (int i = 0; i < AGENTS; i++)
        sb_peer_destroy (&peers[i]);
    sb_scene_destroy (&scene);
}

Test (cli, no_broker_is_3, .timeout = 60)
{
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_process_signal (sb_scene_broker (scene), SIGTERM);
    sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS);
    cr_expect_eq (RUN (scene, "status", "--timeout", "0.2"), 3);
    SAYS ("is syncbusd running?");
    cr_expect_eq (RUN (scene, "events", "--follow", "--timeout", "0.2"), 3);
    cr_expect_eq (RUN (scene, "pub", "--agent", "me", "notes", "a=1", "--timeout", "0.2"), 3);
    sb_scene_destroy (&scene);
}

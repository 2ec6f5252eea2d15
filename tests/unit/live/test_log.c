/* SPDX-License-Identifier: MPL-2.0
 *
 * The log: forms, levels, holding back, and that a full disk costs lines and nothing else.
 */
#define _GNU_SOURCE
#include "sb_line_file.h"
#include "sb_log.h"
#include "sb_names.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char s_directory[64];
static char s_path[128];
static const int64_t s_now_unix_ns = INT64_C (1700000000123456789);

static void s_setup (void)
{
    snprintf (s_directory, sizeof s_directory, "/tmp/sb-log-XXXXXX");
    cr_assert (mkdtemp (s_directory));
    snprintf (s_path, sizeof s_path, "%s/file", s_directory);
}

static void s_teardown (void)
{
    char command[128];
    snprintf (command, sizeof command, "rm -rf '%s'", s_directory);
    cr_assert_eq (system (command), 0);
}

TestSuite (log, .init = s_setup, .fini = s_teardown, .timeout = 30);

static char *s_content (void)
{
    static char text[65536];
    FILE *file = fopen (s_path, "r");
    size_t size = file ? fread (text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    if (file)
        fclose (file);
    return text;
}

static sb_config_t s_config (sb_log_format_t format)
{
    return (sb_config_t){.log_format = format,
                         .log_level = SB_SEVERITY_INFO,
                         .log_burst = 3,
                         .log_window_ms = 10000,
                         .log_file = s_path,
                         .audit_file = s_path};
}

static sb_log_line_t s_line (const char *agent_id, const char *text)
{
    return (sb_log_line_t){.severity = SB_SEVERITY_WARNING,
                           .event = sb_text ("REFUSED"),
                           .agent_id = sb_text (agent_id),
                           .reason = SB_REASON_PAUSED,
                           .text = sb_text (text)};
}

Test (log, lines_are_plain_or_json_and_nothing_in_them_can_forge_another)
{
    sb_config_t config = s_config (SB_LOG_PLAIN);
    sb_log_t *log = sb_log_new (&config);
    sb_log_line_t line = s_line ("feed", "a \"b\"\n2023 ERROR\x1b[2J \xc3\xb6");
    sb_log_line (log, &line, s_now_unix_ns, 1);
    config.log_format = SB_LOG_JSON;
    sb_log_reload (log, &config);
    sb_log_line (log, &line, s_now_unix_ns, 1);
    sb_log_destroy (&log);
    cr_assert_str_eq (s_content (),
                      "2023-11-14T22:13:20.123Z WARNING REFUSED feed PAUSED: a \"b\"\\x0a2023 ERROR\\x1b[2J \xc3\xb6\n"
                      "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warning\",\"event\":\"REFUSED\",\"agent\":"
                      "\"feed\",\"reason\":\"PAUSED\",\"text\":\"a \\\"b\\\"\\u000a2023 ERROR\\u001b[2J \xc3\xb6\"}\n");
}

Test (log, lines_below_the_level_are_left_out)
{
    sb_config_t config = s_config (SB_LOG_PLAIN);
    config.log_level = SB_SEVERITY_ERROR;
    sb_log_t *log = sb_log_new (&config);
    sb_log_line_t line = s_line ("feed", "text");
    sb_log_line (log, &line, s_now_unix_ns, 1);
    sb_log_say (log, SB_SEVERITY_WARNING, "X", "y");
    cr_assert_str_eq (s_content (), "");
    sb_log_say (log, SB_SEVERITY_ERROR, "X", "number %d", 5);
    cr_assert (strstr (s_content (), "ERROR   X: number 5\n"));
    sb_log_destroy (&log);
}

static int s_count (const char *text, const char *what)
{
    int count = 0;
    for (text = strstr (text, what); text; text = strstr (text + 1, what))
        count++;
    return count;
}

Test (log, repeats_are_held_back_and_counted_each_key_for_itself)
{
    sb_config_t config = s_config (SB_LOG_PLAIN);
    sb_log_t *log = sb_log_new (&config);
    const uint64_t window_ns = UINT64_C (10000000000);
    for (int i = 0; i < 10; i++) {
        sb_log_line_t line = s_line ("feed", "text");
        sb_log_line (log, &line, s_now_unix_ns, 100);
    }
    sb_log_line_t other = s_line ("scanner", "text");
    sb_log_line (log, &other, s_now_unix_ns, 100);
    cr_assert_eq (s_count (s_content (), "feed PAUSED: text"), 3);
    cr_assert_eq (s_count (s_content (), "scanner PAUSED: text"), 1);
    sb_log_flush (log, s_now_unix_ns, 100 + window_ns - 1);
    cr_assert_eq (s_count (s_content (), "held back"), 0);
    sb_log_flush (log, s_now_unix_ns, 100 + window_ns);
    cr_assert_eq (s_count (s_content (), "feed PAUSED: 7 more lines like this one were held back"), 1);
    sb_log_line_t line = s_line ("feed", "anew");
    sb_log_line (log, &line, s_now_unix_ns, 101 + window_ns);
    cr_assert_eq (s_count (s_content (), "feed PAUSED: anew"), 1);
    sb_log_destroy (&log);
}

Test (log, the_audit_log_has_every_field_and_holds_nothing_back)
{
    sb_config_t config = s_config (SB_LOG_PLAIN);
    sb_log_t *log = sb_log_new (&config);
    const sb_audit_t audit = {.unix_ns = s_now_unix_ns,
                              .command_id = sb_text ("id-1"),
                              .command = sb_text ("pause_agent"),
                              .agent_id = sb_text ("feed"),
                              .issuer = sb_text ("alice"),
                              .reason = sb_text ("too \"fast\""),
                              .before = sb_text ("NORMAL"),
                              .after = sb_text ("PAUSED"),
                              .code = SB_REASON_NONE,
                              .result = sb_text ("done")};
    for (int i = 0; i < 20; i++)
        sb_log_audit (log, &audit);
    sb_log_destroy (&log);
    cr_assert_eq (
        s_count (s_content (),
                 "{\"time\":\"2023-11-14T22:13:20.123Z\",\"unix_ns\":1700000000123456789,\"command_id\":\"id-1\","
                 "\"command\":\"pause_agent\",\"agent\":\"feed\",\"issuer\":\"alice\",\"reason\":\"too "
                 "\\\"fast\\\"\",\"before\":\"NORMAL\",\"after\":\"PAUSED\",\"code\":\"NONE\",\"result\":\"done\"}\n"),
        20);
}

Test (log, a_text_as_long_as_a_message_does_not_make_a_line_as_long)
{
    static char command[262144] = "x";
    for (size_t i = 1; i + 2 < sizeof command; i += 2)
        memcpy (command + i, "\xc3\xa4", 2);
    sb_config_t config = s_config (SB_LOG_PLAIN);
    sb_log_t *log = sb_log_new (&config);
    const sb_audit_t audit = {.command_id = sb_text ("id-1"),
                              .command = {command + 2, 262000}, /* begins within a character: not UTF-8 */
                              .agent_id = {command, 262143},
                              .code = SB_REASON_UNKNOWN_COMMAND};
    sb_log_audit (log, &audit);
    sb_log_destroy (&log);
    const char *line = s_content ();
    cr_assert_lt (strlen (line), 6000);
    cr_assert_not_null (strstr (line, "\"agent\":\"x\xc3\xa4"));
    cr_assert_not_null (strstr (line, "\xc3\xa4...\",\"issuer\""), "cut between characters, and says so");
}

Test (log, a_full_disk_costs_lines_which_are_counted_and_said_once)
{
    cr_redirect_stderr ();
    sb_line_file_t *file = sb_line_file_new ("/dev/full", "log", "%lu lost\n");
    for (int i = 0; i < 5; i++)
        cr_assert_not (sb_line_file_write (file, "line\n", 5));
    cr_assert_eq (sb_line_file_lost (file), 5);
    sb_line_file_destroy (&file);
    fflush (stderr);
    cr_assert_stderr_eq_str (
        "syncbusd: the log /dev/full cannot be written: No space left on device; lines are lost and counted\n");
}

Test (log, after_a_loss_the_first_line_says_how_many)
{
    snprintf (s_path, sizeof s_path, "%s/missing/deeper/file", s_directory);
    sb_line_file_t *file = sb_line_file_new (s_path, "log", "%lu lost\n");
    cr_assert_not (sb_line_file_write (file, "one\n", 4));
    cr_assert_not (sb_line_file_write (file, "two\n", 4));
    char directory[128];
    snprintf (directory, sizeof directory, "%s/missing", s_directory);
    cr_assert_eq (mkdir (directory, 0755), 0);
    cr_assert (sb_line_file_write (file, "three\n", 6), "its own folder is made");
    cr_assert_str_eq (s_content (), "2 lost\nthree\n");
    sb_line_file_destroy (&file);
}

Test (log, a_pipe_that_nobody_reads_does_not_hold_the_writer_up)
{
    cr_assert_eq (mkfifo (s_path, 0600), 0);
    int reader = open (s_path, O_RDONLY | O_NONBLOCK);
    sb_line_file_t *file = sb_line_file_new (s_path, "log", "%lu lost\n");
    char line[1000];
    memset (line, 'x', sizeof line);
    line[999] = '\n';
    for (int i = 0; i < 1000; i++)
        sb_line_file_write (file, line, sizeof line);
    cr_assert_gt (sb_line_file_lost (file), 800);
    sb_line_file_destroy (&file);
    close (reader);
}

Test (log, reopening_follows_a_rotated_file)
{
    char moved[160];
    snprintf (moved, sizeof moved, "%s.1", s_path);
    sb_line_file_t *file = sb_line_file_new (s_path, "log", "%lu lost\n");
    sb_line_file_write (file, "one\n", 4);
    cr_assert_eq (rename (s_path, moved), 0);
    sb_line_file_write (file, "two\n", 4);
    sb_line_file_reopen (file);
    sb_line_file_write (file, "three\n", 6);
    cr_assert_str_eq (s_content (), "three\n");
    sb_line_file_destroy (&file);
}

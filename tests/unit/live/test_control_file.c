/* SPDX-License-Identifier: MPL-2.0
 *
 * The control-state file: what it keeps, and that nothing short of the whole file is ever taken for it.
 */
#define _GNU_SOURCE
#include "sb_control_file.h"
#include "sb_control_text.h"
#include "sb_names.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t s_now_unix_ns = INT64_C (1700000000123456789);

static char s_directory[64];
static char s_path[128];

static void s_setup (void)
{
    snprintf (s_directory, sizeof s_directory, "/tmp/sb-control-XXXXXX");
    cr_assert (mkdtemp (s_directory));
    snprintf (s_path, sizeof s_path, "%s/state/control", s_directory);
}

static void s_teardown (void)
{
    char command[128];
    snprintf (command, sizeof command, "rm -rf '%s'", s_directory);
    cr_assert_eq (system (command), 0);
}

TestSuite (control_file, .init = s_setup, .fini = s_teardown, .timeout = 30);

static const sb_operator_record_t s_operators[] = {
    {.agent_id = {"feed:1", 6},
     .paused = true,
     .by_agent = true,
     .revision = 7,
     .issuer = {"alice smith", 11},
     .reason = {"100% too\nfast", 13},
     .since_unix_ns = 1699999999000000001},
    {.agent_id = {"trader", 6}, .isolated = true, .revision = 1, .issuer = {"b\xc3\xb6rge", 6}},
};

static const sb_control_state_t s_state = {.stopped = true,
                                           .latch_epoch = 3,
                                           .issuer = {"alice", 5},
                                           .reason = {"a = b # c", 9},
                                           .since_unix_ns = 1699999999999999999,
                                           .operators = s_operators,
                                           .operator_count = 2};

static sb_control_file_t *s_new (void)
{
    int holder;
    sb_control_file_t *file = sb_control_file_new (s_path);
    cr_assert (file);
    cr_assert_eq (sb_control_file_lock (file, &holder), 0);
    return file;
}

static void s_assert_text (sb_text_t found, sb_text_t expected)
{
    cr_assert (sb_text_equal (found, expected), "found %.*s, expected %.*s", (int)found.size, found.data,
               (int)expected.size, expected.data);
}

static void s_assert_state (const sb_control_state_t *found)
{
    cr_assert (found->stopped);
    cr_assert_eq (found->latch_epoch, 3);
    cr_assert_eq (found->since_unix_ns, s_state.since_unix_ns);
    s_assert_text (found->issuer, s_state.issuer);
    s_assert_text (found->reason, s_state.reason);
    cr_assert_eq (found->operator_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        s_assert_text (found->operators[i].agent_id, s_operators[i].agent_id);
        s_assert_text (found->operators[i].issuer, s_operators[i].issuer);
        s_assert_text (found->operators[i].reason, s_operators[i].reason);
        cr_assert_eq (found->operators[i].paused, s_operators[i].paused);
        cr_assert_eq (found->operators[i].isolated, s_operators[i].isolated);
        cr_assert_eq (found->operators[i].by_agent, s_operators[i].by_agent);
        cr_assert_eq (found->operators[i].revision, s_operators[i].revision);
        cr_assert_eq (found->operators[i].since_unix_ns, s_operators[i].since_unix_ns);
    }
}

Test (control_file, a_missing_file_is_a_first_start)
{
    sb_control_file_t *file = s_new ();
    sb_control_state_t state;
    uint64_t epoch = 99;
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_MISSING);
    cr_assert_eq (epoch, 0);
    cr_assert_not (state.stopped);
    cr_assert_eq (state.operator_count, 0);
    sb_control_file_destroy (&file);
}

Test (control_file, what_was_saved_is_loaded)
{
    sb_control_file_t *file = s_new ();
    cr_assert (sb_control_file_save (file, &s_state, 12), "%s", sb_control_file_problem (file));
    sb_control_file_destroy (&file);
    file = s_new ();
    sb_control_state_t state;
    uint64_t epoch;
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_LOADED);
    cr_assert_eq (epoch, 12);
    s_assert_state (&state);
    sb_control_file_destroy (&file);
}

Test (control_file, a_file_cut_anywhere_or_with_any_octet_changed_is_not_taken)
{
    size_t size;
    char *whole = sb_control_text_write (&s_state, 12, &size);
    for (size_t i = 0; i < 2 * size; i++) {
        char *text = malloc (size + 1);
        memcpy (text, whole, size);
        size_t cut = size;
        if (i < size)
            cut = i;
        else
            text[i - size] ^= 0x20;
        sb_control_state_t state = {.latch_epoch = 77};
        uint64_t epoch = 77;
        sb_operator_record_t *operators;
        cr_assert_not_null (sb_control_text_read (text, cut, &state, &epoch, &operators), "taken at %zu", i);
        cr_assert_eq (state.latch_epoch, 77);
        cr_assert_eq (epoch, 77);
        cr_assert_null (operators);
        free (text);
    }
    free (whole);
}

/* The text with another checksum that matches it. */
static char *s_with_checksum (const char *body, size_t *size)
{
    uint64_t sum = UINT64_C (0xcbf29ce484222325);
    for (const char *octet = body; *octet; octet++)
        sum = (sum ^ (uint8_t)*octet) * UINT64_C (0x100000001b3);
    char *text;
    *size = (size_t)asprintf (&text, "%schecksum %016lx\n", body, (unsigned long)sum);
    return text;
}

Test (control_file, lines_of_another_form_are_not_taken_even_with_a_good_checksum)
{
#define HEAD  "syncbus-control 1\n"
#define LATCH "latch stopped=0 latch_epoch=0 since=0 issuer= reason=\n"
    static const struct {
        const char *body;
        bool is_good;
    } rows[] = {
        {HEAD "epoch 1\n" LATCH, true},
        {HEAD "epoch 1\n" LATCH "operator agent=a paused=1 isolated=0 by_agent=0 revision=1 since=1 issuer= reason=\n",
         true},
        {HEAD "epoch 1\n", false},
        {HEAD LATCH, false},
        {HEAD "epoch -1\n" LATCH, false},
        {HEAD "epoch 9007199254740992\n" LATCH, false},
        {HEAD "epoch 1\nlatch stopped=2 latch_epoch=0 since=0 issuer= reason=\n", false},
        {HEAD "epoch 1\nlatch stopped=0 since=0 latch_epoch=0 issuer= reason=\n", false},
        {HEAD "epoch 1\nlatch stopped=0 latch_epoch=0 since=0 issuer=%zz reason=\n", false},
        {HEAD "epoch 1\nlatch stopped=0 latch_epoch=0 since=0 issuer=%ff reason=\n", false},
        {HEAD "epoch 1\nlatch stopped=0 latch_epoch=0 since=0 issuer=%00 reason=\n", false},
        {HEAD "epoch 1\nlatch stopped=0 latch_epoch=0 since=0 issuer= reason= more=1\n", false},
        {HEAD "epoch 1\n" LATCH "operator agent= paused=1 isolated=0 by_agent=0 revision=1 since=1 issuer= reason=\n",
         false},
        {HEAD "epoch 1\n" LATCH "operator agent=b paused=1 isolated=0 by_agent=0 revision=1 since=1 issuer= reason=\n"
              "operator agent=b paused=1 isolated=0 by_agent=0 revision=1 since=1 issuer= reason=\n",
         false},
        {HEAD "epoch 1\n" LATCH "\n", false},
        {"syncbus-control 2\nepoch 1\n" LATCH, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size;
        char *text = s_with_checksum (rows[i].body, &size);
        sb_control_state_t state;
        uint64_t epoch;
        sb_operator_record_t *operators;
        const char *fault = sb_control_text_read (text, size, &state, &epoch, &operators);
        cr_assert_eq (fault == NULL, rows[i].is_good, "row %zu: %s", i, fault ? fault : "taken");
        free (operators);
        free (text);
    }
}

static void s_write_raw (const char *text)
{
    FILE *stream = fopen (s_path, "wb");
    cr_assert (stream);
    fputs (text, stream);
    fclose (stream);
}

Test (control_file, a_damaged_file_starts_stopped_and_is_kept_aside)
{
    sb_control_file_t *file = s_new ();
    s_write_raw ("syncbus-control 1\nepoch 1");
    sb_control_state_t state;
    uint64_t epoch;
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_CORRUPT);
    cr_assert (state.stopped);
    cr_assert_eq (epoch, 1700000000, "above any that was counted up from 1");
    cr_assert_eq (state.latch_epoch, 1700000000);
    cr_assert (strstr (sb_control_file_problem (file), ".corrupt"));
    char aside[160];
    snprintf (aside, sizeof aside, "%s.corrupt", s_path);
    cr_assert_eq (access (aside, F_OK), 0);
    sb_control_file_destroy (&file);
}

/* Where nothing can be saved, say on a full disk, the next start must not find a folder without any state. */
Test (control_file, a_damaged_file_stands_until_another_is_saved)
{
    sb_control_file_t *file = s_new ();
    s_write_raw ("syncbus-control 1\nepoch 1");
    sb_control_state_t state;
    uint64_t epoch;
    for (int start = 0; start < 2; start++) {
        cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_CORRUPT, "start %d",
                      start);
        cr_assert (state.stopped);
    }
    cr_assert (sb_control_file_save (file, &state, epoch));
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_LOADED);
    cr_assert (state.stopped);
    sb_control_file_destroy (&file);
}

Test (control_file, a_folder_in_its_place_starts_stopped)
{
    sb_control_file_t *file = s_new ();
    cr_assert_eq (mkdir (s_path, 0755), 0);
    sb_control_state_t state;
    uint64_t epoch;
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_CORRUPT);
    cr_assert (state.stopped);
    sb_control_file_destroy (&file);
}

Test (control_file, a_full_disk_leaves_the_old_state_whole)
{
    sb_control_file_t *file = s_new ();
    cr_assert (sb_control_file_save (file, &s_state, 12));
    signal (SIGXFSZ, SIG_IGN);
    const struct rlimit full = {.rlim_cur = 16, .rlim_max = RLIM_INFINITY};
    const struct rlimit roomy = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    cr_assert_eq (setrlimit (RLIMIT_FSIZE, &full), 0);
    const sb_control_state_t other = {.latch_epoch = 4};
    const bool is_saved = sb_control_file_save (file, &other, 13);
    setrlimit (RLIMIT_FSIZE, &roomy);
    cr_assert_not (is_saved);
    cr_assert (strstr (sb_control_file_problem (file), "could not be written"));
    sb_control_state_t state;
    uint64_t epoch;
    cr_assert_eq (sb_control_file_load (file, s_now_unix_ns, &state, &epoch), SB_CONTROL_LOADED);
    cr_assert_eq (epoch, 12);
    s_assert_state (&state);
    cr_assert (sb_control_file_save (file, &other, 13), "room again: it can be saved");
    sb_control_file_destroy (&file);
}

Test (control_file, a_folder_that_is_gone_is_a_failed_save)
{
    sb_control_file_t *file = s_new ();
    s_teardown ();
    cr_assert_not (sb_control_file_save (file, &s_state, 1));
    cr_assert_eq (mkdir (s_directory, 0755), 0);
    sb_control_file_destroy (&file);
}

Test (control_file, a_second_holder_is_told_the_pid_of_the_first)
{
    sb_control_file_t *first = s_new ();
    sb_control_file_t *second = sb_control_file_new (s_path);
    int holder = 0;
    cr_assert_eq (sb_control_file_lock (second, &holder), EWOULDBLOCK);
    cr_assert_eq (holder, (int)getpid ());
    sb_control_file_destroy (&first);
    cr_assert_eq (sb_control_file_lock (second, &holder), 0);
    sb_control_file_destroy (&second);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading lines: plain, gzip, cut, from a pipe.
 */
#include "sb_input.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char s_folder[] = "/tmp/sb_input_XXXXXX";
static char s_path[64];

static void s_setup (void)
{
    cr_assert (mkdtemp (s_folder));
    snprintf (s_path, sizeof s_path, "%s/data", s_folder);
}

static void s_teardown (void)
{
    unlink (s_path);
    rmdir (s_folder);
}

TestSuite (input, .init = s_setup, .fini = s_teardown, .timeout = 20);

static void s_write (const void *data, size_t size)
{
    FILE *file = fopen (s_path, "w");
    cr_assert_eq (fwrite (data, 1, size, file), size);
    fclose (file);
}

static void s_write_gzip (const char *text, const char *mode)
{
    gzFile file = gzopen (s_path, mode);
    cr_assert_eq (gzwrite (file, text, (unsigned)strlen (text)), (int)strlen (text));
    gzclose (file);
}

static sb_input_t *s_open (void)
{
    char error[256] = "";
    sb_input_t *input = sb_input_open (s_path, error, sizeof error);
    cr_assert (input, "%s", error);
    return input;
}

static void s_expect (sb_input_t *input, const char *text)
{
    char *line = NULL;
    size_t size = 0;
    cr_assert_eq (sb_input_line (input, &line, &size), SB_INPUT_LINE);
    cr_assert_eq (size, strlen (text));
    cr_assert_str_eq (line, text);
}

static void s_expect_status (sb_input_t *input, sb_input_status_t status)
{
    char *line;
    size_t size;
    cr_assert_eq (sb_input_line (input, &line, &size), status);
}

Test (input, line_ends_may_be_lf_crlf_or_missing_at_the_end)
{
    s_write ("a\r\n\nb\nc", 7);
    sb_input_t *input = s_open ();
    s_expect (input, "a");
    s_expect (input, "");
    s_expect (input, "b");
    s_expect (input, "c");
    s_expect_status (input, SB_INPUT_END);
    s_expect_status (input, SB_INPUT_END);
    sb_input_close (&input);
}

Test (input, gzip_is_known_by_content_and_members_are_joined)
{
    s_write_gzip ("one\ntw", "w");
    s_write_gzip ("o\nthree\n", "a");
    sb_input_t *input = s_open ();
    s_expect (input, "one");
    s_expect (input, "two");
    s_expect (input, "three");
    s_expect_status (input, SB_INPUT_END);
    cr_assert_eq (sb_input_octets_read (input), sb_input_octets_total (input));
    sb_input_close (&input);
}

Test (input, gzip_cut_in_the_middle_gives_what_was_whole_and_says_so)
{
    char text[60000];
    size_t size = 0;
    for (int i = 0; size < sizeof text - 32; i++)
        size += (size_t)sprintf (text + size, "%d,%d\n", i, rand ());
    s_write_gzip (text, "w");
    struct stat status;
    stat (s_path, &status);
    cr_assert_eq (truncate (s_path, status.st_size / 2), 0);
    sb_input_t *input = s_open ();
    char *line;
    int lines = 0;
    sb_input_status_t last;
    while ((last = sb_input_line (input, &line, &size)) == SB_INPUT_LINE)
        cr_assert_eq (atoi (line), lines++);
    cr_assert_gt (lines, 100);
    cr_assert_eq (last, SB_INPUT_PARTIAL);
    s_expect_status (input, SB_INPUT_DAMAGED);
    cr_assert (strstr (sb_input_error (input), "cut"));
    sb_input_close (&input);
}

Test (input, gzip_with_flipped_octets_is_damaged_not_a_crash)
{
    s_write_gzip ("one\ntwo\n", "w");
    FILE *file = fopen (s_path, "r+");
    fseek (file, 12, SEEK_SET);
    fputs ("\xff\xff\xff", file);
    fclose (file);
    sb_input_t *input = s_open ();
    char *line;
    size_t size;
    sb_input_status_t status;
    while ((status = sb_input_line (input, &line, &size)) == SB_INPUT_LINE || status == SB_INPUT_PARTIAL)
        ;
    cr_assert_eq (status, SB_INPUT_DAMAGED);
    sb_input_close (&input);
}

Test (input, line_of_exactly_the_limit_is_read_and_one_more_is_too_long)
{
    char *text = malloc (4 * SB_LINE_MAX);
    memset (text, 'x', 4 * SB_LINE_MAX);
    text[SB_LINE_MAX] = '\n';
    text[2 * SB_LINE_MAX + 2] = '\n';
    memcpy (text + 4 * SB_LINE_MAX - 5, "\nok\n", 4);
    s_write (text, 4 * SB_LINE_MAX - 1);
    sb_input_t *input = s_open ();
    char *line;
    size_t size;
    cr_assert_eq (sb_input_line (input, &line, &size), SB_INPUT_LINE);
    cr_assert_eq (size, SB_LINE_MAX);
    s_expect_status (input, SB_INPUT_TOO_LONG);
    s_expect_status (input, SB_INPUT_TOO_LONG);
    s_expect (input, "ok");
    s_expect_status (input, SB_INPUT_END);
    sb_input_close (&input);
    free (text);
}

Test (input, fifo_waits_for_its_writer_and_ends_with_it)
{
    cr_assert_eq (mkfifo (s_path, 0600), 0);
    sb_input_t *input = s_open ();
    s_expect_status (input, SB_INPUT_WAIT);
    int writer = open (s_path, O_WRONLY | O_NONBLOCK);
    cr_assert_geq (writer, 0);
    s_expect_status (input, SB_INPUT_WAIT);
    cr_assert_eq (write (writer, "half", 4), 4);
    s_expect_status (input, SB_INPUT_WAIT);
    cr_assert_eq (write (writer, " line\nrest", 10), 10);
    s_expect (input, "half line");
    s_expect_status (input, SB_INPUT_WAIT);
    close (writer);
    s_expect (input, "rest");
    s_expect_status (input, SB_INPUT_END);
    sb_input_close (&input);
}

Test (input, rewind_starts_over_gzip_too)
{
    s_write_gzip ("one\ntwo\n", "w");
    sb_input_t *input = s_open ();
    s_expect (input, "one");
    cr_assert (sb_input_rewind (input));
    s_expect (input, "one");
    s_expect (input, "two");
    s_expect_status (input, SB_INPUT_END);
    sb_input_close (&input);
}

Test (input, missing_file_and_folder_are_sentences)
{
    char error[256] = "";
    cr_assert_null (sb_input_open ("/nonexistent/file", error, sizeof error));
    cr_assert (strstr (error, "No such file"));
    cr_assert_null (sb_input_open ("/tmp", error, sizeof error));
    cr_assert (strstr (error, "folder"));
}

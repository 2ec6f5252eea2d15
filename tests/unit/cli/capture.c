/* SPDX-License-Identifier: MPL-2.0
 *
 * The two streams are sent to files while the command line runs: pipes would fill up.
 */
#include "capture.h"

#include <stdio.h>
#include <unistd.h>

#include "sb_run.h"

enum { WORDS_MAX = 16 };

char capture_output[CAPTURE_SIZE];
char capture_complaints[CAPTURE_SIZE];

static void s_read_file (FILE *file, char *text)
{
    rewind (file);
    size_t size = fread (text, 1, CAPTURE_SIZE - 1, file);
    text[size] = 0;
    fclose (file);
}

static int s_run (const char *endpoint, const char *const *words, FILE *output)
{
    char *argv[WORDS_MAX + 4] = {(char *)"syncbus", (char *)"--endpoint", (char *)endpoint};
    int argc = 3;
    for (; words[argc - 3]; argc++)
        argv[argc] = (char *)words[argc - 3];
    FILE *files[2] = {output, tmpfile ()};
    int kept[2] = {dup (1), dup (2)};
    fflush (stdout);
    for (int i = 0; i < 2; i++)
        dup2 (fileno (files[i]), i + 1);
    int code = sb_run (argc, argv);
    fflush (stdout);
    fflush (stderr);
    for (int i = 0; i < 2; i++) {
        dup2 (kept[i], i + 1);
        close (kept[i]);
    }
    s_read_file (files[0], capture_output);
    s_read_file (files[1], capture_complaints);
    return code;
}

int capture_run (const char *endpoint, const char *const *words)
{
    return s_run (endpoint, words, tmpfile ());
}

int capture_run_on_full_disk (const char *endpoint, const char *const *words)
{
    return s_run (endpoint, words, fopen ("/dev/full", "r+"));
}

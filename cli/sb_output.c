/* SPDX-License-Identifier: MPL-2.0
 *
 * The stream's own error flag says that something was lost, errno right after says why. Checking what each printf
 * returns was rejected: buffering makes most failures known only later. A reader of a pipe that has enough of it
 * usually ends the program by SIGPIPE; where that signal is ignored the run ends as quietly.
 */
#include "sb_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sb_run.h"

/* Why the first failure happened; 0: none, or not known. */
static int s_cause;

/* Notes errno when it can come from writing: between the failure and the question others may have set it. */
static void s_note (int cause)
{
    static const int causes[] = {ENOSPC, EDQUOT, EFBIG, EIO, EPIPE, EBADF};
    for (size_t i = 0; s_cause == 0 && i < sizeof (causes) / sizeof (causes[0]); i++)
        if (causes[i] == cause)
            s_cause = cause;
}

void sb_output_reserve (void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl (i, F_GETFD) < 0 && errno == EBADF) {
            /* open gives the lowest number that is free. Reading only: what is written to it must fail. */
            int place = open ("/dev/null", i == STDERR_FILENO ? O_WRONLY : O_RDONLY);
            (void)place;
        }
}

void sb_output_begin (void)
{
    clearerr (stdout);
    s_cause = 0;
}

bool sb_output_is_good (void)
{
    int cause = errno;
    if (!ferror (stdout))
        return true;
    s_note (cause);
    return false;
}

bool sb_output_flush (void)
{
    if (fflush (stdout) != 0)
        s_note (errno);
    return sb_output_is_good ();
}

int sb_output_end (int code)
{
    if (sb_output_flush () || s_cause == EPIPE)
        return code;
    fprintf (stderr, "syncbus: the output is not whole, it could not be written%s%s\n", s_cause ? ": " : "",
             s_cause ? strerror (s_cause) : "");
    return code == SB_EXIT_DONE ? SB_EXIT_REFUSED : code;
}

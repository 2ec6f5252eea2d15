/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbusd: reads its configuration, and serves until it is told to end. Signals are blocked before the first thread
 * exists, so that only the reactor's signalfd sees them.
 */
#define _GNU_SOURCE
#include "sb_log.h"
#include "sb_options.h"
#include "sb_reactor.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_CANNOT_SERVE = 1, EXIT_USAGE = 2, PROBLEM_OCTETS = 8192 };

/* Messages of some KiB come and go at the end of the heap, which glibc by default gives back from 128 KiB up and asks
 * for again: a page fault for each 47 updates in a flood. So each of the two heaps that are used (ours, and that of
 * libzmq's thread) keeps up to HEAP_KEPT free octets at its end and grows by HEAP_STEP. MAP_FROM goes with them: once
 * one of these is set, it no longer adapts to what is freed, and each message from 128 KiB up would be mapped anew. */
static void s_set_heap (void)
{
    enum { HEAP_KEPT = 8 << 20, HEAP_STEP = 1 << 18, MAP_FROM = 1 << 20 };
    static const int settings[][2] = {
        {M_TRIM_THRESHOLD, HEAP_KEPT}, {M_TOP_PAD, HEAP_STEP}, {M_MMAP_THRESHOLD, MAP_FROM}};
    /* Another allocator in malloc's place (a sanitizer's, one that is preloaded) takes none of it: then it does
     * without. */
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        mallopt (settings[i][0], settings[i][1]);
}

static int s_block_signals (void)
{
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGHUP);
    sigprocmask (SIG_BLOCK, &signals, NULL);
    /* A closed pipe or a file at its limit is an error of that write, not the end of the broker. */
    signal (SIGPIPE, SIG_IGN);
    signal (SIGXFSZ, SIG_IGN);
    return signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Prints each line of `problems` with the program's name before it. */
static void s_print_problems (char *problems)
{
    for (char *line = strsep (&problems, "\n"); line; line = strsep (&problems, "\n"))
        if (line[0])
            fprintf (stderr, "syncbusd: %s\n", line);
}

static int s_check_config (const sb_options_t *options, FILE *problems)
{
    sb_config_t *config = sb_config_new ();
    assert (config);
    uint32_t problem_count = sb_config_read_file (config, options->check_path, problems);
    if (problem_count == 0)
        problem_count = sb_config_finish (config, problems);
    sb_config_destroy (&config);
    if (problem_count > 0)
        return EXIT_USAGE;
    printf ("%s: good\n", options->check_path);
    return EXIT_SUCCESS;
}

/* Says which variables may be misspelt. */
static void s_warn_of_variables (const sb_options_t *options, sb_log_t *log)
{
    char *warnings = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&warnings, &size);
    assert (file);
    sb_options_unknown_variables (options, file);
    fclose (file);
    char *rest = warnings;
    for (char *line = strsep (&rest, "\n"); line; line = strsep (&rest, "\n"))
        if (line[0])
            sb_log_say (log, SB_SEVERITY_WARNING, "UNKNOWN_VARIABLE", "%s", line);
    free (warnings);
}

static int s_run (sb_options_t *options, sb_config_t *config)
{
    char problem[PROBLEM_OCTETS];
    s_set_heap ();
    int signal_descriptor = s_block_signals ();
    sb_log_t *log = sb_log_new (config);
    assert (signal_descriptor >= 0 && log);
    s_warn_of_variables (options, log);
    const sb_reactor_options_t reactor_options = {.config = config,
                                                  .source = sb_options_make_config,
                                                  .source_context = options,
                                                  .log = log,
                                                  .signal_descriptor = signal_descriptor};
    int exit_code = EXIT_CANNOT_SERVE;
    sb_reactor_t *reactor = sb_reactor_new (&reactor_options, problem, sizeof problem);
    if (reactor)
        exit_code = sb_reactor_run (reactor);
    else
        fprintf (stderr, "syncbusd: %s\n", problem);
    sb_reactor_destroy (&reactor);
    sb_log_destroy (&log);
    close (signal_descriptor);
    return exit_code;
}

/* Writes `text` to standard output: EXIT_SUCCESS; when not all of it could be written, says why and returns
 * EXIT_CANNOT_SERVE. The reader of a pipe that has enough ends this quietly. */
static int s_write_output (const char *text, size_t size)
{
    bool is_written = fwrite (text, 1, size, stdout) == size && fflush (stdout) == 0;
    int cause = errno;
    if (is_written || cause == EPIPE)
        return EXIT_SUCCESS;
    fprintf (stderr, "syncbusd: the output is not whole, it could not be written: %s\n", strerror (cause));
    return EXIT_CANNOT_SERVE;
}

/* Prints what the action is about, and ends; `config` is that of SB_ACTION_PRINT_CONFIG. It is made in memory and
 * written at once: of a stream that fails amid many writes nobody could say why. */
static int s_print (sb_action_t action, const sb_config_t *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&text, &size);
    assert (file);
    if (action == SB_ACTION_HELP)
        sb_options_print_help (file);
    else if (action == SB_ACTION_VERSION)
        fprintf (file, "syncbusd %s\n", SB_VERSION);
    else
        sb_config_print (config, file);
    fclose (file);
    int exit_code = s_write_output (text, size);
    free (text);
    return exit_code;
}

/* Does what the options ask; problems of the configuration go to `problems`. */
static int s_act (sb_options_t *options, FILE *problems)
{
    if (options->action == SB_ACTION_HELP || options->action == SB_ACTION_VERSION)
        return s_print (options->action, NULL);
    if (options->action == SB_ACTION_CHECK_CONFIG)
        return s_check_config (options, problems);
    sb_config_t *config = sb_options_make_config (options, problems);
    if (!config)
        return EXIT_USAGE;
    if (options->action == SB_ACTION_RUN)
        return s_run (options, config);
    int exit_code = s_print (options->action, config);
    sb_config_destroy (&config);
    return exit_code;
}

int main (int argument_count, char **arguments)
{
    (void)argument_count;
    char *problems = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&problems, &size);
    assert (file);
    sb_options_t options;
    int exit_code = EXIT_USAGE;
    if (sb_options_read (&options, arguments + 1, environ, file) == 0)
        exit_code = s_act (&options, file);
    fclose (file);
    s_print_problems (problems);
    free (problems);
    return exit_code;
}

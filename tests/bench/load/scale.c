/* SPDX-License-Identifier: MPL-2.0
 *
 * See scale.h: clocks, options, children, figures.
 */
#define _GNU_SOURCE
#include "scale.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void scale_fail (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    fprintf (stderr, "%s: ", program_invocation_short_name);
    vfprintf (stderr, format, arguments);
    fputc ('\n', stderr);
    va_end (arguments);
    _exit (1);
}

static uint64_t s_clock_ns (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t scale_now_ns (void)
{
    return s_clock_ns (CLOCK_MONOTONIC);
}

int64_t scale_unix_ns (void)
{
    return (int64_t)s_clock_ns (CLOCK_REALTIME);
}

void scale_sleep_until (uint64_t monotonic_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(monotonic_ns / 1000000000),
                                   .tv_nsec = (long)(monotonic_ns % 1000000000)};
    while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* ---------------------------------------------------------------- options */

static void s_print_help (const scale_option_t *options, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        printf ("  --%-18s %s", options[i].name, options[i].help);
        if (options[i].number)
            printf (" (%lu)\n", (unsigned long)*options[i].number);
        else
            printf (*options[i].text ? " (%s)\n" : "\n", *options[i].text);
    }
    exit (0);
}

static void s_set (const scale_option_t *option, const char *value)
{
    char *end;
    if (option->text) {
        *option->text = value;
        return;
    }
    errno = 0;
    *option->number = strtoull (value, &end, 10);
    if (errno || end == value || *end)
        scale_fail ("--%s takes a whole number, not %s", option->name, value);
}

void scale_read_options (int argument_count, char **arguments, const scale_option_t *options, uint32_t count)
{
    for (int i = 1; i < argument_count; i += 2) {
        const char *name = arguments[i];
        const scale_option_t *found = NULL;
        if (strcmp (name, "--help") == 0)
            s_print_help (options, count);
        for (uint32_t j = 0; j < count && strncmp (name, "--", 2) == 0; j++)
            if (strcmp (options[j].name, name + 2) == 0)
                found = &options[j];
        if (!found)
            scale_fail ("%s: no such option; see --help", name);
        if (i + 1 == argument_count)
            scale_fail ("%s takes a value", name);
        s_set (found, arguments[i + 1]);
    }
}

/* ---------------------------------------------------------------- children */

void *scale_share (size_t size)
{
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        scale_fail ("no memory to share: %s", strerror (errno));
    return memory;
}

pid_t scale_fork (void)
{
    fflush (NULL);
    const pid_t parent = getpid ();
    const pid_t pid = fork ();
    if (pid < 0)
        scale_fail ("cannot fork: %s", strerror (errno));
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (getppid () != parent)
            _exit (1);
    }
    return pid;
}

void scale_join (pid_t pid)
{
    int status;
    while (waitpid (pid, &status, 0) < 0)
        if (errno != EINTR)
            scale_fail ("a child is gone: %s", strerror (errno));
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        scale_fail ("a load process failed");
}

/* ---------------------------------------------------------------- figures */

static uint64_t s_read_number (const char *path, const char *name)
{
    char line[256];
    unsigned long number = 0;
    FILE *file = fopen (path, "re");
    if (!file)
        return 0;
    while (fgets (line, sizeof line, file))
        if (strncmp (line, name, strlen (name)) == 0 && sscanf (line + strlen (name), "%lu", &number) == 1)
            break;
    fclose (file);
    return number;
}

/* User and system time in ticks of the clock, from the fields behind the name in brackets. */
static uint64_t s_ticks_ns (uint64_t pid)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf (path, sizeof path, "/proc/%lu/stat", (unsigned long)pid);
    FILE *file = fopen (path, "re");
    if (!file || !fgets (line, sizeof line, file))
        scale_fail ("process %lu is gone", (unsigned long)pid);
    fclose (file);
    const char *rest = strrchr (line, ')');
    if (!rest || sscanf (rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        scale_fail ("%s cannot be read", path);
    return (user + system) * (UINT64_C (1000000000) / (uint64_t)sysconf (_SC_CLK_TCK));
}

/* The scheduler's own count over all threads; 0 where it is not kept. */
static uint64_t s_scheduled_ns (uint64_t pid)
{
    char path[64 + 256];
    uint64_t sum_ns = 0;
    snprintf (path, sizeof path, "/proc/%lu/task", (unsigned long)pid);
    DIR *folder = opendir (path);
    if (!folder)
        scale_fail ("process %lu is gone", (unsigned long)pid);
    for (struct dirent *entry = readdir (folder); entry; entry = readdir (folder)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf (path, sizeof path, "/proc/%lu/task/%s/schedstat", (unsigned long)pid, entry->d_name);
        sum_ns += s_read_number (path, "");
    }
    closedir (folder);
    return sum_ns;
}

scale_process_t scale_process (uint64_t pid)
{
    char path[64];
    scale_process_t process = {.cpu_ns = s_scheduled_ns (pid)};
    if (!process.cpu_ns)
        process.cpu_ns = s_ticks_ns (pid);
    snprintf (path, sizeof path, "/proc/%lu/status", (unsigned long)pid);
    process.resident_bytes = s_read_number (path, "VmRSS:") * 1024;
    process.peak_bytes = s_read_number (path, "VmHWM:") * 1024;
    process.threads = s_read_number (path, "Threads:");
    return process;
}

static int s_compare (const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

uint64_t scale_quantile (uint64_t *values, uint64_t count, uint32_t per_mille)
{
    if (count == 0)
        return 0;
    qsort (values, count, sizeof *values, s_compare);
    const uint64_t rank = (count * per_mille + 999) / 1000;
    return values[rank ? rank - 1 : 0];
}

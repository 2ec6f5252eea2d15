/* SPDX-License-Identifier: MPL-2.0
 *
 * What the parts of the load generator and its drivers share: names, clock, failure, standard input.
 */
#define _GNU_SOURCE
#include "bench_load.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint32_t bench_category (const bench_options_t *options, uint32_t publisher)
{
    return publisher % options->categories;
}

uint32_t bench_reads_category (const bench_options_t *options, uint32_t subscriber, uint32_t i)
{
    return (subscriber + i) % options->categories;
}

uint32_t bench_category_name (char *text, uint32_t category)
{
    return (uint32_t)snprintf (text, BENCH_NAME_MAX, "bench%u", category);
}

uint32_t bench_agent_name (char *text, uint32_t publisher)
{
    return (uint32_t)snprintf (text, BENCH_NAME_MAX, "p%u", publisher);
}

uint32_t bench_field_name (char *text, const bench_options_t *options, uint64_t number)
{
    if (options->keys == 1)
        return (uint32_t)snprintf (text, BENCH_NAME_MAX, "payload");
    return (uint32_t)snprintf (text, BENCH_NAME_MAX, "payload.%u", (uint32_t)(number % options->keys));
}

bench_names_t *bench_names_new (const bench_options_t *options)
{
    bench_names_t *self = calloc (1, sizeof *self);
    if (self) {
        self->categories = calloc (options->count, sizeof *self->categories);
        self->agents = calloc (options->count, sizeof *self->agents);
        self->fields = calloc (options->keys, sizeof *self->fields);
    }
    if (!self || !self->categories || !self->agents || !self->fields)
        bench_fail ("no memory for names");
    for (uint32_t i = 0; i < options->count; i++) {
        bench_category_name (self->categories[i], bench_category (options, i));
        bench_agent_name (self->agents[i], i);
    }
    for (uint32_t i = 0; i < options->keys; i++)
        bench_field_name (self->fields[i], options, i);
    return self;
}

void bench_names_destroy (bench_names_t **self_p)
{
    bench_names_t *self = *self_p;
    if (!self)
        return;
    free (self->categories);
    free (self->agents);
    free (self->fields);
    free (self);
    *self_p = NULL;
}

uint64_t bench_clock_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

double bench_cpu_seconds (void)
{
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void bench_fail (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    fputs ("bench_load: ", stderr);
    vfprintf (stderr, format, arguments);
    fputc ('\n', stderr);
    va_end (arguments);
    _exit (1); /* without the transports' own ends, which may wait for ever */
}

bool bench_read_line (char *line, size_t size)
{
    static char pending[1 << 17];
    static size_t filled;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char *newline = memchr (pending, '\n', filled);
    if (!newline && poll (&input, 1, 0) > 0) {
        const ssize_t got = read (STDIN_FILENO, pending + filled, sizeof pending - filled);
        if (got <= 0 && errno != EINTR)
            bench_fail ("standard input ended before the run did");
        filled += got > 0 ? (size_t)got : 0;
        newline = memchr (pending, '\n', filled);
    }
    if (!newline)
        return false;
    const size_t used = (size_t)(newline - pending) + 1;
    snprintf (line, size, "%.*s", (int)(used - 1), pending);
    filled -= used;
    memmove (pending, pending + used, filled);
    return true;
}

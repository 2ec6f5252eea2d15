/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_line_file.h. Before each write the descriptor is polled without waiting: a pipe that is writable takes
 * PIPE_BUF octets without blocking, so lines are written in pieces of at most that. Non-blocking mode is not
 * set, since a shared standard error would change for everybody. One or two system calls a line; rejected: a thread
 * and a ring, which would lose the last lines of a crash.
 */
#define _GNU_SOURCE
#include "sb_line_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sb_line_file {
    char *path;
    const char *name;
    const char *loss_format;
    int descriptor;       /* -1: could not be opened */
    bool is_cut;          /* the last line went out in part */
    uint64_t lost;        /* lines, in all */
    uint64_t lost_unsaid; /* lines lost since a line about it was written */
};

/* Opens the file, making its folder (one level) where it is missing. */
static void s_open (sb_line_file_t *self)
{
    if (!self->path[0]) {
        self->descriptor = STDERR_FILENO;
        return;
    }
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    self->descriptor = open (self->path, flags, 0640);
    const char *slash = strrchr (self->path, '/');
    if (self->descriptor < 0 && errno == ENOENT && slash && slash != self->path) {
        char *directory = strndup (self->path, (size_t)(slash - self->path));
        if (directory && mkdir (directory, 0755) == 0)
            self->descriptor = open (self->path, flags, 0640);
        free (directory);
    }
}

static void s_close (sb_line_file_t *self)
{
    if (self->descriptor >= 0 && self->path[0])
        close (self->descriptor);
    self->descriptor = -1;
}

sb_line_file_t *sb_line_file_new (const char *path, const char *name, const char *loss_format)
{
    sb_line_file_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->path = strdup (path);
    self->name = name;
    self->loss_format = loss_format;
    self->descriptor = -1;
    if (!self->path) {
        free (self);
        return NULL;
    }
    s_open (self);
    return self;
}

void sb_line_file_destroy (sb_line_file_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_close (*self_p);
    free ((*self_p)->path);
    free (*self_p);
    *self_p = NULL;
}

void sb_line_file_reopen (sb_line_file_t *self)
{
    s_close (self);
    s_open (self);
    self->is_cut = false;
}

uint64_t sb_line_file_lost (const sb_line_file_t *self)
{
    return self->lost;
}

bool sb_line_file_is_terminal (const sb_line_file_t *self)
{
    return self->descriptor >= 0 && isatty (self->descriptor);
}

/* Writes as much as goes without waiting. Returns 0, or errno. */
static int s_write (sb_line_file_t *self, const char *data, size_t size)
{
    if (self->descriptor < 0)
        s_open (self);
    if (self->descriptor < 0)
        return errno;
    while (size > 0) {
        struct pollfd item = {.fd = self->descriptor, .events = POLLOUT};
        if (poll (&item, 1, 0) != 1 || !(item.revents & POLLOUT))
            return EAGAIN;
        const size_t piece = size < PIPE_BUF ? size : PIPE_BUF;
        ssize_t count = write (self->descriptor, data, piece);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno;
        self->is_cut = true;
        data += count;
        size -= (size_t)count;
    }
    self->is_cut = false;
    return 0;
}

/* Says on standard error that lines get lost; not where standard error itself is what fails. */
static void s_complain (const sb_line_file_t *self, int error)
{
    if (!self->path[0])
        return;
    char text[PATH_MAX + 256];
    int size = snprintf (text, sizeof text, "syncbusd: the %s %s cannot be written: %s; lines are lost and counted\n",
                         self->name, self->path, strerror (error));
    struct pollfd item = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll (&item, 1, 0) == 1 && (item.revents & POLLOUT) && write (STDERR_FILENO, text, (size_t)size) < 0)
        return; /* nobody is left to tell */
}

bool sb_line_file_write (sb_line_file_t *self, const char *line, size_t size)
{
    char loss[256];
    int error = self->is_cut ? s_write (self, "\n", 1) : 0;
    if (!error && self->lost_unsaid > 0) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int loss_size = snprintf (loss, sizeof loss, self->loss_format, (unsigned long)self->lost_unsaid);
#pragma GCC diagnostic pop
        error = s_write (self, loss, (size_t)loss_size);
        if (!error)
            self->lost_unsaid = 0;
    }
    if (!error)
        error = s_write (self, line, size);
    if (!error)
        return true;
    if (self->lost_unsaid == 0)
        s_complain (self, error);
    self->lost++;
    self->lost_unsaid++;
    return false;
}

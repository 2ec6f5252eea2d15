/* SPDX-License-Identifier: MPL-2.0
 *
 * The control-state file: see sb_control_file.h for the promise, sb_control_text.h for the format.
 *
 * The lock is a flock on a file of its own beside the state, since the state file itself is replaced at
 * each save. A file that cannot be read is moved aside, never overwritten, so that a person can look at it.
 */
#define _GNU_SOURCE
#include "sb_control_file.h"
#include "sb_control_text.h"
#include "sb_names.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 64 << 20 };

struct sb_control_file {
    char *path;
    char *directory;                 /* that holds it */
    int lock_descriptor;             /* -1: not locked */
    char *text;                      /* last file read; the state handed out borrows from it */
    sb_operator_record_t *operators; /* of that state */
    char problem[PATH_MAX + 256];
    char reason[256]; /* of the stop set by a corrupt file */
};

sb_control_file_t *sb_control_file_new (const char *path)
{
    sb_control_file_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->lock_descriptor = -1;
    self->path = strdup (path);
    const char *slash = strrchr (path, '/');
    if (!slash)
        self->directory = strdup (".");
    else
        self->directory = slash == path ? strdup ("/") : strndup (path, (size_t)(slash - path));
    if (!self->path || !self->directory)
        sb_control_file_destroy (&self);
    return self;
}

void sb_control_file_destroy (sb_control_file_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_control_file_t *self = *self_p;
    if (self->lock_descriptor >= 0)
        close (self->lock_descriptor);
    free (self->operators);
    free (self->text);
    free (self->directory);
    free (self->path);
    free (self);
    *self_p = NULL;
}

const char *sb_control_file_problem (const sb_control_file_t *self)
{
    return self->problem;
}

static void __attribute__ ((format (printf, 2, 3))) s_say (sb_control_file_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (self->problem, sizeof self->problem, format, arguments);
    va_end (arguments);
}

/* ---------------------------------------------------------------- folder and lock */

/* mkdir -p */
static int s_make_directory (const char *directory)
{
    char path[PATH_MAX];
    if (snprintf (path, sizeof path, "%s", directory) >= (int)sizeof path)
        return ENAMETOOLONG;
    for (char *slash = strchr (path + 1, '/');; slash = strchr (slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir (path, 0755) != 0 && errno != EEXIST)
            return errno;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

int sb_control_file_lock (sb_control_file_t *self, int *holder)
{
    assert (self->lock_descriptor < 0);
    char path[PATH_MAX];
    *holder = 0;
    int error = s_make_directory (self->directory);
    if (error)
        return error;
    if (snprintf (path, sizeof path, "%s.lock", self->path) >= (int)sizeof path)
        return ENAMETOOLONG;
    int descriptor = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return errno;
    char text[16] = "";
    if (flock (descriptor, LOCK_EX | LOCK_NB) != 0) {
        error = errno;
        if (read (descriptor, text, sizeof text - 1) > 0)
            *holder = atoi (text);
        close (descriptor);
        return error;
    }
    /* The pid in it is for people; the lock itself is what counts. */
    int size = snprintf (text, sizeof text, "%d\n", (int)getpid ());
    if (ftruncate (descriptor, 0) != 0 || write (descriptor, text, (size_t)size) != size)
        s_say (self, "%s: %s", path, strerror (errno));
    self->lock_descriptor = descriptor;
    return 0;
}

/* ---------------------------------------------------------------- loading */

/* Reads the whole file into self->text. Returns 0 or errno. */
static int s_read_file (sb_control_file_t *self, size_t *size)
{
    int descriptor = open (self->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    struct stat status;
    int error = 0;
    if (fstat (descriptor, &status) != 0)
        error = errno;
    else if (!S_ISREG (status.st_mode))
        error = S_ISDIR (status.st_mode) ? EISDIR : EINVAL;
    else if (status.st_size > FILE_BYTES_MAX)
        error = EFBIG;
    if (!error) {
        self->text = malloc ((size_t)status.st_size + 1);
        ssize_t count = 0;
        *size = 0;
        while (self->text && *size < (size_t)status.st_size &&
               (count = read (descriptor, self->text + *size, (size_t)status.st_size - *size)) > 0)
            *size += (size_t)count;
        error = !self->text ? ENOMEM : count < 0 ? errno : 0;
    }
    close (descriptor);
    return error;
}

/* Gives the file a second name for people to look at. It keeps its own until a new state takes that: should none be
 * saved, the next start is stopped again. What can have one name only, a folder say, is moved out of the way. */
static bool s_keep_aside (const char *path, const char *aside)
{
    unlink (aside);
    return link (path, aside) == 0 || rename (path, aside) == 0;
}

/* The state of a broker that cannot know whether it was stopped. */
static sb_control_outcome_t s_corrupt (sb_control_file_t *self, const char *fault, int64_t unix_ns,
                                       sb_control_state_t *state, uint64_t *epoch)
{
    char aside[PATH_MAX + 16];
    snprintf (aside, sizeof aside, "%s.corrupt", self->path);
    bool is_kept = s_keep_aside (self->path, aside);
    s_say (self, "%s cannot be used: %s; %s%s", self->path, fault,
           is_kept ? "it is kept as " : "it could not be moved aside", is_kept ? aside : "");
    snprintf (self->reason, sizeof self->reason, "the control state could not be read: %s", fault);
    *epoch = (uint64_t)unix_ns / 1000000000;
    *state = (sb_control_state_t){.stopped = true,
                                  .latch_epoch = *epoch,
                                  .issuer = sb_text ("broker"),
                                  .reason = sb_text (self->reason),
                                  .since_unix_ns = unix_ns};
    return SB_CONTROL_CORRUPT;
}

sb_control_outcome_t sb_control_file_load (sb_control_file_t *self, int64_t unix_ns, sb_control_state_t *state,
                                           uint64_t *epoch)
{
    assert (unix_ns > 0);
    free (self->operators);
    free (self->text);
    self->operators = NULL;
    self->text = NULL;
    self->problem[0] = '\0';
    size_t size = 0;
    int error = s_read_file (self, &size);
    if (error == ENOENT) {
        *state = (sb_control_state_t){0};
        *epoch = 0;
        return SB_CONTROL_MISSING;
    }
    const char *fault =
        error ? strerror (error) : sb_control_text_read (self->text, size, state, epoch, &self->operators);
    return fault ? s_corrupt (self, fault, unix_ns, state, epoch) : SB_CONTROL_LOADED;
}

/* ---------------------------------------------------------------- saving */

static int s_write_all (int descriptor, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write (descriptor, data, size);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0) {
            data += count;
            size -= (size_t)count;
        }
    }
    return 0;
}

static int s_sync_directory (const char *directory)
{
    int descriptor = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    int error = fsync (descriptor) != 0 ? errno : 0;
    close (descriptor);
    return error;
}

static int s_write_new (const char *path, const char *text, size_t size)
{
    int descriptor = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return errno;
    int error = s_write_all (descriptor, text, size);
    if (!error && fsync (descriptor) != 0)
        error = errno;
    if (close (descriptor) != 0 && !error)
        error = errno;
    return error;
}

bool sb_control_file_save (sb_control_file_t *self, const sb_control_state_t *state, uint64_t epoch)
{
    char path[PATH_MAX + 16];
    snprintf (path, sizeof path, "%s.new", self->path);
    size_t size = 0;
    char *text = sb_control_text_write (state, epoch, &size);
    int error = text ? s_write_new (path, text, size) : ENOMEM;
    free (text);
    if (!error && rename (path, self->path) != 0)
        error = errno;
    if (error)
        unlink (path);
    else
        error = s_sync_directory (self->directory);
    if (error)
        s_say (self, "%s could not be written: %s", self->path, strerror (error));
    return error == 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Programs and folders for integration tests: see harness.h.
 *
 * Programs are started with posix_spawn through setpriv, which has the kernel kill them when the test
 * process goes, however it goes. A broker's endpoints are read from its ready file, so that every
 * test has ports of its own. Rejected: fixed ports or ports probed beforehand, which collide.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { ARGUMENTS_MAX = 64, PATHS_MAX = 64, ENDPOINT_MAX = 128, POLL_MS = 5 };

struct sb_process {
    pid_t pid;
    bool is_reaped;
    int exit_code;
    char *output_path;
};

struct sb_scene {
    char directory[64];
    char *paths[PATHS_MAX]; /* what sb_scene_path has handed out */
    uint32_t path_count;
    sb_process_t *broker;
    uint32_t start_count;
    char ingress[ENDPOINT_MAX];
    char publish[ENDPOINT_MAX];
    char command[ENDPOINT_MAX];
};

/* Programs of this project, and where the build puts them. */
static const struct {
    const char *name;
    const char *path;
} s_programs[] = {
    {"syncbusd", "broker/live/syncbusd"},
    {"syncbus", "cli/syncbus"},
    {"syncbus-market", "agents/market/syncbus-market"},
    {"syncbus-scanner", "agents/scanner/syncbus-scanner"},
    {"syncbus-trader", "agents/trader/syncbus-trader"},
    {"syncbus-risk", "agents/risk/syncbus-risk"},
    {"syncbus-trainer", "agents/trainer/syncbus-trainer"},
};

int64_t sb_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool sb_wait_until (bool (*condition) (void *context), void *context, int timeout_ms)
{
    const int64_t end_ms = sb_now_ms () + timeout_ms;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    while (!condition (context)) {
        if (sb_now_ms () >= end_ms)
            return condition (context);
        nanosleep (&pause, NULL);
    }
    return true;
}

char *sb_file_read (const char *path)
{
    FILE *file = fopen (path, "rb");
    if (!file)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream (&text, &size);
    char block[4096];
    size_t count;
    while ((count = fread (block, 1, sizeof block, file)) > 0)
        fwrite (block, 1, count, memory);
    fclose (file);
    fclose (memory);
    return text;
}

void sb_file_write (const char *path, const char *text)
{
    FILE *file = fopen (path, "wb");
    cr_assert (file, "cannot write %s: %s", path, strerror (errno));
    fputs (text, file);
    fclose (file);
}

/* ---------------------------------------------------------------- programs */

const char *sb_program_path (const char *name)
{
    static char path[4096];
    const char *directory = getenv ("SB_BINARY_DIR");
    for (size_t i = 0; i < sizeof s_programs / sizeof s_programs[0]; i++) {
        if (strcmp (name, s_programs[i].name) != 0)
            continue;
        cr_assert (directory, "SB_BINARY_DIR is not set: run the tests with ctest, or set it to the build folder");
        snprintf (path, sizeof path, "%s/%s", directory, s_programs[i].path);
        return path;
    }
    return name;
}

/* The environment without SYNCBUS_ variables: a tester's own settings must not reach the program. */
static char **s_environment (void)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **result = calloc (count + 1, sizeof *result);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp (environ[i], "SYNCBUS_", 8) != 0)
            result[kept++] = environ[i];
    return result;
}

sb_process_t *sb_process_start (const char *program, const char *const *arguments, const char *output_path)
{
    const char *vector[ARGUMENTS_MAX + 8];
    uint32_t count = 0;
    if (access ("/usr/bin/setpriv", X_OK) == 0) {
        vector[count++] = "/usr/bin/setpriv";
        vector[count++] = "--pdeathsig";
        vector[count++] = "KILL";
        vector[count++] = "--";
    }
    vector[count++] = sb_program_path (program);
    for (uint32_t i = 0; arguments && arguments[i]; i++) {
        cr_assert (i < ARGUMENTS_MAX, "too many arguments");
        vector[count++] = arguments[i];
    }
    vector[count] = NULL;

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                      0644);
    posix_spawn_file_actions_adddup2 (&actions, STDOUT_FILENO, STDERR_FILENO);
    sb_process_t *self = calloc (1, sizeof *self);
    char **environment = s_environment ();
    int error = posix_spawnp (&self->pid, vector[0], &actions, NULL, (char *const *)(uintptr_t)vector, environment);
    free (environment);
    posix_spawn_file_actions_destroy (&actions);
    cr_assert_eq (error, 0, "cannot start %s: %s", program, strerror (error));
    self->output_path = strdup (output_path);
    return self;
}

void sb_process_destroy (sb_process_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_process_t *self = *self_p;
    if (!self->is_reaped) {
        kill (self->pid, SIGKILL);
        waitpid (self->pid, NULL, 0);
    }
    free (self->output_path);
    free (self);
    *self_p = NULL;
}

pid_t sb_process_pid (const sb_process_t *self)
{
    return self->pid;
}

void sb_process_signal (sb_process_t *self, int signal_number)
{
    if (!self->is_reaped)
        kill (self->pid, signal_number);
}

static bool s_process_has_ended (void *context)
{
    sb_process_t *self = context;
    int status;
    if (!self->is_reaped && waitpid (self->pid, &status, WNOHANG) == self->pid) {
        self->is_reaped = true;
        self->exit_code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
    }
    return self->is_reaped;
}

int sb_process_wait (sb_process_t *self, int timeout_ms)
{
    return sb_wait_until (s_process_has_ended, self, timeout_ms) ? self->exit_code : -1;
}

char *sb_process_output (const sb_process_t *self)
{
    char *text = sb_file_read (self->output_path);
    return text ? text : strdup ("");
}

struct says {
    const sb_process_t *process;
    const char *text;
};

static bool s_says (void *context)
{
    const struct says *says = context;
    char *output = sb_process_output (says->process);
    bool found = strstr (output, says->text) != NULL;
    free (output);
    return found;
}

bool sb_process_says (const sb_process_t *self, const char *text, int timeout_ms)
{
    struct says says = {.process = self, .text = text};
    return sb_wait_until (s_says, &says, timeout_ms);
}

/* ---------------------------------------------------------------- scenes */

enum { SCENES_MAX = 8 };

static sb_scene_t *s_scenes[SCENES_MAX]; /* not destroyed yet */

/* A test that fails leaves in the middle: what it has started goes when its process exits. */
static void s_destroy_scenes (void)
{
    for (int i = 0; i < SCENES_MAX; i++)
        sb_scene_destroy (&(sb_scene_t *){s_scenes[i]});
}

static void s_replace_scene (sb_scene_t *old, sb_scene_t *new)
{
    int place = 0;
    while (place < SCENES_MAX && s_scenes[place] != old)
        place++;
    cr_assert (place < SCENES_MAX, "too many scenes");
    s_scenes[place] = new;
}

sb_scene_t *sb_scene_new (void)
{
    static bool is_registered;
    if (!is_registered)
        atexit (s_destroy_scenes);
    is_registered = true;
    sb_scene_t *self = calloc (1, sizeof *self);
    snprintf (self->directory, sizeof self->directory, "/tmp/sb-test-XXXXXX");
    cr_assert (mkdtemp (self->directory), "cannot make a folder under /tmp: %s", strerror (errno));
    s_replace_scene (NULL, self);
    return self;
}

static int s_remove (const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove (path);
}

void sb_scene_destroy (sb_scene_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_scene_t *self = *self_p;
    s_replace_scene (self, NULL);
    sb_process_destroy (&self->broker);
    nftw (self->directory, s_remove, 16, FTW_DEPTH | FTW_PHYS);
    for (uint32_t i = 0; i < self->path_count; i++)
        free (self->paths[i]);
    free (self);
    *self_p = NULL;
}

const char *sb_scene_path (sb_scene_t *self, const char *name)
{
    char path[256];
    snprintf (path, sizeof path, "%s/%s", self->directory, name);
    for (uint32_t i = 0; i < self->path_count; i++)
        if (strcmp (self->paths[i], path) == 0)
            return self->paths[i];
    cr_assert (self->path_count < PATHS_MAX, "too many paths in a scene");
    self->paths[self->path_count] = strdup (path);
    return self->paths[self->path_count++];
}

/* Copies the text member `name` of a flat JSON object. */
static bool s_json_member (const char *json, const char *name, char *value, size_t size)
{
    char pattern[64];
    snprintf (pattern, sizeof pattern, "\"%s\"", name);
    const char *found = strstr (json, pattern);
    found = found ? strchr (found + strlen (pattern), '"') : NULL;
    const char *end = found ? strchr (found + 1, '"') : NULL;
    if (!end || (size_t)(end - found) > size)
        return false;
    memcpy (value, found + 1, (size_t)(end - found - 1));
    value[end - found - 1] = '\0';
    return true;
}

static bool s_broker_is_ready (void *context)
{
    sb_scene_t *self = context;
    char *json = sb_file_read (sb_scene_path (self, "ready"));
    bool is_ready = json && s_json_member (json, "ingress", self->ingress, sizeof self->ingress) &&
                    s_json_member (json, "publish", self->publish, sizeof self->publish) &&
                    s_json_member (json, "command", self->command, sizeof self->command);
    free (json);
    return is_ready || s_process_has_ended (self->broker);
}

static void s_start_broker (sb_scene_t *self, const char *ingress, const char *publish, const char *command,
                            const char *const *arguments)
{
    const char *ready_file = sb_scene_path (self, "ready");
    const char *fixed[] = {"--ingress", ingress,       "--publish",     publish,        "--command",
                           command,     "--state-dir", self->directory, "--ready-file", ready_file};
    const char *vector[ARGUMENTS_MAX + 1];
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        vector[count++] = fixed[i];
    for (uint32_t i = 0; arguments && arguments[i] && count < ARGUMENTS_MAX; i++)
        vector[count++] = arguments[i];
    vector[count] = NULL;
    unlink (ready_file);
    char name[32];
    snprintf (name, sizeof name, "broker-%u.out", ++self->start_count);
    sb_process_destroy (&self->broker);
    self->broker = sb_process_start ("syncbusd", vector, sb_scene_path (self, name));
    bool is_ready = sb_wait_until (s_broker_is_ready, self, SB_PATIENCE_MS) && !self->broker->is_reaped;
    char *output = is_ready ? NULL : sb_process_output (self->broker);
    cr_assert (is_ready, "the broker did not become ready; it said:\n%s", output);
}

void sb_scene_start_broker (sb_scene_t *self, const char *const *arguments)
{
    s_start_broker (self, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", arguments);
}

void sb_scene_restart_broker (sb_scene_t *self, const char *const *arguments)
{
    char ingress[ENDPOINT_MAX], publish[ENDPOINT_MAX], command[ENDPOINT_MAX];
    strcpy (ingress, self->ingress);
    strcpy (publish, self->publish);
    strcpy (command, self->command);
    s_start_broker (self, ingress, publish, command, arguments);
}

sb_process_t *sb_scene_broker (sb_scene_t *self)
{
    return self->broker;
}

const char *sb_scene_ingress (const sb_scene_t *self)
{
    return self->ingress;
}

const char *sb_scene_publish (const sb_scene_t *self)
{
    return self->publish;
}

const char *sb_scene_command (const sb_scene_t *self)
{
    return self->command;
}

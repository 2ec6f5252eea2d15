/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus top` on a real terminal (a pty): it draws, redraws when resized, says when the broker goes and comes back,
 * obeys its keys, and leaves the terminal as it was. What stands where on the screen is the unit tests' matter.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { SEEN_SIZE = 1 << 20 };

/* A program on a terminal of its own. */
typedef struct {
    int terminal;
    pid_t process;
    char seen[SEEN_SIZE]; /* what it wrote since s_forget, NUL-terminated */
    size_t size;
} stage_t;

static void s_start_top (stage_t *self, sb_scene_t *scene, unsigned short columns, unsigned short lines)
{
    struct winsize size = {.ws_col = columns, .ws_row = lines};
    memset (self, 0, sizeof (*self));
    const char *program = sb_program_path ("syncbus");
    const char *endpoint = sb_scene_command (scene);
    self->process = forkpty (&self->terminal, NULL, NULL, &size);
    cr_assert_geq (self->process, 0);
    if (self->process == 0) {
        setenv ("TERM", "xterm", 1);
        setenv ("LC_ALL", "C.UTF-8", 1);
        unsetenv ("NO_COLOR");
        execl (program, program, "top", "--endpoint", endpoint, "--interval", "0.2", "--timeout", "0.5", (char *)NULL);
        _exit (127);
    }
}

/* Reads until `text` was written; false after SB_PATIENCE_MS. */
static bool s_sees (stage_t *self, const char *text)
{
    int64_t deadline_ms = sb_now_ms () + SB_PATIENCE_MS;
    while (!strstr (self->seen, text)) {
        struct pollfd item = {.fd = self->terminal, .events = POLLIN};
        int64_t left_ms = deadline_ms - sb_now_ms ();
        if (left_ms <= 0 || poll (&item, 1, (int)left_ms) < 1)
            return false;
        if (self->size > SEEN_SIZE / 2)
            self->size = 0;
        ssize_t got = read (self->terminal, self->seen + self->size, SEEN_SIZE - 1 - self->size);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got; i++)
            if (self->seen[self->size + (size_t)i] == 0)
                self->seen[self->size + (size_t)i] = '?';
        self->size += (size_t)got;
        self->seen[self->size] = 0;
    }
    return true;
}

static void s_forget (stage_t *self)
{
    self->size = 0;
    self->seen[0] = 0;
}

static void s_type (stage_t *self, const char *keys)
{
    s_forget (self);
    cr_assert_eq (write (self->terminal, keys, strlen (keys)), (ssize_t)strlen (keys));
}

static bool s_has_ended (void *context)
{
    stage_t *self = context;
    int status;
    s_sees (self, "\033[?1049l");
    if (waitpid (self->process, &status, WNOHANG) != self->process)
        return false;
    self->process = WIFEXITED (status) ? -WEXITSTATUS (status) : -128;
    return true;
}

Test (top, draws_resizes_obeys_and_survives_the_broker, .timeout = 90)
{
    static stage_t stage;
    sb_scene_t *scene = sb_scene_new ();
    sb_scene_start_broker (scene, NULL);
    sb_peer_t *peer = sb_peer_join (sb_scene_ingress (scene), "walter", 1);
    s_start_top (&stage, scene, 80, 24);
    cr_expect (s_sees (&stage, "SyncBus tcp://"));
    cr_expect (s_sees (&stage, "BRKR"));
    cr_expect (s_sees (&stage, "walter"));
    cr_expect (s_sees (&stage, "\033[32m"), "colours on a terminal");

    s_forget (&stage);
    struct winsize size = {.ws_col = 150, .ws_row = 40};
    ioctl (stage.terminal, TIOCSWINSZ, &size);
    cr_expect (s_sees (&stage, "RESPONSE"), "a wider terminal shows whole titles");
    cr_expect (s_sees (&stage, "walter"), "all is drawn anew");

    s_type (&stage, "p");
    cr_expect (s_sees (&stage, "pause walter? y/n"));
    s_type (&stage, "y");
    cr_expect (s_sees (&stage, "pause walter: done"));
    s_type (&stage, "Estop\r");
    cr_expect (s_sees (&stage, "EMERGENCY STOP epoch 1"));

    s_forget (&stage);
    sb_process_signal (sb_scene_broker (scene), SIGKILL);
    sb_process_wait (sb_scene_broker (scene), SB_PATIENCE_MS);
    cr_expect (s_sees (&stage, "is syncbusd running?"));
    cr_expect (s_sees (&stage, "stale since "));
    s_forget (&stage);
    sb_scene_restart_broker (scene, NULL);
    cr_expect (s_sees (&stage, "publications"), "the rates are back");

    s_type (&stage, "q");
    cr_expect (sb_wait_until (s_has_ended, &stage, SB_PATIENCE_MS));
    cr_expect_eq (stage.process, 0, "exit code 0");
    cr_expect_not_null (strstr (stage.seen, "\033[?1049l"), "the terminal is given back");
    close (stage.terminal);
    sb_peer_destroy (&peer);
    sb_scene_destroy (&scene);
}

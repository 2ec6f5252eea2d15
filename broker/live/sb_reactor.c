/* SPDX-License-Identifier: MPL-2.0
 *
 * The loop, start and end of the broker: see sb_reactor.h.
 */
#define _GNU_SOURCE
#include "sb_clock.h"
#include "sb_config_value.h"
#include "sb_reactor_private.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    TURN_NS = 1000 * 1000,         /* of reading ingress */
    COMMAND_BATCH = 64,            /* requests a turn, for TURN_NS at most */
    INGRESS_BATCH = 16,            /* messages between two looks at the clock; each step also reads it */
    SUBSCRIPTION_NS = 500 * 1000,  /* of reading subscriptions a turn: an answer to a join takes some microseconds */
    SUBSCRIPTION_BATCH = 16,       /* frames between two looks at the clock; each step also reads it */
    MONITOR_BATCH = 1024,          /* events a turn and socket */
    DRAIN_QUIET_MS = 20,           /* input is empty when nothing came for so long: libzmq's thread was held up, too */
    DRAIN_NS = 1000 * 1000 * 1000, /* at most, and no longer than the process was held up */
    HOUSEKEEPING_NS = 1000 * 1000 * 1000,
    DESCRIPTORS_PER_AGENT = 1, /* DEALER; who has a SUB takes another, which is judged when it is there: s_keep_house */
    DESCRIPTORS_OF_OURS = 128,
    ENCODE_ARENA_BYTES = 256 << 20,
    SPARE_REQUESTS = 256
};

/* ---------------------------------------------------------------- start */

static void *s_allocate (void *context, size_t size)
{
    (void)context;
    return malloc (size);
}

static void s_release (void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free (memory);
}

/* Raises the limit of descriptors as far as it goes, and lowers limits/agents to what it bears. */
static void s_raise_descriptor_limit (sb_reactor_t *self)
{
    struct rlimit limit;
    int rc = getrlimit (RLIMIT_NOFILE, &limit);
    assert (rc == 0);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit (RLIMIT_NOFILE, &limit) != 0)
        getrlimit (RLIMIT_NOFILE, &limit);
    self->configured_agents = self->config->core.max_agents;
    self->descriptor_limit = limit.rlim_cur > 1 << 24 ? 1 << 24 : (uint32_t)limit.rlim_cur;
    const uint32_t usable =
        self->descriptor_limit > DESCRIPTORS_OF_OURS ? self->descriptor_limit - DESCRIPTORS_OF_OURS : 0;
    const uint32_t agents = usable / DESCRIPTORS_PER_AGENT;
    if (agents >= self->config->core.max_agents)
        return;
    sb_log_say (self->log, SB_SEVERITY_WARNING, "DESCRIPTORS",
                "the limit of %u file descriptors bears %u agents, not the %u of limits/agents: raise it (ulimit -n, "
                "LimitNOFILE)",
                self->descriptor_limit, agents, self->config->core.max_agents);
    self->config->core.max_agents = agents > 0 ? agents : 1;
}

static uint64_t s_random (uint64_t maximum)
{
    uint64_t number = 0;
    while (getrandom (&number, sizeof number, 0) != (ssize_t)sizeof number)
        ;
    return number % maximum + 1;
}

/* The core's texts that only the shell knows. */
static void s_fill_core_config (sb_reactor_t *self, sb_config_t *config)
{
    config->core.version = sb_text (SB_VERSION);
    config->core.ingress_endpoint = sb_text (self->sockets.sockets[SB_SOCKET_INGRESS].endpoint);
    config->core.publish_endpoint = sb_text (self->sockets.sockets[SB_SOCKET_PUBLISH].advertised);
    config->core.command_endpoint = sb_text (self->sockets.sockets[SB_SOCKET_COMMAND].endpoint);
}

static bool s_lock_control_file (sb_reactor_t *self, char *problem, size_t size)
{
    int holder;
    const char *path = self->config->control_file;
    self->control_file = sb_control_file_new (path);
    assert (self->control_file);
    int error = sb_control_file_lock (self->control_file, &holder);
    if (error == EWOULDBLOCK)
        snprintf (
            problem, size,
            "the control state %s is in use by another syncbusd (pid %d); stop it, or choose another with --state-dir",
            path, holder);
    else if (error)
        snprintf (problem, size, "the control state %s cannot be kept: %s; choose a writable folder with --state-dir",
                  path, strerror (error));
    return error == 0;
}

/* Reads the control state, counts the epoch up, and saves that before anything is served. */
static void s_load_control_file (sb_reactor_t *self, sb_control_state_t *state)
{
    uint64_t epoch;
    sb_control_outcome_t outcome = sb_control_file_load (self->control_file, sb_clock_unix_ns (), state, &epoch);
    self->epoch = epoch + 1;
    if (outcome == SB_CONTROL_CORRUPT)
        sb_log_say (
            self->log, SB_SEVERITY_ERROR, "CONTROL_FILE",
            "%s. The broker starts with the emergency stop set, since it cannot know whether it was. Make sure that it "
            "is safe to go on and that nobody was paused or isolated, then: syncbus emergency_clear --latch-epoch %lu "
            "--reason WHY",
            sb_control_file_problem (self->control_file), (unsigned long)state->latch_epoch);
    else if (state->stopped)
        sb_log_say (
            self->log, SB_SEVERITY_WARNING, "EMERGENCY_STOP",
            "still set from before the restart: nothing is accepted until syncbus emergency_clear --latch-epoch %lu "
            "--reason WHY",
            (unsigned long)state->latch_epoch);
    if (!sb_control_file_save (self->control_file, state, self->epoch))
        sb_log_say (self->log, SB_SEVERITY_ERROR, "CONTROL_FILE", "%s: an emergency stop would not survive a restart",
                    sb_control_file_problem (self->control_file));
}

static bool s_make_core (sb_reactor_t *self, char *problem, size_t size)
{
    sb_control_state_t state;
    s_load_control_file (self, &state);
    s_fill_core_config (self, self->config);
    const sb_core_identity_t identity = {.stream_id = s_random (SB_NUMBER_MAX),
                                         .epoch = self->epoch,
                                         .hash_seed = s_random (UINT64_MAX - 1),
                                         .session_seed = s_random (SB_NUMBER_MAX / 2)};
    const sb_allocator_t allocator = {.allocate = s_allocate, .release = s_release};
    self->core = sb_core_new (&self->config->core, &identity, &allocator, sb_reactor_clock (self), sb_clock_unix_ns ());
    if (!self->core) {
        snprintf (problem, size, "there is not enough memory to start");
        return false;
    }
    sb_event_t event = {.kind = SB_EVENT_RESTORE};
    event.restore = &state;
    sb_reactor_step (self, &event);
    return true;
}

static void s_warn_of_wide_binds (const sb_reactor_t *self)
{
    for (int i = 0; i < SB_SOCKETS; i++)
        if (!self->sockets.sockets[i].is_loopback)
            sb_log_say (self->log, SB_SEVERITY_WARNING, "SECURITY_OFF",
                        "%s is bound to %s: whoever reaches this machine may use it, since security is off; bind to "
                        "127.0.0.1, or "
                        "let only trusted machines through",
                        self->sockets.sockets[i].name, self->sockets.sockets[i].endpoint);
}

sb_reactor_t *sb_reactor_new (const sb_reactor_options_t *options, char *problem, size_t size)
{
    sb_reactor_t *self = calloc (1, sizeof *self);
    assert (self);
    self->options = *options;
    self->config = options->config;
    self->log = options->log;
    s_raise_descriptor_limit (self);
    const sb_core_config_t *core = &self->config->core;
    self->requests = sb_requests_new (core->max_pending_commands + SPARE_REQUESTS);
    self->decode_arena = sb_arena_new (((size_t)core->max_message_bytes + SB_GATHER_ALL_BYTES) * SB_ARENA_FACTOR);
    self->encode_arena = sb_arena_new (ENCODE_ARENA_BYTES);
    assert (self->requests && self->decode_arena && self->encode_arena);
    sb_reactor_set_gathers (self);
    sb_histogram_clear (&self->merge_times);
    if (!sb_sockets_open (&self->sockets, self->config, problem, size) || !s_lock_control_file (self, problem, size) ||
        !s_make_core (self, problem, size)) {
        sb_reactor_destroy (&self);
        return NULL;
    }
    s_warn_of_wide_binds (self);
    return self;
}

void sb_reactor_destroy (sb_reactor_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_reactor_t *self = *self_p;
    sb_sockets_close (&self->sockets, (int)self->config->linger_ms);
    sb_core_destroy (&self->core);
    sb_control_file_destroy (&self->control_file);
    sb_requests_destroy (&self->requests);
    sb_arena_destroy (&self->decode_arena);
    sb_arena_destroy (&self->encode_arena);
    sb_config_destroy (&self->config);
    free (self->lost.items);
    free (self->refused.items);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- ready */

/* Writes the ready file under another name first, so that whoever waits for it never reads half of it. False after
 * saying why it cannot be written. */
static bool s_write_ready_file (const sb_reactor_t *self)
{
    const char *path = self->config->ready_file;
    char other[4096 + 8];
    snprintf (other, sizeof other, "%s.new", path);
    FILE *file = fopen (other, "we");
    bool is_written = file != NULL;
    if (file) {
        fprintf (file, "{\"ingress\": \"%s\", \"publish\": \"%s\", \"command\": \"%s\", \"pid\": %d}\n",
                 self->sockets.sockets[SB_SOCKET_INGRESS].endpoint, self->sockets.sockets[SB_SOCKET_PUBLISH].endpoint,
                 self->sockets.sockets[SB_SOCKET_COMMAND].endpoint, (int)getpid ());
        is_written = fclose (file) == 0 && rename (other, path) == 0;
    }
    if (!is_written) {
        const int error = errno;
        sb_log_say (self->log, SB_SEVERITY_ERROR, "READY_FILE",
                    "the ready file %s cannot be written: %s: choose another with --ready-file", path,
                    strerror (error));
        unlink (other);
    }
    return is_written;
}

/* Tells whoever waits that the broker serves. False when the ready file cannot be written: its reader would wait for
 * ever. */
static bool s_announce (const sb_reactor_t *self)
{
    const sb_socket_t *sockets = self->sockets.sockets;
    if (self->config->ready_file[0] && !s_write_ready_file (self))
        return false;
    printf ("syncbusd %s ready: ingress %s publish %s command %s\n", SB_VERSION, sockets[SB_SOCKET_INGRESS].endpoint,
            sockets[SB_SOCKET_PUBLISH].endpoint, sockets[SB_SOCKET_COMMAND].endpoint);
    fflush (stdout);
    sb_log_say (self->log, SB_SEVERITY_INFO, "STARTED", "syncbusd %s, epoch %lu, ingress %s, publish %s, command %s",
                SB_VERSION, (unsigned long)self->epoch, sockets[SB_SOCKET_INGRESS].endpoint,
                sockets[SB_SOCKET_PUBLISH].endpoint, sockets[SB_SOCKET_COMMAND].endpoint);
    return true;
}

/* ---------------------------------------------------------------- signals */

static void s_log_problems (sb_reactor_t *self, char *problems)
{
    for (char *line = strsep (&problems, "\n"); line; line = strsep (&problems, "\n"))
        if (line[0])
            sb_log_say (self->log, SB_SEVERITY_ERROR, "RELOAD", "%s", line);
}

/* Keeps the old value of every key that a running broker cannot change, and says so. */
static void s_keep_unreloadable (sb_reactor_t *self, sb_config_t *config)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    for (uint32_t i = 0; i < count; i++) {
        char text[4400], problem[4600];
        if (keys[i].is_reloadable || sb_config_same (self->config, config, &keys[i]))
            continue;
        sb_log_say (self->log, SB_SEVERITY_WARNING, "RELOAD", "%s can only be changed by a restart: it stays as it is",
                    keys[i].path);
        sb_config_format (self->config, &keys[i], 0, text, sizeof text);
        bool is_good = sb_config_set_whole (config, &keys[i], text, problem, sizeof problem);
        assert (is_good);
    }
}

static void s_reload (sb_reactor_t *self)
{
    char *problems = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&problems, &size);
    assert (file);
    sb_config_t *config = self->options.source (self->options.source_context, file);
    fclose (file);
    if (!config) {
        sb_log_reload (self->log, self->config);
        s_log_problems (self, problems);
        sb_log_say (self->log, SB_SEVERITY_ERROR, "RELOAD",
                    "the configuration was not reloaded: the old one stays in force");
        free (problems);
        return;
    }
    free (problems);
    const uint32_t borne_agents = self->config->core.max_agents;
    self->config->core.max_agents = self->configured_agents;
    sb_log_reload (self->log, config);
    s_keep_unreloadable (self, config);
    config->core.max_agents = borne_agents;
    s_fill_core_config (self, config);
    sb_event_t event = {.kind = SB_EVENT_RELOAD};
    event.reload = &config->core;
    sb_reactor_step (self, &event);
    sb_config_destroy (&self->config);
    self->config = config;
    sb_log_say (self->log, SB_SEVERITY_INFO, "RELOAD", "the configuration was reloaded");
}

static void s_take_signals (sb_reactor_t *self)
{
    sb_inputs_set_empty (&self->inputs, SB_INPUT_SIGNAL);
    struct signalfd_siginfo information;
    while (read (self->options.signal_descriptor, &information, sizeof information) == (ssize_t)sizeof information) {
        if (information.ssi_signo == SIGHUP) {
            s_reload (self);
            continue;
        }
        sb_log_say (self->log, SB_SEVERITY_INFO, "STOPPING", "%s from pid %u: saying goodbye to every agent",
                    information.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", information.ssi_pid);
        self->is_stopping = true;
    }
}

/* ---------------------------------------------------------------- turns */

static void s_read_monitors (sb_reactor_t *self)
{
    for (uint32_t i = 0; i < SB_SOCKETS; i++) {
        const uint32_t input = SB_INPUT_MONITORS + i;
        if (sb_inputs_is_open (&self->inputs, input) &&
            sb_connections_read (self->sockets.sockets[i].connections, MONITOR_BATCH) < MONITOR_BATCH)
            sb_inputs_set_empty (&self->inputs, input);
    }
}

/* Reads commands: all, or as many as one turn may. */
static void s_take_commands (sb_reactor_t *self)
{
    const uint64_t end_ns = sb_reactor_clock (self) + TURN_NS;
    for (uint32_t i = 0; i < COMMAND_BATCH && self->clock_ns < end_ns; i++)
        if (!sb_reactor_take_command (self))
            return;
}

/* Reads ingress for about one turn's time; a page of history may take that alone. */
static void s_take_ingress (sb_reactor_t *self)
{
    const uint64_t end_ns = sb_reactor_clock (self) + TURN_NS;
    bool has_more = true;
    while (has_more && sb_reactor_clock (self) < end_ns)
        for (int i = 0; has_more && i < INGRESS_BATCH && self->clock_ns < end_ns; i++)
            has_more = sb_reactor_take_ingress (self);
    sb_gathers_end_turn (&self->gathers);
}

/* Reads what subscribers sent, for a bounded time. */
static void s_take_subscriptions (sb_reactor_t *self)
{
    const uint64_t end_ns = sb_reactor_clock (self) + SUBSCRIPTION_NS;
    do {
        for (int i = 0; i < SUBSCRIPTION_BATCH && self->clock_ns < end_ns; i++)
            if (!sb_reactor_take_subscription (self))
                return;
    } while (sb_reactor_clock (self) < end_ns);
}

/* Reads the sockets and monitors that may have something. */
static void s_take_input (sb_reactor_t *self)
{
    static void (*const take[SB_SOCKETS]) (sb_reactor_t *) = {
        [SB_SOCKET_INGRESS] = s_take_ingress,
        [SB_SOCKET_PUBLISH] = s_take_subscriptions,
        [SB_SOCKET_COMMAND] = s_take_commands,
    };
    static const sb_socket_name_t order[] = {SB_SOCKET_COMMAND, SB_SOCKET_INGRESS, SB_SOCKET_PUBLISH};
    for (uint32_t i = 0; i < SB_SOCKETS; i++)
        if (sb_inputs_is_open (&self->inputs, order[i]))
            take[order[i]](self);
    s_read_monitors (self);
}

static void s_flush (sb_reactor_t *self)
{
    sb_event_t event = {.kind = SB_EVENT_FLUSH};
    sb_reactor_step (self, &event);
}

/* After the process was held up: handles what waited meanwhile, before anybody is judged by the clock. What came in so
 * long is read in about as long: to read on would hold up timers, slices and conflation under a stream that never goes
 * quiet. Commands still come first, and acks leave. */
static void s_drain (sb_reactor_t *self)
{
    zmq_pollitem_t items[] = {{.socket = self->sockets.sockets[SB_SOCKET_COMMAND].socket, .events = ZMQ_POLLIN},
                              {.socket = self->sockets.sockets[SB_SOCKET_INGRESS].socket, .events = ZMQ_POLLIN}};
    const uint64_t end_ns = sb_reactor_clock (self) + (self->held_up_ns < DRAIN_NS ? self->held_up_ns : DRAIN_NS);
    while (sb_reactor_clock (self) < end_ns && zmq_poll (items, 2, DRAIN_QUIET_MS) > 0) {
        for (uint32_t i = 0; i < SB_INPUT_SIGNAL; i++)
            sb_inputs_set_open (&self->inputs, i);
        s_take_input (self);
        s_flush (self);
    }
}

static void s_tick (sb_reactor_t *self)
{
    sb_event_t event = {.kind = SB_EVENT_TICK};
    event.tick.merge_buckets = self->has_merge_times ? self->merge_times.buckets : NULL;
    for (int i = 0; i < SB_SOCKETS; i++) {
        const sb_connections_t *connections = self->sockets.sockets[i].connections;
        event.tick.cut_connections += sb_connections_cut (connections);
        event.tick.failed_handshakes += sb_connections_failed_handshakes (connections);
        event.tick.failed_accepts += sb_connections_failed_accepts (connections);
    }
    event.tick.publish_refused = self->publish_refused;
    event.tick.log_lines_lost = sb_log_lost (self->log) + sb_log_audit_lost (self->log);
    event.tick.replies_undelivered = self->replies_undelivered;
    sb_reactor_step (self, &event);
    sb_histogram_clear (&self->merge_times);
    self->has_merge_times = false;
}

/* Once a second: held-back log lines, and how many descriptors are left. */
static void s_keep_house (sb_reactor_t *self)
{
    self->next_housekeeping_ns = self->clock_ns + HOUSEKEEPING_NS;
    sb_log_flush (self->log, sb_clock_unix_ns (), self->clock_ns);
    uint32_t used = DESCRIPTORS_OF_OURS / 2;
    for (int i = 0; i < SB_SOCKETS; i++)
        used += sb_connections_descriptors (self->sockets.sockets[i].connections);
    const bool is_short = used > self->descriptor_limit / 10 * 9;
    if (is_short && !self->is_short_of_descriptors)
        sb_log_say (
            self->log, SB_SEVERITY_ERROR, "DESCRIPTORS",
            "about %u of %u file descriptors are in use: new agents are refused until some are free; raise the limit "
            "(ulimit -n, LimitNOFILE), or find who opens so many connections",
            used, self->descriptor_limit);
    if (!is_short && self->is_short_of_descriptors)
        sb_log_say (self->log, SB_SEVERITY_INFO, "DESCRIPTORS",
                    "there are file descriptors again: about %u of %u are in use", used, self->descriptor_limit);
    self->is_short_of_descriptors = is_short;
}

/* Milliseconds until there is something to do by the clock, rounded up. */
static int s_timeout_ms (sb_reactor_t *self)
{
    const uint64_t now_ns = sb_reactor_clock (self);
    if (self->deadline_ns <= now_ns)
        return 0;
    const uint64_t timeout_ms = (self->deadline_ns - now_ns + 999999) / 1000000;
    return timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
}

/* Busy polling is for a stream of input: it lasts for so long after a turn that read something, and a broker that is
 * not spoken to sleeps. A signal of libzmq's that brings nothing, as for a pipe that has room again, does not prolong
 * it. */
static void s_wait (sb_reactor_t *self)
{
    const int timeout_ms = s_timeout_ms (self);
    if (self->has_read)
        self->busy_until_ns = self->clock_ns + self->config->busy_poll_us * UINT64_C (1000);
    self->has_read = false;
    const uint64_t busy_ns = self->busy_until_ns > self->clock_ns ? self->busy_until_ns - self->clock_ns : 0;
    sb_inputs_wait (&self->inputs, timeout_ms, busy_ns);
}

static void s_watch_inputs (sb_reactor_t *self)
{
    for (int i = 0; i < SB_SOCKETS; i++)
        sb_inputs_watch_socket (&self->inputs, self->sockets.sockets[i].socket);
    for (int i = 0; i < SB_SOCKETS; i++)
        sb_inputs_watch_socket (&self->inputs, sb_connections_socket (self->sockets.sockets[i].connections));
    sb_inputs_watch_descriptor (&self->inputs, self->options.signal_descriptor);
}

/* One turn after waiting. */
static void s_turn (sb_reactor_t *self)
{
    if (sb_inputs_is_open (&self->inputs, SB_INPUT_SIGNAL))
        s_take_signals (self);
    s_take_input (self);
    if (sb_reactor_clock (self) >= self->deadline_ns) {
        if (self->held_up_ns)
            s_drain (self);
        self->held_up_ns = 0;
        s_tick (self);
    }
    s_flush (self);
    if (self->clock_ns >= self->next_housekeeping_ns)
        s_keep_house (self);
}

/* Says goodbye, and lets the core finish what it does in slices. */
static void s_shut_down (sb_reactor_t *self)
{
    s_flush (self);
    sb_event_t event = {.kind = SB_EVENT_SHUTDOWN};
    sb_reactor_step (self, &event);
    const uint64_t end_ns = sb_reactor_clock (self) + self->config->linger_ms * UINT64_C (1000000);
    while (self->deadline_ns <= sb_reactor_clock (self) && self->clock_ns < end_ns)
        s_tick (self);
    s_flush (self);
    if (self->config->ready_file[0])
        unlink (self->config->ready_file);
    sb_log_flush (self->log, sb_clock_unix_ns (), UINT64_MAX);
    sb_log_say (self->log, SB_SEVERITY_INFO, "STOPPED", "syncbusd ends");
}

int sb_reactor_run (sb_reactor_t *self)
{
    s_watch_inputs (self);
    const bool is_announced = s_announce (self);
    while (is_announced && !self->is_stopping) {
        s_wait (self);
        s_turn (self);
    }
    s_shut_down (self);
    return is_announced ? 0 : 1;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The emergency stop under a flat-out flood: that nothing is accepted after it was read, and how long it takes.
 *
 * Publishers write single deltas as fast as their windows let them, and go on doing so while they are refused. Round by
 * round the parent stops and clears. The proof is in the order of the broker's own numbers: the stop's LATCH event has
 * a place in the one sequence over all publications, and the history of the flooded category may hold no update behind
 * it. Each publisher looks as well: by the order of its own deltas, none may be accepted between its first refusal of a
 * stop and the clear. To know which stop a refusal belongs to, the parent clears only when every publisher was refused,
 * and stops again only when every publisher was accepted again. At the end every delta is decided, and what publishers
 * and broker count agrees. With --system bare the same flood goes to bench_echo, and the same request
 * to its request socket.
 *
 * Prints one line of JSON; fails when something was accepted after a stop, or is undecided.
 */
#define _GNU_SOURCE
#include "scale.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PUBLISHERS_MAX = 64,
    ROUNDS_MAX = 1000,
    PAYLOAD = 128,
    BURST = 64,
    FLOOD_NS = 200 * 1000 * 1000, /* before a stop */
    HOLD_NS = 100 * 1000 * 1000,  /* from its reply to the clear: as long the flood is refused */
    BEAT_NS = 1000 * 1000 * 1000,
    PATIENCE_NS = 30 * 1000 * 1000,
    PAGE = 200,
    CURSOR_MAX = 256
};

/* Counts of one publisher, which alone writes them. */
typedef struct {
    _Atomic uint64_t sent;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused; /* EMERGENCY_STOPPED */
    _Atomic uint64_t others;  /* refused for another reason */
    _Atomic uint64_t beats;
    _Atomic uint64_t late; /* accepted between the first refusal of a stop and its clear */
    _Atomic bool is_held;  /* a delta was refused, and none behind it was accepted after a clear */
    _Atomic bool is_ready;
    _Atomic bool is_decided; /* at the end */
} s_counts_t;

typedef struct {
    _Atomic bool is_over;
    _Atomic uint64_t clears; /* counted before the clear is sent */
    s_counts_t counts[PUBLISHERS_MAX];
} s_shared_t;

typedef struct {
    const char *system;
    const char *ingress;
    const char *publish; /* not used: every server has one */
    const char *command;
    uint64_t pid;
    uint64_t publishers;
    uint64_t rounds;
    uint64_t window; /* deltas that a publisher may have undecided */
    bool is_bare;
    s_shared_t *shared;
    void *context;
    void *request;
    scale_wire_t wire;
    pid_t children[PUBLISHERS_MAX];
    uint64_t stops_ns[ROUNDS_MAX];
    uint64_t others_ns[ROUNDS_MAX]; /* round trips of a command that is not made durable */
    uint64_t behind;                /* updates found in history behind a stop */
    uint64_t looked_at;             /* publications that the proof looked at */
    uint64_t told;
} s_bench_t;

/* ---------------------------------------------------------------- publishers */

typedef struct {
    s_counts_t *counts;
    void *dealer;
    scale_wire_t wire;
    uint64_t sequence;
    uint64_t decided;
    uint64_t next_beat_ns;
    uint64_t window;
    uint64_t clears; /* when it was refused first in this stop */
    const _Atomic uint64_t *clears_now;
    bool is_bare;
} s_publisher_t;

/* One delta's decision, in the order of the deltas. An acceptance ends a hold when the clear was sent. */
static void s_decide_one (s_publisher_t *self, bool is_stopped, bool is_accepted)
{
    if (is_stopped && !self->counts->is_held) {
        self->clears = *self->clears_now;
        self->counts->is_held = true;
    } else if (is_accepted && self->counts->is_held) {
        const bool is_cleared = *self->clears_now > self->clears;
        self->counts->late += !is_cleared;
        self->counts->is_held = !is_cleared;
    }
}

/* Refusals at most up to `decided_through` that were not known come with it, in order. */
static void s_decide (s_publisher_t *self, uint64_t decided_through, const sb_refusal_t *refused, uint32_t count)
{
    uint64_t stopped = 0, others = 0;
    uint32_t next = 0;
    for (uint64_t sequence = self->decided + 1; sequence <= decided_through; sequence++) {
        while (next < count && refused[next].sequence < sequence)
            next++;
        const bool is_refused = next < count && refused[next].sequence == sequence;
        const bool is_stopped = is_refused && refused[next].reason == SB_REASON_EMERGENCY_STOPPED;
        stopped += is_stopped;
        others += is_refused && !is_stopped;
        s_decide_one (self, is_stopped, !is_refused);
    }
    if (decided_through <= self->decided)
        return;
    self->counts->refused += stopped;
    self->counts->others += others;
    self->counts->accepted += decided_through - self->decided - stopped - others;
    self->decided = decided_through;
}

static void s_read_broker (s_publisher_t *self)
{
    sb_broker_message_t message;
    while (scale_receive (&self->wire, self->dealer, &message)) {
        switch (message.kind) {
        case SB_BROKER_MESSAGE_WELCOME:
            self->counts->is_ready = true;
            break;
        case SB_BROKER_MESSAGE_ACK:
            s_decide (self, message.ack.decided_through, message.ack.refused, message.ack.refused_count);
            break;
        case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
            s_decide (self, message.heartbeat_ack.decided_through, message.heartbeat_ack.refused,
                      message.heartbeat_ack.refused_count);
            break;
        case SB_BROKER_MESSAGE_REFUSAL:
            scale_fail ("a publisher is refused: %.*s", (int)message.refusal.text.size, message.refusal.text.data);
        default:
            break; /* the broker tells the agent of the stop; a flood does not listen */
        }
    }
}

/* A bare server sends each frame back; the tag says what it was. */
static void s_read_echo (s_publisher_t *self)
{
    while (scale_receive_frame (&self->wire, self->dealer)) {
        const uint8_t tag = *(const uint8_t *)zmq_msg_data (&self->wire.frame) >> 3;
        if (tag == 1)
            self->counts->is_ready = true;
        else if (tag == 2)
            s_decide (self, self->decided + 1, NULL, 0);
    }
}

static void s_read (s_publisher_t *self)
{
    if (self->is_bare)
        s_read_echo (self);
    else
        s_read_broker (self);
}

static void s_beat (s_publisher_t *self)
{
    if (scale_now_ns () < self->next_beat_ns)
        return;
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT};
    message.heartbeat = (sb_heartbeat_t){.decided_through = self->decided, .progress = self->decided};
    if (scale_send (&self->wire, self->dealer, &message))
        self->counts->beats++;
    self->next_beat_ns = scale_now_ns () + BEAT_NS;
}

static void s_write (s_publisher_t *self)
{
    uint8_t payload[PAYLOAD];
    sb_delta_t delta;
    memset (payload, 'x', sizeof payload);
    memcpy (payload, &self->sequence, sizeof self->sequence);
    sb_change_t change = {.name = sb_text ("payload"), .value = {.kind = SB_VALUE_BYTES}};
    change.value.bytes = (sb_text_t){(const char *)payload, sizeof payload};
    sb_agent_message_t message =
        scale_delta (&delta, self->sequence + 1, sb_text ("flood"), (sb_text_t){NULL, 0}, &change, 1);
    if (!scale_send (&self->wire, self->dealer, &message))
        return;
    self->sequence++;
    self->counts->sent++;
}

/* A publisher's process: floods until it is over, then waits for its decisions. */
static void s_flood (const s_bench_t *bench, uint32_t number)
{
    char name[SCALE_TEXT];
    const sb_text_t none = sb_text ("quiet");
    s_publisher_t self = {.counts = &bench->shared->counts[number],
                          .window = bench->window,
                          .clears_now = &bench->shared->clears,
                          .is_bare = bench->is_bare};
    void *context = scale_context (1);
    scale_wire_open (&self.wire);
    self.dealer = scale_socket (context, ZMQ_DEALER, bench->ingress);
    snprintf (name, sizeof name, "publisher-%u", number);
    sb_agent_message_t message = scale_registration (name, number + 1, &none, 1, 1000);
    scale_send (&self.wire, self.dealer, &message);
    while (!self.counts->is_decided) {
        const bool is_full = self.sequence - self.decided >= self.window;
        const bool is_over = bench->shared->is_over;
        if (is_full || is_over || !self.counts->is_ready)
            scale_wait (self.dealer, 10);
        s_read (&self);
        if (!self.counts->is_ready)
            continue;
        s_beat (&self);
        for (int i = 0; i < BURST && !is_over && self.sequence - self.decided < self.window; i++)
            s_write (&self);
        self.counts->is_decided = is_over && self.sequence == self.decided;
    }
    zmq_close (self.dealer);
    zmq_ctx_term (context);
    scale_wire_close (&self.wire);
}

/* ---------------------------------------------------------------- rounds */

static uint64_t s_sum (const s_bench_t *self, const _Atomic uint64_t *first)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < self->publishers; i++)
        sum += *(const _Atomic uint64_t *)((const char *)first + i * sizeof (s_counts_t));
    return sum;
}
#define SUM(self, member) s_sum (self, &(self)->shared->counts[0].member)

/* Waits until a flag of every publisher is as wanted. */
static void s_wait_for (const s_bench_t *self, size_t offset, bool wanted, const char *what)
{
    const uint64_t end_ns = scale_now_ns () + PATIENCE_NS * UINT64_C (1000);
    for (uint64_t i = 0; i < self->publishers; i++)
        while (*((const _Atomic bool *)((const char *)&self->shared->counts[i] + offset)) != wanted) {
            if (scale_now_ns () > end_ns)
                scale_fail ("not within 30 s: %s", what);
            scale_sleep_until (scale_now_ns () + 1000 * 1000);
        }
}

/* The place of the last stop in the one order of publications. */
static uint64_t s_stop_sequence (s_bench_t *self)
{
    uint64_t sequence = 0;
    const sb_parameter_t last = scale_integer ("last", PAGE);
    const sb_command_reply_t *reply = scale_ask (&self->wire, self->request, "events", &last, 1, NULL);
    for (uint32_t i = 0; i < reply->publication_count; i++)
        if (sb_text_equal (reply->publications[i]->topic, sb_text ("_event._broker.LATCH")))
            sequence = reply->publications[i]->sequence;
    if (!sequence)
        scale_fail ("the stop has no event");
    return sequence;
}

/* Looks for updates behind the stop among the newest publications of the flood: more of them than there can be
 * changes of quality, which alone may stand there. A publication may hold many updates, so they come in several pages;
 * all are read, as what is to be found stands at the end. */
static void s_prove (s_bench_t *self)
{
    char cursor[CURSOR_MAX] = "";
    const uint64_t stop = s_stop_sequence (self);
    bool is_reached = false;
    do {
        const sb_parameter_t parameters[] = {scale_text ("category", "flood"), scale_integer ("last", PAGE),
                                             scale_text ("cursor", cursor)};
        const uint32_t count = cursor[0] ? 3 : 2;
        const sb_command_reply_t *reply = scale_ask (&self->wire, self->request, "history", parameters, count, NULL);
        for (uint32_t i = 0; i < reply->publication_count; i++) {
            const sb_publication_t *publication = reply->publications[i];
            self->behind += publication->sequence > stop && publication->update_count > 0;
            is_reached |= publication->sequence < stop;
            self->looked_at++;
        }
        snprintf (cursor, sizeof cursor, "%.*s", (int)reply->next_cursor.size, reply->next_cursor.data);
    } while (cursor[0]);
    if (!is_reached)
        scale_fail ("history does not reach back to the stop");
}

/* One more round trip under the flood, of a command of which nothing is made durable. */
static uint64_t s_ask_something (s_bench_t *self)
{
    uint64_t round_trip_ns;
    const sb_parameter_t last = scale_integer ("last", 1);
    scale_ask (&self->wire, self->request, "events", &last, 1, &round_trip_ns);
    return round_trip_ns;
}

static void s_stop_and_clear (s_bench_t *self, uint64_t round)
{
    self->others_ns[round] = s_ask_something (self);
    const sb_command_reply_t *reply =
        scale_ask (&self->wire, self->request, "emergency_stop", NULL, 0, &self->stops_ns[round]);
    const uint64_t epoch = scale_column (&reply->records[0], "latch_epoch");
    self->told += scale_column (&reply->records[0], "told");
    scale_sleep_until (scale_now_ns () + HOLD_NS);
    s_wait_for (self, offsetof (s_counts_t, is_held), true, "every publisher is refused after the stop");
    s_prove (self);
    const sb_parameter_t parameter = scale_integer ("latch_epoch", epoch);
    self->shared->clears++;
    scale_ask (&self->wire, self->request, "emergency_clear", &parameter, 1, NULL);
    s_wait_for (self, offsetof (s_counts_t, is_held), false, "every publisher is accepted after the clear");
}

/* At a bare server: the same request there and back. */
static void s_echo (s_bench_t *self, uint64_t round)
{
    char request[64] = {0};
    const uint64_t begin_ns = scale_now_ns ();
    if (zmq_send (self->request, request, sizeof request, 0) < 0 || !scale_wait (self->request, 60000) ||
        !scale_receive_frame (&self->wire, self->request))
        scale_fail ("no answer");
    self->stops_ns[round] = scale_now_ns () - begin_ns;
}

/* ---------------------------------------------------------------- result */

static void s_check (s_bench_t *self)
{
    const uint64_t sent = SUM (self, sent), decided = SUM (self, accepted) + SUM (self, refused) + SUM (self, others);
    if (sent != decided)
        scale_fail ("of %lu deltas %lu are decided", (unsigned long)sent, (unsigned long)decided);
    if (self->behind)
        scale_fail ("%lu updates were accepted after a stop was read", (unsigned long)self->behind);
    if (SUM (self, late))
        scale_fail ("publishers saw %lu deltas accepted between their first refusal and the clear",
                    (unsigned long)SUM (self, late));
    if (self->is_bare)
        return;
    const uint64_t accepted = scale_status (&self->wire, self->request, "deltas_accepted");
    if (accepted != SUM (self, accepted) || SUM (self, others))
        scale_fail ("the broker accepted %lu, its publishers were told of %lu, and %lu were refused for other reasons",
                    (unsigned long)accepted, (unsigned long)SUM (self, accepted), (unsigned long)SUM (self, others));
    if (self->told != self->rounds * self->publishers)
        scale_fail ("stops were told to %lu agents, not %lu", (unsigned long)self->told,
                    (unsigned long)(self->rounds * self->publishers));
}

static void s_print (s_bench_t *self, uint64_t window_ns)
{
    printf ("{\"system\": \"%s\", \"publishers\": %lu, \"rounds\": %lu, \"window_ns\": %lu, \"sent\": %lu, "
            "\"accepted\": %lu, \"refused\": %lu, \"accepted_after_stop\": %lu, \"publications_looked_at\": %lu, ",
            self->system, (unsigned long)self->publishers, (unsigned long)self->rounds, (unsigned long)window_ns,
            (unsigned long)SUM (self, sent), (unsigned long)SUM (self, accepted), (unsigned long)SUM (self, refused),
            (unsigned long)(self->behind + SUM (self, late)), (unsigned long)self->looked_at);
    printf (
        "\"round_trip_p50_ns\": %lu, \"round_trip_max_ns\": %lu, \"command_p50_ns\": %lu, \"command_max_ns\": %lu}\n",
        (unsigned long)scale_quantile (self->stops_ns, self->rounds, 500),
        (unsigned long)scale_quantile (self->stops_ns, self->rounds, 1000),
        (unsigned long)scale_quantile (self->others_ns, self->is_bare ? 0 : self->rounds, 500),
        (unsigned long)scale_quantile (self->others_ns, self->is_bare ? 0 : self->rounds, 1000));
}

static void s_read_arguments (s_bench_t *self, int argument_count, char **arguments)
{
    *self = (s_bench_t){.system = "syncbus", .publishers = 4, .rounds = 20, .window = 450};
    const scale_option_t options[] = {
        {"system", &self->system, NULL, "syncbus, or bare: what listens there"},
        {"ingress", &self->ingress, NULL, "the server's endpoints"},
        {"publish", &self->publish, NULL, "(not used)"},
        {"command", &self->command, NULL, ""},
        {"pid", NULL, &self->pid, "(not used)"},
        {"publishers", NULL, &self->publishers, "processes that flood"},
        {"rounds", NULL, &self->rounds, "stops"},
        {"window", NULL, &self->window,
         "deltas that a publisher may have undecided; a bare server answers each frame, and "
         "drops above half its high-water mark of 1000"},
    };
    scale_read_options (argument_count, arguments, options, sizeof options / sizeof options[0]);
    self->is_bare = strcmp (self->system, "bare") == 0;
    if (!self->ingress || !self->command)
        scale_fail ("--ingress and --command are needed");
    if (!self->publishers || self->publishers > PUBLISHERS_MAX || !self->rounds || self->rounds > ROUNDS_MAX)
        scale_fail ("1 to %d publishers, 1 to %d rounds", PUBLISHERS_MAX, ROUNDS_MAX);
}

int main (int argument_count, char **arguments)
{
    static s_bench_t self;
    s_read_arguments (&self, argument_count, arguments);
    self.shared = scale_share (sizeof *self.shared);
    for (uint32_t i = 0; i < self.publishers; i++)
        if ((self.children[i] = scale_fork ()) == 0) {
            s_flood (&self, i);
            _exit (0);
        }
    scale_wire_open (&self.wire);
    self.context = scale_context (1);
    self.request = scale_socket (self.context, ZMQ_REQ, self.command);
    s_wait_for (&self, offsetof (s_counts_t, is_ready), true, "every publisher is registered");
    const uint64_t begin_ns = scale_now_ns ();
    for (uint64_t i = 0; i < self.rounds; i++) {
        scale_sleep_until (scale_now_ns () + FLOOD_NS);
        if (self.is_bare)
            s_echo (&self, i);
        else
            s_stop_and_clear (&self, i);
    }
    self.shared->is_over = true;
    s_wait_for (&self, offsetof (s_counts_t, is_decided), true, "every delta is decided");
    const uint64_t window_ns = scale_now_ns () - begin_ns;
    for (uint32_t i = 0; i < self.publishers; i++)
        scale_join (self.children[i]);
    s_check (&self);
    s_print (&self, window_ns);
    zmq_close (self.request);
    zmq_ctx_term (self.context);
    scale_wire_close (&self.wire);
    return 0;
}

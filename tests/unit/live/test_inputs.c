/* SPDX-License-Identifier: MPL-2.0
 *
 * Waiting for sockets and descriptors: what has input is open, however its signal was lost, and what is empty is not.
 */
#include "sb_inputs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>
#include <zmq.h>

enum { LONG_MS = 10000, SOCKET = 0, DESCRIPTOR = 1 };

static void *s_context;
static void *s_ours;
static void *s_theirs;
static int s_pipe[2];
static sb_inputs_t s_inputs;

static void s_setup (void)
{
    s_context = zmq_ctx_new ();
    s_ours = zmq_socket (s_context, ZMQ_PAIR);
    s_theirs = zmq_socket (s_context, ZMQ_PAIR);
    cr_assert_eq (zmq_bind (s_ours, "inproc://inputs"), 0);
    cr_assert_eq (zmq_connect (s_theirs, "inproc://inputs"), 0);
    cr_assert_eq (pipe (s_pipe), 0);
    sb_inputs_watch_socket (&s_inputs, s_ours);
    sb_inputs_watch_descriptor (&s_inputs, s_pipe[0]);
}

static void s_teardown (void)
{
    zmq_close (s_ours);
    zmq_close (s_theirs);
    zmq_ctx_term (s_context);
    close (s_pipe[0]);
    close (s_pipe[1]);
}

TestSuite (inputs, .init = s_setup, .fini = s_teardown, .timeout = 5);

static void s_say (const char *octet)
{
    cr_assert_eq (zmq_send (s_theirs, octet, 1, 0), 1);
}

/* Receives; on EAGAIN says that the socket is empty, as its reader does. */
static bool s_take (void)
{
    char octet;
    if (zmq_recv (s_ours, &octet, 1, ZMQ_DONTWAIT) == 1)
        return true;
    cr_assert_eq (errno, EAGAIN);
    sb_inputs_set_empty (&s_inputs, SOCKET);
    return false;
}

Test (inputs, nothing_is_open_when_nothing_came)
{
    sb_inputs_wait (&s_inputs, 0, 0);
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

Test (inputs, what_came_before_the_first_wait_is_seen)
{
    s_say ("a");
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

Test (inputs, a_socket_found_empty_is_open_again_when_something_comes)
{
    for (int i = 0; i < 3; i++) {
        s_say ("a");
        sb_inputs_wait (&s_inputs, LONG_MS, 0);
        cr_assert (sb_inputs_is_open (&s_inputs, SOCKET));
        cr_assert (s_take ());
        cr_assert (!s_take ());
        cr_assert (!sb_inputs_is_open (&s_inputs, SOCKET));
        sb_inputs_wait (&s_inputs, 0, 0);
        cr_assert (!sb_inputs_is_open (&s_inputs, SOCKET));
    }
}

Test (inputs, what_was_left_is_seen_without_a_new_signal)
{
    s_say ("a");
    s_say ("b");
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_assert (s_take ());
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (s_take ());
}

Test (inputs, a_signal_taken_by_something_else_loses_nothing)
{
    int events;
    size_t size = sizeof events;
    sb_inputs_wait (&s_inputs, 0, 0);
    s_say ("a");
    cr_assert_eq (zmq_getsockopt (s_ours, ZMQ_EVENTS, &events, &size), 0); /* as a send may */
    sb_inputs_set_open (&s_inputs, SOCKET);
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (s_take ());
}

Test (inputs, a_descriptor_with_input_is_open_until_it_was_read)
{
    char octet = 'a';
    cr_assert_eq (write (s_pipe[1], &octet, 1), 1);
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_expect (sb_inputs_is_open (&s_inputs, DESCRIPTOR));
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    cr_assert_eq (read (s_pipe[0], &octet, 1), 1);
    sb_inputs_set_empty (&s_inputs, DESCRIPTOR);
    sb_inputs_wait (&s_inputs, 0, 0);
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

/* ---------------------------------------------------------------- busy polling */

enum { LOOK_NS = 10000, WRITE_AT = 5, NEVER = 0 };

static uint64_t s_now_ns = 1000;
static uint64_t s_look_ns = LOOK_NS;
static uint32_t s_clock_reads;
static uint32_t s_write_at = NEVER;

/* A clock that goes on by s_look_ns each time, and writes to the pipe when it is read for the s_write_at-th. */
static uint64_t s_clock (void)
{
    if (++s_clock_reads == s_write_at)
        cr_assert_eq (write (s_pipe[1], "a", 1), 1);
    return s_now_ns += s_look_ns;
}

/* As after a turn: nothing is open. */
static void s_use_clock (void)
{
    sb_inputs_wait (&s_inputs, 0, 0);
    s_inputs.clock_ns = s_clock;
}

Test (inputs, without_busy_polling_the_clock_is_not_read)
{
    s_use_clock ();
    sb_inputs_wait (&s_inputs, 1, 0);
    cr_expect_eq (s_clock_reads, 0);
}

Test (inputs, busy_polling_finds_what_is_there_at_the_first_look)
{
    s_use_clock ();
    s_say ("a");
    sb_inputs_wait (&s_inputs, LONG_MS, 1000000);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
    cr_expect_eq (s_clock_reads, 1, "%u", s_clock_reads);
}

Test (inputs, busy_polling_finds_what_comes_meanwhile)
{
    s_use_clock ();
    s_write_at = WRITE_AT;
    sb_inputs_wait (&s_inputs, LONG_MS, 1000000);
    cr_expect (sb_inputs_is_open (&s_inputs, DESCRIPTOR));
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect_eq (s_clock_reads, WRITE_AT, "it looked on: %u", s_clock_reads);
}

Test (inputs, busy_polling_ends_at_its_limit)
{
    s_use_clock ();
    sb_inputs_wait (&s_inputs, 1, 49000);
    cr_expect_eq (s_clock_reads, 1 + 5, "%u", s_clock_reads);
    s_clock_reads = 0;
    sb_inputs_wait (&s_inputs, 1, 50000);
    cr_expect_eq (s_clock_reads, 1 + 5, "%u", s_clock_reads);
    s_clock_reads = 0;
    sb_inputs_wait (&s_inputs, 1, 51000);
    cr_expect_eq (s_clock_reads, 1 + 6, "%u", s_clock_reads);
}

/* The suite's timeout is shorter than LONG_MS. */
Test (inputs, what_busy_polling_took_is_not_slept_again)
{
    s_use_clock ();
    s_look_ns = LONG_MS * UINT64_C (1000000) - 1;
    sb_inputs_wait (&s_inputs, LONG_MS, 1000);
    cr_expect_eq (s_clock_reads, 1 + 1, "%u", s_clock_reads);
}

Test (inputs, busy_polling_ends_at_the_timeout_and_does_not_sleep_beyond_it)
{
    s_use_clock ();
    sb_inputs_wait (&s_inputs, 1, 1000000000);
    cr_expect_eq (s_clock_reads, 1 + 1000000 / LOOK_NS, "%u", s_clock_reads);
    s_clock_reads = 0;
    s_look_ns = 100 * 1000000;
    sb_inputs_wait (&s_inputs, LONG_MS, UINT64_MAX);
    cr_expect_eq (s_clock_reads, 1 + LONG_MS / 100, "%u", s_clock_reads);
}

Test (inputs, what_is_open_is_not_waited_for_busily)
{
    s_use_clock ();
    s_say ("a");
    s_say ("b");
    sb_inputs_wait (&s_inputs, LONG_MS, 0);
    cr_assert (s_take ());
    sb_inputs_wait (&s_inputs, LONG_MS, 1000000);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect_eq (s_clock_reads, 0, "%u", s_clock_reads);
}

Test (inputs, after_busy_polling_input_still_wakes)
{
    s_inputs.clock_ns = NULL; /* the real one */
    sb_inputs_wait (&s_inputs, 1, 100000);
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    s_say ("a");
    sb_inputs_wait (&s_inputs, LONG_MS, 100000);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (s_take ());
}

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
    sb_inputs_wait (&s_inputs, 0);
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

Test (inputs, what_came_before_the_first_wait_is_seen)
{
    s_say ("a");
    sb_inputs_wait (&s_inputs, LONG_MS);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

Test (inputs, a_socket_found_empty_is_open_again_when_something_comes)
{
    for (int i = 0; i < 3; i++) {
        s_say ("a");
        sb_inputs_wait (&s_inputs, LONG_MS);
        cr_assert (sb_inputs_is_open (&s_inputs, SOCKET));
        cr_assert (s_take ());
        cr_assert (!s_take ());
        cr_assert (!sb_inputs_is_open (&s_inputs, SOCKET));
        sb_inputs_wait (&s_inputs, 0);
        cr_assert (!sb_inputs_is_open (&s_inputs, SOCKET));
    }
}

Test (inputs, what_was_left_is_seen_without_a_new_signal)
{
    s_say ("a");
    s_say ("b");
    sb_inputs_wait (&s_inputs, LONG_MS);
    cr_assert (s_take ());
    sb_inputs_wait (&s_inputs, LONG_MS);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (s_take ());
}

Test (inputs, a_signal_taken_by_something_else_loses_nothing)
{
    int events;
    size_t size = sizeof events;
    sb_inputs_wait (&s_inputs, 0);
    s_say ("a");
    cr_assert_eq (zmq_getsockopt (s_ours, ZMQ_EVENTS, &events, &size), 0); /* as a send may */
    sb_inputs_set_open (&s_inputs, SOCKET);
    sb_inputs_wait (&s_inputs, LONG_MS);
    cr_expect (sb_inputs_is_open (&s_inputs, SOCKET));
    cr_expect (s_take ());
}

Test (inputs, a_descriptor_with_input_is_open_until_it_was_read)
{
    char octet = 'a';
    cr_assert_eq (write (s_pipe[1], &octet, 1), 1);
    sb_inputs_wait (&s_inputs, LONG_MS);
    cr_expect (sb_inputs_is_open (&s_inputs, DESCRIPTOR));
    cr_expect (!sb_inputs_is_open (&s_inputs, SOCKET));
    cr_assert_eq (read (s_pipe[0], &octet, 1), 1);
    sb_inputs_set_empty (&s_inputs, DESCRIPTOR);
    sb_inputs_wait (&s_inputs, 0);
    cr_expect (!sb_inputs_is_open (&s_inputs, DESCRIPTOR));
}

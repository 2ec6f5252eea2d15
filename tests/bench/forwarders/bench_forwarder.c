/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_forwarder.h. The marks are those of syncbusd: ingress/receive_queue on the ROUTER, publish/agent_queue on
 * what leaves.
 */
#define _GNU_SOURCE
#include "bench_forwarder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static void s_fail (const char *what)
{
    fprintf (stderr, "bench forwarder: %s: %s\n", what, zmq_strerror (errno));
    exit (1);
}

static void *s_bind (void *context, int type, int receive_queue, int send_queue, char *endpoint, size_t size)
{
    const int no_linger = 0;
    void *socket = zmq_socket (context, type);
    if (!socket || zmq_setsockopt (socket, ZMQ_LINGER, &no_linger, sizeof no_linger) != 0 ||
        (type == ZMQ_ROUTER && zmq_setsockopt (socket, ZMQ_RCVHWM, &receive_queue, sizeof receive_queue) != 0) ||
        zmq_setsockopt (socket, ZMQ_SNDHWM, &send_queue, sizeof send_queue) != 0 ||
        zmq_bind (socket, "tcp://127.0.0.1:*") != 0 || zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        s_fail ("cannot open a socket");
    return socket;
}

void bench_forwarder_open (bench_forwarder_t *self, int count, char **arguments)
{
    int ingress_queue = 1000, publish_queue = 1000000;
    char ingress[256], publish[256];
    prctl (PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
    for (int i = 1; i + 1 < count; i += 2) {
        int *number = strcmp (arguments[i], "--ingress-queue") == 0   ? &ingress_queue
                      : strcmp (arguments[i], "--publish-queue") == 0 ? &publish_queue
                                                                      : NULL;
        if (!number || (*number = atoi (arguments[i + 1])) <= 0) {
            fprintf (stderr, "usage: %s [--ingress-queue N] [--publish-queue N]\n", arguments[0]);
            exit (2);
        }
    }
    self->context = zmq_ctx_new ();
    if (!self->context || zmq_ctx_set (self->context, ZMQ_MAX_SOCKETS, 64) != 0)
        s_fail ("cannot start libzmq");
    self->ingress = s_bind (self->context, ZMQ_ROUTER, ingress_queue, publish_queue, ingress, sizeof ingress);
    self->publish = s_bind (self->context, ZMQ_PUB, 0, publish_queue, publish, sizeof publish);
    printf ("{\"ingress\": \"%s\", \"publish\": \"%s\"}\n", ingress, publish);
    fflush (stdout);
}

int bench_forwarder_receive (bench_forwarder_t *self, zmq_msg_t *frame, int flags)
{
    while (zmq_msg_recv (frame, self->ingress, flags) < 0) {
        if (errno == EAGAIN)
            return 0;
        if (errno != EINTR)
            s_fail ("zmq_msg_recv");
    }
    return 1;
}

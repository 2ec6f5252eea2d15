/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_forwarder.h. The marks are those of syncbusd: ingress/receive_queue on the ROUTER, publish/agent_queue on
 * what leaves.
 */
#define _GNU_SOURCE
#include "bench_forwarder.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

void bench_forwarder_fail (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    fputs ("bench forwarder: ", stderr);
    vfprintf (stderr, format, arguments);
    fputc ('\n', stderr);
    va_end (arguments);
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
        bench_forwarder_fail ("cannot open a socket: %s", zmq_strerror (errno));
    return socket;
}

static void s_read_arguments (int count, char **arguments, const bench_forwarder_option_t *options,
                              uint32_t option_count)
{
    for (int i = 1; i < count; i += 2) {
        uint32_t k = 0;
        while (k < option_count && strcmp (arguments[i], options[k].name) != 0)
            k++;
        const int number = k < option_count && i + 1 < count ? atoi (arguments[i + 1]) : 0;
        if (number > 0 && number <= options[k].most) {
            *options[k].value = number;
            continue;
        }
        fprintf (stderr, "usage: %s [OPTION NUMBER ...]\n", arguments[0]);
        for (k = 0; k < option_count; k++)
            fprintf (stderr, "  %-16s %s; 1 to %d, default %d\n", options[k].name, options[k].help, options[k].most,
                     *options[k].value);
        exit (2);
    }
}

void bench_forwarder_open (bench_forwarder_t *self, int count, char **arguments, const bench_forwarder_option_t *more)
{
    int ingress_queue = 1000, publish_queue = 1000000;
    char ingress[256], publish[256];
    prctl (PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
    bench_forwarder_option_t options[] = {
        {"--ingress-queue", &ingress_queue, INT_MAX, "messages that may wait of a publisher"},
        {"--publish-queue", &publish_queue, INT_MAX, "messages that may wait for a subscriber"},
        {0},
    };
    if (more)
        options[2] = *more;
    s_read_arguments (count, arguments, options, more ? 3 : 2);
    self->context = zmq_ctx_new ();
    if (!self->context || zmq_ctx_set (self->context, ZMQ_MAX_SOCKETS, 64) != 0)
        bench_forwarder_fail ("cannot start libzmq: %s", zmq_strerror (errno));
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
            bench_forwarder_fail ("zmq_msg_recv: %s", zmq_strerror (errno));
    }
    return 1;
}

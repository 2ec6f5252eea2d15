/* SPDX-License-Identifier: MPL-2.0
 *
 * What both reference forwarders are: a ROUTER that publishers send to and a PUB that subscribers listen at, on ports
 * of their own, with the high-water marks of the broker that they are compared with. They run until they are told to
 * end by a signal, or by the end of whoever started them.
 */
#ifndef BENCH_FORWARDER_H
#define BENCH_FORWARDER_H

#include <zmq.h>

typedef struct {
    void *context;
    void *ingress; /* ROUTER */
    void *publish; /* PUB */
} bench_forwarder_t;

/* Says what is wrong on standard error and ends the process with code 1. */
void __attribute__ ((format (printf, 1, 2), noreturn)) bench_forwarder_fail (const char *format, ...);

/* An option `NAME NUMBER` that only one of the forwarders has. */
typedef struct {
    const char *name; /* with its -- */
    int *value;       /* its default; takes what is given */
    int most;         /* the least is 1 */
    const char *help; /* a line for --help */
} bench_forwarder_option_t;

/* Opens both on loopback from `--ingress-queue N --publish-queue N` (1000 and 1000000 when not given) and `more` (NULL:
 * no other option), and prints {"ingress": ADDRESS, "publish": ADDRESS}. Ends the process when it cannot; with code 2,
 * and a usage, when the arguments are wrong. */
void bench_forwarder_open (bench_forwarder_t *self, int count, char **arguments, const bench_forwarder_option_t *more);

/* The next frame of the ROUTER, into *frame. `flags` as for zmq_msg_recv. Returns 0 when there is none, and ends the
 * process when the socket is broken. */
int bench_forwarder_receive (bench_forwarder_t *self, zmq_msg_t *frame, int flags);

#endif

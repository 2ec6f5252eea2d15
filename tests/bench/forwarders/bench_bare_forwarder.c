/* SPDX-License-Identifier: MPL-2.0
 *
 * The bare forwarder: what libzmq alone costs. Each message of the ROUTER is a routing id, which is thrown away, and a
 * frame, which goes to the PUB as it is, without a copy. It blocks in receive: libzmq then sleeps only when nothing
 * waits, as a poll before a drain would do, with one call less.
 */
#include "bench_forwarder.h"

int main (int count, char **arguments)
{
    bench_forwarder_t forwarder;
    bench_forwarder_open (&forwarder, count, arguments, NULL);
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    for (;;) {
        bench_forwarder_receive (&forwarder, &frame, 0);
        while (zmq_msg_more (&frame))
            bench_forwarder_receive (&forwarder, &frame, 0);
        if (zmq_msg_send (&frame, forwarder.publish, 0) < 0)
            bench_forwarder_fail ("zmq_msg_send: %s", zmq_strerror (zmq_errno ()));
    }
}

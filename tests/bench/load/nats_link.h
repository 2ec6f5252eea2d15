/* SPDX-License-Identifier: MPL-2.0
 *
 * What the two NATS drivers share: how they connect, and what ends a run.
 */
#ifndef NATS_LINK_H
#define NATS_LINK_H

#include "bench_driver.h"

#include <nats/nats.h>

enum { NATS_LINK_SUBJECT_MAX = 192 }; /* octets of a subject or key made here, with its NUL */

/* Connects to "HOST:PORT". What is published is written at once in a run at a rate; flat out the library gathers it, as
 * is its default. A connection that is lost, a subscriber that is cut off: both end the process, and no connection is
 * ever made again behind the generator's back. */
natsConnection *nats_link_connect (const bench_options_t *options, const char *endpoint);

/* Ends the process unless `status` is NATS_OK; `what` was tried. */
void nats_link_check (natsStatus status, const char *what);

/* Waits until the server has taken in all that was published on `count` connections; false after timeout_ms. */
bool nats_link_flush (natsConnection **connections, uint32_t count, int timeout_ms);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What libzmq's socket monitors tell: how many connections are open, and how many libzmq cut because a frame was beyond
 * ZMQ_MAXMSGSIZE. libzmq reports a cut like any other disconnect, so the broker keeps a duplicate of each
 * accepted descriptor: if TCP still calls it established when libzmq gives it up, outside a handshake, then it was
 * not the peer that left. Breaches of the ZMTP protocol after the handshake look the same and are counted too.
 *
 * Cost: one descriptor more for each connection watched in that way, for a quarter of all descriptors at most: beyond
 * that connections matter more than the count of their cuts, and those without a duplicate are not counted. A
 * connection that comes and goes before the monitor is read may be judged by its successor on the same descriptor; the
 * counter is for people, and nothing else hangs on it.
 */
#ifndef SB_CONNECTIONS_H
#define SB_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sb_connections sb_connections_t;

/* Watches `socket` of `context`; `name` (static) is unique in the context. `counts_cuts`: keep duplicates. Call
 * before bind. NULL with errno when that fails. */
sb_connections_t *sb_connections_new (void *context, void *socket, const char *name, bool counts_cuts);

/* Stops watching; call before the socket is closed. */
void sb_connections_destroy (sb_connections_t **self_p);

/* The socket to poll for input. */
void *sb_connections_socket (sb_connections_t *self);

/* Reads what has happened, at most `budget` events; returns how many there were. */
uint32_t sb_connections_read (sb_connections_t *self, uint32_t budget);

uint32_t sb_connections_descriptors (const sb_connections_t *self);       /* that they take now, duplicates too */
uint64_t sb_connections_cut (const sb_connections_t *self);               /* in all */
uint64_t sb_connections_failed_handshakes (const sb_connections_t *self); /* in all: no ZeroMQ peer, or too slow */
uint64_t sb_connections_failed_accepts (const sb_connections_t *self);    /* in all: no descriptor was left */

#endif

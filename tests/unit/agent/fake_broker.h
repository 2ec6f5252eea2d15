/* SPDX-License-Identifier: MPL-2.0
 *
 * A broker just large enough for the client's threads: one thread, real sockets on loopback, one agent at a time per
 * connection. It keeps the last number of each field, publishes every delta, acks, answers heartbeats, joins and
 * commands, gives snapshots of heads, and can be told to forget its sessions.
 */
#ifndef SB_FAKE_BROKER_H
#define SB_FAKE_BROKER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sb_fake_broker sb_fake_broker_t;

/* Starts it on free ports. Never NULL. */
sb_fake_broker_t *sb_fake_broker_new (void);
void sb_fake_broker_destroy (sb_fake_broker_t **self_p);

/* For agents to connect to. */
const char *sb_fake_broker_ingress (const sb_fake_broker_t *self);

/* Forgets every session and all state: the next message of each agent is answered REGISTER_AGAIN. */
void sb_fake_broker_forget (sb_fake_broker_t *self);

/* Acks nothing while true. */
void sb_fake_broker_hold (sb_fake_broker_t *self, bool hold);

/* The number last accepted for "name" of any topic; `otherwise` when there is none. */
double sb_fake_broker_field (sb_fake_broker_t *self, const char *name, double otherwise);

/* Whole states that it has taken since it was made. */
uint64_t sb_fake_broker_replacement_count (sb_fake_broker_t *self);

/* Waits until it has handled another message, `timeout_ms` at most. */
void sb_fake_broker_wait_message (sb_fake_broker_t *self, uint32_t timeout_ms);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The asking end of the command endpoint: one DEALER that speaks REQ's envelope.
 *
 * Answers are matched by command_id, so that a late one never passes for another's. Requests leave only
 * over a connection that stands (ZMQ_IMMEDIATE): nothing is done later that the asker was told was not.
 */
#ifndef SB_CLIENT_H
#define SB_CLIENT_H

#include "sb_codec.h"

enum {
    SB_CLIENT_ISSUER_SIZE = 65,      /* octets of an issuer, with its NUL */
    SB_CLIENT_COMMAND_ID_SIZE = 37,  /* octets of a command id made here, with its NUL */
    SB_CLIENT_GRACE_MS = 500,        /* waited longer than the broker may take, so that its TIMEOUT arrives */
    SB_CLIENT_REPLY_BYTES = 64 << 20 /* the largest reply that is read */
};

typedef struct sb_client sb_client_t;

/* How asking ended. */
typedef enum {
    SB_CLIENT_ANSWERED,    /* done or refused: see the reply */
    SB_CLIENT_NO_BROKER,   /* no connection within the time */
    SB_CLIENT_NO_ANSWER,   /* a connection, no answer within the time */
    SB_CLIENT_BAD_ANSWER,  /* an answer that is no CommandReply */
    SB_CLIENT_INTERRUPTED, /* a signal ended the wait */
    SB_CLIENT_NO_ROOM      /* the arena is full */
} sb_client_outcome_t;

/* Starts connecting. NULL when the endpoint makes no sense. */
sb_client_t *sb_client_new (const char *endpoint);

/* From now on who waits for a connection gives up soon when nobody listens there, see sb_probe.h, until the first
 * request was sent. Without it the whole time is waited. */
void sb_client_set_impatient (sb_client_t *self);

/* True when no request could be sent so far, and it is told to be impatient, and nobody listens there. */
bool sb_client_is_refused (sb_client_t *self);

/* Harmless on NULL and on *self_p == NULL. What was not answered is forgotten. */
void sb_client_destroy (sb_client_t **self_p);

/* The endpoint as given. */
const char *sb_client_endpoint (const sb_client_t *self);

/* The socket, to be polled for reading. */
void *sb_client_socket (const sb_client_t *self);

/* Gives the request a fresh command_id, the present time and the protocol's version, sends it, and waits at most its
 * timeout_ms and SB_CLIENT_GRACE_MS. *reply lives in `arena`. */
sb_client_outcome_t sb_client_ask (sb_client_t *self, sb_command_request_t *request, sb_arena_t *arena,
                                   sb_command_reply_t *reply);

/* The two halves of that, for who must not wait. sb_client_send returns NO_BROKER at once when no connection
 * stands. sb_client_receive waits at most wait_ms for the answer to the last request; others are dropped. */
sb_client_outcome_t sb_client_send (sb_client_t *self, sb_command_request_t *request, sb_arena_t *arena);
sb_client_outcome_t sb_client_receive (sb_client_t *self, int wait_ms, sb_arena_t *arena, sb_command_reply_t *reply);

/* A sentence for people about an outcome other than ANSWERED, that names the fix. Static until the next call. */
const char *sb_client_problem (const sb_client_t *self, sb_client_outcome_t outcome);

/* "user@host": $USER, else the name or the number of the effective user; cut to what an issuer may be. `issuer` has
 * SB_CLIENT_ISSUER_SIZE octets. Returns it. */
const char *sb_client_default_issuer (char *issuer);

/* Nanoseconds since 1970, UTC. */
int64_t sb_client_unix_ns (void);

#endif

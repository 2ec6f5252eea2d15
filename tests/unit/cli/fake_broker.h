/* SPDX-License-Identifier: MPL-2.0
 *
 * A command endpoint on a thread of its own that answers as a test says.
 */
#ifndef FAKE_BROKER_H
#define FAKE_BROKER_H

#include "sb_codec.h"

typedef struct fake_broker fake_broker_t;

/* Fills the reply to the `number`-th request (from 0). What it points to must live on until the next call: static, or
 * the context's. A reply with code SB_REASON_LIMIT is not sent. Called on the broker's thread. */
typedef void (fake_answer_t) (void *context, const sb_command_request_t *request, uint32_t number,
                              sb_command_reply_t *reply);

/* Binds to a free loopback port and serves. */
fake_broker_t *fake_broker_new (fake_answer_t *answer, void *context);

/* Stops and frees; harmless on *self_p == NULL. */
void fake_broker_destroy (fake_broker_t **self_p);

/* "tcp://127.0.0.1:PORT" */
const char *fake_broker_endpoint (const fake_broker_t *self);

/* From now on each reply is preceded by one to another command, or is replaced by octets that are no reply. */
void fake_broker_set_noise (fake_broker_t *self, bool is_late_reply_first, bool is_garbage);

#endif

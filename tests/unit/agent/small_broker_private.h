/* SPDX-License-Identifier: MPL-2.0
 *
 * What the two sides of the small broker share: small_broker.c and small_broker_reader.c.
 */
#ifndef SB_SMALL_BROKER_PRIVATE_H
#define SB_SMALL_BROKER_PRIVATE_H

#include "small_broker.h"

extern const char *const small_broker_names[SMALL_NAMES];

bool small_broker_chance (small_broker_t *self, uint32_t percent);
/* Whether some interest asks for that topic. */
bool small_broker_wants (const small_broker_t *self, uint32_t topic);
/* The least interval that a topic is asked for at; UINT32_MAX: it is not. */
uint32_t small_broker_wanted_ms (const small_broker_t *self, uint32_t topic);
/* A new frame behind all others, with the heads of now. */
small_frame_t *small_broker_frame (small_broker_t *self, small_frame_kind_t kind);
/* A new message behind all others, with the heads of now. */
small_message_t *small_broker_message (small_broker_t *self, sb_broker_message_kind_t kind);
/* What the step sent. */
void small_broker_receive (small_broker_t *self, const sb_agent_message_t *message);
/* The next chunk of the snapshot under way, if there is credit for it. */
void small_broker_walk (small_broker_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What the broker would refuse for its content is refused here first, with the same reason. Pure.
 */
#ifndef SB_AGENT_CHECK_H
#define SB_AGENT_CHECK_H

#include "sb_message.h"

/* The first thing wrong with a delta: SB_REASON_NONE, BAD_CATEGORY, BAD_SUBJECT, NO_CHANGES, TOO_MANY_CHANGES,
 * BAD_FIELD_NAME, DUPLICATE_FIELD, NO_VALUE, NOT_FINITE, BAD_DECIMAL, BAD_TEXT. */
sb_reason_t sb_agent_check (const sb_delta_t *delta);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What the answer to a join says of subscriptions to `~conflated.<ms>.<prefix>`: see schemas/PROTOCOL.md, "Conflation".
 */
#ifndef SB_CONFLATED_H
#define SB_CONFLATED_H

#include "sb_model.h"

/* True when `answer`, to a join that was asked for behind it, names `subscription`, the very octets subscribed to,
 * among those in force. False also for what is no conflated subscription, and where the answer was cut before it could
 * name it. Cannot fail. O(octets of the answer). */
bool sb_conflated_is_in_force (const sb_publication_t *answer, sb_text_t subscription);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications that outlive the event or call they came with: one block with everything in it, texts NUL-terminated.
 */
#ifndef SB_AGENT_KEEP_H
#define SB_AGENT_KEEP_H

#include "sb_model.h"

/* Octets that sb_keep_copy needs. */
size_t sb_keep_size (const sb_publication_t *publication);

/* Copies `publication` with all it points to: the struct to *kept, the rest to `memory` (sb_keep_size octets, aligned
 * as malloc does). Cannot fail. */
void sb_keep_copy (sb_publication_t *kept, void *memory, const sb_publication_t *publication);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications that outlive the event or call they came with: one block with everything in it, texts NUL-terminated.
 */
#ifndef SB_AGENT_KEEP_H
#define SB_AGENT_KEEP_H

#include "sb_model.h"

/* Octets of the text or bytes in a value; 0 for other kinds. */
uint32_t sb_keep_text_size (const sb_value_t *value);

/* Copies `text` and a NUL to *at, which it moves on by text.size + 1; returns the copy. */
sb_text_t sb_keep_text (char **at, sb_text_t text);

/* The same for the text or bytes in *value; other kinds are left as they are. */
void sb_keep_value (char **at, sb_value_t *value);

/* Octets that sb_keep_copy needs. */
size_t sb_keep_size (const sb_publication_t *publication);

/* Copies `publication` with all it points to: the struct to *kept, the rest to `memory` (sb_keep_size octets, aligned
 * as malloc does). Cannot fail. */
void sb_keep_copy (sb_publication_t *kept, void *memory, const sb_publication_t *publication);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * A reader of ZPL, the config format of ZeroMQ programs (rfc.zeromq.org/spec/4), two levels deep:
 *
 *     section
 *         name = value     # comment
 *
 * Pure. czmq's zconfig was rejected here: it forgets line numbers, so a user could not be told
 * which line of a layout is wrong, and it would bring czmq into an agent.
 */
#ifndef SB_ZPL_H
#define SB_ZPL_H

#include "sb_model.h"

/* One line that says something. All is NUL-terminated and valid during the call. */
typedef struct {
    uint32_t number;     /* of the line, from 1 */
    const char *section; /* empty at the top level */
    const char *name;
    const char *value; /* without its quotes; empty for a section's own line */
} sb_zpl_line_t;

/* Calls `visit` for each `name = value`, in order, until it returns false. Returns true when the text was read whole.
 * False: `visit` ended it, or a line is malformed; then `error` holds "line N: …" (left alone when `visit` ended it).
 */
bool sb_zpl_read (sb_text_t text, bool (*visit) (const sb_zpl_line_t *line, void *context), void *context, char *error,
                  size_t error_size);

#endif

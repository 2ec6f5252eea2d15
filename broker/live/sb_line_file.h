/* SPDX-License-Identifier: MPL-2.0
 *
 * A file that lines are appended to, which never stops or slows its writer: a full disk or a pipe that nobody reads
 * costs the line, not the time. Lost lines are counted, the loss is said once on standard error, each further line
 * tries again, and the first that succeeds is preceded by one that says how many were lost.
 */
#ifndef SB_LINE_FILE_H
#define SB_LINE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_line_file sb_line_file_t;

/* A file at `path` (copied; made with its folder where missing, appended to), or standard error when `path` is empty.
 * `name` (static) is what messages call it: "log". `loss_format` is a printf format for the line about lost lines; it
 * gets one unsigned long. A file that cannot be opened is tried again at each line. NULL when the system has no memory.
 */
sb_line_file_t *sb_line_file_new (const char *path, const char *name, const char *loss_format);
void sb_line_file_destroy (sb_line_file_t **self_p);

/* Appends `size` octets, which should end in a line break. Returns false when they are lost. */
bool sb_line_file_write (sb_line_file_t *self, const char *line, size_t size);

/* Closes and opens it anew, as when a rotator has moved it. */
void sb_line_file_reopen (sb_line_file_t *self);

/* Lines lost in all. */
uint64_t sb_line_file_lost (const sb_line_file_t *self);

/* True when it is a terminal. */
bool sb_line_file_is_terminal (const sb_line_file_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines out of a file, a fifo or standard input, plain or gzip. Gzip is known by its first two
 * octets, not by the name; concatenated members are read as one.
 *
 * A line costs one memchr. A pipe that has nothing now gives SB_INPUT_WAIT instead of blocking, so
 * that the caller can wait for commands and for lines at once. zlib's gzFile was rejected: it takes
 * a cut file for a whole one until closed, and hides how far the compressed file was read.
 */
#ifndef SB_INPUT_H
#define SB_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SB_LINE_MAX = 65536 }; /* octets of a line, without its end */

typedef struct sb_input sb_input_t;

typedef enum {
    SB_INPUT_LINE,     /* a line, without LF or CRLF */
    SB_INPUT_TOO_LONG, /* a line beyond SB_LINE_MAX was skipped */
    SB_INPUT_PARTIAL,  /* the start of a line within which damaged input ended */
    SB_INPUT_WAIT,     /* nothing now: poll sb_input_descriptor for reading */
    SB_INPUT_END,      /* all was read */
    SB_INPUT_DAMAGED   /* the input ended in the middle or cannot be read: sb_input_error says why */
} sb_input_status_t;

/* Opens `path`, "-" being standard input. A fifo is opened without waiting for its writer.
 * NULL and a sentence in `error` when it cannot be opened, is a folder, or there is no memory. */
sb_input_t *sb_input_open (const char *path, char *error, size_t error_size);

/* Closes it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. Standard input stays open. */
void sb_input_close (sb_input_t **self_p);

/* The next line. *line is NUL-terminated, may hold NULs too, may be written to, and is valid until the next call.
 * It is set with SB_INPUT_LINE and SB_INPUT_PARTIAL only. After END or DAMAGED the same comes again. */
sb_input_status_t sb_input_line (sb_input_t *self, char **line, size_t *size);

/* Why it is DAMAGED; empty otherwise. Borrowed until close. */
const char *sb_input_error (const sb_input_t *self);

/* For poll. */
int sb_input_descriptor (const sb_input_t *self);

/* Octets read from the file as it is stored, and its size; 0 when that is not known (a pipe). */
uint64_t sb_input_octets_read (const sb_input_t *self);
uint64_t sb_input_octets_total (const sb_input_t *self);

/* Back to the first line. False when the input cannot do that (a pipe). */
bool sb_input_rewind (sb_input_t *self);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Standard output that does not lose anything in silence: whether all that was printed was also written, and why not.
 */
#ifndef SB_OUTPUT_H
#define SB_OUTPUT_H

#include <stdbool.h>

/* Takes the place of standard streams that the caller closed, before a socket gets one of their numbers and what is
 * printed goes into it. To be called before anything is opened; cannot fail. */
void sb_output_reserve (void);

/* Forgets earlier failures: a run begins. */
void sb_output_begin (void);

/* False once anything printed could not be written: printing more is no use. To be asked right after printing. */
bool sb_output_is_good (void);

/* Writes out what was printed. Returns what sb_output_is_good does. */
bool sb_output_flush (void);

/* Writes out what was printed. Returns `code`; but when something could not be written, and not because the reader of a
 * pipe has gone, says why on standard error and returns SB_EXIT_REFUSED for SB_EXIT_DONE. */
int sb_output_end (int code);

#endif

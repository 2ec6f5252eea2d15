/* SPDX-License-Identifier: MPL-2.0
 *
 * The control state as text and back: the format of the control-state file, without the file.
 *
 *   syncbus-control 1
 *   epoch 12
 *   latch stopped=1 latch_epoch=3 since=1700000000000000000 issuer=alice reason=too%20fast
 *   operator agent=feed paused=1 isolated=0 by_agent=0 revision=4 since=… issuer=… reason=…
 *   checksum 0123456789abcdef
 *
 * Texts are percent-encoded, so that a line never breaks and a space always separates. The checksum (FNV-1a, 64
 * bits) is over all octets before its line. It guards against cut and damaged files, not against forgery.
 */
#ifndef SB_CONTROL_TEXT_H
#define SB_CONTROL_TEXT_H

#include "sb_core.h"

/* The whole text, to be freed; *size gets its octets. NULL when the system has no memory. */
char *sb_control_text_write (const sb_control_state_t *state, uint64_t epoch, size_t *size);

/* Reads `size` octets at `text`, which is changed in place and must live as long as *state is used. `*operators_p`
 * gets the array that *state points to, to be freed. Returns NULL, or a static sentence about what is wrong; then
 * *state and *epoch are untouched and *operators_p is NULL. */
const char *sb_control_text_read (char *text, size_t size, sb_control_state_t *state, uint64_t *epoch,
                                  sb_operator_record_t **operators_p);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Who listens on a TCP port of this machine, from /proc. For one error message; may take milliseconds.
 */
#ifndef SB_LISTENER_H
#define SB_LISTENER_H

#include <stddef.h>
#include <stdint.h>

/* Writes to `text` who listens on `port`: "syncbusd (pid 1234)", or that it cannot be seen. Returns `text`. */
const char *sb_listener_describe (uint16_t port, char *text, size_t size);

#endif

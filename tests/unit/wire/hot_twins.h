/* SPDX-License-Identifier: MPL-2.0
 *
 * Holds the codec's hot path to protobuf-c: any octets are read by both, and by the public function; what comes out
 * must be the same in every field, and so must the octets when it is written again. Used by tests and by fuzz targets.
 */
#ifndef HOT_TWINS_H
#define HOT_TWINS_H

#include <stdbool.h>
#include <stddef.h>

enum { HOT_TWINS_MAX = 256 * 1024 }; /* octets of a message */

/* Each reads `size` octets (copied, so that a sanitizer sees the first octet read too far). NULL: all the same;
 * otherwise what differs, a static text. *is_hot: the hot path took the message. */
const char *hot_twins_agent_message (const void *data, size_t size, bool *is_hot);
const char *hot_twins_publication (const void *data, size_t size, bool *is_hot);
const char *hot_twins_broker_message (const void *data, size_t size, bool *is_hot);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Moments as people write them: "-5m", "2024-08-09T12:00:01.5Z", or nanoseconds since 1970; and durations. Pure.
 */
#ifndef SB_MOMENT_H
#define SB_MOMENT_H

#include <stdint.h>

/* Reads `text` into *unix_ns (0 or above, nanoseconds since 1970 UTC):
 *   now, -90s, -1.5h       so long before now_unix_ns; ns us ms s m h d
 *   2024-08-09T12:00:01.5Z RFC 3339, a space for the T too, an offset as +02:00
 *   2024-08-09             its midnight, UTC
 *   1723204801500000000    as it stands
 * Returns NULL, or a static text that says what is wrong. */
const char *sb_moment_read (const char *text, int64_t now_unix_ns, int64_t *unix_ns);

/* Reads a duration, 500ms, 30s or 1.5h, in the units above, into *span_ms, 1 to 2^32-1.
 * Returns NULL, or a static text that says what is wrong. */
const char *sb_moment_read_span_ms (const char *text, uint32_t *span_ms);

#endif

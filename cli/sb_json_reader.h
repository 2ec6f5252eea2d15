/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads one delta from one line of JSON, for `syncbus pub -`. Strict RFC 8259, one pass, nothing kept
 * beyond the arena.
 *
 *   {"category": "market_data", "subject": "spot:BTC", "event_unix_ns": 1, "origin_unix_ns": 1, "time_to_live_ms":
 * 5000, "changes": {"price": 1.5, "size": 3, "exact": {"decimal": "64250.10"}, "raw": {"base64": "AAEC"}, "live": true,
 * "note": "text", "old": null}}
 *
 * Only changes must be there. null deletes. Whole numbers without point or exponent are integers. Times may be
 * texts, as `syncbus sub` prints them.
 */
#ifndef SB_JSON_READER_H
#define SB_JSON_READER_H

#include "sb_codec.h"

/* Reads `line` (NUL-terminated) into *delta, which lives in `arena`; its sequence is 0, no fault is judged.
 * Returns NULL; or a static text that says what is wrong, with *place the octet of the line where. */
const char *sb_json_read_delta (const char *line, sb_arena_t *arena, sb_delta_t *delta, uint32_t *place);

#endif

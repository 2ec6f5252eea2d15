/* SPDX-License-Identifier: MPL-2.0
 *
 * Entries of the configuration's lists: text to what the core takes, and back. Pure functions.
 *
 * A reader gives NULL, or a static sentence that says what is wrong; its texts borrow from the entry.
 */
#ifndef SB_CONFIG_ENTRY_H
#define SB_CONFIG_ENTRY_H

#include "sb_core.h"

#include <stddef.h>

/* "CATEGORY UPDATES [BYTES [AGE]]"; a category may be one of the broker's own. */
const char *sb_entry_read_history (const char *text, sb_history_bound_t *bound);

/* "CATEGORY DURATION". */
const char *sb_entry_read_time_to_live (const char *text, sb_time_to_live_t *entry);

/* "PATTERN CATEGORY". */
const char *sb_entry_read_rule (const char *text, sb_category_rule_t *rule);

/* NULL when `text` is an entry of a list whose `unit`, in the table of keys, is one of the three above or "CATEGORY";
 * else what is wrong. */
const char *sb_entry_check (const char *unit, const char *text);

/* The shortest entry that reads back as the same. Returns `text`, cut at `size`. */
const char *sb_entry_format_history (const sb_history_bound_t *bound, char *text, size_t size);

#endif

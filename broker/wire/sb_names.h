/* SPDX-License-Identifier: MPL-2.0
 *
 * The syntax of names, topics and interests, as schemas/PROTOCOL.md gives it. Pure functions.
 */
#ifndef SB_NAMES_H
#define SB_NAMES_H

#include "sb_model.h"

/* A text over a C string's octets, without its NUL; valid as long as `string`. NULL gives the empty text. */
sb_text_t sb_text (const char *string);

/* True when both have the same octets. */
bool sb_text_equal (sb_text_t left, sb_text_t right);

/* True when the first octets of `text` are those of `prefix`; the empty prefix begins everything. */
bool sb_text_begins_with (sb_text_t text, sb_text_t prefix);

/* Orders as memcmp does, a prefix before what it begins. Returns <0, 0, >0. */
int sb_text_compare (sb_text_t left, sb_text_t right);

/* True for valid UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) without U+0000. */
bool sb_text_is_utf8 (sb_text_t text);

/* [a-z0-9][a-z0-9_]{0,31}, not "all". */
bool sb_name_is_category (sb_text_t text);

/* [A-Za-z0-9:/-][A-Za-z0-9_:/-]{0,63}: a leading _ is the broker's. */
bool sb_name_is_agent_id (sb_text_t text);

/* Empty, or [A-Za-z0-9_:/-]{1,64}. */
bool sb_name_is_subject (sb_text_t text);

/* Parts of [A-Za-z0-9_:/-]+ joined by dots, 1 to 128 octets. */
bool sb_name_is_field (sb_text_t text);

/* [A-Za-z0-9_:/.-]{1,64}. */
bool sb_name_is_command_id (sb_text_t text);

/* "all", a category (one of the broker's, _event, too), or a longer prefix of a topic:
 * category.agent, category.agent.subject, where the last part may be cut short. A category alone may end in its dot. */
bool sb_name_is_interest (sb_text_t text);

/* The prefix that a subscriber of a valid interest subscribes to: "market_data" gives "market_data.";
 * "all" gives the empty prefix, for which a SUB subscribes to the 36 one-octet prefixes a-z 0-9;
 * anything else is itself. Written to `prefix` (SB_TOPIC_MAX + 1 octets), its size returned. */
uint32_t sb_interest_prefix (sb_text_t interest, char *prefix);

/* True when `topic` falls under the interest prefix; the empty prefix matches a-z 0-9 only. */
bool sb_prefix_matches (sb_text_t prefix, sb_text_t topic);

/* True for `~conflated.<ms>.` and whatever follows it, <ms> being 10 to 60000 without leading zeros: sets *interval_ms,
 * and *rest (which borrows from `text` and may be empty) to what follows. What that is, is not looked at. */
bool sb_conflated_split (sb_text_t text, uint32_t *interval_ms, sb_text_t *rest);

/* Splits category.agent.subject. Returns false when there are not exactly two dots. The parts borrow from `topic`. */
bool sb_topic_split (sb_text_t topic, sb_text_t *category, sb_text_t *agent_id, sb_text_t *subject);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Values for people's eyes: numbers, durations, times, octets by their unit; texts without what could
 * steer a terminal. Pure; nothing fails, what is too long is cut.
 */
#ifndef SB_DISPLAY_H
#define SB_DISPLAY_H

#include <stdio.h>

#include "sb_model.h"

enum { SB_DISPLAY_SIZE = 512 /* octets for any value, with its NUL */ };

/* How something is marked on a terminal with colours. */
typedef enum {
    SB_MARK_PLAIN,
    SB_MARK_GOOD,
    SB_MARK_WARNING,
    SB_MARK_BAD,
    SB_MARK_DIM,
    SB_MARK_TITLE,
    SB_MARK_SELECTED
} sb_mark_t;

/* Each writes to `text` (SB_DISPLAY_SIZE octets) and returns it. */
const char *sb_display_integer (int64_t integer, char *text); /* 1,234,567 */
const char *sb_display_number (double number, char *text);    /* 12.5, 0.00012, 1,234.5; "-" when not finite */
const char *sb_display_short (double number, char *text);     /* at most 5 characters: 12.5, 1234, 12.3k, 4.5M */
const char *sb_display_duration_ns (double ns, char *text);   /* 850ns 12.3us 4.56ms 1.20s 3m04s 2h05m 3d04h */
const char *sb_display_bytes (double bytes, char *text);      /* 512 B, 1.5 KiB */
const char *sb_display_time (int64_t unix_ns, char *text);    /* 2024-08-09 12:00:01.123Z; "-" for 0 */
const char *sb_display_text (sb_text_t source, char *text);   /* control characters and bad UTF-8 become ? */

/* Any value by its unit: ns us ms s unix_ns bytes; other units are not shown. "-" for none. */
const char *sb_display_value (const sb_value_t *value, const char *unit, char *text);

/* Columns that `text` takes on a terminal, one for each character. */
uint32_t sb_display_width (const char *text);

/* True when `stream` is a terminal that shows colours and NO_COLOR is not set. */
bool sb_display_has_colour (FILE *stream);

/* The escape sequence that begins a mark; "" for SB_MARK_PLAIN. SB_DISPLAY_RESET ends it. */
const char *sb_display_colour (sb_mark_t mark);
#define SB_DISPLAY_RESET "\033[0m"

/* The mark for a word of the bus: LIVE is good, SUSPECT a warning, DEAD bad. PLAIN for what is none. */
sb_mark_t sb_display_mark (sb_text_t word);

#endif

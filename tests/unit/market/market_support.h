/* SPDX-License-Identifier: MPL-2.0
 *
 * What the tests of the market pipeline share: a feed from a layout's text, lines into it.
 */
#ifndef MARKET_SUPPORT_H
#define MARKET_SUPPORT_H

#include "sb_feed.h"
#include "sb_names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A layout of trades: t (unix seconds), p, s. */
#define TRADES_LAYOUT                                                                                                  \
    "kind = trade\ncolumns = t, p, s\nmarket = m\nsymbol = X\njump_percent = 10\ntime_format = unix_s\n"               \
    "sma = 3\nema = 3\nrsi = 3\nvolatility = 3\n"                                                                      \
    "roles\n    time = t\n    price = p\n    size = s\n"

/* One with both sides of a quote: t, b, bs, a, as. */
#define QUOTES_LAYOUT                                                                                                  \
    "kind = quote\ncolumns = t, b, bs, a, as\nmarket = m\nsymbol = X\njump_percent = 10\ntime_format = unix_s\n"       \
    "roles\n    time = t\n    bid = b\n    bid_size = bs\n    ask = a\n    ask_size = as\n"

static inline sb_layout_t *layout_of (const char *text)
{
    static sb_layout_t layout;
    char error[256] = "";
    cr_assert (sb_layout_parse (&layout, "test", sb_text (text), error, sizeof error), "%s", error);
    return &layout;
}

/* One line into a feed; *tick may be NULL. */
static inline sb_outcome_t feed_line (sb_feed_t *feed, const char *text, sb_tick_t *tick)
{
    static char line[70000];
    static sb_tick_t own;
    snprintf (line, sizeof line, "%s", text);
    return sb_feed_line (feed, line, strlen (line), tick ? tick : &own);
}

/* Cause of the rejection of one row, fed after the rows before it; fails the test when it is not rejected. */
static inline sb_rejection_t rejection_of (sb_feed_t *feed, const char *text)
{
    cr_assert_eq (feed_line (feed, text, NULL), SB_OUTCOME_REJECTED, "taken: %s", text);
    return sb_feed_last_rejection (feed);
}

/* A number among changes; NaN-like -1e9 when it is not there. */
static inline double number_in (const sb_change_t *changes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (sb_text_equal (changes[i].name, sb_text (name)))
            return changes[i].value.kind == SB_VALUE_INTEGER ? (double)changes[i].value.integer
                                                             : changes[i].value.number;
    return -1e9;
}

#endif

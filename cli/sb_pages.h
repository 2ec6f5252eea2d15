/* SPDX-License-Identifier: MPL-2.0
 *
 * All pages of a command's answer, fetched one after the other by next_cursor, each in an arena of its own.
 */
#ifndef SB_PAGES_H
#define SB_PAGES_H

#include "sb_client.h"

enum { SB_PAGES_MAX = 20000 /* a broker that never ends is cut off here */ };

typedef struct {
    sb_command_reply_t reply;
    sb_arena_t *arena; /* what the reply lives in */
} sb_page_t;

/* Pages in order; the last one may be a refusal. */
typedef struct {
    sb_page_t *items;
    uint32_t count;
} sb_pages_t;

/* Asks; and goes on with next_cursor while there is one and `all` is true. The request's own cursor is its first.
 * Stops at the first refusal. On any outcome but ANSWERED the pages so far are there. Out of memory ends the program.
 */
sb_client_outcome_t sb_pages_fetch (sb_pages_t *self, sb_client_t *client, const sb_command_request_t *request,
                                    bool all);

/* Adds a page and takes its arena over. */
void sb_pages_add (sb_pages_t *self, const sb_page_t *page);

/* Forgets all pages. */
void sb_pages_clear (sb_pages_t *self);

/* The last page's reply; NULL when there is none. */
const sb_command_reply_t *sb_pages_last (const sb_pages_t *self);

/* Numbers over all pages. */
uint32_t sb_pages_record_count (const sb_pages_t *self);

/* The i-th record over all pages; NULL after the last. O(pages). */
const sb_record_t *sb_pages_record (const sb_pages_t *self, uint32_t i);

/* The value of a record's column; NULL when it has no such column. */
const sb_value_t *sb_record_value (const sb_record_t *record, const char *column);

/* The column as a number, `otherwise` when it is none; as a text, empty when it is none. */
double sb_record_number (const sb_record_t *record, const char *column, double otherwise);
sb_text_t sb_record_text (const sb_record_t *record, const char *column);
bool sb_record_boolean (const sb_record_t *record, const char *column);

#endif

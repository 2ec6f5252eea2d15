/* SPDX-License-Identifier: MPL-2.0
 *
 * A command's answer on paper: as one JSON document, or as tables and blocks for people.
 */
#ifndef SB_REPLY_H
#define SB_REPLY_H

#include <stdio.h>

#include "sb_json.h"
#include "sb_pages.h"

/* Writes all pages as one object: command, code, message, sequence, stream_id, epoch, records, fields,
 * publications, next_cursor. Every member is always there. */
void sb_reply_json (const char *command, const sb_pages_t *pages, sb_json_t *json);

/* True for events and timeline: their record says how far the history reaches, and is not printed. */
bool sb_reply_is_of_events (const char *command);

/* Prints for people: the message, then records (several alike as a table, one alone as a block of lines), fields,
 * publications. `agent_id` is the agent that was asked about, whose events need not name it; empty: none. */
void sb_reply_print (const char *command, sb_text_t agent_id, const sb_pages_t *pages, FILE *stream, bool has_colour);

/* Prints one publication as a line: category_sequence, time, topic, quality when it is not OK, changes. An event as
 * number, time, agent, kind, what happened. */
void sb_reply_print_publication (const sb_publication_t *publication, FILE *stream, bool has_colour);

/* "PAUSED: message or the table's text", for stderr; of a parameter of `command` (NULL: not known) what may stand
 * there. `text` has SB_DISPLAY_SIZE octets. Returns it. */
const char *sb_reply_refusal (const char *command, sb_reason_t reason, sb_text_t message, char *text);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * What a program says when it ends: named values in order, printed as lines for people or as one flat
 * JSON object (keys may be dotted) for programs.
 */
#ifndef SB_SUMMARY_H
#define SB_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SB_SUMMARY_ROWS = 256 /* rows beyond these are left out, and said so in a row of their own */ };

typedef struct sb_summary sb_summary_t;

/* An empty summary; NULL when there is no memory. */
sb_summary_t *sb_summary_new (void);

/* Destroys it and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_summary_destroy (sb_summary_t **self_p);

/* Add a row; key and text are copied, cut to 95 octets. A number that is not finite becomes null in JSON. */
void sb_summary_integer (sb_summary_t *self, const char *key, uint64_t integer);
void sb_summary_number (sb_summary_t *self, const char *key, double number);
void sb_summary_string (sb_summary_t *self, const char *key, const char *text);

/* Prints all rows in order: as one JSON object on one line, or as aligned lines. Cannot fail. */
void sb_summary_print (const sb_summary_t *self, FILE *stream, bool as_json);

/* Writes `text` as a JSON string with its quotes. Cannot fail. */
void sb_summary_json_string (FILE *stream, const char *text);

#endif

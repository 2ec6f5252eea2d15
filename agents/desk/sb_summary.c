/* SPDX-License-Identifier: MPL-2.0
 *
 * A table of rows, filled in order and printed once.
 */
#include "sb_summary.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { S_TEXT_MAX = 96 };

typedef enum { S_INTEGER, S_NUMBER, S_TEXT } s_kind_t;

typedef struct {
    char key[S_TEXT_MAX];
    s_kind_t kind;
    uint64_t integer;
    double number;
    char text[S_TEXT_MAX];
} s_row_t;

struct sb_summary {
    s_row_t rows[SB_SUMMARY_ROWS];
    uint32_t count;
    uint64_t left_out; /* rows for which there was no room */
};

sb_summary_t *sb_summary_new (void)
{
    return calloc (1, sizeof (sb_summary_t));
}

void sb_summary_destroy (sb_summary_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free (*self_p);
    *self_p = NULL;
}

/* The next row with its key set, NULL when there is no room. */
static s_row_t *s_add (sb_summary_t *self, const char *key, s_kind_t kind)
{
    assert (self && key);
    if (self->count == SB_SUMMARY_ROWS) {
        self->left_out++;
        return NULL;
    }
    s_row_t *row = &self->rows[self->count++];
    snprintf (row->key, sizeof row->key, "%s", key);
    row->kind = kind;
    return row;
}

void sb_summary_integer (sb_summary_t *self, const char *key, uint64_t integer)
{
    s_row_t *row = s_add (self, key, S_INTEGER);
    if (row)
        row->integer = integer;
}

void sb_summary_number (sb_summary_t *self, const char *key, double number)
{
    s_row_t *row = s_add (self, key, S_NUMBER);
    if (row)
        row->number = number;
}

void sb_summary_string (sb_summary_t *self, const char *key, const char *text)
{
    s_row_t *row = s_add (self, key, S_TEXT);
    if (row)
        snprintf (row->text, sizeof row->text, "%s", text ? text : "");
}

void sb_summary_json_string (FILE *stream, const char *text)
{
    fputc ('"', stream);
    for (const unsigned char *octet = (const unsigned char *)text; *octet; octet++) {
        if (*octet == '"' || *octet == '\\')
            fprintf (stream, "\\%c", *octet);
        else if (*octet < 0x20)
            fprintf (stream, "\\u%04x", *octet);
        else
            fputc (*octet, stream);
    }
    fputc ('"', stream);
}

static void s_print_value (const s_row_t *row, FILE *stream, bool as_json)
{
    switch (row->kind) {
    case S_INTEGER:
        fprintf (stream, "%" PRIu64, row->integer);
        break;
    case S_NUMBER:
        if (isfinite (row->number))
            fprintf (stream, "%.10g", row->number);
        else
            fputs (as_json ? "null" : "none", stream);
        break;
    case S_TEXT:
        if (as_json)
            sb_summary_json_string (stream, row->text);
        else
            fputs (row->text, stream);
        break;
    }
}

void sb_summary_print (const sb_summary_t *self, FILE *stream, bool as_json)
{
    if (as_json)
        fputc ('{', stream);
    for (uint32_t i = 0; i < self->count; i++) {
        const s_row_t *row = &self->rows[i];
        if (as_json) {
            fputs (i ? ", " : "", stream);
            sb_summary_json_string (stream, row->key);
            fputs (": ", stream);
        } else
            fprintf (stream, "%-32s ", row->key);
        s_print_value (row, stream, as_json);
        if (!as_json)
            fputc ('\n', stream);
    }
    if (self->left_out)
        fprintf (stream, as_json ? "%s\"rows_left_out\": %" PRIu64 : "%srows_left_out %" PRIu64 "\n",
                 as_json && self->count ? ", " : "", self->left_out);
    if (as_json)
        fputs ("}\n", stream);
    fflush (stream);
}

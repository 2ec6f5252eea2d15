/* SPDX-License-Identifier: MPL-2.0
 *
 * What a run came to. Texts grow by a small writer that counts beyond its room, as snprintf does.
 */
#include "sb_summary.h"
#include "sb_reasons.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

typedef struct {
    char *text;
    size_t size;
    size_t used;
} writer_t;

__attribute__ ((format (printf, 2, 3))) static void s_put (writer_t *writer, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    bool has_room = writer->used < writer->size;
    int count = vsnprintf (has_room ? writer->text + writer->used : NULL, has_room ? writer->size - writer->used : 0,
                           format, arguments);
    va_end (arguments);
    writer->used += (size_t)(count > 0 ? count : 0);
}

int sb_summary_text (const sb_summary_t *self, char *text, size_t size)
{
    const sb_accounting_t *rows = self->accounting;
    writer_t writer = {text, size, 0};
    s_put (&writer, "%s, layout %s\n", self->input, self->layout);
    s_put (&writer, "  %12" PRIu64 "  rows read, %.1f s, %.0f a second\n", rows->read, self->elapsed_s,
           self->elapsed_s > 0 ? (double)rows->read / self->elapsed_s : 0);
    s_put (&writer, "  %12" PRIu64 "  %s\n", rows->published, self->is_check ? "good" : "published");
    s_put (&writer, "  %12" PRIu64 "  unchanged\n", rows->unchanged);
    s_put (&writer, "  %12" PRIu64 "  rejected\n", sb_accounting_rejected (rows));
    for (int i = 1; i < SB_REJECTION_LIMIT; i++)
        if (rows->rejected[i])
            s_put (&writer, "  %12" PRIu64 "    %s: %s\n", rows->rejected[i], sb_rejection_name ((sb_rejection_t)i),
                   sb_rejection_text ((sb_rejection_t)i));
    s_put (&writer, "  %12" PRIu64 "  refused\n", sb_accounting_refused (rows));
    for (int i = 1; i < SB_REASON_LIMIT; i++)
        if (rows->refused[i])
            s_put (&writer, "  %12" PRIu64 "    %s: %s\n", rows->refused[i], sb_reason_info ((sb_reason_t)i)->name,
                   sb_reason_info ((sb_reason_t)i)->text);
    if (rows->pending)
        s_put (&writer, "  %12" PRIu64 "  sent, and not decided\n", rows->pending);
    s_put (&writer,
           "  of the rows kept: %" PRIu64 " repeated, %" PRIu64 " suspicious, %" PRIu64
           " with a price of zero or less; %" PRIu64 " values missing\n",
           rows->repeated, rows->suspicious, rows->non_positive, rows->values_missing);
    s_put (&writer, "  %" PRIu64 " subject%s, %" PRIu64 " context series of %" PRIu64 " row%s", self->subjects,
           self->subjects == 1 ? "" : "s", self->context_series, self->context_rows,
           self->context_rows == 1 ? "" : "s");
    s_put (&writer, rows->filtered ? ", %" PRIu64 " rows of other symbols passed over\n" : "\n", rows->filtered);
    if (self->derived_refused)
        s_put (&writer, "  %" PRIu64 " updates of derived fields refused\n", self->derived_refused);
    if (rows->truncated_input)
        s_put (&writer, "  truncated_input: %s\n", self->error);
    if (sb_accounting_balances (rows))
        s_put (&writer, "  accounting: read = %s + rejected + unchanged + refused%s\n",
               self->is_check ? "good" : "published", rows->pending ? " + not decided" : "");
    else
        s_put (&writer, "  accounting: DOES NOT BALANCE\n");
    return (int)writer.used;
}

static void s_put_json_text (writer_t *writer, const char *text)
{
    s_put (writer, "\"");
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            s_put (writer, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            s_put (writer, "\\u%04x", (unsigned)*text);
        else
            s_put (writer, "%c", *text);
    s_put (writer, "\"");
}

int sb_summary_json (const sb_summary_t *self, char *text, size_t size)
{
    const sb_accounting_t *rows = self->accounting;
    writer_t writer = {text, size, 0};
    const char *comma = "";
    s_put (&writer, "{\"input\":");
    s_put_json_text (&writer, self->input);
    s_put (&writer, ",\"layout\":");
    s_put_json_text (&writer, self->layout);
    s_put (&writer, ",\"read\":%" PRIu64 ",\"published\":%" PRIu64 ",\"unchanged\":%" PRIu64 ",\"pending\":%" PRIu64,
           rows->read, rows->published, rows->unchanged, rows->pending);
    s_put (&writer, ",\"rejected_total\":%" PRIu64 ",\"rejected\":{", sb_accounting_rejected (rows));
    for (int i = 1; i < SB_REJECTION_LIMIT; i++)
        if (rows->rejected[i]) {
            s_put (&writer, "%s\"%s\":%" PRIu64, comma, sb_rejection_name ((sb_rejection_t)i), rows->rejected[i]);
            comma = ",";
        }
    comma = "";
    s_put (&writer, "},\"refused_total\":%" PRIu64 ",\"refused\":{", sb_accounting_refused (rows));
    for (int i = 1; i < SB_REASON_LIMIT; i++)
        if (rows->refused[i]) {
            s_put (&writer, "%s\"%s\":%" PRIu64, comma, sb_reason_info ((sb_reason_t)i)->name, rows->refused[i]);
            comma = ",";
        }
    s_put (&writer,
           "},\"repeated\":%" PRIu64 ",\"suspicious\":%" PRIu64 ",\"non_positive\":%" PRIu64
           ",\"values_missing\":%" PRIu64,
           rows->repeated, rows->suspicious, rows->non_positive, rows->values_missing);
    s_put (&writer, ",\"filtered\":%" PRIu64 ",\"truncated_input\":%" PRIu64 ",\"derived_refused\":%" PRIu64,
           rows->filtered, rows->truncated_input, self->derived_refused);
    s_put (&writer,
           ",\"subjects\":%" PRIu64 ",\"context_series\":%" PRIu64 ",\"context_rows\":%" PRIu64 ",\"elapsed_s\":%.3f",
           self->subjects, self->context_series, self->context_rows, self->elapsed_s);
    s_put (&writer, ",\"balances\":%s,\"error\":", sb_accounting_balances (rows) ? "true" : "false");
    s_put_json_text (&writer, self->error);
    s_put (&writer, "}\n");
    return (int)writer.used;
}

int sb_progress_text (const sb_progress_t *self, char *text, size_t size)
{
    writer_t writer = {text, size, 0};
    double rate = self->interval_s > 0 ? (double)(self->rows - self->rows_before) / self->interval_s : 0;
    s_put (&writer, "%" PRIu64 " rows, %.0f/s", self->rows, rate);
    if (self->octets_total > 0) {
        double share = (double)self->octets_read / (double)self->octets_total;
        if (share > 1)
            share = 1;
        s_put (&writer, ", %.1f %%", 100 * share);
        if (share > 0.001 && self->octets_read > 0) {
            double left_s = self->elapsed_s * (1 - share) / share;
            s_put (&writer, left_s < 120 ? ", %.0f s left" : ", %.1f min left", left_s < 120 ? left_s : left_s / 60);
        }
    }
    if (self->status && *self->status)
        s_put (&writer, ", %s", self->status);
    return (int)writer.used;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Feed quality as fields. Totals are always there; a cause or reason appears with its first row.
 */
#include "sb_quality.h"
#include "sb_names.h"
#include "sb_reasons.h"

#include <stdio.h>

typedef struct {
    sb_quality_report_t *report;
    sb_change_t *changes;
    uint32_t count;
    uint32_t place; /* of the next field; the order of fields never changes */
} writer_t;

static void s_field (writer_t *writer, const char *prefix, const char *name, uint64_t value, bool is_always)
{
    uint32_t place = writer->place++;
    uint64_t *sent = &writer->report->sent[place];
    if (*sent == value + 1 || (*sent == 0 && value == 0 && !is_always))
        return;
    *sent = value + 1;
    char *full = writer->report->names[place];
    snprintf (full, sizeof writer->report->names[place], "%s%s", prefix, name);
    writer->changes[writer->count++] =
        (sb_change_t){.name = sb_text (full), .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)value}};
}

uint32_t sb_quality_changes (sb_quality_report_t *self, const sb_accounting_t *accounting, const sb_feed_state_t *state,
                             sb_change_t changes[SB_QUALITY_CHANGES_MAX])
{
    writer_t writer = {self, changes, 0, 0};
    s_field (&writer, "", "rows_read", accounting->read, true);
    s_field (&writer, "", "rows_published", accounting->published, true);
    s_field (&writer, "", "rows_unchanged", accounting->unchanged, true);
    s_field (&writer, "", "rows_rejected_total", sb_accounting_rejected (accounting), true);
    s_field (&writer, "", "rows_refused_total", sb_accounting_refused (accounting), true);
    s_field (&writer, "", "rows_pending", accounting->pending, true);
    s_field (&writer, "", "rows_repeated", accounting->repeated, false);
    s_field (&writer, "", "rows_suspicious", accounting->suspicious, false);
    s_field (&writer, "", "rows_non_positive", accounting->non_positive, false);
    s_field (&writer, "", "values_missing", accounting->values_missing, false);
    s_field (&writer, "", "truncated_input", accounting->truncated_input, false);
    s_field (&writer, "", "subjects", state->subjects, true);
    s_field (&writer, "", "feed_unix_ns", (uint64_t)state->feed_time_ns, true);
    s_field (&writer, "", "freshness_ms", (uint64_t)(state->freshness_ms > 0 ? state->freshness_ms : 0), true);
    for (int i = 0; i < SB_REJECTION_LIMIT; i++)
        s_field (&writer, "rows_rejected.", sb_rejection_name ((sb_rejection_t)i), accounting->rejected[i], false);
    for (int i = 0; i < SB_REASON_LIMIT; i++)
        s_field (&writer, "rows_refused.", sb_reason_info ((sb_reason_t)i)->name, accounting->refused[i], false);
    return writer.count;
}

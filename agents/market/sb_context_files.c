/* SPDX-License-Identifier: MPL-2.0
 *
 * Loads a folder of context series, through the same pipeline as any feed, so that the same faults
 * are found. Memory: about 50 octets a row, and 24 for each value.
 */
#include "sb_context_files.h"
#include "sb_feed.h"
#include "sb_source.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int s_is_table (const struct dirent *entry)
{
    static const char *const patterns[] = {"*.csv", "*.csv.gz", "*.jsonl", "*.jsonl.gz"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (sb_pattern_matches (patterns[i], entry->d_name))
            return 1;
    return 0;
}

/* Reads all rows into the series opened last. False: no memory. */
static bool s_read_rows (sb_context_t *context, sb_source_t *source, sb_feed_t *feed, char *error, size_t error_size)
{
    sb_tick_t *tick = malloc (sizeof *tick);
    sb_accounting_t *accounting = sb_feed_accounting (feed);
    bool is_fine = tick != NULL;
    char *line;
    size_t size;
    for (sb_input_status_t status = SB_INPUT_LINE; is_fine && status != SB_INPUT_END && status != SB_INPUT_DAMAGED;) {
        status = sb_source_line (source, &line, &size);
        if (status == SB_INPUT_LINE && sb_feed_line (feed, line, size, tick) == SB_OUTCOME_TICK) {
            is_fine = sb_context_add_row (context, tick->row);
            accounting->pending--;
            accounting->published++;
        } else if (status == SB_INPUT_TOO_LONG || status == SB_INPUT_PARTIAL) {
            sb_feed_reject (feed, status == SB_INPUT_PARTIAL ? SB_REJECTION_TRUNCATED : SB_REJECTION_TOO_LONG);
        } else if (status == SB_INPUT_DAMAGED) {
            accounting->truncated_input++;
            snprintf (error, error_size, "%s", sb_input_error (sb_source_input (source)));
        }
    }
    free (tick);
    return is_fine;
}

/* Loads one file. False: no memory. */
static bool s_load_file (sb_context_t *context, const sb_layout_set_t *set, const char *path, sb_context_file_t *file,
                         void (*report) (const sb_context_file_t *file, void *context), void *report_context)
{
    char error[512] = "";
    sb_accounting_t nothing = {0};
    sb_feed_t *feed = NULL;
    bool is_fine = true;
    file->error = error;
    file->accounting = &nothing;
    sb_source_t *source = sb_source_open (set, &(sb_source_options_t){.path = path}, error, sizeof error);
    if (source && sb_source_prepare (source, error, sizeof error) == SB_SOURCE_READY) {
        const sb_layout_t *layout = sb_source_layout (source);
        file->layout = layout->name;
        if (layout->kind != SB_LAYOUT_SERIES) {
            snprintf (error, sizeof error, "is no series");
        } else if (!sb_context_add_series (context, layout)) {
            snprintf (error, sizeof error, "more than %d series", SB_SERIES_MAX);
        } else {
            feed = sb_feed_new (layout, sb_source_is_json (source), NULL);
            is_fine = feed && s_read_rows (context, source, feed, error, sizeof error);
            file->accounting = feed ? sb_feed_accounting (feed) : &nothing;
        }
    }
    if (is_fine)
        report (file, report_context);
    sb_feed_destroy (&feed);
    sb_source_close (&source);
    return is_fine;
}

bool sb_context_load (sb_context_t *context, const sb_layout_set_t *set, const char *folder,
                      void (*report) (const sb_context_file_t *file, void *context), void *report_context, char *error,
                      size_t error_size)
{
    struct dirent **entries = NULL;
    int count = scandir (folder, &entries, s_is_table, alphasort);
    if (count < 0) {
        snprintf (error, error_size, "cannot read the context folder %s: %s", folder, strerror (errno));
        return false;
    }
    bool is_fine = true;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX + 256];
        snprintf (path, sizeof path, "%.4000s/%.255s", folder, entries[i]->d_name);
        sb_context_file_t file = {.name = entries[i]->d_name, .layout = ""};
        is_fine = is_fine && s_load_file (context, set, path, &file, report, report_context);
        free (entries[i]);
    }
    free (entries);
    sb_context_finish (context);
    if (!is_fine)
        snprintf (error, error_size, "no memory for the context series of %s", folder);
    return is_fine;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_log.h. The limiter is a table of fixed size, a slot by hash of (event, agent, reason); two keys that meet in a
 * slot take it from each other, which at worst lets more lines through. Cost: one hash a line. Rejected: an exact
 * table, which a flood of made-up agent ids would fill.
 */
#define _GNU_SOURCE
#include "sb_log.h"
#include "sb_line_file.h"
#include "sb_names.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 512, EVENT_MAX = 32, TEXT_MAX = 2048 };

/* How often one kind of line came in the present window. */
typedef struct {
    uint64_t key;     /* hash of event, agent and reason; 0: free */
    uint64_t end_ns;  /* of the window */
    uint32_t written; /* lines let through */
    uint32_t held;    /* lines held back */
    sb_severity_t severity;
    sb_reason_t reason;
    char event[EVENT_MAX];
    char agent_id[SB_ID_MAX + 1];
} s_slot_t;

struct sb_log {
    sb_line_file_t *file;
    sb_line_file_t *audit;
    sb_log_format_t format;
    sb_severity_t level;
    uint32_t burst;
    uint64_t window_ns;
    s_slot_t slots[SLOTS];
};

static const struct {
    const char *name;   /* in JSON and in the configuration */
    const char *shown;  /* in plain lines */
    const char *colour; /* on a terminal */
} s_levels[] = {
    [SB_SEVERITY_DEBUG] = {"debug", "DEBUG", "\033[2m"},
    [SB_SEVERITY_INFO] = {"info", "INFO", ""},
    [SB_SEVERITY_WARNING] = {"warning", "WARNING", "\033[33m"},
    [SB_SEVERITY_ERROR] = {"error", "ERROR", "\033[31m"},
};

static void s_open (sb_log_t *self, const sb_config_t *config)
{
    self->format = (sb_log_format_t)config->log_format;
    self->level = (sb_severity_t)config->log_level;
    self->burst = config->log_burst;
    self->window_ns = config->log_window_ms * UINT64_C (1000000);
    self->file = sb_line_file_new (config->log_file, "log",
                                   self->format == SB_LOG_JSON
                                       ? "{\"level\":\"error\",\"event\":\"LOG_LOST\",\"lines\":%lu}\n"
                                       : "ERROR LOG_LOST %lu lines before this one could not be written\n");
    self->audit = sb_line_file_new (config->audit_file, "audit log", "{\"lost_lines\":%lu}\n");
}

sb_log_t *sb_log_new (const sb_config_t *config)
{
    sb_log_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    s_open (self, config);
    if (!self->file || !self->audit)
        sb_log_destroy (&self);
    return self;
}

void sb_log_destroy (sb_log_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_line_file_destroy (&(*self_p)->file);
    sb_line_file_destroy (&(*self_p)->audit);
    free (*self_p);
    *self_p = NULL;
}

void sb_log_reload (sb_log_t *self, const sb_config_t *config)
{
    sb_line_file_destroy (&self->file);
    sb_line_file_destroy (&self->audit);
    s_open (self, config);
    assert (self->file && self->audit);
}

uint64_t sb_log_lost (const sb_log_t *self)
{
    return sb_line_file_lost (self->file);
}

uint64_t sb_log_audit_lost (const sb_log_t *self)
{
    return sb_line_file_lost (self->audit);
}

/* ---------------------------------------------------------------- writing */

static void s_put_time (FILE *file, int64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm calendar;
    char text[32];
    gmtime_r (&seconds, &calendar);
    strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%S", &calendar);
    fprintf (file, "%s.%03dZ", text, (int)(unix_ns / 1000000 % 1000));
}

/* A member of a JSON object, with a comma before it. Octets that are no UTF-8 become question marks; what is longer
 * than TEXT_MAX is cut between characters, since a peer's text may be as long as its message. */
static void s_put_member (FILE *file, const char *name, sb_text_t text)
{
    fprintf (file, ",\"%s\":\"", name);
    const bool is_utf8 = sb_text_is_utf8 (text);
    const bool is_cut = text.size > TEXT_MAX;
    if (is_cut)
        text.size = TEXT_MAX;
    while (is_cut && is_utf8 && ((unsigned char)text.data[text.size] & 0xc0) == 0x80)
        text.size--;
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];
        if (octet == '"' || octet == '\\')
            fprintf (file, "\\%c", octet);
        else if (octet < 0x20 || octet == 0x7f)
            fprintf (file, "\\u%04x", octet);
        else
            fputc (octet >= 0x80 && !is_utf8 ? '?' : octet, file);
    }
    fputs (is_cut ? "...\"" : "\"", file);
}

/* A text in a plain line: nothing in it moves the cursor or ends the line. */
static void s_put_plain (FILE *file, sb_text_t text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];
        if (octet < 0x20 || octet == 0x7f)
            fprintf (file, "\\x%02x", octet);
        else
            fputc (octet, file);
    }
}

static void s_put_plain_line (sb_log_t *self, FILE *file, const sb_log_line_t *line, int64_t unix_ns)
{
    const char *colour = sb_line_file_is_terminal (self->file) ? s_levels[line->severity].colour : "";
    s_put_time (file, unix_ns);
    fprintf (file, " %s%-7s%s ", colour, s_levels[line->severity].shown, colour[0] ? "\033[0m" : "");
    s_put_plain (file, line->event);
    if (line->agent_id.size > 0) {
        fputc (' ', file);
        s_put_plain (file, line->agent_id);
    }
    if (line->reason != SB_REASON_NONE)
        fprintf (file, " %s", sb_reason_info (line->reason)->name);
    fputs (": ", file);
    s_put_plain (file, line->text);
}

static void s_put_json_line (FILE *file, const sb_log_line_t *line, int64_t unix_ns)
{
    fputs ("{\"time\":\"", file);
    s_put_time (file, unix_ns);
    fprintf (file, "\",\"level\":\"%s\"", s_levels[line->severity].name);
    s_put_member (file, "event", line->event);
    if (line->agent_id.size > 0)
        s_put_member (file, "agent", line->agent_id);
    if (line->reason != SB_REASON_NONE)
        s_put_member (file, "reason", sb_text (sb_reason_info (line->reason)->name));
    s_put_member (file, "text", line->text);
    fputc ('}', file);
}

/* Ends a line that was built in memory, and hands it to `target`. */
static void s_finish (FILE *file, char **text, size_t *size, sb_line_file_t *target)
{
    fputc ('\n', file);
    if (fclose (file) == 0)
        sb_line_file_write (target, *text, *size);
    free (*text);
}

static void s_write (sb_log_t *self, const sb_log_line_t *line, int64_t unix_ns)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&text, &size);
    if (!file)
        return;
    if (self->format == SB_LOG_JSON)
        s_put_json_line (file, line, unix_ns);
    else
        s_put_plain_line (self, file, line, unix_ns);
    s_finish (file, &text, &size, self->file);
}

/* ---------------------------------------------------------------- holding back */

static uint64_t s_hash (uint64_t hash, sb_text_t text)
{
    for (uint32_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C (0x100000001b3);
    return (hash ^ 0xff) * UINT64_C (0x100000001b3);
}

/* Says how many lines a slot has held back, and frees it. */
static void s_release (sb_log_t *self, s_slot_t *slot, int64_t unix_ns)
{
    if (slot->held > 0) {
        char text[128];
        snprintf (text, sizeof text, "%u more lines like this one were held back", slot->held);
        s_write (self,
                 &(sb_log_line_t){.severity = slot->severity,
                                  .event = sb_text (slot->event),
                                  .agent_id = sb_text (slot->agent_id),
                                  .reason = slot->reason,
                                  .text = sb_text (text)},
                 unix_ns);
    }
    slot->key = 0;
}

static void s_copy (char *target, size_t size, sb_text_t text)
{
    snprintf (target, size, "%.*s", (int)text.size, text.data ? text.data : "");
}

/* True when the line may be written. */
static bool s_admit (sb_log_t *self, const sb_log_line_t *line, int64_t unix_ns, uint64_t monotonic_ns)
{
    uint64_t key = s_hash (s_hash (UINT64_C (0xcbf29ce484222325), line->event), line->agent_id) ^
                   ((uint64_t)line->reason << 48 | 1);
    s_slot_t *slot = &self->slots[(key >> 1) % SLOTS];
    if (slot->key && (slot->key != key || monotonic_ns >= slot->end_ns))
        s_release (self, slot, unix_ns);
    if (!slot->key) {
        *slot = (s_slot_t){
            .key = key, .end_ns = monotonic_ns + self->window_ns, .severity = line->severity, .reason = line->reason};
        s_copy (slot->event, sizeof slot->event, line->event);
        s_copy (slot->agent_id, sizeof slot->agent_id, line->agent_id);
    }
    if (slot->written < self->burst) {
        slot->written++;
        return true;
    }
    slot->held++;
    return false;
}

void sb_log_line (sb_log_t *self, const sb_log_line_t *line, int64_t unix_ns, uint64_t monotonic_ns)
{
    if (line->severity >= self->level && s_admit (self, line, unix_ns, monotonic_ns))
        s_write (self, line, unix_ns);
}

void sb_log_flush (sb_log_t *self, int64_t unix_ns, uint64_t monotonic_ns)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        if (self->slots[i].key && monotonic_ns >= self->slots[i].end_ns)
            s_release (self, &self->slots[i], unix_ns);
}

void sb_log_say (sb_log_t *self, sb_severity_t severity, const char *event, const char *format, ...)
{
    if (severity < self->level)
        return;
    char text[TEXT_MAX];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    s_write (self, &(sb_log_line_t){.severity = severity, .event = sb_text (event), .text = sb_text (text)},
             now.tv_sec * INT64_C (1000000000) + now.tv_nsec);
}

void sb_log_audit (sb_log_t *self, const sb_audit_t *audit)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&text, &size);
    if (!file)
        return;
    fputs ("{\"time\":\"", file);
    s_put_time (file, audit->unix_ns);
    fprintf (file, "\",\"unix_ns\":%" PRId64, audit->unix_ns);
    s_put_member (file, "command_id", audit->command_id);
    s_put_member (file, "command", audit->command);
    s_put_member (file, "agent", audit->agent_id);
    s_put_member (file, "issuer", audit->issuer);
    s_put_member (file, "reason", audit->reason);
    s_put_member (file, "before", audit->before);
    s_put_member (file, "after", audit->after);
    s_put_member (file, "code", sb_text (sb_reason_info (audit->code)->name));
    s_put_member (file, "result", audit->result);
    fputc ('}', file);
    s_finish (file, &text, &size, self->audit);
}

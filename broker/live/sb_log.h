/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's log and its audit log.
 *
 * The log: one line a message, plain or JSON, by level. Lines about the same event, agent and reason beyond log/burst
 * within log/window are held back and counted; a line then says how many. The audit log: one JSON object a command;
 * nothing is held back there. Writing never waits and never fails (see sb_line_file.h). What comes from outside is
 * escaped, so that no text can forge a line.
 */
#ifndef SB_LOG_H
#define SB_LOG_H

#include "sb_config.h"
#include "sb_core.h"

typedef struct sb_log sb_log_t;

/* Opens both files as `config` says (borrowed no longer than the call). NULL when the system has no memory. */
sb_log_t *sb_log_new (const sb_config_t *config);
void sb_log_destroy (sb_log_t **self_p);

/* Takes level, format, files and limits of a new configuration, and opens the files anew. */
void sb_log_reload (sb_log_t *self, const sb_config_t *config);

/* Writes a line of the core, or holds it back. `unix_ns` is its time, `monotonic_ns` the limiter's clock. */
void sb_log_line (sb_log_t *self, const sb_log_line_t *line, int64_t unix_ns, uint64_t monotonic_ns);

/* The same for the shell's own; `event` is a stable word, static. */
void sb_log_say (sb_log_t *self, sb_severity_t severity, const char *event, const char *format, ...)
    __attribute__ ((format (printf, 4, 5)));

/* Says what was held back in windows that are over, with monotonic_ns UINT64_MAX in all. To be called about once a
 * second, and at the end. */
void sb_log_flush (sb_log_t *self, int64_t unix_ns, uint64_t monotonic_ns);

/* Writes a line of the audit log. */
void sb_log_audit (sb_log_t *self, const sb_audit_t *audit);

/* Lines lost because they could not be written, log and audit log. */
uint64_t sb_log_lost (const sb_log_t *self);
uint64_t sb_log_audit_lost (const sb_log_t *self);

#endif

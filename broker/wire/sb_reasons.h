/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reasons, readable at run time. Source of all rows: schemas/sb_reasons.def.
 */
#ifndef SB_REASONS_H
#define SB_REASONS_H

#include "sb_message.h"

typedef enum {
    SB_REASON_KIND_NONE,
    SB_REASON_KIND_MESSAGE,
    SB_REASON_KIND_SESSION,
    SB_REASON_KIND_SEQUENCE,
    SB_REASON_KIND_CONTENT,
    SB_REASON_KIND_ADMISSION,
    SB_REASON_KIND_BOUND,
    SB_REASON_KIND_COMMAND
} sb_reason_kind_t;

typedef enum { SB_SEVERITY_DEBUG, SB_SEVERITY_INFO, SB_SEVERITY_WARNING, SB_SEVERITY_ERROR } sb_severity_t;

typedef struct {
    sb_reason_t reason;
    const char *name; /* "PAUSED" */
    sb_reason_kind_t kind;
    bool is_failure; /* counts against the agent's breaker */
    sb_severity_t severity;
    const char *text; /* a sentence that says what to do */
} sb_reason_info_t;

/* The row of `reason`; for a number that is none, the row of SB_REASON_NONE ("NONE"). Never NULL. */
const sb_reason_info_t *sb_reason_info (sb_reason_t reason);

/* The rows in order of wire code, SB_REASON_NONE first; *count gets their number. */
const sb_reason_info_t *sb_reason_table (uint32_t *count);

/* "CLOSED", "STALE", "LOST" …: the schema's names without their prefix; "?" for a number that is none. */
const char *sb_breaker_state_name (sb_breaker_state_t state);
const char *sb_quality_name (sb_quality_t quality);
const char *sb_cause_name (sb_cause_t cause);

#endif

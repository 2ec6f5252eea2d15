/* SPDX-License-Identifier: MPL-2.0
 *
 * What happened, as publications: `_event.<agent, or _broker>.<KIND>`, numbered and kept in history.
 *
 * Each emitter makes one publication of one update whose changes are the event's facts, and a log line of
 * the kind's severity. The kinds are rows of SB_EVENT_KINDS: the word, the severity, what it says. Facts are named
 * values, so that a reader needs no parser; `text` is always there, a sentence for people. O(facts), cannot fail.
 */
#ifndef SB_EVENTS_H
#define SB_EVENTS_H

#include "core_internal.h"

/* SB_EVENT_KIND (word, severity, help) */
#define SB_EVENT_KINDS                                                                                                 \
    SB_EVENT_KIND (REGISTERED, INFO, "an agent registered: instance_id, session_id, is_new_instance")                  \
    SB_EVENT_KIND (LIVENESS, INFO, "an agent's liveness changed: from, to, silence_ms")                                \
    SB_EVENT_KIND (MUTE, WARNING, "an agent lives but makes no progress, or does again: mute, progress")               \
    SB_EVENT_KIND (BREAKER, WARNING, "a breaker changed: from, to, cause, open_count, retry_after_ms, until_unix_ns")  \
    SB_EVENT_KIND (OPERATOR, INFO,                                                                                     \
                   "an operator changed an agent, or it confirmed: paused, confirmed, revision, issuer, reason")       \
    SB_EVENT_KIND (LATCH, WARNING, "emergency stop set or cleared: stopped, latch_epoch, issuer, reason, told")        \
    SB_EVENT_KIND (DUPLICATE_ID, WARNING, "two instances use one agent id: instance_id, other_instance_id, reason")    \
    SB_EVENT_KIND (QUALITY, INFO, "all of an agent's state changed quality: quality, cause")                           \
    SB_EVENT_KIND (HEALTH, WARNING,                                                                                    \
                   "health_score fell under 0.8, or is back: health_score, healthy, total, indicator, low")            \
    SB_EVENT_KIND (GAPS, WARNING, "an agent says that publications were lost on the way to it: lost, dropped")         \
    SB_EVENT_KIND (COMMAND, INFO,                                                                                      \
                   "a changing command about an agent, also a refused one: command, issuer, reason, code, command_id") \
    SB_EVENT_KIND (BEHIND, WARNING, "a reader fell behind, or caught up: behind, backlog, dropped")                    \
    SB_EVENT_KIND (FORGOTTEN, INFO, "an agent's record was given up: agent, cause")                                    \
    SB_EVENT_KIND (LATE, WARNING, "the broker itself was late, or put work off: late_ms, work_left")                   \
    SB_EVENT_KIND (CONFLATION, WARNING,                                                                                \
                   "a subscription to conflated topics was refused, told once a second: prefix, cause, refused")       \
    SB_EVENT_KIND (RESTORED, INFO, "the control state was read at start: stopped, latch_epoch, operators")

typedef enum {
#define SB_EVENT_KIND(word, severity, help) SB_HAPPENING_##word,
    SB_EVENT_KINDS
#undef SB_EVENT_KIND
        SB_HAPPENING_COUNT /* number of kinds */
} sb_happening_t;

/* One kind's row. */
typedef struct {
    const char *word;       /* the topic's subject */
    sb_severity_t severity; /* of its log line */
    const char *help;
} sb_happening_info_t;

/* The row of a kind; never NULL. */
const sb_happening_info_t *sb_happening_info (sb_happening_t kind);

/* One emitter for each kind. `agent` is never NULL where it is asked for; texts are copied. */
void sb_events_registered (sb_core_t *core, sb_agent_record_t *agent, bool is_new_instance);
void sb_events_liveness (sb_core_t *core, sb_agent_record_t *agent, sb_liveness_state_t from, uint64_t silence_ns);
void sb_events_mute (sb_core_t *core, sb_agent_record_t *agent);
void sb_events_breaker (sb_core_t *core, sb_agent_record_t *agent, sb_breaker_state_t from, const char *cause);
void sb_events_operator (sb_core_t *core, sb_agent_record_t *agent);
void sb_events_latch (sb_core_t *core, uint32_t told);
void sb_events_duplicate_id (sb_core_t *core, sb_agent_record_t *agent, uint64_t instance_id,
                             uint64_t other_instance_id, sb_reason_t reason);
void sb_events_quality (sb_core_t *core, sb_agent_record_t *agent, sb_quality_t quality, sb_cause_t cause);
void sb_events_health (sb_core_t *core, bool is_low);
/* `lost`: by how much its count of drops grew. */
void sb_events_gaps (sb_core_t *core, sb_agent_record_t *agent, uint64_t lost, uint64_t dropped);

/* What of a command goes into its event, as for the audit. */
void sb_events_command (sb_core_t *core, sb_agent_record_t *agent, const sb_audit_t *audit);
void sb_events_behind (sb_core_t *core, sb_agent_record_t *agent, uint64_t backlog, bool is_behind);
void sb_events_forgotten (sb_core_t *core, sb_text_t agent_id, const char *cause);
void sb_events_late (sb_core_t *core, uint64_t lateness_ns, bool is_work_left);
/* `prefix`: what was subscribed to, printable; `why`: a sentence; `refused`: how many were, in all. */
void sb_events_conflation (sb_core_t *core, sb_text_t prefix, const char *why, uint64_t refused);
void sb_events_restored (sb_core_t *core, uint32_t operators);

#endif

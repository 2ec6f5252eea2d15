/* SPDX-License-Identifier: MPL-2.0
 *
 * system_health, and the levels `_health..`, `_health.<agent>.` and `_control..`.
 *
 * Once a tick it walks all agents, counts total and healthy, publishes the summary and each agent's level that changed,
 * in slices of the tick's budget, and `_control..`. A walk over 10,000 agents that finds nothing changed is a
 * comparison of a digest each. Keeping running counts at each transition was rejected: one missed transition would be
 * wrong for ever.
 */
#ifndef SB_HEALTH_H
#define SB_HEALTH_H

#include "core_internal.h"

/* system_health as of the last finished walk. */
typedef struct {
    uint32_t total;   /* agents, OFFLINE left out */
    uint32_t healthy; /* live, breaker closed, not mute */
    double score;     /* healthy / total; 1.0 with none */
} sb_health_summary_t;

/* SB_HEALTH_GREEN above 0.8, YELLOW above 0.5, else RED. */
typedef enum { SB_HEALTH_GREEN, SB_HEALTH_YELLOW, SB_HEALTH_RED } sb_health_indicator_t;
sb_health_indicator_t sb_health_indicator (double score);
const char *sb_health_indicator_name (sb_health_indicator_t indicator);

/* success / max (1, success + failure) of one agent: deltas accepted and publications handled, against failures laid to
 * it. */
double sb_health_agent_score (const sb_agent_record_t *agent);

/* True when the agent counts as healthy now. */
bool sb_health_is_healthy (const sb_core_t *core, const sb_agent_record_t *agent);

/* One tick of `_control..` and of health, or one more slice of it: call again, until the next tick begins anew, while
 * it returns true. */
bool sb_health_tick (sb_core_t *core);

/* The summary of the last tick. */
const sb_health_summary_t *sb_health_summary (const sb_core_t *core);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The walk over the agents, once a tick, in slices of SB_SLICE agents; and the facts that levels, get_state and
 * `health` share. See health.h. An agent's digest packs all that its level tells into 64 bits, so that "did it change"
 * is one comparison and two different levels never have the same digest, but for scores within one hundredth.
 */
#include "health.h"

#include "commands_internal.h"

static const double warning_score = 0.8;
static const double yellow_score = 0.5;
static const double ns_per_s = 1e9;

enum { SCORE_PARTS = 100, AGENT_FACTS_MAX = 16, SUMMARY_FACTS_MAX = 16 };

sb_health_indicator_t sb_health_indicator (double score)
{
    if (score > warning_score)
        return SB_HEALTH_GREEN;
    return score > yellow_score ? SB_HEALTH_YELLOW : SB_HEALTH_RED;
}

const char *sb_health_indicator_name (sb_health_indicator_t indicator)
{
    switch (indicator) {
    case SB_HEALTH_GREEN:
        return "green";
    case SB_HEALTH_YELLOW:
        return "yellow";
    case SB_HEALTH_RED:
        return "red";
    }
    return "?";
}

double sb_health_agent_score (const sb_agent_record_t *agent)
{
    const sb_breaker_t *breaker = &agent->breaker;
    double all = (double)breaker->successes + (double)breaker->failures;
    return (double)breaker->successes / (all > 1.0 ? all : 1.0);
}

bool sb_health_is_healthy (const sb_core_t *core, const sb_agent_record_t *agent)
{
    return sb_liveness_is_well (&agent->liveness, core->now_ns) && !agent->liveness.is_mute &&
           agent->breaker.state == SB_BREAKER_CLOSED;
}

const sb_health_summary_t *sb_health_summary (const sb_core_t *core)
{
    return &core->control->health.summary;
}

/* ------------------------------------------------------------------ facts */

const sb_change_t *sb_health_facts (sb_core_t *core, uint32_t *count)
{
    const sb_health_t *health = &core->control->health;
    uint32_t n = 0;
    sb_change_t *facts = sb_core_take (core, (SUMMARY_FACTS_MAX + SB_COUNTER_LIMIT + SB_REASON_LIMIT) * sizeof *facts);
    facts[n++] = sb_fact_integer ("total", health->summary.total);
    facts[n++] = sb_fact_integer ("healthy", health->summary.healthy);
    facts[n++] = sb_fact_number ("health_score", health->summary.score);
    facts[n++] =
        sb_fact_text ("indicator", sb_text (sb_health_indicator_name (sb_health_indicator (health->summary.score))));
    facts[n++] = sb_fact_number ("deltas_per_s", health->deltas_per_s);
    facts[n++] = sb_fact_number ("publications_per_s", health->publications_per_s);
    facts[n++] = sb_fact_integer ("merge_p50_ns", sb_histogram_quantile_ns (&core->merges, 0.5));
    facts[n++] = sb_fact_integer ("merge_p99_ns", sb_histogram_quantile_ns (&core->merges, 0.99));
    facts[n++] = sb_fact_integer ("end_to_end_p50_ns", sb_histogram_quantile_ns (&core->deliveries, 0.5));
    facts[n++] = sb_fact_integer ("end_to_end_p99_ns", sb_histogram_quantile_ns (&core->deliveries, 0.99));
    for (uint32_t i = 0; i < SB_COUNTER_LIMIT; i++)
        facts[n++] = sb_fact_integer (sb_core_counter_name (i), core->counters[i]);
    for (uint32_t i = 0; i < SB_REASON_LIMIT; i++) {
        if (core->refusals[i] == 0)
            continue;
        sb_text_t name = sb_core_format (core, "refused.%s", sb_reason_info (i)->name);
        facts[n] = sb_fact_integer ("", core->refusals[i]);
        facts[n++].name = name;
    }
    *count = n;
    return facts;
}

const sb_change_t *sb_health_agent_facts (sb_core_t *core, const sb_agent_record_t *agent, uint32_t *count)
{
    const sb_operator_t *state = &agent->operator_state;
    uint32_t n = 0;
    sb_change_t *facts = sb_core_take (core, AGENT_FACTS_MAX * sizeof *facts);
    facts[n++] = sb_fact_boolean ("is_healthy", sb_health_is_healthy (core, agent));
    facts[n++] = sb_fact_number ("health_score", sb_health_agent_score (agent));
    facts[n++] = sb_fact_text ("liveness", sb_text (sb_liveness_name (agent->liveness.state)));
    facts[n++] = sb_fact_boolean ("mute", agent->liveness.is_mute);
    facts[n++] = sb_fact_text ("operator_state", sb_text (state->paused ? "PAUSED" : "NORMAL"));
    facts[n++] = sb_fact_boolean ("confirmed", state->confirmed);
    facts[n++] = sb_fact_boolean ("self_paused", agent->beat.self_paused);
    facts[n++] = sb_fact_text ("breaker", sb_text (sb_breaker_state_name (agent->breaker.state)));
    facts[n++] = sb_fact_integer ("open_count", agent->breaker.open_count);
    facts[n++] = sb_fact_boolean ("connected", agent->peer != 0);
    *count = n;
    return facts;
}

/* ------------------------------------------------------------------ levels */

static uint64_t s_digest (const sb_core_t *core, const sb_agent_record_t *agent)
{
    const sb_operator_t *state = &agent->operator_state;
    uint64_t flags = (uint64_t)sb_health_is_healthy (core, agent) | (uint64_t)agent->liveness.is_mute << 1 |
                     (uint64_t)state->paused << 2 | (uint64_t)state->confirmed << 3 |
                     (uint64_t)agent->beat.self_paused << 4 | (uint64_t)(agent->peer != 0) << 5;
    uint64_t states = (uint64_t)agent->liveness.state | (uint64_t)agent->breaker.state << 4;
    uint64_t score = (uint64_t)(sb_health_agent_score (agent) * SCORE_PARTS);
    /* The last term keeps it from being 0, which is "never published". */
    return flags | states << 8 | score << 16 | (agent->breaker.open_count & 0xffffffff) << 24 | UINT64_C (1) << 63;
}

void sb_health_publish_control (sb_core_t *core)
{
    const sb_stop_latch_t *latch = &core->latch;
    sb_change_t facts[] = {
        sb_fact_boolean ("stopped", latch->stopped),
        sb_fact_integer ("latch_epoch", latch->epoch),
        sb_fact_text ("issuer", sb_authorship_issuer (&latch->author)),
        sb_fact_text ("reason", sb_authorship_reason (&latch->author)),
        sb_fact_integer ("since_unix_ns", (uint64_t)latch->author.since_unix_ns),
    };
    core->control->health.control_ns = core->now_ns;
    sb_core_publish_level (core, "_control", NULL, facts, sizeof facts / sizeof facts[0]);
}

/* ------------------------------------------------------------------ the walk */

static void s_take_rates (sb_core_t *core)
{
    sb_health_t *health = &core->control->health;
    uint64_t deltas = core->counters[SB_COUNTER_deltas_accepted];
    uint64_t publications = core->counters[SB_COUNTER_publications];
    double elapsed_s = (double)(core->now_ns - health->rate_ns) / ns_per_s;
    if (health->is_rated && elapsed_s > 0) {
        health->deltas_per_s = (double)(deltas - health->rate_deltas) / elapsed_s;
        health->publications_per_s = (double)(publications - health->rate_publications) / elapsed_s;
    }
    health->is_rated = true;
    health->rate_ns = core->now_ns;
    health->rate_deltas = deltas;
    health->rate_publications = publications;
}

static void s_visit (sb_core_t *core, sb_agent_record_t *agent)
{
    sb_health_summary_t *walking = &core->control->health.walking;
    if (agent->liveness.state != SB_LIVENESS_OFFLINE) {
        walking->total++;
        walking->healthy += sb_health_is_healthy (core, agent);
    }
    uint64_t digest = s_digest (core, agent);
    if (digest == agent->health_digest)
        return;
    agent->health_digest = digest;
    uint32_t count = 0;
    const sb_change_t *facts = sb_health_agent_facts (core, agent, &count);
    sb_core_publish_level (core, "_health", agent, facts, count);
}

static void s_finish (sb_core_t *core)
{
    sb_health_t *health = &core->control->health;
    health->is_walking = false;
    health->summary = health->walking;
    health->summary.score =
        health->summary.total > 0 ? (double)health->summary.healthy / (double)health->summary.total : 1.0;
    s_take_rates (core);
    bool is_low = health->summary.score < warning_score;
    if (is_low != health->is_low) {
        health->is_low = is_low;
        sb_events_health (core, is_low);
    }
    uint32_t count = 0;
    const sb_change_t *facts = sb_health_facts (core, &count);
    sb_core_publish_level (core, "_health", NULL, facts, count);
}

bool sb_health_tick (sb_core_t *core)
{
    sb_health_t *health = &core->control->health;
    bool is_new = !health->is_walking;
    if (is_new || core->now_ns - health->control_ns >= core->config.tick_interval_ms * SB_MS)
        sb_health_publish_control (core);
    if (is_new) {
        health->is_walking = true;
        health->walking = (sb_health_summary_t){0};
        health->walk_slot = 0;
    }
    for (uint32_t i = 0; i < SB_SLICE; i++) {
        sb_agent_record_t *agent = sb_core_next_agent (core, health->walk_slot);
        if (agent == NULL) {
            s_finish (core);
            return false;
        }
        health->walk_slot = agent->slot;
        s_visit (core, agent);
    }
    return true;
}

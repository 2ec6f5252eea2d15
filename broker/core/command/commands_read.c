/* SPDX-License-Identifier: MPL-2.0
 *
 * status, health, list_agents: what the broker knows of itself and of its agents.
 *
 * Agents are listed in order of slot, the order in which their records were made; the cursor is the last slot of the
 * page, so a page costs O(page) wherever it begins. status counts all agents: O(agents), a comparison each.
 */
#include "commands_internal.h"

enum {
    RECEIPTS_MAX = 200,
    RECORD_BYTES = 2048,             /* of an agent's record on the wire at most, its profile left out */
    ENDPOINT_PAGE_BYTES = 512 * 1024 /* of a page on the command endpoint; an agent gets SB_PAGE_BYTES */
};

/* ------------------------------------------------------------------ status */

/* What a walk over all agents counts. */
typedef struct {
    uint32_t liveness[SB_LIVENESS_RECOVERING + 1];
    uint32_t receipts[SB_RECEIPT_REFUSED + 1];
    uint32_t agents;
    uint32_t sessions;
    uint32_t paused;
    uint32_t not_closed;
} s_counts_t;

static s_counts_t s_count (const sb_core_t *core)
{
    s_counts_t counts = {0};
    for (const sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL;
         agent = sb_core_next_agent (core, agent->slot)) {
        counts.agents++;
        counts.liveness[agent->liveness.state]++;
        counts.receipts[agent->operator_state.latch_receipt.state]++;
        counts.sessions += agent->peer != 0;
        counts.paused += agent->operator_state.paused;
        counts.not_closed += agent->breaker.state != SB_BREAKER_CLOSED;
    }
    return counts;
}

static void s_status_self (sb_core_t *core, sb_row_t *row)
{
    const sb_core_config_t *config = &core->config;
    sb_row_text (row, "record", sb_text ("broker"));
    sb_row_text (row, "version", sb_core_copy (core, config->version));
    sb_row_integer (row, "uptime_ms", (core->now_ns - core->started_ns) / SB_MS);
    sb_row_unix_ns (row, "started_unix_ns", core->started_unix_ns);
    sb_row_unix_ns (row, "broker_unix_ns", core->now_unix_ns);
    sb_row_integer (row, "stream_id", core->identity.stream_id);
    sb_row_integer (row, "epoch", core->identity.epoch);
    sb_row_integer (row, "sequence", core->sequence);
    sb_row_text (row, "ingress_endpoint", sb_core_copy (core, config->ingress_endpoint));
    sb_row_text (row, "publish_endpoint", sb_core_copy (core, config->publish_endpoint));
    sb_row_text (row, "command_endpoint", sb_core_copy (core, config->command_endpoint));
}

static void s_status_latch (sb_core_t *core, sb_row_t *row, const s_counts_t *counts)
{
    const sb_stop_latch_t *latch = &core->latch;
    sb_row_boolean (row, "stopped", latch->stopped);
    sb_row_integer (row, "latch_epoch", latch->epoch);
    sb_row_text (row, "latch_issuer", sb_core_copy (core, sb_authorship_issuer (&latch->author)));
    sb_row_text (row, "latch_reason", sb_core_copy (core, sb_authorship_reason (&latch->author)));
    sb_row_unix_ns (row, "latch_since_unix_ns", latch->author.since_unix_ns);
    sb_row_text (row, "latch_admitted",
                 sb_join (core, core->config.admitted_categories, core->config.admitted_category_count));
    sb_row_boolean (row, "durable", core->control->is_stored);
    sb_row_integer (row, "latch_told", core->control->told);
    sb_row_integer (row, "latch_accepted", counts->receipts[SB_RECEIPT_ACCEPTED]);
    sb_row_integer (row, "latch_delivered", counts->receipts[SB_RECEIPT_DELIVERED]);
    sb_row_integer (row, "latch_applied", counts->receipts[SB_RECEIPT_APPLIED]);
    sb_row_integer (row, "latch_timed_out", counts->receipts[SB_RECEIPT_TIMED_OUT]);
    sb_row_integer (row, "latch_refused", counts->receipts[SB_RECEIPT_REFUSED]);
}

static void s_status_agents (sb_core_t *core, sb_row_t *row, const s_counts_t *counts)
{
    const sb_health_t *health = &core->control->health;
    const char *indicator = sb_health_indicator_name (sb_health_indicator (health->summary.score));
    sb_row_integer (row, "agents", counts->agents);
    sb_row_integer (row, "sessions", counts->sessions);
    sb_row_integer (row, "agents_live", counts->liveness[SB_LIVENESS_LIVE]);
    sb_row_integer (row, "agents_registered", counts->liveness[SB_LIVENESS_REGISTERED]);
    sb_row_integer (row, "agents_suspect", counts->liveness[SB_LIVENESS_SUSPECT]);
    sb_row_integer (row, "agents_dead", counts->liveness[SB_LIVENESS_DEAD]);
    sb_row_integer (row, "agents_offline", counts->liveness[SB_LIVENESS_OFFLINE]);
    sb_row_integer (row, "agents_recovering", counts->liveness[SB_LIVENESS_RECOVERING]);
    sb_row_integer (row, "agents_paused", counts->paused);
    sb_row_integer (row, "breakers_not_closed", counts->not_closed);
    sb_row_number (row, "health_score", health->summary.score);
    sb_row_text (row, "indicator", sb_text (indicator));
    sb_row_number (row, "deltas_per_s", health->deltas_per_s);
    sb_row_number (row, "publications_per_s", health->publications_per_s);
}

static void s_status_bounds (sb_core_t *core, sb_row_t *row)
{
    sb_row_integer (row, "topics", core->topics.used);
    sb_row_integer (row, "fields", core->fields.used);
    sb_row_integer (row, "value_bytes", core->values.used_bytes);
    sb_row_integer (row, "history_bytes", core->history.used_bytes);
    sb_row_integer (row, "memory_bytes", core->memory.bytes);
    sb_row_integer (row, "pending_commands", core->control->pending.entries.used);
    sb_row_integer (row, "remembered_replies", core->control->replies.done_count);
    sb_row_integer (row, "cut_connections", core->cut_connections);
    sb_row_integer (row, "failed_handshakes", core->failed_handshakes);
    sb_row_integer (row, "failed_accepts", core->failed_accepts);
    sb_row_integer (row, "publish_refused", core->publish_refused);
    sb_row_integer (row, "log_lines_lost", core->log_lines_lost);
    sb_row_integer (row, "replies_undelivered", core->replies_undelivered);
    sb_row_counters (core, row);
}

static bool s_is_unconfirmed (const sb_agent_record_t *agent)
{
    sb_receipt_state_t state = agent->operator_state.latch_receipt.state;
    return state != SB_RECEIPT_NONE && state != SB_RECEIPT_APPLIED;
}

/* The agents that have not confirmed the latch, the first RECEIPTS_MAX; the counts tell how many more there are. */
static void s_status_receipts (sb_core_t *core, sb_call_t *call)
{
    uint32_t left = RECEIPTS_MAX;
    for (const sb_agent_record_t *agent = sb_core_next_agent (core, 0); agent != NULL && left > 0;
         agent = sb_core_next_agent (core, agent->slot)) {
        if (!s_is_unconfirmed (agent))
            continue;
        left--;
        sb_row_t row = sb_call_row (core, call, 0);
        sb_row_text (&row, "record", sb_text ("receipt"));
        sb_row_text (&row, "agent_id", sb_core_copy (core, sb_core_agent_id (agent)));
        sb_row_text (&row, "receipt", sb_text (sb_receipt_name (agent->operator_state.latch_receipt.state)));
    }
}

static void s_status_categories (sb_core_t *core, sb_call_t *call)
{
    for (const sb_category_t *category = sb_core_next_category (core, 0); category != NULL;
         category = sb_core_next_category (core, sb_core_category_slot (core, category))) {
        sb_row_t row = sb_call_row (core, call, 0);
        sb_row_text (&row, "record", sb_text ("category"));
        sb_row_text (&row, "category", sb_core_copy (core, (sb_text_t){category->name, category->name_size}));
        sb_row_integer (&row, "category_sequence", category->head.category_sequence);
        sb_row_integer (&row, "history_updates", category->history_updates);
    }
}

static void s_refusals (sb_core_t *core, sb_call_t *call)
{
    for (uint32_t i = 0; i < SB_REASON_LIMIT; i++) {
        if (core->refusals[i] == 0)
            continue;
        sb_row_t row = sb_call_row (core, call, 0);
        sb_row_text (&row, "record", sb_text ("refusal"));
        sb_row_text (&row, "reason", sb_text (sb_reason_info (i)->name));
        sb_row_integer (&row, "refused", core->refusals[i]);
    }
}

void sb_handle_status (sb_core_t *core, sb_call_t *call)
{
    s_counts_t counts = s_count (core);
    sb_call_reserve (core, call, 1 + RECEIPTS_MAX + core->categories.used + SB_REASON_LIMIT);
    sb_row_t row = sb_call_row (core, call, SB_COUNTER_LIMIT);
    s_status_self (core, &row);
    s_status_latch (core, &row, &counts);
    s_status_agents (core, &row, &counts);
    s_status_bounds (core, &row);
    s_status_receipts (core, call);
    s_status_categories (core, call);
    s_refusals (core, call);
}

/* ------------------------------------------------------------------ pages of agents */

/* Makes a record of each agent of the page by `fill`. */
static void s_agents (sb_core_t *core, sb_call_t *call, uint64_t after, uint32_t limit,
                      void (*fill) (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row))
{
    uint32_t slot = after > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)after;
    uint64_t room = call->by_agent ? SB_PAGE_BYTES : ENDPOINT_PAGE_BYTES;
    const sb_agent_record_t *agent = sb_core_next_agent (core, slot);
    /* The first one always has room: a profile is smaller than a page. */
    for (uint64_t taken = 0; agent != NULL && limit > 0 && taken < room; limit--) {
        taken += RECORD_BYTES + agent->profile_size;
        sb_row_t row = sb_call_row (core, call, 0);
        fill (core, agent, &row);
        slot = agent->slot;
        agent = sb_core_next_agent (core, slot);
    }
    if (agent != NULL)
        sb_call_next_cursor (core, call, slot, 0);
}

static uint64_t s_silence_ms (const sb_core_t *core, const sb_agent_record_t *agent)
{
    uint64_t heard_ns = agent->liveness.heard_ns;
    return core->now_ns > heard_ns ? (core->now_ns - heard_ns) / SB_MS : 0;
}

static const char *s_operator_name (const sb_agent_record_t *agent)
{
    return agent->operator_state.paused ? "PAUSED" : "NORMAL";
}

static void s_health_agent (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row)
{
    bool is_healthy = sb_health_is_healthy (core, agent);
    /* Who said goodbye is neither well nor ill, and counts in no total. */
    bool is_judged = agent->liveness.state != SB_LIVENESS_OFFLINE;
    sb_row_text (row, "record", sb_text ("agent"));
    sb_row_number (row, "health_score", sb_health_agent_score (agent));
    if (is_judged)
        sb_row_text (row, "indicator", sb_text (is_healthy ? "green" : "red"));
    sb_row_text (row, "agent_id", sb_core_copy (core, sb_core_agent_id (agent)));
    if (is_judged)
        sb_row_boolean (row, "is_healthy", is_healthy);
    sb_row_text (row, "liveness", sb_text (sb_liveness_name (agent->liveness.state)));
    sb_row_boolean (row, "mute", agent->liveness.is_mute);
    sb_row_text (row, "operator_state", sb_text (s_operator_name (agent)));
    sb_row_text (row, "breaker", sb_text (sb_breaker_state_name (agent->breaker.state)));
    sb_row_integer (row, "successes", agent->breaker.successes);
    sb_row_integer (row, "failures", agent->breaker.failures);
    sb_row_integer (row, "mistakes", agent->liveness.mistakes);
    sb_row_integer (row, "silence_ms", s_silence_ms (core, agent));
    sb_row_integer (row, "queue_depth", agent->beat.queue_depth);
    sb_row_integer (row, "response_p99_ns", agent->beat.processing_p99_ns);
    sb_row_integer (row, "backlog", sb_heartbeat_backlog (core, agent));
    sb_row_integer (row, "dropped", agent->beat.dropped);
}

static void s_health_system (sb_core_t *core, sb_call_t *call)
{
    const sb_health_t *health = &core->control->health;
    sb_row_t row = sb_call_row (core, call, SB_COUNTER_LIMIT);
    sb_row_text (&row, "record", sb_text ("system"));
    sb_row_integer (&row, "total", health->summary.total);
    sb_row_integer (&row, "healthy", health->summary.healthy);
    sb_row_number (&row, "health_score", health->summary.score);
    sb_row_text (&row, "indicator", sb_text (sb_health_indicator_name (sb_health_indicator (health->summary.score))));
    sb_row_number (&row, "deltas_per_s", health->deltas_per_s);
    sb_row_number (&row, "publications_per_s", health->publications_per_s);
    sb_row_integer (&row, "merge_p50_ns", sb_histogram_quantile_ns (&core->merges, 0.5));
    sb_row_integer (&row, "merge_p99_ns", sb_histogram_quantile_ns (&core->merges, 0.99));
    sb_row_integer (&row, "end_to_end_p50_ns", sb_histogram_quantile_ns (&core->deliveries, 0.5));
    sb_row_integer (&row, "end_to_end_p99_ns", sb_histogram_quantile_ns (&core->deliveries, 0.99));
    sb_row_counters (core, &row);
}

void sb_handle_health (sb_core_t *core, sb_call_t *call)
{
    sb_place_t place;
    uint32_t limit;
    if (!sb_call_page (core, call, &place, &limit))
        return;
    sb_call_reserve (core, call, limit + 1 + SB_REASON_LIMIT);
    if (!place.is_continued) {
        s_health_system (core, call);
        s_refusals (core, call);
    }
    s_agents (core, call, place.position, limit, s_health_agent);
}

/* ------------------------------------------------------------------ list_agents */

/* A field that the grid shows, as the agent wrote it. */
static void s_grid_field (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row, const char *name)
{
    const sb_field_t *field = sb_core_find_field (core, agent, sb_text ("agent"), sb_text (""), sb_text (name));
    if (field == NULL)
        return;
    sb_value_t value = sb_core_value (&field->value);
    if (value.kind == SB_VALUE_TEXT || value.kind == SB_VALUE_BYTES)
        value.text = sb_core_copy (core, value.text);
    sb_row_any (row, name, &value);
}

static sb_text_t s_interests (sb_core_t *core, const sb_agent_record_t *agent)
{
    sb_text_t *texts = sb_core_take (core, agent->interest_count * sizeof *texts);
    for (uint32_t i = 0; i < agent->interest_count; i++)
        texts[i] = agent->interests[i].text;
    return sb_join (core, texts, agent->interest_count);
}

static sb_text_t s_labels (sb_core_t *core, const sb_agent_record_t *agent)
{
    sb_text_t *texts = sb_core_take (core, agent->label_count * sizeof *texts);
    for (uint32_t i = 0; i < agent->label_count; i++) {
        const sb_label_t *label = &agent->labels[i];
        texts[i] = sb_core_format (core, "%.*s=%.*s", (int)label->name.size, label->name.data, (int)label->value.size,
                                   label->value.data);
    }
    return sb_join (core, texts, agent->label_count);
}

static void s_list_control (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row)
{
    const sb_operator_t *state = &agent->operator_state;
    sb_breaker_status_t breaker;
    sb_control_breaker_status (core, agent, &breaker);
    sb_row_text (row, "agent_id", sb_core_copy (core, sb_core_agent_id (agent)));
    sb_row_text (row, "liveness", sb_text (sb_liveness_name (agent->liveness.state)));
    sb_row_text (row, "operator_state", sb_text (s_operator_name (agent)));
    sb_row_boolean (row, "confirmed", state->confirmed);
    sb_row_integer (row, "operator_revision", state->revision);
    sb_row_text (row, "operator_receipt", sb_text (sb_receipt_name (state->receipt.state)));
    sb_row_text (row, "operator_issuer", sb_core_copy (core, sb_authorship_issuer (&state->pause)));
    sb_row_text (row, "operator_reason", sb_core_copy (core, sb_authorship_reason (&state->pause)));
    sb_row_unix_ns (row, "operator_since_unix_ns", state->pause.since_unix_ns);
    sb_row_text (row, "latch_receipt", sb_text (sb_receipt_name (state->latch_receipt.state)));
    sb_row_text (row, "breaker", sb_text (sb_breaker_state_name (breaker.state)));
    sb_row_integer (row, "open_count", breaker.open_count);
    sb_row_integer (row, "retry_after_ms", breaker.retry_after_ms);
    sb_row_boolean (row, "is_healthy", sb_health_is_healthy (core, agent));
    sb_row_number (row, "health", sb_health_agent_score (agent));
    sb_row_boolean (row, "mute", agent->liveness.is_mute);
    sb_row_boolean (row, "self_paused", agent->beat.self_paused);
}

static void s_list_profile (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row)
{
    sb_row_text (row, "interests", s_interests (core, agent));
    sb_row_text (row, "publishes", sb_join (core, agent->publishes, agent->publish_count));
    sb_row_text (row, "labels", s_labels (core, agent));
    sb_row_unix_ns (row, "last_update_unix_ns", agent->last_update_unix_ns);
    s_grid_field (core, agent, row, "status");
    s_grid_field (core, agent, row, "confidence");
    s_grid_field (core, agent, row, "last_signal");
    s_grid_field (core, agent, row, "pnl");
}

static void s_list_work (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row)
{
    const sb_heartbeat_t *beat = &agent->beat;
    uint64_t mean_ns = beat->processing_count > 0 ? beat->processing_sum_ns / beat->processing_count : 0;
    sb_row_integer (row, "backlog", sb_heartbeat_backlog (core, agent));
    sb_row_integer (row, "drops", beat->dropped);
    sb_row_integer (row, "queue_depth", beat->queue_depth);
    sb_row_integer (row, "response_ns", mean_ns);
    sb_row_integer (row, "response_p99_ns", beat->processing_p99_ns);
    sb_row_integer (row, "received", beat->received);
    sb_row_integer (row, "processed", beat->processed);
    sb_row_integer (row, "failed", beat->failed);
    sb_row_integer (row, "accepted", agent->accepted_count);
    sb_row_integer (row, "refused", agent->refused_total);
    sb_row_integer (row, "failures", agent->breaker.failures);
    sb_row_integer (row, "agent_restarts", agent->breaker.restarts_by_hand + agent->breaker.restarts_by_recovery);
    sb_row_integer (row, "mistakes", agent->liveness.mistakes);
    sb_row_integer (row, "fields", agent->field_count);
    sb_row_integer (row, "silence_ms", s_silence_ms (core, agent));
    sb_row_integer (row, "heartbeat_interval_ms", agent->heartbeat_interval_ms);
    sb_row_integer (row, "instance_id", agent->instance_id);
    sb_row_integer (row, "session_id", agent->session_id);
    sb_row_boolean (row, "connected", agent->peer != 0);
    sb_row_unix_ns (row, "registered_unix_ns", agent->registered_unix_ns);
}

static void s_list_agent (sb_core_t *core, const sb_agent_record_t *agent, sb_row_t *row)
{
    s_list_control (core, agent, row);
    s_list_profile (core, agent, row);
    s_list_work (core, agent, row);
}

void sb_handle_list_agents (sb_core_t *core, sb_call_t *call)
{
    sb_place_t place;
    uint32_t limit;
    if (!sb_call_page (core, call, &place, &limit))
        return;
    sb_call_reserve (core, call, limit);
    s_agents (core, call, place.position, limit, s_list_agent);
}

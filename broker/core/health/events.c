/* SPDX-License-Identifier: MPL-2.0
 *
 * The event emitters. Each lists its facts once; s_emit adds `text`, publishes, and writes the log line. See events.h.
 */
#include "events.h"

#include <string.h>

#include "control_internal.h"

enum { FACTS_MAX = 8 };

/* A few facts on their way. */
typedef struct {
    sb_change_t changes[FACTS_MAX + 1]; /* one more: `text` */
    uint32_t count;
} s_facts_t;

const sb_happening_info_t *sb_happening_info (sb_happening_t kind)
{
    static const sb_happening_info_t rows[SB_HAPPENING_COUNT] = {
#define SB_EVENT_KIND(word, severity, help) {#word, SB_SEVERITY_##severity, help},
        SB_EVENT_KINDS
#undef SB_EVENT_KIND
    };
    return &rows[kind];
}

sb_change_t sb_fact_text (const char *name, sb_text_t text)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = text}};
}

sb_change_t sb_fact_integer (const char *name, uint64_t integer)
{
    int64_t value = integer > INT64_MAX ? INT64_MAX : (int64_t)integer;
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_INTEGER, .integer = value}};
}

sb_change_t sb_fact_number (const char *name, double number)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER, .number = number}};
}

sb_change_t sb_fact_boolean (const char *name, bool boolean)
{
    return (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_BOOLEAN, .boolean = boolean}};
}

/* Publishes facts and sentence as an event of the agent, NULL: of the broker, and logs the sentence. */
static void s_emit (sb_core_t *core, sb_agent_record_t *agent, sb_happening_t kind, s_facts_t *facts, sb_text_t text)
{
    const sb_happening_info_t *info = sb_happening_info (kind);
    facts->changes[facts->count++] = sb_fact_text ("text", text);
    sb_core_publish_event (core, agent, info->word, facts->changes, facts->count);
    sb_text_t id = agent != NULL ? sb_core_agent_id (agent) : sb_text ("");
    sb_core_emit_log (core, info->severity, info->word, id, SB_REASON_NONE, text);
}

static void s_add (s_facts_t *facts, sb_change_t fact)
{
    facts->changes[facts->count++] = fact;
}

void sb_events_registered (sb_core_t *core, sb_agent_record_t *agent, bool is_new_instance)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_integer ("instance_id", agent->instance_id));
    s_add (&facts, sb_fact_integer ("session_id", agent->session_id));
    s_add (&facts, sb_fact_boolean ("is_new_instance", is_new_instance));
    sb_text_t text = sb_core_format (core, "%s registered, %s", agent->id,
                                     is_new_instance ? "a new instance" : "an instance that was known");
    s_emit (core, agent, SB_HAPPENING_REGISTERED, &facts, text);
}

void sb_events_liveness (sb_core_t *core, sb_agent_record_t *agent, sb_liveness_state_t from, uint64_t silence_ns)
{
    const char *from_name = sb_liveness_name (from);
    const char *to_name = sb_liveness_name (agent->liveness.state);
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("from", sb_text (from_name)));
    s_add (&facts, sb_fact_text ("to", sb_text (to_name)));
    s_add (&facts, sb_fact_integer ("silence_ms", silence_ns / SB_MS));
    sb_text_t text = from == SB_LIVENESS_OFFLINE
                         ? sb_core_format (core, "%s is %s", agent->id, to_name) /* as one is that was never there */
                         : sb_core_format (core, "%s is %s, it was %s", agent->id, to_name, from_name);
    s_emit (core, agent, SB_HAPPENING_LIVENESS, &facts, text);
}

void sb_events_mute (sb_core_t *core, sb_agent_record_t *agent)
{
    bool is_mute = agent->liveness.is_mute;
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_boolean ("mute", is_mute));
    s_add (&facts, sb_fact_integer ("progress", agent->liveness.progress));
    sb_text_t text = is_mute ? sb_core_format (core, "%s lives but makes no progress with work queued", agent->id)
                             : sb_core_format (core, "%s is no longer mute", agent->id);
    s_emit (core, agent, SB_HAPPENING_MUTE, &facts, text);
}

void sb_events_breaker (sb_core_t *core, sb_agent_record_t *agent, sb_breaker_state_t from, const char *cause)
{
    const sb_breaker_t *breaker = &agent->breaker;
    const char *from_name = sb_breaker_state_name (from);
    const char *to_name = sb_breaker_state_name (breaker->state);
    sb_breaker_rules_t rules = sb_control_rules (core);
    uint32_t retry_after_ms = sb_breaker_retry_after_ms (breaker, &rules, core->now_ns);
    bool has_deadline = breaker->state == SB_BREAKER_OPEN;
    uint64_t until_unix_ns = (uint64_t)core->now_unix_ns + retry_after_ms * SB_MS;
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("from", sb_text (from_name)));
    s_add (&facts, sb_fact_text ("to", sb_text (to_name)));
    s_add (&facts, sb_fact_text ("cause", sb_text (cause)));
    s_add (&facts, sb_fact_integer ("open_count", breaker->open_count));
    s_add (&facts, sb_fact_integer ("retry_after_ms", retry_after_ms));
    s_add (&facts, sb_fact_integer ("until_unix_ns", has_deadline ? until_unix_ns : 0));
    sb_text_t text = sb_core_format (core, "breaker of %s is %s, it was %s: %s", agent->id, to_name, from_name, cause);
    s_emit (core, agent, SB_HAPPENING_BREAKER, &facts, text);
}

void sb_events_operator (sb_core_t *core, sb_agent_record_t *agent)
{
    const sb_operator_t *state = &agent->operator_state;
    sb_text_t issuer = sb_authorship_issuer (&state->pause);
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_boolean ("paused", state->paused));
    s_add (&facts, sb_fact_boolean ("confirmed", state->confirmed));
    s_add (&facts, sb_fact_integer ("revision", state->revision));
    s_add (&facts, sb_fact_text ("issuer", issuer));
    s_add (&facts, sb_fact_text ("reason", sb_authorship_reason (&state->pause)));
    sb_text_t text = sb_core_format (core, "%s is %s by %.*s%s", agent->id, state->paused ? "paused" : "resumed",
                                     (int)issuer.size, issuer.data, state->confirmed ? ", it confirmed" : "");
    s_emit (core, agent, SB_HAPPENING_OPERATOR, &facts, text);
}

void sb_events_latch (sb_core_t *core, uint32_t told)
{
    const sb_stop_latch_t *latch = &core->latch;
    sb_text_t issuer = sb_authorship_issuer (&latch->author);
    sb_text_t reason = sb_authorship_reason (&latch->author);
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_boolean ("stopped", latch->stopped));
    s_add (&facts, sb_fact_integer ("latch_epoch", latch->epoch));
    s_add (&facts, sb_fact_text ("issuer", issuer));
    s_add (&facts, sb_fact_text ("reason", reason));
    s_add (&facts, sb_fact_integer ("told", told));
    sb_text_t text =
        sb_core_format (core, "emergency stop %s by %.*s%s%.*s", latch->stopped ? "set" : "cleared", (int)issuer.size,
                        issuer.data, reason.size ? ": " : "", (int)reason.size, reason.data);
    s_emit (core, NULL, SB_HAPPENING_LATCH, &facts, text);
}

void sb_events_duplicate_id (sb_core_t *core, sb_agent_record_t *agent, uint64_t instance_id,
                             uint64_t other_instance_id, sb_reason_t reason)
{
    const char *reason_name = sb_reason_info (reason)->name;
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_integer ("instance_id", instance_id));
    s_add (&facts, sb_fact_integer ("other_instance_id", other_instance_id));
    s_add (&facts, sb_fact_text ("reason", sb_text (reason_name)));
    sb_text_t text = sb_core_format (core, "two instances use the id %s: %s", agent->id, reason_name);
    s_emit (core, agent, SB_HAPPENING_DUPLICATE_ID, &facts, text);
}

void sb_events_quality (sb_core_t *core, sb_agent_record_t *agent, sb_quality_t quality, sb_cause_t cause)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("quality", sb_text (sb_quality_name (quality))));
    s_add (&facts, sb_fact_text ("cause", sb_text (sb_cause_name (cause))));
    sb_text_t text =
        sb_core_format (core, "state of %s is %s: %s", agent->id, sb_quality_name (quality), sb_cause_name (cause));
    s_emit (core, agent, SB_HAPPENING_QUALITY, &facts, text);
}

void sb_events_health (sb_core_t *core, bool is_low)
{
    const sb_health_summary_t *summary = sb_health_summary (core);
    const char *indicator = sb_health_indicator_name (sb_health_indicator (summary->score));
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_number ("health_score", summary->score));
    s_add (&facts, sb_fact_integer ("healthy", summary->healthy));
    s_add (&facts, sb_fact_integer ("total", summary->total));
    s_add (&facts, sb_fact_text ("indicator", sb_text (indicator)));
    s_add (&facts, sb_fact_boolean ("low", is_low));
    sb_text_t text = sb_core_format (core, "%s: %u of %u agents are healthy",
                                     is_low ? "system health fell under 0.8" : "system health is back",
                                     (unsigned)summary->healthy, (unsigned)summary->total);
    s_emit (core, NULL, SB_HAPPENING_HEALTH, &facts, text);
}

void sb_events_gaps (sb_core_t *core, sb_agent_record_t *agent, uint64_t lost, uint64_t dropped)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_integer ("lost", lost));
    s_add (&facts, sb_fact_integer ("dropped", dropped));
    sb_text_t text = sb_core_format (core, "%s lost %llu publications, %llu in this session", agent->id,
                                     (unsigned long long)lost, (unsigned long long)dropped);
    s_emit (core, agent, SB_HAPPENING_GAPS, &facts, text);
}

void sb_events_command (sb_core_t *core, sb_agent_record_t *agent, const sb_audit_t *audit)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("command", audit->command));
    s_add (&facts, sb_fact_text ("issuer", audit->issuer));
    s_add (&facts, sb_fact_text ("reason", audit->reason));
    s_add (&facts, sb_fact_text ("code", sb_text (sb_reason_info (audit->code)->name)));
    s_add (&facts, sb_fact_text ("command_id", audit->command_id));
    sb_text_t text =
        sb_core_format (core, "%.*s of %s by %.*s: %.*s", (int)audit->command.size, audit->command.data, agent->id,
                        (int)audit->issuer.size, audit->issuer.data, (int)audit->result.size, audit->result.data);
    s_emit (core, agent, SB_HAPPENING_COMMAND, &facts, text);
}

void sb_events_behind (sb_core_t *core, sb_agent_record_t *agent, uint64_t backlog, bool is_behind)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_boolean ("behind", is_behind));
    s_add (&facts, sb_fact_integer ("backlog", backlog));
    s_add (&facts, sb_fact_integer ("dropped", agent->beat.dropped));
    sb_text_t text = sb_core_format (core, "%s %s", agent->id, is_behind ? "falls behind as a reader" : "caught up");
    s_emit (core, agent, SB_HAPPENING_BEHIND, &facts, text);
}

void sb_events_forgotten (sb_core_t *core, sb_text_t agent_id, const char *cause)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("agent", agent_id));
    s_add (&facts, sb_fact_text ("cause", sb_text (cause)));
    sb_text_t text = sb_core_format (core, "%.*s is forgotten: %s", (int)agent_id.size, agent_id.data, cause);
    s_emit (core, NULL, SB_HAPPENING_FORGOTTEN, &facts, text);
}

void sb_events_late (sb_core_t *core, uint64_t lateness_ns, bool is_work_left)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_integer ("late_ms", lateness_ns / SB_MS));
    s_add (&facts, sb_fact_boolean ("work_left", is_work_left));
    unsigned long long late_ms = (unsigned long long)(lateness_ns / SB_MS);
    sb_text_t text = is_work_left
                         ? sb_core_format (core, "the broker put work off to the next tick")
                         : sb_core_format (core, "the broker came %llu ms late: every deadline moves by that", late_ms);
    s_emit (core, NULL, SB_HAPPENING_LATE, &facts, text);
}

void sb_events_conflation (sb_core_t *core, sb_text_t prefix, const char *why, uint64_t refused)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_text ("prefix", prefix));
    s_add (&facts, sb_fact_text ("cause", sb_text (why)));
    s_add (&facts, sb_fact_integer ("refused", refused));
    sb_text_t text = sb_core_format (core, "subscription to %.*s refused: %s", (int)prefix.size, prefix.data, why);
    s_emit (core, NULL, SB_HAPPENING_CONFLATION, &facts, text);
}

void sb_events_restored (sb_core_t *core, uint32_t operators)
{
    s_facts_t facts = {.count = 0};
    s_add (&facts, sb_fact_boolean ("stopped", core->latch.stopped));
    s_add (&facts, sb_fact_integer ("latch_epoch", core->latch.epoch));
    s_add (&facts, sb_fact_integer ("operators", operators));
    sb_text_t text =
        sb_core_format (core, "control state restored: %s, %u agents paused or isolated",
                        core->latch.stopped ? "emergency stop is in force" : "no emergency stop", (unsigned)operators);
    s_emit (core, NULL, SB_HAPPENING_RESTORED, &facts, text);
}

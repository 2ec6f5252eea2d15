/* SPDX-License-Identifier: MPL-2.0
 *
 * The end of a run, when all was healed for long enough: every agent is active and settled, the broker calls its state
 * known, and what the agent holds equals what the broker holds, field by field, which equals what publications told.
 * Where the seed set a bound that an honest agent may meet, no healing lifts it: then only those agents are compared
 * whose state both sides call settled and known.
 */
#include "sim_checker.h"

#include "core_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 500 };

/* What one visit of an agent's own state carries. */
typedef struct {
    sim_t *sim;
    uint32_t agent;
    uint32_t count;
} s_visit_t;

static bool s_is_bounded (const sim_t *self)
{
    const sim_options_t *options = &self->options;
    return options->max_fields < 1000000 || options->max_topics < 262144 || options->max_agents < 10000 ||
           options->max_fields_agent_category < 4096;
}

/* The broker's own state against the copy made of publications. */
static void s_compare_copy (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    uint32_t found = 0, held = 0;
    uint64_t cursor = 0;
    sb_topic_filter_t filter = {.is_subject_set = false};
    do {
        const sb_state_field_t *fields;
        uint32_t count = sb_core_read_fields (self->core, &filter, &cursor, PAGE, &fields);
        for (uint32_t i = 0; i < count; i++) {
            if (fields[i].topic.data[0] == '_')
                continue;
            sb_value_t value = fields[i].value;
            if (value.kind == SB_VALUE_INTEGER && sim_canary (self, SIM_CANARY_VALUE))
                value.integer++;
            const sim_topic_t *topic = sim_topic_at (checker, fields[i].topic);
            const sim_field_t *field = sim_topic_find (topic, fields[i].name);
            self->checks += 2;
            if (!field || !sim_field_has (field, &value))
                sim_fail (self, "the broker holds %s:%.*s otherwise than it was published", topic->text,
                          (int)fields[i].name.size, fields[i].name.data);
            if (fields[i].quality != topic->quality)
                sim_fail (self, "%s: quality %d, published as %d", topic->text, (int)fields[i].quality,
                          (int)topic->quality);
            found++;
        }
    } while (cursor);
    for (uint32_t i = 1; i <= checker->topic_count; i++)
        held += checker->topics[i].text[0] == '_' ? 0 : checker->topics[i].field_count;
    if (held != found)
        sim_fail (self, "%u fields by the publications, %u by the broker", held, found);
}

static void s_compare_field (void *context, sb_text_t category, sb_text_t subject, sb_text_t name,
                             const sb_value_t *value)
{
    s_visit_t *visit = context;
    sim_t *self = visit->sim;
    char text[2 * SB_TOPIC_MAX];
    if (category.size == 0)
        category = sb_text (name.data[0] == 'x' ? "technical" : "uncategorized");
    int size = snprintf (text, sizeof text, "%.*s.%s.%.*s", (int)category.size, category.data,
                         self->names[visit->agent], (int)subject.size, subject.size ? subject.data : "");
    const sim_topic_t *topic = sim_topic_at (self->checker, (sb_text_t){text, (uint32_t)size});
    const sim_field_t *field = sim_topic_find (topic, name);
    self->checks++;
    if (!field)
        sim_fail (self, "the agent holds %s:%.*s, the broker does not", text, (int)name.size, name.data);
    if (!sim_field_has (field, value))
        sim_fail (self, "the agent and the broker hold %s:%.*s differently", text, (int)name.size, name.data);
    if (topic->quality != SB_QUALITY_OK)
        sim_fail (self, "%s has quality %d", text, (int)topic->quality);
    visit->count++;
}

static void s_compare_agent (sim_t *self, uint32_t agent)
{
    sim_process_t *process = self->current[agent];
    const char *name = self->names[agent];
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, agent));
    sb_reason_t reason;
    bool is_ours = record && record->instance_id == process->instance;
    bool is_active = sb_agent_step_status (process->step, &reason) == SB_AGENT_ACTIVE;
    bool is_known = is_ours && sb_core_state_known (self->core, record);
    bool is_settled = sb_agent_step_is_settled (process->step);
    if (s_is_bounded (self) && !(is_active && is_known && is_settled))
        return;
    if (!is_ours || !is_active || !is_settled || !is_known)
        sim_fail (self, "%s has not come to rest: in session %d, active %d (reason %d), settled %d, known %d", name,
                  is_ours, is_active, (int)reason, is_settled, is_known);
    s_visit_t visit = {.sim = self, .agent = agent};
    sb_agent_step_visit_state (process->step, s_compare_field, &visit);
    uint32_t held = 0;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        if (topic->agent == (int32_t)agent && !topic->is_event)
            held += topic->field_count;
    }
    if (held != visit.count)
        sim_fail (self, "%s holds %u fields, the broker %u", name, visit.count, held);
}

static void s_check_happenings (sim_t *self)
{
    bool is_whole = self->broker_starts == 1;
    for (uint32_t i = 0; i < self->happening_count; i++) {
        const sim_happening_t *happening = &self->happenings[i];
        const sim_process_t *process = &self->processes[happening->process];
        self->checks++;
        if (!happening->sequence && happening->published)
            sim_fail (self, "event %u was published and never numbered", i);
        if (is_whole && happening->published > 1)
            sim_fail (self, "event %u was published %u times", i, happening->published);
        if (is_whole && happening->is_refused && happening->published)
            sim_fail (self, "event %u was told as refused, and published", i);
        bool is_owed = happening->sequence && !process->has_crashed && !process->is_final && !s_is_bounded (self);
        if (is_owed && happening->broker_starts == self->broker_starts && !happening->is_refused &&
            !happening->published)
            sim_fail (self, "event %u, sequence %" PRIu64 " of %s, is lost", i, happening->sequence,
                      self->names[process->agent]);
    }
}

void sim_check_agreement (sim_t *self)
{
    s_compare_copy (self);
    for (uint32_t i = 0; i < self->agent_count; i++)
        s_compare_agent (self, i);
    s_check_happenings (self);
}

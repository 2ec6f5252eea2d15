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

enum { PAGE = 500, BOUNDED_MS = 30000 };

/* What one visit of an agent's own state carries. */
typedef struct {
    sim_t *sim;
    uint32_t agent;
    uint32_t count;
} s_visit_t;

bool sim_is_bounded (const sim_t *self)
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
            if (value.kind == SB_VALUE_INTEGER && sim_canary (self, SIM_CANARY_value))
                value.integer++;
            const sim_topic_t *topic = sim_topic_at (checker, fields[i].topic);
            const sim_field_t *field = sim_topic_find (topic, fields[i].name);
            self->checks += 3;
            if (field && field->sequence != fields[i].sequence)
                sim_fail (self, "%s:%s was last named by %" PRIu64 ", the broker says %" PRIu64, topic->text,
                          field->name, field->sequence, fields[i].sequence);
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
    uint64_t hash = 0;
    for (uint32_t i = 1; i <= checker->topic_count; i++)
        for (const sim_field_t *field = checker->topics[i].fields; field; field = field->next)
            hash += sim_field_term (&checker->topics[i], field);
    if (hash != sb_core_state_hash (self->core))
        sim_fail (self, "the state hash is not that of the publications");
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

/* Why an agent is not at rest; NULL when it is. */
static const char *s_unrest (sim_t *self, uint32_t agent)
{
    sim_process_t *process = self->current[agent];
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, agent));
    sb_reason_t reason;
    sb_agent_copy_state_t copy;
    sb_agent_step_copy_state (process->step, &copy);
    if (self->canary == SIM_CANARY_rest || !record || record->instance_id != process->instance)
        return "has no session";
    if (sb_agent_step_status (process->step, &reason) != SB_AGENT_ACTIVE)
        return "is not active";
    if (!sb_agent_step_is_settled (process->step))
        return "has something undecided";
    if (!sb_core_state_known (self->core, record))
        return "has a state that the broker does not know";
    if (process->waiting || sim_line_count (&process->sub.down))
        return "has not handled everything";
    return copy.is_current ? NULL : "is not current";
}

bool sim_check_is_at_rest (sim_t *self, bool is_told)
{
    if (sim_is_bounded (self))
        return self->now_ns >= self->healed_ns + BOUNDED_MS * SIM_MS;
    for (uint32_t i = 0; i < self->agent_count; i++) {
        const char *unrest = s_unrest (self, i);
        if (!unrest)
            continue;
        if (is_told)
            sim_fail (self, "%s %s, %" PRIu64 " ms after all was healed", self->names[i], unrest,
                      (self->now_ns - self->healed_ns) / SIM_MS);
        return false;
    }
    return true;
}

/* What the agent holds of its own, against what publications told of it. */
static void s_compare_agent (sim_t *self, uint32_t agent)
{
    sim_process_t *process = self->current[agent];
    s_visit_t visit = {.sim = self, .agent = agent};
    sb_agent_step_visit_state (process->step, s_compare_field, &visit);
    uint32_t held = 0;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        if (topic->agent == (int32_t)agent && !topic->is_event)
            held += topic->field_count;
    }
    if (held != visit.count)
        sim_fail (self, "%s holds %u fields, the broker %u", self->names[agent], visit.count, held);
}

/* ------------------------------------------------------------------ copies of others' state */

static bool s_compare_copied (const sb_agent_field_t *copied, void *context)
{
    s_visit_t *visit = context;
    sim_t *self = visit->sim;
    const sim_topic_t *topic = sim_topic_at (self->checker, copied->topic);
    const sim_field_t *field = sim_topic_find (topic, copied->name);
    const char *name = self->names[visit->agent];
    uint64_t sequence = copied->sequence + (sim_canary (self, SIM_CANARY_copy) ? 1 : 0);
    self->checks += 3;
    if (!field)
        sim_fail (self, "the copy of %s holds %s:%.*s, the broker does not", name, topic->text, (int)copied->name.size,
                  copied->name.data);
    if (!sim_field_has (field, &copied->value) || sequence != field->sequence || copied->quality != topic->quality)
        sim_fail (self,
                  "the copy of %s holds %s:%s otherwise: the same value %d, sequence %" PRIu64 " where %" PRIu64
                  " is, quality %d where %d is",
                  name, topic->text, field->name, sim_field_has (field, &copied->value), sequence, field->sequence,
                  (int)copied->quality, (int)topic->quality);
    visit->count++;
    return true;
}

/* The state hash and the number of fields of what a process is interested in, by publications alone. */
static uint64_t s_hash_wanted (sim_t *self, sim_process_t *process, uint32_t *count)
{
    uint64_t sum = 0;
    *count = 0;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        if (topic->text[0] == '_' || !sim_reader_wants (self, process, i))
            continue;
        for (const sim_field_t *field = topic->fields; field; field = field->next, ++*count)
            sum += sim_field_term (topic, field);
    }
    return sum;
}

static void s_compare_reader (sim_t *self, uint32_t agent)
{
    sim_process_t *process = self->current[agent];
    sim_reader_agree (self, process);
    sb_agent_copy_state_t copy;
    sb_agent_step_copy_state (process->step, &copy);
    if (!process->has_copy)
        return;
    s_visit_t visit = {.sim = self, .agent = agent};
    sb_agent_step_copy_visit (process->step, sb_text (""), s_compare_copied, &visit);
    uint32_t count;
    uint64_t hash = s_hash_wanted (self, process, &count);
    self->checks += 2;
    if (!copy.is_whole && process->copy_fields >= 1000000)
        sim_fail (self, "the copy of %s is not whole, and there is room", self->names[agent]);
    if (visit.count > process->copy_fields)
        sim_fail (self, "the copy of %s holds %u fields, %" PRIu64 " allowed", self->names[agent], visit.count,
                  process->copy_fields);
    if (copy.is_whole && (visit.count != count || copy.state_hash != hash))
        sim_fail (self, "the copy of %s holds %u fields, there are %u, and its hash is %s", self->names[agent],
                  visit.count, count, copy.state_hash == hash ? "right" : "wrong");
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
        bool is_owed = happening->sequence && !process->has_crashed && !process->is_final && !sim_is_bounded (self);
        if (is_owed && happening->broker_starts == self->broker_starts && !happening->is_refused &&
            !happening->published)
            sim_fail (self, "event %u, sequence %" PRIu64 " of %s, is lost", i, happening->sequence,
                      self->names[process->agent]);
    }
}

void sim_check_agreement (sim_t *self)
{
    s_compare_copy (self);
    for (uint32_t i = 0; i < self->agent_count; i++) {
        if (s_unrest (self, i))
            continue; /* for good, by a bound of the seed's: see sim_check_is_at_rest */
        s_compare_agent (self, i);
        s_compare_reader (self, i);
    }
    s_check_happenings (self);
}

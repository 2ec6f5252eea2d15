/* SPDX-License-Identifier: MPL-2.0
 *
 * What agents write: deltas of a few names under a few topics, so that fields are overwritten, deleted and written
 * with the value that they have. In the category trades, an event category, each change carries a number of its own,
 * by which it is followed: published once, or told as refused.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_check.h"

enum { DELTAS_MAX = 64, CHANGES_MAX = 48, NAMES_MAX = 128, CATEGORIES = 5, TEXT_SIZE = 32 };

static const char *const s_categories[CATEGORIES] = {"market_data", "risk", "status", "trades", ""};
static const char *const s_subjects[] = {"", "a", "b"};

/* What one delta points to. */
typedef struct {
    sb_change_t changes[CHANGES_MAX];
    char names[CHANGES_MAX][8];
    char texts[CHANGES_MAX][TEXT_SIZE];
    uint32_t happening; /* its number + 1; 0: none */
} s_draft_t;

static uint32_t s_add_happening (sim_t *self, const sim_process_t *process)
{
    if (self->happening_count == self->happening_capacity) {
        self->happening_capacity = self->happening_capacity * 2 + 64;
        self->happenings = realloc (self->happenings, self->happening_capacity * sizeof *self->happenings);
        assert (self->happenings);
    }
    self->happenings[self->happening_count] = (sim_happening_t){.process = (uint32_t)(process - self->processes),
                                                                .broker_starts = (uint32_t)self->broker_starts};
    return self->happening_count++;
}

static void s_draw_value (sim_t *self, sb_change_t *change, char *text)
{
    uint32_t kind = sim_below (self, 10);
    uint64_t number = ++self->values;
    if (kind < 2) {
        change->is_delete = true;
    } else if (kind < 5) {
        change->value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = sim_below (self, 2)};
    } else if (kind < 6) {
        snprintf (text, TEXT_SIZE, "text %" PRIu64, number);
        change->value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (text)};
    } else if (kind < 7) {
        change->value = (sb_value_t){.kind = SB_VALUE_DECIMAL, .decimal = {(int64_t)number, -2}};
    } else {
        change->value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = (double)number};
    }
}

static void s_draft (sim_t *self, const sim_process_t *process, sb_delta_t *delta, s_draft_t *draft, bool is_event)
{
    const char *category = is_event ? "trades" : s_categories[sim_below (self, CATEGORIES)];
    is_event = strcmp (category, "trades") == 0;
    delta->category = sb_text (category);
    delta->subject = sb_text (s_subjects[self->options.same_topics ? 0 : sim_below (self, 3)]);
    bool is_small = self->options.max_changes < 100;
    uint32_t count = is_small ? 1 + sim_below (self, 2) : 1 + sim_below (self, 5);
    if (!is_small && self->options.fields > CHANGES_MAX && sim_chance (self, 20))
        count = CHANGES_MAX / 2 + sim_below (self, CHANGES_MAX / 2);
    if (is_event)
        count = 1;
    if (count > self->options.fields)
        count = self->options.fields;
    uint32_t start = sim_below (self, self->options.fields);
    for (uint32_t i = 0; i < count; i++) {
        sb_change_t *change = &draft->changes[i];
        char *name = draft->names[i];
        uint32_t number = (start + i) % self->options.fields;
        snprintf (name, sizeof draft->names[0], "%c%u", category[0] ? 'f' : number % 2 ? 'x' : 'y', number % NAMES_MAX);
        change->name = sb_text (name);
        if (is_event) {
            uint32_t happening = s_add_happening (self, process);
            draft->happening = happening + 1;
            change->value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = happening};
        } else {
            s_draw_value (self, change, draft->texts[i]);
        }
    }
    if (sim_chance (self, self->options.ttl_percent))
        delta->time_to_live_ms = 1 + sim_below (self, self->options.ttl_ms);
    delta->update.changes = draft->changes;
    delta->update.change_count = count;
    if (sb_agent_check (delta) != SB_REASON_NONE)
        sim_fail (self, "the simulator wrote a bad delta");
}

void sim_update (sim_t *self, sim_process_t *process, uint32_t deltas, bool is_event)
{
    assert (deltas <= DELTAS_MAX);
    sb_delta_t written[DELTAS_MAX];
    s_draft_t *drafts = calloc (deltas, sizeof *drafts);
    assert (drafts);
    memset (written, 0, deltas * sizeof *written);
    for (uint32_t i = 0; i < deltas; i++)
        s_draft (self, process, &written[i], &drafts[i], is_event);
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .update = {written, deltas}};
    sb_agent_effects_t effects;
    sim_process_event (self, process, &event, &effects);
    sim_say (self, "%s#%" PRIu64 " updates %u: reason %d, sequence %" PRIu64, self->names[process->agent],
             process->instance, deltas, (int)effects.reason, effects.sequence);
    if (effects.reason == SB_REASON_NONE && effects.sequence)
        for (uint32_t i = 0; i < deltas; i++)
            if (drafts[i].happening)
                self->happenings[drafts[i].happening - 1].sequence = effects.sequence + i;
    free (drafts);
    if (effects.wake && sim_chance (self, 80)) {
        sb_agent_event_t wake = {.kind = SB_AGENT_EVENT_WAKE};
        sim_process_io (self, process, &wake);
    }
}

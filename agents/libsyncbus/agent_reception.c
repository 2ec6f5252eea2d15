/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications: does anybody here want it, is something missing before it, is there room for it.
 *
 * Heads stand in the copy; one lookup a publication. Something is missing when its topic sequence jumps (a topic first
 * met after the first snapshot begins at 1), where publications are merged by conflation when its range begins too
 * late, and, where an interest covers a whole category, when the category sequence jumps: then a loss is seen at the
 * next publication of any topic of it. A topic whose agent's record was given up begins anew at 1: the order over all
 * tells that from a repeat. A publication without room counts as lost: it is neither in the copy nor delivered.
 */
#include <stdlib.h>
#include <string.h>

#include "agent_recovery.h"
#include "sb_names.h"

sb_reception_t *sb_reception_new (const sb_agent_step_config_t *config)
{
    sb_reception_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->join_at_ns = UINT64_MAX;
    self->seed = config->seed;
    self->copy =
        sb_copy_new (config->seed, config->has_copy, SB_AGENT_TOPICS_MAX, config->copy_fields, config->copy_bytes);
    if (!self->copy)
        sb_reception_destroy (&self);
    return self;
}

void sb_reception_destroy (sb_reception_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_reception_t *self = *self_p;
    for (uint32_t i = 0; i < self->watch_count; i++) {
        sb_watch_drop_waiting (self, self->watches[i]);
        sb_watch_forget_notes (self, self->watches[i]);
        free (self->watches[i]->scopes);
        free (self->watches[i]);
    }
    sb_table_fini (&self->named);
    sb_watch_free_taken (self);
    sb_copy_destroy (&self->copy);
    free (self);
    *self_p = NULL;
}

void sb_reception_begin (sb_agent_step_t *self)
{
    sb_watch_free_taken (self->reception);
}

/* ------------------------------------------------------------------ positions */

void sb_reception_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome)
{
    sb_reception_t *reception = self->reception;
    sb_position_t old[SB_INTERESTS_MAX];
    uint32_t old_count = reception->position_count;
    bool is_same = welcome->stream_id == reception->stream_id && welcome->epoch == reception->epoch;
    for (uint32_t i = 0; i < reception->watch_count; i++)
        sb_watch_classify (self, reception->watches[i]);
    memcpy (old, reception->positions, sizeof old);
    memset (reception->positions, 0, sizeof reception->positions);
    reception->position_count = 0;
    for (uint32_t i = 0; i < welcome->interest_count && i < SB_INTERESTS_MAX; i++) {
        sb_text_t interest = welcome->interests[i];
        if (interest.size > SB_TOPIC_MAX)
            continue;
        sb_position_t *position = &reception->positions[reception->position_count++];
        memcpy (position->interest, interest.data, interest.size);
        position->interest_size = interest.size;
        position->prefix_size = sb_interest_prefix (interest, position->prefix);
        for (uint32_t j = 0; is_same && j < old_count; j++) {
            if (sb_text_equal ((sb_text_t){old[j].interest, old[j].interest_size}, interest)) {
                position->sequence = old[j].sequence;
                position->category_sequence = old[j].category_sequence;
                position->covered = old[j].covered;
            }
        }
    }
}

const sb_interest_position_t *sb_reception_seen (sb_agent_step_t *self, uint32_t *count)
{
    const sb_reception_t *reception = self->reception;
    sb_interest_position_t *seen = sb_step_take (self, sizeof *seen * reception->position_count);
    for (uint32_t i = 0; i < reception->position_count; i++) {
        const sb_position_t *position = &reception->positions[i];
        seen[i].interest = sb_step_copy (self, (sb_text_t){position->interest, position->interest_size});
        seen[i].sequence = position->sequence;
        seen[i].category_sequence = position->category_sequence;
        /* A snapshot has brought what it does not name by itself. */
        if (position->head_sequence > position->sequence && position->head_sequence <= position->covered) {
            seen[i].sequence = position->head_sequence;
            seen[i].category_sequence = position->head_category_sequence;
        }
    }
    *count = reception->position_count;
    return seen;
}

static void s_see (sb_reception_t *self, const sb_publication_t *publication)
{
    for (uint32_t i = 0; i < self->position_count; i++) {
        sb_position_t *position = &self->positions[i];
        if (position->sequence >= publication->sequence ||
            !sb_prefix_matches ((sb_text_t){position->prefix, position->prefix_size}, publication->topic))
            continue;
        position->sequence = publication->sequence;
        position->category_sequence = publication->category_sequence;
        return; /* no interest is a part of another */
    }
}

/* ------------------------------------------------------------------ who wants it */

bool sb_reception_wants (const sb_agent_step_t *self, sb_text_t topic, uint32_t *interval_ms)
{
    bool is_wanted = false;
    *interval_ms = 0;
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        const sb_want_t *want = &self->wants[i];
        if (!sb_prefix_matches (want->prefix, topic))
            continue;
        if (!is_wanted || want->interval_ms < *interval_ms)
            *interval_ms = want->interval_ms; /* the least merged one: each is taken once */
        is_wanted = true;
    }
    return is_wanted;
}

uint32_t sb_reception_room (const sb_agent_step_t *self)
{
    if (!self->config.has_update_handler)
        return UINT32_MAX;
    uint32_t waiting = self->publications_waiting;
    return waiting < self->config.queue_publications ? self->config.queue_publications - waiting : 0;
}

uint32_t sb_reception_good_room (const sb_agent_step_t *self)
{
    uint32_t room = sb_reception_room (self);
    return room >= self->config.queue_publications / 2 || room >= SB_RECOVERY_PAGE ? room : 0;
}

void sb_reception_deliver (sb_agent_step_t *self, const sb_publication_t *publication)
{
    self->counts.received++;
    if (!self->config.has_update_handler) {
        self->counts.processed++;
        self->progress++;
        sb_step_effect (self, SB_AGENT_EFFECT_REMEMBER)->publication = publication;
        return;
    }
    self->publications_waiting++;
    sb_step_effect (self, SB_AGENT_EFFECT_DELIVER)->publication = publication;
}

/* ------------------------------------------------------------------ is something missing */

bool sb_reception_known (const sb_reception_t *self, sb_text_t topic, uint64_t *sequence, uint64_t *topic_sequence,
                         uint64_t *category_sequence)
{
    const sb_copy_head_t *head = sb_copy_head (self->copy, topic);
    const sb_noted_t *noted = sb_watch_find_noted (self, topic);
    if (!head || head->sequence == 0)
        return false;
    bool is_split = noted && noted->is_split;
    *sequence = is_split ? noted->split_sequence : head->sequence;
    *topic_sequence = is_split ? noted->split_through : head->topic_sequence;
    *category_sequence = is_split ? noted->split_category : head->category_sequence;
    return true;
}

void sb_reception_skip (sb_watch_t *watch, const sb_publication_t *publication)
{
    if (watch->is_whole && publication->category_sequence == watch->verified + 1)
        watch->verified++;
}

/* It changes nothing any more. But a snapshot never tells events: those that came are still news. */
static void s_pass_by (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_noted_t *noted = watch->is_event ? sb_watch_find_noted (self->reception, publication->topic) : NULL;
    sb_reception_skip (watch, publication);
    if (!noted || publication->sequence <= noted->delivered || publication->cause == SB_CAUSE_SNAPSHOT)
        return;
    noted->delivered = publication->sequence;
    sb_reception_deliver (self, publication);
}

static void s_move_on (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_noted_t *noted = sb_watch_find_noted (self->reception, publication->topic);
    if (watch->is_whole)
        watch->verified = publication->category_sequence;
    if (!noted)
        return;
    noted->delivered = publication->sequence;
    if (watch->need == SB_NEED_NOTHING) { /* left over by a repair, see sb_watch_finish */
        noted->through = publication->topic_sequence;
        noted->sequence = publication->sequence;
    }
    if (!noted->is_split)
        return;
    noted->split_sequence = publication->sequence;
    noted->split_through = publication->topic_sequence;
    noted->split_category = publication->category_sequence;
    const sb_copy_head_t *head = sb_copy_head (self->reception->copy, publication->topic);
    noted->is_split = head && head->sequence > publication->sequence;
}

sb_taken_t sb_reception_take (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication,
                              bool has_room, uint64_t *after)
{
    sb_reception_t *reception = self->reception;
    uint64_t sequence = 0, through = 0, category_sequence = 0;
    bool is_known = sb_reception_known (reception, publication->topic, &sequence, &through, &category_sequence);
    *after = watch->verified;
    if (watch->is_whole && publication->category_sequence > watch->verified + 1)
        return SB_MISSING;
    bool is_gone = !is_known && publication->sequence <= watch->covered && !sb_copy_is_full (reception->copy);
    bool is_old = is_gone || (is_known && publication->sequence <= sequence) ||
                  (watch->is_whole && publication->category_sequence <= watch->verified);
    if (is_old) {
        s_pass_by (self, watch, publication);
        return SB_TAKEN_BEFORE;
    }
    uint64_t topic_sequence = publication->topic_sequence;
    uint64_t next = topic_sequence > through ? through + 1 : 1;
    uint64_t first = publication->first_topic_sequence ? publication->first_topic_sequence : topic_sequence;
    if (is_known && category_sequence < *after)
        *after = category_sequence;
    /* A topic that found no place in the copy has no base to be missed from. */
    if (first > next && (is_known || !sb_copy_is_full (reception->copy)))
        return SB_MISSING;
    if (!has_room)
        return SB_NO_ROOM;
    s_see (reception, publication);
    bool is_news = sb_copy_apply (reception->copy, publication);
    if (!is_news)
        s_pass_by (self, watch, publication);
    s_move_on (self, watch, publication);
    if (is_news)
        sb_reception_deliver (self, publication);
    return SB_TAKEN;
}

/* ------------------------------------------------------------------ publications */

static void s_repair (sb_watch_t *watch, uint64_t after)
{
    watch->after = after;
    watch->repaired = NULL;
    sb_watch_needs (watch, watch->is_conflated ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY);
}

/* Of a category that was current. */
static void s_take (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    uint64_t after;
    switch (sb_reception_take (self, watch, publication, sb_reception_room (self) > 0, &after)) {
    case SB_MISSING:
        sb_watch_wait (self, watch, publication);
        if (!watch->is_told) /* the topic is whole: what is missing is of others */
            sb_watch_gap (self, watch, (sb_text_t){watch->name, watch->size - 1}, 0, 0);
        s_repair (watch, after);
        break;
    case SB_NO_ROOM:
        sb_watch_no_room (self, watch, publication);
        s_repair (watch, publication->category_sequence - 1); /* all before it was taken */
        break;
    case SB_TAKEN:
    case SB_TAKEN_BEFORE:
        break;
    }
}

static void s_numbered (sb_agent_step_t *self, const sb_publication_t *publication, uint32_t interval_ms,
                        bool is_wanted)
{
    sb_reception_t *reception = self->reception;
    if (publication->stream_id != reception->stream_id || publication->epoch != reception->epoch) {
        /* Until a join is answered nothing was promised of another stream; an older epoch is the past. */
        bool is_past = publication->stream_id == reception->stream_id && publication->epoch < reception->epoch;
        if (!is_past && reception->is_answered) {
            sb_recovery_abort (self, true);
            sb_joiner_ask (self);
        }
        return;
    }
    sb_watch_t *watch = sb_watch_of_topic (self, publication->topic);
    sb_scope_t *scope = watch ? sb_scope_of (watch, publication->topic, interval_ms) : NULL;
    if (!is_wanted && !scope)
        return;
    if (publication->sequence > reception->sub_sequence && !publication->first_topic_sequence)
        reception->sub_sequence = publication->sequence;
    if (is_wanted)
        s_see (reception, publication);
    if (!watch) {
        if (sb_reception_room (self) && sb_copy_apply (reception->copy, publication))
            sb_reception_deliver (self, publication);
        return;
    }
    if (publication->category_sequence > watch->passed)
        watch->passed = publication->category_sequence;
    if (scope)
        sb_scope_arrived (self, watch, scope, publication);
    bool waits = sb_recovery_waits_for_all (reception) || watch->need != SB_NEED_NOTHING || watch->first;
    if (is_wanted && waits)
        sb_watch_wait (self, watch, publication);
    else if (is_wanted)
        s_take (self, watch, publication);
    sb_scan_look (self);
}

void sb_reception_publication (sb_agent_step_t *self, const sb_publication_t *publication)
{
    if (self->link == SB_LINK_FINISHED)
        return;
    uint32_t interval_ms = 0, wanted_ms;
    sb_text_t rest;
    if (sb_conflated_split (publication->topic, &interval_ms, &rest)) {
        sb_publication_t *stripped = sb_step_take (self, sizeof *stripped);
        *stripped = *publication;
        stripped->topic = rest;
        publication = stripped;
    }
    sb_text_t topic = publication->topic;
    if (sb_text_begins_with (topic, sb_text ("_control.")))
        sb_levels_control (self, publication);
    if (sb_text_begins_with (topic, sb_text ("_beat.")) || sb_text_begins_with (topic, sb_text ("~join."))) {
        sb_joiner_level (self, publication, topic.data[0] == '_');
        sb_scan_look (self);
    }
    bool is_wanted = sb_reception_wants (self, topic, &wanted_ms) && wanted_ms == interval_ms;
    if (publication->sequence)
        s_numbered (self, publication, interval_ms, is_wanted);
    else if (is_wanted && sb_reception_room (self)) /* a level: the next one replaces it */
        sb_reception_deliver (self, publication);
}

void sb_reception_unreadable (sb_agent_step_t *self)
{
    sb_step_log (self, SB_SEVERITY_WARNING, "a publication could not be read", (sb_text_t){NULL, 0});
}

/* ------------------------------------------------------------------ the copy */

bool sb_agent_step_is_current (const sb_agent_step_t *self)
{
    return sb_recovery_is_current (self);
}

void sb_agent_step_copy_state (const sb_agent_step_t *self, sb_agent_copy_state_t *state)
{
    *state = (sb_agent_copy_state_t){0};
    sb_copy_state (self->reception->copy, state);
    state->is_current = sb_recovery_is_current (self);
    state->sequence = self->reception->sub_sequence;
}

uint64_t sb_agent_step_copy_hash (const sb_agent_step_t *self, sb_text_t prefix)
{
    return sb_copy_hash (self->reception->copy, prefix);
}

bool sb_agent_step_copy_find (const sb_agent_step_t *self, sb_text_t topic, sb_text_t name, sb_agent_field_t *field)
{
    if (!sb_copy_find (self->reception->copy, topic, name, field))
        return false;
    field->is_current = sb_recovery_is_topic_current (self, topic);
    return true;
}

typedef struct {
    const sb_agent_step_t *step;
    bool (*visit) (const sb_agent_field_t *field, void *context);
    void *context;
} sb_visitor_t;

static bool s_visit (const sb_agent_field_t *field, void *context)
{
    const sb_visitor_t *visitor = context;
    sb_agent_field_t shown = *field;
    shown.is_current = sb_recovery_is_topic_current (visitor->step, field->topic);
    return visitor->visit (&shown, visitor->context);
}

uint32_t sb_agent_step_copy_visit (const sb_agent_step_t *self, sb_text_t prefix,
                                   bool (*visit) (const sb_agent_field_t *field, void *context), void *context)
{
    sb_visitor_t visitor = {self, visit, context};
    return sb_copy_visit (self->reception->copy, prefix, s_visit, &visitor);
}

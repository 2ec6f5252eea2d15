/* SPDX-License-Identifier: MPL-2.0
 *
 * Scopes: what is subscribed to, and the numbers that have no holes in it.
 *
 * A category, an agent's part of one, and a category at one interval of conflation are counted by the broker, each for
 * itself. What is asked for beyond that (a topic, a prefix cut inside a name) is subscribed to as the agent's part, or
 * category, that it is in, and filtered here: what is not wanted counts for the numbers and is dropped. So any loss is
 * a hole: seen at the next publication of the scope, or, of the last one, by a head: the beat's for a category and for
 * conflation, HeartbeatAck's for an agent's part. Numbers are judged as publications come, whatever is being repaired.
 * A category that is wanted whole and not merged is judged by agent_reception.c, which tells such a hole at once; of
 * the others only the repair knows whether anything that was wanted is missing, and tells just that.
 *
 * The number that a scope begins at may be too low (a repair then finds nothing), but never too high. Rejected: to
 * subscribe to cut prefixes as they are. Nothing counts their publications, so that the loss of one topic's last one is
 * hidden behind another topic's next.
 */
#include <stdlib.h>
#include <string.h>

#include "agent_recovery.h"
#include "sb_names.h"

/* ------------------------------------------------------------------ what is subscribed to */

/* Octets up to and with the n-th dot; 0 when there are fewer. */
static uint32_t s_to_dot (sb_text_t prefix, uint32_t n)
{
    for (uint32_t i = 0; i < prefix.size; i++) {
        if (prefix.data[i] == '.' && --n == 0)
            return i + 1;
    }
    return 0;
}

/* The broker keeps one head for an interest and all that lies in it: then an agent's part has none of its own. */
static bool s_is_within_another (const sb_agent_step_t *self, sb_text_t part)
{
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_text_t prefix = self->wants[i].prefix;
        if (prefix.size < part.size && sb_text_begins_with (part, prefix))
            return true;
    }
    return false;
}

static sb_text_t s_subscribed (const sb_agent_step_t *self, const sb_want_t *want)
{
    sb_text_t prefix = want->prefix;
    if (prefix.size == 0)
        return prefix;
    sb_text_t category = {prefix.data, s_to_dot (prefix, 1)};
    sb_text_t part = {prefix.data, s_to_dot (prefix, 2)};
    if (prefix.data[0] == '_' && !sb_text_equal (category, sb_text ("_event.")))
        return prefix; /* levels have no numbers */
    bool is_part = want->interval_ms == 0 && prefix.data[0] != '_' && part.size && !s_is_within_another (self, part);
    return is_part ? part : category;
}

void sb_scope_subscribe (sb_agent_step_t *self)
{
    self->has_agent_parts = false;
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_want_t *want = &self->wants[i];
        want->subscribed = s_subscribed (self, want);
        self->has_agent_parts |= s_to_dot (want->subscribed, 2) > 0 && want->prefix.data[0] != '_';
    }
}

/* ------------------------------------------------------------------ scopes of a category */

static void s_add (sb_watch_t *watch, sb_scope_t scope)
{
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        const sb_scope_t *other = &watch->scopes[i];
        if (other->kind == scope.kind && other->interval_ms == scope.interval_ms &&
            sb_text_equal (other->prefix, scope.prefix))
            return;
    }
    watch->scopes[watch->scope_count++] = scope;
}

/* Where the whole category is subscribed to, its parts need no numbers of their own. */
static void s_drop_parts (sb_watch_t *watch)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        if (watch->scopes[i].kind != SB_SCOPE_AGENT)
            watch->scopes[kept++] = watch->scopes[i];
    }
    watch->scope_count = kept;
}

/* Whether some interest covers the category and merges less than that. */
static bool s_is_merged_less (const sb_agent_step_t *self, sb_text_t category, uint32_t interval_ms)
{
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        if (self->wants[i].interval_ms < interval_ms && sb_prefix_matches (self->wants[i].prefix, category))
            return true;
    }
    return false;
}

bool sb_scope_make (sb_agent_step_t *self, sb_watch_t *watch)
{
    sb_text_t name = {watch->name, watch->size};
    bool is_of_category = false;
    /* What no join nor anything since told of was not there then: counted from 1, also while the SUB is down. */
    bool is_based = self->reception->is_answered || self->reception->has_base;
    if (!watch->scopes)
        watch->scopes = calloc (self->config.interest_count + 1, sizeof *watch->scopes);
    watch->scope_count = 0;
    for (uint32_t i = 0; watch->scopes && i < self->config.interest_count; i++) {
        const sb_want_t *want = &self->wants[i];
        bool concerns =
            sb_prefix_matches (want->prefix, name) || (want->prefix.size && sb_text_begins_with (want->prefix, name));
        sb_scope_t scope = {.kind = SB_SCOPE_CATEGORY, .is_based = is_based};
        if (!concerns || watch->is_whole)
            continue;
        if (want->interval_ms && s_is_merged_less (self, name, want->interval_ms))
            continue;
        if (want->interval_ms) {
            scope.kind = SB_SCOPE_CONFLATED;
            scope.interval_ms = want->interval_ms;
        } else if (want->subscribed.size > name.size) {
            scope.kind = SB_SCOPE_AGENT;
            scope.prefix = want->subscribed;
        }
        is_of_category |= scope.kind == SB_SCOPE_CATEGORY;
        s_add (watch, scope);
    }
    if (is_of_category)
        s_drop_parts (watch);
    return watch->scopes != NULL;
}

/* Category sequence up to which nothing that was wanted of events is missing: they come in its order. */
static uint64_t s_complete_through (const sb_watch_t *watch)
{
    uint64_t through = watch->is_whole || !watch->scope_count ? watch->verified : UINT64_MAX;
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        const sb_scope_t *scope = &watch->scopes[i];
        uint64_t end = scope->hole_through ? scope->hole_after : scope->seen_category;
        through = end < through ? end : through;
    }
    if (watch->need >= SB_NEED_HISTORY && watch->after < through)
        through = watch->after;
    if (watch->first && watch->first->publication.category_sequence <= through)
        through = watch->first->publication.category_sequence - 1;
    return through;
}

void sb_scope_change (sb_agent_step_t *self, sb_watch_t *watch)
{
    uint64_t through = s_complete_through (watch);
    bool was_whole = watch->is_whole, is_event = watch->is_event;
    sb_watch_classify (self, watch);
    if (was_whole && watch->is_whole)
        return;
    sb_scope_make (self, watch);
    watch->repaired = NULL;
    watch->tried_through = 0;
    if (!self->reception->has_base)
        return; /* a snapshot of everything comes */
    if (is_event)
        watch->verified = through;
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        scope->is_based = is_event || scope->kind != SB_SCOPE_AGENT; /* the snapshot is the base of state */
        scope->seen_category = through;
        if (is_event && watch->passed > through) {
            scope->hole_after = through;
            scope->hole_through = watch->passed;
            scope->hole_number = self->reception->number;
        }
    }
    sb_watch_needs (watch, is_event ? SB_NEED_BUFFER : SB_NEED_SNAPSHOT);
}

sb_scope_t *sb_scope_of (const sb_watch_t *watch, sb_text_t topic, uint32_t interval_ms)
{
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        if (scope->interval_ms == interval_ms &&
            (scope->kind != SB_SCOPE_AGENT || sb_text_begins_with (topic, scope->prefix)))
            return scope;
    }
    return NULL;
}

void sb_scope_forget (sb_watch_t *watch)
{
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        *scope = (sb_scope_t){.kind = scope->kind, .interval_ms = scope->interval_ms, .prefix = scope->prefix};
    }
    watch->repaired = NULL;
    watch->is_lossy = false;
}

/* ------------------------------------------------------------------ holes */

/* Something behind that category sequence was lost; a repair of what went past the SUB by now makes it good. */
static void s_hole_behind (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope, uint64_t after)
{
    sb_reception_t *reception = self->reception;
    if (after < watch->verified)
        after = watch->verified;
    if (scope->kind == SB_SCOPE_CONFLATED && watch->is_conflated)
        after = 0; /* merged ones come in no order of the category */
    else if (watch->passed <= after)
        return;
    if (!scope->hole_through || after < scope->hole_after)
        scope->hole_after = after;
    scope->hole_through = watch->passed ? watch->passed : 1;
    scope->hole_number = reception->number;
    watch->is_lossy = true;
    if (watch->need == SB_NEED_NOTHING && !watch->first)
        sb_scope_repair (watch, scope);
    else
        sb_watch_needs (watch, SB_NEED_BUFFER);
}

static void s_hole (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope)
{
    s_hole_behind (self, watch, scope, scope->seen_category);
}

void sb_scope_repair (sb_watch_t *watch, sb_scope_t *scope)
{
    watch->repaired = scope;
    watch->after = scope->hole_after;
    watch->need = watch->is_conflated ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY;
}

sb_scope_t *sb_scope_with_hole (const sb_watch_t *watch)
{
    sb_scope_t *found = NULL;
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        if (scope->hole_through && (!found || scope->hole_after < found->hole_after))
            found = scope;
    }
    return found;
}

static uint64_t s_number (const sb_scope_t *scope, const sb_publication_t *publication)
{
    switch (scope->kind) {
    case SB_SCOPE_CATEGORY:
        return publication->category_sequence;
    case SB_SCOPE_AGENT:
        return publication->agent_sequence;
    case SB_SCOPE_CONFLATED:
        return publication->conflated_sequence;
    }
    return 0;
}

static void s_see (sb_scope_t *scope, uint64_t number, uint64_t sequence, uint64_t category_sequence)
{
    scope->seen = number;
    if (sequence > scope->seen_sequence)
        scope->seen_sequence = sequence;
    if (category_sequence > scope->seen_category)
        scope->seen_category = category_sequence;
}

void sb_scope_arrived (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope, const sb_publication_t *publication)
{
    uint64_t number = s_number (scope, publication);
    if (!self->reception->is_answered || number == 0)
        return;
    bool is_part = scope->kind == SB_SCOPE_AGENT;
    if (is_part ? publication->sequence <= scope->seen_sequence : number <= scope->seen)
        return;
    /* An agent whose record was given up begins anew at 1: how far it had come before is not known. */
    bool is_next = number == scope->seen + 1;
    bool is_first = is_part && !scope->is_based && !scope->first;
    if (is_first) {
        scope->first = number;
        scope->first_sequence = publication->sequence;
    } else if (!is_next) {
        s_hole (self, watch, scope);
    }
    s_see (scope, number, publication->sequence, publication->category_sequence);
}

/* ------------------------------------------------------------------ heads */

/* The last publication of an agent's part that the broker told of in HeartbeatAck. Of interests cut inside a name it is
 * the last that was wanted: not above what it really is. NULL: none. */
static const sb_position_t *s_head (const sb_reception_t *self, const sb_scope_t *scope, uint64_t most)
{
    const sb_position_t *found = NULL;
    for (uint32_t i = 0; i < self->position_count; i++) {
        const sb_position_t *position = &self->positions[i];
        if (position->head_sequence && position->head_sequence <= most &&
            sb_text_begins_with ((sb_text_t){position->prefix, position->prefix_size}, scope->prefix) &&
            (!found || position->head_sequence > found->head_sequence))
            found = position;
    }
    return found;
}

void sb_scope_base (sb_agent_step_t *self, sb_watch_t *watch)
{
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        if (scope->kind != SB_SCOPE_AGENT)
            continue;
        const sb_position_t *head = s_head (self->reception, scope, UINT64_MAX);
        uint64_t sequence = head ? head->head_sequence : 0;
        uint64_t number = head ? head->head_agent_sequence : 0;
        bool is_late = !scope->is_based && scope->first_sequence > sequence && scope->first > number + 1;
        if (sequence > scope->seen_sequence)
            s_see (scope, number, sequence, head->head_category_sequence);
        else if (is_late) /* what lies between the head and the first that came */
            s_hole_behind (self, watch, scope, head ? head->head_category_sequence : 0);
        scope->is_based = true;
    }
}

/* The broker does not know the part any more: the agent's record was given up, and with it the head that would tell
 * that its last publications were lost. Up to where it was so, 0: it is known, or nothing of it ever was. */
static uint64_t s_gone (const sb_reception_t *self, const sb_scope_t *scope, uint64_t most)
{
    for (uint32_t i = 0; scope->seen && i < self->position_count; i++) {
        const sb_position_t *position = &self->positions[i];
        if (sb_text_equal ((sb_text_t){position->prefix, position->prefix_size}, scope->prefix))
            return position->gone_sequence >= scope->seen_sequence && position->gone_sequence <= most
                       ? position->gone_sequence
                       : 0;
    }
    return 0;
}

/* Whether anything of it was lost is not known: what the repair finds, it tells. Its next life begins at 1. */
static void s_judge_gone (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope, uint64_t beat_sequence)
{
    uint64_t gone = s_gone (self->reception, scope, beat_sequence);
    if (!gone)
        return;
    s_hole (self, watch, scope);
    s_see (scope, 0, gone, 0);
}

void sb_scope_judge_parts (sb_agent_step_t *self, uint64_t beat_sequence)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        for (uint32_t j = 0; j < watch->scope_count; j++) {
            sb_scope_t *scope = &watch->scopes[j];
            if (scope->kind == SB_SCOPE_AGENT && scope->is_based)
                s_judge_gone (self, watch, scope, beat_sequence);
            const sb_position_t *head =
                scope->kind == SB_SCOPE_AGENT && scope->is_based ? s_head (reception, scope, beat_sequence) : NULL;
            if (!head || head->head_sequence <= scope->seen_sequence)
                continue;
            /* It was whole up to there when it became a scope. */
            bool is_known =
                head->head_category_sequence <= scope->seen_category || head->head_category_sequence <= watch->verified;
            if (!is_known && watch->need == SB_NEED_NOTHING && !watch->is_told)
                sb_watch_gap (self, watch, (sb_text_t){head->interest, head->interest_size}, 0, 0);
            if (!is_known)
                s_hole (self, watch, scope);
            s_see (scope, head->head_agent_sequence, head->head_sequence, head->head_category_sequence);
        }
    }
}

/* Whether the part itself is an interest, so that its head is the broker's own. */
static bool s_has_own_head (const sb_reception_t *self, const sb_scope_t *scope)
{
    for (uint32_t i = 0; i < self->position_count; i++) {
        if (sb_text_equal ((sb_text_t){self->positions[i].prefix, self->positions[i].prefix_size}, scope->prefix))
            return true;
    }
    return false;
}

void sb_scope_read_unheard (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        for (uint32_t j = 0; j < watch->scope_count; j++) {
            sb_scope_t *scope = &watch->scopes[j];
            if (scope->kind == SB_SCOPE_AGENT && scope->is_based && !s_has_own_head (reception, scope))
                s_hole (self, watch, scope);
        }
    }
}

void sb_scope_missed (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        for (uint32_t j = 0; j < watch->scope_count; j++) {
            sb_scope_t *scope = &watch->scopes[j];
            const sb_position_t *head = scope->kind == SB_SCOPE_AGENT ? s_head (reception, scope, UINT64_MAX) : NULL;
            bool is_gone = scope->kind == SB_SCOPE_AGENT && s_gone (reception, scope, UINT64_MAX);
            if (is_gone || (head && head->head_sequence > scope->seen_sequence))
                s_hole (self, watch, scope); /* what came of it by now is not known: `seen` stays */
        }
    }
}

void sb_scope_category_head (sb_agent_step_t *self, sb_watch_t *watch, uint64_t head, bool is_base)
{
    sb_scope_t *scope = sb_scope_of (watch, (sb_text_t){watch->name, watch->size}, 0);
    if (!scope || scope->kind != SB_SCOPE_CATEGORY || head <= scope->seen)
        return;
    if (!is_base)
        s_hole (self, watch, scope);
    s_see (scope, head, 0, head);
}

void sb_scope_conflated_head (sb_watch_t *watch, uint32_t interval_ms, uint64_t head)
{
    sb_scope_t *scope = sb_scope_of (watch, (sb_text_t){watch->name, watch->size}, interval_ms);
    if (scope && scope->kind == SB_SCOPE_CONFLATED)
        scope->told = head;
}

/* False when the broker has counted less than came. */
static bool s_judge_conflated (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope)
{
    uint64_t head = scope->told;
    scope->told = 0;
    if (head <= scope->seen)
        return head == scope->seen;
    if (watch->need == SB_NEED_NOTHING && watch->is_covered && !watch->is_told && self->reception->has_base)
        sb_watch_gap (self, watch, (sb_text_t){watch->name, watch->size - 1}, 0, 0);
    s_hole (self, watch, scope);
    scope->seen = head;
    return true;
}

bool sb_scope_beat (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    bool is_counted_on = true;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        for (uint32_t j = 0; j < watch->scope_count; j++) {
            sb_scope_t *scope = &watch->scopes[j];
            if (scope->kind == SB_SCOPE_CONFLATED && !s_judge_conflated (self, watch, scope))
                is_counted_on = false;
        }
    }
    return is_counted_on;
}

/* The broker counts anew when nobody asked for an interval in between, so equal counts alone prove nothing. What it
 * was holding back when nobody asked for the category any more it dropped, and that was never counted: where topics are
 * merged only a snapshot tells. */
static void s_join_conflated (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope)
{
    bool is_held_back = watch->is_conflated && watch->passed;
    bool is_behind = scope->told != scope->seen || watch->passed > scope->seen_category;
    if (self->reception->has_base && (is_behind || is_held_back)) /* what is to be repaired already stays so */
        s_hole (self, watch, scope);
    s_see (scope, scope->told, 0, watch->passed);
    scope->told = 0;
}

void sb_scope_joined (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        for (uint32_t j = 0; j < watch->scope_count; j++) {
            sb_scope_t *scope = &watch->scopes[j];
            if (scope->kind == SB_SCOPE_CONFLATED)
                s_join_conflated (self, watch, scope);
            if (reception->has_base)
                continue;
            scope->is_based = scope->kind != SB_SCOPE_AGENT;
            scope->first = 0;
        }
    }
    reception->wants_heads = reception->has_base && self->has_agent_parts;
    reception->awaited_heads = 0;
}

/* ------------------------------------------------------------------ repairs */

void sb_scope_read (const sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_scope_t *scope = watch->repaired;
    if (scope && scope->kind == SB_SCOPE_AGENT && publication->sequence > scope->seen_sequence &&
        publication->agent_sequence && sb_text_begins_with (publication->topic, scope->prefix))
        s_see (scope, publication->agent_sequence, publication->sequence, publication->category_sequence);
}

void sb_scope_history_read (sb_watch_t *watch, uint64_t through)
{
    sb_scope_t *scope = watch->repaired;
    if (scope && scope->hole_through <= through)
        scope->hole_after = scope->hole_through = 0;
    else if (scope && scope->hole_after < through)
        scope->hole_after = through; /* topics that were given up since are not known any more: never read twice */
    watch->repaired = NULL;
}

void sb_scope_snapshot_taken (sb_watch_t *watch, uint64_t number)
{
    for (uint32_t i = 0; i < watch->scope_count; i++) {
        sb_scope_t *scope = &watch->scopes[i];
        if (scope->hole_number < number)
            scope->hole_after = scope->hole_through = 0;
        if (scope->seen_category < watch->verified)
            scope->seen_category = watch->verified;
    }
    watch->repaired = NULL;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Updates on their way out. An update changes the own state at once; while it may be sent it also gets a number and
 * a slot in the window, and goes out in the next batch. What may not be sent is only kept, and marks the state
 * dirty: a dirty state, or one that the broker does not know, goes out whole, under one number, as soon
 * as it may. Numbers after it wait until it is decided. Event categories are never kept.
 *
 * The whole state is read while updates go on: what changes meanwhile also waits as a delta behind it,
 * so the broker's picture is right once those are applied. Cost of a flush: linear in what it sends.
 */
#include "agent_step_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

static bool s_is_event (const sb_agent_step_t *self, sb_text_t category)
{
    for (uint32_t i = 0; i < self->event_category_count; i++) {
        if (sb_text_equal (sb_text (self->event_categories[i]), category))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ updates of the application */

static uint32_t s_window_limit (const sb_agent_step_t *self)
{
    uint32_t asked = self->config.window_updates;
    return asked && asked < self->limits.max_unacked ? asked : self->limits.max_unacked;
}

/* What a group of deltas is, looked at once. */
typedef struct {
    bool has_event;
    bool is_sendable;    /* there is a session, or an event to keep for it */
    sb_reason_t blocked; /* they may not be sent now */
    uint64_t wire_bytes;
    size_t memory_bytes;
} sb_group_t;

static sb_reason_t s_look_at (const sb_agent_step_t *self, const sb_delta_t *deltas, uint32_t count, sb_group_t *group)
{
    *group = (sb_group_t){0};
    for (uint32_t i = 0; i < count; i++) {
        if (deltas[i].update.change_count > self->limits.max_changes)
            return SB_REASON_TOO_MANY_CHANGES;
        group->has_event |= s_is_event (self, deltas[i].category);
        group->wire_bytes += sb_delta_wire_bytes (&deltas[i]);
        group->memory_bytes += sb_delta_memory_bytes (&deltas[i]);
        if (group->blocked == SB_REASON_NONE)
            group->blocked = sb_levels_blocked (self, deltas[i].category);
    }
    group->is_sendable = self->link == SB_LINK_SESSION || group->has_event;
    return group->wire_bytes > sb_step_payload_max (self) ? SB_REASON_TOO_LARGE : SB_REASON_NONE;
}

static void s_keep (sb_agent_step_t *self, const sb_delta_t *deltas, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (s_is_event (self, deltas[i].category))
            continue;
        sb_own_state_apply (self->state, &deltas[i], 0, NULL);
        self->dirty = true;
        self->counts.updates_kept++;
    }
}

static sb_reason_t s_enqueue (sb_agent_step_t *self, const sb_delta_t *deltas, uint32_t count, uint64_t *first_sequence)
{
    *first_sequence = sb_window_next (self->window);
    for (uint32_t i = 0; i < count; i++) {
        sb_slot_t *slot = sb_window_add (self->window, &deltas[i], s_is_event (self, deltas[i].category));
        if (!slot)
            return SB_REASON_STORE_FULL;
        slot->group_left = count - 1 - i;
        if (!slot->is_event && !sb_own_state_apply (self->state, &slot->delta, slot->sequence, slot->before))
            return SB_REASON_STORE_FULL;
    }
    return SB_REASON_NONE;
}

void sb_delivery_update (sb_agent_step_t *self, const sb_delta_t *deltas, uint32_t count, sb_agent_effects_t *answer)
{
    sb_group_t group;
    if (self->link == SB_LINK_FINISHED) {
        answer->reason = self->final_reason == SB_REASON_NONE ? SB_REASON_NOT_CONNECTED : self->final_reason;
        return;
    }
    answer->reason = s_look_at (self, deltas, count, &group);
    if (answer->reason == SB_REASON_NONE)
        answer->reason = sb_own_state_check (self->state, deltas, count);
    if (answer->reason != SB_REASON_NONE) {
        self->refused_by_reason[answer->reason] += count;
        return;
    }
    if (group.blocked != SB_REASON_NONE) {
        s_keep (self, deltas, count);
        self->stopped_deliveries += count;
        self->refused_by_reason[group.blocked] += count;
        answer->reason = group.blocked;
    } else if (!group.is_sendable) {
        s_keep (self, deltas, count);
    } else if (!sb_window_has_room (self->window, count, group.memory_bytes, s_window_limit (self))) {
        answer->reason = SB_REASON_WINDOW_FULL;
    } else {
        answer->reason = s_enqueue (self, deltas, count, &answer->sequence);
    }
}

/* ------------------------------------------------------------------ decisions */

/* A refused delta is taken back from the own state: what it overwrote stands again, there or, where a later delta
 * has overwritten it in turn, among what that one would put back. */
static void s_take_back (sb_agent_step_t *self, sb_slot_t *slot)
{
    for (uint32_t i = 0; slot->before && i < slot->delta.update.change_count; i++) {
        const sb_change_t *change = &slot->delta.update.changes[i];
        bool is_passed_on = false;
        for (uint64_t later = slot->sequence + 1; !is_passed_on && later < sb_window_next (self->window); later++) {
            sb_slot_t *other = sb_window_at (self->window, later);
            if (!other || !other->before || !sb_text_equal (other->delta.category, slot->delta.category) ||
                !sb_text_equal (other->delta.subject, slot->delta.subject))
                continue;
            for (uint32_t j = 0; !is_passed_on && j < other->delta.update.change_count; j++) {
                if (!sb_text_equal (other->delta.update.changes[j].name, change->name))
                    continue;
                is_passed_on = true;
                /* Unless that one overwrote what was kept in between: it is what the application said last. */
                bool is_next = change->is_delete ? other->before[j].value.kind == SB_VALUE_NONE
                                                 : other->before[j].writer == slot->sequence;
                if (!is_next)
                    continue;
                sb_own_value_clear (&other->before[j]);
                other->before[j] = slot->before[i];
                slot->before[i] = (sb_own_value_t){0};
            }
        }
        if (!is_passed_on)
            sb_own_state_restore (self->state, &slot->delta, change, slot->sequence, &slot->before[i]);
    }
    /* A whole state that was read meanwhile has told the broker what is taken back here: it needs another. */
    if (slot->before && (self->replace.phase == SB_REPLACE_CHUNKS || slot->sequence < self->replace.read_through))
        self->dirty = true;
}

static void s_tell_refused (sb_agent_step_t *self, const sb_slot_t *slot, const sb_refusal_t *refusal, bool kept)
{
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_REFUSED);
    effect->refused.sequence = slot->sequence;
    effect->refused.reason = refusal->reason;
    effect->refused.text = refusal->text.size ? refusal->text : sb_text (sb_reason_info (refusal->reason)->text);
    effect->refused.field = refusal->field;
    effect->refused.retry_after_ms = refusal->retry_after_ms;
    effect->refused.kept = kept;
}

static void s_refused (sb_agent_step_t *self, sb_slot_t *slot, const sb_refusal_t *refusal)
{
    sb_reason_kind_t kind = sb_reason_info (refusal->reason)->kind;
    bool is_of_the_moment = kind == SB_REASON_KIND_ADMISSION || kind == SB_REASON_KIND_BOUND;
    self->refused_by_reason[(uint32_t)refusal->reason < SB_REASON_LIMIT ? refusal->reason : 0]++;
    if (kind == SB_REASON_KIND_ADMISSION)
        sb_levels_hold (self, refusal->reason, refusal->retry_after_ms);
    if (slot->is_replacement) {
        self->replace.phase = SB_REPLACE_NONE;
        self->dirty = true;
        if (kind == SB_REASON_KIND_ADMISSION)
            return; /* nobody's update: it goes out again when it may */
        if (kind == SB_REASON_KIND_CONTENT)
            sb_replacement_refused_content (self);
        else
            sb_replacement_retry_later (self, refusal->retry_after_ms);
        s_tell_refused (self, slot, refusal, true);
        return;
    }
    self->counts.updates_refused++;
    bool kept = is_of_the_moment && !slot->is_event;
    if (kept)
        self->dirty = true;
    if (kept && kind == SB_REASON_KIND_BOUND)
        sb_replacement_retry_later (self, refusal->retry_after_ms);
    if (!is_of_the_moment)
        s_take_back (self, slot);
    s_tell_refused (self, slot, refusal, kept);
}

static void s_accepted (sb_agent_step_t *self, const sb_slot_t *slot)
{
    if (!slot->is_replacement) {
        self->counts.updates_accepted++;
        return;
    }
    self->replace.phase = SB_REPLACE_NONE;
    self->replace.retry_ms = 0;
    self->replace.same_until_ns = 0;
    self->state_known = true;
    self->counts.replacements++;
}

/* Refusals come in order of sequence, so the search goes on where the last one ended. */
static const sb_refusal_t *s_find_refusal (const sb_refusal_t *refused, uint32_t count, uint64_t sequence, uint32_t *at)
{
    for (uint32_t i = 0; i < count; i++) {
        const sb_refusal_t *refusal = &refused[(*at + i) % count];
        if (refusal->sequence == sequence) {
            *at = (*at + i) % count;
            return refusal;
        }
        if (refusal->sequence > sequence && i == 0)
            return NULL;
    }
    return NULL;
}

void sb_delivery_decided (sb_agent_step_t *self, uint64_t decided_through, const sb_refusal_t *refused,
                          uint32_t refused_count)
{
    uint32_t at = 0;
    uint64_t through = 0;
    while (at + 1 < refused_count && refused[at].sequence < sb_window_first (self->window))
        at++;
    while (sb_window_count (self->window) > 0 && sb_window_first (self->window) <= decided_through) {
        sb_slot_t *slot = sb_window_take (self->window);
        const sb_refusal_t *refusal = s_find_refusal (refused, refused_count, slot->sequence, &at);
        if (slot->is_given_up)
            self->counts.updates_refused++;
        else if (refusal)
            s_refused (self, slot, refusal);
        else
            s_accepted (self, slot);
        through = slot->sequence;
        sb_slot_destroy (&slot);
    }
    if (through)
        sb_step_effect (self, SB_AGENT_EFFECT_DECIDED)->decided_through = through;
    if (sb_window_count (self->window) == 0 && decided_through >= sb_window_next (self->window) &&
        decided_through < SB_NUMBER_MAX)
        sb_window_restart (self->window, decided_through + 1);
    if (self->send_next < sb_window_first (self->window))
        self->send_next = sb_window_first (self->window);
}

/* ------------------------------------------------------------------ session */

/* The broker's event categories differ from those assumed so far: what became one leaves the own state, what was
 * taken for one and is none enters it. */
static void s_adopt_event_categories (sb_agent_step_t *self, const sb_welcome_t *welcome)
{
    self->event_category_count = 0;
    for (uint32_t i = 0; i < welcome->event_category_count && i < SB_EVENT_CATEGORIES_MAX; i++) {
        sb_text_t category = welcome->event_categories[i];
        if (category.size == 0 || category.size > SB_CATEGORY_MAX)
            continue;
        char *name = self->event_categories[self->event_category_count++];
        memcpy (name, category.data, category.size);
        name[category.size] = 0;
        sb_own_state_forget_category (self->state, category);
    }
    for (uint64_t sequence = sb_window_first (self->window); sequence < sb_window_next (self->window); sequence++) {
        sb_slot_t *slot = sb_window_at (self->window, sequence);
        if (slot->is_replacement || slot->is_event == s_is_event (self, slot->delta.category))
            continue;
        slot->is_event = !slot->is_event;
        if (!slot->is_event)
            sb_own_state_apply (self->state, &slot->delta, 0, NULL);
    }
}

void sb_delivery_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome)
{
    sb_delivery_decided (self, welcome->decided_through, welcome->refused, welcome->refused_count);
    s_adopt_event_categories (self, welcome);
    sb_own_state_set_times_to_live (self->state, welcome->times_to_live, welcome->time_to_live_count);
    self->send_next = sb_window_first (self->window);
    self->gap_expected = 0;
    self->stalled_levels = 0;
    self->beat_send_next = 0;
    self->state_known = welcome->state_known;
    if (self->replace.phase != SB_REPLACE_NONE)
        self->replace.phase = SB_REPLACE_BEGIN; /* what was sent of it is gone with the old session */
}

void sb_delivery_state_known (sb_agent_step_t *self, bool state_known)
{
    /* While a replacement is under way the level speaks of the time before it. */
    if (self->replace.phase == SB_REPLACE_NONE)
        self->state_known = state_known;
}

void sb_delivery_session_lost (sb_agent_step_t *self)
{
    self->send_next = sb_window_first (self->window);
}

static bool s_is_in_window (const sb_agent_step_t *self, uint64_t sequence)
{
    return sequence >= sb_window_first (self->window) && sequence <= sb_window_next (self->window);
}

void sb_delivery_go_back (sb_agent_step_t *self, uint64_t expected_sequence)
{
    if (!s_is_in_window (self, expected_sequence)) {
        sb_session_lost (self, "the broker expects a sequence that is not in the window", (sb_text_t){NULL, 0});
        return;
    }
    /* Each message that was under way beyond the gap is refused alike: obey the first, once an interval. */
    if (expected_sequence == self->gap_expected && self->now_ns < self->gap_until_ns)
        return;
    self->gap_expected = expected_sequence;
    self->gap_until_ns = self->now_ns + self->interval_ns;
    self->send_next = expected_sequence;
    if (self->replace.phase != SB_REPLACE_NONE && self->replace.sequence >= expected_sequence)
        self->replace.phase = SB_REPLACE_BEGIN;
}

/* A beat later both sides agree: what went out before a beat and is undecided two levels after it was lost on the way.
 * The whole state gets more time, since a broker applies it in slices. */
void sb_delivery_look_for_loss (sb_agent_step_t *self)
{
    enum { PATIENCE_LEVELS = 2, REPLACEMENT_PATIENCE_LEVELS = 5 };
    uint64_t first = sb_window_first (self->window);
    if (first >= self->beat_send_next || first != self->stalled_at) {
        self->stalled_at = first;
        self->stalled_levels = 0;
        return;
    }
    bool is_deciding = self->replace.phase == SB_REPLACE_DECIDING && self->replace.sequence == first;
    if (++self->stalled_levels < (is_deciding ? REPLACEMENT_PATIENCE_LEVELS : PATIENCE_LEVELS))
        return;
    self->stalled_levels = 0;
    sb_delivery_go_back (self, first);
}

void sb_delivery_wait_for_replacement (sb_agent_step_t *self, uint64_t expected_sequence)
{
    if (s_is_in_window (self, expected_sequence) && expected_sequence < self->send_next)
        self->send_next = expected_sequence;
}

/* ------------------------------------------------------------------ sending */

/* A delta that was taken under a larger limit: it goes out empty, which uses up its number, and is given back. */
static void s_give_up (sb_agent_step_t *self, sb_slot_t *slot)
{
    sb_refusal_t refusal = {.reason = SB_REASON_TOO_LARGE, .sequence = slot->sequence};
    self->refused_by_reason[SB_REASON_TOO_LARGE]++;
    s_take_back (self, slot);
    s_tell_refused (self, slot, &refusal, false);
    for (uint32_t i = 0; slot->before && i < slot->delta.update.change_count; i++)
        sb_own_value_clear (&slot->before[i]);
    slot->before = NULL;
    slot->is_given_up = true;
    slot->delta.update.change_count = 0;
    slot->wire_bytes = SB_MESSAGE_OVERHEAD_BYTES / 2;
}

/* How many more may be on the way: the broker remembers what it refused of max_unacked. The window may hold more, taken
 * before that limit was known. */
static uint32_t s_room (const sb_agent_step_t *self)
{
    uint64_t under_way = self->send_next - sb_window_first (self->window);
    return under_way < self->limits.max_unacked ? self->limits.max_unacked - (uint32_t)under_way : 0;
}

/* Deltas from send_next on that go into one message: as many as fit, no update_batch cut in two. */
static uint32_t s_batch_count (const sb_agent_step_t *self)
{
    uint32_t count = 0, whole = 0, most = s_room (self);
    uint64_t bytes = 0;
    if (most > SB_CHANGES_MAX)
        most = SB_CHANGES_MAX;
    for (uint64_t sequence = self->send_next; count < most; sequence++) {
        const sb_slot_t *slot = sb_window_at (self->window, sequence);
        if (!slot || slot->is_replacement || bytes + slot->wire_bytes > sb_step_payload_max (self))
            break;
        bytes += slot->wire_bytes;
        count++;
        if (slot->group_left == 0)
            whole = count;
    }
    return whole ? whole : count;
}

static void s_send_batch (sb_agent_step_t *self)
{
    uint32_t count = s_batch_count (self);
    if (count == 0) {
        s_give_up (self, sb_window_at (self->window, self->send_next));
        count = 1;
    }
    sb_delta_t *deltas = sb_step_take (self, count * sizeof *deltas);
    for (uint32_t i = 0; i < count; i++)
        deltas[i] = sb_window_at (self->window, self->send_next + i)->delta;
    sb_batch_t *batch = &sb_step_send (self, SB_AGENT_MESSAGE_BATCH)->batch;
    batch->deltas = deltas;
    batch->delta_count = count;
    self->send_next += count;
    if (self->send_next > self->sent_before) {
        uint64_t first_new = self->send_next - count > self->sent_before ? self->send_next - count : self->sent_before;
        self->counts.updates_sent += self->send_next - first_new;
        self->sent_before = self->send_next;
    }
    sb_levels_hold_after_probe (self);
}

/* True when the slot at send_next may go out now. */
static bool s_may_send_next (const sb_agent_step_t *self)
{
    const sb_slot_t *slot = sb_window_at (self->window, self->send_next);
    if (!slot)
        return false;
    uint32_t most = self->limits.max_unacked;
    if (s_room (self) < (slot->group_left < most ? slot->group_left + 1 : most))
        return false;
    bool is_deciding = self->replace.phase == SB_REPLACE_DECIDING;
    return slot->is_replacement ? !is_deciding : !is_deciding || self->send_next < self->replace.sequence;
}

bool sb_delivery_has_work (const sb_agent_step_t *self)
{
    return self->link == SB_LINK_SESSION && (s_may_send_next (self) || sb_replacement_may_begin (self));
}

void sb_delivery_flush (sb_agent_step_t *self)
{
    if (sb_replacement_may_begin (self))
        sb_replacement_begin (self);
    while (s_may_send_next (self)) {
        if (sb_window_at (self->window, self->send_next)->is_replacement) {
            sb_replacement_send (self);
            return; /* the rest of it in the next step; what follows waits for its decision */
        }
        s_send_batch (self);
    }
}

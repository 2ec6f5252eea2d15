/* SPDX-License-Identifier: MPL-2.0
 *
 * Decisions: which sequence is expected, what was refused, and the acks that say so.
 *
 * "Decided" is one number an agent; refusals are remembered as runs of neighbours with one reason, so that a repeat
 * gets its first decision again. Acks are noted and leave together at the end of a turn; a refusal's details
 * wait in a bounded table of notes, and when that is full the ack leaves sooner. A repeat costs a binary search.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

enum { RUNS_FIRST = 8 };

/* ---- runs of refusals */

static void s_drop_oldest_run (sb_agent_record_t *agent)
{
    agent->refused_count--;
    memmove (agent->refused_runs, agent->refused_runs + 1, agent->refused_count * sizeof *agent->refused_runs);
}

bool sb_decide_reserve_runs (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->refused_capacity)
        return true;
    agent->refused_runs = sb_blob_take (&self->values, RUNS_FIRST * sizeof *agent->refused_runs);
    agent->refused_capacity = agent->refused_runs ? RUNS_FIRST : 0;
    return agent->refused_runs != NULL;
}

/* Doubles the room for runs within max_unacked, or drops the oldest half where that cannot be. */
static void s_make_run_room (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->refused_count < agent->refused_capacity)
        return;
    uint32_t capacity = agent->refused_capacity * 2;
    if (capacity > self->config.max_unacked)
        capacity = self->config.max_unacked;
    sb_refused_run_t *runs = NULL;
    if (agent->refused_capacity < self->config.max_unacked)
        runs = sb_blob_take (&self->values, capacity * sizeof *runs);
    if (runs) {
        memcpy (runs, agent->refused_runs, agent->refused_count * sizeof *runs);
        sb_blob_give (&self->values, agent->refused_runs, agent->refused_capacity * sizeof *runs);
        agent->refused_runs = runs;
        agent->refused_capacity = capacity;
        return;
    }
    uint32_t kept = agent->refused_count / 2;
    memmove (agent->refused_runs, agent->refused_runs + agent->refused_count - kept, kept * sizeof *runs);
    agent->refused_count = kept;
}

static void s_remember (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_reason_t reason)
{
    if (agent->refused_count) {
        sb_refused_run_t *last = &agent->refused_runs[agent->refused_count - 1];
        if (last->reason == (uint16_t)reason && last->last + 1 == sequence) {
            last->last = sequence;
            return;
        }
    }
    if (agent->refused_count && sequence - agent->refused_runs[0].last > UINT64_C (4) * self->config.max_unacked)
        s_drop_oldest_run (agent);
    s_make_run_room (self, agent);
    agent->refused_runs[agent->refused_count++] = (sb_refused_run_t){sequence, sequence, (uint16_t)reason};
}

void sb_decide_drop_runs (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_blob_give (&self->values, agent->refused_runs, agent->refused_capacity * sizeof *agent->refused_runs);
    agent->refused_runs = NULL;
    agent->refused_count = agent->refused_capacity = 0;
}

/* The first run that ends at or after `sequence`; refused_count when there is none. */
static uint32_t s_run_from (const sb_agent_record_t *agent, uint64_t sequence)
{
    uint32_t low = 0, high = agent->refused_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (agent->refused_runs[middle].last < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Why `sequence` was refused, or NONE. */
static sb_reason_t s_first_decision (const sb_agent_record_t *agent, uint64_t sequence)
{
    uint32_t number = s_run_from (agent, sequence);
    if (number == agent->refused_count || agent->refused_runs[number].first > sequence)
        return SB_REASON_NONE;
    return (sb_reason_t)agent->refused_runs[number].reason;
}

/* How long to wait before a delta has a chance, as of now. */
static uint32_t s_retry_after_ms (const sb_core_t *self, const sb_agent_record_t *agent, sb_reason_t reason)
{
    if (reason != SB_REASON_BREAKER_OPEN)
        return 0;
    sb_breaker_status_t status;
    sb_control_breaker_status (self, agent, &status);
    return status.retry_after_ms;
}

uint32_t sb_decide_refusals (sb_core_t *self, const sb_agent_record_t *agent, uint64_t above,
                             const sb_refusal_t **refusals)
{
    uint32_t from = s_run_from (agent, above + 1), count = 0;
    uint32_t limit = self->config.max_unacked;
    for (uint32_t i = from; i < agent->refused_count; i++) {
        uint64_t length = agent->refused_runs[i].last - agent->refused_runs[i].first + 1;
        count = length > limit - count ? limit : count + (uint32_t)length;
    }
    sb_refusal_t *items = sb_core_take (self, count * sizeof *items);
    uint32_t left = count; /* filled from the newest backwards: the last max_unacked count */
    for (uint32_t i = agent->refused_count; i > from && left > 0; i--) {
        const sb_refused_run_t *run = &agent->refused_runs[i - 1];
        for (uint64_t sequence = run->last; sequence >= run->first && sequence > above && left > 0; sequence--) {
            sb_refusal_t *item = &items[--left];
            item->reason = (sb_reason_t)run->reason;
            item->sequence = sequence;
            item->retry_after_ms = s_retry_after_ms (self, agent, item->reason);
        }
    }
    *refusals = items + left;
    return count - left;
}

/* ---- acks */

void sb_decide_want_ack (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->ack_pending)
        return;
    agent->ack_pending = true;
    agent->ack_next = 0;
    if (self->ack_last)
        sb_agent_at (self, self->ack_last)->ack_next = agent->slot;
    else
        self->ack_first = agent->slot;
    self->ack_last = agent->slot;
}

void sb_decide_drop_notes (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->first_note) {
        self->notes[agent->last_note - 1].next = self->free_note;
        self->free_note = agent->first_note;
    }
    agent->first_note = agent->last_note = 0;
    agent->note_count = 0;
}

/* Emits the agent's ack and drops its notes. */
static void s_emit_ack (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_refusal_t *refused = sb_core_take (self, agent->note_count * sizeof *refused);
    uint32_t count = 0;
    for (uint32_t number = agent->first_note; number; number = self->notes[number - 1].next) {
        const sb_note_t *note = &self->notes[number - 1];
        sb_refusal_t *refusal = &refused[count++];
        refusal->reason = (sb_reason_t)note->reason;
        refusal->text = sb_text (sb_reason_info (refusal->reason)->text);
        refusal->sequence = note->sequence;
        refusal->field = sb_core_copy (self, (sb_text_t){note->field, note->field_size});
        refusal->retry_after_ms = note->retry_after_ms;
    }
    if (agent->peer) {
        sb_broker_message_t *message = sb_core_add_send (self, agent->peer);
        message->kind = SB_BROKER_MESSAGE_ACK;
        message->ack = (sb_ack_t){agent->decided_through, refused, count};
    }
    sb_decide_drop_notes (self, agent);
}

void sb_decide_flush (sb_core_t *self)
{
    while (self->ack_first) {
        sb_agent_record_t *agent = sb_agent_at (self, self->ack_first);
        self->ack_first = agent->ack_next;
        agent->ack_pending = false;
        s_emit_ack (self, agent);
    }
    self->ack_last = 0;
}

/* Notes a refusal for the next ack. */
static void s_note (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_reason_t reason, sb_text_t field,
                    uint32_t retry_after_ms)
{
    if (agent->note_count == SB_NOTES_AGENT_MAX)
        s_emit_ack (self, agent);
    if (!self->free_note)
        sb_decide_flush (self);
    uint32_t number = self->free_note;
    assert (number);
    sb_note_t *note = &self->notes[number - 1];
    self->free_note = note->next;
    note->next = 0;
    note->sequence = sequence;
    note->reason = (uint16_t)reason;
    note->retry_after_ms = retry_after_ms;
    note->field_size = (uint8_t)(field.size > SB_FIELD_NAME_MAX ? SB_FIELD_NAME_MAX : field.size);
    if (note->field_size)
        memcpy (note->field, field.data, note->field_size);
    if (agent->last_note)
        self->notes[agent->last_note - 1].next = number;
    else
        agent->first_note = number;
    agent->last_note = number;
    agent->note_count++;
    sb_decide_want_ack (self, agent);
}

/* ---- decisions */

/* Tells the agent, once a message, that its sequence decides nothing. */
static void s_tell (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_reason_t reason, uint64_t expected,
                    sb_message_state_t *state)
{
    self->refusals[reason]++;
    if (state->told == reason)
        return;
    state->told = reason;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_REFUSAL};
    message.refusal = (sb_refusal_t){.reason = reason,
                                     .text = sb_text (sb_reason_info (reason)->text),
                                     .sequence = sequence,
                                     .expected_sequence = expected};
    sb_core_emit_send (self, agent->peer, &message);
}

static void s_answer_repeat (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence)
{
    sb_core_counter_add (self, SB_COUNTER_deltas_repeated, 1);
    sb_reason_t reason = s_first_decision (agent, sequence);
    if (reason == SB_REASON_NONE)
        sb_decide_want_ack (self, agent);
    else
        s_note (self, agent, sequence, reason, (sb_text_t){NULL, 0}, s_retry_after_ms (self, agent, reason));
}

void sb_decide_answer (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_message_state_t *message)
{
    uint64_t expected = agent->decided_through + 1;
    if (sequence == 0 || sequence > SB_NUMBER_MAX) {
        s_tell (self, agent, sequence, SB_REASON_BAD_SEQUENCE, expected, message);
        sb_control_failure (self, agent, "BAD_SEQUENCE");
    } else if (sequence < expected)
        s_answer_repeat (self, agent, sequence);
    else if (sb_replace_is_applying (agent)) {
        uint64_t next = agent->stage.instance_id == agent->instance_id ? expected + 1 : expected;
        if (sequence >= next) /* a repeat of the replacement itself is answered when it is decided */
            s_tell (self, agent, sequence, SB_REASON_REPLACE_PENDING, next, message);
    } else {
        s_tell (self, agent, sequence, SB_REASON_SEQUENCE_GAP, expected, message);
        if (!agent->in_gap)
            sb_control_failure (self, agent, "SEQUENCE_GAP");
        agent->in_gap = true;
    }
}

void sb_decide_refuse (sb_core_t *self, sb_agent_record_t *agent, uint64_t sequence, sb_reason_t reason,
                       sb_text_t field, uint32_t retry_after_ms, sb_message_state_t *message)
{
    assert (sequence == agent->decided_through + 1);
    const sb_reason_info_t *info = sb_reason_info (reason);
    s_note (self, agent, sequence, reason, field,
            retry_after_ms); /* first: an ack that it pushes out must not cover it */
    agent->decided_through = sequence;
    agent->refused_total++;
    self->refusals[reason]++;
    s_remember (self, agent, sequence, reason);
    if (info->kind != SB_REASON_KIND_CONTENT)
        agent->needs_replacement = true;
    if (info->is_failure)
        sb_control_failure (self, agent, info->name);
    else
        sb_control_void_probe (self, agent, self->message_number);
    if (message->logged == reason)
        return;
    message->logged = reason;
    sb_text_t text =
        sb_core_format (self, "delta %llu refused%s%.*s: %s", (unsigned long long)sequence,
                        field.size ? ", field " : "", (int)field.size, field.size ? field.data : "", info->text);
    sb_core_emit_log (self, info->severity, "REFUSED", sb_core_agent_id (agent), reason, text);
}

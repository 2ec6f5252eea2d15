/* SPDX-License-Identifier: MPL-2.0
 *
 * What the broker owes each instance of an agent. Each sequence that arrives gets an entry. A publication names the
 * sequence that it carries: it must be one that is arriving now, with what was sent, all of it, in order, and
 * once. Where the broker says "decided through", each sequence up to there was refused by name, or was applied, or had
 * nothing new in it; deltas that come in order are decided in their step, and of gathered messages one alone is a
 * probe. The core is asked for no more than what it has decided, and for the state of a breaker. O(changes) a message.
 */
#include "sim_checker.h"

#include "core_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

sim_ledger_t *sim_session_ledger (sim_checker_t *checker, uint64_t peer)
{
    for (uint32_t i = 0; i < checker->session_count; i++)
        if (checker->sessions[i].peer == peer)
            return checker->sessions[i].ledger;
    return NULL;
}

static void s_bind (sim_checker_t *checker, uint64_t peer, sim_ledger_t *ledger)
{
    for (uint32_t i = checker->session_count; i > 0; i--) /* one connection an agent, one agent a connection */
        if (checker->sessions[i - 1].peer == peer || checker->sessions[i - 1].ledger->agent == ledger->agent)
            checker->sessions[i - 1] = checker->sessions[--checker->session_count];
    if (checker->session_count == checker->session_capacity) {
        checker->session_capacity = checker->session_capacity * 2 + 16;
        checker->sessions = realloc (checker->sessions, checker->session_capacity * sizeof *checker->sessions);
        assert (checker->sessions);
    }
    checker->sessions[checker->session_count++] = (sim_session_t){peer, ledger};
}

/* Of one agent (or, with -1, of all) everything is forgotten. */
static void s_forget (sim_checker_t *checker, int32_t agent)
{
    for (uint32_t i = checker->session_count; i > 0; i--)
        if (agent < 0 || checker->sessions[i - 1].ledger->agent == (uint32_t)agent)
            checker->sessions[i - 1] = checker->sessions[--checker->session_count];
    for (sim_ledger_t **place = &checker->ledgers; *place;) {
        sim_ledger_t *ledger = *place;
        if (agent >= 0 && ledger->agent != (uint32_t)agent) {
            place = &ledger->next;
            continue;
        }
        *place = ledger->next;
        free (ledger->entries);
        free (ledger->staged);
        free (ledger);
    }
}

void sim_ledger_free (sim_checker_t *checker)
{
    s_forget (checker, -1);
}

/* ------------------------------------------------------------------ what arrives */

/* The entry of a sequence that arrives; NULL for one that comes too early to be decided. */
static sim_entry_t *s_arrive (sim_ledger_t *ledger, uint64_t sequence)
{
    if (sequence <= ledger->base || sequence > ledger->base + ledger->count + 1)
        return NULL;
    uint64_t place = sequence - ledger->base - 1;
    if (place == ledger->count) {
        if (ledger->count == ledger->capacity) {
            ledger->capacity = ledger->capacity * 2 + 64;
            ledger->entries = realloc (ledger->entries, ledger->capacity * sizeof *ledger->entries);
            assert (ledger->entries);
        }
        ledger->entries[ledger->count++] = (sim_entry_t){0};
    }
    return &ledger->entries[place];
}

static sb_text_t s_category_of (const sb_delta_t *delta, sb_text_t name)
{
    if (delta->category.size)
        return delta->category;
    return sb_text (name.data[0] == 'x' ? "technical" : "uncategorized");
}

static sim_topic_t *s_topic_of (sim_t *self, uint32_t agent, const sb_delta_t *delta, sb_text_t name)
{
    char text[2 * SB_TOPIC_MAX];
    sb_text_t parts[3] = {s_category_of (delta, name), sim_name (self, agent), delta->subject};
    uint32_t size = 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (parts[i].size)
            memcpy (text + size, parts[i].data, parts[i].size);
        size += parts[i].size;
        if (i < 2)
            text[size++] = '.';
    }
    assert (size <= SB_TOPIC_MAX);
    return sim_topic_at (self->checker, (sb_text_t){text, size});
}

static void s_stage (sim_t *self, sim_ledger_t *ledger, const sb_replace_chunk_t *chunk)
{
    for (uint32_t i = 0; ledger->agent < self->agent_count && i < chunk->topic_count; i++) {
        const sb_delta_t *delta = &chunk->topics[i];
        for (uint32_t j = 0; j < delta->update.change_count; j++) {
            sb_text_t name = delta->update.changes[j].name;
            sim_expiry_stage (ledger, s_topic_of (self, ledger->agent, delta, name), name, delta->time_to_live_ms);
        }
    }
}

/* A whole state is being applied in slices: the core turns away another one, and so does the model. */
static bool s_is_applying (const sim_t *self, const sim_ledger_t *ledger)
{
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, ledger->agent));
    return record && record->stage.state >= SB_STAGE_APPLY;
}

/* A batch comes in: whether it is tried, and through where it must be decided. */
static void s_expect (sim_t *self, const sb_event_t *event, const sim_ledger_t *ledger)
{
    sim_checker_t *checker = self->checker;
    const sb_batch_t *batch = &event->message.message->batch;
    const sb_agent_record_t *record = sb_core_find_peer (self->core, event->message.peer);
    checker->batch_counts = event->message.delta_counts;
    checker->batch_is_tried = record && record->breaker.state == SB_BREAKER_HALF_OPEN;
    checker->batch_probe = 0;
    checker->batch_due = 0;
    if (!record || s_is_applying (self, ledger))
        return;
    checker->batch_due = record->decided_through;
    for (uint32_t i = 0; i < batch->delta_count && checker->batch_due < SB_NUMBER_MAX; i++)
        checker->batch_due += batch->deltas[i].update.sequence == checker->batch_due + 1;
}

/* The next delta of the batch was written while its agent is tried: so may be those that came with it alone. */
static void s_check_probe (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    uint32_t first = 0;
    for (uint32_t i = 0; checker->batch_counts && first + checker->batch_counts[i] <= checker->batch_place; i++)
        first += checker->batch_counts[i];
    self->checks++;
    if (checker->batch_probe && checker->batch_probe != first + 1)
        sim_fail (self, "%s is tried with two messages at once", self->names[checker->batch_ledger->agent]);
    checker->batch_probe = first + 1;
}

void sim_ledger_before (sim_t *self, const sb_event_t *event)
{
    sim_checker_t *checker = self->checker;
    checker->batch = NULL;
    if (event->kind != SB_EVENT_MESSAGE)
        return;
    const sb_agent_message_t *message = event->message.message;
    if (message->kind == SB_AGENT_MESSAGE_REGISTRATION) {
        int32_t agent = sim_agent_of (self, message->registration.agent_id);
        if (agent >= 0 && !sb_core_find_agent (self->core, message->registration.agent_id)) {
            s_forget (checker, agent); /* its record was given up: it begins anew */
            checker->models[agent].is_known = false;
        }
        return;
    }
    sim_ledger_t *ledger = sim_session_ledger (checker, event->message.peer);
    if (!ledger)
        return;
    if (message->kind == SB_AGENT_MESSAGE_BATCH) {
        s_expect (self, event, ledger);
        checker->batch = &message->batch;
        checker->batch_ledger = ledger;
        checker->batch_place = 0;
        checker->batch_has_written = false;
        const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, ledger->agent));
        checker->batch_decided = record ? record->decided_through : 0;
        for (uint32_t i = 0; i < message->batch.delta_count; i++)
            s_arrive (ledger, message->batch.deltas[i].update.sequence);
    } else if (message->kind == SB_AGENT_MESSAGE_REPLACE_BEGIN) {
        if (!s_is_applying (self, ledger))
            sim_expiry_begin (ledger);
    } else if (message->kind == SB_AGENT_MESSAGE_REPLACE_CHUNK) {
        if (sim_expiry_is_on (self) && !s_is_applying (self, ledger))
            s_stage (self, ledger, &message->replace_chunk);
    } else if (message->kind == SB_AGENT_MESSAGE_REPLACE_END) {
        if (!ledger->staged_sequence && ledger->staged_count) {
            ledger->staged_sequence = message->replace_end.sequence;
            ledger->staged_ns = self->now_ns;
        }
        sim_entry_t *entry = s_arrive (ledger, message->replace_end.sequence);
        bool may_pass = !sim_checker_is_paused (self, ledger->agent) && !sim_checker_is_isolated (self, ledger->agent);
        if (entry && may_pass)
            entry->is_replacement = true;
    }
}

/* The delta stands in the copy, whole; for an event there is nothing to look at. */
static bool s_stands (sim_t *self, const sb_delta_t *delta)
{
    for (uint32_t i = 0; i < delta->update.change_count; i++) {
        const sb_change_t *change = &delta->update.changes[i];
        const sim_topic_t *topic = s_topic_of (self, self->checker->batch_ledger->agent, delta, change->name);
        const sim_field_t *field = sim_topic_find (topic, change->name);
        self->checks++;
        if (change->is_delete ? field != NULL : !field || !sim_field_has (field, &change->value))
            return false;
    }
    return true;
}

bool sim_was_refused (const sb_agent_record_t *record, uint64_t sequence)
{
    for (uint32_t i = record->refused_count; i > 0; i--)
        if (sequence >= record->refused_runs[i - 1].first && sequence <= record->refused_runs[i - 1].last)
            return true;
    return false;
}

/* Its fields begin to live anew, those that did not change too. */
static void s_begin_to_live (sim_t *self, const sb_delta_t *delta, bool has_written)
{
    const sim_ledger_t *ledger = self->checker->batch_ledger;
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, ledger->agent));
    uint64_t sequence = delta->update.sequence;
    bool is_accepted = has_written || (record && record->decided_through >= sequence &&
                                       sequence > self->checker->batch_decided && !sim_was_refused (record, sequence));
    for (uint32_t i = 0; is_accepted && i < delta->update.change_count; i++) {
        const sb_change_t *change = &delta->update.changes[i];
        const sim_topic_t *topic = s_topic_of (self, ledger->agent, delta, change->name);
        sim_field_t *field = change->is_delete ? NULL : sim_topic_find (topic, change->name);
        if (field)
            sim_expiry_written (self, topic, field, delta->time_to_live_ms);
    }
}

/* The next delta of the batch is done with. */
static void s_finish_delta (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    if (checker->batch_has_written && checker->batch_is_tried)
        s_check_probe (self);
    const sb_delta_t *delta = &checker->batch->deltas[checker->batch_place++];
    uint64_t sequence = delta->update.sequence;
    sim_ledger_t *ledger = checker->batch_ledger;
    bool has_written = checker->batch_has_written;
    checker->batch_has_written = false;
    if (sequence <= ledger->base || sequence > ledger->base + ledger->count)
        return;
    sim_entry_t *entry = &ledger->entries[sequence - ledger->base - 1];
    bool is_event = sim_text_is (delta->category, "trades");
    bool stands = delta->fault == SB_REASON_NONE && delta->update.change_count && !is_event && s_stands (self, delta);
    if ((has_written || stands) && sim_expiry_is_on (self))
        s_begin_to_live (self, delta, has_written);
    if (has_written) {
        if (entry->is_applied)
            sim_fail (self, "%s: sequence %" PRIu64 " is applied twice", self->names[ledger->agent], sequence);
        if (!is_event && !stands)
            sim_fail (self, "%s: sequence %" PRIu64 " is applied in part", self->names[ledger->agent], sequence);
        entry->is_applied = true;
    } else if (stands && !sim_checker_is_paused (self, ledger->agent) &&
               !sim_checker_is_isolated (self, ledger->agent)) {
        entry->is_nothing = true;
    }
}

static const sb_change_t *s_find_change (const sb_delta_t *delta, sb_text_t name)
{
    for (uint32_t i = 0; i < delta->update.change_count; i++)
        if (sb_text_equal (delta->update.changes[i].name, name))
            return &delta->update.changes[i];
    return NULL;
}

/* A published update of an agent's own, before it goes into the copy. */
void sim_ledger_write (sim_t *self, const sim_topic_t *topic, const sb_update_t *update)
{
    sim_checker_t *checker = self->checker;
    if (!checker->batch || (int32_t)checker->batch_ledger->agent != topic->agent)
        sim_fail (self, "a write that nobody sent: %s %" PRIu64, topic->text, update->sequence);
    sim_ledger_t *ledger = checker->batch_ledger;
    while (checker->batch_place < checker->batch->delta_count &&
           checker->batch->deltas[checker->batch_place].update.sequence != update->sequence)
        s_finish_delta (self);
    if (checker->batch_place == checker->batch->delta_count)
        sim_fail (self, "a write out of order: %s %" PRIu64, topic->text, update->sequence);
    if (update->sequence < ledger->last_written)
        sim_fail (self, "%s: sequence %" PRIu64 " after %" PRIu64, topic->text, update->sequence, ledger->last_written);
    if (update->sequence > ledger->base + ledger->count)
        sim_fail (self, "%s: sequence %" PRIu64 " has skipped some", topic->text, update->sequence);
    ledger->last_written = update->sequence;
    checker->batch_has_written = true;
    const sb_delta_t *delta = &checker->batch->deltas[checker->batch_place];
    for (uint32_t i = 0; i < update->change_count; i++) {
        const sb_change_t *change = &update->changes[i];
        const sb_change_t *sent = s_find_change (delta, change->name);
        self->checks++;
        if (!sent || sent->is_delete != change->is_delete)
            sim_fail (self, "%s: a change that nobody sent, of sequence %" PRIu64, topic->text, update->sequence);
        const sim_field_t *field = sim_topic_find (topic, change->name);
        bool is_same = change->is_delete ? !field : field && sim_field_has (field, &change->value);
        if (!topic->is_event && is_same)
            sim_fail (self, "%s: published without a change, sequence %" PRIu64, topic->text, update->sequence);
    }
}

void sim_ledger_after (sim_t *self, const sb_event_t *event)
{
    sim_checker_t *checker = self->checker;
    if (!checker->batch)
        return;
    while (checker->batch_place < checker->batch->delta_count)
        s_finish_delta (self);
    checker->batch = NULL;
    const sb_agent_record_t *record = sb_core_find_peer (self->core, event->message.peer);
    self->checks++;
    if (checker->batch_due && (!record || record->decided_through != checker->batch_due))
        sim_fail (self, "%s: deltas through %" PRIu64 " came in order, decided are those through %" PRIu64,
                  self->names[checker->batch_ledger->agent], checker->batch_due, record ? record->decided_through : 0);
}

/* ------------------------------------------------------------------ what is promised */

static void s_decided (sim_t *self, sim_ledger_t *ledger, uint64_t decided_through, const sb_refusal_t *refused,
                       uint32_t refused_count)
{
    const char *name = self->names[ledger->agent];
    for (uint32_t i = 0; i < refused_count; i++) {
        uint64_t sequence = refused[i].sequence;
        if (sequence <= ledger->base || sequence > ledger->base + ledger->count)
            continue;
        sim_entry_t *entry = &ledger->entries[sequence - ledger->base - 1];
        if (entry->is_applied)
            sim_fail (self, "%s: sequence %" PRIu64 " is refused, and was applied", name, sequence);
        entry->is_refused = true;
        sb_reason_kind_t kind = sb_reason_info (refused[i].reason)->kind;
        bool is_behind = kind == SB_REASON_KIND_ADMISSION || kind == SB_REASON_KIND_BOUND;
        if (is_behind && sequence > ledger->last_unknown)
            ledger->last_unknown = sequence;
    }
    if (self->canary == SIM_CANARY_ack && decided_through > ledger->base && sim_canary (self, SIM_CANARY_ack))
        decided_through = ledger->base + ledger->count + 1;
    if (decided_through < ledger->decided_through)
        sim_fail (self, "%s: decided through %" PRIu64 " after %" PRIu64, name, decided_through,
                  ledger->decided_through);
    for (uint64_t sequence = ledger->decided_through + 1; sequence <= decided_through; sequence++) {
        self->checks++;
        if (sequence > ledger->base + ledger->count)
            sim_fail (self, "%s: sequence %" PRIu64 " is decided and never came", name, sequence);
        const sim_entry_t *entry = &ledger->entries[sequence - ledger->base - 1];
        /* Who has more undecided than max_unacked allows is told of the last refusals alone. */
        if (ledger->agent >= self->agent_count && decided_through - sequence >= self->config.max_unacked)
            continue;
        if (!entry->is_refused && !entry->is_applied && !entry->is_nothing && !entry->is_replacement)
            sim_fail (self, "%s: sequence %" PRIu64 " is acked and was not applied", name, sequence);
        if (entry->is_replacement && !entry->is_refused)
            ledger->last_whole = sequence;
    }
    ledger->decided_through = decided_through;
}

/* The level: what was refused is missing until a whole state has come after it. */
static void s_check_level (sim_t *self, const sim_ledger_t *ledger, bool state_known)
{
    self->checks++;
    if (state_known && ledger->last_unknown > ledger->last_whole)
        sim_fail (self, "%s: its state is called known, and sequence %" PRIu64 " was refused",
                  self->names[ledger->agent], ledger->last_unknown);
}

static void s_welcomed (sim_t *self, const sb_event_t *event, uint64_t peer, const sb_welcome_t *welcome)
{
    sim_checker_t *checker = self->checker;
    if (event->kind != SB_EVENT_MESSAGE || event->message.message->kind != SB_AGENT_MESSAGE_REGISTRATION)
        sim_fail (self, "a Welcome that nobody asked for");
    const sb_registration_t *registration = &event->message.message->registration;
    int32_t agent = sim_agent_of (self, registration->agent_id);
    assert (agent >= 0);
    sim_ledger_t *ledger = checker->ledgers;
    while (ledger && !(ledger->agent == (uint32_t)agent && ledger->instance == registration->instance_id))
        ledger = ledger->next;
    bool is_new = !ledger;
    if (is_new) {
        ledger = calloc (1, sizeof *ledger);
        assert (ledger);
        *ledger = (sim_ledger_t){.next = checker->ledgers, .agent = (uint32_t)agent};
        ledger->instance = registration->instance_id;
        checker->ledgers = ledger;
        ledger->base = ledger->decided_through = welcome->decided_through;
    }
    s_bind (checker, peer, ledger);
    checker->models[agent].heard_ns = self->now_ns;
    checker->models[agent].late_ns = 0;
    s_decided (self, ledger, welcome->decided_through, welcome->refused, welcome->refused_count);
    s_check_level (self, ledger, welcome->state_known);
}

void sim_ledger_sent (sim_t *self, const sb_event_t *event, uint64_t peer, const sb_broker_message_t *message)
{
    if (message->kind == SB_BROKER_MESSAGE_WELCOME) {
        s_welcomed (self, event, peer, &message->welcome);
        return;
    }
    sim_ledger_t *ledger = sim_session_ledger (self->checker, peer);
    if (message->kind == SB_BROKER_MESSAGE_ACK) {
        if (!ledger)
            sim_fail (self, "an Ack to a connection without a session");
        s_decided (self, ledger, message->ack.decided_through, message->ack.refused, message->ack.refused_count);
    } else if (message->kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK) {
        if (!ledger)
            sim_fail (self, "a HeartbeatAck to a connection without a session");
        /* Refusals are repeated above what the agent says to have heard: one that lies gets what it asked for. */
        bool is_lie = event->kind == SB_EVENT_MESSAGE && event->message.message->kind == SB_AGENT_MESSAGE_HEARTBEAT &&
                      event->message.message->heartbeat.decided_through > ledger->decided_through;
        if (is_lie)
            return;
        s_decided (self, ledger, message->heartbeat_ack.decided_through, message->heartbeat_ack.refused,
                   message->heartbeat_ack.refused_count);
        s_check_level (self, ledger, message->heartbeat_ack.state_known);
    }
}

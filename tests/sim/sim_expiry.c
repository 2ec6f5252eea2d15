/* SPDX-License-Identifier: MPL-2.0
 *
 * A model of expiry: when each field has to go, from what was sent and decided. Any accepted write that names a field
 * begins its time anew, also one that changes nothing; a whole state does so for what it holds, at some moment between
 * its arrival and its decision. A field goes at that time, by a delete with cause EXPIRED: not before, and not after
 * the next tick that leaves nothing to do. Fields of agents that lie are left out.
 */
#include "sim_checker.h"

#include "core_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A field of a whole state that has arrived and is not decided. */
typedef struct sim_staged {
    sim_topic_t *topic;
    uint32_t time_to_live_ms;
    char name[SB_FIELD_NAME_MAX + 1];
} s_staged_t;

bool sim_expiry_is_on (const sim_t *self)
{
    return self->options.ttl_percent || self->options.ttl_category_ms;
}

static uint32_t s_time_to_live (const sim_t *self, const sim_topic_t *topic, uint32_t asked_ms)
{
    bool is_status = strncmp (topic->text, "status.", 7) == 0;
    return asked_ms ? asked_ms : is_status ? self->options.ttl_category_ms : 0;
}

static void s_set (sim_t *self, sim_field_t *field, uint32_t time_to_live_ms, uint64_t soonest_ns)
{
    field->expires_ns = time_to_live_ms ? soonest_ns + time_to_live_ms * SIM_MS : 0;
    field->gone_ns = time_to_live_ms ? self->now_ns + time_to_live_ms * SIM_MS : 0;
    if (field->gone_ns && field->gone_ns < self->checker->expiry_next_ns)
        self->checker->expiry_next_ns = field->gone_ns;
}

void sim_expiry_written (sim_t *self, const sim_topic_t *topic, sim_field_t *field, uint32_t asked_ms)
{
    s_set (self, field, s_time_to_live (self, topic, asked_ms), self->now_ns);
}

/* ------------------------------------------------------------------ whole states */

void sim_expiry_begin (sim_ledger_t *ledger)
{
    ledger->staged_count = 0;
    ledger->staged_sequence = 0;
}

void sim_expiry_stage (sim_ledger_t *ledger, sim_topic_t *topic, sb_text_t name, uint32_t asked_ms)
{
    if (ledger->staged_count == ledger->staged_capacity) {
        ledger->staged_capacity = ledger->staged_capacity * 2 + 64;
        ledger->staged = realloc (ledger->staged, ledger->staged_capacity * sizeof *ledger->staged);
        assert (ledger->staged);
    }
    s_staged_t *staged = &ledger->staged[ledger->staged_count++];
    *staged = (s_staged_t){topic, asked_ms, ""};
    memcpy (staged->name, name.data, name.size);
}

/* Published by a whole state: it begins to live now. */
void sim_expiry_replaced (sim_t *self, const sim_topic_t *topic, sim_field_t *field)
{
    for (sim_ledger_t *ledger = self->checker->ledgers; ledger; ledger = ledger->next)
        for (uint32_t i = 0; topic->agent == (int32_t)ledger->agent && i < ledger->staged_count; i++)
            if (ledger->staged[i].topic == topic && strcmp (ledger->staged[i].name, field->name) == 0)
                sim_expiry_written (self, topic, field, ledger->staged[i].time_to_live_ms);
}

static void s_resolve (sim_t *self, sim_ledger_t *ledger)
{
    const sb_agent_record_t *record = sb_core_find_agent (self->core, sim_name (self, ledger->agent));
    if (!record || record->instance_id != ledger->instance || record->decided_through < ledger->staged_sequence)
        return;
    bool is_accepted = !sim_was_refused (record, ledger->staged_sequence);
    for (uint32_t i = 0; is_accepted && i < ledger->staged_count; i++) {
        const s_staged_t *staged = &ledger->staged[i];
        sim_field_t *field = sim_topic_find (staged->topic, sb_text (staged->name));
        if (field)
            s_set (self, field, s_time_to_live (self, staged->topic, staged->time_to_live_ms), ledger->staged_ns);
    }
    sim_expiry_begin (ledger);
}

/* ------------------------------------------------------------------ what goes */

/* The field as a whole state holds it that has arrived and is not decided: it may be in force already, since it is
 * applied in slices. NULL: none does. */
static const s_staged_t *s_staged_of (const sim_t *self, const sim_topic_t *topic, const char *name,
                                      uint64_t *arrived_ns)
{
    for (const sim_ledger_t *ledger = self->checker->ledgers; ledger; ledger = ledger->next)
        for (uint32_t i = 0;
             topic->agent == (int32_t)ledger->agent && ledger->staged_sequence && i < ledger->staged_count; i++)
            if (ledger->staged[i].topic == topic && strcmp (ledger->staged[i].name, name) == 0) {
                *arrived_ns = ledger->staged_ns;
                return &ledger->staged[i];
            }
    return NULL;
}

static bool s_may_go (const sim_t *self, const sim_topic_t *topic, const sim_field_t *field, uint64_t late_ns)
{
    if (field->expires_ns && self->now_ns >= field->expires_ns + late_ns)
        return true;
    uint64_t arrived_ns;
    const s_staged_t *staged = s_staged_of (self, topic, field->name, &arrived_ns);
    uint32_t time_to_live_ms = staged ? s_time_to_live (self, topic, staged->time_to_live_ms) : 0;
    return time_to_live_ms && self->now_ns >= arrived_ns + time_to_live_ms * SIM_MS + late_ns;
}

void sim_expiry_deleted (sim_t *self, const sim_topic_t *topic, sb_text_t name)
{
    const sim_field_t *field = sim_topic_find (topic, name);
    self->checks++;
    sim_note_fault (self, SIM_FAULT_expired_field);
    if (!field)
        sim_fail (self, "%s:%.*s expires and is not there", topic->text, (int)name.size, name.data);
    uint64_t late_ns = sim_canary (self, SIM_CANARY_expiry) ? 1000 * SIM_MS : 0;
    bool is_honest = topic->agent >= 0 && (uint32_t)topic->agent < self->agent_count;
    if (!is_honest || s_may_go (self, topic, field, late_ns))
        return;
    if (!field->expires_ns)
        sim_fail (self, "%s:%s expires and has no time to live", topic->text, field->name);
    sim_fail (self, "%s:%s expires %.3f s too soon", topic->text, field->name,
              (double)(int64_t)(field->expires_ns + late_ns - self->now_ns) / 1e9);
}

static void s_look (sim_t *self, const sim_topic_t *topic)
{
    for (const sim_field_t *field = topic->fields; field; field = field->next) {
        if (!field->gone_ns)
            continue;
        self->checks++;
        uint64_t arrived_ns;
        if (field->gone_ns <= self->now_ns && !s_staged_of (self, topic, field->name, &arrived_ns))
            sim_fail (self, "%s:%s is there %.3f s after its time", topic->text, field->name,
                      (double)(self->now_ns - field->gone_ns) / 1e9);
        if (field->gone_ns < self->checker->expiry_next_ns)
            self->checker->expiry_next_ns = field->gone_ns;
    }
}

void sim_expiry_after (sim_t *self, const sb_event_t *event)
{
    sim_checker_t *checker = self->checker;
    if (!sim_expiry_is_on (self))
        return;
    for (sim_ledger_t *ledger = checker->ledgers; ledger; ledger = ledger->next)
        if (ledger->staged_sequence)
            s_resolve (self, ledger);
    bool is_done = event->kind == SB_EVENT_TICK && sb_core_deadline (self->core) > self->now_ns;
    if (!is_done || self->now_ns < checker->expiry_next_ns)
        return;
    checker->expiry_next_ns = UINT64_MAX;
    for (uint32_t i = 1; i <= checker->topic_count; i++)
        if (checker->topics[i].agent >= 0 && (uint32_t)checker->topics[i].agent < self->agent_count)
            s_look (self, &checker->topics[i]);
}

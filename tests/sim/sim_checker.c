/* SPDX-License-Identifier: MPL-2.0
 *
 * The checker's entry, and a copy of the state made of nothing but publications: what a subscriber would hold whom no
 * publication ever missed. Sequences have no holes, over all, by category, by topic; nothing is written under a stop, a
 * pause, an isolation; and the broker's own state must equal the copy whenever the two are compared.
 */
#include "sim_checker.h"

#include "core_internal.h"
#include "sb_state_hash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY_EVENTS = 2500 };

bool sim_canary (sim_t *self, sim_canary_t canary)
{
    if (self->canary != canary || self->checker->canary_done || self->events < CANARY_EVENTS)
        return false;
    self->checker->canary_done = true;
    return true;
}

int32_t sim_agent_of (const sim_t *self, sb_text_t id)
{
    uint32_t number = 0;
    bool is_liar = id.size > 4 && memcmp (id.data, "liar", 4) == 0;
    if (!is_liar && (id.size < 6 || memcmp (id.data, "agent", 5) != 0))
        return -1;
    for (uint32_t i = is_liar ? 4 : 5; i < id.size; i++)
        number = number * 10 + (uint32_t)(id.data[i] - '0');
    number += is_liar ? self->agent_count : 0;
    return number < self->agent_count + self->liar_count && sb_text_equal (id, sim_name (self, number))
               ? (int32_t)number
               : -1;
}

/* ------------------------------------------------------------------ the copy */

static uint32_t s_hash (sb_text_t text)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * 16777619u;
    return hash % SIM_BUCKETS;
}

static uint32_t s_category (sim_checker_t *self, sb_text_t name)
{
    for (uint32_t i = 0; i < self->category_count; i++)
        if (sim_text_is (name, self->categories[i]))
            return i;
    assert (self->category_count < SIM_CATEGORIES);
    memcpy (self->categories[self->category_count], name.data, name.size);
    return self->category_count++;
}

sim_topic_t *sim_topic_at (sim_checker_t *self, sb_text_t text)
{
    uint32_t *bucket = &self->buckets[s_hash (text)];
    for (uint32_t i = *bucket; i; i = self->topics[i].next)
        if (sim_text_is (text, self->topics[i].text))
            return &self->topics[i];
    assert (self->topic_count + 1 < SIM_TOPICS);
    sim_topic_t *topic = &self->topics[++self->topic_count];
    *topic = (sim_topic_t){.next = *bucket, .agent = -1};
    memcpy (topic->text, text.data, text.size);
    *bucket = self->topic_count;
    return topic;
}

sim_field_t *sim_topic_find (const sim_topic_t *topic, sb_text_t name)
{
    for (sim_field_t *field = topic->fields; field; field = field->next)
        if (sim_text_is (name, field->name))
            return field;
    return NULL;
}

static const void *s_value_octets (const sb_value_t *value, uint32_t *size)
{
    *size = 8;
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        return &value->number;
    case SB_VALUE_INTEGER:
        return &value->integer;
    case SB_VALUE_DECIMAL:
        *size = 12;
        return &value->decimal;
    case SB_VALUE_BOOLEAN:
        *size = 1;
        return &value->boolean;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        *size = value->text.size;
        return value->text.data;
    case SB_VALUE_NONE:
        break;
    }
    *size = 0;
    return NULL;
}

uint64_t sim_value_hash (const sb_value_t *value)
{
    uint32_t size;
    const void *octets = s_value_octets (value, &size);
    return sim_hash (value->kind, octets, size);
}

bool sim_field_has (const sim_field_t *field, const sb_value_t *value)
{
    uint32_t size;
    const void *octets = s_value_octets (value, &size);
    return field->value_size == size + 1 && field->value[0] == (uint8_t)value->kind &&
           (size == 0 || memcmp (field->value + 1, octets, size) == 0);
}

uint64_t sim_field_term (const sim_topic_t *topic, const sim_field_t *field)
{
    sb_value_t value = {.kind = (sb_value_kind_t)field->value[0]};
    uint32_t size = field->value_size - 1;
    switch (value.kind) {
    case SB_VALUE_NUMBER:
        memcpy (&value.number, field->value + 1, size);
        break;
    case SB_VALUE_INTEGER:
        memcpy (&value.integer, field->value + 1, size);
        break;
    case SB_VALUE_DECIMAL:
        memcpy (&value.decimal, field->value + 1, size);
        break;
    case SB_VALUE_BOOLEAN:
        memcpy (&value.boolean, field->value + 1, size);
        break;
    default:
        value.text = (sb_text_t){(const char *)field->value + 1, size};
        break;
    }
    return sb_state_hash_field (sb_text (topic->text), sb_text (field->name), &value, topic->quality, field->sequence);
}

static void s_delete (sim_topic_t *topic, sb_text_t name)
{
    for (sim_field_t **place = &topic->fields; *place; place = &(*place)->next) {
        if (!sim_text_is (name, (*place)->name))
            continue;
        sim_field_t *field = *place;
        *place = field->next;
        free (field->value);
        free (field);
        topic->field_count--;
        return;
    }
}

static void s_change (sim_topic_t *topic, const sb_change_t *change, uint64_t sequence)
{
    if (change->is_delete) {
        s_delete (topic, change->name);
        return;
    }
    sim_field_t *field = sim_topic_find (topic, change->name);
    if (!field) {
        field = calloc (1, sizeof *field);
        assert (field && change->name.size <= SB_FIELD_NAME_MAX);
        memcpy (field->name, change->name.data, change->name.size);
        field->next = topic->fields;
        topic->fields = field;
        topic->field_count++;
    }
    uint32_t size;
    const void *octets = s_value_octets (&change->value, &size);
    field->value = realloc (field->value, size + 1);
    assert (field->value);
    field->value[0] = (uint8_t)change->value.kind;
    if (size)
        memcpy (field->value + 1, octets, size);
    field->value_size = size + 1;
    field->hash = sim_value_hash (&change->value);
    field->sequence = sequence;
}

/* ------------------------------------------------------------------ publications */

bool sim_is_event_topic (sb_text_t topic)
{
    return topic.data[0] == '_' || (topic.size > 7 && memcmp (topic.data, "trades.", 7) == 0);
}

/* The number of "<category>.<id>.", made when new; a topic keeps it. */
static uint32_t s_part (sim_checker_t *self, sb_text_t topic, sb_text_t subject)
{
    sb_text_t text = {topic.data, topic.size - subject.size};
    for (uint32_t i = 0; i < self->part_count; i++)
        if (sim_text_is (text, self->parts[i].text))
            return i;
    if (self->part_count == self->part_capacity) {
        self->part_capacity = self->part_capacity * 2 + 64;
        self->parts = realloc (self->parts, self->part_capacity * sizeof *self->parts);
        assert (self->parts);
    }
    self->parts[self->part_count] = (sim_part_t){.text = ""};
    memcpy (self->parts[self->part_count].text, text.data, text.size);
    return self->part_count++;
}

static void s_describe_topic (sim_t *self, sim_topic_t *topic)
{
    sb_text_t category, id, subject;
    if (topic->topic_sequence || topic->category)
        return;
    if (!sb_topic_split (sb_text (topic->text), &category, &id, &subject))
        sim_fail (self, "a topic that is none: %s", topic->text);
    topic->category = s_category (self->checker, category) + 1;
    topic->agent = category.data[0] == '_' ? -1 : sim_agent_of (self, id);
    topic->is_event = sim_is_event_topic (sb_text (topic->text));
    topic->part = s_part (self->checker, sb_text (topic->text), subject);
}

/* Records are given up, and then topics begin anew, only where a bound or an age makes it so. */
bool sim_may_forget (const sim_t *self)
{
    const sim_options_t *options = &self->options;
    return options->forget_after_ms < 86400000 || options->max_agents < 10000 || options->max_fields < 1000000 ||
           options->max_topics < 262144;
}

static void s_check_sequences (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic)
{
    sim_checker_t *checker = self->checker;
    self->checks += 5;
    if (publication->sequence != ++checker->sequence)
        sim_fail (self, "global sequence %" PRIu64 " where %" PRIu64 " was to come: %s", publication->sequence,
                  checker->sequence, topic->text);
    uint64_t *of_category = &checker->category_sequences[topic->category - 1];
    if (publication->category_sequence != ++*of_category)
        sim_fail (self, "category sequence %" PRIu64 " where %" PRIu64 " was to come: %s",
                  publication->category_sequence, *of_category, topic->text);
    /* Numbers of an agent's part of a category begin anew with its record. */
    sim_part_t *part = &checker->parts[topic->part];
    bool is_new_record = publication->agent_sequence == 1 && sim_may_forget (self);
    if (publication->agent_sequence != part->agent_sequence + 1 && !is_new_record)
        sim_fail (self, "agent sequence %" PRIu64 " after %" PRIu64 ": %s", publication->agent_sequence,
                  part->agent_sequence, topic->text);
    part->agent_sequence = publication->agent_sequence;
    part->last = checker->category_last[topic->category - 1] = publication->sequence;
    if (topic->text[0] != '_')
        checker->public_last = publication->sequence;
    bool is_anew = publication->topic_sequence == 1 && sim_may_forget (self);
    if (publication->topic_sequence != topic->topic_sequence + 1 && !is_anew)
        sim_fail (self, "topic sequence %" PRIu64 " after %" PRIu64 ": %s", publication->topic_sequence,
                  topic->topic_sequence, topic->text);
    topic->topic_sequence = publication->topic_sequence;
}

/* A write of an agent's own: not under a stop, a pause, an isolation. */
static void s_check_admission (sim_t *self, const sim_topic_t *topic)
{
    self->checks += 3;
    bool is_admitted = self->options.admitted && strncmp (topic->text, "market_data.", 12) == 0;
    if (topic->agent < 0)
        sim_fail (self, "a write of nobody: %s", topic->text);
    if (self->checker->is_stopped && !is_admitted)
        sim_fail (self, "written under the emergency stop: %s", topic->text);
    if (sim_checker_is_paused (self, (uint32_t)topic->agent))
        sim_fail (self, "written while paused: %s", topic->text);
    if (sim_checker_is_isolated (self, (uint32_t)topic->agent))
        sim_fail (self, "written while isolated: %s", topic->text);
}

static void s_count_happenings (sim_t *self, const sb_publication_t *publication, const sim_topic_t *topic)
{
    if (strncmp (topic->text, "trades.", 7) != 0 || topic->agent < 0 || (uint32_t)topic->agent >= self->agent_count)
        return;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (change->is_delete)
                continue;
            if (publication->cause != SB_CAUSE_NONE)
                sim_fail (self, "an event came by a replacement: %s", topic->text);
            if (change->value.integer < 0 || change->value.integer >= (int64_t)self->happening_count)
                sim_fail (self, "an event that nobody sent: %s", topic->text);
            self->happenings[change->value.integer].published++;
        }
}

static void s_apply (sim_t *self, sim_topic_t *topic, const sb_publication_t *publication, const sb_change_t *change)
{
    if (publication->cause == SB_CAUSE_EXPIRED)
        sim_expiry_deleted (self, topic, change->name);
    s_change (topic, change, publication->sequence);
    if (publication->cause == SB_CAUSE_REPLACED && !change->is_delete && sim_expiry_is_on (self))
        sim_expiry_replaced (self, topic, sim_topic_find (topic, change->name));
}

static void s_take (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic)
{
    if (strncmp (topic->text, "_event.", 7) == 0)
        return;
    bool is_write = publication->cause == SB_CAUSE_NONE && publication->update_count;
    if (publication->cause == SB_CAUSE_FORGOTTEN)
        sim_note_fault (self, SIM_FAULT_forgotten);
    if (is_write)
        s_check_admission (self, topic);
    s_count_happenings (self, publication, topic);
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        if (is_write)
            sim_ledger_write (self, topic, update);
        for (uint32_t j = 0; j < update->change_count; j++)
            s_apply (self, topic, publication, &update->changes[j]);
    }
}

static void s_publication (sim_t *self, const sb_publication_t *publication)
{
    if (sim_conflation_published (self, publication))
        return;
    if (publication->sequence == 0) {
        sim_offers_level (self, publication);
        return;
    }
    if (sim_canary (self, SIM_CANARY_publication))
        return;
    sim_topic_t *topic = sim_topic_at (self->checker, publication->topic);
    s_describe_topic (self, topic);
    s_check_sequences (self, publication, topic);
    sim_offers_add (self, publication, topic);
    topic->quality = publication->quality;
    s_take (self, publication, topic);
    sim_conflation_offered (self, publication, topic);
}

/* ------------------------------------------------------------------ one step */

void sim_check_before (sim_t *self, const sb_event_t *event)
{
    sim_ledger_before (self, event);
    sim_conflation_before (self, event);
    sim_models_before (self, event);
}

void sim_check_step (sim_t *self, const sb_event_t *event, const sb_effects_t *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const sb_effect_t *effect = &effects->items[i];
        if (effect->kind == SB_EFFECT_PUBLISH)
            s_publication (self, effect->publish);
        else if (effect->kind == SB_EFFECT_SEND && effect->send.message->kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK)
            sim_offers_heads (self, &effect->send.message->heartbeat_ack);
    }
    sim_ledger_after (self, event);
    for (uint32_t i = 0; i < effects->count; i++) {
        const sb_effect_t *effect = &effects->items[i];
        if (effect->kind == SB_EFFECT_SEND)
            sim_ledger_sent (self, event, effect->send.peer, effect->send.message);
        else if (effect->kind == SB_EFFECT_REPLY)
            sim_models_reply (self, event, effect->reply.token, effect->reply.reply);
    }
    sim_models_after (self, event);
    sim_conflation_after (self, event);
    sim_expiry_after (self, event);
}

/* ------------------------------------------------------------------ its life */

static void s_free_topics (sim_checker_t *self)
{
    for (uint32_t i = 1; i <= self->topic_count; i++)
        while (self->topics[i].fields)
            s_delete (&self->topics[i], sb_text (self->topics[i].fields->name));
}

sim_checker_t *sim_checker_new (sim_t *self)
{
    (void)self;
    sim_checker_t *checker = calloc (1, sizeof *checker);
    assert (checker);
    checker->topics = calloc (SIM_TOPICS, sizeof *checker->topics);
    assert (checker->topics);
    return checker;
}

void sim_checker_destroy (sim_checker_t **self_p)
{
    sim_checker_t *self = *self_p;
    s_free_topics (self);
    sim_ledger_free (self);
    sim_offers_free (self);
    sim_conflation_free (self);
    free (self->sessions);
    free (self->parts);
    free (self->topics);
    free (self);
    *self_p = NULL;
}

void sim_check_start (sim_t *self)
{
    sim_checker_t *checker = self->checker;
    if (self->broker_starts >= SIM_LIVES)
        sim_fail (self, "the broker was started too often");
    s_free_topics (checker);
    for (uint32_t i = 1; i <= checker->topic_count; i++)
        checker->topics[i].topic_sequence = checker->topics[i].last_offer = 0;
    memset (checker->category_sequences, 0, sizeof checker->category_sequences);
    memset (checker->category_last, 0, sizeof checker->category_last);
    for (uint32_t i = 0; i < checker->part_count; i++)
        checker->parts[i].agent_sequence = checker->parts[i].last = 0;
    checker->sequence = checker->public_last = 0;
    checker->session_count = 0;
    sim_ledger_free (checker);
    sim_models_start (self);
    sim_conflation_start (checker);
    checker->expiry_next_ns = UINT64_MAX;
}

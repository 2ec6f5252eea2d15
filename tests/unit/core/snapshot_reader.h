/* SPDX-License-Identifier: MPL-2.0
 *
 * A reader as the protocol describes one, and no cleverer: it buffers publications from its join on, takes a snapshot,
 * applies the buffer by the rule of sequences, and goes on. What it ends with is compared with the core.
 *
 * Topics and fields are entries of one chained hash table; a topic is the entry with an empty name.
 */
#ifndef SNAPSHOT_READER_H
#define SNAPSHOT_READER_H

#include "core_harness.h"
#include "sb_state_hash.h"

enum { READER_BUCKETS = 4096, READER_OCTETS = 64 };

typedef struct reader_entry {
    struct reader_entry *next;
    struct reader_entry *topic; /* of a field; NULL: it is a topic */
    char topic_text[SB_TOPIC_MAX + 1];
    char name[SB_FIELD_NAME_MAX + 1];
    bool is_there;    /* a field that was deleted is not */
    sb_value_t value; /* its text in `octets` */
    char *octets;
    uint64_t sequence;       /* field: named last; topic: of its last publication */
    uint64_t seen_sequence;  /* topic: publications without a hole up to this one, */
    uint64_t topic_sequence; /* which has this number in the topic */
    sb_quality_t quality;
    unsigned parts; /* times that the snapshot named it */
} reader_entry_t;

typedef struct reader_update {
    struct reader_update *next;
    char topic[SB_TOPIC_MAX + 1];
    uint64_t sequence;
    uint64_t topic_sequence;
    sb_quality_t quality;
    uint32_t change_count;
    sb_change_t *changes; /* deep copies */
} reader_update_t;

typedef struct {
    const char *prefix; /* publications that it gets; "": all that do not begin with _ */
    reader_entry_t *buckets[READER_BUCKETS];
    reader_update_t *first; /* buffered */
    reader_update_t *last;
    bool is_whole; /* the snapshot is there, the buffer applied */
    bool has_lost; /* a topic's sequence had a hole */
    uint32_t chunk_count;
    uint64_t field_count;
    uint64_t chunk_hash;
    uint64_t end_sequence;
} reader_t;

static inline uint32_t reader_bucket (sb_text_t topic, sb_text_t name)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < topic.size; i++)
        hash = (hash ^ (unsigned char)topic.data[i]) * 16777619u;
    for (uint32_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 16777619u;
    return (hash ^ hash >> 15) % READER_BUCKETS;
}

/* The entry, made when there is none. */
static inline reader_entry_t *reader_entry (reader_t *self, sb_text_t topic, sb_text_t name)
{
    reader_entry_t **bucket = &self->buckets[reader_bucket (topic, name)];
    for (reader_entry_t *entry = *bucket; entry; entry = entry->next)
        if (sb_text_equal (sb_text (entry->topic_text), topic) && sb_text_equal (sb_text (entry->name), name))
            return entry;
    reader_entry_t *entry = calloc (1, sizeof *entry);
    memcpy (entry->topic_text, topic.data, topic.size);
    if (name.size) {
        memcpy (entry->name, name.data, name.size);
        entry->topic = reader_entry (self, topic, (sb_text_t){NULL, 0});
    }
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

static inline void reader_put (reader_entry_t *entry, const sb_value_t *value, uint64_t sequence)
{
    free (entry->octets);
    entry->octets = NULL;
    entry->value = *value;
    if (value->kind == SB_VALUE_TEXT) {
        entry->octets = malloc (value->text.size + 1u);
        memcpy (entry->octets, value->text.data, value->text.size);
        entry->value.text.data = entry->octets;
    }
    entry->is_there = true;
    entry->sequence = sequence;
}

static inline void reader_free_update (reader_update_t *update)
{
    for (uint32_t i = 0; i < update->change_count; i++) {
        free ((char *)update->changes[i].name.data);
        if (update->changes[i].value.kind == SB_VALUE_TEXT)
            free ((char *)update->changes[i].value.text.data);
    }
    free (update->changes);
    free (update);
}

/* Forgets everything: a new join. */
static inline void reader_join (reader_t *self)
{
    for (uint32_t i = 0; i < READER_BUCKETS; i++)
        for (reader_entry_t *entry = self->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free (entry->octets);
            free (entry);
        }
    for (reader_update_t *update = self->first, *next; update; update = next) {
        next = update->next;
        reader_free_update (update);
    }
    *self = (reader_t){.prefix = self->prefix};
}

/* The rule: what is newer than what is there. */
static inline void reader_apply (reader_t *self, const reader_update_t *update)
{
    sb_text_t topic_text = sb_text (update->topic);
    reader_entry_t *topic = reader_entry (self, topic_text, (sb_text_t){NULL, 0});
    for (uint32_t i = 0; i < update->change_count; i++) {
        const sb_change_t *change = &update->changes[i];
        reader_entry_t *field = reader_entry (self, topic_text, change->name);
        if (field->is_there && update->sequence < field->sequence)
            continue;
        if (change->is_delete)
            field->is_there = false;
        else
            reader_put (field, &change->value, update->sequence);
    }
    if (update->sequence > topic->seen_sequence) {
        bool is_new = update->topic_sequence == 1; /* its agent was forgotten and has come back */
        self->has_lost = self->has_lost || (!is_new && update->topic_sequence != topic->topic_sequence + 1);
        topic->seen_sequence = update->sequence;
        topic->topic_sequence = update->topic_sequence;
    }
    if (update->sequence <= topic->sequence)
        return;
    topic->sequence = update->sequence;
    topic->quality = update->quality;
}

static inline char *reader_copy (sb_text_t text)
{
    char *copy = calloc (1, text.size + 1u);
    if (text.size)
        memcpy (copy, text.data, text.size);
    return copy;
}

static inline void reader_publication (reader_t *self, const sb_publication_t *publication)
{
    if (publication->sequence == 0 || !sb_prefix_matches (sb_text (self->prefix), publication->topic))
        return;
    reader_update_t *update = calloc (1, sizeof *update);
    memcpy (update->topic, publication->topic.data, publication->topic.size);
    update->sequence = publication->sequence;
    update->topic_sequence = publication->topic_sequence;
    update->quality = publication->quality;
    for (uint32_t i = 0; i < publication->update_count; i++)
        update->change_count += publication->updates[i].change_count;
    update->changes = calloc (update->change_count + 1, sizeof *update->changes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            sb_change_t *change = &update->changes[count++];
            *change = publication->updates[i].changes[j];
            change->name.data = reader_copy (change->name);
            if (change->value.kind == SB_VALUE_TEXT)
                change->value.text.data = reader_copy (change->value.text);
        }
    if (self->is_whole) {
        reader_apply (self, update);
        reader_free_update (update);
        return;
    }
    *(self->last ? &self->last->next : &self->first) = update;
    self->last = update;
}

static inline void reader_chunk (reader_t *self, const sb_snapshot_chunk_t *chunk)
{
    cr_assert_eq (chunk->number, ++self->chunk_count, "chunks are numbered 1, 2, 3: got %u", chunk->number);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *source = &chunk->topics[i];
        reader_entry_t *topic = reader_entry (self, source->topic, (sb_text_t){NULL, 0});
        cr_assert (topic->parts == 0 || topic->sequence <= source->sequence, "a head never goes back");
        if (topic->parts++ ==
            0) { /* what was published between two parts must be in the buffer: the first head counts */
            topic->seen_sequence = source->sequence;
            topic->topic_sequence = source->topic_sequence;
        }
        topic->sequence = source->sequence;
        topic->quality = source->quality;
        for (uint32_t j = 0; j < source->field_count; j++) {
            const sb_snapshot_field_t *field = &source->fields[j];
            cr_assert_leq (field->sequence, source->sequence);
            reader_put (reader_entry (self, source->topic, field->name), &field->value, field->sequence);
            self->chunk_hash +=
                sb_state_hash_field (source->topic, field->name, &field->value, source->quality, field->sequence);
            self->field_count++;
        }
    }
}

static inline void reader_end (reader_t *self, const sb_snapshot_end_t *end)
{
    cr_assert_eq (end->code, SB_REASON_NONE);
    cr_assert_eq (end->chunk_count, self->chunk_count);
    cr_assert_eq (end->field_count, self->field_count);
    cr_assert_eq (end->state_hash, self->chunk_hash);
    cr_assert_eq (end->stream_id, 77);
    cr_assert_eq (end->epoch, 3);
    self->end_sequence = end->sequence;
    self->is_whole = true;
    for (reader_update_t *update = self->first, *next; update; update = next) {
        next = update->next;
        reader_apply (self, update);
        reader_free_update (update);
    }
    self->first = self->last = NULL;
}

/* The state hash of what it holds; *fields of them. */
static inline uint64_t reader_hash (const reader_t *self, uint64_t *fields)
{
    uint64_t sum = 0;
    *fields = 0;
    for (uint32_t i = 0; i < READER_BUCKETS; i++)
        for (const reader_entry_t *entry = self->buckets[i]; entry; entry = entry->next) {
            if (!entry->topic || !entry->is_there)
                continue;
            (*fields)++;
            sum += sb_state_hash_field (sb_text (entry->topic_text), sb_text (entry->name), &entry->value,
                                        entry->topic->quality, entry->sequence);
        }
    return sum;
}

/* ---- what a reader sends */

static inline void reader_request (harness_t *harness, uint64_t peer, uint64_t id, const sb_text_t *interests,
                                   uint32_t count, uint32_t credit)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
                                  .snapshot_request = {id, interests, count, credit}};
    harness_message (harness, peer, &message);
}

static inline void reader_credit (harness_t *harness, uint64_t peer, uint64_t id, uint32_t credit)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_SNAPSHOT_CREDIT, .snapshot_credit = {id, credit}};
    harness_message (harness, peer, &message);
}

static inline void reader_refuse (harness_t *harness, uint64_t peer)
{
    sb_event_t event = {.kind = SB_EVENT_CHUNK_REFUSED};
    event.chunk_refused.peer = peer;
    harness_step (harness, event);
}

static inline void reader_subscribe (harness_t *harness, const char *prefix, bool is_subscribed)
{
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = sb_text (prefix);
    event.subscription.is_subscribed = is_subscribed;
    harness_step (harness, event);
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * See agent_copy_table.h. The hash takes eight octets at a step and starts from a seed, so that nobody who chooses
 * names can choose their buckets. Where a larger table finds no memory, chains get longer and nothing else.
 */
#include "agent_copy_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

enum { SB_BUCKETS_MIN = 64, SB_BUCKETS_MAX = 1 << 28 };

static uint64_t s_mix (uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C (0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t s_hash (uint64_t hash, sb_text_t text)
{
    uint64_t word;
    hash = s_mix (hash, text.size);
    uint32_t at = 0;
    for (; at + sizeof word <= text.size; at += sizeof word) {
        memcpy (&word, text.data + at, sizeof word);
        hash = s_mix (hash, word);
    }
    for (word = 0; at < text.size; at++)
        word = word << 8 | (uint8_t)text.data[at];
    return s_mix (hash, word);
}

bool sb_copy_table_init (sb_copy_table_t *self, uint64_t seed, uint32_t max_topics, uint32_t max_fields,
                         uint64_t max_bytes)
{
    *self = (sb_copy_table_t){.seed = seed, .max_topics = max_topics, .max_fields = max_fields, .max_bytes = max_bytes};
    self->topic_buckets = self->field_buckets = SB_BUCKETS_MIN;
    self->topics = calloc (self->topic_buckets, sizeof *self->topics);
    self->fields = calloc (self->field_buckets, sizeof *self->fields);
    self->bytes = 2 * SB_BUCKETS_MIN * sizeof (void *);
    return self->topics && self->fields;
}

void sb_copy_table_fini (sb_copy_table_t *self)
{
    for (sb_copy_topic_t *topic = self->first; topic;) {
        for (sb_copy_field_t *field = topic->first; field;) {
            sb_copy_field_t *next = field->next;
            free (field->run);
            free (field);
            field = next;
        }
        sb_copy_topic_t *next = topic->next;
        free (topic);
        topic = next;
    }
    free (self->topics);
    free (self->fields);
    *self = (sb_copy_table_t){0};
}

/* ------------------------------------------------------------------ finding */

sb_copy_topic_t *sb_copy_table_topic (const sb_copy_table_t *self, sb_text_t text)
{
    uint64_t hash = s_hash (self->seed, text);
    sb_copy_topic_t *topic = self->topics[hash & (self->topic_buckets - 1)];
    while (topic && !(topic->hash == hash && sb_text_equal ((sb_text_t){topic->text, topic->text_size}, text)))
        topic = topic->chained;
    return topic;
}

sb_copy_field_t *sb_copy_table_field (const sb_copy_table_t *self, const sb_copy_topic_t *topic, sb_text_t name)
{
    uint64_t hash = s_hash (topic->hash, name);
    sb_copy_field_t *field = self->fields[hash & (self->field_buckets - 1)];
    while (field && !(field->hash == hash && field->topic == topic &&
                      sb_text_equal ((sb_text_t){field->name, field->name_size}, name)))
        field = field->chained;
    return field;
}

/* ------------------------------------------------------------------ bounds and growing */

static bool s_take_bytes (sb_copy_table_t *self, uint64_t bytes)
{
    if (bytes > self->max_bytes || self->bytes > self->max_bytes - bytes)
        return false;
    self->bytes += bytes;
    return true;
}

static void s_grow_topics (sb_copy_table_t *self)
{
    uint32_t buckets = self->topic_buckets * 2;
    if (buckets > SB_BUCKETS_MAX || !s_take_bytes (self, self->topic_buckets * sizeof *self->topics))
        return;
    sb_copy_topic_t **table = calloc (buckets, sizeof *table);
    if (!table) {
        self->bytes -= self->topic_buckets * sizeof *self->topics;
        return;
    }
    for (sb_copy_topic_t *topic = self->first; topic; topic = topic->next) {
        sb_copy_topic_t **bucket = &table[topic->hash & (buckets - 1)];
        topic->chained = *bucket;
        *bucket = topic;
    }
    free (self->topics);
    self->topics = table;
    self->topic_buckets = buckets;
}

static void s_grow_fields (sb_copy_table_t *self)
{
    uint32_t buckets = self->field_buckets * 2;
    if (buckets > SB_BUCKETS_MAX || !s_take_bytes (self, self->field_buckets * sizeof *self->fields))
        return;
    sb_copy_field_t **table = calloc (buckets, sizeof *table);
    if (!table) {
        self->bytes -= self->field_buckets * sizeof *self->fields;
        return;
    }
    for (uint32_t i = 0; i < self->field_buckets; i++) {
        for (sb_copy_field_t *field = self->fields[i]; field;) {
            sb_copy_field_t *chained = field->chained;
            sb_copy_field_t **bucket = &table[field->hash & (buckets - 1)];
            field->chained = *bucket;
            *bucket = field;
            field = chained;
        }
    }
    free (self->fields);
    self->fields = table;
    self->field_buckets = buckets;
}

/* ------------------------------------------------------------------ making */

sb_copy_topic_t *sb_copy_table_add_topic (sb_copy_table_t *self, sb_text_t text)
{
    size_t size = sizeof (sb_copy_topic_t) + text.size + 1;
    if (self->topic_count >= self->max_topics || !s_take_bytes (self, size))
        return NULL;
    sb_copy_topic_t *topic = calloc (1, size);
    if (!topic) {
        self->bytes -= size;
        return NULL;
    }
    topic->hash = s_hash (self->seed, text);
    topic->text_size = text.size;
    if (text.size)
        memcpy (topic->text, text.data, text.size);
    sb_copy_topic_t **bucket = &self->topics[topic->hash & (self->topic_buckets - 1)];
    topic->chained = *bucket;
    *bucket = topic;
    topic->previous = self->last;
    *(self->last ? &self->last->next : &self->first) = topic;
    self->last = topic;
    if (++self->topic_count > self->topic_buckets)
        s_grow_topics (self);
    return topic;
}

sb_copy_field_t *sb_copy_table_add_field (sb_copy_table_t *self, sb_copy_topic_t *topic, sb_text_t name)
{
    size_t size = sizeof (sb_copy_field_t) + name.size + 1;
    if (self->field_count >= self->max_fields || !s_take_bytes (self, size))
        return NULL;
    sb_copy_field_t *field = calloc (1, size);
    if (!field) {
        self->bytes -= size;
        return NULL;
    }
    field->topic = topic;
    field->hash = s_hash (topic->hash, name);
    field->name_size = name.size;
    if (name.size)
        memcpy (field->name, name.data, name.size);
    sb_copy_field_t **bucket = &self->fields[field->hash & (self->field_buckets - 1)];
    field->chained = *bucket;
    *bucket = field;
    field->previous = topic->last;
    *(topic->last ? &topic->last->next : &topic->first) = field;
    topic->last = field;
    self->deleted_count++;
    if (++self->field_count > self->field_buckets)
        s_grow_fields (self);
    return field;
}

/* ------------------------------------------------------------------ values */

static bool s_has_run (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT || value->kind == SB_VALUE_BYTES;
}

static void s_drop_run (sb_copy_table_t *self, sb_copy_field_t *field)
{
    free (field->run);
    field->run = NULL;
    self->bytes -= field->run_capacity;
    field->run_capacity = 0;
}

/* Makes room for a run of `size` octets; a block that is far too large is changed for a smaller one. */
static bool s_reserve_run (sb_copy_table_t *self, sb_copy_field_t *field, uint32_t size)
{
    enum { SPARE = 64 };
    if (size <= field->run_capacity && field->run_capacity / 4 <= size + SPARE)
        return true;
    uint32_t capacity = size < 16 ? 16 : size;
    if (!s_take_bytes (self, capacity))
        return size <= field->run_capacity;
    char *run = malloc (capacity);
    if (!run) {
        self->bytes -= capacity;
        return size <= field->run_capacity;
    }
    s_drop_run (self, field);
    field->run = run;
    field->run_capacity = capacity;
    return true;
}

bool sb_copy_table_write (sb_copy_table_t *self, sb_copy_field_t *field, const sb_value_t *value)
{
    uint32_t size = s_has_run (value) ? value->text.size : 0;
    if (size && !s_reserve_run (self, field, size + 1))
        return false;
    if (!size && field->run)
        s_drop_run (self, field);
    self->deleted_count += (value->kind == SB_VALUE_NONE) - (uint32_t)(field->value.kind == SB_VALUE_NONE);
    field->value = *value;
    if (s_has_run (value))
        field->value.text.data = size ? field->run : "";
    if (size) {
        memcpy (field->run, value->text.data, size);
        field->run[size] = 0;
    }
    return true;
}

bool sb_copy_value_equal (const sb_value_t *left, const sb_value_t *right)
{
    if (left->kind != right->kind)
        return false;
    switch (left->kind) {
    case SB_VALUE_NUMBER:
        return memcmp (&left->number, &right->number, sizeof left->number) == 0;
    case SB_VALUE_INTEGER:
        return left->integer == right->integer;
    case SB_VALUE_DECIMAL:
        return left->decimal.unscaled == right->decimal.unscaled && left->decimal.exponent == right->decimal.exponent;
    case SB_VALUE_BOOLEAN:
        return left->boolean == right->boolean;
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        return sb_text_equal (left->text, right->text);
    case SB_VALUE_NONE:
        break;
    }
    return true;
}

/* ------------------------------------------------------------------ removing */

void sb_copy_table_remove_field (sb_copy_table_t *self, sb_copy_field_t *field)
{
    sb_copy_topic_t *topic = field->topic;
    sb_copy_field_t **link = &self->fields[field->hash & (self->field_buckets - 1)];
    while (*link != field)
        link = &(*link)->chained;
    *link = field->chained;
    *(field->previous ? &field->previous->next : &topic->first) = field->next;
    *(field->next ? &field->next->previous : &topic->last) = field->previous;
    self->field_count--;
    self->deleted_count -= field->value.kind == SB_VALUE_NONE;
    self->bytes -= sizeof *field + field->name_size + 1 + field->run_capacity;
    free (field->run);
    free (field);
}

void sb_copy_table_remove_topic (sb_copy_table_t *self, sb_copy_topic_t *topic)
{
    assert (!topic->first);
    sb_copy_topic_t **link = &self->topics[topic->hash & (self->topic_buckets - 1)];
    while (*link != topic)
        link = &(*link)->chained;
    *link = topic->chained;
    *(topic->previous ? &topic->previous->next : &self->first) = topic->next;
    *(topic->next ? &topic->next->previous : &self->last) = topic->previous;
    self->topic_count--;
    self->bytes -= sizeof *topic + topic->text_size + 1;
    free (topic);
}

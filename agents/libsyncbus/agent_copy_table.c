/* SPDX-License-Identifier: MPL-2.0
 *
 * See agent_copy_table.h.
 */
#include "agent_copy_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

bool sb_copy_table_init (sb_copy_table_t *self, uint64_t seed, uint32_t max_topics, uint32_t max_fields,
                         uint64_t max_bytes)
{
    *self = (sb_copy_table_t){.seed = seed, .max_topics = max_topics, .max_fields = max_fields, .max_bytes = max_bytes};
    self->bytes = 2 * SB_TABLE_BYTES;
    return sb_table_init (&self->topics) && sb_table_init (&self->fields);
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
    sb_table_fini (&self->topics);
    sb_table_fini (&self->fields);
    *self = (sb_copy_table_t){0};
}

/* ------------------------------------------------------------------ finding */

sb_copy_topic_t *sb_copy_table_topic (const sb_copy_table_t *self, sb_text_t text)
{
    uint64_t hash = sb_text_hash (self->seed, text);
    SB_TABLE_EACH (link, &self->topics, hash)
    {
        sb_copy_topic_t *topic = SB_TABLE_ITEM (sb_copy_topic_t, link);
        if (sb_text_equal ((sb_text_t){topic->text, topic->text_size}, text))
            return topic;
    }
    return NULL;
}

sb_copy_field_t *sb_copy_table_field (const sb_copy_table_t *self, const sb_copy_topic_t *topic, sb_text_t name)
{
    uint64_t hash = sb_text_hash (topic->chained.hash, name);
    SB_TABLE_EACH (link, &self->fields, hash)
    {
        sb_copy_field_t *field = SB_TABLE_ITEM (sb_copy_field_t, link);
        if (field->topic == topic && sb_text_equal ((sb_text_t){field->name, field->name_size}, name))
            return field;
    }
    return NULL;
}

/* ------------------------------------------------------------------ bounds and growing */

static bool s_take_bytes (sb_copy_table_t *self, uint64_t bytes)
{
    if (bytes > self->max_bytes || self->bytes > self->max_bytes - bytes)
        return false;
    self->bytes += bytes;
    return true;
}

static void s_add (sb_copy_table_t *self, sb_table_t *table, sb_chained_t *item, uint64_t hash)
{
    sb_table_add (table, item, hash);
    uint64_t bytes = sb_table_growth_bytes (table);
    if (sb_table_is_full (table) && s_take_bytes (self, bytes) && !sb_table_grow (table))
        self->bytes -= bytes;
}

/* ------------------------------------------------------------------ making */

sb_copy_topic_t *sb_copy_table_add_topic (sb_copy_table_t *self, sb_text_t text)
{
    size_t size = sizeof (sb_copy_topic_t) + text.size + 1;
    if (self->topics.count >= self->max_topics || !s_take_bytes (self, size))
        return NULL;
    sb_copy_topic_t *topic = calloc (1, size);
    if (!topic) {
        self->bytes -= size;
        return NULL;
    }
    topic->text_size = text.size;
    if (text.size)
        memcpy (topic->text, text.data, text.size);
    topic->previous = self->last;
    *(self->last ? &self->last->next : &self->first) = topic;
    self->last = topic;
    s_add (self, &self->topics, &topic->chained, sb_text_hash (self->seed, text));
    return topic;
}

sb_copy_field_t *sb_copy_table_add_field (sb_copy_table_t *self, sb_copy_topic_t *topic, sb_text_t name)
{
    size_t size = sizeof (sb_copy_field_t) + name.size + 1;
    if (self->fields.count >= self->max_fields || !s_take_bytes (self, size))
        return NULL;
    sb_copy_field_t *field = calloc (1, size);
    if (!field) {
        self->bytes -= size;
        return NULL;
    }
    field->topic = topic;
    field->name_size = name.size;
    if (name.size)
        memcpy (field->name, name.data, name.size);
    field->previous = topic->last;
    *(topic->last ? &topic->last->next : &topic->first) = field;
    topic->last = field;
    self->deleted_count++;
    s_add (self, &self->fields, &field->chained, sb_text_hash (topic->chained.hash, name));
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
    sb_table_remove (&self->fields, &field->chained);
    *(field->previous ? &field->previous->next : &topic->first) = field->next;
    *(field->next ? &field->next->previous : &topic->last) = field->previous;
    self->deleted_count -= field->value.kind == SB_VALUE_NONE;
    self->bytes -= sizeof *field + field->name_size + 1 + field->run_capacity;
    free (field->run);
    free (field);
}

void sb_copy_table_remove_topic (sb_copy_table_t *self, sb_copy_topic_t *topic)
{
    assert (!topic->first);
    sb_table_remove (&self->topics, &topic->chained);
    *(topic->previous ? &topic->previous->next : &self->first) = topic->next;
    *(topic->next ? &topic->next->previous : &self->last) = topic->previous;
    self->bytes -= sizeof *topic + topic->text_size + 1;
    free (topic);
}

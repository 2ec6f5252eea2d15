/* SPDX-License-Identifier: MPL-2.0
 *
 * What an application would hold that keeps nothing but what it is given: fields of state by the hash of their value,
 * and each topic's quality. At the end it must equal the state that publications made. An open hash table of (topic,
 * name), so a look-up for each change; a table of the values themselves would say no more, since each value is new.
 */
#include "sim_checker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key; /* 0: free */
    uint64_t value;
} s_cell_t;

struct sim_picture {
    s_cell_t *cells;
    uint32_t count, capacity;
    uint8_t *qualities; /* by topic, as told last */
    uint32_t quality_count;
};

static uint64_t s_key (uint32_t topic, sb_text_t name)
{
    return sim_mixed (sim_hash (topic, name.data, name.size), name.size) | 1;
}

static s_cell_t *s_cell (const sim_picture_t *self, uint64_t key)
{
    uint32_t place = (uint32_t)(key >> 8) & (self->capacity - 1);
    while (self->cells[place].key && self->cells[place].key != key)
        place = (place + 1) & (self->capacity - 1);
    return &self->cells[place];
}

static void s_grow (sim_picture_t *self)
{
    s_cell_t *old = self->cells;
    uint32_t count = self->capacity;
    self->capacity = count ? count * 2 : 256;
    self->cells = calloc (self->capacity, sizeof *self->cells);
    assert (self->cells);
    for (uint32_t i = 0; i < count; i++)
        if (old[i].key)
            *s_cell (self, old[i].key) = old[i];
    free (old);
}

/* Value 0: the field is gone. Returns the value before. */
static uint64_t s_put (sim_picture_t *self, uint64_t key, uint64_t value)
{
    if (2 * (self->count + 1) > self->capacity)
        s_grow (self);
    s_cell_t *cell = s_cell (self, key);
    uint64_t before = cell->key ? cell->value : 0;
    if (value) {
        self->count += !cell->key;
        *cell = (s_cell_t){key, value};
    } else if (cell->key) {
        self->count--;
        uint32_t mask = self->capacity - 1, hole = (uint32_t)(cell - self->cells);
        for (uint32_t next = (hole + 1) & mask; self->cells[next].key; next = (next + 1) & mask) {
            uint32_t home = (uint32_t)(self->cells[next].key >> 8) & mask;
            if (((next - home) & mask) >= ((next - hole) & mask)) {
                self->cells[hole] = self->cells[next];
                hole = next;
            }
        }
        self->cells[hole].key = 0;
    }
    return before;
}

sim_picture_t *sim_picture_new (void)
{
    sim_picture_t *self = calloc (1, sizeof *self);
    assert (self);
    s_grow (self);
    return self;
}

void sim_picture_destroy (sim_picture_t **self_p)
{
    if (!*self_p)
        return;
    free ((*self_p)->cells);
    free ((*self_p)->qualities);
    free (*self_p);
    *self_p = NULL;
}

static uint8_t *s_quality (sim_picture_t *self, uint32_t topic)
{
    if (topic >= self->quality_count) {
        uint32_t count = topic * 2 + 64;
        self->qualities = realloc (self->qualities, count);
        assert (self->qualities);
        memset (self->qualities + self->quality_count, 0, count - self->quality_count);
        self->quality_count = count;
    }
    return &self->qualities[topic];
}

bool sim_picture_apply (sim_picture_t *self, uint32_t topic, const sb_publication_t *publication)
{
    uint8_t *quality = s_quality (self, topic);
    bool is_other = *quality != publication->quality;
    *quality = (uint8_t)publication->quality;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            uint64_t value = change->is_delete ? 0 : sim_value_hash (&change->value) | 1;
            is_other |= s_put (self, s_key (topic, change->name), value) != value;
        }
    return is_other;
}

/* For the trace: the fields of a topic that the application holds alone, by the names that agents write. */
static void s_say_extra (sim_t *self, const sim_process_t *process, const sim_picture_t *picture, uint32_t topic)
{
    for (uint32_t i = 0; i < 3 * 128; i++) {
        char name[8];
        snprintf (name, sizeof name, "%c%u", "fxy"[i / 128], i % 128);
        const s_cell_t *cell = s_cell (picture, s_key (topic, sb_text (name)));
        if (cell->key && !sim_topic_find (&self->checker->topics[topic], sb_text (name)))
            sim_say (self, "%s holds %s:%s alone", self->names[process->agent], self->checker->topics[topic].text,
                     name);
    }
}

void sim_picture_agree (sim_t *self, sim_process_t *process, const sim_picture_t *picture)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        if (!sim_reader_wants (self, process, i) || sim_is_event_topic (sb_text (topic->text)))
            continue;
        self->checks++;
        uint32_t quality = i < picture->quality_count ? picture->qualities[i] : 0;
        if (topic->field_count && quality != topic->quality)
            sim_fail (self, "the application of %s holds %s for quality %u, it is %d", self->names[process->agent],
                      topic->text, quality, topic->quality);
        for (const sim_field_t *field = topic->fields; field; field = field->next, count++) {
            self->checks++;
            const s_cell_t *cell = s_cell (picture, s_key (i, sb_text (field->name)));
            if (!cell->key || cell->value != (field->hash | 1))
                sim_fail (self, "the application of %s %s %s:%s", self->names[process->agent],
                          cell->key ? "holds otherwise" : "does not hold", topic->text, field->name);
        }
    }
    for (uint32_t i = 1; count != picture->count && i <= self->checker->topic_count; i++)
        s_say_extra (self, process, picture, i);
    if (count != picture->count)
        sim_fail (self, "the application of %s holds %u fields, there are %u", self->names[process->agent],
                  picture->count, count);
}

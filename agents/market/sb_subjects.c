/* SPDX-License-Identifier: MPL-2.0
 *
 * Open addressing over pointers, twice as many places as subjects, linear probing. Subjects never
 * leave, so there are no tombstones. The last one found is tried first: ticks come in runs.
 */
#include "sb_subjects.h"

#include <stdlib.h>
#include <string.h>

struct sb_subjects {
    sb_subject_t **places;
    uint32_t place_count; /* a power of two */
    uint32_t limit;
    uint32_t count;
    sb_subject_t *last;
    sb_indicator_periods_t periods;
};

sb_subjects_t *sb_subjects_new (uint32_t limit, const sb_indicator_periods_t *periods)
{
    sb_subjects_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->limit = limit;
    self->periods = *periods;
    self->place_count = 16;
    while (self->place_count < 2 * limit)
        self->place_count *= 2;
    self->places = calloc (self->place_count, sizeof *self->places);
    if (!self->places)
        sb_subjects_destroy (&self);
    return self;
}

void sb_subjects_destroy (sb_subjects_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_subjects_t *self = *self_p;
    for (uint32_t i = 0; self->places && i < self->place_count; i++)
        if (self->places[i]) {
            sb_indicators_destroy (&self->places[i]->indicators);
            free (self->places[i]);
        }
    free (self->places);
    free (self);
    *self_p = NULL;
}

static sb_subject_t *s_subject_new (sb_subjects_t *self, const char *name, uint32_t symbol_offset, uint64_t hash)
{
    sb_subject_t *subject = self->count < self->limit ? calloc (1, sizeof *subject) : NULL;
    if (!subject)
        return NULL;
    subject->indicators = sb_indicators_new (&self->periods);
    if (!subject->indicators) {
        free (subject);
        return NULL;
    }
    strcpy (subject->name, name);
    subject->symbol_offset = symbol_offset;
    subject->hash = hash;
    self->count++;
    return subject;
}

sb_subject_t *sb_subjects_get (sb_subjects_t *self, const char *name, uint32_t symbol_offset)
{
    if (self->last && strcmp (self->last->name, name) == 0)
        return self->last;
    uint64_t hash = sb_octets_hash (name, strlen (name));
    uint32_t place = (uint32_t)hash & (self->place_count - 1);
    while (self->places[place] && (self->places[place]->hash != hash || strcmp (self->places[place]->name, name) != 0))
        place = (place + 1) & (self->place_count - 1);
    if (!self->places[place])
        self->places[place] = s_subject_new (self, name, symbol_offset, hash);
    if (self->places[place])
        self->last = self->places[place];
    return self->places[place];
}

uint32_t sb_subjects_count (const sb_subjects_t *self)
{
    return self->count;
}

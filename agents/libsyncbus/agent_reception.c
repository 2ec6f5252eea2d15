/* SPDX-License-Identifier: MPL-2.0
 *
 * Publications: is one missing, does anybody here want it, is there room for it. The last topic sequence
 * of each topic stands in a chained hash table; one lookup a publication, which also remembers the merged
 * interest that the topic falls under. A new stream or epoch of the broker starts over.
 * The first publication of a topic sets its base: what came before the subscription was never promised.
 * A topic whose agent's record was given up begins anew at 1: the order over all tells that from a repeat.
 */
#include "agent_step_private.h"

#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

typedef struct sb_watched {
    struct sb_watched *chained;
    uint64_t hash;
    uint64_t sequence;   /* topic sequence of the last publication */
    uint64_t place;      /* its place in the order over all */
    uint32_t generation; /* of the positions that `position` points into */
    int32_t position;    /* -1: under no merged interest */
    uint32_t topic_size;
    char topic[];
} sb_watched_t;

struct sb_reception {
    uint64_t seed;
    uint64_t stream_id;
    uint64_t epoch;
    sb_watched_t **table;
    uint32_t buckets;
    uint32_t count;
    sb_position_t positions[SB_INTERESTS_MAX];
    uint32_t position_count;
    uint32_t generation;
};

sb_reception_t *sb_reception_new (uint64_t seed)
{
    sb_reception_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->seed = seed;
    self->buckets = 64;
    self->generation = 1;
    self->table = calloc (self->buckets, sizeof *self->table);
    if (!self->table)
        sb_reception_destroy (&self);
    return self;
}

static void s_forget_topics (sb_reception_t *self)
{
    for (uint32_t i = 0; self->table && i < self->buckets; i++) {
        while (self->table[i]) {
            sb_watched_t *watched = self->table[i];
            self->table[i] = watched->chained;
            free (watched);
        }
    }
    self->count = 0;
}

void sb_reception_destroy (sb_reception_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_forget_topics (*self_p);
    free ((*self_p)->table);
    free (*self_p);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ positions */

void sb_reception_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome)
{
    sb_reception_t *reception = self->reception;
    bool is_new = welcome->stream_id != reception->stream_id || welcome->epoch != reception->epoch;
    if (is_new) {
        s_forget_topics (reception);
        reception->stream_id = welcome->stream_id;
        reception->epoch = welcome->epoch;
        memset (reception->positions, 0, sizeof reception->positions);
    }
    sb_position_t old[SB_INTERESTS_MAX];
    uint32_t old_count = is_new ? 0 : reception->position_count;
    memcpy (old, reception->positions, sizeof old);
    memset (reception->positions, 0, sizeof reception->positions);
    reception->position_count = 0;
    reception->generation++;
    for (uint32_t i = 0; i < welcome->interest_count && i < SB_INTERESTS_MAX; i++) {
        sb_text_t interest = welcome->interests[i];
        if (interest.size > SB_TOPIC_MAX)
            continue;
        sb_position_t *position = &reception->positions[reception->position_count++];
        memcpy (position->interest, interest.data, interest.size);
        position->interest_size = interest.size;
        position->prefix_size = sb_interest_prefix (interest, position->prefix);
        for (uint32_t j = 0; j < old_count; j++) {
            if (sb_text_equal ((sb_text_t){old[j].interest, old[j].interest_size}, interest)) {
                position->sequence = old[j].sequence;
                position->category_sequence = old[j].category_sequence;
            }
        }
    }
}

const sb_interest_position_t *sb_reception_seen (sb_agent_step_t *self, uint32_t *count)
{
    const sb_reception_t *reception = self->reception;
    sb_interest_position_t *seen = sb_step_take (self, sizeof *seen * reception->position_count);
    for (uint32_t i = 0; i < reception->position_count; i++) {
        const sb_position_t *position = &reception->positions[i];
        seen[i].interest = sb_step_copy (self, (sb_text_t){position->interest, position->interest_size});
        seen[i].sequence = position->sequence;
        seen[i].category_sequence = position->category_sequence;
    }
    *count = reception->position_count;
    return seen;
}

static int32_t s_find_position (const sb_reception_t *self, sb_text_t topic)
{
    for (uint32_t i = 0; i < self->position_count; i++) {
        if (sb_prefix_matches ((sb_text_t){self->positions[i].prefix, self->positions[i].prefix_size}, topic))
            return (int32_t)i;
    }
    return -1;
}

/* ------------------------------------------------------------------ topics */

static uint64_t s_hash (uint64_t hash, sb_text_t text)
{
    for (uint32_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C (1099511628211);
    return hash ^ (hash >> 29);
}

static void s_grow (sb_reception_t *self)
{
    sb_watched_t **table = calloc ((size_t)self->buckets * 2, sizeof *table);
    if (!table)
        return;
    for (uint32_t i = 0; i < self->buckets; i++) {
        while (self->table[i]) {
            sb_watched_t *watched = self->table[i];
            self->table[i] = watched->chained;
            sb_watched_t **bucket = &table[watched->hash & (self->buckets * 2 - 1)];
            watched->chained = *bucket;
            *bucket = watched;
        }
    }
    free (self->table);
    self->table = table;
    self->buckets *= 2;
}

/* The topic's entry, made when it is new (sequence 0); NULL when there is no room. */
static sb_watched_t *s_watch (sb_reception_t *self, sb_text_t topic)
{
    uint64_t hash = s_hash (self->seed, topic);
    sb_watched_t *watched = self->table[hash & (self->buckets - 1)];
    while (watched &&
           !(watched->hash == hash && sb_text_equal ((sb_text_t){watched->topic, watched->topic_size}, topic)))
        watched = watched->chained;
    if (watched || self->count >= SB_AGENT_TOPICS_MAX)
        return watched;
    if (self->count >= self->buckets)
        s_grow (self);
    watched = malloc (sizeof *watched + topic.size);
    if (!watched)
        return NULL;
    *watched = (sb_watched_t){.hash = hash, .topic_size = topic.size};
    memcpy (watched->topic, topic.data, topic.size);
    sb_watched_t **bucket = &self->table[hash & (self->buckets - 1)];
    watched->chained = *bucket;
    *bucket = watched;
    self->count++;
    return watched;
}

static void s_gap (sb_agent_step_t *self, sb_text_t topic, uint64_t first, uint64_t last)
{
    self->counts.dropped += last - first + 1;
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_GAP);
    effect->gap.topic = topic;
    effect->gap.first = first;
    effect->gap.last = last;
}

/* Takes note of a numbered publication. False for one that was seen before, or of an older epoch. */
static bool s_note (sb_agent_step_t *self, const sb_publication_t *publication)
{
    sb_reception_t *reception = self->reception;
    if (publication->stream_id != reception->stream_id || publication->epoch != reception->epoch) {
        if (publication->stream_id == reception->stream_id && publication->epoch < reception->epoch)
            return false;
        s_forget_topics (reception);
        reception->stream_id = publication->stream_id;
        reception->epoch = publication->epoch;
    }
    sb_watched_t *watched = s_watch (reception, publication->topic);
    if (!watched)
        return true; /* too many topics to watch this one for gaps */
    if (watched->sequence && publication->sequence <= watched->place)
        return false;
    uint64_t next = publication->topic_sequence > watched->sequence ? watched->sequence + 1 : 1;
    if (watched->sequence && publication->topic_sequence > next)
        s_gap (self, publication->topic, next, publication->topic_sequence - 1);
    watched->sequence = publication->topic_sequence;
    watched->place = publication->sequence;
    if (watched->generation != reception->generation) {
        watched->generation = reception->generation;
        watched->position = s_find_position (reception, publication->topic);
    }
    if (watched->position >= 0 && reception->positions[watched->position].sequence < publication->sequence) {
        reception->positions[watched->position].sequence = publication->sequence;
        reception->positions[watched->position].category_sequence = publication->category_sequence;
    }
    return true;
}

static bool s_is_wanted (const sb_agent_step_t *self, sb_text_t topic)
{
    for (uint32_t i = 0; i < self->interest_prefix_count; i++) {
        sb_text_t prefix = self->prefixes[i];
        if (topic.size >= prefix.size && memcmp (topic.data, prefix.data, prefix.size) == 0)
            return true;
    }
    return false;
}

void sb_reception_publication (sb_agent_step_t *self, const sb_publication_t *publication)
{
    static const char control[] = "_control.";
    if (self->link == SB_LINK_FINISHED)
        return;
    if (publication->topic.size >= sizeof control - 1 &&
        memcmp (publication->topic.data, control, sizeof control - 1) == 0)
        sb_levels_control (self, publication);
    if (!s_is_wanted (self, publication->topic))
        return;
    if (publication->sequence && !s_note (self, publication))
        return;
    self->counts.received++;
    if (!self->config.has_update_handler) {
        self->counts.processed++;
        self->progress++;
        sb_step_effect (self, SB_AGENT_EFFECT_REMEMBER)->publication = publication;
    } else if (self->publications_waiting >= self->config.queue_publications) {
        s_gap (self, publication->topic, publication->topic_sequence, publication->topic_sequence);
    } else {
        self->publications_waiting++;
        sb_step_effect (self, SB_AGENT_EFFECT_DELIVER)->publication = publication;
    }
}

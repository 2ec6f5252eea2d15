/* SPDX-License-Identifier: MPL-2.0
 *
 * Categories that something was heard of, what waits in the stale ones, and which losses were told.
 *
 * What waits of a category is a list in order of arrival, each publication copied into one block; all lists together
 * are bounded by buffer_bytes: beyond it the longest one is dropped, counted, and a snapshot taken instead. Of each
 * topic met while its category is stale a note says up to where its publications came or were told as lost: so each
 * loss is told once, whether it is seen by what came after it, found in history, or told by a snapshot. Notes live
 * until the category is current again; an agent that misses nothing has none. Categories and notes are found by hash:
 * each publication looks for its category.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent_keep.h"
#include "agent_recovery.h"
#include "sb_names.h"

/* ------------------------------------------------------------------ categories */

static bool s_is_event (const sb_agent_step_t *self, const sb_watch_t *watch)
{
    if (watch->name[0] == '_')
        return true;
    for (uint32_t i = 0; i < self->event_category_count; i++) {
        if (sb_text_equal (sb_text (self->event_categories[i]), (sb_text_t){watch->name, watch->size - 1}))
            return true;
    }
    return false;
}

bool sb_watch_classify (const sb_agent_step_t *self, sb_watch_t *watch)
{
    sb_text_t name = {watch->name, watch->size};
    bool is_wanted = false;
    watch->is_event = s_is_event (self, watch);
    watch->is_whole = watch->is_covered = watch->is_conflated = false;
    watch->conflated_ms = 0;
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        const sb_want_t *want = &self->wants[i];
        bool covers = sb_prefix_matches (want->prefix, name);
        if (!covers && !(want->prefix.size && sb_text_begins_with (want->prefix, name)))
            continue;
        is_wanted = true;
        watch->is_covered |= covers;
        watch->is_whole |= covers && want->interval_ms == 0;
        if (want->interval_ms > watch->conflated_ms)
            watch->conflated_ms = want->interval_ms;
    }
    if (watch->is_whole || watch->is_event)
        watch->conflated_ms = 0;
    watch->is_conflated = watch->conflated_ms > 0;
    return is_wanted;
}

/* `name` ends in its dot. */
static sb_watch_t *s_watch (sb_agent_step_t *self, sb_text_t name)
{
    sb_reception_t *reception = self->reception;
    uint64_t hash = sb_text_hash (reception->seed, name);
    SB_TABLE_EACH (link, &reception->named, hash)
    {
        sb_watch_t *found = SB_TABLE_ITEM (sb_watch_t, link);
        if (sb_text_equal ((sb_text_t){found->name, found->size}, name))
            return found;
    }
    if (reception->watch_count == SB_WATCHES_MAX || name.size >= sizeof reception->watches[0]->name ||
        !sb_table_make_room (&reception->named))
        return NULL;
    sb_watch_t *watch = calloc (1, sizeof *watch);
    if (!watch)
        return NULL;
    memcpy (watch->name, name.data, name.size);
    watch->size = name.size;
    if (!sb_watch_classify (self, watch) || !sb_scope_make (self, watch)) {
        free (watch);
        return NULL;
    }
    sb_table_add (&reception->named, &watch->chained, hash);
    reception->watches[reception->watch_count++] = watch;
    return watch;
}

sb_watch_t *sb_watch_of_topic (sb_agent_step_t *self, sb_text_t topic)
{
    const char *dot = topic.size ? memchr (topic.data, '.', topic.size) : NULL;
    return dot ? s_watch (self, (sb_text_t){topic.data, (uint32_t)(dot + 1 - topic.data)}) : NULL;
}

sb_watch_t *sb_watch_of_name (sb_agent_step_t *self, sb_text_t category)
{
    char name[SB_CATEGORY_MAX + 3];
    if (category.size == 0 || category.size + 1 >= sizeof name)
        return NULL;
    memcpy (name, category.data, category.size);
    name[category.size] = '.';
    return s_watch (self, (sb_text_t){name, category.size + 1});
}

void sb_watch_needs (sb_watch_t *self, sb_need_t need)
{
    if (self->need < need)
        self->need = need;
}

/* ------------------------------------------------------------------ losses */

void sb_watch_gap (sb_agent_step_t *self, sb_watch_t *watch, sb_text_t topic, uint64_t first, uint64_t last)
{
    uint64_t lost = last ? last - first + 1 : 0;
    self->counts.dropped += lost;
    self->counts.gaps++;
    if (watch) {
        watch->lost += lost;
        watch->is_told = true;
    }
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_GAP);
    effect->gap.topic = sb_step_copy (self, topic);
    effect->gap.first = first;
    effect->gap.last = last;
}

static sb_noted_t *s_find_noted (const sb_reception_t *self, uint64_t hash, sb_text_t topic)
{
    SB_TABLE_EACH (link, &self->noted, hash)
    {
        sb_noted_t *noted = SB_TABLE_ITEM (sb_noted_t, link);
        if (sb_text_equal ((sb_text_t){noted->topic, noted->topic_size}, topic))
            return noted;
    }
    return NULL;
}

sb_noted_t *sb_watch_find_noted (const sb_reception_t *self, sb_text_t topic)
{
    return self->noted.count ? s_find_noted (self, sb_text_hash (self->seed, topic), topic) : NULL;
}

sb_noted_t *sb_watch_noted (sb_agent_step_t *self, sb_watch_t *watch, sb_text_t topic, bool makes)
{
    sb_reception_t *reception = self->reception;
    uint64_t hash = sb_text_hash (reception->seed, topic);
    sb_noted_t *noted = s_find_noted (reception, hash, topic);
    if (noted || !makes || reception->noted.count >= SB_AGENT_TOPICS_MAX || !sb_table_make_room (&reception->noted))
        return noted;
    noted = malloc (sizeof *noted + topic.size);
    if (!noted)
        return NULL;
    uint64_t category;
    *noted = (sb_noted_t){.topic_size = topic.size};
    memcpy (noted->topic, topic.data, topic.size);
    sb_reception_known (reception, topic, &noted->sequence, &noted->through, &category);
    noted->delivered = noted->sequence;
    sb_table_add (&reception->noted, &noted->chained, hash);
    noted->next = watch->noted;
    watch->noted = noted;
    return noted;
}

/* Takes the first of `*list`, a list of a watch, out of everything. */
static void s_forget_note (sb_reception_t *self, sb_noted_t **list)
{
    sb_noted_t *noted = *list;
    sb_table_remove (&self->noted, &noted->chained);
    *list = noted->next;
    free (noted);
    if (self->noted.count == 0)
        sb_table_fini (&self->noted);
}

void sb_watch_forget_notes (sb_reception_t *self, sb_watch_t *watch)
{
    while (watch->noted)
        s_forget_note (self, &watch->noted);
}

/* Conflation may hold back what was published between two parts of a topic until the repair is over: how far such a
 * topic is known must stay. */
static void s_forget_finished (sb_reception_t *self, sb_watch_t *watch)
{
    for (sb_noted_t **list = &watch->noted; *list;) {
        sb_noted_t *noted = *list;
        if (!noted->is_split || !watch->is_conflated) {
            s_forget_note (self, list);
            continue;
        }
        noted->through = noted->split_through;
        noted->sequence = noted->delivered = noted->split_sequence;
        list = &noted->next;
    }
}

/* Tells what is missing before a publication that came, or would have. False: that one was there before. */
static bool s_note (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_noted_t *noted = sb_watch_noted (self, watch, publication->topic, true);
    if (!noted)
        return true;
    if (publication->sequence <= noted->sequence)
        return false;
    /* Before the first snapshot the first publication of a topic sets its base. */
    bool has_base = noted->sequence || self->reception->has_base;
    uint64_t topic_sequence = publication->topic_sequence;
    uint64_t next = topic_sequence > noted->through ? noted->through + 1 : 1;
    uint64_t first = publication->first_topic_sequence ? publication->first_topic_sequence : topic_sequence;
    if (has_base && first > next)
        sb_watch_gap (self, watch, publication->topic, next, first - 1);
    if (!has_base)
        noted->from = first;
    noted->through = topic_sequence;
    noted->sequence = publication->sequence;
    return true;
}

void sb_watch_no_room (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    if (s_note (self, watch, publication))
        sb_watch_gap (self, watch, publication->topic, publication->topic_sequence, publication->topic_sequence);
}

/* ------------------------------------------------------------------ what waits */

void sb_watch_free_taken (sb_reception_t *self)
{
    while (self->taken) {
        sb_waiting_t *waiting = self->taken;
        self->taken = waiting->next;
        free (waiting);
    }
}

sb_waiting_t *sb_watch_next (sb_reception_t *self, sb_watch_t *watch)
{
    sb_waiting_t *waiting = watch->first;
    if (!waiting)
        return NULL;
    watch->first = waiting->next;
    if (!watch->first)
        watch->last = NULL;
    watch->waiting_bytes -= waiting->size;
    self->waiting_bytes -= waiting->size;
    waiting->next = self->taken;
    self->taken = waiting;
    return waiting;
}

void sb_watch_drop_waiting (sb_reception_t *self, sb_watch_t *watch)
{
    while (watch->first) {
        sb_waiting_t *waiting = watch->first;
        watch->first = waiting->next;
        self->waiting_bytes -= waiting->size;
        free (waiting);
    }
    watch->last = NULL;
    watch->waiting_bytes = 0;
}

/* The longest list goes: what was in it is lost, and a snapshot has to make that good. */
static void s_overflow (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    sb_watch_t *watch = reception->watches[0];
    for (uint32_t i = 1; i < reception->watch_count; i++) {
        if (reception->watches[i]->waiting_bytes > watch->waiting_bytes)
            watch = reception->watches[i];
    }
    uint64_t count = 0;
    for (const sb_waiting_t *waiting = watch->first; waiting; waiting = waiting->next)
        count++;
    sb_text_t category = {watch->name, watch->size - 1};
    sb_step_log (self, SB_SEVERITY_WARNING, "too much waits for a repair: dropped, and a snapshot is taken instead",
                 sb_step_copy (self, category));
    if (reception->has_base && count) {
        self->counts.dropped += count;
        watch->lost += count;
        sb_watch_gap (self, watch, category, 0, 0);
    }
    if (reception->phase != SB_RECOVERY_IDLE && (!reception->active || reception->active == watch))
        sb_recovery_abort (self, true);
    else
        self->counts.restarts++;
    sb_watch_drop_waiting (reception, watch);
    watch->need = SB_NEED_SNAPSHOT;
}

/* A chunk was faster than the SUB: what comes now is in the copy, but its number is still to be counted in its turn,
 * or it would seem to be missing. */
static bool s_counts_only (const sb_reception_t *self, const sb_watch_t *watch, const sb_publication_t *publication)
{
    uint64_t sequence, topic_sequence, category_sequence;
    return watch->is_whole && !watch->is_event && publication->category_sequence > watch->verified &&
           sb_reception_known (self, publication->topic, &sequence, &topic_sequence, &category_sequence) &&
           publication->sequence <= sequence;
}

void sb_watch_wait (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_reception_t *reception = self->reception;
    if (!s_note (self, watch, publication) && !s_counts_only (reception, watch, publication))
        return;
    size_t size = sizeof (sb_waiting_t) + sb_keep_size (publication);
    while (reception->waiting_bytes && reception->waiting_bytes + size > self->config.buffer_bytes)
        s_overflow (self);
    sb_waiting_t *waiting = size <= self->config.buffer_bytes ? malloc (size) : NULL;
    if (!waiting) {
        sb_watch_gap (self, watch, publication->topic, publication->topic_sequence, publication->topic_sequence);
        sb_watch_needs (watch, SB_NEED_SNAPSHOT);
        if (reception->phase != SB_RECOVERY_IDLE && (!reception->active || reception->active == watch))
            sb_recovery_abort (self, true);
        return;
    }
    waiting->next = NULL;
    waiting->size = size;
    sb_keep_copy (&waiting->publication, waiting + 1, publication);
    *(watch->first ? &watch->last->next : &watch->first) = waiting;
    watch->last = waiting;
    watch->waiting_bytes += size;
    reception->waiting_bytes += size;
}

/* ------------------------------------------------------------------ the end of an episode */

void sb_watch_finish (sb_agent_step_t *self, sb_watch_t *watch)
{
    self->counts.resynchronized += watch->lost - watch->recovered;
    if (watch->is_told) {
        sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_RECOVERED);
        effect->recovered.category = sb_step_copy (self, (sb_text_t){watch->name, watch->size - 1});
        /* What was told as lost and not fetched, a snapshot that was taken before has. */
        bool is_by_history = !watch->is_by_snapshot && watch->recovered == watch->lost;
        effect->recovered.kind = is_by_history ? SB_RECOVERED_BY_HISTORY : SB_RECOVERED_BY_SNAPSHOT;
        effect->recovered.lost = watch->lost;
        effect->recovered.recovered = watch->recovered;
    }
    s_forget_finished (self->reception, watch);
    watch->need = SB_NEED_NOTHING;
    watch->is_told = watch->is_by_snapshot = watch->is_lossy = false;
    watch->repaired = NULL;
    watch->tried_through = 0;
    watch->lost = watch->recovered = 0;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * A model of conflation: what waits for each topic and interval, from publications and subscriptions alone. The first
 * publication after a pause is passed on in the same step; what comes within the interval waits, and then goes out as
 * one: from the first that waited to the last, each field that was named meanwhile with the value that it has now and
 * the sequence that named it, what is gone as a delete. At most one in each interval; events one by one, as they are.
 */
#include "sim_checker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t sequence; /* of the publication that deleted it */
    char name[SB_FIELD_NAME_MAX + 1];
} s_name_t;

/* One topic at one interval. */
typedef struct {
    uint32_t next; /* of the same topic: number, from 1 */
    uint32_t topic;
    uint32_t interval_ms;
    uint64_t emitted_ns; /* 0: not yet */
    uint64_t first;      /* topic sequence of the first one that waits; 0: none does */
    uint64_t first_sequence;
    uint64_t due_ns;
    bool was_left;  /* nobody asked for a while: what waited may wait on, or be forgotten */
    s_name_t *gone; /* fields deleted meanwhile */
    uint32_t gone_count, gone_capacity;
} s_merge_t;

typedef struct {
    uint32_t interval_ms;
    uint32_t size;
    char prefix[SB_TOPIC_MAX + 1];
} s_asked_t;

/* Numbers of one category at one interval. */
typedef struct {
    uint32_t interval_ms;
    uint32_t category;
    uint64_t sequence; /* 0: none since somebody asks for that interval */
} s_numbers_t;

struct sim_conflation {
    s_numbers_t *numbers;
    uint32_t number_count, number_capacity;
    s_asked_t *asked;
    uint32_t asked_count, asked_capacity;
    s_merge_t *merges;
    uint32_t merge_count, merge_capacity;
};

static sb_text_t s_prefix (const s_asked_t *asked)
{
    return (sb_text_t){asked->prefix, asked->size};
}

static bool s_matches (const s_asked_t *asked, sb_text_t topic)
{
    return topic.size >= asked->size && (asked->size == 0 || memcmp (topic.data, asked->prefix, asked->size) == 0);
}

static bool s_is_asked (const sim_conflation_t *self, uint32_t interval_ms, sb_text_t topic)
{
    for (uint32_t i = 0; i < self->asked_count; i++)
        if (self->asked[i].interval_ms == interval_ms && s_matches (&self->asked[i], topic))
            return true;
    return false;
}

static bool s_split (sb_text_t text, uint32_t *interval_ms, sb_text_t *rest)
{
    static const char head[] = "~conflated.";
    uint32_t at = sizeof head - 1;
    if (text.size <= at || memcmp (text.data, head, at) != 0)
        return false;
    *interval_ms = 0;
    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
        *interval_ms = *interval_ms * 10 + (uint32_t)(text.data[at++] - '0');
    *rest = (sb_text_t){text.data + at + 1, text.size - at - 1};
    return at < text.size && text.data[at] == '.';
}

static s_merge_t *s_merge (sim_conflation_t *self, sim_topic_t *topic, uint32_t number, uint32_t interval_ms)
{
    for (uint32_t i = topic->merge; i; i = self->merges[i - 1].next)
        if (self->merges[i - 1].interval_ms == interval_ms)
            return &self->merges[i - 1];
    if (self->merge_count == self->merge_capacity) {
        self->merge_capacity = self->merge_capacity * 2 + 64;
        self->merges = realloc (self->merges, self->merge_capacity * sizeof *self->merges);
        assert (self->merges);
    }
    s_merge_t *merge = &self->merges[self->merge_count++];
    *merge = (s_merge_t){.next = topic->merge, .topic = number, .interval_ms = interval_ms};
    topic->merge = self->merge_count;
    return merge;
}

/* ------------------------------------------------------------------ who asks */

/* Its numbers begin anew when somebody asks again. */
static void s_note_left (sim_conflation_t *self, uint32_t interval_ms)
{
    for (uint32_t i = 0; i < self->asked_count; i++)
        if (self->asked[i].interval_ms == interval_ms)
            return;
    for (uint32_t i = 0; i < self->number_count; i++)
        if (self->numbers[i].interval_ms == interval_ms)
            self->numbers[i].sequence = 0;
}

static void s_check_number (sim_t *self, uint32_t interval_ms, const sim_topic_t *topic, uint64_t sequence)
{
    sim_conflation_t *model = self->checker->conflation;
    uint32_t place = 0;
    while (place < model->number_count &&
           !(model->numbers[place].interval_ms == interval_ms && model->numbers[place].category == topic->category))
        place++;
    if (place == model->number_count) {
        if (place == model->number_capacity) {
            model->number_capacity = model->number_capacity * 2 + 16;
            model->numbers = realloc (model->numbers, model->number_capacity * sizeof *model->numbers);
            assert (model->numbers);
        }
        model->numbers[model->number_count++] = (s_numbers_t){interval_ms, topic->category, 0};
    }
    s_numbers_t *numbers = &model->numbers[place];
    self->checks++;
    if (sequence != numbers->sequence + 1)
        sim_fail (self, "conflated at %u ms, %s has number %" PRIu64 " after %" PRIu64, interval_ms, topic->text,
                  sequence, numbers->sequence);
    numbers->sequence = sequence;
}

bool sim_conflation_has (const sim_checker_t *checker, uint32_t interval_ms, sb_text_t prefix)
{
    const sim_conflation_t *model = checker->conflation;
    for (uint32_t i = 0; i < model->asked_count; i++)
        if (model->asked[i].interval_ms == interval_ms && sb_text_equal (s_prefix (&model->asked[i]), prefix))
            return true;
    return false;
}

uint32_t sim_conflation_prefix_count (const sim_checker_t *checker, uint32_t interval_ms)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < checker->conflation->asked_count; i++)
        count += checker->conflation->asked[i].interval_ms == interval_ms;
    return count;
}

uint64_t sim_conflation_number (const sim_checker_t *checker, uint32_t interval_ms, sb_text_t category)
{
    const sim_conflation_t *model = checker->conflation;
    for (uint32_t i = 0; i < model->number_count; i++)
        if (model->numbers[i].interval_ms == interval_ms &&
            sim_text_is (category, checker->categories[model->numbers[i].category - 1]))
            return model->numbers[i].sequence;
    return 0;
}

/* True when somebody reads topics of that category at that interval. */
static bool s_is_read (const sim_checker_t *checker, const s_numbers_t *numbers)
{
    const char *category = checker->categories[numbers->category - 1];
    uint32_t size = (uint32_t)strlen (category);
    for (uint32_t i = 0; i < checker->conflation->asked_count; i++) {
        const s_asked_t *asked = &checker->conflation->asked[i];
        uint32_t shorter = asked->size < size ? asked->size : size;
        if (asked->interval_ms == numbers->interval_ms && memcmp (asked->prefix, category, shorter) == 0 &&
            (asked->size <= size || asked->prefix[size] == '.'))
            return true;
    }
    return false;
}

uint32_t sim_conflation_number_count (const sim_checker_t *checker)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < checker->conflation->number_count; i++) {
        const s_numbers_t *numbers = &checker->conflation->numbers[i];
        count += numbers->sequence > 0 && s_is_read (checker, numbers);
    }
    return count;
}

void sim_conflation_before (sim_t *self, const sb_event_t *event)
{
    sim_conflation_t *model = self->checker->conflation;
    uint32_t interval_ms, place = 0;
    sb_text_t prefix;
    if (event->kind != SB_EVENT_SUBSCRIPTION || !s_split (event->subscription.prefix, &interval_ms, &prefix))
        return;
    while (place < model->asked_count &&
           !(model->asked[place].interval_ms == interval_ms && sb_text_equal (s_prefix (&model->asked[place]), prefix)))
        place++;
    if (event->subscription.is_subscribed) {
        if (model->asked_count >= self->options.max_conflations)
            return; /* refused: joins must not name it, and nothing be published under it */
        if (model->asked_count == model->asked_capacity) {
            model->asked_capacity = model->asked_capacity * 2 + 16;
            model->asked = realloc (model->asked, model->asked_capacity * sizeof *model->asked);
            assert (model->asked);
        }
        s_asked_t *asked = &model->asked[model->asked_count++];
        *asked = (s_asked_t){.interval_ms = interval_ms, .size = prefix.size};
        memcpy (asked->prefix, prefix.data, prefix.size);
        return;
    }
    if (place == model->asked_count)
        return; /* was refused */
    model->asked[place] = model->asked[--model->asked_count];
    s_note_left (model, interval_ms);
    for (uint32_t i = 0; i < model->merge_count; i++) {
        s_merge_t *merge = &model->merges[i];
        bool is_left = merge->interval_ms == interval_ms &&
                       !s_is_asked (model, interval_ms, sb_text (self->checker->topics[merge->topic].text));
        merge->was_left = merge->was_left || is_left;
    }
}

/* ------------------------------------------------------------------ what waits */

static void s_note_gone (s_merge_t *merge, sb_text_t name, uint64_t sequence)
{
    if (merge->gone_count == merge->gone_capacity) {
        merge->gone_capacity = merge->gone_capacity * 2 + 8;
        merge->gone = realloc (merge->gone, merge->gone_capacity * sizeof *merge->gone);
        assert (merge->gone);
    }
    s_name_t *gone = &merge->gone[merge->gone_count++];
    *gone = (s_name_t){.sequence = sequence};
    memcpy (gone->name, name.data, name.size);
}

/* Those before the first one that waits. */
static void s_forget_gone (s_merge_t *merge)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < merge->gone_count; i++)
        if (merge->gone[i].sequence >= merge->first_sequence)
            merge->gone[kept++] = merge->gone[i];
    merge->gone_count = kept;
}

static void s_wait (sim_t *self, s_merge_t *merge, const sim_topic_t *topic, const sb_publication_t *publication)
{
    if (merge->first && topic->is_event && !merge->was_left)
        sim_fail (self, "events %" PRIu64 " and %" PRIu64 " of %s were not passed on at once, at %u ms", merge->first,
                  publication->topic_sequence, topic->text, merge->interval_ms);
    if (!merge->first) {
        merge->first = publication->topic_sequence;
        merge->first_sequence = publication->sequence;
        merge->due_ns = merge->emitted_ns && !topic->is_event ? merge->emitted_ns + merge->interval_ms * SIM_MS : 0;
        if (merge->due_ns < self->now_ns)
            merge->due_ns = self->now_ns;
        if (merge->due_ns < self->checker->merge_next_ns)
            self->checker->merge_next_ns = merge->due_ns;
    }
    for (uint32_t i = 0; !topic->is_event && i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++)
            if (publication->updates[i].changes[j].is_delete)
                s_note_gone (merge, publication->updates[i].changes[j].name, publication->sequence);
}

/* The topic was given up and is made anew: what waited of it for somebody went out before, the rest is forgotten. */
static void s_begin_anew (sim_t *self, const sim_topic_t *topic)
{
    for (uint32_t i = topic->merge; i; i = self->checker->conflation->merges[i - 1].next) {
        s_merge_t *merge = &self->checker->conflation->merges[i - 1];
        self->checks++;
        if (merge->first && !merge->was_left)
            sim_fail (self, "%s begins anew, and %" PRIu64 " still waits at %u ms", topic->text, merge->first,
                      merge->interval_ms);
        merge->first = merge->emitted_ns = 0;
        merge->gone_count = 0;
        merge->was_left = false;
    }
}

void sim_conflation_offered (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic)
{
    sim_conflation_t *model = self->checker->conflation;
    sb_text_t text = sb_text (topic->text);
    if (publication->topic_sequence == 1)
        s_begin_anew (self, topic);
    for (uint32_t i = 0; i < model->asked_count; i++) {
        uint32_t interval_ms = model->asked[i].interval_ms;
        bool is_first = s_matches (&model->asked[i], text);
        for (uint32_t j = 0; is_first && j < i; j++)
            is_first = !(model->asked[j].interval_ms == interval_ms && s_matches (&model->asked[j], text));
        if (is_first)
            s_wait (self, s_merge (model, topic, (uint32_t)(topic - self->checker->topics), interval_ms), topic,
                    publication);
    }
}

/* ------------------------------------------------------------------ what comes out */

/* Every field named since the first one that waited is there, as it stands now. */
static void s_check_content (sim_t *self, const s_merge_t *merge, const sim_topic_t *topic,
                             const sb_publication_t *publication)
{
    uint32_t set = 0, named = 0;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        uint64_t sequence = update->publication_sequence ? update->publication_sequence : publication->sequence;
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            const sim_field_t *field = sim_topic_find (topic, change->name);
            self->checks++;
            bool is_right = change->is_delete
                                ? !field && sequence >= merge->first_sequence
                                : field && field->sequence == sequence && sim_field_has (field, &change->value);
            if (!is_right)
                sim_fail (self,
                          "conflated at %u ms, %s:%.*s is not as it stands: %s by %" PRIu64 ", %s by %" PRIu64
                          ", waiting since %" PRIu64,
                          merge->interval_ms, topic->text, (int)change->name.size, change->name.data,
                          change->is_delete ? "a delete" : "set", sequence, field ? "it is" : "it is gone",
                          field ? field->sequence : 0, merge->first_sequence);
            set += !change->is_delete && sequence >= merge->first_sequence;
        }
    }
    for (const sim_field_t *field = topic->fields; field; field = field->next)
        named += field->sequence >= merge->first_sequence;
    if (set != named)
        sim_fail (self, "conflated at %u ms, %s has %u fields, %u changed", merge->interval_ms, topic->text, set,
                  named);
    for (uint32_t i = 0; i < merge->gone_count; i++) {
        sb_text_t name = sb_text (merge->gone[i].name);
        bool is_there = sim_topic_find (topic, name) != NULL;
        for (uint32_t j = 0; j < publication->update_count && !is_there; j++)
            for (uint32_t k = 0; k < publication->updates[j].change_count && !is_there; k++)
                is_there = sb_text_equal (publication->updates[j].changes[k].name, name);
        if (!is_there)
            sim_fail (self, "conflated at %u ms, the delete of %s:%s is lost", merge->interval_ms, topic->text,
                      merge->gone[i].name);
    }
}

bool sim_conflation_published (sim_t *self, const sb_publication_t *publication)
{
    sim_checker_t *checker = self->checker;
    uint32_t interval_ms;
    sb_text_t text;
    if (!s_split (publication->topic, &interval_ms, &text))
        return false;
    if (publication->sequence == 0) /* a level, passed on */
        return true;
    sim_topic_t *topic = sim_topic_at (checker, text);
    s_merge_t *merge = s_merge (checker->conflation, topic, (uint32_t)(topic - checker->topics), interval_ms);
    uint64_t first =
        publication->first_topic_sequence ? publication->first_topic_sequence : publication->topic_sequence;
    /* It comes sooner when merging more would pass the message limit, or the topic goes. */
    bool may_be_early = sim_may_forget (self) || self->options.max_message_bytes < 262144;
    first += sim_canary (self, SIM_CANARY_conflation) ? 1 : 0;
    bool is_joining = merge->first && first == merge->first;
    if (merge->was_left) {
        merge->first_sequence = sim_offers_sequence (self, topic, first);
        is_joining = merge->first_sequence && (!merge->first || first >= merge->first);
        merge->gone_count = 0;
    }
    self->checks += 4;
    if (!s_is_asked (checker->conflation, interval_ms, text) && !merge->was_left)
        sim_fail (self, "%s is conflated at %u ms for nobody", topic->text, interval_ms);
    /* What merging more would make too large goes before the one that is new. */
    bool is_cut = may_be_early && is_joining && merge->first < topic->topic_sequence &&
                  publication->topic_sequence + 1 == topic->topic_sequence;
    if (!is_cut && (!is_joining || publication->topic_sequence != topic->topic_sequence ||
                    publication->sequence != topic->last_offer))
        sim_fail (self,
                  "conflated at %u ms, %s goes from %" PRIu64 " to %" PRIu64 "; waiting are %" PRIu64 " to %" PRIu64,
                  interval_ms, topic->text, first, publication->topic_sequence, merge->first, topic->topic_sequence);
    s_check_number (self, interval_ms, topic, publication->conflated_sequence);
    if (is_cut) {
        merge->emitted_ns = merge->due_ns = self->now_ns;
        merge->first = topic->topic_sequence;
        merge->first_sequence = topic->last_offer;
        s_forget_gone (merge);
        merge->due_ns += interval_ms * SIM_MS;
        return true;
    }
    bool is_early = merge->emitted_ns && self->now_ns < merge->emitted_ns + interval_ms * SIM_MS;
    if (is_early && !topic->is_event && !may_be_early && !merge->was_left)
        sim_fail (self, "conflated at %u ms, %s comes after %.3f s", interval_ms, topic->text,
                  (double)(self->now_ns - merge->emitted_ns) / 1e9);
    if (publication->quality != topic->quality)
        sim_fail (self, "conflated at %u ms, %s has quality %d", interval_ms, topic->text, (int)publication->quality);
    bool is_same = sim_offers_is_same (self, publication, topic);
    if (topic->is_event && !is_same)
        sim_fail (self, "%s %" PRIu64 " was not passed on as it was published", topic->text,
                  publication->topic_sequence);
    if (!is_same || publication->topic_sequence > first)
        s_check_content (self, merge, topic, publication);
    if (publication->topic_sequence > first)
        sim_note_fault (self, SIM_FAULT_merged);
    merge->emitted_ns = self->now_ns;
    merge->first = 0;
    merge->was_left = false;
    merge->gone_count = 0;
    return true;
}

/* The step is over; after a tick that left nothing to do, nothing that is due waits. */
void sim_conflation_after (sim_t *self, const sb_event_t *event)
{
    sim_checker_t *checker = self->checker;
    const sim_conflation_t *model = checker->conflation;
    bool is_done = event->kind == SB_EVENT_TICK && sb_core_deadline (self->core) > self->now_ns;
    if (!is_done || self->now_ns < checker->merge_next_ns)
        return;
    checker->merge_next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < model->merge_count; i++) {
        const s_merge_t *merge = &model->merges[i];
        if (!merge->first || merge->was_left)
            continue;
        self->checks++;
        if (merge->due_ns <= self->now_ns)
            sim_fail (self, "%s %" PRIu64 " waits at %u ms, and was due %.6f s ago", checker->topics[merge->topic].text,
                      merge->first, merge->interval_ms, (double)(self->now_ns - merge->due_ns) / 1e9);
        if (merge->due_ns < checker->merge_next_ns)
            checker->merge_next_ns = merge->due_ns;
    }
}

/* ------------------------------------------------------------------ life */

void sim_conflation_start (sim_checker_t *checker)
{
    sim_conflation_free (checker);
    checker->conflation = calloc (1, sizeof *checker->conflation);
    assert (checker->conflation);
    checker->merge_next_ns = UINT64_MAX;
    for (uint32_t i = 1; i <= checker->topic_count; i++)
        checker->topics[i].merge = 0;
}

void sim_conflation_free (sim_checker_t *checker)
{
    if (!checker->conflation)
        return;
    for (uint32_t i = 0; i < checker->conflation->merge_count; i++)
        free (checker->conflation->merges[i].gone);
    free (checker->conflation->merges);
    free (checker->conflation->asked);
    free (checker->conflation->numbers);
    free (checker->conflation);
    checker->conflation = NULL;
}

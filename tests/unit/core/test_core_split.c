/* SPDX-License-Identifier: MPL-2.0
 *
 * Finding topics and fields by guess changes nothing but the cost: a model that knows no guesses agrees on every
 * decision, every change published and every value, whatever order names come in, singly or in batches, while fields
 * come and go, their slots are used again elsewhere, and values grow and shrink across the sizes that share a place.
 */
#include "core_harness.h"

#include "state.h"

enum {
    AGENTS = 3,
    SUBJECTS = 3,
    NAMES = 12,
    CATEGORIES = 4,
    DELTAS = 20000,
    CHANGES = 14,
    TEXT_MAX = 100,
    LIMIT = 20,
    BATCH = 8
};

/* By the default rules: market_data, risk, sentiment, uncategorized; three names of each. */
static const char *const s_names[NAMES] = {"price",
                                           "risk_a",
                                           "sentiment_long_enough_to_be_compared_elsewhere",
                                           "x",
                                           "bid",
                                           "var",
                                           "news",
                                           "yy",
                                           "price_2",
                                           "drawdown_30",
                                           "news_of_the_day",
                                           "zzz"};
static const char *const s_categories[CATEGORIES] = {"market_data", "risk", "sentiment", "uncategorized"};
static const char *const s_subjects[SUBJECTS] = {"", "A", "spot:BTCUSDT"};

typedef struct {
    bool is_there;
    bool is_text;
    double number;
    uint32_t size; /* of the text: so many times `octet` */
    char octet;
} s_held_t;

typedef struct {
    harness_t h;
    uint64_t state;                                     /* of the random numbers */
    uint64_t sequences[AGENTS];                         /* last one decided */
    s_held_t held[AGENTS][CATEGORIES][SUBJECTS][NAMES]; /* the model */
    uint32_t orders[AGENTS][CHANGES];                   /* the names of the agent's last delta */
    uint32_t counts[AGENTS];
    s_held_t known[AGENTS][CATEGORIES][SUBJECTS][NAMES];       /* what a reader made of the publications */
    uint64_t refused_twice, refused_many, accepted, published; /* what happened */
} s_model_t;

/* A delta's changes while they are sent. */
typedef struct {
    sb_change_t changes[CHANGES];
    char texts[CHANGES][TEXT_MAX];
} s_entry_t;

/* A message that is being filled. */
typedef struct {
    sb_delta_t deltas[BATCH];
    s_entry_t entries[BATCH];
    uint32_t count;
    uint32_t category, subject; /* of the last delta */
    uint32_t published;         /* changes that should be */
    uint32_t refusals[SB_REASON_LIMIT];
} s_batch_t;

static uint32_t s_draw (s_model_t *self, uint32_t limit)
{
    self->state = self->state * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t)(self->state >> 33) % limit;
}

/* Names for the agent's next delta: mostly those of the last, now and then cut, swapped, or new. */
static uint32_t s_draw_names (s_model_t *self, uint32_t agent)
{
    uint32_t *order = self->orders[agent];
    uint32_t kind = s_draw (self, 8);
    if (self->counts[agent] == 0 || kind == 0) {
        self->counts[agent] = 1 + s_draw (self, s_draw (self, 4) ? 6 : CHANGES);
        for (uint32_t i = 0; i < self->counts[agent]; i++)
            order[i] = kind == 0 && i > 0 ? (order[i - 1] + 1) % NAMES : s_draw (self, NAMES);
    } else if (kind == 1 && self->counts[agent] > 1)
        self->counts[agent]--;
    else if (kind == 2) {
        uint32_t place = s_draw (self, self->counts[agent]);
        order[place] = s_draw (self, NAMES);
    }
    return self->counts[agent];
}

static s_held_t s_draw_value (s_model_t *self, char *text, sb_change_t *change)
{
    s_held_t held = {.is_there = true, .is_text = s_draw (self, 3) == 0};
    if (held.is_text) {
        held.size = s_draw (self, TEXT_MAX);
        held.octet = (char)('a' + s_draw (self, 2));
        memset (text, held.octet, held.size);
        change->value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = {text, held.size}};
    } else {
        held.number = s_draw (self, 4);
        change->value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = held.number};
    }
    return held;
}

static bool s_is_same (const s_held_t *one, const s_held_t *other)
{
    if (one->is_there != other->is_there || one->is_text != other->is_text)
        return false;
    return one->is_text ? one->size == other->size && (one->size == 0 || one->octet == other->octet)
                        : one->number == other->number;
}

/* Fields that the agent has in a category. */
static uint32_t s_count (const s_model_t *self, uint32_t agent, uint32_t category)
{
    uint32_t count = 0;
    for (uint32_t subject = 0; subject < SUBJECTS; subject++)
        for (uint32_t name = 0; name < NAMES; name++)
            count += self->held[agent][category][subject][name].is_there;
    return count;
}

/* What the core must say; the model is changed when that is NONE. *changed becomes how many changes are published. */
static sb_reason_t s_expect (s_model_t *self, uint32_t agent, uint32_t category, uint32_t subject, uint32_t count,
                             const sb_change_t *changes, const s_held_t *values, uint32_t *changed)
{
    const uint32_t *order = self->orders[agent];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (order[i] == order[j])
                return SB_REASON_DUPLICATE_FIELD;
    s_held_t before[CATEGORIES][SUBJECTS][NAMES];
    memcpy (before, self->held[agent], sizeof before);
    *changed = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = category < CATEGORIES ? category : order[i] % CATEGORIES;
        s_held_t *held = &self->held[agent][own][subject][order[i]];
        s_held_t value = changes[i].is_delete ? (s_held_t){.is_there = false} : values[i];
        *changed += value.is_there || held->is_there ? !s_is_same (held, &value) : 0;
        *held = value;
    }
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        bool grew = false;
        for (uint32_t j = 0; j < SUBJECTS && !grew; j++)
            for (uint32_t n = 0; n < NAMES && !grew; n++)
                grew = self->held[agent][i][j][n].is_there && !before[i][j][n].is_there;
        if (grew && s_count (self, agent, i) > LIMIT) {
            memcpy (self->held[agent], before, sizeof before);
            return SB_REASON_TOO_MANY_FIELDS;
        }
    }
    return SB_REASON_NONE;
}

/* The place of that text among `count`. */
static uint32_t s_place (const char *const *texts, uint32_t count, sb_text_t text)
{
    uint32_t place = 0;
    while (place < count && !sb_text_equal (sb_text (texts[place]), text))
        place++;
    cr_assert_lt (place, count);
    return place;
}

/* A reader: puts the publication's changes into what it knows. Returns how many there are. */
static uint32_t s_read_publication (s_model_t *self, const sb_publication_t *publication)
{
    uint32_t count = 0;
    const char *category_end = memchr (publication->topic.data, '.', publication->topic.size);
    sb_text_t category = {publication->topic.data, (uint32_t)(category_end - publication->topic.data)};
    sb_text_t subject = {category_end + 3, publication->topic.size - category.size - 3};
    uint32_t agent = (uint32_t)(category_end[1] - 'a');
    s_held_t *known =
        self->known[agent][s_place (s_categories, CATEGORIES, category)][s_place (s_subjects, SUBJECTS, subject)];
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        cr_assert_gt (update->sequence + BATCH, self->sequences[agent]);
        for (uint32_t j = 0; j < update->change_count; j++, count++) {
            const sb_change_t *change = &update->changes[j];
            s_held_t *held = &known[s_place (s_names, NAMES, change->name)];
            *held = (s_held_t){.is_there = !change->is_delete};
            if (change->is_delete)
                continue;
            held->is_text = change->value.kind == SB_VALUE_TEXT;
            held->number = held->is_text ? 0 : change->value.number;
            held->size = held->is_text ? change->value.text.size : 0;
            held->octet = held->size ? change->value.text.data[held->size - 1] : 0;
        }
    }
    return count;
}

/* The same for all that the last step published of agents' topics. */
static uint32_t s_read (s_model_t *self)
{
    uint32_t changes = 0;
    for (uint32_t i = 0; i < self->h.effects.count; i++) {
        const sb_effect_t *effect = &self->h.effects.items[i];
        if (effect->kind == SB_EFFECT_PUBLISH && effect->publish->topic.data[0] != '_')
            changes += s_read_publication (self, effect->publish);
    }
    return changes;
}

/* Everything that the core holds is what the model holds, and what the reader knows. */
static void s_compare (s_model_t *self)
{
    for (uint32_t agent = 0; agent < AGENTS; agent++) {
        char id[2] = {(char)('a' + agent), '\0'};
        const sb_agent_record_t *record = sb_core_find_agent (self->h.core, sb_text (id));
        for (uint32_t i = 0; i < CATEGORIES * SUBJECTS * NAMES; i++) {
            uint32_t category = i / NAMES / SUBJECTS, subject = i / NAMES % SUBJECTS, name = i % NAMES;
            const s_held_t *held = &self->held[agent][category][subject][name];
            cr_assert (s_is_same (held, &self->known[agent][category][subject][name]));
            const sb_field_t *field = sb_core_find_field (self->h.core, record, sb_text (s_categories[category]),
                                                          sb_text (s_subjects[subject]), sb_text (s_names[name]));
            cr_assert_eq (field != NULL, held->is_there);
            if (!field)
                continue;
            sb_value_t value = sb_core_value (&field->value);
            cr_assert_eq (value.kind, held->is_text ? SB_VALUE_TEXT : SB_VALUE_NUMBER);
            if (!held->is_text)
                cr_assert_eq (value.number, held->number);
            else {
                cr_assert_eq (value.text.size, held->size);
                for (uint32_t n = 0; n < held->size; n++)
                    cr_assert_eq (value.text.data[n], held->octet);
            }
        }
    }
}

/* Draws a delta of the agent and adds it to the batch; what it should do is counted. One after another mostly goes to
 * the same topic. */
static void s_add_delta (s_model_t *self, s_batch_t *batch, uint32_t agent)
{
    if (batch->count == 0 || s_draw (self, 4) == 0) {
        batch->subject = s_draw (self, 4) % SUBJECTS;
        batch->category = s_draw (self, 2) ? CATEGORIES : s_draw (self, CATEGORIES); /* CATEGORIES: by the rules */
    }
    s_entry_t *entry = &batch->entries[batch->count];
    uint32_t count = s_draw_names (self, agent), changed = 0;
    s_held_t values[CHANGES];
    for (uint32_t i = 0; i < count; i++) {
        entry->changes[i] = (sb_change_t){.name = sb_text (s_names[self->orders[agent][i]])};
        entry->changes[i].is_delete = s_draw (self, 8) == 0;
        if (!entry->changes[i].is_delete)
            values[i] = s_draw_value (self, entry->texts[i], &entry->changes[i]);
    }
    const char *category = batch->category < CATEGORIES ? s_categories[batch->category] : "";
    batch->deltas[batch->count++] =
        harness_delta_of (++self->sequences[agent], category, s_subjects[batch->subject], entry->changes, count);
    sb_reason_t expected =
        s_expect (self, agent, batch->category, batch->subject, count, entry->changes, values, &changed);
    batch->refusals[expected]++;
    batch->published += expected == SB_REASON_NONE ? changed : 0;
}

static void s_step (s_model_t *self)
{
    static s_batch_t batch;
    batch.count = batch.published = 0;
    memset (batch.refusals, 0, sizeof batch.refusals);
    uint32_t agent = s_draw (self, AGENTS);
    for (uint32_t left = s_draw (self, 2) ? 1 : 1 + s_draw (self, BATCH); left > 0; left--)
        s_add_delta (self, &batch, agent);
    uint64_t before[SB_REASON_LIMIT];
    memcpy (before, self->h.core->refusals, sizeof before);
    harness_batch (&self->h, agent + 1, batch.deltas, batch.count);
    cr_assert_eq (s_read (self), batch.published);
    for (uint32_t i = 1; i < SB_REASON_LIMIT; i++)
        cr_assert_eq (self->h.core->refusals[i], before[i] + batch.refusals[i]);
    self->refused_twice += batch.refusals[SB_REASON_DUPLICATE_FIELD];
    self->refused_many += batch.refusals[SB_REASON_TOO_MANY_FIELDS];
    self->accepted += batch.refusals[SB_REASON_NONE];
    self->published += batch.published;
    harness_flush (&self->h);
}

Test (split, a_model_without_guesses_agrees)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        static s_model_t model;
        s_model_t *self = &model;
        memset (self, 0, sizeof *self);
        self->state = seed;
        harness_init (&self->h);
        self->h.is_quiet = true;
        self->h.config.max_fields_agent_category = LIMIT;
        self->h.config.failure_threshold = 32;
        self->h.config.failure_window_ms = 0; /* refusals here are meant: no breaker */
        harness_start_configured (&self->h);
        for (uint32_t i = 0; i < AGENTS; i++) {
            char id[2] = {(char)('a' + i), '\0'};
            harness_register (&self->h, i + 1, id, 10);
        }
        for (uint32_t i = 0; i < DELTAS; i++) {
            self->h.now_ns += HARNESS_MS;
            s_step (self);
            if (i % 64 == 0)
                s_compare (self);
        }
        s_compare (self);
        cr_assert_gt (self->refused_twice, 100);
        cr_assert_gt (self->refused_many, 100);
        cr_assert_gt (self->accepted, 3000);
        cr_assert_gt (self->published, 5000);
        harness_stop (&self->h);
    }
}

Test (split, a_name_that_stands_twice_is_found_behind_names_in_order)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t changes[] = {harness_number ("x", 1), harness_number ("y", 1), harness_number ("z", 1)};
    sb_delta_t delta = harness_delta_of (1, "c", "", changes, 3);
    harness_batch (&h, 1, &delta, 1);
    sb_change_t twice[] = {harness_number ("x", 2), harness_number ("y", 2), harness_number ("x", 3)};
    delta = harness_delta_of (2, "c", "", twice, 3);
    harness_batch (&h, 1, &delta, 1);
    harness_flush (&h);
    harness_expect (&h, "2=DUPLICATE_FIELD(x)");
    harness_stop (&h);
}

Test (octets, short_ones_are_compared_and_copied_as_by_the_library)
{
    char one[80], other[80];
    for (uint32_t size = 0; size <= 64; size++) {
        for (uint32_t i = 0; i < sizeof one; i++)
            one[i] = (char)(i * 7 + size);
        memset (other, 0x55, sizeof other);
        sb_octets_copy (other + 8, one + 3, size);
        cr_assert (memcmp (other + 8, one + 3, size) == 0 && other[7] == 0x55 && other[8 + size] == 0x55);
        cr_assert (sb_octets_equal (other + 8, one + 3, size));
        for (uint32_t i = 0; i < size; i++) {
            other[8 + i] ^= 0x20;
            cr_assert_not (sb_octets_equal (other + 8, one + 3, size), "octet %u of %u", i, size);
            other[8 + i] ^= 0x20;
        }
    }
}

Test (octets, a_hash_of_a_pair_is_that_of_its_octets)
{
    const uint64_t key[2] = {1, 2};
    char octets[48];
    for (uint32_t i = 0; i < sizeof octets; i++)
        octets[i] = (char)(i * 31);
    for (uint32_t size = 0; size <= 40; size++) {
        uint64_t head;
        memcpy (&head, octets, sizeof head);
        cr_assert_eq (sb_hash_pair (key, head, octets + 8, size), sb_hash (key, octets, 8 + size));
    }
    for (uint32_t size = 1; size <= 40; size++)
        cr_assert_neq (sb_hash (key, octets, size), sb_hash (key, octets, size - 1));
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Conflation: who asked for what, and when a topic is sent. See conflation.h; merge.h for what is sent.
 *
 * An entry is a topic and an interval in which it was sent less than <ms> ago. The entries of an interval are a list in
 * order of sending, so its head is always due first; what is due is sent if something waits, else the entry goes: a
 * quiet topic costs nothing. Each publication's topic_sequence is compared, so that an entry that was not told of
 * everything (nobody subscribed for a moment) begins anew. Without memory a publication is passed on at once, unmerged.
 * A delta takes two instructions more while nobody asks; what it takes when its topic is conflated is step_conflated in
 * tests/bench/core/instructions.txt. A PUB socket of its own was rejected: it spares plain readers nothing (149 ns a
 * send with either, 147 with neither), and joins must be in one order.
 */
#include "merge.h"

#include <assert.h>
#include <string.h>

enum {
    ENTRIES_SLAB_LOG2 = 6,
    COUNTS_TOLD_MAX = 3000,    /* by a beat, at up to 63 octets: with 512 heads it stays below 256 KiB */
    ENTRIES_LOOKED_MAX = 512,  /* entries handled by one tick */
    FIELDS_LOOKED_MAX = 16384, /* fields walked over by one tick, before the last topic */
    TICK_BYTES = 256 * 1024,   /* octets sent by one tick, before the last topic */
    PREFIXES_BYTES = 65536,    /* octets of prefixes that a join is told of */
    TOLD_MAX = 200,            /* octets of a refused prefix that are told */
    TOLD_EVERY_MS = 1000
};

/* What somebody subscribes to. */
struct sb_conflation_prefix {
    char text[SB_TOPIC_MAX]; /* what topics begin with */
    uint8_t size;
    bool is_exact;     /* it ended with the NUL behind a topic: nothing may follow */
    uint32_t interval; /* place in the table */
};

/* All that is conflated to the same milliseconds. */
struct sb_conflation_interval {
    char head[sizeof "~conflated.60000."];
    uint32_t head_size;
    uint32_t interval_ms; /* 0: free */
    uint32_t prefix_count;
    uint32_t generation; /* of its counts: new when somebody asks for it whom nobody else did */
    uint32_t first;      /* slots of entries, in order of sending */
    uint32_t last;
};

typedef struct sb_conflation_prefix s_prefix_t;
typedef struct sb_conflation_interval s_interval_t;

static sb_merge_entry_t *s_entry_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_at (&self->conflation.entries, slot);
}

static sb_text_t s_head (const s_interval_t *interval)
{
    return (sb_text_t){interval->head, interval->head_size};
}

/* ---- subscriptions */

/* Refused: counted, logged, and told once a second. */
static void s_refuse (sb_core_t *self, sb_text_t prefix, const char *why)
{
    sb_conflation_t *conflation = &self->conflation;
    sb_core_counter_add (self, SB_COUNTER_conflations_refused, 1);
    if (conflation->was_told && self->now_ns - conflation->told_ns < TOLD_EVERY_MS * SB_MS)
        return;
    conflation->was_told = true;
    conflation->told_ns = self->now_ns;
    uint32_t size = prefix.size < TOLD_MAX ? prefix.size : TOLD_MAX;
    char *octets = sb_core_take (self, size + 1);
    for (uint32_t i = 0; i < size; i++)
        octets[i] = prefix.data[i] > ' ' && prefix.data[i] <= '~' ? prefix.data[i] : '?';
    sb_events_conflation (self, (sb_text_t){octets, size}, why, self->counters[SB_COUNTER_conflations_refused]);
}

/* True when a topic can begin with `text`, which may end with the NUL behind one. */
static bool s_is_beginning (sb_text_t text)
{
    uint32_t dots = 0;
    if (text.size > SB_TOPIC_MAX)
        return false;
    for (uint32_t i = 0; i < text.size; i++) {
        char octet = text.data[i];
        bool is_name = (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '_';
        bool is_id = (octet >= 'A' && octet <= 'Z') || octet == ':' || octet == '/' || octet == '-';
        dots += octet == '.';
        if (!is_name && (i == 0 || dots == 0 || !is_id) && (octet != '.' || i == 0 || dots > 2))
            return false;
    }
    return true;
}

/* Reads "~conflated.<ms>.<prefix>". */
static bool s_parse (sb_text_t text, uint32_t *interval_ms, s_prefix_t *prefix)
{
    sb_text_t rest;
    if (!sb_conflated_split (text, interval_ms, &rest))
        return false;
    *prefix = (s_prefix_t){.is_exact = rest.size > 1 && rest.data[rest.size - 1] == '\0'};
    rest.size -= prefix->is_exact;
    if (!s_is_beginning (rest))
        return false;
    prefix->size = (uint8_t)rest.size;
    if (rest.size)
        memcpy (prefix->text, rest.data, rest.size);
    return true;
}

/* Places for intervals: those that nobody asks for any more keep theirs until their entries are gone. */
static uint32_t s_interval_places (const sb_conflation_t *conflation)
{
    return 2 * (conflation->capacity < SB_INTERVALS_MAX ? conflation->capacity : SB_INTERVALS_MAX);
}

/* Tables for as many prefixes as the limit allows now; slots and places stay what they are. */
static bool s_grow (sb_core_t *self)
{
    sb_conflation_t *conflation = &self->conflation;
    sb_conflation_t grown = *conflation;
    grown.capacity = self->config.max_conflations;
    if (!grown.entries.slabs && !sb_pool_init (&grown.entries, &self->memory, sizeof (sb_merge_entry_t),
                                               ENTRIES_SLAB_LOG2, self->config.max_topics))
        return false;
    conflation->entries = grown.entries;
    grown.prefixes = sb_memory_take (&self->memory, grown.capacity * sizeof *grown.prefixes);
    grown.intervals = sb_memory_take (&self->memory, s_interval_places (&grown) * sizeof *grown.intervals);
    bool is_grown = grown.prefixes && grown.intervals;
    if (is_grown && conflation->capacity) {
        memcpy (grown.prefixes, conflation->prefixes, conflation->prefix_count * sizeof *grown.prefixes);
        memcpy (grown.intervals, conflation->intervals, s_interval_places (conflation) * sizeof *grown.intervals);
    }
    sb_conflation_t *useless = is_grown ? conflation : &grown;
    sb_memory_give (&self->memory, useless->prefixes, useless->capacity * sizeof *useless->prefixes);
    sb_memory_give (&self->memory, useless->intervals, s_interval_places (useless) * sizeof *useless->intervals);
    if (is_grown)
        *conflation = grown;
    return is_grown;
}

/* Room for one prefix more. */
static bool s_has_room (sb_core_t *self)
{
    const sb_conflation_t *conflation = &self->conflation;
    if (conflation->prefix_count >= self->config.max_conflations)
        return false;
    return conflation->prefix_count < conflation->capacity || s_grow (self);
}

/* How many counts the prefixes, and one more unless NULL, can make a beat tell at most: one that names its category
 * makes it tell one of its interval, a shorter one all. */
static uint32_t s_reach (const sb_core_t *self, const s_prefix_t *added)
{
    const sb_conflation_t *conflation = &self->conflation;
    uint32_t most = self->config.max_categories + 1, sum = 0;
    uint32_t reach[SB_INTERVAL_PLACES] = {0};
    for (uint32_t i = 0; i < conflation->prefix_count + (added != NULL); i++) {
        const s_prefix_t *prefix = i < conflation->prefix_count ? &conflation->prefixes[i] : added;
        uint32_t *its = &reach[prefix->interval];
        *its = memchr (prefix->text, '.', prefix->size) && *its < most ? *its + 1 : most;
    }
    for (uint32_t i = 0; i < SB_INTERVAL_PLACES; i++)
        sum += reach[i];
    return sum;
}

/* The place of an interval, made when there is none; s_interval_places: there are too many. */
static uint32_t s_make_interval (sb_core_t *self, uint32_t interval_ms)
{
    sb_conflation_t *conflation = &self->conflation;
    uint32_t free_place = s_interval_places (conflation), found = free_place, used = 0;
    for (uint32_t i = free_place; i > 0; i--) {
        const s_interval_t *interval = &conflation->intervals[i - 1];
        used += interval->prefix_count > 0;
        if (interval->interval_ms == interval_ms)
            found = i - 1;
        if (!interval->interval_ms)
            free_place = i - 1;
    }
    bool is_used = found < s_interval_places (conflation) && conflation->intervals[found].prefix_count > 0;
    if (!is_used && used >= SB_INTERVALS_MAX)
        return s_interval_places (conflation);
    if (found < s_interval_places (conflation))
        return found;
    if (free_place < s_interval_places (conflation)) {
        s_interval_t *interval = &conflation->intervals[free_place];
        *interval = (s_interval_t){.interval_ms = interval_ms};
        if (conflation->interval_high <= free_place)
            conflation->interval_high = free_place + 1;
        sb_text_t head = sb_core_format (self, "~conflated.%u.", interval_ms);
        memcpy (interval->head, head.data, head.size);
        interval->head_size = head.size;
    }
    return free_place;
}

/* A place is free when nobody asks for it and nothing of it is left. */
static void s_release_interval (s_interval_t *interval)
{
    if (!interval->prefix_count && !interval->first)
        interval->interval_ms = 0;
}

/* The place of a prefix, or prefix_count. */
static uint32_t s_find_prefix (const sb_conflation_t *conflation, uint32_t interval_ms, const s_prefix_t *prefix)
{
    uint32_t place = 0;
    for (; place < conflation->prefix_count; place++) {
        const s_prefix_t *other = &conflation->prefixes[place];
        if (conflation->intervals[other->interval].interval_ms == interval_ms && other->size == prefix->size &&
            other->is_exact == prefix->is_exact && memcmp (other->text, prefix->text, prefix->size) == 0)
            break;
    }
    return place;
}

/* Puts a prefix behind those of its interval. */
static void s_insert_prefix (sb_conflation_t *conflation, const s_prefix_t *prefix)
{
    uint32_t place = conflation->prefix_count;
    while (place > 0 && conflation->prefixes[place - 1].interval > prefix->interval)
        place--;
    memmove (&conflation->prefixes[place + 1], &conflation->prefixes[place],
             (conflation->prefix_count - place) * sizeof *prefix);
    conflation->prefixes[place] = *prefix;
    conflation->prefix_count++;
    s_interval_t *interval = &conflation->intervals[prefix->interval];
    if (interval->prefix_count++ == 0)
        interval->generation = ++conflation->generation;
    conflation->version++;
}

static void s_remove_prefix (sb_conflation_t *conflation, uint32_t place)
{
    s_interval_t *interval = &conflation->intervals[conflation->prefixes[place].interval];
    conflation->prefix_count--;
    memmove (&conflation->prefixes[place], &conflation->prefixes[place + 1],
             (conflation->prefix_count - place) * sizeof *conflation->prefixes);
    interval->prefix_count--;
    s_release_interval (interval);
}

void sb_conflation_subscription (sb_core_t *self, sb_text_t text, bool is_subscribed)
{
    sb_conflation_t *conflation = &self->conflation;
    uint32_t interval_ms;
    s_prefix_t prefix;
    if (!s_parse (text, &interval_ms, &prefix)) {
        if (is_subscribed)
            s_refuse (self, text, "it is not ~conflated.<10 to 60000>.<beginning of a topic>");
        return;
    }
    uint32_t place = s_find_prefix (conflation, interval_ms, &prefix);
    bool is_there = place < conflation->prefix_count;
    if (is_there && !is_subscribed)
        s_remove_prefix (conflation, place);
    if (is_there || !is_subscribed)
        return;
    bool has_room = s_has_room (self);
    prefix.interval = has_room ? s_make_interval (self, interval_ms) : 0;
    has_room = has_room && prefix.interval < s_interval_places (conflation);
    if (has_room && s_reach (self, &prefix) <= COUNTS_TOLD_MAX) {
        s_insert_prefix (conflation, &prefix);
        return;
    }
    if (has_room)
        s_release_interval (&conflation->intervals[prefix.interval]);
    s_refuse (self, text,
              "there are as many as limits/conflations allows, or 32 different intervals, or too many that name no "
              "category, or no memory");
}

/* ---- entries */

static void s_unlink (sb_core_t *self, uint32_t slot)
{
    const sb_merge_entry_t *entry = s_entry_at (self, slot);
    s_interval_t *interval = &self->conflation.intervals[entry->interval];
    if (entry->previous)
        s_entry_at (self, entry->previous)->next = entry->next;
    else
        interval->first = entry->next;
    if (entry->next)
        s_entry_at (self, entry->next)->previous = entry->previous;
    else
        interval->last = entry->previous;
}

/* It was sent just now: to the end of the list. */
static void s_append (sb_core_t *self, uint32_t slot)
{
    sb_merge_entry_t *entry = s_entry_at (self, slot);
    s_interval_t *interval = &self->conflation.intervals[entry->interval];
    entry->sent_ns = self->now_ns;
    entry->next = 0;
    entry->previous = interval->last;
    if (interval->last)
        s_entry_at (self, interval->last)->next = slot;
    else
        interval->first = slot;
    interval->last = slot;
}

static uint32_t s_find_entry (const sb_core_t *self, const sb_topic_t *topic, uint32_t interval)
{
    uint32_t slot = topic->conflation;
    while (slot && s_entry_at (self, slot)->interval != interval)
        slot = s_entry_at (self, slot)->next_of_topic;
    return slot;
}

/* Frees an entry with what waits in it. */
static void s_free_entry (sb_core_t *self, uint32_t slot)
{
    sb_merge_entry_t *entry = s_entry_at (self, slot);
    uint32_t *link = &sb_topic_at (self, entry->topic)->conflation;
    while (*link != slot)
        link = &s_entry_at (self, *link)->next_of_topic;
    *link = entry->next_of_topic;
    sb_merge_drop (self, entry);
    s_unlink (self, slot);
    s_release_interval (&self->conflation.intervals[entry->interval]);
    sb_pool_give (&self->conflation.entries, slot);
}

/* The publication was sent as it is: from here on the interval counts. Without memory for an entry the next one is sent
 * at once as well. */
static void s_note_sent (sb_core_t *self, uint32_t topic, uint32_t interval, uint32_t slot,
                         const sb_publication_t *publication)
{
    if (slot)
        s_unlink (self, slot);
    else {
        slot = sb_pool_take (&self->conflation.entries);
        if (!slot)
            return;
        sb_merge_entry_t *entry = s_entry_at (self, slot);
        entry->topic = topic;
        entry->interval = interval;
        entry->next_of_topic = sb_topic_at (self, topic)->conflation;
        sb_topic_at (self, topic)->conflation = slot;
    }
    sb_merge_entry_t *entry = s_entry_at (self, slot);
    entry->sent_sequence = publication->sequence;
    entry->last_topic_sequence = publication->topic_sequence;
    s_append (self, slot);
}

/* ---- counts */

/* The count of an interval and a category; one of an older generation begins anew. */
static uint64_t *s_count (sb_core_t *self, uint32_t place, uint32_t category)
{
    sb_conflated_count_t *count = &sb_category_at (self, category)->conflated[place];
    uint32_t generation = self->conflation.intervals[place].generation;
    if (count->generation != generation)
        *count = (sb_conflated_count_t){.generation = generation};
    return &count->count;
}

/* True when somebody reads topics of the category at that interval. */
static bool s_is_read (const sb_core_t *self, uint32_t place, const sb_category_t *category)
{
    const sb_conflation_t *conflation = &self->conflation;
    for (uint32_t i = 0; i < conflation->prefix_count; i++) {
        const s_prefix_t *prefix = &conflation->prefixes[i];
        const char *dot = memchr (prefix->text, '.', prefix->size);
        uint32_t size = dot ? (uint32_t)(dot - prefix->text) : prefix->size;
        if (prefix->interval == place && (dot ? size == category->name_size : size <= category->name_size) &&
            memcmp (prefix->text, category->name, size) == 0)
            return true;
    }
    return false;
}

uint32_t sb_conflation_heads (sb_core_t *self, sb_change_t *changes)
{
    const sb_conflation_t *conflation = &self->conflation;
    uint32_t found = 0;
    if (!changes)
        return s_reach (self, NULL);
    for (uint32_t place = 0; place < conflation->interval_high; place++) {
        const s_interval_t *interval = &conflation->intervals[place];
        for (uint32_t slot = 1; interval->prefix_count && slot <= self->categories.high; slot++) {
            const sb_category_t *category = sb_category_at (self, slot);
            const sb_conflated_count_t *count = &category->conflated[place];
            if (count->generation != interval->generation || !count->count || !s_is_read (self, place, category))
                continue;
            changes[found++] = (sb_change_t){.name = sb_core_format (self, "conflated.%u.%.*s", interval->interval_ms,
                                                                     category->name_size, category->name),
                                             .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)count->count}};
        }
    }
    return found;
}

/* The prefixes of an interval, as conflation.h says, within *room octets, which it takes off. */
static sb_text_t s_prefixes (sb_core_t *self, uint32_t place, uint32_t *room)
{
    const sb_conflation_t *conflation = &self->conflation;
    static const char rest[] = "...";
    uint32_t size = 0, most = 0;
    for (uint32_t i = 0; i < conflation->prefix_count; i++)
        most += conflation->prefixes[i].interval == place ? conflation->prefixes[i].size + 2u : 0;
    char *octets = sb_core_take (self, (most < *room ? most : *room) + sizeof rest);
    for (uint32_t i = 0; i < conflation->prefix_count; i++) {
        const s_prefix_t *prefix = &conflation->prefixes[i];
        if (prefix->interval != place)
            continue;
        if (prefix->size + 2u > *room) {
            memcpy (octets + size, rest, sizeof rest - 1);
            return (sb_text_t){octets, size + (uint32_t)sizeof rest - 1};
        }
        memcpy (octets + size, prefix->text, prefix->size);
        size += prefix->size;
        *room -= prefix->size + 2u;
        if (!prefix->is_exact)
            octets[size++] = '*';
        octets[size++] = ' ';
    }
    return (sb_text_t){octets, size - 1};
}

uint32_t sb_conflation_intervals (sb_core_t *self, sb_change_t *changes)
{
    uint32_t found = 0, room = PREFIXES_BYTES;
    for (uint32_t place = 0; place < self->conflation.interval_high; place++) {
        const s_interval_t *interval = &self->conflation.intervals[place];
        if (interval->prefix_count)
            changes[found++] = (sb_change_t){.name = sb_core_format (self, "conflation.%u", interval->interval_ms),
                                             .value = {.kind = SB_VALUE_TEXT, .text = s_prefixes (self, place, &room)}};
    }
    return found;
}

/* ---- publications */

static bool s_matches (const s_prefix_t *prefix, sb_text_t topic)
{
    if (prefix->is_exact ? topic.size != prefix->size : topic.size < prefix->size)
        return false;
    return memcmp (prefix->text, topic.data, prefix->size) == 0;
}

/* Emits a publication as it is, under its conflated topic. A level has no category, and is not counted. */
static void s_pass (sb_core_t *self, uint32_t place, uint32_t category, const sb_publication_t *publication)
{
    sb_publication_t copy = *publication;
    copy.topic = sb_merge_topic (self, s_head (&self->conflation.intervals[place]), publication->topic);
    copy.first_topic_sequence = publication->topic_sequence;
    if (category)
        copy.conflated_sequence = ++*s_count (self, place, category);
    sb_core_emit_publish (self, &copy);
    sb_core_counter_add (self, SB_COUNTER_conflated, 1);
}

/* Sends what waits. False without memory: then nothing changed. */
static bool s_send (sb_core_t *self, sb_merge_entry_t *entry)
{
    uint64_t *count = s_count (self, entry->interval, sb_topic_at (self, entry->topic)->category);
    bool is_sent = sb_merge_send (self, entry, s_head (&self->conflation.intervals[entry->interval]), *count + 1);
    *count += is_sent;
    return is_sent;
}

/* Gives up what waits, for want of memory: its readers see the gap, and get it from history. */
static void s_lose (sb_core_t *self, sb_merge_entry_t *entry)
{
    ++*s_count (self, entry->interval, sb_topic_at (self, entry->topic)->category);
    sb_core_counter_add (self, SB_COUNTER_conflated_lost, 1);
    sb_merge_drop (self, entry);
}

/* Sends what waits before its time, so that the publication fits behind it; begins anew with the publication. */
static void s_close_early (sb_core_t *self, uint32_t slot, const sb_publication_t *publication)
{
    sb_merge_entry_t *entry = s_entry_at (self, slot);
    if (entry->first_topic_sequence && !s_send (self, entry))
        s_lose (self, entry);
    if (sb_merge_add (self, entry, publication)) {
        s_unlink (self, slot);
        s_append (self, slot);
        return;
    }
    s_pass (self, entry->interval, sb_topic_at (self, entry->topic)->category, publication);
    s_note_sent (self, entry->topic, entry->interval, slot, publication);
}

static void s_note (sb_core_t *self, uint32_t topic, uint32_t place, const sb_publication_t *publication)
{
    const s_interval_t *interval = &self->conflation.intervals[place];
    uint32_t slot = s_find_entry (self, sb_topic_at (self, topic), place);
    if (slot && s_entry_at (self, slot)->last_topic_sequence + 1 != publication->topic_sequence) {
        s_free_entry (self, slot);
        slot = 0;
    }
    sb_merge_entry_t *entry = slot ? s_entry_at (self, slot) : NULL;
    bool is_quiet =
        !entry || (!entry->first_topic_sequence && self->now_ns - entry->sent_ns >= interval->interval_ms * SB_MS);
    if (is_quiet) {
        s_pass (self, place, sb_topic_at (self, topic)->category, publication);
        s_note_sent (self, topic, place, slot, publication);
    } else if (!sb_merge_add (self, entry, publication))
        s_close_early (self, slot, publication);
}

void sb_conflation_note (sb_core_t *self, uint32_t topic, const sb_publication_t *publication)
{
    const sb_conflation_t *conflation = &self->conflation;
    sb_topic_t *record = sb_topic_at (self, topic);
    if (record->conflation_miss == conflation->version)
        return;
    const sb_category_t *category = sb_category_at (self, record->category);
    uint32_t before = UINT32_MAX;
    for (uint32_t i = 0; i < conflation->prefix_count; i++) {
        const s_prefix_t *prefix = &conflation->prefixes[i];
        if (prefix->interval == before || !s_matches (prefix, publication->topic))
            continue;
        before = prefix->interval;
        if (category->is_event || category->is_broker)
            s_pass (self, before, record->category, publication);
        else
            s_note (self, topic, before, publication);
    }
    if (before == UINT32_MAX)
        record->conflation_miss = conflation->version;
}

void sb_conflation_note_level (sb_core_t *self, const sb_publication_t *publication)
{
    const sb_conflation_t *conflation = &self->conflation;
    uint32_t before = UINT32_MAX;
    if (publication->topic.data[0] != '_')
        return; /* the answer to a join */
    for (uint32_t i = 0; i < conflation->prefix_count; i++) {
        const s_prefix_t *prefix = &conflation->prefixes[i];
        if (prefix->interval == before || !s_matches (prefix, publication->topic))
            continue;
        before = prefix->interval;
        s_pass (self, before, 0, publication);
    }
}

/* ---- time */

/* True when somebody still asks for the topic, and the entry was told of all of it. */
static bool s_is_wanted (const sb_core_t *self, const sb_merge_entry_t *entry)
{
    const sb_conflation_t *conflation = &self->conflation;
    const sb_topic_t *topic = sb_topic_at (self, entry->topic);
    if (entry->last_topic_sequence != topic->topic_sequence)
        return false;
    for (uint32_t i = 0; i < conflation->prefix_count; i++)
        if (conflation->prefixes[i].interval == entry->interval &&
            s_matches (&conflation->prefixes[i], sb_topic_text (topic)))
            return true;
    return false;
}

void sb_conflation_topic_removed (sb_core_t *self, uint32_t topic)
{
    uint32_t slot;
    while ((slot = sb_topic_at (self, topic)->conflation) != 0) {
        sb_merge_entry_t *entry = s_entry_at (self, slot);
        if (entry->first_topic_sequence && s_is_wanted (self, entry) && !s_send (self, entry))
            s_lose (self, entry);
        s_free_entry (self, slot);
    }
}

/* The interval whose head is due first, or NULL. */
static s_interval_t *s_first_interval (const sb_core_t *self, uint64_t *due_ns)
{
    const sb_conflation_t *conflation = &self->conflation;
    s_interval_t *first = NULL;
    *due_ns = SB_NEVER;
    if (conflation->entries.used == 0)
        return NULL;
    for (uint32_t i = 0; i < conflation->interval_high; i++) {
        s_interval_t *interval = &conflation->intervals[i];
        if (!interval->first)
            continue;
        uint64_t interval_due_ns = s_entry_at (self, interval->first)->sent_ns + interval->interval_ms * SB_MS;
        if (interval_due_ns < *due_ns) {
            first = interval;
            *due_ns = interval_due_ns;
        }
    }
    return first;
}

uint64_t sb_conflation_deadline (const sb_core_t *self)
{
    uint64_t due_ns;
    s_first_interval (self, &due_ns);
    return due_ns;
}

void sb_conflation_tick (sb_core_t *self)
{
    sb_publish_close (self);
    uint32_t fields = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < ENTRIES_LOOKED_MAX && fields < FIELDS_LOOKED_MAX && bytes < TICK_BYTES; i++) {
        uint64_t due_ns;
        const s_interval_t *interval = s_first_interval (self, &due_ns);
        if (!interval || due_ns > self->now_ns)
            return;
        uint32_t slot = interval->first;
        sb_merge_entry_t *entry = s_entry_at (self, slot);
        if (!entry->first_topic_sequence || !s_is_wanted (self, entry)) {
            s_free_entry (self, slot);
            continue;
        }
        fields += sb_topic_at (self, entry->topic)->field_count;
        s_send (self, entry); /* without memory it waits for another interval */
        bytes += entry->bytes;
        s_unlink (self, slot);
        s_append (self, slot);
    }
}

void sb_conflation_fini (sb_core_t *self)
{
    sb_conflation_t *conflation = &self->conflation;
    for (uint32_t i = 0; i < conflation->interval_high; i++)
        while (conflation->intervals[i].first)
            s_free_entry (self, conflation->intervals[i].first);
    sb_memory_give (&self->memory, conflation->prefixes, conflation->capacity * sizeof *conflation->prefixes);
    sb_memory_give (&self->memory, conflation->intervals,
                    s_interval_places (conflation) * sizeof *conflation->intervals);
    sb_pool_fini (&conflation->entries);
    *conflation = (sb_conflation_t){.version = conflation->version};
}

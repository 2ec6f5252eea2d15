/* SPDX-License-Identifier: MPL-2.0
 *
 * Interests: merged at registration, and for each the head of what matched it last.
 *
 * The head of `all`, a category, an agent's part of one, or a complete topic is looked up where publications keep
 * it. Any other prefix is a watch: each publication of its category is compared with the few watches on
 * that category. There is room for SB_WATCHES_MAX different ones; beyond that a prefix has no head of its own, and
 * its reader sees a loss at the next message of the topic instead. Publishing costs O(watches on the category).
 */
#include "state.h"

#include <string.h>

/* ---- merging */

/* Puts a prefix in its place in an ascending list. */
static void s_insert_sorted (sb_text_t *prefixes, sb_text_t *texts, uint32_t count, sb_text_t prefix, sb_text_t text)
{
    uint32_t place = count;
    for (; place > 0 && sb_text_compare (prefixes[place - 1], prefix) > 0; place--) {
        prefixes[place] = prefixes[place - 1];
        texts[place] = texts[place - 1];
    }
    prefixes[place] = prefix;
    texts[place] = text;
}

/* True when everything under `narrow` is under `wide` too. */
static bool s_covers (sb_text_t wide, sb_text_t narrow)
{
    if (wide.size == 0) /* all: a to z, 0 to 9, but not what begins with _ */
        return narrow.size == 0 || narrow.data[0] != '_';
    return narrow.size >= wide.size && memcmp (narrow.data, wide.data, wide.size) == 0;
}

sb_reason_t sb_interest_merge (sb_core_t *self, const sb_registration_t *registration, sb_text_t **merged,
                               uint32_t *count)
{
    static const sb_text_t s_all = {"all", 3};
    const sb_text_t *asked = registration->interest_count ? registration->interests : &s_all;
    uint32_t asked_count = registration->interest_count ? registration->interest_count : 1;
    if (asked_count > self->config.max_interests)
        return SB_REASON_TOO_MANY_INTERESTS;
    sb_text_t *prefixes = sb_core_take (self, asked_count * sizeof *prefixes);
    sb_text_t *texts = sb_core_take (self, asked_count * sizeof *texts);
    for (uint32_t i = 0; i < asked_count; i++) {
        if (!sb_name_is_interest (asked[i]))
            return SB_REASON_BAD_INTEREST;
        char *prefix = sb_core_take (self, SB_TOPIC_MAX + 2);
        sb_text_t octets = {prefix, sb_interest_prefix (asked[i], prefix)};
        s_insert_sorted (prefixes, texts, i, octets, sb_core_copy (self, asked[i]));
    }
    uint32_t kept = 0; /* what covers a prefix stands before it */
    for (uint32_t i = 0; i < asked_count; i++) {
        bool is_covered = false;
        for (uint32_t j = 0; j < kept && !is_covered; j++)
            is_covered = s_covers (prefixes[j], prefixes[i]);
        if (is_covered)
            continue;
        prefixes[kept] = prefixes[i];
        texts[kept++] = texts[i];
    }
    *merged = texts;
    *count = kept;
    return SB_REASON_NONE;
}

/* ---- watches */

/* The category part of a prefix, when the prefix reaches beyond it. */
static bool s_category_of (sb_text_t prefix, sb_text_t *category)
{
    const char *dot = prefix.size ? memchr (prefix.data, '.', prefix.size) : NULL;
    if (!dot)
        return false;
    *category = (sb_text_t){prefix.data, (uint32_t)(dot - prefix.data)};
    return true;
}

static void s_join (sb_core_t *self, uint32_t number, uint32_t category_slot)
{
    sb_watch_t *watch = &self->watches[number - 1];
    sb_category_t *category = sb_category_at (self, category_slot);
    watch->category = category_slot;
    watch->next = category->first_watch;
    category->first_watch = number;
}

void sb_interest_join_category (sb_core_t *self, uint32_t category_slot)
{
    sb_text_t name = sb_category_text (sb_category_at (self, category_slot));
    for (uint32_t i = 0; i < SB_WATCHES_MAX; i++) {
        const sb_watch_t *watch = &self->watches[i];
        sb_text_t category;
        if (watch->references && s_category_of ((sb_text_t){watch->prefix, watch->size}, &category) &&
            sb_text_equal (category, name))
            s_join (self, i + 1, category_slot);
    }
}

/* True for what needs a watch: neither `all`, nor a category, nor all of one agent in a category. */
static bool s_is_irregular (sb_text_t prefix)
{
    sb_text_t category;
    if (!s_category_of (prefix, &category) || category.size + 1 == prefix.size)
        return false;
    const char *rest = prefix.data + category.size + 1;
    uint32_t size = prefix.size - category.size - 1;
    return memchr (rest, '.', size) != rest + size - 1;
}

/* The watch on a prefix, shared or new; 0 when none is needed or there is no room. */
static uint32_t s_watch (sb_core_t *self, sb_text_t prefix)
{
    if (!s_is_irregular (prefix))
        return 0;
    uint32_t free_number = 0;
    for (uint32_t i = SB_WATCHES_MAX; i > 0; i--) {
        sb_watch_t *watch = &self->watches[i - 1];
        if (watch->references == 0)
            free_number = i;
        else if (sb_text_equal ((sb_text_t){watch->prefix, watch->size}, prefix)) {
            watch->references++;
            return i;
        }
    }
    if (free_number == 0)
        return 0;
    sb_watch_t *watch = &self->watches[free_number - 1];
    *watch = (sb_watch_t){.size = prefix.size, .references = 1};
    memcpy (watch->prefix, prefix.data, prefix.size);
    sb_text_t category;
    uint32_t slot = s_category_of (prefix, &category) ? sb_find_category (self, category) : 0;
    if (slot)
        s_join (self, free_number, slot);
    return free_number;
}

static void s_unwatch (sb_core_t *self, uint32_t number)
{
    if (!number || --self->watches[number - 1].references > 0)
        return;
    const sb_watch_t *watch = &self->watches[number - 1];
    if (!watch->category)
        return;
    uint32_t *link = &sb_category_at (self, watch->category)->first_watch;
    while (*link != number)
        link = &self->watches[*link - 1].next;
    *link = watch->next;
}

void sb_interest_note (sb_core_t *self, sb_category_t *category, sb_text_t topic, sb_head_t head)
{
    for (uint32_t number = category->first_watch; number; number = self->watches[number - 1].next) {
        sb_watch_t *watch = &self->watches[number - 1];
        if (topic.size >= watch->size && memcmp (topic.data, watch->prefix, watch->size) == 0)
            watch->head = head;
    }
}

/* ---- an agent's profile */

/* Where the next part of the profile goes. */
typedef struct {
    char *next;
} s_room_t;

static void *s_place (s_room_t *room, size_t size)
{
    void *place = room->next;
    room->next += (size + 7) & ~(size_t)7;
    return place;
}

static sb_text_t s_place_text (s_room_t *room, sb_text_t text)
{
    char *place = s_place (room, text.size);
    if (text.size)
        memcpy (place, text.data, text.size);
    return (sb_text_t){place, text.size};
}

static size_t s_text_room (const sb_text_t *texts, uint32_t count)
{
    size_t room = 0;
    for (uint32_t i = 0; i < count; i++)
        room += (texts[i].size + 7u) & ~(size_t)7;
    return room;
}

/* Octets of a profile: the arrays, the texts, and a prefix for each interest. */
static size_t s_profile_size (const sb_registration_t *registration, const sb_text_t *merged, uint32_t count)
{
    size_t size = count * (sizeof (sb_interest_t) + SB_TOPIC_MAX + 14) + s_text_room (merged, count);
    size += registration->label_count * sizeof (sb_label_t);
    for (uint32_t i = 0; i < registration->label_count; i++)
        size += s_text_room (&registration->labels[i].name, 1) + s_text_room (&registration->labels[i].value, 1);
    size += registration->publish_count * sizeof (sb_text_t);
    return size + s_text_room (registration->publishes, registration->publish_count);
}

bool sb_interest_adopt (sb_core_t *self, sb_agent_record_t *agent, const sb_registration_t *registration,
                        const sb_text_t *merged, uint32_t count)
{
    size_t size = s_profile_size (registration, merged, count);
    /* The memory it has will do where it is as large: an agent that reconnects to a full store must not be locked out.
     */
    bool is_kept = agent->profile && sb_blob_footprint (size) == sb_blob_footprint (agent->profile_size);
    char *profile = is_kept ? agent->profile : sb_blob_take (&self->values, size);
    if (!profile)
        return false;
    if (is_kept)
        agent->profile = NULL;
    sb_interest_release (self, agent);
    s_room_t room = {profile};
    agent->profile = profile;
    agent->profile_size = (uint32_t)size;
    agent->interests = s_place (&room, count * sizeof *agent->interests);
    agent->interest_count = count;
    agent->labels = s_place (&room, registration->label_count * sizeof *agent->labels);
    agent->label_count = registration->label_count;
    agent->publishes = s_place (&room, registration->publish_count * sizeof *agent->publishes);
    agent->publish_count = registration->publish_count;
    for (uint32_t i = 0; i < count; i++) {
        sb_interest_t *interest = &agent->interests[i];
        memset (interest, 0, sizeof *interest);
        interest->text = s_place_text (&room, merged[i]);
        char *prefix = room.next;
        interest->prefix = (sb_text_t){prefix, sb_interest_prefix (merged[i], prefix)};
        s_place (&room, interest->prefix.size);
        interest->watch = s_watch (self, interest->prefix);
    }
    for (uint32_t i = 0; i < registration->label_count; i++) {
        agent->labels[i].name = s_place_text (&room, registration->labels[i].name);
        agent->labels[i].value = s_place_text (&room, registration->labels[i].value);
    }
    for (uint32_t i = 0; i < registration->publish_count; i++)
        agent->publishes[i] = s_place_text (&room, registration->publishes[i]);
    return true;
}

void sb_interest_release (sb_core_t *self, sb_agent_record_t *agent)
{
    for (uint32_t i = 0; i < agent->interest_count; i++)
        s_unwatch (self, agent->interests[i].watch);
    sb_blob_give (&self->values, agent->profile, agent->profile_size);
    agent->profile = NULL;
    agent->profile_size = 0;
    agent->interests = NULL;
    agent->labels = NULL;
    agent->publishes = NULL;
    agent->interest_count = agent->label_count = agent->publish_count = 0;
}

/* ---- heads */

sb_head_t sb_core_interest_head (const sb_core_t *self, sb_interest_t *interest)
{
    static const sb_head_t s_none = {0, 0, 0};
    if (interest->whole)
        return sb_category_at (self, interest->whole)->head;
    if (interest->prefix.size == 0)
        return self->public_head;
    if (interest->watch)
        return self->watches[interest->watch - 1].head;
    sb_text_t category;
    uint32_t slot = s_category_of (interest->prefix, &category) ? sb_find_category (self, category) : 0;
    if (!slot)
        return s_none;
    if (interest->prefix.size == category.size + 1) {
        interest->whole = slot; /* categories stay for ever */
        return sb_category_at (self, slot)->head;
    }
    sb_text_t agent_id = {interest->prefix.data + category.size + 1, interest->prefix.size - category.size - 1};
    const char *dot = memchr (agent_id.data, '.', agent_id.size);
    if (!dot)
        return s_none;
    sb_text_t subject = {dot + 1, agent_id.size - (uint32_t)(dot + 1 - agent_id.data)};
    agent_id.size = (uint32_t)(dot - agent_id.data);
    uint32_t agent = sb_find_agent (self, agent_id);
    if (!agent)
        return s_none;
    if (subject.size == 0) {
        uint32_t link = sb_find_link (self, agent, slot);
        return link ? sb_link_at (self, link)->head : s_none;
    }
    uint32_t topic = sb_find_topic (self, agent, slot, subject);
    return topic ? sb_topic_at (self, topic)->head : s_none;
}

const sb_interest_position_t *sb_interest_heads (sb_core_t *self, const sb_agent_record_t *agent)
{
    sb_interest_position_t *heads = sb_core_take (self, agent->interest_count * sizeof *heads);
    for (uint32_t i = 0; i < agent->interest_count; i++) {
        sb_head_t head = sb_core_interest_head (self, &agent->interests[i]);
        heads[i] = (sb_interest_position_t){.interest = agent->interests[i].text,
                                            .sequence = head.sequence,
                                            .category_sequence = head.category_sequence,
                                            .agent_sequence = head.agent_sequence};
    }
    return heads;
}

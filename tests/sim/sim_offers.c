/* SPDX-License-Identifier: MPL-2.0
 *
 * Every numbered publication that the core emits, written down and linked to the one of its topic before, and what
 * heads say of them: beats and answers to joins of each category and conflated category, HeartbeatAcks of interests.
 * A head is that of the last publication in its scope at that place among the core's effects; only of a prefix that
 * ends within a name it may be an older one, or none. A look-up for each head.
 */
#include "sim_checker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ publications */

uint64_t sim_offer_digest (const sb_publication_t *publication)
{
    uint64_t hash = sim_mixed (publication->quality * 31 + publication->cause, (uint64_t)publication->broker_unix_ns);
    hash = sim_mixed (sim_mixed (hash, publication->category_sequence), publication->agent_sequence);
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        hash =
            sim_mixed (sim_mixed (hash, update->sequence), (uint64_t)(update->event_unix_ns ^ update->origin_unix_ns));
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            hash = sim_mixed (sim_hash (hash, change->name.data, change->name.size), change->is_delete);
            if (!change->is_delete)
                hash = sim_mixed (hash, sim_value_hash (&change->value));
        }
    }
    return hash;
}

void sim_offers_add (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic)
{
    sim_life_t *life = &self->checker->lives[self->broker_starts];
    if (life->count == life->capacity) {
        life->capacity = life->capacity * 2 + 1024;
        life->offers = realloc (life->offers, life->capacity * sizeof *life->offers);
        assert (life->offers);
    }
    uint32_t number = (uint32_t)(topic - self->checker->topics);
    life->offers[life->count++] = (sim_offer_t){.topic = number,
                                                .before = topic->last_offer,
                                                .topic_sequence = publication->topic_sequence,
                                                .agent_sequence = publication->agent_sequence,
                                                .digest = sim_offer_digest (publication),
                                                .at_ns = self->now_ns};
    topic->last_offer = life->count;
}

uint64_t sim_offers_sequence (const sim_t *self, const sim_topic_t *topic, uint64_t topic_sequence)
{
    const sim_life_t *life = &self->checker->lives[self->broker_starts];
    uint64_t sequence = topic->last_offer;
    while (sequence && life->offers[sequence - 1].topic_sequence > topic_sequence)
        sequence = life->offers[sequence - 1].before;
    return sequence;
}

bool sim_offers_is_same (const sim_t *self, const sb_publication_t *publication, const sim_topic_t *topic)
{
    const sim_life_t *life = &self->checker->lives[self->broker_starts];
    return life->offers[topic->last_offer - 1].digest == sim_offer_digest (publication);
}

void sim_offers_free (sim_checker_t *checker)
{
    for (uint32_t i = 0; i < SIM_LIVES; i++)
        free (checker->lives[i].offers);
}

const sim_offer_t *sim_offer (const sim_t *self, uint64_t life, uint64_t sequence)
{
    const sim_life_t *lives = self->checker->lives;
    return life < SIM_LIVES && sequence && sequence <= lives[life].count ? &lives[life].offers[sequence - 1] : NULL;
}

/* ------------------------------------------------------------------ heads */

static bool s_begins (sb_text_t text, const char *beginning, sb_text_t *rest)
{
    sb_text_t prefix = sb_text (beginning);
    if (text.size < prefix.size || memcmp (text.data, prefix.data, prefix.size) != 0)
        return false;
    *rest = (sb_text_t){text.data + prefix.size, text.size - prefix.size};
    return true;
}

/* The number at that place, which moves behind it. */
static uint32_t s_interval (sb_text_t text, uint32_t *at)
{
    uint32_t interval_ms = 0;
    for (; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at)
        interval_ms = interval_ms * 10 + (uint32_t)(text.data[*at] - '0');
    return interval_ms;
}

/* What a head of that name must be. */
static uint64_t s_expected (const sim_checker_t *checker, sb_text_t name)
{
    sb_text_t rest;
    if (sim_text_is (name, "sequence"))
        return checker->sequence;
    if (s_begins (name, "conflated.", &rest)) {
        uint32_t at = 0, interval_ms = s_interval (rest, &at);
        sb_text_t category = {rest.data + at + 1, at < rest.size ? rest.size - at - 1 : 0};
        return sim_conflation_number (checker, interval_ms, category);
    }
    for (uint32_t i = 0; s_begins (name, "head.", &rest) && i < checker->category_count; i++)
        if (sim_text_is (rest, checker->categories[i]))
            return checker->category_sequences[i];
    return 0;
}

/* The prefixes that are conflated at an interval: those that somebody asks for, each with a `*` and a blank behind it.
 */
static void s_check_prefixes (sim_t *self, sb_text_t interval, sb_text_t told)
{
    uint32_t at = 0, interval_ms = s_interval (interval, &at), count = 0;
    self->checks++;
    for (uint32_t start = 0; start < told.size; count++) {
        const char *blank = memchr (told.data + start, ' ', told.size - start);
        uint32_t end = blank ? (uint32_t)(blank - told.data) : told.size;
        sb_text_t prefix = {told.data + start, end - start - 1};
        if (told.data[end - 1] != '*' || !sim_conflation_has (self->checker, interval_ms, prefix))
            sim_fail (self, "a join says that %.*s is conflated at %u ms", (int)prefix.size, prefix.data, interval_ms);
        start = end + 1;
    }
    if (count != sim_conflation_prefix_count (self->checker, interval_ms))
        sim_fail (self, "a join says that %u prefixes are conflated at %u ms", count, interval_ms);
}

void sim_offers_level (sim_t *self, const sb_publication_t *publication)
{
    const sim_checker_t *checker = self->checker;
    sb_text_t rest;
    if (!sim_text_is (publication->topic, "_beat..") && !s_begins (publication->topic, "~join.", &rest))
        return;
    uint32_t told = 0, known = 1 + sim_conflation_number_count (checker);
    for (uint32_t i = 0; i < checker->category_count; i++)
        known += checker->category_sequences[i] > 0;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (s_begins (change->name, "conflation.", &rest)) {
                s_check_prefixes (self, rest, change->value.text);
                continue;
            }
            uint64_t is = (uint64_t)change->value.integer + (sim_canary (self, SIM_CANARY_head) ? 1 : 0);
            uint64_t expected = s_expected (checker, change->name);
            self->checks++;
            if (is != expected)
                sim_fail (self, "%.*s says that %.*s is %" PRIu64 ", it is %" PRIu64, (int)publication->topic.size,
                          publication->topic.data, (int)change->name.size, change->name.data, is, expected);
            told += is > 0 || sim_text_is (change->name, "sequence");
        }
    if (told != known)
        sim_fail (self, "%.*s tells %u numbers, there are %u", (int)publication->topic.size, publication->topic.data,
                  told, known);
}

/* The last one in the scope of an interest whose prefix that is; `must` is set when the head has to be that one. */
static uint64_t s_last (const sim_checker_t *checker, sb_text_t prefix, bool *must)
{
    *must = true;
    if (prefix.size == 0)
        return checker->public_last;
    for (uint32_t i = 0; i < checker->category_count; i++)
        if (prefix.size == strlen (checker->categories[i]) + 1 &&
            memcmp (prefix.data, checker->categories[i], prefix.size - 1) == 0)
            return checker->category_last[i];
    for (uint32_t i = 0; i < checker->part_count; i++)
        if (sim_text_is (prefix, checker->parts[i].text))
            return checker->parts[i].last;
    *must = false;
    return 0;
}

static void s_check_head (sim_t *self, const sb_interest_position_t *head)
{
    char octets[SB_TOPIC_MAX + 2];
    const sim_checker_t *checker = self->checker;
    sb_text_t prefix = {octets, sb_interest_prefix (head->interest, octets)};
    bool must;
    uint64_t last = s_last (checker, prefix, &must);
    self->checks += 2;
    if (must && head->sequence != last && !(head->sequence == 0 && sim_may_forget (self)))
        sim_fail (self, "the head of %.*s is %" PRIu64 ", its last publication is %" PRIu64, (int)head->interest.size,
                  head->interest.data, head->sequence, last);
    const sim_offer_t *offer = sim_offer (self, self->broker_starts, head->sequence);
    if (!offer && head->sequence == 0 && head->agent_sequence == 0)
        return;
    sb_text_t topic = offer ? sb_text (checker->topics[offer->topic].text) : (sb_text_t){NULL, 0};
    if (!offer || topic.size < prefix.size || memcmp (topic.data, prefix.data, prefix.size) != 0 ||
        offer->agent_sequence != head->agent_sequence)
        sim_fail (self,
                  "the head of %.*s is %" PRIu64 ", number %" PRIu64 " of its agent's part; that is %.*s %" PRIu64,
                  (int)head->interest.size, head->interest.data, head->sequence, head->agent_sequence, (int)topic.size,
                  topic.data, offer ? offer->agent_sequence : 0);
}

void sim_offers_heads (sim_t *self, const sb_heartbeat_ack_t *ack)
{
    for (uint32_t i = 0; i < ack->head_count; i++)
        s_check_head (self, &ack->heads[i]);
}

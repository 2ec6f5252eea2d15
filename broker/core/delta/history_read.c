/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading a category's history: a page at a time, forward from a place, after a search down from the end when the last
 * so many are asked for.
 *
 * A page looks at SB_SCAN_MAX entries and gives so many octets at most, the search included, so it may be short, even
 * empty, and not the last. Its end is fixed when it begins: a reader who is slower than the writers gets there all the
 * same. Times are compared entry by entry: broker time may step back, so they are in no order to be halved. What may
 * have matched and is no longer kept is said on the page that comes to it, never stepped over.
 */
#include "history_entry.h"

#include <string.h>

static const char *s_get (const char *from, void *to, size_t size)
{
    memcpy (to, from, size);
    return from + size;
}

static const char *s_get_change (sb_core_t *self, const char *from, sb_change_t *change)
{
    sb_packed_change_t packed;
    from = s_get (from, &packed, sizeof packed);
    memset (change, 0, sizeof *change);
    change->name = sb_core_copy (self, (sb_text_t){from, packed.name_size});
    from += packed.name_size;
    change->is_delete = packed.is_delete;
    sb_value_t *value = &change->value;
    value->kind = (sb_value_kind_t)packed.kind;
    if (sb_value_has_run (value->kind))
        value->text = sb_core_copy (self, (sb_text_t){from, packed.size});
    else if (value->kind == SB_VALUE_NUMBER)
        memcpy (&value->number, &packed.word, sizeof value->number);
    else if (value->kind == SB_VALUE_INTEGER)
        value->integer = (int64_t)packed.word;
    else if (value->kind == SB_VALUE_BOOLEAN)
        value->boolean = packed.word != 0;
    else if (value->kind == SB_VALUE_DECIMAL) {
        value->decimal.unscaled = (int64_t)packed.word;
        value->decimal.exponent = packed.exponent;
    }
    return from + packed.size;
}

static const sb_publication_t *s_unpack (sb_core_t *self, const sb_history_entry_t *entry)
{
    sb_publication_t *publication = sb_core_take (self, sizeof *publication);
    publication->topic = sb_core_copy (self, (sb_text_t){entry->octets, entry->topic_size});
    publication->stream_id = self->identity.stream_id;
    publication->epoch = self->identity.epoch;
    publication->sequence = entry->sequence;
    publication->category_sequence = entry->category_sequence;
    publication->topic_sequence = entry->topic_sequence;
    publication->agent_sequence = entry->agent_sequence;
    publication->agent_id = (sb_text_t){publication->topic.data + entry->agent_start, entry->agent_size};
    publication->broker_unix_ns = entry->broker_unix_ns;
    publication->quality = (sb_quality_t)entry->quality;
    publication->cause = (sb_cause_t)entry->cause;
    sb_update_t *updates = sb_core_take (self, entry->update_count * sizeof *updates);
    publication->updates = updates;
    publication->update_count = entry->update_count;
    const char *from = entry->octets + entry->topic_size;
    for (uint32_t i = 0; i < entry->update_count; i++) {
        sb_packed_update_t packed;
        from = s_get (from, &packed, sizeof packed);
        sb_change_t *changes = sb_core_take (self, packed.change_count * sizeof *changes);
        updates[i] = (sb_update_t){.sequence = packed.sequence,
                                   .event_unix_ns = packed.event_unix_ns,
                                   .origin_unix_ns = packed.origin_unix_ns,
                                   .changes = changes,
                                   .change_count = packed.change_count};
        for (uint32_t j = 0; j < packed.change_count; j++)
            from = s_get_change (self, from, &changes[j]);
    }
    return publication;
}

/* ---- which ones */

/* True when the first fact of an event is a text `agent` with that id. */
static bool s_is_about (const sb_history_entry_t *entry, sb_text_t agent)
{
    sb_packed_change_t packed;
    sb_text_t name = sb_text ("agent");
    const char *from = entry->octets + entry->topic_size + sizeof (sb_packed_update_t);
    if (!entry->update_count)
        return false;
    from = s_get (from, &packed, sizeof packed);
    return packed.kind == SB_VALUE_TEXT && sb_text_equal (name, (sb_text_t){from, packed.name_size}) &&
           sb_text_equal (agent, (sb_text_t){from + packed.name_size, packed.size});
}

/* Events of the agent itself, of everybody (the emergency stop), and that its record was given up before. */
static bool s_is_of_timeline (const sb_history_entry_t *entry, sb_text_t agent, sb_text_t author, sb_text_t subject)
{
    if (sb_text_equal (author, agent))
        return true;
    if (!sb_text_equal (author, sb_text ("_broker")))
        return false;
    if (sb_text_equal (subject, sb_text (sb_happening_info (SB_HAPPENING_FORGOTTEN)->word)))
        return s_is_about (entry, agent);
    return sb_text_equal (subject, sb_text (sb_happening_info (SB_HAPPENING_LATCH)->word));
}

static bool s_matches (const sb_history_entry_t *entry, const sb_history_filter_t *filter)
{
    if (entry->broker_unix_ns < filter->since_unix_ns || entry->broker_unix_ns >= filter->until_unix_ns)
        return false;
    bool is_longer = filter->prefix.size > entry->topic_size;
    if (filter->prefix.size && (is_longer || memcmp (filter->prefix.data, entry->octets, filter->prefix.size) != 0))
        return false;
    sb_text_t agent = {entry->octets + entry->agent_start, entry->agent_size};
    uint32_t subject_start = entry->agent_start + entry->agent_size + 1u;
    sb_text_t subject = {entry->octets + subject_start, entry->topic_size - subject_start};
    if (filter->timeline.size)
        return s_is_of_timeline (entry, filter->timeline, agent, subject);
    if (filter->agent.size && !sb_text_equal (filter->agent, agent))
        return false;
    return (filter->subject.size == 0 && !filter->is_subject_set) || sb_text_equal (filter->subject, subject);
}

/* ---- reading */

/* category_sequence of the oldest entry; head + 1 when none is kept. */
static uint64_t s_oldest (const sb_category_t *category)
{
    return category->head.category_sequence + 1 - category->ring_count;
}

/* May something above `after` and up to `through` that is no longer kept have matched? */
static bool s_may_miss (const sb_core_t *self, const sb_category_t *category, const sb_history_filter_t *filter,
                        uint64_t after, uint64_t through)
{
    uint64_t oldest = s_oldest (category);
    if (after + 1 >= oldest || after >= through || category->gone_unix_ns < filter->since_unix_ns)
        return false;
    if (!filter->timeline.size)
        return true;
    /* An agent's own events are known to begin with its record. */
    uint32_t agent = sb_find_agent (self, filter->timeline);
    uint32_t link = agent ? sb_find_link (self, agent, sb_core_category_slot (self, category)) : 0;
    return link && sb_link_at (self, link)->first && sb_link_at (self, link)->first < oldest;
}

/* True when all that the place asks for is older than what is kept. */
static bool s_is_before_all (const sb_category_t *category, const sb_history_filter_t *filter, uint64_t through)
{
    if (s_oldest (category) == 1 || through == 0)
        return false;
    if (through < s_oldest (category))
        return true;
    return category->ring_count && filter->until_unix_ns <= (*sb_history_at (category, 0))->broker_unix_ns;
}

/* Looks down from the place for where the last `left` that match begin. False when the budget is used up first. */
static bool s_search (sb_core_t *self, const sb_category_t *category, const sb_history_filter_t *filter,
                      sb_history_place_t *place, uint32_t *budget, bool *is_evicted)
{
    uint64_t oldest = s_oldest (category);
    uint64_t bottom = filter->after + 1 > oldest ? filter->after : oldest - 1;
    if (place->after < place->through && place->after + 1 < oldest)
        *is_evicted = true; /* what an earlier page had counted went meanwhile */
    while (place->left && place->after > bottom) {
        if (*budget == 0)
            return false;
        --*budget;
        place->left -= s_matches (*sb_history_at (category, (uint32_t)(place->after - oldest)), filter);
        place->after--;
    }
    if (place->left && (filter->has_floor ? s_may_miss (self, category, filter, filter->after, place->through)
                                          : s_is_before_all (category, filter, place->through)))
        *is_evicted = true;
    if (place->after < bottom)
        place->after = bottom;
    place->is_searching = false;
    place->left = UINT64_MAX; /* they are all that is left up to `through` */
    return true;
}

sb_history_filter_t sb_core_history_filter (void)
{
    return (sb_history_filter_t){.since_unix_ns = INT64_MIN, .until_unix_ns = INT64_MAX};
}

sb_history_place_t sb_core_begin_history (const sb_category_t *category, const sb_history_filter_t *filter,
                                          uint64_t through, uint64_t last, bool is_from_end)
{
    uint64_t head = category->head.category_sequence;
    if (through > head)
        through = head;
    return (sb_history_place_t){
        .after = is_from_end ? through : filter->after, .through = through, .left = last, .is_searching = is_from_end};
}

int64_t sb_core_history_oldest_unix_ns (const sb_category_t *category)
{
    return category->ring_count ? (*sb_history_at (category, 0))->broker_unix_ns : 0;
}

/* Octets that an entry may have in a reply: its own, and what tags, sizes and long numbers may add to each head. */
static size_t s_reply_bytes (const sb_history_entry_t *entry)
{
    return (size_t)192 + entry->size + (size_t)16 * entry->update_count + (size_t)16 * entry->change_count;
}

bool sb_core_read_history (sb_core_t *self, const sb_category_t *category, const sb_history_filter_t *filter,
                           sb_history_place_t *place, uint32_t limit, size_t bytes, sb_history_page_t *page)
{
    *page = (sb_history_page_t){.count = 0};
    uint64_t head = category->head.category_sequence;
    uint64_t oldest = s_oldest (category);
    uint32_t budget = SB_SCAN_MAX;
    if (place->through > head)
        place->through = head;
    if (place->is_searching && place->after > place->through)
        place->after = place->through;
    if (!place->is_searching)
        page->is_evicted = s_may_miss (self, category, filter, place->after, place->through);
    else if (!s_search (self, category, filter, place, &budget, &page->is_evicted))
        return true;
    if (place->after + 1 < oldest)
        place->after = oldest - 1;
    const sb_publication_t **found = sb_core_take (self, limit * sizeof *found);
    page->publications = found;
    size_t taken = 0;
    while (place->left && place->after < place->through) {
        const sb_history_entry_t *entry = *sb_history_at (category, (uint32_t)(place->after + 1 - oldest));
        bool is_match = s_matches (entry, filter);
        taken += is_match ? s_reply_bytes (entry) : 0;
        if (budget-- == 0 || (is_match && (page->count == limit || (page->count > 0 && taken > bytes))))
            return true;
        place->after++;
        if (!is_match)
            continue;
        found[page->count++] = s_unpack (self, entry);
        if (place->left != UINT64_MAX)
            place->left--;
    }
    return false;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's side, see small_broker.h: what it publishes, its history, its snapshots.
 */
#include "small_broker_private.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_state_hash.h"

static const char *const s_categories[SMALL_CATEGORIES] = {"m", "n", "e"};
const char *const small_broker_names[SMALL_NAMES] = {"p", "q", "r", "s.t", "u"};

uint32_t small_broker_below (small_broker_t *self, uint32_t below)
{
    self->random = self->random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t)(self->random >> 33) % below;
}

bool small_broker_chance (small_broker_t *self, uint32_t percent)
{
    return percent && small_broker_below (self, 100) < percent;
}

/* What is registered: no interest that lies in another. */
static void s_merge (small_broker_t *self)
{
    const sb_agent_step_config_t *config = &self->f.config;
    sb_text_t *merged = self->merged;
    self->f.welcome.interests = merged;
    self->f.welcome.interest_count = 0;
    for (uint32_t i = 0; i < config->interest_count; i++) {
        bool is_within = false;
        for (uint32_t j = 0; j < config->interest_count; j++) {
            char wide[SB_TOPIC_MAX + 2], narrow[SB_TOPIC_MAX + 2];
            sb_text_t outer = {wide, sb_interest_prefix (config->interests[j], wide)};
            sb_text_t inner = {narrow, sb_interest_prefix (config->interests[i], narrow)};
            is_within |= outer.size < inner.size && sb_prefix_matches (outer, inner);
        }
        if (!is_within)
            merged[self->f.welcome.interest_count++] = config->interests[i];
    }
}

static void s_add_interval (small_broker_t *self, uint32_t interval_ms)
{
    bool is_new = interval_ms > 0;
    for (uint32_t i = 0; i < self->interval_count; i++)
        is_new &= self->intervals_ms[i] != interval_ms;
    if (is_new)
        self->intervals_ms[self->interval_count++] = interval_ms;
}

small_broker_t *small_broker_new (uint64_t seed, const sb_text_t *interests, const uint32_t *conflate_ms,
                                  uint32_t interest_count)
{
    static const sb_text_t events = {"e", 1};
    small_broker_t *self = calloc (1, sizeof *self);
    self->random = seed;
    self->stream_id = 5;
    self->epoch = 1;
    self->history_max = 100000;
    self->page_max = 7;
    self->publications = calloc (SMALL_PUBLICATIONS_MAX, sizeof *self->publications);
    self->frames = calloc (SMALL_QUEUE_MAX, sizeof *self->frames);
    self->messages = calloc (SMALL_QUEUE_MAX, sizeof *self->messages);
    for (uint32_t i = 0; i < SMALL_TOPICS; i++) {
        small_topic_t *topic = &self->topics[i];
        topic->category = i / 4;
        snprintf (topic->name, sizeof topic->name, "%s.%s.%s", s_categories[topic->category], i & 1 ? "b" : "c",
                  i & 2 ? "x" : "");
    }
    self->f = sb_fixture_make ();
    self->f.config.seed = seed;
    self->f.config.interests = interests;
    self->f.config.interest_count = interest_count;
    self->f.config.conflate_ms = self->conflate_ms = conflate_ms;
    self->f.config.queue_publications = 8;
    s_merge (self);
    for (uint32_t i = 0; conflate_ms && i < interest_count; i++)
        s_add_interval (self, conflate_ms[i]);
    self->f.welcome.event_categories = &events;
    self->f.welcome.event_category_count = 1;
    return self;
}

void small_broker_destroy (small_broker_t *self)
{
    sb_fixture_end (&self->f);
    free (self->publications);
    free (self->frames);
    free (self->messages);
    free (self);
}

bool small_broker_wants (const small_broker_t *self, uint32_t topic)
{
    for (uint32_t i = 0; i < self->f.config.interest_count; i++) {
        char prefix[SB_TOPIC_MAX + 2];
        uint32_t size = sb_interest_prefix (self->f.config.interests[i], prefix);
        if (sb_prefix_matches ((sb_text_t){prefix, size}, sb_text (self->topics[topic].name)))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the SUB's way */

small_frame_t *small_broker_frame (small_broker_t *self, small_frame_kind_t kind)
{
    cr_assert (self->last_frame - self->first_frame < SMALL_QUEUE_MAX);
    small_frame_t *frame = &self->frames[self->last_frame++ % SMALL_QUEUE_MAX];
    *frame = (small_frame_t){.kind = kind, .sequence = self->sequence, .losses = self->losses, .epoch = self->epoch};
    memcpy (frame->heads, self->heads, sizeof frame->heads);
    memcpy (frame->conflated_heads, self->conflated_heads, sizeof frame->conflated_heads);
    return frame;
}

/* Whether the reader's SUB has a prefix that matches. */
static bool s_is_subscribed_to (const small_broker_t *self, uint32_t number, uint32_t interval_ms)
{
    uint32_t count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (self->f.step, &count);
    char topic[64];
    const char *name = self->topics[self->publications[number].topic].name;
    if (interval_ms)
        snprintf (topic, sizeof topic, "~conflated.%u.%s", interval_ms, name);
    else
        snprintf (topic, sizeof topic, "%s", name);
    for (uint32_t i = 0; i < count; i++) {
        if (strlen (topic) >= prefixes[i].size && memcmp (topic, prefixes[i].data, prefixes[i].size) == 0)
            return true;
    }
    return false;
}

/* The least interval that the topic is asked for at. */
uint32_t small_broker_wanted_ms (const small_broker_t *self, uint32_t topic)
{
    uint32_t interval_ms = UINT32_MAX;
    for (uint32_t i = 0; i < self->f.config.interest_count; i++) {
        char prefix[SB_TOPIC_MAX + 2];
        uint32_t asked_ms = self->conflate_ms ? self->conflate_ms[i] : 0;
        uint32_t size = sb_interest_prefix (self->f.config.interests[i], prefix);
        if (asked_ms < interval_ms && sb_prefix_matches ((sb_text_t){prefix, size}, sb_text (self->topics[topic].name)))
            interval_ms = asked_ms;
    }
    return interval_ms;
}

/* One to one, when conflated too: what is merged is the core's to show. */
static void s_send (small_broker_t *self, uint32_t number, uint32_t interval_ms, uint64_t conflated_sequence)
{
    small_publication_t *publication = &self->publications[number];
    if (!s_is_subscribed_to (self, number, interval_ms))
        return;
    bool is_lost = !self->is_subscribed || small_broker_chance (self, self->loss_percent);
    if (publication->is_wanted && interval_ms == small_broker_wanted_ms (self, publication->topic))
        publication->was_lost = is_lost;
    self->losses += is_lost;
    if (is_lost)
        return;
    small_frame_t *frame = small_broker_frame (self, SMALL_PUBLICATION);
    frame->publication = number;
    frame->interval_ms = interval_ms;
    frame->conflated_sequence = conflated_sequence;
}

static void s_offer (small_broker_t *self, uint32_t number)
{
    s_send (self, number, 0, 0);
    for (uint32_t i = 0; i < self->interval_count; i++) {
        uint64_t *head = &self->conflated_heads[i][self->topics[self->publications[number].topic].category];
        if (s_is_subscribed_to (self, number, self->intervals_ms[i]) &&
            (self->is_subscribed || self->is_read_by_others))
            s_send (self, number, self->intervals_ms[i], ++*head);
    }
}

static small_publication_t *s_publication (small_broker_t *self, uint32_t topic_number)
{
    small_topic_t *topic = &self->topics[topic_number];
    cr_assert (self->publication_count < SMALL_PUBLICATIONS_MAX);
    small_publication_t *publication = &self->publications[self->publication_count++];
    *publication = (small_publication_t){.topic = topic_number, .epoch = self->epoch};
    publication->is_wanted = small_broker_wants (self, topic_number);
    publication->sequence = topic->sequence = ++self->sequence;
    publication->category_sequence = topic->category_sequence = ++self->heads[topic->category];
    publication->topic_sequence = ++topic->topic_sequence;
    publication->agent_sequence = ++self->agent_heads[topic->category][topic_number & 1];
    publication->was_lost = publication->is_wanted;
    return publication;
}

void small_broker_write (small_broker_t *self, uint32_t topic_number, uint32_t name, double number)
{
    small_publication_t *publication = s_publication (self, topic_number);
    small_topic_t *topic = &self->topics[topic_number];
    publication->quality = topic->quality = SB_QUALITY_OK;
    publication->change_count = 1;
    publication->names[0] = name;
    publication->numbers[0] = number;
    topic->fields[name] = (small_field_t){true, number, publication->sequence};
    s_offer (self, self->publication_count - 1);
}

void small_broker_publish (small_broker_t *self)
{
    uint32_t number = small_broker_below (self, SMALL_TOPICS);
    small_publication_t *publication = s_publication (self, number);
    small_topic_t *topic = &self->topics[number];
    uint32_t name = small_broker_below (self, SMALL_NAMES);
    publication->change_count = small_broker_below (self, 4);
    topic->quality = publication->change_count ? SB_QUALITY_OK : SB_QUALITY_STALE;
    publication->quality = topic->quality;
    for (uint32_t i = 0; i < publication->change_count; i++, name = (name + 1) % SMALL_NAMES) {
        publication->names[i] = name;
        publication->deletes[i] = small_broker_below (self, 4) == 0;
        publication->numbers[i] = small_broker_below (self, 100);
        topic->fields[name] = (small_field_t){!publication->deletes[i], publication->numbers[i], publication->sequence};
    }
    s_offer (self, self->publication_count - 1);
}

void small_broker_beat (small_broker_t *self)
{
    if (self->is_subscribed && !small_broker_chance (self, self->loss_percent))
        small_broker_frame (self, SMALL_BEAT);
}

/* ------------------------------------------------------------------ the DEALER's way */

small_message_t *small_broker_message (small_broker_t *self, sb_broker_message_kind_t kind)
{
    cr_assert (self->last_message - self->first_message < SMALL_QUEUE_MAX);
    small_message_t *message = &self->messages[self->last_message++ % SMALL_QUEUE_MAX];
    *message =
        (small_message_t){.kind = kind, .head_sequence = self->sequence, .losses = self->losses, .epoch = self->epoch};
    memcpy (message->head_category, self->heads, sizeof message->head_category);
    return message;
}

static int64_t s_parameter (const sb_command_request_t *request, const char *name)
{
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (sb_text_equal (request->parameters[i].name, sb_text (name)))
            return request->parameters[i].value.kind == SB_VALUE_INTEGER ? request->parameters[i].value.integer
                                                                         : request->parameters[i].value.text.data[0];
    }
    return 0;
}

static uint32_t s_category (char octet)
{
    return octet == 'm' ? 0 : octet == 'n' ? 1 : 2;
}

/* The cursor is the category sequence to go on behind, one octet a decimal digit. */
static uint64_t s_cursor (const sb_command_request_t *request)
{
    uint64_t cursor = 0;
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (!sb_text_equal (request->parameters[i].name, sb_text ("cursor")))
            continue;
        for (uint32_t j = 0; j < request->parameters[i].value.text.size; j++)
            cursor = cursor * 10 + (uint64_t)(request->parameters[i].value.text.data[j] - '0');
    }
    return cursor;
}

static void s_history (small_broker_t *self, const sb_command_request_t *request)
{
    cr_assert (sb_text_equal (request->command, sb_text ("history")));
    small_message_t *reply = small_broker_message (self, SB_BROKER_MESSAGE_COMMAND_REPLY);
    memcpy (reply->command_id, request->command_id.data, request->command_id.size);
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        sb_text_t text = request->parameters[i].value.text;
        if (sb_text_equal (request->parameters[i].name, sb_text ("prefix")))
            memcpy (reply->prefix, text.data, text.size);
    }
    reply->category = s_category ((char)s_parameter (request, "category"));
    reply->after = (uint64_t)s_parameter (request, "after");
    reply->through = (uint64_t)s_parameter (request, "through");
    reply->count = (uint32_t)s_parameter (request, "limit");
    cr_assert (reply->count >= 1 && reply->count <= 1000);
    if (reply->count > self->page_max)
        reply->count = self->page_max;
    if (small_broker_chance (self, self->refuse_history_percent))
        reply->code = SB_REASON_TIMEOUT;
    uint64_t head = self->heads[reply->category];
    uint64_t oldest = head > self->history_max ? head - self->history_max + 1 : 1;
    reply->is_evicted = reply->after + 1 < oldest;
    reply->oldest = oldest;
    uint64_t cursor = s_cursor (request);
    if (cursor > reply->after)
        reply->after = cursor;
}

static void s_request_snapshot (small_broker_t *self, const sb_snapshot_request_t *request)
{
    cr_assert_gt (request->snapshot_id, self->snapshot_id);
    self->snapshot_id = request->snapshot_id;
    self->walk_topic = self->walk_field = self->chunks = 0;
    self->credit = request->credit;
    self->snapshot_fields = self->snapshot_hash = 0;
    for (uint32_t i = 0; i < SMALL_TOPICS; i++) {
        self->in_snapshot[i] = request->interest_count == 0 && small_broker_wants (self, i);
        for (uint32_t j = 0; j < request->interest_count; j++) {
            char prefix[SB_TOPIC_MAX + 2];
            uint32_t size = sb_interest_prefix (request->interests[j], prefix);
            self->in_snapshot[i] |= sb_prefix_matches ((sb_text_t){prefix, size}, sb_text (self->topics[i].name));
        }
    }
}

/* A part of a topic: the fields from walk_field on, or some of them. */
void small_broker_walk (small_broker_t *self)
{
    while (self->walk_topic < SMALL_TOPICS &&
           (!self->in_snapshot[self->walk_topic] || !self->topics[self->walk_topic].topic_sequence))
        self->walk_topic++;
    if (self->walk_topic == SMALL_TOPICS) {
        sb_snapshot_end_t *end = &small_broker_message (self, SB_BROKER_MESSAGE_SNAPSHOT_END)->end;
        *end = (sb_snapshot_end_t){.snapshot_id = self->snapshot_id,
                                   .chunk_count = self->chunks,
                                   .field_count = self->snapshot_fields,
                                   .sequence = self->sequence,
                                   .state_hash = self->snapshot_hash,
                                   .stream_id = self->stream_id,
                                   .epoch = self->epoch};
        self->walk_topic++;
        return;
    }
    if (self->credit == 0 || self->walk_topic > SMALL_TOPICS)
        return;
    self->credit--;
    small_topic_t *topic = &self->topics[self->walk_topic];
    small_message_t *message = small_broker_message (self, SB_BROKER_MESSAGE_SNAPSHOT_CHUNK);
    message->snapshot_id = self->snapshot_id;
    message->number = ++self->chunks;
    message->topic = (sb_snapshot_topic_t){.topic = sb_text (topic->name),
                                           .sequence = topic->sequence,
                                           .category_sequence = topic->category_sequence,
                                           .topic_sequence = topic->topic_sequence,
                                           .quality = topic->quality};
    uint32_t most = 1 + small_broker_below (self, SMALL_NAMES);
    for (; self->walk_field < SMALL_NAMES && message->topic.field_count < most; self->walk_field++) {
        const small_field_t *field = &topic->fields[self->walk_field];
        if (!field->is_there)
            continue;
        sb_snapshot_field_t *copied = &message->fields[message->topic.field_count++];
        *copied =
            (sb_snapshot_field_t){.name = sb_text (small_broker_names[self->walk_field]), .sequence = field->sequence};
        copied->value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = field->number};
        self->snapshot_fields++;
        self->snapshot_hash +=
            sb_state_hash_field (message->topic.topic, copied->name, &copied->value, topic->quality, field->sequence);
    }
    if (self->walk_field == SMALL_NAMES) {
        self->walk_field = 0;
        self->walk_topic++;
    }
    if (small_broker_chance (self, self->break_snapshot_percent))
        self->last_message--;
}

void small_broker_receive (small_broker_t *self, const sb_agent_message_t *message)
{
    if (message->kind == SB_AGENT_MESSAGE_REGISTRATION) {
        self->has_session = true;
        self->snapshot_id = 0;
        self->walk_topic = SMALL_TOPICS + 1;
        small_broker_message (self, SB_BROKER_MESSAGE_WELCOME);
    } else if (!self->has_session) {
        return;
    } else if (message->kind == SB_AGENT_MESSAGE_HEARTBEAT) {
        small_broker_message (self, SB_BROKER_MESSAGE_HEARTBEAT_ACK);
    } else if (message->kind == SB_AGENT_MESSAGE_COMMAND) {
        s_history (self, &message->command);
    } else if (message->kind == SB_AGENT_MESSAGE_SNAPSHOT_REQUEST) {
        s_request_snapshot (self, &message->snapshot_request);
    } else if (message->kind == SB_AGENT_MESSAGE_SNAPSHOT_CREDIT &&
               message->snapshot_credit.snapshot_id == self->snapshot_id) {
        self->credit += message->snapshot_credit.credit;
    }
}

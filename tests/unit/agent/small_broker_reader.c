/* SPDX-License-Identifier: MPL-2.0
 *
 * The reader's side, see small_broker.h: what it is brought, the application behind it, and what must be.
 */
#include "small_broker_private.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sb_state_hash.h"

/* ------------------------------------------------------------------ the application */

static small_topic_t *s_find_topic (small_broker_t *self, sb_text_t name, uint32_t *number)
{
    for (uint32_t i = 0; i < SMALL_TOPICS; i++) {
        if (sb_text_equal (sb_text (self->topics[i].name), name)) {
            *number = i;
            return &self->topics[i];
        }
    }
    return NULL;
}

static small_publication_t *s_find_publication (small_broker_t *self, uint64_t epoch, uint64_t sequence)
{
    for (uint32_t i = self->publication_count; i > 0; i--) {
        small_publication_t *publication = &self->publications[i - 1];
        if (publication->sequence == sequence && publication->epoch == epoch)
            return publication;
    }
    return NULL;
}

static void s_deliver (small_broker_t *self, const sb_publication_t *publication)
{
    uint32_t number;
    small_topic_t *topic = s_find_topic (self, publication->topic, &number);
    cr_assert (topic && small_broker_wants (self, number), "nobody wanted that");
    self->unhandled++;
    if (publication->cause != SB_CAUSE_SNAPSHOT) {
        small_publication_t *news = s_find_publication (self, publication->epoch, publication->sequence);
        cr_assert (news && news->delivered++ == 0, "%s %llu: delivered twice", topic->name,
                   (unsigned long long)publication->sequence);
        cr_assert_gt (publication->sequence, topic->news, "%s: out of order", topic->name);
        topic->news = publication->sequence;
    } else {
        cr_assert_neq (topic->category, 2, "events are no state");
    }
    topic->seen_quality = publication->quality;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            for (uint32_t k = 0; k < SMALL_NAMES; k++) {
                if (sb_text_equal (change->name, sb_text (small_broker_names[k])))
                    topic->seen[k] = (small_field_t){!change->is_delete, change->value.number, 0};
            }
        }
    }
}

static void s_gap (small_broker_t *self, const sb_agent_gap_t *gap)
{
    uint32_t number;
    self->gap_count++;
    if (gap->last == 0)
        return;
    cr_assert (s_find_topic (self, gap->topic, &number));
    self->lost_told += gap->last - gap->first + 1;
    for (uint32_t i = 0; i < self->publication_count; i++) {
        small_publication_t *publication = &self->publications[i];
        if (publication->topic == number && publication->topic_sequence >= gap->first &&
            publication->topic_sequence <= gap->last) {
            cr_assert (publication->told++ == 0, "%s %llu: told twice", self->topics[number].name,
                       (unsigned long long)publication->topic_sequence);
            cr_assert_eq (publication->delivered, 0, "what was delivered is not lost");
            if (!self->forgives_counts)
                cr_assert (publication->was_lost || publication == self->brought, "%s %llu: is not lost",
                           self->topics[number].name, (unsigned long long)publication->topic_sequence);
        }
    }
}

static void s_event (small_broker_t *self, sb_agent_event_kind_t kind);

static void s_perform (small_broker_t *self)
{
    bool connects = false, subscribes = false;
    for (uint32_t i = 0; i < self->f.effects.count; i++) {
        const sb_agent_effect_t *effect = &self->f.effects.items[i];
        if (effect->kind == SB_AGENT_EFFECT_SEND) {
            small_broker_receive (self, effect->send);
        } else if (effect->kind == SB_AGENT_EFFECT_CONNECT || effect->kind == SB_AGENT_EFFECT_DISCONNECT) {
            self->has_session = false;
            self->first_message = self->last_message;
            connects = effect->kind == SB_AGENT_EFFECT_CONNECT;
        } else if (effect->kind == SB_AGENT_EFFECT_SUBSCRIBE) {
            subscribes = effect->subscribe_endpoint[0] != 0;
        } else if (effect->kind == SB_AGENT_EFFECT_JOIN) {
            if (self->is_subscribed && !small_broker_chance (self, self->loss_percent)) {
                small_frame_t *frame = small_broker_frame (self, SMALL_JOIN);
                memcpy (frame->join, effect->join_prefix.data, effect->join_prefix.size);
                frame->join_size = effect->join_prefix.size;
            }
        } else if (effect->kind == SB_AGENT_EFFECT_DELIVER) {
            s_deliver (self, effect->publication);
        } else if (effect->kind == SB_AGENT_EFFECT_GAP) {
            s_gap (self, &effect->gap);
        } else if (effect->kind == SB_AGENT_EFFECT_RECOVERED) {
            self->recoveries++;
            self->recovered_lost += effect->recovered.lost;
            self->recovered_recovered += effect->recovered.recovered;
        }
    }
    if (connects)
        s_event (self, SB_AGENT_EVENT_LINK_UP);
    if (subscribes && !self->is_cut) {
        self->is_subscribed = true;
        s_event (self, SB_AGENT_EVENT_SUBSCRIBED);
    }
}

static void s_event (small_broker_t *self, sb_agent_event_kind_t kind)
{
    sb_fixture_event (&self->f, kind);
    s_perform (self);
}

void small_broker_start (small_broker_t *self)
{
    self->f.config.has_copy = true;
    self->f.config.copy_fields = 1000;
    self->f.config.copy_bytes = 1 << 20;
    if (!self->f.config.buffer_bytes)
        self->f.config.buffer_bytes = 1 << 20;
    sb_fixture_start (&self->f);
    s_perform (self);
}

bool small_broker_handle (small_broker_t *self)
{
    if (self->unhandled == 0)
        return false;
    self->unhandled--;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_HANDLED, .monotonic_ns = self->f.now_ns};
    event.handled.delivery_ns = -1;
    sb_agent_effects_t answer;
    sb_agent_step (self->f.step, &event, &answer);
    return true;
}

/* ------------------------------------------------------------------ bringing */

static void s_bring (small_broker_t *self, const sb_publication_t *publication)
{
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = publication};
    event.monotonic_ns = self->f.now_ns;
    sb_agent_step (self->f.step, &event, &self->f.effects);
    s_perform (self);
}

static void s_fill (small_broker_t *self, const small_publication_t *from, sb_publication_t *publication,
                    sb_update_t *update, sb_change_t *changes)
{
    *publication = (sb_publication_t){.topic = sb_text (self->topics[from->topic].name),
                                      .stream_id = self->stream_id,
                                      .epoch = from->epoch,
                                      .sequence = from->sequence,
                                      .category_sequence = from->category_sequence,
                                      .topic_sequence = from->topic_sequence,
                                      .agent_sequence = from->agent_sequence,
                                      .quality = from->quality,
                                      .updates = update,
                                      .update_count = from->change_count > 0};
    *update = (sb_update_t){.sequence = 1, .changes = changes, .change_count = from->change_count};
    for (uint32_t i = 0; i < from->change_count; i++) {
        changes[i] = (sb_change_t){.name = sb_text (small_broker_names[from->names[i]]), .is_delete = from->deletes[i]};
        if (!from->deletes[i])
            changes[i].value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = from->numbers[i]};
    }
}

static void s_bring_level (small_broker_t *self, const small_frame_t *frame)
{
    static const char *const names[] = {"head.m", "head.n", "head.e"};
    static const char *const categories[] = {"m", "n", "e"};
    sb_change_t changes[1 + SMALL_CATEGORIES * (1 + SMALL_INTERVALS_MAX) + SMALL_INTERVALS_MAX];
    char conflation[SMALL_INTERVALS_MAX][32];
    char conflated[SMALL_CATEGORIES * SMALL_INTERVALS_MAX][32];
    changes[0] = sb_integer ("sequence", (int64_t)frame->sequence);
    for (uint32_t i = 0; i < SMALL_CATEGORIES; i++)
        changes[1 + i] = sb_integer (names[i], (int64_t)frame->heads[i]);
    sb_update_t update = {.changes = changes, .change_count = 1 + SMALL_CATEGORIES};
    for (uint32_t i = 0; i < self->interval_count * SMALL_CATEGORIES; i++) {
        uint32_t interval = i / SMALL_CATEGORIES, category = i % SMALL_CATEGORIES;
        snprintf (conflated[i], sizeof conflated[i], "conflated.%u.%s", self->intervals_ms[interval],
                  categories[category]);
        if (frame->conflated_heads[interval][category])
            changes[update.change_count++] =
                sb_integer (conflated[i], (int64_t)frame->conflated_heads[interval][category]);
    }
    for (uint32_t i = 0; frame->kind == SMALL_JOIN && i < self->interval_count; i++) {
        snprintf (conflation[i], sizeof conflation[i], "conflation.%u", self->intervals_ms[i]);
        changes[update.change_count++] = sb_string (conflation[i], "e.* m.* n.*");
    }
    sb_publication_t publication = {.topic = sb_text ("_beat.."),
                                    .stream_id = self->stream_id,
                                    .epoch = frame->epoch,
                                    .updates = &update,
                                    .update_count = 1};
    if (frame->kind == SMALL_JOIN)
        publication.topic = (sb_text_t){frame->join, frame->join_size};
    s_bring (self, &publication);
}

bool small_broker_bring_frame (small_broker_t *self)
{
    if (self->first_frame == self->last_frame)
        return false;
    small_frame_t frame = self->frames[self->first_frame++ % SMALL_QUEUE_MAX];
    if (frame.kind != SMALL_PUBLICATION) {
        if (frame.kind == SMALL_BEAT && self->acked_losses >= frame.losses)
            self->judged_losses = frame.losses;
        s_bring_level (self, &frame);
        return true;
    }
    sb_publication_t publication;
    sb_update_t update;
    sb_change_t changes[SMALL_NAMES];
    s_fill (self, &self->publications[frame.publication], &publication, &update, changes);
    char topic[64];
    if (frame.interval_ms) {
        snprintf (topic, sizeof topic, "~conflated.%u.%s", frame.interval_ms, publication.topic.data);
        publication.topic = sb_text (topic);
        publication.conflated_sequence = frame.conflated_sequence;
        if (self->topics[self->publications[frame.publication].topic].category != 2)
            publication.first_topic_sequence = publication.topic_sequence;
    }
    self->brought = &self->publications[frame.publication];
    s_bring (self, &publication);
    self->brought = NULL;
    return true;
}

enum { PAGE_MAX = 1000 };

static void s_bring_history (small_broker_t *self, const small_message_t *message)
{
    static sb_publication_t publications[PAGE_MAX];
    static sb_update_t updates[PAGE_MAX];
    static sb_change_t changes[PAGE_MAX][SMALL_NAMES];
    static const sb_publication_t *page[PAGE_MAX];
    sb_command_reply_t reply = {.command_id = sb_text (message->command_id), .code = message->code};
    uint64_t last = 0;
    bool has_more = false;
    for (uint32_t i = 0; i < self->publication_count && !has_more && reply.code == SB_REASON_NONE; i++) {
        const small_publication_t *from = &self->publications[i];
        if (self->topics[from->topic].category != message->category || from->epoch != message->epoch ||
            from->category_sequence <= message->after || from->category_sequence < message->oldest ||
            from->category_sequence > message->through ||
            strncmp (self->topics[from->topic].name, message->prefix, strlen (message->prefix)) != 0)
            continue;
        has_more = reply.publication_count == message->count;
        if (has_more)
            break;
        s_fill (self, from, &publications[reply.publication_count], &updates[reply.publication_count],
                changes[reply.publication_count]);
        page[reply.publication_count] = &publications[reply.publication_count];
        reply.publication_count++;
        last = from->category_sequence;
    }
    char cursor[24];
    if (has_more) {
        snprintf (cursor, sizeof cursor, "%llu", (unsigned long long)last);
        reply.next_cursor = sb_text (cursor);
    }
    sb_parameter_t columns[] = {{.name = sb_text ("evicted"), .value = {.kind = SB_VALUE_BOOLEAN}},
                                {.name = sb_text ("end"), .value = {.kind = SB_VALUE_BOOLEAN}}};
    columns[0].value.boolean = message->is_evicted;
    columns[1].value.boolean = !has_more;
    sb_record_t record = {columns, 2};
    reply.records = &record;
    reply.record_count = 1;
    reply.publications = page;
    sb_broker_message_t told = {.kind = SB_BROKER_MESSAGE_COMMAND_REPLY, .command_reply = reply};
    sb_fixture_message (&self->f, &told);
    s_perform (self);
}

static void s_heads (small_broker_t *self, const small_message_t *message, sb_heartbeat_ack_t *ack,
                     sb_interest_position_t *heads)
{
    *ack = sb_fixture_level (&self->f);
    ack->epoch = message->epoch;
    ack->heads = heads;
    ack->head_count = self->f.welcome.interest_count;
    for (uint32_t i = 0; i < ack->head_count; i++) {
        char prefix[SB_TOPIC_MAX + 2];
        uint32_t size = sb_interest_prefix (self->merged[i], prefix);
        heads[i] = (sb_interest_position_t){.interest = self->merged[i]};
        for (uint32_t j = 0; j < self->publication_count; j++) {
            const small_publication_t *publication = &self->publications[j];
            if (publication->epoch == message->epoch && publication->sequence <= message->head_sequence &&
                sb_prefix_matches ((sb_text_t){prefix, size}, sb_text (self->topics[publication->topic].name))) {
                heads[i].sequence = publication->sequence;
                heads[i].category_sequence = publication->category_sequence;
                heads[i].agent_sequence = publication->agent_sequence;
            }
        }
    }
}

bool small_broker_bring_message (small_broker_t *self)
{
    if (self->first_message == self->last_message)
        return false;
    small_message_t message = self->messages[self->first_message++ % SMALL_QUEUE_MAX];
    sb_broker_message_t told = {.kind = message.kind};
    sb_interest_position_t heads[64];
    if (message.kind == SB_BROKER_MESSAGE_COMMAND_REPLY) {
        s_bring_history (self, &message);
        return true;
    }
    if (message.kind == SB_BROKER_MESSAGE_WELCOME) {
        told.welcome = self->f.welcome;
        told.welcome.epoch = message.epoch;
    } else if (message.kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK) {
        s_heads (self, &message, &told.heartbeat_ack, heads);
        self->acked_losses = message.losses;
    } else if (message.kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        told.snapshot_end = message.end;
    } else {
        message.topic.fields = message.fields;
        told.snapshot_chunk = (sb_snapshot_chunk_t){message.snapshot_id, message.number, &message.topic, 1};
    }
    sb_fixture_message (&self->f, &told);
    s_perform (self);
    return true;
}

void small_broker_pass (small_broker_t *self, uint32_t ms)
{
    uint64_t from_ns = self->f.now_ns, until_ns = from_ns + ms * SB_MS;
    for (int i = 0; i < 1000 && sb_agent_step_deadline (self->f.step) <= until_ns; i++) {
        uint64_t deadline_ns = sb_agent_step_deadline (self->f.step);
        self->f.now_ns = deadline_ns > self->f.now_ns ? deadline_ns : self->f.now_ns;
        s_event (self, SB_AGENT_EVENT_TICK);
    }
    if (from_ns / (1000 * SB_MS) != until_ns / (1000 * SB_MS))
        small_broker_beat (self);
    self->f.now_ns = until_ns;
    if (self->has_session && self->snapshot_id)
        small_broker_walk (self);
}

/* ------------------------------------------------------------------ what goes wrong */

void small_broker_cut_sub (small_broker_t *self)
{
    if (!self->is_subscribed)
        return;
    self->is_subscribed = false;
    self->losses++;
    if (!self->is_read_by_others)
        memset (self->conflated_heads, 0, sizeof self->conflated_heads);
    for (; self->first_frame != self->last_frame; self->first_frame++) {
        const small_frame_t *frame = &self->frames[self->first_frame % SMALL_QUEUE_MAX];
        small_publication_t *lost = &self->publications[frame->publication];
        if (frame->kind == SMALL_PUBLICATION && frame->interval_ms == small_broker_wanted_ms (self, lost->topic))
            lost->was_lost = true;
    }
    s_event (self, SB_AGENT_EVENT_UNSUBSCRIBED);
}

void small_broker_cut_session (small_broker_t *self)
{
    s_event (self, SB_AGENT_EVENT_LINK_DOWN);
}

void small_broker_restart (small_broker_t *self)
{
    self->epoch++;
    self->sequence += 1000;
    for (uint32_t i = 0; i < SMALL_TOPICS; i++)
        self->topics[i].topic_sequence += self->topics[i].topic_sequence ? 1000 : 0;
    for (uint32_t i = 0; i < SMALL_CATEGORIES; i++)
        self->heads[i] += 1000;
    memset (self->agent_heads, 0, sizeof self->agent_heads);
    memset (self->conflated_heads, 0, sizeof self->conflated_heads);
    small_broker_cut_sub (self);
    small_broker_cut_session (self);
}

void small_broker_subscribe (small_broker_t *self)
{
    self->is_cut = false;
    if (!self->is_subscribed) {
        self->is_subscribed = true;
        s_event (self, SB_AGENT_EVENT_SUBSCRIBED);
    }
}

void small_broker_heal (small_broker_t *self, uint32_t seconds)
{
    self->loss_percent = self->refuse_history_percent = self->break_snapshot_percent = 0;
    small_broker_subscribe (self);
    uint64_t quiet_at_ns = self->f.now_ns + 5000 * SB_MS; /* so that beats judge what was lost last */
    for (uint32_t i = 0; i < seconds * 50; i++) {
        while (small_broker_bring_frame (self) || small_broker_bring_message (self) || small_broker_handle (self))
            continue;
        if (self->f.now_ns >= quiet_at_ns && sb_agent_step_is_current (self->f.step))
            return;
        small_broker_pass (self, 20);
    }
}

/* ------------------------------------------------------------------ what must be */

sb_agent_counts_t small_broker_counts (const small_broker_t *self)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (self->f.step, &counts);
    return counts;
}

static void s_check_topic (small_broker_t *self, const small_topic_t *topic, const char *what, uint64_t *hash)
{
    for (uint32_t j = 0; j < SMALL_NAMES; j++) {
        const small_field_t *field = &topic->fields[j];
        sb_agent_field_t copied;
        bool is_there =
            sb_agent_step_copy_find (self->f.step, sb_text (topic->name), sb_text (small_broker_names[j]), &copied);
        cr_assert_eq (is_there, field->is_there, "%s: copy of %s %s", what, topic->name, small_broker_names[j]);
        if (topic->category != 2)
            cr_assert_eq (topic->seen[j].is_there, field->is_there, "%s: seen of %s %s", what, topic->name,
                          small_broker_names[j]);
        if (!is_there)
            continue;
        cr_assert_eq (copied.value.number, field->number, "%s: copy of %s %s", what, topic->name,
                      small_broker_names[j]);
        cr_assert_eq (copied.sequence, field->sequence, "%s: sequence of %s %s", what, topic->name,
                      small_broker_names[j]);
        cr_assert (copied.is_current);
        if (topic->category != 2)
            cr_assert_eq (topic->seen[j].number, field->number, "%s: seen of %s %s", what, topic->name,
                          small_broker_names[j]);
        *hash += sb_state_hash_field (sb_text (topic->name), sb_text (small_broker_names[j]), &copied.value,
                                      topic->quality, field->sequence);
    }
    if (topic->category != 2 && topic->topic_sequence)
        cr_assert_eq (topic->seen_quality, topic->quality, "%s: quality of %s", what, topic->name);
}

void small_broker_check_copy (small_broker_t *self, const char *what)
{
    if (!sb_agent_step_is_current (self->f.step) || self->judged_losses != self->losses ||
        self->first_frame != self->last_frame)
        return;
    for (uint32_t i = 0; i < SMALL_TOPICS; i++) {
        const small_topic_t *topic = &self->topics[i];
        for (uint32_t j = 0; j < SMALL_NAMES && small_broker_wants (self, i); j++) {
            sb_agent_field_t copied;
            bool is_there =
                sb_agent_step_copy_find (self->f.step, sb_text (topic->name), sb_text (small_broker_names[j]), &copied);
            cr_assert_eq (is_there, topic->fields[j].is_there, "%s: current, but not %s %s", what, topic->name,
                          small_broker_names[j]);
            if (is_there)
                cr_assert_eq (copied.sequence, topic->fields[j].sequence, "%s: current, but not %s %s", what,
                              topic->name, small_broker_names[j]);
        }
    }
    self->current_checks++;
}

void small_broker_check (small_broker_t *self, const char *what)
{
    uint64_t hash = 0;
    cr_assert (sb_agent_step_is_current (self->f.step), "%s: never current", what);
    for (uint32_t i = 0; i < SMALL_TOPICS; i++) {
        if (small_broker_wants (self, i))
            s_check_topic (self, &self->topics[i], what, &hash);
    }
    cr_assert_eq (sb_agent_step_copy_hash (self->f.step, sb_text ("")), hash, "%s: hash", what);
    sb_agent_counts_t counts = small_broker_counts (self);
    cr_assert_eq (counts.dropped, counts.recovered + counts.resynchronized,
                  "%s: %llu lost, %llu recovered, %llu resynchronized", what, (unsigned long long)counts.dropped,
                  (unsigned long long)counts.recovered, (unsigned long long)counts.resynchronized);
    cr_assert_eq (counts.gaps, self->gap_count, "%s", what);
    if (!self->forgives_counts)
        cr_assert_eq (counts.dropped, self->lost_told, "%s: each loss is told once", what);
    uint64_t fetched = 0;
    for (uint32_t i = 0; i < self->publication_count; i++)
        fetched += self->publications[i].told && self->publications[i].delivered;
    if (!self->forgives_counts)
        cr_assert_eq (counts.recovered, fetched, "%s: %llu recovered, %llu fetched", what,
                      (unsigned long long)counts.recovered, (unsigned long long)fetched);
    cr_assert_eq (self->recovered_recovered, counts.recovered, "%s: what on_recovered told", what);
    cr_assert_eq (self->recovered_lost, counts.dropped, "%s: what on_recovered told", what);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See agent_fixture.h.
 */
#include "agent_fixture.h"

#include <assert.h>
#include <math.h>
#include <string.h>

sb_fixture_t sb_fixture_make (void)
{
    sb_fixture_t self = {.now_ns = 1000 * SB_MS, .conflation = "m.*"};
    self.config = (sb_agent_step_config_t){
        .agent_id = sb_text ("a"),
        .instance_id = 7,
        .seed = 1,
        .ingress_endpoint = sb_text ("tcp://127.0.0.1:5570"),
        .publish_endpoint = sb_text (""),
        .heartbeat_interval_ms = 1000,
        .queue_publications = 4,
        .has_copy = true,
        .copy_fields = 1000,
        .copy_bytes = 1 << 20,
        .buffer_bytes = 1 << 20,
        .max_fields = 100,
        .has_update_handler = true,
        .has_command_handler = true,
    };
    self.welcome = (sb_welcome_t){
        .session_id = 1,
        .stream_id = 5,
        .epoch = 1,
        .state_known = true,
        .publish_endpoint = sb_text ("tcp://*:5571"),
        .heartbeat_interval_ms = 1000,
        .limits = {256 * 1024, 8, 1024, 4096},
        .control_timeout_ms = 10000,
    };
    return self;
}

void sb_fixture_start (sb_fixture_t *self)
{
    self->step = sb_agent_step_new (&self->config);
    assert (self->step);
    sb_fixture_event (self, SB_AGENT_EVENT_START);
}

void sb_fixture_end (sb_fixture_t *self)
{
    sb_agent_step_destroy (&self->step);
}

static void s_step (sb_fixture_t *self, sb_agent_event_t *event, sb_agent_effects_t *effects)
{
    event->monotonic_ns = self->now_ns;
    event->unix_ns = (int64_t)self->now_ns + INT64_C (1700000000000000000);
    sb_agent_step (self->step, event, effects);
}

void sb_fixture_event (sb_fixture_t *self, sb_agent_event_kind_t kind)
{
    sb_agent_event_t event = {.kind = kind};
    s_step (self, &event, &self->effects);
}

void sb_fixture_message (sb_fixture_t *self, const sb_broker_message_t *message)
{
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_MESSAGE, .message = message};
    s_step (self, &event, &self->effects);
}

void sb_fixture_join (sb_fixture_t *self)
{
    for (int i = 0; i < 3 && !sb_fixture_effect (self, SB_AGENT_EFFECT_CONNECT, 0); i++)
        sb_fixture_tick_at (self, sb_agent_step_deadline (self->step));
    assert (sb_fixture_effect (self, SB_AGENT_EFFECT_CONNECT, 0));
    sb_fixture_event (self, SB_AGENT_EVENT_LINK_UP);
    assert (sb_fixture_sent (self, SB_AGENT_MESSAGE_REGISTRATION, 0));
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME, .welcome = self->welcome};
    sb_fixture_message (self, &message);
    if (self->config.interest_count == 0)
        return;
    if (!self->is_subscribed)
        sb_fixture_event (self, SB_AGENT_EVENT_SUBSCRIBED);
    self->is_subscribed = true;
    sb_fixture_answer_join (self);
    sb_fixture_answer_snapshot (self);
    for (int i = 0; i < 10 && !sb_agent_step_is_current (self->step); i++)
        sb_fixture_event (self, SB_AGENT_EVENT_WAKE);
}

/* Heads as a level on `topic`. */
static void s_heads (sb_fixture_t *self, sb_text_t topic)
{
    char names[256][8];
    sb_change_t changes[259];
    uint32_t count = 0;
    changes[count++] = sb_integer ("sequence", (int64_t)self->head);
    for (uint32_t i = 1; i < 256; i++) {
        if (self->heads[i] == 0)
            continue;
        memcpy (names[i], "head. ", 7);
        names[i][5] = (char)i;
        changes[count++] = sb_integer (names[i], (int64_t)self->heads[i]);
    }
    if (self->conflated_head)
        changes[count++] = sb_integer ("conflated.250.m", (int64_t)self->conflated_head);
    if (self->conflation && topic.data[0] == '~')
        changes[count++] = sb_string ("conflation.250", self->conflation);
    sb_update_t update = {.changes = changes, .change_count = count};
    sb_publication_t publication = {.topic = topic,
                                    .stream_id = self->welcome.stream_id,
                                    .epoch = self->welcome.epoch,
                                    .updates = &update,
                                    .update_count = 1};
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = &publication};
    s_step (self, &event, &self->effects);
}

bool sb_fixture_answer_join (sb_fixture_t *self)
{
    const sb_agent_effect_t *effect = sb_fixture_effect (self, SB_AGENT_EFFECT_JOIN, 0);
    if (!effect)
        return false;
    char topic[64];
    memcpy (topic, effect->join_prefix.data, effect->join_prefix.size);
    s_heads (self, (sb_text_t){topic, effect->join_prefix.size});
    return true;
}

void sb_fixture_beat (sb_fixture_t *self)
{
    s_heads (self, sb_text ("_beat.."));
}

bool sb_fixture_answer_snapshot (sb_fixture_t *self)
{
    const sb_agent_message_t *request = sb_fixture_sent (self, SB_AGENT_MESSAGE_SNAPSHOT_REQUEST, 0);
    if (!request)
        return false;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_SNAPSHOT_END};
    message.snapshot_end = (sb_snapshot_end_t){.snapshot_id = request->snapshot_request.snapshot_id,
                                               .sequence = self->head,
                                               .stream_id = self->welcome.stream_id,
                                               .epoch = self->welcome.epoch};
    sb_fixture_message (self, &message);
    return true;
}

void sb_fixture_open (sb_fixture_t *self)
{
    sb_fixture_start (self);
    sb_fixture_join (self);
}

void sb_fixture_tick_at (sb_fixture_t *self, uint64_t now_ns)
{
    assert (now_ns >= self->now_ns);
    self->now_ns = now_ns;
    sb_fixture_event (self, SB_AGENT_EVENT_TICK);
}

void sb_fixture_at (sb_fixture_t *self, uint64_t now_ns)
{
    assert (now_ns >= self->now_ns);
    self->now_ns = now_ns;
    self->effects = (sb_agent_effects_t){0};
    if (sb_agent_step_deadline (self->step) <= now_ns)
        sb_fixture_event (self, SB_AGENT_EVENT_TICK);
}

sb_reason_t sb_fixture_update (sb_fixture_t *self, const char *category, const char *name, double number)
{
    sb_change_t change = sb_number (name, number);
    sb_delta_t delta = {.category = sb_text (category), .subject = sb_text ("")};
    delta.update.changes = &change;
    delta.update.change_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE};
    event.update.deltas = &delta;
    event.update.delta_count = 1;
    sb_agent_effects_t answer;
    s_step (self, &event, &answer);
    self->sequence = answer.sequence;
    return answer.reason;
}

sb_reason_t sb_fixture_send (sb_fixture_t *self, const char *category, const char *name, double number)
{
    sb_reason_t reason = sb_fixture_update (self, category, name, number);
    sb_fixture_event (self, SB_AGENT_EVENT_WAKE);
    return reason;
}

void sb_fixture_ack (sb_fixture_t *self, uint64_t decided_through)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_ACK, .ack = {.decided_through = decided_through}};
    sb_fixture_message (self, &message);
}

void sb_fixture_refuse (sb_fixture_t *self, uint64_t sequence, sb_reason_t reason, uint32_t retry_after_ms)
{
    sb_refusal_t refusal = {.reason = reason, .sequence = sequence, .retry_after_ms = retry_after_ms};
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_ACK};
    message.ack = (sb_ack_t){.decided_through = sequence, .refused = &refusal, .refused_count = 1};
    sb_fixture_message (self, &message);
}

void sb_fixture_refusal (sb_fixture_t *self, sb_reason_t reason, uint64_t expected_sequence)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_REFUSAL};
    message.refusal = (sb_refusal_t){.reason = reason, .expected_sequence = expected_sequence};
    sb_fixture_message (self, &message);
}

sb_heartbeat_ack_t sb_fixture_level (const sb_fixture_t *self)
{
    return (sb_heartbeat_ack_t){
        .state_known = true, .stream_id = self->welcome.stream_id, .epoch = self->welcome.epoch};
}

void sb_fixture_heartbeat_ack (sb_fixture_t *self, const sb_heartbeat_ack_t *ack)
{
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK, .heartbeat_ack = *ack};
    sb_fixture_message (self, &message);
}

void sb_fixture_publish (sb_fixture_t *self, uint64_t epoch, const char *topic, uint64_t sequence,
                         uint64_t topic_sequence)
{
    sb_change_t change = sb_number ("x", (double)sequence);
    sb_update_t update = {.sequence = 1, .changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = sb_text (topic), .stream_id = 5, .epoch = epoch, .sequence = sequence};
    if (sequence) {
        publication.category_sequence = ++self->heads[(uint8_t)topic[0]];
        publication.agent_sequence = ++self->agent_heads[(uint8_t)topic[2]];
        self->head = sequence > self->head ? sequence : self->head;
    }
    publication.topic_sequence = topic_sequence;
    publication.updates = &update;
    publication.update_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_PUBLICATION, .publication = &publication};
    s_step (self, &event, &self->effects);
}

const sb_agent_effect_t *sb_fixture_effect (const sb_fixture_t *self, sb_agent_effect_kind_t kind, uint32_t n)
{
    for (uint32_t i = 0; i < self->effects.count; i++) {
        if (self->effects.items[i].kind == kind && n-- == 0)
            return &self->effects.items[i];
    }
    return NULL;
}

const sb_agent_message_t *sb_fixture_sent (const sb_fixture_t *self, sb_agent_message_kind_t kind, uint32_t n)
{
    for (uint32_t i = 0; i < self->effects.count; i++) {
        const sb_agent_effect_t *effect = &self->effects.items[i];
        if (effect->kind == SB_AGENT_EFFECT_SEND && effect->send->kind == kind && n-- == 0)
            return effect->send;
    }
    return NULL;
}

const sb_batch_t *sb_fixture_batch (const sb_fixture_t *self, uint32_t n)
{
    const sb_agent_message_t *message = sb_fixture_sent (self, SB_AGENT_MESSAGE_BATCH, n);
    return message ? &message->batch : NULL;
}

uint32_t sb_fixture_chunk_fields (const sb_fixture_t *self, uint32_t n)
{
    const sb_agent_message_t *message = sb_fixture_sent (self, SB_AGENT_MESSAGE_REPLACE_CHUNK, n);
    uint32_t count = 0;
    for (uint32_t i = 0; message && i < message->replace_chunk.topic_count; i++)
        count += message->replace_chunk.topics[i].update.change_count;
    return count;
}

sb_agent_counts_t sb_fixture_counts (const sb_fixture_t *self)
{
    sb_agent_counts_t counts;
    sb_agent_step_counts (self->step, &counts);
    return counts;
}

sb_agent_status_t sb_fixture_status (const sb_fixture_t *self)
{
    sb_reason_t reason;
    return sb_agent_step_status (self->step, &reason);
}

sb_reason_t sb_fixture_status_reason (const sb_fixture_t *self)
{
    sb_reason_t reason;
    sb_agent_step_status (self->step, &reason);
    return reason;
}

typedef struct {
    const char *category;
    const char *name;
    double number;
} sb_search_t;

static void s_look (void *context, sb_text_t category, sb_text_t subject, sb_text_t name, const sb_value_t *value)
{
    sb_search_t *search = context;
    (void)subject;
    if (sb_text_equal (category, sb_text (search->category)) && sb_text_equal (name, sb_text (search->name)))
        search->number = value->number;
}

double sb_fixture_own (const sb_fixture_t *self, const char *category, const char *name)
{
    sb_search_t search = {category, name, NAN};
    sb_agent_step_visit_state (self->step, s_look, &search);
    return search.number;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * A core in a test: events with set time in, effects out as lines of text and as structs.
 *
 * harness_start makes a core at monotonic second 1000 with small tables; every step appends its effects to `trace`, one
 * line each, so that a test can ask what happened over many steps; `effects` holds those of the last step alone.
 * harness_advance lets time pass as a shell does: it ticks at each deadline of the core. harness_stop checks that
 * every octet went back. Allocation can be cut off by `allowance`.
 */
#ifndef CORE_HARNESS_H
#define CORE_HARNESS_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "sb_core.h"
#include "sb_names.h"
#include "sb_reasons.h"

#define HARNESS_MS       UINT64_C (1000000)
#define HARNESS_EPOCH_NS INT64_C (1700000000000000000)

typedef struct {
    sb_core_t *core;
    sb_core_config_t config; /* changed before harness_start, if at all */
    uint64_t now_ns;         /* of the next event */
    sb_effects_t effects;    /* of the last step */
    char *trace;             /* lines since harness_forget, NUL-terminated */
    size_t trace_size;
    size_t trace_capacity;
    size_t allocated; /* octets taken now */
    size_t allowance; /* octets that may be taken in all */
    bool is_quiet;    /* keep no trace */
} harness_t;

static inline void *harness_allocate (void *context, size_t size)
{
    harness_t *self = context;
    if (self->allocated + size > self->allowance)
        return NULL;
    void *memory = aligned_alloc (16, (size + 15) & ~(size_t)15);
    cr_assert_not_null (memory);
    memset (memory, 0xa5, size); /* the core must not rely on zeroed memory */
    self->allocated += size;
    return memory;
}

static inline void harness_release (void *context, void *memory, size_t size)
{
    harness_t *self = context;
    self->allocated -= size;
    free (memory);
}

/* Defaults, with tables that fit a test. */
static inline void harness_init (harness_t *self)
{
    memset (self, 0, sizeof *self);
    sb_core_config_default (&self->config);
    self->config.max_agents = 100;
    self->config.max_fields = 20000;
    self->config.max_topics = 5000;
    self->config.publish_endpoint = sb_text ("tcp://*:5571");
    self->config.version = sb_text ("test");
    self->now_ns = UINT64_C (1000000) * HARNESS_MS;
    self->allowance = SIZE_MAX / 2;
}

/* Makes the core from self->config. */
static inline void harness_start_configured (harness_t *self)
{
    sb_allocator_t allocator = {harness_allocate, harness_release, self};
    sb_core_identity_t identity = {.stream_id = 77, .epoch = 3, .hash_seed = 12345, .session_seed = 500};
    self->core = sb_core_new (&self->config, &identity, &allocator, self->now_ns, HARNESS_EPOCH_NS);
    cr_assert_not_null (self->core);
}

static inline void harness_start (harness_t *self)
{
    harness_init (self);
    harness_start_configured (self);
}

static inline void harness_stop (harness_t *self)
{
    sb_core_destroy (&self->core);
    cr_assert_eq (self->allocated, 0, "octets not given back: %zu", self->allocated);
    free (self->trace);
    self->trace = NULL;
}

/* ---- trace */

static inline void harness_forget (harness_t *self)
{
    self->trace_size = 0;
    if (self->trace)
        self->trace[0] = '\0';
}

static inline void harness_print (harness_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
static inline void harness_print (harness_t *self, const char *format, ...)
{
    char line[8192];
    va_list arguments;
    va_start (arguments, format);
    int size = vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    if ((size_t)size >= sizeof line)
        size = (int)sizeof line - 1;
    if (self->trace_size + (size_t)size + 1 > self->trace_capacity) {
        self->trace_capacity = 2 * (self->trace_size + (size_t)size + 1) + 4096;
        self->trace = realloc (self->trace, self->trace_capacity);
    }
    memcpy (self->trace + self->trace_size, line, (size_t)size + 1);
    self->trace_size += (size_t)size;
}

static inline void harness_print_value (harness_t *self, const sb_value_t *value)
{
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        harness_print (self, "%g", value->number);
        break;
    case SB_VALUE_INTEGER:
        harness_print (self, "%" PRId64, value->integer);
        break;
    case SB_VALUE_DECIMAL:
        harness_print (self, "%" PRId64 "e%d", value->decimal.unscaled, value->decimal.exponent);
        break;
    case SB_VALUE_BOOLEAN:
        harness_print (self, "%s", value->boolean ? "true" : "false");
        break;
    case SB_VALUE_TEXT:
        harness_print (self, "'%.*s'", (int)value->text.size, value->text.data);
        break;
    case SB_VALUE_BYTES:
        harness_print (self, "<%u>", value->bytes.size);
        break;
    case SB_VALUE_NONE:
        harness_print (self, "?");
        break;
    }
}

/* PUBLISH topic #sequence/category/topic (conflated: first-last) QUALITY CAUSE {agent sequence: name=value -name} */
static inline void harness_print_publication (harness_t *self, const sb_publication_t *publication)
{
    harness_print (self, "PUBLISH %.*s #%" PRIu64 "/%" PRIu64 "/", (int)publication->topic.size,
                   publication->topic.data, publication->sequence, publication->category_sequence);
    if (publication->first_topic_sequence)
        harness_print (self, "%" PRIu64 "-", publication->first_topic_sequence);
    harness_print (self, "%" PRIu64 " %s %s", publication->topic_sequence, sb_quality_name (publication->quality),
                   sb_cause_name (publication->cause));
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        harness_print (self, " {%" PRIu64 ":", update->sequence);
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            harness_print (self, " %s%.*s", change->is_delete ? "-" : "", (int)change->name.size, change->name.data);
            if (change->is_delete)
                continue;
            harness_print (self, "=");
            harness_print_value (self, &change->value);
        }
        harness_print (self, "}");
    }
    harness_print (self, "\n");
}

static inline void harness_print_refusals (harness_t *self, const sb_refusal_t *refused, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        harness_print (self, " %" PRIu64 "=%s", refused[i].sequence, sb_reason_info (refused[i].reason)->name);
        if (refused[i].field.size)
            harness_print (self, "(%.*s)", (int)refused[i].field.size, refused[i].field.data);
        if (refused[i].retry_after_ms)
            harness_print (self, "+%ums", refused[i].retry_after_ms);
    }
}

static inline void harness_print_send (harness_t *self, uint64_t peer, const sb_broker_message_t *message)
{
    harness_print (self, "SEND %" PRIu64 " ", peer);
    switch (message->kind) {
    case SB_BROKER_MESSAGE_WELCOME:
        harness_print (self, "WELCOME session=%" PRIu64 " decided=%" PRIu64 " known=%d interval=%u interests=",
                       message->welcome.session_id, message->welcome.decided_through, message->welcome.state_known,
                       message->welcome.heartbeat_interval_ms);
        for (uint32_t i = 0; i < message->welcome.interest_count; i++)
            harness_print (self, "%s%.*s", i ? "," : "", (int)message->welcome.interests[i].size,
                           message->welcome.interests[i].data);
        for (uint32_t i = 0; i < message->welcome.time_to_live_count; i++)
            harness_print (self, " %.*s=%ums", (int)message->welcome.times_to_live[i].category.size,
                           message->welcome.times_to_live[i].category.data,
                           message->welcome.times_to_live[i].time_to_live_ms);
        harness_print_refusals (self, message->welcome.refused, message->welcome.refused_count);
        break;
    case SB_BROKER_MESSAGE_REFUSAL:
        harness_print (self, "REFUSAL");
        harness_print_refusals (self, &message->refusal, 1);
        if (message->refusal.reason == SB_REASON_MALFORMED)
            harness_print (self, " \"%.*s\"", (int)message->refusal.text.size, message->refusal.text.data);
        if (message->refusal.expected_sequence)
            harness_print (self, " expected=%" PRIu64, message->refusal.expected_sequence);
        break;
    case SB_BROKER_MESSAGE_ACK:
        harness_print (self, "ACK decided=%" PRIu64, message->ack.decided_through);
        harness_print_refusals (self, message->ack.refused, message->ack.refused_count);
        break;
    case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
        harness_print (self, "HEARTBEAT_ACK decided=%" PRIu64 " known=%d paused=%d stopped=%d breaker=%s",
                       message->heartbeat_ack.decided_through, message->heartbeat_ack.state_known,
                       message->heartbeat_ack.operator_state.paused, message->heartbeat_ack.latch.stopped,
                       sb_breaker_state_name (message->heartbeat_ack.breaker.state));
        for (uint32_t i = 0; i < message->heartbeat_ack.head_count; i++)
            harness_print (self, " %.*s@%" PRIu64 "/%" PRIu64, (int)message->heartbeat_ack.heads[i].interest.size,
                           message->heartbeat_ack.heads[i].interest.data, message->heartbeat_ack.heads[i].sequence,
                           message->heartbeat_ack.heads[i].category_sequence);
        harness_print_refusals (self, message->heartbeat_ack.refused, message->heartbeat_ack.refused_count);
        break;
    case SB_BROKER_MESSAGE_COMMAND:
        harness_print (self, "COMMAND %.*s %.*s", (int)message->command.command_id.size,
                       message->command.command_id.data, (int)message->command.command.size,
                       message->command.command.data);
        break;
    case SB_BROKER_MESSAGE_COMMAND_REPLY:
        harness_print (self, "COMMAND_REPLY %s", sb_reason_info (message->command_reply.code)->name);
        break;
    case SB_BROKER_MESSAGE_GOODBYE:
        harness_print (self, "GOODBYE %s", sb_reason_info (message->goodbye.reason)->name);
        break;
    case SB_BROKER_MESSAGE_SNAPSHOT_CHUNK:
        harness_print (self, "SNAPSHOT_CHUNK %u topics=%u", message->snapshot_chunk.number,
                       message->snapshot_chunk.topic_count);
        for (uint32_t i = 0; i < message->snapshot_chunk.topic_count && i < 8; i++) {
            const sb_snapshot_topic_t *topic = &message->snapshot_chunk.topics[i];
            harness_print (self, " %.*s#%" PRIu64 "/%" PRIu64 "(%u)", (int)topic->topic.size, topic->topic.data,
                           topic->sequence, topic->topic_sequence, topic->field_count);
        }
        break;
    case SB_BROKER_MESSAGE_SNAPSHOT_END:
        harness_print (self, "SNAPSHOT_END %s id=%" PRIu64 " chunks=%u fields=%" PRIu64 " sequence=%" PRIu64,
                       sb_reason_info (message->snapshot_end.code)->name, message->snapshot_end.snapshot_id,
                       message->snapshot_end.chunk_count, message->snapshot_end.field_count,
                       message->snapshot_end.sequence);
        break;
    }
    harness_print (self, "\n");
}

static inline void harness_print_effect (harness_t *self, const sb_effect_t *effect)
{
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        harness_print (self, "STORE stopped=%d epoch=%" PRIu64 " operators=%u\n", effect->store->stopped,
                       effect->store->latch_epoch, effect->store->operator_count);
        break;
    case SB_EFFECT_SEND:
        harness_print_send (self, effect->send.peer, effect->send.message);
        break;
    case SB_EFFECT_PUBLISH:
        harness_print_publication (self, effect->publish);
        break;
    case SB_EFFECT_REPLY:
        harness_print (self, "REPLY %" PRIu64 " %s %.*s\n", effect->reply.token,
                       sb_reason_info (effect->reply.reply->code)->name, (int)effect->reply.reply->message.size,
                       effect->reply.reply->message.data);
        break;
    case SB_EFFECT_AUDIT:
        harness_print (self, "AUDIT %.*s %s\n", (int)effect->audit->command.size, effect->audit->command.data,
                       sb_reason_info (effect->audit->code)->name);
        break;
    case SB_EFFECT_LOG:
        harness_print (self, "LOG %.*s %.*s %s\n", (int)effect->log->event.size, effect->log->event.data,
                       (int)effect->log->agent_id.size, effect->log->agent_id.data,
                       sb_reason_info (effect->log->reason)->name);
        break;
    }
}

/* True when a line of the trace contains `part`. */
static inline bool harness_saw (const harness_t *self, const char *part)
{
    return self->trace && strstr (self->trace, part) != NULL;
}

/* How often it does. */
static inline unsigned harness_times (const harness_t *self, const char *part)
{
    unsigned times = 0;
    for (const char *at = self->trace; at && (at = strstr (at, part)) != NULL; at += strlen (part))
        times++;
    return times;
}

#define harness_expect(self, part)     cr_assert (harness_saw (self, part), "no \"%s\" in:\n%s", part, (self)->trace)
#define harness_expect_not(self, part) cr_assert (!harness_saw (self, part), "\"%s\" in:\n%s", part, (self)->trace)
#define harness_expect_times(self, part, count)                                                                        \
    cr_assert_eq (harness_times (self, part), (count), "%u times \"%s\" in:\n%s", harness_times (self, part), part,    \
                  (self)->trace)

/* ---- events */

/* Steps an event at now_ns. */
static inline void harness_step (harness_t *self, sb_event_t event)
{
    event.monotonic_ns = self->now_ns;
    event.unix_ns = HARNESS_EPOCH_NS + (int64_t)self->now_ns;
    sb_core_step (self->core, &event, &self->effects);
    for (uint32_t i = 0; i < self->effects.count && !self->is_quiet; i++)
        harness_print_effect (self, &self->effects.items[i]);
}

static inline void harness_message (harness_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 100;
    harness_step (self, event);
}

static inline void harness_flush (harness_t *self)
{
    harness_step (self, (sb_event_t){.kind = SB_EVENT_FLUSH});
}

static inline void harness_tick (harness_t *self)
{
    harness_step (self, (sb_event_t){.kind = SB_EVENT_TICK});
}

/* Does the work that is left over, without letting time pass. */
static inline void harness_settle (harness_t *self)
{
    for (unsigned i = 0; i < 100000 && sb_core_deadline (self->core) <= self->now_ns; i++)
        harness_tick (self);
    harness_flush (self);
}

/* Lets time pass, ticking at every deadline. */
static inline void harness_advance (harness_t *self, uint64_t duration_ms)
{
    uint64_t end_ns = self->now_ns + duration_ms * HARNESS_MS;
    for (;;) {
        uint64_t deadline_ns = sb_core_deadline (self->core);
        if (deadline_ns > end_ns)
            break;
        if (deadline_ns > self->now_ns)
            self->now_ns = deadline_ns;
        harness_tick (self);
    }
    self->now_ns = end_ns;
    harness_flush (self);
}

static inline sb_registration_t harness_registration (const char *agent_id, uint64_t instance_id)
{
    return (sb_registration_t){
        .protocol = SB_PROTOCOL, .agent_id = sb_text (agent_id), .instance_id = instance_id, .next_sequence = 1};
}

static inline void harness_send_registration (harness_t *self, uint64_t peer, const sb_registration_t *registration)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION, .registration = *registration};
    harness_message (self, peer, &message);
}

static inline void harness_register (harness_t *self, uint64_t peer, const char *agent_id, uint64_t instance_id)
{
    sb_registration_t registration = harness_registration (agent_id, instance_id);
    harness_send_registration (self, peer, &registration);
}

static inline sb_change_t harness_number (const char *name, double number)
{
    sb_change_t change = {.name = sb_text (name)};
    change.value.kind = SB_VALUE_NUMBER;
    change.value.number = number;
    return change;
}

static inline sb_change_t harness_text (const char *name, const char *text)
{
    sb_change_t change = {.name = sb_text (name)};
    change.value.kind = SB_VALUE_TEXT;
    change.value.text = sb_text (text);
    return change;
}

static inline sb_change_t harness_delete (const char *name)
{
    return (sb_change_t){.name = sb_text (name), .is_delete = true};
}

static inline sb_delta_t harness_delta_of (uint64_t sequence, const char *category, const char *subject,
                                           const sb_change_t *changes, uint32_t count)
{
    sb_delta_t delta = {.category = sb_text (category), .subject = sb_text (subject)};
    delta.update.sequence = sequence;
    delta.update.changes = changes;
    delta.update.change_count = count;
    return delta;
}

static inline void harness_batch (harness_t *self, uint64_t peer, const sb_delta_t *deltas, uint32_t count)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH};
    message.batch.deltas = deltas;
    message.batch.delta_count = count;
    harness_message (self, peer, &message);
}

/* One delta of several changes. */
static inline void harness_changes (harness_t *self, uint64_t peer, uint64_t sequence, const char *category,
                                    const char *subject, const sb_change_t *changes, uint32_t count)
{
    sb_delta_t delta = harness_delta_of (sequence, category, subject, changes, count);
    harness_batch (self, peer, &delta, 1);
}

/* One delta of one number. */
static inline void harness_delta (harness_t *self, uint64_t peer, uint64_t sequence, const char *category,
                                  const char *subject, const char *name, double number)
{
    sb_change_t change = harness_number (name, number);
    harness_changes (self, peer, sequence, category, subject, &change, 1);
}

static inline void harness_send_beat (harness_t *self, uint64_t peer, const sb_heartbeat_t *beat)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT, .heartbeat = *beat};
    harness_message (self, peer, &message);
}

static inline void harness_beat (harness_t *self, uint64_t peer)
{
    sb_heartbeat_t beat = {.progress = 1};
    harness_send_beat (self, peer, &beat);
}

static inline void harness_goodbye (harness_t *self, uint64_t peer)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_GOODBYE};
    harness_message (self, peer, &message);
}

static inline void harness_peer_lost (harness_t *self, uint64_t peer)
{
    sb_event_t event = {.kind = SB_EVENT_PEER_LOST};
    event.peer_lost.peer = peer;
    harness_step (self, event);
}

static inline void harness_replace_begin (harness_t *self, uint64_t peer, uint64_t sequence)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_BEGIN, .replace_begin = {.sequence = sequence}};
    harness_message (self, peer, &message);
}

static inline void harness_replace_chunk (harness_t *self, uint64_t peer, uint64_t sequence, const sb_delta_t *topics,
                                          uint32_t count)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_CHUNK,
                                  .replace_chunk = {.sequence = sequence, .topics = topics, .topic_count = count}};
    harness_message (self, peer, &message);
}

static inline void harness_replace_end (harness_t *self, uint64_t peer, uint64_t sequence, uint32_t chunks)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REPLACE_END,
                                  .replace_end = {.sequence = sequence, .chunk_count = chunks}};
    harness_message (self, peer, &message);
}

/* A command over the command endpoint; its reply has that token. */
static inline void harness_command (harness_t *self, uint64_t token, const char *command, const char *agent_id,
                                    const sb_parameter_t *parameters, uint32_t count)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "command-%" PRIu64, token);
    sb_command_request_t request = {.command_id = sb_text (command_id),
                                    .command = sb_text (command),
                                    .agent_id = sb_text (agent_id),
                                    .parameters = parameters,
                                    .parameter_count = count,
                                    .reason = sb_text ("a test"),
                                    .issuer = sb_text ("tester"),
                                    .issued_unix_ns = HARNESS_EPOCH_NS + (int64_t)self->now_ns,
                                    .timeout_ms = 5000,
                                    .protocol = SB_PROTOCOL};
    sb_event_t event = {.kind = SB_EVENT_COMMAND};
    event.command.token = token;
    event.command.request = &request;
    harness_step (self, event);
}

static inline void harness_stored (harness_t *self, bool durable)
{
    sb_event_t event = {.kind = SB_EVENT_STORED};
    event.stored.durable = durable;
    harness_step (self, event);
}

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Sessions: who speaks on which connection.
 *
 * A session binds a connection to an agent's record; it is made by Registration alone and found by the connection. An
 * unknown connection creates nothing. One instance of an agent holds the session at a time: a newer instance
 * displaces the older for good, the same instance takes its own session over on a new connection. Everything an agent
 * sends is dispatched here, after its liveness was told. O(1) but for the registration's own lists.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

enum { LABEL_NAME_MAX = 64, LABEL_VALUE_MAX = 128, INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 60000 };

void sb_core_end_session (sb_core_t *self, sb_agent_record_t *agent, sb_reason_t reason)
{
    if (!agent->peer)
        return;
    if (reason != SB_REASON_NONE) {
        sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_GOODBYE};
        message.goodbye = (sb_goodbye_t){reason, sb_text (sb_reason_info (reason)->text)};
        sb_core_emit_send (self, agent->peer, &message);
    }
    sb_registry_unbind_peer (self, agent);
    sb_decide_drop_notes (self, agent);
    sb_snapshot_drop (self, agent);
    if (agent->stage.state == SB_STAGE_OPEN)
        sb_replace_drop (self, agent);
}

bool sb_core_state_known (const sb_core_t *self, const sb_agent_record_t *agent)
{
    sb_cause_t cause;
    return !agent->needs_replacement && agent->stale_topics == 0 && !agent->walk_topic &&
           !sb_replace_is_applying (agent) && sb_control_quality (self, agent, &cause) == SB_QUALITY_OK;
}

/* ---- registration */

static bool s_labels_are_valid (const sb_registration_t *registration)
{
    if (registration->label_count > SB_LABELS_MAX)
        return false;
    for (uint32_t i = 0; i < registration->label_count; i++) {
        const sb_label_t *label = &registration->labels[i];
        if (label->name.size == 0 || label->name.size > LABEL_NAME_MAX || label->value.size > LABEL_VALUE_MAX ||
            !sb_text_is_utf8 (label->name) || !sb_text_is_utf8 (label->value))
            return false;
    }
    return true;
}

static bool s_publishes_are_valid (const sb_registration_t *registration)
{
    if (registration->publish_count > SB_PUBLISHES_MAX)
        return false;
    for (uint32_t i = 0; i < registration->publish_count; i++)
        if (!sb_name_is_category (registration->publishes[i]))
            return false;
    return true;
}

static bool s_is_number (uint64_t number)
{
    return number >= 1 && number <= SB_NUMBER_MAX;
}

/* What is wrong with the registration itself. */
static sb_reason_t s_check_registration (const sb_registration_t *registration)
{
    uint32_t interval = registration->heartbeat_interval_ms;
    if (registration->protocol != SB_PROTOCOL)
        return SB_REASON_PROTOCOL_VERSION;
    if (!sb_name_is_agent_id (registration->agent_id))
        return SB_REASON_BAD_AGENT_ID;
    if (!s_is_number (registration->instance_id) || !s_is_number (registration->next_sequence))
        return SB_REASON_BAD_INSTANCE_ID;
    if (interval != 0 && (interval < INTERVAL_MIN_MS || interval > INTERVAL_MAX_MS))
        return SB_REASON_BAD_HEARTBEAT_INTERVAL;
    if (!s_labels_are_valid (registration))
        return SB_REASON_BAD_LABEL;
    return s_publishes_are_valid (registration) ? SB_REASON_NONE : SB_REASON_BAD_CATEGORY;
}

static bool s_is_past (const sb_agent_record_t *agent, uint64_t instance_id)
{
    for (uint32_t i = 0; i < SB_INSTANCES_REMEMBERED; i++)
        if (agent->past_instances[i] == instance_id)
            return true;
    return false;
}

/* The session is now another instance's: the one before is remembered, to be refused. */
static void s_take_new_instance (sb_core_t *self, sb_agent_record_t *agent, uint64_t peer,
                                 const sb_registration_t *registration)
{
    if (agent->instance_id) {
        memmove (agent->past_instances + 1, agent->past_instances,
                 (SB_INSTANCES_REMEMBERED - 1) * sizeof *agent->past_instances);
        agent->past_instances[0] = agent->instance_id;
    }
    if (agent->peer) {
        sb_core_counter_add (self, SB_COUNTER_displacements, 1);
        sb_events_duplicate_id (self, agent, registration->instance_id, agent->instance_id, SB_REASON_DISPLACED);
        sb_core_end_session (self, agent, agent->peer == peer ? SB_REASON_NONE : SB_REASON_DISPLACED);
        sb_control_session_lost (self, agent);
    }
    agent->refused_count = 0;
    agent->instance_id = registration->instance_id;
    agent->decided_through = registration->next_sequence - 1;
    agent->in_gap = false;
    agent->needs_replacement = true;
}

static void s_emit_welcome (sb_core_t *self, sb_agent_record_t *agent)
{
    const sb_core_config_t *config = &self->config;
    sb_broker_message_t message = {.kind = SB_BROKER_MESSAGE_WELCOME};
    sb_welcome_t *welcome = &message.welcome;
    welcome->session_id = agent->session_id;
    welcome->stream_id = self->identity.stream_id;
    welcome->epoch = self->identity.epoch;
    welcome->decided_through = agent->decided_through;
    welcome->refused_count = sb_decide_refusals (self, agent, 0, &welcome->refused);
    welcome->state_known = sb_core_state_known (self, agent);
    welcome->publish_endpoint = config->publish_endpoint;
    welcome->heartbeat_interval_ms = agent->heartbeat_interval_ms;
    welcome->limits = (sb_limits_t){config->max_message_bytes, config->max_unacked, config->max_changes,
                                    config->max_fields_agent_category};
    sb_control_operator_status (self, agent, &welcome->operator_state);
    sb_control_latch_status (self, &welcome->latch);
    sb_control_breaker_status (self, agent, &welcome->breaker);
    sb_text_t *interests = sb_core_take (self, agent->interest_count * sizeof *interests);
    for (uint32_t i = 0; i < agent->interest_count; i++)
        interests[i] = sb_core_copy (self, agent->interests[i].text);
    welcome->interests = interests;
    welcome->interest_count = agent->interest_count;
    welcome->broker_unix_ns = self->now_unix_ns;
    welcome->control_timeout_ms = config->control_timeout_ms;
    welcome->event_categories = config->event_categories;
    welcome->event_category_count = config->event_category_count;
    welcome->times_to_live = config->times_to_live;
    welcome->time_to_live_count = config->time_to_live_count;
    sb_core_emit_send (self, agent->peer, &message);
}

/* The record for a registration: an existing one, or a new one. NULL with *reason. */
static sb_agent_record_t *s_record_for (sb_core_t *self, uint64_t peer, const sb_registration_t *registration,
                                        sb_reason_t *reason)
{
    sb_agent_record_t *holder = sb_core_find_peer (self, peer);
    sb_agent_record_t *agent = sb_core_find_agent (self, registration->agent_id);
    *reason = SB_REASON_ALREADY_REGISTERED;
    if (holder && holder != agent)
        return NULL;
    *reason = SB_REASON_SUPERSEDED;
    if (agent && agent->instance_id != registration->instance_id && s_is_past (agent, registration->instance_id)) {
        sb_events_duplicate_id (self, agent, registration->instance_id, agent->instance_id, SB_REASON_SUPERSEDED);
        return NULL;
    }
    *reason = SB_REASON_TOO_MANY_AGENTS;
    return agent ? agent : sb_core_add_agent (self, registration->agent_id);
}

/* A record that was on its way out stays: what is left of its state is not whole. */
static void s_keep_record (sb_core_t *self, sb_agent_record_t *agent)
{
    if (!agent->is_leaving)
        return;
    agent->is_leaving = agent->is_evicted = false;
    agent->leave_topic = 0;
    agent->needs_replacement = true;
    self->leaving_count--;
}

static void s_refuse_registration (sb_core_t *self, uint64_t peer, const sb_registration_t *registration,
                                   sb_reason_t reason)
{
    sb_core_refuse (self, peer, reason, (sb_text_t){NULL, 0});
    const sb_reason_info_t *info = sb_reason_info (reason);
    sb_text_t id = sb_name_is_agent_id (registration->agent_id) ? registration->agent_id : (sb_text_t){NULL, 0};
    sb_core_emit_log (self, info->severity, "REGISTRATION_REFUSED", id, reason, sb_text (info->text));
}

static void s_register (sb_core_t *self, uint64_t peer, const sb_registration_t *registration)
{
    sb_text_t *interests = NULL;
    uint32_t interest_count = 0;
    sb_agent_record_t *agent = NULL;
    sb_reason_t reason = self->is_shutting_down ? SB_REASON_BROKER_STOPPING : s_check_registration (registration);
    if (reason == SB_REASON_NONE)
        reason = sb_interest_merge (self, registration, &interests, &interest_count);
    if (reason == SB_REASON_NONE)
        agent = s_record_for (self, peer, registration, &reason);
    if (!agent) {
        s_refuse_registration (self, peer, registration, reason);
        return;
    }
    s_keep_record (self, agent);
    if (!sb_index_reserve (&self->peer_index, 1) || !sb_decide_reserve_runs (self, agent) ||
        !sb_interest_adopt (self, agent, registration, interests, interest_count)) {
        s_refuse_registration (self, peer, registration, SB_REASON_TOO_MANY_AGENTS);
        if (!agent->instance_id && !sb_control_is_kept (agent))
            sb_core_forget_agent (self, agent); /* it was made for this registration */
        return;
    }
    bool is_new_instance = agent->instance_id != registration->instance_id;
    if (is_new_instance)
        s_take_new_instance (self, agent, peer, registration);
    else if (agent->peer && agent->peer != peer) {
        sb_core_end_session (self, agent, SB_REASON_NONE);
        sb_control_session_lost (self, agent);
    }
    sb_snapshot_drop (self, agent); /* also when the same connection registers again */
    agent->snapshot_id = 0;
    bool is_bound = sb_registry_bind_peer (self, agent, peer);
    assert (is_bound);
    agent->session_id = self->next_session_id++;
    agent->heartbeat_interval_ms =
        registration->heartbeat_interval_ms ? registration->heartbeat_interval_ms : self->config.heartbeat_interval_ms;
    agent->registered_unix_ns = self->now_unix_ns;
    memset (&agent->beat, 0, sizeof agent->beat);
    agent->beat_unix_ns = 0;
    agent->backlog = 0;
    sb_core_counter_add (self, SB_COUNTER_registrations, 1);
    s_emit_welcome (self, agent);
    sb_control_registered (self, agent, is_new_instance);
    sb_core_request_quality (self, agent);
}

/* ---- what an agent sends */

static void s_goodbye (sb_core_t *self, sb_agent_record_t *agent)
{
    sb_core_counter_add (self, SB_COUNTER_goodbyes, 1);
    sb_control_goodbye (self, agent);
    sb_core_end_session (self, agent, SB_REASON_NONE);
    sb_core_request_quality (self, agent);
}

static void s_dispatch (sb_core_t *self, sb_agent_record_t *agent, const sb_agent_message_t *message)
{
    switch (message->kind) {
    case SB_AGENT_MESSAGE_HEARTBEAT:
        sb_heartbeat (self, agent, &message->heartbeat);
        return;
    case SB_AGENT_MESSAGE_GOODBYE:
        s_goodbye (self, agent);
        return;
    case SB_AGENT_MESSAGE_REPLACE_BEGIN:
        sb_replace_begin (self, agent, &message->replace_begin);
        return;
    case SB_AGENT_MESSAGE_REPLACE_CHUNK:
        sb_replace_chunk (self, agent, &message->replace_chunk);
        return;
    case SB_AGENT_MESSAGE_REPLACE_END:
        sb_replace_end (self, agent, &message->replace_end);
        return;
    case SB_AGENT_MESSAGE_COMMAND_RESULT:
        sb_commands_result (self, agent, &message->command_result);
        return;
    case SB_AGENT_MESSAGE_COMMAND:
        sb_commands_from_agent (self, agent, &message->command);
        return;
    case SB_AGENT_MESSAGE_SNAPSHOT_REQUEST:
        sb_snapshot_request (self, agent, &message->snapshot_request);
        return;
    case SB_AGENT_MESSAGE_SNAPSHOT_CREDIT:
        sb_snapshot_credit (self, agent, &message->snapshot_credit);
        return;
    case SB_AGENT_MESSAGE_REGISTRATION:
    case SB_AGENT_MESSAGE_BATCH:
        break;
    }
    assert (!"a message of no kind passed the codec");
}

/* Admits a batch, or several. What a message is matters to a breaker, which tries one at a time; what is told or logged
 * once a message (a gap, the first refusal) is so once of several. */
static inline void s_admit (sb_core_t *self, sb_agent_record_t *agent, const sb_event_t *event)
{
    const sb_batch_t *batch = &event->message.message->batch;
    if (!event->message.delta_counts || sb_control_is_open (self, agent)) {
        sb_admit_batch (self, agent, batch);
        return;
    }
    const sb_delta_t *deltas = batch->deltas;
    for (uint32_t i = 0; i < event->message.message_count; i++) {
        sb_batch_t one = {.deltas = deltas, .delta_count = event->message.delta_counts[i]};
        self->message_number += i > 0;
        sb_admit_batch (self, agent, &one);
        deltas += one.delta_count;
    }
}

/* Handles what an agent sent in its session. True when its deadline may have moved other than later: deltas of an agent
 * that is steady leave its place in the heap alone, and when that comes up it is judged anew. */
static inline bool s_hear (sb_core_t *self, sb_agent_record_t *agent, const sb_event_t *event)
{
    const sb_agent_message_t *message = event->message.message;
    bool was_steady = sb_control_is_steady (agent);
    if (message->kind != SB_AGENT_MESSAGE_GOODBYE && !sb_liveness_heard_again (&agent->liveness, self->now_ns))
        sb_control_heard (self, agent);
    if (message->kind == SB_AGENT_MESSAGE_BATCH) {
        s_admit (self, agent, event);
        return !was_steady || !sb_control_is_steady (agent);
    }
    s_dispatch (self, agent, message);
    return true;
}

void sb_session_message (sb_core_t *self, const sb_event_t *event)
{
    uint64_t peer = event->message.peer;
    const sb_agent_message_t *message = event->message.message;
    const uint32_t message_count = event->message.delta_counts ? event->message.message_count : 1;
    self->message_number++;
    sb_core_counter_add (self, SB_COUNTER_messages, message_count);
    sb_core_counter_add (self, SB_COUNTER_message_bytes, event->message.size);
    if (message->kind == SB_AGENT_MESSAGE_REGISTRATION)
        s_register (self, peer, &message->registration);
    sb_agent_record_t *agent = sb_core_find_peer (self, peer);
    if (!agent) {
        if (message->kind != SB_AGENT_MESSAGE_GOODBYE && message->kind != SB_AGENT_MESSAGE_REGISTRATION)
            for (uint32_t i = 0; i < message_count; i++)
                sb_core_refuse (self, peer, SB_REASON_REGISTER_AGAIN, (sb_text_t){NULL, 0});
        return;
    }
    if (message->kind == SB_AGENT_MESSAGE_REGISTRATION || s_hear (self, agent, event))
        sb_core_schedule (self, agent, sb_control_deadline (agent));
}

void sb_session_bad_message (sb_core_t *self, const sb_event_t *event)
{
    uint64_t peer = event->bad_message.peer;
    sb_reason_t reason = event->bad_message.reason;
    sb_agent_record_t *agent = sb_core_find_peer (self, peer);
    const sb_reason_info_t *info = sb_reason_info (reason);
    sb_text_t text = event->bad_message.text.size ? event->bad_message.text : sb_text (info->text);
    sb_core_counter_add (self, SB_COUNTER_message_bytes, event->bad_message.size);
    sb_core_refuse (self, peer, reason, text);
    sb_core_emit_log (self, info->severity, "REFUSED", agent ? sb_core_agent_id (agent) : (sb_text_t){NULL, 0}, reason,
                      text);
    if (!agent)
        return;
    if (info->is_failure)
        sb_control_failure (self, agent, info->name);
    sb_core_schedule (self, agent, sb_control_deadline (agent));
}

void sb_session_peer_lost (sb_core_t *self, uint64_t peer)
{
    sb_agent_record_t *agent = sb_core_find_peer (self, peer);
    if (!agent)
        return;
    sb_core_counter_add (self, SB_COUNTER_sessions_lost, 1);
    sb_core_end_session (self, agent, SB_REASON_NONE);
    sb_control_session_lost (self, agent);
    sb_core_request_quality (self, agent);
    sb_core_schedule (self, agent, sb_control_deadline (agent));
}

void sb_session_shutdown (sb_core_t *self)
{
    self->is_shutting_down = true;
    sb_decide_flush (self);
    sb_commands_shutdown (self);
    for (sb_agent_record_t *agent = sb_core_next_agent (self, 0); agent; agent = sb_core_next_agent (self, agent->slot))
        sb_core_end_session (self, agent, SB_REASON_BROKER_STOPPING);
}

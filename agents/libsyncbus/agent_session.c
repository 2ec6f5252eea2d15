/* SPDX-License-Identifier: MPL-2.0
 *
 * Connection and session: wait, connect, register, beat. Whatever goes wrong ends the same way: the DEALER is
 * thrown away and, after a backoff of 100 ms doubled to 5 s (half of it drawn at random, so that a fleet
 * does not return in one instant), a new one says Registration first. A few reasons are final.
 */
#include "agent_step_private.h"

#include <string.h>

#include "sb_names.h"

/* Refusals that no new attempt can change. */
static const sb_reason_t s_final_reasons[] = {
    SB_REASON_SUPERSEDED,     SB_REASON_DISPLACED,          SB_REASON_PROTOCOL_VERSION,
    SB_REASON_ROUTING_ID_SET, SB_REASON_BAD_AGENT_ID,       SB_REASON_BAD_INSTANCE_ID,
    SB_REASON_BAD_INTEREST,   SB_REASON_TOO_MANY_INTERESTS, SB_REASON_BAD_HEARTBEAT_INTERVAL,
    SB_REASON_BAD_LABEL,      SB_REASON_FORBIDDEN,
};

static bool s_is_final (sb_reason_t reason)
{
    for (size_t i = 0; i < sizeof s_final_reasons / sizeof s_final_reasons[0]; i++) {
        if (s_final_reasons[i] == reason)
            return true;
    }
    return false;
}

/* splitmix64 */
static uint64_t s_random (sb_agent_step_t *self)
{
    uint64_t word = self->random += UINT64_C (0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C (0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C (0x94D049BB133111EB);
    return word ^ (word >> 31);
}

static uint64_t s_backoff_ns (sb_agent_step_t *self)
{
    uint64_t wait_ms = SB_AGENT_BACKOFF_MIN_MS;
    for (uint32_t i = 0; i < self->backoff_attempts && wait_ms < SB_AGENT_BACKOFF_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > SB_AGENT_BACKOFF_MAX_MS)
        wait_ms = SB_AGENT_BACKOFF_MAX_MS;
    self->backoff_attempts++;
    uint64_t half_ns = wait_ms * SB_NS_PER_MS / 2;
    return half_ns + s_random (self) % (half_ns + 1);
}

static void s_connect (sb_agent_step_t *self)
{
    self->link = SB_LINK_CONNECTING;
    self->link_deadline_ns = self->now_ns + SB_AGENT_CONNECT_TIMEOUT_MS * SB_NS_PER_MS;
    sb_step_effect (self, SB_AGENT_EFFECT_CONNECT);
}

void sb_session_start (sb_agent_step_t *self)
{
    if (self->link != SB_LINK_IDLE)
        return;
    if (self->config.publish_endpoint.size && self->config.publish_endpoint.size < sizeof self->subscribed_endpoint) {
        memcpy (self->subscribed_endpoint, self->config.publish_endpoint.data, self->config.publish_endpoint.size);
        sb_step_effect (self, SB_AGENT_EFFECT_SUBSCRIBE)->subscribe_endpoint = self->subscribed_endpoint;
    }
    s_connect (self);
}

void sb_session_lost (sb_agent_step_t *self, const char *why, sb_text_t detail)
{
    if (self->link == SB_LINK_FINISHED || self->link == SB_LINK_WAITING || self->link == SB_LINK_IDLE)
        return;
    if (self->link == SB_LINK_SESSION) {
        sb_step_log (self, SB_SEVERITY_WARNING, why, detail);
        sb_delivery_session_lost (self);
        sb_recovery_session_lost (self);
    } else if (self->backoff_attempts == 0) {
        sb_step_log (self, SB_SEVERITY_INFO, why, detail);
    }
    self->link = SB_LINK_WAITING;
    self->link_deadline_ns = self->now_ns + s_backoff_ns (self);
    sb_step_effect (self, SB_AGENT_EFFECT_DISCONNECT);
}

static void s_finish (sb_agent_step_t *self, sb_reason_t reason)
{
    self->link = SB_LINK_FINISHED;
    self->final_reason = reason;
    sb_step_effect (self, SB_AGENT_EFFECT_DISCONNECT);
    sb_step_effect (self, SB_AGENT_EFFECT_SUBSCRIBE)->subscribe_endpoint = "";
    sb_commands_finish (self);
}

void sb_session_say_goodbye (sb_agent_step_t *self)
{
    self->goodbye_said = true;
    /* A Registration that is under way makes a session, which this ends: it is heard after it. */
    if (self->link == SB_LINK_SESSION || self->link == SB_LINK_REGISTERING)
        sb_step_send (self, SB_AGENT_MESSAGE_GOODBYE)->goodbye.text = sb_text ("the agent has ended");
    if (self->link != SB_LINK_FINISHED)
        s_finish (self, SB_REASON_NONE);
}

void sb_session_link_up (sb_agent_step_t *self)
{
    if (self->link != SB_LINK_CONNECTING)
        return;
    /* No interest at all is said by one that no numbered topic matches: an empty list would mean all of them. */
    static const sb_text_t none = {"_control", 8};
    sb_registration_t *registration = &sb_step_send (self, SB_AGENT_MESSAGE_REGISTRATION)->registration;
    registration->protocol = SB_PROTOCOL;
    registration->agent_id = self->config.agent_id;
    registration->instance_id = self->config.instance_id;
    registration->next_sequence = sb_window_first (self->window);
    registration->interests = self->config.interest_count ? self->config.interests : &none;
    registration->interest_count = self->config.interest_count ? self->config.interest_count : 1;
    registration->publishes = self->config.publishes;
    registration->publish_count = self->config.publish_count;
    registration->heartbeat_interval_ms = self->config.heartbeat_interval_ms;
    self->link = SB_LINK_REGISTERING;
    self->link_deadline_ns = self->now_ns + SB_AGENT_WELCOME_TIMEOUT_MS * SB_NS_PER_MS;
}

/* ------------------------------------------------------------------ welcome */

/* scheme://HOST:port of the ingress endpoint; empty when it has none. */
static sb_text_t s_ingress_host (const sb_agent_step_t *self)
{
    sb_text_t endpoint = self->config.ingress_endpoint;
    uint32_t first = 0;
    while (first + 2 < endpoint.size && memcmp (endpoint.data + first, "://", 3) != 0)
        first++;
    if (first + 2 >= endpoint.size)
        return (sb_text_t){NULL, 0};
    first += 3;
    uint32_t last = endpoint.size;
    while (last > first && endpoint.data[last - 1] != ':')
        last--;
    return last > first ? (sb_text_t){endpoint.data + first, last - 1 - first} : (sb_text_t){NULL, 0};
}

/* Writes the endpoint to subscribe at, with a host of * replaced; false when it does not fit. */
static bool s_publish_endpoint (const sb_agent_step_t *self, sb_text_t told, char *endpoint, size_t endpoint_size)
{
    static const char any_host[] = "tcp://*:";
    sb_text_t host = {"*", 1};
    sb_text_t rest = told;
    endpoint[0] = 0;
    if (told.size > sizeof any_host - 1 && memcmp (told.data, any_host, sizeof any_host - 1) == 0) {
        host = s_ingress_host (self);
        rest = (sb_text_t){told.data + 7, told.size - 7};
        if (host.size == 0 || 6 + host.size + rest.size >= endpoint_size)
            return false;
        memcpy (endpoint, "tcp://", 6);
        memcpy (endpoint + 6, host.data, host.size);
        endpoint += 6 + host.size;
    } else if (told.size == 0 || told.size >= endpoint_size) {
        return false;
    }
    memcpy (endpoint, rest.data, rest.size);
    endpoint[rest.size] = 0;
    return true;
}

static void s_subscribe (sb_agent_step_t *self, sb_text_t told)
{
    if (self->config.publish_endpoint.size)
        return; /* the application has named its own */
    char endpoint[sizeof self->subscribed_endpoint];
    if (!s_publish_endpoint (self, told, endpoint, sizeof endpoint)) {
        sb_step_log (self, SB_SEVERITY_ERROR, "the broker named no usable publish endpoint", told);
        return;
    }
    if (strcmp (endpoint, self->subscribed_endpoint) == 0)
        return;
    strcpy (self->subscribed_endpoint, endpoint);
    sb_step_effect (self, SB_AGENT_EFFECT_SUBSCRIBE)->subscribe_endpoint = self->subscribed_endpoint;
}

/* A limit of 0 says nothing. */
static void s_adopt_limits (sb_agent_step_t *self, const sb_limits_t *limits)
{
    if (limits->max_message_bytes)
        self->limits.max_message_bytes = limits->max_message_bytes;
    if (limits->max_unacked)
        self->limits.max_unacked = limits->max_unacked;
    if (limits->max_changes)
        self->limits.max_changes = limits->max_changes;
    if (limits->max_fields)
        self->limits.max_fields = limits->max_fields;
    sb_own_state_set_category_limit (self->state, self->limits.max_fields);
}

static void s_mark_counts (sb_agent_step_t *self)
{
    self->counts_at_welcome = self->counts;
    self->stopped_at_welcome = self->stopped_deliveries;
    self->progress_at_welcome = self->progress;
    self->processing_count_at_welcome = self->processing_count;
    self->processing_sum_at_welcome = self->processing_sum_ns;
    self->dropped_told = 0;
}

/* Any message of the broker: its answer to a beat may stand in line behind what was sent before. */
static void s_heard (sb_agent_step_t *self)
{
    self->silent_at_ns = self->now_ns + SB_AGENT_SILENT_INTERVALS * self->interval_ns;
}

static void s_heard_level (sb_agent_step_t *self)
{
    s_heard (self);
    sb_levels_heard (self);
}

static void s_welcome (sb_agent_step_t *self, const sb_welcome_t *welcome)
{
    if (self->link != SB_LINK_REGISTERING)
        return;
    self->link = SB_LINK_SESSION;
    self->backoff_attempts = 0;
    self->beats_unanswered = 0;
    self->counts.registrations++;
    self->counts.reconnects += self->was_welcome;
    if (welcome->heartbeat_interval_ms)
        self->interval_ns = welcome->heartbeat_interval_ms * SB_NS_PER_MS;
    if (welcome->control_timeout_ms)
        self->levels.control_timeout_ns = welcome->control_timeout_ms * SB_NS_PER_MS;
    self->beat_at_ns = self->now_ns + self->interval_ns;
    s_adopt_limits (self, &welcome->limits);
    if (welcome->stream_id != self->stream_id || welcome->epoch != self->epoch)
        sb_levels_let_go (self);
    self->stream_id = welcome->stream_id;
    self->epoch = welcome->epoch;
    self->was_welcome = true;
    sb_levels_operator (self, &welcome->operator_state, true);
    sb_levels_latch (self, &welcome->latch, true);
    sb_levels_breaker (self, &welcome->breaker);
    s_heard_level (self);
    s_mark_counts (self);
    sb_delivery_welcome (self, welcome);
    sb_commands_welcome (self);
    sb_reception_welcome (self, welcome);
    sb_recovery_welcome (self);
    s_subscribe (self, welcome->publish_endpoint);
}

/* ------------------------------------------------------------------ messages */

static void s_refusal (sb_agent_step_t *self, const sb_refusal_t *refusal)
{
    self->refused_by_reason[(uint32_t)refusal->reason < SB_REASON_LIMIT ? refusal->reason : 0]++;
    if (s_is_final (refusal->reason)) {
        sb_step_log (self, SB_SEVERITY_ERROR, sb_reason_info (refusal->reason)->text, refusal->text);
        s_finish (self, refusal->reason);
        return;
    }
    if (self->link == SB_LINK_SESSION && refusal->reason == SB_REASON_SEQUENCE_GAP) {
        sb_delivery_go_back (self, refusal->expected_sequence);
        return;
    }
    if (self->link == SB_LINK_SESSION && refusal->reason == SB_REASON_REPLACE_PENDING) {
        sb_delivery_wait_for_replacement (self, refusal->expected_sequence);
        return;
    }
    /* Without a session, or with a message that cannot be read: to begin anew is all that helps. */
    sb_session_lost (self, sb_reason_info (refusal->reason)->text, refusal->text);
}

static void s_heartbeat_ack (sb_agent_step_t *self, const sb_heartbeat_ack_t *ack)
{
    sb_levels_operator (self, &ack->operator_state, false);
    sb_levels_latch (self, &ack->latch, false);
    sb_levels_breaker (self, &ack->breaker);
    s_heard_level (self);
    sb_delivery_decided (self, ack->decided_through, ack->refused, ack->refused_count);
    sb_delivery_state_known (self, ack->state_known);
    sb_delivery_look_for_loss (self);
    if (self->beats_unanswered)
        self->beats_unanswered--;
    sb_joiner_heads (self, ack);
}

static void s_goodbye (sb_agent_step_t *self, const sb_goodbye_t *goodbye)
{
    if (s_is_final (goodbye->reason)) {
        sb_step_log (self, SB_SEVERITY_ERROR, sb_reason_info (goodbye->reason)->text, goodbye->text);
        s_finish (self, goodbye->reason);
    } else {
        sb_session_lost (self, "the broker said goodbye", goodbye->text);
    }
}

void sb_session_hear (sb_agent_step_t *self, const sb_broker_message_t *message)
{
    if (self->link != SB_LINK_REGISTERING && self->link != SB_LINK_SESSION)
        return;
    switch (message->kind) {
    case SB_BROKER_MESSAGE_WELCOME:
        s_welcome (self, &message->welcome);
        return;
    case SB_BROKER_MESSAGE_REFUSAL:
        s_refusal (self, &message->refusal);
        return;
    case SB_BROKER_MESSAGE_GOODBYE:
        s_goodbye (self, &message->goodbye);
        return;
    default:
        break;
    }
    if (self->link != SB_LINK_SESSION)
        return;
    s_heard (self);
    if (message->kind == SB_BROKER_MESSAGE_ACK)
        sb_delivery_decided (self, message->ack.decided_through, message->ack.refused, message->ack.refused_count);
    else if (message->kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK)
        s_heartbeat_ack (self, &message->heartbeat_ack);
    else if (message->kind == SB_BROKER_MESSAGE_COMMAND)
        sb_commands_received (self, &message->command);
    else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK)
        sb_scan_chunk (self, &message->snapshot_chunk);
    else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END)
        sb_scan_end (self, &message->snapshot_end);
    else if (message->kind == SB_BROKER_MESSAGE_COMMAND_REPLY && !sb_recovery_reply (self, &message->command_reply))
        sb_commands_reply (self, &message->command_reply);
}

/* ------------------------------------------------------------------ time */

void sb_session_ask_heads (sb_agent_step_t *self)
{
    self->beats_unanswered++;
    self->beat_send_next = self->send_next;
    const sb_agent_counts_t *base = &self->counts_at_welcome;
    sb_heartbeat_t *beat = &sb_step_send (self, SB_AGENT_MESSAGE_HEARTBEAT)->heartbeat;
    beat->received = self->counts.received - base->received;
    beat->processed = self->counts.processed - base->processed;
    beat->failed = self->counts.failed - base->failed;
    beat->dropped = self->dropped_told;
    beat->seen = sb_reception_seen (self, &beat->seen_count);
    beat->queue_depth = self->publications_waiting + self->commands_waiting;
    beat->processing_count = self->processing_count - self->processing_count_at_welcome;
    beat->processing_sum_ns = self->processing_sum_ns - self->processing_sum_at_welcome;
    beat->processing_max_ns = self->processing_max_ns;
    beat->processing_p99_ns = sb_histogram_quantile_ns (&self->processing, 0.99);
    beat->progress = self->progress - self->progress_at_welcome;
    beat->operator_revision = self->levels.operator_revision;
    beat->latch_epoch = self->levels.latch_epoch;
    beat->paused = self->levels.paused || self->levels.stopped;
    beat->self_paused = self->levels.self_paused;
    beat->decided_through = sb_window_first (self->window) - 1;
    beat->stopped_deliveries = self->stopped_deliveries - self->stopped_at_welcome;
    uint64_t *buckets = sb_step_take (self, sizeof self->delivery.buckets);
    memcpy (buckets, self->delivery.buckets, sizeof self->delivery.buckets);
    beat->delivery_buckets = buckets;
    beat->delivery_bucket_count = sb_histogram_count (&self->delivery) ? SB_HISTOGRAM_BUCKETS : 0;
    sb_histogram_clear (&self->processing);
    sb_histogram_clear (&self->delivery);
    self->processing_max_ns = 0;
}

static void s_beat (sb_agent_step_t *self)
{
    self->beat_at_ns += self->interval_ns;
    if (self->beat_at_ns <= self->now_ns)
        self->beat_at_ns = self->now_ns + self->interval_ns;
    /* Only here: the broker publishes an event for it. An agent that reads that event, and has no room for it while it
     * repairs, would otherwise lose it, begin again, ask for the heads, and so be the cause of the next. */
    self->dropped_told = self->counts.dropped - self->counts_at_welcome.dropped;
    sb_session_ask_heads (self);
}

void sb_session_tick (sb_agent_step_t *self)
{
    uint64_t full_wait_ns = SB_AGENT_SILENT_INTERVALS * self->interval_ns;
    switch (self->link) {
    case SB_LINK_WAITING:
        if (self->now_ns >= self->link_deadline_ns)
            s_connect (self);
        break;
    case SB_LINK_CONNECTING:
        if (self->now_ns >= self->link_deadline_ns)
            sb_session_lost (self, "no connection to the broker came about in time", (sb_text_t){NULL, 0});
        break;
    case SB_LINK_REGISTERING:
        if (self->now_ns >= self->link_deadline_ns)
            sb_session_lost (self, "the broker did not answer the registration in time", (sb_text_t){NULL, 0});
        break;
    case SB_LINK_SESSION:
        if (self->lateness_ns) {
            /* This side stood still: its silence is not the broker's. */
            uint64_t extended_ns = sb_step_after (self->silent_at_ns, self->lateness_ns);
            uint64_t latest_ns = self->now_ns + full_wait_ns;
            self->silent_at_ns = extended_ns < latest_ns ? extended_ns : latest_ns;
        }
        if (self->now_ns >= self->silent_at_ns)
            sb_session_lost (self, "the broker has not answered for three heartbeat intervals", (sb_text_t){NULL, 0});
        else if (self->now_ns >= self->beat_at_ns)
            s_beat (self);
        break;
    case SB_LINK_IDLE:
    case SB_LINK_FINISHED:
        break;
    }
}

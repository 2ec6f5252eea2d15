/* SPDX-License-Identifier: MPL-2.0
 *
 * Entry of the step: one flat switch, one function per event, then what every event of the I/O side ends
 * with: send what may be sent, tell a changed status. Effects are collected in a vector and an arena that are
 * reset at the next such event. An update costs a few hash lookups and one block of memory.
 */
#include "agent_step_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

enum { SB_ARENA_BYTES_MAX = 256 * 1024 * 1024 };

/* ------------------------------------------------------------------ effects */

sb_agent_effect_t *sb_step_effect (sb_agent_step_t *self, sb_agent_effect_kind_t kind)
{
    if (self->effect_count == self->effect_capacity) {
        uint32_t capacity = self->effect_capacity ? self->effect_capacity * 2 : 64;
        sb_agent_effect_t *effects = realloc (self->effects, capacity * sizeof *effects);
        assert (effects);
        self->effects = effects;
        self->effect_capacity = capacity;
    }
    sb_agent_effect_t *effect = &self->effects[self->effect_count++];
    memset (effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void *sb_step_take (sb_agent_step_t *self, size_t size)
{
    void *memory = sb_arena_take (self->arena, size ? size : 1);
    assert (memory);
    return memory;
}

sb_text_t sb_step_copy (sb_agent_step_t *self, sb_text_t text)
{
    char *copy = sb_step_take (self, (size_t)text.size + 1);
    if (text.size)
        memcpy (copy, text.data, text.size);
    copy[text.size] = 0;
    return (sb_text_t){copy, text.size};
}

sb_agent_message_t *sb_step_send (sb_agent_step_t *self, sb_agent_message_kind_t kind)
{
    sb_agent_message_t *message = sb_step_take (self, sizeof *message);
    memset (message, 0, sizeof *message);
    message->kind = kind;
    sb_step_effect (self, SB_AGENT_EFFECT_SEND)->send = message;
    return message;
}

void sb_step_log (sb_agent_step_t *self, sb_severity_t severity, const char *text, sb_text_t detail)
{
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_LOG);
    effect->log.severity = severity;
    effect->log.text = text;
    /* A broker of the same version says the same sentence. */
    effect->log.detail = sb_text_equal (detail, sb_text (text)) ? (sb_text_t){NULL, 0} : detail;
}

uint64_t sb_step_after (uint64_t time_ns, uint64_t wait_ns)
{
    return time_ns > UINT64_MAX - wait_ns ? UINT64_MAX : time_ns + wait_ns;
}

uint32_t sb_step_payload_max (const sb_agent_step_t *self)
{
    uint32_t bytes = self->limits.max_message_bytes;
    return bytes > 2 * SB_MESSAGE_OVERHEAD_BYTES ? bytes - SB_MESSAGE_OVERHEAD_BYTES : bytes / 2;
}

/* ------------------------------------------------------------------ life */

static sb_text_t s_keep (char **at, sb_text_t text)
{
    sb_text_t kept = {*at, text.size};
    if (text.size)
        memcpy (*at, text.data, text.size);
    (*at)[text.size] = 0;
    *at += text.size + 1;
    return kept;
}

static bool s_keep_texts (sb_agent_step_t *self, const sb_agent_step_config_t *config)
{
    uint32_t count = config->interest_count + config->publish_count;
    size_t size = count * sizeof (sb_text_t) + config->agent_id.size + config->ingress_endpoint.size +
                  config->publish_endpoint.size + 3;
    for (uint32_t i = 0; i < config->interest_count; i++)
        size += config->interests[i].size + 1;
    for (uint32_t i = 0; i < config->publish_count; i++)
        size += config->publishes[i].size + 1;
    self->text_memory = malloc (size);
    if (!self->text_memory)
        return false;
    sb_text_t *texts = (sb_text_t *)(void *)self->text_memory;
    char *at = (char *)(texts + count);
    self->config.agent_id = s_keep (&at, config->agent_id);
    self->config.ingress_endpoint = s_keep (&at, config->ingress_endpoint);
    self->config.publish_endpoint = s_keep (&at, config->publish_endpoint);
    for (uint32_t i = 0; i < config->interest_count; i++)
        texts[i] = s_keep (&at, config->interests[i]);
    for (uint32_t i = 0; i < config->publish_count; i++)
        texts[config->interest_count + i] = s_keep (&at, config->publishes[i]);
    self->config.interests = texts;
    self->config.publishes = texts + config->interest_count;
    return true;
}

/* Where an interest is "all", these 36 stand for the agents' categories. */
static const char s_first_octets[] = "abcdefghijklmnopqrstuvwxyz0123456789";
enum { FIRST_OCTETS = sizeof s_first_octets - 1 };

static void s_add_prefix (sb_agent_step_t *self, sb_text_t prefix)
{
    for (uint32_t i = 0; i < self->prefix_count; i++) {
        if (sb_text_equal (self->prefixes[i], prefix))
            return;
    }
    self->prefixes[self->prefix_count++] = prefix;
}

/* Adds `~conflated.<ms>.` and the prefix, or the prefix alone; returns the memory behind it. */
static char *s_add_wanted (sb_agent_step_t *self, char *at, uint32_t interval_ms, sb_text_t prefix)
{
    char *end = at;
    if (interval_ms) {
        memcpy (end, "~conflated.", 11);
        end = sb_step_write_decimal (end + 11, interval_ms);
        *end++ = '.';
    }
    if (prefix.size)
        memcpy (end, prefix.data, prefix.size);
    end += prefix.size;
    s_add_prefix (self, (sb_text_t){at, (uint32_t)(end - at)});
    return end;
}

void sb_step_name_prefixes (sb_agent_step_t *self)
{
    char *at = self->subscribed_memory;
    self->prefix_count = 0;
    sb_scope_subscribe (self);
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        const sb_want_t *want = &self->wants[i];
        if (want->subscribed.size) {
            at = s_add_wanted (self, at, want->interval_ms, want->subscribed);
            continue;
        }
        for (uint32_t j = 0; j < FIRST_OCTETS; j++)
            at = s_add_wanted (self, at, want->interval_ms, (sb_text_t){&s_first_octets[j], 1});
    }
    s_add_prefix (self, sb_text ("_beat."));
    s_add_prefix (self, sb_text ("_control."));
}

static bool s_make_prefixes (sb_agent_step_t *self, const uint32_t *conflate_ms)
{
    enum { CONFLATED_MAX = 24 };
    size_t count = self->config.interest_count;
    self->prefixes = calloc (count * FIRST_OCTETS + 2, sizeof *self->prefixes);
    self->wants = calloc (count + 1, sizeof *self->wants);
    self->prefix_memory = malloc (count * (2 * SB_TOPIC_MAX + FIRST_OCTETS * (CONFLATED_MAX + 1)) + 1);
    if (!self->prefixes || !self->wants || !self->prefix_memory)
        return false;
    char *at = self->prefix_memory;
    for (uint32_t i = 0; i < count; i++) {
        sb_want_t *want = &self->wants[i];
        want->interval_ms = want->asked_ms = conflate_ms ? conflate_ms[i] : 0;
        want->prefix = (sb_text_t){at, sb_interest_prefix (self->config.interests[i], at)};
        at += want->prefix.size;
    }
    self->subscribed_memory = at;
    self->config.conflate_ms = NULL;
    sb_step_name_prefixes (self);
    return true;
}

sb_agent_step_t *sb_agent_step_new (const sb_agent_step_config_t *config)
{
    sb_agent_step_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->config = *config;
    self->random = config->seed;
    self->limits = (sb_limits_t){256 * 1024, 4096, SB_CHANGES_MAX, 4096}; /* DESIGN's, until Welcome says */
    self->interval_ns = (config->heartbeat_interval_ms ? config->heartbeat_interval_ms : 1000) * SB_NS_PER_MS;
    self->send_next = 1;
    self->sent_before = 1;
    self->told_status = SB_AGENT_CONNECTING;
    sb_levels_init (&self->levels);
    self->state = sb_own_state_new (config->max_fields, config->seed);
    self->window = sb_window_new ();
    self->arena = sb_arena_new (SB_ARENA_BYTES_MAX);
    self->reception = sb_reception_new (config);
    self->requests = sb_issued_new ();
    bool is_whole = self->state && self->window && self->arena && self->reception && self->requests;
    if (!is_whole || !s_keep_texts (self, config) || !s_make_prefixes (self, config->conflate_ms)) {
        sb_agent_step_destroy (&self);
        return NULL;
    }
    sb_own_state_set_category_limit (self->state, self->limits.max_fields);
    /* The event categories of an unconfigured broker, until Welcome names its own. */
    strcpy (self->event_categories[0], "trades");
    strcpy (self->event_categories[1], "execution_result");
    self->event_category_count = 2;
    return self;
}

void sb_agent_step_destroy (sb_agent_step_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_agent_step_t *self = *self_p;
    sb_levels_fini (&self->levels);
    sb_window_destroy (&self->window);
    sb_own_state_destroy (&self->state);
    sb_reception_destroy (&self->reception);
    sb_issued_destroy (&self->requests);
    sb_arena_destroy (&self->arena);
    free (self->effects);
    free (self->text_memory);
    free (self->prefix_memory);
    free (self->prefixes);
    free (self->wants);
    free (self);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ status */

sb_agent_status_t sb_agent_step_status (const sb_agent_step_t *self, sb_reason_t *reason)
{
    sb_reason_t blocked = sb_levels_blocked (self, (sb_text_t){NULL, 0});
    *reason = self->link == SB_LINK_FINISHED ? self->final_reason : blocked;
    if (self->link == SB_LINK_FINISHED)
        return SB_AGENT_FINISHED;
    switch (blocked) {
    case SB_REASON_EMERGENCY_STOPPED:
        return SB_AGENT_STOPPED;
    case SB_REASON_PAUSED:
        return SB_AGENT_PAUSED;
    case SB_REASON_SELF_PAUSED:
        return SB_AGENT_SELF_PAUSED;
    case SB_REASON_NONE:
        return self->link == SB_LINK_SESSION ? SB_AGENT_ACTIVE : SB_AGENT_CONNECTING;
    default:
        return self->link == SB_LINK_SESSION ? SB_AGENT_CUT_OFF : SB_AGENT_CONNECTING;
    }
}

static void s_tell_status (sb_agent_step_t *self)
{
    sb_reason_t reason;
    sb_agent_status_t status = sb_agent_step_status (self, &reason);
    if (status == self->told_status && reason == self->told_reason)
        return;
    self->told_status = status;
    self->told_reason = reason;
    sb_agent_effect_t *effect = sb_step_effect (self, SB_AGENT_EFFECT_STATUS);
    effect->status.status = status;
    effect->status.reason = reason;
}

bool sb_agent_step_is_settled (const sb_agent_step_t *self)
{
    return sb_window_count (self->window) == 0 && !self->dirty;
}

bool sb_agent_step_is_drained (const sb_agent_step_t *self)
{
    if (self->link == SB_LINK_FINISHED || (self->closing && self->link != SB_LINK_SESSION))
        return true;
    if (sb_window_count (self->window) > 0)
        return false;
    return !self->dirty || sb_levels_blocked (self, (sb_text_t){NULL, 0}) != SB_REASON_NONE;
}

void sb_agent_step_counts (const sb_agent_step_t *self, sb_agent_counts_t *counts)
{
    *counts = self->counts;
    counts->undecided = sb_window_count (self->window);
    counts->delivery_count = sb_histogram_count (&self->delivery_ever);
    counts->delivery_p50_ns = sb_histogram_quantile_ns (&self->delivery_ever, 0.5);
    counts->delivery_p99_ns = sb_histogram_quantile_ns (&self->delivery_ever, 0.99);
}

uint64_t sb_agent_step_refused_count (const sb_agent_step_t *self, sb_reason_t reason)
{
    return (uint32_t)reason < SB_REASON_LIMIT ? self->refused_by_reason[reason] : 0;
}

const sb_text_t *sb_agent_step_prefixes (const sb_agent_step_t *self, uint32_t *count)
{
    *count = self->prefix_count;
    return self->prefixes;
}

void sb_agent_step_visit_state (const sb_agent_step_t *self,
                                void (*visit) (void *context, sb_text_t category, sb_text_t subject, sb_text_t name,
                                               const sb_value_t *value),
                                void *context)
{
    sb_own_state_visit (self->state, visit, context);
}

/* ------------------------------------------------------------------ time */

static uint64_t s_earlier (uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* Timers alone: how late a TICK comes is measured against these. */
static uint64_t s_timers (const sb_agent_step_t *self)
{
    uint64_t deadline = sb_levels_deadline (self);
    switch (self->link) {
    case SB_LINK_IDLE:
    case SB_LINK_FINISHED:
        return UINT64_MAX;
    case SB_LINK_WAITING:
    case SB_LINK_CONNECTING:
    case SB_LINK_REGISTERING:
        return s_earlier (s_earlier (deadline, self->link_deadline_ns), sb_recovery_deadline (self));
    case SB_LINK_SESSION:
        break;
    }
    deadline = s_earlier (deadline, self->beat_at_ns);
    deadline = s_earlier (deadline, self->silent_at_ns);
    deadline = s_earlier (deadline, sb_recovery_deadline (self));
    return s_earlier (deadline, sb_replacement_deadline (self));
}

/* True when nothing is left but to say goodbye. */
static bool s_is_leaving (const sb_agent_step_t *self)
{
    return (self->leaving || (self->closing && self->link != SB_LINK_SESSION)) && !self->goodbye_said;
}

static bool s_has_work (const sb_agent_step_t *self)
{
    if (self->link == SB_LINK_FINISHED || self->link == SB_LINK_IDLE)
        return false;
    return sb_delivery_has_work (self) || sb_commands_has_work (self) || sb_recovery_has_work (self) ||
           s_is_leaving (self);
}

uint64_t sb_agent_step_deadline (const sb_agent_step_t *self)
{
    return s_has_work (self) ? self->now_ns : s_timers (self);
}

static void s_tick (sb_agent_step_t *self)
{
    uint64_t wanted_ns = s_timers (self);
    uint64_t late_ns = self->now_ns > wanted_ns ? self->now_ns - wanted_ns : 0;
    self->lateness_ns = late_ns > self->interval_ns / 2 ? late_ns : 0;
    sb_levels_tick (self);
    sb_session_tick (self);
    sb_recovery_tick (self);
    self->lateness_ns = 0;
}

/* ------------------------------------------------------------------ entry */

static void s_handled (sb_agent_step_t *self, const sb_agent_event_t *event)
{
    if (self->publications_waiting > 0)
        self->publications_waiting--;
    self->progress++;
    *(event->handled.failed ? &self->counts.failed : &self->counts.processed) += 1;
    sb_histogram_add (&self->processing, (int64_t)event->handled.processing_ns);
    self->processing_count++;
    self->processing_sum_ns += event->handled.processing_ns;
    if (event->handled.processing_ns > self->processing_max_ns)
        self->processing_max_ns = event->handled.processing_ns;
    if (event->handled.delivery_ns >= 0) {
        sb_histogram_add (&self->delivery, event->handled.delivery_ns);
        sb_histogram_add (&self->delivery_ever, event->handled.delivery_ns);
    }
}

/* What any thread may bring. Touches neither effects nor arena. */
static void s_step_any (sb_agent_step_t *self, const sb_agent_event_t *event, sb_agent_effects_t *effects)
{
    switch (event->kind) {
    case SB_AGENT_EVENT_UPDATE:
        sb_delivery_update (self, event->update.deltas, event->update.delta_count, effects);
        break;
    case SB_AGENT_EVENT_HANDLED:
        s_handled (self, event);
        break;
    case SB_AGENT_EVENT_ANSWER:
        sb_commands_answer (self, event->answer);
        break;
    case SB_AGENT_EVENT_REQUEST:
        sb_commands_issue (self, event->request.token, event->request.request, effects);
        break;
    case SB_AGENT_EVENT_CANCEL:
        sb_commands_cancel (self, event->cancel_token);
        break;
    case SB_AGENT_EVENT_CLOSE:
        self->closing = true;
        break;
    case SB_AGENT_EVENT_LEAVE:
        self->closing = true;
        self->leaving = true;
        break;
    default:
        assert (false);
    }
    effects->wake = s_has_work (self);
}

static void s_step_io (sb_agent_step_t *self, const sb_agent_event_t *event)
{
    switch (event->kind) {
    case SB_AGENT_EVENT_START:
        sb_session_start (self);
        break;
    case SB_AGENT_EVENT_LINK_UP:
        sb_session_link_up (self);
        break;
    case SB_AGENT_EVENT_LINK_DOWN:
        sb_session_lost (self, "the connection to the broker failed or was lost", (sb_text_t){NULL, 0});
        break;
    case SB_AGENT_EVENT_MESSAGE:
        sb_session_hear (self, event->message);
        break;
    case SB_AGENT_EVENT_PUBLICATION:
        sb_reception_publication (self, event->publication);
        break;
    case SB_AGENT_EVENT_LOST:
        sb_reception_unreadable (self);
        break;
    case SB_AGENT_EVENT_SUBSCRIBED:
        sb_joiner_subscribed (self, true);
        break;
    case SB_AGENT_EVENT_UNSUBSCRIBED:
        sb_joiner_subscribed (self, false);
        break;
    case SB_AGENT_EVENT_TICK:
        s_tick (self);
        break;
    default:
        assert (event->kind == SB_AGENT_EVENT_WAKE);
    }
}

void sb_agent_step (sb_agent_step_t *self, const sb_agent_event_t *event, sb_agent_effects_t *effects)
{
    assert (event->monotonic_ns >= self->now_ns);
    self->now_ns = event->monotonic_ns;
    self->unix_ns = event->unix_ns;
    sb_own_state_set_time (self->state, self->now_ns);
    *effects = (sb_agent_effects_t){0};
    if (event->kind >= SB_AGENT_EVENT_UPDATE) {
        s_step_any (self, event, effects);
        return;
    }
    sb_arena_reset (self->arena);
    sb_reception_begin (self);
    self->effect_count = 0;
    /* What comes of a session that is not yet there is no longer heard. */
    if (!self->closing || self->link == SB_LINK_SESSION)
        s_step_io (self, event);
    if (self->link == SB_LINK_SESSION) {
        sb_delivery_flush (self);
        sb_commands_flush (self);
        sb_recovery_flush (self);
    }
    if (s_is_leaving (self))
        sb_session_say_goodbye (self);
    s_tell_status (self);
    effects->items = self->effects;
    effects->count = self->effect_count;
    effects->wake = s_has_work (self);
}

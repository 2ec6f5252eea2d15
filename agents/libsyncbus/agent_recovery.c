/* SPDX-License-Identifier: MPL-2.0
 *
 * What is repaired next, and how: one repair at a time, a snapshot of everything before any of a category.
 *
 * By history: pages of what the category published between what is known to be whole (`after`) and what is known to
 * have gone past the SUB (`through`), so nothing is taken for lost that is only on its way. What comes in a page is
 * new, known, or waits here already; the new ones were lost, are told if nobody told them yet, and are delivered in
 * order. Then what waited is delivered through the same door as any publication: if that finds something missing, the
 * repair goes on behind it. When history has dropped what is needed, or did not help: a snapshot of the category.
 * Pages are only asked for, and what waits only taken out, as the handler's queue has room.
 */
#include "agent_recovery.h"

#include <string.h>

#include "sb_names.h"

bool sb_recovery_waits_for_all (const sb_reception_t *self)
{
    return !self->is_answered || !self->has_base;
}

void sb_recovery_abort (sb_agent_step_t *self, bool counts)
{
    sb_reception_t *reception = self->reception;
    if (reception->phase == SB_RECOVERY_IDLE)
        return;
    if (counts && reception->phase != SB_RECOVERY_BUFFER)
        self->counts.restarts++;
    reception->phase = SB_RECOVERY_IDLE;
    reception->active = NULL;
    reception->is_awaited = false;
    reception->compared = NULL;
}

void sb_recovery_retry (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    sb_recovery_abort (self, true);
    uint32_t wait_ms = reception->retry_ms ? reception->retry_ms * 2 : SB_RECOVERY_RETRY_MIN_MS;
    reception->retry_ms = wait_ms < SB_RECOVERY_RETRY_MAX_MS ? wait_ms : SB_RECOVERY_RETRY_MAX_MS;
    reception->retry_at_ns = self->now_ns + reception->retry_ms * SB_NS_PER_MS;
}

void sb_recovery_done (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    reception->phase = SB_RECOVERY_IDLE;
    reception->active = NULL;
    reception->is_awaited = false;
    reception->compared = NULL;
    reception->retry_ms = 0;
}

/* ------------------------------------------------------------------ history */

static sb_text_t s_command_id (const sb_agent_step_t *self, char *text)
{
    /* The application's have digits only behind the dot. */
    char *end = sb_step_write_decimal (text, self->config.instance_id);
    memcpy (end, ".repair", 7);
    end = sb_step_write_decimal (end + 7, self->reception->number);
    return (sb_text_t){text, (uint32_t)(end - text)};
}

/* The agent's part that is repaired, or the one prefix that is wanted of a category; empty when there are several, or
 * all of it. */
static sb_text_t s_only_prefix (const sb_agent_step_t *self, const sb_watch_t *watch)
{
    sb_text_t only = {NULL, 0};
    if (watch->repaired && watch->repaired->kind == SB_SCOPE_AGENT)
        return watch->repaired->prefix;
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_text_t prefix = self->wants[i].prefix;
        if (watch->is_covered || prefix.size < watch->size || memcmp (prefix.data, watch->name, watch->size) != 0)
            continue;
        if (only.size)
            return (sb_text_t){NULL, 0};
        only = prefix;
    }
    return only;
}

static sb_parameter_t s_integer (const char *name, uint64_t integer)
{
    sb_parameter_t parameter = {.name = sb_text (name), .value = {.kind = SB_VALUE_INTEGER}};
    parameter.value.integer = (int64_t)integer;
    return parameter;
}

static sb_parameter_t s_text (const char *name, sb_text_t text)
{
    return (sb_parameter_t){.name = sb_text (name), .value = {.kind = SB_VALUE_TEXT, .text = text}};
}

static void s_ask_page (sb_agent_step_t *self)
{
    enum { PARAMETERS_MAX = 6 };
    sb_reception_t *reception = self->reception;
    const sb_watch_t *watch = reception->active;
    uint32_t room = sb_reception_room (self);
    uint32_t limit = room < SB_RECOVERY_PAGE ? room : SB_RECOVERY_PAGE;
    char command_id[64];
    reception->number++;
    sb_command_request_t *request = &sb_step_send (self, SB_AGENT_MESSAGE_COMMAND)->command;
    sb_parameter_t *parameters = sb_step_take (self, PARAMETERS_MAX * sizeof *parameters);
    uint32_t count = 0;
    parameters[count++] = s_text ("category", sb_step_copy (self, (sb_text_t){watch->name, watch->size - 1}));
    parameters[count++] = s_integer ("after", watch->after);
    parameters[count++] = s_integer ("through", reception->through);
    parameters[count++] = s_integer ("limit", limit);
    sb_text_t prefix = s_only_prefix (self, watch);
    if (prefix.size)
        parameters[count++] = s_text ("prefix", sb_step_copy (self, prefix));
    if (reception->cursor_size)
        parameters[count++] =
            s_text ("cursor", sb_step_copy (self, (sb_text_t){reception->cursor, reception->cursor_size}));
    *request = (sb_command_request_t){.command_id = sb_step_copy (self, s_command_id (self, command_id)),
                                      .command = sb_text ("history"),
                                      .parameters = parameters,
                                      .parameter_count = count,
                                      .issuer = self->config.agent_id,
                                      .issued_unix_ns = self->unix_ns,
                                      .timeout_ms = SB_RECOVERY_ANSWER_MS,
                                      .protocol = SB_PROTOCOL};
    reception->is_awaited = true;
    reception->deadline_ns = self->now_ns + SB_RECOVERY_ANSWER_MS * SB_NS_PER_MS;
}

static bool s_is_true (const sb_command_reply_t *reply, const char *column)
{
    for (uint32_t i = 0; i < reply->record_count; i++) {
        for (uint32_t j = 0; j < reply->records[i].column_count; j++) {
            const sb_parameter_t *found = &reply->records[i].columns[j];
            if (sb_text_equal (found->name, sb_text (column)) && found->value.kind == SB_VALUE_BOOLEAN)
                return found->value.boolean;
        }
    }
    return false;
}

/* Whether a publication waits here: pages come in order, and so did what waits. */
static bool s_is_waiting (sb_reception_t *self, uint64_t sequence)
{
    while (self->compared && self->compared->publication.sequence < sequence)
        self->compared = self->compared->next;
    return self->compared && self->compared->publication.sequence == sequence;
}

static bool s_is_usable (const sb_agent_step_t *self, const sb_publication_t *publication)
{
    uint32_t interval_ms;
    return publication->stream_id == self->reception->stream_id && publication->epoch == self->reception->epoch &&
           publication->sequence && sb_reception_wants (self, publication->topic, &interval_ms);
}

static void s_tell_found (sb_agent_step_t *self, sb_watch_t *watch, sb_noted_t *noted)
{
    if (noted->found_first)
        sb_watch_gap (self, watch, (sb_text_t){noted->topic, noted->topic_size}, noted->found_first, noted->found_last);
    noted->found_first = noted->found_last = 0;
}

/* A publication that was lost: notes it, to be told when nobody told it yet. */
static void s_find (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication)
{
    sb_noted_t *noted = sb_watch_noted (self, watch, publication->topic, true);
    uint64_t topic_sequence = publication->topic_sequence;
    bool is_behind = noted && publication->sequence <= noted->sequence;
    if (!noted || (is_behind && topic_sequence >= noted->from))
        return; /* told when it was missed; or of before the topic began anew */
    if (noted->found_first && noted->found_last + 1 != topic_sequence)
        s_tell_found (self, watch, noted);
    if (!noted->found_first)
        noted->found_first = topic_sequence;
    noted->found_last = topic_sequence;
    if (is_behind)
        return;
    noted->through = topic_sequence;
    noted->sequence = publication->sequence;
}

/* What a publication of a page is to this agent. */
typedef enum { SB_PAGE_OTHER, SB_PAGE_KNOWN, SB_PAGE_WAITING, SB_PAGE_LOST } sb_page_kind_t;

static sb_page_kind_t s_page_kind (sb_agent_step_t *self, const sb_publication_t *publication)
{
    uint64_t sequence, topic_sequence, category_sequence;
    if (!s_is_usable (self, publication))
        return SB_PAGE_OTHER;
    if (s_is_waiting (self->reception, publication->sequence))
        return SB_PAGE_WAITING;
    bool is_known =
        sb_reception_known (self->reception, publication->topic, &sequence, &topic_sequence, &category_sequence) &&
        publication->sequence <= sequence;
    return is_known ? SB_PAGE_KNOWN : SB_PAGE_LOST;
}

/* Takes a page over: what was lost is told before any of it is delivered. False when history cannot help. */
static bool s_take_page (sb_agent_step_t *self, const sb_command_reply_t *reply)
{
    sb_watch_t *watch = self->reception->active;
    sb_page_kind_t *kinds = sb_step_take (self, reply->publication_count * sizeof *kinds);
    for (uint32_t i = 0; i < reply->publication_count; i++) {
        kinds[i] = s_page_kind (self, reply->publications[i]);
        if (kinds[i] == SB_PAGE_LOST)
            s_find (self, watch, reply->publications[i]);
    }
    for (sb_noted_t *noted = watch->noted; noted; noted = noted->next)
        s_tell_found (self, watch, noted);
    for (uint32_t i = 0; i < reply->publication_count; i++) {
        const sb_publication_t *publication = reply->publications[i];
        uint64_t after, received = self->counts.received;
        sb_scope_read (watch, publication);
        if (kinds[i] == SB_PAGE_OTHER)
            continue;
        if (kinds[i] == SB_PAGE_KNOWN)
            sb_reception_skip (watch, publication);
        else if (sb_reception_take (self, watch, publication, true, &after) == SB_MISSING)
            return false;
        if (kinds[i] == SB_PAGE_LOST && self->counts.received > received && watch->recovered < watch->lost) {
            watch->recovered++;
            self->counts.recovered++;
        }
    }
    return true;
}

static void s_history_helps_no_more (sb_agent_step_t *self)
{
    sb_watch_t *watch = self->reception->active;
    sb_watch_needs (watch, SB_NEED_SNAPSHOT);
    sb_recovery_abort (self, false);
}

bool sb_recovery_reply (sb_agent_step_t *self, const sb_command_reply_t *reply)
{
    char command_id[64];
    sb_reception_t *reception = self->reception;
    if (reception->phase != SB_RECOVERY_HISTORY || !reception->is_awaited ||
        !sb_text_equal (reply->command_id, s_command_id (self, command_id)))
        return false;
    sb_watch_t *watch = reception->active;
    reception->is_awaited = false;
    if (reply->code != SB_REASON_NONE || s_is_true (reply, "evicted") || !s_take_page (self, reply) ||
        reply->next_cursor.size > sizeof reception->cursor) {
        s_history_helps_no_more (self);
        return true;
    }
    reception->cursor_size = reply->next_cursor.size;
    if (reply->next_cursor.size) {
        memcpy (reception->cursor, reply->next_cursor.data, reply->next_cursor.size);
        return true;
    }
    if (watch->is_whole && watch->verified < reception->through) {
        s_history_helps_no_more (self);
        return true;
    }
    sb_scope_history_read (watch, reception->through);
    watch->tried_through = reception->through;
    watch->need = SB_NEED_BUFFER;
    reception->compared = NULL;
    reception->phase = SB_RECOVERY_BUFFER;
    return true;
}

static void s_start_history (sb_agent_step_t *self, sb_watch_t *watch)
{
    sb_reception_t *reception = self->reception;
    if (watch->after >= watch->passed) { /* nothing lies between: it is not history that can help */
        watch->need = SB_NEED_SNAPSHOT;
        return;
    }
    reception->active = watch;
    reception->phase = SB_RECOVERY_HISTORY;
    reception->is_awaited = false;
    reception->through = watch->passed;
    reception->cursor_size = 0;
    reception->compared = watch->first;
}

/* ------------------------------------------------------------------ what waited */

/* Something is missing before what waits. */
static void s_missing (sb_agent_step_t *self, sb_watch_t *watch, uint64_t after, uint64_t before)
{
    bool is_tried = watch->tried_through && watch->tried_through + 1 >= before;
    watch->after = after;
    watch->repaired = NULL;
    watch->need = watch->is_conflated || is_tried ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY;
    sb_recovery_done (self);
}

/* A number is missing: to be repaired before anything of behind it is taken. */
static bool s_repair_hole (sb_agent_step_t *self, sb_watch_t *watch, uint64_t category_sequence)
{
    sb_scope_t *scope = sb_scope_with_hole (watch);
    if (!scope || category_sequence <= scope->hole_after)
        return false;
    sb_scope_repair (watch, scope);
    sb_recovery_done (self);
    return true;
}

/* A part of a topic was read before, and a later one after, something that never came. */
static bool s_find_split (const sb_watch_t *watch, uint64_t *after)
{
    for (const sb_noted_t *noted = watch->noted; noted; noted = noted->next) {
        if (noted->is_split) {
            *after = noted->split_category;
            return true;
        }
    }
    return false;
}

/* Nothing waits any more: is it all? */
static void s_end_buffer (sb_agent_step_t *self, sb_watch_t *watch)
{
    uint64_t after = watch->verified;
    if (s_repair_hole (self, watch, UINT64_MAX))
        return;
    if (watch->is_whole && watch->verified < watch->passed) {
        if (!watch->is_told)
            sb_watch_gap (self, watch, (sb_text_t){watch->name, watch->size - 1}, 0, 0);
        s_missing (self, watch, after, watch->passed);
    } else if (s_find_split (watch, &after)) {
        s_missing (self, watch, after, watch->passed);
        if (watch->is_conflated) /* what is held back now may be what is missing: the next snapshot has it whole */
            self->reception->retry_at_ns = sb_step_after (self->now_ns, watch->conflated_ms * SB_NS_PER_MS);
    } else {
        sb_watch_finish (self, watch);
        sb_recovery_done (self);
    }
}

static void s_take_waiting (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    sb_watch_t *watch = reception->active;
    uint32_t room = sb_reception_room (self);
    for (uint32_t left = room < SB_RECOVERY_SLICE ? room : SB_RECOVERY_SLICE; left > 0 && watch->first; left--) {
        const sb_publication_t *publication = &watch->first->publication;
        uint64_t after;
        if (s_repair_hole (self, watch, publication->category_sequence))
            return;
        bool is_of_now = publication->stream_id == reception->stream_id && publication->epoch == reception->epoch;
        if (is_of_now && sb_reception_take (self, watch, publication, true, &after) == SB_MISSING) {
            s_missing (self, watch, after, publication->category_sequence);
            return;
        }
        sb_watch_next (reception, watch);
    }
    if (!watch->first)
        s_end_buffer (self, watch);
}

/* ------------------------------------------------------------------ what is next */

static bool s_is_joined (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    return self->link == SB_LINK_SESSION && reception->is_answered && reception->stream_id == self->stream_id &&
           reception->epoch == self->epoch;
}

static bool s_may_start (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    return s_is_joined (self) && !reception->wants_heads && !reception->awaited_heads &&
           self->now_ns >= reception->retry_at_ns;
}

static bool s_wants_heads (const sb_agent_step_t *self)
{
    return self->reception->wants_heads && s_is_joined (self);
}

static void s_ask_heads (sb_agent_step_t *self)
{
    enum { LATE_MAX = 3 }; /* answers to earlier beats that may still come; more were lost */
    sb_reception_t *reception = self->reception;
    sb_session_ask_heads (self);
    reception->wants_heads = false;
    reception->awaited_heads = self->beats_unanswered < LATE_MAX ? self->beats_unanswered : LATE_MAX;
}

static sb_watch_t *s_next (const sb_reception_t *self)
{
    for (uint32_t i = 0; i < self->watch_count; i++) {
        if (self->watches[i]->need != SB_NEED_NOTHING || self->watches[i]->first)
            return self->watches[i];
    }
    return NULL;
}

static bool s_has_something_to_start (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    if (reception->phase != SB_RECOVERY_IDLE || !s_may_start (self))
        return false;
    bool has_repair = !reception->has_base || s_next (reception);
    return has_repair ? sb_reception_good_room (self) > 0 : reception->tells_join;
}

static void s_start (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    if (!reception->has_base) {
        sb_scan_start (self, NULL);
        return;
    }
    sb_watch_t *watch = s_next (reception);
    if (!watch) { /* the join has come to its end */
        reception->tells_join = false;
        sb_step_effect (self, SB_AGENT_EFFECT_RECOVERED)->recovered.kind =
            reception->is_join_by_snapshot ? SB_RECOVERED_BY_SNAPSHOT : SB_RECOVERED_BY_HISTORY;
        reception->is_join_by_snapshot = false;
        return;
    }
    sb_watch_needs (watch, SB_NEED_BUFFER);
    if (watch->need == SB_NEED_SNAPSHOT) {
        sb_scan_start (self, watch);
    } else if (watch->need == SB_NEED_HISTORY) {
        s_start_history (self, watch);
    } else {
        reception->active = watch;
        reception->phase = SB_RECOVERY_BUFFER;
    }
}

bool sb_recovery_has_work (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    if (self->link != SB_LINK_SESSION)
        return false;
    if (s_wants_heads (self))
        return true;
    switch (reception->phase) {
    case SB_RECOVERY_IDLE:
        return s_has_something_to_start (self);
    case SB_RECOVERY_HISTORY:
        return !reception->is_awaited && sb_reception_good_room (self) > 0;
    case SB_RECOVERY_SNAPSHOT:
        return sb_scan_has_work (self);
    case SB_RECOVERY_CATCH_UP:
        return false;
    case SB_RECOVERY_BUFFER:
        return !reception->active->first || sb_reception_good_room (self) > 0;
    }
    return false;
}

void sb_recovery_flush (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    /* What takes no effects is done at once; what is left goes on in the next event. */
    while (sb_recovery_has_work (self) && self->effect_count < SB_RECOVERY_SLICE) {
        if (s_wants_heads (self))
            s_ask_heads (self);
        else if (reception->phase == SB_RECOVERY_IDLE)
            s_start (self);
        else if (reception->phase == SB_RECOVERY_HISTORY)
            s_ask_page (self);
        else if (reception->phase == SB_RECOVERY_SNAPSHOT)
            sb_scan_flush (self);
        else
            s_take_waiting (self);
    }
}

/* ------------------------------------------------------------------ session and time */

void sb_recovery_welcome (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    reception->retry_ms = 0;
    reception->retry_at_ns = 0;
    reception->unheard_beats = self->has_agent_parts ? 2 : 0; /* the first may be older than the registration */
    bool is_other = reception->stream_id != self->stream_id || reception->epoch != self->epoch;
    if (is_other && reception->is_answered)
        sb_joiner_ask (self);
}

void sb_recovery_session_lost (sb_agent_step_t *self)
{
    sb_recovery_abort (self, true);
    if (self->reception->awaited_heads)
        self->reception->wants_heads = true;
    self->reception->awaited_heads = 0;
}

void sb_recovery_tick (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    sb_joiner_tick (self);
    if (reception->phase == SB_RECOVERY_IDLE || !reception->is_awaited || self->now_ns < reception->deadline_ns)
        return;
    sb_step_log (self, SB_SEVERITY_WARNING, "a repair got no answer: begun again", (sb_text_t){NULL, 0});
    if (reception->phase == SB_RECOVERY_HISTORY)
        sb_watch_needs (reception->active, SB_NEED_SNAPSHOT);
    if (reception->phase == SB_RECOVERY_CATCH_UP) {
        sb_recovery_abort (self, true);
        sb_joiner_ask (self); /* no beat came for seconds: the SUB is in doubt */
        return;
    }
    sb_recovery_retry (self);
}

uint64_t sb_recovery_deadline (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    uint64_t deadline_ns = reception->join_at_ns;
    if (self->link == SB_LINK_FINISHED)
        return UINT64_MAX;
    if (reception->phase != SB_RECOVERY_IDLE && reception->is_awaited && reception->deadline_ns < deadline_ns)
        deadline_ns = reception->deadline_ns;
    if (reception->phase == SB_RECOVERY_IDLE && reception->retry_at_ns > self->now_ns &&
        reception->retry_at_ns < deadline_ns)
        deadline_ns = reception->retry_at_ns;
    return deadline_ns;
}

bool sb_recovery_is_current (const sb_agent_step_t *self)
{
    const sb_reception_t *reception = self->reception;
    if (!sb_joiner_is_wanted (self))
        return self->link == SB_LINK_SESSION;
    return self->link == SB_LINK_SESSION && !sb_recovery_waits_for_all (reception) && !reception->tells_join &&
           !reception->wants_heads && !reception->awaited_heads && !s_next (reception) &&
           reception->stream_id == self->stream_id && reception->epoch == self->epoch;
}

bool sb_recovery_is_topic_current (const sb_agent_step_t *self, sb_text_t topic)
{
    const sb_reception_t *reception = self->reception;
    if (self->link != SB_LINK_SESSION || sb_recovery_waits_for_all (reception) || reception->wants_heads ||
        reception->awaited_heads)
        return false;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        const sb_watch_t *watch = reception->watches[i];
        if (topic.size >= watch->size && memcmp (topic.data, watch->name, watch->size) == 0)
            return watch->need == SB_NEED_NOTHING && !watch->first;
    }
    return true;
}

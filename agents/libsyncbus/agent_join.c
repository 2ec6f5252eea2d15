/* SPDX-License-Identifier: MPL-2.0
 *
 * The SUB's side: connection, joins, beats.
 *
 * Each handshake of the SUB draws a nonce and subscribes to ~join.<nonce>. behind everything else; the broker answers
 * there with its heads, so from then on nothing of the interests can come that was not subscribed to. Without an
 * answer for 2 s another nonce is drawn. The answer is judged like a beat: what its heads have and this agent has not
 * was lost, unless no snapshot was taken yet. A beat says so of the last publications too; where an interest covers a
 * whole category by the category's head, else by the heads in HeartbeatAck, once a beat of their time has come on the
 * same SUB; where publications may be held back by conflation, after that time.
 */
#include <string.h>

#include "agent_recovery.h"
#include "sb_names.h"

bool sb_joiner_is_wanted (const sb_agent_step_t *self)
{
    return self->config.interest_count > 0;
}

void sb_joiner_new_stream (sb_agent_step_t *self, uint64_t stream_id, uint64_t epoch)
{
    sb_reception_t *reception = self->reception;
    if (reception->stream_id == stream_id && reception->epoch == epoch)
        return;
    sb_recovery_abort (self, false);
    reception->stream_id = stream_id;
    reception->epoch = epoch;
    reception->has_base = false;
    reception->sub_sequence = 0;
    sb_copy_new_stream (reception->copy, stream_id, epoch);
    for (uint32_t i = 0; i < reception->position_count; i++) {
        sb_position_t *position = &reception->positions[i];
        position->sequence = position->category_sequence = position->covered = 0;
        position->head_sequence = position->head_category_sequence = 0;
    }
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        sb_watch_forget_notes (reception, watch);
        watch->verified = watch->passed = watch->came = watch->after = watch->judged = watch->tried_through = 0;
        watch->checked = watch->mark = watch->checked_mark = 0;
        watch->judge_at_ns = UINT64_MAX;
        if (watch->need != SB_NEED_NOTHING || watch->is_told)
            watch->need = SB_NEED_BUFFER; /* its episode ends with the snapshot of everything */
    }
}

/* ------------------------------------------------------------------ asking */

static uint64_t s_draw (sb_agent_step_t *self)
{
    uint64_t word = self->random += UINT64_C (0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C (0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C (0x94D049BB133111EB);
    return word ^ (word >> 31);
}

void sb_joiner_ask (sb_agent_step_t *self)
{
    static const char digits[] = "0123456789abcdef";
    sb_reception_t *reception = self->reception;
    reception->is_answered = false;
    reception->is_suspicious = false;
    if (!reception->is_subscribed || !sb_joiner_is_wanted (self) || self->link == SB_LINK_FINISHED) {
        reception->join_at_ns = UINT64_MAX;
        return;
    }
    memcpy (reception->join_prefix, "~join.", 6);
    uint32_t size = 6;
    for (int i = 0; i < 2; i++) {
        uint64_t word = i ? self->config.instance_id ^ s_draw (self) : s_draw (self);
        for (int j = 0; j < 12; j++, word >>= 4)
            reception->join_prefix[size++] = digits[word & 15];
    }
    reception->join_prefix[size++] = '.';
    reception->join_prefix_size = size;
    reception->join_at_ns = self->now_ns + SB_JOIN_ANSWER_MS * SB_NS_PER_MS;
    sb_step_effect (self, SB_AGENT_EFFECT_JOIN)->join_prefix =
        sb_step_copy (self, (sb_text_t){reception->join_prefix, size});
}

void sb_joiner_subscribed (sb_agent_step_t *self, bool is_subscribed)
{
    sb_reception_t *reception = self->reception;
    if (!sb_joiner_is_wanted (self))
        return;
    reception->is_subscribed = is_subscribed;
    reception->is_answered = false;
    reception->join_at_ns = UINT64_MAX;
    sb_recovery_abort (self, true);
    if (is_subscribed)
        sb_joiner_ask (self);
}

void sb_joiner_tick (sb_agent_step_t *self)
{
    if (self->now_ns >= self->reception->join_at_ns) {
        sb_step_log (self, SB_SEVERITY_INFO, "the broker did not answer a join: asked again", (sb_text_t){NULL, 0});
        sb_joiner_ask (self);
    }
}

/* ------------------------------------------------------------------ heads */

/* The integer of that name; -1 when it is not there. */
static int64_t s_integer (const sb_publication_t *publication, const char *name)
{
    int64_t integer = -1;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_value_t *value = sb_update_find (&publication->updates[i], name);
        if (value && value->kind == SB_VALUE_INTEGER)
            integer = value->integer;
    }
    return integer;
}

/* Its last publications are lost. */
static void s_lost_tail (sb_agent_step_t *self, sb_watch_t *watch, sb_text_t interest)
{
    if (!watch->is_told)
        sb_watch_gap (self, watch, interest, 0, 0);
    watch->after = watch->verified;
    sb_watch_needs (watch, watch->is_conflated ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY);
}

/* The head of a category where publications may be held back: judged once that time is over. */
static void s_judge_conflated (sb_agent_step_t *self, sb_watch_t *watch, uint64_t head)
{
    if (watch->judged && watch->came >= watch->judged)
        watch->judged = 0;
    if (watch->judged && self->now_ns >= watch->judge_at_ns) {
        s_lost_tail (self, watch, (sb_text_t){watch->name, watch->size - 1});
        watch->judged = 0;
    } else if (!watch->judged && head > watch->came) {
        watch->judged = head;
        watch->judge_at_ns = sb_step_after (self->now_ns, (watch->conflated_ms + 1000) * SB_NS_PER_MS);
    }
}

/* One category's head, as a beat or the answer to a join gave it. */
static void s_judge (sb_agent_step_t *self, sb_watch_t *watch, uint64_t head, bool is_beat)
{
    bool was_current = watch->need == SB_NEED_NOTHING;
    if (head > watch->passed)
        watch->passed = head;
    if (!self->reception->has_base) {
        watch->verified = is_beat ? watch->verified : head;
        return;
    }
    if (!is_beat) { /* what was missed meanwhile may be in any topic of it */
        if (watch->first)
            sb_watch_needs (watch, SB_NEED_BUFFER);
        if (head > watch->verified && !watch->is_whole) {
            watch->after = watch->verified;
            sb_watch_needs (watch, watch->is_conflated ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY);
        } else if (head > watch->verified) {
            sb_watch_needs (watch, SB_NEED_BUFFER); /* which finds out what is missing */
        }
        return;
    }
    if (!was_current)
        return;
    sb_text_t name = {watch->name, watch->size - 1};
    if (watch->is_whole && head > watch->verified)
        s_lost_tail (self, watch, name);
    else if (!watch->is_whole && self->reception->is_suspicious && head > watch->verified)
        s_lost_tail (self, watch, name);
    else if (watch->is_conflated && watch->is_covered)
        s_judge_conflated (self, watch, head);
}

/* Longer prefixes, by the heads of HeartbeatAck. */
static void s_judge_positions (sb_agent_step_t *self, uint64_t beat_sequence)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->position_count; i++) {
        sb_position_t *position = &reception->positions[i];
        sb_text_t prefix = {position->prefix, position->prefix_size};
        sb_watch_t *watch = prefix.size ? sb_watch_of_topic (self, prefix) : NULL;
        if (!watch || watch->is_covered || watch->need != SB_NEED_NOTHING)
            continue;
        if (position->sequence >= position->head_sequence || position->covered >= position->head_sequence ||
            position->head_sequence > beat_sequence)
            continue;
        uint64_t held_back_ns = (uint64_t)watch->conflated_ms * SB_NS_PER_MS;
        if (watch->is_conflated && self->now_ns < sb_step_after (position->head_at_ns, held_back_ns))
            continue;
        s_lost_tail (self, watch, (sb_text_t){position->interest, position->interest_size});
    }
}

void sb_joiner_heads (sb_agent_step_t *self, const sb_heartbeat_ack_t *ack)
{
    sb_reception_t *reception = self->reception;
    if (ack->stream_id != reception->stream_id || ack->epoch != reception->epoch)
        return;
    for (uint32_t i = 0; i < ack->head_count; i++) {
        for (uint32_t j = 0; j < reception->position_count; j++) {
            sb_position_t *position = &reception->positions[j];
            if (!sb_text_equal ((sb_text_t){position->interest, position->interest_size}, ack->heads[i].interest))
                continue;
            /* Where publications are held back, an ever newer head would never be judged. */
            bool is_open = position->head_sequence > position->sequence && position->head_sequence > position->covered;
            if (position->is_held_back && is_open)
                continue;
            if (ack->heads[i].sequence != position->head_sequence)
                position->head_at_ns = self->now_ns;
            position->head_sequence = ack->heads[i].sequence;
            position->head_category_sequence = ack->heads[i].category_sequence;
        }
    }
}

static void s_each_head (sb_agent_step_t *self, const sb_publication_t *publication, bool is_beat)
{
    static const char prefix[] = "head.";
    for (uint32_t i = 0; i < publication->update_count; i++) {
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (change->name.size < sizeof prefix || memcmp (change->name.data, prefix, sizeof prefix - 1) != 0 ||
                change->value.kind != SB_VALUE_INTEGER || change->value.integer < 0)
                continue;
            sb_text_t category = {change->name.data + sizeof prefix - 1,
                                  change->name.size - (uint32_t)(sizeof prefix - 1)};
            sb_watch_t *watch = sb_watch_of_name (self, category);
            if (watch)
                s_judge (self, watch, (uint64_t)change->value.integer, is_beat);
        }
    }
}

/* What changes with each publication of a category that this agent reads. */
static uint64_t s_mark (const sb_reception_t *self, const sb_watch_t *watch)
{
    uint64_t mark = watch->is_covered ? watch->passed : 0;
    for (uint32_t i = 0; !watch->is_covered && i < self->position_count; i++) {
        const sb_position_t *position = &self->positions[i];
        if (position->prefix_size >= watch->size && memcmp (position->prefix, watch->name, watch->size) == 0)
            mark += position->head_sequence;
    }
    return mark;
}

/* Where several topics stand behind one head, the loss of one's last publication hides behind another's next. Once it
 * is quiet there, all of it is looked at. */
static void s_check_hidden (sb_agent_step_t *self, sb_watch_t *watch)
{
    uint64_t mark = s_mark (self->reception, watch);
    if (mark != watch->mark) {
        watch->mark = mark;
        watch->mark_at_ns = self->now_ns;
    }
    uint64_t quiet_at_ns =
        sb_step_after (watch->mark_at_ns, (watch->conflated_ms + SB_RECOVERY_CHECK_MS) * SB_NS_PER_MS);
    if (mark == watch->checked_mark || self->now_ns < quiet_at_ns)
        return;
    watch->checked_mark = mark;
    if (watch->passed > watch->checked) {
        bool is_long = watch->passed - watch->checked > SB_RECOVERY_CHECK_MAX;
        watch->after = watch->checked;
        sb_watch_needs (watch, watch->is_conflated || is_long ? SB_NEED_SNAPSHOT : SB_NEED_HISTORY);
    }
    watch->checked = watch->passed;
}

/* What a fine beat says of categories that are not watched by their own head: all up to it came. */
static void s_verify (sb_agent_step_t *self)
{
    sb_reception_t *reception = self->reception;
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        if (watch->is_whole || watch->need != SB_NEED_NOTHING)
            continue;
        if (watch->passed > watch->verified)
            watch->verified = watch->passed;
        s_check_hidden (self, watch);
    }
}

static void s_beat (sb_agent_step_t *self, const sb_publication_t *beat, uint64_t sequence)
{
    sb_reception_t *reception = self->reception;
    if (!reception->is_answered)
        return;
    bool is_other = beat->stream_id != reception->stream_id || beat->epoch != reception->epoch;
    if (is_other || (reception->has_base && sequence < reception->sub_sequence)) {
        if (beat->stream_id == reception->stream_id && beat->epoch < reception->epoch)
            return;
        if (!is_other) {
            sb_step_log (self, SB_SEVERITY_WARNING, "the broker's head went back: joined anew", (sb_text_t){NULL, 0});
            reception->has_base = false;
        }
        sb_recovery_abort (self, true);
        sb_joiner_ask (self);
        return;
    }
    reception->sub_sequence = sequence;
    s_each_head (self, beat, true);
    if (reception->has_base) {
        s_judge_positions (self, sequence);
        reception->is_suspicious = false;
        s_verify (self);
    }
}

static void s_answer (sb_agent_step_t *self, const sb_publication_t *answer, uint64_t sequence)
{
    sb_reception_t *reception = self->reception;
    if (reception->is_answered || reception->join_prefix_size == 0 ||
        answer->topic.size < reception->join_prefix_size ||
        memcmp (answer->topic.data, reception->join_prefix, reception->join_prefix_size) != 0)
        return;
    reception->join_at_ns = UINT64_MAX;
    reception->is_answered = true;
    reception->tells_join = true;
    self->counts.joins++;
    bool is_back = reception->stream_id == answer->stream_id && reception->epoch == answer->epoch &&
                   sequence < reception->sub_sequence;
    sb_joiner_new_stream (self, answer->stream_id, answer->epoch);
    if (is_back)
        reception->has_base = false;
    if (is_back || sequence > reception->sub_sequence)
        reception->sub_sequence = sequence;
    s_each_head (self, answer, false);
}

void sb_joiner_level (sb_agent_step_t *self, const sb_publication_t *publication, bool is_beat)
{
    int64_t sequence = s_integer (publication, "sequence");
    if (sequence < 0 || !sb_joiner_is_wanted (self))
        return;
    if (is_beat)
        s_beat (self, publication, (uint64_t)sequence);
    else
        s_answer (self, publication, (uint64_t)sequence);
}

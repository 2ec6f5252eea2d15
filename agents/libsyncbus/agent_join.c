/* SPDX-License-Identifier: MPL-2.0
 *
 * The SUB's side: connection, joins, beats.
 *
 * Each handshake of the SUB draws a nonce and subscribes to ~join.<nonce>. behind everything else; the broker answers
 * there with its heads, so from then on nothing of the interests can come that was not subscribed to. Without an
 * answer for 2 s another nonce is drawn. The answer is judged like a beat: what its heads have and this agent has not
 * was lost, unless no snapshot was taken yet; of agents' parts of categories HeartbeatAck's heads tell, which are asked
 * for then. A beat says of the last publications too that they were lost, the heads in HeartbeatAck once a beat of
 * their time has come on the same SUB.
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
    reception->sub_sequence = reception->told_sequence = 0;
    sb_copy_new_stream (reception->copy, stream_id, epoch);
    for (uint32_t i = 0; i < reception->position_count; i++) {
        sb_position_t *position = &reception->positions[i];
        position->sequence = position->category_sequence = position->covered = 0;
        position->head_sequence = position->head_category_sequence = position->head_agent_sequence = 0;
        position->gone_sequence = 0;
    }
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        sb_watch_forget_notes (reception, watch);
        sb_scope_forget (watch);
        watch->verified = watch->passed = watch->after = watch->covered = watch->tried_through = 0;
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
    else
        sb_conflation_ask_again (self);
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
static void s_lost_tail (sb_agent_step_t *self, sb_watch_t *watch)
{
    if (!watch->is_told)
        sb_watch_gap (self, watch, (sb_text_t){watch->name, watch->size - 1}, 0, 0);
    watch->after = watch->verified;
    sb_watch_needs (watch, SB_NEED_HISTORY);
}

/* One category's head, as a beat or the answer to a join gave it. */
static void s_judge (sb_agent_step_t *self, sb_watch_t *watch, uint64_t head, bool is_beat)
{
    bool was_current = watch->need == SB_NEED_NOTHING;
    bool has_base = self->reception->has_base;
    if (head > watch->passed)
        watch->passed = head;
    sb_scope_category_head (self, watch, head, !is_beat && !has_base);
    if (!has_base) {
        watch->verified = is_beat ? watch->verified : head;
        return;
    }
    if (!is_beat) { /* what was missed meanwhile may be in any topic of it */
        if (watch->first)
            sb_watch_needs (watch, SB_NEED_BUFFER);
        if (head > watch->verified && watch->is_whole)
            sb_watch_needs (watch, SB_NEED_BUFFER); /* which finds out what is missing */
    } else if (was_current && watch->is_whole && head > watch->verified) {
        s_lost_tail (self, watch);
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
            position->head_sequence = ack->heads[i].sequence;
            position->head_category_sequence = ack->heads[i].category_sequence;
            position->head_agent_sequence = ack->heads[i].agent_sequence;
            position->gone_sequence = ack->heads[i].sequence ? 0 : ack->sequence;
        }
    }
    if (reception->awaited_heads && --reception->awaited_heads == 0)
        sb_scope_missed (self);
}

/* conflated.<ms>.<category> */
static bool s_split_conflated (sb_text_t name, uint32_t *interval_ms, sb_text_t *category)
{
    static const char prefix[] = "conflated.";
    if (name.size <= sizeof prefix || memcmp (name.data, prefix, sizeof prefix - 1) != 0)
        return false;
    uint32_t i = sizeof prefix - 1;
    for (*interval_ms = 0; i < name.size && name.data[i] >= '0' && name.data[i] <= '9' && *interval_ms < 100000; i++)
        *interval_ms = *interval_ms * 10 + (uint32_t)(name.data[i] - '0');
    if (i + 1 >= name.size || name.data[i] != '.')
        return false;
    *category = (sb_text_t){name.data + i + 1, name.size - i - 1};
    return true;
}

static void s_each_head (sb_agent_step_t *self, const sb_publication_t *publication, bool is_beat)
{
    static const char prefix[] = "head.";
    uint32_t interval_ms;
    sb_text_t conflated;
    for (uint32_t i = 0; i < publication->update_count; i++) {
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (change->value.kind != SB_VALUE_INTEGER || change->value.integer < 0)
                continue;
            if (s_split_conflated (change->name, &interval_ms, &conflated)) {
                sb_watch_t *merged = sb_watch_of_name (self, conflated);
                if (merged)
                    sb_scope_conflated_head (merged, interval_ms, (uint64_t)change->value.integer);
                continue;
            }
            if (change->name.size < sizeof prefix || memcmp (change->name.data, prefix, sizeof prefix - 1) != 0)
                continue;
            sb_text_t category = {change->name.data + sizeof prefix - 1,
                                  change->name.size - (uint32_t)(sizeof prefix - 1)};
            sb_watch_t *watch = sb_watch_of_name (self, category);
            if (watch)
                s_judge (self, watch, (uint64_t)change->value.integer, is_beat);
        }
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
    reception->sub_sequence = reception->told_sequence = sequence;
    s_each_head (self, beat, true);
    sb_scope_judge_parts (self, sequence);
    bool is_counted_on = sb_scope_beat (self);
    if (reception->has_base && reception->unheard_beats && --reception->unheard_beats == 0)
        sb_scope_read_unheard (self);
    if (is_counted_on)
        return;
    sb_step_log (self, SB_SEVERITY_INFO, "the broker counts conflated publications anew: joined again",
                 (sb_text_t){NULL, 0});
    sb_recovery_abort (self, true);
    sb_joiner_ask (self);
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
    reception->told_sequence = sequence;
    s_each_head (self, answer, false);
    sb_scope_joined (self);
    sb_conflation_look (self, answer);
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

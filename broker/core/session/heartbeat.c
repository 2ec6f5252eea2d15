/* SPDX-License-Identifier: MPL-2.0
 *
 * Heartbeats: what an agent says of itself, and the level that answers it.
 *
 * The counts are kept as they came; positions give the backlog: head of each interest less what was seen. The
 * answer repeats everything that both sides must agree on, so that no lost message leaves a lasting
 * disagreement. O(interests squared) at worst, O(interests) when sent in our order.
 */
#include "state.h"

enum { BACKLOG_LONG = 1000, BACKLOG_SHORT = 100 };

/* Takes over the positions. */
static void s_take_positions (sb_agent_record_t *agent, const sb_heartbeat_t *beat)
{
    for (uint32_t i = 0; i < agent->interest_count; i++) {
        sb_interest_t *interest = &agent->interests[i];
        for (uint32_t j = 0; j < beat->seen_count; j++) {
            uint32_t place = (i + j) % beat->seen_count; /* sent in our order, as a rule */
            if (!sb_octets_same (beat->seen[place].interest, interest->text))
                continue;
            interest->seen = (sb_head_t){.sequence = beat->seen[place].sequence,
                                         .category_sequence = beat->seen[place].category_sequence};
            break;
        }
    }
}

/* What was published by now and not seen at the last beat. */
static uint64_t s_unseen (const sb_core_t *self, const sb_agent_record_t *agent)
{
    uint64_t backlog = 0;
    for (uint32_t i = 0; i < agent->interest_count; i++) {
        sb_interest_t *interest = &agent->interests[i];
        sb_head_t head = sb_core_interest_head (self, interest);
        if (head.sequence <= interest->seen.sequence)
            continue;
        bool is_all = interest->prefix.size == 0;
        uint64_t at = is_all ? head.sequence : head.category_sequence;
        uint64_t seen = is_all ? interest->seen.sequence : interest->seen.category_sequence;
        if (seen > 0 && at > seen) /* nothing seen yet: it joined later, or nothing was sent since */
            backlog += at - seen;
    }
    return backlog;
}

uint64_t sb_heartbeat_backlog (const sb_core_t *self, const sb_agent_record_t *agent)
{
    bool is_silent = agent->liveness.state == SB_LIVENESS_SUSPECT || agent->liveness.state == SB_LIVENESS_DEAD;
    return is_silent ? s_unseen (self, agent) : agent->backlog;
}

/* Says when a reader falls far behind, and when it caught up. */
static void s_judge_backlog (sb_core_t *self, sb_agent_record_t *agent, uint64_t backlog)
{
    agent->backlog = backlog;
    bool is_behind = agent->is_behind ? backlog > BACKLOG_SHORT : backlog > BACKLOG_LONG;
    if (is_behind == agent->is_behind)
        return;
    agent->is_behind = is_behind;
    sb_events_behind (self, agent, backlog, is_behind);
}

static void s_emit_ack (sb_core_t *self, sb_agent_record_t *agent, const sb_heartbeat_t *beat)
{
    sb_broker_message_t *message = sb_core_add_send (self, agent->peer);
    message->kind = SB_BROKER_MESSAGE_HEARTBEAT_ACK;
    sb_heartbeat_ack_t *ack = &message->heartbeat_ack;
    ack->broker_unix_ns = self->now_unix_ns;
    ack->decided_through = agent->decided_through;
    ack->refused_count = sb_decide_refusals (self, agent, beat->decided_through, &ack->refused);
    ack->state_known = sb_core_state_known (self, agent);
    sb_control_operator_status (self, agent, &ack->operator_state);
    sb_control_latch_status (self, &ack->latch);
    sb_control_breaker_status (self, agent, &ack->breaker);
    ack->heads = sb_interest_heads (self, agent);
    ack->head_count = agent->interest_count;
    ack->stream_id = self->identity.stream_id;
    ack->epoch = self->identity.epoch;
    ack->sequence = self->sequence;
}

void sb_heartbeat (sb_core_t *self, sb_agent_record_t *agent, const sb_heartbeat_t *beat)
{
    sb_core_counter_add (self, SB_COUNTER_heartbeats, 1);
    sb_histogram_merge (&self->deliveries, beat->delivery_buckets, beat->delivery_bucket_count);
    sb_control_heartbeat (self, agent, beat);
    agent->beat = *beat;
    agent->beat.seen = NULL;
    agent->beat.seen_count = 0;
    agent->beat.delivery_buckets = NULL;
    agent->beat.delivery_bucket_count = 0;
    agent->beat_unix_ns = self->now_unix_ns;
    s_take_positions (agent, beat);
    s_judge_backlog (self, agent, s_unseen (self, agent));
    s_emit_ack (self, agent, beat);
}

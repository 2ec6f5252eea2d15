/* SPDX-License-Identifier: MPL-2.0
 *
 * Time: one deadline an agent in a lazy binary heap, whole ticks, work left over, and the broker's guard against
 * itself.
 *
 * A deadline that moves later leaves its place in the heap alone (every message of an agent does that: O(1)); when the
 * old time comes, the entry is put where it belongs. Only SB_EVENT_TICK judges. When it comes late, the
 * lateness is the broker's own and is added to everybody's deadlines first. Longer work is a list of agents, a slice
 * each in turn; when a tick's work has taken tick_timeout in all, the rest waits for the next tick.
 */
#include "state.h"

#include <assert.h>

enum {
    DUE_MAX = 4096,  /* agents judged in one step */
    WORK_MAX = 64,   /* slices done in one step, as long as they made fewer than SB_SLICE / 4 effects, a page at most */
    LATE_MIN_MS = 50 /* half of the shortest heartbeat interval */
};

/* ---- the heap */

static void s_put (sb_core_t *self, uint32_t place, sb_timer_t timer)
{
    self->heap[place] = timer;
    sb_agent_at (self, timer.agent)->heap_place = place + 1;
}

static void s_sift_up (sb_core_t *self, uint32_t place)
{
    sb_timer_t timer = self->heap[place];
    while (place > 0 && self->heap[(place - 1) / 2].deadline_ns > timer.deadline_ns) {
        s_put (self, place, self->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    s_put (self, place, timer);
}

static void s_sift_down (sb_core_t *self, uint32_t place)
{
    sb_timer_t timer = self->heap[place];
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= self->heap_count)
            break;
        if (child + 1 < self->heap_count && self->heap[child + 1].deadline_ns < self->heap[child].deadline_ns)
            child++;
        if (self->heap[child].deadline_ns >= timer.deadline_ns)
            break;
        s_put (self, place, self->heap[child]);
        place = child;
    }
    s_put (self, place, timer);
}

static void s_heap_remove (sb_core_t *self, sb_agent_record_t *agent)
{
    if (!agent->heap_place)
        return;
    uint32_t place = agent->heap_place - 1;
    agent->heap_place = 0;
    sb_timer_t last = self->heap[--self->heap_count];
    if (place == self->heap_count)
        return;
    s_put (self, place, last);
    s_sift_up (self, place);
    s_sift_down (self, sb_agent_at (self, last.agent)->heap_place - 1);
}

/* When the record of an agent that is gone has been kept long enough. */
static uint64_t s_forget_ns (const sb_core_t *self, const sb_agent_record_t *agent)
{
    bool is_over = agent->liveness.state == SB_LIVENESS_DEAD || agent->liveness.state == SB_LIVENESS_OFFLINE;
    bool has_more = agent->topic_count > 0 || !sb_control_is_kept (agent);
    if (!is_over || agent->peer || agent->is_leaving || !has_more)
        return SB_NEVER;
    if (sb_control_is_kept (agent) && agent->field_count == 0)
        return SB_NEVER;
    return agent->liveness.since_ns + self->config.forget_after_ms * SB_MS;
}

void sb_core_schedule (sb_core_t *self, sb_agent_record_t *agent, uint64_t deadline_ns)
{
    uint64_t forget_ns = s_forget_ns (self, agent);
    if (forget_ns < deadline_ns)
        deadline_ns = forget_ns;
    agent->deadline_ns = deadline_ns;
    if (agent->heap_place) {
        uint32_t place = agent->heap_place - 1;
        if (deadline_ns >= self->heap[place].deadline_ns)
            return;
        self->heap[place].deadline_ns = deadline_ns;
        s_sift_up (self, place);
    } else if (deadline_ns != SB_NEVER) {
        self->heap[self->heap_count] = (sb_timer_t){deadline_ns, agent->slot};
        s_sift_up (self, self->heap_count++);
    }
}

/* Judges the agents whose time has come, DUE_MAX of them. */
static void s_judge_agents (sb_core_t *self)
{
    for (uint32_t judged = 0; judged < DUE_MAX && self->heap_count && self->heap[0].deadline_ns <= self->now_ns;
         judged++) {
        sb_agent_record_t *agent = sb_agent_at (self, self->heap[0].agent);
        if (agent->deadline_ns > self->now_ns) {
            self->heap[0].deadline_ns = agent->deadline_ns;
            s_sift_down (self, 0);
            if (agent->deadline_ns == SB_NEVER)
                s_heap_remove (self, agent);
            continue;
        }
        s_heap_remove (self, agent);
        if (s_forget_ns (self, agent) <= self->now_ns) {
            sb_core_forget_agent (self, agent);
            continue;
        }
        uint64_t next_ns = sb_control_expire (self, agent);
        sb_core_request_quality (self, agent);
        sb_core_schedule (self, agent, next_ns);
    }
}

/* ---- work left over */

void sb_timer_add_work (sb_core_t *self, sb_agent_record_t *agent)
{
    if (agent->in_work)
        return;
    agent->in_work = true;
    agent->work_next = 0;
    if (self->work_last)
        sb_agent_at (self, self->work_last)->work_next = agent->slot;
    else
        self->work_first = agent->slot;
    self->work_last = agent->slot;
}

/* Takes the first agent off the list. */
static sb_agent_record_t *s_next_work (sb_core_t *self)
{
    sb_agent_record_t *agent = sb_agent_at (self, self->work_first);
    self->work_first = agent->work_next;
    if (!self->work_first)
        self->work_last = 0;
    agent->in_work = false;
    return agent;
}

static void s_unlink_work (sb_core_t *self, sb_agent_record_t *agent)
{
    uint32_t before = 0;
    for (uint32_t slot = self->work_first; slot != agent->slot; slot = sb_agent_at (self, slot)->work_next)
        before = slot;
    if (before)
        sb_agent_at (self, before)->work_next = agent->work_next;
    else
        self->work_first = agent->work_next;
    if (self->work_last == agent->slot)
        self->work_last = before;
    agent->in_work = false;
}

/* The list of acks is cut in the same way: an agent without session has no ack to come. */
static void s_unlink_ack (sb_core_t *self, sb_agent_record_t *agent)
{
    uint32_t before = 0;
    for (uint32_t slot = self->ack_first; slot != agent->slot; slot = sb_agent_at (self, slot)->ack_next)
        before = slot;
    if (before)
        sb_agent_at (self, before)->ack_next = agent->ack_next;
    else
        self->ack_first = agent->ack_next;
    if (self->ack_last == agent->slot)
        self->ack_last = before;
    agent->ack_pending = false;
}

void sb_timer_forget (sb_core_t *self, sb_agent_record_t *agent)
{
    s_heap_remove (self, agent);
    if (agent->in_work)
        s_unlink_work (self, agent);
    if (agent->ack_pending)
        s_unlink_ack (self, agent);
}

/* One slice of whatever the agent has left over. */
static void s_work_slice (sb_core_t *self, sb_agent_record_t *agent)
{
    bool is_leaving = agent->is_leaving;
    bool is_left = false;
    if (is_leaving)
        is_left = sb_registry_leave_slice (self, agent);
    else if (sb_replace_is_applying (agent))
        is_left = sb_replace_slice (self, agent);
    if (is_leaving && !is_left)
        return; /* the record may be gone */
    if (!is_leaving && agent->walk_topic)
        is_left = sb_quality_slice (self, agent) || is_left;
    if (is_left)
        sb_timer_add_work (self, agent);
}

static void s_work (sb_core_t *self)
{
    uint32_t before = self->effect_count;
    for (uint32_t i = 0; i < WORK_MAX && self->work_first && self->effect_count - before < SB_SLICE / 4 &&
                         self->work_bytes < SB_PAGE_BYTES;
         i++)
        s_work_slice (self, s_next_work (self));
}

/* ---- ticks */

/* The earliest thing that an agent, a command or the next whole tick waits for. */
static uint64_t s_due_ns (const sb_core_t *self)
{
    uint64_t due_ns = self->tick_due_ns;
    if (self->heap_count && self->heap[0].deadline_ns < due_ns)
        due_ns = self->heap[0].deadline_ns;
    uint64_t others_ns[] = {sb_commands_deadline (self), sb_conflation_deadline (self), sb_expiry_deadline (self),
                            sb_snapshot_deadline (self), sb_state_hash_deadline (self)};
    for (size_t i = 0; i < sizeof others_ns / sizeof others_ns[0]; i++)
        if (others_ns[i] < due_ns)
            due_ns = others_ns[i];
    return due_ns;
}

static bool s_has_work (const sb_core_t *self)
{
    return self->work_first != 0 || self->health_unfinished || self->aging_category != 0;
}

/* Slices of reading are no part of a tick's work: they change nothing, and may go on for long. */
static bool s_has_reading (const sb_core_t *self)
{
    return sb_snapshot_has_work (self) || sb_state_hash_has_work (self);
}

/* One slice of reading: snapshots and state hashes in turn. */
static void s_read_slice (sb_core_t *self)
{
    bool is_hash = sb_state_hash_has_work (self) && (!self->was_hash_slice || !sb_snapshot_has_work (self));
    self->was_hash_slice = is_hash;
    if (is_hash)
        sb_state_hash_slice (self);
    else
        sb_snapshot_slice (self);
}

uint64_t sb_core_deadline (const sb_core_t *self)
{
    uint64_t due_ns = s_due_ns (self);
    bool is_ready = (s_has_work (self) && !self->tick_put_off) || s_has_reading (self);
    return is_ready && self->now_ns < due_ns ? self->now_ns : due_ns;
}

/* Adds the broker's own lateness to every deadline that it may have spoiled. What the last tick left over was due
 * before it, and is late only since then. */
static void s_guard (sb_core_t *self)
{
    uint64_t due_ns = s_due_ns (self);
    if (due_ns < self->ticked_ns)
        due_ns = self->ticked_ns;
    uint64_t lateness_ns = self->now_ns > due_ns ? self->now_ns - due_ns : 0;
    self->ticked_ns = self->now_ns;
    if (lateness_ns <= LATE_MIN_MS * SB_MS)
        return;
    if (lateness_ns > self->config.heartbeat_interval_ms * SB_MS / 2) {
        sb_core_counter_add (self, SB_COUNTER_ticks_late, 1);
        sb_events_late (self, lateness_ns, s_has_work (self));
        sb_commands_delay (self, lateness_ns);
    }
    for (sb_agent_record_t *agent = sb_core_next_agent (self, 0); agent;
         agent = sb_core_next_agent (self, agent->slot)) {
        sb_control_delay (self, agent, lateness_ns);
        sb_core_schedule (self, agent, sb_control_deadline (agent));
    }
}

/* `_beat..`: the heads, once a tick, idle or not. */
static void s_publish_beat (sb_core_t *self)
{
    uint32_t count;
    const sb_change_t *changes = sb_join_heads (self, &count);
    sb_core_publish_level (self, "_beat", NULL, changes, count);
}

/* Takes over what the shell measured. */
static void s_take_measures (sb_core_t *self, const sb_event_t *event)
{
    if (event->tick.merge_buckets)
        sb_histogram_merge (&self->merges, event->tick.merge_buckets, SB_HISTOGRAM_BUCKETS);
    self->cut_connections = event->tick.cut_connections;
    self->failed_handshakes = event->tick.failed_handshakes;
    self->failed_accepts = event->tick.failed_accepts;
    self->publish_refused = event->tick.publish_refused;
    self->log_lines_lost = event->tick.log_lines_lost;
    self->replies_undelivered = event->tick.replies_undelivered;
}

/* A whole tick: everything that is done once a tick interval. */
static void s_whole_tick (sb_core_t *self)
{
    uint64_t interval_ns = self->config.tick_interval_ms * SB_MS;
    self->tick_due_ns += interval_ns;
    if (self->tick_due_ns <= self->now_ns) /* never piled up: ticks that were missed are left out */
        self->tick_due_ns = self->now_ns + interval_ns - (self->now_ns - self->tick_due_ns) % interval_ns;
    if (!s_has_work (self) || self->tick_put_off)
        self->tick_started_ns = self->now_ns;
    self->tick_put_off = false;
    sb_core_counter_add (self, SB_COUNTER_ticks, 1);
    s_publish_beat (self);
    self->aging_category = 1;
    self->health_unfinished = true;
}

/* The tick's work has its own budget: beyond it the rest is put off, counted and told. */
static void s_check_budget (sb_core_t *self)
{
    uint64_t elapsed_ns = self->now_ns - self->tick_started_ns;
    if (!s_has_work (self) || self->tick_put_off || elapsed_ns <= self->config.tick_timeout_ms * SB_MS)
        return;
    self->tick_put_off = true;
    sb_core_counter_add (self, SB_COUNTER_tick_timeouts, 1);
    sb_events_late (self, elapsed_ns, true);
}

/* Timers, and the tick's own work. */
static void s_tick_work (sb_core_t *self, const sb_event_t *event)
{
    s_take_measures (self, event);
    s_guard (self);
    bool had_work = s_has_work (self);
    s_judge_agents (self);
    sb_commands_tick (self);
    sb_expiry_tick (self);
    sb_conflation_tick (self);
    sb_snapshot_tick (self);
    sb_state_hash_tick (self);
    if (self->now_ns >= self->tick_due_ns)
        s_whole_tick (self);
    if (!had_work && !self->tick_put_off && s_has_work (self))
        self->tick_started_ns = self->now_ns;
    s_check_budget (self);
    if (self->tick_put_off)
        return;
    if (self->aging_category)
        sb_history_age_slice (self);
    if (self->health_unfinished)
        self->health_unfinished = sb_health_tick (self);
    s_work (self);
}

void sb_timer_tick (sb_core_t *self, const sb_event_t *event)
{
    s_tick_work (self, event);
    s_read_slice (self);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * PUB and SUB in virtual time, as libzmq has them. A SUB socket keeps a set of prefixes and one connection, which it
 * makes again by itself; on each handshake all prefixes go out in byte order, so that `~` comes last. The broker's end
 * of a connection (a pipe) matches by prefix once the subscription has arrived, and drops silently what finds the
 * reader's queue full. A connection that breaks loses the end of what was under way; the broker may find that out late,
 * and counts its subscriptions until then. Of subscriptions the broker is told the first of a prefix and the last one's
 * end, as XPUB does.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE_MS = 25, RETRY_MS = 200, NOTICE_MS = 10, GONE_MS = 3000, HANDSHAKE_FAILS_PERCENT = 15 };

/* A prefix that some pipe is subscribed to, and how many are. */
typedef struct sim_subscribed {
    sim_prefix_t prefix;
    uint32_t pipes;
} sim_subscribed_t;

static sb_text_t s_text (const sim_prefix_t *prefix)
{
    return (sb_text_t){prefix->data, prefix->size};
}

static bool s_is (const sim_prefix_t *prefix, sb_text_t text)
{
    return prefix->size == text.size && memcmp (prefix->data, text.data, text.size) == 0;
}

static sim_prefix_t s_prefix (sb_text_t text)
{
    sim_prefix_t prefix = {.size = (uint8_t)text.size};
    assert (text.size && text.size <= sizeof prefix.data);
    memcpy (prefix.data, text.data, text.size);
    return prefix;
}

/* ------------------------------------------------------------------ sets of prefixes */

static int32_t s_find (const sim_prefixes_t *self, sb_text_t prefix)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (s_is (&self->items[i], prefix))
            return (int32_t)i;
    return -1;
}

void sim_prefixes_add (sim_prefixes_t *self, sb_text_t prefix)
{
    if (s_find (self, prefix) >= 0)
        return;
    if (self->count == self->capacity) {
        self->capacity = self->capacity * 2 + 8;
        self->items = realloc (self->items, self->capacity * sizeof *self->items);
        assert (self->items);
    }
    self->items[self->count++] = s_prefix (prefix);
    if (prefix.size == 1)
        self->octets[(uint8_t)prefix.data[0]] = true;
}

static bool s_remove (sim_prefixes_t *self, sb_text_t prefix)
{
    int32_t place = s_find (self, prefix);
    if (place < 0)
        return false;
    if (prefix.size == 1)
        self->octets[(uint8_t)prefix.data[0]] = false;
    memmove (&self->items[place], &self->items[place + 1], (--self->count - (uint32_t)place) * sizeof *self->items);
    return true;
}

void sim_prefixes_clear (sim_prefixes_t *self)
{
    free (self->items);
    memset (self, 0, sizeof *self);
}

bool sim_prefixes_match (const sim_prefixes_t *self, sb_text_t topic)
{
    if (topic.size == 0)
        return false;
    if (self->octets[(uint8_t)topic.data[0]])
        return true;
    for (uint32_t i = 0; i < self->count; i++) {
        const sim_prefix_t *prefix = &self->items[i];
        if (prefix->data[0] == topic.data[0] && topic.size >= prefix->size &&
            memcmp (topic.data, prefix->data, prefix->size) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the broker's end */

static void s_tell_broker (sim_t *self, sb_text_t prefix, bool is_subscribed)
{
    if (!self->core)
        return;
    sim_say (self, "broker: %s %.*s", is_subscribed ? "first subscriber of" : "last subscriber left", (int)prefix.size,
             prefix.data);
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION, .subscription = {prefix, is_subscribed}};
    sim_broker_step (self, &event);
}

/* One pipe more, or less, is subscribed to the prefix. */
static void s_count (sim_t *self, sb_text_t text, int change)
{
    uint32_t place = 0;
    while (place < self->subscribed_count && !s_is (&self->subscribed[place].prefix, text))
        place++;
    if (place == self->subscribed_count) {
        assert (change > 0);
        if (place == self->subscribed_capacity) {
            self->subscribed_capacity = self->subscribed_capacity * 2 + 64;
            self->subscribed = realloc (self->subscribed, self->subscribed_capacity * sizeof *self->subscribed);
            assert (self->subscribed);
        }
        self->subscribed[self->subscribed_count++] = (sim_subscribed_t){s_prefix (text), 0};
    }
    sim_subscribed_t *subscribed = &self->subscribed[place];
    subscribed->pipes += (uint32_t)change;
    if (change > 0 && subscribed->pipes == 1) {
        s_tell_broker (self, text, true);
    } else if (subscribed->pipes == 0) {
        sim_prefix_t gone = subscribed->prefix;
        *subscribed = self->subscribed[--self->subscribed_count];
        s_tell_broker (self, s_text (&gone), false);
    }
}

static void s_read_subscription (sim_t *self, sim_pipe_t *pipe)
{
    sim_frame_t frame = sim_line_take (&pipe->up);
    sb_text_t prefix = {(const char *)frame.octets->data + 1, frame.octets->size - 1};
    bool is_subscribed = frame.octets->data[0] == 1;
    if (is_subscribed && s_find (&pipe->live, prefix) < 0) {
        sim_prefixes_add (&pipe->live, prefix);
        s_count (self, prefix, 1);
        pipe->is_whole |= prefix.data[0] == '~' && prefix.data[1] == 'j';
        self->processes[pipe->process].has_joined |= pipe->is_whole && pipe->is_open;
    } else if (!is_subscribed && s_remove (&pipe->live, prefix)) {
        s_count (self, prefix, -1);
    }
    sim_octets_release (frame.octets);
}

static void s_drop_pipe (sim_t *self, sim_pipe_t *pipe, bool is_told)
{
    sim_line_clear (&pipe->up);
    for (uint32_t i = 0; is_told && i < pipe->live.count; i++)
        s_count (self, s_text (&pipe->live.items[i]), -1);
    sim_prefixes_clear (&pipe->live);
    pipe->is_used = false;
}

void sim_pubsub_read (sim_t *self)
{
    for (uint32_t i = 0; i < self->pipe_high; i++) {
        sim_pipe_t *pipe = &self->pipes[i];
        while (pipe->is_used && sim_line_next_ns (&pipe->up) <= self->now_ns)
            s_read_subscription (self, pipe);
        if (pipe->is_used && !pipe->is_open && self->now_ns >= pipe->noticed_ns)
            s_drop_pipe (self, pipe, true);
    }
}

uint64_t sim_pubsub_next_ns (const sim_t *self)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < self->pipe_high; i++) {
        const sim_pipe_t *pipe = &self->pipes[i];
        if (!pipe->is_used)
            continue;
        uint64_t at_ns = sim_line_next_ns (&pipe->up);
        if (!pipe->is_open && pipe->noticed_ns < at_ns)
            at_ns = pipe->noticed_ns;
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    return next_ns;
}

void sim_pubsub_stop (sim_t *self)
{
    for (uint32_t i = 0; i < self->process_count; i++)
        if (self->processes[i].is_running && self->processes[i].sub.pipe)
            sim_sub_cut (self, &self->processes[i]);
    for (uint32_t i = 0; i < self->pipe_high; i++)
        if (self->pipes[i].is_used)
            s_drop_pipe (self, &self->pipes[i], false);
    self->subscribed_count = 0;
    for (uint32_t i = 0; i < self->process_count; i++)
        self->processes[i].has_joined = false;
}

void sim_pubsub_free (sim_t *self)
{
    for (uint32_t i = 0; i < self->pipe_high; i++)
        if (self->pipes[i].is_used)
            s_drop_pipe (self, &self->pipes[i], false);
    free (self->subscribed);
}

/* ------------------------------------------------------------------ publications */

static void s_offer (sim_t *self, sim_process_t *process, sim_octets_t *octets, const sb_publication_t *publication)
{
    sim_line_t *line = &process->sub.down;
    if (sim_line_count (line) >= self->options.subscriber_queue) {
        sim_note_fault (self, SIM_FAULT_publication_dropped);
        sim_reader_loses (self, process, publication);
        return;
    }
    bool is_healing = self->is_healing;
    if (!is_healing && sim_chance_ppm (self, self->options.lost_ppm)) {
        sim_note_fault (self, SIM_FAULT_publication_lost);
        sim_reader_loses (self, process, publication);
        return;
    }
    sim_frame_t frame = {self->now_ns + sim_network_delay_ns (self), octets};
    octets->references++;
    sim_line_add (line, frame);
    if (!is_healing && sim_chance_ppm (self, self->options.repeated_ppm)) {
        sim_note_fault (self, SIM_FAULT_publication_repeated);
        octets->references++;
        sim_line_add (line, frame);
    }
}

void sim_pubsub_publish (sim_t *self, const sb_publication_t *publication)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena_out);
    size_t size = sb_encode_publication (self->arena_out, publication, &encoding);
    if (size == 0)
        sim_fail (self, "a publication cannot be encoded");
    sim_octets_t *octets = sim_octets_new (NULL, (uint32_t)size);
    sb_encoding_write (encoding, octets->data);
    sim_mix (self, octets->data, size);
    sim_say (self, "broker: publishes %.*s %" PRIu64 ", sequence %" PRIu64 ", cause %d", (int)publication->topic.size,
             publication->topic.data, publication->topic_sequence, publication->sequence, (int)publication->cause);
    for (uint32_t i = 0; i < self->pipe_high; i++) {
        sim_pipe_t *pipe = &self->pipes[i];
        if (pipe->is_used && pipe->is_open && sim_prefixes_match (&pipe->live, publication->topic))
            s_offer (self, &self->processes[pipe->process], octets, publication);
    }
    for (uint32_t i = 0; i < self->process_count; i++) {
        sim_process_t *process = &self->processes[i];
        if (process->is_running && process->has_joined && !(process->sub.pipe && process->sub.pipe->is_whole))
            sim_reader_loses (self, process, publication);
    }
    sim_octets_release (octets);
}

/* ------------------------------------------------------------------ the subscriber's end */

static void s_notice (sim_t *self, sim_sub_t *sub, bool is_up)
{
    if (sub->notice_count == SIM_NOTICES_MAX)
        return;
    uint64_t at_ns = self->now_ns + sim_below (self, NOTICE_MS) * SIM_MS;
    if (sub->notice_count && sub->notice_ns[sub->notice_count - 1] > at_ns)
        at_ns = sub->notice_ns[sub->notice_count - 1];
    sub->notice_ns[sub->notice_count] = at_ns;
    sub->notice_is_up[sub->notice_count++] = is_up;
}

static void s_send (sim_t *self, sim_pipe_t *pipe, sb_text_t prefix, bool is_subscribed)
{
    sim_octets_t *octets = sim_octets_new (NULL, prefix.size + 1);
    octets->data[0] = is_subscribed;
    memcpy (octets->data + 1, prefix.data, prefix.size);
    sim_mix (self, octets->data, octets->size);
    sim_line_add (&pipe->up, (sim_frame_t){self->now_ns + sim_network_delay_ns (self), octets});
}

/* Lets go of the connection; what it says of itself later is the broker's to find out. */
static void s_let_go (sim_t *self, sim_sub_t *sub)
{
    if (!sub->pipe)
        return;
    sub->pipe->is_open = false;
    sub->pipe->noticed_ns = self->now_ns + (sim_chance (self, 50) ? 0 : sim_below (self, GONE_MS)) * SIM_MS;
    sim_line_keep (&sub->pipe->up, sim_below (self, sim_line_count (&sub->pipe->up) + 1));
    sub->pipe = NULL;
}

void sim_sub_make (sim_t *self, sim_process_t *process)
{
    sim_sub_t *sub = &process->sub;
    if (sub->is_made)
        sim_reader_loses (self, process, NULL);
    sim_sub_close (self, process);
    uint32_t count;
    const sb_text_t *prefixes = sb_agent_step_prefixes (process->step, &count);
    for (uint32_t i = 0; i < count; i++)
        sim_prefixes_add (&sub->wanted, prefixes[i]);
    sub->is_made = true;
    sub->handshake_ns = self->now_ns + sim_below (self, HANDSHAKE_MS) * SIM_MS;
}

void sim_sub_join (sim_t *self, sim_process_t *process, sb_text_t prefix)
{
    sim_sub_t *sub = &process->sub;
    if (!sub->is_made)
        sim_fail (self, "%s joins without a SUB socket", self->names[process->agent]);
    if (prefix.size > sizeof sub->join.data)
        sim_fail (self, "a join of %u octets", prefix.size);
    if (sub->join.size) {
        s_remove (&sub->wanted, s_text (&sub->join));
        if (sub->pipe)
            s_send (self, sub->pipe, s_text (&sub->join), false);
    }
    sub->join = s_prefix (prefix);
    sim_prefixes_add (&sub->wanted, prefix);
    if (sub->pipe)
        s_send (self, sub->pipe, prefix, true);
}

bool sim_is_conflated (const sim_process_t *process)
{
    uint32_t longest_ms = 0;
    for (uint32_t i = 0; i < process->interest_count; i++)
        longest_ms |= process->conflate_ms[i];
    return longest_ms > 0;
}

void sim_sub_cut (sim_t *self, sim_process_t *process)
{
    sim_sub_t *sub = &process->sub;
    if (!sub->pipe)
        return;
    s_let_go (self, sub);
    uint32_t count = sim_line_count (&sub->down), kept = sim_below (self, count + 1);
    sim_line_keep (&sub->down, kept);
    if (kept < count || sim_is_conflated (process)) /* what the broker held back for it alone is lost too */
        sim_reader_loses (self, process, NULL);
    sub->handshake_ns = self->now_ns + sim_below (self, RETRY_MS) * SIM_MS;
    s_notice (self, sub, false);
}

void sim_sub_close (sim_t *self, sim_process_t *process)
{
    sim_sub_t *sub = &process->sub;
    s_let_go (self, sub);
    sim_prefixes_clear (&sub->wanted);
    sim_line_clear (&sub->down);
    *sub = (sim_sub_t){.is_made = false};
}

static int s_compare (const void *left, const void *right)
{
    return sb_text_compare (s_text (left), s_text (right));
}

static void s_shake_hands (sim_t *self, sim_process_t *process)
{
    sim_sub_t *sub = &process->sub;
    bool is_refused = !self->core || self->now_ns < self->broker_held_until_ns;
    if (!is_refused && !self->is_healing && sim_chance (self, HANDSHAKE_FAILS_PERCENT)) {
        sim_note_fault (self, SIM_FAULT_connect_failed);
        is_refused = true;
    }
    if (is_refused) {
        sub->handshake_ns = self->now_ns + (1 + sim_below (self, RETRY_MS)) * SIM_MS;
        return;
    }
    uint32_t slot = 0;
    while (slot < self->pipe_high && self->pipes[slot].is_used)
        slot++;
    assert (slot < SIM_PIPES_MAX);
    if (slot == self->pipe_high)
        self->pipe_high++;
    sub->pipe = &self->pipes[slot];
    *sub->pipe = (sim_pipe_t){.is_used = true, .is_open = true, .process = (uint32_t)(process - self->processes)};
    qsort (sub->wanted.items, sub->wanted.count, sizeof *sub->wanted.items, s_compare);
    for (uint32_t i = 0; i < sub->wanted.count; i++)
        s_send (self, sub->pipe, s_text (&sub->wanted.items[i]), true);
    s_notice (self, sub, true);
}

uint64_t sim_sub_next_ns (const sim_process_t *process)
{
    const sim_sub_t *sub = &process->sub;
    uint64_t next_ns = sim_line_next_ns (&sub->down);
    if (sub->is_made && !sub->pipe && sub->handshake_ns < next_ns)
        next_ns = sub->handshake_ns;
    if (sub->notice_count && sub->notice_ns[0] < next_ns)
        next_ns = sub->notice_ns[0];
    return next_ns;
}

void sim_sub_run (sim_t *self, sim_process_t *process)
{
    sim_sub_t *sub = &process->sub;
    if (sub->is_made && !sub->pipe && self->now_ns >= sub->handshake_ns)
        s_shake_hands (self, process);
    while (sub->notice_count && self->now_ns >= sub->notice_ns[0]) {
        bool is_up = sub->notice_is_up[0];
        sub->notice_count--;
        memmove (&sub->notice_ns[0], &sub->notice_ns[1], sub->notice_count * sizeof sub->notice_ns[0]);
        memmove (&sub->notice_is_up[0], &sub->notice_is_up[1], sub->notice_count * sizeof sub->notice_is_up[0]);
        sim_say (self, "%s#%" PRIu64 " SUB is %s", self->names[process->agent], process->instance,
                 is_up ? "up" : "down");
        sb_agent_event_t event = {.kind = is_up ? SB_AGENT_EVENT_SUBSCRIBED : SB_AGENT_EVENT_UNSUBSCRIBED};
        sim_process_io (self, process, &event);
    }
}

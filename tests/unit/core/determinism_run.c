/* SPDX-License-Identifier: MPL-2.0
 *
 * See determinism.h. Effects are hashed in their wire form, so that nothing a peer could see is left out; store, audit
 * and log are hashed field by field. Answers to what the shell is asked for (stored, refused) are given by the script's
 * seed.
 */
#include "determinism.h"

#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

/* splitmix64 */
uint64_t seeded_next (seeded_t *self)
{
    uint64_t z = self->state += UINT64_C (0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t seeded_below (seeded_t *self, uint32_t limit)
{
    return (uint32_t)(seeded_next (self) % limit);
}

bool seeded_chance (seeded_t *self, uint32_t percent)
{
    return seeded_below (self, 100) < percent;
}

static void s_hash (uint64_t *hash, const void *data, size_t size)
{
    const unsigned char *octets = data;
    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ octets[i]) * UINT64_C (0x100000001b3);
}

static void s_hash_text (uint64_t *hash, sb_text_t text)
{
    s_hash (hash, &text.size, sizeof text.size);
    s_hash (hash, text.data, text.size);
}

void run_hash_number (uint64_t *hash, uint64_t number)
{
    s_hash (hash, &number, sizeof number);
}

void *run_allocate (void *context, size_t size)
{
    run_t *self = context;
    unsigned char *memory = aligned_alloc (16, (self->padding + size + 15) & ~(size_t)15);
    if (memory == NULL)
        return NULL;
    memset (memory, self->fill, self->padding + size);
    return memory + self->padding;
}

void run_release (void *context, void *memory, size_t size)
{
    run_t *self = context;
    (void)size;
    free ((unsigned char *)memory - self->padding);
}

/* Agent of a peer, or AGENTS. */
static uint32_t s_agent_of (const run_t *self, uint64_t peer)
{
    uint32_t agent = 0;
    while (agent < AGENTS && self->peers[agent] != peer)
        agent++;
    return agent;
}

static void s_hash_encoding (run_t *self, size_t size, const sb_encoding_t *encoding)
{
    cr_assert_gt (size, 0, "an effect that cannot be encoded");
    void *octets = sb_arena_take (self->arena, size);
    cr_assert_not_null (octets);
    sb_encoding_write (encoding, octets);
    s_hash (&self->result.hash, octets, size);
}

static void s_take_send (run_t *self, const sb_effect_t *effect)
{
    sb_encoding_t *encoding = NULL;
    const sb_broker_message_t *message = effect->send.message;
    run_hash_number (&self->result.hash, effect->send.peer);
    size_t size = sb_encode_broker_message (self->arena, message, &encoding);
    s_hash_encoding (self, size, encoding);
    uint32_t agent = s_agent_of (self, effect->send.peer);
    if (message->kind == SB_BROKER_MESSAGE_COMMAND) {
        self->asked_peer = effect->send.peer;
        self->asked_id_size = message->command.command_id.size;
        memcpy (self->asked_id, message->command.command_id.data, self->asked_id_size);
    } else if (message->kind == SB_BROKER_MESSAGE_REFUSAL) {
        self->result.refusals[message->refusal.reason]++;
        if (agent < AGENTS && message->refusal.expected_sequence > 0)
            self->expected[agent] = message->refusal.expected_sequence;
    } else if (message->kind == SB_BROKER_MESSAGE_WELCOME && agent < AGENTS) {
        self->expected[agent] = message->welcome.decided_through + 1;
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK) {
        self->result.chunks++;
        if (seeded_chance (&self->random, 10))
            self->refused_peer = effect->send.peer;
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        self->result.ends[message->snapshot_end.code]++;
    } else if (message->kind == SB_BROKER_MESSAGE_ACK) {
        for (uint32_t i = 0; i < message->ack.refused_count; i++)
            self->result.refusals[message->ack.refused[i].reason]++;
    }
}

static void s_take_store (run_t *self, const sb_control_state_t *state)
{
    uint64_t *hash = &self->result.hash;
    self->must_store = true;
    self->latch_epoch = state->latch_epoch;
    run_hash_number (hash, state->stopped);
    run_hash_number (hash, state->latch_epoch);
    s_hash_text (hash, state->issuer);
    s_hash_text (hash, state->reason);
    run_hash_number (hash, (uint64_t)state->since_unix_ns);
    for (uint32_t i = 0; i < state->operator_count; i++) {
        const sb_operator_record_t *record = &state->operators[i];
        cr_assert (i == 0 || sb_text_compare (state->operators[i - 1].agent_id, record->agent_id) < 0,
                   "operators are stored in order of agent id");
        s_hash_text (hash, record->agent_id);
        run_hash_number (hash, record->paused | record->isolated << 1 | record->by_agent << 2);
        run_hash_number (hash, record->revision);
        s_hash_text (hash, record->issuer);
        s_hash_text (hash, record->reason);
        run_hash_number (hash, (uint64_t)record->since_unix_ns);
    }
}

static void s_take_audit (run_t *self, const sb_audit_t *audit)
{
    const sb_text_t texts[] = {audit->command_id, audit->command, audit->agent_id, audit->issuer,
                               audit->reason,     audit->before,  audit->after,    audit->result};
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        s_hash_text (&self->result.hash, texts[i]);
    run_hash_number (&self->result.hash, audit->code);
    run_hash_number (&self->result.hash, (uint64_t)audit->unix_ns);
}

static void s_take_effect (run_t *self, const sb_effect_t *effect)
{
    sb_encoding_t *encoding = NULL;
    size_t size = 0;
    self->result.kinds[effect->kind]++;
    run_hash_number (&self->result.hash, effect->kind);
    switch (effect->kind) {
    case SB_EFFECT_STORE:
        s_take_store (self, effect->store);
        break;
    case SB_EFFECT_SEND:
        s_take_send (self, effect);
        break;
    case SB_EFFECT_PUBLISH:
        size = sb_encode_publication (self->arena, effect->publish, &encoding);
        s_hash_encoding (self, size, encoding);
        self->result.joins += sb_prefix_matches (sb_text ("~join."), effect->publish->topic);
        self->result.expired += effect->publish->cause == SB_CAUSE_EXPIRED;
        self->result.merged += effect->publish->first_topic_sequence < effect->publish->topic_sequence &&
                               sb_prefix_matches (sb_text ("~conflated."), effect->publish->topic);
        break;
    case SB_EFFECT_REPLY:
        run_hash_number (&self->result.hash, effect->reply.token);
        self->result.replies[effect->reply.reply->code]++;
        size = sb_encode_command_reply (self->arena, effect->reply.reply, &encoding);
        s_hash_encoding (self, size, encoding);
        break;
    case SB_EFFECT_AUDIT:
        s_take_audit (self, effect->audit);
        break;
    case SB_EFFECT_LOG:
        run_hash_number (&self->result.hash, effect->log->severity | effect->log->reason << 8);
        s_hash_text (&self->result.hash, effect->log->event);
        s_hash_text (&self->result.hash, effect->log->agent_id);
        s_hash_text (&self->result.hash, effect->log->text);
        break;
    }
    sb_arena_reset (self->arena);
}

void run_step (run_t *self, sb_event_t event)
{
    sb_effects_t effects;
    event.monotonic_ns = self->now_ns;
    event.unix_ns = self->unix_ns;
    sb_core_step (self->core, &event, &effects);
    self->result.steps++;
    for (uint32_t i = 0; i < effects.count; i++)
        s_take_effect (self, &effects.items[i]);
    run_hash_number (&self->result.hash, sb_core_deadline (self->core));
    if (self->must_store) {
        self->must_store = false;
        sb_event_t stored = {.kind = SB_EVENT_STORED};
        stored.stored.durable = !seeded_chance (&self->random, 10);
        run_step (self, stored);
    }
    if (self->refused_peer) {
        sb_event_t refused = {.kind = SB_EVENT_CHUNK_REFUSED};
        refused.chunk_refused.peer = self->refused_peer;
        self->refused_peer = 0;
        run_step (self, refused);
    }
}

void run_message (run_t *self, uint64_t peer, const sb_agent_message_t *message)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = peer;
    event.message.message = message;
    event.message.size = 50 + seeded_below (&self->random, 500);
    run_step (self, event);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The step against a model of a broker, by seeded chance: updates, deletes, pauses, a full broker, lost messages, cut
 * connections and restarts in any order. When all is well again the broker's picture must be the agent's own, and
 * every update that was given a number must have been decided once. The same seed must give the same effects.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fixture.h"

enum { CATEGORIES = 3, NAMES = 6, ANSWERS = 4096, REFUSED = 64, STEPS_MAX = 1500, SEEDS = 1500 };

static const char *const s_categories[CATEGORIES] = {"status", "risk", "trades"}; /* the last one: events */
static const char *const s_names[NAMES] = {"a", "b", "c", "d", "e", "f"};

typedef double s_fields_t[CATEGORIES][NAMES]; /* NaN: no such field */

/* A message on its way to the agent. */
typedef struct {
    sb_broker_message_kind_t kind;
    uint64_t decided_through;
    uint64_t expected;
    sb_refusal_t refused[REFUSED];
    uint32_t refused_count;
    bool state_known;
    sb_operator_state_t operator_state;
} s_answer_t;

typedef struct {
    sb_fixture_t f;
    uint64_t random;
    uint64_t hash; /* of all effects */
    /* the broker */
    s_fields_t fields;
    s_fields_t staged; /* of a replacement that has begun */
    uint64_t staged_sequence;
    uint32_t staged_chunks;
    uint64_t epoch;
    uint64_t decided_through;
    bool is_known; /* the instance */
    bool is_whole; /* its state */
    bool has_session;
    bool is_paused;
    bool is_full;
    uint64_t revision;
    /* the way */
    bool is_cut;     /* what is sent goes nowhere */
    bool drops_next; /* the next batch is lost */
    s_answer_t *answers;
    uint32_t first_answer, last_answer;
    /* the application */
    uint64_t numbered;
    uint64_t told_refused;
    uint32_t faults; /* those that this seed has: a bit for each row of s_happen's second half */
} s_world_t;

static uint32_t s_chance (s_world_t *w, uint32_t below)
{
    w->random = w->random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t)(w->random >> 33) % below;
}

static void s_clear (s_fields_t *fields)
{
    for (int i = 0; i < CATEGORIES; i++) {
        for (int j = 0; j < NAMES; j++)
            (*fields)[i][j] = NAN;
    }
}

/* ------------------------------------------------------------------ the broker */

static s_answer_t *s_answer (s_world_t *w, sb_broker_message_kind_t kind)
{
    s_answer_t *answer = &w->answers[w->last_answer++ % ANSWERS];
    cr_assert (w->last_answer - w->first_answer < ANSWERS);
    memset (answer, 0, sizeof *answer);
    answer->kind = kind;
    answer->decided_through = w->decided_through;
    answer->state_known = w->is_whole;
    answer->operator_state = (sb_operator_state_t){.paused = w->is_paused, .revision = w->revision};
    return answer;
}

static void s_apply (s_fields_t *fields, const sb_delta_t *delta)
{
    for (int i = 0; i < CATEGORIES; i++) {
        for (int j = 0; j < NAMES; j++) {
            for (uint32_t k = 0; k < delta->update.change_count; k++) {
                const sb_change_t *change = &delta->update.changes[k];
                if (sb_text_equal (delta->category, sb_text (s_categories[i])) &&
                    sb_text_equal (change->name, sb_text (s_names[j])))
                    (*fields)[i][j] = change->is_delete ? NAN : change->value.number;
            }
        }
    }
}

static sb_reason_t s_admission (s_world_t *w)
{
    sb_reason_t reason = w->is_paused ? SB_REASON_PAUSED : w->is_full ? SB_REASON_STORE_FULL : SB_REASON_NONE;
    if (reason != SB_REASON_NONE)
        w->is_whole = false;
    return reason;
}

static void s_batch (s_world_t *w, const sb_batch_t *batch)
{
    s_answer_t *ack = NULL;
    for (uint32_t i = 0; i < batch->delta_count; i++) {
        const sb_delta_t *delta = &batch->deltas[i];
        uint64_t sequence = delta->update.sequence;
        if (sequence <= w->decided_through)
            continue;
        if (sequence > w->decided_through + 1) {
            s_answer (w, SB_BROKER_MESSAGE_REFUSAL)->expected = w->decided_through + 1;
            return;
        }
        if (!ack)
            ack = s_answer (w, SB_BROKER_MESSAGE_ACK);
        sb_reason_t reason = s_admission (w);
        if (reason == SB_REASON_NONE)
            s_apply (&w->fields, delta);
        else if (ack->refused_count < REFUSED)
            ack->refused[ack->refused_count++] = (sb_refusal_t){.reason = reason, .sequence = sequence};
        w->decided_through = sequence;
        ack->decided_through = sequence;
    }
}

static void s_replace_end (s_world_t *w, const sb_replace_mark_t *end)
{
    if (end->sequence <= w->decided_through)
        return;
    if (end->sequence > w->decided_through + 1) {
        s_answer (w, SB_BROKER_MESSAGE_REFUSAL)->expected = w->decided_through + 1;
        return;
    }
    cr_assert_eq (end->sequence, w->staged_sequence, "it never began");
    cr_assert_eq (end->chunk_count, w->staged_chunks);
    sb_reason_t reason = s_admission (w);
    w->decided_through = end->sequence;
    if (reason == SB_REASON_NONE) {
        for (int i = 0; i < CATEGORIES - 1; i++)
            memcpy (w->fields[i], w->staged[i], sizeof w->fields[i]);
        w->is_whole = true;
    }
    s_answer_t *ack = s_answer (w, SB_BROKER_MESSAGE_ACK);
    if (reason != SB_REASON_NONE)
        ack->refused[ack->refused_count++] = (sb_refusal_t){.reason = reason, .sequence = end->sequence};
}

static void s_receive (s_world_t *w, const sb_agent_message_t *message)
{
    if (message->kind == SB_AGENT_MESSAGE_REGISTRATION) {
        if (!w->is_known)
            w->decided_through = message->registration.next_sequence - 1;
        w->is_known = w->has_session = true;
        s_answer (w, SB_BROKER_MESSAGE_WELCOME);
        return;
    }
    if (!w->has_session)
        return; /* of a connection that is gone */
    switch (message->kind) {
    case SB_AGENT_MESSAGE_BATCH:
        if (!w->drops_next)
            s_batch (w, &message->batch);
        w->drops_next = false;
        break;
    case SB_AGENT_MESSAGE_HEARTBEAT:
        s_answer (w, SB_BROKER_MESSAGE_HEARTBEAT_ACK);
        break;
    case SB_AGENT_MESSAGE_REPLACE_BEGIN:
        s_clear (&w->staged);
        w->staged_sequence = message->replace_begin.sequence;
        w->staged_chunks = 0;
        break;
    case SB_AGENT_MESSAGE_REPLACE_CHUNK:
        for (uint32_t i = 0; i < message->replace_chunk.topic_count; i++)
            s_apply (&w->staged, &message->replace_chunk.topics[i]);
        w->staged_chunks++;
        break;
    case SB_AGENT_MESSAGE_REPLACE_END:
        s_replace_end (w, &message->replace_end);
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ the way between */

static void s_mix (s_world_t *w, uint64_t word)
{
    w->hash = (w->hash ^ word) * UINT64_C (0x9E3779B97F4A7C15);
    w->hash ^= w->hash >> 31;
}

static void s_end_connection (s_world_t *w)
{
    w->has_session = false;
    w->is_cut = false;
    w->first_answer = w->last_answer;
}

/* Looks at the effects of the last step; `connects` says that it asked for a connection. */
static bool s_perform (s_world_t *w)
{
    bool connects = false;
    for (uint32_t i = 0; i < w->f.effects.count; i++) {
        const sb_agent_effect_t *effect = &w->f.effects.items[i];
        s_mix (w, effect->kind);
        if (effect->kind == SB_AGENT_EFFECT_SEND) {
            s_mix (w, effect->send->kind);
            if (effect->send->kind == SB_AGENT_MESSAGE_BATCH)
                s_mix (w, effect->send->batch.deltas[0].update.sequence * 1000 + effect->send->batch.delta_count);
            if (!w->is_cut)
                s_receive (w, effect->send);
        } else if (effect->kind == SB_AGENT_EFFECT_CONNECT) {
            s_end_connection (w);
            connects = true;
        } else if (effect->kind == SB_AGENT_EFFECT_DISCONNECT) {
            s_end_connection (w);
        } else if (effect->kind == SB_AGENT_EFFECT_REFUSED && effect->refused.sequence) {
            w->told_refused++;
        }
    }
    return connects;
}

static void s_event (s_world_t *w, sb_agent_event_kind_t kind)
{
    sb_fixture_event (&w->f, kind);
    if (s_perform (w)) {
        sb_fixture_event (&w->f, SB_AGENT_EVENT_LINK_UP);
        s_perform (w);
    }
}

static sb_text_t s_events = {"trades", 6};

static void s_deliver_one (s_world_t *w)
{
    if (w->first_answer == w->last_answer)
        return;
    s_answer_t *answer = &w->answers[w->first_answer++ % ANSWERS];
    sb_broker_message_t message = {.kind = answer->kind};
    if (answer->kind == SB_BROKER_MESSAGE_WELCOME) {
        message.welcome = w->f.welcome;
        message.welcome.epoch = w->epoch;
        message.welcome.decided_through = answer->decided_through;
        message.welcome.state_known = answer->state_known;
        message.welcome.operator_state = answer->operator_state;
        message.welcome.event_categories = &s_events;
        message.welcome.event_category_count = 1;
    } else if (answer->kind == SB_BROKER_MESSAGE_ACK) {
        message.ack = (sb_ack_t){answer->decided_through, answer->refused, answer->refused_count};
    } else if (answer->kind == SB_BROKER_MESSAGE_REFUSAL) {
        message.refusal = (sb_refusal_t){.reason = SB_REASON_SEQUENCE_GAP, .expected_sequence = answer->expected};
    } else {
        message.heartbeat_ack = sb_fixture_level (&w->f);
        message.heartbeat_ack.state_known = answer->state_known;
        message.heartbeat_ack.operator_state = answer->operator_state;
    }
    sb_fixture_message (&w->f, &message);
    s_perform (w);
}

static void s_advance (s_world_t *w, uint64_t ns)
{
    uint64_t until_ns = w->f.now_ns + ns;
    while (sb_agent_step_deadline (w->f.step) <= until_ns) {
        uint64_t deadline_ns = sb_agent_step_deadline (w->f.step);
        w->f.now_ns = deadline_ns > w->f.now_ns ? deadline_ns : w->f.now_ns;
        s_event (w, SB_AGENT_EVENT_TICK);
        if (s_chance (w, 4))
            s_deliver_one (w);
    }
    w->f.now_ns = until_ns;
}

/* ------------------------------------------------------------------ what happens */

static void s_update (s_world_t *w)
{
    sb_change_t change = {.name = sb_text (s_names[s_chance (w, NAMES)])};
    change.is_delete = s_chance (w, 5) == 0;
    if (!change.is_delete)
        change.value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = s_chance (w, 1000)};
    sb_delta_t delta = {.category = sb_text (s_categories[s_chance (w, CATEGORIES)])};
    delta.update.changes = &change;
    delta.update.change_count = 1;
    sb_agent_event_t event = {.kind = SB_AGENT_EVENT_UPDATE, .monotonic_ns = w->f.now_ns, .update = {&delta, 1}};
    sb_agent_effects_t answer;
    sb_agent_step (w->f.step, &event, &answer);
    w->numbered += answer.sequence != 0;
}

static void s_restart (s_world_t *w)
{
    s_clear (&w->fields);
    w->epoch++;
    w->is_known = w->is_whole = w->is_paused = false;
    w->revision = 0;
    w->decided_through = 0;
    s_event (w, SB_AGENT_EVENT_LINK_DOWN);
    s_end_connection (w);
}

static void s_go_wrong (s_world_t *w, uint32_t what)
{
    if (!(w->faults & 1u << what))
        return; /* a seed has some faults and not others, so that one cannot hide what another does */
    if (what == 0) {
        w->drops_next = true;
    } else if (what == 1) {
        w->is_cut = true;
    } else if (what == 2) {
        s_event (w, SB_AGENT_EVENT_LINK_DOWN);
    } else if (what == 3) {
        s_restart (w);
    } else if (what == 4) {
        w->is_paused = !w->is_paused;
        w->revision++;
        s_answer (w, SB_BROKER_MESSAGE_HEARTBEAT_ACK); /* told at once */
    } else {
        w->is_full = !w->is_full;
    }
}

static void s_happen (s_world_t *w)
{
    uint32_t what = s_chance (w, 1000);
    if (what < 450)
        s_update (w);
    else if (what < 600)
        s_event (w, SB_AGENT_EVENT_WAKE);
    else if (what < 850)
        s_deliver_one (w);
    else if (what < 960)
        s_advance (w, s_chance (w, 300) * SB_MS);
    else
        s_go_wrong (w, s_chance (w, 6));
}

static void s_heal (s_world_t *w)
{
    w->drops_next = w->is_full = false;
    if (w->is_cut)
        s_event (w, SB_AGENT_EVENT_LINK_DOWN); /* a connection that loses everything does not come back by itself */
    if (w->is_paused) {
        w->is_paused = false;
        w->revision++;
    }
    for (int i = 0; i < 400 && !(sb_agent_step_is_settled (w->f.step) && w->is_whole); i++) {
        s_advance (w, 250 * SB_MS);
        while (w->first_answer != w->last_answer)
            s_deliver_one (w);
    }
}

static uint64_t s_run (uint64_t seed)
{
    s_world_t *w = calloc (1, sizeof *w);
    w->answers = calloc (ANSWERS, sizeof *w->answers);
    w->f = sb_fixture_make ();
    w->f.config.seed = seed;
    w->random = seed;
    w->epoch = 1;
    s_clear (&w->fields);
    sb_fixture_start (&w->f);
    s_perform (w);
    s_event (w, SB_AGENT_EVENT_LINK_UP);
    w->faults = s_chance (w, 64);
    for (uint32_t left = 20 + s_chance (w, STEPS_MAX); left > 0; left--)
        s_happen (w);
    s_heal (w);
    cr_assert (sb_agent_step_is_settled (w->f.step), "seed %llu: never settled", (unsigned long long)seed);
    for (int i = 0; i < CATEGORIES - 1; i++) {
        for (int j = 0; j < NAMES; j++) {
            double own = sb_fixture_own (&w->f, s_categories[i], s_names[j]);
            cr_assert (isnan (own) ? isnan (w->fields[i][j]) : own == w->fields[i][j],
                       "seed %llu: %s %s is %g here and %g there", (unsigned long long)seed, s_categories[i],
                       s_names[j], own, w->fields[i][j]);
        }
    }
    sb_agent_counts_t counts;
    sb_agent_step_counts (w->f.step, &counts);
    cr_assert_eq (counts.updates_accepted + counts.updates_refused, w->numbered, "seed %llu", (unsigned long long)seed);
    cr_assert_eq (counts.undecided, 0);
    uint64_t hash = w->hash;
    sb_fixture_end (&w->f);
    free (w->answers);
    free (w);
    return hash;
}

Test (model, the_brokers_picture_becomes_the_agents_own, .timeout = 100)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        s_run (seed);
}

Test (model, the_same_seed_gives_the_same_effects, .timeout = 100)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        cr_assert_eq (s_run (seed), s_run (seed));
    cr_assert_neq (s_run (1), s_run (2));
}

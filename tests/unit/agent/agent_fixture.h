/* SPDX-License-Identifier: MPL-2.0
 *
 * A step under a clock that the test sets, and short ways to feed it and to look at what came out. Everything
 * that can go wrong here is asserted, so tests need not check.
 */
#ifndef SB_AGENT_FIXTURE_H
#define SB_AGENT_FIXTURE_H

#include "agent_step.h"
#include "sb_names.h"

#define SB_MS UINT64_C (1000000)

typedef struct {
    sb_agent_step_config_t config;
    sb_welcome_t welcome; /* what the next sb_fixture_join is answered with */
    sb_agent_step_t *step;
    uint64_t now_ns;
    sb_agent_effects_t effects; /* of the last event of the I/O side */
    uint64_t sequence;          /* answer to the last update */
    bool is_subscribed;         /* the SUB's handshake was told */
    uint64_t heads[256];        /* category sequence of each category, by its first octet */
    uint64_t agent_heads[256];  /* agent sequence of each agent, by its first octet: one of one category each */
    uint64_t conflated_head;    /* conflated sequence of m at 250 ms; 0: beats do not name it */
    const char *conflation;     /* what answers to joins say is in force at 250 ms; NULL: they do not name it */
    uint64_t head;              /* the highest sequence published */
} sb_fixture_t;

/* Defaults: agent "a", instance 7, no interests, interval 1 s, both handlers, and a Welcome with stream 5, epoch 1,
 * state known, max_unacked 8. Change `config` and `welcome` before sb_fixture_start. */
sb_fixture_t sb_fixture_make (void);
void sb_fixture_start (sb_fixture_t *self);
void sb_fixture_end (sb_fixture_t *self);

/* Steps an event at the present time. */
void sb_fixture_event (sb_fixture_t *self, sb_agent_event_kind_t kind);
void sb_fixture_message (sb_fixture_t *self, const sb_broker_message_t *message);

/* LINK_UP and Welcome, from wherever it waits: the clock moves to the end of the backoff first. With interests the SUB
 * is connected too, its join answered, and an empty snapshot given when one is asked for. */
void sb_fixture_join (sb_fixture_t *self);

/* Answers the join that the last step asked for with the heads of now; false when it asked for none. */
bool sb_fixture_answer_join (sb_fixture_t *self);
/* The same heads as a beat. */
void sb_fixture_beat (sb_fixture_t *self);
/* Gives an empty snapshot when the last step asked for one; false when it did not. */
bool sb_fixture_answer_snapshot (sb_fixture_t *self);

/* Start and join. */
void sb_fixture_open (sb_fixture_t *self);

/* Sets the clock and steps TICK when the step asked for one by then. */
void sb_fixture_at (sb_fixture_t *self, uint64_t now_ns);

/* Sets the clock and steps TICK in any case. */
void sb_fixture_tick_at (sb_fixture_t *self, uint64_t now_ns);

/* An update of one number field. */
sb_reason_t sb_fixture_update (sb_fixture_t *self, const char *category, const char *name, double number);
/* The same, and WAKE. */
sb_reason_t sb_fixture_send (sb_fixture_t *self, const char *category, const char *name, double number);

/* Ack of everything through `decided_through`, with one refusal when reason is not NONE. */
void sb_fixture_ack (sb_fixture_t *self, uint64_t decided_through);
void sb_fixture_refuse (sb_fixture_t *self, uint64_t sequence, sb_reason_t reason, uint32_t retry_after_ms);

/* A whole-message refusal. */
void sb_fixture_refusal (sb_fixture_t *self, sb_reason_t reason, uint64_t expected_sequence);

/* A HeartbeatAck: levels as given, state_known. */
sb_heartbeat_ack_t sb_fixture_level (const sb_fixture_t *self);
void sb_fixture_heartbeat_ack (sb_fixture_t *self, const sb_heartbeat_ack_t *ack);

/* A publication of one number field, from broker stream 5; the next one of its category. */
void sb_fixture_publish (sb_fixture_t *self, uint64_t epoch, const char *topic, uint64_t sequence,
                         uint64_t topic_sequence);

/* The n-th effect of that kind in the last step, NULL when there is none; n from 0. */
const sb_agent_effect_t *sb_fixture_effect (const sb_fixture_t *self, sb_agent_effect_kind_t kind, uint32_t n);

/* The n-th message of that kind sent in the last step. */
const sb_agent_message_t *sb_fixture_sent (const sb_fixture_t *self, sb_agent_message_kind_t kind, uint32_t n);

/* The n-th Batch sent in the last step; NULL when there is none. */
const sb_batch_t *sb_fixture_batch (const sb_fixture_t *self, uint32_t n);
/* Fields in all topics of the n-th chunk of the whole state sent in the last step; 0 when there is none. */
uint32_t sb_fixture_chunk_fields (const sb_fixture_t *self, uint32_t n);

sb_agent_counts_t sb_fixture_counts (const sb_fixture_t *self);
sb_agent_status_t sb_fixture_status (const sb_fixture_t *self);
sb_reason_t sb_fixture_status_reason (const sb_fixture_t *self);

/* The number in the agent's own state; NaN when there is no such field. */
double sb_fixture_own (const sb_fixture_t *self, const char *category, const char *name);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The stage of the broker's integration tests: a broker, a commander, and a good agent, which at the end must find that
 * nothing of what the test did has touched it.
 */
#ifndef SB_BROKER_STAGE_H
#define SB_BROKER_STAGE_H

#include "harness.h"

typedef struct {
    sb_scene_t *scene;
    sb_commander_t *commander;
    sb_peer_t *good;
    uint64_t good_sequence; /* of its last delta */
} sb_stage_t;

/* Starts a broker with these arguments more (may be NULL), and lets the good agent join. */
sb_stage_t sb_stage_begin (const char *const *arguments);

/* Asserts that the good agent is still served, and takes everything down. */
void sb_stage_end (sb_stage_t *self);

/* The good agent sends a delta; returns what it was refused for, SB_REASON_NONE when accepted. */
sb_reason_t sb_stage_good_delta (sb_stage_t *self);

/* How often the broker has refused for that reason so far, as status tells. */
int64_t sb_stage_refused (sb_stage_t *self, sb_reason_t reason);

/* An integer column of the broker's record in status. */
int64_t sb_stage_status (sb_stage_t *self, const char *column);

/* A text column of an agent's record in health; valid until the next command. */
sb_text_t sb_stage_agent (sb_stage_t *self, const char *agent_id, const char *column);

/* Waits until that integer column of status is at least `value`; fails the test otherwise. */
void sb_stage_await_status (sb_stage_t *self, const char *column, int64_t value);

#endif

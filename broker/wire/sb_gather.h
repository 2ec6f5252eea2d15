/* SPDX-License-Identifier: MPL-2.0
 *
 * Batches of an agent that wait, made into one.
 *
 * An agent that sends singly, as the simplest clients do, or in small batches, and faster than that is handled, has
 * several messages waiting. Handled as one batch their deltas are decided one by one as before, but topic and agent are
 * looked up once, and neighbours of one topic become one publication: with 20 subscribers that is most of the work.
 * A socket gives the messages of its agents in turn, so those of several agents are gathered at a time, each agent's
 * for itself and in its order. Nothing waits for this: a batch ends when nothing more is there. Costs, for each
 * message, a walk over at most SB_GATHER_AGENTS numbers, and a copy of its deltas. Pure: it decodes, but neither reads
 * a socket nor keeps a clock. Gain, single updates flat out on two cores: one to one 1.0 to 2.0 million a second, to 20
 * subscribers 145,000 to 440,000; batches of 16, 2.9 to about 3.3 million.
 */
#ifndef SB_GATHER_H
#define SB_GATHER_H

#include "sb_codec.h"

#include <stdbool.h>
#include <stddef.h>

/* A bound that the last message may pass is looked at before each: at it or beyond, what is gathered is handled. */
enum {
    SB_GATHER_SMALL = 64,          /* deltas of a message: more are batch enough, and dear to copy */
    SB_GATHER_SMALL_CHANGES = 256, /* changes of a message: likewise */
    SB_GATHER_DELTAS = 256,        /* of one batch; the last message may pass it */
    SB_GATHER_BYTES = 65536,       /* of a batch's messages, together */
    SB_GATHER_AGENTS = 32,         /* whose batches are gathered at a time */
    SB_GATHER_ALL_DELTAS = 1024,  /* of all these; the last may pass it. Half a millisecond's work with a change each */
    SB_GATHER_ALL_CHANGES = 4096, /* of all these; the last may pass it */
    SB_GATHER_ALL_BYTES = 262144, /* of all their messages */
    SB_GATHER_REPEATS = 16        /* messages of a turn from agents already heard in it: from then on it pays */
};

/* One agent's batch. To be zeroed. Empty with `message_count` 0. */
typedef struct {
    uint64_t peer; /* whose these are */
    uint32_t message_count;
    uint32_t delta_count;
    uint32_t change_count;
    uint32_t bytes;                          /* of the messages */
    uint32_t delta_counts[SB_GATHER_DELTAS]; /* of each message */
    sb_delta_t deltas[SB_GATHER_DELTAS + SB_GATHER_SMALL - 1];
} sb_gather_t;

/* True when a message of `size` octets from `peer` can't join what is gathered, whatever it is: that must be handled
 * first. Never with nothing gathered. `max_bytes` is the largest message that the broker takes. */
bool sb_gather_must_end (const sb_gather_t *self, uint64_t peer, size_t size, size_t max_bytes);

/* Gathers the message when it is a small batch: true. Else leaves it, and what is gathered must be handled before it.
 * It borrows what the deltas point to. sb_gather_must_end was asked before, and said no. */
bool sb_gather_add (sb_gather_t *self, uint64_t peer, const sb_agent_message_t *message, size_t size, size_t max_bytes);

/* Forgets what is gathered: it was handled. */
static inline void sb_gather_clear (sb_gather_t *self)
{
    self->message_count = self->delta_count = self->change_count = self->bytes = 0;
}

/* What handles that which was read. What it is given lives until it returns. */
typedef struct {
    sb_arena_t *arena; /* messages are decoded into it; room for the largest and SB_GATHER_ALL_BYTES. Borrowed */
    void *context;     /* given to each of these */
    void (*step_batch) (void *context, const sb_gather_t *batch);
    void (*step_message) (void *context, uint64_t peer, const sb_agent_message_t *message, uint32_t size);
    void (*step_fault) (void *context, uint64_t peer, sb_fault_t fault, uint32_t size); /* it could not be decoded */
} sb_gather_shell_t;

/* Batches of several agents, and whether gathering pays: only where, in a turn, several messages come from one agent.
 * Where many send one each, to gather would only hold up what the first of them sent. To be zeroed but for `shell`;
 * large, and mostly never touched. */
typedef struct {
    sb_gather_shell_t shell;
    bool is_gathering;      /* it pays: in this turn so far, or in the one before */
    uint32_t repeats;       /* messages of this turn whose agent was among the peers */
    uint32_t message_count; /* gathered, of all batches, as the following */
    uint32_t delta_count;
    uint32_t change_count;
    uint32_t bytes;
    uint32_t peer_count;
    uint64_t peers[SB_GATHER_AGENTS]; /* heard since the turn began or a batch was handled; more are not told apart */
    sb_gather_t batches[SB_GATHER_AGENTS]; /* of these peers, some empty */
} sb_gathers_t;

/* Takes a message of the peer: decodes it, and gathers it where that pays and it is a small batch, else handles it, but
 * first what was gathered. Messages of one peer are handled in their order. `data` may go when this returns. */
void sb_gathers_read (sb_gathers_t *self, uint64_t peer, const void *data, size_t size, size_t max_bytes);

/* Handles what is gathered: each batch, in the order in which their agents were first heard. */
void sb_gathers_take (sb_gathers_t *self);

/* As sb_gathers_take, and a new turn begins: nothing more is there, or it is time for other things. */
void sb_gathers_end_turn (sb_gathers_t *self);

/* The steps of sb_gathers_read. Notes that a message of the peer came, and returns the place of its batch;
 * SB_GATHER_AGENTS when none is left. */
uint32_t sb_gathers_hear (sb_gathers_t *self, uint64_t peer);

/* True when a message of `size` octets from the peer at `place` can't be gathered before all is handled. Never when
 * there is nothing gathered. */
bool sb_gathers_must_end (const sb_gathers_t *self, uint32_t place, size_t size, size_t max_bytes);

/* As sb_gather_add, to the batch at `place`, which is below SB_GATHER_AGENTS. */
bool sb_gathers_add (sb_gathers_t *self, uint32_t place, const sb_agent_message_t *message, size_t size,
                     size_t max_bytes);

#endif

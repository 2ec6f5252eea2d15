/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec's hot path beside protobuf-c: any octets are read by both, and by the function that everybody calls. All
 * give the same message or the same fault, and write the same octets again (tests/unit/wire/hot_twins.c). What agents
 * send is also read as the broker does, which gathers it: each message is handled once, and all are good or none.
 */
#include "fuzz.h"
#include "hot_twins.h"
#include "sb_gather.h"

#include <stdio.h>
#include <stdlib.h>

static void s_check (const char *difference)
{
    if (difference)
        fprintf (stderr, "hot path and protobuf-c differ: %s\n", difference);
    FUZZ_CLAIM (!difference);
}

#define DIFFERENTIAL_TARGET(name)                                                                                      \
    void fuzz_differential_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);                       \
    void fuzz_differential_##name (const fuzz_target_t *self, const uint8_t *data, size_t size)                        \
    {                                                                                                                  \
        bool is_hot;                                                                                                   \
        (void)self;                                                                                                    \
        s_check (hot_twins_##name (data, size, &is_hot));                                                              \
    }

/* How many messages were handled, and how many of them were faults. */
typedef struct {
    uint32_t handled, faults;
} s_handled_t;

static void s_step_batch (void *context, const sb_gather_t *batch)
{
    uint32_t delta_count = 0;
    for (uint32_t i = 0; i < batch->message_count; i++)
        delta_count += batch->delta_counts[i];
    FUZZ_CLAIM (delta_count == batch->delta_count);
    ((s_handled_t *)context)->handled += batch->message_count;
}

static void s_step_message (void *context, uint64_t peer, const sb_agent_message_t *message, uint32_t size)
{
    (void)peer;
    (void)message;
    (void)size;
    ((s_handled_t *)context)->handled++;
}

static void s_step_fault (void *context, uint64_t peer, sb_fault_t fault, uint32_t size)
{
    (void)peer;
    (void)size;
    FUZZ_CLAIM (fault.text.size > 0);
    ((s_handled_t *)context)->handled++;
    ((s_handled_t *)context)->faults++;
}

/* Gathers the message as two of one agent and one of another. */
static void s_gather (const uint8_t *data, size_t size)
{
    s_handled_t handled = {0};
    sb_gathers_t *gathers = calloc (1, sizeof *gathers);
    FUZZ_CLAIM (gathers);
    gathers->shell = (sb_gather_shell_t){sb_arena_new ((size_t)(HOT_TWINS_MAX + SB_GATHER_ALL_BYTES) * SB_ARENA_FACTOR),
                                         &handled, s_step_batch, s_step_message, s_step_fault};
    FUZZ_CLAIM (gathers->shell.arena);
    gathers->is_gathering = true;
    for (uint64_t i = 0; i < 3; i++)
        sb_gathers_read (gathers, i % 2, data, size, HOT_TWINS_MAX);
    sb_gathers_end_turn (gathers);
    FUZZ_CLAIM (handled.handled == 3 && (handled.faults == 0 || handled.faults == 3));
    sb_arena_destroy (&gathers->shell.arena);
    free (gathers);
}

void fuzz_differential_agent_message (const fuzz_target_t *self, const uint8_t *data, size_t size);
void fuzz_differential_agent_message (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    bool is_hot;
    (void)self;
    s_check (hot_twins_agent_message (data, size, &is_hot));
    s_gather (data, size);
}

DIFFERENTIAL_TARGET (publication)
DIFFERENTIAL_TARGET (broker_message)

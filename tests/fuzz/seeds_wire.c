/* SPDX-License-Identifier: MPL-2.0
 *
 * Seeds of the wire's decoders: the samples that the codec's own tests use, one with every field set and one with
 * next to none for each kind of body, and each of them cut short.
 */
#include "seeds.h"

#include "samples.h"

#include <stdio.h>

static const char *const s_targets[] = {
    [SAMPLE_AGENT_MESSAGE] = "agent_message",     [SAMPLE_BROKER_MESSAGE] = "broker_message",
    [SAMPLE_COMMAND_REQUEST] = "command_request", [SAMPLE_COMMAND_REPLY] = "command_reply",
    [SAMPLE_PUBLICATION] = "publication",
};

static void s_save (seed_t *seed, const char *target, const sample_t *sample, size_t size, const char *how,
                    uint32_t number)
{
    char label[32];
    snprintf (label, sizeof label, "%s%u", how, number);
    seed_add (seed, sample->data, size);
    seed_save (seed, target, label);
}

void seeds_wire (seed_t *seed)
{
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++) {
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sample_t full = sample_new (frame, number, true), bare = sample_new (frame, number, false);
            if (full.size <= 4096) {
                s_save (seed, s_targets[frame], &full, full.size, "full", number);
                s_save (seed, s_targets[frame], &full, full.size - full.size / 3, "cut", number);
            }
            s_save (seed, s_targets[frame], &bare, bare.size, "bare", number);
            sample_free (&bare);
            sample_free (&full);
        }
    }
}

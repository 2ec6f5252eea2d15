/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints every sample frame as our codec writes it, for the other languages to read: one line each, the
 * schema's name of the message, whether a topic and NUL stand before it, and the octets in hexadecimal.
 * Each sample goes through decoder and encoder first, so that the octets are the codec's own.
 */
#include "samples.h"

#include <stdio.h>

static const char *const s_names[] = {
    [SAMPLE_AGENT_MESSAGE] = "AgentMessage",     [SAMPLE_BROKER_MESSAGE] = "BrokerMessage",
    [SAMPLE_COMMAND_REQUEST] = "CommandRequest", [SAMPLE_COMMAND_REPLY] = "CommandReply",
    [SAMPLE_PUBLICATION] = "Publication",
};

int main (void)
{
    sb_arena_t *arena = sb_arena_new (16 << 20);
    int failures = 0;
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++)
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sb_arena_reset (arena);
            sample_t sample = sample_new (frame, number, true);
            sample_t encoded = {NULL, 0};
            if (sample_decode (frame, &sample, arena, &encoded).reason != SB_REASON_NONE)
                failures++;
            printf ("%s %d ", s_names[frame], frame == SAMPLE_PUBLICATION);
            for (size_t i = 0; i < encoded.size; i++)
                printf ("%02x", encoded.data[i]);
            printf ("\n");
            sample_free (&sample);
            sample_free (&encoded);
        }
    sb_arena_destroy (&arena);
    return failures > 0;
}

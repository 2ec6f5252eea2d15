/* SPDX-License-Identifier: MPL-2.0
 *
 * Truncated, altered and random frames, for every decoder: none may crash, read too far, or give
 * anything but a message or a reason of kind MESSAGE. The seed is fixed; run under sanitizers it means most.
 */
#include "samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 4 << 20, ROUNDS = 20000 };

static sb_arena_t *s_arena;
static uint64_t s_state;

static void s_setup (void)
{
    s_arena = sb_arena_new (ARENA_BYTES);
    s_state = UINT64_C (0x9e3779b97f4a7c15);
}

static void s_teardown (void)
{
    sb_arena_destroy (&s_arena);
}

TestSuite (noise, .init = s_setup, .fini = s_teardown, .timeout = 200);

/* xorshift64: any will do, the same each time. */
static uint64_t s_random (void)
{
    s_state ^= s_state << 13;
    s_state ^= s_state >> 7;
    s_state ^= s_state << 17;
    return s_state;
}

/* Whatever is accepted must also be possible to encode, and come back. */
static void s_decode (sample_frame_t frame, const sample_t *sample)
{
    sb_arena_reset (s_arena);
    sample_t again = {NULL, 0};
    sb_fault_t fault = sample_decode (frame, sample, s_arena, &again);
    cr_assert (fault.reason == SB_REASON_NONE || fault.reason == SB_REASON_MALFORMED);
    if (fault.reason == SB_REASON_NONE && again.size > 0) {
        fault = sample_decode (frame, &again, s_arena, NULL);
        cr_assert_eq (fault.reason, SB_REASON_NONE, "frame %d: %s", frame, fault.text.data);
    }
    sample_free (&again);
}

Test (noise, every_message_truncated_at_every_length)
{
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++)
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sample_t whole = sample_new (frame, number, true);
            for (size_t size = 0; size < whole.size; size++) {
                sample_t part = sample_copy (whole.data, size);
                s_decode (frame, &part);
                sample_free (&part);
            }
            sample_free (&whole);
        }
}

Test (noise, random_octets)
{
    for (int round = 0; round < ROUNDS; round++)
        for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++) {
            unsigned char octets[256];
            size_t size = s_random () % sizeof octets;
            for (size_t i = 0; i < size; i++)
                octets[i] = (unsigned char)(round % 2 ? s_random () : s_random () % 24);
            sample_t sample = sample_copy (octets, size);
            s_decode (frame, &sample);
            sample_free (&sample);
        }
}

Test (noise, valid_messages_with_altered_octets)
{
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++)
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sample_t whole = sample_new (frame, number, true);
            for (int round = 0; round < ROUNDS / 40; round++) {
                sample_t altered = sample_copy (whole.data, whole.size);
                for (uint64_t i = s_random () % 4 + 1; i > 0; i--)
                    altered.data[s_random () % altered.size] = (unsigned char)s_random ();
                s_decode (frame, &altered);
                sample_free (&altered);
            }
            sample_free (&whole);
        }
}

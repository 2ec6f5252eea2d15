/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec's hot path beside protobuf-c: any octets are read by both, and by the function that everybody calls. All
 * give the same message or the same fault, and write the same octets again (tests/unit/wire/hot_twins.c).
 */
#include "fuzz.h"
#include "hot_twins.h"

#include <stdio.h>

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

DIFFERENTIAL_TARGET (agent_message)
DIFFERENTIAL_TARGET (publication)
DIFFERENTIAL_TARGET (broker_message)

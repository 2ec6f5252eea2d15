/* SPDX-License-Identifier: MPL-2.0
 *
 * Chance, and the options of a seed. One stream of splitmix64: a seed is its whole state, and neighbouring seeds have
 * nothing in common. The table of options decides order and ranges, so a new row changes all runs after it alone.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t s_next (sim_t *self)
{
    uint64_t word = self->random += UINT64_C (0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C (0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C (0x94D049BB133111EB);
    return word ^ (word >> 31);
}

uint32_t sim_below (sim_t *self, uint32_t limit)
{
    return (uint32_t)(s_next (self) % limit);
}

bool sim_chance (sim_t *self, uint32_t percent)
{
    return sim_below (self, 100) < percent;
}

bool sim_chance_ppm (sim_t *self, uint32_t ppm)
{
    return sim_below (self, 1000000) < ppm;
}

void sim_options_draw (sim_t *self)
{
    sim_options_t *options = &self->options;
#define SIM_OPTION(name, percent, low, high, usual)                                                                    \
    options->name = sim_chance (self, (percent)) ? (low) + sim_below (self, (high) - (low) + 1) : (usual);
#define SIM_OPTION_APART(name, percent, low, high, usual)                                                              \
    do {                                                                                                               \
        uint64_t kept = self->random;                                                                                  \
        self->random = self->seed * UINT64_C (0xD1342543DE82EF95);                                                     \
        SIM_OPTION (name, percent, low, high, usual)                                                                   \
        self->random = kept;                                                                                           \
    } while (0);
#include "sim_options.def"
#undef SIM_OPTION_APART
#undef SIM_OPTION
    if (options->crowd)
        options->agents = options->crowd;
    if (options->host)
        options->agents = options->host;
    if (options->agents > 12) { /* a crowd beats and acts slower, or one seed would take the time of a hundred */
        options->heartbeat_ms = options->agents > 60 ? 8000 : 4000;
        options->pace_ms = 1200;
    }
}

void sim_options_print (const sim_t *self)
{
    printf ("seed %" PRIu64 ":", self->seed);
#define SIM_OPTION(name, percent, low, high, usual) printf (" " #name " %" PRIu32, self->options.name);
#define SIM_OPTION_APART                            SIM_OPTION
#include "sim_options.def"
#undef SIM_OPTION_APART
#undef SIM_OPTION
    printf ("\n");
    fflush (stdout);
}

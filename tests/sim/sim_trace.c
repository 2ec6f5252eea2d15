/* SPDX-License-Identifier: MPL-2.0
 *
 * The story of a run, and its hash. Every octet that crosses the network and every fault goes into an sum, so
 * that two runs of a seed can be compared without keeping either; the story is printed only when it is asked for.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const s_fault_names[SIM_FAULT_LIMIT] = {
#define SIM_FAULT(name, text) [SIM_FAULT_##name] = #name,
#include "sim_faults.def"
#undef SIM_FAULT
};

void sim_fail (const sim_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    printf ("FAILED seed %" PRIu64 " at %.3f s: ", self->seed, (double)self->now_ns / 1e9);
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
    fflush (stdout);
    _Exit (1);
}

void sim_say (const sim_t *self, const char *format, ...)
{
    if (!self->is_traced)
        return;
    va_list arguments;
    va_start (arguments, format);
    printf ("%12.3f ", (double)self->now_ns / 1e9);
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
}

/* Eight octets at a time: every octet that goes anywhere passes through here. */
uint64_t sim_hash (uint64_t hash, const void *data, size_t size)
{
    const uint8_t *octets = data;
    uint64_t word;
    hash = (hash ^ size) * UINT64_C (0x9FB21C651E98DF25);
    for (; size >= sizeof word; size -= sizeof word, octets += sizeof word) {
        memcpy (&word, octets, sizeof word);
        hash = (hash ^ word) * UINT64_C (0x9FB21C651E98DF25);
        hash ^= hash >> 32;
    }
    word = 0;
    if (size)
        memcpy (&word, octets, size);
    hash = (hash ^ word) * UINT64_C (0x9FB21C651E98DF25);
    return hash ^ hash >> 29;
}

void sim_mix (sim_t *self, const void *data, size_t size)
{
    self->trace_hash = sim_hash (self->trace_hash, data, size);
}

void sim_note_fault (sim_t *self, sim_fault_t fault)
{
    self->faults[fault]++;
    sim_mix (self, &fault, sizeof fault);
}

const char *sim_fault_name (sim_fault_t fault)
{
    return s_fault_names[fault];
}

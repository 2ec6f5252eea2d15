/* SPDX-License-Identifier: MPL-2.0
 *
 * The story of a run, and its hash. Every octet that crosses the network and every fault goes into an FNV-1a sum, so
 * that two runs of a seed can be compared without keeping either; the story is printed only when it is asked for.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

void sim_mix (sim_t *self, const void *data, size_t size)
{
    const uint8_t *octets = data;
    uint64_t hash = self->trace_hash;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ octets[i]) * UINT64_C (0x100000001b3);
    self->trace_hash = hash;
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

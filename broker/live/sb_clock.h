/* SPDX-License-Identifier: MPL-2.0
 *
 * The system's clocks as numbers. Only the shell reads them: the core is given its times with each event.
 */
#ifndef SB_CLOCK_H
#define SB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment before; never goes back. Cannot fail. */
static inline uint64_t sb_clock_monotonic_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since 1970; goes back when the clock is set back. Cannot fail. */
static inline int64_t sb_clock_unix_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

#endif

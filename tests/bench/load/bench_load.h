/* SPDX-License-Identifier: MPL-2.0
 *
 * The parts of the load generator: what the command line said, and the two kinds of process.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench_driver.h"

/* The command line. */
typedef struct {
    bench_options_t options;
    uint64_t updates;    /* of a publisher process, over all its publishers; 0: until `seconds` are over */
    uint32_t seconds;    /* likewise; 0: until `updates` were sent */
    uint32_t rate;       /* updates a second of the whole process; 0: as fast as it goes */
    uint64_t expect;     /* updates of each publisher that subscribers wait for; 0: a line on standard input says */
    uint32_t probe_ms;   /* publishers send probes for so long, then start; 0: until a line `go` on standard input */
    uint32_t quiet_ms;   /* subscribers wait so long for what is missing; publishers for what is undecided */
    uint32_t deadline_s; /* the process gives up after so many seconds, whatever it does */
} bench_load_t;

/* Publishes, and prints what came of it. Returns the exit code. */
int bench_publish (const bench_driver_t *driver, const bench_load_t *load);

/* Subscribes until all has come or nothing comes any more, and prints what came. Returns the exit code. */
int bench_subscribe (const bench_driver_t *driver, const bench_load_t *load);

/* CPU time of this process so far, user and system. */
double bench_cpu_seconds (void);

/* Reads a whole line from standard input when there is one, without its newline, into `line`. False when there is none
 * yet. The end of the input ends the process: whoever started it is gone. */
bool bench_read_line (char *line, size_t size);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * Tells a broker that is not there from one that is slow: ZeroMQ goes on connecting in silence, whether the port is
 * closed or the network is slow. Asked only while nothing ever connected, and only after a moment, so that a broker
 * that is just starting is waited for.
 */
#ifndef SB_PROBE_H
#define SB_PROBE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SB_PROBE_PATIENCE_MS = 800, /* nothing is refused before that */
    SB_PROBE_INTERVAL_MS = 250  /* between two looks */
};

/* When to look next. */
typedef struct {
    const char *endpoint; /* tcp:// or ipc://; must live as long */
    int64_t next_ms;      /* monotonic */
    bool is_on;           /* false: sb_probe_is_refused is always false */
} sb_probe_t;

/* A probe that begins to look SB_PROBE_PATIENCE_MS from now, or never when `is_on` is false. */
sb_probe_t sb_probe_begin (const char *endpoint, bool is_on);

/* True when it is time to look and nobody listens there: every address of the host refuses the connection. False
 * otherwise, also where that cannot be told. Takes at most some 100 ms, and the time that looking up a name takes. */
bool sb_probe_is_refused (sb_probe_t *self);

#endif

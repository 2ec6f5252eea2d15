/* SPDX-License-Identifier: MPL-2.0
 *
 * The libzmq sockets of one agent: DEALER with its monitor, and SUB. Used by one thread at a time.
 */
#ifndef SB_AGENT_SOCKETS_H
#define SB_AGENT_SOCKETS_H

#include <zmq.h>

#include "sb_model.h"

enum {
    SB_SOCKETS_MESSAGE_MAX = 16 * 1024 * 1024
}; /* libzmq cuts the connection beyond it: a broker's limit times four, with room */

typedef struct {
    void *context;
    void *dealer;  /* NULL: none */
    void *monitor; /* of the dealer */
    void *sub;
    uint64_t dealer_count; /* made so far: names the monitor's endpoint */
} sb_sockets_t;

/* What the monitor says of the DEALER's connection. */
typedef enum { SB_LINK_QUIET, SB_LINK_CAME_UP, SB_LINK_WENT_DOWN } sb_link_news_t;

/* Makes a context. Returns 0, or an errno. */
int sb_sockets_init (sb_sockets_t *self);

/* Closes all; what was sent last has up to linger_ms to leave. */
void sb_sockets_fini (sb_sockets_t *self, int linger_ms);

/* Replaces the DEALER by a new one to `endpoint`. Returns 0, or the errno of the step that failed: EINVAL and
 * EPROTONOSUPPORT for a bad endpoint. */
int sb_sockets_connect (sb_sockets_t *self, const char *endpoint);

/* Throws the DEALER away with what it has not sent. */
void sb_sockets_disconnect (sb_sockets_t *self);

/* Replaces the SUB; with an empty endpoint there is none afterwards. Returns 0, or an errno. */
int sb_sockets_subscribe (sb_sockets_t *self, const char *endpoint, const sb_text_t *prefixes, uint32_t prefix_count,
                          int queue);

/* Reads what the monitor has said since; the last word counts, but a loss is never passed over. */
sb_link_news_t sb_sockets_link_news (sb_sockets_t *self);

#endif

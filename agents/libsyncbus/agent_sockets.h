/* SPDX-License-Identifier: MPL-2.0
 *
 * The libzmq sockets of one agent: DEALER with its monitor, and SUB. Used by one thread at a time.
 */
#ifndef SB_AGENT_SOCKETS_H
#define SB_AGENT_SOCKETS_H

#include <zmq.h>

#include "sb_model.h"

enum {
    SB_SOCKETS_MESSAGE_MAX = 32 * 1024 * 1024
}; /* libzmq cuts the connection beyond it: twice the largest limits/message_bytes that a broker may have */

typedef struct {
    void *context;
    void *dealer;  /* NULL: none */
    void *monitor; /* of the dealer */
    void *sub;
    void *sub_monitor;
    uint64_t monitor_count; /* made so far: names their endpoints */
    char join_prefix[64];   /* that the SUB is subscribed to for a join */
    uint32_t join_prefix_size;
} sb_sockets_t;

/* What a monitor says of its socket's connection. */
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

/* Subscribes the SUB to `prefix` too, in place of the one given here before. Returns 0, or an errno. */
int sb_sockets_join (sb_sockets_t *self, sb_text_t prefix);

/* Reads the next thing that the SUB's monitor has said: each counts, as every handshake needs a join of its own. */
sb_link_news_t sb_sockets_sub_news (sb_sockets_t *self);

/* Reads what the DEALER's monitor has said since; the last word counts, but a loss is never passed over. */
sb_link_news_t sb_sockets_link_news (sb_sockets_t *self);

#endif

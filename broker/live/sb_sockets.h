/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's three sockets: made, limited, bound, watched.
 */
#ifndef SB_SOCKETS_H
#define SB_SOCKETS_H

#include "sb_config.h"
#include "sb_connections.h"

enum { SB_ENDPOINT_SIZE = 320 };

typedef enum { SB_SOCKET_INGRESS, SB_SOCKET_PUBLISH, SB_SOCKET_COMMAND, SB_SOCKETS } sb_socket_name_t;

/* One socket. */
typedef struct {
    const char *name; /* "ingress" */
    void *socket;
    sb_connections_t *connections;     /* what its monitor tells */
    char endpoint[SB_ENDPOINT_SIZE];   /* as bound, with the real port */
    char advertised[SB_ENDPOINT_SIZE]; /* with the host as configured */
    bool is_loopback;
} sb_socket_t;

/* All of them. */
typedef struct {
    void *context;
    sb_socket_t sockets[SB_SOCKETS];
} sb_sockets_t;

/* Makes and binds all three. Returns true, or false with a sentence in `problem`; then nothing is left open. */
bool sb_sockets_open (sb_sockets_t *self, const sb_config_t *config, char *problem, size_t size);

/* Closes them; what was sent has `linger_ms` to leave. Blocks for at most that. */
void sb_sockets_close (sb_sockets_t *self, int linger_ms);

#endif

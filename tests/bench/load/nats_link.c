/* SPDX-License-Identifier: MPL-2.0
 *
 * See nats_link.h.
 */
#include "nats_link.h"

#include <stdio.h>

void nats_link_check (natsStatus status, const char *what)
{
    if (status != NATS_OK)
        bench_fail ("nats: %s: %s", what, natsStatus_GetText (status));
}

static void s_on_closed (natsConnection *connection, void *closure)
{
    (void)closure;
    const char *why = NULL;
    /* A connection that was closed on purpose has no error. */
    if (natsConnection_GetLastError (connection, &why) != NATS_OK)
        bench_fail ("nats: a connection was lost: %s", why ? why : "no reason given");
}

static void s_on_error (natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure)
{
    (void)connection, (void)subscription, (void)closure;
    /* A slow consumer's losses are counted by the library, and reported by the driver. */
    if (status != NATS_SLOW_CONSUMER)
        bench_fail ("nats: %s", natsStatus_GetText (status));
}

natsConnection *nats_link_connect (const bench_options_t *options, const char *endpoint)
{
    char url[300];
    natsOptions *settings = NULL;
    natsConnection *connection = NULL;
    if (snprintf (url, sizeof url, "nats://%s", endpoint) >= (int)sizeof url)
        bench_fail ("nats: \"%s\" is not HOST:PORT", endpoint);
    nats_link_check (natsOptions_Create (&settings), "options");
    nats_link_check (natsOptions_SetURL (settings, url), url);
    nats_link_check (natsOptions_SetAllowReconnect (settings, false), "options");
    nats_link_check (natsOptions_SetSendAsap (settings, options->is_paced), "options");
    nats_link_check (natsOptions_SetClosedCB (settings, s_on_closed, NULL), "options");
    nats_link_check (natsOptions_SetErrorHandler (settings, s_on_error, NULL), "options");
    nats_link_check (natsConnection_Connect (&connection, settings), url);
    natsOptions_Destroy (settings);
    return connection;
}

bool nats_link_flush (natsConnection **connections, uint32_t count, int timeout_ms)
{
    const uint64_t deadline_ns = bench_clock_ns () + (uint64_t)timeout_ms * 1000000;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t now_ns = bench_clock_ns ();
        const int64_t left_ms = now_ns < deadline_ns ? (int64_t)((deadline_ns - now_ns) / 1000000) : 0;
        if (natsConnection_FlushTimeout (connections[i], left_ms > 0 ? left_ms : 1) != NATS_OK)
            return false;
    }
    return true;
}

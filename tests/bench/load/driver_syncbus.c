/* SPDX-License-Identifier: MPL-2.0
 *
 * SyncBus on plain sockets: a DEALER with window and acks, a SUB, broker/wire's codec, no client library.
 */
#include "bench_session.h"

static void *s_publish_open (const bench_options_t *options)
{
    return bench_session_publish_open (options, &bench_codec_wire);
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    return bench_session_subscribe_open (options, sink, &bench_codec_wire);
}

const bench_driver_t bench_driver_syncbus = {
    .name = "syncbus",
    .help = "syncbusd; tcp://HOST:PORT; a batch is a DeltaBatch",
    .publish_open = s_publish_open,
    .publish = bench_session_publish,
    .service = bench_session_service,
    .finish = bench_session_finish,
    .published = bench_session_published,
    .publish_close = bench_session_publish_close,
    .subscribe_open = s_subscribe_open,
    .receive = bench_session_receive,
    .received = bench_session_received,
    .subscribe_close = bench_session_subscribe_close,
};

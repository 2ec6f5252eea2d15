/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec forwarder's ends: the real messages, made and read by protobuf-c's own code, with a window by acks.
 */
#include "bench_session.h"

static void *s_publish_open (const bench_options_t *options)
{
    return bench_session_publish_open (options, &bench_codec_protobuf_c);
}

static void *s_subscribe_open (const bench_options_t *options, bench_sink_t *sink)
{
    return bench_session_subscribe_open (options, sink, &bench_codec_protobuf_c);
}

const bench_driver_t bench_driver_codec = {
    .name = "codec",
    .help = "bench_codec_forwarder; tcp://HOST:PORT; a batch is a DeltaBatch",
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

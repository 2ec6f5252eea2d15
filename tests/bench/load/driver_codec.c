/* SPDX-License-Identifier: MPL-2.0
 *
 * The codec forwarder's ends: the real messages, made and read by protobuf-c's own code, with a window by acks.
 */
#include "bench_session.h"

BENCH_SESSION_DRIVER (codec, bench_codec_protobuf_c, "bench_codec_forwarder; tcp://HOST:PORT; a batch is a DeltaBatch");

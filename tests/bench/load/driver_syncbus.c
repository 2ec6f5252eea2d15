/* SPDX-License-Identifier: MPL-2.0
 *
 * SyncBus on plain sockets: a DEALER with window and acks, a SUB, broker/wire's codec, no client library.
 */
#include "bench_session.h"

BENCH_SESSION_DRIVER (syncbus, bench_codec_wire, "syncbusd; tcp://HOST:PORT; a batch is a DeltaBatch");

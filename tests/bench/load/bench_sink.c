/* SPDX-License-Identifier: MPL-2.0
 *
 * See bench_sink.h. An arrival costs a table look-up, a compare and a histogram's increment: the same for every system.
 */
#include "bench_sink.h"
#include "bench_payload.h"

#include <stdatomic.h>
#include <stdlib.h>

/* What one subscriber has of one publisher. */
typedef struct {
    _Atomic uint64_t next; /* number that comes next; 0: nothing was heard, not even a probe */
    uint64_t missing;      /* numbers that were jumped over */
    bool is_read;          /* it reads the category that this publisher writes */
} s_stream_t;

typedef struct {
    s_stream_t *streams; /* one for each publisher */
    bench_histogram_t *times;
    uint64_t received;
    uint64_t repeated;
    uint64_t damaged;
    uint64_t first_ns;
    uint64_t last_ns;
    _Atomic uint64_t progress;
} __attribute__ ((aligned (128))) s_subscriber_t;

struct bench_sink {
    const bench_options_t *options;
    s_subscriber_t *subscribers;
};

static void *s_allocate (size_t size)
{
    void *memory = aligned_alloc (128, (size + 127) & ~(size_t)127);
    if (!memory)
        bench_fail ("no memory for %zu octets of accounting", size);
    return memset (memory, 0, size);
}

bench_sink_t *bench_sink_new (const bench_options_t *options)
{
    bench_sink_t *self = s_allocate (sizeof *self);
    self->options = options;
    self->subscribers = s_allocate (options->count * sizeof *self->subscribers);
    for (uint32_t i = 0; i < options->count; i++) {
        s_subscriber_t *subscriber = &self->subscribers[i];
        subscriber->streams = s_allocate (options->publishers * sizeof *subscriber->streams);
        subscriber->times = s_allocate (sizeof *subscriber->times);
        for (uint32_t publisher = 0; publisher < options->publishers; publisher++)
            for (uint32_t read = 0; read < options->reads; read++)
                if (bench_reads_category (options, i, read) == bench_category (options, publisher))
                    subscriber->streams[publisher].is_read = true;
    }
    return self;
}

void bench_sink_destroy (bench_sink_t **self_p)
{
    bench_sink_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->options->count; i++) {
        free (self->subscribers[i].streams);
        free (self->subscribers[i].times);
    }
    free (self->subscribers);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- arrivals */

static void s_take_one (s_subscriber_t *self, const bench_payload_t *payload, uint64_t now_ns)
{
    s_stream_t *stream = &self->streams[payload->publisher];
    const uint64_t next = atomic_load_explicit (&stream->next, memory_order_relaxed);
    if (payload->number == 0) {
        if (next == 0)
            atomic_store_explicit (&stream->next, 1, memory_order_relaxed);
        return;
    }
    const uint64_t wanted = next ? next : 1;
    if (payload->number < wanted) {
        self->repeated++;
        return;
    }
    stream->missing += payload->number - wanted;
    atomic_store_explicit (&stream->next, payload->number + 1, memory_order_relaxed);
    bench_histogram_add (self->times, now_ns > payload->sent_ns ? now_ns - payload->sent_ns : 0);
    if (self->received++ == 0)
        self->first_ns = now_ns;
    self->last_ns = now_ns;
}

void bench_sink_take (bench_sink_t *self, uint32_t subscriber, const uint8_t *payloads, size_t octets)
{
    bench_sink_take_at (self, subscriber, payloads, octets, bench_clock_ns ());
}

void bench_sink_take_at (bench_sink_t *self, uint32_t subscriber, const uint8_t *payloads, size_t octets,
                         uint64_t now_ns)
{
    const uint32_t size = self->options->size;
    s_subscriber_t *taker = &self->subscribers[subscriber];
    bench_payload_t payload;
    if (octets == 0 || octets % size != 0)
        taker->damaged++;
    for (size_t at = 0; at + size <= octets; at += size) {
        bool is_whole = bench_payload_read (payloads + at, size, &payload) &&
                        payload.publisher < self->options->publishers && taker->streams[payload.publisher].is_read;
        if (is_whole)
            s_take_one (taker, &payload, now_ns);
        else
            taker->damaged++;
    }
    atomic_store_explicit (&taker->progress, taker->progress + 1, memory_order_release);
}

/* ---------------------------------------------------------------- what came of it */

uint64_t bench_sink_progress (bench_sink_t *self)
{
    uint64_t progress = 0;
    for (uint32_t i = 0; i < self->options->count; i++)
        progress += atomic_load_explicit (&self->subscribers[i].progress, memory_order_acquire);
    return progress;
}

/* True when each stream that is read has come to its number: `published` NULL: at least a probe. */
static bool s_has_reached (const bench_sink_t *self, const uint64_t *published)
{
    for (uint32_t i = 0; i < self->options->count; i++)
        for (uint32_t publisher = 0; publisher < self->options->publishers; publisher++) {
            s_stream_t *stream = &self->subscribers[i].streams[publisher];
            const uint64_t wanted = published ? published[publisher] + 1 : 1;
            if (stream->is_read && atomic_load_explicit (&stream->next, memory_order_acquire) < wanted)
                return false;
        }
    return true;
}

bool bench_sink_is_ready (bench_sink_t *self)
{
    return s_has_reached (self, NULL);
}

bool bench_sink_is_complete (bench_sink_t *self, const uint64_t *published)
{
    return s_has_reached (self, published);
}

static int s_compare (const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double s_rate (const s_subscriber_t *self)
{
    const uint64_t elapsed_ns = self->last_ns - self->first_ns;
    return self->received > 1 && elapsed_ns > 0 ? (double)(self->received - 1) * 1e9 / (double)elapsed_ns : 0;
}

static void s_add_streams (const bench_sink_t *self, const s_subscriber_t *subscriber, const uint64_t *published,
                           bench_sink_summary_t *summary)
{
    for (uint32_t publisher = 0; publisher < self->options->publishers; publisher++) {
        const s_stream_t *stream = &subscriber->streams[publisher];
        if (!stream->is_read)
            continue;
        const uint64_t through = stream->next ? stream->next - 1 : 0;
        summary->expected += published[publisher];
        summary->lost += stream->missing + (published[publisher] > through ? published[publisher] - through : 0);
    }
}

void bench_sink_summarize (bench_sink_t *self, const uint64_t *published, bench_sink_summary_t *summary)
{
    const uint32_t count = self->options->count;
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    double *rates = s_allocate (count * sizeof *rates);
    memset (summary, 0, sizeof *summary);
    for (uint32_t i = 0; i < count; i++) {
        const s_subscriber_t *subscriber = &self->subscribers[i];
        s_add_streams (self, subscriber, published, summary);
        summary->received += subscriber->received;
        summary->repeated += subscriber->repeated;
        summary->damaged += subscriber->damaged;
        bench_histogram_merge (&summary->times, subscriber->times);
        rates[i] = s_rate (subscriber);
        if (subscriber->received && subscriber->first_ns < first_ns)
            first_ns = subscriber->first_ns;
        if (subscriber->last_ns > last_ns)
            last_ns = subscriber->last_ns;
    }
    qsort (rates, count, sizeof *rates, s_compare);
    summary->rate = count % 2 ? rates[count / 2] : (rates[count / 2 - 1] + rates[count / 2]) / 2;
    summary->rate_low = rates[0];
    summary->seconds = last_ns > first_ns ? (double)(last_ns - first_ns) / 1e9 : 0;
    free (rates);
}

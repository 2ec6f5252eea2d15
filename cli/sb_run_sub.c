/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus sub`: publications as JSON lines. A loss is never silent: the sequence of each topic is watched, and what
 * is missing is said on standard error; so is what the broker does not conflate, and the run ends. One hash entry for
 * each topic met.
 */
#include <assert.h>
#include <czmq.h>

#include "sb_json.h"
#include "sb_names.h"
#include "sb_output.h"
#include "sb_probe.h"
#include "sb_run.h"
#include "sb_stream.h"

enum { STREAM_ARENA_BYTES = 64 << 20, CONFLATED_SIZE = 32 /* octets for ~conflated.60000. */ };

/* What is known of one topic. */
typedef struct {
    uint64_t stream_id;
    uint64_t topic_sequence; /* of its last publication; of the last one merged into it */
} topic_t;

typedef struct {
    sb_run_t *run;
    sb_stream_t *stream;
    sb_arena_t *arena;
    sb_json_t *json;
    zhash_t *topics;     /* topic_t by topic */
    uint64_t count;      /* publications printed */
    uint64_t count_most; /* 0: any number */
    int64_t end_ms;      /* on czmq's monotonic clock; 0: never */
    uint64_t lost;
    sb_probe_t probe; /* on while nothing ever connected */
    bool was_connected;
} subscriber_t;

/* Compares with the last publication of the same topic. The levels are not numbered; a conflated one stands for all
 * from the first merged into it on. */
static void s_watch (subscriber_t *self, const sb_publication_t *publication)
{
    char name[SB_TOPIC_MAX + 1 + CONFLATED_SIZE];
    uint64_t first =
        publication->first_topic_sequence ? publication->first_topic_sequence : publication->topic_sequence;
    if (publication->topic_sequence == 0)
        return;
    snprintf (name, sizeof (name), "%.*s", (int)publication->topic.size, publication->topic.data);
    topic_t *topic = zhash_lookup (self->topics, name);
    if (!topic) {
        topic = calloc (1, sizeof (*topic));
        assert (topic);
        zhash_insert (self->topics, name, topic);
        zhash_freefn (self->topics, name, free);
    } else if (topic->stream_id == publication->stream_id && first > topic->topic_sequence + 1) {
        uint64_t missing = first - topic->topic_sequence - 1;
        self->lost += missing;
        sb_run_complain (0, "%" PRIu64 " publications of %s were lost: this reader is too slow or was disconnected",
                         missing, name);
    }
    topic->stream_id = publication->stream_id;
    topic->topic_sequence = publication->topic_sequence;
}

static void s_print (subscriber_t *self, const sb_publication_t *publication)
{
    s_watch (self, publication);
    sb_json_clear (self->json);
    sb_json_publication (self->json, publication);
    puts (sb_json_text (self->json));
    self->count++;
}

/* How long to wait for the next thing; what was printed is flushed before a wait. */
static int s_wait_ms (const subscriber_t *self, int64_t connect_end_ms)
{
    int64_t end_ms = self->end_ms;
    if (!self->was_connected && (end_ms == 0 || connect_end_ms < end_ms))
        end_ms = connect_end_ms;
    int64_t left_ms = end_ms ? end_ms - zclock_mono () : -1;
    int64_t most_ms = self->probe.is_on ? SB_PROBE_INTERVAL_MS : 3600000;
    return end_ms && left_ms < 0 ? 0 : left_ms > most_ms ? (int)most_ms : (int)left_ms;
}

/* Nothing would ever come of what is refused. Returns SB_EXIT_REFUSED. */
static int s_complain_refused (const subscriber_t *self, const char *endpoint)
{
    uint32_t interval_ms;
    const char *topic;
    for (uint32_t i = 0; (topic = sb_stream_refused (self->stream, i, &interval_ms)) != NULL; i++)
        sb_run_complain (0,
                         "the broker at %s does not conflate %s at %" PRIu32 " ms: raise limits/conflations in its "
                         "configuration, take another interval, or read it without --conflate",
                         endpoint, topic, interval_ms);
    return SB_EXIT_REFUSED;
}

static int s_read (subscriber_t *self)
{
    const char *endpoint = sb_arguments_option (&self->run->arguments, "publish-endpoint");
    int64_t connect_end_ms = zclock_mono () + self->run->timeout_ms;
    self->probe = sb_probe_begin (endpoint, self->run->is_impatient);
    sb_publication_t publication;
    while (self->count_most == 0 || self->count < self->count_most) {
        if (self->end_ms && zclock_mono () >= self->end_ms)
            return SB_EXIT_DONE;
        sb_arena_reset (self->arena);
        sb_stream_outcome_t outcome = sb_stream_next (self->stream, 0, self->arena, &publication);
        if (outcome == SB_STREAM_QUIET) {
            if (!sb_output_flush ())
                return SB_EXIT_DONE;
            outcome = sb_stream_next (self->stream, s_wait_ms (self, connect_end_ms), self->arena, &publication);
        }
        switch (outcome) {
        case SB_STREAM_PUBLICATION:
            s_print (self, &publication);
            break;
        case SB_STREAM_CONNECTED:
            if (self->was_connected)
                sb_run_complain (0, "the broker at %s is back", endpoint);
            self->was_connected = true;
            self->probe.is_on = false;
            break;
        case SB_STREAM_LOST:
            sb_run_complain (0, "the broker at %s is gone: waiting for it to come back", endpoint);
            break;
        case SB_STREAM_REFUSED:
            return s_complain_refused (self, endpoint);
        case SB_STREAM_UNANSWERED:
            sb_run_complain (
                0,
                "the broker at %s does not say whether it conflates what is asked for: asking again, until "
                "it answers",
                endpoint);
            break;
        case SB_STREAM_BAD_FRAME:
            sb_run_complain (0, "a frame from %s is no publication: check --publish-endpoint", endpoint);
            break;
        case SB_STREAM_QUIET:
            if (!self->was_connected && (zclock_mono () >= connect_end_ms || sb_probe_is_refused (&self->probe)))
                return sb_run_complain (SB_EXIT_NO_ANSWER, "no broker at %s: is syncbusd running?", endpoint);
            break;
        case SB_STREAM_INTERRUPTED:
            return SB_EXIT_DONE;
        }
        if (!sb_output_is_good ())
            return SB_EXIT_DONE;
    }
    return SB_EXIT_DONE;
}

/* Reads options and topics. Returns false after complaining. */
static bool s_prepare (subscriber_t *self)
{
    sb_arguments_t *arguments = &self->run->arguments;
    double count;
    double seconds;
    double conflate_ms;
    if (!sb_arguments_number (arguments, "count", 1, 1e15, 0, &count) ||
        !sb_arguments_number (arguments, "seconds", 0.001, 1e9, 0, &seconds) ||
        !sb_arguments_number (arguments, "conflate", SB_CONFLATION_MIN_MS, SB_CONFLATION_MAX_MS, 0, &conflate_ms)) {
        sb_run_usage (self->run);
        return false;
    }
    self->count_most = (uint64_t)count;
    self->end_ms = seconds > 0 ? zclock_mono () + (int64_t)(seconds * 1000) : 0;
    for (uint32_t i = 0; i < arguments->operand_count; i++)
        if (!sb_stream_subscribe (self->stream, arguments->operands[i], (uint32_t)conflate_ms)) {
            sb_run_complain (0,
                             "\"%s\" is no topic: write a category, a prefix as category.agent, an exact topic as "
                             "category.agent.subject, or all; ~conflated.MS. may stand before it, MS from 10 to 60000",
                             arguments->operands[i]);
            return false;
        }
    if (arguments->operand_count == 0)
        sb_stream_subscribe (self->stream, "all", (uint32_t)conflate_ms);
    const char *endpoint = sb_arguments_option (arguments, "publish-endpoint");
    if (sb_stream_connect (self->stream, endpoint))
        return true;
    sb_run_complain (0, "\"%s\" is no endpoint: write one as tcp://HOST:PORT", endpoint);
    return false;
}

int sb_run_sub (sb_run_t *run)
{
    subscriber_t self = {.run = run,
                         .stream = sb_stream_new (),
                         .arena = sb_arena_new (STREAM_ARENA_BYTES),
                         .json = sb_json_new (),
                         .topics = zhash_new ()};
    assert (self.arena && self.topics);
    int code = s_prepare (&self) ? s_read (&self) : SB_EXIT_USAGE;
    sb_output_flush ();
    if (self.lost)
        sb_run_complain (0, "%" PRIu64 " publications were lost in all", self.lost);
    sb_stream_destroy (&self.stream);
    sb_arena_destroy (&self.arena);
    sb_json_destroy (&self.json);
    zhash_destroy (&self.topics);
    return code;
}

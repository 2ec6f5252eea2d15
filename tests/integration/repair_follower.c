/* SPDX-License-Identifier: MPL-2.0
 *
 * A reader on libsyncbus for the repair tests. It does what lines on standard input say and answers each with one line
 * of JSON, and keeps two accounts that the library has no hand in: what its SUB socket handed out (zmq_msg_recv is
 * wrapped at link time, every frame is decoded once more here), and what its handlers were told.
 *
 *   repair_follower RECEIVE_OCTETS INGRESS AGENT_ID INTEREST…
 *
 * RECEIVE_OCTETS is what the kernel is to take for its SUB socket while it does not read; 0: as the kernel likes.
 *
 *   wait MS    {"current":…}              whether the copy became current in time
 *   state      the copy: current, state_hash, sequence, fields, topics, and the library's counts
 *   account    for each topic: first and last topic sequence, ranges that the socket never handed out (`missing`),
 * ranges that on_gap told (`told`), publications delivered twice or out of order, or while their category was stale
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "sb_codec.h"
#include "syncbus.h"

enum { TOPICS_MAX = 4096, MESSAGE_BYTES = 16 << 20, QUEUE = 4000000, CATEGORIES_MAX = 64 };

/* Topic sequences, one bit each. */
typedef struct {
    uint64_t *words;
    uint64_t word_count;
} s_bits_t;

typedef struct {
    char topic[SB_TOPIC_MAX + 1];
    uint64_t first; /* the lowest topic sequence that came or was told */
    uint64_t last;  /* the highest */
    s_bits_t live;  /* came out of the socket */
    s_bits_t told;  /* told as lost */
    s_bits_t delivered;
    uint64_t last_delivered;
    uint64_t wrong; /* delivered twice, out of order, or while stale */
} s_topic_t;

/* Everything below is under the lock: the I/O thread writes `live`, the handler thread the rest. */
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static s_topic_t *s_topics[TOPICS_MAX];
static uint32_t s_topic_count;
static char s_stale[CATEGORIES_MAX][SB_CATEGORY_MAX + 1];
static int s_receive_octets; /* set before the agent begins */
static uint64_t s_told_twice, s_gaps, s_recoveries, s_snapshots, s_unknown_losses;

static void s_set (s_bits_t *self, uint64_t number)
{
    if (number / 64 >= self->word_count) {
        uint64_t count = number / 64 * 2 + 64;
        self->words = realloc (self->words, count * sizeof *self->words);
        if (!self->words)
            abort ();
        memset (self->words + self->word_count, 0, (count - self->word_count) * sizeof *self->words);
        self->word_count = count;
    }
    self->words[number / 64] |= UINT64_C (1) << number % 64;
}

static bool s_has (const s_bits_t *self, uint64_t number)
{
    return number / 64 < self->word_count && (self->words[number / 64] >> number % 64 & 1);
}

static s_topic_t *s_find (sb_text_t topic)
{
    static s_topic_t *recent;
    if (recent && strlen (recent->topic) == topic.size && memcmp (recent->topic, topic.data, topic.size) == 0)
        return recent;
    for (uint32_t i = 0; i < s_topic_count; i++) {
        recent = s_topics[i];
        if (strlen (recent->topic) == topic.size && memcmp (recent->topic, topic.data, topic.size) == 0)
            return recent;
    }
    recent = calloc (1, sizeof *recent);
    if (!recent || s_topic_count == TOPICS_MAX || topic.size > SB_TOPIC_MAX)
        abort ();
    memcpy (recent->topic, topic.data, topic.size);
    return s_topics[s_topic_count++] = recent;
}

static void s_note (s_topic_t *topic, s_bits_t *bits, uint64_t number)
{
    s_set (bits, number);
    if (!topic->first || number < topic->first)
        topic->first = number;
    if (number > topic->last)
        topic->last = number;
}

/* ------------------------------------------------------------------ what the socket hands out */

int __real_zmq_connect (void *socket, const char *endpoint);
int __wrap_zmq_connect (void *socket, const char *endpoint);

int __wrap_zmq_connect (void *socket, const char *endpoint)
{
    int type = 0;
    size_t type_size = sizeof type;
    if (s_receive_octets && zmq_getsockopt (socket, ZMQ_TYPE, &type, &type_size) == 0 && type == ZMQ_SUB &&
        zmq_setsockopt (socket, ZMQ_RCVBUF, &s_receive_octets, sizeof s_receive_octets) != 0)
        abort ();
    return __real_zmq_connect (socket, endpoint);
}

int __real_zmq_msg_recv (zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_recv (zmq_msg_t *message, void *socket, int flags);

int __wrap_zmq_msg_recv (zmq_msg_t *message, void *socket, int flags)
{
    static _Thread_local sb_arena_t *arena;
    int size = __real_zmq_msg_recv (message, socket, flags);
    int type = 0;
    size_t type_size = sizeof type;
    if (size < 0 || zmq_getsockopt (socket, ZMQ_TYPE, &type, &type_size) != 0 || type != ZMQ_SUB)
        return size;
    if (!arena && !(arena = sb_arena_new (MESSAGE_BYTES * 4)))
        abort ();
    sb_publication_t publication;
    sb_arena_reset (arena);
    sb_fault_t fault =
        sb_decode_publication (arena, zmq_msg_data (message), zmq_msg_size (message), MESSAGE_BYTES, &publication);
    if (fault.reason == SB_REASON_NONE && publication.sequence) {
        pthread_mutex_lock (&s_lock);
        s_topic_t *topic = s_find (publication.topic);
        s_note (topic, &topic->live, publication.topic_sequence);
        pthread_mutex_unlock (&s_lock);
    }
    return size;
}

/* ------------------------------------------------------------------ what the handlers are told */

/* The place of a category among the stale ones; -1 when it is not there. `category` may be a whole topic. */
static int s_find_stale (sb_text_t category)
{
    for (int i = 0; i < CATEGORIES_MAX; i++) {
        size_t size = strlen (s_stale[i]);
        if (size && category.size >= size && memcmp (category.data, s_stale[i], size) == 0 &&
            (category.size == size || category.data[size] == '.'))
            return i;
    }
    return -1;
}

static void s_mark_stale (sb_text_t topic)
{
    if (s_find_stale (topic) >= 0)
        return;
    const char *dot = memchr (topic.data, '.', topic.size);
    size_t size = dot ? (size_t)(dot - topic.data) : topic.size;
    for (int i = 0; i < CATEGORIES_MAX; i++) {
        if (s_stale[i][0])
            continue;
        memcpy (s_stale[i], topic.data, size);
        s_stale[i][size] = 0;
        return;
    }
    abort ();
}

static void s_on_gap (sb_agent_t *agent, const sb_agent_gap_t *gap, void *context)
{
    (void)agent, (void)context;
    pthread_mutex_lock (&s_lock);
    s_gaps++;
    s_mark_stale (gap->topic);
    if (!gap->first)
        s_unknown_losses++;
    s_topic_t *topic = gap->first ? s_find (gap->topic) : NULL;
    for (uint64_t number = gap->first; topic && number <= gap->last; number++) {
        s_told_twice += s_has (&topic->told, number);
        s_note (topic, &topic->told, number);
    }
    pthread_mutex_unlock (&s_lock);
}

static void s_on_recovered (sb_agent_t *agent, const sb_agent_recovery_t *recovery, void *context)
{
    (void)agent, (void)context;
    pthread_mutex_lock (&s_lock);
    s_recoveries++;
    s_snapshots += recovery->kind == SB_RECOVERED_BY_SNAPSHOT;
    if (!recovery->category.size)
        memset (s_stale, 0, sizeof s_stale);
    int stale = s_find_stale (recovery->category);
    if (stale >= 0)
        s_stale[stale][0] = 0;
    pthread_mutex_unlock (&s_lock);
}

static int s_on_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent, (void)context;
    if (publication->cause == SB_CAUSE_SNAPSHOT)
        return 0;
    pthread_mutex_lock (&s_lock);
    s_topic_t *topic = s_find (publication->topic);
    topic->wrong +=
        s_has (&topic->delivered, publication->topic_sequence) || publication->topic_sequence < topic->last_delivered;
    topic->last_delivered = publication->topic_sequence;
    s_set (&topic->delivered, publication->topic_sequence);
    pthread_mutex_unlock (&s_lock);
    return 0;
}

/* ------------------------------------------------------------------ answers */

static void s_print_ranges (const char *name, const s_topic_t *topic, const s_bits_t *bits, bool wanted)
{
    printf (",\"%s\":[", name);
    const char *comma = "";
    for (uint64_t number = topic->first; number <= topic->last && topic->first; number++) {
        if (s_has (bits, number) != wanted)
            continue;
        uint64_t first = number;
        while (number < topic->last && s_has (bits, number + 1) == wanted)
            number++;
        printf ("%s[%" PRIu64 ",%" PRIu64 "]", comma, first, number);
        comma = ",";
    }
    printf ("]");
}

static void s_say_account (void)
{
    pthread_mutex_lock (&s_lock);
    printf ("{\"told_twice\":%" PRIu64 ",\"gaps\":%" PRIu64 ",\"recoveries\":%" PRIu64 ",\"snapshots\":%" PRIu64
            ",\"unknown_losses\":%" PRIu64 ",\"topics\":{",
            s_told_twice, s_gaps, s_recoveries, s_snapshots, s_unknown_losses);
    for (uint32_t i = 0; i < s_topic_count; i++) {
        const s_topic_t *topic = s_topics[i];
        printf ("%s\"%s\":{\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"wrong\":%" PRIu64, i ? "," : "", topic->topic,
                topic->first, topic->last, topic->wrong);
        s_print_ranges ("missing", topic, &topic->live, false);
        s_print_ranges ("told", topic, &topic->told, true);
        printf ("}");
    }
    printf ("}}\n");
    pthread_mutex_unlock (&s_lock);
}

static void s_say_state (sb_agent_t *agent)
{
    sb_agent_copy_state_t state;
    sb_agent_counts_t counts;
    sb_agent_copy_state (agent, &state);
    sb_agent_counts (agent, &counts);
    printf ("{\"current\":%s,\"state_hash\":\"%016" PRIx64 "\",\"sequence\":%" PRIu64 ",\"fields\":%" PRIu64
            ",\"topics\":%" PRIu64,
            state.is_current ? "true" : "false", state.state_hash, state.sequence, state.fields, state.topics);
    printf (",\"received\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"gaps\":%" PRIu64 ",\"recovered\":%" PRIu64
            ",\"resynchronized\":%" PRIu64 ",\"joins\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",\"restarts\":%" PRIu64
            "}\n",
            counts.received, counts.dropped, counts.gaps, counts.recovered, counts.resynchronized, counts.joins,
            counts.snapshots, counts.restarts);
}

static void s_obey (sb_agent_t *agent, const char *line)
{
    if (strncmp (line, "wait ", 5) == 0)
        printf ("{\"current\":%s}\n",
                sb_agent_wait_current (agent, (uint32_t)strtoul (line + 5, NULL, 10)) ? "true" : "false");
    else if (strncmp (line, "account", 7) == 0)
        s_say_account ();
    else
        s_say_state (agent);
    fflush (stdout);
}

int main (int argc, char **argv)
{
    if (argc < 5) {
        fprintf (stderr, "Usage: repair_follower RECEIVE_OCTETS INGRESS AGENT_ID INTEREST…\n");
        return 2;
    }
    s_receive_octets = (int)strtol (argv[1], NULL, 10);
    sb_agent_options_t options = {
        .agent_id = argv[3],
        .ingress_endpoint = argv[2],
        .interests = (const char *const *)&argv[4],
        .interest_count = (uint32_t)argc - 4,
        .queue_publications = QUEUE, /* what is lost here is lost on the way, not for want of room */
        .handlers = {.on_update = s_on_update, .on_gap = s_on_gap, .on_recovered = s_on_recovered},
    };
    char error[256], line[64];
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    if (!agent) {
        fprintf (stderr, "repair_follower: %s\n", error);
        return 1;
    }
    while (fgets (line, sizeof line, stdin))
        s_obey (agent, line);
    sb_agent_destroy (&agent, 100);
    for (uint32_t i = 0; i < s_topic_count; i++) {
        free (s_topics[i]->live.words);
        free (s_topics[i]->told.words);
        free (s_topics[i]->delivered.words);
        free (s_topics[i]);
    }
    return 0;
}

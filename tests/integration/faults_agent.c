/* SPDX-License-Identifier: MPL-2.0
 *
 * An agent on libsyncbus for the fault tests: does what lines on standard input say, answers each with one line of
 * JSON, and keeps its own account of its state beside the library's, so that a test can hold the broker's picture to
 * it.
 *
 *   faults_agent INGRESS AGENT_ID HEARTBEAT_MS
 *
 * The state is 8 subjects of 32 integers under category `work`. A change writes the next number of a count that never
 * repeats, or deletes a field that is there. A publication of category `poison` whose subject is its agent id
 * is handled by failing. Ends when standard input does.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "syncbus.h"

enum { SUBJECTS = 8, NAMES = 32, SLICE = 64, PACED_SLICE_MS = 10, UPDATE_TIMEOUT_MS = 50, LINGER_MS = 500 };

/* The agent, its own account of its state, and what became of its updates. */
typedef struct {
    sb_agent_t *agent;
    const char *agent_id;
    int64_t values[SUBJECTS][NAMES]; /* 0: the field is not there */
    int64_t last_value;              /* written last, rising */
    uint32_t random;                 /* of a linear congruential generator */
    bool is_pouring;                 /* changes are made until `hold` */
    long per_second;                 /* how many, while pouring; 0: as fast as it goes */
    sb_reason_t last_reason;         /* that the last update returned */
    uint64_t returned[256];          /* updates by the reason that sb_agent_update gave */
    atomic_ulong told[256];          /* refusals that the library told, by reason */
    atomic_ulong retry_after_ms;     /* the longest wait that a refusal named */
} s_puppet_t;

static uint32_t s_random (s_puppet_t *self, uint32_t below)
{
    self->random = self->random * 1664525u + 1013904223u;
    return (self->random >> 8) % below;
}

/* ------------------------------------------------------------------ handlers */

static int s_on_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent;
    const s_puppet_t *self = context;
    return strcmp (strrchr (publication->topic.data, '.') + 1, self->agent_id) == 0 ? -1 : 0;
}

static void s_on_refused (sb_agent_t *agent, const sb_agent_refusal_t *refusal, void *context)
{
    (void)agent;
    s_puppet_t *self = context;
    atomic_fetch_add (&self->told[refusal->reason & 255], 1);
    if (refusal->retry_after_ms > atomic_load (&self->retry_after_ms))
        atomic_store (&self->retry_after_ms, refusal->retry_after_ms);
}

/* ------------------------------------------------------------------ its state */

/* What the library keeps of a refused update stands in its state and goes out later: so it does here. */
static bool s_is_taken (sb_reason_t reason)
{
    return reason == SB_REASON_NONE || reason == SB_REASON_PAUSED || reason == SB_REASON_EMERGENCY_STOPPED ||
           reason == SB_REASON_SELF_PAUSED || reason == SB_REASON_BREAKER_OPEN || reason == SB_REASON_ISOLATED;
}

/* One change of one field: one in four deletes what is there. */
static void s_change (s_puppet_t *self)
{
    char subject[16], name[16];
    uint32_t i = s_random (self, SUBJECTS), j = s_random (self, NAMES);
    snprintf (subject, sizeof subject, "s%u", i);
    snprintf (name, sizeof name, "f%u", j);
    bool is_delete = self->values[i][j] && s_random (self, 4) == 0;
    int64_t value = is_delete ? 0 : ++self->last_value;
    sb_change_t change = is_delete ? sb_delete (name) : sb_integer (name, value);
    sb_agent_update_t update = {.category = "work", .subject = subject, .changes = &change, .change_count = 1};
    sb_reason_t reason = sb_agent_update (self->agent, &update, UPDATE_TIMEOUT_MS, NULL);
    self->last_reason = reason;
    self->returned[reason & 255]++;
    if (s_is_taken (reason))
        self->values[i][j] = value;
}

/* Makes the changes that are due while pouring. */
static void s_pour (s_puppet_t *self)
{
    long count = self->per_second ? self->per_second * PACED_SLICE_MS / 1000 : SLICE;
    for (long i = 0; i < (count ? count : 1); i++)
        s_change (self);
}

/* ------------------------------------------------------------------ lines */

static void s_do_churn (s_puppet_t *self, long count)
{
    for (long i = 0; i < count; i++)
        s_change (self);
    printf ("{}\n");
}

static void s_do_pour (s_puppet_t *self, long per_second)
{
    self->is_pouring = true;
    self->per_second = per_second;
    printf ("{}\n");
}

static void s_do_hold (s_puppet_t *self, long unused)
{
    (void)unused;
    self->is_pouring = false;
    printf ("{}\n");
}

/* Everything sent is decided, or `timeout_ms` is over. */
static void s_do_settle (s_puppet_t *self, long timeout_ms)
{
    printf ("{\"decided\":%s}\n", sb_agent_wait_decided (self->agent, (uint32_t)timeout_ms) ? "true" : "false");
}

static void s_do_state (s_puppet_t *self, long unused)
{
    (void)unused;
    const char *before = "";
    printf ("{");
    for (int i = 0; i < SUBJECTS; i++)
        for (int j = 0; j < NAMES; j++) {
            if (!self->values[i][j])
                continue;
            printf ("%s\"work.%s.s%d f%d\":%" PRId64, before, self->agent_id, i, j, self->values[i][j]);
            before = ",";
        }
    printf ("}\n");
}

static void s_print_reasons (const char *key, uint64_t (*count) (const s_puppet_t *, int), const s_puppet_t *self)
{
    const char *before = "";
    printf (",\"%s\":{", key);
    for (int reason = 0; reason < 256; reason++) {
        uint64_t found = count (self, reason);
        if (!found)
            continue;
        printf ("%s\"%s\":%" PRIu64, before, sb_reason_name ((sb_reason_t)reason), found);
        before = ",";
    }
    printf ("}");
}

static uint64_t s_returned (const s_puppet_t *self, int reason)
{
    return self->returned[reason];
}

static uint64_t s_told (const s_puppet_t *self, int reason)
{
    return atomic_load (&self->told[reason]);
}

static void s_do_report (s_puppet_t *self, long unused)
{
    (void)unused;
    sb_agent_counts_t counts;
    sb_agent_counts (self->agent, &counts);
    printf ("{\"status\":\"%s\",\"sent\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"registrations\":%" PRIu64
            ",\"replacements\":%" PRIu64 ",\"undecided\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"dropped\":%" PRIu64
            ",\"retry_after_ms\":%lu",
            sb_agent_status_name (sb_agent_status (self->agent)), counts.updates_sent, counts.updates_accepted,
            counts.registrations, counts.replacements, counts.undecided, counts.failed, counts.dropped,
            atomic_load (&self->retry_after_ms));
    s_print_reasons ("returned", s_returned, self);
    s_print_reasons ("told", s_told, self);
    printf ("}\n");
}

static const struct {
    const char *word;
    void (*act) (s_puppet_t *self, long number);
} s_lines[] = {
    {"churn", s_do_churn},                          /* COUNT changes */
    {"pour", s_do_pour},                            /* PER_SECOND changes, 0: flat out, until `hold` */
    {"hold", s_do_hold},   {"settle", s_do_settle}, /* TIMEOUT_MS */
    {"state", s_do_state}, {"report", s_do_report},
};

static void s_obey (s_puppet_t *self, const char *line)
{
    char word[16] = "";
    long number = 0;
    sscanf (line, "%15s %ld", word, &number);
    for (size_t i = 0; i < sizeof s_lines / sizeof s_lines[0]; i++)
        if (strcmp (word, s_lines[i].word) == 0) {
            s_lines[i].act (self, number);
            fflush (stdout);
            return;
        }
    fprintf (stderr, "faults_agent: no such line: %s\n", line);
    exit (2);
}

/* Obeys lines until standard input ends; pours in between. */
static void s_run (s_puppet_t *self)
{
    char text[256];
    size_t size = 0;
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        bool is_flat_out = self->per_second == 0 && self->last_reason == SB_REASON_NONE;
        int pause_ms = !self->is_pouring ? -1 : is_flat_out ? 0 : PACED_SLICE_MS;
        if (poll (&input, 1, pause_ms) <= 0) {
            s_pour (self);
            continue;
        }
        ssize_t count = read (STDIN_FILENO, text + size, sizeof text - 1 - size);
        if (count <= 0)
            return;
        size += (size_t)count;
        text[size] = '\0';
        for (char *end; (end = strchr (text, '\n'));) {
            *end = '\0';
            s_obey (self, text);
            size -= (size_t)(end + 1 - text);
            memmove (text, end + 1, size + 1);
        }
    }
}

int main (int argc, char **argv)
{
    if (argc != 4) {
        fprintf (stderr, "usage: faults_agent INGRESS AGENT_ID HEARTBEAT_MS\n");
        return 2;
    }
    char error[256];
    const char *const interests[] = {"poison"};
    s_puppet_t self = {.agent_id = argv[2], .random = 1};
    sb_agent_options_t options = {.agent_id = argv[2],
                                  .ingress_endpoint = argv[1],
                                  .interests = interests,
                                  .interest_count = 1,
                                  .heartbeat_interval_ms = (uint32_t)atoi (argv[3]),
                                  .handlers = {.on_update = s_on_update, .on_refused = s_on_refused},
                                  .context = &self};
    self.agent = sb_agent_new (&options, error, sizeof error);
    if (!self.agent) {
        fprintf (stderr, "faults_agent: %s\n", error);
        return 1;
    }
    s_run (&self);
    sb_agent_destroy (&self.agent, LINGER_MS);
    return 0;
}

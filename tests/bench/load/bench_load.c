/* SPDX-License-Identifier: MPL-2.0
 *
 * The load generator: one process publishes, or subscribes, through the driver of one system, and prints one line of
 * JSON. See README.md in the folder above for the lines that it reads and writes.
 */
#define _GNU_SOURCE
#include "bench_load.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BENCH_DRIVER(name) extern const bench_driver_t bench_driver_##name;
#include "bench_drivers.def"
#undef BENCH_DRIVER

static const bench_driver_t *const s_drivers[] = {
#define BENCH_DRIVER(name) &bench_driver_##name,
#include "bench_drivers.def"
#undef BENCH_DRIVER
};

enum { DRIVERS = sizeof s_drivers / sizeof s_drivers[0] };

/* A number on the command line. */
typedef struct {
    const char *name;
    const char *for_role; /* "publish", "subscribe", or "" for both */
    size_t offset;        /* in bench_load_t */
    size_t size;          /* of the member, 4 or 8 */
    uint64_t low, high, otherwise;
    const char *help;
} s_row_t;

#define NUMBER(name, role, member, low, high, otherwise, help)                                                         \
    {                                                                                                                  \
        name, role, offsetof (bench_load_t, member), sizeof ((bench_load_t *)0)->member, low, high, otherwise, help    \
    }

static const s_row_t s_rows[] = {
    NUMBER ("publishers", "", options.publishers, 1, 10000, 1, "publishers in all"),
    NUMBER ("subscribers", "subscribe", options.count, 1, 10000, 1, "subscribers of this process"),
    NUMBER ("updates", "publish", updates, 0, UINT64_C (1) << 40, 0, "updates to send, over all publishers"),
    NUMBER ("seconds", "publish", seconds, 0, 3600, 0, "or for so long"),
    NUMBER ("rate", "publish", rate, 0, 10000000, 0, "updates a second, over all publishers; 0: flat out"),
    NUMBER ("batch", "publish", options.batch, 1, BENCH_BATCH_MAX, 1,
            "updates in a batch; in a run at a rate: the most, what is due goes out at once"),
    NUMBER ("size", "", options.size, BENCH_PAYLOAD_MIN, BENCH_PAYLOAD_MAX, 128, "octets of an update's payload"),
    NUMBER ("keys", "", options.keys, 1, 1000000, 1, "fields of each publisher, written in turn"),
    NUMBER ("categories", "", options.categories, 1, 10000, 1, "publisher i writes category i modulo this"),
    NUMBER ("reads", "", options.reads, 1, 10000, 1, "categories that each subscriber reads"),
    NUMBER ("ingress-queue", "", options.ingress_queue, 1, 100000000, 1000, "high-water mark up, messages"),
    NUMBER ("publish-queue", "", options.publish_queue, 1, 100000000, 1000000, "high-water mark down, messages"),
    NUMBER ("window", "publish", options.window, 1, 65536, 4096, "undecided updates of a publisher"),
    NUMBER ("pipelined", "publish", options.is_pipelined, 0, 1, 0,
            "1: a batch is so many messages handed over together, where the driver says so; 0: one message"),
    NUMBER ("expect", "subscribe", expect, 0, UINT64_C (1) << 40, 0,
            "updates of each publisher; 0: the line `published N...` on standard input says"),
    NUMBER ("probe-ms", "publish", probe_ms, 0, 60000, 0, "probes for so long; 0: until `go` on standard input"),
    NUMBER ("quiet-ms", "", quiet_ms, 1, 600000, 3000, "how long what is missing is waited for"),
    NUMBER ("deadline-s", "", deadline_s, 1, 86400, 300, "the process ends after so long, whatever it does"),
};

enum { ROWS = sizeof s_rows / sizeof s_rows[0] };

static void s_usage (void)
{
    printf ("usage: bench_load publish|subscribe --driver NAME --endpoint ADDRESS [--publish-endpoint ADDRESS]\n"
            "                  [--OPTION NUMBER]...\n\n");
    for (size_t i = 0; i < ROWS; i++)
        printf ("  --%-15s %s%s%s (%llu)\n", s_rows[i].name, s_rows[i].for_role, s_rows[i].for_role[0] ? ": " : "",
                s_rows[i].help, (unsigned long long)s_rows[i].otherwise);
    printf ("\nDrivers:\n");
    for (size_t i = 0; i < DRIVERS; i++)
        printf ("  %-17s %s\n", s_drivers[i]->name, s_drivers[i]->help);
}

static const bench_driver_t *s_find_driver (const char *name)
{
    for (size_t i = 0; i < DRIVERS; i++)
        if (strcmp (s_drivers[i]->name, name) == 0)
            return s_drivers[i];
    bench_fail ("no driver %s was built: see bench_load --help", name);
}

static void s_set (bench_load_t *load, const s_row_t *row, uint64_t number)
{
    uint8_t *member = (uint8_t *)load + row->offset;
    const uint32_t narrow = (uint32_t)number;
    if (row->size == sizeof narrow)
        memcpy (member, &narrow, sizeof narrow);
    else
        memcpy (member, &number, sizeof number);
}

static void s_read_number (bench_load_t *load, const char *role, const char *name, const char *text)
{
    for (size_t i = 0; i < ROWS; i++) {
        const s_row_t *row = &s_rows[i];
        if (strcmp (row->name, name) != 0 || (row->for_role[0] && strcmp (row->for_role, role) != 0))
            continue;
        char *end;
        const unsigned long long number = strtoull (text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end || number < row->low || number > row->high)
            bench_fail ("--%s takes a number from %llu to %llu", name, (unsigned long long)row->low,
                        (unsigned long long)row->high);
        s_set (load, row, number);
        return;
    }
    bench_fail ("%s has no option --%s: see bench_load --help", role, name);
}

/* Fills *load from the arguments after the role, and finds the driver. */
static const bench_driver_t *s_read_options (bench_load_t *load, int count, char **arguments)
{
    const char *role = arguments[1];
    const bench_driver_t *driver = NULL;
    bench_options_t *options = &load->options;
    for (size_t i = 0; i < ROWS; i++)
        s_set (load, &s_rows[i], s_rows[i].otherwise);
    for (int i = 2; i < count; i += 2) {
        if (strncmp (arguments[i], "--", 2) != 0 || i + 1 == count)
            bench_fail ("%s: options are --NAME VALUE: see bench_load --help", arguments[i]);
        const char *name = arguments[i] + 2, *value = arguments[i + 1];
        if (strcmp (name, "driver") == 0)
            driver = s_find_driver (value);
        else if (strcmp (name, "endpoint") == 0)
            options->endpoint = value;
        else if (strcmp (name, "publish-endpoint") == 0)
            options->publish_endpoint = value;
        else
            s_read_number (load, role, name, value);
    }
    if (!driver || !options->endpoint)
        bench_fail ("--driver and --endpoint are needed: see bench_load --help");
    if (!options->publish_endpoint)
        options->publish_endpoint = options->endpoint;
    if (strcmp (role, "publish") == 0)
        options->count = options->publishers;
    options->is_paced = load->rate > 0;
    if (options->reads > options->categories)
        bench_fail ("--reads is at most --categories");
    return driver;
}

/* Large messages come and go at the end of the heap: with glibc's defaults a page fault for each 4 KiB of them, in
 * every system's generator alike, which takes from what the servers can have. A sanitizer's malloc takes none of it. */
static void s_keep_heap (void)
{
    enum { HEAP_KEPT = 64 << 20, HEAP_STEP = 4 << 20, MAP_FROM = 32 << 20 };
    mallopt (M_TRIM_THRESHOLD, HEAP_KEPT);
    mallopt (M_TOP_PAD, HEAP_STEP);
    mallopt (M_MMAP_THRESHOLD, MAP_FROM);
}

int main (int count, char **arguments)
{
    s_keep_heap ();
    if (count >= 2 && strcmp (arguments[1], "--help") == 0) {
        s_usage ();
        return 0;
    }
    const bool is_publisher = count >= 2 && strcmp (arguments[1], "publish") == 0;
    if (!is_publisher && (count < 2 || strcmp (arguments[1], "subscribe") != 0))
        bench_fail ("publish or subscribe? See bench_load --help");
    bench_load_t load = {0};
    const bench_driver_t *driver = s_read_options (&load, count, arguments);
    if (is_publisher && load.updates == 0 && load.seconds == 0)
        bench_fail ("how many: --updates or --seconds");
    setvbuf (stdout, NULL, _IOLBF, 0);
    alarm (load.deadline_s);
    prctl (PR_SET_TIMERSLACK, 1UL); /* a pace of 10,000 a second is no multiple of the usual 50 us */
    prctl (PR_SET_PDEATHSIG, 9UL);  /* nothing is left behind when the suite is killed */
    return is_publisher ? bench_publish (driver, &load) : bench_subscribe (driver, &load);
}

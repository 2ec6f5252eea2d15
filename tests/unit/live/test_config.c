/* SPDX-License-Identifier: MPL-2.0
 *
 * The configuration: its table, its layers, and that every bad line is named.
 */
#define _GNU_SOURCE
#include "sb_config.h"
#include "sb_config_value.h"
#include "sb_names.h"
#include "sb_options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char s_path[] = "/tmp/sb-config-XXXXXX";
static char s_problems[16384];

static void s_setup (void)
{
    int descriptor = mkstemp (s_path);
    cr_assert_geq (descriptor, 0);
    close (descriptor);
}

static void s_teardown (void)
{
    unlink (s_path);
}

TestSuite (config, .init = s_setup, .fini = s_teardown, .timeout = 30);

/* Reads `text` as a file on top of the defaults; problems are left in s_problems. */
static uint32_t s_read (sb_config_t *config, const char *text)
{
    FILE *file = fopen (s_path, "w");
    fputs (text, file);
    fclose (file);
    memset (s_problems, 0, sizeof s_problems);
    FILE *problems = fmemopen (s_problems, sizeof s_problems - 1, "w");
    uint32_t count = sb_config_read_file (config, s_path, problems);
    fclose (problems);
    return count;
}

static uint32_t s_finish (sb_config_t *config)
{
    memset (s_problems, 0, sizeof s_problems);
    FILE *problems = fmemopen (s_problems, sizeof s_problems - 1, "w");
    uint32_t count = sb_config_finish (config, problems);
    fclose (problems);
    return count;
}

/* True when a problem of that line contains `what`. */
static bool s_names (uint32_t line, const char *what)
{
    char head[64];
    snprintf (head, sizeof head, "%s:%u: ", s_path, line);
    const char *found = strstr (s_problems, head);
    const char *end = found ? strchr (found, '\n') : NULL;
    return end && memmem (found, (size_t)(end - found), what, strlen (what));
}

Test (config, defaults_are_those_of_the_core)
{
    sb_core_config_t core;
    sb_core_config_default (&core);
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_finish (config), 0, "%s", s_problems);
    const sb_core_config_t *ours = &config->core;
#define SAME(member) cr_assert_eq (ours->member, core.member, #member)
    SAME (heartbeat_interval_ms);
    SAME (tick_interval_ms);
    SAME (tick_timeout_ms);
    SAME (control_timeout_ms);
    SAME (forget_after_ms);
    SAME (failure_threshold);
    SAME (failure_window_ms);
    SAME (recovery_delay_ms);
    SAME (recovery_delay_max_ms);
    SAME (timeout_per_agent_ms);
    SAME (probes);
    SAME (max_message_bytes);
    SAME (max_unacked);
    SAME (max_changes);
    SAME (max_agents);
    SAME (max_interests);
    SAME (max_fields_agent_category);
    SAME (max_fields);
    SAME (max_topics);
    SAME (max_categories);
    SAME (max_value_bytes);
    SAME (max_pending_commands);
    SAME (max_replies);
    SAME (reply_memory_ms);
    SAME (history_updates);
    SAME (history_bytes);
    SAME (history_age_ms);
    SAME (history_bound_count);
    SAME (max_conflations);
    SAME (time_to_live_count);
    SAME (category_rule_count);
    SAME (event_category_count);
    SAME (admitted_category_count);
#undef SAME
    for (uint32_t i = 0; i < core.history_bound_count; i++) {
        cr_assert (sb_text_equal (ours->history_bounds[i].category, core.history_bounds[i].category));
        cr_assert_eq (ours->history_bounds[i].updates, core.history_bounds[i].updates);
        cr_assert_eq (ours->history_bounds[i].bytes, core.history_bounds[i].bytes);
        cr_assert_eq (ours->history_bounds[i].age_ms, core.history_bounds[i].age_ms);
    }
    for (uint32_t i = 0; i < core.category_rule_count; i++) {
        cr_assert (sb_text_equal (ours->category_rules[i].pattern, core.category_rules[i].pattern));
        cr_assert (sb_text_equal (ours->category_rules[i].category, core.category_rules[i].category));
    }
    for (uint32_t i = 0; i < core.event_category_count; i++)
        cr_assert (sb_text_equal (ours->event_categories[i], core.event_categories[i]));
    sb_config_destroy (&config);
}

Test (config, a_threshold_beyond_what_the_breaker_remembers_is_refused)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "breaker\n    failure_threshold = 32\n"), 0, "%s", s_problems);
    cr_assert_eq (s_read (config, "breaker\n    failure_threshold = 33\n"), 1);
    cr_assert (s_names (2, "it may be 1 to 32"), "%s", s_problems);
    sb_config_destroy (&config);
}

Test (config, busy_polling_is_off_and_takes_microseconds_up_to_a_second)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (config->busy_poll_us, 0);
    cr_assert_eq (s_read (config, "network\n    busy_poll = 100\n"), 0, "%s", s_problems);
    cr_assert_eq (config->busy_poll_us, 100);
    cr_assert_eq (s_read (config, "network\n    busy_poll = 2 ms\n"), 0, "%s", s_problems);
    cr_assert_eq (config->busy_poll_us, 2000);
    cr_assert_eq (s_read (config, "network\n    busy_poll = 1000001 us\n"), 1);
    cr_assert (s_names (2, "it may be 0 us to 1 s"), "%s", s_problems);
    cr_assert_eq (s_read (config, "network\n    busy_poll = 1 m\n"), 1);
    cr_assert (s_names (2, "\"1 m\" is not a duration such as 100 us"), "%s", s_problems);
    cr_assert_eq (config->busy_poll_us, 2000);
    cr_assert (sb_config_find ("network/busy_poll")->is_reloadable);
    sb_config_destroy (&config);
}

Test (config, categories_beyond_what_clients_watch_for_losses_are_refused)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "limits\n    categories = 512\n"), 0, "%s", s_problems);
    cr_assert_eq (s_read (config, "limits\n    categories = 513\n"), 1);
    cr_assert (s_names (2, "it may be 8 to 512"), "%s", s_problems);
    sb_config_destroy (&config);
}

Test (config, what_the_core_sizes_its_tables_by_needs_a_restart)
{
    static const char *const paths[] = {"limits/agents",     "limits/fields",      "limits/topics",
                                        "limits/categories", "limits/value_bytes", "limits/pending_commands",
                                        "limits/replies",    "limits/unacked",     "history/bytes"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        cr_assert_not (sb_config_find (paths[i])->is_reloadable, "%s", paths[i]);
}

/* What sb_config_print prints; to be freed. */
static char *s_print (const sb_config_t *config)
{
    char *text;
    size_t size;
    FILE *file = open_memstream (&text, &size);
    sb_config_print (config, file);
    fclose (file);
    return text;
}

Test (config, what_is_printed_reads_back_as_the_same)
{
    static const char changed[] =
        "publish\n    advertise = \"a # b's\"\nnetwork\n    busy_poll = 100 us\nhistory\n    category = \"\"\nbreaker\n"
        "    recovery_delay = 1500 ms\nlimits\n    message_bytes = 100000\n"
        "expiry\n    category = \"quotes 500 ms\"\n    category = \"risk 24 h\"\n"
        "categorizer\n    rule = \"a* b\"\n    rule = \"?x technical\"\nlog\n    format = json\n";
    for (int i = 0; i < 2; i++) {
        sb_config_t *config = sb_config_new ();
        cr_assert_eq (s_read (config, i ? changed : ""), 0, "%s", s_problems);
        char *first = s_print (config);
        sb_config_t *again = sb_config_new ();
        cr_assert_eq (s_read (again, first), 0, "%s", s_problems);
        char *second = s_print (again);
        cr_assert_str_eq (first, second);
        uint32_t count;
        const sb_config_key_t *keys = sb_config_keys (&count);
        for (uint32_t k = 0; k < count; k++)
            cr_assert (sb_config_same (config, again, &keys[k]), "%s", keys[k].path);
        cr_assert_eq (again->history_list.count, i ? 0 : again->history_list.count);
        free (first);
        free (second);
        sb_config_destroy (&config);
        sb_config_destroy (&again);
    }
}

Test (config, every_key_takes_both_ends_of_its_range_and_nothing_beyond)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    sb_config_t *config = sb_config_new ();
    for (uint32_t i = 0; i < count; i++) {
        static const char *const units[] = {[SB_CONFIG_INTEGER] = "",
                                            [SB_CONFIG_DURATION] = " ms",
                                            [SB_CONFIG_SHORT_DURATION] = " us",
                                            [SB_CONFIG_BYTES] = "",
                                            [SB_CONFIG_LIST] = NULL};
        const char *unit = units[keys[i].type];
        if (!unit)
            continue;
        const uint64_t numbers[] = {keys[i].low, keys[i].high, keys[i].low - 1, keys[i].high + 1};
        for (int n = 0; n < 4; n++) {
            char value[64], problem[256];
            snprintf (value, sizeof value, "%lu%s", (unsigned long)numbers[n], unit);
            bool is_good = n < 2;
            cr_assert_eq (sb_config_set (config, &keys[i], value, problem, sizeof problem), is_good, "%s = %s",
                          keys[i].path, value);
        }
        cr_assert (keys[i].size == sizeof (uint64_t) || keys[i].high <= UINT32_MAX, "%s does not hold its range",
                   keys[i].path);
    }
    sb_config_destroy (&config);
}

Test (config, every_bad_line_is_named_with_its_number_and_what_to_do)
{
    sb_config_t *config = sb_config_new ();
    uint32_t count = s_read (config, "# a comment\n"
                                     "breaker\n"
                                     "    failure_treshold = 5\n"
                                     "    probes = 0\n"
                                     "    recovery_delay = soon   # a comment\n"
                                     "\n"
                                     "    failure_window = 10 s\n"
                                     "    failure_window = 20 s\n"
                                     "strange\n"
                                     "    key = 1\n"
                                     "ingress\n"
                                     "    endpoint = \"ipc://here\"\n"
                                     "limits = 4\n"
                                     "    message_bytes = 64 MiB\n"
                                     "log\n"
                                     "    format = xml\n"
                                     "        deep = 1\n"
                                     "history\n"
                                     "    category = \"market_data many\"\n"
                                     "categorizer\n"
                                     "    rule = \"a* Bad\"\n"
                                     "tick_timeout = 5 s\n");
    cr_assert (s_names (3, "did you mean breaker/failure_threshold?"), "%s", s_problems);
    cr_assert (s_names (4, "1 to 100"), "%s", s_problems);
    cr_assert (s_names (5, "\"soon\" is not a duration"), "%s", s_problems);
    cr_assert (s_names (8, "given twice, first on line 7"), "%s", s_problems);
    cr_assert (s_names (9, "strange: unknown key"), "%s", s_problems);
    cr_assert (s_names (12, "tcp://HOST:PORT"), "%s", s_problems);
    cr_assert (s_names (13, "is a section"), "%s", s_problems);
    cr_assert (s_names (14, "1 KiB to 16 MiB"), "%s", s_problems);
    cr_assert (s_names (16, "nothing may stand below it"), "%s", s_problems);
    cr_assert (s_names (19, "CATEGORY UPDATES"), "%s", s_problems);
    cr_assert (s_names (21, "not a category"), "%s", s_problems);
    cr_assert (s_names (22, "unknown key"), "%s", s_problems);
    cr_assert_eq (count, 12, "%u:\n%s", count, s_problems);
    sb_config_destroy (&config);
}

Test (config, a_category_keeps_history_by_updates_octets_and_age)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "history\n    category = \"\"\n    category = \"quotes 5\"\n"
                                  "    category = \"trades 10000 16 MiB\"\n"
                                  "    category = \"_event 20000 4096   24 h\"\n"
                                  "    category = \"risk 7 0 90\"\n    category = \"macro 7 8KiB 500ms\"\n"
                                  "    age = 1 h\n"),
                  0, "%s", s_problems);
    cr_assert_eq (s_finish (config), 0, "%s", s_problems);
    static const sb_history_bound_t expected[] = {{{"quotes", 6}, 5, 0, 0},
                                                  {{"trades", 6}, 10000, 16 << 20, 0},
                                                  {{"_event", 6}, 20000, 4096, 24 * 3600000},
                                                  {{"risk", 4}, 7, 0, 90000},
                                                  {{"macro", 5}, 7, 8192, 500}};
    cr_assert_eq (config->core.history_bound_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        const sb_history_bound_t *bound = &config->core.history_bounds[i];
        cr_assert (sb_text_equal (bound->category, expected[i].category), "%u", i);
        cr_assert_eq (bound->updates, expected[i].updates, "%u", i);
        cr_assert_eq (bound->bytes, expected[i].bytes, "%u", i);
        cr_assert_eq (bound->age_ms, expected[i].age_ms, "%u", i);
    }
    cr_assert_eq (config->core.history_age_ms, 3600000);
    sb_config_destroy (&config);
}

Test (config, a_category_may_not_keep_more_octets_than_any_may)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "history\n    bytes = 1 MiB\n    category = \"quotes 5 1 MiB\"\n"
                                  "    category = \"trades 5 1048577\"\n"),
                  0, "%s", s_problems);
    cr_assert_eq (s_finish (config), 1);
    cr_assert (s_names (4, "\"trades 5 1048577\" keeps more octets than history/bytes"), "%s", s_problems);
    char problem[256];
    const sb_config_key_t *key = sb_config_find ("history/category");
    cr_assert (sb_config_set_whole (config, key, "trades 5 1048577", problem, sizeof problem));
    cr_assert_eq (s_finish (config), 1);
    cr_assert (strncmp (s_problems, "history/category: ", 18) == 0, "it is of no line: %s", s_problems);
    sb_config_destroy (&config);
}

Test (config, a_category_is_named_once_in_a_list_that_says_something_of_it)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "history\n    category = \"quotes 5\"\n    category = \"quotes 6 1 MiB\"\n"
                                  "    category = \"quotes_eu 7\"\nexpiry\n    category = \"risk 5 s\"\n"
                                  "    category = \"macro 5 s\"\n    category = \"risk 5 s\"\n"),
                  2, "%s", s_problems);
    cr_assert (s_names (3, "\"quotes 6 1 MiB\" is of the same category as \"quotes 5\""), "%s", s_problems);
    cr_assert (s_names (8, "\"risk 5 s\" is of the same category as \"risk 5 s\""), "%s", s_problems);
    char problem[256];
    const sb_config_key_t *key = sb_config_find ("history/category");
    cr_assert_not (sb_config_set_whole (config, key, "trades 5, macro 7, trades 6", problem, sizeof problem));
    cr_assert_not_null (strstr (problem, "same category"), "%s", problem);
    sb_config_destroy (&config);
}

Test (config, categories_have_a_time_to_live)
{
    sb_config_t *config = sb_config_new ();
    cr_assert_eq (s_read (config, "expiry\n    category = \"quotes 500 ms\"\n    category = \"risk 4294967295 ms\"\n"
                                  "    category = \"macro 30\"\n"
                                  "limits\n    conflations = 0\n"),
                  0, "%s", s_problems);
    cr_assert_eq (s_finish (config), 0, "%s", s_problems);
    static const uint32_t expected[] = {500, UINT32_MAX, 30000};
    cr_assert_eq (config->core.time_to_live_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq (config->core.times_to_live[i].time_to_live_ms, expected[i], "%u", i);
    cr_assert (sb_text_equal (config->core.times_to_live[1].category, sb_text ("risk")));
    cr_assert_eq (config->core.max_conflations, 0);
    sb_config_destroy (&config);
}

Test (config, more_times_to_live_than_agents_can_be_told_of_are_a_problem)
{
    sb_config_t *config = sb_config_new ();
    const sb_config_key_t *key = sb_config_find ("expiry/category");
    char value[32], problem[256];
    for (int i = 0; i <= SB_TIMES_TO_LIVE_MAX; i++) {
        cr_assert_eq (s_finish (config), 0, "%d: %s", i, s_problems);
        snprintf (value, sizeof value, "c%d 5 s", i);
        cr_assert (sb_config_set (config, key, value, problem, sizeof problem), "%s", problem);
    }
    cr_assert_eq (s_finish (config), 1);
    cr_assert_not_null (strstr (s_problems, "expiry/category: 257 entries"), "%s", s_problems);
    sb_config_destroy (&config);
}

Test (config, an_entry_of_a_list_that_is_wrong_says_which_part)
{
    static const struct {
        const char *path;
        const char *entry;
        const char *what;
    } rows[] = {
        {"history/category", "Quotes 5", "not a category"},
        {"history/category", "_beat 10", "only _event is kept in history"},
        {"history/category", "_events 10", "only _event is kept in history"},
        {"history/category", "quotes", "UPDATES is a number"},
        {"history/category", "quotes -1", "UPDATES is a number"},
        {"history/category", "quotes 100000001", "UPDATES is a number"},
        {"history/category", "quotes 5 many", "BYTES is a size"},
        {"history/category", "quotes 5 1 h", "BYTES is a size"},
        {"history/category", "quotes 5 2 MiB soon", "AGE is a duration"},
        {"history/category", "quotes 5 2 MiB 8761 h", "AGE is a duration"},
        {"history/category", "quotes 5 2 MiB 1 h more", "nothing comes after AGE"},
        {"expiry/category", "_event 5 s", "not a category"},
        {"expiry/category", "quotes", "DURATION is such as"},
        {"expiry/category", "quotes 0", "1 ms to 1193 h"},
        {"expiry/category", "quotes 4294967296 ms", "1 ms to 1193 h"},
        {"expiry/category", "quotes 5 s more", "nothing comes after DURATION"},
        {"categorizer/rule", "a*", "not two words"},
        {"categorizer/rule", "a* b c", "not two words"},
    };
    sb_config_t *config = sb_config_new ();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char problem[256];
        const sb_config_key_t *key = sb_config_find (rows[i].path);
        cr_assert_not (sb_config_set (config, key, rows[i].entry, problem, sizeof problem), "%s", rows[i].entry);
        cr_assert_not_null (strstr (problem, rows[i].what), "%s: %s", rows[i].entry, problem);
    }
    sb_config_destroy (&config);
}

Test (config, every_line_that_is_no_zpl_is_named)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *what;
    } rows[] = {
        {"log\n\tformat = json\n", 2, "tabs"},
        {"log\n  format = json\n", 2, "4 spaces"},
        {"log\n        format = json\n", 2, "deeper"},
        {"\n\nlog\n    file = \"abc\n", 4, "quote is not closed"},
        {"log\n    file = \"abc\" def\n", 2, "after the closing quote"},
        {"log\n    format json\n", 2, "="},
        {"log:\n", 1, "="},
        {"{\"log\": 1}\n", 1, "begins with a name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_config_t *config = sb_config_new ();
        cr_assert_gt (s_read (config, rows[i].text), 0, "row %zu", i);
        cr_assert (s_names (rows[i].line, rows[i].what), "row %zu: %s", i, s_problems);
        sb_config_destroy (&config);
    }
}

Test (config, a_file_that_cannot_be_read_is_one_sentence)
{
    sb_config_t *config = sb_config_new ();
    memset (s_problems, 0, sizeof s_problems);
    FILE *problems = fmemopen (s_problems, sizeof s_problems - 1, "w");
    cr_assert_eq (sb_config_read_file (config, "/nonexistent/x", problems), 1);
    cr_assert_eq (sb_config_read_file (config, "/tmp", problems), 1);
    fclose (problems);
    cr_assert_str_eq (s_problems, "cannot read the configuration /nonexistent/x: No such file or directory\n"
                                  "cannot read the configuration /tmp: Is a directory\n");
    sb_config_destroy (&config);
}

/* Makes a configuration from arguments and environment, with s_path as its file. */
static sb_config_t *s_make (const char *text, const char *const *arguments, const char *const *environment)
{
    sb_config_t *unused = sb_config_new ();
    s_read (unused, text);
    sb_config_destroy (&unused);
    memset (s_problems, 0, sizeof s_problems);
    FILE *problems = fmemopen (s_problems, sizeof s_problems - 1, "w");
    sb_options_t options;
    sb_config_t *config = NULL;
    if (sb_options_read (&options, (char *const *)(uintptr_t)arguments, (char *const *)(uintptr_t)environment,
                         problems) == 0) {
        options.config_path = s_path;
        config = sb_options_make_config (&options, problems);
    }
    fclose (problems);
    return config;
}

Test (config, flags_win_over_environment_over_file_over_defaults)
{
    static const char file[] = "breaker\n    failure_threshold = 6\n    probes = 6\n    failure_window = 6 s\n"
                               "events\n    category = six\n    category = sixty\n";
    const char *environment[] = {"SYNCBUS_BREAKER_PROBES=7", "SYNCBUS_BREAKER_FAILURE_WINDOW=7",
                                 "SYNCBUS_EVENTS_CATEGORY=a, b,c", "SYNCBUS_OTHER=1", NULL};
    const char *arguments[] = {
        "--breaker-failure-window=8", "--ingress", "tcp://127.0.0.1:*", "--log-format", "json", NULL};
    sb_config_t *config = s_make (file, arguments, environment);
    cr_assert (config, "%s", s_problems);
    cr_assert_eq (config->core.recovery_delay_ms, 30000);
    cr_assert_eq (config->core.failure_threshold, 6);
    cr_assert_eq (config->core.probes, 7);
    cr_assert_eq (config->core.failure_window_ms, 8000);
    cr_assert_str_eq (config->ingress_endpoint, "tcp://127.0.0.1:*");
    cr_assert_eq (config->log_format, SB_LOG_JSON);
    cr_assert_eq (config->core.event_category_count, 3, "the environment's list replaces the file's");
    cr_assert (sb_text_equal (config->core.event_categories[1], sb_text ("b")));
    sb_config_destroy (&config);
}

Test (config, misspelt_variables_are_named_and_only_that)
{
    const char *none[] = {NULL};
    const char *environment[] = {"SYNCBUS_LOG_LVEL=debug",
                                 "SYNCBUS_LOG_LEVEL=debug",
                                 "SYNCBUS_CONFIG=/dev/null",
                                 "SYNCBUS_INGRESS=tcp://[::1]:5570",
                                 "SYNCBUS_",
                                 "MYSYNCBUS_X=1",
                                 "SYNCBUS_PUBLISH=x",
                                 "SYNCBUS_COMMAND=x",
                                 NULL};
    char *warnings = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&warnings, &size);
    sb_options_t options;
    cr_assert_eq (
        sb_options_read (&options, (char *const *)(uintptr_t)none, (char *const *)(uintptr_t)environment, file), 0);
    cr_assert_eq (sb_options_unknown_variables (&options, file), 2);
    fclose (file);
    cr_assert_str_eq (warnings, "environment: SYNCBUS_LOG_LVEL is no variable of SyncBus, and is not heeded: see "
                                "syncbusd --help\n"
                                "environment: SYNCBUS_ is no variable of SyncBus, and is not heeded: see "
                                "syncbusd --help\n");
    free (warnings);
}

Test (config, bad_flags_and_variables_are_named)
{
    const char *good[] = {NULL};
    static const struct {
        const char *arguments[4];
        const char *environment[2];
        const char *what;
    } rows[] = {
        {{"--nonsense=1"}, {0}, "--nonsense: no such flag"},
        {{"word"}, {0}, "word: no such flag"},
        {{"--ingress"}, {0}, "--ingress: a value is missing"},
        {{"--help=1"}, {0}, "--help: it takes no value"},
        {{"--breaker-probes=x"}, {0}, "command line: breaker/probes"},
        {{0}, {"SYNCBUS_BREAKER_PROBES=0"}, "environment: SYNCBUS_BREAKER_PROBES: breaker/probes"},
        {{"--breaker-recovery-delay=10m"}, {0}, "recovery_delay_max is shorter"},
        {{"--health-control-timeout=1s"}, {0}, "health/control_timeout"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_config_t *config = s_make ("", rows[i].arguments, rows[i].environment);
        cr_assert_null (config, "row %zu", i);
        cr_assert (strstr (s_problems, rows[i].what), "row %zu: %s", i, s_problems);
    }
    sb_config_t *config = s_make ("", good, good);
    cr_assert (config);
    sb_config_destroy (&config);
}

Test (config, empty_paths_are_filled_in_below_the_state_folder)
{
    const char *none[] = {NULL};
    const char *arguments[] = {"--state-dir", "/somewhere", NULL};
    sb_config_t *config = s_make ("", arguments, none);
    cr_assert_str_eq (config->control_file, "/somewhere/control");
    cr_assert_str_eq (config->audit_file, "/somewhere/audit.jsonl");
    sb_config_destroy (&config);
}

Test (config, flags_and_variables_of_no_two_keys_are_the_same)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    char left[64], right[64];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++)
            cr_assert_str_neq (sb_config_flag_name (&keys[i], left, sizeof left),
                               sb_config_flag_name (&keys[k], right, sizeof right));
}

Test (config, durations_and_sizes_read_and_format)
{
    uint64_t number;
    char text[32];
    cr_assert (sb_value_read_duration ("1500", "ms", &number) && number == 1500);
    cr_assert (sb_value_read_duration ("2 m", "s", &number) && number == 120000);
    cr_assert (sb_value_read_duration ("2m", "s", &number) && number == 120000);
    cr_assert_not (sb_value_read_duration ("2 weeks", "s", &number));
    cr_assert_not (sb_value_read_duration ("-1", "s", &number));
    cr_assert_not (sb_value_read_duration ("", "s", &number));
    cr_assert_not (sb_value_read_duration ("99999999999999999999", "s", &number));
    cr_assert_not (sb_value_read_duration ("18446744073709551615 h", "s", &number));
    cr_assert (sb_value_read_short_duration ("100", "us", &number) && number == 100);
    cr_assert (sb_value_read_short_duration ("100us", "us", &number) && number == 100);
    cr_assert (sb_value_read_short_duration ("2 ms", "us", &number) && number == 2000);
    cr_assert (sb_value_read_short_duration ("1 s", "us", &number) && number == 1000000);
    cr_assert_not (sb_value_read_short_duration ("1 m", "us", &number));
    cr_assert_not (sb_value_read_short_duration ("100 ns", "us", &number));
    cr_assert_not (sb_value_read_short_duration ("18446744073709551615 s", "us", &number));
    cr_assert_not (sb_value_read_duration ("100 us", "ms", &number));
    cr_assert (sb_value_read_bytes ("3 MiB", &number) && number == 3 << 20);
    cr_assert_not (sb_value_read_bytes ("3 MB", &number));
    cr_assert_str_eq (sb_value_format_duration (90000, text, sizeof text), "90 s");
    cr_assert_str_eq (sb_value_format_duration (0, text, sizeof text), "0 ms");
    cr_assert_str_eq (sb_value_format_short_duration (0, text, sizeof text), "0 us");
    cr_assert_str_eq (sb_value_format_short_duration (1500, text, sizeof text), "1500 us");
    cr_assert_str_eq (sb_value_format_short_duration (2000, text, sizeof text), "2 ms");
    cr_assert_str_eq (sb_value_format_short_duration (60000000, text, sizeof text), "60 s");
    cr_assert_str_eq (sb_value_format_bytes (1 << 30, text, sizeof text), "1 GiB");
    cr_assert_str_eq (sb_value_format_bytes (1000, text, sizeof text), "1000 bytes");
}

Test (config, endpoints_are_read)
{
    static const struct {
        const char *text;
        bool is_good;
        bool is_loopback;
        uint16_t port;
    } rows[] = {
        {"tcp://127.0.0.1:5570", true, true, 5570},
        {"tcp://127.9.9.9:0", true, true, 0},
        {"tcp://*:5570", true, false, 5570},
        {"tcp://0.0.0.0:*", true, false, 0},
        {"tcp://[::1]:80", true, true, 80},
        {"tcp://[fe80::1]:80", true, false, 80},
        {"tcp://localhost:1", true, true, 1},
        {"tcp://eth0:65535", true, false, 65535},
        {"tcp://eth0:65536", false, false, 0},
        {"tcp://eth0", false, false, 0},
        {"tcp://:80", false, false, 0},
        {"tcp://::1:80", false, false, 0},
        {"tcp://a b:80", false, false, 0},
        {"ipc://x", false, false, 0},
        {"tcp://[zz]:80", false, false, 0},
        {"tcp://1*:80", false, false, 0},
        {"", false, false, 0},
        {"tcp://a:80x", false, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_endpoint_t endpoint;
        cr_assert_eq (sb_value_read_endpoint (rows[i].text, &endpoint), rows[i].is_good, "%s", rows[i].text);
        if (!rows[i].is_good)
            continue;
        cr_assert_eq (endpoint.is_loopback, rows[i].is_loopback, "%s", rows[i].text);
        cr_assert_eq (endpoint.port, rows[i].port, "%s", rows[i].text);
    }
}

/* ---------------------------------------------------------------- the narrowest configuration */

static void *s_allocate (void *context, size_t size)
{
    (void)context;
    return aligned_alloc (16, (size + 15) & ~(size_t)15);
}

static void s_release (void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free (memory);
}

static void s_message (sb_core_t *core, const sb_agent_message_t *message, sb_effects_t *effects)
{
    sb_event_t event = {.kind = SB_EVENT_MESSAGE};
    event.message.peer = 9;
    event.message.message = message;
    event.message.size = 100;
    sb_core_step (core, &event, effects);
}

static bool s_is_welcome (const sb_effect_t *effect)
{
    return effect->kind == SB_EFFECT_SEND && effect->send.message->kind == SB_BROKER_MESSAGE_WELCOME;
}

Test (config, with_every_bound_at_its_lowest_an_agent_still_publishes)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    sb_config_t *config = sb_config_new ();
    for (uint32_t i = 0; i < count; i++) {
        char value[32], problem[256];
        bool is_bound = strncmp (keys[i].path, "limits/", 7) == 0 || strncmp (keys[i].path, "history/", 8) == 0;
        if (!is_bound || keys[i].type == SB_CONFIG_LIST)
            continue;
        snprintf (value, sizeof value, "%lu", (unsigned long)keys[i].low);
        cr_assert (sb_config_set (config, &keys[i], value, problem, sizeof problem), "%s", problem);
    }
    cr_assert_eq (s_finish (config), 0, "%s", s_problems);

    sb_core_identity_t identity = {.stream_id = 1, .epoch = 1, .session_seed = 1};
    sb_allocator_t allocator = {s_allocate, s_release, NULL};
    sb_core_t *core = sb_core_new (&config->core, &identity, &allocator, 0, 1);
    cr_assert_not_null (core);
    sb_effects_t effects;
    sb_agent_message_t registration = {.kind = SB_AGENT_MESSAGE_REGISTRATION};
    registration.registration =
        (sb_registration_t){.protocol = SB_PROTOCOL, .agent_id = sb_text ("a"), .instance_id = 1, .next_sequence = 1};
    s_message (core, &registration, &effects);
    bool is_welcome = false;
    for (uint32_t i = 0; i < effects.count; i++)
        is_welcome |= s_is_welcome (&effects.items[i]);
    cr_assert (is_welcome);

    sb_change_t change = {.name = sb_text ("x"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("a text")}};
    sb_delta_t delta = {.category = sb_text ("risk")};
    delta.update = (sb_update_t){.sequence = 1, .changes = &change, .change_count = 1};
    sb_agent_message_t batch = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
    s_message (core, &batch, &effects);
    bool is_published = false;
    for (uint32_t i = 0; i < effects.count; i++)
        is_published |= effects.items[i].kind == SB_EFFECT_PUBLISH &&
                        sb_text_equal (effects.items[i].publish->topic, sb_text ("risk.a."));
    cr_assert (is_published);
    sb_core_destroy (&core);
    sb_config_destroy (&config);
}

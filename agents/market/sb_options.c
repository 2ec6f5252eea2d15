/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line. getopt_long was rejected: it prints by itself and keeps global state, and the
 * table would have to be told to it a second time.
 */
#include "sb_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool (*reader_t) (void *target, const char *value);

/* What an argument of each kind must be, for complaints. */
static const char s_form_TEXT[] = "not empty";
static const char s_form_NUMBER[] = "a number from 0 up";
static const char s_form_COUNT[] = "a whole number from 0 up";
static const char s_form_FLAG[] = "";
static const char s_form_PACE[] = "recorded, flat, or a number above 0";

static bool s_read_TEXT (void *target, const char *value)
{
    *(const char **)target = value;
    return *value != 0;
}

static bool s_read_NUMBER (void *target, const char *value)
{
    char *end;
    double number = strtod (value, &end);
    *(double *)target = number;
    return end != value && !*end && number >= 0 && number < 1e9;
}

static bool s_read_COUNT (void *target, const char *value)
{
    char *end;
    *(uint64_t *)target = strtoull (value, &end, 10);
    return *value >= '0' && *value <= '9' && !*end && strlen (value) < 19;
}

static bool s_read_FLAG (void *target, const char *value)
{
    (void)value;
    *(bool *)target = true;
    return true;
}

static bool s_read_PACE (void *target, const char *value)
{
    if (strcmp (value, "flat") == 0 || strcmp (value, "recorded") == 0) {
        *(double *)target = strcmp (value, "flat") == 0 ? 0 : 1;
        return true;
    }
    return s_read_NUMBER (target, value) && *(double *)target > 0;
}

static const struct {
    const char *option;
    const char *argument;
    const char *help;
    const char *form;
    reader_t read;
    size_t offset;
    size_t given_offset;
} s_table[] = {
#define SB_OPTION_ROW(field, option, kind, argument, help)                                                             \
    {option,                                                                                                           \
     argument,                                                                                                         \
     help,                                                                                                             \
     s_form_##kind,                                                                                                    \
     s_read_##kind,                                                                                                    \
     offsetof (sb_options_t, field),                                                                                   \
     offsetof (sb_options_t, has_##field)},
    SB_OPTION_TABLE (SB_OPTION_ROW)
#undef SB_OPTION_ROW
};

enum { OPTION_COUNT = sizeof s_table / sizeof s_table[0] };

static int s_find (const char *name, size_t size)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen (s_table[i].option) == size && strncmp (s_table[i].option, name, size) == 0)
            return i;
    return -1;
}

/* One option at argv[*place]; *place is left on the last word that belongs to it. */
static bool s_read_option (sb_options_t *self, int argc, char *const *argv, int *place, char *error, size_t error_size)
{
    const char *word = argv[*place] + 2;
    const char *equals = strchr (word, '=');
    int row = s_find (word, equals ? (size_t)(equals - word) : strlen (word));
    if (row < 0) {
        snprintf (error, error_size, "unknown option %s: see syncbus-market --help", argv[*place]);
        return false;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (s_table[row].argument && !value)
        value = *place + 1 < argc ? argv[++*place] : NULL;
    bool is_fine = s_table[row].argument ? value != NULL : equals == NULL;
    if (!is_fine || !s_table[row].read ((char *)self + s_table[row].offset, value)) {
        snprintf (error, error_size, "--%s %s: see syncbus-market --help", s_table[row].option,
                  s_table[row].argument ? "needs an argument" : "takes no argument");
        if (is_fine)
            snprintf (error, error_size, "--%s %s: %s must be %s", s_table[row].option, value, s_table[row].argument,
                      s_table[row].form);
        return false;
    }
    *(bool *)((char *)self + s_table[row].given_offset) = true;
    return true;
}

/* What does not go together; NULL: all does. */
static const char *s_conflict (const sb_options_t *self)
{
    if (self->help || self->version || self->list_layouts || self->has_print_layout)
        return NULL;
    if (!self->path && !self->has_sim)
        return "nothing to read: give a file, - for standard input, or --sim SEED (see --help)";
    if (self->path && self->has_sim)
        return "give a file or --sim SEED, not both";
    if (self->has_sim && (self->loop || self->has_layout || self->has_as))
        return "--sim goes with none of --loop, --layout, --as";
    if (self->has_sim_seconds && !self->has_sim)
        return "--sim-seconds needs --sim SEED";
    if (self->has_sim && self->check && !self->has_rows && !self->has_sim_seconds)
        return "--check of a simulation needs an end: give --rows N or --sim-seconds N";
    if (self->has_batch && (self->batch < 1 || self->batch > 256))
        return "--batch is 1 to 256 rows";
    return NULL;
}

bool sb_options_parse (sb_options_t *self, int argc, char *const *argv, char *error, size_t error_size)
{
    memset (self, 0, sizeof *self);
    self->pace = 1;
    self->agent_id = "market";
    self->connect_s = 10;
    self->batch = 64;
    bool only_files = false;
    for (int place = 1; place < argc; place++) {
        const char *word = argv[place];
        if (!only_files && strcmp (word, "--") == 0) {
            only_files = true;
        } else if (!only_files && strcmp (word, "-h") == 0) {
            self->help = true;
        } else if (!only_files && strncmp (word, "--", 2) == 0) {
            if (!s_read_option (self, argc, argv, &place, error, error_size))
                return false;
        } else if (!only_files && word[0] == '-' && word[1]) {
            snprintf (error, error_size, "unknown option %s: see syncbus-market --help", word);
            return false;
        } else if (self->path) {
            snprintf (error, error_size, "one file at a time: %s and %s were given", self->path, word);
            return false;
        } else {
            self->path = word;
        }
    }
    const char *conflict = s_conflict (self);
    if (conflict)
        snprintf (error, error_size, "%s", conflict);
    return !conflict;
}

int sb_options_help (char *text, size_t size)
{
    static const char head[] =
        "Usage: syncbus-market [OPTION…] FILE\n"
        "       syncbus-market [OPTION…] --sim SEED\n\n"
        "Reads market data (CSV or JSON lines, gzip or not, a file, a fifo, or - for standard input),\n"
        "validates each row, computes indicators, joins context series, and publishes to SyncBus.\n\n";
    static const char tail[] =
        "\nExamples:\n"
        "  syncbus-market --check trades_BAC.csv.gz                what is in the file, and what is wrong with it\n"
        "  syncbus-market --pace flat trades_BAC.csv.gz            as fast as it goes\n"
        "  syncbus-market --pace 60 --context context trades.csv.gz   an hour a minute, with slow series joined\n"
        "  zcat trades_BAC.csv.gz | syncbus-market --as trades_BAC.csv -\n"
        "  syncbus-market --sim 7                                  a simulated exchange, the same for the same seed\n"
        "  syncbus-market --print-layout equity_trades > mine.zpl  a layout of your own to start from\n"
        "  syncbus-market --check --layout mine.zpl mine.csv       see whether it fits\n\n"
        "README.md in the folder of the layouts (share/syncbus/layouts) explains every key of a layout.\n"
        "Flat out, readers fall behind what the broker keeps for each: raise its --publish-agent-queue, or they lose\n"
        "publications (they say how many).\n"
        "While this agent is paused or stopped by an operator it keeps its place in the file and reads nothing.\n"
        "Exit codes: 0 done, 1 input refused or incomplete, or good rows not published, 2 usage, 3 no broker.\n";
    size_t used = (size_t)snprintf (text, size, "%s", head);
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        snprintf (left, sizeof left, "--%s%s%s", s_table[i].option, s_table[i].argument ? " " : "",
                  s_table[i].argument ? s_table[i].argument : "");
        used += (size_t)snprintf (used < size ? text + used : NULL, used < size ? size - used : 0, "  %-28s %s\n", left,
                                  s_table[i].help);
    }
    used += (size_t)snprintf (used < size ? text + used : NULL, used < size ? size - used : 0, "%s", tail);
    return (int)used;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_options.h. A flag is its own, a short name, or a key's path with dashes; all take their value after = or as
 * the next argument. Help is printed from the same tables.
 */
#define _GNU_SOURCE
#include "sb_options.h"

#include <assert.h>
#include <string.h>

typedef enum { FLAG_CONFIG, FLAG_CHECK_CONFIG, FLAG_PRINT_CONFIG, FLAG_HELP, FLAG_VERSION } s_own_t;

static const struct {
    const char *name;
    const char *value; /* what it is called in help; NULL: takes none */
    const char *help;
} s_own[] = {
    [FLAG_CONFIG] = {"config", "FILE", "read this configuration (also: SYNCBUS_CONFIG)"},
    [FLAG_CHECK_CONFIG] = {"check-config", "FILE", "name each bad line of a configuration, and end"},
    [FLAG_PRINT_CONFIG] = {"print-config", NULL, "print the configuration in force, with comments, and end"},
    [FLAG_HELP] = {"help", NULL, "print this, and end"},
    [FLAG_VERSION] = {"version", NULL, "print the version, and end"},
};

static const struct {
    const char *name;
    const char *path;
} s_short[] = {
    {"ingress", "ingress/endpoint"},
    {"publish", "publish/endpoint"},
    {"command", "command/endpoint"},
    {"advertise", "publish/advertise"},
};

enum { OWN = sizeof s_own / sizeof s_own[0], SHORT = sizeof s_short / sizeof s_short[0], NAME_MAX_OCTETS = 64 };

/* One flag as given. */
typedef struct {
    int own;                    /* index into s_own, or -1 */
    const sb_config_key_t *key; /* or NULL */
    const char *value;          /* NULL: none was given */
} s_flag_t;

static const sb_config_key_t *s_find_key (const char *name)
{
    char flag[NAME_MAX_OCTETS];
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    for (uint32_t i = 0; i < SHORT; i++)
        if (strcmp (s_short[i].name, name) == 0)
            return sb_config_find (s_short[i].path);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp (sb_config_flag_name (&keys[i], flag, sizeof flag), name) == 0)
            return &keys[i];
    return NULL;
}

/* Reads the flag at *argument_p and steps over it. False: a problem was written. */
static bool s_read_flag (char *const **argument_p, s_flag_t *flag, FILE *problems)
{
    char name[NAME_MAX_OCTETS];
    const char *argument = *(*argument_p)++;
    *flag = (s_flag_t){.own = -1};
    if (strcmp (argument, "-h") == 0)
        argument = "--help";
    const size_t size = strncmp (argument, "--", 2) == 0 ? strcspn (argument + 2, "=") : 0;
    if (size == 0 || size >= sizeof name) {
        fprintf (problems, "%s: no such flag; see syncbusd --help\n", argument);
        return false;
    }
    snprintf (name, sizeof name, "%.*s", (int)size, argument + 2);
    for (int i = 0; i < OWN; i++)
        if (strcmp (s_own[i].name, name) == 0)
            flag->own = i;
    flag->key = flag->own < 0 ? s_find_key (name) : NULL;
    if (flag->own < 0 && !flag->key) {
        fprintf (problems, "--%s: no such flag; see syncbusd --help\n", name);
        return false;
    }
    const bool takes_value = flag->key || s_own[flag->own].value;
    flag->value = argument[2 + size] == '=' ? argument + 3 + size : NULL;
    if (takes_value && !flag->value && **argument_p)
        flag->value = *(*argument_p)++;
    if (takes_value == (flag->value != NULL))
        return true;
    fprintf (problems, takes_value ? "--%s: a value is missing\n" : "--%s: it takes no value\n", name);
    return false;
}

static void s_apply_own (sb_options_t *self, const s_flag_t *flag)
{
    switch ((s_own_t)flag->own) {
    case FLAG_CONFIG:
        self->config_path = flag->value;
        break;
    case FLAG_CHECK_CONFIG:
        self->check_path = flag->value;
        self->action = SB_ACTION_CHECK_CONFIG;
        break;
    case FLAG_PRINT_CONFIG:
        self->action = SB_ACTION_PRINT_CONFIG;
        break;
    case FLAG_HELP:
        self->action = SB_ACTION_HELP;
        break;
    case FLAG_VERSION:
        self->action = SB_ACTION_VERSION;
        break;
    }
}

uint32_t sb_options_read (sb_options_t *self, char *const *arguments, char *const *environment, FILE *problems)
{
    static const char variable[] = "SYNCBUS_CONFIG=";
    *self = (sb_options_t){.action = SB_ACTION_RUN, .arguments = arguments, .environment = environment};
    uint32_t problem_count = 0;
    for (char *const *entry = environment; entry && *entry; entry++)
        if (strncmp (*entry, variable, sizeof variable - 1) == 0)
            self->config_path = *entry + sizeof variable - 1;
    while (*arguments) {
        s_flag_t flag;
        if (!s_read_flag (&arguments, &flag, problems))
            problem_count++;
        else if (flag.own >= 0)
            s_apply_own (self, &flag);
    }
    return problem_count;
}

/* A variable's name, of `size` octets, that some program of SyncBus reads. */
static bool s_is_known_variable (const char *name, size_t size)
{
    /* Those that are no key: of syncbusd, of the agents and the command line, of the image's build. */
    static const char *const others[] = {"SYNCBUS_CONFIG",  "SYNCBUS_INGRESS", "SYNCBUS_PUBLISH",   "SYNCBUS_COMMAND",
                                         "SYNCBUS_LAYOUTS", "SYNCBUS_SCHEMAS", "SYNCBUS_BASE_IMAGE"};
    char known[NAME_MAX_OCTETS];
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strlen (others[i]) == size && memcmp (others[i], name, size) == 0)
            return true;
    for (uint32_t i = 0; i < count; i++) {
        sb_config_variable_name (&keys[i], known, sizeof known);
        if (strlen (known) == size && memcmp (known, name, size) == 0)
            return true;
    }
    return false;
}

uint32_t sb_options_unknown_variables (const sb_options_t *self, FILE *warnings)
{
    static const char prefix[] = "SYNCBUS_";
    uint32_t count = 0;
    for (char *const *entry = self->environment; entry && *entry; entry++) {
        const size_t size = strcspn (*entry, "=");
        if (strncmp (*entry, prefix, sizeof prefix - 1) != 0 || s_is_known_variable (*entry, size))
            continue;
        fprintf (warnings, "environment: %.*s is no variable of SyncBus, and is not heeded: see syncbusd --help\n",
                 size > 200 ? 200 : (int)size, *entry);
        count++;
    }
    return count;
}

sb_config_t *sb_options_make_config (void *context, FILE *problems)
{
    const sb_options_t *self = context;
    char problem[4600];
    s_flag_t flag;
    sb_config_t *config = sb_config_new ();
    assert (config);
    uint32_t problem_count = self->config_path ? sb_config_read_file (config, self->config_path, problems) : 0;
    problem_count += sb_config_read_environment (config, self->environment, problems);
    for (char *const *argument = self->arguments; *argument;) {
        if (!s_read_flag (&argument, &flag, problems))
            problem_count++;
        else if (flag.key && !sb_config_set_whole (config, flag.key, flag.value, problem, sizeof problem)) {
            fprintf (problems, "command line: %s\n", problem);
            problem_count++;
        }
    }
    if (problem_count == 0)
        problem_count = sb_config_finish (config, problems);
    if (problem_count > 0)
        sb_config_destroy (&config);
    return config;
}

void sb_options_print_help (FILE *file)
{
    char flag[NAME_MAX_OCTETS], left[2 * NAME_MAX_OCTETS];
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    fputs ("syncbusd - the SyncBus broker\n\n"
           "Usage: syncbusd [--config FILE] [--KEY=VALUE ...]\n\n"
           "Examples:\n"
           "  syncbusd                                      serve this machine on ports 5570 to 5572\n"
           "  syncbusd --print-config > syncbusd.conf       begin a configuration of your own\n"
           "  syncbusd --check-config syncbusd.conf         see whether it is good\n"
           "  syncbusd --config syncbusd.conf --log-format json --log-file /var/log/syncbus.log\n"
           "  syncbusd --ingress 'tcp://127.0.0.1:*' --publish 'tcp://127.0.0.1:*' --command 'tcp://127.0.0.1:*' \\\n"
           "           --ready-file ready.json              free ports, told in ready.json\n"
           "  SYNCBUS_LOG_LEVEL=debug syncbusd              every key may come from the environment\n\n"
           "Flags:\n",
           file);
    for (int i = 0; i < OWN; i++) {
        snprintf (left, sizeof left, "%s %s", s_own[i].name, s_own[i].value ? s_own[i].value : "");
        fprintf (file, "  --%-34s %s\n", left, s_own[i].help);
    }
    for (int i = 0; i < SHORT; i++) {
        snprintf (left, sizeof left, "%s VALUE", s_short[i].name);
        fprintf (file, "  --%-34s short for --%s\n", left,
                 sb_config_flag_name (sb_config_find (s_short[i].path), flag, sizeof flag));
    }
    fputs ("\nConfiguration keys (default; ranges and units: --print-config):\n", file);
    for (uint32_t i = 0; i < count; i++) {
        sb_config_flag_name (&keys[i], flag, sizeof flag);
        snprintf (left, sizeof left, "%s%s", flag, keys[i].type == SB_CONFIG_LIST ? "=A,B..." : "");
        fprintf (file, "  --%-34s %s%s%s%s\n", left, keys[i].prose, keys[i].default_text[0] ? " (" : "",
                 keys[i].default_text, keys[i].default_text[0] ? ")" : "");
    }
    fputs ("\nExit codes: 0 ended as asked, 1 could not serve, 2 bad usage or configuration.\n"
           "Signals: SIGTERM and SIGINT end it cleanly; SIGHUP reloads the configuration and opens the logs anew.\n",
           file);
}

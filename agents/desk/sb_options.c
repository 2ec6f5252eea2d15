/* SPDX-License-Identifier: MPL-2.0
 *
 * A linear search over the table for each argument: programs have some twenty options and are
 * started once. getopt_long was rejected because it knows neither kinds nor ranges, and would need a
 * second table beside this one.
 */
#include "sb_options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The row whose name is the first `size` octets of `name`, NULL when there is none. */
static const sb_option_t *s_find (const sb_option_t *options, uint32_t option_count, const char *name, size_t size)
{
    for (uint32_t i = 0; i < option_count; i++)
        if (strlen (options[i].name) == size && memcmp (options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

/* Puts `value` into the option's target; false when it is no number or out of range. */
static bool s_store (const sb_option_t *option, const char *value)
{
    if (option->kind == SB_OPTION_TEXT) {
        *(const char **)option->target = value;
        return true;
    }
    char *end = NULL;
    errno = 0;
    double number = strtod (value, &end);
    if (end == value || *end != '\0' || errno == ERANGE || !isfinite (number))
        return false;
    if (number < option->least || number > option->most)
        return false;
    if (option->kind == SB_OPTION_NUMBER) {
        *(double *)option->target = number;
        return true;
    }
    assert (option->kind == SB_OPTION_INTEGER);
    if (number != floor (number))
        return false;
    *(uint32_t *)option->target = (uint32_t)number;
    return true;
}

sb_options_result_t sb_options_parse (const sb_option_t *options, uint32_t option_count, int argc, char **argv,
                                      char *error, size_t error_size)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0)
            return SB_OPTIONS_HELP;
        if (strcmp (word, "--version") == 0)
            return SB_OPTIONS_VERSION;
        if (strncmp (word, "--", 2) != 0) {
            snprintf (error, error_size, "'%s' is no option: options begin with --, see --help", word);
            return SB_OPTIONS_BAD;
        }
        const char *equals = strchr (word, '=');
        size_t size = equals ? (size_t)(equals - word) - 2 : strlen (word) - 2;
        const sb_option_t *option = s_find (options, option_count, word + 2, size);
        if (!option) {
            snprintf (error, error_size, "there is no option %.*s: see --help", (int)size + 2, word);
            return SB_OPTIONS_BAD;
        }
        if (option->kind == SB_OPTION_FLAG && !equals) {
            *(bool *)option->target = true;
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (option->kind == SB_OPTION_FLAG) {
            snprintf (error, error_size, "--%s takes no value", option->name);
            return SB_OPTIONS_BAD;
        }
        if (!value) {
            snprintf (error, error_size, "--%s needs a value: %s", option->name, option->argument);
            return SB_OPTIONS_BAD;
        }
        if (!s_store (option, value)) {
            snprintf (error, error_size, "--%s %s: a %s from %.15g to %.15g is needed", option->name, value,
                      option->kind == SB_OPTION_INTEGER ? "whole number" : "number", option->least, option->most);
            return SB_OPTIONS_BAD;
        }
    }
    return SB_OPTIONS_OK;
}

void sb_options_print (const sb_option_t *options, uint32_t option_count, FILE *stream)
{
    for (uint32_t i = 0; i < option_count; i++) {
        const sb_option_t *option = &options[i];
        char left[64];
        snprintf (left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
                  option->argument ? option->argument : "");
        fprintf (stream, "  %-28s %s", left, option->help);
        if (option->kind == SB_OPTION_NUMBER)
            fprintf (stream, " (%.15g to %.15g, default %.15g)", option->least, option->most,
                     *(const double *)option->target);
        else if (option->kind == SB_OPTION_INTEGER)
            fprintf (stream, " (%.15g to %.15g, default %u)", option->least, option->most,
                     *(const uint32_t *)option->target);
        else if (option->kind == SB_OPTION_TEXT && *(const char **)option->target)
            fprintf (stream, " (default %s)", *(const char **)option->target);
        fputc ('\n', stream);
    }
}

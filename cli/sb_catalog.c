/* SPDX-License-Identifier: MPL-2.0
 *
 * The tables, made of the rows of the .def files. Look-ups walk the rows: there are a few dozen, once
 * for each run. A perfect hash was not worth its generator.
 */
#include "sb_catalog.h"

#include <string.h>

enum { NEAREST_DISTANCE = 3, NAME_SIZE = 64 };

#define TARGET_NONE  false
#define TARGET_AGENT true

static const sb_catalog_command_t s_commands[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help) {#name, "", help, #name, false, TARGET_##target},
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
#define SB_LOCAL(name, parameters, synopsis, help) {#name, synopsis, help, parameters, true, false},
#include "sb_local.def"
};

static const sb_catalog_parameter_t s_parameters[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help)
#define SB_PARAMETER(command, name, kind, required, help) {#command, #name, SB_PARAMETER_##kind, required, help},
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

static const sb_catalog_column_t s_columns[] = {
#define SB_COLUMN(command, name, kind, unit, help) {#command, #name, SB_PARAMETER_##kind, unit, help},
#include "sb_columns.def"
#undef SB_COLUMN
};

static const sb_catalog_option_t s_options[] = {
#define SB_OPTION(scope, name, argument, environment, value, help) {scope, name, argument, environment, value, help},
#include "sb_local.def"
};

static const sb_catalog_example_t s_examples[] = {
#define SB_EXAMPLE(command, line, text) {#command, line, text},
#include "sb_local.def"
};

/* A pair of names: alias and command, command and parameter. */
typedef struct {
    const char *first;
    const char *second;
} pair_t;

static const pair_t s_aliases[] = {
#define SB_ALIAS(name, command) {#name, #command},
#include "sb_local.def"
};

static const pair_t s_option_aliases[] = {
#define SB_OPTION_ALIAS(name, option) {name, option},
#include "sb_local.def"
};

static const pair_t s_positionals[] = {
#define SB_POSITIONAL(command, parameter) {#command, #parameter},
#include "sb_local.def"
};

/* A row of SB_OWN_HELP. */
typedef struct {
    const char *command;
    const char *name;
    const char *help;
} own_help_t;

static const own_help_t s_own_helps[] = {
#define SB_OWN_HELP(command, parameter, help) {#command, #parameter, help},
#include "sb_local.def"
};

static const pair_t s_lists[] = {
#define SB_LIST(command, parameter) {#command, #parameter},
#include "sb_local.def"
};

#define COUNT(table) ((uint32_t)(sizeof (table) / sizeof ((table)[0])))

/* Equal when hyphens and underscores are taken for the same. */
static bool s_same (const char *left, const char *right)
{
    for (; *left && *right; left++, right++) {
        char a = *left == '-' ? '_' : *left;
        char b = *right == '-' ? '_' : *right;
        if (a != b)
            return false;
    }
    return *left == *right;
}

const sb_catalog_command_t *sb_catalog_command (const char *name)
{
    for (uint32_t i = 0; i < COUNT (s_aliases); i++)
        if (s_same (name, s_aliases[i].first))
            name = s_aliases[i].second;
    for (uint32_t i = 0; i < COUNT (s_commands); i++)
        if (s_same (name, s_commands[i].name))
            return &s_commands[i];
    return NULL;
}

const sb_catalog_command_t *sb_catalog_command_at (uint32_t i)
{
    return i < COUNT (s_commands) ? &s_commands[i] : NULL;
}

const char *sb_catalog_alias_at (uint32_t i, const char **command)
{
    if (i >= COUNT (s_aliases))
        return NULL;
    *command = s_aliases[i].second;
    return s_aliases[i].first;
}

/* Levenshtein distance of two names; hyphens count as underscores. Longer ones are cut at NAME_SIZE. */
static uint32_t s_distance (const char *left, const char *right)
{
    uint32_t row[NAME_SIZE + 1];
    size_t left_size = strnlen (left, NAME_SIZE);
    size_t right_size = strnlen (right, NAME_SIZE);
    for (uint32_t j = 0; j <= right_size; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= left_size; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= right_size; j++) {
            char a = left[i - 1] == '-' ? '_' : left[i - 1];
            uint32_t change = diagonal + (a != right[j - 1]);
            uint32_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[right_size];
}

const char *sb_catalog_nearest_command (const char *name)
{
    const char *nearest = NULL;
    uint32_t best = NEAREST_DISTANCE;
    for (uint32_t i = 0; i < COUNT (s_commands); i++) {
        uint32_t distance = s_distance (name, s_commands[i].name);
        /* Half of a short name changed is another name. */
        if (distance < best && distance * 2 <= strlen (s_commands[i].name)) {
            best = distance;
            nearest = s_commands[i].name;
        }
    }
    return nearest;
}

/* What a command says of a parameter that it shares with another; NULL when it says nothing of its own. */
static const own_help_t *s_own_help (const sb_catalog_command_t *command, const char *name)
{
    for (uint32_t i = 0; i < COUNT (s_own_helps); i++)
        if (strcmp (s_own_helps[i].command, command->name) == 0 && strcmp (s_own_helps[i].name, name) == 0)
            return &s_own_helps[i];
    return NULL;
}

const char *sb_catalog_parameter_help (const sb_catalog_command_t *command, const sb_catalog_parameter_t *parameter)
{
    const own_help_t *own = s_own_help (command, parameter->name);
    return own ? own->help : parameter->help;
}

const sb_catalog_parameter_t *sb_catalog_parameter_at (const sb_catalog_command_t *command, uint32_t i)
{
    for (uint32_t row = 0; row < COUNT (s_parameters); row++) {
        if (strcmp (s_parameters[row].command, command->parameters_of) != 0 || s_parameters[row].name[0] == '*')
            continue;
        const own_help_t *own = s_own_help (command, s_parameters[row].name);
        if (own && !own->help)
            continue;
        if (i-- == 0)
            return &s_parameters[row];
    }
    return NULL;
}

const sb_catalog_parameter_t *sb_catalog_parameter (const sb_catalog_command_t *command, const char *name)
{
    const sb_catalog_parameter_t *parameter;
    for (uint32_t i = 0; (parameter = sb_catalog_parameter_at (command, i)) != NULL; i++)
        if (s_same (name, parameter->name))
            return parameter;
    return NULL;
}

bool sb_catalog_takes_any (const sb_catalog_command_t *command)
{
    for (uint32_t i = 0; i < COUNT (s_parameters); i++)
        if (strcmp (s_parameters[i].command, command->name) == 0 && s_parameters[i].name[0] == '*')
            return true;
    return false;
}

const sb_catalog_parameter_t *sb_catalog_positional (const sb_catalog_command_t *command, uint32_t i)
{
    for (uint32_t row = 0; row < COUNT (s_positionals); row++) {
        if (strcmp (s_positionals[row].first, command->name) != 0)
            continue;
        if (i-- == 0)
            return sb_catalog_parameter (command, s_positionals[row].second);
    }
    return NULL;
}

bool sb_catalog_is_list (const sb_catalog_command_t *command, const sb_catalog_parameter_t *parameter)
{
    for (uint32_t i = 0; i < COUNT (s_lists); i++)
        if (strcmp (s_lists[i].first, command->name) == 0 && strcmp (s_lists[i].second, parameter->name) == 0)
            return true;
    return false;
}

const sb_catalog_option_t *sb_catalog_options (uint32_t *count)
{
    *count = COUNT (s_options);
    return s_options;
}

const char *sb_catalog_option_alias_at (uint32_t i, const char **option)
{
    if (i >= COUNT (s_option_aliases))
        return NULL;
    *option = s_option_aliases[i].second;
    return s_option_aliases[i].first;
}

const sb_catalog_option_t *sb_catalog_option (const sb_catalog_command_t *command, const char *name)
{
    for (uint32_t i = 0; i < COUNT (s_option_aliases) && !(command && sb_catalog_takes_any (command)); i++)
        if (s_same (name, s_option_aliases[i].first))
            name = s_option_aliases[i].second;
    for (uint32_t i = 0; i < COUNT (s_options); i++) {
        const char *scope = s_options[i].scope;
        bool in_scope = !*scope || (command && strcmp (scope, command->name) == 0);
        if (in_scope && s_same (name, s_options[i].name))
            return &s_options[i];
    }
    return NULL;
}

const sb_catalog_column_t *sb_catalog_column_at (const char *command, uint32_t i)
{
    for (uint32_t row = 0; row < COUNT (s_columns); row++)
        if (strcmp (s_columns[row].command, command) == 0 && i-- == 0)
            return &s_columns[row];
    return NULL;
}

const sb_catalog_column_t *sb_catalog_column (const char *command, sb_text_t name)
{
    const sb_catalog_column_t *column;
    for (uint32_t i = 0; (column = sb_catalog_column_at (command, i)) != NULL; i++)
        if (strlen (column->name) == name.size && memcmp (column->name, name.data, name.size) == 0)
            return column;
    return NULL;
}

const sb_catalog_example_t *sb_catalog_example_at (const char *command, uint32_t i)
{
    for (uint32_t row = 0; row < COUNT (s_examples); row++)
        if (strcmp (s_examples[row].command, command) == 0 && i-- == 0)
            return &s_examples[row];
    return NULL;
}

const char *sb_parameter_kind_name (sb_parameter_kind_t kind)
{
    static const char *const names[] = {"whole number", "number", "text", "true or false", "any value"};
    return names[kind];
}

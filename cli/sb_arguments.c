/* SPDX-License-Identifier: MPL-2.0
 *
 * One pass over argv. getopt_long was rejected: which options there are depends on the command, and
 * NAME=VALUE operands need a reader of their own anyway.
 */
#include "sb_arguments.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_literal.h"
#include "sb_names.h"

/* A name cut out of an argument: "--latch-epoch=3", "latch_epoch=3". */
enum { NAME_SIZE = 160 };

__attribute__ ((format (printf, 2, 3))) static bool s_fail (sb_arguments_t *self, const char *format, ...)
{
    va_list list;
    va_start (list, format);
    vsnprintf (self->problem, sizeof (self->problem), format, list);
    va_end (list);
    return false;
}

static size_t s_option_place (const sb_catalog_option_t *option)
{
    uint32_t count;
    const sb_catalog_option_t *table = sb_catalog_options (&count);
    assert (count <= SB_ARGUMENTS_OPTIONS_MAX);
    return (size_t)(option - table);
}

static bool s_is_given (const sb_arguments_t *self, sb_text_t name)
{
    for (uint32_t i = 0; i < self->parameter_count; i++)
        if (sb_text_equal (self->parameters[i].name, name))
            return true;
    return false;
}

/* Adds a parameter of the table. */
static bool s_add (sb_arguments_t *self, const sb_catalog_parameter_t *row, const char *literal, sb_arena_t *arena)
{
    sb_parameter_t parameter = {.name = sb_text (row->name)};
    if (s_is_given (self, parameter.name))
        return s_fail (self, "%s is given twice", row->name);
    const char *problem = sb_literal_value (literal, row->kind, arena, &parameter.value);
    if (problem)
        return s_fail (self, "%s: \"%s\" %s", row->name, literal, problem);
    assert (self->parameter_count < SB_ARGUMENTS_PARAMETERS_MAX);
    self->parameters[self->parameter_count++] = parameter;
    return true;
}

/* Adds a parameter that the table does not name, for the agent. */
static bool s_add_any (sb_arguments_t *self, const char *name, const char *literal, sb_arena_t *arena)
{
    size_t size = strlen (name) + 1;
    char *copy = sb_arena_take (arena, size);
    if (!copy || self->parameter_count == SB_ARGUMENTS_PARAMETERS_MAX)
        return s_fail (self, "too many parameters: at most %d", SB_ARGUMENTS_PARAMETERS_MAX);
    memcpy (copy, name, size);
    sb_parameter_t parameter = {.name = sb_text (copy)};
    if (!sb_name_is_field (parameter.name))
        return s_fail (self, "\"%s\" is no name: parts of A-Z a-z 0-9 _ : / - joined by dots", name);
    if (s_is_given (self, parameter.name))
        return s_fail (self, "%s is given twice", name);
    const char *problem = sb_literal_value (literal, SB_PARAMETER_ANY, arena, &parameter.value);
    if (problem)
        return s_fail (self, "%s: \"%s\" %s", name, literal, problem);
    self->parameters[self->parameter_count++] = parameter;
    return true;
}

/* Copies what stands before '=' and gives what stands after; NULL when there is no '=', or no room. */
static const char *s_split (const char *argument, char *name)
{
    const char *equals = strchr (argument, '=');
    size_t size = equals ? (size_t)(equals - argument) : strlen (argument);
    if (size >= NAME_SIZE)
        size = NAME_SIZE - 1;
    memcpy (name, argument, size);
    name[size] = 0;
    return equals ? equals + 1 : NULL;
}

/* "--name", "--name=value" with what follows in `next`. *used_next: `next` was its value. */
static bool s_dashed (sb_arguments_t *self, const char *argument, const char *next, bool *used_next, sb_arena_t *arena)
{
    char name[NAME_SIZE];
    const char *value = s_split (argument + 2, name);
    const sb_catalog_option_t *option = sb_catalog_option (self->command, name);
    *used_next = false;
    if (option && !option->argument) {
        if (value)
            return s_fail (self, "--%s takes no value", name);
        self->options[s_option_place (option)] = "";
        return true;
    }
    const sb_catalog_parameter_t *row = option || !self->command ? NULL : sb_catalog_parameter (self->command, name);
    bool is_any = !option && !row && self->command && sb_catalog_takes_any (self->command);
    if (!option && !row && !is_any) {
        if (!self->command)
            return s_fail (self, "there is no option --%s before the command: see syncbus help", name);
        return s_fail (self, "%s has no option --%s: see syncbus help %s", self->command->name, name,
                       self->command->name);
    }
    if (!value) {
        if (!next)
            return s_fail (self, "--%s needs a value", name);
        value = next;
        *used_next = true;
    }
    if (row)
        return s_add (self, row, value, arena);
    if (is_any)
        return s_add_any (self, name, value, arena);
    self->options[s_option_place (option)] = value;
    return true;
}

/* NAME=VALUE for a broker's command. */
static bool s_assignment (sb_arguments_t *self, const char *argument, sb_arena_t *arena)
{
    char name[NAME_SIZE];
    const char *value = s_split (argument, name);
    const sb_catalog_parameter_t *row = sb_catalog_parameter (self->command, name);
    if (row)
        return s_add (self, row, value, arena);
    if (sb_catalog_takes_any (self->command))
        return s_add_any (self, name, value, arena);
    return s_fail (self, "%s has no parameter %s: see syncbus help %s", self->command->name, name, self->command->name);
}

/* True when the operand at `place` belongs to a list: it is joined to the parameter before, after a space, or there is
 * no room for it and self->problem says so. */
static bool s_is_joined (sb_arguments_t *self, uint32_t place, const char *argument, sb_arena_t *arena)
{
    const sb_catalog_parameter_t *row = place ? sb_catalog_positional (self->command, place - 1) : NULL;
    if (!row || !sb_catalog_is_list (self->command, row))
        return false;
    sb_parameter_t *list = &self->parameters[0];
    while (!sb_text_equal (list->name, sb_text (row->name)))
        list++;
    size_t size = strlen (argument);
    char *joined = sb_arena_take (arena, list->value.text.size + 1 + size);
    if (!joined) {
        s_fail (self, "too many operands");
        return true;
    }
    memcpy (joined, list->value.text.data, list->value.text.size);
    joined[list->value.text.size] = ' ';
    memcpy (joined + list->value.text.size + 1, argument, size);
    list->value.text = (sb_text_t){.data = joined, .size = list->value.text.size + 1 + (uint32_t)size};
    return true;
}

/* What is neither an option nor NAME=VALUE. */
static bool s_operand (sb_arguments_t *self, const char *argument, uint32_t *place, sb_arena_t *arena)
{
    if (!self->command) {
        self->command = sb_catalog_command (argument);
        if (self->command)
            return true;
        const char *nearest = sb_catalog_nearest_command (argument);
        return nearest ? s_fail (self, "there is no command %s: did you mean %s?", argument, nearest)
                       : s_fail (self, "there is no command %s: see syncbus help", argument);
    }
    if (!*self->command->parameters_of) {
        if (self->operand_count == SB_ARGUMENTS_OPERANDS_MAX)
            return s_fail (self, "too many operands: at most %d", SB_ARGUMENTS_OPERANDS_MAX);
        self->operands[self->operand_count++] = argument;
        return true;
    }
    if (self->command->needs_agent && !self->agent_id) {
        if (!sb_name_is_agent_id (sb_text (argument)))
            return s_fail (self, "\"%s\" is no agent id: 1 to 64 of A-Z a-z 0-9 _ : / -, no leading _", argument);
        self->agent_id = argument;
        return true;
    }
    const sb_catalog_parameter_t *row = sb_catalog_positional (self->command, *place);
    if (!row && s_is_joined (self, *place, argument, arena))
        return !*self->problem;
    (*place)++;
    if (!row)
        return s_fail (self, "%s: what is \"%s\"? parameters are NAME=VALUE: see syncbus help %s", self->command->name,
                       argument, self->command->name);
    return s_add (self, row, argument, arena);
}

/* What the table says must be there. */
static bool s_check (sb_arguments_t *self)
{
    const sb_catalog_parameter_t *row;
    if (self->command->needs_agent && !self->agent_id)
        return s_fail (self, "%s needs an agent id: see syncbus list_agents", self->command->name);
    for (uint32_t i = 0; (row = sb_catalog_parameter_at (self->command, i)) != NULL; i++)
        if (row->is_required && !s_is_given (self, sb_text (row->name)))
            return s_fail (self, "%s needs %s (%s): see syncbus help %s", self->command->name, row->name,
                           sb_catalog_parameter_help (self->command, row), self->command->name);
    return true;
}

bool sb_arguments_parse (sb_arguments_t *self, int argc, char *const *argv, sb_arena_t *arena)
{
    bool options_end = false;
    uint32_t place = 0;
    memset (self, 0, sizeof (*self));
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        bool used_next = false;
        bool understood = true;
        /* The words to complete are somebody else's options. */
        options_end = options_end || (self->command && strcmp (self->command->name, "complete") == 0);
        if (!options_end && strcmp (argument, "--") == 0) {
            options_end = true;
            continue;
        }
        if (!options_end && strcmp (argument, "-h") == 0)
            argument = "--help";
        if (!options_end && strncmp (argument, "--", 2) == 0)
            understood = s_dashed (self, argument, i + 1 < argc ? argv[i + 1] : NULL, &used_next, arena);
        else if (!options_end && argument[0] == '-' && argument[1])
            understood = s_fail (self, "there is no option %s: see syncbus help", argument);
        else if (self->command && *self->command->parameters_of && strchr (argument, '='))
            understood = s_assignment (self, argument, arena);
        else
            understood = s_operand (self, argument, &place, arena);
        if (!understood)
            return false;
        i += used_next;
    }
    bool wants_text = sb_arguments_flag (self, "help") || sb_arguments_flag (self, "version");
    if (wants_text || (self->command && !*self->command->parameters_of))
        return true;
    return self->command ? s_check (self) : s_fail (self, "no command is given: see syncbus help");
}

const char *sb_arguments_option (const sb_arguments_t *self, const char *name)
{
    const sb_catalog_option_t *option = sb_catalog_option (self->command, name);
    if (!option)
        return NULL;
    const char *given = self->options[s_option_place (option)];
    const char *environment = option->environment ? getenv (option->environment) : NULL;
    if (given)
        return given;
    return environment && *environment ? environment : option->value;
}

bool sb_arguments_flag (const sb_arguments_t *self, const char *name)
{
    const sb_catalog_option_t *option = sb_catalog_option (self->command, name);
    return option && self->options[s_option_place (option)];
}

bool sb_arguments_number (sb_arguments_t *self, const char *name, double least, double most, double otherwise,
                          double *number)
{
    const char *literal = sb_arguments_option (self, name);
    sb_value_t value;
    *number = otherwise;
    if (!literal)
        return true;
    if (sb_literal_value (literal, SB_PARAMETER_NUMBER, NULL, &value) || value.number < least || value.number > most)
        return s_fail (self, "--%s must be a number from %g to %.15g, not \"%s\"", name, least, most, literal);
    *number = value.number;
    return true;
}

const sb_parameter_t *sb_arguments_parameter (const sb_arguments_t *self, const char *name)
{
    for (uint32_t i = 0; i < self->parameter_count; i++)
        if (sb_text_equal (self->parameters[i].name, sb_text (name)))
            return &self->parameters[i];
    return NULL;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The tables schemas/sb_commands.def, schemas/sb_columns.def and cli/sb_local.def at run time: what
 * commands, parameters, columns, options and examples there are. Pure look-ups; everything returned is static.
 */
#ifndef SB_CATALOG_H
#define SB_CATALOG_H

#include "sb_model.h"

/* What a parameter's value may be. ANY: whatever its form says. */
typedef enum {
    SB_PARAMETER_INTEGER,
    SB_PARAMETER_NUMBER,
    SB_PARAMETER_TEXT,
    SB_PARAMETER_BOOLEAN,
    SB_PARAMETER_ANY
} sb_parameter_kind_t;

typedef struct {
    const char *name;     /* "pause_agent" */
    const char *synopsis; /* operands of a local command; "" for a broker's */
    const char *help;
    const char *parameters_of; /* the broker's command whose parameters it takes; "" for none */
    bool is_local;             /* carried out here, not by the broker */
    bool needs_agent;          /* the first operand is an agent id */
} sb_catalog_command_t;

typedef struct {
    const char *command;
    const char *name;
    sb_parameter_kind_t kind;
    bool is_required;
    const char *help;
} sb_catalog_parameter_t;

typedef struct {
    const char *scope;       /* "" or the command that it belongs to */
    const char *name;        /* without the two dashes */
    const char *argument;    /* NULL: a flag */
    const char *environment; /* NULL: none */
    const char *value;       /* the default; NULL: none */
    const char *help;
} sb_catalog_option_t;

/* A column of the records in a command's reply. */
typedef struct {
    const char *command;
    const char *name;
    sb_parameter_kind_t kind;
    const char *unit; /* "" when it has none */
    const char *help;
} sb_catalog_column_t;

typedef struct {
    const char *command;
    const char *line;
    const char *text;
} sb_catalog_example_t;

/* The command of that name, aliases and hyphens for underscores included; NULL when there is none. */
const sb_catalog_command_t *sb_catalog_command (const char *name);

/* The i-th command, NULL after the last; the broker's first. */
const sb_catalog_command_t *sb_catalog_command_at (uint32_t i);

/* The i-th alias, its command in *command; NULL after the last. */
const char *sb_catalog_alias_at (uint32_t i, const char **command);

/* The name nearest to a mistyped one, NULL when none is near. */
const char *sb_catalog_nearest_command (const char *name);

/* The i-th parameter of a command, NULL after the last; the row "*" is left out. */
const sb_catalog_parameter_t *sb_catalog_parameter_at (const sb_catalog_command_t *command, uint32_t i);

/* The parameter of that name, hyphens for underscores included; NULL when there is none. */
const sb_catalog_parameter_t *sb_catalog_parameter (const sb_catalog_command_t *command, const char *name);

/* What the parameter is for, in this command's words where it has its own. */
const char *sb_catalog_parameter_help (const sb_catalog_command_t *command, const sb_catalog_parameter_t *parameter);

/* True when the command takes further parameters of any name (the row "*"). */
bool sb_catalog_takes_any (const sb_catalog_command_t *command);

/* The parameter that the i-th operand (after the agent id) stands for; NULL when it stands for none. */
const sb_catalog_parameter_t *sb_catalog_positional (const sb_catalog_command_t *command, uint32_t i);

/* True when operands beyond the last are joined to this parameter, the command's last that may stand by its place. */
bool sb_catalog_is_list (const sb_catalog_command_t *command, const sb_catalog_parameter_t *parameter);

/* All options; *count gets their number. A row's place is its number in sb_arguments_t. */
const sb_catalog_option_t *sb_catalog_options (uint32_t *count);

/* The option of that name, aliases included, that `command` (may be NULL) takes; NULL when there is none. A command
 * that takes parameters of any name knows no aliases: they are words of the agent's. */
const sb_catalog_option_t *sb_catalog_option (const sb_catalog_command_t *command, const char *name);

/* The i-th other name of an option, the option's own in *option; NULL after the last. */
const char *sb_catalog_option_alias_at (uint32_t i, const char **option);

/* The column of a command's records, NULL when the table does not have it. */
const sb_catalog_column_t *sb_catalog_column (const char *command, sb_text_t name);

/* The i-th column of a command's records, NULL after the last. */
const sb_catalog_column_t *sb_catalog_column_at (const char *command, uint32_t i);

/* The i-th example of a command, NULL after the last. */
const sb_catalog_example_t *sb_catalog_example_at (const char *command, uint32_t i);

/* "whole number", "number", "text" … for people. */
const char *sb_parameter_kind_name (sb_parameter_kind_t kind);

#endif

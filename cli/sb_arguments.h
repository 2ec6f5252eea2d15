/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line, read by the tables of sb_catalog.h.
 *
 *   syncbus [OPTION...] COMMAND [AGENT] [OPERAND...] [NAME=VALUE...] [--NAME VALUE...]
 *
 * A parameter may be given as NAME=VALUE, --NAME VALUE, --NAME=VALUE or, where the table says so, by its
 * place. Hyphens and underscores are the same in names. After -- nothing is an option.
 */
#ifndef SB_ARGUMENTS_H
#define SB_ARGUMENTS_H

#include "sb_catalog.h"
#include "sb_codec.h"

enum {
    SB_ARGUMENTS_OPTIONS_MAX = 32,
    SB_ARGUMENTS_PARAMETERS_MAX = 256,
    SB_ARGUMENTS_OPERANDS_MAX = 1100,
    SB_ARGUMENTS_PROBLEM_SIZE = 320
};

/* What was given. Borrows from argv and the arena. */
typedef struct {
    const sb_catalog_command_t *command; /* NULL: only --help or --version, or nothing at all */
    const char *agent_id;                /* NULL: the command is about no agent */
    sb_parameter_t parameters[SB_ARGUMENTS_PARAMETERS_MAX];
    uint32_t parameter_count;
    const char *operands[SB_ARGUMENTS_OPERANDS_MAX]; /* of local commands */
    uint32_t operand_count;
    const char *options[SB_ARGUMENTS_OPTIONS_MAX]; /* by place in the table; "" for a flag; NULL: not given */
    char problem[SB_ARGUMENTS_PROBLEM_SIZE];       /* after a failed parse: a sentence that names the fix */
} sb_arguments_t;

/* Reads argv. Returns false, with self->problem and as much as was understood, when it makes no sense. */
bool sb_arguments_parse (sb_arguments_t *self, int argc, char *const *argv, sb_arena_t *arena);

/* The value of an option: as given, else from its environment variable, else its default, else NULL. */
const char *sb_arguments_option (const sb_arguments_t *self, const char *name);

/* True when the flag was given. */
bool sb_arguments_flag (const sb_arguments_t *self, const char *name);

/* The value of an option as a number from `least` to `most`, `otherwise` when there is none. Returns false,
 * with self->problem, when it is no such number. */
bool sb_arguments_number (sb_arguments_t *self, const char *name, double least, double most, double otherwise,
                          double *number);

/* The parameter of that name; NULL when it was not given. */
const sb_parameter_t *sb_arguments_parameter (const sb_arguments_t *self, const char *name);

#endif

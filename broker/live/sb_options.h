/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line of syncbusd: a few flags of its own, and one for each configuration key.
 */
#ifndef SB_OPTIONS_H
#define SB_OPTIONS_H

#include "sb_config.h"

/* What the command line asks for. */
typedef enum {
    SB_ACTION_RUN,
    SB_ACTION_HELP,
    SB_ACTION_VERSION,
    SB_ACTION_PRINT_CONFIG,
    SB_ACTION_CHECK_CONFIG
} sb_action_t;

typedef struct {
    sb_action_t action;
    const char *config_path;  /* NULL: none; borrows from the arguments */
    const char *check_path;   /* with SB_ACTION_CHECK_CONFIG */
    char *const *arguments;   /* ends with NULL; without the program's name */
    char *const *environment; /* as environ */
} sb_options_t;

/* Reads the arguments, and SYNCBUS_CONFIG for the file when no flag names one. Each flag of a key is checked for its
 * name here, for its value by sb_options_make_config. Writes problems as sb_config.h says; returns their number. */
uint32_t sb_options_read (sb_options_t *self, char *const *arguments, char *const *environment, FILE *problems);

/* Writes a line for each variable whose name begins with SYNCBUS_ and that no program of SyncBus reads: it may be
 * misspelt. Returns their number. Nothing fails: another program's variable may bear the name. */
uint32_t sb_options_unknown_variables (const sb_options_t *self, FILE *warnings);

/* Defaults, file, environment, flags, in this order; finished. NULL after writing to `problems`. `context` is an
 * sb_options_t: this is an sb_config_source_t. */
sb_config_t *sb_options_make_config (void *context, FILE *problems);

/* Prints what --help prints. */
void sb_options_print_help (FILE *file);

#endif

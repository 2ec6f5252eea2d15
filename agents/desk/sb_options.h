/* SPDX-License-Identifier: MPL-2.0
 *
 * Command line options of the desk's programs: a table of rows, from which both parser and --help
 * come. Only long options, `--name VALUE` or `--name=VALUE`; a default is what the target held before.
 */
#ifndef SB_OPTIONS_H
#define SB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum {
    SB_OPTION_FLAG,   /* target is bool *; takes no value */
    SB_OPTION_TEXT,   /* target is const char **; gets a pointer into argv */
    SB_OPTION_NUMBER, /* target is double * */
    SB_OPTION_INTEGER /* target is uint32_t * */
} sb_option_kind_t;

/* One option. */
typedef struct {
    const char *name;     /* without the dashes */
    const char *argument; /* what the value is called in --help; NULL for a flag */
    sb_option_kind_t kind;
    void *target;     /* where the value goes; holds the default */
    double least;     /* numbers: smallest allowed */
    double most;      /* numbers: largest allowed */
    const char *help; /* with unit */
} sb_option_t;

typedef enum {
    SB_OPTIONS_OK,
    SB_OPTIONS_HELP,    /* --help or -h was given */
    SB_OPTIONS_VERSION, /* --version was given */
    SB_OPTIONS_BAD      /* `error` says what to do */
} sb_options_result_t;

/* Reads argv[1] to argv[argc - 1] into the targets. On SB_OPTIONS_BAD `error` (error_size octets, at least 1) gets
 * a sentence: an unknown option, a word that is no option, a value missing, not a number, or out of range. Targets of
 * options before the bad one are then set already: the caller should give up. */
sb_options_result_t sb_options_parse (const sb_option_t *options, uint32_t option_count, int argc, char **argv,
                                      char *error, size_t error_size);

/* Prints one line for each option, with range and current value (the default, before parsing). Cannot fail. */
void sb_options_print (const sb_option_t *options, uint32_t option_count, FILE *stream);

#endif

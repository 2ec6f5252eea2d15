/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus help`: all of it printed from the tables.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sb_display.h"
#include "sb_run.h"

enum { TEXT_WIDTH = 78 };

/* Prints `text` wrapped at TEXT_WIDTH, its lines from `column` on; the cursor stands at `at`. */
static void s_print_wrapped (const char *text, uint32_t column, uint32_t at)
{
    /* A label too long for its column gets a line of its own. */
    if (at >= column) {
        putchar ('\n');
        at = 0;
    }
    printf ("%*s", (int)(column - at), "");
    at = column;
    while (*text) {
        size_t word = strcspn (text, " ");
        if (at > column && at + 1 + word > TEXT_WIDTH) {
            printf ("\n%*s", (int)column, "");
            at = column;
        } else if (at > column)
            at += (uint32_t)printf (" ");
        at += (uint32_t)printf ("%.*s", (int)word, text);
        text += word;
        text += strspn (text, " ");
    }
    putchar ('\n');
}

static void s_print_heading (const char *text)
{
    bool has_colour = sb_display_has_colour (stdout);
    printf ("\n%s%s%s\n", has_colour ? sb_display_colour (SB_MARK_TITLE) : "", text,
            has_colour ? SB_DISPLAY_RESET : "");
}

/* The options of one scope; environment and default after each. */
static void s_print_options (const char *scope)
{
    uint32_t count;
    const sb_catalog_option_t *options = sb_catalog_options (&count);
    for (uint32_t i = 0; i < count; i++) {
        const sb_catalog_option_t *option = &options[i];
        char text[SB_DISPLAY_SIZE];
        if (strcmp (option->scope, scope) != 0)
            continue;
        int at =
            printf ("  --%s%s%s", option->name, option->argument ? " " : "", option->argument ? option->argument : "");
        int size = snprintf (text, sizeof (text), "%s", option->help);
        if (option->value && *option->value)
            size += snprintf (text + size, sizeof (text) - (size_t)size, "; default %s", option->value);
        if (option->environment)
            snprintf (text + size, sizeof (text) - (size_t)size, "; environment %s", option->environment);
        s_print_wrapped (text, 28, (uint32_t)at);
    }
}

static void s_print_overview (void)
{
    const sb_catalog_command_t *command;
    puts ("syncbus: look at a SyncBus broker and its agents, command them, read and write the bus.\n\n"
          "  syncbus [OPTION...] COMMAND [AGENT] [NAME=VALUE...] [--NAME VALUE...]");
    for (int local = 0; local < 2; local++) {
        s_print_heading (local ? "Carried out here" : "Asked of the broker");
        for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++) {
            if (command->is_local != local)
                continue;
            int at = printf ("  %s%s", command->name, command->needs_agent ? " AGENT" : "");
            s_print_wrapped (command->help, 28, (uint32_t)at);
        }
    }
    const char *target;
    const char *alias;
    s_print_heading ("Other names");
    for (uint32_t i = 0; (alias = sb_catalog_alias_at (i, &target)) != NULL; i++) {
        char text[SB_DISPLAY_SIZE];
        int at = printf ("  %s", alias);
        snprintf (text, sizeof (text), "the same as %s", target);
        s_print_wrapped (text, 28, (uint32_t)at);
    }
    for (uint32_t i = 0; (alias = sb_catalog_option_alias_at (i, &target)) != NULL; i++) {
        char text[SB_DISPLAY_SIZE];
        int at = printf ("  --%s", alias);
        snprintf (text, sizeof (text), "the same as --%s", target);
        s_print_wrapped (text, 28, (uint32_t)at);
    }
    s_print_heading ("Options");
    s_print_options ("");
    s_print_heading ("Exit codes");
    puts ("  0  done\n  1  refused, or the output could not be written: why and what to do are on standard error\n"
          "  2  the command line makes no sense\n  3  no broker, or no answer in time");
    puts ("\nNames may be written with hyphens: pause-agent. More: syncbus help COMMAND");
}

/* Prints an operand's name as all operands are written: CATEGORY, [AGENT], [INTERESTS...]. */
static void s_print_operand (const sb_catalog_command_t *command, const sb_catalog_parameter_t *row)
{
    char name[SB_DISPLAY_SIZE];
    snprintf (name, sizeof (name), "%s", row->name);
    for (char *letter = name; *letter; letter++)
        *letter = (char)toupper ((unsigned char)*letter);
    const char *dots = sb_catalog_is_list (command, row) ? "..." : "";
    printf (row->is_required ? " %s%s" : " [%s%s]", name, dots);
}

/* "send_command AGENT COMMAND [NAME=VALUE...]" */
static void s_print_synopsis (const sb_catalog_command_t *command)
{
    const sb_catalog_parameter_t *row;
    printf ("  syncbus %s%s", command->name, command->needs_agent ? " AGENT" : "");
    if (*command->synopsis)
        printf (" %s", command->synopsis);
    for (uint32_t i = 0; (row = sb_catalog_positional (command, i)) != NULL; i++)
        s_print_operand (command, row);
    for (uint32_t i = 0; (row = sb_catalog_parameter_at (command, i)) != NULL; i++) {
        bool is_positional = false;
        const sb_catalog_parameter_t *other;
        for (uint32_t j = 0; (other = sb_catalog_positional (command, j)) != NULL; j++)
            is_positional = is_positional || other == row;
        if (!is_positional)
            printf (row->is_required ? " %s=VALUE" : " [%s=VALUE]", row->name);
    }
    puts (sb_catalog_takes_any (command) ? " [NAME=VALUE...]" : "");
}

static void s_print_columns (const char *command)
{
    const sb_catalog_column_t *column;
    if (!sb_catalog_column_at (command, 0))
        return;
    s_print_heading ("Columns of its records");
    for (uint32_t i = 0; (column = sb_catalog_column_at (command, i)) != NULL; i++) {
        char text[SB_DISPLAY_SIZE];
        int at = printf ("  %s", column->name);
        /* "1" says that a number has no unit. */
        bool has_unit = *column->unit && strcmp (column->unit, "1") != 0;
        snprintf (text, sizeof (text), "%s; %s%s%s", column->help, sb_parameter_kind_name (column->kind),
                  has_unit ? ", " : "", has_unit ? column->unit : "");
        s_print_wrapped (text, 28, (uint32_t)at);
    }
}

static void s_print_command (const sb_catalog_command_t *command)
{
    const sb_catalog_parameter_t *row;
    const sb_catalog_example_t *example;
    printf ("%s:", command->name);
    s_print_wrapped (command->help, (uint32_t)strlen (command->name) + 2, (uint32_t)strlen (command->name) + 1);
    putchar ('\n');
    s_print_synopsis (command);
    if (sb_catalog_parameter_at (command, 0))
        s_print_heading ("Parameters");
    for (uint32_t i = 0; (row = sb_catalog_parameter_at (command, i)) != NULL; i++) {
        char text[SB_DISPLAY_SIZE];
        int at = printf ("  %s", row->name);
        snprintf (text, sizeof (text), "%s; %s%s", sb_catalog_parameter_help (command, row),
                  sb_parameter_kind_name (row->kind), row->is_required ? ", required" : "");
        s_print_wrapped (text, 28, (uint32_t)at);
    }
    if (sb_catalog_takes_any (command))
        puts ("\nValues of further parameters are typed by their form: 3 is an integer, 0.1 a number, true a\n"
              "boolean, anything else a text; text:42, decimal:1.50 and base64:AAEC force the kind.");
    s_print_columns (command->name);
    s_print_heading ("Options");
    s_print_options (command->name);
    puts ("  and those of every command: see syncbus help");
    if (sb_catalog_example_at (command->name, 0))
        s_print_heading ("Examples");
    for (uint32_t i = 0; (example = sb_catalog_example_at (command->name, i)) != NULL; i++) {
        printf ("  %s\n", example->line);
        if (*example->text)
            s_print_wrapped (example->text, 6, 0);
    }
}

int sb_run_help (sb_run_t *self)
{
    const sb_catalog_command_t *command = self->arguments.command;
    if (command && strcmp (command->name, "help") == 0) {
        const char *name = self->arguments.operand_count ? self->arguments.operands[0] : NULL;
        command = name ? sb_catalog_command (name) : NULL;
        if (name && !command)
            return sb_run_complain (SB_EXIT_USAGE, "there is no command %s: see syncbus help", name);
    }
    if (command)
        s_print_command (command);
    else
        s_print_overview ();
    return SB_EXIT_DONE;
}

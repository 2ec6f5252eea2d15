/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus complete POSITION WORD...`: what could stand at POSITION, one candidate a line, straight from the
 * tables, so that the shell's completion never differs from the program. Word 0 is "syncbus". Agent ids come from
 * the broker, which has 300 ms to answer; without it there are none, and nothing is complained of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"
#include "sb_run.h"

enum { AGENTS_TIMEOUT_MS = 300 };

/* What is being completed. */
typedef struct {
    sb_run_t *run;
    const char *const *words; /* [0] is the program */
    uint32_t position;
    const char *word;                    /* at position; "" when it is new */
    const sb_catalog_command_t *command; /* NULL: not yet given */
    uint32_t operands;                   /* after the command, before the position */
    const char *endpoint;                /* as given among the words; NULL: not */
} completion_t;

/* Prints a candidate when it begins with the word. Options have hyphens, other names underscores, unless the word is
 * written the other way. */
static void s_offer (const completion_t *self, const char *prefix, const char *name, const char *suffix)
{
    char text[256];
    const char *word = self->word + strspn (self->word, "-");
    bool wants_hyphens = *prefix ? !strchr (word, '_') : strchr (word, '-') != NULL;
    snprintf (text, sizeof (text), "%s%s%s", prefix, name, suffix);
    for (char *place = text + strlen (prefix); wants_hyphens && *place; place++)
        if (*place == '_')
            *place = '-';
    if (strncmp (text, self->word, strlen (self->word)) == 0)
        puts (text);
}

static void s_offer_commands (const completion_t *self)
{
    const sb_catalog_command_t *command;
    const char *alias;
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++)
        if (strcmp (command->name, "complete") != 0)
            s_offer (self, "", command->name, "");
    const char *target;
    for (uint32_t i = 0; (alias = sb_catalog_alias_at (i, &target)) != NULL; i++)
        s_offer (self, "", alias, "");
}

static void s_offer_options (const completion_t *self)
{
    uint32_t count;
    const sb_catalog_option_t *options = sb_catalog_options (&count);
    const sb_catalog_parameter_t *row;
    for (uint32_t i = 0; i < count; i++)
        if (sb_catalog_option (self->command, options[i].name) == &options[i])
            s_offer (self, "--", options[i].name, "");
    for (uint32_t i = 0; self->command && (row = sb_catalog_parameter_at (self->command, i)) != NULL; i++)
        s_offer (self, "--", row->name, "");
}

static void s_offer_parameters (const completion_t *self)
{
    const sb_catalog_parameter_t *row;
    for (uint32_t i = 0; (row = sb_catalog_parameter_at (self->command, i)) != NULL; i++)
        s_offer (self, "", row->name, "=");
}

/* Asks the broker for its agents; offers each after `prefix`. */
static void s_offer_agents (const completion_t *self, const char *prefix)
{
    sb_pages_t pages = {0};
    const char *endpoint = self->endpoint ? self->endpoint : sb_arguments_option (&self->run->arguments, "endpoint");
    sb_client_t *client = sb_client_new (endpoint);
    if (!client)
        return;
    sb_command_request_t request = sb_run_request (self->run, "list_agents");
    request.timeout_ms = AGENTS_TIMEOUT_MS;
    sb_pages_fetch (&pages, client, &request, true);
    for (uint32_t i = 0; i < sb_pages_record_count (&pages); i++) {
        sb_text_t agent_id = sb_record_text (sb_pages_record (&pages, i), "agent_id");
        char text[256];
        snprintf (text, sizeof (text), "%s%.*s", prefix, (int)agent_id.size, agent_id.data);
        if (sb_name_is_agent_id (agent_id) && strncmp (text, self->word, strlen (self->word)) == 0)
            puts (text);
    }
    sb_pages_clear (&pages);
    sb_client_destroy (&client);
}

/* True when the word before is an option that wants a value. */
static bool s_is_option_value (const completion_t *self, uint32_t position)
{
    if (position < 2 || strncmp (self->words[position - 1], "--", 2) != 0 || strchr (self->words[position - 1], '='))
        return false;
    const char *name = self->words[position - 1] + 2;
    const sb_catalog_option_t *option = sb_catalog_option (self->command, name);
    if (option)
        return option->argument;
    return self->command && sb_catalog_parameter (self->command, name);
}

/* Reads the words before the position. */
static void s_scan (completion_t *self)
{
    for (uint32_t i = 1; i < self->position; i++) {
        const char *word = self->words[i];
        if (s_is_option_value (self, i)) {
            if (strcmp (self->words[i - 1], "--endpoint") == 0)
                self->endpoint = word;
        } else if (strncmp (word, "--endpoint=", 11) == 0)
            self->endpoint = word + 11;
        else if (word[0] == '-' && word[1])
            continue;
        else if (!self->command)
            self->command = sb_catalog_command (word);
        else if (!strchr (word, '='))
            self->operands++;
    }
}

static void s_offer_all (const completion_t *self)
{
    if (s_is_option_value (self, self->position)) {
        if (strcmp (self->words[self->position - 1], "--agent") == 0)
            s_offer_agents (self, "");
        return;
    }
    if (self->word[0] == '-') {
        s_offer_options (self);
        return;
    }
    if (!self->command) {
        s_offer_commands (self);
        return;
    }
    if (strcmp (self->command->name, "help") == 0 && self->operands == 0)
        s_offer_commands (self);
    if (strncmp (self->word, "agent=", 6) == 0 && sb_catalog_parameter (self->command, "agent")) {
        s_offer_agents (self, "agent=");
        return;
    }
    const sb_catalog_parameter_t *place = sb_catalog_positional (self->command, self->operands);
    bool is_agent = self->command->needs_agent ? self->operands == 0 : place && strcmp (place->name, "agent") == 0;
    if (is_agent)
        s_offer_agents (self, "");
    if (*self->command->parameters_of && !(self->command->needs_agent && self->operands == 0))
        s_offer_parameters (self);
}

int sb_run_complete (sb_run_t *run)
{
    const sb_arguments_t *arguments = &run->arguments;
    char *end = NULL;
    unsigned long position = arguments->operand_count ? strtoul (arguments->operands[0], &end, 10) : 0;
    uint32_t word_count = arguments->operand_count ? arguments->operand_count - 1 : 0;
    if (!end || *end || position == 0 || position > word_count)
        return sb_run_complain (SB_EXIT_USAGE,
                                "complete needs a position and the words of a command line: see syncbus help complete");
    completion_t self = {.run = run, .words = arguments->operands + 1, .position = (uint32_t)position};
    self.word = position < word_count ? self.words[position] : "";
    s_scan (&self);
    s_offer_all (&self);
    return SB_EXIT_DONE;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The frame of every run: arguments, exit code, and the commands that are one question to the broker.
 */
#include "sb_run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"
#include "sb_display.h"
#include "sb_output.h"
#include "sb_reply.h"

enum { ARGUMENT_ARENA_BYTES = 16 << 20, REASON_MAX = 256 };

/* A command that is more than one question. */
typedef struct {
    const char *command;
    int (*run) (sb_run_t *self);
} runner_t;

static const runner_t s_runners[] = {
    {"emergency_stop", sb_run_stop},
    {"emergency_clear", sb_run_clear},
    {"list_agents", sb_run_agents},
    {"events", sb_run_events},
    {"history", sb_run_history},
    {"replay", sb_run_replay},
    {"state_hash", sb_run_state_hash},
    {"sub", sb_run_sub},
    {"pub", sb_run_pub},
    {"top", sb_run_top},
    {"help", sb_run_help},
    {"complete", sb_run_complete},
};

int sb_run_complain (int code, const char *format, ...)
{
    va_list list;
    sb_output_flush ();
    fputs ("syncbus: ", stderr);
    va_start (list, format);
    vfprintf (stderr, format, list);
    va_end (list);
    fputc ('\n', stderr);
    return code;
}

int sb_run_usage (const sb_run_t *self)
{
    return sb_run_complain (SB_EXIT_USAGE, "%s", self->arguments.problem);
}

int sb_run_no_answer (const sb_client_t *client, sb_client_outcome_t outcome)
{
    return sb_run_complain (SB_EXIT_NO_ANSWER, "%s", sb_client_problem (client, outcome));
}

sb_command_request_t sb_run_request (const sb_run_t *self, const char *command)
{
    return (sb_command_request_t){.command = sb_text (command),
                                  .issuer = sb_text (self->issuer),
                                  .reason = sb_text (sb_arguments_option (&self->arguments, "reason")),
                                  .timeout_ms = self->timeout_ms};
}

sb_client_t *sb_run_client (const sb_run_t *self)
{
    const char *endpoint = sb_arguments_option (&self->arguments, "endpoint");
    sb_client_t *client = sb_client_new (endpoint);
    if (!client)
        sb_run_complain (SB_EXIT_USAGE, "\"%s\" is no endpoint: write one as tcp://HOST:PORT", endpoint);
    else if (self->is_impatient)
        sb_client_set_impatient (client);
    return client;
}

void sb_run_print_more (const sb_command_reply_t *reply)
{
    char text[SB_DISPLAY_SIZE];
    if (!reply || !reply->next_cursor.size)
        return;
    sb_output_flush ();
    fprintf (stderr, "there is more: add --cursor %s\n", sb_display_text (reply->next_cursor, text));
}

/* True when get_state was answered with nothing, which is said on standard error: nothing is no failure, and no data.
 */
static bool s_is_nothing_held (const sb_run_t *self, const sb_pages_t *pages)
{
    static const char *const names[] = {"category", "agent", "subject"};
    char text[SB_DISPLAY_SIZE];
    char where[SB_DISPLAY_SIZE * 3] = "";
    size_t size = 0;
    bool is_asked = strcmp (self->arguments.command->name, "get_state") == 0;
    if (!is_asked || sb_pages_last (pages)->code != SB_REASON_NONE || sb_pages_record_count (pages) > 0)
        return false;
    for (uint32_t i = 0; i < pages->count; i++)
        if (pages->items[i].reply.field_count > 0)
            return false;
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
        const sb_parameter_t *parameter = sb_arguments_parameter (&self->arguments, names[i]);
        if (parameter)
            size += (size_t)snprintf (where + size, sizeof (where) - size, "%s %s %.200s", size ? "," : " in", names[i],
                                      sb_display_text (parameter->value.text, text));
    }
    sb_run_complain (0, "nothing held%s", where);
    return true;
}

/* Says that events which were asked for are no longer kept. */
static void s_warn_evicted (const char *command, const sb_pages_t *pages)
{
    bool is_evicted = false;
    char text[SB_DISPLAY_SIZE];
    for (uint32_t i = 0; i < sb_pages_record_count (pages) && sb_reply_is_of_events (command); i++)
        is_evicted = is_evicted || sb_record_boolean (sb_pages_record (pages, i), "evicted");
    if (!is_evicted)
        return;
    const sb_value_t *oldest = sb_record_value (sb_pages_record (pages, 0), "oldest_unix_ns");
    sb_run_complain (
        0,
        "WARNING: earlier events are gone, those of all agents are kept from %s on: history/category _event "
        "and history/age in the broker's configuration set how many and how long",
        sb_display_time (oldest && oldest->kind == SB_VALUE_INTEGER ? oldest->integer : 0, text));
}

/* Prints what was answered. Returns what the program ends with. */
static int s_print (const sb_run_t *self, const sb_pages_t *pages)
{
    const char *command = self->arguments.command->name;
    const sb_command_reply_t *last = sb_pages_last (pages);
    char text[SB_DISPLAY_SIZE];
    bool is_json = sb_arguments_flag (&self->arguments, "json");
    bool is_nothing = s_is_nothing_held (self, pages);
    if (is_json) {
        sb_json_t *json = sb_json_new ();
        sb_reply_json (command, pages, json);
        puts (sb_json_text (json));
        sb_json_destroy (&json);
    } else if (!is_nothing && (last->code == SB_REASON_NONE || pages->count > 1))
        sb_reply_print (command, sb_text (self->arguments.agent_id), pages, stdout, sb_display_has_colour (stdout));
    if (last->code != SB_REASON_NONE)
        return sb_run_complain (SB_EXIT_REFUSED, "%s", sb_reply_refusal (command, last->code, last->message, text));
    s_warn_evicted (command, pages);
    if (!is_json)
        sb_run_print_more (last);
    return SB_EXIT_DONE;
}

int sb_run_ask (sb_run_t *self)
{
    sb_pages_t pages = {0};
    sb_client_t *client = sb_run_client (self);
    if (!client)
        return SB_EXIT_USAGE;
    sb_command_request_t request = sb_run_request (self, self->arguments.command->name);
    request.agent_id = sb_text (self->arguments.agent_id);
    request.parameters = self->arguments.parameters;
    request.parameter_count = self->arguments.parameter_count;
    bool all = !sb_arguments_parameter (&self->arguments, "limit");
    sb_client_outcome_t outcome = sb_pages_fetch (&pages, client, &request, all);
    int code = outcome == SB_CLIENT_ANSWERED ? s_print (self, &pages) : sb_run_no_answer (client, outcome);
    sb_pages_clear (&pages);
    sb_client_destroy (&client);
    return code;
}

/* What every command has in common. */
static bool s_prepare (sb_run_t *self)
{
    double seconds;
    if (!sb_arguments_number (&self->arguments, "timeout", 0.001, 600, 5, &seconds))
        return false;
    self->timeout_ms = (uint32_t)(seconds * 1000);
    self->is_impatient = !sb_arguments_option (&self->arguments, "timeout");
    const char *issuer = sb_arguments_option (&self->arguments, "issuer");
    self->issuer = issuer ? issuer : sb_client_default_issuer (self->default_issuer);
    const char *reason = sb_arguments_option (&self->arguments, "reason");
    const char *problem = NULL;
    if (!sb_text_is_utf8 (sb_text (reason)) || strlen (reason) > REASON_MAX)
        problem = "--reason must be UTF-8 of at most 256 octets";
    else if (!sb_text_is_utf8 (sb_text (self->issuer)) || strlen (self->issuer) >= SB_CLIENT_ISSUER_SIZE)
        problem = "--issuer must be UTF-8 of at most 64 octets";
    if (problem)
        snprintf (self->arguments.problem, sizeof (self->arguments.problem), "%s", problem);
    return !problem;
}

static int s_dispatch (sb_run_t *self)
{
    if (sb_arguments_flag (&self->arguments, "version")) {
        puts ("syncbus " SB_VERSION);
        return SB_EXIT_DONE;
    }
    if (sb_arguments_flag (&self->arguments, "help"))
        return sb_run_help (self);
    for (size_t i = 0; i < sizeof (s_runners) / sizeof (s_runners[0]); i++)
        if (strcmp (s_runners[i].command, self->arguments.command->name) == 0)
            return s_runners[i].run (self);
    return sb_run_ask (self);
}

int sb_run (int argc, char *const *argv)
{
    sb_run_t *self = calloc (1, sizeof (*self));
    assert (self);
    sb_output_begin ();
    self->arena = sb_arena_new (ARGUMENT_ARENA_BYTES);
    assert (self->arena);
    bool understood = sb_arguments_parse (&self->arguments, argc, argv, self->arena) && s_prepare (self);
    int code = understood ? s_dispatch (self) : sb_run_usage (self);
    sb_arena_destroy (&self->arena);
    free (self);
    return sb_output_end (code);
}

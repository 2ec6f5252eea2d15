/* SPDX-License-Identifier: MPL-2.0
 *
 * Command lines, one row each: what is understood, and what is refused with a sentence.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_arguments.h"
#include "sb_json.h"
#include "sb_names.h"

enum { WORDS_MAX = 16 };

static sb_arguments_t s_arguments;
static sb_arena_t *s_arena;

static bool s_parse (const char *const *words)
{
    char *argv[WORDS_MAX + 2] = {(char *)"syncbus"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    s_arena = s_arena ? s_arena : sb_arena_new (1 << 20);
    return sb_arguments_parse (&s_arguments, argc, argv, s_arena);
}

/* "command agent name=value ..." as it was understood. */
static const char *s_understood (void)
{
    static char text[1024];
    size_t size = (size_t)snprintf (text, sizeof (text), "%s %s", s_arguments.command ? s_arguments.command->name : "-",
                                    s_arguments.agent_id ? s_arguments.agent_id : "-");
    for (uint32_t i = 0; i < s_arguments.parameter_count; i++) {
        sb_json_t *json = sb_json_new ();
        sb_json_value (json, &s_arguments.parameters[i].value);
        size +=
            (size_t)snprintf (text + size, sizeof (text) - size, " %.*s=%s", (int)s_arguments.parameters[i].name.size,
                              s_arguments.parameters[i].name.data, sb_json_text (json));
        sb_json_destroy (&json);
    }
    for (uint32_t i = 0; i < s_arguments.operand_count; i++)
        size += (size_t)snprintf (text + size, sizeof (text) - size, " [%s]", s_arguments.operands[i]);
    return text;
}

Test (arguments, are_understood_by_the_tables)
{
    static const struct {
        const char *words[WORDS_MAX];
        const char *understood;
    } rows[] = {
        {{"status"}, "status -"},
        {{"pause_agent", "trader"}, "pause_agent trader"},
        {{"pause-agent", "trader", "--reason", "x"}, "pause_agent trader"},
        {{"--json", "pause-agent", "--", "trader"}, "pause_agent trader"},
        {{"emergency_clear", "latch_epoch=3"}, "emergency_clear - latch_epoch=3"},
        {{"emergency-clear", "latch-epoch=3"}, "emergency_clear - latch_epoch=3"},
        {{"emergency-clear", "--latch-epoch", "3"}, "emergency_clear - latch_epoch=3"},
        {{"emergency-clear", "--latch_epoch=3"}, "emergency_clear - latch_epoch=3"},
        {{"send_command", "trainer", "rebalance_weights", "min_weight=0.1"},
         "send_command trainer command=\"rebalance_weights\" min_weight=0.1"},
        {{"send_command", "trainer", "command=go", "n=3", "on=true", "word=buy", "label=text:42", "x=-1"},
         "send_command trainer command=\"go\" n=3 on=true word=\"buy\" label=\"42\" x=-1"},
        {{"send_command", "trainer", "go", "--depth", "3", "reason=because"},
         "send_command trainer command=\"go\" depth=3 reason=\"because\""},
        {{"get", "market_data", "feed", "spot:BTC"},
         "get_state - category=\"market_data\" agent=\"feed\" subject=\"spot:BTC\""},
        {{"get", "system_health"}, "get_state - category=\"system_health\""},
        {{"get_state", "--agent", "feed"}, "get_state - agent=\"feed\""},
        {{"history", "trades", "--last", "20"}, "history - category=\"trades\" last=20"},
        {{"replay", "trades", "--speed", "flat", "agent=trader"}, "replay - category=\"trades\" agent=\"trader\""},
        {{"explain", "scanner", "confidence"}, "explain scanner field=\"confidence\""},
        {{"state-hash"}, "state_hash -"},
        {{"state-hash", "trades"}, "state_hash - interests=\"trades\""},
        {{"state_hash", "trades", "market_data.feed.", "all"},
         "state_hash - interests=\"trades market_data.feed. all\""},
        {{"timeline", "trader", "--last", "3"}, "timeline trader last=3"},
        {{"events", "trader", "after=7", "--follow"}, "events - agent=\"trader\" after=7"},
        {{"sub", "market_data.", "all"}, "sub - [market_data.] [all]"},
        {{"pub", "--agent", "me", "market_data", "spot:BTC", "price=1.5"},
         "pub - [market_data] [spot:BTC] [price=1.5]"},
        {{"pub", "--agent=me", "-"}, "pub - [-]"},
        {{"complete", "2", "syncbus", "--json", "st"}, "complete - [2] [syncbus] [--json] [st]"},
        {{"--version"}, "- -"},
        {{"-h"}, "- -"},
        {{"pause_agent", "--help"}, "pause_agent -"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        cr_expect (s_parse (rows[i].words), "%s: %s", rows[i].understood, s_arguments.problem);
        cr_expect_str_eq (s_understood (), rows[i].understood);
    }
}

Test (arguments, that_make_no_sense_name_the_fix)
{
    static const struct {
        const char *words[WORDS_MAX];
        const char *problem; /* a part of it */
    } rows[] = {
        {{NULL}, "see syncbus help"},
        {{"stauts"}, "did you mean status?"},
        {{"frobnicate"}, "see syncbus help"},
        {{"pause_agent"}, "needs an agent id"},
        {{"pause_agent", "a.b"}, "is no agent id"},
        {{"pause_agent", "_event"}, "is no agent id"},
        {{"pause_agent", "trader", "risk"}, "what is \"risk\"?"},
        {{"pause_agent", "trader", "x=1"}, "has no parameter x"},
        {{"pause_agent", "trader", "--x", "1"}, "has no option --x"},
        {{"replay"}, "replay needs category"},
        {{"replay", "trades", "more"}, "what is \"more\"?"},
        {{"state_hash", "trades", "interests=x"}, "given twice"},
        {{"explain", "scanner"}, "needs field"},
        {{"emergency_clear"}, "needs latch_epoch"},
        {{"emergency_clear", "latch_epoch=x"}, "whole number"},
        {{"emergency_clear", "latch_epoch=-1"}, "not negative"},
        {{"emergency_clear", "latch_epoch=1", "--latch-epoch", "2"}, "given twice"},
        {{"emergency_clear", "--latch-epoch"}, "needs a value"},
        {{"send_command", "trainer"}, "needs command"},
        {{"send_command", "trainer", "go", "a=1", "a=2"}, "given twice"},
        {{"send_command", "trainer", "go", "a..b=1"}, "is no name"},
        {{"send_command", "trainer", "go", "a=null"}, "text:null"},
        {{"history"}, "needs category"},
        {{"history", "trades", "--last", "many"}, "whole number"},
        {{"get", "a", "b", "c", "d"}, "what is \"d\"?"},
        {{"--json=yes", "status"}, "takes no value"},
        {{"--follow", "events"}, "before the command"},
        {{"status", "-x"}, "no option -x"},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        cr_expect_not (s_parse (rows[i].words), "row %zu was taken", i);
        cr_expect_not_null (strstr (s_arguments.problem, rows[i].problem), "row %zu: %s", i, s_arguments.problem);
    }
}

Test (arguments, option_wins_over_environment_wins_over_default)
{
    unsetenv ("SYNCBUS_COMMAND");
    s_parse ((const char *[]){"status", NULL});
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "endpoint"), "tcp://127.0.0.1:5572");
    setenv ("SYNCBUS_COMMAND", "tcp://10.0.0.5:1", 1);
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "endpoint"), "tcp://10.0.0.5:1");
    s_parse ((const char *[]){"status", "--endpoint", "tcp://10.0.0.6:2", NULL});
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "endpoint"), "tcp://10.0.0.6:2");
    setenv ("SYNCBUS_COMMAND", "", 1);
    s_parse ((const char *[]){"status", NULL});
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "endpoint"), "tcp://127.0.0.1:5572");
}

Test (arguments, the_agents_words_for_endpoints_are_understood)
{
    s_parse ((const char *[]){"--command", "a", "sub", "--publish", "b", "--ingress=c", NULL});
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "endpoint"), "a");
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "publish-endpoint"), "b");
    cr_expect_str_eq (sb_arguments_option (&s_arguments, "ingress-endpoint"), "c");
    s_parse ((const char *[]){"send_command", "me", "go", "--ingress", "c", NULL});
    cr_expect_eq (s_arguments.parameter_count, 2, "it is the agent's");
}

Test (arguments, numbers_keep_their_range)
{
    double number;
    s_parse ((const char *[]){"status", "--timeout", "0.25", NULL});
    cr_expect (sb_arguments_number (&s_arguments, "timeout", 0.001, 600, 5, &number));
    cr_expect_float_eq (number, 0.25, 1e-12);
    static const char *const bad[] = {"0", "601", "x", "-1", "nan", ""};
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        s_parse ((const char *[]){"status", "--timeout", bad[i], NULL});
        cr_expect_not (sb_arguments_number (&s_arguments, "timeout", 0.001, 600, 5, &number), "%s", bad[i]);
        cr_expect_not_null (strstr (s_arguments.problem, "0.001 to 600"));
    }
}

Test (arguments, every_command_is_reached_under_both_spellings)
{
    const sb_catalog_command_t *command;
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++) {
        char name[64];
        snprintf (name, sizeof (name), "%s", command->name);
        cr_expect_eq (sb_catalog_command (name), command);
        for (char *place = name; *place; place++)
            if (*place == '_')
                *place = '-';
        cr_expect_eq (sb_catalog_command (name), command, "%s", name);
    }
}

Test (catalog, every_row_of_the_local_table_names_something_that_is_there)
{
    const sb_catalog_command_t *command;
    const char *target;
    uint32_t count;
    const sb_catalog_option_t *options = sb_catalog_options (&count);
    cr_assert_leq (count, SB_ARGUMENTS_OPTIONS_MAX);
    for (uint32_t i = 0; i < count; i++)
        cr_expect (!*options[i].scope || sb_catalog_command (options[i].scope), "%s", options[i].name);
    for (uint32_t i = 0; sb_catalog_alias_at (i, &target); i++)
        cr_expect_not_null (sb_catalog_command (target));
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++)
        if (strcmp (command->name, "help") && strcmp (command->name, "complete"))
            cr_expect_not_null (sb_catalog_example_at (command->name, 0), "%s has no example", command->name);
}

/* Splits an example's words as a shell would; quotes only around whole words. */
static int s_split (char *line, char **words)
{
    int count = 0;
    for (char *place = line; *place && count < WORDS_MAX;) {
        char stop = *place == '"' ? *place++ : ' ';
        words[count++] = place;
        place += strcspn (place, stop == '"' ? "\"" : " ");
        if (*place)
            *place++ = 0;
        place += strspn (place, " ");
    }
    return count;
}

Test (catalog, every_example_is_understood)
{
    const sb_catalog_command_t *command;
    const sb_catalog_example_t *example;
    for (uint32_t i = 0; (command = sb_catalog_command_at (i)) != NULL; i++)
        for (uint32_t j = 0; (example = sb_catalog_example_at (command->name, j)) != NULL; j++) {
            char line[512];
            char *words[WORDS_MAX];
            const char *start = strstr (example->line, "syncbus ");
            cr_assert_not_null (start);
            snprintf (line, sizeof (line), "%s", start);
            line[strcspn (line, "|>")] = 0;
            int count = s_split (line, words);
            s_arena = s_arena ? s_arena : sb_arena_new (1 << 20);
            cr_expect (sb_arguments_parse (&s_arguments, count, words, s_arena), "%s: %s", example->line,
                       s_arguments.problem);
            cr_expect_eq (s_arguments.command, command, "%s", example->line);
        }
}

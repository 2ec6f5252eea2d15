/* SPDX-License-Identifier: MPL-2.0
 *
 * The readers of single words and of command lines: names, topics and interests of the wire, values as people write
 * them, and the arguments of the programs. Besides not crashing: what is accepted keeps to its bounds and reads back
 * the same, and a refusal comes with a sentence. A command line is an input with an argument in each line.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/live/sb_options.h"
#include "sb_arguments.h"
#include "sb_literal.h"
#include "sb_names.h"

enum { ARENA_OCTETS = 1 << 20, WORDS_MAX = 64 };

#define TARGET(name)                                                                                                   \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);                                    \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size)

/* ------------------------------------------------------------------ names */

static bool s_is_within (sb_text_t part, sb_text_t whole)
{
    return part.data >= whole.data && part.data + part.size <= whole.data + whole.size;
}

/* Each kind of name keeps to its bound. */
static void s_check_names (sb_text_t text)
{
    FUZZ_CLAIM (!sb_name_is_category (text) || (text.size >= 1 && text.size <= SB_CATEGORY_MAX));
    FUZZ_CLAIM (!sb_name_is_agent_id (text) || (text.size >= 1 && text.size <= SB_ID_MAX && text.data[0] != '_'));
    FUZZ_CLAIM (!sb_name_is_subject (text) || text.size <= SB_ID_MAX);
    FUZZ_CLAIM (!sb_name_is_field (text) || (text.size >= 1 && text.size <= SB_FIELD_NAME_MAX));
    FUZZ_CLAIM (!sb_name_is_command_id (text) || (text.size >= 1 && text.size <= SB_ID_MAX));
    FUZZ_CLAIM (!sb_name_is_category (text) || sb_name_is_interest (text));
    FUZZ_CLAIM (!sb_name_is_interest (text) || sb_text_is_utf8 (text));
}

/* A category and an agent's id with what they name make a topic that splits into them, and each interest in it, cut
 * anywhere, matches it. */
static void s_check_topic (sb_text_t topic)
{
    sb_text_t category, agent_id, subject;
    if (!sb_topic_split (topic, &category, &agent_id, &subject))
        return;
    FUZZ_CLAIM (category.size + agent_id.size + subject.size + 2 == topic.size);
    FUZZ_CLAIM (s_is_within (category, topic) && s_is_within (agent_id, topic) && s_is_within (subject, topic));
    if (!sb_name_is_category (category) || !sb_name_is_agent_id (agent_id) || !sb_name_is_subject (subject))
        return;
    FUZZ_CLAIM (topic.size <= SB_TOPIC_MAX);
    for (uint32_t size = category.size; size <= topic.size; size++) {
        char prefix[SB_TOPIC_MAX + 1];
        sb_text_t interest = {topic.data, size};
        FUZZ_CLAIM (sb_name_is_interest (interest));
        uint32_t prefix_size = sb_interest_prefix (interest, prefix);
        FUZZ_CLAIM (sb_prefix_matches ((sb_text_t){prefix, prefix_size}, topic));
    }
    FUZZ_CLAIM (sb_prefix_matches ((sb_text_t){"", 0}, topic));
}

TARGET (names)
{
    (void)self;
    char *octets = fuzz_text (data, size);
    sb_text_t text = {octets, (uint32_t)size}, rest;
    uint32_t interval_ms;
    if (sb_conflated_split (text, &interval_ms, &rest)) {
        FUZZ_CLAIM (interval_ms >= SB_CONFLATION_MIN_MS && interval_ms <= SB_CONFLATION_MAX_MS);
        FUZZ_CLAIM (s_is_within (rest, text) && rest.data + rest.size == text.data + text.size);
        text = rest;
    }
    s_check_names (text);
    s_check_topic (text);
    free (octets);
}

/* ------------------------------------------------------------------ values */

static void s_check_decimal (const char *text)
{
    char written[SB_DECIMAL_TEXT_SIZE];
    sb_value_t value, again;
    const char *fault = sb_literal_decimal (text, &value);
    if (fault) {
        FUZZ_CLAIM (fault[0]);
        return;
    }
    sb_decimal_text (value.decimal.unscaled, value.decimal.exponent, written);
    FUZZ_CLAIM (!sb_literal_decimal (written, &again));
    FUZZ_CLAIM (again.decimal.unscaled == value.decimal.unscaled && again.decimal.exponent == value.decimal.exponent);
}

static void s_check_base64 (const char *text, size_t size)
{
    uint32_t data_size, again_size;
    uint8_t *octets = malloc (size / 4 * 3 + 1), *again = malloc (size / 4 * 3 + 1);
    char *written = malloc (size + 1);
    FUZZ_CLAIM (octets && again && written);
    if (sb_base64_decode (text, size, octets, &data_size)) {
        FUZZ_CLAIM (sb_base64_size (data_size) == size);
        sb_base64_encode (octets, data_size, written);
        FUZZ_CLAIM (sb_base64_decode (written, size, again, &again_size) && again_size == data_size);
        FUZZ_CLAIM (memcmp (octets, again, data_size) == 0);
    }
    free (written);
    free (again);
    free (octets);
}

TARGET (literal)
{
    static const sb_parameter_kind_t kinds[] = {SB_PARAMETER_INTEGER, SB_PARAMETER_NUMBER, SB_PARAMETER_BOOLEAN,
                                                SB_PARAMETER_TEXT, SB_PARAMETER_ANY};
    (void)self;
    char *text = fuzz_text (data, size);
    sb_arena_t *arena = sb_arena_new (ARENA_OCTETS);
    FUZZ_CLAIM (arena);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sb_value_t value;
        const char *fault = sb_literal_value (text, kinds[i], arena, &value);
        FUZZ_CLAIM (fault ? fault[0] : value.kind != SB_VALUE_NONE);
    }
    sb_change_t change;
    const char *fault = sb_literal_change (text, arena, &change);
    FUZZ_CLAIM (fault ? fault[0] : sb_name_is_field (change.name));
    s_check_decimal (text);
    s_check_base64 (text, strlen (text));
    sb_arena_destroy (&arena);
    free (text);
}

/* ------------------------------------------------------------------ command lines */

/* Cuts a text into its lines; returns how many. The text is changed. */
static int s_words (char *text, char **words)
{
    int count = 0;
    char *rest = text;
    while (rest && count < WORDS_MAX)
        words[count++] = strsep (&rest, "\n");
    words[count] = NULL;
    return count;
}

TARGET (arguments)
{
    (void)self;
    static sb_arguments_t arguments;
    char *words[WORDS_MAX + 2] = {(char *)"syncbus"}, *text = fuzz_text (data, size);
    int count = s_words (text, words + 1) + 1;
    sb_arena_t *arena = sb_arena_new (ARENA_OCTETS);
    FUZZ_CLAIM (arena);
    bool is_good = sb_arguments_parse (&arguments, count, words, arena);
    FUZZ_CLAIM (is_good || arguments.problem[0]);
    FUZZ_CLAIM (arguments.parameter_count <= SB_ARGUMENTS_PARAMETERS_MAX);
    FUZZ_CLAIM (arguments.operand_count <= SB_ARGUMENTS_OPERANDS_MAX);
    for (uint32_t i = 0; is_good && i < arguments.parameter_count; i++)
        FUZZ_CLAIM (arguments.parameters[i].value.kind != SB_VALUE_NONE);
    sb_arena_destroy (&arena);
    free (text);
}

/* Lines that begin with SYNCBUS_ are the environment, all others the arguments. */
TARGET (broker_options)
{
    (void)self;
    char *lines[WORDS_MAX + 1], *arguments[WORDS_MAX + 1], *environment[WORDS_MAX + 1];
    int argument_count = 0, variable_count = 0;
    char *text = fuzz_text (data, size), *problems;
    int count = s_words (text, lines);
    for (int i = 0; i < count; i++) {
        if (strncmp (lines[i], "SYNCBUS_", 8) == 0)
            environment[variable_count++] = lines[i];
        else
            arguments[argument_count++] = lines[i];
    }
    arguments[argument_count] = environment[variable_count] = NULL;
    size_t problems_size;
    FILE *file = open_memstream (&problems, &problems_size);
    FUZZ_CLAIM (file);
    sb_options_t options;
    uint32_t problem_count = sb_options_read (&options, arguments, environment, file);
    sb_config_t *config = NULL;
    if (problem_count == 0 && !options.config_path) { /* no file of this machine is read */
        config = sb_options_make_config (&options, file);
        problem_count += !config;
    }
    fclose (file);
    FUZZ_CLAIM ((problem_count > 0) <= (problems_size > 0));
    sb_config_destroy (&config);
    free (problems);
    free (text);
}

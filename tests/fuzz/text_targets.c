/* SPDX-License-Identifier: MPL-2.0
 *
 * The readers of text: files that people write, files that the broker writes, lines that come in. Besides not
 * crashing: a refusal comes with a sentence; what was accepted can be used (a configuration and a control state by
 * a core, a layout by rows) and, where there is a writer, reads back the same.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_stage.h"
#include "sb_config.h"
#include "sb_control_text.h"
#include "sb_input.h"
#include "sb_json_reader.h"
#include "sb_layout_set.h"
#include "sb_moment.h"
#include "sb_names.h"
#include "sb_row.h"

enum { PATH_OCTETS = 64, ERROR_OCTETS = 512 };

#define TARGET(name)                                                                                                   \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);                                    \
    void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size)

/* ------------------------------------------------------------------ control state */

/* An input that begins with + is a body to which the right checksum is added, since none would ever be guessed. */
static char *s_control_input (const uint8_t *data, size_t size, size_t *text_size)
{
    if (size == 0 || data[0] != '+') {
        *text_size = size;
        return fuzz_text (data, size);
    }
    uint64_t sum = UINT64_C (0xcbf29ce484222325);
    for (size_t i = 1; i < size; i++)
        sum = (sum ^ data[i]) * UINT64_C (0x100000001b3);
    char line[40];
    int line_size = snprintf (line, sizeof line, "checksum %016" PRIx64 "\n", sum);
    *text_size = size - 1 + (size_t)line_size;
    char *text = malloc (*text_size + 1);
    FUZZ_CLAIM (text);
    memcpy (text, data + 1, size - 1);
    memcpy (text + size - 1, line, (size_t)line_size + 1);
    return text;
}

static void s_write_and_read_again (const sb_control_state_t *state, uint64_t epoch)
{
    size_t first_size, again_size;
    sb_control_state_t again;
    sb_operator_record_t *operators;
    char *first = sb_control_text_write (state, epoch, &first_size);
    FUZZ_CLAIM (first);
    char *copy = fuzz_text ((const uint8_t *)first, first_size);
    uint64_t again_epoch;
    FUZZ_CLAIM (!sb_control_text_read (copy, first_size, &again, &again_epoch, &operators));
    char *second = sb_control_text_write (&again, again_epoch, &again_size);
    FUZZ_CLAIM (second && again_size == first_size && memcmp (first, second, first_size) == 0);
    free (second);
    free (operators);
    free (copy);
    free (first);
}

TARGET (control_text)
{
    (void)self;
    size_t text_size;
    char *text = s_control_input (data, size, &text_size);
    sb_control_state_t state;
    sb_operator_record_t *operators;
    uint64_t epoch;
    const char *fault = sb_control_text_read (text, text_size, &state, &epoch, &operators);
    if (fault) {
        FUZZ_CLAIM (fault[0] && !operators);
    } else {
        s_write_and_read_again (&state, epoch);
        fuzz_stage_t *stage = fuzz_stage_new (&state);
        FUZZ_CLAIM (sb_core_is_stopped (stage->core) == state.stopped);
        fuzz_stage_destroy (&stage);
    }
    free (operators);
    free (text);
}

/* ------------------------------------------------------------------ configuration */

/* Reads a file's octets; problems as text in *problems, to be freed. NULL when there were any. */
static sb_config_t *s_read_config (const uint8_t *data, size_t size, char **problems)
{
    char path[PATH_OCTETS];
    size_t problems_size;
    FILE *file = open_memstream (problems, &problems_size);
    sb_config_t *config = sb_config_new ();
    FUZZ_CLAIM (file && config);
    int descriptor = fuzz_file (data, size, path, sizeof path);
    uint32_t count = sb_config_read_file (config, path, file);
    close (descriptor);
    if (count == 0)
        count = sb_config_finish (config, file);
    fclose (file);
    FUZZ_CLAIM ((count > 0) <= (problems_size > 0));
    if (count > 0)
        sb_config_destroy (&config);
    return config;
}

TARGET (config_file)
{
    (void)self;
    char *problems, *printed;
    size_t printed_size;
    sb_config_t *config = s_read_config (data, size, &problems);
    free (problems);
    if (!config)
        return;
    FILE *file = open_memstream (&printed, &printed_size);
    FUZZ_CLAIM (file);
    sb_config_print (config, file);
    fclose (file);
    sb_config_t *again = s_read_config ((const uint8_t *)printed, printed_size, &problems);
    if (!again)
        fputs (problems, stderr);
    FUZZ_CLAIM (again);
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    for (uint32_t i = 0; i < count; i++)
        FUZZ_CLAIM (sb_config_same (config, again, &keys[i]));
    free (problems);
    free (printed);
    sb_config_destroy (&again);
    sb_config_destroy (&config);
}

/* ------------------------------------------------------------------ market data */

TARGET (layout_file)
{
    (void)self;
    char error[ERROR_OCTETS] = "";
    sb_layout_t *layout = malloc (sizeof *layout);
    char *text = fuzz_text (data, size);
    FUZZ_CLAIM (layout);
    if (sb_layout_parse (layout, "fuzz", (sb_text_t){text, (uint32_t)size}, error, sizeof error)) {
        FUZZ_CLAIM (layout->column_count <= SB_COLUMNS_MAX && layout->field_count <= SB_FIELDS_MAX);
        if (!sb_layout_bind (layout, "quotes_SPY.csv", error, sizeof error))
            FUZZ_CLAIM (error[0]);
    } else {
        FUZZ_CLAIM (error[0]);
    }
    free (text);
    free (layout);
}

/* The first line names the layout; none of that name: the first of all. The rest is the row. */
TARGET (market_row)
{
    static sb_layout_set_t *set;
    static sb_cells_t cells;
    char error[ERROR_OCTETS];
    (void)self;
    if (!set)
        set = sb_layout_set_new (FUZZ_LAYOUTS, error, sizeof error);
    FUZZ_CLAIM (set);
    const uint8_t *end = size ? memchr (data, '\n', size) : NULL;
    size_t name_size = end ? (size_t)(end - data) : 0;
    sb_layout_t layout = *sb_layout_set_at (set, 0);
    for (uint32_t i = 0; end && i < sb_layout_set_count (set); i++) {
        const char *name = sb_layout_set_at (set, i)->name;
        if (strlen (name) == name_size && memcmp (name, data, name_size) == 0)
            layout = *sb_layout_set_at (set, i);
    }
    if (end) {
        data += name_size + 1;
        size -= name_size + 1;
    }
    FUZZ_CLAIM (sb_layout_bind (&layout, "trades_quotes_SPY.csv", error, sizeof error) || error[0]);
    char *line = fuzz_text (data, size);
    sb_row_t row;
    bool is_json = line[strspn (line, " \t")] == '{';
    if (sb_row_read (&layout, is_json, line, size, &cells, &row) == SB_REJECTION_NONE) {
        FUZZ_CLAIM (row.subject_size <= SB_ID_MAX);
        for (uint32_t i = 0; i < layout.field_count; i++) {
            if (row.values[i].kind == SB_VALUE_TEXT)
                FUZZ_CLAIM (sb_text_is_utf8 (row.values[i].text));
        }
    }
    free (line);
}

/* Reads all lines; returns a hash over them and how it ended. */
static uint64_t s_read_lines (sb_input_t *input)
{
    uint64_t hash = 1;
    for (;;) {
        char *line;
        size_t size;
        sb_input_status_t status = sb_input_line (input, &line, &size);
        hash = hash * 31 + status;
        FUZZ_CLAIM (status != SB_INPUT_WAIT);
        if (status == SB_INPUT_END || status == SB_INPUT_DAMAGED) {
            FUZZ_CLAIM ((status == SB_INPUT_DAMAGED) == (sb_input_error (input)[0] != '\0'));
            return hash;
        }
        if (status == SB_INPUT_TOO_LONG)
            continue;
        FUZZ_CLAIM (size <= SB_LINE_MAX && line[size] == '\0');
        hash = hash * 31 + sb_octets_hash (line, size);
    }
}

TARGET (market_input)
{
    (void)self;
    char path[PATH_OCTETS], error[ERROR_OCTETS];
    int descriptor = fuzz_file (data, size, path, sizeof path);
    sb_input_t *input = sb_input_open (path, error, sizeof error);
    FUZZ_CLAIM (input);
    uint64_t first = s_read_lines (input);
    FUZZ_CLAIM (sb_input_rewind (input));
    FUZZ_CLAIM (s_read_lines (input) == first);
    sb_input_close (&input);
    close (descriptor);
}

/* ------------------------------------------------------------------ JSON */

TARGET (json_delta)
{
    (void)self;
    char *line = fuzz_text (data, size);
    sb_arena_t *arena = sb_arena_new (1 << 20);
    sb_delta_t delta;
    uint32_t place = 0;
    const char *fault = sb_json_read_delta (line, arena, &delta, &place);
    if (fault) {
        FUZZ_CLAIM (fault[0] && place <= strlen (line));
    } else {
        sb_encoding_t *encoding;
        sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {&delta, 1}};
        delta.update.sequence = 1;
        size_t encoded_size = sb_encode_agent_message (arena, &message, &encoding);
        FUZZ_CLAIM (encoded_size > 0);
        uint8_t *encoded = malloc (encoded_size);
        FUZZ_CLAIM (encoded);
        sb_encoding_write (encoding, encoded);
        FUZZ_CLAIM (sb_decode_agent_message (arena, encoded, encoded_size, 1 << 20, &message).reason == SB_REASON_NONE);
        free (encoded);
    }
    sb_arena_destroy (&arena);
    free (line);
}

/* ------------------------------------------------------------------ times */

TARGET (moment)
{
    (void)self;
    static const int64_t now_unix_ns = INT64_C (1723204801000000000);
    char *text = fuzz_text (data, size);
    int64_t unix_ns = -1;
    const char *fault = sb_moment_read (text, now_unix_ns, &unix_ns);
    if (fault) {
        FUZZ_CLAIM (fault[0]);
    } else {
        char number[24];
        int64_t again_unix_ns;
        FUZZ_CLAIM (unix_ns >= 0);
        snprintf (number, sizeof number, "%" PRId64, unix_ns);
        FUZZ_CLAIM (!sb_moment_read (number, 0, &again_unix_ns) && again_unix_ns == unix_ns);
    }
    uint32_t span_ms = 0;
    fault = sb_moment_read_span_ms (text, &span_ms);
    FUZZ_CLAIM (fault ? fault[0] : span_ms > 0);
    free (text);
}

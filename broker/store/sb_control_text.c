/* SPDX-License-Identifier: MPL-2.0
 *
 * The format of the control-state file: see sb_control_text.h. One pass to write, one to read. Reading takes
 * nothing on trust: every line, key, number and name is checked, since a file may be damaged or edited by hand.
 */
#define _GNU_SOURCE
#include "sb_control_text.h"
#include "sb_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char s_head[] = "syncbus-control 1\n";

enum { PAIRS_MAX = 8, CHECKSUM_LINE = 9 + 16 + 1 };

/* One name=value of a line; value is decoded. */
typedef struct {
    const char *name;
    sb_text_t value;
} s_pair_t;

static uint64_t s_checksum (const char *data, size_t size)
{
    uint64_t sum = UINT64_C (0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (uint8_t)data[i]) * UINT64_C (0x100000001b3);
    return sum;
}

static void s_write_text (FILE *file, const char *name, sb_text_t text)
{
    fprintf (file, " %s=", name);
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];
        if (octet > 0x20 && octet != '%' && octet != 0x7f)
            fputc (octet, file);
        else
            fprintf (file, "%%%02x", octet);
    }
}

static void s_write_authorship (FILE *file, int64_t since_unix_ns, sb_text_t issuer, sb_text_t reason)
{
    fprintf (file, " since=%" PRId64, since_unix_ns);
    s_write_text (file, "issuer", issuer);
    s_write_text (file, "reason", reason);
    fputc ('\n', file);
}

char *sb_control_text_write (const sb_control_state_t *state, uint64_t epoch, size_t *size)
{
    char *text = NULL;
    FILE *file = open_memstream (&text, size);
    if (!file)
        return NULL;
    fprintf (file, "%sepoch %" PRIu64 "\n", s_head, epoch);
    fprintf (file, "latch stopped=%d latch_epoch=%" PRIu64, state->stopped, state->latch_epoch);
    s_write_authorship (file, state->since_unix_ns, state->issuer, state->reason);
    for (uint32_t i = 0; i < state->operator_count; i++) {
        const sb_operator_record_t *record = &state->operators[i];
        fputs ("operator", file);
        s_write_text (file, "agent", record->agent_id);
        fprintf (file, " paused=%d isolated=%d by_agent=%d revision=%" PRIu64, record->paused, record->isolated,
                 record->by_agent, record->revision);
        s_write_authorship (file, record->since_unix_ns, record->issuer, record->reason);
    }
    fflush (file);
    fprintf (file, "checksum %016" PRIx64 "\n", s_checksum (text, *size));
    if (fclose (file) != 0) {
        free (text);
        return NULL;
    }
    return text;
}

/* ---------------------------------------------------------------- reading */

static int s_hexadecimal (char octet)
{
    if (octet >= '0' && octet <= '9')
        return octet - '0';
    if (octet >= 'a' && octet <= 'f')
        return octet - 'a' + 10;
    return -1;
}

/* Decodes %xx in place. */
static bool s_decode (char *data, sb_text_t *text)
{
    char *out = data;
    for (const char *in = data; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = s_hexadecimal (in[1]);
        int low = high < 0 ? -1 : s_hexadecimal (in[2]);
        if (low < 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *text = (sb_text_t){.data = data, .size = (uint32_t)(out - data)};
    return sb_text_is_utf8 (*text);
}

/* Splits "name=value name=value …" into exactly the pairs named, in that order. */
static bool s_read_pairs (char *line, const char *const *names, uint32_t count, s_pair_t *pairs)
{
    for (uint32_t i = 0; i < count; i++) {
        char *item = strsep (&line, " ");
        size_t size = strlen (names[i]);
        if (!item || strncmp (item, names[i], size) != 0 || item[size] != '=')
            return false;
        pairs[i].name = names[i];
        if (!s_decode (item + size + 1, &pairs[i].value))
            return false;
    }
    return line == NULL;
}

static bool s_read_number (sb_text_t text, uint64_t high, uint64_t *number)
{
    char digits[24];
    if (text.size == 0 || text.size >= sizeof digits || text.data[0] < '0' || text.data[0] > '9')
        return false;
    memcpy (digits, text.data, text.size);
    digits[text.size] = '\0';
    char *end;
    errno = 0;
    *number = strtoull (digits, &end, 10);
    return *end == '\0' && errno == 0 && *number <= high;
}

static bool s_read_flag (sb_text_t text, bool *flag)
{
    uint64_t number;
    if (!s_read_number (text, 1, &number))
        return false;
    *flag = number == 1;
    return true;
}

static bool s_read_time (sb_text_t text, int64_t *unix_ns)
{
    uint64_t number;
    if (!s_read_number (text, INT64_MAX, &number))
        return false;
    *unix_ns = (int64_t)number;
    return true;
}

static bool s_read_epoch (char *line, uint64_t *epoch)
{
    static const char prefix[] = "epoch ";
    return strncmp (line, prefix, sizeof prefix - 1) == 0 &&
           s_read_number (sb_text (line + sizeof prefix - 1), SB_NUMBER_MAX, epoch);
}

static bool s_read_latch (char *line, sb_control_state_t *state)
{
    static const char *const names[] = {"stopped", "latch_epoch", "since", "issuer", "reason"};
    s_pair_t pairs[PAIRS_MAX];
    if (strncmp (line, "latch ", 6) != 0 || !s_read_pairs (line + 6, names, 5, pairs))
        return false;
    state->issuer = pairs[3].value;
    state->reason = pairs[4].value;
    return s_read_flag (pairs[0].value, &state->stopped) &&
           s_read_number (pairs[1].value, SB_NUMBER_MAX, &state->latch_epoch) &&
           s_read_time (pairs[2].value, &state->since_unix_ns);
}

static bool s_read_operator (char *line, sb_operator_record_t *record)
{
    static const char *const names[] = {"agent",    "paused", "isolated", "by_agent",
                                        "revision", "since",  "issuer",   "reason"};
    s_pair_t pairs[PAIRS_MAX];
    if (strncmp (line, "operator ", 9) != 0 || !s_read_pairs (line + 9, names, 8, pairs))
        return false;
    *record = (sb_operator_record_t){.agent_id = pairs[0].value, .issuer = pairs[6].value, .reason = pairs[7].value};
    return sb_name_is_agent_id (record->agent_id) && s_read_flag (pairs[1].value, &record->paused) &&
           s_read_flag (pairs[2].value, &record->isolated) && s_read_flag (pairs[3].value, &record->by_agent) &&
           s_read_number (pairs[4].value, SB_NUMBER_MAX, &record->revision) &&
           s_read_time (pairs[5].value, &record->since_unix_ns);
}

/* Checks head and checksum; cuts the checksum line off. */
static const char *s_check_frame (char *text, size_t *size)
{
    const size_t head_size = sizeof s_head - 1;
    if (*size == 0)
        return "it is empty";
    if (*size < head_size || memcmp (text, s_head, head_size) != 0)
        return "it does not begin with \"syncbus-control 1\"";
    if (*size < head_size + CHECKSUM_LINE || memchr (text, '\0', *size))
        return "it is cut or damaged";
    char expected[CHECKSUM_LINE + 1];
    const size_t body_size = *size - CHECKSUM_LINE;
    snprintf (expected, sizeof expected, "checksum %016" PRIx64 "\n", s_checksum (text, body_size));
    if (memcmp (text + body_size, expected, CHECKSUM_LINE) != 0 || text[body_size - 1] != '\n')
        return "its checksum does not match: it is cut, damaged, or was edited";
    text[body_size - 1] = '\0';
    *size = body_size;
    return NULL;
}

const char *sb_control_text_read (char *text, size_t size, sb_control_state_t *state, uint64_t *epoch,
                                  sb_operator_record_t **operators_p)
{
    *operators_p = NULL;
    const char *fault = s_check_frame (text, &size);
    if (fault)
        return fault;
    uint32_t line_count = 1;
    for (size_t i = 0; i < size; i++)
        line_count += text[i] == '\n';
    sb_operator_record_t *operators = calloc (line_count, sizeof *operators);
    if (!operators)
        return "there is no memory to read it";

    char *rest = text + sizeof s_head - 1;
    char *epoch_line = strsep (&rest, "\n");
    char *latch_line = strsep (&rest, "\n");
    sb_control_state_t found = {.operators = operators};
    uint64_t found_epoch = 0;
    bool is_good = s_read_epoch (epoch_line, &found_epoch) && latch_line && s_read_latch (latch_line, &found);
    while (is_good && rest) {
        sb_operator_record_t *record = &operators[found.operator_count++];
        is_good = s_read_operator (strsep (&rest, "\n"), record) &&
                  (found.operator_count == 1 || sb_text_compare (record[-1].agent_id, record->agent_id) < 0);
    }
    if (!is_good) {
        free (operators);
        return "a line in it is not of this format";
    }
    *state = found;
    *epoch = found_epoch;
    *operators_p = operators;
    return NULL;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The basic workload: what syncbusd counts, held against what was sent to it and read from it.
 *
 * Acks and numbers alone would not do: a broker could ack and forward without merging, or drop changes of a delta and
 * win on octets. Agents send only what differs from what they sent before, so as deltas nothing is suppressed; in an
 * event category every field counts, equal or not. Deltas that waited together share a publication, so there are at
 * most as many as deltas, and each reader has come to the heads of just the categories that it reads.
 */
#define _GNU_SOURCE
#include "basic.h"

#include <string.h>

enum { WHOLE_COMPARED = 128 };

bool basic_is_compared (const basic_options_t *options, uint64_t sequence)
{
    return !options->is_full || sequence % WHOLE_COMPARED == 0;
}

uint64_t basic_content (const sb_change_t *changes, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        const sb_text_t name = changes[i].name;
        uint64_t word = 0;
        if (changes[i].value.kind == SB_VALUE_NUMBER)
            memcpy (&word, &changes[i].value.number, sizeof word);
        word ^= (uint64_t)name.size << 8 | (name.size ? (uint8_t)name.data[name.size - 1] : 0);
        word *= UINT64_C (0x9e3779b97f4a7c15);
        sum += (word ^ word >> 32) * UINT64_C (0x9e3779b97f4a7c15);
    }
    return sum;
}

static void s_expect (const char *what, uint64_t measured, uint64_t wanted)
{
    if (measured != wanted)
        scale_fail ("%s: %lu, not %lu", what, (unsigned long)measured, (unsigned long)wanted);
}

/* The head of a category, 0 when there is none: nothing was published in it. */
static uint64_t s_head (const sb_command_reply_t *status, sb_text_t category)
{
    for (uint32_t i = 1; i < status->record_count; i++)
        for (uint32_t j = 0; j < status->records[i].column_count; j++) {
            const sb_parameter_t *column = &status->records[i].columns[j];
            if (sb_text_equal (column->name, sb_text ("category")) && column->value.kind == SB_VALUE_TEXT &&
                sb_text_equal (column->value.text, category))
                return scale_column (&status->records[i], "category_sequence");
        }
    return 0;
}

static void s_check_heads (const basic_options_t *options, const basic_shared_t *shared,
                           const sb_command_reply_t *status, bool is_all_read)
{
    uint64_t publications = 0;
    for (uint64_t category = 0; category < basic_categories (options); category++) {
        char text[SCALE_TEXT];
        const uint64_t head = s_head (status, basic_category (options, category, text));
        publications += head;
        for (uint64_t agent = 0; is_all_read && agent < options->agents; agent++)
            if (basic_reads (options, agent, category))
                s_expect ("the position of a reader", shared->seen[agent][category].category_sequence, head);
    }
    if (publications > shared->sent || (publications == 0) != (shared->sent == 0))
        scale_fail ("publications of the agents' categories: %lu, of %lu deltas", (unsigned long)publications,
                    (unsigned long)shared->sent);
}

void basic_check_broker (const basic_options_t *options, const basic_shared_t *shared, bool is_all_read)
{
    scale_wire_t wire;
    scale_wire_open (&wire);
    void *context = scale_context (1), *request = scale_socket (context, ZMQ_REQ, options->command);
    const sb_command_reply_t *status = scale_ask (&wire, request, "status", NULL, 0, NULL);
    if (status->record_count == 0)
        scale_fail ("status without a record");
    const struct {
        const char *column;
        uint64_t wanted;
    } rows[] = {{"deltas", shared->sent},
                {"deltas_accepted", shared->sent},
                {"deltas_repeated", 0},
                {"changes", shared->fields},
                {"changes_suppressed", 0},
                {"fields", shared->held},
                {"publish_refused", 0},
                {"sessions_lost", 0},
                {"failures", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        s_expect (rows[i].column, scale_column (&status->records[0], rows[i].column), rows[i].wanted);
    s_check_heads (options, shared, status, is_all_read);
    zmq_close (request);
    zmq_ctx_term (context);
    scale_wire_close (&wire);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The fleet workload: what the broker counts, held against what was sent to it, acked and read from it.
 *
 * Acks alone would not do: a broker could ack without merging. Each delta must have been accepted, must have changed
 * the state, and must have been published once; the fields that it holds are as many as the agents published; each
 * reader got its neighbour's state and each subscriber all that the writers wrote, every update once and in its
 * writer's order. Deltas of one writer that waited together share a publication, so publications are fewer than deltas;
 * each subscriber got just as many as the categories count.
 */
#define _GNU_SOURCE
#include "fleet.h"

#include <string.h>

#define SUM(member) fleet_sum (options, shared, offsetof (fleet_counts_t, member))

uint64_t fleet_sum (const fleet_options_t *options, const fleet_shared_t *shared, size_t offset)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->processes; i++)
        sum += *(const _Atomic uint64_t *)((const char *)&shared->counts[i] + offset);
    return sum;
}

static const sb_value_t *s_column (const sb_record_t *record, const char *name)
{
    for (uint32_t i = 0; i < record->column_count; i++)
        if (sb_text_equal (record->columns[i].name, sb_text (name)))
            return &record->columns[i].value;
    return NULL;
}

/* True when the record is of a category that the writers write: a c and a number. */
static bool s_is_written (const sb_record_t *record)
{
    const sb_value_t *category = s_column (record, "category");
    return category && category->kind == SB_VALUE_TEXT && category->text.size > 1 && category->text.data[0] == 'c' &&
           category->text.data[1] >= '0' && category->text.data[1] <= '9';
}

void fleet_ask (scale_wire_t *wire, void *request, fleet_status_t *status)
{
#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, offsetof(fleet_status_t, name)                                                                          \
    }
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {ROW (memory_bytes),    ROW (fields),  ROW (agents_live),        ROW (agents_suspect),
                ROW (agents_dead),     ROW (deltas),  ROW (mistaken_suspects),  ROW (deltas_accepted),
                ROW (deltas_repeated), ROW (changes), ROW (changes_suppressed), ROW (publish_refused),
                ROW (sessions_lost),   ROW (failures)};
#undef ROW
    const sb_command_reply_t *reply = scale_ask (wire, request, "status", NULL, 0, NULL);
    if (reply->record_count == 0)
        scale_fail ("status without a record");
    *status = (fleet_status_t){0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        *(uint64_t *)((char *)status + rows[i].offset) = scale_column (&reply->records[0], rows[i].name);
    for (uint32_t i = 1; i < reply->record_count; i++)
        if (s_is_written (&reply->records[i]))
            status->heads += scale_column (&reply->records[i], "category_sequence");
}

static void s_expect (const char *what, uint64_t measured, uint64_t wanted)
{
    if (measured != wanted)
        scale_fail ("%s: %lu, not %lu", what, (unsigned long)measured, (unsigned long)wanted);
}

/* Deltas that an agent's whole state is published in. */
static uint64_t s_parts (const fleet_options_t *options)
{
    return (options->fields + FLEET_FIELDS_A_DELTA - 1) / FLEET_FIELDS_A_DELTA;
}

/* Updates that readers get: each one's neighbour publishes its state once; nobody reads a writer so. */
static uint64_t s_readers_updates (const fleet_options_t *options, uint64_t parts)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < options->agents; i++)
        count += fleet_is_reader (options, i) && (i + 1) % options->agents >= options->writers;
    return count * parts;
}

/* Each subscriber got every update, each as the next of its writer, in all publications that the categories count. */
static void s_check_subscribers (const fleet_shared_t *shared, uint64_t written, uint64_t heads)
{
    s_expect ("updates that came to a subscriber out of their place", shared->misplaced, 0);
    s_expect ("updates that the slowest subscriber got", shared->drained, written);
    s_expect ("updates that the fastest subscriber got", shared->most, written);
    s_expect ("publications, fewest that a subscriber got", shared->least_publications, heads);
    s_expect ("publications, most that a subscriber got", shared->most_publications, heads);
}

uint64_t fleet_written (const fleet_options_t *options, const fleet_shared_t *shared)
{
    return SUM (deltas) - (options->agents - options->writers) * s_parts (options);
}

void fleet_check_broker (const fleet_options_t *options, const fleet_shared_t *shared, const fleet_status_t *status)
{
    const uint64_t parts = s_parts (options), states = options->agents * parts, deltas = SUM (deltas);
    const uint64_t written = fleet_written (options, shared);
    s_expect ("agents that are live", status->agents_live, options->agents);
    s_expect ("agents that are suspect or dead", status->agents_suspect + status->agents_dead, 0);
    s_expect ("deltas that the broker looked at", status->deltas, deltas);
    s_expect ("deltas that the broker accepted", status->deltas_accepted, deltas);
    s_expect ("field changes that the broker applied", status->changes,
              options->agents * options->fields + deltas - states);
    s_expect ("field changes that changed nothing", status->changes_suppressed, 0);
    s_expect ("deltas that came twice", status->deltas_repeated, 0);
    s_expect ("publications that the socket did not take", status->publish_refused, 0);
    s_expect ("sessions lost", status->sessions_lost, 0);
    s_expect ("failures laid to agents", status->failures, 0);
    if (options->deltas == 0)
        s_expect ("fields that the agents published", SUM (fields), options->agents * options->fields);
    s_expect ("fields that the broker holds", status->fields, SUM (fields));
    if (status->heads > written || (status->heads == 0) != (written == 0))
        scale_fail ("publications of what the writers wrote: %lu, of %lu deltas", (unsigned long)status->heads,
                    (unsigned long)written);
    s_expect ("updates that readers got", SUM (updates), s_readers_updates (options, parts));
    if (options->subscribers > 0)
        s_check_subscribers (shared, written, status->heads);
}

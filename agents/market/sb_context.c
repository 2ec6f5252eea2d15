/* SPDX-License-Identifier: MPL-2.0
 *
 * Context series. A series is a table: one row of (time, order of arrival), and layout->field_count
 * values each. Where several rows became known between two ticks, each field takes its newest value that
 * is not missing. A series keyed by symbol is scanned in the same way, other symbols' rows passed over.
 */
#include "sb_context.h"
#include "sb_names.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t time_ns;
    uint32_t values;      /* of the first value in series->values */
    uint64_t symbol_hash; /* 0: for every subject */
} entry_t;

typedef struct {
    sb_layout_t layout;
    entry_t *rows;
    uint32_t row_count, row_capacity;
    sb_value_t *values;
    uint32_t value_count, value_capacity;
} series_t;

struct sb_context {
    series_t *series[SB_SERIES_MAX];
    uint32_t series_count;
};

sb_context_t *sb_context_new (void)
{
    return calloc (1, sizeof (sb_context_t));
}

static void s_series_destroy (series_t *series)
{
    for (uint32_t i = 0; i < series->value_count; i++)
        if (series->values[i].kind == SB_VALUE_TEXT)
            free ((char *)series->values[i].text.data);
    free (series->values);
    free (series->rows);
    free (series);
}

void sb_context_destroy (sb_context_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    for (uint32_t i = 0; i < (*self_p)->series_count; i++)
        s_series_destroy ((*self_p)->series[i]);
    free (*self_p);
    *self_p = NULL;
}

bool sb_context_add_series (sb_context_t *self, const sb_layout_t *layout)
{
    if (self->series_count == SB_SERIES_MAX)
        return false;
    series_t *series = calloc (1, sizeof *series);
    if (!series)
        return false;
    series->layout = *layout;
    self->series[self->series_count++] = series;
    return true;
}

/* Doubles an array that is full. */
static bool s_reserve (void **array, uint32_t *capacity, uint32_t needed, size_t item_size)
{
    if (needed <= *capacity)
        return true;
    uint32_t larger = *capacity ? *capacity * 2 : 256;
    while (larger < needed)
        larger *= 2;
    void *moved = realloc (*array, (size_t)larger * item_size);
    if (!moved)
        return false;
    *array = moved;
    *capacity = larger;
    return true;
}

bool sb_context_add_row (sb_context_t *self, const sb_row_t *row)
{
    series_t *series = self->series[self->series_count - 1];
    uint32_t fields = series->layout.field_count;
    if (!s_reserve ((void **)&series->rows, &series->row_capacity, series->row_count + 1, sizeof (entry_t)) ||
        !s_reserve ((void **)&series->values, &series->value_capacity, series->value_count + fields,
                    sizeof (sb_value_t)))
        return false;
    entry_t *entry = &series->rows[series->row_count];
    *entry = (entry_t){row->time_ns, series->value_count, 0};
    if (series->layout.symbol_keys_context) {
        const char *symbol = row->subject + row->symbol_offset;
        entry->symbol_hash = sb_octets_hash (symbol, strlen (symbol));
    }
    for (uint32_t i = 0; i < fields; i++) {
        sb_value_t value = row->values[i];
        if (value.kind == SB_VALUE_TEXT) {
            char *copy = strndup (value.text.data, value.text.size);
            if (!copy)
                return false;
            value.text.data = copy;
        }
        series->values[series->value_count++] = value;
    }
    series->row_count++;
    return true;
}

/* By time, then by arrival: qsort is not stable by itself. */
static int s_compare (const void *left, const void *right)
{
    const entry_t *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a->values > b->values) - (a->values < b->values);
}

void sb_context_finish (sb_context_t *self)
{
    for (uint32_t i = 0; i < self->series_count; i++)
        if (self->series[i]->row_count > 1)
            qsort (self->series[i]->rows, self->series[i]->row_count, sizeof (entry_t), s_compare);
}

/* First row that is later than `time_ns`, from `begin` on: doubling steps, then halving. */
static uint32_t s_upper_bound (const series_t *series, uint32_t begin, int64_t time_ns)
{
    uint32_t step = 1, low = begin, high = begin;
    while (high < series->row_count && series->rows[high].time_ns <= time_ns) {
        low = high + 1;
        high = series->row_count - high > step ? high + step : series->row_count;
        step *= 2;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (series->rows[middle].time_ns <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Newest value of a field in rows [begin, end), not older than max_age; NULL: none. */
static const sb_value_t *s_newest (const series_t *series, uint32_t field, uint32_t begin, uint32_t end,
                                   uint64_t symbol_hash, int64_t time_ns)
{
    int64_t max_age_ns = series->layout.max_age_ns;
    for (uint32_t i = end; i-- > begin;) {
        const entry_t *entry = &series->rows[i];
        if (max_age_ns && time_ns - entry->time_ns > max_age_ns)
            return NULL;
        const sb_value_t *value = &series->values[entry->values + field];
        if (value->kind != SB_VALUE_NONE && (entry->symbol_hash == 0 || entry->symbol_hash == symbol_hash))
            return value;
    }
    return NULL;
}

uint32_t sb_context_join (const sb_context_t *self, sb_context_cursor_t *cursor, const char *symbol, int64_t time_ns,
                          sb_change_t *changes, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->series_count; i++) {
        const series_t *series = self->series[i];
        uint32_t begin = cursor->rows[i];
        if (begin == series->row_count || series->rows[begin].time_ns > time_ns)
            continue;
        if (count + series->layout.field_count > most)
            break;
        uint32_t end = s_upper_bound (series, begin, time_ns);
        uint64_t symbol_hash = series->layout.symbol_keys_context ? sb_octets_hash (symbol, strlen (symbol)) : 0;
        for (uint32_t field = 0; field < series->layout.field_count; field++) {
            const sb_value_t *value = s_newest (series, field, begin, end, symbol_hash, time_ns);
            if (value)
                changes[count++] = (sb_change_t){.name = sb_text (series->layout.fields[field].name), .value = *value};
        }
        cursor->rows[i] = end;
    }
    return count;
}

uint32_t sb_context_series_count (const sb_context_t *self)
{
    return self->series_count;
}

uint64_t sb_context_row_count (const sb_context_t *self)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < self->series_count; i++)
        count += self->series[i]->row_count;
    return count;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads one row. Numbers of up to 19 digits without exponent, nearly all of them, are read as an
 * integer divided by a power of ten, which rounds once and so is exact (Clinger's fast path);
 * others go to strtod.
 */
#include "sb_row.h"
#include "sb_names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

uint64_t sb_octets_hash (const void *data, size_t size)
{
    const unsigned char *octets = data;
    uint64_t hash = UINT64_C (14695981039346656037);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ octets[i]) * UINT64_C (1099511628211);
    return hash ? hash : 1;
}

static sb_rejection_t s_slow_number (sb_text_t text, double *number)
{
    const char *word = text.data + (*text.data == '-' || *text.data == '+');
    if (strcasecmp (word, "nan") == 0 || strcasecmp (word, "inf") == 0 || strcasecmp (word, "infinity") == 0)
        return SB_REJECTION_NOT_FINITE;
    if (strspn (text.data, "0123456789+-.eE") != text.size)
        return SB_REJECTION_BAD_NUMBER;
    char *end;
    *number = strtod (text.data, &end);
    if (end != text.data + text.size)
        return SB_REJECTION_BAD_NUMBER;
    return isfinite (*number) ? SB_REJECTION_NONE : SB_REJECTION_NOT_FINITE;
}

sb_rejection_t sb_number_read (sb_text_t text, double *number)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    if (text.size == 0)
        return SB_REJECTION_BAD_NUMBER;
    uint32_t i = text.data[0] == '-', digits = 0, fraction = 0;
    bool is_negative = i == 1, has_point = false;
    uint64_t mantissa = 0;
    for (; i < text.size && digits < 19; i++) {
        if (text.data[i] == '.' && !has_point) {
            has_point = true;
        } else if (text.data[i] >= '0' && text.data[i] <= '9') {
            mantissa = mantissa * 10 + (uint64_t)(text.data[i] - '0');
            digits++;
            fraction += has_point;
        } else {
            return s_slow_number (text, number);
        }
    }
    if (i < text.size || digits == 0 || fraction > 18 || mantissa > (UINT64_C (1) << 53))
        return s_slow_number (text, number);
    *number = (double)mantissa / powers[fraction];
    if (is_negative)
        *number = -*number;
    return SB_REJECTION_NONE;
}

/* ------------------------------------------------------------------ cells by role */

static sb_text_t s_cell (const sb_layout_t *layout, const sb_cells_t *cells, sb_role_t role)
{
    int column = layout->roles[role];
    return column < 0 ? (sb_text_t){"", 0} : cells->cells[column];
}

static bool s_bit (uint64_t set, int column)
{
    return (set >> column & 1) != 0;
}

/* Puts the members of a JSON row into the layout's order; what is absent is empty. */
static sb_rejection_t s_order_members (const sb_layout_t *layout, sb_cells_t *cells)
{
    sb_text_t ordered[SB_COLUMNS_MAX];
    uint64_t found = 0;
    for (uint32_t i = 0; i < layout->column_count; i++)
        ordered[i] = (sb_text_t){"", 0};
    for (uint32_t i = 0; i < cells->count; i++) {
        int column = i < layout->column_count && sb_text_equal (cells->names[i], sb_text (layout->columns[i]))
                         ? (int)i
                         : sb_layout_column (layout, cells->names[i]);
        if (column < 0)
            continue;
        ordered[column] = cells->cells[i];
        found |= UINT64_C (1) << column;
    }
    uint64_t all = layout->column_count == 64 ? UINT64_MAX : (UINT64_C (1) << layout->column_count) - 1;
    if (all & ~found & ~layout->optional)
        return SB_REJECTION_MISSING_COLUMN;
    memcpy (cells->cells, ordered, layout->column_count * sizeof ordered[0]);
    cells->count = layout->column_count;
    return SB_REJECTION_NONE;
}

static sb_rejection_t s_cut (const sb_layout_t *layout, bool is_json, char *line, size_t size, sb_cells_t *cells)
{
    if (!sb_text_is_utf8 ((sb_text_t){line, (uint32_t)size}))
        return SB_REJECTION_BAD_TEXT;
    if (is_json)
        return sb_cells_from_json (cells, line, size) ? s_order_members (layout, cells) : SB_REJECTION_BAD_ROW;
    if (!sb_cells_from_csv (cells, line, size, layout->separator))
        return SB_REJECTION_BAD_ROW;
    if (cells->count != layout->column_count)
        return cells->count < layout->column_count ? SB_REJECTION_MISSING_COLUMN : SB_REJECTION_EXTRA_COLUMN;
    return SB_REJECTION_NONE;
}

/* Appends a name to the subject; octets that a subject may not have become '-'. */
static bool s_append (sb_row_t *row, sb_text_t name)
{
    if (row->subject_size + name.size > SB_ID_MAX)
        return false;
    for (uint32_t i = 0; i < name.size; i++) {
        char octet = name.data[i];
        bool is_fine = (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') ||
                       (octet >= 'a' && octet <= 'z') || octet == '_' || octet == ':' || octet == '/' || octet == '-';
        row->subject[row->subject_size++] = is_fine ? octet : '-';
    }
    row->subject[row->subject_size] = 0;
    return true;
}

static sb_rejection_t s_subject (const sb_layout_t *layout, const sb_cells_t *cells, sb_row_t *row)
{
    sb_text_t market = *layout->market ? sb_text (layout->market) : s_cell (layout, cells, SB_ROLE_MARKET);
    sb_text_t symbol = *layout->symbol ? sb_text (layout->symbol) : s_cell (layout, cells, SB_ROLE_SYMBOL);
    if (market.size == 0 || symbol.size == 0)
        return SB_REJECTION_MISSING_VALUE;
    row->subject_size = 0;
    if (!s_append (row, market) || !s_append (row, sb_text (":")))
        return SB_REJECTION_BAD_SYMBOL;
    row->symbol_offset = row->subject_size;
    return s_append (row, symbol) ? SB_REJECTION_NONE : SB_REJECTION_BAD_SYMBOL;
}

static sb_rejection_t s_time (const sb_layout_t *layout, const sb_cells_t *cells, sb_row_t *row)
{
    row->time_ns = layout->fixed_time_ns;
    if (layout->roles[SB_ROLE_TIME] >= 0) {
        sb_text_t cell = s_cell (layout, cells, SB_ROLE_TIME);
        if (cell.size == 0)
            return SB_REJECTION_MISSING_VALUE;
        if (!sb_time_parse (cell, layout->time_format, layout->time_zone, &row->time_ns))
            return SB_REJECTION_BAD_TIME;
    }
    int64_t later_ns = layout->lag_ns + (layout->bar_stamp_is_end ? 0 : layout->bar_length_ns);
    if (__builtin_add_overflow (row->time_ns, later_ns, &row->time_ns))
        return SB_REJECTION_BAD_TIME;
    return SB_REJECTION_NONE;
}

/* Reads the number of a role. *is_given is false when the cell is empty or a zero that stands for missing. */
static sb_rejection_t s_number (const sb_layout_t *layout, const sb_cells_t *cells, sb_role_t role, double *number,
                                bool *is_given)
{
    int column = layout->roles[role];
    *number = 0;
    *is_given = false;
    if (column < 0 || cells->cells[column].size == 0)
        return SB_REJECTION_NONE;
    sb_rejection_t rejection = sb_number_read (cells->cells[column], number);
    *is_given = rejection == SB_REJECTION_NONE && !(*number == 0 && s_bit (layout->zero_is_missing, column));
    return rejection;
}

typedef struct {
    double numbers[SB_ROLE_LIMIT];
    bool given[SB_ROLE_LIMIT];
} numbers_t;

static sb_rejection_t s_numbers (const sb_layout_t *layout, const sb_cells_t *cells, numbers_t *numbers)
{
    for (int role = SB_ROLE_PRICE; role < SB_ROLE_LIMIT; role++) {
        sb_rejection_t rejection =
            s_number (layout, cells, (sb_role_t)role, &numbers->numbers[role], &numbers->given[role]);
        if (rejection != SB_REJECTION_NONE)
            return rejection;
    }
    double scale = layout->price_divisor;
    if (layout->roles[SB_ROLE_PRICE_SCALE] >= 0) {
        if (!numbers->given[SB_ROLE_PRICE_SCALE])
            return SB_REJECTION_MISSING_VALUE;
        if (!(numbers->numbers[SB_ROLE_PRICE_SCALE] > 0))
            return SB_REJECTION_BAD_NUMBER;
        scale *= numbers->numbers[SB_ROLE_PRICE_SCALE];
    }
    static const sb_role_t prices[] = {SB_ROLE_PRICE, SB_ROLE_OPEN, SB_ROLE_HIGH,
                                       SB_ROLE_LOW,   SB_ROLE_BID,  SB_ROLE_ASK};
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++)
        numbers->numbers[prices[i]] /= scale;
    return SB_REJECTION_NONE;
}

/* ------------------------------------------------------------------ what the kind asks for */

/* A required number: its cell is filled, unless the layout says that it may be empty. */
static bool s_is_absent (const sb_layout_t *layout, const numbers_t *numbers, sb_role_t role)
{
    int column = layout->roles[role];
    return column >= 0 && !numbers->given[role] && !s_bit (layout->optional, column);
}

static sb_rejection_t s_price (const sb_layout_t *layout, double price, sb_row_t *row)
{
    if (price > 0)
        return SB_REJECTION_NONE;
    row->is_non_positive = true;
    return layout->allow_non_positive ? SB_REJECTION_NONE : SB_REJECTION_PRICE_NOT_POSITIVE;
}

static sb_rejection_t s_trade (const sb_layout_t *layout, const numbers_t *numbers, sb_row_t *row)
{
    static const sb_role_t needed[] = {SB_ROLE_PRICE, SB_ROLE_SIZE, SB_ROLE_OPEN, SB_ROLE_HIGH, SB_ROLE_LOW};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (s_is_absent (layout, numbers, needed[i]))
            return SB_REJECTION_MISSING_VALUE;
    if (!numbers->given[SB_ROLE_PRICE])
        return SB_REJECTION_NONE;
    row->has_trade = layout->kind != SB_LAYOUT_SERIES;
    row->price = numbers->numbers[SB_ROLE_PRICE];
    row->size = numbers->numbers[SB_ROLE_SIZE];
    row->open = numbers->numbers[SB_ROLE_OPEN];
    row->high = numbers->numbers[SB_ROLE_HIGH];
    row->low = numbers->numbers[SB_ROLE_LOW];
    sb_rejection_t rejection = s_price (layout, row->price, row);
    if (rejection != SB_REJECTION_NONE)
        return rejection;
    if (row->size < 0)
        return SB_REJECTION_NEGATIVE_SIZE;
    if (numbers->given[SB_ROLE_OPEN] && numbers->given[SB_ROLE_HIGH] && numbers->given[SB_ROLE_LOW] &&
        (row->open < row->low || row->open > row->high || row->price < row->low || row->price > row->high))
        return SB_REJECTION_BAR_RANGE;
    return SB_REJECTION_NONE;
}

/* One side: given, empty, or price 0 and size 0, which says nothing of that side. */
static sb_rejection_t s_side (const sb_layout_t *layout, const numbers_t *numbers, sb_role_t price_role,
                              sb_role_t size_role, sb_row_t *row, bool *has_side)
{
    double price = numbers->numbers[price_role], size = numbers->numbers[size_role];
    bool is_sided = layout->kind == SB_LAYOUT_SIDED_QUOTE;
    *has_side = numbers->given[price_role] && !(is_sided && price == 0 && size == 0);
    if (!*has_side)
        return SB_REJECTION_NONE;
    sb_rejection_t rejection = s_price (layout, price, row);
    if (rejection != SB_REJECTION_NONE)
        return rejection;
    return size < 0 ? SB_REJECTION_NEGATIVE_SIZE : SB_REJECTION_NONE;
}

static sb_rejection_t s_quote (const sb_layout_t *layout, const numbers_t *numbers, sb_row_t *row)
{
    row->bid = numbers->numbers[SB_ROLE_BID];
    row->bid_size = numbers->numbers[SB_ROLE_BID_SIZE];
    row->ask = numbers->numbers[SB_ROLE_ASK];
    row->ask_size = numbers->numbers[SB_ROLE_ASK_SIZE];
    static const sb_role_t needed[] = {SB_ROLE_BID, SB_ROLE_BID_SIZE, SB_ROLE_ASK, SB_ROLE_ASK_SIZE};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (s_is_absent (layout, numbers, needed[i]))
            return SB_REJECTION_MISSING_VALUE;
    sb_rejection_t rejection = s_side (layout, numbers, SB_ROLE_BID, SB_ROLE_BID_SIZE, row, &row->has_bid);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_side (layout, numbers, SB_ROLE_ASK, SB_ROLE_ASK_SIZE, row, &row->has_ask);
    return rejection;
}

static sb_rejection_t s_market_part (const sb_layout_t *layout, const sb_cells_t *cells, const numbers_t *numbers,
                                     sb_row_t *row)
{
    sb_text_t flag = s_cell (layout, cells, SB_ROLE_SUSPICIOUS);
    row->is_suspicious = flag.size > 0 && strcmp (flag.data, "0") != 0 && strcasecmp (flag.data, "false") != 0;
    row->venue = s_cell (layout, cells, SB_ROLE_VENUE);
    sb_text_t trade_id = s_cell (layout, cells, SB_ROLE_TRADE_ID);
    row->trade_id_hash = trade_id.size ? sb_octets_hash (trade_id.data, trade_id.size) : 0;
    sb_rejection_t rejection = s_trade (layout, numbers, row);
    if (rejection == SB_REJECTION_NONE && layout->roles[SB_ROLE_BID] >= 0)
        rejection = s_quote (layout, numbers, row);
    if (rejection == SB_REJECTION_NONE && layout->kind == SB_LAYOUT_MIXED && !row->has_trade && !row->has_bid &&
        !row->has_ask)
        return SB_REJECTION_MISSING_VALUE;
    return rejection;
}

/* ------------------------------------------------------------------ fields */

static sb_rejection_t s_integer_value (sb_text_t cell, sb_value_t *value)
{
    char *end;
    long long integer = strtoll (cell.data, &end, 10);
    if (end != cell.data + cell.size || cell.data[0] == ' ' || cell.size > 18)
        return SB_REJECTION_BAD_NUMBER;
    *value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = integer};
    return SB_REJECTION_NONE;
}

static sb_rejection_t s_boolean_value (sb_text_t cell, sb_value_t *value)
{
    bool is_true = strcasecmp (cell.data, "true") == 0 || strcmp (cell.data, "1") == 0;
    if (!is_true && strcasecmp (cell.data, "false") != 0 && strcmp (cell.data, "0") != 0)
        return SB_REJECTION_BAD_NUMBER;
    *value = (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = is_true};
    return SB_REJECTION_NONE;
}

static sb_rejection_t s_field_value (sb_field_kind_t kind, sb_text_t cell, bool zero_is_missing, sb_value_t *value)
{
    *value = (sb_value_t){.kind = SB_VALUE_NONE};
    if (cell.size == 0)
        return SB_REJECTION_NONE;
    if (kind == SB_FIELD_INTEGER)
        return s_integer_value (cell, value);
    if (kind == SB_FIELD_BOOLEAN)
        return s_boolean_value (cell, value);
    if (kind == SB_FIELD_TEXT) {
        *value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = cell};
        return SB_REJECTION_NONE;
    }
    double number;
    sb_rejection_t rejection = sb_number_read (cell, &number);
    if (rejection == SB_REJECTION_NONE && !(number == 0 && zero_is_missing))
        *value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = number};
    return rejection;
}

static sb_rejection_t s_fields (const sb_layout_t *layout, const sb_cells_t *cells, sb_row_t *row)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const sb_layout_field_t *field = &layout->fields[i];
        bool zero_is_missing = s_bit (layout->zero_is_missing, field->column);
        sb_rejection_t rejection =
            s_field_value (field->kind, cells->cells[field->column], zero_is_missing, &row->values[i]);
        if (rejection != SB_REJECTION_NONE)
            return rejection;
        bool is_missing = row->values[i].kind == SB_VALUE_NONE;
        if (is_missing && !zero_is_missing && !s_bit (layout->optional, field->column))
            return SB_REJECTION_MISSING_VALUE;
        row->values_missing += is_missing;
        present += !is_missing;
    }
    bool is_empty = layout->kind == SB_LAYOUT_SERIES && present == 0;
    return is_empty ? SB_REJECTION_MISSING_VALUE : SB_REJECTION_NONE;
}

sb_rejection_t sb_row_read (const sb_layout_t *layout, bool is_json, char *line, size_t size, sb_cells_t *cells,
                            sb_row_t *row)
{
    memset (row, 0, offsetof (sb_row_t, values));
    row->values_missing = 0;
    row->is_non_positive = false;
    row->hash = sb_octets_hash (line, size);
    numbers_t numbers;
    sb_rejection_t rejection = s_cut (layout, is_json, line, size, cells);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_subject (layout, cells, row);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_time (layout, cells, row);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_numbers (layout, cells, &numbers);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_market_part (layout, cells, &numbers, row);
    if (rejection == SB_REJECTION_NONE)
        rejection = s_fields (layout, cells, row);
    return rejection;
}

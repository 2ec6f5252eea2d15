/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads layouts. Each key is a row: name, how to read the value, where it goes. Columns must be named
 * before roles and fields refer to them, so one pass is enough and each complaint has its line.
 */
#include "sb_layout.h"
#include "sb_names.h"
#include "sb_zpl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sb_layout_t *layout;
    char *error;
    size_t error_size;
    uint32_t number; /* of the line */
} reading_t;

static bool s_fail (reading_t *reading, const char *what, const char *value)
{
    snprintf (reading->error, reading->error_size, "line %u: %s: %s", reading->number, what, value);
    return false;
}

/* ------------------------------------------------------------------ values */

static const char *s_read_text (void *target, const char *value)
{
    if (strlen (value) >= SB_LAYOUT_TEXT_MAX)
        return "longer than 127 octets";
    strcpy (target, value);
    return NULL;
}

static const char *s_read_id (void *target, const char *value)
{
    if (!*value || !sb_name_is_subject (sb_text (value)))
        return "not 1 to 64 of A-Z a-z 0-9 _ : / -";
    strcpy (target, value);
    return NULL;
}

static const char *s_read_boolean (void *target, const char *value)
{
    bool is_yes = strcmp (value, "yes") == 0;
    if (!is_yes && strcmp (value, "no") != 0)
        return "neither yes nor no";
    *(bool *)target = is_yes;
    return NULL;
}

static const char *s_read_number (void *target, const char *value)
{
    char *end;
    double number = strtod (value, &end);
    if (end == value || *end || !(number >= 0 && number < 1e18))
        return "not a number from 0 up";
    *(double *)target = number;
    return NULL;
}

static const char *s_read_percent (void *target, const char *value)
{
    const char *wrong = s_read_number (target, value);
    *(double *)target /= 100;
    return wrong;
}

static const char *s_read_count (void *target, const char *value)
{
    char *end;
    unsigned long number = strtoul (value, &end, 10);
    if (end == value || *end || *value == '-' || number > 100000)
        return "not a whole number from 0 to 100000";
    *(uint32_t *)target = (uint32_t)number;
    return NULL;
}

static const char *s_read_duration (void *target, const char *value)
{
    return sb_duration_parse (sb_text (value), target) ? NULL : "no duration, like 90s, 15m, 16h30m or 32d";
}

static const char *s_read_zone (void *target, const char *value)
{
    return sb_zone_parse (sb_text (value), target) ? NULL
                                                   : "no known zone: UTC, +HH:MM, America/New_York, Europe/London …";
}

static const char *s_read_time_format (void *target, const char *value)
{
    return sb_time_format_parse (sb_text (value), target) ? NULL : "none of unix_s unix_ms unix_us unix_ns date";
}

static const char *s_read_fixed_time (void *target, const char *value)
{
    sb_zone_t utc = {0, SB_SUMMER_NONE};
    return sb_time_parse (sb_text (value), SB_TIME_FORMAT_DATE, utc, target) ? NULL : "no date";
}

static const char *s_read_order (void *target, const char *value)
{
    bool is_descending = strcmp (value, "descending") == 0;
    if (!is_descending && strcmp (value, "ascending") != 0)
        return "neither ascending nor descending";
    *(sb_layout_order_t *)target = is_descending ? SB_ORDER_DESCENDING : SB_ORDER_ASCENDING;
    return NULL;
}

static const char *s_read_separator (void *target, const char *value)
{
    bool is_tab = strcmp (value, "tab") == 0;
    if (!is_tab && (strlen (value) != 1 || !strchr (sb_layout_separators (), *value)))
        return "none of , ; | tab";
    *(char *)target = is_tab ? '\t' : *value;
    return NULL;
}

static const char *s_read_stamp (void *target, const char *value)
{
    bool is_end = strcmp (value, "end") == 0;
    if (!is_end && strcmp (value, "start") != 0)
        return "neither start nor end";
    *(bool *)target = is_end;
    return NULL;
}

static const char *s_read_kind (void *target, const char *value)
{
    static const char *const names[] = {
#define SB_LAYOUT_KIND_NAME(name, text, help) [SB_LAYOUT_##name] = text,
        SB_LAYOUT_KIND_TABLE (SB_LAYOUT_KIND_NAME)
#undef SB_LAYOUT_KIND_NAME
    };
    for (int i = 0; i < SB_LAYOUT_KIND_LIMIT; i++)
        if (strcmp (names[i], value) == 0) {
            *(sb_layout_kind_t *)target = (sb_layout_kind_t)i;
            return NULL;
        }
#define SB_LAYOUT_KIND_WORD(name, text, help) " " text
    return "none of" SB_LAYOUT_KIND_TABLE (SB_LAYOUT_KIND_WORD);
#undef SB_LAYOUT_KIND_WORD
}

static const struct {
    const char *name;
    const char *(*read) (void *target, const char *value);
    size_t offset;
} s_keys[] = {
    {"description", s_read_text, offsetof (sb_layout_t, description)},
    {"files", s_read_text, offsetof (sb_layout_t, files)},
    {"kind", s_read_kind, offsetof (sb_layout_t, kind)},
    {"header", s_read_boolean, offsetof (sb_layout_t, has_header)},
    {"separator", s_read_separator, offsetof (sb_layout_t, separator)},
    {"order", s_read_order, offsetof (sb_layout_t, order)},
    {"allow_non_positive", s_read_boolean, offsetof (sb_layout_t, allow_non_positive)},
    {"allow_crossed", s_read_boolean, offsetof (sb_layout_t, allow_crossed)},
    {"time_format", s_read_time_format, offsetof (sb_layout_t, time_format)},
    {"time_zone", s_read_zone, offsetof (sb_layout_t, time_zone)},
    {"session_zone", s_read_zone, offsetof (sb_layout_t, session_zone)},
    {"fixed_time", s_read_fixed_time, offsetof (sb_layout_t, fixed_time_ns)},
    {"bar_length", s_read_duration, offsetof (sb_layout_t, bar_length_ns)},
    {"bar_stamp", s_read_stamp, offsetof (sb_layout_t, bar_stamp_is_end)},
    {"lag", s_read_duration, offsetof (sb_layout_t, lag_ns)},
    {"max_age", s_read_duration, offsetof (sb_layout_t, max_age_ns)},
    {"quote_stale", s_read_duration, offsetof (sb_layout_t, quote_stale_ns)},
    {"book_reset", s_read_duration, offsetof (sb_layout_t, book_reset_ns)},
    {"market", s_read_id, offsetof (sb_layout_t, market)},
    {"symbol", s_read_id, offsetof (sb_layout_t, symbol)},
    {"symbol_from_file", s_read_text, offsetof (sb_layout_t, symbol_from_file)},
    {"symbol_keys_context", s_read_boolean, offsetof (sb_layout_t, symbol_keys_context)},
    {"price_divisor", s_read_number, offsetof (sb_layout_t, price_divisor)},
    {"jump_percent", s_read_percent, offsetof (sb_layout_t, jump_ratio)},
    {"jump_confirmations", s_read_count, offsetof (sb_layout_t, jump_confirmations)},
    {"sma", s_read_count, offsetof (sb_layout_t, periods.sma)},
    {"ema", s_read_count, offsetof (sb_layout_t, periods.ema)},
    {"rsi", s_read_count, offsetof (sb_layout_t, periods.rsi)},
    {"volatility", s_read_count, offsetof (sb_layout_t, periods.volatility)},
    {"vwap", s_read_boolean, offsetof (sb_layout_t, periods.vwap)},
};

const char *sb_layout_key (uint32_t place)
{
    return place < sizeof s_keys / sizeof s_keys[0] ? s_keys[place].name : NULL;
}

const char *sb_layout_separators (void)
{
    return ",;|\t";
}

/* ------------------------------------------------------------------ columns, roles, fields */

int sb_layout_column (const sb_layout_t *self, sb_text_t name)
{
    for (uint32_t i = 0; i < self->column_count; i++)
        if (strlen (self->columns[i]) == name.size && memcmp (self->columns[i], name.data, name.size) == 0)
            return (int)i;
    return -1;
}

/* Takes the next of a list "a, b, c" off *list. Empty at the end. */
static sb_text_t s_next_item (const char **list)
{
    const char *start = *list + strspn (*list, " ,");
    size_t size = strcspn (start, ",");
    *list = start + size;
    while (size > 0 && start[size - 1] == ' ')
        size--;
    return (sb_text_t){start, (uint32_t)size};
}

static bool s_read_columns (reading_t *reading, const char *value)
{
    sb_layout_t *layout = reading->layout;
    for (sb_text_t item = s_next_item (&value); item.size; item = s_next_item (&value)) {
        if (layout->column_count == SB_COLUMNS_MAX || item.size >= sizeof layout->columns[0])
            return s_fail (reading, "more than 64 columns, or a name longer than 47 octets, at", item.data);
        if (sb_layout_column (layout, item) >= 0)
            return s_fail (reading, "a column stands there twice, from", item.data);
        memcpy (layout->columns[layout->column_count], item.data, item.size);
        layout->columns[layout->column_count++][item.size] = 0;
    }
    return true;
}

static bool s_read_column_set (reading_t *reading, const char *value, uint64_t *set)
{
    for (sb_text_t item = s_next_item (&value); item.size; item = s_next_item (&value)) {
        int column = sb_layout_column (reading->layout, item);
        if (column < 0)
            return s_fail (reading, "no such column (name them by `columns` first)", item.data);
        *set |= UINT64_C (1) << column;
    }
    return true;
}

static bool s_read_role (reading_t *reading, const char *name, int column)
{
    static const char *const names[] = {
#define SB_ROLE_NAME(role, text, number, help) [SB_ROLE_##role] = text,
        SB_ROLE_TABLE (SB_ROLE_NAME)
#undef SB_ROLE_NAME
    };
    for (int i = 0; i < SB_ROLE_LIMIT; i++)
        if (strcmp (names[i], name) == 0) {
            reading->layout->roles[i] = (int8_t)column;
            return true;
        }
#define SB_ROLE_WORD(role, text, number, help) " " text
    return s_fail (reading, "none of the roles" SB_ROLE_TABLE (SB_ROLE_WORD), name);
#undef SB_ROLE_WORD
}

static bool s_read_field (reading_t *reading, sb_field_kind_t kind, const char *name, int column)
{
    sb_layout_t *layout = reading->layout;
    char probe[SB_FIELD_NAME_MAX + 1];
    if (strlen (name) > SB_FIELD_NAME_MAX - SB_ID_MAX || layout->field_count == SB_FIELDS_MAX)
        return s_fail (reading, "more than 48 fields, or a name longer than 64 octets", name);
    strcpy (probe, name);
    for (char *mark = probe; (mark = strchr (mark, '%'));)
        *mark = 'x';
    if (!sb_name_is_field (sb_text (probe)))
        return s_fail (reading, "not a field name", name);
    sb_layout_field_t *field = &layout->fields[layout->field_count++];
    strcpy (field->name, name);
    field->kind = kind;
    field->column = (uint8_t)column;
    return true;
}

static bool s_read_reference (reading_t *reading, const sb_zpl_line_t *line)
{
    static const char *const sections[] = {"numbers", "integers", "texts", "booleans"};
    int column = sb_layout_column (reading->layout, sb_text (line->value));
    if (column < 0)
        return s_fail (reading, "no such column (name them by `columns` first)", line->value);
    if (strcmp (line->section, "roles") == 0)
        return s_read_role (reading, line->name, column);
    for (int i = 0; i < 4; i++)
        if (strcmp (sections[i], line->section) == 0)
            return s_read_field (reading, (sb_field_kind_t)i, line->name, column);
    return s_fail (reading, "none of the sections roles numbers integers texts booleans", line->section);
}

static bool s_visit (const sb_zpl_line_t *line, void *context)
{
    reading_t *reading = context;
    sb_layout_t *layout = reading->layout;
    reading->number = line->number;
    if (*line->section)
        return s_read_reference (reading, line);
    if (strcmp (line->name, "columns") == 0)
        return s_read_columns (reading, line->value);
    if (strcmp (line->name, "optional") == 0)
        return s_read_column_set (reading, line->value, &layout->optional);
    if (strcmp (line->name, "zero_is_missing") == 0)
        return s_read_column_set (reading, line->value, &layout->zero_is_missing);
    for (size_t i = 0; i < sizeof s_keys / sizeof s_keys[0]; i++)
        if (strcmp (s_keys[i].name, line->name) == 0) {
            const char *wrong = s_keys[i].read ((char *)layout + s_keys[i].offset, line->value);
            return !wrong || s_fail (reading, wrong, line->value);
        }
    return s_fail (reading, "no such key (README.md in the folder of the layouts explains all)", line->name);
}

/* ------------------------------------------------------------------ the whole */

/* What is wrong with a layout as a whole; NULL: nothing. */
static const char *s_incomplete (const sb_layout_t *self)
{
    const int8_t *roles = self->roles;
    bool has_quote = roles[SB_ROLE_BID] >= 0 && roles[SB_ROLE_ASK] >= 0;
    bool needs_quote = self->kind == SB_LAYOUT_QUOTE || self->kind == SB_LAYOUT_SIDED_QUOTE ||
                       self->kind == SB_LAYOUT_QUOTE_BAR || self->kind == SB_LAYOUT_MIXED;
    bool needs_price =
        self->kind == SB_LAYOUT_TRADE || self->kind == SB_LAYOUT_TRADE_BAR || self->kind == SB_LAYOUT_MIXED;
    if (self->column_count == 0)
        return "`columns` is missing";
    if (roles[SB_ROLE_TIME] < 0 && self->fixed_time_ns == 0)
        return "roles/time (or fixed_time) is missing";
    if (needs_price && roles[SB_ROLE_PRICE] < 0)
        return "roles/price is missing";
    if (needs_quote && !has_quote)
        return "roles/bid or roles/ask is missing";
    if (self->kind == SB_LAYOUT_SIDED_QUOTE && roles[SB_ROLE_VENUE] < 0)
        return "roles/venue is missing";
    bool is_bar = self->kind == SB_LAYOUT_TRADE_BAR || self->kind == SB_LAYOUT_QUOTE_BAR;
    if (is_bar && self->bar_length_ns == 0 && !self->bar_stamp_is_end)
        return "bar_length is missing (or bar_stamp = end): a bar is known at its end";
    if (self->kind == SB_LAYOUT_SERIES && self->field_count == 0)
        return "a series needs fields: section numbers, integers, texts or booleans";
    if (roles[SB_ROLE_MARKET] < 0 && !*self->market)
        return "market (or roles/market) is missing";
    if (roles[SB_ROLE_SYMBOL] < 0 && !*self->symbol && !*self->symbol_from_file)
        return "symbol (or roles/symbol, or symbol_from_file) is missing";
    if (!(self->price_divisor > 0))
        return "price_divisor must be above 0";
    return NULL;
}

bool sb_layout_parse (sb_layout_t *self, const char *name, sb_text_t text, char *error, size_t error_size)
{
    memset (self, 0, sizeof *self);
    snprintf (self->name, sizeof self->name, "%s", name);
    memset (self->roles, -1, sizeof self->roles);
    self->has_header = true;
    self->separator = *sb_layout_separators ();
    self->price_divisor = 1;
    self->jump_confirmations = 3;
    self->quote_stale_ns = SB_SECOND_NS;
    self->periods = (sb_indicator_periods_t){.sma = 20, .ema = 20, .rsi = 14, .volatility = 60, .vwap = true};
    reading_t reading = {self, error, error_size, 0};
    if (!sb_zpl_read (text, s_visit, &reading, error, error_size))
        return false;
    const char *wrong = s_incomplete (self);
    if (wrong)
        snprintf (error, error_size, "%s", wrong);
    return !wrong;
}

bool sb_pattern_matches (const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* Finds what stands at % in `pattern`: letters and digits only, what follows must fit the rest. */
static bool s_symbol_in_name (const char *pattern, const char *base_name, char *symbol)
{
    const char *mark = strchr (pattern, '%');
    size_t before = mark ? (size_t)(mark - pattern) : 0;
    if (!mark || strncmp (pattern, base_name, before) != 0)
        return false;
    size_t size = 0;
    for (const char *at = base_name + before; isalnum ((unsigned char)at[size]) && size < SB_ID_MAX; size++)
        ;
    if (size == 0 || !sb_pattern_matches (mark + 1, base_name + before + size))
        return false;
    memcpy (symbol, base_name + before, size);
    symbol[size] = 0;
    return true;
}

bool sb_layout_bind (sb_layout_t *self, const char *base_name, char *error, size_t error_size)
{
    if (*self->symbol_from_file && !*self->symbol && self->roles[SB_ROLE_SYMBOL] < 0 &&
        !s_symbol_in_name (self->symbol_from_file, base_name, self->symbol)) {
        snprintf (error, error_size,
                  "layout %s takes the symbol from a file name like %s, which %s is not: name the input with --as",
                  self->name, self->symbol_from_file, base_name);
        return false;
    }
    for (uint32_t i = 0; i < self->field_count; i++) {
        char *mark = strchr (self->fields[i].name, '%');
        if (!mark)
            continue;
        char rest[SB_FIELD_NAME_MAX + 1];
        strcpy (rest, mark + 1);
        int room = (int)(sizeof self->fields[i].name - (size_t)(mark - self->fields[i].name));
        snprintf (mark, (size_t)room, "%.64s%.63s", self->symbol, rest);
        for (char *at = mark; *at; at++)
            *at = (char)tolower ((unsigned char)*at);
    }
    return true;
}

bool sb_layout_matches_header (const sb_layout_t *self, const sb_cells_t *header)
{
    if (!self->has_header || header->count != self->column_count)
        return false;
    for (uint32_t i = 0; i < header->count; i++)
        if (!sb_text_equal (header->cells[i], sb_text (self->columns[i])))
            return false;
    return true;
}

bool sb_layout_matches_members (const sb_layout_t *self, const sb_cells_t *row)
{
    for (uint32_t i = 0; i < self->column_count; i++) {
        bool is_found = (self->optional >> i & 1) != 0;
        for (uint32_t k = 0; k < row->count && !is_found; k++)
            is_found = sb_text_equal (row->names[k], sb_text (self->columns[i]));
        if (!is_found)
            return false;
    }
    return true;
}

bool sb_layout_matches_file (const sb_layout_t *self, const char *base_name)
{
    return !*self->files || sb_pattern_matches (self->files, base_name);
}

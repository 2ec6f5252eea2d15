/* SPDX-License-Identifier: MPL-2.0
 *
 * A recursive-descent reader for one known shape. A general tree (json-c) would be built only to be
 * walked once, and loses the difference between 3 and 3.0.
 */
#include "sb_json_reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sb_literal.h"
#include "sb_names.h"

typedef struct {
    const char *cursor;
    sb_arena_t *arena;
    const char *problem; /* NULL: none so far */
} reader_t;

static bool s_fail (reader_t *self, const char *problem)
{
    if (!self->problem)
        self->problem = problem;
    return false;
}

static void s_skip_blanks (reader_t *self)
{
    while (*self->cursor && strchr (" \t\r\n", *self->cursor))
        self->cursor++;
}

/* Steps over `octet` when it is next. */
static bool s_accept (reader_t *self, char octet)
{
    s_skip_blanks (self);
    if (*self->cursor != octet)
        return false;
    self->cursor++;
    return true;
}

static bool s_accept_word (reader_t *self, const char *word)
{
    size_t size = strlen (word);
    if (strncmp (self->cursor, word, size) != 0)
        return false;
    self->cursor += size;
    return true;
}

static bool s_hexadecimal (reader_t *self, uint32_t *number)
{
    *number = 0;
    for (int i = 0; i < 4; i++, self->cursor++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *place = *self->cursor ? strchr (digits, *self->cursor) : NULL;
        if (!place)
            return s_fail (self, "four hexadecimal digits must follow \\u");
        uint32_t digit = (uint32_t)(place - digits);
        *number = *number * 16 + (digit > 15 ? digit - 6 : digit);
    }
    return true;
}

/* Writes a code point as UTF-8; returns the octets. */
static uint32_t s_put_utf8 (uint32_t point, char *data)
{
    if (point < 0x80) {
        data[0] = (char)point;
        return 1;
    }
    uint32_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (uint32_t i = size - 1; i > 0; i--, point >>= 6)
        data[i] = (char)(0x80 | (point & 0x3f));
    data[0] = (char)(leads[size] | point);
    return size;
}

/* The part of an escape after \u, with the second half of a surrogate pair. */
static bool s_unicode_escape (reader_t *self, char *data, uint32_t *size)
{
    uint32_t point;
    if (!s_hexadecimal (self, &point))
        return false;
    if (point >= 0xd800 && point < 0xdc00) {
        uint32_t low;
        if (!s_accept_word (self, "\\u") || !s_hexadecimal (self, &low) || low < 0xdc00 || low > 0xdfff)
            return s_fail (self, "half a surrogate pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    } else if (point >= 0xdc00 && point <= 0xdfff)
        return s_fail (self, "half a surrogate pair");
    *size += s_put_utf8 (point, data + *size);
    return point != 0 || s_fail (self, "a text must not contain NUL");
}

static bool s_string (reader_t *self, sb_text_t *text)
{
    if (!s_accept (self, '"'))
        return s_fail (self, "a text in quotes must stand here");
    /* Unescaping never makes a text longer. */
    char *data = sb_arena_take (self->arena, strlen (self->cursor) + 1);
    uint32_t size = 0;
    if (!data)
        return s_fail (self, "the line is too long");
    while (*self->cursor != '"') {
        static const char escapes[] = "\"\\/bfnrt";
        static const char plain[] = "\"\\/\b\f\n\r\t";
        if ((unsigned char)*self->cursor < 0x20)
            return s_fail (self, *self->cursor ? "a control character must be escaped" : "the text has no end");
        if (*self->cursor != '\\') {
            data[size++] = *self->cursor++;
            continue;
        }
        self->cursor++;
        if (s_accept_word (self, "u")) {
            if (!s_unicode_escape (self, data, &size))
                return false;
            continue;
        }
        const char *place = *self->cursor ? strchr (escapes, *self->cursor) : NULL;
        if (!place)
            return s_fail (self, "no such escape");
        data[size++] = plain[place - escapes];
        self->cursor++;
    }
    self->cursor++;
    data[size] = 0;
    *text = (sb_text_t){data, size};
    return sb_text_is_utf8 (*text) || s_fail (self, "the text is not UTF-8");
}

/* Steps over a number as JSON writes it; *is_integer: without point and exponent. */
static bool s_scan_number (reader_t *self, bool *is_integer)
{
    static const char digits[] = "0123456789";
    const char *cursor = self->cursor;
    *is_integer = true;
    cursor += *cursor == '-';
    size_t whole = strspn (cursor, digits);
    if (whole == 0 || (whole > 1 && *cursor == '0'))
        return s_fail (self, "a value must stand here");
    cursor += whole;
    if (*cursor == '.') {
        *is_integer = false;
        size_t fraction = strspn (++cursor, digits);
        if (fraction == 0)
            return s_fail (self, "digits must follow the point");
        cursor += fraction;
    }
    if (*cursor == 'e' || *cursor == 'E') {
        *is_integer = false;
        cursor++;
        cursor += *cursor == '+' || *cursor == '-';
        size_t exponent = strspn (cursor, digits);
        if (exponent == 0)
            return s_fail (self, "digits must follow the exponent's e");
        cursor += exponent;
    }
    self->cursor = cursor;
    return true;
}

static bool s_number (reader_t *self, sb_value_t *value)
{
    const char *start = self->cursor;
    bool is_integer;
    if (!s_scan_number (self, &is_integer))
        return false;
    errno = 0;
    if (is_integer) {
        *value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = strtoll (start, NULL, 10)};
        return errno == 0 || s_fail (self, "a whole number beyond 64 bits");
    }
    *value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = strtod (start, NULL)};
    return isfinite (value->number) || s_fail (self, "beyond the range of a number");
}

/* {"decimal": "1.50"} or {"base64": "AAEC"}; the brace is read already. */
static bool s_wrapped (reader_t *self, sb_value_t *value)
{
    sb_text_t kind;
    sb_text_t text;
    if (!s_string (self, &kind))
        return false;
    if (!s_accept (self, ':'))
        return s_fail (self, "a colon must stand here");
    if (!s_string (self, &text))
        return false;
    if (!s_accept (self, '}'))
        return s_fail (self, "} must stand here");
    if (sb_text_equal (kind, sb_text ("decimal"))) {
        const char *problem = sb_literal_decimal (text.data, value);
        return !problem || s_fail (self, "a decimal is digits with at most one point, at most 18 digits in all");
    }
    if (!sb_text_equal (kind, sb_text ("base64")))
        return s_fail (self, "an object as a value is {\"decimal\": \"...\"} or {\"base64\": \"...\"}");
    *value = (sb_value_t){.kind = SB_VALUE_BYTES};
    void *data = sb_arena_take (self->arena, text.size + 1);
    if (!data || !sb_base64_decode (text.data, text.size, data, &value->bytes.size))
        return s_fail (self, "no base64 (with padding)");
    value->bytes.data = data;
    return true;
}

/* A value; null leaves its kind SB_VALUE_NONE. */
static bool s_value (reader_t *self, sb_value_t *value)
{
    *value = (sb_value_t){.kind = SB_VALUE_NONE};
    s_skip_blanks (self);
    if (*self->cursor == '"') {
        value->kind = SB_VALUE_TEXT;
        return s_string (self, &value->text);
    }
    if (s_accept (self, '{'))
        return s_wrapped (self, value);
    if (s_accept_word (self, "null"))
        return true;
    if (s_accept_word (self, "true") || s_accept_word (self, "false")) {
        *value = (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = self->cursor[-2] == 'u'};
        return true;
    }
    return s_number (self, value);
}

/* A time: a whole number, or the same as a text. */
static bool s_time (reader_t *self, int64_t *unix_ns)
{
    sb_value_t value;
    if (!s_value (self, &value))
        return false;
    if (value.kind == SB_VALUE_TEXT && value.text.size) {
        char *end;
        errno = 0;
        *unix_ns = strtoll (value.text.data, &end, 10);
        return (*end == 0 && errno == 0) || s_fail (self, "a time is a whole number of nanoseconds");
    }
    *unix_ns = value.integer;
    return value.kind == SB_VALUE_INTEGER || s_fail (self, "a time is a whole number of nanoseconds");
}

/* A time to live. */
static bool s_time_to_live (reader_t *self, uint32_t *time_to_live_ms)
{
    sb_value_t value;
    if (!s_value (self, &value))
        return false;
    if (value.kind != SB_VALUE_INTEGER || value.integer < 1 || value.integer > UINT32_MAX)
        return s_fail (self, "a time to live is a whole number of milliseconds, 1 to 4294967295");
    *time_to_live_ms = (uint32_t)value.integer;
    return true;
}

/* The object of changes. */
static bool s_changes (reader_t *self, sb_delta_t *delta)
{
    sb_change_t *changes = sb_arena_take (self->arena, SB_CHANGES_MAX * sizeof (*changes));
    uint32_t count = 0;
    if (!changes)
        return s_fail (self, "the line is too long");
    if (!s_accept (self, '{'))
        return s_fail (self, "changes is an object of names and values");
    do {
        if (count == SB_CHANGES_MAX)
            return s_fail (self, "a delta has at most 1024 changes: split it");
        sb_change_t *change = &changes[count++];
        *change = (sb_change_t){.is_delete = false};
        if (!s_string (self, &change->name))
            return false;
        if (!s_accept (self, ':'))
            return s_fail (self, "a colon must stand here");
        if (!s_value (self, &change->value))
            return false;
        change->is_delete = change->value.kind == SB_VALUE_NONE;
    } while (s_accept (self, ','));
    delta->update.changes = changes;
    delta->update.change_count = count;
    return s_accept (self, '}') || s_fail (self, "a comma or } must stand here");
}

static bool s_member (reader_t *self, sb_delta_t *delta)
{
    sb_text_t key;
    if (!s_string (self, &key))
        return false;
    if (!s_accept (self, ':'))
        return s_fail (self, "a colon must stand here");
    if (sb_text_equal (key, sb_text ("category")))
        return s_string (self, &delta->category);
    if (sb_text_equal (key, sb_text ("subject")))
        return s_string (self, &delta->subject);
    if (sb_text_equal (key, sb_text ("event_unix_ns")))
        return s_time (self, &delta->update.event_unix_ns);
    if (sb_text_equal (key, sb_text ("origin_unix_ns")))
        return s_time (self, &delta->update.origin_unix_ns);
    if (sb_text_equal (key, sb_text ("time_to_live_ms")))
        return s_time_to_live (self, &delta->time_to_live_ms);
    if (sb_text_equal (key, sb_text ("changes")))
        return s_changes (self, delta);
    return s_fail (self, "a delta has category, subject, event_unix_ns, origin_unix_ns, time_to_live_ms and changes");
}

const char *sb_json_read_delta (const char *line, sb_arena_t *arena, sb_delta_t *delta, uint32_t *place)
{
    reader_t reader = {.cursor = line, .arena = arena};
    *delta = (sb_delta_t){.fault = SB_REASON_NONE};
    bool done = s_accept (&reader, '{') || s_fail (&reader, "a delta is an object in braces");
    do
        done = done && s_member (&reader, delta);
    while (done && s_accept (&reader, ','));
    if (done && !s_accept (&reader, '}'))
        done = s_fail (&reader, "a comma or } must stand here");
    s_skip_blanks (&reader);
    if (done && *reader.cursor)
        done = s_fail (&reader, "nothing may follow the object");
    if (done && delta->update.change_count == 0)
        s_fail (&reader, "changes is missing");
    *place = (uint32_t)(reader.cursor - line);
    return reader.problem;
}

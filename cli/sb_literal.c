/* SPDX-License-Identifier: MPL-2.0
 *
 * Values as people write them. The form is checked by hand before strtod or strtoll see it: those take
 * hexadecimal, "nan", "infinity" and leading blanks, which nobody means here.
 */
#include "sb_literal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

static const char s_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { EXPONENT_PLAIN_MAX = 18 /* above: written with e, as trailing zeros would hide the size */ };

/* How a literal looks. */
typedef enum { FORM_OTHER, FORM_INTEGER, FORM_NUMBER } form_t;

static bool s_is_digit (char octet)
{
    return octet >= '0' && octet <= '9';
}

/* Steps over digits; returns how many. */
static uint32_t s_digits (const char **cursor)
{
    const char *start = *cursor;
    while (s_is_digit (**cursor))
        (*cursor)++;
    return (uint32_t)(*cursor - start);
}

/* [+-]digits[.digits][e[+-]digits], or .digits */
static form_t s_form (const char *literal)
{
    const char *cursor = literal;
    if (*cursor == '-' || *cursor == '+')
        cursor++;
    uint32_t whole = s_digits (&cursor);
    if (whole && !*cursor)
        return FORM_INTEGER;
    uint32_t fraction = 0;
    if (*cursor == '.') {
        cursor++;
        fraction = s_digits (&cursor);
    }
    if (whole + fraction == 0)
        return FORM_OTHER;
    if (*cursor == 'e' || *cursor == 'E') {
        cursor++;
        if (*cursor == '-' || *cursor == '+')
            cursor++;
        if (s_digits (&cursor) == 0)
            return FORM_OTHER;
    }
    return *cursor ? FORM_OTHER : FORM_NUMBER;
}

static const char *s_integer (const char *literal, bool may_be_negative, sb_value_t *value)
{
    if (s_form (literal) != FORM_INTEGER || (!may_be_negative && *literal == '-'))
        return may_be_negative ? "is no whole number" : "must be a whole number, not negative";
    errno = 0;
    long long integer = strtoll (literal, NULL, 10);
    if (errno == ERANGE)
        return may_be_negative ? "is a whole number beyond 64 bits: write text: before it to send it as text"
                               : "is too large: at most 9223372036854775807";
    *value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = integer};
    return NULL;
}

static const char *s_number (const char *literal, bool may_be_text, sb_value_t *value)
{
    if (s_form (literal) == FORM_OTHER)
        return "must be a number";
    double number = strtod (literal, NULL);
    if (!isfinite (number))
        return may_be_text ? "is beyond the range of a number: write text: before it to send it as text"
                           : "is beyond the range of a number";
    *value = (sb_value_t){.kind = SB_VALUE_NUMBER, .number = number};
    return NULL;
}

static const char *s_text (const char *literal, sb_value_t *value)
{
    *value = (sb_value_t){.kind = SB_VALUE_TEXT, .text = sb_text (literal)};
    return sb_text_is_utf8 (value->text) ? NULL : "is not UTF-8: write it as base64:";
}

static const char *s_boolean (const char *literal, sb_value_t *value)
{
    bool is_true = strcmp (literal, "true") == 0;
    if (!is_true && strcmp (literal, "false") != 0)
        return "must be true or false";
    *value = (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = is_true};
    return NULL;
}

static const char *s_bytes (const char *literal, sb_arena_t *arena, sb_value_t *value)
{
    size_t size = strlen (literal);
    void *data = sb_arena_take (arena, size / 4 * 3 + 1);
    if (!data)
        return "is too long";
    *value = (sb_value_t){.kind = SB_VALUE_BYTES};
    if (!sb_base64_decode (literal, size, data, &value->bytes.size))
        return "is no base64 (with padding)";
    value->bytes.data = data;
    return NULL;
}

const char *sb_literal_decimal (const char *literal, sb_value_t *value)
{
    static const char *const problem = "must be digits with at most one point, at most 18 digits in all";
    char digits[24] = "";
    uint32_t size = 0;
    int32_t exponent = 0;
    bool after_point = false;
    const char *cursor = literal;
    if (*cursor == '-')
        digits[size++] = *cursor++;
    uint32_t sign = size;
    bool is_zero = *cursor == '0'; /* zeros before the first digit say nothing, and do not count */
    while (*cursor == '0')
        cursor++;
    for (; *cursor; cursor++) {
        if (*cursor == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (!s_is_digit (*cursor) || size - sign == EXPONENT_PLAIN_MAX)
            return problem;
        digits[size++] = *cursor;
        exponent -= after_point;
    }
    if (size == sign && !is_zero)
        return problem;
    *value = (sb_value_t){.kind = SB_VALUE_DECIMAL,
                          .decimal = {.unscaled = strtoll (digits, NULL, 10), .exponent = exponent}};
    return NULL;
}

/* The literal after `prefix`, NULL when it does not begin so. */
static const char *s_after (const char *literal, const char *prefix)
{
    size_t size = strlen (prefix);
    return strncmp (literal, prefix, size) == 0 ? literal + size : NULL;
}

static const char *s_any (const char *literal, sb_arena_t *arena, sb_value_t *value)
{
    const char *rest;
    if ((rest = s_after (literal, "text:")) != NULL)
        return s_text (rest, value);
    if ((rest = s_after (literal, "decimal:")) != NULL)
        return sb_literal_decimal (rest, value);
    if ((rest = s_after (literal, "base64:")) != NULL)
        return s_bytes (rest, arena, value);
    if (strcmp (literal, "true") == 0 || strcmp (literal, "false") == 0)
        return s_boolean (literal, value);
    form_t form = s_form (literal);
    if (form == FORM_INTEGER)
        return s_integer (literal, true, value);
    return form == FORM_NUMBER ? s_number (literal, true, value) : s_text (literal, value);
}

const char *sb_literal_value (const char *literal, sb_parameter_kind_t kind, sb_arena_t *arena, sb_value_t *value)
{
    switch (kind) {
    case SB_PARAMETER_INTEGER:
        return s_integer (literal, false, value);
    case SB_PARAMETER_NUMBER:
        return s_number (literal, false, value);
    case SB_PARAMETER_BOOLEAN:
        return s_boolean (literal, value);
    case SB_PARAMETER_TEXT: {
        const char *rest = s_after (literal, "text:");
        return s_text (rest ? rest : literal, value);
    }
    case SB_PARAMETER_ANY:
        break;
    }
    if (strcmp (literal, "null") == 0)
        return "is no value: write text:null for the text";
    return s_any (literal, arena, value);
}

const char *sb_literal_change (const char *literal, sb_arena_t *arena, sb_change_t *change)
{
    const char *equals = strchr (literal, '=');
    if (!equals)
        return "must be NAME=VALUE";
    *change = (sb_change_t){.name = {.data = literal, .size = (uint32_t)(equals - literal)}};
    if (!sb_name_is_field (change->name))
        return "has a bad field name: parts of A-Z a-z 0-9 _ : / - joined by dots, at most 128 octets";
    if (strcmp (equals + 1, "null") == 0) {
        change->is_delete = true;
        return NULL;
    }
    return s_any (equals + 1, arena, &change->value);
}

const char *sb_decimal_text (int64_t unscaled, int32_t exponent, char *text)
{
    char digits[24];
    /* Negating INT64_MIN is undefined; its magnitude is not. */
    uint64_t magnitude = unscaled < 0 ? -(uint64_t)unscaled : (uint64_t)unscaled;
    int size = snprintf (digits, sizeof (digits), "%" PRIu64, magnitude);
    char *cursor = text;
    if (unscaled < 0)
        *cursor++ = '-';
    if (exponent > EXPONENT_PLAIN_MAX || exponent < -SB_DECIMAL_EXPONENT_MAX) {
        snprintf (cursor, SB_DECIMAL_TEXT_SIZE - 1, "%se%d", digits, (int)exponent);
        return text;
    }
    if (exponent >= 0) {
        snprintf (cursor, SB_DECIMAL_TEXT_SIZE - 1, "%s%.*s", digits, magnitude ? (int)exponent : 0,
                  "000000000000000000");
        return text;
    }
    int fraction = -exponent;
    int whole = size > fraction ? size - fraction : 0;
    cursor += sprintf (cursor, "%.*s.", whole ? whole : 1, whole ? digits : "0");
    for (int i = size - whole; i < fraction; i++)
        *cursor++ = '0';
    strcpy (cursor, digits + whole);
    return text;
}

size_t sb_base64_size (size_t size)
{
    return (size + 2) / 3 * 4;
}

void sb_base64_encode (const void *data, size_t size, char *text)
{
    const uint8_t *octets = data;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)octets[i] << 16;
        group |= i + 1 < size ? (uint32_t)octets[i + 1] << 8 : 0;
        group |= i + 2 < size ? octets[i + 2] : 0;
        *text++ = s_alphabet[group >> 18];
        *text++ = s_alphabet[group >> 12 & 63];
        *text++ = i + 1 < size ? s_alphabet[group >> 6 & 63] : '=';
        *text++ = i + 2 < size ? s_alphabet[group & 63] : '=';
    }
}

bool sb_base64_decode (const char *text, size_t size, void *data, uint32_t *data_size)
{
    uint8_t *octets = data;
    *data_size = 0;
    if (size % 4)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t group = 0;
        uint32_t padding = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *place = text[i + j] ? strchr (s_alphabet, text[i + j]) : NULL;
            bool is_padding = text[i + j] == '=' && i + 4 == size && j >= 2;
            if ((!place && !is_padding) || (place && padding))
                return false;
            padding += is_padding;
            group = group << 6 | (place ? (uint32_t)(place - s_alphabet) : 0);
        }
        for (uint32_t j = 0; j < 3 - padding; j++)
            octets[(*data_size)++] = (uint8_t)(group >> (16 - 8 * j));
    }
    return true;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * A line cut into cells. CSV is a scan for separators with a detour for quotes; JSON a recursive descent
 * of bounded depth. Unescaped text is never longer than escaped, so both work in place.
 */
#include "sb_cells.h"

#include <string.h>

/* Unquotes the cell whose opening quote is at *position; *position ends behind the closing quote. */
static bool s_quoted_cell (char *line, size_t size, size_t *position, sb_text_t *cell)
{
    size_t from = *position + 1, to = from, start = from;
    while (from < size) {
        if (line[from] == '"') {
            if (from + 1 >= size || line[from + 1] != '"')
                break;
            from++;
        }
        line[to++] = line[from++];
    }
    if (from >= size)
        return false;
    *cell = (sb_text_t){line + start, (uint32_t)(to - start)};
    *position = from + 1;
    line[to] = 0;
    return true;
}

bool sb_cells_from_csv (sb_cells_t *self, char *line, size_t size, char separator)
{
    self->count = 0;
    size_t position = 0;
    for (;;) {
        if (self->count == SB_COLUMNS_MAX)
            return false;
        sb_text_t *cell = &self->cells[self->count++];
        if (position < size && line[position] == '"') {
            if (!s_quoted_cell (line, size, &position, cell) || (position < size && line[position] != separator))
                return false;
        } else {
            char *found = memchr (line + position, separator, size - position);
            size_t end = found ? (size_t)(found - line) : size;
            *cell = (sb_text_t){line + position, (uint32_t)(end - position)};
            position = end;
        }
        line[position] = 0;
        if (position >= size)
            return true;
        position++;
    }
}

/* ------------------------------------------------------------------ JSON */

enum { DEPTH_MAX = 8 };

typedef struct {
    char *at;
    char *end; /* a NUL stands there */
    size_t joined_used;
} reader_t;

static bool s_value (sb_cells_t *self, reader_t *reader, sb_text_t name, int depth, bool is_kept);

static void s_space (reader_t *reader)
{
    while (reader->at < reader->end && strchr (" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
}

static bool s_character (reader_t *reader, char character)
{
    s_space (reader);
    if (reader->at >= reader->end || *reader->at != character)
        return false;
    reader->at++;
    return true;
}

static bool s_hex4 (reader_t *reader, uint32_t *code)
{
    *code = 0;
    if (reader->end - reader->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        char octet = *reader->at++;
        const char *digit = octet ? strchr (digits, octet >= 'A' && octet <= 'F' ? octet + 32 : octet) : NULL;
        if (!digit)
            return false;
        *code = *code * 16 + (uint32_t)(digit - digits);
    }
    return true;
}

static char *s_put_utf8 (char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* \uXXXX, the backslash and u are read. Surrogates must come in pairs; U+0000 is no text. */
static bool s_unicode (reader_t *reader, char **to)
{
    uint32_t code, low;
    if (!s_hex4 (reader, &code) || code == 0 || (code >= 0xdc00 && code < 0xe000))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
            return false;
        reader->at += 2;
        if (!s_hex4 (reader, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = s_put_utf8 (*to, code);
    return true;
}

static bool s_string (reader_t *reader, sb_text_t *text)
{
    if (!s_character (reader, '"'))
        return false;
    char *start = reader->at, *to = start;
    while (reader->at < reader->end && *reader->at != '"') {
        if ((unsigned char)*reader->at < 0x20)
            return false;
        if (*reader->at != '\\') {
            *to++ = *reader->at++;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        char escape = reader->at[1];
        reader->at += 2;
        const char *found = escape ? strchr (escapes, escape) : NULL;
        if (found)
            *to++ = meanings[found - escapes];
        else if (escape != 'u' || !s_unicode (reader, &to))
            return false;
    }
    if (reader->at >= reader->end)
        return false;
    reader->at++;
    *to = 0;
    *text = (sb_text_t){start, (uint32_t)(to - start)};
    return true;
}

/* "outer.inner", kept in self->joined; `inner` itself at the top. */
static bool s_join (sb_cells_t *self, reader_t *reader, sb_text_t outer, sb_text_t *inner)
{
    if (outer.size == 0)
        return true;
    size_t size = (size_t)outer.size + 1 + inner->size;
    if (reader->joined_used + size + 1 > sizeof self->joined)
        return false;
    char *name = self->joined + reader->joined_used;
    memcpy (name, outer.data, outer.size);
    name[outer.size] = '.';
    memcpy (name + outer.size + 1, inner->data, inner->size);
    name[size] = 0;
    reader->joined_used += size + 1;
    *inner = (sb_text_t){name, (uint32_t)size};
    return true;
}

static bool s_object (sb_cells_t *self, reader_t *reader, sb_text_t outer, int depth, bool is_kept)
{
    if (depth > DEPTH_MAX || !s_character (reader, '{'))
        return false;
    if (s_character (reader, '}'))
        return true;
    do {
        sb_text_t name;
        if (!s_string (reader, &name) || !s_join (self, reader, outer, &name) || !s_character (reader, ':') ||
            !s_value (self, reader, name, depth + 1, is_kept))
            return false;
    } while (s_character (reader, ','));
    return s_character (reader, '}');
}

static bool s_array (sb_cells_t *self, reader_t *reader, int depth)
{
    if (depth > DEPTH_MAX || !s_character (reader, '['))
        return false;
    if (s_character (reader, ']'))
        return true;
    do {
        if (!s_value (self, reader, (sb_text_t){"", 0}, depth + 1, false))
            return false;
    } while (s_character (reader, ','));
    return s_character (reader, ']');
}

/* A number or a bare word. Whether a number is well formed is for the reader of the cell to say. */
static bool s_scalar (reader_t *reader, sb_text_t *text)
{
    char *start = reader->at;
    while (reader->at < reader->end && *reader->at && !strchr (",}] \t\r\n", *reader->at))
        reader->at++;
    *text = (sb_text_t){start, (uint32_t)(reader->at - start)};
    if (text->size == 4 && memcmp (start, "null", 4) == 0)
        text->size = 0;
    return reader->at > start;
}

static bool s_value (sb_cells_t *self, reader_t *reader, sb_text_t name, int depth, bool is_kept)
{
    s_space (reader);
    if (reader->at >= reader->end)
        return false;
    if (*reader->at == '{')
        return s_object (self, reader, name, depth, is_kept);
    if (*reader->at == '[')
        return s_array (self, reader, depth);
    sb_text_t text;
    if (!(*reader->at == '"' ? s_string (reader, &text) : s_scalar (reader, &text)))
        return false;
    if (!is_kept)
        return true;
    if (self->count == SB_COLUMNS_MAX)
        return false;
    self->names[self->count] = name;
    self->cells[self->count++] = text;
    return true;
}

bool sb_cells_from_json (sb_cells_t *self, char *line, size_t size)
{
    reader_t reader = {line, line + size, 0};
    self->count = 0;
    if (!s_object (self, &reader, (sb_text_t){"", 0}, 0, true))
        return false;
    s_space (&reader);
    if (reader.at != reader.end)
        return false;
    /* The octet behind a cell was needed as the mark of its end until now. */
    for (uint32_t i = 0; i < self->count; i++)
        ((char *)self->cells[i].data)[self->cells[i].size] = 0;
    return true;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * A reader of ZPL, line by line: indent of 0 is a section or a top-level setting, 4 spaces a setting
 * of the section above. Lines longer than 2047 octets are refused.
 */
#include "sb_zpl.h"

#include <stdio.h>
#include <string.h>

enum { ZPL_LINE_MAX = 2047 };

/* Cuts off a comment (# at the start or after a space, outside quotes), then spaces at the end. */
static void s_strip (char *line)
{
    char quote = 0;
    for (char *at = line; *at; at++) {
        if (quote)
            quote = *at == quote ? 0 : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
            *at = 0;
            break;
        }
    }
    size_t size = strlen (line);
    while (size > 0 && strchr (" \t\r", line[size - 1]))
        line[--size] = 0;
}

/* Splits "name = value" in place and takes the quotes off. NULL: fine; else what is wrong. */
static const char *s_split (char *setting, char **value)
{
    static char empty[] = "";
    *value = empty;
    char *equals = strchr (setting, '=');
    if (!equals)
        return NULL;
    char *end = equals;
    while (end > setting && end[-1] == ' ')
        end--;
    if (end == setting)
        return "a name is missing before =";
    *end = 0;
    char *start = equals + 1 + strspn (equals + 1, " \t");
    size_t size = strlen (start);
    if (*start == '"' || *start == '\'') {
        if (size < 2 || start[size - 1] != *start)
            return "a quote is left open";
        start[size - 1] = 0;
        start++;
    }
    *value = start;
    return NULL;
}

bool sb_zpl_read (sb_text_t text, bool (*visit) (const sb_zpl_line_t *line, void *context), void *context, char *error,
                  size_t error_size)
{
    char section[ZPL_LINE_MAX + 1] = "", line[ZPL_LINE_MAX + 1];
    const char *at = text.data, *end = text.data + text.size;
    for (uint32_t number = 1; at < end; number++) {
        const char *next = memchr (at, '\n', (size_t)(end - at));
        size_t size = (size_t)((next ? next : end) - at);
        const char *wrong = size > ZPL_LINE_MAX    ? "longer than 2047 octets"
                            : memchr (at, 0, size) ? "holds a NUL"
                                                   : NULL;
        char *value = NULL, *setting = line;
        if (!wrong) {
            memcpy (line, at, size);
            line[size] = 0;
            s_strip (line);
            setting = line + strspn (line, " ");
            if (strchr (line, '\t') == setting)
                wrong = "indented with a tab: use 4 spaces";
            else if (setting != line && setting - line != 4)
                wrong = "indented by other than 4 spaces";
            else
                wrong = s_split (setting, &value);
        }
        if (wrong) {
            snprintf (error, error_size, "line %u: %s", number, wrong);
            return false;
        }
        at = next ? next + 1 : end;
        if (!*setting)
            continue;
        if (setting == line && !*value) {
            snprintf (section, sizeof section, "%s", setting);
            continue;
        }
        sb_zpl_line_t found = {number, setting == line ? "" : section, setting, value};
        if (!visit (&found, context))
            return false;
    }
    return true;
}

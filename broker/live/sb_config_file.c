/* SPDX-License-Identifier: MPL-2.0
 *
 * Configuration files: ZPL, read by zconfig, with the line of everything that is wrong.
 *
 * zconfig keeps no line numbers and prints its complaints itself, so each line is looked at first. Items then
 * stand in zconfig's tree, walked from the root down, in the same order as in the file: the n-th item
 * of the walk is on the n-th line that has one. Printing writes what reading reads.
 */
#define _GNU_SOURCE
#include "sb_config.h"

#include <assert.h>
#include <ctype.h>
#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sb_config_value.h"

enum { FILE_BYTES_MAX = 4 << 20, LINE_MAX_OCTETS = 1000, INDENT = 4, PATH_OCTETS = 256, PROBLEM_OCTETS = 4400 };

/* Where an item stands. */
typedef struct {
    uint32_t *numbers; /* line of the n-th item */
    uint32_t count;
} s_lines_t;

/* One reading of one file. */
typedef struct {
    sb_config_t *config;
    const char *path;
    FILE *problems;
    uint32_t problem_count;
    s_lines_t lines;
    uint32_t next_item;
    uint32_t *seen; /* per key: line where it was first given, 0: not yet */
} s_reading_t;

static void __attribute__ ((format (printf, 3, 4)))
s_complain (s_reading_t *self, uint32_t line, const char *format, ...)
{
    fprintf (self->problems, "%s:%u: ", self->path, line);
    va_list arguments;
    va_start (arguments, format);
    vfprintf (self->problems, format, arguments);
    va_end (arguments);
    fputc ('\n', self->problems);
    self->problem_count++;
}

/* ---------------------------------------------------------------- lines */

/* What is wrong with the part of a line after its name; NULL: nothing. */
static const char *s_check_value (const char *text)
{
    text += strspn (text, " \t");
    if (*text == '\0' || *text == '#')
        return NULL;
    if (*text++ != '=')
        return "after a name comes = and a value, or nothing";
    text += strspn (text, " \t");
    if (*text != '"' && *text != '\'')
        return NULL;
    const char *end = strchr (text + 1, *text);
    if (!end)
        return "a quote is not closed";
    end++;
    end += strspn (end, " \t");
    return *end == '\0' || *end == '#' ? NULL : "there is something after the closing quote";
}

/* Checks one line without its line break; sets *depth to that of its item, or -1 when it has none. */
static const char *s_check_line (const char *line, int parent_depth, int *depth)
{
    *depth = -1;
    if (strlen (line) > LINE_MAX_OCTETS)
        return "the line is too long (1000 octets at most)";
    size_t indent = strspn (line, " ");
    const char *name = line + indent;
    if (*name == '\0' || *name == '#')
        return NULL;
    if (*name == '\t')
        return "indent with 4 spaces a level, not with tabs";
    if (indent % INDENT != 0)
        return "indent with 4 spaces a level";
    if ((int)(indent / INDENT) > parent_depth + 1)
        return "indented deeper than one level below the line before";
    size_t name_size = 0;
    while (isalnum ((unsigned char)name[name_size]) || (name[name_size] && strchr ("$-_@.&+/", name[name_size])))
        name_size++;
    if (name_size == 0)
        return "a line begins with a name (letters, digits and _), or with # for a comment";
    *depth = (int)(indent / INDENT);
    return s_check_value (name + name_size);
}

static void s_check_lines (s_reading_t *self, const char *text)
{
    int depth = -1, parent_depth = -1;
    uint32_t number = 0;
    char line[LINE_MAX_OCTETS + 2];
    while (*text) {
        size_t size = strcspn (text, "\n");
        snprintf (line, sizeof line, "%.*s", (int)(size > LINE_MAX_OCTETS ? LINE_MAX_OCTETS + 1 : size), text);
        for (size_t end = strlen (line); end > 0 && isspace ((unsigned char)line[end - 1]); end--)
            line[end - 1] = '\0';
        text += size + (text[size] == '\n');
        number++;
        const char *fault = s_check_line (line, parent_depth, &depth);
        if (fault)
            s_complain (self, number, "%s", fault);
        if (depth < 0)
            continue;
        parent_depth = depth;
        self->lines.numbers[self->lines.count++] = number;
    }
}

/* ---------------------------------------------------------------- items */

static bool s_is_section (const char *path)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    const size_t size = strlen (path);
    for (uint32_t i = 0; i < count; i++)
        if (strncmp (keys[i].path, path, size) == 0 && keys[i].path[size] == '/')
            return true;
    return false;
}

static void s_take_unknown (s_reading_t *self, const char *path, uint32_t line)
{
    const sb_config_key_t *near = sb_config_nearest (path);
    if (near)
        s_complain (self, line, "%s: unknown key; did you mean %s?", path, near->path);
    else
        s_complain (self, line, "%s: unknown key; syncbusd --print-config shows them all", path);
}

static void s_take_value (s_reading_t *self, const sb_config_key_t *key, const char *value, uint32_t line)
{
    uint32_t count;
    uint32_t *first = &self->seen[key - sb_config_keys (&count)];
    char problem[PROBLEM_OCTETS];
    if (key->type != SB_CONFIG_LIST && *first) {
        s_complain (self, line, "%s: given twice, first on line %u", key->path, *first);
        return;
    }
    /* The file's first entry replaces the default list, the others are added to it. */
    if (key->type == SB_CONFIG_LIST && !*first)
        sb_config_list_clear ((sb_config_list_t *)((char *)self->config + key->offset));
    *first = line;
    if (!sb_config_set (self->config, key, value, problem, sizeof problem))
        s_complain (self, line, "%s", problem);
    else if (key->type == SB_CONFIG_LIST) {
        const sb_config_list_t *list = (sb_config_list_t *)((char *)self->config + key->offset);
        if (list->count > 0)
            list->lines[list->count - 1] = line;
    }
}

/* Counts one item and those below it. */
static void s_skip_item (s_reading_t *self, zconfig_t *item)
{
    self->next_item++;
    for (zconfig_t *child = zconfig_child (item); child; child = zconfig_next (child))
        s_skip_item (self, child);
}

/* Takes one item and those below it. */
static void s_take_item (s_reading_t *self, zconfig_t *item, const char *parent_path)
{
    char path[PATH_OCTETS];
    assert (self->next_item < self->lines.count);
    const uint32_t line = self->lines.numbers[self->next_item++];
    snprintf (path, sizeof path, "%s%s%.80s", parent_path, parent_path[0] ? "/" : "", zconfig_name (item));
    const char *value = zconfig_value (item);
    const sb_config_key_t *key = sb_config_find (path);
    const bool is_section = s_is_section (path);
    if (key && zconfig_child (item))
        s_complain (self, line, "%s: is a key, nothing may stand below it", path);
    else if (key)
        s_take_value (self, key, value ? value : "", line);
    else if (!is_section)
        s_take_unknown (self, path, line);
    else if (value && value[0])
        s_complain (self, line, "%s: is a section, it has no value of its own", path);
    for (zconfig_t *child = zconfig_child (item); child; child = zconfig_next (child)) {
        if (is_section)
            s_take_item (self, child, path);
        else
            s_skip_item (self, child); /* all of it is unknown: said once */
    }
}

/* Reads all of a file; NULL with errno. */
static char *s_read_text (const char *path)
{
    FILE *file = fopen (path, "rbe");
    if (!file)
        return NULL;
    struct stat status;
    if (fstat (fileno (file), &status) == 0 && S_ISDIR (status.st_mode)) {
        fclose (file);
        errno = EISDIR;
        return NULL;
    }
    char *text = malloc (FILE_BYTES_MAX + 1);
    size_t size = text ? fread (text, 1, FILE_BYTES_MAX + 1, file) : 0;
    int error = !text ? ENOMEM : ferror (file) ? EIO : size > FILE_BYTES_MAX ? EFBIG : 0;
    if (!error && memchr (text, '\0', size))
        error = EILSEQ;
    fclose (file);
    if (error) {
        free (text);
        errno = error;
        return NULL;
    }
    text[size] = '\0';
    return text;
}

uint32_t sb_config_read_file (sb_config_t *self, const char *path, FILE *problems)
{
    char *text = s_read_text (path);
    if (!text) {
        fprintf (problems, "cannot read the configuration %s: %s\n", path,
                 errno == EILSEQ ? "it is no text" : strerror (errno));
        return 1;
    }
    free (self->file);
    self->file = strdup (path);
    assert (self->file);
    uint32_t key_count, line_count = 1;
    sb_config_keys (&key_count);
    for (const char *octet = text; *octet; octet++)
        line_count += *octet == '\n';
    s_reading_t reading = {.config = self,
                           .path = path,
                           .problems = problems,
                           .lines.numbers = calloc (line_count, sizeof (uint32_t)),
                           .seen = calloc (key_count, sizeof (uint32_t))};
    assert (reading.lines.numbers && reading.seen);
    s_check_lines (&reading, text);
    zconfig_t *root = reading.problem_count == 0 ? zconfig_str_load (text) : NULL;
    if (!root && reading.problem_count == 0)
        s_complain (&reading, 1, "is not valid ZPL");
    for (zconfig_t *item = root ? zconfig_child (root) : NULL; item; item = zconfig_next (item))
        s_take_item (&reading, item, "");
    zconfig_destroy (&root);
    free (reading.lines.numbers);
    free (reading.seen);
    free (text);
    return reading.problem_count;
}

/* ---------------------------------------------------------------- printing */

/* Prints prose as a comment, broken at blanks. */
static void s_print_comment (FILE *file, const char *prose)
{
    const size_t width = 96;
    while (*prose) {
        size_t size = strlen (prose);
        if (size > width) {
            size = width;
            while (size > 0 && prose[size] != ' ')
                size--;
        }
        fprintf (file, "    # %.*s\n", (int)size, prose);
        prose += size;
        prose += strspn (prose, " ");
    }
}

static void s_print_facts (FILE *file, const sb_config_key_t *key)
{
    char low[32], high[32], facts[256] = "";
    const char *when = key->is_reloadable ? "SIGHUP applies it" : "needs a restart";
    switch (key->type) {
    case SB_CONFIG_INTEGER:
        snprintf (facts, sizeof facts, "%s, %" PRIu64 " to %" PRIu64 ", default %s", key->unit, key->low, key->high,
                  key->default_text);
        break;
    case SB_CONFIG_DURATION:
        snprintf (facts, sizeof facts, "duration (ms, s, m, h; a bare number is %s), %s to %s, default %s", key->unit,
                  sb_value_format_duration (key->low, low, sizeof low),
                  sb_value_format_duration (key->high, high, sizeof high), key->default_text);
        break;
    case SB_CONFIG_SHORT_DURATION:
        snprintf (facts, sizeof facts, "duration (us, ms, s; a bare number is %s), %s to %s, default %s", key->unit,
                  sb_value_format_short_duration (key->low, low, sizeof low),
                  sb_value_format_short_duration (key->high, high, sizeof high), key->default_text);
        break;
    case SB_CONFIG_BYTES:
        snprintf (facts, sizeof facts, "size (bytes, KiB, MiB, GiB), %s to %s, default %s",
                  sb_value_format_bytes (key->low, low, sizeof low),
                  sb_value_format_bytes (key->high, high, sizeof high), key->default_text);
        break;
    case SB_CONFIG_CHOICE:
        snprintf (facts, sizeof facts, "%s, default %s", key->unit, key->default_text);
        break;
    case SB_CONFIG_LIST:
        snprintf (facts, sizeof facts, "list of \"%s\"; the first replaces the default list, \"\" empties it",
                  key->unit);
        break;
    case SB_CONFIG_ENDPOINT:
        snprintf (facts, sizeof facts, "tcp://HOST:PORT, default %s", key->default_text);
        break;
    case SB_CONFIG_TEXT:
        snprintf (facts, sizeof facts, "%s, default empty", key->unit);
        break;
    }
    fprintf (file, "    # (%s; %s)\n", facts, when);
}

static void s_print_key (const sb_config_t *self, FILE *file, const sb_config_key_t *key)
{
    char text[PROBLEM_OCTETS];
    const char *name = strchr (key->path, '/') + 1;
    s_print_comment (file, key->prose);
    s_print_facts (file, key);
    if (key->type != SB_CONFIG_LIST) {
        const bool is_quoted = key->type == SB_CONFIG_TEXT || key->type == SB_CONFIG_ENDPOINT;
        fprintf (file, is_quoted ? "    %s = \"%s\"\n" : "    %s = %s\n", name,
                 sb_config_format (self, key, 0, text, sizeof text));
        return;
    }
    const sb_config_list_t *list = (const sb_config_list_t *)((const char *)self + key->offset);
    for (uint32_t i = 0; i < list->count; i++)
        fprintf (file, "    %s = \"%s\"\n", name, sb_config_format (self, key, i, text, sizeof text));
    if (list->count == 0)
        fprintf (file, "    %s = \"\"\n", name);
}

void sb_config_print (const sb_config_t *self, FILE *file)
{
    uint32_t count;
    const sb_config_key_t *keys = sb_config_keys (&count);
    const char *section = "";
    fprintf (file, "# Configuration of syncbusd, in ZPL: sections, and names below them indented by 4 spaces.\n"
                   "# Overridden by the environment (ingress/endpoint by SYNCBUS_INGRESS_ENDPOINT), and that by\n"
                   "# flags (--ingress-endpoint=...). Check a file with syncbusd --check-config FILE.\n");
    for (uint32_t i = 0; i < count; i++) {
        const size_t size = strcspn (keys[i].path, "/") + 1;
        if (strncmp (section, keys[i].path, size) != 0) {
            section = keys[i].path;
            fprintf (file, "\n%.*s\n", (int)size - 1, section);
        }
        s_print_key (self, file, &keys[i]);
    }
}

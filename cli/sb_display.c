/* SPDX-License-Identifier: MPL-2.0
 *
 * Values for people's eyes. Wide and combining characters count as one column each: names on the bus are
 * ASCII, and the grid replaces what it does not know.
 */
#include "sb_display.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sb_literal.h"
#include "sb_names.h"

/* A step of a scale: from `least` up, divide and write the suffix. */
typedef struct {
    double least;
    double divisor;
    const char *suffix;
} step_t;

static const step_t s_durations[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "us"}, {0, 1, "ns"}};
static const step_t s_thousands[] = {{1e12, 1e12, "T"}, {1e9, 1e9, "G"}, {1e6, 1e6, "M"}, {1e4, 1e3, "k"}, {0, 1, ""}};
static const step_t s_bytes[] = {{0x1p40, 0x1p40, " TiB"},
                                 {0x1p30, 0x1p30, " GiB"},
                                 {0x1p20, 0x1p20, " MiB"},
                                 {0x1p10, 0x1p10, " KiB"},
                                 {0, 1, " B"}};

static const step_t *s_step (const step_t *steps, double number)
{
    while (fabs (number) < steps->least)
        steps++;
    return steps;
}

/* Three digits that matter: 1.23 12.3 123. */
static void s_three_digits (double number, const char *suffix, char *text)
{
    double size = fabs (number);
    int places = size >= 99.95 || number == floor (number) ? 0 : size >= 9.995 ? 1 : 2;
    snprintf (text, SB_DISPLAY_SIZE, "%.*f%s", places, number, suffix);
}

/* Puts a comma after each third digit of the whole part, in place. */
static void s_group (char *text)
{
    size_t start = strspn (text, "-");
    size_t digits = strspn (text + start, "0123456789");
    for (size_t place = digits; place > 3; place -= 3) {
        char *after = text + start + place - 3;
        memmove (after + 1, after, strlen (after) + 1);
        *after = ',';
    }
}

const char *sb_display_integer (int64_t integer, char *text)
{
    snprintf (text, SB_DISPLAY_SIZE, "%" PRId64, integer);
    s_group (text);
    return text;
}

const char *sb_display_number (double number, char *text)
{
    double size = fabs (number);
    if (!isfinite (number)) {
        snprintf (text, SB_DISPLAY_SIZE, "-");
        return text;
    }
    if (size != 0 && (size < 1e-4 || size >= 1e15)) {
        snprintf (text, SB_DISPLAY_SIZE, "%.6g", number);
        return text;
    }
    int places = size >= 1e6 ? 2 : size >= 1 ? 4 : 6;
    snprintf (text, SB_DISPLAY_SIZE, "%.*f", places, number);
    size_t end = strlen (text);
    while (text[end - 1] == '0')
        text[--end] = 0;
    if (text[end - 1] == '.')
        text[--end] = 0;
    s_group (text);
    return text;
}

const char *sb_display_short (double number, char *text)
{
    if (!isfinite (number)) {
        snprintf (text, SB_DISPLAY_SIZE, "-");
        return text;
    }
    const step_t *step = s_step (s_thousands, number);
    if (step->divisor == 1 && fabs (number) >= 99.95)
        snprintf (text, SB_DISPLAY_SIZE, "%.0f", number);
    else
        s_three_digits (number / step->divisor, step->suffix, text);
    return text;
}

/* "3m04s": the larger unit, the rest in the smaller one. */
static const char *s_two_units (double seconds, double unit, const char *format, char *text)
{
    static const double below[] = {86400, 3600, 60, 1};
    int i = 0;
    while (below[i] != unit)
        i++;
    uint64_t whole = (uint64_t)(seconds / unit);
    uint64_t rest = (uint64_t)((seconds - (double)whole * unit) / below[i + 1]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf (text, SB_DISPLAY_SIZE, format, whole, rest);
#pragma GCC diagnostic pop
    return text;
}

const char *sb_display_duration_ns (double ns, char *text)
{
    double seconds = ns / 1e9;
    if (!isfinite (ns) || ns < 0)
        snprintf (text, SB_DISPLAY_SIZE, "-");
    else if (ns == 0)
        snprintf (text, SB_DISPLAY_SIZE, "0s");
    else if (seconds >= 86400)
        return s_two_units (seconds, 86400, "%" PRIu64 "d%02" PRIu64 "h", text);
    else if (seconds >= 3600)
        return s_two_units (seconds, 3600, "%" PRIu64 "h%02" PRIu64 "m", text);
    else if (seconds >= 60)
        return s_two_units (seconds, 60, "%" PRIu64 "m%02" PRIu64 "s", text);
    else {
        const step_t *step = s_step (s_durations, ns);
        s_three_digits (ns / step->divisor, step->suffix, text);
    }
    return text;
}

const char *sb_display_bytes (double bytes, char *text)
{
    const step_t *step = s_step (s_bytes, bytes);
    s_three_digits (bytes / step->divisor, step->suffix, text);
    return text;
}

const char *sb_display_time (int64_t unix_ns, char *text)
{
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm parts;
    if (unix_ns <= 0 || !gmtime_r (&seconds, &parts)) {
        snprintf (text, SB_DISPLAY_SIZE, "-");
        return text;
    }
    size_t size = strftime (text, SB_DISPLAY_SIZE, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf (text + size, SB_DISPLAY_SIZE - size, ".%03dZ", (int)(unix_ns / 1000000 % 1000));
    return text;
}

/* Octets of the character at `text` when it may be shown, else 0. */
static uint32_t s_shown_size (sb_text_t text)
{
    unsigned char lead = (unsigned char)text.data[0];
    uint32_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    bool is_control = lead < 0x20 || lead == 0x7f;
    if (is_control || size > text.size || !sb_text_is_utf8 ((sb_text_t){text.data, size}))
        return 0;
    /* U+0080 to U+009F: some terminals obey them. */
    return lead == 0xc2 && (unsigned char)text.data[1] < 0xa0 ? 0 : size;
}

const char *sb_display_text (sb_text_t source, char *text)
{
    uint32_t place = 0;
    uint32_t written = 0;
    while (place < source.size && written + 5 < SB_DISPLAY_SIZE) {
        uint32_t size = s_shown_size ((sb_text_t){source.data + place, source.size - place});
        if (size)
            memcpy (text + written, source.data + place, size);
        else
            text[written] = '?';
        written += size ? size : 1;
        place += size ? size : 1;
    }
    text[written] = 0;
    return text;
}

/* A number by its unit; false when the unit has no form of its own. */
static bool s_by_unit (double number, const char *unit, char *text)
{
    static const struct {
        const char *unit;
        double ns; /* of a duration */
    } durations[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    for (size_t i = 0; i < sizeof (durations) / sizeof (durations[0]); i++)
        if (strcmp (unit, durations[i].unit) == 0) {
            sb_display_duration_ns (number * durations[i].ns, text);
            return true;
        }
    if (strcmp (unit, "bytes") != 0)
        return false;
    sb_display_bytes (number, text);
    return true;
}

const char *sb_display_value (const sb_value_t *value, const char *unit, char *text)
{
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        return s_by_unit (value->number, unit, text) ? text : sb_display_number (value->number, text);
    case SB_VALUE_INTEGER:
        if (strcmp (unit, "unix_ns") == 0)
            return sb_display_time (value->integer, text);
        /* Numbers that are copied into another command stay as they are. */
        if (strcmp (unit, "id") == 0) {
            snprintf (text, SB_DISPLAY_SIZE, "%" PRId64, value->integer);
            return text;
        }
        return s_by_unit ((double)value->integer, unit, text) ? text : sb_display_integer (value->integer, text);
    case SB_VALUE_DECIMAL:
        return sb_decimal_text (value->decimal.unscaled, value->decimal.exponent, text);
    case SB_VALUE_BOOLEAN:
        return strcpy (text, value->boolean ? "yes" : "no");
    case SB_VALUE_TEXT:
        return sb_display_text (value->text, text);
    case SB_VALUE_BYTES:
        snprintf (text, SB_DISPLAY_SIZE, "(%" PRIu32 " octets)", value->bytes.size);
        return text;
    case SB_VALUE_NONE:
        break;
    }
    return strcpy (text, "-");
}

uint32_t sb_display_width (const char *text)
{
    uint32_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

bool sb_display_has_colour (FILE *stream)
{
    const char *no_colour = getenv ("NO_COLOR");
    const char *terminal = getenv ("TERM");
    return isatty (fileno (stream)) && !(no_colour && *no_colour) && terminal && strcmp (terminal, "dumb") != 0;
}

const char *sb_display_colour (sb_mark_t mark)
{
    static const char *const sequences[] = {
        [SB_MARK_PLAIN] = "",           [SB_MARK_GOOD] = "\033[32m", [SB_MARK_WARNING] = "\033[33m",
        [SB_MARK_BAD] = "\033[1;31m",   [SB_MARK_DIM] = "\033[2m",   [SB_MARK_TITLE] = "\033[1m",
        [SB_MARK_SELECTED] = "\033[7m",
    };
    return sequences[mark];
}

sb_mark_t sb_display_mark (sb_text_t word)
{
    static const struct {
        const char *word;
        sb_mark_t mark;
    } marks[] = {
        {"LIVE", SB_MARK_GOOD},         {"REGISTERED", SB_MARK_WARNING}, {"SUSPECT", SB_MARK_WARNING},
        {"DEAD", SB_MARK_BAD},          {"OFFLINE", SB_MARK_DIM},        {"RECOVERING", SB_MARK_WARNING},
        {"MUTE", SB_MARK_BAD},          {"CLOSED", SB_MARK_GOOD},        {"OPEN", SB_MARK_BAD},
        {"HALF_OPEN", SB_MARK_WARNING}, {"FORCED_OPEN", SB_MARK_BAD},    {"PAUSED", SB_MARK_WARNING},
        {"green", SB_MARK_GOOD},        {"yellow", SB_MARK_WARNING},     {"red", SB_MARK_BAD},
        {"GREEN", SB_MARK_GOOD},        {"YELLOW", SB_MARK_WARNING},     {"RED", SB_MARK_BAD},
        {"OK", SB_MARK_GOOD},           {"STALE", SB_MARK_WARNING},      {"FORCED_STALE", SB_MARK_WARNING},
        {"STOPPED", SB_MARK_BAD},
    };
    for (size_t i = 0; i < sizeof (marks) / sizeof (marks[0]); i++)
        if (sb_text_equal (word, sb_text (marks[i].word)))
            return marks[i].mark;
    return SB_MARK_PLAIN;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * One pass over the text. strptime was rejected: it knows neither fractions nor the bounds of a day, and obeys the
 * locale.
 */
#include "sb_moment.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char s_form[] =
    "is no time: write -5m, now, 2024-08-09, 2024-08-09T12:00:01.5Z, or nanoseconds since 1970";
static const char s_zone[] =
    "has no time zone: write Z after it for UTC, as 2024-08-09T12:00:01Z, or an offset as +02:00";
static const char s_range[] = "is out of range: times go from 1970 to 2262";

#define NS_PER_S INT64_C (1000000000)

/* Reads exactly `digits` digits, from `least` to `most`. Returns what follows, NULL when they are not there. */
static const char *s_digits (const char *text, int digits, int least, int most, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, text++) {
        if (*text < '0' || *text > '9')
            return NULL;
        *number = *number * 10 + (*text - '0');
    }
    return *number >= least && *number <= most ? text : NULL;
}

/* Z, z, or an offset, to the text's end. */
static bool s_offset (const char *text, int64_t *offset_s)
{
    int hours;
    int minutes;
    *offset_s = 0;
    if ((*text == 'Z' || *text == 'z') && !text[1])
        return true;
    if (*text != '+' && *text != '-')
        return false;
    int64_t sign = *text == '+' ? 1 : -1;
    text = s_digits (text + 1, 2, 0, 23, &hours);
    if (!text || *text != ':')
        return false;
    text = s_digits (text + 1, 2, 0, 59, &minutes);
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return text && !*text;
}

/* HH:MM:SS[.fraction] and its offset. Returns NULL, or what is wrong. */
static const char *s_clock (const char *text, int64_t *seconds, int64_t *fraction_ns)
{
    int parts[3];
    static const int most[] = {23, 59, 59};
    int64_t unit_ns = NS_PER_S;
    int64_t offset_s;
    for (int i = 0; i < 3; i++) {
        text = s_digits (text, 2, 0, most[i], &parts[i]);
        if (!text || (i < 2 && *text++ != ':'))
            return s_form;
    }
    if (*text == '.') {
        if (text[1] < '0' || text[1] > '9')
            return s_form;
        for (text++; *text >= '0' && *text <= '9'; text++)
            *fraction_ns += (unit_ns /= 10) * (*text - '0');
    }
    if (!s_offset (text, &offset_s))
        return *text ? s_form : s_zone;
    *seconds += parts[0] * 3600 + parts[1] * 60 + parts[2] - offset_s;
    return NULL;
}

static const char *s_date (const char *text, int64_t *unix_ns)
{
    struct tm parts = {0};
    int year;
    int month;
    int day;
    int64_t fraction_ns = 0;
    const char *rest = s_digits (text, 4, 0, 9999, &year);
    rest = rest && *rest == '-' ? s_digits (rest + 1, 2, 1, 12, &month) : NULL;
    rest = rest && *rest == '-' ? s_digits (rest + 1, 2, 1, 31, &day) : NULL;
    if (!rest)
        return s_form;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    parts.tm_mday = day;
    int64_t seconds = timegm (&parts);
    /* timegm takes the 30th of February for the 1st of March. */
    if (parts.tm_mday != day)
        return s_form;
    bool has_clock = *rest == 'T' || *rest == 't' || *rest == ' ';
    const char *problem = has_clock ? s_clock (rest + 1, &seconds, &fraction_ns) : *rest ? s_form : NULL;
    if (problem)
        return problem;
    if (seconds < 0 || seconds >= INT64_MAX / NS_PER_S)
        return s_range;
    *unix_ns = seconds * NS_PER_S + fraction_ns;
    return NULL;
}

/* A number and its unit, in nanoseconds; false when it is none. */
static bool s_span (const char *text, double *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    char *end;
    size_t size = strspn (text, "0123456789.");
    double number = strtod (text, &end);
    /* strtod also reads 0x5, 1e3 and inf. */
    if (size == 0 || end != text + size)
        return false;
    for (size_t i = 0; i < sizeof (units) / sizeof (units[0]); i++)
        if (strcmp (end, units[i].name) == 0) {
            *ns = number * units[i].ns;
            return true;
        }
    return false;
}

static const char *s_ago (const char *text, int64_t now_unix_ns, int64_t *unix_ns)
{
    double ns;
    if (!s_span (text, &ns))
        return s_form;
    if (!(ns <= (double)now_unix_ns))
        return s_range;
    *unix_ns = now_unix_ns - (int64_t)ns;
    return *unix_ns < 0 ? s_range : NULL;
}

const char *sb_moment_read_span_ms (const char *text, uint32_t *span_ms)
{
    double ns;
    if (!s_span (text, &ns))
        return "is no duration: write 500ms, 30s, 5m, 1.5h or 1d";
    double ms = ns / 1e6;
    if (!(ms >= 1 && ms <= UINT32_MAX))
        return "is out of range: from 1ms to 4294967295ms, which are 49 days";
    *span_ms = (uint32_t)ms;
    return NULL;
}

const char *sb_moment_read (const char *text, int64_t now_unix_ns, int64_t *unix_ns)
{
    if (strcmp (text, "now") == 0) {
        *unix_ns = now_unix_ns;
        return NULL;
    }
    if (*text == '-')
        return s_ago (text + 1, now_unix_ns, unix_ns);
    if (*text && strspn (text, "0123456789") == strlen (text)) {
        errno = 0;
        *unix_ns = strtoll (text, NULL, 10);
        return errno ? s_range : NULL;
    }
    return s_date (text, unix_ns);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Times as files write them. Days are counted by the usual arithmetic on years that begin in March.
 * Daylight saving follows the present US rule from 2007 on and the former one back to 1987, the EU
 * rule from 1996 on, and none before: older intraday data with local times do not come our way.
 */
#include "sb_civil.h"

#include <string.h>

#define DAY_S INT64_C (86400)

int64_t sb_days_from_civil (int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static int64_t s_year_of_day (int64_t days)
{
    int64_t year = 1970 + days * 400 / 146097;
    while (sb_days_from_civil (year, 1, 1) > days)
        year--;
    while (sb_days_from_civil (year + 1, 1, 1) <= days)
        year++;
    return year;
}

static int64_t s_floor_divide (int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* The n-th Sunday (1 to 4) of a month; 0: the last. */
static int64_t s_sunday (int64_t year, unsigned month, unsigned nth)
{
    int64_t first = nth ? sb_days_from_civil (year, month, 1) : sb_days_from_civil (year, month + 1, 1) - 7;
    int64_t weekday = (first % 7 + 11) % 7; /* 1970-01-01 was a Thursday; 0 is Sunday */
    return first + (7 - weekday) % 7 + (nth ? 7 * ((int64_t)nth - 1) : 0);
}

int32_t sb_zone_offset_s (sb_zone_t zone, int64_t unix_ns)
{
    int64_t now_s = s_floor_divide (unix_ns, SB_SECOND_NS), begin_s = 0, end_s = 0;
    int64_t year = s_year_of_day (s_floor_divide (now_s, DAY_S));
    if (zone.summer == SB_SUMMER_US && year >= 1987) {
        int64_t begin = year >= 2007 ? s_sunday (year, 3, 2) : s_sunday (year, 4, 1);
        int64_t end = year >= 2007 ? s_sunday (year, 11, 1) : s_sunday (year, 10, 0);
        begin_s = begin * DAY_S + 7200 - zone.offset_s;
        end_s = end * DAY_S + 3600 - zone.offset_s;
    } else if (zone.summer == SB_SUMMER_EU && year >= 1996) {
        begin_s = s_sunday (year, 3, 0) * DAY_S + 3600;
        end_s = s_sunday (year, 10, 0) * DAY_S + 3600;
    }
    return zone.offset_s + (now_s >= begin_s && now_s < end_s ? 3600 : 0);
}

int64_t sb_zone_day (sb_zone_t zone, int64_t unix_ns)
{
    return s_floor_divide (s_floor_divide (unix_ns, SB_SECOND_NS) + sb_zone_offset_s (zone, unix_ns), DAY_S);
}

/* ------------------------------------------------------------------ reading */

typedef struct {
    const char *at;
    const char *end;
} reader_t;

/* Exactly `count` digits. */
static bool s_digits (reader_t *reader, int count, int64_t *number)
{
    *number = 0;
    for (int i = 0; i < count; i++, reader->at++) {
        if (reader->at >= reader->end || *reader->at < '0' || *reader->at > '9')
            return false;
        *number = *number * 10 + (*reader->at - '0');
    }
    return true;
}

static bool s_octet (reader_t *reader, char octet)
{
    if (reader->at >= reader->end || *reader->at != octet)
        return false;
    reader->at++;
    return true;
}

/* Digits of a fraction, as billionths; what lies beyond the ninth is left out. */
static bool s_fraction (reader_t *reader, int64_t *billionths)
{
    int64_t unit = 100000000;
    const char *start = reader->at;
    *billionths = 0;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++, unit /= 10)
        *billionths += (*reader->at - '0') * unit;
    return reader->at > start;
}

/* +HH:MM, +HHMM, -HH:MM */
static bool s_offset (reader_t *reader, int32_t *offset_s)
{
    int64_t hours, minutes;
    bool is_negative = s_octet (reader, '-');
    if (!is_negative && !s_octet (reader, '+'))
        return false;
    if (!s_digits (reader, 2, &hours))
        return false;
    s_octet (reader, ':');
    if (!s_digits (reader, 2, &minutes) || hours > 14 || minutes > 59)
        return false;
    *offset_s = (int32_t)(hours * 3600 + minutes * 60) * (is_negative ? -1 : 1);
    return true;
}

bool sb_zone_parse (sb_text_t name, sb_zone_t *zone)
{
    static const struct {
        const char *name;
        sb_zone_t zone;
    } table[] = {
        {"UTC", {0, SB_SUMMER_NONE}},
        {"America/New_York", {-5 * 3600, SB_SUMMER_US}},
        {"America/Chicago", {-6 * 3600, SB_SUMMER_US}},
        {"Europe/London", {0, SB_SUMMER_EU}},
        {"Europe/Berlin", {3600, SB_SUMMER_EU}},
        {"Asia/Tokyo", {9 * 3600, SB_SUMMER_NONE}},
        {"Asia/Hong_Kong", {8 * 3600, SB_SUMMER_NONE}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strlen (table[i].name) == name.size && memcmp (table[i].name, name.data, name.size) == 0) {
            *zone = table[i].zone;
            return true;
        }
    reader_t reader = {name.data, name.data + name.size};
    *zone = (sb_zone_t){0, SB_SUMMER_NONE};
    return s_offset (&reader, &zone->offset_s) && reader.at == reader.end;
}

static const struct {
    const char *name;
    int64_t unit_ns;
} s_formats[] = {
#define SB_TIME_FORMAT_ROW(name, text, unit) [SB_TIME_FORMAT_##name] = {text, unit},
    SB_TIME_FORMAT_TABLE (SB_TIME_FORMAT_ROW)
#undef SB_TIME_FORMAT_ROW
};

bool sb_time_format_parse (sb_text_t name, sb_time_format_t *format)
{
    for (int i = 0; i < SB_TIME_FORMAT_LIMIT; i++)
        if (strlen (s_formats[i].name) == name.size && memcmp (s_formats[i].name, name.data, name.size) == 0) {
            *format = (sb_time_format_t)i;
            return true;
        }
    return false;
}

static bool s_unix_count (reader_t *reader, int64_t unit_ns, int64_t *unix_ns)
{
    bool is_negative = s_octet (reader, '-');
    int64_t whole = 0, billionths = 0;
    const char *start = reader->at;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++)
        if (__builtin_mul_overflow (whole, 10, &whole) || __builtin_add_overflow (whole, *reader->at - '0', &whole))
            return false;
    if (reader->at == start || (s_octet (reader, '.') && !s_fraction (reader, &billionths)))
        return false;
    int64_t fraction_ns = (int64_t)((__int128)billionths * unit_ns / SB_SECOND_NS);
    if (__builtin_mul_overflow (whole, unit_ns, unix_ns) || __builtin_add_overflow (*unix_ns, fraction_ns, unix_ns))
        return false;
    if (is_negative)
        *unix_ns = -*unix_ns;
    return reader->at == reader->end;
}

/* HH:MM[:SS[.fraction]] */
static bool s_clock (reader_t *reader, int64_t *second_of_day, int64_t *billionths)
{
    int64_t hour, minute, second = 0;
    if (!s_digits (reader, 2, &hour) || !s_octet (reader, ':') || !s_digits (reader, 2, &minute))
        return false;
    if (s_octet (reader, ':')) {
        if (!s_digits (reader, 2, &second))
            return false;
        if (s_octet (reader, '.') && !s_fraction (reader, billionths))
            return false;
    }
    *second_of_day = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

static bool s_date (reader_t *reader, int64_t *days)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!s_digits (reader, 4, &year))
        return false;
    bool has_dashes = s_octet (reader, '-');
    if (!s_digits (reader, 2, &month) || (has_dashes && !s_octet (reader, '-')) || !s_digits (reader, 2, &day))
        return false;
    if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1)
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && is_leap))
        return false;
    *days = sb_days_from_civil (year, (unsigned)month, (unsigned)day);
    return true;
}

static bool s_date_time (reader_t *reader, sb_zone_t zone, int64_t *unix_ns)
{
    int64_t days, second_of_day = 0, billionths = 0;
    bool has_offset = false;
    int32_t offset_s = 0;
    if (!s_date (reader, &days))
        return false;
    if (reader->at < reader->end) {
        if ((!s_octet (reader, ' ') && !s_octet (reader, 'T')) || !s_clock (reader, &second_of_day, &billionths))
            return false;
        has_offset = s_octet (reader, 'Z') || reader->at < reader->end;
        if (has_offset && reader->at < reader->end && !s_offset (reader, &offset_s))
            return false;
    }
    int64_t local_ns = (days * DAY_S + second_of_day) * SB_SECOND_NS + billionths;
    if (!has_offset) {
        /* Twice, so that the offset is that of the moment itself and not of its neighbour an hour away. */
        offset_s = sb_zone_offset_s (zone, local_ns - zone.offset_s * SB_SECOND_NS);
        offset_s = sb_zone_offset_s (zone, local_ns - offset_s * SB_SECOND_NS);
    }
    *unix_ns = local_ns - offset_s * SB_SECOND_NS;
    return reader->at == reader->end;
}

bool sb_time_parse (sb_text_t text, sb_time_format_t format, sb_zone_t zone, int64_t *unix_ns)
{
    reader_t reader = {text.data, text.data + text.size};
    if (format == SB_TIME_FORMAT_DATE)
        return s_date_time (&reader, zone, unix_ns);
    return s_unix_count (&reader, s_formats[format].unit_ns, unix_ns);
}

bool sb_duration_parse (sb_text_t text, int64_t *duration_ns)
{
    static const struct {
        const char *name;
        int64_t unit_ns;
    } units[] = {{"ms", 1000000},
                 {"s", SB_SECOND_NS},
                 {"m", 60 * SB_SECOND_NS},
                 {"h", 3600 * SB_SECOND_NS},
                 {"d", 86400 * SB_SECOND_NS}};
    reader_t reader = {text.data, text.data + text.size};
    *duration_ns = 0;
    if (text.size == 0)
        return false;
    while (reader.at < reader.end) {
        int64_t number = 0, unit_ns = 0;
        const char *start = reader.at;
        while (reader.at < reader.end && *reader.at >= '0' && *reader.at <= '9' && number < 1000000)
            number = number * 10 + (*reader.at++ - '0');
        if (reader.at == start)
            return false;
        if (reader.at == reader.end)
            unit_ns = SB_SECOND_NS;
        for (size_t i = 0; i < sizeof units / sizeof units[0] && !unit_ns; i++) {
            size_t size = strlen (units[i].name);
            if ((size_t)(reader.end - reader.at) >= size && memcmp (reader.at, units[i].name, size) == 0) {
                unit_ns = units[i].unit_ns;
                reader.at += size;
            }
        }
        if (!unit_ns || __builtin_mul_overflow (number, unit_ns, &number) ||
            __builtin_add_overflow (*duration_ns, number, duration_ns))
            return false;
    }
    return true;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Times as files write them, to nanoseconds since 1970-01-01T00:00:00Z: counts in some unit, and
 * dates with or without a time of day, in a zone. Pure: zones are a small table of rules, so that
 * a replay gives the same times on every machine; the system's zone files were rejected for that.
 */
#ifndef SB_CIVIL_H
#define SB_CIVIL_H

#include "sb_model.h"

#define SB_SECOND_NS INT64_C (1000000000)

/* ROW (enum name, name in a layout, nanoseconds of one unit; 0: written as a date) */
#define SB_TIME_FORMAT_TABLE(ROW)                                                                                      \
    ROW (UNIX_S, "unix_s", 1000000000)                                                                                 \
    ROW (UNIX_MS, "unix_ms", 1000000)                                                                                  \
    ROW (UNIX_US, "unix_us", 1000)                                                                                     \
    ROW (UNIX_NS, "unix_ns", 1)                                                                                        \
    ROW (DATE, "date", 0)

typedef enum {
#define SB_TIME_FORMAT_ENUM(name, text, unit) SB_TIME_FORMAT_##name,
    SB_TIME_FORMAT_TABLE (SB_TIME_FORMAT_ENUM)
#undef SB_TIME_FORMAT_ENUM
        SB_TIME_FORMAT_LIMIT
} sb_time_format_t;

/* A zone: its offset from UTC, and when an hour is added. */
typedef struct {
    int32_t offset_s;                                           /* east of Greenwich, in winter */
    enum { SB_SUMMER_NONE, SB_SUMMER_US, SB_SUMMER_EU } summer; /* rule for daylight saving time */
} sb_zone_t;

/* "UTC", "+05:30", "America/New_York" and the other names of the table. False when it is not known. */
bool sb_zone_parse (sb_text_t name, sb_zone_t *zone);

/* The format's row by its name. False when there is none. */
bool sb_time_format_parse (sb_text_t name, sb_time_format_t *format);

/* Reads a time. `date` takes YYYY-MM-DD or YYYYMMDD, then maybe a space or T and HH:MM, :SS, .fraction, then maybe Z or
 * +HH:MM, which goes before the zone. Unix counts may have a fraction. False: not a time, or outside 1678 to 2261. */
bool sb_time_parse (sb_text_t text, sb_time_format_t format, sb_zone_t zone, int64_t *unix_ns);

/* Seconds to add to UTC in `zone` at that moment. Cannot fail. */
int32_t sb_zone_offset_s (sb_zone_t zone, int64_t unix_ns);

/* Number of the local day that `unix_ns` falls on, counted from 1970-01-01. Cannot fail. */
int64_t sb_zone_day (sb_zone_t zone, int64_t unix_ns);

/* "90", "90s", "500ms", "15m", "16h30m", "32d" to nanoseconds, not negative. False when it is no duration. */
bool sb_duration_parse (sb_text_t text, int64_t *duration_ns);

/* Days from 1970-01-01 to a date of the Gregorian calendar; and its year, month, day. Cannot fail. */
int64_t sb_days_from_civil (int64_t year, unsigned month, unsigned day);

#endif

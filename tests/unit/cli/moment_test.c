/* SPDX-License-Identifier: MPL-2.0
 *
 * Times as people write them.
 */
#include "sb_moment.h"

#include <criterion/criterion.h>
#include <string.h>

#define NOW INT64_C (1723204801500000000) /* 2024-08-09 12:00:01.5 UTC */

Test (moment, is_read_in_every_form)
{
    static const struct {
        const char *text;
        int64_t unix_ns;
    } rows[] = {
        {"now", NOW},
        {"-0s", NOW},
        {"-5m", NOW - INT64_C (300000000000)},
        {"-1.5h", NOW - INT64_C (5400000000000)},
        {"-2d", NOW - INT64_C (172800000000000)},
        {"-250ms", NOW - INT64_C (250000000)},
        {"-7ns", NOW - 7},
        {"2024-08-09T12:00:01.5Z", NOW},
        {"2024-08-09 12:00:01.500Z", NOW},
        {"2024-08-09t14:00:01.5+02:00", NOW},
        {"2024-08-09T06:30:01.5-05:30", NOW},
        {"2024-08-09T12:00:01.500000007Z", NOW + 7},
        {"2024-08-09T12:00:01.50000000799Z", NOW + 7},
        {"2024-08-09", INT64_C (1723161600000000000)},
        {"2024-02-29", INT64_C (1709164800000000000)},
        {"1970-01-01T00:00:00Z", 0},
        {"1723204801500000000", NOW},
        {"0", 0},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        int64_t unix_ns = -1;
        const char *problem = sb_moment_read (rows[i].text, NOW, &unix_ns);
        cr_expect_null (problem, "%s %s", rows[i].text, problem ? problem : "");
        cr_expect_eq (unix_ns, rows[i].unix_ns, "%s: %lld", rows[i].text, (long long)unix_ns);
    }
}

Test (moment, that_makes_no_sense_is_refused)
{
    static const char *const texts[] = {"",
                                        "-",
                                        "-5",
                                        "-5x",
                                        "-m",
                                        "--5m",
                                        "-0x5m",
                                        "-inf s",
                                        "-1e300d",
                                        "-60000d",
                                        "yesterday",
                                        "99999999999999999999",
                                        "17232048015e8",
                                        "2024-02-30",
                                        "2023-02-29T00:00:00Z",
                                        "2024-13-01",
                                        "2024-00-01",
                                        "2024-8-9",
                                        "2024-08-09T",
                                        "2024-08-09T12:00Z",
                                        "2024-08-09T12:00:01",
                                        "2024-08-09T12:00:01.Z",
                                        "2024-08-09T24:00:00Z",
                                        "2024-08-09T12:60:00Z",
                                        "2024-08-09T12:00:01ZZ",
                                        "2024-08-09T12:00:01+0200",
                                        "2024-08-09x12:00:01Z",
                                        "1969-12-31T23:59:59Z",
                                        "1970-01-01T00:00:00+01:00",
                                        "2300-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof (texts) / sizeof (texts[0]); i++) {
        int64_t unix_ns;
        cr_expect_not_null (sb_moment_read (texts[i], NOW, &unix_ns), "\"%s\"", texts[i]);
    }
}

Test (moment, without_a_time_zone_is_told_of_the_Z)
{
    int64_t unix_ns;
    cr_expect_not_null (strstr (sb_moment_read ("2024-08-09T12:00:01", NOW, &unix_ns), "write Z after it"));
    cr_expect_not_null (strstr (sb_moment_read ("2024-08-09 12:00:01.5", NOW, &unix_ns), "write Z after it"));
    cr_expect_null (strstr (sb_moment_read ("2024-08-09 12:00:01.5ZZ", NOW, &unix_ns), "write Z after it"));
}

Test (moment, a_duration_is_1_ms_to_32_bits_of_them)
{
    static const struct {
        const char *text;
        uint32_t span_ms; /* 0: refused */
    } rows[] = {{"500ms", 500},      {"1.5h", 5400000}, {"30s", 30000},
                {"1ms", 1},          {"999us", 0},      {"0s", 0},
                {"-5s", 0},          {"30", 0},         {"4294967295ms", UINT32_MAX},
                {"4294967296ms", 0}, {"soon", 0},       {"", 0}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        uint32_t span_ms = 0;
        const char *problem = sb_moment_read_span_ms (rows[i].text, &span_ms);
        cr_expect_eq (!problem, rows[i].span_ms > 0, "%s", rows[i].text);
        cr_expect_eq (span_ms, rows[i].span_ms, "%s: %u", rows[i].text, span_ms);
    }
}

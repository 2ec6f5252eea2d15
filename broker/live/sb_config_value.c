/* SPDX-License-Identifier: MPL-2.0
 *
 * Configuration values as text: see sb_config_value.h. Units are rows of tables, largest last, so that formatting takes
 * the largest that divides.
 */
#define _GNU_SOURCE
#include "sb_config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    uint64_t factor;
} s_unit_t;

static const s_unit_t s_durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
static const s_unit_t s_short_durations[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {NULL, 0}};
static const s_unit_t s_sizes[] = {{"bytes", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

enum { UNITS = 4 }; /* at most, in a table */

/* Reads digits, blanks, then a unit's name or nothing. */
static bool s_read_quantity (const char *text, const s_unit_t *units, const char *bare_unit, uint64_t *result)
{
    char *end;
    if (!isdigit ((unsigned char)text[0]))
        return false;
    errno = 0;
    uint64_t number = strtoull (text, &end, 10);
    while (*end == ' ')
        end++;
    const char *name = *end ? end : bare_unit;
    for (int i = 0; i < UNITS && units[i].name; i++)
        if (strcmp (name, units[i].name) == 0 && errno == 0)
            return !__builtin_mul_overflow (number, units[i].factor, result);
    return false;
}

static const char *s_format_quantity (uint64_t number, const s_unit_t *units, char *text, size_t size)
{
    int best = 0;
    for (int i = 1; i < UNITS && units[i].name && number > 0; i++)
        if (number % units[i].factor == 0)
            best = i;
    snprintf (text, size, "%" PRIu64 " %s", number / units[best].factor, units[best].name);
    return text;
}

bool sb_value_read_duration (const char *text, const char *unit, uint64_t *duration_ms)
{
    return s_read_quantity (text, s_durations, unit, duration_ms);
}

bool sb_value_read_short_duration (const char *text, const char *unit, uint64_t *duration_us)
{
    return s_read_quantity (text, s_short_durations, unit, duration_us);
}

bool sb_value_read_bytes (const char *text, uint64_t *bytes)
{
    return s_read_quantity (text, s_sizes, "bytes", bytes);
}

bool sb_value_read_integer (const char *text, uint64_t *number)
{
    char *end;
    if (!isdigit ((unsigned char)text[0]))
        return false;
    errno = 0;
    *number = strtoull (text, &end, 10);
    return *end == '\0' && errno == 0;
}

int sb_value_read_choice (const char *text, const char *choices)
{
    const size_t size = strlen (text);
    for (int i = 0; *choices; i++) {
        const size_t choice_size = strcspn (choices, "|");
        if (choice_size == size && memcmp (choices, text, size) == 0)
            return i;
        choices += choice_size + (choices[choice_size] == '|');
    }
    return -1;
}

const char *sb_value_format_duration (uint64_t duration_ms, char *text, size_t size)
{
    return s_format_quantity (duration_ms, s_durations, text, size);
}

const char *sb_value_format_short_duration (uint64_t duration_us, char *text, size_t size)
{
    return s_format_quantity (duration_us, s_short_durations, text, size);
}

const char *sb_value_format_bytes (uint64_t bytes, char *text, size_t size)
{
    return s_format_quantity (bytes, s_sizes, text, size);
}

const char *sb_value_format_choice (uint32_t index, const char *choices, char *text, size_t size)
{
    for (; index > 0; index--)
        choices += strcspn (choices, "|") + 1;
    snprintf (text, size, "%.*s", (int)strcspn (choices, "|"), choices);
    return text;
}

/* ---------------------------------------------------------------- endpoints */

static bool s_read_port (const char *text, uint16_t *port)
{
    uint64_t number = 0;
    if (strcmp (text, "*") != 0 && (!sb_value_read_integer (text, &number) || number > UINT16_MAX))
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool s_is_loopback (const char *host)
{
    struct in_addr address;
    if (inet_pton (AF_INET, host, &address) == 1)
        return (ntohl (address.s_addr) >> 24) == 127;
    return strcmp (host, "::1") == 0 || strcmp (host, "localhost") == 0 || strcmp (host, "lo") == 0;
}

bool sb_value_read_endpoint (const char *text, sb_endpoint_t *endpoint)
{
    sb_endpoint_t unused;
    endpoint = endpoint ? endpoint : &unused;
    *endpoint = (sb_endpoint_t){0};
    static const char scheme[] = "tcp://";
    if (strncmp (text, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = text + sizeof scheme - 1;
    const char *colon = strrchr (host, ':');
    if (!colon || colon == host || !s_read_port (colon + 1, &endpoint->port))
        return false;
    size_t size = (size_t)(colon - host);
    endpoint->is_ipv6 = host[0] == '[' && host[size - 1] == ']';
    if (endpoint->is_ipv6) {
        host++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof endpoint->host)
        return false;
    memcpy (endpoint->host, host, size);
    struct in6_addr address;
    if (endpoint->is_ipv6 && inet_pton (AF_INET6, endpoint->host, &address) != 1)
        return false;
    for (const char *octet = endpoint->host; *octet && !endpoint->is_ipv6; octet++)
        if (!isalnum ((unsigned char)*octet) && !strchr ("*.-_", *octet))
            return false;
    if (strchr (endpoint->host, '*') && strcmp (endpoint->host, "*") != 0)
        return false;
    endpoint->is_loopback = s_is_loopback (endpoint->host);
    return true;
}

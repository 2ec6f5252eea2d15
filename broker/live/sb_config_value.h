/* SPDX-License-Identifier: MPL-2.0
 *
 * The types of configuration values as text: numbers with units, choices, endpoints, list entries. Pure functions.
 */
#ifndef SB_CONFIG_VALUE_H
#define SB_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads "1500", "60 s", "500 ms", "24 h" to ms. A bare number is in `unit` ("ms", "s", "m", "h"). False: no duration.
 */
bool sb_value_read_duration (const char *text, const char *unit, uint64_t *duration_ms);

/* The same for what is kept in us: "100 us", "2 ms", "1 s". `unit` is one of these. */
bool sb_value_read_short_duration (const char *text, const char *unit, uint64_t *duration_us);

/* Reads "262144", "256 KiB", "1 GiB" to octets. False: no size. */
bool sb_value_read_bytes (const char *text, uint64_t *bytes);

/* Reads a whole number, not negative. False: none. */
bool sb_value_read_integer (const char *text, uint64_t *number);

/* Index of `text` in "first|second|third", or -1. */
int sb_value_read_choice (const char *text, const char *choices);

/* Write the shortest text that reads back as the same; return `text`. */
const char *sb_value_format_duration (uint64_t duration_ms, char *text, size_t size);
const char *sb_value_format_short_duration (uint64_t duration_us, char *text, size_t size);
const char *sb_value_format_bytes (uint64_t bytes, char *text, size_t size);
const char *sb_value_format_choice (uint32_t index, const char *choices, char *text, size_t size);

/* A parsed tcp://HOST:PORT. */
typedef struct {
    char host[256]; /* without brackets; "*" for every interface */
    uint16_t port;  /* 0: any free one */
    bool is_loopback;
    bool is_ipv6;
} sb_endpoint_t;

/* Reads tcp://HOST:PORT, where HOST is *, a name, an IPv4 address or an IPv6 address in brackets, and PORT a number, *
 * or 0. `endpoint` may be NULL. False: not such a text. */
bool sb_value_read_endpoint (const char *text, sb_endpoint_t *endpoint);

#endif

/* SPDX-License-Identifier: MPL-2.0
 *
 * The state hash: the vectors that PROTOCOL.md gives to those who write it in other languages, independence of order,
 * and that nothing of a field can change without changing it.
 */
#include "sb_state_hash.h"

#include "sb_names.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER(x)                                                                                                      \
    {                                                                                                                  \
        .kind = SB_VALUE_NUMBER, .number = (x)                                                                         \
    }

static uint64_t s_hash (const char *topic, const char *name, sb_value_t value, sb_quality_t quality, uint64_t sequence)
{
    return sb_state_hash_field (sb_text (topic), sb_text (name), &value, quality, sequence);
}

/* ------------------------------------------------------------------ the vectors of PROTOCOL.md */

/* Octets written as pairs of hexadecimal digits; returns their number. */
static uint32_t s_octets (const char *digits, char *octets)
{
    uint32_t size = 0;
    for (unsigned octet; sscanf (digits + 2 * size, "%2x", &octet) == 1; size++)
        octets[size] = (char)octet;
    return size;
}

/* "number 1.5" and so on; `room` holds the octets of bytes. */
static sb_value_t s_value (const char *kind, const char *text, char *room)
{
    sb_value_t value = {.kind = SB_VALUE_NONE};
    if (strcmp (kind, "number") == 0) {
        value.kind = SB_VALUE_NUMBER;
        value.number = strtod (text, NULL);
    } else if (strcmp (kind, "integer") == 0) {
        value.kind = SB_VALUE_INTEGER;
        value.integer = strtoll (text, NULL, 10);
    } else if (strcmp (kind, "decimal") == 0) {
        char *exponent;
        value.kind = SB_VALUE_DECIMAL;
        value.decimal.unscaled = strtoll (text, &exponent, 10);
        value.decimal.exponent = (int32_t)strtol (exponent + 1, NULL, 10);
    } else if (strcmp (kind, "boolean") == 0) {
        value.kind = SB_VALUE_BOOLEAN;
        value.boolean = strcmp (text, "true") == 0;
    } else if (strcmp (kind, "text") == 0) {
        value.kind = SB_VALUE_TEXT;
        value.text = sb_text (text);
    } else if (strcmp (kind, "bytes") == 0) {
        value.kind = SB_VALUE_BYTES;
        value.bytes = (sb_text_t){room, s_octets (text, room)};
    }
    cr_assert_neq (value.kind, SB_VALUE_NONE, "unknown kind %s", kind);
    return value;
}

Test (state_hash, is_what_the_vectors_in_the_protocol_say)
{
    char path[1024], line[1024];
    const char *source = getenv ("SB_SOURCE_DIR");
    cr_assert (source, "SB_SOURCE_DIR names the source tree; ctest sets it");
    snprintf (path, sizeof path, "%s/schemas/PROTOCOL.md", source);
    FILE *file = fopen (path, "r");
    cr_assert (file, "%s", path);
    unsigned kinds = 0, rows = 0;
    uint64_t sum = 0, stated_sum = 0;
    while (fgets (line, sizeof line, file)) {
        char topic[200], name[200], kind[20], text[200], room[200];
        unsigned quality;
        uint64_t sequence, hash;
        if (sscanf (line, "| the sum | | | | | `%16" SCNx64 "` |", &stated_sum) == 1)
            continue;
        if (sscanf (line, "| `%199[^`]` | `%199[^`]` | %19[a-z] `%199[^`]` | %u | %" SCNu64 " | `%16" SCNx64 "` |",
                    topic, name, kind, text, &quality, &sequence, &hash) != 7)
            continue;
        sb_value_t value = s_value (kind, text, room);
        uint64_t made = s_hash (topic, name, value, (sb_quality_t)quality, sequence);
        cr_expect_eq (made, hash, "%016" PRIx64 " for %s", made, line);
        kinds |= 1u << value.kind;
        sum += made;
        rows++;
    }
    fclose (file);
    cr_expect_geq (rows, 8);
    cr_expect_eq (kinds, 0x7e, "every kind has a vector");
    cr_expect_eq (sum, stated_sum, "%016" PRIx64, sum);
}

/* ------------------------------------------------------------------ what it is for */

Test (state_hash, sum_does_not_depend_on_order_and_a_field_can_be_taken_out)
{
    enum { FIELDS = 50 };
    uint64_t forwards = 0, backwards = 0, terms[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%d", i);
        terms[i] = s_hash ("a.b.", name, (sb_value_t)NUMBER (i), SB_QUALITY_OK, (uint64_t)i + 1);
        forwards += terms[i];
    }
    for (int i = FIELDS; i > 0; i--)
        backwards += terms[i - 1];
    cr_expect_eq (forwards, backwards);
    forwards -= terms[7];
    forwards += terms[7];
    cr_expect_eq (forwards, backwards);
    cr_expect_neq (forwards, 0);
}

Test (state_hash, each_component_changes_it)
{
    const sb_value_t one = NUMBER (1.5);
    const sb_value_t values[] = {NUMBER (-1.5),
                                 NUMBER (0.0),
                                 NUMBER (-0.0),
                                 {.kind = SB_VALUE_NONE},
                                 {.kind = SB_VALUE_INTEGER, .integer = 1},
                                 {.kind = SB_VALUE_INTEGER, .integer = -1},
                                 {.kind = SB_VALUE_INTEGER, .integer = INT64_C (1) << 56},
                                 {.kind = SB_VALUE_DECIMAL, .decimal = {1, 0}},
                                 {.kind = SB_VALUE_DECIMAL, .decimal = {1, -1}},
                                 {.kind = SB_VALUE_DECIMAL, .decimal = {-1, 0}},
                                 {.kind = SB_VALUE_BOOLEAN, .boolean = false},
                                 {.kind = SB_VALUE_BOOLEAN, .boolean = true},
                                 {.kind = SB_VALUE_TEXT, .text = {NULL, 0}},
                                 {.kind = SB_VALUE_TEXT, .text = {"1", 1}},
                                 {.kind = SB_VALUE_BYTES, .bytes = {NULL, 0}},
                                 {.kind = SB_VALUE_BYTES, .bytes = {"1", 1}},
                                 {.kind = SB_VALUE_BYTES, .bytes = {"\0", 1}}};
    enum { VALUES = sizeof values / sizeof values[0], OTHERS = 12 };
    const uint64_t hashes[OTHERS + VALUES] = {
        s_hash ("a.b.", "name", one, SB_QUALITY_OK, 1),
        s_hash ("a.b.c", "name", one, SB_QUALITY_OK, 1),
        s_hash ("a.c.", "name", one, SB_QUALITY_OK, 1),
        s_hash ("a.b.n", "ame", one, SB_QUALITY_OK, 1), /* the NUL between them counts */
        s_hash ("a.b.", "nam", one, SB_QUALITY_OK, 1),
        s_hash ("a.b.", "eman", one, SB_QUALITY_OK, 1),
        s_hash ("a.b.", "name", one, SB_QUALITY_UNKNOWN, 1),
        s_hash ("a.b.", "name", one, SB_QUALITY_STALE, 1),
        s_hash ("a.b.", "name", one, SB_QUALITY_FORCED_STALE, 1),
        s_hash ("a.b.", "name", one, SB_QUALITY_OK, 2),
        s_hash ("a.b.", "name", one, SB_QUALITY_OK, 256),
        s_hash ("a.b.", "name", one, SB_QUALITY_OK, SB_NUMBER_MAX)};
    uint64_t all[OTHERS + VALUES];
    memcpy (all, hashes, sizeof all);
    for (int i = 0; i < VALUES; i++)
        all[OTHERS + i] = s_hash ("a.b.", "name", values[i], SB_QUALITY_OK, 1);
    for (int i = 0; i < OTHERS + VALUES; i++)
        for (int n = 0; n < i; n++)
            cr_expect_neq (all[i], all[n], "%d and %d", i, n);
}

/* Fields that differ in one bit must not cancel each other out in a sum: half of the bits differ, give or take. */
Test (state_hash, terms_are_well_mixed)
{
    int differing = 0;
    for (uint64_t sequence = 1; sequence <= 64; sequence++)
        differing += __builtin_popcountll (s_hash ("a.b.", "f", (sb_value_t)NUMBER (1), SB_QUALITY_OK, sequence) ^
                                           s_hash ("a.b.", "f", (sb_value_t)NUMBER (1), SB_QUALITY_OK, sequence ^ 1));
    cr_expect (differing > 64 * 28 && differing < 64 * 36, "%d of 4096", differing);
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * Entries of lists, see sb_config_entry.h. An entry is words between blanks; a quantity is a number with or without its
 * unit, which may be a word of its own ("16 MiB"). Each kind of entry is a row of s_kinds.
 */
#include "sb_config_entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sb_config_value.h"
#include "sb_names.h"

#define UPDATES_MAX UINT64_C (100000000)
#define BYTES_MAX   (UINT64_C (1) << 40)
#define AGE_MAX_MS  UINT64_C (31536000000)

enum { QUANTITY_MAX = 48 };

static const char s_not_a_category[] = "not a category (a-z 0-9 _, at most 32, not all)";

/* Takes the next word off *text; empty at the end. */
static sb_text_t s_word (const char **text)
{
    const char *start = *text + strspn (*text, " \t");
    sb_text_t word = {start, (uint32_t)strcspn (start, " \t")};
    *text = start + word.size;
    return word;
}

static bool s_is_at_end (const char *text)
{
    return text[strspn (text, " \t")] == '\0';
}

/* Takes a number and its unit off *text, as "number unit". False at the end, and where it is too long to be one. */
static bool s_quantity (const char **text, char *quantity)
{
    sb_text_t number = s_word (text);
    const char *rest = *text;
    sb_text_t unit = s_word (&rest);
    bool is_bare = number.size == strspn (number.data, "0123456789");
    if (!is_bare || unit.size == 0 || strchr ("0123456789", unit.data[0]))
        unit = (sb_text_t){"", 0};
    else
        *text = rest;
    if (number.size == 0 || number.size + unit.size + 2 > QUANTITY_MAX)
        return false;
    snprintf (quantity, QUANTITY_MAX, "%.*s%s%.*s", (int)number.size, number.data, unit.size ? " " : "", (int)unit.size,
              unit.data);
    return true;
}

const char *sb_entry_read_history (const char *text, sb_history_bound_t *bound)
{
    char quantity[QUANTITY_MAX];
    uint64_t updates;
    *bound = (sb_history_bound_t){.category = s_word (&text)};
    bool is_broker = bound->category.size > 0 && bound->category.data[0] == '_';
    sb_text_t name = {bound->category.data + is_broker, bound->category.size - is_broker};
    if (!sb_name_is_category (name))
        return s_not_a_category;
    if (is_broker && !sb_text_equal (name, sb_text ("event")))
        return "of the broker's own topics only _event is kept in history";
    sb_text_t number = s_word (&text);
    snprintf (quantity, sizeof quantity, "%.*s", (int)number.size, number.data);
    if (number.size >= sizeof quantity || !sb_value_read_integer (quantity, &updates) || updates > UPDATES_MAX)
        return "UPDATES is a number, 0 to 100000000";
    bound->updates = (uint32_t)updates;
    if (s_is_at_end (text))
        return NULL;
    if (!s_quantity (&text, quantity) || !sb_value_read_bytes (quantity, &bound->bytes) || bound->bytes > BYTES_MAX)
        return "BYTES is a size such as 4096, 256 KiB or 16 MiB, at most history/bytes; 0 stands for that";
    if (s_is_at_end (text))
        return NULL;
    if (!s_quantity (&text, quantity) || !sb_value_read_duration (quantity, "s", &bound->age_ms) ||
        bound->age_ms > AGE_MAX_MS)
        return "AGE is a duration such as 500 ms, 30 s, 5 m or 24 h, at most 8760 h; 0 stands for history/age";
    return s_is_at_end (text) ? NULL : "nothing comes after AGE";
}

const char *sb_entry_read_time_to_live (const char *text, sb_time_to_live_t *entry)
{
    char quantity[QUANTITY_MAX];
    uint64_t time_ms;
    *entry = (sb_time_to_live_t){.category = s_word (&text)};
    if (!sb_name_is_category (entry->category))
        return s_not_a_category;
    if (!s_quantity (&text, quantity) || !sb_value_read_duration (quantity, "s", &time_ms) || time_ms < 1 ||
        time_ms > UINT32_MAX)
        return "DURATION is such as 500 ms, 30 s, 5 m or 24 h: 1 ms to 1193 h";
    entry->time_to_live_ms = (uint32_t)time_ms;
    return s_is_at_end (text) ? NULL : "nothing comes after DURATION";
}

const char *sb_entry_read_rule (const char *text, sb_category_rule_t *rule)
{
    rule->pattern = s_word (&text);
    rule->category = s_word (&text);
    if (rule->category.size == 0 || !s_is_at_end (text))
        return "not two words";
    return sb_name_is_category (rule->category) ? NULL : "the second word is not a category";
}

static const char *s_check_history (const char *text)
{
    sb_history_bound_t bound;
    return sb_entry_read_history (text, &bound);
}

static const char *s_check_time_to_live (const char *text)
{
    sb_time_to_live_t entry;
    return sb_entry_read_time_to_live (text, &entry);
}

static const char *s_check_rule (const char *text)
{
    sb_category_rule_t rule;
    return sb_entry_read_rule (text, &rule);
}

static const char *s_check_category (const char *text)
{
    return sb_name_is_category (sb_text (text)) ? NULL : s_not_a_category;
}

static const struct {
    const char *unit;
    const char *(*check) (const char *text);
} s_kinds[] = {
    {"CATEGORY", s_check_category},
    {"CATEGORY UPDATES [BYTES [AGE]]", s_check_history},
    {"CATEGORY DURATION", s_check_time_to_live},
    {"PATTERN CATEGORY", s_check_rule},
};

const char *sb_entry_check (const char *unit, const char *text)
{
    for (size_t i = 0; i < sizeof s_kinds / sizeof s_kinds[0]; i++)
        if (strcmp (s_kinds[i].unit, unit) == 0)
            return s_kinds[i].check (text);
    return "no such list";
}

const char *sb_entry_format_history (const sb_history_bound_t *bound, char *text, size_t size)
{
    char bytes[QUANTITY_MAX] = "", age[QUANTITY_MAX] = "";
    if (bound->bytes || bound->age_ms)
        sb_value_format_bytes (bound->bytes, bytes, sizeof bytes);
    if (bound->age_ms)
        sb_value_format_duration (bound->age_ms, age, sizeof age);
    snprintf (text, size, "%.*s %" PRIu32 "%s%s%s%s", (int)bound->category.size, bound->category.data, bound->updates,
              bytes[0] ? " " : "", bytes, age[0] ? " " : "", age);
    return text;
}

/* SPDX-License-Identifier: MPL-2.0
 *
 * The configuration table and its values: see sb_config.h. Each type of value is a row of s_types: how it is read,
 * and how it is written. Scalars lie in sb_config_t at the key's offset, texts are owned copies, lists
 * keep their entries as written until sb_config_finish makes the core's arrays of them.
 */
#define _GNU_SOURCE
#include "sb_config.h"
#include "sb_config_entry.h"
#include "sb_config_value.h"
#include "sb_names.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, LIST_MAX = 4096, WORD_MAX = 192 };

#define SB_CONFIG_WHEN_RELOAD  true
#define SB_CONFIG_WHEN_RESTART false
#define SB_CONFIG_KEY(path, type, unit, low, high, default, when, member, prose)                                       \
    {path,                                                                                                             \
     SB_CONFIG_##type,                                                                                                 \
     unit,                                                                                                             \
     low,                                                                                                              \
     high,                                                                                                             \
     default,                                                                                                          \
     SB_CONFIG_WHEN_##when,                                                                                            \
     offsetof (sb_config_t, member),                                                                                   \
     sizeof (((sb_config_t *)NULL)->member),                                                                           \
     prose},
static const sb_config_key_t s_keys[] = {
#include "config_keys.def"
};
#undef SB_CONFIG_KEY

enum { KEYS = sizeof s_keys / sizeof s_keys[0] };

const sb_config_key_t *sb_config_keys (uint32_t *count)
{
    *count = KEYS;
    return s_keys;
}

const sb_config_key_t *sb_config_find (const char *path)
{
    for (uint32_t i = 0; i < KEYS; i++)
        if (strcmp (s_keys[i].path, path) == 0)
            return &s_keys[i];
    return NULL;
}

/* Edit distance, given up beyond WORD_MAX. */
static uint32_t s_distance (const char *left, const char *right)
{
    uint32_t row[WORD_MAX + 1];
    const size_t size = strlen (right);
    if (size > WORD_MAX)
        return UINT32_MAX;
    for (uint32_t i = 0; i <= size; i++)
        row[i] = i;
    for (uint32_t i = 0; left[i]; i++) {
        uint32_t corner = row[0];
        row[0] = i + 1;
        for (uint32_t j = 0; j < size; j++) {
            uint32_t change = corner + (left[i] != right[j]);
            corner = row[j + 1];
            uint32_t shift = (row[j] < corner ? row[j] : corner) + 1;
            row[j + 1] = change < shift ? change : shift;
        }
    }
    return row[size];
}

const sb_config_key_t *sb_config_nearest (const char *path)
{
    const sb_config_key_t *best = NULL;
    uint32_t best_distance = 4;
    const char *name = strrchr (path, '/');
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t distance = s_distance (path, s_keys[i].path);
        /* The right name in the wrong section is near, too. */
        if (name && strcmp (name, strrchr (s_keys[i].path, '/')) == 0 && distance >= best_distance)
            distance = best_distance - 1;
        if (distance < best_distance) {
            best = &s_keys[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---------------------------------------------------------------- values in place */

static void *s_member (const sb_config_t *self, const sb_config_key_t *key)
{
    return (char *)(uintptr_t)self + key->offset;
}

static uint64_t s_number (const sb_config_t *self, const sb_config_key_t *key)
{
    const void *member = s_member (self, key);
    return key->size == sizeof (uint32_t) ? *(const uint32_t *)member : *(const uint64_t *)member;
}

static void s_put_number (sb_config_t *self, const sb_config_key_t *key, uint64_t number)
{
    if (key->size == sizeof (uint32_t))
        *(uint32_t *)s_member (self, key) = (uint32_t)number;
    else
        *(uint64_t *)s_member (self, key) = number;
}

static void s_put_text (sb_config_t *self, const sb_config_key_t *key, const char *text)
{
    char **member = s_member (self, key);
    char *copy = strdup (text);
    assert (copy);
    free (*member);
    *member = copy;
}

static sb_config_list_t *s_list (const sb_config_t *self, const sb_config_key_t *key)
{
    return s_member (self, key);
}

void sb_config_list_clear (sb_config_list_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        free (self->items[i]);
    free (self->items);
    free (self->lines);
    *self = (sb_config_list_t){0};
}

static void s_list_append (sb_config_list_t *self, const char *item)
{
    self->items = realloc (self->items, (self->count + 1) * sizeof *self->items);
    self->lines = realloc (self->lines, (self->count + 1) * sizeof *self->lines);
    assert (self->items && self->lines);
    self->items[self->count] = strdup (item);
    assert (self->items[self->count]);
    self->lines[self->count++] = 0;
}

/* The entry whose first word, a category, is that of `item`; NULL: there is none. */
static const char *s_same_category (const sb_config_list_t *self, const char *item)
{
    size_t size = strcspn (item, " \t");
    for (uint32_t i = 0; i < self->count; i++)
        if (strcspn (self->items[i], " \t") == size && strncmp (self->items[i], item, size) == 0)
            return self->items[i];
    return NULL;
}

/* ---------------------------------------------------------------- setting */

static bool s_read_number (const sb_config_key_t *key, const char *value, uint64_t *number)
{
    switch (key->type) {
    case SB_CONFIG_INTEGER:
        return sb_value_read_integer (value, number);
    case SB_CONFIG_DURATION:
        return sb_value_read_duration (value, key->unit, number);
    case SB_CONFIG_SHORT_DURATION:
        return sb_value_read_short_duration (value, key->unit, number);
    default:
        return sb_value_read_bytes (value, number);
    }
}

static void s_describe_range (const sb_config_key_t *key, char *text, size_t size)
{
    char low[32], high[32];
    if (key->type == SB_CONFIG_DURATION)
        snprintf (text, size, "%s to %s", sb_value_format_duration (key->low, low, sizeof low),
                  sb_value_format_duration (key->high, high, sizeof high));
    else if (key->type == SB_CONFIG_SHORT_DURATION)
        snprintf (text, size, "%s to %s", sb_value_format_short_duration (key->low, low, sizeof low),
                  sb_value_format_short_duration (key->high, high, sizeof high));
    else if (key->type == SB_CONFIG_BYTES)
        snprintf (text, size, "%s to %s", sb_value_format_bytes (key->low, low, sizeof low),
                  sb_value_format_bytes (key->high, high, sizeof high));
    else
        snprintf (text, size, "%" PRIu64 " to %" PRIu64, key->low, key->high);
}

static bool s_set_number (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    static const char *const expected[] = {[SB_CONFIG_INTEGER] = "a whole number",
                                           [SB_CONFIG_DURATION] = "a duration such as 500 ms, 30 s, 5 m or 24 h",
                                           [SB_CONFIG_SHORT_DURATION] = "a duration such as 100 us, 2 ms or 1 s",
                                           [SB_CONFIG_BYTES] = "a size such as 4096, 256 KiB, 16 MiB or 1 GiB"};
    uint64_t number;
    char range[80];
    if (!s_read_number (key, value, &number)) {
        snprintf (problem, size, "%s: \"%s\" is not %s", key->path, value, expected[key->type]);
        return false;
    }
    if (number < key->low || number > key->high) {
        s_describe_range (key, range, sizeof range);
        snprintf (problem, size, "%s: %s is out of range: it may be %s", key->path, value, range);
        return false;
    }
    s_put_number (self, key, number);
    return true;
}

static bool s_set_choice (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    int index = sb_value_read_choice (value, key->unit);
    if (index < 0) {
        snprintf (problem, size, "%s: \"%s\" is not one of %s", key->path, value, key->unit);
        return false;
    }
    s_put_number (self, key, (uint64_t)index);
    return true;
}

static bool s_set_text (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    if (strlen (value) > key->high || strpbrk (value, "\"\n\r") || !sb_text_is_utf8 (sb_text (value))) {
        snprintf (problem, size, "%s: a text of at most %" PRIu64 " octets of UTF-8 without \" and line breaks",
                  key->path, key->high);
        return false;
    }
    s_put_text (self, key, value);
    return true;
}

static bool s_set_endpoint (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem,
                            size_t size)
{
    if (!sb_value_read_endpoint (value, NULL)) {
        snprintf (problem, size, "%s: \"%s\" is not of the form tcp://HOST:PORT (HOST may be *, PORT may be * or 0)",
                  key->path, value);
        return false;
    }
    s_put_text (self, key, value);
    return true;
}

static bool s_set_list (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    sb_config_list_t *list = s_list (self, key);
    if (value[0] == '\0') {
        sb_config_list_clear (list);
        return true;
    }
    const char *fault =
        strpbrk (value, ",\"\n\r") ? "it has a comma, quote or line break" : sb_entry_check (key->unit, value);
    if (!fault && list->count >= LIST_MAX)
        fault = "the list is too long";
    if (fault) {
        snprintf (problem, size, "%s: \"%s\" is not of the form %s: %s", key->path, value, key->unit, fault);
        return false;
    }
    const char *before = strncmp (key->unit, "CATEGORY ", 9) == 0 ? s_same_category (list, value) : NULL;
    if (before) {
        snprintf (problem, size, "%s: \"%s\" is of the same category as \"%s\" before it: keep one of them", key->path,
                  value, before);
        return false;
    }
    s_list_append (list, value);
    return true;
}

typedef bool (s_setter_t) (sb_config_t *, const sb_config_key_t *, const char *, char *, size_t);

static s_setter_t *const s_setters[] = {
    [SB_CONFIG_INTEGER] = s_set_number, [SB_CONFIG_DURATION] = s_set_number, [SB_CONFIG_SHORT_DURATION] = s_set_number,
    [SB_CONFIG_BYTES] = s_set_number,   [SB_CONFIG_CHOICE] = s_set_choice,   [SB_CONFIG_ENDPOINT] = s_set_endpoint,
    [SB_CONFIG_TEXT] = s_set_text,      [SB_CONFIG_LIST] = s_set_list,
};

bool sb_config_set (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    return s_setters[key->type](self, key, value, problem, size);
}

bool sb_config_set_whole (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size)
{
    if (key->type != SB_CONFIG_LIST)
        return sb_config_set (self, key, value, problem, size);
    char *copy = strdup (value);
    assert (copy);
    sb_config_list_clear (s_list (self, key));
    bool is_good = true;
    char *rest = copy;
    while (is_good && rest) {
        char *item = strsep (&rest, ",");
        item += strspn (item, " \t");
        for (size_t end = strlen (item); end > 0 && strchr (" \t", item[end - 1]); end--)
            item[end - 1] = '\0';
        is_good = item[0] == '\0' || sb_config_set (self, key, item, problem, size);
    }
    free (copy);
    return is_good;
}

const char *sb_config_format (const sb_config_t *self, const sb_config_key_t *key, uint32_t index, char *text,
                              size_t size)
{
    switch (key->type) {
    case SB_CONFIG_INTEGER:
        snprintf (text, size, "%" PRIu64, s_number (self, key));
        return text;
    case SB_CONFIG_DURATION:
        return sb_value_format_duration (s_number (self, key), text, size);
    case SB_CONFIG_SHORT_DURATION:
        return sb_value_format_short_duration (s_number (self, key), text, size);
    case SB_CONFIG_BYTES:
        return sb_value_format_bytes (s_number (self, key), text, size);
    case SB_CONFIG_CHOICE:
        return sb_value_format_choice ((uint32_t)s_number (self, key), key->unit, text, size);
    case SB_CONFIG_LIST:
        snprintf (text, size, "%s", s_list (self, key)->items[index]);
        return text;
    default:
        snprintf (text, size, "%s", *(char *const *)s_member (self, key));
        return text;
    }
}

bool sb_config_same (const sb_config_t *left, const sb_config_t *right, const sb_config_key_t *key)
{
    char left_text[TEXT_MAX], right_text[TEXT_MAX];
    uint32_t count = 1;
    if (key->type == SB_CONFIG_LIST) {
        count = s_list (left, key)->count;
        if (s_list (right, key)->count != count)
            return false;
    }
    for (uint32_t i = 0; i < count; i++)
        if (strcmp (sb_config_format (left, key, i, left_text, sizeof left_text),
                    sb_config_format (right, key, i, right_text, sizeof right_text)) != 0)
            return false;
    return true;
}

/* ---------------------------------------------------------------- layers */

static const char *s_rename (const char *path, const char *prefix, char separator, bool is_upper, char *name,
                             size_t size)
{
    snprintf (name, size, "%s%s", prefix, path);
    for (char *octet = name + strlen (prefix); *octet; octet++)
        *octet = !isalnum ((unsigned char)*octet) ? separator
                 : is_upper                       ? (char)toupper ((unsigned char)*octet)
                                                  : *octet;
    return name;
}

const char *sb_config_variable_name (const sb_config_key_t *key, char *name, size_t size)
{
    return s_rename (key->path, "SYNCBUS_", '_', true, name, size);
}

const char *sb_config_flag_name (const sb_config_key_t *key, char *name, size_t size)
{
    return s_rename (key->path, "", '-', false, name, size);
}

uint32_t sb_config_read_environment (sb_config_t *self, char *const *environment, FILE *problems)
{
    uint32_t problem_count = 0;
    char name[WORD_MAX], problem[TEXT_MAX];
    for (uint32_t i = 0; i < KEYS; i++) {
        sb_config_variable_name (&s_keys[i], name, sizeof name);
        const size_t size = strlen (name);
        for (char *const *variable = environment; variable && *variable; variable++) {
            if (strncmp (*variable, name, size) != 0 || (*variable)[size] != '=')
                continue;
            if (sb_config_set_whole (self, &s_keys[i], *variable + size + 1, problem, sizeof problem))
                continue;
            fprintf (problems, "environment: %s: %s\n", name, problem);
            problem_count++;
        }
    }
    return problem_count;
}

/* The core's own lists are the defaults of ours. */
static void s_default_lists (sb_config_t *self)
{
    char entry[WORD_MAX * 2];
    for (uint32_t i = 0; i < self->core.history_bound_count; i++)
        s_list_append (&self->history_list,
                       sb_entry_format_history (&self->core.history_bounds[i], entry, sizeof entry));
    for (uint32_t i = 0; i < self->core.category_rule_count; i++) {
        const sb_category_rule_t *rule = &self->core.category_rules[i];
        snprintf (entry, sizeof entry, "%.*s %.*s", (int)rule->pattern.size, rule->pattern.data,
                  (int)rule->category.size, rule->category.data);
        s_list_append (&self->rule_list, entry);
    }
    for (uint32_t i = 0; i < self->core.event_category_count; i++) {
        const sb_text_t *category = &self->core.event_categories[i];
        snprintf (entry, sizeof entry, "%.*s", (int)category->size, category->data);
        s_list_append (&self->event_list, entry);
    }
    for (uint32_t i = 0; i < self->core.admitted_category_count; i++) {
        const sb_text_t *category = &self->core.admitted_categories[i];
        snprintf (entry, sizeof entry, "%.*s", (int)category->size, category->data);
        s_list_append (&self->admitted_list, entry);
    }
    self->core.history_bounds = NULL;
    self->core.category_rules = NULL;
    self->core.event_categories = NULL;
    self->core.admitted_categories = NULL;
    self->core.history_bound_count = self->core.category_rule_count = 0;
    self->core.event_category_count = self->core.admitted_category_count = 0;
}

sb_config_t *sb_config_new (void)
{
    sb_config_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    sb_core_config_default (&self->core);
    s_default_lists (self);
    for (uint32_t i = 0; i < KEYS; i++) {
        char problem[TEXT_MAX];
        bool is_good = s_keys[i].type == SB_CONFIG_LIST ||
                       sb_config_set (self, &s_keys[i], s_keys[i].default_text, problem, sizeof problem);
        assert (is_good);
    }
    return self;
}

static void s_free_arrays (sb_config_t *self)
{
    free ((void *)(uintptr_t)self->core.history_bounds);
    free ((void *)(uintptr_t)self->core.times_to_live);
    free ((void *)(uintptr_t)self->core.category_rules);
    free ((void *)(uintptr_t)self->core.event_categories);
    free ((void *)(uintptr_t)self->core.admitted_categories);
}

void sb_config_destroy (sb_config_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_config_t *self = *self_p;
    s_free_arrays (self);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (s_keys[i].type == SB_CONFIG_LIST)
            sb_config_list_clear (s_list (self, &s_keys[i]));
        else if (s_keys[i].type == SB_CONFIG_TEXT || s_keys[i].type == SB_CONFIG_ENDPOINT)
            free (*(char **)s_member (self, &s_keys[i]));
    }
    free (self->file);
    free (self);
    *self_p = NULL;
}

/* ---------------------------------------------------------------- finishing */

static const sb_text_t *s_text_array (const sb_config_list_t *list, uint32_t *count)
{
    sb_text_t *texts = calloc (list->count + 1, sizeof *texts);
    assert (texts);
    for (uint32_t i = 0; i < list->count; i++)
        texts[i] = sb_text (list->items[i]);
    *count = list->count;
    return texts;
}

static void s_make_arrays (sb_config_t *self)
{
    s_free_arrays (self);
    sb_history_bound_t *bounds = calloc (self->history_list.count + 1, sizeof *bounds);
    sb_time_to_live_t *times = calloc (self->expiry_list.count + 1, sizeof *times);
    sb_category_rule_t *rules = calloc (self->rule_list.count + 1, sizeof *rules);
    assert (bounds && times && rules);
    const char *fault = NULL;
    for (uint32_t i = 0; i < self->history_list.count && !fault; i++)
        fault = sb_entry_read_history (self->history_list.items[i], &bounds[i]);
    for (uint32_t i = 0; i < self->expiry_list.count && !fault; i++)
        fault = sb_entry_read_time_to_live (self->expiry_list.items[i], &times[i]);
    for (uint32_t i = 0; i < self->rule_list.count && !fault; i++)
        fault = sb_entry_read_rule (self->rule_list.items[i], &rules[i]);
    assert (!fault); /* they were checked when they were set */
    self->core.history_bounds = bounds;
    self->core.history_bound_count = self->history_list.count;
    self->core.times_to_live = times;
    self->core.time_to_live_count = self->expiry_list.count;
    self->core.category_rules = rules;
    self->core.category_rule_count = self->rule_list.count;
    self->core.event_categories = s_text_array (&self->event_list, &self->core.event_category_count);
    self->core.admitted_categories = s_text_array (&self->admitted_list, &self->core.admitted_category_count);
}

static void s_fill_paths (sb_config_t *self)
{
    char path[TEXT_MAX];
    const char *state_home = getenv ("XDG_STATE_HOME");
    const char *home = getenv ("HOME");
    if (!self->state_directory[0]) {
        if (geteuid () == 0)
            snprintf (path, sizeof path, "/var/lib/syncbus");
        else if (state_home && state_home[0] == '/')
            snprintf (path, sizeof path, "%s/syncbus", state_home);
        else
            snprintf (path, sizeof path, "%s/.local/state/syncbus", home ? home : "");
        s_put_text (self, sb_config_find ("state/dir"), path);
    }
    if (!self->control_file[0] && snprintf (path, sizeof path, "%s/control", self->state_directory) > 0)
        s_put_text (self, sb_config_find ("control/file"), path);
    if (!self->audit_file[0] && snprintf (path, sizeof path, "%s/audit.jsonl", self->state_directory) > 0)
        s_put_text (self, sb_config_find ("audit/file"), path);
}

uint32_t sb_config_finish (sb_config_t *self, FILE *problems)
{
    uint32_t problem_count = 0;
    if (self->core.recovery_delay_max_ms < self->core.recovery_delay_ms) {
        fprintf (problems, "breaker/recovery_delay_max is shorter than breaker/recovery_delay\n");
        problem_count++;
    }
    if (self->core.control_timeout_ms < 2 * self->core.tick_interval_ms) {
        fprintf (problems, "health/control_timeout is shorter than two of health/tick_interval: agents would pause "
                           "themselves between two levels\n");
        problem_count++;
    }
    s_fill_paths (self);
    s_make_arrays (self);
    for (uint32_t i = 0; i < self->core.history_bound_count; i++) {
        if (self->core.history_bounds[i].bytes <= self->core.history_bytes)
            continue;
        if (self->history_list.lines[i])
            fprintf (problems, "%s:%u: ", self->file, self->history_list.lines[i]);
        fprintf (problems, "history/category: \"%s\" keeps more octets than history/bytes lets any category keep\n",
                 self->history_list.items[i]);
        problem_count++;
    }
    if (self->core.time_to_live_count > SB_TIMES_TO_LIVE_MAX) {
        fprintf (problems, "expiry/category: %u entries, where an agent can be told of %d\n",
                 self->core.time_to_live_count, SB_TIMES_TO_LIVE_MAX);
        problem_count++;
    }
    return problem_count;
}

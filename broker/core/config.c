/* SPDX-License-Identifier: MPL-2.0
 *
 * The configuration inside the core: its defaults, a deep copy of what the shell hands in, the categorizer.
 *
 * The copy is one run of memory: first the arrays, then the octets of all texts. Categorizing walks the rules in
 * order and takes the first whose pattern matches: O(rules) for each field of a delta without category. A compiled
 * automaton was rejected: some fifty rules of one star each are as fast, and are what the user wrote.
 */
#include "state.h"

#include <string.h>

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (literal), sizeof (literal) - 1                                                                                \
    }
#define COUNT(array) ((uint32_t)(sizeof (array) / sizeof *(array)))

static const sb_category_rule_t s_rules[] = {
#define SB_RULE(pattern, category) {TEXT (pattern), TEXT (category)},
#include "category_rules.def"
#undef SB_RULE
};

static const sb_history_bound_t s_bounds[] = {{TEXT ("market_data"), 1000, 0, 0},
                                              {TEXT ("scanner_data"), 500, 0, 0},
                                              {TEXT ("trades"), 10000, 0, 0},
                                              {TEXT ("_event"), 10000, 0, 0}};

static const sb_text_t s_event_categories[] = {TEXT ("trades"), TEXT ("execution_result")};

void sb_core_config_default (sb_core_config_t *config)
{
    *config = (sb_core_config_t){.heartbeat_interval_ms = 1000,
                                 .tick_interval_ms = 1000,
                                 .tick_timeout_ms = 10000,
                                 .control_timeout_ms = 10000,
                                 .forget_after_ms = UINT64_C (24) * 3600 * 1000,
                                 .failure_threshold = 5,
                                 .failure_window_ms = 60000,
                                 .recovery_delay_ms = 30000,
                                 .recovery_delay_max_ms = 300000,
                                 .timeout_per_agent_ms = 5000,
                                 .probes = 3,
                                 .max_message_bytes = 256 * 1024,
                                 .max_unacked = 4096,
                                 .max_changes = SB_CHANGES_MAX,
                                 .max_agents = 10000,
                                 .max_interests = 64,
                                 .max_fields_agent_category = 4096,
                                 .max_fields = 1000000,
                                 .max_topics = 262144,
                                 .max_categories = 256,
                                 .max_value_bytes = UINT64_C (1) << 30,
                                 .max_pending_commands = 1000,
                                 .max_replies = 10000,
                                 .reply_memory_ms = 600000,
                                 .history_updates = 1000,
                                 .history_bytes = UINT64_C (16) << 20,
                                 .max_conflations = 256,
                                 .history_bounds = s_bounds,
                                 .history_bound_count = COUNT (s_bounds),
                                 .category_rules = s_rules,
                                 .category_rule_count = COUNT (s_rules),
                                 .event_categories = s_event_categories,
                                 .event_category_count = COUNT (s_event_categories)};
}

/* Copies texts and arrays one after the other; with memory NULL it only counts. */
typedef struct {
    char *memory;
    size_t used;
} s_packer_t;

static void *s_pack (s_packer_t *packer, const void *octets, size_t size)
{
    void *place = packer->memory ? packer->memory + packer->used : NULL;
    if (place && size)
        memcpy (place, octets, size);
    packer->used += (size + 15) & ~(size_t)15;
    return place;
}

static void s_pack_text (s_packer_t *packer, sb_text_t *text)
{
    text->data = s_pack (packer, text->data, text->size);
}

/* Packs everything that *config points to, and points it there when there is memory. */
static void s_pack_config (s_packer_t *packer, sb_core_config_t *config)
{
    sb_core_config_t copy = *config;
    sb_history_bound_t *bounds = s_pack (packer, copy.history_bounds, copy.history_bound_count * sizeof *bounds);
    sb_time_to_live_t *times = s_pack (packer, copy.times_to_live, copy.time_to_live_count * sizeof *times);
    sb_category_rule_t *rules = s_pack (packer, copy.category_rules, copy.category_rule_count * sizeof *rules);
    sb_text_t *events = s_pack (packer, copy.event_categories, copy.event_category_count * sizeof *events);
    sb_text_t *admitted = s_pack (packer, copy.admitted_categories, copy.admitted_category_count * sizeof *admitted);
    sb_text_t scratch;
    for (uint32_t i = 0; i < copy.history_bound_count; i++)
        s_pack_text (packer, bounds ? &bounds[i].category : (scratch = copy.history_bounds[i].category, &scratch));
    for (uint32_t i = 0; i < copy.time_to_live_count; i++)
        s_pack_text (packer, times ? &times[i].category : (scratch = copy.times_to_live[i].category, &scratch));
    for (uint32_t i = 0; i < copy.category_rule_count; i++) {
        s_pack_text (packer, rules ? &rules[i].pattern : (scratch = copy.category_rules[i].pattern, &scratch));
        s_pack_text (packer, rules ? &rules[i].category : (scratch = copy.category_rules[i].category, &scratch));
    }
    for (uint32_t i = 0; i < copy.event_category_count; i++)
        s_pack_text (packer, events ? &events[i] : (scratch = copy.event_categories[i], &scratch));
    for (uint32_t i = 0; i < copy.admitted_category_count; i++)
        s_pack_text (packer, admitted ? &admitted[i] : (scratch = copy.admitted_categories[i], &scratch));
    s_pack_text (packer, &copy.version);
    s_pack_text (packer, &copy.ingress_endpoint);
    s_pack_text (packer, &copy.publish_endpoint);
    s_pack_text (packer, &copy.command_endpoint);
    if (!packer->memory)
        return;
    copy.history_bounds = bounds;
    copy.times_to_live = times;
    copy.category_rules = rules;
    copy.event_categories = events;
    copy.admitted_categories = admitted;
    *config = copy;
}

bool sb_config_adopt (sb_core_t *self, const sb_core_config_t *config)
{
    sb_core_config_t copy = *config;
    s_packer_t packer = {NULL, 16};
    s_pack_config (&packer, &copy);
    size_t size = packer.used;
    packer = (s_packer_t){sb_memory_take (&self->memory, size), 0};
    if (!packer.memory)
        return false;
    s_pack_config (&packer, &copy);
    sb_config_release (self);
    self->config = copy;
    self->config_memory = packer.memory;
    self->config_size = size;
    return true;
}

void sb_config_release (sb_core_t *self)
{
    sb_memory_give (&self->memory, self->config_memory, self->config_size);
    self->config_memory = NULL;
}

/* Does `pattern` match all of `name`? After a star, the last star is widened by one octet at each mismatch. */
static bool s_glob (sb_text_t pattern, sb_text_t name)
{
    uint32_t p = 0, n = 0, star = UINT32_MAX, star_name = 0;
    while (n < name.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = p++;
            star_name = n;
        } else if (p < pattern.size && (pattern.data[p] == '?' || pattern.data[p] == name.data[n])) {
            p++;
            n++;
        } else if (star != UINT32_MAX) {
            p = star + 1;
            n = ++star_name;
        } else
            return false;
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}

/* False for most patterns: they begin with a letter that is not the name's. */
static inline bool s_may_begin (sb_text_t pattern, sb_text_t name)
{
    if (!pattern.size || !name.size)
        return true;
    char first = pattern.data[0];
    return first == name.data[0] || first == '*' || first == '?';
}

sb_text_t sb_config_categorize (const sb_core_t *self, sb_text_t name)
{
    const sb_core_config_t *config = &self->config;
    for (uint32_t i = 0; i < config->category_rule_count; i++) {
        const sb_category_rule_t *rule = &config->category_rules[i];
        if (s_may_begin (rule->pattern, name) && s_glob (rule->pattern, name))
            return rule->category;
    }
    return (sb_text_t)TEXT ("uncategorized");
}

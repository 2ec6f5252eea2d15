/* SPDX-License-Identifier: MPL-2.0
 *
 * sb_sim: runs seeds one after another. Each prints its options, then one line of figures; the first that fails prints
 * why and ends the program with 1. Phases of a seed: everybody starts; trouble, for at least 5,000 events and ten
 * virtual minutes; then all is healed, and when it has rested, both sides must agree.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 500, ORDER_MS = 2000, REST_MS = 60000, LOOK_MS = 1013, STILL_MS = 25000, AGAIN_EVERY = 10 };
enum { ARENA_BYTES = 64 << 20 };

typedef struct {
    uint64_t first, count;
    bool is_traced;
    sim_canary_t canary;
} s_arguments_t;

static const char *const s_canaries[SIM_CANARY_LIMIT] = {
    "none",
#define SIM_CANARY(name, text) #name,
#include "sim_canaries.def"
#undef SIM_CANARY
};

/* ------------------------------------------------------------------ one seed */

static void s_configure (sim_t *self)
{
    static const sb_category_rule_t rules[] = {{{"x*", 2}, {"technical", 9}}};
    static const sb_text_t admitted[] = {{"market_data", 11}};
    const sim_options_t *options = &self->options;
    sb_core_config_t *config = &self->config;
    sb_core_config_default (config);
    config->category_rules = rules;
    config->category_rule_count = 1;
    config->admitted_categories = admitted;
    config->admitted_category_count = options->admitted;
    config->recovery_delay_ms = options->recovery_delay_ms;
    config->recovery_delay_max_ms = 10000;
    config->publish_endpoint = sb_text ("tcp://*:5571");
    config->version = sb_text ("simulated");
    config->max_unacked = options->max_unacked;
    config->max_message_bytes = options->max_message_bytes;
    config->max_changes = options->max_changes;
    config->max_fields_agent_category = options->max_fields_agent_category;
    config->max_fields = options->max_fields;
    config->max_topics = options->max_topics;
    config->max_agents = options->max_agents;
    config->forget_after_ms = options->forget_after_ms;
    config->history_updates = options->history_updates;
    config->history_bytes = options->history_bytes;
    config->history_age_ms = options->history_age_ms;
    config->max_conflations = options->max_conflations;
    self->times_to_live[0] = (sb_time_to_live_t){sb_text ("status"), options->ttl_category_ms};
    config->times_to_live = self->times_to_live;
    config->time_to_live_count = options->ttl_category_ms ? 1 : 0;
    self->history_bounds[0] = (sb_history_bound_t){sb_text ("risk"), options->history_updates / 2, 0, 0};
    config->history_bounds = self->history_bounds;
    config->history_bound_count = 1;
}

static void s_start (sim_t *self)
{
    self->agent_count = self->options.agents;
    self->liar_count = self->options.liars;
    for (uint32_t i = 0; i < self->agent_count + self->liar_count; i++)
        snprintf (self->names[i], SIM_NAME_SIZE, i < self->agent_count ? "agent%u" : "liar%u",
                  i < self->agent_count ? i : i - self->agent_count);
    sim_broker_start (self);
    for (uint32_t i = 0; i < self->agent_count + self->liar_count; i++)
        sim_process_start (self, i);
    sim_run_for (self, START_MS);
}

/* Who was displaced, or hears of it only now, ends for good: somebody starts it anew. */
static void s_start_anew (sim_t *self)
{
    for (uint32_t i = 0; i < self->agent_count; i++) {
        if (!self->current[i]->is_final)
            continue;
        sim_process_end (self, self->current[i], false);
        if (!sim_process_start (self, i))
            sim_fail (self, "no room for more processes");
    }
}

static void s_heal (sim_t *self)
{
    self->is_healing = true;
    sim_say (self, "HEALING");
    for (uint32_t i = 0; i < self->process_count; i++) {
        sim_process_t *process = &self->processes[i];
        process->held_until_ns = process->busy_until_ns = 0;
        if (process->is_running && process->is_liar)
            sim_process_end (self, process, false);
    }
    /* Of several processes under an id the last one started stays. */
    for (uint32_t i = 0; i < self->process_count; i++)
        if (self->processes[i].is_running && self->current[self->processes[i].agent] != &self->processes[i])
            sim_process_end (self, &self->processes[i], false);
    self->broker_held_until_ns = 0;
    if (!self->core)
        sim_run_for (self, (self->broker_down_until_ns - self->now_ns) / SIM_MS + 2);
    for (int i = 0; i < 3; i++) {
        s_start_anew (self);
        sim_operators_heal (self);
        sim_run_for (self, ORDER_MS);
    }
    self->healed_ns = self->now_ns;
    while (!sim_check_is_at_rest (self, self->now_ns >= self->healed_ns + REST_MS * SIM_MS))
        sim_run_for (self, LOOK_MS);
    self->rest_ms = sim_is_bounded (self) ? 0 : (self->now_ns - self->healed_ns) / SIM_MS;
    sim_say (self, "AT REST after %" PRIu64 " ms", self->rest_ms);
    sim_run_for (self, STILL_MS);
    /* Small queues may drop something still, when many times to live end at once. */
    uint64_t again_ns = self->now_ns;
    while (!sim_check_is_at_rest (self, self->now_ns >= again_ns + REST_MS * SIM_MS))
        sim_run_for (self, LOOK_MS);
}

static void s_free (sim_t *self)
{
    for (uint32_t i = 0; i < self->process_count; i++)
        sim_process_end (self, &self->processes[i], false);
    for (uint32_t i = 0; i < self->connection_high; i++) {
        sim_line_clear (&self->connections[i].up);
        sim_line_clear (&self->connections[i].down);
    }
    sim_pubsub_free (self);
    sim_broker_free (self);
    sim_checker_destroy (&self->checker);
    sb_arena_destroy (&self->arena_in);
    sb_arena_destroy (&self->arena_out);
    free (self->disk.operators);
    free (self->disk.ids);
    free (self->lost_peers);
    free (self->happenings);
    free (self);
}

static sim_t *s_run_seed (const s_arguments_t *arguments, uint64_t seed, bool is_first)
{
    sim_t *self = calloc (1, sizeof *self);
    assert (self);
    self->seed = seed;
    self->random = seed * UINT64_C (0x5851F42D4C957F2D) + 1;
    self->trace_hash = UINT64_C (14695981039346656037);
    self->is_traced = arguments->is_traced;
    self->canary = arguments->canary;
    self->now_ns = UINT64_C (1000000) * SIM_MS;
    self->arena_in = sb_arena_new (ARENA_BYTES);
    self->arena_out = sb_arena_new (ARENA_BYTES);
    assert (self->arena_in && self->arena_out);
    self->checker = sim_checker_new (self);
    sim_options_draw (self);
    if (is_first)
        sim_options_print (self);
    s_configure (self);
    uint64_t started_ns = self->now_ns;
    s_start (self);
    uint64_t trouble_ns = (uint64_t)SIM_MINUTES_MIN * 60000 * SIM_MS - START_MS * SIM_MS;
    while (self->events < SIM_EVENTS_MIN || self->now_ns - started_ns < trouble_ns) {
        sim_act (self);
        sim_run_for (self, 1 + sim_below (self, 2 * self->options.pace_ms));
        sim_readers_check (self);
    }
    s_heal (self);
    sim_check_agreement (self);
    return self;
}

static void s_report (const sim_t *self)
{
    printf ("passed seed %" PRIu64 " hash %016" PRIx64 " events %" PRIu64 " virtual_ms %" PRIu64 " checks %" PRIu64
            " rest_ms %" PRIu64 " faults",
            self->seed, self->trace_hash, self->events, self->now_ns / SIM_MS - 1000000, self->checks, self->rest_ms);
    for (uint32_t i = 0; i < SIM_FAULT_LIMIT; i++)
        printf (" %s=%" PRIu64, sim_fault_name ((sim_fault_t)i), self->faults[i]);
    printf ("\n");
    fflush (stdout);
}

/* ------------------------------------------------------------------ the command line */

static bool s_parse_number (const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull (text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0;
}

static bool s_parse (int argc, char **argv, s_arguments_t *arguments)
{
    *arguments = (s_arguments_t){.first = 1, .count = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp (argv[i], "--trace") == 0) {
            arguments->is_traced = true;
        } else if (strcmp (argv[i], "--seed") == 0 || strcmp (argv[i], "--first") == 0) {
            if (!s_parse_number (value, &arguments->first))
                return false;
            i++;
        } else if (strcmp (argv[i], "--count") == 0) {
            if (!s_parse_number (value, &arguments->count))
                return false;
            i++;
        } else if (strcmp (argv[i], "--canary") == 0) {
            for (uint32_t j = 1; j < SIM_CANARY_LIMIT; j++)
                if (strcmp (value, s_canaries[j]) == 0)
                    arguments->canary = (sim_canary_t)j;
            if (arguments->canary == SIM_CANARY_NONE)
                return false;
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int main (int argc, char **argv)
{
    s_arguments_t arguments;
    if (!s_parse (argc, argv, &arguments)) {
        fprintf (stderr, "usage: sb_sim [--seed N | --first N] [--count N] [--trace] "
                         "[--canary NAME]\n");
        return 2;
    }
    for (uint64_t seed = arguments.first; seed < arguments.first + arguments.count; seed++) {
        sim_t *run = s_run_seed (&arguments, seed, true);
        uint64_t hash = run->trace_hash;
        s_report (run);
        s_free (run);
        if (seed % AGAIN_EVERY != 0 || arguments.canary != SIM_CANARY_NONE)
            continue;
        run = s_run_seed (&arguments, seed, false);
        if (run->trace_hash != hash)
            sim_fail (run, "the same seed gave another trace");
        s_free (run);
    }
    return 0;
}

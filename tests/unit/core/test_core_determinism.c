/* SPDX-License-Identifier: MPL-2.0
 *
 * The same events give the same effects, byte for byte, whatever the addresses and the hash keys are.
 *
 * Two cores run one seeded script (determinism_script.c) with different allocators and different hash keys; what comes
 * of it is hashed (determinism_run.c). The numbers of what the script made happen are checked too, so that it cannot
 * become an empty proof.
 */
#include "determinism.h"

#include <stdlib.h>

#include "sb_names.h"
#include "sb_reasons.h"

enum { EVENTS = 60000, ARENA_BYTES = 64 * 1024 * 1024 };

static run_result_t s_play (uint64_t seed, uint64_t hash_seed, unsigned char fill, size_t padding, bool with_one_more)
{
    run_t *self = calloc (1, sizeof *self);
    cr_assert_not_null (self);
    self->random.state = seed;
    self->now_ns = 1000000 * MS;
    self->unix_ns = UNIX_START_NS;
    self->fill = fill;
    self->padding = padding;
    self->result.hash = UINT64_C (0xcbf29ce484222325);
    self->arena = sb_arena_new (ARENA_BYTES);
    cr_assert_not_null (self->arena);
    sb_core_config_t config;
    sb_core_config_default (&config);
    config.max_agents = AGENTS - 4; /* so that some are refused, or forgotten */
    config.max_fields = 2000;
    config.max_topics = 400;
    config.max_replies = 200;
    config.max_pending_commands = 8;
    config.forget_after_ms = 30000;
    const sb_time_to_live_t times[] = {{sb_text ("agent"), 700}, {sb_text ("trades"), 1500}};
    config.times_to_live = times;
    config.time_to_live_count = 2;
    config.max_conflations = 4;
    sb_core_identity_t identity = {.stream_id = 7, .epoch = 1, .hash_seed = hash_seed, .session_seed = 1};
    sb_allocator_t allocator = {run_allocate, run_release, self};
    self->core = sb_core_new (&config, &identity, &allocator, self->now_ns, self->unix_ns);
    cr_assert_not_null (self->core);
    while (self->result.steps < EVENTS)
        script_happen (self);
    if (with_one_more)
        script_send_heartbeat (self);
    run_step (self, (sb_event_t){.kind = SB_EVENT_SHUTDOWN});
    run_hash_number (&self->result.hash, sb_core_memory_bytes (self->core));
    run_result_t result = self->result;
    sb_core_destroy (&self->core);
    sb_arena_destroy (&self->arena);
    free (self);
    return result;
}

/* The script did what it is for. */
static void s_check_rich (const run_result_t *result)
{
    for (int kind = SB_EFFECT_STORE; kind <= SB_EFFECT_LOG; kind++)
        cr_assert_gt (result->kinds[kind], 100, "effects of kind %d: %u", kind, result->kinds[kind]);
    const sb_reason_t refusals[] = {SB_REASON_REGISTER_AGAIN,     SB_REASON_SEQUENCE_GAP, SB_REASON_NOT_FINITE,
                                    SB_REASON_EMERGENCY_STOPPED,  SB_REASON_PAUSED,       SB_REASON_ISOLATED,
                                    SB_REASON_BREAKER_OPEN,       SB_REASON_MALFORMED,    SB_REASON_PROTOCOL_VERSION,
                                    SB_REASON_REPLACE_INCOMPLETE, SB_REASON_BAD_AGENT_ID};
    for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        cr_assert_gt (result->refusals[refusals[i]], 0, "never refused: %s", sb_reason_info (refusals[i])->name);
    cr_assert_gt (result->joins, 50);
    cr_assert_gt (result->chunks, 200);
    cr_assert_gt (result->expired, 500);
    cr_assert_gt (result->merged, 100, "%u", result->merged);
    cr_assert_gt (result->ends[SB_REASON_NONE], 50);
    cr_assert_gt (result->ends[SB_REASON_BAD_INTEREST], 10);
    const sb_reason_t replies[] = {SB_REASON_NONE,
                                   SB_REASON_TIMEOUT,
                                   SB_REASON_EXPIRED,
                                   SB_REASON_UNKNOWN_AGENT,
                                   SB_REASON_UNKNOWN_COMMAND,
                                   SB_REASON_COMMAND_ID_REUSED,
                                   SB_REASON_WRONG_STATE,
                                   SB_REASON_UNKNOWN_PARAMETER,
                                   SB_REASON_BAD_REQUEST,
                                   SB_REASON_REASON_REQUIRED,
                                   SB_REASON_WRONG_EPOCH,
                                   SB_REASON_AGENT_REFUSED,
                                   SB_REASON_NOT_CONNECTED};
    for (uint32_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        cr_assert_gt (result->replies[replies[i]], 0, "never replied: %s", sb_reason_info (replies[i])->name);
}

Test (core_determinism, same_events_give_the_same_effects_byte_for_byte, .timeout = 300)
{
    run_result_t first = s_play (20240808, 1, 0xa5, 0, false);
    run_result_t second = s_play (20240808, UINT64_C (0xfeedfacecafebeef), 0x5a, 4096, false);
    cr_assert_geq (first.steps, EVENTS);
    cr_assert_eq (first.steps, second.steps);
    cr_assert_eq (first.hash, second.hash, "%016llx against %016llx", (unsigned long long)first.hash,
                  (unsigned long long)second.hash);
    s_check_rich (&first);
}

Test (core_determinism, another_script_gives_other_effects, .timeout = 300)
{
    run_result_t plain = s_play (3, 1, 0, 0, false);
    run_result_t longer = s_play (3, 1, 0, 0, true);
    cr_assert_neq (plain.hash, longer.hash, "one more event must show");
}

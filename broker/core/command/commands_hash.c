/* SPDX-License-Identifier: MPL-2.0
 *
 * state_hash: one number for the state under some interests. See state_hashes.h.
 *
 * Measured (release, 2 cores, a busy machine): a slice of 512 numbers 30 us, of 32 KiB of texts 50 us; 200,000 topics
 * of a field each take 400 slices, 13 ms in all.
 */
#include <string.h>

#include "commands_internal.h"
#include "sb_state_hash.h"
#include "state.h"

static sb_state_hashes_t *s_hashes (const sb_core_t *core)
{
    return &core->control->hashes;
}

static void s_release (sb_core_t *core, sb_state_hash_walk_t *walk)
{
    sb_scope_fini (&walk->scope, &core->memory);
    *walk = (sb_state_hash_walk_t){0};
    s_hashes (core)->count--;
}

void sb_state_hash_fini (sb_core_t *core)
{
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++)
        sb_scope_fini (&s_hashes (core)->walks[i].scope, &core->memory);
}

/* ------------------------------------------------------------------ asking */

/* The words of `interests`; `all` when there are none. False when there are too many. */
static bool s_split (sb_core_t *core, sb_text_t text, sb_registration_t *asked)
{
    sb_text_t *words = sb_core_take (core, SB_SNAPSHOT_INTERESTS_MAX * sizeof *words);
    asked->interests = words;
    for (uint32_t place = 0; place < text.size; place++) {
        const char *first = text.data + place;
        const char *space = memchr (first, ' ', text.size - place);
        uint32_t size = space ? (uint32_t)(space - first) : text.size - place;
        if (size == 0)
            continue;
        if (asked->interest_count == SB_SNAPSHOT_INTERESTS_MAX)
            return false;
        words[asked->interest_count++] = (sb_text_t){first, size};
        place += size;
    }
    return true;
}

/* NULL when as many are under way as may be; agents leave room for operators. */
static sb_state_hash_walk_t *s_free_walk (const sb_core_t *core, bool by_agent)
{
    if (by_agent && s_hashes (core)->count >= SB_STATE_HASHES_MAX - SB_STATE_HASHES_KEPT)
        return NULL;
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++)
        if (!s_hashes (core)->walks[i].is_used)
            return &s_hashes (core)->walks[i];
    return NULL;
}

void sb_handle_state_hash (sb_core_t *core, sb_call_t *call)
{
    sb_registration_t asked = {0};
    sb_text_t *merged;
    uint32_t count;
    if (!s_split (core, sb_command_text (call, "interests"), &asked) ||
        sb_interest_merge (core, &asked, &merged, &count) != SB_REASON_NONE) {
        sb_call_refuse (core, call, SB_REASON_BAD_PARAMETER, sb_text ("interests"));
        return;
    }
    sb_state_hash_walk_t *walk = s_free_walk (core, call->by_agent);
    if (walk == NULL || !sb_scope_init (&walk->scope, &core->memory, merged, count)) {
        sb_call_refuse (core, call, SB_REASON_TOO_MANY_PENDING, sb_text ("state hashes"));
        return;
    }
    walk->is_used = true;
    walk->asker = call->asker;
    walk->command_id_size = (uint8_t)call->request->command_id.size;
    memcpy (walk->command_id, call->request->command_id.data, walk->command_id_size);
    s_hashes (core)->count++;
    call->end = SB_CALL_WAITS_WALK;
}

/* ------------------------------------------------------------------ answering */

/* Makes the reply's record, or its refusal, sends it and forgets the walk. */
static void s_answer (sb_core_t *core, sb_state_hash_walk_t *walk, sb_reason_t reason, const char *text)
{
    sb_text_t command_id = sb_core_copy (core, (sb_text_t){walk->command_id, walk->command_id_size});
    sb_command_request_t request = {.command_id = command_id};
    sb_call_t call = {.command = SB_COMMAND_state_hash,
                      .info = sb_command_info (SB_COMMAND_state_hash),
                      .request = &request,
                      .asker = walk->asker};
    call.reply = (sb_command_reply_t){.command_id = command_id, .code = reason, .message = sb_text (text)};
    if (reason == SB_REASON_NONE) {
        sb_call_reserve (core, &call, 1);
        sb_row_t row = sb_call_row (core, &call, 0);
        sb_row_text (&row, "state_hash", sb_core_format (core, "%016llx", (unsigned long long)walk->sum));
        sb_row_integer (&row, "topics", walk->topic_count);
        sb_row_integer (&row, "fields", walk->field_count);
    } else {
        sb_core_counter_add (core, SB_COUNTER_commands_refused, 1);
        core->refusals[reason]++;
    }
    s_release (core, walk);
    sb_call_reply_stored (core, &call);
}

void sb_state_hash_shutdown (sb_core_t *core)
{
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++)
        if (s_hashes (core)->walks[i].is_used)
            s_answer (core, &s_hashes (core)->walks[i], SB_REASON_BROKER_STOPPING,
                      sb_reason_info (SB_REASON_BROKER_STOPPING)->text);
}

/* ------------------------------------------------------------------ what happens meanwhile */

void sb_state_hash_note (sb_core_t *core, sb_text_t topic)
{
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++) {
        sb_state_hash_walk_t *walk = &s_hashes (core)->walks[i];
        if (walk->is_begun && !walk->is_disturbed)
            walk->is_disturbed = sb_scope_matches (&walk->scope, topic);
    }
}

void sb_state_hash_field_removed (sb_core_t *core, uint32_t field)
{
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++)
        if (s_hashes (core)->walks[i].is_begun)
            sb_walk_field_removed (core, &s_hashes (core)->walks[i].place, field);
}

/* ------------------------------------------------------------------ slices */

static bool s_is_ready (const sb_state_hash_walk_t *walk)
{
    return walk->is_used && walk->retry_ns == 0;
}

bool sb_state_hash_has_work (const sb_core_t *core)
{
    for (uint32_t i = 0; s_hashes (core)->count > 0 && i < SB_STATE_HASHES_MAX; i++)
        if (s_is_ready (&s_hashes (core)->walks[i]))
            return true;
    return false;
}

void sb_state_hash_tick (sb_core_t *core)
{
    for (uint32_t i = 0; s_hashes (core)->count > 0 && i < SB_STATE_HASHES_MAX; i++)
        if (s_hashes (core)->walks[i].retry_ns <= core->now_ns)
            s_hashes (core)->walks[i].retry_ns = 0; /* its turn may come later: that is no lateness */
}

uint64_t sb_state_hash_deadline (const sb_core_t *core)
{
    uint64_t deadline_ns = SB_NEVER;
    for (uint32_t i = 0; s_hashes (core)->count > 0 && i < SB_STATE_HASHES_MAX; i++) {
        const sb_state_hash_walk_t *walk = &s_hashes (core)->walks[i];
        if (walk->is_used && walk->retry_ns && walk->retry_ns < deadline_ns)
            deadline_ns = walk->retry_ns;
    }
    return deadline_ns;
}

/* Adds fields of the place's topic, up to the bounds of a slice. */
static void s_add_fields (const sb_core_t *core, sb_state_hash_walk_t *walk, uint32_t *fields, uint64_t *bytes)
{
    const sb_topic_t *topic = sb_topic_at (core, walk->place.topic);
    while (walk->place.field && *fields < SB_HASH_SLICE_FIELDS && *bytes < SB_HASH_SLICE_BYTES) {
        const sb_field_t *field = sb_field_at (core, walk->place.field);
        sb_value_t value = sb_core_value (&field->value);
        walk->sum += sb_state_hash_field (sb_topic_text (topic), sb_field_text (field), &value,
                                          (sb_quality_t)topic->quality, field->sequence);
        walk->field_count++;
        (*fields)++;
        *bytes += topic->text_size + field->name_size + field->value.size;
        sb_walk_past_field (core, &walk->place);
    }
}

/* Goes on with one walk. True when it came to the end. */
static bool s_walk (const sb_core_t *core, sb_state_hash_walk_t *walk)
{
    uint32_t budget = SB_SLICE_TOPICS, fields = 0;
    uint64_t bytes = 0;
    bool is_entered;
    while (fields < SB_HASH_SLICE_FIELDS && bytes < SB_HASH_SLICE_BYTES &&
           sb_walk_topic (core, &walk->scope, &walk->place, &budget, &is_entered)) {
        walk->topic_count += is_entered;
        s_add_fields (core, walk, &fields, &bytes);
    }
    sb_walk_rest (core, &walk->place);
    return sb_walk_is_over (core, &walk->place);
}

/* The state did not hold still: later again, or not any more. */
static void s_retry (sb_core_t *core, sb_state_hash_walk_t *walk)
{
    walk->is_begun = false;
    sb_core_counter_add (core, SB_COUNTER_state_hash_restarts, 1);
    if (walk->tries < SB_STATE_HASH_TRIES)
        walk->retry_ns = core->now_ns + SB_STATE_HASH_RETRY_MS * SB_MS;
    else
        s_answer (core, walk, SB_REASON_WRONG_STATE,
                  "the state did not hold still in 20 tries: ask when less is published, or for narrower interests");
}

static void s_begin (sb_state_hash_walk_t *walk)
{
    walk->is_begun = true;
    walk->is_disturbed = false;
    walk->tries++;
    walk->place = (sb_walk_place_t){0};
    walk->sum = walk->field_count = walk->topic_count = 0;
}

void sb_state_hash_slice (sb_core_t *core)
{
    sb_state_hashes_t *hashes = s_hashes (core);
    for (uint32_t i = 0; i < SB_STATE_HASHES_MAX; i++) {
        sb_state_hash_walk_t *walk = &hashes->walks[hashes->turn];
        hashes->turn = (hashes->turn + 1) % SB_STATE_HASHES_MAX;
        if (!s_is_ready (walk))
            continue;
        if (!walk->is_begun)
            s_begin (walk);
        if (walk->is_disturbed)
            s_retry (core, walk);
        else if (s_walk (core, walk))
            s_answer (core, walk, SB_REASON_NONE, "");
        return;
    }
}

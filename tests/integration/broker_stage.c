/* SPDX-License-Identifier: MPL-2.0
 *
 * See broker_stage.h.
 */
#include "broker_stage.h"

#include <criterion/criterion.h>

sb_stage_t sb_stage_begin (const char *const *arguments)
{
    sb_stage_t self = {.scene = sb_scene_new ()};
    sb_scene_start_broker (self.scene, arguments);
    self.commander = sb_commander_new (sb_scene_command (self.scene));
    self.good = sb_peer_join (sb_scene_ingress (self.scene), "good", 1);
    return self;
}

void sb_stage_end (sb_stage_t *self)
{
    cr_assert_eq (sb_stage_good_delta (self), SB_REASON_NONE, "the good agent is no longer served");
    sb_peer_destroy (&self->good);
    sb_commander_destroy (&self->commander);
    sb_scene_destroy (&self->scene);
}

sb_reason_t sb_stage_good_delta (sb_stage_t *self)
{
    self->good_sequence++;
    sb_peer_send_number (self->good, self->good_sequence, "market_data", "BTC", "price", (double)self->good_sequence);
    return sb_peer_await_decision (self->good, self->good_sequence);
}

static int64_t s_integer (const sb_value_t *value)
{
    return value && value->kind == SB_VALUE_INTEGER ? value->integer : 0;
}

int64_t sb_stage_refused (sb_stage_t *self, sb_reason_t reason)
{
    const sb_command_reply_t *reply = sb_commander_do (self->commander, "status", NULL);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    return s_integer (sb_reply_value (reply, "reason", sb_reason_info (reason)->name, "refused"));
}

int64_t sb_stage_status (sb_stage_t *self, const char *column)
{
    const sb_command_reply_t *reply = sb_commander_do (self->commander, "status", NULL);
    cr_assert_eq (reply->code, SB_REASON_NONE);
    const sb_value_t *value = sb_reply_value (reply, "record", "broker", column);
    cr_assert (value, "status has no column %s", column);
    return s_integer (value);
}

sb_text_t sb_stage_agent (sb_stage_t *self, const char *agent_id, const char *column)
{
    const sb_command_reply_t *reply = sb_commander_do (self->commander, "health", NULL);
    const sb_value_t *value = sb_reply_value (reply, "agent_id", agent_id, column);
    return value && value->kind == SB_VALUE_TEXT ? value->text : sb_text ("");
}

typedef struct {
    sb_stage_t *stage;
    const char *column;
    int64_t value;
} s_awaited_t;

static bool s_has_reached (void *context)
{
    const s_awaited_t *awaited = context;
    return sb_stage_status (awaited->stage, awaited->column) >= awaited->value;
}

void sb_stage_await_status (sb_stage_t *self, const char *column, int64_t value)
{
    s_awaited_t awaited = {.stage = self, .column = column, .value = value};
    cr_assert (sb_wait_until (s_has_reached, &awaited, SB_PATIENCE_MS), "%s did not reach %ld", column, (long)value);
}

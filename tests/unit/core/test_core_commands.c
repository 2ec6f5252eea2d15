/* SPDX-License-Identifier: MPL-2.0
 *
 * The dispatcher's rules: form, parameters, targets, expiry, repeats, the memory of replies, audit, agents' own
 * commands; and reads.
 */
#include "control_harness.h"

static harness_t harness;

static void s_start (void)
{
    control_start (&harness);
}

static void s_stop (void)
{
    harness_stop (&harness);
}

TestSuite (core_commands, .init = s_start, .fini = s_stop);

/* ------------------------------------------------------------------ form */

Test (core_commands, malformed_request_is_answered_counted_and_audited)
{
    sb_event_t event = {.kind = SB_EVENT_BAD_COMMAND};
    event.bad_command.token = 5;
    event.bad_command.reason = SB_REASON_MALFORMED;
    event.bad_command.text = sb_text ("not a CommandRequest");
    harness_step (&harness, event);
    control_expect (&harness, MALFORMED);
    harness_expect (&harness, "AUDIT  MALFORMED");
    control_do (&harness, 6, "status", "");
    cr_assert_eq (control_integer (&harness, 0, "commands_refused"), 1);
}

Test (core_commands, form_is_checked_part_by_part)
{
    char long_text[300];
    memset (long_text, 'x', sizeof long_text);
    sb_command_request_t requests[6];
    for (int i = 0; i < 6; i++)
        requests[i] = control_request (&harness, "id", "status", "");
    requests[0].command_id = sb_text ("");
    requests[1].command_id = sb_text ("_broker/latch/1");
    requests[2].timeout_ms = 0;
    requests[3].timeout_ms = 600001;
    requests[4].issuer = (sb_text_t){long_text, 65};
    requests[5].reason = (sb_text_t){long_text, 257};
    for (uint64_t i = 0; i < 6; i++) {
        control_send (&harness, i + 1, &requests[i]);
        control_expect (&harness, BAD_REQUEST);
    }
    sb_command_request_t request = control_request (&harness, "id", "status", "");
    request.protocol = 2;
    control_send (&harness, 7, &request);
    control_expect (&harness, PROTOCOL_VERSION);
    harness_expect_times (&harness, "AUDIT", 7);
}

Test (core_commands, limits_themselves_are_allowed)
{
    char long_text[300];
    memset (long_text, 'x', sizeof long_text);
    sb_command_request_t request = control_request (&harness, "id", "status", "");
    request.issuer = (sb_text_t){long_text, 64};
    request.reason = (sb_text_t){long_text, 256};
    request.timeout_ms = 600000;
    control_send (&harness, 1, &request);
    control_expect (&harness, NONE);
}

/* ------------------------------------------------------------------ the table */

Test (core_commands, unknown_command_is_named)
{
    control_do (&harness, 1, "explode", "");
    control_expect (&harness, UNKNOWN_COMMAND);
    cr_assert_not_null (strstr (control_reply (&harness)->message.data, "explode"));
}

Test (core_commands, missing_parameter_is_named)
{
    control_do (&harness, 1, "history", "");
    control_expect (&harness, MISSING_PARAMETER);
    cr_assert_not_null (strstr (control_reply (&harness)->message.data, "category"));
    control_do (&harness, 2, "pause_agent", "");
    control_expect (&harness, MISSING_PARAMETER);
}

static void s_with (uint64_t token, const char *command, sb_parameter_t first, sb_parameter_t second, uint32_t count)
{
    sb_parameter_t parameters[2] = {first, second};
    char command_id[32];
    snprintf (command_id, sizeof command_id, "with-%" PRIu64, token);
    sb_command_request_t request = control_request (&harness, command_id, command, "");
    request.parameters = parameters;
    request.parameter_count = count;
    control_do_stored (&harness, token, &request, true);
}

Test (core_commands, extra_parameter_and_needless_agent_are_refused)
{
    sb_parameter_t odd = control_parameter_integer ("odd", 1);
    s_with (1, "status", odd, odd, 1);
    control_expect (&harness, UNKNOWN_PARAMETER);
    control_do (&harness, 2, "status", "trader");
    control_expect (&harness, UNKNOWN_PARAMETER);
}

Test (core_commands, wrong_type_range_and_repeated_parameter_are_refused)
{
    sb_parameter_t limit = control_parameter_integer ("limit", 10);
    s_with (1, "health", control_parameter_text ("limit", "10"), limit, 1);
    control_expect (&harness, BAD_PARAMETER);
    s_with (2, "health", control_parameter_integer ("limit", -1), limit, 1);
    control_expect (&harness, BAD_PARAMETER);
    s_with (3, "health", control_parameter_integer ("limit", 0), limit, 1);
    control_expect (&harness, BAD_PARAMETER);
    s_with (4, "health", control_parameter_integer ("limit", 1001), limit, 1);
    control_expect (&harness, BAD_PARAMETER);
    s_with (5, "health", limit, limit, 2);
    control_expect (&harness, BAD_PARAMETER);
    s_with (6, "health", control_parameter_integer ("limit", 1000), limit, 1);
    control_expect (&harness, NONE);
}

Test (core_commands, unknown_agent_is_named)
{
    control_do (&harness, 1, "pause_agent", "nobody");
    control_expect (&harness, UNKNOWN_AGENT);
    control_do (&harness, 2, "pause_agent", "no such id");
    control_expect (&harness, UNKNOWN_AGENT);
    control_do (&harness, 3, "pause_agent", "_broker");
    control_expect (&harness, UNKNOWN_AGENT);
}

Test (core_commands, clear_needs_a_reason)
{
    sb_parameter_t epoch = control_parameter_integer ("latch_epoch", 1);
    sb_command_request_t request = control_request (&harness, "c", "emergency_clear", "");
    request.parameters = &epoch;
    request.parameter_count = 1;
    request.reason = sb_text ("");
    control_send (&harness, 1, &request);
    control_expect (&harness, REASON_REQUIRED);
}

/* ------------------------------------------------------------------ expiry */

static sb_reason_t s_issued (uint64_t token, const char *command, const char *agent, int64_t issued_unix_ns)
{
    char command_id[32];
    snprintf (command_id, sizeof command_id, "issued-%" PRIu64, token);
    sb_command_request_t request = control_request (&harness, command_id, command, agent);
    request.issued_unix_ns = issued_unix_ns;
    control_do_stored (&harness, token, &request, true);
    return control_reply (&harness)->code;
}

Test (core_commands, expires_when_read_later_than_its_timeout)
{
    int64_t deadline_ns = HARNESS_EPOCH_NS + (int64_t)harness.now_ns - INT64_C (5000000000);
    cr_assert_eq (s_issued (1, "restart_agent", "trader", deadline_ns + 1), SB_REASON_NONE);
    cr_assert_eq (s_issued (2, "restart_agent", "trader", deadline_ns), SB_REASON_NONE);
    cr_assert_eq (s_issued (3, "restart_agent", "trader", deadline_ns - 1), SB_REASON_EXPIRED);
    cr_assert_eq (s_issued (4, "resume_agent", "trader", 1), SB_REASON_EXPIRED);
}

Test (core_commands, stop_and_pause_never_expire)
{
    cr_assert_eq (s_issued (1, "pause_agent", "trader", 1), SB_REASON_NONE);
    cr_assert_eq (s_issued (2, "emergency_stop", "", 1), SB_REASON_NONE);
    cr_assert (sb_core_is_stopped (harness.core));
}

Test (core_commands, issuer_with_a_clock_ahead_or_without_one_is_served)
{
    cr_assert_eq (s_issued (1, "restart_agent", "trader", INT64_MAX), SB_REASON_NONE);
    cr_assert_eq (s_issued (2, "restart_agent", "trader", 0), SB_REASON_NONE);
    cr_assert_eq (s_issued (3, "restart_agent", "trader", INT64_MIN), SB_REASON_NONE);
}

/* ------------------------------------------------------------------ repeats */

Test (core_commands, repeat_gets_the_first_reply_and_is_not_done_again)
{
    sb_command_request_t request = control_request (&harness, "once", "restart_agent", "trader");
    control_send (&harness, 1, &request);
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 1);
    uint64_t sequence = control_reply (&harness)->sequence;
    harness_forget (&harness);
    request.issued_unix_ns = 1;
    request.timeout_ms = 77;
    control_send (&harness, 2, &request);
    control_expect (&harness, NONE);
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 1);
    cr_assert_eq (control_reply (&harness)->sequence, sequence);
    harness_expect_not (&harness, "AUDIT");
    harness_expect_not (&harness, "SEND");
}

Test (core_commands, refusal_of_a_changing_command_is_repeated_too)
{
    sb_command_request_t request = control_request (&harness, "early", "release_agent", "trader");
    control_send (&harness, 1, &request);
    control_expect (&harness, WRONG_STATE);
    control_do (&harness, 2, "isolate_agent", "trader");
    control_send (&harness, 3, &request);
    control_expect (&harness, WRONG_STATE);
}

Test (core_commands, same_id_with_another_body_is_refused)
{
    sb_command_request_t first = control_request (&harness, "same", "restart_agent", "trader");
    control_send (&harness, 1, &first);
    sb_command_request_t others[4] = {first, first, first, first};
    sb_parameter_t odd = control_parameter_integer ("odd", 1);
    others[0].agent_id = sb_text ("risk");
    others[1].command = sb_text ("isolate_agent");
    others[2].issuer = sb_text ("bob");
    others[3].parameters = &odd;
    others[3].parameter_count = 1;
    for (uint64_t i = 0; i < 4; i++) {
        control_send (&harness, 2 + i, &others[i]);
        control_expect (&harness, COMMAND_ID_REUSED);
    }
}

Test (core_commands, reads_are_not_remembered)
{
    sb_command_request_t request = control_request (&harness, "read", "list_agents", "");
    control_send (&harness, 1, &request);
    cr_assert_eq (control_reply (&harness)->record_count, 2);
    harness_register (&harness, 13, "scanner", 1);
    control_send (&harness, 2, &request);
    cr_assert_eq (control_reply (&harness)->record_count, 3);
}

static int64_t s_restarts_after (uint64_t wait_ms)
{
    sb_command_request_t request = control_request (&harness, "aged", "restart_agent", "trader");
    control_send (&harness, 1, &request);
    harness_advance (&harness, wait_ms);
    request.issued_unix_ns = 0;
    control_send (&harness, 2, &request);
    control_expect (&harness, NONE);
    return control_integer (&harness, 0, "agent_restarts");
}

Test (core_commands, reply_is_remembered_for_its_time)
{
    cr_assert_eq (s_restarts_after (harness.config.reply_memory_ms - 1), 1);
}

Test (core_commands, reply_is_forgotten_after_its_time)
{
    cr_assert_eq (s_restarts_after (harness.config.reply_memory_ms), 2);
}

Test (core_commands, oldest_replies_go_first_beyond_the_bound)
{
    s_stop ();
    harness_init (&harness);
    harness.config.max_replies = 3;
    harness_start_configured (&harness);
    harness_register (&harness, 11, "trader", 1);
    sb_command_request_t first = control_request (&harness, "first", "restart_agent", "trader");
    control_send (&harness, 1, &first);
    for (uint64_t i = 2; i < 4; i++)
        control_do (&harness, i, "restart_agent", "trader");
    control_send (&harness, 4, &first);
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 1, "three are remembered");
    control_do (&harness, 5, "restart_agent", "trader");
    control_send (&harness, 6, &first);
    cr_assert_eq (control_integer (&harness, 0, "agent_restarts"), 5, "done again: it was forgotten");
}

/* ------------------------------------------------------------------ audit */

Test (core_commands, every_command_is_audited_with_before_and_after)
{
    control_do (&harness, 1, "pause_agent", "trader");
    const sb_audit_t *audit = NULL;
    control_send (&harness, 2, &(sb_command_request_t){0});
    harness_expect_times (&harness, "AUDIT", 2);
    sb_command_request_t request = control_request (&harness, "r", "resume_agent", "trader");
    control_send (&harness, 3, &request);
    for (uint32_t i = 0; i < harness.effects.count; i++)
        if (harness.effects.items[i].kind == SB_EFFECT_AUDIT)
            audit = harness.effects.items[i].audit;
    cr_assert_not_null (audit);
    cr_assert (sb_text_equal (audit->before, sb_text ("PAUSED revision 1")));
    cr_assert (sb_text_equal (audit->after, sb_text ("NORMAL revision 2")));
    cr_assert (sb_text_equal (audit->issuer, sb_text ("ann")));
    cr_assert (sb_text_equal (audit->reason, sb_text ("a test")));
    cr_assert_eq (audit->code, SB_REASON_NONE);
}

/* ------------------------------------------------------------------ agents' own commands */

static sb_reason_t s_from_agent (uint64_t peer, const char *command_id, const char *command, const char *agent_id)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND};
    message.command = control_request (&harness, command_id, command, agent_id);
    message.command.issuer = sb_text ("somebody else");
    harness_message (&harness, peer, &message);
    for (uint32_t i = 0; i < harness.effects.count; i++)
        if (harness.effects.items[i].kind == SB_EFFECT_STORE) {
            harness_stored (&harness, true);
            break;
        }
    for (uint32_t i = 0; i < harness.effects.count; i++) {
        const sb_effect_t *effect = &harness.effects.items[i];
        if (effect->kind == SB_EFFECT_SEND && effect->send.message->kind == SB_BROKER_MESSAGE_COMMAND_REPLY) {
            cr_assert_eq (effect->send.peer, peer);
            return effect->send.message->command_reply.code;
        }
    }
    cr_assert_fail ("no reply to the agent");
    return SB_REASON_NONE;
}

Test (core_commands, agent_pauses_another_and_lifts_its_own_pause_only)
{
    cr_assert_eq (s_from_agent (12, "p", "pause_agent", "trader"), SB_REASON_NONE);
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "operator_state", "PAUSED"));
    cr_assert (control_is_text (&harness, 0, "operator_issuer", "risk"), "whatever the request says");
    cr_assert_eq (s_from_agent (11, "r0", "resume_agent", "trader"), SB_REASON_FORBIDDEN);
    cr_assert_eq (s_from_agent (12, "r1", "resume_agent", "trader"), SB_REASON_NONE);
    control_do (&harness, 1, "pause_agent", "trader");
    cr_assert_eq (s_from_agent (12, "r2", "resume_agent", "trader"), SB_REASON_FORBIDDEN);
}

Test (core_commands, operator_who_pauses_too_makes_the_pause_his)
{
    cr_assert_eq (s_from_agent (12, "p", "pause_agent", "trader"), SB_REASON_NONE);
    control_do (&harness, 1, "pause_agent", "trader");
    cr_assert_not (control_boolean (&harness, 0, "changed"));
    cr_assert_eq (s_from_agent (12, "r", "resume_agent", "trader"), SB_REASON_FORBIDDEN);
}

Test (core_commands, operator_named_like_the_agent_is_not_the_agent)
{
    sb_command_request_t request = control_request (&harness, "p", "pause_agent", "trader");
    request.issuer = sb_text ("risk");
    control_do_stored (&harness, 1, &request, true);
    cr_assert_eq (s_from_agent (12, "r", "resume_agent", "trader"), SB_REASON_FORBIDDEN);
}

Test (core_commands, agent_reads_but_does_nothing_else)
{
    cr_assert_eq (s_from_agent (12, "a", "list_agents", ""), SB_REASON_NONE);
    cr_assert_eq (s_from_agent (12, "b", "emergency_stop", ""), SB_REASON_FORBIDDEN);
    cr_assert_eq (s_from_agent (12, "c", "isolate_agent", "trader"), SB_REASON_FORBIDDEN);
    cr_assert_not (sb_core_is_stopped (harness.core));
}

Test (core_commands, ids_of_agents_and_operators_do_not_meet)
{
    cr_assert_eq (s_from_agent (12, "same", "pause_agent", "trader"), SB_REASON_NONE);
    cr_assert_eq (s_from_agent (11, "same", "pause_agent", "risk"), SB_REASON_NONE);
    sb_command_request_t request = control_request (&harness, "same", "restart_agent", "risk");
    control_send (&harness, 1, &request);
    control_expect (&harness, NONE);
}

/* ------------------------------------------------------------------ reads */

Test (core_commands, list_agents_pages_through_all_once)
{
    char id[32];
    for (uint64_t i = 0; i < 20; i++) {
        snprintf (id, sizeof id, "agent-%" PRIu64, i);
        harness_register (&harness, 100 + i, id, 1);
    }
    sb_parameter_t parameters[2] = {control_parameter_integer ("limit", 5), control_parameter_text ("cursor", "")};
    char cursor[128] = "";
    uint32_t seen = 0;
    uint32_t pages = 0;
    for (uint64_t token = 1; pages == 0 || cursor[0] != '\0'; token++, pages++) {
        parameters[1] = control_parameter_text ("cursor", cursor);
        s_with (token, "list_agents", parameters[0], parameters[1], pages == 0 ? 1 : 2);
        control_expect (&harness, NONE);
        seen += control_reply (&harness)->record_count;
        sb_text_t next = control_reply (&harness)->next_cursor;
        snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.size > 0 ? next.data : "");
    }
    cr_assert_eq (seen, 22);
    cr_assert_eq (pages, 5);
}

Test (core_commands, page_is_bounded_in_octets_and_nothing_is_left_out)
{
    char id[32];
    char cursor[128] = "";
    uint32_t seen = 0;
    s_stop ();
    harness_init (&harness);
    harness.config.max_agents = 1000;
    harness_start_configured (&harness);
    harness.is_quiet = true;
    for (uint64_t i = 0; i < 1000; i++) {
        snprintf (id, sizeof id, "agent-%" PRIu64, i);
        harness_register (&harness, 100 + i, id, 1);
    }
    for (uint64_t token = 1; token == 1 || cursor[0] != '\0'; token++) {
        s_with (token, "list_agents", control_parameter_integer ("limit", 1000),
                control_parameter_text ("cursor", cursor), token == 1 ? 1 : 2);
        cr_assert_leq (control_reply (&harness)->record_count, 256);
        seen += control_reply (&harness)->record_count;
        sb_text_t next = control_reply (&harness)->next_cursor;
        snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.size > 0 ? next.data : "");
    }
    cr_assert_eq (seen, 1000);
}

Test (core_commands, cursors_that_the_broker_never_gave_are_refused)
{
    const char *const cursors[] = {"list_agents",      "list_agents:",    "list_agents:1",
                                   "list_agents:x:0",  "health:1:0",      "list_agents:99999999999999999999999:0",
                                   "list_agents:1:0 ", "list_agents:01:0"};
    for (uint64_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        sb_parameter_t cursor = control_parameter_text ("cursor", cursors[i]);
        s_with (1 + i, "list_agents", cursor, cursor, 1);
        control_expect (&harness, BAD_CURSOR);
    }
}

Test (core_commands, list_agents_shows_the_grids_fields)
{
    sb_change_t changes[] = {harness_text ("status", "trading"), harness_number ("pnl", 12.5)};
    harness_changes (&harness, 11, 1, "agent", "", changes, 2);
    control_list (&harness);
    cr_assert (control_is_text (&harness, 0, "agent_id", "trader"));
    cr_assert (sb_text_equal (control_column (&harness, 0, "status")->text, sb_text ("trading")));
    cr_assert_float_eq (control_column (&harness, 0, "pnl")->number, 12.5, 0);
    cr_assert_null (control_column (&harness, 0, "confidence"), "never written");
    cr_assert_eq (control_integer (&harness, 0, "accepted"), 1);
}

Test (core_commands, get_state_filters_and_names_what_it_does_not_know)
{
    harness_delta (&harness, 11, 1, "market_data", "BTC", "price", 1);
    harness_delta (&harness, 12, 1, "risk_metrics", "", "exposure", 2);
    sb_parameter_t category = control_parameter_text ("category", "market_data");
    s_with (1, "get_state", category, category, 1);
    cr_assert_eq (control_reply (&harness)->field_count, 1);
    cr_assert (sb_text_equal (control_reply (&harness)->fields[0].topic, sb_text ("market_data.trader.BTC")));
    s_with (2, "get_state", control_parameter_text ("category", "BAD!"), category, 1);
    control_expect (&harness, BAD_PARAMETER);
    s_with (3, "get_state", control_parameter_text ("agent", "nobody"), category, 1);
    control_expect (&harness, UNKNOWN_AGENT);
    s_with (4, "get_state", control_parameter_text ("subject", "a.b"), category, 1);
    control_expect (&harness, BAD_PARAMETER);
}

Test (core_commands, get_state_of_system_health_is_the_summary)
{
    harness_advance (&harness, 1000);
    sb_parameter_t category = control_parameter_text ("category", "system_health");
    s_with (1, "get_state", category, category, 1);
    cr_assert_gt (control_reply (&harness)->field_count, 10);
    cr_assert (sb_text_equal (control_reply (&harness)->fields[0].topic, sb_text ("_health..")));
    s_with (2, "get_state", category, control_parameter_text ("agent", "trader"), 2);
    cr_assert (sb_text_equal (control_reply (&harness)->fields[0].topic, sb_text ("_health.trader.")));
}

Test (core_commands, history_gives_the_last_oldest_first_and_goes_on_after)
{
    for (uint64_t i = 1; i <= 10; i++)
        harness_delta (&harness, 11, i, "market_data", "BTC", "price", (double)i);
    sb_parameter_t category = control_parameter_text ("category", "market_data");
    s_with (1, "history", category, control_parameter_integer ("last", 3), 2);
    cr_assert_eq (control_reply (&harness)->publication_count, 3);
    cr_assert_eq (control_reply (&harness)->publications[0]->category_sequence, 8);
    s_with (2, "history", category, control_parameter_integer ("after", 4), 2);
    cr_assert_eq (control_reply (&harness)->publication_count, 6);
    cr_assert_eq (control_reply (&harness)->publications[0]->category_sequence, 5);
    s_with (3, "history", control_parameter_text ("category", "nothing_here"), category, 1);
    control_expect (&harness, UNKNOWN_CATEGORY);
    s_with (4, "history", category, control_parameter_integer ("last", 0), 2);
    control_expect (&harness, BAD_PARAMETER);
}

Test (core_commands, history_pages_never_pass_last)
{
    for (uint64_t i = 1; i <= 10; i++)
        harness_delta (&harness, 11, i, "market_data", "BTC", "price", (double)i);
    sb_parameter_t parameters[4] = {control_parameter_text ("category", "market_data"),
                                    control_parameter_integer ("last", 5), control_parameter_integer ("limit", 3)};
    sb_command_request_t request = control_request (&harness, "page-1", "history", "");
    request.parameters = parameters;
    request.parameter_count = 3;
    control_send (&harness, 1, &request);
    cr_assert_eq (control_reply (&harness)->publication_count, 3);
    char cursor[64];
    sb_text_t next = control_reply (&harness)->next_cursor;
    snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.data);
    harness_delta (&harness, 11, 11, "market_data", "BTC", "price", 11);
    parameters[3] = control_parameter_text ("cursor", cursor);
    request.command_id = sb_text ("page-2");
    request.parameter_count = 4;
    control_send (&harness, 2, &request);
    cr_assert_eq (control_reply (&harness)->publication_count, 2);
    cr_assert_eq (control_reply (&harness)->publications[1]->category_sequence, 10);
    cr_assert_eq (control_reply (&harness)->next_cursor.size, 0);
}

Test (core_commands, events_of_one_agent)
{
    control_do (&harness, 1, "pause_agent", "trader");
    sb_parameter_t agent = control_parameter_text ("agent", "trader");
    s_with (2, "events", agent, agent, 1);
    const sb_command_reply_t *reply = control_reply (&harness);
    cr_assert_geq (reply->publication_count, 3);
    for (uint32_t i = 0; i < reply->publication_count; i++)
        cr_assert (sb_text_equal (reply->publications[i]->agent_id, sb_text ("trader")));
}

Test (core_commands, status_counts_agents_categories_and_refusals)
{
    harness_delta (&harness, 11, 5, "market_data", "BTC", "price", 1);
    control_do (&harness, 1, "status", "");
    control_expect (&harness, NONE);
    cr_assert (control_is_text (&harness, 0, "record", "broker"));
    cr_assert (control_is_text (&harness, 0, "version", "test"));
    cr_assert_eq (control_integer (&harness, 0, "agents"), 2);
    cr_assert_eq (control_integer (&harness, 0, "agents_live"), 2);
    cr_assert_eq (control_integer (&harness, 0, "sessions"), 2);
    bool has_refusal = false;
    for (uint32_t i = 1; i < control_reply (&harness)->record_count; i++)
        has_refusal = has_refusal || (control_is_text (&harness, i, "record", "refusal") &&
                                      control_is_text (&harness, i, "reason", "SEQUENCE_GAP"));
    cr_assert (has_refusal);
}

Test (core_commands, health_says_refusals_by_reason_on_its_first_page_only)
{
    harness_delta (&harness, 11, 5, "market_data", "BTC", "price", 1);
    sb_parameter_t one = control_parameter_integer ("limit", 1);
    s_with (1, "health", one, one, 1);
    control_expect (&harness, NONE);
    cr_assert (control_is_text (&harness, 0, "record", "system"));
    cr_assert (control_is_text (&harness, 1, "record", "refusal"));
    cr_assert (control_is_text (&harness, 1, "reason", "SEQUENCE_GAP"));
    cr_assert_eq (control_integer (&harness, 1, "refused"), 1);
    cr_assert_eq (control_reply (&harness)->record_count, 3);
    cr_assert (control_is_text (&harness, 2, "record", "agent"));
    char cursor[128];
    sb_text_t next = control_reply (&harness)->next_cursor;
    snprintf (cursor, sizeof cursor, "%.*s", (int)next.size, next.data);
    s_with (2, "health", one, control_parameter_text ("cursor", cursor), 2);
    control_expect (&harness, NONE);
    cr_assert_eq (control_reply (&harness)->record_count, 1);
    cr_assert (control_is_text (&harness, 0, "record", "agent"));
}

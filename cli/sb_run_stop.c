/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus emergency_stop`: the stop, whether it would survive a restart, and who has confirmed; and what lifts it.
 *
 * The reply says that the stop is in force; from then on nothing is accepted, confirmed or not. Receipts are asked
 * for with `status` until none is on its way, then each agent is named from `list_agents`. A missing
 * confirmation is no failure of the stop, and is said in as many words.
 */
#include <czmq.h>

#include "sb_display.h"
#include "sb_names.h"
#include "sb_reply.h"
#include "sb_run.h"

enum { RECEIPT_POLL_MS = 100 };

typedef struct {
    sb_run_t *run;
    sb_client_t *client;
    sb_pages_t stop;   /* the reply to the stop */
    sb_pages_t agents; /* list_agents after it */
    uint64_t latch_epoch;
    bool is_durable;
    bool is_new;     /* false: it was in force already */
    bool is_lifted;  /* somebody cleared it meanwhile */
    bool has_agents; /* the receipts could be read */
} stop_t;

/* What a receipt means for people. */
typedef enum { GROUP_CONFIRMED, GROUP_NOT_CONFIRMED, GROUP_ABSENT, GROUP_COUNT } group_t;

static group_t s_group (const sb_record_t *agent)
{
    sb_text_t receipt = sb_record_text (agent, "latch_receipt");
    if (sb_text_equal (receipt, sb_text ("APPLIED")))
        return GROUP_CONFIRMED;
    return sb_record_boolean (agent, "connected") ? GROUP_NOT_CONFIRMED : GROUP_ABSENT;
}

/* Asks for `status`; *waiting gets how many receipts are on their way. False when there was no answer. */
static bool s_poll (stop_t *self, double *waiting)
{
    sb_pages_t pages = {0};
    sb_command_request_t request = sb_run_request (self->run, "status");
    sb_client_outcome_t outcome = sb_pages_fetch (&pages, self->client, &request, false);
    const sb_record_t *broker = sb_pages_record (&pages, 0);
    bool is_read = outcome == SB_CLIENT_ANSWERED && broker;
    if (is_read) {
        *waiting = sb_record_number (broker, "latch_delivered", 0);
        self->is_lifted = !sb_record_boolean (broker, "stopped");
    }
    sb_pages_clear (&pages);
    return is_read;
}

/* Waits until no receipt is on its way or the time is over, then reads who said what. */
static void s_await_receipts (stop_t *self)
{
    int64_t deadline_ms = zclock_mono () + self->run->timeout_ms;
    double waiting = 0;
    while (s_poll (self, &waiting) && waiting > 0 && !self->is_lifted && zclock_mono () < deadline_ms &&
           !zsys_interrupted)
        zclock_sleep (RECEIPT_POLL_MS);
    sb_command_request_t request = sb_run_request (self->run, "list_agents");
    sb_client_outcome_t outcome = sb_pages_fetch (&self->agents, self->client, &request, true);
    const sb_command_reply_t *last = sb_pages_last (&self->agents);
    self->has_agents = outcome == SB_CLIENT_ANSWERED && last && last->code == SB_REASON_NONE;
}

/* "  confirmed      (2): feed, trader"; nothing when there is none. */
static void s_print_group (const stop_t *self, group_t wanted)
{
    static const char *const titles[] = {"confirmed", "NOT CONFIRMED", "not connected, told when they register"};
    static const sb_mark_t marks[] = {SB_MARK_GOOD, SB_MARK_BAD, SB_MARK_DIM};
    bool has_colour = sb_display_has_colour (stdout);
    uint32_t total = sb_pages_record_count (&self->agents);
    uint32_t count = 0;
    char text[SB_DISPLAY_SIZE];
    for (uint32_t i = 0; i < total; i++)
        count += s_group (sb_pages_record (&self->agents, i)) == wanted;
    if (count == 0)
        return;
    printf ("%s%s (%u)%s:", has_colour ? sb_display_colour (marks[wanted]) : "", titles[wanted], count,
            has_colour ? SB_DISPLAY_RESET : "");
    const char *before = " ";
    for (uint32_t i = 0; i < total; i++) {
        const sb_record_t *agent = sb_pages_record (&self->agents, i);
        if (s_group (agent) != wanted)
            continue;
        printf ("%s%s", before, sb_display_text (sb_record_text (agent, "agent_id"), text));
        if (wanted == GROUP_NOT_CONFIRMED)
            printf (" (%s)", sb_display_text (sb_record_text (agent, "latch_receipt"), text));
        before = ", ";
    }
    putchar ('\n');
}

static void s_print_text (const stop_t *self)
{
    bool has_colour = sb_display_has_colour (stdout);
    const sb_record_t *record = sb_pages_record (&self->stop, 0);
    char told[SB_DISPLAY_SIZE];
    printf ("%sEMERGENCY STOP in force%s, epoch %" PRIu64 "%s; %s agents told\n",
            has_colour ? sb_display_colour (SB_MARK_BAD) : "", has_colour ? SB_DISPLAY_RESET : "", self->latch_epoch,
            self->is_new ? "" : " (it was in force already)",
            sb_display_integer ((int64_t)sb_record_number (record, "told", 0), told));
    printf (self->is_durable ? "durable: it survives a restart of the broker\n" : "NOT DURABLE\n");
    for (group_t group = 0; group < GROUP_COUNT; group++)
        s_print_group (self, group);
    printf ("to lift it: syncbus emergency-clear --latch-epoch %" PRIu64 " --reason WHY\n", self->latch_epoch);
}

static void s_json_group (const stop_t *self, sb_json_t *json, const char *key, group_t wanted)
{
    sb_json_key (json, sb_text (key));
    sb_json_open_array (json);
    for (uint32_t i = 0; i < sb_pages_record_count (&self->agents); i++) {
        const sb_record_t *agent = sb_pages_record (&self->agents, i);
        if (s_group (agent) == wanted)
            sb_json_string (json, sb_record_text (agent, "agent_id"));
    }
    sb_json_close_array (json);
}

static void s_print_json (const stop_t *self)
{
    sb_json_t *json = sb_json_new ();
    sb_json_open_object (json);
    sb_json_key (json, sb_text ("reply"));
    sb_reply_json ("emergency_stop", &self->stop, json);
    sb_json_key (json, sb_text ("in_force"));
    sb_json_boolean (json, !self->is_lifted);
    sb_json_member_unsigned (json, "latch_epoch", self->latch_epoch);
    sb_json_key (json, sb_text ("durable"));
    sb_json_boolean (json, self->is_durable);
    sb_json_key (json, sb_text ("receipts_known"));
    sb_json_boolean (json, self->has_agents);
    s_json_group (self, json, "confirmed", GROUP_CONFIRMED);
    s_json_group (self, json, "not_confirmed", GROUP_NOT_CONFIRMED);
    s_json_group (self, json, "not_connected", GROUP_ABSENT);
    sb_json_close_object (json);
    puts (sb_json_text (json));
    sb_json_destroy (&json);
}

/* What must not be missed, on standard error; returns what the program ends with. */
static int s_conclude (const stop_t *self)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < sb_pages_record_count (&self->agents); i++)
        missing += s_group (sb_pages_record (&self->agents, i)) == GROUP_NOT_CONFIRMED;
    if (!self->is_durable)
        sb_run_complain (0, "WARNING: the stop could not be written to disk: a restart of the broker would forget it; "
                            "free space or repair the state folder, then stop again");
    if (!self->has_agents)
        sb_run_complain (0, "WARNING: the stop is in force, but who has confirmed is not known: see syncbus status");
    else if (missing)
        sb_run_complain (0,
                         "the stop is in force: nothing is accepted from anybody; %u agents have not confirmed that "
                         "they stopped sending: look at them",
                         missing);
    if (self->is_lifted)
        return sb_run_complain (SB_EXIT_REFUSED, "the stop was lifted meanwhile: see syncbus events");
    return SB_EXIT_DONE;
}

/* After the stop was done. */
static int s_report (stop_t *self)
{
    const sb_record_t *record = sb_pages_record (&self->stop, 0);
    self->latch_epoch = (uint64_t)sb_record_number (record, "latch_epoch", 0);
    self->is_durable = sb_record_boolean (record, "durable");
    self->is_new = sb_record_boolean (record, "changed");
    s_await_receipts (self);
    if (sb_arguments_flag (&self->run->arguments, "json"))
        s_print_json (self);
    else
        s_print_text (self);
    return s_conclude (self);
}

int sb_run_stop (sb_run_t *run)
{
    stop_t self = {.run = run, .client = sb_run_client (run)};
    if (!self.client)
        return SB_EXIT_USAGE;
    char text[SB_DISPLAY_SIZE];
    int code;
    sb_command_request_t request = sb_run_request (run, "emergency_stop");
    sb_client_outcome_t outcome = sb_pages_fetch (&self.stop, self.client, &request, false);
    const sb_command_reply_t *reply = sb_pages_last (&self.stop);
    if (outcome != SB_CLIENT_ANSWERED)
        code = sb_run_no_answer (self.client, outcome);
    else if (reply->code != SB_REASON_NONE)
        code = sb_run_complain (SB_EXIT_REFUSED, "%s",
                                sb_reply_refusal (run->arguments.command->name, reply->code, reply->message, text));
    else
        code = s_report (&self);
    sb_pages_clear (&self.stop);
    sb_pages_clear (&self.agents);
    sb_client_destroy (&self.client);
    return code;
}

/* What the lifting of the stop comes to, in sentences. */
static void s_print_clear (const sb_record_t *record)
{
    bool has_colour = sb_display_has_colour (stdout);
    bool is_durable = sb_record_boolean (record, "durable");
    char told[SB_DISPLAY_SIZE];
    printf ("%semergency stop LIFTED%s, epoch %" PRIu64 "; %s agents told\n",
            has_colour ? sb_display_colour (SB_MARK_GOOD) : "", has_colour ? SB_DISPLAY_RESET : "",
            (uint64_t)sb_record_number (record, "latch_epoch", 0),
            sb_display_integer ((int64_t)sb_record_number (record, "told", 0), told));
    puts (is_durable ? "durable: a restart of the broker does not bring it back" : "NOT DURABLE");
    puts ("paused agents stay paused: see syncbus list-agents");
    if (!is_durable)
        sb_run_complain (0, "WARNING: that it is lifted could not be written to disk: after a restart the broker would "
                            "be stopped again; free space or repair the state folder");
}

int sb_run_clear (sb_run_t *run)
{
    sb_pages_t pages = {0};
    if (sb_arguments_flag (&run->arguments, "json"))
        return sb_run_ask (run);
    sb_client_t *client = sb_run_client (run);
    if (!client)
        return SB_EXIT_USAGE;
    char text[SB_DISPLAY_SIZE];
    int code = SB_EXIT_DONE;
    sb_command_request_t request = sb_run_request (run, "emergency_clear");
    request.parameters = run->arguments.parameters;
    request.parameter_count = run->arguments.parameter_count;
    sb_client_outcome_t outcome = sb_pages_fetch (&pages, client, &request, false);
    const sb_command_reply_t *reply = sb_pages_last (&pages);
    const sb_record_t *record = sb_pages_record (&pages, 0);
    if (outcome != SB_CLIENT_ANSWERED)
        code = sb_run_no_answer (client, outcome);
    else if (reply->code != SB_REASON_NONE)
        code = sb_run_complain (SB_EXIT_REFUSED, "%s",
                                sb_reply_refusal (run->arguments.command->name, reply->code, reply->message, text));
    else if (record)
        s_print_clear (record);
    sb_pages_clear (&pages);
    sb_client_destroy (&client);
    return code;
}

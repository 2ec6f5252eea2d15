/* SPDX-License-Identifier: MPL-2.0
 *
 * The core's step against hostile sessions, and each command's handler. An input is a list of records (fuzz.h):
 *   0 FRAME    from a hostile peer (how & 3): octets of an AgentMessage; how & 4: answers the command told last
 *   1 TIME     16 bits of 10 ms pass
 *   2 FLUSH    a turn of the reactor ends; how & 1: instead octets of a prefix that the first subscriber comes to, or,
 *              how & 2, the last one leaves
 *   3 LOST     the connection of peer how & 3; how & 4: instead the socket takes no parts of snapshots from now on,
 *              or, how & 8, takes them again
 *   4 REQUEST  octets of a CommandRequest at the command endpoint; for a handler's target the command is always its
 *              own, and unless how & 1 the form is made valid
 *   5 SESSION  the same over the session of peer how & 3; how & 4 as how & 1 there
 *   6 OPERATE  one of a few commands of an operator, by how; only where a handler is the target
 *   7 STORE    from now on the control file can be written, or not (how & 1)
 * A parameter `cursor` whose text is "next" gets the cursor of the last page, which no fuzzer would guess.
 */
#include "fuzz_stage.h"

#include <stdlib.h>
#include <string.h>

#include "sb_names.h"

enum { MESSAGE_MAX = 256 * 1024, RECORDS_MAX = 500 };

typedef enum { FRAME, TIME, FLUSH, LOST, REQUEST, SESSION, OPERATE, STORE } s_record_t;

/* What an operator may have done before. */
static void s_operate (fuzz_stage_t *stage, uint8_t how)
{
    static const struct {
        const char *command;
        const char *agent_id;
    } commands[] = {{"emergency_stop", NULL}, {"pause_agent", "a"},     {"resume_agent", "a"},
                    {"isolate_agent", "a"},   {"release_agent", "a"},   {"restart_agent", "a"},
                    {"pause_agent", "good"},  {"isolate_agent", "good"}};
    const size_t count = sizeof commands / sizeof *commands;
    fuzz_stage_operate (stage, commands[how % count].command, commands[how % count].agent_id, NULL, NULL);
}

/* Makes the form of a request valid, so that its handler is reached. */
static void s_make_valid (const fuzz_stage_t *stage, sb_command_request_t *request)
{
    request->protocol = SB_PROTOCOL;
    request->issued_unix_ns = 0;
    if (request->timeout_ms < 1 || request->timeout_ms > 60000)
        request->timeout_ms = 500;
    if (!sb_name_is_command_id (request->command_id))
        request->command_id = sb_text ("c");
    /* The decoder's array is ours as long as its arena. */
    sb_parameter_t *parameters = (sb_parameter_t *)request->parameters;
    for (uint32_t i = 0; i < request->parameter_count; i++) {
        if (sb_text_equal (parameters[i].name, sb_text ("cursor")) && parameters[i].value.kind == SB_VALUE_TEXT &&
            sb_text_equal (parameters[i].value.text, sb_text ("next")))
            parameters[i].value.text = sb_text (stage->next_cursor);
    }
}

/* A request in octets, at the command endpoint (session_peer 0) or over a session. */
static void s_request (fuzz_stage_t *stage, fuzz_reader_t *reader, const char *command, bool is_raw,
                       uint64_t session_peer)
{
    size_t size;
    uint8_t *octets = fuzz_take_octets (reader, &size);
    sb_command_request_t request;
    sb_arena_reset (stage->input);
    sb_fault_t fault = sb_decode_command_request (stage->input, octets, size, MESSAGE_MAX, &request);
    if (fault.reason != SB_REASON_NONE && !session_peer) {
        sb_event_t event = {.kind = SB_EVENT_BAD_COMMAND};
        event.bad_command.token = stage->next_token++;
        event.bad_command.reason = fault.reason;
        event.bad_command.text = fault.text;
        stage->is_open[event.bad_command.token] = true;
        fuzz_stage_step (stage, &event);
    } else if (fault.reason == SB_REASON_NONE) {
        request.command = sb_text (command);
        if (!is_raw)
            s_make_valid (stage, &request);
        if (session_peer) {
            sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_COMMAND, .command = request};
            sb_event_t event = {.kind = SB_EVENT_MESSAGE};
            event.message.peer = session_peer;
            event.message.message = &message;
            event.message.size = (uint32_t)size;
            fuzz_stage_step (stage, &event);
        } else {
            fuzz_stage_request (stage, &request);
        }
    }
    free (octets);
}

static void s_frame (fuzz_stage_t *stage, fuzz_reader_t *reader, uint8_t how)
{
    size_t size;
    uint8_t *octets = fuzz_take_octets (reader, &size);
    fuzz_stage_frame (stage, how & 3, octets, size, (how & 4) != 0);
    free (octets);
}

static void s_subscribe (fuzz_stage_t *stage, fuzz_reader_t *reader, uint8_t how)
{
    size_t size;
    uint8_t *octets = fuzz_take_octets (reader, &size);
    sb_event_t event = {.kind = SB_EVENT_SUBSCRIPTION};
    event.subscription.prefix = (sb_text_t){(const char *)octets, (uint32_t)size};
    event.subscription.is_subscribed = !(how & 2);
    fuzz_stage_step (stage, &event);
    free (octets);
}

static void s_lose (fuzz_stage_t *stage, uint8_t how)
{
    if (how & 4) {
        stage->refuses_chunks = !(how & 8);
        return;
    }
    sb_event_t event = {.kind = SB_EVENT_PEER_LOST};
    event.peer_lost.peer = 1 + (how & 3);
    fuzz_stage_step (stage, &event);
}

/* Runs one record; `command` NULL leaves out what only an operator may do. */
static void s_play (fuzz_stage_t *stage, fuzz_reader_t *reader, const char *command)
{
    uint8_t octet = fuzz_take_octet (reader);
    uint8_t how = octet >> 3;
    s_record_t record = octet & 7;
    if (!command && (record == REQUEST || record == SESSION || record == OPERATE))
        record = FRAME;
    switch (record) {
    case FRAME:
        s_frame (stage, reader, how);
        break;
    case TIME:
        fuzz_stage_advance (stage, fuzz_take_number (reader) * UINT64_C (10000000));
        break;
    case FLUSH:
        if (how & 1)
            s_subscribe (stage, reader, how);
        else
            fuzz_stage_flush (stage);
        break;
    case LOST:
        s_lose (stage, how);
        break;
    case REQUEST:
        s_request (stage, reader, command, how & 1, 0);
        break;
    case SESSION:
        s_request (stage, reader, command, how & 4, 1 + (how & 3));
        break;
    case OPERATE:
        s_operate (stage, how);
        break;
    case STORE:
        stage->store_fails = how & 1;
        break;
    }
}

void fuzz_core_step (const fuzz_target_t *self, const uint8_t *data, size_t size);
void fuzz_command (const fuzz_target_t *self, const uint8_t *data, size_t size);

void fuzz_core_step (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    (void)self;
    fuzz_reader_t reader = {data, size};
    fuzz_stage_t *stage = fuzz_stage_new (NULL);
    for (int i = 0; i < RECORDS_MAX && reader.size > 0; i++) {
        s_play (stage, &reader, NULL);
        fuzz_stage_good_works (stage);
    }
    fuzz_stage_good_reads (stage);
    fuzz_stage_destroy (&stage);
}

void fuzz_command (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    fuzz_reader_t reader = {data, size};
    fuzz_stage_t *stage = fuzz_stage_new (NULL);
    for (int i = 0; i < RECORDS_MAX && reader.size > 0; i++) {
        s_play (stage, &reader, self->command);
        FUZZ_CLAIM (fuzz_stage_operate (stage, "status", NULL, NULL, NULL) == SB_REASON_NONE);
    }
    fuzz_stage_good_recovers (stage);
    fuzz_stage_good_reads (stage);
    fuzz_stage_destroy (&stage);
}

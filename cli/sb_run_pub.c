/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus pub`: one delta from the command line, or one for each JSON line of standard input. Ends when all are
 * decided. Lines are read only while the session takes one more, so that a fast writer waits.
 */
#include <assert.h>
#include <czmq.h>

#include "sb_display.h"
#include "sb_json_reader.h"
#include "sb_literal.h"
#include "sb_moment.h"
#include "sb_names.h"
#include "sb_reasons.h"
#include "sb_reply.h"
#include "sb_probe.h"
#include "sb_run.h"
#include "sb_session.h"

enum { LINE_BYTES = 1 << 20, TURN_MS = 50, LINE_ARENA_BYTES = 8 << 20, LINES_A_TURN = 256 };

typedef struct {
    sb_run_t *run;
    sb_session_t *session;
    sb_json_t *json; /* NULL: for people */
    sb_arena_t *arena;
    char *text; /* what was read from standard input and not yet used, NUL-terminated */
    size_t size;
    bool is_at_end;
    bool is_skipping; /* inside a line that is too long */
    uint64_t line;    /* number of the line read last; 0: the command line */
    uint64_t accepted;
    uint64_t refused;
    uint32_t time_to_live_ms; /* --ttl: of what names none of its own; 0: not given */
    sb_reason_t standing;     /* the pause or stop that was complained of last; NONE after a delta was accepted */
} publisher_t;

/* One refusal, or one line that makes no sense. On standard error, unless `is_silent`; as JSON in any case. */
static void s_report (publisher_t *self, uint64_t line, const char *reason, const char *text, sb_text_t field,
                      bool is_silent)
{
    char shown[SB_DISPLAY_SIZE];
    self->refused++;
    if (self->json) {
        sb_json_clear (self->json);
        sb_json_open_object (self->json);
        sb_json_member_unsigned (self->json, "line", line);
        sb_json_member_string (self->json, "reason", sb_text (reason));
        sb_json_member_string (self->json, "text", sb_text (text));
        sb_json_member_string (self->json, "field", field);
        sb_json_close_object (self->json);
        puts (sb_json_text (self->json));
    }
    sb_display_text (field, shown);
    if (is_silent)
        return;
    if (line)
        sb_run_complain (0, "line %" PRIu64 ": %s%s%s", line, text, *shown ? ": " : "", shown);
    else
        sb_run_complain (0, "%s%s%s", text, *shown ? ": " : "", shown);
}

static void s_decided (void *context, uint64_t label, sb_reason_t reason, sb_text_t text, sb_text_t field)
{
    publisher_t *self = context;
    char sentence[SB_DISPLAY_SIZE];
    if (reason == SB_REASON_NONE) {
        self->accepted++;
        self->standing = SB_REASON_NONE;
        return;
    }
    /* A pause refuses every line that follows: saying it once is enough. */
    bool is_repeat = reason == self->standing;
    self->standing = sb_reason_info (reason)->kind == SB_REASON_KIND_ADMISSION ? reason : SB_REASON_NONE;
    s_report (self, label, sb_reason_info (reason)->name, sb_reply_refusal (NULL, reason, text, sentence), field,
              is_repeat);
}

/* CATEGORY [SUBJECT] NAME=VALUE... Returns false after complaining. */
static bool s_read_operands (publisher_t *self, sb_delta_t *delta)
{
    const sb_arguments_t *arguments = &self->run->arguments;
    uint32_t place = 0;
    *delta = (sb_delta_t){.fault = SB_REASON_NONE, .time_to_live_ms = self->time_to_live_ms};
    if (arguments->operand_count > place && !strchr (arguments->operands[place], '='))
        delta->category = sb_text (arguments->operands[place++]);
    if (arguments->operand_count > place && !strchr (arguments->operands[place], '='))
        delta->subject = sb_text (arguments->operands[place++]);
    uint32_t count = arguments->operand_count - place;
    if (count == 0 || count > SB_CHANGES_MAX) {
        sb_run_complain (
            0, "pub needs CATEGORY [SUBJECT] and 1 to 1024 NAME=VALUE, or - for JSON lines: see syncbus help pub");
        return false;
    }
    sb_change_t *changes = sb_arena_take (self->run->arena, count * sizeof (*changes));
    assert (changes);
    for (uint32_t i = 0; i < count; i++) {
        const char *literal = arguments->operands[place + i];
        const char *problem = sb_literal_change (literal, self->run->arena, &changes[i]);
        if (problem) {
            sb_run_complain (0, "\"%s\" %s", literal, problem);
            return false;
        }
    }
    delta->update.changes = changes;
    delta->update.change_count = count;
    return true;
}

static void s_push_line (publisher_t *self, const char *line)
{
    sb_delta_t delta;
    uint32_t place;
    if (line[strspn (line, " \t\r")] == 0)
        return;
    sb_arena_reset (self->arena);
    const char *problem = sb_json_read_delta (line, self->arena, &delta, &place);
    if (!problem) {
        if (delta.time_to_live_ms == 0)
            delta.time_to_live_ms = self->time_to_live_ms;
        sb_session_push (self->session, &delta, self->line);
        return;
    }
    char text[SB_DISPLAY_SIZE];
    snprintf (text, sizeof (text), "octet %u: %s", place + 1, problem);
    s_report (self, self->line, "BAD_LINE", text, sb_text (""), false);
}

/* Uses the whole lines that were read, while the session takes them. At the end of input the rest is one too. */
static void s_push_lines (publisher_t *self)
{
    char *start = self->text;
    for (int i = 0; i < LINES_A_TURN && sb_session_has_room (self->session); i++) {
        char *end = memchr (start, '\n', self->size - (size_t)(start - self->text));
        bool is_rest = !end && self->is_at_end && start < self->text + self->size;
        if (!end && !is_rest)
            break;
        if (is_rest)
            end = self->text + self->size;
        size_t octets = (size_t)(end - start);
        *end = 0;
        self->line++;
        if (self->is_skipping || strlen (start) != octets)
            s_report (self, self->line, "BAD_LINE",
                      self->is_skipping ? "the line is longer than 1 MiB: split it" : "a line must not contain NUL",
                      sb_text (""), false);
        else
            s_push_line (self, start);
        self->is_skipping = false;
        start = is_rest ? end : end + 1;
    }
    self->size -= (size_t)(start - self->text);
    memmove (self->text, start, self->size);
}

/* Reads what standard input has; called when it has something. */
static void s_read_input (publisher_t *self)
{
    if (self->size == LINE_BYTES) {
        /* No line end in all of it: forget it, and what follows up to the next one. */
        self->is_skipping = true;
        self->size = 0;
    }
    ssize_t got = read (STDIN_FILENO, self->text + self->size, LINE_BYTES - self->size);
    if (got > 0)
        self->size += (size_t)got;
    else if (got == 0 || errno != EINTR)
        self->is_at_end = true;
}

static bool s_has_line (const publisher_t *self)
{
    return memchr (self->text, '\n', self->size) || (self->is_at_end && self->size > 0);
}

/* Waits for the socket, and for standard input while more of it is wanted. Returns false when a signal came. */
static bool s_wait (publisher_t *self, bool wants_input)
{
    zmq_pollitem_t items[] = {{.socket = sb_session_socket (self->session), .events = ZMQ_POLLIN},
                              {.fd = STDIN_FILENO, .events = ZMQ_POLLIN}};
    bool may_go_on = sb_session_has_room (self->session) && s_has_line (self);
    int ready = zmq_poll (items, wants_input ? 2 : 1, may_go_on ? 0 : TURN_MS);
    if (ready < 0 || zsys_interrupted)
        return false;
    if (wants_input && items[1].revents)
        s_read_input (self);
    return true;
}

/* Runs until everything is decided. `delta` is NULL for JSON lines. */
static int s_publish (publisher_t *self, sb_delta_t *delta)
{
    const char *endpoint = sb_arguments_option (&self->run->arguments, "ingress-endpoint");
    sb_probe_t probe = sb_probe_begin (endpoint, self->run->is_impatient);
    self->is_at_end = delta != NULL;
    for (;;) {
        const char *text;
        if (!sb_session_turn (self->session)) {
            sb_reason_t reason = sb_session_failure (self->session, &text);
            return sb_run_complain (SB_EXIT_REFUSED, "%s: %s", sb_reason_info (reason)->name, text);
        }
        bool is_registered = sb_session_is_registered (self->session);
        probe.is_on = probe.is_on && !is_registered;
        if (is_registered && delta) {
            sb_session_push (self->session, delta, 0);
            delta = NULL;
        }
        if (is_registered)
            s_push_lines (self);
        bool is_done = self->is_at_end && !delta && self->size == 0 && sb_session_undecided (self->session) == 0;
        if (is_done && is_registered)
            return self->refused ? SB_EXIT_REFUSED : SB_EXIT_DONE;
        bool is_over = sb_session_idle_ms (self->session) > self->run->timeout_ms || sb_probe_is_refused (&probe);
        if (!is_registered && is_over)
            return sb_run_complain (SB_EXIT_NO_ANSWER, "no broker at %s: is syncbusd running?", endpoint);
        if (sb_session_undecided (self->session) && is_over)
            return sb_run_complain (SB_EXIT_NO_ANSWER,
                                    "the broker at %s did not decide in time: try a longer --timeout", endpoint);
        bool wants_input = is_registered && !self->is_at_end && !s_has_line (self);
        if (!s_wait (self, wants_input))
            return sb_run_complain (SB_EXIT_NO_ANSWER, "interrupted: what was not decided may still be");
    }
}

static void s_print_summary (publisher_t *self)
{
    char accepted[SB_DISPLAY_SIZE];
    char refused[SB_DISPLAY_SIZE];
    if (self->json) {
        sb_json_clear (self->json);
        sb_json_open_object (self->json);
        sb_json_member_unsigned (self->json, "accepted", self->accepted);
        sb_json_member_unsigned (self->json, "refused", self->refused);
        sb_json_close_object (self->json);
        puts (sb_json_text (self->json));
        return;
    }
    printf ("%s accepted", sb_display_integer ((int64_t)self->accepted, accepted));
    printf (self->refused ? ", %s refused\n" : "\n", sb_display_integer ((int64_t)self->refused, refused));
}

int sb_run_pub (sb_run_t *run)
{
    const sb_arguments_t *arguments = &run->arguments;
    const char *agent_id = sb_arguments_option (arguments, "agent");
    const char *endpoint = sb_arguments_option (arguments, "ingress-endpoint");
    bool is_lines = arguments->operand_count == 1 && strcmp (arguments->operands[0], "-") == 0;
    publisher_t self = {.run = run};
    sb_delta_t delta;
    if (!agent_id || !sb_name_is_agent_id (sb_text (agent_id)))
        return sb_run_complain (SB_EXIT_USAGE, "pub needs --agent ID: 1 to 64 of A-Z a-z 0-9 _ : / -, no leading _");
    const char *ttl = sb_arguments_option (arguments, "ttl");
    const char *problem = ttl ? sb_moment_read_span_ms (ttl, &self.time_to_live_ms) : NULL;
    if (problem)
        return sb_run_complain (SB_EXIT_USAGE, "--ttl: \"%s\" %s", ttl, problem);
    if (!is_lines && !s_read_operands (&self, &delta))
        return SB_EXIT_USAGE;
    self.session = sb_session_new (endpoint, agent_id, s_decided, &self);
    if (!self.session)
        return sb_run_complain (SB_EXIT_USAGE, "\"%s\" is no endpoint: write one as tcp://HOST:PORT", endpoint);
    self.json = sb_arguments_flag (arguments, "json") ? sb_json_new () : NULL;
    self.arena = sb_arena_new (LINE_ARENA_BYTES);
    self.text = calloc (1, LINE_BYTES + 1);
    assert (self.arena && self.text);
    int code = s_publish (&self, is_lines ? NULL : &delta);
    if (code != SB_EXIT_NO_ANSWER || self.accepted + self.refused)
        s_print_summary (&self);
    sb_session_destroy (&self.session);
    sb_json_destroy (&self.json);
    sb_arena_destroy (&self.arena);
    free (self.text);
    return code;
}

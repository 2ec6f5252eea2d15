/* SPDX-License-Identifier: MPL-2.0
 *
 * `syncbus events`, and `--follow`: history first, then `_event.` as it is published, without a hole or a repeat.
 *
 * The position is the category_sequence printed last. A published event above the next one, or a beat whose head
 * is above the position, is a hole: it is filled from the broker's history (`after`), and so is everything before the
 * subscription took hold. At or below it: seen. A new stream_id starts again at nothing. What history no longer
 * has is said. A fixed wait for the subscription was rejected: no wait is long enough.
 */
#include <assert.h>
#include <czmq.h>

#include "sb_display.h"
#include "sb_names.h"
#include "sb_output.h"
#include "sb_reply.h"
#include "sb_run.h"
#include "sb_stream.h"

enum { STREAM_ARENA_BYTES = 64 << 20 };

typedef struct {
    sb_run_t *run;
    sb_client_t *client;
    sb_stream_t *stream;
    sb_arena_t *arena;
    sb_json_t *json;     /* NULL: for people */
    sb_text_t agent;     /* only events about it; empty: all */
    uint64_t stream_id;  /* that the position belongs to */
    uint64_t position;   /* category_sequence of the last event seen */
    bool has_position;   /* the history was read */
    bool is_unreachable; /* said already */
} follower_t;

static void s_print (follower_t *self, const sb_publication_t *publication)
{
    sb_text_t category;
    sb_text_t agent_id;
    sb_text_t subject;
    bool is_topic = sb_topic_split (publication->topic, &category, &agent_id, &subject);
    if (!is_topic || (self->agent.size && !sb_text_equal (agent_id, self->agent)))
        return;
    if (self->json) {
        sb_json_clear (self->json);
        sb_json_publication (self->json, publication);
        puts (sb_json_text (self->json));
    } else
        sb_reply_print_publication (publication, stdout, sb_display_has_colour (stdout));
}

/* Prints what the pages have above the position and moves on. */
static void s_print_pages (follower_t *self, const sb_pages_t *pages)
{
    for (uint32_t page = 0; page < pages->count; page++) {
        const sb_command_reply_t *reply = &pages->items[page].reply;
        for (uint32_t i = 0; i < reply->publication_count; i++) {
            const sb_publication_t *event = reply->publications[i];
            if (self->has_position && event->category_sequence <= self->position)
                continue;
            if (self->has_position && event->category_sequence > self->position + 1)
                sb_run_complain (0, "%" PRIu64 " events are lost: the broker's history no longer has them",
                                 event->category_sequence - self->position - 1);
            s_print (self, event);
            self->position = event->category_sequence;
            self->has_position = true;
        }
    }
    sb_output_flush ();
}

/* Asks for the events above the position, at the start for the last ones. Returns what the program would end
 * with; SB_EXIT_DONE also when an old broker is gone and a new one has begun anew. */
static int s_fetch (follower_t *self)
{
    sb_pages_t pages = {0};
    sb_parameter_t parameters[2];
    char text[SB_DISPLAY_SIZE];
    sb_command_request_t request = sb_run_request (self->run, "events");
    const sb_parameter_t *given = sb_arguments_parameter (&self->run->arguments, self->has_position ? "after" : "last");
    const sb_parameter_t *after = sb_arguments_parameter (&self->run->arguments, "after");
    request.parameters = parameters;
    if (self->has_position) {
        parameters[request.parameter_count++] = (sb_parameter_t){
            .name = sb_text ("after"), .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)self->position}};
        parameters[request.parameter_count++] =
            (sb_parameter_t){.name = sb_text ("last"), .value = {.kind = SB_VALUE_INTEGER, .integer = INT32_MAX}};
    } else {
        if (given)
            parameters[request.parameter_count++] = *given;
        if (after)
            parameters[request.parameter_count++] = *after;
    }
    sb_client_outcome_t outcome = sb_pages_fetch (&pages, self->client, &request, true);
    const sb_command_reply_t *last = sb_pages_last (&pages);
    int code = SB_EXIT_DONE;
    if (outcome != SB_CLIENT_ANSWERED)
        code = SB_EXIT_NO_ANSWER;
    else if (last->code != SB_REASON_NONE)
        code = sb_run_complain (SB_EXIT_REFUSED, "%s", sb_reply_refusal ("events", last->code, last->message, text));
    else {
        if (self->stream_id && last->stream_id != self->stream_id)
            self->position = 0;
        self->stream_id = last->stream_id;
        s_print_pages (self, &pages);
        self->has_position = true;
    }
    if (outcome != SB_CLIENT_ANSWERED && !self->is_unreachable)
        sb_run_no_answer (self->client, outcome);
    self->is_unreachable = outcome != SB_CLIENT_ANSWERED;
    sb_pages_clear (&pages);
    return code;
}

/* The head of `_event` that a beat names; 0 when it names none. */
static uint64_t s_head (const sb_publication_t *beat)
{
    for (uint32_t i = 0; i < beat->update_count; i++)
        for (uint32_t j = 0; j < beat->updates[i].change_count; j++) {
            const sb_change_t *change = &beat->updates[i].changes[j];
            if (sb_text_equal (change->name, sb_text ("head._event")) && change->value.kind == SB_VALUE_INTEGER)
                return (uint64_t)change->value.integer;
        }
    return 0;
}

/* One publication of `_event.` or `_beat.`. */
static void s_handle (follower_t *self, const sb_publication_t *publication)
{
    if (publication->stream_id != self->stream_id) {
        self->stream_id = publication->stream_id;
        self->position = 0;
    }
    bool is_event = publication->topic.size > 7 && memcmp (publication->topic.data, "_event.", 7) == 0;
    uint64_t sequence = is_event ? publication->category_sequence : s_head (publication);
    if (sequence <= self->position)
        return;
    if (is_event && sequence == self->position + 1) {
        s_print (self, publication);
        sb_output_flush ();
        self->position = sequence;
        return;
    }
    s_fetch (self);
}

static int s_follow (follower_t *self)
{
    const char *endpoint = sb_arguments_option (&self->run->arguments, "publish-endpoint");
    sb_stream_subscribe (self->stream, "_event", 0);
    sb_stream_subscribe (self->stream, "_beat", 0);
    if (!sb_stream_connect (self->stream, endpoint))
        return sb_run_complain (SB_EXIT_USAGE, "\"%s\" is no endpoint: write one as tcp://HOST:PORT", endpoint);
    int code = s_fetch (self);
    sb_publication_t publication;
    while (code == SB_EXIT_DONE && sb_output_is_good ()) {
        sb_arena_reset (self->arena);
        switch (sb_stream_next (self->stream, -1, self->arena, &publication)) {
        case SB_STREAM_PUBLICATION:
            s_handle (self, &publication);
            break;
        case SB_STREAM_LOST:
            sb_run_complain (0, "the broker at %s is gone: waiting for it to come back", endpoint);
            break;
        case SB_STREAM_BAD_FRAME:
            sb_run_complain (0, "a frame from %s is no publication: check --publish-endpoint", endpoint);
            break;
        case SB_STREAM_CONNECTED:
        case SB_STREAM_REFUSED: /* nothing is conflated here */
        case SB_STREAM_UNANSWERED:
        case SB_STREAM_QUIET:
            break;
        case SB_STREAM_INTERRUPTED:
            return SB_EXIT_DONE;
        }
    }
    return code;
}

int sb_run_events (sb_run_t *run)
{
    if (!sb_arguments_flag (&run->arguments, "follow"))
        return sb_run_ask (run);
    const sb_parameter_t *agent = sb_arguments_parameter (&run->arguments, "agent");
    follower_t self = {.run = run, .client = sb_run_client (run)};
    if (!self.client)
        return SB_EXIT_USAGE;
    self.agent = agent ? agent->value.text : sb_text ("");
    self.json = sb_arguments_flag (&run->arguments, "json") ? sb_json_new () : NULL;
    self.stream = sb_stream_new ();
    self.arena = sb_arena_new (STREAM_ARENA_BYTES);
    assert (self.arena);
    int code = s_follow (&self);
    sb_stream_destroy (&self.stream);
    sb_arena_destroy (&self.arena);
    sb_json_destroy (&self.json);
    sb_client_destroy (&self.client);
    return code;
}

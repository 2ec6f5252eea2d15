/* SPDX-License-Identifier: MPL-2.0
 *
 * A queue of pages, each in an arena of its own. One request is out at a time; the next one leaves as soon as a page
 * has come and fewer than PAGES_AHEAD wait, so that the broker's answer is there before it is needed.
 * Fetching all before the first line was rejected: a history may be larger than this program should be.
 */
#include "sb_history.h"

#include <assert.h>
#include <czmq.h>

#include "sb_display.h"
#include "sb_moment.h"
#include "sb_names.h"
#include "sb_output.h"
#include "sb_reply.h"

enum { PAGES_AHEAD = 64, PARAMETERS_MAX = SB_ARGUMENTS_PARAMETERS_MAX + 4, REQUEST_ARENA_BYTES = 1 << 20 };

enum { LAST_DEFAULT = 100 /* the broker's, when neither after nor since is given */ };

struct sb_history {
    sb_run_t *run;
    sb_client_t *client;
    sb_parameter_t parameters[PARAMETERS_MAX]; /* the last one is the cursor, when there is one */
    uint32_t parameter_count;                  /* without the cursor */
    sb_pages_t pages;
    uint32_t page;   /* the pages before are done and freed */
    uint32_t item;   /* the next one of that page */
    char *cursor;    /* of the next page; NULL before the first */
    sb_page_t asked; /* the page that a request is out for; arena NULL: none */
    bool is_refused; /* it came, and is a refusal that is not told yet */
    sb_history_facts_t facts;
    bool has_facts;
    uint64_t last_most; /* nothing begins what was asked for but that it is the last so many; 0: something does */
};

static void s_add (sb_history_t *self, const char *name, sb_value_t value)
{
    assert (self->parameter_count < PARAMETERS_MAX - 1);
    self->parameters[self->parameter_count++] = (sb_parameter_t){.name = sb_text (name), .value = value};
}

static bool s_is_given (const sb_history_t *self, const char *name)
{
    for (uint32_t i = 0; i < self->parameter_count; i++)
        if (sb_text_equal (self->parameters[i].name, sb_text (name)))
            return true;
    return false;
}

/* --since or --until as the parameter of the broker. */
static bool s_add_time (sb_history_t *self, const char *option, const char *name)
{
    sb_arguments_t *arguments = &self->run->arguments;
    const char *text = sb_arguments_option (arguments, option);
    int64_t unix_ns;
    if (!text)
        return true;
    const char *problem = sb_moment_read (text, sb_client_unix_ns (), &unix_ns);
    if (!problem && s_is_given (self, name))
        problem = "is given twice";
    if (problem)
        snprintf (arguments->problem, sizeof (arguments->problem), "--%s: \"%.100s\" %s", option, text, problem);
    else
        s_add (self, name, (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = unix_ns});
    return !problem;
}

/* False, with arguments.problem, when the category is none, or the prefix can match none of its topics. */
static bool s_check_topics (sb_arguments_t *arguments)
{
    char text[SB_DISPLAY_SIZE];
    const char *command = arguments->command->name;
    sb_text_t category = sb_arguments_parameter (arguments, "category")->value.text;
    const sb_parameter_t *prefix = sb_arguments_parameter (arguments, "prefix");
    const char *dot = memchr (category.data, '.', category.size);
    sb_display_text (category, text);
    if (dot) {
        snprintf (
            arguments->problem, sizeof (arguments->problem),
            "\"%.80s\" is no category: that is the part before the first dot. Write syncbus %s %.*s --prefix %.80s",
            text, command, (int)(dot - category.data), category.data, text);
        return false;
    }
    sb_text_t begin = prefix ? prefix->value.text : (sb_text_t){.size = 0};
    uint32_t common = begin.size < category.size ? begin.size : category.size;
    bool is_of_it = memcmp (begin.size ? begin.data : "", category.data, common) == 0 &&
                    (begin.size <= category.size || begin.data[category.size] == '.');
    if (!is_of_it)
        snprintf (
            arguments->problem, sizeof (arguments->problem),
            "--prefix \"%.*s\" matches nothing of %.80s: a topic is category.agent.subject, write %.80s. before it",
            (int)(begin.size < 80 ? begin.size : 80), begin.data, text, text);
    return is_of_it;
}

/* What begins what is asked for; when nothing does and all_by_default, all that is kept is asked for. */
static void s_set_beginning (sb_history_t *self, bool all_by_default)
{
    static const char *const beginnings[] = {"after", "since_unix_ns", "cursor"};
    bool has_beginning = false;
    for (size_t i = 0; i < sizeof (beginnings) / sizeof (beginnings[0]); i++)
        has_beginning = has_beginning || s_is_given (self, beginnings[i]);
    const sb_parameter_t *last = sb_arguments_parameter (&self->run->arguments, "last");
    uint64_t last_default = all_by_default ? INT32_MAX : LAST_DEFAULT;
    self->last_most = has_beginning ? 0 : last ? (uint64_t)last->value.integer : last_default;
    /* As the last so many, not as after 0: what is gone already was not asked for by its number. */
    if (all_by_default && !has_beginning && !last)
        s_add (self, "last", (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = INT32_MAX});
}

sb_history_t *sb_history_new (sb_run_t *run, sb_client_t *client, bool all_by_default)
{
    sb_history_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->run = run;
    self->client = client;
    for (uint32_t i = 0; i < run->arguments.parameter_count; i++)
        self->parameters[self->parameter_count++] = run->arguments.parameters[i];
    if (!s_check_topics (&run->arguments) || !s_add_time (self, "since", "since_unix_ns") ||
        !s_add_time (self, "until", "until_unix_ns")) {
        sb_history_destroy (&self);
        return NULL;
    }
    s_set_beginning (self, all_by_default);
    return self;
}

void sb_history_destroy (sb_history_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_arena_destroy (&(*self_p)->asked.arena);
    sb_pages_clear (&(*self_p)->pages);
    free ((*self_p)->cursor);
    free (*self_p);
    *self_p = NULL;
}

const sb_publication_t *sb_history_peek (const sb_history_t *self)
{
    for (uint32_t page = self->page; page < self->pages.count; page++) {
        const sb_command_reply_t *reply = &self->pages.items[page].reply;
        uint32_t item = page == self->page ? self->item : 0;
        if (item < reply->publication_count)
            return reply->publications[item];
    }
    return NULL;
}

/* On to the next publication. */
static void s_pop (sb_history_t *self)
{
    while (self->item == self->pages.items[self->page].reply.publication_count) {
        sb_arena_destroy (&self->pages.items[self->page++].arena);
        self->item = 0;
    }
    self->item++;
}

void sb_history_print (sb_history_t *self, sb_json_t *json)
{
    const sb_publication_t *publication = sb_history_peek (self);
    assert (publication);
    if (json) {
        sb_json_clear (json);
        sb_json_publication (json, publication);
        puts (sb_json_text (json));
    } else
        sb_reply_print_publication (publication, stdout, sb_display_has_colour (stdout));
    self->facts.last = publication->category_sequence;
    if (self->facts.count++ == 0)
        self->facts.first = publication->category_sequence;
    s_pop (self);
}

/* The request for the next page, and the arena for its answer. */
static sb_command_request_t s_request (sb_history_t *self)
{
    sb_command_request_t request = sb_run_request (self->run, "history");
    request.parameters = self->parameters;
    for (uint32_t i = 0; i < self->parameter_count; i++)
        if (!self->cursor || !sb_text_equal (self->parameters[i].name, sb_text ("cursor")))
            self->parameters[request.parameter_count++] = self->parameters[i];
    self->parameter_count = request.parameter_count;
    if (self->cursor)
        self->parameters[request.parameter_count++] = (sb_parameter_t){
            .name = sb_text ("cursor"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (self->cursor)}};
    self->asked = (sb_page_t){.arena = sb_arena_new (SB_CLIENT_REPLY_BYTES + REQUEST_ARENA_BYTES)};
    assert (self->asked.arena);
    return request;
}

/* Takes what the page says over, cuts off what was published after the first page. */
static void s_take_facts (sb_history_t *self, sb_command_reply_t *reply)
{
    const sb_record_t *record = reply->record_count ? &reply->records[0] : NULL;
    sb_history_facts_t *facts = &self->facts;
    uint64_t head = (uint64_t)sb_record_number (record, "head", 0);
    facts->oldest = (uint64_t)sb_record_number (record, "oldest", 0);
    if (!self->has_facts) {
        facts->head = head;
        facts->first_oldest = facts->oldest;
    }
    self->has_facts = true;
    facts->oldest_unix_ns = (int64_t)sb_record_number (record, "oldest_unix_ns", 0);
    facts->is_evicted = facts->is_evicted || sb_record_boolean (record, "evicted");
    facts->is_whole = reply->next_cursor.size == 0 || sb_record_boolean (record, "end");
    while (record && reply->publication_count &&
           reply->publications[reply->publication_count - 1]->category_sequence > facts->head) {
        reply->publication_count--;
        facts->is_whole = true;
    }
    free (self->cursor);
    self->cursor = strndup (reply->next_cursor.data ? reply->next_cursor.data : "", reply->next_cursor.size);
    assert (self->cursor);
    facts->next_cursor = sb_text (self->cursor);
}

/* Puts the page that was asked for behind the others; complains when it is none. */
static sb_history_outcome_t s_receive (sb_history_t *self, sb_client_outcome_t outcome)
{
    char text[SB_DISPLAY_SIZE];
    sb_page_t *page = &self->asked;
    sb_history_outcome_t result = SB_HISTORY_READ;
    if (outcome == SB_CLIENT_INTERRUPTED)
        result = SB_HISTORY_INTERRUPTED;
    else if (outcome != SB_CLIENT_ANSWERED) {
        sb_run_no_answer (self->client, outcome);
        result = SB_HISTORY_NO_ANSWER;
    } else if (page->reply.code != SB_REASON_NONE) {
        sb_run_complain (
            0, "%s",
            sb_reply_refusal (self->run->arguments.command->name, page->reply.code, page->reply.message, text));
        result = SB_HISTORY_REFUSED;
    }
    if (result != SB_HISTORY_READ) {
        sb_arena_destroy (&page->arena);
        return result;
    }
    s_take_facts (self, &page->reply);
    sb_pages_add (&self->pages, page);
    *page = (sb_page_t){0};
    return result;
}

sb_history_outcome_t sb_history_read (sb_history_t *self)
{
    if (self->facts.is_whole)
        return SB_HISTORY_READ;
    if (self->is_refused)
        return s_receive (self, SB_CLIENT_ANSWERED);
    if (!self->asked.arena) {
        sb_command_request_t request = s_request (self);
        return s_receive (self, sb_client_ask (self->client, &request, self->asked.arena, &self->asked.reply));
    }
    int wait_ms = (int)self->run->timeout_ms + SB_CLIENT_GRACE_MS;
    return s_receive (self, sb_client_receive (self->client, wait_ms, self->asked.arena, &self->asked.reply));
}

void sb_history_read_ahead (sb_history_t *self, int wait_ms)
{
    zmq_pollitem_t item = {.socket = sb_client_socket (self->client), .events = ZMQ_POLLIN};
    bool has_room = self->pages.count - self->page < PAGES_AHEAD;
    if (!self->asked.arena && has_room && self->has_facts && !self->facts.is_whole) {
        sb_command_request_t request = s_request (self);
        if (sb_client_send (self->client, &request, self->asked.arena) != SB_CLIENT_ANSWERED)
            sb_arena_destroy (&self->asked.arena);
    }
    bool is_out = self->asked.arena && !self->is_refused;
    bool is_ready = zmq_poll (&item, is_out ? 1 : 0, wait_ms) > 0;
    if (!is_ready || sb_client_receive (self->client, 0, self->asked.arena, &self->asked.reply) != SB_CLIENT_ANSWERED)
        return;
    self->is_refused = self->asked.reply.code != SB_REASON_NONE;
    if (!self->is_refused)
        s_receive (self, SB_CLIENT_ANSWERED);
}

sb_history_facts_t sb_history_facts (const sb_history_t *self)
{
    return self->facts;
}

/* Up to where the category's publications are gone, when what was asked for reaches back to its first one and nothing
 * but eviction kept it from there; 0: it does not, or none are gone. */
static uint64_t s_gone_through (const sb_history_t *self)
{
    const sb_history_facts_t *facts = &self->facts;
    bool reaches_back = self->last_most == INT32_MAX || (facts->is_whole && facts->count < self->last_most);
    if (self->last_most == 0 || !reaches_back)
        return 0;
    return facts->first_oldest ? facts->first_oldest - 1 : facts->head;
}

static void s_json_end (const sb_history_t *self, const char *word, sb_json_t *json)
{
    const sb_history_facts_t *facts = &self->facts;
    sb_json_clear (json);
    sb_json_open_object (json);
    sb_json_member_string (json, "record", sb_text (word));
    sb_json_member_unsigned (json, "publications", facts->count);
    sb_json_member_unsigned (json, "first", facts->first);
    sb_json_member_unsigned (json, "last", facts->last);
    sb_json_key (json, sb_text ("evicted"));
    sb_json_boolean (json, facts->is_evicted || s_gone_through (self) > 0);
    sb_json_member_unsigned (json, "gone_through", s_gone_through (self));
    sb_json_member_unsigned (json, "oldest", facts->oldest);
    sb_json_member_unsigned (json, "head", facts->head);
    sb_json_member_string (json, "next_cursor", facts->is_whole ? sb_text ("") : facts->next_cursor);
    sb_json_close_object (json);
    puts (sb_json_text (json));
}

void sb_history_print_end (const sb_history_t *self, const char *word, sb_json_t *json)
{
    const sb_history_facts_t *facts = &self->facts;
    char text[SB_DISPLAY_SIZE];
    char range[64] = "";
    char gone[64] = "";
    if (facts->count)
        snprintf (range, sizeof (range), " %" PRIu64 " .. %" PRIu64 ",", facts->first, facts->last);
    if (s_gone_through (self))
        snprintf (gone, sizeof (gone), ": 1 .. %" PRIu64 " are no longer kept", s_gone_through (self));
    if (json)
        s_json_end (self, word, json);
    else
        printf ("%s: %" PRIu64 " publication%s,%s evicted %s%s\n", word, facts->count, facts->count == 1 ? "" : "s",
                range, facts->is_evicted || *gone ? "yes" : "no", gone);
    sb_output_flush ();
    if (!facts->is_evicted)
        return;
    const char *fix = "history/category and history/age in the broker's configuration set how much is kept";
    if (facts->oldest == 0)
        sb_run_complain (0, "WARNING: some of what was asked for is gone, nothing is kept now: %s", fix);
    else
        sb_run_complain (0, "WARNING: some of what was asked for is gone, kept is from %" PRIu64 " (%s) on: %s",
                         facts->oldest, sb_display_time (facts->oldest_unix_ns, text), fix);
}
